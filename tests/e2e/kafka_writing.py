"""Requests as an outside producer writes them: straight to the topic, with no api in between."""

from __future__ import annotations

import asyncio
import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaProducer

from horarium.client import Submitted
from tests.e2e.conftest import System, wait_for


def publish_request(system: System, organization_id: str, problem: dict[str, Any], **options: object) -> Submitted:
    """Ask for a timetable of the problem, which is sent along; returns once the api knows the job."""
    job_id = str(uuid.uuid4())
    body = {
        "event_id": str(uuid.uuid4()),
        "job_id": job_id,
        "organization_id": organization_id,
        "correlation_id": "outside",
        "occurred_at": datetime.now(UTC).isoformat(),
        "options": {"time_limit_s": 1, **options},
        "problem": problem,
    }
    headers = [("ce_type", b"job.requested.v1"), ("content-type", b"application/json")]

    async def send() -> None:
        servers = system.stack.addresses.kafka_bootstrap_servers
        async with AIOKafkaProducer(bootstrap_servers=servers) as producer:
            await producer.send_and_wait(
                "job.requested", json.dumps(body).encode(), key=job_id.encode(), headers=headers
            )

    # In a thread: the browser's driver has an event loop of its own in this one.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, send()).result()

    def known() -> bool:
        return system.client.attempt("GET", f"/api/timetables/{job_id}").is_success

    wait_for(f"job {job_id} to be known", known, tell=system.tails)
    told = system.client.job(job_id)
    return Submitted(job_id, told["status_url"], told["progress_url"])
