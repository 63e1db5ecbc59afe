"""How many looks may be under way at once, and who may begin one: rule 4 of `schedule`.

A server may leave requests without an answer for as long as a look may last. So that those keep no others waiting:

* As many looks as `most` may be under way. One that takes much longer than answers usually do is slow, and each slow
  one lets another begin, up to a quarter of `most` more, and two at least: with 16, no more than 20 looks are ever
  under way.
* The last of these extra places is for jobs that answer, as their last look showed, and for no newcomer: however
  many newcomers hang, those are looked at.
* Jobs whose last look was slow have none of the extra places, and no more than three quarters of the others, unless
  somebody waits for this very look, as at a time limit.

Where `most` is 1, one request at a time is what was asked for: there is no extra place.
"""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from .watch import Watch

_SLOW: Final = 0.5
"""How long a look takes at least that is called slow, in seconds."""

_MANY_TIMES, _WEIGHT = 4.0, 0.25
"""How many times as long as usual it takes, and how much the latest answer counts for what is usual."""

_AFTER = 1e-4
"""How long after a look has become slow that is noticed, in seconds: a loop may ring a little early."""


def at_most(most: int) -> int:
    """Return how many looks may be under way where some are slow, of `most` where none is."""
    return most + max(2, most // 4) if most > 1 else most


class Places:
    """Counts the looks under way.

    Args:
        most: How many there may be, as long as none is slow.
        opened: Told when one more may begin since one under way has become slow.

    Attributes:
        has_slow_jobs: Whether any look so far was slow.
    """

    def __init__(self, most: int, opened: Callable[[], None]) -> None:
        self._most = most
        self._extra = at_most(most) - most
        self._for_slow = most - max(1, most // 4) if most > 1 else 1
        self._opened = opened
        self._loop = asyncio.get_running_loop()
        self._begun: dict[Watch, float] = {}  # the first to have begun comes first
        self._slow_jobs = 0
        self.has_slow_jobs = False
        self._usual = 0.0
        self._slow_after = _SLOW
        self._alarm: asyncio.TimerHandle | None = None

    def has_room(self, now: float) -> bool:
        """Return whether any look may begin."""
        return len(self._begun) < self._most or len(self._begun) < self._most + self._slow_looks(now)

    @property
    def room(self) -> int:
        """How many looks may begin, apart from those that slow ones let begin; 1 at least."""
        return max(1, self._most - len(self._begun))

    def has_room_for_newcomers(self, now: float) -> bool:
        """Return whether a look may begin at a job that was never looked at."""
        taken = len(self._begun)
        return taken < self._most or taken < self._most + min(self._slow_looks(now), self._extra - 1)

    @property
    def hold_back_slow_jobs(self) -> bool:
        """Whether no look may begin at a job whose last one was slow."""
        return self.has_slow_jobs and (self._slow_jobs >= self._for_slow or len(self._begun) >= self._most)

    def begin(self, watch: Watch, now: float) -> None:
        """Count a look as under way."""
        self._begun[watch] = now
        self._slow_jobs += watch.is_slow
        if self._alarm is None and self._extra and len(self._begun) >= self._most:
            self._set_alarm(now)

    def end(self, watch: Watch, now: float) -> None:
        """Count a look as over, and note whether it was slow."""
        self._slow_jobs -= watch.is_slow
        watch.is_slow = now - self._begun.pop(watch) >= self._slow_after
        self.has_slow_jobs = self.has_slow_jobs or watch.is_slow
        if self._alarm is not None and not self._begun:
            self._alarm.cancel()
            self._alarm = None

    def leave(self, watch: Watch) -> None:
        """Count a look no more that has a place elsewhere."""
        self._slow_jobs -= watch.is_slow
        del self._begun[watch]
        if self._alarm is not None and not self._begun:
            self._alarm.cancel()
            self._alarm = None

    def learn(self, seconds: float) -> None:
        """Learn how long an answer took."""
        self._usual += (seconds - self._usual) * (_WEIGHT if self._usual else 1.0)
        after = _MANY_TIMES * self._usual
        self._slow_after = after if after > _SLOW else _SLOW

    def _slow_looks(self, now: float) -> int:
        """Return how many looks under way are slow, as far as that opens places."""
        slow, before = 0, now - self._slow_after
        for begun in self._begun.values():
            if begun > before or slow == self._extra:
                break
            slow += 1
        return slow

    def _set_alarm(self, now: float) -> None:
        """See to it that the next look under way that becomes slow is noticed, where that opens a place."""
        slow = self._slow_looks(now)
        if self._alarm is None and slow < min(self._extra, len(self._begun)):
            begun = next(islice(self._begun.values(), slow, None))
            self._alarm = self._loop.call_at(begun + self._slow_after + _AFTER, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self._opened()
        if len(self._begun) >= self._most:
            self._set_alarm(self._loop.time())
