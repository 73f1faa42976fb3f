"""A timetable counted from scratch, rule by rule, for good and bad timetables alike.

Owns the search's own reading of each rule's count (the referee has another). Must not know how timetables are found,
nor the kernels' tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.solver.engine.enrolment.model import (
    DAY_RULES,
    DAY_WIDTH,
    PAIR_RULES,
    PRECEDENCE,
    ROOMS_AT,
    ROOMS_END,
    STUDENTS_AT,
    STUDENTS_END,
    EnrolmentModel,
    Int32s,
)
from services.solver.engine.search import Assignment

Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Count:
    """A timetable counted by part; the names are those of the rules, rules without violation or cost left out."""

    hard: Mapping[str, int]
    parts: Mapping[str, int]

    @property
    def rank(self) -> tuple[int, int]:
        """(hard violations, cost); smaller is better."""
        return (sum(self.hard.values()), sum(self.parts.values()))


def periods_and_rooms(model: EnrolmentModel, assignment: Assignment) -> tuple[Int32s, Int32s]:
    """Period and room of each event: -1, -1 where it has no time of its options, or no room and needs one."""
    period_of_time = np.full(int(model.period_time.max()) + 2, -1, np.int32)
    used = np.flatnonzero(model.period_time >= 0)
    period_of_time[model.period_time[used]] = used
    periods = period_of_time[assignment.times]  # the last entry is that of -1
    needs_room = model.event[:, ROOMS_AT] < model.event[:, ROOMS_END]
    events = np.arange(model.events)
    rooms = np.where(needs_room, assignment.rooms, -1).astype(np.int32)
    placed = (periods >= 0) & (model.time_cost[events, periods] >= 0)
    placed &= ~needs_room | ((rooms >= 0) & (model.room_cost[events, rooms] >= 0))
    return np.where(placed, periods, -1).astype(np.int32), np.where(placed, rooms, -1).astype(np.int32)


def count(model: EnrolmentModel, periods: Int32s, rooms: Int32s) -> Count:
    """A timetable by part. `periods[events]` and `rooms[events]`: -1 for an event without a place, or without a room.

    Everybody is taken to attend all their events. Events without a place break no other rule and cost nothing.
    """
    placed = np.flatnonzero(periods >= 0)
    housed = placed[rooms[placed] >= 0]
    hard = {
        "unplaced": model.events - len(placed),
        "room_conflict": _pairs_in_one_place(model, periods[housed], rooms[housed]),
        "room_unavailable": int((model.closed[periods[housed], rooms[housed]] != 0).sum()),
    }
    hard |= _broken_pairs(model, periods, placed)
    parts = {
        "time": int(model.time_cost[placed, periods[placed]].sum()),
        "room": int(model.room_cost[housed, rooms[housed]].sum()),
    }
    parts |= _students_days(model, periods)
    return Count({k: v for k, v in hard.items() if v}, {k: v for k, v in parts.items() if v})


def _pairs_in_one_place(model: EnrolmentModel, periods: Int32s, rooms: Int32s) -> int:
    _, together = np.unique(periods.astype(np.int64) * model.rooms + rooms, return_counts=True)
    return int((together * (together - 1) // 2).sum())


def _broken_pairs(model: EnrolmentModel, periods: Int32s, placed: Int64s) -> dict[str, int]:
    """Pairs of events that must not meet, or must come one after the other."""
    found = {"class_conflict": 0, "student_conflict": 0}
    for p in np.unique(periods[placed]):
        there = placed[periods[placed] == p]
        pairs = np.ix_(there, there)
        found["class_conflict"] += int(np.triu(model.taught[pairs], 1).sum())
        found["student_conflict"] += int(np.triu(model.common[pairs], 1).sum())
    for kind, a, b in model.pair_rules.tolist():
        p, q = periods[a], periods[b]
        broken = p >= q if kind == PRECEDENCE else p == q
        if p >= 0 and q >= 0 and broken:
            found[PAIR_RULES[kind]] = found.get(PAIR_RULES[kind], 0) + 1
    return found


# -- students' days ---------------------------------------------------------------------------------------------------


def _students_days(model: EnrolmentModel, periods: Int32s) -> dict[str, int]:
    """What each rule on days costs over all students, rounded down for each student as the referee does.

    A slot may hold several classes of a student, so the kernels' table of masks does not do.
    """
    if not len(model.rules):
        return {}
    taken = np.zeros((model.students, model.periods), np.int32)
    for event, p in enumerate(periods.tolist()):
        if p >= 0:
            taken[model.pool[model.event[event, STUDENTS_AT] : model.event[event, STUDENTS_END]], p] += 1
    taken = taken.reshape(model.students * model.days, DAY_WIDTH)
    found: dict[str, int] = {}
    for kind, first, second, penalty in model.rules.tolist():
        name = f"Student{DAY_RULES[kind]}"
        found[name] = found.get(name, 0) + penalty * int(_excess(DAY_RULES[kind], first, second, taken).sum())
    return found


def _excess(rule: str, limit: int, apart: int, taken: Int32s) -> Int64s:
    """By how much each day breaks the rule; `taken[days, slots]` are numbers of classes."""
    load: Int64s = taken.sum(axis=1, dtype=np.int64)
    if rule == "SingleClassDay":
        return np.where(load == 1, 1, 0).astype(np.int64)
    if rule == "MaxDayLoad":
        return np.maximum(0, load - limit).astype(np.int64)
    beyond, run, end = (np.zeros(len(taken), np.int64) for _ in range(3))
    for slot in range(taken.shape[1]):
        here = taken[:, slot].astype(np.int64)
        before = np.where((run > 0) & (slot <= end + apart), run, 0)
        after = before + here
        beyond += np.where(here > 0, np.maximum(0, after - np.maximum(limit, before)), 0)
        run = np.where(here > 0, after, run)
        end = np.where(here > 0, slot + 1, end)
    return beyond
