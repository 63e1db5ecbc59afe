"""How much there is in a world: most are small, and some are not.

What a bug needs is, as a rule, one job, one who waits and the right fault at the right time. So the same time of a
processor is better spent on many small worlds, each with other faults, than on few large ones in which the same comes
again and again. What takes many jobs, many listeners or a long time, the others show.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace


class Size(Struct, frozen=True):
    """How much there is in a world, and how much of it goes wrong.

    Attributes:
        jobs: How many jobs there may be, at each level.
        listed: How many more where lists are what goes wrong.
        horizon: For how long a world goes on, at least and at most, at each level, in seconds.
        waited: For which share of the jobs somebody waits for it alone.
        more: How many wait beyond these.
        parties: How often there is each of those who wait for several jobs.
        journals: How often somebody watches with a journal.
        lives: How many lives such a one may have.
        limits: Which share of the waits has a time limit.
        patience: For how long looks may fail before a wait is given up, in seconds.
        due: How many faults have their turn, at each level; on the wire there are fewer worlds to go round.
        spread: Whether these are far from each other in the alphabet, where like follows like.
        faults: How many kinds of fault there may be beyond these.
        rates: How often each may be met.
        ending: How often one is met that ends a watch.
        raises: How often the source raises, where it does.
        vanish: Which share of the jobs vanishes where some do.
        apart: How often there is one of the faults that have no turn.
        phases: How often there are more phases where there is none of these.
        lag: How far replicas may be behind, at least and at most, in seconds.
        crowds: How often there are more jobs than get their first look at once.
    """

    jobs: Mapping[str, Sequence[int]]
    listed: int
    horizon: Mapping[str, tuple[float, float]]
    waited: float
    more: Sequence[int]
    parties: float
    journals: float
    lives: Sequence[int]
    limits: float
    patience: Sequence[float]
    due: Mapping[str, int]
    spread: bool
    faults: Sequence[int]
    rates: Sequence[float]
    ending: float
    raises: float
    vanish: float
    apart: float
    phases: float
    lag: tuple[float, float]
    crowds: float = 0.0


LARGE = Size(
    jobs={"seam": (1, 1, 2, 3, 4, 6, 9), "wire": (1, 2, 3, 5)},
    listed=5,
    horizon={"seam": (30.0, 900.0), "wire": (30.0, 300.0)},
    waited=1.0,
    more=(3,),
    parties=0.3,
    journals=0.2,
    lives=(1, 2, 3, 3, 4, 6),
    limits=0.3,
    patience=(300.0, 60.0, 20.0),
    due={"seam": 3, "wire": 5},
    spread=False,
    faults=(0, 1, 2, 4, 8, 16),
    rates=(0.03, 0.1, 0.3),
    ending=0.1,
    raises=0.03,
    vanish=0.3,
    apart=0.5,
    phases=0.4,
    lag=(5.0, 30.0),
    crowds=0.02,
)

SMALL = Size(
    jobs={"seam": (1, 1, 1, 1, 1, 2, 2, 4), "wire": (1, 1, 1, 2)},
    listed=5,
    horizon={"seam": (15.0, 250.0), "wire": (15.0, 250.0)},
    waited=1.0,
    more=(0, 1, 1, 2),
    parties=0.1,
    journals=0.02,
    lives=(1, 2, 3, 3, 4),
    limits=0.45,
    patience=(300.0, 20.0, 8.0),
    due={"seam": 2, "wire": 3},
    spread=True,
    faults=(0, 0, 1, 2, 4, 8),
    rates=(0.1, 0.3),
    ending=0.3,
    raises=0.1,
    vanish=0.6,
    apart=0.7,
    phases=0.6,
    lag=(2.0, 20.0),
)

LONG = replace(SMALL, horizon=LARGE.horizon)
KEPT = replace(
    SMALL, jobs={"seam": (1, 2, 3, 4, 5), "wire": (2, 3)}, waited=0.2, more=(0,), journals=1.0, lives=LARGE.lives
)
"""Small otherwise: as long as large ones, or with somebody who watches with a journal, and few others."""

_SHARES: Mapping[str, Sequence[tuple[float, Size]]] = {
    "seam": ((0.08, LARGE), (0.1, LONG), (0.16, KEPT), (1.0, SMALL)),
    "wire": ((0.08, LARGE), (0.1, LONG), (1.0, SMALL)),
}
"""Which share of the worlds of a level has each size; the last has the rest."""


def size_of(seed: int, level: str, mode: str) -> Size:
    """Return how much there is in the world of a seed."""
    # A digest is as good here as a generator, which takes longer to make than most of what is drawn from it.
    digest = hashlib.blake2b(f"{seed}/{level}/{mode}/size".encode(), digest_size=4).digest()
    left = int.from_bytes(digest) / 2**32
    for share, size in _SHARES[level]:
        if left < share:
            return size
        left -= share
    raise AssertionError("the last has the rest")


__all__ = ["Size", "size_of"]
