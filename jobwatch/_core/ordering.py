"""In which order the entries of a history came, whatever order the server gives them. Pure.

Times decide where they are told and differ. Where they are missing or equal, the server's order does, unless the
history is told newest first. That is found out, in this order, from what was delivered, which the history has to begin
with; from its times; and from its states and the job's status, which the latest entry tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from .._models import ENDED, Event, Job, Phase
from .._reading.words import is_same_word, lowered
from .matching import Fingerprint, begins_with, delivered_part, is_same

_RANKS = {Phase.PENDING: 0, Phase.RUNNING: 1, Phase.BLOCKED: 1, **dict.fromkeys(ENDED, 2)}


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
    moments = [event.at for event in events if event.at is not None]
    if len(moments) == len(events) and _is_rising(moments) and begins_with(delivered, seq, events):
        return _with_end_last(job, events)  # as nearly all are
    if _is_newest_first(job, delivered, seq, events, moments):
        events = events[::-1]
    if len(moments) == len(events):
        events = _by_time(delivered, seq, events)
    return _with_end_last(job, events)


def _is_rising(moments: list[datetime]) -> bool:
    """Whether moments come one after the other, and are not all the same."""
    if len(moments) > 1 and moments[0] == moments[-1]:
        return False
    return moments == sorted(moments)


def _is_newest_first(
    job: Job, delivered: Sequence[Fingerprint], seq: int, events: Sequence[Event], moments: Sequence[datetime]
) -> bool:
    if len(events) < 2:
        return False
    backwards = events[::-1]
    is_dated = len(moments) == len(events) and moments[0] != moments[-1]
    if is_dated and all(earlier <= later for earlier, later in pairwise(moments)):
        return False  # whatever was delivered: the status may have told of some of it before the history did
    begins, begins_backwards = (bool(seq) and begins_with(delivered, seq, each) for each in (events, backwards))
    is_first, is_last = (is_same_word(each.status, job.status) for each in (events[0], events[-1]))
    # One word without a time, which the status may have told before its history did, may stand anywhere in that: times
    # know better, and so does a status that the last entry tells.
    is_word_alone = len(delivered) == 1 and delivered[0].at is None
    if begins != begins_backwards and not (is_word_alone and (is_dated or (is_last and not is_first))):
        return begins_backwards
    if is_dated:
        return all(later >= earlier for later, earlier in pairwise(moments))
    # A status may lag behind its history, so that alone is no proof: the states must go backwards, too.
    return is_first and _RANKS.get(events[0].phase, -1) > _RANKS.get(events[-1].phase, -1) >= 0


def _by_time(delivered: Sequence[Fingerprint], seq: int, events: Sequence[Event]) -> Sequence[Event]:
    in_time = sorted(events, key=_seconds)
    if begins_with(delivered, seq, in_time):
        return in_time
    part = delivered_part(delivered, seq, events)
    length = seq if len(part) == len(delivered) and all(map(is_same, delivered, part)) else 0
    rest = sorted(events[length:], key=_seconds)
    if not length or not rest:
        return [*events[:length], *rest]
    return [*events[:length], *_without_repeats(rest, delivered[-1].at, events[:length])]


def _without_repeats(rest: Sequence[Event], last: float | None, known: Sequence[Event]) -> Sequence[Event]:
    """Leave out what was delivered already, but for the last moment, in which a state may be entered twice.

    Args:
        rest: What follows in the history, by time.
        last: When what was delivered last was entered.
        known: What was delivered.
    """
    if last is None or _seconds(rest[0]) >= last:
        return rest
    told = {(lowered(event.status), event.at) for event in known}
    return [event for event in rest if _seconds(event) >= last or (lowered(event.status), event.at) not in told]


def _with_end_last(job: Job, events: Sequence[Event]) -> Sequence[Event]:
    """Move the job's end behind those entries of its own moment, or without a time, that stand after it."""
    if job.phase not in ENDED or not events or events[-1].phase in ENDED:
        return events
    index = len(events) - 1
    while index >= 0 and events[index].phase is not job.phase:
        index -= 1
    if index < 0:
        return events
    after = events[index + 1 :]
    if any(event.at is not None and event.at != events[index].at for event in after):
        return events  # what came later came after it: a job that went on
    return [*events[:index], *after, events[index]]


def _seconds(event: Event) -> float:
    return 0.0 if event.at is None else event.at.timestamp()
