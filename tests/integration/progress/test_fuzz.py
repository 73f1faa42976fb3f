"""The running progress service against its own OpenAPI document."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import httpx
import pytest

from deploy.local.services import ServiceProcess
from services.progress.app import create_app, documentation_settings
from tests.integration.documented import labels
from tests.integration.progress.speaking import Publisher, Reader, headers_of
from tests.job_events import JobEvents

APP = create_app(documentation_settings())
OPERATIONS = labels(APP)
# A stream that is opened for no job waits for one to come.
ENVIRONMENT = {"UNKNOWN_JOB_WAIT_S": "0.05"}


@pytest.mark.parametrize("label", OPERATIONS)
async def test_every_answer_is_one_that_the_document_describes(
    http: httpx.AsyncClient, publish: Publisher, progress: ServiceProcess, label: str
) -> None:
    from tests.integration.fuzzing import Fuzzer, operations

    job = JobEvents(variants=2)
    await publish(job.requested(), job.progress(10), job.completed())
    await Reader(http, job).until(status="completed")
    ids: dict[str, Any] = {"job_id": str(job.job_id)}
    callers = {"own": headers_of(job.organization_id), "foreign": headers_of(uuid.uuid4())}
    answers = await asyncio.to_thread(Fuzzer(progress.url, callers, ids.get).ask, operations(APP)[label])
    assert any(status < 400 for _, status in answers), f"{label} was only ever refused: {answers}"
    assert not any(status < 400 for caller, status in answers if caller == "foreign" and "job_id" in label)
