"""A transport without a network: CapyDB jobs that end at set times, answered after a set round trip.

It stands where `jobwatch._http.transport.Transport` stands, so everything above the network runs as it is, on whatever
clock the event loop has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from jobwatch._core.budget import Budget
from jobwatch._core.look import Policy
from jobwatch._core.pace import Pace
from jobwatch._core.tracker import Patience, Watched
from jobwatch._engine.poller import Poller
from jobwatch._files.history import History
from jobwatch._models import Fault, FaultKind
from jobwatch._reading.reply import RateLimit, Reply
from jobwatch.apis import CAPYDB

EPOCH = datetime(2026, 1, 1, tzinfo=UTC).timestamp()


class ScriptedJob(Struct):
    """One job: when it started and ended, in seconds of the loop's clock, and the project it belongs to."""

    id: str
    starts: float = 0.0
    ends: float = float("inf")
    project_id: str | None = None
    type: str = "project.backup"
    fails: bool = False

    def body(self, now: float) -> dict[str, object]:
        ended = now >= self.ends
        return {
            "id": self.id,
            "state": ("failed" if self.fails else "completed") if ended else "running",
            "type": self.type,
            **({"project_id": self.project_id} if self.project_id else {}),
            "attempts": 1,
            "created_at": EPOCH + self.starts,
            "started_at": EPOCH + self.starts,
            **({"completed_at": EPOCH + self.ends} if ended else {}),
            "updated_at": EPOCH + (self.ends if ended else self.starts),
        }


class ScriptedTransport:
    """Answers for scripted jobs, and counts what it was asked.

    Args:
        jobs: The jobs that exist.
        round_trip: Seconds from request to reply.
        page: The most jobs that a list shows, the newest first, whatever was asked for.
    """

    def __init__(self, jobs: list[ScriptedJob], *, round_trip: float = 0.05, page: int = 1000) -> None:
        self.jobs = {job.id: job for job in jobs}
        self.round_trip = round_trip
        self.page = page
        self.requests: list[tuple[float, str]] = []
        self.etags: list[str | None] = []
        self.answer: Callable[[str, float], Reply | Fault | None] = lambda _target, _now: None
        self.rate: Callable[[float], RateLimit | None] = lambda _now: None

    async def get(self, target: str, *, etag: str | None = None) -> Reply | Fault:
        loop = asyncio.get_running_loop()
        self.requests.append((loop.time(), target))
        self.etags.append(etag)
        await asyncio.sleep(self.round_trip)
        now = loop.time()
        told = self.answer(target, now)
        if told is not None:
            return told
        kind, _, name = target.partition(":")
        if kind == "batch":
            asked = [self.jobs[job_id] for job_id in name.split(",") if job_id in self.jobs]
            return self._reply({"jobs": [job.body(now) for job in asked]}, now)
        if kind == "list":
            return self._reply({"jobs": self._listed(name, now)}, now)
        if name not in self.jobs:
            return Fault(FaultKind.NOT_FOUND, "job not found", http_status=404)
        return self._reply({"job": self.jobs[name].body(now)}, now)

    def _listed(self, name: str, now: float) -> list[dict[str, object]]:
        project_id, _, limit = name.partition("?")
        jobs = [job for job in self.jobs.values() if job.project_id == project_id and job.starts <= now]
        jobs.sort(key=lambda job: job.starts, reverse=True)
        return [job.body(now) for job in jobs[: min(int(limit), self.page)]]

    def _reply(self, body: object, now: float) -> Reply:
        return Reply(200, msgspec.json.encode(body), rate=self.rate(now))

    def times(self, kind: str = "") -> list[float]:
        """Return when requests whose target starts with a word were made."""
        return [at for at, target in self.requests if target.startswith(kind)]


def poller_of(
    transport: ScriptedTransport,
    *,
    pace: Pace | None = None,
    history: History | None = None,
    max_rate: float | None = None,
    workers: int = 16,
    patience: Patience | None = None,
    uniform: Callable[[], float] = lambda: 0.5,
    batch: int | None = None,
) -> Poller:
    """Return a poller that reads a scripted transport; with `batch`, as many jobs at once as it says."""
    api = CAPYDB if batch is None else replace(CAPYDB, read_batch=CAPYDB.read_jobs, batch_most=batch)
    poller = Poller(
        Policy(api, pace or Pace(), patience or Patience(), history or History()),
        transport,  # type: ignore[arg-type]  # it stands in for Transport
        Budget(max_rate),
        target_of=lambda job_id: f"job:{job_id}",  # type: ignore[arg-type, return-value]
        list_target_of=lambda project_id, limit: f"list:{project_id}?{limit}",  # type: ignore[arg-type, return-value]
        batch_target_of=None if batch is None else lambda job_ids: f"batch:{','.join(job_ids)}",  # type: ignore[arg-type, return-value]
        workers=workers,
        uniform=uniform,
    )
    poller._epoch = EPOCH  # the server's clock is ours
    return poller


def watched(job_id: str) -> Watched:
    """Return a job of which nothing is known yet."""
    return Watched(job_id=job_id, api=CAPYDB.name)


async def ended(poller: Poller, job_id: str) -> float:
    """Listen to a job until it has ended; return when that was known, on the loop's clock."""
    watch = poller.listen(watched(job_id))
    while watch.watched.outcome is None:
        await poller.news(watch)
    poller.leave(watch)
    return poller.now()
