"""The neutral API of the job server plays what other servers do: each way through plain HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, Literal

import aiohttp
import msgspec
import pytest
import pytest_asyncio

from jobwatch._errors import ConfigError
from jobwatch._models import Problem
from jobwatch.testing import JobServer, Pages, Trouble
from tests.conftest import at_most

from .asked import Answer, Clock

EPOCH = datetime(2024, 6, 17, 8, 55, 0, tzinfo=UTC)


class Seen(Answer):
    """One of the neutral API."""

    def __getitem__(self, key: str) -> object:
        return self.all.get(key)

    @property
    def all(self) -> dict[str, object]:
        return msgspec.json.decode(self.body, type=dict[str, object])

    @property
    def ids(self) -> list[str]:
        return [each["id"] for each in self._items]

    @property
    def states(self) -> list[str]:
        return [each["state"] for each in self._items]

    @property
    def _items(self) -> list[dict[str, Any]]:
        name = next(name for name, value in self.all.items() if isinstance(value, list))
        return msgspec.convert(self.all[name], list[dict[str, Any]])


class Asking:
    """Asks the neutral API of a server."""

    def __init__(self, server: JobServer, session: aiohttp.ClientSession) -> None:
        self._server = server
        self._session = session

    async def __call__(
        self, path: str, method: str = "GET", *, sent: object = None, token: str = "sk_test", **headers: str
    ) -> Seen:
        url = path if "://" in path else self._server.url_of("neutral") + path
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        asked = self._session.request(
            method, url, json=sent, headers={"Authorization": f"Bearer {token}", **named}, allow_redirects=False
        )
        async with asked as reply:
            return Seen(reply.status, reply.headers, await reply.read())


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest_asyncio.fixture
async def server(clock: Clock) -> AsyncIterator[JobServer]:
    async with JobServer(clock=clock, epoch=EPOCH) as server:
        yield server


@pytest_asyncio.fixture
async def ask(server: JobServer) -> AsyncIterator[Asking]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(5)) as session:
        yield Asking(server, session)


# --- a record -----------------------------------------------------------------------------------------------------


async def test_a_record_tells_the_state_its_times_and_what_the_end_left(
    server: JobServer, ask: Asking, clock: Clock
) -> None:
    server.add(
        "neutral",
        "j",
        [("pending", 0.0), ("running", 2.0), ("partial", 9.0)],
        type="export",
        project_id="p",
        progress=(3, 4),
        error=Problem("one file is damaged", "DAMAGED"),
        result={"files": 3},
        exit_code=2,
        extra={"state": "PARTLY"},
    )
    clock.seconds += 9.0
    assert (await ask("/jobs/j")).all == {
        "id": "j",
        "state": "PARTLY",
        "kind": "export",
        "project": "p",
        "created": "2024-06-17T08:55:00Z",
        "started": "2024-06-17T08:55:02Z",
        "ended": "2024-06-17T08:55:09Z",
        "changed": "2024-06-17T08:55:09Z",
        "times": {
            "pending": "2024-06-17T08:55:00Z",
            "running": "2024-06-17T08:55:02Z",
            "partial": "2024-06-17T08:55:09Z",
        },
        "attempt": 1,
        "done": 3,
        "total": 4,
        "exit_code": 2,
        "problem": {"code": "DAMAGED", "text": "one file is damaged"},
        "output": {"files": 3},
    }
    assert (await ask("/jobs/other")).status == 404
    assert (await ask("/elsewhere")).status == 404
    assert (await ask("/jobs/j", token="sk_old")).status == 401
    refused = await ask("/jobs/j", "DELETE")
    assert (refused.status, refused.headers["Allow"]) == (405, "GET, HEAD")


async def test_a_blocked_job_says_what_it_waits_for_while_it_does(server: JobServer, ask: Asking) -> None:
    job = server.add("neutral", "j", ["blocked"], asks="May it go live?", asks_url="https://ask.example.com/1")
    assert (await ask("/jobs/j"))["asks"] == {"text": "May it go live?", "url": "https://ask.example.com/1"}
    job.advance("running")
    assert (await ask("/jobs/j"))["asks"] is None
    job.advance("pending")
    assert (await ask("/jobs/j"))["attempt"] == 1
    job.advance("running")
    assert (await ask("/jobs/j"))["attempt"] == 2
    server.add("neutral", "new", ["pending"])
    assert (await ask("/jobs/new"))["attempt"] == 1


async def test_the_state_stands_in_a_header_too_and_as_a_text(server: JobServer, ask: Asking) -> None:
    server.add("neutral", "j", ["running"])
    head = await ask("/jobs/j", "HEAD")
    assert (head.status, head.body) == (200, b"")
    assert (head.headers["X-Job-Id"], head.headers["X-Job-State"]) == ("j", "running")
    assert (await ask("/jobs/j")).headers["X-Job-State"] == "running"
    word = await ask("/jobs/j/word")
    assert (word.body, word.headers["Content-Type"]) == (b"running", "text/plain; charset=utf-8")


async def test_a_generation_behind_is_told_for_as_long_as_said(server: JobServer, ask: Asking, clock: Clock) -> None:
    server.add("neutral", "j", [("succeeded", 0.0), ("running", 2.0)], generation=3, behind=2.0)
    before = await ask("/jobs/j")
    assert (before["state"], before["generation"], before["seen_generation"]) == ("succeeded", 3, 2)
    clock.seconds += 2.0
    after = await ask("/jobs/j")
    assert (after["state"], after["seen_generation"]) == ("running", 3)


async def test_a_job_is_forgotten_so_long_after_its_end(server: JobServer, ask: Asking, clock: Clock) -> None:
    server.add("neutral", "j", [("running", 0.0), ("finished", 5.0)], kept=10.0)
    clock.seconds += 14.9
    assert (await ask("/jobs/j"))["state"] == "finished"
    clock.seconds += 0.1
    assert (await ask("/jobs/j")).status == 404
    assert (await ask("/rpc", "POST", sent={"id": 1, "method": "job.get", "params": {"id": "j"}}))["result"] is None


async def test_words_of_ones_own_may_mean_an_end(server: JobServer, ask: Asking) -> None:
    job = server.add("neutral", "j", ["baking"], ends={"WARNINGS: 2": "succeeded"}, result="cake", kept=0.0)
    assert (await ask("/jobs/j"))["ended"] is None
    job.advance("WARNINGS: 2", kept=9.0)
    assert (await ask("/jobs/j"))["output"] == "cake"
    with pytest.raises(ConfigError, match="'eaten' is no end: the neutral ends are cancelled, failed, finished"):
        server.add("neutral", "k", ["baking"], ends={"gone": "eaten"})


async def test_hints_for_the_next_look(server: JobServer, ask: Asking) -> None:
    server.add("neutral", "j", ["running"], poll_ms=1500, retry_after="1.5")
    told = await ask("/jobs/j")
    assert (told["poll_ms"], told.headers["Retry-After"]) == (1500, "1.5")


# --- where it goes on ---------------------------------------------------------------------------------------------


async def test_a_job_that_moves_tells_where_as_soon_as_there_is_something(
    server: JobServer, ask: Asking, clock: Clock
) -> None:
    server.add("neutral", "queued", [("pending", 0.0), ("finished", 4.0)], moves_to="build")
    server.add("neutral", "build", [("running", 4.0)])
    server.add("neutral", "elsewhere", ["finished"], moves_to="https://history.example.com/jobs/9")
    assert (await ask("/jobs/queued"))["moved_to"] is None
    clock.seconds += 4.0
    url = server.url_of("neutral") + "/jobs/build"
    assert (await ask("/jobs/queued"))["moved_to"] == {"id": "build", "url": url}
    assert (await ask(url))["state"] == "running"
    assert (await ask("/jobs/elsewhere"))["moved_to"] == {"url": "https://history.example.com/jobs/9"}


async def test_each_turn_names_the_next_and_is_gone_when_it_was_left(server: JobServer, ask: Asking) -> None:
    job = server.add("neutral", "j", ["running"])
    first = await ask("/jobs/j/turns/1")
    assert first.headers["Location"] == "/neutral/jobs/j/turns/2"
    assert first["next"] == server.url_of("neutral") + "/jobs/j/turns/2"
    assert (await ask("/jobs/j/turns/1")).headers["Location"] == "/neutral/jobs/j/turns/2", "its answer was lost"
    assert (await ask("/jobs/j/turns/2")).headers["Location"] == "/neutral/jobs/j/turns/3"
    assert (await ask("/jobs/j/turns/1")).status == 410
    assert (await ask("/jobs/j/turns/9")).status == 410
    job.advance("succeeded")
    last = await ask("/jobs/j/turns/3")
    assert (last["state"], last["next"], "Location" in last.headers) == ("succeeded", None, False)


@pytest.mark.parametrize(
    ("word", "status"),
    [("running", 202), ("partial", 207), ("failed", 422), ("cancelled", 409), ("finished", 204), ("succeeded", 303)],
)
async def test_the_http_status_of_a_monitor_is_the_state(
    server: JobServer, ask: Asking, word: str, status: int
) -> None:
    server.add("neutral", "j", [word], result=[1], retry_after="2")
    told = await ask("/jobs/j/monitor")
    assert told.status == status
    assert told.headers.get("Location") == ("/neutral/jobs/j/output" if status == 303 else None)
    assert (await ask("/jobs/j/output")).status == (200 if word in {"partial", "finished", "succeeded"} else 404)


async def test_result_and_error_have_requests_of_their_own(server: JobServer, ask: Asking) -> None:
    job = server.add("neutral", "j", ["running"], error="it broke", result="cake")
    assert (await ask("/jobs/j/problem")).status == (await ask("/jobs/j/output")).status == 404
    job.advance("failed")
    assert (await ask("/jobs/j/problem", "POST", sent={}))["problem"] == {"code": None, "text": "it broke"}
    job.advance("succeeded")
    assert (await ask("/jobs/j/output"))["output"] == "cake"


@pytest.mark.parametrize(
    ("start", "told"),
    [
        ("id", (202, None, {"id": "j", "state": "pending"})),
        ("location", (202, "/neutral/jobs/j", {"id": "thing_1", "state": "ready"})),
        ("over", (204, None, None)),
    ],
)
async def test_a_start_names_the_job_in_its_body_or_header_or_says_that_all_is_over(
    server: JobServer, ask: Asking, start: Literal["id", "location", "over"], told: object
) -> None:
    server.add("neutral", "j", ["pending"], start=start)
    seen = await ask("/jobs", "POST", sent={"id": "j"})
    assert (seen.status, seen.headers.get("Location"), seen.all if seen.body else None) == told
    assert (await ask("/jobs", "POST", sent={"id": "other"})).status == 422
    assert (await ask("/jobs", "POST", sent=["j"])).status == 422


# --- pages --------------------------------------------------------------------------------------------------------


def family(server: JobServer) -> None:
    server.add("neutral", "j", ["pending", "running", "succeeded"], project_id="p")
    for number in range(5):
        server.add("neutral", f"part{number}", ["running"], parent_id="j", project_id="p")


@pytest.mark.parametrize("path", ["/jobs/j/parts", "/jobs?ids=part0,part1,part2,part3,part4"])
async def test_pages_name_the_next_by_url_token_or_header(server: JobServer, ask: Asking, path: str) -> None:
    family(server)
    server.pages = Pages(2)
    read: list[str] = []
    page = await ask(path)
    read += page.ids
    while isinstance(place := page["next"], str):
        assert place.startswith(server.url_of("neutral"))
        page = await ask(place)
        read += page.ids
    assert read == ["part0", "part1", "part2", "part3", "part4"]
    server.pages = Pages(5)
    assert (await ask(path))["next"] is None, "a page that is full and the last"
    server.pages = Pages(3, "token")
    first = await ask(path)
    assert (first["next"], first["total"]) == ("2", 5)
    second = await ask(path + ("&" if "?" in path else "?") + "page=2")
    assert (second.ids, second["next"]) == (["part3", "part4"], None)
    server.pages = Pages(3, "link")
    linked = await ask(path)
    assert linked["next"] is None
    url, _, relation = linked.headers["Link"].partition("; ")
    assert (relation, (await ask(url.strip("<>"))).ids) == ('rel="next"', ["part3", "part4"])


async def test_lists_of_a_project_by_ids_and_by_what_was_sent(server: JobServer, ask: Asking) -> None:
    family(server)
    later = server.add("neutral", "later", [("running", 5.0)], project_id="p")
    one = await ask("/projects/p/jobs?limit=4")
    assert (one.ids, one["next"]) == (
        ["j", "part0", "part1", "part2"],
        server.url_of("neutral") + "/projects/p/jobs?limit=4&page=2",
    )
    assert (await ask("/projects/p/jobs?limit=4&page=2")).ids == ["part3", "part4"]
    assert (await ask("/jobs/find", "POST", sent={"ids": ["part4", "j"]})).ids == ["j", "part4"]
    assert (await ask("/projects/p/jobs?limit=none")).status == 400
    assert later.listed == 0
    with pytest.raises(ConfigError, match="makes no pages"):
        server.pages = Pages(0)


async def test_a_history_begins_with_the_first_state_or_with_the_last(server: JobServer, ask: Asking) -> None:
    family(server)
    assert (await ask("/jobs/j/history")).states == ["pending", "running", "succeeded"]
    server.pages = Pages(2, newest_first=True)
    assert (await ask("/jobs/j/history")).states == ["succeeded", "running"]


async def test_a_trouble_may_befall_one_page(server: JobServer, ask: Asking) -> None:
    family(server)
    server.pages = Pages(2)
    server.trouble(Trouble.status(503), path="page=2")
    assert (await ask("/jobs/j/parts")).status == 200
    assert (await ask("/jobs/j/parts?page=2")).status == 503
    assert (await ask("/jobs/j/parts?page=2")).status == 200


# --- held, framed, streamed ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "headers"), [("/jobs/j?wait=60", {}), ("/jobs/j", {"Prefer": "wait=60"})])
async def test_a_long_poll_is_held_until_there_is_news(
    server: JobServer, ask: Asking, path: str, headers: dict[str, str]
) -> None:
    job = server.add("neutral", "j", ["running"])
    asked = asyncio.create_task(ask(path, **headers))
    await job.looked(1)
    assert job.held == 1
    assert not asked.done()
    job.advance("succeeded")
    assert (await asked)["state"] == "succeeded"
    assert job.held == 0
    assert (await ask(path, **headers))["state"] == "succeeded", "what has ended is told at once"


async def test_a_long_poll_ends_with_its_time(server: JobServer, ask: Asking, clock: Clock) -> None:
    job = server.add("neutral", "j", ["running"])
    asked = asyncio.create_task(ask("/jobs/j?wait=60"))
    await job.looked(1)
    clock.seconds += 60.0
    assert (await asked)["state"] == "running"
    assert (await ask("/jobs/j?wait=soon"))["state"] == "running"
    assert (await ask("/jobs/j?wait=60", token="wrong")).status == 401, "who is not let in is told at once"


async def test_a_server_that_closes_holds_nothing(ask: Asking, server: JobServer) -> None:
    job = server.add("neutral", "j", ["running"])
    asked = asyncio.create_task(ask("/jobs/j?wait=60"))
    await job.looked(1)
    async with at_most(2):
        await server.aclose()
        await asyncio.wait([asked])
    asked.exception()


async def test_an_answer_may_be_framed_as_one_event(server: JobServer, ask: Asking) -> None:
    server.add("neutral", "j", ["running"])
    framed = await ask("/jobs/j?as=event")
    assert framed.headers["Content-Type"] == "text/event-stream"
    name, data, *rest = framed.body.split(b"\n")
    assert (name, rest) == (b"event: message", [b"", b""])
    assert json.loads(data.removeprefix(b"data: "))["state"] == "running"


async def test_a_stream_tells_each_state_and_is_closed_after_the_end(server: JobServer, ask: Asking) -> None:
    server.add("neutral", "j", ["running", "partial"])
    told = (await ask("/jobs/j/events")).body.decode().split("\n\n")
    assert [each.partition("\n")[0] for each in told] == ["event: end", ""]
    assert json.loads(told[0].partition("data: ")[2])["state"] == "partial"
    async with JobServer(streams=False) as other:
        other.add("neutral", "j", ["running"])
        assert (await ask(other.url_of("neutral") + "/jobs/j/events")).status == 404


# --- envelopes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "key", "told"),
    [
        ({"method": "job.start", "params": {"id": "j"}}, "result", {"id": "j", "state": "running"}),
        ({"method": "job.get", "params": {"id": "k"}}, "error", {"code": -32001, "message": "there is no such job"}),
        ({"method": "job.start", "params": {"id": "k"}}, "error", {"code": -32001, "message": "there is no such job"}),
        ({"method": "job.get"}, "error", {"code": -32602, "message": "params need an id"}),
        ({"method": "job.eat"}, "error", {"code": -32601, "message": "there is no method job.eat"}),
        ({"method": 1}, "error", {"code": -32600, "message": "that is no request"}),
    ],
)
async def test_json_rpc_answers_in_its_envelope(
    server: JobServer, ask: Asking, sent: dict[str, object], key: str, told: object
) -> None:
    server.add("neutral", "j", ["running"])
    answer = await ask("/rpc", "POST", sent={"jsonrpc": "2.0", "id": 7} | sent)
    assert answer.all == {"jsonrpc": "2.0", "id": 7, key: told}
    assert answer.status == 200


async def test_json_rpc_and_graphql_tell_the_record(server: JobServer, ask: Asking) -> None:
    job = server.add("neutral", "j", ["running"])
    record = (await ask("/jobs/j")).all
    assert (await ask("/rpc", "POST", sent={"method": "job.get", "params": {"id": "j"}}))["result"] == record
    assert (await ask("/graphql", "POST", sent={"variables": {"id": "j"}})).all == {"data": {"job": record}}
    missing = await ask("/graphql", "POST", sent={"variables": {"id": "k"}})
    assert missing["data"] == {"job": None}
    assert missing["errors"][0]["extensions"] == {"code": "NOT_FOUND"}  # type: ignore[index]
    assert job.looks == 3
    assert (await ask("/rpc")).headers["Allow"] == "POST"


# --- tokens and caches --------------------------------------------------------------------------------------------


async def test_a_token_expires_at_a_time_or_after_so_many_requests(
    server: JobServer, ask: Asking, clock: Clock
) -> None:
    server.add("neutral", "j", ["running"])
    server.renew_token("two", seconds=5.0)
    assert [(await ask("/jobs/j", token=token)).status for token in ("sk_test", "two", "x")] == [200, 200, 401]
    clock.seconds += 5.0
    assert [(await ask("/jobs/j", token=token)).status for token in ("sk_test", "two")] == [401, 200]
    server.renew_token("three", requests=2)
    assert [(await ask("/jobs/j", token="two")).status for _ in range(4)] == [200, 200, 401, 401]
    assert server.token == "three"
    server.renew_token("four")
    assert [(await ask("/jobs/j", token=token)).status for token in ("three", "four")] == [401, 200]


async def test_etags_may_lie(ask: Asking) -> None:
    async with JobServer(etags="constant") as server:
        job = server.add("neutral", "j", ["running"])
        url = server.url_of("neutral") + "/jobs/j"
        tag = (await ask(url)).headers["ETag"]
        job.advance("succeeded")
        assert (await ask(url, If_None_Match=tag)).status == 304
        told = await ask(url)
        assert (told.headers["ETag"], told["state"]) == (tag, "succeeded")


async def test_what_an_old_answer_says_came_out_of_a_cache(server: JobServer, ask: Asking, clock: Clock) -> None:
    server.add("neutral", "j", [("pending", 0.0), ("running", 9.0)])
    clock.seconds += 10.0
    server.trouble(Trouble.stale(4.2))
    old = await ask("/jobs/j")
    assert (old["state"], old.headers["Age"]) == ("pending", "5")
    assert "Age" not in (await ask("/jobs/j")).headers
