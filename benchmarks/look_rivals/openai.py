"""openai's own poll helper, for a file that is being put into a vector store."""

# mypy: ignore-errors
# What it needs is not installed where the types are checked.
from __future__ import annotations

import asyncio

from openai import AsyncOpenAI

NEEDS = ("openai",)
RUNNING = (
    '{"id":"@","object":"vector_store.file","created_at":1767323106,"status":"in_progress","usage_bytes":0,'
    '"vector_store_id":"vs_1","last_error":null}'
)
ENDED = RUNNING.replace("in_progress", "completed")


async def looks(url: str, jobs: int, each: int) -> None:  # noqa: ARG001  # the server ends the jobs after so many
    """Poll each job, which the server ends after so many looks."""
    async with AsyncOpenAI(api_key="k", base_url=f"{url}/v1", max_retries=0) as client:

        async def watch(number: int) -> None:
            # 1 ms is the shortest that it takes for an interval: 0 it takes for "not given".
            await client.vector_stores.files.poll(f"job_{number}", vector_store_id="vs_1", poll_interval_ms=1)

        await asyncio.gather(*(watch(number) for number in range(jobs)))
