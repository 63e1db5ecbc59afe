"""How fast the first looks at many new jobs may go: jobs that have ended are learned of at once, others are no herd.

Thousands of jobs that are added together are all due at once. If they have ended, to ask about all of them as fast as
answers come is right: no second look follows. If they go on, that would be a herd, many times as many requests a second
as the jobs will want from then on. Which of the two it is, the first answers tell. Pure: time comes in as an argument.
"""

from __future__ import annotations

_FEW = 64
"""How many jobs are no herd."""

_ABOVE = 1.35
"""How many times as many requests as all jobs will want may go while first looks are made."""

_LEAST = 200.0
"""How many first looks a second may always go, so that few jobs that are seldom looked at are all seen soon."""

_CATCH_UP = 0.1
"""For how long, in seconds, first looks that could not go in time may be made up for."""


class FirstLooks:
    """Says when the next first look may be made."""

    __slots__ = ("_answered", "_began", "_made", "_slot", "_spacing", "_went_on")

    def __init__(self) -> None:
        self._began = 0.0
        self._made = 0
        self._answered = 0
        self._went_on = 0
        self._slot = 0.0
        self._spacing = 0.0

    @property
    def next_at(self) -> float:
        """When the next one may be made, on the clock that `made` was told of."""
        return self._slot

    def due(self, now: float, most: int) -> int:
        """Return how many may be made at a time, of so many at most."""
        if now < self._slot:
            return 0
        return min(most, 1 + int(min(now - self._slot, _CATCH_UP) / self._spacing)) if self._spacing else most

    def answered(self, *, goes_on: bool) -> None:
        """Learn what a first look has shown."""
        self._answered += 1
        self._went_on += goes_on

    def made(self, now: float, waiting: int, known: int, demand: float) -> None:
        """Take note of a first look that begins.

        Args:
            now: When, in seconds.
            waiting: How many jobs wait for theirs.
            known: How many jobs have had it, and go on.
            demand: How many looks a second these want.
        """
        self._began = self._began if self._made else now
        self._made += 1
        rate = self._rate(waiting, known, demand)
        self._spacing = 0.0 if rate is None else 1.0 / rate
        if rate is None:
            self._slot = 0.0
        elif not self._slot:  # those that went before anything was known count, too
            self._slot = self._began + self._made / rate
        else:
            self._slot = max(self._slot, now - _CATCH_UP) + self._spacing

    def _rate(self, waiting: int, known: int, demand: float) -> float | None:
        """Return how many may go a second; None for as many as there is place for."""
        if not (self._went_on and known) or self._made + waiting <= _FEW:
            return None
        going_on = self._went_on / self._answered
        wanted = demand / known * (known + going_on * waiting)
        # Of jobs that go on, and of half of them, too, that is what leaves room for the looks at those that are known.
        # The fewer go on, the fewer looks follow the first ones, which then need not wait.
        return max(_LEAST, _ABOVE * wanted / going_on**2 - demand)
