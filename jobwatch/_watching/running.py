"""What a watcher is made of while it runs, and how that begins, ends, and stops by an error.

looks -> `JobList` -> journal -> `Outbox` -> the consumer -> `Outbox` -> `JobList` and journal
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from typing import TYPE_CHECKING

import anyio
from msgspec import Struct
from msgspec.structs import force_setattr

from .._errors import ConfigError, JobwatchError
from .._reading.periods import seconds_given
from .delivery import Callback, Callbacks, Outbox
from .jobs import JobList
from .projects import Follower
from .records import Expired

if TYPE_CHECKING:
    from .._client.client import Client
    from .._engine.poller import Poller
    from .._reading.periods import Duration
    from .journal import Journal
    from .memory import Memory
    from .records import Contents

_EXPIRING_EVERY = 3600.0
_CALLS_END_WITHIN = 3.0
_CLOSED_WITHIN = 4.5

_log = logging.getLogger("jobwatch")


class Settings(Struct, frozen=True, kw_only=True):
    """The arguments of a `Watcher`; see there.

    Raises:
        ConfigError: One makes no sense.
    """

    on_change: Callback | None
    stale_after: float
    follow_interval: float
    keep: float
    callback_timeout: float
    callback_attempts: int

    if TYPE_CHECKING:  # what is given may be written in other ways than what is kept

        def __init__(
            self,
            *,
            on_change: Callback | None,
            stale_after: Duration,
            follow_interval: Duration,
            keep: Duration,
            callback_timeout: Duration,
            callback_attempts: int,
        ) -> None: ...

    def __post_init__(self) -> None:
        for name in ("stale_after", "follow_interval", "keep", "callback_timeout"):
            force_setattr(self, name, seconds_given(name, getattr(self, name), above_zero=True))
        if inspect.isgeneratorfunction(self.on_change) or inspect.isasyncgenfunction(self.on_change):
            raise ConfigError("on_change is a generator function: to call it runs nothing of it")
        if self.callback_attempts < 1:
            raise ConfigError(f"callback_attempts must be at least 1, not {self.callback_attempts}")


class Running:
    """The parts of a watcher that has been started.

    Args:
        client: Whose jobs are watched.
        poller: Looks at them.
        journal: Open.
        settings: How.
    """

    def __init__(self, client: Client, poller: Poller, journal: Journal | Memory, settings: Settings) -> None:
        self.poller = poller
        self.journal = journal
        self.jobs = JobList(poller, journal, settings.stale_after)
        self.outbox = Outbox(self.jobs, journal)
        self.callbacks: Callbacks | None = None
        if settings.on_change is not None:
            attempts, time_limit = settings.callback_attempts, settings.callback_timeout
            self.callbacks = Callbacks(self.outbox, settings.on_change, attempts=attempts, time_limit=time_limit)
        self.follower = Follower(client, poller, self.jobs, journal, settings.follow_interval)
        self._keep = settings.keep
        self._expiring: asyncio.TimerHandle | None = None
        self._poller_end: asyncio.Task[None] | None = None
        self._calling: asyncio.Task[None] | None = None

    @property
    def refused(self) -> dict[str, str]:
        """The jobs of which `on_change` would not take a change, and what it raised."""
        return {} if self.callbacks is None else self.callbacks.refused

    async def begin(self, contents: Contents) -> None:
        """Go on where the journal was left."""
        await self.jobs.restore(contents.records)
        loop = asyncio.get_running_loop()
        for project in contents.projects:
            self.depend_on(self.follower.begin(project))
        self._expire()
        self._poller_end = loop.create_task(_end_of(self.poller), name="jobwatch poller's end")
        self.depend_on(self._poller_end)
        if self.journal.writer is not None:
            self.depend_on(self.journal.writer)
        if self.callbacks is not None:
            self._calling = loop.create_task(self.callbacks.run(), name="jobwatch on_change")
            self.depend_on(self._calling)

    def depend_on(self, task: asyncio.Task[None]) -> None:
        """Stop with the error of a task, if it ends with one."""
        task.add_done_callback(self._task_ended)

    async def aclose(self) -> None:
        """Stop watching, let the calls of `on_change` that are under way end, and close the journal."""
        self.outbox.close()
        with anyio.move_on_after(_CLOSED_WITHIN) as limit:
            await self.release()
            if self.callbacks is not None and self._calling is not None:
                self.callbacks.leave()
                await asyncio.wait([self._calling], timeout=_CALLS_END_WITHIN)
                self._calling.cancel()
                await asyncio.wait([self._calling])
            # Last, so that what those calls have acknowledged is written.
            await self.journal.aclose()
        if limit.cancelled_caught or self.journal.trouble is not None:
            _log.error("the journal was closed before all was written: %s", self.journal.trouble or "time was up")

    async def release(self) -> None:
        """Have no more looks made, and let go of the poller."""
        self.jobs.close()
        if self._expiring is not None:
            self._expiring.cancel()
        if self._poller_end is not None:
            self._poller_end.cancel()
        await self.follower.aclose()

    def _expire(self) -> None:
        self.journal.put(Expired(self.poller.unix() - self._keep))
        self._expiring = asyncio.get_running_loop().call_later(_EXPIRING_EVERY, self._expire)

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is None or self.outbox.error is not None or self.outbox.closed:
            return
        if not isinstance(error, JobwatchError):
            fault, error = error, JobwatchError(f"the watcher has stopped by a fault of its own ({task.get_name()})")
            error.__cause__ = fault
        self.jobs.close()
        self.outbox.stop(error)
        _log.error("the watcher has stopped: %s", error, exc_info=error)


async def _end_of(poller: Poller) -> None:
    """Wait until no more looks will be made, and raise why."""
    await poller.stopped.wait()
    poller.check()
