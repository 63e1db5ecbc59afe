"""The clocks and limits of other tests: what a slow machine makes of them."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from tests.conftest import at_most
from tests.virtual import on_virtual_clock, running_loop


@on_virtual_clock
async def test_a_limit_ends_what_hangs_and_nothing_on_a_machine_that_stands_still() -> None:
    async with at_most(1):
        running_loop().jump(3600.0)
        await asyncio.sleep(0.9)
    began = running_loop().time()
    with pytest.raises(TimeoutError):
        async with at_most(1):
            await asyncio.Event().wait()
    assert running_loop().time() - began == pytest.approx(1.0)


@pytest.mark.usefixtures("idle_clock")
async def test_an_idle_clock_goes_on_only_while_there_is_nothing_to_do() -> None:
    loop = asyncio.get_running_loop()
    here, there = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=here)
    began = loop.time()
    until = time.monotonic() + 0.02
    while time.monotonic() < until:
        pass
    there.send(b"x")
    async with asyncio.timeout(0.001):
        assert await reader.read(1) == b"x"
    assert loop.time() == began
    await asyncio.sleep(3600)
    assert loop.time() - began == pytest.approx(3600)
    writer.close()
    there.close()
