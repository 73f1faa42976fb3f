"""Rules about who attends what: class limits, complete sectioning.

Each function counts one rule into the tally. Must not know when classes are, distributions, domains or rooms.
"""

from __future__ import annotations

from collections import Counter
from functools import partial

from schemas.referee.reading import Reading
from schemas.referee.verdict import Tally, Violation


def class_limit(reading: Reading, tally: Tally) -> None:
    """No class has more students than its limit; each student too many counts."""
    attending = Counter(cls for classes in reading.attended.values() for cls in classes)
    for name, students in attending.items():
        limit = reading.sections[name].cls.limit
        if students > limit:
            message = f"Class {name!r} has {students} students, {students - limit} more than its limit of {limit}."
            tally.violate("class_limit", partial(Violation, "class_limit", (name,), message), students - limit)


def unsectioned_requests(reading: Reading, tally: Tally) -> None:
    """A student attends, of each requested course, one class of every subpart of one configuration, with its parents.

    Each (student, course) that is not so counts. Classes of courses that nobody asked for are malformed.
    """
    sections = reading.sections
    for student in reading.problem.students:
        by_course: dict[str, list[str]] = {}
        for name in reading.attended[student.id]:
            by_course.setdefault(sections[name].course, []).append(name)
        for course in student.courses:
            wrong = _incomplete(reading, by_course.pop(course, []))
            if wrong:
                message = f"Student {student.id!r} is not sectioned into course {course!r}: {wrong}."
                tally.violate("unsectioned", partial(Violation, "unsectioned", (course, student.id), message))
        for course, classes in by_course.items():
            message = f"Student {student.id!r} attends {', '.join(classes)} without a request for course {course!r}."
            tally.violate("malformed", partial(Violation, "malformed", (*classes, student.id), message))


def _incomplete(reading: Reading, classes: list[str]) -> str:
    """What is wrong with the classes that a student attends of one course; empty if nothing."""
    if not classes:
        return "no class is attended"
    sections = [reading.sections[name] for name in classes]
    config = sections[0].config
    if any(s.config != config for s in sections):
        return f"{', '.join(classes)} are of different configurations"
    attended = {s.subpart for s in sections}
    if len(attended) < len(sections):
        return f"two of {', '.join(classes)} are of the same subpart"
    missing = len(reading.subparts_of_config[config]) - len(attended)
    if missing:
        return f"{missing} of its subparts has no class" if missing == 1 else f"{missing} subparts have no class"
    for section in sections:
        if section.cls.parent is not None and section.cls.parent not in classes:
            return f"{section.cls.id} requires its parent {section.cls.parent}"
    return ""
