"""One journal, one process: a lock beside the file, which the system lets go of when its holder dies.

The lock is on ``<journal>.lock`` and not on the journal itself, because closing any handle of a file lets go of all
locks that SQLite holds on it. The lock file stays when the lock is given up: deleting it could take it from under a
process that is just about to lock it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .._errors import JournalError

if TYPE_CHECKING:
    from pathlib import Path

_PID_LENGTH = 20


class JournalLock:
    """The right to use a journal, held from construction to `release`.

    Args:
        path: The journal.

    Raises:
        JournalError: Another process, or another watcher of this one, holds it; or it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self._handle: int | None = _locked(path, path.with_name(f"{path.name}.lock"))

    def release(self) -> None:
        """Let others use the journal."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)


def _locked(path: Path, lock: Path) -> int:
    while True:
        try:
            handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise JournalError(str(path), f"cannot be locked: {error.strerror}: {lock}") from None
        try:
            _lock(handle, path)
            if _is_still(lock, handle):
                os.ftruncate(handle, 0)
                os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
                return handle
        except OSError as error:
            os.close(handle)
            raise JournalError(str(path), f"cannot be locked: {error.strerror}: {lock}") from None
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _lock(handle: int, path: Path) -> None:
    try:
        import fcntl  # noqa: PLC0415 - missing on Windows, where SQLite's own exclusive lock has to do
    except ImportError:
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = _pid_in(handle)
        owner = "another process" if pid is None else "this process" if pid == os.getpid() else f"process {pid}"
        trouble = f"is in use by {owner}; give each watcher a journal of its own"
        raise JournalError(str(path), trouble, pid) from None


def _pid_in(handle: int) -> int | None:
    told = os.pread(handle, _PID_LENGTH, 0).strip()
    return int(told) if told.isdigit() else None


def _is_still(lock: Path, handle: int) -> bool:
    """Whether the name still stands for the file that was locked, and not for one made since."""
    try:
        return os.path.samestat(lock.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False
