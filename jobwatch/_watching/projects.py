"""Following projects: a list now and then, and every job on it that was not there before."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from msgspec.structs import replace

from .._errors import JournalError
from .._models import Fault
from .._reading.times import seconds_since_1970

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from .._engine.poller import Poller
    from .._models import Job
    from .records import Project

_log = logging.getLogger("jobwatch")

_SHORT = 100
_LONG = 1000
_REMEMBERED = 2 * _LONG


class Follower:
    """Follows projects.

    Args:
        poller: Reads the lists.
        interval: Seconds between two lists of a project.
        found: Told of a list, with the project as it is to be remembered and the jobs that are new.
        full: Whether there is no room for more jobs at present.

    Attributes:
        faults: The projects whose list cannot be read, or does not show all that is new, and why.
    """

    def __init__(
        self,
        poller: Poller,
        interval: float,
        found: Callable[[Project, Sequence[Job], Sequence[Job]], Awaitable[None]],
        full: Callable[[], bool],
    ) -> None:
        self.faults: dict[str, str] = {}
        self._poller = poller
        self._interval = interval
        self._found = found
        self._full = full
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def __contains__(self, project_id: str) -> bool:
        return project_id in self._tasks

    def begin(self, project: Project, ended: Callable[[asyncio.Task[None]], None]) -> None:
        """Follow a project; `ended` is told of the task that does, when it ends."""
        task = asyncio.get_running_loop().create_task(self._follow(project), name=f"jobwatch {project.project_id}")
        task.add_done_callback(ended)
        self._tasks[project.project_id] = task

    def end(self, project_id: str) -> bool:
        """Stop following a project; False if it was not followed."""
        task = self._tasks.pop(project_id, None)
        if task is None:
            return False
        task.cancel()
        self.faults.pop(project_id, None)
        return True

    async def aclose(self) -> None:
        """Stop following all projects."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _follow(self, project: Project) -> None:
        while True:
            if not self._full():
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
            await self._found(after, new, jobs)
        except JournalError as error:
            self.faults[project.project_id] = str(error)
            return project
        return after

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
