"""What was delivered, and where it ends in a history that comes again: longer, cut short, rewritten or behind.

Pure. An entry has no name of its own, so it is known again by its word and its time, and by its neighbours.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from datetime import datetime

from msgspec import Struct

from .._models import Event
from .._reading.words import is_same_word, lowered

_BY_CHANCE = 8
"""How many entries of two histories may be the same by chance, where there are few words."""


class Fingerprint(Struct, frozen=True, array_like=True, gc=False):
    """What is remembered of a delivered transition: enough to know it again."""

    status: str
    at: float | None = None


unix_seconds: Callable[[datetime], float] = functools.lru_cache(maxsize=2048)(datetime.timestamp)
"""Return a moment as Unix seconds: nearly always one that was asked for before, since histories come again."""


def new_from(
    fingerprints: Sequence[Fingerprint], seq: int, events: Sequence[Event], *, is_behind: bool
) -> tuple[int, bool]:
    """Return where in the history the undelivered part starts, and whether something before it is missing.

    Args:
        fingerprints: What is remembered of the transitions delivered last.
        seq: How many were delivered in all.
        events: The history.
        is_behind: Whether it does not tell yet what the status does.
    """
    if not fingerprints:
        return 0, False
    if begins_with(fingerprints, seq, events):
        return seq, False
    resumed = _after_last_dated(fingerprints, events)
    if resumed is not None:
        return resumed
    if is_behind and _are_among(fingerprints, events):
        return len(events), False
    # One word is no proof of place: where times are told at all, what both ends have in common includes one.
    shortest = 1 + next(
        (back for back, fingerprint in enumerate(reversed(fingerprints)) if fingerprint.at is not None), 0
    )
    for length in range(min(len(fingerprints), len(events)), shortest - 1, -1):
        if _are_same(fingerprints[-length:], events[:length]):
            return (len(events) if _is_behind(fingerprints, seq, events, 2 * length) else length), False
    if _are_among(fingerprints, events) or _is_behind(fingerprints, seq, events, _BY_CHANCE):
        return len(events), False
    return max(_resumed_after(fingerprints[-1], seq, events), _older_than_delivered(fingerprints, events)), True


def begins_with(fingerprints: Sequence[Fingerprint], seq: int, events: Sequence[Event]) -> bool:
    """Whether a history begins with what was delivered, as far as that is remembered."""
    return not fingerprints or _are_same(fingerprints, delivered_part(fingerprints, seq, events))


def delivered_part(fingerprints: Sequence[Fingerprint], seq: int, events: Sequence[Event]) -> Sequence[Event]:
    """Return what stands in a history where what is remembered stood when it was delivered."""
    return events[seq - len(fingerprints) : seq]


def _are_same(fingerprints: Sequence[Fingerprint], events: Sequence[Event]) -> bool:
    """Whether these are the same entries, whatever order the server gives to those of one moment."""
    if len(fingerprints) != len(events):
        return False
    if all(map(is_same, fingerprints, events)):
        return True
    if any(fingerprint.at is None for fingerprint in fingerprints):
        return False
    known = sorted((fingerprint.at or 0.0, lowered(fingerprint.status)) for fingerprint in fingerprints)
    return known == sorted((_seconds(event), lowered(event.status)) for event in events)


def is_same(fingerprint: Fingerprint, event: Event) -> bool:
    """Whether an entry may be one that was delivered: the same word, and the same time where both are told."""
    if not is_same_word(fingerprint.status, event.status):
        return False
    return fingerprint.at is None or event.at is None or fingerprint.at == unix_seconds(event.at)


def _resumed_after(last: Fingerprint, seq: int, events: Sequence[Event]) -> int:
    """Find what is new in a history that was cut short or rewritten.

    That is what follows the entry delivered last; if it is not there any more, what is later than it; and if
    there are no times to tell, what lies beyond as many entries as were delivered.
    """
    for index in range(len(events) - 1, -1, -1):
        if is_same(last, events[index]):
            return index + 1
    if last.at is None or any(event.at is None for event in events):
        return min(seq, len(events))
    return next((index for index, event in enumerate(events) if _seconds(event) > last.at), len(events))


def _are_among(fingerprints: Sequence[Fingerprint], events: Sequence[Event]) -> bool:
    """Whether a history is all of it a part of what was delivered."""
    starts = range(len(fingerprints) - len(events) + 1)
    return any(_are_same(fingerprints[start : start + len(events)], events) for start in starts)


def _is_behind(fingerprints: Sequence[Fingerprint], seq: int, events: Sequence[Event], by_chance: int) -> bool:
    """Whether a history ends before what was delivered last, and is the same as before up to there.

    Only the latest entries are remembered, and without times the words that end one history may begin another. So more
    entries have to be the same, and in the same places, than may be by chance.
    """
    part = delivered_part(fingerprints, seq, events)
    return len(events) < seq and len(part) > by_chance and _are_same(fingerprints[: len(part)], part)


def _older_than_delivered(fingerprints: Sequence[Fingerprint], events: Sequence[Event]) -> int:
    """Return how many entries at the beginning are older than one that was delivered, which so are no news."""
    last = max((fingerprint.at for fingerprint in fingerprints if fingerprint.at is not None), default=float("-inf"))
    older = itertools.takewhile(lambda event: event.at is not None and _seconds(event) < last, events)
    return sum(1 for _ in older)


def _after_last_dated(fingerprints: Sequence[Fingerprint], events: Sequence[Event]) -> tuple[int, bool] | None:
    """Find the delivered entry with the latest time, if there is no doubt which it is, and go on from there.

    What was delivered after it is passed over: without a time, since the status told of it before the history did; with
    an earlier one, since the server said something old again, or its clock was set back.
    """
    dated = ((fingerprint.at, index) for index, fingerprint in enumerate(fingerprints) if fingerprint.at is not None)
    _, last = max(dated, default=(0.0, -1))
    found = [index for index, event in enumerate(events) if event.at is not None and is_same(fingerprints[last], event)]
    if last < 0 or len(found) != 1:
        return None
    word, moment = fingerprints[last].status, fingerprints[last].at
    if sum(fingerprint.at == moment and is_same_word(fingerprint.status, word) for fingerprint in fingerprints) > 1:
        return None
    start = found[0] + 1
    for fingerprint in fingerprints[last + 1 :]:
        start += start < len(events) and is_same(fingerprint, events[start])
    known = events[max(0, start - len(fingerprints)) : start]
    return start, not all(any(is_same(fingerprint, event) for fingerprint in fingerprints) for event in known)


def _seconds(event: Event) -> float:
    return 0.0 if event.at is None else event.at.timestamp()
