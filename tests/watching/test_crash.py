"""A journal cut off at any instant is the journal before or after the transaction at that instant: nothing between."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from jobwatch import Change, ChangeKind, JournalError
from jobwatch._watching import sqlite_open as opening
from jobwatch._watching.records import (
    Acknowledged,
    Changed,
    Entry,
    Expired,
    Followed,
    Forgotten,
    Project,
    RecordState,
    Unfollowed,
)
from jobwatch._watching.sqlite import JournalFile

from . import crash
from .journals import API, change_of, changed, record_of

TIMES = int(os.environ.get("JOBWATCH_KILLS", "20"))

BATCHES: list[list[Entry]] = [
    [Changed(record_of("a")), Changed(record_of("b")), Followed(Project(project_id="p", added_at=1.0))],
    [changed("a", 1, 2), changed("b", 1, 1)],
    [Acknowledged("a", 1)],
    [changed("a", 3, 3, RecordState.ENDED), Acknowledged("b", 1), changed("b", 2, 3)],
    [Followed(Project(project_id="p", added_at=1.0, known=("a", "b")))],
    [Acknowledged("a", 3), Acknowledged("b", 3), changed("c", 1, 5), Acknowledged("c", 2)],
    [Changed(record_of("b", 3, RecordState.DROPPED, 5.0))],
    [Forgotten("c"), changed("c", 1, 1), Unfollowed("p")],
    [Expired(10.0)],
    [changed("d", 1, 40), Acknowledged("d", 39)],
]

State = list[tuple[object, ...]]


class Crashed(BaseException):
    """The process ends here."""


class Watchful:
    """Stands before a connection, and calls a function before every statement."""

    def __init__(self, connection: sqlite3.Connection, before: Callable[[str], None]) -> None:
        self._connection = connection
        self._before = before

    def execute(self, statement: str, *args: object) -> sqlite3.Cursor:
        self._before(statement)
        return self._connection.execute(statement, *args)  # type: ignore[arg-type]

    def executemany(self, statement: str, rows: list[tuple[object, ...]]) -> None:
        for row in rows:
            self.execute(statement, row)

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    def close(self) -> None:
        self._before("close")
        self._connection.close()


@pytest.fixture
def before(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[str], None]], None]:
    """Have a function called before every statement, every renaming and every sync of a folder."""

    def install(told_of: Callable[[str], None]) -> None:
        connect, sync, rename = opening.connect, opening._sync, Path.rename

        def renamed(self: Path, target: Path) -> Path:
            told_of("rename")
            return rename(self, target)

        def synced(folder: Path) -> None:
            told_of("sync")
            sync(folder)

        monkeypatch.setattr(opening, "connect", lambda path: Watchful(connect(path), told_of))
        monkeypatch.setattr(opening, "_sync", synced)
        monkeypatch.setattr(Path, "rename", renamed)

    return install


def state_of(path: Path) -> State:
    """Open a journal, as the next process would, and return all that it holds."""
    JournalFile(path, API).close()
    connection = sqlite3.connect(path)
    state = state_within(connection)
    connection.close()
    return state


def state_within(connection: sqlite3.Connection | Watchful) -> State:
    """Return all rows, and the changes in order, but not by what numbers: one that is written twice uses up two."""
    statements = (
        "SELECT * FROM jobs ORDER BY 1",
        "SELECT job_id, seq, change FROM deliveries ORDER BY number",
        "SELECT * FROM projects ORDER BY 1",
        "SELECT * FROM facts WHERE name != 'generation' ORDER BY 1",  # which counts on when a batch is repeated
    )
    return [(statement, *row) for statement in statements for row in connection.execute(statement)]


def copied(folder: Path, name: str) -> Path:
    """Copy a journal as it is on the disk at this instant, which is what SIGKILL leaves."""
    copy = folder.parent / name
    shutil.copytree(folder, copy)
    return copy / "watch.db"


def states_after_each_batch(folder: Path) -> list[State]:
    folder.mkdir()
    path = folder / "watch.db"
    JournalFile(path, API).close()
    states = [state_of(path)]
    for batch in BATCHES:
        file = JournalFile(path, API)
        file.write(batch)
        file.close()
        states.append(state_of(path))
    return states


@pytest.mark.slow
def test_row_107_a_crash_before_any_statement_leaves_whole_transactions(
    tmp_path: Path, before: Callable[[Callable[[str], None]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    states = states_after_each_batch(tmp_path / "reference")
    folder = tmp_path / "live"
    folder.mkdir()
    points: list[tuple[str, Path, int]] = []
    committed = [-1]

    def snap(statement: str) -> None:
        after = statement.startswith(("PRAGMA busy_timeout", "PRAGMA wal_checkpoint"))  # what follows a commit
        points.append((statement, copied(folder, f"point{len(points)}"), committed[0] + after))

    before(snap)
    file = JournalFile(folder / "watch.db", API)
    committed[0] = 0
    for batch in BATCHES:
        file.write(batch)
        committed[0] += 1
    file.close()
    monkeypatch.undo()
    assert len(points) > 100
    assert {"rename", "sync", "COMMIT", "BEGIN IMMEDIATE", "close"} <= {statement for statement, _, _ in points}
    for statement, path, done in points:
        assert state_of(path) == states[max(done, 0)], (statement, path)


@pytest.mark.parametrize("how", [Crashed, sqlite3.OperationalError])
def test_row_119_a_statement_that_fails_leaves_the_transaction_to_be_repeated(
    tmp_path: Path, before: Callable[[Callable[[str], None]], None], how: type[BaseException]
) -> None:
    states = states_after_each_batch(tmp_path / "reference")
    count, fatal, committed = [0], [-1], [False]

    def trip(statement: str) -> None:
        count[0] += 1
        if count[0] == fatal[0] and statement != "close":
            raise how("disk I/O error")
        committed[0] = committed[0] or statement == "COMMIT"

    folder = tmp_path / "live"
    folder.mkdir()
    before(trip)
    file = JournalFile(folder / "watch.db", API)
    points = 0
    for number, batch in enumerate(BATCHES, start=1):
        statement = 0
        while True:
            statement += 1
            fatal[0] = count[0] + statement
            committed[0] = False
            try:
                file.write(batch)
            except how:
                points += 1
                fatal[0] = -1
                assert state_within(file._connection) == states[number - 1 + committed[0]]
            else:
                break
        fatal[0] = -1
        assert state_within(file._connection) == states[number]
    file.close()
    assert points > 75


@pytest.mark.slow
def test_row_120_a_log_cut_off_at_any_byte_holds_whole_transactions(tmp_path: Path) -> None:
    """As after a loss of power: SQLite's write-ahead log ends anywhere, or in garbage."""
    states = states_after_each_batch(tmp_path / "reference")
    folder = tmp_path / "live"
    folder.mkdir()
    file = JournalFile(folder / "watch.db", API)
    reader = sqlite3.connect(folder / "watch.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM jobs").fetchall()  # so that the log cannot be emptied
    for batch in BATCHES:
        file.write(batch)
    whole = (folder / "watch.db-wal").read_bytes()
    frame = 24 + 4096
    ends = [32 + frame * number for number in range((len(whole) - 32) // frame + 1)]
    rng = random.Random(1)
    cuts = sorted({0, 31, *ends, *(end - 1 for end in ends), *(rng.randrange(len(whole)) for _ in range(60))})
    reached: list[int] = []
    for cut in cuts:
        for garbage in (b"", rng.randbytes(min(3000, len(whole) - cut))):
            path = copied(folder, f"cut{cut}_{len(garbage)}")
            path.with_name("watch.db-shm").unlink()
            path.with_name("watch.db-wal").write_bytes(whole[:cut] + garbage)
            state = state_of(path)
            assert state in states, cut
            reached.append(states.index(state))
            shutil.rmtree(path.parent)
    reader.close()
    file.close()
    assert reached == sorted(reached)
    assert set(reached) == set(range(len(states)))


def test_row_107_a_crash_while_it_is_migrated_leaves_the_old_or_the_new(
    tmp_path: Path, before: Callable[[Callable[[str], None]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "live"
    folder.mkdir()
    file = JournalFile(folder / "watch.db", API)
    file.write([changed("a", 1, 3)])
    file.close()
    step = "ALTER TABLE jobs ADD COLUMN colour TEXT; UPDATE jobs SET colour = 'red'; CREATE TABLE more (x)"
    monkeypatch.setattr(opening, "STEPS", [*opening.STEPS, step])
    points: list[Path] = []
    before(lambda _statement: points.append(copied(folder, f"point{len(points)}")))
    JournalFile(folder / "watch.db", API).close()
    monkeypatch.undo()
    versions = []
    old = len(opening.STEPS)
    for path in points:
        connection = sqlite3.connect(path)
        versions.append(connection.execute("PRAGMA user_version").fetchone()[0])
        columns = {row[1] for row in connection.execute("PRAGMA table_info(jobs)")}
        connection.close()
        assert ("colour" in columns) == (versions[-1] == old + 1)
        if versions[-1] == old:
            file = JournalFile(path, API)
            assert [change.seq for _, change in file.undelivered(0, 10)] == [1, 2, 3]
            file.close()
    assert versions == sorted(versions)
    assert set(versions) == {old, old + 1}


# --- a real SIGKILL ----------------------------------------------------------------------------------------------


@pytest.mark.slow(in_sample=True)
def test_row_107_killed_at_random_instants_nothing_is_lost_and_nothing_repeated_but_the_one_in_flight(
    tmp_path: Path,
) -> None:
    verdict = crash.run_apart(TIMES, 7, tmp_path)
    assert not verdict.wrong, str(verdict)
    assert verdict.times == TIMES
    assert verdict.jobs > TIMES
    assert verdict.changes > verdict.states > verdict.jobs
    assert verdict.told > verdict.changes


# --- the oracle itself -------------------------------------------------------------------------------------------


def telling(number: int, life: int, job_id: str, seq: int, hand: int | None = None) -> crash.Telling:
    """Return what was told; one change at a time, unless it says in which hand it was."""
    return crash.Telling(life, number if hand is None else hand, job_id, seq)


@pytest.mark.parametrize(
    ("tellings", "repeated", "wrong"),
    [
        ([(0, "a", 1), (0, "a", 2), (1, "a", 2), (1, "a", 3)], 1, ""),
        ([(0, "a", 1), (0, "a", 2), (1, "a", 1), (1, "a", 2), (1, "a", 3)], 2, "a:1 was told again in life 1"),
        ([(0, "a", 1), (0, "a", 2), (0, "a", 2), (0, "a", 3)], 1, "a:2 was told again in life 0"),
        ([(0, "a", 1), (0, "a", 3)], 0, "a:3 came after 1"),
        ([(0, "a", 1), (0, "a", 2)], 0, "a ended at 2"),
        ([(0, "a", 1), (0, "a", 2), (1, "a", 2), (2, "a", 2), (2, "a", 3)], 2, ""),
        ([(0, "a", 1), (0, "a", 2), (1, "a", 3), (2, "a", 2)], 1, ""),
        ([(0, "a", 1, 1), (0, "a", 2, 1), (1, "a", 1, 1), (1, "a", 2, 2), (1, "a", 3, 2)], 2, ""),
        ([(0, "a", 1, 1), (0, "a", 2, 2), (1, "a", 1, 1), (1, "a", 2, 2), (1, "a", 3, 2)], 2, "a:1 was told again"),
    ],
)
def test_the_oracle_sees_what_is_wrong_in_a_record(tellings: list[Any], repeated: int, wrong: str) -> None:
    told = [telling(number, *each) for number, each in enumerate(tellings)]
    told_again, problems = crash.wrong_in_record(told, {"a": 3})
    assert told_again == repeated
    assert any(wrong in problem for problem in problems) if wrong else not problems


def test_the_oracle_sees_what_is_wrong_in_a_log() -> None:
    truth = crash.Truth(1, 0.0)
    words = [status for status, _ in truth.events(0)]

    def log(*statuses: str) -> list[Change]:
        made = []
        for seq, status in enumerate(statuses, start=1):
            change = change_of("job_0", seq, ChangeKind.END if seq == len(statuses) else ChangeKind.STATE)
            assert change.transition is not None
            made.append(replace(change, transition=replace(change.transition, status=status)))
        return made

    assert list(crash.wrong_in_log(truth, 0, log(*words))) == []
    for spoiled in ([], log(*words[:-1]), log(*words[1:]), log(words[0], *words), log(*reversed(words))):
        assert list(crash.wrong_in_log(truth, 0, spoiled))
    whole = log(*words)
    assert list(crash.wrong_in_log(truth, 0, [replace(change, seq=7) for change in whole]))


def test_a_journal_in_use_is_not_taken_for_a_crashed_one(tmp_path: Path) -> None:
    file = JournalFile(tmp_path / "watch.db", API)
    with pytest.raises(JournalError, match="in use"):
        state_of(tmp_path / "watch.db")
    file.close()
