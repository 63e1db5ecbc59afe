"""The types that come out of a client."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import datetime
from typing import Any, assert_type

import msgspec
from msgspec import Struct

from jobwatch import JSON, Client, Completions, Job, JobAPI, JobFailed, JobSource, Looked, Transition, Wait, Watched
from jobwatch.apis import BEDROCK, CAPYDB
from jobwatch.apis.bedrock import BedrockJob, CmsJob, VisionJob
from jobwatch.apis.capydb import CapyJob


class Report(Struct):
    """What a job makes."""

    pages: int


async def clients(api: str, table: JobAPI, source: JobSource) -> None:
    """Which record a client's jobs hold."""
    assert_type(Client("capydb"), Client[CapyJob])
    assert_type(Client("bedrock", token="t", streams=False), Client[BedrockJob])
    assert_type(Client(CAPYDB), Client[CapyJob])
    assert_type(Client(BEDROCK, max_rate=2.0), Client[BedrockJob])
    for client in (Client("github"), Client(api), Client(table), Client(source=source)):
        assert_type(client, Client[Struct | None])
    async with Client("capydb") as entered:
        assert_type(entered, Client[CapyJob])
        await waits(entered)  # where any client is wanted, one of some API will do


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


async def records(capydb: Client[CapyJob], bedrock: Client[BedrockJob]) -> None:
    """The API's own record, in all that comes of a client."""
    job = await capydb.wait_for("job_1")
    assert_type(job, Job[CapyJob])
    assert_type(job.wire.last_exit_code, int | None)
    assert_type(job.result, JSON)
    assert_type(await capydb.wait_all(["job_1"]), list[Job[CapyJob]])
    assert_type([await wait async for wait in capydb.as_completed(["job_1"])], list[Job[CapyJob]])
    assert_type(await capydb.job("job_1"), Job[CapyJob])
    assert_type(await capydb.jobs("prj_1"), tuple[Job[CapyJob], ...])
    assert_type(capydb.wait_for("job_1").job, Job[CapyJob] | None)
    assert_type(asyncio.create_task(capydb.wait_for("job_1")), asyncio.Task[Job[CapyJob]])
    capydb.wait_for("job_1").follow(lambda job: print(assert_type(job, Job[CapyJob]).wire.last_stdout))
    wire = (await bedrock.job("job_1")).wire
    assert_type(wire.organization_id, str | None)
    assert_type(wire, CmsJob | VisionJob)
    await several(bedrock)


async def results(client: Client[CapyJob]) -> None:
    """A result that is read into a type of one's own."""
    job = await client.wait_for("job_1", result=Report)
    assert_type(job, Job[CapyJob, Report])
    assert_type(job.result.pages, int)
    assert_type((await client.wait_for("job_1", result=dict[str, datetime])).result, dict[str, datetime])
    assert_type(await client.wait_all(["job_1"], result=Report), list[Job[CapyJob, Report]])
    async for wait in client.as_completed(["job_1"], result=Report):
        assert_type(wait, Wait[CapyJob, Report])
        assert_type(wait.job, Job[CapyJob] | None)  # as it came
    assert_type(await client.job("job_1", result=Report), Job[CapyJob, Report | None])


async def errors(client: Client) -> None:
    """An error does not know whose job it holds, and the job's record does."""
    try:
        await client.wait_for("job_1")
    except JobFailed as failure:
        assert_type(failure.job, Job)
        if isinstance(failure.job.wire, CapyJob):
            assert_type(failure.job.wire.last_stderr, str | None)


def made() -> tuple[Job[CapyJob], Job]:
    """What a reader makes, and a decoder."""
    job = Job(id="job_1", api="capydb", status="done", phase=msgspec.json.decode(b""), wire=CapyJob("job_1", "done"))
    assert_type(job, Job[CapyJob])
    return job, msgspec.json.decode(b"{}", type=Job)
