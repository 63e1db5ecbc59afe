"""Slurm: batch jobs, arrays and held jobs on a cluster of one node, by slurmrestd, from the packages of the system."""

from __future__ import annotations

import contextlib
import getpass
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from jobwatch import Client, Response

from .house import NotInstalledError, ask, free_port, plain, process, until_it_listens, workplace

PACKAGES = "slurm-wlm slurmrestd slurm-wlm-jwt-plugin munge"
VERSIONS = ("v0.0.43", "v0.0.42", "v0.0.41", "v0.0.40", "v0.0.39", "v0.0.38")
OUTCOMES = {
    "good": "succeeded",
    "bad": "failed",
    "killed": "failed",
    "stopped": "cancelled",
    "stopped early": "cancelled",
    "asks": "succeeded",
    "requeued": "blocked",
    "array": "finished",
    "array bad": "partial",
    "array all bad": "failed",
    "task": "failed",
    "unknown": "not_found",
}
TOLD = {
    "good": "RUNNING > COMPLETED",
    "bad": "NonZeroExitCode",
    "stopped early": "CANCELLED: JobHeldUser",
    "asks": "blocked (JobHeldUser)",
    "array": "COMPLETED",
}
OPTIONS: dict[str, dict[str, Any]] = {"requeued": {"fail_on": {"blocked"}}}
_SCRIPTS = {
    "good": "sleep 3",
    "bad": "sleep 1; exit 3",
    "killed": "sleep 2; kill -9 $$",
    "array": "sleep $SLURM_ARRAY_TASK_ID",
    "array bad": "sleep $SLURM_ARRAY_TASK_ID; exit $((SLURM_ARRAY_TASK_ID == 2))",
    "task": "sleep $SLURM_ARRAY_TASK_ID; exit $((SLURM_ARRAY_TASK_ID == 3))",
    "array all bad": "exit 1",
}
_CONFIGURATION = """
ClusterName=jobwatch
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={controller}
SlurmdPort={node}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
AuthAltTypes=auth/jwt
AuthAltParameters=jwt_key={folder}/jwt.key
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
SlurmdParameters=config_overrides
MailProg=/bin/true
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


class Server:
    """The daemons, started."""

    def __init__(self, url: str, token: str, variables: dict[str, str], api: str) -> None:
        self.url = url
        self._api = api
        self._variables = variables
        # Before 23.02 a token alone was refused.
        self._headers = {"X-SLURM-USER-NAME": getpass.getuser()}
        self._token = token
        self.version = next(each for each in VERSIONS if self._asked("GET", f"/slurm/{each}/ping").status == 200)

    def client(self) -> Client:
        """Return a client of it."""
        told: dict[str, Any] = {"token": self._token, "headers": self._headers, "params": {"version": self.version}}
        if self._api == "slurmdb":
            return Client("slurmdb", base_url=self.url, appear_within=10, **told)
        return Client("slurm", base_url=self.url, appear_within=5, **told)

    def start(self, kind: str) -> Response | str:
        """Submit a job; of an unknown one, say what is said of any."""
        if kind == "unknown":
            return Response(b'{"job_id": 999999}')
        is_old = self.version in ("v0.0.38", "v0.0.39")
        script = f"#!/bin/sh\n{_SCRIPTS.get(kind, 'sleep 60' if kind.startswith('stopped') else 'sleep 2')}\n"
        job: dict[str, Any] = {
            "name": kind,
            "partition": "main",
            "environment": {"PATH": "/usr/bin:/bin"} if is_old else ["PATH=/usr/bin:/bin"],
            "current_working_directory": "/tmp",
            **dict.fromkeys(("standard_output", "standard_error"), "/dev/null"),
        }
        if kind in ("asks", "stopped early"):
            job["hold"] = True
        if kind.startswith(("array", "task")):
            job["array"] = "1-6"
        told = {"job": job, "script": script} if is_old else {"job": {**job, "script": script}}
        started = self._asked("POST", f"/slurm/{self.version}/job/submit", told)
        job_id = str(plain(started)["job_id"])
        if kind == "stopped early":
            time.sleep(1)
            self.cancel(job_id)
        if kind == "requeued":
            time.sleep(5)
            self._ordered("requeuehold", job_id)
        return f"{job_id}_3" if kind == "task" else started

    def cancel(self, job_id: str) -> None:
        """Cancel a job."""
        self._asked("DELETE", f"/slurm/{self.version}/job/{job_id}")

    def answer(self, job_id: str) -> None:
        """Release a job that is held."""
        self._ordered("release", job_id)

    def _ordered(self, *order: str) -> None:
        subprocess.run(["scontrol", *order], check=True, env={**os.environ, **self._variables})

    def _asked(self, method: str, path: str, body: object = None) -> Response:
        return ask(method, f"{self.url}{path}", body, {"X-SLURM-USER-TOKEN": self._token, **self._headers})


def _output(command: list[str], variables: dict[str, str]) -> str:
    environment = {**os.environ, **variables}
    return subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE, text=True).stdout


def _is_new() -> bool:
    """Whether one plugin of slurmrestd speaks all versions of its API, and no control groups need be there."""
    version = _output(["slurmd", "-V"], {}).split()[-1].split(".")
    return (int(version[0]), int(version[1])) >= (23, 11)


@contextlib.contextmanager
def served(environments: Path) -> Iterator[Server]:
    """Serve it."""
    with cluster() as server:
        yield server


class Cluster:
    """The daemons of a cluster, each started when it is told to."""

    def __init__(self, folder: Path, daemons: contextlib.ExitStack) -> None:
        self.folder = folder
        self.variables = {"SLURM_CONF": str(folder / "slurm.conf")}
        self._daemons = daemons

    def start(self, command: list[str], port: int = 0, **more: str) -> None:
        """Start a daemon, and wait until it listens on a port, if it does."""
        name = next(word for word in command if not word.startswith("-") and word != "setpriv")
        running = self._daemons.enter_context(process(command, self.folder, self.variables | more, f"{name}.txt"))
        if port:
            until_it_listens(port, running, self.folder)

    def end_jobs(self) -> None:
        """Cancel the jobs that are left, which would outlive the daemons."""
        self.output(["scancel", f"--user={getpass.getuser()}"])
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.output(["squeue", "--noheader"]).strip():
            time.sleep(0.5)

    def output(self, command: list[str]) -> str:
        """Return what a command says."""
        return _output(command, self.variables)


@contextlib.contextmanager
def cluster(accounts: Callable[[Cluster], str] | None = None) -> Iterator[Server]:
    """Serve a cluster of one node.

    Args:
        accounts: Start what keeps the accounts, and return what the configuration then says of that.
    """
    programs = ("munged", "slurmctld", "slurmd", "slurmrestd", "scontrol")
    if missing := [each for each in programs if shutil.which(each) is None]:
        raise NotInstalledError(f"{', '.join(missing)} (apt-get install --no-install-recommends {PACKAGES})")
    if os.geteuid() != 0:
        raise NotInstalledError("way to run slurmrestd and the rest as different users, but for root")
    with workplace() as folder, contextlib.ExitStack() as daemons:
        controller, node, port = free_port(), free_port(), free_port()
        folder.chmod(0o711)  # slurmrestd, which is another user's, reads the configuration
        for name in ("state", "spool"):
            (folder / name).mkdir()
        for name in ("munge.key", "jwt.key"):
            (folder / name).write_bytes(secrets.token_bytes(64))
            (folder / name).chmod(0o600)
        names = {"host": socket.gethostname(), "user": getpass.getuser(), "folder": folder}
        configuration = _CONFIGURATION.format(**names, controller=controller, node=node)
        if _is_new():
            (folder / "cgroup.conf").write_text("CgroupPlugin=disabled\n")
        files = {"key-file": "munge.key", "socket": "munge.socket", "pid-file": "munged.pid", "seed-file": "munge.seed"}
        options = [f"--{option}={folder}/{name}" for option, name in files.items()]
        one = Cluster(folder, daemons)
        one.start(["munged", "--foreground", "--force", *options])
        (folder / "slurm.conf").write_text(configuration + (accounts(one) if accounts else ""))
        one.start(["slurmctld", "-D"], controller)
        one.start(["slurmd", "-D"], node)
        token = one.output(["scontrol", "token", "lifespan=7200"]).strip().partition("=")[2]
        user = ["setpriv", "--reuid=daemon", "--regid=daemon", "--clear-groups"]
        # The plugins for the accounts want some.
        plugins = [] if accounts else ["-s", f"openapi/{'slurmctld' if _is_new() else 'v0.0.38'}"]
        one.start([*user, "slurmrestd", "-a", "rest_auth/jwt", *plugins, f"127.0.0.1:{port}"], port, SLURM_JWT="daemon")
        daemons.callback(one.end_jobs)
        yield Server(f"http://127.0.0.1:{port}", token, one.variables, "slurmdb" if accounts else "slurm")
