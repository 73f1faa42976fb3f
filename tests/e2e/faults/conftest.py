"""The cluster of a module's fault tests: started once, healed before every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.conftest import whole_system
from tests.e2e.faults.cluster import FAST, Cluster


@pytest.fixture(scope="module")
def module_cluster() -> Iterator[Cluster]:
    """Two solver replicas of one slot each."""
    with whole_system(2, **FAST) as system:
        cluster = Cluster(system)
        with cluster.supervised():
            yield cluster


@pytest.fixture
def cluster(module_cluster: Cluster) -> Iterator[Cluster]:
    """Whole at the start of the test, whatever the one before did to it."""
    module_cluster.heal()
    yield module_cluster
    module_cluster.heal()
    module_cluster.end_leftovers()
