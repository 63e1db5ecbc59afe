"""The poll clock of one kind of job: how fast looks are worth making, by the job's age.

A look is worth making more often while the job is more likely to end. If a job that has not ended by age *t*
ends with hazard rate *h(t)*, the cheapest interval is ``sqrt(2 * cost / h(t))``: so the poll clock
``Phi(t) = integral of sqrt(h)`` is one table for every cost, and a look is due each time it has advanced by
``sqrt(2 * cost)``. Source: Barlow, Hunter & Proschan, "Optimum checking procedures", J. SIAM 11 (1963).

Everything here is done in log time. Where the hazard of ``log(age)`` is a constant *g*, ``Phi`` is
``2 * sqrt(g) * sqrt(t)``: in the square root of the age the clock is piecewise linear, from age 0 to any age.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

SHORTEST = 0.05
"""The shortest job the prior expects, in seconds."""

LONGEST = 604_800.0
"""The longest job the prior expects, in seconds: one week."""

_EDGE = 2.0
# Beyond its range the prior stays scale-free: ln(LONGEST / age) is not let below this, so that the hazard has no pole.

_OLDEST = 1e12
# Ages beyond this (30,000 years) are a clock gone wrong; cut there, squares and roots stay exact enough.

_CELL = 0.08
# Width of a cell in log time: half of the narrowest kernel.

_MAX_CELLS = 120
# A history spread so wide that it needs more gets wider cells.

_PRIOR_WEIGHT = 0.3
# How much of a full history's weight the prior keeps. While nothing ends, intervals are at most
# 1 / sqrt(0.3) = 1.8 times the history-free ones: what a wrong history can cost.

_FIRST_JOBS = 1.0
# A history of this many jobs weighs as much as the part of the prior that may be given up.


class Curve:
    """The poll clock of one (job type, phase): immutable, and cheap to ask.

    Args:
        ages: Where the hazard changes, in seconds, rising, the first one above 0.
        hazards: The hazard per unit of log time before the first age, between each two, and after the last:
            one more than there are ages, each above 0.
    """

    __slots__ = ("_clock", "_rates", "_roots")

    def __init__(self, ages: Sequence[float], hazards: Sequence[float]) -> None:
        roots = [0.0, *map(math.sqrt, ages)]
        rates = [2.0 * math.sqrt(hazard) for hazard in hazards]
        gains = (rate * (right - left) for rate, left, right in zip(rates, roots, roots[1:], strict=False))
        self._roots = roots
        self._rates = rates
        self._clock = list(accumulate(gains, initial=0.0))

    def at(self, age: float) -> float:
        """Return what the poll clock shows at an age.

        Args:
            age: Seconds since the job entered its phase; below 0 counts as 0.

        Returns:
            The integral of the square root of the hazard up to that age.
        """
        root = _root(age)
        cell = bisect_right(self._roots, root) - 1
        return self._clock[cell] + self._rates[cell] * (root - self._roots[cell])

    def advance(self, age: float, step: float) -> float:
        """Return the age at which the poll clock will have advanced by a step.

        Args:
            age: Seconds since the job entered its phase; below 0 counts as 0.
            step: How far the clock is to advance, in square roots of a second.

        Returns:
            The later age, in seconds.
        """
        due = self.at(age) + step
        cell = bisect_right(self._clock, due) - 1
        root = self._roots[cell] + (due - self._clock[cell]) / self._rates[cell]
        return root * root


def _root(age: float) -> float:
    return math.sqrt(min(age, _OLDEST)) if age > 0.0 else 0.0


def _prior_hazard(age: float) -> float:
    return 1.0 / max(_EDGE, math.log(LONGEST / age))


def _prior_survival(age: float) -> float:
    edge = LONGEST * math.exp(-_EDGE)
    left = min(1.0, math.log(LONGEST / min(age, edge)) / math.log(LONGEST / SHORTEST))
    return left if age <= edge else left * math.pow(edge / age, 1.0 / _EDGE)


def _prior_ages() -> list[float]:
    cells = 160
    ratio = (LONGEST / SHORTEST) ** (1.0 / cells)
    return [SHORTEST * ratio**cell for cell in range(cells + 1)]


def _prior() -> Curve:
    ages = _prior_ages()
    middles = [math.sqrt(left * right) for left, right in pairwise(ages)]
    return Curve(ages, [_prior_hazard(age) for age in (ages[0], *middles, ages[-1])])


PRIOR = _prior()
"""The clock of a job of which nothing is known: its length may be anything from 50 ms to a week, evenly in log time."""


def curve(history: Sequence[float]) -> Curve:
    """Estimate the poll clock of jobs like those of a history.

    Args:
        history: How long each earlier job took from entering the phase to its end, in seconds, in any order.

    Returns:
        The clock; `PRIOR` itself when there is no history.
    """
    logs = sorted(math.log(max(SHORTEST / 10, seconds)) for seconds in history)
    if not logs:
        return PRIOR
    width = _bandwidth(logs)
    cell, start, counts = _binned(logs, width)
    known = (1.0 - _PRIOR_WEIGHT) * len(logs) / (len(logs) + _FIRST_JOBS)
    for _ in range(3):
        counts = _boxed(counts, max(1, round(width / cell)))
    total = sum(counts)
    return _mixed([count / total for count in counts], start, cell, known)


def _bandwidth(logs: Sequence[float]) -> float:
    count = len(logs)
    quartiles = logs[(3 * count) // 4] - logs[count // 4]
    mean = sum(logs) / count
    spread = math.sqrt(sum((log - mean) ** 2 for log in logs) / count)
    near = min(spread, quartiles / 1.34) if quartiles > 0.0 else spread
    # Silverman's rule, with half a log unit of doubt shared among the first few jobs.
    return max(0.08, 0.9 * near * count**-0.2, 0.4 / math.sqrt(count))


def _binned(logs: Sequence[float], width: float) -> tuple[float, float, list[float]]:
    margin = 3.0 * width + 2 * _CELL
    cell = max(_CELL, (logs[-1] - logs[0] + 2.0 * margin) / _MAX_CELLS)
    start = logs[0] - margin
    counts = [0.0] * (int((logs[-1] + margin - start) / cell) + 1)
    for log in logs:
        counts[int((log - start) / cell)] += 1.0
    return cell, start, counts


def _boxed(counts: Sequence[float], reach: int) -> list[float]:
    sums = list(accumulate(counts, initial=0.0))
    last = len(counts)
    return [sums[min(last, i + reach + 1)] - sums[max(0, i - reach)] for i in range(last)]


def _mixed(masses: Sequence[float], start: float, cell: float, known: float) -> Curve:
    before = [age for age in _prior_ages() if age < math.exp(start)]
    edges = [math.exp(start + cell * i) for i in range(len(masses) + 1)]
    after = [age for age in _prior_ages() if age > edges[-1]]
    ages = [*before, *edges, *after]
    survivals = [1.0] * len(before) + [1.0 - done for done in accumulate(masses, initial=0.0)] + [0.0] * len(after)
    hazards = [_prior_hazard(ages[0])]
    for i, right_age in enumerate(ages[1:], 1):
        right = known * max(0.0, survivals[i]) + (1.0 - known) * _prior_survival(right_age)
        previous = known * max(0.0, survivals[i - 1]) + (1.0 - known) * _prior_survival(ages[i - 1])
        hazards.append(math.log(previous / right) / math.log(right_age / ages[i - 1]))
    hazards.append(_prior_hazard(ages[-1]))
    return Curve(ages, [max(1e-4, hazard) for hazard in hazards])
