"""A client that knows the record of its API, and results in types of one's own, as a user asks for them."""

from __future__ import annotations

import inspect
from typing import Any

import msgspec
import pytest
from msgspec import Struct

from jobwatch import Client, Completions, ConfigError, Job, JobFailed, Phase, ResultMismatch, Wait
from jobwatch._http.options import ClientOptions
from jobwatch.apis.capydb import CapyJob
from jobwatch.testing import FakeSource

from .virtual import on_virtual_clock

GOOD: list[tuple[str, float]] = [("RUNNING", 0.0), ("COMPLETED", 5.0)]


class Report(Struct, frozen=True):
    pages: int


def source_of(*steps: tuple[str, float], **fields: Any) -> FakeSource:
    source = FakeSource()
    source.add("job_1", list(steps or GOOD), **fields)
    source.add("job_2", [("COMPLETED", 0.0)], result={"pages": 2})
    return source


def test_all_overloads_of_a_client_take_the_options_that_it_takes() -> None:
    taken = set(inspect.signature(Client).parameters) - {"api", "source"}
    assert set(ClientOptions.__annotations__) == taken


def test_types_can_be_written_where_they_are_run() -> None:
    for kind in (Job, Wait, Completions):
        assert kind[CapyJob] == kind[CapyJob, Any] != kind[CapyJob, Report]
    body = b'{"id":"j","api":"x","status":"s","phase":"succeeded","wire":{"id":1,"state":"done"},"result":{"pages":3}}'
    job = msgspec.json.decode(body, type=Job[CapyJob, Report])
    assert (job.wire, job.result) == (CapyJob(1, "done"), Report(3))
    assert not hasattr(job, "__dict__")


@on_virtual_clock
async def test_each_way_to_wait_gives_the_result_as_the_type() -> None:
    async with Client(source=source_of(result={"pages": 1})) as client:
        assert (await client.job("job_1", result=Report)).result is None, "it is not there yet"
        wait = client.wait_for("job_1", result=Report)
        assert [change.status async for change in wait] == ["RUNNING", "COMPLETED"]
        assert (await wait).result == (await wait).result == Report(1)
        assert wait.job is not None
        assert wait.job.result == {"pages": 1}, "as it came"
        assert (await client.job("job_1", result=Report)).result == Report(1)
        jobs = await client.wait_all(["job_1", "job_2"], result=Report)
        assert [job.result.pages for job in jobs] == [1, 2]
        async with client.as_completed(["job_1", "job_2"], result=Report) as ended:
            assert {(await handle).result.pages async for handle in ended} == {1, 2}
        assert (await client.wait_for("job_1")).result == {"pages": 1}


@on_virtual_clock
async def test_a_result_of_another_type_is_no_failure_of_the_job() -> None:
    async with Client(source=source_of(result={"pages": "many"})) as client:
        wait = client.wait_for("job_1", result=Report)
        for waited in (wait, wait, client.wait_all(["job_2", "job_1"], result=Report)):
            with pytest.raises(ResultMismatch, match=r"^job job_1 succeeded, but its result is no Report: .*pages"):
                await waited
        with pytest.raises(ResultMismatch) as caught:
            await client.job("job_1", result=Report)
        assert caught.value.job.result == {"pages": "many"}
        assert caught.value.job.phase is Phase.SUCCEEDED
        assert wait.outcome is not None
        assert wait.outcome.value == "succeeded"


@on_virtual_clock
async def test_a_job_that_ended_badly_has_no_result_to_be_read() -> None:
    async with Client(source=source_of(("FAILED", 0.0), result={"error": "disk full"})) as client:
        with pytest.raises(JobFailed):
            await client.wait_for("job_1", result=Report)
        assert (await client.job("job_1", result=Report)).result is None
        with pytest.raises(ConfigError, match="a job that ended badly has no result"):
            client.wait_for("job_1", check=False, result=Report)  # type: ignore[call-overload]
        with pytest.raises(ResultMismatch, match="job job_1 ended FAILED, but its result is no Report"):
            await client.wait_for("job_1", accept={"failed"}, result=Report)


async def test_a_type_that_nothing_fits_is_refused_before_any_look() -> None:
    source = FakeSource()
    job = source.add("job_1", GOOD)
    async with Client(source=source) as client:
        with pytest.raises(ConfigError, match="result=7 cannot be used"):
            client.wait_for("job_1", result=7)  # type: ignore[call-overload]
        with pytest.raises(ConfigError, match="result=7 cannot be used"):
            await client.job("job_1", result=7)  # type: ignore[call-overload]
    assert not job.looks
