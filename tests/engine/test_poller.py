"""The poller on a virtual clock: when it looks, what it never does, and what it leaves behind."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import math
import random
import time
import weakref
from collections import Counter, defaultdict
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

import jobwatch._engine.watch
from jobwatch import ConfigError, JobwatchError
from jobwatch._client.access import engine_of
from jobwatch._core.budget import Budget
from jobwatch._core.look import Looked, Policy
from jobwatch._core.pace import Pace, interval
from jobwatch._core.source import Turn
from jobwatch._core.tracker import Patience, Watched
from jobwatch._engine.poller import Poller
from jobwatch._engine.watch import IDLE, LOOKING, AwaitedWatch, Watch
from jobwatch._http.tasks import at_once
from jobwatch._models import Fault, FaultKind, Job, Outcome, Phase
from jobwatch._reading.reply import RateLimit, Reply
from jobwatch.apis import CAPYDB
from tests.scripted import EPOCH, ScriptedJob, ScriptedTransport, client_of, ended, poller_of, watched
from tests.virtual import idle_tasks, on_virtual_clock, running_loop

DOWN = Fault(FaultKind.UNREACHABLE, "no connection")
THROTTLED = Fault(FaultKind.RATE_LIMITED, "slow down", 429)


def _jobs(count: int, *, age: float = 0.0, ends: float = math.inf) -> ScriptedTransport:
    return ScriptedTransport([ScriptedJob(f"j{index}", starts=-age, ends=ends) for index in range(count)])


def _listen(poller: Poller, transport: ScriptedTransport) -> list[AwaitedWatch]:
    return [poller.listen(watched(job_id)) for job_id in transport.jobs]


def _away(seconds: float, kind: FaultKind = FaultKind.RATE_LIMITED) -> Fault:
    return Fault(kind, "come back later", 503, retry_after=seconds)


# --- when it looks -----------------------------------------------------------------------------------------------


@on_virtual_clock
async def test_the_first_look_is_at_once() -> None:
    transport = _jobs(1)
    await asyncio.sleep(1000.0)
    poller = poller_of(transport)
    poller.listen(watched("j0"))
    await asyncio.sleep(0.01)
    assert transport.times() == pytest.approx([1000.0], abs=1e-3)
    await poller.aclose()


@on_virtual_clock
async def test_looks_come_as_the_pace_says() -> None:
    pace = Pace(poll_cost=0.1, min_interval=1.0, max_interval=20.0)
    transport = _jobs(1, age=30.0)
    poller = poller_of(transport, pace=pace)
    poller.listen(watched("j0"))
    await asyncio.sleep(600.0)
    await poller.aclose()
    times = transport.times()
    assert len(times) > 30
    for number, (one, next_one) in enumerate(pairwise(times)):
        answered = one + transport.round_trip
        phase = 0.5 if number == 0 else None
        assert next_one - answered == pytest.approx(interval(pace, answered + 30.0, phase=phase), abs=1e-3)


@on_virtual_clock
async def test_the_second_look_has_a_random_phase_and_the_third_has_not() -> None:
    seconds, thirds = [], []
    for draw in (0.0, 0.25, 0.5, 0.999):
        transport = _jobs(1, age=600.0)
        transport.jobs["j0"].starts = asyncio.get_running_loop().time() - 600.0
        poller = poller_of(transport, uniform=lambda draw=draw: draw)  # type: ignore[misc]
        poller.listen(watched("j0"))
        await asyncio.sleep(60.0)
        await poller.aclose()
        first, second, third = transport.times()[:3]
        seconds.append(second - first)
        thirds.append(third - second)
    assert seconds == sorted(seconds)
    assert seconds[3] > 2.5 * seconds[0]
    assert thirds[3] < 1.1 * thirds[0]


@on_virtual_clock
async def test_jobs_that_start_together_drift_apart() -> None:
    transport = _jobs(50, age=100.0)
    poller = poller_of(transport, workers=64, uniform=random.Random(1).random)
    _listen(poller, transport)
    await asyncio.sleep(300.0)
    await poller.aclose()
    assert len({round(at, 1) for at in transport.times()[:50]}) == 1
    a_tenth = Counter(round(at, 1) for at in transport.times() if at > 5.0)
    assert max(a_tenth.values()) <= 12


@pytest.mark.slow
@on_virtual_clock
async def test_one_job_costs_one_look_however_many_listen() -> None:
    transport = _jobs(1, ends=60.0)
    poller = poller_of(transport)
    known = await asyncio.gather(*(ended(poller, "j0") for _ in range(5000)))
    assert len(set(known)) == 1
    assert len(transport.requests) <= 30
    await poller.aclose()


@on_virtual_clock
async def test_a_late_listener_hears_everything() -> None:
    transport = _jobs(1, ends=60.0)
    poller = poller_of(transport)
    first = poller.listen(watched("j0"))
    await asyncio.sleep(30.0)
    late = poller.listen(watched("j0"))
    assert late is first
    assert [each.status for each in late.log] == ["pending", "running"]
    assert late.job is not None
    await asyncio.sleep(60.0)
    assert [each.status for each in late.log] == ["pending", "running", "completed"]
    await poller.aclose()


@on_virtual_clock
async def test_the_last_one_to_leave_stops_the_looks() -> None:
    transport = _jobs(2)
    poller = poller_of(transport)
    one, two, other = (poller.listen(watched(job_id)) for job_id in ("j0", "j0", "j1"))
    await asyncio.sleep(20.0)
    poller.leave(one)
    await asyncio.sleep(20.0)
    assert len([at for at, target in transport.requests if target == "job:j0" and at > 20.0]) > 3
    poller.leave(two)
    transport.requests.clear()
    await asyncio.sleep(60.0)
    assert {target for _, target in transport.requests} == {"job:j1"}
    poller.leave(other)
    await poller.aclose()


@on_virtual_clock
async def test_a_listener_keeps_a_job_that_a_watcher_drops_and_the_other_way_round() -> None:
    transport = _jobs(1)
    poller = poller_of(transport)
    told: list[Looked] = []
    background = poller.watch(watched("j0"), lambda _watch, looked: told.append(looked))
    listener = poller.listen(watched("j0"))
    await asyncio.sleep(5.0)
    poller.drop(background)
    await asyncio.sleep(5.0)
    looks = listener.watched.looks
    await asyncio.sleep(10.0)
    assert listener.watched.looks > looks
    again = poller.watch(watched("j0"), lambda _watch, looked: told.append(looked))
    poller.leave(listener)
    await asyncio.sleep(10.0)
    assert again.watched.looks >= 3
    assert len(told) == 2
    poller.drop(again)
    await asyncio.sleep(0.1)
    assert idle_tasks() == set()
    await poller.aclose()


@on_virtual_clock
async def test_what_is_known_of_a_job_in_the_background_is_encoded_but_for_its_looks() -> None:
    transport = ScriptedTransport([ScriptedJob("j0", starts=3.0, ends=60.0)])
    poller = poller_of(transport)
    kinds: set[tuple[bool, type]] = set()
    outcomes: list[Outcome | None] = []
    watch = poller.watch(watched("j0"), lambda _watch, looked: outcomes.append(looked.outcome))
    kept = Watch.watched.__get__  # type: ignore[attr-defined]  # the slot itself
    for _ in range(7000):
        if watch.stage is not IDLE:  # it has ended, and is soon forgotten
            kinds.add((watch.stage >= LOOKING, type(kept(watch))))
        await asyncio.sleep(0.01)
    assert outcomes[-1] is Outcome.SUCCEEDED
    assert kinds == {(False, bytes), (True, Watched)}
    await poller.aclose()


@on_virtual_clock
async def test_a_watcher_and_a_listener_share_looks() -> None:
    transport = _jobs(1)
    poller = poller_of(transport)
    background = poller.watch(watched("j0"), lambda _watch, _looked: None)
    listener = poller.listen(watched("j0"))
    await asyncio.sleep(100.0)
    assert abs(background.watched.looks - listener.watched.looks) <= 1
    assert len(transport.requests) <= listener.watched.looks + 1
    await poller.aclose()


@pytest.mark.slow
@on_virtual_clock
async def test_jobs_come_and_go_while_it_runs() -> None:
    uniform = random.Random(6)
    transport = _jobs(400)
    poller = poller_of(transport, uniform=uniform.random)
    present: dict[str, AwaitedWatch] = {}
    for _ in range(4000):
        job_id = f"j{uniform.randrange(400)}"
        if job_id in present:
            poller.leave(present.pop(job_id))
        else:
            present[job_id] = poller.listen(watched(job_id))
        await asyncio.sleep(uniform.choice((0.0, 0.001, 0.05, 0.2)))
    await asyncio.sleep(80.0)
    transport.requests.clear()
    await asyncio.sleep(130.0)
    assert {target[4:] for _, target in transport.requests} == set(present)
    assert len(poller._registry) == len(present)
    for watch in present.values():
        poller.leave(watch)
    assert (poller._schedule.known, poller._schedule._budget.demand) == (0, 0.0)
    await asyncio.sleep(0.2)
    assert idle_tasks() == set()
    await poller.aclose()


# --- hurrying ----------------------------------------------------------------------------------------------------


async def _hurried(poller: Poller, watch: AwaitedWatch) -> float:
    began = poller.now()
    assert poller.look_now(watch)
    while watch.awaits_look:
        await poller.news(watch, began + 30.0)
        assert poller.now() < began + 30.0
    return poller.now() - began


@on_virtual_clock
async def test_a_hurried_look_is_made_now_and_heard_whatever_it_shows() -> None:
    transport = _jobs(1, age=3600.0)
    poller = poller_of(transport)
    watch = poller.listen(watched("j0"))
    await asyncio.sleep(10.0)
    looks = watch.watched.looks
    assert await _hurried(poller, watch) == pytest.approx(transport.round_trip, abs=0.01)
    assert watch.watched.looks == looks + 1
    await poller.aclose()


@on_virtual_clock
async def test_a_look_under_way_is_not_the_one_that_was_hurried_for() -> None:
    transport = _jobs(1)
    transport.round_trip = 2.0
    poller = poller_of(transport)
    watch = poller.listen(watched("j0"))
    await asyncio.sleep(1.0)
    assert watch.stage >= LOOKING
    assert await _hurried(poller, watch) == pytest.approx(3.0, abs=0.01)
    assert watch.watched.looks == len(transport.requests) == 2
    await poller.aclose()


def _hearing(poller: Poller, watch: AwaitedWatch) -> tuple[list[float], asyncio.Task[None]]:
    """Listen; return when it was told of something, and the task that is to be cancelled."""
    told: list[float] = []

    async def hear() -> None:
        while True:
            await poller.news(watch)
            told.append(poller.now())

    return told, asyncio.create_task(hear())


@on_virtual_clock
async def test_a_list_that_nobody_asked_for_is_not_the_look_that_was_hurried_for() -> None:
    transport = _jobs(1, age=3600.0)
    poller = poller_of(transport)
    watch = poller.listen(watched("j0"))
    await asyncio.sleep(10.0)
    told, hears = _hearing(poller, watch)
    await asyncio.sleep(0.0)
    assert poller.look_now(watch)
    body = msgspec.json.encode({"jobs": [transport.jobs["j0"].body(poller.now())]})
    poller.shown(CAPYDB.read_jobs(body))  # type: ignore[misc]  # CapyDB has lists
    await asyncio.sleep(2.0)
    assert [at for at in transport.times() if at >= 10.0] == pytest.approx([10.0], abs=1e-3)
    assert told == pytest.approx([10.0 + transport.round_trip], abs=1e-3)
    await asyncio.sleep(100.0)
    assert len(told) == 1, "there was no news"
    hears.cancel()
    await poller.aclose()


@on_virtual_clock
async def test_each_look_answers_those_who_hurried_before_it_began() -> None:
    transport = _jobs(1, age=3600.0)
    transport.round_trip = 1.0
    poller = poller_of(transport)
    watch = poller.listen(watched("j0"))
    await asyncio.sleep(10.0)
    told, hears = _hearing(poller, watch)
    for _ in range(10):
        assert poller.look_now(watch)
        await asyncio.sleep(0.9)
    await asyncio.sleep(5.0)
    looks = [at for at in transport.times() if at >= 10.0]
    assert looks == pytest.approx([10.0 + number for number in range(10)], abs=0.01)
    assert told == pytest.approx([at + 1.0 for at in looks], abs=0.01)
    hears.cancel()
    await poller.aclose()


@on_virtual_clock
async def test_hurrying_for_a_newcomer_and_twice_makes_one_look() -> None:
    transport = _jobs(1)
    poller = poller_of(transport)
    watch = poller.listen(watched("j0"))
    assert poller.look_now(watch)
    await _hurried(poller, watch)
    assert watch.watched.looks == len(transport.requests) == 1
    await poller.aclose()


@on_virtual_clock
async def test_nothing_is_hurried_while_the_origin_is_to_be_left_alone() -> None:
    transport = _jobs(2)
    transport.answer = lambda _target, now: _away(40.0) if now < 1.0 else None
    poller = poller_of(transport)
    one, two = _listen(poller, transport)
    await asyncio.sleep(1.0)
    assert not poller.look_now(one)
    assert not poller.look_now(two)
    assert not one.awaits_look
    await asyncio.sleep(38.0)
    assert len(transport.requests) == 2
    await asyncio.sleep(20.0)
    assert poller.look_now(one)
    await poller.aclose()


@on_virtual_clock
async def test_what_has_ended_is_not_hurried() -> None:
    transport = _jobs(1, ends=1.0)
    poller = poller_of(transport)
    watch = poller.listen(watched("j0"))
    await asyncio.sleep(10.0)
    assert watch.watched.outcome is Outcome.SUCCEEDED
    assert not poller.look_now(watch)
    await poller.aclose()


# --- no hot loop, ever -------------------------------------------------------------------------------------------

SILLY: dict[str, Reply | Fault] = {
    "down": DOWN,
    "throttled": THROTTLED,
    "come back in 0 s": _away(0.0),
    "come back in 0 s, down": _away(0.0, FaultKind.UNREACHABLE),
    "not JSON": Reply(200, b"x"),
    "empty": Reply(200, b""),
    "another job": Reply(200, msgspec.json.encode({"job": {"id": "other", "state": "running"}})),
    "unknown word": Reply(200, msgspec.json.encode({"job": {"id": "j0", "state": "???"}})),
    "started in the future": Reply(
        200, msgspec.json.encode({"job": {"id": "j0", "state": "running", "started_at": EPOCH + 1e7}})
    ),
    "not changed": Reply(304, b""),
}


@pytest.mark.parametrize("answer", SILLY)
@on_virtual_clock
async def test_no_answer_makes_it_hurry(answer: str) -> None:
    transport = _jobs(1)
    transport.answer = lambda _target, _now: SILLY[answer]
    transport.round_trip = 0.0
    poller = poller_of(transport, patience=Patience(unreachable_after=1e6), uniform=lambda: 0.0)
    poller.listen(watched("j0"))
    before = running_loop().steps
    await asyncio.sleep(3600.0)
    await poller.aclose()
    assert len(transport.requests) <= 300
    assert min(b - a for a, b in pairwise(transport.times())) >= 0.5
    assert running_loop().steps - before <= 20 * len(transport.requests) + 100


@pytest.mark.slow
@on_virtual_clock
async def test_the_loop_goes_round_a_few_times_a_look() -> None:
    transport = _jobs(200, age=600.0)
    poller = poller_of(transport, max_rate=7.0, uniform=random.Random(7).random)
    _listen(poller, transport)
    await asyncio.sleep(100.0)
    before, looks = running_loop().steps, len(transport.requests)
    await asyncio.sleep(1000.0)
    assert running_loop().steps - before <= 12 * (len(transport.requests) - looks)
    await poller.aclose()


@on_virtual_clock
async def test_waiting_for_nothing_costs_nothing() -> None:
    transport = _jobs(5)
    transport.answer = lambda _target, now: _away(250.0) if now < 1.0 else None
    poller = poller_of(transport)
    _listen(poller, transport)
    await asyncio.sleep(1.0)
    before = running_loop().steps
    await asyncio.sleep(200.0)
    assert running_loop().steps - before <= 10
    await poller.aclose()


# --- workers -----------------------------------------------------------------------------------------------------


class _UnderWay:
    """Counts the requests under way, and has some hang: they end in a fault after the time that a look may take."""

    def __init__(
        self, transport: ScriptedTransport, hangs: Callable[[str, float], bool] = lambda _t, _n: False
    ) -> None:
        self.most = self.now = 0
        self.most_hanging = self.hanging = 0
        self._hangs, self._really = hangs, transport.get
        self._transport = transport
        transport.get = self.get  # type: ignore[method-assign]

    async def get(self, target: str, *, etag: str | None = None, turn: Turn = at_once) -> Reply | Fault:
        self.now += 1
        self.most = max(self.most, self.now)
        hangs = self._hangs(target, asyncio.get_running_loop().time())
        self.hanging += hangs
        self.most_hanging = max(self.most_hanging, self.hanging)
        try:
            if not hangs:
                return await self._really(target, etag=etag, turn=turn)
            self._transport.requests.append((asyncio.get_running_loop().time(), target))
            await asyncio.sleep(30.0)
            return Fault(FaultKind.UNREACHABLE, "no answer within 30 s")
        finally:
            self.now -= 1
            self.hanging -= hangs


@on_virtual_clock
async def test_no_more_looks_are_under_way_than_there_are_workers() -> None:
    transport = _jobs(300)
    transport.round_trip = 3.0
    under_way = _UnderWay(transport)
    poller = poller_of(transport, workers=8)
    _listen(poller, transport)
    await asyncio.sleep(5.0)
    assert under_way.most <= 10, "until it is known that answers take 3 s"
    under_way.most = 0
    await asyncio.sleep(195.0)
    assert under_way.most == 8
    assert len(idle_tasks()) <= 10
    await poller.aclose()


@pytest.mark.parametrize("known", [0, 100])
@pytest.mark.parametrize("workers", [16, 64])
@on_virtual_clock
async def test_a_thousand_ended_jobs_are_known_as_fast_as_requests_can_go(workers: int, known: int) -> None:
    over = [ScriptedJob(f"e{number}", ends=-1.0) for number in range(1000)]
    transport = ScriptedTransport([*over, *(ScriptedJob(f"j{number}", starts=-60.0) for number in range(known))])
    poller = poller_of(transport, workers=workers)
    for number in range(known):
        poller.listen(watched(f"j{number}"))
    await asyncio.sleep(20.0)
    asked = len(transport.requests)
    await asyncio.gather(*(ended(poller, job.id) for job in over))
    bare = math.ceil(len(over) / workers) * transport.round_trip
    assert poller.now() - 20.0 <= 1.3 * bare
    assert len(transport.requests) - asked <= 1000 + known, "and those who were there are looked at as before"
    await poller.aclose()


@pytest.mark.parametrize(
    ("jobs", "round_trip", "most"), [(1000, 0.05, 0.0101), (1000, 0.033, 0.0501), (50, 0.05, 2e-4)]
)
@on_virtual_clock
async def test_of_many_jobs_those_that_come_due_together_are_looked_at_together(
    jobs: int, round_trip: float, most: float
) -> None:
    transport = _jobs(jobs, age=100.0)
    transport.round_trip = round_trip
    pace = Pace(min_interval=2.0, max_interval=2.0)
    poller = poller_of(transport, workers=64, pace=pace, uniform=random.Random(1).random)
    watches = _listen(poller, transport)
    await asyncio.sleep(30.0)
    began: dict[str, list[float]] = defaultdict(list)
    for at, target in transport.requests:
        if at > 10.0:  # before, first looks take the places of others
            began[target].append(at)
    late = [
        later - earlier - transport.round_trip - 2.0 for each in began.values() for earlier, later in pairwise(each)
    ]
    assert len(late) > 8 * jobs
    assert -1e-9 <= min(late) <= max(late) <= most
    if jobs == 1000:
        times = {round(at, 3) for at in transport.times() if at > 20.0}
        assert len(times) <= 210, "two hundred batches in ten seconds at most, of 5000 looks"
        await asyncio.sleep(0.003)
        asked, now = len(transport.requests), poller.now()
        (unhurried, *_) = [watch for watch in watches if now + 0.5 < watch.due < math.inf]
        poller.look_now(unhurried)
        await asyncio.sleep(2e-4)
        made = [at for at, target in transport.requests[asked:] if target == f"job:{unhurried.watched.job_id}"]
        assert made == [pytest.approx(now, abs=2e-4)], "but not one that somebody waits for"
    await poller.aclose()


@on_virtual_clock
async def test_after_a_pause_the_looks_at_many_jobs_are_made_up_for_at_a_quarter_more_than_usual() -> None:
    transport = _jobs(1000, age=100.0)
    pace = Pace(min_interval=2.0, max_interval=2.0)
    poller = poller_of(transport, workers=64, pace=pace, uniform=random.Random(1).random)
    _listen(poller, transport)
    await asyncio.sleep(20.0)
    poller._schedule.heed(_away(10.0, FaultKind.UNREACHABLE))
    await asyncio.sleep(10.0)
    asked, woken = len(transport.requests), 0
    work = poller._workers._work

    def counted(task: asyncio.Task[Any]) -> Any:
        nonlocal woken
        woken += 1
        return work(task)

    poller._workers._work = counted
    await asyncio.sleep(1.0)
    made = len(transport.requests) - asked
    assert 0.9 * 1.25 * 500 / 1.025 <= made <= 1.1 * 1.25 * 500, "a look takes 50 ms, so that 488 a second are usual"
    assert woken <= 3 * made, "workers that find nothing to do"
    await poller.aclose()


@on_virtual_clock
async def test_looks_that_are_due_together_begin_in_one_turn_of_the_loop() -> None:
    transport = _jobs(200, age=100.0)
    pace = Pace(min_interval=10.0, max_interval=10.0)
    poller = poller_of(transport, workers=64, pace=pace)
    watches = _listen(poller, transport)
    await asyncio.sleep(12.0)
    asked, at = len(transport.requests), poller.now() + 1.0
    for watch in watches[:40]:
        poller._schedule.put(watch, at)
    await asyncio.sleep(1.0 + 1e-4)
    turns = 0
    while len(transport.requests) < asked + 40:
        turns += 1
        await asyncio.sleep(0)
    assert turns <= 3, "an alarm that rings, workers that wake, requests that begin"
    assert len(transport.requests) == asked + 40
    await poller.aclose()


HANGING: dict[str, Callable[[str, float], bool]] = {
    "nobody": lambda _target, _now: False,
    "from their first look on": lambda target, _now: target.startswith("job:h"),
    "from 10 s on": lambda target, now: target.startswith("job:h") and now >= 10.0,
}


@pytest.mark.parametrize("comes", [0.0, 12.0, 45.0])
@pytest.mark.parametrize("when", HANGING)
@on_virtual_clock
async def test_sixteen_replies_that_hang_hold_up_no_other_job(when: str, comes: float) -> None:
    good = ScriptedJob("good", ends=comes + 20.0)
    transport = ScriptedTransport([good, *(ScriptedJob(f"h{number}") for number in range(16))])
    under_way = _UnderWay(transport, HANGING[when])
    poller = poller_of(transport, pace=Pace(min_interval=0.5, max_interval=1.0))
    for number in range(16):
        poller.listen(watched(f"h{number}"))
    await asyncio.sleep(comes)
    assert await ended(poller, "good") <= good.ends + 1.0 + 0.5 + 0.1
    looks = [comes, *transport.times("job:good")]
    assert all(later - earlier <= 1.0 + 0.5 + 0.1 for earlier, later in pairwise(looks))
    assert under_way.most <= 20
    await poller.aclose()


@on_virtual_clock
async def test_newcomers_that_hang_hold_up_no_job_that_answers_however_many_they_are() -> None:
    transport = ScriptedTransport([ScriptedJob("good"), *(ScriptedJob(f"h{number}") for number in range(200))])
    under_way = _UnderWay(transport, HANGING["from their first look on"])
    poller = poller_of(transport, pace=Pace(min_interval=0.5, max_interval=1.0))
    poller.listen(watched("good"))
    await asyncio.sleep(5.0)
    for number in range(200):
        poller.listen(watched(f"h{number}"))
    await asyncio.sleep(400.0)
    assert all(later - earlier <= 1.7 for earlier, later in pairwise(transport.times("job:good")))
    assert len({target for _, target in transport.requests}) == 201
    assert under_way.most == 20
    await poller.aclose()


@on_virtual_clock
async def test_jobs_whose_last_look_hung_leave_places_for_the_others() -> None:
    transport = ScriptedTransport([ScriptedJob(f"h{number}") for number in range(60)])
    under_way = _UnderWay(transport, HANGING["from 10 s on"])
    poller = poller_of(transport, pace=Pace(min_interval=0.5, max_interval=1.0))
    _listen(poller, transport)
    await asyncio.sleep(150.0)  # until the last look of each has hung
    under_way.most = under_way.most_hanging = 0
    await asyncio.sleep(300.0)
    assert under_way.most_hanging == under_way.most == 12
    fresh = transport.jobs["fresh"] = ScriptedJob("fresh", ends=poller.now() + 5.0)
    assert await ended(poller, "fresh") <= fresh.ends + 1.1
    assert min(Counter(target for at, target in transport.requests if at > 150.0).values()) >= 1
    await poller.aclose()


@pytest.mark.parametrize(("workers", "most"), [(1, 1), (2, 4), (16, 20)])
@on_virtual_clock
async def test_where_all_hang_no_more_are_under_way_than_there_are_places(workers: int, most: int) -> None:
    transport = _jobs(100)
    under_way = _UnderWay(transport, lambda _target, now: now >= 30.0)
    poller = poller_of(transport, workers=workers)
    _listen(poller, transport)
    await asyncio.sleep(500.0)
    assert under_way.most == most
    looks = len(transport.requests)
    await poller.aclose()
    assert len(transport.requests) == looks


@on_virtual_clock
async def test_jobs_that_answer_slowly_do_not_hold_up_the_others() -> None:
    transport = _jobs(12)
    really = transport.get

    async def slow(target: str, *, etag: str | None = None, turn: Turn = at_once) -> Reply | Fault:
        if target in {"job:j0", "job:j1", "job:j2"}:
            await asyncio.sleep(25.0)
        return await really(target, etag=etag, turn=turn)

    transport.get = slow  # type: ignore[method-assign]
    poller = poller_of(transport, workers=4)
    _listen(poller, transport)
    await asyncio.sleep(100.0)
    await poller.aclose()
    looks: defaultdict[str, list[float]] = defaultdict(list)
    for at, target in transport.requests:
        looks[target].append(at)
    for number in range(3, 12):
        assert max(b - a for a, b in pairwise(looks[f"job:j{number}"])) <= 8.0


@on_virtual_clock
async def test_one_worker_is_enough() -> None:
    transport = _jobs(40, ends=30.0)
    poller = poller_of(transport, workers=1)
    known = await asyncio.gather(*(ended(poller, job_id) for job_id in transport.jobs))
    assert max(known) <= 45.0
    await poller.aclose()


# --- when something breaks ---------------------------------------------------------------------------------------


@on_virtual_clock
async def test_row_118_what_the_look_at_one_job_raises_ends_the_watch_of_that_job_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    transport = _jobs(20, ends=60.0)
    poller = poller_of(transport)
    broken, secret = poller.listen(watched("j7")), "sk_secret"
    others = [asyncio.create_task(ended(poller, job_id)) for job_id in transport.jobs if job_id != "j7"]

    def answer(target: str, now: float) -> Reply | None:
        if target == "job:j7" and now > 5.0:
            raise ZeroDivisionError(secret)
        return None

    transport.answer = answer
    assert max(await asyncio.gather(*others)) < 70.0
    assert broken.watched.outcome is Outcome.UNREADABLE
    assert str(broken.watched.fault) == "the look failed within jobwatch: ZeroDivisionError"
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "job j7 raised ZeroDivisionError" in caplog.text
    assert "in answer" in caplog.text, "where it was raised"
    assert "sk_secret" not in caplog.text, "an exception's message may quote anything"
    await poller.aclose()


@on_virtual_clock
async def test_row_118_a_tracker_that_raises_for_one_job_of_a_list_does_not_stop_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    transport = ScriptedTransport([ScriptedJob(f"j{index}", ends=60.0, project_id="p") for index in range(8)])
    poller = poller_of(transport)
    broken = poller.listen(watched("j3"))
    others = [asyncio.create_task(ended(poller, job_id)) for job_id in transport.jobs if job_id != "j3"]
    await asyncio.sleep(5.0)
    saw = Policy.saw

    def raises(policy: Policy, watched: Watched, *args: Any, **options: Any) -> Looked:
        if watched.job_id == "j3":
            raise KeyError(watched.job_id)
        return saw(policy, watched, *args, **options)

    monkeypatch.setattr(Policy, "saw", raises)
    assert max(await asyncio.gather(*others)) < 70.0
    assert transport.times("list:"), "so that it was shown by a list"
    assert broken.watched.outcome is Outcome.UNREADABLE
    await poller.aclose()


@on_virtual_clock
async def test_row_118_a_batch_that_cannot_be_asked_for_is_asked_for_one_by_one() -> None:
    transport = _jobs(8, ends=60.0)
    poller = poller_of(transport, batch=100)

    def answer(target: str, _now: float) -> Reply | None:
        if target.startswith("batch:"):
            raise ValueError("no such batch")
        return None

    transport.answer = answer
    assert max(await asyncio.gather(*(ended(poller, job_id) for job_id in transport.jobs))) < 70.0
    assert transport.times("batch:")
    await poller.aclose()


@on_virtual_clock
async def test_row_118_what_a_job_is_asked_by_may_be_no_url() -> None:
    class Fussy(ScriptedTransport):
        def prepared(self, path: str, query: str | None = None, body: bytes | None = None) -> str:
            if path.endswith("j0"):
                raise ConfigError("not an encoded path: /a b")
            return super().prepared(path, query, body)

    poller = poller_of(Fussy([ScriptedJob("j0"), ScriptedJob("j1", ends=60.0)]))
    watch = poller.listen(watched("j0"))
    assert await ended(poller, "j1") < 70.0
    assert watch.watched.fault is not None
    assert watch.watched.fault.message == "not an encoded path: /a b"
    await poller.aclose()


@on_virtual_clock
async def test_row_118_a_watchers_function_that_raises_is_told_the_same_again() -> None:
    transport = _jobs(2, ends=60.0)
    poller = poller_of(transport)
    told: list[str] = []

    def on_look(watch: Watch, looked: Looked) -> None:
        told.extend(change.status for change in looked.transitions)
        if len(told) < 6:
            raise ValueError("on_look")

    poller.watch(watched("j0"), on_look)
    assert await ended(poller, "j1") < 70.0
    await asyncio.sleep(600.0)
    assert told == ["pending", "running", "pending", "running", "completed", "pending", "running", "completed"]
    await poller.aclose()


@pytest.mark.parametrize("drops", [False, True])
@on_virtual_clock
async def test_row_118_a_watch_whose_function_raised_is_let_go_when_it_is_dropped(drops: bool) -> None:
    transport = ScriptedTransport([ScriptedJob("j0", project_id="prj"), ScriptedJob("other")])
    poller = poller_of(transport)

    def on_look(watch: Watch, looked: Looked) -> None:
        if drops:
            poller.drop(watch)
        raise ValueError("in the look that first tells the project")

    watch = poller.watch(watched("j0"), on_look)
    mark = _mark(watch)
    await asyncio.sleep(1.0)
    looks = len(transport.requests)
    poller.drop(watch)
    del watch
    other = poller.listen(watched("other"))  # whose looks clear the queues
    await asyncio.sleep(200.0)
    assert transport.times("job:j0") == transport.times()[:looks]
    gc.collect()
    assert mark() is None
    poller.leave(other)
    await poller.aclose()


@on_virtual_clock
async def test_row_118_a_poller_that_fails_between_looks_tells_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    transport = _jobs(20)
    poller = poller_of(transport)
    waits = [asyncio.create_task(ended(poller, job_id)) for job_id in transport.jobs]
    stopped = asyncio.create_task(poller.stopped.wait())
    await asyncio.sleep(5.0)

    def broken(_budget: Budget, _now: float) -> float:
        raise ZeroDivisionError("a fault of its own")

    monkeypatch.setattr(Budget, "spend", broken)
    results = await asyncio.gather(*waits, return_exceptions=True)
    for error in results:
        assert isinstance(error, JobwatchError)
        assert isinstance(error.__cause__, ZeroDivisionError), "what broke, and no group of one"
    assert await stopped
    with pytest.raises(JobwatchError, match="a fault of its own"):
        poller.listen(watched("new"))
    looks = len(transport.requests)
    for watch in poller._registry.awaited.values():
        poller.look_now(watch)
    await asyncio.sleep(200.0)
    assert len(transport.requests) == looks, "no worker comes back"
    assert idle_tasks() == set()
    await poller.aclose()


@on_virtual_clock
async def test_a_stranger_who_cancels_the_poller_is_told_of() -> None:
    transport = _jobs(3)
    poller = poller_of(transport)
    waits = [asyncio.create_task(ended(poller, job_id)) for job_id in transport.jobs]
    await asyncio.sleep(5.0)
    for task in asyncio.all_tasks():
        if task.get_name().startswith("jobwatch"):
            task.cancel()
    results = await asyncio.gather(*waits, return_exceptions=True)
    assert {type(error) for error in results} == {JobwatchError}
    await poller.aclose()


# --- the end -----------------------------------------------------------------------------------------------------


@on_virtual_clock
async def test_nothing_is_left_on_the_loop_when_the_last_job_has_ended() -> None:
    transport = _jobs(30, ends=40.0)
    poller = poller_of(transport)
    await asyncio.gather(*(ended(poller, job_id) for job_id in transport.jobs))
    await asyncio.sleep(0.01)
    assert idle_tasks() == set()
    assert running_loop().timers() == []
    assert not poller._registry
    transport.jobs["j0"].ends = 200.0
    await ended(poller, "j0")
    await asyncio.sleep(0.01)
    assert idle_tasks() == set()
    assert running_loop().timers() == []
    await poller.aclose()


@on_virtual_clock
async def test_nothing_is_left_when_the_last_job_is_dropped_between_two_looks() -> None:
    transport = _jobs(1, age=3600.0)
    poller = poller_of(transport)
    watch = poller.listen(watched("j0"))
    await asyncio.sleep(10.0)
    poller.leave(watch)
    await asyncio.sleep(0.0)
    await asyncio.sleep(0.0)
    await asyncio.sleep(0.0)
    assert running_loop().timers() == []
    assert idle_tasks() == set()
    again = poller.listen(watched("j0"))
    await asyncio.sleep(0.2)
    assert again.watched.looks == 1
    await poller.aclose()


@pytest.mark.parametrize("steps", range(40))
@on_virtual_clock
async def test_closing_at_any_step_leaves_nothing(steps: int) -> None:
    transport = _jobs(6)
    poller = poller_of(transport, workers=3)
    waits = [asyncio.create_task(ended(poller, job_id)) for job_id in transport.jobs]
    for _ in range(steps):
        await asyncio.sleep(0.0 if steps % 2 else 0.011)
    await poller.aclose()
    for error in await asyncio.gather(*waits, return_exceptions=True):
        assert isinstance(error, JobwatchError)
    looks = len(transport.requests)
    await asyncio.sleep(100.0)
    assert len(transport.requests) == looks


@pytest.mark.parametrize("round_trip", [0.0, 0.05])
@pytest.mark.parametrize("steps", range(8))
@on_virtual_clock
async def test_no_request_begins_once_it_is_closed(steps: int, round_trip: float) -> None:
    transport = _jobs(6, age=3600.0)
    transport.round_trip = round_trip
    poller = poller_of(transport, workers=3)
    watches = _listen(poller, transport)
    await asyncio.sleep(10.0)
    for watch in watches:
        poller.look_now(watch)
    for _ in range(steps):
        await asyncio.sleep(0.0)
    looks = len(transport.requests)
    await poller.aclose()
    assert len(transport.requests) == looks


@on_virtual_clock
async def test_closing_from_another_task_and_twice_and_at_once() -> None:
    transport = _jobs(3)
    transport.round_trip = 5.0
    poller = poller_of(transport)
    watches = _listen(poller, transport)
    await asyncio.sleep(1.0)
    await asyncio.create_task(poller.aclose())
    await asyncio.gather(poller.aclose(), poller.aclose())
    await poller.aclose()
    assert idle_tasks() == set()
    with pytest.raises(JobwatchError, match="the client is closed"):
        poller.listen(watched("j0"))
    with pytest.raises(JobwatchError, match="the client is closed"):
        await poller.news(watches[0])
    poller.look_now(watches[0])
    for watch in watches:
        poller.leave(watch)
    await asyncio.sleep(100.0)
    assert len(transport.requests) == 3


@on_virtual_clock
async def test_closing_that_is_cancelled_still_tells_those_who_listen() -> None:
    transport = _jobs(1)
    poller = poller_of(transport)
    wait = asyncio.create_task(ended(poller, "j0"))
    await asyncio.sleep(1.0)
    closing = asyncio.create_task(poller.aclose())
    await asyncio.sleep(0.0)
    closing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await closing
    with pytest.raises(JobwatchError):
        await wait


@on_virtual_clock
async def test_closing_what_never_began() -> None:
    poller = poller_of(_jobs(1))
    await poller.aclose()


@pytest.mark.slow
class _Mark:
    """Lives as long as the watch that holds it; a watch itself can have no weak reference."""

    async def __call__(self) -> None:
        """Be what a watch of a job that moves awaits, which these do not."""


def _mark(watch: Watch) -> weakref.ref[_Mark]:
    mark = _Mark()
    watch.kept = mark
    return weakref.ref(mark)


@on_virtual_clock
async def test_watches_that_come_and_go_leave_no_memory() -> None:
    transport = _jobs(1)
    poller = poller_of(transport)
    keeper = poller.listen(watched("j0"))

    marks: list[weakref.ref[_Mark]] = []

    async def come_and_go(job_id: str) -> None:
        watch = poller.listen(watched(job_id))
        marks.append(_mark(watch))
        await asyncio.sleep(0.06)
        poller.leave(watch)

    for number in range(2000):
        await come_and_go(f"x{number}")
    await asyncio.sleep(120.0)
    gc.collect()
    assert len(poller._schedule._queue._heap) <= 130
    assert poller._schedule.first_looks <= 1
    assert sum(mark() is not None for mark in marks) <= 130
    poller.leave(keeper)
    await poller.aclose()


# --- Retry-After -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [FaultKind.RATE_LIMITED, FaultKind.UNREACHABLE])
@on_virtual_clock
async def test_row_37_retry_after_stops_the_whole_origin(kind: FaultKind) -> None:
    transport = _jobs(100, age=600.0)
    poller = poller_of(transport, uniform=random.Random(8).random)
    _listen(poller, transport)
    await asyncio.sleep(100.0)
    transport.answer = lambda target, now: _away(50.0, kind) if target == "job:j7" and now < 150.0 else None
    while not any(target == "job:j7" and at > 100.0 for at, target in transport.requests):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    j7 = max(at for at, target in transport.requests if target == "job:j7")
    asked = j7 + transport.round_trip
    await asyncio.sleep(100.0)
    await poller.aclose()
    assert [at for at in transport.times() if asked < at < asked + 50.0] == []
    assert [at for at in transport.times() if at >= asked + 50.0] != []


@on_virtual_clock
async def test_a_refusal_of_one_job_stops_that_job_only() -> None:
    transport = _jobs(10, age=100.0)
    not_found = Fault(FaultKind.NOT_FOUND, "not yet", 404, retry_after=50.0)
    transport.answer = lambda target, _now: not_found if target == "job:j7" else None
    poller = poller_of(transport, patience=Patience(appear_within=200.0))
    _listen(poller, transport)
    await asyncio.sleep(40.0)
    await poller.aclose()
    looks = Counter(target for _, target in transport.requests)
    assert looks["job:j7"] == 1
    assert looks["job:j0"] > 5


@on_virtual_clock
async def test_row_36_a_500_for_one_job_slows_that_job_alone() -> None:
    transport = _jobs(10, age=100.0)
    transport.answer = lambda target, _now: DOWN if target == "job:j7" else None
    poller = poller_of(transport, patience=Patience(unreachable_after=1e4))
    _listen(poller, transport)
    await asyncio.sleep(600.0)
    with_trouble = Counter(target for _, target in transport.requests)
    await poller.aclose()
    assert with_trouble["job:j7"] < with_trouble["job:j0"] / 1.5
    assert with_trouble["job:j0"] > 10


@on_virtual_clock
async def test_row_117_no_burst_when_the_origin_may_be_asked_again_under_a_budget() -> None:
    transport = _jobs(300, age=600.0)
    poller = poller_of(transport, max_rate=5.0, uniform=random.Random(9).random)
    _listen(poller, transport)
    await asyncio.sleep(200.0)
    transport.answer = lambda _target, now: _away(60.0) if 200.0 <= now < 201.0 else None
    await asyncio.sleep(200.0)
    await poller.aclose()
    a_second = Counter(int(at) for at in transport.times() if at > 201.5)
    assert max(a_second.values()) <= 7


@pytest.mark.parametrize("retry_after", [400.0, 3600.0, 1e12])
@on_virtual_clock
async def test_row_51_a_retry_after_beyond_all_patience_leaves_nobody_waiting(retry_after: float) -> None:
    transport = _jobs(20, age=100.0)
    transport.answer = lambda target, now: _away(retry_after) if target == "job:j3" and now > 50.0 else None
    poller = poller_of(transport)
    watches = _listen(poller, transport)
    await asyncio.sleep(100.0)
    asked = len(transport.requests)
    late = poller.listen(watched("late"))
    await asyncio.sleep(100.0)
    assert {watch.watched.outcome for watch in [*watches, late]} == {Outcome.UNREACHABLE}
    assert {watch.watched.fault.kind for watch in watches if watch.watched.fault} == {FaultKind.RATE_LIMITED}
    assert len(transport.requests) == asked, "and nothing is sent before the time"
    for watch in [*watches, late]:
        poller.leave(watch)
    await asyncio.sleep(min(retry_after, 86_400.0) - 120.0)
    again = poller.listen(watched("j0"))
    await asyncio.sleep(1.0)
    assert again.watched.status == "running"
    await poller.aclose()


@on_virtual_clock
async def test_row_51_a_watcher_goes_on_when_a_retry_after_beyond_all_patience_is_over() -> None:
    transport = _jobs(2, age=100.0)
    transport.answer = lambda _target, now: _away(1e12) if 50.0 < now < 60.0 else None
    poller = poller_of(transport)
    outcomes: list[Outcome] = []

    def on_look(watch: Watch, looked: Looked) -> None:
        if looked.outcome is not None:
            outcomes.append(looked.outcome)
            poller.resume(watch)

    watches = [poller.watch(watched(job_id), on_look) for job_id in transport.jobs]
    await asyncio.sleep(80.0)
    assert outcomes == [Outcome.UNREACHABLE] * 2
    asked = len(transport.requests)
    await asyncio.sleep(86_000.0)
    assert len(transport.requests) == asked
    await asyncio.sleep(1000.0)
    assert [watch.watched.fault for watch in watches] == [None, None]
    await poller.aclose()


@pytest.mark.parametrize("kind", [FaultKind.AUTH, FaultKind.UNREACHABLE, FaultKind.TLS])
@on_virtual_clock
async def test_what_was_given_up_is_looked_at_soon_and_then_slower_and_slower(kind: FaultKind) -> None:
    transport = _jobs(1, age=86_400.0)
    transport.answer = lambda _target, now: Fault(kind, "no") if now < 1000.0 else None
    poller = poller_of(transport)

    def on_look(watch: Watch, looked: Looked) -> None:
        if looked.outcome is not None:
            poller.resume(watch)

    long_ago = EPOCH - 3600.0
    known = replace(watched("j0"), looks=500, faults=90, fault=Fault(kind, "no"), failing_since=long_ago)
    known = replace(
        known, status="running", phase=Phase.RUNNING, entered_at=EPOCH, looked_at=long_ago, added_at=long_ago
    )
    watch = poller.watch(known, on_look)  # as a journal has it
    await asyncio.sleep(60.0)
    assert len(transport.requests) >= 6, "in the first minute of trouble"
    await asyncio.sleep(940.0)
    assert all(later - earlier >= 30.0 for earlier, later in pairwise(at for at in transport.times() if at > 120.0))
    await asyncio.sleep(91.0)
    assert watch.watched.fault is None
    await poller.aclose()


@on_virtual_clock
async def test_a_request_out_of_turn_is_not_made_while_the_origin_is_to_be_left_alone() -> None:
    transport = _jobs(1)
    transport.answer = lambda _target, now: _away(30.0) if now < 1.0 else None
    poller = poller_of(transport)
    looked = await poller.look(watched("j0"))
    assert looked.next_look == 30.0
    await asyncio.sleep(10.0)
    looked = await poller.look(looked.watched)
    assert looked.watched.fault is not None
    assert looked.watched.fault.retry_after == pytest.approx(20.0, abs=0.1)
    assert looked.next_look == pytest.approx(20.0, abs=0.1)
    assert isinstance(await poller.job("j0"), Fault)
    assert len(transport.requests) == 1
    await asyncio.sleep(20.1)
    assert isinstance(await poller.job("j0"), Job)
    await poller.aclose()


@on_virtual_clock
async def test_requests_out_of_turn_keep_to_the_budget() -> None:
    transport = _jobs(1)
    poller = poller_of(transport, max_rate=2.0)
    await asyncio.gather(*(poller.job("j0") for _ in range(20)))
    assert transport.times()[-1] >= 9.0
    assert transport.times()[-1] <= 10.0
    await poller.aclose()


# --- what did not change -----------------------------------------------------------------------------------------


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The bodies that were decoded."""
    bodies: list[bytes] = []
    really = type(CAPYDB).job

    def counted(self: Any, body: bytes, *args: Any, **kwargs: Any) -> Any:
        bodies.append(body)
        return really(self, body, *args, **kwargs)

    monkeypatch.setattr(type(CAPYDB), "job", counted)
    return bodies


@on_virtual_clock
async def test_a_body_like_the_last_is_not_decoded_again(decoded: list[bytes]) -> None:
    transport = _jobs(1, ends=100.0)
    poller = poller_of(transport)
    watch = poller.listen(watched("j0"))
    await asyncio.sleep(130.0)
    assert watch.watched.looks > 10
    assert watch.watched.outcome is Outcome.SUCCEEDED
    assert len(decoded) == 2
    await poller.aclose()


@on_virtual_clock
async def test_the_same_body_with_another_http_status_is_news(decoded: list[bytes]) -> None:
    transport = _jobs(1)
    body = msgspec.json.encode({"job": transport.jobs["j0"].body(0.0)})
    transport.answer = lambda _target, now: Reply(200 if now < 30.0 else 203, body)
    poller = poller_of(transport)
    poller.listen(watched("j0"))
    await asyncio.sleep(60.0)
    assert len(decoded) == 2
    await poller.aclose()


@on_virtual_clock
async def test_no_more_urls_are_kept_than_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobwatch._http.source._TARGETS_KEPT", 3)
    prepared: list[str] = []

    class Counting(ScriptedTransport):
        def prepared(self, path: str, query: str | None = None, body: bytes | None = None) -> str:
            prepared.append(path)
            return super().prepared(path, query, body)

    for count in (3, 4):
        prepared.clear()
        transport = Counting([ScriptedJob(f"j{index}") for index in range(count)])
        poller = poller_of(transport)
        _listen(poller, transport)
        await asyncio.sleep(60.0)
        assert (len(prepared) == count) == (count == 3)
        await poller.aclose()


@on_virtual_clock
async def test_row_27_a_validator_is_sent_back_and_not_changed_counts_as_good(decoded: list[bytes]) -> None:
    transport = _jobs(1, ends=100.0)

    def answer(_target: str, now: float) -> Reply:
        tag = f'"{now >= 100.0}"'
        if transport.etags[-1] == tag:
            return Reply(304, b"", etag=tag)
        return Reply(200, msgspec.json.encode({"job": transport.jobs["j0"].body(now)}), etag=tag)

    transport.answer = answer
    poller = poller_of(transport)
    watch = poller.listen(watched("j0"))
    await asyncio.sleep(60.0)
    assert watch.watched.looks == len(transport.requests) > 10
    assert watch.watched.looked_at is not None
    assert watch.watched.looked_at > EPOCH + 50.0
    assert transport.etags[:2] == [None, '"False"']
    await asyncio.sleep(70.0)
    assert watch.watched.outcome is Outcome.SUCCEEDED
    assert len(decoded) == 2
    await poller.aclose()


def _constant_etag(transport: ScriptedTransport, rate: RateLimit | None = None) -> Callable[[str, float], Reply]:
    """Answer like a server whose validator does not change when the job does."""

    def answer(_target: str, now: float) -> Reply:
        if transport.etags[-1] is not None:
            return Reply(304, b"", etag='"1"', rate=rate)
        return Reply(200, msgspec.json.encode({"job": transport.jobs["j0"].body(now)}), etag='"1"', rate=rate)

    return answer


@on_virtual_clock
async def test_an_end_is_seen_though_a_validator_never_changes() -> None:
    transport = _jobs(1, ends=20.0)
    transport.answer = _constant_etag(transport)
    poller = poller_of(transport)
    assert 20.0 < await ended(poller, "j0") < 90.0
    assert transport.etags.count('"1"') > 5, "it is sent back meanwhile"
    await poller.aclose()


@pytest.mark.parametrize("by", ["wake", "deadline"])
@on_virtual_clock
async def test_who_asks_for_a_look_is_not_answered_from_a_validator(by: str) -> None:
    transport = _jobs(1, ends=20.0)
    transport.answer = _constant_etag(transport)
    poller = poller_of(transport)
    watch = poller.listen(watched("j0"))
    await asyncio.sleep(25.0)
    assert watch.watched.outcome is None
    assert poller.wake("j0") if by == "wake" else poller.look_now(watch)
    await asyncio.sleep(1.0)
    assert watch.watched.outcome is Outcome.SUCCEEDED
    await poller.aclose()


@on_virtual_clock
async def test_a_validator_is_believed_longer_where_requests_are_scarce() -> None:
    transport = _jobs(1)
    transport.answer = _constant_etag(transport, RateLimit(remaining=5, limit=1000, reset_in=600.0))
    poller = poller_of(transport)
    poller.listen(watched("j0"))
    await asyncio.sleep(400.0)
    assert transport.etags.count(None) == 1
    await poller.aclose()


@on_virtual_clock
async def test_after_a_fault_the_whole_body_is_asked_for_and_counts_as_good(decoded: list[bytes]) -> None:
    transport = _jobs(1)
    tag = '"1"'

    def answer(_target: str, now: float) -> Reply | Fault:
        if 20.0 < now < 30.0:
            return DOWN
        if transport.etags[-1] == tag:
            return Reply(304, b"", etag=tag)
        return Reply(200, msgspec.json.encode({"job": transport.jobs["j0"].body(now)}), etag=tag)

    transport.answer = answer
    poller = poller_of(transport)
    watch = poller.listen(watched("j0"))
    await asyncio.sleep(29.0)
    assert watch.watched.faults > 1
    await asyncio.sleep(60.0)
    assert watch.watched.fault is None
    assert watch.watched.faults == 0
    assert watch.watched.failing_since is None
    assert len(decoded) == 2
    await poller.aclose()


@pytest.mark.parametrize("body", [b"not JSON", b"", b'{"job": {"id": "other", "state": "completed"}}'])
@on_virtual_clock
async def test_row_91_an_unreadable_body_that_comes_again_is_never_good(body: bytes, decoded: list[bytes]) -> None:
    transport = _jobs(1)
    transport.answer = lambda _target, now: Reply(200, body, etag='"1"') if now > 5.0 else None
    poller = poller_of(transport, patience=Patience(unreachable_after=60.0))
    watch = poller.listen(watched("j0"))
    await asyncio.sleep(50.0)
    assert watch.watched.faults == len([each for each in decoded if each == body]) > 3
    assert set(transport.etags) == {None}
    await asyncio.sleep(100.0)
    assert watch.watched.outcome is Outcome.UNREADABLE
    await poller.aclose()


@on_virtual_clock
async def test_row_95_a_reply_older_than_the_last_is_not_shown_as_the_latest() -> None:
    transport = _jobs(1)
    pending = transport.jobs["j0"].body(0.0) | {"state": "pending", "updated_at": EPOCH - 60.0, "attempts": 0}
    transport.answer = lambda _target, now: (
        Reply(200, msgspec.json.encode({"job": pending})) if 10.0 < now < 20.0 else None
    )
    poller = poller_of(transport)
    watch = poller.listen(watched("j0"))
    await asyncio.sleep(15.0)
    assert watch.watched.status == "running"
    assert watch.job is not None
    assert watch.job.status == "running"
    await poller.aclose()


# --- the fleet ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
@on_virtual_clock
async def test_many_thousand_listeners_hear_one_bell() -> None:
    transport = _jobs(1, ends=20.0)
    poller = poller_of(transport)
    watch = poller.listen(watched("j0"))
    heard = [asyncio.create_task(poller.news(watch)) for _ in range(20_000)]
    await asyncio.sleep(0.02)
    for task in heard[::2]:
        task.cancel()
    await asyncio.sleep(1.0)
    assert all(task.done() for task in heard)
    assert watch.subscribers is None
    await poller.aclose()


@pytest.mark.slow
@on_virtual_clock
async def test_row_117_ten_thousand_jobs_that_go_on_are_spread_from_their_first_look_on() -> None:
    transport = _jobs(10_000, age=3600.0)
    poller = poller_of(transport, workers=64, uniform=random.Random(10).random)
    _listen(poller, transport)
    await asyncio.sleep(125.0)
    await poller.aclose()
    first_looks: dict[str, float] = {}
    for at, target in transport.requests:
        first_looks.setdefault(target, at)
    assert len(first_looks) == 10_000
    assert max(first_looks.values()) <= 40.0
    a_second = Counter(int(at) for at in transport.times())
    steady = [a_second[second] for second in range(60, 125)]
    assert max(a_second.values()) <= 1.5 * sum(steady) / len(steady)
    looks = Counter(target for _, target in transport.requests)
    assert len(looks) == 10_000
    assert min(looks.values()) >= 2


@pytest.mark.slow
@on_virtual_clock
async def test_row_117_no_job_of_many_starves_under_a_small_budget() -> None:
    transport = _jobs(2000, age=600.0)
    poller = poller_of(transport, max_rate=20.0, uniform=random.Random(11).random)
    _listen(poller, transport)
    await asyncio.sleep(600.0)
    await poller.aclose()
    looks: defaultdict[str, list[float]] = defaultdict(lambda: [0.0])
    for at, target in transport.requests:
        looks[target].append(at)
    assert len(looks) == 2000
    assert max(max(b - a for a, b in pairwise([*times, 600.0])) for times in looks.values()) <= 3 * 2000 / 20.0


@pytest.mark.slow
@on_virtual_clock
async def test_row_117_after_an_outage_all_is_as_before() -> None:
    transport = _jobs(500, age=3600.0)
    transport.answer = lambda _target, now: DOWN if 100.0 < now < 200.0 else None
    poller = poller_of(transport, workers=64, uniform=random.Random(12).random)
    watches = _listen(poller, transport)
    await asyncio.sleep(400.0)
    assert all(watch.watched.fault is None for watch in watches)
    a_second = Counter(int(at) for at in transport.times())
    before = sum(a_second[second] for second in range(50, 100)) / 50
    assert sum(a_second[second] for second in range(300, 400)) / 100 == pytest.approx(before, rel=0.2)
    assert max(a_second[second] for second in range(101, 400)) <= 2.5 * before
    await poller.aclose()


@pytest.mark.slow
@pytest.mark.parametrize("pause", ["asked for", "suspended"])
@on_virtual_clock
async def test_row_111_after_a_pause_of_all_looks_they_are_as_spread_as_before(pause: str) -> None:
    transport = _jobs(1000, age=3600.0)
    if pause == "asked for":
        away = _away(60.0, FaultKind.UNREACHABLE)
        transport.answer = lambda _target, now: away if 100.0 < now < 101.0 else None
    poller = poller_of(transport, workers=64, uniform=random.Random(13).random)
    _listen(poller, transport)
    await asyncio.sleep(100.5)
    if pause == "suspended":
        running_loop().jump(3600.0)
    await asyncio.sleep(61.0)
    over = asyncio.get_running_loop().time()
    await asyncio.sleep(200.0)
    await poller.aclose()
    a_second = Counter(int(at) for at in transport.times())
    mean = sum(a_second[second] for second in range(40, 100)) / 60
    assert max(count for second, count in a_second.items() if second > 101) <= 1.5 * mean
    looks = Counter(target for at, target in transport.requests if at > over)
    assert len(looks) == 1000
    assert min(looks.values()) >= 3


@pytest.mark.parametrize("wall", [lambda now: now + 3600.0, lambda now: now - 3600.0, lambda _now: 0.0])
@on_virtual_clock
async def test_row_111_the_systems_time_may_jump(wall: Callable[[float], float]) -> None:
    really = time.time

    async def seen_at(clock: Callable[[], float]) -> list[float]:
        began = asyncio.get_running_loop().time()
        transport = ScriptedTransport([ScriptedJob("j0", starts=began, ends=began + 500.0)])
        transport.answer = lambda _target, now: DOWN if 250.0 < now - began < 300.0 else None
        poller = poller_of(transport, patience=Patience(unreachable_after=120.0))
        watch = poller.listen(watched("j0"))
        await asyncio.sleep(200.0)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(time, "time", clock)
            await asyncio.sleep(400.0)
        assert watch.watched.outcome is Outcome.SUCCEEDED
        await poller.aclose()
        looks = [at - began for at in transport.times()]
        return looks + [each.seen_at.timestamp() - EPOCH - began for each in watch.log]

    undisturbed = await seen_at(really)
    assert await seen_at(lambda: wall(really())) == pytest.approx(undisturbed, abs=1e-3)


@on_virtual_clock
async def test_what_is_hurried_goes_before_what_is_late() -> None:
    transport = _jobs(1000, age=3600.0)
    poller = poller_of(transport, workers=64, uniform=random.Random(14).random)
    watches = _listen(poller, transport)
    await asyncio.sleep(60.0)
    running_loop().jump(3600.0)
    await asyncio.sleep(1.0)
    last = max((watch for watch in watches if not watch.stage >= LOOKING), key=lambda watch: watch.due)
    assert await _hurried(poller, last) <= 0.2
    await poller.aclose()


@on_virtual_clock
async def test_what_is_hurried_goes_before_what_waits_for_the_budget() -> None:
    transport = _jobs(200)
    poller = poller_of(transport, max_rate=5.0, uniform=random.Random(15).random)
    watches = _listen(poller, transport)
    await asyncio.sleep(100.0)
    last = max((watch for watch in watches if not watch.stage >= LOOKING), key=lambda watch: watch.due)
    assert await _hurried(poller, last) <= 0.5
    await poller.aclose()


@on_virtual_clock
async def test_a_watched_job_of_another_engine_is_looked_at_once_a_call() -> None:
    transport = _jobs(1, ends=5.0)
    poller = poller_of(transport)
    state: Watched = watched("j0")
    looked = await poller.look(state)
    for _ in range(20):
        state = msgspec.json.decode(msgspec.json.encode(looked.watched), type=Watched)
        if looked.next_look is None:
            break
        await asyncio.sleep(looked.next_look)
        looked = await poller.look(state)
    assert looked.outcome is Outcome.SUCCEEDED
    assert len(transport.requests) == state.looks
    assert (await poller.look(state)).outcome is Outcome.SUCCEEDED
    assert len(transport.requests) == state.looks
    await poller.aclose()


# --- a job that goes on and on ----------------------------------------------------------------------------------------


@on_virtual_clock
async def test_row_112_listeners_of_a_job_that_flaps_lose_nothing_and_what_all_have_read_goes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jobwatch._engine.watch, "LOG_KEPT", 5)
    transport = _jobs(1)

    def flapping(_target: str, _now: float) -> Reply:
        count = len(transport.requests)
        told = {"id": "j0", "state": ("running", "pending")[count % 2], "updated_at": EPOCH + count}
        return Reply(200, msgspec.json.encode({"job": told}))

    transport.answer = flapping
    client = client_of(transport)
    poller = engine_of(client)
    fast, slow, awaited = client.wait_for("j0"), client.wait_for("j0"), asyncio.ensure_future(client.wait_for("j0"))
    heard = [await anext(slow)]
    seen = [(await anext(fast)).seq for _ in range(100)]
    assert seen == list(range(1, 101))
    (watch,) = poller._registry.awaited.values()
    assert len(watch.log) >= 99, "for the slow one"
    heard += [await anext(slow) for _ in range(99)]
    assert [(change.seq, change.gap) for change in heard] == [(seq, False) for seq in range(1, 101)]
    slow.close()
    seen = [(await anext(fast)).seq for _ in range(100)]
    assert len(watch.log) < 10, "the one that only awaits the end holds nothing up"
    late = [await anext(wait) for wait in [client.wait_for("j0")] for _ in range(2)]
    assert late[0].seq > 190
    assert [change.gap for change in late] == [True, False]
    fast.close()
    awaited.cancel()
    await asyncio.wait([awaited])
    await client.aclose()
