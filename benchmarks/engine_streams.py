"""What `benchmarks.engine` puts into NATS, and reads out of it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import msgspec

from jobwatch import ChangeKind
from jobwatch.nats import _rules as rules
from jobwatch.nats._stream import Streams, open_streams
from jobwatch.nats._subjects import place_token

from .engine_api import GOLDEN, job_id
from .engine_workers import client_of

if TYPE_CHECKING:
    from nats.aio.msg import Msg

    from jobwatch import Watched
    from jobwatch.nats import Watcher
    from jobwatch.nats._connection import Connection

_AT_ONCE = 500


async def opened(connection: Connection, api: str) -> Streams:
    """Return the streams for the jobs of an API."""
    return await open_streams(connection, place_token("bedrock", api))


async def first_look(api: str) -> Watched:
    """Return what one look at a job tells, for all jobs."""
    async with client_of(api, 1.0, 10.0) as client:
        return (await client.look(client.watched(job_id(0)))).watched


async def seed(streams: Streams, known: Watched, watches: int, begin: float, interval: float) -> float:
    """Have jobs watched as if each had been looked at before; their next looks are spread over an interval.

    Returns:
        How long the server took to store them, in seconds.
    """
    began, numbers = time.monotonic(), iter(range(watches))
    lasts = {stream.name: await stream.last_seq() for stream in streams.each}

    async def some() -> None:
        for number in numbers:
            watched = msgspec.structs.replace(known, job_id=job_id(number))
            stream = streams.of(watched.job_id)
            record = rules.Record(watched=watched, generation=lasts[stream.name] + 1, seq=watched.seq)
            due = begin + interval * ((number * GOLDEN) % 1.0)
            answer = await stream.settle([rules._waiting(stream.names, record, 0, due)])  # noqa: SLF001
            assert answer.verdict is rules.Verdict.WON, answer

    await asyncio.gather(*(some() for _ in range(_AT_ONCE)))
    return time.monotonic() - began


class Lateness:
    """How late ends are known to a reader, from when the look was due that found them.

    Args:
        connection: Open.
        streams: The streams.

    Attributes:
        seconds: How late each end was known, by the job's id.
    """

    def __init__(self, connection: Connection, streams: Streams) -> None:
        self._connection, self._streams = connection, streams
        self._due: dict[str, float] = {}
        self.seconds: dict[str, float] = {}

    async def listen(self, ending: int) -> None:
        """Take down when looks are due at the jobs that end, as workers publish it."""
        for name in map(job_id, range(ending)):
            subject = self._streams.of(name).names.waiting(name)

            async def scheduled(message: Msg, name: str = name) -> None:
                at = rules.due_time(message.headers or {})
                if at is not None:
                    self._due[name] = at

            await self._connection.subscribe(subject, scheduled)
        await self._connection.client.flush()

    async def read(self, watcher: Watcher) -> None:
        """Take down how late ends are, as a reader hears of them, until cancelled."""
        async for changes in watcher.batches():
            now = time.time()
            for change in changes:
                if change.kind is ChangeKind.END and change.job_id in self._due:
                    self.seconds[change.job_id] = now - self._due[change.job_id]
