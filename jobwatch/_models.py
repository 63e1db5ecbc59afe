"""The values that everything else speaks of: what a job is, what was seen of it, and what went wrong.

All are frozen: a new look makes new values. Server text is kept as it came; `printable` is what makes it
safe for a terminal, a log or a CI runner, and every `__str__` here goes through it.
"""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Final, TypeAlias

from msgspec import Struct

JSON: TypeAlias = "dict[str, JSON] | list[JSON] | str | int | float | bool | None"


class Phase(enum.Enum):
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

    ended: bool
    """Whether a job in this phase will not change any more."""


ENDED = frozenset({Phase.SUCCEEDED, Phase.PARTIAL, Phase.FINISHED, Phase.FAILED, Phase.CANCELLED})
for _phase in Phase:
    _phase.ended = _phase in ENDED  # not found out anew at each look, of which there are many


class Unchanged(enum.Enum):
    """What a source says of a job that is as it was when it was last asked about."""

    UNCHANGED = "unchanged"


UNCHANGED: Final = Unchanged.UNCHANGED
"""What `JobSource.job` returns for a job that is still as the ``last`` that it was given."""


class Outcome(enum.Enum):
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


class FaultKind(enum.Enum):
    """In which way a look failed."""

    AUTH = "auth"
    NOT_FOUND = "not_found"
    GONE = "gone"
    RATE_LIMITED = "rate_limited"
    UNREACHABLE = "unreachable"
    TLS = "tls"
    UNREADABLE = "unreadable"
    REFUSED = "refused"


class Fault(Struct, frozen=True, omit_defaults=True):
    """A look that failed, as a value.

    Attributes:
        kind: In which way it failed.
        message: What happened, in one sentence; never holds a header, a token or a query.
        http_status: The HTTP status, where there was an answer.
        code: The API's own error code, where its body gave one.
        request_id: The API's id of the request, to quote to its support.
        retry_after: Seconds the server asked us to stay away, already validated.
    """

    kind: FaultKind
    message: str
    http_status: int | None = None
    code: str | None = None
    request_id: str | None = None
    retry_after: float | None = None

    @property
    def text(self) -> str:
        """All of it in one sentence, the server's words as they came: for what escapes them itself, as JSON does."""
        facts = [
            f"HTTP {self.http_status}" if self.http_status else "",
            f"code {self.code}" if self.code else "",
            f"request {self.request_id}" if self.request_id else "",
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


class Job(Struct, frozen=True, kw_only=True):
    """One job as one look saw it.

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
        result: What the job made, as plain JSON values.
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
    result: JSON = None
    wire: Struct | None = None
    now: str | None = None
    hops: int = 0
    retention: float | None = None

    @property
    def told_status(self) -> str:
        """The status, safe to print."""
        return printable(self.status)

    @property
    def told_need(self) -> str:
        """What a blocked job waits for, safe to print."""
        return printable(need(self.asked, self.url))


class Transition(Struct, frozen=True, omit_defaults=True, gc=False):
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


def need(asked: str | None, url: str | None) -> str:
    """Return what a blocked job waits for, the server's words as they came; whoever prints them escapes them.

    Args:
        asked: What it asks, where the API tells.
        url: A page about it for people, where the API names one.
    """
    return ": ".join(["waits for a person", *filter(None, (asked, url))])


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
