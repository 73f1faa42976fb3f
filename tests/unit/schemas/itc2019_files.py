"""ITC-2019 files for tests: a small one to break, random ones of every kind, and a count straight from the two texts.

The count shares nothing with the reader or the referee: it lists every single meeting of every class and asks the
competition's questions of those, as slowly as it likes.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from xml.etree import ElementTree

# Ids repeat across kinds on purpose, as in every real instance: there is a course, a class, a room, a student "1".
SMALL = """\
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE problem PUBLIC "-//ITC 2019//DTD Problem Format/EN" "http://www.itc2019.org/competition-format.dtd">
<problem name="small" nrDays="5" slotsPerDay="288" nrWeeks="4">
  <optimization time="2" room="1" distribution="3" student="5"/>
  <rooms>
    <room id="1" capacity="40">
      <travel room="2" value="6"/>
      <unavailable days="10000" start="60" length="12" weeks="1100"/>
    </room>
    <room id="2" capacity="20"/>
  </rooms>
  <courses>
    <course id="1">
      <config id="1">
        <subpart id="1">
          <class id="1" limit="40">
            <room id="1" penalty="0"/>
            <room id="2" penalty="4"/>
            <time days="10100" start="90" length="10" weeks="1111" penalty="3"/>
            <time days="01010" start="102" length="15" weeks="1111" penalty="0"/>
          </class>
        </subpart>
        <subpart id="2">
          <class id="2" parent="1" limit="20">
            <room id="2" penalty="0"/>
            <time days="00001" start="90" length="20" weeks="1010" penalty="0"/>
          </class>
          <class id="3" parent="1" limit="20" room="false">
            <time days="00001" start="90" length="20" weeks="0101" penalty="1"/>
            <time days="10100" start="90" length="10" weeks="1111" penalty="0"/>
          </class>
        </subpart>
      </config>
      <config id="2">
        <subpart id="3">
          <class id="4">
            <room id="1"/>
            <time days="01000" start="100" length="10" weeks="1111"/>
          </class>
        </subpart>
      </config>
    </course>
    <course id="2">
      <config id="3">
        <subpart id="4">
          <class id="5" limit="2147483647">
            <room id="1" penalty="0"/>
            <time days="10100" start="90" length="10" weeks="1111" penalty="0"/>
          </class>
        </subpart>
      </config>
    </course>
  </courses>
  <distributions>
    <distribution type="SameAttendees" required="true">
      <class id="1"/>
      <class id="5"/>
    </distribution>
    <distribution type="MaxBreaks(1, 6)" penalty="2">
      <class id="1"/>
      <class id="2"/>
      <class id="4"/>
    </distribution>
  </distributions>
  <students>
    <student id="1">
      <course id="1"/>
      <course id="2"/>
    </student>
    <student id="2">
      <course id="1"/>
    </student>
  </students>
</problem>
"""

SMALL_SOLUTION = """\
<solution name="small" runtime="12.5" cores="2" technique="by hand" author="A" institution="B" country="C">
  <class id="1" days="01010" start="102" weeks="1111" room="2">
    <student id="1"/>
    <student id="2"/>
  </class>
  <class id="2" days="00001" start="90" weeks="1010" room="2">
    <student id="1"/>
  </class>
  <class id="3" days="10100" start="90" weeks="1111">
    <student id="2"/>
  </class>
  <class id="4" days="01000" start="100" weeks="1111" room="1"/>
  <class id="5" days="10100" start="90" weeks="1111" room="1">
    <student id="1"/>
  </class>
</solution>
"""

PAIR_TYPES = (
    *("SameStart", "SameTime", "DifferentTime", "SameDays", "DifferentDays", "SameWeeks", "DifferentWeeks"),
    *("Overlap", "NotOverlap", "SameRoom", "DifferentRoom", "SameAttendees", "Precedence", "WorkDay", "MinGap"),
)
SET_TYPES = ("MaxDays", "MaxDayLoad", "MaxBreaks", "MaxBlock")
DAYS, WEEKS, SLOTS = 5, 3, 24


def a_random_problem(seed: int) -> str:
    """Six courses with parents and configurations, walks, closed rooms, students, two rules of each of the 19 types."""
    dice = random.Random(seed)  # noqa: S311  # reproducible test data
    travel = "".join(f'<travel room="{b}" value="{dice.randint(0, 4)}"/>' for b in (2, 3))
    days, weeks = _bits(dice, DAYS), _bits(dice, WEEKS)
    closed = f'<unavailable days="{days}" start="{dice.randrange(20)}" length="3" weeks="{weeks}"/>'
    classes: list[int] = []
    courses = "".join(_course(dice, number, classes) for number in range(1, 7))
    rules = "".join(_rule(dice, kind, classes) for kind in (*PAIR_TYPES, *SET_TYPES) for _ in range(2))
    students = "".join(
        f'<student id="{s}">' + "".join(f'<course id="{c}"/>' for c in dice.sample(range(1, 7), 3)) + "</student>"
        for s in range(1, 13)
    )
    weights = " ".join(f'{part}="{dice.randint(0, 4)}"' for part in ("time", "room", "distribution", "student"))
    return (
        f'<problem name="random" nrDays="{DAYS}" slotsPerDay="{SLOTS}" nrWeeks="{WEEKS}"><optimization {weights}/>'
        f'<rooms><room id="1" capacity="1">{travel}</room><room id="2" capacity="9"/>'
        f'<room id="3" capacity="5">{closed}</room></rooms><courses>{courses}</courses>'
        f"<distributions>{rules}</distributions><students>{students}</students></problem>"
    )


def _bits(dice: random.Random, width: int) -> str:
    sure = dice.randrange(width)
    return "".join("1" if n == sure or dice.random() < 0.4 else "0" for n in range(width))


def _course(dice: random.Random, number: int, classes: list[int]) -> str:
    configs = ""
    for k in range(dice.choice((1, 1, 2))):
        above: list[int] = []
        subparts = ""
        for s in range(dice.choice((1, 2))):
            mine = [len(classes) + n + 1 for n in range(2)]
            classes += mine
            subparts += f'<subpart id="{number}{k}{s}">{"".join(_class(dice, c, above) for c in mine)}</subpart>'
            above = mine
        configs += f'<config id="{number}{k}">{subparts}</config>'
    return f'<course id="{number}">{configs}</course>'


def _class(dice: random.Random, number: int, above: Sequence[int]) -> str:
    parent = f' parent="{dice.choice(above)}"' if above and dice.random() < 0.5 else ""
    # A solution does not say how long a class is, so no two of its times differ in nothing else.
    times = {(_bits(dice, DAYS), dice.randrange(SLOTS - 5), _bits(dice, WEEKS)): dice.randint(1, 5) for _ in range(4)}
    listed = "".join(
        f'<time days="{days}" start="{start}" length="{length}" weeks="{weeks}" penalty="{dice.randint(0, 3)}"/>'
        for (days, start, weeks), length in times.items()
    )
    if dice.random() < 0.2:
        return f'<class id="{number}" limit="{dice.randint(2, 8)}" room="false"{parent}>{listed}</class>'
    rooms = "".join(f'<room id="{r}" penalty="{dice.randint(0, 3)}"/>' for r in sorted({1, dice.randint(1, 3)}))
    return f'<class id="{number}" limit="{dice.randint(2, 8)}"{parent}>{rooms}{listed}</class>'


def _rule(dice: random.Random, kind: str, classes: Sequence[int]) -> str:
    parameters = {
        "WorkDay": f"({dice.randint(4, 12)})",
        "MinGap": f"({dice.randint(0, 5)})",
        "MaxDays": f"({dice.randint(1, 3)})",
        "MaxDayLoad": f"({dice.randint(2, 8)})",
        "MaxBreaks": f"({dice.randint(0, 1)},{dice.randint(0, 3)})",
        "MaxBlock": f"({dice.randint(3, 8)},{dice.randint(0, 3)})",
    }.get(kind, "")
    how = 'required="true"' if dice.random() < 0.5 else f'penalty="{dice.randint(1, 5)}"'
    members = "".join(f'<class id="{c}"/>' for c in dice.sample(classes, dice.randint(2, 5)))
    return f'<distribution type="{kind}{parameters}" {how}>{members}</distribution>'


def a_random_solution(problem: str, seed: int) -> str:
    """Every class at one of its times and in one of its rooms; every request met, limits and conflicts disregarded."""
    dice = random.Random(seed)  # noqa: S311  # reproducible test data
    root = ElementTree.fromstring(problem)  # noqa: S314  # our own text
    attends: dict[str, list[str]] = {}
    for student in root.iterfind("students/student"):
        for course in student:
            config = dice.choice(root.findall(f"courses/course[@id='{course.get('id')}']/config"))
            for name in _sectioned(dice, config):
                attends.setdefault(name, []).append(student.get("id", ""))
    text = '<solution name="random">'
    for cls in root.iterfind("courses//class"):
        time = dice.choice(cls.findall("time"))
        rooms = cls.findall("room")
        room = f' room="{dice.choice(rooms).get("id")}"' if rooms else ""
        place = " ".join(f'{name}="{time.get(name)}"' for name in ("days", "start", "weeks"))
        students = "".join(f'<student id="{s}"/>' for s in attends.get(cls.get("id", ""), ()))
        text += f'<class id="{cls.get("id")}" {place}{room}>{students}</class>'
    return f"{text}</solution>"


def _sectioned(dice: random.Random, config: ElementTree.Element) -> list[str]:
    """One class of each subpart; the last subpart first, because a class asks for its parent in one before."""
    chosen: list[str] = []
    wanted: set[str | None] = set()
    for subpart in reversed(config.findall("subpart")):
        asked_for = [cls for cls in subpart if cls.get("id") in wanted]
        taken = (asked_for or [dice.choice(list(subpart))])[0]
        wanted.add(taken.get("parent"))
        chosen.append(taken.get("id", ""))
    return chosen


# -- the count --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Meetings:
    """A class as it takes place: its (week, day) pairs, its slots on each of them, and its room."""

    on: frozenset[tuple[int, int]]
    days: frozenset[int]
    weeks: frozenset[int]
    start: int
    end: int
    room: str | None

    def overlap(self, other: Meetings) -> bool:
        mine = {(when, slot) for when in self.on for slot in range(self.start, self.end)}
        return bool(mine & {(when, slot) for when in other.on for slot in range(other.start, other.end)})


class TextCount:
    """Hard violations and weighted cost by part, from a problem and a complete solution as texts."""

    def __init__(self, problem: str, solution: str) -> None:
        self._problem = ElementTree.fromstring(problem)  # noqa: S314  # our own text
        self._solution = ElementTree.fromstring(solution)  # noqa: S314  # as above
        self._weight = {k: int(v) for k, v in self._problem.find("optimization").attrib.items()}  # type: ignore[union-attr]  # it is there
        self._walk: dict[frozenset[str], int] = {}
        for room in self._problem.iterfind("rooms/room"):
            for travel in room.iterfind("travel"):
                self._walk[frozenset((room.get("id", ""), travel.get("room", "")))] = int(travel.get("value", ""))
        self.hard: Counter[str] = Counter()
        self.cost: Counter[str] = Counter()
        self._placed = {cls.get("id", ""): self._place(cls) for cls in self._solution.iterfind("class")}
        self._rooms()
        self._distributions()
        self._students()
        self.hard = Counter({k: n for k, n in self.hard.items() if n})
        self.cost = Counter({k: n for k, n in self.cost.items() if n})

    def _place(self, cls: ElementTree.Element) -> Meetings:
        listed = self._problem.find(f"courses//class[@id='{cls.get('id')}']")
        assert listed is not None
        named = ("days", "start", "weeks")
        time = next(t for t in listed.iterfind("time") if all(t.get(n) == cls.get(n) for n in named))
        self.cost["time"] += self._weight["time"] * int(time.get("penalty", "0"))
        if cls.get("room"):
            room = next(r for r in listed.iterfind("room") if r.get("id") == cls.get("room"))
            self.cost["room"] += self._weight["room"] * int(room.get("penalty", "0"))
        return self._meetings(time, cls.get("room"))

    def _meetings(self, time: ElementTree.Element, room: str | None) -> Meetings:
        days = frozenset(n for n, bit in enumerate(time.get("days", "")) if bit == "1")
        weeks = frozenset(n for n, bit in enumerate(time.get("weeks", "")) if bit == "1")
        start = int(time.get("start", ""))
        on = frozenset((w, d) for w in weeks for d in days)
        return Meetings(on, days, weeks, start, start + int(time.get("length", "")), room)

    def _rooms(self) -> None:
        for a, b in combinations(self._placed.values(), 2):
            self.hard["room_conflict"] += a.room is not None and a.room == b.room and a.overlap(b)
        for room in self._problem.iterfind("rooms/room"):
            closed = [self._meetings(u, None) for u in room.iterfind("unavailable")]
            for placed in self._placed.values():
                self.hard["room_unavailable"] += placed.room == room.get("id") and any(map(placed.overlap, closed))

    def _attendable(self, a: Meetings, b: Meetings) -> bool:
        walk = self._walk.get(frozenset((a.room, b.room)), 0) if a.room and b.room else 0
        return not (a.on & b.on) or a.end + walk <= b.start or b.end + walk <= a.start

    def _distributions(self) -> None:
        for rule in self._problem.iterfind("distributions/distribution"):
            kind, *rest = re.findall(r"\w+", rule.get("type", ""))
            numbers = [int(x) for x in rest]
            members = [self._placed[c.get("id", "")] for c in rule]
            if kind in SET_TYPES:
                excess = self._excess(kind, numbers, members)
            else:
                excess = sum(not self._holds(kind, numbers, a, b) for a, b in combinations(members, 2))
            if rule.get("required") == "true":
                self.hard[kind] += excess
            else:
                cost = int(rule.get("penalty", "")) * excess
                if kind in ("MaxDayLoad", "MaxBreaks", "MaxBlock"):
                    cost //= WEEKS
                self.cost[kind] += self._weight["distribution"] * cost

    def _holds(self, kind: str, numbers: list[int], a: Meetings, b: Meetings) -> bool:
        met = bool(a.on & b.on)
        inside = (a.start <= b.start and b.end <= a.end) or (b.start <= a.start and a.end <= b.end)
        return {
            "SameStart": lambda: a.start == b.start,
            "SameTime": lambda: inside,
            "DifferentTime": lambda: a.end <= b.start or b.end <= a.start,
            "SameDays": lambda: a.days <= b.days or b.days <= a.days,
            "DifferentDays": lambda: not a.days & b.days,
            "SameWeeks": lambda: a.weeks <= b.weeks or b.weeks <= a.weeks,
            "DifferentWeeks": lambda: not a.weeks & b.weeks,
            "Overlap": lambda: a.overlap(b),
            "NotOverlap": lambda: not a.overlap(b),
            "SameRoom": lambda: a.room == b.room,
            "DifferentRoom": lambda: a.room is None or a.room != b.room,
            "SameAttendees": lambda: self._attendable(a, b),
            "Precedence": lambda: (*min(a.on), a.end) <= (*min(b.on), b.start),
            "WorkDay": lambda: not met or max(a.end, b.end) - min(a.start, b.start) <= numbers[0],
            "MinGap": lambda: not met or a.end + numbers[0] <= b.start or b.end + numbers[0] <= a.start,
        }[kind]()

    def _excess(self, kind: str, numbers: list[int], members: list[Meetings]) -> int:
        if kind == "MaxDays":
            return max(0, len(frozenset().union(*(m.days for m in members))) - numbers[0])
        total = 0
        for on_day in self._each_day(members):
            if kind == "MaxDayLoad":
                total += max(0, sum(m.end - m.start for m in on_day) - numbers[0])
                continue
            blocks = _blocks(on_day, numbers[1])
            if kind == "MaxBreaks":
                total += max(0, len(blocks) - 1 - numbers[0])
            else:
                spans = [max(m.end for m in b) - min(m.start for m in b) for b in blocks if len(b) > 1]
                total += sum(span > numbers[0] for span in spans)
        return total

    def _each_day(self, members: list[Meetings]) -> Iterator[list[Meetings]]:
        for week in range(WEEKS):
            for day in range(DAYS):
                yield [m for m in members if (week, day) in m.on]

    def _students(self) -> None:
        attended: dict[str, list[str]] = {}
        for cls in self._solution.iterfind("class"):
            listed = self._problem.find(f"courses//class[@id='{cls.get('id')}']")
            assert listed is not None
            self.hard["class_limit"] += max(0, len(cls) - int(listed.get("limit", "")))
            for student in cls:
                attended.setdefault(student.get("id", ""), []).append(cls.get("id", ""))
        conflicts = sum(
            not self._attendable(self._placed[a], self._placed[b])
            for classes in attended.values()
            for a, b in combinations(classes, 2)
        )
        self.cost["student"] += self._weight["student"] * conflicts


def _blocks(on_day: list[Meetings], apart: int) -> list[list[Meetings]]:
    """Groups of classes, each at most `apart` slots from some other of its group: merged until nothing changes."""
    blocks = [[m] for m in on_day]
    merged = True
    while merged:
        merged = False
        for a, b in combinations(blocks, 2):
            near = max(min(m.start for m in a), min(m.start for m in b)) <= apart + min(
                max(m.end for m in a), max(m.end for m in b)
            )
            if near:
                blocks.remove(a)
                blocks.remove(b)
                blocks.append(a + b)
                merged = True
                break
    return blocks
