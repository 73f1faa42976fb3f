"""What would help where hard violations are left: small changes of the problem, each counted again by the referee.

Owns which changes are tried for which violation, and in what order they are offered. Must not know how timetables are
searched: it only asks what the present one would be worth if the problem were a little different, so what it says holds
for that timetable, whatever a new search would find.

Changes are offered one on top of the other, the one that mends most first; of equals the smaller intrusion.
"""

from __future__ import annotations

import time as clock
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

from schemas.problem.model import Class, Course, Distribution, Problem, Room, RoomOption, Time, TimeOption
from schemas.problem.wording import first_of, in_words
from schemas.referee import judge
from schemas.referee.distributions import violation_count
from schemas.referee.places import is_during, needs_room
from schemas.referee.reading import Placed, Stretch
from schemas.referee.verdict import Verdict
from schemas.timetable import Enrolment, Placement, Timetable
from schemas.whatif.board import Board
from schemas.whatif.evaluate import count, put

MAX_STEPS = 5
# Of one step: concerned classes looked at, other places of each, and changes counted again by the referee.
MAX_CLASSES = 25
MAX_PLACES = 400
MAX_RECOUNTS = 4
_NAMED = 4


@dataclass(frozen=True, slots=True)
class _Change:
    """A change of the problem, and of the timetable that makes use of it. `mends`: violations fewer, as expected."""

    mends: int
    intrusion: int  # kinds of changes in the order in which a planner would rather agree to them
    words: str
    apply: Callable[[Problem, Timetable], tuple[Problem, Timetable]]


def relaxations(
    problem: Problem,
    timetable: Timetable,
    *,
    seconds: float,
    should_stop: Callable[[], bool],
) -> list[str]:
    """At most MAX_STEPS sentences, each with the violations that are left if it and those before it are granted."""
    deadline = clock.monotonic() + seconds
    sentences: list[str] = []
    verdict = judge(problem, timetable)
    while verdict.score.hard_violations and len(sentences) < MAX_STEPS:
        step = _best_change(problem, timetable, verdict, deadline, should_stop)
        if step is None:
            break
        change, problem, timetable, after = step
        left = after.score.hard_violations
        rest = "no hard violation" if left == 0 else f"{left} of {verdict.score.hard_violations} hard violations"
        start = "In addition, if" if sentences else "If"
        sentences.append(f"{start} {change.words}, {rest} {'are' if left > 1 else 'is'} left.")
        verdict = after
    return sentences


def _best_change(
    problem: Problem,
    timetable: Timetable,
    before: Verdict,
    deadline: float,
    should_stop: Callable[[], bool],
) -> tuple[_Change, Problem, Timetable, Verdict] | None:
    """The change that mends most by the referee's count; None if none of those tried does, or time is up."""

    def over() -> bool:
        return should_stop() or clock.monotonic() >= deadline

    board = Board(problem, timetable)
    found: list[_Change] = []
    for change in _changes(board, timetable, before):
        if change is not None and change.mends > 0:
            found.append(change)
        if over():
            break
    found.sort(key=lambda change: (-change.mends, change.intrusion))
    for change in found[:MAX_RECOUNTS]:
        if over():
            return None
        other_problem, other_timetable = change.apply(problem, timetable)
        after = judge(other_problem, other_timetable)
        if after.score.hard_violations < before.score.hard_violations:
            return change, other_problem, other_timetable, after
    return None


def _changes(board: Board, timetable: Timetable, verdict: Verdict) -> Iterator[_Change | None]:
    """None now and then, so that the caller can look at the clock."""
    concerned = Counter(name for violation in verdict.violations for name in violation.who)
    classes = [name for name, _ in concerned.most_common() if name in board.reading.sections][:MAX_CLASSES]
    yield from _constraints(board, set(classes))
    yield from _seats(board, timetable)
    for name in classes:
        yield from _crowd(board, name)
        yield from _availability(board, name)
        yield from _pins(board, name)
        yield from _instructors(board, name, verdict)
        yield from _places(board, name)
    yield from _curricula(board, verdict)


# -- other places -----------------------------------------------------------------------------------------------------


def _places(board: Board, name: str) -> Iterator[_Change]:
    """The class at a time, in a room, or both, that it does not list."""
    cls, old = board.reading.sections[name].cls, board.placed.get(name)
    now = count(board, name, old).score.hard_violations
    best: tuple[int, int] | None = None
    chosen: Placed | None = None
    for placed in islice(_elsewhere(board, cls, old), MAX_PLACES):
        new_time = placed.time.id not in board.domains.listed_times(cls)
        new_room = placed.room is not None and board.domains.room_penalty(cls, placed.room) is None
        if not (new_time or new_room):
            continue
        mends = now - count(board, name, placed).score.hard_violations + new_time + new_room
        rank = (-mends, new_time + new_room)
        if mends > 0 and (best is None or rank < best):
            best, chosen = rank, placed
    if best is None or chosen is None:
        return
    where = "" if chosen.room is None else f" in room {chosen.room.id!r}"
    words = f"class {name!r} may be at {in_words(board.problem.calendar, chosen.time)}{where}"
    yield _Change(-best[0], best[1], words, partial(_allow, board, chosen))


def _elsewhere(board: Board, cls: Class, old: Placed | None) -> Iterator[Placed]:
    """Another room at the time it has, then another time in the room it has; if it is nowhere yet, at a few of its own.

    Only times that take as long, as often, in as many weeks: others would be another class.
    """
    reading = board.reading
    listed = [reading.times[name] for name in board.domains.listed_times(cls)]
    own_times = listed[:_NAMED] if old is None else [old.time]
    own_rooms: Sequence[Room | None] = [None if old is None else old.room]
    if old is None and needs_room(cls):
        own_rooms = [r for r in reading.rooms.values() if board.domains.room_penalty(cls, r) is not None][:_NAMED]
    if cls.rooms is not None:
        by_size = sorted(reading.rooms.values(), key=lambda room: room.capacity)
        large = [room for room in by_size if room.capacity >= cls.limit and room not in own_rooms]
        for room in large[: MAX_PLACES // 2 // len(own_times)]:
            for time in own_times:
                yield put(board, cls.id, time, room)
    asked = {_shape(time) for time in own_times}
    for time in reading.times.values():
        if _shape(time) in asked and (old is None or time.id != old.time.id):
            for own in own_rooms:
                yield put(board, cls.id, time, own)


def _shape(time: Time) -> tuple[int, int, int]:
    return time.length, time.days.count("1"), time.weeks.count("1")


def _allow(board: Board, placed: Placed, problem: Problem, timetable: Timetable) -> tuple[Problem, Timetable]:
    cls = placed.section.cls
    times = [TimeOption(time=time, penalty=penalty) for time, penalty in board.domains.listed_times(cls).items()]
    if placed.time.id not in board.domains.listed_times(cls):
        times.append(TimeOption(time=placed.time.id))
    rooms = cls.rooms
    if placed.room is not None and rooms is not None and all(option.room != placed.room.id for option in rooms):
        rooms = [*rooms, RoomOption(room=placed.room.id)]
    allowed = cls.model_copy(update={"times": times, "time_domain": None, "rooms": rooms})
    room = None if placed.room is None else placed.room.id
    placement = Placement(class_id=cls.id, time=placed.time.id, room=room)
    placements = [placement, *(p for p in timetable.placements if p.class_id != cls.id)]
    unplaced = [u for u in timetable.unplaced if u.class_id != cls.id]
    return _with_class(problem, allowed), timetable.model_copy(update={"placements": placements, "unplaced": unplaced})


# -- rules that give way ----------------------------------------------------------------------------------------------


def _constraints(board: Board, classes: set[str]) -> Iterator[_Change | None]:
    """A required distribution constraint that is not kept, asked for no more."""
    for number, distribution in enumerate(board.problem.distributions):
        if not distribution.required or classes.isdisjoint(distribution.classes):
            continue
        broken = violation_count(board.reading, distribution)
        yield None
        if broken:
            listed = first_of(distribution.classes, _NAMED)
            words = f"constraint {number + 1}, {distribution.type} of {listed}, need not be kept"
            yield _Change(broken, 6, words, partial(_without_constraint, distribution))


def _without_constraint(dropped: Distribution, problem: Problem, timetable: Timetable) -> tuple[Problem, Timetable]:
    kept = [d for d in problem.distributions if d is not dropped]
    return problem.model_copy(update={"distributions": kept}), timetable


def _curricula(board: Board, verdict: Verdict) -> Iterator[_Change]:
    for curriculum in board.problem.curricula:
        clashes = _clashes(verdict, f"curriculum {curriculum.id!r}")
        if curriculum.penalty is None and clashes:
            words = f"classes of curriculum {curriculum.id!r} may clash"
            yield _Change(clashes, 7, words, partial(_soften, curriculum.id))


def _soften(curriculum: str, problem: Problem, timetable: Timetable) -> tuple[Problem, Timetable]:
    curricula = [c.model_copy(update={"penalty": 0}) if c.id == curriculum else c for c in problem.curricula]
    return problem.model_copy(update={"curricula": curricula}), timetable


def _instructors(board: Board, name: str, verdict: Verdict) -> Iterator[_Change]:
    """Somebody else teaches the class."""
    cls, placed = board.reading.sections[name].cls, board.placed.get(name)
    for instructor in dict.fromkeys(cls.instructors):
        mends = _clashes(verdict, f"instructor {instructor!r}", name)
        mends += placed is not None and board.domains.is_away(instructor, placed)
        if mends:
            words = f"class {name!r} is taught by somebody else than {instructor!r}"
            yield _Change(mends, 4, words, partial(_freed, cls, instructor))


def _freed(cls: Class, instructor: str, problem: Problem, timetable: Timetable) -> tuple[Problem, Timetable]:
    others = [other for other in cls.instructors if other != instructor]
    return _with_class(problem, cls.model_copy(update={"instructors": others})), timetable


def _clashes(verdict: Verdict, whose: str, name: str | None = None) -> int:
    """Listed clashes of an instructor's or curriculum's classes, of one of them if it is named."""
    return sum(violation.whose == whose for violation in verdict.violations if name is None or name in violation.who)


def _pins(board: Board, name: str) -> Iterator[_Change]:
    placed = board.placed.get(name)
    if placed is not None and board.domains.is_off_its_pin(placed):
        yield _Change(1, 5, f"class {name!r} is not pinned", partial(_unpinned, name))


def _unpinned(name: str, problem: Problem, timetable: Timetable) -> tuple[Problem, Timetable]:
    return problem.model_copy(update={"pins": [pin for pin in problem.pins if pin.class_id != name]}), timetable


def _availability(board: Board, name: str) -> Iterator[_Change]:
    """The class's room is open when it is there."""
    placed = board.placed.get(name)
    if placed is None or placed.room is None:
        return
    room = placed.room
    if is_during(placed, board.closed.get(room.id, ())):
        words = f"room {room.id!r} is open at {in_words(board.problem.calendar, placed.time)}"
        yield _Change(1, 3, words, partial(_opened, room, placed))


def _opened(room: Room, placed: Placed, problem: Problem, timetable: Timetable) -> tuple[Problem, Timetable]:
    kept = [block for block in room.unavailable if not is_during(placed, [Stretch.of(block)])]
    opened = room.model_copy(update={"unavailable": kept})
    return problem.model_copy(update={"rooms": [opened if r.id == room.id else r for r in problem.rooms]}), timetable


# -- seats ------------------------------------------------------------------------------------------------------------


def _seats(board: Board, timetable: Timetable) -> Iterator[_Change]:
    """Seats for the students whose requests could not be met."""
    waiting: dict[str, list[str]] = {}
    for request in timetable.unsectioned:
        waiting.setdefault(request.course, []).append(request.student)
    for course in board.problem.courses:
        students = waiting.get(course.id)
        classes = _one_way(course) if students else []
        if students and classes:
            seats = "seat" if len(students) == 1 else "seats"
            words = (
                f"{first_of([c.id for c in classes], _NAMED)} of course {course.id!r} had {len(students)} {seats} more"
            )
            yield _Change(len(students), 2, words, partial(_with_seats, course.id, classes, students))


def _crowd(board: Board, name: str) -> Iterator[_Change]:
    """Seats for all who attend the class already."""
    cls = board.reading.sections[name].cls
    beyond = board.neighbours(name).students - cls.limit
    if beyond > 0:
        words = f"class {name!r} had {beyond} {'seat' if beyond == 1 else 'seats'} more"
        yield _Change(beyond, 2, words, partial(_enlarged, cls, beyond))


def _enlarged(cls: Class, seats: int, problem: Problem, timetable: Timetable) -> tuple[Problem, Timetable]:
    return _with_class(problem, cls.model_copy(update={"limit": cls.limit + seats})), timetable


def _with_seats(
    course: str, classes: Sequence[Class], students: Sequence[str], problem: Problem, timetable: Timetable
) -> tuple[Problem, Timetable]:
    for cls in classes:
        problem, timetable = _enlarged(cls, len(students), problem, timetable)
    return problem, _seated(timetable, students, course, [cls.id for cls in classes])


def _one_way(course: Course) -> list[Class]:
    """The classes of one way to attend the course, parents respected: that of the largest classes; empty if none."""
    for config in sorted(course.configs, key=lambda config: len(config.subparts)):
        chosen: dict[str, Class] = {}
        by_size = [sorted(subpart.classes, key=lambda cls: -cls.limit) for subpart in config.subparts]
        # A class with a parent decides which one is attended, so such subparts choose first.
        for classes in sorted(by_size, key=lambda classes: all(cls.parent is None for cls in classes)):
            asked = {cls.parent for cls in chosen.values()}
            fitting = [cls for cls in classes if cls.id in asked] or classes
            chosen[fitting[0].id] = fitting[0]
        if all(cls.parent is None or cls.parent in chosen for cls in chosen.values()):
            return [cls for subpart in config.subparts for cls in subpart.classes if cls.id in chosen]
    return []


def _seated(timetable: Timetable, students: Sequence[str], course: str, classes: list[str]) -> Timetable:
    new = set(students)
    enrolments = [
        e.model_copy(update={"classes": [*e.classes, *classes]}) if e.student in new else e
        for e in timetable.enrolments
    ]
    known = {e.student for e in timetable.enrolments}
    enrolments += [Enrolment(student=student, classes=classes) for student in students if student not in known]
    waiting = [u for u in timetable.unsectioned if u.course != course]
    return timetable.model_copy(update={"enrolments": enrolments, "unsectioned": waiting})


def _with_class(problem: Problem, changed: Class) -> Problem:
    """The problem with one class replaced by another of the same id; everything else is shared with it."""
    courses: list[Course] = []
    for course in problem.courses:
        if not any(cls.id == changed.id for k in course.configs for s in k.subparts for cls in s.classes):
            courses.append(course)
            continue
        configs = [
            config.model_copy(
                update={
                    "subparts": [
                        subpart.model_copy(
                            update={"classes": [changed if c.id == changed.id else c for c in subpart.classes]}
                        )
                        for subpart in config.subparts
                    ]
                }
            )
            for config in course.configs
        ]
        courses.append(course.model_copy(update={"configs": configs}))
    return problem.model_copy(update={"courses": courses})
