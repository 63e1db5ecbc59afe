"""What a server's headers say about when to come back: Retry-After, X-RateLimit-*, Date. Pure.

Strict on purpose. A header that is not exactly what its specification allows is ignored, never guessed at: a
wrong guess here is a poller that hammers an API, or one that sleeps for ever. Nothing is capped; that is the poller's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from msgspec import Struct

MAX_RESET_IN = 3600.0
"""The furthest reset that is believed, in seconds; a larger one is more likely another unit than a real window."""

# Ten digits reach past three hundred years. `[0-9]`, since `\d` and `int` also take Arabic and other digits.
_DIGITS = re.compile(r"[0-9]{1,10}")
_EPOCH = re.compile(r"[0-9]{1,13}")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_IMF_FIXDATE = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), ([0-9]{2}) (" + "|".join(_MONTHS) + r") ([0-9]{4})"
    r" ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT"
)


class RateLimit(Struct, frozen=True):
    """What the API says is left of its request budget.

    Attributes:
        remaining: How many requests are left in the current window.
        limit: How many requests the window allows, where told.
        reset_in: Seconds until the window ends, from 0 to `MAX_RESET_IN`, where told in a way that makes sense.
    """

    remaining: int
    limit: int | None = None
    reset_in: float | None = None


def http_date(text: str) -> float | None:
    """Return an HTTP date as unix seconds, or None if it is not one.

    Only the one form that servers may generate is read: IMF-fixdate, RFC 9110, section 5.6.7.
    """
    found = _IMF_FIXDATE.fullmatch(text)
    if found is None:
        return None
    day, month, year, hour, minute, second = found.groups()
    leap = second == "60"  # the one second that `datetime` cannot hold
    try:
        when = datetime(
            int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute), int(second) - leap, tzinfo=UTC
        )
    except ValueError:
        return None
    return when.timestamp() + leap


def retry_after(values: Sequence[str], server_time: float | None) -> float | None:
    """Return how many seconds a Retry-After header asks to stay away, or None if it asks nothing valid.

    A date is measured against the server's own clock, so that a wrong local one does not matter; without a Date
    header there is nothing to measure it against and it is ignored. RFC 9110, section 10.2.3.

    Args:
        values: Every value of the header that the reply held; two of them contradict each other and count as none.
        server_time: The reply's Date header, in unix seconds.

    Returns:
        Seconds, finite and never negative; a date in the past is 0.
    """
    if len(values) != 1:
        return None
    value = values[0]
    if _DIGITS.fullmatch(value):
        return float(value)
    date = http_date(value)
    if date is None or server_time is None:
        return None
    return max(0.0, date - server_time)


def rate_limit(remaining: str, limit: str | None, reset: str | None, server_time: float | None) -> RateLimit | None:
    """Return what X-RateLimit-Remaining, -Limit and -Reset say, or None if they say nothing valid.

    No standard defines these headers and APIs disagree on the unit of the reset: seconds from now, unix seconds or
    unix milliseconds. It is taken for the first of these that puts it between now and `MAX_RESET_IN` from now.

    Args:
        remaining: The value of X-RateLimit-Remaining.
        limit: The value of X-RateLimit-Limit, if sent.
        reset: The value of X-RateLimit-Reset, if sent.
        server_time: The reply's Date header, in unix seconds; without it only a reset in seconds from now is read.
    """
    if not _DIGITS.fullmatch(remaining):
        return None
    known_limit = int(limit) if limit and _DIGITS.fullmatch(limit) else None
    return RateLimit(int(remaining), known_limit, _reset_in(reset, server_time) if reset else None)


def _reset_in(reset: str, server_time: float | None) -> float | None:
    if not _EPOCH.fullmatch(reset):
        return None
    number = float(reset)
    candidates = [number] if server_time is None else [number, number - server_time, number / 1000 - server_time]
    return next((seconds for seconds in candidates if 0 <= seconds <= MAX_RESET_IN), None)
