"""For how long does the first request hold a service's event loop, in which aiohttp is imported?

    python -m benchmarks.first_request [--runs N] [--json]

Each run is a process of its own, in which something is to be done every millisecond, and notes how late it is. After
a moment of that alone, `jobwatch` reads a job for the first time, by a client that is there already, from a server in
another process; `import aiohttp`
does no more than that import, in the loop, as any library does that imports it when it is first needed; `nothing` goes
on for as long without either. Shown are the longest hold of the loop and the time until the job is read, medians of the
runs, which take turns.

**Bias.** *Against us*: what is not the import is counted too: the client's own first steps, the first connection. *For
us*: a program that has a great many objects waits for the garbage collector, which an import sets off.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from .look import Setting, serving
from .rows import as_json, compared

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

NAMES = ("jobwatch", "import aiohttp", "nothing")
_EVERY = 0.001
_CHILD = "import sys; from benchmarks.first_request import run; run(*sys.argv[1:])"


class Ticks:
    """Notes how late something is that is to be done every millisecond."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._due = 0.0

    def __call__(self) -> None:
        """Note it, and have the next one made."""
        now = time.perf_counter()
        if self._due:
            self.longest = max(self.longest, now - self._due)
        self._due = now + _EVERY
        asyncio.get_running_loop().call_later(_EVERY, self)


def _jobwatch(url: str) -> Callable[[], Awaitable[object]]:
    import jobwatch

    client = jobwatch.Client("bedrock", base_url=url, token="t", streams=False)

    async def read() -> None:
        await client.job("job_1")
        await client.aclose()

    return read


def _import(_: str) -> Callable[[], Awaitable[object]]:
    async def read() -> None:
        import aiohttp  # noqa: F401

    return read


def _nothing(_: str) -> Callable[[], Awaitable[object]]:
    return lambda: asyncio.sleep(0.3)


_MADE = {"jobwatch": _jobwatch, "import aiohttp": _import, "nothing": _nothing}


def run(name: str, url: str) -> None:
    """Run one in this process, and print the longest hold and the time it took, in seconds."""
    import jobwatch

    _ = jobwatch.Client  # for all of them, so that they differ in nothing else

    async def main() -> tuple[float, float]:
        read = _MADE[name](url)
        ticks = Ticks()
        ticks()
        await asyncio.sleep(0.05)
        ticks.longest = 0.0
        began = time.perf_counter()
        await read()
        took = time.perf_counter() - began
        await asyncio.sleep(0.01)
        return ticks.longest, took

    print(json.dumps(asyncio.run(main())))


def measured(runs: int) -> dict[str, dict[str, float]]:
    """Return the medians of each."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in NAMES}
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with serving("jobwatch", 1_000_000, Setting("same", tls=False)) as url:
        for _ in range(runs):
            for name, each in found.items():
                argv = [sys.executable, "-c", _CHILD, name, url]
                told = subprocess.run(argv, check=True, capture_output=True, text=True, env=env).stdout
                held, took = json.loads(told)
                each.append((held, took))
    return {
        name: {
            "held_ms": 1e3 * statistics.median(held for held, _ in each),
            "longest_ms": 1e3 * max(held for held, _ in each),
            "took_ms": 1e3 * statistics.median(took for _, took in each),
        }
        for name, each in found.items()
    }


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.first_request", description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = measured(options.runs)
    if options.json:
        ours, rival = (found[name] for name in NAMES[:2])
        rows = [compared("longest hold of the loop in ms", ours["held_ms"], rival["held_ms"], NAMES[1], 1.0)]
        print(as_json(rows, runs=options.runs, programs=found))
        return
    print(f"{options.runs} runs; the loop is held for (median, longest), and it takes (median)")
    for name, each in found.items():
        print(f"{name:16} {each['held_ms']:8.1f} ms {each['longest_ms']:8.1f} ms {each['took_ms']:8.1f} ms")


if __name__ == "__main__":
    main()
