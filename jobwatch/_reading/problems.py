"""What went wrong, read from whatever an API puts in the place of an error. Pure."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from .._models import JSON, Problem
from .bodies import plain_body
from .words import text_of

_MESSAGE_LIMIT = 2000
_LARGEST = 64 * 1024
"""How many bytes of a body there may be with an error in it: as many as are read of one with an error's HTTP status."""

_MESSAGES = ("message", "msg", "detail", "description", "error_message", "errorMessage", "title", "reason", "error")
_CODES = ("code", "error_code", "errorCode", "type")


_DEEPEST = 4
_MOST = 10
"""How far in, and among how many items of a list, a message is looked for: it would be on the outside and first."""


def problem_of(value: JSON, deepest: int = _DEEPEST) -> Problem | None:
    """Return what went wrong, from whatever an API puts in the place of an error; None if that is nothing.

    Args:
        value: What stands there.
        deepest: How many steps further in a message is looked for.
    """
    match value:
        case None | False | "" | 0:
            return None
        case dict() if value:
            return _from_object(value, deepest) or Problem(msgspec.json.encode(value).decode()[:_MESSAGE_LIMIT])
        case dict():
            return None
        case list():
            problems = (problem_of(each, deepest - 1) for each in value[: _MOST if deepest else 0])
            return next((problem for problem in problems if problem is not None), None)
        case _:
            return Problem(text_of(value)[:_MESSAGE_LIMIT])


def _from_object(value: dict[str, JSON], deepest: int = _DEEPEST) -> Problem | None:
    codes = (value.get(key) for key in _CODES)
    code = next((text_of(each) for each in codes if isinstance(each, (str, int)) and each), None)
    for message in map(value.get, _MESSAGES):
        if isinstance(message, str) and message:
            return Problem(message[:_MESSAGE_LIMIT], code)
        if deepest and isinstance(message, (dict, list)) and (inner := problem_of(message, deepest - 1)) is not None:
            return Problem(inner.message, inner.code or code)
    return None if code is None else Problem(code, code)


def read_problem(body: bytes) -> Problem | None:
    """Read an error body, whatever it calls its message; None where it is no JSON object, or says nothing."""
    value = plain_body(body) if len(body) <= _LARGEST else None
    if not isinstance(value, dict):
        return None
    problem = _from_object(value) or problem_of(value.get("errors"))
    request_id = value.get("request_id") or value.get("requestId")
    return replace(problem, request_id=request_id) if problem and isinstance(request_id, str) else problem


def reported_error(body: bytes) -> Problem | None:
    """Read the error that an API reports in the body of a reply that went well."""
    value = plain_body(body) if len(body) <= _LARGEST else None
    return problem_of(value.get("error")) or problem_of(value.get("errors")) if isinstance(value, dict) else None
