"""NATS servers to be killed: one, or a cluster of three, each of whose servers is a process of its own."""

from __future__ import annotations

import asyncio
import random
import socket
from contextlib import suppress
from pathlib import Path
from typing import Protocol, Self

from jobwatch import JobwatchError
from jobwatch.nats import EmbeddedServer, ServerOptions
from jobwatch.nats._connection import connect
from jobwatch.nats._server import server_program

SERVERS = 3
STREAM = "jobwatch-0"
LONGEST_START = 60.0
DOWN = (0.1, 2.0)  # for how long a server of a cluster is away, in seconds
_CONFIGURATION = """
server_name: n{number}
listen: "127.0.0.1:{port}"
jetstream {{ store_dir: "{folder}" }}
cluster {{ name: kills, listen: "127.0.0.1:{route}", routes: [{routes}] }}
"""


class Servers(Protocol):
    """Where a worker connects to, and what is killed there."""

    @property
    def options(self) -> ServerOptions:
        """Where they are, and what is to be there."""
        ...

    async def crash(self, rng: random.Random) -> str:
        """Kill one with SIGKILL and start it again on the data that are there; return what it was."""
        ...

    async def at_work(self) -> None:
        """Wait until what was started again is at work."""
        ...


class OneServer:
    """A single server.

    Args:
        folder: Where it keeps its data.
    """

    def __init__(self, folder: Path) -> None:
        self._server = EmbeddedServer(folder)

    @property
    def options(self) -> ServerOptions:
        """Where it is."""
        return ServerOptions(url=self._server.url)

    async def __aenter__(self) -> Self:
        """Start it."""
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop it."""
        await self._server.stop()

    async def crash(self, rng: random.Random) -> str:
        """See `Servers`."""
        await self._server.kill()
        await self._server.start()
        return "server"

    async def at_work(self) -> None:
        """See `Servers`; it was ready when it had been started."""


class Cluster:
    """Three servers, and a stream that is on each of them.

    Args:
        folder: Where they keep their data.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        with suppress(FileExistsError):
            folder.mkdir()
        self._ports, self._routes = _free_ports(SERVERS), _free_ports(SERVERS)

    @property
    def options(self) -> ServerOptions:
        """Where they are, and that a stream is on all of them."""
        return ServerOptions(url=",".join(f"nats://127.0.0.1:{port}" for port in self._ports), replicas=SERVERS)

    async def __aenter__(self) -> Self:
        """Start all, and wait until they have agreed on who leads."""
        try:
            for number in range(SERVERS):
                await self._start(number)
            async with asyncio.timeout(LONGEST_START):
                await self._agreed()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Kill all."""
        for number in list(self._processes):
            await self._kill(number)

    async def crash(self, rng: random.Random) -> str:
        """Kill the server that leads the stream, once there is one; see `Servers`."""
        number = await self._leader()
        await self._kill(number)
        await asyncio.sleep(rng.uniform(*DOWN))
        await self._start(number)
        return "leader"

    async def at_work(self) -> None:
        """See `Servers`; the servers have to agree on a leader first."""
        await self._leader()

    async def _start(self, number: int) -> None:
        file = self._folder / f"n{number}.conf"
        routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in self._routes)
        text = _CONFIGURATION.format(
            number=number,
            port=self._ports[number],
            folder=self._folder / f"n{number}",
            route=self._routes[number],
            routes=routes,
        )
        file.write_text(text)
        self._processes[number] = await asyncio.create_subprocess_exec(
            *(server_program(), "-c", str(file), "-l", str(self._folder / f"n{number}.log"))
        )

    async def _kill(self, number: int) -> None:
        process = self._processes.pop(number)
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()

    async def _agreed(self) -> None:
        from nats.errors import Error

        while True:
            try:
                async with await connect(self.options, "kills") as connection:
                    await connection.js.account_info()
                    return
            except (Error, JobwatchError, TimeoutError):  # whatever a server says that has just begun
                await asyncio.sleep(0.1)

    async def _leader(self) -> int:
        """Return which server leads the stream, once there is one that does and the workers' consumer has a leader."""
        from nats.errors import Error

        async with asyncio.timeout(LONGEST_START):
            while True:
                try:
                    async with await connect(self.options, "kills", within=2.0) as connection:
                        stream = await connection.js.stream_info(STREAM)
                        consumers = await connection.js.consumers_info(STREAM)
                except (Error, JobwatchError, TimeoutError):  # as above
                    await asyncio.sleep(0.1)
                    continue
                leaders = [each.leader if each else None for each in (stream.cluster, *(c.cluster for c in consumers))]
                if leaders[0] and all(leaders):
                    return int(leaders[0][1:])
                await asyncio.sleep(0.1)


def _free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [int(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports
