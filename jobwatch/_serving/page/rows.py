"""What the page is told: each job as a record, and all in events as a browser reads them. Pure.

The browser's side of this is `assets/kinds.js`, which says what a record means to people. Texts are a server's own, as
they came: JSON escapes what it must, and the page shows them as text.

Source of the form: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import assert_never, overload

import msgspec
from msgspec import Struct

from ..._core.stats import Lag, Stats
from ..._models import FaultKind, Outcome, Phase
from ..._models.shortened import shortened
from ..._report.overview import Delta, Row
from ..._watching.changes import Health
from ..._watching.viewing import Origin, Watching

_JOBS_AN_EVENT = 200
"""So that no more than some 100 kB wait for a browser that is slow to read the first time."""

_LONGEST = 2000
_STATES = 64

_State = tuple[Phase, float, str, bool]


class Record(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the page is told of one job; times are in Unix seconds.

    Attributes:
        id: Its id.
        states: Its states whose times are known, in order: phase, when it began, the API's word, and whether states
            before it were not told.
        left_out: How many earlier ones are left out.
        status: The API's word for its state.
        phase: Our word for it.
        outcome: How it ended, or ``dropped`` if it is watched no more.
        health: How well it can be seen.
        fault: What was wrong with the last look.
        why: What the API says went wrong with it.
        asked: What it asks of somebody.
        url: A page about it.
        type: The API's word for its kind.
        project: The project that it belongs to.
        progress: How far it is, from 0 to 1.
        looks: How many looks were made.
        looked: When the last good one was made.
        next: When the next is due.
        added: Since when it is watched.
        usual: Between which times it will probably end.
        due: From when on it takes longer than nearly all earlier jobs did.
        ended: When it ended.
        known: When that was known.
        ran: For how many seconds it ran.
        ending: The API's word for an end that is not believed yet.
        remarks: What else was told about it.
    """

    id: str
    states: tuple[_State, ...]
    left_out: int = 0
    status: str | None = None
    phase: Phase | None = None
    outcome: Outcome | str | None = None
    health: Health = Health.OK
    fault: str | None = None
    why: str | None = None
    asked: str | None = None
    url: str | None = None
    type: str | None = None
    project: str | None = None
    progress: float | None = None
    looks: int | None = None
    looked: float | None = None
    next: float | None = None
    added: float | None = None
    usual: tuple[float, float] | None = None
    due: float | None = None
    ended: float | None = None
    known: float | None = None
    ran: float | None = None
    ending: str | None = None
    remarks: tuple[str, ...] = ()


class _Jobs(Struct, omit_defaults=True, kw_only=True):
    now: float
    jobs: list[Record]
    gone: tuple[str, ...] = ()
    known: int = 0
    anew: bool = False
    more: bool = False


class Cost(Struct, frozen=True, kw_only=True):
    """What the looks cost so far, and the budget for them.

    Attributes:
        requests, looks, unchanged, faults, lag: See `Stats`.
        rate: How many requests a second may be made; None where nothing limits them.
        demand: How many all jobs together would like.
        pace: How many were made lately.
    """

    requests: int
    looks: int
    unchanged: int
    faults: dict[FaultKind, int]
    lag: Lag
    rate: float | None
    demand: float
    pace: float


class _Text(Struct):
    text: str


class _Place(Struct, frozen=True, omit_defaults=True):
    place: str
    until: float | None = None


_json = msgspec.json.Encoder()


def event(name: str, data: Struct) -> bytes:
    """Return one event; JSON has no line end in it, so that its data is one line."""
    return b"event: " + name.encode() + b"\ndata: " + _json.encode(data) + b"\n\n"


def told(name: str, text: str) -> bytes:
    """Return an event that is no more than a sentence."""
    return event(name, _Text(text))


HEARTBEAT = b": still here\n\n"


def jobs_events(delta: Delta, now: float, clean: Callable[[str], str] = str) -> Iterator[bytes]:
    """Return the events that tell what has changed; only the last one says up to which version that is all.

    Args:
        delta: What has changed.
        now: The time.
        clean: Takes secrets out of texts.
    """
    rows = delta.rows
    for first in range(0, max(1, len(rows)), _JOBS_AN_EVENT):
        is_last = first + _JOBS_AN_EVENT >= len(rows)
        part = _Jobs(
            now=_ms(now),
            jobs=[record_of(row, clean) for row in rows[first : first + _JOBS_AN_EVENT]],
            gone=delta.gone if is_last else (),
            known=delta.version if is_last else 0,
            anew=delta.is_whole and first == 0,
            more=not is_last,
        )
        yield event("jobs", part)


def record_of(row: Row, clean: Callable[[str], str] = str) -> Record:
    """Return what the page is told of a job.

    Args:
        row: The job.
        clean: Takes secrets out of texts; its id is what it is called by, and stays as it is.
    """

    def text(told: str | None) -> str | None:
        return None if told is None else _cut(clean(told))

    job = row.job
    states = job.states[-_STATES:]
    return Record(
        id=job.job_id,
        states=tuple((each.phase, _ms(each.began), _cut(clean(each.status)), each.gap) for each in states),
        left_out=len(job.states) - len(states),
        status=text(job.status),
        phase=job.phase,
        outcome="dropped" if job.outcome is None and job.is_dropped else job.outcome,
        health=row.health,
        fault=text(row.fault),
        why=text(row.error),
        asked=text(job.asked),
        url=text(job.url),
        type=text(row.type),
        project=text(row.project_id),
        progress=job.progress,
        looks=job.looks,
        looked=_ms(row.looked_at),
        next=_ms(row.next_look),
        added=_ms(row.added_at),
        usual=None if row.ends_between is None else (_ms(row.ends_between[0]), _ms(row.ends_between[1])),
        due=_ms(row.late_from),
        ended=_ms(job.ended_at),
        known=_ms(job.known_at),
        ran=job.ran,
        ending=text(row.unsettled),
        remarks=tuple(_cut(clean(each)) for each in row.remarks),
    )


def cost_of(stats: Stats, pace: float) -> Cost:
    """Return what the looks cost.

    Args:
        stats: What the client has done.
        pace: How many requests a second it made lately.
    """
    return Cost(
        requests=stats.requests,
        looks=stats.looks,
        unchanged=stats.unchanged,
        faults=dict(stats.faults),
        lag=stats.lag,
        rate=stats.rate,
        demand=stats.demand,
        pace=pace,
    )


def place_event(origin: Origin) -> bytes:
    """Return the event that tells where the jobs come from, and up to when they are known, if nobody looks at them."""
    where = origin.api if origin.journal is None else f"{origin.api}, {origin.journal}"
    match origin.watching:
        case Watching.WE:
            text = where
        case Watching.OTHERS:
            text = f"{where}, watched by process {origin.pid}" if origin.pid else f"{where}, watched by another process"
        case Watching.NOBODY:
            text = f"{where}, watched by nobody"
        case Watching.UNKNOWN:
            text = f"{where}, as it was last written"
        case _:
            assert_never(origin.watching)
    until = _ms(origin.written_at) if origin.watching is Watching.NOBODY else None
    return event("hello", _Place(text, until))


def trouble_of(origin: Origin) -> str:
    """Return what keeps jobs from being told of; empty if nothing does."""
    kept = [f"project {project}: {why}" for project, why in origin.projects.items() if why]
    return ". ".join(filter(None, (origin.trouble, *kept)))


def _cut(text: str) -> str:
    return shortened(text, _LONGEST)


@overload
def _ms(seconds: float) -> float: ...
@overload
def _ms(seconds: None) -> None: ...
@overload
def _ms(seconds: float | None) -> float | None: ...
def _ms(seconds: float | None) -> float | None:
    """Return a time to the millisecond: more digits than that are as many bytes again."""
    return None if seconds is None else round(seconds, 3)
