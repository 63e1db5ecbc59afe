"""Dagster: GraphQL by POST, through the table in `tests.table.elsewhere`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jobwatch import Client, Response

from .house import ask, environment, free_port, own_api, plain, process, until_it_answers, workplace

REQUIREMENT = "dagster-webserver==1.13.27"
OUTCOMES = {"good": "succeeded", "bad": "failed", "stopped": "cancelled"}

_JOBS = """
import time
from dagster import Config, Definitions, job, op

class Nap(Config):
    seconds: float

@op
def sleep(config: Nap):
    time.sleep(abs(config.seconds))
    if config.seconds < 0:
        raise RuntimeError("could not sleep")

@job
def nap():
    sleep()

defs = Definitions(jobs=[nap])
"""
_CONFIG = """
run_coordinator: {module: dagster.core.run_coordinator, class: DefaultRunCoordinator}
telemetry: {enabled: false}
"""
_PLACES = "{repositoriesOrError {... on RepositoryConnection {nodes {name location {name}}}}}"
_START = """
mutation($params: ExecutionParams!) {
  launchPipelineExecution(executionParams: $params) {... on LaunchRunSuccess {run {runId status}}}
}
"""
_STOP = "mutation($id: String!) {terminateRun(runId: $id) {__typename}}"


class Server:
    """Dagster, started."""

    def __init__(self, url: str) -> None:
        self.url = url

    def client(self) -> Client:
        """Return a client of it."""
        return Client(own_api("dagster"), base_url=self.url)

    def start(self, kind: str) -> Response:
        """Launch a run."""
        seconds = {"good": 1.0, "bad": -1.0, "stopped": 60.0}[kind]
        place = plain(self._ask(_PLACES))["data"]["repositoriesOrError"]["nodes"][0]
        job = {
            "repositoryName": place["name"],
            "repositoryLocationName": place["location"]["name"],
            "pipelineName": "nap",
        }
        config = {"ops": {"sleep": {"config": {"seconds": seconds}}}}
        return self._ask(_START, params={"selector": job, "runConfigData": config, "mode": "default"})

    def cancel(self, job_id: str) -> Response:
        """Terminate a run."""
        return self._ask(_STOP, id=job_id)

    def _ask(self, query: str, **variables: Any) -> Response:
        return ask("POST", f"{self.url}/graphql", {"query": query, "variables": variables})


@contextlib.contextmanager
def served(environments: Path) -> Iterator[Server]:
    """Serve it."""
    bin_folder, port = environment(environments, REQUIREMENT), free_port()
    with workplace() as folder:
        (folder / "naps.py").write_text(_JOBS)
        (folder / "dagster.yaml").write_text(_CONFIG)
        command = [str(bin_folder / "dagster-webserver"), "-f", "naps.py", "-h", "127.0.0.1", "-p", str(port)]
        with process(command, folder, {"DAGSTER_HOME": str(folder)}) as server:
            until_it_answers(f"http://127.0.0.1:{port}/server_info", server, folder)
            yield Server(f"http://127.0.0.1:{port}")
