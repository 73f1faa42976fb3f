"""The local stack: PostgreSQL, Redis and a Kafka-protocol broker as child processes, with their data in one folder.

Owns which parts are started and in which folder; a part whose address is in the environment is somebody else's server
and is not started. Knows nothing of the services that use it.
"""

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from deploy.local.addresses import Addresses
from deploy.local.kafka import KafkaBroker
from deploy.local.postgres import PostgresServer
from deploy.local.redis import RedisServer
from deploy.local.server import Server
from deploy.local.state import await_ending, forget, locked, record
from deploy.local.tansu import TansuBroker

DEFAULT_FOLDER = Path(".horarium")

BrokerKind = Literal["embedded", "kafka"]


class StackRunningError(RuntimeError):
    """A stack is running in this data folder already."""


@dataclass(frozen=True)
class Ports:
    """Ports to use; None: a free one, chosen at the first start."""

    postgres: int | None = None
    redis: int | None = None
    broker: int | None = None


class LocalStack:
    """PostgreSQL, Redis and a broker, each replaced by a real one where the environment names it.

    Everything listens on the loopback interface; PostgreSQL and Redis ask for random passwords kept in the folder.
    The processes end with this one, even if it is killed, unless `stays` is set; then `stop_recorded(folder)` stops
    them.
    """

    def __init__(
        self,
        folder: Path = DEFAULT_FOLDER,
        *,
        broker: BrokerKind = "embedded",
        ports: Ports | None = None,
        stays: bool = False,
        fsync: bool = True,
        environment: Mapping[str, str] | None = None,
        kafka_jars_folder: Path | None = None,
    ) -> None:
        """`environment` (default: the process's) may name DATABASE_URL, REDIS_URL and KAFKA_BOOTSTRAP_SERVERS."""
        named = os.environ if environment is None else environment
        ports = ports or Ports()
        self.folder = folder.resolve()
        self.stays = stays
        self._given = Addresses(
            named.get("KAFKA_BOOTSTRAP_SERVERS", ""), named.get("DATABASE_URL", ""), named.get("REDIS_URL", "")
        )
        self.postgres: PostgresServer | None = None
        self.redis: RedisServer | None = None
        self.broker: TansuBroker | KafkaBroker | None = None
        if not self._given.database_url:
            self.postgres = PostgresServer(self.folder / "postgres", port=ports.postgres, stays=stays, fsync=fsync)
        if not self._given.redis_url:
            self.redis = RedisServer(self.folder / "redis", port=ports.redis, stays=stays)
        if not self._given.kafka_bootstrap_servers:
            if broker == "kafka":
                self.broker = KafkaBroker(
                    self.folder / "kafka", port=ports.broker, stays=stays, jars_folder=kafka_jars_folder
                )
            else:
                self.broker = TansuBroker(self.folder / "tansu", port=ports.broker, stays=stays)

    @property
    def servers(self) -> tuple[Server, ...]:
        """The parts started here."""
        return tuple(server for server in (self.postgres, self.redis, self.broker) if server is not None)

    @property
    def addresses(self) -> Addresses:
        """Where everything answers; only after the first start."""
        return Addresses(
            kafka_bootstrap_servers=(
                self._given.kafka_bootstrap_servers if self.broker is None else self.broker.bootstrap_servers
            ),
            database_url=self._given.database_url if self.postgres is None else self.postgres.url(),
            redis_url=self._given.redis_url if self.redis is None else self.redis.url,
            kafka_idempotent_producer=not isinstance(self.broker, TansuBroker),
        )

    def start(self) -> None:
        """Starts the parts side by side and returns when all answer.

        Raises `StackRunningError`, or what the first failing part raises; then nothing is left running.
        """
        with locked(self.folder):
            # Private parts have their own modes; PostgreSQL's user must be able to pass through.
            self.folder.chmod(0o711)
            if living := await_ending(self.folder):
                names = ", ".join(f"{process.name} ({process.pid})" for process in living)
                raise StackRunningError(
                    f"a stack is already running in {self.folder}: {names}. Stop it with `make down`, or use another "
                    "folder."
                )
            forget(self.folder)
            with ExitStack() as undo:
                undo.callback(self._stop_servers)
                with ThreadPoolExecutor(max_workers=len(self.servers) or 1) as pool:
                    for started in [pool.submit(server.start) for server in self.servers]:
                        started.result()
                record(self.folder, *(server.process for server in self.servers), addresses=self.addresses)
                undo.pop_all()

    def stop(self) -> None:
        """Stops every part started here; their data stays."""
        with locked(self.folder):
            self._stop_servers()
            forget(self.folder)

    def _stop_servers(self) -> None:
        with ThreadPoolExecutor(max_workers=len(self.servers) or 1) as pool:
            for stopped in [pool.submit(server.stop) for server in self.servers]:
                stopped.result()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
