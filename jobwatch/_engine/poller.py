"""The poller: takes what is due off the agenda, looks, and puts it back. The only clock and the only dice.

One job, one poll: listeners of the same job share one `Watch`. A watcher, which may have begun with what its journal
knew, has one of its own beside it, and what a look shows is told to both. A fixed number of workers make the looks,
and they live in a task of the poller's own, which starts with the first job watched and ends with the last, so that a
client may be opened in one task and closed in another. There is no retry around a request: a look that failed is
a value like any other, and the pace says when to look again.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
import traceback
from typing import TYPE_CHECKING

from msgspec.structs import replace

from .._core.budget import Budget
from .._core.look import Looked, Policy
from .._errors import ConfigError, JobwatchError
from .._http.origin import LONGEST_PAUSE, Origin, as_of
from .._models import Fault, FaultKind, Job, Outcome, printable
from .due_queue import DueQueue
from .fair_queue import AT_ONCE, FairQueue
from .grouping import Grouping
from .lists import Pages
from .registry import Registry
from .streams import Streams
from .wakeups import WakeUps
from .watch import FIRST, NEVER, Watch
from .workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine, Iterable

    from .._core.tracker import Watched
    from .._http.transport import Target, Transport
    from .._reading.reply import Reply
    from .grouping import JointRequest

_log = logging.getLogger("jobwatch")

_TARGETS_KEPT = 10_000
"""Up to how many watched jobs a prepared URL is kept for each."""


class Poller:
    """Looks at watched jobs of one API when they are due.

    Args:
        policy: Makes sense of replies.
        transport: Makes the requests.
        budget: Says what a request costs, and when the next may go.
        target_of: Makes the URL of a job from its id.
        list_target_of: Makes the URL of a project's list from its id and the most jobs to show.
        batch_target_of: Makes the request for several jobs from their ids, where the API can be asked so.
        history_target_of: Makes the URL of a job's history, where the API tells it by a request of its own.
        stream_target_of: Makes the URL of a job's stream of events, where the API has one and it is to be used.
        workers: How many looks may be under way at once.
        uniform: Draws evenly from [0, 1); by default, as `random.random` does.
    """

    def __init__(
        self,
        policy: Policy,
        transport: Transport,
        budget: Budget,
        *,
        target_of: Callable[[str], Target],
        list_target_of: Callable[[str, int], Target],
        batch_target_of: Callable[[Collection[str]], Target] | None = None,
        history_target_of: Callable[[str], Target] | None = None,
        stream_target_of: Callable[[str], Target] | None = None,
        workers: int,
        uniform: Callable[[], float] | None = None,
    ) -> None:
        self._policy = policy
        self._budget = budget
        self._origin = Origin(transport, budget, policy.patience.unreachable_after)
        self._target_of = target_of
        self._history_target_of = history_target_of
        self._uniform = uniform or _uniform()
        self._registry = Registry()
        self._stopped: dict[Callable[[], None], None] = {}
        self._due_queue = DueQueue()
        self._queue = FairQueue(self._due_queue, budget, policy.pace.max_interval)
        self._pages = Pages(policy.api, policy.history)
        self._grouping = Grouping(
            policy,
            self._pages,
            self._due_queue,
            self._origin,
            list_target_of=list_target_of,
            batch_target_of=batch_target_of,
            history_target_of=history_target_of,
        )
        self._batches = self._grouping.batches
        self._lookers: dict[Watch, asyncio.Task[object]] = {}
        self._broke_until = 0.0
        self._broken: set[str] = set()
        self._workers = Workers(
            workers,
            work=self._next_look,
            due=self._next_at,
            needed=self._registry.any,
            crashed=self._notify_all,
        )
        pace = policy.pace
        self._wakeups = WakeUps(self._registry, self._put, self._origin, pace.min_interval)
        self._streams = (
            Streams(
                policy.api, pace, self._registry, self._origin, stream_target_of, put=self._put, demand=self._set_demand
            )
            if stream_target_of is not None
            else None
        )
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self._time = self._loop.time
        self._epoch = time.time() - self._time()

    # --- one look ------------------------------------------------------------------------------------------

    async def look(self, watched: Watched) -> Looked:
        """Make exactly one look, unless the watch has ended."""
        if watched.outcome is not None:
            return Looked(watched, (), watched.outcome, None)
        self.check()
        reply, seen_at = await self._origin.read_in_turn(self._target_of(watched.job_id))
        reply = await self.told(watched, reply)
        self.check()  # a look that was cut off by closing is no sign of what the API is like
        price = self._budget.price(self._time())
        return self._policy.replied(watched, reply, self._epoch + seen_at, self._jitter(), price)

    async def read(self, target: Target) -> Reply | Fault:
        """Make one request out of turn: once the budget lets it go, and none while the origin asks to be left alone."""
        return (await self._origin.read_in_turn(target))[0]

    async def told(self, watched: Watched, reply: Reply | Fault) -> Reply | Fault:
        """Add a job's history to a reply that shows a new state, where the API tells it by a request of its own."""
        if self._history_target_of is None or isinstance(reply, Fault):
            return reply
        job = self._policy.api.job(reply.body, watched.job_id, reply.http_status)
        if isinstance(job, Fault) or (watched.status or "").casefold() == job.status.casefold():
            return reply
        history = await self._origin.read(self._history_target_of(watched.job_id))
        return reply if isinstance(history, Fault) else replace(reply, history=history.body)

    async def listed(self, project_id: str, limit: int) -> tuple[Job, ...] | Fault:
        """Read a project's latest jobs, once the origin and the budget let a request go."""
        self.check()
        while wait := max(0.0, self._origin.not_before - self._time()) or self._budget.spend(self._time()):
            await asyncio.sleep(wait)
            self.check()
        return await self._grouping.list_of(project_id, limit)

    def shown(self, jobs: Iterable[Job]) -> None:
        """Take jobs that a list showed into account, as looks at those of them that are watched."""
        for job in jobs:
            self._see_listed(job)

    def now(self) -> float:
        """Return the time of the loop's clock, in seconds."""
        return self._time()

    def unix(self) -> float:
        """Return Unix seconds on the loop's clock, which no change of the system's time moves."""
        return self._epoch + self._time()

    # --- those who listen ----------------------------------------------------------------------------------

    def listen(self, watched: Watched) -> Watch:
        """Listen to a job; it goes on the agenda if nobody wanted it yet."""
        self.check()
        watch = self._registry.awaited.get(watched.job_id)
        if watch is None:
            watch = self._registry.awaited[watched.job_id] = Watch(watched)
            self._enqueue(watch)
        watch.listeners += 1
        return watch

    def watch(self, watched: Watched, on_look: Callable[[Watch, Looked], None]) -> Watch:
        """Have a function told of every look at a job that changes something.

        Raises:
            ConfigError: Another function is told of it already.
        """
        self.check()
        if watched.job_id in self._registry.background:
            raise ConfigError(f"job {watched.job_id} is watched already, by another watcher of this client")
        watch = self._registry.background[watched.job_id] = Watch(watched, on_look=on_look)
        self._enqueue(watch)
        return watch

    def resume(self, watch: Watch) -> None:
        """Go on looking, slowly, at a job whose watch was given up."""
        fault, pace = watch.watched.fault, self._policy.pace
        watch.watched = replace(watch.watched, outcome=None)
        self._pages.join(watch)
        slowly = pace.max_interval * (0.5 + self._uniform())
        asked = 0.0 if fault is None else min(fault.retry_after or 0.0, LONGEST_PAUSE)
        self._put(watch, self._time() + max(slowly, asked))

    def leave(self, watch: Watch) -> None:
        """Stop listening; the last one to leave takes the job off the agenda."""
        watch.listeners -= 1
        if not watch.wanted and not self._loop.is_closed():
            self._drop(watch)

    def drop(self, watch: Watch) -> None:
        """Stop telling a function of a job."""
        watch.on_look = None
        if not watch.wanted:
            self._drop(watch)

    def look_now(self, watch: Watch) -> bool:
        """Have a job looked at now, and its bell rung whatever that shows.

        Returns:
            Whether it will be: not if the watch has ended, or the origin has asked us to stay away.
        """
        now = self._time()
        if watch.watched.outcome is not None or now < self._origin.not_before:
            return False
        watch.urgent = True
        if watch.looking:
            watch.again = True
        else:
            watch.fresh = False
            self._put(watch, FIRST)
        return True

    def wake(self, job_id: str) -> bool:
        """Have a job looked at now, as `WakeUps.wake` does."""
        return self._wakeups.wake(job_id)

    def wake_project(self, project_id: str) -> bool:
        """Have the jobs of a project looked at now, by one list where that can be read.

        Returns:
            Whether any of them will be.
        """
        woken = [self.wake(job_id) for job_id in self._pages.to_wake(project_id, self._time())]
        return any(woken)

    async def news(self, watch: Watch, until: float = NEVER) -> None:
        """Return when a job's bell rings, or at a time of the loop's clock."""
        self.check()
        listener: asyncio.Future[None] = self._loop.create_future()
        watch.subscribe(listener)
        alarm = None if until == NEVER else self._loop.call_at(until, _set, listener)
        try:
            await listener
        finally:
            if alarm is not None:
                alarm.cancel()
            watch.unsubscribe(listener)

    def when_stopped(self, told: Callable[[], None]) -> None:
        """Have a function told when no more looks will be made: `check` then says why."""
        self._stopped[told] = None

    def no_longer_when_stopped(self, told: Callable[[], None]) -> None:
        """Stop telling a function."""
        self._stopped.pop(told, None)

    async def aclose(self) -> None:
        """Stop looking, and wake all who listen."""
        self._closed = True
        self._notify_all()  # before anything is awaited, which a cancelled task would not come back from
        if self._streams is not None:
            self._streams.end_all()
        await self._workers.aclose()
        if self._streams is not None:
            await self._streams.ended()
        self._registry.clear()

    def check(self) -> None:
        """Raise what keeps looks from being made, if anything does."""
        if self._workers.crash is not None:
            raise JobwatchError("the poller has stopped by a fault of its own") from self._workers.crash
        if self._closed:
            raise JobwatchError("the client is closed")

    def _notify_all(self) -> None:
        for watch in self._registry.awaited.values():
            watch.notify()
        stopped, self._stopped = self._stopped, {}
        for told in stopped:
            told()

    def _enqueue(self, watch: Watch) -> None:
        if watch.watched.outcome is None:
            self._pages.join(watch)
            self._queue.enqueue(watch)
            self._workers.wake_at(self._time())

    def _drop(self, watch: Watch) -> None:
        if not self._registry.remove(watch):
            return
        looker = self._lookers.pop(watch, None)
        if looker is not None:
            looker.cancel()
        self._due_queue.remove(watch)
        self._pages.leave(watch)
        self._set_demand(watch, 0.0)
        job_id = watch.watched.job_id
        if self._registry.of(job_id):
            self._wakeups.put_woken(job_id)
        else:
            self._broken.discard(job_id)
            self._wakeups.forget(job_id)
        if self._streams is not None:
            self._streams.end_unless_wanted(job_id)
        if not self._registry:
            self._workers.send_home()

    # --- what is due -----------------------------------------------------------------------------------------

    def _put(self, watch: Watch, due: float) -> None:
        self._due_queue.put(watch, due)
        if due < self._workers.alarm_at:
            self._workers.wake_at(max(due, self._origin.paused_until(), self._broke_until))

    def _next_at(self) -> float:
        """Return when the next look may be made, on the loop's clock."""
        return max(self._queue.next_due(self._time()), self._origin.paused_until(), self._broke_until)

    def _next_look(self) -> Coroutine[object, object, None] | None:
        """Return the look that is due, to be awaited; None if none is."""
        now = self._time()
        watch = self._next(now)
        if watch is None:
            return None
        if now < self._origin.not_before:
            return self._turn_away(watch, now)
        if self._batches is not None:
            joint = self._grouping.join_batch(watch, self._queue, now + self._interval(watch, now))
            if joint is not None:
                return self._look_together(joint)
        page = self._pages.page_for(watch, now, self._queue.first_looks)
        return self._look_at(watch) if page is None else self._look_together(self._grouping.join_list(watch, page))

    def _interval(self, watch: Watch, now: float) -> float:
        """Return how long it has been since a job was looked at; at least the shortest interval there is."""
        looked_at = watch.watched.looked_at
        return max(0.0 if looked_at is None else self._epoch + now - looked_at, self._policy.pace.min_interval)

    async def _turn_away(self, watch: Watch, now: float) -> None:
        self._take(watch, self._origin.away(now), self.unix())

    def _next(self, now: float) -> Watch | None:
        """Take what is to be looked at now off the agenda, and call another worker if there is more."""
        if self._queue.next_due(now) > now or now < self._origin.paused_until():
            return None
        wait = self._budget.spend(now) if now >= self._origin.not_before else 0.0
        if wait:
            self._broke_until = now + wait
            return None
        watch = self._queue.take(now, len(self._registry))
        watch.fresh = False
        watch.looking = True
        due = self._queue.next_due(now)
        if due <= now:
            self._workers.call()
        elif due < self._workers.alarm_at:
            self._workers.wake_at(self._next_at())
        return watch

    async def _look_at(self, watch: Watch) -> None:
        etag = watch.etag
        others = self._others_with(watch, etag) if self._registry.are_mixed else ()
        for other in others:
            self._due_queue.remove(other)
            other.looking, other.fresh = True, False
        try:
            answered = await self._answer_to(watch, others, etag)
        except Exception as error:  # noqa: BLE001 - whatever one job's look raises ends the watch of that job alone
            for each in (watch, *others):
                self._break(each, error)
            return
        if answered is not None:
            reply, seen_at = answered
            for each in (watch, *others):
                self._take(each, reply, seen_at)

    async def _answer_to(
        self, watch: Watch, others: Collection[Watch], etag: str | None
    ) -> tuple[Reply | Fault, float] | None:
        """Ask about one job; return the answer and the Unix time that it speaks of, or None if nobody wants it now."""
        target = watch.target or self._target_of(watch.watched.job_id)
        watch.target = target if len(self._registry) <= _TARGETS_KEPT else None
        asked_at = self._time()
        reply = await (self._origin.read(target, etag) if others else self._read_while_wanted(watch, target, etag))
        if reply is None:
            return None
        seen_at = self._epoch + as_of(reply, asked_at, self._time())
        if self._history_target_of is not None:
            reply = await self.told(watch.watched, reply)
        return reply, seen_at

    async def _read_while_wanted(self, watch: Watch, target: Target, etag: str | None) -> Reply | Fault | None:
        """Make a request that ends, with None, when nobody wants its answer any more."""
        looker = asyncio.current_task()
        if looker is not None:
            self._lookers[watch] = looker
        try:
            return await self._origin.read(target, etag)
        except asyncio.CancelledError:
            if watch in self._lookers or looker is None or looker.uncancel():
                raise  # somebody else cancelled the worker, too
            return None
        finally:
            self._lookers.pop(watch, None)

    def _others_with(self, watch: Watch, etag: str | None) -> list[Watch]:
        """Return the other watch of a job, if one and the same reply can serve it too."""
        return [
            other
            for other in self._registry.of(watch.watched.job_id)
            if other is not watch and self._awaits(other) and (etag is None or etag == other.etag)
        ]

    @staticmethod
    def _awaits(watch: Watch) -> bool:
        return watch.wanted and not watch.looking and watch.watched.outcome is None

    def _take(self, watch: Watch, reply: Reply | Fault, now: float) -> None:
        try:
            self._take_in(watch, reply, now)
        except Exception as error:  # noqa: BLE001 - as in `_look_at`
            self._break(watch, error)

    def _take_in(self, watch: Watch, reply: Reply | Fault, now: float) -> None:
        jitter, price = self._jitter(), self._price(watch)
        if _is_same_again(watch, reply):
            self._enter(watch, self._policy.same_again(watch.watched, now, jitter, price))
            return
        looked = self._policy.replied(watch.watched, reply, now, jitter, price)
        if isinstance(reply, Fault) or looked.job is None:
            watch.etag = watch.body_hash = None
        else:
            watch.etag, watch.body_hash = reply.etag, _hash_of(reply)
        self._enter(watch, looked)

    def _jitter(self) -> float | None:
        """Draw a number to set jobs apart that came together; where first looks were spread, they are apart."""
        return self._uniform() if self._queue.known < AT_ONCE else None

    def _price(self, watch: Watch) -> float:
        now = self._time()
        sharers: float = self._pages.sharers(watch, now)
        if self._batches is not None:
            sharers = max(sharers, self._batches.sharers(watch, now))
        return self._budget.price(now) / sharers

    async def _look_together(self, joint: JointRequest) -> None:
        jobs = await self._grouping.jobs_of(joint)
        shown = {watch for job in jobs or () for watch in self._see_listed(job)}
        for watch, due in self._grouping.left_over(joint, jobs, shown):
            self._put_back(watch, due)

    def _put_back(self, watch: Watch, due: float) -> None:
        """Put back a job that a list did not show, where it was; at once if somebody waits for the next look."""
        if watch.urgent:
            watch.again = False
            self._put(watch, FIRST)
        elif due == NEVER:
            watch.fresh = True
            self._queue.enqueue(watch)
            self._workers.wake_at(self._time())
        else:
            self._put(watch, due)
        if self._wakeups.woken:
            self._wakeups.put_woken(watch.watched.job_id)

    def _see_listed(self, job: Job) -> list[Watch]:
        """Take a job into account that a list shows, whether that was the reason for the request or not."""
        awaited = [watch for watch in self._registry.of(job.id) if self._awaits(watch)]
        if not awaited:
            self._policy.history.add(job, told=True)
        shown: list[Watch] = []
        for watch in awaited:
            try:
                if self._take_listed(watch, job):
                    shown.append(watch)
            except Exception as error:  # noqa: BLE001 - as in `_look_at`
                shown.append(watch)
                self._break(watch, error)
        return shown

    def _take_listed(self, watch: Watch, job: Job) -> bool:
        """Take what a list shows of a job into account, unless the list lags behind what is known."""
        looked = self._policy.saw(watch.watched, job, self.unix(), self._jitter(), self._price(watch))
        if looked.job is None:
            return False  # the job is to be asked for by itself
        self._due_queue.remove(watch)
        watch.fresh = False
        watch.etag = watch.body_hash = None
        self._enter(watch, looked)
        return True

    def _break(self, watch: Watch, error: Exception) -> None:
        """End the watch of one job by an exception that nobody foresaw; the watches of all other jobs go on."""
        self._log_once(watch, error)
        told = str(error) if isinstance(error, ConfigError) else f"the look failed within jobwatch: {_name_of(error)}"
        fault = Fault(FaultKind.UNREADABLE, told)
        watched = replace(
            watch.watched,
            looks=watch.watched.looks + 1,
            fault=fault,
            faults=watch.watched.faults + 1,
            outcome=Outcome.UNREADABLE,
        )
        self._due_queue.remove(watch)
        watch.fresh = False
        watch.etag = watch.body_hash = None
        self._enter(watch, Looked(watched, (), Outcome.UNREADABLE, None))

    def _log_once(self, watch: Watch, error: Exception) -> None:
        """Log where an exception came from; not its message, which may quote a server or hold a secret."""
        job_id = watch.watched.job_id
        if job_id not in self._broken:
            self._broken.add(job_id)
            trace = "".join(traceback.format_tb(error.__traceback__))
            _log.error("a look at job %s raised %s; other jobs go on\n%s", printable(job_id), _name_of(error), trace)

    def _enter(self, watch: Watch, looked: Looked) -> None:
        """Enter what a look gave, put the job back on the agenda, and ring if there is news."""
        before = watch.watched
        if before.project_id != looked.watched.project_id:
            self._pages.leave(watch)
        watch.watched = looked.watched
        watch.looking = False
        if watch.listeners:
            watch.enter(looked.transitions)
            if looked.job is not None:
                watch.show(looked.job)
        if looked.next_look is None or not watch.wanted:
            self._set_demand(watch, 0.0)
            self._pages.leave(watch)
            if self._streams is not None:
                self._streams.end_unless_wanted(watch.watched.job_id)
        else:
            now = self._time()
            price = self._budget.price(now)
            self._set_demand(
                watch, self._demand_of(watch, self._without_jitter(looked, looked.next_look, price), price, now)
            )
            delay = (
                looked.next_look if price <= 1.0 else self._delay(looked.watched.fault, looked.next_look, price, now)
            )
            if self._streams is not None:
                usual, delay = delay, self._streams.delay(looked.watched, delay)
                if delay > usual:
                    self._set_demand(watch, 1.0 / delay)
            self._put(watch, FIRST if watch.again else now + delay)
            if before.project_id != looked.watched.project_id:
                self._pages.join(watch)
        urgent, watch.urgent, watch.again = watch.urgent, watch.again, False
        if looked.transitions or looked.outcome or (urgent and not watch.urgent):
            watch.notify()
        if watch.on_look is not None and (looked.transitions or looked.outcome or looked.watched.fault != before.fault):
            self._tell(watch.on_look, watch, looked, before)
        if self._wakeups.woken:
            self._wakeups.put_woken(watch.watched.job_id)

    def _tell(self, on_look: Callable[[Watch, Looked], None], watch: Watch, looked: Looked, before: Watched) -> None:
        """Call a watcher's function; where it raises, the look counts as not made, and is made again later."""
        try:
            on_look(watch, looked)
        except Exception as error:  # noqa: BLE001 - as in `_look_at`
            self._log_once(watch, error)
            watch.watched = before
            watch.etag = watch.body_hash = None
            self._pages.join(watch)
            self._put(watch, self._time() + self._policy.pace.max_interval)

    # --- what a look costs -----------------------------------------------------------------------------------

    def _without_jitter(self, looked: Looked, next_look: float, price: float) -> float:
        """Return how long it would be to the next look without the dice: what a second look's interval promises."""
        if looked.watched.looks != 1 or self._queue.known >= AT_ONCE or looked.watched.fault is not None:
            return next_look
        return self._policy.next_look(looked.watched, self.unix(), None, price)

    def _delay(self, fault: Fault | None, next_look: float, price: float, now: float) -> float:
        """Cut a delay that a high price made long down to when the price will have fallen."""
        asked = 0.0 if fault is None else fault.retry_after or 0.0
        turn = self._budget.turn(next_look / math.sqrt(price), now)
        return max(min(next_look, turn), self._policy.pace.min_interval, asked)

    def _demand_of(self, watch: Watch, next_look: float, price: float, now: float) -> float:
        """Return how many requests a second a job would cost at the plain price: intervals grow with its root."""
        sharers: float = self._pages.readers(watch, now)
        if self._batches is not None:
            sharers = max(sharers, self._batches.readers(watch, now))
        if self._registry.are_mixed:
            sharers *= len(self._registry.of(watch.watched.job_id))
        return math.sqrt(price) / (next_look * max(1, sharers))

    def _set_demand(self, watch: Watch, demand: float) -> None:
        """Enter how many requests a second a job would cost at the plain price."""
        self._queue.known += (demand > 0.0) - (watch.demand > 0.0)
        self._budget.demand = max(0.0, self._budget.demand + demand - watch.demand) if self._queue.known else 0.0
        watch.demand = demand


def _is_same_again(watch: Watch, reply: Reply | Fault) -> bool:
    if isinstance(reply, Fault) or watch.body_hash is None:
        return False
    return reply.http_status == 304 or _hash_of(reply) == watch.body_hash


def _hash_of(reply: Reply) -> int:
    # With the status, which is the job's state where the API tells it so: the same body then means something else.
    return hash((reply.http_status, reply.body))


def _name_of(error: Exception) -> str:
    return type(error).__name__


def _uniform() -> Callable[[], float]:
    from random import random  # noqa: PLC0415 - it takes long to import

    return random


def _set(listener: asyncio.Future[None]) -> None:
    if not listener.done():
        listener.set_result(None)
