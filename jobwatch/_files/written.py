"""A file that is written whole or not at all, and of which it is known beforehand that it can be written."""

from __future__ import annotations

import contextlib
import os
import secrets
from typing import TYPE_CHECKING

from .._errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


class WholeFile:
    """A file to be written at the end of a command.

    A reader sees what was there before or the new content, never a part of it, and a command that is killed leaves what
    was there. A symbolic link is followed. What is no regular file, such as a pipe or ``/dev/stdout``, is written as it
    is.

    Args:
        name: The file.
        what: What names it in an error, such as the option that does.

    Raises:
        ConfigError: It could not be written.
    """

    def __init__(self, name: str, what: str) -> None:
        from pathlib import Path  # noqa: PLC0415 - it takes long to import, and few commands write a file

        self._path = Path(os.path.realpath(name))
        try:
            self._check()
        except OSError as error:
            reason = error.strerror or str(error)
            raise ConfigError(
                f"{what} {name} cannot be written ({reason}): name a file in a folder that is there"
            ) from None

    @property
    def path(self) -> Path:
        """Where it is, symbolic links followed."""
        return self._path

    def _check(self) -> None:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            os.lstat(self._path)  # which says what is wrong with a name; from Python 3.14 on, pathlib does not
        if self._path.is_dir():
            raise IsADirectoryError(None, "it is a folder")
        if self._path.exists() and not os.access(self._path, os.W_OK):
            raise PermissionError(None, "it must not be written")
        if self._is_special():
            return
        beside = self._beside()
        os.close(self._made(beside))
        beside.unlink()

    def write(self, content: bytes) -> None:
        """Write it.

        Raises:
            OSError: It cannot be written any more; what was there before still is.
        """
        if self._is_special():
            self._path.write_bytes(content)
            return
        beside = self._beside()
        try:
            with os.fdopen(self._made(beside), "wb") as file:
                if self._path.exists():
                    with contextlib.suppress(OSError):
                        beside.chmod(self._path.stat().st_mode & 0o777)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise

    def _is_special(self) -> bool:
        return self._path.exists() and not self._path.is_file()

    def _beside(self) -> Path:
        return self._path.with_name(f".{self._path.name[:100]}.{secrets.token_hex(8)}")

    def _made(self, path: Path) -> int:
        return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0), 0o666)
