"""From the response that started a job: its id, the state that it shows, and ``jobwatch wait -``."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from jobwatch import Client, ConfigError, JobFailed, Phase, Response
from jobwatch._reading.started import Found, found_in, response_in
from jobwatch._table.compile import api_of
from jobwatch.apis import APIS
from jobwatch.cli import main
from jobwatch.testing import JobServer
from tests.conftest import client_of
from tests.table_server import TableServer, in_order

CAPY_JOB = {"id": "job_1", "state": "pending", "type": "branch.create", "attempts": 0}


@pytest.mark.parametrize("form", ["bytes", "dict", "response"])
async def test_what_started_a_job_is_enough_to_wait_for_it(job_server: JobServer, form: str) -> None:
    job_server.add("bedrock", "job_1", ["Queued", ("Completed", 0.05)], shape="vision")
    body: dict[str, Any] = {"job_id": "job_1", "status": "Queued"}
    raw = json.dumps(body).encode()
    started = {"bytes": raw, "dict": body, "response": Response(raw, 202, {"Content-Type": "application/json"})}[form]
    async with client_of(job_server) as client:
        changes = [change.status async for change in client.wait_for(started, timeout=5)]  # type: ignore[call-overload]
    assert changes == ["Queued", "Completed"]


@pytest.mark.parametrize("told", ["Completed", "Failed"])
async def test_an_end_that_the_start_tells_is_believed_when_a_look_shows_it(job_server: JobServer, told: str) -> None:
    job = job_server.add("bedrock", "job_1", ["Started"], shape="vision")
    async with client_of(job_server) as client:
        wait = client.wait_for({"job_id": "job_1", "status": told, "error": {"message": "no sheet"}}, timeout=5)
        assert (await anext(wait)).status == "Started"
        job.advance("Failed")
        assert [change.status async for change in wait] == ["Failed"]
        with pytest.raises(JobFailed):
            await wait


ABSENT: tuple[str, dict[str, list[str]], dict[str, str]] = "https://a.test/{job_id}", {"succeeded": ["absent"]}, {}
BY_HTTP: tuple[str, dict[str, list[str]], dict[str, str]] = (
    "https://a.test/{job_id}",
    {},
    {"200": "succeeded", "202": "running"},
)


@pytest.mark.parametrize(("job", "words", "http"), [ABSENT, BY_HTTP])
@pytest.mark.parametrize("status", [200, 202])
def test_neither_an_absent_field_nor_the_http_status_of_a_start_tells_a_state(
    job: str, words: dict[str, list[str]], http: dict[str, str], status: int
) -> None:
    api = api_of({"job": job, "status": "s", "started": "id", "words": words, "http": http}, "own")
    assert found_in(api, Response({"id": "x"}, status), lambda _: None) == Found("x")
    shown = found_in(api, Response({"id": "x", "s": "running"}, status), lambda _: None).job
    assert shown is not None
    assert shown.phase is Phase.RUNNING


def test_the_body_beside_a_header_that_names_the_job_is_about_something_else() -> None:
    api = api_of({"job": "https://a.test/{job_id}", "id": "id", "status": "status"}, "own")
    started = Response({"id": "vm-1", "status": "running"}, 202, {"Location": "https://a.test/op-7"})
    assert found_in(api, started, lambda url: url.rpartition("/")[2]) == Found("op-7")


@pytest.mark.parametrize("form", ["bytes", "response", "text"])
@pytest.mark.parametrize("framed", ["event: message\r\ndata: %s\r\n\r\n", ": hello\n\ndata: %s", "id: 1\ndata: %s\n\n"])
async def test_a_start_that_is_framed_as_an_event_is_read_as_any_other(framed: str, form: str) -> None:
    text = framed % json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"taskId": "t-1", "status": "working"}})
    forms: dict[str, bytes | Response] = {
        "bytes": text.encode(),
        "response": Response(text.encode()),
        "text": Response(text),
    }
    async with Client("mcp", base_url="http://127.0.0.1:1") as client:
        assert client.wait_for(forms[form]).job_id == "t-1"
        with pytest.raises(ConfigError, match="names no job"):
            client.wait_for(framed.encode() % b"{}")


@pytest.mark.parametrize(
    ("job", "told", "job_id"),
    [
        ("https://a.test/tasks/{job_id}", "/tasks/01", "01"),
        ("https://a.test/tasks/{job_id}", "https://a.test/tasks/01", "01"),
        ("https://a.test/tasks/{job_id}", "tasks/01", "tasks/01"),
        ("https://a.test/v1/{+job_id}", "/stores/7", "/stores/7"),
    ],
)
def test_the_path_of_the_job_is_its_url_where_started_leads_to_it(job: str, told: str, job_id: str) -> None:
    api = api_of({"job": job, "status": "status", "started": ["ref", {"header": "X-Task"}]}, "own")
    for started in (Response({"ref": told}), Response(b"null", 200, {"X-Task": told})):
        assert Client(api).wait_for(started).job_id == job_id


JSON_RPC = {"job": "https://a.test/{job_id}", "status": "result.state", "id": "result.job", "started": "result.job"}


@pytest.mark.parametrize(
    ("table", "body", "told"),
    [
        (
            JSON_RPC,
            {"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": "over quota"}},
            "-32000 over quota",
        ),
        (JSON_RPC, {"jsonrpc": "2.0", "id": 1, "result": {"text": "hello"}}, "names no job"),
        ({"job": "https://a.test/{job_id}", "status": "status"}, {"request_id": "r-1"}, "names no job"),
        ({"job": "https://a.test/{job_id}", "id": "id", "status": "s"}, {"id": "", "errors": ["denied"]}, "denied"),
    ],
)
def test_a_start_that_was_refused_starts_no_wait(table: dict[str, str], body: object, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        Client(api_of(table, "own")).wait_for(body)  # type: ignore[call-overload]


async def test_the_job_beside_what_it_makes_is_the_one(job_server: JobServer) -> None:
    job_server.add("capydb", "job_1", ["pending", "completed"])
    async with client_of(job_server, "capydb") as client:
        wait = client.wait_for({"preview": {"id": "pvw_1", "state": "provisioning"}, "job": CAPY_JOB}, timeout=5)
        assert wait.job_id == "job_1"
        assert (await wait).phase is Phase.SUCCEEDED


async def test_what_is_known_already_is_not_overwritten(job_server: JobServer) -> None:
    job_server.add("bedrock", "job_1", ["Started"], shape="vision")
    async with client_of(job_server) as client:
        first = client.wait_for("job_1", timeout=5)
        assert (await anext(first)).status == "Started"
        second = client.wait_for({"job_id": "job_1", "status": "Queued"}, timeout=5)
        assert (await anext(second)).status == "Started"
        first.close()
        second.close()


@pytest.mark.parametrize(
    ("api", "params", "body", "headers", "job_id"),
    [
        ("github", {"owner": "o", "repo": "r"}, {"id": 30433642, "status": "queued"}, {}, "30433642"),
        ("fal", {"model": "fal-ai/x"}, {"request_id": "r-1", "status": "IN_QUEUE"}, {}, "r-1"),
        ("databricks", {}, {"run_id": 455644833, "number_in_job": 1}, {}, "455644833"),
        ("google", {"service": "s"}, {"name": "operations/abc", "done": False}, {}, "operations/abc"),
        ("openai", {}, {"id": "batch_1", "status": "validating"}, {}, "batch_1"),
        ("ogc", {}, {"jobID": "j 1", "status": "accepted"}, {"Location": "{base}/jobs/j%201"}, "j 1"),
        ("ogc", {}, {}, {"location": "{base}/jobs/j-2?f=json"}, "j-2"),
        ("ogc", {}, {"jobID": "j-3"}, {"Location": "http://behind.a.proxy/jobs/j-3"}, "j-3"),
        ("azure", {"host": "h"}, b"", {"Operation-Location": "{base}/ops/1?v=2"}, "{base}/ops/1?v=2"),
        ("prefect", {}, {"id": "p-1", "state_type": "SCHEDULED"}, {}, "p-1"),
    ],
)
def test_each_api_hands_out_its_ids(
    api: str, params: Mapping[str, str], body: Any, headers: Mapping[str, str], job_id: str
) -> None:
    base = "https://api.test/x"
    client = Client(APIS[api], token="t", base_url=base, params=params)
    told = {name: value.replace("{base}", base) for name, value in headers.items()}
    assert client.wait_for(Response(body, 202, told)).job_id == job_id.replace("{base}", base)


HALF = r'{"job":{"id":"job_1","state":"pending","error":"half of a smile: \ud83d"}}'


@pytest.mark.parametrize(
    ("api", "started", "told"),
    [
        ("bedrock", b"", r"names no job of bedrock that it started \(its id was .*\), and its body is empty"),
        ("bedrock", b"<html>", "names no job"),
        ("bedrock", {"code": "NOT_FOUND", "detail": "no such block"}, "names no job"),
        ("capydb", {"preview": {"id": "pvw_1"}}, "names no job"),
        ("capydb", {"id": "prj_1"}, r"looked for at job\.id, beside its status\): \{\"id\":\"prj_1\"\}"),
        ("bedrock", {"id": "demo-ok"}, r"looked for at data\.id and job_id, beside its status\)"),
        ("openai", {"ident": "b"}, r"looked for at id\): .*; started says where its id lies"),
        ("capydb", Response({"error": "project has an active operation"}, 409), "HTTP 409, project has an active"),
        ("azure", Response(b"", 202, {"Operation-Location": "https://evil.test/1"}), "is not on https://api.test"),
        ("azure", Response({"id": "x"}, 202), "names no job"),
        *(("capydb", half, "it holds what JSON cannot") for half in (json.loads(HALF), Response(json.loads(HALF)))),
        ("capydb", Response(HALF.replace(r"\ud83d", "\ud83d")), "it holds what JSON cannot"),
        ("capydb", HALF.encode(), "names no job"),
    ],
)
def test_a_response_that_started_nothing_is_told(api: str, started: Any, told: str) -> None:
    client = Client(api, token="t", base_url="https://api.test", params={"host": "h"} if api == "azure" else None)
    with pytest.raises(ConfigError, match=told):
        client.wait_for(started)


CURL = (
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/2 202 \r\nContent-Type: application/json\r\n"
    b'operation-location: https://h/ops/1\r\n\r\n{"status":\r\n\r\n"x"}'
)


@pytest.mark.parametrize("text", [CURL, CURL.replace(b"\r\n", b"\n")])
def test_what_curl_prints_is_read(text: bytes) -> None:
    response = response_in(text)
    assert (response.status, response.headers["operation-location"]) == (202, "https://h/ops/1")
    assert json.loads(response.body) == {"status": "x"}  # type: ignore[arg-type]


def test_a_body_alone_is_read() -> None:
    assert response_in(b' {"a": 1}') == Response(b' {"a": 1}')
    with pytest.raises(ConfigError, match="no response on standard input"):
        response_in(b" \n")


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        (b'{"job_id": "job_1", "status": "Queued"}', 0),
        (b'HTTP/1.1 202 Accepted\r\n\r\n{"job_id": "job_1", "status": "Queued"}', 0),
        (b'{"job_id": "job_1", "status": "Failed"}', 0),  # which a look does not confirm
        (b'HTTP/1.1 402 Payment Required\r\n\r\n{"title": "Insufficient credits"}', 2),
        (b"", 2),
    ],
)
async def test_wait_reads_standard_input(
    job_server: JobServer, monkeypatch: pytest.MonkeyPatch, typed: bytes, code: int
) -> None:
    job_server.add("bedrock", "job_1", ["Completed"], shape="vision")
    monkeypatch.setenv("BEDROCK_API_KEY", "sk_test")
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(typed)))
    line = ["wait", "-", "--api", "bedrock", "--base-url", job_server.url_of("bedrock"), "--no-history"]
    assert await asyncio.to_thread(main, line) == code


@pytest.mark.slow
async def test_an_operation_location_is_waited_for() -> None:
    answers = in_order({"status": "running"}, {"status": "succeeded"})
    async with TableServer(answers) as server, Client("azure", token="key-key", base_url=server.url) as client:
        started = Response(b"", 202, {"Operation-Location": f"{server.url}/contoso/ops/1?api-version=3"})
        assert (await client.wait_for(started, timeout=5)).phase is Phase.SUCCEEDED
    assert server.requests[0][1] == "/contoso/ops/1?api-version=3"
    assert server.requests[0][2]["Ocp-Apim-Subscription-Key"] == "key-key"


PULP = {"job": "{url}", "base_url": "https://a.test/pulp", "status": "state", "started": ["task", "links.self"]}


@pytest.mark.parametrize(
    ("body", "asked"),
    [
        ({"task": "/pulp/api/v3/tasks/1/"}, "/pulp/api/v3/tasks/1/"),
        ({"links": {"self": "{origin}/pulp/x?y=1"}}, "/pulp/x?y=1"),
    ],
)
async def test_the_url_of_a_job_may_lie_in_the_body(body: Any, asked: str) -> None:
    async with TableServer(in_order({"state": "completed"})) as server:
        body = json.loads(json.dumps(body).replace("{origin}", server.url))
        async with Client(api_of(PULP, "pulp"), base_url=f"{server.url}/pulp") as client:
            assert (await client.wait_for(body, timeout=5)).phase is Phase.SUCCEEDED
    assert [path for _, path, _, _ in server.requests] == [asked]


async def test_a_url_in_the_body_that_leads_elsewhere_is_not_followed() -> None:
    url = {"job": "https://a.test/jobs/{job_id}", "status": "state", "started": "url"}
    async with Client(api_of(PULP, "pulp")) as client:
        with pytest.raises(ConfigError, match=r"not on https://a\.test"):
            client.wait_for({"task": "https://evil.test/pulp/1"})
    async with Client(api_of(url, "own")) as client:
        assert client.wait_for({"url": "https://a.test/jobs/a%2Fb"}).job_id == "a/b"
        assert client.wait_for({"url": "/jobs/a%2Fb"}).job_id == "a/b"
        assert client.wait_for({"url": "/groups/1"}).job_id == "/groups/1"
        assert client.wait_for({"url": "gid://a.test/jobs/1"}).job_id == "gid://a.test/jobs/1"
        with pytest.raises(ConfigError, match=r"not on https://a\.test"):
            client.wait_for({"url": "https://evil.test/jobs/1"})


@pytest.mark.parametrize("text", [b"run-2026-x7\n", b'"run-2026-x7"'])
async def test_the_whole_of_a_start_may_be_the_id(text: bytes) -> None:
    async with TableServer(in_order((200, b"RUNNING", {}), (200, b"FINISHED\n", {}))) as server:
        table = {"job": f"{server.url}/status/{{job_id}}", "status": "@", "started": "@"}
        async with Client(api_of(table | {"words": {"succeeded": ["FINISHED"]}}, "runs")) as client:
            assert (await client.wait_for(text, timeout=5)).phase is Phase.SUCCEEDED
            for wrong in (b"<html>run</html>", b"two\nlines"):
                with pytest.raises(ConfigError, match="names no job"):
                    client.wait_for(wrong)
    assert server.requests[0][1] == "/status/run-2026-x7"
