"""The envelope of JSON-RPC 2.0 (jsonrpc.org/specification): its error, and an id that is no job's. Pure."""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

from .._models import JSON, Problem
from .bodies import plain
from .problems import problem_of, read_problem

PROTOCOL = "json-rpc"
"""What a table calls it."""


class _Envelope(Struct, frozen=True):
    """What a reply holds beside the result."""

    error: Raw = Raw(b"null")


_decode = msgspec.json.Decoder(_Envelope).decode


def error_in(body: bytes) -> tuple[int | None, Problem] | None:
    """Return the error that an envelope holds, its code and what is shown of it; None where it holds none."""
    if b'"error"' not in body:
        return None
    try:
        told: JSON = plain(_decode(body).error)
    except (ValueError, RecursionError):  # no object, or no JSON
        return None
    problem = problem_of(told)
    if problem is None:
        return None
    code = told.get("code") if isinstance(told, dict) else None
    number = code if isinstance(code, int) and not isinstance(code, bool) else None
    has_code = problem.code is not None and problem.code != problem.message
    return number, Problem(f"{problem.code} {problem.message}" if has_code else problem.message)


def read_error(body: bytes) -> Problem | None:
    """Read what an error reply says, as CODE MESSAGE where it is one of JSON-RPC."""
    found = error_in(body)
    return read_problem(body) if found is None else found[1]


def without_envelope_id(reply: JSON) -> JSON:
    """Return a reply without the id that an envelope has of its own: it is the request's number, and never a job."""
    if isinstance(reply, dict) and is_envelope(reply):
        return {key: value for key, value in reply.items() if key != "id"}
    return reply


def is_envelope(reply: JSON) -> bool:
    """Whether a reply, decoded, is an envelope of JSON-RPC."""
    return isinstance(reply, dict) and "jsonrpc" in reply
