"""How a journal's file is made, locked, migrated and checked, before anything is read from it.

A file comes into being whole, by being renamed into place, so that one that is empty or holds something else is
never our own beginning: it is refused, and never started afresh.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
from typing import TYPE_CHECKING

from .._errors import JournalError
from .._files.lock import FileInUse, FileLock, folder_locked
from .._models import printable

if TYPE_CHECKING:
    from pathlib import Path

APPLICATION_ID = 0x6A6F6277  # "jobw"
_MAGIC = b"SQLite format 3\0"
_BUSY_SECONDS = 2.0
_LOCKED_WITHIN = 5.0

_DAMAGE = {sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_NOTADB}
"""What SQLite says of a file that is not whole: since all statements are right, an error in one is an error in that."""

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

# What is acknowledged is not kept. Its numbers may be given out again, since nobody has read any yet at a start.
_VERSION_3 = """
CREATE TABLE kept (
    number INTEGER PRIMARY KEY AUTOINCREMENT, job_id TEXT NOT NULL, seq INTEGER NOT NULL, change TEXT NOT NULL,
    UNIQUE (job_id, seq)
);
INSERT INTO kept SELECT number, job_id, seq, change FROM deliveries WHERE NOT acknowledged ORDER BY number;
DROP TABLE deliveries;
ALTER TABLE kept RENAME TO deliveries;
ALTER TABLE jobs ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
INSERT INTO facts (name, value) VALUES ('generation', '0')
"""

# What is known of jobs may now say that one is blocked, partly failed or finished. Builds that know no such words shall
# say that the file is newer, and not that it is damaged. In the file itself nothing changes.
_VERSION_4 = "DROP TABLE IF EXISTS kept"

# Each takes a file from one version to the next. One that was ever released is not changed any more.
STEPS: list[str] = [_VERSION_1, _VERSION_2, _VERSION_3, _VERSION_4]


def opened(path: Path, api: str, place: str) -> tuple[FileLock, sqlite3.Connection, int]:
    """Lock a journal and connect to it, making it first if there is none; for arguments see `JournalFile`.

    Returns:
        The lock, the connection, and the generation of the jobs that are added now.
    """
    try:
        _have_file(path, api)
        with contextlib.ExitStack() as undoing:
            lock = FileLock(path)
            undoing.callback(lock.release)
            _check_outside(path, lock.handle)
            connection = connect(path)
            undoing.callback(connection.close)
            _check_inside(connection, path)
            _check_owner(connection, path, api, place)
            generation = generation_in(connection)
            if generation is None:
                raise damaged(path, "it has no generation")
            empty_log(connection)
            undoing.pop_all()
            return lock, connection, generation
    except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
        raise unusable(path, error) from None


def connect(path: Path) -> sqlite3.Connection:
    """Connect to a file that exists, with every commit safe on the disk before it returns."""
    connection = sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=_BUSY_SECONDS)
    # Damaged text is read all the same, and found out by what it says: else the module raises errors that name nothing.
    connection.text_factory = _text
    try:
        connection.execute("PRAGMA synchronous = FULL")
    except BaseException:
        connection.close()
        raise
    return connection


def _text(column: bytes) -> str:
    return column.decode(errors="surrogateescape")


def empty_log(connection: sqlite3.Connection) -> None:
    """Bring SQLite's log into the file, unless another process reads that at present: then the next time.

    Raises:
        sqlite3.Error: It cannot be written.
    """
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        connection.execute(f"PRAGMA busy_timeout = {_BUSY_SECONDS * 1000:.0f}")


def generation_in(connection: sqlite3.Connection) -> int | None:
    """Return the generation of the jobs that are added now, or None where it cannot be read."""
    (value,) = connection.execute("SELECT max(value) FROM facts WHERE name = 'generation'").fetchone()
    return int(value) if isinstance(value, str) and value.isdecimal() else None


def _have_file(path: Path, api: str) -> None:
    if not path.exists():
        # Two processes that both find no file would each make one, and the second would replace the first.
        with folder_locked(path.parent, _LOCKED_WITHIN):
            if not path.exists():
                _create(path, api)
    if not path.is_file():
        raise JournalError(str(path), "is not a file; name another")


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


def _check_outside(path: Path, handle: int) -> None:
    names = os.fstat(handle).st_nlink
    if names > 1:
        # SQLite's log lies beside one of them: whoever opens the file by another name does not see what is in it.
        raise JournalError(str(path), f"has {names} names (hard links); keep one of them")
    # Read through the lock's own handle: closing another one would let go of the lock.
    magic = os.read(handle, len(_MAGIC))
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
    if sys.platform == "win32":
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
            str(path), f"belongs to {printable(owner)}, and this client reads {api}; give each a journal of its own"
        )
    if place and found and found != place:
        trouble = f"holds jobs of {printable(found)}, and this client reads {place}"
        raise JournalError(str(path), f"{trouble}; give each a journal of its own, or see to base_url and params")


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    (value,) = connection.execute(f"PRAGMA {name}").fetchone()
    return int(value)


def is_lasting(error: sqlite3.Error | OSError) -> bool:
    """Return whether what failed so will fail however often it is repeated."""
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(error, FileInUse) or (code is not None and code & 0xFF in _DAMAGE)


def unusable(path: str | os.PathLike[str], error: sqlite3.Error | OSError | UnicodeDecodeError) -> JournalError:
    """Return the error of a journal that cannot be opened, for what the system or SQLite says."""
    match error:
        case FileInUse():
            return JournalError(str(path), f"{error.strerror}; give each watcher a journal of its own", error.pid)
        case OSError():
            reason = error.strerror or str(error)  # a timeout of our own has no number
            return JournalError(str(path), f"cannot be opened: {reason}; name another, or see to its folder")
        case UnicodeDecodeError():
            return damaged(path, "its schema cannot be read")  # which SQLite quotes in what it says
        case _ if is_lasting(error):
            return damaged(path, str(error))
        case _:
            return JournalError(str(path), f"cannot be used: {error}")


def damaged(path: str | os.PathLike[str], how: str) -> JournalError:
    """Return the error of a file that is a journal, and not whole."""
    return JournalError(str(path), f"is damaged ({how}): restore it from a copy, or move it away to start anew")
