"""The file in which durations of earlier jobs are kept between processes.

The file is a cache: losing it costs requests, never a wrong answer. It is replaced as a whole, under a lock of its
folder, and several processes may add to it.
"""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from .._core.durations import KINDS_KEPT, Kind, LearnedDurations, add_to
from .._core.hazard import KEPT, Durations
from .._errors import ConfigError
from .._models import Phase
from .regular import read_regular

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_FORMAT = 1
_LOCKED_WITHIN = 5.0
_UNSAVED_KEPT = KINDS_KEPT * 8


class _Record(Struct, frozen=True):
    api: str
    type: str
    phase: Phase
    seconds: tuple[float, ...]


class _Head(Struct, frozen=True):
    format: int


class _File(Struct, frozen=True):
    format: int
    kinds: tuple[_Record, ...]


class History(LearnedDurations):
    """Remembers how long jobs took, in memory or in a file, and estimates from it when others will end.

    Args:
        path: A file to read at once and to add to when `save` is called; None keeps everything in memory.

    Raises:
        ConfigError: The file cannot be read, or is not a history of a format known here.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        super().__init__()
        self._path = None if path is None else _path_of(path)
        self._unsaved: deque[tuple[Kind, float]] = deque(maxlen=_UNSAVED_KEPT)
        if self._path is not None:
            self._durations.update(_stored(self._path))

    def add_duration(self, kind: Kind, seconds: float, *, told: bool = False, job_id: str = "") -> None:
        """Learn that a job of a kind ended so many seconds after it entered the phase."""
        super().add_duration(kind, seconds, told=told, job_id=job_id)
        if self._path is not None:
            self._unsaved.append((kind, seconds))

    @property
    def unsaved(self) -> bool:
        """Whether there is anything for `save` to add to the file."""
        return bool(self._unsaved)

    def save(self) -> None:
        """Add what was learned to the file, beside what other processes have added in the meantime.

        The file is replaced as a whole, so that a reader sees the old one or the new one.

        Raises:
            ConfigError: The file cannot be written, another process holds its folder's lock for 5 seconds, or it is not
            a history of a format known here any more.
        """
        if self._path is None or not self._unsaved:
            return
        from .lock import folder_locked  # noqa: PLC0415 - most histories have no file, and need no locks

        # Others may go on learning while this writes, in a thread of its own.
        unsaved, self._unsaved = self._unsaved, deque(maxlen=_UNSAVED_KEPT)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with folder_locked(self._path.parent, _LOCKED_WITHIN):
                durations = _stored(self._path)
                for kind, seconds in unsaved:
                    add_to(durations, kind, seconds, told=True)
                _replace(self._path, durations)
        except (OSError, ConfigError) as error:
            self._unsaved.extendleft(reversed(unsaved))
            if isinstance(error, ConfigError):
                raise
            if isinstance(error, TimeoutError):
                raise ConfigError(f"the history file cannot be written: {error}; end that one, or try again") from None
            raise ConfigError(
                f"the history file {self._path} cannot be written ({error.strerror}): "
                "make it and its folder writable, or name another file"
            ) from None


def _path_of(name: str | os.PathLike[str]) -> Path:
    from pathlib import Path  # noqa: PLC0415 - it takes long to import, and most histories have no file

    return Path(name)


def _stored(path: Path) -> dict[Kind, Durations]:
    try:
        content = read_regular(path)
        found = msgspec.json.decode(content, type=_Head).format
        kinds = msgspec.json.decode(content, type=_File).kinds if found == _FORMAT else ()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(
            f"the history file {path} cannot be read ({error.strerror}): make it readable, or name another file"
        ) from None
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise ConfigError(f"{path} is not a jobwatch history: delete it, or name another file") from None
    if found != _FORMAT:
        raise ConfigError(
            f"{path} is a history of format {found}, and this jobwatch reads {_FORMAT}: delete it, or name another file"
        )
    stored = {(each.api, each.type, each.phase): _durations(each.seconds) for each in kinds[-KINDS_KEPT:]}
    return {kind: durations for kind, durations in stored.items() if durations.seconds}


def _durations(seconds: Sequence[float]) -> Durations:
    return Durations(tuple(each for each in seconds if each >= 0.0)[-KEPT:])


def _replace(path: Path, durations: dict[Kind, Durations]) -> None:
    import tempfile  # noqa: PLC0415 - as above

    kinds = tuple(_Record(*kind, each.seconds) for kind, each in durations.items())
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.encode(_File(_FORMAT, kinds)))
            file.flush()
            os.fsync(file.fileno())
        _path_of(name).replace(path)
    except BaseException:
        _path_of(name).unlink(missing_ok=True)
        raise
