"""One request that names many jobs by their ids: how many, who goes along, and what is made of the answer."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import msgspec
import pytest
from aiohttp import web
from msgspec.structs import replace

from jobwatch import Client, Pace
from jobwatch._core.budget import Budget
from jobwatch._core.tracker import Patience, Watched
from jobwatch._engine.batches import Batches, agreed
from jobwatch._engine.schedule import DueQueue, Schedule
from jobwatch._engine.watch import BEFORE_ALL, LOOKING, NEVER, AwaitedWatch
from jobwatch._engine.workers import Workers
from jobwatch._models import Fault, FaultKind, Job, Outcome, Phase
from jobwatch._reading.reply import Reply
from jobwatch._table.compile import api_of
from jobwatch._table.fields import TableError
from tests.scripted import ScriptedJob, ScriptedTransport, poller_of, watched
from tests.table_server import TableServer
from tests.virtual import on_virtual_clock

REFUSALS: dict[str, Reply | Fault] = {
    "forbidden": Fault(FaultKind.AUTH, "not for this token", 403),
    "not there": Fault(FaultKind.NOT_FOUND, "no such page", 404),
    "bad request": Fault(FaultKind.REFUSED, "too many ids", 400),
    "in trouble": Fault(FaultKind.UNREACHABLE, "oops", 500),
    "HTML": Fault(FaultKind.UNREADABLE, "the reply is HTML, perhaps a login page", 200),
    "too often": Fault(FaultKind.RATE_LIMITED, "slow down", 429),
    "not JSON": Reply(200, b'{"jobs": [{"id"'),
    "another shape": Reply(200, b'{"data": 1}'),
    "nothing": Reply(200, b'{"jobs": []}'),
    "strangers": Reply(200, b'{"jobs": [{"id": "x", "state": "completed"}]}'),
}


def _watch(job_id: str, *, alone: bool = False) -> AwaitedWatch:
    return AwaitedWatch(Watched(job_id=job_id, api="capydb"), listeners=1, alone=alone)


def _jobs(count: int, *, ends: float = float("inf"), starts: float = -100.0) -> list[ScriptedJob]:
    return [ScriptedJob(f"j{n:04}", starts=starts, ends=ends) for n in range(count)]


def _job(job_id: str, status: str = "running", attempt: int | None = None) -> Job:
    return Job(id=job_id, api="capydb", status=status, phase=Phase.RUNNING, attempt=attempt)


def _only_batches(reply: Reply | Fault) -> Callable[[str, float], Reply | Fault | None]:
    return lambda target, _now: reply if target.startswith("batch") else None


def _named(target: str) -> list[str]:
    return target.partition(":")[2].split(",")


# --- how many --------------------------------------------------------------------------------------------------------


def test_a_batch_has_room_for_as_many_as_the_api_takes_and_none_for_one_that_is_alone() -> None:
    batches = Batches(100)
    assert batches.room(_watch("a"), 0.0) == 99
    assert batches.room(_watch("a", alone=True), 0.0) == 0


@pytest.mark.parametrize("kind", [FaultKind.UNREADABLE, FaultKind.REFUSED])
def test_a_batch_that_is_too_large_shrinks_for_some_minutes_before_jobs_are_read_singly(kind: FaultKind) -> None:
    batches, one = Batches(400), _watch("a")
    sizes = []
    while room := batches.room(one, 0.0):
        sizes.append(room + 1)
        batches.failed(room + 1, Fault(kind, "no"), 0.0)
    assert sizes == [400, 100, 25, 10]
    assert batches.room(one, 60.0) == 9
    assert batches.room(one, 600.0) == 399


@pytest.mark.parametrize("kind", list(FaultKind))
def test_a_batch_that_fails_is_followed_by_single_looks_for_a_while(kind: FaultKind) -> None:
    batches, one = Batches(10), _watch("a")
    batches.asked(10)
    batches.failed(10, Fault(kind, "no"), 100.0)
    assert batches.room(one, 159.0) == 0
    assert batches.readers(one, 159.0) == 1, "looks made singly are not paid by others"
    for_good = kind in {FaultKind.AUTH, FaultKind.NOT_FOUND, FaultKind.GONE}
    assert (batches.room(one, 160.0) == 0) == for_good


def test_the_cost_is_shared_among_as_many_as_were_usually_read() -> None:
    batches, one = Batches(100), _watch("a")
    assert batches.sharers(one, 0.0) == 1
    batches.asked(8)
    assert (batches.readers(one, 0.0), batches.sharers(one, 0.0)) == (8, 8)
    for _ in range(100):
        batches.asked(100)
    assert batches.readers(one, 0.0) == pytest.approx(100, rel=0.01)
    assert batches.sharers(one, 0.0) == 25
    for _ in range(100):
        batches.asked(1)
    assert batches.readers(one, 0.0) == pytest.approx(1, rel=0.01)
    assert batches.readers(_watch("b", alone=True), 0.0) == 1


# --- who goes along --------------------------------------------------------------------------------------------------


def _queue(*due: float) -> tuple[Schedule, DueQueue, list[AwaitedWatch]]:
    idle = Workers(16, needed=lambda: False, crashed=lambda: None)
    idle.alarm_at = BEFORE_ALL  # so that no timer is set
    schedule = Schedule(Budget(), 300.0, idle, 16)
    watches = [_watch(f"w{n}") for n in range(len(due))]
    for watch, when in zip(watches, due, strict=True):
        if when == BEFORE_ALL:
            schedule.put_first(watch)
        else:
            schedule.put(watch, when)
    return schedule, schedule._queue, watches


@on_virtual_clock
async def test_who_is_due_first_goes_along_up_to_a_time() -> None:
    queue, due_queue, (first, late, soon, later, urgent) = _queue(1.0, 9.0, 3.5, 30.0, BEFORE_ALL)
    assert queue.take(1.0) is urgent
    assert queue.members(10, 10.0) == {first: 1.0, soon: 3.5, late: 9.0}
    assert due_queue.next_due() == 30.0
    assert later.due == 30.0
    assert queue.members(10, 29.0) == {}


@on_virtual_clock
async def test_no_more_go_along_than_there_is_room_for() -> None:
    queue, due_queue, watches = _queue(1.0, 2.0, 3.0, 4.0)
    queue.take(1.0)
    assert list(queue.members(2, 100.0)) == watches[1:3]
    assert due_queue.next_due() == 4.0


@on_virtual_clock
async def test_who_is_asked_for_singly_is_passed_by_and_keeps_its_place() -> None:
    queue, due_queue, (_, alone, other) = _queue(1.0, 2.0, 3.0)
    queue.take(1.0)
    alone.alone = True
    assert list(queue.members(10, 100.0)) == [other]
    assert (alone.due, due_queue.next_due()) == (2.0, 2.0)


@on_virtual_clock
async def test_many_who_are_asked_for_singly_are_not_all_gone_through() -> None:
    queue, due_queue, watches = _queue(*(float(n) for n in range(1000)), 2000.0)
    queue.take(0.0)
    for watch in watches[1:1000]:
        watch.alone = True
    assert queue.members(10, 5000.0) == {}
    left = []
    while due_queue.next_due() != NEVER:
        left.append(due_queue.pop())
    assert left == watches[1:]


@on_virtual_clock
async def test_newcomers_go_along_and_those_who_left_do_not() -> None:
    queue, _, (first, due) = _queue(1.0, 2.0)
    new, gone, alone, last = _watch("new"), _watch("gone"), _watch("alone", alone=True), _watch("last")
    gone.listeners = 0
    for watch in (new, gone, alone, last):
        queue.enqueue(watch)
    assert queue.take(1.0) is new
    assert list(queue.members(10, 5.0).items()) == [(last, NEVER), (first, 1.0), (due, 2.0)]
    assert queue.first_looks == 1, "who is alone has its turn still"
    assert queue.take(1.0) is alone


# --- what is made of the answer --------------------------------------------------------------------------------------


def test_rows_92_93_of_an_answer_only_what_was_asked_for_counts_and_what_agrees() -> None:
    a, b = _job("a"), _job("b", "completed")
    assert agreed([a, b, _job("x")], {"a", "b", "c"}) == (a, b)
    assert agreed([a, b, _job("a")], {"a", "b"}) == (a, b)
    assert agreed([a, b, _job("a", "failed")], {"a", "b"}) == (b,)
    assert agreed([a, _job("a", attempt=2)], {"a"}) == ()
    assert agreed([a, _job("a", "failed"), _job("a")], {"a"}) == ()
    ends = [replace(a, phase=phase) for phase in (Phase.SUCCEEDED, Phase.FAILED)]
    assert agreed(ends, {"a"}) == (), "one word, two ends"


@pytest.mark.parametrize("jobs", [(), (_job("x"),)])
def test_row_92_an_answer_that_shows_none_of_the_jobs_says_nothing(jobs: tuple[Job, ...]) -> None:
    seen = agreed(jobs, {"a", "b"})
    assert isinstance(seen, Fault)
    assert seen.kind is FaultKind.UNREADABLE


# --- what it saves ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
@on_virtual_clock
async def test_a_thousand_jobs_are_a_dozen_requests_a_sweep() -> None:
    transport = ScriptedTransport(_jobs(1000))
    poller = poller_of(transport, batch=100)
    watches = [poller.listen(watched(job_id)) for job_id in transport.jobs]
    await asyncio.sleep(10.0)
    assert all(watch.watched.looks for watch in watches)
    transport.requests.clear()
    looks = sum(watch.watched.looks for watch in watches)
    await asyncio.sleep(300.0)
    sweeps = (sum(watch.watched.looks for watch in watches) - looks) / 1000
    await poller.aclose()
    assert sweeps > 3
    assert len(transport.requests) / sweeps <= 12
    assert max(len(_named(target)) for _, target in transport.requests) == 100


@on_virtual_clock
async def test_a_few_jobs_are_one_request() -> None:
    transport = ScriptedTransport(_jobs(5))
    poller = poller_of(transport, batch=100)
    watches = [poller.listen(watched(job_id)) for job_id in transport.jobs]
    await asyncio.sleep(60.0)
    await poller.aclose()
    assert min(watch.watched.looks for watch in watches) >= len(transport.requests) - 1
    assert len(transport.times("batch")) >= len(transport.requests) - 1


@on_virtual_clock
async def test_a_job_that_is_not_due_before_the_next_request_is_left_alone() -> None:
    old = [ScriptedJob(f"old{n}", starts=-80_000.0) for n in range(20)]
    transport = ScriptedTransport([*old, ScriptedJob("young", starts=0.0)])
    poller = poller_of(transport, batch=100, pace=Pace(max_interval=600.0))
    for job_id in transport.jobs:
        poller.listen(watched(job_id))
    await asyncio.sleep(120.0)
    await poller.aclose()
    read = Counter(job_id for _, target in transport.requests for job_id in _named(target))
    assert read["young"] >= 4 * read["old0"]


@on_virtual_clock
async def test_one_job_is_asked_for_by_itself() -> None:
    transport = ScriptedTransport(_jobs(1))
    poller = poller_of(transport, batch=100)
    poller.listen(watched("j0000"))
    await asyncio.sleep(60.0)
    await poller.aclose()
    assert {target for _, target in transport.requests} == {"job:j0000"}


@pytest.mark.slow
@on_virtual_clock
async def test_batches_keep_to_a_budget_and_claim_no_more_than_they_need() -> None:
    transport = ScriptedTransport(_jobs(500))
    poller = poller_of(transport, batch=50, max_rate=5.0)
    watches = [poller.listen(watched(job_id)) for job_id in transport.jobs]
    await asyncio.sleep(30.0)
    before = [watch.watched.looks for watch in watches]
    await asyncio.sleep(60.0)
    await poller.aclose()
    assert len(transport.requests) <= 5 * 90 + 2
    assert min(watch.watched.looks - was for watch, was in zip(watches, before, strict=True)) >= 2
    assert poller._schedule._budget.demand <= 10.0, "500 jobs alone would want over 100"


# --- what it must not cost -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("why", REFUSALS)
@on_virtual_clock
async def test_no_job_suffers_from_a_batch_that_cannot_be_read(why: str) -> None:
    transport = ScriptedTransport(_jobs(30, ends=200.0))
    transport.answer = _only_batches(REFUSALS[why])
    poller = poller_of(transport, batch=100, patience=Patience(unreachable_after=10.0))
    watches = [poller.listen(watched(job_id)) for job_id in transport.jobs]
    await asyncio.sleep(350.0)
    await poller.aclose()
    assert {watch.watched.outcome for watch in watches} == {Outcome.SUCCEEDED}
    assert [[each.status for each in watch.log] for watch in watches] == [["pending", "running", "completed"]] * 30
    assert len(transport.times("batch")) <= 10
    looked = [at for at, target in transport.requests if target == "job:j0000"]
    assert max(b - a for a, b in pairwise(looked)) <= (120.0 if why == "too often" else 65.0)


@on_virtual_clock
async def test_row_92_a_job_that_the_answer_lacks_is_not_gone_but_asked_for_singly() -> None:
    transport = ScriptedTransport(_jobs(10, ends=100.0))

    def answer(target: str, now: float) -> Reply | None:
        if not target.startswith("batch"):
            return None
        bodies = [transport.jobs[job_id].body(now) for job_id in _named(target) if job_id != "j0003"]
        return Reply(200, msgspec.json.encode({"jobs": bodies}))

    transport.answer = answer
    poller = poller_of(transport, batch=100)
    watches = [poller.listen(watched(job_id)) for job_id in transport.jobs]
    await asyncio.sleep(200.0)
    await poller.aclose()
    assert {watch.watched.outcome for watch in watches} == {Outcome.SUCCEEDED}
    assert sum("j0003" in target for target in dict.fromkeys(t for _, t in transport.requests if "batch" in t)) == 1
    singly = [target for _, target in transport.requests if target.startswith("job")]
    assert singly.count("job:j0003") >= 3
    assert len(set(singly) - {"job:j0003"}) <= 1


@on_virtual_clock
async def test_rows_92_93_repeats_that_differ_and_bad_entries_are_asked_for_singly_and_the_others_are_read() -> None:
    transport = ScriptedTransport(_jobs(8, ends=100.0))

    def answer(target: str, now: float) -> Reply | None:
        if not target.startswith("batch"):
            return None
        bodies: list[object] = [transport.jobs[job_id].body(now) for job_id in _named(target)]
        wrong = {"id": "j0001", "state": "failed", "type": "t"}
        strangers = [{"id": f"x{n}", "state": "completed", "type": "t"} for n in range(20)]
        bodies = [None if job_id == "j0002" else body for job_id, body in zip(_named(target), bodies, strict=True)]
        return Reply(200, msgspec.json.encode({"jobs": [*bodies, wrong, 7, {"id": "j0005"}, *strangers]}))

    transport.answer = answer
    poller = poller_of(transport, batch=100)
    watches = [poller.listen(watched(job_id)) for job_id in transport.jobs]
    await asyncio.sleep(200.0)
    await poller.aclose()
    assert [watch.watched.outcome for watch in watches] == [Outcome.SUCCEEDED] * 8
    singly = {target for _, target in transport.requests if target.startswith("job")}
    assert singly >= {"job:j0001", "job:j0002"}
    assert len(singly) <= 3


@on_virtual_clock
async def test_a_hurried_look_is_made_though_the_answer_lacks_the_job() -> None:
    transport = ScriptedTransport(_jobs(4), round_trip=1.0)
    poller = poller_of(transport, batch=100)
    watches = [poller.listen(watched(job_id)) for job_id in transport.jobs]
    await asyncio.sleep(5.0)
    transport.answer = _only_batches(Reply(200, b'{"jobs": []}'))
    while not all(watch.stage >= LOOKING for watch in watches):  # noqa: ASYNC110 - nothing rings a bell for it
        await asyncio.sleep(0.05)
    began = poller.now()
    assert all(poller.look_now(watch) for watch in watches)
    await asyncio.gather(*(poller.news(watch, began + 30.0) for watch in watches))
    assert poller.now() - began <= 2.5
    await poller.aclose()


@on_virtual_clock
async def test_jobs_that_are_dropped_while_their_batch_is_under_way_stay_dropped() -> None:
    transport = ScriptedTransport(_jobs(10), round_trip=2.0)
    poller = poller_of(transport, batch=100)
    watches = [poller.listen(watched(job_id)) for job_id in transport.jobs]
    await asyncio.sleep(1.0)
    for watch in watches[:9]:
        poller.leave(watch)
    await asyncio.sleep(10.0)
    transport.requests.clear()
    await asyncio.sleep(60.0)
    assert {target for _, target in transport.requests} == {"job:j0009"}
    assert poller._schedule._queue.next_due() != NEVER
    poller.leave(watches[9])
    assert poller._schedule._queue.next_due() == NEVER
    await poller.aclose()


# --- on the wire -----------------------------------------------------------------------------------------------------

QUICK = Pace(min_interval=0.005, max_interval=0.02)
TABLE = {"base_url": "https://x.example", "job": "/jobs/{job_id}", "id": "id", "status": "state"}
REQUESTS: dict[str, tuple[dict[str, object], tuple[str, str, bytes]]] = {
    "commas": ({"request": "/jobs?ids={job_ids}"}, ("GET", "/jobs?ids=a,b%2F%26,c", b"")),
    "repeated": ({"request": "/jobs?v=1&id={job_id}&n={limit}"}, ("GET", "/jobs?v=1&id=a&id=b%2F%26&id=c&n=3", b"")),
    "in the path": ({"request": "/jobs/{job_ids}/all"}, ("GET", "/jobs/a,b%2F%26,c/all", b"")),
    "a list in a body": (
        {"request": "/find", "body": {"where": {"id": ["{job_ids}"], "any": "{job_ids}"}, "limit": "{limit}"}},
        ("POST", "/find", b'{"where":{"id":[["a","b/&","c"]],"any":["a","b/&","c"]},"limit":3}'),
    ),
    "a text in a body": (
        {"request": "/find", "body": "{ jobs(ids: \"{job_ids}\") q(of: '{job_ids}') }"},
        ("POST", "/find", b'{ jobs(ids: ["a","b/&","c"]) q(of: \'a,b/&,c\') }'),
    ),
}


@pytest.mark.parametrize("how", REQUESTS)
async def test_what_is_asked_for_several_jobs(how: str) -> None:
    batch, asked = REQUESTS[how]
    states = {"a": ["running", "done"], "b/&": ["running", "done"], "c": ["running", "done"]}

    def answer(request: web.BaseRequest) -> object:
        single = states.get(request.path.removeprefix("/jobs/")) if not request.query_string else None
        if single is not None:
            return {"id": request.path.removeprefix("/jobs/"), "state": single[-1]}
        return [{"id": each, "state": told.pop(0) if len(told) > 1 else told[0]} for each, told in states.items()]

    api = api_of(TABLE | {"words": {"succeeded": ["done"]}, "batch": batch}, "x")
    async with TableServer(answer) as server, Client(api, base_url=server.url, pace=QUICK) as client:
        jobs = await client.wait_all(states, timeout=5)
    assert [job.status for job in jobs] == ["done"] * 3
    method, path, _, body = server.requests[0]
    assert (method, path, body) == asked
    if asked[0] == "POST":
        assert server.requests[0][2]["Content-Type"] == "application/json"


async def test_parameters_go_into_the_request_for_several_jobs_too() -> None:
    batch = {"request": "/{team}/find", "body": {"team": "{team}", "ids": "{job_ids}"}}
    table = TABLE | {"job": "/{team}/{job_id}", "words": {"succeeded": ["done"]}, "batch": batch}
    found = [{"id": each, "state": "done"} for each in "ab"]
    async with TableServer(lambda _: found) as server:
        client = Client(api_of(table, "x"), base_url=server.url, pace=QUICK, params={"team": 'é"'})
        await client.wait_all(["a", "b"], timeout=5)
        await client.aclose()
    (_, path, _, body), *more = server.requests
    assert (path, msgspec.json.decode(body)) == ("/%C3%A9%22/find", {"team": 'é"', "ids": ["a", "b"]})
    assert not more


async def test_row_93_one_job_of_an_answer_that_cannot_be_read_leaves_the_others() -> None:
    bad: list[object] = [{"id": "b", "state": {"no": 1}}, {"id": "c"}, 7, {"id": [1], "state": "done"}]
    found = [{"id": "a", "state": "done"}, *bad, None, {"id": "d", "state": "done"}]
    api = api_of(TABLE | {"words": {"succeeded": ["done"]}, "batch": {"request": "/jobs?ids={job_ids}"}}, "x")
    seen = api.batch(msgspec.json.encode(found))
    assert isinstance(seen, tuple)
    assert [job.id for job in seen] == ["a", "d"]
    assert isinstance(api.batch(msgspec.json.encode(bad)), Fault)


def test_an_entry_that_says_by_the_tables_conditions_that_there_is_no_such_job_is_left_out() -> None:
    table = TABLE | {"missing_if": "state == 'PENDING' && !(received)", "batch": {"request": "/jobs?ids={job_ids}"}}
    seen = api_of(table, "x").batch(b'[{"id":"a","state":"PENDING"},{"id":"b","state":"PENDING","received":5}]')
    assert isinstance(seen, tuple)
    assert [job.id for job in seen] == ["b"]


@pytest.mark.parametrize(
    ("batch", "trouble"),
    [
        ({"request": "/jobs"}, "batch.request: it has no place for the ids"),
        ({"request": "/jobs/{job_id}"}, "batch.request: it has no place for the ids"),
        ({"request": "jobs?ids={job_ids}"}, "batch.request: it must start with /"),
        ({"request": "/jobs?ids={job_ids}", "most": 1}, "batch.most: "),
        ({"request": "/jobs?ids={job_ids}", "root": "a b["}, "batch.root: "),
        ({"request": "/jobs?ids={job_ids}", "moist": 5}, "batch.moist: there is no such key; did you mean most?"),
        ({}, "batch: "),
    ],
)
def test_what_is_wrong_in_the_table_of_a_batch_is_said(batch: dict[str, object], trouble: str) -> None:
    with pytest.raises(TableError, match=re.escape(trouble)):
        api_of(TABLE | {"batch": batch}, "x")


def test_a_batch_needs_to_know_where_the_ids_lie() -> None:
    with pytest.raises(TableError, match="give id"):
        api_of({**TABLE, "id": [], "batch": {"request": "/jobs?ids={job_ids}"}}, "x")


def test_the_jobs_of_an_api_without_batches_cannot_be_read_so() -> None:
    seen = api_of(TABLE, "x").batch(b"[]")
    assert isinstance(seen, Fault)
    assert "documents no request for several jobs" in seen.message
