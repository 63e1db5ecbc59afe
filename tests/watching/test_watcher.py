"""The watcher: every change once, in order, whatever the network, the disk and the consumer do."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import sqlite3
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from jobwatch import (
    Change,
    ChangeKind,
    Client,
    ConfigError,
    Fault,
    FaultKind,
    Health,
    Job,
    JobwatchError,
    JournalError,
    Outcome,
    Pace,
    Phase,
    Problem,
    Transition,
    Watcher,
)
from jobwatch._core.budget import Budget
from jobwatch._core.look import Looked
from jobwatch._core.tracker import Watched
from jobwatch._reading.reply import Reply
from jobwatch._watching.jobs import changes_of
from jobwatch._watching.journal import Journal, Memory
from jobwatch._watching.records import Forgotten, Row, Unfollowed
from jobwatch._watching.sqlite import JournalFile
from jobwatch.apis import CAPYDB
from jobwatch.testing import JobServer
from tests.scripted import EPOCH, ScriptedJob, ScriptedTransport, client_of

from .test_journal import CORRUPT, NOON

STATE, HEALTH, END = ChangeKind.STATE, ChangeKind.HEALTH, ChangeKind.END
TOKEN = "canary-token"
QUICK = Pace(min_interval=0.01, max_interval=0.05)
pytestmark = pytest.mark.looptime


@pytest.fixture(autouse=True)
def nothing_is_left() -> Any:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


@pytest.fixture(autouse=True)
async def no_task_is_left() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    for _ in range(3):
        await asyncio.sleep(0)
    assert not {task for task in asyncio.all_tasks() - before if "fixture" not in repr(task)}


@contextlib.asynccontextmanager
async def watching(*jobs: ScriptedJob, **options: Any) -> AsyncIterator[tuple[Watcher, ScriptedTransport]]:
    """Give a watcher of scripted jobs."""
    transport = options.pop("transport", None) or ScriptedTransport(list(jobs))
    pollers = {name: options.pop(name) for name in ("pace", "max_rate", "patience") if name in options}
    async with client_of(transport, **pollers) as client, Watcher(client, **options) as watcher:
        yield watcher, transport


async def until_end(watcher: Watcher, ends: int = 1) -> list[Change]:
    """Read changes until so many jobs have ended, and acknowledge the last one."""
    changes: list[Change] = []
    async with asyncio.timeout(1e6):
        async for change in watcher:
            changes.append(change)
            ends -= change.kind is END
            if not ends:
                break
    await watcher.acknowledge()
    return changes


async def first(watcher: Watcher, count: int) -> list[Change]:
    changes: list[Change] = []
    async with asyncio.timeout(1e6):
        async for change in watcher:
            changes.append(change)
            if len(changes) == count:
                break
    return changes


def brief(changes: list[Change]) -> list[object]:
    return [change.status or change.health or change.outcome for change in changes]


# --- the stream --------------------------------------------------------------------------------------------------


async def test_every_state_once_in_order_and_the_end_last() -> None:
    async with watching(ScriptedJob("a", ends=100.0), ScriptedJob("b", ends=50.0, fails=True)) as (watcher, _):
        assert await watcher.add("a", "b") == ("a", "b")
        changes = await until_end(watcher, 2)
    assert [(change.key, change.kind, change.status) for change in changes] == [
        ("a:1", STATE, "pending"),
        ("a:2", STATE, "running"),
        ("b:1", STATE, "pending"),
        ("b:2", STATE, "running"),
        ("b:3", END, "failed"),
        ("a:3", END, "completed"),
    ]
    assert [change.outcome for change in changes[-2:]] == [Outcome.FAILED, Outcome.SUCCEEDED]
    assert changes[4].at.timestamp() == EPOCH + 50.0
    assert str(changes[4]) == "b failed"


async def test_the_end_tells_what_went_wrong() -> None:
    def answer(_target: str, _now: float) -> Reply:
        return Reply(200, b'{"job": {"id": "a", "state": "failed", "error": "no space on\\u001b[2J host"}}')

    transport = ScriptedTransport([])
    transport.answer = answer
    async with watching(transport=transport) as (watcher, _):
        await watcher.add("a")
        (end,) = await until_end(watcher)
    assert end.error is not None
    assert end.error.message == "no space on\x1b[2J host"
    assert str(end) == "a failed: no space on\\x1b[2J host"
    assert end.kind is END


async def test_a_job_is_added_once() -> None:
    async with watching(ScriptedJob("a", ends=100.0)) as (watcher, transport):
        assert await watcher.add("a", "a") == ("a",)
        assert await watcher.add("a") == ()
        assert len(await until_end(watcher)) == 3
        asked = len(transport.requests)
        assert await watcher.add("a") == (), "it has ended, and that was told"
        await asyncio.sleep(1000)
        assert len(transport.requests) == asked
        assert watcher.jobs() == ()


async def test_a_job_that_ends_and_is_acknowledged_while_it_is_added_again_stays_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    find, may_find = Memory.find, asyncio.Event()

    async def late(self: Memory, job_ids: Collection[str]) -> dict[str, Row]:
        await may_find.wait()
        return await find(self, job_ids)

    async with watching(ScriptedJob("a", ends=5.0), ScriptedJob("b")) as (watcher, _):
        await watcher.add("a")
        await asyncio.sleep(20.0)
        monkeypatch.setattr(Memory, "find", late)
        adding = asyncio.create_task(watcher.add("a", "b"))
        await asyncio.sleep(1.0)
        assert len(await until_end(watcher)) == 3
        may_find.set()
        assert await adding == ("b",)


@pytest.mark.parametrize("job_id", ["", "..", "a\nb", "x" * 2000])
async def test_row_122_an_id_that_cannot_stand_in_a_url(job_id: str) -> None:
    async with watching() as (watcher, transport):
        with pytest.raises(ConfigError):
            await watcher.add("good", job_id)
        with pytest.raises(ConfigError):
            await watcher.add_project(job_id)
        assert watcher.jobs() == ()
        assert transport.requests == []


async def test_a_dropped_job_is_told_of_no_more_and_taken_up_where_it_was_left() -> None:
    async with watching(ScriptedJob("a", ends=500.0)) as (watcher, transport):
        await watcher.add("a")
        assert [change.seq for change in await first(watcher, 1)] == [1]
        assert await watcher.drop("a") is True
        assert await watcher.drop("a") is False
        asked = len(transport.requests)
        await asyncio.sleep(1000)
        assert len(transport.requests) == asked
        assert watcher.health().undelivered == 0
        assert await watcher.add("a") == ("a",)
        (end,) = await until_end(watcher)
    assert (end.key, end.status) == ("a:3", "completed")


async def test_what_was_read_ahead_of_a_dropped_job_is_not_handed_out() -> None:
    async with watching(ScriptedJob("a", ends=5.0), ScriptedJob("b", ends=9.0)) as (watcher, _):
        await watcher.add("a", "b")
        await asyncio.sleep(20)
        seen: list[str] = []
        async for change in watcher:
            seen.append(change.key)
            if len(seen) == 1:
                await watcher.drop("a")
            if change.kind is END:
                break
    assert seen == ["a:1", "b:1", "b:2", "b:3"]


async def test_a_forgotten_job_begins_anew() -> None:
    async with watching(ScriptedJob("a", ends=5.0)) as (watcher, _):
        await watcher.add("a")
        await until_end(watcher)
        await watcher.forget("a")
        assert await watcher.add("a") == ("a",)
        assert [change.key for change in await until_end(watcher)] == ["a:1", "a:2", "a:3"]


async def test_how_jobs_stand_can_be_asked() -> None:
    async with watching(ScriptedJob("a", ends=100.0)) as (watcher, _):
        await watcher.add("a")
        (job,) = watcher.jobs()
        assert (job.status, job.phase, job.looked_at, job.changes, job.outcome) == (None, None, None, 0, None)
        await first(watcher, 2)
        (job,) = watcher.jobs()
        assert (job.status, job.phase, job.health) == ("running", Phase.RUNNING, Health.OK)
        assert (job.changes, job.acknowledged) == (2, 1)
        health = watcher.health()
        assert (health.jobs, health.undelivered, health.ok) == (1, 1, True)
        await asyncio.sleep(200)
        (job,) = watcher.jobs()
        assert (job.outcome, job.changes) == (Outcome.SUCCEEDED, 3)
        assert watcher.health().jobs == 0
        await until_end(watcher)
        assert watcher.jobs() == ()


# --- one loop at a time ------------------------------------------------------------------------------------------


async def test_a_second_loop_is_refused_while_the_first_goes_on() -> None:
    async with watching(ScriptedJob("a", ends=5.0)) as (watcher, _):
        await watcher.add("a")
        async for _change in watcher:
            with pytest.raises(JobwatchError, match="another loop"):
                aiter(watcher)
            break
        stream = aiter(watcher)
        assert [(await anext(stream)).key for _ in range(2)] == ["a:1", "a:2"]
        one, other = await asyncio.gather(anext(stream), anext(stream), return_exceptions=True)
        assert isinstance(one, Change)
        assert isinstance(other, JobwatchError)
        assert "another task waits" in str(other)


async def test_the_change_a_loop_was_left_at_comes_again_unless_it_was_acknowledged() -> None:
    async with watching(ScriptedJob("a", ends=5.0)) as (watcher, _):
        await watcher.add("a")
        assert [change.key for change in await first(watcher, 2)] == ["a:1", "a:2"]
        assert [change.key for change in await first(watcher, 1)] == ["a:2"]
        await watcher.acknowledge()
        await watcher.acknowledge()
        assert [change.key for change in await first(watcher, 1)] == ["a:3"]


async def test_row_115_a_loop_that_raises_is_left_like_any_other() -> None:
    async with watching(ScriptedJob("a", ends=5.0)) as (watcher, _):
        await watcher.add("a")

        async def consume() -> None:
            async for _change in watcher:
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await consume()
        assert [change.key for change in await first(watcher, 1)] == ["a:1"]


async def test_row_109_waiting_for_a_change_can_be_cancelled_at_every_step_and_loses_nothing() -> None:
    jobs = [ScriptedJob(f"j{number}", ends=5.0 + number) for number in range(20)]
    async with watching(*jobs) as (watcher, _):
        await watcher.add(*(job.id for job in jobs))
        keys: list[str] = []
        stream = aiter(watcher)
        patience = itertools.cycle([0.0, 1e-9, 0.01, 0.3, 1.0])
        while len(keys) < 60:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(next(patience)):
                    keys.append((await anext(stream)).key)
    assert len(set(keys)) == 60


# --- health ------------------------------------------------------------------------------------------------------


def down(begins: float, ends: float, fault: Fault) -> Callable[[str, float], Fault | None]:
    return lambda _target, now: fault if begins <= now < ends else None


NO_ANSWER = Fault(FaultKind.UNREACHABLE, "no answer")


async def test_rows_1_34_an_outage_of_hours_is_survived_and_told() -> None:
    transport = ScriptedTransport([ScriptedJob("a", ends=10_000.0)])
    transport.answer = down(100.0, 15_000.0, NO_ANSWER)
    async with watching(transport=transport) as (watcher, _):
        await watcher.add("a")
        changes = await first(watcher, 4)
        (job,) = watcher.jobs()
        assert (job.health, job.status, job.fault) == (Health.UNREACHABLE, "running", NO_ANSWER)
        assert watcher.health().troubled == {Health.UNREACHABLE: 1}
        assert not watcher.health().ok
        await watcher.acknowledge()
        changes += await until_end(watcher)
        assert watcher.health().ok
    assert brief(changes) == ["pending", "running", Health.STALE, Health.UNREACHABLE, Health.OK, "completed"]
    assert [change.seq for change in changes] == [1, 2, 3, 4, 5, 6]
    failing_since = next(at for at, _ in transport.requests if at >= 100.0)
    stale, unreachable, back = (change.seen_at.timestamp() - EPOCH for change in changes[2:5])
    assert 60.0 <= stale - failing_since <= 60.1
    assert 300.0 <= unreachable - failing_since <= 330.0
    assert 15_000.0 <= back <= 15_092.0
    assert changes[2].fault == NO_ANSWER
    assert changes[4].fault is None
    slow = [at for at in transport.times() if 1000.0 < at < 15_000.0]
    assert all(30.0 <= later - earlier <= 91.0 for earlier, later in itertools.pairwise(slow))


async def test_row_116_a_refused_token_is_told_and_looked_at_again() -> None:
    transport = ScriptedTransport([ScriptedJob("a", ends=5000.0)])
    transport.answer = down(50.0, 2000.0, Fault(FaultKind.AUTH, "the API refused the token", http_status=401))
    async with watching(transport=transport) as (watcher, _):
        await watcher.add("a")
        changes = await until_end(watcher)
    assert brief(changes) == ["pending", "running", Health.AUTH, Health.OK, "completed"]
    assert "refused the token" in str(changes[2])


@pytest.mark.parametrize(
    ("kind", "health"),
    [
        (FaultKind.TLS, Health.UNREACHABLE),
        (FaultKind.REFUSED, Health.UNREADABLE),
        (FaultKind.UNREADABLE, Health.UNREADABLE),
        (FaultKind.RATE_LIMITED, Health.UNREACHABLE),
    ],
)
async def test_no_fault_of_the_network_ends_a_job(kind: FaultKind, health: Health) -> None:
    transport = ScriptedTransport([ScriptedJob("a", ends=2000.0)])
    transport.answer = down(0.0, 1000.0, Fault(kind, "x", retry_after=20.0 if kind is FaultKind.RATE_LIMITED else None))
    async with watching(transport=transport) as (watcher, _):
        await watcher.add("a")
        changes = await until_end(watcher)
    assert [one for one in brief(changes) if one is not Health.STALE] == [
        health,
        Health.OK,
        "pending",
        "running",
        "completed",
    ]


async def test_row_15_a_certificate_that_expires_meanwhile_is_told_and_waited_for() -> None:
    transport = ScriptedTransport([ScriptedJob("a", ends=9000.0)])
    transport.answer = down(100.0, 8000.0, Fault(FaultKind.TLS, "the certificate has expired"))
    async with watching(transport=transport) as (watcher, _):
        await watcher.add("a")
        changes = await until_end(watcher)
    assert brief(changes) == ["pending", "running", Health.UNREACHABLE, Health.OK, "completed"]
    assert [change.seq for change in changes] == [1, 2, 3, 4, 5]
    slow = [at for at in transport.times() if 1000.0 < at < 8000.0]
    assert all(later - earlier >= 20.0 for earlier, later in itertools.pairwise(slow))


async def test_health_that_goes_from_bad_to_other_is_told_each_time_and_only_then() -> None:
    transport = ScriptedTransport([ScriptedJob("a", ends=9000.0)])
    faults = {100.0: FaultKind.UNREACHABLE, 1000.0: FaultKind.AUTH, 2000.0: FaultKind.UNREACHABLE}

    def answer(_target: str, now: float) -> Fault | None:
        kind = next((kind for at, kind in reversed(faults.items()) if now >= at), None)
        return None if kind is None or now > 3000.0 else Fault(kind, f"at {now}")

    transport.answer = answer
    async with watching(transport=transport) as (watcher, _):
        await watcher.add("a")
        changes = await until_end(watcher)
    bad = [Health.STALE, Health.UNREACHABLE, Health.AUTH, Health.UNREACHABLE, Health.OK]
    assert brief(changes) == ["pending", "running", *bad, "completed"]


async def test_a_short_outage_is_not_worth_a_word() -> None:
    transport = ScriptedTransport([ScriptedJob("a", ends=900.0)])
    transport.answer = lambda _target, now: NO_ANSWER if now % 100 < 30 else None
    async with watching(transport=transport) as (watcher, _):
        await watcher.add("a")
        changes = await until_end(watcher)
    assert brief(changes) == ["pending", "running", "completed"]


async def test_row_37_a_retry_after_of_an_hour_is_waited_for() -> None:
    transport = ScriptedTransport([ScriptedJob("a", ends=100.0)])
    transport.answer = down(0.0, 60.0, Fault(FaultKind.RATE_LIMITED, "slow down", retry_after=3600.0))
    async with watching(transport=transport) as (watcher, _):
        await watcher.add("a")
        changes = await until_end(watcher)
    assert transport.times()[1] - transport.times()[0] >= 3600.0
    assert brief(changes)[:2] == [Health.UNREACHABLE, Health.OK]


async def test_rows_31_32_a_job_the_api_does_not_know_ends_so() -> None:
    async with watching(ScriptedJob("seen", ends=1e9)) as (watcher, transport):
        await watcher.add("never", "seen")
        changes = await first(watcher, 3)
        del transport.jobs["seen"]
        await watcher.acknowledge()
        changes += await until_end(watcher)
        assert watcher.jobs() == ()
    ends = {change.job_id: change for change in changes if change.kind is END}
    assert ends["never"].seq == 1
    assert ends["seen"].seq == 3
    for end in ends.values():
        assert (end.outcome, end.transition, end.error) == (Outcome.NOT_FOUND, None, None)
        assert end.fault is not None
        assert "not found" in str(end)


async def test_row_36_a_fault_at_one_job_changes_nothing_for_another() -> None:
    async def told_of_b(answer: Callable[[str, float], Fault | None]) -> list[tuple[object, ...]]:
        transport = ScriptedTransport([ScriptedJob("a", ends=400.0), ScriptedJob("b", ends=500.0)])
        transport.answer = answer
        async with watching(transport=transport) as (watcher, _):
            await watcher.add("a", "b")
            changes = await until_end(watcher, 2)
        return [(change.key, change.kind, change.status, change.outcome) for change in changes if change.job_id == "b"]

    for kind in FaultKind:
        fault = Fault(kind, "only for a")
        assert await told_of_b(lambda target, now, f=fault: f if target == "job:a" and now < 390.0 else None) == (  # type: ignore[misc]
            await told_of_b(lambda _target, _now: None)
        )


# --- beside a wait -----------------------------------------------------------------------------------------------


async def test_a_watcher_and_a_wait_share_the_looks_at_a_job_and_each_hears_all() -> None:
    async def requests(*, wait: bool, watch: bool) -> int:
        transport = ScriptedTransport([ScriptedJob("a", ends=1000.0)])
        async with client_of(transport) as client, Watcher(client) as watcher:
            if watch:
                await watcher.add("a")
                await asyncio.sleep(300.0)
            if wait:
                states = [transition.status async for transition in client.wait_for("a")]
                assert states == ["pending", "running", "completed"]
            if watch:
                assert brief(await until_end(watcher)) == ["pending", "running", "completed"]
        return len(transport.requests)

    alone = await requests(wait=False, watch=True)
    assert await requests(wait=True, watch=True) <= alone + 6


async def test_a_wait_that_gives_up_does_not_end_the_watch() -> None:
    transport = ScriptedTransport([ScriptedJob("a", ends=2000.0)])
    transport.answer = down(100.0, 1000.0, NO_ANSWER)
    async with client_of(transport) as client, Watcher(client) as watcher:
        await watcher.add("a")
        with pytest.raises(JobwatchError, match="no answer"):
            await client.wait_for("a")
        assert brief(await until_end(watcher))[-2:] == [Health.OK, "completed"]


async def test_two_watchers_of_one_client_cannot_watch_one_job() -> None:
    async with watching(ScriptedJob("a")) as (watcher, _), Watcher(watcher._client) as other:
        await watcher.add("a")
        with pytest.raises(ConfigError, match="another watcher"):
            await other.add("a")
        await watcher.drop("a")
        assert await other.add("a") == ("a",)


# --- open and close ----------------------------------------------------------------------------------------------


async def test_it_can_be_closed_in_another_task_and_more_than_once() -> None:
    async with client_of(ScriptedTransport([ScriptedJob("a")])) as client:
        watcher = Watcher(client)
        await asyncio.create_task(watcher.start())
        await watcher.add("a")
        keys: list[str] = []

        async def consume() -> str:
            keys.extend([change.key async for change in watcher])
            return "ended"

        consumer = asyncio.create_task(consume())
        await asyncio.sleep(10)
        await asyncio.gather(*(asyncio.create_task(watcher.aclose()) for _ in range(3)))
        assert await consumer == "ended"
        assert keys == ["a:1", "a:2"]
        assert [change.key async for change in watcher] == []
        for call in (watcher.add("b"), watcher.drop("a"), watcher.forget("a"), watcher.add_project("p")):
            with pytest.raises(JobwatchError, match="is closed"):
                await call
        with pytest.raises(JobwatchError, match="started before"):
            await watcher.start()
        assert len(watcher.jobs()) == 1


async def test_before_it_is_started_nothing_works() -> None:
    async with client_of(ScriptedTransport([])) as client:
        watcher = Watcher(client)
        await watcher.aclose()
        with pytest.raises(JobwatchError, match="not been started"):
            await watcher.add("a")
        with pytest.raises(JobwatchError, match="not been started"):
            watcher.health()
        with pytest.raises(JobwatchError, match="not been started"):
            aiter(watcher)


@pytest.mark.parametrize(
    "figures",
    [
        {"stale_after": 0.0},
        {"follow_interval": float("nan")},
        {"keep": float("inf")},
        {"callback_timeout": -1.0},
        {"callback_attempts": 0},
    ],
)
async def test_figures_that_make_no_sense(figures: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(figures))):
        Watcher(client_of(ScriptedTransport([])), **figures)


async def test_a_client_that_is_closed_first_is_told() -> None:
    transport = ScriptedTransport([ScriptedJob("a")])
    client = client_of(transport)
    async with Watcher(client) as watcher:
        await watcher.add("a")
        stream = aiter(watcher)
        assert [(await anext(stream)).key for _ in range(2)] == ["a:1", "a:2"]
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(1)
        await client.aclose()
        with pytest.raises(JobwatchError, match="the client is closed"):
            await waiting
        assert watcher.health().stopped == "the client is closed"
        with pytest.raises(JobwatchError, match="the client is closed"):
            await watcher.add("b")
    with pytest.raises(JobwatchError, match="the client is closed"):
        await Watcher(client).start()


async def test_row_118_a_poller_that_dies_is_not_silent(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    spend = Budget.spend

    def breaks(budget: Budget, now: float) -> float:
        if now > 100.0:
            raise ZeroDivisionError
        return spend(budget, now)

    monkeypatch.setattr(Budget, "spend", breaks)
    async with watching(ScriptedJob("a")) as (watcher, _):
        await watcher.add("a")
        changes: list[Change] = []

        async def consume() -> None:
            async for change in watcher:
                changes.append(change)  # noqa: PERF401 - what came before the error counts

        with pytest.raises(JobwatchError, match="stopped by a fault of its own") as caught:
            await consume()
        assert brief(changes) == ["pending", "running"]
        assert caught.value.__cause__ is not None
        assert watcher.health().stopped is not None
        assert not watcher.health().ok
    assert "the watcher has stopped" in caplog.text


async def test_row_118_a_job_whose_looks_raise_is_told_of_and_watched_on(caplog: pytest.LogCaptureFixture) -> None:
    def answer(target: str, now: float) -> None:
        if target == "job:a" and 100.0 < now < 1000.0:
            raise ZeroDivisionError

    transport = ScriptedTransport([ScriptedJob("a", ends=500.0), ScriptedJob("b", ends=500.0)])
    transport.answer = answer
    async with watching(transport=transport) as (watcher, _):
        await watcher.add("a", "b")
        changes = await first(watcher, 8)
        of_a = [change for change in changes if change.job_id == "a"]
        assert brief(of_a) == ["pending", "running", Health.UNREADABLE, Health.OK, "completed"]
        assert [change.seen_at.timestamp() - EPOCH < 600.0 for change in changes if change.job_id == "b"] == [True] * 3
        assert watcher.health().stopped is None
    assert caplog.text.count("a look at job a raised ZeroDivisionError") == 1


async def test_row_118_a_fault_in_taking_a_look_in_loses_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with watching(ScriptedJob("a", ends=50.0)) as (watcher, _):
        await watcher.add("a")
        with monkeypatch.context() as broken:
            broken.setattr("jobwatch._watching.jobs.changes_of", None)
            await asyncio.sleep(500.0)
        assert brief(await first(watcher, 3)) == ["pending", "running", "completed"]
    assert caplog.text.count("a look at job a raised TypeError") == 1


async def come_and_go(watcher: Watcher) -> None:
    async with watcher:
        await watcher.add("a", "b")
        await watcher.drop("b")
        await watcher.add_project("p")
        async for change in watcher:
            if change.kind is END:
                break
        await watcher.forget("a")


@pytest.mark.slow
async def test_row_109_a_cancel_at_every_step_leaves_nothing(tmp_path: Path, inline: None) -> None:
    points = 0
    for step in itertools.count():
        before = asyncio.all_tasks()
        transport = ScriptedTransport([ScriptedJob("a", ends=0.3), ScriptedJob("c", project_id="p")])
        async with client_of(transport) as client:
            task = asyncio.create_task(come_and_go(Watcher(client, journal=tmp_path / "watch.db")))
            for number in range(step):
                await asyncio.sleep(0 if number % 12 else 0.01)
            finished = not task.cancel()
            await asyncio.wait([task])
            assert task.cancelled() or finished
            assert {each.get_name() for each in asyncio.all_tasks() - before} <= {"jobwatch poller", "jobwatch worker"}
        file = JournalFile(tmp_path / "watch.db", "capydb")
        file.write([Forgotten("a"), Unfollowed("p"), Forgotten("c")])
        file.close()
        points += 1
        if finished:
            break
    assert points > 40


@pytest.mark.slow
@pytest.mark.looptime(False)
async def test_row_109_a_cancel_at_any_time_leaves_no_thread_and_no_lock(tmp_path: Path) -> None:
    for number in range(40):
        transport = ScriptedTransport([ScriptedJob("a", ends=0.01), ScriptedJob("c", project_id="p")], round_trip=0.001)
        async with client_of(transport, pace=QUICK) as client:
            task = asyncio.create_task(come_and_go(Watcher(client, journal=tmp_path / "watch.db")))
            await asyncio.sleep(number * 0.001)
            task.cancel()
            await asyncio.wait([task])
            assert not [each for each in threading.enumerate() if each.name.startswith("jobwatch")]
        JournalFile(tmp_path / "watch.db", "capydb").close()


# --- callbacks ---------------------------------------------------------------------------------------------------


async def test_a_callback_is_called_with_each_change_in_order() -> None:
    seen: list[str] = []
    async with watching(ScriptedJob("a", ends=50.0), on_change=lambda change: seen.append(change.key)) as (watcher, _):
        await watcher.add("a")
        await asyncio.sleep(100)
        assert seen == ["a:1", "a:2", "a:3"]
        assert watcher.health().undelivered == 0
        assert watcher.jobs() == ()
        with pytest.raises(JobwatchError, match="go to on_change"):
            aiter(watcher)


async def test_row_113_a_callback_that_raises_is_called_again_and_other_jobs_are_not_held_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    calls: list[tuple[float, str]] = []

    async def on_change(change: Change) -> None:
        calls.append((asyncio.get_running_loop().time(), change.key))
        if change.key == "a:1" and len([key for _, key in calls if key == "a:1"]) < 4:
            raise ZeroDivisionError("not yet")

    async with watching(
        ScriptedJob("a", ends=5.0), ScriptedJob("b", ends=5.0), on_change=on_change, callback_attempts=4
    ) as (watcher, _):
        await watcher.add("a", "b")
        await asyncio.sleep(1)
        assert [key for _, key in calls if key[0] == "b"] == ["b:1", "b:2"]
        await asyncio.sleep(60)
        assert watcher.health().ok
    assert [key for _, key in calls if key[0] == "a"] == ["a:1", "a:1", "a:1", "a:1", "a:2", "a:3"]
    times = [at for at, key in calls if key == "a:1"]
    assert [later - earlier for earlier, later in itertools.pairwise(times)] == pytest.approx([0.5, 1.0, 2.0])
    assert "on_change failed for a:1 (attempt 3 of 4)" in caplog.text


async def test_row_113_a_callback_that_always_raises_gives_up_that_job_and_says_so(
    caplog: pytest.LogCaptureFixture, tmp_path: Path, inline: None
) -> None:
    seen: list[str] = []

    def on_change(change: Change) -> None:
        if change.job_id == "a" and change.seq >= 2:
            raise ValueError("I do not like it")
        seen.append(change.key)

    jobs = [ScriptedJob("a", ends=50.0), ScriptedJob("b", ends=50.0)]
    path = tmp_path / "watch.db"
    async with watching(*jobs, on_change=on_change, callback_attempts=3, journal=path) as (watcher, _):
        await watcher.add("a", "b")
        await asyncio.sleep(100)
        assert watcher.health().refused == {"a": "ValueError: I do not like it"}
        assert not watcher.health().ok
        (job,) = watcher.jobs()
        assert (job.job_id, job.refused, job.acknowledged) == ("a", "ValueError: I do not like it", 1)
        assert watcher.health().undelivered == 2
    assert seen == ["a:1", "b:1", "b:2", "b:3"]
    assert "no more changes of job a are handed to on_change" in caplog.text
    async with watching(*jobs, journal=path) as (watcher, _):
        assert [change.key for change in await first(watcher, 2)] == ["a:2", "a:3"]


@pytest.mark.parametrize("has_journal", [False, True])
async def test_row_113_a_job_that_was_refused_can_be_tried_again(
    tmp_path: Path, inline: None, has_journal: bool
) -> None:
    seen: list[str] = []
    is_down = True

    def on_change(change: Change) -> None:
        if is_down and change.job_id == "a" and change.seq >= 2:
            raise ValueError("the database is down")
        seen.append(change.key)

    jobs = [ScriptedJob("a", ends=50.0), ScriptedJob("b", ends=150.0)]
    path = tmp_path / "watch.db" if has_journal else None
    async with watching(*jobs, on_change=on_change, callback_attempts=3, journal=path) as (watcher, _):
        await watcher.add("a", "b")
        await asyncio.sleep(100)
        assert await watcher.retry("b") is False
        assert await watcher.retry("nobody") is False
        assert await watcher.retry("a") is True
        assert watcher.health().refused == {}
        await asyncio.sleep(100)
        assert watcher.health().refused == {"a": "ValueError: the database is down"}, "it still is"
        is_down = False
        assert seen == ["a:1", "b:1", "b:2", "b:3"]
        assert list(await asyncio.gather(watcher.retry("a"), watcher.retry("a"))) == [True, False]
        await asyncio.sleep(1)
        assert seen[4:] == ["a:2", "a:3"], "in order, and once"
        assert watcher.health().undelivered == 0
        assert watcher.jobs() == ()
        assert await watcher.retry("a") is False
    with pytest.raises(JobwatchError, match="closed"):
        await watcher.retry("a")


async def test_row_113_changes_that_come_while_a_job_is_tried_again_come_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[str] = []
    undelivered = Memory.undelivered

    def on_change(change: Change) -> None:
        if change.seq == 1 and asyncio.get_running_loop().time() < began + 20.0:
            raise ValueError("not yet")
        seen.append(change.key)

    async def slow(self: Memory, after: int, limit: int) -> list[tuple[int, Change]]:
        found = await undelivered(self, after, limit)
        await asyncio.sleep(0.0 if after else 5.0)  # what is tried again is read from the beginning
        return found

    began = asyncio.get_running_loop().time()
    job = ScriptedJob("a", ends=began + 32.0)
    async with watching(job, pace=QUICK, on_change=on_change, callback_attempts=1) as (watcher, _):
        await watcher.add("a")
        await asyncio.sleep(30.0)
        assert watcher.health().refused == {"a": "ValueError: not yet"}
        monkeypatch.setattr(Memory, "undelivered", slow)
        assert await watcher.retry("a") is True
        await asyncio.sleep(30.0)
    assert seen == ["a:1", "a:2", "a:3"]


async def test_row_114_a_callback_that_never_returns_is_stopped_and_others_proceed() -> None:
    seen: list[str] = []

    async def on_change(change: Change) -> None:
        seen.append(change.key)
        if change.key == "a:1" and seen.count("a:1") == 1:
            await asyncio.sleep(1e6)

    jobs = [ScriptedJob("a", ends=9.0), ScriptedJob("b", ends=9.0)]
    async with watching(*jobs, on_change=on_change, callback_timeout=30.0) as (watcher, _):
        await watcher.add("a", "b")
        await asyncio.sleep(29)
        assert seen == ["a:1", "b:1", "b:2", "b:3"]
        await asyncio.sleep(10)
    assert seen[4:] == ["a:1", "a:2", "a:3"]


async def test_a_callback_that_raises_cancelled_error_is_one_that_failed() -> None:
    calls: list[str] = []

    async def on_change(change: Change) -> None:
        calls.append(change.key)
        if len(calls) == 1:
            raise asyncio.CancelledError

    async with watching(ScriptedJob("a", ends=5.0), on_change=on_change) as (watcher, _):
        await watcher.add("a")
        await asyncio.sleep(30)
    assert calls == ["a:1", "a:1", "a:2", "a:3"]


async def test_a_callback_may_use_the_watcher() -> None:
    holder: list[Watcher] = []
    seen: list[str] = []

    async def on_change(change: Change) -> None:
        seen.append(change.key)
        if change.key == "a:1":
            await holder[0].add("b")
        if change.key == "b:1":
            await holder[0].drop("a")

    async with watching(ScriptedJob("a", ends=5.0), ScriptedJob("b", ends=5.0), on_change=on_change) as (watcher, _):
        holder.append(watcher)
        await watcher.add("a")
        await asyncio.sleep(30)
    assert "b:3" in seen
    assert "a:3" not in seen


async def test_a_call_under_way_may_end_when_the_watcher_closes() -> None:
    ended: list[str] = []

    async def on_change(change: Change) -> None:
        await asyncio.sleep(2.0)
        ended.append(change.key)

    async with watching(ScriptedJob("a", ends=1.0), on_change=on_change) as (watcher, _):
        await watcher.add("a")
        await asyncio.sleep(1.0)
    assert ended == ["a:1"]


async def test_a_call_that_does_not_end_does_not_hold_up_closing() -> None:
    began: list[float] = []

    async def on_change(_change: Change) -> None:
        began.append(1)
        await asyncio.sleep(1e6)

    async with watching(ScriptedJob("a"), on_change=on_change) as (watcher, _):
        await watcher.add("a")
        await asyncio.sleep(1.0)
        closing = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - closing <= 5.0
    assert began == [1]


@pytest.mark.slow
async def test_row_112_callbacks_of_many_jobs_are_not_all_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobwatch._watching.delivery._LINES", 10)
    at_once, most, seen = 0, 0, []

    async def on_change(change: Change) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.1)
        at_once -= 1
        seen.append(change.key)

    jobs = [ScriptedJob(f"j{number}", ends=2.0) for number in range(200)]
    async with watching(*jobs, on_change=on_change) as (watcher, _):
        await watcher.add(*(job.id for job in jobs))
        await asyncio.sleep(5.0)
        assert watcher._callbacks is not None
        assert watcher._callbacks._waiting <= 10
        await asyncio.sleep(200.0)
        assert watcher._callbacks._waiting == 0
    assert len(seen) == len(set(seen)) == 600
    assert 1 < most <= 10


# --- the journal -------------------------------------------------------------------------------------------------


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the journal's work done at once and in the loop's own thread, so that virtual time does not run ahead."""

    async def run(_journal: Journal, work: Callable[..., object], *args: object) -> object:
        await asyncio.sleep(0)
        return work(*args)

    monkeypatch.setattr(Journal, "_run", run)


HERE = "https://api.example/v1"
TWO_TEAMS = msgspec.structs.replace(
    CAPYDB, job_path="/teams/{team}/jobs/{job_id}", headers={"X-Key": "{key}"}, params={"team": "a", "key": "-"}
)


async def opened_with(path: Path, **options: Any) -> None:
    async with Client(options.pop("api", "capydb"), token=TOKEN, **options) as client, Watcher(client, journal=path):
        pass


async def test_a_journal_is_for_one_place(tmp_path: Path, inline: None) -> None:
    path = tmp_path / "watch.db"
    await opened_with(path, base_url=HERE)
    for same in (f"{HERE}/", "https://API.example:443/v1"):
        await opened_with(path, base_url=same)
    for other in (
        "http://api.example/v1",
        "https://api.example/v2",
        "https://api.example:8443/v1",
        "https://b.example/v1",
    ):
        with pytest.raises(JournalError, match=r"holds jobs of https://api\.example/v1, and this client reads http"):
            await opened_with(path, base_url=other)
    await opened_with(path, base_url=HERE)


async def test_a_journal_is_for_one_set_of_parameters_and_holds_none_that_may_be_secret(
    tmp_path: Path, inline: None
) -> None:
    path = tmp_path / "watch.db"
    await opened_with(path, api=TWO_TEAMS, base_url=HERE, params={"key": TOKEN})
    await opened_with(path, api=TWO_TEAMS, base_url=HERE, params={"team": "a", "key": "another"})
    with pytest.raises(JournalError, match=r"v1\?team=a, and this client reads https://api\.example/v1\?team=b%2Fc;"):
        await opened_with(path, api=TWO_TEAMS, base_url=HERE, params={"team": "b/c"})
    assert not [each.name for each in tmp_path.iterdir() if TOKEN.encode() in each.read_bytes()]


async def test_row_107_a_restart_goes_on_where_it_was(tmp_path: Path, inline: None) -> None:
    path = tmp_path / "watch.db"
    transport = ScriptedTransport([ScriptedJob("a", ends=500.0), ScriptedJob("b", ends=20.0)])
    async with watching(transport=transport, journal=path) as (watcher, _):
        await watcher.add("a", "b")
        assert [change.key for change in await first(watcher, 3)] == ["a:1", "a:2", "b:1"]
        await asyncio.sleep(100)
    async with watching(transport=transport, journal=path) as (watcher, _):
        assert {job.job_id: (job.changes, job.acknowledged) for job in watcher.jobs()} == {"a": (2, 2), "b": (3, 0)}
        assert watcher.health().undelivered == 3
        assert [change.key for change in await until_end(watcher)] == ["b:1", "b:2", "b:3"]
        assert await watcher.add("b") == ()
        assert [change.key for change in await until_end(watcher)] == ["a:3"]
    async with watching(transport=transport, journal=path) as (watcher, _):
        assert watcher.jobs() == ()
        assert await watcher.add("a", "b") == ()


async def test_a_restart_in_an_outage_does_not_tell_of_it_again(tmp_path: Path, inline: None) -> None:
    path = tmp_path / "watch.db"
    transport = ScriptedTransport([ScriptedJob("a", ends=4000.0)])
    transport.answer = down(100.0, 3000.0, NO_ANSWER)
    seen: list[Change] = []
    for seconds in (500.0, 1000.0, 500.0, 3000.0):
        async with watching(transport=transport, journal=path, on_change=seen.append) as (watcher, _):
            await watcher.add("a")
            await asyncio.sleep(seconds)
    assert brief(seen) == ["pending", "running", Health.STALE, Health.UNREACHABLE, Health.OK, "completed"]


async def test_row_121_two_watchers_cannot_share_a_journal(tmp_path: Path) -> None:
    path = tmp_path / "watch.db"
    async with watching(ScriptedJob("a"), journal=path) as (watcher, transport):
        async with client_of(transport) as client:
            with pytest.raises(JournalError, match="in use by this process"):
                await Watcher(client, journal=path).start()
        await watcher.add("a")


async def test_row_120_a_watcher_with_a_bad_journal_does_not_start(tmp_path: Path) -> None:
    path = tmp_path / "watch.db"
    path.write_bytes(b"")
    async with client_of(ScriptedTransport([])) as client:
        with pytest.raises(JournalError, match="the file is empty"):
            async with Watcher(client, journal=path):
                pass


async def test_a_journal_with_a_job_that_another_watcher_has_does_not_start(tmp_path: Path, inline: None) -> None:
    path = tmp_path / "watch.db"
    async with watching(ScriptedJob("a"), ScriptedJob("b"), journal=path) as (watcher, _):
        await watcher.add("b", "a")
    async with watching(ScriptedJob("a"), ScriptedJob("b")) as (watcher, _):
        await watcher.add("a")
        with pytest.raises(ConfigError, match="another watcher"):
            await Watcher(watcher._client, journal=path).start()
        await watcher.drop("a")
        again = Watcher(watcher._client, journal=path)
        await again.start()
        assert len(again.jobs()) == 2
        await again.aclose()


class Disk:
    """Lets the writes of a watcher's journal fail, or hang."""

    def __init__(self, watcher: Watcher) -> None:
        journal = watcher._parts().journal
        assert isinstance(journal, Journal)
        self.fault: OSError | sqlite3.Error | None = None
        self.hang: threading.Event | None = None
        self._write = journal._opened.write
        journal._opened.write = self.write  # type: ignore[method-assign]

    def write(self, entries: Any) -> None:
        if self.hang is not None:
            self.hang.wait()
        if self.fault is not None:
            raise self.fault
        self._write(entries)


async def test_row_119_with_a_full_disk_nothing_is_handed_out_and_nothing_lost(
    tmp_path: Path, inline: None, caplog: pytest.LogCaptureFixture
) -> None:
    jobs = [ScriptedJob("a", ends=200.0), ScriptedJob("b", ends=200.0)]
    async with watching(*jobs, journal=tmp_path / "watch.db") as (watcher, _):
        disk = Disk(watcher)
        await watcher.add("a")
        stream = aiter(watcher)
        assert [(await anext(stream)).key for _ in range(2)] == ["a:1", "a:2"]
        disk.fault = OSError(errno.ENOSPC, "No space left on device")
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(500)
        assert not waiting.done()
        assert watcher.jobs()[0].outcome is Outcome.SUCCEEDED
        assert "No space left on device" in (watcher.health().journal or "")
        assert not watcher.health().ok
        with pytest.raises(JournalError, match="No space left"):
            await watcher.add("b")
        disk.fault = None
        assert (await waiting).key == "a:3"
        assert watcher.health().journal is None
        await watcher.add("b")
        assert [(await anext(stream)).key for _ in range(3)] == ["b:1", "b:2", "b:3"]
        disk.fault = OSError(errno.EIO, "Input/output error")
        await asyncio.sleep(1)
    assert "closed before all was written" not in caplog.text


async def test_row_119_closing_with_a_full_disk_says_what_was_not_written(
    tmp_path: Path, inline: None, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "watch.db"
    async with watching(ScriptedJob("a", ends=5.0), journal=path) as (watcher, _):
        await watcher.add("a")
        Disk(watcher).fault = OSError(errno.ENOSPC, "No space left on device")
        await asyncio.sleep(20)
    assert "closed before all was written: cannot be written or read: No space left on device" in caplog.text
    async with watching(ScriptedJob("a", ends=5.0), journal=path) as (watcher, _):
        assert [change.key for change in await until_end(watcher)] == ["a:1", "a:2", "a:3"]


async def test_row_119_closing_with_a_full_disk_ends_a_loop_that_waits_for_it(tmp_path: Path, inline: None) -> None:
    async with watching(ScriptedJob("a"), journal=tmp_path / "watch.db") as (watcher, _):
        await watcher.add("a")
        stream = aiter(watcher)
        await anext(stream)
        Disk(watcher).fault = OSError(errno.ENOSPC, "No space left on device")
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(10)
        assert not waiting.done()
        await watcher.aclose()
        with pytest.raises(StopAsyncIteration):
            await waiting


async def test_row_120_damage_stops_the_watcher_and_is_not_silent(
    tmp_path: Path, inline: None, caplog: pytest.LogCaptureFixture
) -> None:
    async with watching(ScriptedJob("a", ends=100.0), journal=tmp_path / "watch.db") as (watcher, transport):
        await watcher.add("a")
        stream = aiter(watcher)
        assert [(await anext(stream)).key for _ in range(2)] == ["a:1", "a:2"]
        Disk(watcher).fault = CORRUPT
        with pytest.raises(JournalError, match="it is damaged"):
            await anext(stream)
        asked = len(transport.requests)
        await asyncio.sleep(500)
        assert len(transport.requests) <= asked + 1
        assert "it is damaged" in (watcher.health().stopped or "")
        with pytest.raises(JournalError, match="it is damaged"):
            await watcher.add("b")
    assert "the watcher has stopped" in caplog.text


@pytest.mark.looptime(False)
async def test_a_disk_that_hangs_does_not_hold_up_closing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("jobwatch._watching.watcher._CLOSED_WITHIN", 0.03)
    transport = ScriptedTransport([ScriptedJob("a")], round_trip=0.001)
    async with client_of(transport) as client:
        watcher = Watcher(client, journal=tmp_path / "watch.db")
        await watcher.start()
        disk = Disk(watcher)
        disk.hang = threading.Event()
        adding = asyncio.create_task(watcher.add("a"))
        await asyncio.sleep(0.01)
        async with asyncio.timeout(1.0):
            await watcher.aclose()
        assert "closed before all was written: time was up" in caplog.text
        with pytest.raises(JournalError, match="is closed"):
            await adding
        disk.hang.set()
        for thread in threading.enumerate():
            if thread.name.startswith("jobwatch"):
                thread.join(1.0)
    JournalFile(tmp_path / "watch.db", "capydb").close()


@pytest.mark.slow
async def test_row_112_a_slow_consumer_holds_up_nobody_and_loses_nothing(tmp_path: Path, inline: None) -> None:
    jobs = [ScriptedJob(f"j{number}", ends=10.0 + number) for number in range(60)]
    for journal in (None, tmp_path / "watch.db"):
        async with watching(*jobs, journal=journal) as (watcher, transport):
            await watcher.add(*(job.id for job in jobs))
            await asyncio.sleep(200)
            asked = len(transport.requests)
            assert watcher.health().undelivered == 180
            assert watcher.health().jobs == 0
            seqs: dict[str, list[int]] = {}
            for change in await until_end(watcher, len(jobs)):
                seqs.setdefault(change.job_id, []).append(change.seq)
            assert set(map(tuple, seqs.values())) == {(1, 2, 3)}
            assert len(transport.requests) == asked


async def test_row_119_closing_while_the_journal_cannot_be_read_ends_the_loop(tmp_path: Path, inline: None) -> None:
    async with watching(ScriptedJob("a", ends=5.0), journal=tmp_path / "watch.db") as (watcher, _):
        await watcher.add("a")
        await asyncio.sleep(10)
        journal = watcher._parts().journal
        assert isinstance(journal, Journal)

        def broken(_after: int, _limit: int) -> list[tuple[int, Change]]:
            raise OSError(errno.EIO, "Input/output error")

        journal._opened.undelivered = broken  # type: ignore[method-assign, assignment]

        async def consume() -> list[Change]:
            return [change async for change in watcher]

        consumer = asyncio.create_task(consume())
        await asyncio.sleep(100)
        assert "Input/output error" in (watcher.health().journal or "")
        await watcher.aclose()
        async with asyncio.timeout(5.0):
            assert await consumer == []


async def test_jobs_that_ended_long_ago_are_forgotten(tmp_path: Path, inline: None) -> None:
    path = tmp_path / "watch.db"
    jobs = [ScriptedJob("a", ends=50.0), ScriptedJob("b", ends=50.0)]
    async with watching(*jobs, journal=path, keep=3600.0) as (watcher, _):
        await watcher.add("a", "b")
        changes = await until_end(watcher, 2)
        assert len(changes) == 6
        await asyncio.sleep(3000)
        assert await watcher.add("a") == ()
        await asyncio.sleep(8000)
        assert await watcher.add("a") == ("a",)


# --- projects ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_a_project_is_followed(tmp_path: Path, inline: None) -> None:
    path = tmp_path / "watch.db"
    transport = ScriptedTransport(
        [
            ScriptedJob("over", starts=1.0, ends=50.0, project_id="p"),
            ScriptedJob("going", starts=2.0, ends=500.0, project_id="p"),
            ScriptedJob("other", starts=2.0, ends=500.0, project_id="q"),
            ScriptedJob("new", starts=300.0, ends=600.0, project_id="p"),
            ScriptedJob("short", starts=331.0, ends=335.0, project_id="p"),
            ScriptedJob("while closed", starts=1100.0, ends=1101.0, project_id="p"),
            ScriptedJob("late", starts=3000.0, ends=3300.0, project_id="p"),
        ]
    )
    seen: list[Change] = []
    await asyncio.sleep(100.0)
    async with watching(transport=transport, journal=path, on_change=seen.append) as (watcher, _):
        assert await watcher.add_project("p") is True
        assert await watcher.add_project("p") is False
        await asyncio.sleep(900.0)
    await asyncio.sleep(500.0)
    async with watching(transport=transport, journal=path, on_change=seen.append) as (watcher, _):
        await asyncio.sleep(4000.0)
        assert watcher.health().ok
        assert await watcher.drop_project("p") is True
        assert await watcher.drop_project("p") is False
        asked = len(transport.times("list"))
        await asyncio.sleep(400.0)
        assert len(transport.times("list")) == asked
    whole = ["pending", "running", "completed"]
    by_job: dict[str, list[Change]] = {}
    for change in seen:
        by_job.setdefault(change.job_id, []).append(change)
    assert {job_id: brief(changes) for job_id, changes in by_job.items()} == {
        "going": whole,
        "new": whole,
        "short": whole,
        "while closed": whole,
        "late": whole,
    }
    async with watching(transport=transport, journal=path) as (watcher, _):
        assert watcher.jobs() == ()


async def test_a_job_that_ends_before_the_first_list_is_not_missed() -> None:
    transport = ScriptedTransport([ScriptedJob("quick", starts=10.0, ends=12.0, project_id="p")])
    transport.answer = down(0.0, 100.0, NO_ANSWER)
    async with watching(transport=transport) as (watcher, _):
        await watcher.add_project("p")
        await asyncio.sleep(50.0)
        assert watcher.health().projects == {"p": "no answer"}
        assert brief(await until_end(watcher)) == ["pending", "running", "completed"]
        assert watcher.health().ok


@pytest.mark.slow
async def test_more_new_jobs_than_a_short_list_shows(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("jobwatch._watching.projects._SHORT", 5)
    monkeypatch.setattr("jobwatch._watching.projects._LONG", 50)
    jobs = [ScriptedJob(f"j{number}", starts=100.0, ends=400.0, project_id="p") for number in range(20)]
    jobs.append(ScriptedJob("old", starts=0.0, ends=1.0, project_id="p"))
    await asyncio.sleep(10.0)
    async with watching(*jobs) as (watcher, transport):
        await watcher.add_project("p")
        await asyncio.sleep(200.0)
        assert len(watcher.jobs()) == 20
        assert watcher.health().ok
        transport.jobs |= {
            job.id: job for job in (ScriptedJob(f"k{number}", starts=205.0, project_id="p") for number in range(70))
        }
        await asyncio.sleep(35.0)
        assert len(watcher.jobs()) == 70
        await asyncio.sleep(35.0)
        assert watcher.health().ok
    assert "project p: more than 50 jobs are new since the last list: some may be missed" in caplog.text


async def test_following_rests_while_too_much_is_undelivered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobwatch._watching.watcher._MOST_UNDELIVERED", 30)
    jobs = [
        ScriptedJob(f"j{number}", starts=5.0 * number, ends=5.0 * number + 5, project_id="p") for number in range(90)
    ]
    async with watching(*jobs) as (watcher, transport):
        await watcher.add_project("p")
        await asyncio.sleep(3000.0)
        assert 30 <= watcher.health().undelivered < 60
        asked = len(transport.requests)
        await asyncio.sleep(300.0)
        assert len(transport.requests) == asked
        seen = await until_end(watcher, 90)
    assert len({change.job_id for change in seen}) == 90


async def test_an_api_without_lists_cannot_be_followed(job_server: JobServer) -> None:
    async with Client("bedrock", token="t") as client, Watcher(client) as watcher:
        with pytest.raises(ConfigError, match="no list of jobs"):
            await watcher.add_project("p")


async def test_row_37_a_list_waits_for_the_origins_retry_after() -> None:
    transport = ScriptedTransport([ScriptedJob("a", project_id="p")])
    transport.answer = down(0.0, 20.0, Fault(FaultKind.RATE_LIMITED, "slow down", retry_after=200.0))
    async with watching(transport=transport) as (watcher, _):
        await watcher.add_project("p")
        await asyncio.sleep(1.0)
        await watcher.add("a")
        await asyncio.sleep(400.0)
    assert not [at for at in transport.times() if 1.0 < at < 200.0]
    assert [at for at in transport.times("list") if at > 200.0]


async def test_row_122_a_listed_job_whose_id_cannot_stand_in_a_url_is_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    jobs = [ScriptedJob("..", project_id="p"), ScriptedJob("a", ends=100.0, project_id="p")]
    async with watching(*jobs) as (watcher, _):
        await watcher.add_project("p")
        assert brief(await until_end(watcher)) == ["pending", "running", "completed"]
        assert watcher.health().ok
    assert "a job of project p cannot be watched: a job id cannot be '..'" in caplog.text


async def test_row_118_a_project_that_cannot_be_followed_by_a_fault_of_our_own_is_not_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("jobwatch._watching.projects.new_on", None)
    async with watching(ScriptedJob("a", project_id="p")) as (watcher, _):
        await watcher.add_project("p")
        with pytest.raises(JobwatchError, match=r"fault of its own \(jobwatch p\)") as caught:
            await first(watcher, 1)
        assert isinstance(caught.value.__cause__, TypeError)


async def test_a_followed_job_that_was_dropped_stays_so() -> None:
    async with watching(ScriptedJob("a", ends=300.0, project_id="p")) as (watcher, _):
        await watcher.add_project("p")
        await first(watcher, 1)
        await watcher.drop("a")
        await asyncio.sleep(500.0)
        assert watcher.jobs() == ()
        assert watcher.health().undelivered == 0


async def test_row_119_a_project_goes_on_when_the_disk_has_room_again(tmp_path: Path, inline: None) -> None:
    jobs = [ScriptedJob("a", starts=50.0, ends=300.0, project_id="p")]
    async with watching(*jobs, journal=tmp_path / "watch.db") as (watcher, _):
        await watcher.add_project("p")
        await asyncio.sleep(10.0)
        disk = Disk(watcher)
        disk.fault = OSError(errno.ENOSPC, "No space left on device")
        await watcher.drop("nobody")
        watcher._parts().journal.put()
        await asyncio.sleep(100.0)
        disk.fault = None
        assert brief(await until_end(watcher)) == ["pending", "running", "completed"]


# --- where it runs -----------------------------------------------------------------------------------------------


@pytest.mark.looptime(False)
async def test_in_an_aiohttp_cleanup_context(job_server: JobServer, tmp_path: Path) -> None:
    job_server.add("capydb", "a", ["running"])
    key = web.AppKey("watcher", Watcher)
    seen: list[str] = []

    async def watched(app: web.Application) -> AsyncIterator[None]:
        async with (
            Client("capydb", token="sk_test", base_url=job_server.url_of("capydb"), pace=QUICK) as client,
            Watcher(
                client, journal=tmp_path / "watch.db", on_change=lambda change: seen.append(str(change))
            ) as watcher,
        ):
            app[key] = watcher
            yield

    app = web.Application()
    app.cleanup_ctx.append(watched)
    runner = web.AppRunner(app)
    await asyncio.create_task(runner.setup())
    await app[key].add("a")
    await until(lambda: len(seen) == 2)
    job_server._jobs["capydb", "a"].advance("completed")
    await until(lambda: len(seen) == 3)
    await asyncio.create_task(runner.cleanup())
    assert seen == ["a pending", "a running", "a completed"]
    assert TOKEN.encode() not in (tmp_path / "watch.db").read_bytes()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5.0):
        while not condition():  # noqa: ASYNC110 - the condition has no event
            await asyncio.sleep(0.005)


@pytest.mark.looptime(False)
async def test_in_an_asgi_lifespan_which_other_tasks_drive(job_server: JobServer, tmp_path: Path) -> None:
    """As FastAPI does it: the lifespan is one task, requests are others, and it may be thrown away from a third."""
    job_server.add("capydb", "a", ["running", ("completed", 0.1)])

    @contextlib.asynccontextmanager
    async def lifespan(state: dict[str, Watcher]) -> AsyncIterator[None]:
        async with Client("capydb", token="sk_test", base_url=job_server.url_of("capydb"), pace=QUICK) as client:
            watcher = Watcher(client, journal=tmp_path / "watch.db")
            await watcher.start()
            state["watcher"] = watcher
            try:
                yield
            finally:
                await watcher.aclose()

    state: dict[str, Watcher] = {}
    context = lifespan(state)

    async def handle(request: Callable[[Watcher], Awaitable[object]]) -> object:
        return await request(state["watcher"])

    await asyncio.create_task(context.__aenter__())
    await asyncio.create_task(handle(lambda watcher: watcher.add("a")))
    changes = await asyncio.create_task(handle(until_end))
    await asyncio.create_task(context.__aexit__(None, None, None))
    assert isinstance(changes, list)
    assert brief(changes) == ["pending", "running", "completed"]


# --- what a look changes, in itself ------------------------------------------------------------------------------


def looked(outcome: Outcome | None = None, fault: Fault | None = None, *phases: Phase) -> Looked:
    states = tuple(Transition("a", seq, phase.value, phase, None, NOON) for seq, phase in enumerate(phases, start=1))
    job = Job(id="a", api="x", status="failed", phase=Phase.FAILED, error=Problem("it broke"))
    watched = Watched(job_id="a", api="x", fault=fault, outcome=outcome)
    return Looked(watched, states, outcome, None, None if fault else job)


def test_an_end_without_a_state_of_its_own_is_told_all_the_same() -> None:
    changes = changes_of(looked(Outcome.FAILED, None, Phase.RUNNING), 4, Health.OK, NOON)
    assert [(change.seq, change.kind, change.status) for change in changes] == [(5, STATE, "running"), (6, END, None)]
    assert changes[-1].error == Problem("it broke")
    assert str(changes[-1]) == "a failed: it broke"


@given(
    outcome=st.sampled_from([None, *Outcome]),
    fault=st.sampled_from([None, NO_ANSWER]),
    phases=st.lists(st.sampled_from(Phase), max_size=4),
    health=st.sampled_from(Health),
    seq=st.integers(0, 9),
)
def test_what_a_look_changes_is_told_once_in_order_with_the_end_last(
    outcome: Outcome | None, fault: Fault | None, phases: list[Phase], health: Health, seq: int
) -> None:
    look = looked(outcome, fault, *phases)
    changes = changes_of(look, seq, health, NOON)
    assert [change.seq for change in changes] == list(range(seq + 1, seq + len(changes) + 1))
    told = [change.transition for change in changes if change.transition is not None]
    assert told == list(look.transitions)
    ends = [change for change in changes if change.kind is END]
    assert not ends or ends == [changes[-1]]
    troubled = outcome in (Outcome.UNREACHABLE, Outcome.UNREADABLE, Outcome.AUTH)
    assert bool(ends) == (outcome is not None and not troubled)
    healths = [change.health for change in changes if change.kind is HEALTH]
    assert len(healths) <= 1
    assert health not in healths
    if fault is None and not troubled:
        assert healths == ([] if health is Health.OK else [Health.OK])
