"""A2A 0.3: the same agent, asked by the routes of the version before, HTTP and JSON-RPC in turn."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from jobwatch import Client, Response

from . import a2a
from .a2a import OPTIONS, REQUIREMENT, agent
from .house import ask

__all__ = ["OPTIONS", "OUTCOMES", "REQUIREMENT", "TOLD", "Server", "served"]

OUTCOMES = {kind: outcome for kind, outcome in a2a.OUTCOMES.items() if kind != "refused"}
TOLD = {kind: told for kind, told in a2a.TOLD.items() if kind != "refused"}
VERSION = {"A2A-Version": "0.3"}


class Server:
    """The agent, asked by its HTTP binding of 0.3."""

    def __init__(self, url: str) -> None:
        self.url = url

    def client(self) -> Client:
        """Return a client of it."""
        return Client("a2a", base_url=f"{self.url}/v1", params={"version": "0.3"})

    def start(self, kind: str) -> Response:
        """Start a task; of an unknown one, say what an agent says of any."""
        if kind == "unknown":
            return Response(msgspec.json.encode({"task": a2a.NOWHERE}))
        return self._send(kind)

    def answer(self, job_id: str) -> Response:
        """Answer what a task asks."""
        return self._send("blue", taskId=job_id)

    def cancel(self, job_id: str) -> Response:
        """Cancel a task."""
        return ask("POST", f"{self.url}/v1/tasks/{job_id}:cancel", {}, VERSION)

    def _send(self, text: str, **more: Any) -> Response:
        sent = a2a.message(text, **more)
        sent["message"]["content"] = sent["message"].pop("parts")
        return ask("POST", f"{self.url}/v1/message:send", sent | {"configuration": {"blocking": False}}, VERSION)


@contextlib.contextmanager
def served(environments: Path) -> Iterator[Server]:
    """Serve it."""
    with agent(environments, "0.3") as url:
        yield Server(url)
