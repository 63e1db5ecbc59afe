"""A2A: the same agent, asked by the protocol's JSON-RPC binding."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from jobwatch import Client, Response

from . import a2a
from .a2a import NOWHERE, OPTIONS, OUTCOMES, REQUIREMENT, VERSION, agent, message
from .house import ask

__all__ = ["OPTIONS", "OUTCOMES", "REQUIREMENT", "TOLD", "Server", "served"]

TOLD = a2a.TOLD | {"refused": "-32009 A2A version '0.3' is not supported", "breaks": "-32603 no task yet"}


class Server:
    """The agent, asked by its JSON-RPC binding."""

    def __init__(self, url: str) -> None:
        self.url = url

    def client(self) -> Client:
        """Return a client of it."""
        return Client("a2a-rpc", base_url=self.url, params={"path": "rpc"})

    def start(self, kind: str) -> Response:
        """Start a task; of an unknown one, say what an agent says of any."""
        if kind == "unknown":
            return Response(msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "result": {"task": NOWHERE}}))
        return self._call("SendMessage", message(kind), {} if kind == "refused" else VERSION)

    def answer(self, job_id: str) -> Response:
        """Answer what a task asks."""
        return self._call("SendMessage", message("blue", taskId=job_id))

    def cancel(self, job_id: str) -> Response:
        """Cancel a task."""
        return self._call("CancelTask", {"id": job_id})

    def _call(self, method: str, params: object, version: Mapping[str, str] = VERSION) -> Response:
        called = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return ask("POST", f"{self.url}/rpc", called, version)


@contextlib.contextmanager
def served(environments: Path) -> Iterator[Server]:
    """Serve it."""
    with agent(environments) as url:
        yield Server(url)
