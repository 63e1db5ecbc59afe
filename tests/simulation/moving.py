"""Worlds in which jobs move to other places, show ends that they take back, and are told with validators that lie.

They are apart from the other worlds since what is right is another thing here: an end has to stand before it counts,
and what a place says is no end where it names the next. As there, a seed decides everything, the server is an object,
and time is virtual; one watcher writes a journal and dies again and again. What must hold, in the order of its rules:

* M1 **told**: every listener is told exactly what the answers that its client had add up to (see `_Model`): each state
  once and in order, an end that another state followed as a state, with the time at which a look showed it first.
* M2 **the end** is told with the answer that settles it, and with no other: a whole one, at least `stable_for` after
  the first that showed it, with nothing else in between; or one in which the API itself dates it so long ago; or the
  one by which the job is known to have gone.
* M3 **confirmed** when it is time: the look that may settle an end comes then, and neither much later nor in vain.
* M4 **moves** are followed at once, and a watcher asks at no place that its journal does not hold.
* M5 **secrets** stay at home: no request to another origin holds one.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import math
import os
import tempfile
from collections import Counter
from collections.abc import Coroutine, Generator, Iterator, Sequence
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path
from random import Random
from typing import Any, Final

import msgspec
from msgspec import Struct
from multidict import CIMultiDict

import jobwatch._engine.clock
import jobwatch._http.source
from jobwatch import Client, JobAPI, JobEnded, LookError, Outcome, Pace, Phase, WaitTimeout, Watcher
from jobwatch._client.access import engine_of
from jobwatch._core.source import Turn
from jobwatch._core.tracker import Watched
from jobwatch._http.answer import judged
from jobwatch._http.tasks import at_once
from jobwatch._models import Fault
from jobwatch._reading.reply import Reply
from jobwatch._table.compile import api_of

from .clock import START, Deadlock, Outside, VirtualLoop, put, run, unlisted_tasks
from .disk import MEMORY, Life, disks
from .truth import EPOCH, log_uniform

MOVES: Final = "moves"
HOME, HISTORY = "http://api.example", "http://history.example"
TOKEN = "canary-token-at-home"
TICK = 0.002
GONE_LOOKS, GONE_SECONDS = 3, 10.0
_SOON = 1.0

_WORDS = {
    Phase.PENDING: ("queued", "waiting"),
    Phase.RUNNING: ("running", "started"),
    Phase.SUCCEEDED: ("succeeded",),
    Phase.FAILED: ("failed", "error"),
    Phase.CANCELLED: ("cancelled",),
}
_PHASES = {word: phase for phase, words in _WORDS.items() for word in words}
_ENDS = (Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED)

SOMETIMES: Final = frozenset(
    {
        "a move followed",
        "an end taken back",
        "an end settled",
        "an end settled by its own time",
        "an end believed of a job that has gone",
        "an end in the same reply as a move",
        "a 304 though changed",
        "a life that died with an end held back",
        "a life that died after a move",
        "a time limit with an end held back",
        "another origin asked",
        "not found",
    }
)
"""What has to come up in a long run."""


class Told(Struct, frozen=True):
    """A state of a job at one of its places, and from when on it is told there."""

    word: str
    since: float


class TruePlace(Struct, frozen=True):
    """One place of a job: its URL, its states, and from when on its answers name the next place."""

    url: str
    states: tuple[Told, ...]
    moves_at: float = float("inf")

    def at(self, moment: float) -> Told | None:
        """Return the state that is told at a moment; None where nothing is known here yet."""
        return next((each for each in reversed(self.states) if each.since <= moment), None)


class TrueJob(Struct, frozen=True):
    """One job: its places in their order, and when the server forgets it."""

    id: str
    places: tuple[TruePlace, ...]
    forgotten_at: float = float("inf")


class Plan(Struct):
    """What a seed decides before anything happens."""

    seed: int
    jobs: list[TrueJob]
    stable_for: float
    pace: Pace
    traits: frozenset[str]
    latency: float
    horizon: float
    fault_rate: float
    api: str = "moving"
    rates: dict[str, float] = {}
    listens: Sequence[str] = ()


class Answer(Struct, eq=False):
    """One request and what was answered: a state, that nothing changed, no such job, or nothing."""

    client: str
    job_id: str
    url: str
    asked: float
    answered: float = float("inf")
    kind: str = "good"
    word: str = ""
    names: str = ""
    dated: float | None = None


class Listener(Struct, eq=False):
    """What somebody was told of one job, each thing with the time it came; through one client, or life after life."""

    name: str
    job_id: str
    legs: list[tuple[str, float, float]]
    timeout: float | None = None
    told: list[tuple[str, float]] = []
    outcome: Outcome | None = None
    ended_at: float = 0.0
    stood: float | None = None
    is_over: bool = False


class MovingWorld(Struct, eq=False):
    """What happened in a run."""

    plan: Plan
    answers: list[Answer]
    listeners: list[Listener]
    sometimes: Counter[str]
    violations: list[str]
    files: dict[str, Life]
    looks: int = 0
    closed_at: float = 0.0

    @property
    def trace(self) -> list[str]:
        """What happened, a line each."""
        lines = [
            f"{each.asked:.3f} {each.answered:.3f} {each.client} {each.url} {each.kind} {each.word} {each.names}"
            for each in self.answers
        ]
        for each in self.listeners:
            ending = each.outcome.value if each.outcome else "-"
            lines += [f"{each.name} {each.job_id} {ending} {each.ended_at:.3f}", f"  {each.told}"]
        return lines + self.violations

    @property
    def hash(self) -> str:
        """What tells this run from others."""
        return hashlib.sha256("\n".join(self.trace).encode()).hexdigest()[:16]


# --- a world made up ---------------------------------------------------------------------------------------------


def planned(seed: int) -> Plan:
    """Make up a world."""
    rng = Random(f"{seed}/moves/plan")
    names = ("flaps", "moves", "lying etags", "dated ends", "faults", "forgotten", "elsewhere")
    traits = frozenset(name for name in names if rng.random() < 0.5) | {names[seed % len(names)]}
    is_small = rng.random() < 0.85
    horizon = log_uniform(rng, *((40.0, 250.0) if is_small else (60.0, 400.0)))
    stable_for = rng.choice((0.0, 4.0, 10.0, 10.0, 45.0)) if "flaps" in traits else rng.choice((0.0, 10.0))
    return Plan(
        seed=seed,
        jobs=[
            _job(rng, number, traits, horizon, stable_for)
            for number in range(rng.choice((1, 1, 1, 2) if is_small else (1, 2, 3)))
        ],
        stable_for=stable_for,
        pace=Pace(min_interval=rng.choice((0.5, 1.0)), max_interval=rng.choice((2.0, 5.0, 20.0))),
        traits=traits,
        latency=log_uniform(rng, 0.005, 0.2),
        horizon=horizon,
        fault_rate=rng.choice((0.05, 0.2)) if "faults" in traits else 0.0,
        listens=rng.choice((("waits",), ("journals",), ("journals",), ("waits", "journals")))
        if is_small
        else ("waits", "journals"),
    )


def _job(rng: Random, number: int, traits: frozenset[str], horizon: float, stable_for: float) -> TrueJob:
    count = rng.choice((1, 2, 2, 3, 6)) if "moves" in traits else 1
    at, last = START + rng.uniform(-5.0, 5.0), ""
    places: list[TruePlace] = []
    for place in range(count):
        is_last = place == count - 1
        states: list[Told] = []
        for phase in _path(rng, traits, is_last=is_last):
            word = rng.choice([each for each in _WORDS[phase] if each != last] or _WORDS[phase])
            states.append(Told(word, round(at, 3)))
            last = word
            most = max(2.0, stable_for * 1.5) if phase in _ENDS else max(2.0, horizon / 12)
            at += log_uniform(rng, 0.3, most)
        origin = HISTORY if place and "elsewhere" in traits and rng.random() < 0.5 else HOME
        url = f"{HOME}/jobs/job-{number}" if not place else f"{origin}/place/{number}/{place}"
        moves_at = float("inf") if is_last else round(rng.uniform(states[0].since, at), 3)
        places.append(TruePlace(url, tuple(states), moves_at))
        if not is_last:
            at = max(moves_at, states[-1].since) - rng.choice((0.0, 0.0, 3.0))  # the next place may know more already
    forgotten_at = float("inf")
    if "forgotten" in traits and rng.random() < 0.6:
        forgotten_at = at + log_uniform(rng, 0.5, 60.0)
    return TrueJob(f"job-{number}", tuple(places), forgotten_at)


def _path(rng: Random, traits: frozenset[str], *, is_last: bool) -> list[Phase]:
    path = [Phase.PENDING] if rng.random() < 0.5 else []
    path.append(Phase.RUNNING)
    if "flaps" in traits:
        for _ in range(rng.choice((0, 1, 1, 2))):
            path += [
                rng.choice((Phase.FAILED, Phase.FAILED, Phase.SUCCEEDED)),
                rng.choice((Phase.RUNNING, Phase.PENDING)),
            ]
    if is_last or rng.random() < 0.4:  # a place may show an end and name the next in one reply
        path.append(rng.choice(_ENDS))
    return path


# --- the server -----------------------------------------------------------------------------------------------------


class _Server:
    """Answers for all places of all jobs, and keeps the record."""

    def __init__(self, world: MovingWorld) -> None:
        self.world = world
        self.rng = Random(f"{world.plan.seed}/moves/server")
        self.places = {place.url: (job, number) for job in world.plan.jobs for number, place in enumerate(job.places)}

    def answer(self, client: str, url: str, etag: str | None, now: float) -> tuple[Answer, int, bytes, dict[str, str]]:
        plan, (job, number) = self.world.plan, self.places[url]
        place = job.places[number]
        state, record = place.at(now), Answer(client, job.id, url, now)
        self.world.answers.append(record)
        if self.rng.random() < plan.fault_rate:
            record.kind = "trouble"
            return record, 503, b"{}", {}
        if state is None or now >= job.forgotten_at:
            record.kind = "missing"
            return record, 404, b"{}", {}
        headers = {"ETag": '"the same for ever"'} if "lying etags" in plan.traits else {}
        if etag is not None:
            record.kind = "same"
            self.world.sometimes["a 304 though changed"] += 1
            return record, 304, b"", headers
        record.word = state.word
        body: dict[str, object] = {"s": state.word, "u": EPOCH + state.since - 1000.0 * number, "pad": len(url)}
        if now >= place.moves_at:
            record.names = body["to"] = job.places[number + 1].url
        if "dated ends" in plan.traits:
            headers["Date"] = formatdate(EPOCH + now, usegmt=True)
            if _PHASES[state.word] in _ENDS:
                body["e"] = EPOCH + state.since
                record.dated = int(EPOCH + now) - (EPOCH + state.since)
        return record, 200, msgspec.json.encode(body), headers


class _Transport:
    """Stands where the transport stands, for one origin."""

    client = ""
    server: _Server

    def __init__(self, base_url: str, headers: dict[str, str], **options: Any) -> None:
        self.base_url = base_url
        self.headers = headers
        self.problem = options["problem"]
        self.requests = 0

    def prepared(self, path: str, query: str | None = None, body: bytes | None = None) -> str:
        assert body is None
        return self.base_url + path + (f"?{query}" if query else "")

    async def get(self, target: str, *, etag: str | None = None, turn: Turn = at_once) -> Reply | Fault:
        server, loop = self.server, asyncio.get_running_loop()
        world = server.world
        _check_secrets(world, target, self.headers)
        _check_journal(world, self.client, target)
        record, status, body, headers = server.answer(self.client, target, etag, loop.time())
        await asyncio.sleep(world.plan.latency * server.rng.uniform(0.5, 1.5))
        record.answered = loop.time()
        return judged(status, CIMultiDict(headers), body, etag=etag, problem=self.problem)

    def how_far(self, asker: object, since: float) -> str:
        return "the server did not answer"

    async def aclose(self) -> None:
        pass


def _check_secrets(world: MovingWorld, url: str, headers: dict[str, str]) -> None:
    if url.startswith(HOME):
        return
    world.sometimes["another origin asked"] += 1
    if TOKEN in str(headers) or TOKEN in url:
        world.violations.append(f"M5 a token of {HOME} went to {url}")


def _check_journal(world: MovingWorld, client: str, url: str) -> None:
    """Whoever writes a journal asks nowhere that this does not say."""
    life = world.files.get(client)
    if life is None or not life.files or "/jobs/" in url:
        return
    rows = life.files[-1]._connection.execute("SELECT watched FROM jobs").fetchall()
    places = [msgspec.json.decode(row[0], type=Watched).place for row in rows]
    if url not in {place.at for place in places if place is not None}:
        world.violations.append(f"M4 {client} asked at {url}, which its journal does not hold")


# --- those who listen ------------------------------------------------------------------------------------------------


def simulated(seed: int) -> MovingWorld:
    """Run one world, and return what happened with all that was wrong with it."""
    world = MovingWorld(planned(seed), [], [], Counter(), [], {})
    try:
        with unlisted_tasks():
            _, loop = run(lambda loop: _Run(world, loop).live())
    except (Deadlock, Outside) as error:
        world.violations.append(f"the loop came to a stop: {error!r}")
    except Exception as error:  # noqa: BLE001  # whatever leaves the library is a finding
        world.violations.append(f"an exception left the library: {error!r}")
    else:
        world.violations += [f"unseen: {trouble}" for trouble in loop.troubles]
    world.looks = len(world.answers)
    for listener in world.listeners:
        world.violations += [f"{listener.name} {listener.job_id}: {wrong}" for wrong in _wrongs(world, listener)]
    return world


class _Clock:
    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def time(self) -> float:
        return EPOCH + self._loop.time()


@functools.cache
def _api() -> JobAPI:
    return api_of(
        {
            "job": f"{HOME}/jobs/{{job_id}}",
            "status": "s",
            "updated_at": "u",
            "ended_at": "e",
            "continues_as": "to",
            "allowed_origins": [HISTORY],
            "token": "MOVING_TOKEN",
            "words": {phase.value: list(words) for phase, words in _WORDS.items()},
        },
        "moving",
    )


@contextmanager
def _token_in_environment() -> Generator[None]:
    """Have the token where whoever sends too much would find it."""
    os.environ["MOVING_TOKEN"] = TOKEN
    try:
        yield
    finally:
        del os.environ["MOVING_TOKEN"]


class _Run:
    def __init__(self, world: MovingWorld, loop: VirtualLoop) -> None:
        self.world = world
        self.plan = world.plan
        self.loop = loop
        self.rng = Random(f"{world.plan.seed}/moves/people")
        self.server = _Server(world)
        self.clients: list[Client] = []

    async def live(self) -> None:
        clock = put(jobwatch._engine.clock, "time", _Clock(self.loop))
        transport = put(jobwatch._http.source, "transport_for", lambda *_: self._transport)
        with clock, transport, _token_in_environment(), disks(self.loop):
            lives: list[Coroutine[Any, Any, None]] = []
            main = self._client("main")
            for job in self.plan.jobs if "waits" in self.plan.listens else ():
                timeout = log_uniform(self.rng, 2.0, self.plan.horizon) if self.rng.random() < 0.3 else None
                lives.append(self._waits(main, job.id, timeout))
            if "journals" in self.plan.listens:
                lives.append(self._watches([job.id for job in self.plan.jobs]))
            tasks = [self.loop.create_task(life) for life in lives]
            _, pending = await asyncio.wait(tasks, timeout=self.plan.horizon * 2 + 300.0)
            self.world.closed_at = self.loop.time()
            for task in pending:
                task.cancel()
            if pending:
                await asyncio.wait(pending)
            for client in self.clients:
                await client.aclose()
            for task in tasks:
                if task.done() and not task.cancelled() and task.exception() is not None:
                    self.world.violations.append(f"a person was surprised by {task.exception()!r}")
        await asyncio.sleep(0.0)

    def _transport(self, base_url: str, headers: dict[str, str], **options: Any) -> _Transport:
        transport = _Transport(base_url, headers, **options)
        transport.client, transport.server = self._making, self.server
        return transport

    _making = ""

    def _client(self, name: str) -> Client:
        self._making = name
        client = Client(
            _api(), token=TOKEN, pace=self.plan.pace, unreachable_after=1e6, stable_for=self.plan.stable_for
        )
        source: Any = client._source
        made = source._made

        def made_for(*given: Any, **named: Any) -> Any:
            self._making = name
            return made(*given, **named)

        source._made = made_for
        engine_of(client).clock.uniform = Random(f"{self.plan.seed}/{name}").random
        self.clients.append(client)
        return client

    async def _waits(self, client: Client, job_id: str, timeout: float | None) -> None:
        began = self.loop.time()
        heard = Listener("waits", job_id, [("main", began, float("inf"))], timeout)
        self.world.listeners.append(heard)
        wait = client.wait_for(job_id, timeout, check=False)
        try:
            async for change in wait:
                heard.told.append((change.status, change.seen_at.timestamp() - EPOCH))
            await wait
        except (JobEnded, LookError):
            pass
        except WaitTimeout as error:
            heard.stood = error.stood
        heard.outcome, heard.ended_at, heard.is_over = wait.outcome, self.loop.time(), True

    async def _watches(self, job_ids: Sequence[str]) -> None:
        """Live some lives with one journal, each but the last cut off at some moment."""
        heard = {job_id: Listener("journals", job_id, []) for job_id in job_ids}
        self.world.listeners += heard.values()
        with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
            count = self.rng.choice((1, 2, 3, 5))
            for number in range(count):
                is_last = number == count - 1
                life = Life(f"life-{number}", self.rng, lambda: None)
                self.world.files[life.name] = life
                began = self.loop.time()
                for each in heard.values():
                    each.legs.append((life.name, began, float("inf")))
                main = life.begin(self._registry(life, Path(folder) / "watch.db", heard))
                try:
                    await asyncio.wait(
                        [main], timeout=None if is_last else log_uniform(self.rng, 0.05, self.plan.horizon / 2)
                    )
                    if main.done():
                        life.saved_until = self.loop.time()
                        main.result()
                finally:
                    if not main.done():
                        self._note_death(life)
                    self.world.violations += await life.die(self.loop)
                    for each in heard.values():
                        each.legs[-1] = (*each.legs[-1][:2], life.saved_until if not is_last else float("inf"))
                if main.done() and all(each.is_over for each in heard.values()):
                    return
                await asyncio.sleep(self.rng.choice((0.1, 2.0, 15.0)))

    def _note_death(self, life: Life) -> None:
        for jobs in life.lists:
            for job in jobs._jobs.values():
                self.world.sometimes["a life that died with an end held back"] += job.watched.unsettled is not None
                self.world.sometimes["a life that died after a move"] += job.watched.place is not None

    async def _registry(self, life: Life, path: Path, heard: dict[str, Listener]) -> None:
        client = self._client(life.name)
        async with client, Watcher(client, journal=path) as watcher:
            if watcher._opened is not None:
                life.lists.append(watcher._opened.jobs)
            await watcher.add(*heard)
            async for change in watcher:
                if life.dead:
                    return
                each = heard[change.job_id]
                if change.transition is not None:
                    told = (change.transition.status, change.transition.seen_at.timestamp() - EPOCH)
                    if change.transition.seq > len(each.told):
                        each.told.append(told)
                if change.outcome is not None:
                    each.outcome, each.is_over = change.outcome, True
                    each.ended_at = change.seen_at.timestamp() - EPOCH
                if all(other.is_over for other in heard.values()):
                    await watcher.acknowledge()
                    return


# --- what is right ---------------------------------------------------------------------------------------------------


class _Model:
    """What the answers of one listener add up to, found out anew from them alone."""

    def __init__(self, stable_for: float, sometimes: Counter[str]) -> None:
        self.stable_for = stable_for
        self.told: list[tuple[str, float]] = []
        self.outcome: Outcome | None = None
        self.ended_at = 0.0
        self.held: tuple[str, float] | None = None
        self.is_beaten = False
        self._last = ""
        self._missing: list[Answer] = []
        self._was_seen = False
        self._sometimes = sometimes

    def begin_life(self) -> None:
        """Begin anew to count how often there was no such job, which no journal holds."""
        self._missing = []

    def take(self, answer: Answer) -> None:
        """Take one answer into account, unless the end is known."""
        match answer.kind:
            case _ if self.outcome is not None:
                pass
            case "missing":
                self._take_missing(answer)
            case "trouble":
                self._missing = [] if self._was_seen else self._missing
            case "same":
                self._was_seen, self._missing = True, []
            case _:
                self._was_seen, self._missing = True, []
                self._take_state(answer)

    def _take_missing(self, answer: Answer) -> None:
        self._missing.append(answer)
        is_long = answer.asked - self._missing[0].asked >= GONE_SECONDS - 1e-6
        if not is_long or (self._was_seen and len(self._missing) < GONE_LOOKS):
            return
        if self.held is not None and not self.is_beaten:
            self._sometimes["an end believed of a job that has gone"] += 1
            self._end(answer.answered)
        else:
            self._sometimes["not found"] += 1
            self.outcome, self.ended_at = Outcome.NOT_FOUND, answer.answered

    def _take_state(self, answer: Answer) -> None:
        is_end = _PHASES[answer.word] in _ENDS
        if answer.names:
            self._sometimes["a move followed"] += 1
            self._sometimes["an end in the same reply as a move"] += is_end
        if answer.word != self._last:
            if self.held is not None:
                self._sometimes["an end taken back"] += 1
                self.told.append(self.held)
                self.held = None
            if not is_end:
                self.told.append((answer.word, answer.answered))
            else:
                self.held = answer.word, answer.answered
        self._last = answer.word
        if self.held is None:
            return
        self.is_beaten = bool(answer.names)
        dates = answer.dated is not None and answer.dated >= self.stable_for
        if not self.is_beaten and (dates or answer.answered - self.held[1] >= self.stable_for):
            self._sometimes["an end settled"] += self.stable_for > 0
            self._sometimes["an end settled by its own time"] += answer.answered - self.held[1] < self.stable_for
            self._end(answer.answered)

    def _end(self, at: float) -> None:
        assert self.held is not None
        self.told.append(self.held)
        self.outcome, self.ended_at = Outcome(_PHASES[self.held[0]].value), at
        self.held = None


def _wrongs(world: MovingWorld, heard: Listener) -> Iterator[str]:
    model = _Model(world.plan.stable_for, world.sometimes)
    for client, began, until in heard.legs:
        model.begin_life()
        mine = [each for each in world.answers if each.client == client and each.job_id == heard.job_id]
        answers = [each for each in mine if began <= each.answered <= min(until, world.closed_at) + 1e-6]
        if heard.timeout is not None:
            answers = [each for each in answers if each.answered <= heard.ended_at + 1e-6]
        for number, answer in enumerate(answers):
            held = model.held
            model.take(answer)
            following = next((each for each in mine if each.asked > answer.answered - 1e-6), None)
            is_due = number + 1 < len(answers) or until == float("inf")
            if model.outcome is None and is_due and heard.timeout is None:
                yield from _wrong_look(world, model, held, answer, following)
    told = [(word, round(at, 2)) for word, at in model.told]
    if len(told) != len(heard.told) or not all(map(_is_same, model.told, heard.told)):
        yield f"M1 told {[(word, round(at, 2)) for word, at in heard.told]}, and it was {told}"
    if model.outcome is not None:
        if heard.outcome is not model.outcome:
            yield f"M2 it ended {model.outcome.value} at {model.ended_at:.3f}, and was told {heard.outcome}"
        elif abs(heard.ended_at - model.ended_at) > TICK + 0.5 * (heard.timeout is not None):
            yield f"M2 it ended at {model.ended_at:.3f}, and was told so at {heard.ended_at:.3f}"
    elif heard.outcome is Outcome.TIMEOUT:
        world.sometimes["a time limit with an end held back"] += model.held is not None
        if (heard.stood is not None) != (model.held is not None):
            yield f"M2 the time limit names {heard.stood}, and held back was {model.held}"
    elif heard.outcome in _UNREAD and heard.timeout is not None and not told:
        pass  # never seen when the time was over
    elif heard.outcome is not None:
        yield f"M2 {heard.outcome.value} was told, which no answer bears out"


_UNREAD = frozenset({Outcome.NOT_FOUND, Outcome.UNREACHABLE, Outcome.UNREADABLE})


def _is_same(one: tuple[str, float], other: tuple[str, float]) -> bool:
    return one[0] == other[0] and abs(one[1] - other[1]) <= TICK


def _wrong_look(
    world: MovingWorld, model: _Model, held: tuple[str, float] | None, answer: Answer, following: Answer | None
) -> Iterator[str]:
    """Say what is wrong with the time of the look after an answer."""
    asked = world.closed_at if following is None else following.asked
    if answer.names:
        late = asked - answer.answered
        places = {each.url for each in world.answers if following is not None and each is following}
        if late > _SOON:
            yield f"M4 the job moved at {answer.answered:.3f}, and was asked there {late:.3f} s later"
        if places and answer.names not in places:
            yield f"M4 the job moved to {answer.names} at {answer.answered:.3f}, and was asked at {places}"
        return
    if model.held is None or model.is_beaten or answer.kind != "good":
        return
    pace, began = world.plan.pace, model.held[1]
    left = began + world.plan.stable_for - answer.answered
    wanted = left / max(1, math.ceil(left / pace.max_interval - 1e-6))
    delay = asked - answer.answered
    if delay > max(wanted, pace.min_interval) + 0.1:
        yield f"M3 {model.held} was to be confirmed in {wanted:.3f} s, and was looked at in {delay:.3f} s"
    if held is None and delay < min(wanted, pace.max_interval) - 0.01:
        yield f"M3 {model.held} was to be confirmed in {wanted:.3f} s, and was looked at in vain in {delay:.3f} s"


__all__ = ["MOVES", "SOMETIMES", "MovingWorld", "planned", "simulated"]
