"""When to look next: ages, prices and past durations in, seconds out. No clock, no dice.

Three rules:

1. A look is due each time the poll clock of the job's kind (`Curve`) has advanced by ``sqrt(2 * poll_cost * price)``.
2. Whatever the clock says, an interval lies within ``min_interval`` and ``max_interval``.
3. A history is a value: a new duration makes a new one, and only then is a new curve due.
"""

from __future__ import annotations

import math

from msgspec import Struct

from ._curve import PRIOR, Curve, curve
from ._errors import ConfigError

__all__ = ["PRIOR", "Curve", "Durations", "Pace", "curve", "interval", "remembered"]

KEPT = 128
"""How many durations of a kind are remembered: enough for a curve, few enough to follow a kind that drifts."""


class Pace(Struct, frozen=True, kw_only=True):
    """How eagerly to look.

    Attributes:
        poll_cost: How many seconds of learning late one request is worth; four times as much, half the looks.
        min_interval: The shortest time between two looks, in seconds.
        max_interval: The longest time between two looks, in seconds.

    Raises:
        ConfigError: If a figure is not finite and above 0, or the shortest interval is longer than the longest.
    """

    poll_cost: float = 0.03
    min_interval: float = 0.5
    max_interval: float = 60.0

    def __post_init__(self) -> None:
        for name in ("poll_cost", "min_interval", "max_interval"):
            seconds: float = getattr(self, name)
            if not (math.isfinite(seconds) and seconds > 0.0):
                raise ConfigError(f"{name} must be a finite number of seconds above 0, not {seconds!r}")
        if self.min_interval > self.max_interval:
            raise ConfigError(f"min_interval {self.min_interval:g} s is longer than max_interval {self.max_interval:g} s")


class Durations(Struct, frozen=True, array_like=True):
    """How long the last jobs of one (type, phase) took, from entering the phase to the job's end.

    Attributes:
        seconds: The durations, the newest last; at most `KEPT`.
    """

    seconds: tuple[float, ...] = ()


def remembered(durations: Durations, seconds: float) -> Durations:
    """Return a history with one more duration in it, and the oldest dropped when it is full.

    Args:
        durations: The history so far.
        seconds: The new duration; one that is not finite or is below 0 is no duration, and is left out.

    Returns:
        The new history.
    """
    if not (math.isfinite(seconds) and seconds >= 0.0):
        return durations
    return Durations((*durations.seconds[1 - KEPT :], seconds))


def interval(
    pace: Pace,
    age: float,
    curve: Curve = PRIOR,
    *,
    price: float = 1.0,
    phase: float = 1.0,
    progress: float | None = None,
) -> float:
    """Return how long to wait before the next look.

    Args:
        pace: How eagerly to look.
        age: Seconds since the job entered its phase; below 0 counts as 0.
        curve: The poll clock of the job's kind.
        price: What a request costs now, relative to `Pace.poll_cost`.
        phase: How much of a full step of the clock to wait. Drawn evenly from 0.5 to 1.5 once a job, for its
            second look, it spreads jobs that start together at no cost.
        progress: How far the job is, from 0 to 1, where the API tells.

    Returns:
        Seconds, within the pace's shortest and longest interval.
    """
    step = math.sqrt(2.0 * pace.poll_cost * price) * phase
    now = min(age, _OLDEST) if age > 0.0 else 0.0  # a nan is not above 0
    if progress is not None and 0.0 < progress < 1.0 and now > 0.0:
        whole = now / progress
        wanted = whole * _FORETOLD.advance(progress, step / math.sqrt(whole)) - now
    else:
        wanted = curve.advance(now, step) - now
    return min(max(wanted, pace.min_interval), pace.max_interval)


_OLDEST = 1e12
# Ages beyond this (30,000 years) are a clock gone wrong; cut there, roots and squares stay exact enough.

_FORETOLD = curve([0.8, 0.9, 1.0, 1.1, 1.25])
# A job that says how far it is ends at about age / progress: one curve around 1, scaled, serves them all.
