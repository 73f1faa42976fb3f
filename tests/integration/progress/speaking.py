"""Speaking to a running progress service the way the world does: Kafka in, HTTP and Redis out.

Knows nothing of the service's code except its keys and its settings' names.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
from aiokafka import AIOKafkaProducer
from pydantic import SecretStr

from schemas.events import Event
from schemas.events.cloudevents import encode
from schemas.topics import MAX_MESSAGE_BYTES
from services.runtime.tokens import Keys, Principal, issue
from tests.job_events import JobEvents

SECRET = "a secret for tests that is long enough"
WITHIN_S = 90.0


def headers_of(organization_id: uuid.UUID) -> dict[str, str]:
    """A viewer of the organisation."""
    principal = Principal(uuid.uuid4(), organization_id, "viewer", "viewer@test.example")
    return {"Authorization": f"Bearer {issue(principal, Keys(SecretStr(SECRET)), timedelta(minutes=10))}"}


class Publisher:
    """Publishes events as any producer would."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer

    async def __call__(self, *events: Event) -> None:
        for event in events:
            wire = encode(event, source="/test")
            headers = [(name, value.encode()) for name, value in wire.headers.items()]
            await self._producer.send_and_wait(wire.topic, wire.value, key=wire.key, headers=headers)


@asynccontextmanager
async def publisher(kafka_bootstrap_servers: str) -> AsyncIterator[Publisher]:
    producer = AIOKafkaProducer(
        bootstrap_servers=kafka_bootstrap_servers, acks="all", max_request_size=MAX_MESSAGE_BYTES, linger_ms=0
    )
    await producer.start()
    try:
        yield Publisher(producer)
    finally:
        await producer.stop()


@dataclass(frozen=True)
class Message:
    """One server-sent event."""

    event: str
    id: str
    body: dict[str, Any]


class Reader:
    """HTTP as a viewer of one job's organisation."""

    def __init__(self, http: httpx.AsyncClient, job: JobEvents) -> None:
        self._http = http
        self._job = job
        self._headers = headers_of(job.organization_id)

    @property
    def path(self) -> str:
        return f"/api/progress/{self._job.job_id}"

    async def get(self, **headers: str) -> httpx.Response:
        return await self._http.get(self.path, headers={**self._headers, **headers})

    async def until(self, **expected: object) -> dict[str, Any]:
        """The first snapshot with these values; fails, showing the last one, when the time is over."""
        last = ""
        try:
            async with asyncio.timeout(WITHIN_S):
                while True:
                    answer = await self.get()
                    last = answer.text
                    if answer.status_code == httpx.codes.OK:
                        body: dict[str, Any] = answer.json()
                        if all(body[name] == value for name, value in expected.items()):
                            return body
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(f"waited {WITHIN_S:g} s for {expected}; last seen: {last}") from None

    @asynccontextmanager
    async def stream(self, last_event_id: str = "") -> AsyncIterator[tuple[httpx.Response, AsyncIterator[Message]]]:
        """An open event stream: the answer, and its events."""
        headers = {**self._headers, **({"Last-Event-ID": last_event_id} if last_event_id else {})}
        async with self._http.stream("GET", f"{self.path}/events", headers=headers, timeout=WITHIN_S) as answer:
            yield answer, _messages(answer.aiter_lines())

    async def follow(self, last_event_id: str = "") -> list[Message]:
        """Everything until the stream ends."""
        async with asyncio.timeout(WITHIN_S), self.stream(last_event_id) as (_, messages):
            return [message async for message in messages]


async def _messages(lines: AsyncIterator[str]) -> AsyncIterator[Message]:
    fields: dict[str, str] = {}
    async for line in lines:
        if line.startswith(":"):
            yield Message("comment", "", {})
        elif line:
            name, _, value = line.partition(": ")
            fields[name] = value
        else:
            if "data" in fields:
                yield Message(fields.get("event", "message"), fields.get("id", ""), json.loads(fields["data"]))
            fields = {}


def frames(messages: Iterable[Message]) -> list[Message]:
    """Without the heartbeats."""
    return [message for message in messages if message.event != "comment"]
