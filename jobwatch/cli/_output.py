"""Lines written to stdout and stderr: each at once, whole, without secrets, harmless to a terminal or a CI runner."""

from __future__ import annotations

import contextlib
import io
import os
import select
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from typing import TextIO

    from _typeshed import ReadableBuffer

_SHORTEST_SECRET = 8  # shorter ones occur in other words by chance
# What begins, opens or closes a group of a log of Buildkite's, at the beginning of a line only
# (https://buildkite.com/docs/pipelines/configure/managing-log-output, read on 2026-11-29).
_HEADINGS = ("--- ", "+++ ", "~~~ ", "^^^ ")
_LONGEST = 2000
"""How many characters of a reason a line holds, so that a log can be read; ``--json`` has all."""

_secrets: set[str] = set()
_more_secrets: list[Callable[[], Iterable[str]]] = []


def mask(words: Iterable[str]) -> None:
    """Mask these words, such as a token, in every line written from now on, even if a server sends them back."""
    _secrets.update(word for word in words if len(word) >= _SHORTEST_SECRET)


def mask_also(secrets: Callable[[], Iterable[str]]) -> None:
    """Mask what a function returns at the time, too: a token may be another one later. All that it returned is kept."""
    _more_secrets.append(secrets)


def without_secrets(text: str) -> str:
    """Return the text with the secret words masked, whatever their case."""
    for more in _more_secrets:
        mask(more())
    if not _secrets:
        return text
    from .._http.secrets import masked  # noqa: PLC0415 - where there is a secret there is a client, which imported it

    return masked(text, _secrets)


def brief(text: str) -> str:
    """Return a server's words as they stand within a line: masked, cut where they are very long, and then harmless.

    In this order: of a secret that was cut or escaped nobody would know the rest again.
    """
    from .._models.shortened import shortened  # noqa: PLC0415 - imported once there is something to say of a job
    from ._render import safe  # noqa: PLC0415 - the same

    return safe(shortened(without_secrets(text), _LONGEST))


def say(line: str) -> None:
    """Write one line to stdout."""
    _write(sys.stdout, line)


def say_own(text: str) -> None:
    """Write a text of our own to stdout as it is, such as a page of the documentation."""
    if sys.stdout is not None:
        sys.stdout.write(text)
        sys.stdout.flush()


def note(line: str) -> None:
    """Write one line to stderr, after our name; it is no error if that fails."""
    echo(f"jobwatch: {line}")


def echo(line: str) -> None:
    """Write one line to stderr as it is; it is no error if that fails."""
    with contextlib.suppress(OSError, ValueError):
        _write(sys.stderr, line)


def command(line: str, *, on_stdout: bool) -> None:
    """Write one line that a CI runner is to obey, as it is but for secrets; it is no error if that fails on stderr.

    This is the only way by which a line may begin with what a runner looks for. Whoever makes the line has made
    everything in it harmless that came from elsewhere; see `_annotations`.

    Args:
        line: The line.
        on_stdout: Whether stdout is the log; otherwise it goes to stderr.
    """
    if not line.isprintable():
        raise ValueError("a command is one line of printable characters")
    line = without_secrets(line)
    if on_stdout:
        _put(sys.stdout, line)
    else:
        with contextlib.suppress(OSError, ValueError):
            _put(sys.stderr, line)


def _write(stream: TextIO | None, line: str) -> None:
    _put(stream, _harmless(without_secrets(line)))


def _put(stream: TextIO | None, line: str) -> None:
    if stream is None:
        return
    # In one piece, where print() would write the line's end by itself if the stream is unbuffered.
    stream.write(line + "\n")
    stream.flush()


def _harmless(line: str) -> str:
    """Return a line that steers neither a terminal nor a CI runner, whatever its parts are and where they came from."""
    if not line.isascii() or not line.isprintable() or "##" in line:
        from ._render import safe  # noqa: PLC0415 - it imports msgspec, and --version needs none of it

        line = safe(line)  # most parts were made safe before, so that columns align; doing it twice changes nothing
    if line.lstrip().startswith("::"):  # a command of GitHub's runner, which ignores blanks before it
        line = line.replace("::", r":\x3a", 1)
    elif line.startswith(_HEADINGS):
        line = rf"\x{ord(line[0]):02x}{line[1:]}"
    return line


def is_unicode() -> bool:
    """Return whether stdout takes any character."""
    return sys.stdout is None or sys.stdout.encoding.casefold().replace("-", "") == "utf8"


# --- the streams --------------------------------------------------------------------------------------------------


class _PatientFile(io.FileIO):
    """A file that waits for its reader where the system would not.

    Programs that run on node give their children non-blocking pipes, and whoever shares our terminal may have made it
    one. Python's streams lose what such a file does not take at once.
    """

    def write(self, data: ReadableBuffer, /) -> int:
        """Write some of the data, at least one byte, and return how many."""
        while (written := super().write(data)) is None:
            select.select([], [self], [])
        return written


@contextlib.contextmanager
def patient_streams() -> Generator[None]:
    """Let stdout and stderr wait for a slow reader, and escape what they cannot encode, until the block is left."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _patient(sys.stdout), _patient(sys.stderr)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def _patient(stream: TextIO) -> TextIO:
    buffer: object = getattr(stream, "buffer", None)
    raw: object = getattr(buffer, "raw", buffer)  # if Python runs unbuffered, there is no buffer in between
    if type(raw) is not io.FileIO:  # there is no stream, or it is a test's or a console of Windows
        _escape_what_cannot_be_encoded(stream)
        return stream
    with contextlib.suppress(OSError):
        stream.flush()
    waiting = io.BufferedWriter(_PatientFile(raw.fileno(), "wb", closefd=False))
    return io.TextIOWrapper(waiting, stream.encoding, "backslashreplace", line_buffering=stream.isatty())


def _escape_what_cannot_be_encoded(stream: TextIO) -> None:
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")


def silence() -> None:
    """Drop what is still buffered for a stdout that cannot be written, or the interpreter would complain at exit."""
    if sys.stdout is None:
        return
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
