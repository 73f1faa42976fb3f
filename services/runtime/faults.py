"""Fault points: places where a process can be made to die, so that tests can ask what a crash right there costs.

Owns the list of them. Nothing happens unless the environment arms one, `HORARIUM_FAULT_POINT=NAME` (the first time that
it is reached) or `NAME:N` (the Nth time): tests do, a deployment never does. The process then kills itself as the
kernel's out-of-memory killer would: no cleanup, no last word. Must not know what stands on either side of a point.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass

import structlog

log = structlog.get_logger(__name__)

VARIABLE = "HORARIUM_FAULT_POINT"

# Each is a moment between two effects that no transaction joins.
FAULT_POINTS = frozenset(
    {
        "api.committed",  # job and outbox row are written, nobody has been answered
        "relay.published",  # the broker has the event, the outbox row is still there
        "intake.stored",  # the solver's rows are written, the offset is not committed
        "control.stored",  # the same for a stop or cancel
        "worker.claimed",  # the task is ours, no child has been started
        "worker.checkpointed",  # lease renewed and checkpoint saved in one statement, nothing else
        "worker.solved",  # the result is in memory only
        "worker.finished",  # the job's end is written, its event is not published
        "publisher.published",  # the broker has the end, our row does not say so
        "persister.received",  # the end has arrived, nothing is written
        "persister.stored",  # the result is written, the offset is not committed
        "projector.swapped",  # Redis has the state; neither frame nor position
        "projector.settled",  # Redis has everything
    }
)


class UnknownFaultPointError(ValueError):
    """The environment arms a point that does not exist: the test that did so would test nothing."""


@dataclass(slots=True)
class _Armed:
    name: str
    left: int


def armed(value: str) -> _Armed | None:
    """What the variable's value arms. Raises UnknownFaultPointError for a name that is none of `FAULT_POINTS`."""
    if not value:
        return None
    name, _, count = value.partition(":")
    if name not in FAULT_POINTS or (count and not count.isdigit()) or count == "0":
        raise UnknownFaultPointError(f"{VARIABLE} is {value!r}; it must be NAME or NAME:N, with a name of FAULT_POINTS")
    return _Armed(name, int(count or 1))


_armed = armed(os.environ.get(VARIABLE, ""))


def fault_point(name: str) -> None:
    """Die here if this point is armed and it is its turn; otherwise nothing."""
    if _armed is None or _armed.name != name:
        return
    _armed.left -= 1
    if _armed.left == 0:
        log.critical("fault_point_reached", point=name)
        os.kill(os.getpid(), signal.SIGKILL)
