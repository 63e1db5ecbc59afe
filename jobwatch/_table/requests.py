"""What a table tells of a job by requests of their own, checked, and made into values. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import msgspec
from msgspec.structs import replace

from .._models import JSON, Job
from .._reading.api import Detail
from .._reading.bodies import plain_body
from .._reading.problems import problem_of
from .._reading.words import normalized
from .evaluation import begin
from .expressions import Expression
from .fields import RequestTable, TableError, Told, expression_at, several

_LONGEST_TEXT = 64 * 1024


def text_of_body(body: str | dict[str, Any] | None) -> str | None:
    """Return a body as it is sent."""
    return body if body is None or isinstance(body, str) else msgspec.json.encode(body).decode()


def body_of(key: str, table: RequestTable) -> str | None:
    """Return the body of a request; None for a GET.

    Raises:
        TableError: It has one, and is no POST.
    """
    if table.method == "GET":
        if table.body is not None:
            raise TableError((key, "body"), 'only a POST has a body: add method = "POST"')
        return None
    return text_of_body(table.body) or ""


def detail_of(
    key: str,
    told: Told,
    path: str,
    *,
    names: Mapping[str, str],
    given: Mapping[str, str],
    no_error: frozenset[str],
) -> Detail | None:
    """Return how the error or the result of a job is asked for; None where the job itself tells it.

    Args:
        key: ``error`` or ``result``.
        told: What the table says.
        path: The path and query of the request, encoded.
        names: The parameters.
        given: Their values.
        no_error: What stands for no error.
    """
    if not isinstance(told, RequestTable):
        return None
    places = [expression_at((key, "path"), text, names) for text in several(told.path)]

    def read(body: bytes, job: Job) -> Job:
        found = [value for value in _values(body, places, given, job.id) if value is not None]
        if key == "result":
            return replace(job, result=found[0]) if found else job
        errors = (value for value in found if not (isinstance(value, str) and normalized(value) in no_error))
        problem = next(filter(None, map(problem_of, errors)), None)
        return job if problem is None else replace(job, error=problem)

    return Detail(path, body_of(key, told), read)


def _values(body: bytes, places: list[Expression], given: Mapping[str, str], job_id: str) -> list[JSON]:
    whole: JSON = plain_body(body)
    if whole is None and body.strip() != b"null":
        whole = body[:_LONGEST_TEXT].decode("utf-8", "replace")  # such as a log
    begin(body)
    return [_value(place, whole, {**given, "job_id": job_id}) for place in places]


def _value(place: Expression, whole: JSON, given: Mapping[str, str]) -> JSON:
    value = place.on(whole, given, whole)
    return list(cast("list[JSON]", value)) if isinstance(value, list) else cast("JSON", value)
