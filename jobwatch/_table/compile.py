"""An API written down as a table, as TOML or JSON holds it, made into a `JobAPI`. Pure.

The keys are those of `Table` in ``_keys.py``; the README explains them with examples. Everything is checked when the
table is read: a key that there is not, a path that is none, a word that means two things. An error names the key, and
whoever read the file adds its name and the line.
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, tzinfo
from typing import Any, TypeAlias
from urllib.parse import quote

import msgspec
from msgspec import Struct

from .._models import Event, Fault, FaultKind, Job, Phase
from .._reading.api import JobAPI
from .._reading.problems import read_problem
from .._reading.words import Word, Words, text_of, told_apart
from .fields import CONDITIONS, Places, TableError, checked_path, list_of, plain_path, several
from .paths import ID, PART, TEXT, TIMES, WORD, Chosen, Compiled, Path, Plan
from .reader import TableReader
from .schema import BatchTable, Table, checked


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
        self._plan = Plan()
        self._base_url, self._job_path = _split(table)

    def api(self) -> JobAPI:
        table, events = self._table, self._table.events
        self._check_request()
        reader, start = self._readers()
        history = self._history_reader(reader)
        listed = self._list_reader(reader)
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
            body=_body(table),
            headers=table.headers,
            params=self._params(),
            list_path=_encoded(table.listing.request) if table.listing is not None else None,
            batch_path=_encoded(table.batch.request) if table.batch is not None else None,
            batch_body=_text_of(table.batch.body) if table.batch is not None else None,
            batch_most=table.batch.most if table.batch is not None else 1,
            read_batch=self._batch_reader(reader),
            history_path=_encoded(events.request) if events is not None and events.request is not None else None,
            read_job=read_job,
            read_jobs=listed,
            read_reply=reader.reply,
            read_history=history,
            read_problem=read_problem,
            verdict=verdict if table.http or table.missing else None,
            states=states,
            started=self._started(),
            read_start=lambda body, job_id: start.reply(body, 200, job_id),
        )

    def _started(self) -> tuple[tuple[str | int, ...], ...]:
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
        told = self._job_path + (_body(table) or "") + table.root
        if "{job_id}" not in told and "{+job_id}" not in told and self._job_path != "{url}":
            raise TableError(("job",), "it has no place for the id: write {job_id} where the id goes")
        if table.body is not None and table.method != "POST":
            raise TableError(("body",), 'only a POST has a body: add method = "POST"')
        if self._base_url and not re.match(r"https?://[^/]", self._base_url):
            raise TableError(("base_url",), "it must start with https:// or http:// and a host")
        if not (self._base_url or table.base_url_variable):
            raise TableError(("job",), "nothing says where the API is served: give base_url, or job as a whole URL")
        if not (table.status != [] or table.http or any(getattr(table, key) for key in CONDITIONS)):
            raise TableError((), 'the table lacks status, the path of the job\'s status, such as status = "status"')
        requests = {"list": table.listing, "batch": table.batch, "events": table.events}
        told_by = {key: getattr(each, "request", None) or "" for key, each in requests.items()}
        for key, request in ({"job": table.job} | told_by).items():
            if "${" in request:
                trouble = 'a secret in the query is written auth = "?name={token}", with token = "VARIABLE"'
                raise TableError((key,), trouble)
        for name in _holes(self._job_path):
            if name in ("project_id", "limit", "job_ids"):
                raise TableError(("job",), f"{{{name}}} is for lists; call the parameter something else")

    def _params(self) -> dict[str, str | None]:
        table = self._table
        told = [self._base_url, self._job_path, *table.headers.values()]
        told += [table.listing.request] if table.listing is not None else []
        told += [table.batch.request] if table.batch is not None else []
        told += [table.events.request or ""] if table.events is not None else []
        names = {name for text in told for name in _holes(text)}
        params: dict[str, str | None] = dict.fromkeys(sorted(names - _OURS))
        bodies = (_body(table) or "", (_text_of(table.batch.body) or "") if table.batch is not None else "")
        in_body = _holes("".join(bodies))  # where {status} may as well be GraphQL's: a parameter there is declared
        for name in table.params:
            if name not in params and name not in in_body:
                raise TableError(("params", name), f"nothing in the table has a place for it: write {{{name}}} there")
        return params | table.params

    # --- the reply ---------------------------------------------------------------------------------------

    def _readers(self) -> tuple[TableReader, TableReader]:
        """Return the reader of replies about a job, and that of the response that started it."""
        table, root = self._table, checked_path(("root",), self._table.root)
        places = self._wanted(root)
        words, zone = self._words(), _zone(table.timezone)
        http = {_status_of(key): Phase(state) for key, state in table.http.items() if state != "missing"}

        def reader(words: Words, http: dict[int, Phase]) -> TableReader:
            def of(compiled: Compiled, loosely: TableReader | None = None) -> TableReader:
                picks = places.picks(compiled)
                return TableReader(self._name, words, compiled, picks, root=root, zone=zone, http=http, loosely=loosely)

            return of(self._plan.compiled(root), of(self._plan.loosely(root)))

        return reader(words, http), reader(words.stated(), {})

    def _wanted(self, root: Path) -> Places:
        table, places = self._table, Places(self._plan, root)
        for key in ("id", "type", "project", "attempt", "created_at", "started_at", "ended_at", "updated_at"):
            places.want(key, getattr(table, key), TEXT)
        places.want("status", table.status, WORD)
        places.want("error", table.error, PART)
        places.want("result", table.result, PART)
        places.want_progress(several(table.progress))
        for key in (*CONDITIONS, "missing"):
            places.want_condition(key, several(getattr(table, key)))
        match table.times:
            case None:
                pass
            case str():
                places.want("times", table.times, TIMES)
            case _:
                for word, paths in table.times.items():
                    places.want(f"times.{word}", paths, TEXT)
        if table.events is not None and table.events.request is None:
            places.want_events(table.events)
        return places

    def _words(self) -> Words:
        told = msgspec.structs.asdict(self._table.words)
        seen: dict[str, str] = {}
        for meaning, words in told.items():
            for word in words:
                if seen.setdefault(told_apart(text_of(word)), meaning) != meaning:
                    known = seen[told_apart(text_of(word))]
                    raise TableError(("words", meaning), f"{word!r} is among the words for {known} too")
        nothing: list[Word] = told.pop("nothing")
        return Words({Phase(phase): words for phase, words in told.items()}, nothing, self._table.status_prefix)

    def _history_reader(self, reader: TableReader) -> _ReadsHistory | None:
        events = self._table.events
        if events is None or events.request is None:
            return None
        plan = Plan()
        places = Places(plan, ())
        places.want_events(events)
        compiled = plan.compiled()
        paths = places.picks(compiled).events
        decode = msgspec.json.Decoder(compiled.type).decode

        def read(body: bytes) -> tuple[Event, ...] | None:
            root: object = decode(body)
            return None if root is None or paths is None else reader.events(paths, root)

        return read

    def _list_reader(self, reader: TableReader) -> _ReadsJobs | None:
        listing = self._table.listing
        return None if listing is None else self._jobs_reader(reader, "list", listing.root)

    def _batch_reader(self, reader: TableReader) -> _ReadsJobs | None:
        batch = self._table.batch
        if batch is None:
            return None
        self._check_batch(batch)
        return self._jobs_reader(reader, "batch", batch.root)

    def _check_batch(self, batch: BatchTable) -> None:
        each = re.search(r"[?&][^?&#]*\{job_id\}", batch.request)
        if not each and "{job_ids}" not in batch.request + (_text_of(batch.body) or ""):
            raise TableError(("batch", "request"), "it has no place for the ids: write {job_ids}, or id={job_id}")
        if not batch.request.startswith("/"):
            raise TableError(("batch", "request"), "it must start with /")
        if self._job_path == "{url}":
            raise TableError(("batch",), "jobs whose ids are URLs are asked for one by one")
        if batch.most < 2:
            raise TableError(("batch", "most"), "with fewer than 2 ids there is no need for it")

    def _jobs_reader(self, reader: TableReader, key: str, where: str) -> _ReadsJobs:
        if not self._table.id:
            raise TableError((key,), "the jobs of a list are told apart by their ids: give id")
        self._plan = Plan()
        places = self._wanted(())
        item = self._plan.compiled()
        root = checked_path((key, "root"), where)
        of_items, whole = reader.of(item, places.picks(item)), Plan()
        whole.want(root, list_of(item.type), required=True)
        item = self._plan.loosely()
        of_odd_items, parts = reader.of(item, places.picks(item)), Plan()
        parts.want(root, list_of(Any), required=True)

        def read(body: bytes) -> tuple[Job, ...]:
            try:
                return of_items.jobs(typed(body))
            except msgspec.ValidationError:
                return of_odd_items.jobs(loose(body))

        typed, loose = _decoder(whole.compiled()), _decoder(parts.compiled())
        return read


def _decoder(listed: Compiled) -> Callable[[bytes], Sequence[object] | None]:
    decode, entries = msgspec.json.Decoder(listed.type).decode, listed.readers[0]

    def read(body: bytes) -> Sequence[object] | None:
        root: object = decode(body)
        return None if root is None else entries(root)

    return read


_OURS = frozenset({"job_id", "job_ids", "project_id", "limit", "url"})
_HOLE = re.compile(r"(?<!\$)\{\+?([A-Za-z_][A-Za-z0-9_]*)\}")
_URL = "!$&'()*+,/:;=?@[]~-._%"
_ORIGIN = re.compile(r"(https?://[^/]+)(/.*)", re.DOTALL)
_QUERY = re.compile(r"\?([A-Za-z0-9_.~-]+)=\{token\}")
_HEADER = re.compile(r"([A-Za-z0-9-]+):\s*([^{}]*)\{token\}")


def _holes(text: str) -> list[str]:
    return _HOLE.findall(text)


def _encoded(template: str) -> str:
    """Return a path and query in which only holes hold what a URL cannot: what people write there, such as JSON."""
    pieces: list[str] = []
    position = 0
    for hole in _HOLE.finditer(template):
        pieces += [quote(template[position : hole.start()], safe=_URL), hole[0]]
        position = hole.end()
    return "".join([*pieces, quote(template[position:], safe=_URL)])


def _split(table: Table) -> tuple[str, str]:
    """Return the base URL and the path of one job; `job` may be both."""
    whole = _ORIGIN.fullmatch(table.job)
    if whole is not None:
        if table.base_url:
            raise TableError(("base_url",), "job is a whole URL already: give one or the other")
        return whole[1], _encoded(whole[2])
    if table.job != "{url}" and not table.job.startswith("/"):
        raise TableError(("job",), "it must start with / or with https://")
    return table.base_url, _encoded(table.job)


def _body(table: Table) -> str | None:
    return _text_of(table.body)


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


_ReadsHistory: TypeAlias = Callable[[bytes], tuple[Event, ...] | None]
_ReadsJobs: TypeAlias = Callable[[bytes], tuple[Job, ...]]
