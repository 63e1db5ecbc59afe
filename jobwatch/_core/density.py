"""How likely a job is to end at which age, by how long earlier ones took: chances on one grid of log time. Pure.

1. Of all jobs of an API, whatever their kind, little is asked: a kernel estimate (`kernel_estimate`).
2. Of jobs of one kind (`kind_estimate`), two estimates are mixed. One supposes that they spread normally in log time,
   about as far as those of the API's other kinds do until they have shown their own spread: Student's distribution,
   which needs few jobs. The other is a kernel estimate, which takes any shape and needs many. Each counts by how well
   it tells where each of the jobs lies from the rest of them.
3. What jobs of a kind take may change. So the same is done with the latest few alone, and both count by how well they
   tell the latest. Source of 2 and 3: Geisser & Eddy, "A predictive approach to model selection", JASA 74 (1979).
"""

from __future__ import annotations

import math
from itertools import accumulate, zip_longest
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SHORTEST = 0.05
"""The shortest job expected, in seconds."""

LONGEST = 604_800.0
"""The longest job expected, in seconds: one week."""

CELL = 0.05
"""The width of a cell in log time. Kernels are no narrower, so finer cells would show nothing."""

CELLS = math.ceil(math.log(LONGEST / SHORTEST) / CELL)
"""How many cells there are."""

TYPICAL = 0.35
"""The standard deviation in log time of jobs of one kind where nothing is known of any kind: that of image jobs."""

_START = math.log(SHORTEST)
_MIDDLES = [_START + CELL * (cell + 0.5) for cell in range(CELLS)]

_WIDE = 0.5
# Half a unit of log time, a factor of 1.6, is how far the jobs of most kinds spread.

_DOUBT = 2.0
# Half of a history of so many jobs is spread so far, whatever its own spread is, since the first few jobs cannot tell
# that; the part falls with the third power of their number.

_LEFT_OUT = 0.001
# A smaller part changes nothing, and takes a third of the time.

_CHANCE = 0.05
# The square of a fifth in log time.

_FREEDOM = 5.0
# For so many jobs the spread of other kinds counts beside that which the jobs of this one show.

_NARROWEST = 0.6 * CELL
# A normal spread that is narrower would fall between the middles of cells.

_FARTHEST = 3.5
# Beyond so many of its scales Student's distribution is left out: a job that outlives all others soon is back on the
# prior, whatever a normal curve would promise.

_UNLIKE = 0.001
# The chance of a cell, should a job be like none of the others: a third of the prior's, so that one outlier rules out
# no estimate by itself.

_LATEST = 32
# How many jobs the estimate from the latest is of.

_CHANGED = 0.2
# How likely it is beforehand that only they count.

_JUDGED = 24
# By how many of the latest jobs the two are judged.

_OF_EACH = 8
# By how many of its latest jobs the spread of another kind is told: so many do not drift far.

_COUNTED = 4.0
# How many of them count at most, so that kinds count alike,

_SUPPOSED = 2.0
# and how many `TYPICAL` counts for.


class _Estimate(NamedTuple):
    """The chances of the first cells, beyond which there is none, and what of each job's cell the other jobs say."""

    chances: list[float]
    left_out: list[float]


def logs_of(seconds: Iterable[float]) -> list[float]:
    """Return the logarithms of durations, those out of the grid's range taken for the nearest in it.

    Args:
        seconds: Durations, in seconds.

    Returns:
        Their natural logarithms, in the same order.
    """
    log = math.log
    return [log(SHORTEST if each < SHORTEST else LONGEST if each > LONGEST else each) for each in seconds]


def typical_spread(kinds: Iterable[Sequence[float]]) -> float:
    """Return how far jobs of one kind spread in log time, by those of some kinds: about the median kind's spread.

    Args:
        kinds: How long the jobs of each took, in seconds, the newest last.

    Returns:
        A standard deviation; `TYPICAL` of no kinds, or of kinds of one job each.
    """
    total, weights = _SUPPOSED * math.log(TYPICAL * TYPICAL), _SUPPOSED
    for seconds in kinds:
        count = len(seconds[-_OF_EACH:])
        if count < 2:
            continue
        logs = logs_of(seconds[-_OF_EACH:])
        mean = sum(logs) / count
        # Half a job of the typical spread more: two may take the same time by chance.
        variance = (sum([(log - mean) ** 2 for log in logs]) + 0.5 * TYPICAL * TYPICAL) / (count - 0.5)
        weight = min(count - 1.0, _COUNTED)
        total += weight * math.log(variance)
        weights += weight
    return math.exp(0.5 * total / weights)


def kind_estimate(
    seconds: Sequence[float], spread: float = TYPICAL, *, in_order: bool = True
) -> tuple[int, list[float]]:
    """Return the chance of each cell that the next job of a kind ends in it: of those where there is any.

    Args:
        seconds: How long earlier jobs of the kind took, in seconds, the newest last; at least one.
        spread: How far jobs of one kind spread, as `typical_spread` says.
        in_order: Whether the order tells anything.

    Returns:
        The number of the first cell, and the chances from there on.
    """
    chances = _chances(seconds, spread, in_order=in_order)
    start = next(cell for cell, chance in enumerate(chances) if chance)
    return start, chances[start:]


def _chances(seconds: Sequence[float], spread: float, *, in_order: bool) -> list[float]:
    logs = logs_of(seconds)
    whole = _mixed(logs, spread)
    if not in_order or len(logs) <= _LATEST:
        return whole.chances
    latest = _mixed(logs[-_LATEST:], spread)
    pairs = zip(whole.left_out[-_JUDGED:], latest.left_out[-_JUDGED:], strict=True)
    return _weighed(whole.chances, latest.chances, _CHANGED, pairs)


def _mixed(logs: list[float], spread: float) -> _Estimate:
    """Estimate by Student's distribution and by kernels, each by how well it tells where each job lies."""
    normal = _normal_estimate(logs, spread)
    if len(logs) == 1:
        return normal
    kernels = _kernel_left_out(logs)
    pairs = list(zip(normal.left_out, kernels.left_out, strict=True))
    chances = _weighed(normal.chances, kernels.chances, 0.5, pairs)
    return _Estimate(chances, [0.5 * (one + other) for one, other in pairs])


def _weighed(one: list[float], other: list[float], share: float, judged: Iterable[tuple[float, float]]) -> list[float]:
    """Mix two estimates: the other's share beforehand, and what each said of jobs that it did not know."""
    evidence = sum([math.log((_UNLIKE + second) / (_UNLIKE + first)) for first, second in judged])
    odds = share / (1.0 - share) * math.exp(min(50.0, max(-50.0, evidence)))
    part = odds / (1.0 + odds)
    return [first + part * (second - first) for first, second in zip_longest(one, other, fillvalue=0.0)]


def _normal_estimate(logs: Sequence[float], spread: float) -> _Estimate:
    """Estimate as if log time were normal, the variance unknown but for that of other kinds: Student's distribution."""
    count, others = len(logs), len(logs) - 1
    mean = sum(logs) / count
    apart = [(log - mean) ** 2 for log in logs]
    squares = sum(apart)
    freedom, known = _FREEDOM + others, _FREEDOM * spread * spread
    chances = _student(mean, freedom, _scale(known + squares, freedom, count))
    if not others:
        return _Estimate(chances, [])
    # Without one job, the mean lies `count / others` times as far from it, and its part of the squares is missing.
    part, farther, less, half = count / others, (count / others) ** 2, freedom - 1.0, -0.5 * freedom
    height = CELL * math.exp(math.lgamma(0.5 * freedom) - math.lgamma(0.5 * less)) / math.sqrt(math.pi)
    left_out = [
        height
        * (total := less * _scale(known + squares - part * off, less, others)) ** -0.5
        * (1.0 + farther * off / total) ** half
        for off in apart
    ]
    return _Estimate(chances, left_out)


def _scale(squares: float, freedom: float, count: int) -> float:
    """Return the square of the scale at which the next of some values lies around their mean."""
    return max(squares / freedom, _NARROWEST * _NARROWEST) * (1.0 + 1.0 / count)


def _student(mean: float, freedom: float, scale: float) -> list[float]:
    """Return the chances of the first cells under Student's distribution, given the square of its scale."""
    reach = _FARTHEST * math.sqrt(scale)
    start, end = max(0, _cell(mean - reach)), _cell(mean + reach) + 1
    stretch, power = 1.0 / (freedom * scale), -0.5 * (freedom + 1.0)
    heights = [(1.0 + (middle - mean) ** 2 * stretch) ** power for middle in _MIDDLES[start:end]]
    whole = 1.0 / sum(heights)
    return [0.0] * start + [height * whole for height in heights]


def _cell(log: float) -> int:
    return min(max(int((log - _START) / CELL), 0), CELLS - 1)


def _kernel_left_out(logs: Sequence[float]) -> _Estimate:
    """Estimate by kernels alone, and say what the others say of each job: its own kernel taken off."""
    rising = sorted(logs)
    reaches = _reaches(_bandwidth(rising) / CELL)
    start, chances = _kernels([_cell(log) for log in rising], reaches, sum(reaches))
    count, others, far = len(logs), 1.0 / (len(logs) - 1), sum(reaches)
    own = _blurred([*[0.0] * far, 1.0, *[0.0] * far], reaches)[far]
    left_out = [max(0.0, (count * chances[_cell(log) - start] - own) * others) for log in logs]
    return _Estimate([0.0] * start + chances, left_out)


def kernel_estimate(seconds: Sequence[float]) -> tuple[int, list[float]]:
    """Return the chance of each cell by kernels in log time: of those where there is any, and the first of them.

    Args:
        seconds: How long earlier jobs took, in seconds; at least one.

    Returns:
        The number of the first cell, and the chances from there on.
    """
    logs = sorted(logs_of(seconds))
    cells = [_cell(log) for log in logs]
    reaches = _reaches(_bandwidth(logs) / CELL)
    doubt = 1.0 / (1.0 + (len(logs) / _DOUBT) ** 3)
    wide = _WIDE_REACHES if doubt > _LEFT_OUT else []
    farthest = max(sum(reaches), sum(wide))
    start, chances = _kernels(cells, reaches, farthest)
    if wide:
        _, spread = _kernels(cells, wide, farthest)
        chances = [near + doubt * (far - near) for near, far in zip(chances, spread, strict=True)]
    return start, chances


def _kernels(cells: Sequence[int], reaches: Sequence[int], farthest: int) -> tuple[int, list[float]]:
    """Return one kernel for each of some cells, in rising order, and the first cell that they reach."""
    start, end = max(0, cells[0] - farthest), min(CELLS, cells[-1] + farthest + 1)
    counts = [0.0] * (end - start)
    each = 1.0 / len(cells)
    for cell in cells:
        counts[cell - start] += each
    return start, _blurred(counts, reaches)


def _bandwidth(logs: Sequence[float]) -> float:
    """Return a kernel's standard deviation in log time, from durations in rising order: Silverman's rule, widened.

    Two jobs may take the same time by chance, so one more counts that is off by `_CHANCE`.
    """
    count = len(logs)
    mean = sum(logs) / count
    spread = math.sqrt((sum([(log - mean) ** 2 for log in logs]) + _CHANCE) / count)
    middle = (logs[3 * count // 4] - logs[count // 4]) / 1.34  # the spread, if normal; unmoved by outliers
    near = max(math.sqrt(_CHANCE / count), min(spread, middle) if middle > 0.0 else spread)
    return min(1.0, max(CELL, 1.1 * near * math.pow(count, -0.2)))


def _reaches(width: float) -> list[int]:
    """Return how far each of three running means reaches that blur with a standard deviation in cells, nearly normally.

    A running mean over 2 * reach + 1 cells adds reach * (reach + 1) / 3 to the variance.
    """
    variance, reaches = 0.0, list[int]()
    for passes in (3, 2, 1):
        reach = round((math.sqrt(1.0 + 12.0 * max(0.0, width * width - variance) / passes) - 1.0) / 2.0)
        variance += reach * (reach + 1) / 3.0
        reaches.append(reach)
    return reaches


_WIDE_REACHES = _reaches(_WIDE / CELL)


def _blurred(counts: Sequence[float], reaches: Iterable[int]) -> list[float]:
    chances = list(counts)
    for reach in reaches:
        chances = _running_mean(chances, reach)
    return chances


def _running_mean(counts: Sequence[float], reach: int) -> list[float]:
    if reach == 0:
        return list(counts)
    padding = [0.0] * reach
    sums = list(accumulate([*padding, *counts, *padding], initial=0.0))
    share = 1.0 / (2 * reach + 1)
    return [(right - left) * share for left, right in zip(sums, sums[2 * reach + 1 :], strict=False)]
