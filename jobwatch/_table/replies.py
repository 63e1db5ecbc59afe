"""What reads the replies of a table's API: that of a job, those of lists of jobs, and a history's. Pure."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, tzinfo
from typing import Any

import msgspec
from msgspec import UNSET

from .._models import Event, Job, Phase
from .._reading.bodies import LARGE, decoder_of
from .._reading.structs import MOST_JOBS
from .._reading.words import Words, normalized
from .checks import root_of, status_of, words_of
from .evaluation import CannotEvaluate, begin
from .expressions import Expression
from .fields import DECIDED, OF_REPLIES, TEXTS, TIMES_OF_JOB, Fields, TableError, expression_at, in_reply, list_of
from .paths import PART, TEXT, TIMES, WORD, Compiled, Plan
from .reader import Layout, TableReader
from .schema import Table

_OBJECTS_A_JOB = 20
"""How many objects a job of a list may have, in the mean of as many jobs as are read."""

_whole = decoder_of(Any, is_typed=False)


class Replies:
    """What reads the replies of one API.

    Args:
        table: What the table says.
        name: What the API is called.
        given: The values of the parameters.
    """

    def __init__(self, table: Table, name: str, given: Mapping[str, str]) -> None:
        self._table, self._name, self._given = table, name, given

    def readers(self) -> tuple[TableReader, TableReader, bool]:
        """Return the reader of replies, that of the response that started a job, and whether all is decoded."""
        root = root_of(self._table)
        typed, loose = _layouts(self._wanted(root))
        words, zone = words_of(self._table), _zone(self._table.timezone)
        http = {status_of(key): Phase(state) for key, state in self._table.http.items() if state != "missing"}

        def reader(words: Words, http: dict[int, Phase]) -> TableReader:
            no_error = frozenset(map(normalized, self._table.no_error))
            more: dict[str, Any] = {"root": root, "zone": zone, "http": http, "given": self._given}
            more["http_alone"] = self._table.http_alone
            return TableReader(self._name, words, typed, loose, no_error=no_error, **more)

        return reader(words, http), reader(words.stated(), {}), typed.is_whole

    def history(self, reader: TableReader) -> Callable[[bytes], tuple[Event, ...] | None] | None:
        """Return what reads a history that a request of its own asks for; None where there is none."""
        events = self._table.events
        if events is None or events.request is None:
            return None
        fields = Fields(self._table.params)
        fields.want_events(events)
        layout = layout_of(fields, fields.plan.compiled())
        extractors = layout.fields.events

        def read(body: bytes) -> tuple[Event, ...] | None:
            root = layout.decode(body)
            if root is None or extractors is None:
                return None
            return reader.events(extractors, layout.fields.scope(root, root, self._given))

        return read

    def jobs(self, reader: TableReader, key: str, where: str) -> Callable[[bytes], tuple[Job, ...]]:
        """Return what reads a list of jobs.

        Args:
            reader: What reads one of them.
            key: The table's key for the request: ``list`` or ``batch``.
            where: Where in the reply they lie.

        Raises:
            TableError: Nothing tells them apart.
        """
        if not self._table.id:
            raise TableError((key,), "the jobs of a list are told apart by their ids: give id")
        fields, root = self._wanted(), expression_at((key, "root"), where, self._table.params)
        typed, loose = _layouts(fields)
        typed_items = _items_reader(root, typed.kind, self._given)
        loose_items = _items_reader(root, Any, self._given)

        def read(body: bytes) -> tuple[Job, ...]:
            if len(body) > LARGE and body.count(b"{") > _OBJECTS_A_JOB * MOST_JOBS:
                raise ValueError("more parts than any list of jobs has")
            # What starts at the whole reply is read from it as it is.
            whole = _whole(body) if typed.is_scoped else None
            try:
                if not typed.is_scoped:
                    return reader.jobs(typed.fields, typed_items(body))
            except CannotEvaluate:
                raise
            except msgspec.ValidationError:
                pass
            return reader.jobs(loose.fields, loose_items(body), whole)

        return read

    def _wanted(self, root: Expression | None = None) -> Fields:
        table, fields = self._table, Fields(self._table.params, root)
        for key in ("id", "attempt", *TEXTS, *TIMES_OF_JOB):
            fields.want(key, getattr(table, key), TEXT)
        fields.want("status", table.status, WORD)
        fields.want("error", in_reply(table.error), PART)
        fields.want("result", in_reply(table.result), PART)
        fields.want("asked", table.asked, PART)
        fields.want_progress(table.progress)
        for key in (*DECIDED, "nothing_if", *OF_REPLIES):
            fields.want_condition(key, table.paths_under(key))
        match table.times:
            case None:
                pass
            case str():
                fields.want("times", table.times, TIMES)
            case _:
                for word, paths in table.times.items():
                    fields.want(f"times.{word}", paths, TEXT)
        if table.events is not None and table.events.request is None:
            fields.want_events(table.events)
        return fields


def _layouts(fields: Fields) -> tuple[Layout, Layout]:
    return layout_of(fields, fields.plan.compiled()), layout_of(fields, fields.plan.loosely())


def layout_of(fields: Fields, compiled: Compiled) -> Layout:
    """Return how fields lie in a body."""
    return Layout(compiled, fields.extractors(compiled))


def _items_reader(root: Expression, kind: Any, given: Mapping[str, str]) -> Callable[[bytes], Sequence[object] | None]:
    """Return what reads the items of a list that lies at a root."""
    plan = Plan()
    plan.want(root, list_of(kind), required=True)
    compiled = plan.compiled()
    decode, items = decoder_of(compiled.type, is_typed=kind is not Any), compiled.readers[-1]

    def read(body: bytes) -> Sequence[object] | None:
        begin(body)
        value: object = decode(body)
        found = None if value is None else items(compiled.scope(value, value, given))
        return None if found is UNSET else found

    return read


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise TableError(("timezone",), f"{name!r} is no zone known here, such as Europe/Berlin") from None
