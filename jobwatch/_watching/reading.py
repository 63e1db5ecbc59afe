"""A journal's file, read and left as it is, also while a watcher uses it."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec
from msgspec import Struct

from .._core.tracker import Watched
from .._errors import JournalError
from .._files.regular import read_regular
from .._models import printable
from .changes import Change
from .records import JobRecord
from .sqlite_open import APPLICATION_ID, STEPS, damaged, unusable

if TYPE_CHECKING:
    from collections.abc import Generator

_T = TypeVar("_T")

MAGIC = b"SQLite format 3\0"
"""How a journal begins, and any other file of SQLite."""

_BUSY_SECONDS = 2.0
_COLUMNS = ("job_id", "state", "health", "seq", "watched", "changed_at")  # those of all formats


class Copy(Struct, frozen=True):
    """What a journal held at a moment.

    Attributes:
        api: The name of the API whose jobs it is for.
        records: Its jobs, those first that were added first.
        changes: The changes of them that it still holds: as a rule those that are not acknowledged.
    """

    api: str
    records: tuple[JobRecord, ...]
    changes: tuple[Change, ...]


def is_database(path: str | os.PathLike[str]) -> bool:
    """Return whether a file is one of SQLite's.

    Raises:
        OSError: It cannot be read, or is no regular file.
    """
    return read_regular(path, len(MAGIC)) == MAGIC


def copy_of(path: str | os.PathLike[str]) -> Copy:
    """Return what a journal holds.

    Raises:
        JournalError: It is damaged, foreign, of a newer jobwatch, or cannot be read.
    """
    try:
        with connected(Path(os.path.realpath(path))) as connection:
            return _read(connection, path)
    except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
        raise unusable(path, error) from None


@contextlib.contextmanager
def connected(path: Path) -> Generator[sqlite3.Connection]:
    """Connect to a journal for one reading of it, as it is at one moment.

    Raises:
        OSError: It is a folder.
        sqlite3.Error: It cannot be read.
    """
    if path.is_dir():  # of which SQLite says that the disk has a fault
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    # A connection makes a log beside the file where there is none, and one that only reads leaves it there. Whoever
    # uses the journal has one: where there is none, nobody does, and the file can be read as something that stands.
    has_log = path.with_name(f"{path.name}-wal").exists()
    mode = "mode=ro" if has_log else "mode=ro&immutable=1"
    connection = sqlite3.connect(f"{path.as_uri()}?{mode}", uri=True, isolation_level=None, timeout=_BUSY_SECONDS)
    try:
        connection.execute("BEGIN")  # all of it as it is at one moment
        yield connection
    finally:
        connection.close()


def api_of(connection: sqlite3.Connection, path: str | os.PathLike[str]) -> str:
    """Return the name of the API whose jobs a journal is for, once it is known to be one that can be read.

    Raises:
        JournalError: It is foreign, or of a newer jobwatch.
    """
    version, newest = _pragma(connection, "user_version"), len(STEPS)
    if _pragma(connection, "application_id") != APPLICATION_ID:
        raise JournalError(str(path), "is a database of something else than jobwatch; name another file")
    if version > newest:
        raise JournalError(str(path), f"was written by a newer jobwatch (format {version}, known here: {newest})")
    facts: dict[str, str] = dict(connection.execute("SELECT name, value FROM facts"))
    return facts.get("api", "")


def columns_of(connection: sqlite3.Connection) -> tuple[str, ...]:
    """Return the columns of a job in a journal that are fields of a `JobRecord`."""
    found = {name for _, name, *_ in connection.execute("PRAGMA table_info(jobs)")}
    return (*_COLUMNS, "generation") if "generation" in found else _COLUMNS


def _read(connection: sqlite3.Connection, path: str | os.PathLike[str]) -> Copy:
    api = api_of(connection, path)
    records = [
        record_of(path, job_id, dict(zip(_COLUMNS, (job_id, *others), strict=True)))
        for job_id, *others in connection.execute(f"SELECT {', '.join(_COLUMNS)} FROM jobs")  # noqa: S608 - our own words
    ]
    changes = [
        change_of(path, number, change)
        for number, change in connection.execute("SELECT number, change FROM deliveries ORDER BY number")
    ]
    records.sort(key=lambda record: (record.watched.added_at or record.changed_at, record.job_id))
    return Copy(api, tuple(records), tuple(changes))


def record_of(path: str | os.PathLike[str], job_id: object, columns: dict[str, object]) -> JobRecord:
    """Return a job from what stands in its columns.

    Raises:
        JournalError: It cannot be read.
    """
    what = f"job {printable(str(job_id))}"
    watched = _decoded(path, Watched, what, str(columns["watched"]))
    try:
        return msgspec.convert({**columns, "watched": watched}, JobRecord)
    except msgspec.MsgspecError:
        raise damaged(path, f"{what} cannot be read") from None


def change_of(path: str | os.PathLike[str], number: int, text: str) -> Change:
    """Return a change from what stands in its column.

    Raises:
        JournalError: It cannot be read.
    """
    return _decoded(path, Change, f"delivery {number}", text)


def _decoded(path: str | os.PathLike[str], kind: type[_T], what: str, text: str) -> _T:
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, TypeError):
        raise damaged(path, f"{what} cannot be read") from None


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    (value,) = connection.execute(f"PRAGMA {name}").fetchone()
    return int(value)
