"""Writing lines that others read: each at once, and nobody's going away is our crash."""

from __future__ import annotations

import contextlib
import io
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

_SHORTEST_SECRET = 8  # what is shorter stands in other words by chance
_secrets: set[str] = set()


def keep_secret(word: str) -> None:
    """Leave a word, such as a token, out of all that is written from now on, even if a server sends it back."""
    if len(word.strip()) >= _SHORTEST_SECRET:
        from .._http.secrets import spellings  # noqa: PLC0415 - seldom wanted where nothing is asked of an API

        _secrets.update(each for each in spellings(word.strip()) if len(each) >= _SHORTEST_SECRET)


def without_secrets(text: str) -> str:
    """Return the text without the words to be kept secret."""
    if not _secrets:
        return text
    from .._http.secrets import masked  # noqa: PLC0415 - as above

    return masked(text, _secrets)


def say(line: str) -> None:
    """Write one line to stdout, at once."""
    _write(sys.stdout, without_secrets(line))


def note(line: str) -> None:
    """Write one line to stderr, under our name; whether anybody reads it does not matter."""
    echo(f"jobwatch: {line}")


def echo(line: str) -> None:
    """Write one line to stderr as it is; whether anybody reads it does not matter."""
    with contextlib.suppress(OSError, ValueError):
        _write(sys.stderr, without_secrets(line))


def _write(stream: TextIO | None, line: str) -> None:
    # In one piece, where print() would write the line's end by itself if the stream is unbuffered.
    if stream is not None:
        stream.write(line + "\n")
        stream.flush()


def is_unicode() -> bool:
    """Whether stdout takes any character."""
    return sys.stdout is None or sys.stdout.encoding.casefold().replace("-", "") == "utf8"


def escape_what_cannot_be_encoded() -> None:
    """Let a terminal or log of another encoding get escapes in place of an exception."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def silence() -> None:
    """Drop what is still buffered for a stdout that nobody reads, or the interpreter would complain at its end."""
    if sys.stdout is None:
        return
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
