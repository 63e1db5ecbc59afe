"""An event loop whose time passes only when there is nothing to do, and which touches nothing outside the process."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")

START = 1000.0
"""What the clock shows at first: not 0, so that a time taken for a duration shows."""


class Deadlock(Exception):
    """Nothing is ready and no timer is set: whoever still waits would wait for ever."""


class Outside(Exception):
    """Something asked for a thread, a socket or a name, of which this world has none."""


class _Clockwork(selectors.BaseSelector):
    """Waits for nothing but the next timer, and not really for that."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Deadlock
        if timeout > 0.0:
            self.loop.now = max(self.loop.now, self.loop.next_timer())
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> NoReturn:
        raise Outside("a socket")

    def unregister(self, fileobj: Any) -> NoReturn:
        raise Outside("a socket")

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return {}


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop on virtual time, which counts its steps and keeps what went wrong unseen."""

    def __init__(self) -> None:
        clockwork = _Clockwork()
        clockwork.loop = self
        self.now = START
        self.steps = 0
        self.on_step: Callable[[int], None] | None = None
        self.troubles: list[str] = []
        self.left: list[str] = []
        super().__init__(clockwork)
        self.set_exception_handler(self._keep)

    def time(self) -> float:
        return self.now

    def next_timer(self) -> float:
        when: float = self._scheduled[0].when()  # type: ignore[attr-defined]  # the heap of timers
        return when

    def timers(self) -> list[asyncio.TimerHandle]:
        """Return the timers that are still to ring."""
        return [timer for timer in self._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> NoReturn:  # type: ignore[override]
        raise Outside("a thread")

    async def getaddrinfo(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise Outside("a name")

    def _run_once(self) -> None:
        self.steps += 1
        if self.on_step is not None:
            self.on_step(self.steps)
        super()._run_once()  # type: ignore[misc]

    def _make_self_pipe(self) -> None:
        self._ssock = self._csock = None

    def _close_self_pipe(self) -> None:
        pass

    def _write_to_self(self) -> None:
        pass

    def _keep(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self.troubles.append(f"{context.get('message')}: {error!r}" if error else str(context.get("message")))


def run(main: Callable[[VirtualLoop], Coroutine[Any, Any, T]]) -> tuple[T, VirtualLoop]:
    """Run a coroutine function on a loop of its own; it comes back closed, with what was unseen and the timers left."""
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    try:
        done = loop.run_until_complete(main(loop))
        loop.left = [repr(timer) for timer in loop.timers()]
        return done, loop
    finally:
        asyncio.set_event_loop(None)
        loop.close()
