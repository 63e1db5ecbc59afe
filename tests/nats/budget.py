"""Workers that join, leave, are killed and stand still, and the requests that they make counted at the API.

``python -m tests.nats.budget --seconds 120 --rate 40 --seed 1``, and with ``--crashes``, ``--cluster``

The job server has jobs that go on for ever, and workers that would look at them all the time are processes of their
own. Every now and then one of them is started, told to end, killed, or stopped for a while (SIGSTOP), longer than a
lease is. All requests of any second are counted, and those of each stretch of time by a bucket: there may never be more
than the rate and a burst. At the end all may work, and the whole rate has to be used.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from msgspec import Struct

from jobwatch import Client, JobwatchError, Pace
from jobwatch._core.budget import burst_of
from jobwatch.nats import ServerOptions, Watcher, Worker
from jobwatch.nats._budget import SharedBudget
from jobwatch.nats._connection import connect
from jobwatch.nats._stream import open_streams
from jobwatch.testing import JobServer

from .servers import Cluster, OneServer, Servers

JOBS = 150
BETWEEN = (0.3, 2.0)
STOPPED = (0.5, 6.5)
MOST = 5
USE_COUNTED = 6.0
LAG = 0.2
"""By how many seconds a busy machine may hold requests up between their turn and the count at the API, which bunches
them; where each had its turn, nothing is allowed for."""

SHORT = 0.1
"""How many tokens may be missing in the workers: between two of them lies the time that it takes to write one down."""


async def work(at: ServerOptions, jobs: str, token: str, spent: str, rate: float) -> None:
    """Be a worker until told to end, and write down when each request had its turn."""
    _write_down(spent)
    pace = Pace(min_interval=0.1, max_interval=0.2)
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with Client("capydb", base_url=jobs, token=token, pace=pace, max_rate=rate) as client:
        while True:
            try:
                await Worker(client, at).run()
            except asyncio.CancelledError:
                return
            except JobwatchError:  # no server at the start: whatever keeps it running starts it again
                await asyncio.sleep(0.3)


def _write_down(spent: str) -> None:
    handle, spend = os.open(spent, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), SharedBudget.spend

    def spend_and_write(self: SharedBudget) -> float:
        now = time.monotonic()  # the same for all processes of this machine
        wait = spend(self)
        if not wait:
            os.write(handle, f"{now}\n".encode())
        return wait

    SharedBudget.spend = spend_and_write  # type: ignore[method-assign]


class Child:
    """One worker's process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.goes_on_at: float | None = None

    @classmethod
    async def start(cls, servers: ServerOptions, jobs: str, token: str, spent: Path, rate: float) -> Child:
        """Start one."""
        at = servers.url, str(servers.replicas or 1)
        arguments = ("-m", "tests.nats.budget", "--worker", *at, jobs, token, str(spent), "--rate", str(rate))
        return cls(await asyncio.create_subprocess_exec(sys.executable, *arguments))

    def stand_still(self, seconds: float) -> None:
        """Stop it for so long."""
        self._process.send_signal(signal.SIGSTOP)
        self.goes_on_at = time.monotonic() + seconds

    def go_on(self, *, at_once: bool = False) -> None:
        """Let it go on, if it is time."""
        if self.goes_on_at is not None and (at_once or time.monotonic() >= self.goes_on_at):
            self._process.send_signal(signal.SIGCONT)
            self.goes_on_at = None

    async def end(self, *, kill: bool = True) -> None:
        """Kill it, or tell it to end."""
        if self._process.returncode is None:
            self.go_on(at_once=True)
            (self._process.kill if kill else self._process.terminate)()
            await self._process.wait()


def most_within(times: Sequence[float], seconds: float) -> int:
    """Return how many of these times lie within one stretch of time, at most."""
    most = first = 0
    for last, at in enumerate(times):
        while times[first] < at - seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


def lowest_level(times: Sequence[float], rate: float) -> float:
    """Return how many tokens a bucket of the rate has left at the worst of these times; below 0 there were too few."""
    level, before, lowest = burst_of(rate), times[0] if times else 0.0, 0.0
    for at in times:
        level = min(burst_of(rate), level + rate * (at - before)) - 1.0
        before, lowest = at, min(lowest, level)
    return lowest


class Flood(Struct):
    """What came of it.

    Attributes:
        arrived: When each request came in at the API.
        spent: When each had its turn in its worker; what the network and a busy machine do comes after that.
        used: Which part of the rate was used in the end.
        done: What happened how often.
    """

    arrived: list[float]
    spent: list[float]
    used: float
    done: Counter[str]


async def flood(
    folder: Path, *, seconds: float, rate: float, seed: int, cluster: bool = False, crashes: bool = False
) -> Flood:
    """Let workers come and go.

    Args:
        folder: Where NATS keeps its data.
        seconds: For how long.
        rate: How many requests a second all workers together may make.
        seed: Of what happens.
        cluster: Whether there are three NATS servers, and not one.
        crashes: Whether the server is killed too, or the one of three that leads.

    """
    rng, done = random.Random(seed), Counter[str]()
    async with AsyncExitStack() as stack:
        servers: Servers = await stack.enter_async_context((Cluster if cluster else OneServer)(folder / "nats"))
        at = servers.options
        jobs = stack.enter_context(JobServer())
        url = jobs.url_of("capydb")
        for number in range(JOBS):
            jobs.add("capydb", f"j{number}", ["running"])
        async with await connect(at, "budget") as connection:
            await open_streams(connection, "capydb-0")  # on as many servers as there are
        async with Watcher(at.url, api="capydb", base_url=url, name="adds") as watcher:
            await watcher.add(*(f"j{number}" for number in range(JOBS)))
        children: list[Child] = []

        async def join() -> None:
            child = await Child.start(at, url, str(jobs.token), folder / "spent", rate)
            stack.push_async_callback(child.end)
            children.append(child)

        for _ in range(2):
            await join()
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            await asyncio.sleep(rng.uniform(*BETWEEN))
            for child in children:
                child.go_on()
            what = rng.choice(("join", "join", "kill", "leave", "stand still", "stand still", *["crash"] * crashes))
            moving = [child for child in children if child.goes_on_at is None]
            if what == "join" and len(children) < MOST:
                await join()
            elif what == "stand still" and moving:
                rng.choice(moving).stand_still(rng.uniform(*STOPPED))
            elif what == "crash":
                await servers.crash(rng)
            elif what in ("kill", "leave") and len(moving) > 1:
                child = rng.choice(moving)
                children.remove(child)
                await child.end(kill=what == "kill")
            else:
                continue
            done[what] += 1
        for child in children:
            child.go_on(at_once=True)
        await servers.at_work()
        await asyncio.sleep(2.0 * USE_COUNTED if crashes else USE_COUNTED)  # whoever is gone is known to be by then
        before = len(jobs.requests)
        await asyncio.sleep(USE_COUNTED)
        used = (len(jobs.requests) - before) / (rate * USE_COUNTED)
        arrived = [request.at for request in jobs.requests]
    spent = sorted(float(line) for line in (folder / "spent").read_text().split())
    return Flood(arrived, spent, used, done)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=40.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cluster", action="store_true", help="three NATS servers, and not one")
    parser.add_argument(
        "--crashes", action="store_true", help="the server is killed too, or the one of three that leads"
    )
    parser.add_argument("--worker", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        url, replicas, jobs, token, spent = options.worker
        asyncio.run(work(ServerOptions(url=url, replicas=int(replicas)), jobs, token, spent, options.rate))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        flooded = asyncio.run(
            flood(
                Path(folder),
                seconds=options.seconds,
                rate=options.rate,
                seed=options.seed,
                cluster=options.cluster,
                crashes=options.crashes,
            )
        )
    most, allowed = most_within(flooded.arrived, 1.0), options.rate + burst_of(options.rate)
    print(f"{', '.join(f'{count} times {what}' for what, count in sorted(flooded.done.items()))}")
    print(f"{len(flooded.arrived)} requests; at most {most} in any second, and {allowed:g} may be")
    short = -lowest_level(flooded.spent, options.rate)
    print(f"tokens short at the worst moment: {short:.2f} in the workers", end=", ")
    print(f"{-lowest_level(flooded.arrived, options.rate):.2f} at the API")
    print(f"{100.0 * flooded.used:.0f} % of the rate was used in the end")
    is_kept = most <= allowed + LAG * options.rate and short < SHORT
    return 0 if is_kept and flooded.used > 0.75 else 1


if __name__ == "__main__":
    sys.exit(main())
