"""Chooses TCP ports on the loopback interface; knows nothing of who will listen there."""

import errno
import random
import socket
from contextlib import closing
from pathlib import Path

LOOPBACK = "127.0.0.1"
LOWEST_PORT = 15_000
HIGHEST_PORT = 32_000
ATTEMPTS = 200


def is_free(port: int) -> bool:
    """True when a server could listen on `port` of the loopback interface right now."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        # As servers do it: a port whose old connections are only lingering (TIME_WAIT) is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen()
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
        return True


def free_port(*, companion: int = 0) -> int:
    """A port nobody listens on, below the range the kernel takes for outgoing connections.

    With a `companion`, the port that lies so far above it is free and below that range, too.

    A port from inside that range (what binding port 0 gives) can be taken by some outgoing connection while its server
    is down for a restart; a client that keeps dialling it can even connect to itself. Fault tests do little else than
    restart servers.
    """
    highest = min(HIGHEST_PORT, _first_outgoing_port() - 1 - companion)
    if highest > LOWEST_PORT:
        for _ in range(ATTEMPTS):
            port = random.randint(LOWEST_PORT, highest)  # noqa: S311  # a port number is not a secret
            if is_free(port) and is_free(port + companion):
                return port
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _first_outgoing_port() -> int:
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 32_768
