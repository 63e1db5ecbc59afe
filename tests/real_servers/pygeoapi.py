"""pygeoapi: OGC API - Processes, with a process that sleeps and may fail.

To dismiss a job there is to delete it, so a manager of our own keeps it as dismissed until it is deleted once more.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from jobwatch import Client, Response

from .house import ask, environment, free_port, process, until_it_answers, workplace

REQUIREMENT = "pygeoapi==0.21.0"
OUTCOMES = {"good": "succeeded", "bad": "failed", "stopped": "cancelled", "stopped_twice": "not_found"}
TOLD = {"bad": "could not sleep", "stopped": "dismissed"}

_PROCESSOR = """
import time
from pygeoapi.process.base import BaseProcessor, ProcessorExecuteError

METADATA = {
    "version": "1", "id": "nap", "title": "Nap", "description": "Sleeps", "jobControlOptions": ["async-execute"],
    "keywords": [], "links": [], "inputs": {"seconds": {"title": "s", "schema": {"type": "number"}, "minOccurs": 1}},
    "outputs": {"slept": {"title": "slept", "schema": {"type": "object"}}}, "example": {"inputs": {"seconds": 1}},
}

class Nap(BaseProcessor):
    def __init__(self, definition):
        super().__init__(definition, METADATA)

    def execute(self, data, outputs=None):
        time.sleep(abs(data["seconds"]))
        if data["seconds"] < 0:
            raise ProcessorExecuteError("could not sleep")
        return "application/json", {"slept": data["seconds"]}
"""

_MANAGER = """
from pygeoapi.process.manager.tinydb_ import TinyDBManager

class Keeping(TinyDBManager):
    def delete_job(self, job_id):
        if self.get_job(job_id)["status"] == "dismissed":
            return super().delete_job(job_id)
        return self.update_job(job_id, {"status": "dismissed"})
"""

_CONFIG = """
server:
  bind: {{host: 127.0.0.1, port: {port}}}
  url: http://127.0.0.1:{port}
  mimetype: application/json; charset=UTF-8
  encoding: utf-8
  languages: [en-US]
  limits: {{default_items: 10, max_items: 100}}
  map: {{url: "https://example.com", attribution: none}}
  manager: {{name: keeping.Keeping, connection: {folder}/jobs.db, output_dir: {folder}}}
logging: {{level: ERROR}}
metadata:
  identification:
    title: {{en: t}}
    description: {{en: d}}
    keywords: {{en: [k]}}
    keywords_type: theme
    terms_of_service: "https://example.com"
    url: "https://example.com"
  license: {{name: n, url: "https://example.com"}}
  provider: {{name: n, url: "https://example.com"}}
  contact:
    {{name: n, position: p, address: a, city: c, stateorprovince: s, postalcode: p, country: c, phone: p, fax: f,
    email: e, url: u, hours: h, instructions: i, role: r}}
resources:
  nap: {{type: process, processor: {{name: nap.Nap}}}}
"""


class Server:
    """pygeoapi, started."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._kind = ""

    def client(self) -> Client:
        """Return a client of it."""
        return Client("ogc", base_url=self.url, appear_within=5)

    def start(self, kind: str) -> Response:
        """Start a job."""
        self._kind = kind
        seconds = {"good": 2, "bad": -2}.get(kind, 60)
        return ask(
            "POST",
            f"{self.url}/processes/nap/execution",
            {"inputs": {"seconds": seconds}},
            {"Prefer": "respond-async"},
        )

    def cancel(self, job_id: str) -> Response:
        """Cancel a job."""
        told = ask("DELETE", f"{self.url}/jobs/{job_id}")
        return ask("DELETE", f"{self.url}/jobs/{job_id}") if self._kind == "stopped_twice" else told


@contextlib.contextmanager
def served(environments: Path) -> Iterator[Server]:
    """Serve it."""
    bin_folder, port = environment(environments, REQUIREMENT), free_port()
    with workplace() as folder:
        (folder / "nap.py").write_text(_PROCESSOR)
        (folder / "keeping.py").write_text(_MANAGER)
        (folder / "config.yml").write_text(_CONFIG.format(port=port, folder=folder))
        variables = {
            "PYTHONPATH": str(folder),
            "PYGEOAPI_CONFIG": str(folder / "config.yml"),
            "PYGEOAPI_OPENAPI": str(folder / "openapi.yml"),
        }
        command = [str(bin_folder / "pygeoapi"), "openapi", "generate", "config.yml", "--output-file", "openapi.yml"]
        with process(command, folder, variables) as made:
            made.wait(120)
        if made.returncode:
            raise subprocess.CalledProcessError(made.returncode, command, (folder / "log.txt").read_text())
        with process([str(bin_folder / "pygeoapi"), "serve"], folder, variables) as server:
            until_it_answers(f"http://127.0.0.1:{port}/processes", server, folder)
            yield Server(f"http://127.0.0.1:{port}")
