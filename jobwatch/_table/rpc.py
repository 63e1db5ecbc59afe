"""Tables of JSON-RPC 2.0 (jsonrpc.org/specification): where places start, and what errors amount to. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import msgspec
from msgspec.structs import replace

from .._models import Fault, FaultKind, Job
from .._reading.rpc import error_in
from .._reading.words import may_be_made_up
from .expressions import expression_of
from .fields import EventTable, NextPage, NextTable, Paths, RequestTable, Told, places_of, several
from .schema import BatchTable, Table

NO_SUCH_METHOD = -32601
ReplyReader: TypeAlias = Callable[[bytes, int, str, Mapping[str, str]], Job | Fault]
"""Reads a job from a body, the HTTP status, the id asked for and the headers that are wanted."""

_REFUSED = frozenset({-32700, -32600, NO_SUCH_METHOD, -32602})
"""What the request is said to be wrong with, so that asking again does not help: parsing, form, method, parameters."""
_INTERNAL = -32603
_SHOWN = 200


def below_result(table: Table) -> Table:
    """Return a table whose places in replies to its POSTs, which are in the envelope, start at ``result``."""
    return replace(
        table,
        root=_below(table.root),
        started=[_below(each) if isinstance(each, str) else each for each in places_of(table.started)],
        batch=_batch_below(table.batch),
        events=_events_below(table.events),
        error=_detail_below(table.error),
        result=_detail_below(table.result),
    )


def _batch_below(batch: BatchTable | None) -> BatchTable | None:
    if batch is None or batch.body is None:
        return batch
    return replace(batch, root=_below(batch.root), next_page=_next_below(batch.next_page))


def _events_below(events: EventTable | None) -> EventTable | None:
    if events is None or events.method != "POST":
        return events
    return replace(events, path=_below(events.path), next_page=_next_below(events.next_page))


def _detail_below(told: Told) -> Told:
    if not isinstance(told, RequestTable) or told.method != "POST":
        return told
    return replace(told, path=_all_below(told.path))


def _next_below(told: NextPage) -> NextPage:
    return replace(told, token=_all_below(told.token)) if isinstance(told, NextTable) else _all_below(told)


def _all_below(paths: Paths) -> Paths:
    return [_below(text) for text in several(paths)]


def _below(text: str) -> str:
    """Return an expression that starts at the result; one that starts at the whole reply, or is none, stays."""
    try:
        expression = expression_of(text)
    except ValueError:  # refused where it is wanted, with its key
        return text
    if any(place.whole for place in expression.places):
        return text
    if expression.place is None:
        return f"result | ({text})"
    if not expression.place.path:
        return "result"
    return f"result{text}" if text.lstrip().startswith("[") else f"result.{text.strip()}"


def kind_of(body: bytes, http_status: int) -> FaultKind | None:
    """Return what the error in a reply amounts to that is not to be read; None where its HTTP status says that.

    A method that is not there says nothing of the job, whatever the HTTP status; nor does any other of the protocol's
    own errors under a 404.
    """
    found = error_in(body)
    if found is None or (http_status != 404 and found[0] != NO_SUCH_METHOD):
        return None
    if found[0] == _INTERNAL:
        return FaultKind.UNREACHABLE
    return FaultKind.REFUSED if found[0] in _REFUSED else None


def with_errors(read: ReplyReader) -> ReplyReader:
    """Return a reader that takes an envelope with an error for what its code says, if no condition says what it is."""

    def read_reply(body: bytes, http_status: int, job_id: str, headers: Mapping[str, str]) -> Job | Fault:
        found = error_in(body)
        if found is None:
            return read(body, http_status, job_id, headers)
        code, problem = found
        try:
            # A state that the HTTP status tells is none beside an error.
            seen = read(body, 0, job_id, headers)
        except msgspec.ValidationError as error:
            seen = Fault(FaultKind.UNREADABLE, str(error))
        is_missing = isinstance(seen, Fault) and seen.kind is FaultKind.NOT_FOUND and code != NO_SUCH_METHOD
        if is_missing or (isinstance(seen, Job) and not may_be_made_up(seen.status)):
            return seen
        kind = FaultKind.REFUSED if code in _REFUSED else FaultKind.UNREACHABLE
        return Fault(kind, f"the API answers with an error: {problem.message[:_SHOWN]}", http_status)

    return read_reply
