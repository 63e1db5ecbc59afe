"""A2A: an agent on a2a-sdk that ends as its message says, asked by the protocol's HTTP binding."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from jobwatch import Client, Response

from .house import ask, environment, free_port, process, until_it_answers, workplace

REQUIREMENT = "a2a-sdk[http-server,sqlite]==1.3.0 uvicorn starlette"
OUTCOMES = {
    "good": "succeeded",
    "quiet": "succeeded",
    "bad": "failed",
    "raises": "failed",
    "rejects": "failed",
    "asks": "succeeded",
    "parked": "blocked",
    "authorizes": "succeeded",
    "stopped": "cancelled",
    "stopped_silently": "cancelled",
    "stopped_in_vain": "failed",
    "unfinished": "timeout",
    "unknown": "not_found",
    "refused": "refused",
    "breaks": "refused",
    "says": "finished",
}
TOLD = {
    "bad": "the oven is cold",
    "rejects": "not my kind of task",
    "asks": "which colour?",
    "parked": "which colour?",
    "authorizes": "log in first",
    "refused": "A2A version '0.3' is not supported",
    "breaks": "unknown exception",
    "says": "over at its start",
}
OPTIONS: dict[str, dict[str, Any]] = {"parked": {"fail_on": {"blocked"}}, "unfinished": {"timeout": 4.0}}
NOWHERE: dict[str, Any] = {"id": "none", "contextId": "none", "status": {"state": "TASK_STATE_SUBMITTED"}}
VERSION = {"A2A-Version": "1.0"}

_AGENT = """
import asyncio, sys

import uvicorn
from a2a.helpers.proto_helpers import new_task_from_user_message, new_text_message, new_text_part
from a2a.server.agent_execution import AgentExecutor
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes, create_rest_routes
from a2a.server.tasks import DatabaseTaskStore, InMemoryTaskStore, TaskUpdater
from a2a.types.a2a_pb2 import AgentCapabilities, AgentCard, AgentInterface, AgentSkill
from a2a.utils.errors import TaskNotCancelableError
from starlette.applications import Starlette


class Agent(AgentExecutor):
    async def execute(self, context, queue):
        kind, task = context.get_user_input(), context.current_task
        if kind == "breaks":
            raise RuntimeError("no task yet")
        if kind == "says":
            return await queue.enqueue_event(new_text_message("42"))
        if task is None:
            task = new_task_from_user_message(context.message)
            await queue.enqueue_event(task)
        updater = TaskUpdater(queue, task.id, task.context_id)

        def says(text):
            return updater.new_agent_message([new_text_part(text)])

        kind, _, seconds = kind.partition(":")
        if kind == "rejects":
            return await updater.reject(says("not my kind of task"))
        if kind == "quiet":
            for part in ("4", "2"):
                await asyncio.sleep(0.5)
                await updater.add_artifact([new_text_part(part)], artifact_id="a", append=part == "2")
            return await updater.complete()
        if kind == "authorizes":
            await updater.requires_auth(says("log in first"))
            await asyncio.sleep(3)
        await updater.start_work(says("at work"))
        await asyncio.sleep(float(seconds) if seconds else 60 if kind.startswith("stopped") else 1.5)
        if kind == "raises":
            raise RuntimeError("the agent broke")
        if kind == "bad":
            await updater.failed(says("the oven is cold"))
        elif kind in ("asks", "parked"):
            await updater.requires_input(says("which colour?"))
        elif kind != "unfinished":
            await updater.add_artifact([new_text_part("42")])
            await updater.complete(says("done"))

    async def cancel(self, context, queue):
        kind = context.current_task.history[0].parts[0].text
        if kind == "stopped_in_vain":
            raise TaskNotCancelableError("not now")
        if kind != "stopped_silently":
            updater = TaskUpdater(queue, context.task_id, context.context_id)
            await updater.cancel(updater.new_agent_message([new_text_part("stopped")]))


def store_of(path):
    if not path:
        return InMemoryTaskStore()
    from sqlalchemy.ext.asyncio import create_async_engine

    return DatabaseTaskStore(create_async_engine(f"sqlite+aiosqlite:///{path}"))


port, compat, path = int(sys.argv[1]), sys.argv[2] == "0.3", sys.argv[3]
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
handler = DefaultRequestHandler(agent_executor=Agent(), task_store=store_of(path), agent_card=card)
routes = (
    create_agent_card_routes(card)
    + create_jsonrpc_routes(handler, "/rpc", enable_v0_3_compat=compat)
    + create_rest_routes(handler, enable_v0_3_compat=compat)
)
uvicorn.run(Starlette(routes=routes), host="127.0.0.1", port=port, log_level="warning", timeout_graceful_shutdown=1)
"""


class Server:
    """The agent, asked by its HTTP binding."""

    def __init__(self, url: str) -> None:
        self.url = url

    def client(self) -> Client:
        """Return a client of it."""
        return Client("a2a", base_url=self.url)

    def start(self, kind: str) -> Response:
        """Start a task; of an unknown one, say what an agent says of any."""
        if kind == "unknown":
            return Response(msgspec.json.encode({"task": NOWHERE}))
        return ask("POST", f"{self.url}/message:send", message(kind), {} if kind == "refused" else VERSION)

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
def agent(environments: Path, version: str = "1.0") -> Iterator[str]:
    """Serve the agent, and give its address."""
    port = free_port()
    with workplace() as folder, running_agent(environments, folder, port, version):
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def running_agent(environments: Path, folder: Path, port: int, version: str = "1.0", store: str = "") -> Iterator[None]:
    """Serve the agent at a port, and with a database of its tasks where one is named."""
    bin_folder = environment(environments, REQUIREMENT)
    (folder / "agent.py").write_text(_AGENT)
    with process([str(bin_folder / "python"), "agent.py", str(port), version, store], folder, {}) as server:
        until_it_answers(f"http://127.0.0.1:{port}/.well-known/agent-card.json", server, folder)
        yield


@contextlib.contextmanager
def served(environments: Path) -> Iterator[Server]:
    """Serve it."""
    with agent(environments) as url:
        yield Server(url)
