"""The 22 distribution types: each rule in a function of its own, as the competitions define it.

A pair rule says whether two classes violate it; a set rule says by how much a whole list of classes does. Classes
without a time are passed over. Must not know students, domains or rooms' availability.

Sources: T. Müller, H. Rudová, Z. Müllerová, "University course timetabling and International Timetabling Competition
2019", PATAT 2018 (the first 19); L. Di Gaspero, B. McCollum, A. Schaerf, ITC-2007 track 3 (the last three).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import combinations

from schemas.problem.model import Distribution, DistributionType
from schemas.referee.reading import Placed, Reading
from schemas.referee.verdict import Tally, Violation

PairRule = Callable[[Reading, Placed, Placed, Sequence[int]], bool]
SetRule = Callable[[Reading, Sequence[Placed], Sequence[int]], int]


# -- pair rules: True if the pair violates ----------------------------------------------------------------------------


def different_start(_: Reading, a: Placed, b: Placed, __: Sequence[int]) -> bool:
    """SameStart: both start at the same time of day."""
    return a.start != b.start


def different_time_of_day(_: Reading, a: Placed, b: Placed, __: Sequence[int]) -> bool:
    """SameTime: one time of day lies within the other."""
    return not (_within(a, b) or _within(b, a))


def _within(a: Placed, b: Placed) -> bool:
    return b.start <= a.start and a.end <= b.end


def common_time_of_day(_: Reading, a: Placed, b: Placed, __: Sequence[int]) -> bool:
    """DifferentTime: the times of day do not overlap, whatever the days."""
    return a.start < b.end and b.start < a.end


def different_days(_: Reading, a: Placed, b: Placed, __: Sequence[int]) -> bool:
    """SameDays: the days of one are among the other's."""
    return not _subset(a.days, b.days)


def common_day(_: Reading, a: Placed, b: Placed, __: Sequence[int]) -> bool:
    """DifferentDays: no day of the week in common."""
    return bool(a.days & b.days)


def different_weeks(_: Reading, a: Placed, b: Placed, __: Sequence[int]) -> bool:
    """SameWeeks: the weeks of one are among the other's."""
    return not _subset(a.weeks, b.weeks)


def common_week(_: Reading, a: Placed, b: Placed, __: Sequence[int]) -> bool:
    """DifferentWeeks: no week in common."""
    return bool(a.weeks & b.weeks)


def _subset(a: int, b: int) -> bool:
    return a & b in (a, b)


def no_overlap(_: Reading, a: Placed, b: Placed, __: Sequence[int]) -> bool:
    """Overlap: the two share a slot."""
    return not a.overlaps(b)


def overlap(_: Reading, a: Placed, b: Placed, __: Sequence[int]) -> bool:
    """NotOverlap: the two share no slot."""
    return a.overlaps(b)


def different_room(_: Reading, a: Placed, b: Placed, __: Sequence[int]) -> bool:
    """SameRoom: both in one room (two classes without a room comply)."""
    return _room(a) != _room(b)


def common_room(_: Reading, a: Placed, b: Placed, __: Sequence[int]) -> bool:
    """DifferentRoom: not in one room (a class without a room shares none)."""
    return _room(a) is not None and _room(a) == _room(b)


def _room(placed: Placed) -> str | None:
    return None if placed.room is None else placed.room.id


def unattendable(reading: Reading, a: Placed, b: Placed, _: Sequence[int]) -> bool:
    """SameAttendees: if they meet, the earlier ends, plus the walk between the rooms, before the later starts."""
    return reading.unattendable(a, b)


def wrong_order(_: Reading, a: Placed, b: Placed, __: Sequence[int]) -> bool:
    """Precedence: the first meeting of the one listed first ends before the first meeting of the other starts."""
    first_a, first_b = _first_meeting(a), _first_meeting(b)
    return first_a > first_b or (first_a == first_b and a.end > b.start)


def _first_meeting(placed: Placed) -> tuple[int, int]:
    """First week and first day."""
    return _lowest_bit(placed.weeks), _lowest_bit(placed.days)


def _lowest_bit(bits: int) -> int:
    return (bits & -bits).bit_length() - 1


def too_long_day(_: Reading, a: Placed, b: Placed, parameters: Sequence[int]) -> bool:
    """WorkDay(S): if they meet, at most S slots from the earlier start to the later end."""
    return a.meets(b) and max(a.end, b.end) - min(a.start, b.start) > parameters[0]


def too_short_gap(_: Reading, a: Placed, b: Placed, parameters: Sequence[int]) -> bool:
    """MinGap(G): if they meet, at least G slots between them."""
    return a.meets(b) and a.start < b.end + parameters[0] and b.start < a.end + parameters[0]


PAIR_RULES: dict[DistributionType, PairRule] = {
    DistributionType.SAME_START: different_start,
    DistributionType.SAME_TIME: different_time_of_day,
    DistributionType.DIFFERENT_TIME: common_time_of_day,
    DistributionType.SAME_DAYS: different_days,
    DistributionType.DIFFERENT_DAYS: common_day,
    DistributionType.SAME_WEEKS: different_weeks,
    DistributionType.DIFFERENT_WEEKS: common_week,
    DistributionType.OVERLAP: no_overlap,
    DistributionType.NOT_OVERLAP: overlap,
    DistributionType.SAME_ROOM: different_room,
    DistributionType.DIFFERENT_ROOM: common_room,
    DistributionType.SAME_ATTENDEES: unattendable,
    DistributionType.PRECEDENCE: wrong_order,
    DistributionType.WORK_DAY: too_long_day,
    DistributionType.MIN_GAP: too_short_gap,
}


# -- set rules: by how much the list violates -------------------------------------------------------------------------


def excess_days(_: Reading, members: Sequence[Placed], parameters: Sequence[int]) -> int:
    """MaxDays(D): at most D different days of the week; counts the days beyond."""
    return max(0, _days_used(members) - parameters[0])


def missing_working_days(_: Reading, members: Sequence[Placed], parameters: Sequence[int]) -> int:
    """MinWorkingDays(n): at least n different days of the week; counts the days short."""
    return max(0, parameters[0] - _days_used(members))


def _days_used(members: Sequence[Placed]) -> int:
    days = 0
    for placed in members:
        days |= placed.days
    return days.bit_count()


def excess_day_load(reading: Reading, members: Sequence[Placed], parameters: Sequence[int]) -> int:
    """MaxDayLoad(S): at most S slots of class on every day of every week; counts the slots beyond."""
    days = _days_of_weeks(reading, members)
    return sum(max(0, sum(p.end - p.start for p in on_day) - parameters[0]) for on_day in days)


def excess_blocks(reading: Reading, members: Sequence[Placed], parameters: Sequence[int]) -> int:
    """MaxBreaks(R, S): at most R + 1 blocks on every day of every week; counts the blocks beyond."""
    breaks, apart = parameters
    return sum(max(0, len(_blocks(on_day, apart)) - breaks - 1) for on_day in _days_of_weeks(reading, members))


def too_long_blocks(reading: Reading, members: Sequence[Placed], parameters: Sequence[int]) -> int:
    """MaxBlock(M, S): no block of two or more classes is longer than M slots; counts the blocks that are."""
    longest, apart = parameters
    return sum(
        size > 1 and end - start > longest
        for on_day in _days_of_weeks(reading, members)
        for start, end, size in _blocks(on_day, apart)
    )


def _days_of_weeks(reading: Reading, members: Sequence[Placed]) -> Iterator[list[Placed]]:
    """The members that meet on each day of each week, by start; days without any are left out."""
    by_start = sorted(members, key=lambda p: (p.start, p.end))
    for day in range(reading.problem.calendar.days):
        on_day = [p for p in by_start if p.days >> day & 1]
        if not on_day:
            continue
        for week in range(reading.problem.calendar.weeks):
            in_week = [p for p in on_day if p.weeks >> week & 1]
            if in_week:
                yield in_week


def _blocks(by_start: Sequence[Placed], apart: int) -> list[tuple[int, int, int]]:
    """(start, end, number of classes) of each block: classes at most `apart` slots from one another belong together."""
    blocks: list[tuple[int, int, int]] = []
    for placed in by_start:
        if blocks and placed.start <= blocks[-1][1] + apart:
            start, end, size = blocks[-1]
            blocks[-1] = (start, max(end, placed.end), size + 1)
        else:
            blocks.append((placed.start, placed.end, 1))
    return blocks


def isolated_lectures(_: Reading, members: Sequence[Placed], __: Sequence[int]) -> int:
    """IsolatedLectures: every lecture is adjacent to another of the list on each of its days; counts (class, day).

    Adjacent: one ends where the other starts, on that day, in a week that both share.
    """
    at_edge: dict[int, list[Placed]] = {}  # by start and by end: only neighbours are looked at
    for placed in members:
        at_edge.setdefault(placed.start, []).append(placed)
        at_edge.setdefault(placed.end, []).append(placed)
    isolated = 0
    for placed in members:
        lonely_days = placed.days
        for other in (*at_edge[placed.start], *at_edge[placed.end]):
            touches = other.end == placed.start or other.start == placed.end
            if other is not placed and touches and other.weeks & placed.weeks:
                lonely_days &= ~other.days
        isolated += lonely_days.bit_count()
    return isolated


def further_rooms(_: Reading, members: Sequence[Placed], __: Sequence[int]) -> int:
    """RoomStability: all classes in one room; counts the rooms beyond the first."""
    return max(0, len({placed.room.id for placed in members if placed.room is not None}) - 1)


SET_RULES: dict[DistributionType, SetRule] = {
    DistributionType.MAX_DAYS: excess_days,
    DistributionType.MAX_DAY_LOAD: excess_day_load,
    DistributionType.MAX_BREAKS: excess_blocks,
    DistributionType.MAX_BLOCK: too_long_blocks,
    DistributionType.MIN_WORKING_DAYS: missing_working_days,
    DistributionType.ISOLATED_LECTURES: isolated_lectures,
    DistributionType.ROOM_STABILITY: further_rooms,
}

# Their excess is summed over every day of every week, so a soft one costs the average over the weeks, rounded down.
AVERAGED_OVER_WEEKS = frozenset(
    {DistributionType.MAX_DAY_LOAD, DistributionType.MAX_BREAKS, DistributionType.MAX_BLOCK}
)

_EXCESS = {
    DistributionType.MAX_DAYS: "days too many",
    DistributionType.MAX_DAY_LOAD: "slots of class too many, over all days and weeks",
    DistributionType.MAX_BREAKS: "blocks too many, over all days and weeks",
    DistributionType.MAX_BLOCK: "blocks too long, over all days and weeks",
    DistributionType.MIN_WORKING_DAYS: "days too few",
    DistributionType.ISOLATED_LECTURES: "lectures without a neighbour",
    DistributionType.ROOM_STABILITY: "rooms too many",
}


# -- counting ---------------------------------------------------------------------------------------------------------


def distributions(reading: Reading, tally: Tally) -> None:
    """Counts every distribution: violations under its type's name if required, else cost."""
    for distribution in reading.problem.distributions:
        if distribution.type in PAIR_RULES:
            _count_pairs(reading, tally, distribution)
        else:
            _count_set(reading, tally, distribution)


def violation_count(reading: Reading, distribution: Distribution) -> int:
    """By how much the placed classes violate one distribution: pairs, or the excess of the whole set."""
    if distribution.type in PAIR_RULES:
        return sum(1 for _ in _violating_pairs(reading, distribution))
    return SET_RULES[distribution.type](reading, members_of(reading, distribution), distribution.parameters)


def members_of(reading: Reading, distribution: Distribution) -> list[Placed]:
    """The placed classes of a distribution, in its order."""
    return [reading.placed[name] for name in distribution.classes if name in reading.placed]


def _violating_pairs(reading: Reading, distribution: Distribution) -> Iterator[tuple[Placed, Placed]]:
    rule = PAIR_RULES[distribution.type]
    for a, b in combinations(members_of(reading, distribution), 2):
        if rule(reading, a, b, distribution.parameters):
            yield a, b


def _count_pairs(reading: Reading, tally: Tally, distribution: Distribution) -> None:
    if distribution.required:
        for a, b in _violating_pairs(reading, distribution):
            tally.violate(distribution.type.value, partial(pair_violation, reading, distribution, a, b))
    else:
        _charge(reading, tally, distribution, (distribution.penalty or 0) * violation_count(reading, distribution))


def _count_set(reading: Reading, tally: Tally, distribution: Distribution) -> None:
    excess = violation_count(reading, distribution)
    if distribution.required:
        if excess:
            tally.violate(distribution.type.value, partial(set_violation, distribution, excess), excess)
        return
    cost = (distribution.penalty or 0) * excess
    if distribution.type in AVERAGED_OVER_WEEKS:
        cost //= reading.problem.calendar.weeks
    _charge(reading, tally, distribution, cost)


def _charge(reading: Reading, tally: Tally, distribution: Distribution, cost: int) -> None:
    tally.charge(distribution.type.value, reading.problem.weights.distribution * cost)


def pair_violation(reading: Reading, distribution: Distribution, a: Placed, b: Placed) -> Violation:
    """Two classes that violate a required distribution of pairs."""
    message = f"{_name(distribution)} does not hold for {reading.place_and_time(a)} and {reading.place_and_time(b)}."
    return Violation(distribution.type.value, (a.id, b.id), message, when=reading.when(a))


def set_violation(distribution: Distribution, excess: int) -> Violation:
    """A list of classes that violates a required distribution of the whole set."""
    shown = ", ".join(distribution.classes[:6]) + (", ..." if len(distribution.classes) > 6 else "")
    message = f"{_name(distribution)} does not hold for {shown}: {excess} {_EXCESS[distribution.type]}."
    return Violation(distribution.type.value, tuple(distribution.classes[:50]), message)


def _name(distribution: Distribution) -> str:
    if not distribution.parameters:
        return distribution.type.value
    return f"{distribution.type.value}({', '.join(map(str, distribution.parameters))})"
