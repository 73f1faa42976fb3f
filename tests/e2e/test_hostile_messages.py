"""Messages that are no events of ours go to the dead-letter topic with their bytes, and the work goes on."""

from __future__ import annotations

import asyncio
import json
import secrets
import uuid

from aiokafka import AIOKafkaProducer

from tests.e2e.conftest import System, wait_for
from tests.e2e.kafka_reading import everything_on
from tests.e2e.problems import a_department


def _publish(system: System, messages: list[tuple[bytes | None, list[tuple[str, bytes]]]]) -> None:
    async def send() -> None:
        servers = system.stack.addresses.kafka_bootstrap_servers
        producer = AIOKafkaProducer(bootstrap_servers=servers, max_request_size=64 * 1024 * 1024)
        await producer.start()
        try:
            for value, headers in messages:
                await producer.send_and_wait("job.requested", value, key=b"poison", headers=headers)
        finally:
            await producer.stop()

    asyncio.run(send())


def test_undecodable_requests_are_kept_and_the_next_job_runs(system: System) -> None:
    typed = [("ce_type", b"job.requested.v1")]
    marker = secrets.token_hex(8).encode()
    body = {"job_id": str(uuid.uuid4()), "organization_id": str(uuid.uuid4()), "problem": {}}
    hostile: list[tuple[bytes | None, list[tuple[str, bytes]]]] = [
        (b"\xff\x00\xfe" + marker, typed),
        (b"{" + marker, typed),
        (json.dumps({**body, "options": {"variants": 10_000}, "m": marker.decode()}).encode(), typed),
        (json.dumps({**body, "m": marker.decode()}).encode(), [("ce_type", b"job.requested.v99")]),
        (b"[" * 100_000 + marker, typed),
        (json.dumps({"job_id": "../../etc/passwd", "m": marker.decode()}).encode(), [*typed, ("bad", b"\xff\xfe")]),
    ]
    _publish(system, hostile)

    uploaded = system.client.upload(json.dumps(a_department(name="after the poison")).encode())
    job = system.client.generate(uploaded["id"], time_limit_s=1)
    assert system.ended(job)["status"] == "completed"

    def letters() -> list[object] | None:
        found = [r for r in everything_on(system, "job.requested.dlq") if marker in (r.value or b"")]
        # solver, progress and persister each read the topic, and each keeps what it could not read.
        return found if len(found) >= 3 * len(hostile) else None

    kept = wait_for("every reader to dead-letter every hostile message", letters, within_s=60)
    assert {record.value for record in kept} == {value for value, _ in hostile}, "bytes are untouched"  # type: ignore[attr-defined]  # aiokafka records carry no types
    for record in kept:
        headers = dict(record.headers)  # type: ignore[attr-defined]  # as above
        assert headers["dlq_topic"] == b"job.requested"
        assert headers["dlq_group"]
        assert headers["dlq_reason"] in (b"invalid", b"unknown_type")
