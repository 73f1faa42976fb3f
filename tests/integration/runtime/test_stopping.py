"""Every service leaves when it is asked to, whatever became of the broker, with exit code 0 and nothing left open."""

from __future__ import annotations

import asyncio
import signal
import urllib.request
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from time import monotonic

import psycopg
import pytest

from deploy.local.process import ChildProcess
from deploy.local.services import NAMES, ServiceProcess
from deploy.local.stack import LocalStack
from horarium.commands.topics import apply_topics
from tests.stack import migrate, private_stack

pytestmark = pytest.mark.faults

# Five seconds are promised, on a machine that has nothing else to do. A request to the broker may take a minute here.
LEAVES_WITHIN_S = 20.0
REQUEST_TIMEOUT_S = "60"
NOISE = ("Unclosed", "was destroyed", "never retrieved", "Traceback")


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    with private_stack() as own:
        migrate(own.addresses.database_url)
        yield own


@pytest.fixture
def services(stack: LocalStack, tmp_path: Path) -> Iterator[list[ServiceProcess]]:
    """All four, not started, over a broker with our topics."""
    assert stack.broker is not None
    stack.broker.start()
    asyncio.run(apply_topics(stack.addresses.kafka_bootstrap_servers))
    environment = {
        **stack.addresses.as_environment(),
        "JWT_SECRET": "0" * 40,
        "KAFKA_REQUEST_TIMEOUT_S": REQUEST_TIMEOUT_S,
    }
    made = [ServiceProcess(name, tmp_path, environment) for name in NAMES]
    try:
        yield made
    finally:
        for service in made:
            service.process.kill()
        # A frozen broker would not stop; the embedded one would make the next test wait for these members.
        stack.broker.kill()


def leave(services: list[ServiceProcess], *signals: signal.Signals) -> None:
    """Ask all, wait for all, and look at how they went."""
    asked = monotonic()
    for number in signals or (signal.SIGTERM,):
        for service in services:
            service.process.send_signal(number)
    codes = {s.name: s.process.wait(timedelta(seconds=2 * LEAVES_WITHIN_S)) for s in services}
    assert codes == dict.fromkeys(codes, 0), "\n".join(s.process.log_tail(20) for s in services)
    assert monotonic() - asked < LEAVES_WITHIN_S
    for service in services:
        log = service.process.log_file.read_text()
        assert '"service_stopped"' in log
        assert not [noise for noise in NOISE if noise in log], service.process.log_tail(40)


def alive(service: ServiceProcess) -> None:
    def ask() -> None:
        with urllib.request.urlopen(f"{service.url}/healthz", timeout=5):  # noqa: S310  # our own loopback address
            pass

    service.process.wait_until(ask, within=timedelta(seconds=60), what="alive")


def an_event_that_waits(database_url: str) -> None:
    """In api's outbox: something that it is about to publish."""
    with psycopg.connect(database_url.replace("postgresql+psycopg", "postgresql")) as connection:
        connection.execute(
            "INSERT INTO outbox (event_id, job_id, topic, key, value, headers) "
            "VALUES (%s, %s, 'job.control', 'x', 'x', '{}')",
            (uuid.uuid4(), uuid.uuid4()),
        )


def test_services_leave_a_broker_that_answers_and_asking_twice_changes_nothing(
    services: list[ServiceProcess],
) -> None:
    for service in services:
        service.process.start()
    for service in services:
        service.wait_until_ready()
    leave(services, signal.SIGTERM, signal.SIGINT, signal.SIGTERM)


def test_services_leave_while_they_connect_to_a_broker_that_is_frozen(
    services: list[ServiceProcess], stack: LocalStack
) -> None:
    assert stack.broker is not None
    stack.broker.pause()
    for service in services:
        service.process.start()
    for service in services:
        alive(service)
    leave(services)


@pytest.mark.parametrize("becomes", ["frozen", "killed"])
def test_services_leave_a_broker_that_is_gone_although_there_is_something_to_publish(
    services: list[ServiceProcess], stack: LocalStack, becomes: str
) -> None:
    assert stack.broker is not None
    for service in services:
        service.process.start()
    for service in services:
        service.wait_until_ready()
    stack.broker.pause() if becomes == "frozen" else stack.broker.kill()
    an_event_that_waits(stack.addresses.database_url)
    if becomes == "killed":
        api = services[0].process
        api.wait_until(lambda: logged(api, "_waits"), within=timedelta(seconds=30), what="aware of it")
    leave(services)


def logged(process: ChildProcess, words: str) -> None:
    if words not in process.log_file.read_text():
        raise ConnectionError(f"no {words!r} in the log yet")
