"""Run many worlds: ``python -m tests.simulation --seeds 2000 --level seam``."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable

from .moving import MOVES
from .runner import (
    CHUNK,
    ENOUGH,
    KINDS,
    Sum,
    both,
    in_processes,
    many,
    never,
    report,
    share_of_package,
    simulate,
    some,
)
from .world import LIVENESS, SAFETY, SEAM, WIRE

_TIMED = 400
"""How many seeds of each kind are timed."""


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--level", choices=(SEAM, WIRE, MOVES), default=SEAM)
    parser.add_argument("--mode", choices=(SAFETY, LIVENESS, "both"), default="both")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--trace", action="store_true", help="print every request and everything that was delivered")
    parser.add_argument(
        "--counts", action="store_true", help="print how often each fault and branch came up, and in how many worlds"
    )
    parser.add_argument("--time", action="store_true", help="print what a seed of each kind costs, of 400 each")
    asked = parser.parse_args(argv)
    if asked.time:
        return _timed(asked.first)
    if asked.level == MOVES and asked.mode == "both" and asked.trace:
        asked.mode = SAFETY  # there is one only
    if asked.trace:
        return _traced(asked.level, (SAFETY, LIVENESS) if asked.mode == "both" else (asked.mode,), asked.first)
    began = time.perf_counter()
    with in_processes(asked.jobs) as mapped:
        if asked.mode == "both":
            total = both(asked.level, asked.first, asked.seeds, mapped)
        else:
            total = many(asked.level, asked.mode, asked.first, asked.seeds, mapped)
    took = time.perf_counter() - began
    print("\n".join(report(asked.level, total)), end="\n" if total.failures else "")
    print(
        f"{total.seeds} {asked.level} seeds, {total.looks} requests, {total.seconds / 86400:.1f} days of virtual time: "
        f"{len(total.failures)} failed; {took:.1f} s, {total.seeds / took:.0f} seeds and "
        f"{total.looks / took:.0f} requests a second"
    )
    enough = total.seeds >= ENOUGH[asked.level] and asked.mode == "both"
    unmet = never(asked.level, total.sometimes) if enough else []
    if unmet:
        print(f"never happened: {', '.join(unmet)}")
    if asked.counts:
        print(f"{'times':>9} {'worlds':>7} what came up")
        for name, count in sorted(total.sometimes.items()):
            print(f"{count:9} {total.worlds[name]:7} {name}")
    return 1 if total.failures or unmet else 0


def _timed(first: int) -> int:
    """Print how many seeds of each kind one processor plays in a second, and how much of that is the package."""
    print(f"{'level':6} {'mode':9} {'seeds a second':>14} {'ms a seed':>10} {'requests':>9} {'in the package':>15}")
    for level, mode in KINDS:
        some(level, mode, range(first, first + 5))  # what is made once in a process
        began = time.process_time()
        total = Sum()
        for start in range(first, first + _TIMED, CHUNK):
            total.add(some(level, mode, range(start, start + CHUNK)))
        took = (time.process_time() - began) / _TIMED
        share = share_of_package(level, mode, range(first, first + _TIMED // 4))
        print(f"{level:6} {mode:9} {1 / took:14.0f} {took * 1e3:10.2f} {total.looks / _TIMED:9.1f} {share:15.0%}")
    return 0


def _traced(level: str, modes: Iterable[str], seed: int) -> int:
    failed = False
    for mode in modes:
        world = simulate(seed, level, mode)
        print(
            f"seed {seed}, {level}, {mode}: {world.plan.api}, faults {sorted({*world.plan.rates, *world.plan.traits})}"
        )
        for line in world.trace:
            print(line)
        print(f"trace {world.hash}")
        failed = failed or bool(world.violations)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
