#!/bin/sh
# apache-airflow 3.3.2 (PyPI), all its parts on loopback (`airflow standalone`, SQLite), one deferred task.
#
# Guess: a trigger's `on_kill` comes when a person ends the task, as its documentation says, and not when the trigger has
# fired and the task goes on; so it is the place where the work elsewhere is cancelled, as in an operator's `on_kill`.
# Seen: a trigger that yields its event and then takes a few seconds to come to its end is cancelled and its `on_kill`
# called a second or two after the yield, while the task is resumed and becomes a success. Whoever cancels the remote job
# there cancels what may have been started since. (Seen: on_kill after 1.1 s, resumed after 1.6 s, `end` never.)
#
# Prints what was seen and exits 0; exits 1 when any of it changes. It takes about two minutes.
set -eu
folder=$(mktemp -d)
server=
trap 'test -z "$server" || kill -- -"$server" 2>/dev/null || true; sleep 3; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check 'apache-airflow==3.3.2'
mkdir "$folder/dags"
cat > "$folder/dags/lingering.py" <<'PYTHON'
import asyncio
import os
import time

from airflow.sdk import BaseOperator, dag
from airflow.triggers.base import BaseTrigger, TriggerEvent


def note(what):
    with open(os.environ["NOTES"], "a") as notes:
        notes.write(f"{time.time():.2f} {what}\n")


class Lingers(BaseTrigger):
    def serialize(self):
        return "lingering.Lingers", {}

    async def run(self):
        await asyncio.sleep(15)  # the worker has ended by then
        note("yield")
        yield TriggerEvent("over")
        await asyncio.sleep(15)
        note("end")

    async def on_kill(self):
        note("on_kill")


class Waits(BaseOperator):
    def execute(self, context):
        self.defer(trigger=Lingers(), method_name="resumed")

    def resumed(self, context, event):
        note("resumed")


@dag(schedule=None, is_paused_upon_creation=False)
def lingering():
    Waits(task_id="wait", retries=0)


lingering()
PYTHON
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export AIRFLOW_HOME="$folder" NOTES="$folder/notes" PYTHONPATH="$folder/dags" PATH="$folder/venv/bin:$PATH"
export AIRFLOW__CORE__LOAD_EXAMPLES=False AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS=True
export AIRFLOW__CORE__EXECUTION_API_SERVER_URL="http://127.0.0.1:$port/execution/"
export AIRFLOW__API__PORT="$port" AIRFLOW__API__HOST=127.0.0.1 AIRFLOW__API__BASE_URL="http://127.0.0.1:$port" AIRFLOW__API__WORKERS=1
touch "$NOTES"
setsid "$folder/venv/bin/airflow" standalone > "$folder/log.txt" 2>&1 &
server=$!
python3 - "http://127.0.0.1:$port" <<'PYTHON'
import json
import os
import sys
import time
import urllib.error
import urllib.request

TOKEN = ""


def ask(method, path, body=None):
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"}
    request = urllib.request.Request(sys.argv[1] + path, json.dumps(body).encode() if body else None, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)
    except (urllib.error.HTTPError, OSError):
        return None


def until(holds, seconds):
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, "Airflow did not get that far"
        time.sleep(0.5)
    return found


TOKEN = until(lambda: ask("GET", "/auth/token"), 240)["access_token"]
run = {"dag_run_id": "one", "logical_date": None}
until(lambda: ask("POST", "/api/v2/dags/lingering/dagRuns", run), 120)
task = "/api/v2/dags/lingering/dagRuns/one/taskInstances/wait"
until(lambda: ask("GET", task)["state"] in ("success", "failed"), 120)
time.sleep(4)
state = ask("GET", task)["state"]
notes = [line.split() for line in open(os.environ["NOTES"])]
print(f"the task: {state}; what happened, in seconds since the yield:")
began = next(float(at) for at, what in notes if what == "yield")
for at, what in notes:
    print(f"  {float(at) - began:5.1f}  {what}")
happened = {what: float(at) - began for at, what in notes}
assert state == "success", state
assert "on_kill" in happened and "end" not in happened, happened
PYTHON
