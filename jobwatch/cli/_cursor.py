"""``--cursor FILE``: which lines have been printed, so that the same command, run again, prints only the others.

The file is a row of records, one JSON object a line, only ever added to:

=========  ===========================================================================================================
`head`     the first line: the format, and whose jobs these are
`seen`     what a look has shown of a job, and the states that came with it; written *before* any of them is printed
`printed`  a state of it has been printed; written *after* it was
`progress` how far it was; written after that was printed
`ended`    how the wait for a job ended, if that is the job's own end; written before it is printed
=========  ===========================================================================================================

So after a ``kill -9`` nothing is lost: what was seen and not printed comes first when the command is run again, then it
goes on from what was known. The one line that was written to stdout when the process died, and not noted yet, comes
again. The end of a job is printed by every run, for its exit code is that run's business.

Nothing is synced to the disk but the new file itself: the death of a process needs none, and if the power fails, the
records that are lost are the latest, which repeats lines and loses none. A last line without its end is cut off when
the file is opened; anything else that cannot be read is an error, and nothing is written then. The file holds what the
server said of the jobs, their results included, and no token; only its owner may read it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias, assert_never

import msgspec
from msgspec import Struct

from .._core.tracker import Watched
from .._errors import ConfigError
from .._files.lock import FileInUse, FileLock
from .._models import Outcome, Transition
from ._output import note, without_secrets
from ._render import OutcomeRecord, safe

_FORMAT = 1
_AT_ONCE = 1 << 20
_NEEDED = frozenset(field.name for field in msgspec.structs.fields(OutcomeRecord) if field.required)
_OWN_ENDS = frozenset({Outcome.SUCCEEDED, Outcome.PARTIAL, Outcome.FINISHED, Outcome.FAILED, Outcome.CANCELLED})


class Head(Struct, frozen=True, tag_field="is", tag="head"):
    """Whose jobs the file is about."""

    format: int
    api: str
    place: str


class Seen(Struct, frozen=True, tag_field="is", tag="seen"):
    """What was known of a job after a look, and the states that were not printed then."""

    watched: Watched
    states: tuple[Transition, ...] = ()


class Printed(Struct, frozen=True, tag_field="is", tag="printed"):
    """A state that was printed."""

    job_id: str
    seq: int


class Progressed(Struct, frozen=True, tag_field="is", tag="progress"):
    """How far a job was when that was last printed."""

    job_id: str
    progress: float


class Ended(Struct, frozen=True, tag_field="is", tag="ended"):
    """How the wait for a job ended."""

    job_id: str
    end: msgspec.Raw


_Record: TypeAlias = Seen | Printed | Progressed | Ended
_decoder: msgspec.json.Decoder[_Record] = msgspec.json.Decoder(_Record)


class Known(Struct):
    """What a file says of one job.

    Attributes:
        watched: What was known of it, if anything was.
        printed: The states that were printed, for what is made of all that the runs have shown.
        unprinted: The states that were seen and not printed.
        end: How the wait ended, if that was the job's own end.
        progress: How far it was when that was last printed.
    """

    watched: Watched | None = None
    printed: tuple[Transition, ...] = ()
    unprinted: tuple[Transition, ...] = ()
    end: OutcomeRecord | None = None
    progress: float | None = None


class Contents(Struct):
    """What a file says.

    Attributes:
        head: Its first line; None of an empty file.
        jobs: The jobs, by their ids.
        length: How many of its bytes are whole lines.
    """

    head: Head | None
    jobs: dict[str, Known]
    length: int


def read(content: bytes) -> Contents:
    """Read what a file holds. Pure.

    Args:
        content: All of it.

    Raises:
        ValueError: It is no such file, or is damaged; the message says where.
    """
    length = content.rfind(b"\n") + 1
    if content and not length:
        raise ValueError("it is no file of --cursor, or was cut off in its first line")
    lines = content[:length].split(b"\n")[:-1]
    try:
        head = msgspec.json.decode(lines[0], type=Head) if lines else None
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise ValueError("it is no file of --cursor") from None
    jobs: dict[str, Known] = {}
    if head is not None and head.format == _FORMAT:
        for number, line in enumerate(lines[1:], start=2):
            try:
                _enter(jobs, _decoder.decode(line))
            except (msgspec.MsgspecError, UnicodeError, RecursionError):
                raise ValueError(f"it is damaged in line {number}") from None
    return Contents(head, jobs, length)


def _enter(jobs: dict[str, Known], record: _Record) -> None:
    match record:
        case Seen():
            known = jobs.setdefault(record.watched.job_id, Known())
            known.watched = record.watched
            known.unprinted = (*known.unprinted, *record.states)
        case Printed():
            known = jobs.setdefault(record.job_id, Known())
            known.printed += tuple(state for state in known.unprinted if state.seq <= record.seq)
            known.unprinted = tuple(state for state in known.unprinted if state.seq > record.seq)
        case Progressed():
            jobs.setdefault(record.job_id, Known()).progress = record.progress
        case Ended():
            known = jobs.setdefault(record.job_id, Known())
            known.end = _end(record.end)
        case _:
            assert_never(record)


def _end(raw: msgspec.Raw) -> OutcomeRecord:
    """Read an end, each field by its own type: msgspec takes no type that contains itself, as that of a result does."""
    types: dict[str, Any] = {field.name: field.type for field in msgspec.structs.fields(OutcomeRecord)}
    values = {
        name: msgspec.json.decode(value) if name == "result" else msgspec.json.decode(value, type=types[name])
        for name, value in msgspec.json.decode(raw, type=dict[str, msgspec.Raw]).items()
        if name in types
    }
    if not values.keys() >= _NEEDED:
        raise msgspec.ValidationError("an end lacks a field")
    return OutcomeRecord(**values)


class Cursor:
    """The file, open and ours alone until `close`.

    Args:
        path: Where it is; it is made if it is not there.
        api: The name of the API that the jobs are of.
        place: Where that is served.

    Raises:
        ConfigError: It cannot be used; the message says why. Nothing was written.
    """

    def __init__(self, path: str, api: str, place: str) -> None:
        self._path = Path(path)
        self._name = f"the cursor file {safe(path)}"
        self._noted: dict[str, int] = {}
        self._is_broken = False
        try:
            self._lock = self._locked()
        except FileInUse as error:
            owner = "another process" if error.pid is None else f"process {error.pid}"
            raise ConfigError(
                f"{self._name} is in use by {owner}: end that one, or give each command a file of its own"
            ) from None
        except OSError as error:
            raise ConfigError(f"{self._name} cannot be used: {error.strerror or type(error).__name__}") from None
        try:
            self._contents = self._opened(Head(_FORMAT, api, place))
        except BaseException:
            self._lock.release()
            raise

    def _locked(self) -> FileLock:
        try:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
        except FileExistsError:
            return FileLock(_regular(self._path))
        os.close(handle)
        return FileLock(self._path)

    def _opened(self, wanted: Head) -> Contents:
        handle = self._lock.handle
        try:
            contents = read(_all_of(handle))
            if contents.head is None:
                self._length = 0
                self._append(wanted)
                os.fsync(handle)
                return contents
            self._check(contents.head, wanted)
            os.ftruncate(handle, contents.length)
        except OSError as error:
            raise ConfigError(f"{self._name} cannot be used: {error.strerror or type(error).__name__}") from None
        except ValueError as error:
            raise ConfigError(f"{self._name}: {error}; delete it to begin anew, or name another file") from None
        self._length = contents.length
        return contents

    def _check(self, head: Head, wanted: Head) -> None:
        if head.format != _FORMAT:
            raise ValueError(f"it has format {head.format}, and this jobwatch reads {_FORMAT}")
        if (head.api, head.place) != (wanted.api, wanted.place):
            raise ValueError(
                f"it is about jobs of {safe(head.api)} at {safe(head.place)}, not of {wanted.api} at {wanted.place}"
            )

    # --- what it says -----------------------------------------------------------------------------------------

    def known(self, job_id: str) -> Known:
        """Return what it said of a job when it was opened."""
        return self._contents.jobs.get(job_id, Known())

    # --- what happens -------------------------------------------------------------------------------------------

    def seen(self, watched: Watched, states: Sequence[Transition]) -> None:
        """Note what a look has shown, before any of it is printed; states that were noted before are left out.

        Args:
            watched: What is known of the job now.
            states: Its states that are not printed yet.
        """
        noted = self._noted.get(watched.job_id, 0)
        new = tuple(state for state in states if state.seq > noted)
        if new:
            self._noted[watched.job_id] = new[-1].seq
        self._write(Seen(watched, new))

    def has_noted(self, transition: Transition) -> bool:
        """Whether `seen` has noted a state already."""
        return transition.seq <= self._noted.get(transition.job_id, 0)

    def printed(self, transition: Transition) -> None:
        """Note that a state has been printed."""
        self._write(Printed(transition.job_id, transition.seq))

    def progressed(self, job_id: str, progress: float) -> None:
        """Note how far a job is, after that has been printed."""
        self._write(Progressed(job_id, progress))

    def ended(self, record: OutcomeRecord) -> None:
        """Note how the wait for a job ended, before that is printed, if it is the job's own end."""
        if record.outcome in _OWN_ENDS:
            self._write(Ended(record.job_id, msgspec.Raw(msgspec.json.encode(record))))

    def close(self) -> None:
        """Let others use the file."""
        self._lock.release()

    def _write(self, record: _Record) -> None:
        if self._is_broken:
            return
        try:
            self._append(record)
        except OSError as error:
            # The wait goes on: that its lines may come again is no reason to give it up.
            self._is_broken = True
            note(f"{self._name} cannot be written: {error.strerror}; lines from here on come again when it is resumed")

    def _append(self, record: _Record | Head) -> None:
        # A server may have sent the token back.
        line = without_secrets(msgspec.json.encode(record).decode()).encode() + b"\n"
        handle, at = self._lock.handle, 0
        os.lseek(handle, self._length, os.SEEK_SET)
        try:
            while at < len(line):
                at += os.write(handle, line[at:])
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(handle, self._length)  # or the next record would begin in the middle of this one's line
            raise
        self._length += len(line)


def _regular(path: Path) -> Path:
    if not stat.S_ISREG(path.stat().st_mode):  # opening it might wait for somebody, or mean something else
        raise OSError(errno.EINVAL, "it is not a regular file")
    return path


def _all_of(handle: int) -> bytes:
    os.lseek(handle, 0, os.SEEK_SET)
    parts: list[bytes] = []
    while part := os.read(handle, _AT_ONCE):
        parts.append(part)
    return b"".join(parts)
