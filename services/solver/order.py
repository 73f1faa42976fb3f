"""The order: what the service asks of a child process.

Owns its fields and its place in a frame. Must not know who sends it or how it is carried out.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from schemas.change.baseline import KeepWeights
from schemas.change.pins import PinnedClass
from services.solver.frames import Frame, encode_frame

ORDER = "order"
STOP = "stop"


@dataclass(frozen=True, slots=True)
class Order:
    """What to do. `seconds` 0: no search, only judge the timetable given.

    `weights` replace the problem's own where given; `profile` says what of them counts more. `searched_s` is search
    time of earlier attempts. A best timetable is wanted every `best_interval_s`, if it improved.
    """

    format: str
    sha256: str
    weights: dict[str, int]
    seconds: float
    seed: int
    workers: int
    target: int
    variant: int
    searched_s: float
    best_interval_s: float
    profile: str | None = None
    target_gap: float | None = None
    no_improvement_s: float | None = None


class ChangeOrder(BaseModel):
    """What a solve shall stay close to: pins, and the base timetable (`Contents` has it) with what leaving it costs."""

    model_config = ConfigDict(frozen=True)

    pins: list[PinnedClass] = Field(default_factory=list)
    base_job_id: UUID | None = None
    base_variant: int | None = None
    keep_weights: KeepWeights = KeepWeights()
    max_changes: int | None = None


@dataclass(frozen=True, slots=True)
class Contents:
    """What travels with an order: the problem, the timetable to start from, the base timetable (all packed), and how to
    stay close to it.
    """

    problem_zstd: bytes
    start_zstd: bytes | None = None
    base_zstd: bytes | None = None
    change: ChangeOrder | None = None


def order_frame(order: Order, contents: Contents) -> bytes:
    """The order with its contents."""
    change = b"" if contents.change is None else contents.change.model_dump_json(exclude_defaults=True).encode()
    parts = [contents.problem_zstd, contents.start_zstd or b"", contents.base_zstd or b"", change]
    return encode_frame(ORDER, b"".join(parts), order=asdict(order), sizes=[len(part) for part in parts])


def read_order(frame: Frame) -> tuple[Order, Contents]:
    """What `order_frame` was given."""
    parts, at = [], 0
    for size in map(int, frame.header["sizes"]):
        parts.append(frame.body[at : at + size])
        at += size
    problem, start, base, change = parts
    return Order(**frame.header["order"]), Contents(
        problem, start or None, base or None, ChangeOrder.model_validate_json(change) if change else None
    )


def stop_frame() -> bytes:
    """Asks a search to end and to bring in its best."""
    return encode_frame(STOP)
