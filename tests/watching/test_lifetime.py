"""Opening, closing, cancelling and dying, beside a wait, and in the frameworks where a watcher lives."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from jobwatch import (
    Change,
    Client,
    ConfigError,
    Health,
    JobwatchError,
    Watcher,
)
from jobwatch._core.budget import Budget
from jobwatch._watching.jobs import JobList
from jobwatch._watching.records import Forgotten, JobRecord, Unfollowed
from jobwatch._watching.sqlite import JournalFile
from jobwatch.testing import JobServer
from tests.scripted import EPOCH, ScriptedJob, ScriptedTransport, client_of

from .watchers import (
    END,
    NO_ANSWER,
    QUICK,
    TOKEN,
    brief,
    down,
    first,
    until_end,
    watching,
)

pytestmark = [pytest.mark.looptime, pytest.mark.usefixtures("nothing_is_left", "no_task_is_left")]


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


async def _journalled(path: Path, count: int) -> list[ScriptedJob]:
    """Leave a journal of so many jobs, every second one of a project."""
    jobs = [ScriptedJob(f"j{number}", project_id="p" if number % 2 else None) for number in range(count)]
    async with client_of(ScriptedTransport(jobs)) as client, Watcher(client, journal=path) as watcher:
        await watcher.add(*(job.id for job in jobs))
        await asyncio.sleep(60.0)
        assert all(job.status is not None for job in watcher.jobs())
    return jobs


def _note_restoring(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Return what is set when a start begins with the jobs of its journal."""
    restoring, restore = asyncio.Event(), JobList.restore

    async def told(self: JobList, records: Sequence[JobRecord]) -> None:
        restoring.set()
        await restore(self, records)

    monkeypatch.setattr(JobList, "restore", told)
    return restoring


async def test_a_start_with_many_jobs_gives_the_loop_turns_and_all_begin_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobwatch._watching.jobs._AT_ONCE", 10)
    jobs = await _journalled(tmp_path / "watch.db", 200)
    async with client_of(ScriptedTransport(jobs)) as client:
        watcher = Watcher(client, journal=tmp_path / "watch.db")
        began: list[int] = []
        starting = asyncio.create_task(watcher.start())
        while not starting.done():
            began.append(sum(client.stats.jobs.values()) + client.stats.unread)
            await asyncio.sleep(0)
        await starting
        assert set(began) == {0, 200}
        assert began.count(200) >= 10, "and those of a project are made known to its list bit by bit"
        assert len(watcher.jobs()) == 200
        assert client.wake_project("p")
        await watcher.aclose()


async def test_a_start_of_which_another_watcher_has_a_job_meanwhile_begins_with_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobwatch._watching.jobs._AT_ONCE", 10)
    jobs = await _journalled(tmp_path / "watch.db", 100)
    async with client_of(ScriptedTransport(jobs)) as client, Watcher(client) as other:
        restoring = _note_restoring(monkeypatch)
        starting = asyncio.create_task(Watcher(client, journal=tmp_path / "watch.db").start())
        await restoring.wait()
        await other.add("j99")
        with pytest.raises(ConfigError, match="job j99 is watched already, by another watcher"):
            await starting
        assert [job.job_id for job in other.jobs()] == ["j99"]
        assert sum(client.stats.jobs.values()) + client.stats.unread == 1


@pytest.mark.parametrize("turns", [1, 5, 12])
async def test_a_start_that_is_cancelled_between_its_jobs_leaves_nothing(
    turns: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobwatch._watching.jobs._AT_ONCE", 10)
    jobs = await _journalled(tmp_path / "watch.db", 100)
    async with client_of(ScriptedTransport(jobs)) as client:
        restoring = _note_restoring(monkeypatch)
        starting = asyncio.create_task(Watcher(client, journal=tmp_path / "watch.db").start())
        await restoring.wait()
        for _ in range(turns):
            await asyncio.sleep(0)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert sum(client.stats.jobs.values()) + client.stats.unread == 0
        monkeypatch.undo()
        async with Watcher(client, journal=tmp_path / "watch.db") as watcher:
            assert len(watcher.jobs()) == 100


async def test_two_watchers_of_one_client_cannot_watch_one_job() -> None:
    async with watching(ScriptedJob("a")) as (watcher, _), Watcher(watcher._client) as other:
        await watcher.add("a")
        with pytest.raises(ConfigError, match="another watcher"):
            await other.add("b", "a")
        assert other.jobs() == (), "all of them or none"
        await watcher.drop("a")
        assert await other.add("b", "a") == ("b", "a")


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
