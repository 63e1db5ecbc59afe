"""An asyncio loop that does not wait: where it would sleep, its clock jumps.

With a *frozen* clock, work takes no time, and what happens when depends on nothing but the program and its seeds. With
a *running* one, work takes the CPU time that it takes, and only idle time is left out: an hour of watching that needs
ten seconds of work is over in ten seconds, with the delays that it would have had on a machine of its own.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):
    """Does not wait, but tells how long it would have."""

    jumped = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("the loop has nothing left to wait for")
            self.jumped += max(0.0, timeout)
        return ready


class Loop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps over idle time.

    Args:
        frozen: Whether the clock stands still while something runs.
    """

    def __init__(self, *, frozen: bool) -> None:
        self._jumps = _Selector()
        self._began = None if frozen else time.process_time()
        super().__init__(self._jumps)

    def time(self) -> float:
        """Return the seconds since the loop was made, idle ones included."""
        return self._jumps.jumped + (0.0 if self._began is None else time.process_time() - self._began)


def run(main: Coroutine[Any, Any, T], *, frozen: bool = True) -> T:
    """Run a coroutine in a loop of its own, and cancel what it leaves behind."""
    with asyncio.Runner(loop_factory=lambda: Loop(frozen=frozen)) as runner:
        return runner.run(main)
