"""Run everything: all tests, and many more worlds, bugs, kills and cancels than a test run has time for.

``python -m tests.all`` takes some 10 minutes on two idle cores, goes on when something fails, and ends with a table.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from msgspec import Struct

ROOT = Path(__file__).parents[1]


class Part(Struct, frozen=True):
    """One program to run: what it is called in the table, the module with its arguments, what is in its environment."""

    name: str
    program: tuple[str, ...]
    environment: Mapping[str, str] = {}


class Ran(Struct, frozen=True):
    """What came of a part: how long it took in seconds, its exit code, and its last line."""

    name: str
    seconds: float
    code: int
    last: str

    def __str__(self) -> str:
        verdict = "ok" if self.code == 0 else "FAILED"
        return f"{self.name:22}  {self.seconds:6.0f} s  {verdict:6}  {self.last}"


# Worlds begin where those of the first part end.
PARTS = (
    Part("all tests", ("pytest", "--quiet", "tests")),
    Part("property tests", ("pytest", "--quiet", "-m", "hypothesis", "--hypothesis-profile=thorough", "tests")),
    Part("cancel sweep", ("pytest", "--quiet", "tests/simulation/test_cancel_sweep.py"), {"JOBWATCH_SWEEP_SEEDS": "6"}),
    Part("worlds at the seam", ("tests.simulation", "--level", "seam", "--first", "2200", "--seeds", "18000")),
    Part("worlds on the wire", ("tests.simulation", "--level", "wire", "--first", "1000", "--seeds", "14000")),
    Part("planted bugs", ("tests.simulation.planted",)),
    Part("the rules for NATS", ("tests.nats.model", "--first", "1000", "--seeds", "20000")),
    Part("the rules of a shared budget", ("tests.nats.leases_model", "--first", "1000", "--seeds", "1500")),
    Part("a shared budget on NATS", ("tests.nats.budget", "--seconds", "90", "--seed", "2")),
    Part("that on three servers", ("tests.nats.budget", "--seconds", "60", "--seed", "4", "--crashes", "--cluster")),
    Part("killed workers on NATS", ("tests.engine", "--kills", "30", "--seed", "2")),
    Part("killed watchers", ("tests.watching.crash", "--times", "400", "--seed", "2")),
)


def run(part: Part) -> Ran:
    """Run a part, and print what it prints as it comes."""
    print(f"== {part.name}: python -m {' '.join(part.program)}", flush=True)
    began, last = time.monotonic(), ""
    process = subprocess.Popen(
        [sys.executable, "-m", *part.program],
        cwd=ROOT,
        env={**os.environ, **part.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            last = line.strip() or last
    return Ran(part.name, time.monotonic() - began, process.returncode, last)


def run_all(parts: Iterable[Part]) -> int:
    """Run all parts, also after one that failed; print a table of them, and return the exit code."""
    came = [run(part) for part in parts]
    failed = [each.name for each in came if each.code]
    print(f"\n{'what ran':22}  {'took':>8}  {'result':6}  its last line")
    print(*came, sep="\n")
    verdict = f"failed: {', '.join(failed)}" if failed else "all passed"
    print(f"{'all':22}  {sum(each.seconds for each in came):6.0f} s  {'FAILED' if failed else 'ok':6}  {verdict}")
    return 1 if failed else 0


def main() -> int:
    """Run everything."""
    argparse.ArgumentParser(prog="python -m tests.all", description=__doc__).parse_args()
    return run_all(PARTS)


if __name__ == "__main__":
    sys.exit(main())
