#!/bin/sh
# a2a-sdk 1.3.0 (PyPI), its own REST server with the 0.3 routes switched on, on loopback, in-memory store.
#
# Guess: one server spells the state of one task in one way, whichever of its routes is asked.
# Seen: a cancelled task is TASK_STATE_CANCELED at the route of A2A 1.0 (`/tasks/ID`) and TASK_STATE_CANCELLED at the
# route of 0.3 that the same process serves (`/v1/tasks/ID`): one L and two, for the same task in the same moment, while
# all other states are spelt the same at both. A poller that compares words by their letters waits for ever at one of them.
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
    config = uvicorn.Config(Starlette(routes=create_rest_routes(handler, enable_v0_3_compat=True)), host="127.0.0.1", port=port, log_level="error")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.05)
    new, old = {"A2A-Version": "1.0"}, {"A2A-Version": "0.3"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:

        async def states(task_id):
            replies = await client.get(f"/tasks/{task_id}", headers=new), await client.get(f"/v1/tasks/{task_id}", headers=old)
            return tuple(reply.json()["status"]["state"] for reply in replies)

        message = {"messageId": "m1", "role": "ROLE_USER", "parts": [{"text": "sleep"}]}
        body = {"message": message, "configuration": {"returnImmediately": True}}
        task_id = (await client.post("/message:send", json=body, headers=new)).json()["task"]["id"]
        await asyncio.sleep(1.0)
        at_work = await states(task_id)
        await client.post(f"/tasks/{task_id}:cancel", json={}, headers=new)
        await asyncio.sleep(0.5)
        cancelled = await states(task_id)
    server.should_exit = True
    await serving
    print("at work:  ", *at_work)
    print("cancelled:", *cancelled)
    assert at_work == ("TASK_STATE_WORKING", "TASK_STATE_WORKING")
    assert cancelled == ("TASK_STATE_CANCELED", "TASK_STATE_CANCELLED"), "the two are spelt otherwise now"


asyncio.run(main())
PYTHON
