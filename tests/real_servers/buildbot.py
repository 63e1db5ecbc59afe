"""Buildbot: a master and its worker in one process, through the table in `tests.table.elsewhere`."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from jobwatch import Client, Response

from .house import ask, environment, free_port, own_api, plain, process, until_it_answers, workplace

REQUIREMENT = "buildbot==4.3.0 buildbot-worker==4.3.0 buildbot-www==4.3.0 setuptools"
OUTCOMES = {"good": "succeeded", "bad": "failed", "stopped": "cancelled"}

_CONFIG = """
from buildbot.plugins import schedulers, steps, util, worker

def builder(name, script):
    factory = util.BuildFactory([steps.ShellCommand(command=["sh", "-c", script])])
    return util.BuilderConfig(name=name, workernames=["w"], factory=factory)

BuildmasterConfig = {{
    "workers": [worker.LocalWorker("w")],
    "builders": [builder("good", "sleep 2"), builder("bad", "sleep 2; exit 1"), builder("stopped", "exec sleep 60")],
    "schedulers": [schedulers.ForceScheduler(name="force", builderNames=["good", "bad", "stopped"])],
    "www": {{"port": "tcp:{port}:interface=127.0.0.1", "plugins": {{}}}},
    "buildbotURL": "http://127.0.0.1:{port}/",
    "buildbotNetUsageData": None,
    "db": {{"db_url": "sqlite:///state.sqlite"}},
    "protocols": {{"pb": {{"port": "tcp:{other_port}:interface=127.0.0.1"}}}},
}}
"""


class Server:
    """Buildbot, started."""

    def __init__(self, url: str) -> None:
        self.url = url

    def client(self) -> Client:
        """Return a client of it."""
        return Client(own_api("buildbot"), base_url=self.url)

    def start(self, kind: str) -> Response:
        """Force a build."""
        builders = plain(ask("GET", f"{self.url}/api/v2/builders"))["builders"]
        number = next(builder["builderid"] for builder in builders if builder["name"] == kind)
        told = plain(self._control("forceschedulers/force", "force", {"builderid": str(number)}))
        return Response({"buildrequestid": told["result"][1][str(number)]})

    def cancel(self, job_id: str) -> Response:
        """Stop a build."""
        return self._control(f"buildrequests/{job_id}", "cancel", {"reason": "no more"})

    def _control(self, path: str, method: str, params: dict[str, str]) -> Response:
        call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return ask("POST", f"{self.url}/api/v2/{path}", call)


@contextlib.contextmanager
def served(environments: Path) -> Iterator[Server]:
    """Serve it."""
    bin_folder, port = environment(environments, REQUIREMENT), free_port()
    with workplace() as folder:
        buildbot = str(bin_folder / "buildbot")
        subprocess.run([buildbot, "create-master", "-q", "master"], cwd=folder, check=True)
        (folder / "master" / "master.cfg").write_text(_CONFIG.format(port=port, other_port=free_port()))
        with process([buildbot, "start", "--nodaemon", "master"], folder, {}) as server:
            until_it_answers(f"http://127.0.0.1:{port}/api/v2/builders", server, folder)
            yield Server(f"http://127.0.0.1:{port}")
