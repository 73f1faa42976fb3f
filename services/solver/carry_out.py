"""Carrying out an order: load the problem, search, have the referee judge, tell the service on the way.

Owns the order of these steps and what is said of each. Must not know pipes, processes or the database. Only child
processes import this: it brings the search with it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING

from schemas.change.baseline import Baseline
from schemas.change.difference import difference
from schemas.change.report import Changes, report_changes
from schemas.events import Provenance, SearchEnd, UsedWeights, VariantResult
from schemas.problem.expand import ExpandedProblem
from schemas.problem.findings import InvalidProblemError
from schemas.problem.model import Problem
from schemas.problem.read import ProblemFormat
from schemas.referee import Verdict, judge
from schemas.timetable import Timetable
from services.solver.change.base import Base
from services.solver.kernels import expect
from services.solver.loading import BadInputError, Loaded, invalid_problem, load, load_timetable
from services.solver.order import Contents, Order
from services.solver.packing import pack
from services.solver.phases import phase
from services.solver.solve import SolveReport, SolveResult, solve_problem

if TYPE_CHECKING:
    from services.solver.child import Service

_PROGRESS_INTERVAL_S = 0.2
# Reading out and packing a timetable disturbs the search (1.7 s at full size for a first one with many gaps to explain,
# later ones take a tenth of that): no more than one part of the time in this many, but never rarer than twice the
# interval asked for, which is what a lost worker may cost.
_BEST_TIME_SHARE = 4
_MAX_VIOLATIONS = 100


def carry_out(service: Service, stop: threading.Event, order: Order, contents: Contents) -> None:
    """Do what the order says and tell the service of it. Raises BadInputError, and whatever a defect of ours raises."""
    service.progress("preparing", message="reading the problem")
    began = time.monotonic()
    if order.seconds > 0:
        expect(ProblemFormat(order.format))
    with phase(service.send, "load"):
        loaded = load(order, contents)
        start = None if contents.start_zstd is None else load_timetable(contents.start_zstd)
    service.send("loaded", seconds=round(time.monotonic() - began, 3))
    if order.seconds > 0:
        _search(service, stop, order, contents, loaded, start)
    elif start is not None:
        _judge_only(service, order, contents, loaded, start)
    else:
        raise BadInputError("nothing_to_judge", "An order without search needs a timetable to judge.")


def _search(
    service: Service,
    stop: threading.Event,
    order: Order,
    contents: Contents,
    loaded: Loaded,
    start: Timetable | None,
) -> None:
    expanded = loaded.expanded
    watcher = _Watcher(service, order)
    try:
        with phase(service.send, "search"):
            result = solve_problem(
                expanded,
                seconds=order.seconds,
                seed=order.seed,
                workers=order.workers,
                target=order.target,
                target_gap=order.target_gap,
                no_improvement_s=order.no_improvement_s,
                on_progress=watcher.on_progress,
                should_stop=stop.is_set,
                start=start,
            )
    except InvalidProblemError as error:  # more than the engine can hold
        raise invalid_problem(error) from error
    stopped = stop.is_set()
    watcher.send_best(result.timetable, result.hard_violations, result.cost, result.parts, final=True)
    service.progress(
        "verifying",
        1.0,
        hard_violations=result.hard_violations,
        cost=result.cost,
        parts=dict(result.parts),
        bound=result.bound,
        message="the referee counts",
    )
    verdict = _judge(service, expanded.problem, result.timetable, expanded.baseline)
    disagreements = _disagreements(result, verdict)
    if disagreements:
        service.send(
            "error",
            code="referee_mismatch",
            message="The engine's count and the referee's differ; the timetable is not published. This is a defect of "
            "Horarium: please report it with the problem.",
            retryable=False,
            details=disagreements,
        )
        return
    _send_result(
        service,
        order,
        loaded,
        verdict,
        result.timetable,
        searched_s=watcher.searched_s,
        stopped=stopped,
        optimal=result.optimal,
        bound=result.bound,
        proven_infeasible=result.proven_infeasible,
        reasons=result.reasons,
        relaxations=result.relaxations,
        changes=_changes(contents, expanded, result.timetable, budget_impossible=result.budget_impossible),
        provenance={
            "engine_version": result.engine_version,
            "ortools_version": result.ortools_version,
            "method": result.method,
            "method_reason": result.method_reason,
            "search_end": result.search_end,
        },
    )


def _judge_only(service: Service, order: Order, contents: Contents, loaded: Loaded, timetable: Timetable) -> None:
    expanded = loaded.expanded
    service.progress("verifying", 1.0, message="the referee counts what an interrupted search left")
    verdict = _judge(service, expanded.problem, timetable, expanded.baseline)
    if "domain" in verdict.score.hard or "malformed" in verdict.score.hard:
        # No search of ours places a class outside its options: this timetable is not of this problem.
        raise BadInputError("checkpoint_mismatch", "The checkpoint does not belong to the problem.")
    _send_result(
        service,
        order,
        loaded,
        verdict,
        timetable,
        searched_s=order.searched_s,
        stopped=True,
        optimal=False,
        bound=None,
        proven_infeasible=False,
        reasons=[],
        relaxations=[],
        changes=_changes(contents, expanded, timetable),
        provenance={
            "engine_version": version("horarium"),
            "ortools_version": version("ortools"),
            "method": "checkpoint",
            "method_reason": "the search ended early; its last saved timetable was kept",
            "search_end": SearchEnd.STOPPED,
        },
    )


def _judge(service: Service, problem: Problem, timetable: Timetable, baseline: Baseline | None) -> Verdict:
    with phase(service.send, "verify"):
        return judge(problem, timetable, baseline)


def _changes(
    contents: Contents, expanded: ExpandedProblem, timetable: Timetable, *, budget_impossible: bool = False
) -> Changes | None:
    """What departs from the base timetable; None if there is none."""
    baseline, change = expanded.baseline, contents.change
    if baseline is None or change is None:
        return None
    return report_changes(
        difference(expanded.problem, baseline.timetable, timetable),
        base_job_id=change.base_job_id,
        base_variant=change.base_variant,
        max_changes=baseline.max_changes,
        forced=int(Base(expanded, baseline).forced(expanded).sum()),
        budget_impossible=budget_impossible,
    )


def _disagreements(result: SolveResult, verdict: Verdict) -> list[dict[str, str]]:
    """Every number on which engine and referee differ, sums included."""
    score = verdict.score
    engine = {"hard_violations": result.hard_violations, "total": result.cost}
    engine |= {f"hard/{rule}": count for rule, count in result.hard.items() if count}
    engine |= {f"cost/{part}": cost for part, cost in result.parts.items() if cost}
    referee = {"hard_violations": score.hard_violations, "total": score.total}
    referee |= {f"hard/{rule}": count for rule, count in score.hard.items() if count}
    referee |= {f"cost/{part}": cost for part, cost in score.cost.items() if cost}
    return [
        {"part": part, "engine": str(engine.get(part, 0)), "referee": str(referee.get(part, 0))}
        for part in sorted(engine.keys() | referee.keys())
        if engine.get(part, 0) != referee.get(part, 0)
    ]


def _send_result(
    service: Service,
    order: Order,
    loaded: Loaded,
    verdict: Verdict,
    timetable: Timetable,
    *,
    searched_s: float,
    stopped: bool,
    optimal: bool,
    bound: int | None,
    proven_infeasible: bool,
    reasons: list[str],
    relaxations: list[str],
    changes: Changes | None,
    provenance: dict[str, str],
) -> None:
    hidden = verdict.total_violations - min(len(verdict.violations), _MAX_VIOLATIONS)
    violations = [violation.message for violation in verdict.violations[:_MAX_VIOLATIONS]]
    own_score = None
    if loaded.weighed_anew:
        own_score = _judge(service, loaded.own, timetable, loaded.expanded.baseline).score
    result = VariantResult(
        variant=order.variant,
        score=verdict.score,
        own_score=own_score,
        timetable=timetable,
        provenance=Provenance(
            input_sha256=order.sha256,
            seed=order.seed,
            workers=order.workers,
            profile=None if loaded.profile is None else loaded.profile.value,
            weights=UsedWeights.model_validate(loaded.expanded.problem.weights.model_dump()),
            factors=loaded.factors,
            **provenance,
        ),
        optimal=optimal,
        lower_bound=bound,
        elapsed_s=round(searched_s, 3),
        violations=[*violations, f"and {hidden} more"] if hidden > 0 and violations else violations,
        changes=changes,
    )
    service.send(
        "result",
        pack(result.model_dump_json(by_alias=True, exclude_none=True).encode()),
        score=verdict.score.model_dump(mode="json"),
        stopped=stopped,
        bound=bound,
        optimal=optimal,
        proven_infeasible=proven_infeasible,
        reasons=reasons[:_MAX_VIOLATIONS],
        relaxations=relaxations,
        searched_s=round(searched_s, 3),
    )


class _Watcher:
    """Tells the service how the search stands, and hands out its best timetable now and then.

    So the service always holds a recent, complete one: a crash, a time-out and a stop all end the same way.
    """

    def __init__(self, service: Service, order: Order) -> None:
        self._service = service
        self._order = order
        self._began = time.monotonic()
        self._stage = ""
        self._told_at = float("-inf")
        self._best: tuple[int, int, int] | None = None
        self._next_best_at = self._began + min(1.0, order.best_interval_s)

    @property
    def searched_s(self) -> float:
        """Search time of all attempts so far."""
        return self._order.searched_s + time.monotonic() - self._began

    def on_progress(self, report: SolveReport) -> None:
        now = time.monotonic()
        if report.stage.value != self._stage or now >= self._told_at + _PROGRESS_INTERVAL_S:
            self._stage, self._told_at = report.stage.value, now
            self._service.progress(
                report.stage.value,
                report.share,
                hard_violations=report.hard_violations,
                cost=report.cost,
                parts=dict(report.parts),
                bound=report.bound,
                moves=report.moves,
                message=report.message[:500],
            )
        if report.hard_violations is None or report.cost is None or now < self._next_best_at:
            return
        rank = (report.hard_violations, report.over_budget, report.cost)
        if self._best is not None and rank >= self._best:
            return
        timetable = report.timetable()
        if timetable is not None:
            self._best = rank
            self.send_best(timetable, report.hard_violations, report.cost, report.parts)
            took = time.monotonic() - now
            interval_s = self._order.best_interval_s
            self._next_best_at = now + min(max(interval_s, took * _BEST_TIME_SHARE), 2 * interval_s)

    def send_best(
        self, timetable: Timetable, hard_violations: int, cost: int, parts: Mapping[str, int], *, final: bool = False
    ) -> None:
        self._service.send(
            "best",
            pack(timetable.model_dump_json(by_alias=True, exclude_none=True).encode()),
            hard_violations=hard_violations,
            cost=cost,
            parts=dict(parts),
            searched_s=round(self.searched_s, 3),
            final=final,
        )
