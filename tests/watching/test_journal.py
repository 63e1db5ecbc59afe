"""The journal: what is written is there again, and whatever is not a whole journal of ours is refused, not replaced."""

from __future__ import annotations

import asyncio
import errno
import multiprocessing
import os
import pickle
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from jobwatch import Change, ChangeKind, Fault, FaultKind, Health, JournalError, Outcome, Phase, Problem, Transition
from jobwatch._core.matching import Fingerprint
from jobwatch._core.tracker import Watched
from jobwatch._watching import sqlite_open as opening
from jobwatch._watching.journal import Journal, Memory
from jobwatch._watching.lock import JournalLock
from jobwatch._watching.records import (
    Aged,
    Done,
    Entry,
    Followed,
    Forgotten,
    Kept,
    Project,
    Row,
    RowState,
    Told,
    Unfollowed,
)
from jobwatch._watching.sqlite import JournalFile

API = "bedrock"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
T = TypeVar("T")


def change_of(job_id: str, seq: int, kind: ChangeKind = ChangeKind.STATE) -> Change:
    transition = Transition(job_id, seq, "RUNNING", Phase.RUNNING, NOON, NOON)
    return Change(job_id=job_id, seq=seq, kind=kind, seen_at=NOON, transition=transition)


def row_of(job_id: str, seq: int = 0, state: RowState = RowState.WATCHED, at: float = 0.0) -> Row:
    watched = Watched(job_id=job_id, api=API, seq=seq, delivered=(Fingerprint("RUNNING", 1.5),) * min(seq, 1))
    return Row(job_id=job_id, state=state, health=Health.OK, seq=seq, watched=watched, changed_at=at)


def told(job_id: str, first: int, last: int, state: RowState = RowState.WATCHED, at: float = 0.0) -> Told:
    return Told(row_of(job_id, last, state, at), tuple(change_of(job_id, seq) for seq in range(first, last + 1)))


def keys(file: JournalFile, after: int = 0, limit: int = 1000) -> list[str]:
    return [change.key for _, change in file.undelivered(after, limit)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "watch.db"


def made(path: Path, *entries: Entry) -> Path:
    file = JournalFile(path, API)
    file.write(entries)
    file.close()
    return path


# --- what is written is there again ------------------------------------------------------------------------------


def test_a_new_journal_is_empty(path: Path) -> None:
    file = JournalFile(path, API)
    assert file.kept() == Kept()
    assert keys(file) == []
    assert file.find(["a"]) == {}
    file.close()


def test_everything_survives_closing_and_opening(path: Path) -> None:
    fault = Fault(FaultKind.UNREACHABLE, "no answer", http_status=503, code="x", request_id="r", retry_after=2.5)
    end = Change(
        job_id="a/b?",
        seq=2,
        kind=ChangeKind.END,
        seen_at=NOON,
        transition=Transition("a/b?", 1, "Kaputt \u202e", Phase.FAILED, None, NOON, gap=True),
        outcome=Outcome.FAILED,
        error=Problem("it broke\0", "E1"),
        health=Health.AUTH,
        fault=fault,
    )
    row = Row(
        job_id="a/b?",
        state=RowState.ENDED,
        health=Health.STALE,
        seq=2,
        watched=Watched(
            job_id="a/b?",
            api=API,
            phase=Phase.FAILED,
            fault=fault,
            delivered=(Fingerprint("x"),),
            outcome=Outcome.FAILED,
        ),
        changed_at=12.5,
    )
    project = Project(project_id="p", added_at=1.5, known=("a", "b"))
    made(path, Told(row, (change_of("a/b?", 1), end)), Done("a/b?", 1), Followed(project))
    file = JournalFile(path, API)
    kept = file.kept()
    assert kept.projects == (project,)
    assert [(each.acknowledged, each.seq) for each in kept.rows] == [(1, 2)]
    assert file.find(["a/b?", "c"])["a/b?"].watched == row.watched
    assert [change for _, change in file.undelivered(0, 10)] == [end]
    assert file.log("a/b?") == (change_of("a/b?", 1), end)
    file.close()


def test_changes_come_in_the_order_in_which_they_were_written_and_in_pages(path: Path) -> None:
    file = JournalFile(path, API)
    file.write([told("b", 1, 2), told("a", 1, 1)])
    file.write([told("b", 3, 3)])
    assert keys(file) == ["b:1", "b:2", "a:1", "b:3"]
    numbers = [number for number, _ in file.undelivered(0, 10)]
    assert numbers == sorted(numbers)
    assert keys(file, after=numbers[1]) == ["a:1", "b:3"]
    assert keys(file, limit=2) == ["b:1", "b:2"]
    file.write([Done("b", 2)])
    assert keys(file) == ["a:1", "b:3"]
    file.close()


def test_what_is_acknowledged_stays_in_the_log(path: Path) -> None:
    file = JournalFile(path, API)
    file.write([told("a", 1, 3), Done("a", 2), Done("a", 1)])
    assert [change.seq for change in file.log("a")] == [1, 2, 3]
    assert file.kept().rows[0].acknowledged == 2
    file.close()


def test_jobs_that_ended_and_were_acknowledged_are_not_loaded_but_found(path: Path) -> None:
    file = JournalFile(path, API)
    file.write([told("gone", 1, 1, RowState.ENDED), Done("gone", 1), told("told", 1, 1, RowState.ENDED)])
    file.write([Told(row_of("dropped", 0, RowState.DROPPED)), Told(row_of("new"))])
    assert {row.job_id for row in file.kept().rows} == {"told", "new"}
    gone = file.find(["gone"])["gone"]
    assert (gone.state, gone.seq, gone.acknowledged) == (RowState.ENDED, 1, 1)
    assert file.find(["dropped"])["dropped"].state is RowState.DROPPED
    file.close()


def test_a_forgotten_job_leaves_nothing(path: Path) -> None:
    file = JournalFile(path, API)
    file.write([told("a", 1, 2), told("b", 1, 1), Forgotten("a")])
    assert file.find(["a"]) == {}
    assert file.log("a") == ()
    assert keys(file) == ["b:1"]
    file.close()


def test_ageing_takes_only_what_ended_long_ago_and_was_acknowledged(path: Path) -> None:
    file = JournalFile(path, API)
    for job_id, state, at, done in [
        ("old", RowState.ENDED, 1.0, 2),
        ("dropped", RowState.DROPPED, 1.0, 2),
        ("untold", RowState.ENDED, 1.0, 1),
        ("young", RowState.ENDED, 3.0, 2),
        ("watched", RowState.WATCHED, 1.0, 2),
    ]:
        file.write([told(job_id, 1, 2, state, at), Done(job_id, done)])
    file.write([Aged(2.0)])
    assert set(file.find(["old", "dropped", "untold", "young", "watched"])) == {"untold", "young", "watched"}
    assert file.log("old") == ()
    assert len(file.log("watched")) == 2
    file.close()


def test_the_log_of_a_job_that_never_ends_is_bounded(path: Path) -> None:
    file = JournalFile(path, API)
    file.write([told("a", 1, 1500), Done("a", 1200), Aged(0.0)])
    assert file.log("a")[0].seq == 501
    file.write([told("b", 1, 1500), Done("b", 100), Aged(0.0)])
    assert file.log("b")[0].seq == 101
    assert keys(file, limit=10_000)[-1400:] == [f"b:{seq}" for seq in range(101, 1501)]
    file.close()


def test_projects_are_kept_until_unfollowed(path: Path) -> None:
    file = JournalFile(path, API)
    file.write([Followed(Project(project_id="p", added_at=1.0)), Followed(Project(project_id="q", added_at=1.0))])
    file.write([Followed(Project(project_id="p", added_at=1.0, known=("a",))), Unfollowed("q")])
    assert file.kept().projects == (Project(project_id="p", added_at=1.0, known=("a",)),)
    file.close()


def test_entries_that_are_written_twice_change_nothing_the_second_time(path: Path) -> None:
    entries: list[Entry] = [told("a", 1, 2), Done("a", 1), told("b", 1, 1), Forgotten("b"), told("b", 1, 1), Aged(0.0)]
    file = JournalFile(path, API)
    file.write(entries)
    before = keys(file), file.kept()
    file.write(entries)
    assert (keys(file), file.kept()) == before
    file.close()


def test_entries_are_written_all_or_none(path: Path) -> None:
    file = JournalFile(path, API)
    file.write([told("a", 1, 1)])
    with pytest.raises(AttributeError):
        file.write([told("a", 2, 2), Done("a", 1), Told(None)])  # type: ignore[arg-type]
    assert keys(file) == ["a:1"]
    file.write([told("a", 2, 2)])
    assert keys(file) == ["a:1", "a:2"]
    file.close()


def test_every_commit_is_synced(path: Path) -> None:
    file = JournalFile(path, API)
    assert file._connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert file._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    file.close()


# --- the file ----------------------------------------------------------------------------------------------------


def test_row_120_nobody_else_may_read_it_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        file = JournalFile(tmp_path / "watch.db", API)
        file.write([told("a", 1, 1)])
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()}
        file.close()
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(["watch.db", "watch.db-wal", "watch.db-shm", "watch.db.lock"], 0o600)


def refused(path: Path, api: str = API) -> JournalError:
    """Open a journal that cannot be opened, and see that nothing of it is changed, and nothing stays open."""
    before = contents(path.parent)
    with pytest.raises(JournalError) as caught:
        JournalFile(path, api)
    after = contents(path.parent)
    for part in (f"{path.name}-wal", f"{path.name}-shm"):
        if part not in before:
            assert not (part.endswith("-wal") and after.get(part))  # SQLite may leave one, with nothing in it
            after.pop(part, None)
            path.with_name(part).unlink(missing_ok=True)
    assert after == before
    assert str(path) in str(caught.value)
    assert caught.value.path == str(path)
    assert not [each for each in open_files() if each.is_relative_to(path.parent)]
    return caught.value


def contents(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in folder.iterdir() if each.is_file() and each.suffix != ".lock"}


def open_files() -> list[Path]:
    return [each.readlink() for each in Path("/proc/self/fd").iterdir() if each.exists()]


def test_row_120_an_empty_file_is_refused(path: Path) -> None:
    path.touch()
    assert "is damaged (the file is empty)" in str(refused(path))


@pytest.mark.parametrize("text", [b"x", b"{}", b"\0" * 4096, b"SQLite format 2\0" * 300])
def test_row_120_a_file_of_something_else_is_refused(path: Path, text: bytes) -> None:
    path.write_bytes(text)
    assert "something else than a jobwatch journal" in str(refused(path))


def test_row_120_a_database_of_something_else_is_refused(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE jobs (job_id TEXT)")
    connection.close()
    assert "database of something else" in str(refused(path))


def test_row_120_a_journal_of_a_newer_jobwatch_is_refused(path: Path) -> None:
    made(path)
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {len(opening.STEPS) + 1}")
    connection.close()
    assert "newer jobwatch (format 3, known here: 2)" in str(refused(path))


def test_row_120_a_journal_without_a_format_is_refused(path: Path) -> None:
    made(path)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 0")
    connection.close()
    assert "is damaged" in str(refused(path))


def test_row_120_a_journal_of_another_api_is_refused(path: Path) -> None:
    made(path)
    assert "belongs to bedrock, and this client reads capydb" in str(refused(path, "capydb"))


def test_row_120_a_journal_that_names_no_api_is_refused(path: Path) -> None:
    made(path)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("DELETE FROM facts")
    connection.close()
    assert "belongs to no API" in str(refused(path))


def test_row_120_a_truncated_journal_is_refused_at_any_length(path: Path) -> None:
    made(path, told("a", 1, 300))
    whole = path.read_bytes()
    for length in range(0, len(whole), 1024):
        path.write_bytes(whole[:length])
        assert "is damaged" in str(refused(path)) or length < 100, length
    path.write_bytes(whole)
    JournalFile(path, API).close()


def test_row_120_a_damaged_page_is_refused(path: Path) -> None:
    made(path, told("a", 1, 300))
    whole = path.read_bytes()
    page = 8 * 4096
    path.write_bytes(whole[:page] + b"\xff" * 4096 + whole[page + 4096 :])
    assert "is damaged" in str(refused(path))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE jobs SET watched = '{'",
        "UPDATE jobs SET watched = '{\"job_id\":1}'",
        "UPDATE jobs SET watched = x'ff'",
        "UPDATE jobs SET state = 'sleeping'",
        "UPDATE jobs SET health = ''",
        "UPDATE projects SET project = '[]'",
    ],
)
def test_row_120_a_journal_with_entries_that_cannot_be_read_is_refused(path: Path, statement: str) -> None:
    made(path, told("a", 1, 1), Followed(Project(project_id="p", added_at=1.0)))
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(statement)
    connection.close()
    file = JournalFile(path, API)
    what = "a project" if "projects" in statement else "job a"
    with pytest.raises(JournalError) as caught:
        file.kept()
    assert str(caught.value) == (
        f"the journal {path} is damaged ({what} cannot be read): restore it from a copy, or move it away to start anew"
    )
    file.close()


def test_row_120_a_change_that_cannot_be_read_is_no_reason_to_skip_it(path: Path) -> None:
    made(path, told("a", 1, 1))
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("UPDATE deliveries SET change = '{}'")
    connection.close()
    file = JournalFile(path, API)
    with pytest.raises(JournalError, match=r"delivery 1 cannot be read"):
        file.undelivered(0, 10)
    with pytest.raises(JournalError, match=r"job a cannot be read"):
        file.log("a")
    file.close()


def test_row_120_a_folder_is_no_journal(path: Path) -> None:
    path.mkdir()
    assert "is not a file" in str(refused(path))


def test_row_119_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="cannot be locked: No such file or directory"):
        JournalFile(tmp_path / "nowhere" / "watch.db", API)


def test_row_119_a_folder_in_which_nothing_can_be_written() -> None:
    with pytest.raises(JournalError, match=r"/proc/watch\.db cannot be locked"):
        JournalFile("/proc/watch.db", API)


def test_row_119_a_journal_that_cannot_be_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(path)

    def connect(where: Path) -> sqlite3.Connection:
        connection = sqlite3.connect(f"{where.as_uri()}?mode=ro", uri=True, isolation_level=None)
        connection.execute("PRAGMA query_only = 1")
        return connection

    monkeypatch.setattr(opening, "connect", connect)
    assert "readonly" in str(refused(path))


def test_row_119_a_journal_that_cannot_be_made_leaves_none(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(*_args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(opening, "_sync", no_space)
        patch.setattr(Path, "rename", no_space)
        with pytest.raises(JournalError, match="No space left on device"):
            JournalFile(path, API)
    assert not path.exists()
    JournalFile(path, API).close()
    assert {each.name for each in path.parent.iterdir()} == {"watch.db", "watch.db.lock"}


@pytest.mark.parametrize("suffix", ["-wal", "-journal"])
def test_row_120_a_journal_that_is_gone_but_for_a_part_is_not_started_afresh(path: Path, suffix: str) -> None:
    made(path)
    path.unlink()
    path.with_name(path.name + suffix).write_bytes(b"part")
    assert f"is not there, but watch.db{suffix} is" in str(refused(path))


def test_a_damaged_journal_that_was_moved_away_can_be_started_anew(path: Path) -> None:
    made(path, told("a", 1, 300))
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(JournalError, match="is damaged"):
        JournalFile(path, API)
    path.rename(path.with_name("damaged.db"))
    file = JournalFile(path, API)
    assert keys(file) == []
    file.write([told("a", 1, 1)])
    file.close()


def test_a_journal_whose_making_was_cut_short_is_made_anew(path: Path) -> None:
    path.with_name("watch.db.new").write_bytes(b"half")
    path.with_name("watch.db.new-wal").write_bytes(b"half")
    JournalFile(path, API).close()
    assert {each.name for each in path.parent.iterdir()} == {"watch.db", "watch.db.lock"}


def test_a_file_that_was_moved_away_or_replaced_is_not_written(path: Path) -> None:
    file = JournalFile(path, API)
    path.rename(path.with_name("elsewhere.db"))
    with pytest.raises(FileNotFoundError):
        file.write([told("a", 1, 1)])
    path.write_bytes(b"other")
    with pytest.raises(FileNotFoundError, match="another file has taken its place"):
        file.write([told("a", 1, 1)])
    path.with_name("elsewhere.db").replace(path)
    file.write([told("a", 1, 1)])
    assert keys(file) == ["a:1"]
    file.close()


def test_the_error_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(JournalError("x.db", "is in use", 12)))
    assert (str(error), error.path, error.pid) == ("the journal x.db is in use", "x.db", 12)


# --- one process -------------------------------------------------------------------------------------------------


def test_row_121_the_same_process_cannot_open_it_twice(path: Path) -> None:
    first = JournalFile(path, API)
    with pytest.raises(JournalError, match="in use by this process") as caught:
        JournalFile(path, API)
    assert caught.value.pid == os.getpid()
    first.write([told("a", 1, 1)])
    first.close()
    JournalFile(path, API).close()


def test_row_121_nor_by_another_name_of_it(path: Path) -> None:
    first = JournalFile(path, API)
    other = path.with_name("link.db")
    other.symlink_to(path)
    with pytest.raises(JournalError, match="in use"):
        JournalFile(other, API)
    first.close()


_HOLD = "import sys, jobwatch._watching.sqlite as f; j = f.JournalFile(sys.argv[1], 'bedrock'); print(); input()"


def test_row_121_another_process_is_told_whose_it_is_and_a_dead_one_holds_nothing(path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", _HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(JournalError, match=f"in use by process {holder.pid};") as caught:
            JournalFile(path, API)
        assert caught.value.pid == holder.pid
        holder.send_signal(signal.SIGKILL)
    JournalFile(path, API).close()


@pytest.mark.slow
def test_row_121_of_many_that_open_it_at_once_one_gets_it(path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    with context.Pool(2) as pool:
        got = pool.map(_try_to_hold, [str(path)] * 6, chunksize=1)
    assert sum(got) >= 1
    assert JournalFile(path, API).find([f"job {pid}" for pid in range(1)]) == {}


def _try_to_hold(path: str) -> bool:
    try:
        file = JournalFile(path, API)
    except JournalError as error:
        assert "in use" in str(error)  # noqa: PT017 - there is nothing to catch it in
        return False
    time.sleep(0.02)
    file.close()
    return True


def test_row_121_a_lock_that_was_deleted_and_made_anew_is_noticed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    lock = path.with_name("watch.db.lock")
    times: list[int] = []
    flock = fcntl.flock

    def late(handle: int, how: int) -> None:
        if not times:
            lock.unlink()
        times.append(how)
        flock(handle, how)

    monkeypatch.setattr(fcntl, "flock", late)
    file = JournalFile(path, API)
    assert len(times) == 2
    assert lock.read_text() == f"{os.getpid()}\n"
    file.close()


def test_row_121_a_lock_that_tells_no_process(path: Path) -> None:
    first = JournalFile(path, API)
    path.with_name("watch.db.lock").write_text("?")
    with pytest.raises(JournalError, match="in use by another process") as caught:
        JournalFile(path, API)
    assert caught.value.pid is None
    first.close()


# --- migration ---------------------------------------------------------------------------------------------------


def test_an_older_journal_is_migrated_and_keeps_what_it_held(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(path, told("a", 1, 2), Done("a", 1))
    step = "ALTER TABLE jobs ADD COLUMN colour TEXT; UPDATE jobs SET colour = 'red'"
    monkeypatch.setattr(opening, "STEPS", [*opening.STEPS, step])
    file = JournalFile(path, API)
    assert keys(file) == ["a:2"]
    assert file._connection.execute("SELECT colour FROM jobs").fetchall() == [("red",)]
    assert file._connection.execute("PRAGMA user_version").fetchone() == (3,)
    file.close()
    JournalFile(path, API).close()
    monkeypatch.undo()
    assert "newer" in str(refused(path))


def test_a_journal_of_the_first_format_becomes_that_of_the_place_it_is_opened_for(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = opening.STEPS
    monkeypatch.setattr(opening, "STEPS", steps[:1])
    made(path, told("a", 1, 2))
    connection = sqlite3.connect(path)
    connection.execute("DELETE FROM facts WHERE name = 'place'")
    connection.commit()
    connection.close()
    monkeypatch.setattr(opening, "STEPS", steps)
    file = JournalFile(path, API)  # which says nothing of the place
    assert keys(file) == ["a:1", "a:2"]
    file.close()
    file = JournalFile(path, API, "https://a.example")
    assert keys(file) == ["a:1", "a:2"]
    file.close()
    with pytest.raises(
        JournalError, match=r"holds jobs of https://a\.example, and this client reads https://b\.example"
    ):
        JournalFile(path, API, "https://b.example")
    JournalFile(path, API, "https://a.example").close()


def test_a_migration_that_fails_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(path, told("a", 1, 2))
    monkeypatch.setattr(opening, "STEPS", [*opening.STEPS, "CREATE TABLE x (y); SELECT no_such_thing FROM jobs"])
    with pytest.raises(JournalError, match="no_such_thing"):
        JournalFile(path, API)
    monkeypatch.undo()
    file = JournalFile(path, API)
    assert keys(file) == ["a:1", "a:2"]
    file.close()


# --- as the watcher sees it ----------------------------------------------------------------------------------------


class Disk:
    """Stands before a file's `write` and lets it fail."""

    def __init__(self, journal: Journal) -> None:
        file = journal._opened
        self.fault: Exception | None = None
        self.batches: list[int] = []
        self.slow = 0.0
        self._write = file.write
        file.write = self.write  # type: ignore[method-assign, assignment]

    def write(self, entries: tuple[Entry, ...]) -> None:
        time.sleep(self.slow)
        if self.fault is not None:
            raise self.fault
        self.batches.append(len(entries))
        self._write(entries)


FULL = sqlite3.OperationalError("database or disk is full")
FULL.sqlite_errorcode = sqlite3.SQLITE_FULL
CORRUPT = sqlite3.DatabaseError("database disk image is malformed")
CORRUPT.sqlite_errorcode = sqlite3.SQLITE_CORRUPT


async def opened(path: Path, rung: list[int] | None = None) -> tuple[Journal, Disk]:
    journal = Journal(path, API, lambda: rung.append(1) if rung is not None else None)
    await journal.open()
    return journal, Disk(journal)


async def test_what_is_put_while_a_batch_is_written_is_written_together(path: Path) -> None:
    rung: list[int] = []
    journal, disk = await opened(path, rung)
    disk.slow = 0.02
    journal.put(told("a", 1, 1))
    await asyncio.sleep(0.005)
    for seq in range(2, 50):
        journal.put(told("a", seq, seq))
    await journal.written()
    assert disk.batches == [1, 48]
    assert len(rung) == 2
    assert [change.seq for _, change in await journal.undelivered(0, 100)] == list(range(1, 50))
    await journal.aclose()


async def test_a_mark_is_reached_when_what_was_put_before_it_is_written(path: Path) -> None:
    journal, disk = await opened(path)
    mark = journal.put(told("a", 1, 1))
    await journal.written(mark)
    assert disk.batches == [1]
    await journal.written(mark)
    await journal.written()
    await journal.aclose()


async def test_what_is_found_is_never_older_than_what_was_put(path: Path) -> None:
    journal, disk = await opened(path)
    disk.slow = 0.01
    for seq in range(1, 4):
        journal.put(told("a", seq, seq))
        assert (await journal.find(["a"]))["a"].seq == seq
    await journal.aclose()


@pytest.mark.slow
async def test_row_119_a_full_disk_is_told_to_the_impatient_and_waited_for_by_the_patient(path: Path) -> None:
    journal, disk = await opened(path)
    disk.fault = FULL
    patient = asyncio.create_task(journal.written(journal.put(told("a", 1, 1)), patient=True))
    with pytest.raises(JournalError, match="database or disk is full; it is tried again"):
        await journal.written()
    assert journal.trouble is not None
    assert "full" in journal.trouble
    assert not patient.done()
    with pytest.raises(JournalError, match="full"):
        await journal.find(["a"])
    disk.fault = None
    journal.put(told("a", 2, 2))
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
    journal.put(told("a", 1, 500))
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
    journal.put(told("a", 1, 1))
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
    await journal.written(journal.put(told("a", 1, 1)), patient=True)
    assert pauses[:4] == [0.1, 0.2, 0.4, 0.8]
    assert pauses[-1] == 30.0
    await journal.aclose()


async def test_row_120_damage_is_for_good_and_told_to_all(path: Path) -> None:
    rung: list[int] = []
    journal, disk = await opened(path, rung)
    disk.fault = CORRUPT
    patient = asyncio.create_task(journal.written(journal.put(told("a", 1, 1)), patient=True))
    with pytest.raises(JournalError, match="it is damaged"):
        await patient
    assert journal.broken is not None
    assert rung
    journal.put(told("a", 2, 2))
    with pytest.raises(JournalError, match="it is damaged"):
        await journal.written()
    await journal.aclose()


async def test_a_fault_of_our_own_is_not_swallowed(path: Path) -> None:
    journal, disk = await opened(path)
    disk.fault = ZeroDivisionError()
    with pytest.raises(JournalError, match="fault of jobwatch's own"):
        await journal.written(journal.put(told("a", 1, 1)), patient=True)
    with pytest.raises(ZeroDivisionError):
        await journal.aclose()
    JournalFile(path, API).close()


async def test_row_119_reading_is_tried_again_too(path: Path) -> None:
    journal, _ = await opened(path)
    journal.put(told("a", 1, 1))
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
    journal.put(told("a", 1, 1))
    await asyncio.sleep(0)
    journal.put(told("a", 2, 2))
    await journal.aclose()
    file = JournalFile(path, API)
    assert keys(file) == ["a:1", "a:2"]
    file.close()


async def test_closing_with_a_full_disk_tries_once_more_and_tells_those_who_wait(path: Path) -> None:
    journal, disk = await opened(path)
    disk.fault = FULL
    waiting = asyncio.create_task(journal.written(journal.put(told("a", 1, 1)), patient=True))
    await asyncio.sleep(0.01)
    await asyncio.wait_for(journal.aclose(), 1.0)
    with pytest.raises(JournalError, match="full"):
        await waiting
    file = JournalFile(path, API)
    assert keys(file) == []
    file.close()


async def test_row_109_opening_can_be_cancelled_and_leaves_nothing_open(path: Path) -> None:
    for delay in (0.0, 0.001, 0.005):
        journal = Journal(path, API, lambda: None)
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
    made(path, told("a", 1, 1))
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("UPDATE jobs SET watched = '{'")
    connection.close()
    journal = Journal(path, API, lambda: None)
    with pytest.raises(JournalError, match="is damaged"):
        await journal.open()
    await journal.aclose()


# --- any sequence of entries ---------------------------------------------------------------------------------------


def now(made: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that waits for nothing."""
    try:
        made.send(None)
    except StopIteration as stop:
        value: T = stop.value
        return value
    raise AssertionError("it waited")


JOBS = st.sampled_from(["a", "b", "c"])


class AnySequence(RuleBasedStateMachine):
    """The file, reopened or cut off at any time, and the memory do as three plain dictionaries do."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = 0.0
        self.jobs: dict[str, Row] = {}
        self.acknowledged: dict[str, int] = {}
        self.log: list[Change] = []
        self.memory = Memory(lambda: None)

    @initialize(folder=st.builds(lambda: __import__("tempfile").mkdtemp(prefix="journal")))
    def begin(self, folder: str) -> None:
        self.path = Path(folder) / "watch.db"
        self.file = JournalFile(self.path, API)

    def teardown(self) -> None:
        self.file.close()

    def write(self, *entries: Entry) -> None:
        self.file.write(entries)
        self.memory.put(*entries)

    @rule(job_id=JOBS, count=st.integers(0, 3), state=st.sampled_from(RowState))
    def tell(self, job_id: str, count: int, state: RowState) -> None:
        seq = self.jobs[job_id].seq if job_id in self.jobs else 0
        self.clock += 1.0
        entry = told(job_id, seq + 1, seq + count, state, self.clock)
        self.write(entry)
        self.jobs[job_id] = entry.row
        self.acknowledged.setdefault(job_id, 0)
        self.log += entry.changes

    @rule(job_id=JOBS, share=st.floats(0.0, 1.0))
    def acknowledge(self, job_id: str, share: float) -> None:
        seq = int(share * self.jobs[job_id].seq) if job_id in self.jobs else 7
        self.write(Done(job_id, seq))
        if job_id in self.jobs:
            self.acknowledged[job_id] = max(seq, self.acknowledged[job_id])

    @rule(job_id=JOBS)
    def forget(self, job_id: str) -> None:
        self.write(Forgotten(job_id))
        self.jobs.pop(job_id, None)
        self.acknowledged.pop(job_id, None)
        self.log = [change for change in self.log if change.job_id != job_id]

    @rule(back=st.floats(-1.0, 5.0))
    def age(self, back: float) -> None:
        before = self.clock - back
        self.write(Aged(before))
        for job_id, row in list(self.jobs.items()):
            done = self.acknowledged[job_id] == row.seq
            if row.state is not RowState.WATCHED and row.changed_at < before and done:
                del self.jobs[job_id], self.acknowledged[job_id]
                self.log = [change for change in self.log if change.job_id != job_id]

    @rule()
    def reopen(self) -> None:
        self.file.close()
        self.file = JournalFile(self.path, API)

    @rule(job_id=JOBS)
    def fail(self, job_id: str) -> None:
        seq = self.jobs[job_id].seq if job_id in self.jobs else 0
        with pytest.raises(AttributeError):
            self.file.write([told(job_id, seq + 1, seq + 1), Forgotten("a"), Told(None)])  # type: ignore[arg-type]

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "file"):
            return
        waiting = [change for change in self.log if change.seq > self.acknowledged[change.job_id]]
        assert [change for _, change in self.file.undelivered(0, 1000)] == waiting
        assert [change for _, change in now(self.memory.undelivered(0, 1000))] == waiting
        kept = {row.job_id: row for row in self.file.kept().rows}
        untold = {change.job_id for change in waiting}
        assert set(kept) == {
            job_id for job_id, row in self.jobs.items() if row.state is RowState.WATCHED or job_id in untold
        }
        for job_id, row in kept.items():
            assert (row.acknowledged, row.watched) == (self.acknowledged[job_id], self.jobs[job_id].watched)
        for job_id in ("a", "b", "c"):
            assert list(self.file.log(job_id)) == [change for change in self.log if change.job_id == job_id]
            found = self.file.find([job_id])
            assert (job_id in found) == (job_id in self.jobs)
            if job_id in found and found[job_id].state is not RowState.WATCHED and job_id not in untold:
                assert now(self.memory.find([job_id])).keys() == {job_id}


TestAnySequence = pytest.mark.slow(AnySequence.TestCase)
TestAnySequence.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)


def test_memory_pages_and_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    from jobwatch._watching import journal as _journal

    monkeypatch.setattr(_journal, "_ENDED_KEPT", 2)
    rung: list[int] = []
    memory = Memory(lambda: rung.append(1))
    assert now(memory.open()) == Kept()
    memory.put(told("a", 1, 3), Followed(Project(project_id="p", added_at=0.0)), Unfollowed("p"))
    found = now(memory.undelivered(0, 2))
    assert [change.key for _, change in found] == ["a:1", "a:2"]
    assert [change.key for _, change in now(memory.undelivered(found[-1][0], 2))] == ["a:3"]
    for job_id in ("x", "y", "z"):
        memory.put(told(job_id, 1, 1, RowState.ENDED))
    assert now(memory.find(["x", "y", "z"])).keys() == {"y", "z"}
    now(memory.written())
    assert rung
    now(memory.aclose())
    assert now(memory.undelivered(0, 9)) == []


# --- what is said, and what is no obstacle ------------------------------------------------------------------------


def version_of(path: Path, version: int) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {version}")
    connection.close()


def a_null_where_none_may_be(path: Path) -> None:
    """Break a rule of the file's own, in a place that can still be read."""
    for before, after in (("project TEXT NOT NULL", "project TEXT"), ("project TEXT", "project TEXT NOT NULL")):
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET sql = replace(sql, ?, ?) WHERE name = 'projects'", (before, after))
        connection.commit()
        connection.close()
        if after == "project TEXT":
            with sqlite3.connect(path) as connection:
                connection.execute("INSERT INTO projects (project_id) VALUES ('p')")
            connection.close()


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (Path.touch, "is damaged (the file is empty): restore it from a copy, or move it away to start anew"),
        (Path.mkdir, "is not a file; name another"),
        (
            lambda path: path.write_bytes(b"other"),
            "is something else than a jobwatch journal; name another file",
        ),
        (
            lambda path: sqlite3.connect(path).execute("PRAGMA user_version = 1").connection.close(),
            "is a database of something else than jobwatch; name another file",
        ),
        (
            lambda path: version_of(made(path), 0),
            "is damaged (it has no format): restore it from a copy, or move it away to start anew",
        ),
        (
            lambda path: a_null_where_none_may_be(made(path)),
            "is damaged (NULL value in projects.project): restore it from a copy, or move it away to start anew",
        ),
    ],
)
def test_row_120_what_is_wrong_with_a_file_is_said_in_full(
    path: Path, harm: Callable[[Path], object], told: str
) -> None:
    harm(path)
    assert str(refused(path)) == f"the journal {path} {told}"


def test_row_120_what_sqlite_says_of_a_damaged_file_is_passed_on(path: Path) -> None:
    made(path, told("a", 1, 300))
    path.write_bytes(path.read_bytes()[:9000])
    assert "is damaged (database disk image is malformed)" in str(refused(path))


def test_row_119_a_file_that_cannot_be_read_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(opening, "_create", refuse)
    assert str(refused(path)) == (
        f"the journal {path} cannot be opened: Permission denied; name another, or see to its folder"
    )


def test_row_119_a_journal_that_somebody_else_has_locked_is_not_called_damaged(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "_BUSY_SECONDS", 0.01)
    other = sqlite3.connect(made(path), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(JournalError, match=r"watch\.db cannot be used: database is locked$"):
        JournalFile(path, API)
    other.close()
    JournalFile(path, API).close()


def test_row_119_somebody_elses_lock_is_waited_for_no_longer_than_a_user_would(path: Path) -> None:
    file = JournalFile(path, API)
    (milliseconds,) = file._connection.execute("PRAGMA busy_timeout").fetchone()
    assert milliseconds == 2000
    file.close()


def test_an_index_that_was_left_behind_holds_nothing_and_is_no_obstacle(path: Path) -> None:
    made(path, told("a", 1, 1))
    path.rename(path.with_name("moved.db"))
    for name in ("watch.db-shm", "watch.db.new-shm"):
        path.with_name(name).write_bytes(b"\xff" * 40_000)
    file = JournalFile(path, API)
    file.write([told("b", 1, 1)])
    assert keys(file) == ["b:1"]
    file.close()


def test_a_folder_that_cannot_be_synced_is_no_obstacle(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_anything = os.open

    def open_no_folder(name: str | Path, flags: int, mode: int = 0o777) -> int:
        if Path(name).is_dir():
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return open_anything(name, flags, mode)

    monkeypatch.setattr(os, "open", open_no_folder)
    JournalFile(path, API).close()
    assert path.exists()


def test_row_121_where_the_system_has_no_such_locks_sqlite_has(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(path)
    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setattr(opening, "_BUSY_SECONDS", 0.01)
    monkeypatch.setattr(opening, "os", SimpleNamespace(name="nt"))
    file = JournalFile(path, API)
    with pytest.raises(JournalError, match=r"watch\.db cannot be used: database is locked$"):
        JournalFile(path, API)
    file.close()
    JournalFile(path, API).close()


def test_row_119_a_lock_that_cannot_be_written_is_told_and_let_go(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(*_args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "ftruncate", no_space)
        assert str(refused(path)) == (
            f"the journal {path} cannot be locked: No space left on device: {path.with_name('watch.db.lock')}"
        )
    JournalFile(path, API).close()


def test_a_lock_that_was_let_go_is_not_let_go_again(path: Path) -> None:
    lock = JournalLock(path)
    lock.release()
    other = path.with_name("other").open("wb")
    lock.release()
    other.write(b"x")
    other.close()


def test_when_a_job_changed_and_what_was_acknowledged_of_it_is_known_again(path: Path) -> None:
    file = JournalFile(made(path, told("a", 1, 3, at=12.5), Done("a", 3), told("b", 1, 3, at=7.5), Done("b", 1)), API)
    known = {row.job_id: (row.changed_at, row.seq, row.acknowledged) for row in file.kept().rows}
    assert known == {"a": (12.5, 3, 3), "b": (7.5, 3, 1)}
    assert file.find(["a"])["a"].changed_at == 12.5
    file.close()


def test_a_file_that_was_replaced_is_told_in_the_words_of_the_system(path: Path) -> None:
    file = JournalFile(path, API)
    path.rename(path.with_name("elsewhere.db"))
    path.write_bytes(b"other")
    with pytest.raises(FileNotFoundError) as caught:
        file.write([told("a", 1, 1)])
    assert (caught.value.errno, caught.value.strerror) == (errno.ENOENT, "another file has taken its place")
    file.close()


def test_row_121_whose_journal_it_is_is_said_in_full(path: Path) -> None:
    file = JournalFile(path, API)
    with pytest.raises(JournalError) as caught:
        JournalFile(path, API)
    assert str(caught.value) == (
        f"the journal {path} is in use by this process; give each watcher a journal of its own"
    )
    assert (caught.value.path, caught.value.pid) == (str(path), os.getpid())
    file.close()


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
    journal.put(told("a", 1, 1))
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


async def memory_of(*entries: Entry) -> tuple[Memory, list[int]]:
    rung: list[int] = []
    memory = Memory(lambda: rung.append(1))
    assert await memory.open() == Kept()
    memory.put(*entries)
    return memory, rung


async def keys_in(memory: Memory) -> list[str]:
    return [change.key for _, change in await memory.undelivered(0, 100)]


async def test_memory_lets_go_of_what_is_acknowledged_and_of_nothing_else() -> None:
    memory, rung = await memory_of(told("a", 1, 3), told("b", 1, 2))
    assert await keys_in(memory) == ["a:1", "a:2", "a:3", "b:1", "b:2"]
    memory.put(Done("a", 2), Done("c", 9))
    assert await keys_in(memory) == ["a:3", "b:1", "b:2"]
    memory.put(Done("a", 2), told("a", 4, 4))
    assert await keys_in(memory) == ["a:3", "b:1", "b:2", "a:4"]
    memory.put(Done("a", 4))
    assert await keys_in(memory) == ["b:1", "b:2"]
    assert len(rung) == 4
    assert (memory.trouble, memory.broken) == (None, None)
    assert not memory._numbers.get("a")
    await memory.aclose()
    assert await keys_in(memory) == []


async def test_memory_forgets_a_job_and_all_that_was_to_be_told_of_it() -> None:
    memory, _ = await memory_of(told("a", 1, 3, RowState.ENDED), told("b", 1, 1, RowState.ENDED))
    memory.put(Forgotten("a"), Forgotten("c"))
    assert await keys_in(memory) == ["b:1"]
    assert set(await memory.find(["a", "b", "c"])) == {"b"}


async def test_memory_keeps_what_ended_since_a_moment() -> None:
    memory, _ = await memory_of(*(told(job_id, 1, 1, RowState.ENDED, at) for job_id, at in (("a", 4.0), ("b", 5.0))))
    memory.put(Aged(5.0))
    assert await memory.find(["a", "b"]) == {"b": row_of("b", 1, RowState.ENDED, 5.0)}
    memory.put(told("b", 2, 2))
    assert await memory.find(["b"]) == {}


async def test_row_119_what_can_be_read_does_not_hide_that_nothing_can_be_written(path: Path) -> None:
    journal, disk = await opened(path)
    disk.fault = FULL
    journal.put(told("a", 1, 1))
    with pytest.raises(JournalError):
        await journal.written()
    assert await journal.undelivered(0, 10) == []
    assert journal.trouble is not None
    disk.fault = None
    await journal.aclose()
