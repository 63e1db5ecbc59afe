"""What does waiting without async cost? Instructions of `jobwatch.wait`, against `asyncio.run` of the same wait.

    python -m benchmarks.sync [--waits N] [--by callgrind|seconds] [--json]

Each program is a Python process of its own under callgrind, which waits N times for a job that has ended, on a job
server in this process. A wait is one look then, so that what a thread and a loop cost beside it weighs most. A client
is made each time, opens a connection and is closed, except in the last two rows, where one is open all the time. The
first wait of a process, which imports aiohttp, is a row of its own; of the others the median is shown. Counted are user
instructions of all threads, between marks around each wait; without callgrind, or ``--by seconds``, CPU seconds, which
are rough.

**Bias.** *For us*: `asyncio.run` sets up a handler for SIGINT each time, since it runs in the main thread. *Against
us*: a job that runs for longer than one look costs both the same for every further look.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
from typing import TYPE_CHECKING

import jobwatch
from jobwatch.testing import JobServer

from .instructions import between_marks, has_callgrind, mark, seconds_between_marks
from .rows import Row, as_json, as_text, compared

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WAITS = 7
"""How many waits there are in each program."""

GOAL = 1.1
_JOB = "job_1"
_CHILD = "import sys; from benchmarks.sync import wait_often; wait_often(*sys.argv[1:])"


def wait_often(name: str, base_url: str, waits: str) -> None:
    """Wait so many times in one of the ways of `WAYS`, with a mark around each."""
    WAYS[name](base_url, int(waits))


def _marked(once: Callable[[], object], waits: int) -> None:
    mark()
    for _ in range(waits):
        once()
        mark()


def _wait(base_url: str, waits: int) -> None:
    _marked(lambda: jobwatch.wait(_JOB, "bedrock", base_url=base_url, token="sk_test", streams=False), waits)


def _watch(base_url: str, waits: int) -> None:
    def once() -> None:
        for _ in jobwatch.watch(_JOB, "bedrock", base_url=base_url, token="sk_test", streams=False):
            pass

    _marked(once, waits)


def _open(base_url: str, waits: int) -> None:
    with jobwatch.SyncClient("bedrock", base_url=base_url, token="sk_test", streams=False) as client:
        _marked(lambda: client.wait_for(_JOB), waits)


def _run(base_url: str, waits: int) -> None:
    async def once() -> None:
        async with jobwatch.Client("bedrock", base_url=base_url, token="sk_test", streams=False) as client:
            await client.wait_for(_JOB)

    _marked(lambda: asyncio.run(once()), waits)


def _run_for(base_url: str, waits: int) -> None:
    async def once() -> None:
        async with jobwatch.Client("bedrock", base_url=base_url, token="sk_test", streams=False) as client:
            async for _ in client.wait_for(_JOB):
                pass

    _marked(lambda: asyncio.run(once()), waits)


def _run_open(base_url: str, waits: int) -> None:
    with asyncio.Runner() as runner:
        client = jobwatch.Client("bedrock", base_url=base_url, token="sk_test", streams=False)
        _marked(lambda: runner.run(_awaited(client)), waits)
        runner.run(client.aclose())


async def _awaited(client: jobwatch.Client) -> jobwatch.Job:
    return await client.wait_for(_JOB)


WAYS: dict[str, Callable[[str, int], None]] = {
    "wait": _wait,
    "asyncio.run": _run,
    "watch": _watch,
    "asyncio.run of async for": _run_for,
    "SyncClient.wait_for": _open,
    "Runner.run": _run_open,
}
_COMPARED = (("wait", "asyncio.run"), ("watch", "asyncio.run of async for"), ("SyncClient.wait_for", "Runner.run"))


def measure(waits: int, by: str) -> list[Row]:
    """Answer the module's question.

    Args:
        waits: How many waits there are in each program.
        by: What counts: "callgrind" or "seconds".
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    subprocess.run([sys.executable, "-c", "import jobwatch; jobwatch.wait"], check=True)  # as an installer compiles it
    with JobServer() as server:
        server.add("bedrock", _JOB, [("PENDING", 0), ("RUNNING", 0), ("COMPLETED", 0)])
        url = server.url_of("bedrock")
        counted: Callable[[list[str]], Sequence[float]] = between_marks if by == "callgrind" else seconds_between_marks
        counts = {name: counted([sys.executable, "-c", _CHILD, name, url, str(waits)]) for name in WAYS}
    rows: list[Row] = []
    for ours, rival in _COMPARED:
        found = [counts[ours], counts[rival]]
        for what, costs in (
            (f"{ours}, first of a process", [float(each[0]) for each in found]),
            (ours, [statistics.median(each[1:]) for each in found]),
        ):
            rows.append(compared(what, costs[0], costs[1], rival, GOAL))
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark from the command line.

    Args:
        arguments: The arguments, without the program's name.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sync", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--waits", type=int, default=WAITS, help="how many waits in each program")
    by = "callgrind" if has_callgrind() else "seconds"
    parser.add_argument("--by", choices=("callgrind", "seconds"), default=by, help="what counts (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    options = parser.parse_args(arguments)
    if options.waits < 2:
        parser.error(f"--waits is {options.waits}; it must be at least 2")
    if options.by == "callgrind" and not has_callgrind():
        print("instructions are counted by callgrind, which needs valgrind", file=sys.stderr)
        return 1
    rows = measure(options.waits, options.by)
    print(as_json(rows) if options.json else as_text(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
