"""The journal as the watcher sees it: written together, tried again where the disk is in trouble, and waited for."""

from __future__ import annotations

import asyncio
import errno
import itertools
import os
import sqlite3
import threading
import time
from pathlib import Path

import anyio
import pytest

from jobwatch import Change, JournalError
from jobwatch._files.lock import FileInUse
from jobwatch._watching import journal as writing
from jobwatch._watching import sqlite_open as opening
from jobwatch._watching.journal import Journal
from jobwatch._watching.records import (
    Entry,
)
from jobwatch._watching.sqlite import JournalFile
from tests.conftest import in_time, soon

from .journals import (
    API,
    CORRUPT,
    FULL,
    changed,
    keys,
    made,
)


class Disk:
    """Stands before a file's `write` and lets it fail."""

    def __init__(self, journal: Journal) -> None:
        file = journal._opened
        self.fault: Exception | None = None
        self.hang: threading.Event | None = None
        self.attempts = 0
        self.batches: list[int] = []
        self.slow = 0.0
        self._write = file.write
        file.write = self.write  # type: ignore[method-assign, assignment]

    def write(self, entries: tuple[Entry, ...]) -> None:
        self.attempts += 1
        time.sleep(self.slow)
        if self.hang is not None:
            self.hang.wait()
        if self.fault is not None:
            raise self.fault
        self.batches.append(len(entries))
        self._write(entries)


async def opened(path: Path) -> tuple[Journal, Disk]:
    journal = Journal(path, API)
    await journal.open()
    return journal, Disk(journal)


async def test_what_is_put_while_a_batch_is_written_is_written_together(path: Path) -> None:
    journal, disk = await opened(path)
    disk.slow = 0.02
    journal.put(changed("a", 1, 1))
    await asyncio.sleep(0.005)
    for seq in range(2, 50):
        journal.put(changed("a", seq, seq))
    await journal.written()
    assert disk.batches == [1, 48]
    assert journal.news.is_set()
    assert [change.seq for _, change in await journal.undelivered(0, 100)] == list(range(1, 50))
    await journal.aclose()


async def test_a_mark_is_reached_when_what_was_put_before_it_is_written(path: Path) -> None:
    journal, disk = await opened(path)
    mark = journal.put(changed("a", 1, 1))
    await journal.written(mark)
    assert disk.batches == [1]
    await journal.written(mark)
    await journal.written()
    await journal.aclose()


async def test_what_is_found_is_never_older_than_what_was_put(path: Path) -> None:
    journal, disk = await opened(path)
    disk.slow = 0.01
    for seq in range(1, 4):
        journal.put(changed("a", seq, seq))
        assert (await journal.find(["a"]))["a"].seq == seq
    await journal.aclose()


@pytest.mark.slow
async def test_row_119_a_full_disk_is_told_to_the_impatient_and_waited_for_by_the_patient(path: Path) -> None:
    journal, disk = await opened(path)
    disk.fault = FULL
    patient = asyncio.create_task(journal.written(journal.put(changed("a", 1, 1)), patient=True))
    with pytest.raises(JournalError, match="database or disk is full; it is tried again"):
        await journal.written()
    assert journal.trouble is not None
    assert "full" in journal.trouble
    assert not patient.done()
    with pytest.raises(JournalError, match="full"):
        await journal.find(["a"])
    disk.fault = None
    journal.put(changed("a", 2, 2))
    await patient
    assert journal.trouble is None
    assert [change.seq for _, change in await journal.undelivered(0, 10)] == [1, 2]
    await journal.aclose()


async def test_row_119_a_really_full_database(path: Path) -> None:
    journal, _ = await opened(path)
    file = journal._opened

    def limit(pages: int) -> int:
        (count,) = file._connection.execute("PRAGMA page_count").fetchone()
        file._connection.execute(f"PRAGMA max_page_count = {pages or count}")
        return int(count)

    await journal._run(limit, 0)
    journal.put(changed("a", 1, 500))
    with pytest.raises(JournalError, match="full"):
        await journal.written()
    await journal._run(limit, 100_000)
    await journal.written()
    assert len(await journal.undelivered(0, 1000)) == 500
    await journal.aclose()


async def test_row_119_somebody_elses_lock_is_waited_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "_BUSY_SECONDS", 0.01)
    journal, _ = await opened(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    journal.put(changed("a", 1, 1))
    with pytest.raises(JournalError, match="locked"):
        await journal.written()
    other.execute("ROLLBACK")
    other.close()
    await journal.written()
    await journal.aclose()


async def test_row_119_it_is_tried_again_ever_less_often(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal, disk = await opened(path)
    disk.fault = OSError(errno.EIO, "Input/output error")
    pauses: list[float] = []
    rest = journal._rest

    async def short(seconds: float | None) -> None:
        if seconds is None:
            await rest(None)
            return
        pauses.append(seconds)
        if len(pauses) == 12:
            disk.fault = None

    monkeypatch.setattr(journal, "_rest", short)
    await journal.written(journal.put(changed("a", 1, 1)), patient=True)
    assert pauses[:4] == [0.1, 0.2, 0.4, 0.8]
    assert pauses[-1] == 30.0
    pauses.clear()
    disk.fault = OSError(errno.EIO, "Input/output error")
    await journal.written(journal.put(changed("a", 2, 2)), patient=True)
    assert pauses[:4] == [0.1, 0.2, 0.4, 0.8], "another trouble begins anew"
    await journal.aclose()


async def test_row_120_damage_is_for_good_and_told_to_all(path: Path) -> None:
    journal, disk = await opened(path)
    disk.fault = CORRUPT
    patient = asyncio.create_task(journal.written(journal.put(changed("a", 1, 1)), patient=True))
    with pytest.raises(JournalError, match="it is damaged"):
        await patient
    assert journal.news.is_set()
    assert journal.writer is not None
    assert isinstance(journal.writer.exception(), JournalError)
    journal.put(changed("a", 2, 2))
    with pytest.raises(JournalError, match="it is damaged"):
        await journal.written()
    await journal.aclose()


async def test_a_fault_of_our_own_is_not_swallowed(path: Path) -> None:
    journal, disk = await opened(path)
    disk.fault = ZeroDivisionError()
    with pytest.raises(JournalError, match=r"cannot be written or read: a fault of jobwatch's own; it is tried again$"):
        await journal.written(journal.put(changed("a", 1, 1)), patient=True)
    with pytest.raises(ZeroDivisionError):
        await journal.aclose()
    JournalFile(path, API).close()


async def test_row_119_reading_is_tried_again_too(path: Path) -> None:
    journal, _ = await opened(path)
    journal.put(changed("a", 1, 1))
    await journal.written()
    read, faults = journal._opened.undelivered, [FULL]

    def undelivered(after: int, limit: int) -> list[tuple[int, Change]]:
        if faults:
            raise faults.pop()
        return read(after, limit)

    journal._opened.undelivered = undelivered  # type: ignore[method-assign]
    assert len(await journal.undelivered(0, 10)) == 1
    assert journal.trouble is None
    faults.append(CORRUPT)  # type: ignore[arg-type]
    with pytest.raises(JournalError, match="it is damaged"):
        await journal.undelivered(0, 10)
    await journal.aclose()


async def test_what_is_pending_is_written_when_it_is_closed(path: Path) -> None:
    journal, disk = await opened(path)
    disk.slow = 0.02
    journal.put(changed("a", 1, 1))
    await asyncio.sleep(0)
    journal.put(changed("a", 2, 2))
    await journal.aclose()
    file = JournalFile(path, API)
    assert keys(file) == ["a:1", "a:2"]
    file.close()


async def test_closing_with_a_full_disk_tries_once_more_and_tells_those_who_wait(path: Path) -> None:
    journal, disk = await opened(path)
    disk.fault = FULL
    waiting = asyncio.create_task(journal.written(journal.put(changed("a", 1, 1)), patient=True))
    await asyncio.sleep(0.01)
    await asyncio.wait_for(journal.aclose(), 1.0)
    with pytest.raises(JournalError, match="full"):
        await waiting
    file = JournalFile(path, API)
    assert keys(file) == []
    file.close()


async def test_row_109_opening_can_be_cancelled_and_leaves_nothing_open(path: Path) -> None:
    for delay in (0.0, 0.001, 0.005):
        journal = Journal(path, API)
        opening = asyncio.create_task(journal.open())
        await asyncio.sleep(delay)
        opening.cancel()
        await asyncio.wait([opening])
        await journal.aclose()
        JournalFile(path, API).close()
    assert not [each for each in threading.enumerate() if each.name.startswith("jobwatch")]


async def test_closed_is_closed(path: Path) -> None:
    journal, _ = await opened(path)
    await journal.aclose()
    assert not [each for each in threading.enumerate() if each.name.startswith("jobwatch")]
    with pytest.raises(JournalError, match="is closed"):
        await journal.undelivered(0, 1)


async def test_a_journal_that_cannot_be_read_does_not_open(path: Path) -> None:
    made(path, changed("a", 1, 1))
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("UPDATE jobs SET watched = '{'")
    connection.close()
    journal = Journal(path, API)
    with pytest.raises(JournalError, match="is damaged"):
        await journal.open()
    await journal.aclose()


@pytest.mark.parametrize(
    ("fault", "told_as"),
    [
        (FULL, "database or disk is full; it is tried again"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "No space left on device; it is tried again"),
        (CORRUPT, "database disk image is malformed; it is damaged"),
    ],
)
async def test_row_119_what_cannot_be_written_is_told_in_full(path: Path, fault: Exception, told_as: str) -> None:
    journal, disk = await opened(path)
    disk.fault = fault
    journal.put(changed("a", 1, 1))
    with pytest.raises(JournalError) as caught:
        await journal.written()
    assert str(caught.value) == f"the journal {path} cannot be written or read: {told_as}"
    assert caught.value.path == str(path)
    assert journal.trouble == f"cannot be written or read: {told_as}"
    disk.fault = None
    await journal.aclose()


async def test_row_119_what_cannot_be_read_is_told_in_full(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object) -> None:
        raise FULL

    journal, _ = await opened(path)
    assert journal.trouble is None
    monkeypatch.setattr(journal._opened, "find", fail)
    with pytest.raises(JournalError) as caught:
        await journal.find(["a"])
    message = "cannot be written or read: database or disk is full; it is tried again"
    assert str(caught.value) == f"the journal {path} {message}"
    assert journal.trouble == message
    assert await journal.undelivered(0, 10) == []
    assert journal.trouble is None
    await journal.aclose()
    with pytest.raises(JournalError) as caught:
        journal._opened  # noqa: B018
    assert str(caught.value) == f"the journal {path} is closed"


async def test_row_119_what_can_be_read_does_not_hide_that_nothing_can_be_written(path: Path) -> None:
    journal, disk = await opened(path)
    disk.fault = FULL
    journal.put(changed("a", 1, 1))
    with pytest.raises(JournalError):
        await journal.written()
    assert await journal.undelivered(0, 10) == []
    assert journal.trouble is not None
    disk.fault = None
    await journal.aclose()


# --- when the disk is asked ---------------------------------------------------------------------------------------


async def rested() -> None:
    """Let the writer begin to rest."""
    for _ in range(3):
        await asyncio.sleep(0)


async def test_what_is_put_is_written_though_nobody_waits_for_it(path: Path) -> None:
    journal, _ = await opened(path)
    for seq in (1, 2):
        await rested()
        journal.news.clear()
        journal.put(changed("a", seq, seq))
        await in_time(journal.news.wait())
    await journal.aclose()


async def test_a_mark_does_not_stand_for_what_was_put_after_it(path: Path) -> None:
    journal, disk = await opened(path)
    mark = journal.put(changed("a", 1, 1))
    await journal.written(mark)
    disk.fault = FULL
    journal.put(changed("a", 2, 2))
    await journal.written(mark)
    with pytest.raises(JournalError, match="full"):
        await journal.written()
    disk.fault = None
    await journal.aclose()


async def test_row_119_in_a_pause_only_who_cannot_wait_has_the_disk_asked(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "_FIRST_PAUSE", 60.0)
    journal, disk = await opened(path)
    disk.fault = FULL
    with pytest.raises(JournalError, match="full"):
        await journal.written(journal.put(changed("a", 1, 1)))
    for seq in range(2, 6):
        journal.put(changed("a", seq, seq))
        await journal.undelivered(0, 1)  # in the same thread: an attempt would have been made before it
    patient = asyncio.create_task(journal.written(patient=True))
    await rested()
    await journal.undelivered(0, 1)
    assert disk.attempts == 1
    disk.fault = None
    await in_time(journal.written())
    await in_time(patient)
    assert disk.attempts == 2
    await rested()
    journal.news.clear()
    journal.put(changed("a", 6, 6))
    await in_time(journal.news.wait())
    await journal.aclose()


@pytest.mark.looptime
async def test_row_119_what_cannot_be_read_is_read_again_ever_less_often_but_every_two_seconds(
    path: Path, inline: None
) -> None:
    journal, _ = await opened(path)
    loop, times = asyncio.get_running_loop(), [0.0]

    def undelivered(_after: int, _limit: int) -> list[tuple[int, Change]]:
        times.append(loop.time())
        if len(times) < 10:
            raise FULL
        return []

    times[0] = loop.time()
    journal._opened.undelivered = undelivered  # type: ignore[method-assign, assignment]
    assert await journal.undelivered(0, 1) == []
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert pauses == pytest.approx([0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0], abs=1e-3)
    await journal.aclose()


# --- opening and closing ------------------------------------------------------------------------------------------


async def test_a_journal_is_opened_for_its_place(path: Path) -> None:
    journal = Journal(path, API, "https://a.example")
    await journal.open()
    await journal.aclose()
    with pytest.raises(JournalError, match=r"holds jobs of https://a\.example, and"):
        JournalFile(path, API, "https://b.example")


async def test_a_journal_opened_for_no_place_is_for_any(path: Path) -> None:
    journal = Journal(path, API)
    await journal.open()
    await journal.aclose()
    JournalFile(path, API, "https://b.example").close()


async def test_what_it_runs_is_found_by_its_name(path: Path) -> None:
    journal, _ = await opened(path)
    assert journal.writer is not None
    assert journal.writer.get_name() == "jobwatch journal"
    assert [each.name for each in threading.enumerate() if each.name.startswith("jobwatch")] == ["jobwatch journal_0"]
    await journal.aclose()


async def test_a_journal_that_was_never_opened_is_closed(path: Path) -> None:
    journal = Journal(path, API)
    with pytest.raises(JournalError, match="is closed"):
        await journal.undelivered(0, 1)
    await journal.aclose()
    with pytest.raises(JournalError) as caught:
        await journal.written(journal.put(changed("a", 1, 1)), patient=True)
    assert str(caught.value) == f"the journal {path} is closed"
    assert caught.value.path == str(path)
    assert not path.exists()


async def test_row_120_damage_that_shows_when_it_is_read_is_told_in_full(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def contents(_file: JournalFile) -> None:
        raise CORRUPT

    monkeypatch.setattr(JournalFile, "contents", contents)
    journal = Journal(path, API)
    with pytest.raises(JournalError) as caught:
        await journal.open()
    assert str(caught.value) == (
        f"the journal {path} is damaged (database disk image is malformed): "
        "restore it from a copy, or move it away to start anew"
    )
    await journal.aclose()


@pytest.mark.parametrize("patient", [True, False])
async def test_row_121_a_lock_that_another_process_has_taken_over_ends_the_writing(path: Path, patient: bool) -> None:
    journal, disk = await opened(path)
    disk.fault = FileInUse(12)
    with pytest.raises(JournalError) as caught:
        await journal.written(journal.put(changed("a", 1, 1)), patient=patient)
    assert str(caught.value) == (f"the journal {path} is in use by process 12; give each watcher a journal of its own")
    assert caught.value.pid == 12
    await journal.aclose()


async def test_row_119_what_cannot_be_read_while_it_closes_is_not_read_again(path: Path) -> None:
    def fail(*_args: object) -> list[tuple[int, Change]]:
        raise FULL

    journal, disk = await opened(path)
    disk.hang = threading.Event()
    journal.put(changed("a", 1, 1))
    await soon(lambda: disk.attempts == 1)
    journal._opened.undelivered = fail  # type: ignore[method-assign, assignment]
    reading = asyncio.create_task(journal.undelivered(0, 1))
    closing = asyncio.create_task(journal.aclose())
    await rested()
    disk.hang.set()
    with pytest.raises(JournalError, match="cannot be written or read: database or disk is full"):
        await in_time(reading)
    await in_time(closing)


async def test_closing_can_be_given_up_while_the_disk_hangs(path: Path) -> None:
    journal, disk = await opened(path)
    disk.hang = threading.Event()
    in_the_end = threading.Timer(5.0, disk.hang.set)
    in_the_end.start()
    journal.put(changed("a", 1, 1))
    await soon(lambda: disk.attempts == 1)
    with anyio.move_on_after(0.01) as limit:
        await journal.aclose()
    assert limit.cancelled_caught
    assert not disk.hang.is_set(), "it was not waited for"
    disk.hang.set()
    in_the_end.cancel()
    for thread in threading.enumerate():
        if thread.name.startswith("jobwatch"):
            thread.join(5.0)
    JournalFile(path, API).close()  # which the thread has closed after all
