"""One move evaluated: what it breaks and mends, by name, and what it costs, by part.

Owns the count of everything that one class's place has a part in. Must not know how places are searched for.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from schemas.change.difference import Place
from schemas.problem.findings import Finding, InvalidInputError
from schemas.problem.model import Distribution, Room, Time
from schemas.referee.distributions import AVERAGED_OVER_WEEKS, PAIR_RULES, SET_RULES, pair_violation, set_violation
from schemas.referee.places import (
    in_a_closed_room,
    is_during,
    needs_room,
    two_in_a_room,
    unattendable_violation,
    without_room,
)
from schemas.referee.reading import Placed, Stretch
from schemas.referee.verdict import Tally, Verdict, Violation
from schemas.whatif.answers import Conflict, Evaluation, Move
from schemas.whatif.board import Board


class InvalidMoveError(InvalidInputError):
    """The move names a class, a time or a room that the problem does not have, or leaves open where to."""


def require_countable(board: Board) -> None:
    """Raise `InvalidMoveError` for a problem with rules that no single class's place has a part in."""
    if board.problem.student_rules:
        message = (
            "Moves are not evaluated one by one where the problem has rules for every student's own week. Ask for a"
            " timetable that stays close to this one, with the class pinned."
        )
        raise InvalidMoveError([Finding("student_rules_not_evaluated", "/class", message)])


def evaluate(board: Board, move: Move) -> Evaluation:
    """The consequences of a move. Raises `InvalidMoveError`."""
    require_countable(board)
    old = board.placed.get(move.class_id)
    new = read_move(board, move)
    before, after = count(board, move.class_id, old), count(board, move.class_id, new)
    return difference_of(board, old, new, before, after)


def difference_of(board: Board, old: Placed | None, new: Placed, before: Verdict, after: Verdict) -> Evaluation:
    """What turns one count of a class's place into the other."""
    hard = _difference(before.score.hard, after.score.hard)
    cost = _difference(before.score.cost, after.score.cost)
    was = {_key(violation) for violation in before.violations}
    now = {_key(violation) for violation in after.violations}
    neighbours = board.neighbours(new.id)
    weight = board.problem.weights.student
    conflicts = _student_conflicts(board, new) - (0 if old is None else _student_conflicts(board, old))
    return Evaluation(
        class_id=new.id,
        before=None if old is None else place_of(old),
        after=place_of(new),
        hard_violations=sum(hard.values()),
        total=sum(cost.values()),
        hard=hard,
        cost=cost,
        new=[_conflict(v) for v in after.violations if _key(v) not in was],
        mended=[_conflict(v) for v in before.violations if _key(v) not in now],
        students=neighbours.students,
        student_conflicts=cost.get("student", 0) // weight if weight else conflicts,
    )


def place_of(placed: Placed) -> Place:
    return Place(time=placed.time.id, room=None if placed.room is None else placed.room.id)


def read_move(board: Board, move: Move) -> Placed:
    """The class where it is to go. Raises `InvalidMoveError`."""
    reading = board.reading
    section, old = reading.sections.get(move.class_id), board.placed.get(move.class_id)
    findings = []
    if section is None:
        findings.append(Finding("unknown_class", "/class", f"The problem has no class {move.class_id!r}."))
    time = reading.times.get(move.time) if move.time is not None else (old.time if old else None)
    if time is None:
        missing = (
            f"The problem has no time {move.time!r}." if move.time else f"Class {move.class_id!r} has no time yet."
        )
        findings.append(Finding("unknown_time" if move.time else "time_missing", "/time", f"{missing} Name a time."))
    room = reading.rooms.get(move.room) if move.room is not None else (old.room if old else None)
    if move.room is not None and room is None:
        findings.append(Finding("unknown_room", "/room", f"The problem has no room {move.room!r}. Name a room."))
    if findings or section is None or time is None:
        raise InvalidMoveError(findings)
    return put(board, move.class_id, time, room)


def put(board: Board, name: str, time: Time, room: Room | None) -> Placed:
    """A class of the problem at a time and in a room of the problem."""
    when = Stretch.of(time)
    return Placed(board.reading.sections[name], time, room, when.weeks, when.days, when.start, when.end)


def count(board: Board, name: str, placed: Placed | None) -> Verdict:
    """All violations and costs that the class has a part in where it is `placed` (None: nowhere).

    Sets of classes (such as MaxDays) are counted whole, so only differences of two counts mean anything.
    """
    tally = Tally()
    _own_place(board, tally, name, placed)
    if placed is not None:
        _room(board, tally, placed)
        _ties(board, tally, placed)
    for distribution in board.neighbours(name).distributions:
        _distribution(board, tally, distribution, name, placed)
    return tally.verdict()


def count_distributions(
    board: Board, distributions: Sequence[Distribution], name: str, placed: Placed
) -> tuple[int, int]:
    """(violations, cost) of some distributions with the class where it is placed."""
    tally = Tally()
    for distribution in distributions:
        _distribution(board, tally, distribution, name, placed)
    return tally.verdict().score.rank


def _own_place(board: Board, tally: Tally, name: str, placed: Placed | None) -> None:
    if placed is None:
        tally.violate("unplaced", partial(Violation, "unplaced", (name,), f"Class {name!r} has no time."))
        return
    cls, weights = placed.section.cls, board.problem.weights
    if placed.room is None and needs_room(cls):
        tally.violate("unplaced", partial(without_room, board.reading, placed))
    tally.charge("time", weights.time * (board.domains.listed_times(cls).get(placed.time.id) or 0))
    if placed.room is not None:
        tally.charge("room", weights.room * (board.domains.room_penalty(cls, placed.room) or 0))
    for wrong in (board.domains.wrong_time(placed), board.domains.wrong_room(placed)):
        if wrong is not None:
            tally.violate("domain", partial(board.domains.violation, placed, wrong))


def _room(board: Board, tally: Tally, placed: Placed) -> None:
    room = placed.room
    if room is None:
        return
    if is_during(placed, board.closed.get(room.id, ())):
        tally.violate("room_unavailable", partial(in_a_closed_room, board.reading, placed, room))
    for other in board.in_room.get(room.id, ()):
        if other.id != placed.id and placed.overlaps(other):
            tally.violate("room_conflict", partial(two_in_a_room, board.reading, placed, other))


def _ties(board: Board, tally: Tally, placed: Placed) -> None:
    weight = board.problem.weights.student
    for tie in board.neighbours(placed.id).ties:
        if not board.reading.unattendable(placed, tie.other):
            continue
        if tie.whose is not None:
            tally.violate(
                "class_conflict", partial(unattendable_violation, board.reading, placed, tie.other, tie.whose)
            )
        tally.charge("curriculum", tie.curricula)
        tally.charge("student", weight * tie.students)


def _student_conflicts(board: Board, placed: Placed) -> int:
    ties = board.neighbours(placed.id).ties
    return sum(tie.students for tie in ties if tie.students and board.reading.unattendable(placed, tie.other))


def _distribution(board: Board, tally: Tally, distribution: Distribution, name: str, placed: Placed | None) -> None:
    members = [
        member
        for other in distribution.classes
        if (member := placed if other == name else board.placed.get(other)) is not None
    ]
    kind, required = distribution.type.value, distribution.required
    weight = board.problem.weights.distribution * (distribution.penalty or 0)
    if distribution.type in PAIR_RULES:
        if placed is None:
            return
        for a, b in _pairs_with(name, members):
            if PAIR_RULES[distribution.type](board.reading, a, b, distribution.parameters):
                if required:
                    tally.violate(kind, partial(pair_violation, board.reading, distribution, a, b))
                else:
                    tally.charge(kind, weight)
        return
    excess = SET_RULES[distribution.type](board.reading, members, distribution.parameters)
    if required:
        if excess:
            tally.violate(kind, partial(set_violation, distribution, excess), excess)
        return
    cost = (distribution.penalty or 0) * excess
    if distribution.type in AVERAGED_OVER_WEEKS:
        cost //= board.problem.calendar.weeks
    tally.charge(kind, board.problem.weights.distribution * cost)


def _pairs_with(name: str, members: Sequence[Placed]) -> list[tuple[Placed, Placed]]:
    """The pairs of a list that the class is in, in the list's order."""
    at = next(n for n, member in enumerate(members) if member.id == name)
    return [(other, members[at]) if n < at else (members[at], other) for n, other in enumerate(members) if n != at]


def _difference(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    changed = {part: after.get(part, 0) - before.get(part, 0) for part in sorted({*before, *after})}
    return {part: amount for part, amount in changed.items() if amount}


def _key(violation: Violation) -> tuple[str, frozenset[str], str]:
    # A room conflict with somebody else, or a longer list of the same rule, is another violation.
    return (violation.rule, frozenset(violation.who), violation.message)


def _conflict(violation: Violation) -> Conflict:
    return Conflict(
        rule=violation.rule,
        who=list(violation.who),
        message=violation.message,
        where=violation.where,
        when=violation.when,
    )
