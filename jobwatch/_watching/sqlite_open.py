"""How a journal's file is made, migrated and checked, before anything is read from it.

A file comes into being whole, by being renamed into place, so that one that is empty or holds something else is
never our own beginning: it is refused, and never started afresh.
"""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING

from .._errors import JournalError

if TYPE_CHECKING:
    from pathlib import Path

APPLICATION_ID = 0x6A6F6277  # "jobw"
_MAGIC = b"SQLite format 3\0"
_BUSY_SECONDS = 2.0

_VERSION_1 = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE jobs (
    job_id TEXT PRIMARY KEY, state TEXT NOT NULL, health TEXT NOT NULL, seq INTEGER NOT NULL, watched TEXT NOT NULL,
    changed_at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE deliveries (
    number INTEGER PRIMARY KEY AUTOINCREMENT, job_id TEXT NOT NULL, seq INTEGER NOT NULL, change TEXT NOT NULL,
    acknowledged INTEGER NOT NULL DEFAULT 0, UNIQUE (job_id, seq)
);
CREATE INDEX undelivered ON deliveries (number) WHERE NOT acknowledged;
CREATE TABLE projects (project_id TEXT PRIMARY KEY, project TEXT NOT NULL) WITHOUT ROWID
"""

# Where the API is served that the jobs are on; empty until a client opens the file that knows.
_VERSION_2 = "INSERT INTO facts (name, value) VALUES ('place', '')"

# Each takes a file from one version to the next. One that was ever released is not changed any more.
STEPS: list[str] = [_VERSION_1, _VERSION_2]


def opened(path: Path, api: str, place: str) -> sqlite3.Connection:
    """Open a journal that the caller has locked, making it first if there is none; for arguments see `JournalFile`."""
    try:
        if not path.exists():
            _create(path, api)
        _check_outside(path)
        connection = connect(path)
        try:
            _check_inside(connection, path)
            _check_owner(connection, path, api, place)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise _unusable(path, error) from None
    except OSError as error:
        raise JournalError(
            str(path), f"cannot be opened: {error.strerror}; name another, or see to its folder"
        ) from None
    return connection


def connect(path: Path) -> sqlite3.Connection:
    """Connect to a file that exists, with every commit safe on the disk before it returns."""
    connection = sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=_BUSY_SECONDS)
    try:
        connection.execute("PRAGMA synchronous = FULL")
    except BaseException:
        connection.close()
        raise
    return connection


def _create(path: Path, api: str) -> None:
    left_behind = [part for part in _beside(path) if part.exists() and part.stat().st_size]
    if left_behind:
        trouble = f"is not there, but {left_behind[0].name} is: put it back, or delete that too to start anew"
        raise JournalError(str(path), trouble)
    new = path.with_name(f"{path.name}.new")
    for stale in (new, *_beside(new)):
        stale.unlink(missing_ok=True)
    os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    connection = connect(new)
    try:
        _migrate(connection, 0, api)
        connection.execute("PRAGMA journal_mode = WAL")
    finally:
        connection.close()
    new.rename(path)
    _sync(path.parent)


def _beside(path: Path) -> list[Path]:
    return [path.with_name(path.name + suffix) for suffix in ("-wal", "-journal")]


def _migrate(connection: sqlite3.Connection, version: int, api: str | None = None) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for step in STEPS[version:]:
        for statement in step.split(";"):
            connection.execute(statement)
    if api is not None:
        connection.execute("INSERT INTO facts (name, value) VALUES ('api', ?)", (api,))
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {len(STEPS)}")
    connection.execute("COMMIT")


def _sync(folder: Path) -> None:
    """Have a folder's list of names on the disk, where the system can do that."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _check_outside(path: Path) -> None:
    if not path.is_file():
        raise JournalError(str(path), "is not a file; name another")
    with path.open("rb") as file:
        magic = file.read(len(_MAGIC))
    if not magic:
        raise damaged(path, "the file is empty")
    if magic != _MAGIC:
        raise JournalError(str(path), "is something else than a jobwatch journal; name another file")


def _check_inside(connection: sqlite3.Connection, path: Path) -> None:
    version, newest = _pragma(connection, "user_version"), len(STEPS)
    if _pragma(connection, "application_id") != APPLICATION_ID:
        raise JournalError(str(path), "is a database of something else than jobwatch; name another file")
    if version > newest:
        raise JournalError(str(path), f"was written by a newer jobwatch (format {version}, known here: {newest})")
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok" or version < 1:
        raise damaged(path, verdict if version else "it has no format")
    if os.name == "nt":
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    if version < newest:
        _migrate(connection, version)


def _check_owner(connection: sqlite3.Connection, path: Path, api: str, place: str) -> None:
    """Refuse a journal of another API's jobs, or of the same API's in another place, which may have the same ids."""
    connection.execute("BEGIN IMMEDIATE")
    facts: dict[str, str] = dict(connection.execute("SELECT name, value FROM facts"))
    found = facts.get("place", "")
    if place and not found:
        connection.execute("UPDATE facts SET value = ? WHERE name = 'place'", (place,))
    connection.execute("COMMIT")
    owner = facts.get("api", "no API")
    if owner != api:
        raise JournalError(
            str(path), f"belongs to {owner}, and this client reads {api}; give each a journal of its own"
        )
    if place and found and found != place:
        told = f"holds jobs of {found}, and this client reads {place}"
        raise JournalError(str(path), f"{told}; give each a journal of its own, or see to base_url and params")


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    (value,) = connection.execute(f"PRAGMA {name}").fetchone()
    return int(value)


def is_lasting(error: sqlite3.Error | OSError) -> bool:
    """Return whether what failed so will fail however often it is repeated."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _unusable(path: Path, error: sqlite3.Error) -> JournalError:
    return damaged(path, str(error)) if is_lasting(error) else JournalError(str(path), f"cannot be used: {error}")


def damaged(path: Path, how: str) -> JournalError:
    """Return the error of a file that is a journal, and not whole."""
    return JournalError(str(path), f"is damaged ({how}): restore it from a copy, or move it away to start anew")
