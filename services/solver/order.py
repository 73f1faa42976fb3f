"""The order: what the service asks of a child process.

Owns its fields and its place in a frame. Must not know who sends it or how it is carried out.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from services.solver.frames import Frame, encode_frame

ORDER = "order"
STOP = "stop"


@dataclass(frozen=True, slots=True)
class Order:
    """What to do. `seconds` 0: no search, only judge the timetable given.

    `weights` replace the problem's own where given. `searched_s` is search time of earlier attempts. A best timetable
    is wanted every `best_interval_s`, if it improved.
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


def order_frame(order: Order, problem_zstd: bytes, start_zstd: bytes | None) -> bytes:
    """The order with the packed problem and the packed timetable to start from, if any."""
    body = problem_zstd + (start_zstd or b"")
    return encode_frame(ORDER, body, order=asdict(order), problem_bytes=len(problem_zstd))


def read_order(frame: Frame) -> tuple[Order, bytes, bytes | None]:
    """What `order_frame` was given."""
    problem_bytes = int(frame.header["problem_bytes"])
    return Order(**frame.header["order"]), frame.body[:problem_bytes], frame.body[problem_bytes:] or None


def stop_frame() -> bytes:
    """Asks a search to end and to bring in its best."""
    return encode_frame(STOP)
