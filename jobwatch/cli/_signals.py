"""Running a command's coroutine so that SIGINT and SIGTERM end it cleanly, and in time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Coroutine
from types import FrameType
from typing import Any

from ._exit_codes import code_of_signal

_GRACE = 4.0
"""How long a command may take to end after a signal, in seconds, before the process is ended."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SHOW_CURSOR = b"\x1b[?25h"


def run(work: Coroutine[Any, Any, int]) -> int:
    """Run a command to its end and return its exit code.

    The first SIGINT or SIGTERM cancels it, so that it can print what it knows. The second ends the process at once,
    and so does a command that takes longer than 4 seconds to end.
    """
    return asyncio.run(_interruptible(work))


async def _interruptible(work: Coroutine[Any, Any, int]) -> int:
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)
    received: list[int] = []

    def stop(number: int) -> None:
        received.append(number)
        _remove_handlers(loop)
        for each in _SIGNALS:
            signal.signal(each, _end_at_once)
        loop.call_later(_GRACE, _end_at_once, number, None)
        task.cancel()

    before = [signal.getsignal(each) for each in _SIGNALS]
    # On Windows, or outside the main thread, KeyboardInterrupt has to do.
    with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
        for each in _SIGNALS:
            loop.add_signal_handler(each, stop, each)
    try:
        return await task
    except asyncio.CancelledError:
        if not received:
            raise
        return code_of_signal(received[0])
    finally:
        _remove_handlers(loop)
        if received:
            for each, handler in zip(_SIGNALS, before, strict=True):
                signal.signal(each, handler)


def _remove_handlers(loop: asyncio.AbstractEventLoop) -> None:
    with contextlib.suppress(NotImplementedError):
        for each in _SIGNALS:
            loop.remove_signal_handler(each)


def _end_at_once(number: int, _frame: FrameType | None) -> None:
    if sys.stdout is not None and sys.stdout.isatty():
        os.write(sys.stdout.fileno(), _SHOW_CURSOR)
    os._exit(code_of_signal(number))
