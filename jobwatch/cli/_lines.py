"""Lines on stdout: JSON, columns, facts, and the two displays of a run that are made of lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from .._models import Fault, Phase, Transition
from ._output import echo, is_unicode, note, say
from ._render import (
    OutcomeRecord,
    TransitionRecord,
    blocked_notice,
    fault_notice,
    human_duration,
    json_line,
    look_count,
    output_line,
    safe,
    stamp,
)
from ._tail import Line


def print_json(value: object) -> None:
    """Print a value as one line of JSON, in ASCII where stdout takes no more."""
    say(json_line(value, ascii_only=not is_unicode()))


def print_columns(rows: Sequence[Sequence[str]]) -> None:
    """Print rows of words in columns; the last column may be of any length."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        say("  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip())


def print_facts(facts: Iterable[tuple[str, str]]) -> None:
    """Print pairs of a name and a value, one pair a line, the values in a column."""
    pairs = list(facts)
    width = max(len(name) for name, _ in pairs)
    for name, value in pairs:
        say(f"{name:<{width}}  {value}")


class _Lines:
    """What both displays have in common: faults and output go to stderr, and nothing is redrawn."""

    tick = 1.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def fault(self, job_id: str, fault: Fault | None) -> None:
        """Print it once, on stderr."""
        note(f"{safe(job_id)}: {fault_notice(fault)}")

    def output(self, job_id: str, name: str, line: Line) -> None:
        """Print it on stderr, so that stdout holds states and nothing else."""
        echo(output_line(job_id, name, line))

    def link(self, job_id: str, url: str) -> None:
        """Print it on stderr."""
        note(f"{safe(job_id)}: see {safe(url)}")

    def waiting(self, line: str) -> None:
        """Print it on stderr."""
        note(line)

    def refresh(self, looks: Mapping[str, int]) -> None:
        """Do nothing: lines stay as they were printed."""


class JsonLines(_Lines):
    """One JSON object a line."""

    def transition(self, transition: Transition) -> None:
        """Print the transition's record."""
        print_json(TransitionRecord.of(transition))

    def outcome(self, record: OutcomeRecord) -> None:
        """Print the record."""
        print_json(record)


class PlainLines(_Lines):
    """One line a state, for logs.

    A line begins with a time, so that no server can write a command for a CI runner.
    """

    def __init__(self, job_ids: Sequence[str]) -> None:
        self._width = min(40, max((len(safe(job_id)) for job_id in job_ids), default=0))

    def transition(self, transition: Transition) -> None:
        """Print the time, the job, its state, our word for that, and what is not certain about it."""
        marks = " [gap before]" if transition.gap else ""
        if transition.at is None:
            marks += " [time as seen]"
        when = stamp(transition.at or transition.seen_at)
        status = f"{safe(transition.status)} ({transition.phase.value})"
        asked = f": {blocked_notice(transition)}" if transition.phase is Phase.BLOCKED else ""
        say(f"{when}  {safe(transition.job_id):<{self._width}}  {status}{marks}{asked}")

    def waiting(self, line: str) -> None:
        """Print it, dated as every line is."""
        say(f"{stamp(datetime.now(UTC))}  {line}")

    def outcome(self, record: OutcomeRecord) -> None:
        """Print how the wait ended, how long it took, and why."""
        why = f": {safe(record.reason)}" if record.reason else ""
        say(
            f"{stamp(datetime.now(UTC))}  {safe(record.job_id):<{self._width}}"
            f"  => {record.outcome.value} after {human_duration(record.elapsed)} and {look_count(record.looks)}{why}"
        )
