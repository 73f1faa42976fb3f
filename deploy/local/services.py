"""The four services as child processes over a local stack.

Owns which processes make up Horarium, their ports and the environment that each is given. Knows nothing of what a
service does: it is started as `python -m services.NAME`, and it is ready when `/readyz` says so.
"""

from __future__ import annotations

import os
import secrets
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.local.addresses import Addresses
from deploy.local.ports import LOOPBACK, free_port, is_free
from deploy.local.process import ChildProcess
from deploy.local.server import PortTakenError, write_private
from deploy.local.state import record

NAMES = ("api", "solver", "progress", "persister")
READY_WITHIN = timedelta(seconds=120)
# What a process needs of its surroundings, and nothing else: settings come from here, not from whoever runs the demo.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "NUMBA_CACHE_DIR", "SSL_CERT_FILE")


class ServiceProcess:
    """One service as a process of its own, with everything it prints in `FOLDER/NAME.log`."""

    def __init__(
        self,
        name: str,
        folder: Path,
        environment: Mapping[str, str],
        *,
        port: int | None = None,
        stays: bool = False,
        nice: int = 0,
    ) -> None:
        """`name` is a service, or a service and a number ("solver-2") for a further replica."""
        if port is not None and not is_free(port):
            raise PortTakenError(f"{name} cannot listen on port {port}: another process does. Choose another port.")
        self.name = name
        self.port = port if port is not None else free_port()
        inherited = {variable: os.environ[variable] for variable in _INHERITED if variable in os.environ}
        self.process = ChildProcess(
            name=name,
            command=[sys.executable, "-m", f"services.{name.partition('-')[0]}"],
            log_file=folder / f"{name}.log",
            environment={
                **inherited,
                "PYTHONUNBUFFERED": "1",
                **environment,
                "HTTP_HOST": LOOPBACK,
                "HTTP_PORT": str(self.port),
            },
            stop_within=timedelta(seconds=20),
            stays=stays,
            nice=nice,
        )

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def start(self) -> None:
        """Start the process and return when it is ready. Raises `ProcessFailedError` with the log's tail."""
        self.process.start()
        self.wait_until_ready()

    def wait_until_ready(self, within: timedelta = READY_WITHIN) -> None:
        self.process.wait_until(self._ask_ready, within=within)

    def _ask_ready(self) -> None:
        """Raise OSError unless /readyz answers 200 (urllib's HTTPError is an OSError)."""
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5):  # noqa: S310  # our own loopback address
                pass
        except urllib.error.HTTPError as error:
            error.close()  # the error is the open answer
            raise


class LocalServices:
    """All four services over the addresses of a stack. `solvers` says how many solver replicas, `queue_nice` how much
    those that work through a queue give way to those that people wait for (0 to 19).
    """

    def __init__(
        self,
        addresses: Addresses,
        folder: Path,
        *,
        solvers: int = 1,
        api_port: int | None = None,
        progress_port: int | None = None,
        environment: Mapping[str, str] | None = None,
        stays: bool = False,
        queue_nice: int = 0,
    ) -> None:
        self.folder = folder.resolve()
        logs = self.folder / "logs"
        web_port = api_port if api_port is not None else free_port()
        shared = {
            **addresses.as_environment(),
            "JWT_SECRET": _jwt_secret(self.folder),
            "COOKIE_SECURE": "false",  # plain http
            # The page comes from api and reads progress, which has an address of its own here.
            "CORS_ORIGINS": f"http://{LOOPBACK}:{web_port},http://localhost:{web_port}",
            **(environment or {}),
        }
        self.progress = ServiceProcess("progress", logs, shared, port=progress_port, stays=stays)
        self.api = ServiceProcess(
            "api", logs, {**shared, "PROGRESS_BASE_URL": self.progress.url}, port=web_port, stays=stays
        )
        self.persister = ServiceProcess("persister", logs, shared, stays=stays, nice=queue_nice)
        self.solvers = [
            ServiceProcess("solver" if n == 0 else f"solver-{n + 1}", logs, shared, stays=stays, nice=queue_nice)
            for n in range(solvers)
        ]

    @property
    def all(self) -> tuple[ServiceProcess, ...]:
        return (self.api, self.progress, self.persister, *self.solvers)

    def start(self) -> None:
        """Start all side by side; returns when all are ready. When one fails, none is left running."""
        with ExitStack() as undo:
            undo.callback(self.stop)
            with ThreadPoolExecutor(max_workers=len(self.all)) as pool:
                for started in [pool.submit(service.start) for service in self.all]:
                    started.result()
            record(self.folder, *(service.process for service in self.all), web_url=self.api.url)
            undo.pop_all()

    def stop(self) -> None:
        """Ask all to end, side by side, and return when they have."""
        with ThreadPoolExecutor(max_workers=len(self.all)) as pool:
            for stopped in [pool.submit(service.process.stop) for service in self.all]:
                stopped.result()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


def _jwt_secret(folder: Path) -> str:
    """The signing key of this data folder: random, made once, readable by its owner only."""
    file = folder / "jwt-secret"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_private(file, secrets.token_urlsafe(48))
    return file.read_text().strip()
