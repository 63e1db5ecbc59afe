"""Periods of time as people and APIs write them, such as ``30s``, ``1h30m`` or ``PT5S``, read as seconds. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeAlias

from .._errors import ConfigError
from .patterns import pattern

if TYPE_CHECKING:
    from datetime import timedelta  # the command line, which reads periods too, starts without it

Duration: TypeAlias = "float | str | timedelta"
"""How long something takes: a number of seconds, a text such as ``10m``, ``1h30m`` or ``250ms``, or a `timedelta`."""

_LONGEST = 10 * 365 * 86_400.0
_SHOWN = 64

UNITS: Final = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
"""How many seconds each unit has, the largest first."""

_NUMBER = pattern(r"\d{1,15}(?:\.\d{0,15})?|\.\d{1,15}", re.ASCII)
_PERIOD = pattern("".join(rf"(?:\d{{1,15}}(?:\.\d{{1,15}})?{unit})?" for unit in UNITS), re.ASCII)
_PART = pattern(r"(\d+(?:\.\d+)?)(ms|[dhms])", re.ASCII)
_ISO = pattern(
    r"P(?=[\dT])(?:(\d{1,15})D)?(?:T(?=\d)(?:(\d{1,15})H)?(?:(\d{1,15})M)?(?:(\d{1,15}(?:\.\d{1,15})?)S)?)?", re.ASCII
)


def seconds_in(text: str, unit: str = "s") -> float | None:
    """Return the seconds of a period that is written as a text, or None where it is none.

    Args:
        text: A number, or numbers with units, the largest unit first; or an ISO 8601 duration of days and less.
        unit: What a number without a unit counts.
    """
    if _NUMBER.fullmatch(text):
        return float(text) * UNITS[unit]
    if text and _PERIOD.fullmatch(text):
        return sum(float(number) * UNITS[each] for number, each in _PART.findall(text))
    found = _ISO.fullmatch(text)
    if found is None:
        return None
    return sum(float(number or 0.0) * UNITS[each] for number, each in zip(found.groups(), "dhms", strict=True))


def seconds_of(text: str) -> float:
    """Return the seconds of a period that somebody wrote down.

    Raises:
        ValueError: It is none, or is longer than ten years; the message says which, and shows it.
    """
    seconds = seconds_in(text)
    if seconds is None:
        raise ValueError(f"{text[:_SHOWN]!r} is no duration: write 90, 45s, 30m, 1h30m or 250ms")
    if seconds > _LONGEST:
        raise ValueError(f"{text[:_SHOWN]!r} is longer than ten years")
    return seconds


def seconds_given(name: str, given: object, *, above_zero: bool = False) -> float:
    """Return the seconds of a duration that was given as an argument.

    Args:
        name: What the argument is called.
        given: A number of seconds, a text, or a `timedelta`.
        above_zero: Whether it has to be longer than nothing.

    Raises:
        ConfigError: It is none of these, not finite, or below what it has to be: the message names the argument, shows
            the value, and says what may be given.
    """
    match given:
        case str():
            try:
                seconds = seconds_of(given.strip())
            except ValueError as error:
                raise ConfigError(f"{name}: {error}; or give seconds, or a timedelta") from None
        case bool():
            raise ConfigError(f"{name}: {given!r} is no duration: {_ACCEPTED}")
        case int() | float():
            seconds = given
        case _ if (total := getattr(given, "total_seconds", None)) is not None:  # as `timedelta` has
            seconds = total()
        case _:
            raise ConfigError(f"{name}: a value of type {type(given).__name__} is no duration: {_ACCEPTED}")
    if not 0.0 <= seconds < float("inf") or (above_zero and not seconds):
        least = "above 0" if above_zero else "0 or more"
        raise ConfigError(f"{name} must be a finite duration, {least}, not {given!r}: {_ACCEPTED}")
    return float(seconds)


_ACCEPTED = "give seconds, a text such as '45s', '10m' or '1h30m', or a timedelta"
