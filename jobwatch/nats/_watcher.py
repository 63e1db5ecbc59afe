"""The watcher of what the workers find: jobs go in, and every change of them comes out, to each reader once."""

from __future__ import annotations

import asyncio
import inspect
import logging
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Self, TypeAlias, cast

from msgspec import Struct

from .._client.access import job_id_of, place_of
from .._client.client import Client
from .._errors import ConfigError, JobwatchError
from .._http.tokens import needs_token
from .._http.urls import segment
from .._models import AsJSON, printable
from .._reading.api import JobAPI
from .._reading.ids import id_text
from ..apis import api_named
from ._budget import BudgetStanding, standings
from ._connection import ServerOptions, cancelled, connect
from ._jobs import Jobs, Standing
from ._log import Entry, LogOfStream
from ._projects import Projects, ProjectStanding
from ._stream import open_streams
from ._subjects import place_token

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Mapping
    from types import AsyncGeneratorType, TracebackType

    from .._http.tls import TLSContext
    from .._reading.ids import JobId
    from .._watching.changes import Change
    from ._connection import Connection
    from ._stream import Streams

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 60.0
_READ_AHEAD = 256
_log = logging.getLogger("jobwatch.nats")

Callback: TypeAlias = "Callable[[Change], Awaitable[object] | object]"


class EngineHealth(Struct, AsJSON, frozen=True, kw_only=True):
    """How the engine and one of its readers stand.

    Attributes:
        connected: Whether there is a connection to the server at present.
        due: How many jobs are due and not yet in a worker's hands: it grows where there are too few workers, or none.
        in_hand: How many jobs workers have in hand.
        unread: About how many messages of the log this reader has not been handed.
        refused: What `on_change` raised at its last call, or None.
        stopped: Why nothing is handed out any more, or None.
    """

    connected: bool
    due: int
    in_hand: int
    unread: int
    refused: str | None = None
    stopped: str | None = None


def tokenless_client(api: str | JobAPI, base_url: str | None = None, params: Mapping[str, str] | None = None) -> Client:
    """Return a client that knows where the jobs are, and sends nothing: tokens are the workers' business.

    Raises:
        ConfigError: There is no such API, or it lacks parameters.
    """
    found = api_named(api) if isinstance(api, str) else api
    if needs_token(found):
        return Client(found, token="none", base_url=base_url, params=params)  # noqa: S106 - it is none
    return Client(found, base_url=base_url, params=params)


class Watcher:
    """Hands out the changes that workers find of the jobs of one API, and says which jobs these are.

    Use it as an async context manager, or call `start` and `aclose`. Any number of readers may be open, each under a
    name of its own, and each gets every change, those of one job in order. The server keeps a reader's place: after a
    crash it goes on behind the last change that was acknowledged, and at most the one in hand comes again, under the
    same `Change.key` (of a look that showed more than 500 changes, the few that share its message). One process at a
    time reads under a name; the next one takes over, and the first is told.

    A change is acknowledged when the loop comes back for the next one, or `on_change` has returned.

    Args:
        url: The NATS server's URL, or several with commas between.
        api: The API that the jobs are on, as for `jobwatch.Client`, as are the next two. No token is needed here.
        client: The client of the workers, in place of these three, where one is at hand; it is not closed.
        base_url: Where the API is served, as the workers' clients know it.
        params: What stands in the API's URLs beside a job's id.
        name: The reader's name.
        from_beginning: Whether a name that is new begins with all that the log holds, or with what comes from now on.
        on_change: A function, plain or async, to be called with each change, one after another. One that raises is
            called again with the same change, ever more slowly, until it takes it.
        prefix: What all subjects and streams begin with.
        credentials: The file with the user's credentials (``.creds``).
        tls: What TLS trusts, and the client certificate.

    Raises:
        ConfigError: There is no such API, or an argument is wrong.
    """

    def __init__(
        self,
        url: str,
        *,
        api: str | JobAPI | None = None,
        client: Client | None = None,
        base_url: str | None = None,
        params: Mapping[str, str] | None = None,
        name: str = "default",
        from_beginning: bool = True,
        on_change: Callback | None = None,
        prefix: str = "jobwatch",
        credentials: str | os.PathLike[str] | None = None,
        tls: TLSContext | None = None,
    ) -> None:
        match api, client:
            case None, Client():
                self._client = client
            case ((str() | JobAPI()), None):
                self._client = tokenless_client(api, base_url, params)
            case _:
                raise ConfigError("say where the jobs are: give api=, or client=, and not both")
        self._own = self._client if client is None else None
        self._server = ServerOptions(url=url, prefix=prefix, credentials=credentials, tls=tls)
        if inspect.isgeneratorfunction(on_change) or inspect.isasyncgenfunction(on_change):
            raise ConfigError("on_change is a generator function: to call it runs nothing of it")
        if not name:
            raise ConfigError("a reader needs a name")
        self._name = name
        self._from_beginning = from_beginning
        self._on_change = on_change
        self._place = place_token(self._client.name, place_of(self._client))
        self._connection: Connection | None = None
        self._streams: Streams | None = None
        self._logs: list[LogOfStream] = []
        self._found: asyncio.Queue[Entry] = asyncio.Queue(_READ_AHEAD)
        self._tasks: set[asyncio.Task[None]] = set()
        self._waking: dict[str, asyncio.Task[None]] = {}
        self._waking_projects: dict[str, asyncio.Task[None]] = {}
        self._stopped = asyncio.Event()
        self._error: JobwatchError | None = None
        self._refused: str | None = None
        self._reading: weakref.ref[AsyncGeneratorType[object, None]] | None = None
        self._in_hand: list[Entry] = []

    # --- open and close ------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Connect, and go on where this reader was."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the connection; the jobs go on being watched."""
        await self.aclose()

    async def start(self) -> None:
        """Connect, and go on where this reader was.

        Raises:
            ConfigError: The server is too old, a stream is not as it has to be, or the extra "nats" is missing.
            JobwatchError: No server answers, or the watcher was started before.
        """
        if self._connection is not None or self._stopped.is_set():
            raise JobwatchError("this watcher has been started before; make a new one")
        self._connection = connection = await connect(self._server, f"jobwatch reader {self._name}")
        try:
            self._streams = streams = await open_streams(connection, self._place)
            for stream in streams.each:
                log = LogOfStream(connection, stream, self._name, self._found)
                await log.take_up(from_beginning=self._from_beginning)
                self._logs.append(log)
        except BaseException:
            await connection.aclose()
            raise
        for log in self._logs:
            self._begin(log.run(), "jobwatch log")
        if self._on_change is not None:
            self._begin(self._call(self._on_change), "jobwatch on_change")

    async def aclose(self) -> None:
        """Stop reading and close the connection. The change in hand is not acknowledged by that."""
        self._stopped.set()
        if self._connection is None:
            return
        await cancelled([*self._tasks, *self._waking.values(), *self._waking_projects.values()])
        await self._connection.aclose()
        if self._own is not None:
            await self._own.aclose()

    def _begin(self, work: Coroutine[object, object, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._task_ended)

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is None or self._error is not None:
            return
        if not isinstance(error, JobwatchError):
            fault, error = error, JobwatchError(f"the watcher has stopped by a fault of its own ({task.get_name()})")
            error.__cause__ = fault
        self._error = error
        _log.error("the watcher has stopped: %s", error, exc_info=error)
        self._stopped.set()

    # --- what is watched -----------------------------------------------------------------------------------

    async def add(self, *job_ids: JobId) -> tuple[str, ...]:
        """Have jobs watched; those that are watched already, or whose end is known, are left as they are.

        So a service may add all its jobs at each start. An end is known for as long as the workers say (`keep`); until
        then a new run under the same id is watched only if the old one is forgotten first.

        Args:
            job_ids: Their ids.

        Returns:
            Those of them that were not watched before. When this returns the server has stored them.

        Raises:
            ConfigError: An id cannot stand in a URL.
            JobwatchError: The server does not answer.
        """
        watched = [self._client.watched(job_id) for job_id in job_ids]
        return await self._jobs().add(watched)

    async def forget(self, job_id: JobId) -> bool:
        """Stop watching a job, and know nothing of it any more; what the log has stays there.

        What a look under way shows is dropped. Added again the job begins anew, under another `Change.generation`.

        Args:
            job_id: Its id.

        Returns:
            Whether it was watched, or its end was known.

        Raises:
            JobwatchError: The server does not answer.
        """
        return await self._jobs().remove(job_id_of(self._client, job_id))

    async def add_project(self, project_id: JobId) -> bool:
        """Watch the jobs of a project that go on now, and every one that it starts from now on.

        The workers list it now and then (`Worker`'s ``follow_interval``).

        Args:
            project_id: Its id.

        Returns:
            Whether it was not followed before. When this returns the server has stored it. A list that cannot be read
            is no error here: `projects` tells, and the list is tried again.

        Raises:
            ConfigError: The API has no list of jobs, or the id cannot stand in a URL.
            JobwatchError: The server does not answer.
        """
        if not self._client.has_lists:
            raise ConfigError(f"{self._client.name} documents no list of jobs; add each job by its id")
        project = id_text("a project's id", project_id)
        segment(project, "project")
        return await Projects(self._open()[1]).add(project)

    async def drop_project(self, project_id: JobId) -> bool:
        """Stop following a project; those of its jobs that are watched stay so.

        Args:
            project_id: Its id.

        Returns:
            Whether it was followed.

        Raises:
            JobwatchError: The server does not answer.
        """
        return await Projects(self._open()[1]).drop(id_text("a project's id", project_id))

    def projects(self) -> AsyncIterator[ProjectStanding]:
        """Iterate over how the projects of the API stand that are followed, whoever added them.

        Raises:
            JobwatchError: The server does not answer.
        """
        return Projects(self._open()[1]).all()

    def wake(self, job_id: JobId) -> bool:
        """Have a job looked at soon, if it is watched: there may be news of it (see `jobwatch.webhook_app`).

        This returns at once. Looks that wakes ask for lie 0.5 s apart at least, and none is made earlier while the API
        has asked to be left alone.

        Args:
            job_id: Its id.

        Returns:
            Whether the server will be told; never so before `start` and after `aclose`.
        """
        return self._told_soon(id_text("a job's id", job_id), self._waking, self._wake)

    def wake_project(self, project_id: JobId) -> bool:
        """Have a followed project listed soon: new jobs on the list are watched, and those looked at that have changed.

        This returns at once. Of a project that no `add_project` follows, only the workers know the jobs: nothing is
        woken then, and that is logged.

        Args:
            project_id: Its id.

        Returns:
            Whether the server will be told; never so before `start` and after `aclose`.
        """
        known_as = id_text("a project's id", project_id)
        return self._told_soon(known_as, self._waking_projects, self._wake_project)

    def _told_soon(
        self,
        known_as: str,
        under_way: dict[str, asyncio.Task[None]],
        wake: Callable[[str], Coroutine[object, object, None]],
    ) -> bool:
        """Have the server told of a wake, unless it is being told of that already."""
        if self._streams is None or self._stopped.is_set():
            return False
        if known_as not in under_way:
            task = asyncio.get_running_loop().create_task(wake(known_as), name="jobwatch wake")
            under_way[known_as] = task
            task.add_done_callback(lambda _: under_way.pop(known_as, None))
        return True

    async def _wake(self, job_id: str) -> None:
        try:
            await self._jobs().wake(job_id)
        except JobwatchError as error:  # which costs time, and no change
            _log.warning("a job was not woken: %s", error)

    async def _wake_project(self, project_id: str) -> None:
        try:
            if not await Projects(self._open()[1]).wake(project_id):
                _log.info("project %s was not woken, since it is not followed: see add_project", printable(project_id))
        except JobwatchError as error:
            _log.warning("a project was not woken: %s", error)

    async def job(self, job_id: JobId) -> Standing | None:
        """Return how a job stands; None if it is not watched and its end is not known (any more).

        Args:
            job_id: Its id.

        Raises:
            JobwatchError: The server does not answer.
        """
        return await self._jobs().one(job_id_of(self._client, job_id))

    def jobs(self) -> AsyncIterator[Standing]:
        """Iterate over how all jobs of the API stand, whoever added them.

        Raises:
            JobwatchError: The server does not answer.
        """
        return self._jobs().all()

    async def health(self) -> EngineHealth:
        """Return how the engine and this reader stand.

        Raises:
            JobwatchError: The watcher was never started.
        """
        from nats import errors  # noqa: PLC0415 - the extra "nats"

        connection, streams = self._open()
        due = in_hand = 0
        connected = connection.is_up
        try:
            for stream in streams.each if connected else ():
                info = await connection.js.consumer_info(stream.name, f"workers-{self._place}")
                due += info.num_pending or 0
                in_hand += info.num_ack_pending or 0
        except (errors.Error, TimeoutError) as error:  # no worker ever ran, so nothing is looked at
            _log.debug("the workers' consumer: %s", type(error).__name__)
        return EngineHealth(
            connected=connected,
            due=due,
            in_hand=in_hand,
            unread=self._found.qsize() + sum(log.unread for log in self._logs),
            refused=self._refused,
            stopped=None if self._error is None else str(self._error),
        )

    async def budgets(self) -> tuple[BudgetStanding, ...]:
        """Return how the request budgets of the API's origin stand: one for each token that workers ask with.

        Raises:
            JobwatchError: The watcher was never started, or the server does not answer.
        """
        connection, _ = self._open()
        return await standings(connection, self._client)

    # --- what comes out ------------------------------------------------------------------------------------

    def __aiter__(self) -> AsyncIterator[Change]:
        """Iterate over the changes, beginning with the first that was not acknowledged.

        Raises:
            JobwatchError: Another loop is at it, the changes go to `on_change`, the watcher was never started, or
                another process reads under the same name now.
        """
        self._check_free()
        changes = self._each()
        self._reading = weakref.ref(cast("AsyncGeneratorType[object, None]", changes))
        return changes

    async def _each(self) -> AsyncGenerator[Change]:
        async for batch in self._batches(1):
            for change in batch:
                yield change

    def batches(self, most: int = 256) -> AsyncIterator[tuple[Change, ...]]:
        """Iterate over the changes several at a time, for a loop that has to keep up with thousands a second.

        A batch holds what there is, at least one change, and is acknowledged as a whole when the loop comes back: after
        a crash the batch in hand comes again. It may hold a few more than `most`, where one message has several.

        Args:
            most: How many messages of the log a batch holds at most.

        Raises:
            ConfigError: A batch would hold no change.
            JobwatchError: As for a loop over the watcher.
        """
        if most < 1:
            raise ConfigError(f"a batch must hold at least 1 change, not {most}")
        self._check_free()
        batches = self._batches(most)
        self._reading = weakref.ref(cast("AsyncGeneratorType[object, None]", batches))
        return batches

    async def _batches(self, most: int) -> AsyncGenerator[tuple[Change, ...]]:
        # What a loop before was at when it was left comes again.
        while (entries := self._in_hand or await self._next(most)) is not None:
            self._in_hand = entries
            yield tuple(change for entry in entries for change in entry.changes)
            await self.acknowledge()

    async def acknowledge(self) -> None:
        """Acknowledge the change, or batch, in hand, for a loop that is about to be left for good.

        Raises:
            JobwatchError: Another process reads under the same name now.
        """
        entries, self._in_hand = self._in_hand, []
        lasts = {entry.part: entry.seq for entry in entries}
        for log, seq in lasts.items():
            await log.acknowledge(seq)

    async def _next(self, most: int) -> list[Entry] | None:
        """Wait for messages; return None when the watcher has been closed."""
        if self._found.empty():
            found = asyncio.ensure_future(self._found.get())
            stopped = asyncio.ensure_future(self._stopped.wait())
            try:
                await asyncio.wait([found, stopped], return_when=asyncio.FIRST_COMPLETED)
            finally:
                stopped.cancel()
                if not found.done():
                    found.cancel()
            if not found.done() or found.cancelled():
                if self._error is not None:
                    raise self._error
                return None
            entries = [found.result()]
        else:
            entries = [self._found.get_nowait()]
        while len(entries) < most and not self._found.empty():
            entries.append(self._found.get_nowait())
        return entries

    async def _call(self, on_change: Callback) -> None:
        while (entries := await self._next(1)) is not None:
            self._in_hand = entries
            for change in entries[0].changes:
                await self._call_until_taken(on_change, change)
            await self.acknowledge()

    async def _call_until_taken(self, on_change: Callback, change: Change) -> None:
        pause = _FIRST_PAUSE
        while True:
            try:
                called = on_change(change)
                if isinstance(called, Awaitable):
                    await called
            except Exception as error:  # noqa: BLE001 - it is theirs, and may be anything
                self._refused = f"{change.key}: {type(error).__name__}"
                _log.exception("on_change raised at %s, and is called again in %.1f s", change.key, pause)
                await asyncio.sleep(pause)
                pause = min(_LONGEST_PAUSE, pause * 2.0)
            else:
                self._refused = None
                return

    # --- what goes wrong -----------------------------------------------------------------------------------

    def _check_free(self) -> None:
        self._open()
        if self._on_change is not None:
            raise JobwatchError("the changes of this watcher go to on_change; leave that out to iterate over them")
        reading = None if self._reading is None else self._reading()
        if reading is not None and reading.ag_frame is not None:
            raise JobwatchError("another loop is at the changes of this watcher")

    def _open(self) -> tuple[Connection, Streams]:
        if self._connection is None or self._streams is None:
            raise JobwatchError("this watcher has not been started; use `async with`, or call start()")
        return self._connection, self._streams

    def _jobs(self) -> Jobs:
        if self._error is not None:
            raise self._error
        if self._stopped.is_set():
            raise JobwatchError("this watcher is closed")
        return Jobs(self._open()[1])
