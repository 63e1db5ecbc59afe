"""Changes handed to a function, which may raise, hang, or use the watcher."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from jobwatch import (
    Change,
    ConfigError,
    JobwatchError,
    Watcher,
)
from jobwatch._watching.memory import Memory
from tests.scripted import ScriptedJob, ScriptedTransport, client_of

from .watchers import (
    QUICK,
    first,
    watching,
)

pytestmark = [pytest.mark.looptime, pytest.mark.usefixtures("nothing_is_left", "no_task_is_left")]


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
    monkeypatch.setattr("jobwatch._watching.delivery._MOST_QUEUED", 10)
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
        callbacks = watcher._running().callbacks
        assert callbacks is not None
        assert callbacks._queued <= 10
        await asyncio.sleep(200.0)
        assert callbacks._queued == 0
    assert len(seen) == len(set(seen)) == 600
    assert 1 < most <= 10


@pytest.mark.parametrize("returned", [None, True, 1, "text", object(), asyncio.TimerHandle, [None]])
async def test_whatever_a_callback_returns_that_cannot_be_awaited_it_has_succeeded(returned: object) -> None:
    seen: list[str] = []

    def on_change(change: Change) -> object:
        seen.append(change.key)
        return asyncio.get_running_loop().call_later(0.0, int) if returned is asyncio.TimerHandle else returned

    async with watching(ScriptedJob("a", ends=5.0), on_change=on_change) as (watcher, _):
        await watcher.add("a")
        await asyncio.sleep(60)
        assert watcher.health().ok
        assert watcher.health().undelivered == 0
    assert seen == ["a:1", "a:2", "a:3"]


async def test_what_a_callback_returns_that_can_be_awaited_is_and_its_result_ignored() -> None:
    seen: list[str] = []

    async def late(change: Change) -> bool:
        await asyncio.sleep(1.0)
        seen.append(change.key)
        return False

    async with watching(ScriptedJob("a", ends=5.0), on_change=lambda change: asyncio.ensure_future(late(change))) as (
        watcher,
        _,
    ):
        await watcher.add("a")
        await asyncio.sleep(60)
        assert watcher.health().undelivered == 0
    assert seen == ["a:1", "a:2", "a:3"]


async def test_a_generator_function_is_refused_since_to_call_it_runs_nothing() -> None:
    def generator(change: Change) -> Iterator[str]:
        yield change.key

    async def async_generator(change: Change) -> AsyncIterator[str]:
        yield change.key

    async with client_of(ScriptedTransport([])) as client:
        for on_change in (generator, async_generator):
            with pytest.raises(ConfigError, match="on_change is a generator function"):
                Watcher(client, on_change=on_change)


@pytest.mark.parametrize("let_go", ["drop", "forget"])
async def test_a_change_of_a_job_that_was_let_go_is_not_tried_again(let_go: str) -> None:
    calls: list[str] = []

    async def on_change(change: Change) -> None:
        calls.append(change.key)
        raise ValueError("not now")

    async with watching(ScriptedJob("a", ends=5.0), on_change=on_change, callback_attempts=3) as (watcher, _):
        await watcher.add("a")
        await asyncio.sleep(0.8)
        assert calls == ["a:1", "a:1"]
        await getattr(watcher, let_go)("a")
        await asyncio.sleep(60)
        assert calls == ["a:1", "a:1"]
        assert watcher.health().ok


@pytest.mark.parametrize("let_go", ["drop", "forget"])
async def test_a_refused_job_that_was_let_go_is_handed_out_again_when_it_is_added(let_go: str) -> None:
    seen: list[str] = []
    is_down = True

    def on_change(change: Change) -> None:
        if is_down:
            raise ValueError("the database is down")
        seen.append(change.key)

    async with watching(ScriptedJob("a", ends=50.0), on_change=on_change, callback_attempts=1) as (watcher, _):
        await watcher.add("a")
        await asyncio.sleep(10)
        assert set(watcher.health().refused) == {"a"}
        await getattr(watcher, let_go)("a")
        assert watcher.health().ok
        is_down = False
        assert await watcher.add("a") == ("a",)
        await asyncio.sleep(100)
        assert watcher.health().undelivered == 0
    assert seen == (["a:3"] if let_go == "drop" else ["a:1.1", "a:1.2", "a:1.3"])


@pytest.mark.parametrize("has_journal", [False, True])
async def test_a_job_forgotten_and_added_again_by_the_callback_that_was_at_its_end(
    tmp_path: Path, inline: None, *, has_journal: bool
) -> None:
    seen: list[str] = []
    holder: list[Watcher] = []
    transport = ScriptedTransport([ScriptedJob("a", ends=5.0)])

    async def on_change(change: Change) -> None:
        seen.append(change.key)
        if change.key == "a:3":
            transport.jobs["a"] = ScriptedJob("a", ends=60.0, fails=True)  # a new run under the same id
            await holder[0].forget("a")
            assert await holder[0].add("a") == ("a",)
            await asyncio.sleep(10.0)  # so that changes of the new run wait

    path = tmp_path / "watch.db" if has_journal else None
    async with watching(transport=transport, on_change=on_change, journal=path) as (watcher, _):
        holder.append(watcher)
        await watcher.add("a")
        await asyncio.sleep(200)
        assert watcher.health().undelivered == 0
        assert watcher.jobs() == ()
    assert seen == ["a:1", "a:2", "a:3", "a:1.1", "a:1.2", "a:1.3"]


async def test_a_callback_that_drops_its_job_and_fails_refuses_nothing() -> None:
    holder: list[Watcher] = []

    async def on_change(change: Change) -> None:
        await holder[0].drop(change.job_id)
        raise ValueError("and now this")

    async with watching(ScriptedJob("a", ends=5.0), on_change=on_change, callback_attempts=1) as (watcher, _):
        holder.append(watcher)
        await watcher.add("a")
        await asyncio.sleep(60)
        assert watcher.health().ok
        assert watcher.jobs() == ()
