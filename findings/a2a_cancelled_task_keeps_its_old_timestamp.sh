#!/bin/sh
# a2a-sdk 1.3.0 (PyPI), its own REST server on loopback, in-memory store.
#
# Guess: when a task is cancelled, its status changes, so `status.timestamp` moves, and a list that asks for what changed
# after that moment (`statusTimestampAfter`) shows the task.
# Seen: where the agent only cleans up in `cancel` and writes no status of its own, the SDK makes the task
# TASK_STATE_CANCELED, but with the timestamp and the message of the working state before it. The list that asks for
# changes since just before the cancel does not hold the task. A poller that compares timestamps, or follows the list,
# never learns of the end; only the state itself tells it.
#
# Prints what was seen and exits 0; exits 1 when any of it changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check 'a2a-sdk[http-server]==1.3.0' uvicorn==0.54.0 httpx==0.28.1
"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import datetime
import socket

import httpx
import uvicorn
from a2a.helpers.proto_helpers import new_task_from_user_message, new_text_part
from a2a.server.agent_execution import AgentExecutor
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes import create_rest_routes
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types.a2a_pb2 import AgentCapabilities, AgentCard, AgentInterface, AgentSkill
from starlette.applications import Starlette


class Sleeper(AgentExecutor):
    async def execute(self, context, event_queue):
        task = new_task_from_user_message(context.message)
        await event_queue.enqueue_event(task)
        updater = TaskUpdater(event_queue, task.id, task.context_id)
        await updater.start_work(updater.new_agent_message([new_text_part("at work")]))
        await asyncio.sleep(60)

    async def cancel(self, context, event_queue):
        """Nothing to clean up."""


async def main():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = AgentInterface(url=f"http://127.0.0.1:{port}", protocol_binding="HTTP+JSON", protocol_version="1.0")
    skill = AgentSkill(id="sleep", name="sleep", description="sleeps for a minute", tags=["sleep"])
    card = AgentCard(
        name="sleeper",
        description="sleeps",
        version="1",
        capabilities=AgentCapabilities(streaming=True),
        supported_interfaces=[address],
        skills=[skill],
        default_input_modes=["text/plain"],
        default_output_modes=["text/plain"],
    )
    handler = DefaultRequestHandler(agent_executor=Sleeper(), task_store=InMemoryTaskStore(), agent_card=card)
    config = uvicorn.Config(Starlette(routes=create_rest_routes(handler)), host="127.0.0.1", port=port, log_level="error")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.05)
    headers = {"A2A-Version": "1.0"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=20) as client:
        message = {"messageId": "m1", "role": "ROLE_USER", "parts": [{"text": "sleep"}]}
        body = {"message": message, "configuration": {"returnImmediately": True}}
        started = (await client.post("/message:send", json=body)).json()
        task_id = started["task"]["id"]
        await asyncio.sleep(1.0)
        before = (await client.get(f"/tasks/{task_id}")).json()["status"]
        await asyncio.sleep(1.0)
        since = datetime.datetime.now(datetime.UTC).isoformat().replace("+00:00", "Z")
        await asyncio.sleep(0.2)
        cancelled = await client.post(f"/tasks/{task_id}:cancel", json={})
        await asyncio.sleep(0.5)
        after = (await client.get(f"/tasks/{task_id}")).json()["status"]
        listed = (await client.get("/tasks", params={"statusTimestampAfter": since})).json().get("tasks", [])
    server.should_exit = True
    await serving
    print("cancel answered", cancelled.status_code)
    print("before:", before["state"], before["timestamp"], before["message"]["parts"][0]["text"])
    print("after: ", after["state"], after.get("timestamp"), after.get("message", {}).get("parts"))
    print("listed as changed since before the cancel:", [task["id"] == task_id for task in listed])
    assert before["state"] == "TASK_STATE_WORKING" and after["state"] == "TASK_STATE_CANCELED"
    assert after["timestamp"] == before["timestamp"] < since, "the timestamp moves now"
    assert after["message"] == before["message"], "the message is another one now"
    assert listed == [], "the list shows it now"


asyncio.run(main())
PYTHON
