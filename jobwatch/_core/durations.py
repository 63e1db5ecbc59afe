"""What earlier jobs of each kind took: learned from every end that is seen, and kept in a small file if wanted.

A kind is an API, a job type and a phase; what is kept of it are the latest durations from entering that phase to
the job's end. The file is a cache: losing it costs requests, never a wrong answer.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from typing import TYPE_CHECKING, TypeAlias

import msgspec
from msgspec import Struct

from .._errors import ConfigError
from .._models import Phase
from .._times import seconds_since_1970
from .hazard import KEPT, PRIOR, Curve, Durations, curve, remembered

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from datetime import datetime
    from pathlib import Path

    from .._models import Event, Job

Kind: TypeAlias = tuple[str, str, Phase]
"""An API's name, a job type (empty where the API tells none) and a phase."""

_FORMAT = 1
_LOCKED_WITHIN = 5.0
_LOCK_TRIED_EVERY = 0.02
_ANY = "*"
_IDS_KEPT = 4096  # whose ends have been learned, so that a list seen again teaches nothing twice
_NEW_KIN = 1.25  # how many times as many jobs of other types are worth a new estimate
_KINDS_KEPT = 1024  # an API that gives each job a type of its own must not fill the memory
_CURVES_KEPT = 256
_UNSAVED_KEPT = _KINDS_KEPT * 8


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


class History:
    """Remembers how long jobs took, and estimates from it when others will end.

    Args:
        path: A file to read at once and to add to when `save` is called; None keeps everything in memory.

    Raises:
        ConfigError: The file cannot be read, or is not a history of a format known here.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self._path = None if path is None else _path_of(path)
        self._durations: dict[Kind, Durations] = {}
        self._unsaved: deque[tuple[Kind, float]] = deque(maxlen=_UNSAVED_KEPT)
        self._learned: dict[tuple[str, str], None] = {}
        self._curves: dict[Kind, tuple[int, Curve]] = {}
        if self._path is not None:
            for kind, durations in _stored(self._path).items():
                self._durations[kind] = durations

    def knows(self, api: str, job_type: str | None) -> bool:
        """Whether any job of a type has been seen to end."""
        return any((api, job_type or "", phase) in self._durations for phase in (Phase.PENDING, Phase.RUNNING))

    def curve(self, api: str, job_type: str | None, phase: Phase | None) -> Curve:
        """Return the poll clock of jobs of a type that are in a phase."""
        if phase is None or not self._durations:
            return PRIOR
        kind, kin = (api, job_type or "", phase), self._durations.get((api, _ANY, phase))
        if kin is None:
            return PRIOR
        found = self._curves.get(kind)
        if found is None or len(kin.seconds) > found[0] * _NEW_KIN:
            found = len(kin.seconds), curve(self._durations.get(kind, Durations()), kin)
            self._curves[kind] = found
            if len(self._curves) > _CURVES_KEPT:
                del self._curves[next(iter(self._curves))]
        return found[1]

    def add(self, job: Job, *, told: bool = False) -> bool:
        """Learn from a job that has ended, once, by its own timestamps.

        Args:
            job: The job.
            told: Whether a list told of it, rather than a look at a job that was watched.

        Returns:
            Whether its timestamps tell how long it took.
        """
        durations = durations_of(job)
        if not durations or (job.api, job.id) in self._learned:
            return bool(durations)
        self._learned[job.api, job.id] = None
        if len(self._learned) > _IDS_KEPT:
            del self._learned[next(iter(self._learned))]
        for phase, seconds in durations:
            self.add_duration((job.api, job.type or "", phase), seconds, told=told)
        return True

    def add_duration(self, kind: Kind, seconds: float, *, told: bool = False) -> None:
        """Learn that a job of a kind ended so many seconds after it entered the phase."""
        _add(self._durations, kind, seconds, told=told)
        self._curves.pop(kind, None)
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
        # Others may go on learning while this writes, in a thread of its own.
        unsaved, self._unsaved = self._unsaved, deque(maxlen=_UNSAVED_KEPT)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with _locked(self._path.parent):
                durations = _stored(self._path)
                for kind, seconds in unsaved:
                    _add(durations, kind, seconds, told=True)
                _replace(self._path, durations)
        except (OSError, ConfigError) as error:
            self._unsaved.extendleft(reversed(unsaved))
            if isinstance(error, ConfigError):
                raise
            raise ConfigError(
                f"the history file {self._path} cannot be written ({error.strerror}): "
                "make it and its folder writable, or name another file"
            ) from None


def durations_of(job: Job) -> list[tuple[Phase, float]]:
    """Return how long a job that has ended took from each phase it entered, by its own timestamps."""
    told = job.proven if job.events is None else job.events
    ended_at = job.ended_at or _last(told, job.phase)
    if not job.phase.ended or ended_at is None:
        return []
    end = seconds_since_1970(ended_at)
    spans = [(phase, _last(told, phase)) for phase in (Phase.PENDING, Phase.RUNNING)]
    return [(phase, end - seconds_since_1970(at)) for phase, at in spans if at is not None and at <= ended_at]


def _last(events: Sequence[Event], phase: Phase) -> datetime | None:
    return next((event.at for event in reversed(events) if event.phase is phase and event.at is not None), None)


def _add(durations: dict[Kind, Durations], kind: Kind, seconds: float, *, told: bool) -> None:
    for each in (kind, (kind[0], _ANY, kind[2])):
        # Each becomes the last in the dict, so that the kinds longest without a duration are the first to go.
        durations[each] = remembered(durations.pop(each, Durations()), seconds, told=told)
    while len(durations) > _KINDS_KEPT:
        del durations[next(iter(durations))]


def _path_of(name: str | os.PathLike[str]) -> Path:
    from pathlib import Path  # noqa: PLC0415 - it takes long to import, and most histories have no file

    return Path(name)


def _stored(path: Path) -> dict[Kind, Durations]:
    try:
        content = path.read_bytes()
        told = msgspec.json.decode(content, type=_Head).format
        kinds = msgspec.json.decode(content, type=_File).kinds if told == _FORMAT else ()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(
            f"the history file {path} cannot be read ({error.strerror}): make it readable, or name another file"
        ) from None
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise ConfigError(f"{path} is not a jobwatch history: delete it, or name another file") from None
    if told != _FORMAT:
        raise ConfigError(
            f"{path} is a history of format {told}, and this jobwatch reads {_FORMAT}: delete it, or name another file"
        )
    stored = {(each.api, each.type, each.phase): _durations(each.seconds) for each in kinds[-_KINDS_KEPT:]}
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


@contextlib.contextmanager
def _locked(folder: Path) -> Generator[None]:
    """Keep other processes from writing a history in the same folder, where the system can lock a folder."""
    try:
        import fcntl  # noqa: PLC0415 - missing on Windows
    except ImportError:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        give_up_at = time.monotonic() + _LOCKED_WITHIN
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= give_up_at:
                    told = f"another process has held the lock of {folder} for {_LOCKED_WITHIN:g} s"
                    raise ConfigError(
                        f"the history file cannot be written: {told}; end that one, or try again"
                    ) from None
                time.sleep(_LOCK_TRIED_EVERY)
        yield
    finally:
        os.close(handle)
