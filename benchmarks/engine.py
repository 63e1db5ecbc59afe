"""What does watching on NATS cost beside the looks themselves, and how late is what it tells?

    python -m benchmarks.engine [--watches N] [--looks R] [--seconds S] [--shards K] [--json]
    python -m benchmarks.engine --hold 300000

PLACEHOLDER
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from jobwatch import ChangeKind, Client
from jobwatch.nats import EmbeddedServer, ServerOptions, Watcher
from jobwatch.nats import _rules as rules
from jobwatch.nats._connection import connect
from jobwatch.nats._stream import open_streams
from jobwatch.nats._subjects import place_token

from .engine_api import Asked, job_id
from .engine_parts import Part, Worked, cpu_of, memory_of, size_of
from .engine_workers import client_of
from .rows import Row, as_json, as_text, compared

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobwatch import Watched
    from jobwatch.nats._connection import Connection
    from jobwatch.nats._stream import Stream, Streams

WORKERS = 2
BURST_SECONDS = 0.25  # of a client's budget
_AT_ONCE = 500


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done.

    Attributes:
        watches: How many jobs are watched.
        looks: How many looks there are to be a second.
        seconds: For how long is measured.
        shards: How many streams there are.
        ending: How many of the jobs end meanwhile.
    """

    watches: int
    looks: float
    seconds: float
    shards: int
    ending: int

    @property
    def interval(self) -> float:
        """Every how many seconds a job is looked at."""
        return self.watches / self.looks

    @property
    def rate(self) -> float:
        """How many requests a second one worker may make."""
        return self.looks * 1.5 / WORKERS


async def seed(streams: Streams, known: Watched, numbers: range, begin: float, interval: float) -> float:
    """Have jobs watched as if they had been looked at before, their looks spread over an interval.

    Returns:
        How long that took, in seconds.
    """
    began = time.monotonic()
    lasts = {stream.name: await stream.last_seq() for stream in streams.each}
    names = iter(numbers)

    async def some() -> None:
        for number in names:
            watched = msgspec.structs.replace(known, job_id=job_id(number))
            stream = streams.of(watched.job_id)
            record = rules.Record(watched=watched, generation=lasts[stream.name] + 1, seq=watched.seq)
            at = begin + interval * ((number * 0.618033988749895) % 1.0)
            answer = await stream.settle([rules._waiting(stream.names, record, 0, at)])  # noqa: SLF001
            assert answer.verdict is rules.Verdict.WON, answer

    await asyncio.gather(*(some() for _ in range(_AT_ONCE)))
    return time.monotonic() - began


async def first_look(api: str) -> Watched:
    """Return what one look at a job tells."""
    async with client_of(api, 1.0, 10.0) as client:
        return (await client.look(client.watched(job_id(0)))).watched


class Lateness:
    """How late ends are known, from when the look was due that found them.

    Args:
        connection: Open.
        streams: The streams.
    """

    def __init__(self, connection: Connection, streams: Streams) -> None:
        self._connection, self._streams = connection, streams
        self._due: dict[str, float] = {}
        self.seconds: dict[str, float] = {}

    async def listen(self, ending: int) -> None:
        """Take down when looks are due at the jobs that end."""
        for name in map(job_id, range(ending)):
            subject = self._streams.of(name).names.waiting(name)

            async def scheduled(message: object, name: str = name) -> None:
                at = rules.due_time(message.headers or {})
                if at is not None:
                    self._due[name] = at

            await self._connection.subscribe(subject, scheduled)
        await self._connection.client.flush()

    async def read(self, watcher: Watcher) -> None:
        """Take down how late ends are, as a reader hears of them."""
        async for batch in watcher.batches():
            now = time.time()
            for change in batch:
                if change.kind is ChangeKind.END and change.job_id in self._due:
                    self.seconds[change.job_id] = now - self._due[change.job_id]


def quantile(values: Sequence[float], share: float) -> float:
    """Return the least of some values that so large a share of them does not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What was found out; processor time in seconds a look, memory in bytes a watch."""

    looks_a_second: float
    plain: list[float]
    worker: float
    server: float
    wasted: int
    lateness: list[float]
    never_known: int
    memory: float
    most_in_a_second: int
    published_a_second: float


async def cost_of(parts: Sequence[Part], seconds: float) -> tuple[float, float, int]:
    """Return what a look costs some processes over a while, how many looks they made a second, and how many in vain."""
    before = [await part.ask(Worked) for part in parts]
    await asyncio.sleep(seconds)
    after = [await part.ask(Worked) for part in parts]
    pairs = list(zip(before, after, strict=True))
    looks = sum(b.looks - a.looks for a, b in pairs)
    cpu = sum(b.cpu - a.cpu for a, b in pairs)
    took = statistics.mean(b.at - a.at for a, b in pairs)
    return cpu / max(1, looks), looks / took, sum(b.wasted - a.wasted for a, b in pairs)


async def plain(setting: Setting, api: str) -> float:
    """Return what a look costs without an engine."""
    each = setting.watches // WORKERS
    async with AsyncExitStack() as stack:
        parts = [
            await stack.enter_async_context(
                Part("engine_workers", "plain", api, setting.interval, setting.rate, each * number, each)
            )
            for number in range(WORKERS)
        ]
        await asyncio.sleep(setting.interval + 1.0)
        cost, rate, _ = await cost_of(parts, setting.seconds / 2)
        print(f"plain {cost * 1e3:.3f} ms, {rate:.0f}/s", file=sys.stderr)
        return cost


async def measure(setting: Setting, folder: Path) -> Found:
    async with AsyncExitStack() as stack:
        api_part = await stack.enter_async_context(Part("engine_api", setting.ending))
        api = f"http://127.0.0.1:{int(await api_part.line())}"
        costs = [await plain(setting, api)]
        server = await stack.enter_async_context(EmbeddedServer(folder / "nats"))
        assert server.pid is not None
        options = ServerOptions(url=server.url, shards=setting.shards)
        connection = await stack.enter_async_context(await connect(options, "benchmark"))
        known = await first_look(api)
        async with client_of(api, 1.0, 1.0) as client:
            place = place_token(client.name, api)
        streams = await open_streams(connection, place)
        empty = memory_of(server.pid)
        spread = setting.interval
        took = await seed(streams, known, range(setting.watches), time.time() + 2.0 + setting.watches / 4000, spread)
        print(f"seeded {setting.watches / took:.0f}/s", file=sys.stderr)
        lateness = Lateness(connection, streams)
        await lateness.listen(setting.ending)
        watcher = await stack.enter_async_context(Watcher(server.url, api="bedrock", base_url=api))
        reading = asyncio.create_task(lateness.read(watcher))
        stack.callback(reading.cancel)
        parts = [
            await stack.enter_async_context(
                Part("engine_workers", "nats", api, setting.interval, setting.rate, server.url)
            )
            for _ in range(WORKERS)
        ]
        await asyncio.sleep(setting.interval + 4.0)
        start = time.time()
        await api_part.ask(Asked, "begin", start, start + setting.seconds)
        used = cpu_of(server.pid)
        cost, rate, wasted = await cost_of(parts, setting.seconds)
        spent = cpu_of(server.pid) - used
        memory = memory_of(server.pid)
        await asyncio.sleep(setting.interval + 2.0)
        asked = await api_part.ask(Asked)
        reading.cancel()
        found = list(lateness.seconds.values())
    return Found(
        looks_a_second=rate,
        plain=costs,
        worker=cost,
        server=spent / (rate * setting.seconds),
        wasted=wasted,
        lateness=found,
        never_known=setting.ending - len(found),
        memory=(memory - empty) / setting.watches,
        most_in_a_second=asked.most_in_a_second,
        published_a_second=setting.watches / took,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--watches", type=int, default=20_000)
    parser.add_argument("--looks", type=float, default=1_000.0)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--ending", type=int, default=400)
    parser.add_argument("--json", action="store_true")
    o = parser.parse_args(arguments)
    setting = Setting(watches=o.watches, looks=o.looks, seconds=o.seconds, shards=o.shards, ending=o.ending)
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(measure(setting, Path(folder)))
    late = found.lateness
    print(
        f"{found.looks_a_second:.0f} looks/s; worker {found.worker * 1e3:.3f} plain {found.plain} server {found.server * 1e3:.3f} ms"
    )
    print(
        f"late {statistics.median(late):.3f} p99 {quantile(late, 0.99):.3f} max {max(late):.3f} of {len(late)}, {found.never_known} never; wasted {found.wasted}"
    )
    print(f"memory {found.memory:.0f}; most {found.most_in_a_second}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
