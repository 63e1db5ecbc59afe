"""Jobs that an API has forgotten while nobody looked: values, and what a wait and a watcher say."""

from __future__ import annotations

import asyncio
import math
import pickle
from typing import Any

import pytest
from msgspec.structs import replace

from jobwatch import Change, ChangeKind, Client, Fault, FaultKind, Job, JobNotFound, Outcome, Pace, Phase, Watcher
from jobwatch._client.access import engine_of
from jobwatch._core.look import Policy
from jobwatch._core.tracker import Patience, Watched
from jobwatch._engine.clock import Clock
from jobwatch._files.history import History
from jobwatch._table.compile import api_of
from jobwatch.testing import FakeSource
from tests.virtual import on_virtual_clock, running_loop

GONE = Fault(FaultKind.NOT_FOUND, "no such job")
RUNNING = Job(id="j", api="a", status="running", phase=Phase.RUNNING)


def _seen(retention: float | None, *looks: tuple[float, Job | Fault]) -> Watched:
    policy, watched = Policy(Pace(), Patience(), History(), {}, retention), Watched(job_id="j", api="a")
    for at, what in looks:
        watched = policy.saw(watched, what, 1e9 + at, 0.5, 1.0).watched
    assert watched.outcome is Outcome.NOT_FOUND
    return watched


def _gone_at(at: float) -> list[tuple[float, Job | Fault]]:
    return [(at + after, GONE) for after in (0.0, 5.0, 11.0)]


def test_an_end_was_missed_if_no_look_was_good_for_longer_than_jobs_are_kept() -> None:
    after, within = _seen(900.0, (0.0, RUNNING), *_gone_at(901.0)), _seen(900.0, (0.0, RUNNING), *_gone_at(900.0))
    assert (after.end_missed, within.end_missed) == (True, False)
    assert after.fault is not None
    assert after.fault.message == "no such job; its end was missed: not seen for 901 s, and kept for 900 s"
    unknown, never_seen = _seen(None, (0.0, RUNNING), *_gone_at(901.0)), _seen(900.0, *_gone_at(901.0))
    assert not unknown.end_missed
    assert not never_seen.end_missed
    gone_for_good = _seen(900.0, (0.0, RUNNING), (901.0, Fault(FaultKind.GONE, "gone")))
    assert gone_for_good.end_missed


def test_looks_that_failed_otherwise_are_part_of_the_silence() -> None:
    down = [(float(at), Fault(FaultKind.UNREACHABLE, "down")) for at in (10, 200)]
    assert _seen(250.0, (0.0, RUNNING), *down, *_gone_at(260.0)).end_missed


def test_what_the_job_itself_tells_goes_before_the_table() -> None:
    kept_long = replace(RUNNING, retention=2_000.0)
    assert not _seen(900.0, (0.0, kept_long), *_gone_at(1_500.0)).end_missed
    assert _seen(math.inf, (0.0, kept_long), *_gone_at(2_500.0)).end_missed
    assert not _seen(math.inf, (0.0, RUNNING), *_gone_at(1e6)).end_missed


def test_a_table_tells_it_or_says_where_a_reply_does() -> None:
    def api(value: Any) -> Any:
        return api_of({"job": "https://a.test/{job_id}", "status": "s", "retention": value}, "a")

    def told(value: Any, kept: str) -> float | None:
        seen = api(value).job(f'{{"s": "running", "kept": {kept}}}'.encode(), "j")
        assert isinstance(seen, Job)
        return seen.retention

    assert (api("15m").retention, api("15m").job(b'{"s": "running"}', "j").retention) == (900.0, None)
    assert api([]).retention is None
    assert api("kept").retention == math.inf
    assert [told("kept", each) for each in ("90", '"15m"', '"PT1H30M"', '"P7D"')] == [90.0, 900.0, 5_400.0, 604_800.0]
    assert [told("kept", each) for each in ("null", '"soon"', '"P"', "[]", "true")] == [None] * 5


@on_virtual_clock
async def test_a_wait_and_a_watcher_say_that_the_end_was_missed() -> None:
    source, changes = FakeSource(history=False), list[Change]()
    job = source.add("j", ["running"], retention=60.0)
    assert job is not None
    pace = Pace(max_interval=5.0)
    async with Client(source=source, pace=pace) as client, Watcher(client, on_change=changes.append) as watcher:
        await watcher.add("j")
        wait = client.wait_for("j")
        loop = running_loop()
        down = ConnectionError("down")
        loop.call_later(10.0, lambda: source.trouble(down, times=40))
        loop.call_later(100.0, source.remove, "j")
        with pytest.raises(JobNotFound, match="its end was missed") as raised:
            await wait
        assert raised.value.end_missed
        assert pickle.loads(pickle.dumps(raised.value)).end_missed
        await asyncio.sleep(600.0)
    assert (changes[-1].kind, changes[-1].outcome, changes[-1].end_missed) == (
        ChangeKind.END,
        Outcome.NOT_FOUND,
        True,
    )


@pytest.mark.parametrize(
    ("slept", "seen_since", "missed"), [(3600.0, False, True), (3600.0, True, False), (5.0, False, False)]
)
@on_virtual_clock
async def test_the_time_for_which_the_machine_was_suspended_is_part_of_the_silence(
    slept: float, seen_since: bool, missed: bool
) -> None:
    source = FakeSource(history=False)
    source.add("j", ["running"], retention=60.0)
    async with Client(source=source, pace=Pace(max_interval=5.0)) as client:
        total = [100.0]  # before it began to watch
        engine_of(client).clock.slept = lambda: total[0]  # type: ignore[method-assign]
        running_loop().call_later(20.0, lambda: total.append(total.pop() + slept))
        running_loop().call_later(40.0 if seen_since else 20.0, source.remove, "j")
        with pytest.raises(JobNotFound) as raised:
            await client.wait_for("j")
    assert raised.value.end_missed is missed


@on_virtual_clock
async def test_a_suspension_after_a_look_that_missed_the_job_is_no_part_of_the_silence() -> None:
    source = FakeSource(history=False)
    source.add("j", ["running"], retention=60.0)
    async with Client(source=source, pace=Pace(max_interval=5.0)) as client:
        total = [0.0]
        engine_of(client).clock.slept = lambda: total[0]  # type: ignore[method-assign]
        running_loop().call_later(20.0, source.remove, "j")
        running_loop().call_later(27.0, lambda: total.append(total.pop() + 3600.0))
        with pytest.raises(JobNotFound) as raised:
            await client.wait_for("j")
    assert not raised.value.end_missed


async def _waited(client: Client, job_id: str) -> Job:
    return await client.wait_for(job_id)


@on_virtual_clock
async def test_a_job_that_one_request_for_many_has_shown_since_was_seen() -> None:
    source = FakeSource(history=False, batch_most=10)
    for job_id in ("j", "k"):
        source.add(job_id, ["running"], retention=60.0)
    async with Client(source=source, pace=Pace(min_interval=5.0, max_interval=5.0)) as client:
        total = [0.0]
        engine_of(client).clock.slept = lambda: total[0]  # type: ignore[method-assign]
        other = asyncio.create_task(_waited(client, "k"))
        running_loop().call_later(22.0, lambda: total.append(total.pop() + 3600.0))
        running_loop().call_later(40.0, source.remove, "j")
        with pytest.raises(JobNotFound) as raised:
            await client.wait_for("j")
        other.cancel()
        assert any(asked.what == "batch" and 22.0 < asked.at < 40.0 for asked in source.asked)
        assert not any(asked.what == "job" and 22.0 < asked.at < 40.0 for asked in source.asked)
    assert not raised.value.end_missed


@on_virtual_clock
async def test_a_machine_that_is_awake_has_not_slept() -> None:
    assert Clock().slept() == pytest.approx(0.0, abs=0.01)
