"""Batches: several changes at a time, acknowledged together, and handed out again together."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from jobwatch import Change, ConfigError, JobwatchError, Watcher
from tests.scripted import ScriptedJob

from .watchers import END, first, watching

pytestmark = [pytest.mark.looptime, pytest.mark.usefixtures("nothing_is_left", "no_task_is_left")]

JOBS = [ScriptedJob(f"j{number}", ends=5.0) for number in range(4)]
IDS = [job.id for job in JOBS]


def keys(batches: list[tuple[Change, ...]]) -> list[list[str]]:
    return [[change.key for change in batch] for batch in batches]


async def read(watcher: Watcher, most: int, ends: int) -> list[tuple[Change, ...]]:
    """Read batches until so many jobs have ended; the last one stays in hand."""
    batches: list[tuple[Change, ...]] = []
    async for batch in watcher.batches(most):
        batches.append(batch)
        ends -= sum(change.kind is END for change in batch)
        if ends <= 0:
            break
    return batches


async def test_a_batch_holds_what_there_is_and_no_more_than_was_asked_for() -> None:
    async with watching(*JOBS) as (watcher, _):
        await watcher.add(*IDS)
        await asyncio.sleep(20.0)
        batches = await read(watcher, 5, 4)
    assert [len(batch) for batch in batches] == [5, 5, 2]
    told = [key for batch in keys(batches) for key in batch]
    assert sorted(told) == sorted(f"{job_id}:{seq}" for job_id in IDS for seq in (1, 2, 3))


async def test_a_batch_does_not_wait_to_be_filled() -> None:
    async with watching(ScriptedJob("a", ends=100.0)) as (watcher, _):
        await watcher.add("a")
        began = asyncio.get_running_loop().time()
        async for batch in watcher.batches():
            assert [change.key for change in batch] == ["a:1", "a:2"]
            break
        assert asyncio.get_running_loop().time() - began < 50.0


async def test_the_batch_in_hand_comes_again_after_a_restart_and_no_other(tmp_path: Path, inline: None) -> None:
    path = tmp_path / "watch.db"
    async with watching(*JOBS, journal=path) as (watcher, _):
        await watcher.add(*IDS)
        await asyncio.sleep(20.0)
        batches = watcher.batches(5)
        before = [await anext(batches), await anext(batches)]
    async with watching(*JOBS, journal=path) as (watcher, _):
        assert watcher.health().undelivered == 7
        after = await read(watcher, 5, 4 - sum(change.kind is END for change in before[0]))
    assert keys(after)[0] == keys(before)[1]
    assert len(keys(after)[1]) == 2


async def test_a_batch_is_acknowledged_as_a_whole() -> None:
    async with watching(*JOBS) as (watcher, _):
        await watcher.add(*IDS)
        await asyncio.sleep(20.0)
        batches = watcher.batches(5)
        left = [watcher.health().undelivered]
        for _ in range(3):
            await anext(batches)
            left.append(watcher.health().undelivered)
        await watcher.acknowledge()
        assert [*left, watcher.health().undelivered] == [12, 12, 7, 2, 0]
        assert watcher.jobs() == ()


async def test_a_batch_left_in_hand_comes_first_in_the_next_loop_of_either_kind() -> None:
    async with watching(ScriptedJob("a", ends=5.0)) as (watcher, _):
        await watcher.add("a")
        await asyncio.sleep(20.0)
        assert keys(await read(watcher, 2, 0)) == [["a:1", "a:2"]]
        assert [change.key for change in await first(watcher, 2)] == ["a:1", "a:2"]
        assert keys(await read(watcher, 9, 0)) == [["a:2", "a:3"]]


async def test_what_was_dropped_while_a_batch_was_in_hand_stays_dropped() -> None:
    async with watching(*JOBS) as (watcher, _):
        await watcher.add(*IDS)
        await asyncio.sleep(20.0)
        batches = watcher.batches(4)
        await anext(batches)
        await watcher.drop("j3")
        left = [change.job_id for change in (*await anext(batches), *await anext(batches))]
        assert len(left) > 4
        assert "j3" not in left
        await watcher.acknowledge()
        assert watcher.health().undelivered == 0


async def test_one_loop_at_a_time_of_either_kind() -> None:
    async with watching(ScriptedJob("a", ends=5.0)) as (watcher, _):
        await watcher.add("a")
        async for _batch in watcher.batches():
            with pytest.raises(JobwatchError, match="another loop"):
                aiter(watcher)
            break
        async for _change in watcher:
            with pytest.raises(JobwatchError, match="another loop"):
                watcher.batches()
            break


async def test_a_batch_of_nothing_is_refused() -> None:
    async with watching() as (watcher, _):
        with pytest.raises(ConfigError, match="at least 1 change, not 0"):
            watcher.batches(0)


async def test_a_function_that_is_called_with_changes_leaves_none_for_batches() -> None:
    async with watching(on_change=print) as (watcher, _):
        with pytest.raises(JobwatchError, match="on_change"):
            watcher.batches()


async def test_batches_end_when_the_watcher_closes() -> None:
    async with watching(ScriptedJob("a", ends=500.0)) as (watcher, _):
        await watcher.add("a")
        reading = asyncio.create_task(read(watcher, 3, 1))
        await asyncio.sleep(20.0)
        await watcher.aclose()
        assert keys(await reading) == [["a:1", "a:2"]]
