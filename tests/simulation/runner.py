"""Many worlds, in several processes, and what came of them in sum."""

from __future__ import annotations

import cProfile
import gc
import multiprocessing
import pstats
from collections import Counter
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from msgspec import Struct, field

import jobwatch

from . import faults
from .clock import START
from .moving import MOVES, MovingWorld, simulated
from .moving import SOMETIMES as SOMETIMES_OF_MOVES
from .world import LIVENESS, SAFETY, SEAM, WIRE, World
from .world import simulate as simulate_others

CHUNK = 25

ENOUGH = {"seam": 2200, "wire": 1000, MOVES: 500}
"""After how many seeds everything must have happened."""

KINDS = ((SEAM, SAFETY), (SEAM, LIVENESS), (WIRE, SAFETY), (WIRE, LIVENESS), (MOVES, SAFETY))
"""The levels, with the modes that each has."""

_PACKAGE = str(Path(jobwatch.__file__).parent)


class Sum(Struct):
    """What came of some seeds.

    Attributes:
        seeds: How many they were.
        looks: How many requests there were.
        seconds: How much virtual time went by.
        sometimes: How often each fault and each branch came up.
        worlds: In how many worlds each did.
        failures: Seeds, modes and violations.
    """

    seeds: int = 0
    looks: int = 0
    seconds: float = 0.0
    sometimes: Counter[str] = field(default_factory=Counter)
    worlds: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[int, str, list[str]]] = []

    def add(self, other: Sum) -> None:
        self.seeds += other.seeds
        self.looks += other.looks
        self.seconds += other.seconds
        self.sometimes.update(other.sometimes)
        self.worlds.update(other.worlds)
        self.failures += other.failures


def simulate(seed: int, level: str, mode: str) -> World | MovingWorld:
    """Run one world of any level; those of moves have one mode."""
    return simulated(seed) if level == MOVES else simulate_others(seed, level, mode)


def some(level: str, mode: str, seeds: range) -> Sum:
    """Run some seeds in this process."""
    total = Sum()
    with rarely_collected():
        for seed in seeds:
            world = simulate(seed, level, mode)
            total.seeds += 1
            total.looks += world.looks
            total.seconds += world.closed_at - START
            total.sometimes.update(world.sometimes)
            total.worlds.update(name for name, count in world.sometimes.items() if count)
            if world.violations:
                total.failures.append((seed, mode, world.violations))
    return total


def share_of_package(level: str, mode: str, seeds: range) -> float:
    """Return which share of the time of some seeds goes by in the package, and in what it calls of others."""
    profile = cProfile.Profile()
    profile.runcall(some, level, mode, seeds)
    stats = pstats.Stats(profile).stats  # type: ignore[attr-defined]  # which its stubs leave out
    inside = outside = 0.0
    for (name, *_place), (_, _, own, _, callers) in stats.items():
        if _is_ours(name) or not callers:
            told = {name: own}
        else:  # a function of a library is put down to who calls it
            told = Counter()
            for (caller, *_), times in callers.items():
                told[caller] += times[2]
        inside += sum(part for caller, part in told.items() if caller.startswith(_PACKAGE))
        outside += sum(part for caller, part in told.items() if not caller.startswith(_PACKAGE))
    return inside / (inside + outside)


def _is_ours(name: str) -> bool:
    return name.startswith((_PACKAGE, str(Path(__file__).parents[1])))


@contextmanager
def rarely_collected() -> Generator[None]:
    """Have garbage of some worlds collected together, afterwards: an eighth of their time went into looking for it."""
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.collect()


Map: TypeAlias = Callable[..., Iterable[Sum]]
"""What calls a function with each of some arguments, as `map` does, here or in other processes."""


@contextmanager
def in_processes(jobs: int) -> Generator[Map]:
    """Return what calls functions in some processes, which are started once."""
    if jobs == 1:
        yield map
        return
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        yield pool.map


def many(level: str, mode: str, first: int, seeds: int, mapped: Map) -> Sum:
    """Run a range of seeds."""
    total = Sum()
    chunks = [range(start, min(start + CHUNK, first + seeds)) for start in range(first, first + seeds, CHUNK)]
    for part in mapped(some, [level] * len(chunks), [mode] * len(chunks), chunks):
        total.add(part)
    return total


def replay(level: str, mode: str, seed: int) -> str:
    """Return the command that runs one seed again."""
    return f"python -m tests.simulation --level {level} --mode {mode} --first {seed} --seeds 1 --trace"


def never(level: str, sometimes: Counter[str]) -> list[str]:
    """Return the faults that never fired and the branches that were never taken."""
    if level == MOVES:
        return sorted(name for name in SOMETIMES_OF_MOVES if not sometimes[name])
    return sorted(name for name in faults.all_of(level) | SOMETIMES | SOMETIMES_AT[level] if not sometimes[name])


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
        "ended: partial",
        "ended: finished",
        "ended: blocked",
        "looked at while blocked",
        "ended: timeout",
        "ended: not_found",
        "ended: unreachable",
        "ended: unreadable",
        "ended: auth",
        "ended: left",
        "ended: stopped",
        "list asked for",
        "an end told by a stream",
    }
)


SOMETIMES_AT = {
    "seam": frozenset(
        {"a life that died", "a change told again", "a job forgotten and added again", "a plain function called"}
    ),
    "wire": frozenset[str](),
}


def both(level: str, first: int, seeds: int, mapped: Map) -> Sum:
    """Run half of the seeds in each mode."""
    if level == MOVES:
        return many(level, SAFETY, first, seeds, mapped)
    total = many(level, SAFETY, first, seeds - seeds // 2, mapped)
    total.add(many(level, LIVENESS, first, seeds // 2, mapped))
    return total


def report(level: str, total: Sum) -> list[str]:
    """Return what failed, and how to see it again."""
    lines = []
    for seed, mode, violations in total.failures[:20]:
        more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
        lines += [f"seed {seed} ({mode}): {violations[0][:600]}{more}", f"    {replay(level, mode, seed)}"]
    return lines
