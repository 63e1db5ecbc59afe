"""A user's source: whatever it returns or raises, in whatever thread, is a fault of that job alone or its answer."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Sequence
from typing import Any

import pytest

from jobwatch import (
    UNCHANGED,
    Client,
    ConfigError,
    Fault,
    FaultKind,
    Job,
    JobFailed,
    JobNotFound,
    Outcome,
    Pace,
    Phase,
    Unreachable,
    UnreadableReply,
)
from jobwatch._engine.adapter import TIME_LIMIT
from jobwatch.testing import FakeSource
from tests.virtual import on_virtual_clock

QUICK = Pace(min_interval=0.01, max_interval=0.02)
RUNNING, DONE = Phase.RUNNING, Phase.SUCCEEDED


def job(job_id: str, phase: Phase = DONE) -> Job:
    return Job(id=job_id, api="mine", status=phase.value, phase=phase)


def client_of(source: Any, **options: Any) -> Client:
    kept: dict[str, Any] = {"pace": QUICK, "unreachable_after": 0.2, "appear_within": 0.05}
    return Client(source=source, **(kept | options))


@on_virtual_clock
async def test_a_source_is_awaited_and_iterated_as_an_api_is() -> None:
    source = FakeSource("mine", delay=0.1)
    source.add("a", Phase.PENDING, RUNNING, UNCHANGED, DONE)
    source.add("b", Phase.FAILED)
    async with client_of(source) as client:
        assert client.name == "mine"
        assert [change.status async for change in client.wait_for("a")] == ["pending", "running", "succeeded"]
        with pytest.raises(JobFailed):
            await client.wait_for("b")
        with pytest.raises(JobNotFound):
            await client.wait_for("c")
        assert (await client.job("a")).api == "mine"
    assert source.asked[:4] == ["a"] * 4


@on_virtual_clock
async def test_a_project_of_a_source_is_listed_and_watched_by_lists() -> None:
    source = FakeSource("mine")
    for job_id in ("a", "b"):
        source.add(job_id, RUNNING, project_id="p")
    async with client_of(source) as client:
        assert [each.id for each in await client.jobs("p")] == ["b", "a"]
    with pytest.raises(ConfigError, match="documents no list of jobs"):
        await client_of(Plain()).jobs("p")


class Plain:
    """Blocks, as most SDKs do."""

    key = "mine"

    def __init__(self, *, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.threads: set[int] = set()
        self.under_way = self.most = 0
        self._lock = threading.Lock()

    def job(self, job_id: str, /) -> Job:
        with self._lock:
            self.threads.add(threading.get_ident())
            self.under_way += 1
            self.most = max(self.most, self.under_way)
        time.sleep(self.seconds)
        with self._lock:
            self.under_way -= 1
        return job(job_id)


async def test_a_plain_call_runs_in_a_thread_and_no_more_at_once_than_requests_may() -> None:
    source = Plain(seconds=0.02)
    async with client_of(source, max_in_flight=3) as client:
        await client.wait_all([f"job_{number}" for number in range(9)])
    assert threading.get_ident() not in source.threads
    assert source.most == 3


async def test_a_call_that_nobody_waits_for_any_more_is_left_to_end_by_itself() -> None:
    entered, release = threading.Event(), threading.Event()

    class Stuck:
        key = "mine"

        def job(self, job_id: str, /) -> Job:
            entered.set()
            release.wait(5.0)
            return job(job_id)

    began = time.monotonic()
    async with client_of(Stuck()) as client:
        waiting = asyncio.create_task(client.wait_for("a"))
        await asyncio.to_thread(entered.wait, 5.0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert time.monotonic() - began < 2.0
    release.set()


class Later:
    """A plain function that returns something to be awaited."""

    key = "mine"

    def job(self, job_id: str, /) -> Awaitable[Job]:
        return asyncio.sleep(0, job(job_id))


async def test_what_a_plain_call_returns_may_have_to_be_awaited() -> None:
    async with client_of(Later()) as client:
        assert (await client.wait_for("a")).id == "a"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "error", "told"),
    [
        (ZeroDivisionError("sk_secret"), Unreachable, "the source raised ZeroDivisionError"),
        (UnreadableReply(Fault(FaultKind.REFUSED, "not yours")), UnreadableReply, "not yours"),
        (Fault(FaultKind.AUTH, "expired"), Exception, "expired"),
        (job("other"), UnreadableReply, "it told of job other"),
        (TimeoutError(), Unreachable, "the source raised TimeoutError"),
    ],
)
async def test_whatever_a_source_says_is_a_fault_of_that_job_alone(
    answer: Any, error: type[Exception], told: str
) -> None:
    source = FakeSource("mine")
    source.add("odd", answer)
    source.add("good", RUNNING, RUNNING, DONE)
    async with client_of(source) as client:
        odd = asyncio.ensure_future(client.wait_for("odd"))
        assert (await client.wait_for("good")).phase is DONE
        with pytest.raises(error, match=told) as raised:
            await odd
    assert "sk_secret" not in str(raised.value)


@pytest.mark.slow
@pytest.mark.parametrize("told", [None, "done", {"id": "a"}, [job("a")]])
async def test_what_is_no_job_is_told(told: object) -> None:
    class Odd:
        key = "mine"

        async def job(self, _job_id: str, /) -> Any:
            return told

    async with client_of(Odd()) as client:
        with pytest.raises(UnreadableReply, match="which is neither Job, Fault nor UNCHANGED"):
            await client.wait_for("a")


@on_virtual_clock
async def test_a_call_that_never_returns_counts_as_a_fault_and_holds_up_nobody_else() -> None:
    class Hanging(FakeSource):
        async def job(self, job_id: str, /) -> Any:
            if job_id == "hangs":
                await asyncio.sleep(1e6)
            return await super().job(job_id)

    source = Hanging("mine")
    source.add("good", RUNNING, DONE)
    loop = asyncio.get_running_loop()
    async with client_of(source, unreachable_after=0.0) as client:
        hanging = client.wait_for("hangs")
        task = asyncio.ensure_future(hanging)
        assert (await client.wait_for("good")).phase is DONE
        assert loop.time() < 1.0
        with pytest.raises(Unreachable, match="no answer within 30 s"):
            await task
        assert loop.time() == pytest.approx(TIME_LIMIT, abs=0.1)
        assert hanging.outcome is Outcome.UNREACHABLE


@on_virtual_clock
async def test_a_batch_asks_for_many_at_once_and_singly_for_who_is_missing() -> None:
    class Batching(FakeSource):
        batch_most = 10

        def __init__(self) -> None:
            super().__init__("mine")
            self.batches: list[list[str]] = []

        async def batch(self, job_ids: Sequence[str], /) -> list[Job]:
            self.batches.append(list(job_ids))
            return [job(job_id, RUNNING) for job_id in job_ids if job_id != "lost"]

    source = Batching()
    ids = ["lost", *(f"job_{number}" for number in range(7))]
    for job_id in ids:
        source.add(job_id, RUNNING)
    async with client_of(source, pace=Pace(min_interval=1.0, max_interval=5.0)) as client:
        waits = [client.wait_for(job_id, timeout=60.0, check=False) for job_id in ids]
        tasks = [asyncio.ensure_future(wait) for wait in waits]
        await asyncio.sleep(20.0)
        assert max(map(len, source.batches)) >= 7
        assert {wait.job.status for wait in waits if wait.job is not None} == {"running"}
        assert "lost" in source.asked
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("source", [object(), FakeSource(""), type("NoJob", (), {"key": "x"})()])
def test_what_is_no_source_is_refused(source: Any) -> None:
    with pytest.raises(ConfigError, match="is no source: it needs a `key`, a text, and a method"):
        Client(source=source)


@pytest.mark.parametrize("more", [{"api": "bedrock"}, {"token": "t"}, {"base_url": "http://x"}, {"params": {"a": "b"}}])
def test_a_source_has_its_own_address_and_token(more: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="leave out"):
        Client(source=FakeSource(), **more)
    with pytest.raises(ConfigError, match="nothing says whom to ask"):
        Client()
    with pytest.raises(ConfigError, match="is a source, and no API"):
        assert Client(source=FakeSource()).api


@pytest.mark.parametrize("job_id", ["", "a\x00b", "\u202e"])
def test_an_id_that_cannot_be_shown_is_refused(job_id: str) -> None:
    with pytest.raises(ConfigError, match="a job id cannot be"):
        Client(source=FakeSource()).wait_for(job_id)


class Odd:
    """Tells of one job, and of another one does what it was made to do."""

    key = "odd"

    def __init__(self, told: object) -> None:
        self.told = told

    async def job(self, job_id: str) -> Any:
        if job_id == "good":
            return job("good")
        if self.told is UNCHANGED:
            return UNCHANGED
        raise asyncio.CancelledError


@pytest.mark.parametrize(("told", "error"), [(None, Unreachable), (UNCHANGED, UnreadableReply)])
@on_virtual_clock
async def test_a_call_cancelled_from_within_or_unchanged_from_the_start_is_a_fault_of_that_job_alone(
    told: object, error: type[Exception]
) -> None:
    async with client_of(Odd(told)) as client:
        with pytest.raises(error):
            await client.wait_for("odd", timeout=60.0)
        assert (await client.wait_for("good")).phase is DONE
