"""The client for programs without async."""

from __future__ import annotations

import weakref
from functools import partial
from typing import TYPE_CHECKING, Generic, Literal, Self, Unpack, cast, overload

from .._client.access import completions_of, wait_of
from .._client.completions import all_of
from .._client.wait import coroutine_of
from .._models import Result_co, Wire_co
from .handle import SyncWait
from .loop import LoopThread
from .options import Hidden

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType

    from msgspec import Struct

    from .._client.client import Client
    from .._client.completions import Completions
    from .._client.wait import Wait
    from .._core.ends import Names
    from .._core.look import Looked
    from .._core.source import JobSource
    from .._core.stats import Stats
    from .._core.tracker import Watched
    from .._http.options import ClientOptions
    from .._http.source import HttpSource
    from .._models import Job, Result
    from .._reading.api import JobAPI
    from .._reading.ids import JobId
    from .._reading.periods import Duration
    from .._reading.started import Started
    from ..apis.bedrock import BedrockJob
    from ..apis.capydb import CapyJob
    from .options import SyncOptions


class SyncClient(Generic[Wire_co]):
    """Reads and waits for the jobs of one API, for programs without async: each method blocks until it is done.

    Use it as a context manager, or call `close` when done. Any number of threads may use it at once. Its event loop
    runs in a thread of its own, which begins with the first call. Ctrl-C interrupts any method, as it does others.

    Args:
        api: The name of a built-in API (see `jobwatch.apis.APIS`) or a `JobAPI`.
        options: The keyword arguments of `Client`.

    Raises:
        ConfigError: An argument or a variable is missing or wrong; nothing has been sent.
    """

    @overload
    def __init__(self: SyncClient[CapyJob], api: Literal["capydb"], **options: Unpack[ClientOptions]) -> None: ...

    @overload
    def __init__(self: SyncClient[BedrockJob], api: Literal["bedrock"], **options: Unpack[ClientOptions]) -> None: ...

    @overload
    def __init__(self, api: JobAPI[Wire_co], **options: Unpack[ClientOptions]) -> None: ...

    @overload
    def __init__(
        self: SyncClient[Struct | None],
        api: str | JobAPI | None = None,
        *,
        source: JobSource | HttpSource | None = None,
        **options: Unpack[ClientOptions],
    ) -> None: ...

    def __init__(self, api: str | JobAPI[Wire_co] | JobAPI | None = None, **options: Unpack[SyncOptions]) -> None:
        self._begin(cast("Client[Wire_co]", Hidden(options).client(api)))

    def _begin(self, client: Client[Wire_co]) -> None:
        self._client = client
        self._thread = LoopThread()
        self._closing = weakref.finalize(self, self._thread.close, client.aclose, interrupted=True)

    def __repr__(self) -> str:
        """Name the API, and no secret."""
        return f"Sync{self._client!r}" if hasattr(self, "_client") else "SyncClient()"

    @property
    def name(self) -> str:
        """What `Job.api` is for the jobs of this client: the API's name, or the source's key."""
        return self._client.name

    @property
    def api(self) -> JobAPI:
        """The API.

        Raises:
            ConfigError: The client asks a source, which has none.
        """
        return self._client.api

    @property
    def stats(self) -> Stats:
        """What it has done so far, and what it watches; see `Client.stats`."""
        return self._client.stats  # it copies before it reads, so any thread may, and after the client is closed

    def __enter__(self) -> Self:
        """Return the client; it closes when the block is left."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the client; in haste after Ctrl-C."""
        self.close(in_haste=kind is not None and not issubclass(kind, Exception))

    def close(self, *, in_haste: bool = False) -> None:
        """Stop all looks, close all connections and save the history; waits still going on are told so.

        Args:
            in_haste: Whether to go on after a tenth of a second, while the rest is closed in the background.
        """
        self._closing.detach()
        self._thread.close(self._client.aclose, interrupted=in_haste)

    # --- one look ------------------------------------------------------------------------------------------

    @overload
    def job(self, job_id: JobId, *, result: None = None) -> Job[Wire_co]: ...

    @overload
    def job(self, job_id: JobId, *, result: type[Result]) -> Job[Wire_co, Result | None]: ...

    def job(self, job_id: JobId, *, result: type[Result] | None = None) -> Job[Wire_co, Result | None] | Job[Wire_co]:
        """Read one job, once.

        Args:
            job_id: Its id, a text or a number; or its URL at the API.
            result: The type to read its result into once it has succeeded; see `Client.job`.

        Raises:
            LookError: It could not be read: see its subclasses.
            ConfigError: The id cannot stand in a URL.
            ResultMismatch: The job has succeeded, and its result is of another type.
        """
        if result is None:
            return self._thread.call(partial(self._client.job, job_id))
        return self._thread.call(partial(self._client.job, job_id, result=result))

    def jobs(self, project_id: JobId, limit: int = 25) -> tuple[Job[Wire_co], ...]:
        """Read a project's latest jobs, in the API's order.

        Args:
            project_id: The project's id.
            limit: How many jobs at most.

        Raises:
            LookError: The list could not be read: see its subclasses.
            ConfigError: The API has no list of jobs, or an argument is wrong.
        """
        return self._thread.call(partial(self._client.jobs, project_id, limit))

    def watched(self, job_id: JobId) -> Watched:
        """Return what is known of a job before the first look at it, for `look`."""
        return self._client.watched(job_id)

    def look(self, watched: Watched) -> Looked:
        """Make exactly one look at a job, and say what it changed and when to look next; see `Client.look`.

        Args:
            watched: What `watched` or the look before returned.

        Raises:
            ConfigError: It belongs to another API.
        """
        return self._thread.call(partial(self._client.look, watched))

    # --- waiting ------------------------------------------------------------------------------------------

    def wait_for(
        self,
        job: JobId | Started | Watched,
        timeout: Duration | None = None,
        check: bool = True,
        *,
        accept: Names = (),
        fail_on: Names = (),
        result: type[Result] | None = None,
    ) -> Job[Wire_co, Result]:
        """Wait for a job to end, and return it.

        Args:
            job: The job's id, its URL, what the API answered when it was started, or a `Watched` to go on from; see
                `Client.wait_for`.
            timeout: How long to wait at most: seconds, a text such as ``10m``, or a `timedelta`.
            check, accept, fail_on, result: As for `Client.wait_for`.

        Raises:
            JobEnded, JobBlocked: It ended badly, or waits for a person.
            LookError: The API could not be read: see its subclasses.
            WaitTimeout: The time limit was over first.
            ResultMismatch: The job ended well, and its result is of another type.
            ConfigError: An argument is wrong.
        """
        wait = wait_of(self._client, job, timeout=timeout, check=check, accept=accept, fail_on=fail_on, result=result)
        return self._thread.call(partial(coroutine_of, wait))

    def watch(
        self,
        job: JobId | Started | Watched,
        timeout: Duration | None = None,
        check: bool = True,
        *,
        accept: Names = (),
        fail_on: Names = (),
        result: type[Result] | None = None,
    ) -> SyncWait[Wire_co, Result]:
        """Return a handle to be iterated for every state of a job; its `result` is the finished job.

        Nothing is sent, and no time limit counts, before the first step of the iteration.

        Args:
            job, timeout: As for `wait_for`.
            check, accept, fail_on, result: As for `wait_for`, and of consequence for `SyncWait.result` only.

        Raises:
            ConfigError: An argument is wrong.
        """
        wait = wait_of(self._client, job, timeout=timeout, check=check, accept=accept, fail_on=fail_on, result=result)
        return SyncWait(wait, self._thread, self)

    def as_completed(
        self,
        job_ids: Iterable[JobId],
        timeout: Duration | None = None,
        check: bool = True,
        *,
        accept: Names = (),
        fail_on: Names = (),
        result: type[Result] | None = None,
    ) -> Iterator[SyncWait[Wire_co, Result]]:
        """Wait for several jobs and iterate over their handles as they end.

        The result of a handle that came out is there, or raises, at once.

        Args:
            job_ids: The jobs' ids.
            timeout: How long to wait for each at most, as for `wait_for`.
            check, accept, fail_on, result: As for `wait_for`.

        Raises:
            ConfigError: An argument is wrong.
        """
        ended = completions_of(
            self._client, job_ids, timeout=timeout, check=check, accept=accept, fail_on=fail_on, result=result
        )
        return self._each(ended)

    def _each(self, ended: Completions[Wire_co, Result]) -> Iterator[SyncWait[Wire_co, Result]]:
        try:
            while (wait := self._thread.call(partial(_next, ended))) is not None:
                yield SyncWait(wait, self._thread, self)
        finally:
            self._thread.post(ended.aclose)  # in its loop, and not where this is dropped

    def wait_all(
        self,
        job_ids: Iterable[JobId],
        timeout: Duration | None = None,
        check: bool = True,
        *,
        accept: Names = (),
        fail_on: Names = (),
        result: type[Result] | None = None,
    ) -> list[Job[Wire_co, Result]]:
        """Wait for several jobs to end, and return them in the order of their ids.

        The first that cannot be read, or with ``check`` does not succeed, raises its error and ends the waiting
        for the others.

        Args:
            job_ids: The jobs' ids.
            timeout: How long to wait at most, as for `wait_for`.
            check, accept, fail_on, result: As for `wait_for`.

        Raises:
            JobEnded, JobBlocked, LookError, WaitTimeout, ResultMismatch: As `wait_for` would, for the first to go
                wrong.
        """
        ended = completions_of(
            self._client, job_ids, timeout=timeout, check=check, accept=accept, fail_on=fail_on, result=result
        )
        return self._thread.call(partial(all_of, ended))


def sync_client_of(client: Client[Wire_co]) -> SyncClient[Wire_co]:
    """Return what uses a client that no event loop has used yet."""
    made = cast("SyncClient[Wire_co]", SyncClient.__new__(SyncClient))
    made._begin(client)  # noqa: SLF001 - they are one  # pyright: ignore[reportPrivateUsage]
    return made


async def _next(ended: Completions[Wire_co, Result_co]) -> Wait[Wire_co, Result_co] | None:
    return await anext(ended, None)


def client_of(client: SyncClient[Wire_co]) -> Client[Wire_co]:
    """Return the client that one without async uses."""
    return client._client  # noqa: SLF001 - they are of one house  # pyright: ignore[reportPrivateUsage]
