"""What is watched: jobs added, removed, woken, and how they stand."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from .._core.pace import Pace
from .._errors import JobwatchError
from .._models import AsJSON, Fault, Outcome, Phase, Problem
from .._watching.changes import Health
from ._log import Place
from ._rules import Verdict, added, due_time, record_in, woken

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from .._core.tracker import Watched
    from .._models import Job
    from ._stream import Stored, Stream, Streams

_ADDED_AT_ONCE = 200
_WAKE_TRIES = 6


class Standing(Struct, AsJSON, frozen=True, kw_only=True):
    """How a job stands in the streams.

    Attributes:
        job_id: Its id.
        generation: Which run of that id it is; see `jobwatch.Change.generation`.
        status: The API's word for its state, or None before the first good look.
        phase: Our word for it.
        outcome: How it ended, or None while it is watched.
        health: How well it can be seen.
        fault: The fault of the last look, or None if that was good.
        looks: How many looks were made.
        looked_at: When the last good one was made, in Unix seconds.
        changes: How many changes of it are in the log.
        due_at: When the next look is due, in Unix seconds; None when it is due and a worker has it or is to take it.
        error: What the API says went wrong with a job that ended, its message shortened to 400 characters.
    """

    job_id: str
    generation: int
    status: str | None
    phase: Phase | None
    outcome: Outcome | None
    health: Health
    fault: Fault | None
    looks: int
    looked_at: float | None
    changes: int
    due_at: float | None
    error: Problem | None = None

    @property
    def is_due(self) -> bool:
        """Whether a worker has it, or is to take it."""
        return self.outcome is None and self.due_at is None


class Jobs:
    """The jobs of one API at one place.

    Args:
        streams: Open.
        min_interval: How far looks that wakes ask for have to lie apart, in seconds.
    """

    def __init__(self, streams: Streams, min_interval: float | None = None) -> None:
        self._streams = streams
        self._min_interval = Pace().min_interval if min_interval is None else min_interval

    async def add(self, watched: Iterable[Watched]) -> tuple[str, ...]:
        """Watch jobs; those that are watched already, or whose end is known, are left as they are.

        Returns:
            The ids of those that were not watched before. When this returns the server has stored them.

        Raises:
            JobwatchError: The server does not answer, or cannot store one.
        """
        jobs = list({each.job_id: each for each in watched}.values())
        ids: list[str] = []
        lasts = {stream.name: await stream.last_seq() for stream in self._streams.each} if jobs else {}
        for first in range(0, len(jobs), _ADDED_AT_ONCE):
            part = jobs[first : first + _ADDED_AT_ONCE]
            news = await asyncio.gather(*(self._add(each, lasts[self._streams.of(each.job_id).name]) for each in part))
            ids += [each.job_id for each, is_new in zip(part, news, strict=True) if is_new]
        return tuple(ids)

    async def _add(self, watched: Watched, last: int) -> bool:
        stream = self._streams.of(watched.job_id)
        answer = await stream.settle([added(stream.names, watched, last, time.time())])
        if answer.verdict is Verdict.STUCK:
            raise JobwatchError(f"job {watched.job_id} cannot be stored: {answer.why}")
        return answer.verdict is Verdict.WON

    async def remove(self, job_id: str) -> bool:
        """Stop watching a job and forget it: what a look under way shows is dropped, and the log keeps what it has.

        Returns:
            Whether it was watched, or its end was known.

        Raises:
            JobwatchError: The server does not answer.
        """
        stream = self._streams.of(job_id)
        pattern = stream.names.state(job_id)
        was_there = await stream.last(pattern) is not None
        await stream.purge(pattern)
        return was_there

    async def wake(self, job_id: str) -> bool:
        """Have a job looked at now; of one that is looked at at this moment, once that look is over.

        Returns:
            Whether it will be looked at.

        Raises:
            JobwatchError: The server does not answer.
        """
        stream = self._streams.of(job_id)
        pause = 0.1
        for _ in range(_WAKE_TRIES):
            last = await stream.last(stream.names.state(job_id))
            if last is None:
                return False
            if last.subject == stream.names.waiting(job_id):
                if await self._woken(stream, last):
                    return True
            elif record_in(last.body).has_ended:
                return False
            await asyncio.sleep(pause)  # a look is under way, which may have begun before there was news
            pause *= 2.0
        return True  # it is due for so long that the look is still to come

    async def wake_those_with_news(self, listed: Iterable[Job]) -> None:
        """Have those jobs looked at now that are watched, and that a list shows in another state than is known.

        Args:
            listed: The jobs as the list shows them.

        Raises:
            JobwatchError: The server does not answer.
        """
        for job in listed:
            stream = self._streams.of(job.id)
            last = await stream.last(stream.names.state(job.id))
            if last is None or last.subject != stream.names.waiting(job.id):
                continue  # it is not watched, or is looked at in any case
            known = record_in(last.body).watched
            if (known.status, known.attempt) != (job.status, job.attempt):
                await self._woken(stream, last)

    async def _woken(self, stream: Stream, waiting: Stored) -> bool:
        record = record_in(waiting.body)
        at = due_time(waiting.headers)
        message = woken(stream.names, record, waiting.seq, at=at, now=time.time(), min_interval=self._min_interval)
        if message is None:
            return True
        return (await stream.settle([message])).verdict is Verdict.WON

    async def all(self) -> AsyncIterator[Standing]:
        """Iterate over how all jobs stand that are watched or whose end is known.

        Raises:
            JobwatchError: The server does not answer.
        """
        for stream in self._streams.each:
            found: dict[str, Standing] = {}
            async for stored in stream.all(stream.names.all_states):  # oldest first
                standing = _standing(stored)
                found[standing.job_id] = standing
            for standing in found.values():
                yield standing

    async def one(self, job_id: str) -> Standing | None:
        """Return how a job stands, or None if it is not watched and its end is not known (any more).

        Raises:
            JobwatchError: The server does not answer.
        """
        stream = self._streams.of(job_id)
        stored = await stream.last(stream.names.state(job_id))
        return None if stored is None else _standing(stored)

    async def readers(self) -> dict[str, int]:
        """Return the readers of the log by their names, each with how many messages it has not acknowledged.

        Raises:
            JobwatchError: The server does not answer.
        """
        found: dict[str, int] = {}
        for stream in self._streams.each:
            async for stored in stream.all(stream.names.all_cursors):
                place = msgspec.json.decode(stored.body, type=Place)
                behind = await stream.count_after(stream.names.all_events, place.seq)
                found[place.reader] = found.get(place.reader, 0) + behind
        return found


def _standing(stored: Stored) -> Standing:
    record = record_in(stored.body)
    watched = record.watched
    return Standing(
        job_id=watched.job_id,
        generation=record.generation,
        status=watched.status,
        phase=watched.phase,
        outcome=watched.outcome,
        health=record.health,
        fault=watched.fault,
        looks=watched.looks,
        looked_at=watched.looked_at,
        changes=record.seq,
        due_at=due_time(stored.headers),
        error=watched.error,
    )
