"""The cheapest rooms for events whose periods are fixed.

Owns the assignment of rooms by cost, which is exact: periods do not share rooms. Must not know times' costs or
students.
"""

from __future__ import annotations

import numpy as np

from services.solver.engine.enrolment.model import EnrolmentModel, Int32s


def cheapest_rooms(model: EnrolmentModel, periods: Int32s, rooms: Int32s) -> Int32s:
    """Rooms at the least cost for a timetable in which `rooms` break no hard rule (-1: none); `rooms` if all are free.

    In each period a linear assignment of its events to its rooms; places without an event stand for the rest.
    """
    if not (model.room_cost > 0).any():
        return rooms
    # Imported here: OR-Tools costs a third of a second that problems without room costs never need.
    from ortools.graph.python.linear_sum_assignment import SimpleLinearSumAssignment

    cheapest = rooms.copy()
    for p in np.unique(periods[rooms >= 0]):
        events = np.flatnonzero((periods == p) & (rooms >= 0))
        suits = (model.room_cost[events] >= 0) & (model.closed[p] == 0)
        left, right = np.nonzero(np.vstack([suits, np.ones((model.rooms - len(events), model.rooms), np.bool_)]))
        costs = np.vstack([model.room_cost[events], np.zeros((model.rooms - len(events), model.rooms), np.int32)])
        solver = SimpleLinearSumAssignment()
        solver.add_arcs_with_cost(left.astype(np.int32), right.astype(np.int32), costs[left, right].astype(np.int64))
        if solver.solve() != solver.OPTIMAL:
            raise RuntimeError("events that have rooms cannot be given rooms")
        cheapest[events] = [solver.right_mate(n) for n in range(len(events))]
    return cheapest
