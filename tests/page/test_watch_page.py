"""`WatchPage`: a watcher's jobs on a page, beside whoever takes their changes."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from jobwatch import Change, ChangeKind, Client, ConfigError, JobwatchError, Outcome, Problem, Watcher, WatchPage
from jobwatch._watching.beside import Beside
from jobwatch._watching.watcher import running_of
from jobwatch.testing import FakeSource, JobServer, Trouble
from tests.conftest import QUICK, at_most, client_of, in_time, own_tasks
from tests.page.reading import let_in

ANY = "127.0.0.1:0"


@contextlib.asynccontextmanager
async def watching(job_server: JobServer, **options: Any) -> AsyncIterator[Watcher]:
    async with client_of(job_server) as client, Watcher(client, **options) as watcher:
        yield watcher


async def test_it_shows_what_the_consumer_is_told_and_takes_nothing_from_it(job_server: JobServer) -> None:
    error = Problem("Unable to process sheet", "PROCESSING_ERROR")
    bad = job_server.add("bedrock", "bad", [("PENDING", 0)], error=error)
    job_server.add("bedrock", "good", [("PENDING", 0), ("RUNNING", 0.05), ("COMPLETED", 0.1)])
    async with watching(job_server) as watcher, WatchPage(watcher, ANY) as page, let_in(page.url) as reader:
        await watcher.add("bad", "good")
        changes: list[Change] = []
        consuming = asyncio.create_task(consumed(watcher, changes))
        await in_time(reader.until(lambda jobs: "outcome" in jobs.get("good", {})))
        bad.advance("FAILED")
        jobs: Any = await in_time(reader.until(lambda jobs: "outcome" in jobs.get("bad", {})))
        await in_time(consuming)
    assert [change.status for change in changes if change.job_id == "good"] == ["PENDING", "RUNNING", "COMPLETED"]
    assert [state[2] for state in jobs["bad"]["states"]] == ["PENDING", "FAILED"]
    assert jobs["bad"]["why"] == "PROCESSING_ERROR: Unable to process sheet"


async def consumed(watcher: Watcher, changes: list[Change]) -> None:
    async for change in watcher.until_ended():
        changes += [change]


async def test_a_job_whose_end_the_consumer_has_taken_is_still_shown(job_server: JobServer) -> None:
    job_server.add("bedrock", "over", [("PENDING", 0), ("COMPLETED", 0.02)])
    async with watching(job_server) as watcher, Beside(watcher) as view:
        await watcher.add("over")
        await in_time(consumed(watcher, []))
        assert watcher.jobs() == ()
        first, later = await view.read(0.0), await view.read(0.0)
        view._gone_through_at = 0.0
        again = await view.read(0.0)
        assert [each.record.watched.outcome for each in first.sightings][-1:] == [Outcome.SUCCEEDED]
        assert [change.kind for change in first.changes][-1:] == [ChangeKind.END]
        assert first.gone == later.gone == again.gone == ()


async def test_a_job_that_is_dropped_before_anybody_looked_is_gone(job_server: JobServer) -> None:
    job_server.add("bedrock", "on", [("PENDING", 0)])
    async with watching(job_server) as watcher, Beside(watcher) as view:
        assert (await view.read(0.0)).sightings == ()
        await watcher.add("on")
        view._gone_through_at = float("inf")  # only what is told
        async with at_most(2):
            while not (await view.read(1.0)).sightings:
                pass
        await watcher.drop("on")
        view._gone_through_at = 0.0
        assert (await view.read(0.0)).gone == ("on",)


async def test_with_a_callback_too_and_a_job_that_is_watched_no_more_is_shown_no_more(job_server: JobServer) -> None:
    told: list[Change] = []
    for job_id in ("one", "two"):
        job_server.add("bedrock", job_id, [("PENDING", 0), ("RUNNING", 0.02)])
    async with watching(job_server, on_change=told.append) as watcher:
        await watcher.add("one", "two")
        async with WatchPage(watcher, ANY) as page, let_in(page.url) as reader:
            await in_time(reader.until(lambda jobs: {job.get("status") for job in jobs.values()} == {"RUNNING"}))
            await watcher.drop("one")
            jobs: Any = await in_time(reader.until(lambda jobs: "one" not in jobs))
            assert list(jobs) == ["two"]
            job_server.add("bedrock", "three", [("PENDING", 0)])
            await watcher.add("three")
            await in_time(reader.until(lambda jobs: "three" in jobs))
    assert {change.job_id for change in told} >= {"one", "two"}


async def test_a_job_whose_changes_wait_in_the_journal_is_shown_as_it_stands(
    job_server: JobServer, tmp_path: Path
) -> None:
    job_server.add("bedrock", "over", [("PENDING", 0), ("COMPLETED", 0.02)])
    job_server.add("bedrock", "on", [("RUNNING", 0)])
    journal = tmp_path / "watch.db"
    async with watching(job_server, journal=journal) as watcher:
        await watcher.add("over", "on")
        async with at_most(2):
            while not all(job.changes and (job.job_id == "on" or job.outcome) for job in watcher.jobs()):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    async with (
        watching(job_server, journal=journal) as watcher,
        WatchPage(watcher, ANY) as page,
        let_in(page.url) as reader,
    ):
        jobs: Any = await in_time(reader.until(lambda jobs: len(jobs) == 2))
    assert (jobs["over"]["outcome"], jobs["on"]["status"]) == ("succeeded", "RUNNING")


async def test_a_job_that_cannot_be_read_is_shown_so_without_the_token(job_server: JobServer) -> None:
    canary = "sk_secret_canary"
    job_server.renew_token(canary)
    job_server.add("bedrock", "etl", [(canary, 0)])
    async with (
        client_of(job_server, token=canary) as client,
        Watcher(client, stale_after=0.01) as watcher,
        WatchPage(watcher, ANY) as page,
        let_in(page.url) as reader,
    ):
        await watcher.add("etl")
        jobs: Any = await in_time(reader.until(lambda jobs: "status" in jobs.get("etl", {})))
        assert jobs["etl"]["status"] == "***"
        job_server.trouble(Trouble.status(500, b'{"error": {"message": "no sk_secret_canary"}}'))
        jobs = await in_time(reader.until(lambda jobs: "fault" in jobs["etl"]))
        assert "HTTP 500" in jobs["etl"]["fault"]
        assert "canary" not in str(jobs)


async def test_each_link_is_told_and_a_new_one_when_it_was_used(job_server: JobServer) -> None:
    links: list[str] = []
    async with watching(job_server) as watcher, WatchPage(watcher, ANY, on_link=links.append) as page:
        assert links == [page.url]
        async with let_in(page.url):
            assert len(links) == 2
            assert links[1] == page.url != links[0]
        assert page.url.partition("=")[2] not in repr(page)
        assert repr(page) == "<WatchPage at 127.0.0.1:0>"


async def test_it_answers_under_the_names_of_its_proxy(job_server: JobServer) -> None:
    import aiohttp

    async with watching(job_server) as watcher, aiohttp.ClientSession() as session:
        for hosts, status in ((("Jobs.example.com",), 200), ("jobs.example.com", 200), ((), 421)):
            async with WatchPage(watcher, ANY, hosts=hosts) as page:
                origin = page.url.partition("/#")[0]
                async with session.get(origin, headers={"Host": "jobs.example.com"}) as answer:
                    assert answer.status == status


async def test_what_is_wrong_is_told_at_once_and_leaves_nothing_behind(job_server: JobServer) -> None:
    async with client_of(job_server) as client:
        watcher = Watcher(client)
        with pytest.raises(ConfigError, match="write HOST:PORT"):
            WatchPage(watcher, "8787")
        page = WatchPage(watcher, ANY)
        with pytest.raises(JobwatchError, match="is not served"):
            _ = page.url
        with pytest.raises(JobwatchError, match="has not been started"):
            await page.start()
        async with watcher:
            with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ConfigError, match="in use"):
                await WatchPage(watcher, f"127.0.0.1:{taken.getsockname()[1]}").start()
            async with WatchPage(watcher, ANY) as first:
                with pytest.raises(JobwatchError, match="one page at a time"):
                    await WatchPage(watcher, ANY).start()
                with pytest.raises(JobwatchError, match="started before"):
                    await first.start()
            await first.aclose()
            async with WatchPage(watcher, ANY):
                pass
            assert not any(task.get_name().startswith("jobwatch page") for task in own_tasks())


async def test_a_link_that_cannot_be_told_leaves_nothing_behind(job_server: JobServer) -> None:
    told: list[str] = []

    def fails(link: str) -> None:
        told.append(link)
        raise RuntimeError("no room for a link")

    async with watching(job_server) as watcher:
        with pytest.raises(RuntimeError, match="no room"):
            await WatchPage(watcher, ANY, on_link=fails).start()
        host, port = told[0].removeprefix("http://").partition("/")[0].split(":")
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(host, int(port))
        async with WatchPage(watcher, ANY) as page:
            assert page.url
        with pytest.raises(JobwatchError, match="this page is not served"):
            _ = page.url


async def test_open_pages_are_told_when_it_ends(job_server: JobServer) -> None:
    async with watching(job_server) as watcher:
        page = WatchPage(watcher, ANY)
        await page.start()
        async with let_in(page.url) as reader:
            await reader.jobs()
            await in_time(page.aclose())
            name, data = await reader.event()
            while name != "over":
                name, data = await reader.event()
            assert data == {"text": "The watch was stopped; the jobs go on."}


async def test_a_page_that_stands_still_by_a_fault_says_so(
    job_server: JobServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with watching(job_server) as watcher, WatchPage(watcher, ANY) as page, let_in(page.url) as reader:
        await reader.jobs()
        monkeypatch.setattr("jobwatch._report.overview.Overview.refresh", lambda *_: 1 / 0)
        job_server.add("bedrock", "one", [("PENDING", 0)])
        await watcher.add("one")
        name, data = await reader.event()
        while name != "over":
            name, data = await reader.event()
        assert "a fault of its own" in data["text"]
    assert "shows no more changes" in caplog.text


async def test_a_watcher_without_a_page_does_no_more_than_before(job_server: JobServer) -> None:
    async with watching(job_server) as watcher:
        jobs = running_of(watcher).jobs
        assert (jobs.told, jobs.noticed) == (None, None)
        async with WatchPage(watcher, ANY):
            assert None not in {jobs.told, jobs.noticed}
        assert (jobs.told, jobs.noticed) == (None, None)


async def test_what_was_stopped_by_the_journal_is_told(job_server: JobServer) -> None:
    async with (
        Client(source=FakeSource(), pace=QUICK) as client,
        Watcher(client) as watcher,
        WatchPage(watcher, ANY) as page,
        let_in(page.url) as reader,
    ):
        assert (await reader.event()) == ("hello", {"place": client.name})
        running_of(watcher).outbox.stop(JobwatchError("the disk is gone"))
        async with at_most(5):
            while await reader.event() != ("health", {"text": "the disk is gone"}):
                pass
