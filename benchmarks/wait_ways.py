"""The ways to wait for many jobs that `waits` compares: each a function of a server's URL, the ids, and the pause.

Each waits for all jobs in one process, looks at a job again a pause after the look before, and returns when the last
has ended. ``NEEDS`` is what each has to have installed, and ``BODIES`` what its server answers with.
"""

# mypy: ignore-errors
# What they need is not installed where the types are checked.
from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from .look_rivals import JOB, JOB_DONE, TOKEN

if TYPE_CHECKING:
    from collections.abc import Sequence

CONNECTIONS = 64


def _client(url, pause):
    from jobwatch import Client, Pace

    pace = Pace(min_interval=pause, max_interval=pause)
    # A stream of events would do without most of the looks.
    return Client("bedrock", token=TOKEN, base_url=f"{url}/v1", pace=pace, max_in_flight=CONNECTIONS, streams=False)


async def jobwatch(url: str, ids: Sequence[str], pause: float) -> None:
    """Ours: `wait_all`."""
    async with _client(url, pause) as client:
        await client.wait_all(ids)


async def jobwatch_watcher(url: str, ids: Sequence[str], pause: float) -> None:
    """Ours: a `Watcher` without a journal, until the end of each was told."""
    from jobwatch import Watcher

    async with _client(url, pause) as client, Watcher(client) as watcher:
        await watcher.add(*ids)
        async for _ in watcher.until_ended():
            pass


async def bare(url: str, ids: Sequence[str], pause: float) -> None:
    """aiohttp's documented loop with msgspec for the body, a task a job."""
    import aiohttp
    import msgspec

    from .look_rivals.bare import Envelope

    decoder = msgspec.json.Decoder(Envelope)
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}, connector=connector) as session:

        async def wait(job_id: str) -> None:
            target = f"{url}/v1/jobs/{job_id}"
            while True:
                async with session.get(target) as response:
                    response.raise_for_status()
                    job = decoder.decode(await response.read()).data
                if job.status == "COMPLETED":
                    break
                await asyncio.sleep(pause)

        await asyncio.gather(*map(wait, ids))


async def tenacity(url: str, ids: Sequence[str], pause: float) -> None:
    """tenacity's retry of the bare loop's look."""
    import aiohttp
    import msgspec
    from tenacity import AsyncRetrying, retry_if_result, wait_fixed

    from .look_rivals.bare import Envelope

    decoder = msgspec.json.Decoder(Envelope)
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}, connector=connector) as session:

        async def look(target: str):
            async with session.get(target) as response:
                response.raise_for_status()
                return decoder.decode(await response.read()).data

        async def wait(job_id: str) -> None:
            until_over = retry_if_result(lambda job: job.status != "COMPLETED")
            await AsyncRetrying(retry=until_over, wait=wait_fixed(pause))(look, f"{url}/v1/jobs/{job_id}")

        await asyncio.gather(*map(wait, ids))


async def azure_core(url: str, ids: Sequence[str], pause: float) -> None:
    """azure-core's AsyncLROPoller with its usual policies, on aiohttp."""
    import aiohttp
    from azure.core import AsyncPipelineClient
    from azure.core.pipeline import policies
    from azure.core.pipeline.transport import AioHttpTransport
    from azure.core.polling import AsyncLROPoller
    from azure.core.polling.async_base_polling import AsyncLROBasePolling
    from azure.core.rest import HttpRequest

    usual = [
        policies.RequestIdPolicy(),
        policies.HeadersPolicy(),
        policies.UserAgentPolicy("bench"),
        policies.AsyncRetryPolicy(),
        policies.HttpLoggingPolicy(),
    ]
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS), auto_decompress=False)
    transport = AioHttpTransport(session=session)  # which closes it
    async with AsyncPipelineClient(base_url=url, policies=usual, transport=transport) as client:

        async def wait(job_id: str) -> None:
            request = HttpRequest("GET", f"{url}/v1/jobs/{job_id}")
            first = await client._pipeline.run(request, stream=False)  # noqa: SLF001  # as its generated clients do
            await first.http_response.read()
            first.http_response.headers["Operation-Location"] = request.url
            first.http_response.status_code = 202
            await AsyncLROPoller(client, first, lambda _: None, AsyncLROBasePolling(timeout=pause)).result()

        await asyncio.gather(*map(wait, ids))


async def botocore(url: str, ids: Sequence[str], pause: float) -> None:
    """aiobotocore's waiter for a Lambda function to become active: a GET of a URL a job, JSON."""
    from aiobotocore.session import get_session
    from botocore.config import Config

    access = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "eu-west-1"}
    config = Config(max_pool_connections=CONNECTIONS)
    async with get_session().create_client("lambda", endpoint_url=url, config=config, **access) as client:

        async def wait(job_id: str) -> None:
            waiter = client.get_waiter("function_active")
            waiter.config.delay, waiter.config.max_attempts = pause, 1_000
            await waiter.wait(FunctionName=job_id)

        await asyncio.gather(*map(wait, ids))


_OPERATION = '{"id":"@","status":"%s","createdDateTime":"2026-01-02T03:04:05Z","lastActionDateTime":"~"}'
_FUNCTION = '{"FunctionName":"@","State":"%s","LastModified":"~"}'

WAYS = {each.__name__: each for each in (jobwatch, jobwatch_watcher, bare, tenacity, azure_core, botocore)}
NEEDS = {"tenacity": ["tenacity"], "azure_core": ["azure.core"], "botocore": ["aiobotocore"]}
BODIES = {
    "azure_core": (_OPERATION % "InProgress", _OPERATION % "Succeeded"),
    "botocore": (_FUNCTION % "Pending", _FUNCTION % "Active"),
}
"""What the server says of a job that goes on, and of one that has ended; by default, `JOB` and `JOB_DONE`."""


def bodies(way: str) -> tuple[str, str]:
    """Return what a way's server says of a job that goes on, and of one that has ended."""
    return BODIES.get(way, (JOB, JOB_DONE))
