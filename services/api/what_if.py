"""What-if questions about finished timetables: one child process with the timetables asked about last, kept ready.

Owns the process: its start, its end, whose turn it is. Must not know what is counted, HTTP, or the database. A child
that takes too long is killed, and the next question starts another.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from time import monotonic
from uuid import UUID

import structlog

from services.api.metrics import WHAT_IF_SECONDS
from services.api.refusals import invalid_body, unavailable
from services.api.what_if_messages import LENGTH, Content, Question, Reply
from services.api.work import Places, too_complex
from services.runtime.children import harmless

log = structlog.get_logger(__name__)

_MOST_INSIDE = 64


class WhatIf:
    """Answers questions one after another; of an organisation `share` may wait or be answered at once."""

    def __init__(self, memory_mib: int, timeout_s: float, share: int) -> None:
        self._memory_mib = memory_mib
        self._timeout_s = timeout_s
        self._places = Places(1, _MOST_INSIDE, share, "what-if questions", "Too many what-if questions wait.")
        self._process: asyncio.subprocess.Process | None = None

    async def ask(self, organization_id: UUID, question: Question, content: Callable[[], Awaitable[Content]]) -> bytes:
        """The answer as JSON; `content` is asked for if the timetable is not ready. Raises Refusal (422, 429, 503)."""
        async with self._places.of(organization_id):
            return await self._answer(question, content)

    async def close(self) -> None:
        """End the child."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _answer(self, question: Question, content: Callable[[], Awaitable[Content]]) -> bytes:
        began, ready = monotonic(), "yes"
        reply = await self._exchange(question)
        if reply.answer is None and reply.invalid is None and not reply.too_large:
            ready = "no"
            reply = await self._exchange(replace(question, content=await content()))
        WHAT_IF_SECONDS.labels(ready=ready).observe(monotonic() - began)
        if reply.invalid is not None:
            raise invalid_body(reply.invalid.findings, reply.invalid.total)
        if reply.answer is None:
            raise too_complex(f"takes more than {self._memory_mib} MiB of memory")
        return reply.answer

    async def _exchange(self, question: Question) -> Reply:
        try:
            process = await self._running()
            async with asyncio.timeout(self._timeout_s):
                return await _asked(process, question)
        except TimeoutError as error:
            await self.close()
            raise too_complex(f"takes longer than {self._timeout_s:g} s") from error
        except (OSError, EOFError, TypeError, asyncio.IncompleteReadError, pickle.UnpicklingError) as error:
            log.exception("what_if_process_died")
            await self.close()
            raise unavailable("The process that worked on this ended unexpectedly. Try again.", "busy") from error
        except BaseException:
            # A caller that leaves in the middle leaves an answer in the pipe, which would be the next one's.
            await self.close()
            raise

    async def _running(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "services.api.what_if_child", str(self._memory_mib)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=harmless(os.environ),
            )
        return self._process


async def _asked(process: asyncio.subprocess.Process, question: Question) -> Reply:
    if process.stdin is None or process.stdout is None:
        raise EOFError("the child was started without pipes")
    content = pickle.dumps(question)
    process.stdin.write(LENGTH.pack(len(content)) + content)
    await process.stdin.drain()
    (length,) = LENGTH.unpack(await process.stdout.readexactly(LENGTH.size))
    reply = pickle.loads(await process.stdout.readexactly(length))  # noqa: S301  # our own child's
    if not isinstance(reply, Reply):
        raise TypeError("the child said something else")
    return reply
