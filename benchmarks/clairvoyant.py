"""The best schedule there is for jobs whose durations are known as a distribution, by dynamic programming.

Let a job end at one of the ages ``x[1] < x[2] < ...``, and let *W(i)* be the chance that it has ended by the i-th,
*M(i)* the sum of the ages up to it, each weighed with its chance. The cheapest way on from a look at the i-th costs::

    V(i) = cost * (1 - W(i)) + min over j > i of x[j] * (W(j) - W(i)) - (M(j) - M(i)) + V(j)

Each *j* offers a straight line in *W(i)* that falls by ``x[j]``: the lower envelope of the lines, kept from the last
*j* to the first, gives all minima in one pass.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import deque
from itertools import accumulate, pairwise
from statistics import NormalDist, pstdev, quantiles
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobwatch._core.pace import Curve

FINENESS = 8
"""How many candidates there are for each look that the poll clock would make."""

_CELL = 0.01
# Width of a cell in log time of the smoothed distribution.


class _Line(NamedTuple):
    """What one candidate for the next look offers: ``start - fall * ended``, `ended` being the chance so far."""

    fall: float
    start: float
    candidate: int

    def at(self, ended: float) -> float:
        return self.start - self.fall * ended


def best_schedule(ages: Sequence[float], chances: Sequence[float], cost: float) -> list[float]:
    """Return the ages at which to look at a job that ends at one of some ages.

    Args:
        ages: When it may end, in seconds, rising.
        chances: How likely it ends at each of them; together 1.
        cost: Seconds of delay one look is worth.

    Returns:
        Some of the ages, the last among them.
    """
    count = len(ages)
    ended = list(accumulate(chances, initial=0.0))
    moments = list(accumulate((age * chance for age, chance in zip(ages, chances, strict=True)), initial=0.0))
    following = [count] * count
    lines = deque([_Line(ages[-1], ages[-1] * ended[-1] - moments[-1], count)])
    for seen in range(count - 1, -1, -1):
        while len(lines) > 1 and lines[1].at(ended[seen]) <= lines[0].at(ended[seen]):
            lines.popleft()
        following[seen] = lines[0].candidate
        value = cost * (ended[-1] - ended[seen]) + moments[seen] + lines[0].at(ended[seen])
        if seen:
            _add(lines, _Line(ages[seen - 1], ages[seen - 1] * ended[seen] - moments[seen] + value, seen))
    schedule: list[float] = []
    seen = 0
    while seen < count:
        seen = following[seen]
        schedule.append(ages[seen - 1])
    return schedule


def _add(lines: deque[_Line], new: _Line) -> None:
    """Add a line that falls less than all before it, and drop those that are nowhere the lowest any more."""
    while len(lines) > 1:
        old, last = lines[-2], lines[-1]
        if (old.start - new.start) * (old.fall - last.fall) < (old.start - last.start) * (old.fall - new.fall):
            break
        lines.pop()
    lines.append(new)


def candidates(clock: Curve, step: float, longest: float) -> list[float]:
    """Return the ages to choose looks from: `FINENESS` of them for each that the poll clock would make.

    Args:
        clock: The poll clock of the jobs.
        step: How far the clock advances between looks.
        longest: The age by which all jobs have ended, in seconds; the last candidate.
    """
    ages = [clock.advance(0.0, step / FINENESS)]
    while ages[-1] < longest:
        ages.append(clock.advance(ages[-1], step / FINENESS))
    return ages


def smoothed(durations: Sequence[float], ages: Sequence[float]) -> list[float]:
    """Return how likely a job ends between each two ages, by a normal kernel in log time around each duration.

    The best schedule for a few durations as they are would look just when each of them ends. The kernel's width is
    Silverman's rule, ``0.9 * min(sd, interquartile range / 1.34) * n ** -1/5``.

    Args:
        durations: Seconds; at least two.
        ages: Seconds, rising; what ends before the first or after the last counts there.
    """
    logs = [math.log(max(seconds, 0.01)) for seconds in durations]
    low, _, high = quantiles(logs, n=4)
    width = max(_CELL, 0.9 * (min(pstdev(logs), (high - low) / 1.34) or pstdev(logs)) * len(logs) ** -0.2)
    reach = math.ceil(4.0 * width / _CELL)
    start = min(logs) - reach * _CELL
    counts = [0] * (int((max(logs) - start) / _CELL) + 1)
    for log in logs:
        counts[int((log - start) / _CELL)] += 1
    kernel = [NormalDist(0.0, width).pdf(_CELL * offset) * _CELL / len(logs) for offset in range(-reach, reach + 1)]
    masses = [0.0] * (len(counts) + reach)
    for cell, here in enumerate(counts):
        if here:
            for place, share in enumerate(kernel, cell - reach):
                masses[place] += here * share
    ended = list(accumulate(masses, initial=0.0))
    reached = [_within(ended, (math.log(age) - start) / _CELL) / ended[-1] for age in ages[:-1]]
    bounds = [0.0, *reached, 1.0]
    return [right - left for left, right in pairwise(bounds)]


def _within(ended: Sequence[float], place: float) -> float:
    if place <= 0.0:
        return 0.0
    cell = int(place)
    if cell >= len(ended) - 1:
        return ended[-1]
    return ended[cell] + (place - cell) * (ended[cell + 1] - ended[cell])


def cost_of(schedule: Sequence[float], durations: Sequence[float], cost: float) -> float:
    """Return the mean cost of waiting for jobs by a schedule.

    Args:
        schedule: When it looks, in seconds, rising.
        durations: Seconds, none above the last look.
        cost: Seconds of delay one look is worth.

    Returns:
        Seconds: the mean delay, and `cost` for each look.
    """
    total = 0.0
    for seconds in durations:
        last = bisect_left(schedule, seconds)
        total += cost * (last + 1) + schedule[last] - seconds
    return total / len(durations)
