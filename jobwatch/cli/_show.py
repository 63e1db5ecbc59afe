"""The ways to show a run: plain lines and JSON lines here, a live table in `_table`. All render the same stream."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Protocol, Self

from .._models import Fault, Transition
from ._output import echo, is_unicode, note, say
from ._records import OutcomeRecord, TransitionRecord
from ._tail import Line
from ._text import json_line, lasting, safe, stamp


class Show(Protocol):
    """Something that shows a run; a context manager for what it must put back at the end.

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

    def trouble(self, job_id: str, fault: Fault | None) -> None:
        """Show that looks at a job fail in a new way, or, with None, that they work again."""
        ...

    def output(self, job_id: str, name: str, line: Line) -> None:
        """Show a line of what a job writes."""
        ...

    def refresh(self, looks: Mapping[str, int]) -> None:
        """Show that time has passed, and how many looks each job has had."""
        ...


class _Lines:
    """What the two shows of lines have in common: trouble goes to stderr, and time leaves no mark."""

    tick = 1.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def trouble(self, job_id: str, fault: Fault | None) -> None:
        """Tell it once on stderr."""
        note(f"{job_id}: {trouble_of(fault)}")

    def output(self, job_id: str, name: str, line: Line) -> None:
        """Print it on stderr, so that stdout holds states and nothing else."""
        echo(output_of(job_id, name, line))

    def refresh(self, looks: Mapping[str, int]) -> None:
        """Nothing is redrawn."""


class JsonShow(_Lines):
    """One JSON object a line."""

    def __init__(self) -> None:
        self._ascii_only = not is_unicode()

    def transition(self, transition: Transition) -> None:
        """Print the transition's record."""
        say(json_line(TransitionRecord.of(transition), ascii_only=self._ascii_only))

    def outcome(self, record: OutcomeRecord) -> None:
        """Print the record."""
        say(json_line(record, ascii_only=self._ascii_only))


class PlainShow(_Lines):
    """One line a state, for logs. A line begins with a time, so that no server can write a command for the runner."""

    def __init__(self, job_ids: Sequence[str]) -> None:
        self._width = min(40, max(map(len, job_ids), default=0))

    def transition(self, transition: Transition) -> None:
        """Print when, whose, which state, our word for it, and what is not certain about it."""
        marks = " [gap before]" if transition.gap else ""
        if transition.at is None:
            marks += " [time as seen]"
        when = stamp(transition.at or transition.seen_at)
        status = f"{safe(transition.status)} ({transition.phase.value})"
        say(f"{when}  {transition.job_id:<{self._width}}  {status}{marks}")

    def outcome(self, record: OutcomeRecord) -> None:
        """Print how it ended, what that took, and why."""
        why = f": {safe(record.error)}" if record.error else ""
        say(
            f"{stamp(datetime.now(UTC))}  {record.job_id:<{self._width}}"
            f"  => {record.outcome.value} after {lasting(record.elapsed)} and {looks_of(record.looks)}{why}"
        )


def show_for(job_ids: Sequence[str], title: str, *, json: bool) -> Show:
    """Return the show that suits stdout."""
    if json:
        return JsonShow()
    if not _is_terminal():
        return PlainShow(job_ids)
    try:
        from ._live import TableShow  # noqa: PLC0415 - rich is an extra, and takes long to import
    except ImportError:
        note("for a live table, install rich: pip install 'jobwatch-client[cli]'")
        return PlainShow(job_ids)
    return TableShow(job_ids, title)


def _is_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty() and os.environ.get("TERM") not in {"dumb", "unknown"}


def trouble_of(fault: Fault | None) -> str:
    """Return what to say of looks that fail, or work again."""
    return "can be read again" if fault is None else f"cannot be read for now: {safe(str(fault))}"


def output_of(job_id: str, name: str, line: Line) -> str:
    """Return a line that a job wrote, or a remark about it; neither stands where a runner looks for commands."""
    mark = "*" if line.is_remark else "|"
    return f"{name} {safe(job_id)} {mark} {safe(line.text.expandtabs())}".rstrip()


def looks_of(looks: int) -> str:
    """Return how many looks, in words."""
    return "1 look" if looks == 1 else f"{looks} looks"
