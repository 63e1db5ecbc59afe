"""Telling somebody while a run goes on: the seam between the run and commands, notifications and the like.

A teller hears of each job once that its wait has ended, and once each time that the job waits for a person. It may not
wait: what takes time it does in tasks of its own, for which `Telling.finish` leaves some time when the run is over.
What it cannot do is said on stderr; the exit code stays what the jobs made it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from .._models import Outcome
from ._output import note
from ._render import safe

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from ._render import OutcomeRecord

_AFTER_THE_END: Final = 60.0
_AFTER_A_SIGNAL: Final = 2.0
"""For how many seconds tellers may go on when the run is over; a signal leaves the process four."""


class Teller(Protocol):
    """Something that tells somebody of jobs."""

    def ended(self, record: OutcomeRecord) -> None:
        """Tell how a job's wait ended, other than by a signal or another job's end."""
        ...

    def blocked(self, records: Sequence[OutcomeRecord]) -> None:
        """Tell that jobs wait for a person, as two looks have shown."""
        ...

    def still_blocked(self, records: Sequence[OutcomeRecord]) -> None:
        """Tell again that jobs wait for a person, after the time that the user chose for that."""
        ...

    def over(self, records: Sequence[OutcomeRecord]) -> None:
        """Tell how all waits ended."""
        ...


class Work:
    """Tasks of tellers, each with a name for the note that says that it had to be left."""

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[None], str] = {}

    def begin(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Begin with a task; what it raises is a note on stderr."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[task] = name
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        name = self._tasks.pop(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _note_fault(name, error)

    async def finish(self, seconds: float) -> None:
        """Wait for the tasks that go on, and leave those that take longer.

        Args:
            seconds: How long to wait at most.
        """
        if not self._tasks:
            return
        _, left = await asyncio.wait(list(self._tasks), timeout=seconds)
        names = [self._tasks[task] for task in left]
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)
            more = f", and {len(names) - 1} more" if len(names) > 1 else ""
            note(f"{names[0]}{more}: not waited for any longer")


class Telling:
    """Tells all tellers what there is to tell, each thing once.

    Args:
        tellers: Whom it tells.
        work: What they have begun.
        remind: After how many seconds it is told again that a job waits for a person, once; None for never.
        now: Returns the time by any steady clock, in seconds.
    """

    def __init__(self, tellers: Sequence[Teller], work: Work, remind: float | None, now: Callable[[], float]) -> None:
        self._tellers = tellers
        self._work = work
        self._remind = remind
        self._now = now
        self._blocked: dict[str, float | None] = {}
        self._has_ended = False

    def ended(self, record: OutcomeRecord) -> None:
        """Take it that a job's wait has ended."""
        if record.outcome is Outcome.INTERRUPTED:
            return
        self._has_ended = True
        is_known = self._blocked.pop(record.job_id, False) is not False
        if record.outcome is not Outcome.BLOCKED:
            self._tell(lambda teller: teller.ended(record))
        elif not is_known:
            self._tell(lambda teller: teller.blocked([record]))

    def blocked(self, records: Iterable[OutcomeRecord]) -> None:
        """Take it that these jobs, and no others, wait for a person now."""
        now, waiting = self._now(), {record.job_id: record for record in records}
        new = [record for job_id, record in waiting.items() if job_id not in self._blocked]
        due = {job_id for job_id, at in self._blocked.items() if at is not None and at <= now} & waiting.keys()
        later = None if self._remind is None else now + self._remind
        known = {job_id: None if job_id in due else at for job_id, at in self._blocked.items() if job_id in waiting}
        self._blocked = {**known, **dict.fromkeys((record.job_id for record in new), later)}
        if new:
            self._tell(lambda teller: teller.blocked(new))
        if due:
            again = [record for job_id, record in waiting.items() if job_id in due]
            self._tell(lambda teller: teller.still_blocked(again))

    async def finish(self, records: Sequence[OutcomeRecord], *, is_stopped: bool) -> None:
        """Tell how the run ended, and leave the tellers some time for what they do.

        Args:
            records: How each wait ended.
            is_stopped: Whether a signal has ended it; then its end is not told.
        """
        if self._has_ended and not is_stopped:
            self._tell(lambda teller: teller.over(records))
        await self._work.finish(_AFTER_A_SIGNAL if is_stopped else _AFTER_THE_END)

    def _tell(self, what: Callable[[Teller], None]) -> None:
        for teller in self._tellers:
            try:
                what(teller)
            except Exception as error:  # noqa: BLE001 - telling somebody must never change what a gate decides
                _note_fault(type(teller).__name__, error)


def _note_fault(name: str, error: BaseException) -> None:
    note(f"{name}: {type(error).__name__}: {safe(str(error))}; this is a fault of jobwatch's own")
