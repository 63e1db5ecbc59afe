"""A2A: the same agent, asked by the protocol's JSON-RPC binding."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from jobwatch import Client, Response

from .a2a import OUTCOMES, REQUIREMENT, VERSION, agent, message
from .house import ask

__all__ = ["OUTCOMES", "REQUIREMENT", "Server", "served"]


class Server:
    """The agent, asked by its JSON-RPC binding."""

    def __init__(self, url: str) -> None:
        self.url = url

    def client(self) -> Client:
        """Return a client of it."""
        return Client("a2a-rpc", base_url=self.url, params={"path": "rpc"})

    def start(self, kind: str) -> Response:
        """Start a task."""
        return self._call("SendMessage", message(kind))

    def answer(self, job_id: str) -> Response:
        """Answer what a task asks."""
        return self._call("SendMessage", message("blue", taskId=job_id))

    def cancel(self, job_id: str) -> Response:
        """Cancel a task."""
        return self._call("CancelTask", {"id": job_id})

    def _call(self, method: str, params: object) -> Response:
        called = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return ask("POST", f"{self.url}/rpc", called, VERSION)


@contextlib.contextmanager
def served(environments: Path) -> Iterator[Server]:
    """Serve it."""
    with agent(environments) as url:
        yield Server(url)
