"""What earlier jobs of each kind took: learned from every end that is seen. Pure.

A kind is an API, a job type and a phase; what is kept of it are the latest durations from entering that phase to
the job's end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from .._models import Phase
from .._reading.times import seconds_since_1970
from .estimate import remaining, usual
from .hazard import PRIOR, Curve, Durations, curve, remembered

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from .._models import Event, Job

Kind: TypeAlias = tuple[str, str, Phase]
"""An API's name, a job type (empty where the API tells none) and a phase."""

KINDS_KEPT = 1024  # an API that gives each job a type of its own must not fill the memory

ANY_TYPE = "*"
"""The type that stands for all types of an API together."""

_IDS_KEPT = 4096  # whose ends have been learned, so that a list seen again teaches nothing twice
_NEW_KIN = 1.25  # how many times as many jobs of other types are worth a new estimate
_NEW_OWN = 8  # one of how many durations of its own has to be new for that: it takes as long as several looks
_CURVES_KEPT = 256
_OTHERS = 32  # how many other types say what a new one may take: more would not say it better


class LearnedDurations:
    """Remembers how long jobs took, and estimates from it when others will end.

    Attributes:
        on_learned: Is called with each duration that is learned: its kind, its seconds, whether it was told rather than
            seen, and the job's id; None where nobody else wants to know.
    """

    def __init__(self) -> None:
        self.on_learned: Callable[[Kind, float, bool, str], None] | None = None
        self._durations: dict[Kind, Durations] = {}
        self._learned: dict[tuple[str, str], None] = {}
        self._curves: dict[Kind, tuple[int, int, Curve]] = {}  # of how many others, and how many were learned since

    def knows(self, api: str, job_type: str | None) -> bool:
        """Whether any job of a type has been seen to end."""
        return any((api, job_type or "", phase) in self._durations for phase in (Phase.PENDING, Phase.RUNNING))

    def left(self, api: str, job_type: str | None, phase: Phase, age: float) -> tuple[float, float] | None:
        """Return between which times a job will probably end, from those of its own type; see `remaining`.

        Args:
            api: The API's name.
            job_type: The job's type, where the API tells one.
            phase: The phase it is in.
            age: For how many seconds it has been in that phase.
        """
        known = self._durations.get((api, job_type or "", phase))
        return None if known is None else remaining(known.seconds, age)

    def usual(self, api: str, job_type: str | None, phase: Phase) -> float | None:
        """Return what nearly all jobs of a type took at most from entering a phase to their end; see `estimate.usual`.

        Args:
            api: The API's name.
            job_type: The type, where the API tells one.
            phase: The phase.
        """
        known = self._durations.get((api, job_type or "", phase))
        return None if known is None else usual(known.seconds)

    @property
    def kinds(self) -> Mapping[Kind, Durations]:
        """What is known of each kind; that of all types of an API together has the type ``*``."""
        return dict(self._durations)

    def curve(self, api: str, job_type: str | None, phase: Phase | None) -> Curve:
        """Return the poll clock of jobs of a type that are in a phase."""
        if phase is None or not self._durations:
            return PRIOR
        kind, kin = (api, job_type or "", phase), self._durations.get((api, ANY_TYPE, phase))
        if kin is None:
            return PRIOR
        found = self._curves.get(kind)
        if found is None or len(kin.seconds) > found[0] * _NEW_KIN:
            found = len(kin.seconds), 0, curve(self._durations.get(kind, Durations()), kin, self._others(kind))
            self._curves[kind] = found
            if len(self._curves) > _CURVES_KEPT:
                del self._curves[next(iter(self._curves))]
        return found[2]

    def _others(self, kind: Kind) -> list[tuple[float, ...]]:
        """Return the durations of the other types of an API that are in the same phase: the latest few of them."""
        api, job_type, phase = kind
        found: list[tuple[float, ...]] = []
        for each, known in reversed(self._durations.items()):
            if each[0] == api and each[2] is phase and each[1] not in (job_type, ANY_TYPE) and known.seconds:
                found.append(known.seconds)
                if len(found) == _OTHERS:
                    break
        return found

    def add(self, job: Job, *, told: bool = False) -> bool:
        """Learn from a job that has ended, once, by its own timestamps.

        Args:
            job: The job.
            told: Whether a list told of it, rather than a look at a job that was watched.

        Returns:
            Whether its timestamps tell how long it took.
        """
        durations = durations_of(job)
        if not durations or (job.api, job.id) in self._learned:
            return bool(durations)
        self._mark(job)
        for phase, seconds in durations:
            self.add_duration((job.api, job.type or "", phase), seconds, told=told, job_id=job.id)
        return True

    def pass_over(self, job: Job) -> None:
        """Learn nothing of a job, now or when a list shows it again: for some of the time it did not run."""
        self._mark(job)

    def _mark(self, job: Job) -> None:
        self._learned[job.api, job.id] = None
        if len(self._learned) > _IDS_KEPT:
            del self._learned[next(iter(self._learned))]

    def add_duration(self, kind: Kind, seconds: float, *, told: bool = False, job_id: str = "") -> None:
        """Learn that a job of a kind ended so many seconds after it entered the phase."""
        before = self._durations.get(kind)
        add_to(self._durations, kind, seconds, told=told)
        self._age_curve(kind, before)
        if self.on_learned is not None:
            self.on_learned(kind, seconds, told, job_id)

    def _age_curve(self, kind: Kind, before: Durations | None) -> None:
        """Let go of a kind's curve where what was learned since is much beside what it is of, or shows it wrong."""
        known, now = self._curves.get(kind), self._durations.get(kind)
        if known is None or now is None:
            return
        others, newer, found = known
        is_wrong = before is None or now.tried < before.tried
        if is_wrong or (newer + 1) * _NEW_OWN > len(now.seconds):
            del self._curves[kind]
        else:
            self._curves[kind] = others, newer + 1, found

    def replace(self, kind: Kind, durations: Durations) -> None:
        """Know these durations of a kind in place of what was known of it; the type ``*`` is that of all together."""
        self._durations.pop(kind, None)
        self._durations[kind] = durations
        _cut(self._durations)
        api, job_type, phase = kind
        if job_type == ANY_TYPE:
            self._curves = {each: known for each, known in self._curves.items() if (each[0], each[2]) != (api, phase)}
        else:
            self._curves.pop(kind, None)


def durations_of(job: Job) -> list[tuple[Phase, float]]:
    """Return how long a job that has ended took from each phase it entered, by its own timestamps.

    The time for which it was blocked is taken off; where that is not told, nothing is.
    """
    told = job.proven if job.events is None else job.events
    ended_at = job.ended_at or _last(told, job.phase)
    if not job.phase.ended or ended_at is None:
        return []
    end = seconds_since_1970(ended_at)
    spans = [(phase, _last(told, phase)) for phase in (Phase.PENDING, Phase.RUNNING)]
    found = [(phase, end - seconds_since_1970(at)) for phase, at in spans if at is not None and at <= ended_at]
    if all(event.phase is not Phase.BLOCKED for event in told):
        return found
    off = {phase: _blocked_after(told, phase, ended_at) for phase, _ in found}
    return [(phase, max(0.0, seconds - lost)) for phase, seconds in found if (lost := off[phase]) is not None]


def _blocked_after(events: Sequence[Event], phase: Phase, ended_at: datetime) -> float | None:
    """Return for how many seconds a job was blocked after it last entered a phase; None where that is not told."""
    first = next(index for index in reversed(range(len(events))) if _is_dated(events[index], phase))
    lost = 0.0
    for index, event in enumerate(events[first:], first):
        if event.phase is not Phase.BLOCKED:
            continue
        left_at = events[index + 1].at if index + 1 < len(events) else ended_at
        if event.at is None or left_at is None or left_at < event.at:
            return None
        lost += (left_at - event.at).total_seconds()
    return lost


def _last(events: Sequence[Event], phase: Phase) -> datetime | None:
    for event in reversed(events):
        if event.phase is phase and event.at is not None:
            return event.at
    return None


def _is_dated(event: Event, phase: Phase) -> bool:
    return event.phase is phase and event.at is not None


def add_to(durations: dict[Kind, Durations], kind: Kind, seconds: float, *, told: bool) -> None:
    """Add a duration to those of its kind and of all kinds of its API; the kinds longest without one go."""
    for each in (kind, (kind[0], ANY_TYPE, kind[2])):
        # Each becomes the last in the dict, so that the kinds longest without a duration are the first to go.
        durations[each] = remembered(durations.pop(each, Durations()), seconds, told=told)
    _cut(durations)


def _cut(durations: dict[Kind, Durations]) -> None:
    while len(durations) > KINDS_KEPT:
        del durations[next(iter(durations))]
