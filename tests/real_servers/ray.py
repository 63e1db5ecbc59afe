"""Ray: jobs submitted to the dashboard of a cluster of one node."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from jobwatch import Client, Response

from .house import ask, environment, free_port, process, until_it_answers, workplace

REQUIREMENT = "ray[default]==2.60.0"
OUTCOMES = {"good": "succeeded", "bad": "failed", "stopped": "cancelled"}


class Server:
    """The dashboard, started."""

    def __init__(self, url: str) -> None:
        self.url = url

    def client(self) -> Client:
        """Return a client of it."""
        return Client("ray", base_url=self.url)

    def start(self, kind: str) -> Response:
        """Submit a job."""
        command = {"good": "sleep 2", "bad": "sleep 1; exit 3", "stopped": "sleep 60"}[kind]
        return ask("POST", f"{self.url}/api/jobs/", {"entrypoint": command})

    def cancel(self, job_id: str) -> Response:
        """Stop a job."""
        return ask("POST", f"{self.url}/api/jobs/{job_id}/stop", {})


@contextlib.contextmanager
def served(environments: Path) -> Iterator[Server]:
    """Serve it."""
    bin_folder, port, head = environment(environments, REQUIREMENT), free_port(), free_port()
    with workplace() as folder:
        variables = {"RAY_TMPDIR": str(folder), "RAY_USAGE_STATS_ENABLED": "0", "PATH": f"{bin_folder}:/usr/bin:/bin"}
        command = [
            *(str(bin_folder / "ray"), "start", "--head", "--block", "--num-cpus=1", "--disable-usage-stats"),
            *(f"--port={head}", "--node-ip-address=127.0.0.1", "--dashboard-host=127.0.0.1"),
            *(f"--dashboard-port={port}", f"--temp-dir={folder}", "--object-store-memory=100000000"),
        ]
        with process(command, folder, variables) as server:
            until_it_answers(f"http://127.0.0.1:{port}/api/version", server, folder)
            yield Server(f"http://127.0.0.1:{port}")
