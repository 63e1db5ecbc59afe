"""The line that says that we still wait: rare enough for a reader, often enough for a runner. Pure but for its state.

It comes after one and two minutes, and then every four: nine times in half an hour. Plain lines leave a later one out
if something was printed since the one before, so that eight minutes are never silent and no log gets long. CircleCI
ends a step that prints nothing for ten minutes (https://circleci.com/docs/reference/configuration-reference/#run,
``no_output_timeout``, read on 2026-11-29); of a runner that ends one sooner, nothing is known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from .._models import Phase
from ._render import human_duration, safe

if TYPE_CHECKING:
    from .._core.durations import LearnedDurations
    from .._core.tracker import Watched

_FIRST = (60.0, 120.0)
_EVERY = 240.0
_NAMED = 3
"""How many jobs are told one by one; of more, how many there are in each phase."""


def beat_after(waited: float) -> float:
    """Return when the next line is due, in seconds since the wait began.

    Args:
        waited: How long it has lasted, in seconds.
    """
    for due in _FIRST:
        if waited < due:
            return due
    return _FIRST[-1] + _EVERY * (1.0 + (waited - _FIRST[-1]) // _EVERY)


class Waited(Struct, frozen=True):
    """How one job stands that is still waited for.

    Attributes:
        job_id: The job's id.
        status: The API's word for its state; None if it was not read yet.
        phase: Our word for it.
        age: For how many seconds it has been in that phase, where that is known.
        progress: How far it is, from 0 to 1, where the API tells.
        left: Between which times it will probably end, in seconds from now, where earlier jobs tell.
        is_stale: Whether looks fail now, so that this is how it stood when they did not.
    """

    job_id: str
    status: str | None = None
    phase: Phase | None = None
    age: float | None = None
    progress: float | None = None
    left: tuple[float, float] | None = None
    is_stale: bool = False


class Heartbeat:
    """Says when a line is due, and what it says.

    Args:
        learned: What earlier jobs took.
        unix: Returns the time by the clock that looks are dated by, in Unix seconds.
    """

    def __init__(self, learned: LearnedDurations, unix: Callable[[], float]) -> None:
        self._learned = learned
        self._unix = unix
        self._due = beat_after(0.0)

    def line(self, waited: float, jobs: Mapping[str, Watched | None], total: int) -> str | None:
        """Return the line that is due, or None.

        Args:
            waited: How long the wait has lasted, in seconds.
            jobs: What is known of each job that is still waited for, by its id.
            total: How many jobs were waited for in the beginning.
        """
        if waited < self._due:
            return None
        self._due = beat_after(waited)
        return waiting_line([self.standing(job_id, watched) for job_id, watched in jobs.items()], total)

    def standing(self, job_id: str, watched: Watched | None) -> Waited:
        """Return how a job stands, from what is known of it."""
        if watched is None or watched.phase is None:
            return Waited(job_id)
        age = None if watched.entered_at is None else max(0.0, self._unix() - watched.entered_at)
        left = None if age is None else self._learned.left(watched.api, watched.type, watched.phase, age)
        return Waited(
            job_id, watched.status, watched.phase, age, watched.progress, left, is_stale=watched.fault is not None
        )


def waiting_line(jobs: list[Waited], total: int) -> str:
    """Return one line about all jobs that are still waited for.

    Args:
        jobs: How they stand.
        total: How many jobs were waited for in the beginning.
    """
    if total == 1:
        return f"still waiting for {safe(jobs[0].job_id)}{_alone(jobs[0])}"
    told = ", ".join(map(_among, jobs)) if len(jobs) <= _NAMED else _counted(jobs)
    lefts = [job.left for job in jobs if job.left is not None]
    until = _until(max(low for low, _ in lefts), max(high for _, high in lefts)) if len(lefts) == len(jobs) else ""
    return f"still waiting for {len(jobs)} of {total} jobs: {told}{until}"


def _alone(job: Waited) -> str:
    if job.status is None:
        return ", which could not be read yet"
    age = "" if job.age is None else f" for {human_duration(job.age)}"
    stale = " when last read, and cannot be read for now" if job.is_stale else age
    return f": {safe(job.status)}{stale}{_progress(job)}{'' if job.left is None else _until(*job.left)}"


def _among(job: Waited) -> str:
    if job.status is None:
        return f"{safe(job.job_id)} not read yet"
    return f"{safe(job.job_id)} {safe(job.status)}{' when last read' if job.is_stale else ''}{_progress(job, ' ')}"


def _counted(jobs: list[Waited]) -> str:
    counts = Counter("not read yet" if job.phase is None else job.phase.value for job in jobs)
    return ", ".join(f"{count} {phase}" for phase, count in counts.most_common())


def _progress(job: Waited, before: str = ", ") -> str:
    return "" if job.progress is None else f"{before}{job.progress:.0%}"


def _until(low: float, high: float) -> str:
    early, late = human_duration(low), human_duration(high)
    return f", probably {late} more" if early == late else f", probably {early} to {late} more"
