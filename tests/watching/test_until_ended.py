"""A loop that ends with the jobs that are watched, and what there is to tell of them after that."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from jobwatch import Change, JobwatchError, Outcome, Phase, Watcher
from jobwatch._report.overview import Overview
from jobwatch._watching.journal_view import JournalView
from tests.scripted import ScriptedJob

from .watchers import END, first, watching

pytestmark = [pytest.mark.looptime, pytest.mark.usefixtures("nothing_is_left", "no_task_is_left")]


async def told(watcher: Watcher) -> list[str]:
    async with asyncio.timeout(1e6):
        return [change.key async for change in watcher.until_ended()]


async def test_it_ends_with_the_last_job_whose_end_is_then_acknowledged(tmp_path: Path) -> None:
    jobs, journal = (ScriptedJob("a", ends=100.0), ScriptedJob("b", ends=50.0)), tmp_path / "watch.db"
    async with watching(*jobs, journal=journal) as (watcher, _):
        await watcher.add("a", "b")
        assert await told(watcher) == ["a:1", "a:2", "b:1", "b:2", "b:3", "a:3"]
        assert watcher.health().undelivered == 0
        assert await told(watcher) == [], "nothing is watched"
    async with watching(*jobs, journal=journal) as (watcher, transport):
        assert await watcher.add("a", "b") == ()
        assert await told(watcher) == [], "it ends, rather than wait for what will never come"
        assert not transport.requests
        ended = await watcher.ended("a")
    assert ended is not None
    assert (ended.job_id, ended.status, ended.phase, ended.outcome) == (
        *("a", "completed", Phase.SUCCEEDED, Outcome.SUCCEEDED),
    )
    assert (ended.changes, ended.acknowledged) == (3, 3)


async def test_why_a_job_failed_is_told_for_as_long_as_the_journal_knows_it(tmp_path: Path) -> None:
    job, journal = ScriptedJob("a", ends=100.0, fails=True, error="disk full " + "x" * 500), tmp_path / "watch.db"
    async with watching(job, journal=journal) as (watcher, _):
        await watcher.add("a")
        assert len(await told(watcher)) == 3
    async with watching(job, journal=journal) as (watcher, _):
        ended = await watcher.ended("a")
    assert ended is not None
    assert ended.error is not None
    assert (ended.error.message[:10], len(ended.error.message)) == ("disk full ", 400)
    overview, reading = Overview(), JournalView(journal)._read()
    assert not reading.changes, "all is acknowledged"
    overview.take(reading, 200.0)
    (row,) = overview.rows()
    assert row.error == row.job.error == ended.error.text


async def test_what_was_in_flight_comes_again_and_then_it_ends(tmp_path: Path) -> None:
    job, journal = ScriptedJob("a", ends=100.0), tmp_path / "watch.db"
    async with watching(job, journal=journal) as (watcher, _):
        await watcher.add("a")
        assert [change.kind for change in await first(watcher, 3)][-1] is END
        ended = await watcher.ended("a")
        assert ended is not None
        assert (ended.outcome, ended.acknowledged) == (Outcome.SUCCEEDED, 2)
    async with watching(job, journal=journal) as (watcher, _):
        assert await told(watcher) == ["a:3"]


async def test_a_job_that_is_added_meanwhile_counts_and_one_that_is_dropped_does_not() -> None:
    async with watching(ScriptedJob("a", ends=100.0), ScriptedJob("b", ends=200.0), ScriptedJob("c")) as (watcher, _):
        await watcher.add("a", "c")
        seen: list[Change] = []
        dropping: list[asyncio.Future[bool]] = []

        def drop() -> None:
            dropping.append(asyncio.ensure_future(watcher.drop("c")))

        async with asyncio.timeout(1e6):
            async for change in watcher.until_ended():
                seen.append(change)
                if change.job_id == "a" and change.kind is END:
                    await watcher.add("b")
                if change.job_id == "b" and change.kind is END:
                    asyncio.get_running_loop().call_later(50.0, drop)
        assert {change.job_id for change in seen if change.kind is END} == {"a", "b"}
        assert asyncio.get_running_loop().time() == pytest.approx(250.0, abs=30.0)
        assert await asyncio.gather(*dropping) == [True]


async def test_a_project_keeps_it_going() -> None:
    async with watching(ScriptedJob("a", project_id="p", ends=10.0)) as (watcher, _):
        await watcher.add_project("p")
        dropping: list[asyncio.Future[bool]] = []

        def drop() -> None:
            dropping.append(asyncio.ensure_future(watcher.drop_project("p")))

        asyncio.get_running_loop().call_later(1000.0, drop)
        assert len(await told(watcher)) == 3
        assert asyncio.get_running_loop().time() == pytest.approx(1000.0, abs=1.0)
        assert await asyncio.gather(*dropping) == [True]


async def test_nothing_is_told_of_a_job_that_goes_on_or_is_not_known() -> None:
    async with watching(ScriptedJob("a", ends=100.0)) as (watcher, _):
        await watcher.add("a")
        assert await watcher.ended("a") is None
        assert await watcher.ended("b") is None
        await told(watcher)
        assert await watcher.ended("a") is not None
        await watcher.forget("a")
        assert await watcher.ended("a") is None


async def test_it_is_one_loop_as_the_others_are() -> None:
    async with watching(ScriptedJob("a", ends=100.0)) as (watcher, _):
        await watcher.add("a")
        loop = watcher.until_ended()
        with pytest.raises(JobwatchError, match="another loop"):
            aiter(watcher)
        del loop
    async with watching(on_change=print) as (watcher, _):
        with pytest.raises(JobwatchError, match="on_change"):
            watcher.until_ended()
