"""httpx and pydantic, as most generated clients are made."""

# mypy: ignore-errors
# What it needs is not installed where the types are checked.
from __future__ import annotations

import asyncio
from datetime import datetime

import httpx
from pydantic import BaseModel

from . import JOB, JOB_DONE, TOKEN

NEEDS = ("httpx", "pydantic")
RUNNING, ENDED = JOB, JOB_DONE


class Event(BaseModel):
    """An entry of the job's history."""

    status: str
    timestamp: datetime


class Job(BaseModel):
    """The job."""

    id: str
    status: str
    type: str
    created_at: datetime
    updated_at: datetime
    events: list[Event]


class Envelope(BaseModel):
    """What the API sends."""

    data: Job


async def looks(url: str, jobs: int, each: int) -> None:
    """Look at each job so many times."""
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {TOKEN}"}) as client:

        async def watch(number: int) -> None:
            target = f"{url}/v1/jobs/job_{number}"
            for _ in range(each):
                response = await client.get(target)
                response.raise_for_status()
                if Envelope.model_validate_json(response.content).data.status == "COMPLETED":
                    break

        await asyncio.gather(*(watch(number) for number in range(jobs)))
