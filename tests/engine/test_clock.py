"""Tests of the engine's clock: the time that it tells is the loop's."""

from __future__ import annotations

import asyncio
import time

from jobwatch._engine.clock import Clock
from tests.virtual import on_virtual_clock


def test_on_a_loop_of_asyncio_the_clock_is_what_that_loop_asks() -> None:
    async def on_it() -> None:
        loop = asyncio.get_running_loop()
        before = loop.time()
        assert before <= Clock().now() <= loop.time()
        assert Clock().now is time.monotonic, "without a call in between, since each look asks several times"

    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(on_it())


@on_virtual_clock
async def test_on_another_loop_the_clock_is_that_of_the_loop() -> None:
    clock, loop = Clock(), asyncio.get_running_loop()
    before = clock.now()
    await asyncio.sleep(100.0)
    assert clock.now() == loop.time() >= before + 100.0


def test_the_clock_of_a_loop_whose_time_was_replaced_is_what_replaced_it() -> None:
    async def on_it() -> None:
        loop = asyncio.get_running_loop()
        own = loop.time
        loop.time = lambda: own() + 1e6  # type: ignore[method-assign]
        try:
            assert Clock().now() >= own() + 1e6 - 1.0
        finally:
            del loop.time

    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(on_it())
