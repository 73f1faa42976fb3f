"""Phases of a child's work as spans: the child measures them, the service makes and exports them.

A child has no address to send anything to, and shall have none: what it solves is a stranger's (ADR 0005). Owns the
frame in which it tells of a phase, for both sides of the pipe. Must not know how spans are exported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import time_ns
from typing import Any

from services.solver.frames import Frame

PHASE = "phase"

Send = Callable[..., None]


@contextmanager
def phase(send: Send, name: str) -> Iterator[None]:
    """The child's side: tell of what happens inside, once it has ended, whichever way."""
    began_ns, error = time_ns(), ""
    try:
        yield
    except BaseException as raised:
        error = type(raised).__name__
        raise
    finally:
        send(PHASE, name=name, began_ns=began_ns, ended_ns=time_ns(), error=error)


def read_phase(frame: Frame) -> dict[str, Any] | None:
    """The service's side: the arguments of `services.runtime.tracing.past_span`, or None for any other frame.

    Raises KeyError, TypeError or ValueError if the frame is broken.
    """
    if frame.kind != PHASE:
        return None
    header = frame.header
    return {
        "name": str(header["name"])[:40],
        "began_ns": int(header["began_ns"]),
        "ended_ns": int(header["ended_ns"]),
        "attributes": {"error.type": str(header["error"])[:100]} if header["error"] else {},
    }
