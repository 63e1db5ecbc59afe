"""What a server's headers say about when to come back: Retry-After, X-RateLimit-*, Date. Pure.

Strict on purpose. A header that is not exactly what its specification allows is ignored, never guessed at: a
wrong guess here is a poller that hammers an API, or one that sleeps for ever. Nothing is capped; that is the poller's.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from .._reading.reply import RateLimit

MAX_RESET_IN = 3600.0
"""The furthest reset that is believed, in seconds; a larger one is more likely another unit than a real window."""

_MOST_DIGITS = 13
"""Unix milliseconds have 13 digits; what has more is no number that a server means."""

_SECONDS = re.compile(rf"[0-9]{{1,{_MOST_DIGITS}}}(?:\.[0-9]{{1,{_MOST_DIGITS}}})?")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_IMF_FIXDATE = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), ([0-9]{2}) (" + "|".join(_MONTHS) + r") ([0-9]{4})"
    r" ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT"
)


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


def retry_after(values: Sequence[str], server_time: float | None, clock: Callable[[], float]) -> float | None:
    """Return how many seconds a Retry-After header asks to stay away, or None if it asks nothing valid.

    A date is measured against the server's own clock where it tells the time, so that a wrong local one does not
    matter. RFC 9110, section 10.2.3; seconds with decimals are none of its forms, and sent all the same (Shopify).

    Args:
        values: Every value of the header that the reply held; two of them contradict each other and count as none.
        server_time: The reply's Date header, in unix seconds.
        clock: Tells our own time, in unix seconds; asked only where there is no other.

    Returns:
        Seconds, finite and never negative; a date in the past is 0.
    """
    if len(values) != 1:
        return None
    value = values[0]
    if _SECONDS.fullmatch(value):
        return float(value)
    date = http_date(value)
    if date is None:
        return None
    return max(0.0, date - (clock() if server_time is None else server_time))


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
    left = _whole_number(remaining)
    if left is None:
        return None
    return RateLimit(
        left,
        None if limit is None else _whole_number(limit),
        None if reset is None else _reset_in(reset, server_time),
    )


def _reset_in(reset: str, server_time: float | None) -> float | None:
    number = _whole_number(reset)
    if number is None:
        return None
    if number <= MAX_RESET_IN:
        return float(number)
    if server_time is None:
        return None
    for unix_seconds in (number, number / 1000):
        if 0 <= unix_seconds - server_time <= MAX_RESET_IN:
            return unix_seconds - server_time
    return None


@functools.lru_cache(maxsize=128)  # limits and resets are the same few again and again
def _whole_number(text: str) -> int | None:
    # `isascii`, since `isdigit` and `int` also take Arabic and other digits.
    return int(text) if text.isdigit() and text.isascii() and len(text) <= _MOST_DIGITS else None
