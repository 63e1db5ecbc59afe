"""What a good answer says of when to come back: the least time to the next look, and what does not wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise

import msgspec
import pytest
from msgspec.structs import replace

from jobwatch import Client, WaitTimeout
from jobwatch._client.access import engine_of
from jobwatch._core.look import Looked
from jobwatch._core.pace import Pace
from jobwatch._core.tracker import Patience
from jobwatch._engine.poller import Poller
from jobwatch._engine.watch import AwaitedWatch
from jobwatch._http.source import Memo
from jobwatch._models import Fault, FaultKind
from jobwatch._reading.reply import RateLimit, Reply
from tests.scripted import ScriptedJob, ScriptedTransport, client_of, ended, poller_of, source_of, watched
from tests.virtual import on_virtual_clock, running_loop

SOON = 0.01
ROUND_TRIP = 0.05
PACE = Pace(min_interval=0.5, max_interval=2.0)


def _told(
    *jobs: ScriptedJob, hint: float | None = 20.0, of: str = "job:", only_until: float = float("inf")
) -> ScriptedTransport:
    """Return jobs whose answers say when to come back, of such as are asked for in a way."""
    transport = ScriptedTransport(list(jobs), round_trip=ROUND_TRIP)
    transport.hint = lambda target: hint if target.startswith(of) and running_loop().time() < only_until else None
    return transport


def _gaps(transport: ScriptedTransport, target: str = "") -> list[float]:
    return [b - a for a, b in pairwise(transport.times(target))]


def _same(body: bytes = b'{"job":{"id":"j","state":"running"}}', hint: float = 20.0) -> Callable[..., Reply]:
    return lambda _target, _now: Reply(200, body, '"v"', retry_after=hint)


@on_virtual_clock
async def test_a_good_answer_says_the_least_time_to_the_next_look() -> None:
    transport = _told(ScriptedJob("j", ends=50.0))
    at = await ended(poller_of(transport, pace=PACE), "j")
    assert _gaps(transport) == pytest.approx([20.05] * 3, abs=SOON)
    assert at == pytest.approx(60.2, abs=0.1)


@on_virtual_clock
async def test_it_is_no_reason_to_look_sooner_than_the_pace_says() -> None:
    transport = _told(ScriptedJob("j", ends=50.0), hint=0.01)
    await ended(poller_of(transport, pace=PACE), "j")
    assert min(_gaps(transport)) >= PACE.min_interval


@pytest.mark.parametrize(("longest", "waited"), [(2.0, 60.0), (60.0, 60.0), (300.0, 300.0)])
@on_virtual_clock
async def test_it_is_cut_to_the_longest_interval_or_a_minute(longest: float, waited: float) -> None:
    transport = _told(ScriptedJob("j", ends=50.0), hint=1e6)
    await ended(poller_of(transport, pace=Pace(max_interval=longest)), "j")
    assert _gaps(transport) == pytest.approx([waited + ROUND_TRIP], abs=SOON)


@pytest.mark.parametrize("status", [200, 304])
@on_virtual_clock
async def test_an_answer_that_nothing_has_changed_carries_it_too(status: int) -> None:
    transport = _told(ScriptedJob("j"))
    first = _same()("", 0.0)
    transport.answer = lambda _target, now: first if status == 200 or now < 1.0 else Reply(304, b"", retry_after=20.0)
    poller = poller_of(transport, pace=PACE)
    poller.listen(watched("j"))
    await asyncio.sleep(45.0)
    await poller.aclose()
    assert _gaps(transport) == pytest.approx([20.05] * 2, abs=SOON)


@on_virtual_clock
async def test_it_holds_where_requests_are_scarce() -> None:
    transport = _told(*(ScriptedJob(f"j{n:02}") for n in range(30)), hint=40.0)
    transport.rate = lambda _now: RateLimit(100, 100, 10.0)
    poller = poller_of(transport, pace=PACE, max_rate=1.0)
    for job_id in transport.jobs:
        poller.listen(watched(job_id))
    await asyncio.sleep(200.0)
    await poller.aclose()
    for job_id in transport.jobs:
        assert min(_gaps(transport, f"job:{job_id}"), default=40.0) >= 40.0


# --- what does not wait for it ---------------------------------------------------------------------------------------


@on_virtual_clock
async def test_a_wake_up_does_not_wait_for_it() -> None:
    transport = _told(ScriptedJob("j", ends=5.0))
    poller = poller_of(transport, pace=PACE)
    ending = asyncio.create_task(ended(poller, "j"))
    await asyncio.sleep(5.0)
    assert poller.wake("j")
    assert await ending == pytest.approx(5.05, abs=SOON)


@on_virtual_clock
async def test_the_look_at_a_time_limit_does_not_wait_for_it() -> None:
    transport = _told(ScriptedJob("j", ends=9.0))
    async with client_of(transport, pace=PACE) as client:
        assert (await client.wait_for("j", timeout=10.0)).status == "completed"
        assert running_loop().time() <= 10.0
        with pytest.raises(WaitTimeout):
            await client.wait_for("j2" if transport.jobs.setdefault("j2", ScriptedJob("j2")) else "", timeout=10.0)
    assert len(transport.times("job:j2")) == 2


@pytest.mark.parametrize("kind", [FaultKind.NOT_FOUND, FaultKind.REFUSED, FaultKind.AUTH])
@on_virtual_clock
async def test_what_is_to_be_confirmed_does_not_wait_for_it(kind: FaultKind) -> None:
    transport = _told(ScriptedJob("j"))
    poller = poller_of(transport, pace=PACE)
    ending = asyncio.create_task(ended(poller, "j"))
    await asyncio.sleep(5.0)
    transport.answer = lambda _target, _now: Fault(kind, "no")
    poller.wake("j")
    assert await ending == pytest.approx(15.1, abs=2.0)


@on_virtual_clock
async def test_an_answer_that_cannot_be_read_is_not_asked_for_sooner_but_patience_ends_in_time() -> None:
    transport = _told(ScriptedJob("j"))
    transport.answer = lambda _target, _now: Reply(200, b'{"job":{}}', retry_after=20.0)
    poller = poller_of(transport, pace=PACE, patience=Patience(unreachable_after=50.0))
    at = await ended(poller, "j")
    assert _gaps(transport)[:2] == pytest.approx([20.05] * 2, abs=SOON)
    assert at == pytest.approx(50.1, abs=0.2)


# --- who else is shown the job ---------------------------------------------------------------------------------------


@on_virtual_clock
async def test_a_newcomer_is_looked_at_at_once_and_both_then_wait() -> None:
    transport = _told(ScriptedJob("j"))
    poller = poller_of(transport, pace=PACE)
    seen: list[Looked] = []
    background = poller.watch(watched("j"), lambda _watch, looked: seen.append(looked))
    await asyncio.sleep(5.0)
    watch = poller.listen(watched("j"))
    await asyncio.sleep(30.0)
    assert transport.times() == pytest.approx([0.0, 5.0, 25.05], abs=SOON)
    poller.drop(background)
    poller.leave(watch)
    await poller.aclose()


@on_virtual_clock
async def test_where_two_watches_of_a_job_are_looked_at_apart_both_wait_for_what_one_was_told() -> None:
    transport = _told(ScriptedJob("j"))
    transport.answer = _same()
    poller = poller_of(transport, pace=PACE)
    background = poller.watch(watched("j"), lambda _watch, _looked: None)
    watch = poller.listen(watched("j"))
    await asyncio.sleep(5.0)
    background.memo = Memo(0, '"another"', 1e9)  # as where it was answered by itself
    poller.look_now(watch)
    await asyncio.sleep(60.0)
    assert transport.times() == pytest.approx([0.0, 5.0, 25.05, 25.05, 45.1, 45.1], abs=SOON)
    poller.drop(background)
    poller.leave(watch)
    await poller.aclose()


def _in_project(count: int, ends: float = float("inf")) -> list[ScriptedJob]:
    return [ScriptedJob(f"j{n}", project_id="p", ends=ends) for n in range(count)]


@on_virtual_clock
async def test_when_to_come_back_to_a_list_says_nothing_of_its_jobs() -> None:
    transport = _told(*_in_project(3), of="list:")
    poller = poller_of(transport, pace=PACE)
    for job_id in transport.jobs:
        poller.listen(watched(job_id))
    await asyncio.sleep(30.0)
    await poller.aclose()
    assert len(transport.times("list:")) > 10


@on_virtual_clock
async def test_a_list_that_shows_a_job_puts_no_look_forward() -> None:
    transport = _told(*_in_project(1))
    poller = poller_of(transport, pace=PACE)
    watch = poller.listen(watched("j0"))
    await asyncio.sleep(5.0)
    shown = await poller.project("p", 10)
    assert not isinstance(shown, Fault)
    poller.shown(shown)
    assert watch.due == pytest.approx(20.05, abs=SOON)
    await asyncio.sleep(20.0)
    assert transport.times("job:j0") == pytest.approx([0.0, 20.05], abs=SOON)
    await poller.aclose()


@on_virtual_clock
async def test_a_batch_is_a_look_at_each_of_its_jobs() -> None:
    transport = _told(*(ScriptedJob(f"j{n}") for n in range(4)), of="batch:")
    poller = poller_of(transport, pace=PACE, batch=10)
    for job_id in transport.jobs:
        poller.listen(watched(job_id))
    await asyncio.sleep(70.0)
    await poller.aclose()
    batches = transport.times("batch:")
    assert len(batches) >= 2
    asked = {job_id: [at for at, target in transport.requests if job_id in target] for job_id in transport.jobs}
    last = transport.times("job:")[-1] if transport.times("job:") else 0.0
    for times in asked.values():
        assert all(b - a >= 20.0 for a, b in pairwise(at for at in times if at > last))


@on_virtual_clock
async def test_a_batch_takes_along_no_job_whose_look_was_put_off() -> None:
    transport = _told(ScriptedJob("a"), ScriptedJob("b"), of="job:a", hint=30.0)
    batching = poller_of(transport, pace=PACE, batch=10, workers=1)
    await _looked_at(batching.listen(watched("a")), batching)
    batching.listen(watched("b"))
    await asyncio.sleep(29.9)
    await batching.aclose()
    assert len(transport.times("job:b")) > 10
    assert sum("a" in target.partition(":")[2] for _, target in transport.requests) == 1


async def _looked_at(watch: AwaitedWatch, poller: Poller) -> None:
    poller.look_now(watch)
    await poller.news(watch)


@on_virtual_clock
async def test_looking_by_oneself_one_is_told_as_well() -> None:
    transport = _told(ScriptedJob("j"))
    async with client_of(transport, pace=PACE) as client:
        looked = await client.look(client.watched("j"))
        assert looked.next_look == 20.0
        assert looked.least == 20.0
        assert engine_of(client).clock.now() < 1.0


@pytest.mark.parametrize("polled", [None, 5000])
@on_virtual_clock
async def test_the_response_that_started_a_job_says_when_to_look_first(polled: int | None) -> None:
    transport = ScriptedTransport([ScriptedJob("j", ends=7.0)], round_trip=ROUND_TRIP)
    source = source_of(transport)
    source.api = replace(source.api, read_retry_after=_polled)
    async with Client(source=source, pace=PACE) as client:
        waited = client.wait_for({"job": {"id": "j", "state": "running"}, "poll": polled}, timeout=60)
        await waited
    assert transport.times()[0] == pytest.approx(
        5.0 if polled else PACE.min_interval, abs=0.6 if polled is None else SOON
    )


def _polled(body: bytes, _job_id: str) -> float | None:
    told = msgspec.json.decode(body).get("poll")
    return None if told is None else told / 1000.0
