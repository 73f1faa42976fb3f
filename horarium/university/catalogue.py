"""What is taught and who wants it: departments, courses, programmes, and each student's course requests.

Owns the skew of demand: services courses that whole schools take, core courses of a programme's year, electives of very
different popularity. Must not know sections, rooms or times.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from horarium.university.dice import Dice, Weighted

_SUBJECTS = (
    ("BIO", "Biology", True),
    ("MAT", "Mathematics", False),
    ("HIS", "History", False),
    ("CSC", "Computer Science", True),
    ("PSY", "Psychology", False),
    ("CHM", "Chemistry", True),
    ("ECO", "Economics", False),
    ("ENG", "English", False),
    ("PHY", "Physics", True),
    ("SOC", "Sociology", False),
    ("MEC", "Mechanical Engineering", True),
    ("PHI", "Philosophy", False),
    ("ELE", "Electrical Engineering", True),
    ("LAW", "Law", False),
    ("NUR", "Nursing", True),
    ("POL", "Politics", False),
    ("GEO", "Geography", True),
    ("BUS", "Business", False),
    ("ART", "Art History", False),
    ("STA", "Statistics", True),
    ("MUS", "Music", False),
    ("EDU", "Education", False),
    ("CIV", "Civil Engineering", True),
    ("LIN", "Linguistics", False),
)
_YEARS = 4
_PROGRAMMES_PER_SCHOOL = 18
_CORE_PER_YEAR = (2, 3, 3, 2)  # of the programme's department; first and second years add service courses
_SERVICE_PER_YEAR = (2, 1, 0, 0)


@dataclass(slots=True)
class CourseDraft:
    """A course before it has sections. `level` is 1 to 4; `demand` counts the requests."""

    id: str
    name: str
    department: int
    level: int
    practical: bool
    demand: int = 0
    cohorts: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Cohort:
    """The students of one year of one programme, and the courses that all of them take."""

    id: str
    name: str
    core: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """`requests[s]` are the positions of student s's courses."""

    departments: int
    courses: list[CourseDraft]
    cohorts: list[Cohort]
    requests: list[tuple[int, ...]]


def make_catalogue(dice: Dice, courses: int, students: int) -> Catalogue:
    departments = max(1, courses // 40)
    drafts = [_course(n, departments) for n in range(courses)]
    cohorts = _cohorts(dice, drafts, departments, max(1, courses // 20))
    for c, cohort in enumerate(cohorts):
        for course in cohort.core:
            drafts[course].cohorts.append(c)
    requests = _requests(dice, drafts, cohorts, students)
    for wanted in requests:
        for course in wanted:
            drafts[course].demand += 1
    return Catalogue(departments, drafts, cohorts, requests)


def _course(n: int, departments: int) -> CourseDraft:
    department, order = n % departments, n // departments
    code, subject, practical = _SUBJECTS[department % len(_SUBJECTS)]
    series = department // len(_SUBJECTS)
    level = order % _YEARS + 1
    number = level * 100 + order // _YEARS + 1
    prefix = code if series == 0 else f"{code}{chr(ord('A') + series % 26)}{series // 26 or ''}"
    return CourseDraft(f"{prefix}-{number}", f"{subject} {number}", department, level, practical)


def _cohorts(dice: Dice, drafts: list[CourseDraft], departments: int, programmes: int) -> list[Cohort]:
    """Programmes of one department share its first core courses; programmes of one school share service courses."""
    by_level: dict[tuple[int, int], list[int]] = {}
    for n, draft in enumerate(drafts):
        by_level.setdefault((draft.department, draft.level), []).append(n)
    cohorts = []
    for programme in range(programmes):
        department, variant = programme % departments, programme // departments
        school = programme // _PROGRAMMES_PER_SCHOOL
        for year in range(_YEARS):
            own = by_level.get((department, year + 1), [])
            # The first course of a year is common to the department's programmes, the others shift with the variant.
            core = own[:1] + [own[(1 + variant + i) % len(own)] for i in range(_CORE_PER_YEAR[year] - 1) if own]
            for i in range(_SERVICE_PER_YEAR[year]):
                host = (school * 7 + i * 3 + 1) % departments
                core += by_level.get((host, year + 1), [])[1 + school % 3 :][:1]
            code = drafts[own[0]].id.split("-")[0] if own else f"P{programme}"
            cohorts.append(
                Cohort(
                    f"{code}{variant + 1}-Y{year + 1}",
                    f"{code} programme {variant + 1}, year {year + 1}",
                    tuple(dict.fromkeys(core)),
                )
            )
    return cohorts


def _requests(dice: Dice, drafts: list[CourseDraft], cohorts: list[Cohort], students: int) -> list[tuple[int, ...]]:
    """Core courses of the student's cohort, then electives: popular ones more often, mostly of the student's level."""
    sizes = Weighted([dice.between(40, 100) * (10 - 2 * (c % _YEARS)) for c in range(len(cohorts))])
    # The popularity of the n-th most popular of m courses falls as 1 / (n + m/4): a few hundred seats, down to none.
    ranked = dice.shuffled(range(len(drafts)))
    m = len(drafts)
    popularity = [0] * m
    for rank, course in enumerate(ranked):
        popularity[course] = 1_000_000 // (rank + m // 5 + 1) if rank < m - m // 20 else 1
    by_year = [
        Weighted([p if drafts[n].level in (year, year + 1) else max(1, p // 6) for n, p in enumerate(popularity)])
        for year in range(1, _YEARS + 1)
    ]
    requests = []
    for _ in range(students):
        cohort = sizes.draw(dice)
        wanted = dict.fromkeys(cohorts[cohort].core)
        total = (4, 5, 5, 5, 5, 6, 6, 6, 6, 7)[dice.below(10)]
        electives = by_year[cohort % _YEARS]
        # A tiny university may not have that many courses; the draw is bounded, not the wish.
        for _ in range(60):
            if len(wanted) >= min(total, m):
                break
            wanted.setdefault(electives.draw(dice))
        requests.append(tuple(wanted)[:7])
    return requests
