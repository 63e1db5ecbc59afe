"""A view of the jobs that a watcher of this process watches, and whose changes nobody else wants."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Self

from msgspec.structs import replace

from .._errors import JobwatchError
from .changes import Change, ChangeKind
from .viewing import Origin, Reading, Watching
from .watcher import running_of

if TYPE_CHECKING:
    from types import TracebackType

    from .._client.client import Client
    from .._models import Job
    from .jobs import Glimpse
    from .viewing import Sighting
    from .watcher import Watcher


class OwnWatch:
    """What a watcher's jobs are like, as an async context manager: within it, this is the loop over their changes.

    Args:
        client: Whose API the jobs are on.
        watcher: Watches them; it has been started, and is closed by whoever has opened it.
    """

    def __init__(self, client: Client, watcher: Watcher) -> None:
        self._client = client
        self._watcher = watcher
        self._known: dict[str, Glimpse] = {}
        self._jobs: dict[str, Job] = {}
        self._numbers: dict[str, int] = {}
        self._sightings: list[Sighting] = []
        self._changes: list[Change] = []
        self._news = asyncio.Event()
        self._trouble: str | None = None
        self._was_read = False
        self._reader: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Begin to read the changes."""
        running_of(self._watcher).jobs.noticed = self._jobs.__setitem__
        self._reader = asyncio.get_running_loop().create_task(self._read(), name="jobwatch view")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Read no more of them."""
        running_of(self._watcher).jobs.noticed = None
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.wait([self._reader])

    async def read(self, within: float) -> Reading:
        """Return what is new; see `ViewSource.read`."""
        if self._was_read:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(within):
                    await self._news.wait()
        self._was_read = True
        self._news.clear()
        running = running_of(self._watcher)
        self._see()
        sightings = self._sightings
        changes = tuple(self._changes)
        self._sightings, self._changes = [], []
        origin = Origin(
            api=self._client.name,
            watching=Watching.WE,
            projects=running.follower.followed,
            trouble=self._trouble,
        )
        return Reading(origin=origin, sightings=tuple(sightings), changes=changes, stats=self._client.stats)

    def _see(self) -> None:
        for each in running_of(self._watcher).jobs.sightings(self._known, self._numbers):
            self._sightings.append(replace(each, job=self._jobs.pop(each.record.job_id, None)))

    async def _read(self) -> None:
        try:
            async for batch in self._watcher.batches():
                self._changes += batch
                self._numbers.update((change.job_id, change.seq) for change in batch)
                # A job is off the list when its end is acknowledged: when this comes back for the next batch.
                self._see()
                for change in batch:
                    if change.kind is ChangeKind.END:
                        for each in (self._known, self._numbers):
                            each.pop(change.job_id, None)
                self._news.set()
        except JobwatchError as error:
            self._trouble = str(error)
            self._news.set()
