"""What is counted while looks are made: plain numbers, since every look comes by here."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from msgspec.structs import replace

from .._core.stats import Lag, Stats

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .._core.budget import Budget
    from .._core.observer import Observer
    from .._models import FaultKind, Outcome
    from .watch import Watch


class Counters:
    """Counts what one client does.

    Attributes:
        requests: Questions that were answered, or failed.
        joint: Those for several jobs.
        listed: Looks that such questions served.
        unchanged: Questions answered by no more than that nothing has changed.
        observer: Who measures the client, if anybody does.
    """

    __slots__ = (
        *("_ended", "_faults", "_lag_max", "_lag_sum", "_lags", "joint", "listed", "observer", "requests"),
        "unchanged",
    )

    def __init__(self) -> None:
        self.observer: Observer | None = None
        self.requests = self.joint = self.listed = self.unchanged = 0
        self._faults: defaultdict[FaultKind, int] = defaultdict(int)
        self._ended: defaultdict[Outcome, int] = defaultdict(int)
        self._lags = 0
        self._lag_sum = self._lag_max = 0.0

    def failed(self, kind: FaultKind) -> None:
        """Count a question that failed."""
        self._faults[kind] += 1

    def ended(self, outcome: Outcome, lag: float | None) -> None:
        """Count an end.

        Args:
            outcome: How the job ended.
            lag: How late that was known, in seconds, where that can be told.
        """
        self._ended[outcome] += 1
        if lag is not None:
            self._lags += 1
            self._lag_sum += lag
            self._lag_max = max(self._lag_max, lag)
            if self.observer is not None:
                self.observer.ended(outcome, lag)

    def stats(self, watches: Iterable[Watch], budget: Budget, now: float) -> Stats:
        """Return what was counted, as a value.

        Args:
            watches: What is watched now, each job once.
            budget: How many requests may go, and are wanted.
            now: The time, on the loop's clock.
        """
        phases = Counter(brief.phase for watch in watches if (brief := watch.brief).goes_on)
        unread = phases.pop(None, 0)
        rate = budget.rate(now)
        return replace(
            self.totals(),
            jobs={phase: count for phase, count in phases.items() if phase is not None},
            unread=unread,
            rate=None if math.isinf(rate) else rate,
            demand=budget.demand,
        )

    def totals(self) -> Stats:
        """Return what was counted, without what is watched now."""
        return Stats(
            requests=self.requests,
            looks=self.requests - self.joint + self.listed,
            spared=max(0, self.listed - self.joint),
            unchanged=self.unchanged,
            faults=dict(self._faults),
            ended=dict(self._ended),
            lag=Lag(self._lags, self._lag_sum / self._lags, self._lag_max) if self._lags else Lag(),
        )
