"""The handle of a wait: awaited, iterated, scheduled, cancelled and dropped, against a real server on loopback."""

from __future__ import annotations

import asyncio
import collections.abc
import gc
import pickle
import warnings
import weakref
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest
import pytest_asyncio

import jobwatch
from jobwatch import (
    AuthError,
    Client,
    Fault,
    FaultKind,
    Job,
    JobCancelled,
    JobFailed,
    JobNotFound,
    JobwatchError,
    LookError,
    Outcome,
    Pace,
    Phase,
    RateLimited,
    Transition,
    Unreachable,
    UnreadableReply,
    Wait,
    WaitTimeout,
)
from jobwatch._client.access import engine_of
from jobwatch.testing import HANG, FakeSource, JobServer, ServedJob, Trouble
from tests.conftest import at_most

from .conftest import client_of, in_time, own_tasks, soon
from .virtual import on_virtual_clock

ID = "job_01"


@pytest.fixture(autouse=True)
def nothing_is_left() -> collections.abc.Iterator[None]:
    """Have what is dropped by a test, with its warnings, come down in that test."""
    gc.freeze()  # what was there before need not be searched
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gc.collect()


@pytest_asyncio.fixture
async def running(job_server: JobServer) -> AsyncIterator[ServedJob]:
    yield job_server.add("bedrock", ID, ["PENDING", "RUNNING"])


async def drained(wait: Wait) -> list[str]:
    return [change.status async for change in wait]


# --- awaited and iterated ------------------------------------------------------------------------------------------


async def test_awaited_it_gives_the_finished_job(bedrock: Client, job_server: JobServer) -> None:
    job_server.add("bedrock", ID, ["PENDING", "RUNNING", ("COMPLETED", 0.05)])
    wait = bedrock.wait_for(ID)
    job = await wait
    assert (job.id, job.api, job.status, job.phase) == (ID, "bedrock", "COMPLETED", Phase.SUCCEEDED)
    assert wait.outcome is Outcome.SUCCEEDED
    assert wait.job is job
    await soon(lambda: not own_tasks())


async def test_iterated_it_gives_every_state_as_it_comes(bedrock: Client, job_server: JobServer) -> None:
    job = job_server.add("bedrock", ID, ["PENDING"])
    changes: list[Transition] = []
    async for change in bedrock.wait_for(ID):
        changes.append(change)
        if len(changes) < 3:
            job.advance(["RUNNING", "COMPLETED"][len(changes) - 1])
    assert [(change.seq, change.status, change.phase, change.gap) for change in changes] == [
        (1, "PENDING", Phase.PENDING, False),
        (2, "RUNNING", Phase.RUNNING, False),
        (3, "COMPLETED", Phase.SUCCEEDED, False),
    ]
    assert all(change.job_id == ID and change.at is not None for change in changes)
    assert abs((changes[0].seen_at - datetime.now(UTC)).total_seconds()) < 5


async def test_capydb_iterated(capydb: Client, job_server: JobServer) -> None:
    job = job_server.add("capydb", ID, ["pending"])
    changes: list[Transition] = []
    async for change in capydb.wait_for(ID):
        changes.append(change)
        if len(changes) < 3:
            job.advance(["running", "completed"][len(changes) - 1])
    assert [(change.status, change.gap, change.at is not None) for change in changes] == [
        ("pending", False, True),
        ("running", False, True),
        ("completed", False, True),
    ]


async def test_awaiting_after_iterating_costs_no_look(bedrock: Client, job_server: JobServer) -> None:
    job = job_server.add("bedrock", ID, ["PENDING", "RUNNING", "COMPLETED"])
    wait = bedrock.wait_for(ID)
    assert await drained(wait) == ["PENDING", "RUNNING", "COMPLETED"]
    assert (await wait).phase is Phase.SUCCEEDED
    assert (await wait).phase is Phase.SUCCEEDED
    assert await drained(wait) == []
    assert job.looks == 1


async def test_iterating_after_awaiting_tells_the_whole_way(bedrock: Client, job_server: JobServer) -> None:
    job = job_server.add("bedrock", ID, ["PENDING", "RUNNING", "COMPLETED"])
    wait = bedrock.wait_for(ID)
    await wait
    assert await drained(wait) == ["PENDING", "RUNNING", "COMPLETED"]
    assert job.looks == 1


async def test_iterating_goes_on_where_it_was_left(bedrock: Client, running: ServedJob) -> None:
    wait = bedrock.wait_for(ID)
    assert (await anext(wait)).status == "PENDING"
    assert (await anext(wait)).status == "RUNNING"
    running.advance("COMPLETED")
    assert (await wait).status == "COMPLETED"
    assert await drained(wait) == ["COMPLETED"]


async def test_nothing_is_sent_before_the_first_await(bedrock: Client, job_server: JobServer) -> None:
    waits = [bedrock.wait_for(ID) for _ in range(3)]
    bedrock.as_completed([ID])
    await asyncio.sleep(0.01)
    assert job_server.requests == []
    assert [(wait.job, wait.watched, wait.outcome) for wait in waits] == [(None, None, None)] * 3


async def test_a_wait_that_has_begun_lets_go_of_what_it_was_made_with(bedrock: Client, job_server: JobServer) -> None:
    job_server.add("bedrock", ID, ["COMPLETED"])
    wait = bedrock.wait_for(ID)
    made_with = weakref.ref(wait._enter)
    assert (await wait).status == "COMPLETED"
    assert made_with() is None
    assert await wait is wait.job, "and needs it no more"


async def test_what_is_known_so_far(bedrock: Client, running: ServedJob) -> None:
    async with bedrock.wait_for(ID) as wait:
        await anext(wait)
        assert wait.job is not None
        assert wait.job.status == "RUNNING"
        assert wait.watched is not None
        assert (wait.watched.job_id, wait.watched.seq, wait.outcome) == (ID, 2, None)


# --- how the job ended ---------------------------------------------------------------------------------------------


async def test_a_failed_job_raises_with_the_job(bedrock: Client, job_server: JobServer) -> None:
    job_server.add("bedrock", ID, ["PENDING", "RUNNING", "FAILED"], shape="vision", error="no such sheet")
    wait = bedrock.wait_for(ID)
    with pytest.raises(JobFailed, match=r"job job_01 ended FAILED: PROCESSING_ERROR: no such sheet") as caught:
        await wait
    assert caught.value.job.status == "FAILED"
    assert caught.value.job.error is not None
    assert caught.value.job.error.message == "no such sheet"
    assert wait.outcome is Outcome.FAILED
    again = pickle.loads(pickle.dumps(caught.value))
    assert again.job.error == caught.value.job.error


@pytest.mark.parametrize("word", ["Canceled", "CANCELLED", "cancelled"])
async def test_a_cancelled_job_raises(bedrock: Client, job_server: JobServer, word: str) -> None:
    job_server.add("bedrock", ID, ["Queued", word], shape="vision")
    with pytest.raises(JobCancelled) as caught:
        await bedrock.wait_for(ID)
    assert caught.value.job.status == word


@pytest.mark.parametrize("word", ["FAILED", "error", "Canceled"])
async def test_unchecked_it_gives_the_job_however_it_ended(bedrock: Client, job_server: JobServer, word: str) -> None:
    job_server.add("bedrock", ID, ["PENDING", word])
    assert (await bedrock.wait_for(ID, check=False)).status == word


async def test_iterating_a_failing_job_ends_without_raising(bedrock: Client, job_server: JobServer) -> None:
    job_server.add("bedrock", ID, ["PENDING", "RUNNING", "FAILED"])
    wait = bedrock.wait_for(ID)
    assert await drained(wait) == ["PENDING", "RUNNING", "FAILED"]
    for _ in range(2):
        with pytest.raises(JobFailed):
            await wait


@pytest.mark.slow
async def test_row_79_an_unknown_word_is_waited_out(bedrock: Client, job_server: JobServer) -> None:
    job = job_server.add("bedrock", ID, ["PENDING", "ARCHIVING"])
    wait = bedrock.wait_for(ID)
    task = asyncio.create_task(drained(wait))
    await in_time(job.looked(4))
    assert not task.done()
    job.advance("COMPLETED")
    assert await task == ["PENDING", "ARCHIVING", "COMPLETED"]


# --- as a coroutine ------------------------------------------------------------------------------------------------


async def test_it_is_a_coroutine_to_whatever_takes_one(bedrock: Client, job_server: JobServer) -> None:
    job_server.add("bedrock", ID, ["PENDING", ("COMPLETED", 0.03)])
    assert isinstance(bedrock.wait_for(ID), collections.abc.Coroutine)
    assert asyncio.iscoroutine(bedrock.wait_for(ID))
    assert (await asyncio.create_task(bedrock.wait_for(ID))).status == "COMPLETED"
    async with asyncio.TaskGroup() as group:
        task = group.create_task(bedrock.wait_for(ID), name="mine")
    assert task.result().status == "COMPLETED"
    first, second = await asyncio.gather(bedrock.wait_for(ID), bedrock.wait_for(ID))
    assert first.status == second.status == "COMPLETED"
    async with anyio.create_task_group() as nursery:
        nursery.start_soon(bedrock.wait_for, ID)
    done, _ = await asyncio.wait([asyncio.ensure_future(bedrock.wait_for(ID))])
    assert done.pop().result().status == "COMPLETED"
    async with at_most(1):
        assert (await bedrock.wait_for(ID)).status == "COMPLETED"
    assert (await asyncio.wait_for(bedrock.wait_for(ID), 1)).status == "COMPLETED"
    assert (await asyncio.shield(bedrock.wait_for(ID))).status == "COMPLETED"


def test_asyncio_run_takes_it() -> None:
    async def main() -> Job:
        async with JobServer() as server, client_of(server) as client:
            server.add("bedrock", ID, ["COMPLETED"])
            return await client.wait_for(ID)

    assert asyncio.run(main(), debug=True).status == "COMPLETED"


async def test_it_works_in_debug_mode(bedrock: Client, running: ServedJob) -> None:
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    try:
        wait = bedrock.wait_for(ID)
        task = asyncio.create_task(wait)
        await in_time(running.looked(2))
        assert "Wait" in repr(task)
        assert task.get_stack()
        running.advance("COMPLETED")
        assert (await task).status == "COMPLETED"
        assert (wait.cr_running, wait.cr_suspended, wait.cr_frame) == (False, False, None)
    finally:
        loop.set_debug(False)


async def test_what_it_raises_goes_through_a_task_and_a_group(bedrock: Client, job_server: JobServer) -> None:
    job_server.add("bedrock", ID, ["FAILED"])
    with pytest.raises(JobFailed):
        await asyncio.create_task(bedrock.wait_for(ID))
    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.TaskGroup() as group:
            group.create_task(bedrock.wait_for(ID))
    assert caught.group_contains(JobFailed)
    results = await asyncio.gather(bedrock.wait_for(ID), return_exceptions=True)
    assert isinstance(results[0], JobFailed)


async def test_a_task_that_is_cancelled_before_it_began(bedrock: Client, job_server: JobServer) -> None:
    task = asyncio.create_task(bedrock.wait_for(ID))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert job_server.requests == []


async def test_closed_before_it_began_it_is_gone(bedrock: Client) -> None:
    wait = bedrock.wait_for(ID)
    wait.close()
    await wait.aclose()
    assert wait.outcome is None


# --- sharing -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_waits_for_one_job_share_its_looks(bedrock: Client, running: ServedJob) -> None:
    tasks = [asyncio.create_task(bedrock.wait_for(ID)) for _ in range(5)]
    streams = [asyncio.create_task(drained(bedrock.wait_for(ID))) for _ in range(5)]
    await in_time(running.looked(3))
    running.advance("COMPLETED")
    looks = running.looks
    jobs = await asyncio.gather(*tasks)
    assert {job.status for job in jobs} == {"COMPLETED"}
    assert await asyncio.gather(*streams) == [["PENDING", "RUNNING", "COMPLETED"]] * 5
    assert running.looks <= looks + 2


@pytest.mark.slow
async def test_the_looks_of_many_waits_are_no_more_than_those_of_one(job_server: JobServer) -> None:
    counts = []
    for waits in (1, 20):
        job = job_server.add("bedrock", f"job_{waits}", ["RUNNING", ("COMPLETED", 0.1)])
        async with client_of(job_server) as client:
            await asyncio.gather(*(client.wait_for(job.id) for _ in range(waits)))
        counts.append(job.looks)
    assert counts[1] <= counts[0] * 1.5 + 3


async def test_a_late_listener_hears_it_all(bedrock: Client, running: ServedJob) -> None:
    early = bedrock.wait_for(ID)
    await anext(early)
    await in_time(running.looked(2))
    late = asyncio.create_task(drained(bedrock.wait_for(ID)))
    await asyncio.sleep(0)
    running.advance("COMPLETED")
    assert await late == ["PENDING", "RUNNING", "COMPLETED"]
    assert (await early).status == "COMPLETED"


@pytest.mark.slow
async def test_a_slow_listener_loses_nothing(bedrock: Client, running: ServedJob) -> None:
    slow = bedrock.wait_for(ID)
    seen = [(await anext(slow)).status]
    for word in ("PAUSED", "RUNNING", "COMPLETED"):
        running.advance(word)
        await in_time(running.looked(running.looks + 2)) if word != "COMPLETED" else await bedrock.wait_for(ID)
    assert seen + await drained(slow) == ["PENDING", "RUNNING", "PAUSED", "RUNNING", "COMPLETED"]


async def test_one_that_leaves_takes_nothing_from_the_others(bedrock: Client, running: ServedJob) -> None:
    leaving, staying = bedrock.wait_for(ID), bedrock.wait_for(ID)
    await anext(leaving)
    task = asyncio.create_task(drained(staying))
    await asyncio.sleep(0)
    await leaving.aclose()
    await leaving.aclose()
    running.advance("COMPLETED")
    assert await task == ["PENDING", "RUNNING", "COMPLETED"]


# --- leaving early -------------------------------------------------------------------------------------------------


async def no_more_looks(job: ServedJob) -> None:
    """Check that nothing is sent any more, and nothing left that could."""
    await soon(lambda: not own_tasks())
    await asyncio.sleep(0.03)  # what was sent before it was stopped may still be on its way
    looks = job.looks
    await asyncio.sleep(0.04)
    assert job.looks == looks


async def test_row_115_break_leaves_nothing_behind(bedrock: Client, running: ServedJob) -> None:
    async for change in bedrock.wait_for(ID):
        if change.status == "RUNNING":
            break
    await no_more_looks(running)


@pytest.mark.slow
async def test_break_out_of_a_kept_handle_goes_on_until_it_is_closed(bedrock: Client, running: ServedJob) -> None:
    wait = bedrock.wait_for(ID)
    async for _ in wait:
        break
    await in_time(running.looked(3))
    await wait.aclose()
    await no_more_looks(running)
    with pytest.raises(JobwatchError, match="stopped before the job ended"):
        await wait


async def test_row_115_an_exception_inside_the_loop_leaves_nothing_behind(bedrock: Client, running: ServedJob) -> None:
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 - the loop is what is tested
        async for _ in bedrock.wait_for(ID):
            raise ZeroDivisionError
    await no_more_looks(running)


@pytest.mark.slow
async def test_row_109_cancelling_leaves_nothing_behind(bedrock: Client, running: ServedJob) -> None:
    for make in (bedrock.wait_for, lambda job_id: drained(bedrock.wait_for(job_id))):
        task: asyncio.Task[Any] = asyncio.create_task(make(ID))
        await in_time(running.looked(running.looks + 2))
        task.cancel("enough")
        with pytest.raises(asyncio.CancelledError):
            await task
        del task
        await no_more_looks(running)


@pytest.mark.slow
async def test_asyncio_timeout_around_it(bedrock: Client, running: ServedJob) -> None:
    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(0.05):
            await bedrock.wait_for(ID)
    assert not isinstance(caught.value, WaitTimeout)
    with anyio.move_on_after(0.05) as scope:
        await bedrock.wait_for(ID)
    assert scope.cancelled_caught
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(bedrock.wait_for(ID), 0.05)
    await no_more_looks(running)


async def cancelled_after(steps: int, client: Client) -> Job | BaseException:
    task = asyncio.create_task(client.wait_for(ID))
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    return (await asyncio.gather(task, return_exceptions=True))[0]


@pytest.mark.slow
async def test_row_109_cancelled_at_any_point_it_leaves_nothing(job_server: JobServer) -> None:
    job = job_server.add("bedrock", ID, ["PENDING", "RUNNING"])
    async with client_of(job_server) as client:
        for steps in range(60):
            assert isinstance(await cancelled_after(steps, client), asyncio.CancelledError)
        await no_more_looks(job)
        job.advance("COMPLETED")
        assert (await client.wait_for(ID)).status == "COMPLETED"


async def test_row_110_cancelled_as_the_job_ends_the_cancel_or_the_job_comes_out(job_server: JobServer) -> None:
    job_server.add("bedrock", ID, ["COMPLETED"])
    async with client_of(job_server) as client:
        ends = {type(await cancelled_after(steps, client)) for steps in [*range(80), 10_000]}
        assert ends == {asyncio.CancelledError, Job}
        await soon(lambda: not own_tasks())


async def test_row_115_a_wait_dropped_in_a_task_that_is_dropped(bedrock: Client, running: ServedJob) -> None:
    async def half_way() -> None:
        wait = bedrock.wait_for(ID)
        await anext(wait)

    await half_way()
    await no_more_looks(running)


# --- timing out ----------------------------------------------------------------------------------------------------


async def test_row_98_the_wait_times_out_with_what_was_seen(
    bedrock: Client, job_server: JobServer, running: ServedJob
) -> None:
    wait = bedrock.wait_for(ID, timeout=0.05)
    with pytest.raises(WaitTimeout, match=r"job job_01 did not end within 0\.05 s \(last seen RUNNING\)") as caught:
        await wait
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.job is not None
    assert (caught.value.job.status, caught.value.fault, caught.value.timeout) == ("RUNNING", None, 0.05)
    assert wait.outcome is Outcome.TIMEOUT
    with pytest.raises(WaitTimeout):
        await wait
    await no_more_looks(running)
    assert {request.method for request in job_server.requests} == {"GET"}, "the job itself is left alone"


async def test_iterating_raises_the_time_out_too(bedrock: Client, running: ServedJob) -> None:
    wait = bedrock.wait_for(ID, timeout=0.05)
    assert [(await anext(wait)).status, (await anext(wait)).status] == ["PENDING", "RUNNING"]
    for _ in range(2):
        with pytest.raises(WaitTimeout):
            await anext(wait)
    await no_more_looks(running)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("status", "error", "outcome"),
    [(401, AuthError, Outcome.AUTH), (409, UnreadableReply, Outcome.UNREADABLE)],
)
async def test_rows_28_33_one_refusal_after_a_good_look_is_no_verdict_but_the_last_one_is(
    job_server: JobServer,
    bedrock: Client,
    running: ServedJob,
    *,
    status: int,
    error: type[LookError],
    outcome: Outcome,
) -> None:
    wait = bedrock.wait_for("job_01", timeout=5)
    assert (await anext(wait)).status == "PENDING"
    job_server.trouble(Trouble.status(status), times=2)
    await running.looked(4)
    assert wait.outcome is None
    job_server.trouble(Trouble.status(status))
    late = bedrock.wait_for("job_01", timeout=0.1)
    with pytest.raises(error):
        await late
    assert late.outcome is outcome
    wait.close()


async def test_a_timeout_of_zero_is_one_look(bedrock: Client, running: ServedJob) -> None:
    with pytest.raises(WaitTimeout, match="last seen RUNNING"):
        await bedrock.wait_for(ID, timeout=0)
    assert running.looks == 1
    running.advance("COMPLETED")
    assert (await bedrock.wait_for(ID, timeout=0)).status == "COMPLETED"
    assert running.looks == 2


async def test_a_time_out_names_the_last_fault(job_server: JobServer, running: ServedJob) -> None:
    job_server.trouble(Trouble.status(503), None)
    async with client_of(job_server, unreachable_after=60.0) as client:
        with pytest.raises(Unreachable, match=r"never read within 0.05 s: the API is in trouble.*HTTP 503") as caught:
            await client.wait_for(ID, timeout=0.05)
    assert caught.value.fault.http_status == 503


def now() -> float:
    return asyncio.get_running_loop().time()


@on_virtual_clock
async def test_row_98_one_last_look_is_asked_for_early_enough_to_be_answered_in_time() -> None:
    source = FakeSource(delay=0.25)
    source.add(ID, ["running"])
    async with Client(source=source) as client:
        with pytest.raises(WaitTimeout):
            await client.wait_for(ID, timeout=3600)
        assert now() == pytest.approx(3600, abs=0.01), "and no sooner than the time is over"
    assert source.times()[-1] == pytest.approx(3599.5, abs=0.01), "twice as early as answers took"


@on_virtual_clock
async def test_a_job_that_ends_just_before_the_deadline_is_seen() -> None:
    source = FakeSource()
    source.add(ID, [("running", 0), ("completed", 3599.9)])
    async with Client(source=source) as client:
        assert (await client.wait_for(ID, timeout=3600)).status == "completed"


@on_virtual_clock
async def test_a_server_that_hangs_does_not_hold_the_time_out_for_long() -> None:
    source = FakeSource(delay=HANG)
    async with Client(source=source) as client:
        with pytest.raises(Unreachable, match=r"never read within 10 s: the source did not answer$"):
            await client.wait_for(ID, timeout=10)
        assert now() == pytest.approx(10.0), "there is no more time for a look that is hopeless"
    assert len(source.asked) == 1


@pytest.mark.parametrize(
    ("limit", "error", "ends"),
    [
        (0, WaitTimeout, 0.5),
        (0.05, WaitTimeout, 0.5),
        (0.5, WaitTimeout, 0.75),
        (0.8, Unreachable, 1.05),
        (1, Unreachable, 1.25),
        (3, Unreachable, 3.0),
        (20, Unreachable, 20.0),
    ],
)
@on_virtual_clock
async def test_a_limit_is_kept_whatever_the_server_does(limit: float, error: type[JobwatchError], ends: float) -> None:
    async with Client(source=FakeSource(delay=HANG)) as client:
        wait = client.wait_for(ID, timeout=limit)
        with pytest.raises(error, match=r"never read.*: the source did not answer"):
            await wait
        assert now() == pytest.approx(ends, abs=0.001)
        assert wait.outcome is (Outcome.TIMEOUT if error is WaitTimeout else Outcome.UNREACHABLE)
        assert wait.fault is not None


@on_virtual_clock
async def test_a_limit_too_short_for_a_healthy_server_is_no_outage() -> None:
    source = FakeSource(delay=0.8)
    source.add(ID, ["completed"])
    async with Client(source=source) as client:
        with pytest.raises(WaitTimeout, match=r"never read; last look: the source did not answer within 0\.5 s"):
            await client.wait_for(ID, timeout=0.05)
    source = FakeSource(delay=0.4)
    source.add(ID, ["completed"])
    async with Client(source=source) as client:
        assert (await client.wait_for(ID, timeout=0)).phase is Phase.SUCCEEDED, "a look is given half a second"


@on_virtual_clock
async def test_what_an_earlier_wait_has_read_does_not_make_an_api_reachable() -> None:
    source = FakeSource()
    source.add(ID, ["running"])
    async with Client(source=source) as client:
        earlier = client.wait_for(ID, timeout=1)
        with pytest.raises(WaitTimeout):
            await earlier
    assert earlier.watched is not None
    async with Client(source=FakeSource(delay=HANG)) as client:
        with pytest.raises(Unreachable, match=r"never read within 3 s: the source did not answer"):
            await client.wait_for(earlier.watched, timeout=3)


@on_virtual_clock
async def test_a_job_that_never_had_its_turn_is_no_outage() -> None:
    source = FakeSource()
    source.add("first", ["running"])
    source.add("second", ["running"])
    async with Client(source=source, max_rate=0.01) as client:
        first, second = client.wait_for("first", timeout=3), client.wait_for("second", timeout=3)
        ended = await asyncio.gather(first, second, return_exceptions=True)
        assert [type(each) for each in ended] == [WaitTimeout, WaitTimeout]
        assert str(ended[1]).endswith("(never read)")
    assert len(source.asked) == 1


@on_virtual_clock
async def test_a_first_look_without_an_answer_is_worth_a_word() -> None:
    source = FakeSource(delay=8.0)
    source.add(ID, ["running"])
    async with Client(source=source, pace=Pace(min_interval=0.5, max_interval=0.5)) as client:
        wait = client.wait_for(ID, timeout=20)
        waiting = asyncio.ensure_future(anext(wait))
        await asyncio.sleep(4.9)
        assert wait.fault is None
        await asyncio.sleep(0.2)
        assert str(wait.fault) == "the source did not answer within 5.1 s"
        await waiting
        assert wait.fault is None
        with pytest.raises(WaitTimeout, match="last seen running; last look: the source did not answer within"):
            await wait


@on_virtual_clock
async def test_a_time_limit_ends_within_a_pause_that_the_api_has_asked_for() -> None:
    source = FakeSource(delay=0.2)
    source.add(ID, ["running"])
    source.trouble()  # the first answer is the true one
    source.trouble(Fault(FaultKind.RATE_LIMITED, "later", 429, retry_after=60.0), times=9)
    async with Client(source=source) as client:
        with pytest.raises(WaitTimeout, match="later"):
            await client.wait_for(ID, timeout=10)
        assert now() == pytest.approx(10.0, abs=0.01)


@on_virtual_clock
async def test_the_time_out_of_one_wait_is_not_that_of_another() -> None:
    source = FakeSource()
    source.add(ID, [("running", 0), ("completed", 100)])
    async with Client(source=source) as client:
        short, long = client.wait_for(ID, timeout=5), client.wait_for(ID, timeout=500)
        first, second = await asyncio.gather(short, long, return_exceptions=True)
    assert isinstance(first, WaitTimeout)
    assert isinstance(second, Job)


@on_virtual_clock
async def test_the_time_counts_from_the_first_await() -> None:
    source = FakeSource()
    source.add(ID, [("running", 0), ("completed", 100)])
    async with Client(source=source) as client:
        wait = client.wait_for(ID, timeout=30)
        await asyncio.sleep(80)
        assert (await wait).status == "completed"


# --- looks that fail -----------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("trouble", "error", "outcome", "text"),
    [
        (Trouble.status(401), AuthError, Outcome.AUTH, r"refused the token.*HTTP 401, code UNAUTHORIZED, request req_"),
        (Trouble.status(403), AuthError, Outcome.AUTH, r"You do not have access.*HTTP 403, code FORBIDDEN"),
        (Trouble.status(404), JobNotFound, Outcome.NOT_FOUND, r"HTTP 404, code NOT_FOUND"),
        (Trouble.status(410), JobNotFound, Outcome.NOT_FOUND, r"HTTP 410"),
        (Trouble.status(503), Unreachable, Outcome.UNREACHABLE, r"HTTP 503"),
        (Trouble.status(500), Unreachable, Outcome.UNREACHABLE, r"HTTP 500"),
        (Trouble.html(), UnreadableReply, Outcome.UNREADABLE, r"the reply is HTML"),
        (Trouble.empty(), UnreadableReply, Outcome.UNREADABLE, r"the reply is empty"),
        (Trouble.truncated(), UnreadableReply, Outcome.UNREADABLE, r"cut off"),
        (Trouble.truncated(framing="chunked"), UnreadableReply, Outcome.UNREADABLE, r"cut off"),
        (Trouble.truncated(framing="close"), UnreadableReply, Outcome.UNREADABLE, r"not JSON"),
        (Trouble.wrong_job(), UnreadableReply, Outcome.UNREADABLE, r"about job job_of_somebody_else, not about job_01"),
        (Trouble.status(400), UnreadableReply, Outcome.UNREADABLE, r"the API refused the request.*code BAD_REQUEST"),
        (Trouble.status(402), UnreadableReply, Outcome.UNREADABLE, r"INSUFFICIENT_CREDITS"),
        (Trouble.redirect("http://evil.test/jobs/job_01"), UnreadableReply, Outcome.UNREADABLE, r"another origin"),
        (Trouble.disconnect(), Unreachable, Outcome.UNREACHABLE, r"connection to 127\.0\.0\.1 was lost"),
        (Trouble.reset(), Unreachable, Outcome.UNREACHABLE, r"was lost"),
        (Trouble.raw(b"SSH-2.0\r\n\r\n"), UnreadableReply, Outcome.UNREADABLE, r"not valid HTTP"),
    ],
    ids=lambda value: f"{value.kind.name}-{value.code}" if isinstance(value, Trouble) else "",
)
async def test_rows_28_29_33_34_39_91_every_trouble_has_its_error(
    job_server: JobServer, trouble: Trouble, error: type[LookError], outcome: Outcome, text: str
) -> None:
    job_server.add("bedrock", ID, ["COMPLETED"])
    job_server.trouble(trouble, None)
    async with client_of(job_server, unreachable_after=0.03, appear_within=0.03) as client:
        for go in (lambda wait: wait, drained):
            wait = client.wait_for(ID)
            with pytest.raises(error, match=text) as caught:
                await in_time(go(wait))
            assert type(caught.value) is error
            assert caught.value.job_id == ID
            assert caught.value.__cause__ is None
            assert wait.outcome is outcome
            assert pickle.loads(pickle.dumps(caught.value)).fault == caught.value.fault
            await soon(lambda: not own_tasks())


@pytest.mark.slow
@pytest.mark.parametrize(
    "trouble",
    [
        Trouble.status(503),
        Trouble.status(404),
        Trouble.throttled("0", 503),
        Trouble.html(),
        Trouble.empty(),
        Trouble.body(b"{}"),
        Trouble.body(b"[" * 100_000),
        Trouble.truncated(),
        Trouble.disconnect(),
        Trouble.wrong_job(),
    ],
    ids=lambda trouble: f"{trouble.kind.name}-{trouble.code}",
)
async def test_rows_3_24_39_61_68_91_trouble_that_passes_is_waited_out(
    bedrock: Client, job_server: JobServer, trouble: Trouble
) -> None:
    job = job_server.add("bedrock", ID, ["PENDING", "RUNNING"])
    wait = bedrock.wait_for(ID)
    assert (await anext(wait)).status == "PENDING"
    job_server.trouble(trouble, 2)
    await in_time(job.looked(job.looks + 3))
    job.advance("COMPLETED")
    assert await drained(wait) == ["RUNNING", "COMPLETED"]


async def test_capydb_errors_reach_the_user(capydb: Client, job_server: JobServer) -> None:
    with pytest.raises(
        JobNotFound, match=r"the API knows no such job: job not found \(HTTP 404, asked http.*/v1/jobs/job_nowhere\)"
    ):
        await capydb.wait_for("job_nowhere")
    job_server.token = "another"
    with pytest.raises(AuthError, match="unauthorized"):
        await capydb.wait_for("job_nowhere")


async def test_row_31_a_job_that_appears_late_is_waited_for(bedrock: Client, job_server: JobServer) -> None:
    job_server.add("bedrock", ID, [("PENDING", 0.03), ("COMPLETED", 0.04)])
    assert await drained(bedrock.wait_for(ID)) == ["PENDING", "COMPLETED"]


async def test_row_31_a_job_that_never_appears_is_not_found_even_if_the_time_was_short(job_server: JobServer) -> None:
    async with client_of(job_server, appear_within=60.0) as client:
        wait = client.wait_for(ID, timeout=0.03)
        with pytest.raises(JobNotFound):
            await wait
        assert wait.outcome is Outcome.NOT_FOUND


async def test_a_job_that_was_seen_and_is_missing_at_the_deadline_has_timed_out(
    bedrock: Client, job_server: JobServer, running: ServedJob
) -> None:
    wait = bedrock.wait_for(ID, timeout=0.06)
    await anext(wait)
    job_server.remove(running)
    with pytest.raises(WaitTimeout, match=r"last seen RUNNING; last look: the API knows no such job"):
        await wait
    assert wait.outcome is Outcome.TIMEOUT


async def test_row_1_a_server_that_is_not_there(job_server: JobServer) -> None:
    url = job_server.url_of("bedrock")
    await job_server.aclose()
    async with Client("bedrock", token="sk_test", base_url=url, unreachable_after=0.0) as client:
        with pytest.raises(Unreachable, match=r"no connection to 127\.0\.0\.1: Connection refused"):
            await client.wait_for(ID)


async def test_row_75_server_text_is_escaped_in_errors(bedrock: Client, job_server: JobServer) -> None:
    evil = b'{"title":"\\u001b[2Jgone\\u202e","code":"A\\nB","requestId":"\\u0007"}'
    job_server.trouble(Trouble.body(evil, "application/problem+json", 400), None)
    with pytest.raises(UnreadableReply) as caught:
        await bedrock.wait_for(ID)
    assert str(caught.value).isprintable()
    assert "\\x1b[2Jgone\\u202e" in str(caught.value)
    assert "A\\nB" in str(caught.value)


@pytest.mark.parametrize(("status", "error"), [(429, RateLimited), (503, Unreachable)])
async def test_row_51_told_to_stay_away_for_longer_than_there_is_patience(
    bedrock: Client, job_server: JobServer, status: int, error: type[LookError]
) -> None:
    job_server.trouble(Trouble.throttled("3600", status))
    wait = bedrock.wait_for(ID)
    with pytest.raises(error, match=f"HTTP {status}"):
        await in_time(wait)
    assert wait.outcome is Outcome.UNREACHABLE


@on_virtual_clock
async def test_rate_limited_for_ever_without_a_word_on_how_long() -> None:
    source = FakeSource()
    source.trouble(Fault(FaultKind.RATE_LIMITED, "slowly", 429), times=1000)
    async with Client(source=source) as client:
        with pytest.raises(RateLimited, match="slowly"):
            await client.wait_for(ID)
        assert 300 <= now() <= 400
    assert len(source.asked) < 30


@pytest.mark.parametrize("kind", [FaultKind.RATE_LIMITED, FaultKind.UNREACHABLE])
@on_virtual_clock
async def test_row_37_retry_after_holds_for_the_whole_origin(kind: FaultKind) -> None:
    source = FakeSource()
    jobs = [source.add(f"job_{number}", [("running", 0), ("completed", 400)]) for number in range(3)]
    for _ in range(3):
        source.trouble(times=4)  # these are answered truly
        source.trouble(Fault(kind, "slowly", retry_after=100.0))
    async with Client(source=source) as client:
        ended = await client.wait_all([job.id for job in jobs])
    told = source.times()[4:15:5]
    assert not [sent for sent in source.times() for when in told if when < sent < when + 100]
    assert now() > 300
    assert [job.status for job in ended] == ["completed"] * 3


@on_virtual_clock
async def test_a_deadline_within_retry_after_makes_no_look() -> None:
    source = FakeSource()
    source.trouble(Fault(FaultKind.RATE_LIMITED, "slowly", 429, retry_after=100.0), times=9)
    async with Client(source=source) as client:
        with pytest.raises(RateLimited, match="never read within 50 s: slowly"):
            await client.wait_for(ID, timeout=50)
        assert now() == pytest.approx(50, abs=0.01)
    assert len(source.asked) == 1


# --- several at once -----------------------------------------------------------------------------------------------


async def test_wait_all_keeps_the_order_of_the_ids(bedrock: Client, job_server: JobServer) -> None:
    ids = [f"job_{number}" for number in range(8)]
    for number, job_id in enumerate(ids):
        job_server.add("bedrock", job_id, ["PENDING", ("COMPLETED", 0.05 - number * 0.005)])
    assert [job.id for job in await bedrock.wait_all(ids)] == ids
    assert [job.id for job in await bedrock.wait_all(iter([ids[3], ids[0], ids[3]]))] == [ids[3], ids[0], ids[3]]
    assert await bedrock.wait_all([]) == []
    await soon(lambda: not own_tasks())


async def test_wait_all_fails_fast_and_leaves_nothing(bedrock: Client, job_server: JobServer) -> None:
    going = [job_server.add("bedrock", f"job_{number}", ["RUNNING"]) for number in range(5)]
    job_server.add("bedrock", "job_bad", ["RUNNING", ("FAILED", 0.03)])
    before = asyncio.all_tasks()
    with pytest.raises(JobFailed) as caught:
        await in_time(bedrock.wait_all([*(job.id for job in going), "job_bad"]))
    assert caught.value.job.id == "job_bad"
    assert {task for task in asyncio.all_tasks() - before if "Wait" in repr(task)} == set()
    await no_more_looks(going[0])


async def test_wait_all_unchecked_gives_all_jobs(bedrock: Client, job_server: JobServer) -> None:
    job_server.add("bedrock", "a", ["FAILED"])
    job_server.add("bedrock", "b", ["COMPLETED"])
    assert [job.status for job in await bedrock.wait_all(["a", "b"], check=False)] == ["FAILED", "COMPLETED"]


@pytest.mark.slow
async def test_wait_all_times_out_and_can_be_cancelled(bedrock: Client, running: ServedJob) -> None:
    with pytest.raises(WaitTimeout):
        await bedrock.wait_all([ID, ID], timeout=0.03)
    task = asyncio.create_task(bedrock.wait_all([ID, ID]))
    await in_time(running.looked(running.looks + 2))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await no_more_looks(running)


async def test_as_completed_gives_handles_as_they_end(bedrock: Client, job_server: JobServer) -> None:
    slow = job_server.add("bedrock", "slow", ["RUNNING"])
    job_server.add("bedrock", "bad", ["FAILED"])
    ended = []
    async for wait in bedrock.as_completed(["slow", "bad"]):
        ended.append(wait.job_id)
        if wait.job_id == "bad":
            with pytest.raises(JobFailed):
                await wait
            slow.advance("COMPLETED")
        else:
            assert (await wait).status == "COMPLETED"
    assert ended == ["bad", "slow"]


@pytest.mark.slow
async def test_as_completed_left_early_leaves_nothing(bedrock: Client, job_server: JobServer) -> None:
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
    slow = job_server.add("bedrock", "slow", ["RUNNING"])
    job_server.add("bedrock", "quick", ["COMPLETED"])
    async for wait in bedrock.as_completed(["slow", "quick"]):
        assert wait.job_id == "quick"
        break
    del wait
    await no_more_looks(slow)
    async with bedrock.as_completed(["slow", "quick"]) as ended:
        async for _ in ended:
            break
    await no_more_looks(slow)
    assert complaints == []


@pytest.mark.slow
async def test_as_completed_cancelled_while_waiting(bedrock: Client, running: ServedJob) -> None:
    async def first() -> Wait:
        return await anext(bedrock.as_completed([ID]))

    task = asyncio.create_task(first())
    await in_time(running.looked(2))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    del task
    await no_more_looks(running)


async def test_as_completed_never_begun_leaves_no_warning(bedrock: Client) -> None:
    ended = bedrock.as_completed([ID, ID])
    assert [wait.job_id for wait in ended.waits] == [ID, ID]
    await ended.aclose()
    assert [wait async for wait in bedrock.as_completed([])] == []


@on_virtual_clock
async def test_several_waits_share_one_task_until_their_time_limit_is_near_and_all_are_kept() -> None:
    source = FakeSource(delay=0.25)
    for job_id, ends in (("a", 50.0), ("b", 3599.4), ("c", 9999.0), ("d", 9999.0)):
        source.add(job_id, [("running", 0), ("completed", ends)])
    async with Client(source=source) as client:
        came: list[tuple[str, Outcome | None, float]] = []
        async for wait in client.as_completed(["a", "b", "c", "d"], timeout=3600):
            came.append((wait.job_id, wait.outcome, round(now())))
            if wait.job_id == "a":
                assert len(asyncio.all_tasks()) - len(own_tasks()) == 1
        assert set(came[1:]) == {
            ("b", Outcome.SUCCEEDED, 3600),
            ("c", Outcome.TIMEOUT, 3600),
            ("d", Outcome.TIMEOUT, 3600),
        }
        assert came[0][:2] == ("a", Outcome.SUCCEEDED)
        assert not engine_of(client)._registry


@on_virtual_clock
async def test_several_waits_end_with_their_client_and_say_so() -> None:
    source = FakeSource()
    for job_id in ("a", "b"):
        source.add(job_id, ["running"])
    client = Client(source=source)
    completions = client.as_completed(["a", "b"])
    going_on = asyncio.create_task(anext(completions))
    await asyncio.sleep(1.0)
    await client.aclose()
    for wait in (await going_on, await anext(completions)):
        with pytest.raises(JobwatchError, match="was stopped before the job ended: the client is closed"):
            await wait


@on_virtual_clock
async def test_a_state_on_the_way_ends_none_of_several_waits() -> None:
    source = FakeSource()
    source.add("a", [("pending", 0), ("running", 5.0), ("completed", 60.0)])
    async with Client(source=source) as client:
        (job,) = await client.wait_all(["a"])
        assert (job.status, now() >= 60.0) == ("completed", True)


async def test_errors_that_nobody_asks_for_are_not_complained_about(bedrock: Client, job_server: JobServer) -> None:
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
    job_server.add("bedrock", ID, ["FAILED"])
    async for _ in bedrock.as_completed([ID, ID, "nowhere"]):
        pass
    gc.collect()
    await asyncio.sleep(0)
    assert complaints == []


async def test_more_jobs_than_requests_at_once(job_server: JobServer) -> None:
    ids = [f"job_{number}" for number in range(40)]
    for job_id in ids:
        job_server.add("bedrock", job_id, ["PENDING", ("COMPLETED", 0.02)])
    async with client_of(job_server, max_in_flight=2) as client:
        assert [job.id for job in await in_time_list(client, ids)] == ids


async def in_time_list(client: Client, ids: list[str]) -> list[Job]:
    async with at_most(5):
        return await client.wait_all(ids)


def test_names_of_the_handle_are_public() -> None:
    assert isinstance(Wait.__doc__, str)
    assert jobwatch.Wait is Wait


async def test_the_last_to_leave_ends_the_request_under_way_too(job_server: JobServer, bedrock: Client) -> None:
    job_server.add("bedrock", "job_1", ["PENDING"])
    job_server.trouble(Trouble.hang(), times=None, job_id="job_1")
    waiting = asyncio.create_task(bedrock.wait_for("job_1"))
    await soon(lambda: len(job_server.requests) == 1)
    waiting.cancel()
    await asyncio.wait([waiting])
    await soon(lambda: not own_tasks())


async def test_a_request_that_is_given_up_leaves_the_worker_for_other_jobs(job_server: JobServer) -> None:
    job_server.add("bedrock", "job_1", ["PENDING"])
    other = job_server.add("bedrock", "job_2", ["PENDING"])
    job_server.trouble(Trouble.hang(), times=None, job_id="job_1")
    async with client_of(job_server, max_in_flight=1) as client:
        waiting = asyncio.create_task(client.wait_for("job_1"))
        await soon(lambda: len(job_server.requests) == 1)
        going_on = asyncio.create_task(client.wait_for("job_2"))
        waiting.cancel()
        await soon(lambda: other.looks > 0)
        other.advance("COMPLETED")
        assert (await in_time(going_on)).phase is Phase.SUCCEEDED  # type: ignore[attr-defined]


# --- following ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_whoever_follows_is_told_each_change_of_the_job_before_its_transitions(
    bedrock: Client, running: ServedJob
) -> None:
    told: list[object] = []
    wait = bedrock.wait_for(ID)
    wait.follow(lambda job: told.append(job.result))
    following = asyncio.create_task(noted(wait, told))
    for number in (1, 2):
        await running.looked(running.looks + 2)
        running.options = {**running.options, "extra": {"results": {"done": number}}}
    await running.looked(running.looks + 2)
    running.advance("COMPLETED")
    await following
    assert told == [None, "PENDING", "RUNNING", {"done": 1}, {"done": 2}, {"done": 2}, "COMPLETED"]


async def noted(wait: Wait, told: list[object]) -> None:
    async for transition in wait:
        told.append(transition.status)  # noqa: PERF401 - among what else is told


async def test_one_that_comes_late_is_told_what_is_known_and_one_that_left_nothing(
    bedrock: Client, running: ServedJob
) -> None:
    first, late, gone = bedrock.wait_for(ID), bedrock.wait_for(ID), bedrock.wait_for(ID)
    words: list[str] = []
    assert (await anext(first)).status == "PENDING"
    first.follow(lambda job: words.append(f"first {job.status}"))
    late.follow(lambda job: words.append(f"late {job.status}"))
    gone.follow(lambda job: words.append(f"gone {job.status}"))
    assert (await anext(late)).status == "PENDING"
    assert (await anext(gone)).status == "PENDING"
    gone.close()
    running.advance("COMPLETED")
    await first
    await late
    assert words[:3] == ["first RUNNING", "late RUNNING", "gone RUNNING"]
    assert sorted(words[3:]) == ["first COMPLETED", "late COMPLETED"]


async def test_one_that_raises_is_logged_once_and_ends_no_wait(
    bedrock: Client, running: ServedJob, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[str] = []

    def follow(job: Job) -> None:
        told.append(job.status)
        raise ZeroDivisionError("not mine")

    wait = bedrock.wait_for(ID)
    wait.follow(follow)
    assert (await anext(wait)).status == "PENDING"
    running.advance("COMPLETED")
    assert (await wait).status == "COMPLETED"
    assert told == ["RUNNING"]
    assert [record.message for record in caplog.records] == [
        f"what follows job {ID} has raised, and is told no more of it"
    ]


async def test_a_wait_that_is_followed_can_still_be_dropped(bedrock: Client, running: ServedJob) -> None:
    wait = bedrock.wait_for(ID)
    wait.follow(lambda job: None)
    assert (await anext(wait)).status == "PENDING"
    assert len(engine_of(bedrock)._registry) == 1
    del wait
    assert len(engine_of(bedrock)._registry) == 0
