"""The variables of a timetable and the rules of place: one time and room each, rooms, clashes, walking.

Owns the core of the CP-SAT model. `rules` adds the distributions, `sectioning` the students. Must not know how the
model is searched.

Variables: `at[g, u]` unit g uses time u; `placed[g, u, k]` and room k in it; `uses[g, k]` unit g uses room k. The
product variables make room conflicts cliques and let the LP see rooms and times together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations
from typing import Any

from ortools.sat.python import cp_model

from services.solver.engine.exact.instants import maximal, start_instants
from services.solver.engine.exact.model import ClashSet, ExactModel

# OR-Tools ships no types: literals and linear expressions.
Literal = Any
Linear = Any
Row = tuple[tuple[int, ...], tuple[int, ...]]
_Tree = dict[int, dict[int, dict[int, list[Literal]]]]  # course -> configuration -> subpart -> literals


class Places:
    """The model under construction. With `relaxable`, each rule can be switched off by a literal of `relaxed`."""

    def __init__(self, model: ExactModel, *, soft: bool = True, relaxable: bool = False) -> None:
        self.model = model
        self.cp = cp_model.CpModel()
        self.relaxed: dict[str, Literal] = {}
        self.costs: list[tuple[int, Literal]] = []
        self.rows: dict[object, list[Row]] = {}  # what `rules` found for pairs of lists of times
        self._relaxable = relaxable
        self.at: dict[tuple[int, int], Literal] = {}
        self.placed: dict[tuple[int, int, int], Literal] = {}
        self.uses: dict[tuple[int, int], Literal] = {}
        self.instants = start_instants(model.spans, model.weeks, model.days)
        for g in range(len(model.units)):
            self._place(g)
        self._rooms()
        for clash_set in model.clash_sets:
            self._clash(clash_set)
        self._walking()
        if model.kept is not None and model.kept.max_changes is not None:
            self._stay(model.kept.places, model.kept.max_changes)
        for pair in model.soft_pairs if soft else ():
            self.costs.append((pair.cost, self.clash_literal(pair.a, pair.b, walking=True)))

    # -- building blocks ----------------------------------------------------------------------------------------------

    def new_bool(self) -> Literal:
        return self.cp.new_bool_var("")

    def require(self, label: str, constraint: Any) -> None:
        """A hard constraint of the rule `label`."""
        added = self.cp.add(constraint)
        if self._relaxable:
            added.only_enforce_if(~self.relaxation(label))

    def at_most_one(self, label: str, literals: Sequence[Literal]) -> None:
        if len(literals) < 2:
            return
        if self._relaxable:
            self.require(label, sum(literals) <= 1)
        else:
            self.cp.add_at_most_one(literals)

    def relaxation(self, label: str) -> Literal:
        """The literal that switches a rule off."""
        if label not in self.relaxed:
            self.relaxed[label] = self.new_bool()
        return self.relaxed[label]

    def count(self, upper: int) -> Literal:
        """A new integer in 0..upper."""
        return self.cp.new_int_var(0, upper, "")

    # -- one time and room each ---------------------------------------------------------------------------------------

    def _place(self, g: int) -> None:
        unit = self.model.units[g]
        size = len(unit.classes)
        times = []
        in_room: dict[int, list[Literal]] = {}
        for u, time_cost in unit.times:
            here = []
            for k, room_cost in unit.rooms or ():
                if (k, u) in self.model.blocked:
                    continue
                literal = self.new_bool()
                self.placed[g, u, k] = literal
                here.append(literal)
                in_room.setdefault(k, []).append(literal)
                self._charge(room_cost, literal)
            if unit.rooms is not None and not here:
                continue
            at = here[0] if len(here) == 1 else self.new_bool()
            self.at[g, u] = at
            times.append(at)
            self._charge(time_cost, at)
            if len(here) > 1:
                self.cp.add(sum(here) == at)
        if not times:
            self.cp.add_bool_or([])  # a unit that cannot be placed at all
        elif size == 1:
            self.cp.add_exactly_one(times)
        else:
            self.cp.add(sum(times) == size)
        for k, literals in in_room.items():
            self._use(g, k, literals, size)

    def _use(self, g: int, k: int, literals: list[Literal], size: int) -> None:
        if len(literals) == 1:
            self.uses[g, k] = literals[0]
            return
        used = self.new_bool()
        self.uses[g, k] = used
        if size == 1:
            self.cp.add(sum(literals) == used)
        else:
            self.cp.add_max_equality(used, literals)

    def _charge(self, cost: int, literal: Literal) -> None:
        if cost:
            self.costs.append((cost, literal))

    def _stay(self, kept: Sequence[tuple[int, int, int | None]], max_changes: int) -> None:
        """At most so many units leave their places: no rule of the problem, so it cannot be switched off."""
        staying = []
        for g, u, k in kept:
            literal = self.at.get((g, u)) if k is None else self.placed.get((g, u, k))
            if literal is not None:
                staying.append(literal)
        self.cp.add(sum(staying) >= len(kept) - max_changes)

    # -- no two at once -----------------------------------------------------------------------------------------------

    def _rooms(self) -> None:
        """At every start instant at most one class in a room."""
        by_room: dict[int, dict[int, list[Literal]]] = defaultdict(lambda: defaultdict(list))
        for (_, u, k), literal in self.placed.items():
            by_room[k][u].append(literal)
        for k, by_time in sorted(by_room.items()):
            label = self.model.room_labels[k]
            for clique in self._cliques(by_time):
                self.at_most_one(label, [literal for u in sorted(clique) for literal in by_time[u]])

    def _cliques(self, times: Iterable[int]) -> list[frozenset[int]]:
        wanted = frozenset(times)
        return maximal(instant & wanted for instant in self.instants)

    def _clash(self, clash_set: ClashSet) -> None:
        by_time: dict[int, list[tuple[int, Literal]]] = defaultdict(list)
        for position, g in enumerate(clash_set.units):
            for u, _ in self.model.units[g].times:
                if (g, u) in self.at:
                    by_time[u].append((position, self.at[g, u]))
        for clique in self._cliques(by_time):
            members = [member for u in sorted(clique) for member in by_time[u]]
            if clash_set.alternatives:
                self._at_most_one_of_courses(clash_set, members)
                self._at_most_one_of_units(clash_set, members)
            else:
                self.at_most_one(clash_set.label, [literal for _, literal in members])

    def _at_most_one_of_courses(self, clash_set: ClashSet, members: Sequence[tuple[int, Literal]]) -> None:
        """Alternatives may stand side by side: at most one subpart of a configuration, and at most one course."""
        tree: _Tree = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
        for position, literal in members:
            course, config, subpart = clash_set.alternatives[position]
            tree[course][config][subpart].append(literal)
        courses = []
        for configs in tree.values():
            parts = [[self._any(literals) for literals in subparts.values()] for subparts in configs.values()]
            for of_config in parts:
                self.at_most_one(clash_set.label, of_config)
            courses.append(self._any([literal for of_config in parts for literal in of_config]))
        self.at_most_one(clash_set.label, courses)

    def _at_most_one_of_units(self, clash_set: ClashSet, members: Sequence[tuple[int, Literal]]) -> None:
        """The classes of one unit keep apart, too."""
        by_unit: dict[int, list[Literal]] = defaultdict(list)
        for position, literal in members:
            by_unit[position].append(literal)
        for literals in by_unit.values():
            self.at_most_one(clash_set.label, literals)

    def _any(self, literals: Sequence[Literal]) -> Literal:
        """A literal that is true if one of these is."""
        if len(literals) == 1:
            return literals[0]
        found = self.new_bool()
        for literal in literals:
            self.cp.add_implication(literal, found)
        return found

    # -- time to walk -------------------------------------------------------------------------------------------------

    def _walking(self) -> None:
        if not self.model.walks:
            return
        done: set[tuple[int, int]] = set()
        for clash_set in self.model.clash_sets:
            if not clash_set.walking:
                continue
            for a, b in combinations(range(len(clash_set.units)), 2):
                g, h = sorted((clash_set.units[a], clash_set.units[b]))
                if not clash_set.exempt(a, b) and (self._relaxable or (g, h) not in done):
                    done.add((g, h))
                    self._walk(clash_set.label, g, h)
            for g in clash_set.units:
                if len(self.model.units[g].classes) > 1 and (g, g) not in done:
                    done.add((g, g))
                    self._walk(clash_set.label, g, g)

    def _walk(self, label: str, g: int, h: int, unless: Literal | None = None) -> None:
        """Units g and h leave time to walk (unless the literal is true)."""
        for near, far in self.too_far(g, h):
            allowed = 1 if unless is None else 1 + unless
            self.require(label, sum(near) + sum(far) <= allowed)

    def too_far(self, g: int, h: int) -> Iterator[tuple[list[Literal], list[Literal]]]:
        """Places of g and places of h that cannot both be taken, because the walk is longer than the gap."""
        model = self.model
        rooms_g = [k for k, _ in model.units[g].rooms or ()]
        rooms_h = [k for k, _ in model.units[h].rooms or ()]
        walks = {k: [(m, model.walk(k, m)) for m in rooms_h if model.walk(k, m)] for k in rooms_g}
        longest = max((slots for row in walks.values() for _, slots in row), default=0)
        if not longest:
            return
        for u, _ in model.units[g].times:
            for v, _ in model.units[h].times:
                if g == h and u >= v:
                    continue
                one, other = model.spans[u], model.spans[v]
                if not one.meets(other) or not 0 <= one.gap(other) < longest:
                    continue
                by_far: dict[tuple[int, ...], list[int]] = defaultdict(list)
                for k, row in walks.items():
                    far = tuple(m for m, slots in row if slots > one.gap(other))
                    if far:
                        by_far[far].append(k)
                for far, near in by_far.items():
                    left = [self.placed[g, u, k] for k in near if (g, u, k) in self.placed]
                    right = [self.placed[h, v, m] for m in far if (h, v, m) in self.placed]
                    if left and right:
                        yield left, right

    # -- pairs --------------------------------------------------------------------------------------------------------

    def clash_literal(self, g: int, h: int, *, walking: bool) -> Literal:
        """A literal that is true if the units overlap or (with `walking`) leave too little time to walk."""
        clash = self.new_bool()
        for left, right in self.pairs_where(g, h, lambda u, v: self.model.spans[u].overlaps(self.model.spans[v])):
            self.cp.add(sum(left) + sum(right) <= 1 + clash)
        if walking:
            for left, right in self.too_far(g, h):
                self.cp.add(sum(left) + sum(right) <= 1 + clash)
        return clash

    def pairs_where(
        self, g: int, h: int, holds: Callable[[int, int], bool]
    ) -> Iterator[tuple[list[Literal], list[Literal]]]:
        """Times of g that share the same non-empty list of times of h for which `holds(u, v)`, with that list."""
        rows: dict[tuple[int, ...], list[int]] = defaultdict(list)
        others = [v for v, _ in self.model.units[h].times if (h, v) in self.at]
        for u, _ in self.model.units[g].times:
            if (g, u) in self.at:
                rows[tuple(v for v in others if holds(u, v))].append(u)
        for matching, times in rows.items():
            if matching:
                yield [self.at[g, u] for u in times], [self.at[h, v] for v in matching]

    def times_of(self, g: int) -> list[tuple[int, Literal]]:
        """The unit's usable times with their literals."""
        return [(u, self.at[g, u]) for u, _ in self.model.units[g].times if (g, u) in self.at]
