"""Whose turn it is: jobs seen before when they are due, and newcomers in between.

First looks at many new jobs are spread over the time that lies between two looks at a job. So are the looks at many
that a pause has made late, whatever the pause was.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from .._http.origin import LONGEST_PAUSE
from .watch import FIRST, NEVER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .._core.budget import Budget
    from .due_queue import DueQueue
    from .watch import Watch

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


class FairQueue:
    """Says whose look is next, and when.

    Args:
        due_queue: Which watch is due when, once it has been looked at.
        budget: Knows how many looks a second are wanted, and may be made.
        max_interval: The longest time between two looks at a job, in seconds.

    Attributes:
        known: How many watched jobs have been looked at and go on.
        first_looks: How many wait for their first look, and perhaps some that do not any more.
    """

    def __init__(self, due_queue: DueQueue, budget: Budget, max_interval: float) -> None:
        self._due_queue = due_queue
        self._budget = budget
        self._max_interval = max_interval
        self._first_looks: deque[Watch] = deque()
        self._next_first_look = 0.0
        self._was_first_look = False
        self._next_late = 0.0
        self.known = 0

    @property
    def first_looks(self) -> int:
        return len(self._first_looks)

    def enqueue(self, watch: Watch) -> None:
        """Have a fresh watch wait for its first look."""
        self._first_looks.append(watch)

    def next_due(self, now: float) -> float:
        """Return when the next look may be made."""
        due = self._agenda_due(now)
        return min(due, self._next_first_look_at()) if self._first_looks else due

    def take(self, now: float, many: int) -> Watch:
        """Take off whose turn it is; there must be somebody (see `next_due`).

        Args:
            now: When, on the loop's clock.
            many: How many jobs are watched.
        """
        # By turns where both are due, so that neither those who keep coming nor those who are there starve the others.
        by_turns = self._was_first_look and self._agenda_due(now) <= now
        self._was_first_look = bool(self._first_looks) and self._next_first_look_at() <= now and not by_turns
        if self._was_first_look:
            self._next_first_look = max(now, self._next_first_look + self._between_first_looks(many))
            return self._first_looks.popleft()
        if FIRST < self._due_queue.next_due() < now - _LATE:
            usual = min(self._budget.demand, self._budget.rate(now))
            self._next_late = now + 1.0 / (_CATCH_UP * max(usual, 1.0 / LONGEST_PAUSE))
        return self._due_queue.pop()

    def members(self, most: int, until: float) -> dict[Watch, float]:
        """Take off who may as well be looked at with the one that was taken last.

        Args:
            most: How many at most.
            until: Up to when they may be due.

        Returns:
            When each was due; `NEVER` for a newcomer.
        """
        found: dict[Watch, float] = {}
        sources = [self._more_due, self._more_first_looks]
        for source in reversed(sources) if self._was_first_look else sources:
            found |= dict(source(most - len(found), until))
        return found

    def _more_first_looks(self, most: int, _until: float) -> Iterator[tuple[Watch, float]]:
        passed: list[Watch] = []
        while most > 0 and len(passed) <= _PASSED and self._next_first_look_at() != NEVER:
            watch = self._first_looks.popleft()
            if watch.alone:
                passed.append(watch)
            else:
                most -= 1
                yield watch, NEVER
        self._first_looks.extendleft(reversed(passed))

    def _more_due(self, most: int, until: float) -> Iterator[tuple[Watch, float]]:
        passed: list[tuple[Watch, float]] = []
        while most > 0 and len(passed) <= _PASSED and (due := self._due_queue.next_due()) <= until:
            watch = self._due_queue.pop()
            if watch.alone:
                passed.append((watch, due))
            else:
                most -= 1
                yield watch, due
        for watch, due in passed:
            self._due_queue.put(watch, due)

    def _agenda_due(self, now: float) -> float:
        """Return when the next look at a job seen before may be made; where many are late, one after the other."""
        due = self._due_queue.next_due()
        return max(due, self._next_late) if FIRST < due < now - _LATE and self.known > AT_ONCE else due

    def _next_first_look_at(self) -> float:
        first_looks = self._first_looks
        while first_looks and not (first_looks[0].fresh and first_looks[0].wanted):
            first_looks.popleft()
        return self._next_first_look if first_looks else NEVER

    def _between_first_looks(self, many: int) -> float:
        """Spread the first looks at many new jobs over the time that lies between two looks at a job."""
        if many <= AT_ONCE:
            return 0.0
        if not self.known:
            return _BLIND
        # Jobs that share their looks want next to none each: they say little about the others.
        return min(self.known / self._budget.demand, self._max_interval) / many
