"""The marks of a time axis in UTC: milliseconds to years apart, at round times of clock and calendar. Pure."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from msgspec import Struct

_DAY = 86_400.0
_STEPS = (
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0),
    *(60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 10_800.0, 21_600.0, 43_200.0),
    *(_DAY, 2 * _DAY, 7 * _DAY, 14 * _DAY, 28 * _DAY, 91 * _DAY, 182 * _DAY, 364 * _DAY),
)


class Tick(Struct, frozen=True):
    """A mark of the axis: when, in Unix seconds, and what stands there."""

    at: float
    text: str


def ticks(began: float, ended: float, most: int) -> list[Tick]:
    """Return the marks between two moments, at least two of them apart where that can be.

    Args:
        began, ended: The moments, in Unix seconds.
        most: How many marks there is room for.
    """
    span = max(ended - began, 0.001)
    step = next((step for step in _STEPS if span / step <= most), span / most)
    first = math.ceil(began / step - 1e-9)
    count = int((ended / step - first) + 1e-9) + 1
    moments = [(first + index) * step for index in range(max(0, count))]
    return [Tick(at, _text(at, step)) for at in moments if began <= at <= ended]


def _text(at: float, step: float) -> str:
    when = datetime.fromtimestamp(round(at, 3), UTC)
    if step >= _DAY:
        return f"{when.day} {when:%b}" if step < 91 * _DAY else f"{when:%b %Y}"
    if not when.hour and not when.minute and not when.second and not when.microsecond and step >= 60.0:
        return f"{when.day} {when:%b}"
    if step >= 60.0:
        return f"{when:%H:%M}"
    if step >= 1.0:
        return f"{when:%H:%M:%S}"
    digits = 1 if step >= 0.1 else 2 if step >= 0.01 else 3
    return f"{when:%H:%M:%S}.{f'{when.microsecond // 1000:03d}'[:digits]}"
