"""What workers together have learned of how long jobs of one type take: values that merge in any order. Pure.

A `Summary` holds the latest durations of each phase, and of each the job that it is of, by a checksum, and a number
that is one more than the highest before it. To merge two is to take all of both, each job once, and keep the latest. So
it does not matter in which order workers write and read them, nor how often: no duration is lost that would be among
the latest of all, and none counts twice.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from .._core.hazard import KEPT, Durations, remembered
from .._errors import JobwatchError
from .._models import Phase

if TYPE_CHECKING:
    from collections.abc import Iterable

LARGEST: Final = 64 * 1024
"""How many bytes a summary has at most."""

LONGEST_TYPE: Final = 1024
"""Types whose names are longer are shared with the others of their API only."""


class Lasted(Struct, frozen=True, array_like=True, order=True):
    """How long one job took.

    Attributes:
        number: One more than the highest that was known of its type and phase.
        job: A checksum of its id.
        seconds: From entering the phase to its end.
        told: Whether a list told of it, rather than a look at a job that was watched.
    """

    number: int
    job: str
    seconds: float
    told: bool = False


class Summary(Struct, frozen=True, omit_defaults=True):
    """What is known of one type of jobs.

    Attributes:
        type: Its name; ``*`` for all types together.
        pending: The latest durations from when jobs were pending, in order.
        running: The latest durations from when they ran, in order.
    """

    type: str
    pending: tuple[Lasted, ...] = ()
    running: tuple[Lasted, ...] = ()

    def of(self, phase: Phase) -> tuple[Lasted, ...]:
        """Return the durations from entering a phase."""
        return self.pending if phase is Phase.PENDING else self.running if phase is Phase.RUNNING else ()


def job_checksum(job_id: str) -> str:
    """Return what stands for a job in a summary."""
    digest = hashlib.sha256(job_id.encode("utf-8", "surrogatepass")).digest()
    return base64.urlsafe_b64encode(digest[:9]).decode()


def merged(one: Summary, other: Summary) -> Summary:
    """Return what two summaries of one type know together."""
    return Summary(one.type, _latest((*one.pending, *other.pending)), _latest((*one.running, *other.running)))


def with_duration(summary: Summary, phase: Phase, job_id: str, seconds: float, *, told: bool) -> Summary:
    """Return a summary with one more duration; one of a job that it has already counts once."""
    known, job = summary.of(phase), job_checksum(job_id)
    if phase not in (Phase.PENDING, Phase.RUNNING) or any(each.job == job for each in known):
        return summary
    lasted = Lasted(1 + max((each.number for each in known), default=0), job, seconds, told)
    is_pending = phase is Phase.PENDING
    return merged(summary, Summary(summary.type, *(((lasted,), ()) if is_pending else ((), (lasted,)))))


def _latest(durations: Iterable[Lasted]) -> tuple[Lasted, ...]:
    by_job: dict[str, Lasted] = {}
    for each in durations:
        before = by_job.get(each.job)
        if before is None or before < each:
            by_job[each.job] = each
    return tuple(sorted(by_job.values())[-KEPT:])


def known_with(own: Durations, shared: Iterable[Lasted]) -> Durations:
    """Return what a worker knows of a kind: what it knew before, and what all have learned since.

    Args:
        own: What it knew by itself, as from a file; what is among the others too counts once.
        shared: What all have learned, in order.
    """
    shared = tuple(shared)
    twice = Counter(each.seconds for each in shared)
    kept: list[float] = []
    for seconds in own.seconds:
        if twice[seconds]:
            twice[seconds] -= 1
        else:
            kept.append(seconds)
    durations = Durations(tuple(kept), own.tried)
    for each in shared:
        durations = remembered(durations, each.seconds, told=each.told)
    return durations


def summary_in(value: bytes) -> Summary:
    """Return the summary that a key of the bucket holds.

    Raises:
        JobwatchError: It is none that this jobwatch can read.
    """
    try:
        return msgspec.json.decode(value, type=Summary)
    except msgspec.DecodeError as error:
        raise JobwatchError(f"the bucket for histories holds what this jobwatch cannot read: {error}") from None
