"""A toy problem that touches every kernel, to compile them or load them from the cache.

Owns the smallest arrays of the right types. Must not be used for anything else.
"""

from __future__ import annotations

import numpy as np

from services.solver.engine.enrolment.model import DAY_WIDTH, EnrolmentModel


def toy_model() -> EnrolmentModel:
    """Two events in conflict, one student of both, one room, one day of two slots, of which one costs a point."""
    slots = 2
    time_cost = np.full((2, DAY_WIDTH), -1, np.int32)
    time_cost[:, :slots] = (0, 1)
    period_time = np.full(DAY_WIDTH, -1, np.int32)
    period_time[:slots] = range(slots)
    # Both slots, the room, each event's rival, the student, the student's events.
    pool = np.array([0, 1, 0, 1, 0, 0, 0, 1, 0], np.int32)
    event = np.array(
        [[0, 2, 2, 3, 3, 4, 4, 4, 4, 4, 5, 6], [0, 2, 2, 3, 4, 5, 5, 5, 5, 5, 5, 6]],
        np.int32,
    )
    apart = 1 - np.eye(2, dtype=np.int32)
    return EnrolmentModel(
        days=1,
        slots_per_day=slots,
        event=event,
        student=np.array([[6, 8]], np.int32),
        pool=pool,
        time_cost=time_cost,
        room_cost=np.zeros((2, 1), np.int32),
        closed=np.zeros((DAY_WIDTH, 1), np.uint8),
        conflict=apart.astype(np.uint8),
        day_cost=np.zeros(1 << slots, np.int32),
        swing=np.zeros((1 << slots, DAY_WIDTH), np.int32),
        rules=np.zeros((0, 4), np.int32),
        common=np.ones((2, 2), np.int32),
        taught=np.zeros((2, 2), np.uint8),
        pair_rules=np.zeros((0, 3), np.int32),
        period_time=period_time,
        bound=0,
        scale=1.0,
    )
