"""What a table wants of a body, key by key, gathered into a plan, and the readers that come of it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from .._models import Phase
from .expressions import Expression, expression_of
from .paths import CHOSEN, NUMBER, TEXT, WORD, Compiled, Kind, Plan
from .reader import Condition, EventExtractors, Extractor, Extractors, Progress

Paths: TypeAlias = str | list[str]
"""One place, or several of which the first that holds a value wins."""


class HeaderPlace(Struct, frozen=True, forbid_unknown_fields=True):
    """A value that is a header of the reply, and lies nowhere in its body.

    Attributes:
        header: The name of the header, in any case.
    """

    header: str


Places: TypeAlias = str | HeaderPlace | Sequence[str | HeaderPlace]
"""As `Paths`, where the value may be a header, too."""

OURS = frozenset({"job_id", "job_ids", "project_id", "limit", "url", "now", "long_poll"})
"""The names in braces that mean something of their own, and are no parameters."""
OF_REPLIES = ("missing_if", "limited_if", "token.refused_if", "token.renew_if")
"""The conditions that say what a reply is which tells no state of the job."""
DECIDED = {
    f"{phase.value}_if": phase
    for phase in (
        Phase.CANCELLED,
        Phase.FAILED,
        Phase.PARTIAL,
        Phase.SUCCEEDED,
        Phase.FINISHED,
        Phase.BLOCKED,
        Phase.RUNNING,
        Phase.PENDING,
    )
}
"""The keys of the conditions that decide a job's phase, the first that holds before the others."""

_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")

TEXTS = {"type": "type", "project": "project_id", "url": "url"}
"""The keys of texts, and what `Job` calls them."""

TIMES_OF_JOB = ("created_at", "started_at", "ended_at", "updated_at")


class NextTable(Struct, frozen=True, forbid_unknown_fields=True):
    """What leads to the next page, where that is no URL in the body.

    Attributes:
        token: Where the token lies that is sent with the same request.
        header: The header that holds the URL, or with `query` or `body` the token.
        query: The parameter of the query that takes the token.
        body: Where it goes in the body that is sent, with dots between the keys.
    """

    token: Paths = []
    header: str = ""
    query: str = ""
    body: str = ""


NextPage: TypeAlias = Paths | NextTable
"""Where the URL of the next page lies, or what else leads there; nothing for the link header alone."""


class ItemsTable(Struct, frozen=True, forbid_unknown_fields=True):
    """The list that a job is told by.

    Attributes:
        path: Where it lies.
        id: Where the id of an item lies in it.
        total: Where the reply tells how many items there are on all pages.
    """

    path: str
    id: str = ""
    total: str = ""


class RequestTable(Struct, frozen=True, forbid_unknown_fields=True):
    """A request of its own for what the job's reply does not tell.

    Attributes:
        request: Its path and query.
        method: ``GET`` or ``POST``.
        body: What a POST sends, as a text or as a table.
        path: Where what is wanted lies in the reply.
    """

    request: str
    method: Literal["GET", "POST"] = "GET"
    body: str | dict[str, Any] | None = None
    path: Paths = "@"


Told: TypeAlias = str | Sequence[str | HeaderPlace] | RequestTable
"""Where something lies in the job's reply, or the request that tells it."""


def in_reply(told: Told) -> Places:
    """Return where something lies in the job's reply."""
    return [] if isinstance(told, RequestTable) else told


class EventTable(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a history lies, and where each of its entries holds the status and the time.

    Attributes:
        path: The list.
        status: The status in an entry.
        at: The time in an entry.
        request: The path and query of a request of its own for the history, where the job does not tell it.
        method: How that is made: ``GET`` or ``POST``.
        body: What a POST sends, as a text or as a table.
        next_page: What leads to the next page of it.
    """

    status: Paths
    path: str = "@"
    at: Paths = []
    request: str | None = None
    method: Literal["GET", "POST"] = "GET"
    body: str | dict[str, Any] | None = None
    next_page: NextPage = []


class PartTable(Struct, frozen=True, forbid_unknown_fields=True):
    """Progress as a part of a whole, or a header that tells it.

    Attributes:
        done: How much is done.
        of: How much there is to do: a place, or a number.
        header: In place of both, the header that holds the fraction.
    """

    done: Places = []
    of: Places | float = []
    header: str = ""

    def places(self) -> tuple[Places, Places | float]:
        """Return where it lies how much is done, and of how much.

        Raises:
            TableError: It says neither both of that nor a header, or all of it.
        """
        if self.header and self.done == [] == self.of:
            return HeaderPlace(self.header), 1.0
        if self.header or self.done == [] or self.of == []:
            raise TableError(("progress",), 'it is a place, { done = "a", of = "b" }, or { header = "X-Progress" }')
        return self.done, self.of


ProgressPaths: TypeAlias = str | PartTable | list[str | PartTable]
"""Where the progress lies; of several, the first that can be read wins."""


class TableError(Exception):
    """A table is wrong, at one of its keys."""

    def __init__(self, keys: Sequence[str], trouble: str) -> None:
        self.keys = tuple(keys)
        self.trouble = trouble
        super().__init__(f"{'.'.join(keys)}: {trouble}" if keys else trouble)


def several(places: Places) -> list[str]:
    """Return those places of a key that lie in a body."""
    return [each for each in places_of(places) if isinstance(each, str)]


def places_of(places: Places) -> Sequence[str | HeaderPlace]:
    """Return the places of a key that may have one or several."""
    return [places] if isinstance(places, (str, HeaderPlace)) else places


def headers_in(key: str, places: Places) -> list[str]:
    """Return the names of the headers among the places of a key."""
    return [header_at((key,), each) for each in places_of(places) if isinstance(each, HeaderPlace)]


def header_at(keys: Sequence[str], place: HeaderPlace) -> str:
    """Return the name of a header in lower case.

    Raises:
        TableError: It is none.
    """
    if not _HEADER.fullmatch(place.header):
        raise TableError((*keys, "header"), f"{place.header!r} is no name of a header")
    return place.header.lower()


def expression_at(keys: Sequence[str], text: str, names: Mapping[str, object] | None = None) -> Expression:
    """Read an expression.

    Args:
        keys: Where it stands in the table.
        text: The expression.
        names: The names in braces that there are, beside the id's; None where there are none.

    Raises:
        TableError: It is none, or names what there is not.
    """
    try:
        expression = expression_of(text)
    except ValueError as error:
        from .upgrade import form_today  # noqa: PLC0415 - it reads expressions itself

        form = form_today(".".join(keys), text)
        raise TableError(keys, str(error) + (f"; write {keys[-1]} = {form}" if form and keys else "")) from None
    if not expression.names:
        return expression
    known = {} if names is None else {"job_id": "", **names}
    for name in sorted(expression.names - known.keys()):
        if name == "now":
            trouble = "{now} stands in requests only: what a reply means does not change while it stays the same"
            raise TableError(keys, f"{trouble}, and one that is the same again is not read")
        if name in OURS:
            raise TableError(keys, f"{{{name}}} stands in requests only")
        there = f"there are: {', '.join(f'{{{each}}}' for each in known)}" if known else "there is none here"
        raise TableError(keys, f"{{{name}}} is no parameter; {there}. One is declared by params = {{ {name} = ... }}")
    return expression


def list_of(kind: Kind) -> Kind:
    """Return the type of a list, or null."""
    return list[kind] | None


class Fields:
    """The fields that a table names, wanted of a plan, by the table's keys.

    Args:
        names: The names in braces that the expressions may hold, beside the id's.
        root: Where the job lies.
    """

    def __init__(self, names: Mapping[str, object] | None = None, root: Expression | None = None) -> None:
        self.plan = Plan(root)
        self._names = names
        self._wanted: dict[str, list[tuple[str, int]]] = {}
        self._progress: list[tuple[tuple[int, ...], tuple[int, ...] | float]] = []
        self._conditions: dict[str, list[tuple[int, bool]]] = {}
        self._events: tuple[int, Compiled, Extractor, Extractor] | None = None

    def expressions(self, key: str, paths: Places) -> Iterator[Expression]:
        """Read the expressions of a key."""
        for text in several(paths):
            yield expression_at(key.split("."), text, self._names)

    def want(self, key: str, places: Places, kind: Kind) -> None:
        """Want what a key's places hold."""
        for each in places_of(places):
            name, index = self._want_one(key, each, kind)
            self._wanted.setdefault(key, []).append((name, index))

    def _want_one(self, key: str, place: str | HeaderPlace, kind: Kind) -> tuple[str, int]:
        """Want what one place holds; return what it is called, and the index of its reader."""
        keys = key.split(".")
        if isinstance(place, HeaderPlace):
            name = header_at(keys, place)
            return name, self.plan.want_header(name)
        expression = expression_at(keys, place, self._names)
        path = () if expression.place is None else expression.place.path
        index = self.plan.want(expression, kind, required=key in ("id", "status"))
        return (str(path[-1]) if path else ""), index

    def want_progress(self, progress: ProgressPaths) -> None:
        """Want what progress is made of."""
        for part in progress if isinstance(progress, list) else [progress]:
            if isinstance(part, str):
                self._progress.append((self._numbers("progress", part), 1.0))
                continue
            done, of = part.places()
            whole = float(of) if isinstance(of, (int, float)) else self._numbers("progress.of", of)
            self._progress.append((self._numbers("progress.done", done), whole))

    def _numbers(self, key: str, places: Places) -> tuple[int, ...]:
        return tuple(self._want_one(key, each, NUMBER)[1] for each in places_of(places))

    def want_condition(self, key: str, paths: Paths) -> None:
        """Want what a condition looks at."""
        self._conditions[key] = [
            (self.plan.want(each, CHOSEN), any(place.whole for place in each.places))
            for each in self.expressions(key, paths)
        ]

    def want_events(self, events: EventTable) -> None:
        """Want a history."""
        fields = Fields(self._names)
        fields.want("events.status", events.status, WORD)
        fields.want("events.at", events.at, TEXT)
        # What an expression is made of is decoded already where it lies in an entry, so its entries are of any type.
        entry = (
            fields.plan.loosely() if fields.plan.has_expressions or fields.plan.is_scoped else fields.plan.compiled()
        )
        self.plan.is_scoped = self.plan.is_scoped or entry.is_scoped
        path = expression_at(("events", "path"), events.path, self._names)
        index = self.plan.want(path, list_of(entry.type))
        status, at = fields.extractor("events.status", entry), fields.extractor("events.at", entry)
        self._events = index, entry, status, at

    def extractor(self, key: str, compiled: Compiled) -> Extractor:
        """Return the readers of a key's places."""
        return tuple(compiled.readers[index] for _, index in self._wanted.get(key, ()))

    def extractors(self, compiled: Compiled) -> Extractors:
        """Return all readers."""
        read = compiled.readers

        def of(key: str) -> Extractor:
            return self.extractor(key, compiled)

        def condition(key: str) -> tuple[Condition, ...]:
            return tuple(Condition(read[index], whole) for index, whole in self._conditions.get(key, ()))

        def numbers(indexes: tuple[int, ...]) -> Extractor:
            return tuple(read[index] for index in indexes)

        return Extractors(
            scope=compiled.scope,
            id=of("id"),
            status=tuple((name, read[index]) for name, index in self._wanted.get("status", ())),
            texts=tuple((name, of(key)) for key, name in TEXTS.items() if key in self._wanted),
            times=tuple((key, of(key)) for key in TIMES_OF_JOB if key in self._wanted),
            error=of("error"),
            result=of("result"),
            asked=of("asked"),
            attempt=of("attempt"),
            progress=tuple(
                Progress(numbers(value), numbers(whole) if isinstance(whole, tuple) else whole)
                for value, whole in self._progress
            ),
            events=self._event_extractors(compiled),
            entered=next(iter(of("times")), None),
            proven=tuple((key.partition(".")[2], of(key)) for key in self._wanted if key.startswith("times.")),
            nothing=condition("nothing_if"),
            decided=tuple((phase, condition(key)) for key, phase in DECIDED.items() if self._conditions.get(key)),
            missing=condition("missing_if"),
            limited=condition("limited_if"),
            refused=condition("token.refused_if"),
            renewed=condition("token.renew_if"),
        )

    def _event_extractors(self, compiled: Compiled) -> EventExtractors | None:
        if self._events is None:
            return None
        index, entry, status, at = self._events
        return EventExtractors(compiled.readers[index], entry.scope, status, at)
