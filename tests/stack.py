"""What the fixtures of `conftest.py` are made of: the servers the tests talk to, and fresh databases on them.

A server's address comes from the environment first, then from what this machine can start. Knows nothing of what the
tests assert.
"""

import os
import secrets
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

from deploy.local.stack import BrokerKind, LocalStack

REPOSITORY = Path(__file__).resolve().parents[1]
KAFKA_JARS_FOLDER = REPOSITORY / ".horarium" / "kafka-jars"
BROKER_VARIABLE = "HORARIUM_TEST_BROKER"


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
    """The stack that most tests share: servers named by the environment, else a container, else child processes.

    A container spares no one Java and Maven: stacks of a test's own are child processes, which it can freeze and kill.
    """
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


@cache
def warm_kernels() -> None:
    """Has the search kernels compiled, so that no wait of a test is spent on that: half a minute of a processor.

    The make targets have done it already, and say so: finding it out would take every worker seconds.
    """
    if os.environ.get("HORARIUM_TEST_KERNELS") == "ready":
        return
    from horarium.commands.warmup import warmup

    warmup()


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
    """Apache Kafka in a container (the image the library is made for); the address of its listener."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library's own deprecations are none of ours
        from testcontainers.community.kafka import KafkaContainer

    container = KafkaContainer().with_kraft()
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
