"""Celery's Flower, with a worker and a broker that is a folder, through the table in `tests.table.elsewhere`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from jobwatch import Client, Response

from .house import ask, environment, free_port, own_api, process, until_it_answers, workplace

REQUIREMENT = "flower==2.2.0"
OUTCOMES = {"good": "succeeded", "bad": "failed", "stopped": "cancelled"}

_TASKS = """
import os, time
from celery import Celery

app = Celery("naps", broker="filesystem://", backend=f"file://{os.getcwd()}/results")
app.conf.broker_transport_options = {"data_folder_in": "queue", "data_folder_out": "queue", "control_folder": "control"}
app.conf.task_track_started = True

@app.task
def nap(seconds):
    time.sleep(abs(seconds))
    if seconds < 0:
        raise RuntimeError("could not sleep")
    return {"slept": seconds}
"""


class Server:
    """Flower, started."""

    def __init__(self, url: str) -> None:
        self.url = url

    def client(self) -> Client:
        """Return a client of it."""
        return Client(own_api("flower"), base_url=self.url)

    def start(self, kind: str) -> Response:
        """Send a task."""
        seconds = {"good": 2, "bad": -2, "stopped": 60}[kind]
        return ask("POST", f"{self.url}/api/task/async-apply/naps.nap", {"args": [seconds]})

    def cancel(self, job_id: str) -> Response:
        """Revoke a task."""
        return ask("POST", f"{self.url}/api/task/revoke/{job_id}?terminate=true")


@contextlib.contextmanager
def served(environments: Path) -> Iterator[Server]:
    """Serve it."""
    bin_folder, port = environment(environments, REQUIREMENT), free_port()
    with workplace() as folder:
        (folder / "naps.py").write_text(_TASKS)
        for name in ("queue", "control", "results", "of_worker"):
            (folder / name).mkdir()
        celery = [str(bin_folder / "celery"), "-A", "naps"]
        flower = [*celery, "flower", "--address=127.0.0.1", f"--port={port}"]
        variables = {"FLOWER_UNAUTHENTICATED_API": "true"}
        with (
            process([*celery, "worker", "-E", "-c", "2"], folder, {}, "worker.txt") as worker,
            process(flower, folder, variables) as server,
        ):
            until_it_answers(f"http://127.0.0.1:{port}/api/workers", server, folder)
            if worker.poll() is not None:
                raise RuntimeError((folder / "worker.txt").read_text())
            yield Server(f"http://127.0.0.1:{port}")
