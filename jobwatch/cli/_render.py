"""What is printed, as values and as text: the records of ``--json``, and words made safe for a terminal or a log. Pure.

Whatever a server, a file or a person made up goes through `safe` on its way into a line, or through `json_line`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec
from msgspec import Raw, Struct

from .._models import JSON, Event, Fault, Job, Outcome, Phase, Transition, both_words, need, printable
from ._tail import Line

# Azure Pipelines obeys "##vso[...]" and "##[...]" wherever they stand in a line, so they are escaped everywhere.
# GitHub's "::error::" counts at the beginning of a line only, and there we put words of our own.
_COMMAND = re.compile(r"##(?=\w*\[)")

_DAYS_FROM = 48
"""From how many hours on a duration is told in days."""

_FACTS = (
    *(
        "type",
        "project_id",
        "created_at",
        "started_at",
        "ended_at",
        "updated_at",
        "attempt",
        "progress",
        "asked",
        "url",
    ),
)


# --- the records of --json: the order of the fields is the order of the keys --------------------------------------


class TransitionRecord(Struct, frozen=True, omit_defaults=True, tag_field="type", tag="transition"):
    """One state change.

    Attributes:
        asked: What the job asks of somebody in this state; left out where it does not.
        url: A page about that, for people; left out where there is none.
    """

    job_id: str
    seq: int
    status: str
    phase: Phase
    at: datetime | None
    seen_at: datetime
    gap: bool
    asked: str | None = None
    url: str | None = None

    @classmethod
    def of(cls, transition: Transition) -> TransitionRecord:
        """Return the record of a transition."""
        return cls(*msgspec.structs.astuple(transition))


class OutcomeRecord(Struct, frozen=True, omit_defaults=True, tag_field="type", tag="outcome"):
    """How one job's wait ended.

    Attributes:
        job_id: The job's id.
        outcome: How the wait ended.
        status: The API's word for the state last seen; None if the job was never read.
        phase: Our word for it.
        error: What went wrong, in the API's words where it gave any; None if nothing did.
        looks: How many looks were made.
        elapsed: How long the wait took, in seconds; for how long the job ran is `ran`.
        end_missed: Whether the API has forgotten the job after no look was good for longer than it keeps jobs.
        asked: What a blocked job asks of somebody; left out where it does not.
        url: A page about the job, for people; like all that follows, it is left out where it is not known.
        created_at, started_at, ended_at: By the API's clock; the last one only of a job that has ended.
        ran: For how many seconds the job ran, by that clock.
        known_after: How many seconds after the job's end the look was answered that showed it.
        progress: How far the job was when last read, from 0 to 1.
        result: What the job made.
    """

    job_id: str
    outcome: Outcome
    status: str | None
    phase: Phase | None
    error: str | None
    looks: int
    elapsed: float
    end_missed: bool = False
    asked: str | None = None
    url: str | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    ran: float | None = None
    known_after: float | None = None
    progress: float | None = None
    result: JSON = None

    @property
    def reason(self) -> str | None:
        """Why the wait ended so, the server's words as they came; None where that says itself."""
        return need(self.asked, self.url) if self.outcome is Outcome.BLOCKED else self.error


class ProgressRecord(Struct, frozen=True, tag_field="type", tag="progress"):
    """How far a job is that goes on, each time that a look shows it otherwise.

    Attributes:
        progress: From 0 to 1, as the API tells it.
        seen_at: When the look was answered that showed it, by our clock.
    """

    job_id: str
    progress: float
    seen_at: datetime


class ApiRecord(Struct, frozen=True, tag_field="type", tag="api"):
    """One API."""

    name: str
    group: str
    token_variable: str
    token_is_set: bool
    token_is_optional: bool
    base_url: str
    base_url_variable: str
    params: tuple[str, ...]
    needs: tuple[str, ...]
    lists_jobs: bool
    docs: str


def job_record(job: Job) -> dict[str, object]:
    """Return every field of a job, and under ``wire`` those of the API's own record."""
    record: dict[str, object] = msgspec.structs.asdict(job)
    record["wire"] = None if job.wire is None else wire_record(job.wire)
    return record


def wire_record(wire: Struct) -> dict[str, object]:
    """Return the fields of the API's own record, with the parts kept undecoded as plain values."""
    return {name: _decoded(value) for name, value in msgspec.structs.asdict(wire).items()}


def _decoded(value: object) -> object:
    if not isinstance(value, Raw):
        return value
    decoded: JSON = msgspec.json.decode(value) if value else None
    return decoded


def json_line(value: object, *, ascii_only: bool = False) -> str:
    """Return a value as one line of JSON, with invisible characters escaped as JSON escapes C0 controls.

    Args:
        value: Any value that msgspec encodes.
        ascii_only: Whether to escape everything beyond ASCII too, for a stream that is not UTF-8.
    """
    line = msgspec.json.encode(value).decode()
    if not (line.isascii() and line.isprintable()):
        line = "".join(char if _is_plain(char, ascii_only) else _escaped(char) for char in line)
    return _COMMAND.sub(r"#\\u0023", line)


def _is_plain(char: str, ascii_only: bool) -> bool:
    return char.isprintable() and (char.isascii() or not ascii_only)


def _escaped(char: str) -> str:
    # JSON has no escape beyond U+FFFF: such a character is two UTF-16 units.
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[index]:02x}{units[index + 1]:02x}" for index in range(0, len(units), 2))


# --- words and numbers in lines for people ------------------------------------------------------------------------


def safe(text: str) -> str:
    """Return text with everything escaped that could steer a terminal, a log or a CI runner."""
    return _COMMAND.sub(r"#\\x23", printable(text))


def facts(job: Job) -> Iterator[tuple[str, str]]:
    """Yield what the API says of a job, as names of ours and values that are safe to print."""
    yield "job", safe(job.id)
    yield "api", job.api
    yield "status", both_words(safe(job.status), job.phase)
    for name in _FACTS:
        value = getattr(job, name)
        if value is not None:
            yield name, _value(value)
    for event in job.events or ():
        yield "event", _event(event)
    if job.error is not None:
        yield "error", safe(str(job.error))
    if job.result is not None:
        yield "result", _value(job.result)
    yield from _wire_facts(job)


def _event(event: Event) -> str:
    when = f"{moment(event.at)}  " if event.at is not None else ""
    return f"{when}{both_words(safe(event.status), event.phase)}"


def _wire_facts(job: Job) -> Iterator[tuple[str, str]]:
    """Yield the fields of the API's own record that the job does not already show."""
    if job.wire is None:
        return
    known = {*_FACTS, "id", "job_id", "status", "state", "events", "error", "result", "results", "attempts"}
    for name, value in wire_record(job.wire).items():
        if value is not None and name not in known:
            yield f"wire.{name}", _value(value)


def _value(value: object) -> str:
    match value:
        case datetime():
            return moment(value)
        case str():
            return safe(value)
        case _:
            return safe(json_line(value))


def moment(at: datetime) -> str:
    """Return a time as RFC 3339 in UTC, with a fraction only where there is one."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def stamp(at: datetime) -> str:
    """Return a time as `moment` does, to the millisecond and padded, so that columns align after it."""
    at = at.astimezone(UTC)
    text = at.isoformat(timespec="milliseconds" if at.microsecond else "seconds")
    return text.replace("+00:00", "Z").ljust(24)


def human_duration(seconds: float) -> str:
    """Return a duration as people write it: ``0.4 s``, ``12 s``, ``1m 30s``, ``2h 05m``, ``3d 04h``."""
    if seconds < 9.95:  # what would be rounded to 10.0 is written without a fraction
        return f"{seconds:.1f} s"
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    if not minutes:
        return f"{whole} s"
    hours, minutes = divmod(minutes, 60)
    if hours >= _DAYS_FROM:
        return f"{hours // 24}d {hours % 24:02d}h"
    return f"{hours}h {minutes:02d}m" if hours else f"{minutes}m {rest:02d}s"


def percent(progress: float) -> str:
    """Return how much is done, in whole percents that no rounding makes more: ``41 %``."""
    return f"{int(min(max(progress, 0.0), 1.0) * 100 + 1e-9)} %"


def look_count(looks: int) -> str:
    """Return how many looks, in words."""
    return "1 look" if looks == 1 else f"{looks} looks"


def fault_notice(fault: Fault | None) -> str:
    """Return what to print when looks begin to fail, or, with None, when they work again."""
    return "can be read again" if fault is None else f"cannot be read for now: {safe(str(fault))}"


def output_line(job_id: str, name: str, line: Line) -> str:
    """Return a line that a job wrote, or a remark about it.

    Neither stands at the line's beginning, where a CI runner looks for commands.
    """
    mark = "*" if line.is_remark else "|"
    return f"{name} {safe(job_id)} {mark} {safe(line.text.expandtabs())}".rstrip()
