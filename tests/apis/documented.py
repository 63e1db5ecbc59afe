"""What the vendors document: each of their words with what it means, and replies made of the fields that they name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from jobwatch import Phase

Body: TypeAlias = dict[str, Any]

P, R, B, S, T, F, C, N = (
    Phase.PENDING,
    Phase.RUNNING,
    Phase.BLOCKED,
    Phase.SUCCEEDED,
    Phase.PARTIAL,
    Phase.FAILED,
    Phase.CANCELLED,
    Phase.FINISHED,
)

_A2A = {
    P: "TASK_STATE_SUBMITTED",
    R: "TASK_STATE_WORKING",
    B: "TASK_STATE_INPUT_REQUIRED TASK_STATE_AUTH_REQUIRED",
    S: "TASK_STATE_COMPLETED",
    F: "TASK_STATE_FAILED TASK_STATE_REJECTED",
    C: "TASK_STATE_CANCELED TASK_STATE_CANCELLED",
}

_SLURM = {
    P: "PENDING REQUEUED REQUEUE_FED SUSPENDED",
    R: "RUNNING CONFIGURING COMPLETING RESIZING SIGNALING STAGE_OUT STOPPED POWER_UP_NODE EXPEDITING REVOKED",
    B: "REQUEUE_HOLD SPECIAL_EXIT RESV_DEL_HOLD",
    S: "COMPLETED",
    F: "FAILED TIMEOUT OUT_OF_MEMORY NODE_FAIL BOOT_FAIL DEADLINE PREEMPTED LAUNCH_FAILED RECONFIG_FAIL",
    C: "CANCELLED",
}

WORDS: Mapping[str, Mapping[Phase, str]] = {
    "a2a": _A2A,
    "a2a-rpc": _A2A,
    "airflow": {P: "queued", R: "running", S: "success", F: "failed"},
    "anthropic": {R: "in_progress canceling", N: "ended"},
    "argo": {P: "Pending", R: "Running", S: "Succeeded", F: "Failed Error"},
    "azure": {
        P: "NotStarted notStarted",
        R: "Running InProgress Canceling Cancelling",
        S: "Succeeded succeeded",
        T: "partiallySucceeded PartiallyCompleted partiallyCompleted",
        F: "Failed failed ValidationFailed rejected",
        C: "Canceled Cancelled canceled cancelled skipped",
    },
    "azure-arm": {
        P: "Accepted NotStarted",
        R: "Running InProgress Creating Updating Deleting",
        S: "Succeeded",
        F: "Failed",
        C: "Canceled",
    },
    "bigquery": {P: "PENDING", R: "RUNNING", S: "DONE"},
    "buildkite": {
        P: "creating scheduled",
        R: "running failing canceling waiting",
        B: "blocked",
        S: "passed",
        F: "failed waiting_failed",
        C: "canceled skipped not_run",
    },
    "databricks": {
        P: "QUEUED PENDING BLOCKED WAITING WAITING_FOR_RETRY",
        R: "RUNNING TERMINATING TERMINATED",
        S: "SUCCESS",
        T: "SUCCESS_WITH_FAILURES",
        F: "FAILED TIMEDOUT INTERNAL_ERROR UPSTREAM_FAILED MAXIMUM_CONCURRENT_RUNS_REACHED",
        C: "CANCELED UPSTREAM_CANCELED SKIPPED EXCLUDED DISABLED",
    },
    "fal": {P: "IN_QUEUE", R: "IN_PROGRESS", S: "COMPLETED"},
    "github": {
        P: "queued requested pending",
        R: "in_progress completed",
        B: "waiting action_required",
        S: "success neutral",
        F: "failure timed_out startup_failure stale",
        C: "cancelled skipped",
    },
    "gitlab": {
        P: "created waiting_for_resource waiting_for_callback preparing pending scheduled",
        R: "running canceling",
        B: "manual",
        S: "success",
        F: "failed",
        C: "canceled skipped",
    },
    "jenkins-build": {S: "SUCCESS", T: "UNSTABLE", F: "FAILURE", C: "ABORTED NOT_BUILT"},
    "mcp": {R: "working", B: "input_required", S: "completed", F: "failed", C: "cancelled"},
    "mistral": {
        P: "QUEUED",
        R: "RUNNING CANCELLATION_REQUESTED",
        S: "SUCCESS",
        F: "FAILED TIMEOUT_EXCEEDED",
        C: "CANCELLED",
    },
    "ogc": {P: "created accepted", R: "running", S: "successful", F: "failed rejected", C: "dismissed deleted"},
    "openai": {
        P: "validating",
        R: "in_progress finalizing cancelling",
        S: "completed",
        F: "failed expired",
        C: "cancelled",
    },
    "openai-responses": {
        P: "queued",
        R: "in_progress",
        S: "completed",
        T: "incomplete",
        F: "failed",
        C: "cancelled",
    },
    "prefect": {
        P: "SCHEDULED PENDING",
        R: "RUNNING CANCELLING",
        B: "PAUSED",
        S: "COMPLETED",
        F: "FAILED CRASHED",
        C: "CANCELLED",
    },
    "ray": {P: "PENDING", R: "RUNNING", S: "SUCCEEDED", F: "FAILED", C: "STOPPED"},
    "replicate": {P: "starting", R: "processing", S: "succeeded", F: "failed", C: "canceled aborted"},
    "slurm": _SLURM,
    "slurmdb": _SLURM,
    "terraform": {
        P: "pending queuing plan_queued queuing_apply apply_queued",
        R: (
            "fetching fetching_completed pre_plan_running pre_plan_completed planning planned tf_policy_checked"
            " tf_policy_override post_plan_running post_plan_completed cost_estimating cost_estimated policy_checking"
            " policy_checked confirmed pre_apply_running pre_apply_completed applying post_apply_running"
            " post_apply_completed assessing"
        ),
        B: "pre_plan_awaiting_decision policy_override planned_and_saved",
        S: "applied planned_and_finished assessed",
        F: "errored policy_soft_failed",
        C: "canceled force_canceled discarded",
    },
    "wes": {
        P: "UNKNOWN QUEUED INITIALIZING",
        R: "RUNNING CANCELING DELETING",
        B: "PAUSED",
        S: "COMPLETE",
        F: "EXECUTOR_ERROR SYSTEM_ERROR PREEMPTED",
        C: "CANCELED DELETED",
    },
}
"""Of each API that tells its state by a word, all that its vendor documents."""

BODIES: Mapping[str, Callable[[str], Body]] = {
    "a2a": lambda word: {"id": "j", "status": {"state": word}},
    "a2a-rpc": lambda word: {"jsonrpc": "2.0", "id": 1, "result": {"id": "j", "status": {"state": word}}},
    "airflow": lambda word: {"dag_run_id": "j", "state": word},
    "anthropic": lambda word: {"id": "j", "processing_status": word},
    "argo": lambda word: {"metadata": {"name": "j"}, "status": {"phase": word}},
    "azure": lambda word: {"id": "j", "status": word},
    "azure-arm": lambda word: {"id": "j", "properties": {"provisioningState": word}},
    "bigquery": lambda word: {"jobReference": {"jobId": "j"}, "status": {"state": word}},
    "buildkite": lambda word: {"number": "j", "state": word, "blocked": word == "blocked"},
    "databricks": lambda word: {"run_id": "j", "state": {"life_cycle_state": word}},
    "github": lambda word: {"id": "j", "status": word, "conclusion": None, "run_attempt": 1},
    "jenkins-build": lambda word: {"id": "j", "result": word, "building": False},
    "mcp": lambda word: {"jsonrpc": "2.0", "id": 1, "result": {"taskId": "j", "status": word}},
    "ogc": lambda word: {"jobID": "j", "status": word},
    "prefect": lambda word: {"id": "j", "state_type": word},
    "fal": lambda word: {"request_id": "j", "status": word},
    "ray": lambda word: {"submission_id": "j", "status": word},
    "slurm": lambda word: {"jobs": [{"job_id": "j", "job_state": word}]},
    "slurmdb": lambda word: {"jobs": [{"job_id": "j", "state": {"current": word}}]},
    "terraform": lambda word: {"data": {"id": "j", "attributes": {"status": word}}},
    "wes": lambda word: {"run_id": "j", "state": word},
}
"""The least of a reply that holds a word; where there is none, id and status lie at the top."""


def body_with(api: str, word: str) -> Body:
    """Return the least of a reply of an API in which a word is its state."""
    body = BODIES.get(api)
    return {"id": "j", "status": word} if body is None else body(word)


def _rpc(**result: Any) -> Body:
    return {"jsonrpc": "2.0", "id": 1, "result": result}


def _task(state: str, **more: Any) -> Body:
    return {
        "id": "t-1",
        "contextId": "c-1",
        "status": {"state": f"TASK_STATE_{state}", "timestamp": "2026-11-01T10:00:05.120000Z", **more},
        "artifacts": [{"artifactId": "a", "parts": [{"text": "42"}]}],
        "history": [],
    }


def _says(text: str) -> Body:
    return {"messageId": "m-1", "role": "ROLE_AGENT", "parts": [{"text": text}]}


def _mcp(status: str, **more: Any) -> Body:
    told = {"resultType": "complete", "taskId": "t-1", "status": status, "createdAt": "2026-11-01T10:00:00Z"}
    return _rpc(**told, lastUpdatedAt="2026-11-01T10:00:01Z", ttlMs=900000, pollIntervalMs=5000, **more)


def _batch(status: str, **counts: int) -> Body:
    none = dict.fromkeys(("processing", "succeeded", "errored", "canceled", "expired"), 0)
    return {
        "id": "msgbatch_1",
        "type": "message_batch",
        "processing_status": status,
        "request_counts": none | counts,
        "created_at": "2026-11-01T10:00:00Z",
        "ended_at": "2026-11-01T11:00:00Z" if status == "ended" else None,
        "results_url": "https://api.anthropic.com/v1/messages/batches/msgbatch_1/results",
    }


def _condition(kind: str, status: str = "True", **more: Any) -> Body:
    return {"type": kind, "status": status, "lastTransitionTime": "2026-11-01T10:05:00Z", **more}


def _kubernetes(*conditions: Body, **status: Any) -> Body:
    return {
        "kind": "Job",
        "metadata": {"name": "pi", "creationTimestamp": "2026-11-01T10:00:00Z"},
        "spec": {"completions": 4, "suspend": False},
        "status": {**status, **({"conditions": list(conditions)} if conditions else {})},
    }


def _argo(phase: str | None, spec: Body | None = None, **status: Any) -> Body:
    told = status if phase is None else {"phase": phase, **status}
    return {"metadata": {"name": "wf", "creationTimestamp": "2026-11-01T10:00:00Z"}, "spec": spec or {}, "status": told}


def _tekton(status: str, reason: str) -> Body:
    condition = _condition("Succeeded", status, reason=reason, message=f"it says {reason}")
    return {"metadata": {"name": "run"}, "spec": {"pipelineRef": {"name": "p"}}, "status": {"conditions": [condition]}}


def _statement(code: str, message: str, **more: Any) -> Body:
    return {"code": code, "message": message, "statementHandle": "h-1", "createdOn": 1793527200000, **more}


def _query(state: str, **status: Any) -> Body:
    return {
        "kind": "bigquery#job",
        "jobReference": {"projectId": "p", "jobId": "q-1", "location": "EU"},
        "configuration": {"jobType": "QUERY"},
        "statistics": {"creationTime": "1793527200000", "startTime": "1793527201000", "endTime": "1793527209000"},
        "status": {"state": state, **status},
    }


def _reindex(done: bool, response: Body | None = None, **more: Any) -> Body:
    task = {"node": "n-1", "id": 12, "action": "indices:data/write/reindex", "start_time_in_millis": 1793527200000}
    task["status"] = {"total": 10, "created": 2, "updated": 1, "deleted": 2}
    return {"completed": done, "task": task} | ({} if response is None else {"response": response}) | more


def _run(status: str, *, confirmable: bool = False) -> Body:
    times = {"planning-at": "2026-11-01T10:01:00+00:00", "applied-at": "2026-11-01T10:09:00+00:00"}
    attributes = {"status": status, "created-at": "2026-11-01T10:00:00Z", "status-timestamps": times}
    return {"data": {"id": "run-1", "attributes": attributes | {"actions": {"is-confirmable": confirmable}}}}


def _set(number: int | None) -> Body:
    """Return a number as Slurm writes it since v0.0.40 of its API."""
    return {"set": number is not None, "infinite": False, "number": number or 0}


def _exit(code: int = 0, signal: int | None = None) -> Body:
    status = "SIGNALED" if signal else "ERROR" if code else "SUCCESS"
    told = {"id": _set(signal), "name": "KILL" if signal else ""}
    return {"status": [status], "return_code": _set(None if signal else code), "signal": told}


def _slurm(*jobs: Body, number: int = 0, **more: Any) -> Body:
    """Return a reply of Slurm 25.05.8; an error where a number of one is given."""
    errors = [{"description": "Unable to query JobId=7", "error_number": number, "source": "_handle_job_get"}]
    meta = {"plugin": {"data_parser": "data_parser/v0.0.43"}, "slurm": {"release": "25.05.8", "cluster": "c"}}
    return {"jobs": list(jobs), "meta": meta, "errors": errors if number else [], "warnings": [], **more}


def _slurm_job(*states: str, job_id: int = 7, array: int = 0, task: int | None = None, **more: Any) -> Body:
    """Return a job as v0.0.43 tells it, since 10:00:00; it runs from 10:00:03 on, or ended at 10:00:09."""
    waits, runs = "PENDING" in states, states[0] in ("RUNNING", "SUSPENDED")
    return {
        "job_id": job_id,
        "name": "nap",
        "array_job_id": _set(array),
        "array_task_id": _set(task),
        "array_task_string": "",
        "het_job_id": _set(0),
        "job_state": list(states),
        "state_reason": "None",
        "state_description": "",
        "exit_code": _exit(),
        "derived_exit_code": _exit(),
        "nodes": "" if waits else "n1",
        "submit_time": _set(1793527200),
        "start_time": _set(0 if waits else 1793527203),
        "end_time": _set(0 if waits else 1825063203 if runs else 1793527209),
        "restart_cnt": 0,
        **more,
    }


def _old_job(state: str, **more: Any) -> Body:
    """Return a job as v0.0.38 tells it."""
    job = _slurm_job(state)
    times = {name: job[name]["number"] for name in ("submit_time", "start_time", "end_time")}
    array: Body = {"array_job_id": 0, "array_task_id": None, "het_job_id": 0}
    return job | times | array | {"job_state": state, "exit_code": 0, "derived_exit_code": 0} | more


def _account(*states: str, job_id: int = 7, array: Any = 0, task: int | None = None, **more: Any) -> Body:
    """Return a job as v0.0.43 of the accounts tells it."""
    times = {"submission": 1793527200, "start": 0 if "PENDING" in states else 1793527203, "end": 1793527209}
    return {
        "job_id": job_id,
        "name": "nap",
        "array": array if isinstance(array, dict) else {"job_id": array, "task_id": _set(task), "task": ""},
        "het": {"job_id": 0, "job_offset": _set(None)},
        "state": {"current": list(states), "reason": "None"},
        "exit_code": _exit(),
        "nodes": "None assigned" if "PENDING" in states else "n1",
        "time": times,
        **more,
    }


_OLD_SIGNAL = {"status": "SIGNALED", "return_code": None, "signal": {"signal_id": 9, "name": "Killed"}}
_RAISED: Body = {
    "state_reason": "RaisedSignal",
    "state_description": "RaisedSignal:9(Killed)",
    "exit_code": _exit(signal=9),
}
_NONZERO: Body = {"state_reason": "NonZeroExitCode", "exit_code": _exit(3)}
_REST: Body = {"job_id": 7, "array": 7, "array_task_string": "3-4", "state_reason": "Resources"}
_AGAIN: Body = {
    "state_reason": "JobHeldUser",
    "state_description": "job requeued in held state",
    "nodes": "n1",
    "start_time": _set(1793527207),
}
_AT = datetime(2026, 11, 1, 10, tzinfo=UTC)
_STARTED, _ENDED = _AT + timedelta(seconds=3), _AT + timedelta(seconds=9)


def _slurm_array(*states: str) -> Body:
    """Return the tasks of an array in the order in which Slurm tells them: the last has the number of the array."""
    tasks = [
        _slurm_job(state, job_id=7 + (len(states) - task) % len(states), array=7, task=len(states) - task)
        for task, state in enumerate(states)
    ]
    return _slurm(*(each | (_NONZERO if each["job_state"] == ["FAILED"] else {}) for each in tasks))


def _build(state: str, **more: Any) -> Body:
    return {"number": 7, "id": "0b46", "state": state, "web_url": "https://buildkite.com/o/p/builds/7", **more}


def _veo(response: Body | None = None, **more: Any) -> Body:
    told = {} if response is None else {"done": True, "response": {"@type": "GenerateVideoResponse", **response}}
    return {"name": "operations/v-1", **told, **more}


_VIDEO = {"gcsUri": "gs://bucket/0.mp4", "mimeType": "video/mp4"}

Sample: TypeAlias = tuple[str, str, int, Body, Phase, dict[str, Any]]

SAMPLES: list[Sample] = [
    ("a2a", "t-1", 200, _task("WORKING"), R, {"status": "TASK_STATE_WORKING", "asked": None, "error": None}),
    ("a2a", "t-1", 200, _task("INPUT_REQUIRED", message=_says("Which city?")), B, {"asked": "Which city?"}),
    ("a2a", "t-1", 200, _task("REJECTED", message=_says("not my task")), F, {"error": "not my task"}),
    ("a2a", "t-1", 200, _task("COMPLETED"), S, {"result": [{"artifactId": "a", "parts": [{"text": "42"}]}]}),
    ("a2a-rpc", "t-1", 200, _rpc(**_task("AUTH_REQUIRED", message=_says("Log in"))), B, {"asked": "Log in"}),
    ("a2a-rpc", "t-1", 200, _rpc(**_task("FAILED", message=_says("broke"))), F, {"error": "broke"}),
    ("mcp", "t-1", 200, _mcp("working", statusMessage="3 of 9"), R, {"error": None, "asked": None}),
    (
        "mcp",
        "t-1",
        200,
        _mcp("input_required", inputRequests={"k": {"method": "elicitation/create", "params": {"message": "Go on?"}}}),
        B,
        {"asked": "Go on? (k)"},
    ),
    (
        "mcp",
        "t-1",
        200,
        _mcp("input_required", inputRequests={"a": {"params": {"message": "X?"}}, "b": {"params": {"message": "Y?"}}}),
        B,
        {"asked": "X?; Y? (a, b)"},
    ),
    ("mcp", "t-1", 200, _mcp("input_required", inputRequests={"a": {"method": "sampling"}}), B, {"asked": "a"}),
    ("mcp", "t-1", 200, _mcp("input_required", statusMessage="waits"), B, {"asked": "waits"}),
    ("mcp", "t-1", 200, _mcp("completed", result={"content": [], "isError": False}), S, {}),
    (
        "mcp",
        "t-1",
        200,
        _mcp("completed", result={"content": [{"type": "text", "text": "no such city"}], "isError": True}),
        F,
        {"error": "no such city"},
    ),
    ("mcp", "t-1", 200, _mcp("failed", error={"code": -32603, "message": "it broke"}), F, {"error": "it broke"}),
    ("anthropic", "msgbatch_1", 200, _batch("in_progress", processing=3), R, {"ended_at": None}),
    ("anthropic", "msgbatch_1", 200, _batch("canceling", processing=3), R, {}),
    ("anthropic", "msgbatch_1", 200, _batch("ended", succeeded=3), S, {"error": None}),
    ("anthropic", "msgbatch_1", 200, _batch("ended", succeeded=2, errored=1), T, {}),
    ("anthropic", "msgbatch_1", 200, _batch("ended", succeeded=2, canceled=1), T, {}),
    ("anthropic", "msgbatch_1", 200, _batch("ended", succeeded=2, expired=1), T, {}),
    ("anthropic", "msgbatch_1", 200, _batch("ended", errored=3), F, {}),
    ("anthropic", "msgbatch_1", 200, _batch("ended", expired=2, canceled=1), F, {}),
    ("anthropic", "msgbatch_1", 200, _batch("ended", canceled=3), C, {}),
    ("mistral", "j", 200, {"id": "j", "status": "SUCCESS", "failed_requests": 0, "succeeded_requests": 2}, S, {}),
    ("mistral", "j", 200, {"id": "j", "status": "SUCCESS", "failed_requests": 1, "succeeded_requests": 1}, T, {}),
    ("mistral", "j", 200, {"id": "j", "status": "SUCCESS", "failed_requests": 2, "succeeded_requests": 0}, F, {}),
    (
        "mistral",
        "j",
        200,
        {"id": "j", "status": "FAILED", "errors": [{"message": "bad file", "count": 1}], "failed_requests": 0},
        F,
        {"error": "bad file"},
    ),
    (
        "openai-responses",
        "resp_1",
        200,
        {"id": "resp_1", "status": "incomplete", "error": None, "incomplete_details": {"reason": "max_output_tokens"}},
        T,
        {"error": "max_output_tokens"},
    ),
    (
        "openai-responses",
        "resp_1",
        200,
        {"id": "resp_1", "status": "failed", "error": {"code": "server_error", "message": "try again"}},
        F,
        {"error": "try again"},
    ),
    ("openai", "b", 200, {"id": "b", "status": "completed", "request_counts": {"completed": 2, "failed": 1}}, T, {}),
    ("openai", "b", 200, {"id": "b", "status": "completed", "error_file_id": "e", "output_file_id": "o"}, T, {}),
    ("kubernetes-job", "pi", 200, _kubernetes(), P, {}),
    ("kubernetes-job", "pi", 200, _kubernetes(active=2, succeeded=1), R, {"progress": 0.25}),
    ("kubernetes-job", "pi", 200, _kubernetes(_condition("Suspended")), B, {}),
    ("kubernetes-job", "pi", 200, _kubernetes(_condition("Suspended", "False"), active=1), R, {}),
    ("kubernetes-job", "pi", 200, _kubernetes(_condition("FailureTarget")), R, {}),
    ("kubernetes-job", "pi", 200, _kubernetes(_condition("SuccessCriteriaMet")), R, {}),
    ("kubernetes-job", "pi", 200, _kubernetes(_condition("SuccessCriteriaMet"), _condition("Complete")), S, {}),
    (
        "kubernetes-job",
        "pi",
        200,
        _kubernetes(_condition("FailureTarget"), _condition("Failed", message="BackoffLimitExceeded")),
        F,
        {"error": "BackoffLimitExceeded"},
    ),
    ("argo", "wf", 200, _argo(None), P, {}),
    ("argo", "wf", 200, _argo("Running", progress="1/4"), R, {"progress": 0.25}),
    ("argo", "wf", 200, _argo("Running", {"suspend": True}), B, {}),
    ("argo", "wf", 200, _argo("Running", nodes={"a": {"type": "Suspend", "phase": "Running"}}), B, {}),
    ("argo", "wf", 200, _argo("Running", nodes={"a": {"type": "Suspend", "phase": "Succeeded"}}), R, {}),
    ("argo", "wf", 200, _argo("Succeeded", nodes={"a": {"type": "Suspend", "phase": "Succeeded"}}), S, {}),
    ("argo", "wf", 200, _argo("Failed", {"shutdown": "Terminate"}), C, {"status": "Failed"}),
    ("argo", "wf", 200, _argo("Failed", message="child failed"), F, {"error": "child failed"}),
    ("tekton", "run", 200, {"metadata": {"name": "run"}, "spec": {}}, P, {}),
    ("tekton", "run", 200, _tekton("Unknown", "Started"), R, {"status": "Started"}),
    ("tekton", "run", 200, _tekton("Unknown", "Running"), R, {}),
    ("tekton", "run", 200, _tekton("Unknown", "Cancelled"), R, {}),
    ("tekton", "run", 200, _tekton("", "Cancelled"), R, {}),
    ("tekton", "run", 200, _tekton("", "Succeeded"), R, {}),
    ("tekton", "run", 200, _tekton("Unknown", "PipelineRunPending"), B, {}),
    ("tekton", "run", 200, _tekton("True", "Succeeded"), S, {}),
    ("tekton", "run", 200, _tekton("True", "Completed"), S, {}),
    ("tekton", "run", 200, _tekton("False", "Failed"), F, {"error": "it says Failed"}),
    ("tekton", "run", 200, _tekton("False", "CouldntGetTask"), F, {}),
    ("tekton", "run", 200, _tekton("False", "PipelineRunTimeout"), F, {}),
    ("tekton", "run", 200, _tekton("False", "CreateRunFailed"), F, {}),
    ("tekton", "run", 200, _tekton("False", "Cancelled"), C, {}),
    ("ray", "01000000", 200, {"job_id": "01000000", "submission_id": None, "status": "STOPPED"}, C, {}),
    ("wes", "r", 200, {"run_id": "r", "state": "COMPLETE", "outputs": {"o": 1}}, S, {"result": {"o": 1}}),
    (
        "wes",
        "r",
        200,
        {"run_id": "r", "state": "SYSTEM_ERROR", "run_log": {"system_logs": ["started", "disk is full"]}},
        F,
        {"error": "disk is full"},
    ),
    ("snowflake", "h-1", 202, _statement("333334", "in progress"), R, {"status": "HTTP 202"}),
    ("snowflake", "h-1", 200, _statement("090001", "executed", data=[["1"]]), S, {"error": None}),
    ("snowflake", "h-1", 200, _statement("0", "", resultSetMetaData={"numRows": 0, "format": "jsonv2"}), S, {}),
    ("snowflake", "h-1", 422, _statement("000123", "SQL compilation error", sqlState="42601"), F, {}),
    ("snowflake", "h-1", 408, _statement("000630", "Statement reached its timeout", sqlState="57014"), F, {}),
    ("snowflake", "h-1", 422, _statement("000604", "SQL execution canceled", sqlState="57014"), C, {}),
    ("bigquery", "q-1", 200, _query("RUNNING", errors=[{"reason": "invalid"}]), R, {"type": "QUERY"}),
    ("bigquery", "q-1", 200, _query("DONE", errors=[{"reason": "invalid"}]), S, {"error": None}),
    (
        "bigquery",
        "q-1",
        200,
        _query("DONE", errorResult={"reason": "invalidQuery", "message": "no"}),
        F,
        {"error": "no"},
    ),
    ("bigquery", "q-1", 200, _query("DONE", errorResult={"reason": "stopped", "message": "stop"}), C, {}),
    ("elasticsearch", "n-1:12", 200, _reindex(False), R, {"progress": 0.5, "type": "indices:data/write/reindex"}),
    ("elasticsearch", "n-1:12", 200, _reindex(True, {"failures": [], "timed_out": False}), S, {}),
    ("elasticsearch", "n-1:12", 200, _reindex(True, {"failures": [], "timed_out": True}), T, {}),
    (
        "elasticsearch",
        "n-1:12",
        200,
        _reindex(True, {"failures": [{"cause": {"type": "t", "reason": "mapping"}}]}),
        F,
        {"error": "mapping"},
    ),
    (
        "elasticsearch",
        "n-1:12",
        200,
        _reindex(True, error={"type": "t", "reason": "no index"}),
        F,
        {"error": "no index"},
    ),
    ("elasticsearch", "n-1:12", 200, _reindex(True, {"canceled": "by user request", "failures": []}), C, {}),
    (
        "slurm",
        "7",
        200,
        _slurm(_slurm_job("PENDING", state_reason="Resources")),
        P,
        {"status": "PENDING", "created_at": _AT, "started_at": None},
    ),
    ("slurm", "7", 200, _slurm(_slurm_job("RUNNING")), R, {"started_at": _STARTED, "ended_at": None, "type": "nap"}),
    ("slurm", "7", 200, _slurm(_slurm_job("RUNNING", "CONFIGURING")), R, {}),
    ("slurm", "7", 200, _slurm(_slurm_job("COMPLETED", "COMPLETING")), R, {"ended_at": None, "error": None}),
    ("slurm", "7", 200, _slurm(_slurm_job("COMPLETED")), S, {"started_at": _STARTED, "ended_at": _ENDED}),
    ("slurm", "7", 200, _slurm(_slurm_job("SUSPENDED")), P, {"started_at": _STARTED}),
    *(
        ("slurm", "7", 200, _slurm(_slurm_job("PENDING", state_reason=why)), B, {"asked": why})
        for why in ("JobHeldUser", "JobHeldAdmin", "JobHoldMaxRequeue", "BadConstraints", "DependencyNeverSatisfied")
    ),
    ("slurm", "7", 200, _slurm(_slurm_job("PENDING", state_reason="Dependency")), P, {}),
    ("slurm", "7", 200, _slurm(_slurm_job("PENDING", "COMPLETING", **_AGAIN)), P, {"started_at": None}),
    ("slurm", "7", 200, _slurm(_slurm_job("PENDING", "SPECIAL_EXIT", **_AGAIN | {"nodes": ""})), B, {}),
    ("slurm", "7", 200, _slurm(_slurm_job("FAILED", **_NONZERO)), F, {"error": "NonZeroExitCode, exit code 3"}),
    ("slurm", "7", 200, _slurm(_slurm_job("FAILED", **_RAISED)), F, {"error": "RaisedSignal:9(Killed)"}),
    ("slurm", "7", 200, _slurm(_slurm_job("TIMEOUT", state_reason="TimeLimit")), F, {"error": "TimeLimit"}),
    ("slurm", "7", 200, _slurm(_slurm_job("FAILED", "REQUEUED")), P, {}),
    ("slurm", "7", 200, _slurm(_slurm_job("CANCELLED", nodes="")), C, {"started_at": None, "ended_at": _ENDED}),
    ("slurm", "7", 200, _slurm(_slurm_job("CANCELLED", "REVOKED", nodes="")), R, {"ended_at": None}),
    ("slurm", "7", 200, _slurm_array("COMPLETED", "RUNNING", "FAILED"), R, {"status": "COMPLETED+RUNNING+FAILED"}),
    ("slurm", "7", 200, _slurm_array("COMPLETED", "COMPLETED"), N, {"error": None}),  # one that failed may be gone
    ("slurm", "7", 200, _slurm_array("COMPLETED", "FAILED"), T, {"error": "NonZeroExitCode, exit code 3"}),
    (
        "slurm",
        "7",
        200,
        _slurm(
            _slurm_job("COMPLETED", array=7, task=1, state_description="job requeued in held state"),
            _slurm_job("FAILED", job_id=8, array=7, task=0, **_RAISED),
        ),
        T,
        {"error": "RaisedSignal:9(Killed)"},
    ),
    ("slurm", "7", 200, _slurm(_slurm_job("CANCELLED")), C, {"error": None}),
    ("slurm", "7", 200, _slurm_array("FAILED", "FAILED"), F, {"error": "NonZeroExitCode, exit code 3"}),
    ("slurm", "7", 200, _slurm_array("CANCELLED", "CANCELLED"), C, {}),
    ("slurm", "7", 200, _slurm_array("COMPLETED", "REVOKED"), R, {}),
    ("slurm", "7", 200, _slurm_array("COMPLETED", "NEW_WORD"), Phase.UNKNOWN, {}),
    ("slurm", "7_1", 200, _slurm_array("COMPLETED", "FAILED"), F, {"status": "FAILED"}),
    ("slurm", "7_2", 200, _slurm_array("COMPLETED", "FAILED"), S, {"error": None}),
    ("slurm", "8", 200, _slurm(_slurm_job("COMPLETED", job_id=8, array=7, task=1)), S, {}),
    (
        "slurm",
        "7",
        200,
        _slurm(_slurm_job("PENDING", **_REST), _slurm_job("COMPLETED", job_id=8, array=7, task=0)),
        P,
        {"started_at": _STARTED},
    ),
    (
        "slurm",
        "7",
        200,
        _slurm(
            _slurm_job("PENDING", **_REST), _slurm_job("PENDING", job_id=8, array=7, task=0, state_reason="JobHeldUser")
        ),
        P,
        {},
    ),
    (
        "slurm",
        "7_0",
        200,
        _slurm(_slurm_job("PENDING", **_REST), _slurm_job("COMPLETED", job_id=8, array=7, task=0)),
        S,
        {},
    ),
    (
        "slurm",
        "7_3",
        200,
        _slurm(_slurm_job("PENDING", **_REST), _slurm_job("COMPLETED", job_id=8, array=7, task=0)),
        P,
        {},
    ),
    (
        "slurm",
        "7",
        200,
        _slurm(
            _slurm_job("COMPLETED", het_job_id=_set(7)), _slurm_job("FAILED", job_id=8, het_job_id=_set(7), **_NONZERO)
        ),
        F,
        {"error": "NonZeroExitCode, exit code 3"},
    ),
    ("slurm", "7", 200, _slurm(_old_job("RUNNING")), R, {"started_at": _STARTED, "ended_at": None, "created_at": _AT}),
    ("slurm", "7", 200, _slurm(_old_job("COMPLETING", state_reason="JobHeldUser")), R, {"started_at": None}),
    ("slurm", "7", 200, _slurm(_old_job("COMPLETED")), S, {"started_at": _STARTED, "ended_at": _ENDED}),
    ("slurm", "7", 200, _slurm(_old_job("PENDING", state_reason="JobHeldUser")), B, {"asked": "JobHeldUser"}),
    (
        "slurm",
        "7",
        200,
        _slurm(_old_job("FAILED", state_reason="NonZeroExitCode", exit_code=768)),
        F,
        {"error": "NonZeroExitCode"},
    ),
    (
        "slurm",
        "7",
        200,
        _slurm(_old_job("CANCELLED", nodes="", state_reason="JobHeldUser")),
        C,
        {"started_at": None, "ended_at": _ENDED},
    ),
    (
        "slurm",
        "7",
        200,
        _slurm(
            _old_job("COMPLETED", array_job_id=7, array_task_id=2),
            _old_job("FAILED", job_id=8, array_job_id=7, array_task_id=0, state_reason="NonZeroExitCode"),
        ),
        T,
        {"error": "NonZeroExitCode"},
    ),
    (
        "slurm",
        "7_0",
        200,
        _slurm(
            _old_job("COMPLETED", array_job_id=7, array_task_id=2),
            _old_job("FAILED", job_id=8, array_job_id=7, array_task_id=0),
        ),
        F,
        {},
    ),
    ("slurmdb", "7", 200, _slurm(_account("PENDING")), P, {"created_at": _AT, "started_at": None}),
    ("slurmdb", "7", 200, _slurm(_account("RUNNING")), R, {"started_at": _STARTED, "ended_at": None}),
    ("slurmdb", "7", 200, _slurm(_account("COMPLETED")), S, {"ended_at": _ENDED, "error": None, "type": "nap"}),
    (
        "slurmdb",
        "7",
        200,
        _slurm(_account("DEADLINE", nodes="None assigned", time={"start": 4294967294, "end": 1793527209})),
        F,
        {"started_at": None, "ended_at": _ENDED, "error": None},
    ),
    ("slurmdb", "7", 200, _slurm(_account("NODE_FAIL"), _account("PENDING")), P, {}),
    ("slurmdb", "7", 200, _slurm(_account("PENDING", "REQUEUED"), _account("COMPLETED")), S, {}),
    (
        "slurmdb",
        "8",
        200,
        _slurm(_account("FAILED", job_id=8, array=7, task=0, exit_code=_exit(3))),
        F,
        {"error": "exit code 3"},
    ),
    (
        "slurmdb",
        "7_0",
        200,
        _slurm(_account("FAILED", job_id=8, array=7, task=0, exit_code=_exit(signal=9))),
        F,
        {"error": "signal 9"},
    ),
    (
        "slurmdb",
        "7",
        200,
        _slurm(_account("COMPLETED", array=7, task=1), _account("FAILED", job_id=8, array=7, task=0)),
        Phase.UNKNOWN,
        {"status": "COMPLETED"},
    ),
    ("slurmdb", "7", 200, _slurm(_account("COMPLETED", het={"job_id": 7})), Phase.UNKNOWN, {}),
    (
        "slurmdb",
        "7_0",
        200,
        _slurm(
            _account(
                job_id=8,
                array={"job_id": 7, "task_id": 0},
                state={"current": "FAILED"},
                exit_code=_OLD_SIGNAL,
            )
        ),
        F,
        {"error": "signal 9"},
    ),
    ("buildkite", "7", 200, _build("passed", blocked=False), S, {"url": "https://buildkite.com/o/p/builds/7"}),
    ("buildkite", "7", 200, _build("passed", blocked=True), B, {"ended_at": None}),
    ("buildkite", "7", 200, _build("failed", blocked=True), F, {}),
    ("buildkite", "7", 200, _build("canceled", blocked=True), C, {}),
    ("terraform", "run-1", 200, _run("planned"), R, {}),
    ("terraform", "run-1", 200, _run("planned", confirmable=True), B, {"ended_at": None}),
    ("terraform", "run-1", 200, _run("applied"), S, {}),
    ("jenkins-build", "12", 200, {"id": "12", "result": None, "building": True, "inProgress": True}, R, {}),
    ("jenkins-build", "12", 200, {"id": "12", "result": "SUCCESS", "building": True, "inProgress": True}, R, {}),
    (
        "jenkins-build",
        "job/app/12",
        200,
        {"id": "12", "result": "UNSTABLE", "building": False, "url": "https://ci/1"},
        T,
        {},
    ),
    ("google", "o", 200, {"name": "o", "done": True, "error": {}}, F, {}),
    ("google", "o", 200, {"name": "o", "done": True, "error": {"code": 0, "message": ""}}, F, {}),
    ("google", "o", 200, {"name": "o", "done": True, "response": {}}, S, {}),
    ("google", "o", 200, {"name": "o", "done": True, "response": {}, "error": {"code": 0}}, S, {}),
    ("google", "o", 200, {"name": "o", "done": False, "error": {"code": 4, "message": "slow"}}, R, {}),
    (
        "google",
        "o",
        200,
        {
            "name": "o",
            "done": True,
            "response": {},
            "metadata": {"genericMetadata": {"partialFailures": [{"code": 3}]}},
        },
        T,
        {},
    ),
    ("vertex", "operations/v-1", 200, _veo(), R, {}),
    ("vertex", "operations/v-1", 200, _veo({"videos": [_VIDEO]}), S, {"result": [_VIDEO]}),
    ("vertex", "operations/v-1", 200, _veo({"videos": [_VIDEO], "raiMediaFilteredCount": 0}), S, {}),
    ("vertex", "operations/v-1", 200, _veo({"videos": [_VIDEO], "raiMediaFilteredCount": 1}), T, {}),
    (
        "vertex",
        "operations/v-1",
        200,
        _veo({"raiMediaFilteredCount": 2, "raiMediaFilteredReasons": ["not allowed"]}),
        F,
        {"error": "not allowed"},
    ),
    ("vertex", "operations/v-1", 200, _veo(done=True, error={"code": 3, "message": "bad prompt"}), F, {}),
    ("vertex", "operations/v-1", 200, _veo(done=True, error={"code": 1, "message": "stopped"}), C, {}),
    ("fal", "r", 200, {"request_id": "r", "status": "COMPLETED", "error": "boom"}, F, {"error": "boom"}),
    (
        "fal",
        "r",
        200,
        {"request_id": "r", "status": "COMPLETED", "error": "", "error_type": "request_timeout"},
        F,
        {"error": "request_timeout"},
    ),
    ("fal", "r", 200, {"request_id": "r", "status": "COMPLETED", "error": None, "error_type": None}, S, {}),
    ("fal", "r", 202, {"request_id": "r", "status": "IN_PROGRESS", "error": "retried"}, R, {}),
    (
        "github",
        "7",
        200,
        {"id": 7, "status": "waiting", "html_url": "https://github.com/o/r/actions/runs/7"},
        B,
        {
            "url": "https://github.com/o/r/actions/runs/7",
        },
    ),
    ("github", "7", 200, {"id": 7, "status": "completed", "conclusion": "action_required"}, B, {}),
    (
        "gitlab",
        "7",
        200,
        {"id": 7, "status": "manual", "web_url": "https://gitlab.com/g/p/7"},
        B,
        {
            "url": "https://gitlab.com/g/p/7",
        },
    ),
    ("databricks", "7", 200, {"run_id": 7, "status": {"state": "TERMINATED"}}, R, {}),
    (
        "databricks",
        "7",
        200,
        {"run_id": 7, "state": {"life_cycle_state": "TERMINATED", "result_state": "SUCCESS_WITH_FAILURES"}},
        T,
        {},
    ),
    *(
        (api, "/r/1", http_status, {"id": "/r/1", "properties": {"provisioningState": word}}, phase, {})
        for api in ("azure", "azure-arm")
        for http_status, word, phase in [
            (200, "Updating", Phase.UNKNOWN if api == "azure" else R),
            (200, "Provisioning", Phase.UNKNOWN),
            (202, "Accepted", P if api == "azure-arm" else R),
            (200, "Succeeded", S),
            (200, "Failed", F),
        ]
    ),
    *((api, "/r/1", 200, {"id": "/r/1", "name": "r"}, S, {"status": "HTTP 200"}) for api in ("azure", "azure-arm")),
    (
        "prefect",
        "f",
        200,
        {"id": "f", "state_type": "PAUSED", "state": {"name": "Suspended", "message": None}},
        B,
        {
            "asked": "Suspended",
        },
    ),
]
"""Replies that a word alone does not decide: the API, the id, the HTTP status, the body, what it means, and fields."""
