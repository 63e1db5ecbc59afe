"""The page on engines: its recipes run as they stand there, in Temporal's and procrastinate's own test environments."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import importlib.util
import json
import logging
import re
from datetime import timedelta
from typing import Any

import pytest

from jobwatch import Client
from jobwatch.testing import JobServer, Trouble

from ..conftest import client_of
from ..project.documents import blocks

PAGE = "jobwatch/_core/ENGINES.md"
HAS_TEMPORAL = importlib.util.find_spec("temporalio") is not None
HAS_PROCRASTINATE = importlib.util.find_spec("procrastinate") is not None
temporal = pytest.mark.skipif(not HAS_TEMPORAL, reason="needs temporalio")
in_postgres = pytest.mark.skipif(not HAS_PROCRASTINATE, reason="needs procrastinate")


def recipe(name: str) -> dict[str, Any]:
    """Return what a module of the page's defines."""
    (text,) = [block.text for block in blocks("python", PAGE) if block.text.startswith(f"# {name}\n")]
    names: dict[str, Any] = {"__name__": name.removesuffix(".py")}
    exec(compile(text, name, "exec", dont_inherit=True), names)
    return names


# --- Temporal -------------------------------------------------------------------------------------------------------


class Activity:
    """One try of the activity, and what it has sent."""

    def __init__(self, client: Client, details: object = None, heartbeat_timeout: float | None = None) -> None:
        from temporalio.testing import ActivityEnvironment

        self.beats: list[Any] = []
        self._environment = ActivityEnvironment()
        self._environment.info = dataclasses.replace(
            self._environment.info,
            heartbeat_details=[] if details is None else [json.loads(json.dumps(details))],
            heartbeat_timeout=None if heartbeat_timeout is None else timedelta(seconds=heartbeat_timeout),
        )
        self._environment.on_heartbeat = self.beats.append
        self._jobs = recipe("temporal_jobs.py")["Jobs"](client)

    async def run(self, job_id: str) -> object:
        """Run it to its end."""
        ended: object = await self._environment.run(self._jobs.wait_for_job, job_id)
        return ended


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the states that were logged."""
    return [found[1] for each in caplog.messages if (found := re.match(r"job job_1: (\w+)", each))]


@temporal
async def test_an_activity_returns_the_result_and_each_look_is_a_heartbeat(
    job_server: JobServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    job_server.add("capydb", "job_1", [("pending", 0), ("running", 0), ("completed", 0.03)], result={"tables": 3})
    async with client_of(job_server, "capydb") as client:
        activity = Activity(client)
        assert await activity.run("job_1") == {"tables": 3}
    assert told(caplog) == ["pending", "running", "completed"]
    assert len(activity.beats) == len(job_server.requests) - 1
    assert all(beat["job_id"] == "job_1" for beat in activity.beats)


@temporal
async def test_a_later_try_goes_on_from_the_last_heartbeat(
    job_server: JobServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    job = job_server.add("capydb", "job_1", ["pending", "running"])
    async with client_of(job_server, "capydb") as client:
        first = Activity(client)
        running = asyncio.create_task(first.run("job_1"))
        await job.looked(3)  # so that two heartbeats have been sent
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await asyncio.sleep(0.01)  # a look that was under way has got there by then
        looks = len(job_server.requests)
        await asyncio.sleep(0.04)
        assert len(job_server.requests) == looks, "a cancelled activity asks no more"
        job.advance("completed")
        second = Activity(client, first.beats[-1])
        await second.run("job_1")
    assert told(caplog) == ["pending", "running", "completed"]


@temporal
@pytest.mark.parametrize(("state", "error", "final"), [("failed", "disk full", True), ("cancelled", "", True)])
async def test_a_job_that_ends_badly_is_not_tried_again(
    job_server: JobServer, state: str, error: str, *, final: bool
) -> None:
    from temporalio.exceptions import ApplicationError

    job_server.add("capydb", "job_1", [state], error=error)
    async with client_of(job_server, "capydb") as client:
        with pytest.raises(ApplicationError, match=f"job job_1: {state}.*{error}") as caught:
            await Activity(client).run("job_1")
    assert (caught.value.type, caught.value.non_retryable) == (state, final)


@temporal
async def test_a_job_that_cannot_be_read_is_tried_again(job_server: JobServer) -> None:
    from temporalio.exceptions import ApplicationError

    job_server.add("capydb", "job_1", ["pending"])
    job_server.trouble(Trouble.status(401), times=None)
    async with client_of(job_server, "capydb") as client:
        activity = Activity(client)
        with pytest.raises(ApplicationError, match="401") as caught:
            await activity.run("job_1")
        assert (caught.value.type, caught.value.non_retryable) == ("auth", False)
        assert activity.beats == [], "the next try asks anew"


@temporal
async def test_an_activity_gives_signs_of_life_between_its_looks(job_server: JobServer) -> None:
    job = job_server.add("capydb", "job_1", ["pending"])
    async with client_of(job_server, "capydb") as client:
        activity = Activity(client, heartbeat_timeout=0.006)
        running = asyncio.create_task(activity.run("job_1"))
        await job.looked(4)
        assert len(activity.beats) > 2 * len(job_server.requests)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


# --- procrastinate --------------------------------------------------------------------------------------------------


class Queue:
    """procrastinate in memory, with the page's task."""

    def __init__(self, client: Client) -> None:
        from procrastinate.testing import InMemoryConnector

        self.connector = InMemoryConnector()
        self._names = recipe("procrastinate_jobs.py")
        self._names["client"] = lambda: client
        self._names["print"] = self._print
        self.app = self._names["app"]
        self.printed: list[str] = []

    def _print(self, *words: object) -> None:
        self.printed.append(" ".join(map(str, words)))

    async def begin(self, job_id: str) -> None:
        """Queue the first look at a job."""
        await self._names["look_at_job"].defer_async(job_id=job_id)

    async def work(self) -> None:
        """Do all that is due, and no more."""
        await self.app.run_worker_async(queues=["jobs"], wait=False, listen_notify=False, install_signal_handlers=False)

    @property
    def waiting(self) -> list[dict[str, Any]]:
        """What is queued."""
        return [dict(job) for job in self.connector.jobs.values() if job["status"] == "todo"]


@in_postgres
async def test_a_task_puts_itself_off_until_the_job_is_over(job_server: JobServer) -> None:
    job = job_server.add("capydb", "job_1", ["pending", "running"])
    async with client_of(job_server, "capydb") as client:
        queue = Queue(client)
        with queue.app.replace_connector(queue.connector):
            await queue.begin("job_1")
            while len(job_server.requests) < 3:
                await queue.work()
                assert len(queue.waiting) == 1
                await asyncio.sleep(0.01)
            job.advance("completed")
            while queue.waiting:
                await queue.work()
                await asyncio.sleep(0.01)
    assert queue.printed == [
        *("job_1 1 pending", "job_1 2 running", "job_1 3 completed", "job_1 is over: succeeded"),
    ]
    statuses = {each["status"] for each in queue.connector.jobs.values()}
    assert statuses == {"succeeded"}
    assert len(queue.connector.jobs) == len(job_server.requests), "each run was one look"


@in_postgres
async def test_a_run_that_comes_twice_queues_no_second_look(job_server: JobServer) -> None:
    job_server.add("capydb", "job_1", ["pending"])
    async with client_of(job_server, "capydb") as client:
        queue = Queue(client)
        with queue.app.replace_connector(queue.connector):
            await queue.begin("job_1")
            await queue.work()
            await queue.begin("job_1")  # as after a crash between queueing the next look and being done
            queue.connector.jobs[max(queue.connector.jobs)]["queueing_lock"] = None
            await queue.work()
    assert len(queue.waiting) == 1
    assert {line for line in queue.printed if "pending" in line} == {"job_1 1 pending"}
