"""In which order the entries of a history came, whatever order the server gives them. Pure.

Times decide where they are told and differ. Where they are missing or equal, the server's order does, unless the
history is told newest first. That is found out, in this order, from what was delivered, which the history has to begin
with; from its times; and from its states and the job's status, which the latest entry tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from itertools import pairwise

from .._models import ENDED, Event, Job, Phase
from .._reading.words import lowered
from .matching import Fingerprint, begins_with, delivered_part, is_same

_RANKS = {Phase.PENDING: 0, Phase.RUNNING: 1, **dict.fromkeys(ENDED, 2)}


def in_order(job: Job, delivered: Sequence[Fingerprint], seq: int, events: Sequence[Event]) -> Sequence[Event]:
    """Return a history in the order in which its states were entered.

    What was delivered stays first: the clocks of a server's machines may disagree. The end that the job's status tells
    comes after all that no time puts behind it.

    Args:
        job: The job, as the same reply tells it.
        delivered: What is remembered of the transitions delivered last.
        seq: How many were delivered in all.
        events: The history.
    """
    if _is_newest_first(job, delivered, seq, events):
        events = events[::-1]
    if all(event.at is not None for event in events):
        events = _by_time(delivered, seq, events)
    return _with_end_last(job, events)


def _is_newest_first(job: Job, delivered: Sequence[Fingerprint], seq: int, events: Sequence[Event]) -> bool:
    if len(events) < 2:
        return False
    backwards = events[::-1]
    is_dated = all(event.at is not None for event in events) and events[0].at != events[-1].at
    begins, begins_backwards = (bool(seq) and begins_with(delivered, seq, each) for each in (events, backwards))
    first, last, status = lowered(events[0].status), lowered(events[-1].status), lowered(job.status)
    # One word without a time, which the status may have told before its history did, may stand anywhere in that: times
    # know better, and so does a status that the last entry tells.
    is_word_alone = len(delivered) == 1 and delivered[0].at is None
    if begins != begins_backwards and not (is_word_alone and (is_dated or first != status == last)):
        return begins_backwards
    if is_dated:
        return all(_seconds(later) >= _seconds(earlier) for later, earlier in pairwise(events))
    # A status may lag behind its history, so that alone is no proof: the states must go backwards, too.
    return first == status and _RANKS.get(events[0].phase, -1) > _RANKS.get(events[-1].phase, -1) >= 0


def _by_time(delivered: Sequence[Fingerprint], seq: int, events: Sequence[Event]) -> Sequence[Event]:
    part = delivered_part(delivered, seq, events)
    length = seq if len(part) == len(delivered) and all(map(is_same, delivered, part)) else 0
    rest = sorted(events[length:], key=_seconds)
    if not length or not rest:
        return [*events[:length], *rest]
    last = delivered[-1].at
    known = {(lowered(event.status), event.at) for event in events[:length]}
    return [*events[:length], *(event for event in rest if not _is_said_again(event, last, known))]


def _is_said_again(event: Event, last: float | None, known: AbstractSet[tuple[str, datetime | None]]) -> bool:
    """Whether an entry is one that was delivered, and not the last moment's, in which a state may be entered twice."""
    return last is not None and _seconds(event) < last and (lowered(event.status), event.at) in known


def _with_end_last(job: Job, events: Sequence[Event]) -> Sequence[Event]:
    """Move the job's end behind those entries of its own moment, or without a time, that stand after it."""
    if job.phase not in ENDED or not events or events[-1].phase in ENDED:
        return events
    index = max((index for index, event in enumerate(events) if event.phase is job.phase), default=-1)
    after = events[index + 1 :]
    if index < 0 or any(event.at is not None and event.at != events[index].at for event in after):
        return events  # what came later came after it: a job that went on
    return [*events[:index], *after, events[index]]


def _seconds(event: Event) -> float:
    return 0.0 if event.at is None else event.at.timestamp()
