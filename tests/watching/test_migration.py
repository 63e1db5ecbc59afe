"""An older journal becomes one of today, whole or not at all."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import msgspec
import pytest

from jobwatch import JournalError
from jobwatch._watching import sqlite_open as opening
from jobwatch._watching.records import (
    Acknowledged,
)
from jobwatch._watching.sqlite import JournalFile

from .journals import (
    API,
    changed,
    keys,
    made,
    refused,
)


def test_an_older_journal_is_migrated_and_keeps_what_it_held(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(path, changed("a", 1, 2), Acknowledged("a", 1))
    step = "ALTER TABLE jobs ADD COLUMN colour TEXT; UPDATE jobs SET colour = 'red'"
    monkeypatch.setattr(opening, "STEPS", [*opening.STEPS, step])
    file = JournalFile(path, API)
    assert keys(file) == ["a:2"]
    assert file._connection.execute("SELECT colour FROM jobs").fetchall() == [("red",)]
    assert file._connection.execute("PRAGMA user_version").fetchone() == (len(opening.STEPS),)
    file.close()
    JournalFile(path, API).close()
    monkeypatch.undo()
    assert "newer" in str(refused(path))


def test_a_journal_of_the_first_format_becomes_that_of_the_place_it_is_opened_for(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.executescript(opening.STEPS[0])
    connection.execute(f"PRAGMA application_id = {opening.APPLICATION_ID}")
    connection.execute("PRAGMA user_version = 1")
    connection.execute("INSERT INTO facts VALUES ('api', ?)", (API,))
    for change in changed("a", 1, 2).changes:
        told = "INSERT INTO deliveries (job_id, seq, change) VALUES ('a', ?, ?)"
        connection.execute(told, (change.seq, msgspec.json.encode(change).decode()))
    connection.commit()
    connection.close()
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
    made(path, changed("a", 1, 2))
    monkeypatch.setattr(opening, "STEPS", [*opening.STEPS, "CREATE TABLE x (y); SELECT no_such_thing FROM jobs"])
    with pytest.raises(JournalError, match="no_such_thing"):
        JournalFile(path, API)
    monkeypatch.undo()
    file = JournalFile(path, API)
    assert keys(file) == ["a:1", "a:2"]
    file.close()
