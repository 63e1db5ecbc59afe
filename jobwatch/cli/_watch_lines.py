"""Watched jobs without a terminal: a line for each state and each end, as ``jobwatch wait`` prints them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeAlias

from .._models import Fault, FaultKind, Outcome, Phase, Transition
from .._watching.changes import ChangeKind
from .._watching.viewing import Origin, Watching
from ._output import note
from ._render import safe

if TYPE_CHECKING:
    from .._report.model import Entered
    from .._report.overview import Row
    from ._render import OutcomeRecord
    from ._run import Display
    from ._watch_news import News, Written

_SHOWN_OF = 10
"""Of how many failed jobs what they wrote is printed, as ``wait`` does."""

_Seen: TypeAlias = tuple[int, int]
"""A job's generation, and the number of the last state that was printed."""


class LineView:
    """Prints what is new.

    Args:
        display: Prints each kind of line.
        is_journal: Whether a journal is read: then what it held before is left out, but for the last state of each job
            that goes on.
    """

    def __init__(self, display: Display, *, is_journal: bool) -> None:
        self._display = display
        self._is_journal = is_journal
        self._seen: dict[str, _Seen] = {}
        self._faults: dict[str, tuple[FaultKind, int | None]] = {}
        self._progress: dict[str, float] = {}
        self._noted: dict[str, str] = {}
        self._held = ""
        self._shown = 0

    def take(self, news: News) -> None:
        """Print what is new."""
        self._note(news.reading.origin)
        is_before = self._is_journal and news.is_first
        for row in news.rows:
            self._print_states(row, news, is_before=is_before)
        for sighting in news.reading.sightings:
            watched = sighting.record.watched
            self._print_fault(watched.job_id, watched.fault if watched.outcome is None else None)
            if watched.progress is not None and watched.looked_at is not None and watched.outcome is None:
                self._print_progress(watched.job_id, watched.progress, watched.looked_at)
        for change in news.reading.changes:
            if change.kind is ChangeKind.REMARK and change.remark is not None and not is_before:
                note(f"{safe(change.job_id)}: {safe(change.remark)}")
        for job_id in news.gone:
            for each in (self._seen, self._faults, self._progress):
                each.pop(job_id, None)
        for record in () if is_before else news.ended:
            self._display.outcome(record)
            self._print_why(record, news.written.get(record.job_id))

    def _print_why(self, record: OutcomeRecord, written: Written | None) -> None:
        """Print the end of what a failed job wrote, of the first of them, and where there is more."""
        if record.outcome not in {Outcome.FAILED, Outcome.PARTIAL}:
            return
        if written is not None and self._shown < _SHOWN_OF:
            self._shown += 1
            name, lines = written
            for line in lines:
                self._display.output(record.job_id, name, line)
        if record.url is not None:
            self._display.link(record.job_id, record.url)

    def _print_states(self, row: Row, news: News, *, is_before: bool) -> None:
        generation, number = self._seen.get(row.job_id, (row.generation, 0))
        states = news.overview.states(row.job_id, number if generation == row.generation else 0)
        if not states:
            return
        self._seen[row.job_id] = row.generation, states[-1][0]
        if is_before:
            states = states[-1:] if row.goes_on else []
        for each, state in states:
            self._display.transition(_transition(row, each, state, is_last=each == states[-1][0]))

    def _print_fault(self, job_id: str, fault: Fault | None) -> None:
        # Compared by kind and status, since the message may differ at every look.
        now = None if fault is None else (fault.kind, fault.http_status)
        if now != self._faults.get(job_id):
            if now is None:
                del self._faults[job_id]
            else:
                self._faults[job_id] = now
            self._display.fault(job_id, fault)

    def _print_progress(self, job_id: str, progress: float, looked_at: float) -> None:
        if self._progress.get(job_id) != progress:
            self._progress[job_id] = progress
            self._display.progress(job_id, progress, datetime.fromtimestamp(looked_at, UTC))

    def _note(self, origin: Origin) -> None:
        """Say once each time what keeps jobs from being seen, and who watches those of a journal."""
        told = {f"project {name}: ": why for name, why in origin.projects.items()}
        told[f"{origin.journal}: " if origin.journal else ""] = origin.trouble or ""
        for name, text in told.items():
            if text != self._noted.get(name, ""):
                note(safe(f"{name}{text or 'can be read again'}"))
        self._noted = told
        held = _held(origin)
        if held != self._held:
            self._held = held
            note(safe(held))


def _held(origin: Origin) -> str:
    match origin.watching:
        case Watching.NOBODY:
            return f"{origin.journal} is held by nobody: nobody is watching its jobs"
        case Watching.OTHERS:
            by = "another process" if origin.pid is None else f"process {origin.pid}"
            return f"{origin.journal} is held by {by}, which watches its jobs"
        case _:
            return ""


def _transition(row: Row, number: int, state: Entered, *, is_last: bool) -> Transition:
    asks = is_last and state.phase is Phase.BLOCKED
    at = None if state.at is None else datetime.fromtimestamp(state.at, UTC)
    seen_at = state.seen_at or state.at or row.looked_at or row.changed_at
    return Transition(
        row.job_id,
        number,
        state.status,
        state.phase,
        at,
        datetime.fromtimestamp(seen_at, UTC),
        state.gap,
        row.job.asked if asks else None,
        row.job.url if asks else None,
    )
