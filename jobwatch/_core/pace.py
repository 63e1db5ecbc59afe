"""When to look next: ages, prices and past durations in, seconds out. No clock, no dice.

1. A look is due each time the poll clock of the job's kind (`Curve`) has advanced by ``sqrt(2 * poll_cost * price)``.
2. Whatever the clock says, an interval lies within ``min_interval`` and ``max_interval``.
3. A history is a value: a duration more makes a new one, and only then is a new curve due.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import force_setattr

from .._errors import ConfigError
from .._reading.periods import seconds_given
from .hazard import PRIOR, Curve, Durations, curve, remembered

if TYPE_CHECKING:
    from .._reading.periods import Duration

__all__ = ["PRIOR", "Curve", "Durations", "Pace", "curve", "interval", "remembered"]


class Pace(Struct, frozen=True, kw_only=True):
    """How eagerly to look; made of seconds, texts such as ``"500ms"`` or ``"2m"``, or a `timedelta`.

    Attributes:
        poll_cost: How many seconds of learning late one request is worth: four times as much, half the looks.
        min_interval: The shortest time between two looks, in seconds.
        max_interval: The longest time between two looks, in seconds.

    Raises:
        ConfigError: If a figure is not finite and above 0, or the shortest interval is longer than the longest.
    """

    poll_cost: float = 0.03
    min_interval: float = 0.5
    max_interval: float = 60.0

    if TYPE_CHECKING:  # what is given may be written in other ways than what is kept

        def __init__(
            self, *, poll_cost: Duration = 0.03, min_interval: Duration = 0.5, max_interval: Duration = 60.0
        ) -> None: ...

    def __post_init__(self) -> None:
        figures = {"poll_cost": self.poll_cost, "min_interval": self.min_interval, "max_interval": self.max_interval}
        for name, given in figures.items():
            seconds = seconds_given(name, given, above_zero=True)
            if seconds is not given:
                force_setattr(self, name, seconds)
        if self.min_interval > self.max_interval:
            raise ConfigError(f"min_interval ({self.min_interval:g} s) exceeds max_interval ({self.max_interval:g} s)")


def interval(
    pace: Pace,
    age: float,
    curve: Curve = PRIOR,
    *,
    price: float = 1.0,
    phase: float | None = None,
    progress: float | None = None,
    longest: float | None = None,
) -> float:
    """Return how long after one look to make the next.

    Args:
        pace: How eagerly to look.
        age: Seconds from the job's entering its phase to the look just made; below 0 counts as 0.
        curve: The poll clock of the job's kind.
        price: What a request costs now, relative to `Pace.poll_cost`.
        phase: A number drawn evenly from 0 to 1, for a job's second look only: it makes the step half to one and a
            half times as long, so that jobs that started together spread, at no cost in looks.
        progress: How far the job is, from 0 to 1, where the API tells.
        longest: What the pace's longest interval is now, in seconds, where that is another.

    Returns:
        Seconds, within the pace's shortest and longest interval.
    """
    step = math.sqrt(2.0 * pace.poll_cost * price)
    least, most = pace.min_interval, pace.max_interval if longest is None else longest
    if phase is not None:
        step *= 0.5 + phase
    now = (age if age < _OLDEST else _OLDEST) if age > 0.0 else 0.0  # nan is not above 0
    if progress is not None and now > 0.0 and 0.0 < progress < 1.0:
        whole = now / progress
        wanted = whole * _FORETOLD.advance(progress, step / math.sqrt(whole)) - now
    else:
        wanted = curve.advance(now, step) - now
    if phase is not None:  # a bound must not align them again
        wanted = most * phase if wanted > most else max(wanted, least * (1.0 + phase))
    if wanted > most:
        return most
    return wanted if wanted > least else least


_OLDEST = 1e12
# Ages are cut here, at 30,000 years: such a clock is wrong, and roots and squares must stay exact.

_FORETOLD = curve([0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5])
# A job that says how far it is ends at about age / progress, give or take a quarter. The prior being scale-free, one
# curve around 1 serves them all: stretched to *s* times the time, a poll clock runs sqrt(s) times as far.
