"""replicate's client: a prediction that is reloaded until it has ended."""

# mypy: ignore-errors
# What it needs is not installed where the types are checked.
from __future__ import annotations

import asyncio

from replicate.client import Client

NEEDS = ("replicate",)
RUNNING = (
    '{"id":"@","model":"a/b","version":"v","status":"processing","input":{},"output":null,"logs":"~","error":null,'
    '"metrics":null,"created_at":"2026-01-02T03:04:05Z","started_at":null,"completed_at":null,"urls":{}}'
)
ENDED = RUNNING.replace("processing", "succeeded")


async def looks(url: str, jobs: int, each: int) -> None:
    """Look at each job so many times."""
    client = Client(api_token="r8_x", base_url=url)

    async def watch(number: int) -> None:
        prediction = await client.predictions.async_get(f"job_{number}")
        for _ in range(each - 1):
            await prediction.async_reload()

    await asyncio.gather(*(watch(number) for number in range(jobs)))
