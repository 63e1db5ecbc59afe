"""What a table reads from the headers of a reply, and what it says of each request: HEAD, its query, its time."""

from __future__ import annotations

import msgspec
import pytest

from jobwatch import ConfigError, Fault, FaultKind, Job, Phase, Response
from jobwatch._table.fields import TableError
from tests.table_server import TableServer, in_order

from .test_table import MINIMAL, client, table

BLOB = (
    'job = "https://a.test/blobs/{job_id}"\nstatus = { header = "X-MS-Copy-Status" }\nattempt = { header = "x-try" }\n'
    'error = { header = "x-ms-copy-status-description" }\nprogress = { done = { header = "x-done" }, of = 10 }\n'
    'ended_at = { header = "x-ms-copy-completion-time" }\n'
)
TOLD = {
    "x-ms-copy-status": "failed",
    "x-ms-copy-status-description": "500 lost",
    "x-ms-copy-completion-time": "Mon, 17 Jun 2024 08:55:02 GMT",
    "x-try": "2",
    "x-done": "5",
}


def test_every_field_may_be_a_header() -> None:
    api = table(BLOB)
    assert api.wanted_headers == tuple(sorted(TOLD))
    job = api.job(b"any bytes \xff", "j", headers=TOLD)
    assert isinstance(job, Job)
    assert (job.phase, job.status, job.attempt, job.progress) == (Phase.FAILED, "failed", 2, 0.5)
    assert (str(job.error), str(job.ended_at)) == ("500 lost", "2024-06-17 08:55:02+00:00")


@pytest.mark.parametrize(("told", "share"), [("1/4", 0.25), ("0.25", 0.25), ("25%", 0.25), ("in progress", None)])
def test_progress_may_be_a_header(told: str, share: float | None) -> None:
    api = table(MINIMAL + 'progress = [{ done = "a", of = "b" }, { header = "X-Progress" }]')
    job = api.job(b'{"status":"running"}', "j", headers={"x-progress": told})
    assert isinstance(job, Job)
    assert job.progress == share


@pytest.mark.parametrize("told", ['{ done = "a" }', "{ of = 100 }", '{ header = "X", done = "a" }', "{}"])
def test_what_progress_may_not_be(told: str) -> None:
    with pytest.raises(TableError, match=r"progress: it is a place, \{ done"):
        table(MINIMAL + f"progress = {told}")


def test_a_header_that_is_left_out_is_no_value() -> None:
    seen = table(BLOB).job(b"", "j", headers={"x-try": "2"})
    assert isinstance(seen, Fault)
    assert seen.kind is FaultKind.UNREADABLE
    absent = table(BLOB + 'words = { succeeded = ["absent"] }').job(b"", "j", headers={})
    assert isinstance(absent, Job)
    assert absent.phase is Phase.SUCCEEDED


def test_headers_and_places_in_the_body_go_together() -> None:
    api = table('job = "https://a.test/{job_id}"\nid = "id"\nstatus = [{ header = "X-State" }, "state"]')
    body = msgspec.json.encode({"id": "j", "state": "queued"})
    told = [api.job(body, "j", headers=headers) for headers in ({}, {"x-state": "running"}, {"x-state": ""})]
    assert [job.phase for job in told if isinstance(job, Job)] == [Phase.PENDING, Phase.RUNNING, Phase.PENDING]


async def test_a_status_in_a_header_is_asked_for_by_head() -> None:
    answers = in_order(*((200, b"", {"x-ms-copy-status": word}) for word in ("pending", "pending", "success")))
    async with TableServer(answers) as server, client(server, table(BLOB + 'method = "HEAD"')) as own:
        assert (await own.wait_for("j", timeout=10)).phase is Phase.SUCCEEDED
    assert [request[0] for request in server.requests] == ["HEAD"] * 3


async def test_a_header_that_changes_is_no_same_again_and_no_validator_is_sent_for_it() -> None:
    same = {"ETag": '"one"'}
    answers = in_order(
        (200, {}, {"x-ms-copy-status": "pending"} | same), (200, {}, {"x-ms-copy-status": "success"} | same)
    )
    async with TableServer(answers) as server, client(server, table(BLOB)) as own:
        assert (await own.wait_for("j", timeout=10)).phase is Phase.SUCCEEDED
    assert len(server.requests) == 2
    assert all("If-None-Match" not in request[2] for request in server.requests)


@pytest.mark.parametrize(
    ("lines", "key", "told"),
    [
        ('method = "HEAD"\nstatus = "state"', "method", "a reply to HEAD has no body: write each place as"),
        ('method = "HEAD"\nstatus = { header = "a" }\nid = "id"', "method", "a reply to HEAD has no body"),
        ('status = { header = "a b" }', "status.header", "'a b' is no name of a header"),
        ('status = { header = "a", path = "b" }', "status", "path"),
        (
            'status = "s"\nheaders = { X = "{limit}" }',
            "headers.X",
            "beside parameters it may hold {job_id}, {now} and {long_poll}",
        ),
        ('status = "s"\nheaders = { X = "${A} {job_id}" }', "headers.X", "go into two headers"),
        ('status = "s"\nquery = { v = "{job_id}" }', "query.v", "beside parameters it may hold {now} only"),
        ('status = "s"\nquery = { v = "${A}" }', "query.v", "a secret in the query is written auth"),
        ('status = "s"\nparams = { now = "1" }', "params.now", "cannot be a parameter"),
        (
            'status = "s"\nfailed_if = "a == {now}"',
            "failed_if",
            "{now} stands in requests only: what a reply means does not change while it stays the same",
        ),
        ('status = "s"\nbase_url_variable = "A"\nbase_url = "https://{now}.test"', "base_url", "give one or the other"),
    ],
)
def test_what_cannot_be_is_refused(lines: str, key: str, told: str) -> None:
    with pytest.raises(TableError) as refused:
        table(f'job = "https://a.test/{{job_id}}"\n{lines}')
    assert ".".join(refused.value.keys) == key
    assert told in str(refused.value)


async def test_the_id_of_a_started_job_may_be_in_a_header() -> None:
    api = table(MINIMAL + 'started = [{ header = "X-Request-ID" }, "id"]')
    async with TableServer(in_order({"status": "completed"})) as server, client(server, api) as own:
        assert own.wait_for(Response(b"null", 200, {"x-request-id": "r1"})).job_id == "r1"
        assert own.wait_for(Response(b'{"id":"r2"}', 200, {})).job_id == "r2"
        with pytest.raises(
            ConfigError, match=r"names no job of own that it started \(its id was looked for at id\): null"
        ):
            own.wait_for(Response(b"null", 200, {"X-Other": "r1"}))


async def test_the_id_goes_into_headers_and_the_time_into_any_part_of_a_request() -> None:
    api = table(
        'job = "https://a.test/{job_id}?_={now}"\nmethod = "POST"\nbody = { at = "{now}" }\nstatus = "status"\n'
        'headers = { Mcp-Name = "task {job_id}", X-At = "{now}" }\nquery = { api-version = "{v} 1", seen = "{now}" }\n'
        'params = { v = "2026" }'
    )
    answers = in_order({"status": "running"}, {"status": "running"}, {"status": "completed"})
    async with TableServer(answers) as server, client(server, api) as own:
        job = await own.wait_for("j1", timeout=10)
    assert job.phase is Phase.SUCCEEDED
    times = [path.split("?_=")[1].split("&")[0] for _, path, _, _ in server.requests]
    assert times == sorted(set(times))
    assert all(time.isdigit() and len(time) == 13 for time in times)
    for (_, path, headers, body), time in zip(server.requests, times, strict=True):
        assert headers["Mcp-Name"] == "task j1"
        assert abs(int(headers["X-At"]) - int(time)) < 1000
        assert abs(int(msgspec.json.decode(body)["at"]) - int(time)) < 1000
        assert "&api-version=2026%201&seen=1" in path


async def test_the_query_of_every_request_is_added_to_a_url_of_the_servers_own_once() -> None:
    api = table('job = "{url}"\nbase_url = "https://a.test"\nstatus = "status"\nquery = { api-version = "2" }')
    async with TableServer(in_order({"status": "completed"})) as server, client(server, api) as own:
        for path in ("/op/1", "/op/2?t=1", "/op/3?api%2Dversion=1"):
            await own.wait_for(f"{server.url}{path}", timeout=5)
    asked = [path for _, path, _, _ in server.requests]
    assert asked == ["/op/1?api-version=2", "/op/2?t=1&api-version=2", "/op/3?api%2Dversion=1"]


async def test_an_id_that_cannot_stand_in_a_header_is_refused() -> None:
    api = table(MINIMAL + 'headers = { X-Id = "{job_id}" }')
    async with TableServer(in_order({"status": "completed"})) as server, client(server, api) as own:
        with pytest.raises(ConfigError, match="cannot stand in the header X-Id"):
            await own.wait_for("\u017eid", timeout=5)


@pytest.mark.parametrize("status", [302, 303])
async def test_a_redirect_that_is_a_state_is_followed_nowhere(status: int) -> None:
    api = table('job = "https://a.test/{job_id}"\nhttp = { 202 = "running", 302 = "succeeded", 303 = "succeeded" }')
    async with TableServer(in_order({"result": 1})) as store:
        elsewhere = (status, b"", {"Location": f"{store.url}/result"})
        async with TableServer(in_order((202, {}, {}), elsewhere)) as server, client(server, api) as own:
            assert (await own.wait_for("j", timeout=5)).phase is Phase.SUCCEEDED
    assert not store.requests


UUID = "0b5f1f5e-9d51-4c6c-8f1f-3f0e1c2d3a4b"


@pytest.mark.parametrize(
    ("told", "is_same"),
    [
        (UUID.upper(), True),
        (UUID.replace("-", ""), True),
        (UUID[:-1] + "c", False),
        (UUID.replace("-", "_"), False),
    ],
)
def test_one_uuid_may_be_written_in_two_ways(told: str, is_same: bool) -> None:
    seen = table('job = "https://a.test/{job_id}"\nid = "id"\nstatus = "s"').job(
        msgspec.json.encode({"id": told, "s": "running"}), UUID
    )
    assert (isinstance(seen, Job) and seen.id == UUID) is is_same


def test_a_uuid_in_another_spelling_is_found_in_a_list_and_in_a_batch() -> None:
    api = table(
        'job = "https://a.test/{job_id}"\nroot = "jobs[?id=={job_id}] | [0]"\nid = "id"\nstatus = "s"\n'
        '[batch]\nrequest = "/find?ids={job_ids}"\nroot = "jobs"'
    )
    others = [UUID[:-1] + "c", "j1", "J2"]
    body = msgspec.json.encode({"jobs": [{"id": told, "s": "running"} for told in [*others, UUID.upper()]]})
    seen = api.job(body, UUID)
    assert isinstance(seen, Job)
    assert seen.id == UUID
    jobs = api.batch(body, {UUID: None, "j1": None, "j2": None})
    assert not isinstance(jobs, Fault)
    assert [job.id for job in jobs] == [*others, UUID]


def test_other_ids_are_compared_letter_by_letter() -> None:
    seen = table('job = "https://a.test/{job_id}"\nid = "id"\nstatus = "s"').job(
        b'{"id":"JOB-1","s":"running"}', "job-1"
    )
    assert isinstance(seen, Fault)
