"""The journal as a watcher sees it: entries are put without waiting, written together, and waited for where it counts.

One thread of its own does what blocks. While one batch is being written the next one gathers, so that any number of
changes cost one transaction. Where the disk is full or broken nothing is lost: entries stay in memory and are tried
again, ever less often, and whoever waits for them to be written goes on waiting, or is given an error.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from .._errors import JournalError
from .._files.lock import FileInUse
from .records import Acknowledged
from .sqlite import JournalFile
from .sqlite_open import is_lasting, unusable

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Collection

    from .changes import Change
    from .records import Contents, Entry, JobRecord

_P = ParamSpec("_P")
_T = TypeVar("_T")

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 30.0
_LONGEST_PAUSE_TO_READ = 2.0  # shorter, since whoever reads has to notice that the watcher closes


class Journal:
    """What a watcher remembers, in a file.

    Args:
        path: The file; it is made if there is none.
        api: The name of the API whose jobs it is for.
        place: Where that API is served; empty for anywhere.

    Attributes:
        news: Set whenever there may be more to read, or never will be again.
        trouble: Why entries could not be written or read last, or None.
        writer: The task that writes. It ends with an error once nothing can be written any more.
    """

    def __init__(self, path: str | os.PathLike[str], api: str, place: str = "") -> None:
        self.news = asyncio.Event()
        self.trouble: str | None = None
        self.writer: asyncio.Task[None] | None = None
        self._broken: JournalError | None = None
        self._path = path
        self._api = api
        self._place = place
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="jobwatch journal")
        self._file: JournalFile | None = None
        self._pending: list[Entry] = []
        self._put = 0
        self._written = 0
        self._failed = 0  # up to which mark the last attempt has failed, if it has
        self._attempt = asyncio.Event()
        self._wake_up: asyncio.Future[None] | None = None
        self._pausing = False
        self._closing = False

    async def open(self) -> Contents:
        """Open the file and return what it held.

        Raises:
            JournalError: It cannot be used.
        """
        contents = await self._run(self._open)
        self.writer = asyncio.get_running_loop().create_task(self._write(), name="jobwatch journal")
        return contents

    async def aclose(self) -> None:
        """Write what is pending, if that can be done, and close the file."""
        self._closing = True
        self._wake()
        closed = False
        try:
            try:
                if self.writer is not None:
                    with contextlib.suppress(JournalError):  # whoever waited for the writer has got that
                        await self.writer
            finally:
                await self._run(self._close)
                closed = True
        finally:
            if self.writer is not None:
                self.writer.cancel()
            self._give_up(JournalError(str(self._path), self.trouble or "is closed"))
            self._thread.submit(self._close)
            self._thread.shutdown(wait=closed)

    def put(self, *entries: Entry) -> int:
        """Have entries written, those of one call together, and return a mark to wait for."""
        self._pending += entries
        self._put += len(entries)
        if not self._pausing:
            self._wake()
        return self._put

    def acknowledge(self, job_id: str, seq: int) -> int:
        """Have it written that the changes of a job up to one are acknowledged, and return a mark to wait for."""
        return self.put(Acknowledged(job_id, seq))

    def is_written(self, mark: int) -> bool:
        """Return whether what was put up to a mark, which `put` returned, is on the disk."""
        return mark <= self._written

    async def written(self, mark: int | None = None, *, patient: bool = False) -> None:
        """Wait until what was put up to a mark, by default all of it, is on the disk.

        Args:
            mark: What `put` returned.
            patient: Whether to wait for as long as the disk is in trouble, too.

        Raises:
            JournalError: It could not be written, and is tried again; or, patient or not, never will be.
        """
        mark = self._put if mark is None else mark
        while mark > self._written:
            if self._broken is not None:
                raise self._broken
            if not patient:
                self._wake()
            await self._attempt.wait()
            if not patient and mark <= self._failed:
                raise JournalError(str(self._path), self.trouble or "is closed")

    async def find(self, job_ids: Collection[str]) -> dict[str, JobRecord]:
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
                # Being able to read says nothing about writing: while that is paused, its trouble goes on.
                self.trouble = self.trouble if self._pausing else None
                return found
            await asyncio.sleep(pause)
            pause = min(pause * 2.0, _LONGEST_PAUSE_TO_READ)

    # --- the thread ----------------------------------------------------------------------------------------

    async def _run(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: work(*args, **kwargs))

    def _open(self) -> Contents:
        self._file = JournalFile(self._path, self._api, self._place)
        try:
            return self._file.contents()
        except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
            raise unusable(self._path, error) from None

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()

    @property
    def generation(self) -> int:
        """That of the jobs that are added now; see `Change.generation`."""
        return self._opened.generation

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
                trouble = self._trouble(error)
                if is_lasting(error):
                    self._give_up(trouble)
                    raise trouble from None
                self._failed = mark
                self._end_attempt()
                if self._closing:
                    return
                self._pausing = True
                await self._rest(pause)
                self._pausing = False
                pause = min(pause * 2.0, _LONGEST_PAUSE)
            except Exception:
                self._give_up(self._trouble(sqlite3.ProgrammingError("a fault of jobwatch's own")))
                raise
            else:
                # Only now: a batch that failed, or of which nobody knows whether it was committed, is written again.
                del self._pending[: len(batch)]
                self.trouble, self._written, self._failed = None, mark, 0
                pause = _FIRST_PAUSE
                self._end_attempt()
                self.news.set()

    async def _rest(self, seconds: float | None) -> None:
        self._wake_up = asyncio.get_running_loop().create_future()
        await asyncio.wait([self._wake_up], timeout=seconds)

    def _wake(self) -> None:
        if self._wake_up is not None and not self._wake_up.done():
            self._wake_up.set_result(None)

    def _end_attempt(self) -> None:
        """Have all who wait for a batch see what came of it."""
        attempt, self._attempt = self._attempt, asyncio.Event()
        attempt.set()

    def _give_up(self, error: JournalError) -> None:
        """Write nothing any more; an error that was there before stays."""
        self._broken = self._broken or error
        self._end_attempt()
        self.news.set()

    def _trouble(self, error: sqlite3.Error | OSError) -> JournalError:
        trouble = self._error(error)
        self.trouble = trouble.trouble
        return trouble

    def _error(self, error: sqlite3.Error | OSError) -> JournalError:
        if isinstance(error, FileInUse):
            return unusable(self._path, error)
        reason = str(error) if isinstance(error, sqlite3.Error) else error.strerror
        advice = "it is damaged" if is_lasting(error) else "it is tried again"
        return JournalError(str(self._path), f"cannot be written or read: {reason}; {advice}")
