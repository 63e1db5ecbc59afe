"""Workers that join, leave, are killed and stand still, and the requests that they make counted at the API.

``python -m tests.nats.budget --seconds 120 --rate 40 --seed 1``

The job server has jobs that go on for ever, and workers that would look at them all the time are processes of their
own. Every now and then one of them is started, told to end, killed, or stopped for a while (SIGSTOP), longer than a
lease is. All requests of any second are counted, and those of each stretch of time by a bucket: there may never be more
than the rate and a burst. At the end all may work, and the whole rate has to be used.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from jobwatch import Client, Pace
from jobwatch._core.budget import burst_of
from jobwatch.nats import EmbeddedServer, ServerOptions, Watcher, Worker
from jobwatch.testing import JobServer

JOBS = 150
BETWEEN = (0.3, 2.0)
STOPPED = (0.5, 6.5)
MOST = 5
USE_COUNTED = 6.0


async def work(url: str, jobs: str, token: str, rate: float) -> None:
    """Be a worker until told to end."""
    pace = Pace(min_interval=0.1, max_interval=0.2)
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with Client("capydb", base_url=jobs, token=token, pace=pace, max_rate=rate) as client:
        try:
            await Worker(client, ServerOptions(url=url)).run()
        except asyncio.CancelledError:
            return


class Child:
    """One worker's process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.goes_on_at: float | None = None

    @classmethod
    async def start(cls, url: str, jobs: str, token: str, rate: float) -> Child:
        """Start one."""
        arguments = ("-m", "tests.nats.budget", "--worker", url, jobs, token, "--rate", str(rate))
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


async def flood(folder: Path, *, seconds: float, rate: float, seed: int) -> tuple[list[float], float, Counter[str]]:
    """Let workers come and go.

    Returns:
        When each request came in; which part of the rate was used in the end; and what happened how often.
    """
    rng, done = random.Random(seed), Counter[str]()
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(EmbeddedServer(folder / "nats"))
        jobs = stack.enter_context(JobServer())
        url = jobs.url_of("capydb")
        for number in range(JOBS):
            jobs.add("capydb", f"j{number}", ["running"])
        async with Watcher(server.url, api="capydb", base_url=url, name="adds") as watcher:
            await watcher.add(*(f"j{number}" for number in range(JOBS)))
        children: list[Child] = []

        async def join() -> None:
            child = await Child.start(server.url, url, str(jobs.token), rate)
            stack.push_async_callback(child.end)
            children.append(child)

        for _ in range(2):
            await join()
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            await asyncio.sleep(rng.uniform(*BETWEEN))
            for child in children:
                child.go_on()
            what = rng.choice(("join", "join", "kill", "leave", "stand still", "stand still"))
            moving = [child for child in children if child.goes_on_at is None]
            if what == "join" and len(children) < MOST:
                await join()
            elif what == "stand still" and moving:
                rng.choice(moving).stand_still(rng.uniform(*STOPPED))
            elif what in ("kill", "leave") and len(moving) > 1:
                child = rng.choice(moving)
                children.remove(child)
                await child.end(kill=what == "kill")
            else:
                continue
            done[what] += 1
        for child in children:
            child.go_on(at_once=True)
        await asyncio.sleep(USE_COUNTED)  # whoever is gone is known to be by then
        before = len(jobs.requests)
        await asyncio.sleep(USE_COUNTED)
        used = (len(jobs.requests) - before) / (rate * USE_COUNTED)
        times = [request.at for request in jobs.requests]
    return times, used, done


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=40.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        url, jobs, token = options.worker
        asyncio.run(work(url, jobs, token, options.rate))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        times, used, done = asyncio.run(
            flood(Path(folder), seconds=options.seconds, rate=options.rate, seed=options.seed)
        )
    most, allowed = most_within(times, 1.0), options.rate + burst_of(options.rate)
    print(f"{', '.join(f'{count} times {what}' for what, count in sorted(done.items()))}")
    print(f"{len(times)} requests; at most {most} in any second, and {allowed:g} may be")
    print(f"tokens short at the worst moment: {-lowest_level(times, options.rate):.1f}")
    print(f"{100.0 * used:.0f} % of the rate was used in the end")
    return 0 if most <= allowed and used > 0.75 else 1


if __name__ == "__main__":
    sys.exit(main())
