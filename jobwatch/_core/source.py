"""The one seam for asking: what the engine wants to know of jobs, and what comes back. Pure.

A source is asked about one job, several, a project's, or for a stream of hints. It owns everything below that:
requests, URLs, connections, validators, decoding, and the masking of secrets. The engine knows jobs, faults and times.

`JobSource` is what a user writes, for anything that is no HTTP API of a table; `Source` is what the engine asks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol, TypeAlias

from msgspec import Struct

from .._models import Fault, Job, Unchanged
from .._reading.api import Hint
from .._reading.reply import RateLimit
from .._reading.started import Found, Started
from .moves import Onward, Place

Turn: TypeAlias = Callable[[], Awaitable[Fault | None]]
"""To be awaited before each request beyond the first: it waits until one may go, or returns why none goes."""


class Seen(Struct, frozen=True, gc=False):
    """What asking about one job showed.

    Attributes:
        what: The job, why it could not be read, or that it is as it was when `memo` was made.
        memo: What the source wants to be given when it is asked again, such as a validator.
        server_time: The API's clock when it answered, in Unix seconds, where it tells.
        age: How many seconds ago it answered, where another request was made since.
        rate: What it says is left of its request budget.
        aside: What went wrong with another request that was made for this, where the answer stands all the same.
        looks: How many requests for the job's state were made: the first may have come to a connection that was lost.
        retry_after: For how many seconds it asks not to be asked about the job.
        onward: Where the answer says that the job goes on; it beats an end that it tells.
        cached_for: For how many seconds the answer had been kept by a cache on the way, where that says so.
    """

    what: Job | Fault | Unchanged
    memo: object = None
    server_time: float | None = None
    age: float = 0.0
    rate: RateLimit | None = None
    aside: Fault | None = None
    looks: int = 1
    retry_after: float | None = None
    onward: Onward | None = None
    cached_for: float | None = None


class SeenMany(Struct, frozen=True):
    """What asking about several jobs showed: the jobs, or why they could not be read; the rest is as in `Seen`."""

    what: tuple[Job, ...] | Fault
    rate: RateLimit | None = None
    aside: Fault | None = None
    retry_after: float | None = None


class StreamEnd(Struct, frozen=True):
    """How a stream of hints ended.

    Attributes:
        fault: What went wrong; None if it was closed as usual, or its reader had enough.
        has_lost_news: Whether something was told that could not be read.
    """

    fault: Fault | None = None
    has_lost_news: bool = False


class JobSource(Protocol):
    """Where a `Client` asks about jobs, in place of an HTTP API: an SDK, a database, a message bus, a test's script.

    It needs a ``key`` and one method, ``job(job_id)``, and may have more; each may be async or plain::

        class Orders:
            key = "orders"

            def job(self, order_id):
                row = database.order(order_id)
                return jobwatch.Job(id=order_id, api=self.key, status=row.state, phase=PHASES[row.state])

    * ``job(job_id, last=None)``, with a second argument of that name, is given the job as this source told it before,
      or None, and may return `UNCHANGED` if it is still as that: what costs less than to tell it anew.
    * ``jobs(project_id, limit)`` returns a project's jobs, the latest first: a list, or anything that can be iterated,
      of which no more than the first ``limit`` are taken.
    * ``batch(job_ids)`` returns those of several jobs that it knows; it is given ``batch_most`` ids (100) at most.

    What an async method does, it does on the client's event loop, which it must not hold up; it is cancelled when
    nobody waits for its answer any more. A plain one is called in a thread, so it has to bear several calls at once.
    There are no more such threads than the client's ``max_in_flight`` allows. Since a thread cannot be stopped, a call
    that nobody waits for any more is left to itself, and counts until it ends: until then its job is not asked about,
    so that each job has one thread at most; and it keeps no process from ending. Both see the context variables as
    they were when the client was made.

    Each call has 30 seconds, or the client's ``request_timeout``, and a slow one holds up only the job that it asks
    about. Whatever one raises, returns in place of a job, or fails to do in time, is a fault of what was asked about,
    and is asked again for as long as ``unreachable_after`` says: only the exception's type is told, since its text may
    hold a secret. To say more, return a `Fault` of the kind that fits (``NOT_FOUND``, ``AUTH``, ``RATE_LIMITED`` with
    ``retry_after``), or raise a `LookError` that holds one.

    An id is any text that can be printed on one line. Times need a time zone. The source is its maker's to close.

    Attributes:
        key: What names this source, such as the queue or the account: a text on one line, without secrets. It is the
            `Job.api` of its jobs, and a journal is for the jobs of one key, so it stays the same over restarts.
    """

    @property
    def key(self) -> str:
        """The name of this source."""
        ...

    def job(self, job_id: str, /) -> Job | Fault | Unchanged | Awaitable[Job | Fault | Unchanged]:
        """Return a job as it is now, why it cannot be read, or `UNCHANGED`: see above."""
        ...


class Source(Protocol):
    """Where the engine asks about jobs: `_http.source` for HTTP APIs, `_engine.adapter` for a user's `JobSource`.

    A question may raise anything: that ends the watch of the job asked about, and of no other. It may be slow, and it
    may be cancelled, when nobody wants its answer any more.
    """

    @property
    def name(self) -> str:
        """What `Job.api` is for its jobs."""
        ...

    @property
    def key(self) -> str:
        """What tells its jobs from jobs of the same ids elsewhere; a journal is for the jobs of one key."""
        ...

    @property
    def has_lists(self) -> bool:
        """Whether it can be asked for a project's jobs."""
        ...

    @property
    def has_details(self) -> bool:
        """Whether it tells some of a job's end by requests of their own."""
        ...

    @property
    def has_streams(self) -> bool:
        """Whether it can be asked for a job's stream of hints."""
        ...

    @property
    def long_poll(self) -> float:
        """For how long a question about a job may be held until there is news, in seconds; 0 if none is."""
        ...

    @property
    def tells_hold(self) -> bool:
        """Whether a question says for how long it may be held."""
        ...

    @property
    def batch_most(self) -> int:
        """How many jobs it can be asked about at once, by their ids; 0 if only one."""
        ...

    @property
    def has_moves(self) -> bool:
        """Whether its jobs may go on at another place, so that each is to be asked about by itself."""
        ...

    def job(
        self,
        job_id: str,
        status: str | None = None,
        memo: object = None,
        turn: Turn = ...,
        place: Place | None = None,
        *,
        hold: float = 0.0,
    ) -> Awaitable[Seen]:
        """Ask about one job.

        Args:
            job_id: Its id.
            status: The status last seen: where the history takes a request of its own, one in the same needs none.
            memo: That of the last answer, unless what is known of the job came from elsewhere since.
            turn: To be awaited before each request beyond the first.
            place: Where the job is asked about, if it has moved.
            hold: For how long it may be held, in seconds.
        """
        ...

    def check(self, job_id: str) -> None:
        """Raise ConfigError where it cannot be asked about a job by its id."""
        ...

    def started(self, started: Started) -> Found:
        """Return the job that a response started; raise ConfigError where it names none."""
        ...

    def details(self, job: Job, told: Callable[[Job], None], turn: Turn = ...) -> Awaitable[Fault | None]:
        """Ask for what is told of a job's end by requests of their own, twice at most for each.

        Args:
            job: The job, which has ended.
            told: Called with the job each time that more of it is known.
            turn: Awaited before each request.

        Returns:
            Why some of it is not known, if so.
        """
        ...

    def is_conditional(self, memo: object) -> bool:
        """Return whether a question with this memo may be answered with no more than that nothing has changed."""
        ...

    def project(self, project_id: str, limit: int, turn: Turn = ...) -> Awaitable[SeenMany]:
        """Ask for a project's latest jobs, at most so many; for `turn` see `job`."""
        ...

    def batch(self, known: Mapping[str, str | None], turn: Turn = ...) -> Awaitable[SeenMany]:
        """Ask about several jobs at once.

        Args:
            known: Their ids, and the status last seen of each.
            turn: As for `job`.
        """
        ...

    def follow(self, job_id: str, heard: Callable[[Sequence[Hint]], bool], silence: float) -> Awaitable[StreamEnd]:
        """Follow a job's stream of hints until it ends, is silent for so many seconds, or `heard` says False."""
        ...

    def how_far(self, asker: object, since: float) -> str | None:
        """Return how far a question is that has no answer yet, in words that say what is wrong with that, if known.

        Args:
            asker: The task that asks.
            since: When it began to, on the loop's clock.
        """
        ...

    def aclose(self) -> Awaitable[None]:
        """Let go of all connections; what is under way ends with a fault."""
        ...
