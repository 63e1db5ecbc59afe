"""Airflow 3, all its parts in one process group. It knows no cancelled runs: one is stopped by marking it failed."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from jobwatch import Client, Response

from .house import ask, environment, free_port, plain, process, until_it_answers, workplace

REQUIREMENT = "apache-airflow==3.3.2"
OUTCOMES = {"good": "succeeded", "bad": "failed", "stopped": "failed"}

_DAGS = """
import time
from airflow.sdk import dag, task

def made(name, seconds):
    @dag(dag_id=name, schedule=None, is_paused_upon_creation=False)
    def nap():
        @task(retries=0)
        def sleep():
            time.sleep(abs(seconds))
            if seconds < 0:
                raise RuntimeError("could not sleep")
        sleep()
    return nap()

good, bad, stopped = made("good", 2), made("bad", -2), made("stopped", 60)
"""


class Server:
    """Airflow, started."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self._token = token
        self._dag = "good"

    def client(self) -> Client:
        """Return a client of the DAG whose run was started last."""
        return Client("airflow", base_url=self.url, token=self._token, params={"dag": self._dag})

    def start(self, kind: str) -> Response:
        """Start a run."""
        self._dag = kind
        return self._ask("POST", f"/api/v2/dags/{kind}/dagRuns", {"logical_date": None})

    def cancel(self, job_id: str) -> Response:
        """Mark a run as failed, once its task runs: one that is about to would make it a success all the same."""
        path = f"/api/v2/dags/{self._dag}/dagRuns/{job_id}/taskInstances"
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if any(each["state"] == "running" for each in plain(self._ask("GET", path)).get("task_instances", [])):
                break
            time.sleep(0.5)
        return self._ask("PATCH", f"/api/v2/dags/{self._dag}/dagRuns/{job_id}", {"state": "failed"})

    def until_parsed(self) -> None:
        """Wait until all DAGs are known."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            if len(plain(self._ask("GET", "/api/v2/dags")).get("dags", [])) == 3:
                return
            time.sleep(1)
        raise RuntimeError("Airflow does not know its DAGs")

    def _ask(self, method: str, path: str, body: object = None) -> Response:
        return ask(method, f"{self.url}{path}", body, {"Authorization": f"Bearer {self._token}"})


@contextlib.contextmanager
def served(environments: Path) -> Iterator[Server]:
    """Serve it."""
    bin_folder, port = environment(environments, REQUIREMENT), free_port()
    with workplace() as folder:
        (folder / "dags").mkdir()
        (folder / "dags" / "naps.py").write_text(_DAGS)
        url = f"http://127.0.0.1:{port}"
        variables = {
            "AIRFLOW_HOME": str(folder),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
            "AIRFLOW__API__PORT": str(port),
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__BASE_URL": url,
            "AIRFLOW__API__WORKERS": "1",
            "PATH": f"{bin_folder}:/usr/bin:/bin",
        }
        with process([str(bin_folder / "airflow"), "standalone"], folder, variables) as server:
            until_it_answers(f"{url}/api/v2/version", server, folder, 240)
            token = plain(ask("GET", f"{url}/auth/token"))["access_token"]
            airflow = Server(url, token)
            airflow.until_parsed()
            yield airflow
