"""What is known of a job, as it is to be when somebody goes on with it later, perhaps in another process. Pure."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from msgspec.structs import replace

from .settling import restarted

if TYPE_CHECKING:
    from collections.abc import Callable

    from .tracker import Watched

_OUR_TIMES = ("added_at", "entered_at", "looked_at", "failing_since", "missing_since", "refused_since")
"""The times in `Watched` that are by our own clock."""

_our_times_of: Callable[[Watched], tuple[float | None, ...]] = attrgetter(*_OUR_TIMES)


def resumed(watched: Watched, now: float) -> Watched:
    """Return what is known of a job for a wait that goes on from there: as if no look had failed, nor ended a wait.

    A job that had ended is looked at once more, for only a look has its result; that tells no state again.

    Args:
        watched: What an earlier wait knew.
        now: The time, in Unix seconds.
    """
    known = replace(
        watched,
        outcome=None,
        fault=None,
        faults=0,
        failing_since=None,
        missing=0,
        missing_since=None,
        refused=0,
        refused_since=None,
    )
    return with_times_until(known, now)


def told(watched: Watched) -> int:
    """Return the ``seq`` of the last transition that was handed out; one that is held back is not."""
    held = watched.unsettled
    return watched.seq if held is None or held.transition is None else held.transition.seq - 1


def with_times_until(watched: Watched, now: float) -> Watched:
    """Return what is known of a job, without times ahead of the clock: that was wrong, then or now.

    Else patience with a job that is missing, or cannot be seen, would last until the clock is there.
    """
    unsettled = restarted(watched.unsettled, now)
    if unsettled is not watched.unsettled:
        watched = replace(watched, unsettled=unsettled)
    if max(filter(None, _our_times_of(watched)), default=now) <= now:  # so it is, of thousands of jobs at a start
        return watched
    return replace(watched, **{name: now for name in _OUR_TIMES if (getattr(watched, name) or now) > now})
