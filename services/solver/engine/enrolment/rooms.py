"""Who gets which room of a period: matchings that grow by augmenting paths.

Owns the search for a room for one more event, the others of the period changing rooms among those that will do for
them. Must not know costs or students.

A period's rooms are a row: `row[r]` is the event in room r, FREE, or CLOSED while the room is unavailable.
"""

from __future__ import annotations

from numba import njit

from services.solver.engine.enrolment.model import ROOMS_AT, ROOMS_END
from services.solver.engine.jit import INNER, Array, Int

FREE, CLOSED = -1, -2


@njit(**INNER)
def seek_room(
    e: Int, row: Array, event: Array, pool: Array, seen: Array, wanted_by: Array, queue: Array
) -> tuple[Int, Int]:
    """A free room that the event can have if others change rooms, and how many events are in `queue`.

    Breadth first (H. W. Kuhn 1955). Without one the room is -1, and `queue[1:n]` are the events any of whose leaving
    would make room. `wanted_by[r]` is then the event for which room r was reached; `take_room` follows it. `seen` is
    int64[rooms + 1], the last entry the number of the call.
    """
    last = seen.shape[0] - 1
    seen[last] += 1
    stamp = seen[last]
    queue[0] = e
    head, tail = 0, 1
    while head < tail:
        x = queue[head]
        head += 1
        for k in range(event[x, ROOMS_AT], event[x, ROOMS_END]):
            r = pool[k]
            y = row[r]
            if seen[r] == stamp or y == CLOSED:
                continue
            seen[r] = stamp
            wanted_by[r] = x
            if y < 0:
                return r, tail
            queue[tail] = y
            tail += 1
    return -1, tail


@njit(**INNER)
def take_room(e: Int, r: Int, row: Array, room: Array, wanted_by: Array) -> None:
    """Give the event a room as `seek_room` found it."""
    while True:
        x = wanted_by[r]
        before = room[x]
        row[r] = x
        room[x] = r
        if x == e:
            return
        r = before
