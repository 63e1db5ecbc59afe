"""Times as APIs write them, read as UTC. Pure."""

from __future__ import annotations

import functools
import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TypeAlias

Moment: TypeAlias = str | int | float | None
"""A timestamp as APIs send it: RFC 3339 text, or seconds since 1970, or milli-, micro- or nanoseconds."""

_MILLISECONDS_FROM = 1e11  # as seconds this is the year 5138: a number this large counts something smaller
_UNITS = (1, 1e3, 1e6, 1e9)
_NUMBER = re.compile(r"\d{10,19}(?:\.\d+)?", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_LONGEST = 40  # characters of a text that is remembered: a time with nanoseconds and a zone has 35


def moment_of(value: Moment) -> datetime | None:
    """Read a timestamp as UTC, or None where it is missing or no time that a clock could have shown.

    Text without a zone is taken as UTC, a leap second as the second before it, and fractions beyond
    microseconds are cut: the vendors document UTC, and Go servers send nanoseconds. Go's zero time, the year 1,
    and whatever else is not after 1970 stand for "not yet".
    """
    if isinstance(value, str):
        # Nearly all that a reply tells was told by the one before.
        return _remembered(value) if len(value) <= _LONGEST else _told_by(value)
    if value is None or isinstance(value, bool):
        return None
    try:
        seconds = next(part for unit in _UNITS if abs(part := value / unit) < _MILLISECONDS_FROM)
        moment = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError, StopIteration):
        return None
    return moment if moment > _EPOCH else None


def moment_in(value: Moment, zone: tzinfo) -> datetime | None:
    """Read a timestamp that may be a number written as text, a mail's date, or local time in a zone.

    Args:
        value: The timestamp.
        zone: The zone of text that names none.
    """
    if not isinstance(value, str):
        return moment_of(value)
    if value[4:5] != "-" and _NUMBER.fullmatch(value):  # nearly every text has a hyphen behind its year
        return moment_of(float(value))
    if zone is not UTC:
        value = _with_zone(value, zone)
    return moment_of(value) or _from_mail_date(value)


def _told_by(text: str) -> datetime | None:
    try:
        moment = _from_text(text)
    except (ValueError, OverflowError):
        return None
    return moment if moment > _EPOCH else None


_remembered = functools.lru_cache(maxsize=2048)(_told_by)


def _from_text(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        text = text.upper()  # RFC 3339, section 5.6, lets "t" and "z" stand for "T" and "Z"
        moment = datetime.fromisoformat(f"{text[:17]}59{text[19:]}" if text[16:19] == ":60" else text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _with_zone(text: str, zone: tzinfo) -> str:
    try:
        moment = datetime.fromisoformat(text)
        return text if moment.tzinfo is not None else moment.replace(tzinfo=zone).isoformat()
    except (ValueError, OverflowError):
        return text


def _from_mail_date(text: str) -> datetime | None:
    """Read a time as HTTP and mail headers write it, or with the zone's name at its end."""
    if text.endswith((" UTC", " GMT")) and text[:1].isdigit():
        return moment_of(text[:-4])
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - 10 ms to import, and seldom wanted

    try:
        return moment_of(parsedate_to_datetime(text).timestamp())
    except (ValueError, TypeError, OverflowError):
        return None


def seconds_since_1970(moment: datetime) -> float:
    """Return a moment as Unix seconds."""
    return (moment - _EPOCH) / _SECOND
