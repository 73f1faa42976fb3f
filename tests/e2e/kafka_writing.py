"""Writing to topics in tests as any producer may, with plain aiokafka: requests, controls from outside, and nonsense.

Owns how a message of ours looks on the wire, by hand. Knows nothing of our own encoder.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

from aiokafka import AIOKafkaProducer

from horarium.client import Submitted
from schemas.topics import MAX_MESSAGE_BYTES
from tests.e2e.conftest import System, wait_for

Headers = tuple[tuple[str, bytes], ...]


class Record(Protocol):
    """What is sent: one of ours, or one that was read."""

    @property
    def topic(self) -> str: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def headers(self) -> Iterable[tuple[str, bytes]]: ...


class Message(NamedTuple):
    """A message as it is sent."""

    topic: str
    value: bytes | None
    key: bytes | None
    headers: Headers


def publish(system: System, records: Iterable[Record]) -> None:
    """Send one after another; all are on the broker when this returns."""
    records = list(records)
    if not records:
        return

    async def send() -> None:
        servers = system.stack.addresses.kafka_bootstrap_servers
        async with AIOKafkaProducer(bootstrap_servers=servers, max_request_size=MAX_MESSAGE_BYTES) as producer:
            for record in records:
                await producer.send_and_wait(record.topic, record.value, key=record.key, headers=list(record.headers))

    # In a thread: a browser's driver has an event loop of its own in the test's.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, send()).result()


def publish_request(system: System, organization_id: str, problem: dict[str, Any]) -> Submitted:
    """Ask for a timetable of the problem, which is sent along; returns once the api knows the job."""
    job_id = str(uuid.uuid4())
    publish(system, [a_request(job_id, organization_id, problem, time_limit_s=1)])

    def known() -> bool:
        return system.client.attempt("GET", f"/api/timetables/{job_id}").is_success

    wait_for(f"job {job_id} to be known", known, tell=system.tails)
    told = system.client.job(job_id)
    return Submitted(job_id, told["status_url"], told["progress_url"])


def a_request(job_id: str, organization_id: str, problem: dict[str, Any], **options: object) -> Message:
    """`job.requested` with the problem inline."""
    return _event("job.requested", job_id, organization_id, problem=problem, options=options)


def a_control(job_id: str, organization_id: str, action: str) -> Message:
    """`job.control`."""
    return _event("job.control", job_id, organization_id, action=action)


def _event(topic: str, job_id: str, organization_id: str, **fields: object) -> Message:
    body = {
        "event_id": str(uuid.uuid4()),
        "job_id": job_id,
        "organization_id": organization_id,
        "correlation_id": "outside",
        "occurred_at": datetime.now(UTC).isoformat(),
        **fields,
    }
    headers = (("ce_type", f"{topic}.v1".encode()), ("content-type", b"application/json"))
    return Message(topic, json.dumps(body).encode(), job_id.encode(), headers)
