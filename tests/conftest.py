"""Fixtures every test may ask for, and the rules of the suite; see `stack.py` and `guards.py` for how they work.

A test that asks for `stack`, `database_url`, `redis_url` or `kafka_bootstrap_servers` gets real servers, started once
per session. Tests isolate themselves by fresh ids (and fresh databases), not by cleaning up.
"""

import gc
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Protocol

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from deploy.local.addresses import Addresses
from deploy.local.stack import LocalStack
from tests import guards
from tests.stack import Databases, chosen_broker, private_stack, session_stack


class FreshDatabase(Protocol):
    """Makes a database and returns its address."""

    def __call__(self, *, migrated: bool = True) -> str:
        """A new database, with the schema unless `migrated` is off."""


def pytest_configure(config: pytest.Config) -> None:
    """Registers the plugin that makes skipped server tests failures; has orphans come to us."""
    guards.adopt_orphans()
    config.pluginmanager.register(guards.SkippedServerTests(), "skipped-server-tests")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling:
    """What shares servers stays together; without `--dist loadfile`, too."""
    scheduler = LoadFileScheduling(config, log)
    scheduler._split_scope = guards.sharers
    return scheduler


def pytest_collection() -> None:
    """What is collected stays: it is not looked through for garbage again and again, neither now nor later."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Garbage is collected from here on, the tests' alone."""
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A test's folder implies its marker, its markers its time limit; what only Apache Kafka can show belongs to
    `make test-kafka` alone.
    """
    for item in items:
        if marker := guards.marker_of_folder(item.path):
            item.add_marker(marker)
        if seconds := guards.timeout_of(item):
            item.add_marker(pytest.mark.timeout(seconds))
    if chosen_broker() != "kafka":
        elsewhere = [item for item in items if item.get_closest_marker("kafka_only")]
        config.hook.pytest_deselected(items=elsewhere)
        items[:] = [item for item in items if item not in elsewhere]


@pytest.fixture(scope="session", autouse=True)
def no_process_left_behind() -> Iterator[None]:
    """Fails the session when a process it started, or one that those started, outlives it."""
    yield
    guards.assert_no_process_left()


@pytest.fixture(autouse=True)
def no_server_by_accident(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that is not marked `integration` or `e2e` cannot connect to anything."""
    if guards.needs_server(request.node):
        yield
    else:
        with guards.no_connections(request.node.nodeid):
            yield


@pytest.fixture(scope="session")
def stack() -> Iterator[LocalStack]:
    """PostgreSQL, Redis and the broker that the tests share. A test that breaks servers asks for `own_stack`."""
    with session_stack() as shared:
        yield shared


@pytest.fixture(scope="session")
def addresses(stack: LocalStack) -> Addresses:
    """Where the shared servers answer; `dataclasses.replace` it to use a fresh database."""
    return stack.addresses


@pytest.fixture(scope="session")
def kafka_bootstrap_servers(addresses: Addresses) -> str:
    """The shared broker."""
    return addresses.kafka_bootstrap_servers


@pytest.fixture(scope="session")
def redis_url(addresses: Addresses) -> str:
    """The shared Redis."""
    return addresses.redis_url


@pytest.fixture(scope="session")
def databases(stack: LocalStack) -> Iterator[Databases]:
    """Makes databases on the shared PostgreSQL; at the end of the session they go, with it or one by one."""
    made = Databases(stack.addresses.database_url)
    yield made
    if stack.postgres is None:  # not ours: it stays
        made.drop_all()


@pytest.fixture(scope="module")
def database_url(databases: Databases) -> str:
    """A migrated database that the tests of one module share."""
    return databases.fresh()


@pytest.fixture(scope="session")
def fresh_database(databases: Databases) -> FreshDatabase:
    """Makes a database for whoever needs one alone."""
    return databases.fresh


@pytest.fixture
def fresh_id() -> Callable[[str], str]:
    """Makes names that no other test uses: `fresh_id("topic")` is "topic-3fa9c1d2"."""
    return lambda prefix: f"{prefix}-{secrets.token_hex(4)}"


@pytest.fixture
def own_stack() -> Iterator[Callable[[], LocalStack]]:
    """Starts private servers that the test may kill, freeze and restart; they end with the test."""
    with ExitStack() as exits:
        yield lambda: exits.enter_context(private_stack())
