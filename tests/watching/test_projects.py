"""Projects that are followed: every job of theirs is watched."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path

import pytest

from jobwatch import (
    Change,
    Client,
    ConfigError,
    Fault,
    FaultKind,
    JobwatchError,
    Watcher,
)
from jobwatch.testing import JobServer
from tests.scripted import ScriptedJob, ScriptedTransport

from .watchers import (
    NO_ANSWER,
    Disk,
    brief,
    down,
    first,
    until_end,
    watching,
)

pytestmark = [pytest.mark.looptime, pytest.mark.usefixtures("nothing_is_left", "no_task_is_left")]


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
    monkeypatch.setattr("jobwatch._watching.projects._MOST_UNDELIVERED", 30)
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
        watcher._running().journal.put()
        await asyncio.sleep(100.0)
        disk.fault = None
        assert brief(await until_end(watcher)) == ["pending", "running", "completed"]
