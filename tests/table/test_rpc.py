"""JSON-RPC: places start at the result, an error is what its code says, and the envelope's id is no job's."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec
import pytest
from multidict import CIMultiDict

from jobwatch import ConfigError, Fault, FaultKind, Job, JobAPI, Phase
from jobwatch._http.answer import judged
from jobwatch._reading.started import Response, found_in
from jobwatch._table.compile import api_of
from jobwatch.cli import main

PLAIN = """
job = "https://a.test/rpc"
method = "POST"
body = { jsonrpc = "2.0", id = 1, method = "tasks/get", params = { id = "{job_id}" } }
"""
TASKS = (
    PLAIN
    + """
protocol = "json-rpc"
id = "id"
status = "status.state"
error = "status.message"
missing_if = "$.error.code == `-32001`"
started = "task.id"
"""
)


def table(text: str = TASKS) -> JobAPI:
    return api_of(tomllib.loads(text), "own")


def envelope(**told: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": 1, **told}


def error(code: int, message: str = "sorry") -> dict[str, object]:
    return envelope(error={"code": code, "message": message})


def read(body: object, http_status: int = 200, text: str = TASKS) -> Job | Fault:
    """Read a reply as a look does: what its HTTP status says first."""
    api = table(text)
    raw = msgspec.json.encode(body)
    reply = judged(http_status, CIMultiDict[str](), raw, problem=api.problem, verdict=api.verdict)
    return reply if isinstance(reply, Fault) else api.job(reply.body, "7", reply.http_status)


def test_places_start_at_the_result() -> None:
    seen = read(envelope(result={"id": "7", "status": {"state": "failed", "message": "no disk"}}))
    assert isinstance(seen, Job)
    assert (seen.phase, str(seen.error)) == (Phase.FAILED, "no disk")
    text = TASKS.replace('id = "id"', 'root = "jobs[?id=={job_id}] | [0]"\nid = "id"')
    listed = read(envelope(result={"jobs": [{"id": "6"}, {"id": "7", "status": {"state": "done"}}]}), text=text)
    assert isinstance(listed, Job)
    assert listed.phase is Phase.FINISHED


@pytest.mark.parametrize(
    ("code", "http_status", "kind"),
    [
        (-32001, 200, FaultKind.NOT_FOUND),
        (-32001, 404, FaultKind.NOT_FOUND),
        (-32001, 400, FaultKind.NOT_FOUND),
        (-32601, 200, FaultKind.REFUSED),
        (-32601, 404, FaultKind.REFUSED),
        (-32602, 404, FaultKind.REFUSED),
        (-32602, 400, FaultKind.REFUSED),
        (-32600, 200, FaultKind.REFUSED),
        (-32603, 200, FaultKind.UNREACHABLE),
        (-32603, 404, FaultKind.UNREACHABLE),
        (-32603, 500, FaultKind.UNREACHABLE),
        (-32000, 200, FaultKind.UNREACHABLE),
        (-32009, 404, FaultKind.NOT_FOUND),
    ],
)
def test_an_error_is_what_its_code_says(code: int, http_status: int, kind: FaultKind) -> None:
    seen = read(error(code), http_status)
    assert isinstance(seen, Fault)
    assert seen.kind is kind
    if kind is not FaultKind.NOT_FOUND:
        assert f"{code} sorry" in seen.message


def test_a_method_that_is_not_there_is_never_a_missing_job() -> None:
    text = TASKS.replace("$.error.code == `-32001`", "$.error")
    for http_status in (200, 400, 404):
        seen = read(error(-32601, "Method not found"), http_status, text)
        assert isinstance(seen, Fault)
        assert seen.kind is FaultKind.REFUSED


@pytest.mark.parametrize(
    "more",
    [
        'http = { 200 = "succeeded" }',
        'words = { succeeded = ["absent"] }',
        'root = "jobs[?id==\'7\'] | [0]"\nwords = { succeeded = ["absent"] }',
    ],
)
@pytest.mark.parametrize("result", [{}, {"result": None}, {"result": {"id": "7"}}])
def test_no_state_is_told_beside_an_error(more: str, result: dict[str, object]) -> None:
    seen = read(error(-32000) | result, text=TASKS + more)
    assert isinstance(seen, Fault)
    assert seen.kind is FaultKind.UNREACHABLE


def test_a_condition_may_say_what_an_error_is() -> None:
    text = TASKS + 'failed_if = "$.error.code == `-32050`"\n'
    seen = read(error(-32050), text=text)
    assert isinstance(seen, Job)
    assert seen.phase is Phase.FAILED
    assert read(envelope(result={"id": "7", "status": {"state": "working"}}, error=None), text=text) == read(
        envelope(result={"id": "7", "status": {"state": "working"}})
    )


@pytest.mark.parametrize(
    "text",
    [
        TASKS,
        PLAIN + 'id = "result.task.id"\nstatus = "result.status"\nstarted = "result.task.id"\n',
        PLAIN + 'id = "id"\nstatus = "result.status"\n',
        PLAIN + 'status = "result.status"\nstarted = ["result.task.id", "id"]\n',
    ],
)
def test_the_number_of_the_request_is_never_a_job(text: str) -> None:
    api = table(text)
    for body, said in (
        (error(-32000, "quota exceeded"), "-32000 quota exceeded"),
        (envelope(result={"text": "done at once", "status": "completed"}), "names no job"),
    ):
        with pytest.raises(ConfigError, match=said):
            found_in(api, Response(msgspec.json.encode(body)), lambda _: None)
    if "result.task" in text or "protocol" in text:
        found = found_in(api, Response(msgspec.json.encode(envelope(result={"task": {"id": 77}}))), lambda _: None)
        assert found.job_id == "77"


def test_an_id_that_is_no_envelopes_stays() -> None:
    api = table(PLAIN + 'id = "id"\nstatus = "status"\n')
    body = msgspec.json.encode({"id": "x", "status": "queued", "error": None})
    assert found_in(api, Response(body), lambda _: None).job_id == "x"


def test_check_proposes_the_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, sample = tmp_path / "own.toml", tmp_path / "sample.json"
    file.write_text(PLAIN + 'status = "result.status.state"\n', "utf-8")
    sample.write_bytes(msgspec.json.encode(envelope(result={"id": "7", "status": {"state": "completed"}})))
    assert main(["apis", "--check", str(file), "--body", str(sample)]) == 0
    assert 'protocol = "json-rpc"' in capsys.readouterr().err
    file.write_text(TASKS, "utf-8")
    assert main(["apis", "--check", str(file), "--body", str(sample)]) == 0
    assert "protocol" not in capsys.readouterr().err


def test_what_only_a_post_is_answered_with_is_in_the_envelope() -> None:
    text = TASKS + (
        'result = { request = "/rpc", method = "POST", body = { of = "{job_id}" }, path = "rows" }\n'
        'events = { request = "/log/{job_id}", path = "log", status = "to" }\n'
    )
    api = table(text)
    job = Job(id="7", api="own", status="completed", phase=Phase.SUCCEEDED)
    assert api.result is not None
    told = api.detailed(api.result, msgspec.json.encode(envelope(result={"rows": [1]})), job)
    assert isinstance(told, Job)
    assert told.result == [1]
    assert [event.status for event in api.history(b'{"log":[{"to":"x"}]}') or ()] == ["x"]
