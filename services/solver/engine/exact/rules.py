"""The distribution types as constraints and costs.

Owns one function per kind of rule. Two types are not modelled (`LEFT_OUT`): blocks of classes need many auxiliary
variables and hardly ever decide feasibility. Must not know students or how the model is searched.

Definitions: T. Müller, H. Rudová, Z. Müllerová, PATAT 2018 (ITC-2019); L. Di Gaspero, B. McCollum, A. Schaerf, 2007
(ITC-2007).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from itertools import combinations

from services.solver.engine.exact.instants import representative_bits
from services.solver.engine.exact.model import Rule, Span
from services.solver.engine.exact.places import Linear, Literal, Places, Row

LEFT_OUT = frozenset({"MaxBreaks", "MaxBlock"})


def add_rules(places: Places, *, soft: bool = True) -> None:
    """Add every rule of the model that is not left out; without `soft` only the required ones."""
    for rule in places.model.rules:
        add_rule(places, rule, soft=soft)


def add_rule(places: Places, rule: Rule, *, soft: bool = True) -> None:
    """Add one rule of the model, as `add_rules` does."""
    if rule.kind in LEFT_OUT or rule.cost == 0 or (rule.cost is not None and not soft):
        return
    if rule.kind in _SETS:
        _SETS[rule.kind](places, rule)
    else:
        for a, b in combinations(rule.units, 2):
            _pair(places, rule, a, b)


# -- pair types -------------------------------------------------------------------------------------------------------


def _within(a: Span, b: Span) -> bool:
    return b.start <= a.start and a.end <= b.end


def _first(bits: int) -> int:
    return (bits & -bits).bit_length()


def _in_order(a: Span, b: Span) -> bool:
    first_a, first_b = (_first(a.weeks), _first(a.days)), (_first(b.weeks), _first(b.days))
    return first_a < first_b or (first_a == first_b and a.end <= b.start)


# True if the pair of times complies; a is listed before b.
_COMPLIES: dict[str, Callable[[Span, Span, tuple[int, ...]], bool]] = {
    "SameStart": lambda a, b, _: a.start == b.start,
    "SameTime": lambda a, b, _: _within(a, b) or _within(b, a),
    "DifferentTime": lambda a, b, _: a.end <= b.start or b.end <= a.start,
    "SameDays": lambda a, b, _: a.days & b.days in (a.days, b.days),
    "DifferentDays": lambda a, b, _: a.days & b.days == 0,
    "SameWeeks": lambda a, b, _: a.weeks & b.weeks in (a.weeks, b.weeks),
    "DifferentWeeks": lambda a, b, _: a.weeks & b.weeks == 0,
    "Overlap": lambda a, b, _: a.overlaps(b),
    "NotOverlap": lambda a, b, _: not a.overlaps(b),
    "SameAttendees": lambda a, b, _: not a.overlaps(b),
    "Precedence": lambda a, b, _: _in_order(a, b),
    "WorkDay": lambda a, b, p: not a.meets(b) or max(a.end, b.end) - min(a.start, b.start) <= p[0],
    "MinGap": lambda a, b, p: not a.meets(b) or a.end + p[0] <= b.start or b.end + p[0] <= a.start,
}


def _pair(places: Places, rule: Rule, g: int, h: int) -> None:
    violated: Literal | int = 0
    if rule.cost is not None:
        violated = places.new_bool()
        places.costs.append((rule.cost, violated))
    if rule.kind in ("SameRoom", "DifferentRoom"):
        _room_pair(places, rule, g, h, violated)
        return
    times, others = places.times_of(g), places.times_of(h)
    for alike, matching in _rows(places, rule, tuple(u for u, _ in times), tuple(v for v, _ in others)):
        literals = sum(times[n][1] for n in alike)
        places.require(rule.label, literals <= sum(others[n][1] for n in matching) + violated)
    if rule.kind == "SameAttendees":
        for near, far in places.too_far(g, h):
            places.require(rule.label, sum(near) + sum(far) <= 1 + violated)


def _rows(places: Places, rule: Rule, times: tuple[int, ...], others: tuple[int, ...]) -> list[Row]:
    """Positions in `times` that comply with the same of `others` only, with the positions of those.

    Classes often have their times in common, and pairs of them then these rows: finding them was most of the work.
    """
    key = (rule.kind, rule.parameters, times, others)
    if (known := places.rows.get(key)) is not None:
        return known
    spans, complies = places.model.spans, _COMPLIES[rule.kind]
    rows: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for position, u in enumerate(times):
        rows[tuple(n for n, v in enumerate(others) if complies(spans[u], spans[v], rule.parameters))].append(position)
    found = [(tuple(alike), matching) for matching, alike in rows.items() if len(matching) < len(others)]
    places.rows[key] = found
    return found


def _room_pair(places: Places, rule: Rule, g: int, h: int, violated: Literal | int) -> None:
    """SameRoom: two classes without a room comply. DifferentRoom: a class without a room shares none."""
    units = places.model.units
    rooms_g = {k for k, _ in units[g].rooms or () if (g, k) in places.uses}
    rooms_h = {k for k, _ in units[h].rooms or () if (h, k) in places.uses}
    if rule.kind == "DifferentRoom":
        for k in sorted(rooms_g & rooms_h):
            places.require(rule.label, places.uses[g, k] + places.uses[h, k] <= 1 + violated)
        return
    for k in sorted(rooms_g | rooms_h):
        one, other = places.uses.get((g, k), 0), places.uses.get((h, k), 0)
        if k in rooms_g:
            places.require(rule.label, one <= other + violated)
        if k in rooms_h:
            places.require(rule.label, other <= one + violated)


# -- set types --------------------------------------------------------------------------------------------------------


def _limit(places: Places, rule: Rule, total: Linear, limit: int, upper: int) -> None:
    """total <= limit, or what it exceeds costs."""
    if rule.cost is None:
        places.require(rule.label, total <= limit)
    elif upper > limit:
        excess = places.count(upper)
        places.cp.add(excess >= total - limit)
        places.costs.append((rule.cost, excess))


def _max_days(places: Places, rule: Rule) -> None:
    used = [places.new_bool() for _ in range(places.model.days)]
    for g in rule.units:
        for u, literal in places.times_of(g):
            for day, on_day in enumerate(used):
                if places.model.spans[u].days >> day & 1:
                    places.cp.add_implication(literal, on_day)
    _limit(places, rule, sum(used), rule.parameters[0], places.model.days)


def _min_working_days(places: Places, rule: Rule) -> None:
    used = []
    for day in range(places.model.days):
        literals = [
            literal for g in rule.units for u, literal in places.times_of(g) if places.model.spans[u].days >> day & 1
        ]
        if literals:
            on_day = places.new_bool()
            places.cp.add(on_day <= sum(literals))
            used.append(on_day)
    wanted = rule.parameters[0]
    if rule.cost is None:
        places.require(rule.label, sum(used) >= wanted)
    else:
        short = places.count(wanted)
        places.cp.add(short >= wanted - sum(used))
        places.costs.append((rule.cost, short))


def _max_day_load(places: Places, rule: Rule) -> None:
    """The average over the weeks of the slots beyond the limit, rounded down once."""
    spans, limit = places.model.spans, rule.parameters[0]
    members = [(spans[u], literal) for g in rule.units for u, literal in places.times_of(g)]
    total: Linear = 0
    most = 0
    for week, alike in representative_bits((span.weeks for span, _ in members), places.model.weeks):
        for day in range(places.model.days):
            load = [(s.end - s.start, x) for s, x in members if s.weeks >> week & 1 and s.days >> day & 1]
            upper = sum(length for length, _ in load)
            if upper <= limit:
                continue
            slots = sum(length * literal for length, literal in load)
            if rule.cost is None:
                places.require(rule.label, slots <= limit)
            else:
                excess = places.count(upper)
                places.cp.add(excess >= slots - limit)
                total += alike * excess
                most += alike * upper
    if rule.cost is not None and most:
        # `cost` is the weight times the penalty; only the penalty is divided by the weeks.
        weight, penalty = rule.parameters[1:]
        average = places.count(penalty * most)
        places.cp.add(places.model.weeks * average >= penalty * total - (places.model.weeks - 1))
        places.costs.append((weight, average))


def _room_stability(places: Places, rule: Rule) -> None:
    rooms: dict[int, list[Literal]] = defaultdict(list)
    for g in rule.units:
        for k, _ in places.model.units[g].rooms or ():
            if (g, k) in places.uses:
                rooms[k].append(places.uses[g, k])
    used = []
    for literals in rooms.values():
        if len(literals) == 1:
            used.append(literals[0])
            continue
        of_room = places.new_bool()
        for literal in literals:
            places.cp.add_implication(literal, of_room)
        used.append(of_room)
    if len(used) > 1:
        _limit(places, rule, sum(used), 1, len(used))


def _isolated_lectures(places: Places, rule: Rule) -> None:
    """Every class has another of the list directly before or after it, on each of its days."""
    spans = places.model.spans
    by_time: dict[int, list[tuple[int, Literal]]] = defaultdict(list)
    for g in rule.units:
        for u, literal in places.times_of(g):
            by_time[u].append((g, literal))
    together = _never_together(places, rule.units)
    edges: dict[int, list[int]] = defaultdict(list)  # times by start and by end
    for v in by_time:
        edges[spans[v].start].append(v)
        edges[spans[v].end].append(v)
    for u, here in by_time.items():
        one = spans[u]
        near = dict.fromkeys(edges[one.start] + edges[one.end])
        touching = [
            v for v in near if (spans[v].end == one.start or spans[v].start == one.end) and spans[v].weeks & one.weeks
        ]
        for day in range(places.model.days):
            if not one.days >> day & 1:
                continue
            beside = [member for v in touching if spans[v].days >> day & 1 for member in by_time[v]]
            if together:  # at most one class of the list at a time: one counter per time is enough
                _isolated(places, rule, [x for _, x in here], [x for _, x in beside])
                continue
            for g, literal in here:
                others = [x for h, x in beside if h != g or len(places.model.units[g].classes) > 1]
                _isolated(places, rule, [literal], others)


def _isolated(places: Places, rule: Rule, here: list[Literal], beside: list[Literal]) -> None:
    if rule.cost is None:
        places.require(rule.label, sum(here) <= sum(beside))
        return
    alone = places.new_bool()
    places.cp.add(alone >= sum(here) - sum(beside))
    places.costs.append((rule.cost, alone))


def _never_together(places: Places, units: tuple[int, ...]) -> bool:
    """True if some clash set keeps every two of the units apart."""
    wanted = set(units)
    for clash_set in places.model.clash_sets:
        positions = [n for n, g in enumerate(clash_set.units) if g in wanted]
        if len(positions) == len(wanted):
            return not any(clash_set.exempt(a, b) for a, b in combinations(positions, 2))
    return len(wanted) == 1


_SETS: dict[str, Callable[[Places, Rule], None]] = {
    "MaxDays": _max_days,
    "MaxDayLoad": _max_day_load,
    "MinWorkingDays": _min_working_days,
    "RoomStability": _room_stability,
    "IsolatedLectures": _isolated_lectures,
}
