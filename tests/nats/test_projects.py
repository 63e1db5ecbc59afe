"""Projects that are followed by workers: what is watched of them, and what is told where that cannot be."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from msgspec import Struct
from msgspec.structs import replace

from jobwatch import ChangeKind, Client, ConfigError, Fault, FaultKind, Job, JobwatchError, Pace, Phase, Watched
from jobwatch._watching.records import Project
from jobwatch.nats import ServerOptions, Watcher, Worker
from jobwatch.nats._connection import connect
from jobwatch.nats._projects import Followed, after_list, followed_in, waiting
from jobwatch.nats._rules import EXPECTED, EXPECTED_WHERE, TARGET, added, due_time, record_in
from jobwatch.nats._stream import open_streams
from jobwatch.nats._subjects import Names
from jobwatch.testing import JobServer, Trouble

from .stream_model import StreamModel
from .test_engine import count, ends, read, until
from .working import at_work

NAMES = Names("jobwatch", 0, "mine-1")
PACE = Pace(min_interval=0.05, max_interval=0.2)
SELDOM = Pace(min_interval=600.0, max_interval=600.0)


def jobs_named(*ids: str, phase: Phase = Phase.RUNNING) -> tuple[Job, ...]:
    return tuple(Job(id=each, api="mine", status=phase.value, phase=phase) for each in ids)


# --- rules -----------------------------------------------------------------------------------------------------------


def test_a_project_waits_behind_the_fence_of_what_was_read() -> None:
    followed = Followed(Project(project_id="a.b", added_at=5.0, known=("j",)), "no answer")
    message = waiting(NAMES, followed, 41, 1_764_000_000.25)
    assert message.subject == "jobwatch.0.project.mine-1.a=2Eb.w"
    assert message.headers[TARGET] == "jobwatch.0.project.mine-1.a=2Eb.due"
    assert message.headers[EXPECTED] == "41"
    assert message.headers[EXPECTED_WHERE] == "jobwatch.0.project.mine-1.a=2Eb.*"
    assert due_time(message.headers) == 1_764_000_000.25
    assert followed_in(message.body) == followed


def test_the_first_list_has_those_watched_that_go_on_and_later_ones_all_that_are_new() -> None:
    new = Followed(Project(project_id="p", added_at=5.0))
    over = jobs_named("c", phase=Phase.SUCCEEDED)
    first, found = after_list(new, (*jobs_named("b", "a"), *over))
    assert [job.id for job in found] == ["a", "b"]
    second, found = after_list(first, (*jobs_named("e", phase=Phase.FAILED), *jobs_named("b", "a"), *over))
    assert [job.id for job in found] == ["e"]
    assert second.project.known == ("e", "b", "a", "c")


def test_a_list_that_cannot_be_read_or_is_too_short_is_said() -> None:
    known = Followed(Project(project_id="p", added_at=5.0, known=("a",)))
    failed, found = after_list(known, Fault(FaultKind.UNREACHABLE, "no answer"))
    assert failed == replace(known, fault="no answer")
    assert found == []
    long, found = after_list(failed, jobs_named(*(f"j{number}" for number in range(1000))))
    assert len(found) == 1000
    assert "some may be missed" in (long.fault or "")
    assert after_list(long, jobs_named("j1"))[0].fault is None


def test_what_is_no_project_is_refused() -> None:
    with pytest.raises(JobwatchError, match="holds what this jobwatch cannot read"):
        followed_in(b'{"watched":{}}')


class Hand(Struct):
    """What a worker has in hand of a project: its message, and what the list showed that is still to be added."""

    seq: int
    followed: Followed
    new: list[str] | None = None


def follows(seed: int, *, too_soon: bool = False) -> str:
    """Have two workers list a project in random order, dying at any step; return what is wrong in the end."""
    rng, stream, began = random.Random(seed), StreamModel(), 1_764_000_000.0
    now, there = began, 0
    hands: list[Hand | None] = [None, None]
    stream.publish([waiting(NAMES, Followed(Project(project_id="p", added_at=began)), 0, began)])

    def step(hand: Hand | None) -> Hand | None:
        if hand is None:
            due = stream.under(NAMES.project_due("p"))
            return None if due is None else Hand(due.seq, followed_in(due.message.body))
        if hand.new is None:
            followed, new = after_list(hand.followed, jobs_named(*(f"j{each}" for each in reversed(range(there)))))
            if too_soon:
                stream.publish([waiting(NAMES, followed, hand.seq, now + 30.0)])
            return Hand(hand.seq, followed, [job.id for job in new])
        if hand.new:
            watched = Watched(job_id=hand.new.pop(0), api="mine")
            stream.publish([added(NAMES, watched, stream.last, now)])
            return hand
        stream.publish([waiting(NAMES, hand.followed, hand.seq, now + 30.0)])
        return None

    for _ in range(150):
        number = rng.randrange(2)
        hands[number] = None if rng.random() < 0.06 else step(hands[number])  # or it dies
        there += rng.random() < 0.15
        now += rng.choice((0.1, 10.0))
        stream.fire(now)
    last: Hand | None = None
    for _ in range(there + 10):
        now += 30.0
        stream.fire(now)
        last = step(last)
    begun = Counter(
        record_in(stored.message.body).watched.job_id
        for stored in stream.ever
        if stored.message.subject.endswith(".w")
        if ".job." in stored.message.subject
    )
    wrong = [f"j{each}: {begun[f'j{each}']} times" for each in range(there) if begun[f"j{each}"] != 1]
    state = stream.under(NAMES.project_state("p"))
    known = set(() if state is None else followed_in(state.message.body).project.known or ())
    return "; ".join(wrong) or ("" if len(known) == there else f"{len(known)} of {there} are known")


def test_every_job_of_a_project_is_watched_once_whoever_dies_when() -> None:
    assert [told for seed in range(150) if (told := follows(seed))] == []


def test_a_project_that_is_put_back_too_soon_loses_jobs() -> None:
    assert any(follows(seed, too_soon=True) for seed in range(50))


# --- on a server -----------------------------------------------------------------------------------------------------


@asynccontextmanager
async def working(at: ServerOptions, jobs: JobServer, interval: float = 0.2) -> AsyncGenerator[Worker]:
    async with (
        Client("capydb", base_url=jobs.url_of("capydb"), token=jobs.token, pace=PACE) as client,
        at_work(Worker(client, at, follow_interval=interval)) as worker,
    ):
        yield worker


def watcher_of(at: ServerOptions, jobs: JobServer) -> Watcher:
    return Watcher(at.url, api="capydb", base_url=jobs.url_of("capydb"))


@pytest.mark.slow
async def test_all_that_a_project_starts_is_watched_once_by_two_workers(at: ServerOptions) -> None:
    with JobServer() as jobs:
        for number in range(3):
            jobs.add("capydb", f"first{number}", [("running", 0.0), ("completed", 3.0)], project_id="p 1")
        jobs.add("capydb", "over", ["completed"], project_id="p 1")
        jobs.add("capydb", "another", ["running"], project_id="q")
        async with working(at, jobs), working(at, jobs), watcher_of(at, jobs) as watcher:
            assert await watcher.add_project("p 1")
            assert not await watcher.add_project("p 1")
            told = await read(watcher, ends(3))
            for number in range(5):
                jobs.add("capydb", f"then{number}", [("running", 0.0), ("completed", 0.3)], project_id="p 1")
            told += await read(watcher, ends(5))
            assert Counter(change.job_id for change in told if change.status == "completed") == Counter(
                [f"first{number}" for number in range(3)] + [f"then{number}" for number in range(5)]
            )
            (project,) = [each async for each in watcher.projects()]
            assert (project.project_id, project.listed, project.fault) == ("p 1", 9, None)
            assert await watcher.drop_project("p 1")
            assert not await watcher.drop_project("p 1")
            await asyncio.sleep(0.5)
            lists = sum(request.project_id is not None for request in jobs.requests)
            await asyncio.sleep(0.7)
            assert sum(request.project_id is not None for request in jobs.requests) == lists
            assert [each async for each in watcher.projects()] == []


@pytest.mark.slow
async def test_a_project_that_is_woken_is_listed_and_what_has_changed_is_looked_at(at: ServerOptions) -> None:
    with JobServer() as jobs:
        old, still = (jobs.add("capydb", name, ["running"], project_id="p") for name in ("old", "still"))
        client = Client("capydb", base_url=jobs.url_of("capydb"), token=jobs.token, pace=SELDOM)
        async with client, at_work(Worker(client, at, follow_interval=3600.0)), watcher_of(at, jobs) as watcher:
            assert watcher.wake_project("p"), "which is not followed"
            await watcher.add_project("p")
            await read(watcher, count(2))
            old.advance("completed")
            jobs.add("capydb", "new", ["completed"], project_id="p")
            looks = still.looks
            assert watcher.wake_project("p")
            assert watcher.wake_project("p")
            told = await read(watcher, ends(2))
            assert {change.job_id for change in told if change.kind is ChangeKind.END} == {"old", "new"}
            assert still.looks == looks, "the list shows no news of it"
            assert sum(request.project_id is not None for request in jobs.requests) == 2
        assert not watcher.wake_project("p"), "it is closed"


@pytest.mark.slow
async def test_a_project_is_followed_on_by_the_next_worker_and_nothing_is_missed(at: ServerOptions) -> None:
    with JobServer() as jobs:
        async with watcher_of(at, jobs) as watcher:
            async with working(at, jobs):
                await watcher.add_project("p")
                await until(lambda: any(request.project_id for request in jobs.requests))
                await asyncio.sleep(0.2)
            jobs.add("capydb", "j", ["completed"], project_id="p")  # while no worker runs
            async with working(at, jobs):
                assert (await read(watcher, ends(1)))[-1].job_id == "j"


@pytest.mark.slow
async def test_a_list_that_fails_is_told_and_tried_again(at: ServerOptions) -> None:
    with JobServer() as jobs:
        jobs.add("capydb", "j", ["running"], project_id="p")
        jobs.trouble(Trouble.status(500), times=2)
        async with working(at, jobs, interval=0.6), watcher_of(at, jobs) as watcher:
            await watcher.add_project("p")
            await until(lambda: len(jobs.requests) >= 1)
            await asyncio.sleep(0.2)
            (project,) = [each async for each in watcher.projects()]
            assert project.listed is None
            assert "500" in (project.fault or "")
            assert [change.status for change in await read(watcher, count(1))] == ["pending"]
            (project,) = [each async for each in watcher.projects()]
            assert project.fault is None


@pytest.mark.slow
async def test_what_cannot_be_followed_is_refused(at: ServerOptions) -> None:
    async with Watcher(at.url, api="bedrock") as watcher:
        with pytest.raises(ConfigError, match="documents no list of jobs"):
            await watcher.add_project("p")
    async with Watcher(at.url, api="capydb", base_url="http://127.0.0.1:9") as watcher:
        with pytest.raises(ConfigError):
            await watcher.add_project("")
    async with await connect(at, "test") as connection:
        assert (await open_streams(connection, "mine-1")).replicas == 1
