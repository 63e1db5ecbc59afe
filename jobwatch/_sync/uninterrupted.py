"""Ctrl-C held back while something is made that must not be left half made: an import, or a thread.

What interrupts an import may leave the interpreter's import lock taken, so that other threads wait for it for ever, or
a type of msgspec half made, which ends the process (both seen with CPython 3.11 and msgspec 0.23).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable
    from types import FrameType, TracebackType
else:
    try:  # what is there from the start: to import `signal` takes milliseconds, and would be interrupted itself
        import _signal as signal
    except ImportError:
        import signal


class Uninterrupted:
    """A moment in which SIGINT is noted, and after which it is handled as it would have been.

    Only the main thread is interrupted by signals, so within another nothing is done.
    """

    def __init__(self) -> None:
        self._handler: Callable[[int, FrameType | None], object] | None = None
        self._held: tuple[int, FrameType | None] | None = None

    def __enter__(self) -> None:
        handler = signal.getsignal(signal.SIGINT)
        if not callable(handler):  # it is ignored, or ends the process
            return
        try:
            signal.signal(signal.SIGINT, self._hold)
        except ValueError:
            return
        self._handler = handler

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._handler is None:
            return
        signal.signal(signal.SIGINT, self._handler)
        if self._held is not None:
            self._handler(*self._held)

    def _hold(self, number: int, frame: FrameType | None) -> None:
        self._held = number, frame
