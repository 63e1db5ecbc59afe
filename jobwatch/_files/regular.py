"""Reading a file that somebody else may have put where we look for one."""

from __future__ import annotations

import errno
import os
import stat


def read_regular(path: str | os.PathLike[str], most: int = -1) -> bytes:
    """Return the content of a file, without waiting for anybody to write it.

    Args:
        path: The file; a symbolic link is followed.
        most: How many bytes of it to read at most; all of it by default.

    Raises:
        OSError: It cannot be read, or is a named pipe, a device, a socket or a folder.
    """
    # Without O_NONBLOCK, opening a named pipe waits until somebody writes to it; with O_NOCTTY, a terminal that is
    # opened does not become ours. What was opened is examined, since its name may be another file's by then.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
    handle = os.open(path, flags)
    try:
        mode = os.fstat(handle).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        with os.fdopen(handle, "rb", closefd=False) as file:
            return file.read(most)
    finally:
        os.close(handle)
