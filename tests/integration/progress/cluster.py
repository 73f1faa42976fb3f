"""A Redis Cluster of one server: as strict about slots as a large one.

Knows how to start it and how to make it refuse writes. Must not know what is stored there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import redis

from deploy.local.redis import RedisServer
from tests.stack import data_folder


class ClusterOfOne(RedisServer):
    """One Redis server in cluster mode that owns every slot."""

    # Where the servers of a cluster would talk to one another; Redis 6 cannot be told another place.
    companion_port: ClassVar[int] = 10_000

    def prepare(self) -> None:
        super().prepare()
        with self.configuration_file.open("a") as configuration:
            configuration.write(f"cluster-enabled yes\ncluster-announce-ip {self.host}\n")

    def own_all_slots(self) -> None:
        with redis.Redis.from_url(self.url) as client:
            client.execute_command("CLUSTER", "ADDSLOTS", *range(16384))

    @property
    def cluster_url(self) -> str:
        """The address in the form that the service takes."""
        return self.url.replace("redis://", "redis+cluster://")

    @contextmanager
    def full(self) -> Iterator[None]:
        """Answers every question meanwhile, and takes no writes."""
        with redis.Redis.from_url(self.url) as client:
            client.config_set("maxmemory", 1)
            try:
                yield
            finally:
                client.config_set("maxmemory", 0)


@contextmanager
def a_cluster() -> Iterator[ClusterOfOne]:
    """A cluster of its own; complete a moment later."""
    with data_folder() as folder, ClusterOfOne(Path(folder)) as server:
        server.own_all_slots()
        yield server
