"""The values that everything else speaks of: what a job is, what was seen of it, and what went wrong.

All are frozen: a new look makes new values. Server text is kept as it came; `printable` is what makes it
safe for a terminal, a log or a CI runner, and every `__str__` and `__repr__` here goes through it.
"""

from __future__ import annotations

import enum
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Generic, TypeAlias, cast

import msgspec
from msgspec import Raw, Struct

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from typing_extensions import TypeVar  # type checkers bring it along, and a run has no need of it

    JSON: TypeAlias = "dict[str, JSON] | list[JSON] | str | int | float | bool | None"
    Wire_co = TypeVar("Wire_co", bound=Struct | None, covariant=True, default=Struct | None)
    Result_co = TypeVar("Result_co", covariant=True, default=JSON)
    Result = TypeVar("Result", default=JSON)
else:
    from typing import Any, TypeVar  # which has no default before Python 3.13

    JSON = Any  # msgspec cannot read into a type that holds itself: a user's Struct may have a field of it
    Wire_co = TypeVar("Wire_co", covariant=True)
    Result_co = TypeVar("Result_co", covariant=True)
    Result = TypeVar("Result")


class ResultLeftOut:
    """Lets ``Job[CapyJob]`` be written where it is run too, such as in an annotation; the result is then any."""

    __slots__ = ()

    if not TYPE_CHECKING:

        def __class_getitem__(cls, kinds):
            return super().__class_getitem__(kinds if isinstance(kinds, tuple) else (kinds, Any))


class AsJSON:
    """Has ``dict(value)`` give JSON values, which `json.dumps` takes; a FastAPI endpoint may return the value itself.

    FastAPI makes a ``dict`` of what an endpoint without an annotated type returns, and has pydantic write an annotated
    one, which needs no more of pydantic than the plain values below: https://docs.pydantic.dev/latest/concepts/types,
    "Customizing validation with `__get_pydantic_core_schema__`", November 2026.
    """

    __slots__ = ()

    if TYPE_CHECKING:
        __struct_fields__: tuple[str, ...]

    def keys(self) -> Sequence[str]:
        """Return the names of the fields."""
        return self.__struct_fields__

    def __getitem__(self, name: str) -> JSON:
        """Return a field as a JSON value: a time as text, a record as a dict."""
        if name not in self.__struct_fields__:
            raise KeyError(name)
        plain = msgspec.to_builtins(getattr(self, name), str_keys=True, enc_hook=_plain)
        return cast("JSON", msgspec.json.decode(msgspec.json.encode(plain)))  # tuples are lists then, too

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> Mapping[str, object]:
        written = {"type": "function-plain", "function": dict, "return_schema": {"type": "dict"}}
        return {"type": "is-instance", "cls": cls, "serialization": written}


def _plain(part: object) -> object:
    if isinstance(part, Raw):
        return msgspec.json.decode(part) if part else None
    raise TypeError(f"{type(part).__name__} is no JSON value")


_ENDS = frozenset({"succeeded", "partial", "finished", "failed", "cancelled"})


class _Word(enum.Enum):
    """A word of ours."""

    # Each is there once, so that where it lies will do; `enum` has Python code called for the hash of its name.

    __hash__ = object.__hash__


class Phase(_Word):
    """Our word for where a job stands, whatever the vendor calls it."""

    PENDING = "pending"
    RUNNING = "running"
    BLOCKED = "blocked"
    """It goes on only when somebody acts."""
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    """It ended, and the API says that a part of it failed."""
    FINISHED = "finished"
    """It is over, and the API does not tell how it ended."""
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"

    def __init__(self, word: str) -> None:
        self.ended: Final = word in _ENDS
        """Whether a job in this phase will not change any more; found out once, and not at each of many looks."""


_AT_WORK = frozenset({Phase.RUNNING, Phase.BLOCKED, Phase.UNKNOWN})
_ROUNDED: Final = 1.0
"""By how many seconds an end may lie before its start and still be told as at once: some APIs cut off the fraction."""

ENDED = frozenset(phase for phase in Phase if phase.ended)


class Unchanged(enum.Enum):
    """What a source says of a job that is as it was when it was last asked about."""

    UNCHANGED = "unchanged"


UNCHANGED: Final = Unchanged.UNCHANGED
"""What `JobSource.job` returns for a job that is still as the ``last`` that it was given."""


class Outcome(_Word):
    """How a watch or a wait ended: the job's own end, or why it could not be seen."""

    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"
    BLOCKED = "blocked"
    TIMEOUT = "timeout"
    NOT_FOUND = "not_found"
    AUTH = "auth"
    UNREACHABLE = "unreachable"
    UNREADABLE = "unreadable"
    INTERRUPTED = "interrupted"

    @property
    def is_end_of_job(self) -> bool:
        """Whether the job itself ended, as a look has shown; otherwise it was the wait for it that stopped."""
        return self in _ENDS_OF_JOBS


_ENDS_OF_JOBS = frozenset({Outcome.SUCCEEDED, Outcome.PARTIAL, Outcome.FINISHED, Outcome.FAILED, Outcome.CANCELLED})


class FaultKind(_Word):
    """In which way a look failed."""

    AUTH = "auth"
    NOT_FOUND = "not_found"
    GONE = "gone"
    RATE_LIMITED = "rate_limited"
    UNREACHABLE = "unreachable"
    TLS = "tls"
    UNREADABLE = "unreadable"
    REFUSED = "refused"


class Fault(Struct, AsJSON, frozen=True, omit_defaults=True):
    """A look that failed, as a value.

    Attributes:
        kind: In which way it failed.
        message: What happened, in one sentence; never holds a header, a token or a query.
        http_status: The HTTP status, where there was an answer.
        code: The API's own error code, where its body gave one.
        request_id: The API's id of the request, to quote to its support.
        retry_after: Seconds the server asked us to stay away, already validated.
        url: Where it was asked, if it says that there is nothing there (404, 410), without query and without secrets: a
            base URL may be wrong.
    """

    kind: FaultKind
    message: str
    http_status: int | None = None
    code: str | None = None
    request_id: str | None = None
    retry_after: float | None = None
    url: str | None = None

    @property
    def text(self) -> str:
        """All of it in one sentence, the server's words as they came: for what escapes them itself, as JSON does."""
        facts = [
            f"HTTP {self.http_status}" if self.http_status else "",
            f"code {self.code}" if self.code else "",
            f"request {self.request_id}" if self.request_id else "",
            f"asked {self.url}" if self.url else "",
        ]
        known = ", ".join(fact for fact in facts if fact)
        return f"{self.message} ({known})" if known else self.message

    def __str__(self) -> str:
        return printable(self.text)


class Problem(Struct, frozen=True, omit_defaults=True):
    """What an API says went wrong, in its own words."""

    message: str
    code: str | None = None
    request_id: str | None = None

    @property
    def text(self) -> str:
        """The code, if there is one, and the message as they came: for what escapes them itself, as JSON does."""
        return f"{self.code}: {self.message}" if self.code else self.message

    def __str__(self) -> str:
        return printable(self.text)


class Event(Struct, frozen=True, omit_defaults=True, gc=False):
    """One entry of a job's history, as the API tells it."""

    status: str
    phase: Phase
    at: datetime | None = None


class Job(Struct, AsJSON, ResultLeftOut, Generic[Wire_co, Result_co], frozen=True, kw_only=True):
    """One job as one look saw it: a ``Job[CapyJob]`` holds CapyDB's own record, a ``Job[CapyJob, Report]`` your result.

    Attributes:
        id: The job's id.
        api: The name of the API it was read from.
        status: The API's own word for its state, verbatim.
        phase: Our word for that state.
        type: The API's word for what kind of job it is.
        project_id: The project it belongs to.
        created_at, started_at, ended_at, updated_at: The API's own timestamps, in UTC.
        attempt: How many times the API has started it, where the API counts.
        progress: How far it is, from 0 to 1, where the API tells.
        events: Its history as the API tells it, or None where the API tells none, or one of thousands of entries.
        has_more_events: Whether the history has further entries, on a page that could not be read.
        proven: Where there is no history, the states that the job's other fields prove it has been in, in order.
        error: What the API says went wrong.
        asked: What it asks of somebody, while it is blocked.
        url: A page about the job for people, where the API names one.
        result: What the job made, as plain JSON values, or of the type that was asked for by ``result=``.
        wire: The API's own record, every documented field typed (see `jobwatch.apis`).
        now: Where it was asked about, its URL or its id there, if it has moved since the watch began.
        hops: How often it has moved.
        retention: For how many seconds the API keeps it after its end, where it tells.
    """

    id: str
    api: str
    status: str
    phase: Phase
    type: str | None = None
    project_id: str | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    updated_at: datetime | None = None
    attempt: int | None = None
    progress: float | None = None
    events: tuple[Event, ...] | None = None
    has_more_events: bool = False
    proven: tuple[Event, ...] = ()
    error: Problem | None = None
    asked: str | None = None
    url: str | None = None
    result: Result_co = cast("Result_co", None)
    wire: Wire_co = cast("Wire_co", None)
    now: str | None = None
    hops: int = 0
    retention: float | None = None

    @property
    def ran(self) -> float | None:
        """For how many seconds it ran, by the API's clock, from the start that the API tells to the end.

        Where it tells no start but a history, that is when the job last began to run. None of a job that has not ended,
        where the API does not tell both, and where the end lies before the start, so that one of the two must be wrong.
        """
        started_at, ended_at = started_at_of(self), ended_at_of(self)
        if started_at is None or ended_at is None:
            return None
        seconds = (ended_at - started_at) / timedelta(seconds=1)
        return None if seconds < -_ROUNDED else max(0.0, seconds)

    def __repr__(self) -> str:
        why = self.error.text if isinstance(self.error, Problem) else self.asked
        return shown(f"Job {excerpt(self.id)} of {excerpt(self.api)}: {state(self.status, self.phase)}", why)

    def _repr_html_(self) -> str:
        from .notebook import html_of_job  # noqa: PLC0415 - where a notebook asks, and seldom else

        return html_of_job(cast("Job", self))

    @property
    def told_status(self) -> str:
        """The status, safe to print."""
        return printable(self.status)

    @property
    def told_need(self) -> str:
        """What a blocked job waits for, safe to print."""
        return printable(need(self.asked, self.url))


class Transition(Struct, AsJSON, frozen=True, omit_defaults=True, gc=False):
    """One change of state, delivered once.

    Attributes:
        job_id: Whose change it is.
        seq: Its place in what was delivered of this job, from 1; with `job_id` it names the transition for good.
        status: The API's word for the state entered.
        phase: Our word for it.
        at: When the API says it happened, or None where it does not say.
        seen_at: When the look that showed it was made, by our clock.
        gap: Whether the API left out what lay between the previous transition and this one.
        asked: What the job asks of somebody in this state, if it is blocked and the API tells.
        url: A page about the job for people, if it is blocked and the API names one.
    """

    job_id: str
    seq: int
    status: str
    phase: Phase
    at: datetime | None
    seen_at: datetime
    gap: bool = False
    asked: str | None = None
    url: str | None = None

    def __repr__(self) -> str:
        at = f"at {clock(self.at)}" if self.at is not None else f"seen at {clock(self.seen_at)}"
        what = f"Transition {self.seq} of {excerpt(self.job_id)}: {state(self.status, self.phase)} {at}"
        return shown(what, "after a gap" if self.gap else None, self.asked)


def started_at_of(job: Job[Struct | None, object]) -> datetime | None:
    """Return when a job last began to run; what it waited for a person in between counts as a run."""
    if job.started_at is not None:
        return job.started_at
    started_at: datetime | None = None
    is_running = False
    for event in job.proven if job.events is None else job.events:
        if event.phase is Phase.RUNNING and not is_running:
            started_at, is_running = event.at, True
        elif event.phase not in _AT_WORK:
            is_running = False
    return started_at


def ended_at_of(job: Job[Struct | None, object]) -> datetime | None:
    """Return when a job ended; None of one that has not ended, whatever it tells."""
    if not job.phase.ended:
        return None
    told = job.proven if job.events is None else job.events
    return job.ended_at or (told[-1].at if told and told[-1].phase is job.phase else None)


def need(asked: str | None, url: str | None) -> str:
    """Return what a blocked job waits for, the server's words as they came; whoever prints them escapes them.

    Args:
        asked: What it asks, where the API tells.
        url: A page about it for people, where the API names one.
    """
    return ": ".join(["waits for a person", *filter(None, (asked, url))])


def state(status: object, phase: object) -> str:
    """Return the API's word for a state and ours in a few words, for a `repr`."""
    word = excerpt(phase.value if isinstance(phase, Phase) else phase, 24)
    return word if str(status).casefold() == word else f"{excerpt(status, 24)} ({word})"


def both_words(told: str, phase: Phase) -> str:
    """Return the API's word for a state, safe to print already, and behind it ours, unless that is the same."""
    return told if told.casefold() == phase.value else f"{told} ({phase.value})"


def clock(at: datetime) -> str:
    """Return a moment in UTC, to the millisecond."""
    return at.astimezone(UTC).isoformat(" ", "milliseconds").replace("+00:00", "Z")


def shown(*parts: str | None) -> str:
    """Return the `repr` of a value that holds a server's words: one line of 120 characters at most."""
    line = ", ".join(excerpt(part, 120) for part in parts if part)
    return f"<{excerpt(line, 118)}>"


def excerpt(told: object, most: int = 40) -> str:
    """Return a text as it may be printed, of at most so many characters: beginning and end, where it has more."""
    text = str(told)  # a source of the user's own may have put anything in its place, and a `repr` must not fail
    if len(text) > most:
        end = most // 3
        text = f"{text[: most - 3 - end]}...{text[-end:]}"
    text = printable(text)
    return text if len(text) <= most else f"{text[: most - 3]}..."


def printable(text: str) -> str:
    """Return server text with everything escaped that could steer a terminal, a log or a CI runner.

    Control characters, line ends, escape sequences, bidirectional overrides and other invisible characters
    become backslash escapes, so that the text stays on one line and reads in the order in which it is stored.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")
