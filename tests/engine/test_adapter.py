"""A user's source, asked through a client: on the virtual clock where it is async, and in real threads where not."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import gc
import logging
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from msgspec.structs import replace

import jobwatch
from jobwatch import (
    UNCHANGED,
    Client,
    ConfigError,
    Fault,
    FaultKind,
    Job,
    JobNotFound,
    JobSource,
    JobwatchError,
    LookError,
    Outcome,
    Pace,
    Phase,
    Unreachable,
    UnreadableReply,
    WaitTimeout,
    Watcher,
)
from jobwatch._reading.api import REQUEST_TIMEOUT as TIME_LIMIT
from jobwatch.testing import HANG, FakeSource
from tests.conftest import in_time, own_tasks, soon
from tests.virtual import idle_tasks, on_virtual_clock, running_loop

QUICK = Pace(min_interval=0.01, max_interval=0.02)
DONE = Job(id="j", api="mine", status="done", phase=Phase.SUCCEEDED)
BUSY = Job(id="j", api="mine", status="busy", phase=Phase.RUNNING)


class Mine:
    """A source with one method, given as a function."""

    key = "mine"

    def __init__(self, job: Any, **more: Any) -> None:
        self.job = job
        vars(self).update(more)


def client_of(source: Any, **options: Any) -> Client:
    kept: dict[str, Any] = {"pace": QUICK, "unreachable_after": 0.2, "appear_within": 0.05} | options
    return Client(source=source, **kept)


async def fault_of(source: Any, job_id: str = "j", **options: Any) -> Fault:
    """Ask once for a job, and return the fault."""
    async with client_of(source, **options) as client:
        with pytest.raises(LookError) as caught:
            await client.job(job_id)
    return caught.value.fault


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "jobwatch source"]


async def no_threads() -> None:
    await soon(lambda: not threads())


# --- what is a source ------------------------------------------------------------------------------------------


class NoKey:
    def job(self, job_id: str) -> Job:
        return DONE


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (NoKey(), "NoKey is no source: it needs a `key`"),
        (Mine(None), "a method `job"),
        (Mine("job"), "a method `job"),
        (Mine(lambda job_id: DONE, key=""), "a text on one line"),
        (Mine(lambda job_id: DONE, key=7), "a text on one line"),
        (Mine(lambda job_id: DONE, key="two\nlines"), "a text on one line"),
        (Mine, "Mine is a class: give an object of it"),
        (Mine(lambda job_id: DONE, batch=lambda job_ids: [], batch_most=0), "batch_most must be"),
        (Mine(lambda job_id: DONE, batch=lambda job_ids: [], batch_most=True), "batch_most must be"),
        (Mine(lambda job_id: DONE, batch=lambda job_ids: [], batch_most="many"), "batch_most must be"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_source_is_refused(source: Any, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        Client(source=source)


@pytest.mark.parametrize(
    "options",
    [{"token": "t"}, {"base_url": "http://x.test"}, {"api_version": "1"}, {"params": {"a": "b"}}, {"api": "bedrock"}],
    ids=str,
)
def test_a_source_takes_nothing_that_an_api_has(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="a source has its own address and token"):
        Client(source=Mine(lambda job_id: DONE), **options)


def test_a_client_needs_an_api_or_a_source() -> None:
    with pytest.raises(ConfigError, match="source="):
        Client()


@on_virtual_clock
async def test_what_is_no_method_is_no_way_to_ask() -> None:
    source = Mine(lambda job_id: DONE, jobs={"j": DONE}, batch=[])
    async with client_of(source) as client:
        assert (client.name, client.has_lists) == ("mine", False)
        with pytest.raises(ConfigError, match="mine documents no list of jobs"):
            await client.jobs("p")
        with pytest.raises(ConfigError, match="mine is a source"):
            client.api  # noqa: B018


@pytest.mark.parametrize("job_id", ["a b/c?d=e", "ünï-☃", "arn:aws:states:eu-1:1:execution:m:x", "'; drop", ".", "0"])
@on_virtual_clock
async def test_an_id_is_any_text_on_one_line(job_id: str) -> None:
    source = FakeSource()
    source.add(job_id, ["succeeded"])
    async with client_of(source) as client:
        assert (await client.wait_for(job_id)).id == job_id


CANNOT_BE_IDS = ["", "two\nlines", "\x1b[2J", "\u202eevil", "\ud800", 7.0, True, None, b"j"]


@pytest.mark.parametrize("job_id", CANNOT_BE_IDS, ids=repr)
@on_virtual_clock
async def test_what_cannot_be_an_id_is_refused_before_the_source_is_asked(job_id: Any) -> None:
    source = FakeSource()
    async with client_of(source) as client:
        for ask in (client.watched, client.wait_for):
            with pytest.raises(ConfigError, match="id"):
                ask(job_id)
        with pytest.raises(ConfigError, match="id"):
            await client.job(job_id)
    assert source.asked == []


@on_virtual_clock
async def test_a_source_reads_no_response() -> None:
    async with client_of(FakeSource()) as client:
        for started in (b'{"id": "j"}', {"id": "j"}, jobwatch.Response(b"{}")):
            with pytest.raises(ConfigError, match="give the id of the job, as a text"):
                client.wait_for(started)


# --- answers ---------------------------------------------------------------------------------------------------


@on_virtual_clock
async def test_every_state_once_and_the_end() -> None:
    source = FakeSource(epoch=0.0, delay=0.05)
    job = source.add("job_1", [("pending", 0), ("running", 2), ("completed", 60)], type="t", result=[1])
    async with client_of(source, pace=Pace()) as client:
        wait = client.wait_for("job_1")
        assert [(change.status, change.at and change.at.timestamp()) async for change in wait] == [
            ("pending", 0.0),
            ("running", 2.0),
            ("completed", 60.0),
        ]
        ended = await wait
        assert (ended.api, ended.result, ended.phase) == ("fake", [1], Phase.SUCCEEDED)
    assert job.looks == len(source.asked)
    assert 2 < job.looks < 40
    assert running_loop().time() - 60.0 < 10.0


@on_virtual_clock
async def test_the_job_is_this_sources_whatever_it_says() -> None:
    source = FakeSource(key="orders")
    source.trouble(DONE)
    async with client_of(source) as client:
        assert (await client.job("j")).api == "orders"


class Elsewhere(LookError):
    """An error of the user's own."""


@pytest.mark.parametrize(
    ("told", "kind", "message"),
    [
        (None, FaultKind.UNREADABLE, "a NoneType, and neither Job"),
        ({"id": "j"}, FaultKind.UNREADABLE, "a dict, and neither Job"),
        ([DONE], FaultKind.UNREADABLE, "a list, and neither Job"),
        (UNCHANGED, FaultKind.UNREADABLE, "UNCHANGED, and there is no job"),
        (Job(id="k", api="mine", status="done", phase=Phase.SUCCEEDED), FaultKind.UNREADABLE, "it tells of job k"),
        (Job(id=7, api="m", status="x", phase=Phase.FAILED), FaultKind.UNREADABLE, "id is of type int"),  # type: ignore[arg-type]
        (
            Job(id="j", api="mine", status="done", phase=Phase.SUCCEEDED, ended_at=datetime(2026, 1, 1)),  # noqa: DTZ001
            FaultKind.UNREADABLE,
            "ended_at is of type datetime, and must be a datetime with a timezone, or None",
        ),
        (Fault(FaultKind.AUTH, "no key"), FaultKind.AUTH, "no key"),
        (Fault(FaultKind.AUTH, "no", retry_after=float("nan")), FaultKind.UNREADABLE, "retry_after is of type "),
        (LookError(Fault(FaultKind.NOT_FOUND, "gone")), FaultKind.NOT_FOUND, "gone"),
        (Elsewhere(Fault(FaultKind.RATE_LIMITED, "slow", retry_after=3)), FaultKind.RATE_LIMITED, "slow"),
        (LookError(Fault(FaultKind.AUTH, "no", retry_after=-1)), FaultKind.UNREADABLE, "retry_after is of type "),
        (KeyError("a secret"), FaultKind.UNREACHABLE, "the source raised KeyError"),
        (TimeoutError(), FaultKind.UNREACHABLE, "the source raised TimeoutError"),
        (StopIteration(1), FaultKind.UNREACHABLE, "the source raised RuntimeError"),
        (JobwatchError("x"), FaultKind.UNREACHABLE, "the source raised JobwatchError"),
        (ConfigError("x"), FaultKind.UNREACHABLE, "the source raised ConfigError"),
        (asyncio.CancelledError(), FaultKind.UNREACHABLE, "the source cancelled its own call"),
        (ExceptionGroup("g", [ValueError("a secret")]), FaultKind.UNREACHABLE, "the source raised ExceptionGroup"),
    ],
    ids=str,
)
@pytest.mark.parametrize("plain", [False, True], ids=["async", "plain"])
def test_whatever_it_tells_or_raises_is_a_fault_of_that_job(
    told: object, kind: FaultKind, message: str, plain: bool
) -> None:
    async def job(job_id: str) -> object:
        if isinstance(told, BaseException):
            raise told
        return told

    def plain_job(job_id: str) -> object:
        if isinstance(told, BaseException):
            raise told
        return told

    fault = asyncio.run(fault_of(Mine(plain_job if plain else job)))
    if plain and isinstance(told, asyncio.CancelledError):
        message = "the source raised RuntimeError"
    assert fault.kind is kind
    assert message in fault.message
    assert "secret" not in fault.message


def test_a_plain_call_that_exits_ends_its_thread_and_not_the_program() -> None:
    assert asyncio.run(fault_of(Mine(lambda job_id: sys.exit(3)))).message == "the source raised RuntimeError"


@on_virtual_clock
async def test_one_job_that_goes_wrong_leaves_the_others_alone() -> None:
    source = FakeSource(delay=0.01)
    source.add("good", [("running", 0), ("succeeded", 10)])
    source.add("bad", ["running"])
    source.trouble(KeyError("x"), of="bad", times=1000)
    async with client_of(source, unreachable_after=5.0) as client:
        good, bad = client.wait_for("good"), client.wait_for("bad")
        with pytest.raises(Unreachable, match="the source raised KeyError"):
            await bad
        assert running_loop().time() == pytest.approx(5.0, abs=0.5)
        assert (await good).phase is Phase.SUCCEEDED


@on_virtual_clock
async def test_a_fault_that_passes_is_no_more_than_that() -> None:
    source = FakeSource()
    source.add("j", ["succeeded"])
    source.trouble(ConnectionError(), times=3)
    async with client_of(source, unreachable_after=60.0) as client:
        assert (await client.wait_for("j")).phase is Phase.SUCCEEDED
    assert len(source.asked) == 4


@on_virtual_clock
async def test_a_pause_that_it_asks_for_is_kept_for_all_its_jobs() -> None:
    source = FakeSource()
    source.add("j", [("running", 0), ("succeeded", 1)])
    source.add("k", ["running"])
    source.trouble(Fault(FaultKind.RATE_LIMITED, "slow down", retry_after=20.0))
    async with client_of(source, unreachable_after=60.0) as client:
        await client.wait_for("j")
        with pytest.raises(WaitTimeout):
            await client.wait_for("k", timeout=0.5)
    assert source.times()[1] == pytest.approx(20.0, abs=0.1)


@on_virtual_clock
async def test_a_job_that_appears_late_is_waited_for_and_one_that_does_not_is_not_found() -> None:
    source = FakeSource()
    source.add("late", ["succeeded"], after=3.0)
    async with client_of(source, appear_within=10.0) as client:
        assert (await client.wait_for("late")).phase is Phase.SUCCEEDED
        with pytest.raises(JobNotFound, match="there is no such job"):
            await client.wait_for("never")


@on_virtual_clock
async def test_where_an_exception_came_from_is_logged_once_for_each_type_and_not_what_it_says() -> None:
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[assignment, method-assign]
    logger = logging.getLogger("jobwatch")
    source = FakeSource()
    source.add("j", ["succeeded"])
    source.trouble(KeyError("a secret"), times=3)
    source.trouble(OSError("a secret"), times=2)
    logger.addHandler(handler)
    try:
        async with client_of(source, unreachable_after=60.0) as client:
            await client.wait_for("j")
    finally:
        logger.removeHandler(handler)
    told = [record.getMessage() for record in records]
    assert [text.splitlines()[0] for text in told] == [
        "asking fake about job j raised KeyError",
        "asking fake about job j raised OSError",
    ]
    assert all("raise error" in text and "secret" not in text for text in told)
    assert {record.levelno for record in records} == {logging.WARNING}


# --- unchanged -------------------------------------------------------------------------------------------------


@on_virtual_clock
async def test_a_source_that_takes_the_last_job_may_say_that_it_is_unchanged() -> None:
    source, told = FakeSource(unchanged=True), []
    source.add("j", [("pending", 0), ("running", 20), ("succeeded", 60)])

    async def job(job_id: str, last: Job | None = None) -> Any:
        told.append(await source.job(job_id, last))
        return told[-1]

    async with client_of(Mine(job), pace=Pace()) as client:
        assert [change.status async for change in client.wait_for("j")] == ["pending", "running", "succeeded"]
    whole = [each.status for each in told if isinstance(each, Job)]
    assert whole == ["pending", "running", "succeeded"]
    assert len(told) > 10
    last = [asked.last and asked.last.status for asked in source.asked]
    assert last[0] is None
    assert set(last[1:]) == {"pending", "running"}


@on_virtual_clock
async def test_two_that_know_different_things_are_told_all_by_one_answer() -> None:
    source = FakeSource(unchanged=True)
    source.add("j", ["running"])
    async with client_of(source, pace=Pace(min_interval=5.0, max_interval=5.0)) as client, Watcher(client) as watcher:
        await watcher.add("j")
        await asyncio.sleep(21.0)
        before = len(source.asked)
        wait = client.wait_for("j")
        assert (await anext(wait)).status == "running"
        assert len(source.asked) == before + 1
        assert source.asked[-1].last is None
        await asyncio.sleep(4.5)  # the watcher's next look was due before
        assert len(source.asked) == before + 1
        wait.close()


@on_virtual_clock
async def test_whoever_asks_for_the_first_time_is_told_all() -> None:
    source = FakeSource(unchanged=True)
    source.add("j", ["running"])
    async with client_of(source) as client, Watcher(client) as watcher:
        await watcher.add("j")
        await asyncio.sleep(5.0)
        assert (await client.job("j")).status == "running"
        assert (await client.job("j")).status == "running"
        wait = client.wait_for("j")
        assert (await anext(wait)).status == "running"
        with pytest.raises(WaitTimeout) as caught:
            await client.wait_for("j", timeout=5.0)
        assert caught.value.job is not None
        wait.close()
        known = await client.look(client.watched("j"))
        assert (await client.look(known.watched)).watched.status == "running"
    assert None in [asked.last for asked in source.asked[2:]]


@on_virtual_clock
async def test_an_answer_that_nobody_waited_for_is_no_last_job() -> None:
    """The source has told the end once, to somebody who had gone: it is told again, since it is asked with `last`."""
    source = FakeSource(unchanged=True)
    job = source.add("j", ["running"])
    async with client_of(source) as client:
        wait = client.wait_for("j")
        assert (await anext(wait)).status == "running"
        source.delay = 1.0
        job.advance("succeeded")
        await asyncio.sleep(0.5)
        wait.close()
        await asyncio.sleep(5.0)
        assert (await client.wait_for("j")).status == "succeeded"


@on_virtual_clock
async def test_a_source_without_last_is_given_none_and_its_unchanged_is_a_fault() -> None:
    asked: list[str] = []

    async def job(job_id: str) -> Any:
        asked.append(job_id)
        return UNCHANGED if len(asked) > 1 else BUSY

    async with client_of(Mine(job), unreachable_after=3.0) as client:
        with pytest.raises(UnreadableReply, match="UNCHANGED, and there is no job that it was told"):
            await client.wait_for("j")


# --- every kind of call ------------------------------------------------------------------------------------------


class Called:
    """An object to be called, async or not."""

    def __init__(self, seen: list[str]) -> None:
        self.seen = seen

    def __call__(self, job_id: str) -> Job:
        self.seen.append(threading.current_thread().name)
        return DONE


class CalledAsync(Called):
    async def __call__(self, job_id: str) -> Job:  # type: ignore[override]
        return super().__call__(job_id)


def kinds() -> Iterator[tuple[str, Callable[[list[str]], Any], bool]]:
    def plain(seen: list[str], job_id: str) -> Job:
        return Called(seen)(job_id)

    async def later(seen: list[str], job_id: str) -> Job:
        return Called(seen)(job_id)

    def wrapped(seen: list[str]) -> Any:
        @functools.wraps(later)
        def call(job_id: str) -> Any:
            return later(seen, job_id)

        return call

    yield "plain partial", lambda seen: functools.partial(plain, seen), True
    yield "async partial", lambda seen: functools.partial(later, seen), False
    yield "plain object", Called, True
    yield "async object", CalledAsync, False
    yield "plain bound method", lambda seen: Called(seen).__call__, True
    yield "async bound method", lambda seen: CalledAsync(seen).__call__, False
    yield "plain that returns a coroutine", wrapped, False
    yield "lambda", lambda seen: lambda job_id: plain(seen, job_id), True


@pytest.mark.parametrize(("make", "is_plain"), [kind[1:] for kind in kinds()], ids=[kind[0] for kind in kinds()])
async def test_every_kind_of_call(make: Callable[[list[str]], Any], is_plain: bool) -> None:
    seen: list[str] = []
    async with client_of(Mine(make(seen))) as client:
        assert (await client.wait_for("j")).status == "done"
    assert seen == ["jobwatch source" if is_plain else "MainThread"]


async def test_an_async_call_needs_no_thread_and_a_plain_one_that_gets_none_is_a_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class NoThread:
        def __init__(self, **_: Any) -> None:
            raise RuntimeError("can't start new thread")

    async def job(job_id: str) -> Job:
        return DONE

    async def jobs(project_id: str, limit: int) -> list[Job]:
        return [DONE]

    monkeypatch.setattr("jobwatch._http.threads.threading.Thread", NoThread)
    async with client_of(Mine(job, jobs=jobs)) as client:
        assert (await client.wait_for("j")).status == "done"
        assert len(await client.jobs("p")) == 1
    async with client_of(Mine(lambda job_id: DONE), max_in_flight=1) as client:
        for _ in range(3):
            with pytest.raises(Unreachable, match="the source raised RuntimeError"):
                await in_time(client.job("j"))


async def test_a_built_in_function_whose_arguments_cannot_be_read_will_do() -> None:
    jobs = {"j": DONE}
    async with client_of(Mine(jobs.__getitem__)) as client:
        assert (await client.wait_for("j")).status == "done"
        with pytest.raises(Unreachable, match="the source raised KeyError"):
            await client.wait_for("k")


async def test_a_future_of_the_loop_is_awaited() -> None:
    loop = asyncio.get_running_loop()

    def job(job_id: str) -> Any:
        answer = loop.create_future()
        loop.call_soon_threadsafe(answer.set_result, DONE)
        return answer

    async with client_of(Mine(job)) as client:
        assert (await client.wait_for("j")).status == "done"


async def test_a_job_whose_call_was_left_behind_is_not_asked_about_until_that_has_come_back() -> None:
    release, asked = threading.Event(), list[str]()

    def job(job_id: str) -> Job:
        asked.append(job_id)
        if job_id == "stuck":
            release.wait(10.0)
        return replace(DONE, id=job_id)

    async with client_of(Mine(job), max_in_flight=2) as client:
        for _ in range(5):
            reading = asyncio.ensure_future(client.job("stuck"))
            await soon(lambda: "stuck" in asked)
            reading.cancel()
            with pytest.raises((asyncio.CancelledError, Unreachable)):
                await reading
        with pytest.raises(Unreachable, match="the source's last call for it has not come back yet"):
            await client.job("stuck")
        assert (await in_time(client.wait_for("free"))) == replace(DONE, id="free", api="mine")
        release.set()
        while not asked.count("stuck") > 1:
            with contextlib.suppress(Unreachable):
                await client.job("stuck")
            await asyncio.sleep(0.001)
    assert asked.count("stuck") == 2


TENANT: contextvars.ContextVar[str] = contextvars.ContextVar("TENANT", default="nobody")


@pytest.mark.parametrize("plain", [False, True], ids=["async", "plain"])
async def test_context_variables_are_those_of_when_the_client_was_made(plain: bool) -> None:
    seen: list[str] = []

    def job(job_id: str) -> Job:
        seen.append(TENANT.get())
        TENANT.set("left over")
        return DONE

    async def later(job_id: str) -> Job:
        return job(job_id)

    TENANT.set("maker")
    async with client_of(Mine(job if plain else later)) as client:
        TENANT.set("asker")
        await client.wait_for("j")
        await client.job("j")
        await asyncio.gather(*(client.job("j") for _ in range(3)))
    assert seen == ["maker"] * 5
    assert TENANT.get() == "asker"


# --- lists and batches -----------------------------------------------------------------------------------------


def jobs_of(count: int) -> list[Job]:
    return [Job(id=f"j{n}", api="x", status="done", phase=Phase.SUCCEEDED) for n in range(count)]


class Pages:
    """Five jobs, told in the way that is asked for."""

    def __init__(self, way: str) -> None:
        self.jobs = getattr(self, way)
        self.taken: list[str] = []

    def _lazily(self) -> Iterator[Job]:
        for job in jobs_of(5):
            self.taken.append(threading.current_thread().name)
            yield job

    def a_list(self, project_id: str, limit: int) -> list[Job]:
        return list(self._lazily())

    def a_generator(self, project_id: str, limit: int) -> Iterator[Job]:
        yield from self._lazily()

    def an_iterator(self, project_id: str, limit: int) -> Iterator[Job]:
        return map(lambda job: job, self._lazily())  # noqa: C417 - an iterator that is no generator

    async def an_async_list(self, project_id: str, limit: int) -> list[Job]:
        return list(self._lazily())

    async def an_async_iterator(self, project_id: str, limit: int) -> Iterator[Job]:
        return self._lazily()

    async def an_async_generator(self, project_id: str, limit: int) -> AsyncIterator[Job]:
        for job in self._lazily():
            yield job


@pytest.mark.parametrize(
    ("way", "where"),
    [
        ("a_list", ["jobwatch source"] * 5),
        ("a_generator", ["jobwatch source"] * 3),
        ("an_iterator", ["jobwatch source"] * 3),
        ("an_async_list", ["MainThread"] * 5),
        ("an_async_iterator", ["jobwatch source"] * 3),
        ("an_async_generator", ["MainThread"] * 3),
    ],
)
async def test_a_list_is_anything_that_can_be_iterated_and_no_more_is_taken_than_asked_for(
    way: str, where: list[str]
) -> None:
    pages = Pages(way)
    source = Mine(lambda job_id: DONE, jobs=pages.jobs)
    async with client_of(source) as client:
        assert client.has_lists
        jobs = await client.jobs("p", 3)
    assert [(job.id, job.api) for job in jobs] == [("j0", "mine"), ("j1", "mine"), ("j2", "mine")]
    assert pages.taken == where


async def test_what_is_iterated_over_stays_in_the_thread_that_made_it() -> None:
    def jobs(project_id: str, limit: int) -> Iterator[Job]:
        maker = threading.current_thread()

        def rows() -> Iterator[Job]:
            assert threading.current_thread() is maker  # as SQLite's cursors want it
            yield DONE

        return rows()

    async with client_of(Mine(lambda job_id: DONE, jobs=jobs)) as client:
        assert [job.id for job in await client.jobs("p", 2)] == ["j"]


@pytest.mark.parametrize(
    ("told", "message"),
    [
        (None, "a NoneType, and no list of jobs"),
        ("jobs", "a str, and no list of jobs"),
        (DONE, "a Job, and no list of jobs"),
        ({"j": DONE}, "a str, and neither Job"),
        ([DONE, None], "a NoneType, and neither Job"),
        (
            [DONE, Job(id="k", api="x", status="", phase=Phase.FAILED)],
            "status is of type str, and must be a text that is not empty",
        ),
        (Fault(FaultKind.AUTH, "not yours"), "not yours"),
        (OSError("a secret"), "the source raised OSError"),
    ],
    ids=str,
)
@on_virtual_clock
async def test_a_list_that_is_none_is_a_fault(told: object, message: str) -> None:
    source = FakeSource()
    source.trouble(told, of="p")
    if told is None:
        source.jobs = lambda project_id, limit: asyncio.sleep(0)
    async with client_of(source) as client:
        with pytest.raises(LookError, match=message):
            await client.jobs("p")


@on_virtual_clock
async def test_a_watcher_follows_a_project_of_a_source() -> None:
    source = FakeSource()
    source.add("j0", [("running", 0), ("succeeded", 30)], project_id="p/q r")
    source.add("other", ["running"], project_id="else")
    async with client_of(source, pace=Pace()) as client, Watcher(client, follow_interval=5.0) as watcher:
        await watcher.add_project("p/q r")
        source.add("j1", [("pending", 0), ("failed", 20)], after=12.0, project_id="p/q r")
        ended = []
        async for change in watcher:
            if change.outcome is not None:
                ended.append((change.job_id, change.outcome))
            if len(ended) == 2:
                break
    assert ended == [("j0", Outcome.SUCCEEDED), ("j1", Outcome.FAILED)]
    assert source.times("jobs")


@on_virtual_clock
async def test_many_jobs_are_asked_about_at_once_and_one_that_is_missing_by_itself() -> None:
    source = FakeSource(batch_most=10, lists=False)
    for n in range(25):
        source.add(f"j{n}", [("running", 0), ("succeeded", 100 + n)])
    async with client_of(source, pace=Pace(), appear_within=1.0) as client:
        waits = [client.wait_for(f"j{n}") for n in range(25)]
        missing = client.wait_for("missing")
        *ended, error = await asyncio.gather(*waits, missing, return_exceptions=True)
    assert [job.status for job in ended if isinstance(job, Job)] == ["succeeded"] * 25
    assert isinstance(error, JobNotFound)
    sizes = [len(asked.ids) for asked in source.asked if asked.what == "batch"]
    assert sizes
    assert max(sizes) == 10
    singly = {asked.ids for asked in source.asked if asked.what == "job"}
    assert ("missing",) in singly
    assert len(source.asked) < 25 * 15


@pytest.mark.parametrize("told", [KeyError("x"), "jobs", [None], Fault(FaultKind.UNREADABLE, "no")], ids=str)
@on_virtual_clock
async def test_a_batch_that_goes_wrong_has_each_job_asked_about_by_itself(told: object) -> None:
    source = FakeSource(batch_most=10, lists=False)
    for n in range(5):
        source.add(f"j{n}", [("running", 0), ("succeeded", 20)])
    tell = source.batch

    async def batch(job_ids: list[str]) -> object:
        assert tell is not None
        source.trouble(told)
        return await tell(job_ids)

    source.batch = batch
    async with client_of(source, pace=Pace()) as client:
        jobs = await client.wait_all([f"j{n}" for n in range(5)])
    assert [job.status for job in jobs] == ["succeeded"] * 5
    assert source.times("batch")


# --- slow calls --------------------------------------------------------------------------------------------------


@on_virtual_clock
async def test_an_async_call_has_thirty_seconds_and_holds_up_no_other_job() -> None:
    source = FakeSource()
    source.add("slow", [("running", 0), ("succeeded", 50)])
    source.add("good", [("running", 0), ("succeeded", 10)])
    source.trouble(after=HANG, of="slow")
    async with client_of(source, unreachable_after=120.0) as client:
        slow, good = client.wait_for("slow"), client.wait_for("good")
        first = asyncio.ensure_future(slow)
        assert (await good).status == "succeeded"
        assert running_loop().time() == pytest.approx(10.0, abs=0.1)
        assert (await first).status == "succeeded"
    asked = [asked.at for asked in source.asked if asked.ids == ("slow",)]
    assert asked[1] - asked[0] == pytest.approx(TIME_LIMIT, abs=0.1)


@on_virtual_clock
async def test_what_takes_longer_than_thirty_seconds_is_unreachable() -> None:
    source = FakeSource(delay=TIME_LIMIT + 0.5)
    source.add("j", ["succeeded"])
    assert (await fault_of(source)).message == "the source gave no answer within 30 s (request_timeout)"
    source.delay = TIME_LIMIT - 0.5
    async with client_of(source) as client:
        assert (await client.job("j")).status == "succeeded"


@on_virtual_clock
async def test_what_a_call_raises_that_nobody_waits_for_is_nobodys_trouble() -> None:
    """The virtual clock's tests fail where the loop is told of anything."""

    async def job(job_id: str) -> Job:
        try:
            await asyncio.sleep(3600.0)
        finally:
            raise KeyError(job_id)

    async with client_of(Mine(job)) as client:
        with pytest.raises(Unreachable):
            await client.wait_for("j", timeout=1.0)
        await asyncio.sleep(0.1)
        gc.collect()


class Stubborn:
    """An async source whose call goes on when it is cancelled, for so many seconds."""

    key = "stubborn"

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.cancelled = 0

    async def job(self, job_id: str) -> Job:
        try:
            await asyncio.sleep(3600.0)
        except asyncio.CancelledError:
            self.cancelled += 1
            await asyncio.sleep(self.seconds)
        return DONE


@on_virtual_clock
async def test_a_call_that_does_not_let_itself_be_cancelled_holds_up_neither_a_wait_nor_closing() -> None:
    source = Stubborn(3.0)
    client = client_of(source)
    with pytest.raises(Unreachable):
        await client.wait_for("j", timeout=1.0)
    assert running_loop().time() == pytest.approx(1.25, abs=0.01)
    began = running_loop().time()
    await client.aclose()
    assert running_loop().time() - began < 3.1
    assert source.cancelled == 1


@on_virtual_clock
async def test_closing_waits_five_seconds_for_such_a_call_and_no_longer() -> None:
    source = Stubborn(60.0)
    client = client_of(source)
    asking = asyncio.ensure_future(client.job("j"))
    await asyncio.sleep(1.0)
    await client.aclose()
    assert running_loop().time() == pytest.approx(6.0, abs=0.1)
    with pytest.raises(JobwatchError, match="closed"):
        await asking
    await asyncio.sleep(60.0)


@on_virtual_clock
async def test_cancelling_a_wait_cancels_the_call_that_is_only_for_it() -> None:
    source = FakeSource(delay=HANG)
    async with client_of(source) as client:
        waiting = asyncio.ensure_future(client.wait_for("j"))
        await asyncio.sleep(1.0)
        assert len(source.asked) == 1
        assert "jobwatch source" in idle_tasks()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await asyncio.sleep(0.01)
        assert "jobwatch source" not in idle_tasks()
        source.delay = 0.0
        source.add("j", ["succeeded"])
        assert (await client.wait_for("j")).status == "succeeded"


@pytest.mark.parametrize("ask", ["job", "jobs", "wait_for"])
@on_virtual_clock
async def test_closing_ends_what_is_under_way(ask: str) -> None:
    source = FakeSource(delay=HANG)
    client = client_of(source)
    asking = asyncio.ensure_future(getattr(client, ask)("j"))
    await asyncio.sleep(1.0)
    await client.aclose()
    assert running_loop().time() == 1.0
    with pytest.raises(JobwatchError, match="the client is closed"):
        await asking
    assert own_tasks() == set()


# --- threads -----------------------------------------------------------------------------------------------------


class Blocking:
    """A source whose plain calls hold their threads until they are let go.

    Attributes:
        at_work: How many calls hold a thread now; `most` how many did at once.
    """

    key = "blocking"

    def __init__(self, slow: Callable[[str], bool] = lambda job_id: True) -> None:
        self.slow = slow
        self.let_go = threading.Event()
        self.at_work = self.most = 0
        self._lock = threading.Lock()

    def job(self, job_id: str) -> Job:
        if self.slow(job_id):
            with self._lock:
                self.at_work += 1
                self.most = max(self.most, self.at_work)
            self.let_go.wait(20.0)
            with self._lock:
                self.at_work -= 1
        return Job(id=job_id, api="x", status="done", phase=Phase.SUCCEEDED)


async def test_a_call_that_blocks_holds_up_neither_the_loop_nor_another_job() -> None:
    source = Blocking(lambda job_id: job_id == "slow")
    async with client_of(source) as client:
        slow = asyncio.ensure_future(client.wait_for("slow"))
        await soon(lambda: source.at_work == 1)
        for n in range(5):
            await in_time(client.wait_for(f"quick{n}"), 1.0)
        ticks = 0
        async with asyncio.timeout(1.0):
            while ticks < 20:
                await asyncio.sleep(0.001)
                ticks += 1
        assert not slow.done()
        source.let_go.set()
        await in_time(slow)
    await no_threads()


async def test_no_more_threads_are_at_work_than_max_in_flight_allows_even_where_calls_are_given_up() -> None:
    source = Blocking()
    async with client_of(source, max_in_flight=3) as client:
        for n in range(8):
            with pytest.raises(WaitTimeout):
                await in_time(client.wait_for(f"j{n}", timeout=0.02))
        assert len(threads()) == source.most == 5
        source.let_go.set()
        await in_time(client.wait_for("another"))
    assert source.most == 5
    await no_threads()


@pytest.mark.slow
async def test_blocking_calls_that_hang_keep_no_other_job_waiting() -> None:
    let_go = threading.Event()

    def job(job_id: str) -> Job:
        if job_id.startswith("stuck"):
            let_go.wait(10.0)
        return replace(DONE, id=job_id)

    async with client_of(Mine(job), max_in_flight=4) as client:
        stuck = [asyncio.ensure_future(client.wait_for(f"stuck{n}")) for n in range(4)]
        await asyncio.sleep(0)
        await in_time(client.wait_for("free"), 5.0)
        assert not any(each.done() for each in stuck)
        let_go.set()
        await asyncio.gather(*stuck)
    await no_threads()


async def test_cancelling_a_wait_leaves_its_call_to_itself() -> None:
    source, errors = Blocking(), list[dict[str, Any]]()
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: errors.append(context))
    async with client_of(source) as client:
        waiting = asyncio.ensure_future(client.wait_for("j"))
        await soon(lambda: source.at_work == 1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await in_time(waiting)
        assert source.at_work == 1
    source.let_go.set()
    await no_threads()
    await asyncio.sleep(0.01)
    assert (own_tasks(), errors) == (set(), [])


async def test_closing_while_a_call_blocks_does_not_wait_for_it() -> None:
    source = Blocking()
    client = client_of(source)
    waiting, reading = asyncio.ensure_future(client.wait_for("j")), asyncio.ensure_future(client.job("k"))
    await soon(lambda: source.at_work == 2)
    began = time.monotonic()
    await in_time(client.aclose())
    assert time.monotonic() - began < 0.5
    for each in (waiting, reading):
        with pytest.raises(JobwatchError, match="the client is closed"):
            await in_time(each)
    assert own_tasks() == set()
    source.let_go.set()
    await no_threads()
    gc.collect()  # nothing of what was given up complains


async def test_a_call_that_blocks_for_longer_than_its_time_is_a_fault() -> None:
    source = Blocking()
    fault = await fault_of(source, request_timeout=0.05)
    assert fault.message == "the source gave no answer within 0.05 s (request_timeout)"
    source.let_go.set()
    await no_threads()


PROGRAM = """
import asyncio, time, jobwatch
class Source:
    key = "hangs"
    def job(self, job_id):
        time.sleep(60)
async def main():
    async with jobwatch.Client(source=Source()) as client:
        try:
            await client.wait_for("j", timeout=0.1)
        except jobwatch.WaitTimeout:
            print("time is up")
asyncio.run(main())
"""


def test_a_call_that_blocks_keeps_no_program_from_ending() -> None:
    began = time.monotonic()
    ran = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=30, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "time is up\n", "")
    assert time.monotonic() - began < 15.0


async def test_an_answer_that_comes_when_the_loop_is_closed_is_dropped() -> None:
    source = Blocking()

    async def give_up() -> None:
        async with client_of(source) as client:
            with pytest.raises(WaitTimeout):
                await client.wait_for("j", timeout=0.02)

    await asyncio.to_thread(asyncio.run, give_up())
    source.let_go.set()
    await no_threads()


def test_a_fake_source_is_a_source_for_the_type_checker_too() -> None:
    source: JobSource = FakeSource()
    assert source.key == "fake"
