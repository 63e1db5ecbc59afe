"""The stream of changes: every one once, in order, acknowledged when the loop comes back."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Collection
from pathlib import Path

import pytest

from jobwatch import (
    Change,
    ConfigError,
    Health,
    JobwatchError,
    Outcome,
    Phase,
)
from jobwatch._reading.reply import Reply
from jobwatch._watching.memory import Memory
from jobwatch._watching.records import JobRecord
from tests.scripted import EPOCH, ScriptedJob, ScriptedTransport

from .watchers import (
    END,
    STATE,
    first,
    until_end,
    watching,
)

pytestmark = [pytest.mark.looptime, pytest.mark.usefixtures("nothing_is_left", "no_task_is_left")]


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

    async def late(self: Memory, job_ids: Collection[str]) -> dict[str, JobRecord]:
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
        changes = await until_end(watcher)
        assert [change.key for change in changes] == ["a:1.1", "a:1.2", "a:1.3"]
        assert [(change.generation, change.seq) for change in changes] == [(1, 1), (1, 2), (1, 3)]


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


@pytest.mark.parametrize("has_journal", [False, True])
@pytest.mark.parametrize("pause", [0.0, 20.0])
async def test_an_acknowledgement_is_of_a_change_and_not_of_its_number(
    tmp_path: Path, inline: None, *, has_journal: bool, pause: float
) -> None:
    transport = ScriptedTransport([ScriptedJob("a", ends=5.0)])
    path = tmp_path / "watch.db" if has_journal else None
    seen: list[Change] = []
    async with watching(transport=transport, journal=path) as (watcher, _):
        await watcher.add("a")
        async for change in watcher:
            seen.append(change)
            if change.key == "a:3":
                transport.jobs["a"] = ScriptedJob("a", ends=60.0, fails=True)  # a new run under the same id
                await watcher.forget("a")
                assert await watcher.add("a") == ("a",)
                await asyncio.sleep(pause)
            elif change.kind is END:
                break
        await watcher.acknowledge()
        assert watcher.health().undelivered == 0
    assert [change.key for change in seen] == ["a:1", "a:2", "a:3", "a:1.1", "a:1.2", "a:1.3"]
    assert seen[-1].outcome is Outcome.FAILED


async def test_what_was_read_ahead_of_a_job_that_was_forgotten_is_not_taken_for_the_new_runs() -> None:
    async with watching(ScriptedJob("a", ends=5.0), ScriptedJob("b", ends=5.0)) as (watcher, _):
        await watcher.add("b", "a")
        await asyncio.sleep(20.0)  # all six changes are read at once
        seen: list[str] = []
        async for change in watcher:
            seen.append(change.key)
            if len(seen) == 1:
                await watcher.forget("a")
                await watcher.add("a")
            if change.kind is END and change.job_id == "a":
                break
    assert seen == ["b:1", "b:2", "b:3", "a:1.1", "a:1.2", "a:1.3"]


async def test_a_key_is_used_once_whatever_else_is_forgotten_dropped_or_restarted(tmp_path: Path, inline: None) -> None:
    """A job that the journal has let go of cannot be told from one that it never had: the keys are new all the same."""
    path = tmp_path / "watch.db"
    keys: list[str] = []
    jobs = [ScriptedJob("a", ends=5.0), ScriptedJob("b", ends=5.0)]
    for _ in range(3):
        async with watching(*jobs, journal=path, keep=3600.0) as (watcher, _):
            assert await watcher.add("a", "b") == ("a", "b")
            keys += [change.key for change in await until_end(watcher, 2)]
            await watcher.forget("a")
            assert await watcher.add("a", "b") == ("a",)
            keys += [change.key for change in await until_end(watcher)]
            await asyncio.sleep(2 * 3600.0)  # what ended is not kept so long
            assert await watcher.add("b") == ("b",)
            keys += [change.key for change in await until_end(watcher)]
            await asyncio.sleep(2 * 3600.0)
    assert len(keys) == len(set(keys)) == 3 * (6 + 3 + 3)
