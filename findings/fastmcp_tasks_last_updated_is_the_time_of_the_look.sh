#!/bin/sh
# fastmcp-tasks 4.1.4 with fastmcp-slim 4.1.4 and mcp 2.3.0 (PyPI), tasks in memory, streamable HTTP on loopback.
#
# Guess: `lastUpdatedAt` of an MCP task says when the task last changed, so that a look which finds the same value need not
# read on, and an ended task keeps the time of its end.
# Seen: it is the time of the look. Two looks at a task that sleeps tell two times, and so do two looks at one that has
# ended: nothing in the reply says when the task ended, and no two replies are equal.
#
# Prints what was seen and exits 0; exits 1 when any of it changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check fastmcp-tasks==4.1.4 fastmcp-slim==4.1.4 mcp==2.3.0
cat >"$folder/served.py" <<'PYTHON'
import asyncio
import sys
from datetime import timedelta

from fastmcp import FastMCP
from fastmcp.utilities.tasks import TaskConfig
from fastmcp_tasks import TasksExtension

server = FastMCP("sleeper")
server.add_extension(TasksExtension())


@server.tool(task=TaskConfig(mode="required", poll_interval=timedelta(seconds=1)))
async def sleeper(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "slept"


server.run(transport="http", host="127.0.0.1", port=int(sys.argv[1]), show_banner=False, log_level="error")
PYTHON
"$folder/venv/bin/python" - "$folder/served.py" <<'PYTHON'
import json
import socket
import subprocess
import sys
import time
import urllib.request

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
extensions = {"io.modelcontextprotocol/tasks": {}}
meta = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {"extensions": extensions},
}


def asked(method, params):
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}}
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2026-07-28",
        "Mcp-Method": method,
        "Mcp-Name": params.get("name") or params["taskId"],
    }
    request = urllib.request.Request(f"http://127.0.0.1:{port}/mcp", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=20) as reply:
        return json.load(reply)["result"]


server = subprocess.Popen([sys.executable, sys.argv[1], str(port)])
try:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            time.sleep(0.1)
    started = asked("tools/call", {"name": "sleeper", "arguments": {"seconds": 3}})
    task_id = started.get("taskId") or started["task"]["taskId"]
    looks = []
    for pause in (0.5, 0.5, 4.0, 0.5):
        time.sleep(pause)
        told = asked("tasks/get", {"taskId": task_id})
        looks.append((told["status"], told["createdAt"], told["lastUpdatedAt"]))
finally:
    server.terminate()
    server.wait()
for look in looks:
    print(*look)
statuses, created, updated = zip(*looks)
assert statuses == ("working", "working", "completed", "completed"), statuses
assert len(set(created)) == 1, "the time of creation moves"
assert len(set(updated)) == 4, "the time of the last update does not move with each look any more"
PYTHON
