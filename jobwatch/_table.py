"""An API written down as a table, as TOML or JSON holds it, made into a `JobAPI`. Pure.

The keys are those of `Table` below; the README explains them with examples. Everything is checked when the table is
read: a key that there is not, a path that is none, a word that means two things. An error names the key, and whoever
read the file adds its name and the line.
"""

from __future__ import annotations

import difflib
import re
import zoneinfo
from collections.abc import Callable, Mapping
from datetime import UTC, tzinfo
from typing import Any, Literal, TypeAlias, cast

import msgspec
from msgspec import Struct

from ._api import JobAPI
from ._models import Event, Fault, FaultKind, Job, Phase
from ._paths import PART, TEXT, TIMES, WORD, Path, Plan
from ._places import EventTable, Paths, Places, TableError, checked_path, list_of, several
from ._reader import TableReader, read_problem
from ._words import Word, Words, told_apart

State: TypeAlias = Literal["pending", "running", "succeeded", "failed", "cancelled", "missing"]


class WordTable(Struct, frozen=True, forbid_unknown_fields=True):
    """Which words mean which phase."""

    pending: list[Word] = []
    running: list[Word] = []
    succeeded: list[Word] = []
    failed: list[Word] = []
    cancelled: list[Word] = []


class ListTable(Struct, frozen=True, forbid_unknown_fields=True):
    """The request for a project's jobs.

    Attributes:
        request: Its path and query, with ``{project_id}`` and ``{limit}`` where they go.
        root: Where the list lies in the reply.
    """

    request: str
    root: str = ""


class Table(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename={"listing": "list"}):
    """One API.

    Attributes:
        job: The path and query of one job, or the whole URL; ``{job_id}`` is where the id goes, quoted, ``{+job_id}``
            where its slashes and colons are to stay, and any other ``{name}`` is a parameter. ``{url}`` alone: the
            id is itself a URL on the API's origin.
        base_url: Where the API is served.
        base_url_variable: The environment variable that overrides `base_url`.
        docs: The page that the table was written from.
        method: ``GET`` or ``POST``.
        body: What a POST sends, as a text or as a table; holes as in `job`.
        headers: Headers to send; ``${NAME}`` is an environment variable.
        auth: ``bearer``, ``basic``, ``none``, or a header with the token in it: ``X-Api-Key: {token}``.
        token: The environment variable that holds the token; for basic, ``user:password``.
        token_optional: Whether the API may be asked without the token too.
        params: Parameters with their defaults.
        root: Where the job lies in the body; all paths below start there.
        id: Its id, to be compared with what was asked for.
        status: Its status.
        words: Which words mean which phase, besides those in `USUAL_WORDS`.
        failed_if: What means that it failed, whatever its status.
        cancelled_if: What means that it was cancelled, whatever its status.
        missing: What means that there is no such job.
        http: Which HTTP statuses are states.
        type, project, error, result, attempt: Paths.
        progress: Paths, each perhaps with what it is a part of: ``done / total`` or ``percent / 100``.
        created_at, started_at, ended_at, updated_at: Paths of times.
        timezone: The zone of times that name none.
        events: The history.
        times: The path of a map from states to times, or for each state the path of the time when it was entered.
        listing: The request for a project's jobs; its key is ``list``.
        started: Where the id lies in the response that started the job.
    """

    job: str
    base_url: str = ""
    base_url_variable: str = ""
    docs: str = ""
    method: Literal["GET", "POST"] = "GET"
    body: str | dict[str, Any] | None = None
    headers: dict[str, str] = {}
    auth: str = ""
    token: str = ""
    token_optional: bool = False
    params: dict[str, str] = {}
    root: str = ""
    id: Paths = []
    status: Paths = []
    words: WordTable = WordTable()
    failed_if: Paths = []
    cancelled_if: Paths = []
    missing: Paths = []
    http: dict[str, State] = {}
    type: Paths = []
    project: Paths = []
    error: Paths = []
    result: Paths = []
    attempt: Paths = []
    progress: Paths = []
    created_at: Paths = []
    started_at: Paths = []
    ended_at: Paths = []
    updated_at: Paths = []
    timezone: str = "UTC"
    events: EventTable | None = None
    times: str | dict[str, Paths] | None = None
    listing: ListTable | None = None
    started: Paths = []


def api_of(table: Mapping[str, object], name: str) -> JobAPI:
    """Make an API of a table.

    Args:
        table: What was read from TOML or JSON.
        name: What the API is called.

    Raises:
        TableError: The table is wrong.
    """
    return _Build(_checked(table), name).api()


# --- what is written down ---------------------------------------------------------------------------------


def _checked(table: Mapping[str, object]) -> Table:
    if not isinstance(table, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] - it comes from a file
        raise TableError((), "an API is a table, with job and status in it")
    _known_keys(dict(table), Table, ())
    for key, kind in (("words", WordTable), ("events", EventTable), ("list", ListTable)):
        _known_keys(table.get(key), kind, (key,))
    if "job" not in table:
        raise TableError((), 'the table lacks job, the path of one job, such as job = "/jobs/{job_id}"')
    try:
        return msgspec.convert(dict(table), Table)
    except msgspec.ValidationError as error:
        trouble, _, place = str(error).partition(" - at `$")
        keys = [key for key in re.split(r"[.\[\]]", place.removesuffix("`")) if key and key != "..."]
        raise TableError(keys, trouble[0].lower() + trouble[1:].replace("`", "")) from None


def _known_keys(table: object, kind: type[Struct], where: tuple[str, ...]) -> None:
    known = kind.__struct_encode_fields__
    for key in cast("dict[str, object]", table) if isinstance(table, dict) else ():
        if key not in known:
            near = difflib.get_close_matches(key, known, 1, 0.6)
            hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}"
            raise TableError((*where, key), f"there is no such key; {hint}")


class _Build:
    """The making of one API."""

    def __init__(self, table: Table, name: str) -> None:
        self._table = table
        self._name = name
        self._plan = Plan()
        self._base_url, self._job_path = _split(table)

    def api(self) -> JobAPI:
        table = self._table
        self._check_request()
        reader = self._reader()
        history = self._history_reader(reader)
        listed = self._list_reader(reader)
        header, prefix, basic = _auth(table)
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
            token_header=header,
            token_prefix=prefix,
            token_is_basic=basic,
            token_is_optional=table.token_optional,
            job_path=self._job_path,
            method=table.method,
            body=_body(table),
            headers=table.headers,
            params=self._params(),
            list_path=table.listing.request if table.listing is not None else None,
            history_path=table.events.request if table.events is not None else None,
            read_job=read_job,
            read_jobs=listed,
            read_reply=reader.reply,
            read_history=history,
            read_problem=read_problem,
            verdict=verdict if table.http or table.missing else None,
            states=states,
            started=self._started(),
        )

    def _started(self) -> tuple[Path, ...]:
        table = self._table
        if table.started:
            return tuple(checked_path(("started",), text) for text in several(table.started))
        ids = [checked_path(("id",), text) for text in several(table.id)]
        root = checked_path(("root",), table.root)
        return tuple(dict.fromkeys([*(root + path for path in ids), *ids]))

    # --- the request -------------------------------------------------------------------------------------

    def _check_request(self) -> None:
        table = self._table
        told = self._job_path + (_body(table) or "")
        if "{job_id}" not in told and "{+job_id}" not in told and self._job_path != "{url}":
            raise TableError(("job",), "it has no place for the id: write {job_id} where the id goes")
        if table.body is not None and table.method != "POST":
            raise TableError(("body",), 'only a POST has a body: add method = "POST"')
        if self._base_url and not re.match(r"https?://[^/]", self._base_url):
            raise TableError(("base_url",), "it must start with https:// or http:// and a host")
        if not (self._base_url or table.base_url_variable):
            raise TableError(("job",), "nothing says where the API is served: give base_url, or job as a whole URL")
        if not (table.status or table.http):
            raise TableError((), 'the table lacks status, the path of the job\'s status, such as status = "status"')
        for name in _holes(self._job_path):
            if name in ("project_id", "limit"):
                raise TableError(("job",), f"{{{name}}} is for lists; call the parameter something else")

    def _params(self) -> dict[str, str | None]:
        table = self._table
        told = [self._base_url, self._job_path, *table.headers.values()]
        told += [table.listing.request] if table.listing is not None else []
        told += [table.events.request or ""] if table.events is not None else []
        names = {name for text in told for name in _holes(text)}
        params: dict[str, str | None] = dict.fromkeys(sorted(names - {"job_id", "project_id", "limit", "url"}))
        in_body = _holes(_body(table) or "")  # where {status} may as well be GraphQL's: a parameter there is declared
        for name in table.params:
            if name not in params and name not in in_body:
                raise TableError(("params", name), f"nothing in the table has a place for it: write {{{name}}} there")
        return params | table.params

    # --- the reply ---------------------------------------------------------------------------------------

    def _reader(self) -> TableReader:
        table, root = self._table, checked_path(("root",), self._table.root)
        places = self._wanted(root)
        compiled = self._plan.compiled(root)
        return TableReader(
            self._name,
            self._words(),
            compiled,
            places.picks(compiled),
            root=root,
            zone=_zone(table.timezone),
            http={_status_of(key): Phase(state) for key, state in table.http.items() if state != "missing"},
        )

    def _wanted(self, root: Path) -> Places:
        table, places = self._table, Places(self._plan, root)
        for key in ("id", "type", "project", "attempt", "created_at", "started_at", "ended_at", "updated_at"):
            places.want(key, getattr(table, key), TEXT)
        places.want("status", table.status, WORD)
        places.want("error", table.error, PART)
        places.want("result", table.result, PART)
        places.want_progress(several(table.progress))
        for key in ("failed_if", "cancelled_if", "missing"):
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
        seen: dict[str, str] = {}
        for phase in WordTable.__struct_fields__:
            for word in getattr(self._table.words, phase):
                text = told_apart(word if isinstance(word, str) else str(word).lower())
                if seen.setdefault(text, phase) != phase:
                    raise TableError(("words", phase), f"{word!r} is among the words for {seen[text]} too")
        told: dict[Phase, list[Word]] = {
            Phase(phase): getattr(self._table.words, phase) for phase in WordTable.__struct_fields__
        }
        return Words(told)

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
        table = self._table
        if table.listing is None:
            return None
        if not table.id:
            raise TableError(("list",), "the jobs of a list are told apart by their ids: give id")
        self._plan = Plan()
        places = self._wanted(())
        item = self._plan.compiled()
        of_items = reader.of(item, places.picks(item))
        plan = Plan()
        plan.want(checked_path(("list", "root"), table.listing.root), list_of(item.type))
        listed = plan.compiled()
        decode = msgspec.json.Decoder(listed.type).decode

        def read(body: bytes) -> tuple[Job, ...]:
            root: object = decode(body)
            entries = None if root is None else listed.readers[0](root)
            found = [of_items.job(each, None) for each in entries or () if each is not None]
            return tuple(job for job in found if isinstance(job, Job))

        return read


_HOLE = re.compile(r"(?<!\$)\{\+?([A-Za-z_][A-Za-z0-9_]*)\}")
_ORIGIN = re.compile(r"(https?://[^/]+)(/.*)", re.DOTALL)
_HEADER = re.compile(r"([A-Za-z0-9-]+):\s*([^{}]*)\{token\}")


def _holes(text: str) -> list[str]:
    return _HOLE.findall(text)


def _split(table: Table) -> tuple[str, str]:
    """Return the base URL and the path of one job; `job` may be both."""
    whole = _ORIGIN.fullmatch(table.job)
    if whole is not None:
        if table.base_url:
            raise TableError(("base_url",), "job is a whole URL already: give one or the other")
        return whole[1], whole[2]
    if table.job != "{url}" and not table.job.startswith("/"):
        raise TableError(("job",), "it must start with / or with https://")
    return table.base_url, table.job


def _body(table: Table) -> str | None:
    return table.body if table.body is None or isinstance(table.body, str) else msgspec.json.encode(table.body).decode()


def _auth(table: Table) -> tuple[str, str, bool]:
    """Return the header of the token, what stands before it, and whether it goes there encoded, as Basic wants it."""
    auth = table.auth or ("bearer" if table.token else "none")
    if (auth == "none") is bool(table.token):
        trouble = "there is a token, so say how it is sent" if table.token else "token must name a variable for that"
        raise TableError(("auth",), trouble)
    match auth:
        case "none" | "bearer":
            return "Authorization", "Bearer ", False
        case "basic":
            return "Authorization", "Basic ", True
        case _:
            header = _HEADER.fullmatch(auth)
            if header is None:
                raise TableError(("auth",), 'write "bearer", "basic", "none" or a header: "X-Api-Key: {token}"')
            return header[1], header[2], False


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
