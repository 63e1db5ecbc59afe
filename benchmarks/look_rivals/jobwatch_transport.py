"""jobwatch's transport alone, with the bare loop's decoder: what the rest of jobwatch costs is the difference."""

from __future__ import annotations

import asyncio

import msgspec

from jobwatch._http.transport import Transport
from jobwatch._reading.reply import Reply

from . import JOB, JOB_DONE, TOKEN, bare

NEEDS = ("aiohttp", "msgspec")
RUNNING, ENDED = JOB, JOB_DONE


async def looks(url: str, jobs: int, each: int) -> None:
    """Look at each job so many times."""
    decoder = msgspec.json.Decoder(bare.Envelope)
    transport = Transport(f"{url}/v1", {"Authorization": f"Bearer {TOKEN}"}, max_connections=jobs)

    async def watch(number: int) -> None:
        target = transport.prepared(f"/jobs/job_{number}")
        for _ in range(each):
            reply = await transport.get(target)
            assert isinstance(reply, Reply)
            if decoder.decode(reply.body).data.status == "COMPLETED":
                break

    await asyncio.gather(*(watch(number) for number in range(jobs)))
    await transport.aclose()
