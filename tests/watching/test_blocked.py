"""A watcher of jobs that wait for a person: told once, after a restart too, and from a journal of an earlier build.

``data/journal-0.1-words.db`` was written by commit a7312fd, which knew no `blocked`, `partial` or `finished`: a watcher
of a `FakeSource` called ``mine`` on a virtual clock that began at midnight, closed after 1000 s. It holds ``asks``, in
the state ``blocked`` since 100 s, ``over``, in ``finished`` since 200 s, and ``late``, in ``partial`` since 950 s with
both its changes unacknowledged, each of them as a state that means nothing known; and ``ended``, which had succeeded.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from jobwatch import Change, ChangeKind, Client, JournalError, Outcome, Phase, WatchedJob, Watcher
from jobwatch._client.access import engine_of
from jobwatch._watching import sqlite_open as opening
from jobwatch._watching.sqlite import JournalFile
from jobwatch.testing import FakeSource
from tests.scripted import EPOCH

from .watchers import first, until_end

pytestmark = [pytest.mark.looptime, pytest.mark.usefixtures("inline")]
KEPT = Path(__file__).parent / "data" / "journal-0.1-words.db"
ASKED: dict[str, Any] = {"asked": "Deploy?\x1b[2J", "url": "https://ci.test/1"}
STATE, BLOCKED, END = ChangeKind.STATE, ChangeKind.BLOCKED, ChangeKind.END


@contextlib.asynccontextmanager
async def watching(source: FakeSource, journal: Path | None) -> AsyncIterator[Watcher]:
    async with Client(source=source) as client:
        clock = engine_of(client).clock
        clock.epoch, clock.uniform = EPOCH, lambda: 0.5
        async with Watcher(client, journal=journal) as watcher:
            yield watcher


def kinds(changes: list[Change]) -> list[ChangeKind]:
    return [change.kind for change in changes]


@pytest.mark.parametrize("has_journal", [True, False])
async def test_it_is_told_as_a_state_at_once_and_as_blocked_when_confirmed(path: Path, has_journal: bool) -> None:
    source = FakeSource(epoch=EPOCH)
    source.add("a", [("running", 0), ("blocked", 5), ("running", 500), ("completed", 520)], **ASKED)
    async with watching(source, path if has_journal else None) as watcher:
        await watcher.add("a")
        changes = await first(watcher, 3)
        assert kinds(changes) == [STATE, STATE, BLOCKED]
        _, state, blocked = changes
        assert state.transition is not None
        assert (state.transition.asked, state.transition.url) == (ASKED["asked"], ASKED["url"])
        assert (blocked.asked, blocked.url, blocked.transition, blocked.seq) == (ASKED["asked"], ASKED["url"], None, 3)
        assert 10 <= (blocked.seen_at - state.seen_at).total_seconds() < 11
        assert str(blocked) == r"a blocked: waits for a person: Deploy?\x1b[2J: https://ci.test/1"
        (job,) = watcher.jobs()
        assert (job.phase, job.blocked_since, job.asked) == (Phase.BLOCKED, state.seen_at, ASKED["asked"])
        assert (watcher.health().blocked, watcher.health().ok) == (1, True)
        await watcher.acknowledge()
        assert kinds(await until_end(watcher)) == [STATE, END]
        assert watcher.health().blocked == 0


async def test_one_that_goes_on_by_itself_notifies_nobody(path: Path) -> None:
    source = FakeSource(epoch=EPOCH)
    source.add("a", [("running", 0), ("blocked", 5), ("running", 12), ("partial", 20)])
    async with watching(source, path) as watcher:
        await watcher.add("a")
        changes = await until_end(watcher)
    assert kinds(changes) == [STATE, STATE, STATE, END]
    assert changes[-1].outcome is Outcome.PARTIAL


@pytest.mark.parametrize("closed_after", [7.0, 30.0])
async def test_a_restart_asks_nobody_twice_and_forgets_nobody(path: Path, closed_after: float) -> None:
    source = FakeSource(epoch=EPOCH)
    source.add("a", [("running", 0), ("blocked", 5)], **ASKED)
    told: list[Change] = []
    jobs: tuple[WatchedJob, ...] = ()
    for pause in (closed_after, 100.0):
        async with watching(source, path) as watcher:
            await watcher.add("a")
            reading = asyncio.ensure_future(_read(watcher, told))
            await asyncio.sleep(pause)
            jobs = watcher.jobs()
            reading.cancel()
            await asyncio.wait([reading])
            await watcher.acknowledge()
    assert kinds(told) == [STATE, STATE, BLOCKED]
    assert jobs[0].blocked_since is not None
    assert jobs[0].blocked_since.timestamp() == pytest.approx(EPOCH + 5, abs=2)


async def _read(watcher: Watcher, told: list[Change]) -> None:
    async for change in watcher:
        told.append(change)  # noqa: PERF401 - which is to be there when this is cancelled


async def test_a_journal_of_a_build_without_these_words_goes_on(path: Path) -> None:
    shutil.copy(KEPT, path)
    source = FakeSource("mine", epoch=EPOCH)
    source.add("asks", [("running", 0), ("blocked", 100), ("running", 1500), ("succeeded", 1600)], **ASKED)
    source.add("over", [("running", 0), ("finished", 200)])
    source.add("late", [("running", 900), ("partial", 950)])
    await asyncio.sleep(1000)
    async with watching(source, path) as watcher:
        changes = await until_end(watcher, 3)
        assert await watcher.add("ended", "over", "late", "asks") == ()
    by_job = {job_id: [change for change in changes if change.job_id == job_id] for job_id in ("asks", "over", "late")}
    assert [change.key for change in by_job["late"]] == ["late:1", "late:2", "late:3"]
    assert kinds(by_job["late"]) == [STATE, STATE, END]
    assert kinds(by_job["over"]) == [END]
    assert [ends[-1].outcome for ends in by_job.values()] == [Outcome.SUCCEEDED, Outcome.FINISHED, Outcome.PARTIAL]
    assert kinds(by_job["asks"]) == [BLOCKED, STATE, END], "what it asks is notified of now that it is understood"
    assert by_job["asks"][0].asked == ASKED["asked"]


def test_the_build_that_wrote_it_says_that_the_file_is_newer(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(KEPT, path)
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA user_version").fetchone() == (3,)
    connection.close()
    JournalFile(path, "mine").close()
    monkeypatch.setattr(opening, "STEPS", opening.STEPS[:3])
    with pytest.raises(JournalError, match=r"was written by a newer jobwatch \(format 4, known here: 3\)"):
        JournalFile(path, "mine")
