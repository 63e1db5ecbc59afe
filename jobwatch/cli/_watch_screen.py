"""A terminal as ``jobwatch watch`` uses it: its other screen, keys as they are pressed, and all put back at the end.

Put back means: also when the process is stopped (Ctrl-Z), continued, or ended by a signal. On the other screen, as
editors and pagers use it, lines are drawn at their places, and only those that have changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Callable, Sequence
from types import FrameType, TracebackType
from typing import Self

from rich.console import Console
from rich.control import Control
from rich.segment import ControlType

from ._frame import Line
from ._overwrite import Changes, from_the_top
from ._resize import Size
from ._signals import before_ending_at_once
from ._watch_keys import Decoder, Pressed

_ESCAPE_WITHIN = 0.1
"""How many seconds Escape is waited for to become another key; over slow lines keys come in parts."""

_MOST_READ = 1024
_ENDING = (signal.SIGHUP, signal.SIGQUIT)
"""The signals that end the process as it is; SIGINT and SIGTERM end it in order."""


class Terminal:
    """The terminal, as a context manager.

    Args:
        console: What is drawn on.
        keys: Called with each key.
        redraw: Called when all is to be drawn anew.

    Attributes:
        has_keys: Whether there is a terminal that keys come from.
    """

    def __init__(self, console: Console, keys: Callable[[Pressed], None], redraw: Callable[[], None]) -> None:
        self._console = console
        self._on_key = keys
        self._redraw = redraw
        self._input, self._is_ours = _input()
        self._usual = None if self._input is None else termios.tcgetattr(self._input)
        self._decoder = Decoder()
        self._changes = Changes(console)
        self._lines: list[Line] = []
        self._drawn_on: Size | None = None
        self._is_open = False
        self._escape: asyncio.TimerHandle | None = None
        self._before = {number: signal.getsignal(number) for number in _ENDING}

    @property
    def has_keys(self) -> bool:
        return self._input is not None

    @property
    def size(self) -> Size:
        """How large it is now."""
        width, height = self._console.size
        return Size(max(1, width), max(1, height))

    def __enter__(self) -> Self:
        """Show the other screen, and take keys as they are pressed."""
        loop = asyncio.get_running_loop()
        self._open()
        before_ending_at_once(self.close)
        if self._input is not None:
            loop.add_reader(self._input, self._read)
        if signal.getsignal(signal.SIGTSTP) is not signal.SIG_IGN:  # as a shell has it that could not have us go on
            loop.add_signal_handler(signal.SIGTSTP, self._stop)
        loop.add_signal_handler(signal.SIGCONT, self._go_on)
        for number, before in self._before.items():
            if before is not signal.SIG_IGN:  # as `nohup` has SIGHUP
                signal.signal(number, self._end)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Put all back."""
        loop = asyncio.get_running_loop()
        if self._escape is not None:
            self._escape.cancel()
        if self._input is not None:
            loop.remove_reader(self._input)
        for number in (signal.SIGTSTP, signal.SIGCONT):
            loop.remove_signal_handler(number)
        for number, before in self._before.items():
            signal.signal(number, before)
        self.close()
        before_ending_at_once(None)
        if self._input is not None and self._is_ours:
            os.close(self._input)

    def draw(self, lines: Sequence[Line]) -> None:
        """Draw lines from the top on, those that have changed; nothing while the terminal takes nothing (Ctrl-S)."""
        size = self.size
        is_new = size != self._drawn_on
        changed = list(self._changes.between([] if is_new else self._lines, lines))
        if not self._is_open or not (changed or is_new) or not self._takes_more():
            return
        self._lines, self._drawn_on = list(lines), size
        text = from_the_top(changed)
        self._console.file.write(f"\x1b[H\x1b[2J{text}" if is_new else text)
        self._console.file.flush()

    def forget(self) -> None:
        """Have all lines drawn anew, whatever they were."""
        self._drawn_on = None

    def close(self) -> None:
        """Show the usual screen, and give keys back; nothing happens the second time."""
        if not self._is_open:
            return
        self._is_open = False
        # Bytes, and no buffer in between: this is called from within signal handlers, too.
        with contextlib.suppress(OSError, ValueError):
            if self._takes_more():
                os.write(sys.stdout.fileno(), b"\x1b[0m\x1b[H\x1b[2J\x1b[?25h\x1b[?1049l")
        if self._input is not None and self._usual is not None:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self._input, termios.TCSANOW, self._usual)

    # --- what happens to it --------------------------------------------------------------------------------------

    def _open(self) -> None:
        self._is_open = True
        if self._input is not None:
            with contextlib.suppress(termios.error):
                tty.setcbreak(self._input, termios.TCSANOW)  # Ctrl-C and Ctrl-Z stay signals
        self._console.control(
            Control(ControlType.ENABLE_ALT_SCREEN, ControlType.HOME), Control(ControlType.HIDE_CURSOR)
        )
        self.forget()

    def _takes_more(self) -> bool:
        return bool(select.select([], [sys.stdout], [], 0.0)[1])

    def _read(self) -> None:
        data = b""
        with contextlib.suppress(OSError):
            data = b"" if self._input is None else os.read(self._input, _MOST_READ)
        if self._escape is not None:
            self._escape.cancel()
            self._escape = None
        loop = asyncio.get_running_loop()
        if not data:  # the terminal has gone, and SIGHUP is on its way
            if self._input is not None:
                loop.remove_reader(self._input)
            return
        for key in self._decoder.fed(data):
            self._on_key(key)
        if self._decoder.is_waiting:
            self._escape = loop.call_later(_ESCAPE_WITHIN, self._flush)

    def _flush(self) -> None:
        for key in self._decoder.flushed():
            self._on_key(key)

    def _stop(self) -> None:
        """Put all back, and stop as Ctrl-Z asks; it goes on in `_go_on`."""
        loop = asyncio.get_running_loop()
        self.close()
        loop.remove_signal_handler(signal.SIGTSTP)
        signal.raise_signal(signal.SIGTSTP)
        loop.add_signal_handler(signal.SIGTSTP, self._stop)
        self._go_on()

    def _go_on(self) -> None:
        """Take the terminal again: who had it meanwhile may have left it in any state."""
        self._open()
        self._redraw()

    def _end(self, number: int, _frame: FrameType | None) -> None:
        self.close()
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)


def _input() -> tuple[int | None, bool]:
    """Return where keys come from, if there is a terminal, and whether this has opened it."""
    if sys.stdin is not None:
        with contextlib.suppress(OSError, ValueError):
            if os.isatty(sys.stdin.fileno()):
                return sys.stdin.fileno(), False
    try:
        return os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY), True
    except OSError:
        return None, False
