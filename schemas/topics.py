"""The topics: each one described once, for whoever creates, writes, reads or documents it.

Owns names, keys, partitions, retention and size limits. Must not know a broker client.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

# A result carries every student's classes; 64 MiB holds eight uncompressed variants of a university of 19,000 students.
MAX_MESSAGE_BYTES = 64 * 1024 * 1024

JOB_REQUESTED = "job.requested"
JOB_CONTROL = "job.control"
SOLVE_PROGRESS = "solve.progress"
SOLVE_COMPLETED = "solve.completed"
DEAD_LETTER_SUFFIX = ".dlq"


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic. The key of every message is the job id, so that one job's events stay in order."""

    name: str
    purpose: str
    written_by: tuple[str, ...]
    read_by: tuple[str, ...]
    partitions: int
    retention: timedelta
    max_message_bytes: int = MAX_MESSAGE_BYTES

    @property
    def dead_letter(self) -> str:
        """Where a message of this topic goes that its reader could not process."""
        return self.name + DEAD_LETTER_SUFFIX


# Retention is longer than the longest outage that we mean to survive: the projection in Redis is rebuilt from here.
_KEPT = timedelta(days=14)

TOPICS: tuple[Topic, ...] = (
    Topic(
        JOB_REQUESTED,
        "A timetable is wanted: options, and the problem inline or by reference.",
        ("api", "any producer"),
        ("solver", "progress", "persister"),
        partitions=12,
        retention=_KEPT,
    ),
    Topic(
        JOB_CONTROL,
        "Stop a job and keep its best timetable, or cancel it and discard what it found.",
        ("api", "any producer"),
        ("solver", "progress", "persister"),
        partitions=12,
        retention=_KEPT,
        max_message_bytes=1024 * 1024,
    ),
    Topic(
        SOLVE_PROGRESS,
        "How a variant's search stands; at least every five seconds while it runs, at most twice a second.",
        ("solver",),
        ("progress", "persister"),
        partitions=12,
        retention=timedelta(days=2),
        max_message_bytes=1024 * 1024,
    ),
    Topic(
        SOLVE_COMPLETED,
        "The end of a job, exactly one per job: outcome, every variant's timetable and score, or a classified error.",
        ("solver",),
        ("progress", "persister", "any consumer"),
        partitions=12,
        retention=_KEPT,
    ),
)

BY_NAME: dict[str, Topic] = {topic.name: topic for topic in TOPICS}


def dead_letter_topics() -> tuple[Topic, ...]:
    """One per topic: original bytes, key and headers, plus where the message came from and why it is here."""
    return tuple(
        Topic(
            topic.dead_letter,
            f"Messages of {topic.name} that a consumer could not process, bytes untouched.",
            topic.read_by,
            ("operators",),
            partitions=1,
            retention=timedelta(days=30),
            max_message_bytes=topic.max_message_bytes,
        )
        for topic in TOPICS
    )


def all_topics() -> tuple[Topic, ...]:
    return TOPICS + dead_letter_topics()
