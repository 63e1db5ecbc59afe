"""The tables in `elsewhere`, against the bodies that their APIs document, cut to what is read and a decoy or two."""

from __future__ import annotations

import tomllib
from typing import Any

import msgspec
import pytest

from jobwatch import Fault, FaultKind, Job, JobAPI, Phase
from jobwatch._table.compile import api_of
from tests.table.elsewhere import TABLES

P, R, S, F, C, U = Phase.PENDING, Phase.RUNNING, Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED, Phase.UNKNOWN


def api(name: str) -> JobAPI:
    return api_of(tomllib.loads(TABLES[name]), name)


def luigi(status: str) -> Any:
    task = {"name": "Nap", "status": status, "start_time": 1795332775.2, "time_running": None, "params": {"s": "3"}}
    return {"response": {"Nap_3_00": task, "Other_1": {"name": "Other", "status": "FAILED", "start_time": None}}}


def mlflow(status: str) -> Any:
    return {
        "run": {"info": {"run_id": "r", "status": status, "start_time": 1, "lifecycle_stage": "active"}, "data": {}}
    }


def buildbot(complete: bool, claimed: bool, results: int) -> Any:
    request = {"buildrequestid": 7, "complete": complete, "claimed": claimed, "results": results, "priority": 0}
    return {"buildrequests": [request | {"submitted_at": 1718614500, "claimed_at": None}], "meta": {}}


def kube(**status: Any) -> Any:
    return {"kind": "Job", "metadata": {"name": "k", "creationTimestamp": "2024-06-17T08:55:00Z"}, "status": status}


def condition(kind: str, status: str, **more: str) -> Any:
    return {"type": kind, "status": status, "lastTransitionTime": "2024-06-17T08:56:00Z", **more}


def teamcity(state: str, status: str, **more: Any) -> Any:
    return {"id": 12, "buildTypeId": "P_B", "state": state, "status": status, "statusText": "Tests passed: 3", **more}


def anthropic(status: str, succeeded: int, cancel: str | None = None) -> Any:
    counts = {"processing": 0, "succeeded": succeeded, "errored": 1, "canceled": 0, "expired": 0}
    return {"id": "b", "processing_status": status, "request_counts": counts, "cancel_initiated_at": cancel}


STATES: list[tuple[str, str, Any, Phase]] = [
    ("scrapyd", "j", {"node_name": "n", "status": "ok", "currstate": "pending"}, P),
    ("scrapyd", "j", {"node_name": "n", "status": "ok", "currstate": "finished"}, S),
    ("flower", "c-1", {"task-id": "c-1", "state": "PENDING"}, P),
    ("flower", "c-1", {"task-id": "c-1", "state": "FAILURE", "result": "E()", "traceback": "boom"}, F),
    ("flower", "c-1", {"task-id": "c-1", "state": "REVOKED"}, C),
    ("luigi", "Nap_3_00", luigi("PENDING"), P),
    ("luigi", "Nap_3_00", luigi("RUNNING"), R),
    ("luigi", "Nap_3_00", luigi("DONE"), S),
    ("luigi", "Nap_3_00", luigi("DISABLED"), F),
    ("slurm", "7", {"jobs": [{"job_id": 7, "job_state": ["RUNNING", "COMPLETING"]}], "errors": []}, R),
    ("slurm", "7", {"jobs": [{"job_id": 7, "job_state": ["OUT_OF_MEMORY"]}]}, F),
    ("slurm", "7", {"jobs": [{"job_id": 7, "job_state": "COMPLETED", "start_time": {"number": 1718614500}}]}, S),
    ("ray", "r", {"submission_id": "r", "job_id": None, "status": "STOPPED", "start_time": 1718614500000}, C),
    ("ray", "r", {"submission_id": "r", "status": "RUNNING", "message": "Job is running."}, R),
    ("dagster", "d", {"data": {"runOrError": {"__typename": "Run", "runId": "d", "status": "STARTED"}}}, R),
    ("dagster", "d", {"data": {"runOrError": {"__typename": "Run", "runId": "d", "status": "FAILURE"}}}, F),
    ("mlflow", "r", mlflow("SCHEDULED"), P),
    ("mlflow", "r", mlflow("FINISHED"), S),
    ("mlflow", "r", mlflow("KILLED"), C),
    ("wes", "w", {"run_id": "w", "state": "INITIALIZING", "run_log": {}}, P),
    ("wes", "w", {"run_id": "w", "state": "COMPLETE", "run_log": {"end_time": "2024-06-17T08:55:00Z"}}, S),
    ("wes", "w", {"run_id": "w", "state": "EXECUTOR_ERROR", "run_log": {"stderr": "boom"}}, F),
    ("wes", "w", {"run_id": "w", "state": "CANCELED"}, C),
    ("buildbot", "7", buildbot(complete=False, claimed=False, results=-1), P),
    ("buildbot", "7", buildbot(complete=False, claimed=True, results=-1), R),
    ("buildbot", "7", buildbot(complete=True, claimed=True, results=0), S),
    ("buildbot", "7", buildbot(complete=True, claimed=True, results=4), F),
    ("buildbot", "7", buildbot(complete=True, claimed=True, results=6), C),
    ("jenkins", "12", {"number": 12, "building": True, "result": None, "timestamp": 1718614500000}, R),
    ("jenkins", "12", {"number": 12, "building": False, "result": "ABORTED"}, C),
    ("jenkins", "12", {"number": 12, "building": False, "result": None}, U),
    ("elastic", "n:1", {"completed": False, "task": {"start_time_in_millis": 1718614500000}}, R),
    ("elastic", "n:1", {"completed": True, "task": {}, "error": {"type": "t", "reason": "full"}}, F),
    ("elastic", "n:1", {"completed": True, "task": {}, "response": {}}, S),
    ("kubernetes", "k", kube(), P),
    ("kubernetes", "k", kube(active=1, conditions=[condition("Suspended", "False")]), R),
    ("kubernetes", "k", kube(conditions=[condition("FailureTarget", "True"), condition("Failed", "True")]), F),
    ("kubernetes", "k", kube(conditions=[condition("Complete", "True"), condition("Suspended", "False")]), S),
    ("tekton", "k", kube(), P),
    ("tekton", "k", kube(conditions=[condition("Succeeded", "Unknown", reason="Running")]), R),
    ("tekton", "k", kube(conditions=[condition("Succeeded", "True", reason="Completed")]), S),
    ("tekton", "k", kube(conditions=[condition("Succeeded", "False", reason="Failed")]), F),
    ("tekton", "k", kube(conditions=[condition("Succeeded", "False", reason="Cancelled")]), C),
    ("argo", "k", kube(), P),
    ("argo", "k", kube(phase="Running"), R),
    ("argo", "k", kube(phase="Error", message="pod deleted"), F),
    ("nomad", "a", {"ID": "a", "JobID": "j", "ClientStatus": "complete", "CreateTime": 1495755675956923000}, S),
    ("nomad", "a", {"ID": "a", "JobID": "j", "ClientStatus": "lost"}, F),
    ("livy", "3", {"id": 3, "state": "starting", "appId": None, "appInfo": {}, "log": ["stdout: "]}, P),
    ("livy", "3", {"id": 3, "state": "dead", "log": ["boom"]}, F),
    ("flink", "f", {"jid": "f", "state": "CREATED", "start-time": 1718614500000, "end-time": -1}, P),
    ("flink", "f", {"jid": "f", "state": "FAILING", "timestamps": {"CREATED": 1718614500000, "FAILED": 0}}, R),
    ("flink", "f", {"jid": "f", "state": "FINISHED", "plan": {}}, S),
    ("spark", "driver-1", {"submissionId": "driver-1", "driverState": "RUNNING", "success": True}, R),
    ("spark", "driver-1", {"submissionId": "driver-1", "driverState": "KILLED", "success": True}, C),
    ("yarn", "application_1_1", {"app": {"id": "application_1_1", "state": "ACCEPTED", "finalStatus": "UNDEFINED"}}, P),
    ("yarn", "application_1_1", {"app": {"id": "application_1_1", "state": "FINISHED", "finalStatus": "FAILED"}}, F),
    ("yarn", "application_1_1", {"app": {"id": "application_1_1", "state": "KILLED", "finalStatus": "KILLED"}}, C),
    ("druid", "i_w", {"task": "i_w", "status": {"id": "i_w", "statusCode": "RUNNING", "duration": -1}}, R),
    ("druid", "i_w", {"task": "i_w", "status": {"id": "i_w", "statusCode": "FAILED", "errorMsg": "boom"}}, F),
    ("kestra", "e", {"id": "e", "state": {"current": "KILLING", "histories": [{"state": "CREATED"}]}}, R),
    ("kestra", "e", {"id": "e", "state": {"current": "WARNING", "histories": []}}, S),
    ("assemblyai", "t", {"id": "t", "status": "error", "error": "no audio", "text": None}, F),
    ("runpod", "r-u1", {"id": "r-u1", "status": "IN_QUEUE", "delayTime": 3}, P),
    ("runpod", "r-u1", {"id": "r-u1", "status": "TIMED_OUT"}, F),
    ("salesforce", "75", {"id": "75", "state": "UploadComplete", "createdDate": "2018-12-10T17:50:19.000+0000"}, P),
    ("salesforce", "75", {"id": "75", "state": "JobComplete"}, S),
    ("salesforce", "75", {"id": "75", "state": "Aborted"}, C),
    ("awsbatch", "b", {"jobs": [{"jobId": "b", "status": "RUNNABLE", "createdAt": 1480460782010}]}, P),
    ("awsbatch", "b", {"jobs": [{"jobId": "b", "status": "FAILED", "statusReason": "Essential container exited"}]}, F),
    ("athena", "q", {"QueryExecution": {"QueryExecutionId": "q", "Status": {"State": "CANCELLED"}}}, C),
    ("azuredevops", "5", {"id": 5, "status": "inProgress", "result": "none"}, R),
    ("azuredevops", "5", {"id": 5, "status": "completed", "result": "partiallySucceeded"}, F),
    ("azuredevops", "5", {"id": 5, "status": "completed", "result": "canceled"}, C),
    ("teamcity", "12", teamcity("queued", "SUCCESS"), P),
    ("teamcity", "12", teamcity("running", "SUCCESS"), R),
    ("teamcity", "12", teamcity("running", "FAILURE"), R),
    ("teamcity", "12", teamcity("finished", "SUCCESS"), S),
    ("teamcity", "12", teamcity("finished", "FAILURE"), F),
    ("teamcity", "12", teamcity("finished", "UNKNOWN", canceledInfo={"timestamp": "20240617T085500+0000"}), C),
    ("rundeck", "9", {"id": 9, "status": "failed-with-retry", "date-started": {"unixtime": 1718614500000}}, F),
    ("awx", "3", {"id": 3, "status": "successful", "failed": False, "started": "2024-06-17T08:55:00.1Z"}, S),
    ("awx", "3", {"id": 3, "status": "waiting", "failed": False, "started": None}, P),
    ("galaxy", "a1", {"id": "a1", "state": "ok", "create_time": "2024-06-17T08:55:00.123456"}, S),
    ("galaxy", "a1", {"id": "a1", "state": "deleted"}, C),
    ("cromwell", "c", {"id": "c", "status": "On Hold"}, P),
    ("cromwell", "c", {"id": "c", "status": "Aborting"}, R),
    ("openeo", "o", {"id": "o", "status": "created", "progress": 0}, P),
    ("openeo", "o", {"id": "o", "status": "finished", "progress": 100}, S),
    ("uws", "u", b"EXECUTING", R),
    ("uws", "u", b"ABORTED\n", C),
    ("pulp", "/pulp/api/v3/tasks/1/", {"pulp_href": "/pulp/api/v3/tasks/1/", "state": "skipped", "error": None}, U),
    ("pulp", "/pulp/api/v3/tasks/1/", {"state": "failed", "error": {"description": "boom", "traceback": "x"}}, F),
    ("proxmox", "UPID:n:0:1:2:x:", {"data": {"upid": "UPID:n:0:1:2:x:", "status": "running", "starttime": 1}}, R),
    ("proxmox", "UPID:n:0:1:2:x:", {"data": {"upid": "UPID:n:0:1:2:x:", "status": "stopped", "exitstatus": "OK"}}, S),
    ("proxmox", "UPID:n:0:1:2:x:", {"data": {"upid": "UPID:n:0:1:2:x:", "status": "stopped", "exitstatus": "full"}}, F),
    ("anthropic", "b", anthropic("in_progress", 0), R),
    ("anthropic", "b", anthropic("ended", 3), S),
    ("anthropic", "b", anthropic("ended", 0), F),
    ("anthropic", "b", anthropic("ended", 3, "2024-08-20T18:37:24Z"), C),
    ("solr", "s", {"responseHeader": {"status": 0}, "status": {"state": "submitted", "msg": "found"}}, P),
    ("solr", "s", {"responseHeader": {"status": 0}, "status": {"state": "completed", "msg": "found"}}, S),
    ("apify", "a", {"data": {"id": "a", "status": "READY", "startedAt": "2024-06-17T08:55:00.000Z"}}, P),
    ("apify", "a", {"data": {"id": "a", "status": "TIMED-OUT"}}, F),
]
STATES += [
    (
        "temporal",
        "w",
        {"workflowExecutionInfo": {"execution": {"workflowId": "w", "runId": "r"}, "status": word}},
        phase,
    )
    for word, phase in (
        ("WORKFLOW_EXECUTION_STATUS_RUNNING", R),
        ("WORKFLOW_EXECUTION_STATUS_COMPLETED", S),
        ("WORKFLOW_EXECUTION_STATUS_FAILED", F),
        ("WORKFLOW_EXECUTION_STATUS_TIMED_OUT", F),
        ("WORKFLOW_EXECUTION_STATUS_CANCELED", C),
        ("WORKFLOW_EXECUTION_STATUS_TERMINATED", C),
        ("WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW", R),
    )
]
STATES += [
    ("arcgis", "j1", {"jobId": "j1", "jobStatus": word, "messages": [{"type": "esriJobMessageTypeInformative"}]}, phase)
    for word, phase in (
        ("esriJobNew", P),
        ("esriJobSubmitted", P),
        ("esriJobWaiting", P),
        ("esriJobExecuting", R),
        ("esriJobCancelling", R),
        ("esriJobSucceeded", S),
        ("esriJobFailed", F),
        ("esriJobTimedOut", F),
        ("expectedFailure", F),
        ("esriJobCancelled", C),
    )
]
STATES += [
    ("comfyui", "p-1", body, phase)
    for body, phase in (
        ({}, R),
        ({"p-1": {"outputs": {"9": {}}, "status": {"status_str": "success", "completed": True, "messages": []}}}, S),
        ({"p-1": {"outputs": {}, "status": {"status_str": "error", "completed": False}}}, F),
    )
]
STATES += [
    ("shopify", "gid://shopify/BulkOperation/1", {"data": {"node": node}}, phase)
    for node, phase in (
        ({"id": "gid://shopify/BulkOperation/1", "status": "CREATED", "errorCode": None}, P),
        ({"id": "gid://shopify/BulkOperation/1", "status": "CANCELING", "errorCode": None}, R),
        ({"id": "gid://shopify/BulkOperation/1", "status": "FAILED", "errorCode": "ACCESS_DENIED"}, F),
        ({"id": "gid://shopify/BulkOperation/1", "status": "EXPIRED", "errorCode": None}, F),
    )
]
STATES += [
    ("bigquery", "q", {"id": "p:US.q", "jobReference": {"jobId": "q"}, "status": status}, phase)
    for status, phase in (
        ({"state": "PENDING"}, P),
        ({"state": "RUNNING"}, R),
        ({"state": "DONE"}, S),
        ({"state": "DONE", "errors": [{"reason": "invalid"}]}, S),  # an error that did not end the job
        ({"state": "DONE", "errorResult": {"reason": "invalidQuery", "message": "Syntax error"}}, F),
        ({"state": "DONE", "errorResult": {"reason": "stopped", "message": "Job execution was cancelled"}}, C),
    )
]
STATES += [
    ("vertex", "12", {"name": "projects/p/locations/r/customJobs/12", "state": word}, phase)
    for word, phase in (
        ("JOB_STATE_QUEUED", P),
        ("JOB_STATE_RUNNING", R),
        ("JOB_STATE_SUCCEEDED", S),
        ("JOB_STATE_PARTIALLY_SUCCEEDED", S),
        ("JOB_STATE_EXPIRED", F),
        ("JOB_STATE_CANCELLED", C),
        ("JOB_STATE_UNSPECIFIED", U),
    )
]
STATES += [
    ("aria2", "2089b0", {"jsonrpc": "2.0", "id": "1", "result": {"gid": "2089b0", **told}}, phase)
    for told, phase in (
        ({"status": "waiting", "totalLength": "0"}, P),
        ({"status": "active", "completedLength": "34896138", "totalLength": "34896138"}, R),  # it is being checked
        ({"status": "paused"}, P),
        ({"status": "complete", "errorCode": "0", "errorMessage": ""}, S),
        ({"status": "error", "errorCode": "3", "errorMessage": "Resource not found"}, F),
        ({"status": "removed", "errorCode": "31", "errorMessage": ""}, C),
    )
]
STATES += [
    (
        "salt",
        "20261128125943743137",
        {"info": [{"jid": "20261128125943743137", "Result": result}], "return": [{}]},
        phase,
    )
    for result, phase in (
        ({}, R),
        ({"web.1": {"return": "down", "retcode": 1, "success": False}}, R),  # another minion's
        ({"web.1": {"success": False}, "db.1": {"return": True, "retcode": 0, "success": True}}, S),
        ({"db.1": {"return": "", "retcode": 2, "success": False}, "web.1": {"success": True}}, F),
    )
]
STATES += [
    ("skypilot", "5f0a", [{"request_id": "5f0a", "name": "sky.launch", "status": word, "error": "null"}], phase)
    for word, phase in (("PENDING", P), ("RUNNING", R), ("SUCCEEDED", S), ("FAILED", F), ("CANCELLED", C))
]
STATES += [
    ("jupyter", "e5", {"job_id": "e5", "status": word, "start_time": start, "status_message": None}, phase)
    for word, start, phase in (
        ("STOPPED", None, P),
        ("QUEUED", None, P),
        ("IN_PROGRESS", 1795870000123, R),
        ("STOPPED", 1795870000123, C),
        ("FAILED", 1795870000123, F),
        ("COMPLETED", 1795870000123, S),
    )
]
STATES += [
    ("cylc", "~me/flow", {"data": {"workflows": [{"id": "~me/flow", "status": word, "statusMsg": text}]}}, phase)
    for word, text, phase in (
        ("stopped", "not yet run", P),
        ("running", "running", R),
        ("stopping", "stopping: waiting for active jobs to complete", R),
        ("running", "stalled", F),
        ("stopped", "stopped", Phase.FINISHED),
    )
]
STATES += [
    (
        "camunda",
        "2251799813685249",
        {
            "items": [
                {"processInstanceKey": key, "state": word, "hasIncident": trouble} for key in ("1", "2251799813685249")
            ]
        },
        phase,
    )
    for word, trouble, phase in (
        ("ACTIVE", False, R),
        ("ACTIVE", True, Phase.BLOCKED),
        ("COMPLETED", False, S),
        ("TERMINATED", True, C),
    )
]


@pytest.mark.parametrize("name", TABLES)
def test_twelve_lines_are_enough(name: str) -> None:
    lines = TABLES[name].strip().splitlines()
    assert len(lines) <= 12
    assert max(map(len, lines)) <= 150


@pytest.mark.parametrize(
    ("name", "job_id", "body", "phase"), STATES, ids=[f"{row[0]}-{row[3].value}-{n}" for n, row in enumerate(STATES)]
)
def test_a_body_is_read_as_its_server_means_it(name: str, job_id: str, body: Any, phase: Phase) -> None:
    job = api(name).job(body if isinstance(body, bytes) else msgspec.json.encode(body), job_id)
    assert isinstance(job, Job), job
    assert job.phase is phase


@pytest.mark.parametrize(
    ("name", "http_status", "body", "phase"),
    [
        ("snowflake", 202, {"code": "333334", "message": "in progress", "statementHandle": "j"}, R),
        ("snowflake", 200, {"code": "090001", "statementHandle": "j", "createdOn": 1620151693299}, S),
        ("snowflake", 422, {"code": "000904", "message": "invalid identifier", "statementHandle": "j"}, F),
        ("snowflake", 422, {"code": "000604", "message": "SQL execution canceled", "statementHandle": "j"}, C),
        ("snowflake", 408, {"code": "000630", "message": "timed out", "statementHandle": "j"}, F),
        ("modal", 202, b"", R),
        ("modal", 200, b'{"text":"x"}', S),
        ("modal", 500, b"Internal Server Error", F),
    ],
)
def test_an_http_status_is_read_as_its_server_means_it(name: str, http_status: int, body: Any, phase: Phase) -> None:
    job = api(name).job(body if isinstance(body, bytes) else msgspec.json.encode(body), "j", http_status)
    assert isinstance(job, Job), job
    assert job.phase is phase


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("scrapyd", {"status": "ok", "currstate": "unknown"}),
        ("slurm", {"jobs": []}),
        ("luigi", {"response": {}}),
        ("dagster", {"data": {"runOrError": {"__typename": "RunNotFoundError"}}}),
        ("dagster", {"data": {"runOrError": None}}),
        ("arcgis", {"error": {"code": 400, "message": "Unable to get job", "details": []}}),
        ("shopify", {"data": {"node": None}}),
        ("awsbatch", {"jobs": []}),
        ("spark", {"submissionId": "j", "driverState": "NOT_FOUND", "success": False}),
        ("solr", {"responseHeader": {"status": 0}, "status": {"state": "notfound", "msg": "Did not find"}}),
        ("salt", {"info": [{"jid": "j", "Result": {}, "Error": "Cannot contact returner"}], "return": [{}]}),
        ("skypilot", []),
        ("cylc", {"data": {"workflows": []}}),
        ("camunda", {"items": [], "page": {"totalItems": 0}}),
    ],
)
def test_a_missing_job_is_one(name: str, body: Any) -> None:
    seen = api(name).job(msgspec.json.encode(body), "j")
    assert isinstance(seen, Fault)
    assert seen.kind is FaultKind.NOT_FOUND


@pytest.mark.parametrize("name", TABLES)
def test_each_is_tried(name: str) -> None:
    assert name in {row[0] for row in STATES} | {"snowflake", "modal"}


def test_an_error_in_an_envelope_may_say_that_there_is_no_such_job() -> None:
    body = {"jsonrpc": "2.0", "id": "1", "error": {"code": 1, "message": "GID 2089b1 is not found"}}
    verdict = api("aria2").verdict
    assert verdict is not None
    assert verdict(400, msgspec.json.encode(body)) is FaultKind.NOT_FOUND
    assert (
        verdict(400, msgspec.json.encode(body | {"error": {"code": 2, "message": "busy"}})) is not FaultKind.NOT_FOUND
    )
