"""What is worth a word to somebody who waits, though nothing is wrong with the job or its API. Told once. Pure.

Two things are: a status that no word explains and on which a job stands for a minute, so that perhaps its end is never
known; and replies that a cache on the way gives in place of the API, so that its end is known late.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from .._models import Phase, printable
from .._reading.words import lowered
from .look import Looked
from .tracker import Watched

UNKNOWN_FOR: Final = 60.0
"""For how many seconds a job may stand on a status that no word explains, before that is told."""

_LEAST_AGE = 1.0  # a cache counts whole seconds, so what was made for this very look may be told as that old
_REMEMBERED = 16
_CACHED = "age"


def with_remark(before: Watched, looked: Looked, now: float, cached_for: float | None) -> Looked:
    """Return what a look gave, with what is to be told of it, if that was not told before.

    Args:
        before: What was known before the look.
        looked: What it gave.
        now: When it was made, in Unix seconds.
        cached_for: For how many seconds its reply had been in a cache, where that says so. RFC 9111, section 5.1.
    """
    watched = looked.watched
    told = _of_cache(before, now, cached_for)
    key = _CACHED
    if told is None or key in watched.remarked:
        told, key = _of_word(watched, now), f"word {lowered(watched.status or '')[:64]}"
    if told is None or key in watched.remarked or len(watched.remarked) >= _REMEMBERED:
        return looked
    return replace(looked, watched=replace(watched, remarked=(*watched.remarked, key)), remark=told)


def _of_cache(before: Watched, now: float, cached_for: float | None) -> str | None:
    if cached_for is None or before.looked_at is None or cached_for <= max(now - before.looked_at, _LEAST_AGE):
        return None
    return (
        f"the reply was answered by a cache, {cached_for:.0f} s old, though it is to ask the API anew: the end may be"
        " known as late as that"
    )


def _of_word(watched: Watched, now: float) -> str | None:
    since = watched.added_at if watched.entered_at is None else watched.entered_at
    stands = watched.phase is Phase.UNKNOWN and watched.fault is None and watched.outcome is None
    if not stands or since is None or now - since < UNKNOWN_FOR:
        return None
    status = printable(watched.status or "")
    return f"it has stood on {status!r} for {now - since:.0f} s, which is no word of this table: add it to words"
