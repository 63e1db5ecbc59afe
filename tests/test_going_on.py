"""A wait that goes on from what an earlier one knew, perhaps in another process: no state twice, none left out."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from jobwatch import (
    Client,
    ConfigError,
    Fault,
    FaultKind,
    JobFailed,
    JobNotFound,
    Outcome,
    Phase,
    Transition,
    Wait,
    WaitTimeout,
    Watched,
)
from jobwatch._core.resuming import resumed, told
from jobwatch._core.settling import UnsettledEnd
from jobwatch._core.tracker import SeenBlocked
from jobwatch.testing import FakeSource

from .virtual import on_virtual_clock


def stored(watched: Watched | None) -> Watched:
    """Carry a value elsewhere."""
    return msgspec.json.decode(msgspec.json.encode(watched), type=Watched)


async def seen(source: FakeSource, begin: str | Watched, seconds: float) -> tuple[list[Transition], Watched]:
    """Wait for so long in a client of its own, and return what was told and known then."""
    async with Client(source=source) as client:
        wait = client.wait_for(begin, seconds)
        transitions: list[Transition] = []
        with contextlib.suppress(WaitTimeout):
            async for transition in wait:
                transitions.append(transition)  # noqa: PERF401 - what came before the time limit counts
        watched = wait.watched
    assert watched is not None
    return transitions, stored(watched)


@on_virtual_clock
async def test_each_state_is_told_once_and_the_numbers_go_on() -> None:
    source = FakeSource("s")
    source.add("a", [("pending", 0), ("running", 30), ("pending", 60), ("running", 90), ("succeeded", 120)])
    transitions: list[Transition] = []
    begin: str | Watched = "a"
    for _ in range(5):
        told_now, begin = await seen(source, begin, 25.0)
        transitions += told_now
    assert [(each.seq, each.status) for each in transitions] == list(
        enumerate(["pending", "running", "pending", "running", "succeeded"], start=1)
    )
    assert not any(each.gap for each in transitions)
    assert isinstance(begin, Watched)
    assert begin.outcome is Outcome.SUCCEEDED


@on_virtual_clock
async def test_what_has_ended_is_looked_at_once_more_for_the_job_and_tells_no_state_again() -> None:
    source = FakeSource("s")
    source.add("a", [("running", 0), ("failed", 10)])
    _, known = await seen(source, "a", 60.0)
    assert known.outcome is Outcome.FAILED
    asked = len(source.asked)
    async with Client(source=source) as client:
        wait = client.wait_for(known)
        with pytest.raises(JobFailed) as raised:
            await wait
        assert raised.value.job.status == "failed"
        assert [each async for each in client.wait_for(known)] == []
    assert len(source.asked) == asked + 2


@on_virtual_clock
async def test_one_that_was_given_up_is_tried_anew() -> None:
    source = FakeSource("s")
    source.add("a", [("running", 0), ("succeeded", 100)])
    source.trouble(None)
    source.trouble(Fault(FaultKind.GONE, "gone"))
    async with Client(source=source) as client:
        wait = client.wait_for("a")
        assert [transition.seq async for transition in _until_error(wait)] == [1]
        known = wait.watched
    assert known is not None
    assert known.outcome is Outcome.NOT_FOUND
    transitions, known = await seen(source, known, 200.0)
    assert [(each.seq, each.status) for each in transitions] == [(2, "succeeded")]


async def _until_error(wait: Wait[Any]) -> AsyncIterator[Transition]:
    with contextlib.suppress(JobNotFound):
        async for transition in wait:
            yield transition


@on_virtual_clock
async def test_what_was_not_yielded_yet_is_known_to_whoever_stores_it() -> None:
    source = FakeSource("s")
    source.add("a", ["pending", "running", "succeeded"])
    async with Client(source=source) as client:
        wait = client.wait_for("a")
        assert [*wait.unread] == []
        first = await anext(wait)
        left = [change.seq for change in wait.unread]
        assert (first.seq, left) == (1, [2, 3])
        rest = [change async for change in wait]
        assert [change.seq for change in rest] == [2, 3]
        assert [*wait.unread] == []


@on_virtual_clock
async def test_it_has_to_be_the_first_wait_for_its_job() -> None:
    source = FakeSource("s")
    source.add("a", [("running", 0), ("succeeded", 100)])
    _, known = await seen(source, "a", 1.0)
    async with Client(source=source) as client:
        other = asyncio.ensure_future(client.wait_for("a"))
        await asyncio.sleep(1)
        with pytest.raises(ConfigError, match="waited for already"):
            await client.wait_for(known)
        assert (await other).status == "succeeded"
        assert (await client.wait_for(known)).status == "succeeded"


@on_virtual_clock
async def test_another_apis_is_refused() -> None:
    async with Client(source=FakeSource("s")) as client:
        with pytest.raises(ConfigError, match="belongs to other"):
            client.wait_for(Watched(job_id="a", api="other"))


# --- what is known, made ready to go on ---------------------------------------------------------------------------

KNOWN = Watched(
    job_id="a",
    api="s",
    added_at=5.0,
    status="running",
    phase=Phase.RUNNING,
    entered_at=6.0,
    seq=3,
    looks=9,
    looked_at=50.0,
    blocked=SeenBlocked(1.0, 2.0),
)


def test_a_held_back_end_counts_as_not_handed_out() -> None:
    assert told(KNOWN) == 3
    end = Transition("a", 3, "failed", Phase.FAILED, None, datetime(2026, 1, 1, tzinfo=UTC))
    held = UnsettledEnd("failed", Phase.FAILED, Outcome.FAILED, 40.0, end)
    assert told(replace(KNOWN, unsettled=held)) == 2
    assert told(replace(KNOWN, unsettled=replace(held, transition=None))) == 3


@given(
    st.sampled_from([None, *Outcome]),
    st.integers(0, 9),
    st.sampled_from(["failing_since", "missing_since", "refused_since"]),
)
def test_nothing_of_failed_looks_is_left_and_all_else_is(outcome: Outcome | None, faults: int, since: str) -> None:
    fault = Fault(FaultKind.UNREACHABLE, "x")
    failed = replace(KNOWN, outcome=outcome, fault=fault, faults=faults, missing=faults, refused=faults, **{since: 4.0})
    assert resumed(failed, 60.0) == KNOWN


def test_times_ahead_of_the_clock_are_brought_back() -> None:
    assert resumed(KNOWN, 20.0) == replace(KNOWN, looked_at=20.0)
