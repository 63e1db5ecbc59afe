"""The watcher: jobs watched in the background, and a memory that outlives the process; `running` puts it together."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from .._client.access import engine_of, job_id_of, place_of
from .._errors import ConfigError, JobwatchError
from .._http.tasks import finished
from .._http.urls import segment
from .._reading.ids import id_text
from .changes import Change, WatcherHealth
from .delivery import Callback
from .journal import Journal
from .memory import Memory
from .records import Project
from .running import Running, Settings

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator
    from types import TracebackType

    from .._client.client import Client
    from .._reading.ids import JobId
    from .._reading.periods import Duration
    from .changes import WatchedJob
    from .delivery import Outbox


class Watcher:
    """Watches jobs in the background and hands out every change of them once, across restarts if it has a journal.

    Use it as an async context manager, or call `start` and `aclose`; it may be closed in another task than the one
    that opened it. The client is not closed with it. The changes come out either of ``async for change in watcher``,
    one loop at a time, or through `on_change`.

    A change is handed out once it is in the journal, and acknowledged when the loop comes back for the next one or
    the callback has returned. So after a crash everything goes on where it was, and at most the one change in flight
    (with callbacks: one a job) comes again, under the same `Change.key`.

    A job that cannot be seen is never given up: the stream says how well each job can be seen, and looks go on,
    slowly. A job ends when it was seen to end, or when the API has forgotten it.

    Args:
        client: Whose API the jobs are on.
        journal: A file to remember in, which no other watcher may use at the same time, for the jobs of one API in
            one place (base URL and params); None to remember only until closed.
        on_change: A function, plain or async, to be called with each change; one job's changes one after another,
            different jobs' at the same time. One that raises is called again, ever more slowly; what it returns, or
            its awaitable gives, is ignored.
        stale_after: For how long looks at a job may fail before it is called stale: seconds, a text such as ``5m``, or
            a `timedelta`, as are the next three.
        follow_interval: How long between two looks at the list of a project that is followed.
        keep: How long jobs that ended and were acknowledged stay in the journal.
        callback_timeout: How long one call of `on_change` may take.
        callback_attempts: How often a change is handed to `on_change` before no more changes of that job are, until
            `retry` or the next start.

    Raises:
        ConfigError: A figure is not above 0, or `on_change` is a generator function.
    """

    def __init__(
        self,
        client: Client,
        *,
        journal: str | os.PathLike[str] | None = None,
        on_change: Callback | None = None,
        stale_after: Duration = 60.0,
        follow_interval: Duration = 30.0,
        keep: Duration = 7 * 86_400.0,
        callback_timeout: Duration = 60.0,
        callback_attempts: int = 8,
    ) -> None:
        self._client = client
        self._path = journal
        self._settings = Settings(
            on_change=on_change,
            stale_after=stale_after,
            follow_interval=follow_interval,
            keep=keep,
            callback_timeout=callback_timeout,
            callback_attempts=callback_attempts,
        )
        self._started = False
        self._opened: Running | None = None
        self._closing: asyncio.Task[None] | None = None

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
        journal: Journal | Memory = Memory()
        if self._path is not None:
            journal = Journal(self._path, self._client.name, place_of(self._client))
        running: Running | None = None
        try:
            contents = await journal.open()
            poller.check()
            running = Running(self._client, poller, journal, self._settings)
            await running.begin(contents)
        except BaseException:
            abandoned = self._abandon(journal, running)
            await finished(asyncio.get_running_loop().create_task(abandoned, name="jobwatch close"))
            raise
        self._opened = running

    @staticmethod
    async def _abandon(journal: Journal | Memory, running: Running | None) -> None:
        """Undo a start that failed."""
        if running is not None:
            await running.release()
        await journal.aclose()

    async def aclose(self) -> None:
        """Stop watching, let the calls of `on_change` that are under way end, and close the journal.

        This takes 5 seconds at most. A loop over the changes ends; the change it is at is not acknowledged by that.
        """
        if self._opened is None:
            return
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._opened.aclose(), name="jobwatch close")
        await finished(self._closing)

    # --- what is watched -----------------------------------------------------------------------------------

    async def add(self, *job_ids: JobId) -> tuple[str, ...]:
        """Watch jobs; those that are watched already, or whose end is in the journal, are left as they are.

        So a service may add all its jobs at each start. An end stays in the journal for `keep` seconds: until then a
        new run under the same id (a Kubernetes name, an id of your own) is watched only if the old one is forgotten
        first, by `forget`. A job that was dropped is taken up where it was left.

        Args:
            job_ids: Their ids.

        Returns:
            Those of them that were not watched before. When this returns they are in the journal.

        Raises:
            ConfigError: An id cannot stand in a URL, or another watcher of the client watches the job.
            JournalError: The journal cannot be written at present. The jobs may be watched all the same; to add
                them again does no harm.
        """
        watched = [self._client.watched(job_id) for job_id in job_ids]
        jobs = {each.job_id: each for each in watched}
        running = self._going_on()
        added = await running.jobs.add(jobs.values())
        self._going_on()
        await running.journal.written()
        return added

    async def drop(self, job_id: JobId) -> bool:
        """Stop watching a job, and tell no more of its changes, not even those that are not acknowledged yet.

        Args:
            job_id: Its id.

        Returns:
            Whether it was watched, or had changes that were not acknowledged.

        Raises:
            JournalError: The journal cannot be written at present; the job is dropped until the next start.
        """
        running, known_as = self._going_on(), job_id_of(self._client, job_id)
        dropped = await running.jobs.drop(known_as)
        running.refused.pop(known_as, None)
        await running.journal.written()
        return dropped

    async def forget(self, job_id: JobId) -> None:
        """Drop a job, and keep nothing of it in the journal: added again, it begins anew, with ``seq`` 1 and new keys.

        The consumer may be at a change of the old run meanwhile: its acknowledgement does not touch the new one.

        Args:
            job_id: Its id.

        Raises:
            JournalError: The journal cannot be written at present.
        """
        running, known_as = self._going_on(), job_id_of(self._client, job_id)
        await running.jobs.forget(known_as)
        running.refused.pop(known_as, None)
        await running.journal.written()

    async def retry(self, job_id: JobId) -> bool:
        """Hand changes of a job to `on_change` again that it would not take, from the one that was refused on.

        Args:
            job_id: Its id; see `WatcherHealth.refused` for which there are.

        Returns:
            Whether it had been given up.

        Raises:
            JournalError: The journal can never be read again; else this waits until it can be.
        """
        callbacks = self._going_on().callbacks
        return callbacks is not None and await callbacks.retry(job_id_of(self._client, job_id))

    async def add_project(self, project_id: JobId) -> bool:
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
        project = id_text("a project's id", project_id)
        segment(project, "project")
        running = self._going_on()
        is_new = project not in running.follower
        if is_new:
            running.depend_on(running.follower.add(Project(project_id=project, added_at=running.poller.unix())))
        await running.journal.written()
        return is_new

    async def drop_project(self, project_id: JobId) -> bool:
        """Stop following a project; those of its jobs that are watched stay so.

        Args:
            project_id: Its id.

        Returns:
            Whether it was followed.

        Raises:
            JournalError: The journal cannot be written at present.
        """
        running = self._going_on()
        was_followed = running.follower.drop(id_text("a project's id", project_id))
        await running.journal.written()
        return was_followed

    def wake(self, job_id: JobId) -> bool:
        """Have a job looked at now, if it is watched: there may be news of it (see `webhook_app`).

        This is one look, however many wakes come before it is made. Looks that wakes ask for lie at least the pace's
        ``min_interval`` apart, and none is made while the API asks to be left alone: it follows when it may.

        Args:
            job_id: Its id; one that is not watched costs nothing.

        Returns:
            Whether it will be looked at; never so before `start` and after `aclose`.
        """
        running = self._opened if self._closing is None else None
        known_as = id_text("a job's id", job_id)
        return running is not None and known_as in running.jobs and running.poller.wake(known_as)

    def wake_project(self, project_id: JobId) -> bool:
        """Have the watched jobs of a project looked at now, by one list request if its API has one.

        Args:
            project_id: Its id; it counts only for jobs that a look has shown to belong to it.

        Returns:
            Whether any job will be looked at.
        """
        running = self._opened if self._closing is None else None
        return running is not None and running.poller.wake_project(id_text("a project's id", project_id))

    def jobs(self) -> tuple[WatchedJob, ...]:
        """Return how the jobs stand that are watched, or have ended with changes not acknowledged yet."""
        running = self._running()
        return running.jobs.overview(running.refused)

    def health(self) -> WatcherHealth:
        """Return how the watcher stands."""
        running = self._running()
        watched, troubled, blocked = running.jobs.count()
        return WatcherHealth(
            jobs=watched,
            troubled=troubled,
            undelivered=running.jobs.undelivered,
            journal=running.journal.trouble,
            refused=dict(running.refused),
            projects=dict(running.follower.faults),
            blocked=blocked,
            stopped=None if running.outbox.error is None else str(running.outbox.error),
        )

    # --- what comes out ------------------------------------------------------------------------------------

    def __aiter__(self) -> AsyncIterator[Change]:
        """Iterate over the changes, beginning with those that were not acknowledged.

        Raises:
            JobwatchError: Another loop is at it, the changes go to `on_change`, or the watcher was never started.
        """
        return self._outbox_for_a_loop().stream()

    def until_ended(self) -> AsyncIterator[Change]:
        """Iterate over the changes until all jobs that are watched have ended, and the last change is acknowledged.

        A loop over the watcher itself goes on then, for jobs that are added later. This one is for a program that waits
        for certain jobs: run again, it ends at once, since the journal has their ends, and `ended` tells how that was.
        It goes on for as long as a project is followed.

        Raises:
            JobwatchError: As for a loop over the watcher.
        """
        running = self._running()
        return self._outbox_for_a_loop().stream(lambda: not (len(running.jobs) or len(running.follower)))

    async def ended(self, job_id: str) -> WatchedJob | None:
        """Return how a job ended, also if its end was acknowledged long ago, for as long as the journal keeps it.

        Args:
            job_id: Its id.

        Returns:
            How it stood at its end; None if it goes on, or if the journal does not know it (any more).

        Raises:
            JournalError: The journal cannot be written or read at present.
        """
        return await self._going_on().jobs.ended(job_id)

    def batches(self, most: int = 256) -> AsyncIterator[tuple[Change, ...]]:
        """Iterate over the changes several at a time, for a loop that has to keep up with thousands a second.

        A batch holds the changes that there are, at least one, and does not wait for more. It is acknowledged as a
        whole when the loop comes back for the next, with one sync of the disk for all of it. **So after a crash the
        batch in hand comes again**, each change under the same `Change.key`, where ``async for change in watcher``
        repeats one change at most.

        Args:
            most: How many changes a batch holds at most.

        Raises:
            ConfigError: A batch would hold no change.
            JobwatchError: Another loop is at it, the changes go to `on_change`, or the watcher was never started.
        """
        if most < 1:
            raise ConfigError(f"a batch must hold at least 1 change, not {most}")
        return self._outbox_for_a_loop().batches(most)

    def _outbox_for_a_loop(self) -> Outbox:
        running = self._running()
        if running.callbacks is not None:
            raise JobwatchError("the changes of this watcher go to on_change; leave that out to iterate over them")
        return running.outbox

    async def acknowledge(self) -> None:
        """Acknowledge the change, or batch, in flight now, for a loop that is about to be left, or was left, for good.

        Raises:
            JournalError: The journal will never be written again; else this waits until it can be.
        """
        if self._opened is not None:
            outbox = self._opened.outbox
            await outbox.acknowledged(outbox.acknowledge_in_flight())

    # --- what goes wrong -----------------------------------------------------------------------------------

    def _running(self) -> Running:
        if self._opened is None:
            raise JobwatchError("this watcher has not been started; use `async with`, or call start()")
        return self._opened

    def _going_on(self) -> Running:
        """Return what was started, or raise what keeps changes from coming, if anything does."""
        if self._closing is not None:
            raise JobwatchError("this watcher is closed")
        running = self._running()
        if running.outbox.error is not None:
            raise running.outbox.error
        return running


def running_of(watcher: Watcher) -> Running:
    """Return what a watcher that was started is made of, for whoever shows its jobs."""
    return watcher._running()  # noqa: SLF001 - they are of one house  # pyright: ignore[reportPrivateUsage]


def client_of(watcher: Watcher) -> Client:
    """Return the client whose API a watcher's jobs are on."""
    return watcher._client  # noqa: SLF001 - as above  # pyright: ignore[reportPrivateUsage]
