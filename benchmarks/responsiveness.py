"""How long /healthz of api takes while a problem of more than 20 MB is uploaded, parsed, checked and stored.

The event loop must stay free: parsing runs in a child process. The bar is 50 ms. Sends traffic only to the services
that it starts itself on the loopback interface.
"""

from __future__ import annotations

import json
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from time import monotonic, sleep

import httpx
from rich.console import Console

from horarium.client import Client
from horarium.demo.platform import Running, platform
from horarium.university import generate_university

_LEAST_BYTES = 20 * 10**6


def measure() -> None:
    """Print the upload's time and the longest wait for /healthz during it."""
    with tempfile.TemporaryDirectory(prefix="horarium-bench-") as folder:
        Path(folder).chmod(0o711)
        with platform(Console(stderr=True, highlight=False), Path(folder)) as running:
            _measure(running)


def _measure(running: Running) -> None:
    content = a_large_problem()
    with Client(running.api_url) as client, httpx.Client(base_url=running.api_url) as other:
        client.sign_in(running.email, running.password)
        idle = [_probe(other) for _ in range(100)]
        with ThreadPoolExecutor(1) as pool:
            started = monotonic()
            upload = pool.submit(client.upload, content)
            busy = []
            while not upload.done():
                busy.append(_probe(other))
                sleep(0.005)
            upload.result()
            took_s = monotonic() - started
    print("\n/healthz while a large problem is uploaded and checked\n")
    print("| what | |")
    print("|---|---:|")
    print(f"| problem | {len(content) / 1e6:.1f} MB |")
    print(f"| upload, check and storing | {took_s:.1f} s |")
    print(f"| /healthz before, median and longest of {len(idle)} | {median(idle):.1f} ms, {max(idle):.1f} ms |")
    print(f"| /healthz meanwhile, median and longest of {len(busy)} | {median(busy):.1f} ms, {max(busy):.1f} ms |")


def _probe(client: httpx.Client) -> float:
    """Milliseconds."""
    started = monotonic()
    client.get("/healthz").raise_for_status()
    return 1000 * (monotonic() - started)


def a_large_problem() -> bytes:
    """A full-size university with as many more students as make it larger than 20 MB as native JSON."""
    problem = generate_university(courses=1_800, students=19_000, faculty=2_320, seed=1)
    document = problem.model_dump(mode="json", exclude_none=True, exclude_defaults=True, by_alias=True)
    missing = _LEAST_BYTES - len(json.dumps(document).encode())
    share = max(0, missing) // len(document["students"]) + 1
    extra = document["students"]
    # More students with the same wishes, not longer texts: more to parse and to check.
    size = len(json.dumps(extra).encode())
    copies = -(-share * len(extra) // size)
    document["students"] = extra + [
        {**student, "id": f"{student['id']}-{copy}"} for copy in range(copies) for student in extra
    ]
    return json.dumps(document).encode()
