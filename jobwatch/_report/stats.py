"""How long jobs of each kind took, and what looking at them costs at a pace: a history in, figures out. Pure."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence

from msgspec import Struct

from .._core.durations import Kind, LearnedDurations
from .._core.hazard import Curve
from .._core.pace import Pace, interval
from .._models import Phase

_ANY = "*"
_MOST_LOOKS = 100_000


class KindStats(Struct, frozen=True, kw_only=True):
    """What a history knows of one kind of job.

    Attributes:
        api: The name of their API.
        type: The API's word for the type of job; ``*`` for all types together, empty where the API tells none.
        phase: From which phase on the time was taken, to the job's end.
        jobs: How many jobs are remembered.
        shortest, median, most, longest: How long they took, in seconds; nine in ten took no longer than `most`.
        looks: How many looks each of these jobs would need, on average.
        late: How many seconds after its end each would be known to have ended, on average.
    """

    api: str
    type: str
    phase: Phase
    jobs: int
    shortest: float
    median: float
    most: float
    longest: float
    looks: float
    late: float


class KindPicture(Struct, frozen=True, kw_only=True):
    """What is drawn of a kind.

    Attributes:
        stats: Its figures.
        seconds: How long its jobs took, in rising order.
        looks_at: At which ages a job of it is looked at, in seconds, until the longest of these has ended.
    """

    stats: KindStats
    seconds: tuple[float, ...]
    looks_at: tuple[float, ...]


def kinds_of(history: LearnedDurations, pace: Pace | None = None) -> list[KindPicture]:
    """Return what a history knows, the kinds in the order of their names.

    Args:
        history: The history.
        pace: How eagerly to look; the default pace if None.
    """
    kinds = history.kinds
    types: dict[str, int] = {}
    for api, job_type, phase in kinds:
        types[api] = types.get(api, 0) + (job_type != _ANY and phase is Phase.RUNNING)
    shown = [kind for kind in kinds if kind[1] != _ANY or types[kind[0]] > 1]
    shown.sort(key=lambda kind: (kind[0], kind[1] == _ANY, kind[1], kind[2] is not Phase.PENDING))
    return [_kind(kind, kinds[kind].seconds, history.curve(*kind), pace or Pace()) for kind in shown]


def _kind(kind: Kind, seconds: Sequence[float], curve: Curve, pace: Pace) -> KindPicture:
    api, job_type, phase = kind
    ordered = tuple(sorted(seconds))
    looks_at = tuple(_looks(curve, pace, ordered[-1]))
    places = [min(bisect_left(looks_at, each), len(looks_at) - 1) for each in ordered]
    stats = KindStats(
        api=api,
        type=job_type,
        phase=phase,
        jobs=len(ordered),
        shortest=ordered[0],
        median=_at(ordered, 0.5),
        most=_at(ordered, 0.9),
        longest=ordered[-1],
        looks=round(sum(place + 1 for place in places) / len(ordered), 1),
        late=round(
            sum(max(0.0, looks_at[place] - each) for place, each in zip(places, ordered, strict=True)) / len(ordered), 3
        ),
    )
    return KindPicture(stats=stats, seconds=ordered, looks_at=looks_at)


def _at(ordered: Sequence[float], share: float) -> float:
    """Return the duration that this share of the jobs did not exceed."""
    return ordered[min(len(ordered) - 1, max(0, math.ceil(share * len(ordered)) - 1))]


def _looks(curve: Curve, pace: Pace, longest: float) -> Iterator[float]:
    """Yield the ages at which a job is looked at that is seen from its start on, the first beyond the longest last."""
    age, count = 0.0, 1
    yield age
    while age < longest and count < _MOST_LOOKS:
        age += interval(pace, age, curve)
        count += 1
        yield age
