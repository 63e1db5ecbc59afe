"""What happened: one look after another goes in, transitions and the end come out.

Pure: the time of a look is an argument. The rules, each tested by its own test:

* Every state is delivered once, in order, and none is invented. Where the API tells a history (`Job.events`), the
  new part of it is what follows the part already delivered; where it tells none, a state is new when the job's
  status, attempt or start time changed, and states in between are delivered only if the job's fields prove them.
* A hole is marked (`Transition.gap`) on the transition after it and never filled.
* The job's status decides whether it ended, and `Phase.UNKNOWN` never does. An entry of the history that says it
  ended is held back until the status agrees. What ended stays ended.
* A reply older than one already seen (a lagging replica) changes nothing: one with an earlier `Job.updated_at`, or
  with the same and fewer attempts. But a server's clock may be set back, and an end dated by it must not be ignored
  for ever: it is believed when the history has it after all that was delivered, or when looks go on to show it for
  longer than any replica lags behind.
* A job that goes on only when somebody acts is taken to be blocked (`Watched.is_blocked`) when two looks have shown it
  that lie 10 s apart, with no other state in between: some states that ask for somebody go on by themselves.
* A look that failed changes no state. It ends the watch only after its own patience has run out, and never as the
  job's failure. A refusal ends a watch at once while no look has been good; after a good one, it is believed when a
  row of looks confirms it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

from .._models import ENDED, Event, Fault, FaultKind, Job, Outcome, Phase, Problem, Transition, excerpt, shown, state
from .._reading.words import is_same_word, lowered
from .matching import Fingerprint, begins_with, is_same, new_from, unix_seconds
from .moves import Place, arrived
from .ordering import in_order
from .settling import UnsettledEnd

_REMEMBERED = 64
_OLDEST_PHASE = 7 * 86_400.0
_GONE_LOOKS = 3
_GONE_SECONDS = 10.0
_REFUSED_LOOKS = 3
_REFUSED_SECONDS = 10.0  # as for a job that is gone: a loaded server or a maintenance page is over sooner
_BACK_LOOKS = 3
_BACK_SECONDS = 60.0  # more than any replica should lag behind

CONFIRMED_AFTER = 10.0
"""How far apart, in seconds, two looks at least are that show a job blocked before it is taken to be."""


REFUSALS = frozenset({FaultKind.AUTH, FaultKind.REFUSED})
"""Faults that asking again does not mend, unless the refusal was a passing one."""


# Until Python 3.12, to find a member takes longer than all that is done with it.
_BLOCKED = Phase.BLOCKED
_GOING_ON = (Phase.PENDING, Phase.RUNNING, Phase.BLOCKED)


class SuspectedEnd(Struct, frozen=True, array_like=True, gc=False):
    """An end that replies tell of which look older than one before: its status, since when, and how often so far."""

    status: str
    since: float
    looks: int = 1


class SeenBlocked(Struct, frozen=True, array_like=True, gc=False):
    """A job seen to go on only when somebody acts: since which look, until which, and what it asked.

    Times are in Unix seconds, on the clock of whoever looks.
    """

    since: float
    until: float
    asked: str | None = None
    url: str | None = None

    @property
    def is_confirmed(self) -> bool:
        """Whether looks that show it lie far enough apart to be believed."""
        return self.until - self.since >= CONFIRMED_AFTER


class Patience(Struct, frozen=True, kw_only=True):
    """How long looks may fail before the watch is given up, in seconds.

    Attributes:
        unreachable_after: Since the first of a row of failed looks; one good look starts it anew.
        appear_within: Since the API first said that it knows no such job, while it has never known it.
    """

    unreachable_after: float = 300.0
    appear_within: float = 10.0


class Watched(Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """Everything known of one watched job, as a value that goes through JSON or MessagePack and back.

    All times are Unix seconds on the clock of whoever looks.

    Attributes:
        job_id: The job's id.
        api: The name of its API.
        added_at: When the watch began; None until its first look.
        type: The API's word for the kind of job.
        project_id: The project it belongs to, once known.
        status: The status last seen.
        phase: Its phase.
        entered_at: When the job entered that phase, by the server's timestamps within what looks allow.
        attempt: The attempt that the last transition belongs to, where the API counts.
        started_at: The start last seen, in the server's Unix seconds.
        updated_at: The latest change that a reply told of, in the server's Unix seconds.
        progress: How far it was when last seen, from 0 to 1, where the API tells.
        seq: How many transitions have been delivered, or are held back with an end.
        seq_before: How many of them belong to places where the job was told of before.
        delivered: The last of them, to know them again.
        looks: How many looks were made.
        looked_at: When the last good look was made.
        fault: The fault of the last look; None after a good one.
        faults: How many looks failed in a row.
        failing_since: When the first of these was made.
        missing: How many of these, the last ones in a row, said that there is no such job.
        missing_since: When the first of those was made; of a job that was never seen, the first one ever that said so.
        refused: How many of these, the last ones in a row, were refused.
        refused_since: When the first of those was made.
        doubted: An end that the last good looks told of, and that is not believed yet.
        unsettled: An end that has not stood for long enough yet. Its transition counts in `seq`, and is not handed out.
        place: Where the job is asked about, if it has moved.
        visited: All places so far, in short.
        hops_paid_until: Up to when the moves so far have used up the looks that there are for moves.
        is_new_here: Whether no look at its present place was good yet.
        retention: For how many seconds the API keeps the job after its end, where its replies say.
        end_missed: Whether the API has forgotten the job after nobody looked for longer than that.
        blocked: The latest time that it was seen to go on only when somebody acts; kept when it has gone on, since that
            was no time for which it ran.
        outcome: How the watch ended; None while it goes on.
        remarked: What was told about it, so that it is told once.
        error: What the API says went wrong, shortened, where a watcher has kept that with the end of the job.
    """

    job_id: str
    api: str
    added_at: float | None = None
    type: str | None = None
    project_id: str | None = None
    status: str | None = None
    phase: Phase | None = None
    entered_at: float | None = None
    attempt: int | None = None
    started_at: float | None = None
    updated_at: float | None = None
    progress: float | None = None
    seq: int = 0
    seq_before: int = 0
    delivered: tuple[Fingerprint, ...] = ()
    looks: int = 0
    looked_at: float | None = None
    fault: Fault | None = None
    faults: int = 0
    failing_since: float | None = None
    missing: int = 0
    missing_since: float | None = None
    refused: int = 0
    refused_since: float | None = None
    doubted: SuspectedEnd | None = None
    unsettled: UnsettledEnd | None = None
    place: Place | None = None
    visited: tuple[str, ...] = ()
    hops_paid_until: float | None = None
    is_new_here: bool = False
    retention: float | None = None
    end_missed: bool = False
    blocked: SeenBlocked | None = None
    outcome: Outcome | None = None
    remarked: tuple[str, ...] = ()
    error: Problem | None = None

    def __repr__(self) -> str:
        told = "never read" if self.status is None or self.phase is None else state(self.status, self.phase)
        what = f"Watched {excerpt(self.job_id)} of {excerpt(self.api, 20)}: {told}"
        end = None if self.outcome is None else f"over: {self.outcome.value}"
        looks = "1 look" if self.looks == 1 else f"{self.looks} looks"
        return shown(what, end, looks, None if self.fault is None else self.fault.text)

    @property
    def is_blocked(self) -> bool:
        """Whether the job goes on only when somebody acts, as looks have confirmed."""
        return self.blocked is not None and self.phase is Phase.BLOCKED and self.blocked.is_confirmed

    @property
    def seems_blocked(self) -> bool:
        """Whether the job was last seen to go on only when somebody acts, and a later look is still to confirm it."""
        return self.blocked is not None and self.phase is Phase.BLOCKED and not self.blocked.is_confirmed

    @property
    def is_to_be_confirmed(self) -> bool:
        """Whether the next look is to confirm what good looks have shown, at a time that nothing else puts off.

        An end in a reply that names where the job goes on is not confirmed, but told by another place.
        """
        is_held_back = self.unsettled is not None and not self.unsettled.goes_on
        return is_held_back or self.doubted is not None or self.seems_blocked


class Observed(Struct, frozen=True):
    """What one look changed: the new `Watched`, and the transitions it showed."""

    watched: Watched
    transitions: tuple[Transition, ...] = ()


def observe(watched: Watched, seen: Job | Fault, now: float, patience: Patience, *, skew: float = 0.0) -> Observed:
    """Take one look into account.

    Args:
        watched: What was known before.
        seen: What the look showed, or how it failed.
        now: When it was made, in Unix seconds.
        patience: How long looks may fail.
        skew: How far the server's clock is ahead of `now`, in seconds.
    """
    if watched.outcome is not None:
        return Observed(watched)
    if isinstance(seen, Fault):
        return Observed(_failed(watched, seen, now, patience))
    if watched.is_new_here:
        watched = arrived(watched, seen)
    elif _is_older(seen, watched):
        doubted = _doubted(watched, seen, now)
        if doubted is None or doubted.looks < _BACK_LOOKS or now - doubted.since < _BACK_SECONDS:
            added_at = now if watched.added_at is None else watched.added_at
            return Observed(replace(unchanged(watched, now), added_at=added_at, doubted=doubted))
    return _saw(watched, seen, now, skew)


# --- looks that failed -----------------------------------------------------------------------------------


def _failed(watched: Watched, fault: Fault, now: float, patience: Patience) -> Watched:
    missing = watched.missing + 1 if fault.kind is FaultKind.NOT_FOUND else 0
    # Other faults in between say nothing of whether a job that was never seen has come to be known.
    missing_since = watched.missing_since if missing or watched.looked_at is None else None
    refused = watched.refused + 1 if fault.kind in REFUSALS else 0
    watched = replace(
        watched,
        added_at=now if watched.added_at is None else watched.added_at,
        looks=watched.looks + 1,
        fault=fault,
        faults=watched.faults + 1,
        failing_since=now if watched.failing_since is None else watched.failing_since,
        missing=missing,
        missing_since=now if missing and missing_since is None else missing_since,
        refused=refused,
        refused_since=(watched.refused_since if refused > 1 else now) if refused else None,
    )
    return replace(watched, outcome=_given_up(watched, fault, now, patience))


def _given_up(watched: Watched, fault: Fault, now: float, patience: Patience) -> Outcome | None:
    out_of_patience = now >= patience_ends_at(watched, patience)
    match fault.kind:
        case FaultKind.AUTH:
            return Outcome.AUTH if _is_refused(watched, out_of_patience) else None
        case FaultKind.GONE:
            return Outcome.NOT_FOUND
        case FaultKind.NOT_FOUND:
            confirmed = watched.looked_at is None or watched.missing >= _GONE_LOOKS
            return Outcome.NOT_FOUND if out_of_patience and confirmed else None
        case FaultKind.TLS:
            return Outcome.UNREACHABLE
        case FaultKind.REFUSED:
            return Outcome.UNREADABLE if _is_refused(watched, out_of_patience) else None
        case FaultKind.RATE_LIMITED | FaultKind.UNREACHABLE:
            too_long = (fault.retry_after or 0.0) > patience.unreachable_after
            return Outcome.UNREACHABLE if out_of_patience or too_long else None
        case FaultKind.UNREADABLE:
            return Outcome.UNREADABLE if out_of_patience else None
        case _:
            assert_never(fault.kind)


def _is_refused(watched: Watched, out_of_patience: bool) -> bool:
    """Whether a refusal is to be believed: at once before the first good look, and then when others confirm it."""
    return watched.looked_at is None or (out_of_patience and watched.refused >= _REFUSED_LOOKS)


def patience_ends_at(watched: Watched, patience: Patience) -> float:
    """Return when the watch is given up if looks go on failing as the last one did, in Unix seconds."""
    if watched.failing_since is None:
        return math.inf
    if watched.refused and watched.refused_since is not None:
        return watched.refused_since + (0.0 if watched.looked_at is None else _REFUSED_SECONDS)
    if not watched.missing or watched.missing_since is None:
        return watched.failing_since + patience.unreachable_after
    if watched.looked_at is None:
        return watched.missing_since + patience.appear_within
    # At a place that it has moved to, too, a job may appear late.
    return watched.missing_since + max(patience.appear_within if watched.is_new_here else 0.0, _GONE_SECONDS)


# --- looks that showed the job -----------------------------------------------------------------------------


def _is_older(job: Job, watched: Watched) -> bool:
    if job.phase.ended and job.events and _goes_on_to_an_end(watched, job, job.events):
        return False
    if watched.updated_at is not None and job.updated_at is not None:
        updated_at = job.updated_at.timestamp()
        if updated_at != watched.updated_at:
            return updated_at < watched.updated_at
    return job.attempt is not None and job.attempt < (watched.attempt or 0)


def _goes_on_to_an_end(watched: Watched, job: Job, events: Sequence[Event]) -> bool:
    """Whether a history begins with all that was delivered and then tells of the job's end, whatever the clocks say."""
    known = watched.seq - watched.seq_before
    return (
        bool(known)
        and len(events) > known
        and (begins_with(watched.delivered, known, events) and events[-1].phase is job.phase)
    )


def _doubted(watched: Watched, job: Job, now: float) -> SuspectedEnd | None:
    """Return what an end that looks older than what is known comes to; None where it is sure to be an old one."""
    started_at = _unix(job.started_at)
    is_old = (job.attempt is not None and job.attempt < (watched.attempt or 0)) or (
        started_at is not None and watched.started_at is not None and started_at < watched.started_at
    )
    is_delivered = any(
        is_same(fingerprint, event) for event in (job.events or ())[-1:] for fingerprint in watched.delivered
    )
    if is_old or job.phase not in ENDED or (is_delivered and job.events and job.events[-1].phase in ENDED):
        return None
    before = watched.doubted
    if before is None or not is_same_word(before.status, job.status):
        return SuspectedEnd(job.status, now)
    return SuspectedEnd(job.status, before.since, before.looks + 1)


def unchanged(watched: Watched, now: float) -> Watched:
    """Take a good look into account that showed the very same as the one before."""
    return replace(
        watched,
        looks=watched.looks + 1,
        looked_at=now,
        fault=None,
        faults=0,
        failing_since=None,
        missing=0,
        missing_since=None,
        refused=0,
        refused_since=None,
        doubted=None,
    )


def _saw(watched: Watched, job: Job, now: float, skew: float) -> Observed:
    steps = _from_snapshot(watched, job) if job.events is None else _from_history(watched, job, job.events)
    transitions, delivered = _told(watched, job, steps, now) if steps else ((), watched.delivered)
    observed = Observed(
        replace(
            watched,
            added_at=now if watched.added_at is None else watched.added_at,
            looks=watched.looks + 1,
            looked_at=now,
            fault=None,
            faults=0,
            failing_since=None,
            missing=0,
            missing_since=None,
            refused=0,
            refused_since=None,
            doubted=None,
            type=job.type or watched.type,
            project_id=job.project_id or watched.project_id,
            status=job.status,
            phase=job.phase,
            entered_at=_entered_at(watched, job, steps, now, skew),
            attempt=job.attempt if steps else watched.attempt,
            started_at=None if job.started_at is None else job.started_at.timestamp(),
            updated_at=watched.updated_at if job.updated_at is None else job.updated_at.timestamp(),
            progress=job.progress,
            seq=watched.seq + len(steps),
            delivered=delivered,
            outcome=_outcome_of(job.phase) if job.phase.ended else None,
        ),
        transitions,
    )
    return observed if job.phase is not _BLOCKED else _saw_blocked(watched, observed, job, now)


def _told(
    watched: Watched, job: Job, steps: Sequence[_Step], now: float
) -> tuple[tuple[Transition, ...], tuple[Fingerprint, ...]]:
    """Return the transitions that are new, and what is remembered of those delivered last, they included."""
    seen_at = datetime.fromtimestamp(now, UTC)
    transitions = [
        Transition(job.id, seq, step.event.status, step.event.phase, step.event.at, seen_at, step.gap)
        for seq, step in enumerate(steps, watched.seq + 1)
    ]
    fingerprints = [Fingerprint(step.event.status, _unix(step.event.at)) for step in steps[-_REMEMBERED:]]
    return tuple(transitions), (*watched.delivered, *fingerprints)[-_REMEMBERED:]


def _saw_blocked(before: Watched, observed: Observed, job: Job, now: float) -> Observed:
    """Add what is to be known of a look that shows a job blocked, and what it asks."""
    transitions = observed.transitions
    blocked = _blocked(before, job, now, is_new=bool(transitions))
    if transitions and transitions[-1].phase is Phase.BLOCKED:
        transitions = (*transitions[:-1], replace(transitions[-1], asked=job.asked, url=job.url))
    return Observed(replace(observed.watched, blocked=blocked), transitions)


def _blocked(watched: Watched, job: Job, now: float, *, is_new: bool) -> SeenBlocked:
    """Return since when and until when a job has been seen blocked that a look shows so.

    Args:
        watched: What was known before.
        job: The job, which is blocked.
        now: When the look was made, in Unix seconds.
        is_new: Whether it entered its state since the last look.
    """
    before = watched.blocked
    if before is None or is_new or watched.phase is not Phase.BLOCKED:
        return SeenBlocked(now, now, job.asked, job.url)
    return SeenBlocked(min(before.since, now), now, job.asked, job.url)  # a clock may have been put back


@functools.cache  # as above: it looks at many members
def _outcome_of(phase: Phase) -> Outcome | None:
    match phase:
        case Phase.SUCCEEDED:
            return Outcome.SUCCEEDED
        case Phase.FAILED:
            return Outcome.FAILED
        case Phase.CANCELLED:
            return Outcome.CANCELLED
        case Phase.PARTIAL:
            return Outcome.PARTIAL
        case Phase.FINISHED:
            return Outcome.FINISHED
        case Phase.PENDING | Phase.RUNNING | Phase.BLOCKED | Phase.UNKNOWN:
            return None
        case _:
            assert_never(phase)


class _Step(Struct, frozen=True, gc=False):
    event: Event
    gap: bool = False


def _entered_at(watched: Watched, job: Job, steps: Sequence[_Step], now: float, skew: float) -> float:
    """Date the entry into the present phase, trusting the server's clock only within what looks have shown."""
    if watched.phase is job.phase and watched.entered_at is not None and not steps:
        return watched.entered_at
    earliest = now - _OLDEST_PHASE if watched.looked_at is None else watched.looked_at
    at = steps[-1].event.at if steps else None
    if at is None:
        return now
    entered_at = at.timestamp() - skew
    if earliest <= entered_at <= now:
        return entered_at
    return earliest if entered_at < earliest and watched.looked_at else now


# --- an API that tells a history ------------------------------------------------------------------------------


def _from_history(watched: Watched, job: Job, told: tuple[Event, ...]) -> list[_Step]:
    known = watched.seq - watched.seq_before
    if known and known == len(told) and watched.delivered and _is_as_delivered(watched, job, told):
        return []
    ordered = in_order(job, watched.delivered, known, told)
    events = _settled(job, ordered)
    is_behind = bool(events) and events[-1].phase is not job.phase
    start, gap = new_from(watched.delivered, known, events, is_behind=is_behind)
    steps = [_Step(event, gap and index == 0) for index, event in enumerate(events[start:])]
    if _is_untold(watched, job, events, steps):
        untold = Event(job.status, job.phase, job.ended_at if job.phase in ENDED else None)
        gap = job.has_more_events or _is_leap(steps[-1].event.phase if steps else watched.phase, job.phase)
        return [*steps, _Step(untold, gap)]
    if job.has_more_events and steps and (hole := _hole(watched, job, told, ordered)) is not None:
        steps[hole] = replace(steps[hole], gap=True)
    return steps


def _is_as_delivered(watched: Watched, job: Job, told: Sequence[Event]) -> bool:
    """Whether a history is plainly what was delivered: in order, its last entry the job's status, and nothing more.

    Whatever is not plain is found out in `_from_history`, which this only saves from most looks.
    """
    first, last = told[0], told[-1]
    delivered = watched.delivered
    if last.phase is not job.phase or job.phase.ended or delivered[-1].status != job.status:
        return False
    before = first.at
    for event in told:
        if event.at is None or before is None or event.at < before:
            return False
        before = event.at
    if len(delivered) > len(told) or (len(told) > 1 and first.at == last.at):
        return False
    for fingerprint, event in zip(delivered, told[-len(delivered) :], strict=True):
        if fingerprint.status != event.status or event.at is None or fingerprint.at != unix_seconds(event.at):
            return False
    return True


def _hole(watched: Watched, job: Job, told: Sequence[Event], ordered: Sequence[Event]) -> int | None:
    """Return before which step the part of a history is missing that could not be read; None if before none of them.

    It lies before all that was read where the latest comes first, and else behind it: before the end, if it is reached.
    """
    if len(told) > 1 and told[0] is not ordered[-1]:
        return -1 if job.phase in ENDED else None
    return (
        None if watched.seq - watched.seq_before else 0
    )  # what goes on from what was delivered lacks nothing in between


def _unix(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def _settled(job: Job, events: Sequence[Event]) -> Sequence[Event]:
    """Leave out what the job's status does not bear out: an end it has not reached, or anything after its end."""
    length = len(events)
    if job.phase not in ENDED:
        while length and events[length - 1].phase in ENDED:
            length -= 1
        return events[:length]
    while length and (last := events[length - 1].phase) is not job.phase and last not in _GOING_ON:
        length -= 1
    return events[:length] if length and events[length - 1].phase is job.phase else events


def _is_untold(watched: Watched, job: Job, events: Sequence[Event], steps: Sequence[_Step]) -> bool:
    """Whether the status says something that neither the history nor what was delivered says."""
    last = steps[-1].event.status if steps else watched.delivered[-1].status if watched.delivered else None
    if last is not None and is_same_word(last, job.status):
        return False
    if not steps and watched.phase in ENDED and job.phase not in ENDED:
        return True  # it goes on after all, and the history does not tell that yet
    if job.phase in ENDED:
        return not (steps and steps[-1].event.phase is job.phase)
    if job.phase is Phase.UNKNOWN:
        return not any(is_same_word(event.status, job.status) for event in events)
    return all(event.phase is not job.phase for event in events)


# --- an API that tells only where the job stands ----------------------------------------------------------------


def _from_snapshot(watched: Watched, job: Job) -> list[_Step]:
    if not _is_news(watched, job):
        return []
    path = [event for event in job.proven if not _is_known(watched, job, event)]
    if job.phase in ENDED:
        path.append(Event(job.status, job.phase, job.ended_at))
    elif path and path[-1].phase is job.phase and lowered(path[-1].status) in {job.phase.value, lowered(job.status)}:
        path[-1] = Event(job.status, job.phase, path[-1].at)  # else the time would be that of another state
    else:
        path.append(Event(job.status, job.phase))
    befores = [watched.phase, *(event.phase for event in path)]
    steps = [
        _Step(event, _is_leap(before, event.phase) and not (index and before is event.phase))  # what one look proves
        for index, (before, event) in enumerate(zip(befores, path, strict=False))
    ]
    runs = [index for index, event in enumerate(path) if event.phase is Phase.RUNNING]
    if (job.attempt or 0) > max((watched.attempt or 0) + len(runs), 1):
        # The hidden attempts came before the latest, which is the one whose start is told.
        hole = runs[0] if runs else -1
        steps[hole] = replace(steps[hole], gap=True)
    return steps


def _is_news(watched: Watched, job: Job) -> bool:
    if watched.status is None or not is_same_word(job.status, watched.status):
        return True
    if watched.attempt is not None and (job.attempt or 0) > max(watched.attempt, 1):
        return True  # the first attempt may be counted before or after it starts: that is no news
    started_at = _unix(job.started_at)
    if started_at is None or started_at == watched.started_at:
        return False
    waits_again = job.phase is Phase.PENDING or job.phase is Phase.BLOCKED
    return waits_again or (job.phase is Phase.RUNNING and watched.started_at is not None)


def _is_known(watched: Watched, job: Job, event: Event) -> bool:
    """Whether a state that the job is proven to have been in was delivered, or came before what was delivered."""
    if not watched.seq:
        return False
    if event.phase is Phase.PENDING:
        return True
    if any(fingerprint.at == _unix(event.at) and is_same(fingerprint, event) for fingerprint in watched.delivered):
        return True
    same_attempt = job.attempt == watched.attempt and watched.started_at in {None, _unix(event.at)}
    return event.phase is watched.phase and same_attempt


@functools.cache  # as `_outcome_of`
def _is_leap(before: Phase | None, after: Phase) -> bool:
    """Whether a job cannot be known to have gone straight from one phase to the other."""
    match after:
        case Phase.PENDING | Phase.UNKNOWN:
            return False
        case Phase.BLOCKED:
            return before is None
        case Phase.RUNNING:
            return before in (None, Phase.RUNNING)
        case Phase.SUCCEEDED | Phase.PARTIAL | Phase.FINISHED | Phase.FAILED | Phase.CANCELLED:
            return before in (None, Phase.PENDING)
        case _:
            assert_never(after)
