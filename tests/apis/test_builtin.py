"""The built-in tables against the bodies that the vendors document, through the network: nothing here is a mock.

Each line of `DOCUMENTED` is one state of one job as the page named in the table's ``docs`` shows it, cut to the fields
that are read and a decoy or two beside them.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

import jobwatch.apis
from jobwatch import (
    Client,
    ConfigError,
    Fault,
    FaultKind,
    Job,
    JobCancelled,
    JobEnded,
    JobFailed,
    JobNotFound,
    JobOutcomeUnknown,
    JobPartiallyFailed,
    Outcome,
    Pace,
    Phase,
    Response,
)
from jobwatch._reading.started import found_in
from jobwatch._reading.words import normalized, text_of
from jobwatch.apis import APIS
from tests.apis.documented import BODIES, SAMPLES, WORDS, Body, body_with
from tests.table_server import TableServer, in_order

FOLDER = Path(jobwatch.apis.__file__).parent
QUICK = Pace(min_interval=0.01, max_interval=0.02)
TABLES = sorted(set(APIS) - {"bedrock", "capydb"})
PARAMS = {
    "airflow": {"dag": "etl"},
    "azure": {"host": "h"},
    "fal": {"model": "fal-ai/fast-sdxl"},
    "github": {"owner": "octo", "repo": "hello"},
    "gitlab": {"project": "group/name"},
    "google": {"service": "speech"},
    "bigquery": {"project": "p"},
    "buildkite": {"org": "octo", "pipeline": "hello"},
    "snowflake": {"account": "org-acc"},
    "vertex": {"project": "p", "model": "veo-3"},
}
S, T, F, C = Phase.SUCCEEDED, Phase.PARTIAL, Phase.FAILED, Phase.CANCELLED
RAISED: dict[Phase, type[JobEnded]] = {
    T: JobPartiallyFailed,
    F: JobFailed,
    C: JobCancelled,
    Phase.FINISHED: JobOutcomeUnknown,
}


def github(status: str, conclusion: str | None = None) -> dict[str, Any]:
    return {
        "id": 30433642,
        "name": "Build",
        "path": ".github/workflows/build.yml@main",
        "run_attempt": 1,
        "event": "push",
        "status": status,
        "conclusion": conclusion,
        "created_at": "2020-01-22T19:33:08Z",
        "updated_at": "2020-01-22T19:33:08Z",
        "run_started_at": "2020-01-22T19:33:08Z",
        "repository": {"id": 1296269, "full_name": "octocat/Hello-World"},
    }


def gitlab(status: str, **more: object) -> dict[str, Any]:
    return {"id": 46, "iid": 11, "status": status, "ref": "main", "created_at": "2016-08-11T11:28:34.085Z", **more}


def batch(status: str, **more: object) -> dict[str, Any]:
    return {
        "id": "batch_abc123",
        "object": "batch",
        "endpoint": "/v1/chat/completions",
        "errors": None,
        "status": status,
        "created_at": 1711471533,
        "in_progress_at": None,
        "request_counts": {"total": 100, "completed": 95, "failed": 5},
        **more,
    }


def prediction(status: str, **more: object) -> dict[str, Any]:
    return {"id": "gm3qorzdhg", "model": "replicate/hello", "status": status, "error": None, "output": None, **more}


def fal(status: str, **more: object) -> dict[str, Any]:
    return {"status": status, "request_id": "80e732af", "response_url": "https://queue.fal.run/x", **more}


def databricks(life: str, result: str | None = None, message: str = "") -> dict[str, Any]:
    state = {"life_cycle_state": life, "state_message": message} | ({"result_state": result} if result else {})
    return {"job_id": 11223344, "run_id": 455644833, "state": state, "start_time": 1625060460483, "end_time": 0}


def ogc(status: str, **more: object) -> dict[str, Any]:
    return {"processID": "hello-world", "jobID": "4c85c0", "type": "process", "status": status, "progress": 5, **more}


def dag_run(state: str | None) -> dict[str, Any]:
    return {"dag_run_id": "manual__2024-01-01T00:00:00+00:00", "dag_id": "etl", "state": state, "conf": {}}


def flow_run(state_type: str | None, message: str | None = None) -> dict[str, Any]:
    state = None if state_type is None else {"type": state_type, "name": "Own name", "message": message}
    return {"id": "f-1", "flow_id": "flow-1", "state_type": state_type, "state": state, "run_count": 1}


def operation(**more: object) -> dict[str, Any]:
    return {"name": "operations/abc", "metadata": {"@type": "type.googleapis.com/x.Meta"}, **more}


def monitor(status: str, **more: object) -> dict[str, Any]:
    return {"id": "22", "kind": "VMRebooting", "status": status, **more}


def managed(status: str) -> dict[str, Any]:
    return {"id": "/subscriptions/s", "name": "1", "status": status, "startTime": "2017-01-06T20:56:36.002812+00:00"}


def analysis(status: str) -> dict[str, Any]:
    return {"status": status, "createdDateTime": "2024-03-05T08:00:00Z", "lastUpdatedDateTime": "2024-03-05T08:00:01Z"}


DOCUMENTED: list[tuple[str, str, list[dict[str, Any]], str, Phase, str | None]] = [
    (
        "github",
        "30433642",
        [github("queued"), github("in_progress"), github("completed", "success")],
        "success",
        S,
        None,
    ),
    ("github", "30433642", [github("in_progress"), github("completed", "failure")], "failure", F, None),
    ("github", "30433642", [github("completed"), github("completed", "failure")], "failure", F, None),
    ("github", "30433642", [github("waiting"), github("completed", "cancelled")], "cancelled", C, None),
    (
        "github",
        "30433642",
        [github("completed", "action_required"), github("completed", "timed_out")],
        "timed_out",
        F,
        None,
    ),
    ("gitlab", "46", [gitlab("created"), gitlab("running"), gitlab("success")], "success", S, None),
    ("gitlab", "46", [gitlab("failed", yaml_errors="widgets:build: bad")], "failed", F, "widgets:build: bad"),
    ("gitlab", "46", [gitlab("manual"), gitlab("canceling"), gitlab("canceled")], "canceled", C, None),
    (
        "openai",
        "batch_abc123",
        [batch("validating"), batch("completed", request_counts={"total": 9, "completed": 9, "failed": 0})],
        "completed",
        S,
        None,
    ),
    ("openai", "batch_abc123", [batch("finalizing"), batch("completed")], "partial", T, None),
    (
        "openai",
        "batch_abc123",
        [batch("failed", errors={"object": "list", "data": [{"code": "invalid", "message": "bad line", "line": 1}]})],
        "failed",
        F,
        "bad line",
    ),
    (
        "openai",
        "batch_abc123",
        [batch("finalizing"), batch("completed", request_counts={"total": 3, "completed": 0, "failed": 3})],
        "failed",
        F,
        None,
    ),
    (
        "openai",
        "batch_abc123",
        [batch("completed", request_counts=None, error_file_id="file-1", output_file_id=None)],
        "failed",
        F,
        None,
    ),
    (
        "openai",
        "batch_abc123",
        [batch("completed", error_file_id="file-1", output_file_id="file-2")],
        "partial",
        T,
        None,
    ),
    (  # a server that writes a file of errors in any case, as OGX does
        "openai",
        "batch_abc123",
        [batch("completed", request_counts={"total": 2, "completed": 2, "failed": 0}, error_file_id="file-1")],
        "completed",
        S,
        None,
    ),
    ("openai", "batch_abc123", [batch("cancelling"), batch("cancelled")], "cancelled", C, None),
    ("openai", "batch_abc123", [batch("expired")], "expired", F, None),
    (
        "replicate",
        "gm3qorzdhg",
        [prediction("starting"), prediction("processing"), prediction("succeeded", output="hi")],
        "succeeded",
        S,
        None,
    ),
    ("replicate", "gm3qorzdhg", [prediction("failed", error="CUDA out of memory")], "failed", F, "CUDA out of memory"),
    ("replicate", "gm3qorzdhg", [prediction("canceled")], "canceled", C, None),
    (
        "fal",
        "80e732af",
        [fal("IN_QUEUE", queue_position=0), fal("IN_PROGRESS", logs=[]), fal("COMPLETED")],
        "COMPLETED",
        S,
        None,
    ),
    ("fal", "80e732af", [fal("COMPLETED", error="model crashed", error_type="x")], "failed", F, "model crashed"),
    (
        "databricks",
        "455644833",
        [databricks("PENDING"), databricks("RUNNING"), databricks("TERMINATED", "SUCCESS")],
        "SUCCESS",
        S,
        None,
    ),
    ("databricks", "455644833", [databricks("INTERNAL_ERROR", "FAILED", "Task failed.")], "FAILED", F, "Task failed."),
    ("databricks", "455644833", [databricks("TERMINATING"), databricks("TERMINATED", "CANCELED")], "CANCELED", C, None),
    ("databricks", "455644833", [databricks("SKIPPED")], "SKIPPED", C, None),
    ("databricks", "455644833", [databricks("TERMINATED"), databricks("TERMINATED", "FAILED")], "FAILED", F, None),
    ("databricks", "455644833", [databricks("INTERNAL_ERROR")], "INTERNAL_ERROR", F, None),
    (
        "ogc",
        "4c85c0",
        [ogc("accepted"), ogc("running"), ogc("successful", message="Job complete")],
        "successful",
        S,
        None,
    ),
    ("ogc", "4c85c0", [ogc("failed", message="InvalidParameterValue")], "failed", F, "InvalidParameterValue"),
    ("ogc", "4c85c0", [ogc("running"), ogc("dismissed")], "dismissed", C, None),
    (
        "airflow",
        "manual__2024-01-01T00:00:00+00:00",
        [dag_run("queued"), dag_run("running"), dag_run("success")],
        "success",
        S,
        None,
    ),
    ("airflow", "manual__2024-01-01T00:00:00+00:00", [dag_run("running"), dag_run("failed")], "failed", F, None),
    ("google", "operations/abc", [operation(), operation(done=True, response={"x": 1})], "done=true", S, None),
    (
        "google",
        "operations/abc",
        [operation(done=True, error={"code": 3, "message": "no", "details": []})],
        "failed",
        F,
        "no",
    ),
    (
        "google",
        "operations/abc",
        [operation(done=True, error={"code": 1, "message": "stopped"})],
        "cancelled",
        C,
        "stopped",
    ),
    (
        "azure",
        "/ops/1?api-version=1",
        [monitor("NotStarted"), monitor("Running"), monitor("Succeeded", result={"pages": 3})],
        "Succeeded",
        S,
        None,
    ),
    (
        "azure",
        "/ops/1",
        [monitor("Failed", error={"code": "InternalServerError", "message": "bad"})],
        "Failed",
        F,
        "bad",
    ),
    ("azure", "/ops/1", [monitor("Running"), monitor("Canceled")], "Canceled", C, None),
    ("azure", "/ops/1", [monitor("Running"), monitor("ValidationFailed")], "ValidationFailed", F, None),
    ("azure", "/ops/1", [monitor("rejected")], "rejected", F, None),
    ("azure", "/ops/1", [monitor("partiallySucceeded")], "partiallySucceeded", T, None),
    ("azure", "/ops/1", [monitor("partiallyCompleted")], "partiallyCompleted", T, None),
    ("azure", "/subscriptions/s/operations/1", [managed("Updating"), managed("Succeeded")], "Succeeded", S, None),
    ("azure", "/documentintelligence/1", [analysis("notStarted"), analysis("succeeded")], "succeeded", S, None),
    ("azure", "/documentintelligence/1", [analysis("running"), analysis("skipped")], "skipped", C, None),
    ("prefect", "f-1", [flow_run(None), flow_run("RUNNING"), flow_run("COMPLETED")], "COMPLETED", S, None),
    ("prefect", "f-1", [flow_run("SCHEDULED"), flow_run("CRASHED", "lost")], "CRASHED", F, "lost"),
    ("prefect", "f-1", [flow_run("CANCELLING"), flow_run("CANCELLED")], "CANCELLED", C, None),
]


@pytest.mark.parametrize(
    ("api", "job_id", "bodies", "status", "phase", "error"),
    DOCUMENTED,
    ids=[f"{row[0]}-{row[3]}-{index}" for index, row in enumerate(DOCUMENTED)],
)
async def test_what_a_vendor_documents_is_watched_to_its_end(  # noqa: PLR0917 - a row of the table above
    api: str, job_id: str, bodies: list[dict[str, Any]], status: str, phase: Phase, error: str | None
) -> None:
    given = in_order(*bodies)

    def answer(request: web.BaseRequest) -> object:
        return (500, {}, {}) if "flow_run_states" in request.path_qs else given(request)

    async with TableServer(answer) as server:
        base_url = server.url
        async with Client(api, token="t0k3n-t0k3n", base_url=base_url, params=PARAMS.get(api), pace=QUICK) as client:
            wait = client.wait_for(job_id, timeout=5)
            changes = [change async for change in wait]
            if phase is S:
                job = await wait
            else:
                with pytest.raises(RAISED[phase]) as caught:
                    await wait
                job = caught.value.job
    assert (job.status, job.phase) == (status, phase)
    assert (job.error.message if job.error else None) == error
    assert [change.status for change in changes if change.phase is Phase.UNKNOWN] in (
        [],
        ["Updating"],
    )  # Azure's: anybody's word
    assert changes[-1].status == status
    looks = [path for _, path, _, _ in server.requests if "flow_run_states" not in path]
    assert len(looks) == len(bodies)


def test_every_table_is_tried_with_each_end_that_its_vendor_documents() -> None:
    tried = {(row[0], row[4]) for row in DOCUMENTED} | {(row[0], row[4]) for row in SAMPLES}
    tried |= {(api, phase) for api, told in WORDS.items() for phase in told}
    untried = {(api, phase) for api in TABLES for phase in (S, F, C) if api != "jenkins"} - tried
    # Airflow has no such state, a cancelled fal request is not told, a Kubernetes job is deleted.
    assert untried == {("airflow", C), ("fal", C), ("kubernetes-job", C)}


WORD_ROWS = [
    (api, word, phase) for api, told in WORDS.items() for phase, words in told.items() for word in words.split()
]


@pytest.mark.parametrize(("api", "word", "phase"), WORD_ROWS, ids=[f"{api}-{word}" for api, word, _ in WORD_ROWS])
def test_each_word_that_a_vendor_documents_means_what_it_says(api: str, word: str, phase: Phase) -> None:
    job = APIS[api].job(msgspec.json.encode(body_with(api, word)), "j")
    assert isinstance(job, Job)
    assert (job.status, job.phase) == (word, phase)


@pytest.mark.parametrize("api", TABLES)
def test_each_end_and_each_word_that_waits_for_somebody_stands_in_the_table_itself(api: str) -> None:
    table = tomllib.loads((FOLDER / f"{api}.toml").read_text("utf-8"))
    own = {
        Phase(phase): {normalized(text_of(word)) for word in words} for phase, words in table.get("words", {}).items()
    }
    prefix = normalized(table.get("status_prefix", ""))
    for phase, words in WORDS.get(api, {}).items():
        for word in words.split():
            if phase.ended or phase is Phase.BLOCKED:
                assert normalized(word).removeprefix(prefix) in own[phase], word
    assert api in WORDS or {row[4] for row in SAMPLES if row[0] == api} >= {S, F} or api == "jenkins"


def test_no_body_is_made_for_nothing() -> None:
    assert BODIES.keys() <= WORDS.keys()
    assert {row[0] for row in SAMPLES} | WORDS.keys() == set(TABLES) - {"jenkins"}  # whose ends are its builds'


@pytest.mark.parametrize(
    ("api", "job_id", "http_status", "body", "phase", "told"),
    SAMPLES,
    ids=[f"{row[0]}-{row[4].value}-{index}" for index, row in enumerate(SAMPLES)],
)
async def test_what_more_than_a_word_decides(  # noqa: PLR0917 - a row of the table of samples
    api: str, job_id: str, http_status: int, body: Body, phase: Phase, told: dict[str, Any]
) -> None:
    job = APIS[api].job(msgspec.json.encode(body), job_id, http_status)
    assert isinstance(job, Job)
    assert job.phase is phase
    problem = job.error.message if job.error else None
    assert {name: problem if name == "error" else getattr(job, name) for name in told} == told
    if not phase.ended:
        return
    async with TableServer(in_order((http_status, body, {}))) as server:
        params = PARAMS.get(api)
        client = Client(api, token="t0:k3n-t0k3n", base_url=server.url, params=params, pace=QUICK)
        with contextlib.nullcontext() if phase is S else pytest.raises(RAISED[phase]):
            await client.wait_for(job_id, timeout=5)
        await client.aclose()


STARTS = [
    ("a2a", {"task": {"id": "t-1", "contextId": "c", "status": {"state": "TASK_STATE_SUBMITTED"}}}, "t-1"),
    ("a2a-rpc", {"jsonrpc": "2.0", "id": 1, "result": {"task": {"id": "t-1", "status": {}}}}, "t-1"),
    ("mcp", {"jsonrpc": "2.0", "id": 1, "result": {"resultType": "task", "taskId": "t-1", "status": "working"}}, "t-1"),
    ("anthropic", {"id": "msgbatch_1", "processing_status": "in_progress"}, "msgbatch_1"),
    ("openai-responses", {"id": "resp_1", "status": "queued"}, "resp_1"),
    ("mistral", {"id": "j-1", "status": "QUEUED"}, "j-1"),
    ("kubernetes-job", {"metadata": {"name": "pi"}, "status": {}}, "pi"),
    ("argo", {"metadata": {"name": "wf-x1"}, "status": {}}, "wf-x1"),
    ("tekton", {"metadata": {"name": "run-1"}}, "run-1"),
    ("wes", {"run_id": "r-1"}, "r-1"),
    ("snowflake", {"code": "333334", "message": "in progress", "statementHandle": "h-1"}, "h-1"),
    ("bigquery", {"jobReference": {"jobId": "q-1"}, "status": {"state": "RUNNING"}}, "q-1"),
    ("elasticsearch", {"task": "n-1:12"}, "n-1:12"),
    ("buildkite", {"number": 7, "id": "0b46", "state": "creating"}, "7"),
    ("terraform", {"data": {"id": "run-1", "attributes": {"status": "pending"}}}, "run-1"),
    ("slurm", {"job_id": 7, "step_id": "batch", "errors": [], "warnings": []}, "7"),
    # v0.0.38 answers this to a job that is to be held: it is there, and held.
    (
        "slurm",
        {"errors": [{"error_code": 2042, "error": "Job is in held state"}], "job_id": 7, "step_id": "BATCH"},
        "7",
    ),
    ("slurmdb", {"job_id": 7, "step_id": "batch", "errors": [], "warnings": []}, "7"),
    ("ray", {"job_id": "raysubmit_1", "submission_id": "raysubmit_1"}, "raysubmit_1"),
    ("vertex", {"name": "operations/v-1"}, "operations/v-1"),
]


@pytest.mark.parametrize(
    ("api", "body", "job_id"), STARTS, ids=[f"{row[0]}-{index}" for index, row in enumerate(STARTS)]
)
def test_the_response_that_started_a_job_names_it(api: str, body: Body, job_id: str) -> None:
    assert found_in(APIS[api], Response(msgspec.json.encode(body)), lambda _: None).job_id == job_id


@pytest.mark.parametrize("first", ["WORKING", "AUTH_REQUIRED"])
async def test_the_events_of_an_agent_bring_the_look_that_sees_the_end(first: str) -> None:
    states = iter([first, "COMPLETED"])

    def answer(request: web.BaseRequest) -> object:
        if not request.path.endswith(":subscribe"):
            return {"id": "t-1", "status": {"state": f"TASK_STATE_{next(states)}"}}
        event = {"statusUpdate": {"taskId": "t-1", "status": {"state": "TASK_STATE_COMPLETED"}}}
        body = b"data: " + msgspec.json.encode(event) + b"\n\n"
        return 200, body, {"Content-Type": "text/event-stream"}

    async with TableServer(answer) as server:
        client = Client("a2a", base_url=server.url, pace=Pace(min_interval=30, max_interval=60))
        assert (await client.wait_for("t-1", timeout=5)).phase is S
        await client.aclose()
    assert "/tasks/t-1:subscribe" in [path for _, path, _, _ in server.requests]


def test_a_start_that_an_agent_refused_or_left_open_starts_no_wait() -> None:
    refused = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32009, "message": "version 0.3 is not supported"}}
    said = {"jsonrpc": "2.0", "id": 1, "result": {"message": {"messageId": "m"}}}
    inline = {"jsonrpc": "2.0", "id": 1, "result": {"resultType": "complete"}}
    for api, body, why in [
        ("a2a-rpc", refused, "not supported"),
        ("a2a-rpc", said, "names no job"),
        ("mcp", inline, "names no job"),
    ]:
        with pytest.raises(ConfigError, match=why):
            found_in(APIS[api], Response(msgspec.json.encode(body)), lambda _: None)


@pytest.mark.parametrize(("api", "code"), [("a2a-rpc", -32001), ("mcp", -32602)])
def test_a_task_that_an_agent_does_not_know_is_not_there(api: str, code: int) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "error": {"code": code, "message": "Task t-1 not found"}}
    seen = APIS[api].job(msgspec.json.encode(body), "t-1")
    assert isinstance(seen, Fault)
    assert (seen.kind, "not found" in seen.message) == (FaultKind.NOT_FOUND, True)
    refused = APIS[api].job(msgspec.json.encode(body | {"error": {"code": -32009, "message": "no"}}), "t-1")
    assert isinstance(refused, Fault)
    assert refused.kind is not FaultKind.NOT_FOUND


@pytest.mark.parametrize(
    ("http_status", "number", "kind"),
    [
        (404, 2017, FaultKind.NOT_FOUND),
        (500, 2017, FaultKind.NOT_FOUND),  # 22.05
        (400, 9002, FaultKind.NOT_FOUND),  # 22.05, of a task
        (500, -1, FaultKind.UNREACHABLE),  # 22.05, of a token that has expired, and where slurmctld is down
        (511, 1007, FaultKind.AUTH),  # 25.05, of a token that has expired
    ],
)
async def test_a_job_that_slurm_does_not_know_is_told_from_a_token_that_it_refuses(
    http_status: int, number: int, kind: FaultKind
) -> None:
    error = {"description": "Unable to find JobId=7", "error_number": number, "error": "", "source": "slurm_load_job"}
    async with TableServer(in_order((http_status, {"jobs": [], "errors": [error]}, {}))) as server:
        client = Client("slurm", token="t0k3n", base_url=server.url)
        looked = await client.look(client.watched("7"))
        await client.aclose()
    assert looked.watched.fault is not None
    assert looked.watched.fault.kind is kind


@pytest.mark.parametrize("errors", [[], [{"error_number": 9003, "error": "Nothing found with query"}]])
def test_a_job_that_is_not_in_slurms_accounts_is_not_there(errors: list[Body]) -> None:
    seen = APIS["slurmdb"].job(msgspec.json.encode({"jobs": [], "errors": errors}), "7")
    assert isinstance(seen, Fault)
    assert seen.kind is FaultKind.NOT_FOUND
    seen = APIS["slurmdb"].job(msgspec.json.encode({"jobs": [], "errors": [{"error_number": 1}]}), "7")
    assert isinstance(seen, Fault)
    assert seen.kind is FaultKind.UNREACHABLE


async def test_a_failure_in_slurms_accounts_is_believed_when_no_record_of_another_try_has_come() -> None:
    tries = [{"job_id": 7, "state": {"current": [word]}} for word in ("NODE_FAIL", "COMPLETED")]
    async with TableServer(in_order({"jobs": tries[:1]}, {"jobs": tries})) as server:
        client = Client("slurmdb", token="t0k3n", base_url=server.url)
        first = await client.look(client.watched("7"))
        then = await client.look(first.watched)
        await client.aclose()
    assert (first.outcome, then.outcome) == (None, Outcome.SUCCEEDED)


def test_a_task_that_slurm_keeps_no_more_is_not_told_by_those_that_it_keeps() -> None:
    kept = {"job_id": 7, "array_job_id": {"set": True, "number": 7}, "array_task_id": {"set": True, "number": 4}}
    body = msgspec.json.encode({"jobs": [kept | {"job_state": ["COMPLETED"]}], "errors": []})
    for job_id, kind in [("7_2", FaultKind.NOT_FOUND), ("8", FaultKind.UNREADABLE)]:
        seen = APIS["slurm"].job(body, job_id)
        assert isinstance(seen, Fault)
        assert seen.kind is kind


REQUESTS = {
    "a2a": ("/tasks/a%2Fb?historyLength=0", "Authorization", "Bearer t0k3n"),
    "a2a-rpc": ("/", "A2A-Version", "1.0"),
    "anthropic": ("/v1/messages/batches/a%2Fb", "x-api-key", "t0k3n"),
    "argo": ("/api/v1/workflows/argo/a%2Fb", "Authorization", "t0k3n"),
    "azure-arm": ("/a/b", "Authorization", "Bearer t0k3n"),
    "bigquery": ("/bigquery/v2/projects/p/jobs/a%2Fb?location=US", "Authorization", "Bearer t0k3n"),
    "buildkite": (
        "/v2/organizations/octo/pipelines/hello/builds/a%2Fb?exclude_jobs=true",
        "Authorization",
        "Bearer t0k3n",
    ),
    "elasticsearch": ("/_tasks/a%2Fb", "Authorization", "ApiKey t0k3n"),
    "jenkins": ("/queue/item/a%2Fb/api/json", "Authorization", "Basic dDA6azNu"),
    "jenkins-build": ("/a/b/api/json", "Authorization", "Basic dDA6azNu"),
    "kubernetes-job": ("/apis/batch/v1/namespaces/default/jobs/a%2Fb", "Authorization", "Bearer t0k3n"),
    "mcp": ("/mcp", "Mcp-Name", "a/b"),
    "mistral": ("/v1/batch/jobs/a%2Fb", "Authorization", "Bearer t0k3n"),
    "openai-responses": ("/responses/a%2Fb", "Authorization", "Bearer t0k3n"),
    "ray": ("/api/jobs/a%2Fb", "Authorization", "Bearer t0k3n"),
    "slurmdb": ("/slurmdb/v0.0.43/job/a%2Fb", "X-SLURM-USER-TOKEN", "t0k3n"),
    "slurm": ("/slurm/v0.0.43/job/a%2Fb", "X-SLURM-USER-TOKEN", "t0k3n"),
    "snowflake": ("/api/v2/statements/a%2Fb", "Authorization", "Bearer t0k3n"),
    "tekton": ("/apis/tekton.dev/v1/namespaces/default/pipelineruns/a%2Fb", "Authorization", "Bearer t0k3n"),
    "terraform": ("/api/v2/runs/a%2Fb", "Authorization", "Bearer t0k3n"),
    "vertex": (
        "/v1/projects/p/locations/us-central1/publishers/google/models/veo-3:fetchPredictOperation",
        "Authorization",
        "Bearer t0k3n",
    ),
    "wes": ("/runs/a%2Fb", "Authorization", "Bearer t0k3n"),
    "airflow": ("/api/v2/dags/etl/dagRuns/a%2Fb", "Authorization", "Bearer t0k3n"),
    "databricks": ("/api/2.2/jobs/runs/get?run_id=a%2Fb", "Authorization", "Bearer t0k3n"),
    "fal": ("/fal-ai/fast-sdxl/requests/a%2Fb/status", "Authorization", "Key t0k3n"),
    "github": ("/repos/octo/hello/actions/runs/a%2Fb", "Authorization", "Bearer t0k3n"),
    "gitlab": ("/projects/group%2Fname/pipelines/a%2Fb", "PRIVATE-TOKEN", "t0k3n"),
    "google": ("/v1/a/b", "Authorization", "Bearer t0k3n"),
    "ogc": ("/jobs/a%2Fb", "Authorization", "Bearer t0k3n"),
    "openai": ("/batches/a%2Fb", "Authorization", "Bearer t0k3n"),
    "prefect": ("/flow_runs/a%2Fb", "Authorization", "Bearer t0k3n"),
    "replicate": ("/v1/predictions/a%2Fb", "Authorization", "Bearer t0k3n"),
    "azure": ("/a/b", "Ocp-Apim-Subscription-Key", "t0k3n"),
}


@pytest.mark.parametrize("api", TABLES)
async def test_what_is_asked_and_where_the_token_goes(api: str) -> None:
    path, header, value = REQUESTS[api]
    async with TableServer(in_order((404, {}, {}))) as server:
        token = "t0:k3n" if api.startswith("jenkins") else "t0k3n"
        client = Client(api, token=token, base_url=server.url, params=PARAMS.get(api))
        with pytest.raises(JobNotFound):
            await client.job("/a/b" if api.startswith("azure") else "a/b")
        await client.aclose()
    assert server.requests[0][1] == path
    assert server.requests[0][2][header] == value


async def test_the_history_that_prefect_tells_by_another_request_is_read_when_the_state_is_new() -> None:
    states = [
        {"type": "SCHEDULED", "name": "Late", "timestamp": "2024-06-17T08:55:00Z"},
        {"type": "PENDING", "name": "Pending", "timestamp": "2024-06-17T08:55:01Z"},
        {"type": "RUNNING", "name": "Running", "timestamp": "2024-06-17T08:55:02Z"},
    ]
    runs = in_order(flow_run("RUNNING"), flow_run("RUNNING"), flow_run("COMPLETED"))

    def answer(request: web.BaseRequest) -> object:
        if "flow_run_states" not in request.path_qs:
            return runs(request)
        done = {"type": "COMPLETED", "name": "Completed", "timestamp": "2024-06-17T08:56:00Z"}
        return states if len(server.requests) < 4 else [*states, done]

    async with TableServer(answer) as server, Client("prefect", base_url=server.url, pace=QUICK) as client:
        changes = [change.status async for change in client.wait_for("f-1", timeout=5)]
    assert changes == ["SCHEDULED", "PENDING", "RUNNING", "COMPLETED"]
    asked = ["states" if "flow_run_states" in path else "run" for _, path, _, _ in server.requests]
    assert asked == ["run", "states", "run", "run", "states"]
    assert server.requests[1][1] == "/flow_run_states/?flow_run_id=f-1"


async def test_several_flow_runs_are_read_by_one_filter_and_the_history_of_those_in_a_new_state() -> None:
    ids = ["f-1", "f-2", "f-3"]
    states = {each: ["RUNNING", "RUNNING", "COMPLETED"] for each in ids}

    def answer(request: web.BaseRequest) -> object:
        if "flow_run_states" in request.path_qs:
            told = [{"type": "SCHEDULED", "timestamp": "2024-06-17T08:55:00Z"}]
            told += [{"type": "RUNNING", "timestamp": "2024-06-17T08:55:02Z"}]
            done = {"type": "COMPLETED", "timestamp": "2024-06-17T08:56:00Z"}
            return told if len(server.requests) < 7 else [*told, done]
        assert request.path == "/flow_runs/filter"
        return [flow_run(told.pop(0)) | {"id": each} for each, told in states.items()]

    async def changes(job_id: str) -> list[str]:
        return [change.status async for change in client.wait_for(job_id, timeout=5)]

    async with TableServer(answer) as server, Client("prefect", base_url=server.url, pace=QUICK) as client:
        seen = await asyncio.gather(*map(changes, ids))
    assert seen == [["SCHEDULED", "RUNNING", "COMPLETED"]] * 3
    asked = [path.partition("?")[0] for _, path, _, _ in server.requests]
    filtered, history = ["/flow_runs/filter"], ["/flow_run_states/"]
    assert asked == [*filtered, *history * 3, *filtered * 2, *history * 3]
    method, _, headers, body = server.requests[0]
    assert (method, headers["Content-Type"]) == ("POST", "application/json")
    assert msgspec.json.decode(body) == {"flow_runs": {"id": {"any_": ids}}, "limit": 3}


async def test_a_history_that_cannot_be_read_costs_nothing_but_itself() -> None:
    runs = in_order(flow_run("RUNNING"), flow_run("COMPLETED"))
    answer = lambda request: b"<html>" if "flow_run_states" in request.path_qs else runs(request)  # noqa: E731
    async with TableServer(answer) as server, Client("prefect", base_url=server.url, pace=QUICK) as client:
        assert [change.status async for change in client.wait_for("f-1", timeout=5)] == ["RUNNING", "COMPLETED"]


@pytest.mark.parametrize("name", TABLES)
def test_each_table_is_short_and_cites_its_source(name: str) -> None:
    text = (FOLDER / f"{name}.toml").read_text("utf-8")
    keys = tomllib.loads(text).keys() - {"docs", "words", "headers", "body"}
    assert APIS[name].docs.startswith("https://")
    assert f"]({APIS[name].docs})" in (FOLDER / "README.md").read_text("utf-8")
    assert text.startswith("# ")
    assert re.search(r"^# (?:From documents, read 2026-11: |Tried with .+\. .*[Rr]ead 2026-11: )", text, re.MULTILINE)
    assert len(keys) <= 20


def test_times_of_a_batch_prove_what_it_has_been_through() -> None:
    job = APIS["openai"].job(msgspec.json.encode(batch("completed", in_progress_at=1711471538)), "batch_abc123")
    assert isinstance(job, Job)
    assert [event.status for event in job.proven] == ["validating", "in_progress"]
    assert job.progress == 0.95


def test_there_is_a_name_for_each_table_and_a_table_for_each_name() -> None:
    assert sorted(file.stem for file in FOLDER.glob("*.toml")) == TABLES


@pytest.mark.parametrize(
    ("given", "job", "asked"),
    [
        (None, "/ops/1", "/ops/1"),
        ("2024-05-01", "/ops/1", "/ops/1?api-version=2024-05-01"),
        ("2024-05-01", "/ops/1?x=1", "/ops/1?x=1&api-version=2024-05-01"),
        ("2024-05-01", "/ops/1?api-version=2023-11-01", "/ops/1?api-version=2023-11-01"),
    ],
)
@pytest.mark.parametrize("api", ["azure", "azure-arm"])
async def test_azure_is_asked_with_a_version_where_its_url_has_none(
    api: str, given: str | None, job: str, asked: str
) -> None:
    params = {**PARAMS.get(api, {}), **({} if given is None else {"api_version": given})}
    async with TableServer(in_order({"status": "Succeeded"})) as server:
        client = Client(api, token="t", base_url=server.url, params=params)
        assert (await client.job(job)).phase is S
        await client.aclose()
    assert server.requests[0][1] == asked


async def test_an_item_of_jenkins_queue_is_watched_until_its_build_ends() -> None:
    queued = {"id": 31, "blocked": True, "why": "In the quiet period", "inQueueSince": 1793527200000}

    def answer(request: web.BaseRequest) -> object:
        seen = [path for _, path, _, _ in server.requests].count(request.path)
        if request.path == "/queue/item/31/api/json":
            left = {"cancelled": False, "why": None, "executable": {"number": 12, "url": f"{server.url}/job/app/12/"}}
            return queued if seen == 1 else queued | left
        result = None if seen == 1 else "UNSTABLE"
        return {"id": "12", "building": seen < 3, "inProgress": seen < 3, "result": result, "url": "https://ci/12"}

    async with TableServer(answer) as server:
        client = Client("jenkins", token="u:t0k3n", base_url=server.url, pace=QUICK)
        started = Response(b"", 201, {"Location": f"{server.url}/queue/item/31/"})
        wait = client.wait_for(started, timeout=5)
        with pytest.raises(JobPartiallyFailed) as caught:
            await wait
        await client.aclose()
    assert (caught.value.job.id, caught.value.job.status) == ("31", "UNSTABLE")
    asked = [path for _, path, _, _ in server.requests]
    assert asked == ["/queue/item/31/api/json"] * 2 + ["/job/app/12/api/json"] * 3


def test_an_item_of_jenkins_queue_that_was_cancelled_has_become_no_build() -> None:
    body = {"id": 31, "cancelled": True, "why": None, "inQueueSince": 1793527200000}
    job = APIS["jenkins"].job(msgspec.json.encode(body), "31")
    assert isinstance(job, Job)
    assert job.phase is C


@pytest.mark.parametrize("api", ["azure", "azure-arm"])
@pytest.mark.parametrize(
    ("http_status", "body"),
    [(204, b""), (200, b""), (200, b'{"id": "/r/1"}'), (201, b'{"properties": {"provisioningState": "Succeeded"}}')],
)
def test_what_azure_did_at_once_is_over_at_its_start(api: str, http_status: int, body: bytes) -> None:
    found = found_in(APIS[api], Response(body, http_status), lambda _: None)
    assert found.is_over
    assert found.job is not None
    assert found.job.phase is S


@pytest.mark.parametrize("api", ["azure", "azure-arm"])
@pytest.mark.parametrize("state", ["Updating", "Accepted", "Failed", "Canceled", "AnyWord"])
def test_a_resource_that_is_at_work_or_failed_is_not_over_at_its_start(api: str, state: str) -> None:
    started = Response({"id": "/r/1", "properties": {"provisioningState": state}}, 200)
    with pytest.raises(ConfigError, match=f"names no job of {api}, and says {state}"):
        found_in(APIS[api], started, lambda _: None)


def test_a_start_that_azure_only_accepted_is_not_over() -> None:
    with pytest.raises(ConfigError, match="names no job"):
        found_in(APIS["azure"], Response(b"", 202), lambda _: None)
