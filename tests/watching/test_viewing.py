"""Views of watched jobs: of a watcher of this process, and of a journal that somebody else may hold."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from jobwatch import ChangeKind, Client, Health, JournalError, Outcome, Phase, Problem, Watcher
from jobwatch._core.pace import Pace
from jobwatch._files.lock import Held, held
from jobwatch._report.overview import Overview
from jobwatch._watching.journal_view import JournalView
from jobwatch._watching.own import OwnWatch
from jobwatch._watching.records import Acknowledged, Expired, Followed, Forgotten, Project, RecordState
from jobwatch._watching.sqlite import JournalFile
from jobwatch._watching.viewing import Reading, Watching
from jobwatch.testing import FakeSource

from ..virtual import on_virtual_clock
from .journals import API, changed, contents, made

PACE = Pace(min_interval=0.5, max_interval=5.0)

# --- one's own ------------------------------------------------------------------------------------------------------


async def read_until(source: OwnWatch, overview: Overview, client: Client, ends: int) -> list[Reading]:
    readings: list[Reading] = []
    while sum(overview.totals(0.0).ended.values()) < ends:
        readings.append(await source.read(0.2))
        overview.take(readings[-1], client.stats.requests)
    return readings


@on_virtual_clock
async def test_a_watch_of_ones_own_tells_every_look_and_acknowledges_its_changes() -> None:
    fake = FakeSource()
    fake.add("a", [("queued", 0), ("running", 2), ("failed", 9)], url="https://ci.test/a", error=Problem("no space"))
    fake.add("b", [("queued", 0), ("running", 3), ("completed", 12)])
    async with Client(source=fake, pace=PACE) as client, Watcher(client) as watcher:
        await watcher.add("a", "b")
        async with OwnWatch(client, watcher) as source:
            first = await source.read(0.2)
            assert [each.record.job_id for each in first.sightings] == ["a", "b"]
            overview = Overview()
            overview.take(first, 0.0)
            readings = await read_until(source, overview, client, 2)
            assert watcher.health().undelivered == 0
    row = overview.row("a")
    assert row is not None
    assert [state.phase for state in row.job.states] == [Phase.PENDING, Phase.RUNNING, Phase.FAILED]
    assert (row.job.outcome, row.job.url, row.error) == (Outcome.FAILED, "https://ci.test/a", "no space")
    assert row.created_at is not None
    assert row.job.looks
    assert any(each.next_look is not None for reading in readings for each in reading.sightings)
    kinds = [change.kind for reading in readings for change in reading.changes if change.job_id == "a"]
    assert kinds == [ChangeKind.STATE, ChangeKind.STATE, ChangeKind.END]
    assert readings[-1].stats is not None
    assert (readings[-1].origin.watching, readings[-1].origin.api) == (Watching.WE, "fake")


@on_virtual_clock
async def test_no_sighting_comes_before_the_changes_that_it_says_there_have_been() -> None:
    """Else the end of a job would be shown without the API's reason, and its last state with a guessed time."""
    fake = FakeSource()
    for number in range(40):
        fake.add(f"j{number}", [("running", 0), ("completed", number / 10)])
    async with Client(source=fake, pace=PACE) as client, Watcher(client) as watcher:
        await watcher.add(*(f"j{number}" for number in range(40)))
        read: dict[str, int] = {}
        ended = 0
        async with OwnWatch(client, watcher) as source:
            while ended < 40:
                reading = await source.read(0.05)
                read.update((change.job_id, change.seq) for change in reading.changes)
                for each in reading.sightings:
                    assert each.record.seq == read.get(each.record.job_id, 0)
                ended += sum(change.kind is ChangeKind.END for change in reading.changes)


@on_virtual_clock
async def test_a_job_that_was_not_looked_at_is_not_told_again() -> None:
    fake = FakeSource()
    for job_id in ("a", "b"):
        fake.add(job_id, [("running", 0)])
    pace = Pace(min_interval=60.0, max_interval=60.0)
    async with (
        Client(source=fake, pace=pace) as client,
        Watcher(client) as watcher,
        OwnWatch(client, watcher) as source,
    ):
        await watcher.add("a", "b")
        told = [each.record.job_id for _ in range(20) for each in (await source.read(0.2)).sightings]
        assert set(told) == {"a", "b"}, "both were looked at once"
        assert (await source.read(5.0)).sightings == ()
        assert watcher.wake("b")
        assert [each.record.job_id for each in (await source.read(5.0)).sightings] == ["b"]


@on_virtual_clock
async def test_nothing_new_is_told_as_late_as_was_asked() -> None:
    fake = FakeSource()
    async with (
        Client(source=fake, pace=PACE) as client,
        Watcher(client) as watcher,
        OwnWatch(client, watcher) as source,
    ):
        loop = asyncio.get_running_loop()
        await source.read(5.0)
        assert loop.time() == 0.0, "the first time tells all that there is, at once"
        assert (await source.read(5.0)).sightings == ()
        assert loop.time() == pytest.approx(5.0)


@on_virtual_clock
async def test_a_project_that_cannot_be_listed_is_told() -> None:
    fake = FakeSource()
    fake.trouble(ConnectionError(), of="p")
    async with Client(source=fake, pace=PACE) as client, Watcher(client) as watcher:
        await watcher.add_project("p")
        async with OwnWatch(client, watcher) as source:
            assert (await source.read(1.0)).origin.projects == {"p": ""}
            told = (await source.read(1.0)).origin.projects["p"]
    assert told


@on_virtual_clock
async def test_a_watcher_that_has_stopped_says_why() -> None:
    fake = FakeSource()
    fake.add("a", [("running", 0)])
    async with Client(source=fake, pace=PACE) as client, Watcher(client) as watcher:
        await watcher.add("a")
        async with OwnWatch(client, watcher) as source:
            await source.read(1.0)
            await client.aclose()
            await source.read(1.0)
            assert "closed" in str((await source.read(1.0)).origin.trouble)


# --- a journal ------------------------------------------------------------------------------------------------------

_HOLD = """
import sys, jobwatch._watching.sqlite as f
from tests.watching.journals import changed
j = f.JournalFile(sys.argv[1], 'bedrock')
print(flush=True)
for line in sys.stdin:
    j.write(eval(line))
    print(flush=True)
"""


class Service:
    """Another process that holds a journal, and writes what it is told."""

    def __init__(self, path: Path) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen([sys.executable, "-c", _HOLD, path], stdin=pipe, stdout=pipe, text=True)
        self.pid = self._process.pid
        self._answer()

    def _answer(self) -> None:
        assert self._process.stdout is not None
        self._process.stdout.readline()

    def write(self, entries: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{entries}\n")
        self._process.stdin.flush()
        self._answer()

    def end(self, number: int = signal.SIGKILL) -> None:
        self._process.send_signal(number)
        self._process.communicate()


def seen(reading: Reading) -> dict[str, RecordState]:
    return {each.record.job_id: each.record.state for each in reading.sightings}


async def test_a_journal_that_a_service_holds_is_followed_and_left_as_it_is(path: Path) -> None:
    made(path, changed("a", 1, 2))
    service = Service(path)
    try:
        view = JournalView(path)
        assert view.api == API
        first = await view.read(5.0)
        assert (seen(first), [change.key for change in first.changes]) == ({"a": RecordState.WATCHED}, ["a:1", "a:2"])
        assert (first.origin.watching, first.origin.pid) == (Watching.OTHERS, service.pid)
        assert first.stats is None
        await view.read(0.3)
        service.write("[changed('a', 3, 3), changed('b', 1, 1)]")
        news = await view.read(5.0)
        assert (list(seen(news)), [change.key for change in news.changes]) == (["a", "b"], ["a:3", "b:1"])
        service.write("[f.Acknowledged('b', 1), f.Forgotten('a')]")
        assert (await view.read(5.0)).gone == ("a",)
    finally:
        service.end()
    file = JournalFile(path, API)
    assert file.undelivered(0, 9) == []
    file.close()


async def test_a_view_acknowledges_nothing(path: Path) -> None:
    made(path, changed("a", 1, 3))
    before = contents(path.parent)
    view = JournalView(path)
    assert len((await view.read(0.1)).changes) == 3
    await view.read(0.1)
    assert contents(path.parent) == before, "no byte is changed, and nothing lies beside it"
    file = JournalFile(path, API)
    assert [change.seq for _, change in file.undelivered(0, 9)] == [1, 2, 3]
    file.close()


async def test_it_is_told_when_nobody_watches_any_more(path: Path) -> None:
    made(path, changed("a", 1, 1))
    service = Service(path)
    view = JournalView(path)
    assert (await view.read(1.0)).origin.watching is Watching.OTHERS
    service.end()
    reading = await view.read(5.0)
    assert (reading.origin.watching, reading.origin.pid) == (Watching.NOBODY, None)
    again = Service(path)
    try:
        reading = await view.read(5.0)
        assert (reading.origin.watching, reading.origin.pid) == (Watching.OTHERS, again.pid)
    finally:
        again.end()


async def test_a_view_does_not_keep_a_service_from_beginning(path: Path) -> None:
    made(path, changed("a", 1, 1))
    view = JournalView(path)
    for _ in range(5):
        reading = asyncio.create_task(view.read(0.01))
        JournalFile(path, API).close()
        await reading


async def test_what_is_written_within_one_tick_of_the_files_time_is_not_missed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second writing may leave the file with the same size, and with the same time as far as that is told."""
    made(path, changed("a", 1, 1))
    view = JournalView(path)
    moment = time.time_ns() + 60 * 10**9  # just now, however long this takes
    os.utime(path, ns=(moment, moment))
    await view.read(0.01)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE jobs SET state = 'dropped', changed_at = 9")
    connection.close()
    os.utime(path, ns=(moment, moment))
    for part in ("-wal", "-shm"):
        path.with_name(path.name + part).unlink(missing_ok=True)
    assert seen(await view.read(5.0)) == {"a": RecordState.DROPPED}


async def test_a_journal_that_cannot_be_read_for_now_is_read_later(path: Path) -> None:
    made(path, changed("a", 1, 1))
    view = JournalView(path)
    await view.read(0.01)
    hidden = path.with_name("hidden")
    path.rename(hidden)
    trouble = (await view.read(5.0)).origin.trouble
    assert trouble is not None
    assert "cannot be" in trouble
    hidden.rename(path)
    assert (await view.read(5.0)).origin.trouble is None


async def test_a_file_that_was_torn_for_a_moment_is_not_called_damaged(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(path, changed("a", 1, 1))
    view = JournalView(path)
    usual = sqlite3.connect
    torn = [sqlite3.DatabaseError("database disk image is malformed")]

    def connect(name: str, **options: Any) -> sqlite3.Connection:
        if torn:
            raise torn.pop()
        connection: sqlite3.Connection = usual(name, **options)
        return connection

    monkeypatch.setattr("jobwatch._watching.reading.sqlite3.connect", connect)
    reading = await view.read(0.01)
    assert (reading.origin.trouble, len(reading.sightings), torn) == (None, 1, [])


async def test_a_file_that_takes_long_to_read_is_read_less_often(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(path, changed("a", 1, 1))
    view = JournalView(path)
    await view.read(0.01)
    readings = 0
    usual = view._read  # pyright: ignore[reportPrivateUsage]

    def slow() -> Reading:
        nonlocal readings
        readings += 1
        until = time.thread_time() + 0.01
        while time.thread_time() < until:
            pass
        return usual()

    monkeypatch.setattr(view, "_read", slow)
    begun = time.monotonic()
    while time.monotonic() < begun + 0.7:
        made(path, changed("a", readings + 2, readings + 2))
        await view.read(0.02)
    assert 1 <= readings <= 4, "each takes a hundredth of a second, and a fifth of one lies in between"


def test_what_is_no_journal_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="is not there"):
        JournalView(tmp_path / "none.db")
    (tmp_path / "text").write_text("no database" * 100)
    with pytest.raises(JournalError, match="damaged"):
        JournalView(tmp_path / "text")


async def test_projects_and_later_generations_are_read(path: Path) -> None:
    made(path, changed("a", 1, 1), Acknowledged("a", 1), Followed(Project(project_id="p", added_at=1.0)))
    file = JournalFile(path, API)
    file.write([Forgotten("a"), Expired(0.0)])
    generation = file.generation
    assert generation == 1
    entry = changed("b", 1, 1)
    file.write([entry])
    file.close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE jobs SET generation = 1")
    connection.close()
    reading = await JournalView(path).read(0.1)
    assert reading.origin.projects == {"p": ""}
    assert [each.record.generation for each in reading.sightings] == [1]
    assert reading.sightings[0].record.health is Health.OK


# --- who holds it ---------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems do not tell")
def test_whether_a_file_is_locked_is_found_out_without_locking_it(path: Path) -> None:
    made(path, changed("a", 1, 1))
    assert held(path) == Held(is_held=False)
    service = Service(path)
    assert held(path) == Held(is_held=True, pid=service.pid)
    service.end()
    assert held(path) == Held(is_held=False)
    file = JournalFile(path, API)
    assert held(path) == Held(is_held=True, pid=os.getpid())
    file.close()
