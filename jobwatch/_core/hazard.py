"""The poll clock of one kind of job: at which ages looks are worth making.

A look is worth more the likelier the job is to have ended since the last one. If a job that has not ended by age
*t* ends with hazard rate *h(t)*, the cheapest interval is ``sqrt(2 * cost / h(t))``; so the poll clock
``Phi(t) = integral of sqrt(h)`` is one table for every cost, and a look is due each time it has advanced by
``sqrt(2 * cost)``. Source: Barlow, Hunter & Proschan, "Optimum checking procedures", J. SIAM 11 (1963).

1. All is done in log time, on one grid. Within a cell the hazard of ``log(age)`` is a constant *g*, so that ``Phi``
   grows as ``2 * sqrt(g) * sqrt(age)``: in the square root of the age it is piecewise linear, and as quickly read
   backwards as forwards.
2. The chance that a job ends at an age is a mixture: an estimate from earlier jobs of its kind, while those are few
   one from other jobs of its API, and the prior (`density` makes them). Having come to an age rules out what ended
   before it: the mixture of the *survivors* is what counts, so a job that outlives every earlier one is back on the
   prior.
3. The hazard is never let far below the prior's, least of all while a history is untried: a wrong one costs a
   bounded amount.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from itertools import accumulate, pairwise
from operator import mul, sub
from typing import TYPE_CHECKING

from msgspec import Struct

from .density import CELL, CELLS, LONGEST, SHORTEST, kernel_estimate, kind_estimate, typical_spread

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

KEPT = 128
"""How many durations of a kind are remembered."""

_OLDEST = 1e12
# Ages are cut here, at 30,000 years: such a clock is wrong, and roots and squares must not overflow.

_EDGE = 2.0
# The prior's hazard per unit of log time is 1 / log(LONGEST / age), which has a pole at LONGEST: the logarithm is not
# let below this, and ages beyond LONGEST / e**2 (a day) are simply scale-free.

_FLOOR = 0.05
# The hazard is never less than this part of the prior's, whatever the history: no interval is more than 4.5 times the
# history-free one.

_WARY = 0.45
# The same while a history is untried. Intervals are then at most 1.49 times the history-free ones; of those, delay is
# 4/5 of the cost and looks 1/5, which makes it 0.8 * 1.49 + 0.2 / 1.49 = 1.33 times. Kept up for good, it would cost
# image jobs 12 % more looks; without it, a history ten times too long would cost 9 times.

_TRIED = 4.0
# A history is half as untried once this many jobs have been seen to end as it led us to expect, and not untried at all
# when as many have been as are in it.

_LEFT_OUT = 0.002
# A share below this is left to the prior: an estimate of it would change nothing, and take a quarter of the time.

_SOON = 4.0
# A job that ends in less than this part of the median is one that the history did not lead us to expect.

_OWN = 0.25
# A history of this many jobs of one kind is trusted half; the chance that a job is like none of n is 1 / (4 * n + 1).

_STRANGE = 0.05
# The least chance of that while a history is untried: should it be ten times too short, jobs that outlive it are back
# on the prior so much sooner. A fifth of it, kept up for good, would cost image jobs half a percent more looks.

_KIN = 2.0
# Of what is left, all jobs of the API together are trusted half when there are this many,

_KINDS = 1.0
# and of that, one job of each kind is trusted half when there are this many kinds: of what a kind that is new may take,
# each other kind tells as much, however many jobs of it there are.


class Durations(Struct, frozen=True, array_like=True):
    """How long the last jobs of one (type, phase) took, from entering the phase to the job's end.

    Attributes:
        seconds: The durations, the newest last; `remembered` keeps `KEPT` of them.
        tried: How many jobs in a row were then seen to end no sooner than these had led us to expect. A history
            that was not seen but told, by the API or by a file, starts from 0.
    """

    seconds: tuple[float, ...] = ()
    tried: int = 0


def remembered(durations: Durations, seconds: float, *, told: bool = False) -> Durations:
    """Return a history with one more duration in it; the oldest drops out when it is full.

    Args:
        durations: The history so far.
        seconds: The new duration; one that is not finite or is below 0 is no duration, and is left out.
        told: Whether it was told, by a list or a file, rather than just seen: that tries no history.

    Returns:
        The new history.
    """
    if not (math.isfinite(seconds) and seconds >= 0.0):
        return durations
    longer = (*durations.seconds[-(KEPT - 1) :], seconds)
    if told:
        return Durations(longer, durations.tried)
    # A median is no more than the longest, which takes a fifth of the time to find.
    soon = bool(durations.seconds) and seconds < max(durations.seconds) / _SOON
    return Durations(longer, 0 if soon and seconds < _median(durations.seconds) / _SOON else durations.tried + 1)


def _median(seconds: Sequence[float]) -> float:
    return sorted(seconds)[len(seconds) // 2]


class Curve:
    """The poll clock of one (type, phase): immutable, and cheap to ask.

    Args:
        hazards: The hazard per unit of log time before the grid, in each of its cells, and after it; all above 0.
        rates: Where those are not told to the end: for each of the rest, twice the square root of it.
    """

    __slots__ = ("_clock", "_rates")

    def __init__(self, hazards: Iterable[float], rates: Iterable[float] = ()) -> None:
        self._rates = [2.0 * math.sqrt(hazard) for hazard in hazards]
        self._rates += rates
        self._clock: list[float] = list(accumulate(map(mul, self._rates, _GAINS), initial=0.0))

    def at(self, age: float) -> float:
        """Return what the poll clock shows at an age.

        Args:
            age: Seconds since the job entered its phase; below 0 counts as 0.

        Returns:
            The integral of the square root of the hazard up to that age, in square roots of a second.
        """
        root = math.sqrt(age if age < _OLDEST else _OLDEST) if age > 0.0 else 0.0
        cell = bisect_right(_ROOTS, root) - 1
        return self._clock[cell] + self._rates[cell] * (root - _ROOTS[cell])

    def advance(self, age: float, step: float) -> float:
        """Return the age at which the poll clock will have advanced by a step.

        Args:
            age: Seconds since the job entered its phase; below 0 counts as 0.
            step: How far the clock is to advance, in square roots of a second.

        Returns:
            The later age, in seconds.
        """
        clock, rates = self._clock, self._rates
        # As in `at`, which each look would take five hundred instructions to call.
        root = math.sqrt(age if age < _OLDEST else _OLDEST) if age > 0.0 else 0.0
        cell = bisect_right(_ROOTS, root) - 1
        due = clock[cell] + rates[cell] * (root - _ROOTS[cell]) + step
        cell = bisect_right(clock, due) - 1
        root = _ROOTS[cell] + (due - clock[cell]) / rates[cell]
        return root * root


def _grid() -> list[float]:
    return [SHORTEST * math.exp(CELL * cell) for cell in range(CELLS + 1)]


_AGES = _grid()
_ROOTS = [0.0, *map(math.sqrt, _AGES)]
_GAINS = [right - left for left, right in pairwise(_ROOTS)]

_HAZARDS = [1.0 / max(_EDGE, math.log(LONGEST / age) - CELL / 2.0) for age in _AGES[:-1]]
_SURVIVORS = [math.exp(-CELL * done) for done in accumulate(_HAZARDS, initial=0.0)]
_MASSES = [left - right for left, right in pairwise(_SURVIVORS)]
_RATES = [
    *(2.0 * math.sqrt(2.0 / CELL * (left - right) / (left + right)) for left, right in pairwise(_SURVIVORS)),
    2.0 * math.sqrt(_HAZARDS[-1]),
]

PRIOR = Curve([_HAZARDS[0], *_HAZARDS, _HAZARDS[-1]])
"""The clock of a job of which nothing is known: it may last anything from 50 ms to a week, evenly in log time."""


def curve(
    history: Durations | Sequence[float],
    kin: Durations | Sequence[float] = (),
    kinds: Sequence[Sequence[float]] = (),
    *,
    in_order: bool = True,
) -> Curve:
    """Estimate the poll clock of jobs like those of a history.

    Args:
        history: How long earlier jobs of this kind took from entering the phase to their end, in seconds. Plain
            numbers are a history that has not been tried.
        kin: The same of all jobs of the API, whatever their kind; what counts while the history is short.
        kinds: The same of each other kind of the API, the newest last: how far jobs of one kind spread, which the first
            16 tell, and what a new kind may take. At least one of each.
        in_order: Whether the history's order tells which are the latest, or nothing.

    Returns:
        The clock; `PRIOR` itself when nothing is known.
    """
    own, others = _durations(history), _durations(kin)
    if not own.seconds and not others.seconds:
        return PRIOR
    untried = _untried(own if own.seconds else others)
    known = 1.0 - _STRANGE * untried
    estimates = _estimates(known, own.seconds, others.seconds, kinds, in_order=in_order)
    of_none = 1.0 - sum([share for share, _, _ in estimates])
    # A job that outlives every earlier one is back on the prior, whose rates are known beforehand; not where some of
    # the estimate lies beyond the grid, and so is not in it.
    end = max(start + len(chances) for _, start, chances in estimates)
    if not all(start for _, start, _ in estimates):
        end = CELLS
    floor = _FLOOR + (_WARY - _FLOOR) * untried
    # Before anything is expected to end there is the prior's share alone, whose hazard is below that floor once
    # something is known.
    first = min(start for _, start, _ in estimates) if of_none < floor else 0
    masses = [of_none * mass for mass in _MASSES[first:end]]
    for share, start, chances in estimates:
        told = slice(start - first, start - first + len(chances))
        masses[told] = [mass + share * chance for mass, chance in zip(masses[told], chances, strict=True)]
    survivors = accumulate(masses, sub, initial=1.0 - of_none * (1.0 - _SURVIVORS[first]))
    # Of a cell's mass, half has ended by its middle.
    hazards = [
        hazard if (hazard := mass / (CELL * (before - 0.5 * mass))) > (least := floor * usual) else least
        for mass, before, usual in zip(masses, survivors, _HAZARDS[first:], strict=False)
    ]
    return Curve([_HAZARDS[0], *[floor * usual for usual in _HAZARDS[:first]], *hazards], _RATES[end:])


def _estimates(
    known: float, own: Sequence[float], kin: Sequence[float], kinds: Sequence[Sequence[float]], *, in_order: bool
) -> list[tuple[float, int, list[float]]]:
    """Return what earlier jobs tell of the next one: the share of each estimate, its first cell, and its chances.

    The shares come to the chance that it is like any of them at most; what they leave is the prior's.
    """
    own_share = known * len(own) / (len(own) + _OWN)
    of_kin = (known - own_share) * len(kin) / (len(kin) + _KIN)
    if own == kin:  # an API whose jobs are all of one kind is common
        own_share, of_kin = own_share + of_kin, 0.0
    of_kinds = of_kin * len(kinds) / (len(kinds) + _KINDS) if len(kinds) > 1 and not own else 0.0
    found: list[tuple[float, int, list[float]]] = []
    if own:
        found.append((own_share, *kind_estimate(own, typical_spread(kinds), in_order=in_order)))
    if of_kin - of_kinds > _LEFT_OUT:
        found.append((of_kin - of_kinds, *kernel_estimate(kin)))
    if of_kinds > _LEFT_OUT:
        found.append((of_kinds, *kernel_estimate([each[-1] for each in kinds])))
    return found


def _durations(history: Durations | Sequence[float]) -> Durations:
    return history if isinstance(history, Durations) else Durations(tuple(history))


def _untried(history: Durations) -> float:
    """Return how untried a history is, from 0 to 1; one that was seen, each job after the other, is not at all."""
    return 0.0 if history.tried >= len(history.seconds) else _TRIED / (history.tried + _TRIED)
