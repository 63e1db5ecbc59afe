"""MCP: a server on fastmcp whose tools run as tasks, one tool for each end."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jobwatch import Client, Response

from .house import ask, environment, free_port, plain, process, until_it_listens, workplace

REQUIREMENT = "fastmcp-tasks==4.1.4"
OUTCOMES = {
    "good": "succeeded",
    "bad": "failed",
    "reports": "failed",
    "raises": "failed",
    "asks": "succeeded",
    "parked": "blocked",
    "patient": "succeeded",
    "stopped": "cancelled",
    "stopped_in_vain": "cancelled",
    "long": "timeout",
    "unknown": "not_found",
    "brief": "succeeded",
    "forgotten": "not_found",
    "given_up": "not_found",
    "refused": "refused",
    "inline": "failed",
    "nothing": "failed",
    "quick": "succeeded",
    "quick_nothing": "succeeded",
}
TOLD = {
    "bad": "the oven is cold",
    "reports": "no flour",
    "raises": "the protocol broke",
    "asks": "which colour?",
    "parked": "which colour?",
    "given_up": "which colour?",
    "patient": "(3 looks",  # the start, and after 5 s and 10 s, as it says: the tool takes 6 s
    "refused": "-32021 ",
    "inline": "over at its start: ",
    "nothing": "over at its start: ",
    "quick": "over at its start",
    "quick_nothing": "over at its start",
}
OPTIONS: dict[str, dict[str, Any]] = {"parked": {"fail_on": {"blocked"}}, "long": {"timeout": 4.0}}
KEPT = 3
"""For how many seconds the second server keeps a task after its end."""
ON_THE_SECOND = ("brief", "forgotten", "given_up")
_VERSION = "2026-07-28"
_CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
_META: dict[str, Any] = {
    "io.modelcontextprotocol/protocolVersion": _VERSION,
    _CAPABILITIES: {"extensions": {"io.modelcontextprotocol/tasks": {}}},
}

_TOOLS = """
import asyncio, sys
from datetime import timedelta

import docket
import mcp_types
from fastmcp import Context, FastMCP
from fastmcp.exceptions import ToolError
from fastmcp.utilities.tasks import TaskConfig
from fastmcp_tasks import TasksExtension
from mcp.shared.exceptions import MCPError

if len(sys.argv) > 2:  # there is no setting for how long tasks are kept
    usual = docket.Docket.__init__

    def changed(self, *args, **options):
        usual(self, *args, **{**options, "execution_ttl": timedelta(seconds=float(sys.argv[2]))})

    docket.Docket.__init__ = changed

server = FastMCP("kitchen")
server.add_extension(TasksExtension())
task = TaskConfig(mode="required", poll_interval=timedelta(seconds=1))


@server.tool(task=task)
async def good(seconds: float = 2) -> dict:
    await asyncio.sleep(seconds)
    return {"answer": 42}


@server.tool
async def quick() -> str:
    return "done"


@server.tool
async def quick_nothing() -> None:
    pass


@server.tool(task=task)
async def research(topic: str) -> str:
    return f"all about {topic}"


@server.tool(task=True)
async def patient() -> str:
    await asyncio.sleep(6)
    return "done"


@server.tool(task=task)
async def bad() -> str:
    await asyncio.sleep(1)
    raise ValueError("the oven is cold")


@server.tool(task=task)
async def reports() -> str:
    await asyncio.sleep(1)
    raise ToolError("no flour")


@server.tool(task=task)
async def raises() -> str:
    await asyncio.sleep(1)
    raise MCPError(code=-32050, message="the protocol broke")


@server.tool(task=task)
async def stopped() -> str:
    await asyncio.sleep(60)
    return "late"


@server.tool(task=task)
async def stopped_in_vain() -> str:
    for _ in range(12):
        try:
            await asyncio.sleep(0.5)
        except asyncio.CancelledError:
            pass
    return "went on"


@server.tool(task=task)
async def asks(context: Context) -> str:
    if context.input_responses:
        return "blue it is"
    form = {"type": "object", "properties": {"colour": {"type": "string"}}}
    asked = mcp_types.ElicitRequestFormParams(message="which colour?", requested_schema=form)
    return mcp_types.InputRequiredResult(input_requests={"colour": mcp_types.ElicitRequest(params=asked)})


server.tool(name="parked", task=task)(asks)


port = int(sys.argv[1])
server.run(transport="http", host="127.0.0.1", port=port, show_banner=False, log_level="warning")
"""
_TOOL: dict[str, tuple[str, dict[str, Any]]] = {
    "given_up": ("asks", {}),
    "brief": ("good", {"seconds": 6}),
    "forgotten": ("good", {"seconds": 0.5}),
    "refused": ("good", {}),
    "long": ("stopped", {}),
    "inline": ("good", {"seconds": "many"}),
    "nothing": ("no_such_tool", {}),
}
"""Which tool is called with what, where that is not one of the kind's name without anything."""


class Server:
    """Two servers, of which the second forgets its tasks soon."""

    def __init__(self, urls: tuple[str, str]) -> None:
        self._urls = urls
        self.url = urls[0]

    def client(self) -> Client:
        """Return a client of the one that the last task was started on."""
        return Client("mcp", base_url=self.url, appear_within=5)

    def start(self, kind: str) -> Response:
        """Start a task; of an unknown one, say what a server says of any."""
        self.url = self._urls[kind in ON_THE_SECOND]
        if kind == "unknown":
            return Response(
                b'{"jsonrpc":"2.0","id":1,"result":{"resultType":"task","taskId":"none","status":"working"}}'
            )
        tool, arguments = _TOOL.get(kind, (kind, {}))
        meta = _META if kind != "refused" else {**_META, _CAPABILITIES: {}}
        started = self._call("tools/call", tool, {"name": tool, "arguments": arguments}, meta)
        if kind == "forgotten":
            time.sleep(KEPT + 3)
        return started

    def answer(self, job_id: str) -> Response:
        """Answer what a task asks, under the names that it asks by."""
        told = plain(self._call("tasks/get", job_id, {"taskId": job_id}))
        said = {name: {"action": "accept", "content": {"colour": "blue"}} for name in told["result"]["inputRequests"]}
        return self._call("tasks/update", job_id, {"taskId": job_id, "inputResponses": said})

    def cancel(self, job_id: str) -> Response:
        """Cancel a task."""
        return self._call("tasks/cancel", job_id, {"taskId": job_id})

    def _call(self, method: str, name: str, params: dict[str, Any], meta: Mapping[str, Any] = _META) -> Response:
        called = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}}
        accept = "application/json, text/event-stream"
        told = {"Accept": accept, "MCP-Protocol-Version": _VERSION, "Mcp-Method": method, "Mcp-Name": name}
        return ask("POST", f"{self.url}/mcp", called, told)


@contextlib.contextmanager
def served(environments: Path) -> Iterator[Server]:
    """Serve it."""
    with tools(environments) as usual, tools(environments, str(KEPT)) as forgetful:
        yield Server((usual, forgetful))


@contextlib.contextmanager
def tools(environments: Path, *options: str) -> Iterator[str]:
    """Serve the tools, and give the address."""
    bin_folder, port = environment(environments, REQUIREMENT), free_port()
    with workplace() as folder:
        (folder / "tools.py").write_text(_TOOLS)
        with process([str(bin_folder / "python"), "tools.py", str(port), *options], folder, {}) as running:
            until_it_listens(port, running, folder)
            yield f"http://127.0.0.1:{port}"
