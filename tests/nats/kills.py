"""Kill workers, readers and NATS servers with SIGKILL, again and again, and compare the log with the truth.

``python -m tests.engine --kills 60 --seed 1``

Jobs pass through their states on the job server, which tells their history, so nothing need be lost; others run on.
Two workers and a reader are processes of their own, and want more requests than they may make. Every so often one
of them is killed and started again, or a NATS server: in the first part the only one, in the second the one of three
that leads the stream. Some kills later there is a pause as long as ack-wait. After that every job that runs on has to
be looked at again, at the full rate. At the end the log has to hold every state of every job once and in order; and the
reader's record too, but for the change that it had in hand when it was killed. In no second may the API have been asked
more than rate and burst allow; a second is taken to be longer by `TOGETHER` and by what this process was held up.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import random
import sys
import tempfile
import time
from array import array
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from msgspec import Struct

from benchmarks.engine_api import most_within
from jobwatch import Client, JobwatchError, Pace
from jobwatch.nats import ServerOptions, Watcher, Worker
from jobwatch.nats._connection import cancelled, connect
from jobwatch.nats._rules import changes_in
from jobwatch.nats._stream import open_streams
from jobwatch.nats._subjects import place_token
from jobwatch.testing import JobServer

from .servers import Cluster, OneServer, Servers

WORDS = ("PENDING", "RUNNING", "PENDING", "RUNNING", "COMPLETED")
STEADY = WORDS[:2]
WORKERS = 2
RATE = 80.0  # requests a second of all workers together
BURST_SECONDS = 0.25
LONGEST_START = 60.0
LONGEST_END = 90.0
TICK = 0.01
TOGETHER = 0.05  # seconds apart that requests are sent that come together: connections are made, others use the machine
RATE_OVER = 2.0
LOOKED_WITHIN = 10.0
FULL = 0.85  # of the rate, in a second of a machine that others use too
PAUSE_AFTER = 10  # kills


class Flood(Struct, frozen=True, kw_only=True):
    """What is done in one part.

    Attributes:
        kills: How many processes are killed.
        seed: Decides which, and what the jobs do.
        ack_wait: After how many seconds what a worker had in hand goes to another: half the default.
        between: The shortest and the longest time between two kills, in seconds.
        jobs: How many jobs pass through their states meanwhile.
        steady: How many run on for good.
        has_pauses: Whether it is measured how soon the full rate is there again.
        is_cluster: Whether there are three servers; they take 4 to 9 s to agree on a leader.
    """

    kills: int
    seed: int
    ack_wait: float = 15.0
    between: tuple[float, float] = (0.3, 1.0)
    jobs: int = 100
    steady: int = 200
    has_pauses: bool = True
    is_cluster: bool = False

    @property
    def expected(self) -> Mapping[str, int]:
        """How many changes of each job the log has to hold."""
        moving = {f"j{number}": len(WORDS) for number in range(self.jobs)}
        return {**moving, **{f"s{number}": len(STEADY) for number in range(self.steady)}}


async def work(url: str, jobs: str, token: str, ack_wait: str) -> None:
    """Be a worker until killed."""
    pace = Pace(min_interval=0.2, max_interval=1.0)
    async with Client("bedrock", base_url=jobs, token=token, pace=pace, max_rate=RATE) as client:
        await again_and_again(lambda: Worker(client, ServerOptions(url=url), ack_wait=float(ack_wait)).run())


async def write_down(url: str, jobs: str, record: str) -> None:
    """Be a reader until killed, and write down the key of each change before it is acknowledged."""
    handle = os.open(record, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    async def read() -> None:
        async with Watcher(url, api="bedrock", base_url=jobs) as watcher:
            async for change in watcher:
                os.write(handle, f"{change.key}\n".encode())

    await again_and_again(read)


async def again_and_again(run: Callable[[], Awaitable[None]]) -> None:
    """Begin anew where no server answers at the start, as a supervisor does."""
    while True:
        try:
            await run()
        except JobwatchError as error:
            logging.getLogger("jobwatch.nats").debug("begun anew: %s", error)
            await asyncio.sleep(0.2)


class Process:
    """A child that may be killed and started again."""

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it."""
        self._process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.nats.kills", *self._arguments)

    async def kill(self) -> None:
        """Kill it, and wait until it is gone."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


async def log_of(at: ServerOptions, place: str) -> list[str]:
    """Return the keys of all changes in the log, in its order."""
    async with await connect(at, "kills") as connection:
        stream = (await open_streams(connection, place)).each[0]
        return [
            change.key async for stored in stream.all(stream.names.all_events) for change in changes_in(stored.body)
        ]


def wrong_in(keys: Iterable[str], expected: Mapping[str, int], *, again: int = 0) -> list[str]:
    """Return what is wrong with keys that were told.

    Args:
        keys: In the order in which they were told.
        expected: How many changes of each job there are.
        again: How many of them may come twice, each behind itself.
    """
    told: dict[str, list[int]] = {}
    counts = Counter(keys)
    for key in counts:
        job_id, _, seq = key.partition(":")
        told.setdefault(job_id, []).append(int(seq.rpartition(".")[2]))
    twice = sum(count - 1 for count in counts.values())
    wrong = [f"{twice} told again, and {again} may be"] if twice > again else []
    return wrong + [
        f"{job_id}: {told.get(job_id)}"
        for job_id in dict.fromkeys([*expected, *told])
        if told.get(job_id) != list(range(1, expected.get(job_id, 0) + 1))
    ]


class Lag:
    """How late this process runs what is due, at most: by so much requests that were sent apart may come together."""

    def __init__(self) -> None:
        self.seconds = 0.0

    async def run(self) -> None:
        """Watch it until cancelled."""
        while True:
            began = time.monotonic()
            await asyncio.sleep(TICK)
            self.seconds = max(self.seconds, time.monotonic() - began - TICK)


class Pauses:
    """What is to hold when nothing has been killed, and all servers have been at work, for as long as ack-wait.

    Args:
        flood: What is done.
        jobs: Is asked.
    """

    def __init__(self, flood: Flood, jobs: JobServer) -> None:
        self._flood, self._jobs = flood, jobs
        self.wrong: list[str] = []

    async def begin(self) -> None:
        """Wait until every job that runs on was looked at once."""
        if left := await self._left(0.0, LONGEST_START):
            self.wrong.append(f"{len(left)} jobs were never looked at, as {min(left)}")

    async def pause(self, killed: str) -> None:
        """Wait, and note what does not hold after that."""
        await asyncio.sleep(self._flood.ack_wait)
        since = self._jobs.now()
        await asyncio.sleep(RATE_OVER)
        rate = len(self._asked(since)) / RATE_OVER
        if rate < RATE * FULL:
            self.wrong.append(f"{rate:.0f} requests a second, and not {RATE:.0f}, after a {killed} was killed")
        if left := await self._left(since, LOOKED_WITHIN):
            self.wrong.append(f"{len(left)} jobs were not looked at again after a {killed} was killed, as {min(left)}")

    async def end(self) -> None:
        """Wait until every job that runs on was looked at once more."""
        if left := await self._left(self._jobs.now(), LONGEST_END):
            self.wrong.append(f"{len(left)} jobs were forgotten, as {min(left)}")

    async def _left(self, since: float, within: float) -> set[str]:
        """Return which of the jobs that run on were not looked at since, when all were or the time is over."""
        left = {f"s{number}" for number in range(self._flood.steady)}
        while (left := left - set(self._asked(since))) and self._jobs.now() < since + within:  # noqa: ASYNC110 - a server
            await asyncio.sleep(0.2)
        return left

    def _asked(self, since: float) -> list[str | None]:
        return [request.job_id for request in self._jobs.requests if request.at >= since]


async def flood(folder: Path, part: Flood) -> list[str]:
    """Let jobs run and kill as often; return what was wrong."""
    rng, record, killed = random.Random(part.seed), folder / "record", Counter[str]()
    record.touch()
    async with AsyncExitStack() as stack:
        servers: Servers = await stack.enter_async_context(
            Cluster(folder / "nats") if part.is_cluster else OneServer(folder / "nats")
        )
        jobs = await stack.enter_async_context(JobServer())
        url, at = jobs.url_of("bedrock"), servers.options
        add_jobs(jobs, part, rng)
        async with await connect(at, "kills") as connection:  # makes the stream, on as many servers as it is to be
            place = place_token("bedrock", url)
            await open_streams(connection, place)
        async with Watcher(at.url, api="bedrock", base_url=url, name="adds") as watcher:
            await watcher.add(*part.expected)
        worker = ("--worker", at.url, url, str(jobs.token), str(part.ack_wait))
        children = {f"worker {number}": Process(*worker) for number in range(WORKERS)}
        children["reader"] = Process("--reader", at.url, url, str(record))
        for child in children.values():
            stack.push_async_callback(child.kill)
            await child.start()
        pauses, lag = Pauses(part, jobs), Lag()
        stack.push_async_callback(cancelled, [asyncio.create_task(lag.run())])
        await pauses.begin()
        for number in range(1, part.kills + 1):
            await asyncio.sleep(rng.uniform(*part.between))
            name = rng.choice([*children, "server"])
            if name == "server":
                name = await servers.crash(rng)
            else:
                await children[name].kill()
                await children[name].start()
            killed[name.partition(" ")[0]] += 1
            if part.has_pauses and (number % PAUSE_AFTER == 0 or number == part.kills):
                await servers.at_work()
                await pauses.pause(name)
        await pauses.end()
        until, wanted = time.monotonic() + LONGEST_END, sum(part.expected.values())
        while time.monotonic() < until and len(set(record.read_text().split())) < wanted:  # noqa: ASYNC110 - a file
            await asyncio.sleep(0.5)
        keys = await log_of(at, place)
        most = most_within(array("d", [request.at for request in jobs.requests]), 1.0)
    allowed = RATE * (1.0 + BURST_SECONDS + TOGETHER + lag.seconds)
    print(
        f"{sum(killed.values())} kills ({', '.join(f'{count} {name}' for name, count in sorted(killed.items()))}),"
        f" {len(keys)} changes, {most} requests in the fullest second,"
        f" of {allowed:.0f} with {lag.seconds * 1e3:.0f} ms of lag",
        flush=True,
    )
    wrong = [f"log: {told}" for told in wrong_in(keys, part.expected)]
    wrong += [f"reader: {told}" for told in wrong_in(record.read_text().split(), part.expected, again=killed["reader"])]
    if most > allowed:
        wrong.append(f"{most} requests in a second, and {allowed:.0f} may be")
    return wrong + pauses.wrong


def add_jobs(jobs: JobServer, part: Flood, rng: random.Random) -> None:
    """Add jobs that begin at some time of the flood, and jobs that run on."""
    longest = part.kills * sum(part.between) / 2.0
    for number in range(part.jobs):
        begins, lasts = rng.uniform(0.0, longest * 0.7), rng.uniform(1.0, longest * 0.3 + 1.0)
        steps = [(word, begins + lasts * step / len(WORDS)) for step, word in enumerate(WORDS)]
        jobs.add("bedrock", f"j{number}", [(WORDS[0], 0.0), *steps[1:]], shape="vision", events=True)
    for number in range(part.steady):
        jobs.add("bedrock", f"s{number}", [(word, 0.0) for word in STEADY], shape="vision", events=True)


def parts_of(kills: int, seed: int, jobs: int) -> list[Flood]:
    """Return the two parts: three kills in five are with one server."""
    single = kills - kills * 2 // 5
    return [
        Flood(kills=single, seed=seed, jobs=jobs),
        Flood(kills=kills - single, seed=seed + 1, between=(0.5, 4.0), jobs=jobs, is_cluster=True),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the floods, or be one of their processes."""
    parser = argparse.ArgumentParser(prog="python -m tests.engine", description=__doc__)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=100)
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--reader", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.worker:
        asyncio.run(work(*options.worker))
    if options.reader:
        asyncio.run(write_down(*options.reader))
    wrong: list[str] = []
    for part in parts_of(options.kills, options.seed, options.jobs):
        with tempfile.TemporaryDirectory() as folder:
            wrong += asyncio.run(flood(Path(folder), part))
    print(*wrong[:20], sep="\n")
    print(f"{options.kills} kills, {len(wrong)} things wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
