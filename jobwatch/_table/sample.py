"""What a table names and a sample reply lacks, key by key, for whoever writes the table. Pure.

A sample is read once, by whoever checks a table: nothing here is asked when a job is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias, cast

from msgspec import Struct

from .._models import JSON
from .._reading.api import Lacking
from .._reading.bodies import at
from .evaluation import CannotEvaluate
from .expressions import Expression, expression_of
from .fields import DECIDED, TEXTS, TIMES_OF_JOB, EventTable, HeaderPlace, PartTable
from .schema import Table

_PLACES = ("id", "status", *TEXTS, *TIMES_OF_JOB, "attempt", "asked", "error", "result")
_CONDITIONS = (*DECIDED, "nothing_if", "missing_if")
_Named: TypeAlias = Iterator[tuple[str, list[str]]]


def lacking(table: Table, given: Mapping[str, str], reply: JSON, headers: Mapping[str, str]) -> Lacking:
    """Return the keys whose places a reply lacks.

    Args:
        table: The table.
        given: The values of the names in braces, the id's among them.
        reply: The reply, decoded.
        headers: Its headers, by their names in lower case.
    """
    whole = _Sample(reply, reply, given, headers)
    sample = _Sample(whole.value(table.root), reply, given, headers)
    return [(key, ", ".join(texts)) for key, texts in _named(table, sample)]


class _Sample(Struct, frozen=True):
    """A reply, and what lies at its root."""

    base: JSON
    reply: JSON
    given: Mapping[str, str]
    headers: Mapping[str, str]

    def value(self, place: str | HeaderPlace) -> JSON:
        """Return what a place leads to; None where that is null or empty, or it cannot be evaluated."""
        if isinstance(place, HeaderPlace):
            return self.headers.get(place.header.lower()) or None
        try:
            value = cast("JSON", expression_of(place).on(self.base, self.given, self.reply))
        except CannotEvaluate:
            return None
        return None if value == "" else value

    def lacks(self, places: object) -> list[str]:
        """Return the places of a key as they are shown, if none has a value; what is no place lies elsewhere."""
        listed = _places_in(places)
        return [] if any(self.value(each) is not None for each in listed) else [_shown(each) for each in listed]

    def sees(self, condition: Expression) -> bool:
        """Return whether one of the places that a condition looks at has a value."""
        values = [at(self.reply if place.whole else self.base, place.path) for place in condition.places]
        return not values or any(value is not None for value in values)


def _named(table: Table, sample: _Sample) -> _Named:
    """Yield each key of which no place has a value, with its places."""
    places = {key: getattr(table, key) for key in _PLACES}
    if table.items:
        places["items"] = table.items if isinstance(table.items, str) else table.items.path
    if isinstance(table.times, dict):
        places |= {f"times.{word}": paths for word, paths in table.times.items()}
    elif isinstance(table.times, str):
        places["times"] = table.times
    for key, those in places.items():
        if texts := sample.lacks(those):
            yield key, texts
    yield from _of_progress(table, sample)
    if table.events is not None and table.events.request is None:
        yield from _of_events(table.events, sample)
    for key in _CONDITIONS:
        for text in _places_in(getattr(table, key)):
            if isinstance(text, str) and not sample.sees(expression_of(text)):
                yield key, [text]


def _of_progress(table: Table, sample: _Sample) -> _Named:
    """Yield what each way to tell the progress lacks, if none has all."""
    parts = table.progress if isinstance(table.progress, list) else [table.progress]
    lacked = [[text for places in _parts_of(part) for text in sample.lacks(places)] for part in parts]
    if all(lacked):
        yield from (("progress", texts) for texts in lacked)


def _of_events(events: EventTable, sample: _Sample) -> _Named:
    entries = sample.value(events.path)
    if not isinstance(entries, list):
        yield "events.path", [events.path]
        return
    inner = [_Sample(entry, sample.reply, sample.given, sample.headers) for entry in entries]
    for key, places in (("events.status", events.status), ("events.at", events.at)):
        lacked = [entry.lacks(places) for entry in inner]
        if lacked and all(lacked):
            yield key, lacked[0]


def _places_in(places: object) -> list[str | HeaderPlace]:
    """Return the places of a key that lie in the reply, and not in that to another request."""
    listed = cast("list[object]", places) if isinstance(places, list) else [places]
    return [each for each in listed if isinstance(each, (str, HeaderPlace))]


def _parts_of(part: object) -> list[object]:
    return list(part.places()) if isinstance(part, PartTable) else [part]


def _shown(place: str | HeaderPlace) -> str:
    return place if isinstance(place, str) else f"the header {place.header}"
