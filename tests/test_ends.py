"""Which ends a wait takes for good, and the one that is no end: blocked."""

from __future__ import annotations

import asyncio
import itertools
import pickle
from typing import Any

import pytest

import jobwatch
from jobwatch import (
    Client,
    ConfigError,
    JobBlocked,
    JobCancelled,
    JobEnded,
    JobFailed,
    JobOutcomeUnknown,
    JobPartiallyFailed,
    Outcome,
    Pace,
    Phase,
    WaitTimeout,
)
from jobwatch._client.wait import _error_of_end
from jobwatch._models import ENDED, Job
from jobwatch.testing import FakeSource

from .virtual import on_virtual_clock

ID = "job_1"
BAD = {
    Phase.FAILED: JobFailed,
    Phase.PARTIAL: JobPartiallyFailed,
    Phase.FINISHED: JobOutcomeUnknown,
    Phase.CANCELLED: JobCancelled,
}


def now() -> float:
    return asyncio.get_running_loop().time()


def source_of(*steps: tuple[str, float], **fields: Any) -> FakeSource:
    source = FakeSource()
    source.add(ID, list(steps), **fields)
    return source


@pytest.mark.parametrize("phase", Phase, ids=lambda phase: phase.value)
def test_each_bad_end_has_an_error_and_nothing_else_has(phase: Phase) -> None:
    error = _error_of_end(Job(id="j", api="x", status="s", phase=phase))
    assert type(error) is BAD.get(phase, type(None))
    assert (phase in BAD) == (phase in ENDED - {Phase.SUCCEEDED})


@pytest.mark.parametrize("phase", BAD, ids=lambda phase: phase.value)
@on_virtual_clock
async def test_a_bad_end_is_raised_unless_it_is_accepted(phase: Phase) -> None:
    async with Client(source=source_of(("running", 0), (phase.value, 5))) as client:
        with pytest.raises(BAD[phase]) as raised:
            await client.wait_for(ID)
        assert isinstance(raised.value, JobEnded)
        wait = client.wait_for(ID, accept={phase.value.upper()})
        assert (await wait).phase is phase
        assert wait.outcome is Outcome(phase.value)
        assert (await client.wait_for(ID, accept=[Outcome(phase.value)])).phase is phase
        (job,) = await client.wait_all([ID], accept=[phase.value])
        assert job.phase is phase
        others = {each.value for each in BAD} - {phase.value}
        with pytest.raises(BAD[phase]):
            await client.wait_for(ID, accept=others)


def test_a_partial_failure_is_a_failure_and_an_unknown_outcome_is_none() -> None:
    assert issubclass(JobPartiallyFailed, JobFailed)
    assert not issubclass(JobOutcomeUnknown, JobFailed)
    assert not issubclass(JobBlocked, JobEnded)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            {"accept": {"partal"}},
            "accept: there is no 'partal'; there is partial, finished, failed, cancelled, succeeded",
        ),
        ({"accept": {"blocked"}}, "accept: there is no 'blocked'"),
        ({"accept": {Outcome.TIMEOUT}}, "accept: there is no <Outcome.TIMEOUT"),
        ({"accept": "partial"}, "accept is a set of names such as .*, and not 'partial'"),
        ({"accept": {7}}, "accept: there is no 7"),
        ({"fail_on": {"failed"}}, "fail_on: there is no 'failed'; there is blocked"),
        ({"fail_on": "blocked"}, 'fail_on is a set of names such as {"blocked"}, and not'),
        ({"fail_on": None}, "fail_on is a set of names"),
    ],
)
@on_virtual_clock
async def test_what_is_no_end_is_refused_with_what_there_is(options: dict[str, Any], told: str) -> None:
    async with Client(source=FakeSource()) as client:
        for wait in (
            lambda: client.wait_for(ID, **options),
            lambda: client.as_completed([ID], **options),
        ):
            with pytest.raises(ConfigError, match=told):
                wait()
        with pytest.raises(ConfigError, match=told):
            await client.wait_all([ID], **options)


# --- blocked ---------------------------------------------------------------------------------------------------------

ASKED: dict[str, Any] = {"asked": "Deploy?\x1b[2J", "url": "https://ci.test/1"}


@on_virtual_clock
async def test_a_blocked_job_is_waited_for_as_any_other() -> None:
    async with Client(source=source_of(("running", 0), ("blocked", 5), ("running", 500), ("completed", 505))) as client:
        wait = client.wait_for(ID)
        assert [change.phase async for change in wait] == [
            Phase.RUNNING,
            Phase.BLOCKED,
            Phase.RUNNING,
            Phase.SUCCEEDED,
        ]
        assert (await wait).phase is Phase.SUCCEEDED


@on_virtual_clock
async def test_it_ends_a_wait_that_is_to_end_so_when_two_looks_have_shown_it() -> None:
    source = source_of(("running", 0), ("blocked", 5), **ASKED)
    async with Client(source=source) as client:
        wait = client.wait_for(ID, fail_on={"blocked"})
        with pytest.raises(JobBlocked) as raised:
            await wait
        assert 15 <= now() < 17.1
        assert wait.outcome is Outcome.BLOCKED
        with pytest.raises(JobBlocked):
            await wait
        assert 15 <= now() < 17
    error = raised.value
    assert (error.asked, error.url, error.job.phase) == ("Deploy?\x1b[2J", "https://ci.test/1", Phase.BLOCKED)
    assert str(error) == "job job_1 is blocked: waits for a person: Deploy?\\x1b[2J: https://ci.test/1"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@on_virtual_clock
async def test_one_that_goes_on_by_itself_ends_no_wait() -> None:
    steps = [("running", 0.0), ("blocked", 5.0), ("running", 9.0), ("blocked", 12.0), ("running", 19.0)]
    async with Client(source=source_of(*steps, ("completed", 40))) as client:
        assert (await client.wait_for(ID, fail_on={"blocked"})).phase is Phase.SUCCEEDED


@pytest.mark.parametrize("history", [True, False])
@on_virtual_clock
async def test_iterating_ends_there_and_does_not_raise(history: bool) -> None:
    source = FakeSource(history=history)
    source.add(ID, [("running", 0), ("blocked", 5)])
    async with Client(source=source) as client:
        wait = client.wait_for(ID, fail_on={"blocked"})
        assert [change.phase async for change in wait] == [Phase.RUNNING, Phase.BLOCKED]
        with pytest.raises(JobBlocked):
            await wait


@on_virtual_clock
async def test_without_check_it_is_raised_too_since_the_job_is_not_over() -> None:
    async with Client(source=source_of(("blocked", 0))) as client:
        with pytest.raises(JobBlocked):
            await client.wait_for(ID, check=False, fail_on={"blocked"})


@on_virtual_clock
async def test_of_two_waits_only_the_one_that_asked_for_it_ends() -> None:
    async with Client(source=source_of(("blocked", 0), ("running", 100), ("completed", 105))) as client:
        first, second = await asyncio.gather(
            client.wait_for(ID, fail_on={"blocked"}), client.wait_for(ID), return_exceptions=True
        )
    assert isinstance(first, JobBlocked)
    assert isinstance(second, Job)


@on_virtual_clock
async def test_a_wait_that_joins_when_it_is_known_ends_at_once() -> None:
    async with Client(source=source_of(("blocked", 0))) as client:
        other = asyncio.ensure_future(client.wait_for(ID))
        await asyncio.sleep(30)
        with pytest.raises(JobBlocked):
            await client.wait_for(ID, fail_on={"blocked"})
        assert now() == 30
        other.cancel()


@on_virtual_clock
async def test_a_deadline_before_it_is_confirmed_is_a_time_out() -> None:
    async with Client(source=source_of(("running", 0), ("blocked", 5))) as client:
        with pytest.raises(WaitTimeout, match="last seen blocked"):
            await client.wait_for(ID, timeout=12, fail_on={"blocked"})
        with pytest.raises(WaitTimeout, match="last seen blocked"):
            await client.wait_for(ID, timeout=1000)


@on_virtual_clock
async def test_a_blocked_job_is_looked_at_ever_less_often() -> None:
    source = source_of(("running", 0), ("blocked", 5))
    async with Client(source=source, pace=Pace(max_interval=60)) as client:
        with pytest.raises(WaitTimeout):
            await client.wait_for(ID, timeout=3605)
    while_blocked = [at for at in source.times() if at >= 5]
    assert len(while_blocked) <= 3600 / 60 + 10
    gaps = [after - before for before, after in itertools.pairwise(while_blocked)]
    assert max(gaps) <= 61


@on_virtual_clock
async def test_the_look_that_confirms_is_answered_whole() -> None:
    source = FakeSource(unchanged=True, history=False)
    source.add(ID, ["blocked"])
    async with Client(source=source) as client:
        with pytest.raises(JobBlocked):
            await client.wait_for(ID, fail_on={"blocked"})
        assert now() < 12
    assert {asked.last for asked in source.asked} == {None}
    assert len(source.asked) <= 7


@on_virtual_clock
async def test_the_first_of_several_that_is_blocked_ends_the_waiting_for_all() -> None:
    source = source_of(("blocked", 0))
    source.add("other", ["running"])
    async with Client(source=source) as client:
        with pytest.raises(JobBlocked):
            await client.wait_all(["other", ID], fail_on=["blocked"])
        async for wait in client.as_completed([ID, "other"], fail_on=["blocked"]):
            with pytest.raises(JobBlocked):
                await wait
            break


def test_the_names_are_public() -> None:
    assert {"JobBlocked", "JobOutcomeUnknown", "JobPartiallyFailed"} <= set(jobwatch.__all__)
