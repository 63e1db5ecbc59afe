"""Lines written to stdout and stderr, each at once; a reader that goes away does not crash us."""

from __future__ import annotations

import contextlib
import io
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TextIO

_SHORTEST_SECRET = 8  # shorter ones occur in other words by chance
_secrets: set[str] = set()


def mask(words: Iterable[str]) -> None:
    """Mask these words, such as a token, in every line written from now on, even if a server sends them back."""
    _secrets.update(word for word in words if len(word) >= _SHORTEST_SECRET)


def without_secrets(text: str) -> str:
    """Return the text with the secret words masked."""
    for secret in sorted(_secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def say(line: str) -> None:
    """Write one line to stdout."""
    _write(sys.stdout, without_secrets(line))


def note(line: str) -> None:
    """Write one line to stderr, after our name; it is no error if that fails."""
    echo(f"jobwatch: {line}")


def echo(line: str) -> None:
    """Write one line to stderr as it is; it is no error if that fails."""
    with contextlib.suppress(OSError, ValueError):
        _write(sys.stderr, without_secrets(line))


def _write(stream: TextIO | None, line: str) -> None:
    # In one piece, where print() would write the line's end by itself if the stream is unbuffered.
    if stream is not None:
        stream.write(line + "\n")
        stream.flush()


def is_unicode() -> bool:
    """Return whether stdout takes any character."""
    return sys.stdout is None or sys.stdout.encoding.casefold().replace("-", "") == "utf8"


def escape_what_cannot_be_encoded() -> None:
    """Write escapes to a terminal or log of another encoding, in place of raising an exception."""
    for stream in (sys.stdout, sys.stderr):
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
