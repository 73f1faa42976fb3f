"""The service's side of a child process: start it, give it its order, read its frames, stop it, bury it.

Owns the process, its pipes and its spans. A child is the leader of its own session, so killing it takes everything that
it started. Must not know the database, the broker, or what a frame means (but for those that tell of phases).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections import deque
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import structlog

from services.runtime.children import harmless
from services.runtime.tracing import failed, open_span, past_span, traceparent
from services.solver.frames import Frame, receive_frame
from services.solver.metrics import CHILD_EXITS
from services.solver.order import Contents, Order, order_frame, stop_frame
from services.solver.phases import read_phase
from services.solver.settings import SolverSettings

log = structlog.get_logger(__name__)

_STDERR_LINES_KEPT = 20
_STDERR_LINE_BYTES = 64 * 1024
_LEAVING_S = 3.0
_PIPE_BUFFER_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Exit:
    """How a child ended: `code` as of asyncio, negative for a signal; `stderr` is the end of what it printed.

    `ours`: it was still there when we killed it, so the signal says nothing about it.
    """

    code: int
    stderr: str
    ours: bool = False

    @property
    def reason(self) -> str:
        """A short stable word: ok, code_N, the signal's name, or killed (by us)."""
        if self.ours:
            return "killed"
        if self.code == 0:
            return "ok"
        if self.code > 0:
            return f"code_{self.code}"
        with contextlib.suppress(ValueError):
            return signal.Signals(-self.code).name
        return f"signal_{-self.code}"


class Work(StrEnum):
    """What a child is started for, as its command line says it."""

    SEARCH = ""
    JUDGE = "--judge-only"
    WARM_UP = "--warm-up"


def child_command(settings: SolverSettings, work: Work) -> list[str]:
    """How a child of this process is started."""
    command = [sys.executable, "-m", "services.solver.child", "--parent", str(os.getpid())]
    command += ["--nice", str(settings.solver_child_nice)]
    if (memory_mb := settings.child_memory_mb) is not None:
        command += ["--memory-mb", str(memory_mb)]
    return [*command, work.value] if work.value else command


def child_environment(settings: SolverSettings, own: Mapping[str, str]) -> dict[str, str]:
    """What a child may know of ours: nothing that could harm, and how numba is to work."""
    kept = harmless(own) | {name: value for name, value in own.items() if name.startswith("NUMBA_")}
    if settings.numba_cache_dir is not None:
        kept["NUMBA_CACHE_DIR"] = str(settings.numba_cache_dir)
    return kept


class SolverChild:
    """A running child. Always `kill` it in the end: that is also how its exit is learned."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._stderr: deque[str] = deque(maxlen=_STDERR_LINES_KEPT)
        self._stderr_reader = asyncio.create_task(self._read_stderr(), name=f"child-{process.pid}-stderr")
        self._listened_to = False
        self._discarding: asyncio.Task[None] | None = None
        self._killed = False
        self._span = open_span("child process", attributes={"process.pid": process.pid})
        self._gone = asyncio.Event()

    @classmethod
    async def start(cls, command: Sequence[str], environment: Mapping[str, str]) -> SolverChild:
        """Raises OSError if the process cannot be started."""
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=dict(environment),
            start_new_session=True,
            limit=_PIPE_BUFFER_BYTES,
        )
        return cls(process)

    @property
    def gone(self) -> asyncio.Event:
        """Set once the child has closed its standard error, which it keeps as long as it lives."""
        return self._gone

    @property
    def pid(self) -> int:
        return self._process.pid

    def order(self, order: Order, contents: Contents) -> None:
        """Send the order. A child that is gone already shows in `frames` and `kill`, not here."""
        self._write(order_frame(order, contents))

    def stop(self) -> None:
        """Ask the search to end and to bring in its best."""
        self._write(stop_frame())

    def _write(self, data: bytes) -> None:
        """Nobody waits until it is taken: a child that hangs must not keep its attempt from what is asked meanwhile."""
        stdin = self._process.stdin
        if stdin is not None and not stdin.is_closing():
            stdin.write(data)

    async def frames(self) -> AsyncGenerator[Frame, None]:
        """Frames until the child closes its end, phases taken out. Raises BrokenFrameError, and KeyError, TypeError or
        ValueError for a phase that is none.
        """
        stdout = self._process.stdout
        if stdout is None:
            raise RuntimeError("the child was started without a pipe")
        self._listened_to = True
        try:
            while (frame := await receive_frame(stdout)) is not None:
                if told := read_phase(frame):
                    past_span(**told, parent=traceparent(self._span))
                else:
                    yield frame
        finally:
            self._discard_rest(stdout)

    def _discard_rest(self, stdout: asyncio.StreamReader) -> None:
        """Read on to the end, for nothing: asyncio tells of a process's end once its pipes have ended, and a pipe that
        nobody reads does not.
        """

        async def discard() -> None:
            while await stdout.read(_PIPE_BUFFER_BYTES):
                pass

        self._discarding = asyncio.create_task(discard(), name=f"child-{self.pid}-rest")

    async def kill(self) -> Exit:
        """Kill the child and its whole session, and collect it. A child that has ended keeps its own exit code."""
        # A child that has sent its last frame is about to leave by itself.
        with contextlib.suppress(TimeoutError):
            if self._gone.is_set() or (self._process.stdout is not None and self._process.stdout.at_eof()):
                async with asyncio.timeout(_LEAVING_S):
                    await self._process.wait()
        ours = self._process.returncode is None
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        if self._process.stdout is not None and not self._listened_to:
            self._listened_to = True
            self._discard_rest(self._process.stdout)
        code = await self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await asyncio.shield(self._stderr_reader)
        self._stderr_reader.cancel()
        if self._discarding is not None:
            self._discarding.cancel()
        end = Exit(code, "\n".join(self._stderr), ours)
        if not self._killed:
            self._killed = True
            CHILD_EXITS.labels(reason=end.reason).inc()
            self._span.set_attribute("horarium.exit", end.reason)
            if end.reason != "ok":
                failed(self._span, end.reason)
            self._span.end()
        return end

    async def _read_stderr(self) -> None:
        """Keep the last lines for the log, and drain the rest: a full pipe would stop the child."""
        stream = self._process.stderr
        while stream is not None and (chunk := await stream.read(_STDERR_LINE_BYTES)):
            for line in chunk.decode(errors="replace").splitlines():
                self._stderr.append(line[:1000])
        self._gone.set()
