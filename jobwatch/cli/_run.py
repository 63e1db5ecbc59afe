"""Several waits as one stream: what they see is shown in the order seen, and each end as soon as it is known."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, assert_never

from msgspec import Struct

from .._errors import JobEnded, JobwatchError, LookError
from .._models import Fault, FaultKind, Job, Outcome, Transition
from ._records import OutcomeRecord
from ._tail import Tail

if TYPE_CHECKING:
    from .._wait import Wait
    from ._show import Show


class _End(Struct, frozen=True):
    """A wait is over, by this error or by none."""

    wait: Wait
    error: Exception | None


class _Seen(Struct, frozen=True):
    """A look showed a job otherwise than the one before."""

    job_id: str
    job: Job


class Run:
    """The waits of one command, and what is known of them.

    Args:
        waits: The waits.
        show: Shows what they see.
        output: The outputs of the jobs to show too, and where they lie, as `JobAPI.output` tells.

    Attributes:
        outcomes: How each wait that is over ended, by the job's id.
        transitions: What has been shown so far.
    """

    def __init__(self, waits: Sequence[Wait], show: Show, output: Mapping[str, str] | None = None) -> None:
        self.outcomes: dict[str, Outcome] = {}
        self.transitions: list[Transition] = []
        self._waits = {wait.job_id: wait for wait in waits}
        self._show = show
        self._told: dict[str, tuple[FaultKind, int | None]] = {}
        self._output = output or {}
        self._tails = {(wait.job_id, name): Tail() for wait in waits for name in self._output}
        self._news: asyncio.Queue[Transition | _Seen | _End] = asyncio.Queue()
        self._began = 0.0

    @property
    def verdict(self) -> list[Outcome] | None:
        """How the waits ended, shown or not; None while one goes on."""
        known = [self.outcomes.get(job_id) or wait.outcome for job_id, wait in self._waits.items()]
        ended = [outcome for outcome in known if outcome is not None]
        return ended if len(ended) == len(known) else None

    async def follow(self) -> None:
        """Show everything until every wait has ended; when cancelled, tell which had not.

        Raises:
            OSError: The output could not be written; `verdict` may be known all the same.
        """
        loop = asyncio.get_running_loop()
        self._began = loop.time()
        readers = [loop.create_task(self._read(wait)) for wait in self._waits.values()]
        try:
            await self._show_news(loop)
        except asyncio.CancelledError:
            self._interrupt()
            raise
        finally:
            for reader in readers:
                reader.cancel()
            await asyncio.wait(readers)

    async def _read(self, wait: Wait) -> None:
        error: Exception | None = None
        job_id = wait.job_id
        if self._output:
            wait.follow(lambda job: self._news.put_nowait(_Seen(job_id, job)))
        try:
            async with wait:
                async for transition in wait:
                    self._news.put_nowait(transition)
        except Exception as ended_by:  # noqa: BLE001 - told, or raised, by whoever takes the news
            error = ended_by
        self._news.put_nowait(_End(wait, error))

    async def _show_news(self, loop: asyncio.AbstractEventLoop) -> None:
        next_tick = self._began + self._show.tick
        while len(self.outcomes) < len(self._waits):
            try:
                async with asyncio.timeout_at(next_tick):
                    self._take(await self._news.get())
            except TimeoutError:
                self._tick()
                next_tick = loop.time() + self._show.tick

    def _take(self, news: Transition | _Seen | _End) -> None:
        match news:
            case Transition():
                self.transitions.append(news)
                self._show.transition(news)
            case _Seen():
                self._show_output(news.job_id, news.job)
            case _End():
                self._end(news.wait, news.error)
            case _:
                assert_never(news)

    def _show_output(self, job_id: str, job: Job) -> None:
        for name, field in self._output.items():
            text = getattr(job.wire, field, None)
            for line in self._tails[job_id, name].grown(text if isinstance(text, str) else None, job.attempt):
                self._show.output(job_id, name, line)

    def _show_rest(self, job_id: str) -> None:
        for name in self._output:
            for line in self._tails[job_id, name].rest():
                self._show.output(job_id, name, line)

    def _end(self, wait: Wait, error: Exception | None) -> None:
        outcome = wait.outcome
        if outcome is None:
            raise error or JobwatchError(f"the wait for job {wait.job_id} ended without an outcome")
        record = self._record(wait, outcome, _reason(wait.job, error))
        self.outcomes[wait.job_id] = outcome  # before it is shown: the verdict must not depend on a reader
        self._show_rest(wait.job_id)
        self._show.outcome(record)

    def _interrupt(self) -> None:
        while not self._news.empty():
            self._take(self._news.get_nowait())
        for wait in self._waits.values():
            if wait.job_id not in self.outcomes:
                self._show_rest(wait.job_id)
                self.outcomes[wait.job_id] = Outcome.INTERRUPTED
                reason = "stopped by a signal; the job goes on"
                self._show.outcome(self._record(wait, Outcome.INTERRUPTED, reason))

    def _record(self, wait: Wait, outcome: Outcome, reason: str | None) -> OutcomeRecord:
        watched = wait.watched
        elapsed = round(asyncio.get_running_loop().time() - self._began, 3)
        if watched is None:
            return OutcomeRecord(wait.job_id, outcome, None, None, reason, 0, elapsed)
        return OutcomeRecord(wait.job_id, outcome, watched.status, watched.phase, reason, watched.looks, elapsed)

    def _tick(self) -> None:
        for job_id, wait in self._waits.items():
            if job_id not in self.outcomes and wait.watched is not None:
                self._tell_trouble(job_id, wait.watched.fault)
        self._show.refresh({job_id: wait.watched.looks for job_id, wait in self._waits.items() if wait.watched})

    def _tell_trouble(self, job_id: str, fault: Fault | None) -> None:
        # By kind and status, since the message may differ each time: one line a change, not one a look.
        now = None if fault is None else (fault.kind, fault.http_status)
        if now == self._told.get(job_id):
            return
        if now is None:
            del self._told[job_id]
        else:
            self._told[job_id] = now
        self._show.trouble(job_id, fault)


def _reason(job: Job | None, error: Exception | None) -> str | None:
    match error:
        case None:
            return None if job is None or job.error is None else str(job.error)
        case LookError():
            return str(error.fault)
        case JobEnded():
            return str(error.job.error or error)
        case _:
            return str(error)
