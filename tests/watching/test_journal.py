"""A watcher with a journal: restarts, full disks, damage."""

from __future__ import annotations

import asyncio
import errno
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jobwatch import (
    Change,
    Client,
    ConfigError,
    Health,
    JournalError,
    Outcome,
    Watcher,
)
from jobwatch._watching.journal import Journal
from jobwatch._watching.sqlite import JournalFile
from jobwatch.apis import CAPYDB
from tests.scripted import ScriptedJob, ScriptedTransport, client_of

from .journals import CORRUPT
from .watchers import (
    NO_ANSWER,
    TOKEN,
    Disk,
    brief,
    down,
    first,
    until_end,
    watching,
)

pytestmark = [pytest.mark.looptime, pytest.mark.usefixtures("nothing_is_left", "no_task_is_left")]


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
    monkeypatch.setattr("jobwatch._watching.running._CLOSED_WITHIN", 0.03)
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
        journal = watcher._running().journal
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
