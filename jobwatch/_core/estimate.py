"""How much longer a job may take, from what earlier ones took: for people who look at a log, not for the pace. Pure."""

from __future__ import annotations

from collections.abc import Sequence

_FEWEST = 3
"""How many earlier jobs that took longer there have to be: of fewer, a range says more than is known."""

_LOW, _HIGH = 0.2, 0.8

_FEWEST_USUAL = 10
"""How many earlier jobs there have to be before one is said to take longer than they do."""

_NEARLY_ALL = 0.95


def remaining(durations: Sequence[float], age: float) -> tuple[float, float] | None:
    """Return between which times a job of some age will probably end, in seconds from now.

    Three in five jobs end in between, if they are like the earlier ones: it is the range from the 20th to the 80th
    percentile of what those took beyond that age which had not ended by then.

    Args:
        durations: How long earlier jobs took, in seconds.
        age: How long this one has taken so far, in seconds.

    Returns:
        The earlier and the later time; None where fewer than three of the earlier jobs took longer than that.
    """
    left = sorted(seconds - age for seconds in durations if seconds > age)
    if len(left) < _FEWEST:
        return None
    return _quantile(left, _LOW), _quantile(left, _HIGH)


def usual(durations: Sequence[float]) -> float | None:
    """Return what nearly all earlier jobs took at most, in seconds: the 95th percentile.

    Args:
        durations: How long earlier jobs took, in seconds.

    Returns:
        That time; None of fewer than ten jobs.
    """
    return None if len(durations) < _FEWEST_USUAL else _quantile(sorted(durations), _NEARLY_ALL)


def _quantile(ordered: Sequence[float], share: float) -> float:
    """Return what lies at a share of the way through ordered numbers, on the line between its two neighbours."""
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
