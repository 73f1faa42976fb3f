"""A toy problem that touches every kernel, to compile them or load them from the cache.

Owns the smallest arrays of the right types. Must not be used for anything else.
"""

from __future__ import annotations

import numpy as np

from services.solver.engine.general.hashing import hash_table
from services.solver.engine.general.model import (
    CELLS_AT,
    CLASH_AT,
    CLASH_END,
    CLASS_COLUMNS,
    CONFIG,
    COURSE,
    FIRST_OF_COURSE,
    LIMIT,
    MATES_AT,
    MATES_END,
    MAX_DAYS,
    PARENT,
    PEERS_AT,
    PEERS_END,
    PLACES_AT,
    PLACES_LEN,
    ROOM_PEERS_AT,
    ROOM_PEERS_END,
    ROOMS_AT,
    ROOMS_LEN,
    SAME_ATTENDEES,
    SOFT_AT,
    SOFT_END,
    TIMES_AT,
    TIMES_LEN,
    WHICH_AT,
    WHOLE_AT,
    WHOLE_END,
    GeneralModel,
)


def toy_model() -> GeneralModel:
    """Two courses of one class each, two times, two rooms, one student who takes both."""
    # Times, rooms, both classes (the first is rule 0 too), clash lists, the places of the rooms, and which each has.
    pool = np.array([0, 0, 1, 1, 0, 0, 1, 1, 0, 1, 1, 0, 0, 0, 0], np.int64)
    rows: list[dict[int, int]] = [
        {CELLS_AT: 0, CLASH_AT: 10, CLASH_END: 11, SOFT_AT: 0, SOFT_END: 1, PEERS_AT: 0, PEERS_END: 1, MATES_AT: 0},
        {CELLS_AT: 2, CLASH_AT: 11, CLASH_END: 12, SOFT_AT: 1, SOFT_END: 2, PEERS_AT: 1, PEERS_END: 2, MATES_AT: 2},
    ]
    classes = np.zeros((2, CLASS_COLUMNS), np.int64)
    for i, row in enumerate(rows):
        row |= {TIMES_AT: 0, TIMES_LEN: 2, ROOMS_AT: 4, ROOMS_LEN: 2, PLACES_AT: 12, PLACES_LEN: 1, WHICH_AT: 13}
        row |= {WHOLE_AT: 8, WHOLE_END: 9, ROOM_PEERS_AT: 2, ROOM_PEERS_END: 2, MATES_END: row[MATES_AT] + 2}
        row |= {LIMIT: 5, PARENT: -1, CONFIG: i, COURSE: i, FIRST_OF_COURSE: i}
        for column, value in row.items():
            classes[i, column] = value
    return GeneralModel(
        weeks=1,
        days=1,
        time_weight=1,
        room_weight=1,
        distribution_weight=1,
        student_weight=1,
        times=np.array([[1, 1, 0, 2, 0], [1, 1, 2, 4, 0]], np.int64),
        gaps=np.array([[-1, 0], [0, -1]], np.int16),
        places=np.array([0, 0, 1], np.int64),
        travel=np.zeros((2, 2), np.int16),
        blocked=np.zeros((0, 2), np.uint8),
        blocked_row=np.full(3, -1, np.int64),
        domains=1,
        near_at=np.array([0, 1, 2], np.int32),
        near=np.array([0, 1], np.int32),
        overlap_at=np.array([0, 1, 2], np.int64),
        overlaps=np.array([0, 1], np.int32),
        classes=classes,
        pool=pool,
        soft_peers=np.array([1, 0], np.int64),
        soft_weights=np.ones(2, np.int64),
        rules=np.array([[MAX_DAYS, 1, 0, 0, 1, 8, 10, 1]], np.int64),
        peers=np.array([[1, 0], [0, 0]], np.int32),
        ties=np.array([[SAME_ATTENDEES, 0, 0, 1, 1]], np.int64),
        configs=np.array([[0, 1], [1, 2]], np.int64),
        subparts=np.array([[8, 9], [9, 10]], np.int64),
        courses=np.array([[0, 1, 0, 1], [1, 2, 1, 2]], np.int64),
        course_requests=np.array([0, 1], np.int64),
        requests=np.array([[0, 0, 0, 1], [0, 1, 1, 1]], np.int64),
        student_slots=np.array([0, 2], np.int64),
        mate_class=np.array([0, 1, 0, 1], np.int32),
        mate_at=hash_table(np.arange(4), np.array([0, 1, 0, 1])),
        cells=4,
    )
