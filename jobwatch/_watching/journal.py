"""The journal as a watcher sees it: entries are put without waiting, written together, and waited for where it counts.

One thread of its own does what blocks. While one batch is being written the next one gathers, so that any number of
changes cost one `fsync`. Where the disk is full or broken nothing is lost: entries stay in memory and are tried
again, ever less often, and whoever waits for them to be written waits, or is told.
"""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from msgspec import Struct

from .._errors import JournalError
from .records import Aged, Done, Entry, Forgotten, Kept, Row, RowState, Told
from .sqlite import JournalFile
from .sqlite_open import is_lasting

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Collection

    from .changes import Change

_P = ParamSpec("_P")
_T = TypeVar("_T")

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 30.0
_LONGEST_PAUSE_TO_READ = 2.0  # shorter, since whoever reads has to notice that the watcher closes
_ENDED_KEPT = 10_000


class _Waiter(Struct, eq=False):
    mark: int
    told: asyncio.Future[None]
    patient: bool


class Journal:
    """What a watcher remembers, in a file.

    Args:
        path: The file; it is made if there is none.
        api: The name of the API whose jobs it is for.
        on_written: Called when entries have been written, or cannot be any more.
        place: Where that API is served; empty for anywhere.

    Attributes:
        trouble: Why entries could not be written or read last, or None.
        broken: Set once they never will be.
    """

    def __init__(self, path: str | os.PathLike[str], api: str, on_written: Callable[[], None], place: str = "") -> None:
        self.trouble: str | None = None
        self.broken: JournalError | None = None
        self._path = path
        self._api = api
        self._place = place
        self._on_written = on_written
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="jobwatch journal")
        self._file: JournalFile | None = None
        self._pending: list[Entry] = []
        self._put = 0
        self._written = 0
        self._waiters: list[_Waiter] = []
        self._bell: asyncio.Future[None] | None = None
        self._writer: asyncio.Task[None] | None = None
        self._pausing = False
        self._closing = False

    async def open(self) -> Kept:
        """Open the file and return what it held.

        Raises:
            JournalError: It cannot be used.
        """
        kept = await self._run(self._open)
        self._writer = asyncio.get_running_loop().create_task(self._write(), name="jobwatch journal")
        return kept

    async def aclose(self) -> None:
        """Write what is pending, if that can be done, and close the file."""
        self._closing = True
        self._ring()
        closed = False
        try:
            try:
                if self._writer is not None:
                    await self._writer
            finally:
                await self._run(self._close)
                closed = True
        finally:
            if self._writer is not None:
                self._writer.cancel()
            self._tell(lasting=True)
            self._thread.submit(self._close)
            self._thread.shutdown(wait=closed)

    def put(self, *entries: Entry) -> int:
        """Have entries written, those of one call together, and return a mark to wait for."""
        self._pending += entries
        self._put += len(entries)
        if not self._pausing:
            self._ring()
        return self._put

    async def written(self, mark: int | None = None, *, patient: bool = False) -> None:
        """Wait until what was put up to a mark, by default all of it, is on the disk.

        Args:
            mark: What `put` returned.
            patient: Whether to wait for as long as the disk is in trouble, too.

        Raises:
            JournalError: It could not be written, and is tried again; or, patient or not, never will be.
        """
        mark = self._put if mark is None else mark
        if mark <= self._written:
            return
        if self.broken is not None:
            raise self.broken
        waiter = _Waiter(mark, asyncio.get_running_loop().create_future(), patient)
        self._waiters.append(waiter)
        if not patient:
            self._ring()
        await waiter.told

    async def find(self, job_ids: Collection[str]) -> dict[str, Row]:
        """Return what is kept of some jobs, once all that was put is written.

        Raises:
            JournalError: It cannot be written or read at present.
        """
        await self.written()
        try:
            return await self._run(self._opened.find, job_ids)
        except (sqlite3.Error, OSError) as error:
            raise self._trouble(error) from None

    async def undelivered(self, after: int, limit: int) -> list[tuple[int, Change]]:
        """Return changes that are written and unacknowledged; for arguments see `JournalFile.undelivered`.

        Raises:
            JournalError: It can never be read again; until then this waits for it.
        """
        pause = _FIRST_PAUSE
        while True:
            try:
                found = await self._run(self._opened.undelivered, after, limit)
            except (sqlite3.Error, OSError) as error:
                if self._closing:
                    raise self._error(error) from None
                trouble = self._trouble(error)
                if is_lasting(error):
                    raise trouble from None
            else:
                self.trouble = self.trouble if self._pausing else None
                return found
            await asyncio.sleep(pause)
            pause = min(pause * 2.0, _LONGEST_PAUSE_TO_READ)

    # --- the thread ----------------------------------------------------------------------------------------

    async def _run(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: work(*args, **kwargs))

    def _open(self) -> Kept:
        self._file = JournalFile(self._path, self._api, self._place)
        try:
            return self._file.kept()
        except (sqlite3.Error, OSError) as error:
            raise self._error(error) from None

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()

    @property
    def _opened(self) -> JournalFile:
        if self._file is None:
            raise JournalError(str(self._path), "is closed")
        return self._file

    # --- the writer ----------------------------------------------------------------------------------------

    async def _write(self) -> None:
        pause = _FIRST_PAUSE
        while self._pending or not self._closing:
            if not self._pending:
                await self._rest(None)
                continue
            batch, mark = tuple(self._pending), self._put
            try:
                await self._run(self._opened.write, batch)
            except (sqlite3.Error, OSError) as error:
                self._failed(error, mark)
                if self.broken is not None or self._closing:
                    return
                self._pausing = True
                await self._rest(pause)
                self._pausing = False
                pause = min(pause * 2.0, _LONGEST_PAUSE)
            except Exception:
                self._failed(sqlite3.ProgrammingError("a fault of jobwatch's own"), mark, lasting=True)
                raise
            else:
                del self._pending[: len(batch)]
                pause = _FIRST_PAUSE
                self._succeeded(mark)

    async def _rest(self, seconds: float | None) -> None:
        self._bell = asyncio.get_running_loop().create_future()
        await asyncio.wait([self._bell], timeout=seconds)

    def _ring(self) -> None:
        if self._bell is not None and not self._bell.done():
            self._bell.set_result(None)

    def _succeeded(self, mark: int) -> None:
        self.trouble = None
        self._written = mark
        going_on: list[_Waiter] = []
        for waiter in self._waiters:
            if waiter.mark > mark:
                going_on.append(waiter)
            elif not waiter.told.done():
                waiter.told.set_result(None)
        self._waiters = going_on
        self._on_written()

    def _failed(self, error: sqlite3.Error | OSError, mark: int, *, lasting: bool = False) -> None:
        trouble = self._trouble(error)
        if lasting or is_lasting(error):
            self.broken = trouble
        self._tell(lasting=self.broken is not None, mark=mark)
        if self.broken is not None:
            self._on_written()

    def _tell(self, *, lasting: bool, mark: int | None = None) -> None:
        """Tell those who wait that it was in vain: all, or the impatient ones up to a mark."""
        going_on: list[_Waiter] = []
        for waiter in self._waiters:
            if not lasting and (waiter.patient or (mark is not None and waiter.mark > mark)):
                going_on.append(waiter)
            elif not waiter.told.done():
                waiter.told.set_exception(self.broken or JournalError(str(self._path), self.trouble or "is closed"))
        self._waiters = going_on

    def _trouble(self, error: sqlite3.Error | OSError) -> JournalError:
        told = self._error(error)
        self.trouble = told.trouble
        return told

    def _error(self, error: sqlite3.Error | OSError) -> JournalError:
        reason = str(error) if isinstance(error, sqlite3.Error) else error.strerror
        advice = "it is damaged" if is_lasting(error) else "it is tried again"
        return JournalError(str(self._path), f"cannot be written or read: {reason}; {advice}")


class Memory:
    """What a watcher without a journal remembers: what is undelivered, and the latest jobs that ended.

    Args:
        on_written: Called when changes can be read.
    """

    def __init__(self, on_written: Callable[[], None]) -> None:
        self.trouble: str | None = None
        self.broken: JournalError | None = None
        self._on_written = on_written
        self._rows: dict[str, Row] = {}
        self._changes: dict[int, Change] = {}
        self._numbers: dict[str, deque[int]] = {}
        self._count = 0

    async def open(self) -> Kept:
        """Return that nothing was held."""
        return Kept()

    async def aclose(self) -> None:
        """Forget everything."""
        self._rows.clear()
        self._changes.clear()
        self._numbers.clear()

    def put(self, *entries: Entry) -> int:
        """Take entries in."""
        for entry in entries:
            match entry:
                case Told(row, changes):
                    self._take(row, changes)
                case Done(job_id, seq):
                    self._acknowledge(job_id, seq)
                case Forgotten(job_id):
                    self._acknowledge(job_id, None)
                    self._rows.pop(job_id, None)
                case Aged(before):
                    self._rows = {job_id: row for job_id, row in self._rows.items() if row.changed_at >= before}
                case _:
                    pass  # projects are known to whoever follows them
        self._on_written()
        return 0

    async def written(self, mark: int | None = None, *, patient: bool = False) -> None:
        """Return, since nothing is written."""

    async def find(self, job_ids: Collection[str]) -> dict[str, Row]:
        """Return what is kept of some jobs that are not watched any more."""
        return {job_id: self._rows[job_id] for job_id in job_ids if job_id in self._rows}

    async def undelivered(self, after: int, limit: int) -> list[tuple[int, Change]]:
        """Return changes that are unacknowledged; for arguments see `JournalFile.undelivered`."""
        later = ((number, change) for number, change in self._changes.items() if number > after)
        return list(itertools.islice(later, limit))

    def _take(self, row: Row, changes: tuple[Change, ...]) -> None:
        self._rows.pop(row.job_id, None)
        if row.state is not RowState.WATCHED:
            self._rows[row.job_id] = row
            if len(self._rows) > _ENDED_KEPT:
                del self._rows[next(iter(self._rows))]
        for change in changes:
            self._count += 1
            self._changes[self._count] = change
            self._numbers.setdefault(row.job_id, deque()).append(self._count)

    def _acknowledge(self, job_id: str, seq: int | None) -> None:
        numbers = self._numbers.get(job_id, deque())
        while numbers and (seq is None or self._changes[numbers[0]].seq <= seq):
            del self._changes[numbers.popleft()]
        if not numbers:
            self._numbers.pop(job_id, None)
