#!/bin/sh
# langgraph-api 0.16.7 with langgraph 1.2.24 (PyPI), `langgraph dev` of one graph on loopback, in memory.
#
# Guess: a run whose graph stops at `interrupt()`, to ask a person, has the status `interrupted`; `success` is that of a
# run which came to the end of its graph.
# Seen: the run that asks is a `success`, though nothing of its answer is there and the person was not asked yet;
# `interrupted` is what a run reads that was cancelled. Only the thread's status tells that somebody is waited for,
# and that is `interrupted` after a cancel, too. A poller of the run calls a job good that waits for a person.
#
# Prints what was seen and exits 0; exits 1 when any of it changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check 'langgraph-cli[inmem]==0.4.40' langgraph-api==0.16.7 \
  langgraph-runtime-inmem==0.36.7 langgraph==1.2.24
cat >"$folder/asking.py" <<'PYTHON'
import asyncio
from typing import TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt


class State(TypedDict, total=False):
    task: str
    answer: str


async def work(state: State) -> State:
    if state["task"] == "ask":
        return {"answer": interrupt("may I?")}
    await asyncio.sleep(0 if state["task"] == "end" else 30)
    return {"answer": "done"}


builder = StateGraph(State)
builder.add_node("work", work)
builder.add_edge(START, "work")
builder.add_edge("work", END)
graph = builder.compile()
PYTHON
echo '{"dependencies": ["."], "graphs": {"asking": "./asking.py:graph"}}' >"$folder/langgraph.json"
cd "$folder"
export HOME="$folder" LANGSMITH_TRACING=false LANGGRAPH_CLI_NO_ANALYTICS=1 PATH="$folder/venv/bin:$PATH"
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


def asked(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as reply:
        return json.loads(reply.read() or b"null")


def told(task, cancelled=False):
    thread = "/threads/" + asked("/threads", {})["thread_id"]
    run = f"{thread}/runs/" + asked(f"{thread}/runs", {"assistant_id": "asking", "input": {"task": task}})["run_id"]
    for _ in range(300):
        status = asked(run)["status"]
        if cancelled and status == "running":
            asked(f"{run}/cancel?wait=true", {})
        elif status not in ("pending", "running"):
            break
        time.sleep(0.1)
    return status, asked(thread)["status"], asked(f"{thread}/state")["values"].get("answer")


server = subprocess.Popen(
    ["langgraph", "dev", "--no-browser", "--no-reload", "--host", "127.0.0.1", "--port", str(port)],
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
)
try:
    for _ in range(600):
        try:
            asked("/ok")
            break
        except OSError:
            time.sleep(0.1)
    seen = {"came to its end": told("end"), "asks a person": told("ask"), "was cancelled": told("sleep", cancelled=True)}
finally:
    server.send_signal(signal.SIGINT)
    server.wait()
print("a run that ...: its status, its thread's status, the answer in its state")
for what, ends in seen.items():
    print(f"{what}:", *ends)
assert seen["came to its end"] == ("success", "idle", "done"), seen
assert seen["asks a person"] == ("success", "interrupted", None), "a run that asks is told otherwise now"
assert seen["was cancelled"] == ("interrupted", "interrupted", None), seen
PYTHON
