#!/bin/sh
# a2a-sdk 1.3.0 (PyPI), its own REST server on loopback, in-memory store.
#
# Guess: a list that is filtered by a status which no task has is empty, and one by a status that there is not is refused.
# Seen: `GET /tasks?status=...` with a word that is no state (the short `completed`, or CANCELLED with two L, which the
# 0.3 routes of the same SDK write) answers 200 and lists every task, as if nothing had been asked. A poller that asks
# for the tasks that have ended, by a word from another version, is told that all have, the working ones too.
#
# Prints what was seen and exits 0; exits 1 when any of it changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check 'a2a-sdk[http-server]==1.3.0' uvicorn==0.54.0 httpx==0.28.1
"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
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
        task_id = (await client.post("/message:send", json=body)).json()["task"]["id"]
        await asyncio.sleep(1.0)
        listed = {}
        for word in ("TASK_STATE_WORKING", "TASK_STATE_COMPLETED", "TASK_STATE_CANCELLED", "completed", "no-such-state"):
            answer = await client.get("/tasks", params={"status": word})
            listed[word] = answer.status_code, [task["id"] == task_id for task in answer.json().get("tasks", [])]
        await client.post(f"/tasks/{task_id}:cancel", json={})
    server.should_exit = True
    await serving
    for word, seen in listed.items():
        print(word, *seen)
    assert listed.pop("TASK_STATE_WORKING") == (200, [True])
    assert listed.pop("TASK_STATE_COMPLETED") == (200, [])
    assert set(map(str, listed.values())) == {"(200, [True])"}, "a word that is no state is not ignored any more"


asyncio.run(main())
PYTHON
