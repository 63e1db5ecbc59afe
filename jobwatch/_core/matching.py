"""What was delivered, and where it ends in a history that comes again: longer, cut short, rewritten or behind.

Pure. An entry has no name of its own, so it is known again by its word and its time, and by its neighbours.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from .._models import Event
from .._reading.times import seconds_since_1970


class Mark(Struct, frozen=True, array_like=True, gc=False):
    """What is remembered of a delivered transition: enough to know it again."""

    status: str
    at: float | None = None


def new_from(marks: Sequence[Mark], seq: int, events: Sequence[Event], *, is_behind: bool) -> tuple[int, bool]:
    """Return where in the history the undelivered part starts, and whether something before it is missing.

    Args:
        marks: What is remembered of the transitions delivered last.
        seq: How many were delivered in all.
        events: The history.
        is_behind: Whether it does not tell yet what the status does.
    """
    if not marks:
        return 0, False
    if begins_with(marks, seq, events):
        return seq, False
    resumed = _after_last_dated(marks, events)
    if resumed is not None:
        return resumed
    if is_behind and _are_among(marks, events):
        return len(events), False
    # One word is no proof of place: where times are told at all, what both ends have in common includes one.
    shortest = 1 + next((back for back, mark in enumerate(reversed(marks)) if mark.at is not None), 0)
    for length in range(min(len(marks), len(events)), shortest - 1, -1):
        if _are_same(marks[-length:], events[:length]):
            return length, False
    if _are_among(marks, events):
        return len(events), False
    return max(_resumed_after(marks[-1], seq, events), _older_than_delivered(marks, events)), True


def begins_with(marks: Sequence[Mark], seq: int, events: Sequence[Event]) -> bool:
    """Whether a history begins with what was delivered, as far as that is remembered."""
    return _are_same(marks, delivered_part(marks, seq, events))


def delivered_part(marks: Sequence[Mark], seq: int, events: Sequence[Event]) -> Sequence[Event]:
    """Return what stands in a history where what is remembered stood when it was delivered."""
    return events[seq - len(marks) : seq]


def _are_same(marks: Sequence[Mark], events: Sequence[Event]) -> bool:
    """Whether these are the same entries, whatever order the server gives to those of one moment."""
    if len(marks) != len(events):
        return False
    if all(map(is_same, marks, events)):
        return True
    if any(mark.at is None for mark in marks):
        return False
    known = sorted((mark.at or 0.0, mark.status.casefold()) for mark in marks)
    return known == sorted((unix(event.at) or 0.0, event.status.casefold()) for event in events)


def is_same(mark: Mark, event: Event) -> bool:
    """Whether an entry may be one that was delivered: the same word, and the same time where both are told."""
    if mark.status.casefold() != event.status.casefold():
        return False
    return mark.at is None or event.at is None or mark.at == unix(event.at)


def _resumed_after(last: Mark, seq: int, events: Sequence[Event]) -> int:
    """Find what is new in a history that was cut short or rewritten.

    That is what follows the entry delivered last; if it is not there any more, what is later than it; and if
    there are no times to tell, what lies beyond as many entries as were delivered.
    """
    for index in range(len(events) - 1, -1, -1):
        if is_same(last, events[index]):
            return index + 1
    if last.at is None or any(event.at is None for event in events):
        return min(seq, len(events))
    return next((index for index, event in enumerate(events) if (unix(event.at) or 0.0) > last.at), len(events))


def _are_among(marks: Sequence[Mark], events: Sequence[Event]) -> bool:
    """Whether a history is all of it a part of what was delivered."""
    starts = range(len(marks) - len(events) + 1)
    return any(_are_same(marks[start : start + len(events)], events) for start in starts)


def _older_than_delivered(marks: Sequence[Mark], events: Sequence[Event]) -> int:
    """Return how many entries at the beginning are older than one that was delivered, which so are no news."""
    last = max((mark.at for mark in marks if mark.at is not None), default=float("-inf"))
    older = itertools.takewhile(lambda event: event.at is not None and (unix(event.at) or 0.0) < last, events)
    return sum(1 for _ in older)


def _after_last_dated(marks: Sequence[Mark], events: Sequence[Event]) -> tuple[int, bool] | None:
    """Find the delivered entry with the latest time, if there is no doubt which it is, and go on from there.

    What was delivered after it is passed over: without a time, since the status told of it before the history did; with
    an earlier one, since the server said something old again, or its clock was set back.
    """
    dated = ((mark.at, index) for index, mark in enumerate(marks) if mark.at is not None)
    _, last = max(dated, default=(0.0, -1))
    found = [index for index, event in enumerate(events) if event.at is not None and is_same(marks[last], event)]
    if last < 0 or len(found) != 1:
        return None
    word, moment = marks[last].status.casefold(), marks[last].at
    if sum(mark.at == moment and mark.status.casefold() == word for mark in marks) > 1:
        return None
    start = found[0] + 1
    for mark in marks[last + 1 :]:
        start += start < len(events) and is_same(mark, events[start])
    known = events[max(0, start - len(marks)) : start]
    return start, not all(any(is_same(mark, event) for mark in marks) for event in known)


def unix(moment: datetime | None) -> float | None:
    """Return a moment in Unix seconds."""
    return None if moment is None else seconds_since_1970(moment)
