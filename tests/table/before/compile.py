"""An API written down as a table, as TOML or JSON holds it, made into a `JobAPI`. Pure.

The keys are those of `Table` in ``schema.py``; ``jobwatch/apis/README.md`` explains them with examples. Everything is
checked when the table is read: a key that there is not, a path that is none, a word that means two things. An error
names the key, and whoever read the file adds its name and the line.
"""

from __future__ import annotations

import functools
import re
import zoneinfo
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, tzinfo
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Struct

from jobwatch._models import Event, Fault, FaultKind, Job, Phase
from jobwatch._reading.api import JobAPI
from jobwatch._reading.bodies import Steps
from jobwatch._reading.problems import read_problem
from jobwatch._reading.words import Word, Words, normalized, text_of
from jobwatch._table import templates

from .fields import (
    DECIDED,
    TEXTS,
    TIMES_OF_JOB,
    EventTable,
    Fields,
    TableError,
    checked_path,
    list_of,
    plain_path,
    several,
)
from .paths import ID, PART, TEXT, TIMES, WORD, Chosen, Compiled, Path, Plan
from .reader import Layout, TableReader
from .schema import BatchTable, ListTable, Table, checked

_OURS = frozenset({"job_id", "job_ids", "project_id", "limit", "url"})
_FOR_LISTS = frozenset({"project_id", "limit", "job_ids"})
_URL = "!$&'()*+,/:;=?@[]~-._%"
_BASE = re.compile(r"https?://[^/]+(/.*)?", re.DOTALL)
_ORIGIN = re.compile(r"(https?://[^/]+)(/.*)", re.DOTALL)
_QUERY = re.compile(r"\?([A-Za-z0-9_.~-]+)=\{token\}")
_HEADER = re.compile(r"([A-Za-z0-9-]+):\s*+([^{}]*+)\{token\}")


def api_of(table: Mapping[str, object], name: str) -> JobAPI:
    """Make an API of a table.

    Args:
        table: What was read from TOML or JSON.
        name: What the API is called.

    Raises:
        TableError: The table is wrong.
    """
    return _Build(checked(table), name).api()


class _Build:
    """The making of one API."""

    def __init__(self, table: Table, name: str) -> None:
        self._table = table
        self._name = name
        self._base_url, self._job_path = _split(table)
        self._body = _text_of(table.body)
        self._batch_body = None if table.batch is None else _text_of(table.batch.body)

    def api(self) -> JobAPI:
        table = self._table
        self._check_request()
        reader, start = self._readers()
        auth = _auth(table)
        missing = frozenset(_status_of(key) for key, state in table.http.items() if state == "missing")
        states = frozenset(map(_status_of, table.http)) - missing

        def verdict(http_status: int, body: bytes) -> FaultKind | bool:
            if http_status in states:
                return True
            gone = http_status in missing or (bool(table.missing) and reader.is_missing(body))
            return FaultKind.NOT_FOUND if gone else False

        def read_job(body: bytes) -> Job:
            seen = reader.reply(body, 200, "")
            if isinstance(seen, Fault):
                raise msgspec.ValidationError(seen.message)
            return seen

        return JobAPI(
            name=self._name,
            docs=table.docs,
            base_url=self._base_url,
            base_url_variable=table.base_url_variable,
            token_variable=table.token,
            token_header=auth.header,
            token_prefix=auth.prefix,
            token_is_basic=auth.is_basic,
            token_query=auth.query,
            token_is_optional=table.token_optional,
            job_path=self._job_path,
            method=table.method,
            body=self._body,
            headers=table.headers,
            params=self._params(),
            list_path=_request("list", table.listing),
            batch_path=_request("batch", table.batch),
            batch_body=self._batch_body,
            batch_most=1 if table.batch is None else table.batch.most,
            read_batch=None if table.batch is None else self._batch_reader(reader, table.batch),
            history_path=_request("events", table.events),
            read_job=read_job,
            read_jobs=None if table.listing is None else self._jobs_reader(reader, "list", table.listing.root),
            read_reply=reader.reply,
            read_history=self._history_reader(reader),
            read_problem=read_problem,
            verdict=verdict if table.http or table.missing else None,
            states=states,
            read_start=lambda body, job_id: start.reply(body, 200, job_id),
        )

    def _started(self) -> tuple[Steps, ...]:
        table = self._table
        if table.started:
            return tuple(plain_path(("started",), text) for text in several(table.started))
        if self._job_path == "{url}":
            return ()
        if any(isinstance(step, Chosen) or step == ID for step in checked_path(("root",), table.root)):
            return ()
        ids, root = [plain_path(("id",), text) for text in several(table.id)], plain_path(("root",), table.root)
        return tuple(dict.fromkeys([*(root + path for path in ids), *ids]))

    # --- the request -------------------------------------------------------------------------------------

    def _check_request(self) -> None:
        table = self._table
        if self._job_path != "{url}" and "job_id" not in templates.names_in([self._job_path, self._body, table.root]):
            raise TableError(("job",), "it has no place for the id: write {job_id} where the id goes")
        if table.body is not None and table.method != "POST":
            raise TableError(("body",), 'only a POST has a body: add method = "POST"')
        base = _BASE.fullmatch(self._base_url)
        if self._base_url and base is None:
            raise TableError(("base_url",), "it must start with https:// or http:// and a host")
        if base is not None and base[1]:
            _checked(("base_url",), base[1])
        if not (self._base_url or table.base_url_variable):
            raise TableError(("job",), "nothing says where the API is served: give base_url, or job as a whole URL")
        if not (table.status != [] or table.http or any(getattr(table, key) for key in DECIDED)):
            raise TableError((), 'the table lacks status, the path of the job\'s status, such as status = "status"')
        for key, request in self._requests().items():
            if "${" in request:
                trouble = 'a secret in the query is written auth = "?name={token}", with token = "VARIABLE"'
                raise TableError((key,), trouble)
        for name in templates.names_in([self._job_path]):
            if name in _FOR_LISTS:
                raise TableError(("job",), f"{{{name}}} is for lists; call the parameter something else")

    def _requests(self) -> dict[str, str]:
        table = self._table
        others = {"list": table.listing, "batch": table.batch, "events": table.events}
        return {"job": table.job, **{key: each.request or "" for key, each in others.items() if each is not None}}

    def _params(self) -> dict[str, str | None]:
        table = self._table
        named = templates.names_in([self._base_url, *self._requests().values(), *table.headers.values()])
        params: dict[str, str | None] = dict.fromkeys(sorted(set(named) - _OURS))
        # In a body, {status} may as well be GraphQL's: a parameter there is declared.
        in_body = set(templates.names_in([self._body, self._batch_body]))
        for name in table.params:
            if name not in params and name not in in_body:
                raise TableError(("params", name), f"nothing in the table has a place for it: write {{{name}}} there")
        return params | table.params

    # --- the reply ---------------------------------------------------------------------------------------

    def _readers(self) -> tuple[TableReader, TableReader]:
        """Return the reader of replies about a job, and that of the response that started it."""
        root = checked_path(("root",), self._table.root)
        typed, loose = _layouts(self._wanted(root))
        words, zone = self._words(), _zone(self._table.timezone)
        http = {_status_of(key): Phase(state) for key, state in self._table.http.items() if state != "missing"}
        return (
            TableReader(self._name, words, typed, loose, root=root, zone=zone, http=http),
            TableReader(self._name, words.stated(), typed, loose, root=root, zone=zone),
        )

    def _wanted(self, root: Path = ()) -> Fields:
        table, fields = self._table, Fields(Plan(), root)
        for key in ("id", "attempt", *TEXTS, *TIMES_OF_JOB):
            fields.want(key, getattr(table, key), TEXT)
        fields.want("status", table.status, WORD)
        fields.want("error", table.error, PART)
        fields.want("result", table.result, PART)
        fields.want_progress(several(table.progress))
        for key in (*DECIDED, "missing"):
            fields.want_condition(key, several(getattr(table, key)))
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

    def _words(self) -> Words:
        given: dict[str, list[Word]] = msgspec.structs.asdict(self._table.words)
        seen: dict[str, str] = {}
        for meaning, words in given.items():
            for word in words:
                known = seen.setdefault(normalized(text_of(word)), meaning)
                if known != meaning:
                    raise TableError(("words", meaning), f"{word!r} is among the words for {known} too")
        nothing = given.pop("nothing")
        return Words({Phase(phase): words for phase, words in given.items()}, nothing, self._table.status_prefix)

    def _history_reader(self, reader: TableReader) -> Callable[[bytes], tuple[Event, ...] | None] | None:
        events = self._table.events
        if events is None or events.request is None:
            return None
        fields = Fields(Plan())
        fields.want_events(events)
        layout = _layout(fields, fields.compiled())
        extractors = layout.fields.events

        def read(body: bytes) -> tuple[Event, ...] | None:
            root = layout.decode(body)
            return None if root is None or extractors is None else reader.events(extractors, root)

        return read

    def _batch_reader(self, reader: TableReader, batch: BatchTable) -> Callable[[bytes], tuple[Job, ...]]:
        if not templates.is_repeatable(batch.request) and "{job_ids}" not in batch.request + (self._batch_body or ""):
            raise TableError(("batch", "request"), "it has no place for the ids: write {job_ids}, or id={job_id}")
        if self._job_path == "{url}":
            raise TableError(("batch",), "jobs whose ids are URLs are asked for one by one")
        if batch.most < 2:
            raise TableError(("batch", "most"), "with fewer than 2 ids there is no need for it")
        return self._jobs_reader(reader, "batch", batch.root)

    def _jobs_reader(self, reader: TableReader, key: str, where: str) -> Callable[[bytes], tuple[Job, ...]]:
        if not self._table.id:
            raise TableError((key,), "the jobs of a list are told apart by their ids: give id")
        fields, root = self._wanted(), checked_path((key, "root"), where)
        typed, loose = _layouts(fields)
        typed_items = _items_reader(root, fields.compiled().type)
        loose_items = _items_reader(root, Any)

        def read(body: bytes) -> tuple[Job, ...]:
            try:
                return reader.jobs(typed.fields, typed_items(body))
            except msgspec.ValidationError:
                return reader.jobs(loose.fields, loose_items(body))

        return read


def _layouts(fields: Fields) -> tuple[Layout, Layout]:
    return _layout(fields, fields.compiled()), _layout(fields, fields.loosely())


def _layout(fields: Fields, compiled: Compiled) -> Layout:
    return Layout(compiled, fields.extractors(compiled))


def _items_reader(root: Path, kind: Any) -> Callable[[bytes], Sequence[object] | None]:
    """Return what reads the items of a list that lies at a root."""
    plan = Plan()
    plan.want(root, list_of(kind), required=True)
    compiled = plan.compiled()
    decode, items = msgspec.json.Decoder(compiled.type).decode, compiled.readers[0]

    def read(body: bytes) -> Sequence[object] | None:
        value: object = decode(body)
        return None if value is None else items(value)

    return read


def _request(key: str, part: ListTable | BatchTable | EventTable | None) -> str | None:
    return None if part is None or part.request is None else _encoded((key, "request"), part.request)


def _encoded(keys: tuple[str, ...], template: str) -> str:
    """Return a path and query whose literal text is encoded, such as JSON that people write there."""
    encoded = templates.mapped(template, functools.partial(quote, safe=_URL), lambda placeholder: placeholder[0])
    _checked(keys, encoded)
    return encoded


def _checked(keys: tuple[str, ...], target: str) -> None:
    """Refuse what could be asked for no job, whatever its id."""
    path, _, _ = templates.mapped(target, str, lambda _: "x").partition("?")
    if not path.startswith("/"):
        raise TableError(keys, "it must start with /")
    if not templates.is_encoded_path(path):
        raise TableError(keys, "its path can have neither dot segments nor a % by itself")


def _split(table: Table) -> tuple[str, str]:
    """Return the base URL and the path of one job; `job` may be both."""
    whole = _ORIGIN.fullmatch(table.job)
    if whole is not None:
        if table.base_url:
            raise TableError(("base_url",), "job is a whole URL already: give one or the other")
        return whole[1], _encoded(("job",), whole[2])
    if table.job != "{url}" and not table.job.startswith("/"):
        raise TableError(("job",), "it must start with / or with https://")
    return table.base_url, table.job if table.job == "{url}" else _encoded(("job",), table.job)


def _text_of(body: str | dict[str, Any] | None) -> str | None:
    return body if body is None or isinstance(body, str) else msgspec.json.encode(body).decode()


class _Auth(Struct, frozen=True):
    """How the token is sent: in which header, after which word, and whether encoded as Basic wants it; or the query."""

    header: str = "Authorization"
    prefix: str = "Bearer "
    is_basic: bool = False
    query: str | None = None


def _auth(table: Table) -> _Auth:
    auth = table.auth or ("bearer" if table.token else "none")
    if (auth == "none") is bool(table.token):
        trouble = "there is a token, so say how it is sent" if table.token else "token must name a variable for that"
        raise TableError(("auth",), trouble)
    match auth:
        case "none" | "bearer":
            return _Auth()
        case "basic":
            return _Auth(prefix="Basic ", is_basic=True)
        case _:
            if query := _QUERY.fullmatch(auth):
                return _Auth(query=query[1])
            if header := _HEADER.fullmatch(auth):
                return _Auth(header[1], header[2])
            known = '"bearer", "basic", "none", a header, "X-Api-Key: {token}", or the query, "?api_key={token}"'
            raise TableError(("auth",), f"write {known}")


def _status_of(key: str) -> int:
    if not re.fullmatch(r"[2345]\d\d", key, re.ASCII):
        raise TableError(("http", key), "an HTTP status is a number from 200 to 599")
    return int(key)


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise TableError(("timezone",), f"{name!r} is no zone known here, such as Europe/Berlin") from None
