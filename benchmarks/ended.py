"""How long does it take to learn that jobs have ended already, against a gather of bare requests?

    python -m benchmarks.ended [--jobs N ...] [--rounds N] [--trip SECONDS] [--herd N] [--json]
    python -m benchmarks.ended --by callgrind [--jobs N ...] [--json]

A service that starts again, or a gate over yesterday's jobs, asks about thousands of jobs that have long ended. The
server runs in a process of its own, on loopback, and says of every job that it has ended; ``--trip`` has it answer that
much later, as a server far away does. Each way runs in a fresh process, after one job to warm up, with 64 connections;
the ways take turns, and the median of the rounds is shown, of which there are three times as many with few jobs: the
seconds that pass, and those of processor time. With ``--by callgrind`` user instructions are counted instead, and what
2N jobs take more than N is shown for each job.

* **Ours**: ``wait_all``, ``as_completed``, and a ``Watcher`` without a journal, until the last end is known.
* **Rival**: aiohttp with msgspec, `asyncio.gather` over one request a job, in one session.

The last row holds the price down: the same client must not let a herd through. 10,000 waits for jobs that go on start
at the same moment on a clock that stands still while something runs; it is the fullest second of 300 over their mean
(stage ``spread`` of `benchmarks.fleet_stages`), beside 1 for requests that are spread evenly.

**Bias.** *For us*: none that we know of. *Against us*: a gather keeps no state of any job, sends all at once, and does
not mind what the server says of its limits.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING, TypeVar

import msgspec

from .instructions import between_marks, has_callgrind, mark
from .look_rivals import JOB_DONE, TOKEN
from .rows import Row, as_json, as_text, compared

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from jobwatch import Client

_T = TypeVar("_T")

GOAL = 1.3
MOST_OF_A_HERD = 1.5
CONNECTIONS = 64
HERD = 10_000
_RIVAL = "bare"
_TIMED = (1_000, 10_000)
_SHORT = 5_000
_OFTENER = 3
"""How many times as often fewer jobs than `_SHORT` are timed: what such a run takes differs by a third."""
_COUNTED = (300,)


def _client(url: str) -> Client:
    from jobwatch import Client

    return Client("bedrock", token=TOKEN, base_url=f"{url}/v1", max_in_flight=CONNECTIONS)


async def wait_all(url: str, ids: Sequence[str]) -> None:
    """Wait for all jobs together."""
    async with _client(url) as client:
        await client.wait_all(ids)


async def as_completed(url: str, ids: Sequence[str]) -> None:
    """Take the jobs as they end."""
    async with _client(url) as client:
        async for handle in client.as_completed(ids):
            await handle


async def watcher(url: str, ids: Sequence[str]) -> None:
    """Watch the jobs in the background until the end of each was told."""
    from jobwatch import ChangeKind, Watcher

    async with _client(url) as client, Watcher(client) as watching:
        await watching.add(*ids)
        left = len(ids)
        async for change in watching:
            left -= change.kind is ChangeKind.END
            if not left:
                break


async def bare(url: str, ids: Sequence[str]) -> None:
    """Ask about each job once."""
    import aiohttp

    from .look_rivals.bare import Envelope

    decoder = msgspec.json.Decoder(Envelope)
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}, connector=connector) as session:

        async def ask(job_id: str) -> None:
            async with session.get(f"{url}/v1/jobs/{job_id}") as response:
                response.raise_for_status()
                assert decoder.decode(await response.read()).data.status == "COMPLETED"

        await asyncio.gather(*map(ask, ids))


WAYS = {"wait_all": wait_all, "as_completed": as_completed, "watcher": watcher, _RIVAL: bare}


def time_one(way: str, url: str, jobs: str) -> None:
    """Print the seconds that one way takes, warm, and its CPU seconds; run in a process of its own."""

    async def run() -> tuple[float, float]:
        await WAYS[way](url, ["job_warm"])
        ids = [f"job_{number}" for number in range(int(jobs))]
        mark()
        began, ran = time.perf_counter(), time.process_time()
        await WAYS[way](url, ids)
        took = time.perf_counter() - began, time.process_time() - ran
        mark()
        return took

    print(json.dumps(asyncio.run(run())))


def _run(way: str, jobs: int, trip: float, runs: Callable[[Sequence[str]], _T]) -> _T:
    """Run one way in a process of its own, with a server in another."""
    server = [sys.executable, "-m", "benchmarks.look_server", JOB_DONE, JOB_DONE, "0", str(trip)]
    child = "import sys; from benchmarks.ended import time_one; time_one(*sys.argv[1:])"
    with subprocess.Popen(server, stdout=subprocess.PIPE, text=True) as serving:
        try:
            assert serving.stdout is not None
            url = f"http://127.0.0.1:{serving.stdout.readline().strip()}"
            return runs([sys.executable, "-c", child, way, url, str(jobs)])
        finally:
            serving.terminate()


def _seconds(command: Sequence[str]) -> tuple[float, float]:
    wall, cpu = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return wall, cpu


def _instructions(command: Sequence[str]) -> int:
    return between_marks(command)[0]


def _herd(jobs: int) -> float:
    command = [sys.executable, "-m", "benchmarks.fleet_stages", "spread", "jobwatch", str(jobs)]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return found["peak_over_mean"]


def measure(sizes: Sequence[int], rounds: int, trip: float, herd: int = HERD) -> list[Row]:
    """Answer the module's question.

    Args:
        sizes: For how many jobs.
        rounds: How often each way is timed; three times as often with fewer than 5,000 jobs.
        trip: How much later the server answers, in seconds.
        herd: How many jobs that go on are waited for at once.
    """
    rows: list[Row] = []
    for jobs in sizes:
        took: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
        for _ in range(rounds * _OFTENER if jobs < _SHORT else rounds):
            for way, each in took.items():
                each.append(_run(way, jobs, trip, _seconds))
        for number, what in enumerate(("seconds", "CPU seconds")):
            medians = {way: statistics.median(both[number] for both in each) for way, each in took.items()}
            rows += _rows(f"{what}: {{}}, {jobs:,} jobs", medians)
    peak = _herd(herd)
    name = "spread evenly"
    return [*rows, compared("fullest second of a herd, over the mean", peak, 1.0, name, MOST_OF_A_HERD)]


def count(sizes: Sequence[int]) -> list[Row]:
    """Count user instructions a job.

    Args:
        sizes: Of how many jobs: what twice as many take more counts.
    """
    rows: list[Row] = []
    for jobs in sizes:
        took = {way: [_run(way, number, 0.0, _instructions) for number in (jobs, 2 * jobs)] for way in WAYS}
        each = {way: (twice - once) / jobs for way, (once, twice) in took.items()}
        rows += _rows(f"user instructions a job: {{}}, {jobs:,} jobs", each)
    return rows


def _rows(what: str, costs: Mapping[str, float]) -> list[Row]:
    """Return a row for each of our ways, which `what` has a place for."""
    ours = [way for way in WAYS if way != _RIVAL]
    return [compared(what.format(way), costs[way], costs[_RIVAL], "aiohttp and gather", GOAL) for way in ours]


def main() -> None:
    """Measure, and print a line a figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, nargs="+", help="1,000 and 10,000 by default; 300 where counted")
    parser.add_argument("--by", choices=("seconds", "callgrind"), default="seconds", help="what counts")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--trip", type=float, default=0.0, help="seconds after which the server answers")
    parser.add_argument("--herd", type=int, default=HERD, help="how many jobs that go on are waited for at once")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.by == "callgrind":
        if not has_callgrind():
            parser.error("instructions are counted by callgrind, which needs valgrind")
        rows = count(options.jobs or _COUNTED)
    else:
        rows = measure(options.jobs or _TIMED, options.rounds, options.trip, options.herd)
    print(as_json(rows) if options.json else as_text(rows))


if __name__ == "__main__":
    main()
