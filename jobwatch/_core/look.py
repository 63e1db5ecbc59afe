"""One look's reply in, what is known and when to look next out: the tracker, the pace and the history together.

No clock and no dice: the poller passes in the time and one random number a look.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from .._models import Fault, FaultKind, Job, Outcome, Phase, Transition
from .pace import Pace, interval
from .tracker import Patience, Watched, observe, patience_ends_at, unchanged

if TYPE_CHECKING:
    from .._reading.api import JobAPI
    from .._reading.reply import Reply
    from .durations import LearnedDurations

_Seen = TypeVar("_Seen")

_SKEW_NOTICED = 2.0  # a Date header counts whole seconds, so less than this is no skew that can be told


class Looked(Struct, frozen=True):
    """What one look gave.

    Attributes:
        watched: What is known now, to be kept and given to the next look.
        transitions: The state changes that the look showed, in order.
        outcome: How the watch ended, or None while it goes on.
        next_look: Seconds to wait before the next look; None when the watch has ended.
        job: The job, when the look could read it and it was no older than what was known.
    """

    watched: Watched
    transitions: tuple[Transition, ...]
    outcome: Outcome | None
    next_look: float | None
    job: Job | None = None


class Policy(Struct, frozen=True):
    """What looks at one API's jobs need to know.

    Attributes:
        api: Reads the replies.
        pace: How eagerly to look.
        patience: How long looks may fail.
        history: What earlier jobs took; learns from every end.
        quiet: Takes out of a fault what may not be said, such as a secret that a reply quotes.
    """

    api: JobAPI
    pace: Pace
    patience: Patience
    history: LearnedDurations
    quiet: Callable[[Fault], Fault] | None = None

    def job_in(self, reply: Reply, job_id: str) -> Job | Fault:
        """Read the job asked for from a reply."""
        return self._quiet(self.api.job(reply.body, job_id, reply.http_status, reply.history))

    def jobs_in(self, reply: Reply) -> tuple[Job, ...] | Fault:
        """Read a list of jobs from a reply."""
        return self._quiet(self.api.jobs(reply.body))

    def replied(self, watched: Watched, reply: Reply | Fault, now: float, jitter: float | None, price: float) -> Looked:
        """Take a reply to a look at one job into account.

        Args:
            watched: What was known before.
            reply: What the look gave.
            now: When, in Unix seconds.
            jitter: A random number from [0, 1), or None where jobs are set apart already.
            price: What a request costs now, beside the pace's `poll_cost`.
        """
        if isinstance(reply, Fault):
            return self.saw(watched, reply, now, jitter, price)
        seen = self.job_in(reply, watched.job_id)
        return self.saw(watched, seen, now, jitter, price, skew=skew_of(reply, now))

    def saw(
        self, watched: Watched, seen: Job | Fault, now: float, jitter: float | None, price: float, *, skew: float = 0.0
    ) -> Looked:
        """Take what a look showed into account; for arguments see `replied`."""
        observed = observe(watched, seen, now, self.patience, skew=skew)
        outcome = observed.watched.outcome
        job = seen if isinstance(seen, Job) and not _is_behind(observed.watched, seen) else None
        if job is not None and outcome is not None and watched.outcome is None:
            self._learn(watched, job, now)
        next_look = self.next_look(observed.watched, now, jitter, price) if outcome is None else None
        return Looked(observed.watched, observed.transitions, outcome, next_look, job)

    def same_again(self, watched: Watched, now: float, jitter: float | None, price: float) -> Looked:
        """Take a look into account that showed the very same as the one before."""
        watched = unchanged(watched, now)
        return Looked(watched, (), None, self.next_look(watched, now, jitter, price))

    def next_look(self, watched: Watched, now: float, jitter: float | None, price: float) -> float:
        """Return how long to wait before the next look, in seconds."""
        entered_at = watched.entered_at if watched.entered_at is not None else watched.added_at
        delay = interval(
            self._priced(price),
            0.0 if entered_at is None else now - entered_at,
            self.history.curve(watched.api, watched.type, watched.phase),
            price=price,
            phase=jitter if watched.looks == 1 else None,
            progress=watched.progress,
        )
        return delay if watched.fault is None else self._after_fault(watched, watched.fault, now, jitter, delay)

    def _priced(self, price: float) -> Pace:
        """Let the longest interval grow with the price too, so that old jobs slow down with the young ones."""
        return self.pace if price <= 1.0 else replace(self.pace, max_interval=self.pace.max_interval * math.sqrt(price))

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

    def _quiet(self, seen: _Seen | Fault) -> _Seen | Fault:
        return self.quiet(seen) if isinstance(seen, Fault) and self.quiet is not None else seen

    def _learn(self, before: Watched, job: Job, now: float) -> None:
        """Remember how long the job took: by its own timestamps, else by when looks saw it."""
        if self.history.add(job) or before.phase not in (Phase.PENDING, Phase.RUNNING):
            return
        if before.entered_at is not None and before.looked_at is not None:
            ended_at = (before.looked_at + now) / 2.0
            self.history.add_duration((job.api, job.type or "", before.phase), max(0.0, ended_at - before.entered_at))


def _is_behind(known: Watched, job: Job) -> bool:
    """Whether a reply just taken into account changed nothing, since it was older than what was known."""
    return (known.status, known.attempt) != (job.status, job.attempt)


def skew_of(reply: Reply, now: float) -> float:
    """Return how far the server's clock is ahead of ours, in seconds, as far as that can be told."""
    if reply.server_time is None:
        return 0.0
    skew = reply.server_time - now
    return skew if abs(skew) > _SKEW_NOTICED else 0.0


def pause_asked(fault: Fault) -> float:
    """Return for how many seconds a fault asks that nothing be sent to its origin."""
    if fault.kind in (FaultKind.RATE_LIMITED, FaultKind.UNREACHABLE):
        return fault.retry_after or 0.0
    return 0.0
