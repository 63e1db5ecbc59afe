"""Durations as people write them: ``90``, ``45s``, ``30m``, ``1h30m``, ``250ms``. Pure."""

from __future__ import annotations

import re

_UNITS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_DURATION = re.compile("".join(rf"(?:\d+(?:\.\d+)?{unit})?" for unit in _UNITS), re.ASCII)
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[dhms])", re.ASCII)
_NUMBER = re.compile(r"\d+(?:\.\d*)?|\.\d+", re.ASCII)
_LONGEST = 10 * 365 * 86_400.0
_LONGEST_TEXT = 64


def seconds_of(text: str) -> float:
    """Return the seconds of a duration such as ``90``, ``45s``, ``30m``, ``1h30m`` or ``250ms``.

    Raises:
        ValueError: It is none, or is longer than ten years; the message says which, and shows it.
    """
    if len(text) > _LONGEST_TEXT:
        raise ValueError(f"{text[:_LONGEST_TEXT]!r} is no duration: write 90, 45s, 30m, 1h30m or 250ms")
    if _NUMBER.fullmatch(text):
        seconds = float(text)
    elif text and _DURATION.fullmatch(text):
        seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    else:
        raise ValueError(f"{text!r} is no duration: write 90, 45s, 30m, 1h30m or 250ms")
    if seconds > _LONGEST:
        raise ValueError(f"{text!r} is longer than ten years")
    return seconds
