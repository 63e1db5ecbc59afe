#!/bin/sh
# llama-agents-server 0.8.0 and llama-agents-client 0.4.1 with llama-index-workflows 2.26.1 (PyPI), the server's
# WorkflowServer on loopback, in memory.
#
# Guess: `GET /handlers/ID` answers 200 with the job's record and its status, whatever that is, as the list does; the
# client's `wait_for_handler` returns when the status is an end, failed and cancelled among them.
# Seen: the record of a job that has failed, or that was cancelled as asked, is answered with HTTP 500, at each look and
# for good, with the right status in it. So `wait_for_handler` raises httpx's HTTPStatusError for it, as for a server
# that is out of order, and a poller that tries 5xx again never sees the end. The list `GET /handlers` shows the same
# records in an answer 200.
#
# Prints what was seen and exits 0; exits 1 when any of it changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check llama-agents-server==0.8.0 llama-agents-client==0.4.1 \
  llama-index-workflows==2.26.1
cat >"$folder/served.py" <<'PYTHON'
import asyncio
import sys

from llama_agents.server import WorkflowServer
from workflows import Workflow, step
from workflows.events import StartEvent, StopEvent


class Sleeper(Workflow):
    @step
    async def sleep(self, event: StartEvent) -> StopEvent:
        await asyncio.sleep(event.seconds)
        if event.fails:
            raise ValueError("not this one")
        return StopEvent(result="slept")


server = WorkflowServer()
server.add_workflow("sleeper", Sleeper())
asyncio.run(server.serve(host="127.0.0.1", port=int(sys.argv[1])))
PYTHON
"$folder/venv/bin/python" - "$folder/served.py" <<'PYTHON'
import asyncio
import signal
import socket
import subprocess
import sys

import httpx
from llama_agents.client import WorkflowClient

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
url = f"http://127.0.0.1:{port}"


async def main():
    client = WorkflowClient(base_url=url)
    async with httpx.AsyncClient(base_url=url, timeout=20) as plain:
        for _ in range(300):
            try:
                await plain.get("/health")
                break
            except httpx.TransportError:
                await asyncio.sleep(0.1)

        async def told(seconds, fails=False, cancelled=False):
            job = await client.run_workflow_nowait("sleeper", start_event={"seconds": seconds, "fails": fails})
            if cancelled:
                await asyncio.sleep(0.5)
                await client.cancel_handler(job.handler_id)
            try:
                waited = (await client.wait_for_handler(job.handler_id, timeout=10)).status
            except httpx.HTTPStatusError:
                waited = "HTTPStatusError"
            looks = [await plain.get(f"/handlers/{job.handler_id}") for _ in range(2)]
            listed = {each.handler_id: each.status for each in (await client.get_handlers()).handlers}
            return waited, {(look.status_code, look.json()["status"]) for look in looks}, listed[job.handler_id]

        return [await told(0.5), await told(0.5, fails=True), await told(30, cancelled=True)]


server = subprocess.Popen(
    [sys.executable, sys.argv[1], str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
)
try:
    seen = asyncio.run(main())
finally:
    server.send_signal(signal.SIGINT)
    server.wait()
print("what wait_for_handler gave, what two looks were answered, what the list says")
for each in seen:
    print(*each)
assert seen[0] == ("completed", {(200, "completed")}, "completed"), seen[0]
assert seen[1] == ("HTTPStatusError", {(500, "failed")}, "failed"), "a job that failed is told otherwise now"
assert seen[2] == ("HTTPStatusError", {(500, "cancelled")}, "cancelled"), "one that was cancelled is told otherwise now"
PYTHON
