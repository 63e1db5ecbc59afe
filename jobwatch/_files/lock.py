"""Locks between processes: on a file for as long as it is used, and on a folder for moments.

Neither needs a file of its own, which somebody could delete, link to or fill, and the system releases both when their
holder dies. Where the system has no such locks (Windows), taking one does nothing.
"""

from __future__ import annotations

import contextlib
import errno
import os
import struct
import sys
import time
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

if sys.platform != "win32":
    import fcntl

_BYTE = 1 << 62
"""The byte of a file that is locked: beyond its end, and far from those at 1 GiB that SQLite locks for itself."""

_TRIED_EVERY = 0.02

_FLOCK = "hhqqi4x"
"""Linux's ``struct flock``, see fcntl(2): type, whence, start, length, process."""

_holders: dict[tuple[int, int], int] = {}
"""The files locked through here, by device and inode, and by which process: a forked child inherits this, not locks."""


class FileInUse(OSError):
    """Another process, or another user within this one, has locked a file.

    Attributes:
        pid: Which process, where the system says so.
    """

    def __init__(self, pid: int | None) -> None:
        owner = "another process" if pid is None else "this process" if pid == os.getpid() else f"process {pid}"
        super().__init__(errno.EAGAIN, f"is in use by {owner}")
        self.pid = pid


class FileLock:
    """The right to use a file, held from construction to `release`.

    It is a record lock (fcntl(2)), which belongs to a process and a file, not to a name: renaming, linking or deleting
    leads nobody round it, and a forked child does not have it. The price: whenever this process closes any handle of
    the file, all its locks on it are gone, SQLite's included. So there is a register of the files that are locked here,
    to refuse a second user before it opens one; and `renew`, for handles that others close.

    Args:
        path: The file; it must exist, and a symbolic link is not followed.

    Attributes:
        handle: The file, open.

    Raises:
        FileInUse: It is locked already.
        OSError: It cannot be opened or locked.
    """

    def __init__(self, path: Path) -> None:
        if _holders.get(_key(path.lstat())) == os.getpid():
            raise FileInUse(os.getpid())
        self.handle = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
        self._key = _key(os.fstat(self.handle))
        try:
            self.renew()
        except BaseException:
            os.close(self.handle)
            raise
        _holders[self._key] = os.getpid()

    def renew(self) -> None:
        """Take the lock again, in case that this process has lost it.

        Raises:
            FileInUse: It was lost, and another process has it now.
            OSError: It cannot be locked.
        """
        if sys.platform == "win32":
            return
        try:
            fcntl.lockf(self.handle, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _BYTE)
        except (BlockingIOError, PermissionError):  # EAGAIN or EACCES: POSIX leaves the choice to the system
            raise FileInUse(_holder(self.handle)) from None

    def release(self) -> None:
        """Let others use the file; nothing happens the second time."""
        if _holders.get(self._key) == os.getpid():
            del _holders[self._key]
            os.close(self.handle)


class Held(Struct, frozen=True):
    """Whether a file is locked by a `FileLock`.

    Attributes:
        is_held: Whether it is; None where the system does not tell.
        pid: By which process, where the system tells that.
    """

    is_held: bool | None
    pid: int | None = None


def held(path: Path) -> Held:
    """Return whether a file is locked, without locking it: a process that wants to lock it now is not disturbed.

    No handle of the file that this process needs for locks may be open meanwhile: closing one lets go of all locks.

    Args:
        path: The file.

    Raises:
        OSError: It cannot be opened.
    """
    if _holders.get(_key(path.stat())) == os.getpid():
        return Held(is_held=True, pid=os.getpid())
    if not sys.platform.startswith("linux"):
        return Held(is_held=None)
    handle = os.open(path, os.O_RDONLY)
    try:
        kind, pid = _asked(handle)
    finally:
        os.close(handle)
    return Held(is_held=kind != fcntl.F_UNLCK, pid=pid)


def _key(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _holder(handle: int) -> int | None:
    if not sys.platform.startswith("linux"):
        return None
    return _asked(handle)[1]


def _asked(handle: int) -> tuple[int, int | None]:
    """Return what kind of lock keeps others out, and whose it is."""
    asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, _BYTE, 1, 0)
    kind, *_, pid = struct.unpack(_FLOCK, fcntl.fcntl(handle, fcntl.F_GETLK, asked))
    return int(kind), int(pid) or None  # 0: a process of another namespace, or it has just let go


@contextlib.contextmanager
def folder_locked(folder: Path, within: float) -> Generator[None]:
    """Keep other processes out of a folder, as far as they ask in the same way; one that we may not read is not locked.

    Args:
        folder: The folder.
        within: For how many seconds to try.

    Raises:
        TimeoutError: Another process has held the lock for so long.
        OSError: The folder is not there, or cannot be locked.
    """
    if sys.platform == "win32":
        yield
        return
    try:
        handle = os.open(folder, os.O_RDONLY)
    except PermissionError:
        yield
        return
    try:
        give_up_at = time.monotonic() + within
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= give_up_at:
                    raise TimeoutError(f"another process has held the lock of {folder} for {within:g} s") from None
                time.sleep(_TRIED_EVERY)
        try:
            yield
        finally:
            # Not by closing alone: a child that another thread forks meanwhile has a copy of the handle, and the lock.
            fcntl.flock(handle, fcntl.LOCK_UN)
    finally:
        os.close(handle)
