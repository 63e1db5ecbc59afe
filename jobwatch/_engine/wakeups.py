"""Wake-ups: a job looked at now because somebody says that it has changed, whoever listens to it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from .watch import BEFORE_ALL, FIRST, LOOKING, NEVER

if TYPE_CHECKING:
    from .schedule import Schedule
    from .watch import Registry


class WakeUps:
    """Has jobs looked at; however many wake-ups come before a look, that is one look.

    Looks that wake-ups ask for lie at least the shortest interval apart, and wait while the API asks for a pause. One
    that another look overtakes leaves its turn to the next. First looks are due at once anyway, and made no later.

    Args:
        registry: Who is watched.
        schedule: Where looks are asked for.
        shortest: The shortest time between two looks, in seconds.

    Attributes:
        woken: The jobs whose look has yet to be scheduled.
    """

    def __init__(self, registry: Registry, schedule: Schedule, shortest: float) -> None:
        self._registry = registry
        self._schedule = schedule
        self._shortest = shortest
        self._time = asyncio.get_running_loop().time
        self.woken: set[str] = set()
        self._turns: dict[str, float] = {}
        self._by: dict[str, float] = {}

    def wake(self, job_id: str) -> bool:
        """Have a job looked at; return whether it will be: not if nobody wants to hear of it, or it has ended."""
        wanted = bool(self._registry.going_on(job_id))
        if wanted:
            self.woken.add(job_id)
            self.put_woken(job_id)
        return wanted

    def put_woken(self, job_id: str) -> None:
        """Have a woken job looked at, unless a look is under way: that may show what was before the wake-up."""
        if job_id not in self.woken:
            return
        if not any(watch.stage >= LOOKING for watch in self._registry.of(job_id)):
            self.woken.discard(job_id)
            self._put_all(job_id)

    def pending(self, job_id: str) -> float:
        """Return by when a look is still to be made that a wake-up asked for; `NEVER` if none is."""
        by = self._by.get(job_id, NEVER)
        return by if by > self._time() else NEVER

    def forget(self, job_id: str) -> None:
        """Forget a job that is not watched any more."""
        if self.woken:
            self.woken.discard(job_id)
        if self._by:  # without which there is no turn either
            self._turns.pop(job_id, None)
            self._by.pop(job_id, None)

    def _put_all(self, job_id: str) -> None:
        now = self._time()
        turn = self._turns.get(job_id, -NEVER)
        at = max(now, self._schedule.paused_until, turn if turn > now else turn + self._shortest)
        self._by[job_id] = at  # which may be a look that is due anyway, and sooner
        for watch in self._registry.going_on(job_id):
            if at < watch.due and (at <= now or watch.stage is not FIRST):
                watch.memo = None  # who says that a job has changed is not to be answered that it has not
                watch.unheld = True
                self._schedule.put(watch, BEFORE_ALL if at <= now else at)
                self._turns[job_id] = at
