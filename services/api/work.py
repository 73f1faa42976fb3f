"""Work that would hold up the event loop, in child processes: bounded in number, queue, time and memory, and shared.

Owns the processes, and what an organisation may have of them. Must not know what they do. A child that takes too long
is killed; children end with the event loop, and by themselves when this process dies.
"""

from __future__ import annotations

import resource
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TypeVar
from uuid import UUID

import anyio
import structlog
from anyio import BrokenWorkerProcess, CapacityLimiter, to_process

from services.api.metrics import LIMITED
from services.api.refusals import Refusal, unavailable
from services.api.turns import Turns

log = structlog.get_logger(__name__)

T = TypeVar("T")


class Places:
    """`at_once` places for work, `most` callers that hold one or wait: more are refused with 503.

    Of an organisation `share` may be inside at once; more are refused with 429. Those that wait are let in by turns of
    the organisations. `what` is inside, and `full` is said where there is too much of it, for people.
    """

    def __init__(self, at_once: int, most: int, share: int, what: str, full: str) -> None:
        self._turns = Turns(at_once)
        self._most = most
        self._share = share
        self._what = what
        self._full = full
        self._inside: Counter[UUID] = Counter()

    @asynccontextmanager
    async def of(self, organization_id: UUID) -> AsyncIterator[None]:
        """A place while the block runs, after waiting for it. Raises Refusal (429, 503) at a bound."""
        if self._inside[organization_id] >= self._share:
            raise over_share(self._what)
        if self._inside.total() >= self._most:
            raise unavailable(f"{self._full} Try again.", "busy")
        self._inside[organization_id] += 1
        try:
            async with self._turns.of(organization_id):
                yield
        finally:
            self._inside[organization_id] -= 1
            if not self._inside[organization_id]:
                del self._inside[organization_id]


class ChildProcesses:
    """Runs functions in at most `processes` children, `queue` callers waiting; more are refused with 503.

    Of an organisation `share` may be inside at once, waiting or not; more are refused with 429. Those that wait are let
    in by turns of the organisations.
    """

    def __init__(self, processes: int, queue: int, share: int, timeout_s: float, memory_mib: int) -> None:
        self._places = Places(
            processes, processes + queue, share, "requests that need a child process", "Too much is being worked on."
        )
        self._timeout_s = timeout_s
        self._memory_bytes = memory_mib * 2**20

    async def run(self, organization_id: UUID, work: Callable[..., T], *arguments: object) -> T:
        """What `work(*arguments)` returns or raises; both must pickle. Raises Refusal (422, 429, 503) at a bound."""
        try:
            async with self._places.of(organization_id):
                with anyio.fail_after(self._timeout_s):
                    # The workers' own limiter only has to let through whoever has a turn.
                    return await to_process.run_sync(
                        _bounded,
                        self._memory_bytes,
                        work,
                        arguments,
                        cancellable=True,
                        limiter=CapacityLimiter(1),
                    )
        except TimeoutError as error:
            raise too_complex(f"takes longer than {self._timeout_s:g} s") from error
        except MemoryError as error:
            raise too_complex(f"takes more than {self._memory_bytes // 2**20} MiB of memory") from error
        except BrokenWorkerProcess as error:
            log.exception("child_process_died", work=work.__name__)
            raise unavailable("The process that worked on this ended unexpectedly. Try again.", "busy") from error


def over_share(what: str) -> Refusal:
    """The organisation has as much under way as it may have: others are to have room, too."""
    LIMITED.labels(limit="organization_busy").inc()
    return Refusal(
        HTTPStatus.TOO_MANY_REQUESTS,
        "organization_busy",
        f"Your organisation has too many {what} under way at this moment. Nothing was changed. Try again.",
        headers={"Retry-After": "5"},
    )


def _bounded(memory_bytes: int, work: Callable[..., T], arguments: tuple[object, ...]) -> T:
    """Runs in the child: a hostile input may exhaust it, not the machine."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(
        resource.RLIMIT_AS, (memory_bytes if hard == resource.RLIM_INFINITY else min(memory_bytes, hard), hard)
    )
    return work(*arguments)


def too_complex(why: str) -> Refusal:
    """The work passed a bound; `why` goes on after "Working on this"."""
    return Refusal(
        HTTPStatus.UNPROCESSABLE_ENTITY, "too_complex", f"Working on this {why}. Make it smaller. Nothing was stored."
    )
