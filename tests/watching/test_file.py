"""The journal's file: what is written is there again, and what is not a whole journal of ours is refused."""

from __future__ import annotations

import errno
import os
import pickle
import random
import sqlite3
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from jobwatch import Change, ChangeKind, Fault, FaultKind, Health, JournalError, Outcome, Phase, Problem, Transition
from jobwatch._core.matching import Fingerprint
from jobwatch._core.tracker import Watched
from jobwatch._watching import sqlite_open as opening
from jobwatch._watching.records import (
    Acknowledged,
    Changed,
    Contents,
    Entry,
    Expired,
    Followed,
    Forgotten,
    JobRecord,
    Project,
    RecordState,
    Unfollowed,
)
from jobwatch._watching.sqlite import JournalFile

from .journals import (
    API,
    NOON,
    change_of,
    changed,
    keys,
    made,
    record_of,
    refused,
)


def test_a_new_journal_is_empty(path: Path) -> None:
    file = JournalFile(path, API)
    assert file.contents() == Contents()
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
    record = JobRecord(
        job_id="a/b?",
        state=RecordState.ENDED,
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
    made(path, Changed(record, (change_of("a/b?", 1), end)), Acknowledged("a/b?", 1), Followed(project))
    file = JournalFile(path, API)
    contents = file.contents()
    assert contents.projects == (project,)
    assert [(each.acknowledged, each.seq) for each in contents.records] == [(1, 2)]
    assert file.find(["a/b?", "c"])["a/b?"].watched == record.watched
    assert [change for _, change in file.undelivered(0, 10)] == [end]
    file.close()


def test_changes_come_in_the_order_in_which_they_were_written_and_in_pages(path: Path) -> None:
    file = JournalFile(path, API)
    file.write([changed("b", 1, 2), changed("a", 1, 1)])
    file.write([changed("b", 3, 3)])
    assert keys(file) == ["b:1", "b:2", "a:1", "b:3"]
    numbers = [number for number, _ in file.undelivered(0, 10)]
    assert numbers == sorted(numbers)
    assert keys(file, after=numbers[1]) == ["a:1", "b:3"]
    assert keys(file, limit=2) == ["b:1", "b:2"]
    file.write([Acknowledged("b", 2)])
    assert keys(file) == ["a:1", "b:3"]
    file.close()


def test_what_is_acknowledged_is_deleted_and_counted(path: Path) -> None:
    file = JournalFile(path, API)
    file.write([changed("a", 1, 3), Acknowledged("a", 2), Acknowledged("a", 1)])
    assert file._connection.execute("SELECT seq FROM deliveries").fetchall() == [(3,)]
    assert file.contents().records[0].acknowledged == 2
    assert file.find(["a"])["a"].acknowledged == 2
    file.close()


def test_jobs_that_ended_and_were_acknowledged_are_not_loaded_but_found(path: Path) -> None:
    file = JournalFile(path, API)
    file.write(
        [changed("gone", 1, 1, RecordState.ENDED), Acknowledged("gone", 1), changed("told", 1, 1, RecordState.ENDED)]
    )
    file.write([Changed(record_of("dropped", 0, RecordState.DROPPED)), Changed(record_of("new"))])
    assert {row.job_id for row in file.contents().records} == {"told", "new"}
    gone = file.find(["gone"])["gone"]
    assert (gone.state, gone.seq, gone.acknowledged) == (RecordState.ENDED, 1, 1)
    assert file.find(["dropped"])["dropped"].state is RecordState.DROPPED
    file.close()


def test_a_forgotten_job_leaves_nothing(path: Path) -> None:
    file = JournalFile(path, API)
    file.write([changed("a", 1, 2), changed("b", 1, 1), Forgotten("a")])
    assert file.find(["a"]) == {}
    assert keys(file) == ["b:1"]
    file.close()


def test_ageing_takes_only_what_ended_long_ago_and_was_acknowledged(path: Path) -> None:
    file = JournalFile(path, API)
    for job_id, state, at, done in [
        ("old", RecordState.ENDED, 1.0, 2),
        ("dropped", RecordState.DROPPED, 1.0, 2),
        ("untold", RecordState.ENDED, 1.0, 1),
        ("young", RecordState.ENDED, 3.0, 2),
        ("watched", RecordState.WATCHED, 1.0, 2),
    ]:
        file.write([changed(job_id, 1, 2, state, at), Acknowledged(job_id, done)])
    file.write([Expired(2.0)])
    assert set(file.find(["old", "dropped", "untold", "young", "watched"])) == {"untold", "young", "watched"}
    file.close()


def test_numbers_are_not_given_out_twice_while_it_is_open(path: Path) -> None:
    """A reader goes on after the last number that it has seen, which may have been deleted since."""
    file = JournalFile(path, API)
    file.write([changed("a", 1, 2)])
    last = file.undelivered(0, 10)[-1][0]
    file.write([Acknowledged("a", 2)])
    file.write([changed("a", 3, 3)])
    assert keys(file, after=last) == ["a:3"]
    file.close()


def test_projects_are_kept_until_unfollowed(path: Path) -> None:
    file = JournalFile(path, API)
    file.write([Followed(Project(project_id="p", added_at=1.0)), Followed(Project(project_id="q", added_at=1.0))])
    file.write([Followed(Project(project_id="p", added_at=1.0, known=("a",))), Unfollowed("q")])
    assert file.contents().projects == (Project(project_id="p", added_at=1.0, known=("a",)),)
    file.close()


def test_entries_that_are_written_twice_change_nothing_the_second_time(path: Path) -> None:
    entries: list[Entry] = [
        changed("a", 1, 2),
        Acknowledged("a", 1),
        changed("b", 1, 1),
        Forgotten("b"),
        changed("b", 1, 1),
        Expired(0.0),
    ]
    file = JournalFile(path, API)
    file.write(entries)
    before = keys(file), file.contents()
    file.write(entries)
    assert (keys(file), file.contents()) == before
    file.close()


def test_entries_are_written_all_or_none(path: Path) -> None:
    file = JournalFile(path, API)
    file.write([changed("a", 1, 1)])
    with pytest.raises(AttributeError):
        file.write([changed("a", 2, 2), Acknowledged("a", 1), Changed(None)])  # type: ignore[arg-type]
    assert keys(file) == ["a:1"]
    file.write([changed("a", 2, 2)])
    assert keys(file) == ["a:1", "a:2"]
    file.close()


def test_every_commit_is_synced(path: Path) -> None:
    file = JournalFile(path, API)
    assert file._connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert file._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    file.close()


def test_row_120_nobody_else_may_read_it_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        file = JournalFile(tmp_path / "watch.db", API)
        file.write([changed("a", 1, 1)])
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()}
        file.close()
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(["watch.db", "watch.db-wal", "watch.db-shm"], 0o600)


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
    assert f"newer jobwatch (format {len(opening.STEPS) + 1}, known here: {len(opening.STEPS)})" in str(refused(path))


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
    made(path, changed("a", 1, 300))
    whole = path.read_bytes()
    for length in range(0, len(whole), 1024):
        path.write_bytes(whole[:length])
        assert "is damaged" in str(refused(path)) or length < 100, length
    path.write_bytes(whole)
    JournalFile(path, API).close()


def test_row_120_a_damaged_page_is_refused(path: Path) -> None:
    made(path, changed("a", 1, 300))
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
    made(path, changed("a", 1, 1), Followed(Project(project_id="p", added_at=1.0)))
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(statement)
    connection.close()
    file = JournalFile(path, API)
    what = "a project" if "projects" in statement else "job a"
    with pytest.raises(JournalError) as caught:
        file.contents()
    assert str(caught.value) == (
        f"the journal {path} is damaged ({what} cannot be read): restore it from a copy, or move it away to start anew"
    )
    file.close()


def test_row_120_a_change_that_cannot_be_read_is_no_reason_to_skip_it(path: Path) -> None:
    made(path, changed("a", 1, 1))
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("UPDATE deliveries SET change = '{}'")
    connection.close()
    file = JournalFile(path, API)
    with pytest.raises(JournalError, match=r"delivery 1 cannot be read"):
        file.undelivered(0, 10)
    file.close()


def test_row_120_a_folder_is_no_journal(path: Path) -> None:
    path.mkdir()
    assert "is not a file" in str(refused(path))


def test_row_119_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="cannot be opened: No such file or directory"):
        JournalFile(tmp_path / "nowhere" / "watch.db", API)


def test_row_119_a_folder_in_which_nothing_can_be_written() -> None:
    with pytest.raises(JournalError, match=r"/proc/watch\.db cannot be opened"):
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
    assert {each.name for each in path.parent.iterdir()} == {"watch.db"}


@pytest.mark.parametrize("suffix", ["-wal", "-journal"])
def test_row_120_a_journal_that_is_gone_but_for_a_part_is_not_started_afresh(path: Path, suffix: str) -> None:
    made(path)
    path.unlink()
    path.with_name(path.name + suffix).write_bytes(b"part")
    assert f"is not there, but watch.db{suffix} is" in str(refused(path))


def test_a_damaged_journal_that_was_moved_away_can_be_started_anew(path: Path) -> None:
    made(path, changed("a", 1, 300))
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(JournalError, match="is damaged"):
        JournalFile(path, API)
    path.rename(path.with_name("damaged.db"))
    file = JournalFile(path, API)
    assert keys(file) == []
    file.write([changed("a", 1, 1)])
    file.close()


def test_a_journal_whose_making_was_cut_short_is_made_anew(path: Path) -> None:
    path.with_name("watch.db.new").write_bytes(b"half")
    path.with_name("watch.db.new-wal").write_bytes(b"half")
    JournalFile(path, API).close()
    assert {each.name for each in path.parent.iterdir()} == {"watch.db"}


def test_a_file_that_was_moved_away_or_replaced_is_not_written(path: Path) -> None:
    file = JournalFile(path, API)
    path.rename(path.with_name("elsewhere.db"))
    with pytest.raises(FileNotFoundError):
        file.write([changed("a", 1, 1)])
    path.write_bytes(b"other")
    with pytest.raises(FileNotFoundError, match="another file has taken its place"):
        file.write([changed("a", 1, 1)])
    path.with_name("elsewhere.db").replace(path)
    file.write([changed("a", 1, 1)])
    assert keys(file) == ["a:1"]
    file.close()


def test_the_error_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(JournalError("x.db", "is in use", 12)))
    assert (str(error), error.path, error.pid) == ("the journal x.db is in use", "x.db", 12)


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
    made(path, changed("a", 1, 300))
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
    connection = opening.connect(path)
    assert connection.execute("PRAGMA busy_timeout").fetchone() == (2000,), "while it is opened, too"
    connection.close()


def test_an_index_that_was_left_behind_holds_nothing_and_is_no_obstacle(path: Path) -> None:
    made(path, changed("a", 1, 1))
    path.rename(path.with_name("moved.db"))
    for name in ("watch.db-shm", "watch.db.new-shm"):
        path.with_name(name).write_bytes(b"\xff" * 40_000)
    file = JournalFile(path, API)
    file.write([changed("b", 1, 1)])
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


def test_when_a_job_changed_and_what_was_acknowledged_of_it_is_known_again(path: Path) -> None:
    file = JournalFile(
        made(path, changed("a", 1, 3, at=12.5), Acknowledged("a", 3), changed("b", 1, 3, at=7.5), Acknowledged("b", 1)),
        API,
    )
    known = {row.job_id: (row.changed_at, row.seq, row.acknowledged) for row in file.contents().records}
    assert known == {"a": (12.5, 3, 3), "b": (7.5, 3, 1)}
    assert file.find(["a"])["a"].changed_at == 12.5
    file.close()


def test_a_file_that_was_replaced_is_told_in_the_words_of_the_system(path: Path) -> None:
    file = JournalFile(path, API)
    path.rename(path.with_name("elsewhere.db"))
    path.write_bytes(b"other")
    with pytest.raises(FileNotFoundError) as caught:
        file.write([changed("a", 1, 1)])
    assert (caught.value.errno, caught.value.strerror) == (errno.ENOENT, "another file has taken its place")
    file.close()


# --- keys, clocks, the log and damage ----------------------------------------------------------------------------


def test_a_job_that_the_file_has_let_go_of_begins_with_another_generation(path: Path) -> None:
    file = JournalFile(path, API)
    assert file.generation == 0
    file.write([changed("a", 1, 1, RecordState.ENDED, 1.0), Acknowledged("a", 1), Expired(0.5), Forgotten("nobody")])
    assert file.generation == 0, "nothing was deleted"
    file.write([Expired(2.0)])
    assert file.generation == 1
    file.write([changed("b", 1, 1), Forgotten("b")])
    file.close()
    file = JournalFile(path, API)
    assert file.generation == 2
    file.write([Changed(replace(record_of("a"), generation=2))])
    assert file.find(["a"])["a"].generation == 2
    assert [record.generation for record in file.contents().records] == [2]
    file.close()


def test_a_generation_that_was_not_written_does_not_count(path: Path) -> None:
    file = JournalFile(path, API)
    file.write([changed("a", 1, 1)])
    with pytest.raises(AttributeError):
        file.write([Forgotten("a"), Changed(None)])  # type: ignore[arg-type]
    assert file.generation == 0
    file.close()


def test_row_120_a_clock_that_was_put_back_makes_no_job_old(path: Path) -> None:
    file = JournalFile(path, API)
    file.write([changed("a", 1, 1, at=1000.0)])
    file.write([changed("a", 2, 2, RecordState.ENDED, at=1.0), Acknowledged("a", 2)])  # as after a restart in 1970
    file.write([Expired(500.0)])
    assert file.find(["a"])["a"].changed_at == 1000.0
    file.close()


@pytest.mark.parametrize("loss", ["removed", "cut", "overwritten", "only the file is copied"])
def test_row_120_what_was_written_is_not_lost_with_sqlites_log(path: Path, loss: str) -> None:
    file = JournalFile(path, API)
    for seq in range(1, 31):
        file.write([changed("a", seq, seq)])
    left = path.parent / "left"
    left.mkdir()
    for part in (path, path.with_name("watch.db-wal"), path.with_name("watch.db-shm")):
        if loss != "only the file is copied" or part == path:
            (left / part.name).write_bytes(part.read_bytes())  # as after a SIGKILL
    log = left / "watch.db-wal"
    match loss:
        case "removed":
            log.unlink()
        case "cut":
            log.write_bytes(log.read_bytes()[: len(log.read_bytes()) // 2])
        case "overwritten":
            log.write_bytes(b"\xff" * len(log.read_bytes()))
        case _:
            pass
    again = JournalFile(left / "watch.db", API)
    assert len(keys(again)) == 30
    again.close()
    file.close()


def test_a_reader_keeps_the_log_and_holds_nobody_up(path: Path) -> None:
    file = JournalFile(path, API)
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM jobs").fetchall()
    began = time.monotonic()
    for seq in range(1, 6):
        file.write([changed("a", seq, seq)])
    assert time.monotonic() - began < opening._BUSY_SECONDS
    assert path.with_name("watch.db-wal").stat().st_size > 0
    reader.close()
    (milliseconds,) = file._connection.execute("PRAGMA busy_timeout").fetchone()
    assert milliseconds == 1000 * opening._BUSY_SECONDS
    file.write([changed("a", 6, 6)])
    assert path.with_name("watch.db-wal").stat().st_size == 0
    file.close()


def test_a_log_that_was_left_behind_is_emptied_when_the_file_is_opened(path: Path) -> None:
    file = JournalFile(path, API)
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM jobs").fetchall()
    file.write([changed("a", 1, 1)])
    left = path.parent / "left"
    left.mkdir()
    for part in (path, path.with_name("watch.db-wal")):
        (left / part.name).write_bytes(part.read_bytes())
    reader.close()
    file.close()
    again = JournalFile(left / "watch.db", API)
    assert (left / "watch.db-wal").stat().st_size == 0
    assert keys(again) == ["a:1"]
    again.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE jobs SET state = CAST(x'ff' AS TEXT)",
        "UPDATE jobs SET state = 'endeb'",
        "UPDATE jobs SET state = 'endeb' WHERE job_id = 'b'",
        "UPDATE jobs SET state = x'00'",
        "UPDATE jobs SET health = CAST(x'ff' AS TEXT)",
        "UPDATE jobs SET seq = 'x'",
        "UPDATE jobs SET seq = 1.5",
        "UPDATE jobs SET generation = 'x'",
        "UPDATE jobs SET changed_at = 'x'",
        "UPDATE jobs SET job_id = 'c' WHERE job_id = 'a'",
        "UPDATE jobs SET job_id = CAST(x'ff' AS TEXT) WHERE job_id = 'a'",
        "UPDATE jobs SET watched = CAST(x'7bff' AS TEXT)",
        "UPDATE jobs SET watched = 7",
        "UPDATE projects SET project = CAST(x'ff' AS TEXT)",
        "UPDATE deliveries SET change = CAST(x'ff' AS TEXT)",
        "UPDATE facts SET name = 'x' WHERE name = 'generation'",
        "UPDATE facts SET value = 'x' WHERE name = 'generation'",
    ],
)
def test_row_120_whatever_cannot_be_read_is_called_damaged(path: Path, statement: str) -> None:
    acknowledged = changed("b", 1, 1), Acknowledged("b", 1)
    made(path, changed("a", 1, 1), *acknowledged, Followed(Project(project_id="p", added_at=1.0)))
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(statement)
    connection.close()
    with pytest.raises(JournalError, match="is damaged"):
        read_all(path)


@pytest.mark.slow
def test_row_120_a_byte_that_was_changed_is_found_or_changes_no_job(path: Path) -> None:
    """Nothing but a JournalError comes out, and no job is missing without one."""
    made(path, *(changed(f"job{number}", 1, 1) for number in range(30)))
    whole, rng = path.read_bytes(), random.Random(5)
    refusals = 0
    for _ in range(300):
        spoiled = bytearray(whole)
        for _ in range(rng.choice([1, 2, 20])):
            spoiled[rng.randrange(len(spoiled))] = rng.randrange(256)
        for each in path.parent.iterdir():
            each.unlink()
        path.write_bytes(spoiled)
        try:
            jobs = read_all(path)
        except JournalError:
            refusals += 1
        else:
            assert jobs == 30
    assert refusals > 30


def read_all(path: Path) -> int:
    """Read all that a watcher reads when it starts, and return how many jobs there are."""
    file = JournalFile(path, API)
    try:
        jobs = len(file.contents().records)
        file.undelivered(0, 100)
    except sqlite3.Error as error:
        raise opening.unusable(path, error) from None
    finally:
        file.close()
    return jobs


@pytest.mark.parametrize(
    ("spoiled", "told"),
    [
        # What SQLite quotes of it is text, and what it is not.
        (b"CREATE TABLE projec\xe7s X", r'malformed database schema \(projects\) - near "Xproject_id": syntax error'),
        (b"CREATE TABLE projects \xe7", "its schema cannot be read"),
    ],
)
def test_row_120_a_schema_that_cannot_be_read_is_called_damaged(path: Path, spoiled: bytes, told: str) -> None:
    made(path)
    whole = path.read_bytes()
    assert b"CREATE TABLE projects (" in whole
    path.write_bytes(whole.replace(b"CREATE TABLE projects (", spoiled))
    with pytest.raises(
        JournalError, match=rf"watch\.db is damaged \({told}\): restore it from a copy, or move it away"
    ):
        JournalFile(path, API)


def test_row_120_a_job_that_is_another_one_within_is_named(path: Path) -> None:
    made(path, changed("a", 1, 1))
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("UPDATE jobs SET job_id = 'c'")
    connection.close()
    file = JournalFile(path, API)
    with pytest.raises(JournalError, match=r"watch\.db is damaged \(job c is another one within\): restore it"):
        file.contents()
    file.close()


def test_row_120_a_journal_without_a_generation_is_called_so(path: Path) -> None:
    made(path)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("DELETE FROM facts WHERE name = 'generation'")
    connection.close()
    with pytest.raises(JournalError, match=r"watch\.db is damaged \(it has no generation\): restore it"):
        JournalFile(path, API)


def test_whose_jobs_a_journal_holds_is_said_in_full(path: Path) -> None:
    JournalFile(path, API, "https://a.example").close()
    with pytest.raises(JournalError) as caught:
        JournalFile(path, API, "https://b.example")
    assert str(caught.value) == (
        f"the journal {path} holds jobs of https://a.example, and this client reads https://b.example; "
        "give each a journal of its own, or see to base_url and params"
    )
    assert caught.value.path == str(path)
