"""Prefect: flow runs that a process of ours runs, and one that is cancelled through the API."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jobwatch import Client, Response

from .house import ask, environment, free_port, plain, process, until_it_answers, workplace

REQUIREMENT = "prefect==3.8.8 fastapi==0.139.0"  # it does not start with every later one that it allows
OUTCOMES = {
    "good": "succeeded",
    "bad": "failed",
    "crashes": "failed",
    "asks": "succeeded",
    "parked": "blocked",
    "stopped": "cancelled",
    "unknown": "not_found",
}
TOLD = {"bad": "could not sleep", "crashes": "CRASHED", "asks": "PAUSED (", "parked": "PAUSED ("}
OPTIONS: dict[str, dict[str, Any]] = {"parked": {"fail_on": {"blocked"}}}

_FLOW = """
import sys, time
from prefect import flow, pause_flow_run
from prefect.runtime import flow_run

@flow
def nap(seconds: float):
    open(sys.argv[2], "w").write(flow_run.id)
    if seconds == 3:
        pause_flow_run(timeout=60, poll_interval=1)
    time.sleep(abs(seconds))
    if seconds < 0:
        raise RuntimeError("could not sleep")

nap(float(sys.argv[1]))
"""


class Server:
    """A Prefect server, started."""

    def __init__(self, url: str, python: Path, folder: Path, variables: dict[str, str]) -> None:
        self.url = url
        self._python = python
        self._folder = folder
        self._variables = variables
        self._flows = contextlib.ExitStack()

    def client(self) -> Client:
        """Return a client of it."""
        return Client("prefect", base_url=self.url, appear_within=5)

    def start(self, kind: str) -> Response:
        """Run a flow, or for one to be cancelled create a run that nobody works on."""
        if kind == "unknown":
            return Response({"id": "00000000-0000-4000-8000-000000000000"})
        if kind == "stopped":
            flow = plain(ask("POST", f"{self.url}/flows/", {"name": "nap"}))
            run = ask("POST", f"{self.url}/flow_runs/", {"flow_id": flow["id"], "state": {"type": "PENDING"}})
            self._set(plain(run)["id"], "RUNNING")
            return run
        told = self._folder / f"{kind}.id"
        seconds = {"good": "2", "bad": "-2", "crashes": "60"}.get(kind, "3")
        with (self._folder / f"{kind}.txt").open("wb") as log:
            command = [str(self._python), "flow.py", seconds, str(told)]
            running = subprocess.Popen(
                command, cwd=self._folder, env={**os.environ, **self._variables}, stdout=log, stderr=log
            )
        deadline = time.monotonic() + 60
        while not (told.exists() and told.read_text()) and time.monotonic() < deadline:
            time.sleep(0.1)
        if kind == "crashes":  # which the flow notices, and says, when it is asked to end
            running.terminate()
        return Response({"id": told.read_text()})

    def answer(self, job_id: str) -> Response:
        """Resume a run."""
        return ask("POST", f"{self.url}/flow_runs/{job_id}/resume", {})

    def cancel(self, job_id: str) -> Response:
        """Cancel a run."""
        return self._set(job_id, "CANCELLED")

    def _set(self, job_id: str, state: str) -> Response:
        return ask("POST", f"{self.url}/flow_runs/{job_id}/set_state", {"state": {"type": state}, "force": True})


@contextlib.contextmanager
def served(environments: Path) -> Iterator[Server]:
    """Serve it."""
    bin_folder, port = environment(environments, REQUIREMENT), free_port()
    with workplace() as folder:
        (folder / "flow.py").write_text(_FLOW)
        url = f"http://127.0.0.1:{port}/api"
        variables = {
            "PREFECT_HOME": str(folder),
            "PREFECT_API_URL": url,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
        }
        command = [str(bin_folder / "prefect"), "server", "start", "--host", "127.0.0.1", "--port", str(port)]
        with process(command, folder, variables) as server:
            until_it_answers(f"{url}/health", server, folder)
            yield Server(url, bin_folder / "python", folder, variables)
