"""Jobs that are told of at another place from some moment on: a queue item becomes a build, a query the next. Pure.

A reply may name the place where the watch goes on. The job keeps its id and the numbers of its transitions; what was
remembered of the place before, to know its replies again, says nothing about those of the new one.

* A move beats an end in the same reply: that is held back (see `settling`) until the new place shows the job.
* A place that was met before is an error, and so are more than `MOST_HOPS` of them: such a server moves without end.
* The look after a move is made at once, since it is known to be news. But a server that answers each with another move
  is asked no more often than the shortest interval allows, after a few.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from .._models import Fault, FaultKind, Job, Outcome
from .matching import begins_with

if TYPE_CHECKING:
    from .tracker import Watched

MOST_HOPS = 1000
_AT_ONCE = 16  # moves, beyond those that the shortest interval pays for
_DIGEST = 6  # bytes: that two of a thousand places are taken for one comes up once in 500 million chains


class Place(Struct, frozen=True, omit_defaults=True, gc=False):
    """Where a job is asked about that has moved.

    Attributes:
        at: Its URL there, or its id.
        api: The API by which it is read; empty for the one that the watch began with.
        is_url: Whether `at` is a URL.
        hops: How often it has moved so far.
    """

    at: str
    api: str = ""
    is_url: bool = False
    hops: int = 0

    @property
    def name(self) -> str:
        """What tells this place from others."""
        return f"{self.api} {self.at}"


class Onward(Struct, frozen=True, gc=False):
    """Where a reply says that the job goes on.

    Attributes:
        place: There.
        came_from: The `Place.name` of the place that was asked.
    """

    place: Place
    came_from: str


def moved(watched: Watched, onward: Onward, now: float, shortest: float) -> Watched:
    """Return what is known once a reply has named the place where the job goes on.

    Args:
        watched: What is known, that reply taken into account.
        onward: The place.
        now: When the look was made, in Unix seconds.
        shortest: The shortest time between two looks, in seconds.
    """
    visited, there = watched.visited or (_digest(onward.came_from),), _digest(onward.place.name)
    if there in visited:
        return _astray(watched, "the job goes on where it was asked for before: its places lead in a circle")
    if len(visited) > MOST_HOPS:
        return _astray(watched, f"the job has gone on at another place more than {MOST_HOPS:,} times")
    paid = min(watched.hops_paid_until or 0.0, now + _AT_ONCE * shortest)  # whatever the clock was before
    return replace(
        watched,
        place=replace(onward.place, hops=len(visited)),
        visited=(*visited, there),
        hops_paid_until=max(paid, now - _AT_ONCE * shortest) + shortest,
        is_new_here=True,
        updated_at=None,
        started_at=None,
        doubted=None,
        missing=0,
        missing_since=None,
    )


def until_arrival(watched: Watched, now: float) -> float:
    """Return how long to wait before the first look at a new place, in seconds."""
    return max(0.0, (watched.hops_paid_until or 0.0) - now)


def arrived(watched: Watched, job: Job) -> Watched:
    """Return what is known once a job is read at a new place, without what belongs to the one before."""
    attempt = watched.attempt if (job.attempt or 0) >= (watched.attempt or 0) else None
    watched = replace(watched, is_new_here=False, attempt=attempt)
    known, events = watched.seq - watched.seq_before, job.events or ()
    is_dated = all(event.at is not None for event in events) and all(each.at is not None for each in watched.delivered)
    if job.events is None or (is_dated and known and begins_with(watched.delivered, known, events)):
        return watched  # a copy of the history goes on, as a server's that keeps what has ended
    return replace(watched, seq_before=watched.seq, delivered=())


def _astray(watched: Watched, message: str) -> Watched:
    fault = Fault(FaultKind.UNREADABLE, message)
    return replace(watched, fault=fault, faults=watched.faults + 1, outcome=Outcome.UNREADABLE)


def _digest(name: str) -> str:
    import hashlib  # noqa: PLC0415 - it loads OpenSSL, and few jobs move

    return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=_DIGEST).hexdigest()
