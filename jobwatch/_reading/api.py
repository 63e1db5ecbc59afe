"""What a vendor's words mean: one API as data, and bytes read into a `Job` or a `Fault`.

Pure: no clock, no random source, no I/O. Rules kept here for every API:

* Only id and status are required; unknown fields are ignored; of two equal keys the last wins.
* A body that is not the job asked for is a fault, whatever its HTTP status was. Nothing is guessed from it.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Generic, TypeAlias, TypeVar, TypeVarTuple

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from .._models import JSON, Event, Fault, FaultKind, Job, Phase, Problem, Wire_co, printable
from .ids import in_one_spelling, is_uuid
from .reply import Reply
from .structs import MOST_ENTRIES
from .words import Words

if TYPE_CHECKING:
    from .pages import Items, Paging

REQUEST_TIMEOUT: Final = 30.0
"""How long one look may take where nobody says otherwise, in seconds."""

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")


class Hint(Struct, frozen=True):
    """What a pushed event says of a job: a reason to look, and never the truth.

    Attributes:
        status: The API's word; empty where all that is known is that there is news.
        phase: What it means.
        job_id: The job it is about, where it says.
    """

    status: str
    phase: Phase
    job_id: str | None = None


Lacking: TypeAlias = Sequence[tuple[str, str]]
"""Keys of a table, each with the places under it of which none has a value in some reply."""


class Detail(Struct, frozen=True):
    """A request of its own for something that an API tells of an end.

    Attributes:
        path: Its path and query, with ``{job_id}`` where the id goes.
        body: What it sends by POST; None for a GET.
        read: Adds what its reply tells to a job; may raise what msgspec raises.
    """

    path: str
    body: str | None
    read: Callable[[bytes, Job], Job]


class Continuation(Struct, frozen=True, kw_only=True):
    """Finds where a reply says that a job goes on.

    Attributes:
        read: Returns the URL or the id from a body and the id asked for; None where the reply names none.
        header: The header that holds the URL, in lower case, in place of that.
        http: The HTTP statuses of replies that may name one; empty for all.
        unless: Reads what a reply that names none holds; None where nothing says so.
        is_url: Whether it is a URL.
        api: The API by which the job is read there; empty for the same.
    """

    read: Callable[[bytes, str], str | None] | None = None
    header: str = ""
    http: frozenset[int] = frozenset()
    unless: Callable[[bytes, str], str | None] | None = None
    is_url: bool = True
    api: str = ""

    def found(self, reply: Reply, job_id: str) -> str | Fault | None:
        """Return where a reply says that the job goes on, or why it cannot be read; None where it names no place."""
        if self.http and reply.http_status not in self.http:
            return None
        if self.unless is not None and (held := _read(self.unless, reply.body, job_id)) is not None:
            return held if isinstance(held, Fault) else None
        if self.header:
            return reply.headers.get(self.header)
        return None if self.read is None else _read(self.read, reply.body, job_id)


class AllowedOrigin(Struct, frozen=True):
    """Another origin to which a redirect or a place may lead, and the environment variable of the token it gets."""

    origin: str
    token: str = ""


class JobAPI(Struct, Generic[Wire_co], frozen=True, kw_only=True):
    """One vendor's job API, as data; `Wire_co` is what its jobs hold as `Job.wire`.

    Attributes:
        name: What `Client(...)` and ``--api`` call it.
        docs: The vendor's page that the table was written from.
        base_url: Where the API is served.
        base_url_variable: The environment variable that overrides `base_url`.
        token_variable: The environment variable that holds the token.
        token_file_variable: The environment variable that holds the path of a file with the token.
        token_header: The header that carries the token.
        token_prefix: What stands before the token in that header.
        token_query: The query parameter that carries the token, in place of a header.
        version_header: The header that selects an API version, if the vendor has one.
        job_path: The path of one job below `base_url`; ``{job_id}`` is where the id goes.
        list_path: The path and query of a project's jobs, with ``{project_id}`` and ``{limit}``, if there is one.
        read_job: Reads one job from a body; may raise what msgspec raises.
        read_jobs: Reads a list of jobs from a body, where there is a list.
        read_problem: Reads what an error body says.
        token_is_basic: Whether the token is ``user:password`` and goes into the header encoded, as Basic wants it.
        token_is_optional: Whether the API may be asked without a token too.
        headers: Headers to send; ``${NAME}`` in them is an environment variable.
        query: What goes into the query of every URL that does not have it, also of one that a server names.
        params: The names that stand in braces in the URLs and the body beside those above, with their defaults.
        method: How to ask for one job: ``GET`` or ``POST``.
        body: What a POST sends, with ``{job_id}`` where the id goes.
        states: The HTTP statuses that are states of the job: their replies are read, and no redirect is followed.
        verdict: Says of an HTTP status and a body that would not be read whether they are to be read (True), taken
            as usual (False), or a fault of some kind.
        unauthorized: Says of an HTTP status and a body whether they mean that the token was refused; None where they
            may mean that, or something else.
        read_reply: Reads one job from a body, with the HTTP status, the id asked for and the headers wanted, by their
            names in lower case, in place of `read_job`.
        batch_path: The path and query of a request for several jobs: ``{job_ids}`` is where their ids go, with commas
            between them; a part of the query such as ``id={job_id}`` is written once for each.
        batch_body: What such a request sends by POST; the text ``"{job_ids}"`` in it is the list of the ids.
        batch_most: How many ids it takes.
        read_batch: Reads the jobs from its answer.
        history_path: The path and query of a job's history, where it takes a request of its own.
        history_body: What that request sends by POST.
        read_history: Reads that history.
        error, result: The requests for what went wrong, and for what the job made, where the job does not tell them.
        history_pages, list_pages, batch_pages: How these replies go on in further pages; None if they never do.
        items: How the job's own reply goes on, where the job is told by a list in pages.
        search: How that list goes on, so that the job is looked for on its further pages.
        goes_on: Says of a reply's body and headers whether the list in which the job is looked for has further pages.
        output: What the job's outputs are called, and the fields of a job's `wire` that hold them as text.
        wanted_headers: The headers of replies that are read, by their names in lower case.
        reads_headers: Whether a job's state, or another field of it, may be in one of these.
        started_headers: The headers of the response that started a job which may hold its id, or its URL.
        at_start: The HTTP statuses of a response that names no job, by which the work is over, and how it ended.
        inline: Reads how the work ended from a response that names no job, since it is the answer already.
        started: Read the id from the decoded body of the response that started a job, where it is not with the job.
        id_places: Where the id is looked for in that body, in the words of its documentation or table.
        read_start: Reads a job's state from that response, in place of `read_reply`: neither its HTTP status nor a
            field that it lacks is a state.
        read_retry_after: Reads from a body, and the id asked for, for how many seconds not to ask about the job again.
        request_timeout: How long one look may take, in seconds.
        long_poll: For how long the server may hold a look until there is news, in seconds; 0 if it holds none. Where
            ``{long_poll}`` stands in the path, the headers or the body, it is told so.
        with_params: Returns the API with the parameters that its replies are read by, where there are such.
        max_body: The largest reply that is read, in bytes; None for what is usual.
        decodes_all: Whether reading a reply decodes all of it, however large it is.
        stream_path: The path of a job's stream of server-sent events, if there is one.
        hears_silence: Whether a stream that says nothing says that nothing has changed, before it has told any state.
        read_hint: Reads what an event of that stream says, from its data and name; None where that is no state.
        stable_for: For how many seconds ends of each phase have to stand before they are believed.
        protocol: What its replies come in: ``json-rpc``, or nothing.
        words: What the words of its status mean, where it is a table that names one.
        lacking: Says which keys of the table name places that a reply lacks: what it decodes to, its headers, the id.
        told: Says which words stand in a reply where the table looks for the status; of the same three.
        retention: For how many seconds jobs are kept after their end, infinite where only their replies may say.
        continues: Finds where a reply says that the job goes on.
        others: The APIs by which jobs are read that go on there, by their names.
        by_header: By which of them a job is read whose URL a header names, by that header's name in lower case.
        allowed_origins: Where, beside its own origin, a redirect or a place may lead.
    """

    name: str
    docs: str
    base_url: str
    base_url_variable: str
    token_variable: str
    job_path: str
    read_job: Callable[[bytes], Job[Wire_co]]
    read_problem: Callable[[bytes], Problem | None]
    token_file_variable: str = ""
    token_header: str = "Authorization"  # noqa: S105 - a header's name
    token_prefix: str = "Bearer "  # noqa: S105 - the word before the token, not a token
    token_query: str | None = None
    version_header: str | None = None
    list_path: str | None = None
    read_jobs: Callable[[bytes], tuple[Job[Wire_co], ...]] | None = None
    token_is_basic: bool = False
    token_is_optional: bool = False
    headers: Mapping[str, str] = {}
    query: Mapping[str, str] = {}
    params: Mapping[str, str | None] = {}
    method: str = "GET"
    body: str | None = None
    states: frozenset[int] = frozenset()
    verdict: Callable[[int, bytes], FaultKind | bool] | None = None
    unauthorized: Callable[[int, bytes], bool | None] | None = None
    read_reply: Callable[[bytes, int, str, Mapping[str, str]], Job[Wire_co] | Fault] | None = None
    batch_path: str | None = None
    batch_body: str | None = None
    batch_most: int = 100
    read_batch: Callable[[bytes], tuple[Job[Wire_co], ...]] | None = None
    history_path: str | None = None
    history_body: str | None = None
    read_history: Callable[[bytes], tuple[Event, ...] | None] | None = None
    history_pages: Paging | None = None
    error: Detail | None = None
    result: Detail | None = None
    list_pages: Paging | None = None
    batch_pages: Paging | None = None
    items: Items | None = None
    protocol: str = ""
    search: Paging | None = None
    goes_on: Callable[[bytes, Mapping[str, str]], bool] | None = None
    output: Mapping[str, str] = {}
    wanted_headers: tuple[str, ...] = ()
    reads_headers: bool = False
    started_headers: tuple[str, ...] = ()
    at_start: Mapping[int, Phase] = {}
    inline: Callable[[bytes, int], Job | Fault] | None = None
    started: tuple[Callable[[JSON], JSON], ...] = ()
    id_places: tuple[str, ...] = ()
    read_start: Callable[[bytes, str], Job[Wire_co] | Fault] | None = None
    read_retry_after: Callable[[bytes, str], float | None] | None = None
    request_timeout: float = REQUEST_TIMEOUT
    long_poll: float = 0.0
    with_params: Callable[[Mapping[str, str]], JobAPI[Wire_co]] | None = None
    max_body: int | None = None
    decodes_all: bool = False
    stream_path: str | None = None
    hears_silence: bool = True
    read_hint: Callable[[bytes, str], Hint | None] | None = None
    stable_for: Mapping[Phase, float] = {}
    words: Words | None = None
    lacking: Callable[[JSON, Mapping[str, str], str], Lacking] | None = None
    told: Callable[[JSON, Mapping[str, str], str], list[str]] | None = None
    retention: float | None = None
    continues: Continuation | None = None
    others: Mapping[str, JobAPI] = {}
    by_header: Mapping[str, str] = {}
    allowed_origins: tuple[AllowedOrigin, ...] = ()

    def job(
        self,
        body: bytes,
        job_id: str,
        http_status: int = 200,
        history: bytes | None = None,
        *,
        any_id: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> Job[Wire_co] | Fault:
        """Read the job asked for from a reply's body, or say why it cannot be read.

        Args:
            body: The body.
            job_id: The id asked for.
            http_status: The reply's status, which may be a state of the job.
            history: The body of the reply that holds the job's history, where that takes a request of its own.
            any_id: Whether the reply may tell another id, since it came from where the job goes on.
            headers: The headers wanted, by their names in lower case.
        """
        if self.read_reply is None:
            seen = _read(self.read_job, body)
        else:
            seen = _read(self.read_reply, body, http_status, job_id, headers or {})
        if not any_id and isinstance(seen, Job) and seen.id != job_id:
            if is_same_uuid(seen.id, job_id):
                seen = replace(seen, id=job_id)
            else:
                return unreadable(f"the reply is about job {printable(seen.id)[:80]}, not about {printable(job_id)}")
        if history is not None and isinstance(seen, Job) and (events := self.history(history)) is not None:
            return replace(seen, events=events)
        return seen

    def start(self, body: bytes, job_id: str) -> Job | Fault:
        """Read the job from the response that started it, or say why it cannot be read."""
        if self.read_start is None:
            return self.job(body, job_id)
        return _read(self.read_start, body, job_id)

    def answered(self, body: bytes, http_status: int) -> Job | None:
        """Read how work ended that the response to its start answers already; None where it does not say."""
        seen = _read_or_none(self.inline, body, http_status)
        return seen if isinstance(seen, Job) and seen.phase.ended else None

    def any_job(self, body: bytes) -> Job | None:
        """Read a job, whichever it is, or None where the body shows none."""
        return _read_or_none(self.read_job, body)

    def jobs(self, body: bytes) -> tuple[Job, ...] | Fault:
        """Read a list reply's body, or say why it cannot be read."""
        if self.read_jobs is None:
            return unreadable(f"{self.name} documents no list of jobs")
        return _read(self.read_jobs, body)

    def batch(self, body: bytes, job_ids: Collection[str] = ()) -> tuple[Job, ...] | Fault:
        """Read the answer to a request for several jobs, or say why it cannot be read.

        Args:
            body: The body.
            job_ids: The ids asked for: a job that is told by the same UUID, spelt in another way, has that one.
        """
        if self.read_batch is None:
            return unreadable(f"{self.name} documents no request for several jobs")
        jobs = _read(self.read_batch, body)
        return jobs if isinstance(jobs, Fault) else _as_asked(jobs, job_ids)

    def history(self, body: bytes) -> tuple[Event, ...] | None:
        """Read the reply to the request for a job's history; None where it cannot be read."""
        return _read_or_none(self.read_history, body)

    def retry_after(self, body: bytes, job_id: str = "") -> float | None:
        """Read for how many seconds a reply asks not to be asked about the job; None where it does not."""
        return _read_or_none(self.read_retry_after, body, job_id)

    def detailed(self, detail: Detail, body: bytes, job: Job) -> Job | Fault:
        """Add to a job what the reply to a request for something of its end tells, or say why it cannot be read."""
        return _read(detail.read, body, job)

    def history_on(self, pages: Sequence[bytes]) -> tuple[tuple[Event, ...], bool] | None:
        """Read a history in pages, as far as they can be read, and whether that was all of them; None if none can."""
        told: list[Event] = []
        for number, body in enumerate(pages):
            events = self.history(body)
            if events is None or len(told) + len(events) > MOST_ENTRIES:
                return (tuple(told), False) if number else None
            told += events
        return tuple(told), True

    def hint(self, data: bytes, name: str) -> Hint | None:
        """Read what an event of a job's stream says; None where that is no state, or cannot be read."""
        return _read_or_none(self.read_hint, data, name)

    def problem(self, body: bytes) -> Problem | None:
        """Read what an error reply's body says, or None where it says nothing that can be read."""
        return _read_or_none(self.read_problem, body)


def is_same_uuid(one: str, other: str) -> bool:
    """Whether two ids are one UUID, which may be written with large letters or small, and without hyphens. RFC 9562."""
    return is_uuid(one) and is_uuid(other) and in_one_spelling(one) == in_one_spelling(other)


def _as_asked(jobs: tuple[Job, ...], job_ids: Collection[str]) -> tuple[Job, ...]:
    """Return jobs by the ids that they were asked for by, where these are the same UUIDs in another spelling."""
    others = [job.id for job in jobs if job.id not in job_ids and is_uuid(job.id)]
    if not others:
        return jobs
    asked = {in_one_spelling(job_id): job_id for job_id in job_ids if is_uuid(job_id)}
    known = {other: asked[spelling] for other in others if (spelling := in_one_spelling(other)) in asked}
    return tuple(replace(job, id=known[job.id]) if job.id in known else job for job in jobs)


def unreadable(message: str) -> Fault:
    """Return the fault of a reply that is not a job."""
    return Fault(kind=FaultKind.UNREADABLE, message=message)


def _read(reader: Callable[[bytes, *_Ts], _T], body: bytes, *args: *_Ts) -> _T | Fault:
    # msgspec lets UnicodeDecodeError and RecursionError through beside its own errors.
    try:
        return reader(body.removeprefix(BOM_UTF8), *args)
    except msgspec.ValidationError as error:
        return unreadable(f"the reply is not what the API documents: {error}")
    except (msgspec.MsgspecError, UnicodeError):
        return unreadable("the reply is not JSON" if body.strip() else "the reply is empty")
    except (RecursionError, ValueError, OverflowError):
        return unreadable(
            "the reply is JSON that cannot be read: nested too deeply, a number out of range, or too many parts"
        )
    except Exception as error:  # noqa: BLE001 - a reader that trips over one reply must not stop the looks at other jobs
        return unreadable(f"the reply cannot be read: its reader raised {type(error).__name__}")


def _read_or_none(reader: Callable[[bytes, *_Ts], _T | None] | None, body: bytes, *args: *_Ts) -> _T | None:
    read = None if reader is None else _read(reader, body, *args)
    return None if isinstance(read, Fault) else read
