"""How much processor time does a look take where thousands of jobs are waited for at once, beside loops by hand?

    python -m benchmarks.waits [WAY ...] [--jobs N] [--looks N] [--pause SECONDS] [--rounds N] [--json]

10,000 jobs are waited for in one process; the server ends each at its third look, and the looks at a job lie
``--pause`` seconds apart, so that the process sleeps for most of the time. The server runs in a process of its own on
loopback; in each reply a time is later than in the one before. Each way runs in a fresh process, after one job to warm
up, with 64 connections; the ways take turns, and the median of the rounds is shown. What counts is the CPU time of the
process, its share of the kernel included, over all looks: with three looks a job, a third of them are first looks and a
third last ones, so what it costs to begin and to end a wait counts as well. The second row of each is how much larger
the process has become at most, a job.

* **Ours**: ``wait_all``, and a ``Watcher`` without a journal.
* **Rivals**: a task a job around aiohttp and msgspec (`bare`), the same with tenacity's retry, azure-core's poller, and
  the waiter of aiobotocore. What has a format of its own gets the smallest body that the format allows.

**Bias.** *For us*: nothing fails, and there is no TLS; looks begin up to 0.05 s later than the pause says, so that
those of a moment begin together. *Against us*: a jobwatch client spreads its looks over the pause, so that the loop
wakes for a few at a time, with a cold cache, where the others send all at the same moment; and it keeps a schedule, a
budget and what was seen, which a bare loop does not.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib.util
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from .rows import Row, as_json, as_text, compared
from .wait_ways import NEEDS, WAYS, bodies

if TYPE_CHECKING:
    from collections.abc import Sequence

GOAL = 1.0
OURS = ("jobwatch", "jobwatch_watcher")


class Cost(NamedTuple):
    """What one way costs.

    Attributes:
        cpu: Microseconds of CPU time a look.
        memory: KiB a job, at most.
    """

    cpu: float
    memory: float


def cost_one(way: str, url: str, jobs: str, looks: str, pause: str) -> None:
    """Print what one way costs, warm; run in a process of its own."""

    async def run() -> Cost:
        ids = [f"job_{number}" for number in range(int(jobs))]
        await WAYS[way](url, ["job_warm"], 0.01)
        gc.collect()
        size, began = _size(), time.process_time()
        await WAYS[way](url, ids, float(pause))
        took = time.process_time() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return Cost(took / (len(ids) * int(looks)) * 1e6, (peak - size) / len(ids) / 1024)

    print(json.dumps(asyncio.run(run())))


def _size() -> int:
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * resource.getpagesize()


def missing(way: str) -> str | None:
    """Return what a way needs and is not installed."""
    for name in NEEDS.get(way, ()):
        if importlib.util.find_spec(name.partition(".")[0]) is None:
            return name
    return None


def cost(way: str, jobs: int, looks: int, pause: float) -> Cost:
    """Return what a way costs, in processes of their own."""
    running, ended = bodies(way)
    server = [sys.executable, "-m", "benchmarks.look_server", running, ended, str(looks - 1), "--changing"]
    child = "import sys; from benchmarks.waits import cost_one; cost_one(*sys.argv[1:])"
    with subprocess.Popen(server, stdout=subprocess.PIPE, text=True) as serving:
        try:
            assert serving.stdout is not None
            url = f"http://127.0.0.1:{serving.stdout.readline().strip()}"
            command = [sys.executable, "-c", child, way, url, str(jobs), str(looks), str(pause)]
            return Cost(*json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))
        finally:
            serving.terminate()


def measure(ways: Sequence[str], jobs: int, looks: int, pause: float, rounds: int) -> list[Row]:
    """Answer the module's question.

    Args:
        ways: Which ways, of `WAYS`.
        jobs: For how many jobs.
        looks: At which look each ends.
        pause: How long to wait between two looks at a job, in seconds.
        rounds: How often each way is measured.
    """
    costs: dict[str, list[Cost]] = {way: [] for way in ways}
    for number in range(rounds):
        for way, each in costs.items():
            print(f"round {number + 1}/{rounds}  {way}", end="\x1b[K\r", file=sys.stderr)
            each.append(cost(way, jobs, looks, pause))
    print("\x1b[K", end="", file=sys.stderr)
    rows: list[Row] = []
    for ours in filter(costs.__contains__, OURS):
        cpu, memory = _medians(costs[ours])
        for rival in (way for way in ways if way not in OURS):
            rivals_cpu, rivals_memory = _medians(costs[rival])
            what = f"{ours}, {jobs:,} jobs of {looks} looks"
            rows.append(compared(f"CPU us a look: {what}", cpu, rivals_cpu, rival, GOAL))
            rows.append(compared(f"KiB a job: {what}", memory, rivals_memory, rival, GOAL))
    return rows


def _medians(costs: Sequence[Cost]) -> Cost:
    return Cost(statistics.median(each.cpu for each in costs), statistics.median(each.memory for each in costs))


def main() -> None:
    """Measure, and print a line a figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ways", nargs="*", choices=[[], *WAYS], default=[], metavar="WAY", help=", ".join(WAYS))
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--looks", type=int, default=3)
    parser.add_argument("--pause", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    asked = options.ways or list(WAYS)
    skipped = {way: need for way in asked if (need := missing(way)) is not None}
    ways = [way for way in asked if way not in skipped]
    rows = measure(ways, options.jobs, options.looks, options.pause, options.rounds)
    print(as_json(rows, skipped=skipped) if options.json else as_text(rows))
    for way, need in skipped.items():
        print(f"{way} was left out: {need} is not installed", file=sys.stderr)


if __name__ == "__main__":
    main()
