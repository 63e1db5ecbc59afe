"""Writing lines that others read: each at once, and nobody's going away is our crash."""

from __future__ import annotations

import contextlib
import io
import os
import sys


def say(line: str) -> None:
    """Write one line to stdout, at once."""
    print(line, flush=True)


def note(line: str) -> None:
    """Write one line to stderr, under our name; whether anybody reads it does not matter."""
    with contextlib.suppress(OSError, ValueError):
        print(f"jobwatch: {line}", file=sys.stderr, flush=True)


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
