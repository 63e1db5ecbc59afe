"""Waits of triggers, on clients that they share."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Collection

import msgspec
import pytest

from jobwatch import Client, ConfigError, Job, Outcome, Transition, Watched
from jobwatch.airflow._clients import SharedClients
from jobwatch.airflow._ended import Ended
from jobwatch.airflow._waiting import Wanted, waited
from jobwatch.testing import JobServer, ServedJob, Trouble

from ..conftest import client_of


class Heard:
    """What was told."""

    def __init__(self) -> None:
        self.states: list[str] = []
        self.kept: list[Watched] = []
        self.has_kept = asyncio.Event()

    def state(self, change: Transition) -> None:
        self.states.append(change.status)

    async def known(self, watched: Watched, job: Job | None) -> None:
        self.kept.append(watched)
        self.has_kept.set()


def wanted(
    job: str | Watched = "job_1",
    timeout: float | None = None,
    *,
    left: float | None = None,
    accept: Collection[str] = (),
    fail_on: Collection[str] = (),
) -> Wanted:
    return Wanted(job, timeout, timeout if left is None else left, accept, fail_on, max_result=1000)


async def ended(server: JobServer, what: Wanted, heard: Heard | None = None) -> Ended:
    async with client_of(server, "capydb") as client, asyncio.timeout(10):
        return await waited(client, what, heard or Heard())


async def test_states_are_told_once_and_then_what_is_known_is_kept(job_server: JobServer) -> None:
    job = job_server.add("capydb", "job_1", ["pending", "running"], result={"tables": 3})
    heard = Heard()
    waiting = asyncio.create_task(ended(job_server, wanted(), heard))
    await heard.has_kept.wait()
    job.advance("completed")
    told = await waiting
    assert (told.good, told.outcome, told.told) == (True, Outcome.SUCCEEDED, "")
    assert told.job is not None
    assert told.job["result"] == {"tables": 3}
    assert told.looks == len(job_server.requests)
    assert heard.states == ["pending", "running", "completed"]
    assert [each.seq for each in heard.kept] == [2, 3], "kept once no state of a look is left to be told"


async def test_a_wait_goes_on_from_what_was_kept(job_server: JobServer) -> None:
    job = job_server.add("capydb", "job_1", ["pending", "running"])
    heard = Heard()
    async with client_of(job_server, "capydb") as client:
        first = asyncio.create_task(waited(client, wanted(), heard))
        await heard.has_kept.wait()
        await job.looked(2)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        await asyncio.sleep(0.01)  # a look that was under way has got there by then
        looks = len(job_server.requests)
        await asyncio.sleep(0.04)
        assert len(job_server.requests) == looks, "nobody asks any more"
    job.advance("completed")
    kept = msgspec.convert(msgspec.to_builtins(heard.kept[-1]), Watched)
    assert (await ended(job_server, wanted(kept), heard)).good
    assert heard.states == ["pending", "running", "completed"]


@pytest.mark.parametrize(
    ("state", "options", "outcome", "told"),
    [
        ("failed", {}, Outcome.FAILED, "job job_1 ended failed: disk full"),
        ("cancelled", {}, Outcome.CANCELLED, "job job_1 ended cancelled"),
        ("cancelled", {"accept": {"cancelled"}}, Outcome.CANCELLED, ""),
        ("running", {"timeout": 0.05}, Outcome.TIMEOUT, "job job_1 did not end within 0.05 s (last seen running)"),
        (
            "running",
            {"timeout": 60, "left": 0.0},
            Outcome.TIMEOUT,
            "job job_1 did not end within 60 s (last seen running)",
        ),
        ("running", {"accept": {"nonsense"}}, None, "accept: there is no 'nonsense'"),
    ],
)
async def test_how_it_ended_is_told_in_the_words_of_the_error(
    job_server: JobServer, state: str, options: dict[str, object], outcome: Outcome | None, told: str
) -> None:
    job_server.add("capydb", "job_1", [state], error="disk full")
    found = await ended(job_server, wanted(**options))  # type: ignore[arg-type]
    assert (found.good, found.outcome) == (told == "", outcome)
    assert found.told.startswith(told)


async def test_what_could_not_be_read_is_told(job_server: JobServer) -> None:
    job_server.trouble(Trouble.status(403), times=None)
    found = await ended(job_server, wanted())
    assert (found.good, found.outcome, found.job) == (False, Outcome.AUTH, None)
    assert "403" in found.told


# --- shared clients -------------------------------------------------------------------------------------------------


class Lender:
    """Lends clients of a job server, and counts those that it made."""

    def __init__(self, server: JobServer) -> None:
        self.shared = SharedClients()
        self.made: list[Client] = []
        self._server = server

    def _make(self) -> Client:
        self.made.append(client_of(self._server, "capydb", token=str(self._server.token)))
        return self.made[-1]

    async def wait(self, job: str | Watched, heard: Heard | None = None, key: str = "k") -> Ended:
        """Wait as a trigger does."""
        job_id = job if isinstance(job, str) else job.job_id
        async with self.shared.lent(key, self._make, job_id, resumes=isinstance(job, Watched)) as client:
            return await waited(client, wanted(job), heard or Heard())


def running(server: JobServer, *ids: str) -> list[ServedJob]:
    return [server.add("capydb", each, ["running"]) for each in ids]


async def test_those_who_ask_alike_share_a_client_which_closes_with_the_last(job_server: JobServer) -> None:
    jobs = running(job_server, "a", "b", "c")
    lender = Lender(job_server)
    waits = [asyncio.create_task(lender.wait(each)) for each in "aab"] + [
        asyncio.create_task(lender.wait("c", key="l"))
    ]
    for job in jobs:
        await job.looked(1)
    assert (len(lender.made), len(lender.shared)) == (2, 2)
    jobs[0].advance("completed")
    await asyncio.wait(waits[:2])
    assert len(lender.shared) == 2, "b is still waited for"
    waits[2].cancel()
    jobs[2].advance("completed")
    await asyncio.wait(waits)
    assert len(lender.shared) == 0
    assert [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("jobwatch")] == []
    for client in lender.made:
        with pytest.raises(Exception, match="closed"):
            await client.job("a")


async def test_one_who_is_cancelled_takes_nothing_from_the_others(job_server: JobServer) -> None:
    job, _ = running(job_server, "a", "b")
    lender = Lender(job_server)
    first, second = asyncio.create_task(lender.wait("b")), asyncio.create_task(lender.wait("a"))
    await job.looked(1)
    first.cancel()
    job.advance("completed")
    assert (await second).good


async def test_two_who_go_on_with_one_job_are_each_told_the_rest(job_server: JobServer) -> None:
    (job,) = running(job_server, "a")
    lender = Lender(job_server)
    heard = Heard(), Heard()
    first = [asyncio.create_task(lender.wait("a", each)) for each in heard]
    await asyncio.gather(*(each.has_kept.wait() for each in heard))
    for task in first:
        task.cancel()
    await asyncio.wait(first)
    again = [asyncio.create_task(lender.wait(each.kept[-1], each)) for each in heard]
    await job.looked(4)
    assert len(lender.shared) == 2, "of those that go on, each has a client"
    job.advance("completed")
    assert [each.good for each in await asyncio.gather(*again)] == [True, True]
    assert [each.states for each in heard] == [["pending", "running", "completed"]] * 2
    assert len(lender.shared) == 0


async def test_a_client_that_cannot_be_made_leaves_nothing(job_server: JobServer) -> None:
    shared = SharedClients()

    def make() -> Client:
        raise ConfigError("no token")

    with pytest.raises(ConfigError, match="no token"):
        async with shared.lent("k", make, "a", resumes=False):
            pass
    lender = Lender(job_server)
    with pytest.raises(ConfigError, match="a job id cannot be"):
        await lender.wait("")
    assert len(shared) == len(lender.shared) == 0


WHO: contextvars.ContextVar[str] = contextvars.ContextVar("WHO", default="nobody")


class _Saying(logging.Handler):
    """Notes in whose context something was logged."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.by: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        self.by.add(WHO.get())


async def test_what_a_shared_client_logs_is_not_put_down_to_the_trigger_that_came_first(job_server: JobServer) -> None:
    (job,) = running(job_server, "a")
    log, saying = logging.getLogger("jobwatch"), _Saying()
    log.addHandler(saying)
    log.setLevel(logging.DEBUG)
    try:
        lender = Lender(job_server)
        WHO.set("first")
        first = asyncio.create_task(lender.wait("a"))
        await job.looked(2)
        job.advance("completed")
        await first
    finally:
        log.removeHandler(saying)
        log.setLevel(logging.NOTSET)
    assert saying.by == {"nobody"}
