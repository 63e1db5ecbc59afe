"""A worker at work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from jobwatch.nats import Worker


@asynccontextmanager
async def at_work(worker: Worker) -> AsyncGenerator[Worker]:
    """Have a worker run, from when it is ready."""
    ready = asyncio.Event()
    task = asyncio.create_task(worker.run(ready))
    try:
        async with asyncio.timeout(10):
            await ready.wait()
        yield worker
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
