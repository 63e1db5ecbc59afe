"""jobwatch's `Client.look`, one look at a time, as an engine that sleeps by itself would call it."""

from __future__ import annotations

import asyncio

from jobwatch import Client

from . import JOB, JOB_DONE, TOKEN

NEEDS = ("aiohttp",)
RUNNING, ENDED = JOB, JOB_DONE


async def looks(url: str, jobs: int, each: int) -> None:
    """Look at each job so many times."""
    async with Client("bedrock", token=TOKEN, base_url=f"{url}/v1", max_in_flight=jobs) as client:

        async def watch(number: int) -> None:
            watched = client.watched(f"job_{number}")
            for _ in range(each):
                watched = (await client.look(watched)).watched

        await asyncio.gather(*(watch(number) for number in range(jobs)))
