"""Workers and readers on a real server: what they find, what happens meanwhile, and who gives way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from jobwatch import Change, ChangeKind, Client, Health, JobwatchError, Outcome, Pace, Problem
from jobwatch.cli._nats import _row
from jobwatch.nats import EmbeddedServer, ServerOptions, Standing, Watcher, Worker
from jobwatch.nats._connection import connect
from jobwatch.nats._stream import open_streams
from jobwatch.testing import JobServer, Trouble
from tests.conftest import at_most

from .working import at_work

pytestmark = pytest.mark.slow

PACE = Pace(min_interval=0.05, max_interval=0.2)


@pytest_asyncio.fixture
async def jobs() -> AsyncIterator[JobServer]:
    async with JobServer() as server:
        yield server


@asynccontextmanager
async def working(at: ServerOptions, jobs: JobServer, stale_after: float = 60.0) -> AsyncGenerator[Worker]:
    url = jobs.url_of("bedrock")
    async with (
        Client("bedrock", base_url=url, token=jobs.token, pace=PACE, unreachable_after=0.5) as client,
        at_work(Worker(client, at, stale_after=stale_after)) as worker,
    ):
        yield worker


def watcher_of(at: ServerOptions, jobs: JobServer, name: str = "default", from_beginning: bool = True) -> Watcher:
    url = jobs.url_of("bedrock")
    return Watcher(at.url, api="bedrock", base_url=url, name=name, from_beginning=from_beginning)


async def read(watcher: Watcher, enough: Callable[[list[Change]], bool]) -> list[Change]:
    told: list[Change] = []
    async with asyncio.timeout(20):
        async for change in watcher:
            told.append(change)
            if enough(told):
                await watcher.acknowledge()
                break
    return told


def ends(number: int) -> Callable[[list[Change]], bool]:
    return lambda told: sum(change.kind is ChangeKind.END for change in told) == number


def count(number: int) -> Callable[[list[Change]], bool]:
    return lambda told: len(told) == number


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not what():  # noqa: ASYNC110 - what is waited for happens elsewhere
            await asyncio.sleep(0.03)


async def standing(watcher: Watcher, job_id: str) -> Standing:
    found = await watcher.job(job_id)
    assert found is not None
    return found


STRANGE = ["a.b", "*", ">", "job 1", "ü", "x" * 1000, "a=2Eb"]


async def test_two_workers_tell_every_state_once_and_in_order_whatever_the_ids(
    at: ServerOptions, jobs: JobServer
) -> None:
    for job_id in STRANGE:
        jobs.add("bedrock", job_id, [("PENDING", 0), ("RUNNING", 0.2), ("COMPLETED", 0.5)], shape="vision", events=True)
    async with working(at, jobs), working(at, jobs), watcher_of(at, jobs) as watcher:
        assert await watcher.add(*STRANGE) == tuple(STRANGE)
        assert await watcher.add(*STRANGE) == ()
        told = await read(watcher, ends(len(STRANGE)))
        for job_id in STRANGE:
            of_job = [change for change in told if change.job_id == job_id]
            assert [change.status for change in of_job] == ["PENDING", "RUNNING", "COMPLETED"]
            assert [change.seq for change in of_job] == [1, 2, 3]
            assert (await standing(watcher, job_id)).outcome is Outcome.SUCCEEDED
        assert len({change.key for change in told}) == 3 * len(STRANGE)
        assert await watcher.add("a.b") == ()  # its end is known
        health = await watcher.health()
        assert (health.connected, health.due, health.unread) == (True, 0, 0)


async def test_why_a_job_failed_is_told_for_as_long_as_its_end_is_known(at: ServerOptions, jobs: JobServer) -> None:
    jobs.add("bedrock", "j", ["RUNNING", "FAILED"], error=Problem("disk full"))
    async with working(at, jobs), watcher_of(at, jobs) as watcher:
        await watcher.add("j")
        (*_, end) = await read(watcher, ends(1))
        stands = await standing(watcher, "j")
    assert stands.error is not None
    assert stands.error == end.error
    assert "none: failed, " in " ".join(_row(stands))
    assert "disk full" in " ".join(_row(stands))


async def test_each_reader_gets_every_change_and_goes_on_where_it_was(at: ServerOptions, jobs: JobServer) -> None:
    job = jobs.add("bedrock", "j", ["PENDING"])
    async with working(at, jobs):
        async with watcher_of(at, jobs) as watcher:
            await watcher.add("j")
            assert [change.status for change in await read(watcher, count(1))] == ["PENDING"]
        job.advance("RUNNING")
        job.advance("COMPLETED")
        async with watcher_of(at, jobs) as watcher:
            told = await read(watcher, ends(1))
            assert (told[0].seq, told[-1].status) == (2, "COMPLETED")
        async with watcher_of(at, jobs, name="another") as watcher:
            assert (await read(watcher, ends(1)))[0].status == "PENDING"
        async with watcher_of(at, jobs, name="late", from_beginning=False) as watcher:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    await read(watcher, count(1))


async def test_what_was_not_acknowledged_comes_again_under_the_same_key(at: ServerOptions, jobs: JobServer) -> None:
    jobs.add("bedrock", "j", [("PENDING", 0), ("COMPLETED", 0)])
    async with working(at, jobs):
        async with watcher_of(at, jobs) as watcher:
            await watcher.add("j")
            async with asyncio.timeout(10):
                first = await anext(aiter(watcher))
        async with watcher_of(at, jobs) as watcher:
            again = (await read(watcher, ends(1)))[0]
        assert again == first


async def test_a_loop_that_is_left_is_gone_on_with_where_it_was(at: ServerOptions, jobs: JobServer) -> None:
    jobs.add("bedrock", "j", [("PENDING", 0), ("COMPLETED", 0)])
    async with working(at, jobs), watcher_of(at, jobs) as watcher, asyncio.timeout(10):
        await watcher.add("j")
        async for change in watcher:
            assert change.seq == 1
            break
        changes = aiter(watcher)
        with pytest.raises(JobwatchError, match="another loop"):
            watcher.batches()
        assert [(await anext(changes)).seq for _ in range(2)] == [1, 2]
        del changes
        async for batch in watcher.batches():
            assert [change.seq for change in batch] == [2]
            break


async def test_a_second_process_takes_a_reader_over_and_the_first_is_told(at: ServerOptions, jobs: JobServer) -> None:
    jobs.add("bedrock", "j", [("PENDING", 0), ("COMPLETED", 0)])
    async with working(at, jobs), watcher_of(at, jobs) as first, watcher_of(at, jobs) as second:
        await second.add("j")
        with pytest.raises(JobwatchError, match="another process"):
            await read(first, ends(1))
        assert len(await read(second, ends(1))) >= 1


async def test_a_job_that_is_forgotten_while_it_is_looked_at_stays_forgotten(
    at: ServerOptions, jobs: JobServer
) -> None:
    job = jobs.add("bedrock", "j", ["PENDING"])
    async with working(at, jobs) as worker, watcher_of(at, jobs) as watcher:
        await watcher.add("j")
        first = (await read(watcher, count(1)))[0]
        asked = len(jobs.requests)
        jobs.trouble(Trouble.hang(1.0), times=1)
        await until(lambda: len(jobs.requests) > asked and jobs.requests[-1].job_id == "j")
        assert await watcher.forget("j")
        assert not await watcher.forget("j")
        job.advance("COMPLETED")
        await until(lambda: worker.counts.lost > 0)
        assert await watcher.job("j") is None
        assert await watcher.add("j") == ("j",)
        told = await read(watcher, ends(1))
        assert {change.generation for change in told} == {(await standing(watcher, "j")).generation}
        assert told[-1].generation > first.generation
        assert told[0].seq == 1


async def test_a_wake_brings_the_look_forward(at: ServerOptions, jobs: JobServer) -> None:
    job = jobs.add("bedrock", "j", ["PENDING"])
    url = jobs.url_of("bedrock")
    slow = Pace(min_interval=0.05, max_interval=60.0, poll_cost=3600.0)
    async with Client("bedrock", base_url=url, token=jobs.token, pace=slow) as client:
        task = asyncio.create_task(Worker(client, at).run())
        async with watcher_of(at, jobs) as watcher:
            await watcher.add("j")
            assert len(await read(watcher, count(1))) == 1
            assert [(each.looks, each.is_due) async for each in watcher.jobs()] == [(1, False)]
            job.advance("COMPLETED")
            assert watcher.wake("j")
            assert watcher.wake("nobody knows it")
            assert not watcher.wake_project("p")
            async with at_most(5):
                assert len(await read(watcher, ends(1))) == 1
        assert not watcher.wake("j")
        task.cancel()
        await asyncio.wait([task])
    assert job.looks == 2


async def test_an_outage_is_told_and_the_job_is_still_watched(at: ServerOptions, jobs: JobServer) -> None:
    jobs.add("bedrock", "j", ["PENDING", "COMPLETED"])
    jobs.trouble(Trouble.status(503), times=8)
    async with working(at, jobs, stale_after=0.1), watcher_of(at, jobs) as watcher:
        await watcher.add("j")
        told = await read(watcher, ends(1))
    healths = [change.health for change in told if change.health is not None]
    assert healths[0] is Health.STALE
    assert healths[-1] is Health.OK
    assert [change.status for change in told if change.status] == ["PENDING", "COMPLETED"]
    assert [change.seq for change in told] == list(range(1, len(told) + 1))


async def test_no_message_holds_the_token_though_the_api_quotes_it(at: ServerOptions, jobs: JobServer) -> None:
    jobs.add("bedrock", "j", ["PENDING", "COMPLETED"])
    quoted = f'{{"error": "no such key: {jobs.token}"}}'.encode()
    jobs.trouble(Trouble.status(403, quoted), times=2)
    async with working(at, jobs, stale_after=0.01), watcher_of(at, jobs) as watcher:
        await watcher.add("j")
        told = await read(watcher, ends(1))
    assert told[0].fault is not None
    async with await connect(at, "test") as connection:
        (stream,) = (await open_streams(connection, "any")).each
        bodies = [stored.body async for stored in stream.all("jobwatch.0.>")]
    assert len(bodies) > len(told)
    assert not any(str(jobs.token).encode() in body for body in bodies)


async def test_a_callback_that_raises_gets_the_same_change_again(at: ServerOptions, jobs: JobServer) -> None:
    jobs.add("bedrock", "j", [("PENDING", 0), ("COMPLETED", 0)])
    calls: list[str] = []
    done = asyncio.Event()

    async def on_change(change: Change) -> None:
        calls.append(change.key)
        if len(calls) == 1:
            raise ValueError("not now")
        if change.kind is ChangeKind.END:
            done.set()

    url = jobs.url_of("bedrock")
    async with working(at, jobs), Watcher(at.url, api="bedrock", base_url=url, on_change=on_change) as watcher:
        await watcher.add("j")
        with pytest.raises(JobwatchError, match="on_change"):
            aiter(watcher)
        async with asyncio.timeout(10):
            await done.wait()
        assert (await watcher.health()).refused is None
    assert calls[0] == calls[1]
    assert len(set(calls)) == len(calls) - 1


async def test_a_worker_that_stops_lets_its_look_end_and_leaves_nothing_behind(
    at: ServerOptions, jobs: JobServer
) -> None:
    jobs.add("bedrock", "j", [("PENDING", 0), ("COMPLETED", 0)])
    jobs.trouble(Trouble.hang(0.5), times=1)
    async with working(at, jobs) as worker:
        async with watcher_of(at, jobs) as watcher:
            await watcher.add("j")
        await until(lambda: len(jobs.requests) == 1)
    assert worker.counts.won == 1
    async with watcher_of(at, jobs) as watcher:
        assert (await standing(watcher, "j")).looks == 1


async def test_a_server_that_was_killed_is_gone_on_with(nats_server: EmbeddedServer, jobs: JobServer) -> None:
    job = jobs.add("bedrock", "j", ["PENDING"])
    at = ServerOptions(url=nats_server.url)
    async with working(at, jobs), watcher_of(at, jobs) as watcher:
        await watcher.add("j")
        assert len(await read(watcher, count(1))) == 1
        await nats_server.kill()
        job.advance("COMPLETED")
        await nats_server.start()
        told = await read(watcher, ends(1))
    assert [(change.seq, change.status) for change in told] == [(2, "COMPLETED")]


async def test_batches_are_acknowledged_as_a_whole(at: ServerOptions, jobs: JobServer) -> None:
    for number in range(20):
        jobs.add("bedrock", f"j{number}", [("COMPLETED", 0)])
    async with working(at, jobs), watcher_of(at, jobs) as watcher:
        await watcher.add(*(f"j{number}" for number in range(20)))
        told: list[Change] = []
        async with asyncio.timeout(10):
            async for batch in watcher.batches(8):
                assert 1 <= len(batch) <= 8
                told += batch
                if len(told) == 20:
                    await watcher.acknowledge()
                    break
        assert len({change.key for change in told}) == 20


async def test_several_streams_hold_the_jobs_of_one_api(at: ServerOptions, jobs: JobServer) -> None:
    wide = ServerOptions(url=at.url, prefix="wide", shards=3)
    ids = [f"j{number}" for number in range(12)]
    for job_id in ids:
        jobs.add("bedrock", job_id, [("PENDING", 0), ("COMPLETED", 0)])
    url = jobs.url_of("bedrock")
    async with working(wide, jobs), Watcher(at.url, api="bedrock", base_url=url, prefix="wide") as watcher:
        assert len(await watcher.add(*ids)) == 12
        told = await read(watcher, ends(12))
        assert {change.job_id for change in told} == set(ids)
        assert {each.job_id async for each in watcher.jobs()} == set(ids)
