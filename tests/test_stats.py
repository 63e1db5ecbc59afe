"""`Client.stats`: what was done and what is watched, in numbers."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

import jobwatch
from jobwatch import Client, Fault, FaultKind, Lag, Outcome, Pace, Phase, Stats, SyncClient
from jobwatch.testing import FakeSource, JobServer
from tests.scripted import ScriptedJob, ScriptedTransport, client_of
from tests.virtual import on_virtual_clock


def test_a_client_that_has_done_nothing_says_so() -> None:
    assert Client(source=FakeSource()).stats == Stats()


@on_virtual_clock
async def test_looks_faults_ends_and_how_late_they_were_known_are_counted() -> None:
    source = FakeSource(delay=0.25, epoch=time.time())
    source.add("a", [("running", 0), ("succeeded", 30)])
    source.add("b", [("running", 0), ("failed", 60)])
    source.trouble(Fault(FaultKind.UNREACHABLE, "no"), of="a", times=2)
    async with Client(source=source, max_rate=50.0, pace=Pace(min_interval=2.0)) as client:
        loop = asyncio.get_running_loop()
        known: dict[str, float] = {}
        waits = [client.wait_for(job_id, check=False) for job_id in ("a", "b")]

        async def ended(wait: Any, ends: float) -> None:
            await wait
            known[wait.job_id] = loop.time() - ends

        tasks = [loop.create_task(ended(wait, ends)) for wait, ends in zip(waits, (30.0, 60.0), strict=True)]
        await asyncio.sleep(20.0)
        during = client.stats
        assert (dict(during.jobs), during.unread, dict(during.ended)) == ({Phase.RUNNING: 2}, 0, {})
        assert during.demand > 0.0
        assert during.rate == 50.0
        await asyncio.gather(*tasks)
        stats = client.stats
    assert stats.requests == stats.looks == len(source.asked)
    assert dict(stats.faults) == {FaultKind.UNREACHABLE: 2}
    assert dict(stats.ended) == {Outcome.SUCCEEDED: 1, Outcome.FAILED: 1}
    assert dict(stats.jobs) == {}
    assert stats.demand == 0.0
    assert stats.lag.count == 2
    assert stats.lag.mean == pytest.approx(sum(known.values()) / 2, abs=0.1)
    assert stats.lag.max == pytest.approx(max(known.values()), abs=0.1)
    assert client.stats == stats, "it can be read when all is closed"


@on_virtual_clock
async def test_how_late_an_end_was_known_that_was_there_before_anybody_looked_is_not_counted() -> None:
    source = FakeSource()
    source.add("a", [("running", 0), ("succeeded", 30)])
    await asyncio.sleep(1000.0)
    async with Client(source=source) as client:
        await client.wait_for("a")
        assert dict(client.stats.ended) == {Outcome.SUCCEEDED: 1}
        assert client.stats.lag == Lag()


@on_virtual_clock
async def test_a_job_that_is_awaited_and_watched_ends_once() -> None:
    source = FakeSource()
    source.add("a", [("running", 0), ("succeeded", 30)])
    async with Client(source=source) as client, jobwatch.Watcher(client) as watcher:
        await watcher.add("a")
        await client.wait_for("a")
        await asyncio.sleep(100.0)
        assert dict(client.stats.ended) == {Outcome.SUCCEEDED: 1}
        assert client.stats.lag.count == 1


@on_virtual_clock
async def test_what_lists_spare_is_counted() -> None:
    jobs = [ScriptedJob(f"j{number}", starts=-100.0 - number, ends=200.0, project_id="p") for number in range(30)]
    transport = ScriptedTransport(jobs)
    client = client_of(transport)
    await client.wait_all([job.id for job in jobs])
    stats = client.stats
    lists = sum(target.startswith("list") for _, target in transport.requests)
    assert lists > 0
    assert stats.requests == len(transport.requests)
    assert stats.looks == stats.requests + stats.spared
    assert stats.spared > 29
    await client.aclose()


@on_virtual_clock
async def test_a_list_that_nobody_watches_is_a_request_and_no_look() -> None:
    source = FakeSource()
    source.add("a", ["running"], project_id="p")
    async with Client(source=source) as client:
        await client.jobs("p")
        assert (client.stats.requests, client.stats.looks, client.stats.spared) == (1, 0, 0)
        await client.job("a")
        assert (client.stats.requests, client.stats.looks) == (2, 1)


@on_virtual_clock
async def test_answers_that_nothing_has_changed_are_counted() -> None:
    source = FakeSource(unchanged=True)
    source.add("a", [("running", 0), ("succeeded", 30)])
    async with Client(source=source) as client:
        await client.wait_for("a")
        assert client.stats.unchanged == client.stats.looks - 2, "all but the first and the last"
        assert client.stats.unchanged > 0


def test_without_async_it_is_the_same(job_server: JobServer) -> None:
    job_server.add("bedrock", "job_1", ["COMPLETED"])
    with SyncClient("bedrock", base_url=job_server.url_of("bedrock"), token=job_server.token) as client:
        client.wait_for("job_1")
        assert dict(client.stats.ended) == {Outcome.SUCCEEDED: 1}
    assert client.stats.looks == 1, "when it is closed, too"
