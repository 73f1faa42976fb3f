"""Asks a broker, over the Kafka protocol, whether it is ready; knows nothing of which broker it is."""

import asyncio
import socket
import threading
from datetime import timedelta

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

REQUEST_TIMEOUT = timedelta(seconds=5)


def check_broker(bootstrap_servers: str) -> None:
    """Returns when the cluster at `bootstrap_servers` names at least one living broker.

    A metadata request: a broker that accepts connections but has not joined its cluster yet does not pass. May be
    called from any thread, also from one that runs an event loop. Raises `ConnectionError`.
    """
    host, _, port = bootstrap_servers.partition(",")[0].rpartition(":")
    # The client logs an error for every refused connection; while a broker starts, that is no error.
    socket.create_connection((host, int(port)), timeout=REQUEST_TIMEOUT.total_seconds()).close()
    errors: list[Exception] = []

    def ask() -> None:
        try:
            asyncio.run(_ask(bootstrap_servers))
        except (KafkaError, OSError, TimeoutError) as error:
            errors.append(error)

    # A thread of its own, because asyncio.run refuses where a loop is already running.
    thread = threading.Thread(target=ask, name="check-broker")
    thread.start()
    thread.join()
    if errors:
        raise ConnectionError(f"no answer from the broker at {bootstrap_servers}: {errors[0]!r}") from errors[0]


async def _ask(bootstrap_servers: str) -> None:
    admin = AIOKafkaAdminClient(
        bootstrap_servers=bootstrap_servers, request_timeout_ms=int(REQUEST_TIMEOUT.total_seconds() * 1000)
    )
    try:
        await admin.start()
        cluster = await admin.describe_cluster()
    finally:
        await admin.close()
    if not cluster.get("brokers"):
        raise ConnectionError("the cluster has no living broker yet")
