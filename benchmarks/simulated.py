"""CapyDB's API without a network: jobs that start and end at set times, read through jobwatch as it is.

`Server` stands where `jobwatch._http.transport.Transport` stands; everything above that runs unchanged, on whatever
clock the event loop has.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from jobwatch._core.budget import Budget
from jobwatch._core.look import Policy
from jobwatch._core.pace import Pace
from jobwatch._core.source import Turn
from jobwatch._core.tracker import Patience
from jobwatch._engine.clock import Clock
from jobwatch._engine.poller import Poller
from jobwatch._files.history import History
from jobwatch._http.requests import Given
from jobwatch._http.source import HttpSource
from jobwatch._http.tasks import at_once
from jobwatch._http.transport import Target, Transport
from jobwatch._models import Fault, FaultKind
from jobwatch._reading.reply import Reply
from jobwatch.apis import CAPYDB

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

EPOCH = 1_767_225_600.0
"""What the server's calendar shows when the loop's clock shows 0: 1 January 2026."""

API = CAPYDB.name


class SimulatedJob(msgspec.Struct, frozen=True):
    """One job: its type and project, and when it starts and ends, on the loop's clock."""

    id: str
    type: str = "project.backup"
    starts: float = 0.0
    ends: float = float("inf")
    project_id: str | None = None

    def wire(self, now: float) -> dict[str, object]:
        """Return the job as the API tells it at a time."""
        ended = now >= self.ends
        return {
            "id": self.id,
            "state": "completed" if ended else "running",
            "type": self.type,
            "project_id": self.project_id,
            "attempts": 1,
            "created_at": EPOCH + self.starts,
            "started_at": EPOCH + self.starts,
            "completed_at": EPOCH + self.ends if ended else None,
            "updated_at": EPOCH + (self.ends if ended else self.starts),
        }


class Server:
    """Answers for simulated jobs.

    Args:
        jobs: The jobs there are; more may be added to `jobs` later.
        round_trip: Seconds from request to reply; a request is answered as of half of that.
        page: The most jobs that a list shows, the newest first, whatever was asked for.

    Attributes:
        times: When each request came in, on the loop's clock.
        read: How many states of jobs were told in all; one by a look, many by a list.
    """

    def __init__(self, jobs: Iterable[SimulatedJob] = (), *, round_trip: float = 0.05, page: int = 1000) -> None:
        self.jobs = {job.id: job for job in jobs}
        self.times: list[float] = []
        self.read = 0
        self._round_trip = round_trip
        self._page = page

    async def get(self, target: str, *, etag: str | None = None, turn: Turn = at_once) -> Reply | Fault:  # noqa: ARG002 - none is sent
        """Answer a request, as `Transport.get` does."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._round_trip / 2.0)
        now = loop.time()
        self.times.append(now)
        wire = self._wire(target, now)
        await asyncio.sleep(self._round_trip / 2.0)
        if wire is None:
            return Fault(FaultKind.NOT_FOUND, "job not found", http_status=404)
        return Reply(200, msgspec.json.encode(wire))

    def _wire(self, target: str, now: float) -> dict[str, object] | None:
        kind, name, limit = target.split()
        if kind == "one":
            self.read += 1
            return {"job": self.jobs[name].wire(now)} if name in self.jobs else None
        if kind == "batch":
            job_ids = name.split(",")
            self.read += len(job_ids)
            return {"jobs": [self.jobs[job_id].wire(now) for job_id in job_ids]}
        listed = [job for job in self.jobs.values() if job.project_id == name and job.starts <= now]
        listed.sort(key=lambda job: job.starts, reverse=True)
        shown = listed[: min(int(limit), self._page)]
        self.read += len(shown)
        return {"jobs": [job.wire(now) for job in shown]}


def poller_of(
    server: object,
    *,
    pace: Pace | None = None,
    history: History | None = None,
    max_rate: float | None = None,
    workers: int = 64,
    uniform: Callable[[], float] = random.random,
    batch: int | None = None,
) -> Poller:
    """Return a poller that reads a server, or anything else with its `get`; with `batch`, so many jobs at once."""
    source = source_of(server, batch=batch)
    policy = Policy(pace or Pace(), Patience(), history or History())
    return Poller(policy, source, Budget(max_rate), workers=workers, clock=Clock(uniform, EPOCH))


def source_of(server: object, *, batch: int | None = None) -> HttpSource:
    """Return what asks a server, as a client asks one that is far away."""
    api = CAPYDB
    if batch is not None:
        changes = {"list_path": None, "batch_path": "/batch/{job_ids}", "batch_most": batch}
        api = replace(CAPYDB, **changes, read_batch=CAPYDB.read_jobs)
    return HttpSource(api, Given("t", _URL, None), transport=Named(server))  # type: ignore[arg-type]


class Named:
    """Stands where a transport stands: has a server answer that is told what is asked for as ``KIND NAME LIMIT``.

    Requests are made ready as they are for a network, by a transport that sends none.
    """

    def __init__(self, server: Any) -> None:
        self._get = server.get
        self._transport = Transport(_URL, {})

    def prepared(self, path: str, query: str | None = None, body: bytes | None = None) -> Target:
        """Make a request ready."""
        return self._transport.prepared(path, query, body)

    def get(
        self, target: Target, *, etag: str | None = None, turn: Turn = at_once
    ) -> Coroutine[object, object, Reply | Fault]:
        """Name what is asked for, and ask."""
        *_, kind, name = target.path.removesuffix("/jobs").split("/")
        query = target.path_and_query.removeprefix(target.path).removeprefix("?")
        asked: Coroutine[object, object, Reply | Fault] = self._get(
            f"{_KINDS[kind]} {name} {(query or '0').removeprefix('limit=')}", etag=etag, turn=turn
        )
        return asked

    def how_far(self, asker: object, since: float) -> str:  # noqa: ARG002 - as any source has it
        """Say what is wrong with a look that has no answer yet."""
        return "the server did not answer"

    async def aclose(self) -> None:
        """There is nothing to close."""


_URL = "https://api.capydb.example/v1"

_KINDS = {"jobs": "one", "projects": "list", "batch": "batch"}


def most_in_a_second(times: Iterable[float]) -> int:
    """Return how many of some moments lie in the second that holds the most of them, wherever that begins."""
    ordered = sorted(times)
    most = first = 0
    for last, at in enumerate(ordered):
        while at - ordered[first] >= 1.0:
            first += 1
        most = max(most, last + 1 - first)
    return most
