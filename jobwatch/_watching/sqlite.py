"""The journal's file: what is watched, what was delivered and what was acknowledged, in SQLite. Blocks; one thread.

Entries that are given together are written in one transaction, all or none. Writing the same ones again changes
nothing, so a transaction of which nobody knows whether it was committed can be repeated.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, assert_never

import msgspec

from .._core.tracker import Watched
from .changes import Change, Health
from .lock import JournalLock
from .records import Aged, Done, Entry, Followed, Forgotten, Kept, Project, Row, RowState, Told, Unfollowed
from .sqlite_open import damaged, opened

if TYPE_CHECKING:
    from collections.abc import Iterable

_T = TypeVar("_T")

_LOG_KEPT = 1000
_SELECT_JOBS = "SELECT job_id, state, health, seq, watched, changed_at FROM jobs"


class JournalFile:
    """A journal, open.

    Args:
        path: The file; it is made if there is none.
        api: The name of the API whose jobs it is for.
        place: Where that API is served; empty for anywhere.

    Raises:
        JournalError: It is in use, damaged, foreign, of a newer jobwatch, of another API or another place, or cannot
            be written.
    """

    def __init__(self, path: str | os.PathLike[str], api: str, place: str = "") -> None:
        self.path = Path(os.path.realpath(path))
        self._lock = JournalLock(self.path)
        try:
            self._connection = opened(self.path, api, place)
        except BaseException:
            self._lock.release()
            raise
        self._identity = self.path.stat()

    def close(self) -> None:
        """Close the file and let others use it."""
        try:
            self._connection.close()
        finally:
            self._lock.release()

    def write(self, entries: Iterable[Entry]) -> None:
        """Write entries, all or none.

        Raises:
            sqlite3.Error, OSError: They could not be written; see `is_lasting`. They may be written again.
        """
        if not os.path.samestat(self._identity, self.path.stat()):
            raise FileNotFoundError(errno.ENOENT, "another file has taken its place")
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            for entry in entries:
                _write(connection, entry)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def kept(self) -> Kept:
        """Return what is watched or unacknowledged, and the projects followed."""
        unacknowledged = dict(
            self._connection.execute("SELECT job_id, count(*) FROM deliveries WHERE NOT acknowledged GROUP BY job_id")
        )
        rows = [
            self._row(told, unacknowledged.get(told[0], 0))
            for told in self._connection.execute(_SELECT_JOBS)
            if told[1] == RowState.WATCHED.value or told[0] in unacknowledged
        ]
        projects = [
            self._decoded(told, Project, "a project")
            for (told,) in self._connection.execute("SELECT project FROM projects")
        ]
        return Kept(tuple(rows), tuple(projects))

    def find(self, job_ids: Iterable[str]) -> dict[str, Row]:
        """Return what is kept of some jobs, whether they are watched or not."""
        found: dict[str, Row] = {}
        for job_id in job_ids:
            told = self._connection.execute(f"{_SELECT_JOBS} WHERE job_id = ?", (job_id,)).fetchone()
            if told is not None:
                found[job_id] = self._row(told, 0)
        return found

    def undelivered(self, after: int, limit: int) -> list[tuple[int, Change]]:
        """Return unacknowledged changes in the order in which they were written, with their numbers.

        Args:
            after: Only those with a greater number.
            limit: How many at most.
        """
        found = self._connection.execute(
            "SELECT number, change FROM deliveries WHERE NOT acknowledged AND number > ? ORDER BY number LIMIT ?",
            (after, limit),
        ).fetchall()
        return [(number, self._decoded(change, Change, f"delivery {number}")) for number, change in found]

    def log(self, job_id: str) -> tuple[Change, ...]:
        """Return the changes of a job that are kept, the oldest first."""
        found = self._connection.execute(
            "SELECT change FROM deliveries WHERE job_id = ? ORDER BY seq", (job_id,)
        ).fetchall()
        return tuple(self._decoded(change, Change, f"job {job_id}") for (change,) in found)

    def _row(self, told: tuple[str, str, str, int, str, float], unacknowledged: int) -> Row:
        job_id, state, health, seq, watched, changed_at = told
        try:
            return Row(
                job_id=job_id,
                state=RowState(state),
                health=Health(health),
                seq=seq,
                watched=self._decoded(watched, Watched, f"job {job_id}"),
                changed_at=changed_at,
                acknowledged=seq - unacknowledged,
            )
        except ValueError:
            raise damaged(self.path, f"job {job_id} cannot be read") from None

    def _decoded(self, text: str, kind: type[_T], what: str) -> _T:
        try:
            return msgspec.json.decode(text, type=kind)
        except (msgspec.MsgspecError, UnicodeError, RecursionError, TypeError):
            raise damaged(self.path, f"{what} cannot be read") from None


def _write(connection: sqlite3.Connection, entry: Entry) -> None:
    match entry:
        case Told(row, changes):
            _write_row(connection, row)
            for change in changes:
                connection.execute(
                    "INSERT INTO deliveries (job_id, seq, change) VALUES (?, ?, ?)"
                    " ON CONFLICT (job_id, seq) DO NOTHING",
                    (change.job_id, change.seq, _encoded(change)),
                )
        case Done(job_id, seq):
            connection.execute(
                "UPDATE deliveries SET acknowledged = 1 WHERE job_id = ? AND seq <= ? AND NOT acknowledged",
                (job_id, seq),
            )
        case Forgotten(job_id):
            connection.execute("DELETE FROM deliveries WHERE job_id = ?", (job_id,))
            connection.execute("DELETE FROM jobs WHERE job_id = ?", (job_id,))
        case Followed(project):
            connection.execute(
                "REPLACE INTO projects (project_id, project) VALUES (?, ?)", (project.project_id, _encoded(project))
            )
        case Unfollowed(project_id):
            connection.execute("DELETE FROM projects WHERE project_id = ?", (project_id,))
        case Aged(before):
            _age(connection, before)
        case _:
            assert_never(entry)


def _write_row(connection: sqlite3.Connection, row: Row) -> None:
    connection.execute(
        "REPLACE INTO jobs (job_id, state, health, seq, watched, changed_at) VALUES (?, ?, ?, ?, ?, ?)",
        (row.job_id, row.state.value, row.health.value, row.seq, _encoded(row.watched), row.changed_at),
    )


def _age(connection: sqlite3.Connection, before: float) -> None:
    old = connection.execute(
        "SELECT job_id FROM jobs WHERE state != ? AND changed_at < ? AND NOT EXISTS"
        " (SELECT 1 FROM deliveries WHERE deliveries.job_id = jobs.job_id AND NOT acknowledged)",
        (RowState.WATCHED.value, before),
    ).fetchall()
    connection.executemany("DELETE FROM deliveries WHERE job_id = ?", old)
    connection.executemany("DELETE FROM jobs WHERE job_id = ?", old)
    connection.execute(
        "DELETE FROM deliveries WHERE acknowledged AND seq <="
        " (SELECT jobs.seq - ? FROM jobs WHERE jobs.job_id = deliveries.job_id)",
        (_LOG_KEPT,),
    )


def _encoded(value: object) -> str:
    return msgspec.json.encode(value).decode()
