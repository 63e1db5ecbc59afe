"""An API written down as a table, as TOML or JSON holds it, made into a `JobAPI`. Pure.

The keys are those of `Table` in ``schema.py``; ``jobwatch/apis/README.md`` explains them with examples. Everything is
checked when the table is read: a key that there is not, a path that is none, a word that means two things. An error
names the key, and whoever read the file adds its name and the line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import cast

import msgspec

from .._models import JSON, Fault, FaultKind, Job, Phase
from .._reading.api import Detail, JobAPI, Lacking
from .._reading.pages import NEXT_HEADERS, TOTAL_HEADERS, Items, Paging
from .._reading.problems import read_problem
from .._reading.rpc import PROTOCOL, read_error
from .._reading.sizes import size_of
from .._reading.words import normalized
from . import templates
from .checks import check_ends, expression_names, expressions_of, root_of, status_of, words_of
from .evaluation import CannotEvaluate
from .expressions import Expression
from .fields import (
    DECIDED,
    OURS,
    EventTable,
    RequestTable,
    TableError,
    Told,
    headers_in,
    places_of,
)
from .hints import hint_reader, period_of
from .holding import long_poll_of
from .lasting import retention_of, stable_for_of
from .onward import allowed_origins_of, continuation_of
from .pages import goes_on_of, items_of, paging_of
from .reader import TableReader
from .replies import Replies, layout_of
from .requests import body_of, detail_of, text_of_body
from .rpc import below_result, kind_of, with_errors
from .schema import BatchTable, ListTable, Table, TokenTable, checked
from .starting import by_header, with_inline
from .streams import hint_of_stream
from .targets import address_of, auth_of, check_target, encoded, target_of

_FOR_LISTS = frozenset({"project_id", "limit", "job_ids"})
_BASE = re.compile(r"https?://[^/]+(/.*)?", re.DOTALL)


def api_of(table: Mapping[str, object], name: str) -> JobAPI:
    """Make an API of a table.

    Args:
        table: What was read from TOML or JSON.
        name: What the API is called.

    Raises:
        TableError: The table is wrong.
    """
    read = checked(table)
    api = _Build(read, name, {}).api()
    if read.inline:
        api = with_inline(api, table, read.inline, api_of)
    return by_header(api, table, read.started_by, api_of) if read.started_by else api


class _Build:
    """The making of one API."""

    def __init__(self, table: Table, name: str, given: Mapping[str, str]) -> None:
        self._table = table if table.protocol != PROTOCOL else below_result(table)
        self._name = name
        self._given = {**table.params, **given}
        self._replies = Replies(self._table, name, self._given)
        self._base_url, self._job_path = address_of(table)
        self._body = text_of_body(table.body)
        self._batch_body = None if table.batch is None else text_of_body(table.batch.body)

    def api(self) -> JobAPI:
        table = self._table
        self._check_request()
        params = self._params()
        check_ends(self._table)
        reader, start, is_whole = self._replies.readers()
        auth = auth_of(table)
        retention = retention_of(table, self._root(), self._given, layout_of)
        continues = continuation_of(table.continues_as, table.params, self._root(), self._given, layout_of)
        missing = frozenset(status_of(key) for key, state in table.http.items() if state == "missing")
        states = frozenset(map(status_of, table.http)) - missing

        ignores_body = reader.ignores_body
        if table.method == "HEAD" and not ignores_body:
            form = 'status = { header = "..." }'
            raise TableError(("method",), f"a reply to HEAD has no body: write each place as {form}, or use GET")

        is_rpc = table.protocol == PROTOCOL

        def verdict(http_status: int, body: bytes) -> FaultKind | bool:
            if is_rpc and (kind := kind_of(body, http_status)) is not None:
                return kind
            if http_status in states or (ignores_body and 200 <= http_status <= 299):
                return True
            if http_status in missing or (bool(table.missing_if) and reader.is_missing(body)):
                return FaultKind.NOT_FOUND
            is_limited = http_status == 403 and bool(table.limited_if) and reader.is_limited(body)
            return FaultKind.RATE_LIMITED if is_limited else False

        def unauthorized(http_status: int, body: bytes) -> bool | None:
            if reader.is_unauthorized(body, http_status):
                return True
            return None if reader.may_be_unauthorized(body, http_status) else False

        def read_job(body: bytes) -> Job:
            seen = reader.reply(body, 200, "")
            if isinstance(seen, Fault):
                raise msgspec.ValidationError(seen.message)
            return seen

        pages = [self._pages(key, part) for key, part in self._others()]
        items, search, root = self._items(), self._search(), self._root()
        if items is not None and (continues is not None or table.allowed_origins):
            trouble = "a job that is told by the items of a list goes on nowhere else: leave out"
            raise TableError(("items",), f"{trouble} continues_as and allowed_origins")
        if table.long_poll is not None and (continues is not None or table.allowed_origins):
            trouble = "requests for a job that may go on elsewhere are not held: leave it out"
            raise TableError(("long_poll",), f"{trouble}, and say how long one may take by request_timeout")
        return JobAPI(
            name=self._name,
            docs=table.docs,
            base_url=self._base_url,
            base_url_variable=table.base_url_variable,
            version_header=self._version_header(),
            token_variable=table.token_variable,
            token_file_variable=table.token_file,
            token_header=auth.header,
            token_prefix=auth.prefix,
            token_is_basic=auth.is_basic,
            token_query=auth.query,
            token_is_optional=table.token_optional,
            job_path=self._job_path,
            method=table.method,
            body=self._body,
            headers=table.headers,
            query=table.query,
            max_body=_size(("max_body",), table.max_body),
            params=params,
            with_params=self._with_params if expression_names(self._table) else None,
            decodes_all=is_whole,
            list_path=target_of("list", table.listing),
            batch_path=target_of("batch", table.batch),
            batch_body=self._batch_body,
            batch_most=1 if table.batch is None else table.batch.most,
            read_batch=None if table.batch is None else self._batch_reader(reader, table.batch),
            history_path=target_of("events", table.events),
            history_body=self._events_body(),
            error=self._detail("error", table.error),
            result=self._detail("result", table.result),
            read_job=read_job,
            read_jobs=None if table.listing is None else self._replies.jobs(reader, "list", table.listing.root),
            read_reply=retention.added_to(with_errors(reader.reply) if is_rpc else reader.reply),
            read_history=self._replies.history(reader),
            list_pages=pages[0],
            batch_pages=pages[1],
            history_pages=pages[2],
            items=items,
            search=search,
            goes_on=None if search is None or root is None else goes_on_of(root, search),
            wanted_headers=self._wanted_headers(
                [*pages, search, None if items is None else items.paging],
                root,
                [*reader.headers, *([continues.header] if continues is not None and continues.header else [])],
            ),
            stream_path=self._stream(),
            read_hint=hint_of_stream(reader.reply) if table.stream else None,
            hears_silence=False,
            read_problem=read_error if is_rpc else read_problem,
            protocol=table.protocol,
            verdict=verdict if table.http or table.missing_if or table.limited_if or ignores_body or is_rpc else None,
            unauthorized=unauthorized if isinstance(table.token, TokenTable) else None,
            states=states,
            reads_headers=bool(reader.headers),
            at_start={_status_at_start(key): Phase(end) for key, end in table.at_start.items()},
            started_headers=tuple(headers_in("started", table.started)),
            started=self._started(),
            id_places=self._id_places(),
            read_start=lambda body, job_id: start.reply(body, 200, job_id),
            long_poll=long_poll_of(table),
            request_timeout=period_of("request_timeout", table.request_timeout),
            read_retry_after=hint_reader(table.retry_after, table.params, self._root(), self._given),
            stable_for=stable_for_of(table),
            retention=retention.seconds,
            words=words_of(self._table) if table.status != [] else None,
            lacking=self._lacking,
            told=self._told,
            continues=continues,
            allowed_origins=allowed_origins_of(table.allowed_origins),
        )

    def _items(self) -> Items | None:
        """Return the list that the job is told by, in pages."""
        table = self._table
        if not table.items:
            return None
        for key, part in (("list", table.listing), ("batch", table.batch)):
            if part is not None:
                trouble = "a job that is told by the items of a list is asked for by itself: leave it out"
                raise TableError((key,), trouble)
        return items_of(table.items, self._job_pages(), table.params, self._root())

    def _search(self) -> Paging | None:
        """Return how the list goes on in which the job is looked for by root."""
        root = self._root()
        if not self._table.items and root is not None and root.place is None:
            return self._job_pages()
        if not self._table.items and self._table.next_page != []:
            raise TableError(("next_page",), 'nothing says which list goes on there: add items = "...", its place')
        return None

    def _job_pages(self) -> Paging:
        table = self._table
        return paging_of(
            ("next_page",),
            table.next_page,
            most=table.pages,
            names=table.params,
            given=self._given,
            root=None if (root := self._root()) is None or root.place is None else root,
            sends_json=isinstance(table.body, dict),
        )

    def _pages(self, key: str, part: ListTable | BatchTable | EventTable | None) -> Paging | None:
        """Return how the reply to another request goes on."""
        if part is None or part.request is None:
            if part is not None and part.next_page != []:
                raise TableError(
                    (key, "next_page"), 'only a history by a request of its own has pages: add request = "/..."'
                )
            return None
        return paging_of(
            (key, "next_page"),
            part.next_page,
            most=self._table.pages,
            names=self._table.params,
            given=self._given,
            sends_json=not isinstance(part, ListTable) and isinstance(part.body, dict),
        )

    def _with_params(self, params: Mapping[str, str]) -> JobAPI:
        return _Build(self._table, self._name, params).api()

    def _lacking(self, reply: JSON, headers: Mapping[str, str], job_id: str) -> Lacking:
        from .sample import lacking  # noqa: PLC0415 - for whoever checks a table only

        return lacking(self._table, {**self._given, "job_id": job_id}, reply, headers)

    def _told(self, reply: JSON, headers: Mapping[str, str], job_id: str) -> list[str]:
        from .sample import told  # noqa: PLC0415 - for whoever checks a table only

        return told(self._table, {**self._given, "job_id": job_id}, reply, headers)

    def _started(self) -> tuple[Callable[[JSON], JSON], ...]:
        table = self._table
        if table.started:
            return tuple(_in_body(each) for each in expressions_of(self._table, "started", table.started))
        root = self._root()
        if self._job_path == "{url}" or (root is not None and "job_id" in root.names):
            return ()
        ids = expressions_of(self._table, "id", table.id)
        if table.protocol == PROTOCOL:
            return tuple(_in_body(each, root) for each in ids)
        below = [] if root is None else [_in_body(each, root) for each in ids]
        return (*below, *map(_in_body, ids))

    def _id_places(self) -> tuple[str, ...]:
        """Return where the id is looked for in the response that started a job, for people."""
        table = self._table
        told = tuple(each for each in places_of(table.started or table.id) if isinstance(each, str))
        root = self._root()
        if table.started or root is None or "job_id" in root.names:
            return told
        return (*(f"{table.root}.{each}" for each in told if not each.startswith("$")), *told)

    # --- the request -------------------------------------------------------------------------------------

    def _root(self) -> Expression | None:
        return root_of(self._table)

    def _check_request(self) -> None:
        table = self._table
        if self._job_path != "{url}" and "job_id" not in [
            *templates.names_in([self._job_path, self._body, *table.headers.values()]),
            *(root.names if (root := self._root()) is not None else ()),
        ]:
            raise TableError(("job",), "it has no place for the id: write {job_id} where the id goes")
        if table.body is not None and table.method != "POST":
            raise TableError(("body",), 'only a POST has a body: add method = "POST"')
        base = _BASE.fullmatch(self._base_url)
        if self._base_url and base is None:
            raise TableError(("base_url",), "it must start with https:// or http:// and a host")
        if base is not None and base[1]:
            check_target(("base_url",), base[1])
        if not (self._base_url or table.base_url_variable):
            raise TableError(("job",), "nothing says where the API is served: give base_url, or job as a whole URL")
        if not (table.status != [] or table.http or any(getattr(table, key) for key in DECIDED)):
            raise TableError((), 'the table lacks status, the place of the job\'s status, such as status = "status"')
        self._check_names()

    def _check_names(self) -> None:
        """Refuse what would be sent as it is written, or in the wrong place."""
        table = self._table
        for key, request in {
            **self._requests(),
            **{f"query.{name}": text for name, text in table.query.items()},
        }.items():
            if "${" in request:
                trouble = 'a secret in the query is written auth = "?name={token}", with token = "VARIABLE"'
                raise TableError(key.split("."), trouble)
        for name in templates.names_in([self._job_path]):
            if name in _FOR_LISTS:
                raise TableError(("job",), f"{{{name}}} is for lists; call the parameter something else")
        for name, text in table.headers.items():
            found = OURS.intersection(templates.names_in([text]))
            if found - {"job_id", "now", "long_poll"}:
                raise TableError(("headers", name), "beside parameters it may hold {job_id}, {now} and {long_poll}")
            if found and "${" in text:
                raise TableError(("headers", name), "a secret, and what changes with each request, go into two headers")
        for name, text in table.query.items():
            if OURS.intersection(templates.names_in([text])) - {"now"}:
                raise TableError(("query", name), "beside parameters it may hold {now} only")

    def _requests(self) -> dict[str, str]:
        others = {key: each.request or "" for key, each in self._others() if each is not None}
        details = {key: each.request for key, each in self._details()}
        stream = {"stream": self._table.stream} if self._table.stream else {}
        return {"job": self._table.job, **others, **details, **stream}

    def _details(self) -> list[tuple[str, RequestTable]]:
        """Return the requests for what is told of an end."""
        told = [("error", self._table.error), ("result", self._table.result)]
        return [(key, each) for key, each in told if isinstance(each, RequestTable)]

    def _detail(self, key: str, told: Told) -> Detail | None:
        path = encoded((key, "request"), told.request) if isinstance(told, RequestTable) else ""
        no_error = frozenset(map(normalized, self._table.no_error))
        return detail_of(key, told, path, names=self._table.params, given=self._given, no_error=no_error)

    def _version_header(self) -> str | None:
        name = self._table.version_header
        if name and not re.fullmatch(r"[A-Za-z0-9-]+", name, re.ASCII):
            raise TableError(("version_header",), "it is the name of a header, such as X-API-Version")
        return name or None

    def _stream(self) -> str | None:
        stream = self._table.stream
        if not stream:
            return None
        if self._job_path == "{url}":
            raise TableError(("stream",), "jobs whose ids are URLs have no stream that a path could lead to")
        if "job_id" not in templates.names_in([stream]):
            raise TableError(("stream",), "it has no place for the id: write {job_id} where the id goes")
        return encoded(("stream",), stream)

    def _events_body(self) -> str | None:
        events = self._table.events
        if events is None or events.request is None:
            if events is not None and (events.body is not None or events.method != "GET"):
                raise TableError(("events",), 'only a request of its own has a method and a body: add request = "/..."')
            return None
        return body_of("events", RequestTable(events.request, events.method, events.body))

    def _others(self) -> list[tuple[str, ListTable | BatchTable | EventTable | None]]:
        """Return the requests other than that for the job."""
        table = self._table
        return [("list", table.listing), ("batch", table.batch), ("events", table.events)]

    @staticmethod
    def _wanted_headers(pages: list[Paging | None], root: Expression | None, places: Sequence[str]) -> tuple[str, ...]:
        """Return the headers that are read."""
        found = set(places) | {each.header for each in pages if each is not None and each.header is not None}
        if root is not None and root.place is None:  # a list, in which the job is looked for
            found |= {"link", *TOTAL_HEADERS, *NEXT_HEADERS}
        return tuple(sorted(found))

    def _params(self) -> dict[str, str | None]:
        table = self._table
        requests = [*self._requests().values(), *table.headers.values(), *table.query.values()]
        named = templates.names_in([self._base_url, *requests])
        for name in sorted(OURS.intersection(table.params)):
            raise TableError(("params", name), f"{{{name}}} cannot be a parameter: the name is kept for what it says")
        for name in sorted(OURS.intersection(templates.names_in([self._base_url]))):
            raise TableError(("base_url",), f"{{{name}}} has no place here: the address is the same for all jobs")
        bodies = [self._body, self._batch_body, *(text_of_body(each.body) for _, each in self._details())]
        if table.events is not None:
            bodies.append(text_of_body(table.events.body))
        # In a body, {status} may as well be GraphQL's: a parameter that is no whole value there is declared.
        named += templates.whole_values_in(bodies)
        params: dict[str, str | None] = dict.fromkeys(sorted(set(named) - OURS))
        elsewhere = {*templates.names_in(bodies), *expression_names(self._table)}
        for name in table.params:
            if name not in params and name not in elsewhere:
                raise TableError(("params", name), f"nothing in the table has a place for it: write {{{name}}} there")
        return params | table.params

    def _batch_reader(self, reader: TableReader, batch: BatchTable) -> Callable[[bytes], tuple[Job, ...]]:
        if not templates.is_repeatable(batch.request) and "{job_ids}" not in batch.request + (self._batch_body or ""):
            raise TableError(("batch", "request"), "it has no place for the ids: write {job_ids}, or id={job_id}")
        if self._job_path == "{url}":
            raise TableError(("batch",), "jobs whose ids are URLs are asked for one by one")
        if batch.most < 2:
            raise TableError(("batch", "most"), "with fewer than 2 ids there is no need for it")
        return self._replies.jobs(reader, "batch", batch.root)


def _in_body(expression: Expression, root: Expression | None = None) -> Callable[[JSON], JSON]:
    """Return what reads the value of an expression from a body; None where it cannot be evaluated."""

    def read(body: JSON) -> JSON:
        try:
            base = body if root is None else root.on(body, {}, body)
            return cast("JSON", expression.on(base, {}, body))
        except CannotEvaluate:
            return None

    return read


def _size(keys: tuple[str, ...], size: int | str | None) -> int | None:
    try:
        return None if size is None else size_of(size)
    except ValueError as error:
        raise TableError(keys, str(error)) from None


def _status_at_start(key: str) -> int:
    if not re.fullmatch(r"2\d\d", key, re.ASCII):
        raise TableError(("at_start", key), "an HTTP status by which the work is over is a number from 200 to 299")
    return int(key)
