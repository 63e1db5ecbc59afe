"""What a client has done so far, in numbers: values only. `_engine.counters` counts."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from .._models import FaultKind, Outcome, Phase


class Lag(Struct, frozen=True):
    """How late the ends of jobs were known: seconds from an end until the look was answered that showed it.

    Attributes:
        count: Of how many ends that can be told.
        mean: On average, in seconds; 0 where there are none.
        max: At most, in seconds.
    """

    count: int = 0
    mean: float = 0.0
    max: float = 0.0


class Stats(Struct, frozen=True, kw_only=True):
    """What a client has done so far, and what it is about: a value that does not change, from `Client.stats`.

    Attributes:
        requests: How many questions were answered, or failed: looks at one job, and lists and batches of several. A
            stream is none, nor is what a question takes besides, such as a redirect.
        looks: How many times a job was looked at, by a request of its own or by one for several.
        spared: How many requests there would have been more if each job had been asked for by itself.
        unchanged: How many looks were answered by no more than that nothing has changed (304).
        faults: How many requests failed, by what was wrong.
        ended: How many jobs were seen to end, by how; a wait that stops before its job has ended is not among them.
        lag: How late the ends were known of jobs that were seen before they ended, where the API tells when that was:
            by its clock and ours, less what its ``Date`` shows them to differ by.
        jobs: How many jobs are watched now, by the phase last seen; those that were not read yet are in none.
        unread: How many of those watched were not read yet.
        rate: How many requests a second may be made now; None where nothing limits them.
        demand: How many requests a second all watched jobs would like.
    """

    requests: int = 0
    looks: int = 0
    spared: int = 0
    unchanged: int = 0
    faults: Mapping[FaultKind, int] = {}
    ended: Mapping[Outcome, int] = {}
    lag: Lag = Lag()
    jobs: Mapping[Phase, int] = {}
    unread: int = 0
    rate: float | None = None
    demand: float = 0.0
