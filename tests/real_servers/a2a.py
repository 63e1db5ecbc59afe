"""A2A: an agent on a2a-sdk that ends as its message says, asked by the protocol's HTTP binding."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jobwatch import Client, Response

from .house import ask, environment, free_port, process, until_it_answers, workplace

REQUIREMENT = "a2a-sdk[http-server]==1.3.0 uvicorn starlette"
OUTCOMES = {
    "good": "succeeded",
    "bad": "failed",
    "raises": "failed",
    "rejects": "failed",
    "asks": "succeeded",
    "stopped": "cancelled",
}
VERSION = {"A2A-Version": "1.0"}

_AGENT = """
import asyncio, sys

import uvicorn
from a2a.helpers.proto_helpers import new_task_from_user_message, new_text_part
from a2a.server.agent_execution import AgentExecutor
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes, create_rest_routes
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types.a2a_pb2 import AgentCapabilities, AgentCard, AgentInterface, AgentSkill
from starlette.applications import Starlette


class Agent(AgentExecutor):
    async def execute(self, context, queue):
        kind, task = context.get_user_input(), context.current_task
        if task is None:
            task = new_task_from_user_message(context.message)
            await queue.enqueue_event(task)
        updater = TaskUpdater(queue, task.id, task.context_id)

        def says(text):
            return updater.new_agent_message([new_text_part(text)])

        if kind == "rejects":
            return await updater.reject(says("not my kind of task"))
        await updater.start_work(says("at work"))
        await asyncio.sleep(60 if kind == "stopped" else 2)
        if kind == "raises":
            raise RuntimeError("the agent broke")
        if kind == "bad":
            await updater.failed(says("the oven is cold"))
        elif kind == "asks":
            await updater.requires_input(says("which colour?"))
        else:
            await updater.add_artifact([new_text_part("42")])
            await updater.complete(says("done"))

    async def cancel(self, context, queue):
        updater = TaskUpdater(queue, context.task_id, context.context_id)
        await updater.cancel(updater.new_agent_message([new_text_part("stopped")]))


port = int(sys.argv[1])
url = f"http://127.0.0.1:{port}"
card = AgentCard(
    name="baker", description="bakes", version="1", default_input_modes=["text/plain"],
    default_output_modes=["text/plain"], capabilities=AgentCapabilities(streaming=True),
    skills=[AgentSkill(id="bake", name="bake", description="bakes", tags=["bake"])],
    supported_interfaces=[
        AgentInterface(url=f"{url}/rpc", protocol_binding="JSONRPC", protocol_version="1.0"),
        AgentInterface(url=url, protocol_binding="HTTP+JSON", protocol_version="1.0"),
    ],
)
handler = DefaultRequestHandler(agent_executor=Agent(), task_store=InMemoryTaskStore(), agent_card=card)
routes = create_agent_card_routes(card) + create_jsonrpc_routes(handler, "/rpc") + create_rest_routes(handler)
uvicorn.run(Starlette(routes=routes), host="127.0.0.1", port=port, log_level="warning")
"""


class Server:
    """The agent, asked by its HTTP binding."""

    def __init__(self, url: str) -> None:
        self.url = url

    def client(self) -> Client:
        """Return a client of it."""
        return Client("a2a", base_url=self.url)

    def start(self, kind: str) -> Response:
        """Start a task."""
        return ask("POST", f"{self.url}/message:send", message(kind), VERSION)

    def answer(self, job_id: str) -> Response:
        """Answer what a task asks."""
        return ask("POST", f"{self.url}/message:send", message("blue", taskId=job_id), VERSION)

    def cancel(self, job_id: str) -> Response:
        """Cancel a task."""
        return ask("POST", f"{self.url}/tasks/{job_id}:cancel", {}, VERSION)


def message(text: str, **more: Any) -> dict[str, Any]:
    """Return what is sent to an agent that is not to be waited for."""
    told = {"messageId": str(uuid.uuid4()), "role": "ROLE_USER", "parts": [{"text": text}], **more}
    return {"message": told, "configuration": {"returnImmediately": True}}


@contextlib.contextmanager
def agent(environments: Path) -> Iterator[str]:
    """Serve the agent, and give its address."""
    bin_folder, port = environment(environments, REQUIREMENT), free_port()
    with workplace() as folder:
        (folder / "agent.py").write_text(_AGENT)
        with process([str(bin_folder / "python"), "agent.py", str(port)], folder, {}) as server:
            until_it_answers(f"http://127.0.0.1:{port}/.well-known/agent-card.json", server, folder)
            yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def served(environments: Path) -> Iterator[Server]:
    """Serve it."""
    with agent(environments) as url:
        yield Server(url)
