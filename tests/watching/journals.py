"""Journals, records and changes for the tests of the journal and its watcher."""

from __future__ import annotations

import sqlite3
from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest

from jobwatch import Change, ChangeKind, Health, JournalError, Phase, Transition
from jobwatch._core.matching import Fingerprint
from jobwatch._core.tracker import Watched
from jobwatch._watching.records import (
    Changed,
    Entry,
    JobRecord,
    RecordState,
)
from jobwatch._watching.sqlite import JournalFile

API = "bedrock"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
T = TypeVar("T")


def change_of(job_id: str, seq: int, kind: ChangeKind = ChangeKind.STATE) -> Change:
    transition = Transition(job_id, seq, "RUNNING", Phase.RUNNING, NOON, NOON)
    return Change(job_id=job_id, seq=seq, kind=kind, seen_at=NOON, transition=transition)


def record_of(job_id: str, seq: int = 0, state: RecordState = RecordState.WATCHED, at: float = 0.0) -> JobRecord:
    watched = Watched(job_id=job_id, api=API, seq=seq, delivered=(Fingerprint("RUNNING", 1.5),) * min(seq, 1))
    return JobRecord(job_id=job_id, state=state, health=Health.OK, seq=seq, watched=watched, changed_at=at)


def changed(job_id: str, first: int, last: int, state: RecordState = RecordState.WATCHED, at: float = 0.0) -> Changed:
    return Changed(record_of(job_id, last, state, at), tuple(change_of(job_id, seq) for seq in range(first, last + 1)))


def keys(file: JournalFile, after: int = 0, limit: int = 1000) -> list[str]:
    return [change.key for _, change in file.undelivered(after, limit)]


def made(path: Path, *entries: Entry) -> Path:
    file = JournalFile(path, API)
    file.write(entries)
    file.close()
    return path


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
    return {each.name: each.read_bytes() for each in folder.iterdir() if each.is_file()}


def open_files() -> list[Path]:
    return [each.readlink() for each in Path("/proc/self/fd").iterdir() if each.exists()]


FULL = sqlite3.OperationalError("database or disk is full")
FULL.sqlite_errorcode = sqlite3.SQLITE_FULL
CORRUPT = sqlite3.DatabaseError("database disk image is malformed")
CORRUPT.sqlite_errorcode = sqlite3.SQLITE_CORRUPT


def now(made: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that waits for nothing."""
    try:
        made.send(None)
    except StopIteration as stop:
        value: T = stop.value
        return value
    raise AssertionError("it waited")
