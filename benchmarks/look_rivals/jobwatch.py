"""The whole of jobwatch: jobs that run, awaited through the client, its poller, its budget and its tracker."""

from __future__ import annotations

import asyncio

from jobwatch import Client, Pace

from . import JOB, JOB_DONE, TOKEN

NEEDS = ("aiohttp",)
RUNNING, ENDED = JOB, JOB_DONE


async def looks(url: str, jobs: int, each: int) -> None:  # noqa: ARG001  # the server ends the jobs after so many
    """Await each job, which the server ends after so many looks."""
    pace = Pace(min_interval=1e-6, max_interval=1e-6)
    base_url = f"{url}/v1"
    # The question is what a look costs; a stream would do without most of them.
    async with Client(
        "bedrock", token=TOKEN, base_url=base_url, pace=pace, max_in_flight=jobs, streams=False
    ) as client:
        await asyncio.gather(*(client.wait_for(f"job_{number}") for number in range(jobs)))
