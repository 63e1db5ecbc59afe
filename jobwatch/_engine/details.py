"""What an API tells of an end by requests of its own: what went wrong, and what the job made.

They are made once, when an end is read, and hold that back for a few seconds at most: for two tries at each, together,
and no longer than somebody whose time is up will wait. Then the end is told without what they would have said.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from .._errors import ConfigError
from .._http.tasks import ended
from .._models import Job, printable
from .watch import AwaitedWatch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._core.source import Seen, Source
    from .schedule import Schedule
    from .watch import Watch

TIME_LIMIT: Final = 5.0
"""How long an end is held back for them, in seconds."""

_log = logging.getLogger("jobwatch")


class Details:
    """Asks for what is told of an end by requests of its own.

    Args:
        source: Is asked.
        schedule: Says when a request may go.
    """

    def __init__(self, source: Source, schedule: Schedule) -> None:
        self._source = source
        self._schedule = schedule

    async def of(self, seen: Seen, watches: Sequence[Watch] = ()) -> Seen:
        """Return an answer with all that can be had of the end that it tells; one that tells none as it is.

        Args:
            seen: The answer.
            watches: Whom it is for; any of them may have the end told at once.
        """
        job = seen.what
        if not isinstance(job, Job) or not job.phase.ended or seen.onward is not None:
            return seen
        told = [job]
        asking = asyncio.get_running_loop().create_task(self._asked(job, told))
        hurry: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        awaited = [watch for watch in watches if isinstance(watch, AwaitedWatch)]
        for watch in awaited:
            watch.hurry = hurry
        try:
            both: list[asyncio.Future[Any]] = [asking, hurry]
            await asyncio.wait(both, timeout=TIME_LIMIT, return_when=asyncio.FIRST_COMPLETED)
            trouble = asking.result() if asking.done() else "no answer in time"
        finally:
            for watch in awaited:
                watch.hurry = None
            asking.cancel()
            await ended([asking])
        if trouble is not None:
            _log.warning("job %s has ended, and not all of its end could be read: %s", printable(job.id), trouble)
        return replace(seen, what=told[-1])

    async def _asked(self, job: Job, told: list[Job]) -> str | None:
        """Ask, and return why not all is known; whatever that is, the end is told."""
        try:
            fault = await self._source.details(job, told.append, self._schedule.turn)
        except Exception as error:  # noqa: BLE001 - such as an id that is not fit for that URL
            return str(error) if isinstance(error, ConfigError) else type(error).__name__
        if fault is not None:
            self._schedule.heed(fault)
        return None if fault is None else str(fault)
