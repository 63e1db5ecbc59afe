"""Every benchmark, one after the other, and one table of what they have found.

    python -m benchmarks.all [--quick] [--only NAME ...] [--json]

``--quick`` gives each less to do, so that all end within about five minutes on two idle cores: it shows that they run,
and roughly where things stand. Take figures to quote from each benchmark by itself, on a machine that is quiet. A
benchmark whose rivals or tools are not installed is named with the reason, and the others go on.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence

import msgspec

from .rows import Row, as_json, as_text

QUICK = {
    "budget": ["--seconds", "300"],
    "ended": ["--jobs", "1000", "--rounds", "1"],
    "engine": ["--watches", "500", "--looks", "500", "--seconds", "3"],
    "first_request": ["--runs", "3"],
    "fleet": ["--jobs", "2000"],
    "hold": ["--rounds", "1"],
    "imports": ["--runs", "3"],
    "journal": ["--jobs", "10000", "--changes", "1000", "--rounds", "1"],
    "look": ["bare", "jobwatch", "--rounds", "1"],
    "pace": ["--jobs", "1000"],
    "redraw": ["--seconds", "3"],
    "startup": ["--rounds", "3"],
    "stream": ["--jobs", "200"],
    "sync": ["--waits", "3"],
    "table": [],
    "waits": ["bare", "jobwatch", "jobwatch_watcher", "--jobs", "1000", "--pause", "2", "--rounds", "1"],
}
"""Each benchmark, and what makes it quick."""


class _Printed(msgspec.Struct):
    rows: list[Row]


def rows_of(name: str, arguments: Sequence[str]) -> list[Row] | str:
    """Run a benchmark in a process of its own; return its rows, or why there are none."""
    command = [sys.executable, "-m", f"benchmarks.{name}", *arguments, "--json"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    if told.returncode:
        return (told.stderr.strip() or told.stdout.strip()).rpartition("\n")[2] or f"exit code {told.returncode}"
    return msgspec.json.decode(told.stdout, type=_Printed).rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks from the command line.

    Args:
        arguments: The arguments, without the program's name.

    Returns:
        The exit code: 1 if one of them could not be run; whether goals are met changes nothing.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.all", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="give each less to do")
    parser.add_argument("--only", nargs="+", choices=sorted(QUICK), default=sorted(QUICK), metavar="NAME")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    options = parser.parse_args(arguments)
    rows: list[Row] = []
    missing: dict[str, str] = {}
    for name in options.only:
        found = rows_of(name, QUICK[name] if options.quick else [])
        if isinstance(found, str):
            missing[name] = found
        else:
            rows += [msgspec.structs.replace(row, what=f"{name}: {row.what}") for row in found]
    print(as_json(rows, missing=missing) if options.json else as_text(rows))
    for name, reason in missing.items():
        print(f"benchmarks.{name} could not be run: {reason}", file=sys.stderr)
    return bool(missing)


if __name__ == "__main__":
    sys.exit(main())
