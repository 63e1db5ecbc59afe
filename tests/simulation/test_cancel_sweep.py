"""What each way of waiting leaves behind when it is cancelled, at every step of the loop in turn: nothing.

At the seam for speed, and on the wire with the real transport under it. After the cancelling, the client still works.
`JOBWATCH_SWEEP_SEEDS` says for how many seeds: each has round trips and dice of its own. ``pytest -rP`` shows
how many points were swept for each scenario.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from random import Random
from typing import Any
from unittest import mock

import msgspec
import pytest

import jobwatch._engine.clock
from jobwatch import Client, Job, JobwatchError, Outcome, Pace, Phase, Transition, Watched, Watcher
from jobwatch._client.access import engine_of
from jobwatch._http.requests import Given
from jobwatch._http.source import HttpSource
from jobwatch.apis import BEDROCK
from tests.simulation import seam, wire
from tests.simulation.clock import START, VirtualLoop, run
from tests.simulation.planted import BUGS
from tests.simulation.server import Server
from tests.simulation.truth import EPOCH, State, TrueJob
from tests.simulation.world import SEAM, WIRE

pytestmark = pytest.mark.slow

Scenario = Callable[[Client], Awaitable[object]]
SEEDS = int(os.environ.get("JOBWATCH_SWEEP_SEEDS", "1"))
IDS = ("job-0", "job-1", "job-2")


async def awaiting(client: Client) -> Job:
    return await client.wait_for("job-0")


async def iterating(client: Client) -> list[str]:
    return [change.status async for change in client.wait_for("job-0")]


async def several(client: Client) -> object:
    return await asyncio.gather(*(client.wait_for(job_id) for job_id in IDS), client.wait_for("job-0"))


async def as_they_end(client: Client) -> list[Job]:
    async with client.as_completed(IDS) as ended:
        return [await wait async for wait in ended]


async def all_of(client: Client) -> list[Job]:
    return await client.wait_all(IDS)


async def with_a_time_limit(client: Client) -> object:
    with pytest.raises(TimeoutError):
        await client.wait_for("job-2", timeout=0.7)
    return None


async def with_a_limit_that_is_far_off(client: Client) -> object:
    return await client.wait_for("job-2", timeout=30.0, check=False)


async def look_by_look(client: Client) -> Watched:
    watched = client.watched("job-0")
    while watched.outcome is None:
        looked = await client.look(msgspec.json.decode(msgspec.json.encode(watched), type=Watched))
        watched = looked.watched
        if looked.next_look is not None:
            await asyncio.sleep(looked.next_look)
    return watched


async def reading(client: Client) -> Job:
    await client.job("job-1")
    return await client.job("job-0")


async def closing(client: Client) -> object:
    waits = [asyncio.ensure_future(client.wait_for(job_id)) for job_id in IDS]
    try:
        await asyncio.sleep(0.3)
        await client.aclose()
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.wait(waits)
    return None


async def watching(client: Client) -> list[Outcome]:
    ends: list[Outcome] = []
    async with Watcher(client) as watcher:
        await watcher.add(*IDS)
        async for change in watcher:
            if change.outcome is not None:
                ends.append(change.outcome)
            if len(ends) == len(IDS):
                break
    return ends


SCENARIOS: tuple[Scenario, ...] = (
    awaiting,
    iterating,
    several,
    as_they_end,
    all_of,
    with_a_time_limit,
    look_by_look,
    reading,
    closing,
    watching,
)


def _true_jobs() -> list[TrueJob]:
    jobs = []
    for number, job_id in enumerate(IDS):
        phases = ("QUEUED", Phase.PENDING), ("RUNNING", Phase.RUNNING), ("COMPLETED", Phase.SUCCEEDED)
        times = START, START + 0.3 + number * 0.4, START + 0.9 + number * 0.9
        states = tuple(State(word, phase, at, 1) for (word, phase), at in zip(phases, times, strict=True))
        jobs.append(TrueJob(job_id, "cms", None, "Compare", states, START))
    return jobs


def _client(level: str, seed: int = 1) -> tuple[Client, wire.Origin]:
    """Return a client, and the network with a server of three jobs behind it."""
    server = Server(
        "bedrock",
        _true_jobs(),
        rates={},
        rng=Random(seed),
        quiet_at=START,
        outages=[],
        skew=0.0,
        etags=True,
        quota=0,
        lag=0.0,
        latency=0.03,
        level=level,
    )
    origin = wire.Origin(server)
    pace = Pace(min_interval=0.1, max_interval=0.4)
    given = Given("t", "http://api.example", None)
    if level == SEAM:
        source = seam.source_of("main", server, BEDROCK, given)
    else:
        source = HttpSource(BEDROCK, given, max_connections=2)
        wire.join("main", source.transport, origin, streams=True)
    client = Client(source=source, pace=pace, max_in_flight=2)
    engine_of(client).clock.uniform = Random(seed + 1).random
    return client, origin


@contextmanager
def _virtual_time(loop: VirtualLoop) -> Generator[None]:
    clock = mock.Mock(time=lambda: EPOCH + loop.time(), monotonic=loop.time, clock_gettime=lambda _: loop.time())
    with mock.patch.object(jobwatch._engine.clock, "time", clock), wire.virtual_time(loop):
        yield


class Attempt:
    """One run of a scenario, which is cancelled at a step of the loop counted from its start."""

    def __init__(self, scenario: Scenario, level: str, step: int, seed: int = 1) -> None:
        self.scenario = scenario
        self.seed = seed
        self.level = level
        self.step = step
        self.steps = 0
        self.wrong: list[str] = []
        self.ending = ""

    async def main(self, loop: VirtualLoop) -> None:
        with _virtual_time(loop):
            await self._lived(loop)

    async def _lived(self, loop: VirtualLoop) -> None:
        client, origin = _client(self.level, self.seed)
        await self._cut(loop, client)
        if self.scenario is not closing:
            await self._still_works(client)
        await client.aclose()
        await asyncio.sleep(0.05)
        self.wrong += origin.open_still()
        await origin.aclose()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        self.wrong += [f"task left behind: {task!r}" for task in left]

    async def _cut(self, loop: VirtualLoop, client: Client) -> None:
        first = loop.steps
        task = asyncio.ensure_future(self.scenario(client))

        def step(count: int) -> None:
            if not task.done():
                self.steps = count - first
                if self.steps == self.step:
                    task.cancel("by the sweep")

        loop.on_step = step
        await asyncio.wait([task])
        loop.on_step = None
        if task.cancelled():
            self.ending = "cancelled"
        elif task.exception() is not None:
            self.wrong.append(f"cancelled, it raised {task.exception()!r}")
        else:
            self.ending = "ended"

    async def _still_works(self, client: Client) -> None:
        """A wait that begins now sees everything, whatever was cut off before."""
        await asyncio.sleep(0.01)
        if engine_of(client)._registry:
            self.wrong.append("a job that nobody waits for is still watched")
        changes: list[Transition] = []
        async with asyncio.timeout(10.0):
            async for change in client.wait_for("job-0"):
                changes.append(change)  # noqa: PERF401  # so that what came before an error can be seen
            told = [(change.seq, change.status) for change in changes]
        if told != [(1, "QUEUED"), (2, "RUNNING"), (3, "COMPLETED")]:
            self.wrong.append(f"afterwards a wait was told {told}")

    def run(self) -> None:
        _, loop = run(self.main)
        self.wrong += loop.troubles
        self.wrong += [f"timer left behind: {timer}" for timer in loop.left]


@pytest.mark.parametrize("level", [SEAM, WIRE])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_row_109_cancelled_at_every_step_it_leaves_nothing_behind(scenario: Scenario, level: str) -> None:
    points = 0
    for seed in range(1, SEEDS + 1):
        whole = Attempt(scenario, level, -1, seed)
        whole.run()
        assert not whole.wrong
        assert whole.ending == "ended"
        endings: Counter[str] = Counter()
        for step in range(1, whole.steps + 1):
            attempt = Attempt(scenario, level, step, seed)
            attempt.run()
            assert not attempt.wrong, f"seed {seed}, cancelled at step {step} of {whole.steps}: {attempt.wrong}"
            endings[attempt.ending] += 1
        # In the last steps what was asked for may be there already, and is not thrown away.
        assert endings["cancelled"] >= whole.steps * 0.8
        points += whole.steps
    print(f"{points} points")


class UnderFire:
    """Something that is cancelled at every step of the loop from one on, as long as it takes."""

    def __init__(self, closing: Callable[[], Awaitable[object]], loop: VirtualLoop, first: int) -> None:
        self.times = 0
        self._task = asyncio.ensure_future(closing())
        self._loop = loop
        self._from = loop.steps + first

    async def over(self) -> None:
        self._loop.on_step = self._fire
        await asyncio.wait([self._task])
        self._loop.on_step = None
        assert self._task.cancelled() == bool(self.times)

    def _fire(self, count: int) -> None:
        if count >= self._from and not self._task.done():
            self.times += 1
            self._task.cancel("by the sweep")


async def _closed_under_fire(loop: VirtualLoop, level: str, first: int) -> int:
    with _virtual_time(loop):
        client, origin = _client(level)
        waits = [asyncio.ensure_future(client.wait_for(job_id)) for job_id in IDS]
        await asyncio.sleep(0.3)
        fire = UnderFire(client.aclose, loop, first)
        await fire.over()
        left = {task for task in asyncio.all_tasks() if task.get_name().startswith("jobwatch")}
        assert not left
        await asyncio.wait(waits, timeout=0.05)
        assert all(isinstance(wait.exception(), JobwatchError) for wait in waits)
        assert not engine_of(client)._registry
        assert origin.open_still() == []
        await origin.aclose()
        return fire.times


async def _completions_left_under_fire(loop: VirtualLoop, level: str, first: int, limit: float | None = None) -> int:
    with _virtual_time(loop):
        client, origin = _client(level)
        completions = client.as_completed(IDS, limit)
        await anext(completions)
        fire = UnderFire(completions.aclose, loop, first)
        await fire.over()
        assert completions._under_way is not None
        assert all(task.done() for task in completions._under_way.tasks)
        assert all(wait._poller is None for wait in completions.waits)
        assert not engine_of(client)._registry
        await client.aclose()
        await asyncio.sleep(0.05)
        await origin.aclose()
        return fire.times


async def _tasks_left_under_fire(loop: VirtualLoop, level: str, first: int) -> int:
    return await _completions_left_under_fire(loop, level, first, limit=1.0)  # so near that each wait has a task


@pytest.mark.parametrize("level", [SEAM, WIRE])
@pytest.mark.parametrize(
    ("closing", "steps"), [(_closed_under_fire, 2), (_tasks_left_under_fire, 2), (_completions_left_under_fire, 0)]
)
def test_row_109_closing_goes_on_to_its_end_however_often_it_is_cancelled(closing: Any, steps: int, level: str) -> None:
    times = 1
    for first in itertools.count(2):  # at its very first step it has not begun
        times, loop = run(lambda loop, first=first: closing(loop, level, first))  # type: ignore[misc]
        assert loop.troubles == []
        assert loop.left == []
        if not times:
            break
    assert first > 1 + steps, "it takes some steps"


@pytest.mark.parametrize("closing", ["wait", "completions"])
def test_a_wait_that_outlives_its_loop_ends_in_silence(closing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    unraisable: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)

    async def begun() -> list[object]:
        client, _ = _client(SEAM)
        wait, completions = client.wait_for("job-0"), client.as_completed(IDS)
        await anext(wait if closing == "wait" else completions)
        return [wait, completions]

    loop = VirtualLoop()
    kept = loop.run_until_complete(begun())
    for task in asyncio.all_tasks(loop):
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # nobody closed the client: that is the point
    loop.close()
    kept.clear()
    gc.collect()
    del loop, task  # what its timers hold goes with it
    gc.collect()
    assert unraisable == []


@pytest.mark.parametrize("name", ["a job nobody waits for is looked at", "a timer is left behind"])
def test_the_sweep_finds_what_is_left_behind(name: str) -> None:
    bug = next(bug for bug in BUGS if bug.name == name)
    wrong: list[str] = []
    with bug.plant():
        whole = Attempt(with_a_limit_that_is_far_off, WIRE, -1)
        whole.run()
        for step in range(1, whole.steps + 1):
            attempt = Attempt(with_a_limit_that_is_far_off, WIRE, step)
            attempt.run()
            wrong += attempt.wrong
    assert wrong
