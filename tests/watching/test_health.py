"""How well a job can be seen, and what a look changes."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from jobwatch import (
    Fault,
    FaultKind,
    Health,
    Job,
    Outcome,
    Phase,
    Problem,
    Transition,
    Watcher,
)
from jobwatch._client.access import engine_of
from jobwatch._core.look import Looked
from jobwatch._core.resuming import with_times_until
from jobwatch._core.tracker import Watched
from jobwatch._watching.showing import changes_of
from tests.scripted import EPOCH, ScriptedJob, ScriptedTransport, client_of

from .journals import NOON
from .watchers import (
    END,
    HEALTH,
    NO_ANSWER,
    STATE,
    brief,
    down,
    first,
    until_end,
    watching,
)

pytestmark = [pytest.mark.looptime, pytest.mark.usefixtures("nothing_is_left", "no_task_is_left")]


async def test_rows_1_34_an_outage_of_hours_is_survived_and_told() -> None:
    transport = ScriptedTransport([ScriptedJob("a", ends=10_000.0)])
    transport.answer = down(100.0, 15_000.0, NO_ANSWER)
    async with watching(transport=transport) as (watcher, _):
        await watcher.add("a")
        changes = await first(watcher, 4)
        (job,) = watcher.jobs()
        assert (job.health, job.status, job.fault) == (Health.UNREACHABLE, "running", NO_ANSWER)
        assert watcher.health().troubled == {Health.UNREACHABLE: 1}
        assert not watcher.health().ok
        await watcher.acknowledge()
        changes += await until_end(watcher)
        assert watcher.health().ok
    assert brief(changes) == ["pending", "running", Health.STALE, Health.UNREACHABLE, Health.OK, "completed"]
    assert [change.seq for change in changes] == [1, 2, 3, 4, 5, 6]
    failing_since = next(at for at, _ in transport.requests if at >= 100.0)
    stale, unreachable, back = (change.seen_at.timestamp() - EPOCH for change in changes[2:5])
    assert 60.0 <= stale - failing_since <= 60.1
    assert 300.0 <= unreachable - failing_since <= 330.0
    assert 15_000.0 <= back <= 15_092.0
    assert changes[2].fault == NO_ANSWER
    assert changes[4].fault is None
    slow = [at for at in transport.times() if 1000.0 < at < 15_000.0]
    assert all(30.0 <= later - earlier <= 91.0 for earlier, later in itertools.pairwise(slow))


async def test_row_116_a_refused_token_is_told_and_looked_at_again() -> None:
    transport = ScriptedTransport([ScriptedJob("a", ends=5000.0)])
    transport.answer = down(50.0, 2000.0, Fault(FaultKind.AUTH, "the API refused the token", http_status=401))
    async with watching(transport=transport) as (watcher, _):
        await watcher.add("a")
        changes = await until_end(watcher)
    assert brief(changes) == ["pending", "running", Health.AUTH, Health.OK, "completed"]
    assert "refused the token" in str(changes[2])


@pytest.mark.parametrize(
    ("kind", "health"),
    [
        (FaultKind.TLS, Health.UNREACHABLE),
        (FaultKind.REFUSED, Health.UNREADABLE),
        (FaultKind.UNREADABLE, Health.UNREADABLE),
        (FaultKind.RATE_LIMITED, Health.UNREACHABLE),
    ],
)
async def test_no_fault_of_the_network_ends_a_job(kind: FaultKind, health: Health) -> None:
    transport = ScriptedTransport([ScriptedJob("a", ends=2000.0)])
    transport.answer = down(0.0, 1000.0, Fault(kind, "x", retry_after=20.0 if kind is FaultKind.RATE_LIMITED else None))
    async with watching(transport=transport) as (watcher, _):
        await watcher.add("a")
        changes = await until_end(watcher)
    assert [one for one in brief(changes) if one is not Health.STALE] == [
        health,
        Health.OK,
        "pending",
        "running",
        "completed",
    ]


async def test_row_15_a_certificate_that_expires_meanwhile_is_told_and_waited_for() -> None:
    transport = ScriptedTransport([ScriptedJob("a", ends=9000.0)])
    transport.answer = down(100.0, 8000.0, Fault(FaultKind.TLS, "the certificate has expired"))
    async with watching(transport=transport) as (watcher, _):
        await watcher.add("a")
        changes = await until_end(watcher)
    assert brief(changes) == ["pending", "running", Health.UNREACHABLE, Health.OK, "completed"]
    assert [change.seq for change in changes] == [1, 2, 3, 4, 5]
    slow = [at for at in transport.times() if 1000.0 < at < 8000.0]
    assert all(later - earlier >= 20.0 for earlier, later in itertools.pairwise(slow))


async def test_health_that_goes_from_bad_to_other_is_told_each_time_and_only_then() -> None:
    transport = ScriptedTransport([ScriptedJob("a", ends=9000.0)])
    faults = {100.0: FaultKind.UNREACHABLE, 1000.0: FaultKind.AUTH, 2000.0: FaultKind.UNREACHABLE}

    def answer(_target: str, now: float) -> Fault | None:
        kind = next((kind for at, kind in reversed(faults.items()) if now >= at), None)
        return None if kind is None or now > 3000.0 else Fault(kind, f"at {now}")

    transport.answer = answer
    async with watching(transport=transport) as (watcher, _):
        await watcher.add("a")
        changes = await until_end(watcher)
    bad = [Health.STALE, Health.UNREACHABLE, Health.AUTH, Health.UNREACHABLE, Health.OK]
    assert brief(changes) == ["pending", "running", *bad, "completed"]


async def test_a_short_outage_is_not_worth_a_word() -> None:
    transport = ScriptedTransport([ScriptedJob("a", ends=900.0)])
    transport.answer = lambda _target, now: NO_ANSWER if now % 100 < 30 else None
    async with watching(transport=transport) as (watcher, _):
        await watcher.add("a")
        changes = await until_end(watcher)
    assert brief(changes) == ["pending", "running", "completed"]


async def test_row_37_a_retry_after_of_an_hour_is_waited_for() -> None:
    transport = ScriptedTransport([ScriptedJob("a", ends=100.0)])
    transport.answer = down(0.0, 60.0, Fault(FaultKind.RATE_LIMITED, "slow down", retry_after=3600.0))
    async with watching(transport=transport) as (watcher, _):
        await watcher.add("a")
        changes = await until_end(watcher)
    assert transport.times()[1] - transport.times()[0] >= 3600.0
    assert brief(changes)[:2] == [Health.UNREACHABLE, Health.OK]


async def test_rows_31_32_a_job_the_api_does_not_know_ends_so() -> None:
    async with watching(ScriptedJob("seen", ends=1e9)) as (watcher, transport):
        await watcher.add("never", "seen")
        changes = await first(watcher, 3)
        del transport.jobs["seen"]
        await watcher.acknowledge()
        changes += await until_end(watcher)
        assert watcher.jobs() == ()
    ends = {change.job_id: change for change in changes if change.kind is END}
    assert ends["never"].seq == 1
    assert ends["seen"].seq == 3
    for end in ends.values():
        assert (end.outcome, end.transition, end.error) == (Outcome.NOT_FOUND, None, None)
        assert end.fault is not None
        assert "not found" in str(end)


async def test_row_36_a_fault_at_one_job_changes_nothing_for_another() -> None:
    async def told_of_b(answer: Callable[[str, float], Fault | None]) -> list[tuple[object, ...]]:
        transport = ScriptedTransport([ScriptedJob("a", ends=400.0), ScriptedJob("b", ends=500.0)])
        transport.answer = answer
        async with watching(transport=transport) as (watcher, _):
            await watcher.add("a", "b")
            changes = await until_end(watcher, 2)
        return [(change.key, change.kind, change.status, change.outcome) for change in changes if change.job_id == "b"]

    for kind in FaultKind:
        fault = Fault(kind, "only for a")
        assert await told_of_b(lambda target, now, f=fault: f if target == "job:a" and now < 390.0 else None) == (  # type: ignore[misc]
            await told_of_b(lambda _target, _now: None)
        )


def looked(outcome: Outcome | None = None, fault: Fault | None = None, *phases: Phase) -> Looked:
    states = tuple(Transition("a", seq, phase.value, phase, None, NOON) for seq, phase in enumerate(phases, start=1))
    job = Job(id="a", api="x", status="failed", phase=Phase.FAILED, error=Problem("it broke"))
    watched = Watched(job_id="a", api="x", fault=fault, outcome=outcome)
    return Looked(watched, states, outcome, None, None if fault else job)


def test_an_end_without_a_state_of_its_own_is_told_all_the_same() -> None:
    changes = changes_of(looked(Outcome.FAILED, None, Phase.RUNNING), 4, Health.OK, NOON)
    assert [(change.seq, change.kind, change.status) for change in changes] == [(5, STATE, "running"), (6, END, None)]
    assert changes[-1].error == Problem("it broke")
    assert str(changes[-1]) == "a failed: it broke"


@given(
    outcome=st.sampled_from([None, *Outcome]),
    fault=st.sampled_from([None, NO_ANSWER]),
    phases=st.lists(st.sampled_from(Phase), max_size=4),
    health=st.sampled_from(Health),
    seq=st.integers(0, 9),
)
def test_what_a_look_changes_is_told_once_in_order_with_the_end_last(
    outcome: Outcome | None, fault: Fault | None, phases: list[Phase], health: Health, seq: int
) -> None:
    look = looked(outcome, fault, *phases)
    changes = changes_of(look, seq, health, NOON)
    assert [change.seq for change in changes] == list(range(seq + 1, seq + len(changes) + 1))
    told = [change.transition for change in changes if change.transition is not None]
    assert told == list(look.transitions)
    ends = [change for change in changes if change.kind is END]
    assert not ends or ends == [changes[-1]]
    troubled = outcome in (Outcome.UNREACHABLE, Outcome.UNREADABLE, Outcome.AUTH)
    assert bool(ends) == (outcome is not None and not troubled)
    healths = [change.health for change in changes if change.kind is HEALTH]
    assert len(healths) <= 1
    assert health not in healths
    if fault is None and not troubled:
        assert healths == ([] if health is Health.OK else [Health.OK])


# --- clocks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ahead", [0.0, 365 * 86_400.0])
async def test_a_job_first_missed_under_a_clock_that_was_ahead_is_given_up_all_the_same(
    tmp_path: Path, inline: None, ahead: float
) -> None:
    path = tmp_path / "watch.db"
    client = client_of(ScriptedTransport([]))
    engine_of(client).clock.epoch += ahead
    async with client, Watcher(client, journal=path, stale_after=1.0) as watcher:
        await watcher.add("never")
        await asyncio.sleep(5.0)
        assert watcher.health().troubled == {Health.STALE: 1}
    async with watching(journal=path) as (watcher, _):
        async with asyncio.timeout(300.0):
            changes = await until_end(watcher)
    assert changes[-1].outcome is Outcome.NOT_FOUND


def test_only_times_that_are_ahead_are_brought_back() -> None:
    known = Watched(job_id="a", api="x", added_at=1.0, looked_at=9.0, failing_since=2.0, updated_at=9.0)
    assert with_times_until(known, 5.0) == replace(known, looked_at=5.0)
    assert with_times_until(known, 9.0) is known
