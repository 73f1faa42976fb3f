"""Runs one program as a child process: start, stop, kill -9, freeze, thaw, and the tail of its log when it fails.

Owns the life of the process and its log file. Knows nothing of what the program is or when it is ready.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import psutil

KEEPER = Path(__file__).with_name("keeper.py")
LOG_TAIL_BYTES = 64 * 1024


class ProcessFailedError(RuntimeError):
    """A child process did not start, ended by itself, or was not ready in time; the text shows its log's tail."""


@dataclass(frozen=True)
class RunAs:
    """The unprivileged user a process started by root runs as.

    `search_folders` keeps the one capability needed where a folder on the way to its files is closed to that user.
    """

    uid: int
    gid: int
    search_folders: bool


@dataclass
class ChildProcess:
    """One program, run as often as it is started, with everything it prints appended to `log_file`.

    It ends with the Python process that started it, however that one ends, unless `stays` is set. A SIGINT from the
    terminal does not reach it: whoever started it decides the order in which things stop. `nice` (0 to 19) is how much
    it gives way to others.
    """

    name: str
    command: Sequence[str]
    log_file: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    """The whole environment of the process; nothing is inherited."""
    folder: Path | None = None
    run_as: RunAs | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_within: timedelta = timedelta(seconds=10)
    stays: bool = False
    nice: int = 0
    _keeper: subprocess.Popen[bytes] | None = field(default=None, init=False, repr=False)
    _server: psutil.Process | None = field(default=None, init=False, repr=False)
    _exit_code: int | None = field(default=None, init=False, repr=False)

    @property
    def pid(self) -> int:
        """The process id of the program itself; raises `ProcessFailedError` when it was never started."""
        if self._server is None:
            raise ProcessFailedError(f"{self.name} was never started")
        return int(self._server.pid)

    @property
    def started_at(self) -> float:
        """When the kernel says the process began, in seconds since the epoch: with the pid, its identity."""
        if self._server is None:
            raise ProcessFailedError(f"{self.name} was never started")
        return float(self._server.create_time())

    @property
    def exit_code(self) -> int | None:
        """The exit code (negative: the signal that ended it), or None while it runs or before it ran."""
        self.is_running()
        return self._exit_code

    def is_running(self) -> bool:
        """True while the program exists, frozen or not."""
        if self._keeper is None:
            return False
        code = self._keeper.poll()
        if code is None:
            return True
        self._exit_code = code
        self._keeper = None
        return False

    def start(self) -> None:
        """Starts the program and returns as soon as it has a process id.

        Raises `ProcessFailedError` when it is running already or cannot be started.
        """
        if self.is_running():
            raise ProcessFailedError(f"{self.name} is already running as process {self.pid}")
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        arguments = [sys.executable, "-I", "-S", str(KEEPER)]
        arguments += ["--stop-signal", str(int(self.stop_signal)), "--grace", str(self.stop_within.total_seconds())]
        arguments += ["--nice", str(self.nice)]
        if self.run_as is not None:
            arguments += ["--uid", str(self.run_as.uid), "--gid", str(self.run_as.gid)]
            arguments += ["--search-folders"] if self.run_as.search_folders else []
        report_read, report_write = os.pipe()
        try:
            if not self.stays:
                arguments += ["--parent", str(os.getpid()), "--report", str(report_write)]
            with self.log_file.open("ab") as log:
                self._keeper = subprocess.Popen(  # noqa: S603  # the command is ours, no shell is involved
                    [*arguments, "--", *self.command],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=self.folder,
                    env=dict(self.environment),
                    pass_fds=() if self.stays else (report_write,),
                    start_new_session=True,
                )
        finally:
            os.close(report_write)
            with os.fdopen(report_read) as report:
                reported = "" if self._keeper is None or self.stays else report.readline().strip()
        self._exit_code = None
        pid = self._keeper.pid if self.stays else int(reported or 0)
        try:
            self._server = psutil.Process(pid) if pid else None
        except psutil.NoSuchProcess:
            self._server = None
        if self._server is None:
            code = self._keeper.wait()
            self._keeper = None
            raise ProcessFailedError(f"{self.name} did not start (exit code {code}).\n{self.log_tail()}")

    def stop(self) -> None:
        """Asks the program to end, waits, and kills it with its children when it does not end within `stop_within`."""
        if not self.is_running():
            return
        family = self._family()
        self._signal(family[:1], self.stop_signal)
        self._signal(family, signal.SIGCONT)  # a frozen process cannot obey
        if not self._wait(self.stop_within):
            self._signal(self._family(), signal.SIGKILL)
            self._wait(self.stop_within)
        self._end(family)

    def kill(self, *, with_children: bool = True) -> None:
        """kill -9, at once. `with_children=False` leaves the program's own children to find out by themselves."""
        if not self.is_running():
            return
        family = self._family() if with_children else self._family()[:1]
        self._signal(family, signal.SIGKILL)
        self._wait(self.stop_within)
        self._end(family)

    def pause(self) -> None:
        """Freezes the program and its children (SIGSTOP): alive, but silent."""
        self._signal(self._family(), signal.SIGSTOP)

    def resume(self) -> None:
        """Lets a frozen program run again (SIGCONT)."""
        self._signal(self._family(), signal.SIGCONT)

    def send_signal(self, number: signal.Signals) -> None:
        """Sends a signal to the program itself, not to its children."""
        self._signal(self._family()[:1], number)

    def wait(self, within: timedelta) -> int:
        """Waits until the program has ended by itself and returns its exit code (negative: the signal that ended it).

        Raises `ProcessFailedError` when it does not end in time or was never started.
        """
        if not self._wait(within) or self._exit_code is None:
            raise ProcessFailedError(f"{self.name} still runs after {within.total_seconds():g} s.\n{self.log_tail()}")
        return self._exit_code

    def log_tail(self, lines: int = 40) -> str:
        """The end of the log file, under a line that names the file."""
        try:
            with self.log_file.open("rb") as log:
                log.seek(max(0, self.log_file.stat().st_size - LOG_TAIL_BYTES))
                text = log.read().decode(errors="replace")
        except FileNotFoundError:
            return f"(no log at {self.log_file})"
        tail = "\n".join(text.splitlines()[-lines:])
        return f"--- the end of {self.log_file} ---\n{tail or '(empty)'}\n---"

    def wait_until(self, is_ready: Callable[[], object], *, within: timedelta, what: str = "ready") -> None:
        """Calls `is_ready` until it returns without an `OSError`.

        Raises `ProcessFailedError`, with the log's tail, when the program ends first or the time runs out.
        """
        deadline = time.monotonic() + within.total_seconds()
        pause_s = 0.01
        while True:
            if not self.is_running():
                raise ProcessFailedError(
                    f"{self.name} ended before it was {what} (exit code {self._exit_code}).\n{self.log_tail()}"
                )
            try:
                is_ready()
            except OSError as error:
                last = error
            else:
                return
            if time.monotonic() >= deadline:
                raise ProcessFailedError(
                    f"{self.name} is not {what} after {within.total_seconds():g} s: {last}\n{self.log_tail()}"
                ) from last
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.5, 0.25)

    def _family(self) -> list[psutil.Process]:
        """The program's process and everything below it."""
        if self._server is None:
            return []
        try:
            return [self._server, *self._server.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    @staticmethod
    def _signal(processes: Sequence[psutil.Process], number: signal.Signals) -> None:
        for process in processes:
            try:
                process.send_signal(number)  # psutil compares start times first: a reused pid is not signalled
            except psutil.NoSuchProcess:
                continue

    def _wait(self, within: timedelta) -> bool:
        if self._keeper is None:
            return True
        try:
            self._keeper.wait(within.total_seconds())
        except subprocess.TimeoutExpired:
            return False
        return not self.is_running()

    def _end(self, family: Sequence[psutil.Process]) -> None:
        """Returns when every process of the family is gone: only then are its ports and memory segments free."""
        deadline = time.monotonic() + self.stop_within.total_seconds()
        alive = [process for process in family if _is_alive(process)]
        while alive and time.monotonic() < deadline:
            time.sleep(0.005)
            alive = [process for process in alive if _is_alive(process)]
        self._signal(alive, signal.SIGKILL)
        self.is_running()


def _is_alive(process: psutil.Process) -> bool:
    """False also for a zombie: it holds nothing any more and only waits for an init that may be slow to reap it."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
