"""azure-core's AsyncLROPoller with its usual policies, on aiohttp."""

# mypy: ignore-errors
# What it needs is not installed where the types are checked.
from __future__ import annotations

import asyncio

from azure.core import AsyncPipelineClient
from azure.core.pipeline import policies
from azure.core.polling import AsyncLROPoller
from azure.core.polling.async_base_polling import AsyncLROBasePolling
from azure.core.rest import HttpRequest

NEEDS = ("azure.core", "aiohttp")
RUNNING = '{"id":"@","status":"InProgress","createdDateTime":"2026-01-02T03:04:05Z","lastActionDateTime":"~"}'
ENDED = '{"id":"@","status":"Succeeded","createdDateTime":"2026-01-02T03:04:05Z","lastActionDateTime":"~"}'


async def looks(url: str, jobs: int, each: int) -> None:  # noqa: ARG001  # the server ends the jobs after so many
    """Await each job, which the server ends after so many looks."""
    usual = [
        policies.RequestIdPolicy(),
        policies.HeadersPolicy(),
        policies.UserAgentPolicy("bench"),
        policies.AsyncRetryPolicy(),
        policies.HttpLoggingPolicy(),
    ]
    async with AsyncPipelineClient(base_url=url, policies=usual) as client:

        async def watch(number: int) -> None:
            request = HttpRequest("GET", f"{url}/v1/jobs/job_{number}")
            first = await client._pipeline.run(request, stream=False)  # noqa: SLF001  # as its generated clients do
            await first.http_response.read()
            first.http_response.headers["Operation-Location"] = request.url
            first.http_response.status_code = 202
            polling = AsyncLROBasePolling(timeout=0)
            await AsyncLROPoller(client, first, lambda _: None, polling).result()

        await asyncio.gather(*(watch(number) for number in range(jobs)))
