"""What one look showed in, what is known and when to look next out: tracker, pace and learned durations together.

Pure: the poller passes in the time, and one random number a look for the jitter.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from .._models import UNCHANGED, Fault, FaultKind, Job, Outcome, Phase, Problem, Transition, Unchanged
from .moves import Onward, moved, until_arrival
from .pace import Pace, interval
from .retention import is_to_be_noted, with_retention
from .settling import StableFor, UnsettledEnd, is_held_back, settled, until_settled
from .tracker import (
    CONFIRMED_AFTER,
    Observed,
    Patience,
    SeenBlocked,
    Watched,
    observe,
    patience_ends_at,
    unchanged,
)

if TYPE_CHECKING:
    from .durations import LearnedDurations
    from .source import Seen

LONGEST_HINT: Final = 60.0
"""For how long a good answer may put off the next look, in seconds; longer where the longest interval is longer."""

_UNDER_WAY = (Phase.PENDING, Phase.RUNNING)
_IN_TROUBLE = (FaultKind.UNREACHABLE, FaultKind.UNREADABLE)

_LATE = 0.05  # by how much a look comes later than it would have to, so that no rounding makes it come too soon
_SKEW_NOTICED = 2.0  # a Date header counts whole seconds, so less than this is no skew that can be told


class Looked(Struct, frozen=True):
    """What one look gave.

    Attributes:
        watched: What is known now, to be kept and given to the next look.
        transitions: The state changes that the look showed, in order.
        outcome: How the watch ended, or None while it goes on.
        next_look: Seconds to wait before the next look; None when the watch has ended.
        job: The job, when the look could read it and it was no older than what was known.
        least: How many of these seconds the API has asked for.
        is_followed_up: Whether the next look is made at once, for the server to hold it until there is news.
        asks_anew: Whether the next look is to show all anew, rather than that nothing has changed.
        is_to_keep: Whether what is known has to outlive a crash, though there may be nothing to deliver.
        error: What the API says went wrong; of a job that has gone since it was seen to end, what it said then.
        confirms_blocked: Whether it confirmed that the job goes on only when somebody acts: see `Watched.is_blocked`.
        remark: What is to be told about it, once.
    """

    watched: Watched
    transitions: tuple[Transition, ...]
    outcome: Outcome | None
    next_look: float | None
    job: Job | None = None
    least: float = 0.0
    is_followed_up: bool = False
    asks_anew: bool = False
    is_to_keep: bool = False
    error: Problem | None = None
    confirms_blocked: bool = False
    remark: str | None = None


class Policy(Struct, frozen=True):
    """How looks are paced, how long they may fail, and what earlier jobs took.

    Attributes:
        pace: How eagerly to look.
        patience: How long looks may fail.
        history: What earlier jobs took; learns from every end.
        stable_for: For how many seconds ends of each phase have to stand before they are believed.
        retention: For how many seconds jobs are kept after their end, infinite where only their replies may say; None
            where nothing is known of that.
    """

    pace: Pace
    patience: Patience
    history: LearnedDurations
    stable_for: StableFor = {}
    retention: float | None = None

    def saw(
        self,
        watched: Watched,
        what: Job | Fault | Unchanged,
        now: float,
        jitter: float | None,
        price: float,
        *,
        server_time: float | None = None,
        retry_after: float | None = None,
        onward: Onward | None = None,
        slept: float = 0.0,
    ) -> Looked:
        """Take what a look showed into account.

        Args:
            watched: What was known before.
            what: What the look showed.
            now: When, in Unix seconds.
            jitter: A random number from [0, 1), or None where jobs are set apart already.
            price: What a request costs now, beside the pace's `poll_cost`.
            server_time: The API's clock at that moment, in Unix seconds, where it tells.
            retry_after: For how many seconds the answer asks not to be asked about the job.
            onward: Where the answer says that the job goes on.
            slept: For how many seconds the machine was suspended since the last good look, if `now` leaves them out.
        """
        if onward is not None and watched.outcome is None:
            moving = self._moved(watched, what, now, onward)
            return moving if retry_after is None else self._put_off(moving, retry_after, now)
        if what is UNCHANGED:
            is_to_keep = self.retention is not None and is_to_be_noted(watched, now, self.retention)
            watched = unchanged(watched, now)
            looked = Looked(watched, (), None, self.next_look(watched, now, jitter, price), is_to_keep=is_to_keep)
            return looked if retry_after is None else self._put_off(looked, retry_after, now)
        observed = observe(watched, what, now, self.patience, skew=skew_of(server_time, now))
        if self.stable_for or watched.unsettled is not None:
            observed = settled(watched, observed, what, now, self.stable_for, server_time=server_time)
        if self.retention is not None:
            known = with_retention(watched, observed.watched, what, now, self.retention, slept=slept)
            observed = replace(observed, watched=known)
        outcome = observed.watched.outcome
        job = what if isinstance(what, Job) and not _is_behind(observed.watched, what) else None
        if job is not None and outcome is not None and watched.outcome is None:
            self._learn(watched, job, now)
        next_look = self.next_look(observed.watched, now, jitter, price) if outcome is None else None
        looked = Looked(observed.watched, observed.transitions, outcome, next_look, job)
        if observed.watched.unsettled is not None or watched.unsettled is not None:
            looked = _of_unsettled_end(looked, watched.unsettled)
        elif retry_after is not None:
            looked = self._put_off(looked, retry_after, now)
        if self.retention is not None and isinstance(what, Job) and is_to_be_noted(watched, now, self.retention):
            looked = replace(looked, is_to_keep=True)
        return looked if observed.watched.blocked is None else _of_blocked_job(looked, watched)

    def _moved(self, watched: Watched, what: Job | Fault | Unchanged, now: float, onward: Onward) -> Looked:
        """Take a look into account that named the place where the job goes on; what else it tells is no end."""
        observed, job = Observed(unchanged(watched, now)), None
        if isinstance(what, Job):
            observed = observe(watched, what, now, self.patience)
            observed = settled(watched, observed, what, now, self.stable_for, goes_on=True)
            job = None if what.phase.ended or _is_behind(observed.watched, what) else what
        known = moved(observed.watched, onward, now, self.pace.min_interval)
        next_look = until_arrival(known, now) if known.outcome is None else None
        return Looked(known, observed.transitions, known.outcome, next_look, job, asks_anew=True, is_to_keep=True)

    def next_look(self, watched: Watched, now: float, jitter: float | None, price: float) -> float:
        """Return how long to wait before the next look, in seconds."""
        if watched.unsettled is not None:
            least, most = self.pace.min_interval, self.pace.max_interval
            delay = until_settled(watched.unsettled, self.stable_for, now, least, most)
        elif watched.blocked is not None and watched.phase is Phase.BLOCKED:
            delay = self._while_blocked(watched.blocked, now, price)
        else:
            entered_at = watched.entered_at if watched.entered_at is not None else watched.added_at
            delay = interval(
                self.pace,
                0.0 if entered_at is None else now - entered_at,
                self.history.curve(watched.api, watched.type, watched.phase),
                price=price,
                phase=jitter if watched.looks == 1 else None,
                progress=watched.progress,
                longest=None if price <= 1.0 else self._longest(price),
            )
        return delay if watched.fault is None else self._after_fault(watched, watched.fault, now, jitter, delay)

    def holds_back(self, watched: Watched, seen: Seen, now: float) -> bool:
        """Whether an answer tells an end that is known and goes on being held back."""
        held, job = watched.unsettled, seen.what
        if held is None or not isinstance(job, Job):
            return False
        return is_held_back(held, job, now, self.stable_for, server_time=seen.server_time)

    def follow_up(self, looked: Looked, took: float, held: float) -> Looked:
        """Have the next look made at once where the server holds looks until there is news.

        So it is after one that was held for half of what it might be, or told news, or was not to be held; but no
        sooner than the shortest interval after that began, since not every server holds what it is told to.

        Args:
            looked: What the look gave.
            took: How long its answer took, in seconds.
            held: For how long it might be held, in seconds; 0 if it was not to be.
        """
        watched = looked.watched
        is_to_confirm = watched.fault is not None or watched.is_to_be_confirmed
        if looked.next_look is None or is_to_confirm or (took < held / 2.0 and not looked.transitions):
            return looked
        at_once = max(0.0, self.pace.min_interval - took, looked.least)
        return replace(looked, next_look=min(looked.next_look, at_once), is_followed_up=True)

    def _put_off(self, looked: Looked, retry_after: float, now: float) -> Looked:
        """Put off the next look for as long as an answer asks for that could be read, or whose body could not.

        That is a hint: what a look is to confirm is confirmed at its own pace, and patience ends when it ends.
        """
        watched, fault = looked.watched, looked.watched.fault
        if watched.blocked is not None and watched.seems_blocked and fault is None and looked.next_look is not None:
            least = min(self.hint(retry_after), _until_confirmed(watched.blocked, now))
            return replace(looked, next_look=max(looked.next_look, least), least=least)
        is_to_confirm = watched.is_to_be_confirmed or (fault is not None and fault.kind not in _IN_TROUBLE)
        if looked.next_look is None or is_to_confirm:
            return looked
        least = self.hint(retry_after)
        if fault is not None:
            least = max(0.0, min(least, patience_ends_at(watched, self.patience) - now))
        return replace(looked, next_look=max(looked.next_look, least), least=least)

    def hint(self, retry_after: float) -> float:
        """Return for how many seconds a look is put off where an answer that is good asks for some."""
        return min(retry_after, max(self.pace.max_interval, LONGEST_HINT))

    def _while_blocked(self, blocked: SeenBlocked, now: float, price: float) -> float:
        """Return when to look again at a job that waits for a person: ever less often, and in time to confirm it.

        A pause is as long as it has been blocked so far: a program answers soon, and a person is in no hurry. Where
        requests are scarce, none is made before the one that confirms it.
        """
        lasted = now - blocked.since
        wanted = lasted
        if not blocked.is_confirmed:
            wanted = _until_confirmed(blocked, now)
            if price <= 1.0:
                wanted = min(wanted, max(lasted, self.pace.min_interval))
        return min(max(wanted, self.pace.min_interval), self._longest(price))

    def _longest(self, price: float) -> float:
        """Return the longest interval, which grows with the price too, so that old jobs slow down with the young."""
        return self.pace.max_interval if price <= 1.0 else self.pace.max_interval * math.sqrt(price)

    def _after_fault(self, watched: Watched, fault: Fault, now: float, jitter: float | None, delay: float) -> float:
        shortest, longest = self.pace.min_interval, self.pace.max_interval
        backoff = min(longest, shortest * 2.0 ** min(watched.faults - 1, 32)) * (
            0.5 + (0.5 if jitter is None else jitter)
        )
        last_chance = patience_ends_at(watched, self.patience) - now
        delay = max(shortest, min(max(delay, backoff), last_chance))
        if fault.retry_after is None:
            return delay
        # Only an origin in trouble may ask for more than the patience with it; a 404 may not put off its own end.
        return max(delay, fault.retry_after if pause_asked(fault) else min(fault.retry_after, last_chance))

    def _learn(self, before: Watched, job: Job, now: float) -> None:
        """Remember how long the job took: by its own timestamps, else by when looks saw it."""
        if before.blocked is not None and not _tells_blocked(job):
            self.history.pass_over(job)  # for how long it was blocked is not told
            return
        if self.history.add(job) or before.phase not in _UNDER_WAY or _tells_blocked(job):
            return
        if before.entered_at is not None and before.looked_at is not None:
            ended_at = (before.looked_at + now) / 2.0
            kind = job.api, job.type or "", before.phase
            self.history.add_duration(kind, max(0.0, ended_at - before.entered_at), job_id=job.id)


def _tells_blocked(job: Job) -> bool:
    """Whether a job is told to have waited for somebody."""
    return any(event.phase is Phase.BLOCKED for event in (job.proven if job.events is None else job.events))


def _until_confirmed(blocked: SeenBlocked, now: float) -> float:
    """Return how long it is to the look that is to confirm that a job goes on only when somebody acts, in seconds."""
    return max(0.0, blocked.since + CONFIRMED_AFTER + _LATE - now)


def _of_unsettled_end(looked: Looked, before: UnsettledEnd | None) -> Looked:
    """Add what is to be known of a look at a job of which an end was, or is now, held back."""
    now = looked.watched.unsettled
    error = before.error if before is not None and looked.job is None and looked.outcome is not None else None
    return replace(looked, asks_anew=now is not None, is_to_keep=now is not before, error=error)


def _of_blocked_job(looked: Looked, before: Watched) -> Looked:
    """Add what is to be known of a look at a job that is, or was, seen to wait for a person."""
    after = looked.watched
    return replace(
        looked,
        asks_anew=looked.asks_anew or after.seems_blocked,
        confirms_blocked=after.is_blocked and not before.is_blocked,
    )


def _is_behind(known: Watched, job: Job) -> bool:
    """Whether a reply just taken into account changed nothing, since it was older than what was known."""
    return (known.status, known.attempt) != (job.status, job.attempt)


def skew_of(server_time: float | None, now: float) -> float:
    """Return how far the server's clock is ahead of ours, in seconds, as far as that can be told."""
    skew = 0.0 if server_time is None else server_time - now
    return skew if abs(skew) > _SKEW_NOTICED else 0.0


def pause_asked(fault: Fault) -> float:
    """Return for how many seconds a fault asks that nothing be sent to its origin."""
    if fault.kind in (FaultKind.RATE_LIMITED, FaultKind.UNREACHABLE):
        return fault.retry_after or 0.0
    return 0.0
