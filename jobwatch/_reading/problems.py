"""What went wrong, read from whatever an API puts in the place of an error. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from .._models import JSON, Problem
from .words import text_of

_MESSAGE_LIMIT = 2000
_MESSAGES = ("message", "msg", "detail", "description", "error_message", "errorMessage", "title", "reason", "error")
_CODES = ("code", "error_code", "errorCode", "type")


def problem_of(value: JSON) -> Problem | None:
    """Return what went wrong, from whatever an API puts in the place of an error; None if that is nothing."""
    match value:
        case None | False | "" | 0:
            return None
        case dict():
            return _from_object(value)
        case list():
            return next((problem for problem in map(problem_of, value) if problem is not None), None)
        case _:
            return Problem(text_of(value)[:_MESSAGE_LIMIT])


def _from_object(value: dict[str, JSON]) -> Problem | None:
    if not value:
        return None
    code = next((text_of(told) for key in _CODES if isinstance(told := value.get(key), (str, int)) and told), None)
    for key in _MESSAGES:
        told = value.get(key)
        if isinstance(told, str) and told:
            return Problem(told[:_MESSAGE_LIMIT], code)
        if isinstance(told, (dict, list)) and (inner := problem_of(told)) is not None:
            return Problem(inner.message, inner.code or code)
    return Problem(code or msgspec.json.encode(value).decode()[:_MESSAGE_LIMIT], code)


_bodies = msgspec.json.Decoder(dict[str, Any])


def read_problem(body: bytes) -> Problem | None:
    """Read an error body, whatever it calls its message.

    Raises:
        msgspec.MsgspecError: It is no JSON object.
    """
    value = _bodies.decode(body)
    told = {key: value[key] for key in (*_MESSAGES, *_CODES) if key in value}
    problem = (_from_object(told) if told else None) or problem_of(value.get("errors"))
    request_id = value.get("request_id") or value.get("requestId")
    if problem is None or not isinstance(request_id, str):
        return problem
    return Problem(problem.message, problem.code, request_id)
