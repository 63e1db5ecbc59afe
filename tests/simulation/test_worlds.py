"""The simulation as a test: as many worlds as it takes for everything to come up, and what the simulation promises.

`JOBWATCH_SEAM_SEEDS`, `JOBWATCH_WIRE_SEEDS` and `JOBWATCH_FIRST_SEED` make it longer, `JOBWATCH_SIM_JOBS` says in how
many processes. ``python -m tests.all`` runs many more.
"""

from __future__ import annotations

import asyncio
import functools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import TypeAlias

import pytest

from jobwatch import Client, Event, Fault, FaultKind, Job, Pace, Phase, Transition, Watched
from jobwatch._client.access import engine_of
from jobwatch._core.tracker import Patience, observe
from jobwatch._http.requests import Given
from jobwatch._http.source import HttpSource
from jobwatch.apis import CAPYDB
from tests.simulation import seam
from tests.simulation.clock import START, Deadlock, Outside, VirtualLoop, run
from tests.simulation.moving import MOVES
from tests.simulation.runner import ENOUGH, Sum, both, in_processes, never, report
from tests.simulation.seam import SeamTransport
from tests.simulation.server import Outage, Server
from tests.simulation.truth import State, TrueJob
from tests.simulation.world import LIVENESS, SAFETY, SEAM, WIRE, simulate

LEVELS = (SEAM, WIRE, MOVES)
SEEDS = {level: int(os.environ.get(f"JOBWATCH_{level.upper()}_SEEDS", ENOUGH[level])) for level in LEVELS}
FIRST = int(os.environ.get("JOBWATCH_FIRST_SEED", "0"))
JOBS = int(os.environ.get("JOBWATCH_SIM_JOBS", "2"))
PARTS = 5
"""In how many tests the worlds of a level are played, so that none takes long also where others use the machine."""

Played: TypeAlias = Callable[[str, int], Sum]


@pytest.fixture(scope="module")
def played() -> Iterator[Played]:
    """What plays a part of the worlds of a level, once; all share their processes."""
    with in_processes(JOBS) as mapped:

        def play(level: str, part: int) -> Sum:
            modes = 1 if level == MOVES else 2
            start, end = (FIRST + SEEDS[level] // modes * number // PARTS for number in (part, part + 1))
            return both(level, start, (end - start) * modes, mapped)

        yield functools.cache(play)


@pytest.mark.slow(in_sample=True)
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("level", LEVELS)
def test_made_up_worlds(played: Played, level: str, part: int) -> None:
    total = played(level, part)
    assert total.seeds >= SEEDS[level] // PARTS - 1
    assert not total.failures, "\n" + "\n".join(report(level, total))


@pytest.mark.slow(in_sample=True)
@pytest.mark.parametrize("level", LEVELS)
def test_in_made_up_worlds_everything_comes_up(played: Played, level: str) -> None:
    total = Sum()
    for part in range(PARTS):
        total.add(played(level, part))
    assert not never(level, total.sometimes)


# --- the simulation itself ----------------------------------------------------------------------------------------

_HASHES = """
from tests.simulation.world import simulate
for level, seeds in (("seam", 15), ("wire", 5)):
    for mode in ("safety", "liveness"):
        print(*(simulate(seed, level, mode).hash for seed in range(seeds)))
"""


@pytest.mark.slow(in_sample=True)
def test_the_same_seed_gives_the_same_world_in_every_process() -> None:
    told = []
    for hash_seed in ("0", "1", "4242"):
        environ = {**os.environ, "PYTHONHASHSEED": hash_seed}
        command = [sys.executable, "-W", "error", "-c", _HASHES]
        root = Path(__file__).parents[2]
        told.append(subprocess.run(command, env=environ, cwd=root, check=True, capture_output=True, text=True).stdout)
    assert told[0] == told[1] == told[2]
    assert len(set(told[0].split())) == 40


@pytest.mark.slow
def test_a_failure_is_told_with_the_command_that_shows_it_again() -> None:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "tests.simulation", "--seeds", "1", "--first", "7", "--level", "seam"]
    done = subprocess.run([*command, "--trace"], cwd=root, check=True, capture_output=True, text=True)
    assert simulate(7, SEAM, SAFETY).hash in done.stdout
    assert simulate(7, SEAM, LIVENESS).hash in done.stdout


async def _waits_for_nothing(loop: VirtualLoop) -> None:
    await loop.create_future()


async def _asks_for_a_thread(loop: VirtualLoop) -> None:
    await loop.run_in_executor(None, print)


async def _asks_for_a_name(loop: VirtualLoop) -> None:
    await loop.getaddrinfo("api.example", 80)


def test_who_waits_for_nothing_is_found() -> None:
    with pytest.raises(Deadlock):
        run(_waits_for_nothing)


@pytest.mark.parametrize("main", [_asks_for_a_thread, _asks_for_a_name])
def test_nothing_reaches_outside(main: object) -> None:
    with pytest.raises(Outside):
        run(main)  # type: ignore[arg-type]


def test_time_passes_at_once() -> None:
    async def main(loop: VirtualLoop) -> float:
        await asyncio.sleep(86_400.0)
        return loop.time()

    assert run(main)[0] == START + 86_400.0


# --- a server that always fails -----------------------------------------------------------------------------------


def _requests_in(seconds: float, fault: str | None, jobs: int) -> int:
    """Return how many requests are made while jobs that go on and on are waited for."""
    true = [
        TrueJob(f"job-{number}", "capydb", None, "project.backup", _LONG, START - 5.0)  # nobody lists them
        for number in range(jobs)
    ]
    outages = [] if fault is None else [Outage(START - 1.0, START + 1e9, fault)]
    server = Server(
        "capydb",
        true,
        rates={},
        rng=Random(1),
        quiet_at=START + 1e9,
        outages=outages,
        skew=0.0,
        etags=False,
        quota=0,
        lag=0.0,
        latency=0.05,
        level=SEAM,
    )

    async def main(_loop: VirtualLoop) -> None:
        source = seam.source_of("main", server, CAPYDB, Given("t", "http://api.example", None))
        client = Client(source=source, pace=Pace(), unreachable_after=1e6, appear_within=1e6)
        engine_of(client).clock.uniform = Random(2).random
        waits = [asyncio.ensure_future(client.wait_for(job.id)) for job in true]
        await asyncio.sleep(seconds)
        for wait in waits:
            wait.cancel()
        await asyncio.wait(waits)
        await client.aclose()

    run(main)
    return len(server.exchanges)


_LONG = (State("pending", Phase.PENDING, START - 5.0, 0), State("running", Phase.RUNNING, START - 4.0, 1))


@pytest.mark.parametrize("fault", ["500", "502", "503", "html", "429", "404", "599", "refuse", "reset", "hang"])
@pytest.mark.parametrize(
    ("seconds", "jobs"),
    [
        (60.0, 1),
        (600.0, 1),
        pytest.param(600.0, 20, marks=pytest.mark.slow),
        pytest.param(600.0, 200, marks=pytest.mark.slow),
    ],
)
def test_row_34_i7_a_server_that_fails_gets_no_more_requests(fault: str, seconds: float, jobs: int) -> None:
    assert _requests_in(seconds, fault, jobs) <= 1.1 * _requests_in(seconds, None, jobs)


# --- worlds of which the oracle asked too much --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seed", "level", "mode"),
    [
        pytest.param(717, WIRE, LIVENESS, id="a list came while the look at the job was under way, and the limit then"),
    ],
)
def test_what_may_count_or_not_is_asked_of_nobody(seed: int, level: str, mode: str) -> None:
    assert simulate(seed, level, mode).violations == []


# --- what it has found ----------------------------------------------------------------------------------------------


def _told(*entries: tuple[str, float | None], status: str | None = None) -> Job:
    phases = {"P": Phase.PENDING, "R": Phase.RUNNING, "C": Phase.SUCCEEDED, "X": Phase.CANCELLED}
    events = tuple(
        Event(word, phases[word], None if at is None else datetime.fromtimestamp(1e9 + at, UTC)) for word, at in entries
    )
    word = status or entries[-1][0]
    return Job(id="j", api="bedrock", status=word, phase=phases[word], events=events)


def _delivered(*seen: Job | Fault) -> str:
    watched, changes = Watched(job_id="j", api="bedrock"), list[Transition]()
    for number, each in enumerate(seen):
        observed = observe(watched, each, 2e9 + number, Patience())
        watched, changes = observed.watched, changes + list(observed.transitions)
    return " ".join(("!" if change.gap else "") + change.status for change in changes)


def test_an_old_entry_that_the_server_says_again_at_the_end_is_no_news() -> None:
    assert _delivered(_told(("P", 0), ("R", 1)), _told(("P", 0), ("R", 1), ("P", 0), status="R")) == "P R"


def test_a_delivered_history_that_comes_in_another_order_is_the_same() -> None:
    resumed = _told(("P", 0), ("X", 1), ("R", 2))
    assert _delivered(resumed, _told(("R", 2), ("P", 0), ("X", 1), status="R")) == "P X R"


def test_a_history_that_is_cut_short_for_once_delivers_nothing_twice() -> None:
    whole = [("P", 0.0), ("R", 1.0), ("P", 2.0), ("R", 3.0)]
    glitch = Job(id="j", api="bedrock", status="P", phase=Phase.PENDING, events=())
    more = [*whole, ("P", 4.0), ("R", 5.0)]
    assert _delivered(_told(*whole), glitch, _told(*whole[:2], status="P"), _told(*more)) == "P R P R P R"


def test_a_long_history_without_times_that_falls_behind_delivers_nothing_twice() -> None:
    words = "PRPRRPPRPR" * 9  # more than are remembered, in an order that does not come again at once
    whole = [(word, None) for number, word in enumerate(words) if number % 7 or word == "P"]
    at_first, behind = whole[:76], whole[:58]
    assert _delivered(_told(*at_first), _told(*behind), _told(*whole)) == _delivered(_told(*whole))


def test_a_slow_404_speaks_for_when_it_was_asked() -> None:
    async def main(loop: VirtualLoop) -> Job:
        client: Client = Client(CAPYDB, token="t", base_url="http://api.example", appear_within=10.0)
        asked: list[float] = []
        true = TrueJob(
            "job-0", "capydb", None, "t", (*_LONG, State("completed", Phase.SUCCEEDED, START + 20.0, 1)), 0.0
        )
        server = Server(
            "capydb",
            [true],
            rates={},
            rng=Random(1),
            quiet_at=START,
            outages=[],
            skew=0.0,
            etags=False,
            quota=0,
            lag=0.0,
            latency=0.05,
            level=SEAM,
        )
        transport = SeamTransport("main", server, CAPYDB.problem)
        get = transport.get

        async def slow(target: object, *, etag: str | None = None, turn: object = None) -> object:
            asked.append(loop.time())
            if len(asked) < 3:
                await asyncio.sleep(12.0 if len(asked) == 2 else 0.05)
                return Fault(FaultKind.NOT_FOUND, "not yet", 404)
            return await get(target, etag=etag)  # type: ignore[arg-type]

        transport.get = slow  # type: ignore[assignment, method-assign]
        given = Given("t", "http://api.example", None)
        source = HttpSource(CAPYDB, given, transport=transport)  # type: ignore[arg-type]
        client = Client(source=source)
        async with client:
            return await client.wait_for("job-0")

    assert run(main)[0].phase is Phase.SUCCEEDED
