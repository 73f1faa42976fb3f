"""What the fixtures of `conftest.py` are made of: the servers the tests talk to, fresh databases, service processes.

A server's address comes from the environment first, then from what this machine can start. Knows nothing of what the
tests assert.
"""

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import urllib.request
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Self

import psutil
import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

from deploy.local.addresses import Addresses
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.process import ChildProcess
from deploy.local.stack import BrokerKind, LocalStack

REPOSITORY = Path(__file__).resolve().parents[1]
KAFKA_JARS_FOLDER = REPOSITORY / ".horarium" / "kafka-jars"
BROKER_VARIABLE = "HORARIUM_TEST_BROKER"
KAFKA_IMAGE = "confluentinc/cp-kafka:8.1.1"
SERVICE_READY_WITHIN = timedelta(seconds=60)
ORPHANS_GONE_WITHIN_S = 15.0


def chosen_broker() -> BrokerKind:
    """Which broker the tests run against; raises `ValueError` for a word that is none."""
    name = os.environ.get(BROKER_VARIABLE, "embedded")
    if name == "kafka":
        return "kafka"
    if name == "embedded":
        return "embedded"
    raise ValueError(f"{BROKER_VARIABLE} is {name!r}; it must be 'embedded' or 'kafka'")


@contextmanager
def data_folder() -> Iterator[Path]:
    """A folder for servers' data, gone afterwards; not pytest's own, which PostgreSQL's user could not enter."""
    folder = Path(tempfile.mkdtemp(prefix="horarium-test-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def session_stack() -> Iterator[LocalStack]:
    """The stack that most tests share: servers named by the environment, else a container, else child processes."""
    broker = chosen_broker()
    with ExitStack() as exits:
        environment = dict(os.environ)
        if broker == "kafka" and not environment.get("KAFKA_BOOTSTRAP_SERVERS") and docker_answers():
            environment["KAFKA_BOOTSTRAP_SERVERS"] = exits.enter_context(kafka_in_docker())
        folder = exits.enter_context(data_folder())
        stack = LocalStack(
            folder, broker=broker, fsync=False, environment=environment, kafka_jars_folder=KAFKA_JARS_FOLDER
        )
        yield exits.enter_context(stack)


@contextmanager
def private_stack() -> Iterator[LocalStack]:
    """A stack of child processes that a test may kill, freeze and restart; the environment replaces no part of it."""
    with data_folder() as folder:
        stack = LocalStack(
            folder, broker=chosen_broker(), fsync=False, environment={}, kafka_jars_folder=KAFKA_JARS_FOLDER
        )
        with stack:
            yield stack


def docker_answers() -> bool:
    """True when a Docker engine answers, not merely its client."""
    docker = shutil.which("docker")
    if docker is None:
        return False
    try:
        return subprocess.run([docker, "info"], check=False, capture_output=True, timeout=15).returncode == 0
    except subprocess.TimeoutExpired:
        return False


@contextmanager
def kafka_in_docker() -> Iterator[str]:
    """Apache Kafka in a container; the address of its listener."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library's own deprecations are none of ours
        from testcontainers.community.kafka import KafkaContainer

    container = KafkaContainer(KAFKA_IMAGE).with_kraft()
    container.with_env("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "false")
    container.with_env("KAFKA_MESSAGE_MAX_BYTES", str(64 * 1024 * 1024))
    container.with_env("KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS", "0")
    with container:
        yield container.get_bootstrap_server()


class Databases:
    """Makes databases on the server of one address: empty ones, and copies of one that was migrated once."""

    def __init__(self, database_url: str) -> None:
        self._url = make_url(database_url)
        self._template: str | None = None
        self._made: list[str] = []

    def fresh(self, *, migrated: bool = True) -> str:
        """The address of a new database, with the schema unless `migrated` is off."""
        if not migrated:
            return self._create()
        if self._template is None:
            self._template = _name_of(migrate(self._create()))
        return self._create(template=self._template)

    def drop_all(self) -> None:
        """Drops every database made here, whoever is still connected."""
        with self._connection() as connection:
            while self._made:
                statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
                connection.execute(statement.format(sql.Identifier(self._made.pop())))

    def _create(self, template: str = "template1") -> str:
        name = f"test_{secrets.token_hex(6)}"
        with self._connection() as connection:
            statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
            connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
        self._made.append(name)
        return self._url.set(database=name).render_as_string(hide_password=False)

    def _connection(self) -> "psycopg.Connection[tuple[object, ...]]":
        address = self._url.set(drivername="postgresql").render_as_string(hide_password=False)
        return psycopg.connect(address, autocommit=True, connect_timeout=10)


def migrate(database_url: str) -> str:
    """Brings a database to the newest schema and returns its address."""
    from services.api.migrate import upgrade

    upgrade(database_url)
    return database_url


def _name_of(database_url: str) -> str:
    return make_url(database_url).database or ""


class ServiceProcess:
    """One replica of a service, run as `python -m services.NAME` with its own port and log, to be used and abused.

    `kill` is a real kill -9 of the service alone: what its own children do then is the service's business, and `close`
    fails when one of them is still there.
    """

    def __init__(
        self,
        service: str,
        addresses: Addresses,
        folder: Path,
        *,
        environment: Mapping[str, str] | None = None,
        replica: str = "",
        stop_within: timedelta = timedelta(seconds=20),
    ) -> None:
        """`folder` takes the log; `environment` is added to what every service gets."""
        self.service = service
        self.name = f"{service}-{replica}" if replica else service
        self.port = free_port()
        inherited = {name: value for name, value in os.environ.items() if name not in addresses.as_environment()}
        own = {"HTTP_HOST": LOOPBACK, "HTTP_PORT": str(self.port), "PYTHONUNBUFFERED": "1"}
        self.process = ChildProcess(
            name=self.name,
            command=[sys.executable, "-m", f"services.{service}"],
            log_file=folder / f"{self.name}-{secrets.token_hex(3)}.log",
            environment={**inherited, **own, **addresses.as_environment(), **(environment or {})},
            folder=REPOSITORY,
            stop_within=stop_within,
        )
        self._children: list[psutil.Process] = []

    @property
    def url(self) -> str:
        """Where its HTTP server answers, without a slash at the end."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def start(self, *, ready: bool = True, within: timedelta = SERVICE_READY_WITHIN) -> Self:
        """Starts it and, unless told otherwise, waits until /readyz answers 200."""
        self.process.start()
        if ready:
            self.wait_until_ready(within)
        return self

    def wait_until_ready(self, within: timedelta = SERVICE_READY_WITHIN) -> None:
        """Waits until /readyz answers 200; the failure shows the log's tail."""
        self.process.wait_until(lambda: _get(f"{self.url}/readyz"), within=within)

    def is_running(self) -> bool:
        """True while the process exists."""
        return self.process.is_running()

    def is_ready(self) -> bool:
        """True when /readyz answers 200 right now."""
        try:
            _get(f"{self.url}/readyz")
        except OSError:
            return False
        return True

    def metrics(self) -> str:
        """What /metrics says."""
        return _get(f"{self.url}/metrics")

    def stop(self) -> int:
        """SIGTERM, and the exit code; a service that needs longer than `stop_within` is killed (exit code -9)."""
        self._remember_children()
        self.process.stop()
        return self.process.exit_code or 0

    def kill(self) -> None:
        """kill -9 of the service alone."""
        self._remember_children()
        self.process.kill(with_children=False)

    def pause(self) -> None:
        """SIGSTOP to the service and its children: alive, but silent."""
        self.process.pause()

    def resume(self) -> None:
        """SIGCONT."""
        self.process.resume()

    def children(self) -> list[psutil.Process]:
        """The processes the service has started and that still run."""
        return psutil.Process(self.pid).children(recursive=True) if self.is_running() else []

    def log_tail(self, lines: int = 60) -> str:
        """The end of its log."""
        return self.process.log_tail(lines)

    def close(self) -> None:
        """Ends it, and fails when a process it had started is still there after a while."""
        self._remember_children()
        self.process.stop()
        _, orphans = psutil.wait_procs(self._children, timeout=ORPHANS_GONE_WITHIN_S)
        orphans = [orphan for orphan in orphans if orphan.is_running() and orphan.status() != psutil.STATUS_ZOMBIE]
        names = [f"{orphan.pid}: {' '.join(orphan.cmdline())}" for orphan in orphans]
        for orphan in orphans:
            orphan.kill()
        assert not names, f"{self.name} left processes behind:\n" + "\n".join(names) + "\n" + self.log_tail()

    def _remember_children(self) -> None:
        self._children += [child for child in self.children() if child not in self._children]


def _get(url: str) -> str:
    """The body of a 200 answer; anything else is an `OSError`."""
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  # the URL is ours, on the loopback interface
        return bytes(answer.read()).decode()
