"""APIs that jobwatch has no table for, each written from its own documentation in at most twelve lines."""

from __future__ import annotations

import tomllib
from typing import Any

import msgspec
import pytest

from jobwatch import Fault, FaultKind, Job, JobAPI, Phase
from jobwatch._table import api_of

P, R, S, F, C, U = Phase.PENDING, Phase.RUNNING, Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED, Phase.UNKNOWN

TABLES = {
    # https://scrapyd.readthedocs.io/en/stable/api.html: `status` is the API's, `currstate` the job's
    "scrapyd": """
job = "http://localhost:6800/status.json?job={job_id}"
status = "currstate"
missing = "currstate = unknown"
""",
    # https://flower.readthedocs.io/en/latest/api.html: a task that nobody knows is PENDING for ever
    "flower": """
job = "http://localhost:5555/api/task/result/{job_id}"
token = "FLOWER_BASIC_AUTH"
auth = "basic"
id = "task-id"
status = "state"
error = "traceback"
result = "result"
""",
    # https://slurm.schedmd.com/rest_api.html: two headers, a state that is a list, errors with a number
    "slurm": """
job = "/slurm/v0.0.40/job/{job_id}"
base_url_variable = "SLURM_REST_URL"
headers = { X-SLURM-USER-NAME = "${USER}", X-SLURM-USER-TOKEN = "${SLURM_JWT}" }
root = "jobs[0]"
id = "job_id"
status = "job_state"
words = { failed = ["NODE_FAIL", "BOOT_FAIL", "DEADLINE"], cancelled = ["PREEMPTED"] }
created_at = "submit_time.number"
started_at = "start_time.number"
http = { 500 = "missing" }
""",
    # https://docs.ray.io/en/latest/cluster/running-applications/job-submission/rest.html
    "ray": """
job = "http://localhost:8265/api/jobs/{job_id}"
id = "submission_id"
status = "status"
words = { cancelled = ["STOPPED"] }
error = "message"
started_at = "start_time"
ended_at = "end_time"
""",
    # https://docs.dagster.io/api/graphql: GraphQL by POST
    "dagster": """
job = "http://localhost:3000/graphql"
method = "POST"
root = "data.runOrError"
id = "runId"
status = "status"
words = { running = ["MANAGED"] }
missing = "__typename = RunNotFoundError"
started_at = "startTime"
ended_at = "endTime"
[body]
query = "query($id: ID!) {runOrError(runId: $id) {__typename ... on Run {runId,status,startTime,endTime}}}"
variables = { id = "{job_id}" }
""",
    # https://www.jenkins.io/doc/book/using/remote-access-api/
    "jenkins": """
job = "/job/{name}/{job_id}/api/json"
base_url_variable = "JENKINS_URL"
token = "JENKINS_USER_AND_TOKEN"
auth = "basic"
id = "number"
status = ["result", "building"]
words = { running = ["building=true"], failed = ["UNSTABLE", "NOT_BUILT"] }
created_at = "timestamp"
""",
    # https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-tasks-get: ids hold a colon
    "elastic": """
job = "http://localhost:9200/_tasks/{job_id}"
status = "completed"
words = { running = [false], succeeded = [true] }
failed_if = "error"
error = "error.reason"
result = "response"
started_at = "task.start_time_in_millis"
""",
    # https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/job-v1/
    "kubernetes": """
job = "/apis/batch/v1/namespaces/{namespace}/jobs/{job_id}"
base_url_variable = "KUBERNETES_URL"
token = "KUBERNETES_TOKEN"
id = "metadata.name"
status = ["status.conditions[-1].type", "status.active"]
words = { running = ["active=1"] }
error = "status.conditions[-1].message"
created_at = "metadata.creationTimestamp"
started_at = "status.startTime"
ended_at = "status.completionTime"
""",
}


def api(name: str) -> JobAPI:
    return api_of(tomllib.loads(TABLES[name]), name)


@pytest.mark.parametrize("name", TABLES)
def test_twelve_lines_are_enough(name: str) -> None:
    assert len(TABLES[name].strip().splitlines()) <= 12


@pytest.mark.parametrize(
    ("name", "job_id", "body", "phase"),
    [
        ("scrapyd", "j", {"node_name": "n", "status": "ok", "currstate": "pending"}, P),
        ("scrapyd", "j", {"node_name": "n", "status": "ok", "currstate": "finished"}, S),
        ("flower", "c-1", {"task-id": "c-1", "state": "PENDING"}, P),
        ("flower", "c-1", {"task-id": "c-1", "state": "FAILURE", "result": "E()", "traceback": "boom"}, F),
        ("flower", "c-1", {"task-id": "c-1", "state": "REVOKED"}, C),
        ("slurm", "7", {"jobs": [{"job_id": 7, "job_state": ["RUNNING", "COMPLETING"]}], "errors": []}, R),
        ("slurm", "7", {"jobs": [{"job_id": 7, "job_state": ["OUT_OF_MEMORY"]}]}, F),
        ("slurm", "7", {"jobs": [{"job_id": 7, "job_state": "COMPLETED", "start_time": {"number": 1718614500}}]}, S),
        ("ray", "r", {"submission_id": "r", "job_id": None, "status": "STOPPED", "start_time": 1718614500000}, C),
        ("ray", "r", {"submission_id": "r", "status": "RUNNING", "message": "Job is running."}, R),
        ("dagster", "d", {"data": {"runOrError": {"__typename": "Run", "runId": "d", "status": "STARTED"}}}, R),
        ("dagster", "d", {"data": {"runOrError": {"__typename": "Run", "runId": "d", "status": "FAILURE"}}}, F),
        ("jenkins", "12", {"number": 12, "building": True, "result": None, "timestamp": 1718614500000}, R),
        ("jenkins", "12", {"number": 12, "building": False, "result": "ABORTED"}, C),
        ("jenkins", "12", {"number": 12, "building": False, "result": None}, U),
        ("elastic", "n:1", {"completed": False, "task": {"start_time_in_millis": 1718614500000}}, R),
        ("elastic", "n:1", {"completed": True, "task": {}, "error": {"type": "t", "reason": "full"}}, F),
        ("elastic", "n:1", {"completed": True, "task": {}, "response": {}}, S),
        ("kubernetes", "k", {"metadata": {"name": "k"}, "status": {"active": 1}}, R),
        ("kubernetes", "k", {"metadata": {"name": "k"}, "status": {"conditions": [{"type": "Failed"}]}}, F),
        ("kubernetes", "k", {"metadata": {"name": "k"}, "status": {"conditions": [{"type": "Complete"}]}}, S),
    ],
)
def test_a_body_is_read_as_its_server_means_it(name: str, job_id: str, body: Any, phase: Phase) -> None:
    job = api(name).job(msgspec.json.encode(body), job_id)
    assert isinstance(job, Job), job
    assert job.phase is phase


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("scrapyd", {"status": "ok", "currstate": "unknown"}),
        ("slurm", {"jobs": []}),
        ("dagster", {"data": {"runOrError": {"__typename": "RunNotFoundError"}}}),
        ("dagster", {"data": {"runOrError": None}}),
    ],
)
def test_a_missing_job_is_one(name: str, body: Any) -> None:
    seen = api(name).job(msgspec.json.encode(body), "j")
    assert isinstance(seen, Fault)
    assert seen.kind is FaultKind.NOT_FOUND
