"""Where a table says that a job goes on, and which other origins that may lead to. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from msgspec import UNSET, Struct

from .._reading.api import AllowedOrigin, Continuation
from .evaluation import CannotEvaluate
from .expressions import Expression
from .fields import Fields, Paths, TableError
from .paths import TEXT, Compiled
from .reader import Layout

_ORIGIN = re.compile(r"(https?)://([0-9A-Za-z._-]+|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?", re.ASCII)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HEADER = re.compile(r"[A-Za-z0-9-]{1,100}")
_PORTS = {"https": "443", "http": "80"}
_FORM = (
    'write continues_as = "next_url", or { url = "next_url", api = "other" }, { id = "retried_as" }, '
    '{ header = "Location" }'
)


class OnwardTable(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the watch goes on.

    Attributes:
        url: The places of its URL there.
        id: The places of its id there, in place of a URL.
        header: The header that holds its URL.
        api: The table by which it is read there, where that is another one.
        http: The HTTP statuses of the replies that may name it, where not all may.
        unless: Places: a reply that holds a value in one of them names nothing.
    """

    url: Paths = []
    id: Paths = []
    header: str = ""
    api: str = ""
    http: int | list[int] = []
    unless: Paths = []


class OriginTable(Struct, frozen=True, forbid_unknown_fields=True):
    """Another origin that a redirect or a place may lead to.

    Attributes:
        origin: It, such as ``https://history.example.com``.
        token: The environment variable whose token is sent there; without one, none is.
    """

    origin: str
    token: str = ""


def continuation_of(
    told: Paths | OnwardTable,
    names: Mapping[str, object],
    root: Expression | None,
    given: Mapping[str, str],
    layout: Callable[[Fields, Compiled], Layout],
) -> Continuation | None:
    """Return what finds where a job goes on, if the table says where that stands."""
    table = told if isinstance(told, OnwardTable) else OnwardTable(url=told)
    ways = [bool(table.url), bool(table.id), bool(table.header)]
    if not isinstance(told, OnwardTable) and not any(ways):
        return None
    if sum(ways) != 1:
        raise TableError(("continues_as",), f"it takes one of url, id and header; {_FORM}")
    statuses = [table.http] if isinstance(table.http, int) else table.http
    if any(not 200 <= status <= 599 for status in statuses):
        raise TableError(("continues_as", "http"), "an HTTP status is a number from 200 to 599")
    http = frozenset(statuses)
    unless = None
    if table.unless:
        unless = text_reader(Fields(names, root), "continues_as.unless", table.unless, given, layout)
    if table.header:
        if not _HEADER.fullmatch(table.header):
            raise TableError(("continues_as", "header"), 'write the name of a header, such as "Location"')
        return Continuation(header=table.header.lower(), http=http, unless=unless, api=table.api)
    key = ("continues_as", "id" if table.id else "url") if isinstance(told, OnwardTable) else ("continues_as",)
    read = text_reader(Fields(names, root), ".".join(key), table.id or table.url, given, layout)
    return Continuation(read=read, http=http, unless=unless, is_url=not table.id, api=table.api)


def text_reader(
    fields: Fields,
    key: str,
    paths: Paths,
    given: Mapping[str, str],
    layout: Callable[[Fields, Compiled], Layout],
) -> Callable[[bytes, str], str | None]:
    """Return what reads the text or number of one key from a body, for an id; None where there is none.

    Args:
        fields: Of nothing else yet.
        key: The key.
        paths: Its places.
        given: The values of the names in braces.
        layout: Makes of fields how they lie in a body.
    """
    fields.want(key, paths, TEXT)
    layouts = [
        (layout(fields, compiled), fields.extractor(key, compiled))
        for compiled in (fields.plan.compiled(), fields.plan.loosely())
    ]

    def read(body: bytes, job_id: str) -> str | None:
        values = {**given, "job_id": job_id}
        for kind, extractor in layouts:
            try:
                whole = kind.decode(body)
                base = None if whole is None else kind.base(whole, values)
                base = None if base is UNSET else base
                scope = kind.fields.scope(base, whole, values)
                found = [reader(scope) for reader in extractor] if base is not None or kind.is_scoped else []
            except CannotEvaluate:
                raise  # else an end might be believed of a job that goes on
            except ValueError:  # what is optional is of another type, or it is no JSON
                continue
            texts = [value for value in found if isinstance(value, (str, int)) and not isinstance(value, bool)]
            return next((str(value) for value in texts if value != ""), None)
        return None

    return read


def allowed_origins_of(origins: list[str | OriginTable]) -> tuple[AllowedOrigin, ...]:
    """Return the other origins that a redirect or a place may lead to."""
    return tuple(_origin(each if isinstance(each, OriginTable) else OriginTable(each)) for each in origins)


def _origin(table: OriginTable) -> AllowedOrigin:
    found = _ORIGIN.fullmatch(table.origin.removesuffix("/"))
    if found is None:
        raise TableError(
            ("allowed_origins",), f'{table.origin[:200]!r} is no origin: write "https://history.example.com", no path'
        )
    if table.token and not _VARIABLE.fullmatch(table.token):
        raise TableError(("allowed_origins", "token"), "write the name of the environment variable, and not the token")
    scheme, host, port = found[1], found[2].lower(), found[3]
    return AllowedOrigin(f"{scheme}://{host}" + (f":{port}" if port and port != _PORTS[scheme] else ""), table.token)
