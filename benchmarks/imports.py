"""What does importing jobwatch cost, and its command line's start, beside what they are made of?

    python -m benchmarks.imports [--runs N] [--by auto|callgrind|seconds] [--json]

Each program is a Python process of its own. The byte code of all modules is written before, as an installer does,
even where the environment says that Python shall write none (``PYTHONDONTWRITEBYTECODE``):

* ``import jobwatch``: names load on first use, so this is the least a program pays;
* ``jobwatch.Client``: the client and all it needs have loaded; aiohttp loads when the first request is made;
* its rival, ``import asyncio, msgspec, anyio``: what jobwatch is made of, aiohttp apart;
* ``jobwatch --version``: the installed command, or ``python -m jobwatch``, against ``python -c pass``.

``ratio`` is that of user instructions by callgrind, one run each, which is the same each time to a few in a thousand;
without callgrind, of the medians of the seconds. The seconds are measured in any case: `RUNS` rounds in which the
programs take turns, so that a busy moment of the machine hits them alike, and the median of each.

**Bias.** *For us*: ``jobwatch.Client`` is measured against an import of everything in the three packages' top
modules, some of which jobwatch does not use. *Against us*: a program that has imported asyncio for itself, as all that
use jobwatch do, pays less for jobwatch than is shown.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from . import instructions
from .rows import Row as Compared
from .rows import as_json

if TYPE_CHECKING:
    from collections.abc import Sequence

RUNS = 21
"""How many rounds are timed."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One program's cost, and its ratio to that of another."""

    name: str
    against: str
    seconds: float
    instructions: int | None
    ratio: float
    ratio_of_seconds: float
    goal: float


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All that was found out, as ``--json`` prints it."""

    by: str
    runs: int
    rows: list[Row]


_LIBRARIES = "import asyncio, msgspec, anyio"
_NOTHING = "python -c pass"
_COMPARED = (
    ("import jobwatch", _LIBRARIES, 1.10),
    ("jobwatch.Client", _LIBRARIES, 1.10),
    ("jobwatch --version", _NOTHING, 3.0),
    ("import jobwatch", _NOTHING, 3.0),
)


def commands() -> dict[str, list[str]]:
    """Return each program's command."""
    installed = Path(sysconfig.get_path("scripts")) / "jobwatch"
    jobwatch = [sys.executable, str(installed)] if installed.exists() else [sys.executable, "-m", "jobwatch"]
    return {
        _NOTHING: [sys.executable, "-c", "pass"],
        _LIBRARIES: [sys.executable, "-c", _LIBRARIES],
        "import jobwatch": [sys.executable, "-c", "import jobwatch"],
        "jobwatch.Client": [sys.executable, "-c", "import jobwatch; jobwatch.Client"],
        "jobwatch --version": [*jobwatch, "--version"],
    }


def measure(runs: int, by: str) -> Report:
    """Answer the module's question.

    Args:
        runs: How many rounds to time.
        by: What the ratios are of: "auto", "callgrind" or "seconds".
    """
    if by == "auto":
        by = "callgrind" if instructions.has_callgrind() else "seconds"
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    programs = commands()
    seconds = _timed(programs, runs)
    counts = {name: instructions.callgrind(command) for name, command in programs.items()} if by == "callgrind" else {}
    costs = counts or seconds
    return Report(
        by="user instructions" if counts else "seconds",
        runs=runs,
        rows=[
            Row(
                name=name,
                against=against,
                seconds=seconds[name],
                instructions=counts.get(name),
                ratio=costs[name] / costs[against],
                ratio_of_seconds=seconds[name] / seconds[against],
                goal=goal,
            )
            for name, against, goal in _COMPARED
        ],
    )


def _timed(programs: dict[str, list[str]], runs: int) -> dict[str, float]:
    took: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(runs + 1):  # the first round writes byte code, and is left out
        for name, command in programs.items():
            began = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            took[name].append(time.perf_counter() - began)
    return {name: statistics.median(each[1:]) for name, each in took.items()}


def compared_rows(report: Report) -> list[Compared]:
    """Return a report as the rows that every benchmark has: of instructions where those were counted."""
    costs = {row.name: float(row.instructions or 0) or row.seconds for row in report.rows}
    return [
        Compared(
            what=f"{row.name}, {report.by}",
            ours=costs[row.name],
            rival=costs[row.name] / row.ratio,
            rival_name=row.against,
            ratio=row.ratio,
            goal=row.goal,
        )
        for row in report.rows
    ]


def printed(report: Report) -> str:
    """Return a report as text."""
    lines = [f"{'':20s}{'against':32s}{'ms':>7s}{'ratio':>9s}{'of seconds':>12s}{'goal':>8s}"]
    for row in report.rows:
        cells = f"{row.seconds * 1e3:7.1f}{row.ratio:8.2f}x{row.ratio_of_seconds:11.2f}x{row.goal:7.2f}x"
        lines.append(f"{row.name:20s}{row.against:32s}{cells}")
    return "\n".join([*lines, f"ratios are of {report.by}; milliseconds are medians of {report.runs} runs"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark from the command line.

    Args:
        arguments: The arguments, without the program's name.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.imports", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--runs", type=int, default=RUNS, help="how many rounds to time")
    parser.add_argument("--by", choices=("auto", "callgrind", "seconds"), default="auto", help="what ratios are of")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    options = parser.parse_args(arguments)
    if options.runs < 1:
        parser.error(f"--runs is {options.runs}; it must be at least 1")
    report = measure(options.runs, options.by)
    print(as_json(compared_rows(report), report=report) if options.json else printed(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
