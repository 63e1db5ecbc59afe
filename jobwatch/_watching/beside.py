"""A view of the jobs that a watcher of this process watches, beside whoever takes their changes."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Self

from msgspec.structs import replace

from .._errors import JobwatchError
from .changes import ChangeKind
from .viewing import Origin, Reading, Sighting, Watching
from .watcher import client_of, running_of

if TYPE_CHECKING:
    from types import TracebackType

    from .._models import Job
    from .changes import Change
    from .jobs import Glimpse, JobList
    from .records import JobRecord
    from .watcher import Watcher


_LEAST_PAUSE = 0.2
_SHARE = 0.02
"""Of one core, at most so much is spent on going through all jobs: thousands take milliseconds."""


class Beside:
    """What a watcher's jobs are like, as an async context manager; nothing is taken from its consumer.

    Args:
        watcher: Watches them; it has been started, and is closed by whoever has opened it.
    """

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._known: dict[str, Glimpse] = {}
        self._numbers: dict[str, int] = {}
        self._jobs: dict[str, Job] = {}
        self._sightings: list[Sighting] = []
        self._over: set[str] = set()
        self._changes: list[Change] = []
        self._gone_through_at = 0.0
        self._news = asyncio.Event()
        self._was_read = False

    async def __aenter__(self) -> Self:
        """Begin to notice what changes.

        Raises:
            JobwatchError: The watcher was not started, or its jobs are shown already.
        """
        jobs = running_of(self._watcher).jobs
        if jobs.told is not None or jobs.noticed is not None:
            raise JobwatchError("the jobs of this watcher are shown already; it can have one page at a time")
        jobs.told, jobs.noticed = self._note, self._notice
        # Changes that nobody has taken yet are told to nobody again: how each job stands now is all there is to see.
        self._numbers = {each.job_id: each.changes for each in jobs.overview({})}
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Notice no more."""
        jobs = running_of(self._watcher).jobs
        jobs.told = jobs.noticed = None

    async def read(self, within: float) -> Reading:
        """Return what is new; see `ViewSource.read`."""
        if self._was_read:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(within):
                    await self._news.wait()
        self._was_read = True
        self._news.clear()
        running, client = running_of(self._watcher), client_of(self._watcher)
        gone = self._go_through(running.jobs) if time.monotonic() >= self._gone_through_at else ()
        sightings = [replace(each, job=self._jobs.pop(each.record.job_id, None)) for each in self._sightings]
        changes = tuple(self._changes)
        self._sightings, self._changes = [], []
        stopped = running.outbox.error
        origin = Origin(
            api=client.name,
            watching=Watching.WE,
            projects=running.follower.followed,
            trouble=str(stopped) if stopped is not None else running.journal.trouble,
        )
        return Reading(origin=origin, sightings=tuple(sightings), changes=changes, gone=gone, stats=client.stats)

    def _go_through(self, jobs: JobList) -> tuple[str, ...]:
        """Find what has changed without a change that is told, and return the jobs that are watched no more."""
        began = time.monotonic()
        self._sightings += jobs.sightings(self._known, self._numbers)
        seen = self._known.keys() | self._numbers.keys()
        gone = tuple(job_id for job_id in seen if job_id not in jobs and job_id not in self._over)
        for job_id in (*gone, *self._over):
            self._known.pop(job_id, None)
            self._numbers.pop(job_id, None)
        for job_id in gone:
            self._jobs.pop(job_id, None)
        self._over.clear()
        ended = time.monotonic()
        self._gone_through_at = ended + max(_LEAST_PAUSE, (ended - began) / _SHARE)
        return gone

    def _notice(self, job_id: str, job: Job) -> None:
        """Keep what a look has read of a job."""
        self._jobs[job_id] = job
        self._news.set()

    def _note(self, record: JobRecord, changes: tuple[Change, ...]) -> None:
        """Keep what has changed; a job that has ended may be off the watcher's list before it is asked for."""
        self._changes += changes
        self._numbers[record.job_id] = record.seq
        self._sightings.append(Sighting(record=record))
        if changes[-1].kind is ChangeKind.END:
            self._over.add(record.job_id)
        self._news.set()
