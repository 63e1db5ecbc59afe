"""Running a command's coroutine so that SIGINT and SIGTERM end it cleanly, and in time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import select
import signal
import sys
from collections.abc import Callable, Coroutine, Generator
from types import FrameType
from typing import Any

from ._exit_codes import code_of_signal
from ._output import note

_GRACE = 4.0
"""How long a command may take to end after a signal, in seconds, before the process is ended."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SHOW_CURSOR = b"\x1b[?25h"
_received: list[int] = []
_put_back: list[Callable[[], None]] = []


_TOLD = {"jobwatch.http": 1, "jobwatch.engine": 2}
"""From how many ``-v`` on all is shown of what a logger is told."""


def run(work: Coroutine[Any, Any, int], *, verbose: int = 0) -> int:
    """Run a command to its end and return its exit code.

    The first SIGINT or SIGTERM cancels it, so that it can print what it knows. The second ends the process at once,
    and so does a command that takes longer than 4 seconds to end. With `verbose` 1 each request is noted, with 2 also
    why the next look is made when it is.
    """
    with _logs_as_notes(verbose):
        return asyncio.run(_interruptible(work))


def before_ending_at_once(put_back: Callable[[], None] | None) -> None:
    """Have a function called before the process is ended at once, such as one that gives a terminal back.

    Args:
        put_back: The function, which is called within a signal's handler; None for none any more.
    """
    _put_back[:] = [] if put_back is None else [put_back]


def code_when_stopped() -> int:
    """Return the exit code of a command that is being cancelled: that of the signal that it got."""
    return code_of_signal(_received[0] if _received else signal.SIGINT)


async def _interruptible(work: Coroutine[Any, Any, int]) -> int:
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)
    received = _received
    received.clear()

    def stop(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        for each in _SIGNALS:
            signal.signal(each, _end_at_once)
        _end_after(_GRACE, number)
        loop.call_soon_threadsafe(task.cancel)

    # Not the loop's own handlers: they run when the loop does, which a reader that does not read can hold up.
    before = {each: signal.getsignal(each) for each in _SIGNALS}
    # Outside the main thread KeyboardInterrupt has to do.
    with contextlib.suppress(ValueError):
        for each in _SIGNALS:
            signal.signal(each, stop)
    try:
        return await task
    except asyncio.CancelledError:
        if received:
            return code_of_signal(received[0])
        this_task = asyncio.current_task()
        if this_task is not None and this_task.cancelling():
            raise
        raise RuntimeError("the command was cancelled, and by no signal") from None
    finally:
        if received:
            _end_after(0.0, received[0])
        with contextlib.suppress(ValueError):
            for each, handler in before.items():
                signal.signal(each, handler)


def _end_after(seconds: float, number: int) -> None:
    """End the process after so many seconds, unless that is called off by 0, as the signal of this number would."""
    if sys.platform != "win32":
        with contextlib.suppress(ValueError):  # outside the main thread
            signal.signal(signal.SIGALRM, lambda _alarm, frame: _end_at_once(number, frame))
            signal.setitimer(signal.ITIMER_REAL, seconds)


def _end_at_once(number: int, _frame: FrameType | None) -> None:
    for put_back in _put_back:
        put_back()
    with contextlib.suppress(OSError, ValueError):
        # A terminal that is stopped (Ctrl-S) takes nothing, and must not keep us from ending.
        if sys.stdout is not None and sys.stdout.isatty() and select.select([], [sys.stdout], [], 0.0)[1]:
            os.write(sys.stdout.fileno(), _SHOW_CURSOR)
    os._exit(code_of_signal(number))


class _Notes(logging.Handler):
    """Writes log records as every other line is written: whole, escaped, and without secrets."""

    def emit(self, record: logging.LogRecord) -> None:
        for line in self.format(record).splitlines():
            note(line)


@contextlib.contextmanager
def _logs_as_notes(verbose: int) -> Generator[None]:
    """Write what is logged as notes: warnings and errors, which Python would write to stderr as they are, and more."""
    notes, root = _Notes(logging.WARNING), logging.getLogger()
    all_notes = _Notes(logging.DEBUG)
    all_notes.addFilter(lambda record: record.levelno < logging.WARNING)  # the others come by the root
    loggers = [logging.getLogger(name) for name, least in _TOLD.items() if least <= verbose]
    root.addHandler(notes)
    for each in loggers:
        each.addHandler(all_notes)
        each.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.removeHandler(notes)
        for each in loggers:
            each.removeHandler(all_notes)
            each.setLevel(logging.NOTSET)
