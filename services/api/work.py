"""Work that would hold up the event loop, in child processes: bounded in number, queue, time and memory.

Owns the processes. Must not know what they do. A child that takes too long is killed; children end with the event
loop, and by themselves when this process dies.
"""

from __future__ import annotations

import resource
from collections.abc import Callable
from http import HTTPStatus
from typing import TypeVar

import anyio
import structlog
from anyio import BrokenWorkerProcess, CapacityLimiter, to_process

from services.api.refusals import Refusal, unavailable

log = structlog.get_logger(__name__)

T = TypeVar("T")


class ChildProcesses:
    """Runs functions in at most `processes` children, `queue` callers waiting; more are refused with 503."""

    def __init__(self, processes: int, queue: int, timeout_s: float, memory_mib: int) -> None:
        self._limiter = CapacityLimiter(processes)
        self._most = processes + queue
        self._inside = 0
        self._timeout_s = timeout_s
        self._memory_bytes = memory_mib * 2**20

    async def run(self, work: Callable[..., T], *arguments: object) -> T:
        """What `work(*arguments)` returns or raises; both must pickle. Raises Refusal (422, 503) at a bound."""
        if self._inside >= self._most:
            raise unavailable("Too much is being worked on. Try again.", "busy")
        self._inside += 1
        try:
            async with self._limiter:
                with anyio.fail_after(self._timeout_s):
                    # The workers' own limiter only has to let through whoever passed ours.
                    return await to_process.run_sync(
                        _bounded,
                        self._memory_bytes,
                        work,
                        arguments,
                        cancellable=True,
                        limiter=CapacityLimiter(1),
                    )
        except TimeoutError as error:
            raise _too_complex(f"takes longer than {self._timeout_s:g} s") from error
        except MemoryError as error:
            raise _too_complex(f"takes more than {self._memory_bytes // 2**20} MiB of memory") from error
        except BrokenWorkerProcess as error:
            log.exception("child_process_died", work=work.__name__)
            raise unavailable("The process that worked on this ended unexpectedly. Try again.", "busy") from error
        finally:
            self._inside -= 1


def _bounded(memory_bytes: int, work: Callable[..., T], arguments: tuple[object, ...]) -> T:
    """Runs in the child: a hostile input may exhaust it, not the machine."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(
        resource.RLIMIT_AS, (memory_bytes if hard == resource.RLIM_INFINITY else min(memory_bytes, hard), hard)
    )
    return work(*arguments)


def _too_complex(why: str) -> Refusal:
    return Refusal(
        HTTPStatus.UNPROCESSABLE_ENTITY, "too_complex", f"Working on this {why}. Make it smaller. Nothing was stored."
    )
