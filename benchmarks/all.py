"""Every benchmark, one after the other, and one table of what they have found.

    python -m benchmarks.all [--quick | --smoke] [--only NAME ...] [--json]

``--quick`` gives each less to do, so that all end within five minutes on two idle cores: it shows roughly where things
stand. Where instructions are counted by callgrind it counts CPU seconds instead, which are rougher. Take figures to
quote from each benchmark by itself, on a machine that is quiet. One after the other, so that none takes the processor
from another. How long each took is told at the end.

``--smoke`` gives each next to nothing to do, two at a time: whatever it prints then is worth nothing, but it shows that
every benchmark runs and ends with rows. The gate does that.

A benchmark whose rivals or tools are not installed is named with the reason, and the others go on.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import msgspec

from .rows import Row, as_json, as_text

_SECONDS = ["--by", "seconds"]
_OURS = ["bare", "jobwatch", "jobwatch_watcher"]

QUICK = {
    "budget": ["--seconds", "300"],
    "ended": ["--jobs", "1000", "--rounds", "3", "--herd", "2000"],
    "engine": ["--watches", "500", "--looks", "500", "--seconds", "10"],
    "first_request": ["--runs", "3"],
    "fleet": ["--jobs", "20000", "--together", "2000", "--counter", "processor"],
    "hold": ["--rounds", "1", "--every", "5"],
    "imports": ["--runs", "5", *_SECONDS],
    "journal": ["--jobs", "10000", "--changes", "1000", "--rounds", "1"],
    "look": ["bare", "jobwatch", "--rounds", "3", "--looks", "1500", *_SECONDS],
    "pace": ["--jobs", "1000"],
    "page": ["--changes", "20"],
    "redraw": ["--seconds", "3"],
    "startup": ["--rounds", "5", *_SECONDS],
    "stream": ["--jobs", "200"],
    "sync": ["--waits", "5", *_SECONDS],
    "table": ["--rounds", "5"],
    "waits": [*_OURS, "--jobs", "1000", "--pause", "2", "--rounds", "1"],
}
"""Each benchmark, and what makes it quick."""

SMOKE = {
    "budget": ["--seconds", "60"],
    "ended": ["--jobs", "50", "--rounds", "1", "--herd", "50"],
    "engine": ["--watches", "200", "--looks", "200", "--seconds", "2"],
    "first_request": ["--runs", "1"],
    "fleet": ["--jobs", "100", "--counter", "processor"],
    "hold": ["--rounds", "1", "--every", "97"],
    "imports": ["--runs", "1", *_SECONDS],
    "journal": ["--jobs", "200", "--changes", "100", "--rounds", "1"],
    "look": ["bare", "jobwatch", "--rounds", "1", "--looks", "100", "--in-flight", "2", *_SECONDS],
    "pace": ["--jobs", "50"],
    "page": ["--changes", "2"],
    "redraw": ["--seconds", "1"],
    "startup": ["--rounds", "1", *_SECONDS],
    "stream": ["--jobs", "20"],
    "sync": ["--waits", "2", *_SECONDS],
    "table": ["--rounds", "1"],
    "waits": [*_OURS, "--jobs", "50", "--pause", "0.1", "--rounds", "1"],
}
"""Each benchmark, and what leaves it next to nothing to do."""


class _Printed(msgspec.Struct):
    rows: list[Row]


class Ran(NamedTuple):
    """What came of a benchmark.

    Attributes:
        rows: What it printed.
        missing: Why it could not be run, or what was wrong with what it printed; None if nothing was.
        seconds: How long it took.
    """

    rows: list[Row]
    missing: str | None
    seconds: float


def run(name: str, arguments: Sequence[str]) -> Ran:
    """Run a benchmark in a process of its own."""
    command = [sys.executable, "-m", f"benchmarks.{name}", *arguments, "--json"]
    began = time.perf_counter()
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    if told.returncode:
        reason = (told.stderr.strip() or told.stdout.strip()).rpartition("\n")[2] or f"exit code {told.returncode}"
        return Ran([], reason, seconds)
    try:
        rows = msgspec.json.decode(told.stdout, type=_Printed).rows
    except msgspec.MsgspecError as error:
        return Ran([], f"what it prints with --json has no such rows: {error}", seconds)
    return Ran(rows, wrong_with(rows), seconds)


def wrong_with(rows: Sequence[Row]) -> str | None:
    """Return what is wrong with a benchmark's rows, whatever their figures are; None if nothing is."""
    if not rows:
        return "it prints no rows"
    for row in rows:
        if not all(map(math.isfinite, (row.ours, row.rival, row.ratio, row.goal))):
            return f"a figure is missing: {row.what}"
    return None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks from the command line.

    Args:
        arguments: The arguments, without the program's name.

    Returns:
        The exit code: 1 if one of them could not be run; whether goals are met changes nothing.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.all", description=(__doc__ or "").split("\n", 1)[0])
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="give each less to do")
    size.add_argument("--smoke", action="store_true", help="give each next to nothing to do, two at a time")
    parser.add_argument("--only", nargs="+", choices=sorted(QUICK), default=sorted(QUICK), metavar="NAME")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    options = parser.parse_args(arguments)
    sizes = SMOKE if options.smoke else QUICK if options.quick else {}
    with ThreadPoolExecutor(2 if options.smoke else 1) as running:
        found = list(running.map(lambda name: run(name, sizes.get(name, [])), options.only))
    ran = dict(zip(options.only, found, strict=True))
    rows = [msgspec.structs.replace(row, what=f"{name}: {row.what}") for name, each in ran.items() for row in each.rows]
    missing = {name: each.missing for name, each in ran.items() if each.missing is not None}
    seconds = {name: round(each.seconds, 1) for name, each in ran.items()}
    print(as_json(rows, missing=missing, seconds=seconds) if options.json else as_text(rows))
    print(f"{sum(seconds.values()):.0f} s:", *(f"{name} {each:g}" for name, each in seconds.items()), file=sys.stderr)
    for name, reason in missing.items():
        print(f"benchmarks.{name} could not be run: {reason}", file=sys.stderr)
    return bool(missing)


if __name__ == "__main__":
    sys.exit(main())
