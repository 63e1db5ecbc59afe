"""The handle of one wait: a coroutine that can also be iterated."""

from __future__ import annotations

import logging
from collections.abc import Coroutine, Generator
from typing import TYPE_CHECKING, Any, Generic, NoReturn, Self, assert_never, cast

from .._core.job_times import JobTimes, times_of
from .._core.limits import SILENT, AtLimit, at_limit
from .._core.results import with_result
from .._engine.watch import NEVER, AwaitedWatch
from .._errors import (
    AuthError,
    ConfigError,
    JobBlocked,
    JobCancelled,
    JobEnded,
    JobFailed,
    JobNotFound,
    JobOutcomeUnknown,
    JobPartiallyFailed,
    JobwatchError,
    LookError,
    RateLimited,
    Unreachable,
    UnreadableReply,
    WaitTimeout,
)
from .._models import (
    Fault,
    FaultKind,
    Job,
    Outcome,
    Phase,
    Result_co,
    ResultLeftOut,
    Transition,
    Wire_co,
    excerpt,
    shown,
    state,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, CoroutineType, FrameType, TracebackType

    from .._core.ends import Ends
    from .._core.observer import Observer
    from .._core.tracker import Watched
    from .._engine.poller import Poller
    from .._engine.watch import Subscriber

_log = logging.getLogger("jobwatch")

_GRACE = 0.25
"""How long past its deadline a wait stays for an answer to its last look, in seconds."""

_HOPELESS = 2.0
"""How long a look has to have had no answer, in seconds, for no more time to be given to it then."""

_LEAST = 0.5
"""How long a wait lasts at least, in seconds, before it is over without an answer."""


class Wait(ResultLeftOut, Coroutine[Any, Any, Job[Wire_co, Result_co]], Generic[Wire_co, Result_co]):
    """One wait for one job: await it for the finished job, or iterate it for every state on the way.

    ``await`` gives the finished `Job`. ``async for`` yields each `Transition` once, in order, the last one
    included, and ends with the job, however that ended. Awaiting after iterating costs no second look. It is a
    coroutine to ``asyncio.create_task``, task groups, ``gather`` and the like. Nothing is sent before the first
    ``await`` or the first step of the iteration, and the time limit counts from there.

    A wait that is dropped, by ``break``, by cancelling or by its time limit, stops the looks if no other wait
    needs them; `aclose` does the same at once.

    Raises:
        JobFailed, JobPartiallyFailed, JobOutcomeUnknown, JobCancelled: Awaited, with ``check``, unless ``accept`` has
            it; iterating never raises these.
        JobBlocked: Awaited, with ``fail_on={"blocked"}``, also without ``check``, since the job is not over; iterating
            ends there, and does not raise it.
        LookError: The API could not be read, at all until the time limit or for too long on end: see its subclasses.
        WaitTimeout: The time limit was over first, and the job had been read, or no look had time for an answer.
        ResultMismatch: Awaited, with ``result``: the job ended well, and its result is of another type.
    """

    def __init__(
        self,
        enter: Callable[[], tuple[Poller, AwaitedWatch]],
        job_id: str,
        timeout: float | None,
        check: bool,
        ends: Ends,
        *,
        read: int = 0,
        result: type[Result_co] | None = None,
    ) -> None:
        self.job_id = job_id
        self._enter = enter
        self._timeout = timeout
        self._check = check
        self._ends = ends
        self._result = result
        self._poller: Poller | None = None
        self._watch: AwaitedWatch | None = None
        self._deadline = self._over_at = NEVER
        self._read = read
        self._reader = object()
        self._told: Callable[[Job], None] | None = None
        self._looks_last = False
        self._looked_before: float | None = None
        self._at_limit: AtLimit | None = None
        self._stood: float | None = None
        self._blocked: Job | None = None
        self._stopped_by: JobwatchError | None = None
        self._coroutine: CoroutineType[Any, Any, Job[Wire_co, Result_co]] | None = None
        self._observed: tuple[Observer, object] | None = None

    def __repr__(self) -> str:
        job = self.job
        told = "not begun" if self._watch is None else "never read" if job is None else state(job.status, job.phase)
        outcome = self.outcome
        return shown(f"Wait {excerpt(self.job_id)}: {told}", None if outcome is None else f"over: {outcome.value}")

    def _repr_html_(self) -> str:
        from .._models.notebook import html_of_wait  # noqa: PLC0415 - where a notebook asks, and seldom else

        return html_of_wait(self.job, self._watch.log if self._watch is not None else (), repr(self))

    # --- what is known so far -----------------------------------------------------------------------------

    @property
    def job(self) -> Job[Wire_co] | None:
        """The job as last read, its result as plain JSON values; None before the first good look."""
        return cast("Job[Wire_co] | None", self._watch.job) if self._watch is not None else None

    @property
    def watched(self) -> Watched | None:
        """Everything known of the job, as a value to keep or to carry elsewhere; None before the wait began."""
        return self._watch.watched if self._watch is not None else None

    @property
    def times(self) -> JobTimes | None:
        """When the job began and ended, for how long it ran, and how late its end was known; None if it was never read.

        How long the wait itself took is something else, and is not in it.
        """
        watch = self._watch
        if watch is None or watch.job is None:
            return None
        known_at = watch.watched.looked_at
        now = known_at or 0.0 if self._poller is None else self._poller.unix()
        return times_of(watch.job, known_at if watch.watched.looks else None, now, watch.ahead)

    @property
    def outcome(self) -> Outcome | None:
        """How the wait ended, or None while it goes on."""
        if self._blocked is not None:
            return Outcome.BLOCKED
        outcome = self._watch.watched.outcome if self._watch is not None else None
        if outcome is None and self._at_limit is not None:
            fault = self._at_limit.verdict
            return Outcome.TIMEOUT if fault is None else _outcome_of(fault)
        return outcome

    @property
    def fault(self) -> Fault | None:
        """What is wrong with the last look, or that the first has had no answer for 5 s; None if nothing is."""
        if self._at_limit is not None or self._watch is None:
            return None if self._at_limit is None else self._at_limit.last
        watched = self._watch.watched
        if watched.looks or self._poller is None:
            return watched.fault
        unanswered = self._poller.unanswered(self._watch)
        return None if unanswered is None or unanswered.seconds < SILENT else unanswered.fault

    @property
    def unread(self) -> tuple[Transition, ...]:
        """The states that looks have shown, and that the iteration has not yielded yet."""
        return () if self._watch is None else tuple(each for each in self._watch.log if each.seq > self._read)

    def follow(self, told: Callable[[Job[Wire_co]], None]) -> None:
        """Have a function told of the job each time that a look shows it otherwise: in its progress, say, or output.

        That is before the state changes of the same look are delivered, and once at the beginning where the job has
        been read already. It costs no request. Of several functions the last one given is told.

        Args:
            told: The function. It must not wait; if it raises, that is logged, and it is not called again.
        """

        self._told = _until_it_raises(cast("Callable[[Job], None]", told), self.job_id)
        if self._poller is not None:
            self._follow()

    # --- as an async iterator --------------------------------------------------------------------------------

    def __aiter__(self) -> Self:
        """Iterate over the transitions not yet yielded."""
        return self

    if not TYPE_CHECKING:  # checkers see that there is no such thing

        def __iter__(self) -> NoReturn:
            """Say that this is for ``async for``."""
            raise ConfigError("a Wait is for async for; without async, iterate over jobwatch.watch or SyncClient.watch")

    async def __anext__(self) -> Transition:
        """Return the next transition."""
        watch = self._begun()
        while (transition := watch.after(self._read)) is None:
            self._reads(watch)
            if not await self._news(watch):
                if self._blocked is None:
                    self._raise_unless_job_ended(watch)
                raise StopAsyncIteration
        self._read = transition.seq
        self._reads(watch)
        return transition

    async def _several(self) -> list[Transition]:
        """Return the next transition, and those after it that are known already; nothing at the end."""
        found: list[Transition] = []
        while not found or (self._watch is not None and self._watch.after(self._read) is not None):
            transition = await anext(self, None)
            if transition is None:
                break
            found.append(transition)
        return found

    async def aclose(self) -> None:
        """Stop waiting."""
        self.close()

    async def __aenter__(self) -> Self:
        """Stop waiting when the block is left."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop waiting."""
        self.close()

    # --- as a coroutine ----------------------------------------------------------------------------------------

    def __await__(self) -> Generator[Any, Any, Job[Wire_co, Result_co]]:
        """Wait for the end and return the job."""
        return self._finished().__await__()

    def send(self, value: Any, /) -> Any:
        """Advance the coroutine; for event loops."""
        return self._own_coroutine().send(value)

    def throw(self, kind: Any, value: Any = None, traceback: Any = None, /) -> Any:  # noqa: ARG002 - part of the protocol
        """Raise inside the coroutine; for event loops."""
        return self._own_coroutine().throw(value if value is not None else kind)

    @property
    def cr_running(self) -> bool:
        """Whether the coroutine is being executed; for anyio and debuggers, as are the next three."""
        return self._coroutine is not None and self._coroutine.cr_running

    @property
    def cr_suspended(self) -> bool:
        """Whether the coroutine is waiting for something."""
        return self._coroutine is not None and self._coroutine.cr_suspended

    @property
    def cr_frame(self) -> FrameType | None:
        """The frame of the coroutine."""
        return self._coroutine.cr_frame if self._coroutine is not None else None

    @property
    def cr_code(self) -> CodeType:
        """The code of the coroutine."""
        return Wait._finished.__code__

    def close(self) -> None:
        """Stop waiting."""
        coroutine, self._coroutine = self._coroutine, None
        if coroutine is not None:
            coroutine.close()
        self._leave()

    def __del__(self) -> None:
        """Stop the looks of a wait that was left early."""
        self._leave()

    def _own_coroutine(self) -> CoroutineType[Any, Any, Job[Wire_co, Result_co]]:
        if self._coroutine is None:
            # To mypy a call of an async function is no more than a Coroutine.
            self._coroutine = cast("CoroutineType[Any, Any, Job[Wire_co, Result_co]]", self._finished())  # pyright: ignore[reportUnnecessaryCast]
        return self._coroutine

    # --- the wait -------------------------------------------------------------------------------------------------

    async def _finished(self) -> Job[Wire_co, Result_co]:
        watch = self._begun()
        try:
            while await self._news(watch):
                pass
        except BaseException as error:
            self._stopped_by = error if isinstance(error, JobwatchError) else None
            self._leave()
            raise
        return self._end(watch)

    def _end(self, watch: AwaitedWatch) -> Job[Wire_co, Result_co]:
        """Return the job of a wait that is over, or raise."""
        self._raise_unless_job_ended(watch)
        job = watch.job
        if job is None:
            raise JobwatchError(f"job {self.job_id} ended before this wait began, and is not to be read again")
        is_good = not self._check or watch.watched.outcome in self._ends.accepted
        if not is_good and (ended := _error_of_end(job)) is not None:
            raise ended
        read = cast("Job[Wire_co]", job)
        return cast("Job[Wire_co, Result_co]", read) if self._result is None else with_result(read, self._result)

    def _depends_on_time(self, soon: float) -> bool:
        return self._ends.stops_when_blocked or (self._timeout is not None and self._timeout <= soon)

    def _listens(self, listener: Subscriber) -> bool:
        watch = self._watch
        try:
            if watch is None:
                watch = self._begun()
            elif self._poller is not None:
                self._poller.check()
        except Exception as error:  # noqa: BLE001 - whoever awaits the wait gets it
            self._stopped_by = error if isinstance(error, JobwatchError) else None
            self._leave()
            return False
        if self._poller is None or watch.watched.outcome is not None:
            self._leave()
            return False
        watch.subscribe(listener)
        return True

    def _stop_listening(self, listener: Subscriber) -> None:
        if self._watch is not None:
            self._watch.unsubscribe(listener)
        self._leave()

    def _begun(self) -> AwaitedWatch:
        if self._watch is None:
            self._poller, self._watch = self._enter()
            self._enter = _has_begun  # what it was made with is let go of: a fifth of all that a wait takes
            self._looked_before = self._watch.watched.looked_at
            if (observer := self._poller.counters.observer) is not None:
                self._observed = observer, observer.began(self.job_id)
            self._follow()
            if self._timeout is not None:
                now = self._poller.now()
                self._deadline = now + self._timeout
                self._over_at = max(self._deadline + _GRACE, now + _LEAST)
                if self._watch.deadlines is None:
                    self._watch.deadlines = {}
                self._watch.deadlines[self._reader] = self._deadline
        return self._watch

    async def _news(self, watch: AwaitedWatch) -> bool:
        """Wait until something has changed; False when nothing will any more."""
        poller = self._poller
        if self._ends.stops_when_blocked and watch.watched.is_blocked and poller is not None:
            self._blocked = watch.job
        if (
            watch.watched.outcome is not None
            or self._at_limit is not None
            or self._blocked is not None
            or poller is None
        ):
            self._leave()
            return False
        now, last_look_at = poller.now(), self._deadline - poller.answer_time()
        if now >= last_look_at and not self._looks_last:
            self._looks_last = self._look_once_more(poller, watch)
        if now < self._deadline:
            await poller.news(watch, last_look_at if now < last_look_at else self._deadline)
        elif now < self._over_at and (watch.tell_end() or self._expects_answer(poller, watch)):
            await poller.news(watch, self._over_at)
        else:
            was_read = watch.job is not None or watch.watched.looked_at != self._looked_before
            unanswered = poller.unanswered(watch)
            self._at_limit = at_limit(watch.watched, self._timeout or 0.0, unanswered, was_read=was_read)
            if (unsettled := watch.watched.unsettled) is not None:
                self._stood = poller.unix() - unsettled.since
        return True

    def _expects_answer(self, poller: Poller, watch: AwaitedWatch) -> bool:
        """Whether an answer may still come to the last look."""
        if not (self._looks_last and watch.awaits_look):
            return False
        unanswered = poller.unanswered(watch)
        return unanswered is None or unanswered.seconds < _HOPELESS

    def _look_once_more(self, poller: Poller, watch: AwaitedWatch) -> bool:
        return poller.look_now(watch)

    def _reads(self, watch: AwaitedWatch) -> None:
        """Have what was not read yet kept, while this listens."""
        if self._poller is not None:
            if watch.readers is None:
                watch.readers = {}
            watch.readers[self._reader] = self._read

    def _follow(self) -> None:
        watch, told = self._watch, self._told
        if watch is None or told is None:
            return
        if watch.followers is None:
            watch.followers = {}
        watch.followers[self._reader] = told  # which does not know this wait, so that it can be dropped
        if watch.job is not None:
            told(watch.job)

    def _leave(self) -> None:
        poller, self._poller = self._poller, None
        if poller is not None and self._watch is not None:
            if self._watch.deadlines is not None:
                self._watch.deadlines.pop(self._reader, None)
            if self._watch.readers is not None:
                self._watch.readers.pop(self._reader, None)
            if self._watch.followers is not None:
                self._watch.followers.pop(self._reader, None)
            if self._observed is not None:
                (observer, wait), self._observed = self._observed, None
                observer.left(wait, self._watch.watched, self.outcome, self._watch.log)
            poller.leave(self._watch)

    def _raise_unless_job_ended(self, watch: AwaitedWatch) -> None:
        watched = watch.watched
        if self._blocked is not None:
            raise JobBlocked(self._blocked)
        if watched.outcome is None:
            if self._at_limit is None:
                told = f"the wait for job {self.job_id} was stopped before the job ended"
                raise JobwatchError(f"{told}: {self._stopped_by}" if self._stopped_by else told) from self._stopped_by
            if self._at_limit.verdict is not None:
                raise error_of(self._at_limit.verdict, self.job_id)
            raise WaitTimeout(self.job_id, self._timeout or 0.0, watch.job, self._at_limit.last, self._stood)
        if watched.fault is not None:
            error = error_of(watched.fault, self.job_id)
            if isinstance(error, JobNotFound):
                error.end_missed = watched.end_missed
            raise error


def _has_begun() -> tuple[Poller, AwaitedWatch]:
    raise RuntimeError("this wait has begun: a fault of the client's own")


def coroutine_of(
    wait: Wait[Wire_co, Result_co],
) -> CoroutineType[Any, Any, Job[Wire_co, Result_co]]:
    """Return the coroutine that a wait is, which a task runs with fewer steps than the wait itself."""
    return wait._own_coroutine()  # noqa: SLF001 - of this module  # pyright: ignore[reportPrivateUsage]


def depends_on_time(wait: Wait[Wire_co, Result_co], soon: float) -> bool:
    """Return whether more ends a wait than the end of its job and a time limit that is further off than ``soon``."""
    return wait._depends_on_time(soon)  # noqa: SLF001 - as above  # pyright: ignore[reportPrivateUsage]


def deadline_of(wait: Wait[Wire_co, Result_co]) -> float:
    """Return when the time of a wait that has begun will be over, on the loop's clock."""
    return wait._deadline  # noqa: SLF001 - as above  # pyright: ignore[reportPrivateUsage]


def listens(wait: Wait[Wire_co, Result_co], listener: Subscriber) -> bool:
    """Begin a wait, or go on with it: have a listener told once of the next news; False where the wait is over."""
    return wait._listens(listener)  # noqa: SLF001 - as above  # pyright: ignore[reportPrivateUsage]


def stop_listening(wait: Wait[Wire_co, Result_co], listener: Subscriber) -> None:
    """Tell a listener no more of a wait; stop the wait, as `Wait.close` does."""
    wait._stop_listening(listener)  # noqa: SLF001 - as above  # pyright: ignore[reportPrivateUsage]


def result_of(wait: Wait[Wire_co, Result_co]) -> Job[Wire_co, Result_co]:
    """Return the job of a wait that is over, or raise, as awaiting it would."""
    return wait._end(wait._begun())  # noqa: SLF001 - as above  # pyright: ignore[reportPrivateUsage]


def _until_it_raises(told: Callable[[Job], None], job_id: str) -> Callable[[Job], None]:
    """Return a function that does the same until it raises, which is logged, and nothing after that."""
    calls = [told]

    def tell(job: Job) -> None:
        try:
            for call in calls:
                call(job)
        except Exception:  # whoever looks must not end by it  # noqa: BLE001
            calls.clear()
            _log.exception("what follows job %s has raised, and is told no more of it", job_id)

    return tell


def _error_of_end(job: Job) -> JobEnded | None:
    """Return the error that a bad end is raised as; None of a job that has not ended badly."""
    match job.phase:
        case Phase.SUCCEEDED | Phase.PENDING | Phase.RUNNING | Phase.BLOCKED | Phase.UNKNOWN:
            return None
        case Phase.FAILED:
            return JobFailed(job)
        case Phase.PARTIAL:
            return JobPartiallyFailed(job)
        case Phase.FINISHED:
            return JobOutcomeUnknown(job)
        case Phase.CANCELLED:
            return JobCancelled(job)
        case _:
            assert_never(job.phase)


def _outcome_of(fault: Fault) -> Outcome:
    """Return the outcome of a wait that ends by a fault."""
    match fault.kind:
        case FaultKind.AUTH:
            return Outcome.AUTH
        case FaultKind.NOT_FOUND | FaultKind.GONE:
            return Outcome.NOT_FOUND
        case FaultKind.RATE_LIMITED | FaultKind.UNREACHABLE | FaultKind.TLS:
            return Outcome.UNREACHABLE
        case FaultKind.UNREADABLE | FaultKind.REFUSED:
            return Outcome.UNREADABLE
        case _:
            assert_never(fault.kind)


def error_of(fault: Fault, job_id: str | None) -> LookError:
    """Return the error that a fault is raised as."""
    match fault.kind:
        case FaultKind.AUTH:
            return AuthError(fault, job_id)
        case FaultKind.NOT_FOUND | FaultKind.GONE:
            return JobNotFound(fault, job_id)
        case FaultKind.RATE_LIMITED:
            return RateLimited(fault, job_id)
        case FaultKind.UNREACHABLE | FaultKind.TLS:
            return Unreachable(fault, job_id)
        case FaultKind.UNREADABLE | FaultKind.REFUSED:
            return UnreadableReply(fault, job_id)
        case _:
            assert_never(fault.kind)
