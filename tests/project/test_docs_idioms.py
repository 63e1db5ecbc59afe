"""The idioms of tables as their README shows them, each waiting for a job of the neutral API."""

from __future__ import annotations

import asyncio
import re
import tomllib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import pytest
import pytest_asyncio

import jobwatch
from jobwatch import Job, JobAPI, Outcome, Phase
from jobwatch._table.compile import api_of
from jobwatch.testing import JobServer, Pages, ServedJob, Trouble

from .documents import text_of

README = text_of("jobwatch/apis/README.md")
IDIOMS = README[README.index("## Idioms") : README.index("## Refused forms")]
TABLES = dict(
    re.findall(r"^### (.*?)\n[^#]*?```toml\n(.*?)```$", IDIOMS.partition("### Conditions")[0], re.DOTALL | re.MULTILINE)
)
PLACE = "https://jobs.example.com"
NO_CHANGE: Mapping[str, object] = {}
QUICK = jobwatch.Pace(min_interval=0.005, max_interval=0.01)


def api_named(heading: str, server: JobServer, change: Mapping[str, object]) -> JobAPI:
    """Return the table of an idiom, with some keys changed or left out, which asks the neutral API."""
    table = tomllib.loads(TABLES[heading].replace(PLACE, server.url_of("neutral"))) | dict(change)
    return api_of({key: value for key, value in table.items() if value is not None}, "own")


def client_of(
    heading: str, server: JobServer, change: Mapping[str, object] = NO_CHANGE, **options: Any
) -> jobwatch.Client:
    kept: dict[str, Any] = {"pace": QUICK, "appear_within": 0.05, "unreachable_after": 0.2} | options
    return jobwatch.Client(api_named(heading, server, change), **kept)


@pytest_asyncio.fixture
async def server() -> AsyncIterator[JobServer]:
    async with JobServer(token=None) as server:
        yield server


class Waited:
    """A wait for a job of an idiom, with the states that it told so far.

    Attributes:
        wait: The wait.
        told: The states.
    """

    def __init__(self, wait: jobwatch.Wait) -> None:
        self.wait = wait
        self.told: list[str] = []

    async def to_its_end(self) -> tuple[list[str], Outcome | None]:
        """Return all states and how it ended, whichever way that is."""
        async for change in self.wait:
            self.told.append(change.status)
        await self.wait
        return self.told, self.wait.outcome


@asynccontextmanager
async def waiting(
    heading: str, server: JobServer, job_id: str = "j", change: Mapping[str, object] = NO_CHANGE, **options: object
) -> AsyncGenerator[Waited]:
    async with asyncio.timeout(10), client_of(heading, server, change, **options) as client:
        yield Waited(client.wait_for(job_id, timeout=10, check=False))


async def outcome_of(heading: str, server: JobServer, job_id: str = "j", **options: object) -> Outcome | None:
    async with waiting(heading, server, job_id, NO_CHANGE, **options) as waited:
        return (await waited.to_its_end())[1]


async def until(is_so: Callable[[], bool]) -> None:
    while not is_so():  # noqa: ASYNC110 - nothing rings a bell for what is looked at here
        await asyncio.sleep(0.001)


async def later(job: ServedJob, word: str, after: int, **options: object) -> None:
    """Let a job enter a state when it was looked at so often."""
    await job.looked(after)
    job.advance(word, **options)  # type: ignore[arg-type]


def test_every_idiom_is_waited_for_here() -> None:
    told = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert {re.sub(r"[^a-z0-9]+", "_", heading.lower()).strip("_") for heading in TABLES} <= told
    assert len(TABLES) >= 8


def test_the_table_in_twelve_lines_reads_the_reply_below_it() -> None:
    section = README[README.index("## A table in twelve lines") : README.index("## A table, step by step")]
    table, reply = (re.findall(rf"```{kind}\n(.*?)```", section, re.DOTALL)[0] for kind in ("toml", "json"))
    assert len(table.splitlines()) == 12
    job = api_of(tomllib.loads(table), "own").job(reply.encode(), "j1")
    assert isinstance(job, Job)
    assert (job.phase, job.progress, job.result, str(job.error)) == (
        Phase.PARTIAL,
        1.0,
        ["a.png"],
        "one page could not be read",
    )
    assert [each.status for each in job.events or ()] == ["queued", "running", "partial"]
    told = api_of(tomllib.loads(table), "own").job(reply.replace('"exit_code": 0', '"exit_code": 3').encode(), "j1")
    assert isinstance(told, Job)
    assert told.phase is Phase.FAILED


# --- the idioms ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("last", "outcome"), [("succeeded", Outcome.SUCCEEDED), ("failed", Outcome.FAILED)])
async def test_all_of_a_list(server: JobServer, last: str, outcome: Outcome) -> None:
    job = server.add("neutral", "j", ["running"])
    states = ("succeeded", "succeeded", "running")
    parts = [server.add("neutral", f"part{number}", [state], parent_id="j") for number, state in enumerate(states)]
    server.add("neutral", "empty", ["running"])
    async with waiting("All of a list", server) as waited:
        ended = asyncio.create_task(waited.to_its_end())
        await job.looked(3)
        assert not ended.done()
        parts[-1].advance(last)
        assert (await ended)[1] is outcome
    async with client_of("All of a list", server) as client:
        none = await client.job("empty")
        assert none.phase is Phase.PENDING, "of no parts, nothing is true"


@pytest.mark.parametrize("next_page", ["url", "link"])
async def test_all_of_a_list_in_pages(server: JobServer, next_page: Literal["url", "link"]) -> None:
    server.pages = Pages(2, next_page)
    job = server.add("neutral", "j", ["running"])
    parts = [server.add("neutral", f"part{number}", ["succeeded"], parent_id="j") for number in range(4)]
    parts.append(server.add("neutral", "last", ["running"], parent_id="j"))
    server.trouble(Trouble.status(503), times=2, path="page=3")
    without: Mapping[str, object] = {} if next_page == "url" else {"next_page": None}
    async with waiting("All of a list", server, change=without) as waited:
        ended = asyncio.create_task(waited.to_its_end())
        await job.looked(12)
        assert not ended.done(), "a page that cannot be read is no shorter list"
        parts[-1].advance("succeeded")
        told = len(server.requests)
        assert (await ended)[1] is Outcome.SUCCEEDED
    asked = [request.query.get("page", "1") for request in server.requests[told:]]
    assert asked[-6:] == ["1", "2", "3"] * 2, "three pages, and the second reading"


async def test_a_generation_behind(server: JobServer) -> None:
    job = server.add("neutral", "j", ["succeeded"], generation=2, behind=3600.0)
    async with waiting("A generation behind", server) as waited:
        ended = asyncio.create_task(waited.to_its_end())
        await later(job, "running", 2, behind=0.0)
        await later(job, "failed", job.looks + 2)
        assert await ended == (["succeeded", "running", "failed"], Outcome.FAILED)


async def test_several_attempts(server: JobServer) -> None:
    job = server.add("neutral", "j", ["running", "failed"])
    assert await outcome_of("Several attempts", server) is Outcome.FAILED
    async with waiting("Several attempts", server, params={"attempt": "2"}) as waited:
        ended = asyncio.create_task(waited.to_its_end())
        await later(job, "running", job.looks + 2)
        await later(job, "succeeded", job.looks + 2)
        assert (await ended)[1] is Outcome.SUCCEEDED


async def test_graphql(server: JobServer) -> None:
    server.add("neutral", "j", ["succeeded"])
    assert await outcome_of("GraphQL", server) is Outcome.SUCCEEDED
    with pytest.raises(jobwatch.JobNotFound, match="there is no such job"):
        await outcome_of("GraphQL", server, "other")
    assert {(request.method, request.path) for request in server.requests} == {("POST", "/neutral/graphql")}


async def test_json_rpc(server: JobServer) -> None:
    job = server.add("neutral", "j", ["running"])
    async with waiting("JSON-RPC", server) as waited:
        ended = asyncio.create_task(waited.to_its_end())
        await later(job, "succeeded", 2)
        assert await ended == (["running", "succeeded"], Outcome.SUCCEEDED)
    with pytest.raises(jobwatch.JobNotFound, match="there is no such job"):
        await outcome_of("JSON-RPC", server, "other")
    change = {"body": {"jsonrpc": "2.0", "id": 1, "method": "job.eat", "params": {"id": "{job_id}"}}}
    async with client_of("JSON-RPC", server, change) as client:
        with pytest.raises(jobwatch.LookError, match="-32601") as raised:
            await client.job("j")
    assert not isinstance(raised.value, jobwatch.JobNotFound)


async def test_warnings_that_are_successes(server: JobServer) -> None:
    for number, (word, outcome) in enumerate(
        [
            ("OK", Outcome.SUCCEEDED),
            ("WARNINGS: 3", Outcome.SUCCEEDED),
            ("WARNINGS: DATA LOST", Outcome.FAILED),
        ]
    ):
        server.add("neutral", f"j{number}", [word])
        assert await outcome_of("Warnings that are successes", server, f"j{number}") is outcome


@pytest.mark.parametrize(("code", "outcome"), [(0, Outcome.SUCCEEDED), (2, Outcome.FAILED)])
async def test_an_exit_code(server: JobServer, code: int, outcome: Outcome) -> None:
    job = server.add("neutral", "j", ["pending"], exit_code=code)
    async with waiting("An exit code", server) as waited:
        ended = asyncio.create_task(waited.to_its_end())
        await later(job, "running", 2)
        await later(job, "finished", job.looks + 2)
        told = (["absent", "running", "succeeded" if code == 0 else "failed"], outcome)
        assert await ended == told


async def test_partial_results(server: JobServer) -> None:
    server.add("neutral", "j", ["running", "partial"], error="one page could not be read", result=["a.png"])
    async with client_of("Partial results", server) as client:
        with pytest.raises(jobwatch.JobPartiallyFailed, match="one page could not be read") as raised:
            await client.wait_for("j", timeout=10)
        assert raised.value.job.result == ["a.png"]


async def test_a_result_that_is_read_elsewhere(server: JobServer) -> None:
    server.add("neutral", "good", ["running", "succeeded"], result=["a.png"])
    server.add("neutral", "bad", ["running", "failed"], error="the oven is cold")
    server.add("neutral", "none", ["running", "succeeded"])
    async with client_of("A result that is read elsewhere", server) as client:
        good = await client.wait_for("good", timeout=10)
        assert good.result == ["a.png"]
        with pytest.raises(jobwatch.JobFailed, match="the oven is cold"):
            await client.wait_for("bad", timeout=10)
        none = await client.wait_for("none", timeout=10)
        assert (none.phase, none.result) == (Phase.SUCCEEDED, None)
    asked = [request.path.removeprefix("/neutral/jobs/") for request in server.requests]
    assert asked.count("good/output") == asked.count("bad/problem") == 1
    assert "good/problem" not in asked


async def test_blocked_on_a_person(server: JobServer) -> None:
    job = server.add("neutral", "j", ["blocked"], asks="May it go live?", asks_url="https://ask.example.com/1")
    async with client_of("Blocked on a person", server) as client:
        seen = await client.job("j")
        assert (seen.phase, seen.asked, seen.url) == (Phase.BLOCKED, "May it go live?", "https://ask.example.com/1")
        wait = client.wait_for("j", timeout=10, check=False)
        ended = asyncio.create_task(Waited(wait).to_its_end())
        await later(job, "running", job.looks + 2)
        await later(job, "succeeded", job.looks + 2)
        assert await ended == (["blocked", "running", "succeeded"], Outcome.SUCCEEDED)


async def test_a_status_in_a_header(server: JobServer) -> None:
    job = server.add("neutral", "j", ["running"])
    async with waiting("A status in a header", server) as waited:
        ended = asyncio.create_task(waited.to_its_end())
        await later(job, "succeeded", 2)
        assert await ended == (["running", "succeeded"], Outcome.SUCCEEDED)
    assert {request.method for request in server.requests} == {"HEAD"}


async def test_a_token_that_expires(server: JobServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job, file = server.add("neutral", "j", ["running"]), tmp_path / "token"
    file.write_text("one", "utf-8")
    monkeypatch.setenv("EXAMPLE_TOKEN_FILE", str(file))
    server.token = "one"
    async with waiting("A token that expires", server) as waited:
        ended = asyncio.create_task(waited.to_its_end())
        await job.looked(2)
        server.renew_token("two")
        file.write_text("two", "utf-8")
        await later(job, "succeeded", job.looks + 2)
        assert await ended == (["running", "succeeded"], Outcome.SUCCEEDED)
    given = [request.headers["Authorization"] for request in server.requests]
    assert {"Bearer one", "Bearer two"} == set(given)
    assert given == sorted(given), "an old token was sent again"


async def test_it_says_when_to_come_back(server: JobServer) -> None:
    job = server.add("neutral", "j", ["running"], poll_ms=40)
    async with waiting("It says when to come back", server) as waited:
        ended = asyncio.create_task(waited.to_its_end())
        await later(job, "succeeded", 3)
        assert (await ended)[1] is Outcome.SUCCEEDED
    asked = [request.at for request in server.requests]
    assert min(after - before for before, after in pairwise(asked)) >= 0.035


async def test_long_polling(server: JobServer) -> None:
    job = server.add("neutral", "j", ["pending"])
    async with waiting("Long polling", server) as waited:
        ended = asyncio.create_task(waited.to_its_end())
        for word in ("running", "blocked", "running", "succeeded"):
            await until(lambda: job.held == 1)
            looks = job.looks
            job.advance(word)
            await until(lambda looks=looks: job.looks > looks or ended.done())  # type: ignore[misc]
        told = ["pending", "running", "blocked", "running", "succeeded"]
        assert await ended == (told, Outcome.SUCCEEDED)
    assert {request.query["wait"] for request in server.requests} <= {"0", "8", "9", "10"}, "what is left of the wait"
    assert len(server.requests) <= 5, "a request for each piece of news"


async def test_a_failure_that_is_taken_back(server: JobServer) -> None:
    job = server.add("neutral", "j", ["failed"])
    async with waiting("A failure that is taken back", server) as waited:
        ended = asyncio.create_task(waited.to_its_end())
        await later(job, "running", 2)
        await later(job, "succeeded", job.looks + 2)
        assert await ended == (["failed", "running", "succeeded"], Outcome.SUCCEEDED)


async def test_a_queue_item_that_becomes_a_build(server: JobServer) -> None:
    item = server.add("neutral", "j", ["queued"], moves_to="build")
    async with waiting("A queue item that becomes a build", server) as waited:
        ended = asyncio.create_task(waited.to_its_end())
        await item.looked(2)
        build = server.add("neutral", "build", ["running"])
        await later(build, "failed", 2)
        assert await ended == (["queued", "running", "failed"], Outcome.FAILED)
        job = await waited.wait
        assert (job.id, job.now, job.hops) == ("j", f"{server.url_of('neutral')}/jobs/build", 1)


async def test_a_url_that_moves_with_each_answer(server: JobServer) -> None:
    job = server.add("neutral", "j", ["queued"])
    async with waiting("A URL that moves with each answer", server) as waited:
        ended = asyncio.create_task(waited.to_its_end())
        await later(job, "running", 3)
        await later(job, "succeeded", job.looks + 3)
        assert await ended == (["queued", "running", "succeeded"], Outcome.SUCCEEDED)
        assert (await waited.wait).hops >= 6


async def test_a_try_that_goes_on_under_another_id(server: JobServer) -> None:
    server.add("neutral", "j", ["failed"], moves_to="k")
    second = server.add("neutral", "k", ["running"])
    async with waiting("A try that goes on under another id", server) as waited:
        ended = asyncio.create_task(waited.to_its_end())
        await later(second, "succeeded", 2)
        assert await ended == (["failed", "running", "succeeded"], Outcome.SUCCEEDED)
        assert ((await waited.wait).id, (await waited.wait).now) == ("j", "k")


# --- what get and list do -----------------------------------------------------------------------------------------

ALL = """
base_url = "PLACE"
job = "/jobs/{job_id}"
id = "id"
status = "state"
words = { partial = ["partial"], blocked = ["blocked"] }
missing_if = "kind == 'ghost'"
http = { 404 = "missing" }
type = "kind"
project = "project"
error = "problem.text"
result = "output"
asked = "asks.text"
times = "times"
stable_for = "1h"
retry_after = "poll_ms"
started = "nowhere"
events = { request = "/jobs/{job_id}/history", path = "entries", status = "state", at = "at" }
list = { request = "/projects/{project_id}/jobs?limit={limit}", root = "jobs" }
batch = { request = "/jobs?ids={job_ids}" }
"""


async def test_get_and_list_do_with_the_keys_what_is_said(server: JobServer) -> None:
    api = api_of(tomllib.loads(ALL.replace("PLACE", server.url_of("neutral"))), "own")
    server.add("neutral", "j", ["running", "partial"], error="a page is lost", result=1, project_id="p", poll_ms=99)
    server.add("neutral", "ghost", ["running"], type="ghost", project_id="p")
    server.add("neutral", "asking", ["blocked"], asks="What now?", project_id="p")
    async with jobwatch.Client(api, pace=QUICK) as client:
        job = await client.job("j")
        assert [request.path for request in server.requests] == ["/neutral/jobs/j", "/neutral/jobs/j/history"]
        assert [each.status for each in job.events or ()] == ["running", "partial"]
        with pytest.raises(jobwatch.JobNotFound):
            await client.job("ghost")
        asked = len(server.requests)
        listed = await client.jobs("p", limit=5)
        assert [request.path for request in server.requests[asked:]] == ["/neutral/projects/p/jobs"]
    assert [(each.id, each.phase, each.result, each.asked) for each in listed] == [
        ("j", Phase.PARTIAL, 1, None),
        ("asking", Phase.BLOCKED, None, "What now?"),
    ]
    assert job.phase is listed[0].phase
    assert str(job.error) == str(listed[0].error) == "a page is lost"
