"""How many jobs one request may read that names them by their ids, and when it is better to ask for each. Pure.

Such a request costs what one look costs, so it takes along, up to as many as the API allows, those jobs that would be
due before the next look at the one whose turn it is. What holds of a batch:

* a job that the answer lacks was not looked at, whatever the reason: it is asked for singly from then on;
* what was not asked for is ignored, and two entries of one job that disagree are as good as none;
* an answer that cannot be read, or shows none of the jobs, says nothing of any: all are read singly for a while. One
  that was refused or could not be read, and asked for many, is tried with fewer for some minutes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._models import Fault, FaultKind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from .._models import Job, Phase
    from .watch import Watch

_SMALLEST = 10
_PAUSE = 60.0
_FEWER_FOR = 600.0
_SHARED_AT_MOST = 25.0
_REMEMBERED = 1.0 / 8.0
_NEVER_AGAIN = float("inf")


class Batches:
    """Knows how many jobs one request is to name.

    Args:
        most: How many ids the API takes.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._fewer = most
        self._fewer_until = 0.0
        self._paused_until = 0.0
        self._usual: float | None = None

    def room(self, watch: Watch, now: float) -> int:
        """Return how many jobs may be read along with this one."""
        if watch.alone or now < self._paused_until:
            return 0
        return (self._fewer if now < self._fewer_until else self._most) - 1

    def readers(self, watch: Watch, now: float) -> float:
        """Return how many jobs a look at this one reads, as far as recent ones tell."""
        return 1.0 if self._usual is None or not self.room(watch, now) else self._usual

    def sharers(self, watch: Watch, now: float) -> float:
        """Return among how many jobs the cost of a look at this one is shared, as far as that may hasten it."""
        return min(self.readers(watch, now), _SHARED_AT_MOST)

    def asked(self, count: int) -> None:
        """Learn how many jobs a request is for."""
        usual = count if self._usual is None else self._usual
        self._usual = usual + (count - usual) * _REMEMBERED

    def failed(self, count: int, fault: Fault, now: float) -> None:
        """Learn that a request for so many jobs could not be read."""
        match fault.kind:
            case FaultKind.UNREADABLE | FaultKind.REFUSED if count > _SMALLEST:
                self._fewer = max(count // 4, _SMALLEST)
                self._fewer_until = now + _FEWER_FOR
            case FaultKind.AUTH | FaultKind.NOT_FOUND | FaultKind.GONE:
                self._paused_until = _NEVER_AGAIN
            case _:
                self._paused_until = now + _PAUSE


def agreed(jobs: Iterable[Job], job_ids: Collection[str]) -> tuple[Job, ...] | Fault:
    """Return the jobs of an answer that were asked for, each once; one that is told in two ways is left out."""
    asked_for = [job for job in jobs if job.id in job_ids]
    if not asked_for:
        return Fault(FaultKind.UNREADABLE, "the answer shows none of the jobs that were asked for", 200)
    return told_once(asked_for)


def told_once(jobs: Iterable[Job]) -> tuple[Job, ...]:
    """Return each job of an answer once; one that is told in two ways is left out, as either may be wrong."""
    told: dict[str, Job] = {}
    torn: set[str] = set()
    for job in jobs:
        if _state(job) != _state(told.setdefault(job.id, job)):
            torn.add(job.id)
    return tuple(job for job in told.values() if job.id not in torn)


def _state(job: Job) -> tuple[str, Phase, int | None]:
    # One word may be two ends: what a table's condition says goes before it.
    return job.status, job.phase, job.attempt
