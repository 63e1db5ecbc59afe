"""Held looks: requests that a server may leave without an answer until there is news (long polling).

1. Such looks have places of their own, beside those of `places`, as many as a client may have looks under way: they
   keep no other job from being looked at. Where all of them are taken, jobs are looked at as if nothing were held.
2. Where the request says for how long it may be held, it is held no longer than the nearest time limit of those who
   wait, less what an answer takes; and the first look at a job, one that follows a fault or is to confirm something,
   one that somebody waits for, and one after a wake-up are not held at all: they are to show what is. Such a look also
   ends one that is held.
3. Where the API holds every request as it likes, all looks are held, and none is ended for another: it is answered as
   soon as there is anything to say.
4. What follows is `Policy.follow_up`'s: a look that was held is followed by the next at once.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from .watch import NEVER

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from .._core.look import Looked, Policy
    from .._core.source import Seen
    from .schedule import Schedule
    from .watch import Registry, Watch

_WHOLE = 1.0
"""Servers are told whole seconds: less than one is none."""


class HeldLooks:
    """Knows which looks the server may hold, and ends those that something else does not wait for.

    Args:
        longest: For how long the server may hold a look, in seconds.
        is_told: Whether each request says for how long.
        policy: Says what follows.
        schedule: Knows how long answers take, and whether there is a place.
        registry: Who is watched.
    """

    def __init__(
        self, longest: float, policy: Policy, schedule: Schedule, registry: Registry, *, is_told: bool
    ) -> None:
        self.longest = longest
        self._is_told = is_told
        self._policy = policy
        self._schedule = schedule
        self._registry = registry
        self._under_way: dict[Watch, tuple[asyncio.Task[object], tuple[Watch, ...]]] = {}

    def time_for(self, watch: Watch, now: float) -> float:
        """Return for how long the look at a job that begins now may be held, in seconds; 0 if it may not."""
        if not self._schedule.has_place_for_held:
            return 0.0
        if not self._is_told:
            return self.longest
        watched = watch.watched
        is_to_confirm = watched.fault is not None or watched.is_to_be_confirmed
        if watch.unheld or watch.awaits_this_look or watched.looked_at is None or is_to_confirm:
            return 0.0
        return float(int(min(self.longest, max(0.0, self._left(watch, now)))))

    def _left(self, watch: Watch, now: float) -> float:
        """Return how long it is until the first of those who wait for a job has its last look made, in seconds."""
        awaited = self._registry.awaited.get(watch.watched.job_id)
        limits = None if awaited is None else awaited.deadlines
        return min(limits.values(), default=NEVER) - now - self._schedule.answer_time if limits else NEVER

    async def seen(self, watches: tuple[Watch, ...], asking: Coroutine[object, object, Seen]) -> Seen | None:
        """Await an answer that may be held; None where another look was to be made meanwhile, or nobody waits."""
        looker = asyncio.current_task()
        if looker is None:
            return await asking
        self._under_way.update(dict.fromkeys(watches, (looker, watches)))
        try:
            return await asking
        except asyncio.CancelledError:
            if watches[0] in self._under_way or looker.uncancel():
                raise  # somebody else cancelled the worker, too
            return None
        finally:
            self._forget(watches)

    def let_go(self, job_id: str) -> None:
        """End the look under way at a job that is held, since another one is to be made now."""
        if self._is_told:
            for watch in self._registry.of(job_id):
                self._end(watch)

    def drop(self, watch: Watch) -> None:
        """End the look under way that only a watch nobody wants any more was for."""
        _, watches = self._under_way.get(watch, (None, ()))
        if not any(each.wanted for each in watches):
            self._end(watch)

    def follow_up(self, watch: Watch, looked: Looked, took: float, held: float, now: float) -> Looked:
        """Have the next look made at once after one that was held, or that was not to be.

        Args:
            watch: The job's.
            looked: What the look gave.
            took: How long its answer took, in seconds.
            held: For how long it might be held.
            now: When, on the loop's clock.
        """
        if not (held or self._schedule.has_place_for_held) or self._left(watch, now) < _WHOLE:
            return looked
        return self._policy.follow_up(looked, took, held)

    def _end(self, watch: Watch) -> None:
        task, watches = self._under_way.get(watch, (None, ()))
        if task is not None:
            self._forget(watches)
            task.cancel()

    def _forget(self, watches: tuple[Watch, ...]) -> None:
        for each in watches:
            self._under_way.pop(each, None)
