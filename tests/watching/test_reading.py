"""A journal's file, read and left as it is: also while a watcher uses it, of an earlier build, and damaged."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from jobwatch import JournalError, Outcome
from jobwatch._watching.reading import copy_of, is_database
from jobwatch._watching.records import RecordState
from tests.scripted import ScriptedJob

from .watchers import until_end, watching

DATA = Path(__file__).parent / "data"


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return Path(shutil.copy(DATA / "journal-0.1.db", tmp_path / "watch.db"))


def test_what_it_holds_is_returned_and_neither_the_file_nor_its_folder_is_changed(journal: Path) -> None:
    before = journal.read_bytes()
    copy = copy_of(journal)
    assert copy.api == "capydb"
    assert {record.job_id: record.state for record in copy.records} == {
        "dropped": RecordState.DROPPED,
        "ended": RecordState.ENDED,
        "late": RecordState.ENDED,
        "nightly-1": RecordState.WATCHED,
        "running": RecordState.WATCHED,
        "troubled": RecordState.WATCHED,
    }
    assert [record.job_id for record in copy.records][-1] == "late"  # it was added last
    assert [change.outcome for change in copy.changes if change.job_id == "late"] == [None, None, Outcome.SUCCEEDED]
    assert journal.read_bytes() == before
    assert list(journal.parent.iterdir()) == [journal]


@pytest.mark.slow
@pytest.mark.looptime
@pytest.mark.usefixtures("inline")
async def test_it_is_read_while_a_watcher_uses_it_and_the_watcher_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "watch.db"
    async with watching(ScriptedJob("a", ends=50.0), ScriptedJob("b", ends=90.0), journal=path) as (watcher, _):
        await watcher.add("a")
        await watcher.add("b")
        await until_end(watcher)
        copy = copy_of(path)
        assert {record.job_id: record.state for record in copy.records} == {
            "a": RecordState.ENDED,
            "b": RecordState.WATCHED,
        }
        await until_end(watcher)
    assert {record.state for record in copy_of(path).records} == {RecordState.ENDED}


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE a (b)")
    connection.close()
    with pytest.raises(JournalError, match="is a database of something else than jobwatch"):
        copy_of(other)
    (tmp_path / "text").write_text("no database, but a text that is long enough for a header" * 10)
    with pytest.raises(JournalError, match=r"is damaged \(file is not a database\)"):
        copy_of(tmp_path / "text")
    with pytest.raises(JournalError, match="cannot be used: unable to open database file"):
        copy_of(tmp_path / "none")
    assert (is_database(other), is_database(tmp_path / "text")) == (True, False)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("PRAGMA user_version = 99", "was written by a newer jobwatch"),
        ("UPDATE jobs SET watched = '{}' WHERE job_id = 'late'", "job late cannot be read"),
        ("UPDATE jobs SET state = 'x' WHERE job_id = 'late'", "job late cannot be read"),
        ("UPDATE deliveries SET change = '[]' WHERE number = 1", "delivery 1 cannot be read"),
        ("DROP TABLE facts", "no such table: facts"),
    ],
)
def test_a_journal_that_cannot_be_read_is_an_error_that_says_why(journal: Path, statement: str, told: str) -> None:
    with sqlite3.connect(journal) as connection:
        connection.execute(statement)
    connection.close()
    with pytest.raises(JournalError, match=told):
        copy_of(journal)
