"""A report from what a watcher's journal holds. Pure.

A journal holds what a watcher needs to go on, and no history: of a job that is watched, the last 64 states; of one that
ended, its last state and when it was started; and of both, every change that is not acknowledged yet. What it has let
go of is a gap.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from .._core.tracker import Watched
from .._models import Phase, Transition
from .._reading.times import seconds_since_1970
from .._reading.words import USUAL_WORDS, normalized
from .._watching.changes import Change, ChangeKind
from .._watching.records import JobRecord, RecordState
from .model import Entered, Report, ReportedJob, made


def report_of(api: str, records: Iterable[JobRecord], changes: Iterable[Change]) -> Report:
    """Return what a journal tells of its jobs.

    Args:
        api: The name of the API whose jobs it is for.
        records: The jobs.
        changes: The changes that it still holds.
    """
    held: dict[str, list[Change]] = {}
    for change in changes:
        held.setdefault(change.job_id, []).append(change)
    records = tuple(records)
    moments = [record.watched.looked_at or record.changed_at for record in records]
    jobs = [_job(record, held.get(record.job_id, ()), max(moments)) for record in records]
    return Report(jobs=tuple(jobs), api=api)


def _job(record: JobRecord, changes: Sequence[Change], last: float) -> ReportedJob:
    known = {each.transition.seq: entered_of(each.transition) for each in changes if each.transition is not None}
    until = last if record.state is RecordState.WATCHED else record.watched.looked_at
    return job_of(record, known, error_of(changes, record.watched), until)


def job_of(record: JobRecord, known: Mapping[int, Entered], error: str | None, until: float | None) -> ReportedJob:
    """Return what is known of one job.

    Args:
        record: What the journal holds of it.
        known: The states that are known otherwise, by their number: what is remembered of others may be less.
        error: What went wrong with it, or with the looks at it.
        until: Up to when its last state lasted, if it was not left; see `made`.
    """
    watched = record.watched
    entered = states_of(watched, known)
    has_ended = watched.phase is not None and watched.phase.ended
    if has_ended and entered and entered[-1].seen_at is None:
        entered = (*entered[:-1], replace(entered[-1], seen_at=record.changed_at))
    blocked = watched.blocked if watched.phase is Phase.BLOCKED else None
    job = ReportedJob(
        job_id=record.job_id,
        outcome=watched.outcome,
        status=watched.status,
        phase=watched.phase,
        looks=watched.looks,
        progress=watched.progress,
        error=error,
        asked=None if blocked is None else blocked.asked,
        url=None if blocked is None else blocked.url,
        is_dropped=record.state is RecordState.DROPPED,
    )
    return made(job, _with_start(watched, entered), until)


def entered_of(transition: Transition) -> Entered:
    """Return a state as it was told by a change."""
    at = None if transition.at is None else seconds_since_1970(transition.at)
    seen_at = seconds_since_1970(transition.seen_at)
    return Entered(status=transition.status, phase=transition.phase, at=at, seen_at=seen_at, gap=transition.gap)


def states_of(watched: Watched, known: Mapping[int, Entered]) -> tuple[Entered, ...]:
    """Return the states that are known: those given, by number, and of the others what is remembered to know them."""
    first = watched.seq - len(watched.delivered) + 1
    numbers = sorted({*known, *range(first, watched.seq + 1)})
    states: list[Entered] = []
    for place, number in enumerate(numbers):
        is_hole = number != (numbers[place - 1] + 1 if place else 1)
        each = known[number] if number in known else remembered(watched, number)
        states.append(replace(each, gap=True) if is_hole else each)
    return tuple(states)


def remembered(watched: Watched, number: int) -> Entered:
    """Return one of the states that a watched job remembers, by its number."""
    fingerprint = watched.delivered[number - watched.seq - 1]
    is_last = number == watched.seq
    phase = watched.phase if is_last and watched.phase is not None else _usual(fingerprint.status)
    seen = watched.entered_at if is_last and fingerprint.at is None else None
    return Entered(status=fingerprint.status, phase=phase, at=fingerprint.at, seen_at=seen)


def _with_start(watched: Watched, states: tuple[Entered, ...]) -> tuple[Entered, ...]:
    """Put the start before the end of a job of which no other state is kept: that it ran then is what its API said."""
    started_at = watched.started_at
    if len(states) != 1 or not states[0].phase.ended or started_at is None:
        return states
    end = states[0].at or states[0].seen_at
    if end is not None and started_at > end:
        return states
    return (Entered(status="started", phase=Phase.RUNNING, at=started_at), *states)


def _usual(status: str) -> Phase:
    """Return what a word means nearly wherever it is met: the journal keeps the API's word alone."""
    phase = USUAL_WORDS.get(normalized(status), Phase.UNKNOWN)
    return Phase.UNKNOWN if phase.ended else phase  # a job that went on had not ended


def error_of(changes: Sequence[Change], watched: Watched) -> str | None:
    """Return what went wrong with a job, or with the looks at it: of an end that was acknowledged what is kept."""
    for change in reversed(changes):
        if change.kind is ChangeKind.END and change.error is not None:
            return change.error.text
    wrong = watched.error or watched.fault
    return None if wrong is None else wrong.text
