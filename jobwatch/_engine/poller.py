"""The poller: what those who wait or watch hold of the engine; it puts the parts of the engine together.

One job, one poll: listeners of the same job share one `Watch`. A watcher, which may have begun with what its journal
knew, has one of its own beside it, and what a look shows is entered into both. A fixed number of workers make the
looks, and they live in a task of the poller's own, which starts with the first job watched and ends with the last, so
that a client may be opened in one task and closed in another.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from .._core.look import Looked
from .._core.moves import moved
from .._core.remarks import with_remark
from .._core.source import Seen
from .._core.tracker import Watched
from .._errors import ConfigError, JobwatchError
from .._http.tasks import running_loop
from .._models import Fault, FaultKind, Job, Unchanged
from .clock import Clock
from .counters import Counters
from .grouping import Grouping
from .looks import Looks, time_of
from .places import at_most
from .schedule import LONGEST_PAUSE, Schedule
from .streams import Streams
from .wakeups import WakeUps
from .watch import IDLE, LOOKING, NEVER, AwaitedWatch, Registry, Watch
from .workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .._core.budget import Budget
    from .._core.limits import Unanswered
    from .._core.look import Policy
    from .._core.moves import Place
    from .._core.source import Source
    from .._core.stats import Stats
    from .background import BackgroundWatch


class Prepared(Struct):
    """Watches in the background that are made and have not begun.

    Attributes:
        watches: All of them, by job.
        going_on: Those of jobs that have not ended.
        of_projects: Those of these whose project is known.
    """

    watches: dict[str, BackgroundWatch] = {}
    going_on: list[Watch] = []
    of_projects: list[Watch] = []

    def add(self, jobs: Iterable[Watched], on_look: Callable[[Watch, Looked], None]) -> list[Watch]:
        """Make more of them, of different jobs, and return these."""
        from .background import at_rest  # noqa: PLC0415 - a wait needs none

        made: list[Watch] = []
        for watched in jobs:
            known = replace(watched, faults=0) if watched.faults else watched  # those before are not to slow it down
            watch = at_rest(known, on_look)
            if known.outcome is None:
                self.going_on.append(watch)
                if known.project_id is not None:
                    self.of_projects.append(watch)
            made.append(watch)
            self.watches[known.job_id] = watch
        return made


class Poller:
    """Looks at watched jobs when they are due.

    Args:
        policy: Says what a look changes, and when to make the next.
        source: Is asked about the jobs.
        budget: Says what a request costs, and when the next may go.
        workers: How many looks may be under way at once; where some are slow, some more (see `places`).
        clock: The time and the random source; by default, the loop's and the system's.
        counters: Counts what is done.

    Attributes:
        stopped: Set when no more looks will be made: `check` then says why.
        counters: What was done so far, and who measures it.
    """

    def __init__(
        self,
        policy: Policy,
        source: Source,
        budget: Budget,
        *,
        workers: int,
        clock: Clock | None = None,
        counters: Counters | None = None,
    ) -> None:
        self.counters = Counters() if counters is None else counters
        self._budget = budget
        self._loop = running_loop()
        self.stopped = asyncio.Event()
        self._policy = policy
        self._source = source
        self.clock = clock or Clock()
        self._registry = Registry()
        self._closed = False
        self._workers = Workers(
            at_most(workers) + (workers if source.long_poll else 0),
            needed=self._registry.any,
            crashed=self._notify_all,
        )
        pace = policy.pace
        self._schedule = Schedule(budget, policy.patience.unreachable_after, self._workers, workers, self.counters)
        self._grouping = Grouping(source, self._schedule, policy.history, self.counters)
        self._wakeups = WakeUps(self._registry, self._schedule, pace.min_interval)
        self._streams = Streams(source, pace, self._registry, self._schedule) if source.has_streams else None
        held = None
        if source.long_poll:
            from .held import HeldLooks  # noqa: PLC0415 - few APIs need it

            held = HeldLooks(source.long_poll, policy, self._schedule, self._registry, is_told=source.tells_hold)
        self._details = None
        if source.has_details:
            from .details import Details  # noqa: PLC0415 - as above

            self._details = Details(source, self._schedule)
        self._looks = Looks(
            policy=policy,
            source=source,
            schedule=self._schedule,
            clock=self.clock,
            registry=self._registry,
            grouping=self._grouping,
            wakeups=self._wakeups,
            streams=self._streams,
            held=held,
            details=self._details,
            counters=self.counters,
        )
        self._workers.employ(self._looks.next, self._schedule.next_at, self._schedule.ready)

    # --- requests that no job's look is due for ----------------------------------------------------------------

    async def look(self, watched: Watched) -> Looked:
        """Make exactly one look, unless the watch has ended."""
        if watched.outcome is not None:
            return Looked(watched, (), watched.outcome, None)
        seen, as_of = await self._ask(watched.job_id, watched.status, watched.place, watched)
        self.check()  # a look that was cut off by closing is no sign of what the API is like
        jitter, price = self.clock.uniform(), self._schedule.price(self.clock.now())
        looked = self._policy.saw(
            watched,
            seen.what,
            as_of,
            jitter,
            price,
            server_time=seen.server_time,
            retry_after=seen.retry_after,
            onward=seen.onward,
        )
        return with_remark(watched, looked, as_of, seen.cached_for)

    def after_giving_up(self, watched: Watched) -> float:
        """Return after how many seconds to look again at a job whose looks have failed for as long as a wait lasts."""
        known = replace(watched, outcome=None, failing_since=None)  # no patience is left whose end would be a time
        price = self._schedule.price(self.clock.now())
        return min(LONGEST_PAUSE, self._policy.next_look(known, self.unix(), self.clock.uniform(), price))

    async def job(self, job_id: str) -> Job | Fault:
        """Ask about a job, once a request may go; at once a fault, if the API has asked for a pause."""
        seen, at = await self._ask(job_id)
        watched = Watched(job_id=job_id, api=self._source.name)
        while seen.onward is not None:
            watched = moved(watched, seen.onward, at, 0.0)
            if watched.fault is not None:
                return watched.fault
            seen, at = await self._ask(job_id, place=watched.place)
        if isinstance(seen.what, Unchanged):
            return Fault(
                FaultKind.UNREADABLE, "unchanged since it was never asked about: no answer to a first question"
            )
        return seen.what

    async def project(self, project_id: str, limit: int, *, through_pauses: bool = False) -> tuple[Job, ...] | Fault:
        """Ask for a project's latest jobs, once a request may go; for `through_pauses` see `Schedule.turn`."""
        self.check()
        fault = await self._schedule.turn(through_pauses=through_pauses)
        self.check()
        if fault is not None:
            return fault
        told = await self._schedule.answer(self._source.project(project_id, limit, self._schedule.turn))
        self.counters.joint += 1
        return told.what

    def shown(self, jobs: Iterable[Job], retry_after: float | None = None) -> None:
        """Take jobs that a list showed into account, as looks at those of them that are watched.

        Args:
            jobs: The jobs.
            retry_after: For how many seconds the reply asks not to be asked about them.
        """
        for job in jobs:
            self._looks.shown(job, retry_after=retry_after)

    async def _ask(
        self, job_id: str, status: str | None = None, place: Place | None = None, known: Watched | None = None
    ) -> tuple[Seen, float]:
        """Ask about a job once a request may go; return the answer, and the Unix time that it speaks of."""
        self.check()
        fault = await self._schedule.turn()
        self.check()
        asked_at = self.clock.unix()
        if fault is not None:
            return Seen(fault), asked_at
        if place is None:
            question = self._source.job(job_id, status, None, self._schedule.turn)
        else:
            question = self._source.job(job_id, status, None, self._schedule.turn, place)
        seen = await self._schedule.answer(question)
        as_of = time_of(seen, asked_at, self.clock.unix())
        if self._details is None or seen.onward is not None or (known and self._policy.holds_back(known, seen, as_of)):
            return seen, as_of
        return await self._details.of(seen), as_of

    async def listed(self, project_id: str, limit: int) -> tuple[Job, ...] | Fault:
        """Ask for a project's latest jobs, however long the API has asked for a pause."""
        return await self.project(project_id, limit, through_pauses=True)

    def answer_time(self) -> float:
        """Return how long before a deadline to ask, so that the answer is there in time, in seconds."""
        return self._schedule.answer_time

    def unanswered(self, watch: Watch) -> Unanswered | None:
        """Return for how long the look under way at a job has had no answer, and why; None if there is none."""
        return self._looks.unanswered(watch)

    def stats(self) -> Stats:
        """Return what has been done so far, in numbers."""
        watches = {**self._registry.background, **self._registry.awaited}
        return self.counters.stats(watches.values(), self._budget, self.clock.now())

    @property
    def in_flight(self) -> int:
        """How many requests have no answer yet."""
        return self._schedule.in_flight

    def pause_left(self) -> float:
        """Return for how many seconds more the API has asked for no requests; 0 if it has not."""
        return max(0.0, self._schedule.paused_until - self.clock.now())

    def pause(self, seconds: float) -> None:
        """Make no request for so long, since the API has asked another process for that."""
        self._schedule.pause(seconds)

    def now(self) -> float:
        """Return the time of the loop's clock, in seconds."""
        return self.clock.now()

    def unix(self) -> float:
        """Return Unix seconds on the loop's clock, which no change of the system's time moves."""
        return self.clock.unix()

    # --- those who listen --------------------------------------------------------------------------------------

    def listen(self, watched: Watched, retry_after: float | None = None) -> AwaitedWatch:
        """Listen to a job; looks at it begin if nobody wanted it yet.

        Args:
            watched: What is known of it.
            retry_after: For how many seconds the response that started it asks not to be asked about it.
        """
        self.check()
        watch = self._registry.awaited.get(watched.job_id)
        if watch is None:
            other = self._registry.background.get(watched.job_id)
            if other is not None and other.watched.place is not None and watched.place is None:
                # Where it was before, it may not be any more.
                watched = replace(watched, place=other.watched.place, visited=other.watched.visited)
            watch = self._registry.awaited[watched.job_id] = AwaitedWatch(watched)
            self._begin(watch, 0.0 if retry_after is None else self._policy.hint(retry_after))
        watch.listeners += 1
        return watch

    def watch(self, watched: Watched, on_look: Callable[[Watch, Looked], None]) -> Watch:
        """Have a function called with every look at a job that changes something.

        Raises:
            ConfigError: Another function is called for it already.
        """
        return self.watch_all([watched], on_look)[0]

    def watch_all(self, jobs: Sequence[Watched], on_look: Callable[[Watch, Looked], None]) -> list[Watch]:
        """Do what `watch` does, for very many different jobs at once: for all of them, or none."""
        prepared = Prepared()
        watches = prepared.add(jobs, on_look)
        self.begin_all(prepared)
        self.group(prepared.of_projects)
        return watches

    def begin_all(self, prepared: Prepared) -> None:
        """Begin with watches that were made before, all of them or none, in next to no time; `group` is to follow.

        Raises:
            ConfigError: One of the jobs is watched in the background already.
        """
        self.check()
        background = self._registry.background
        if not background.keys().isdisjoint(prepared.watches):
            job_id = next(job_id for job_id in prepared.watches if job_id in background)
            raise ConfigError(f"job {job_id} is watched already, by another watcher of this client")
        background.update(prepared.watches)
        self._schedule.enqueue(*prepared.going_on)

    def group(self, watches: Iterable[Watch]) -> None:
        """Have lists show those of some watches that still go on: until then each is asked about by itself."""
        for watch in watches:
            if watch.stage is not IDLE:
                self._grouping.join(watch)

    def resume(self, watch: Watch) -> None:
        """Go on looking at a job whose watch was given up, slower and slower while looks fail."""
        self._looks.resume(watch)

    def leave(self, watch: AwaitedWatch) -> None:
        """Stop listening; when the last one leaves, looks at the job end."""
        watch.listeners -= 1
        if not watch.wanted and not self._loop.is_closed():
            self._drop(watch)

    def drop(self, watch: Watch) -> None:
        """Stop calling a function for a job."""
        watch.on_look = None
        if not watch.wanted:
            self._drop(watch)

    def look_now(self, watch: Watch) -> bool:
        """Have a job looked at now, and its listeners notified whatever that shows.

        Returns:
            Whether it will be: not if the watch has ended, or the API has asked for a pause.
        """
        if watch.watched.outcome is not None or self.clock.now() < self._schedule.paused_until:
            return False
        if watch.stage >= LOOKING:
            watch.await_next_look()
            self._looks.let_go(watch.watched.job_id)
        else:
            self._schedule.put_first(watch)
        return True

    def wake(self, job_id: str) -> bool:
        """Have a job looked at now, as `WakeUps.wake` does."""
        wanted = self._wakeups.wake(job_id)
        if wanted:
            self._looks.let_go(job_id)
        return wanted

    def wake_project(self, project_id: str) -> bool:
        """Have the jobs of a project looked at now, by one list where that can be read.

        Returns:
            Whether any of them will be.
        """
        woken = [self.wake(job_id) for job_id in self._grouping.to_wake(project_id)]
        return any(woken)

    async def news(self, watch: AwaitedWatch, until: float = NEVER) -> None:
        """Return when there is news of a job, or at a time of the loop's clock."""
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

    async def aclose(self) -> None:
        """Stop looking, and wake all who listen."""
        self._closed = True
        self._schedule.close()
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
        if running_loop() is not self._loop:
            raise ConfigError(
                "this client belongs to another event loop: make one within each asyncio.run, thread and process,"
                " or use jobwatch.SyncClient, which any thread may call"
            )

    def _notify_all(self) -> None:
        for watch in self._registry.awaited.values():
            watch.notify()
        self.stopped.set()

    def _begin(self, watch: Watch, after: float = 0.0) -> None:
        if watch.watched.outcome is not None:
            return
        self._grouping.join(watch)
        if after:
            watch.not_before = self.now() + after
            self._schedule.put(watch, watch.not_before)
        else:
            self._schedule.enqueue(watch)

    def _drop(self, watch: Watch) -> None:
        watch.unpack()
        if not self._registry.remove(watch):
            return
        self._looks.drop(watch)
        job_id, is_retired = watch.watched.job_id, watch.stage is IDLE
        if not is_retired:  # else it was on no queue, and all of this was done when its last look was entered
            self._schedule.remove(watch)
            watch.to(IDLE)
            self._grouping.leave(watch)
            self._schedule.demand(watch, 0.0)
        if self._registry.of(job_id):
            self._wakeups.put_woken(job_id)
        else:
            self._wakeups.forget(job_id)
        if self._streams is not None and not is_retired:
            self._streams.end_unless_wanted(job_id)
        if not self._registry:
            self._workers.send_home()


def _set(listener: asyncio.Future[None]) -> None:
    if not listener.done():
        listener.set_result(None)
