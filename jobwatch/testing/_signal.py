"""An event that happens once, set in any thread and waited for in any thread or event loop."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Signal:
    """Like `asyncio.Event`, except that it belongs to no loop and is never cleared."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_set = False
        self._waiting: list[Callable[[], object]] = []

    def set(self) -> None:
        """Let all go on who wait."""
        with self._lock:
            self._is_set = True
            waiting, self._waiting = self._waiting, []
        for go_on in waiting:
            go_on()

    async def wait(self) -> None:
        """Wait until it is set."""
        loop = asyncio.get_running_loop()
        future = loop.create_future()

        def go_on() -> None:
            if asyncio._get_running_loop() is loop:  # noqa: SLF001 - get_running_loop raises where none runs
                _finish(future)
            elif not loop.is_closed():
                loop.call_soon_threadsafe(_finish, future)

        if self._join(go_on):
            try:
                await future
            finally:
                self._leave(go_on)

    def wait_in_thread(self, seconds: float | None) -> bool:
        """Wait until it is set, at most for so many seconds, and return whether it is; blocks this thread."""
        event = threading.Event()
        if not self._join(event.set):
            return True
        try:
            return event.wait(seconds)
        finally:
            self._leave(event.set)

    def _join(self, go_on: Callable[[], object]) -> bool:
        with self._lock:
            if not self._is_set:
                self._waiting.append(go_on)
            return not self._is_set

    def _leave(self, go_on: Callable[[], object]) -> None:
        with self._lock:
            if go_on in self._waiting:
                self._waiting.remove(go_on)


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
