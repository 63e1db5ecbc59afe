"""A view of the jobs in a journal that somebody else may hold: the file is read, and left as it is.

It makes no look and acknowledges nothing. What a service has acknowledged, and thus deleted, between two readings is
not seen as a change; the states that it led to are, as far as the job's own record remembers them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct

from .._errors import JournalError
from .._files.lock import held
from .reading import api_of, change_of, columns_of, connected, record_of
from .sqlite_open import unusable
from .viewing import Origin, Reading, Sighting, Watching

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .._files.lock import Held
    from .changes import Change

_EVERY = 0.25
"""How many seconds lie between two questions whether the file has changed."""

_RESTS = 20.0
"""For how many times as long as a reading took there is none: many jobs take a part of a core only."""

_TORN = 0.05
"""After how many seconds a file is read once more that could not be read."""

_JUST_NOW = 0.1
"""For how many seconds after a change a file is read again, whatever its time says."""

_ASKED_AT_ONCE = 500
"""How many jobs are read by one statement; SQLite before 3.32 takes 999 parameters at most."""

_Mark: TypeAlias = tuple[object, ...]


class _News(Struct, frozen=True):
    """What one reading of the file has shown."""

    sightings: tuple[Sighting, ...]
    changes: tuple[Change, ...]
    gone: tuple[str, ...]


_NOTHING = _News((), (), ())


class JournalView:
    """What a journal holds, as it changes.

    Args:
        path: The journal's file.

    Attributes:
        api: The name of the API whose jobs it is for.

    Raises:
        JournalError: It is no journal, or cannot be read.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._given = os.fspath(path)
        self._path = Path(os.path.realpath(path))
        self._seen: _Mark | None = None
        self._known: dict[str, _Mark] = {}
        self._number = 0
        self.api = ""
        self._projects: dict[str, str] = {}
        self._origin: Origin | None = None
        self._held: Held | None = None
        self._written_at: float | None = None
        self._rests_until = 0.0
        if not self._path.exists():
            raise JournalError(self._given, "is not there; name the file that a watcher keeps")
        try:
            with connected(self._path) as connection:
                self.api = api_of(connection, self._given)
        except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
            raise unusable(self._given, error) from None

    async def read(self, within: float) -> Reading:
        """Return what is new; see `ViewSource.read`."""
        until = time.monotonic() + within
        while True:
            began = time.monotonic()
            if self._origin is not None and until < self._rests_until:
                await asyncio.sleep(max(0.0, until - began))
                return Reading(origin=self._origin)
            await asyncio.sleep(max(0.0, self._rests_until - began))
            reading, took = await asyncio.to_thread(self._timed)
            self._rests_until = time.monotonic() + took * _RESTS
            left = until - time.monotonic()
            if reading.sightings or reading.changes or reading.gone or reading.origin != self._origin or left <= 0.0:
                self._origin = reading.origin
                return reading
            await asyncio.sleep(min(_EVERY, left))

    def _timed(self) -> tuple[Reading, float]:
        """Read what has changed, and return how long that took, too."""
        began = time.thread_time()
        reading = self._read()
        return reading, time.thread_time() - began

    def _read(self) -> Reading:
        """Read what has changed, if anything has; in a thread, since it blocks."""
        news, trouble = self._tried()
        if trouble is not None:
            # A service may just have begun to write what stood still: then it is torn for a moment, and no damage.
            time.sleep(_TORN)
            news, trouble = self._tried()
        return Reading(
            origin=Origin(
                api=self.api,
                watching=_watching(self._held),
                journal=self._given,
                pid=None if self._held is None else self._held.pid,
                written_at=self._written_at,
                projects=dict(self._projects),
                trouble=trouble,
            ),
            sightings=news.sightings,
            changes=news.changes,
            gone=news.gone,
        )

    def _tried(self) -> tuple[_News, str | None]:
        """Return what is new, and why that cannot be read, if so."""
        try:
            self._held = held(self._path)
            mark, self._written_at = self._mark()
            if mark == self._seen:
                return _NOTHING, None
            news = self._news()
            # A file may change again within what its time is told by, and then looks the same.
            self._seen = mark if time.time() - self._written_at > _JUST_NOW else None
        except JournalError as error:
            return _NOTHING, error.trouble
        except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
            return _NOTHING, unusable(self._given, error).trouble
        return news, None

    def _mark(self) -> tuple[_Mark, float]:
        """Return what tells that the file has changed, and when it was written last."""
        status = self._path.stat()
        mark: _Mark = (status.st_ino, status.st_size, status.st_mtime_ns)
        written_at = status.st_mtime
        with contextlib.suppress(OSError):
            log = self._path.with_name(f"{self._path.name}-wal").stat()
            mark = (*mark, log.st_size, log.st_mtime_ns)
            written_at = max(written_at, log.st_mtime) if log.st_size else written_at
        return mark, written_at

    def _news(self) -> _News:
        with connected(self._path) as connection:
            self.api = api_of(connection, self._given)
            projects = connection.execute("SELECT project_id FROM projects ORDER BY project_id")
            self._projects = {project_id: "" for (project_id,) in projects}
            columns = columns_of(connection)
            told_by = ", ".join(column for column in columns if column != "watched")
            marks: dict[str, _Mark] = {
                row[0]: row
                for row in connection.execute(f"SELECT {told_by} FROM jobs")  # noqa: S608 - our own words
            }
            new = [job_id for job_id, mark in marks.items() if self._known.get(job_id) != mark]
            sightings = [
                Sighting(record=record_of(self._given, row[0], dict(zip(columns, row, strict=True))))
                for row in _rows(connection, columns, new)
            ]
            changes = connection.execute(
                "SELECT number, change FROM deliveries WHERE number > ? ORDER BY number", (self._number,)
            ).fetchall()
        told = tuple(change_of(self._given, number, change) for number, change in changes)
        gone = tuple(job_id for job_id in self._known if job_id not in marks)
        # Only now: what could not be read is read again.
        self._known, self._number = marks, changes[-1][0] if changes else self._number
        sightings.sort(key=lambda each: (each.record.watched.added_at or each.record.changed_at, each.record.job_id))
        return _News(tuple(sightings), told, gone)


def _rows(
    connection: sqlite3.Connection, columns: Iterable[str], job_ids: Iterable[str]
) -> Iterable[tuple[object, ...]]:
    names, left = ", ".join(columns), iter(job_ids)
    while some := tuple(islice(left, _ASKED_AT_ONCE)):
        wanted = ", ".join("?" * len(some))
        yield from connection.execute(f"SELECT {names} FROM jobs WHERE job_id IN ({wanted})", some)  # noqa: S608 - as above


def _watching(state: Held | None) -> Watching:
    if state is None or state.is_held is None:
        return Watching.UNKNOWN
    return Watching.OTHERS if state.is_held else Watching.NOBODY
