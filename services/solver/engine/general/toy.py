"""A toy problem that touches every kernel, to compile them or load them from the cache.

Owns the smallest arrays of the right types. Must not be used for anything else.
"""

from __future__ import annotations

import numpy as np

from services.solver.engine.general.model import GeneralModel, peer


def toy_model() -> GeneralModel:
    """Two courses of one class each, two times, two rooms, one student who takes both."""
    pool = np.array(
        [0, 0, 1, 1, 0, 0, 1, 1, 0, 1, peer(1, walk=True), peer(0, walk=True), 1, 0, 0, 0], np.int64
    )  # times, rooms, both classes (the first is rule 0 too), clash lists, ties
    classes = np.array(
        [
            [0, 2, 4, 2, 10, 11, 0, 1, 8, 9, 5, -1, 0, 0, 0, 0, 12, 14, 14, 11, 1],
            [0, 2, 4, 2, 11, 12, 1, 2, 8, 9, 5, -1, 0, 1, 2, 1, 14, 16, 16, 12, 2],
        ],
        np.int64,
    )
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
        classes=classes,
        pool=pool,
        soft_peers=np.array([peer(1, walk=True), peer(0, walk=True)], np.int64),
        soft_weights=np.ones(2, np.int64),
        rules=np.array([[0, 0, 0, 0, 1, 8, 10, 0]], np.int64),
        configs=np.array([[0, 1], [1, 2]], np.int64),
        subparts=np.array([[8, 9], [9, 10]], np.int64),
        courses=np.array([[0, 1, 0, 1, 1], [1, 2, 1, 2, 1]], np.int64),
        course_requests=np.array([0, 1], np.int64),
        requests=np.array([[0, 0, 0, 1], [0, 1, 1, 1]], np.int64),
        student_slots=np.array([0, 2], np.int64),
        mates_size=4,
    )
