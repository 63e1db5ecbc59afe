"""How much a NATS server takes for watches that wait: ``python -m benchmarks.engine --hold 300000``."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from jobwatch.nats import EmbeddedServer, ServerOptions
from jobwatch.nats._connection import connect

from .engine_parts import Part, memory_of, size_of
from .engine_streams import first_look, opened, seed
from .rows import Row, compared

if TYPE_CHECKING:
    from jobwatch.nats._stream import Streams

GOAL = 2_048.0
"""How many bytes of the server's memory a watch may take."""

_DUE_AFTER = 3_600.0
_CALM = 5.0


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """What was found out.

    Attributes:
        watches: How many there are.
        publish_seconds: How long it took to publish them.
        memory_a_watch: The server's resident memory when they had been published, less that of an empty one, in bytes.
        disk_a_watch: What its files take on the disk, in bytes.
        restart_seconds: From when it was started after a SIGKILL until it told how many messages there are.
        lost: How many there were fewer.
        memory_a_watch_after_restart: As above, after that.
    """

    watches: int
    publish_seconds: float
    memory_a_watch: float
    disk_a_watch: float
    restart_seconds: float
    lost: int
    memory_a_watch_after_restart: float


async def hold(watches: int, shards: int, folder: Path) -> Holding:
    """Publish watches that are due in an hour, kill the server, and start it again."""
    async with AsyncExitStack() as stack:
        part = await stack.enter_async_context(Part("engine_api", 0))
        api = f"http://127.0.0.1:{int(await part.line())}"
        known = await first_look(api)
        server = await stack.enter_async_context(EmbeddedServer(folder))
        connection = await stack.enter_async_context(
            await connect(ServerOptions(url=server.url, shards=shards), "benchmark")
        )
        streams = await opened(connection, api)
        empty = _memory(server)
        took = await seed(streams, known, watches, time.time() + _DUE_AFTER, _DUE_AFTER)
        await asyncio.sleep(_CALM)
        memory, disk = _memory(server), size_of(folder)
        await server.kill()
        began = time.monotonic()
        await server.start()
        left = await _count(streams)
        restarted = time.monotonic() - began
        await asyncio.sleep(_CALM)
        return Holding(
            watches=watches,
            publish_seconds=took,
            memory_a_watch=(memory - empty) / watches,
            disk_a_watch=disk / watches,
            restart_seconds=restarted,
            lost=watches - left,
            memory_a_watch_after_restart=(_memory(server) - empty) / watches,
        )


def rows_of(found: Holding) -> list[Row]:
    """Return what was found out beside the goal."""
    what = f"server's memory a watch, of {found.watches:,}, bytes"
    return [
        compared(what, found.memory_a_watch, GOAL, "the goal", 1.0),
        compared(f"{what}, restarted", found.memory_a_watch_after_restart, GOAL, "the goal", 1.0),
    ]


def _memory(server: EmbeddedServer) -> int:
    assert server.pid is not None
    return memory_of(server.pid)


async def _count(streams: Streams) -> int:
    count = 0
    for stream in streams.each:
        while True:
            try:
                info = await stream.connection.js.stream_info(stream.name)
            except Exception:  # noqa: BLE001 - whatever it says while it begins
                await asyncio.sleep(0.05)
            else:
                count += info.state.messages
                break
    return count
