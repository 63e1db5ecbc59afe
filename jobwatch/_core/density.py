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
from itertools import accumulate
from operator import mul, sub
from typing import TYPE_CHECKING

from msgspec import Struct

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

_TINY = 0.0001
# A smaller part of two estimates changes nothing either, not even beyond where the other ends.

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

_TELLING = 16
# How many kinds tell the spread: of twice as many, the median is known no better than is of use.


class _Part(Struct, frozen=True, gc=False):
    """A part of an estimate: from some cell on, `share` times each height is a chance, and elsewhere there is none."""

    share: float
    start: int
    heights: Sequence[float]


class _Judged(Struct, frozen=True):
    """The two estimates from some jobs, judged.

    Attributes:
        logs: The jobs, in log time.
        kernels: The estimate by kernels; none of one job.
        part: Which part that has; Student's distribution has the rest.
        left_out: What both say of the cell of each of the latest jobs from the rest of the jobs.
    """

    logs: list[float]
    kernels: _Part | None
    part: float
    left_out: list[float]


def logs_of(seconds: Sequence[float]) -> list[float]:
    """Return the logarithms of durations, those out of the grid's range taken for the nearest in it.

    Args:
        seconds: Durations, in seconds; at least one.

    Returns:
        Their natural logarithms, in the same order.
    """
    if min(seconds) < SHORTEST or max(seconds) > LONGEST:
        seconds = [SHORTEST if each < SHORTEST else LONGEST if each > LONGEST else each for each in seconds]
    return list(map(math.log, seconds))


def typical_spread(kinds: Iterable[Sequence[float]]) -> float:
    """Return how far jobs of one kind spread in log time, by those of some kinds: about the median kind's spread.

    Args:
        kinds: How long the jobs of each took, in seconds, the newest last; of many kinds, the first of them count.

    Returns:
        A standard deviation; `TYPICAL` of no kinds, or of kinds of one job each.
    """
    total, weights = _SUPPOSED * math.log(TYPICAL * TYPICAL), _SUPPOSED
    for latest in [seconds[-_OF_EACH:] for seconds in kinds if len(seconds) > 1][:_TELLING]:
        count, _, apart = _apart(logs_of(latest))
        # Half a job of the typical spread more: two may take the same time by chance.
        variance = (sum(apart) + 0.5 * TYPICAL * TYPICAL) / (count - 0.5)
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
    logs = logs_of(seconds)
    whole = _judged(logs, spread)
    if not in_order or len(logs) <= _LATEST:
        return _sum(_parts(whole, spread, 1.0))
    latest = _judged(logs[-_LATEST:], spread)
    changed = _part(_CHANGED, whole.left_out, latest.left_out)
    return _sum(_parts(whole, spread, 1.0 - changed) + _parts(latest, spread, changed))


def _judged(logs: list[float], spread: float) -> _Judged:
    """Judge Student's distribution and kernels, each by how well it tells where each job lies."""
    if len(logs) == 1:
        return _Judged(logs, None, 0.0, [])
    normal = _normal_left_out(logs, spread)
    kernels, others = _kernels_left_out(logs)
    latest = zip(normal[-_JUDGED:], others[-_JUDGED:], strict=True)
    return _Judged(logs, kernels, _part(0.5, normal, others), [0.5 * (one + other) for one, other in latest])


def _part(share: float, one: Sequence[float], other: Sequence[float]) -> float:
    """Return the part of the other of two estimates: its share beforehand, and what each said of jobs left out."""
    ratios = [(_UNLIKE + second) / (_UNLIKE + first) for first, second in zip(one, other, strict=True)]
    odds = share / (1.0 - share) * math.exp(min(50.0, max(-50.0, sum(map(math.log, ratios)))))
    return odds / (1.0 + odds)


def _parts(judged: _Judged, spread: float, share: float) -> list[_Part]:
    """Return what an estimate is made of, each part with its share; one that would change nothing is left out."""
    found: list[_Part] = []
    of_kernels = share * judged.part
    if share - of_kernels > _TINY:
        found.append(_normal_estimate(judged.logs, spread, share - of_kernels))
    if judged.kernels is not None and of_kernels > _TINY:
        found.append(_scaled(judged.kernels, of_kernels))
    return found


def _scaled(part: _Part, share: float) -> _Part:
    return _Part(share * part.share, part.start, part.heights)


def _sum(parts: Sequence[_Part]) -> tuple[int, list[float]]:
    """Return the first cell in which there is any chance, and the chances from there on."""
    start = min([part.start for part in parts])
    chances = [0.0] * (max([part.start + len(part.heights) for part in parts]) - start)
    for part in parts:
        share, at = part.share, part.start - start
        end = at + len(part.heights)
        chances[at:end] = [chance + share * each for chance, each in zip(chances[at:end], part.heights, strict=True)]
    return start, chances


def _normal_estimate(logs: Sequence[float], spread: float, share: float = 1.0) -> _Part:
    """Estimate as if log time were normal, the variance unknown but for that of other kinds: Student's distribution."""
    count, mean, apart = _apart(logs)
    freedom = _FREEDOM + count - 1.0
    scale = _scale(_FREEDOM * spread * spread + sum(apart), freedom, count)
    reach = _FARTHEST * math.sqrt(scale)
    start, end = max(0, _cell(mean - reach)), min(CELLS, _cell(mean + reach) + 1)
    stretch, power = 1.0 / (freedom * scale), -0.5 * (freedom + 1.0)
    offs = [middle - mean for middle in _MIDDLES[start:end]]
    heights = [(1.0 + off * off * stretch) ** power for off in offs]
    return _Part(share / sum(heights), start, heights)


def _normal_left_out(logs: Sequence[float], spread: float) -> list[float]:
    """Return the chance of each job's cell, estimated so from the others."""
    count, _, apart = _apart(logs)
    others, known = count - 1, _FREEDOM * spread * spread + sum(apart)
    freedom = _FREEDOM + others
    # Without one job, the mean lies `count / others` times as far from it, and its part of the squares is missing.
    part, less, half = count / others, freedom - 1.0, 0.5 * freedom
    least = less * _NARROWEST * _NARROWEST  # as in `_scale`
    rests = [rest if (rest := known - part * off) > least else least for off in apart]
    height = CELL * math.exp(math.lgamma(half) - math.lgamma(0.5 * less)) / math.sqrt(math.pi * part)
    root = math.sqrt
    return [height / root(rest) * (rest / (rest + part * off)) ** half for off, rest in zip(apart, rests, strict=True)]


def _apart(logs: Sequence[float]) -> tuple[int, float, list[float]]:
    """Return how many there are, their mean, and the square of how far each is from it."""
    count = len(logs)
    mean = sum(logs) / count
    offs = [log - mean for log in logs]
    return count, mean, list(map(mul, offs, offs))


def _scale(squares: float, freedom: float, count: int) -> float:
    """Return the square of the scale at which the next of some values lies around their mean."""
    return max(squares / freedom, _NARROWEST * _NARROWEST) * (1.0 + 1.0 / count)


def _cell(log: float) -> int:
    return int((log - _START) / CELL)


def _cells(logs: Sequence[float]) -> list[int]:
    return list(map(int, [(log - _START) / CELL for log in logs]))  # half as long as to call `_cell` of each


def _kernels_left_out(logs: Sequence[float]) -> tuple[_Part, list[float]]:
    """Estimate by kernels alone, and say what the others say of each job: its own kernel taken off."""
    cells = _cells(logs)
    reaches = _reaches(_bandwidth(sorted(logs)) / CELL)
    kernels = _kernels(cells, reaches)
    start, heights, own = kernels.start, kernels.heights, _peak(reaches)
    each = kernels.share * len(cells) / (len(cells) - 1)
    return kernels, [(heights[cell - start] - own) * each for cell in cells]


def kernel_estimate(seconds: Sequence[float]) -> tuple[int, list[float]]:
    """Return the chance of each cell by kernels in log time: of those where there is any, and the first of them.

    Args:
        seconds: How long earlier jobs took, in seconds; at least one.

    Returns:
        The number of the first cell, and the chances from there on.
    """
    logs = logs_of(seconds)
    cells = _cells(logs)
    near = _kernels(cells, _reaches(_bandwidth(sorted(logs)) / CELL))
    doubt = 1.0 / (1.0 + (len(logs) / _DOUBT) ** 3)
    if doubt <= _LEFT_OUT:
        return _sum([near])
    far = _kernels(cells, _WIDE_REACHES)
    return _sum([_scaled(near, 1.0 - doubt), _scaled(far, doubt)])


def _kernels(cells: Sequence[int], reaches: Sequence[int]) -> _Part:
    """Return one kernel for each of some cells, in whole numbers: those sum up faster, and without an error."""
    start, end = min(cells), max(cells) + 1
    heights: list[float] = [0] * (end - start)
    for cell in cells:
        heights[cell - start] += 1
    whole = len(cells)
    for reach in reaches:
        heights = _running_sum(heights, reach)
        start, end, whole = start - reach, end + reach, whole * (2 * reach + 1)
    return _Part(1.0 / whole, max(0, start), heights[max(0, -start) : CELLS - start])


def _peak(reaches: Sequence[int]) -> int:
    """Return how high a kernel is in its middle: two running sums make a trapezium, and the third sums that up."""
    one, other, last = reaches
    flat, foot = 2 * min(one, other) + 1, one + other + 1
    return sum([max(0, min(flat, foot - abs(off))) for off in range(-last, last + 1)])


def _bandwidth(logs: Sequence[float]) -> float:
    """Return a kernel's standard deviation in log time, from durations in rising order: Silverman's rule, widened.

    Two jobs may take the same time by chance, so one more counts that is off by `_CHANCE`.
    """
    count, _, apart = _apart(logs)
    spread = math.sqrt((sum(apart) + _CHANCE) / count)
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


def _running_sum(heights: Sequence[float], reach: int) -> list[float]:
    """Return for each cell the sum of those that are no farther, from that reach before the first to after the last."""
    padding = [0] * (2 * reach)
    sums = list(accumulate([*padding, *heights, *padding], initial=0))
    return list(map(sub, sums[2 * reach + 1 :], sums))
