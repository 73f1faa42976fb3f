"""How the enrolment search cools: the plan's figures, and the temperature over the budget.

Owns where the cooling begins. Must not know moves, models or clocks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Schedule:
    """How the search places events and cools.

    Temperatures are in units of what an event's students pay together if each pays one soft penalty: a move of an
    event that everybody attends changes more than one of a seminar's. Prices are in temperatures.

    Until every event has a place, or for `construct` of the budget at most, events are placed whatever the cost. The
    rest is a geometric cooling to `coldest`, from `hottest` on. The timetable is *loose* if it is complete and more
    than `lively` of the moves are accepted at `hottest` once that no longer falls from slice to slice by more than to
    the share `steady`: events have few students and few rules. There heat settles nothing, and a move takes twenty
    times as long as at the end; so it cools to `rushed` within the share `rush` of what is left, and slowly from there
    on. Where rules leave events few periods, up to a fifth is accepted at first, then next to nothing, and `rushed` is
    too cold ever to fill the timetable again: it is not loose, nor is what is undecided after the share `undecided` of
    what is left. A search that starts from a timetable begins at `warm`.

    An event without a place costs at least `price`. `holes` of the events are to be without one at first, none from
    the share `closed` of the cooling on: after each slice that leaves more, the price rises by `dearer`, after each
    other it falls by `cheaper`. Without holes the chains of a full timetable reach little: over 8 million moves on one
    instance of ITC-2007 the cost ended at 1,753 instead of 555.
    Chains of up to `limit` events are moved (25 instead of 12: cost 0 instead of 1,146 there); in a loose timetable by
    `long_share` of such moves, by the others of up to `short`: nearly all that is accepted there is that short, and
    most of the time went into long ones. `displace_share` of the moves send away what is in the way, `onward_share` of
    these to another period instead of nowhere; while events are without a place, half of them place one.
    """

    construct: float = 0.3
    hottest: float = 0.75
    lively: float = 0.25
    steady: float = 0.8
    undecided: float = 0.1
    rush: float = 0.04
    rushed: float = 0.1
    warm: float = 0.1
    coldest: float = 0.02
    price: float = 2.0
    dearer: float = 1.25
    cheaper: float = 0.95
    holes: float = 0.03
    closed: float = 0.7
    limit: int = 25
    short: int = 2
    long_share: float = 0.2
    displace_share: float = 0.2
    onward_share: float = 0.5


class Cooling:
    """The temperature at any share of the budget, from the share `began` on; `unit` is the schedule's unit.

    `warm`: the search starts from somebody's timetable; `complete`: every event has a place. `loose` is known
    after a few slices.
    """

    def __init__(self, plan: Schedule, unit: float, began: float, *, warm: bool, complete: bool) -> None:
        self._plan = plan
        self._began = began
        self._hottest = unit * (plan.warm if warm else plan.hottest)
        self._rushed = unit * plan.rushed
        self._coldest = unit * plan.coldest
        self._accepted_before = math.inf
        self._decides_by: float | None = None
        if complete and not warm:
            self._decides_by = began + plan.undecided * (1.0 - began)
        self._rush_ends: float | None = None
        self.loose = False

    def progress(self, share: float) -> float:
        """How much of the slow cooling is over, 0..1; nothing before it is known where it begins."""
        if self._decides_by is not None or self._rush_ends is not None:
            return 0.0
        return min(1.0, (share - self._began) / (1.0 - self._began)) if self._began < 1.0 else 1.0

    def temperature(self, share: float) -> float:
        end = self._rush_ends
        if end is None:
            return self._hottest * math.pow(self._coldest / self._hottest, self.progress(share))
        position = min(1.0, (share - self._began) / (end - self._began)) if end > self._began else 1.0
        return self._hottest * math.pow(self._rushed / self._hottest, position)

    def slice_done(self, ended: float, accepted: float) -> None:
        """A slice that ended at this share of the budget is over, in which that share of the moves was accepted."""
        if self._decides_by is not None:
            lively = accepted > self._plan.lively
            self.loose = lively and accepted >= self._plan.steady * self._accepted_before
            self._accepted_before = accepted
            if self.loose or not lively or ended >= self._decides_by:
                self._decides_by, self._began = None, ended
            if self.loose:
                self._rush_ends = ended + self._plan.rush * (1.0 - ended)
        elif self._rush_ends is not None and ended >= self._rush_ends:
            self._rush_ends, self._began, self._hottest = None, ended, self._rushed
