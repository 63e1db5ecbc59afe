"""A2A 0.3: the same agent, asked by the JSON-RPC binding of the version before."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from jobwatch import Client, Response

from . import a2a_03, a2a_rpc
from .a2a import OPTIONS, REQUIREMENT, agent, message
from .a2a_03 import OUTCOMES, VERSION
from .house import ask

__all__ = ["OPTIONS", "OUTCOMES", "REQUIREMENT", "TOLD", "Server", "served"]

TOLD = a2a_03.TOLD | {"breaks": a2a_rpc.TOLD["breaks"]}
_NOWHERE = {"kind": "task", "id": "none", "contextId": "none", "status": {"state": "submitted"}}


class Server:
    """The agent, asked by its JSON-RPC binding of 0.3."""

    def __init__(self, url: str) -> None:
        self.url = url

    def client(self) -> Client:
        """Return a client of it."""
        params = {"path": "rpc", "version": "0.3", "method": "tasks/get"}
        return Client("a2a-rpc", base_url=self.url, params=params)

    def start(self, kind: str) -> Response:
        """Start a task; of an unknown one, say what an agent says of any."""
        if kind == "unknown":
            return Response(msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "result": _NOWHERE}))
        return self._send(kind)

    def answer(self, job_id: str) -> Response:
        """Answer what a task asks."""
        return self._send("blue", taskId=job_id)

    def cancel(self, job_id: str) -> Response:
        """Cancel a task."""
        return self._call("tasks/cancel", {"id": job_id})

    def _send(self, text: str, **more: Any) -> Response:
        told = message(text, **more)["message"]
        parts = [{"kind": "text", **part} for part in told["parts"]]
        sent = told | {"kind": "message", "role": "user", "parts": parts}
        return self._call("message/send", {"message": sent, "configuration": {"blocking": False}})

    def _call(self, method: str, params: object) -> Response:
        called = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return ask("POST", f"{self.url}/rpc", called, VERSION)


@contextlib.contextmanager
def served(environments: Path) -> Iterator[Server]:
    """Serve it."""
    with agent(environments, "0.3") as url:
        yield Server(url)
