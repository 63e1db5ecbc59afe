"""A transport without a network: CapyDB jobs that end at set times, answered after a set round trip.

It stands where `jobwatch._http.transport.Transport` stands, so everything above the network runs as it is, on whatever
clock the event loop has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from jobwatch import Client
from jobwatch._client.access import engine_of
from jobwatch._core.budget import Budget
from jobwatch._core.look import Policy
from jobwatch._core.pace import Pace
from jobwatch._core.source import Turn
from jobwatch._core.tracker import Patience, Watched
from jobwatch._engine.clock import Clock
from jobwatch._engine.poller import Poller
from jobwatch._files.history import History
from jobwatch._http.requests import Given
from jobwatch._http.source import HttpSource
from jobwatch._http.tasks import at_once
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
    error: str | None = None

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
            **({"error": self.error} if ended and self.error else {}),
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
        self.hint: Callable[[str], float | None] = lambda _target: None

    def prepared(self, path: str, query: str | None = None, body: bytes | None = None) -> str:
        """Name what is asked for: ``job:ID``, ``list:PROJECT?LIMIT`` or ``batch:ID,ID``."""
        assert body is None
        if path == "/batch":
            return f"batch:{(query or '').removeprefix('ids=')}"
        kind, name = path.removeprefix("/v1/").split("/")[:2]
        return f"job:{name}" if kind == "jobs" else f"list:{name}?{(query or '').removeprefix('limit=')}"

    def how_far(self, asker: object, since: float) -> str:
        return "the server did not answer"

    async def aclose(self) -> None:
        """There is nothing to close."""

    async def get(self, target: str, *, etag: str | None = None, turn: Turn = at_once) -> Reply | Fault:
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
            return self._reply({"jobs": [job.body(now) for job in asked]}, now, target)
        if kind == "list":
            return self._reply({"jobs": self._listed(name, now)}, now, target)
        if name not in self.jobs:
            return Fault(FaultKind.NOT_FOUND, "job not found", http_status=404)
        return self._reply({"job": self.jobs[name].body(now)}, now, target)

    def _listed(self, name: str, now: float) -> list[dict[str, object]]:
        project_id, _, limit = name.partition("?")
        jobs = [job for job in self.jobs.values() if job.project_id == project_id and job.starts <= now]
        jobs.sort(key=lambda job: job.starts, reverse=True)
        return [job.body(now) for job in jobs[: min(int(limit), self.page)]]

    def _reply(self, body: object, now: float, target: str = "") -> Reply:
        return Reply(200, msgspec.json.encode(body), rate=self.rate(now), retry_after=self.hint(target))

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
    policy = Policy(pace or Pace(), patience or Patience(), history or History())
    source = source_of(transport, batch=batch)
    return Poller(policy, source, Budget(max_rate), workers=workers, clock=Clock(uniform, EPOCH))


def source_of(
    transport: ScriptedTransport, *, batch: int | None = None, base_url: str = "http://api.test"
) -> HttpSource:
    """Return a source that reads a scripted transport."""
    api = CAPYDB
    if batch is not None:
        api = replace(CAPYDB, batch_path="/batch?ids={job_ids}", read_batch=CAPYDB.read_jobs, batch_most=batch)
    given = Given("t", base_url, None)
    return HttpSource(api, given, transport=transport)  # type: ignore[arg-type]  # it stands in for Transport


def client_of(
    transport: ScriptedTransport,
    *,
    patience: Patience | None = None,
    base_url: str = "http://api.test",
    **options: Any,
) -> Client:
    """Return a client that reads a scripted transport, on the server's clock and without chance."""
    if patience is not None:
        options |= {"unreachable_after": patience.unreachable_after, "appear_within": patience.appear_within}
    client = Client(source=source_of(transport, base_url=base_url), **options)
    clock = engine_of(client).clock
    clock.epoch, clock.uniform = EPOCH, lambda: 0.5
    return client


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
