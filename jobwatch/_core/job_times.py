"""When a job began and ended, for how long it ran, and how late its end was known. Pure.

* It ran from the start that the API tells to the end that the API tells. Where it tells no start but a history, the
  start is where the job last began to run: of several running states in a row the first, and of several attempts the
  last. What it waited for a person in between counts. Without a start there is no run time: how long ago a job was
  created says little of how long it ran.
* Its end was known when the look was answered that showed it. That is our clock, and the end is by the API's, so their
  difference is taken off, as far as the API's ``Date`` shows it. What is left below zero is none if it is no more than
  clocks and their rounding may differ by; else nothing is said, since one of the clocks must be wrong.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from msgspec import Struct

from .._models import ENDED, Job, Phase, ended_at_of, started_at_of

UNNOTICED: Final = 2.0
"""By how many seconds clocks may differ without a ``Date`` header showing it."""


class JobTimes(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """When one job began and ended, as far as its API tells.

    Attributes:
        created_at, started_at: By the API's clock, in UTC.
        ended_at: The same; None of a job that has not ended.
        ran: From its start to its end, in seconds, by the API's clock; of a job that is running, so far.
        known_after: How long after its end the look was answered that showed it, in seconds.
    """

    created_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    ran: float | None = None
    known_after: float | None = None


def times_of(job: Job, known_at: float | None, now: float, ahead: float = 0.0) -> JobTimes:
    """Return when a job began and ended, and how late that was known.

    Args:
        job: The job as last read.
        known_at: When the look was answered that showed it so, in Unix seconds by our clock, if a look did.
        now: The time, by our clock too: until then a job has run that is running.
        ahead: How far the API's clock is ahead of ours, in seconds, as far as that can be told.
    """
    started_at = started_at_of(job)
    if job.phase not in ENDED:
        ran = None if started_at is None or job.phase is not Phase.RUNNING else _since(started_at, now + ahead)
        return JobTimes(created_at=job.created_at, started_at=started_at, ran=ran)
    ended_at = ended_at_of(job)
    return JobTimes(
        created_at=job.created_at,
        started_at=started_at,
        ended_at=ended_at,
        ran=job.ran,
        known_after=_known_after(ended_at, known_at, ahead),
    )


def known_after(job: Job, known_at: float | None, ahead: float = 0.0) -> float | None:
    """Return how late the end of a job that has ended was known, in seconds; for arguments see `times_of`."""
    return _known_after(ended_at_of(job), known_at, ahead)


def _known_after(ended_at: datetime | None, known_at: float | None, ahead: float) -> float | None:
    return None if known_at is None or ended_at is None else _since(ended_at, known_at + ahead)


def _since(at: datetime, now: float) -> float | None:
    return _not_below(-UNNOTICED, now - at.timestamp())


def _not_below(least: float, seconds: float) -> float | None:
    return None if seconds < least else max(0.0, seconds)
