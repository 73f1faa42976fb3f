"""Keeps one server process no longer alive than the process that asked for it; run as a script, never imported.

The kernel's "signal me when my parent dies" is tied to the parent's *thread*, so a server started from a worker thread
would die with that thread. This keeper is a process of its own with a single thread: it starts the server, tells its
pid, and watches the asker. When the asker is gone, even by kill -9, it stops the server; when the keeper itself is
killed, the kernel kills the server. It can also give up root for an unprivileged user first, because PostgreSQL refuses
to run as root.

It must run in a bare interpreter (`python -I -S`): standard library only, nothing of this project, so that it starts in
milliseconds. It knows nothing of which server it keeps.
"""

import argparse
import contextlib
import ctypes
import os
import resource
import select
import signal
import sys
import time
from pathlib import Path

PARENT_POLL_S = 0.25
PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_SET_SECUREBITS = 28
SECBIT_NO_SETUID_FIXUP = 1 << 2
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAPABILITY_VERSION_3 = 0x20080522
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2
CAP_SETPCAP = 8
IS_LINUX = sys.platform == "linux"


class CapabilityHeader(ctypes.Structure):
    """`struct __user_cap_header_struct` of linux/capability.h."""

    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class CapabilityData(ctypes.Structure):
    """`struct __user_cap_data_struct` of linux/capability.h."""

    _fields_ = [
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    ]


def prctl(option: int, argument: int, argument2: int = 0) -> None:
    """Calls prctl(2); raises `OSError` with what it was for when the kernel refuses."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, argument, argument2, 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"prctl({option}, {argument}): {os.strerror(error)}")


def permitted_capabilities() -> int:
    """The capabilities this process may use, as a bit mask."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapPrm:"):
            return int(line.split()[1], 16)
    return 0


def become(uid: int, gid: int, *, search_folders: bool) -> None:
    """Gives up root for `uid`:`gid`.

    With `search_folders` one capability survives: to look into folders the user could not enter (a checkout below
    /root), so that nobody has to open those folders to everyone.
    """
    permitted = permitted_capabilities() if search_folders and IS_LINUX else 0
    kept = next((cap for cap in (CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE) if permitted >> cap & 1), None)
    if kept is not None:
        prctl(PR_SET_KEEPCAPS, 1)
        if permitted >> CAP_SETPCAP & 1:
            # Without it access(2), by which PostgreSQL looks for its programs, passes over what another user may do.
            prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP)
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    if kept is None:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = CapabilityHeader(CAPABILITY_VERSION_3, 0)
    data = (CapabilityData * 2)()
    data[0].effective = data[0].permitted = data[0].inheritable = 1 << kept
    if libc.capset(ctypes.byref(header), data) != 0:
        raise OSError(ctypes.get_errno(), "capset: " + os.strerror(ctypes.get_errno()))
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, kept)


def descendants(pid: int) -> list[int]:
    """The processes below `pid`, nearest first; empty where there is no /proc."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # a process that ended while we looked
            # The name in parentheses may hold spaces and parentheses, so count from the last one.
            fields = entry.read_text().rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append(int(entry.parent.name))
    found = list(children.get(pid, ()))
    for known in found:
        found.extend(children.get(known, ()))
    return found


def send(pids: list[int], number: int) -> None:
    """Signals every process that still exists."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def execute(options: argparse.Namespace) -> None:
    """Turns this process into the server; returns only by raising `OSError`."""
    os.nice(options.nice)
    if options.uid is not None:
        become(options.uid, options.gid, search_folders=options.search_folders)
    if options.parent is not None and IS_LINUX:
        # After the change of user: that change clears it.
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.execve(options.command[0], options.command, os.environ)  # noqa: S606  # without a shell on purpose


def start_server(options: argparse.Namespace) -> int:
    """Starts the server as our child and returns its pid."""
    keeper = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    try:
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        if os.getppid() == keeper:
            execute(options)
    except OSError as error:
        print(f"cannot start {options.command[0]}: {error}", file=sys.stderr, flush=True)  # noqa: T201  # this is the server's log
    os._exit(127)


def keep(options: argparse.Namespace) -> int:
    """Runs the server until it ends or the asker does; returns the wait status of the server."""
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    stop_asked = False

    def on_stop(*_: object) -> None:
        nonlocal stop_asked
        stop_asked = True

    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGTERM, on_stop)
    signal.signal(signal.SIGINT, on_stop)

    server = start_server(options)
    with os.fdopen(options.report, "w") as report:
        report.write(f"{server}\n")

    kill_at: float | None = None
    while True:
        ended, status = os.waitpid(server, os.WNOHANG)
        if ended:
            return status
        now = time.monotonic()
        if kill_at is None and (stop_asked or os.getppid() != options.parent):
            kill_at = now + options.grace
            family = [server, *descendants(server)]
            os.kill(server, options.stop_signal)
            send(family, signal.SIGCONT)  # a paused server cannot obey
        elif kill_at is not None and now >= kill_at:
            send([server, *descendants(server)], signal.SIGKILL)
            kill_at = now + options.grace
        if select.select([wake_read], [], [], PARENT_POLL_S)[0]:
            os.read(wake_read, 4096)


def main() -> int:
    """Parses the command line that `ChildProcess` writes and keeps the server."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int)
    parser.add_argument("--report", type=int)
    parser.add_argument("--uid", type=int)
    parser.add_argument("--gid", type=int)
    parser.add_argument("--search-folders", action="store_true")
    parser.add_argument("--nice", type=int, default=0)
    parser.add_argument("--stop-signal", type=int, default=signal.SIGTERM)
    parser.add_argument("--grace", type=float, default=10.0)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    if options.parent is None:
        execute(options)
    status = keep(options)
    if os.WIFSIGNALED(status):
        # Die the same death, so that whoever waits for us sees it; without a second core file.
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        number = os.WTERMSIG(status)
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    return os.waitstatus_to_exitcode(status) & 0xFF


if __name__ == "__main__":
    sys.exit(main())
