"""Run many worlds: ``python -m tests.simulation --seeds 2000 --level seam``."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from collections.abc import Iterable

from msgspec import Struct

from . import faults
from .world import LIVENESS, SAFETY, SEAM, WIRE, simulate

_CHUNK = 25


class Sum(Struct):
    """What came of some seeds."""

    seeds: int = 0
    looks: int = 0
    seconds: float = 0.0
    sometimes: Counter[str] = Counter()
    failures: list[tuple[int, str, list[str]]] = []

    def add(self, other: Sum) -> None:
        self.seeds += other.seeds
        self.looks += other.looks
        self.seconds += other.seconds
        self.sometimes.update(other.sometimes)
        self.failures += other.failures


def some(level: str, mode: str, seeds: range) -> Sum:
    """Run some seeds in this process."""
    total = Sum(sometimes=Counter())
    for seed in seeds:
        world = simulate(seed, level, mode)
        total.seeds += 1
        total.looks += world.looks
        total.seconds += world.closed_at - 1000.0
        total.sometimes.update(world.sometimes)
        if world.violations:
            total.failures.append((seed, mode, world.violations))
    return total


def many(level: str, mode: str, first: int, seeds: int, jobs: int) -> Sum:
    """Run a range of seeds in some processes."""
    total = Sum(sometimes=Counter())
    chunks = [range(start, min(start + _CHUNK, first + seeds)) for start in range(first, first + seeds, _CHUNK)]
    if jobs == 1:
        for chunk in chunks:
            total.add(some(level, mode, chunk))
        return total
    with ProcessPoolExecutor(jobs) as pool:
        for part in pool.map(some, [level] * len(chunks), [mode] * len(chunks), chunks):
            total.add(part)
    return total


def replay(level: str, mode: str, seed: int) -> str:
    """Return the command that runs one seed again."""
    return f"python -m tests.simulation --level {level} --mode {mode} --first {seed} --seeds 1 --trace"


def never(level: str, sometimes: Counter[str]) -> list[str]:
    """Return the faults that never fired and the branches that were never taken."""
    return sorted(name for name in faults.all_of(level) | SOMETIMES if not sometimes[name])


SOMETIMES = frozenset(
    {
        "delivered",
        "gap marked",
        "unknown word delivered",
        "log replayed to a late listener",
        "an end in the middle of a history",
        "asked to stay away",
        "closed with waits going",
        "cancelled in the middle",
        "ended: succeeded",
        "ended: failed",
        "ended: cancelled",
        "ended: timeout",
        "ended: not_found",
        "ended: unreachable",
        "ended: unreadable",
        "ended: auth",
        "ended: left",
        "ended: stopped",
        "list asked for",
    }
)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--level", choices=(SEAM, WIRE), default=SEAM)
    parser.add_argument("--mode", choices=(SAFETY, LIVENESS, "both"), default="both")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--trace", action="store_true", help="print every request and everything that was delivered")
    parser.add_argument("--counts", action="store_true", help="print how often each fault and branch came up")
    asked = parser.parse_args(argv)
    if asked.trace:
        return _traced(asked.level, (SAFETY, LIVENESS) if asked.mode == "both" else (asked.mode,), asked.first)
    began = time.perf_counter()
    total = Sum(sometimes=Counter())
    if asked.mode == "both":
        half = asked.seeds // 2
        total.add(many(asked.level, SAFETY, asked.first, asked.seeds - half, asked.jobs))
        total.add(many(asked.level, LIVENESS, asked.first, half, asked.jobs))
    else:
        total.add(many(asked.level, asked.mode, asked.first, asked.seeds, asked.jobs))
    took = time.perf_counter() - began
    for line in _report(asked.level, total):
        print(line)
    print(
        f"{total.seeds} {asked.level} seeds, {total.looks} requests, {total.seconds / 86400:.1f} days of virtual time: "
        f"{len(total.failures)} failed; {took:.1f} s, {total.seeds / took:.0f} seeds and {total.looks / took:.0f} requests a second"
    )
    unmet = never(asked.level, total.sometimes) if total.seeds >= 500 or asked.level == WIRE and total.seeds >= 200 else []
    if unmet:
        print(f"never happened: {', '.join(unmet)}")
    if asked.counts:
        for name, count in sorted(total.sometimes.items()):
            print(f"{count:9} {name}")
    return 1 if total.failures or unmet else 0


def _report(level: str, total: Sum) -> Iterable[str]:
    for seed, mode, violations in total.failures[:20]:
        yield f"seed {seed} ({mode}): {violations[0][:600]}"
        if len(violations) > 1:
            yield f"    and {len(violations) - 1} more"
        yield f"    {replay(level, mode, seed)}"


def _traced(level: str, modes: Iterable[str], seed: int) -> int:
    failed = False
    for mode in modes:
        world = simulate(seed, level, mode)
        print(f"seed {seed}, {level}, {mode}: {world.plan.api}, faults {sorted({*world.plan.rates, *world.plan.traits})}")
        for line in world.trace:
            print(line)
        print(f"trace {world.hash}")
        failed = failed or bool(world.violations)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
