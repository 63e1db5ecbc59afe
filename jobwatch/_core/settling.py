"""When an end is believed that may be taken back: not at first sight, where a table or a caller asks for that. Pure.

Some servers show a failure for a moment before they try again, and nothing in that reply says so. So an end may have to
stand for a while: it counts when a look at least so much later still shows it. Until then its transition is held back
in `Watched`, which outlives a crash. If another state comes first, the transition is handed out as that of a state.

It need not be waited for where the API's own time of the end lies that far back by its own clock, nor where the job has
gone meanwhile: then nothing is left that could take it back. What names a place where the job goes on (see `moves`) is
no end whatever else it says: it is held back until that place shows how the job stands.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from .._models import ENDED, Fault, Job, Outcome, Phase, Problem, Transition

if TYPE_CHECKING:
    from .tracker import Observed, Watched

StableFor: TypeAlias = Mapping[Phase, float]
"""For how many seconds each kind of end has to stand; those that are not named, not at all."""

_LATER = 0.001  # so that no rounding of the clock brings the look too early


class UnsettledEnd(Struct, frozen=True, omit_defaults=True, gc=False):
    """An end that looks have shown, and that is not believed yet.

    Attributes:
        status: The API's word.
        phase: What it means.
        outcome: What it comes to when it is believed.
        since: When a look showed it first, in Unix seconds.
        transition: What is handed out then, or as that of a state when another comes first.
        error: What the API said went wrong.
        goes_on: Whether the same reply named a place where the job goes on.
    """

    status: str
    phase: Phase
    outcome: Outcome
    since: float
    transition: Transition | None = None
    error: Problem | None = None
    goes_on: bool = False


def settled(
    before: Watched,
    observed: Observed,
    seen: Job | Fault,
    now: float,
    stable_for: StableFor,
    *,
    server_time: float | None = None,
    goes_on: bool = False,
) -> Observed:
    """Hold back an end that is not to be believed yet, and hand out what was held back when it is time.

    Args:
        before: What was known before the look.
        observed: What the look changed, if each end is believed at first sight.
        seen: What it showed.
        now: When it was made, in Unix seconds.
        stable_for: For how long ends have to stand.
        server_time: The API's clock when it answered, in Unix seconds, where it tells.
        goes_on: Whether the reply names a place where the job goes on.
    """
    held, after = before.unsettled, observed.watched
    if before.outcome is not None:
        return observed
    if isinstance(seen, Fault):
        is_gone = after.outcome is Outcome.NOT_FOUND and held is not None and not held.goes_on
        return _believed_of_one_gone(observed, held) if is_gone and held is not None else observed
    if after.outcome is None:
        if held is None or after.phase in ENDED:  # the reply was older than what is known
            return observed
        return replace(observed, watched=replace(after, unsettled=None), transitions=_states(held, observed))
    is_same = held is not None and held.phase is seen.phase and not observed.transitions
    since: float = now
    states: tuple[Transition, ...] = ()
    if held is not None and is_same:
        since, end = min(held.since, now), held.transition
    else:
        end, states = _parted(_states(held, observed), seen.phase)
    needed = stable_for.get(seen.phase, 0.0)
    if not goes_on and (now - since >= needed or _has_ended_before(seen, server_time, needed)):
        told = states if end is None else (*states, end)
        return replace(observed, watched=replace(after, unsettled=None), transitions=told)
    if held is not None and is_same and (since, goes_on) == (held.since, held.goes_on):
        return replace(observed, watched=replace(after, outcome=None), transitions=())
    unsettled = UnsettledEnd(seen.status, seen.phase, after.outcome, since, end, seen.error, goes_on)
    return replace(observed, watched=replace(after, outcome=None, unsettled=unsettled), transitions=states)


def until_settled(unsettled: UnsettledEnd, stable_for: StableFor, now: float, least: float, most: float) -> float:
    """Return how long to wait before the look that is to confirm an end, in seconds.

    Args:
        unsettled: The end.
        stable_for: For how long ends have to stand.
        now: When the last look was made, in Unix seconds.
        least: The shortest time between two looks.
        most: The longest: an end that has to stand for longer is looked at in between, in steps of one length.
    """
    left = min(unsettled.since, now) + stable_for.get(unsettled.phase, 0.0) - now
    return max(least, left / max(1, math.ceil(left / most)) + _LATER)


def is_held_back(
    unsettled: UnsettledEnd, job: Job, now: float, stable_for: StableFor, *, server_time: float | None = None
) -> bool:
    """Whether an end that a look shows once more is still to be held back; for arguments see `settled`."""
    needed = stable_for.get(job.phase, 0.0)
    is_early = now - unsettled.since < needed and not _has_ended_before(job, server_time, needed)
    return job.phase is unsettled.phase and is_early


def restarted(unsettled: UnsettledEnd | None, now: float) -> UnsettledEnd | None:
    """Return an end as it is to be after a restart: not first seen ahead of the clock, which was wrong then or now."""
    return unsettled if unsettled is None or unsettled.since <= now else replace(unsettled, since=now)


def _states(held: UnsettledEnd | None, observed: Observed | None = None) -> tuple[Transition, ...]:
    """Return what was held back, and what a look has shown beside it."""
    before = () if held is None or held.transition is None else (held.transition,)
    return before if observed is None else (*before, *observed.transitions)


def _parted(transitions: tuple[Transition, ...], phase: Phase) -> tuple[Transition | None, tuple[Transition, ...]]:
    """Return the transition to the end, if there is one, and those before it."""
    if not transitions or transitions[-1].phase is not phase:
        return None, transitions
    return transitions[-1], transitions[:-1]


def _has_ended_before(job: Job, server_time: float | None, needed: float) -> bool:
    """Whether the API itself says that the job ended so long ago."""
    if job.ended_at is None or server_time is None:
        return False
    return server_time - job.ended_at.timestamp() >= needed


def _believed_of_one_gone(observed: Observed, held: UnsettledEnd) -> Observed:
    watched = replace(
        observed.watched,
        outcome=held.outcome,
        unsettled=None,
        fault=None,
        faults=0,
        failing_since=None,
        missing=0,
        missing_since=None,
    )
    return replace(observed, watched=watched, transitions=_states(held))
