"""A start that leaves nothing to wait for: the HTTP status of a response that names no job may say so, or its body."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from jobwatch import Client, ConfigError, JobFailed, Outcome, Phase, Response
from jobwatch._reading.started import found_in
from jobwatch._table.compile import api_of
from jobwatch._table.fields import TableError
from jobwatch.apis import APIS
from jobwatch.cli import main
from tests.table.test_table import table

AZURE = table(
    'job = "{url}"\nbase_url = "https://a.test"\nstatus = "status"\n'
    'at_start = { 200 = "succeeded", 204 = "succeeded", 299 = "failed" }'
)


async def test_work_that_is_over_at_its_start_takes_no_look() -> None:
    async with Client(AZURE) as client:
        wait = client.wait_for(Response(b'{"id":"/subscriptions/s/thing"}', 200, {"Date": "now"}))
        told = [(change.status, change.phase) async for change in wait]
        job = await wait
    assert told == [("over at its start", Phase.SUCCEEDED)]
    assert (job.id, job.phase) == ("-", Phase.SUCCEEDED)
    assert wait.watched is not None
    assert wait.watched.looks == 0


async def test_two_of_them_do_not_mix_and_a_bad_one_is_raised() -> None:
    async with Client(AZURE) as client:
        good = client.wait_for(Response(b"", 204))
        bad = client.wait_for(Response(b"", 299))
        with pytest.raises(JobFailed, match="job - ended over at its start"):
            await bad
        assert (await good).phase is Phase.SUCCEEDED


@pytest.mark.parametrize(
    "response",
    [
        b'{"id":"/subscriptions/s/thing"}',
        {"id": "/subscriptions/s/thing"},
        Response(b"{}", 201),
        Response(b'{"errors":[{"message":"no"}]}', 200),
        Response(b"", 200, {"Location": "https://elsewhere.test/op/1"}),
    ],
)
async def test_nothing_else_says_that_it_is_over(response: Response | bytes | dict[str, object]) -> None:
    async with Client(AZURE) as client:
        with pytest.raises(ConfigError):
            client.wait_for(response)


async def test_a_response_that_names_a_job_is_waited_for_whatever_its_status() -> None:
    async with Client(AZURE) as client:
        started = Response(b"{}", 200, {"Operation-Location": "https://a.test/op/1"})
        assert client.wait_for(started).job_id == "https://a.test/op/1"


def test_the_command_line_ends_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "own.toml"
    file.write_text(
        'job = "{url}"\nbase_url = "http://127.0.0.1:9"\nstatus = "status"\nat_start = { 204 = "succeeded" }\n'
    )
    for text, code in ((b"HTTP/1.1 204 No Content\r\nServer: x\r\n\r\n", 0), (b"{}", 2)):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
        assert main(["wait", "-", "--api", str(file), "--json"]) == code
    assert '"status":"over at its start"' in capsys.readouterr().out


@pytest.mark.parametrize("text", ['{ 404 = "failed" }', '{ 200 = "running" }', '{ 200 = "missing" }'])
def test_only_ends_by_good_statuses_may_be_said(text: str) -> None:
    with pytest.raises(TableError, match="at_start"):
        table(f'job = "{{url}}"\nbase_url = "https://a.test"\nstatus = "status"\nat_start = {text}')


def test_the_outcome_is_the_jobs_own() -> None:
    assert AZURE.at_start == {200: Phase.SUCCEEDED, 204: Phase.SUCCEEDED, 299: Phase.FAILED}
    assert Outcome.SUCCEEDED.value == Phase.SUCCEEDED.value


def rpc(result: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": 1, "result": result}


TEXT = [{"type": "text", "text": "42"}]
MESSAGE = {"messageId": "m", "role": "ROLE_AGENT", "parts": [{"text": "42"}]}


@pytest.mark.parametrize(
    ("api", "body", "phase", "error"),
    [
        ("mcp", rpc({"content": TEXT, "structuredContent": {"answer": 42}, "isError": False}), Phase.SUCCEEDED, None),
        ("mcp", rpc({"content": TEXT}), Phase.SUCCEEDED, None),
        ("mcp", rpc({"content": [], "isError": False}), Phase.SUCCEEDED, None),
        ("mcp", rpc({"content": TEXT, "isError": True}), Phase.FAILED, "42"),
        ("mcp", rpc({"content": [], "isError": True}), Phase.FAILED, None),
        ("a2a", {"message": MESSAGE}, Phase.FINISHED, None),
        ("a2a", {"message": {"messageId": "m", "content": [{"text": "42"}]}}, Phase.FINISHED, None),
        ("a2a-rpc", rpc({"message": MESSAGE}), Phase.FINISHED, None),
        ("a2a-rpc", rpc({"kind": "message", "parts": [{"kind": "text", "text": "42"}]}), Phase.FINISHED, None),
    ],
)
def test_what_an_agent_answers_at_once_is_over_at_its_start(
    api: str, body: dict[str, object], phase: Phase, error: str | None
) -> None:
    found = found_in(APIS[api], Response(body), lambda _: None)
    assert found.is_over
    assert found.job is not None
    assert (found.job_id, found.job.status, found.job.phase) == ("-", "over at its start", phase)
    assert (found.job.error.message if found.job.error else None) == error
    assert found.job.result is not None


@pytest.mark.parametrize(
    ("api", "body"),
    [
        ("mcp", rpc({"tools": []})),
        ("mcp", rpc({})),
        ("mcp", {"jsonrpc": "2.0", "id": 1, "error": {"code": -32602, "message": "no such tool"}}),
        ("mcp", b'{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text"'),
        ("a2a", {"message": "hello"}),
        ("a2a", {"text": "42"}),
        ("a2a-rpc", rpc({"message": None})),
    ],
)
def test_nothing_else_that_it_answers_is(api: str, body: dict[str, object] | bytes) -> None:
    with pytest.raises(ConfigError):
        found_in(APIS[api], Response(body), lambda _: None)


@pytest.mark.parametrize(
    ("api", "body"),
    [
        ("mcp", rpc({"resultType": "task", "taskId": "t", "status": "completed", "content": TEXT, "isError": False})),
        ("a2a", {"task": {"id": "t", "status": {"state": "TASK_STATE_COMPLETED"}}, "message": MESSAGE}),
    ],
)
def test_an_answer_beside_a_task_is_none(api: str, body: dict[str, object]) -> None:
    found = found_in(APIS[api], Response(body), lambda _: None)
    assert (found.job_id, found.is_over) == ("t", False)


def test_a_table_says_by_inline_what_is_an_answer() -> None:
    table = {"job": "https://a.test/{job_id}", "id": "id", "status": "state"}
    api = api_of(table | {"inline": {"id": [], "status": [], "succeeded_if": "answer", "result": "answer"}}, "a")
    found = found_in(api, Response({"answer": 42}), lambda _: None)
    assert found.job is not None
    assert (found.is_over, found.job.phase, found.job.result) == (True, Phase.SUCCEEDED, 42)
    running = api_of(table | {"inline": {"id": [], "status": [], "running_if": "answer"}}, "a")
    with pytest.raises(ConfigError, match="names no job"):  # that goes on, and nobody can ask about it
        found_in(running, Response({"answer": 42}), lambda _: None)


@pytest.mark.parametrize("keys", [{"params": {}}, {"inline": {}}, {"stats": "s"}, {"succeeded_if": "a[["}])
def test_what_cannot_be_different_is_refused(keys: dict[str, object]) -> None:
    with pytest.raises(TableError) as raised:
        api_of({"job": "https://a.test/{job_id}", "status": "state", "inline": keys}, "a")
    assert raised.value.keys[:2] == ("inline", *keys)
