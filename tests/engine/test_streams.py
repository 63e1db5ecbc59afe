"""A job's stream as a hint on a virtual clock: when looks come with it, and when it is silent, broken or lies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import msgspec
import pytest
from msgspec.structs import replace

from jobwatch import JobAPI
from jobwatch._core.budget import Budget
from jobwatch._core.look import Policy
from jobwatch._core.moves import Onward, Place
from jobwatch._core.pace import Pace
from jobwatch._core.source import Seen, StreamEnd, Turn
from jobwatch._core.tracker import Patience, Watched
from jobwatch._engine.clock import Clock
from jobwatch._engine.poller import Poller
from jobwatch._engine.streams import BEATS, SILENCE
from jobwatch._files.history import History
from jobwatch._http.requests import Given
from jobwatch._http.source import HttpSource
from jobwatch._http.tasks import at_once
from jobwatch._models import UNCHANGED, Fault, FaultKind, Job, Phase
from jobwatch._reading.api import Hint
from jobwatch._reading.reply import Reply
from jobwatch.apis import BEDROCK
from tests.scripted import EPOCH
from tests.simulation.truth import meant
from tests.virtual import on_virtual_clock

PACE = Pace()
BEAT = BEATS * PACE.max_interval
ROUND_TRIP = 0.05
WORDS = {"PENDING": "Queued", "RUNNING": "Started", "COMPLETED": "Completed"}
NO_STREAM = Fault(FaultKind.NOT_FOUND, "no such page", 404)

Piece = tuple[float, bytes]
"""Bytes of a stream, and the time of the loop's clock at which they come."""


def event(status: str, job_id: str = "j") -> bytes:
    word = WORDS.get(status, status)
    name = "completed" if word == "Completed" else "status"
    return f'event: {name}\ndata: {{"job_id":"{job_id}","status":"{word}"}}\n\n'.encode()


class Bedrock:
    """Bedrock without a network: jobs by their steps, each with a stream of its own.

    Args:
        steps: The states of every job, each with the time at which it is entered.
        jobs: Their ids.
    """

    def __init__(self, *steps: tuple[float, str], jobs: Sequence[str] = ("j",)) -> None:
        self.steps = steps
        self.jobs = jobs
        self.looks: list[float] = []
        self.streams: list[float] = []
        self.open = 0
        self.most_open = 0
        self.answer: Callable[[float], Fault | None] = lambda _now: None
        self.lag: Callable[[float], float] = lambda _now: 0.0
        self.stream: Callable[[int, float], Sequence[Piece | Fault | None]] = self.true_stream

    @property
    def requests(self) -> int:
        return len(self.looks) + len(self.streams)

    def prepared(self, path: str, query: str | None = None, body: bytes | None = None) -> str:
        assert (query, body) == (None, None)
        job_id, _, kind = path.removeprefix("/jobs/").partition("/")
        return f"stream:{job_id}" if kind else job_id

    async def aclose(self) -> None:
        pass

    async def get(self, job_id: str, *, etag: str | None = None, turn: Turn = at_once) -> Reply | Fault:
        now = asyncio.get_running_loop().time()
        self.looks.append(now)
        answer = self.answer(now) or self._reply(job_id, now - self.lag(now))
        await asyncio.sleep(ROUND_TRIP)
        return answer

    def _reply(self, job_id: str, now: float) -> Reply:
        entered = [(at, status) for at, status in self.steps if at <= now] or list(self.steps[:1])
        stamps = [{"status": status, "timestamp": EPOCH + at} for at, status in entered]
        body = {"id": job_id, "status": entered[-1][1], "events": stamps, "updated_at": EPOCH + entered[-1][0]}
        return Reply(200, msgspec.json.encode({"data": body}))

    def true_stream(self, _number: int, now: float) -> Sequence[Piece | Fault | None]:
        """What the vendor documents: the state as it is, each change, heartbeats, and five minutes at most."""
        before = [(at, status) for at, status in self.steps if at <= now][-1:]
        after = [(at, status) for at, status in self.steps if now < at < now + 300.0]
        told: list[Piece] = [(max(at, now), event(status)) for at, status in (*before, *after)]
        ends = next((at for at, status in (*before, *after) if status == "COMPLETED"), now + 300.0)
        beats = [(now + 15.0 * beat, b": beat\n\n") for beat in range(1, 20) if now + 15.0 * beat < ends]
        return [*sorted(told + beats), (ends, b""), None]

    async def follow(self, target: str, heard: Callable[[bytes], bool], *, silence: float) -> Fault | None:
        job_id = target.removeprefix("stream:")
        loop = asyncio.get_running_loop()
        self.streams.append(loop.time())
        self.open += 1
        self.most_open = max(self.open, self.most_open)
        try:
            await asyncio.sleep(ROUND_TRIP / 2)
            for piece in self.stream(len(self.streams), loop.time()):
                if piece is None or isinstance(piece, Fault):
                    return piece
                at, data = piece
                wait = max(0.0, at + ROUND_TRIP / 2 - loop.time())
                await asyncio.sleep(min(wait, silence))
                if wait > silence:
                    return Fault(FaultKind.UNREACHABLE, "silence")
                if data and not heard(data.replace(b'"j"', f'"{job_id}"'.encode())):
                    return None
            await asyncio.sleep(silence)
            return Fault(FaultKind.UNREACHABLE, "silence")
        finally:
            self.open -= 1


@asynccontextmanager
async def polled(
    bedrock: Bedrock,
    *,
    streams: bool = True,
    max_rate: float | None = None,
    pace: Pace = PACE,
    api: JobAPI = BEDROCK,
    stable_for: Mapping[Phase, float] = {},
) -> AsyncIterator[Poller]:
    given = Given("t", "http://api.test", None)
    source = HttpSource(api, given, streams=streams, transport=bedrock)  # type: ignore[arg-type]  # it stands in
    policy = Policy(pace, Patience(), History(), stable_for)
    poller = Poller(policy, source, Budget(max_rate), workers=16, clock=Clock(lambda: 0.5, EPOCH))
    try:
        yield poller
    finally:
        await poller.aclose()
        assert bedrock.open == 0


async def seen(poller: Poller, job_id: str = "j") -> list[tuple[float, str]]:
    """Listen to a job to its end, and return what it was seen to do and when."""
    watch = poller.listen(Watched(job_id=job_id, api=BEDROCK.name))
    heard: list[tuple[float, str]] = []
    while watch.watched.outcome is None:
        await poller.news(watch)
        heard += [(poller.now(), change.status) for change in watch.log[len(heard) :]]
    poller.leave(watch)
    return heard


async def for_a_while(bedrock: Bedrock, seconds: float, *, streams: bool = True) -> Bedrock:
    """Listen to a job for some time, whatever happens."""
    async with polled(bedrock, streams=streams) as poller:
        listening = asyncio.ensure_future(seen(poller))
        await asyncio.sleep(seconds)
        listening.cancel()
        await asyncio.wait([listening])
    return bedrock


# --- with a stream that works --------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [2.0, 20.0, 200.0, 299.0])
def test_four_requests_a_job_and_every_state_within_one_round_trip(length: float) -> None:
    @on_virtual_clock
    async def run() -> None:
        bedrock = Bedrock((0.0, "PENDING"), (length / 2, "RUNNING"), (length, "COMPLETED"))
        async with polled(bedrock) as poller:
            heard = await seen(poller)
        assert [status for _, status in heard] == ["PENDING", "RUNNING", "COMPLETED"]
        for at, status in heard[1:]:
            happened = next(when for when, name in bedrock.steps if name == status)
            # Half a round trip for the event, and one for the look.
            assert at - happened == pytest.approx(1.5 * ROUND_TRIP, abs=0.01)
        assert bedrock.requests == 4

    run()


@on_virtual_clock
async def test_a_stream_that_agrees_does_not_put_off_the_look_that_is_to_confirm_that_a_job_is_blocked() -> None:
    bedrock = Bedrock((0.0, "RUNNING"), (30.0, "INPUT_NEEDED"))
    bedrock.stream = lambda _n, now: [(now, event("RUNNING")), *((at, event("INPUT_NEEDED")) for at in (30.0, 33.0))]
    asking = replace(BEDROCK, read_job=lambda body: meant(BEDROCK.read_job(body)))
    async with polled(bedrock, api=asking) as poller:
        watch = poller.listen(Watched(job_id="j", api=BEDROCK.name))
        while not watch.watched.is_blocked:
            await poller.news(watch)
        assert poller.now() == pytest.approx(40.2, abs=0.2)


@on_virtual_clock
async def test_nor_the_look_that_is_to_confirm_an_end() -> None:
    bedrock = Bedrock((0.0, "RUNNING"), (30.0, "FAILED"))
    bedrock.stream = lambda _n, now: [(now, event("RUNNING")), *((at, event("FAILED")) for at in (30.0, 33.0))]
    async with polled(bedrock, stable_for={Phase.FAILED: 10.0}) as poller:
        at, status = (await seen(poller))[-1]
    assert status == "FAILED"
    assert at == pytest.approx(40.2, abs=0.2)


@on_virtual_clock
async def test_the_safety_beat_is_slow_and_a_stream_that_was_closed_in_good_order_is_opened_again() -> None:
    bedrock = await for_a_while(Bedrock((-1000.0, "RUNNING")), 3000.0)
    assert len(bedrock.streams) == pytest.approx(3000.0 / 300.0, abs=2)
    assert len(bedrock.looks) <= len(bedrock.streams) + 2
    without = await for_a_while(Bedrock((-1000.0, "RUNNING")), 3000.0, streams=False)
    assert bedrock.requests < len(without.looks) / 2


@on_virtual_clock
async def test_an_end_within_a_stream_that_nobody_told_is_seen_by_the_safety_beat() -> None:
    bedrock = Bedrock((0.0, "RUNNING"), (100.0, "COMPLETED"))
    bedrock.stream = lambda _number, now: [(now, event("RUNNING")), *((now + 15.0 * n, b": \n\n") for n in range(99))]
    async with polled(bedrock) as poller:
        heard = await seen(poller)
    assert heard[-1][0] == pytest.approx(BEAT, abs=2.0)
    assert len(bedrock.looks) == 2


@on_virtual_clock
async def test_progress_and_heartbeats_and_news_of_other_jobs_bring_no_look() -> None:
    bedrock = Bedrock((0.0, "RUNNING"))
    noise = [
        b'event: progress\ndata: {"job_id":"j","progress":0.5}\n\n',
        event("COMPLETED", "another"),
        b"event: status\ndata: not JSON\n\n",
        b"event: status\ndata: [1]\n\n",
        b'event: status\ndata: {"job_id":"j","status":5}\n\n',
        b": \n\n",
        event("RUNNING"),
    ]
    bedrock.stream = lambda _number, now: [
        (now, event("RUNNING")),
        *((now + number, noise[number % len(noise)]) for number in range(200)),
    ]
    await for_a_while(bedrock, 190.0)
    assert len(bedrock.looks) == 1


@on_virtual_clock
async def test_row_103_a_stream_that_begins_with_a_history_costs_no_look() -> None:
    bedrock = Bedrock((0.0, "PENDING"), (1.0, "RUNNING"))
    await asyncio.sleep(5.0)
    beats = [(20.0 * number, b": \n\n") for number in range(1, 20)]
    bedrock.stream = lambda _number, now: [(now, event("PENDING") + event("RUNNING")), *beats]
    async with polled(bedrock) as poller:
        listening = asyncio.ensure_future(seen(poller))
        await asyncio.sleep(200.0)
        listening.cancel()
        await asyncio.wait([listening])
    assert len(bedrock.looks) == 1


@on_virtual_clock
async def test_a_change_told_during_a_look_that_misses_it_has_another_look_made_at_once() -> None:
    bedrock = Bedrock((0.0, "PENDING"), (10.0, "RUNNING"), (10.0 + ROUND_TRIP * 0.7, "COMPLETED"))
    async with polled(bedrock) as poller:
        heard = await seen(poller)
    assert [status for _, status in heard] == ["PENDING", "RUNNING", "COMPLETED"]
    assert heard[-1][0] == pytest.approx(10.0 + 2.5 * ROUND_TRIP, abs=0.01)
    assert bedrock.requests == 4


@on_virtual_clock
async def test_row_80_an_end_that_a_lagging_replica_does_not_show_is_asked_for_again_soon() -> None:
    bedrock = Bedrock((-500.0, "PENDING"), (-400.0, "RUNNING"), (100.0, "COMPLETED"))
    bedrock.lag = lambda now: 3.0 if now > 50.0 else 0.0
    async with polled(bedrock) as poller:
        heard = await seen(poller)
    assert heard[-1][1] == "COMPLETED"
    assert 103.0 <= heard[-1][0] <= 108.0
    assert bedrock.requests <= 9


@on_virtual_clock
async def test_a_job_that_is_both_watched_and_awaited_has_one_stream() -> None:
    bedrock = Bedrock((0.0, "PENDING"), (20.0, "COMPLETED"))
    told: list[str] = []
    async with polled(bedrock) as poller:
        watch = poller.watch(
            Watched(job_id="j", api=BEDROCK.name),
            lambda _watch, looked: told.extend(change.status for change in looked.transitions),
        )
        heard = await seen(poller)
        assert len(bedrock.streams) == 1
        assert [status for _, status in heard] == ["PENDING", "COMPLETED"] == told
        poller.drop(watch)
    assert bedrock.requests <= 4


@on_virtual_clock
async def test_a_stream_ends_with_the_last_who_listens() -> None:
    bedrock = Bedrock((0.0, "RUNNING"))
    async with polled(bedrock) as poller:
        watches = [poller.listen(Watched(job_id="j", api=BEDROCK.name)) for _ in range(2)]
        await asyncio.sleep(5.0)
        poller.leave(watches[0])
        await asyncio.sleep(5.0)
        assert bedrock.open == 1
        poller.leave(watches[1])
        await asyncio.sleep(0.01)
        assert bedrock.open == 0


@on_virtual_clock
async def test_no_more_streams_are_open_than_there_is_room_for_and_the_other_jobs_are_polled() -> None:
    ids = [f"j{number}" for number in range(40)]
    bedrock = Bedrock((0.0, "RUNNING"), (100.0, "COMPLETED"), jobs=ids)
    async with polled(bedrock) as poller:
        all_heard = await asyncio.gather(*(seen(poller, job_id) for job_id in ids))
    assert bedrock.most_open == 16
    ends = sorted(heard[-1][0] for heard in all_heard)
    assert ends[15] < 100.2
    assert ends[-1] < 100.0 + PACE.max_interval


# --- with one that does not ----------------------------------------------------------------------------------------


def _refused(_number: int, _now: float) -> Sequence[Piece | Fault | None]:
    return [NO_STREAM]


def _silent(_number: int, _now: float) -> Sequence[Piece | Fault | None]:
    return []


def _closed_at_once(_number: int, _now: float) -> Sequence[Piece | Fault | None]:
    return [None]


def _broken(_number: int, now: float) -> Sequence[Piece | Fault | None]:
    return [(now, b"event: status\nda"), Fault(FaultKind.UNREADABLE, "cut off")]


def _lost(_number: int, _now: float) -> Sequence[Piece | Fault | None]:
    return [Fault(FaultKind.UNREACHABLE, "no connection")]


@pytest.mark.parametrize("stream", [_refused, _silent, _closed_at_once, _broken, _lost])
def test_rows_101_104_a_stream_that_is_none_changes_no_look(
    stream: Callable[[int, float], Sequence[Piece | Fault | None]],
) -> None:
    looks: list[list[float]] = []
    extra = 0

    @on_virtual_clock
    async def run() -> None:
        nonlocal extra
        for streams in (True, False):
            bedrock = Bedrock((-50.0, "PENDING"), (30.0, "RUNNING"), (600.0, "COMPLETED"))
            bedrock.stream = stream
            begun = asyncio.get_running_loop().time()
            bedrock.steps = tuple((at + begun, status) for at, status in bedrock.steps)
            async with polled(bedrock, streams=streams) as poller:
                heard = await seen(poller)
            assert [status for _, status in heard] == ["PENDING", "RUNNING", "COMPLETED"]
            looks.append([at - begun for at in bedrock.looks])
            extra += len(bedrock.streams)

    run()
    assert looks[0] == pytest.approx(looks[1], abs=0.01)
    assert 1 <= extra <= 8


@on_virtual_clock
async def test_row_104_a_stream_that_falls_silent_is_given_up_and_looked_after() -> None:
    bedrock = Bedrock((0.0, "RUNNING"), (100.0, "COMPLETED"))
    bedrock.stream = lambda _number, now: [(now, event("RUNNING"))]
    async with polled(bedrock) as poller:
        heard = await seen(poller)
    assert bedrock.looks[1] == pytest.approx(SILENCE, abs=1.0)
    assert heard[-1][0] < 100.0 + PACE.max_interval


@on_virtual_clock
async def test_a_job_api_without_streams_is_asked_for_two_and_then_for_none() -> None:
    ids = [f"j{number}" for number in range(10)]
    bedrock = Bedrock((0.0, "RUNNING"), (300.0, "COMPLETED"), jobs=ids)
    bedrock.stream = _refused
    async with polled(bedrock) as poller:
        listening = [asyncio.ensure_future(seen(poller, job_id)) for job_id in ids[:2]]
        await asyncio.sleep(1.0)
        listening += [asyncio.ensure_future(seen(poller, job_id)) for job_id in ids[2:]]
        await asyncio.wait(listening)
    assert len(bedrock.streams) == 2


@on_virtual_clock
async def test_a_stream_that_lies_costs_no_more_than_a_look_each_shortest_interval() -> None:
    bedrock = Bedrock((-500.0, "RUNNING"))
    lies = [event("COMPLETED"), event("PENDING")]
    bedrock.stream = lambda _number, now: [(now + 0.01 * number, lies[number % 2]) for number in range(3000)]
    await for_a_while(bedrock, 25.0)
    assert 5 < len(bedrock.looks) <= 25.0 / PACE.min_interval + 10


@on_virtual_clock
async def test_an_end_that_is_not_true_is_never_believed_and_soon_not_asked_after() -> None:
    bedrock = Bedrock((-500.0, "RUNNING"))
    bedrock.stream = lambda _number, now: [
        (now, event("COMPLETED")),
        *((now + 15.0 * beat, b": \n\n") for beat in range(1, 20)),
    ]
    watch = None
    async with polled(bedrock) as poller:
        watch = poller.listen(Watched(job_id="j", api=BEDROCK.name))
        await asyncio.sleep(250.0)
        assert watch.watched.outcome is None
        assert [change.status for change in watch.log] == ["RUNNING"]
    without = await for_a_while(Bedrock((-500.0, "RUNNING")), 250.0, streams=False)
    assert len(bedrock.looks) <= len(without.looks) + 8


@on_virtual_clock
async def test_row_102_an_event_too_long_to_be_read_ends_the_stream_and_has_a_look_made() -> None:
    bedrock = Bedrock((0.0, "RUNNING"), (50.0, "COMPLETED"))
    bedrock.stream = lambda _number, now: [
        (now, event("RUNNING")),
        *((now + 15.0 * beat, b": \n\n") for beat in range(1, 3)),
        (50.0, b"event: completed\ndata: " + b"x" * 2_000_000),
    ]
    async with polled(bedrock) as poller:
        heard = await seen(poller)
    assert heard[-1][0] == pytest.approx(50.0 + 1.5 * ROUND_TRIP, abs=0.05)


@on_virtual_clock
async def test_row_37_a_stream_answered_with_a_pause_keeps_every_request_away() -> None:
    bedrock = Bedrock((0.0, "RUNNING"))
    bedrock.stream = lambda _number, _now: [Fault(FaultKind.RATE_LIMITED, "slow down", 429, retry_after=30.0)]
    await for_a_while(bedrock, 29.0)
    assert bedrock.requests == 2


@on_virtual_clock
async def test_no_stream_is_asked_for_while_the_budget_has_nothing_left() -> None:
    bedrock = Bedrock((0.0, "RUNNING"))
    async with polled(bedrock, max_rate=0.1) as poller:
        poller.listen(Watched(job_id="j", api=BEDROCK.name))
        await asyncio.sleep(200.0)
    assert 10 <= bedrock.requests <= 200.0 * 0.1 + 3


@on_virtual_clock
async def test_looks_that_fail_are_made_as_if_there_were_no_stream() -> None:
    bedrock = Bedrock((0.0, "RUNNING"), (200.0, "COMPLETED"))
    bedrock.answer = lambda now: Fault(FaultKind.UNREACHABLE, "down") if 190.0 < now < 240.0 else None
    async with polled(bedrock) as poller:
        heard = await seen(poller)
    assert heard[-1][0] < 240.0 + PACE.max_interval
    assert sum(200.0 < at < 240.0 for at in bedrock.looks) >= 3


@on_virtual_clock
async def test_a_look_that_fails_after_a_stream_told_the_end_is_soon_made_again() -> None:
    bedrock = Bedrock((0.0, "PENDING"), (5.0, "RUNNING"), (60.0, "COMPLETED"))
    bedrock.answer = lambda now: Fault(FaultKind.UNREACHABLE, "lost") if 60.0 <= now < 60.5 else None
    async with polled(bedrock) as poller:
        heard = await seen(poller)
    assert heard[-1][1] == "COMPLETED"
    assert heard[-1][0] <= 60.0 + 2 * PACE.min_interval
    assert len([at for at in bedrock.looks if at >= 60.0]) <= 3


@on_virtual_clock
async def test_a_fault_of_our_own_in_a_stream_costs_the_job_nothing(caplog: pytest.LogCaptureFixture) -> None:
    bedrock = Bedrock((0.0, "RUNNING"), (20.0, "COMPLETED"))

    def broken(_number: int, _now: float) -> Sequence[Piece | Fault | None]:
        raise ZeroDivisionError

    bedrock.stream = broken
    async with polled(bedrock) as poller:
        heard = await seen(poller)
    assert heard[-1][1] == "COMPLETED"
    assert "dropped by a fault of our own" in caplog.text


class Moving(HttpSource):
    """A job that goes on at another place after some time, and a stream that tells of the place before, and lives on.

    Args:
        moves: When it goes on there.
        ends: When it ends there.
    """

    has_moves = True

    def __init__(self, moves: float, ends: float) -> None:
        super().__init__(BEDROCK, Given("t", "http://api.test", None))
        self.moves, self.ends = moves, ends
        self.looks: list[tuple[float, str]] = []
        self.followed: list[float] = []
        self.is_open = False

    async def job(
        self,
        job_id: str,
        status: str | None = None,
        memo: object = None,
        turn: Turn = at_once,
        place: Place | None = None,
        *,
        hold: float = 0.0,
    ) -> Seen:
        now = asyncio.get_running_loop().time()
        self.looks.append((now, job_id if place is None else place.at))
        if place is None and now >= self.moves:
            return Seen(UNCHANGED, onward=Onward(Place("k"), job_id))
        is_over = place is not None and now >= self.ends
        phase = Phase.SUCCEEDED if is_over else Phase.RUNNING
        return Seen(Job(id=job_id, api=self.name, status="COMPLETED" if is_over else "RUNNING", phase=phase))

    async def follow(self, job_id: str, heard: Callable[[Sequence[Hint]], bool], silence: float) -> StreamEnd:
        self.followed.append(asyncio.get_running_loop().time())
        self.is_open = True
        try:
            heard([Hint("Started", Phase.RUNNING, job_id)])
            while heard(()):  # noqa: ASYNC110 - a heartbeat
                await asyncio.sleep(15.0)
        finally:
            self.is_open = False
        return StreamEnd()


@on_virtual_clock
async def test_a_job_that_has_gone_on_elsewhere_is_looked_at_as_if_there_were_no_stream() -> None:
    source = Moving(moves=20.0, ends=400.0)
    policy, clock = Policy(PACE, Patience(), History()), Clock(lambda: 0.5, EPOCH)
    poller = Poller(policy, source, Budget(None), workers=4, clock=clock)
    watch = poller.listen(Watched(job_id="j", api=BEDROCK.name))
    asyncio.get_running_loop().call_later(20.0, poller.wake, "j")
    await asyncio.sleep(22.0)
    assert watch.watched.place is not None
    assert not source.is_open
    await poller.news(watch)
    assert watch.watched.phase is Phase.SUCCEEDED
    at = poller.now()
    await poller.aclose()
    assert len(source.followed) == 1
    assert at == pytest.approx(400.0, abs=PACE.max_interval)
