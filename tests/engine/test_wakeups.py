"""Waking a job: a look now, and no more than one, whoever wakes it, however often and whenever."""

from __future__ import annotations

import asyncio
import math

import msgspec
import pytest

from jobwatch import Client, Pace, Watcher
from jobwatch._client.access import engine_of
from jobwatch._engine.poller import Poller
from jobwatch._http.source import Memo
from jobwatch._models import Fault, FaultKind, Outcome
from jobwatch._reading.reply import Reply
from jobwatch.apis import CAPYDB
from tests.scripted import ScriptedJob, ScriptedTransport, client_of, poller_of, watched
from tests.virtual import on_virtual_clock

SLOW = Pace(min_interval=5.0, max_interval=600.0, poll_cost=1e6)
"""A pace that hardly looks by itself."""


async def begun(*jobs: ScriptedJob, pace: Pace = SLOW) -> tuple[Poller, ScriptedTransport]:
    """Give a poller that listens to jobs, after the first look at each; the next is minutes away."""
    transport = ScriptedTransport(list(jobs))
    poller = poller_of(transport, pace=pace)
    for job in jobs:
        poller.listen(watched(job.id))
    await asyncio.sleep(10.0)
    transport.requests.clear()
    return poller, transport


@on_virtual_clock
async def test_a_wake_is_one_look_at_once_and_brings_the_news() -> None:
    poller, transport = await begun(ScriptedJob("a", ends=20.0))
    watch = poller.listen(watched("a"))
    await asyncio.sleep(20.0)
    assert transport.requests == []
    assert poller.wake("a")
    await poller.news(watch)
    assert watch.watched.outcome is Outcome.SUCCEEDED
    assert poller.now() == pytest.approx(30.0 + transport.round_trip)
    assert transport.times() == pytest.approx([30.0])
    await poller.aclose()


@on_virtual_clock
async def test_many_wakes_at_once_are_one_look() -> None:
    poller, transport = await begun(ScriptedJob("a"))
    assert all(poller.wake("a") for _ in range(1000))
    await asyncio.sleep(4.0)
    assert len(transport.requests) == 1
    await poller.aclose()


@on_virtual_clock
async def test_a_wake_during_a_look_is_one_look_more_since_that_one_may_show_what_was_before() -> None:
    poller, transport = await begun(ScriptedJob("a", ends=10.06))
    transport.round_trip = 0.1
    transport.answer = lambda _target, now: transport._reply(
        {"job": transport.jobs["a"].body(now - transport.round_trip)}, now
    )
    watch = poller.listen(watched("a"))
    poller.wake("a")
    await asyncio.sleep(0.07)
    for _ in range(100):
        assert poller.wake("a")
    await poller.news(watch)
    assert watch.watched.outcome is Outcome.SUCCEEDED
    assert transport.times() == pytest.approx([10.0, 15.0], abs=1e-3)
    await poller.aclose()


@on_virtual_clock
async def test_wakes_without_end_are_as_many_looks_as_the_shortest_interval_allows_and_the_last_counts() -> None:
    poller, transport = await begun(ScriptedJob("a"))
    for _ in range(1000):
        poller.wake("a")
        await asyncio.sleep(0.1)
    assert transport.times() == pytest.approx([10.0 + 5.0 * number for number in range(20)], abs=1e-2)
    await asyncio.sleep(5.0)
    assert transport.times()[-1] == pytest.approx(110.0, abs=1e-2)
    assert len(transport.requests) == 21
    await poller.aclose()


@on_virtual_clock
async def test_a_wake_that_another_look_overtakes_takes_no_turn() -> None:
    poller, transport = await begun(ScriptedJob("a"))
    watch = poller.listen(watched("a"))
    poller.wake("a")
    for _ in range(3):
        await asyncio.sleep(0.1)
        assert poller.wake("a")
        assert poller.look_now(watch)
    await asyncio.sleep(0.1)
    assert poller.wake("a")
    await asyncio.sleep(40.0)
    assert transport.times() == pytest.approx([10.0, 10.1, 10.2, 10.3, 15.0], abs=1e-2)
    await poller.aclose()


@on_virtual_clock
async def test_a_wake_makes_no_first_look_later() -> None:
    poller, transport = await begun(ScriptedJob("a"))
    poller.wake("a")
    await asyncio.sleep(0.1)
    poller.watch(watched("a"), lambda _watch, _looked: None)
    assert poller.wake("a")
    await asyncio.sleep(8.0)
    assert transport.times() == pytest.approx([10.0, 10.1], abs=1e-2), "which is after the wake, and serves both"
    await poller.aclose()


@on_virtual_clock
async def test_a_wake_waits_while_the_origin_asks_to_be_left_alone_and_is_not_forgotten() -> None:
    poller, transport = await begun(ScriptedJob("a", ends=12.0), ScriptedJob("b"))
    transport.answer = lambda _target, _now: Fault(FaultKind.UNREACHABLE, "back soon", 503, retry_after=30.0)
    poller.wake("b")
    await asyncio.sleep(1.0)
    transport.answer = lambda _target, _now: None
    transport.requests.clear()
    watch = poller.listen(watched("a"))
    assert poller.wake("a")
    await poller.news(watch)
    assert watch.watched.outcome is Outcome.SUCCEEDED
    assert [at for at, target in transport.requests if target == "job:a"] == pytest.approx([40.05], abs=1e-2)
    await poller.aclose()


@on_virtual_clock
async def test_a_wake_during_a_retry_after_beyond_all_patience_is_no_look_at_all() -> None:
    transport = ScriptedTransport([ScriptedJob("a")])
    transport.answer = lambda _target, _now: Fault(FaultKind.RATE_LIMITED, "slow down", 429, retry_after=2000.0)
    async with client_of(transport, pace=SLOW) as client, Watcher(client) as watcher:
        await watcher.add("a")
        await asyncio.sleep(10.0)
        watch = engine_of(client)._registry.background["a"]
        looks = watch.watched.looks
        for _ in range(50):
            assert watcher.wake("a")
            await asyncio.sleep(5.0)
        assert (watch.watched.looks, len(transport.requests)) == (looks, 1)


@on_virtual_clock
async def test_who_is_not_watched_any_more_or_never_was_is_not_woken() -> None:
    poller, transport = await begun(ScriptedJob("a", ends=0.01), ScriptedJob("b"))
    assert not poller.wake("nobody")
    assert not poller.wake("a")  # has ended
    watch = poller.listen(watched("b"))
    poller.leave(watch)
    assert poller.wake("b")  # the first one still listens
    poller.leave(watch)
    assert not poller.wake("b")
    assert not poller.wake_project("nowhere")
    await asyncio.sleep(10.0)
    assert len(transport.requests) <= 1
    assert poller._wakeups.woken == set()
    assert poller._wakeups._turns == poller._wakeups._by == {}
    await poller.aclose()
    assert not poller.wake("b")


@on_virtual_clock
async def test_a_job_that_waits_for_its_first_look_is_looked_at_at_once() -> None:
    transport = ScriptedTransport([ScriptedJob(f"j{number}") for number in range(1000)])
    poller = poller_of(transport, pace=SLOW)
    for job_id in transport.jobs:
        poller.listen(watched(job_id))
    poller.wake("j999")
    await asyncio.sleep(0.2)
    assert 0 < [target for _, target in transport.requests].index("job:j999") < 100
    await asyncio.sleep(10.0)
    assert [target for _, target in transport.requests].count("job:j999") == 1
    await poller.aclose()


@on_virtual_clock
async def test_a_watcher_and_a_wait_for_the_same_job_are_woken_by_one_look() -> None:
    transport = ScriptedTransport([ScriptedJob("a", ends=20.0)])
    poller = poller_of(transport, pace=SLOW)
    poller.watch(watched("a"), lambda _watch, _looked: None)
    watch = poller.listen(watched("a"))
    await asyncio.sleep(10.0)
    transport.requests.clear()
    assert poller.wake("a")
    await asyncio.sleep(0.02)
    assert poller.wake("a")
    poller.leave(watch)  # whose look was under way, and is not made to its end
    await asyncio.sleep(12.0)
    assert transport.times() == pytest.approx([10.0, 15.0], abs=1e-3)
    await poller.aclose()


@on_virtual_clock
async def test_the_wake_outlives_the_wait_whose_look_was_under_way() -> None:
    poller, transport = await begun(ScriptedJob("a"))
    poller.watch(watched("a"), lambda _watch, _looked: None)
    await asyncio.sleep(10.0)
    watch = poller._registry.awaited["a"]
    watch.memo = Memo(0, '"one"', math.inf)  # so that a reply to its look cannot serve the other
    transport.round_trip = 1.0
    assert poller.look_now(watch)
    await asyncio.sleep(0.5)
    assert poller.wake("a")
    assert len(transport.requests) == 2
    poller.leave(watch)
    await asyncio.sleep(5.0)
    assert transport.times()[2:] == pytest.approx([20.5], abs=1e-3)
    await poller.aclose()


# --- projects ----------------------------------------------------------------------------------------------------


def project(size: int, ends: float = 30.0) -> list[ScriptedJob]:
    return [ScriptedJob(f"p{number}", ends=ends, project_id="prj") for number in range(size)]


@on_virtual_clock
async def test_a_project_is_woken_by_one_list() -> None:
    poller, transport = await begun(*project(20), ScriptedJob("other", project_id="else"))
    await asyncio.sleep(25.0)
    transport.requests.clear()
    assert poller.wake_project("prj")
    await asyncio.sleep(1.0)
    assert [target.partition("?")[0] for _, target in transport.requests] == ["list:prj"]
    assert {watch.watched.outcome for job_id, watch in poller._registry.awaited.items() if job_id != "other"} == {
        Outcome.SUCCEEDED
    }
    await poller.aclose()


@pytest.mark.parametrize("asked_by", ["list", "batch"])
@on_virtual_clock
async def test_a_job_that_is_asked_for_by_itself_is_woken_with_its_project(asked_by: str) -> None:
    transport = ScriptedTransport(project(3, ends=600.0))

    def answer(target: str, now: float) -> Reply | None:
        shown = [job.body(now) for job in transport.jobs.values() if job.id != "p1"]
        return transport._reply({"jobs": shown}, now) if target.startswith(("list:", "batch:")) else None

    transport.answer = answer
    poller = poller_of(transport, pace=SLOW, batch=100 if asked_by == "batch" else None)
    watches = {job_id: poller.listen(watched(job_id)) for job_id in transport.jobs}
    await asyncio.sleep(10.0)
    poller.wake_project("prj")
    await asyncio.sleep(10.0)
    assert watches["p1"].alone
    transport.requests.clear()
    assert poller.wake_project("prj")
    await asyncio.sleep(1.0)
    assert sorted(target.partition(":")[0] for _, target in transport.requests) == ["job", "list"]
    assert transport.times("job:p1") == pytest.approx([20.0], abs=1e-3)
    poller.leave(watches.pop("p0"))
    poller.leave(watches.pop("p2"))
    await asyncio.sleep(10.0)
    assert poller.wake_project("prj"), "though no list is read any more"
    await asyncio.sleep(1.0)
    assert transport.times("job:p1")[1:] == pytest.approx([31.0], abs=1e-3)
    poller.leave(watches.pop("p1"))
    assert not poller.wake_project("prj")
    await poller.aclose()


@on_virtual_clock
async def test_a_project_whose_list_cannot_be_read_is_woken_job_by_job_and_not_all_of_a_crowd() -> None:
    poller, transport = await begun(*project(40))
    transport.answer = lambda target, _now: (
        Fault(FaultKind.REFUSED, "no lists", 400) if target.startswith("list:") else None
    )
    for _ in range(2):  # a list is asked for until a small one is refused
        poller.wake_project("prj")
        await asyncio.sleep(6.0)
    transport.requests.clear()
    assert poller.wake_project("prj")
    await asyncio.sleep(1.0)
    assert len({target for _, target in transport.requests if target.startswith("job:")}) == 25
    await poller.aclose()


@on_virtual_clock
async def test_a_job_woken_while_its_projects_list_is_read_is_looked_at_again() -> None:
    poller, transport = await begun(*project(3))
    transport.round_trip = 0.5
    poller.wake_project("prj")
    await asyncio.sleep(0.2)
    assert poller.wake("p2")
    await asyncio.sleep(4.0)
    assert transport.times("list:prj") == pytest.approx([10.0, 10.5], abs=1e-3)
    assert len(transport.requests) == 2
    await poller.aclose()


@pytest.mark.parametrize("earlier", [0, 1])
@on_virtual_clock
async def test_a_list_that_nobody_asked_for_is_not_the_look_that_a_wake_asks_for(earlier: int) -> None:
    poller, transport = await begun(ScriptedJob("a", ends=10.5))
    for _ in range(earlier):
        assert poller.wake("a")
        await asyncio.sleep(0.1)
    before = msgspec.json.encode({"jobs": [transport.jobs["a"].body(poller.now())]})
    await asyncio.sleep(0.5)
    assert poller.wake("a")
    for _ in range(2):
        poller.shown(CAPYDB.read_jobs(before))  # type: ignore[misc]  # CapyDB has lists
    watch = poller.listen(watched("a"))
    await poller.news(watch)
    assert watch.watched.outcome is Outcome.SUCCEEDED
    assert transport.times()[earlier:] == pytest.approx([15.0 if earlier else 10.5], abs=1e-2)
    await poller.aclose()


@on_virtual_clock
async def test_a_woken_job_that_the_list_does_not_show_is_asked_for_by_itself() -> None:
    poller, transport = await begun(*project(3))
    body = transport.jobs["p2"].body

    def answer(target: str, now: float) -> Reply | None:
        if not target.startswith("list:"):
            return None
        return transport._reply({"jobs": [transport.jobs["p0"].body(now), transport.jobs["p1"].body(now)]}, now)

    transport.answer = answer
    transport.round_trip = 0.5
    poller.wake("p0")
    await asyncio.sleep(0.2)
    assert poller.wake("p2")
    await asyncio.sleep(2.0)
    assert [target.partition("?")[0] for _, target in transport.requests] == ["list:prj", "job:p2"]
    assert body(0.0)["state"] == "running"
    await poller.aclose()


# --- through the front doors -------------------------------------------------------------------------------------


@on_virtual_clock
async def test_a_client_wakes_what_is_waited_for() -> None:
    transport = ScriptedTransport([ScriptedJob("a", ends=20.0, project_id="prj")])
    async with client_of(transport, pace=SLOW) as client:
        waiting = asyncio.create_task(client.wait_for("a"))
        await asyncio.sleep(30.0)
        assert not client.wake("b")
        assert not client.wake_project("else")
        transport.requests.clear()
        assert client.wake("a")
        assert (await waiting).status == "completed"
        assert not client.wake("a")
        assert len(transport.requests) == 1


def test_a_client_that_never_looked_wakes_nobody() -> None:
    client = Client("capydb", token="sk_test")
    assert not client.wake("a")
    assert not client.wake_project("prj")


@on_virtual_clock
async def test_a_watcher_wakes_its_own_jobs_only_and_says_so_at_any_time() -> None:
    transport = ScriptedTransport([ScriptedJob("a", ends=20.0, project_id="prj"), ScriptedJob("b", project_id="b")])
    async with client_of(transport, pace=SLOW) as client:
        watcher = Watcher(client)
        assert not watcher.wake("a")
        assert not watcher.wake_project("prj")
        async with watcher:
            await watcher.add("a")
            waiting = asyncio.create_task(client.wait_for("b"))
            await asyncio.sleep(30.0)
            transport.requests.clear()
            assert not watcher.wake("b")
            assert not watcher.wake("")
            assert watcher.wake_project("prj")
            assert watcher.wake("a")
            await asyncio.sleep(1.0)
            assert [target for _, target in transport.requests] == ["job:a"]
            assert watcher.jobs()[0].outcome is Outcome.SUCCEEDED
            assert not watcher.wake("a")
        assert not watcher.wake("a")
        assert not watcher.wake_project("b")
        assert client.wake_project("b")
        waiting.cancel()


@on_virtual_clock
async def test_a_watcher_whose_looks_were_given_up_sees_again_at_once_when_woken() -> None:
    transport = ScriptedTransport([ScriptedJob("a", ends=5000.0)])
    transport.answer = lambda _target, _now: Fault(FaultKind.UNREACHABLE, "no connection")
    async with client_of(transport, pace=SLOW) as client, Watcher(client) as watcher:
        await watcher.add("a")
        await asyncio.sleep(4000.0)
        transport.answer = lambda _target, _now: None
        assert watcher.wake("a")
        await asyncio.sleep(0.1)
        assert watcher.jobs()[0].status == "running"
