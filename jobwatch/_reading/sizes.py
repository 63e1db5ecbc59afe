"""Sizes as people write them: 16MiB, 500 kB, 65536. Pure."""

from __future__ import annotations

import re

from .patterns import pattern

_UNITS = {"": 1, "b": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3, "kib": 1024, "mib": 1024**2, "gib": 1024**3}
_SIZE = pattern(r"(\d{1,12}(?:\.\d{1,6})?) ?([kmg]?i?b)?", re.ASCII | re.IGNORECASE)
_MOST = 1024**3


def size_of(size: object) -> int:
    """Return a size in bytes.

    Args:
        size: A number of bytes, or a text such as ``16MiB`` (1,024 times 1,024) or ``16MB`` (a million).

    Raises:
        ValueError: It is none, or not between 1 byte and 1 GiB.
    """
    number = size
    if isinstance(size, str):
        found = _SIZE.fullmatch(size.strip())
        unit = None if found is None else _UNITS.get((found[2] or "").lower())
        number = None if found is None or unit is None else int(float(found[1]) * unit)
    if not isinstance(number, int) or isinstance(number, bool):
        raise ValueError(f"{size!r} is no size: write 16MiB, 500kB or a number of bytes")  # noqa: TRY004 - or one of a text
    if not 1 <= number <= _MOST:
        raise ValueError(f"{size!r} is not between 1 byte and 1GiB")
    return number
