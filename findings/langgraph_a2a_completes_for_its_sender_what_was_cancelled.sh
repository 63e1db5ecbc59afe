#!/bin/sh
# langgraph-api 0.16.7 with langgraph 1.2.24 (PyPI), `langgraph dev` of one graph on loopback, in memory, asked by
# A2A 1.0 (JSON-RPC).
#
# Guess: who sends a message and waits for the answer (SendMessage) is told how the task ended: where somebody else
# cancels it meanwhile, TASK_STATE_CANCELED, as GetTask says.
# Seen: the sender is told TASK_STATE_COMPLETED, with an artifact of which the text is empty; the one who cancels, and
# GetTask and ListTasks of the same id from then on, TASK_STATE_CANCELED. An answer that says COMPLETED has to be looked
# up before it is believed.
#
# Prints what was seen and exits 0; exits 1 when any of it changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check 'langgraph-cli[inmem]==0.4.40' langgraph-api==0.16.7 \
  langgraph-runtime-inmem==0.36.7 langgraph==1.2.24
cat >"$folder/slow.py" <<'PYTHON'
import asyncio

from langgraph.graph import END, START, MessagesState, StateGraph


async def work(state: MessagesState) -> MessagesState:
    await asyncio.sleep(20)
    return {"messages": [("ai", "done")]}


builder = StateGraph(MessagesState)
builder.add_node("work", work)
builder.add_edge(START, "work")
builder.add_edge("work", END)
graph = builder.compile()
PYTHON
echo '{"dependencies": ["."], "graphs": {"slow": "./slow.py:graph"}}' >"$folder/langgraph.json"
cd "$folder"
export HOME="$folder" LANGSMITH_TRACING=false LANGGRAPH_CLI_NO_ANALYTICS=1 PATH="$folder/venv/bin:$PATH"
"$folder/venv/bin/python" - <<'PYTHON'
import concurrent.futures
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
    headers = {"Content-Type": "application/json", "Accept": "application/json", "A2A-Version": "1.0"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, headers)
    with urllib.request.urlopen(request, timeout=60) as reply:
        return json.load(reply)


def called(method, **params):
    return asked(agent, {"jsonrpc": "2.0", "id": "1", "method": method, "params": params})["result"]


def words(task):
    texts = [part.get("text") for artifact in task.get("artifacts", []) for part in artifact["parts"]]
    return task["status"]["state"], texts


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
    agent = "/a2a/" + asked("/assistants/search", {})[0]["assistant_id"]
    message = {"messageId": "m1", "role": "ROLE_USER", "parts": [{"text": "work"}]}
    with concurrent.futures.ThreadPoolExecutor() as pool:
        sent = pool.submit(called, "SendMessage", message=message)
        for _ in range(300):
            listed = called("ListTasks")["tasks"]
            if listed and listed[0]["status"]["state"] == "TASK_STATE_WORKING":
                break
            time.sleep(0.1)
        task_id = listed[0]["id"]
        canceller = words(called("CancelTask", id=task_id))
        sender = sent.result()["task"]
    time.sleep(1.0)
    looked = words(called("GetTask", id=task_id))
    listed = [words(task) for task in called("ListTasks")["tasks"] if task["id"] == task_id]
finally:
    server.send_signal(signal.SIGINT)
    server.wait()
print("the sender is told", *words(sender))
print("the one who cancels", *canceller)
print("a look, and the list", *looked, *listed)
assert sender["id"] == task_id, sender
assert words(sender) == ("TASK_STATE_COMPLETED", [""]), "the sender is told otherwise now"
assert canceller[0] == looked[0] == listed[0][0] == "TASK_STATE_CANCELED", (canceller, looked, listed)
PYTHON
