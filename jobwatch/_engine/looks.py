"""The looks: makes those that are due, and enters what they show.

There is no retry around a request: a look that failed is a value like any other, and the pace says when to look again.
Whatever the look at one job raises ends the watch of that job, and of no other.
"""

from __future__ import annotations

import asyncio
import logging
import math
import traceback
from typing import TYPE_CHECKING

from msgspec.structs import replace

from .._core.job_times import known_after
from .._core.limits import Unanswered
from .._core.look import Looked, skew_of
from .._core.remarks import with_remark
from .._core.source import Seen
from .._errors import ConfigError, JobwatchError
from .._models import UNCHANGED, Fault, FaultKind, Job, Outcome, Phase, printable
from .batches import told_once
from .counters import Counters
from .logged import LookLog
from .schedule import LONGEST_PAUSE
from .sleeps import Sleeps
from .watch import BEFORE_ALL, DUE, IDLE, LOOKING, NEVER, AwaitedWatch

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Sequence

    from .._core.look import Policy
    from .._core.source import Source
    from .._core.tracker import Watched
    from .clock import Clock
    from .details import Details
    from .grouping import Grouping, JointRequest
    from .held import HeldLooks
    from .schedule import Schedule
    from .streams import Streams
    from .wakeups import WakeUps
    from .watch import Registry, Watch

_UNKNOWN = Phase.UNKNOWN  # until Python 3.12, to find a member takes longer than all that is done with it
_log = logging.getLogger("jobwatch")


class Looks:
    """Makes the looks that are due, and enters what they show.

    Args:
        policy: Says what a look changes, and when to make the next.
        source: Is asked about the jobs.
        schedule: Says which is due.
        clock: The time, and one random number a look.
        registry: Who is watched.
        grouping: Which jobs one request can show.
        wakeups: Which looks somebody has asked for.
        streams: Which jobs' streams are followed, if any are to be.
        held: Which looks the server may hold, if any.
        details: Asks for what is told of an end by requests of its own, if anything is.
        counters: Counts what lists show, and the ends.
    """

    def __init__(
        self,
        *,
        policy: Policy,
        source: Source,
        schedule: Schedule,
        clock: Clock,
        registry: Registry,
        grouping: Grouping,
        wakeups: WakeUps,
        streams: Streams | None,
        held: HeldLooks | None = None,
        details: Details | None = None,
        counters: Counters | None = None,
    ) -> None:
        self._counters = Counters() if counters is None else counters
        self._policy = policy
        self._source = source
        self._schedule = schedule
        self._clock = clock
        self._registry = registry
        self._grouping = grouping
        self._wakeups = wakeups
        self._streams = streams
        self._held = held
        self._details = details
        self._sleeps = None if policy.retention is None else Sleeps(clock, registry)
        self._cancellable: dict[Watch, asyncio.Task[object]] = {}
        self._asking: dict[Watch, tuple[object, float]] = {}
        self._logged: set[str] = set()
        self._log = LookLog(policy)

    def next(self, looker: asyncio.Task[object]) -> Coroutine[object, object, None] | None:
        """Return the look that is due, to be awaited by a task; None if none is."""
        schedule, now = self._schedule, self._clock.now()
        watch = schedule.take(now)
        if watch is None:
            return None
        if now < schedule.paused_until:  # beyond all patience, or it would not be due: nobody is to wait for that
            return self._turn_away(watch, schedule.paused(now))
        if self._held is not None and (hold := self._held.time_for(watch, now)):
            schedule.hold(watch)
            return self._look_at(watch, looker, now, hold)
        joint = self._grouping.joint(watch, self._interval(watch)) if self._grouping.is_possible else None
        if joint is None:
            return self._look_at(watch, looker, now)
        return self._look_at_many(watch, looker, joint)

    def resume(self, watch: Watch) -> None:
        """Go on looking at a job whose watch was given up, at the pace that follows faults."""
        watch.watched = replace(watch.watched, outcome=None)
        self._grouping.join(watch)
        price = self._schedule.price(self._clock.now())
        known = replace(watch.watched, failing_since=None)  # no patience is left whose end would be a time to look
        next_look = self._policy.next_look(known, self._unix(), self._clock.uniform(), self._shared(price, watch))
        next_look = min(next_look, LONGEST_PAUSE)
        looked = Looked(watch.watched, (), None, next_look)
        self._put_next(watch, looked, next_look, price, self._clock.now())

    def let_go(self, job_id: str) -> None:
        """End the look under way that the server holds, since another one is to be made now."""
        if self._held is not None:
            self._held.let_go(job_id)

    def unanswered(self, watch: Watch) -> Unanswered | None:
        """Return for how long the look under way at a job has had no answer, and why; None if there is none.

        One that the server may hold is none: to have no answer is as it should be.
        """
        asking = self._asking.get(watch)
        if asking is None:
            return None
        asker, since = asking
        told = self._source.how_far(asker, since) or "the look was not answered"
        return Unanswered(self._clock.now() - since, told)

    def drop(self, watch: Watch) -> None:
        """End the look under way that only a watch nobody wants any more was for."""
        looking = self._cancellable.pop(watch, None)
        if looking is not None:
            looking.cancel()
        if self._held is not None:
            self._held.drop(watch)
        if self._sleeps is not None:
            self._sleeps.forget(watch)
        if self._logged:
            self._logged.discard(watch.watched.job_id)

    def shown(self, job: Job, joint: Collection[Watch] = (), retry_after: float | None = None) -> list[Watch]:
        """Enter a job that a list shows, whether that was the reason for the request or not.

        Args:
            job: The job.
            joint: The watches that the list was asked for; others are passed by while a look at them is under way.
            retry_after: For how many seconds it asks not to be asked about its jobs.

        Returns:
            The watches that it was entered into.
        """
        awaiting = [watch for watch in self._registry.going_on(job.id) if watch.stage < LOOKING or watch in joint]
        if not awaiting:
            self._policy.history.add(job, told=True)
        if self._details is not None and job.phase.ended:
            self._ask_singly(awaiting)
            return []
        entered = [watch for watch in awaiting if self._enter_listed(watch, job, retry_after)]
        self._counters.listed += len(entered)
        return entered

    def _ask_singly(self, watches: Collection[Watch]) -> None:
        """Have looks made at once that show all of an end, which a list does not tell.

        Not of one that is known and held back: its look is due at a time of its own.
        """
        for watch in watches:
            self._grouping.set_apart(watch)
            if watch.watched.unsettled is not None:
                continue
            if watch.stage < LOOKING:
                self._schedule.put_first(watch)
            else:
                watch.await_next_look()

    # --- one job -----------------------------------------------------------------------------------------------

    async def _turn_away(self, watch: Watch, fault: Fault) -> None:
        try:
            self._enter_seen(watch, Seen(fault), self._unix(), self._clock.now())
        finally:
            self._end(watch, (watch,))

    async def _look_at(self, watch: Watch, looker: asyncio.Task[object], now: float, hold: float = 0.0) -> None:
        others = self._taken_along(watch) if self._registry.awaited and self._registry.background else []
        watches = (watch, *others) if others else (watch,)
        ended_at = None
        try:
            known = watch.watched
            if known.place is not None:
                if await self._is_unkept(watch, others):
                    return
                known, now = watch.watched, self._clock.now()
            question = self._question(watch, known, others, hold)
            if hold and self._held is not None:
                seen = await self._held.seen(watches, self._schedule.answer(question, held=True))
            else:
                # Awaited here, and not in a coroutine of its own, which would cost each look a thousand instructions.
                self._begin_asking(watches, looker, now)
                try:
                    seen = await question
                except asyncio.CancelledError as cancelled:
                    self._check_called_off(watches, looker, cancelled)
                    seen = None
                finally:
                    self._end_asking(watches)
            if seen is not None:
                answered_at = ended_at = self._clock.now()
                if not hold:
                    self._schedule.learn(seen, now, answered_at)
                is_fault = isinstance(seen.what, Fault)
                as_of = self._as_of(seen, now, answered_at) if is_fault else self._clock.epoch + answered_at - seen.age
                if self._details is not None and not self._is_held_back(watches, seen, as_of):
                    seen = await self._details.of(seen, watches)
                    ended_at = self._clock.now()
                times = None if self._held is None else (answered_at - now, hold)
                self._enter_in_all(watches, seen, as_of, ended_at, times)
            elif hold:
                self._put_back_held(watches, now)
        except Exception as error:  # noqa: BLE001 - whatever one job's look raises ends the watch of that job alone
            self._end_all_by(watches, error)
        finally:
            self._end(watch, watches, ended_at)

    def _end(self, watch: Watch, watches: Iterable[Watch], ended_at: float | None = None) -> None:
        """Count the look at a job as over, and let those rest that it was for: after all that reads what is known."""
        self._schedule.end(watch, ended_at)
        for each in watches:
            if IDLE < each.stage < LOOKING:
                try:
                    each.rest()
                except Exception as error:  # noqa: BLE001 - as in `_look_at`
                    self._end_by(each, error)

    def _taken_along(self, watch: Watch) -> list[Watch]:
        """Take the other watch of a job off the queue, if one and the same answer can serve it too."""
        others = self._others_with(watch)
        for other in others:
            self._schedule.remove(other)
            other.begin_look()
        return others

    async def _is_unkept(self, watch: Watch, others: Collection[Watch]) -> bool:
        """Whether it cannot be written down where a job goes on, so that it is not asked about."""
        unkept = await self._unkept(watch)
        if unkept is None:
            return False
        for each in (watch, *others):
            self._enter_seen(each, Seen(unkept), self._unix(), self._clock.now())
        return True

    def _begin_asking(self, watches: Sequence[Watch], looker: asyncio.Task[object], now: float) -> None:
        """Note that a task asks about a job; where one watch alone wants the answer, for no longer than it does."""
        self._schedule.begin_question()
        if len(watches) == 1:
            (watch,) = watches
            self._asking[watch] = looker, now
            self._cancellable[watch] = looker
        else:
            self._asks(watches, looker, now)

    def _end_asking(self, watches: Sequence[Watch]) -> None:
        self._schedule.end_question()
        for watch in watches:
            self._asking.pop(watch, None)
            self._cancellable.pop(watch, None)

    def _check_called_off(
        self, watches: Sequence[Watch], looker: asyncio.Task[object], cancelled: asyncio.CancelledError
    ) -> None:
        """Raise on, unless a look was cancelled by `drop`, and by nobody else who cancelled the worker, too."""
        if len(watches) > 1 or watches[0] in self._cancellable or looker.uncancel():
            raise cancelled

    def _asks(self, watches: Iterable[Watch], looker: asyncio.Task[object], now: float) -> None:
        """Note that a task asks about jobs."""
        asking = looker, now
        for watch in watches:
            self._asking[watch] = asking

    def _is_answered(self, watches: Iterable[Watch]) -> None:
        for watch in watches:
            self._asking.pop(watch, None)

    def _is_held_back(self, watches: Collection[Watch], seen: Seen, as_of: float) -> bool:
        """Whether an answer tells an end that all of them know, and that none of them is to believe yet."""
        return all(self._policy.holds_back(watch.watched, seen, as_of) for watch in watches)

    def _put_back_held(self, watches: Collection[Watch], asked_at: float) -> None:
        """Put back those whose look was ended though it was held, since another is to be made: that is not held."""
        due = max(self._clock.now(), asked_at + self._policy.pace.min_interval)
        for watch in watches:
            if watch.goes_on and watch.stage >= LOOKING:
                watch.memo, watch.unheld = None, True
                if watch.awaits_next_look:
                    self._schedule.put_first(watch)
                else:
                    self._schedule.put(watch, due)
                self._wakeups.put_woken(watch.watched.job_id)

    def _question(self, watch: Watch, before: Watched, others: Collection[Watch], hold: float) -> Awaitable[Seen]:
        """Return the question about a job, of which that is known, that one watch or two want to hear of."""
        memo = watch.memo
        # Two that know different things are served by one whole answer; and somebody who waits for this very look, at a
        # deadline above all, is to have the truth.
        is_awaited = watch.stage is not LOOKING and watch.awaits_this_look
        if is_awaited or (others and any(each.awaits_this_look or each.memo != memo for each in others)):
            memo = None
        if hold:
            return self._source.job(before.job_id, before.status, memo, self._schedule.turn, hold=hold)
        if before.place is None:
            return self._source.job(before.job_id, before.status, memo, self._schedule.turn)
        return self._source.job(before.job_id, before.status, memo, self._schedule.turn, before.place)

    async def _unkept(self, watch: Watch) -> Fault | None:
        """Wait until whoever keeps that has written down where a job goes on; return why that cannot be done."""
        for each in self._registry.of(watch.watched.job_id):
            if each.kept is not None:
                try:
                    await each.kept()
                except JobwatchError as error:
                    trouble = f"where the job goes on is not written down, so it is not asked about: {error}"
                    return Fault(FaultKind.UNREACHABLE, trouble)
                each.kept = None
        return None

    def _others_with(self, watch: Watch) -> list[Watch]:
        """Return the other watch of a job, if one and the same answer can serve it too."""
        is_conditional = self._source.is_conditional(watch.memo)
        return [
            other
            for other in self._registry.going_on(watch.watched.job_id)
            if other is not watch
            and other.stage < LOOKING
            and (not is_conditional or watch.memo == other.memo)
            and other.watched.place == watch.watched.place
        ]

    def _interval(self, watch: Watch) -> float:
        """Return how many seconds ago a job was looked at; at least the shortest interval there is."""
        looked_at = watch.watched.looked_at
        return max(0.0 if looked_at is None else self._unix() - looked_at, self._policy.pace.min_interval)

    # --- many jobs ---------------------------------------------------------------------------------------------

    async def _look_at_many(self, first: Watch, looker: asyncio.Task[object], joint: JointRequest) -> None:
        self._asks(joint.due, looker, self._clock.now())
        try:
            told = await self._grouping.jobs_of(joint)
            self._is_answered(joint.due)
            jobs, hint = (None, None) if told is None else told
            entered = {watch for job in told_once(jobs or ()) for watch in self.shown(job, joint.due, hint)}
            for watch, due in self._grouping.left_over(joint, jobs, entered):
                self._put_back(watch, due)
        finally:
            self._is_answered(joint.due)
            self._schedule.end(first)

    def _put_back(self, watch: Watch, due: float) -> None:
        """Put back a job that a list did not show, where it was; at once if somebody waits for the next look."""
        if watch.awaits_look:
            self._schedule.put_first(watch)
        elif due == NEVER:
            self._schedule.enqueue(watch)
        else:
            self._schedule.put(watch, due)
        if self._wakeups.woken:
            self._wakeups.put_woken(watch.watched.job_id)

    def _enter_listed(self, watch: Watch, job: Job, retry_after: float | None) -> bool:
        """Enter what a list shows of a job, unless it lags behind what is known; return whether it was entered."""
        try:
            now = self._clock.now()
            price = self._schedule.price(now)
            shared = self._shared(price, watch)
            if watch.not_before:  # a list puts forward no look that the job's own answer has put off
                retry_after = max(retry_after or 0.0, watch.not_before - now)
            watch.unpack()
            if self._sleeps is not None:
                self._sleeps.since_seen(watch)  # to notice a suspension before, and not after, the job is seen
            looked = self._policy.saw(
                watch.watched, job, self._unix(), self._clock.uniform(), shared, retry_after=retry_after
            )
            if looked.job is None or (self._source.has_moves and (job.phase.ended or watch.watched.place is not None)):
                return False  # the job is to be asked for by itself
            due = self._schedule.remove(watch)
            watch.memo = None
            self._enter(watch, looked, price, now)
            # The list may have begun before somebody said that the job has changed.
            woken = BEFORE_ALL if due == BEFORE_ALL else self._wakeups.pending(watch.watched.job_id)
            if due != NEVER and watch.stage is DUE and woken < watch.due:
                watch.unheld = True
                self._schedule.put(watch, woken)
            watch.rest()
        except Exception as error:  # noqa: BLE001 - as in `_look_at`
            self._end_by(watch, error)
        return True

    # --- what a look showed ------------------------------------------------------------------------------------

    def _enter_in_all(
        self, watches: Iterable[Watch], seen: Seen, as_of: float, now: float, times: tuple[float, float] | None
    ) -> None:
        for watch in watches:
            self._enter_seen(watch, seen, as_of, now, times)

    def _enter_seen(
        self, watch: Watch, seen: Seen, as_of: float, now: float, times: tuple[float, float] | None = None
    ) -> None:
        """Enter what a look showed; `times` are how long it took, and might be held, where any look may be."""
        try:
            price = self._schedule.price(now)
            shared = self._shared(price, watch) if self._grouping.is_possible else price
            before = watch.watched
            if seen.looks > 1:
                watch.watched = before = replace(before, looks=before.looks + seen.looks - 1)
            what = UNCHANGED if watch.memo is not None and watch.memo == seen.memo else seen.what
            looked = self._policy.saw(
                before,
                what,
                as_of,
                self._clock.uniform(),
                shared,
                server_time=seen.server_time,
                retry_after=seen.retry_after,
                onward=seen.onward,
                slept=0.0 if self._sleeps is None else self._sleeps.since_seen(watch),
            )
            if seen.cached_for is not None or looked.watched.phase is _UNKNOWN:
                looked = with_remark(before, looked, as_of, seen.cached_for)
            if times is not None and self._held is not None:
                looked = self._held.follow_up(watch, looked, *times, now)
            if looked.transitions or looked.outcome is not None:
                watch.ahead = skew_of(seen.server_time, as_of)
            if what is not UNCHANGED:
                watch.memo = seen.memo if looked.job is not None and not looked.asks_anew else None
            self._enter(watch, looked, price, now)
        except Exception as error:  # noqa: BLE001 - as in `_look_at`
            self._end_by(watch, error)

    def _enter(self, watch: Watch, looked: Looked, price: float, now: float) -> None:
        """Enter what a look gave, have the next one made, and notify if there is news."""
        # Whether anybody waits for a look is asked of few: `LOOKING` says of most that nobody does.
        before, is_awaited = watch.watched, watch.stage is not LOOKING and watch.awaits_this_look
        is_news = looked.transitions or looked.outcome or looked.confirms_blocked
        if is_news or not before.looks:
            self._log.news(looked)
            self._count_end(watch, looked, before)
        has_moved = before.project_id != looked.watched.project_id
        if has_moved:
            self._grouping.leave(watch)
        watch.watched = looked.watched
        if watch.listeners and isinstance(watch, AwaitedWatch):
            if looked.transitions:
                watch.enter(looked.transitions)
            if looked.job is not None:
                watch.show(looked.job)
        if looked.next_look is None or not watch.wanted:
            self._retire(watch, before.job_id)
        else:
            self._put_next(watch, looked, looked.next_look, price, now)
            if has_moved:
                self._grouping.join(watch)
        # Whoever asked for a look while this one was under way, or a list, waits for the next.
        if looked.remark is not None:
            _log.warning("job %s: %s", printable(before.job_id), looked.remark)
        if is_news or is_awaited:
            watch.notify()
        if watch.on_look is not None and (
            is_news or looked.is_to_keep or looked.remark is not None or looked.watched.fault != before.fault
        ):
            self._report(watch.on_look, watch, looked, before)
        if self._wakeups.woken:
            self._wakeups.put_woken(before.job_id)

    def _count_end(self, watch: Watch, looked: Looked, before: Watched) -> None:
        """Count an end once, though two may watch the job, and how late it was known if the job was seen before."""
        outcome = looked.outcome
        if outcome is None or not outcome.is_end_of_job:
            return
        if watch.on_look is not None and before.job_id in self._registry.awaited:
            return
        lag = None
        if looked.job is not None and before.looks:
            lag = known_after(looked.job, looked.watched.looked_at, watch.ahead)
        self._counters.ended(outcome, lag)

    def _retire(self, watch: Watch, job_id: str) -> None:
        """Let go of a job that ended, or that nobody wants any more."""
        watch.to(IDLE)
        if watch.demand:
            self._schedule.demand(watch, 0.0)
        self._grouping.leave(watch)
        if self._streams is not None:
            self._streams.end_unless_wanted(job_id)

    def _put_next(self, watch: Watch, looked: Looked, next_look: float, price: float, now: float) -> None:
        schedule = self._schedule
        usually = max(next_look, self._policy.pace.min_interval) if looked.asks_anew else next_look
        spacing = usually if looked.watched.looks != 1 else self._without_jitter(looked, usually, price)
        if looked.is_followed_up and self._held is not None:
            spacing = max(next_look, self._held.longest)
        schedule.demand(watch, self._demand(watch, spacing, price, now))
        delay = next_look
        if looked.least or watch.not_before:
            self._put_off(watch, now + looked.least if looked.least else 0.0, now)
        if watch.unheld:
            watch.unheld = False
        if price > 1.0 and not looked.asks_anew:  # a look before something can be confirmed would be made in vain
            fault = looked.watched.fault
            asked = looked.least if fault is None else min(fault.retry_after or looked.least, LONGEST_PAUSE)
            delay = max(schedule.priced(next_look, price, now), self._policy.pace.min_interval, asked)
        if self._streams is not None and (not looked.asks_anew or looked.watched.seems_blocked):
            usual, delay = delay, self._streams.delay(looked.watched, delay)
            if looked.asks_anew:
                delay = min(usual, delay)  # a job that is blocked may go on by itself, and is to be confirmed if not
            elif delay > usual:
                schedule.demand(watch, 1.0 / delay)
        if watch.stage is not LOOKING and watch.awaits_next_look:
            schedule.put_first(watch)
            return
        schedule.put(watch, now + delay)
        if self._log.explains:
            self._log.next_look(looked, delay, price, self._unix())

    def _put_off(self, watch: Watch, until: float, now: float) -> None:
        """Note until when the API has asked not to be asked about a job: whichever of its watches the next look is for.

        What is due because of a wake-up stays where it is, and what is to confirm something.
        """
        watch.not_before = until
        for other in self._registry.of(watch.watched.job_id):
            if other.stage is not DUE or not now < other.due < until or other.watched.fault is not None:
                continue
            if other.watched.is_to_be_confirmed:
                continue
            if other.due != self._wakeups.pending(watch.watched.job_id):
                other.not_before = until
                self._schedule.put(other, until)

    def _report(self, on_look: Callable[[Watch, Looked], None], watch: Watch, looked: Looked, before: Watched) -> None:
        """Call a watcher's function; where it raises, the look counts as not made, and is made again later."""
        try:
            on_look(watch, looked)
        except Exception as error:  # noqa: BLE001 - as in `_look_at`
            self._log_once(watch, error)
            self._grouping.leave(watch)  # as what it belongs to by this look; below, by what was known before
            watch.watched, watch.memo = before, None
            if watch.on_look is None:
                self._logged.discard(watch.watched.job_id)
                return  # it dropped the watch before it raised
            self._grouping.join(watch)
            self._schedule.put(watch, self._clock.now() + self._policy.pace.max_interval)

    def _end_by(self, watch: Watch, error: Exception) -> None:
        """End the watch of one job by an exception that nobody foresaw."""
        self._log_once(watch, error)
        message = str(error) if isinstance(error, ConfigError) else f"the look failed within jobwatch: {_name(error)}"
        fault, before = Fault(FaultKind.UNREADABLE, message), watch.watched
        watched = replace(
            before, looks=before.looks + 1, fault=fault, faults=before.faults + 1, outcome=Outcome.UNREADABLE
        )
        self._schedule.remove(watch)
        watch.memo = None
        self._enter(watch, Looked(watched, (), Outcome.UNREADABLE, None), 1.0, self._clock.now())

    def _end_all_by(self, watches: Iterable[Watch], error: Exception) -> None:
        for watch in watches:
            self._end_by(watch, error)

    def _log_once(self, watch: Watch, error: Exception) -> None:
        """Log where an exception came from; not its message, which may quote a server or hold a secret."""
        job_id = watch.watched.job_id
        if job_id not in self._logged:
            self._logged.add(job_id)
            trace = "".join(traceback.format_tb(error.__traceback__))
            _log.error("a look at job %s raised %s; other jobs go on\n%s", printable(job_id), _name(error), trace)

    # --- time, chance and price --------------------------------------------------------------------------------------

    def _unix(self) -> float:
        return self._clock.epoch + self._clock.now()

    def _as_of(self, seen: Seen, asked_at: float, answered_at: float) -> float:
        """Return the Unix time that an answer speaks of; for arguments, on the loop's clock, see `time_of`."""
        return time_of(seen, self._clock.epoch + asked_at, self._clock.epoch + answered_at)

    def _shared(self, price: float, watch: Watch) -> float:
        """Return what a look at one job costs, where others share it."""
        return price / self._grouping.sharers(watch, self._clock.now())

    def _demand(self, watch: Watch, next_look: float, price: float, now: float) -> float:
        """Return how many requests a second a job would cost at the plain price: intervals grow with its root."""
        readers = self._grouping.readers(watch, now) if self._grouping.is_possible else 1.0
        if self._registry.awaited and self._registry.background:
            readers *= len(self._registry.of(watch.watched.job_id))
        wanted = math.sqrt(price) / next_look
        return wanted / readers if readers > 1.0 else wanted

    def _without_jitter(self, looked: Looked, next_look: float, price: float) -> float:
        """Return how long it would be to the next look without jitter: what a second look's interval promises."""
        watched = looked.watched
        if watched.looks != 1 or watched.fault is not None:
            return next_look
        return self._policy.next_look(watched, self._unix(), None, price)


def time_of(seen: Seen, asked_at: float, answered_at: float) -> float:
    """Return the time that an answer speaks of: a slow "no such job" proves nothing of what has come since."""
    if isinstance(seen.what, Fault) and seen.what.kind is FaultKind.NOT_FOUND:
        return asked_at
    return answered_at - seen.age


def _name(error: Exception) -> str:
    return type(error).__name__
