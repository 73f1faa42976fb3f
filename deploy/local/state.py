"""Remembers, in `stack.json` in the data folder, which processes of a local stack run and where they answer.

So `make up` and `make down` can be different processes, and two stacks never share a folder. A process is known by its
pid AND its start time, so a pid that has been reused is never signalled. Knows nothing of what the processes are.
"""

import fcntl
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict, ValidationError

from deploy.local.addresses import Addresses
from deploy.local.process import ChildProcess
from deploy.local.server import write_private

STATE_FILE = "stack.json"
LOCK_FILE = "stack.lock"
# The kernel counts start times in ticks since boot; reading one twice can differ by the rounding.
START_TIME_TOLERANCE_S = 1.0
ENDING_WITHIN = timedelta(seconds=45)


class RecordedProcess(BaseModel):
    """A process of the stack, and how it wants to be stopped."""

    model_config = ConfigDict(frozen=True)

    name: str
    pid: int
    started_at: float
    """Seconds since the epoch, as the kernel has it."""
    stop_signal: int = int(signal.SIGTERM)
    stop_within_s: float = 10.0
    log_file: str = ""
    owner_pid: int = 0
    """The process that it ends with; 0 when it stays."""
    owner_started_at: float = 0.0

    @classmethod
    def of(cls, process: ChildProcess) -> "RecordedProcess":
        """What to remember of a running child process of this process."""
        owner = None if process.stays else psutil.Process()
        return cls(
            name=process.name,
            pid=process.pid,
            started_at=process.started_at,
            stop_signal=int(process.stop_signal),
            stop_within_s=process.stop_within.total_seconds(),
            log_file=str(process.log_file),
            owner_pid=0 if owner is None else owner.pid,
            owner_started_at=0.0 if owner is None else owner.create_time(),
        )

    def find(self) -> psutil.Process | None:
        """The living process, or None when it is gone, even if its pid has been reused."""
        return _find(self.pid, self.started_at)

    def is_ending(self) -> bool:
        """True when the process it ends with is gone: its keeper is about to stop it."""
        return self.owner_pid != 0 and _find(self.owner_pid, self.owner_started_at) is None


class StackState(BaseModel):
    """What runs in a data folder: the processes in the order they were started, and the addresses."""

    model_config = ConfigDict(frozen=True)

    processes: tuple[RecordedProcess, ...] = ()
    kafka_bootstrap_servers: str = ""
    database_url: str = ""
    redis_url: str = ""
    kafka_idempotent_producer: bool = True
    web_url: str = ""
    """Where a person looks, when the services run too."""

    @property
    def addresses(self) -> Addresses:
        """Where the servers answer."""
        return Addresses(
            self.kafka_bootstrap_servers, self.database_url, self.redis_url, self.kafka_idempotent_producer
        )

    @property
    def living(self) -> tuple[RecordedProcess, ...]:
        """The processes that still run."""
        return tuple(process for process in self.processes if process.find() is not None)


def _find(pid: int, started_at: float) -> psutil.Process | None:
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - started_at) <= START_TIME_TOLERANCE_S
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None


def read_state(folder: Path) -> StackState | None:
    """What is recorded in the data folder; None when nothing is."""
    try:
        return StackState.model_validate_json((folder / STATE_FILE).read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise RuntimeError(
            f"{folder / STATE_FILE} is damaged: stop its processes by hand and delete it ({error})"
        ) from error


def write_state(folder: Path, state: StackState) -> None:
    """Records what runs; the file holds passwords, so only its owner can read it."""
    write_private(folder / STATE_FILE, state.model_dump_json(indent=2) + "\n")


def record(folder: Path, *processes: ChildProcess, addresses: Addresses | None = None, web_url: str = "") -> None:
    """Adds running processes (and, where given, addresses) to what is recorded in the data folder."""
    state = read_state(folder) or StackState()
    changes: dict[str, object] = asdict(addresses) if addresses is not None else {}
    if web_url:
        changes["web_url"] = web_url
    added = tuple(RecordedProcess.of(process) for process in processes)
    write_state(folder, state.model_copy(update=changes | {"processes": state.living + added}))


def await_ending(folder: Path) -> tuple[RecordedProcess, ...]:
    """The processes that run in the data folder, after those whose owner was killed have had time to end."""
    deadline = time.monotonic() + ENDING_WITHIN.total_seconds()
    while True:
        state = read_state(folder)
        living = () if state is None else state.living
        if not living or not all(process.is_ending() for process in living) or time.monotonic() >= deadline:
            return living
        time.sleep(0.05)


def forget(folder: Path) -> None:
    """Removes the record."""
    (folder / STATE_FILE).unlink(missing_ok=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Only one process at a time starts or stops a stack in this folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK_FILE).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def stop_recorded(folder: Path) -> list[str]:
    """Stops everything recorded in the data folder, last started first; returns the names of what was running."""
    with locked(folder):
        state = read_state(folder)
        if state is None:
            return []
        stopped = []
        for recorded in reversed(state.processes):
            process = recorded.find()
            if process is None:
                continue
            stopped.append(recorded.name)
            _stop(process, recorded)
        forget(folder)
        return stopped


def _stop(process: psutil.Process, recorded: RecordedProcess) -> None:
    try:
        family = [process, *process.children(recursive=True)]
        process.send_signal(recorded.stop_signal)
        process.resume()  # a frozen process cannot obey
    except psutil.NoSuchProcess:
        return
    deadline = time.monotonic() + timedelta(seconds=recorded.stop_within_s).total_seconds()
    while recorded.find() is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    for survivor in family:
        try:
            survivor.kill()
        except psutil.NoSuchProcess:
            continue
