"""Kill workers, a reader and the server with SIGKILL, again and again, and compare the log with the truth.

``python -m tests.nats.kills --times 60 --seed 1``

Jobs pass through their states on the job server, which tells their history, so nothing need be lost. Two workers and a
reader are processes of their own. Every so often one of them, or the NATS server, is killed and started again. At the
end the log has to hold every state of every job once and in order; and the reader's record too, but for the change that
it had in hand when it was killed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

from jobwatch import Client, Pace
from jobwatch.nats import EmbeddedServer, ServerOptions, Watcher, Worker
from jobwatch.nats._connection import connect
from jobwatch.nats._rules import changes_in
from jobwatch.nats._stream import open_streams
from jobwatch.nats._subjects import place_token
from jobwatch.testing import JobServer

ACK_WAIT = 2.0
BETWEEN_KILLS = (0.3, 1.0)
LONGEST_END = 90.0
WORDS = ("PENDING", "RUNNING", "PENDING", "RUNNING", "COMPLETED")


async def work(url: str, jobs: str, token: str) -> None:
    """Be a worker until killed."""
    pace = Pace(min_interval=0.2, max_interval=1.0)
    async with Client("bedrock", base_url=jobs, token=token, pace=pace) as client:
        await Worker(client, ServerOptions(url=url), ack_wait=ACK_WAIT).run()


async def write_down(url: str, jobs: str, record: Path) -> None:
    """Be a reader until killed, and write down the key of each change before it is acknowledged."""
    handle = os.open(record, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    async with Watcher(url, api="bedrock", base_url=jobs) as watcher:
        async for change in watcher:
            os.write(handle, f"{change.key}\n".encode())


class Process:
    """A child that is started again when it has been killed."""

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


def wrong_in(keys: list[str], number: int, *, again: int = 0) -> list[str]:
    """Return what is wrong with keys that were told, where as many as `again` may come twice."""
    told: dict[str, list[int]] = {}
    for key in dict.fromkeys(keys):
        job_id, _, seq = key.partition(":")
        told.setdefault(job_id, []).append(int(seq.rpartition(".")[2]))
    twice = sum(count - 1 for count in Counter(keys).values())
    wrong = [f"{twice} told again, and {again} may be"] if twice > again else []
    right = list(range(1, len(WORDS) + 1))
    return wrong + [
        f"j{number}: {told.get(f'j{number}')}" for number in range(number) if told.get(f"j{number}") != right
    ]


async def flood(folder: Path, times: int, seed: int, number: int) -> list[str]:
    """Let jobs run and kill as often; return what was wrong."""
    rng, record, killed = random.Random(seed), folder / "record", Counter[str]()
    record.touch()
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(EmbeddedServer(folder / "nats"))
        jobs = await stack.enter_async_context(JobServer())
        url, at = jobs.url_of("bedrock"), ServerOptions(url=server.url)
        longest = times * sum(BETWEEN_KILLS) / 2.0
        for each in range(number):
            begins, lasts = rng.uniform(0.0, longest * 0.7), rng.uniform(1.0, longest * 0.3 + 1.0)
            steps = [(word, begins + lasts * step / len(WORDS)) for step, word in enumerate(WORDS)]
            jobs.add("bedrock", f"j{each}", [(WORDS[0], 0.0), *steps[1:]], shape="vision", events=True)
        async with Watcher(server.url, api="bedrock", base_url=url, name="adds") as watcher:
            await watcher.add(*(f"j{each}" for each in range(number)))
        children = {
            "worker 1": Process("--worker", server.url, url, str(jobs.token)),
            "worker 2": Process("--worker", server.url, url, str(jobs.token)),
            "reader": Process("--reader", server.url, url, str(record)),
        }
        for child in children.values():
            stack.push_async_callback(child.kill)
            await child.start()
        for _ in range(times):
            await asyncio.sleep(rng.uniform(*BETWEEN_KILLS))
            name = rng.choice([*children, "server"])
            killed[name.partition(" ")[0]] += 1
            await (server if name == "server" else children[name]).kill()
            await (server if name == "server" else children[name]).start()
        async with Client("bedrock", base_url=url, token="none") as client:
            place = place_token(client.name, url)
        until, wanted = time.monotonic() + LONGEST_END, number * len(WORDS)
        while time.monotonic() < until and len(set(record.read_text().split())) < wanted:  # noqa: ASYNC110 - a file
            await asyncio.sleep(0.5)
        keys = await log_of(at, place)
    print(f"{sum(killed.values())} kills ({', '.join(f'{count} {name}' for name, count in sorted(killed.items()))})")
    in_log = [f"log: {told}" for told in wrong_in(keys, number)]
    return in_log + [f"reader: {told}" for told in wrong_in(record.read_text().split(), number, again=killed["reader"])]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=100)
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--reader", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        asyncio.run(work(*options.worker))
    if options.reader:
        asyncio.run(write_down(options.reader[0], options.reader[1], Path(options.reader[2])))
    with tempfile.TemporaryDirectory() as folder:
        wrong = asyncio.run(flood(Path(folder), options.times, options.seed, options.jobs))
    print(*wrong[:20], sep="\n")
    print(f"{options.jobs * len(WORDS)} changes, {len(wrong)} things wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
