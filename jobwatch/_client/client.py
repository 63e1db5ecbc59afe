"""The client: one API, one token, and everything that can be asked about its jobs."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Generic, Literal, NoReturn, Self, cast, overload

from msgspec.structs import replace

from .._core.budget import Budget
from .._core.ends import ends_of
from .._core.look import Looked
from .._core.moves import Place
from .._core.pace import Pace
from .._core.results import check_type, with_result
from .._core.resuming import resumed, told
from .._core.tracker import Patience, Watched, observe
from .._engine.counters import Counters
from .._engine.poller import Poller
from .._engine.watch import AwaitedWatch
from .._errors import ConfigError
from .._files.history import History
from .._http.requests import Given
from .._http.source import HttpSource
from .._http.tasks import finished, running_loop
from .._http.threads import Threads
from .._models import Fault, Job, Phase, Result, Wire_co
from .._reading.api import JobAPI
from .._reading.ids import id_text
from .._reading.periods import seconds_given
from .._reading.started import Found, Response, Started
from .arguments import ids_of, patience_of, policy_of, source_of
from .wait import Wait, error_of

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Unpack

    from msgspec import Struct

    from .._core.ends import Ends, Names
    from .._core.source import JobSource, Source
    from .._core.stats import Stats
    from .._http.options import ClientOptions
    from .._http.tls import TLSContext
    from .._reading.ids import JobId
    from .._reading.periods import Duration
    from ..apis.bedrock import BedrockJob
    from ..apis.capydb import CapyJob
    from .completions import Completions


_log = logging.getLogger("jobwatch")


class Client(Generic[Wire_co]):
    """Reads and waits for the jobs of one API.

    Use it as an async context manager, or call `aclose` when done; it may be opened in one task and closed in
    another. Nothing is sent, and aiohttp is not imported, before the first request.

    Args:
        api: The name of a built-in API (see `jobwatch.apis.APIS`) or a `JobAPI`.
        source: What to ask about jobs in place of an HTTP API, see `JobSource`; `token` to `ssl` are then left out.
        token: The API key, or a function that returns it, plain (called in a thread) or async; by default the API's
            environment variable (``BEDROCK_API_KEY``, ``CAPYDB_API_KEY``). After a 401 the function or the variable is
            read anew, and another token tried; whatever the function raises is told by its type only, unless it is a
            `ConfigError`.
        token_file: The file that holds the API key; it is read anew when it changes, and after a 401.
        base_url: Where the API is served; by default its environment variable (``BEDROCK_API_URL``,
            ``CAPYDB_API_URL``), else the vendor's address.
        api_version: The version to ask for, where the API has a header for it (Bedrock's ``X-API-Version``).
        params: What stands in the API's URLs beside a job's id: GitHub's ``owner`` and ``repo``.
        headers: What else to send with each request to the API's own origin, such as a ``User-Agent`` of yours in place
            of ``jobwatch/VERSION``, or what a gateway wants. Values are shown nowhere. The token's header, those of the
            API's table, and those that say how to answer (``Accept``, ``If-None-Match``, ...) are not among them.
        proxy: The URL of the proxy to ask through, whatever the API's host; False for none. By default ``HTTPS_PROXY``,
            ``HTTP_PROXY``, ``ALL_PROXY`` and ``NO_PROXY`` say, in small letters too, and loopback has none.
        ssl: The `ssl.SSLContext` for connections to the API, with the certificates to trust or a client certificate; by
            default the system's certificates are trusted, or those of ``SSL_CERT_FILE``.
        pace: How eagerly to look.
        history: Where to remember how long jobs took, so that later ones are looked at when they are likely to end:
            a `History`, to be shared between clients, or a file's path; by default it is forgotten with the client.
        max_rate: How many requests a second may be made in all; by default as many as the API allows.
        unreachable_after: For how long on end looks may fail before a wait is given up: seconds, a text such as ``5m``,
            or a `timedelta`, as are the others of these.
        appear_within: For how long the API may not know a job before that is believed.
        stable_for: For how long an end has to stand before it is believed, or that of each kind, such as
            ``{"failed": 10}``: for servers that show one for a moment before they try again. By default what the
            API's table says, and else an end is believed at first sight.
        max_in_flight: How many looks may be under way at once, or threads of a source; where some have no answer for
            long, up to a quarter more (two at least), so that they keep no other job waiting. Requests that the API's
            table lets the server hold (``long_poll``) have as many places of their own.
        max_body: The largest reply that is read, as received and without its content coding: ``16MiB``, or a number of
            bytes; by default what the API's table says, or 1 MiB.
        request_timeout: How long one look may take, or one call of a source; by default as the API's table
            says, else 30.
        streams: Whether to follow a job's stream of events where the API has one (Bedrock), so that a look comes at
            once when something happens, and seldom otherwise.

    Raises:
        ConfigError: An argument or a variable is missing or wrong; nothing has been sent.
    """

    @overload
    def __init__(self: Client[CapyJob], api: Literal["capydb"], **options: Unpack[ClientOptions]) -> None: ...

    @overload
    def __init__(self: Client[BedrockJob], api: Literal["bedrock"], **options: Unpack[ClientOptions]) -> None: ...

    @overload
    def __init__(self, api: JobAPI[Wire_co], **options: Unpack[ClientOptions]) -> None: ...

    @overload
    def __init__(
        self: Client[Struct | None],
        api: str | JobAPI | None = None,
        *,
        source: JobSource | HttpSource | None = None,
        **options: Unpack[ClientOptions],
    ) -> None: ...

    def __init__(
        self,
        api: str | JobAPI[Wire_co] | JobAPI | None = None,
        *,
        source: JobSource | HttpSource | None = None,
        token: str | Callable[[], str | Awaitable[str]] | None = None,
        token_file: str | os.PathLike[str] | None = None,
        base_url: str | None = None,
        api_version: str | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        proxy: str | Literal[False] | None = None,
        ssl: TLSContext | None = None,
        pace: Pace | None = None,
        history: History | str | os.PathLike[str] | None = None,
        max_rate: float | None = None,
        unreachable_after: Duration = 300.0,
        appear_within: Duration = 10.0,
        stable_for: Duration | Mapping[str, Duration] | None = None,
        max_in_flight: int = 16,
        max_body: int | str | None = None,
        request_timeout: Duration | None = None,
        streams: bool = True,
    ) -> None:
        given = Given(token, base_url, params, token_file, proxy, headers=headers)
        # A traceback that shows local variables shall not show these.
        del token, token_file, base_url, params, proxy, headers
        patience = patience_of(unreachable_after, appear_within)
        self._history = history if isinstance(history, History) else History(history)
        self._budget = Budget(max_rate)
        self._max_in_flight = max_in_flight
        self._source: Source = source_of(
            api,
            source,
            given,
            api_version=api_version,
            ssl=ssl,
            max_in_flight=max_in_flight,
            max_body=max_body,
            request_timeout=request_timeout,
            streams=streams,
        )
        self._policy = policy_of(self._source, pace, patience, self._history, stable_for)
        self._counters = Counters()
        self._poller: Poller | None = None
        self._closing: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        """Name the API, and no secret."""
        return f"Client({self._source!r})" if hasattr(self, "_source") else "Client()"

    @property
    def name(self) -> str:
        """What `Job.api` is for the jobs of this client: the API's name, or the source's key."""
        return self._source.name

    @property
    def api(self) -> JobAPI:
        """The API.

        Raises:
            ConfigError: The client asks a source, which has none.
        """
        if not isinstance(self._source, HttpSource):
            raise ConfigError(f"{self.name} is a source, and no API with a table")
        return self._source.api

    @property
    def has_lists(self) -> bool:
        """Whether a project's jobs can be read: by `jobs`, and by a watcher that follows a project."""
        return self._source.has_lists

    @property
    def stats(self) -> Stats:
        """What it has done so far, and what it watches: a value of its own each time."""
        return self._counters.stats((), self._budget, 0.0) if self._poller is None else self._poller.stats()

    async def __aenter__(self) -> Self:
        """Return the client; it closes when the block is left."""
        running_loop()
        return self

    if not TYPE_CHECKING:  # checkers see that there is no such thing

        def __enter__(self) -> NoReturn:
            """Say that this is for ``async with``."""
            raise ConfigError("a Client is for async with; without async, use jobwatch.SyncClient, or jobwatch.wait")

        def __exit__(self, *_: object) -> None:
            """Be there, so that ``with`` gets as far as what says why not."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the client."""
        await self.aclose()

    async def aclose(self) -> None:
        """Stop all looks, close all connections and save the history; waits still going on are told so.

        Once begun it goes on to the end, even if whoever called it is cancelled.
        """
        engine = self._engine()  # one that is not there yet too, so that it never starts
        if self._closing is None or self._closing.done():
            self._closing = asyncio.get_running_loop().create_task(self._close(engine), name="jobwatch close")
        await finished(self._closing)

    async def _close(self, engine: Poller) -> None:
        try:
            await engine.aclose()
        finally:
            try:
                await self._source.aclose()
            finally:
                await self._save_history()

    async def _save_history(self) -> None:
        if not self._history.unsaved:
            return
        try:
            await Threads(1, contextvars.copy_context(), "jobwatch history").call(self._history.save)
        except ConfigError as error:
            _log.warning("%s; what was learned is lost", error)  # which costs requests later, and no answer now

    # --- one look ------------------------------------------------------------------------------------------

    @overload
    async def job(self, job_id: JobId, *, result: None = None) -> Job[Wire_co]: ...

    @overload
    async def job(self, job_id: JobId, *, result: type[Result]) -> Job[Wire_co, Result | None]: ...

    async def job(
        self, job_id: JobId, *, result: type[Result] | None = None
    ) -> Job[Wire_co, Result | None] | Job[Wire_co]:
        """Read one job, once.

        Args:
            job_id: Its id, a text or a number; or its URL at the API.
            result: The type to read its result into once it has succeeded, as for `wait_for`; before that it is None.

        Raises:
            LookError: It could not be read: see its subclasses.
            ConfigError: The id cannot stand in a URL.
            ResultMismatch: The job has succeeded, and its result is of another type.
        """
        known_as = self._id_of(job_id)
        if result is not None:
            check_type(result)
        seen = await self._engine().job(known_as)
        if isinstance(seen, Fault):
            raise error_of(seen, known_as)
        job = cast("Job[Wire_co]", seen)
        if result is None:
            return job
        return with_result(job, result) if job.phase is Phase.SUCCEEDED else replace(job, result=None)

    async def jobs(self, project_id: JobId, limit: int = 25) -> tuple[Job[Wire_co], ...]:
        """Read a project's latest jobs, in the API's order.

        Args:
            project_id: The project's id.
            limit: How many jobs at most.

        Raises:
            LookError: The list could not be read: see its subclasses.
            ConfigError: The API has no list of jobs, or an argument is wrong.
        """
        if not self._source.has_lists:
            raise ConfigError(f"{self.name} documents no list of jobs; ask for each by its id with job()")
        project = id_text("a project's id", project_id)
        if limit < 1:
            raise ConfigError(f"limit must be at least 1, not {limit}")
        seen = await self._engine().project(project, limit)
        if isinstance(seen, Fault):
            raise error_of(seen, None)
        for job in seen:
            self._history.add(job, told=True)
        return cast("tuple[Job[Wire_co], ...]", seen)

    def watched(self, job_id: JobId) -> Watched:
        """Return what is known of a job before the first look at it, for `look`."""
        return Watched(job_id=self._id_of(job_id), api=self.name)

    async def look(self, watched: Watched) -> Looked:
        """Make exactly one look at a job, and say what it changed and when to look next.

        This is the seam for engines that do their own sleeping and storing: keep `Looked.watched` (it goes through
        JSON or MessagePack), deliver the transitions, sleep `Looked.next_look` seconds, and look again, from any
        process. A watch that has ended is returned as it is, without a request.

        Args:
            watched: What `watched` or the look before returned.

        Raises:
            ConfigError: It belongs to another API.
        """
        self._check_own(watched)
        return await self._engine().look(watched)

    # --- waiting ------------------------------------------------------------------------------------------

    @overload
    def wait_for(
        self,
        job: JobId | Started | Watched,
        timeout: Duration | None = None,
        check: bool = True,
        *,
        accept: Names = (),
        fail_on: Names = (),
        result: None = None,
    ) -> Wait[Wire_co]: ...

    @overload
    def wait_for(
        self,
        job: JobId | Started | Watched,
        timeout: Duration | None = None,
        check: Literal[True] = True,
        *,
        accept: Names = (),
        fail_on: Names = (),
        result: type[Result],
    ) -> Wait[Wire_co, Result]: ...

    def wait_for(
        self,
        job: JobId | Started | Watched,
        timeout: Duration | None = None,
        check: bool = True,
        *,
        accept: Names = (),
        fail_on: Names = (),
        result: type[Result] | None = None,
    ) -> Wait[Wire_co, Result] | Wait[Wire_co]:
        """Wait for a job: await the handle for the finished job, iterate it for every state on the way.

        Args:
            job: The job's id, a text or a number, or its URL at the API; or what the API answered when the job was
                started, as a `Response`, or its body as bytes or decoded. A state that this shows already is taken into
                account, and needs no look. Or what an earlier wait knew, its `Wait.watched`, perhaps in another
                process: the states that it was handed are not told again, `Transition.seq` goes on, and what has ended
                is looked at once more, for the job.
            timeout: How long to wait at most, from the first await: seconds, a text such as ``10m``, or a `timedelta`;
                one last look is made at the end. That is a `WaitTimeout`, or of a job that was never read the
                `LookError` that says why.
            check: Whether awaiting raises `JobFailed` and the like when the job ended badly.
            accept: Which ends are good besides success: ``{"partial"}``, ``{"finished"}``, or any other.
            fail_on: ``{"blocked"}`` has the wait end with `JobBlocked` once two looks, 10 s apart, have shown that the
                job goes on only when somebody acts.
            result: The type to read the job's result into: a msgspec Struct, a dataclass, a TypedDict, a ``list[int]``
                or whatever else `msgspec.convert` takes. A job that ends well with another one raises `ResultMismatch`,
                which has it as it came. By default it is left as plain JSON values.

        Raises:
            ConfigError: The id cannot stand in a URL, the response names no job, the timeout is no duration, there
                is no such end, or no such type.
        """
        return self._wait_for(job, timeout, check, ends_of(accept, fail_on), result)

    def _wait_for(
        self,
        job: JobId | Started | Watched,
        timeout: Duration | None,
        check: bool,
        ends: Ends,
        result: type[Result] | None,
    ) -> Wait[Wire_co, Result]:
        limit = None if timeout is None else seconds_given("timeout", timeout)
        if result is not None:
            check_type(result)
            if not check:
                raise ConfigError("a job that ended badly has no result: leave out result=, or check=False")
        if isinstance(job, Watched):
            self._check_own(job)
            enter = partial(self._enter_again, job)  # no lambda, whose cells each wait would keep
            return Wait(enter, job.job_id, limit, check, ends, read=told(job), result=result)
        found = Found(self._id_of(job)) if isinstance(job, (int, str)) else self._started(job)
        if found.job is not None and found.is_over:
            return Wait(partial(self._enter_over, found.job), found.job.id, limit, check, ends, result=result)
        # An id that was given has been checked; one that a response names may be anything.
        watched = (
            Watched(job_id=found.job_id, api=self.name) if isinstance(job, (int, str)) else self.watched(found.job_id)
        )
        if found.read_by:
            watched = replace(watched, place=Place(found.job_id, found.read_by, is_url=True))
        return Wait(partial(self._enter, watched, found), found.job_id, limit, check, ends, result=result)

    @overload
    def as_completed(
        self,
        job_ids: Iterable[JobId],
        timeout: Duration | None = None,
        check: bool = True,
        *,
        accept: Names = (),
        fail_on: Names = (),
        result: None = None,
    ) -> Completions[Wire_co]: ...

    @overload
    def as_completed(
        self,
        job_ids: Iterable[JobId],
        timeout: Duration | None = None,
        check: Literal[True] = True,
        *,
        accept: Names = (),
        fail_on: Names = (),
        result: type[Result],
    ) -> Completions[Wire_co, Result]: ...

    def as_completed(
        self,
        job_ids: Iterable[JobId],
        timeout: Duration | None = None,
        check: bool = True,
        *,
        accept: Names = (),
        fail_on: Names = (),
        result: type[Result] | None = None,
    ) -> Completions[Wire_co, Result] | Completions[Wire_co]:
        """Wait for several jobs and iterate over their handles as they end.

        Awaiting a handle that came out gives its job, or raises, at once.

        Args:
            job_ids: The jobs' ids.
            timeout: How long to wait for each at most, as for `wait_for`.
            check, accept, fail_on, result: As for `wait_for`.
        """
        return self._as_completed(job_ids, timeout, check, ends_of(accept, fail_on), result)

    def _as_completed(
        self, job_ids: Iterable[JobId], timeout: Duration | None, check: bool, ends: Ends, result: type[Result] | None
    ) -> Completions[Wire_co, Result]:
        ids = ids_of(job_ids)
        from .completions import Completions  # noqa: PLC0415 - who waits for one job needs none

        return Completions([self._wait_for(each, timeout, check, ends, result) for each in ids])

    @overload
    async def wait_all(
        self,
        job_ids: Iterable[JobId],
        timeout: Duration | None = None,
        check: bool = True,
        *,
        accept: Names = (),
        fail_on: Names = (),
        result: None = None,
    ) -> list[Job[Wire_co]]: ...

    @overload
    async def wait_all(
        self,
        job_ids: Iterable[JobId],
        timeout: Duration | None = None,
        check: Literal[True] = True,
        *,
        accept: Names = (),
        fail_on: Names = (),
        result: type[Result],
    ) -> list[Job[Wire_co, Result]]: ...

    async def wait_all(
        self,
        job_ids: Iterable[JobId],
        timeout: Duration | None = None,
        check: bool = True,
        *,
        accept: Names = (),
        fail_on: Names = (),
        result: type[Result] | None = None,
    ) -> list[Job[Wire_co, Result]] | list[Job[Wire_co]]:
        """Wait for several jobs to end, and return them in the order of their ids.

        The first that cannot be read, or with ``check`` does not succeed, raises its error and ends the waiting
        for the others.

        Args:
            job_ids: The jobs' ids.
            timeout: How long to wait at most, as for `wait_for`.
            check, accept, fail_on, result: As for `wait_for`.

        Raises:
            JobEnded, JobBlocked, LookError, WaitTimeout, ResultMismatch: As awaiting `wait_for` would, for the first
                to go wrong.
        """
        from .completions import all_of  # noqa: PLC0415 - as below

        return await all_of(self._as_completed(job_ids, timeout, check, ends_of(accept, fail_on), result))

    # --- news from elsewhere ----------------------------------------------------------------------------------

    def wake(self, job_id: JobId) -> bool:
        """Have a job looked at now that somebody waits for or watches: there may be news of it.

        This is one look, however many wakes come before it is made. Looks that wakes ask for lie at least the pace's
        ``min_interval`` apart, and none is made while the API asks to be left alone: it follows when it may.

        Args:
            job_id: Its id; one that nobody waits for costs nothing.

        Returns:
            Whether it will be looked at.
        """
        return self._poller is not None and self._poller.wake(id_text("a job's id", job_id))

    def wake_project(self, project_id: JobId) -> bool:
        """Have the jobs of a project looked at now that somebody waits for or watches, by one list if it has one.

        Args:
            project_id: Its id; it counts only for jobs that a look has shown to belong to it.

        Returns:
            Whether any job will be looked at.
        """
        return self._poller is not None and self._poller.wake_project(id_text("a project's id", project_id))

    # --- within ---------------------------------------------------------------------------------------------

    def _started(self, job: object) -> Found:
        if isinstance(job, (bytes, Mapping, Response)):
            return self._source.started(cast("Started", job))
        raise ConfigError(f"a job's id is a text or a whole number, and not of type {type(job).__name__}")

    def _id_of(self, given: object) -> str:
        job_id = id_text("a job's id", given)
        if isinstance(self._source, HttpSource):
            job_id = self._source.requests.id_given(job_id)
        self._source.check(job_id)
        return job_id

    def _check_own(self, watched: Watched) -> None:
        if watched.api != self.name:
            raise ConfigError(f"job {watched.job_id} belongs to {watched.api}, and this client reads {self.name}")

    def _enter_again(self, watched: Watched) -> tuple[Poller, AwaitedWatch]:
        poller = self._engine()
        watch = poller.listen(resumed(watched, poller.unix()))
        if watch.listeners > 1:  # whose states may be numbered otherwise
            poller.leave(watch)
            raise ConfigError(f"job {watched.job_id} is waited for already: a wait that goes on has to be the first")
        return poller, watch

    def _enter(self, watched: Watched, found: Found) -> tuple[Poller, AwaitedWatch]:
        poller = self._engine()
        watch = poller.listen(watched, found.retry_after if found.job is None else None)
        if found.job is not None and not watch.watched.looks:
            poller.shown([found.job], found.retry_after)
        return poller, watch

    def _enter_over(self, job: Job) -> tuple[Poller, AwaitedWatch]:
        """Return a watch that has ended before any look, which nobody else can listen to."""
        poller = self._engine()
        poller.check()
        observed = observe(Watched(job_id=job.id, api=self.name), job, poller.unix(), Patience())
        watched = replace(observed.watched, looks=0)
        return poller, AwaitedWatch(watched, listeners=1, log=observed.transitions, job=job)

    def _engine(self) -> Poller:
        if self._poller is None:
            self._poller = Poller(
                self._policy, self._source, self._budget, workers=self._max_in_flight, counters=self._counters
            )
        return self._poller
