"""The only clock and the only random source of the engine; tests give it others."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Clock:
    """The time of the running loop, the same as Unix time, and random numbers.

    Args:
        uniform: Draws evenly from [0, 1); by default, as `random.random` does.
        epoch: Unix seconds at the loop's time 0; by default, as the system's clock says now. No later change of that
            clock moves it.

    Attributes:
        now: Returns the time of the loop's clock, in seconds.
        uniform: Returns a random number.
        epoch: Unix seconds at the loop's time 0.
    """

    def __init__(self, uniform: Callable[[], float] | None = None, epoch: float | None = None) -> None:
        self.now = time_on(asyncio.get_running_loop())
        self.uniform = uniform or _random()
        self.epoch = time.time() - self.now() if epoch is None else epoch
        self._slept_before = _slept()

    def unix(self) -> float:
        """Return Unix seconds on the loop's clock."""
        return self.epoch + self.now()

    def slept(self) -> float:
        """Return for how long the machine was suspended since this was made, in seconds, if the loop's clock stood."""
        return _slept() - self._slept_before


def time_on(loop: asyncio.AbstractEventLoop) -> Callable[[], float]:
    """Return what tells a loop's time: of asyncio's own loop what that calls itself, since each look asks often."""
    is_own = getattr(loop.time, "__func__", None) is asyncio.BaseEventLoop.time
    return time.monotonic if is_own else loop.time


def _slept() -> float:
    """Return how much more time has passed since the machine was started than `time.monotonic` tells."""
    # Linux leaves a suspension out of the one and macOS out of time.monotonic alone; Windows leaves it out of none.
    clock = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))
    return 0.0 if clock is None else time.clock_gettime(clock) - time.monotonic()


def _random() -> Callable[[], float]:
    from random import random  # noqa: PLC0415 - it takes long to import

    return random
