"""Whose turn it is: jobs seen before when they are due, and newcomers in between.

First looks at many new jobs are spread over the time that lies between two looks at a job. So are the looks at many
that a pause has made late, whatever the pause was.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from .._http.origin import AWAY_AT_MOST
from .agenda import FIRST, NEVER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .._core.budget import Budget
    from .agenda import Agenda, Watch

AT_ONCE = 64
"""How many new jobs get their first look at once; more of them are spread over the time between two looks."""

_BLIND = 0.005
"""How far apart the first looks at many new jobs are while nothing is known of any, in seconds."""

_LATE = 1.0
"""By how much a look has to be late, in seconds, for the late ones of many jobs to be spread: there was a pause."""

_CATCH_UP = 1.25
"""How many times as many looks as usual are made then."""


_PASSED = 64
"""How many that cannot be taken along are passed by, in search of some who can."""


class Turns:
    """Says whose look is next, and when.

    Args:
        agenda: Which watch is due when, once it has been looked at.
        budget: Knows how many looks a second are wanted, and may be made.
        max_interval: The longest time between two looks at a job, in seconds.

    Attributes:
        known: How many watched jobs have been looked at and go on.
        newcomers: How many wait for their first look, and perhaps some that do not any more.
    """

    def __init__(self, agenda: Agenda, budget: Budget, max_interval: float) -> None:
        self._agenda = agenda
        self._budget = budget
        self._max_interval = max_interval
        self._newcomers: deque[Watch] = deque()
        self._next_newcomer = 0.0
        self._was_newcomer = False
        self._next_late = 0.0
        self.known = 0

    @property
    def newcomers(self) -> int:
        return len(self._newcomers)

    def welcome(self, watch: Watch) -> None:
        """Have a fresh watch wait for its first look."""
        self._newcomers.append(watch)

    def next_due(self, now: float) -> float:
        """Return when the next look may be made."""
        due = self._agenda_due(now)
        return min(due, self._next_newcomer_at()) if self._newcomers else due

    def take(self, now: float, many: int) -> Watch:
        """Take off whose turn it is; there must be somebody (see `next_due`).

        Args:
            now: When, on the loop's clock.
            many: How many jobs are watched.
        """
        # By turns where both are due, so that neither those who keep coming nor those who are there starve the others.
        by_turns = self._was_newcomer and self._agenda_due(now) <= now
        self._was_newcomer = bool(self._newcomers) and self._next_newcomer_at() <= now and not by_turns
        if self._was_newcomer:
            self._next_newcomer = max(now, self._next_newcomer + self._between_newcomers(many))
            return self._newcomers.popleft()
        if FIRST < self._agenda.next_due() < now - _LATE:
            usual = min(self._budget.demand, self._budget.rate(now))
            self._next_late = now + 1.0 / (_CATCH_UP * max(usual, 1.0 / AWAY_AT_MOST))
        return self._agenda.pop()

    def company(self, most: int, until: float) -> dict[Watch, float]:
        """Take off who may as well be looked at with the one that was taken last.

        Args:
            most: How many at most.
            until: Up to when they may be due.

        Returns:
            When each was due; `NEVER` for a newcomer.
        """
        found: dict[Watch, float] = {}
        sources = [self._more_due, self._more_newcomers]
        for source in reversed(sources) if self._was_newcomer else sources:
            found |= dict(source(most - len(found), until))
        return found

    def _more_newcomers(self, most: int, _until: float) -> Iterator[tuple[Watch, float]]:
        passed: list[Watch] = []
        while most > 0 and len(passed) <= _PASSED and self._next_newcomer_at() != NEVER:
            watch = self._newcomers.popleft()
            if watch.alone:
                passed.append(watch)
            else:
                most -= 1
                yield watch, NEVER
        self._newcomers.extendleft(reversed(passed))

    def _more_due(self, most: int, until: float) -> Iterator[tuple[Watch, float]]:
        passed: list[tuple[Watch, float]] = []
        while most > 0 and len(passed) <= _PASSED and (due := self._agenda.next_due()) <= until:
            watch = self._agenda.pop()
            if watch.alone:
                passed.append((watch, due))
            else:
                most -= 1
                yield watch, due
        for watch, due in passed:
            self._agenda.put(watch, due)

    def _agenda_due(self, now: float) -> float:
        """Return when the next look at a job seen before may be made; where many are late, one after the other."""
        due = self._agenda.next_due()
        return max(due, self._next_late) if FIRST < due < now - _LATE and self.known > AT_ONCE else due

    def _next_newcomer_at(self) -> float:
        newcomers = self._newcomers
        while newcomers and not (newcomers[0].fresh and newcomers[0].wanted):
            newcomers.popleft()
        return self._next_newcomer if newcomers else NEVER

    def _between_newcomers(self, many: int) -> float:
        """Spread the first looks at many new jobs over the time that lies between two looks at a job."""
        if many <= AT_ONCE:
            return 0.0
        if not self.known:
            return _BLIND
        # Jobs that share their looks want next to none each: they say little about the others.
        return min(self.known / self._budget.demand, self._max_interval) / many
