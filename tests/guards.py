"""Keeps the test suite honest: unit tests reach no server, skipped server tests are failures where it counts, and no
process outlives the session.

Knows nothing of the servers themselves.
"""

import contextlib
import ctypes
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg.generators
import pytest

SERVER_MARKERS = ("integration", "e2e")
# Longer than whatever a test of the kind waits for, one wait after another: so a test that fails says what it waited
# for. Only one that hangs runs into these. By marker, the first that an item has counts.
TIMEOUTS_S = {"faults": 600, "e2e": 600, "integration": 300}
ORPHANS_GONE_WITHIN_S = 10.0
PR_SET_CHILD_SUBREAPER = 36


def sharers(nodeid: str) -> str:
    """Names the tests that one worker runs together: a file's, or all of the files that share one whole system, which
    takes a quarter of a minute to bring up.
    """
    file = nodeid.split("::", 1)[0]
    folder = file.rpartition("/")[0]
    return folder if folder.endswith("tests/e2e") else file


def marker_of_folder(path: Path) -> str | None:
    """The marker that a test file's folder implies."""
    return next((marker for marker in SERVER_MARKERS if f"tests/{marker}/" in path.as_posix()), None)


def timeout_of(item: pytest.Item) -> int | None:
    """Seconds after which the test counts as hanging; None where the item or the settings say it."""
    if item.get_closest_marker("timeout"):
        return None
    return next((seconds for marker, seconds in TIMEOUTS_S.items() if item.get_closest_marker(marker)), None)


def needs_server(item: pytest.Item) -> bool:
    """True when the test says that it talks to a server."""
    return any(item.get_closest_marker(marker) is not None for marker in SERVER_MARKERS)


@contextmanager
def no_connections(test: str) -> Iterator[None]:
    """Inside, connecting to anything but a socket file fails with a sentence that names the missing marker.

    Covers Python's sockets (asyncio, httpx, aiokafka, redis) and psycopg, which connects in C.
    """

    def refuse(target: object) -> None:
        pytest.fail(
            f"{test} tried to connect to {target}, but it is not marked as a test that needs a server. Move it to "
            "tests/integration (or mark it `@pytest.mark.integration`) and take the address from the fixtures in "
            "tests/conftest.py; or give it a fake.",
            pytrace=False,
        )

    class Guarded:
        def __init__(self, original: Any) -> None:
            self.original = original

        def __get__(self, instance: socket.socket, owner: type) -> Any:
            if instance is None or instance.family == socket.AF_UNIX:
                return self.original.__get__(instance, owner)
            return refuse

    def refuse_psycopg(conninfo: str, *, timeout: float = 0.0) -> None:
        refuse("PostgreSQL")

    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex"):
            patch.setattr(socket.socket, name, Guarded(getattr(socket.socket, name)))
        patch.setattr(psycopg.generators, "connect", refuse_psycopg)
        yield


class SkippedServerTests:
    """A pytest plugin: where HORARIUM_STRICT=1 or CI=true, a skipped server test fails the session.

    A test suite that silently skips what it could not reach looks green and shows nothing.
    """

    def __init__(self) -> None:
        self.strict = os.environ.get("HORARIUM_STRICT") == "1" or os.environ.get("CI", "").lower() in ("1", "true")
        self.skipped: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remembers a skipped server test; an expected failure is not a skip."""
        if not report.skipped or hasattr(report, "wasxfail"):
            return
        # The benchmark instances may be absent, but not where their folder was named.
        excused = "benchmark_instances" in report.keywords and "HORARIUM_BENCHMARKS" not in os.environ
        if set(SERVER_MARKERS) & set(report.keywords) and not excused:
            self.skipped.append(f"{report.nodeid}: {_reason(report)}")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Remembers a whole file that skipped itself."""
        if report.skipped and marker_of_folder(Path(report.nodeid)) is not None:
            self.skipped.append(f"{report.nodeid}: {_reason(report)}")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fails a session that otherwise passed."""
        if (
            self.strict
            and self.skipped
            and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
        ):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Says which and why."""
        if not self.strict or not self.skipped:
            return
        terminalreporter.section("server tests must not be skipped here (CI or HORARIUM_STRICT=1)", red=True)
        for line in self.skipped:
            terminalreporter.line(f"FAILED {line}")


def adopt_orphans() -> None:
    """Makes processes whose parent dies children of ours (Linux), so that `assert_no_process_left` sees them, too."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def assert_no_process_left() -> None:
    """Fails when this session still has processes, waiting a moment for those that are ending; kills them."""
    deadline = time.monotonic() + ORPHANS_GONE_WITHIN_S
    while (left := _living_descendants()) and time.monotonic() < deadline:
        time.sleep(0.05)
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    assert not left, "the test session left processes behind:\n" + "\n".join(left.values())


def _living_descendants() -> dict[psutil.Process, str]:
    living = {}
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            command = " ".join(process.cmdline())
            # Python's own bookkeeper of shared memory ends with its process.
            if process.status() != psutil.STATUS_ZOMBIE and "multiprocessing.resource_tracker" not in command:
                living[process] = f"{process.pid}: {command}"
    return living


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    return str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else str(report.longrepr)
