"""Luigi's central scheduler, where a task lies under its id, through the table in `tests.table.elsewhere`."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jobwatch import Client

from .house import ask, environment, free_port, own_api, plain, process, until_it_answers, workplace

REQUIREMENT = "luigi==3.8.1"
OUTCOMES = {"good": "succeeded", "bad": "failed"}  # a task cannot be cancelled there

_TASKS = """
import time, luigi

class Nap(luigi.Task):
    seconds = luigi.IntParameter()
    done = False

    def run(self):
        time.sleep(abs(self.seconds))
        if self.seconds < 0:
            raise RuntimeError("could not sleep")
        self.done = True

    def complete(self):
        return self.done
"""


class Server:
    """The scheduler, started."""

    def __init__(self, url: str, bin_folder: Path, folder: Path) -> None:
        self.url = url
        self._bin = bin_folder
        self._folder = folder

    def client(self) -> Client:
        """Return a client of it."""
        return Client(own_api("luigi"), base_url=self.url)

    def start(self, kind: str) -> str:
        """Run a task in a process of its own, and return what the scheduler calls it."""
        seconds = {"good": "3", "bad": "-3"}[kind]
        command = [str(self._bin / "luigi"), "--module", "naps", "Nap", f"--seconds={seconds}"]
        with (self._folder / f"{kind}.txt").open("wb") as log:
            subprocess.Popen(
                [*command, "--scheduler-url", self.url],
                cwd=self._folder,
                env={**os.environ, "PYTHONPATH": str(self._folder)},
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for name, task in self._tasks().items():
                if task["params"] == {"seconds": seconds}:
                    return name
            time.sleep(0.1)
        raise RuntimeError("Luigi has no such task")

    def _tasks(self) -> dict[str, Any]:
        tasks: dict[str, Any] = plain(ask("GET", f"{self.url}/api/task_list?data={quote(json.dumps({}))}"))["response"]
        return tasks


@contextlib.contextmanager
def served(environments: Path) -> Iterator[Server]:
    """Serve it."""
    bin_folder, port = environment(environments, REQUIREMENT), free_port()
    with workplace() as folder:
        (folder / "naps.py").write_text(_TASKS)
        command = [str(bin_folder / "luigid"), "--address", "127.0.0.1", "--port", str(port)]
        with process(command, folder, {}) as server:
            until_it_answers(f"http://127.0.0.1:{port}/api/task_list?data=%7B%7D", server, folder)
            yield Server(f"http://127.0.0.1:{port}", bin_folder, folder)
