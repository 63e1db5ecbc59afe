"""The measurements of `benchmarks.fleet`, each run as a process of its own that prints its figures as JSON.

python -m benchmarks.fleet_stages hold|waits|count|busy|spread|sweep|batches WAY JOBS [NUMBER]
"""

from __future__ import annotations

import asyncio
import collections
import gc
import os
import random
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import anyio
import msgspec

from jobwatch import Client, Watcher
from jobwatch._core.source import Turn
from jobwatch._core.tracker import Watched
from jobwatch._http.tasks import at_once
from jobwatch._reading.reply import Reply

from . import instructions, simulated, virtual
from .simulated import API, EPOCH, SimulatedJob

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.abc import TaskGroup

    from jobwatch import Change
    from jobwatch._core.look import Looked
    from jobwatch._engine.watch import Watch
    from jobwatch._models import Fault

Way = Literal["jobwatch", "asyncio", "anyio", "bare"]

HORIZON = 300.0
"""For how many seconds requests are counted."""

SETTLED = 60.0
"""After how many seconds the start is over."""

_AGE = {"hold": 86_400.0, "spread": 3_600.0, "sweep": 3_600.0, "batches": 3_600.0}
_INTERVAL = {"hold": 60.0, "count": 60.0, "spread": 20.0}
_TICK = 0.01
_SLICE = 1_000
_WARM = 1_000
"""How many jobs are watched before any are counted: what a process needs once is there then."""

_WORKERS = 8


class Held(msgspec.Struct, frozen=True):
    """What stage `hold` finds out."""

    bytes_per_job: float
    gc_pause_ms: float
    loop_lag_ms: float
    cpu_us_per_look: float


class Counted(msgspec.Struct, frozen=True):
    """What stages `count` and `busy` find out: how much was executed between marks."""

    unit: str
    counts: list[float]


class Spread(msgspec.Struct, frozen=True):
    """What stages `spread` and `sweep` find out: requests in the fullest second over the mean, and how many."""

    peak_over_mean: float
    peak_over_mean_later: float
    requests_a_sweep: float


class Echo:
    """Says of every job that it runs.

    Args:
        takes: How long a request takes; None for not even a round of the event loop.
        jobs: How many jobs there are, where it is to be known how many of them were asked about.

    Attributes:
        asked: How many requests there were.
        known: About how many jobs.
    """

    def __init__(self, *, takes: float | None, jobs: int = 0) -> None:
        self.asked = self.known = 0
        self._is_known = bytearray(jobs)  # made before any memory is measured
        self._takes = takes
        began = EPOCH - _AGE["hold"]
        times = b'"created_at":%.3f,"started_at":%.3f,"updated_at":%.3f' % (began, began + 1.25, began + 60.5)
        self._rest = b'","state":"running","type":"project.backup","attempts":1,%b}}' % times

    async def get(self, target: str, *, etag: str | None = None, turn: Turn = at_once) -> Reply | Fault:  # noqa: ARG002 - none is sent
        """Answer a request, as `Transport.get` does."""
        self.asked += 1
        if self._is_known and target[8:16].isdecimal() and not self._is_known[int(target[8:16])]:
            self._is_known[int(target[8:16])] = 1
            self.known += 1
        if self._takes is not None:
            await asyncio.sleep(self._takes)
        return Reply(200, b'{"job":{"id":"' + target[4:16].encode() + self._rest)


class _Job(msgspec.Struct):
    state: str


class _One(msgspec.Struct):
    job: _Job


class Fleet:
    """Jobs that are watched in one of the ways that are compared.

    Args:
        way: Which way.
        server: What is asked.
        group: Where the tasks of the anyio way are started.
        interval: The seconds between two looks of a rival.
        workers: How many requests jobwatch may have under way at once.
        batch: How many jobs one request of jobwatch may name by their ids, if the API can be asked so.

    Attributes:
        changes: How many changes have been heard of.
    """

    def __init__(
        self,
        way: Way,
        server: Echo | simulated.Server,
        group: TaskGroup,
        interval: float,
        *,
        workers: int = 64,
        batch: int | None = None,
    ) -> None:
        self.changes = 0
        self._way = way
        self._server = server
        self._group = group
        self._interval = interval
        self._poller = simulated.poller_of(server, workers=workers, uniform=random.Random(1).random, batch=batch)
        self._tasks: set[asyncio.Task[None]] = set()
        self._decoder = msgspec.json.Decoder(_One)
        self._noted = self._note  # one bound method for all jobs

    def add(self, job_id: str) -> None:
        """Watch one more job."""
        match self._way:
            case "jobwatch":
                self._poller.watch(Watched(job_id=job_id, api=API), self._noted)
            case "asyncio":
                self._tasks.add(asyncio.get_running_loop().create_task(self._watch(job_id, asyncio.sleep)))
            case "anyio":
                self._group.start_soon(self._watch, job_id, anyio.sleep)
            case "bare":
                raise ValueError(self._way)

    def _note(self, watch: Watch | None = None, looked: Looked | None = None) -> None:  # noqa: ARG002 - a sink's
        self.changes += 1

    async def _watch(self, job_id: str, sleep: Callable[[float], Awaitable[None]]) -> None:
        seen = None
        while True:
            reply = await self._server.get(f"one {job_id} 1")
            state = self._decoder.decode(reply.body).job.state if isinstance(reply, Reply) else None
            if state != seen:
                seen = state
                self._note()
            await sleep(self._interval)


class _Pauses:
    """The longest garbage collection so far, in seconds of CPU time."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._began = 0.0
        gc.callbacks.append(self._note)

    def _note(self, phase: str, _: dict[str, int]) -> None:
        now = time.process_time()
        if phase == "start":
            self._began = now
        else:
            self.longest = max(self.longest, now - self._began)


async def _tick(lags: list[float]) -> None:
    """Put the largest lag of a task that sleeps a tick at a time into a list of one."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + _TICK
        await asyncio.sleep(_TICK)
        lags[0] = max(lags[0], loop.time() - due)


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _ids(jobs: int) -> list[str]:
    return [f"job_{number:08d}" for number in range(jobs)]


async def hold(way: Way, jobs: int, group: TaskGroup) -> Held:
    """Watch jobs until each was looked at twice; jobwatch by a `Watcher`, which tells a function of changes."""
    server = Echo(takes=0.0, jobs=jobs)
    if way != "jobwatch":
        fleet = Fleet(way, server, group, _INTERVAL["hold"])

        async def add(job_ids: list[str]) -> None:
            for job_id in job_ids:
                fleet.add(job_id)

        return await _held(server, jobs, add)
    async with Client(source=simulated.source_of(server), max_in_flight=64) as client:
        told = collections.Counter[str]()

        def note(change: Change) -> None:
            told[change.kind.value] += 1

        async with Watcher(client, on_change=note) as watcher:

            async def add_all(job_ids: list[str]) -> None:
                await watcher.add(*job_ids)

            return await _held(server, jobs, add_all)


async def waits(jobs: int) -> Held:
    """Wait for jobs, a thousand by one `wait_all`, until each was looked at twice."""
    server = Echo(takes=0.0, jobs=jobs)
    async with Client(source=simulated.source_of(server), max_in_flight=64) as client:
        begun: set[asyncio.Task[object]] = set()

        async def add(job_ids: list[str]) -> None:
            begun.add(asyncio.create_task(client.wait_all(job_ids)))

        found = await _held(server, jobs, add)
        for each in begun:
            each.cancel()
        return found


async def _held(server: Echo, jobs: int, add: Callable[[list[str]], Awaitable[None]]) -> Held:
    pauses, lags = _Pauses(), [0.0]
    ticker = asyncio.create_task(_tick(lags))
    await add([f"job_warm{number:04d}" for number in range(_WARM)])
    await _asked(server, _WARM)
    await asyncio.sleep(1.0)
    gc.collect()
    began, before = time.process_time(), _resident()
    for first in range(0, jobs, _SLICE):
        await add([f"job_{number:08d}" for number in range(first, min(first + _SLICE, jobs))])
        await asyncio.sleep(0)
    while server.known < jobs:  # noqa: ASYNC110 - as in `_asked`; some were asked about twice meanwhile
        await asyncio.sleep(1.0)
    await asyncio.sleep(1.0)  # what the last looks have shown is taken in, and told
    resident = _resident() - before
    await _asked(server, 2 * (jobs + _WARM))
    seconds = time.process_time() - began
    ticker.cancel()
    gc.collect()
    return Held(resident / jobs, pauses.longest * 1e3, lags[0] * 1e3, seconds / server.asked * 1e6)


class _Marks:
    """What was counted between marks, by this process and by callgrind alike."""

    def __init__(self) -> None:
        counter = instructions.counter()
        self.unit = counter.unit
        self._read = counter.read
        self._counts: list[float] = []

    def set(self) -> None:
        """Set a mark."""
        instructions.mark()
        self._counts.append(self._read())

    def found(self) -> Counted:
        """Return the differences."""
        return Counted(self.unit, [after - before for before, after in pairwise(self._counts)])


async def count(way: Way, jobs: int, looks: int, group: TaskGroup) -> Counted:
    """Count adding jobs, the first look at each, the second, and so many more, one job at a time."""
    server = Echo(takes=None)
    fleet = Fleet(way, server, group, _INTERVAL["count"])
    marks, ids = _Marks(), _ids(jobs)
    marks.set()
    for job_id in ids:
        fleet.add(job_id)
    marks.set()
    for each in (1, 2, 2 + looks):
        await _asked(server, each * jobs)
        marks.set()
    return marks.found()


async def busy(way: Way, jobs: int, looks: int, group: TaskGroup) -> Counted:
    """Count so many looks at each job, from the third on, by workers that always have a next one to look at.

    For the way "bare": the same requests, and nothing else.
    """
    server = Echo(takes=2 * _WORKERS * _INTERVAL["count"] / jobs)
    if way == "bare":
        for _ in range(_WORKERS):
            group.start_soon(_only_ask, server)
    else:
        fleet = Fleet(way, server, group, _INTERVAL["count"], workers=_WORKERS)
        for job_id in _ids(jobs):
            fleet.add(job_id)
    marks = _Marks()
    for each in (2, 2 + looks):
        await _asked(server, each * jobs)
        marks.set()
    return marks.found()


async def _asked(server: Echo, times: int) -> None:
    """Return once a server was asked so many times."""
    while server.asked < times:  # noqa: ASYNC110 - an event would cost the requests that are being counted
        await asyncio.sleep(1.0)


async def _only_ask(server: Echo) -> None:
    while True:
        await server.get("one job_00000000 1")


async def spread(way: Way, jobs: int, group: TaskGroup) -> Spread:
    """Start as many waits as jobs at the same moment."""
    ids = _ids(jobs)
    server = simulated.Server(SimulatedJob(job_id, starts=-_AGE["spread"]) for job_id in ids)
    return await _spread(way, server, group)


async def sweep(way: Way, jobs: int, page: int, group: TaskGroup) -> Spread:
    """Watch the jobs of one project."""
    ids = _ids(jobs)
    server = simulated.Server(
        (SimulatedJob(job_id, starts=-_AGE["sweep"], project_id="p") for job_id in ids), page=page
    )
    return await _spread(way, server, group)


async def batches(way: Way, jobs: int, most: int, group: TaskGroup) -> Spread:
    """Watch jobs of no project, of which so many can be named by one request."""
    server = simulated.Server(SimulatedJob(job_id, starts=-_AGE["batches"]) for job_id in _ids(jobs))
    return await _spread(way, server, group, most)


async def _spread(way: Way, server: simulated.Server, group: TaskGroup, batch: int | None = None) -> Spread:
    fleet = Fleet(way, server, group, _INTERVAL["spread"], batch=batch)
    for job_id in server.jobs:
        fleet.add(job_id)
    await asyncio.sleep(SETTLED)
    asked, read = len(server.times), server.read
    await asyncio.sleep(HORIZON - SETTLED)
    later = server.times[asked:]
    return Spread(
        simulated.most_in_a_second(server.times) / (len(server.times) / HORIZON),
        simulated.most_in_a_second(later) / (len(later) / (HORIZON - SETTLED)),
        len(later) / ((server.read - read) / len(server.jobs)),
    )


async def _tell(stage: str, way: Way, jobs: int, number: int) -> None:
    async with anyio.create_task_group() as group:
        match stage:
            case "hold":
                found: msgspec.Struct = await hold(way, jobs, group)
            case "waits":
                found = await waits(jobs)
            case "count":
                found = await count(way, jobs, number, group)
            case "busy":
                found = await busy(way, jobs, number, group)
            case "spread":
                found = await spread(way, jobs, group)
            case "sweep":
                found = await sweep(way, jobs, number, group)
            case "batches":
                found = await batches(way, jobs, number, group)
            case _:
                raise ValueError(stage)
        print(msgspec.json.encode(found).decode(), flush=True)
        os._exit(0)  # freeing a million objects one by one takes longer than measuring them


if __name__ == "__main__":
    _, stage, way, *numbers = sys.argv
    virtual.run(
        _tell(stage, msgspec.convert(way, Way), int(numbers[0]), int(numbers[-1])),
        frozen=stage not in ("hold", "waits"),
    )
