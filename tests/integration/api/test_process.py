"""The api as a process: it ends with all its children, waits for nobody for ever, and logs what it did."""

from __future__ import annotations

import json
import os
import signal
import socket
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import httpx
import psutil
import pytest

from deploy.local.addresses import Addresses
from tests.integration.api.conftest import PASSWORD, SECRET, RunningApi, a_running_api, requested, uploaded


@pytest.fixture
def own_api(addresses: Addresses, database_url: str, tmp_path: Path) -> Iterator[RunningApi]:
    running = a_running_api(replace(addresses, database_url=database_url), tmp_path, BODY_TIMEOUT_S="0.5")
    try:
        yield running
    finally:
        running.process.process.stop()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_no_child_outlives_the_service(own_api: RunningApi, how: signal.Signals) -> None:
    with closing(own_api.client()) as client:
        uploaded(client)
    service = psutil.Process(own_api.process.process.pid)
    children = service.children(recursive=True)
    assert children
    os.kill(service.pid, how)
    _, alive = psutil.wait_procs([service, *children], timeout=15)
    assert not [p for p in alive if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def test_a_body_that_does_not_arrive_is_not_waited_for(own_api: RunningApi) -> None:
    with closing(own_api.client()) as client:
        token = client.headers["Authorization"]
    head = (
        f"POST /api/problems HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\nContent-Type: application/json\r\n"
        "Content-Length: 1000\r\n\r\n{"
    )
    with socket.create_connection(("127.0.0.1", own_api.process.port), timeout=15) as connection:
        connection.sendall(head.encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"application/problem+json" in answer


def test_a_request_is_one_log_line_with_its_ids_and_no_secret(own_api: RunningApi, tmp_path: Path) -> None:
    correlation_id = f"test-{uuid.uuid4()}"
    with closing(own_api.client()) as client:
        client.headers["X-Correlation-ID"] = correlation_id
        job_id = requested(client)
        client.get(f"/api/timetables/{job_id}", params={"colour": "red"})
        token = client.headers["Authorization"].removeprefix("Bearer ")
        assert httpx.get(f"{own_api.url}/metrics").text.count('route="/api/timetables/generate"') > 0
    log = (tmp_path / "api.log").read_text()
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    mine = [x for x in lines if x.get("correlation_id") == correlation_id and x["event"] == "request_answered"]
    assert [x["route"] for x in mine] == [
        "/api/problems",
        "/api/timetables/generate",
        "/api/timetables/{job_id}",
    ]
    assert mine[1]["job_id"] == job_id
    assert mine[1]["organization_id"] == str(own_api.organization_id)
    assert (mine[1]["method"], mine[1]["status"]) == ("POST", 202)
    assert mine[1]["duration_ms"] > 0
    for secret in (PASSWORD, SECRET, token):
        assert secret not in log
