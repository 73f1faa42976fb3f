"""The general search: counts equal the referee's, caches stay exact, results repeat, starts kept, stops honoured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.change.baseline import Baseline, KeepWeights
from schemas.problem.expand import ExpandedProblem, expand
from schemas.problem.model import (
    Class,
    Config,
    Course,
    Distribution,
    DistributionType,
    Problem,
    Room,
    RoomOption,
    Student,
    Subpart,
    Time,
    TimeOption,
    Weights,
)
from schemas.referee.judge import judge
from services.solver.change.base import Base
from services.solver.change.pricing import priced
from services.solver.compile import general as compiler
from services.solver.compile import general_peers
from services.solver.compile.general import compile_general
from services.solver.engine.general.layout import PAR_HARD, PAR_SOFT
from services.solver.engine.general.model import COURSE_CHOICE, TIES_ALL, TIES_AT, GeneralModel
from services.solver.engine.general.recount import HARD_PARTS, SOFT_PARTS
from services.solver.engine.general.search import MARKS, score_general, search_general, warm_up
from services.solver.engine.general.state import State
from services.solver.engine.search import Assignment, Limits, Outcome, Progress
from services.solver.jit_cache import use_jit_cache
from tests.unit.engine.general_problems import a_general_problem, timetable_of, with_faults

GENEROUS_SECONDS = 120.0
Seeds = st.integers(0, 10**6)
property_test = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module", autouse=True)
def _kernels() -> None:
    use_jit_cache()
    warm_up()


def _model(seed: int) -> tuple[ExpandedProblem, GeneralModel]:
    """A random problem; every other one has a timetable whose sections students should keep."""
    expanded = expand(a_general_problem(seed))
    if seed % 2 == 0:
        return expanded, compile_general(expanded)
    earlier = State(compile_general(expanded), seed + 1)
    earlier.load(None, 300)
    keep = KeepWeights(time=0, room=0, section=3)
    baseline = Baseline(timetable_of(expanded, earlier.now()), keep)
    expanded = replace(expanded, baseline=baseline)
    return expanded, compile_general(priced(expanded, Base(expanded, baseline), keep))


def _search(
    model: GeneralModel,
    *,
    moves: int = 20_000,
    seed: int = 1,
    start: Assignment | None = None,
    on_progress: Callable[[Progress, Callable[[], Assignment]], None] = lambda progress, read: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Outcome:
    limits = Limits(seconds=GENEROUS_SECONDS, seed=seed, moves=moves)
    return search_general(model, limits, on_progress, should_stop, start)


def _assert_referee_agrees(expanded: ExpandedProblem, model: GeneralModel, assignment: Assignment) -> set[str]:
    """Both count the same; returns the parts that were not zero ("soft " before those of the cost)."""
    hard, cost = score_general(model, assignment)
    score = judge(expanded.problem, timetable_of(expanded, assignment), expanded.baseline).score
    assert hard == dict(score.hard)
    assert cost == {part: amount for part, amount in score.cost.items() if amount}
    return set(hard) | {f"soft {part}" for part in cost}


@property_test
@given(seed=Seeds)
def test_counts_equal_the_referees_for_any_timetable(seed: int) -> None:
    expanded, model = _model(seed)
    state = State(model, seed)
    state.load(None, 300)
    _assert_referee_agrees(expanded, model, state.now())
    state.anneal(2_000, 20.0, 1.0, 0.2, 0.4)
    _assert_referee_agrees(expanded, model, state.now())
    _assert_referee_agrees(expanded, model, state.best())
    _assert_referee_agrees(expanded, model, with_faults(expanded, state.now(), seed))


def test_the_property_test_reaches_every_part() -> None:
    seen: set[str] = set()
    for seed in range(40):
        expanded, model = _model(seed)
        state = State(model, seed)
        state.load(None, 300)
        seen |= _assert_referee_agrees(expanded, model, with_faults(expanded, state.now(), seed))
    assert seen == set(HARD_PARTS) | {f"soft {part}" for part in SOFT_PARTS}


@property_test
@given(seed=Seeds)
def test_totals_and_contributions_stay_exact_under_moves(seed: int) -> None:
    _, model = _model(seed)
    state = State(model, seed)
    state.load(None, 300)
    for soft_on in (True, False):
        state.restart_from_best(300, soft_on)
        for _ in range(3):
            state.anneal(1_500, 30.0, 1.0, 0.3, 0.3, 0.2, bath_share=0.5)
            hard, cost = state.score_now()
            assert (sum(hard.values()), sum(cost.values())) == (state.par[PAR_HARD], state.par[PAR_SOFT])
            kept = state.own.copy()
            state.refresh(0)
            assert (state.own == kept).all()
            state.refresh(7)


@property_test
@given(seed=Seeds)
def test_another_searchs_timetable_is_taken_over_exactly(seed: int) -> None:
    expanded, model = _model(seed)
    mine, other = State(model, seed), State(model, seed + 1)
    for state in (mine, other):
        state.load(None, 300)
        state.anneal(1_500, 30.0, 1.0, 0.3, 0.3)
    best = mine.best()
    mine.take_over(other.now(), 300)
    assert mine.score_now() == other.score_now()
    assert (mine.par[PAR_HARD], mine.par[PAR_SOFT]) == (other.par[PAR_HARD], other.par[PAR_SOFT])
    assert (mine.best().times == best.times).all()
    mine.anneal(500, 5.0, 1.0, 0.3, 0.3)
    _assert_referee_agrees(expanded, model, mine.now())


def test_a_search_goes_on_from_what_a_meeting_gives_it() -> None:
    _, model = _model(7)
    good = _search(model, moves=60_000)

    class Better:
        marks: ClassVar[list[int]] = []

        def compare(
            self, mark: int, temperature: float, energy: float, read: Callable[[], Assignment]
        ) -> Assignment | None:
            hard, cost = score_general(model, read())
            assert temperature > 0
            assert energy >= 0
            assert sum(hard.values()) + sum(cost.values()) > 0
            self.marks.append(mark)
            return good.assignment if self.marks.count(mark) == 1 else None

    limits = Limits(seconds=GENEROUS_SECONDS, seed=9, moves=2_000)
    alone = search_general(model, limits, lambda _p, _r: None, lambda: False)
    helped = search_general(model, limits, lambda _p, _r: None, lambda: False, None, Better())
    assert alone.rank > good.rank
    assert helped.rank < alone.rank
    assert Better.marks == sorted(Better.marks)


@property_test
@given(seed=Seeds)
def test_the_search_never_overfills_a_class(seed: int) -> None:
    _, model = _model(seed)
    outcome = _search(model, moves=1_000)
    assert "class_limit" not in outcome.hard
    assert "unplaced" not in outcome.hard


@settings(max_examples=10, deadline=None)
@given(seed=Seeds)
def test_a_start_is_never_worsened(seed: int) -> None:
    expanded, model = _model(seed)
    good = _search(model, moves=4_000)
    assert _search(model, moves=200, start=good.assignment, seed=2).rank <= good.rank
    hard, cost = score_general(model, faulty := with_faults(expanded, good.assignment, seed))
    assert _search(model, moves=200, start=faulty).rank <= (sum(hard.values()), sum(cost.values()))


def test_an_overfull_start_is_relieved() -> None:
    relieved = 0
    for seed in range(40):
        expanded, model = _model(seed)
        state = State(model, seed)
        state.load(None, 300)
        faulty = with_faults(expanded, state.now(), seed)
        if "class_limit" not in score_general(model, faulty)[0] or "unsectioned" in _search(model).hard:
            continue  # nothing to relieve, or no seats for all
        assert "class_limit" not in _search(model, start=faulty).hard
        relieved += 1
    assert relieved >= 5


def test_the_same_seed_and_moves_give_the_same_timetable() -> None:
    _, model = _model(5)
    first, second, other = (_search(model, seed=s, moves=30_000) for s in (1, 1, 2))
    for name in ("times", "rooms", "attended_start", "attended"):
        assert (getattr(first.assignment, name) == getattr(second.assignment, name)).all()
    assert (first.assignment.times != other.assignment.times).any()


def test_searching_improves_on_the_first_timetable() -> None:
    _, model = _model(7)
    reports: list[Progress] = []
    outcome = _search(model, moves=60_000, on_progress=lambda progress, _: reports.append(progress))
    first = (reports[0].hard_violations, reports[0].cost)
    assert outcome.rank < first
    ranks = [(p.hard_violations, p.cost) for p in reports]
    assert ranks == sorted(ranks, reverse=True)
    assert [p.share for p in reports] == sorted(p.share for p in reports)


def test_a_stop_ends_the_search_after_the_slice() -> None:
    _, model = _model(1)
    reports: list[Progress] = []
    outcome = _search(
        model,
        moves=10**9,
        on_progress=lambda progress, _: reports.append(progress),
        should_stop=lambda: len(reports) >= 3,
    )
    assert len(reports) == 3
    assert outcome.moves < 10**6


def test_a_report_reads_the_best_timetable_at_that_moment() -> None:
    _, model = _model(2)

    def check(progress: Progress, read: Callable[[], Assignment]) -> None:
        hard, cost = score_general(model, read())
        assert (sum(hard.values()), sum(cost.values())) == (progress.hard_violations, progress.cost)
        assert cost == progress.parts

    _search(model, on_progress=check)


def test_times_too_many_for_the_table_give_the_same_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    expanded, tabled = _model(4)
    monkeypatch.setattr(compiler, "MAX_TABLED_TIMES", 0)
    direct = compile_general(expanded)
    assert len(direct.gaps) == 0
    a, b = (_search(model, moves=10_000) for model in (tabled, direct))
    assert a.rank == b.rank
    assert (a.assignment.times == b.assignment.times).all()


def test_classes_too_many_for_the_table_of_mates_give_the_same_timetable(monkeypatch: pytest.MonkeyPatch) -> None:
    _, model = _model(6)
    indexed = _search(model, moves=10_000)
    monkeypatch.setattr("services.solver.engine.general.state.MAX_INDEXED", 0)
    searched = _search(model, moves=10_000)
    assert indexed.rank == searched.rank
    assert (indexed.assignment.times == searched.assignment.times).all()
    assert (indexed.assignment.attended == searched.assignment.attended).all()


@property_test
@given(seed=Seeds)
def test_constraints_too_large_for_a_list_of_pairs_are_counted_all_the_same(seed: int) -> None:
    expanded, listed = _model(2 * seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(general_peers, "MAX_PAIRED", 1)
        counted = compile_general(expanded)
    state = State(counted, seed)
    state.load(None, 300)
    state.anneal(1_500, 30.0, 1.0, 0.3, 0.3)
    assert score_general(listed, state.now()) == state.score_now()
    assert sum(state.score_now()[0].values()) == state.par[PAR_HARD]
    assert sum(state.score_now()[1].values()) == state.par[PAR_SOFT]


def _tight_problem(n: int) -> Problem:
    """n students for n seats in two lectures with two laboratories each; the laboratories have no seat to spare."""
    base = a_general_problem(0, types=())
    time = [TimeOption(time="t0")]
    lectures = [Class(id=f"lecture{k}", limit=n, times=time) for k in range(2)]
    laboratories = [
        Class(id=f"lab{k}", limit=n // 4, parent=f"lecture{k % 2}", times=[TimeOption(time=f"t{k}")]) for k in range(4)
    ]
    subparts = [Subpart(id="lab", classes=laboratories), Subpart(id="lecture", classes=lectures)]
    return base.model_copy(
        update={
            "times": [Time(id=f"t{k}", weeks="1" * base.calendar.weeks, days="1", start=k, length=1) for k in range(4)],
            "calendar": base.calendar.model_copy(update={"days": 1}),
            "courses": [Course(id="only", configs=[Config(id="only", subparts=subparts)])],
            "curricula": [],
            "students": [Student(id=f"s{k}", courses=["only"]) for k in range(n)],
        }
    )


def test_every_request_is_met_when_the_seats_just_suffice() -> None:
    outcome = _search(compile_general(expand(_tight_problem(40))), moves=100)
    assert outcome.hard == {}


def test_a_request_beyond_the_seats_is_one_violation_and_no_class_is_over_its_limit() -> None:
    problem = _tight_problem(40)
    crowd = [*problem.students, *(Student(id=f"late{k}", courses=["only"]) for k in range(3))]
    outcome = _search(compile_general(expand(problem.model_copy(update={"students": crowd}))), moves=1_000)
    assert outcome.hard == {"unsectioned": 3}


def test_a_pair_in_several_clash_sets_is_one_violation() -> None:
    problem = a_general_problem(0, types=(DistributionType.SAME_ROOM,))
    both = [Class(id=f"x{k}", limit=1, times=[TimeOption(time="t0")], instructors=["i0", "i1"]) for k in range(2)]
    courses = [Course(id=c.id, configs=[Config(id=c.id, subparts=[Subpart(id=c.id, classes=[c])])]) for c in both]
    curricula = [
        curriculum.model_copy(update={"courses": ["x0", "x1"], "penalty": None}) for curriculum in problem.curricula[:2]
    ]
    expanded = expand(
        problem.model_copy(update={"courses": courses, "curricula": curricula, "students": [], "distributions": []})
    )
    model = compile_general(expanded)
    nowhere = np.full(2, -1, np.int32)
    together = Assignment(np.zeros(2, np.int32), nowhere, np.zeros(1, np.int32), np.zeros(0, np.int32))
    assert score_general(model, together)[0] == {"class_conflict": 1}


def _two_classes(first: Class, second: Class, **changes: object) -> Problem:
    """Two courses of one class each, nothing else; 30 rooms, and times of one slot each."""
    base = a_general_problem(0, types=())
    courses = [
        Course(id=c.id, configs=[Config(id=c.id, subparts=[Subpart(id=c.id, classes=[c])])]) for c in (first, second)
    ]
    week = "1" * base.calendar.weeks
    return base.model_copy(
        update={
            "times": [Time(id=f"t{k}", weeks=week, days="1", start=k, length=1) for k in range(20)],
            "rooms": [Room(id=f"r{k}", capacity=50) for k in range(30)],
            "building_travel": [],
            "calendar": base.calendar.model_copy(update={"days": 1}),
            "weights": Weights(time=1, room=1, distribution=1, student=1),
            "courses": courses,
            "curricula": [],
            "students": [],
            **changes,
        }
    )


def _cost_after(model: GeneralModel, start: Assignment, chain_share: float) -> int:
    """The cost after some thousand cold moves that keep every hard rule."""
    state = State(model, 1)
    state.load(start, 1_000)
    state.anneal(5_000, 1.0, 1.0, chain_share, 0.0)
    hard, cost = score_general(model, state.best())
    assert hard == {}
    return sum(cost.values())


def _rooms(best: str, second: str) -> list[RoomOption]:
    """Every room: free of penalty in the best one, hardly so in the second, far too dear elsewhere."""
    prices = {best: 0, second: 30}
    return [RoomOption(room=f"r{k}", penalty=prices.get(f"r{k}", 9_000)) for k in range(30)]


def test_a_second_phase_never_meets_what_the_first_has_posted() -> None:
    """Two classes that clash whatever happens: soft costs are annealed, left aside, and annealed once more."""
    a, b = (Class(id=name, limit=1, times=[TimeOption(time="t0")], rooms=_rooms("r0", "r1")) for name in ("a", "b"))
    rule = Distribution(type=DistributionType.DIFFERENT_TIME, classes=["a", "b"], required=True)
    model = compile_general(expand(_two_classes(a, b, distributions=[rule])))
    seen: list[int] = []

    class Nobody:
        def compare(self, mark: int, temperature: float, energy: float, read: Callable[[], Assignment]) -> None:
            seen.append(mark)

    nobody = np.zeros(1, np.int32), np.zeros(0, np.int32)
    start = Assignment(np.zeros(2, np.int32), np.array([1, 0], np.int32), *nobody)
    limits = Limits(seconds=GENEROUS_SECONDS, moves=20_000)
    search_general(model, limits, lambda _p, _r: None, lambda: False, start, Nobody())
    assert seen == sorted(seen)
    assert seen[-1] - seen[0] > MARKS  # more than one phase has


def test_two_classes_change_rooms() -> None:
    """Each in the other's best room at the only time: no move of one of them alone helps."""
    time = [TimeOption(time="t0")]
    a = Class(id="a", limit=1, times=time, rooms=_rooms("r0", "r1"))
    b = Class(id="b", limit=1, times=time, rooms=_rooms("r1", "r0"))
    model = compile_general(expand(_two_classes(a, b)))
    nobody = np.zeros(1, np.int32), np.zeros(0, np.int32)
    start = Assignment(np.zeros(2, np.int32), np.array([1, 0], np.int32), *nobody)
    assert score_general(model, start) == ({}, {"room": 60})
    assert [_cost_after(model, start, chain_share) for chain_share in (0.0, 0.5)] == [60, 0]


def test_tied_classes_go_to_another_time_together() -> None:
    """Both at a poor time that they must share: no move of one of them alone keeps the rule."""
    times = [TimeOption(time=f"t{k}", penalty=0 if k == 19 else 30 if k == 0 else 9_000) for k in range(20)]
    a, b = (Class(id=name, limit=1, times=times) for name in ("a", "b"))
    rule = Distribution(type=DistributionType.SAME_TIME, classes=["a", "b"], required=True)
    model = compile_general(expand(_two_classes(a, b, distributions=[rule])))
    nobody = np.zeros(1, np.int32), np.zeros(0, np.int32)
    start = Assignment(np.zeros(2, np.int32), np.full(2, -1, np.int32), *nobody)
    assert score_general(model, start) == ({}, {"time": 60})
    alone = replace(model, classes=model.classes.copy())
    alone.classes[:, TIES_ALL] = alone.classes[:, TIES_AT]
    assert [_cost_after(variant, start, 0.0) for variant in (alone, model)] == [60, 0]


def test_a_class_moves_when_its_students_change_sections_with_it() -> None:
    """At its best time its students attend the lecture; the other section has seats for them."""
    times = [TimeOption(time=f"t{k}", penalty=0 if k == 19 else 30 if k == 0 else 9_000) for k in range(20)]
    sections = [Class(id="first", limit=6, times=times), Class(id="second", limit=12, times=[TimeOption(time="t5")])]
    lecture = Class(id="lecture", limit=6, times=[TimeOption(time="t19")])
    courses = [
        Course(id=name, configs=[Config(id=name, subparts=[Subpart(id=name, classes=classes)])])
        for name, classes in (("seminar", sections), ("lecture", [lecture]))
    ]
    students = [Student(id=f"s{k}", courses=["seminar", "lecture"] if k < 6 else ["seminar"]) for k in range(12)]
    weights = Weights(time=1, room=1, distribution=1, student=10)
    problem = _two_classes(*sections, courses=courses, students=students, weights=weights)
    model = compile_general(expand(problem))
    # The lecture's students attend the section that should move, the others the one that cannot.
    listed = [[0, 2]] * 6 + [[1]] * 6
    ends = np.cumsum([0, *(len(classes) for classes in listed)]).astype(np.int32)
    attended = np.array([i for classes in listed for i in classes], np.int32)
    start = Assignment(np.array([0, 5, 19], np.int32), np.full(3, -1, np.int32), ends, attended)
    assert score_general(model, start) == ({}, {"time": 30})
    alone = replace(model, courses=model.courses.copy())
    alone.courses[:, COURSE_CHOICE] = 0
    assert [_cost_after(variant, start, 0.0) for variant in (alone, model)] == [30, 0]


def test_a_long_class_changes_places_with_three_short_ones() -> None:
    """One room: the long class only fits where all short ones stand, and they only where it stands."""
    room = [RoomOption(room="r0")]
    long = [TimeOption(time="t0", penalty=30), TimeOption(time="t1")]
    shorts = [[TimeOption(time=f"t{k}"), TimeOption(time=f"t{k + 3}")] for k in (2, 3, 4)]
    classes = [Class(id=f"c{k}", limit=1, times=times, rooms=room) for k, times in enumerate((long, *shorts))]
    courses = [Course(id=c.id, configs=[Config(id=c.id, subparts=[Subpart(id=c.id, classes=[c])])]) for c in classes]
    base = _two_classes(*classes[:2], courses=courses)
    week = base.times[0].weeks
    spans = [(0, 3), (10, 3), (10, 1), (11, 1), (12, 1), (0, 1), (1, 1), (2, 1)]
    times = [Time(id=f"t{k}", weeks=week, days="1", start=at, length=n) for k, (at, n) in enumerate(spans)]
    model = compile_general(expand(base.model_copy(update={"times": times})))
    nobody = np.zeros(1, np.int32), np.zeros(0, np.int32)
    start = Assignment(np.array([0, 2, 3, 4], np.int32), np.zeros(4, np.int32), *nobody)
    assert score_general(model, start) == ({}, {"time": 30})
    assert _cost_after(model, start, 0.5) == 0
