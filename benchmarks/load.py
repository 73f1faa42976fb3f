"""The HTTP services under a steady load: POST generate at 50 requests a second, GET progress at 500.

An open loop: requests leave by the clock whether or not earlier ones were answered, and each is timed from when it was
due, so that a pause of the server is counted for every request that it delayed. Sends traffic only to the services
that it starts itself on the loopback interface; bounded in time. The client is a process of its own that speaks plain
HTTP/1.1 over kept connections: a full client library would measure itself.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import tempfile
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from statistics import quantiles
from time import perf_counter
from urllib.parse import urlsplit

import uvloop
from rich.console import Console

from benchmarks.service import full_size_problem
from horarium.client import Client
from horarium.demo.platform import Running, platform

GENERATE_PER_S, GENERATE_S = 50, 20
PROGRESS_PER_S, PROGRESS_S = 500, 20
# Jobs whose progress is asked for in turn.
_JOBS = 20
_CONNECTIONS = 32
_WARM_UP_S = 5.0


@dataclass(frozen=True, slots=True)
class Load:
    """Requests (`lines` in turn, each a whole HTTP/1.1 request) to one address, `per_s` of them for `seconds`."""

    host: str
    port: int
    lines: list[bytes]
    per_s: int
    seconds: float
    expect: int


def measure() -> None:
    """Print both tables."""
    with tempfile.TemporaryDirectory(prefix="horarium-bench-") as folder:
        Path(folder).chmod(0o711)
        with platform(Console(stderr=True, highlight=False), Path(folder)) as running:
            _measure(running)


def _measure(running: Running) -> None:
    content = full_size_problem()
    with Client(running.api_url) as client:
        client.sign_in(running.email, running.password)
        problem_id = client.upload(content)["id"]
        jobs = [client.generate(problem_id, time_limit_s=60, seed=n, variants=1) for n in range(_JOBS)]
        for job in jobs:
            while client.progress(job.progress_url) is None:
                pass
        head = f"Authorization: Bearer {client.token}\r\n"
        asked = json.dumps({"problem_id": problem_id, "time_limit_s": 60, "variants": 1}).encode()

        # Both while two searches run: that is when people look.
        progress = [_request("GET", urlsplit(job.progress_url).path, running.progress_url, head) for job in jobs]
        print("\nHTTP under a steady load, beside two full-size searches\n")
        print("| what | requests | p50 | p99 | longest |")
        print("|---|---:|---:|---:|---:|")
        progress_times = _run(_load(running.progress_url, progress, PROGRESS_PER_S, PROGRESS_S, 200))
        print(_row(f"GET progress, {PROGRESS_PER_S} requests/s", progress_times), flush=True)
        generate = [_request("POST", "/api/timetables/generate", running.api_url, head, asked)]
        generate_times = _run(_load(running.api_url, generate, GENERATE_PER_S, GENERATE_S, 202))
        print(_row(f"POST generate, {GENERATE_PER_S} requests/s", generate_times))


def _row(what: str, times: list[float]) -> str:
    ranks = quantiles(times, n=100)
    longest = max(times)
    return f"| {what} | {len(times):,} | {1e3 * ranks[49]:.1f} ms | {1e3 * ranks[98]:.1f} ms | {1e3 * longest:.1f} ms |"


def _request(method: str, path: str, base: str, head: str, body: bytes = b"") -> bytes:
    lines = f"{method} {path} HTTP/1.1\r\nHost: {urlsplit(base).netloc}\r\n{head}"
    if body:
        lines += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return lines.encode() + b"\r\n" + body


def _load(base: str, lines: list[bytes], per_s: int, seconds: float, expect: int) -> Load:
    where = urlsplit(base)
    return Load(where.hostname or "127.0.0.1", where.port or 80, lines, per_s, seconds, expect)


def _run(load: Load) -> list[float]:
    """Seconds per request, from when it was due to its last byte, without those of the first moments."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_client, (load,))


def _client(load: Load) -> list[float]:
    return uvloop.run(_send(load))


async def _send(load: Load) -> list[float]:
    idle: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(_CONNECTIONS):
        idle.put_nowait(await asyncio.open_connection(load.host, load.port))
    began = perf_counter() + 0.1
    times: list[float] = []

    async def one(request: bytes, due: float) -> None:
        reader, writer = await idle.get()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        body = await reader.readexactly(_content_length(head))
        idle.put_nowait((reader, writer))
        if status != load.expect:
            raise RuntimeError(f"expected status {load.expect}, was answered {status}: {body[:300]!r}")
        if due - began >= _WARM_UP_S:
            times.append(perf_counter() - due)

    async with asyncio.TaskGroup() as group:
        for number, request in zip(range(int(load.per_s * (load.seconds + _WARM_UP_S))), cycle(load.lines)):
            due = began + number / load.per_s
            if (pause := due - perf_counter()) > 0:
                await asyncio.sleep(pause)
            group.create_task(one(request, due))
    while not idle.empty():
        idle.get_nowait()[1].close()
    return times


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    raise RuntimeError("an answer without Content-Length")
