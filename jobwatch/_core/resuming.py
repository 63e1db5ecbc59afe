"""What is known of a job, as it is to be when somebody goes on with it later, perhaps in another process. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from .settling import restarted

if TYPE_CHECKING:
    from .tracker import Watched

_OUR_TIMES = ("added_at", "entered_at", "looked_at", "failing_since", "missing_since", "refused_since")
"""The times in `Watched` that are by our own clock."""


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
        error=None,
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
    if watched.unsettled is not None and watched.unsettled.since > now:
        watched = replace(watched, unsettled=restarted(watched.unsettled, now))
    if (  # written out, since a start asks it of very many jobs
        (watched.added_at or now) <= now
        and (watched.entered_at or now) <= now
        and (watched.looked_at or now) <= now
        and (watched.failing_since or now) <= now
        and (watched.missing_since or now) <= now
        and (watched.refused_since or now) <= now
    ):
        return watched
    return replace(watched, **{name: now for name in _OUR_TIMES if (getattr(watched, name) or now) > now})
