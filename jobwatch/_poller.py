"""The poller: takes what is due off the agenda, looks, and puts it back. The only clock and the only dice.

One job, one poll: listeners of the same job share one `Watch`. A fixed number of workers make the looks, and they
live in a task of the poller's own, which starts with the first job watched and ends with the last, so that a
client may be opened in one task and closed in another. There is no retry around a request: a look that failed is
a value like any other, and the pace says when to look again.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from typing import TYPE_CHECKING

import anyio
from msgspec import Struct

from ._agenda import NEVER, Agenda, Watch
from ._errors import JobwatchError
from ._models import Fault, FaultKind, Job, Outcome, Transition
from ._pace import PRIOR, Pace, interval
from ._tracker import Patience, Watched, observe, patience_ends_at, unchanged

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._api import JobAPI
    from ._transport import Reply, Target, Transport

_SKEW_NOTICED = 2.0  # a Date header counts whole seconds, so less than this is no skew that can be told


class Looked(Struct, frozen=True):
    """What one look gave.

    Attributes:
        watched: What is known now, to be kept and given to the next look.
        transitions: The state changes that the look showed, in order.
        outcome: How the watch ended, or None while it goes on.
        next_look: Seconds to wait before the next look; None when the watch has ended.
        job: The job, when the look could read it.
    """

    watched: Watched
    transitions: tuple[Transition, ...]
    outcome: Outcome | None
    next_look: float | None
    job: Job | None = None


class Poller:
    """Looks at watched jobs of one API when they are due.

    Args:
        api: Whose jobs.
        transport: Makes the requests.
        pace: How eagerly to look.
        patience: How long looks may fail.
        workers: How many looks may be under way at once.
        dice: Draws evenly from [0, 1).
    """

    def __init__(
        self,
        api: JobAPI,
        transport: Transport,
        pace: Pace,
        patience: Patience,
        *,
        workers: int,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self._api = api
        self._transport = transport
        self._pace = pace
        self._patience = patience
        self._most_workers = workers
        self._dice = dice
        self._watches: dict[str, Watch] = {}
        self._agenda = Agenda()
        self._ready: deque[Watch] = deque()
        self._idle: deque[asyncio.Future[None]] = deque()
        self._working = 0
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = NEVER
        self._not_before = 0.0
        self._task: asyncio.Task[None] | None = None
        self._workers: asyncio.TaskGroup | None = None
        self._crash: BaseException | None = None
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self._epoch = time.time() - self._loop.time()

    # --- one look ----------------------------------------------------------------------------------------

    async def look(self, watched: Watched, target: Target) -> Looked:
        """Make exactly one look, unless the watch has ended."""
        if watched.outcome is not None:
            return Looked(watched, (), watched.outcome, None)
        return self._learned(watched, await self._transport.get(target))

    def _learned(self, watched: Watched, reply: Reply | Fault) -> Looked:
        now = self._now()
        if isinstance(reply, Fault):
            self._heed(reply)
            seen: Job | Fault = reply
            skew = 0.0
        else:
            seen = self._api.job(reply.body, watched.job_id)
            skew = _skew(reply, now)
        observed = observe(watched, seen, now, self._patience, skew=skew)
        return Looked(
            observed.watched,
            observed.transitions,
            observed.watched.outcome,
            None if observed.watched.outcome else self._delay(observed.watched, now),
            seen if isinstance(seen, Job) else None,
        )

    def _delay(self, watched: Watched, now: float) -> float:
        entered_at = watched.entered_at if watched.entered_at is not None else watched.added_at
        age = now - entered_at if entered_at is not None else 0.0
        phase = 1.0 - self._dice() if watched.looks == 1 else 1.0
        delay = interval(self._pace, age, PRIOR, phase=phase, progress=watched.progress)
        if watched.fault is None:
            return delay
        return self._delay_after_fault(watched, watched.fault, now, delay)

    def _delay_after_fault(self, watched: Watched, fault: Fault, now: float, delay: float) -> float:
        shortest, longest = self._pace.min_interval, self._pace.max_interval
        backoff = min(longest, shortest * 2.0 ** min(watched.faults - 1, 32)) * (0.5 + self._dice())
        last_chance = patience_ends_at(watched, self._patience) - now
        delay = max(shortest, min(max(delay, backoff), last_chance))
        return delay if fault.retry_after is None else max(delay, fault.retry_after)

    def _heed(self, fault: Fault) -> None:
        """Keep away from the whole origin for as long as it asked."""
        if fault.retry_after is not None and fault.kind in (FaultKind.RATE_LIMITED, FaultKind.UNREACHABLE):
            self._not_before = max(self._not_before, self._loop.time() + fault.retry_after)

    def _now(self) -> float:
        """Return Unix seconds on the loop's monotonic clock, which no clock change moves."""
        return self._epoch + self._loop.time()

    # --- those who listen ----------------------------------------------------------------------------------

    def watch(self, watched: Watched, target: Callable[[], Target]) -> Watch:
        """Listen to a job, and put it on the agenda if nobody listens to it yet."""
        self._check()
        watch = self._watches.get(watched.job_id)
        if watch is None:
            watch = self._watches[watched.job_id] = Watch(watched, target())
            if watched.outcome is None:
                self._put(watch, self._loop.time())
        watch.listeners += 1
        return watch

    def leave(self, watch: Watch) -> None:
        """Stop listening; the last one to leave takes the job off the agenda."""
        watch.listeners -= 1
        if watch.listeners or self._watches.get(watch.watched.job_id) is not watch:
            return
        del self._watches[watch.watched.job_id]
        self._agenda.remove(watch)
        if not self._watches:
            self._rest()

    def hurry(self, watch: Watch) -> bool:
        """Have a job looked at now, and its bell rung whatever that shows.

        Returns:
            Whether it will be: not if the watch has ended, or the origin has asked us to stay away.
        """
        now = self._loop.time()
        if watch.watched.outcome is not None or now < self._not_before:
            return False
        watch.hurried = True
        if watch.due == NEVER and watch not in self._ready:
            watch.again = True
        elif watch.due != NEVER:
            self._put(watch, now)
        return True

    async def news(self, watch: Watch, until: float = NEVER) -> None:
        """Return when a job's bell rings, or at a time of the loop's clock."""
        self._check()
        listener: asyncio.Future[None] = self._loop.create_future()
        watch.hear(listener)
        alarm = None if until == NEVER else self._loop.call_at(until, _awaken, listener)
        try:
            await listener
        finally:
            if alarm is not None:
                alarm.cancel()
            watch.unhear(listener)

    def now(self) -> float:
        """Return the time of the loop's clock, in seconds."""
        return self._loop.time()

    async def aclose(self) -> None:
        """Stop looking, and wake all who listen."""
        self._closed = True
        if self._alarm is not None:
            self._alarm.cancel()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with anyio.CancelScope(shield=True):
                await asyncio.wait([task])
        self._ring_all()
        self._watches.clear()

    def _check(self) -> None:
        if self._crash is not None:
            raise JobwatchError("the poller has stopped by a fault of its own") from self._crash
        if self._closed:
            raise JobwatchError("the client is closed")

    def _ring_all(self) -> None:
        for watch in self._watches.values():
            watch.ring()

    # --- the agenda and its workers --------------------------------------------------------------------------

    def _put(self, watch: Watch, due: float) -> None:
        self._agenda.put(watch, due)
        if max(due, self._not_before) < self._alarm_at:
            self._set_alarm()

    def _set_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        self._alarm_at = max(self._agenda.next_due(), self._not_before)
        if self._agenda.next_due() == NEVER:
            self._alarm_at = NEVER
        else:
            self._alarm = self._loop.call_at(self._alarm_at, self._hand_out)

    def _hand_out(self) -> None:
        """Give what is due to the workers, and hire one more if all are busy."""
        now = self._loop.time()
        if now >= self._not_before:
            while (watch := self._agenda.pop_due(now)) is not None:
                self._ready.append(watch)
        self._alarm = None
        self._set_alarm()
        awakened = min(len(self._ready), len(self._idle))
        for _ in range(awakened):
            _awaken(self._idle.popleft())
        if len(self._ready) > awakened and self._working < self._most_workers:
            self._hire()

    def _hire(self) -> None:
        if self._working == 0:
            self._working = 1
            self._task = self._loop.create_task(self._run(), name="jobwatch poller")
        elif self._workers is not None:
            self._working += 1
            self._workers.create_task(self._work(), name="jobwatch worker")

    async def _run(self) -> None:
        try:
            async with asyncio.TaskGroup() as workers:
                self._workers = workers
                await self._work()
        except Exception as crash:  # noqa: BLE001 - whatever it was, those who listen must hear of it
            self._crash = crash
            self._ring_all()

    async def _work(self) -> None:
        """Make one look after another, until no job is left."""
        try:
            while self._watches:
                if not self._ready:
                    seat: asyncio.Future[None] = self._loop.create_future()
                    self._idle.append(seat)
                    await seat
                    continue
                watch = self._ready.popleft()
                if not watch.listeners:
                    continue
                if self._ready and not self._idle and self._working < self._most_workers:
                    self._hire()
                reply = await self._transport.get(watch.target, etag=watch.etag)
                self._take(watch, reply)
        finally:
            self._working -= 1

    def _rest(self) -> None:
        """Send the idle workers home."""
        while self._idle:
            _awaken(self._idle.popleft())

    def _take(self, watch: Watch, reply: Reply | Fault) -> None:
        """Enter what a look gave, put the job back on the agenda, and ring if there is news."""
        looked = self._same_again(watch) if _is_same_again(watch, reply) else self._looked(watch, reply)
        watch.watched = looked.watched
        watch.log += looked.transitions
        if looked.job is not None:
            watch.job = looked.job
        if looked.next_look is not None and watch.listeners:
            self._put(watch, self._loop.time() + (0.0 if watch.again else looked.next_look))
        hurried, watch.hurried, watch.again = watch.hurried, watch.again, False
        if looked.transitions or looked.outcome or (hurried and not watch.hurried):
            watch.ring()

    def _looked(self, watch: Watch, reply: Reply | Fault) -> Looked:
        looked = self._learned(watch.watched, reply)
        if isinstance(reply, Fault) or looked.job is None:
            watch.etag = watch.body_hash = None
        else:
            watch.etag, watch.body_hash = reply.etag, hash(reply.body)
        return looked

    def _same_again(self, watch: Watch) -> Looked:
        now = self._now()
        watched = unchanged(watch.watched, now)
        return Looked(watched, (), None, self._delay(watched, now))


def _is_same_again(watch: Watch, reply: Reply | Fault) -> bool:
    if isinstance(reply, Fault) or watch.body_hash is None:
        return False
    return reply.http_status == 304 or hash(reply.body) == watch.body_hash


def _skew(reply: Reply, now: float) -> float:
    if reply.server_time is None:
        return 0.0
    skew = reply.server_time - now
    return skew if abs(skew) > _SKEW_NOTICED else 0.0


def _awaken(sleeper: asyncio.Future[None]) -> None:
    if not sleeper.done():
        sleeper.set_result(None)
