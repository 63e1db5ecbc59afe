"""A job as a user's source tells it: made in Python, so that any field may hold anything. Checked. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from .._models import Event, Fault, FaultKind, Job, Phase, Problem

_Word = Annotated[str, Meta(min_length=1)]
_Moment = Annotated[datetime, Meta(tz=True)]
_LONGEST = 1e9  # infinity is no pause


class _Event(Struct):
    status: _Word
    phase: Phase
    at: _Moment | None = None


class _Job(Struct):
    """The fields of a `Job` that need a look, each with what it may hold."""

    id: _Word
    status: _Word
    phase: Phase
    type: str | None
    project_id: str | None
    created_at: _Moment | None
    started_at: _Moment | None
    ended_at: _Moment | None
    updated_at: _Moment | None
    attempt: int | None
    progress: Annotated[float, Meta(ge=0.0, le=1.0)] | None
    events: tuple[_Event, ...] | None
    proven: tuple[_Event, ...]
    error: Problem | None
    result: Any
    wire: Any


class _Fault(Struct):
    kind: FaultKind
    message: str
    http_status: int | None
    code: str | None
    request_id: str | None
    retry_after: Annotated[float, Meta(ge=0.0, le=_LONGEST)] | None
    url: str | None


def told_job(told: Job, api: str) -> Job | Fault:
    """Return a job with each field of its type and all times in UTC, or what is wrong with it.

    Args:
        told: The job as it was told.
        api: What its `Job.api` is to be.
    """
    try:
        seen = msgspec.convert(told, _Job, from_attributes=True)
        result = msgspec.to_builtins(told.result, str_keys=True)
    except RecursionError:  # of which each version of Python says something else
        return unreadable("it is nested too deeply, or holds itself - at `$.result`")
    except (msgspec.ValidationError, TypeError) as error:
        return unreadable(str(error))
    if not isinstance(seen.wire, Struct | None):
        return unreadable(f"Expected a `Struct`, got `{type(seen.wire).__name__}` - at `$.wire`")
    return replace(
        told,
        api=api,
        phase=seen.phase,
        created_at=_utc(seen.created_at),
        started_at=_utc(seen.started_at),
        ended_at=_utc(seen.ended_at),
        updated_at=_utc(seen.updated_at),
        events=None if seen.events is None else _events(seen.events),
        proven=_events(seen.proven),
        error=seen.error,
        result=result,
    )


def told_fault(told: Fault) -> Fault:
    """Return a fault whose kind and pause can be relied on."""
    try:
        seen = msgspec.convert(told, _Fault, from_attributes=True)
    except msgspec.ValidationError as error:
        return unreadable(str(error))
    return replace(told, kind=seen.kind)


def unreadable(what: str) -> Fault:
    """Return the fault of an answer that cannot be used."""
    return Fault(FaultKind.UNREADABLE, f"the source's answer cannot be read: {what}")


def _events(events: tuple[_Event, ...]) -> tuple[Event, ...]:
    return tuple(Event(event.status, event.phase, _utc(event.at)) for event in events)


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC)
