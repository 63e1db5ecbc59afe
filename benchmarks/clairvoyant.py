"""The best schedule there is for jobs whose durations are known as a distribution, by dynamic programming.

Between two durations a look is best made at the earlier one, so the candidates are the durations themselves. The
cheapest way on from the look at the i-th of n durations ``x[1] <= ... <= x[n]`` costs ``V(i) = min over j > i of
cost * (n - i) + sum(x[j] - x[k] for k = i+1 .. j) + V(j)``. Written out, each *j* offers a straight line in *i* that
falls by ``x[j]``: the lower envelope of the lines, kept from the last *j* to the first, gives all minima in one pass.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import deque
from itertools import accumulate
from statistics import NormalDist, pstdev, quantiles
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

SMOOTHED = 12_000
"""How many durations stand for a smoothed distribution: many more than looks, so that none is made for a single job."""


class _Line(NamedTuple):
    """What one candidate for the next look offers: ``start - fall * seen``, when `seen` jobs have been seen to end."""

    fall: float
    start: float
    candidate: int

    def at(self, seen: int) -> float:
        return self.start - self.fall * seen


def best_schedule(durations: Sequence[float], cost: float) -> list[float]:
    """Return the ages at which to look at jobs that last as long as these, with equal chances.

    Args:
        durations: Seconds, in any order.
        cost: Seconds of delay one look is worth.

    Returns:
        The ages, rising; the last is that of the longest job.
    """
    ends = sorted(durations)
    count = len(ends)
    passed = list(accumulate(ends, initial=0.0))
    following = [count] * count
    lines = deque([_Line(ends[-1], count * ends[-1] - passed[-1], count)])
    for seen in range(count - 1, -1, -1):
        while len(lines) > 1 and lines[1].at(seen) <= lines[0].at(seen):
            lines.popleft()
        following[seen] = lines[0].candidate
        value = cost * (count - seen) + passed[seen] + lines[0].at(seen)
        if seen and ends[seen - 1] < ends[seen]:  # of equal ends, only a look that sees them all is a candidate
            _add(lines, _Line(ends[seen - 1], seen * ends[seen - 1] - passed[seen] + value, seen))
    ages = []
    seen = 0
    while seen < count:
        seen = following[seen]
        ages.append(ends[seen - 1])
    return ages


def _add(lines: deque[_Line], new: _Line) -> None:
    """Add a line that falls less than all before it, and drop those that are nowhere the lowest any more."""
    while len(lines) > 1:
        old, last = lines[-2], lines[-1]
        if (old.start - new.start) * (old.fall - last.fall) < (old.start - last.start) * (old.fall - new.fall):
            break
        lines.pop()
    lines.append(new)


def smoothed(durations: Sequence[float]) -> list[float]:
    """Return a sample many times as large, from a normal kernel in log time around each duration.

    The best schedule for a few durations as they are would look just when each of them ends. The kernel's width is
    Silverman's rule, ``0.9 * min(sd, interquartile range / 1.34) * n ** -1/5``.

    Args:
        durations: Seconds; at least two.
    """
    logs = [math.log(max(seconds, 0.01)) for seconds in durations]
    low, _, high = quantiles(logs, n=4)
    spread = pstdev(logs)
    width = 0.9 * (min(spread, (high - low) / 1.34) or spread) * len(logs) ** -0.2
    copies = math.ceil(SMOOTHED / len(logs))
    offsets = [width * NormalDist().inv_cdf((copy + 0.5) / copies) for copy in range(copies)]
    return [math.exp(log + offset) for log in logs for offset in offsets]


def cost_of(ages: Sequence[float], durations: Sequence[float], cost: float) -> float:
    """Return the mean cost of waiting by a schedule for jobs.

    Args:
        ages: When the schedule looks; a job that outlasts it is seen as it ends, by one look more.
        durations: Seconds.
        cost: Seconds of delay one look is worth.

    Returns:
        Seconds: the mean delay, and `cost` for each look.
    """
    total = 0.0
    for seconds in durations:
        last = bisect_left(ages, seconds)
        total += cost * (last + 1) + (ages[last] - seconds if last < len(ages) else 0.0)
    return total / len(durations)
