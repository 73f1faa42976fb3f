"""The services over the local stack: how fast a request is answered and how fresh progress is.

Sends traffic only to the services that it starts itself on the loopback interface; its loops are bounded.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median, quantiles
from time import monotonic, sleep

from rich.console import Console

from horarium.client import Client
from horarium.demo.platform import Running, platform
from horarium.university import generate_university

REQUESTS = 200


def measure() -> None:
    """Time POST /api/timetables/generate with an uploaded full-size problem, and the way to the first progress."""
    with tempfile.TemporaryDirectory(prefix="horarium-bench-") as folder:
        Path(folder).chmod(0o711)
        with platform(Console(stderr=True, highlight=False), Path(folder)) as running:
            _measure(running)


def _measure(running: Running) -> None:
    content = full_size_problem()
    with Client(running.api_url) as client:
        client.sign_in(running.email, running.password)
        started = monotonic()
        uploaded = client.upload(content)
        upload_s = monotonic() - started

        job = client.generate(uploaded["id"], time_limit_s=20, seed=1)
        started = monotonic()
        while (client.progress(job.progress_url) or {}).get("status") != "running":
            sleep(0.01)
        first_s = monotonic() - started
        client.control(job.job_id, "cancel")

        answers = []
        for _ in range(REQUESTS):
            started = monotonic()
            queued = client.generate(uploaded["id"], time_limit_s=1, seed=1)
            answers.append(monotonic() - started)
            client.control(queued.job_id, "cancel")
    print("\nServices over the local stack, full-size problem, one client\n")
    print("| what | seconds |")
    print("|---|---:|")
    print(f"| upload and check of the problem ({len(content) / 1e6:.1f} MB) | {upload_s:.2f} |")
    print(f"| request to first progress readable over HTTP | {first_s:.2f} |")
    print(f"| POST generate, median of {REQUESTS} | {median(answers):.4f} |")
    print(f"| POST generate, p99 | {quantiles(answers, n=100)[98]:.4f} |")


def full_size_problem() -> bytes:
    """A university of the size that Horarium is made for, as native JSON."""
    problem = generate_university(courses=1_800, students=19_000, faculty=2_320, seed=1)
    return problem.model_dump_json(exclude_none=True, exclude_defaults=True, by_alias=True).encode()
