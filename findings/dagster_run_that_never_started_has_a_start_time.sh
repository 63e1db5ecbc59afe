#!/bin/sh
# dagster 1.13.28 with dagster-webserver 1.13.28 (PyPI), its GraphQL on loopback; nothing takes runs from the queue.
#
# Guess: `startTime` of a run that was cancelled while it was QUEUED is null, as it is while it waits: it never started.
# Seen: it is null only until then. With the end comes a start, and both are the moment of the cancel, so the run reads
# as one that started and lasted no time; only the log of its events shows that there was no start. Whoever takes
# `startTime` for a sign that the work had begun, or learns durations from these two times, is told of a run that never
# was.
#
# Prints what was seen and exits 0; exits 1 when any of it changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check dagster==1.13.28 dagster-webserver==1.13.28
cat >"$folder/defined.py" <<'PYTHON'
import dagster


@dagster.op
def work():
    """Does nothing."""


@dagster.job
def job():
    work()


definitions = dagster.Definitions(jobs=[job])
PYTHON
mkdir "$folder/home"
echo 'telemetry: {enabled: false}' >"$folder/home/dagster.yaml"
cd "$folder"
export HOME="$folder" DAGSTER_HOME="$folder/home" PATH="$folder/venv/bin:$PATH"
"$folder/venv/bin/python" - <<'PYTHON'
import json
import signal
import socket
import subprocess
import time
import urllib.request

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]


def asked(query, **variables):
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/graphql", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as reply:
        return json.load(reply)["data"]


LAUNCH = """mutation ($wanted: ExecutionParams!) {launchRun(executionParams: $wanted) {
    ... on LaunchRunSuccess {run {runId}}}}"""
LOOK = """query ($run: ID!) {runOrError(runId: $run) {
    ... on Run {status startTime endTime eventConnection {events {... on MessageEvent {eventType}}}}}}"""
CANCEL = "mutation ($run: String!) {terminateRun(runId: $run) {__typename}}"
server = subprocess.Popen(
    ["dagster-webserver", "-f", "defined.py", "-h", "127.0.0.1", "-p", str(port)],
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
)
try:
    for _ in range(600):
        try:
            asked("{version}")
            break
        except OSError:
            time.sleep(0.2)
    selector = {"repositoryLocationName": "defined.py", "repositoryName": "__repository__", "jobName": "job"}
    run = asked(LAUNCH, wanted={"selector": selector, "runConfigData": {}})["launchRun"]["run"]["runId"]
    waiting = asked(LOOK, run=run)["runOrError"]
    answered = asked(CANCEL, run=run)["terminateRun"]["__typename"]
    cancelled = asked(LOOK, run=run)["runOrError"]
finally:
    server.send_signal(signal.SIGINT)
    server.wait()
for look in (waiting, cancelled):
    print(look["status"], "started", look["startTime"], "ended", look["endTime"])
events = [event.get("eventType") for event in cancelled["eventConnection"]["events"]]
print("its events:", *events)
assert answered == "TerminateRunSuccess", answered
assert (waiting["status"], waiting["startTime"], waiting["endTime"]) == ("QUEUED", None, None), waiting
assert cancelled["status"] == "CANCELED" and "RUN_START" not in events and "PIPELINE_START" not in events, cancelled
assert cancelled["startTime"] is not None, "a run that never started has no start time now"
assert cancelled["startTime"] == cancelled["endTime"], cancelled
PYTHON
