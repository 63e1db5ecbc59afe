"""What does one look cost? Instructions of a look at a running job, against a bare loop on aiohttp.

::

    python -m benchmarks.look                       # every rival that is installed, with 1 and with 64 in flight
    python -m benchmarks.look --json
    python -m benchmarks.look --by callgrind bare jobwatch

Method. Every variant watches the same number of jobs on a server in a process of its own, which answers from memory,
over loopback and without TLS. Each runs in a fresh process, once with N looks and once with 2N; the difference, divided
by N, is what a look costs when everything is imported, connected and warm. The variants take turns, and the median of
the rounds is shown. ``ratio`` is against `bare` with as many in flight: below 1 is cheaper than writing it oneself.

Counted are user and kernel instructions, where the processor may be asked for them (``--by counter``); else
callgrind's user instructions, exact but without the kernel's share, which is about the same for all and would pull
every ratio a little towards 1; or CPU seconds (``--by seconds``), which are rough.

Bias. `jobwatch` does more in a look than the bare loop does: it bounds time and bytes, reads the rate limit, keeps a
budget and a schedule, and tells states apart; the bare loop is what one writes at first. Its list requests and its
history would save it looks, but are not used here. In its favour: no pauses, so its timers are short; one API; no TLS,
whose cost would be equal. The rivals run their own poll loops with every pause set to zero, on the smallest body that
their format allows, and some on another HTTP client than aiohttp, which is most of the difference.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import sysconfig
from collections import defaultdict
from typing import TYPE_CHECKING, TypedDict

from .instructions import callgrind, counter, has_callgrind
from .look_rivals import ALL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_RUN = "benchmarks.look_rivals"
_CHILD = "import sys; from benchmarks.look import count_one; count_one(*sys.argv[1:])"


class Variant(TypedDict):
    """One line of the result."""

    name: str
    in_flight: int
    instructions: float
    ratio: float


class Result(TypedDict):
    """The whole result; `unit` says what was counted."""

    unit: str
    variants: list[Variant]
    skipped: dict[str, str]


def missing(name: str) -> str | None:
    """Return what a rival needs and is not installed."""
    try:
        importlib.import_module(f"{_RUN}.{name}")
    except ImportError as error:
        return error.name or str(error)
    return None


@contextlib.contextmanager
def serving(name: str, each: int) -> Iterator[str]:
    """Run the server of a rival, which ends a job after so many looks at it."""
    rival = importlib.import_module(f"{_RUN}.{name}")
    command = [sys.executable, "-m", "benchmarks.look_server", rival.RUNNING, rival.ENDED, str(each)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
        finally:
            server.terminate()


def count_one(kind: str, name: str, url: str, in_flight: str, each: str) -> None:
    """Run a rival in this process, and print what it cost."""
    import asyncio
    import time

    rival = importlib.import_module(f"{_RUN}.{name}")
    read = time.process_time if kind == "seconds" else counter().read
    before = read()
    asyncio.run(rival.looks(url, int(in_flight), int(each)))
    print(read() - before)


def cost(kind: str, name: str, in_flight: int, each: int) -> float:
    """Return what one look costs a rival."""

    def total(each: int) -> float:
        with serving(name, each) as url:
            arguments = [name, url, str(in_flight), str(each)]
            if kind == "callgrind":
                return callgrind([sys.executable, "-m", _RUN, *arguments])
            command = [sys.executable, "-c", _CHILD, kind, *arguments]
            return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    return (total(2 * each) - total(each)) / (in_flight * each)


def measured(kind: str, names: list[str], in_flights: list[int], looks: int, rounds: int) -> list[Variant]:
    """Return the median cost of every variant, measured in turns."""
    costs: defaultdict[tuple[str, int], list[float]] = defaultdict(list)
    for number in range(rounds):
        for name in names:
            for in_flight in in_flights:
                costs[name, in_flight].append(cost(kind, name, in_flight, max(1, looks // in_flight)))
                print(f"round {number + 1}/{rounds}  {name} x {in_flight}", end="\x1b[K\r", file=sys.stderr)
    print("\x1b[K", end="", file=sys.stderr)
    medians = {variant: statistics.median(found) for variant, found in costs.items()}
    return [
        Variant(name=name, in_flight=in_flight, instructions=median, ratio=median / medians["bare", in_flight])
        for (name, in_flight), median in medians.items()
    ]


def best_kind() -> str:
    """Return the best way to count that this machine allows."""
    if counter().unit != "seconds":
        return "counter"
    return "callgrind" if has_callgrind() else "seconds"


def unit_of(kind: str) -> str:
    """Return what is counted, in words."""
    units: dict[str, Callable[[], str]] = {
        "counter": lambda: f"{counter().unit} (perf_event)",
        "callgrind": lambda: "user instructions (callgrind)",
        "seconds": lambda: "CPU seconds: rough, and no instructions",
    }
    return units[kind]()


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.look", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", default=list(ALL), metavar="NAME", help=", ".join(ALL))
    parser.add_argument("--by", choices=["counter", "callgrind", "seconds"], default=best_kind())
    parser.add_argument("--in-flight", type=int, nargs="+", default=[1, 64])
    parser.add_argument("--looks", type=int, help="how many looks to measure over")
    parser.add_argument("--rounds", type=int, help="how often to measure each")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    exact = chosen.by == "callgrind"
    skipped = {name: what for name in chosen.names if (what := missing(name))}
    names = [name for name in dict.fromkeys(["bare", *chosen.names]) if name not in skipped]
    looks = chosen.looks or (640 if exact else 6400)
    variants = measured(chosen.by, names, chosen.in_flight, looks, chosen.rounds or (1 if exact else 5))
    result = Result(unit=unit_of(chosen.by), variants=variants, skipped=skipped)
    if chosen.json:
        print(json.dumps(result, indent=2))
        return
    print(f"{result['unit']} a look; Python {sysconfig.get_python_version()}, {os.uname().machine}")
    for variant in variants:
        print(
            f"{variant['name']:20} x {variant['in_flight']:<3} {variant['instructions']:14,.6g} {variant['ratio']:6.2f}"
        )
    for name, what in skipped.items():
        print(f"{name:20} skipped: {what} is not installed (pip install jobwatch-client[bench])")


if __name__ == "__main__":
    main()
