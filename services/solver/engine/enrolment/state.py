"""The tables of one enrolment search: one timetable without clashes, its cost, and the best one so far.

Owns the mutable arrays, their layout and the calls into the kernels. Must not know budgets, temperatures' course or
when to stop.
"""

from __future__ import annotations

import numpy as np

from services.solver.engine.enrolment import kernel
from services.solver.engine.enrolment.counting import periods_and_rooms
from services.solver.engine.enrolment.model import DAY_WIDTH, PRECEDENCE, EnrolmentModel
from services.solver.engine.enrolment.placing import place_events
from services.solver.engine.enrolment.tables import fill
from services.solver.engine.random import seeded
from services.solver.engine.search import Assignment


class EnrolmentState:
    """One timetable that breaks no hard rule, perhaps with events that have no place; `anneal` changes it in place.

    period[events], room[events]: where events are, -1 nowhere; place[events]: their index in `members` of the period or
    in `waiting`, the list of events without a place. members[periods, events], count[periods]: the events of a period.
    occupant[periods, rooms]: event, or a mark of `rooms`.
    clash[periods, events]: events in the period that the event must not meet.
    day[days, students]: mask of the slots that a student's classes take. sway[events, days, DAY_WIDTH]: what taking
    each slot out of the day of all the event's students, or putting it in, adds to the cost.
    totals: see `kernel`. The rest is scratch.
    """

    def __init__(self, model: EnrolmentModel, seed: int, start: Assignment | None = None) -> None:
        self.model = model
        events, periods, rooms = model.events, model.periods, model.rooms
        self.random = seeded(seed)
        self.period = np.full(events, -1, np.int32)
        self.room = np.full(events, -1, np.int32)
        self.place = np.zeros(events, np.int32)
        self.members = np.zeros((periods, events), np.int32)
        self.count = np.zeros(periods, np.int32)
        self.occupant = np.zeros((periods, rooms), np.int32)
        self.clash = np.zeros((periods, events), np.int32)
        self.day = np.zeros((model.days, model.students), np.int32)
        self.sway = np.zeros((events, model.days, DAY_WIDTH), np.int32)
        self.waiting = np.zeros(events, np.int32)
        self.totals = np.zeros(kernel.TOTALS, np.int64)
        self._change = np.zeros(DAY_WIDTH, np.int32)
        self._rows = np.zeros((2, rooms), np.int32)
        self._trial = np.zeros(events, np.int32)
        self._seen = np.zeros(rooms + 1, np.int64)
        self._wanted_by = np.zeros(rooms, np.int32)
        self._queue = np.zeros(rooms + 1, np.int32)
        self._chain = np.zeros(events + 1, np.int32)
        self._mark = np.zeros(events, np.int64)
        self._tabu = np.zeros((events, periods), np.int64)
        if start is not None:
            self._take_places(start)
        self.recount()
        self.best_period = self.period.copy()
        self.best_room = self.room.copy()
        self.totals[kernel.BEST_UNPLACED] = self.unplaced
        self.totals[kernel.BEST_COST] = self.cost

    @property
    def unplaced(self) -> int:
        """Events without a place in the current timetable."""
        return int(self.totals[kernel.UNPLACED])

    @property
    def cost(self) -> int:
        """Soft cost of the current timetable's placed events."""
        return int(self.totals[kernel.COST])

    @property
    def best_unplaced(self) -> int:
        return int(self.totals[kernel.BEST_UNPLACED])

    @property
    def best_cost(self) -> int:
        return int(self.totals[kernel.BEST_COST])

    @property
    def bests(self) -> int:
        """How often a new best was met."""
        return int(self.totals[kernel.BESTS])

    @property
    def accepted(self) -> int:
        """How many moves of the annealing were accepted."""
        return int(self.totals[kernel.ACCEPTED])

    @property
    def moves(self) -> int:
        return int(self.totals[kernel.MOVES])

    def construct(self, steps: int) -> int:
        """Make up to `steps` insertions of events that have no place, whatever the cost; returns how many.

        Ends early when every event has a place. `recount` must follow before `anneal`.
        """
        m = self.model
        return int(
            place_events(
                m.event, m.pool, m.conflict, self.period, self.room, self.place, self.members, self.count,
                self.occupant, self.clash, self.waiting, self._rows, self._seen, self._wanted_by, self._queue,
                self._chain, self._tabu, self.best_period, self.best_room, self.totals, self.random, int(steps),
            )
        )  # fmt: skip

    def recount(self) -> None:
        """Fill all tables anew from the places."""
        m = self.model
        fill(
            m.event, m.student, m.pool, m.closed, m.time_cost, m.day_cost, m.swing, self.period, self.room, self.place,
            self.members, self.count, self.occupant, self.clash, self.day, self.sway, self.waiting, self.totals,
        )  # fmt: skip

    def return_to_best(self) -> None:
        """Make the best timetable the current one; its cost is counted anew."""
        self.period[:] = self.best_period
        self.room[:] = self.best_room
        self.recount()
        self.totals[kernel.BEST_UNPLACED] = self.unplaced
        self.totals[kernel.BEST_COST] = self.cost
        self.totals[kernel.BESTS] += 1

    def anneal(
        self,
        moves: int,
        temperature_from: float,
        temperature_to: float,
        price: float,
        limit: int,
        short: int,
        long_share: float,
        displace_share: float,
        onward_share: float,
        target: int,
    ) -> int:
        """Make `moves` moves (fewer only if the target is met), see `kernel.anneal`; returns how many."""
        m = self.model
        return int(
            kernel.anneal(
                m.event, m.student, m.pool, m.time_cost, m.conflict, m.day_cost, m.swing, kernel.EXPONENTIAL,
                self.period, self.room, self.place, self.members, self.count, self.occupant, self.clash, self.day,
                self.sway, self._change, self.waiting, self._rows, self._trial, self._seen, self._wanted_by,
                self._queue, self._chain, self._mark, self.best_period, self.best_room, self.totals, self.random,
                int(moves), float(temperature_from), float(temperature_to), float(price), int(limit), int(short),
                float(long_share), float(displace_share), float(onward_share), int(target),
            )
        )  # fmt: skip

    def _take_places(self, start: Assignment) -> None:
        """Put events where `start` has them, one after another, unless that breaks a hard rule with those before."""
        m = self.model
        periods, rooms = periods_and_rooms(m, start)
        taken: set[tuple[int, int]] = set()
        afters, befores = [set[int]() for _ in periods], [set[int]() for _ in periods]
        for _, a, b in m.pair_rules[m.pair_rules[:, 0] == PRECEDENCE].tolist():
            afters[a].add(b)
            befores[b].add(a)
        together: dict[int, list[int]] = {}
        for event, (p, r) in enumerate(zip(periods.tolist(), rooms.tolist(), strict=True)):
            there = together.setdefault(p, [])
            if p < 0 or (p, r) in taken or m.conflict[event, there].any() or (r >= 0 and m.closed[p, r]):
                continue
            if any(0 <= self.period[x] < p for x in afters[event]) or any(self.period[x] > p for x in befores[event]):
                continue
            there.append(event)
            if r >= 0:
                taken.add((p, r))
            self.period[event], self.room[event] = p, r
