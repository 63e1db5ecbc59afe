"""Tests on a clock that jumps: an hour of watching takes as long as its work does.

Every test run by `on_virtual_clock` is also checked for what it leaves behind, for a loop that spins without its
clock advancing, and for waiting for something that will never happen.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec

_P = ParamSpec("_P")

_MOST_STEPS_WITHOUT_TIME = 200_000


class _Selector(selectors.DefaultSelector):
    """Does not wait, but moves the clock."""

    now = 0.0
    steps = 0
    steps_without_time = 0

    def select(self, timeout: float | None = None) -> list[Any]:
        self.steps += 1
        self.steps_without_time += 1
        if self.steps_without_time > _MOST_STEPS_WITHOUT_TIME:
            raise AssertionError(f"the loop spins at {self.now} s")
        if timeout is None:
            raise AssertionError("the test waits for what will never happen")
        if timeout > 0.0:
            self.now += timeout
            self.steps_without_time = 0
        return super().select(0)


class Loop(asyncio.SelectorEventLoop):
    """An event loop with a clock of its own, which stands still while something runs."""

    def __init__(self) -> None:
        self._jumps = _Selector()
        super().__init__(self._jumps)

    def time(self) -> float:
        return self._jumps.now

    def jump(self, seconds: float) -> None:
        """Let time pass at once, as if the machine had been suspended."""
        self._jumps.now += seconds

    @property
    def steps(self) -> int:
        """How many times the loop has gone round."""
        return self._jumps.steps

    def timers(self) -> list[asyncio.TimerHandle]:
        """Return the timers that are still to ring."""
        return [handle for handle in self._scheduled if not handle.cancelled()]  # type: ignore[attr-defined]


_A_MOMENT = 0.002


class IdleClock:
    """A clock for a running loop with real sockets: it stands still while there is anything to do, and jumps when not.

    So a time limit of 20 ms ends the look at a server that says nothing, and no other, however busy the machine is.
    What one socket sends, another on loopback has at once; nothing may be under way in another thread or process.
    """

    def __init__(self, selector: selectors.BaseSelector, now: float) -> None:
        self._wait = selector.select
        self._now = now

    def time(self) -> float:
        return self._now

    def select(self, timeout: float | None = None) -> list[Any]:
        """Take the place of the selector's method of this name."""
        ready = self._wait(0)
        if not ready and timeout is None:
            return self._wait()
        if not ready and timeout is not None and timeout > 0.0:
            # A moment in fact, for what the kernel might hand on later than at once.
            ready = self._wait(min(timeout, _A_MOMENT))
            self._now += 0.0 if ready else timeout
        return ready


def running_loop() -> Loop:
    """Return the virtual loop that a test runs in."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, Loop)
    return loop


def idle_tasks() -> set[str]:
    """Return the names of all tasks but the present one."""
    return {task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()}


def on_virtual_clock(test: Callable[_P, Coroutine[Any, Any, None]]) -> Callable[_P, None]:
    """Run a test function in a loop of its own on a virtual clock; it must leave no task and no timer."""

    @functools.wraps(test)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> None:
        async def checked() -> None:
            await test(*args, **kwargs)
            await asyncio.sleep(0)
            assert idle_tasks() == set()
            assert running_loop().timers() == []

        errors: list[dict[str, Any]] = []
        # Not by asyncio.Runner, which would make this the thread's loop and so get in the way of pytest-asyncio.
        loop = Loop()
        loop.set_exception_handler(lambda _loop, context: errors.append(context))
        try:
            loop.run_until_complete(checked())
        finally:
            for task in asyncio.all_tasks(loop):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    loop.run_until_complete(task)
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()
        assert errors == []

    return run
