"""Looks that a server may hold until there is news: what it is told, what follows, and what does not wait for them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import pytest
from msgspec import Struct

from jobwatch import Client, JobBlocked, Pace, WaitTimeout
from jobwatch._client.access import engine_of
from jobwatch._core.moves import Place
from jobwatch._core.source import Seen, Turn
from jobwatch._http.requests import Given
from jobwatch._http.source import HttpSource
from jobwatch._http.tasks import at_once
from jobwatch._models import Fault, FaultKind, Job, Phase
from jobwatch._table.compile import api_of
from tests.virtual import on_virtual_clock, running_loop

ROUND_TRIP = 0.05
SOON = 0.02
PACE = Pace(min_interval=0.5, max_interval=20.0)
TABLE = {"job": "http://a.test/{job_id}?wait={long_poll}", "status": "s", "long_poll": "60s"}
CONSTANT = TABLE | {"job": "http://a.test/{job_id}?wait=60"}


class Look(Struct):
    """One look as the server met it: when, of which job, for how long it might be held, and until when it was."""

    at: float
    job_id: str
    hold: float
    until: float | None = None


class Holding(HttpSource):
    """A server that holds a question until the job changes, or for as long as it was told, without a network.

    Args:
        changes: When each job enters which state.
        table: What the API's table says.
        holds: For how long it really holds one, of so many seconds.
    """

    def __init__(
        self,
        changes: dict[str, list[tuple[float, str]]],
        table: dict[str, str] | None = None,
        holds: Callable[[float], float] = lambda told: told,
    ) -> None:
        super().__init__(api_of(table or TABLE, "own"), Given(None, None, None))
        self.changes, self.holds = changes, holds
        self.looks: list[Look] = []
        self.answer: Callable[[str, float], Fault | None] = lambda _job_id, _now: None
        self.most_under_way = 0

    async def job(
        self,
        job_id: str,
        status: str | None = None,
        memo: object = None,
        turn: Turn = at_once,
        place: Place | None = None,
        *,
        hold: float = 0.0,
    ) -> Seen:
        time = running_loop().time
        look = Look(time(), job_id, hold)
        self.looks.append(look)
        under_way = [each for each in self.looks if each.until is None]
        self.most_under_way = max(self.most_under_way, len(under_way))
        try:
            hold = hold if self.tells_hold else self.long_poll
            news = [at for at, _ in self.changes[job_id] if at > look.at]
            await asyncio.sleep(min([self.holds(hold), *(at - look.at for at in news)]) + ROUND_TRIP)
        finally:
            look.until = time()
        fault = self.answer(job_id, time())
        if fault is not None:
            return Seen(fault)
        state = [state for at, state in self.changes[job_id] if at <= time()][-1]
        return Seen(Job(id=job_id, api="own", status=state, phase=_PHASES.get(state, Phase.RUNNING)))

    def times(self, job_id: str = "j") -> list[float]:
        return [look.at for look in self.looks if look.job_id == job_id]

    def held(self, job_id: str = "j") -> list[float]:
        return [look.hold for look in self.looks if look.job_id == job_id]


_PHASES = {"queued": Phase.PENDING, "asks": Phase.BLOCKED, "done": Phase.SUCCEEDED}


def _client(source: HttpSource, **options: Any) -> Client:
    kept: dict[str, Any] = {"pace": PACE} | options
    client = Client(source=source, **kept)
    engine_of(client).clock.uniform = lambda: 0.5
    return client


async def _in_time(waiting: Awaitable[object]) -> float:
    await waiting
    return running_loop().time()


@on_virtual_clock
async def test_the_first_look_shows_what_is_and_the_next_are_held_one_after_the_other() -> None:
    source = Holding({"j": [(0.0, "running"), (150.0, "done")]})
    async with _client(source) as client:
        at = await _in_time(client.wait_for("j"))
    assert at == pytest.approx(150.0 + ROUND_TRIP, abs=SOON)
    assert source.held() == [0.0, 60.0, 60.0, 60.0]
    assert source.times() == pytest.approx([0.0, 0.5, 60.55, 120.6], abs=SOON)


@on_virtual_clock
async def test_a_look_that_told_news_is_followed_at_once() -> None:
    source = Holding({"j": [(0.0, "queued"), (10.0, "running"), (15.0, "done")]})
    async with _client(source) as client:
        at = await _in_time(client.wait_for("j"))
    assert at == pytest.approx(15.0 + ROUND_TRIP, abs=SOON)
    assert source.times() == pytest.approx([0.0, 0.5, 10.05], abs=SOON)


@on_virtual_clock
async def test_a_server_that_does_not_hold_is_asked_at_the_usual_pace() -> None:
    source = Holding({"j": [(0.0, "running"), (100.0, "done")]}, holds=lambda _told: 0.0)
    async with _client(source) as client:
        await client.wait_for("j")
    assert len(source.looks) < 60
    assert min(b - a for a, b in pairwise(source.times())) >= PACE.min_interval


@on_virtual_clock
async def test_a_server_that_has_news_in_each_answer_is_asked_no_more_often_than_the_shortest_interval() -> None:
    source = Holding({"j": [(n / 10, f"step {n}") for n in range(200)] + [(20.0, "done")]})
    async with _client(source) as client:
        await client.wait_for("j")
    assert min(b - a for a, b in pairwise(source.times())) >= PACE.min_interval - 1e-3


@on_virtual_clock
async def test_half_of_the_time_is_held_enough() -> None:
    source = Holding({"j": [(0.0, "running"), (100.0, "done")]}, holds=lambda told: told / 2)
    async with _client(source) as client:
        assert await _in_time(client.wait_for("j")) == pytest.approx(100.05, abs=SOON)
    assert source.times() == pytest.approx([0.0, 0.5, 30.55, 60.6, 90.65], abs=SOON)


# --- a time limit ----------------------------------------------------------------------------------------------------


@on_virtual_clock
async def test_a_look_is_held_no_longer_than_somebody_waits_and_the_last_one_not_at_all() -> None:
    source = Holding({"j": [(0.0, "running")]})
    async with _client(source) as client:
        with pytest.raises(WaitTimeout):
            await client.wait_for("j", timeout=90.0)
        assert running_loop().time() == pytest.approx(90.0, abs=0.1)
    assert source.held() == [0.0, 60.0, 29.0, 0.0]
    assert (
        90.0 - 4 * ROUND_TRIP < source.times()[-1] < 90.0
    )  # how long one is held says nothing of what an answer takes


@on_virtual_clock
async def test_a_job_that_ends_just_before_the_time_limit_is_known_in_time() -> None:
    source = Holding({"j": [(0.0, "running"), (89.8, "done")]})
    async with _client(source) as client:
        assert (await client.wait_for("j", timeout=90.0)).status == "done"


@on_virtual_clock
async def test_a_look_that_is_held_for_too_long_is_ended_for_the_last_one() -> None:
    source = Holding({"j": [(0.0, "running")]}, holds=lambda told: 1000.0 * told)
    async with _client(source) as client:
        with pytest.raises(WaitTimeout):
            await client.wait_for("j", timeout=10.0)
        assert running_loop().time() == pytest.approx(10.0, abs=0.1)
    last = source.looks[-1]
    assert (last.hold, last.at < 10.0) == (0.0, True)
    assert source.looks[-2].until == pytest.approx(last.at, abs=SOON)


@on_virtual_clock
async def test_the_nearest_of_several_time_limits_counts_and_the_others_go_on() -> None:
    source = Holding({"j": [(0.0, "running"), (100.0, "done")]})
    async with _client(source) as client:
        short, long = client.wait_for("j", timeout=20.0), client.wait_for("j", timeout=300.0)
        longer = asyncio.ensure_future(long)
        with pytest.raises(WaitTimeout):
            await short
        assert running_loop().time() == pytest.approx(20.0, abs=0.1)
        assert (await longer).status == "done"
        assert running_loop().time() == pytest.approx(100.05, abs=SOON)


@on_virtual_clock
async def test_who_comes_while_a_look_is_held_is_answered_by_the_time_limit() -> None:
    source = Holding({"j": [(0.0, "running"), (100.0, "done")]})
    async with _client(source) as client:
        first = asyncio.ensure_future(client.wait_for("j"))
        await asyncio.sleep(10.0)
        with pytest.raises(WaitTimeout):
            await client.wait_for("j", timeout=5.0)
        assert running_loop().time() == pytest.approx(15.0, abs=0.1)
        assert (await first).status == "done"


# --- wakes, faults, cancelling ---------------------------------------------------------------------------------------


@on_virtual_clock
async def test_a_wake_up_ends_a_look_that_is_held_and_has_one_made_that_is_not() -> None:
    source = Holding({"j": [(0.0, "running"), (100.0, "done")]}, holds=lambda told: told)
    async with _client(source) as client:
        waiting = asyncio.ensure_future(client.wait_for("j"))
        await asyncio.sleep(10.0)
        source.changes["j"] = [(0.0, "running"), (9.0, "done")]  # of which the look that is held does not know
        assert client.wake("j")
        assert await _in_time(waiting) == pytest.approx(10.0 + ROUND_TRIP, abs=SOON)
    assert source.held() == [0.0, 60.0, 0.0]


@on_virtual_clock
async def test_a_wake_up_in_vain_is_followed_by_a_look_that_is_held() -> None:
    source = Holding({"j": [(0.0, "running"), (50.0, "done")]})
    async with _client(source) as client:
        waiting = asyncio.ensure_future(client.wait_for("j"))
        await asyncio.sleep(10.0)
        client.wake("j")
        assert await _in_time(waiting) == pytest.approx(50.0 + ROUND_TRIP, abs=SOON)
    assert source.held() == [0.0, 60.0, 0.0, 60.0]


@on_virtual_clock
async def test_wake_ups_by_the_hundred_make_few_looks() -> None:
    source = Holding({"j": [(0.0, "running"), (50.0, "done")]})
    async with _client(source) as client:
        waiting = asyncio.ensure_future(client.wait_for("j"))
        await asyncio.sleep(5.0)
        for _ in range(500):
            client.wake("j")
            await asyncio.sleep(0.01)
        assert len(source.looks) <= 2 + 2 * 5.0 / PACE.min_interval
        await waiting


@on_virtual_clock
async def test_who_wakes_where_the_server_is_not_told_for_how_long_ends_no_look() -> None:
    source = Holding({"j": [(0.0, "running"), (50.0, "done")]}, CONSTANT)
    async with _client(source) as client:
        waiting = asyncio.ensure_future(client.wait_for("j"))
        await asyncio.sleep(10.0)
        client.wake("j")
        assert await _in_time(waiting) == pytest.approx(50.0 + ROUND_TRIP, abs=SOON)
    assert len(source.looks) == 1


@on_virtual_clock
async def test_what_fails_is_looked_at_again_at_the_pace_of_faults_and_not_held() -> None:
    source = Holding({"j": [(0.0, "running"), (200.0, "done")]})
    source.answer = lambda _job_id, now: Fault(FaultKind.UNREACHABLE, "cut") if 1.0 < now < 70.0 else None
    async with _client(source) as client:
        assert await _in_time(client.wait_for("j")) == pytest.approx(200.0 + ROUND_TRIP, abs=SOON)
    failing = [look for look in source.looks if 60.0 < look.at < 70.0]
    assert failing
    assert {look.hold for look in failing} == {0.0}


@on_virtual_clock
async def test_who_leaves_ends_the_look_that_is_held() -> None:
    source = Holding({"j": [(0.0, "running")]})
    async with _client(source) as client:
        waiting = asyncio.ensure_future(client.wait_for("j"))
        await asyncio.sleep(10.0)
        waiting.cancel()
        await asyncio.wait([waiting])
        await asyncio.sleep(0.1)
        assert source.looks[-1].until == pytest.approx(10.0, abs=SOON)


@on_virtual_clock
async def test_closing_ends_the_look_that_is_held() -> None:
    source = Holding({"j": [(0.0, "running")]})
    client = _client(source)
    waiting = asyncio.ensure_future(client.wait_for("j"))
    await asyncio.sleep(10.0)
    await client.aclose()
    assert source.looks[-1].until == pytest.approx(10.0, abs=SOON)
    await asyncio.wait([waiting])
    assert waiting.exception() is not None


@on_virtual_clock
async def test_no_look_is_held_until_it_is_confirmed_that_somebody_has_to_act() -> None:
    source = Holding({"j": [(0.0, "running"), (5.0, "asks")]})
    async with _client(source) as client:
        with pytest.raises(JobBlocked):
            await client.wait_for("j", fail_on={"blocked"})
        assert running_loop().time() == pytest.approx(15.2, abs=0.2)
    assert source.held() == [0.0, 60.0, *[0.0] * 6]


@on_virtual_clock
async def test_a_job_that_waits_for_somebody_is_held_as_any_other_once_that_is_known() -> None:
    source = Holding({"j": [(0.0, "asks"), (100.0, "done")]})
    async with _client(source) as client:
        assert await _in_time(client.wait_for("j")) == pytest.approx(100.0 + ROUND_TRIP, abs=SOON)
    assert source.held() == [*[0.0] * 7, 60.0, 60.0]


# --- places ----------------------------------------------------------------------------------------------------------


@on_virtual_clock
async def test_looks_that_are_held_have_places_of_their_own_and_keep_no_other_waiting() -> None:
    jobs = {f"h{n:02}": [(0.0, "running"), (300.0, "done")] for n in range(40)}
    source = Holding(jobs)
    async with _client(source, max_in_flight=4) as client:
        waits = [asyncio.ensure_future(client.wait_for(job_id)) for job_id in jobs]
        await asyncio.sleep(50.0)
        held = [look for look in source.looks if look.until is None and look.hold]
        assert len(held) == 4
        begun = running_loop().time()
        jobs["new"] = [(0.0, "running"), (begun + 30.0, "done")]
        assert await _in_time(client.wait_for("new")) < begun + 30.0 + 5.0
        for wait in waits:
            await wait
    assert source.most_under_way <= 4 + 4 + 2


@on_virtual_clock
async def test_with_one_place_the_one_job_is_held_and_another_is_still_looked_at() -> None:
    source = Holding({"j": [(0.0, "running"), (100.0, "done")], "k": [(0.0, "running"), (40.0, "done")]})
    async with _client(source, max_in_flight=1) as client:
        one, other = asyncio.ensure_future(client.wait_for("j")), asyncio.ensure_future(client.wait_for("k"))
        assert await _in_time(other) < 45.0
        assert await _in_time(one) == pytest.approx(100.0 + ROUND_TRIP, abs=SOON)


@on_virtual_clock
async def test_a_job_that_is_held_costs_one_request_for_as_long_as_it_is_held() -> None:
    source = Holding({"j": [(0.0, "running"), (600.0, "done")]})
    async with _client(source, max_rate=0.5) as client:
        waiting = asyncio.ensure_future(client.wait_for("j"))
        await asyncio.sleep(100.0)
        assert engine_of(client)._schedule._budget.demand == pytest.approx(1 / 60)
        assert await _in_time(waiting) == pytest.approx(600.0, abs=5.0)
    assert len(source.looks) <= 14
