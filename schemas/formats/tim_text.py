"""The text of `.tim` files: a stream of whole numbers; every one that is wrong is named.

Where the stream ends tells the two competitions' files apart.

Owns the syntax and the bounds on what a hostile file may announce. Must not know the native problem: what the numbers
mean there is `schemas.formats.tim`.

Source: B. Paechter, L. M. Gambardella, O. Rossi-Doria, the International Timetabling Competition of 2002 (up to the
features that events need); R. Lewis, B. Paechter, B. McCollum, "Post Enrolment based Course Timetabling: A Description
of the Problem Model used for Track Two of the Second International Timetabling Competition", 2007 (the rest).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from schemas.problem.findings import MAX_FINDINGS, Finding, InvalidProblemError
from schemas.problem.model import MAX_CLASSES, MAX_ROOMS, MAX_STUDENTS

DAYS = 5
SLOTS_PER_DAY = 9
SLOTS = DAYS * SLOTS_PER_DAY

# The largest competition file holds 0.6 million numbers.
MAX_NUMBERS = 8_000_000
_MAX_FEATURES = 100  # of a room, in the native problem
_MAX_ATTENDED = 200  # likewise the courses of a student
_MAX_ROOM_SIZE = 1_000_000

_HEADER = (
    ("events", 1, MAX_CLASSES),
    ("rooms", 1, MAX_ROOMS),
    ("features", 0, _MAX_FEATURES),
    ("students", 0, MAX_STUDENTS),
)


@dataclass(slots=True)
class TimSheet:
    """What the file says, events, rooms, features and students by number from 0.

    `allowed` are the slots of each event (all of them in an ITC-2002 file), `before` the pairs of events of which the
    first must come before the second. The `*_lines` say where an event's features and slots stand.
    """

    events: int = 0
    room_sizes: list[int] = field(default_factory=list)
    attends: list[list[int]] = field(default_factory=list)
    room_features: list[list[int]] = field(default_factory=list)
    event_features: list[list[int]] = field(default_factory=list)
    allowed: list[list[int]] = field(default_factory=list)
    before: list[tuple[int, int]] = field(default_factory=list)
    feature_lines: list[int] = field(default_factory=list)
    slot_lines: list[int] = field(default_factory=list)


def read_tim_sheet(text: str) -> TimSheet:
    """What the text says. Raises `InvalidProblemError` with `line N` pointers, all findings at once."""
    return _Reader(text).sheet()


class _TruncatedError(Exception):
    """The text ends where a number should be."""


class _Reader:
    """Reads number by number; a wrong one is a finding and counts as the smallest that may stand there."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = re.finditer(r"\S+", text)
        self._ahead: re.Match[str] | None = None
        self._here = 0  # where the last number stands
        self._line, self._counted = 1, 0  # lines are counted on from the last place that one was asked for
        self._read = 0
        self._findings: list[Finding] = []
        self._total = 0
        self._sheet = TimSheet()
        self._needed = ""

    def sheet(self) -> TimSheet:
        try:
            self._whole()
        except _TruncatedError:
            last = self._text.rstrip().count("\n") + 1
            message = f"The file ends after {self._read:,} numbers{self._needed}. Send it again, whole."
            self._report(Finding("truncated", f"line {last}", message))
        if self._findings:
            raise InvalidProblemError(self._findings, total=self._total)
        return self._sheet

    def _whole(self) -> None:
        sheet = self._sheet
        events, rooms, features, students = (self._header(*given) for given in _HEADER)
        if self._findings:
            raise InvalidProblemError(self._findings, total=self._total)
        short = 4 + rooms + students * events + rooms * features + events * features
        long = short + events * SLOTS + events * events
        if long > MAX_NUMBERS:
            message = f"The file announces {long:,} numbers; at most {MAX_NUMBERS:,} are accepted. Split the problem."
            raise InvalidProblemError([Finding("too_large", "line 1", message)])
        self._needed = f", and needs {short:,} (ITC-2002) or {long:,} (ITC-2007)"
        sheet.events = events
        sheet.room_sizes = [self._number("the size of room {}", 0, _MAX_ROOM_SIZE, r) for r in range(rooms)]
        for s in range(students):
            attended, line = self._marks(events, "whether student {} attends event {}", s)
            if len(attended) > _MAX_ATTENDED:
                message = f"Student {s} attends {len(attended)} events; at most {_MAX_ATTENDED} are accepted."
                self._report(Finding("too_large", f"line {line}", message))
            sheet.attends.append(attended)
        for r in range(rooms):
            sheet.room_features.append(self._marks(features, "whether room {} has feature {}", r)[0])
        for e in range(events):
            needed, line = self._marks(features, "whether event {} needs feature {}", e)
            sheet.event_features.append(needed)
            sheet.feature_lines.append(line)
        if self._at_end():
            sheet.allowed = [list(range(SLOTS)) for _ in range(events)]
            return
        self._availability(events)
        self._precedence(events)
        if not self._at_end():
            message = f"There is more after the {long:,} numbers of an ITC-2007 file. Remove it."
            self._report(Finding("text_after_end", f"line {self._line_of_next()}", message))

    def _availability(self, events: int) -> None:
        for e in range(events):
            slots, line = self._marks(SLOTS, "whether event {} may take slot {}", e)
            self._sheet.allowed.append(slots)
            self._sheet.slot_lines.append(line)

    def _precedence(self, events: int) -> None:
        """1: the row's event comes before the column's, -1: after it. Either of the two entries of a pair will do."""
        before: set[tuple[int, int]] = set()
        for e in range(events):
            for f in range(events):
                order = self._number("the order of events {} and {}", -1, 1, e, f)
                if order == 0:
                    continue
                first, second = (e, f) if order == 1 else (f, e)
                if e == f:
                    message = f"Event {e} cannot come before itself. Make it 0."
                    self._report(Finding("tim_precedence", f"line {self._line_here()}", message))
                elif (second, first) in before:
                    message = f"Events {e} and {f} are each to come before the other. Make one of the two -1."
                    self._report(Finding("tim_precedence", f"line {self._line_here()}", message))
                else:
                    before.add((first, second))
        self._sheet.before = sorted(before)

    # -- numbers ------------------------------------------------------------------------------------------------------

    def _header(self, what: str, low: int, high: int) -> int:
        return self._number(f"the number of {what}", low, high)

    def _marks(self, count: int, what: str, whose: int) -> tuple[list[int], int]:
        """The positions of the ones among `count` numbers of 0 and 1, and the line of the first number."""
        marked = []
        line = 0
        for n in range(count):
            if self._number(what, 0, 1, whose, n):
                marked.append(n)
            if n == 0:
                line = self._line_here()
        return marked, line

    def _number(self, what: str, low: int, high: int, *which: int) -> int:
        """The next number; `what` with `which` in it says what it is."""
        token = self._next()
        text = token.group()
        if text == "0" and low <= 0:
            return 0
        # isdecimal alone would accept other scripts' digits; the length keeps int() cheap on a hostile file.
        digits = text.removeprefix("-")
        if digits.isascii() and digits.isdecimal() and len(digits) <= 9 and low <= int(text) <= high:
            return int(text)
        allowed = " or ".join(map(str, range(low, high + 1))) if high - low < 3 else f"from {low} to {high:,}"
        message = f"{_sentence(what.format(*which))} must be {allowed}, not {text[:40]!r}."
        self._report(Finding("tim_number", f"line {self._line_here()}", message))
        return low

    def _next(self) -> re.Match[str]:
        token = self._ahead or next(self._tokens, None)
        self._ahead = None
        if token is None:
            raise _TruncatedError
        self._here = token.start()
        self._read += 1
        return token

    def _at_end(self) -> bool:
        if self._ahead is None:
            self._ahead = next(self._tokens, None)
        return self._ahead is None

    def _line_here(self) -> int:
        """The line of the last number read."""
        self._line += self._text.count("\n", self._counted, self._here)
        self._counted = self._here
        return self._line

    def _line_of_next(self) -> int:
        if self._ahead is not None:
            self._here = self._ahead.start()
        return self._line_here()

    def _report(self, finding: Finding) -> None:
        self._total += 1
        if len(self._findings) < MAX_FINDINGS:
            self._findings.append(finding)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
