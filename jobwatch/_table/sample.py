"""What a table names and a sample reply lacks, key by key, for whoever writes the table. Pure.

A sample is read once, by whoever checks a table: nothing here is asked when a job is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias, cast

from .._models import JSON
from .._reading.api import Lacking
from .._reading.bodies import at
from .evaluation import CannotEvaluate
from .expressions import Expression, expression_of
from .fields import DECIDED, TEXTS, TIMES_OF_JOB, EventTable, PartTable
from .schema import Table

_PLACES = ("id", "status", *TEXTS, *TIMES_OF_JOB, "attempt", "asked", "error", "result")
_CONDITIONS = (*DECIDED, "nothing_if", "missing_if")
_Given: TypeAlias = Mapping[str, str]


def lacking(table: Table, given: Mapping[str, str], reply: JSON, job_id: str) -> Lacking:
    """Return the keys whose places a reply lacks.

    Args:
        table: The table.
        given: The values of its parameters.
        reply: The reply, decoded.
        job_id: The id of the job that it tells of.
    """
    given = {**given, "job_id": job_id}
    base = _value(table.root, reply, given, reply)
    return [(key, ", ".join(texts)) for key, texts in _named(table, base, given, reply)]


def _named(table: Table, base: JSON, given: _Given, reply: JSON) -> Iterator[tuple[str, list[str]]]:
    """Yield each key of which no place has a value, with its places."""

    def lacks(paths: object) -> list[str]:
        texts = _texts(paths)
        elsewhere = isinstance(paths, list) and len(texts) < len(cast("list[object]", paths))
        return texts if not elsewhere and all(_value(text, base, given, reply) is None for text in texts) else []

    places = {key: getattr(table, key) for key in _PLACES}
    if isinstance(table.times, dict):
        places |= {f"times.{word}": paths for word, paths in table.times.items()}
    elif isinstance(table.times, str):
        places["times"] = table.times
    for key, paths in places.items():
        if texts := lacks(paths):
            yield key, texts
    parts = table.progress if isinstance(table.progress, list) else [table.progress]
    lacked = [[text for paths in _paths_of(part) for text in lacks(paths)] for part in parts]
    if all(lacked):
        yield from (("progress", texts) for texts in lacked)
    if table.events is not None and table.events.request is None:
        yield from _of_events(table.events, base, given, reply)
    for key in _CONDITIONS:
        for text in _texts(getattr(table, key)):
            if not _sees(expression_of(text), base, reply):
                yield key, [text]


def _of_events(events: EventTable, base: JSON, given: _Given, reply: JSON) -> Iterator[tuple[str, list[str]]]:
    entries = _value(events.path, base, given, reply)
    if not isinstance(entries, list):
        yield "events.path", [events.path]
        return
    for key, paths in (("events.status", events.status), ("events.at", events.at)):
        texts = _texts(paths)
        if texts and entries and all(_value(text, each, given, reply) is None for each in entries for text in texts):
            yield key, texts


def _texts(paths: object) -> list[str]:
    """Return the places that lie in the body: one may lie elsewhere."""
    each = cast("list[object]", paths) if isinstance(paths, list) else [paths]
    return [place for place in each if isinstance(place, str)]


def _paths_of(part: str | PartTable) -> list[object]:
    return [part] if isinstance(part, str) else [part.done, part.of]


def _sees(expression: Expression, base: JSON, reply: JSON) -> bool:
    """Whether one of the places that a condition looks at has a value."""
    values = [at(reply if place.whole else base, place.path) for place in expression.places]
    return not values or any(value is not None for value in values)


def _value(text: str, base: JSON, given: _Given, reply: JSON) -> JSON:
    """Return what an expression gives; None where that is null, or it cannot be evaluated."""
    try:
        value = cast("JSON", expression_of(text).on(base, given, reply))
    except CannotEvaluate:
        return None
    return None if value == "" else value
