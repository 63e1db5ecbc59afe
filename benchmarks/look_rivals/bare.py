"""The measure of all: aiohttp's documented loop, with msgspec for the body."""

from __future__ import annotations

import asyncio
from datetime import datetime

import aiohttp
import msgspec

from . import JOB, JOB_DONE, TOKEN

NEEDS = ("aiohttp", "msgspec")
RUNNING, ENDED = JOB, JOB_DONE


class Event(msgspec.Struct):
    """An entry of the job's history."""

    status: str
    timestamp: datetime


class Job(msgspec.Struct):
    """The job."""

    id: str
    status: str
    type: str
    created_at: datetime
    updated_at: datetime
    events: list[Event]


class Envelope(msgspec.Struct):
    """What the API sends."""

    data: Job


async def looks(url: str, jobs: int, each: int) -> None:
    """Look at each job so many times."""
    decoder = msgspec.json.Decoder(Envelope)
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as session:

        async def watch(number: int) -> None:
            target = f"{url}/v1/jobs/job_{number}"
            for _ in range(each):
                async with session.get(target) as response:
                    response.raise_for_status()
                    job = decoder.decode(await response.read()).data
                if job.status == "COMPLETED":
                    break

        await asyncio.gather(*(watch(number) for number in range(jobs)))
