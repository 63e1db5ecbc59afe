"""A job as a user's source tells it: made in Python, so that any field may hold anything. Checked. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, cast

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from .._models import Event, Fault, FaultKind, Job, Phase, Problem

_Word = Annotated[str, Meta(min_length=1)]
_Moment = Annotated[datetime, Meta(tz=True)]
_LONGEST = 1e9  # infinity is no pause
_LARGEST = 2**63 - 1  # the largest whole number that a journal takes


class _Event(Struct):
    status: _Word
    phase: Phase
    at: _Moment | None = None


class _Problem(Struct):
    message: str
    code: str | None
    request_id: str | None


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
    attempt: Annotated[int, Meta(ge=-_LARGEST, le=_LARGEST)] | None
    progress: Annotated[float, Meta(ge=0.0, le=1.0)] | None
    events: tuple[_Event, ...] | None
    has_more_events: bool
    proven: tuple[_Event, ...]
    error: _Problem | None
    asked: str | None
    url: str | None
    retention: Annotated[float, Meta(ge=0.0, le=_LONGEST)] | None
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


_TEXT, _WORD, _TIME = "a text, or None", "a text that is not empty", "a datetime with a timezone, or None"
_EVENTS = "a tuple of Event, each with a status, a Phase, and a time with a timezone or None"
_WANTED = {
    "id": _WORD,
    "status": _WORD,
    "phase": "a Phase",
    "type": _TEXT,
    "project_id": _TEXT,
    "created_at": _TIME,
    "started_at": _TIME,
    "ended_at": _TIME,
    "updated_at": _TIME,
    "attempt": "a whole number of 64 bits, or None",
    "progress": "a number from 0 to 1, or None",
    "events": f"None, or {_EVENTS}",
    "has_more_events": "True or False",
    "proven": _EVENTS,
    "error": "a Problem whose parts are texts, or None",
    "asked": _TEXT,
    "url": _TEXT,
    "retention": "a number of seconds up to 1e9, or None",
    "wire": "a msgspec.Struct, or None",
    "kind": "a FaultKind",
    "message": "a text",
    "http_status": "a whole number, or None",
    "code": _TEXT,
    "request_id": _TEXT,
    "retry_after": "a number of seconds up to 1e9, or None",
}
"""What each field of a job or a fault must be, in words."""


def told_job(told: Job, source: str) -> Job | Fault:
    """Return a job with each field of its type and all times in UTC, or what is wrong with it.

    Texts of another kind, such as the members of a `StrEnum`, become plain ones, and what UTF-8 cannot write in them
    becomes a question mark.

    Args:
        told: The job as it was told.
        source: The name of the source, which is what its `Job.api` is to be.
    """
    try:
        seen = msgspec.convert(told, _Job, from_attributes=True)
    except msgspec.ValidationError as error:
        return unreadable(source, _wrong(told, error))
    if not isinstance(seen.wire, Struct | None):
        return unreadable(source, _must_be("wire", seen.wire))
    try:
        result = msgspec.to_builtins(told.result, str_keys=True)
        msgspec.json.encode(result)
    except RecursionError:  # of which each version of Python says something else
        return unreadable(source, "result cannot be written as JSON: it is nested too deeply, or holds itself")
    except (TypeError, ValueError) as error:
        return unreadable(source, f"result cannot be written as JSON: {error}")
    try:
        times = {name: _utc(getattr(seen, name)) for name in _TIMES}
        events, proven = None if seen.events is None else _events(seen.events), _events(seen.proven)
    except OverflowError:
        return unreadable(source, "a time lies beyond the years 1 to 9999 in UTC")
    return replace(
        told,
        api=source,
        phase=seen.phase,
        **{name: _plain(getattr(seen, name)) for name in _TEXTS},
        **times,
        events=events,
        proven=proven,
        error=None if seen.error is None else _problem(seen.error),
        result=result,
        now=None,
        hops=0,
    )


def told_fault(told: Fault, source: str) -> Fault:
    """Return a fault whose kind and pause can be relied on, and whose texts can be written."""
    try:
        seen = msgspec.convert(told, _Fault, from_attributes=True)
    except msgspec.ValidationError as error:
        return unreadable(source, _wrong(told, error))
    return replace(told, kind=seen.kind, **{name: _plain(getattr(seen, name)) for name in _TEXTS_OF_FAULT})


def unreadable(source: str, what: str) -> Fault:
    """Return the fault of an answer that cannot be used."""
    return Fault(FaultKind.UNREADABLE, f"the answer of the source {source} cannot be read: {what}")


_TIMES = ("created_at", "started_at", "ended_at", "updated_at")
_TEXTS = ("id", "status", "type", "project_id", "asked", "url")
_TEXTS_OF_FAULT = ("message", "code", "request_id", "url")


def _wrong(told: Job | Fault, error: msgspec.ValidationError) -> str:
    """Return which field is wrong, what it is, and what it must be."""
    place = str(error).rpartition("`$.")[2].removesuffix("`")
    value: object = told
    for step in re.findall(r"\w+", place):
        value = cast("Any", value)[int(step)] if step.isdigit() else getattr(value, step, None)
    return _must_be(place, value)


def _must_be(place: str, value: object) -> str:
    kind = "None" if value is None else f"of type {type(value).__name__}"
    field = place.partition(".")[0].partition("[")[0]
    return f"{place} is {kind}{', and' if field == place else f'; {field}'} must be {_WANTED[field]}"


def _plain(text: str | None) -> str | None:
    if text is None or (type(text) is str and text.isascii()):
        return text
    return str.__str__(text).encode("utf-8", "replace").decode()


def _problem(problem: _Problem) -> Problem:
    return Problem(_plain(problem.message) or "", _plain(problem.code), _plain(problem.request_id))


def _events(events: tuple[_Event, ...]) -> tuple[Event, ...]:
    return tuple(Event(_plain(event.status) or "", event.phase, _utc(event.at)) for event in events)


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC)
