"""Words that came from elsewhere, made safe to print; and values as JSON lines. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import msgspec

from .._models import printable

# Runners of pipelines obey "##vso[...]" and "##[...]" wherever they stand in a line.
_COMMAND = re.compile(r"##(?=\w*\[)")


def safe(text: str) -> str:
    """Return server text with everything escaped that could steer a terminal, a log or the runner of a pipeline."""
    return _COMMAND.sub(r"#\\x23", printable(text))


def json_line(value: object, *, ascii_only: bool = False) -> str:
    """Return a value as one line of JSON, with what cannot be seen escaped, as C0 controls are anyway.

    Args:
        value: Whatever msgspec encodes.
        ascii_only: Whether everything beyond ASCII is to be escaped too, for streams that are not UTF-8.
    """
    line = msgspec.json.encode(value).decode()
    if not (line.isascii() and line.isprintable()):
        line = "".join(char if _is_plain(char, ascii_only) else _escaped(char) for char in line)
    return _COMMAND.sub(r"#\\u0023", line)


def moment(at: datetime) -> str:
    """Return a time as RFC 3339 in UTC, with a fraction only where there is one."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def stamp(at: datetime) -> str:
    """Return a time as `moment` does, to the millisecond and padded, so that what follows stands in a column."""
    at = at.astimezone(UTC)
    text = at.isoformat(timespec="milliseconds" if at.microsecond else "seconds")
    return text.replace("+00:00", "Z").ljust(24)


def lasting(seconds: float) -> str:
    """Return a duration as people write it: ``0.4 s``, ``12 s``, ``1m 30s``, ``2h 05m``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    if not minutes:
        return f"{whole} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h {minutes:02d}m" if hours else f"{minutes}m {rest:02d}s"


def _is_plain(char: str, ascii_only: bool) -> bool:
    return char.isprintable() and (char.isascii() or not ascii_only)


def _escaped(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[index]:02x}{units[index + 1]:02x}" for index in range(0, len(units), 2))
