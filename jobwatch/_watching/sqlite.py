"""The journal's file: what is watched, and what is not acknowledged yet, in SQLite. Blocks; one thread.

Entries that are given together are written in one transaction, all or none. Writing the same ones again changes
nothing, so a transaction of which nobody knows whether it was committed can be repeated.
"""

from __future__ import annotations

import errno
import itertools
import os
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeVar, assert_never

import msgspec

from .._core.tracker import Watched
from .._models import printable
from .changes import Change, Health
from .records import (
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
from .sqlite_open import damaged, empty_log, generation_in, opened

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

_T = TypeVar("_T")

_Row: TypeAlias = tuple[bytes, bytes, bytes, int, bytes, float, int]

_SELECT_JOBS = "SELECT job_id, state, health, seq, watched, changed_at, generation FROM jobs"
_COUNT_DELIVERIES = "SELECT job_id, count(*) FROM deliveries"

_STATES = {state.value.encode(): state for state in RecordState}
_HEALTHS = {health.value.encode(): health for health in Health}
_watched_in = msgspec.json.Decoder(Watched).decode

_ASKED_AT_ONCE = 500
"""How many jobs are found by one statement; SQLite before 3.32 takes 999 parameters at most."""

_READ_AT_ONCE = 256
"""How many rows are read before they are decoded: of many, that takes a tenth less time than one by one."""

# After jobs were deleted: one that is added from now on may be one of them, and its changes need other keys.
_NEXT_GENERATION = "UPDATE facts SET value = value + (changes() > 0) WHERE name = 'generation'"


class JournalFile:
    """A journal, open.

    Args:
        path: The file; it is made if there is none.
        api: The name of the API whose jobs it is for.
        place: Where that API is served; empty for anywhere.

    Attributes:
        generation: That of the jobs that are added now; see `Change.generation`.

    Raises:
        JournalError: It is in use, damaged, foreign, of a newer jobwatch, of another API or another place, or cannot
            be written.
    """

    def __init__(self, path: str | os.PathLike[str], api: str, place: str = "") -> None:
        self.path = Path(os.path.realpath(path))
        self._lock, self._connection, self.generation = opened(self.path, api, place)
        self._identity = os.fstat(self._lock.handle)

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
        self._lock.renew()
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            for entry in entries:
                _write(connection, entry)
            generation = generation_in(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        self.generation = generation or self.generation
        # Before anybody is told that this is written: what is in SQLite's log alone is lost with it, without a word.
        empty_log(connection)

    def contents(self) -> Contents:
        """Return what is watched or unacknowledged, and the projects followed."""
        # By what it is not: a state that is damaged is then found, and not taken for one that has ended.
        wanted = "(state != ? AND state != ?) OR job_id IN (SELECT job_id FROM deliveries)"
        over = RecordState.ENDED.value, RecordState.DROPPED.value
        records = self._records(f"WHERE {wanted}", over, "GROUP BY job_id", ())
        projects = tuple(
            self._decoded(text, Project, "a project")
            for (text,) in self._connection.execute("SELECT project FROM projects")
        )
        return Contents(records, projects)

    def find(self, job_ids: Iterable[str]) -> dict[str, JobRecord]:
        """Return what is kept of some jobs, whether they are watched or not."""
        found: dict[str, JobRecord] = {}
        left = iter(job_ids)
        while some := tuple(itertools.islice(left, _ASKED_AT_ONCE)):
            those = f"WHERE job_id IN ({', '.join('?' * len(some))})"
            for record in self._records(those, some, f"{those} GROUP BY job_id", some):
                found[record.job_id] = record
        return found

    def undelivered(self, after: int, limit: int) -> list[tuple[int, Change]]:
        """Return unacknowledged changes in the order in which they were written, with their numbers.

        Args:
            after: Only those with a greater number.
            limit: How many at most.
        """
        found = self._connection.execute(
            "SELECT number, change FROM deliveries WHERE number > ? ORDER BY number LIMIT ?", (after, limit)
        ).fetchall()
        return [(number, self._decoded(change, Change, f"delivery {number}")) for number, change in found]

    def _records(
        self, which: str, values: tuple[str, ...], counted: str, counted_values: tuple[str, ...]
    ) -> tuple[JobRecord, ...]:
        """Return jobs, all read by one statement; texts come as bytes, which are decoded as a whole or not at all."""
        connection = self._connection
        text_factory, connection.text_factory = connection.text_factory, bytes
        try:
            counts = dict(connection.execute(f"{_COUNT_DELIVERIES} {counted}", counted_values))
            found = connection.execute(f"{_SELECT_JOBS} {which}", values)
            records: list[JobRecord] = []
            while rows := found.fetchmany(_READ_AT_ONCE):
                records += [self._record(row, counts.get(row[0], 0)) for row in rows]
            return tuple(records)
        finally:
            connection.text_factory = text_factory

    def _record(self, row: _Row, undelivered: int) -> JobRecord:
        job_id, state, health, seq, text, changed_at, generation = row
        try:
            watched = _watched_in(text)
            if type(seq) is not int or type(changed_at) is not float or type(generation) is not int:
                raise TypeError  # noqa: TRY301 - SQLite keeps to no column's type
            record = JobRecord(
                job_id=watched.job_id,
                state=_STATES[state],
                health=_HEALTHS[health],
                seq=seq,
                watched=watched,
                changed_at=changed_at,
                generation=generation,
                acknowledged=seq - undelivered,
            )
        except (msgspec.MsgspecError, UnicodeError, RecursionError, TypeError, KeyError):
            raise damaged(self.path, f"job {_shown(job_id)} cannot be read") from None
        if watched.job_id.encode() != job_id:
            raise damaged(self.path, f"job {_shown(job_id)} is another one within")
        return record

    def _decoded(self, text: str, kind: type[_T], what: str) -> _T:
        try:
            return msgspec.json.decode(text, type=kind)
        except (msgspec.MsgspecError, UnicodeError, RecursionError, TypeError):
            raise damaged(self.path, f"{what} cannot be read") from None


def _write(connection: sqlite3.Connection, entry: Entry) -> None:
    match entry:
        case Changed(record, changes):
            # A clock that was put back, or has lost its battery, makes no job older than it was known to be.
            connection.execute(
                "INSERT INTO jobs (job_id, state, health, seq, watched, changed_at, generation)"
                " VALUES (:job_id, :state, :health, :seq, :watched, :changed_at, :generation)"
                " ON CONFLICT (job_id) DO UPDATE SET state = :state, health = :health, seq = :seq, watched = :watched,"
                " changed_at = max(changed_at, :changed_at), generation = :generation",
                {
                    "job_id": record.job_id,
                    "state": record.state.value,
                    "health": record.health.value,
                    "seq": record.seq,
                    "watched": _encoded(record.watched),
                    "changed_at": record.changed_at,
                    "generation": record.generation,
                },
            )
            for change in changes:
                connection.execute(
                    "INSERT INTO deliveries (job_id, seq, change) VALUES (?, ?, ?)"
                    " ON CONFLICT (job_id, seq) DO NOTHING",
                    (change.job_id, change.seq, _encoded(change)),
                )
        case Acknowledged(job_id, seq):
            connection.execute("DELETE FROM deliveries WHERE job_id = ? AND seq <= ?", (job_id, seq))
        case Forgotten(job_id):
            connection.execute("DELETE FROM deliveries WHERE job_id = ?", (job_id,))
            connection.execute("DELETE FROM jobs WHERE job_id = ?", (job_id,))
            connection.execute(_NEXT_GENERATION)
        case Followed(project):
            connection.execute(
                "REPLACE INTO projects (project_id, project) VALUES (?, ?)", (project.project_id, _encoded(project))
            )
        case Unfollowed(project_id):
            connection.execute("DELETE FROM projects WHERE project_id = ?", (project_id,))
        case Expired(before):
            connection.execute(
                "DELETE FROM jobs WHERE state != ? AND changed_at < ? AND NOT EXISTS"
                " (SELECT 1 FROM deliveries WHERE deliveries.job_id = jobs.job_id)",
                (RecordState.WATCHED.value, before),
            )
            connection.execute(_NEXT_GENERATION)
        case _:
            assert_never(entry)


def _shown(job_id: object) -> str:
    """Return an id as it can be shown, whatever a damaged file has in its place."""
    return printable(job_id.decode(errors="surrogateescape") if isinstance(job_id, bytes) else str(job_id))


def _encoded(value: object) -> str:
    return msgspec.json.encode(value).decode()
