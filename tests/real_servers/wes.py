"""WES: Sapporo, with a runner that sleeps in place of a workflow engine."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

from jobwatch import Client, Response

from .house import ask, environment, free_port, plain, process, until_it_answers, workplace

REQUIREMENT = "sapporo==2.4.0"
OUTCOMES = {
    "good": "succeeded",
    "bad": "failed",
    "breaks": "failed",
    "preempted": "failed",
    "paused": "succeeded",
    "stopped": "cancelled",
    "deleted": "cancelled",
    "unknown": "not_found",
}
TOLD = {"breaks": "SYSTEM_ERROR", "preempted": "PREEMPTED", "paused": "PAUSED (", "deleted": "DELETED"}

_RUNNER = """
folder=$1
ended() {
    date -u +%Y-%m-%dT%H:%M:%SZ >"$folder/end_time.txt"
    echo "$1" >"$folder/exit_code.txt"
    printf "$2" >"$folder/state.txt"
    exit 0
}
trap 'kill $napping; ended 138 CANCELED' USR1
echo $$ >"$folder/run.pid"
date -u +%Y-%m-%dT%H:%M:%SZ >"$folder/start_time.txt"
printf RUNNING >"$folder/state.txt"
if grep -q stopped "$folder/exe/workflow_params.json"; then sleep 60 & else sleep 2 & fi
napping=$!
wait $napping
if grep -q paused "$folder/exe/workflow_params.json"; then printf PAUSED >"$folder/state.txt"; sleep 4; fi
if grep -q breaks "$folder/exe/workflow_params.json"; then ended 2 SYSTEM_ERROR; fi
if grep -q preempted "$folder/exe/workflow_params.json"; then ended 3 PREEMPTED; fi
if grep -q bad "$folder/exe/workflow_params.json"; then ended 1 EXECUTOR_ERROR; fi
ended 0 COMPLETE
"""


class Server:
    """Sapporo, started."""

    def __init__(self, url: str) -> None:
        self.url = url

    def client(self) -> Client:
        """Return a client of it."""
        return Client("wes", base_url=self.url, appear_within=5)

    def start(self, kind: str) -> Response:
        """Start a run; of an unknown one, say what a service says of any."""
        if kind == "unknown":
            return Response(b'{"run_id":"00000000-0000-4000-8000-000000000000"}')
        told = {
            "workflow_params": f'{{"kind": "{kind}"}}',
            "workflow_type": "CWL",
            "workflow_type_version": "v1.2",
            "workflow_engine": "cwltool",
            "workflow_url": "https://workflows.example.com/nap.cwl",
        }
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        started = ask("POST", f"{self.url}/runs", urlencode(told).encode(), form)
        if kind == "deleted":
            time.sleep(4)
            ask("DELETE", f"{self.url}/runs/{plain(started)['run_id']}")
        return started

    def cancel(self, job_id: str) -> Response:
        """Cancel a run."""
        return ask("POST", f"{self.url}/runs/{job_id}/cancel")


@contextlib.contextmanager
def served(environments: Path) -> Iterator[Server]:
    """Serve it."""
    bin_folder, port = environment(environments, REQUIREMENT), free_port()
    with workplace() as folder:
        (folder / "runs").mkdir()
        (folder / "run.sh").write_text(_RUNNER)
        command = [
            *(str(bin_folder / "sapporo"), "--host", "127.0.0.1", "--port", str(port)),
            *("--run-dir", str(folder / "runs"), "--run-sh", str(folder / "run.sh")),
        ]
        with process(command, folder, {}) as server:
            until_it_answers(f"http://127.0.0.1:{port}/service-info", server, folder)
            yield Server(f"http://127.0.0.1:{port}")
