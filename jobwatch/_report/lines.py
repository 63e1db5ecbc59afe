"""A report from the lines that ``jobwatch wait --json`` prints. Pure.

It reads what it needs and passes over the rest, so that lines of an older or a newer jobwatch are read as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import Enum
from typing import TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from .._errors import ConfigError
from .._models import Outcome, Phase
from .._reading.times import seconds_since_1970
from .model import Entered, Report, ReportedJob, made

_E = TypeVar("_E", bound=Enum)

_KINDS = frozenset({"transition", "outcome", "progress"})


class _Line(Struct, frozen=True):
    """The fields of all kinds of line that matter here."""

    type: str = ""
    job_id: str = ""
    seq: int = 0
    status: str | None = None
    phase: str | None = None
    at: datetime | None = None
    seen_at: datetime | None = None
    gap: bool = False
    outcome: str | None = None
    looks: int | None = None
    elapsed: float | None = None
    ran: float | None = None
    known_after: float | None = None
    progress: float | None = None
    error: str | None = None
    asked: str | None = None
    url: str | None = None
    output: str | None = None


class _Told:
    """What the lines tell of one job."""

    def __init__(self) -> None:
        self.transitions: dict[int, _Line] = {}
        self.outcome: _Line | None = None
        self.progress: float | None = None


def report_of(
    lines: Iterable[bytes], *, began: float | None = None, until: float | None = None, api: str | None = None
) -> Report:
    """Return what the lines tell.

    Args:
        lines: The lines, each with or without its end. Lines of several runs may follow each other.
        began: When the wait began, in Unix seconds, where that is known; else it follows from jobs that ended.
        until: Up to when jobs were watched, in Unix seconds; by default up to the last moment that the lines tell.
        api: The name of the API, where that is known.

    Raises:
        ConfigError: A line, other than the last one, is no JSON object, or one of another form.
    """
    told: dict[str, _Told] = {}
    broken: int | None = None
    for number, line in enumerate(lines, start=1):
        if broken is not None:
            raise ConfigError(f"line {broken} is none that jobwatch wait --json prints: give its output, nothing else")
        if not line.strip():
            continue
        record = _read(line)
        if record is None:
            broken = number  # the last one may have been cut off, as by kill -9
        elif record.type in _KINDS and record.job_id:
            _take(told.setdefault(record.job_id, _Told()), record)
    remarks = () if broken is None else (f"line {broken}, the last one, is cut off and was left out",)
    began = _began(told.values()) if began is None else began
    last = _last(told.values()) if until is None else until
    return Report(
        jobs=tuple(_job(job_id, each, began, last) for job_id, each in told.items()), api=api, remarks=remarks
    )


def _read(line: bytes) -> _Line | None:
    try:
        return msgspec.json.decode(line, type=_Line)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def _take(told: _Told, record: _Line) -> None:
    if record.type == "progress":
        told.progress = record.progress
    elif record.type == "outcome":
        told.outcome = record
    elif record.seq == 1 and 1 in told.transitions and told.transitions[1] != record:
        # Another wait for the same job, that began anew.
        told.transitions = {1: record}
        told.outcome = None
    else:
        told.transitions[record.seq] = record


def _job(job_id: str, told: _Told, began: float | None, last: float | None) -> ReportedJob:
    transitions = [told.transitions[seq] for seq in sorted(told.transitions)]
    entered = [
        Entered(
            status=each.status or "",
            phase=_word(each.phase, Phase) or Phase.UNKNOWN,
            at=_seconds(each.at),
            seen_at=_seconds(each.seen_at),
            gap=each.gap,
        )
        for each in transitions
    ]
    end = told.outcome
    if end is None:
        job = ReportedJob(job_id=job_id, progress=told.progress)
        if transitions:
            job = replace(job, asked=transitions[-1].asked, url=transitions[-1].url)
        return made(job, entered, last)
    until = began + end.elapsed if began is not None and end.elapsed is not None else last
    job = ReportedJob(
        job_id=job_id,
        outcome=_word(end.outcome, Outcome),
        status=end.status,
        phase=_word(end.phase, Phase),
        ran=end.ran,
        known_after=end.known_after,
        looks=end.looks,
        progress=told.progress if end.progress is None else end.progress,
        error=end.error,
        asked=end.asked,
        url=end.url,
        output=end.output,
    )
    return made(job, entered, until)


def _word(text: str | None, words: type[_E]) -> _E | None:
    try:
        return words(text)
    except ValueError:  # a newer jobwatch may have more of them
        return None


def _seconds(at: datetime | None) -> float | None:
    return None if at is None else seconds_since_1970(at)


def _began(told: Iterable[_Told]) -> float | None:
    """Return when the wait began, by the jobs that were seen to end: a wait for several begins for all at once."""
    found = [
        seen_at - each.outcome.elapsed
        for each in told
        if each.outcome is not None and each.outcome.elapsed is not None and each.transitions
        if _ended(last := each.transitions[max(each.transitions)])
        if (seen_at := _seconds(last.seen_at)) is not None
    ]
    return max(found, default=None)


def _ended(line: _Line) -> bool:
    phase = _word(line.phase, Phase)
    return phase is not None and phase.ended


def _last(told: Iterable[_Told]) -> float | None:
    moments = [
        moment
        for each in told
        for line in each.transitions.values()
        for moment in (_seconds(line.at), _seconds(line.seen_at))
        if moment is not None
    ]
    return max(moments, default=None)
