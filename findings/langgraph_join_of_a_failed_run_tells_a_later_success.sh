#!/bin/sh
# langgraph-api 0.16.7 with langgraph 1.2.24 and langgraph-sdk 0.4.14 (PyPI), `langgraph dev` of one graph on loopback,
# in memory.
#
# Guess: `GET /threads/T/runs/R/join` waits for the run R and tells how R ended; the SDK's `runs.join` raises for one
# that failed, as `runs.wait` does.
# Seen: it waits for R, and then tells what its thread holds. Of a run that failed that is HTTP 200 with `__error__`,
# which `wait` raises and `join` returns; and when a later run on the thread has succeeded, `join` of the failed one
# returns what the later one made, and nothing of an error. The status of the run reads `error` all the while, so it
# has to be asked for as well.
#
# Prints what was seen and exits 0; exits 1 when any of it changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check 'langgraph-cli[inmem]==0.4.40' langgraph-api==0.16.7 \
  langgraph-runtime-inmem==0.36.7 langgraph==1.2.24 langgraph-sdk==0.4.14
cat >"$folder/picky.py" <<'PYTHON'
from typing import TypedDict

from langgraph.graph import END, START, StateGraph


class State(TypedDict, total=False):
    task: str
    answer: str


async def work(state: State) -> State:
    if state["task"] == "bad":
        raise ValueError("not this one")
    return {"answer": "done"}


builder = StateGraph(State)
builder.add_node("work", work)
builder.add_edge(START, "work")
builder.add_edge("work", END)
graph = builder.compile()
PYTHON
echo '{"dependencies": ["."], "graphs": {"picky": "./picky.py:graph"}}' >"$folder/langgraph.json"
cd "$folder"
export HOME="$folder" LANGSMITH_TRACING=false LANGGRAPH_CLI_NO_ANALYTICS=1 PATH="$folder/venv/bin:$PATH"
"$folder/venv/bin/python" - <<'PYTHON'
import signal
import socket
import subprocess
import time
import urllib.request

from langgraph_sdk import get_sync_client

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
url = f"http://127.0.0.1:{port}"
server = subprocess.Popen(
    ["langgraph", "dev", "--no-browser", "--no-reload", "--host", "127.0.0.1", "--port", str(port)],
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
)
try:
    for _ in range(600):
        try:
            urllib.request.urlopen(f"{url}/ok", timeout=20).close()
            break
        except OSError:
            time.sleep(0.1)
    client = get_sync_client(url=url)
    thread = client.threads.create()["thread_id"]
    try:
        waited = client.runs.wait(thread, "picky", input={"task": "bad"})
    except Exception as error:
        waited = f"raised {error}"
    failed = client.runs.create(thread, "picky", input={"task": "bad"})["run_id"]
    joined = [client.runs.join(thread, failed)]
    status = [client.runs.get(thread, failed)["status"]]
    client.runs.wait(thread, "picky", input={"task": "good"})
    joined.append(client.runs.join(thread, failed))
    status.append(client.runs.get(thread, failed)["status"])
finally:
    server.send_signal(signal.SIGINT)
    server.wait()
print("wait for a run that failed:", waited)
print("join of one that failed:", joined[0], "its status:", status[0])
print("the same after a later run:", joined[1], "its status:", status[1])
assert waited == "raised ValueError: not this one", waited
assert status == ["error", "error"], status
assert joined[0] == {"__error__": {"error": "ValueError", "message": "not this one"}}, "join tells the end otherwise now"
assert joined[1] == {"task": "good", "answer": "done"}, joined[1]
PYTHON
