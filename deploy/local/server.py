"""What PostgreSQL, Redis and the brokers of the local stack have in common: one process, one port, one folder.

Owns the order of things (prepare once, start, wait until ready, restart on the same port with the same data).
Knows nothing of any of the servers; each says how it is prepared, started and asked whether it is ready.
"""

import os
import secrets
from abc import ABC, abstractmethod
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from deploy.local.ports import LOOPBACK, free_port, is_free
from deploy.local.process import ChildProcess, ProcessFailedError

START_ATTEMPTS = 3


class PortTakenError(RuntimeError):
    """The port asked for is taken by another process."""


class MissingServerError(RuntimeError):
    """A server's program is not on this machine; the text says how to get it."""


class Server(ABC):
    """One server of the local stack, listening on the loopback interface only.

    `folder` holds everything it writes: data, configuration, password and log. The port is chosen at the first start
    when none is given and kept from then on, and so is the data, whatever way the process ends.
    """

    name: ClassVar[str]
    ready_within: ClassVar[timedelta] = timedelta(seconds=90)
    companion_port: ClassVar[int] = 0
    """How far above its port a server that takes two listens as well; 0 for one that does not."""

    def __init__(self, folder: Path, *, port: int | None = None, stays: bool = False) -> None:
        self.folder = folder.resolve()
        self.stays = stays
        self._port = port
        self._port_is_given = port is not None
        self._process: ChildProcess | None = None

    @property
    def host(self) -> str:
        """The loopback address."""
        return LOOPBACK

    @property
    def port(self) -> int:
        """The TCP port; raises `ProcessFailedError` before the first start when none was given."""
        if self._port is None:
            raise ProcessFailedError(f"{self.name} has no port before its first start")
        return self._port

    @property
    def process(self) -> ChildProcess:
        """The process; raises `ProcessFailedError` before the first start."""
        if self._process is None:
            raise ProcessFailedError(f"{self.name} was never started")
        return self._process

    @property
    def log_file(self) -> Path:
        """Where everything the server prints is appended."""
        return self.folder / f"{self.name}.log"

    def is_running(self) -> bool:
        """True while the process exists, frozen or not."""
        return self._process is not None and self._process.is_running()

    def start(self) -> None:
        """Starts the server and returns when it answers.

        Raises `PortTakenError`, `MissingServerError`, or `ProcessFailedError` with the log's tail.
        """
        if self.is_running():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        for attempt in range(1, START_ATTEMPTS + 1):
            if self._port is None:
                self._port = free_port(companion=self.companion_port)
            elif not self._is_free(self._port):
                raise PortTakenError(
                    f"{self.name} cannot listen on {self.host}:{self._port}: the port is taken by another process. "
                    "Stop that process or give another port."
                )
            try:
                self.prepare()
                self._process = self.child_process()
                self._process.start()
                self.wait_until_ready()
            except ProcessFailedError:
                self.stop()
                # Somebody else may have taken the port between our look and the server's own attempt.
                if attempt == START_ATTEMPTS or self._port_is_given or self._is_free(self._port):
                    raise
                self._port = None
            else:
                # From now on clients know it.
                self._port_is_given = True
                return

    def _is_free(self, port: int) -> bool:
        return is_free(port) and is_free(port + self.companion_port)

    def stop(self) -> None:
        """Stops the server politely; does nothing when it is not running."""
        if self._process is not None:
            self._process.stop()

    def kill(self) -> None:
        """kill -9 of the server and everything it started."""
        self.process.kill()

    def restart(self) -> None:
        """Stops the server if it runs and starts it on the same port with the same data."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freezes the server: connections stay open, nothing answers."""
        self.process.pause()

    def resume(self) -> None:
        """Lets a frozen server answer again."""
        self.process.resume()

    def wait_until_ready(self) -> None:
        """Waits until the server answers; raises `ProcessFailedError` with the log's tail after `ready_within`."""
        self.process.wait_until(self.check_ready, within=self.ready_within)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @abstractmethod
    def prepare(self) -> None:
        """Writes what the server needs before it starts; called before every start, must be harmless when repeated."""

    @abstractmethod
    def child_process(self) -> ChildProcess:
        """A process that, once started, is the server."""

    @abstractmethod
    def check_ready(self) -> None:
        """Returns when the server answers; raises `OSError` when it does not yet."""


def server_environment() -> dict[str, str]:
    """The environment servers get: no secrets, and no variable by which the caller would configure them by accident."""
    kept = ("PATH", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"LC_ALL": "C", "TZ": "UTC"}


def kept_password(file: Path) -> str:
    """The password in `file`, made up and written (mode 0600) the first time."""
    try:
        return file.read_text().strip()
    except FileNotFoundError:
        password = secrets.token_urlsafe(24)
        write_private(file, password + "\n")
        return password


def write_private(file: Path, text: str) -> None:
    """Writes a file that only its owner can read, in one step: never half of it, never readable by others."""
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
    fresh.replace(file)


def package_folder(package: str) -> Path | None:
    """Where an installed package lies, without importing it; None when it is not installed."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent
