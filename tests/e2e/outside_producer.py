"""A producer that is not ours: publishes `job.requested` with plain aiokafka and waits for the result.

It knows only the AsyncAPI document: addresses, message names and content types come from there. It must not import
anything of Horarium; the end-to-end test runs it with an isolated interpreter.
"""

import asyncio
import json
import sys
import uuid
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer


async def main(servers: str, document: str, problem: str, organization_id: str) -> None:
    """Publish one request for the problem in a file, then print the `solve.completed` event of that job."""
    api = json.loads(Path(document).read_text())
    channels = {channel["address"]: channel for channel in api["channels"].values()}
    (reference,) = channels["job.requested"]["messages"].values()
    message = api["components"]["messages"][reference["$ref"].rsplit("/", 1)[1]]
    job_id, event_id = str(uuid.uuid4()), str(uuid.uuid4())
    body = {"event_id": event_id, "job_id": job_id, "organization_id": organization_id, "correlation_id": "outside-1"}
    body |= {"occurred_at": "2026-11-23T08:00:00Z", "options": {"time_limit_s": 2}}
    body |= {"problem": json.loads(Path(problem).read_text())}
    headers = {"ce_specversion": "1.0", "ce_id": event_id, "ce_type": message["name"], "ce_source": "/outside"}
    headers |= {"ce_subject": job_id, "content-type": message["contentType"]}
    wire = [(name, value.encode()) for name, value in headers.items()]
    results = AIOKafkaConsumer("solve.completed", bootstrap_servers=servers, max_partition_fetch_bytes=2**26)
    async with AIOKafkaProducer(bootstrap_servers=servers) as producer, results:
        await producer.send_and_wait("job.requested", json.dumps(body).encode(), key=job_id.encode(), headers=wire)
        async for record in results:
            if record.key == job_id.encode():
                print(record.value.decode())  # noqa: T201  # its output is the result
                return


asyncio.run(asyncio.wait_for(main(*sys.argv[1:]), 60))
