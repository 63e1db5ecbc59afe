"""One made-up world by its seed: a server with its jobs and faults, and people who wait for them."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Sequence
from random import Random
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

import jobwatch._engine.clock
from jobwatch import Client, JobAPI, Pace, Phase
from jobwatch._client.access import engine_of
from jobwatch._engine.places import at_most
from jobwatch._http.requests import Given
from jobwatch._http.source import HttpSource
from jobwatch.apis import BEDROCK, CAPYDB

from . import faults, oracle, seam, wire
from .clock import START, Deadlock, Outside, VirtualLoop, put, run, unlisted_tasks
from .disk import disks
from .lives import Keeper
from .people import Heard, Person
from .server import Exchange, Outage, Server
from .sizes import LARGE, Size, size_of
from .truth import (
    ENDED,
    EPOCH,
    STYLES,
    TrueJob,
    history,
    log_uniform,
    looking_alike,
    meant,
    read_by_status,
    told_by_status,
    with_more_phases,
)

logging.getLogger("jobwatch").addHandler(logging.NullHandler())  # what goes wrong here is meant to

SAFETY, LIVENESS = "safety", "liveness"
SEAM, WIRE = "seam", "wire"

APPEAR_WITHIN = 10.0

_AFTER_FAULTS = 3.0
"""For how many of the longest intervals a world without faults goes on at least."""


class Plan(Struct):
    """What a seed decides before anything happens."""

    seed: int
    level: str
    mode: str
    api: str
    jobs: list[TrueJob]
    rates: dict[str, float]
    traits: frozenset[str]
    outages: list[Outage]
    quiet_at: float
    horizon: float
    pace: Pace
    max_rate: float | None
    max_in_flight: int
    latency: float
    unreachable_after: float
    appear_within: float
    skew: float
    lag: float
    quota: int
    vanished: dict[str, float]
    size: Size


Learned = dict[tuple[str, str, Phase], tuple[float, ...]]
"""For each kind of job, for how many seconds jobs of it went on after they had entered a phase."""


class World(Struct):
    """What happened in a run, for the oracle."""

    plan: Plan
    server: Server
    heard: list[Heard]
    sometimes: Counter[str]
    violations: list[str]
    looks: int = 0
    closed_at: float = 0.0
    sorted_: dict[str, list[Exchange]] = {}
    about_: dict[tuple[str, str], list[Exchange]] = {}
    listeners_: dict[str, list[Heard]] = {}
    wakes: list[tuple[str, float]] = []
    learned: dict[str, Learned] = {}

    def about(self, client: str, job_id: str) -> list[Exchange]:
        """The server's record of what a client asked for or was shown of a job; only when all is over."""
        if not self.about_:
            self.about_ = oracle.by_job(self.by_client)
        return self.about_.get((client, job_id), [])

    def listeners(self, job_id: str) -> list[Heard]:
        """Who listened to a job; only when all is over."""
        if not self.listeners_:
            for heard in self.heard:
                self.listeners_.setdefault(heard.job_id, []).append(heard)
        return self.listeners_.get(job_id, [])

    @property
    def by_client(self) -> dict[str, list[Exchange]]:
        """The server's record by who asked, made once when all is over."""
        if not self.sorted_:
            self.sorted_ = oracle.by_client(self.server.exchanges)
        return self.sorted_

    @property
    def trace(self) -> list[str]:
        """What happened, a line each; written only when somebody asks."""
        return _trace(self)

    @property
    def hash(self) -> str:
        return hashlib.sha256("\n".join(self.trace).encode()).hexdigest()[:16]


def planned(seed: int, level: str, mode: str) -> Plan:
    """Make up a world."""
    size = size_of(seed, level, mode)
    rng = Random(f"{seed}/{level}/{mode}/plan")
    rates, traits = _swarm(rng, seed, level, mode, size)
    due = _due(_survivable(level), seed, level, size)
    api = _api_for(rng, [name for name in due if name in rates or name in traits])
    # Where streams alone are wrong, what they do to looks can be told exactly, and takes time to show.
    is_exact = size.streams > LARGE.streams and bool(rates) and rates.keys() <= _STREAM
    apart = {} if is_exact else _apart(seed, level, mode, api, size)
    rates |= {name: rate for name, rate in apart.items() if name not in faults.APART_TRAITS}
    rates |= _of_lists(seed, level, mode) if api == "capydb" and not is_exact else {}
    traits |= apart.keys() & faults.APART_TRAITS
    if not rates.keys().isdisjoint({"status behind", "history behind", "untimed"}):
        traits -= {"end before its moment"}  # an end that the status does not bear out may be an attempt's
    # Liveness is about what comes after the faults; safety has them for ever.
    horizon = log_uniform(rng, *(LARGE if is_exact else size).horizon[level])
    quiet_at = START + (min(horizon * 0.5, 200.0) if mode == LIVENESS else 1e9)
    many = level == SEAM and size.crowds > 0.0 and rng.random() < size.crowds
    if many:
        horizon = min(horizon, 100.0)
        traits -= {"chatty"}
    lists = api == "capydb" and not rates.keys().isdisjoint(_OF_LISTS)
    projects = ["prj-1", "prj-2"][: 1 if lists else rng.choice((1, 2))]
    count = 90 if many else rng.choice(size.jobs[level]) + size.listed * lists
    jobs = [_job(rng, number, api=api, traits=traits, horizon=horizon, projects=projects) for number in range(count)]
    if not traits.isdisjoint(faults.APART_TRAITS):
        _have_apart(Random(f"{seed}/jobs apart"), jobs, traits)
    return Plan(
        seed=seed,
        level=level,
        mode=mode,
        api=api,
        jobs=jobs,
        rates=rates,
        traits=traits,
        outages=_outages(rng, traits, horizon, mode),
        quiet_at=quiet_at,
        horizon=horizon,
        pace=_pace(rng),
        max_rate=round(log_uniform(rng, 0.5, 20.0), 2) if mode == SAFETY and rng.random() < 0.2 else None,
        max_in_flight=rng.choice((1, 2, 16, 16)),
        latency=log_uniform(rng, 0.005, 0.4),
        unreachable_after=1e5 if mode == LIVENESS else rng.choice(size.patience),
        appear_within=1e5 if mode == LIVENESS else APPEAR_WITHIN,
        skew=rng.choice((-4000.0, -3.0, 7.5, 86400.0)) if "skewed clock" in traits else 0.0,
        lag=log_uniform(rng, *size.lag),
        quota=rng.choice((3, 8, 20)) if "quota" in traits else 0,
        vanished={job.id: START + rng.uniform(1.0, horizon) for job in jobs if rng.random() < size.vanish}
        if "vanishes" in traits
        else {},
        size=size,
    )


def _due(names: Sequence[str], seed: int, level: str, size: Size) -> list[str]:
    """Return those whose turn it is in a world of some size."""
    count = size.due[level]
    if not size.spread:
        return _turn(names, seed, count)
    return [names[(seed + each * len(names) // count) % len(names)] for each in range(count)]


def _turn(names: Sequence[str], seed: int, count: int) -> list[str]:
    """Return those whose turn it is, so that a run of some size meets every one."""
    return [names[(seed * count + each) % len(names)] for each in range(count)]


@functools.cache
def _survivable(level: str) -> Sequence[str]:
    return sorted(faults.by_turn(level) - faults.ENDING)


@functools.cache
def _ending(level: str) -> Sequence[str]:
    return sorted(faults.by_turn(level) & faults.ENDING)


def _api_for(rng: Random, due: Sequence[str]) -> str:
    """Choose an API at which the faults whose turn it is can happen."""
    for name in due:
        if name in faults.LIST or name == "stale":  # which a history sees through
            return "capydb"
        if name in faults.OF_HISTORIES or name in faults.STREAM or name == "streams":
            return "bedrock"
    return rng.choice(("bedrock", "capydb"))


@functools.cache
def _apart_at(level: str, api: str) -> Sequence[str]:
    names = [name for name, levels in faults.APART.items() if level in levels and name != "more phases"]
    return [name for name in names if faults.APART_OF.get(name, api) == api]


def _apart(seed: int, level: str, mode: str, api: str, size: Size) -> dict[str, float]:
    """Choose one of the faults that have no turn, or none."""
    rng = Random(f"{seed}/{level}/{mode}/apart")
    if rng.random() >= size.apart:
        return {"more phases": 1.0} if rng.random() < size.phases else {}
    names = _apart_at(level, api)
    if size.spread and api == "bedrock":
        # It shows in few small worlds: somebody has to see a job change.
        names = [*names, "told by HTTP status", "told by HTTP status"]
    name = rng.choice(names)
    if name == "source raises" and mode == LIVENESS:
        return {}
    return {name: size.raises if name == "source raises" else 0.5}


def _of_lists(seed: int, level: str, mode: str) -> dict[str, float]:
    """Choose one of the faults of lists, or none: in small worlds on the wire few of those whose turn it is come up."""
    rng = Random(f"{seed}/{level}/{mode}/lists")
    return {rng.choice(faults.LIST): 0.6} if level == WIRE and rng.random() < 0.2 else {}


_RARE = frozenset({*faults.MEANING, *faults.LIST})
_STREAM, _TRAITS = frozenset(faults.STREAM), frozenset(faults.TRAITS)
_OF_LISTS = frozenset({*faults.LIST, "list that contradicts itself", "source raises"})


def _swarm(rng: Random, seed: int, level: str, mode: str, size: Size) -> tuple[dict[str, float], frozenset[str]]:
    """Choose which faults there are, and how often."""
    if rng.random() < 0.08:
        return {}, frozenset({"streams"} if rng.random() < 0.5 else ())
    if rng.random() < size.streams:  # nothing else is wrong, so that what streams do to looks can be told exactly
        wrong = {*_turn(faults.STREAM, seed, 1), *rng.sample(faults.STREAM, rng.choice((0, 1, 3)))}
        return {name: rng.choice((0.3, 0.6)) for name in sorted(wrong)}, frozenset({"streams"})
    names = _survivable(level)
    due = _due(names, seed, level, size)
    chosen = set(due)
    chosen.update(rng.sample(names, rng.choice(size.faults)))
    rates = {name: rng.choice(size.rates) for name in sorted(chosen) if name not in faults.TRAITS}
    rates |= {name: 0.6 if name in _RARE else 0.3 for name in due if name in rates}
    # Faults that end a watch hide what would come after, so most worlds have none of them.
    if mode == SAFETY and seed % 3 == 0:
        ending = _turn(_ending(level), seed // 3, 1)
        chosen.update(ending)
        rates |= {name: size.ending for name in ending if name not in faults.TRAITS}
    if "duplicated" in rates and "untimed" in rates:
        del rates["untimed"]  # without times, nobody can tell what is said twice from what happened twice
    if "untimed" in rates and "history behind" in rates and "whole seconds" in chosen:
        del rates["untimed"]  # with few times, and those whole seconds, nobody can tell what is old from what is new
    if "304 though changed" in rates:
        chosen.add("etags")
    if not rates.keys().isdisjoint(_STREAM):
        chosen.add("streams")
    return rates, frozenset(chosen & _TRAITS)


def _pace(rng: Random) -> Pace:
    if rng.random() < 0.4:
        return Pace()
    least = rng.choice((0.1, 0.5, 2.0))
    return Pace(
        poll_cost=log_uniform(rng, 0.005, 0.5),
        min_interval=least,
        max_interval=rng.choice((max(2.0, least * 2), 20.0, 60.0)),
    )


def _outages(rng: Random, traits: frozenset[str], horizon: float, mode: str) -> list[Outage]:
    if "outage" not in traits:
        return []
    names = (
        ("refuse", "hang", "503", "500", "html", "429", "404") if mode == SAFETY else ("refuse", "hang", "503", "429")
    )
    outages = []
    for _ in range(rng.choice((1, 1, 2))):
        start = START + rng.uniform(0.0, horizon * 0.7)
        outages.append(Outage(start, start + log_uniform(rng, 5.0, 400.0), rng.choice(names)))
    return outages


def _job(
    rng: Random, number: int, *, api: str, traits: frozenset[str], horizon: float, projects: Sequence[str]
) -> TrueJob:
    start = START + (-log_uniform(rng, 0.1, 5000.0) if rng.random() < 0.3 else rng.uniform(0.0, 3.0))
    start = round(start, 3)
    shape = rng.choice(("cms", "cms", "vision", "bare")) if api == "bedrock" else "capydb"
    if shape == "bare" and number == 0:
        shape = "cms"
    chatty = "chatty" in traits and shape in ("cms", "vision") and rng.random() < 0.6
    states = history(
        rng,
        api,
        start,
        scale=max(0.5, horizon * rng.choice((0.01, 0.05) if "history cut short" in traits else (0.02, 0.1, 0.5))),
        unknowns="unknown words" in traits,
        reopens="reopened" in traits and rng.random() < 0.6,
        chatty=chatty,
    )
    job = TrueJob(
        id=f"job-{number}" if rng.random() < 0.9 else str(1000 + number),
        shape=shape,
        project_id=rng.choice(projects) if rng.random() < 0.8 else None,
        type=rng.choice(("project.create", "project.backup", "Compare")),
        states=states,
        appears_at=start + (rng.uniform(0.5, 9.0) if "appears late" in traits else 0.0),
        style=rng.choice(STYLES),
        numeric=False,
    )
    job.numeric = job.id.isdigit()
    if job.tells_history:
        job.keeps = rng.choice((0, 1, 1, 2, 2, 3, 5, 20)) if "history cut short" in traits else 0
        job.coarse = "whole seconds" in traits and rng.random() < 0.5
        job.dated = not ("undated" in traits and rng.random() < 0.5)
        job.timeless = "without times" in traits and rng.random() < 0.5
    return job


_ODD_IDS = ("${PATH} %d", "job/%d", "job-%d?x=1#y", "job-%d%%41", "jöb-%d", "$PATH-%d", "%d//..")


def _have_apart(rng: Random, jobs: Sequence[TrueJob], traits: frozenset[str]) -> None:
    """Give jobs what faults that have no turn make of them."""
    for number, job in enumerate(jobs):
        if "odd ids" in traits and rng.random() < 0.7:
            job.id, job.numeric = rng.choice(_ODD_IDS) % number, False
        if "told by HTTP status" in traits and (rng.random() < 0.5 or number == 1 or len(jobs) == 1):
            states = told_by_status(job.states)
            if states is not None:
                job.states, job.shape, job.by_status, job.dated = states, "bare", True, False
                job.keeps, job.coarse, job.timeless = 0, False, False
        if job.tells_history and not job.timeless:
            job.newest_first = "newest first" in traits
            job.end_early = "end before its moment" in traits and not job.keeps
            job.coarse = job.coarse or job.end_early
        if "look-alike words" in traits and job.tells_history:
            job.states = looking_alike(rng, job.states)
        if "more phases" in traits and (rng.random() < 0.8 or not number):
            job.states = with_more_phases(rng, job.states, lower=job.shape == "capydb")


# --- a run -------------------------------------------------------------------------------------------------------


def simulate(seed: int, level: str = SEAM, mode: str = SAFETY) -> World:
    """Run one world, and return what happened with all that was wrong with it."""
    plan = planned(seed, level, mode)
    return played(plan)


def played(plan: Plan) -> World:
    """Run a world that has been planned."""
    server = Server(
        plan.api,
        plan.jobs,
        rates=plan.rates,
        rng=Random(f"{plan.seed}/server"),
        quiet_at=plan.quiet_at,
        outages=plan.outages,
        skew=plan.skew,
        etags=not plan.traits.isdisjoint({"etags", "weak etags"}),
        quota=plan.quota,
        lag=plan.lag,
        latency=plan.latency,
        level=plan.level,
    )
    server.vanished = plan.vanished
    if not plan.rates.keys().isdisjoint(faults.APART):
        server.apart = Random(f"{plan.seed}/server apart")
    server.weak_etags = "weak etags" in plan.traits
    world = World(plan, server, [], Counter(), [])
    try:
        with unlisted_tasks():
            _, loop = run(lambda loop: _Run(world, loop).live())
    except (Deadlock, Outside) as error:
        world.violations.append(f"the loop came to a stop: {error!r}")
    except Exception as error:  # noqa: BLE001  # whatever leaves the library is a finding
        world.violations.append(f"an exception left the library: {error!r}")
    else:
        world.violations += [f"unseen: {trouble}" for trouble in loop.troubles]
        world.violations += [f"timer left behind: {timer}" for timer in loop.left]
    world.looks = len(server.exchanges)
    world.violations += server.wrongs
    world.sometimes.update(server.fired)
    if world.looks:
        world.sometimes.update(
            plan.traits
            & {"odd ids", "look-alike words", "chatty", "reopened", "skewed clock", "unknown words", "more phases"}
        )
    oracle.judge(world)
    return world


class _Clock:
    """What the poller finds where it looks for the time of day."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def time(self) -> float:
        return EPOCH + self._loop.time()


class _Run:
    """The people of a world and what they do."""

    def __init__(self, world: World, loop: VirtualLoop) -> None:
        self.world = world
        self.plan = world.plan
        self.loop = loop
        self.rng = Random(f"{world.plan.seed}/people")
        self.clients: dict[str, Client] = {}
        self.to_come = 0
        self.origin = wire.Origin(world.server) if world.plan.level == WIRE else None

    async def live(self) -> None:
        clock = put(jobwatch._engine.clock, "time", _Clock(self.loop))
        with clock, wire.virtual_time(self.loop), disks(self.loop):
            main = self._client("main")
            tasks = [self.loop.create_task(each) for each in self._lives(main)]
            if self.plan.mode == LIVENESS:
                await self._until_known(tasks)
            else:
                await asyncio.wait(tasks, timeout=self.plan.horizon)
            pending = [task for task in tasks if not task.done()]
            self.world.closed_at = self.loop.time()
            if self.rng.random() < 0.5:
                self.world.sometimes["closed with waits going"] += bool(pending)
                await self._close()
                await asyncio.sleep(0.1)
                self.world.violations += [
                    f"still waiting after the client was closed: {heard.who} {heard.job_id}"
                    for heard in self.world.heard
                    if not heard.ending and heard.legs[0].polled and len(heard.legs) == 1
                    if heard.who not in ("iterates", "journals")
                ]
            for task in pending:
                task.cancel()
            if pending:
                await asyncio.wait(pending)
            await self._close()
            if self.origin is not None:
                await asyncio.sleep(0.05)
                self.world.violations += self.origin.open_still()
                await self.origin.aclose()
            for task in tasks:
                if task.done() and not task.cancelled() and task.exception() is not None:
                    self.world.violations.append(f"a person was surprised by {task.exception()!r}")
        await asyncio.sleep(1.0 if self.origin is not None else 0.0)
        left = [task for task in self.loop.tasks if not task.done()]
        self.world.violations += [f"task left behind: {task!r}" for task in left]

    async def _until_known(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        """Wait until everybody knows the ends that there are, or the time for that is over.

        Who waits for a job that never ends is left waiting then: for some intervals more, and no longer, since looks
        at such jobs were a third of all.
        """
        loop, end = self.loop, oracle.time_to_end(self.plan)
        least = self.plan.quiet_at + _AFTER_FAULTS * self.plan.pace.max_interval
        waiting: Collection[asyncio.Task[None]] = tasks
        while waiting and (left := end - loop.time()) > 0.0 and (loop.time() < least or self._is_open()):
            pause = max(1.0, (loop.time() - START) / 20.0)
            _, waiting = await asyncio.wait(waiting, timeout=min(pause, left))

    def _is_open(self) -> bool:
        """Whether somebody is still to come, or to learn of an end."""
        jobs = self.world.server.jobs
        return self.to_come > 0 or any(
            not heard.ending and heard.who != "all" and jobs[heard.job_id].states[-1].phase in ENDED
            for heard in self.world.heard
            if heard.job_id in jobs
        )

    async def _close(self) -> None:
        for name, client in self.clients.items():
            kept = client._history._durations  # what it would write into its file
            self.world.learned[name] = {kind: durations.seconds for kind, durations in kept.items()}
        for client in self.clients.values():
            await client.aclose()

    def _client(self, name: str) -> Client:
        plan = self.plan
        source = self._source(name)
        client = Client(
            source=source,
            pace=plan.pace,
            max_rate=plan.max_rate,
            unreachable_after=plan.unreachable_after,
            appear_within=plan.appear_within,
            max_in_flight=plan.max_in_flight,
        )
        engine_of(client).clock.uniform = Random(f"{plan.seed}/{name}").random
        self.clients[name] = client
        return client

    def _source(self, name: str) -> HttpSource:
        plan = self.plan
        api: JobAPI = BEDROCK if plan.api == "bedrock" else CAPYDB
        if "told by HTTP status" in plan.traits:
            api = replace(api, read_reply=read_by_status)
        if "more phases" in plan.traits:
            api = _with_more_phases(api)
        given, streams = Given("canary-token", "http://api.example", None), "streams" in plan.traits
        if plan.level == SEAM:
            return seam.source_of(name, self.world.server, api, given, streams=streams)
        assert self.origin is not None
        most = at_most(plan.max_in_flight)
        source = HttpSource(api, given, streams=streams, max_connections=most, max_body=wire.LARGEST)
        wire.join(name, source.transport, self.origin, streams=source.has_streams)
        return source

    def _lives(self, main: Client) -> list[Coroutine[Any, Any, None]]:
        plan, rng = self.plan, self.rng
        ids = [job.id for job in plan.jobs]
        if "never known" in plan.traits:
            ids.append("never-known")
        person = Person("main", main, self.world.heard)
        lives: list[Coroutine[Any, Any, None]] = []
        more = [rng.choice(ids) for _ in range(rng.choice(plan.size.more))] if len(ids) < 20 else []
        first = ids if plan.size.waited == 1.0 else [each for each in ids if rng.random() < plan.size.waited]
        for number, job_id in enumerate([*first, *more]):
            lives.append(self._later(self._entry(), self._life(person, number, job_id)))
        often = plan.size.parties
        if len(ids) > 1 and rng.random() < often:
            some = rng.sample(ids, min(len(ids), 4))
            most, timeout = rng.randint(1, 5), self._timeout()
            lives.append(self._later(self._entry(), lambda: person.as_they_end(some, timeout, most)))
        if len(ids) > 1 and rng.random() < often:
            several = rng.sample(ids, min(len(ids), 3))
            limit = self._timeout()
            lives.append(self._later(self._entry(), lambda: person.all_of(several, limit)))
        if "come back later" in plan.rates:
            lives += [self._wakes(main, job) for job in plan.jobs]
        keeping = Random(f"{plan.seed}/journal")
        share = plan.size.journals * (3.0 if "more phases" in plan.traits else 1.0)  # which only some worlds have
        if plan.level == SEAM and len(ids) < 20 and keeping.random() < share:
            keeper = Keeper(
                self.world, self.loop, self._client, keeping.sample(ids, keeping.randint(1, min(len(ids), 5))), keeping
            )
            lives.append(self._later(keeping.choice((0.0, 0.0, 3.0)), keeper.lives))
        if rng.random() < often:
            watching = Person("watch", self._client("watch"), self.world.heard)
            watched = rng.sample(ids, rng.randint(1, min(len(ids), 6)))
            lives.append(self._later(self._entry(), lambda: watching.watches(watched)))
        return lives

    async def _wakes(self, client: Client, job: TrueJob) -> None:
        """Wake a job each time that it enters a state, as a webhook does that comes a little later."""
        for state in job.states:
            if state.at + 0.3 > self.loop.time():
                await asyncio.sleep(state.at + 0.3 - self.loop.time())
                if client.wake(job.id):
                    self.world.wakes.append((job.id, self.loop.time()))

    def _entry(self) -> float:
        """Return when somebody comes: with the others, soon after, or late."""
        match self.rng.randrange(4):
            case 0 | 1:
                return 0.0
            case 2:
                return self.rng.uniform(0.0, 5.0)
            case _:
                return self.rng.uniform(0.0, self.plan.horizon * 0.7)

    def _timeout(self) -> float | None:
        return log_uniform(self.rng, 0.5, self.plan.horizon) if self.rng.random() < self.plan.size.limits else None

    def _life(self, person: Person, number: int, job_id: str) -> Callable[[], Coroutine[Any, Any, object]]:
        rng = self.rng
        timeout, after, changes = self._timeout(), log_uniform(rng, 0.3, self.plan.horizon), rng.randint(1, 4)
        check, pause = rng.random() < 0.5, log_uniform(rng, 0.1, 30.0)
        others = [f"other-{number}a", f"other-{number}b"][: rng.choice((1, 2))]
        stops = "more phases" in self.plan.traits and Random(f"{self.plan.seed}/stops/{number}").random() < 0.5
        match rng.randrange(12):
            case 0 | 1 | 2:
                return lambda: person.awaits(job_id, timeout, check, stops=stops)
            case 3 | 4 | 5 | 6:
                return lambda: person.iterates(job_id, timeout, stops=stops)
            case 7:
                return lambda: person.iterates(job_id, timeout, pause)
            case 8:
                return lambda: person.leaves(job_id, after, changes)
            case 9:
                return lambda: self._cut(after, person.awaits(job_id, timeout, check))
            case 10:
                return lambda: person.carries_on(job_id, after, changes, self._others(others))
            case _:
                return lambda: person.looks(job_id, self._others(others))

    def _others(self, names: Sequence[str]) -> list[tuple[str, Client]]:
        return [(name, self._client(name)) for name in names]

    async def _cut(self, after: float, life: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(life)
        try:
            done, _ = await asyncio.wait([task], timeout=after)
        finally:
            task.cancel()
        if not done:
            self.world.sometimes["cancelled in the middle"] += 1
            await asyncio.wait([task])
            if not task.cancelled():
                self.world.violations.append("a cancelled wait did not end as cancelled")
        else:
            task.result()

    async def _later(self, delay: float, life: Callable[[], Coroutine[Any, Any, object]]) -> None:
        self.to_come += 1
        if delay:
            await asyncio.sleep(delay)
        self.to_come -= 1
        await life()


def _with_more_phases(api: JobAPI) -> JobAPI:
    """Return an API that understands the words of a server whose jobs wait for people, among others."""
    one, several = api.read_job, api.read_jobs
    read_jobs = None if several is None else lambda body: tuple(meant(job) for job in several(body))
    return replace(api, read_job=lambda body: meant(one(body)), read_jobs=read_jobs)


def _trace(world: World) -> list[str]:
    lines = [
        f"{each.asked!r} {each.client} {each.path} {each.verdict} {each.answer.status} {each.faults}"
        for each in world.server.exchanges
    ]
    lines += [f"{at!r} {client} stream" for client, at in world.server.streams_asked]
    lines += [f"{each.job_id} {each.pieces[-1:]} {sorted(each.odd)}" for each in world.server.streams]
    for heard in world.heard:
        lines.append(f"{heard.began!r} {heard.who} {heard.job_id} {heard.ending} {heard.until!r}")
        lines += [f"  {at!r} {change.seq} {change.status} {change.at} {change.gap}" for at, change in heard.got]
    lines += world.violations
    return lines


__all__ = ["LIVENESS", "SAFETY", "SEAM", "WIRE", "Plan", "World", "planned", "played", "simulate"]
