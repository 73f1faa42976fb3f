"""A producer that is not ours: publishes `job.requested` with plain aiokafka and waits for the result.

It knows only the AsyncAPI document: addresses, message names and content types come from there. It must not import
anything of Horarium; the end-to-end test runs it with an isolated interpreter.
"""

import asyncio
import json
import sys
import uuid
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer


async def main(servers: str, api: dict[str, Any], problem: dict[str, Any], organization_id: str) -> None:
    """Publish one request for the problem, then print the `solve.completed` event of that job."""
    channels = {channel["address"]: channel for channel in api["channels"].values()}
    (reference,) = channels["job.requested"]["messages"].values()
    message = api["components"]["messages"][reference["$ref"].rsplit("/", 1)[1]]
    job_id, event_id = str(uuid.uuid4()), str(uuid.uuid4())
    body: dict[str, Any] = {
        "event_id": event_id,
        "job_id": job_id,
        "organization_id": organization_id,
        "correlation_id": "outside-1",
    }
    body |= {"occurred_at": "2026-11-23T08:00:00Z", "options": {"time_limit_s": 2}, "problem": problem}
    headers = {"ce_specversion": "1.0", "ce_id": event_id, "ce_type": message["name"], "ce_source": "/outside"}
    headers |= {"ce_subject": job_id, "content-type": message["contentType"]}
    wire = [(name, value.encode()) for name, value in headers.items()]
    results = AIOKafkaConsumer(
        "solve.completed", bootstrap_servers=servers, auto_offset_reset="earliest", max_partition_fetch_bytes=2**26
    )
    async with AIOKafkaProducer(bootstrap_servers=servers) as producer, results:
        await producer.send_and_wait("job.requested", json.dumps(body).encode(), key=job_id.encode(), headers=wire)
        async for record in results:
            if record.key == job_id.encode():
                print(record.value.decode())  # noqa: T201  # its output is the result
                return


servers, document, problem, organization_id = sys.argv[1:]
api_document, timetabling_problem = (json.loads(Path(file).read_text()) for file in (document, problem))
asyncio.run(asyncio.wait_for(main(servers, api_document, timetabling_problem, organization_id), 120))
