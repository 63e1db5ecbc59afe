"""Several waits as one stream: everything is displayed in the order seen, each end as soon as it is known."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, assert_never

from msgspec import Struct
from msgspec.structs import replace

from .._errors import JobwatchError, LookError, WaitTimeout, timeout_text
from .._models import Fault, FaultKind, Job, Outcome, Transition
from ._exit_codes import Verdict
from ._output import without_secrets
from ._render import OutcomeRecord, TransitionRecord
from ._standing import Standing
from ._tail import Line, Tail, last_lines

if TYPE_CHECKING:
    from .._client.wait import Wait
    from .._core.job_times import JobTimes
    from ._cursor import Cursor
    from ._heartbeat import Heartbeat
    from ._reports import Record
    from ._telling import Telling

_SHOWN = 20
"""How many lines of what a job wrote are shown when it has failed."""

_SHOWN_OF = 10
"""Of how many failed jobs: a log with the output of a thousand is read by nobody."""


class Display(Protocol):
    """Something that shows a run; a context manager for what it must restore at the end.

    Attributes:
        tick: How many seconds may pass between two calls of `refresh`.
    """

    tick: float

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def transition(self, transition: Transition) -> None:
        """Show a state change."""
        ...

    def outcome(self, record: OutcomeRecord) -> None:
        """Show how one job's wait ended."""
        ...

    def fault(self, job_id: str, fault: Fault | None) -> None:
        """Show that looks at a job fail in a new way, or, with None, that they work again."""
        ...

    def output(self, job_id: str, name: str, line: Line) -> None:
        """Show a line of what a job writes."""
        ...

    def link(self, job_id: str, url: str) -> None:
        """Show where a job that ended badly has a page for people."""
        ...

    def waiting(self, line: str) -> None:
        """Show that the wait goes on, where nothing else does."""
        ...

    def progress_before(self, job_id: str, progress: float) -> None:
        """Take it that an earlier run has shown how far a job was."""
        ...

    def progress(self, job_id: str, progress: float, seen_at: datetime) -> None:
        """Show how far a job is that goes on, from 0 to 1; called once for each value, and once a tick at most."""
        ...

    def refresh(self, standing: Mapping[str, Standing]) -> None:
        """Show that time has passed, and how each job stands."""
        ...


class Until(enum.Enum):
    """When a run is over."""

    ALL = "all"
    FIRST_BAD = "first bad"
    FIRST_GOOD = "first good"


class Extras(Struct, frozen=True):
    """What a run does besides.

    Attributes:
        follow: The outputs of the jobs to show as they grow: their names, and the fields of the API's record that hold
            them.
        outputs: Those of which the end is shown when a job has failed.
        until: When the run is over; the other jobs go on.
        verdict: Which ends are bad.
        heartbeat: Says from time to time that the wait goes on.
        cursor: Notes what has been printed, and says what was printed before.
        telling: Tells somebody how jobs end, and that they wait for a person.
    """

    follow: Mapping[str, str] = {}
    outputs: Mapping[str, str] = {}
    until: Until = Until.ALL
    verdict: Verdict = Verdict()
    heartbeat: Heartbeat | None = None
    cursor: Cursor | None = None
    telling: Telling | None = None


class _Ended(Struct, frozen=True):
    """A wait is over, with this error or with none."""

    wait: Wait
    error: Exception | None


class _Changed(Struct, frozen=True):
    """A look found a job other than the look before had."""

    job_id: str
    job: Job


class Run:
    """The waits of one command, and what is known of them.

    Args:
        waits: The waits.
        display: Shows what they see.
        extras: What else it does.
        ended: Jobs whose end an earlier run has seen: it is shown again.

    Attributes:
        outcomes: How each wait that is over ended, by the job's id.
        transitions: The state changes displayed so far.
        records: The records of what was displayed so far, for reports.
    """

    def __init__(
        self,
        waits: Sequence[Wait],
        display: Display,
        extras: Extras = Extras(),  # noqa: B008 - it is frozen
        ended: Iterable[OutcomeRecord] = (),
    ) -> None:
        self.outcomes: dict[str, Outcome] = {}
        self.transitions: list[Transition] = []
        self.records: list[Record] = []
        self._waits = {wait.job_id: wait for wait in waits}
        self._display = display
        self._reported: dict[str, tuple[FaultKind, int | None]] = {}
        self._extras = extras
        self._output = extras.follow
        self._ended_before = tuple(ended)
        self._tails_shown = 0
        self._is_stopping = False
        self._progress: dict[str, tuple[float, float]] = {}
        self._told_progress: dict[str, float] = {}
        self._tails = {(wait.job_id, name): Tail() for wait in waits for name in self._output}
        self._queue: asyncio.Queue[Transition | _Changed | _Ended] = asyncio.Queue()
        self._began = 0.0

    @property
    def verdict(self) -> list[Outcome] | None:
        """How the waits ended, displayed or not; None while one goes on."""
        known: list[Outcome | None] = [record.outcome for record in self._ended_before]
        known += [self.outcomes.get(job_id) or wait.outcome for job_id, wait in self._waits.items()]
        ended = [outcome for outcome in known if outcome is not None]
        return ended if len(ended) == len(known) else None

    async def follow(self) -> None:
        """Display everything until every wait has ended; when cancelled, display which had not.

        Raises:
            OSError: The output could not be written; `verdict` may be known all the same.
        """
        loop = asyncio.get_running_loop()
        self._began = loop.time()
        self._show_what_is_known()
        if self._is_stopping or not self._waits:
            return
        readers = [loop.create_task(self._read(wait)) for wait in self._waits.values()]
        try:
            await self._display_queue(loop)
        except asyncio.CancelledError:
            self._interrupt()
            raise
        finally:
            for reader in readers:
                reader.cancel()
            await asyncio.wait(readers)

    def _show_what_is_known(self) -> None:
        """Show what an earlier run has seen and not printed, and the ends that it has seen."""
        if self._extras.cursor is not None:
            self._show_unprinted(self._extras.cursor)
        for record in self._ended_before:
            self._show_end(record)

    def _show_unprinted(self, cursor: Cursor) -> None:
        for job_id in (*self._waits, *(record.job_id for record in self._ended_before)):
            known = cursor.known(job_id)
            self.records += map(TransitionRecord.of, known.printed)
            for transition in known.unprinted:
                self._show(transition)
            if known.progress is not None:
                self._told_progress[job_id] = known.progress
                self._display.progress_before(job_id, known.progress)

    async def _read(self, wait: Wait) -> None:
        error: Exception | None = None
        cursor = self._extras.cursor
        wait.follow(lambda job: self._changed(wait, job))
        try:
            async with wait:
                async for transition in wait:
                    if cursor is not None and wait.watched is not None and not cursor.has_noted(transition):
                        cursor.seen(wait.watched, (transition, *wait.unread))
                    self._queue.put_nowait(transition)
        except Exception as ended_by:  # noqa: BLE001 - reported, or raised, by `_end`
            error = ended_by
        self._queue.put_nowait(_Ended(wait, error))

    def _changed(self, wait: Wait, job: Job) -> None:
        if self._output:
            self._queue.put_nowait(_Changed(wait.job_id, job))
        if job.progress is not None and wait.watched is not None and wait.watched.looked_at is not None:
            self._progress[wait.job_id] = job.progress, wait.watched.looked_at

    async def _display_queue(self, loop: asyncio.AbstractEventLoop) -> None:
        next_tick = self._began + self._display.tick
        while not self.outcomes.keys() >= self._waits.keys():
            try:
                async with asyncio.timeout_at(next_tick):
                    item = await self._queue.get()
            except TimeoutError:
                self._tick()
                next_tick = loop.time() + self._display.tick
            else:
                self._handle(item)

    def _handle(self, item: Transition | _Changed | _Ended) -> None:
        match item:
            case Transition():
                self._show(item)
            case _Changed():
                self._display_output(item.job_id, item.job)
            case _Ended():
                self._end(item.wait, item.error)
            case _:
                assert_never(item)

    def _show(self, transition: Transition) -> None:
        self.transitions.append(transition)
        self.records.append(TransitionRecord.of(transition))
        self._display.transition(transition)
        if self._extras.cursor is not None:
            self._extras.cursor.printed(transition)

    def _display_output(self, job_id: str, job: Job) -> None:
        for name, field in self._output.items():
            text = getattr(job.wire, field, None)
            for line in self._tails[job_id, name].grown(text if isinstance(text, str) else None, job.attempt):
                self._display.output(job_id, name, line)

    def _display_rest(self, job_id: str) -> None:
        for name in self._output if job_id in self._waits else ():
            for line in self._tails[job_id, name].rest():
                self._display.output(job_id, name, line)

    def _end(self, wait: Wait, error: Exception | None) -> None:
        outcome = wait.outcome
        if outcome is None:
            raise error or JobwatchError(f"the wait for job {wait.job_id} ended without an outcome")
        record = self._record(wait, outcome, _reason(wait, error))
        self._note_end(wait, record)
        if self._extras.telling is not None:
            self._extras.telling.ended(record)
        self._show_end(record, wait.job)

    def _note_end(self, wait: Wait, record: OutcomeRecord) -> None:
        if self._extras.cursor is not None:
            if wait.watched is not None and wait.watched.outcome is not record.outcome:
                self._extras.cursor.seen(wait.watched, ())
            self._extras.cursor.ended(record)

    def _show_end(self, record: OutcomeRecord, job: Job | None = None) -> None:
        self.outcomes[record.job_id] = record.outcome  # before it is displayed: the verdict must not depend on a reader
        self.records.append(record)
        self._display_rest(record.job_id)
        self._display.outcome(record)
        is_good = self._extras.verdict.is_good(record.outcome)
        if not is_good and job is not None and record.outcome.value in ("failed", "partial"):
            self._show_why(job)
        if self._extras.until is (Until.FIRST_GOOD if is_good else Until.FIRST_BAD) and not self._is_stopping:
            option = "--any" if is_good else "--fail-fast"
            how = record.outcome.value.replace("_", " ")
            why = f"not waited for any more after {record.job_id}: {how} ({option})"
            self._stop(lambda wait: f"{why}; {_whether_it_goes_on(wait)}")

    def _show_why(self, job: Job) -> None:
        """Show the end of what a failed job wrote, unless it was shown as it came, and where there is more."""
        told = {name: getattr(job.wire, field, None) for name, field in self._extras.outputs.items()}
        # Without secrets before lines are cut: of half a secret nobody would know that it is one.
        texts = {name: without_secrets(text) for name, text in told.items() if isinstance(text, str)}
        written = last_lines(texts, _SHOWN)
        if written is not None and not self._output and self._tails_shown < _SHOWN_OF:
            self._tails_shown += 1
            name, lines = written
            for line in lines:
                self._display.output(job.id, name, line)
        if job.url is not None:
            self._display.link(job.id, job.url)

    def _interrupt(self) -> None:
        self._stop(lambda wait: f"stopped by a signal; {_whether_it_goes_on(wait)}")

    def _stop(self, reason: Callable[[Wait], str]) -> None:
        """Show what is known of the jobs that are not waited for any more, and why."""
        self._is_stopping = True
        while not self._queue.empty():
            self._handle(self._queue.get_nowait())
        for wait in self._waits.values():
            if wait.job_id not in self.outcomes:
                self._show_rest(wait)
                if wait.outcome is not None:  # which a look has just shown
                    self._end(wait, None)
                    continue
                record = self._record(wait, Outcome.INTERRUPTED, reason(wait))
                self._note_end(wait, record)
                self._show_end(record)

    def _show_rest(self, wait: Wait) -> None:
        """Show the states that looks have shown, and that were not read yet."""
        unread = wait.unread
        if unread and wait.watched is not None and self._extras.cursor is not None:
            self._extras.cursor.seen(wait.watched, unread)
        for transition in unread:
            self._show(transition)

    def _record(self, wait: Wait, outcome: Outcome, reason: str | None) -> OutcomeRecord:
        watched = wait.watched
        elapsed = round(asyncio.get_running_loop().time() - self._began, 3)
        if watched is None:
            return OutcomeRecord(wait.job_id, outcome, None, None, reason, 0, elapsed)
        ended = OutcomeRecord(wait.job_id, outcome, watched.status, watched.phase, reason, watched.looks, elapsed)
        if wait.job is not None and wait.times is not None:
            ended = _with_facts(ended, wait.job, wait.times)
        if watched.end_missed:
            return replace(ended, end_missed=True)
        if outcome is not Outcome.BLOCKED or watched.blocked is None:
            return ended
        return replace(ended, asked=watched.blocked.asked, url=watched.blocked.url)

    def _tick(self) -> None:
        for job_id, wait in self._waits.items():
            # What a wait ended by is told with its end, which is on its way.
            if job_id not in self.outcomes and wait.watched is not None and wait.outcome is None:
                self._report_fault(job_id, wait.fault)
        self._display_progress()
        self._tell_blocked()
        if self._extras.heartbeat is not None:
            waited = asyncio.get_running_loop().time() - self._began
            left = {job_id: wait.watched for job_id, wait in self._waits.items() if job_id not in self.outcomes}
            line = self._extras.heartbeat.line(waited, left, len(self._waits) + len(self._ended_before))
            if line is not None:
                self._display.waiting(line)
        heartbeat = self._extras.heartbeat
        going_on = {job_id: wait for job_id, wait in self._waits.items() if job_id not in self.outcomes}
        standing = {job_id: Standing.of(wait, heartbeat) for job_id, wait in going_on.items()}
        self._display.refresh({job_id: each for job_id, each in standing.items() if each is not None})

    def _tell_blocked(self) -> None:
        """Tell which jobs wait for a person and are waited for all the same."""
        if self._extras.telling is None:
            return
        going_on = [wait for job_id, wait in self._waits.items() if job_id not in self.outcomes]
        blocked = [wait for wait in going_on if wait.watched is not None and wait.watched.is_blocked]
        self._extras.telling.blocked([self._record(wait, Outcome.BLOCKED, None) for wait in blocked])

    def _display_progress(self) -> None:
        """Display how far jobs are, behind the states that the same looks have shown."""
        progress, self._progress = self._progress, {}
        for job_id, (now, seen_at) in progress.items():
            if job_id not in self.outcomes and self._told_progress.get(job_id) != now:
                self._told_progress[job_id] = now
                self._display.progress(job_id, now, datetime.fromtimestamp(seen_at, UTC))
                if self._extras.cursor is not None:
                    self._extras.cursor.progressed(job_id, now)

    def _report_fault(self, job_id: str, fault: Fault | None) -> None:
        # Compared by kind and status, since the message may differ at every look: one line a change, not one a look.
        now = None if fault is None else (fault.kind, fault.http_status)
        if now == self._reported.get(job_id):
            return
        if now is None:
            del self._reported[job_id]
        else:
            self._reported[job_id] = now
        self._display.fault(job_id, fault)


def _with_facts(record: OutcomeRecord, job: Job, times: JobTimes) -> OutcomeRecord:
    """Add what the API told of a job; of one whose end nobody saw, no end."""
    return replace(
        record,
        url=job.url,
        created_at=times.created_at,
        started_at=times.started_at,
        ended_at=times.ended_at,
        ran=_rounded(times.ran) if job.phase.ended else None,
        known_after=_rounded(times.known_after),
        progress=job.progress,
        result=job.result,
    )


def _whether_it_goes_on(wait: Wait) -> str:
    """Return what is known of a job that is not waited for any more; of one that was never read, nobody knows."""
    watched = wait.watched
    if watched is not None and watched.status is not None:
        return "the job goes on"
    fault = "" if watched is None or watched.fault is None else f"; last look: {watched.fault.text}"
    return f"the job was never read{fault}"


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def _reason(wait: Wait, error: Exception | None) -> str | None:
    """Return why a wait ended so, the server's words as they came; whoever prints them escapes them."""
    match error:
        case None if wait.outcome is not None and not wait.outcome.is_end_of_job:
            return None if wait.fault is None else wait.fault.text
        case None:
            return None if wait.job is None or wait.job.error is None else wait.job.error.text
        case LookError():
            return error.fault.text
        case WaitTimeout():
            status = None if error.job is None else error.job.status
            fault = None if error.fault is None else error.fault.text
            return timeout_text(error.job_id, error.timeout, status, fault, error.stood)
        case _:
            return str(error)
