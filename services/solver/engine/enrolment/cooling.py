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
    rest is a geometric cooling to `coldest`. It begins at `hottest` if few moves are accepted there, else where no more
    than `lively` of them are: until then it cools fast, so fast that it would be at `rushed` after the share `rush` of
    what is left. Where events have few students and few rules, nearly everything is accepted at `hottest`, takes twenty
    times as long as at the end, and settles nothing; where rules leave events few periods, half of it is too cold ever
    to fill the timetable again. A search that starts from a timetable begins at `warm`.

    An event without a place costs at least `price`. `holes` of the events are to be without one at first, none from
    the share `closed` of the cooling on: after each slice that leaves more, the price rises by `dearer`, after each
    other it falls by `cheaper`. Without holes the chains of a full timetable reach little: over 8 million moves on one
    instance of ITC-2007 the cost ended at 1,753 instead of 555.
    Chains of up to `limit` events are moved (25 instead of 12: cost 0 instead of 1,146 there). `displace_share` of the
    moves send away what is in the way, `onward_share` of these to another period instead of nowhere; while events are
    without a place, half of them place one.
    """

    construct: float = 0.3
    hottest: float = 0.75
    lively: float = 0.08
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
    displace_share: float = 0.2
    onward_share: float = 0.5


class Cooling:
    """The temperature at any share of the budget, from the share `began` on; `unit` is the schedule's unit."""

    def __init__(self, plan: Schedule, unit: float, began: float, *, warm: bool) -> None:
        self._plan = plan
        self._began = began
        self._hottest = unit * (plan.warm if warm else plan.hottest)
        self._rushed = unit * plan.rushed
        self._coldest = unit * plan.coldest
        self._rushing = not warm

    def progress(self, share: float) -> float:
        """How much of the cooling is over, 0..1; nothing before it is known where it begins."""
        if self._rushing:
            return 0.0
        return min(1.0, (share - self._began) / (1.0 - self._began)) if self._began < 1.0 else 1.0

    def temperature(self, share: float) -> float:
        if self._rushing:
            rush = self._plan.rush * (1.0 - self._began)
            position = min(1.0, (share - self._began) / rush) if rush > 0 else 1.0
            return self._hottest * math.pow(self._rushed / self._hottest, position)
        return self._hottest * math.pow(self._coldest / self._hottest, self.progress(share))

    def slice_done(self, began: float, ended: float, accepted: float) -> None:
        """A slice from one share to another is over, in which that share of the moves was accepted."""
        if self._rushing and (
            accepted <= self._plan.lively or ended - self._began >= self._plan.rush * (1.0 - self._began)
        ):
            hottest = self.temperature(began if accepted <= self._plan.lively else ended)
            self._rushing, self._began, self._hottest = False, ended, hottest
