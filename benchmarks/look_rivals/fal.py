"""fal's client, whose handle yields every state it sees."""

# mypy: ignore-errors
# What it needs is not installed where the types are checked.
from __future__ import annotations

import asyncio

from fal_client import AsyncClient
from fal_client.client import AsyncRequestHandle

NEEDS = ("fal_client",)
RUNNING = '{"status":"IN_PROGRESS","request_id":"@","logs":[]}'
ENDED = '{"status":"COMPLETED","request_id":"@","logs":[],"metrics":{}}'


async def looks(url: str, jobs: int, each: int) -> None:  # noqa: ARG001  # the server ends the jobs after so many
    """Follow each job, which the server ends after so many looks."""
    client = AsyncClient(key="k")
    http = await client._client  # noqa: SLF001  # its own HTTP client, authenticated

    async def watch(number: int) -> None:
        place = f"{url}/v1/jobs/job_{number}"
        handle = AsyncRequestHandle(f"job_{number}", place, place, place, http)
        async for _ in handle.iter_events(interval=0):
            pass

    await asyncio.gather(*(watch(number) for number in range(jobs)))
    await http.aclose()
