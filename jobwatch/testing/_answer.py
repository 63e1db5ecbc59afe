"""An HTTP answer as a value, and one vendor's API as data and functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import TypeAlias

import msgspec
from msgspec import Struct

from .._models import JSON
from ._job import JobOptions, Step

Headers: TypeAlias = Mapping[str, str] | Sequence[tuple[str, str]]


class Answer(Struct, frozen=True):
    """An HTTP answer; the headers are pairs, so that one can come twice."""

    status: int = 200
    body: bytes = b""
    content_type: str | None = None
    headers: tuple[tuple[str, str], ...] = ()

    def plus(self, headers: Headers) -> Answer:
        """Return the answer with more headers."""
        return msgspec.structs.replace(self, headers=(*self.headers, *pairs(headers)))


class Dialect(Struct, frozen=True):
    """One vendor's API as data and pure functions.

    Attributes:
        name: The API's name.
        root: The path of its base URL.
        record: A job's record, from its id, the steps entered, its options and the epoch of the server's time.
        id_field: The name of the record's id.
        reply: The record in its envelope.
        problem: The API's answer to a wrong request, from the HTTP status, the request id and a detail.
        event: The event of a job's stream that reports a state, from the job's id, the step, the job's options and the
            epoch; None where there are no streams.
        is_last: Whether a stream is closed after the event of a state.
    """

    name: str
    root: str
    record: Callable[[str, tuple[Step, ...], JobOptions, datetime], dict[str, JSON]]
    id_field: Callable[[JobOptions], str]
    reply: Callable[[dict[str, JSON], JobOptions], JSON]
    problem: Callable[[int, str, str | None], Answer]
    event: Callable[[str, Step, JobOptions, datetime], bytes] | None = None
    is_last: Callable[[Step, JobOptions], bool] | None = None


def json_answer(value: JSON, status: int = 200, content_type: str = "application/json") -> Answer:
    """Return an answer with this value as its body."""
    return Answer(status, msgspec.json.encode(value), content_type)


def pairs(headers: Headers | None) -> tuple[tuple[str, str], ...]:
    """Return headers as pairs."""
    return tuple(headers.items() if isinstance(headers, Mapping) else headers or ())


def phrase(status: int) -> str:
    """Return the standard reason phrase of an HTTP status, or a plain word where there is none."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
