"""tenacity's retry of the bare loop's look, until the job has ended."""

# mypy: ignore-errors
# What it needs is not installed where the types are checked.
from __future__ import annotations

import asyncio
import contextlib

import aiohttp
import msgspec
from tenacity import AsyncRetrying, RetryError, retry_if_result, stop_after_attempt, wait_none

from . import JOB, JOB_DONE, TOKEN, bare

NEEDS = ("aiohttp", "msgspec", "tenacity")
RUNNING, ENDED = JOB, JOB_DONE


async def looks(url: str, jobs: int, each: int) -> None:
    """Look at each job so many times."""
    decoder = msgspec.json.Decoder(bare.Envelope)
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as session:

        async def look(target: str) -> bare.Job:
            async with session.get(target) as response:
                response.raise_for_status()
                return decoder.decode(await response.read()).data

        async def watch(number: int) -> None:
            retrying = AsyncRetrying(
                retry=retry_if_result(lambda job: job.status != "COMPLETED"),
                stop=stop_after_attempt(each),
                wait=wait_none(),
            )
            with contextlib.suppress(RetryError):
                await retrying(look, f"{url}/v1/jobs/job_{number}")

        await asyncio.gather(*(watch(number) for number in range(jobs)))
