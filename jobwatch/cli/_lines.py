"""Lines on stdout: JSON, columns, facts, and the two displays of a run that are made of lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from .._models import Fault, Phase, Transition, both_words, need
from ._endings import ending
from ._output import brief, echo, is_unicode, note, say
from ._render import (
    OutcomeRecord,
    ProgressRecord,
    TransitionRecord,
    fault_notice,
    json_line,
    output_line,
    percent,
    safe,
    stamp,
)
from ._standing import Standing
from ._tail import Line

_EARLY, _MANY = 2, 4
"""A line that says that we still wait is left out after another; those of the first two minutes, after four."""


def print_json(value: object) -> None:
    """Print a value as one line of JSON, in ASCII where stdout takes no more."""
    say(json_line(value, ascii_only=not is_unicode()))


def print_columns(rows: Sequence[Sequence[str]]) -> None:
    """Print rows of words in columns; the last column may be of any length."""
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        padded = (word + " " * (width - _width(word)) for word, width in zip(row, widths, strict=True))
        say("  ".join(padded).rstrip())


def _width(text: str) -> int:
    """Return how many columns a text takes, without rich, which need not be there for plain lines."""
    if text.isascii():
        return len(text)
    from unicodedata import category, east_asian_width  # noqa: PLC0415 - most texts need none of it

    marks = {"Mn", "Me", "Cf"}  # which stand on the character before them, or are not seen
    shown = [char for char in text if category(char) not in marks]
    return sum(2 if east_asian_width(char) in "WF" else 1 for char in shown)


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

    def progress_before(self, job_id: str, progress: float) -> None:
        """Do nothing: what was printed before is not printed again."""

    def refresh(self, standing: Mapping[str, Standing]) -> None:
        """Do nothing: lines stay as they were printed."""


class JsonLines(_Lines):
    """One JSON object a line."""

    def transition(self, transition: Transition) -> None:
        """Print the transition's record."""
        print_json(TransitionRecord.of(transition))

    def progress(self, job_id: str, progress: float, seen_at: datetime) -> None:
        """Print its record."""
        print_json(ProgressRecord(job_id, progress, seen_at))

    def outcome(self, record: OutcomeRecord) -> None:
        """Print the record."""
        print_json(record)


class PlainLines(_Lines):
    """One line a state, for logs.

    A line begins with a time, so that no server can write a command for a CI runner.
    """

    def __init__(self, job_ids: Sequence[str]) -> None:
        self._width = min(40, max((len(safe(job_id)) for job_id in job_ids), default=0))
        self._quarters: dict[str, int] = {}
        self._said = 0
        self._beats = 0

    def transition(self, transition: Transition) -> None:
        """Print the time, the job, its state, our word for that, and what is not certain about it."""
        marks = " [gap before]" if transition.gap else ""
        if transition.at is None:
            marks += " [time as seen]"
        when = stamp(transition.at or transition.seen_at)
        status = both_words(safe(transition.status), transition.phase)
        asked = f": {brief(need(transition.asked, transition.url))}" if transition.phase is Phase.BLOCKED else ""
        self._say(f"{when}  {safe(transition.job_id):<{self._width}}  {status}{marks}{asked}")

    def waiting(self, line: str) -> None:
        """Print it, dated as every line is, unless lines since the one before show as much."""
        self._beats += 1
        if self._said < (_MANY if self._beats <= _EARLY else 1):
            say(f"{stamp(datetime.now(UTC))}  {line}")
        self._said = 0

    def progress_before(self, job_id: str, progress: float) -> None:
        """Take it that the quarters up to there were printed by an earlier run."""
        self._quarters[job_id] = int(progress * 4)

    def progress(self, job_id: str, progress: float, seen_at: datetime) -> None:
        """Print how far the job is whenever another quarter is done, so that a log stays short."""
        quarters = int(progress * 4)
        if 0 < quarters < 4 and quarters > self._quarters.get(job_id, 0):
            self._quarters[job_id] = quarters
            self._say(f"{stamp(seen_at)}  {safe(job_id):<{self._width}}  {percent(progress)} done")

    def outcome(self, record: OutcomeRecord) -> None:
        """Print how the wait ended, when the job did and how late that was known, and why."""
        why = f": {brief(record.reason)}" if record.reason else ""
        now = datetime.now(UTC)
        self._say(f"{stamp(now)}  {safe(record.job_id):<{self._width}}  => {ending(record, now)}{why}")

    def _say(self, line: str) -> None:
        self._said += 1
        say(line)
