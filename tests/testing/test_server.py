"""The job server speaks both APIs as documented, and goes wrong exactly as told."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from jobwatch._errors import ConfigError
from jobwatch._models import Problem
from jobwatch.testing import JobServer, Trouble
from jobwatch.testing._job import Script, Step, stamp
from jobwatch.testing._server import RateLimit
from tests.conftest import at_most

from .asked import Answer, Clock

EPOCH = datetime(2024, 6, 17, 8, 55, 0, tzinfo=UTC)
BEARER = {"Authorization": "Bearer sk_test"}


class Seen(Answer):
    """One whose body is JSON."""

    @property
    def json(self) -> dict[str, object]:
        value = json.loads(self.body)
        assert isinstance(value, dict)
        return value


async def seen(url: str, headers: dict[str, str] | None = None, method: str = "GET") -> Seen:
    session = aiohttp.ClientSession(auto_decompress=False, timeout=aiohttp.ClientTimeout(5))
    async with (
        session,
        session.request(method, url, headers=BEARER if headers is None else headers, allow_redirects=False) as reply,
    ):
        return Seen(reply.status, reply.headers, await reply.read())


async def on_the_wire(server: JobServer, path: str = "/jobs/job_01", until_close: bool = True) -> bytes:
    """Ask over a bare socket and return every byte up to the close."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(server.url_of("bedrock").rsplit(":", 1)[1]))
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk_test\r\n\r\n".encode())
    try:
        async with at_most(2):
            return await (reader.read() if until_close else reader.readuntil(b"\r\n\r\n"))
    finally:
        writer.close()


async def until(true: Callable[[], bool]) -> None:
    async with at_most(1):
        while not true():  # noqa: ASYNC110 - nothing rings a bell for what is looked at here
            await asyncio.sleep(0.001)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest_asyncio.fixture
async def server(clock: Clock) -> AsyncIterator[JobServer]:
    async with JobServer(clock=clock, epoch=EPOCH) as server:
        yield server


# The script: pure


def test_a_script_is_a_function_of_time() -> None:
    script = Script.of([("PENDING", 0), ("RUNNING", 2.0), ("COMPLETED", 90.0)], added_at=10.0)
    assert script.until(9.99) == ()
    assert script.until(10.0) == (Step("PENDING", 10.0),)
    assert script.until(99.9) == (Step("PENDING", 10.0), Step("RUNNING", 12.0))
    assert [step.status for step in script.until(100.0)] == ["PENDING", "RUNNING", "COMPLETED"]
    assert script.until(10.0) == (Step("PENDING", 10.0),), "asking changed it"


def test_plain_words_are_entered_with_the_step_before() -> None:
    assert Script.of(["A", ("B", 2.0), "C"], 1.0).steps == (Step("A", 1.0), Step("B", 3.0), Step("C", 3.0))


def test_advancing_drops_what_was_to_follow() -> None:
    script = Script.of([("A", 0.0), ("B", 5.0)], 0.0).advanced("C", 1.0)
    assert script.until(100.0) == (Step("A", 0.0), Step("C", 1.0))


def test_a_stamp_has_a_fraction_only_where_there_is_one() -> None:
    assert stamp(EPOCH, 2.0) == "2024-06-17T08:55:02Z"
    assert stamp(EPOCH, 0.25) == "2024-06-17T08:55:00.250000Z"


def test_a_limit_counts_in_windows() -> None:
    limit = RateLimit(2, 60.0)
    assert [(quota.allowed, quota.remaining) for quota in map(limit.take, [1.0, 2.0, 59.0])] == [
        (True, 1),
        (True, 0),
        (False, 0),
    ]
    assert limit.take(60.0).allowed
    assert limit.take(61.0).resets_at == 120.0


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ([], "at least one step"),
        ("PENDING", "at least one step"),
        ([("A", 2.0), ("B", 1.0)], "order them by time"),
        ([("A", -1.0)], "is no step"),
        ([("A", float("nan"))], "is no step"),
        ([("A",)], "is no step"),
        ([("", 0.0)], "is no step"),
    ],
)
def test_bad_steps_are_refused(steps: list[tuple[str, float]], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        JobServer().add("bedrock", "job_01", steps)


def test_bad_jobs_are_refused() -> None:
    server = JobServer()
    server.add("bedrock", "job_01", ["PENDING"])
    server.add("capydb", "job_01", ["pending"])  # another API, another job
    with pytest.raises(ConfigError, match="unknown API 'aws'"):
        server.add("aws", "job_02", ["PENDING"])
    with pytest.raises(ConfigError, match="'job_01' is empty or taken on bedrock"):
        server.add("bedrock", "job_01", ["PENDING"])
    with pytest.raises(ConfigError, match="unknown shape 'sms'"):
        server.add("bedrock", "job_02", ["PENDING"], shape="sms")
    with pytest.raises(ConfigError, match="bedrock job has no exit_code"):
        server.add("bedrock", "job_02", ["PENDING"], exit_code=1)
    with pytest.raises(ConfigError, match="start it first"):
        server.url_of("bedrock")
    with pytest.raises(ConfigError, match="rate_limit"):
        JobServer(rate_limit=(0, 60.0))
    with pytest.raises(ConfigError, match="has no zone"):
        JobServer(epoch=datetime(2024, 1, 1))  # noqa: DTZ001
    with pytest.raises(ConfigError, match="never happens"):
        server.trouble(Trouble.reset(), times=0)
    with pytest.raises(ConfigError, match="line end"):
        Trouble.redirect("/a\r\nX: y")


# Bedrock, https://docs.bedrock.cv/cms-api/jobs/get


async def test_bedrock_cms_answers_as_documented(server: JobServer, clock: Clock) -> None:
    server.add("bedrock", "job_01JABCD123", [("PENDING", 0.0), ("RUNNING", 2.0), ("COMPLETED", 90.0)])
    clock.seconds += 90.0
    reply = await seen(server.url_of("bedrock") + "/jobs/job_01JABCD123")
    assert reply.status == 200
    assert reply.headers["Content-Type"] == "application/json"
    assert reply.json == {
        "data": {
            "id": "job_01JABCD123",
            "organization_id": "org_01JABCD123",
            "project_id": "prj_01JABCD123",
            "type": "overlay.generate",
            "status": "COMPLETED",
            "target_type": "Block",
            "target_id": "blk_01JABCD123",
            "parent_id": None,
            "payload": {"type": "Block", "old_id": "blk_01JABCD100", "new_id": "blk_01JABCD200"},
            "events": [
                {"status": "PENDING", "timestamp": "2024-06-17T08:55:00Z"},
                {"status": "RUNNING", "timestamp": "2024-06-17T08:55:02Z"},
                {"status": "COMPLETED", "timestamp": "2024-06-17T08:56:30Z"},
            ],
            "created_at": "2024-06-17T08:55:00Z",
            "updated_at": "2024-06-17T08:56:30Z",
        }
    }


async def test_bedrock_vision_answers_as_documented(server: JobServer, clock: Clock) -> None:
    steps = [("Queued", 0.0), ("Started", 2.0), ("Completed", 90.0)]
    server.add("bedrock", "job_01", steps, shape="vision", results={"score": 0.82})
    started: dict[str, object] = {
        "job_id": "job_01",
        "type": "compare",
        "status": "Started",
        "target": {"type": "block", "id": "blk_01JABCD100"},
        "created_at": "2024-06-17T08:55:00Z",
    }
    clock.seconds += 2.0
    assert (await seen(server.url_of("bedrock") + "/jobs/job_01")).json == started
    clock.seconds += 88.0
    ended = started | {"status": "Completed", "results": {"score": 0.82}, "completed_at": "2024-06-17T08:56:30Z"}
    assert (await seen(server.url_of("bedrock") + "/jobs/job_01")).json == ended


async def test_bedrock_vision_tells_failures_and_history_when_asked(server: JobServer, clock: Clock) -> None:
    job = server.add("bedrock", "job_01", ["Queued"], shape="vision", events=True, events_kept=2)
    clock.seconds += 1.0
    job.advance("Started")
    clock.seconds += 1.5
    job.advance("Failed", error=Problem("no matching sheets", "job_failed"))
    record = (await seen(server.url_of("bedrock") + "/jobs/job_01")).json
    assert record["error"] == {"code": "job_failed", "message": "no matching sheets"}
    assert record["events"] == [
        {"status": "Started", "timestamp": "2024-06-17T08:55:01Z"},
        {"status": "Failed", "timestamp": "2024-06-17T08:55:02.500000Z"},
    ]
    assert "completed_at" not in record
    assert "results" not in record


async def test_bedrock_cms_tells_an_error_only_when_given(server: JobServer) -> None:
    server.add("bedrock", "job_01", ["FAILED"])
    server.add("bedrock", "job_02", ["FAILED"], error="disk full")
    told = [(await seen(server.url_of("bedrock") + path)).json["data"] for path in ("/jobs/job_01", "/jobs/job_02")]
    assert "error" not in told[0]  # type: ignore[operator]
    assert told[1]["error"] == {"code": "PROCESSING_ERROR", "message": "disk full"}  # type: ignore[index]


PROBLEMS = {
    400: ("bad-request", "Bad Request", "One or more request fields are invalid.", "BAD_REQUEST"),
    401: (
        "authentication",
        "Missing or invalid API key",
        "Provide a valid API key via the Authorization: Bearer or X-API-Key header.",
        "UNAUTHORIZED",
    ),
    402: (
        "insufficient-credits",
        "Insufficient credits",
        "Your organization does not have enough credits for this operation.",
        "INSUFFICIENT_CREDITS",
    ),
    403: ("authorization", "Access denied", "You do not have access to this resource.", "FORBIDDEN"),
    429: ("rate-limit", "Too many requests", "You have exceeded the rate limit.", "RATE_LIMITED"),
}


@pytest.mark.parametrize("status", PROBLEMS)
async def test_bedrock_problems_are_as_documented(server: JobServer, status: int) -> None:
    server.trouble(Trouble.status(status))
    reply = await seen(server.url_of("bedrock") + "/jobs/job_01")
    page, title, detail, code = PROBLEMS[status]
    assert reply.status == status
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert reply.json == {
        "type": f"https://docs.bedrock.cv/errors/{page}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": reply.headers["X-Request-Id"],
    }


async def test_bedrock_refuses_what_it_does_not_know(server: JobServer) -> None:
    server.add("bedrock", "job_01", ["PENDING"])
    url = server.url_of("bedrock")
    assert (await seen(url + "/jobs/job_02")).json["code"] == "NOT_FOUND"
    assert (await seen(url + "/elsewhere")).status == 404
    assert (await seen(url + "/jobs/job_01", method="DELETE")).status == 405
    for version in ("2026-01-01", "1"):
        assert (await seen(url + "/jobs/job_01", BEARER | {"X-API-Version": version})).status == 200
    reply = await seen(url + "/jobs/job_01", BEARER | {"X-API-Version": "99"})
    assert reply.status == 400
    assert reply.json["detail"] == "Unsupported API version: 99. Supported versions: 1"


@pytest.mark.parametrize("path", ["/jobs/job_01", "/api/capydb/v1/jobs/job_01"])
async def test_only_the_token_is_let_in(server: JobServer, path: str) -> None:
    server.add("bedrock", "job_01", ["PENDING"])
    server.add("capydb", "job_01", ["pending"])
    url = server.url_of("bedrock") + path
    for refused in ({}, {"Authorization": "Bearer sk_other"}, {"X-API-Key": ""}, {"Authorization": "Basic sk_test"}):
        assert (await seen(url, refused)).status == 401
    assert (await seen(url, {"X-API-Key": "sk_test"})).status == 200
    server.token = "sk_new"
    assert (await seen(url)).status == 401
    server.token = None
    assert (await seen(url, {})).status == 200


async def test_bedrock_tells_its_limit_and_keeps_it(clock: Clock) -> None:
    async with JobServer(clock=clock, epoch=EPOCH, rate_limit=(2, 60.0)) as server:
        server.add("bedrock", "job_01", ["PENDING"])
        url = server.url_of("bedrock") + "/jobs/job_01"
        clock.seconds += 10.0
        replies = [await seen(url) for _ in range(3)]
        reset = str(int(EPOCH.timestamp()) + 60)
        assert [reply.status for reply in replies] == [200, 200, 429]
        assert [reply.headers["X-RateLimit-Remaining"] for reply in replies] == ["1", "0", "0"]
        assert {(one.headers["X-RateLimit-Limit"], one.headers["X-RateLimit-Reset"]) for one in replies} == {
            ("2", reset)
        }
        assert replies[2].headers["Retry-After"] == "50"
        clock.seconds += 50.0
        assert (await seen(url)).status == 200


# CapyDB, https://docs.capydb.dev/docs/reference/api/jobs


async def test_capydb_answers_as_documented(server: JobServer, clock: Clock) -> None:
    job = server.add(
        "capydb",
        "job_2",
        [("pending", 0.0), ("running", 1.0), ("pending", 5.0), ("running", 8.0), ("failed", 10.0)],
        project_id="prj_1",
        error="disk full",
        exit_code=1,
        stdout="starting",
        stderr="no space left",
        locked_resource="project:prj_1",
        retry_classification="transient",
    )
    url = server.url_of("capydb") + "/v1/jobs/job_2"
    queued: dict[str, object] = {
        "attempts": 0,
        "created_at": "2024-06-17T08:55:00Z",
        "id": "job_2",
        "locked_resource": "project:prj_1",
        "max_attempts": 3,
        "organization_id": "org_1",
        "project_id": "prj_1",
        "state": "pending",
        "type": "project.backup",
        "updated_at": "2024-06-17T08:55:00Z",
    }
    assert (await seen(url)).json == {"job": queued}
    clock.seconds += 6.0
    retried = (await seen(url)).json["job"]
    assert isinstance(retried, dict)
    assert (retried["state"], retried["attempts"], retried["last_exit_code"]) == ("pending", 1, 1)
    clock.seconds += 4.0
    ended = {key: value for key, value in queued.items() if key != "locked_resource"} | {
        "attempts": 2,
        "claimed_at": "2024-06-17T08:55:08Z",
        "claimed_by": "worker-1",
        "completed_at": "2024-06-17T08:55:10Z",
        "error": "disk full",
        "last_exit_code": 1,
        "last_stderr": "no space left",
        "last_stdout": "starting",
        "retry_classification": "transient",
        "started_at": "2024-06-17T08:55:08Z",
        "state": "failed",
        "updated_at": "2024-06-17T08:55:10Z",
    }
    assert (await seen(url)).json == {"job": ended}
    assert job.looks == 3


async def test_capydb_leaves_out_what_is_empty(server: JobServer) -> None:
    server.add("capydb", "job_1", ["running", "completed"], exit_code=0, stdout="", result={"lag": 0})
    job = (await seen(server.url_of("capydb") + "/v1/jobs/job_1")).json["job"]
    assert isinstance(job, dict)
    assert job["result"] == {"lag": 0}
    assert not {"last_exit_code", "last_stdout", "last_stderr", "error", "project_id"} & set(job)


async def test_capydb_lists_a_projects_jobs(server: JobServer, clock: Clock) -> None:
    url = server.url_of("capydb") + "/v1/projects/prj_1/jobs"
    assert (await seen(url)).json == {"jobs": None}
    jobs = []
    for number in range(30):
        jobs.append(server.add("capydb", f"job_{number}", ["pending"], project_id="prj_1"))
        clock.seconds += number % 2  # some are of the same moment
    server.add("capydb", "job_elsewhere", ["pending"], project_id="prj_2")
    told = (await seen(url)).json["jobs"]
    assert isinstance(told, list)
    assert [one["id"] for one in told] == [f"job_{number}" for number in range(29, 4, -1)]
    assert len((await seen(url + "?limit=2")).json["jobs"]) == 2  # type: ignore[arg-type]
    assert (await seen(url + "?limit=none")).status == 400
    assert [jobs[29].listed, jobs[5].listed, jobs[4].listed, jobs[29].looks] == [2, 1, 0, 0]


async def test_capydb_errors_are_one_message(server: JobServer) -> None:
    missing = await seen(server.url_of("capydb") + "/v1/jobs/job_9")
    assert (missing.status, missing.json) == (404, {"error": "job not found"})
    server.trouble(Trouble.status(503))
    down = await seen(server.url_of("capydb") + "/v1/jobs/job_9")
    assert (down.status, down.json) == (503, {"error": "service unavailable"})
    assert "X-Request-Id" not in down.headers


# The server


async def test_requests_are_recorded_where_they_arrive(server: JobServer, clock: Clock) -> None:
    clock.seconds += 3.0
    await seen(server.url_of("capydb") + "/v1/projects/prj_1/jobs?limit=5")
    await seen(server.url_of("bedrock") + "/jobs/a%20b")
    listed, looked = server.requests
    assert (listed.api, listed.project_id, listed.job_id, listed.query) == ("capydb", "prj_1", None, {"limit": "5"})
    assert (looked.method, looked.path, looked.job_id, looked.at) == ("GET", "/jobs/a%20b", "a b", 3.0)
    assert looked.headers["authorization"] == "Bearer sk_test"


async def test_looked_wakes_when_the_job_was_asked_for(server: JobServer) -> None:
    job = server.add("bedrock", "job_01", ["PENDING"])
    waiting = asyncio.create_task(job.looked(2))
    await seen(server.url_of("bedrock") + "/jobs/job_01")
    assert not waiting.done()
    await seen(server.url_of("bedrock") + "/jobs/job_01")
    async with at_most(1):
        await waiting
    assert job.looks == 2
    assert job.status == "PENDING"


async def test_a_job_is_unknown_before_its_first_step_and_after_its_removal(server: JobServer, clock: Clock) -> None:
    job = server.add("bedrock", "job_01", [("PENDING", 1.0)])
    url = server.url_of("bedrock") + "/jobs/job_01"
    assert job.status is None
    assert (await seen(url)).status == 404
    clock.seconds += 1.0
    assert (await seen(url)).status == 200
    server.remove(job)
    assert (await seen(url)).status == 404


async def test_the_date_is_of_the_servers_own_time(server: JobServer, clock: Clock) -> None:
    clock.seconds += 61.0
    assert (await seen(server.url_of("bedrock") + "/jobs/job_01")).headers.getall("Date") == [
        "Mon, 17 Jun 2024 08:56:01 GMT"
    ]
    given = "Fri, 31 Dec 9999 23:59:59 GMT"
    assert (await answer_to(server, Trouble.status(503, headers={"Date": given}))).headers.getall("Date") == [given]


async def test_extra_fields_win(server: JobServer) -> None:
    server.add("bedrock", "job_01", ["PENDING"], shape="vision", extra={"status": None, "new": [1]})
    record = (await seen(server.url_of("bedrock") + "/jobs/job_01")).json
    assert (record["status"], record["new"]) == (None, [1])


async def test_etags_spare_an_unchanged_body(clock: Clock) -> None:
    async with JobServer(clock=clock, epoch=EPOCH, etags=True) as server:
        job = server.add("bedrock", "job_01", ["PENDING"])
        url = server.url_of("bedrock") + "/jobs/job_01"
        tag = (await seen(url)).headers["ETag"]
        same = await seen(url, BEARER | {"If-None-Match": tag})
        assert (same.status, same.body, same.headers["ETag"]) == (304, b"", tag)
        job.advance("RUNNING")
        other = await seen(url, BEARER | {"If-None-Match": tag})
        assert other.status == 200
        assert other.headers["ETag"] != tag


async def test_without_etags_none_are_told(server: JobServer) -> None:
    server.add("bedrock", "job_01", ["PENDING"])
    assert (
        "ETag" not in (await seen(server.url_of("bedrock") + "/jobs/job_01", BEARER | {"If-None-Match": "*"})).headers
    )


async def test_it_opens_and_closes_in_different_tasks_and_comes_back_on_its_port(clock: Clock) -> None:
    server = JobServer(clock=clock, epoch=EPOCH)
    server.add("bedrock", "job_01", ["PENDING"])
    await asyncio.create_task(server.start())
    url = server.url_of("bedrock") + "/jobs/job_01"
    assert (await seen(url)).status == 200
    with pytest.raises(ConfigError, match="already listening"):
        await server.start()
    await asyncio.create_task(server.aclose())
    await server.aclose()
    with pytest.raises(aiohttp.ClientConnectorError):
        await seen(url)
    await server.start()
    assert (await seen(url)).status == 200
    with pytest.raises(ConfigError, match="cannot listen"):
        await JobServer(port=int(url.split(":")[2].split("/")[0])).start()
    await server.aclose()


# Troubles


async def test_troubles_queue_up_and_end(server: JobServer) -> None:
    server.add("bedrock", "job_01", ["PENDING"])
    server.add("bedrock", "job_02", ["PENDING"])
    url = server.url_of("bedrock") + "/jobs/"
    server.trouble(Trouble.status(500), job_id="job_02")
    server.trouble(Trouble.status(503, headers={"Retry-After": "2"}), times=2, api="bedrock")
    server.trouble(Trouble.status(502))
    replies = [await seen(url + job) for job in ("job_01", "job_02", "job_01", "job_01", "job_01")]
    assert [reply.status for reply in replies] == [503, 500, 503, 502, 200]
    assert replies[0].headers["Retry-After"] == "2"
    server.trouble(Trouble.status(500), times=None)
    assert [(await seen(url + "job_01")).status for _ in range(3)] == [500] * 3
    server.calm()
    assert (await seen(url + "job_01")).status == 200


async def answer_to(server: JobServer, trouble: Trouble) -> Seen:
    server.trouble(trouble)
    return await seen(server.url_of("bedrock") + "/jobs/job_01")


async def test_troubled_answers(server: JobServer, clock: Clock) -> None:
    server.add("bedrock", "job_01", [("Queued", 0.0), ("Started", 2.0)], shape="vision")
    clock.seconds += 3.0
    right = (await seen(server.url_of("bedrock") + "/jobs/job_01")).body

    accepted = await answer_to(server, Trouble.status(202))
    assert (accepted.status, accepted.body) == (202, right)
    assert (await answer_to(server, Trouble.status(304))).body == b""
    assert (await answer_to(server, Trouble.status(410, b'{"gone":true}'))).json == {"gone": True}
    assert (await answer_to(server, Trouble.status(999))).status == 999

    page = await answer_to(server, Trouble.html())
    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert page.body.startswith(b"<!DOCTYPE html>")
    assert (await answer_to(server, Trouble.empty())).headers["Content-Length"] == "0"
    assert (await answer_to(server, Trouble.body(b"\xff{", "text/plain"))).body == b"\xff{"

    moved = await answer_to(server, Trouble.redirect("http://127.0.0.2/x", 307))
    assert (moved.status, moved.headers["Location"]) == (307, "http://127.0.0.2/x")
    assert (await answer_to(server, Trouble.throttled("-5"))).headers["Retry-After"] == "-5"
    assert "Retry-After" not in (await answer_to(server, Trouble.throttled(None))).headers
    lying = Trouble.status(429, headers={"x-ratelimit-remaining": "100"})
    assert (await answer_to(server, lying)).headers.getall("x-ratelimit-remaining") == ["100"]

    assert (await answer_to(server, Trouble.wrong_job("job_77"))).json["job_id"] == "job_77"
    changed = (await answer_to(server, Trouble.changed({"status": 7}, drop=("type",)))).json
    assert changed["status"] == 7
    assert "type" not in changed
    assert (await answer_to(server, Trouble.stale(2.0))).json["status"] == "Queued"
    assert (await answer_to(server, Trouble.stale(60.0))).status == 404


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_a_truncated_answer_is_seen_as_one(server: JobServer, framing: str) -> None:
    server.add("bedrock", "job_01", ["PENDING"])
    with pytest.raises(aiohttp.ClientPayloadError):
        await answer_to(server, Trouble.truncated(framing=framing))
    server.trouble(Trouble.truncated(5, framing=framing))
    head, _, rest = (await on_the_wire(server)).partition(b"\r\n\r\n")
    assert (b"Transfer-Encoding: chunked" in head, b"Content-Length" in head) == (
        framing == "chunked",
        framing == "length",
    )
    assert rest.endswith(b'{"dat')


async def test_a_cut_that_http_cannot_tell(server: JobServer) -> None:
    server.add("bedrock", "job_01", ["PENDING"])
    assert len((await answer_to(server, Trouble.truncated(9, framing="close"))).body) == 9
    with pytest.raises(ConfigError, match="framing"):
        Trouble.truncated(framing="none")


async def test_connections_that_end(server: JobServer) -> None:
    server.add("bedrock", "job_01", ["PENDING"])
    server.trouble(Trouble.reset())
    with pytest.raises(ConnectionResetError):
        await on_the_wire(server)
    server.trouble(Trouble.disconnect())
    assert await on_the_wire(server) == b""
    server.trouble(Trouble.raw(b"HTTP/1.1 000 Nothing\r\n\r\nrest"))
    assert await on_the_wire(server) == b"HTTP/1.1 000 Nothing\r\n\r\nrest"
    server.trouble(Trouble.raw(b"much" * 2_000_000))
    assert len(await on_the_wire(server)) == 8_000_000
    assert len(server.requests) == 4


async def test_raw_bytes_may_leave_the_connection_open(server: JobServer) -> None:
    server.trouble(Trouble.raw(b"HTTP/1.1 200 OK\r\n\r\n", close=False))
    reader, writer = await asyncio.open_connection("127.0.0.1", int(server.url_of("bedrock").rsplit(":", 1)[1]))
    writer.write(b"GET /jobs/job_01 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 200 OK\r\n\r\n"
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.03):
            await reader.read()
    writer.close()


async def test_an_answer_that_comes_late(server: JobServer) -> None:
    loop = asyncio.get_running_loop()
    server.add("bedrock", "job_01", ["Queued"], shape="vision")
    begun = loop.time()
    assert (await answer_to(server, Trouble.hang(0.04))).status == 200
    assert 0.035 <= loop.time() - begun < 1.0


async def test_answers_that_never_end_do_not_keep_the_server_open(server: JobServer) -> None:
    server.add("bedrock", "job_01", ["PENDING"])
    troubles = (Trouble.hang(), Trouble.raw(b"HTTP/1.1 200 OK\r\n", close=False), Trouble.hang(3600.0))
    asking = [asyncio.create_task(answer_to(server, trouble)) for trouble in troubles]
    await until(lambda: len(server.requests) == 3)
    assert not any(task.done() for task in asking)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await server.aclose()
    assert loop.time() - begun < 0.5
    ends = await asyncio.gather(*asking, return_exceptions=True)
    assert all(isinstance(end, aiohttp.ClientError) for end in ends)


async def test_a_client_that_goes_away_ends_the_hanging(server: JobServer) -> None:
    before = len(asyncio.all_tasks())
    server.trouble(Trouble.hang())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.03):
            await seen(server.url_of("bedrock") + "/jobs/job_01")
    await until(lambda: len(asyncio.all_tasks()) == before)


async def test_it_listens_on_loopback_only(server: JobServer) -> None:
    port = int(server.url_of("bedrock").rsplit(":", 1)[1])
    with socket.socket() as other, pytest.raises(ConnectionRefusedError):
        other.connect(("127.0.0.2", port))


# The pytest plugin

FIXTURE_TEST = """
{mark}
async def test_it(job_server):
    assert job_server.url_of("bedrock").startswith("http://127.0.0.1:")
    assert job_server.add("bedrock", "job_01", ["PENDING"]).status == "PENDING"
"""


def run_pytest(folder: Path, *options: str) -> str:
    environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    environment["PYTHONPATH"] = os.pathsep.join([str(folder), str(Path(__file__).parents[2])])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "jobwatch.testing.pytest_plugin", "-c", os.devnull, *options]
    done = subprocess.run(
        [*command, f"--rootdir={folder}", str(folder)], capture_output=True, text=True, env=environment, check=False
    )
    return done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["auto", "strict"])
def test_the_fixture_works_in_both_modes(tmp_path: Path, mode: str) -> None:
    mark = "import pytest\n@pytest.mark.asyncio" if mode == "strict" else ""
    (tmp_path / "test_it.py").write_text(FIXTURE_TEST.format(mark=mark))
    assert "1 passed" in run_pytest(tmp_path, "-p", "pytest_asyncio.plugin", f"--asyncio-mode={mode}")


@pytest.mark.slow
def test_the_fixture_needs_no_other_plugin(tmp_path: Path) -> None:
    (tmp_path / "pytest_asyncio.py").write_text("raise ImportError")
    (tmp_path / "test_it.py").write_text("def test_it(job_server): assert job_server.url_of('bedrock')")
    assert "1 passed" in run_pytest(tmp_path)


def test_the_package_loads_no_http_server_by_itself() -> None:
    source = Path(__file__).parents[2] / "jobwatch" / "testing"
    late = {"_server.py", "_wire.py"}
    eager = [path.name for path in source.glob("*.py") if "aiohttp" in path.read_text() and path.name not in late]
    assert eager == []
