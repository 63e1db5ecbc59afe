"""How a wait ended, in words for people: the end of a line about one job, and the count of several. Pure.

A job that ended and a wait that stopped are two things. Of the first is told when the job ended and for how long it
ran, and apart from that how late it was known; of the second, for how long was waited.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from .._models import Outcome
from ._render import OutcomeRecord, human_duration, look_count

_AT_ONCE = 0.05
_CLOCKS_DIFFER = 2.0
"""How much longer ago than the wait's beginning an end is at least, in seconds, to be told as one before the wait."""

_STOPPED = frozenset({Outcome.TIMEOUT, Outcome.INTERRUPTED})


def ending(record: OutcomeRecord, now: datetime) -> str:
    """Return how a wait ended, without the reason: ``failed, ended 13:22:34, ran 3.0 s; known 0.2 s later, 1 look``.

    Args:
        record: How it ended.
        now: The time, so that the day is told only where it is another.
    """
    word = record.outcome.value.replace("_", " ")
    looks = look_count(record.looks)
    if record.ended_at is None:
        return f"{word} after a wait of {human_duration(record.elapsed)}, {looks}"
    ended = f"{word}, ended {time_of_day(record.ended_at, now)}"
    if record.ran is not None:
        ended += f", ran {human_duration(record.ran)}"
    elif record.created_at is not None and record.created_at <= record.ended_at:
        ended += f", {human_duration((record.ended_at - record.created_at).total_seconds())} after it was created"
    return (
        f"{ended}; {looks}"
        if record.known_after is None
        else f"{ended}; {known(record.known_after, record.elapsed)}, {looks}"
    )


def count(ends: Iterable[OutcomeRecord | None], blocked: int = 0) -> str:
    """Return how many jobs have ended, and what is known of those whose wait has stopped: ``1 of 2 ended, 1 goes on``.

    Args:
        ends: How the wait for each job ended; None while it goes on.
        blocked: How many of the jobs that are still waited for go on only when somebody acts.
    """
    all_of_them = list(ends)
    stopped = [record for record in all_of_them if record is not None and not record.outcome.is_end_of_job]
    ended = sum(record is not None for record in all_of_them) - len(stopped)
    going_on = sum(record.outcome in _STOPPED and record.status is not None for record in stopped)
    asking = sum(record.outcome is Outcome.BLOCKED for record in stopped)
    unknown = len(stopped) - going_on - asking
    asking += blocked
    parts = [
        f"{ended} of {len(all_of_them)} ended",
        f"{going_on} {'goes' if going_on == 1 else 'go'} on" if going_on else "",
        f"{asking} {'waits' if asking == 1 else 'wait'} for a person" if asking else "",
        f"{unknown} could not be read" if unknown else "",
    ]
    return ", ".join(filter(None, parts))


def time_of_day(at: datetime, now: datetime) -> str:
    """Return a time in UTC, with its day where that is not today's."""
    at = at.astimezone(UTC)
    return at.strftime("%H:%M:%S" if at.date() == now.astimezone(UTC).date() else "%Y-%m-%d %H:%M:%S")


def known(after: float, elapsed: float) -> str:
    """Return how late an end was known, or that it was there before anybody waited for it."""
    if after - elapsed > _CLOCKS_DIFFER:
        return f"that was {human_duration(after - elapsed)} before it was asked about"
    return "known at once" if after < _AT_ONCE else f"known {human_duration(after)} later"
