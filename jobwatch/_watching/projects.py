"""Following projects: a list now and then, and every job on it that was not there before."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from msgspec.structs import replace

from .._errors import ConfigError, JournalError
from .._models import Fault
from .._reading.times import seconds_since_1970
from .records import Followed, Unfollowed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._client.client import Client
    from .._engine.poller import Poller
    from .._models import Job
    from .jobs import JobList
    from .journal import Journal
    from .memory import Memory
    from .records import Project

_log = logging.getLogger("jobwatch")

_SHORT = 100
_LONG = 1000
_REMEMBERED = 2 * _LONG
_MOST_UNDELIVERED = 10_000


class Follower:
    """Follows projects.

    Args:
        client: Makes what is known of a job from its id.
        poller: Reads the lists.
        jobs: Where the jobs that they show are watched.
        journal: Remembers which projects are followed.
        interval: Seconds between two lists of a project.

    Attributes:
        faults: The projects whose list cannot be read, or does not show all that is new, and why.
    """

    def __init__(
        self, client: Client, poller: Poller, jobs: JobList, journal: Journal | Memory, interval: float
    ) -> None:
        self.faults: dict[str, str] = {}
        self._client = client
        self._poller = poller
        self._jobs = jobs
        self._journal = journal
        self._interval = interval
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def __contains__(self, project_id: str) -> bool:
        return project_id in self._tasks

    def __len__(self) -> int:
        return len(self._tasks)

    @property
    def followed(self) -> dict[str, str]:
        """The projects that are followed, with what keeps their new jobs from coming; empty if nothing does."""
        return {project_id: self.faults.get(project_id, "") for project_id in self._tasks}

    def begin(self, project: Project) -> asyncio.Task[None]:
        """Follow a project, and return the task that does."""
        task = asyncio.get_running_loop().create_task(self._follow(project), name=f"jobwatch {project.project_id}")
        self._tasks[project.project_id] = task
        return task

    def add(self, project: Project) -> asyncio.Task[None]:
        """Follow a project from now on, and return the task that does."""
        self._journal.put(Followed(project))
        return self.begin(project)

    def drop(self, project_id: str) -> bool:
        """Stop following a project; False if it was not followed."""
        task = self._tasks.pop(project_id, None)
        if task is None:
            return False
        task.cancel()
        self.faults.pop(project_id, None)
        self._journal.put(Unfollowed(project_id))
        return True

    async def aclose(self) -> None:
        """Stop following all projects, until the next start."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _follow(self, project: Project) -> None:
        while True:
            if self._jobs.undelivered < _MOST_UNDELIVERED:
                project = await self._list(project)
            await asyncio.sleep(self._interval)

    async def _list(self, project: Project) -> Project:
        jobs = await self._read(project)
        if isinstance(jobs, Fault):
            self.faults[project.project_id] = str(jobs)
            return project
        new = new_on(jobs, project)
        if new and project.known and len(new) == len(jobs) >= _LONG:
            self.faults[project.project_id] = f"more than {_LONG} jobs are new since the last list: some may be missed"
            _log.error("project %s: %s", project.project_id, self.faults[project.project_id])
        else:
            self.faults.pop(project.project_id, None)
        after = replace(project, known=remembered(jobs, project))
        try:
            await self._add(after, new)
        except JournalError as error:
            self.faults[project.project_id] = str(error)
            return project
        self._poller.shown(jobs)  # the list counts as a look at each of them
        return after

    async def _add(self, project: Project, new: Sequence[Job]) -> None:
        """Watch the new jobs of a project, but for those that the journal knows: they have ended, or were dropped."""
        async with self._jobs.adding:
            unknown = [job.id for job in new if job.id not in self._jobs]
            records = await self._journal.find(unknown)
            # In one batch with the jobs, since nothing is awaited from here on: were they written apart, a crash in
            # between would leave jobs that count as known, and that nobody watches.
            self._journal.put(Followed(project))
            for job_id in unknown:
                if job_id not in records:
                    self._enter(job_id, project.project_id)

    def _enter(self, job_id: str, project_id: str) -> None:
        try:
            self._jobs.enter([replace(self._client.watched(job_id), project_id=project_id)], {})
        except ConfigError as error:
            _log.warning("a job of project %s cannot be watched: %s", project_id, error)

    async def _read(self, project: Project) -> tuple[Job, ...] | Fault:
        """Read the latest jobs, so many that one is among them which was there before."""
        jobs = await self._poller.listed(project.project_id, _SHORT)
        if isinstance(jobs, Fault) or len(jobs) < _SHORT or project.known is None:
            return jobs
        if len(new_on(jobs, project)) < len(jobs):
            return jobs
        return await self._poller.listed(project.project_id, _LONG)


def new_on(jobs: Sequence[Job], project: Project) -> list[Job]:
    """Return the jobs on a list that are to be watched, the oldest first.

    On the first list these are the jobs that go on, and those created since the project was added; later all that
    were not on a list before.
    """
    if project.known is None:
        return [job for job in reversed(jobs) if not job.phase.ended or _is_created_since(project.added_at, job)]
    known = set(project.known)
    return [job for job in reversed(jobs) if job.id not in known]


def remembered(jobs: Sequence[Job], project: Project) -> tuple[str, ...]:
    """Return the ids to know again: those on the list, and before them the latest that were."""
    ids = dict.fromkeys([*(job.id for job in jobs), *(project.known or ())])
    return tuple(ids)[:_REMEMBERED]


def _is_created_since(moment: float, job: Job) -> bool:
    return job.created_at is not None and seconds_since_1970(job.created_at) >= moment
