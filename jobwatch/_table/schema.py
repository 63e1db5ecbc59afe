"""The keys that a table may have, and what was written down under them, checked. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, cast

import msgspec
from msgspec import Struct

from .._reading.api import REQUEST_TIMEOUT
from .._reading.pages import MOST_PAGES
from .._reading.words import Word
from .fields import (
    EventTable,
    ItemsTable,
    NextPage,
    NextTable,
    Paths,
    Places,
    ProgressPaths,
    RequestTable,
    TableError,
    Told,
)
from .hints import HintPaths, HintTable
from .onward import OnwardTable, OriginTable

End: TypeAlias = Literal["succeeded", "partial", "finished", "failed", "cancelled"]
State: TypeAlias = Literal[
    "pending", "running", "blocked", "succeeded", "partial", "finished", "failed", "cancelled", "missing"
]


class WordTable(Struct, frozen=True, forbid_unknown_fields=True):
    """Which words mean which phase, each whole or the beginning of one with a ``*`` behind it.

    `nothing` holds those that say nothing: the next place is asked, and nothing that it says is an end.
    """

    pending: list[Word] = []
    running: list[Word] = []
    blocked: list[Word] = []
    succeeded: list[Word] = []
    partial: list[Word] = []
    finished: list[Word] = []
    failed: list[Word] = []
    cancelled: list[Word] = []
    nothing: list[Word] = []


class ListTable(Struct, frozen=True, forbid_unknown_fields=True):
    """The request for a project's jobs.

    Attributes:
        request: Its path and query, with ``{project_id}`` and ``{limit}`` where they go.
        root: Where the list lies in the reply.
        next_page: What leads to the next page, as far as there are more jobs wanted than one page shows.
    """

    request: str
    root: str = "@"
    next_page: NextPage = []


class BatchTable(Struct, frozen=True, forbid_unknown_fields=True):
    """The request for several jobs, which names their ids.

    Attributes:
        request: Its path and query; ``{job_ids}`` is where the ids go, with commas between them, and a part of the
            query such as ``id={job_id}`` is written once for each. ``{limit}`` is how many they are.
        body: What is sent by POST, as a text or as a table; the text ``{job_ids}`` in it becomes the list of the ids.
        most: How many ids it takes.
        root: Where the list of the jobs lies in the answer.
        next_page: What leads to the next page.
    """

    request: str
    body: str | dict[str, Any] | None = None
    most: int = 100
    root: str = "@"
    next_page: NextPage = []


class TokenTable(Struct, frozen=True, forbid_unknown_fields=True):
    """The token, and by which replies it is refused, beside a 401.

    Attributes:
        variable: The environment variable that holds it.
        refused_if: What means that of a reply in which no status can be read.
        renew_if: What may mean that of a reply that is no success, or something else: the token is read anew.
    """

    variable: str = ""
    refused_if: Paths = []
    renew_if: Paths = []


class Table(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename={"listing": "list"}):
    """One API.

    Attributes:
        job: The path and query of one job, or the whole URL; ``{job_id}`` is where the id goes, quoted, ``{+job_id}``
            where its slashes and colons are to stay, and any other ``{name}`` is a parameter. ``{url}`` alone: the
            id is itself a URL on the API's origin.
        base_url: Where the API is served.
        base_url_variable: The environment variable that overrides `base_url`.
        docs: The page that the table was written from.
        method: ``GET``, ``POST`` or ``HEAD``.
        body: What a POST sends, as a text or as a table; holes as in `job`.
        protocol: ``json-rpc`` where replies come in its envelope: places then start at its ``result``.
        headers: Headers to send; ``${NAME}`` is an environment variable, other holes as in `job`.
        query: What goes into the query of every URL that does not have it; values with holes as in `job`.
        version_header: The header that selects a version of the API, where a caller chooses one.
        auth: ``bearer``, ``basic``, ``none``, a header with the token in it: ``X-Api-Key: {token}``, or a
            parameter of the query: ``?api_key={token}``.
        token: The environment variable that holds the token; for basic, ``user:password``. Or that, and by which
            replies it is refused.
        token_file: The environment variable that holds the path of a file with the token, where `token` is not
            set.
        token_optional: Whether the API may be asked without the token too.
        max_body: The largest reply that is read, such as ``16MiB``, as received and without its content coding.
        params: Parameters with their defaults.
        root: Where the job lies in the body; all places start there that do not begin with ``$``.
        items: The list that the job is told by, in pages that are joined.
        next_page: What leads to the next page of it, besides a link header.
        pages: How many pages of anything are read.
        id: Its id, to be compared with what was asked for.
        status: Its status.
        words: Which words mean which phase, besides those in `USUAL_WORDS`.
        status_prefix: What all its words begin with, such as ``JOB_STATE_``; it need not be in `words`.
        nothing_if: While this holds, nothing in the reply is an end.
        cancelled_if, failed_if, partial_if, succeeded_if, finished_if, blocked_if, running_if, pending_if:
            What means that it is so, whatever its status. Each is a condition, or several of which any will do; the
            first of these keys that holds wins.
        missing_if: What means that there is no such job.
        limited_if: What means of a 403, or of a reply in which no status can be read, that fewer requests are wanted.
        no_error: Texts in the place of an error that say that there is none.
        http: Which HTTP statuses are states.
        http_alone: Whether 200 is one of them even where its body is empty or tells nothing, or is no JSON.
        type, project, attempt: Places.
        error, result: Places, or requests of their own that are made once, at the end.
        asked: The place of what a blocked job asks of somebody.
        url: The place of the address of a page about the job, for people.
        progress: The places of a fraction, or of what is done and of what there is to do.
        created_at, started_at, ended_at, updated_at: Places of times.
        timezone: The zone of times that name none.
        events: The history.
        times: The place of a map from states to times, or for each state that of the time when it was entered.
        listing: The request for a project's jobs; its key is ``list``.
        batch: The request for several jobs.
        stream: The path and query of a job's stream of server-sent events.
        started: Where the id lies in the response that started the job.
        at_start: Which HTTP statuses of such a response, where it names no job at all, say how the work ended.
        retry_after: Where a reply says when to come back.
        stable_for: For how long an end has to stand before it is believed, such as ``10s``; or that of each kind.
        retention: For how long jobs are kept after their end, such as ``15m``, or where a reply says that.
        inline: What is different where the response of the start is the answer already: other values of these keys.
        started_by: What is different, by the header that named the job's URL: other values of these keys.
        continues_as: Where the URL lies at which the watch goes on, or more of how it does.
        allowed_origins: Other origins that a redirect or `continues_as` may lead to.
        long_poll: How long the server may hold a request for a job until there is news; ``{long_poll}`` is the seconds.
        request_timeout: How long one look may take, as seconds or as a text such as ``30s``.
    """

    job: str
    base_url: str = ""
    base_url_variable: str = ""
    docs: str = ""
    method: Literal["GET", "POST", "HEAD"] = "GET"
    body: str | dict[str, Any] | None = None
    protocol: Literal["", "json-rpc"] = ""
    headers: dict[str, str] = {}
    query: dict[str, str] = {}
    version_header: str = ""
    auth: str = ""
    token: str | TokenTable = ""
    token_file: str = ""
    token_optional: bool = False
    max_body: int | str | None = None
    params: dict[str, str] = {}
    root: str = "@"
    items: str | ItemsTable = ""
    next_page: NextPage = []
    pages: int = MOST_PAGES
    id: Places = []
    status: Places = []
    words: WordTable = WordTable()
    status_prefix: str = ""
    nothing_if: Paths = []
    cancelled_if: Paths = []
    failed_if: Paths = []
    partial_if: Paths = []
    succeeded_if: Paths = []
    finished_if: Paths = []
    blocked_if: Paths = []
    running_if: Paths = []
    pending_if: Paths = []
    missing_if: Paths = []
    limited_if: Paths = []
    http: dict[str, State] = {}
    http_alone: bool = False
    type: Places = []
    project: Places = []
    error: Told = []
    no_error: list[str] = []
    result: Told = []
    asked: Places = []
    url: Places = []
    attempt: Places = []
    progress: ProgressPaths = []
    created_at: Places = []
    started_at: Places = []
    ended_at: Places = []
    updated_at: Places = []
    timezone: str = "UTC"
    events: EventTable | None = None
    times: str | dict[str, Paths] | None = None
    listing: ListTable | None = None
    batch: BatchTable | None = None
    stream: str = ""
    started: Places = []
    at_start: dict[str, End] = {}
    inline: dict[str, Any] = {}
    started_by: dict[str, dict[str, Any]] = {}
    retry_after: HintPaths = []
    stable_for: str | dict[End, str] = {}
    retention: Paths = []
    continues_as: Paths | OnwardTable = []
    allowed_origins: list[str | OriginTable] = []
    request_timeout: str | float = REQUEST_TIMEOUT
    long_poll: str | float | None = None

    @property
    def token_variable(self) -> str:
        """The environment variable that holds the token."""
        return self.token.variable if isinstance(self.token, TokenTable) else self.token

    def paths_under(self, key: str) -> Paths:
        """Return the conditions under a key, which may be one of the token's: ``token.refused_if``."""
        second = key.partition(".")[2]
        if not second:
            return cast("Paths", getattr(self, key))
        return cast("Paths", getattr(self.token, second)) if isinstance(self.token, TokenTable) else []


def checked(table: Mapping[str, object]) -> Table:
    """Read what was written down.

    Raises:
        TableError: It has a key that there is not, or a value of a wrong type.
    """
    if not isinstance(table, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] - it comes from a file
        raise TableError((), "an API is a table, with job and status in it")
    if "missing" in table:
        raise TableError(("missing",), "there is no such key; it is called missing_if")
    _known_keys(dict(table), Table, ())
    parts: dict[str, type[Struct]] = {"words": WordTable, "events": EventTable, "list": ListTable, "batch": BatchTable}
    for key, kind in (parts | {"retry_after": HintTable, "continues_as": OnwardTable}).items():
        _known_keys(table.get(key), kind, (key,))
    _known_keys(table.get("token"), TokenTable, ("token",))
    _known_keys(table.get("items"), ItemsTable, ("items",))
    _known_keys(table.get("next_page"), NextTable, ("next_page",))
    for key in ("error", "result"):
        if _is_header(table.get(key)):
            continue
        _known_keys(table.get(key), RequestTable, (key,))
    for key in ("events", "list", "batch"):
        part = cast("dict[str, object] | None", table.get(key) if isinstance(table.get(key), dict) else None)
        _known_keys(part.get("next_page") if part is not None else None, NextTable, (key, "next_page"))
    if "job" not in table:
        raise TableError((), 'the table lacks job, the path of one job, such as job = "/jobs/{job_id}"')
    # One type of object can be told from a text and a list, and that is the request.
    headers = {key: [told] for key in ("error", "result") if _is_header(told := table.get(key))}
    try:
        return msgspec.convert({**table, **headers}, Table)
    except msgspec.ValidationError as error:
        trouble, _, place = str(error).partition(" - at `$")
        keys = [key for key in re.split(r"[.\[\]]", place.removesuffix("`")) if key and key != "..."]
        trouble = trouble[0].lower() + trouble[1:].replace("`", "")
        raise TableError(keys, trouble + _form(keys, trouble)) from None


_FORMS = {
    "method": '"GET", "POST" or "HEAD"',
    "http": '{ 202 = "running", 400 = "missing" }, with the name of a list of words, or missing',
    "words": '{ succeeded = ["ok"] }',
    "events": '{ path = "log", status = "to" }',
    "list": '{ request = "/jobs", root = "jobs" }',
    "batch": '{ request = "/jobs?ids={job_ids}" }',
    "params": '{ queue = "day" }',
    "headers": '{ X-User = "me" }',
    "query": '{ api-version = "2" }',
    "stable_for": '"10s"',
}


def _form(keys: list[str], trouble: str) -> str:
    """Return how an error message goes on that tells of a wrong type."""
    if trouble.startswith("expected array, got str"):
        return '; a list is written ["..."]'
    form = _FORMS.get(keys[0]) if keys else None
    return f"; write {keys[0]} = {form}" if form else ""


_MEANT = {"error": "failed", "errored": "failed", "done": "succeeded", "completed": "succeeded", "queued": "pending"}


def _is_header(told: object) -> bool:
    return isinstance(told, dict) and "header" in told


def _known_keys(table: object, kind: type[Struct], where: tuple[str, ...]) -> None:
    known = kind.__struct_encode_fields__
    for key, value in cast("dict[str, object]", table).items() if isinstance(table, dict) else ():
        if key not in known:
            near = difflib.get_close_matches(key, known, 1, 0.6)
            hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}"
            if where == ("words",) and isinstance(value, list):
                hint = f"did you mean {_MEANT[key]}?" if key in _MEANT else hint
            elif where == ("words",) and key in Table.__struct_encode_fields__:
                hint = f"{key} is a key of the table itself: it goes before the line [words]"
            raise TableError((*where, key), f"there is no such key; {hint}")
