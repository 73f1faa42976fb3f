"""Dead letters: what is written beside a message that cannot be processed, and the guard against writing too many.

Owns the origin headers and the guard. A consumer that dead-letters everything is broken itself; it must not drain its
topic. Must not know a broker.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from time import monotonic

from aiokafka import ConsumerRecord

from schemas.events.cloudevents import WireMessage
from schemas.topics import BY_NAME


class DeadLetterGuard:
    """At most `limit` dead letters of one consumer within `window_s` seconds; over that it rests for a window.

    After a rest it has one try: while handlers go on failing with our own error, one message in a window becomes a
    dead letter, so that a single bad message cannot block for ever. A handler that succeeds ends the suspicion. Bytes
    that are no event (garbage that somebody sends) use the whole limit again after each rest.
    """

    def __init__(self, limit: int, window_s: float, clock: Callable[[], float] = monotonic) -> None:
        self._limit = limit
        self._window_s = window_s
        self._clock = clock
        self._sent: deque[float] = deque()
        self._suspected = False
        self._rests_until = float("-inf")

    @property
    def is_resting(self) -> bool:
        """True while nothing may be dead-lettered: it is we who seem to be broken."""
        return self._clock() < self._rests_until

    def rest_s(self, *, ours: bool) -> float:
        """How long to wait before the next dead letter may be sent; 0 if at once. `ours`: it is our own error."""
        now = self._clock()
        while self._sent and now - self._sent[0] >= self._window_s:
            self._sent.popleft()
        if len(self._sent) < (1 if self._suspected and ours else self._limit):
            return 0.0
        self._suspected = True
        self._rests_until = self._sent[-1] + self._window_s
        return self._rests_until - now

    def on_sent(self) -> None:
        self._sent.append(self._clock())

    def on_success(self) -> None:
        self._suspected = False
        self._rests_until = float("-inf")


def dead_letter(
    record: ConsumerRecord,
    headers: Mapping[str, str],
    *,
    reason: str,
    detail: str,
    attempts: int,
    group: str,
    service: str,
) -> WireMessage:
    """The message as it was, with where it came from and why it is here."""
    return WireMessage(
        BY_NAME[record.topic].dead_letter,
        record.key or b"",
        record.value or b"",
        {
            **headers,
            "dlq_reason": reason,
            "dlq_error": detail[:1000],
            "dlq_attempts": str(attempts),
            "dlq_topic": record.topic,
            "dlq_partition": str(record.partition),
            "dlq_offset": str(record.offset),
            "dlq_group": group,
            "dlq_service": service,
        },
    )
