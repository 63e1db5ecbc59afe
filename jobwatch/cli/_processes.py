"""Commands of the user's that are run without a shell: how their words are read, what they write, and their end."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
from typing import TYPE_CHECKING, Final

from .._errors import ConfigError
from ._output import without_secrets

if TYPE_CHECKING:
    from asyncio import StreamReader
    from asyncio.subprocess import Process

_LARGEST: Final = 64 * 1024


def words_of(text: str, option: str, what: str) -> list[str]:
    """Return a command and its arguments, which are quoted as for a shell.

    Args:
        text: The command.
        option: The option that gives it.
        what: What to write there, for the error.

    Raises:
        ConfigError: That is no command.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ConfigError(f"{option} cannot be read: {str(error).lower()}") from None
    if not words:
        raise ConfigError(f"{option} is empty: write {what}")
    return words


async def beginning(stream: StreamReader | None) -> bytes:
    """Return the beginning of what is written, and read the rest away, so that nobody waits for us."""
    kept = b""
    while stream is not None and (piece := await stream.read(_LARGEST)):
        kept = (kept + piece)[:_LARGEST]
    return kept


async def end(process: Process) -> None:
    """End a command that still runs, and what it has started in the session that is its own."""
    if process.returncode is None:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def how_it_ended(code: int) -> str:
    """Return how a command that failed has ended: ``exit code 3``."""
    return f"exit code {code}" if code > 0 else f"ended by signal {-code}"


def last_words(told: bytes, most: int) -> str:
    """Return the end of what a command wrote, on one line and without the secrets that are known.

    Args:
        told: What it wrote.
        most: How many characters are shown at most: the last, since that is where the reason stands.
    """
    text = without_secrets(" ".join(told.decode("utf-8", "replace").split()))
    return text if len(text) <= most else f"...{text[-most:]}"
