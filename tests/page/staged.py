"""Watched jobs that are made up, on a page of their own: what the tests in a browser, and the benchmark, look at."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from msgspec.structs import replace

from jobwatch import Fault, FaultKind, Health, Outcome, Phase, Problem, Transition
from jobwatch._core.matching import Fingerprint
from jobwatch._core.stats import Stats
from jobwatch._core.tracker import SeenBlocked, Watched
from jobwatch._report.overview import Overview
from jobwatch._serving.page.address import Address
from jobwatch._serving.page.feed import Feed
from jobwatch._serving.page.server import Server
from jobwatch._watching.changes import Change, ChangeKind
from jobwatch._watching.records import JobRecord, RecordState
from jobwatch._watching.viewing import Origin, Reading, Sighting, Watching

_ENDS = {
    Phase.SUCCEEDED: Outcome.SUCCEEDED,
    Phase.FAILED: Outcome.FAILED,
    Phase.PARTIAL: Outcome.PARTIAL,
    Phase.CANCELLED: Outcome.CANCELLED,
    Phase.FINISHED: Outcome.FINISHED,
}

ORIGIN = Origin(api="bedrock", watching=Watching.WE)


def record(
    job_id: str,
    states: Sequence[tuple[str, Phase, float]],
    *,
    fault: str | None = None,
    asked: str | None = None,
    url: str | None = None,
    **more: Any,
) -> JobRecord:
    """Return a job that has been in some states: word, phase, and when it entered it."""
    status, phase, at = states[-1] if states else (None, None, None)
    blocked = None if phase is not Phase.BLOCKED or at is None else SeenBlocked(at, at + 60.0, asked, url)
    watched = Watched(
        job_id=job_id,
        api="bedrock",
        added_at=states[0][2] if states else None,
        status=status,
        phase=phase,
        entered_at=at,
        seq=len(states),
        delivered=tuple(Fingerprint(word, began) for word, _, began in states),
        looks=3 * len(states) or 1,
        looked_at=at,
        fault=None if fault is None else Fault(FaultKind.UNREACHABLE, fault),
        faults=0 if fault is None else 4,
        blocked=blocked,
        outcome=None if phase is None else _ENDS.get(phase),
    )
    health = more.pop("health", Health.OK)
    watched = replace(watched, **more)
    state = RecordState.WATCHED if watched.outcome is None else RecordState.ENDED
    return JobRecord(
        job_id=job_id, state=state, health=health, seq=max(1, len(states)), watched=watched, changed_at=at or 0.0
    )


def failure(of: JobRecord, text: str) -> Change:
    """Return the change that tells why a job has failed."""
    seen_at = datetime.fromtimestamp(of.changed_at, UTC)
    kind, error = ChangeKind.END, Problem(text)
    return Change(job_id=of.job_id, seq=of.seq, kind=kind, seen_at=seen_at, outcome=of.watched.outcome, error=error)


def end_of(of: JobRecord, known_at: float) -> Change:
    """Return the change that tells of a job's end, which was known at some time."""
    watched, seen_at = of.watched, datetime.fromtimestamp(known_at, UTC)
    assert watched.status is not None
    assert watched.phase is not None
    at = datetime.fromtimestamp(watched.entered_at or 0.0, UTC)
    end = Transition(of.job_id, watched.seq, watched.status, watched.phase, at, seen_at)
    kind, outcome = ChangeKind.END, watched.outcome
    return Change(job_id=of.job_id, seq=of.seq, kind=kind, seen_at=seen_at, transition=end, outcome=outcome)


def told_of(of: JobRecord, remark: str) -> Change:
    """Return the change that tells something about the watch of a job."""
    seen_at = datetime.fromtimestamp(of.changed_at, UTC)
    return Change(job_id=of.job_id, seq=of.seq, kind=ChangeKind.REMARK, seen_at=seen_at, remark=remark)


class Stage:
    """A page that is served on loopback, as an async context manager.

    Args:
        learned: What earlier jobs took.
        options: Those of the server.

    Attributes:
        origin: Where it is.
    """

    def __init__(self, learned: Any = None, **options: Any) -> None:
        self.overview = Overview(learned)
        self.feed = Feed(self.overview)
        self.server = Server(self.feed, Address("127.0.0.1", 0), **options)
        self.origin = ""

    async def __aenter__(self) -> Self:
        await self.server.start()
        self.origin = self.server.link.partition("/#")[0]
        self.take()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.feed.end("the test is over")
        await self.server.aclose()

    @property
    def url(self) -> str:
        """A link that lets a browser in."""
        return self.server.link

    @property
    def key(self) -> str:
        """What a browser gets for that."""
        return self.server._key

    def put(self, *records: JobRecord, changes: Sequence[Change] = (), gone: Sequence[str] = ()) -> None:
        """Have the page show how jobs stand."""
        sightings = tuple(Sighting(record=each, next_look=time.time() + 4.0) for each in records)
        self.take(sightings, tuple(changes), tuple(gone))

    def take(
        self,
        sightings: tuple[Sighting, ...] = (),
        changes: tuple[Change, ...] = (),
        gone: tuple[str, ...] = (),
        *,
        origin: Origin = ORIGIN,
        stats: Stats | None = None,
    ) -> None:
        reading = Reading(origin=origin, sightings=sightings, changes=changes, gone=gone, stats=stats)
        self.overview.take(reading, time.time())
        self.feed.ring()
