"""What the models of this folder have in common: interleavings by their seeds, and planted bugs."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable
from typing import TypeAlias

Violation: TypeAlias = Callable[[int, str], str | None]
"""Runs one interleaving by its seed, with a planted bug or "", and returns what did not hold in it."""


class Wrong(AssertionError):
    """A rule that does not hold."""


def found_after(violation: Violation, bug: str, most: int) -> tuple[int, str] | None:
    """Return after how many seeds a planted bug is found, and how; None if it is not."""
    for seed in range(most):
        told = violation(seed, bug)
        if told is not None:
            return seed + 1, told
    return None


def main(doc: str | None, violation: Violation, bugs: Iterable[str], seeds: int) -> int:
    """Run a model from the command line.

    Args:
        doc: What it says of itself.
        violation: Runs one interleaving.
        bugs: The names of the planted bugs.
        seeds: How many to run where nothing is said.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("--seeds", type=int, default=seeds)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--planted", action="store_true", help="see after how many seeds each planted bug is found")
    options = parser.parse_args()
    if options.planted:
        missed = 0
        for bug in bugs:
            found = found_after(violation, bug, options.seeds)
            missed += found is None
            print(f"{bug:48}", "NOT FOUND" if found is None else f"{found[0]:5} seeds: {found[1]}", flush=True)
        return 1 if missed else 0
    began, wrong = time.monotonic(), 0
    for seed in range(options.first, options.first + options.seeds):
        told = violation(seed, "")
        if told is not None:
            wrong += 1
            print(f"seed {seed}: {told}")
    print(f"{options.seeds} interleavings in {time.monotonic() - began:.0f} s, {wrong} of them wrong")
    return 1 if wrong else 0
