"""The types that come out of a client."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, assert_type

from jobwatch import Client, Completions, Job, Looked, Transition, Wait, Watched


async def waits(client: Client) -> None:
    """One wait, in every use."""
    wait = client.wait_for("job_1", timeout=600, check=False)
    assert_type(wait, Wait)
    assert_type(await wait, Job)
    assert_type([change async for change in wait], list[Transition])
    assert_type(await anext(wait), Transition)
    assert_type(asyncio.create_task(wait), asyncio.Task[Job])
    assert_type(await asyncio.gather(wait, wait), tuple[Job, Job])
    assert_type(wait.job, Job | None)
    as_any_other: Coroutine[Any, Any, Job] = wait
    as_any_other.close()
    async with asyncio.TaskGroup() as group:
        assert_type(group.create_task(client.wait_for("job_1")), asyncio.Task[Job])
    async with client.wait_for("job_1") as entered:
        assert_type(entered, Wait)


async def several(client: Client) -> None:
    """Several waits, one look, and the seam."""
    assert_type(await client.wait_all({"job_1", "job_2"}), list[Job])
    assert_type(client.as_completed(str(number) for number in range(3)), Completions)
    assert_type([wait async for wait in client.as_completed(["job_1"])], list[Wait])
    assert_type(await client.job("job_1"), Job)
    assert_type(await client.jobs("prj_1"), tuple[Job, ...])
    watched = client.watched("job_1")
    assert_type(watched, Watched)
    assert_type(await client.look(watched), Looked)
    assert_type((await client.look(watched)).next_look, float | None)
