"""MCP: a server on fastmcp whose tools run as tasks, one tool for each end."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jobwatch import Client, Response

from .house import ask, environment, free_port, plain, process, until_it_listens, workplace

REQUIREMENT = "fastmcp-tasks==4.1.4"
OUTCOMES = {
    "good": "succeeded",
    "bad": "failed",
    "raises": "failed",
    "asks": "succeeded",
    "stopped": "cancelled",
    "unknown": "not_found",
}
_VERSION = "2026-07-28"
_META = {
    "io.modelcontextprotocol/protocolVersion": _VERSION,
    "io.modelcontextprotocol/clientCapabilities": {"extensions": {"io.modelcontextprotocol/tasks": {}}},
}

_TOOLS = """
import asyncio, sys
from datetime import timedelta

import mcp_types
from fastmcp import Context, FastMCP
from fastmcp.utilities.tasks import TaskConfig
from fastmcp_tasks import TasksExtension
from mcp.shared.exceptions import MCPError

server = FastMCP("kitchen")
server.add_extension(TasksExtension())
task = TaskConfig(mode="required", poll_interval=timedelta(seconds=1))


@server.tool(task=task)
async def good() -> dict:
    await asyncio.sleep(2)
    return {"answer": 42}


@server.tool(task=task)
async def bad() -> str:
    await asyncio.sleep(1)
    raise ValueError("the oven is cold")


@server.tool(task=task)
async def raises() -> str:
    await asyncio.sleep(1)
    raise MCPError(code=-32050, message="the protocol broke")


@server.tool(task=task)
async def stopped() -> str:
    await asyncio.sleep(60)
    return "late"


@server.tool(task=task)
async def asks(context: Context) -> str:
    if context.input_responses:
        return "blue it is"
    form = {"type": "object", "properties": {"colour": {"type": "string"}}}
    asked = mcp_types.ElicitRequestFormParams(message="which colour?", requested_schema=form)
    return mcp_types.InputRequiredResult(input_requests={"colour": mcp_types.ElicitRequest(params=asked)})


server.run(transport="http", host="127.0.0.1", port=int(sys.argv[1]), show_banner=False, log_level="warning")
"""


class Server:
    """The server, started."""

    def __init__(self, url: str) -> None:
        self.url = url

    def client(self) -> Client:
        """Return a client of it."""
        return Client("mcp", base_url=self.url, appear_within=5)

    def start(self, kind: str) -> Response:
        """Start a task; of an unknown one, say what a server says of any."""
        if kind == "unknown":
            return Response(
                b'{"jsonrpc":"2.0","id":1,"result":{"resultType":"task","taskId":"none","status":"working"}}'
            )
        return self._call("tools/call", kind, {"name": kind, "arguments": {}})

    def answer(self, job_id: str) -> Response:
        """Answer what a task asks, under the names that it asks by."""
        told = plain(self._call("tasks/get", job_id, {"taskId": job_id}))
        said = {name: {"action": "accept", "content": {"colour": "blue"}} for name in told["result"]["inputRequests"]}
        return self._call("tasks/update", job_id, {"taskId": job_id, "inputResponses": said})

    def cancel(self, job_id: str) -> Response:
        """Cancel a task."""
        return self._call("tasks/cancel", job_id, {"taskId": job_id})

    def _call(self, method: str, name: str, params: dict[str, Any]) -> Response:
        called = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": _META}}
        accept = "application/json, text/event-stream"
        told = {"Accept": accept, "MCP-Protocol-Version": _VERSION, "Mcp-Method": method, "Mcp-Name": name}
        return ask("POST", f"{self.url}/mcp", called, told)


@contextlib.contextmanager
def served(environments: Path) -> Iterator[Server]:
    """Serve it."""
    bin_folder, port = environment(environments, REQUIREMENT), free_port()
    with workplace() as folder:
        (folder / "tools.py").write_text(_TOOLS)
        with process([str(bin_folder / "python"), "tools.py", str(port)], folder, {}) as running:
            until_it_listens(port, running, folder)
            yield Server(f"http://127.0.0.1:{port}")
