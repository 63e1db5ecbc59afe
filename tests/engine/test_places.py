"""Places on the wire: connections are there for the looks that may begin while others hang."""

from __future__ import annotations

import asyncio
import time

import pytest

from jobwatch import Client
from jobwatch.testing import JobServer, Trouble
from tests.conftest import client_of


@pytest.mark.slow(in_sample=True)
async def test_replies_that_hang_hold_up_no_other_job_and_no_time_limit(job_server: JobServer) -> None:
    for number in range(4):
        job_server.add("bedrock", f"h{number}", ["RUNNING"])
        job_server.trouble(Trouble.hang(), None, job_id=f"h{number}")
    job_server.add("bedrock", "good", [("RUNNING", 0.0), ("COMPLETED", 0.2)])
    async with client_of(job_server, unreachable_after=60.0, max_in_flight=4, streams=False) as client:
        began = time.monotonic()
        waits = [asyncio.create_task(_outcome(client, f"h{number}")) for number in range(4)]
        await asyncio.sleep(0.1)
        await client.wait_for("good")
        assert time.monotonic() - began < 1.5, "and not after 30 s"
        assert await asyncio.gather(*waits) == ["unreachable"] * 4, "since nothing of them was ever read"
        assert time.monotonic() - began < 2.6


async def _outcome(client: Client, job_id: str) -> str | None:
    wait = client.wait_for(job_id, timeout=2.0)
    try:
        await wait
    except Exception:  # noqa: BLE001 - whatever it was, the outcome says it
        return None if wait.outcome is None else wait.outcome.value
    return "done"
