"""The watcher: jobs watched in the background, and a memory that outlives the process."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Self

import anyio
from msgspec import Struct
from msgspec.structs import replace

from .._client import engine_of, place_of
from .._errors import ConfigError, JobwatchError
from .._http.urls import segment
from .._tasks import finished
from .changes import Change, WatcherHealth
from .delivery import Callback, Callbacks, Outbox
from .jobs import JobList
from .journal import Journal, Memory
from .projects import Follower
from .records import Aged, Followed, Kept, Project, Unfollowed

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Sequence
    from types import TracebackType

    from .._client import Client
    from .._engine.poller import Poller
    from .._models import Job
    from .changes import WatchedJob

_MOST_UNDELIVERED = 10_000
_AGEING = 3600.0
_CALLS_END_WITHIN = 3.0
_CLOSED_WITHIN = 4.5

_log = logging.getLogger("jobwatch")


class _Parts(Struct, frozen=True, eq=False):
    """What a watcher that has been started is made of."""

    poller: Poller
    journal: Journal | Memory
    jobs: JobList
    follower: Follower


class Watcher:
    """Watches jobs in the background and tells every change of them once, across restarts if it has a journal.

    Use it as an async context manager, or call `start` and `aclose`; it may be closed in another task than the one
    that opened it. The client is not closed with it. The changes come out either of ``async for change in watcher``,
    one loop at a time, or through `on_change`.

    A change is handed out once it is in the journal, and acknowledged when the loop comes back for the next one or
    the callback has returned. So after a crash everything goes on where it was, and at most the one change in hand
    (with callbacks: one a job) is told again, under the same `Change.key`.

    A job that cannot be seen is never given up: the stream tells how well each job can be seen, and looks go on,
    slowly. A job ends when it was seen to end, or when the API has forgotten it.

    Args:
        client: Whose API the jobs are on.
        journal: A file to remember in, which no other watcher may use at the same time, for the jobs of one API in
            one place (base URL and params); None to remember only until closed.
        on_change: A function, plain or async, to be called with each change; one job's changes one after another,
            different jobs' at the same time. One that raises is called again, ever more slowly.
        stale_after: For how many seconds looks at a job may fail before it is called stale.
        follow_interval: Seconds between two looks at the list of a project that is followed.
        keep: How long jobs that ended and were acknowledged stay in the journal, in seconds.
        callback_timeout: How long one call of `on_change` may take, in seconds.
        callback_attempts: How often a change is handed to `on_change` before no more changes of that job are, until
            `retry` or the next start.

    Raises:
        ConfigError: A figure is not above 0.
    """

    def __init__(
        self,
        client: Client,
        *,
        journal: str | os.PathLike[str] | None = None,
        on_change: Callback | None = None,
        stale_after: float = 60.0,
        follow_interval: float = 30.0,
        keep: float = 7 * 86_400.0,
        callback_timeout: float = 60.0,
        callback_attempts: int = 8,
    ) -> None:
        figures = {"stale_after": stale_after, "follow_interval": follow_interval, "keep": keep}
        for name, figure in (figures | {"callback_timeout": callback_timeout}).items():
            if not 0.0 < figure < float("inf"):
                raise ConfigError(f"{name} must be a finite number of seconds above 0, not {figure!r}")
        if callback_attempts < 1:
            raise ConfigError(f"callback_attempts must be at least 1, not {callback_attempts}")
        self._client = client
        self._path = journal
        self._stale_after = stale_after
        self._follow_interval = follow_interval
        self._keep = keep
        self._age_alarm: asyncio.TimerHandle | None = None
        self._stopped: JobwatchError | None = None
        self._opened: _Parts | None = None
        self._started = False
        self._closing: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        self._outbox = Outbox(self._wants, self._done, self._check)
        self._callbacks: Callbacks | None = None
        self._calling: asyncio.Task[None] | None = None
        if on_change is not None:
            self._callbacks = Callbacks(
                self._outbox, on_change, attempts=callback_attempts, time_limit=callback_timeout
            )

    # --- open and close ------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Start watching; it stops when the block is left."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop watching."""
        await self.aclose()

    async def start(self) -> None:
        """Open the journal and go on watching what it says is watched.

        Raises:
            JournalError: The journal cannot be used.
            JobwatchError: The watcher has been started before, or the client is closed.
        """
        if self._started:
            raise JobwatchError("this watcher has been started before; make a new one")
        self._started = True
        poller = engine_of(self._client)
        poller.check()
        api = self._client.name
        journal: Journal | Memory = Memory(self._outbox.notify)
        if self._path is not None:
            journal = Journal(self._path, api, self._written, place_of(self._client))
        try:
            kept = await journal.open()
            poller.check()
            jobs = JobList(poller, journal, self._stale_after)
            follower = Follower(poller, self._follow_interval, self._found, self._is_full)
            self._opened = _Parts(poller, journal, jobs, follower)
            self._restore(self._opened, kept)
        except BaseException:
            await finished(asyncio.get_running_loop().create_task(self._abandon(journal), name="jobwatch close"))
            raise
        self._outbox.open(journal)
        if self._callbacks is not None:
            self._calling = asyncio.get_running_loop().create_task(self._callbacks.run(), name="jobwatch on_change")
            self._calling.add_done_callback(self._task_ended)

    async def aclose(self) -> None:
        """Stop watching, let the calls of `on_change` that are under way end, and close the journal.

        This takes 5 seconds at most. A loop over the changes ends; the change it is at is not acknowledged by that.
        """
        if self._opened is None:
            return
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._close(self._opened), name="jobwatch close")
        await finished(self._closing)

    async def _close(self, parts: _Parts) -> None:
        self._outbox.close()
        self._release(parts)
        with anyio.move_on_after(_CLOSED_WITHIN) as limit:
            await parts.follower.aclose()
            if self._callbacks is not None and self._calling is not None:
                self._callbacks.leave()
                await asyncio.wait([self._calling], timeout=_CALLS_END_WITHIN)
                self._calling.cancel()
                await asyncio.wait([self._calling])
            await parts.journal.aclose()
        if limit.cancelled_caught or parts.journal.trouble is not None:
            _log.error("the journal was closed before all was written: %s", parts.journal.trouble or "time was up")

    async def _abandon(self, journal: Journal | Memory) -> None:
        """Undo a start that failed."""
        parts, self._opened = self._opened, None
        if parts is not None:
            self._release(parts)
            await parts.follower.aclose()
        await journal.aclose()

    def _release(self, parts: _Parts) -> None:
        parts.poller.no_longer_when_stopped(self._poller_stopped)
        parts.jobs.close()
        if self._age_alarm is not None:
            self._age_alarm.cancel()

    def _restore(self, parts: _Parts, kept: Kept) -> None:
        parts.poller.when_stopped(self._poller_stopped)
        parts.jobs.restore(kept.rows)
        for project in kept.projects:
            parts.follower.begin(project, self._task_ended)
        self._age()

    def _age(self) -> None:
        parts = self._parts()
        parts.journal.put(Aged(parts.poller.unix() - self._keep))
        self._age_alarm = asyncio.get_running_loop().call_later(_AGEING, self._age)

    # --- what is watched -----------------------------------------------------------------------------------

    async def add(self, *job_ids: str) -> tuple[str, ...]:
        """Watch jobs; those that are watched already, or whose end is in the journal, are left as they are.

        A job that was dropped is taken up where it was left.

        Args:
            job_ids: Their ids.

        Returns:
            Those of them that were not watched before. When this returns they are in the journal.

        Raises:
            ConfigError: An id cannot stand in a URL, or another watcher of the client watches the job.
            JournalError: The journal cannot be written at present. The jobs may be watched all the same; to add
                them again does no harm.
        """
        fresh = {job_id: self._client.watched(job_id) for job_id in job_ids}
        self._check()
        parts = self._parts()
        async with self._turn:
            # A job that is on the roll now, and not any more when its row has been read, has ended in between.
            unknown = [job_id for job_id in fresh if job_id not in parts.jobs]
            rows = await parts.journal.find(unknown)
            self._check()
            added = parts.jobs.enter([fresh[job_id] for job_id in unknown], rows)
        await parts.journal.written()
        return added

    async def drop(self, job_id: str) -> bool:
        """Stop watching a job, and tell no more of its changes, not even those that are not acknowledged yet.

        Args:
            job_id: Its id.

        Returns:
            Whether it was watched, or had changes that were not acknowledged.

        Raises:
            JournalError: The journal cannot be written at present; the job is dropped until the next start.
        """
        self._check()
        parts = self._parts()
        async with self._turn:
            dropped = parts.jobs.drop(job_id)
        await parts.journal.written()
        return dropped

    async def forget(self, job_id: str) -> None:
        """Drop a job, and keep nothing of it in the journal: added again, it begins anew, with ``seq`` 1.

        Args:
            job_id: Its id.

        Raises:
            JournalError: The journal cannot be written at present.
        """
        self._check()
        parts = self._parts()
        async with self._turn:
            parts.jobs.forget(job_id)
        await parts.journal.written()

    async def retry(self, job_id: str) -> bool:
        """Hand changes of a job to `on_change` again that it would not take, from the one that was refused on.

        Args:
            job_id: Its id; see `WatcherHealth.refused` for which there are.

        Returns:
            Whether it had been given up.

        Raises:
            JournalError: The journal can never be read again; else this waits until it can be.
        """
        self._check()
        return self._callbacks is not None and await self._callbacks.retry(job_id)

    async def add_project(self, project_id: str) -> bool:
        """Watch the jobs of a project that go on now, and every one that it starts from now on.

        Args:
            project_id: Its id.

        Returns:
            Whether it was not followed before. When this returns it is in the journal. A list that cannot be read
            is no error here: `health` tells, and the list is tried again.

        Raises:
            ConfigError: The API has no list of jobs, or the id cannot stand in a URL.
            JournalError: The journal cannot be written at present.
        """
        if not self._client.has_lists:
            raise ConfigError(f"{self._client.name} documents no list of jobs; add each job by its id")
        segment(project_id)
        self._check()
        parts = self._parts()
        is_new = project_id not in parts.follower
        if is_new:
            project = Project(project_id=project_id, added_at=parts.poller.unix())
            parts.journal.put(Followed(project))
            parts.follower.begin(project, self._task_ended)
        await parts.journal.written()
        return is_new

    async def drop_project(self, project_id: str) -> bool:
        """Stop following a project; those of its jobs that are watched stay so.

        Args:
            project_id: Its id.

        Returns:
            Whether it was followed.

        Raises:
            JournalError: The journal cannot be written at present.
        """
        self._check()
        parts = self._parts()
        was_followed = parts.follower.end(project_id)
        if was_followed:
            parts.journal.put(Unfollowed(project_id))
        await parts.journal.written()
        return was_followed

    def wake(self, job_id: str) -> bool:
        """Have a job looked at now, if it is watched: there may be news of it (see `webhook_app`).

        This is one look, however many wakes come before it is made. Looks that wakes ask for lie at least the pace's
        ``min_interval`` apart, and none is made while the API asks to be left alone: it follows when it may.

        Args:
            job_id: Its id; one that is not watched costs nothing.

        Returns:
            Whether it will be looked at; never so before `start` and after `aclose`.
        """
        parts = self._opened if self._closing is None else None
        return parts is not None and job_id in parts.jobs and parts.poller.wake(job_id)

    def wake_project(self, project_id: str) -> bool:
        """Have the watched jobs of a project looked at now, by one list request if its API has one.

        Args:
            project_id: Its id; it counts only for jobs that a look has shown to belong to it.

        Returns:
            Whether any job will be looked at.
        """
        parts = self._opened if self._closing is None else None
        return parts is not None and parts.poller.wake_project(project_id)

    def jobs(self) -> tuple[WatchedJob, ...]:
        """Return how the jobs stand that are watched, or have ended with changes not acknowledged yet."""
        return self._parts().jobs.overview(self._refused())

    def health(self) -> WatcherHealth:
        """Return how the watcher stands."""
        parts = self._parts()
        watched, troubled = parts.jobs.count()
        return WatcherHealth(
            jobs=watched,
            troubled=troubled,
            undelivered=parts.jobs.undelivered,
            journal=parts.journal.trouble,
            refused=dict(self._refused()),
            projects=dict(parts.follower.faults),
            stopped=None if self._stopped is None else str(self._stopped),
        )

    def _refused(self) -> dict[str, str]:
        return {} if self._callbacks is None else self._callbacks.refused

    # --- what comes out ------------------------------------------------------------------------------------

    def __aiter__(self) -> AsyncIterator[Change]:
        """Iterate over the changes, beginning with those that were not acknowledged.

        Raises:
            JobwatchError: Another loop is at it, the changes go to `on_change`, or the watcher was never started.
        """
        self._parts()
        if self._callbacks is not None:
            raise JobwatchError("the changes of this watcher go to on_change; leave that out to iterate over them")
        return self._outbox.stream()

    async def acknowledge(self) -> None:
        """Acknowledge the change in hand now, for a loop that is about to be left, or was left, for good.

        Raises:
            JournalError: The journal will never be written again; else this waits until it can be.
        """
        await self._outbox.acknowledge()

    def _wants(self, change: Change) -> bool:
        return self._parts().jobs.wants(change)

    def _done(self, change: Change) -> int:
        return self._parts().jobs.done(change)

    # --- what goes in --------------------------------------------------------------------------------------

    async def _found(self, project: Project, new: Sequence[Job], jobs: Sequence[Job]) -> None:
        """Watch the new jobs of a project; what its list shows of any job counts as a look."""
        parts = self._parts()
        async with self._turn:
            unknown = [job.id for job in new if job.id not in parts.jobs]
            rows = await parts.journal.find(unknown)
            parts.journal.put(Followed(project))
            for job_id in unknown:
                if job_id not in rows:
                    self._enter(parts.jobs, job_id, project)
        parts.poller.shown(jobs)

    def _enter(self, jobs: JobList, job_id: str, project: Project) -> None:
        try:
            jobs.enter([replace(self._client.watched(job_id), project_id=project.project_id)], {})
        except ConfigError as error:
            _log.warning("a job of project %s cannot be watched: %s", project.project_id, error)

    # --- what goes wrong -----------------------------------------------------------------------------------

    def _parts(self) -> _Parts:
        if self._opened is None:
            raise JobwatchError("this watcher has not been started; use `async with`, or call start()")
        return self._opened

    def _check(self) -> None:
        """Raise what keeps changes from coming, if anything does."""
        if self._closing is not None:
            raise JobwatchError("this watcher is closed")
        if self._stopped is not None:
            raise self._stopped

    def _is_full(self) -> bool:
        return self._parts().jobs.undelivered >= _MOST_UNDELIVERED

    def _poller_stopped(self) -> None:
        try:
            self._parts().poller.check()
        except JobwatchError as error:
            self._stop(error)

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and self._closing is None:
            if not isinstance(error, JobwatchError):
                fault, error = (
                    error,
                    JobwatchError(f"the watcher has stopped by a fault of its own ({task.get_name()})"),
                )
                error.__cause__ = fault
            self._stop(error)

    def _written(self) -> None:
        """Hear of the journal that something was written, or that nothing ever will be again."""
        parts = self._opened
        if parts is not None and parts.journal.broken is not None and self._closing is None:
            parts.jobs.close()
            self._stop(parts.journal.broken)
        self._outbox.notify()

    def _stop(self, error: JobwatchError) -> None:
        if self._stopped is None:
            self._stopped = error
            _log.error("the watcher has stopped: %s", error, exc_info=error)
        self._outbox.notify()
