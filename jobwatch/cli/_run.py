"""Several waits as one stream: everything is displayed in the order seen, each end as soon as it is known."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, assert_never

from msgspec import Struct
from msgspec.structs import replace

from .._errors import JobwatchError, LookError, WaitTimeout, timeout_text
from .._models import Fault, FaultKind, Job, Outcome, Transition
from ._render import OutcomeRecord, TransitionRecord
from ._standing import Standing
from ._tail import Line, Tail

if TYPE_CHECKING:
    from .._core.job_times import JobTimes
    from .._wait import Wait
    from ._reports import Record


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

    def progress(self, job_id: str, progress: float, seen_at: datetime) -> None:
        """Show how far a job is that goes on, from 0 to 1; called once for each value, and once a tick at most."""
        ...

    def refresh(self, standing: Mapping[str, Standing]) -> None:
        """Show that time has passed, and how each job stands."""
        ...


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
        output: The outputs of the jobs to show too: their names, and the fields of the API's record that hold them.

    Attributes:
        outcomes: How each wait that is over ended, by the job's id.
        transitions: The state changes displayed so far.
        records: The records of what was displayed so far, for reports.
    """

    def __init__(self, waits: Sequence[Wait], display: Display, output: Mapping[str, str] | None = None) -> None:
        self.outcomes: dict[str, Outcome] = {}
        self.transitions: list[Transition] = []
        self.records: list[Record] = []
        self._waits = {wait.job_id: wait for wait in waits}
        self._display = display
        self._reported: dict[str, tuple[FaultKind, int | None]] = {}
        self._output = output or {}
        self._progress: dict[str, tuple[float, float]] = {}
        self._told_progress: dict[str, float] = {}
        self._tails = {(wait.job_id, name): Tail() for wait in waits for name in self._output}
        self._queue: asyncio.Queue[Transition | _Changed | _Ended] = asyncio.Queue()
        self._began = 0.0

    @property
    def verdict(self) -> list[Outcome] | None:
        """How the waits ended, displayed or not; None while one goes on."""
        known = [self.outcomes.get(job_id) or wait.outcome for job_id, wait in self._waits.items()]
        ended = [outcome for outcome in known if outcome is not None]
        return ended if len(ended) == len(known) else None

    async def follow(self) -> None:
        """Display everything until every wait has ended; when cancelled, display which had not.

        Raises:
            OSError: The output could not be written; `verdict` may be known all the same.
        """
        loop = asyncio.get_running_loop()
        self._began = loop.time()
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

    async def _read(self, wait: Wait) -> None:
        error: Exception | None = None
        wait.follow(lambda job: self._changed(wait, job))
        try:
            async with wait:
                async for transition in wait:
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
        while len(self.outcomes) < len(self._waits):
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
                self.transitions.append(item)
                self.records.append(TransitionRecord.of(item))
                self._display.transition(item)
            case _Changed():
                self._display_output(item.job_id, item.job)
            case _Ended():
                self._end(item.wait, item.error)
            case _:
                assert_never(item)

    def _display_output(self, job_id: str, job: Job) -> None:
        for name, field in self._output.items():
            text = getattr(job.wire, field, None)
            for line in self._tails[job_id, name].grown(text if isinstance(text, str) else None, job.attempt):
                self._display.output(job_id, name, line)

    def _display_rest(self, job_id: str) -> None:
        for name in self._output:
            for line in self._tails[job_id, name].rest():
                self._display.output(job_id, name, line)

    def _end(self, wait: Wait, error: Exception | None) -> None:
        outcome = wait.outcome
        if outcome is None:
            raise error or JobwatchError(f"the wait for job {wait.job_id} ended without an outcome")
        record = self._record(wait, outcome, _reason(wait.job, error))
        self.outcomes[wait.job_id] = outcome  # before it is displayed: the verdict must not depend on a reader
        self.records.append(record)
        self._display_rest(wait.job_id)
        self._display.outcome(record)

    def _interrupt(self) -> None:
        while not self._queue.empty():
            self._handle(self._queue.get_nowait())
        for wait in self._waits.values():
            if wait.job_id not in self.outcomes:
                self._display_rest(wait.job_id)
                self.outcomes[wait.job_id] = Outcome.INTERRUPTED
                record = self._record(wait, Outcome.INTERRUPTED, _reason_of_signal(wait))
                self.records.append(record)
                self._display.outcome(record)

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
            if job_id not in self.outcomes and wait.watched is not None:
                self._report_fault(job_id, wait.fault)
        self._display_progress()
        standing = {job_id: Standing.of(wait) for job_id, wait in self._waits.items()}
        self._display.refresh({job_id: each for job_id, each in standing.items() if each is not None})

    def _display_progress(self) -> None:
        """Display how far jobs are, behind the states that the same looks have shown."""
        progress, self._progress = self._progress, {}
        for job_id, (now, seen_at) in progress.items():
            if job_id not in self.outcomes and self._told_progress.get(job_id) != now:
                self._told_progress[job_id] = now
                self._display.progress(job_id, now, datetime.fromtimestamp(seen_at, UTC))

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
        ran=_rounded(times.ran),
        known_after=_rounded(times.known_after),
        progress=job.progress,
        result=job.result,
    )


def _reason_of_signal(wait: Wait) -> str:
    """Return why a wait ended that a signal stopped; of a job that was never read, nobody knows whether it goes on."""
    watched = wait.watched
    if watched is not None and watched.status is not None:
        return "stopped by a signal; the job goes on"
    fault = "" if watched is None or watched.fault is None else f"; last look: {watched.fault.text}"
    return f"stopped by a signal; the job was never read{fault}"


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def _reason(job: Job | None, error: Exception | None) -> str | None:
    """Return why a wait ended so, the server's words as they came; whoever prints them escapes them."""
    match error:
        case None:
            return None if job is None or job.error is None else job.error.text
        case LookError():
            return error.fault.text
        case WaitTimeout():
            status = None if error.job is None else error.job.status
            fault = None if error.fault is None else error.fault.text
            return timeout_text(error.job_id, error.timeout, status, fault, error.stood)
        case _:
            return str(error)
