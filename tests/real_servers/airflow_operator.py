"""`JobwatchOperator` in Airflow itself: an API server, a scheduler, a DAG processor and a triggerer, all on loopback.

The jobs are those of `jobwatch.testing.JobServer`, here in this process, which counts who asks for what. Tasks are
cleared, marked as failed, and wait while the triggerer is killed and started again; what is then right is that no state
is told twice, that nobody asks for a job whose task has stopped waiting, and that the token stands nowhere.
"""

from __future__ import annotations

import base64
import contextlib
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from jobwatch.testing import JobServer, ServedJob
from tests.project.documents import blocks

from .house import ask, environment, free_port, plain, process, until_it_answers, workplace

ROOT = Path(__file__).parents[2]
VERSIONS = ("3.3.2", "3.1.8")
OURS = "aiohttp>=3.14.4 anyio>=4.14.2 jmespath>=1.1 msgspec>=0.22.0 pytest pytest-asyncio hypothesis"
LONGEST = 150.0
"""For how many seconds anything is waited for."""

_TABLE = """
job = "http://127.0.0.1:1/jobs/{job_id}"
token = "NEUTRAL_TOKEN"
id = "id"
status = "state"
words = { partial = ["partial"], blocked = ["blocked"] }
created_at = "created"
ended_at = "ended"
error = "problem.text"
asked = "asks.text"
url = "page"
result = "output"
"""

_DAGS = """
from datetime import timedelta
from airflow.sdk import dag, task
from jobwatch.airflow import JobwatchOperator

TABLE = "PLACE/neutral.toml"
JOB = "{{ dag_run.conf['job'] }}"
SOON = timedelta(seconds=1)

def made(name, conn_id="jobs", job_id=JOB, **options):
    @dag(dag_id=name, schedule=None, is_paused_upon_creation=False)
    def waits():
        JobwatchOperator(task_id="wait", job_id=job_id, api=TABLE, conn_id=conn_id, **options)
    return waits()

@dag(schedule=None, is_paused_upon_creation=False)
def chained():
    @task
    def start(**context):
        return context["dag_run"].conf["job"]
    @task
    def use(job):
        print("pages", job["result"]["pages"])
    waiting = JobwatchOperator(task_id="wait", job_id=start(), api=TABLE, conn_id="jobs")
    use(waiting.output)

@dag(schedule=None, is_paused_upon_creation=False)
def mapped():
    JobwatchOperator.partial(task_id="wait", api=TABLE, conn_id="slow").expand(
        job_id=["m0", "m1", "m2", "m3", "m4", "m5"]
    )

dags = [
    chained(),
    mapped(),
    made("plain", retries=2, retry_delay=SOON),
    made("lenient", accept={"cancelled"}),
    made("impatient", fail_on={"blocked"}),
    made("limited", timeout="6s"),
    made("bounded", execution_timeout=timedelta(seconds=6)),
    made("refused", conn_id="wrong", retries=1, retry_delay=SOON),
    made("small", max_result=100),
    made("idless", job_id="{{ ti.xcom_pull(task_ids='wait', key='nothing') }}"),
    made("twin"),
    made("unconnected", conn_id="nothing"),
]
"""

_PACE = {"min_interval": 0.2, "max_interval": 0.4}


class Airflow:
    """Airflow, started: what a person does with it."""

    def __init__(self, url: str, token: str, folder: Path) -> None:
        self.url = url
        self.folder = folder
        self._token = token

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Ask its API, and return the answer, decoded; None of one that is no success."""
        answer = ask(method, f"{self.url}/api/v2{path}", body, {"Authorization": f"Bearer {self._token}"})
        return plain(answer) if answer.status < 300 and answer.body else None

    def connect(self, name: str, server: JobServer, password: str, **extra: object) -> None:
        """Make a connection, or another one of it."""
        host, _, port = server.url_of("neutral").removeprefix("http://").partition(":")
        port, _, path = port.partition("/")
        body = {
            "connection_id": name,
            "conn_type": "http",
            "host": f"http://{host}:{port}/{path}",
            "password": password,
            "extra": msgspec.json.encode({"pace": _PACE, **extra}).decode(),
        }
        if self.call("PATCH", f"/connections/{name}", body) is None and not self.call("POST", "/connections", body):
            raise RuntimeError(f"the connection {name} cannot be made")

    def run(self, dag: str, job: str) -> str:
        """Start a run for a job, and return its id, which is the job's."""
        body = {"dag_run_id": job, "logical_date": None, "conf": {"job": job}}
        if self.call("POST", f"/dags/{dag}/dagRuns", body) is None:
            raise RuntimeError(f"no run of {dag}")
        return job

    def task(self, dag: str, run: str, task: str = "wait") -> dict[str, Any]:
        """Return a task as it is now."""
        found = self.call("GET", f"/dags/{dag}/dagRuns/{run}/taskInstances/{task}")
        return dict(found) if found else {"state": None, "try_number": 0}

    def until(self, holds: Callable[[], object], what: str) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + LONGEST
        while not holds():
            if time.monotonic() > deadline:
                raise RuntimeError(f"waited {LONGEST:g} s for {what}")
            time.sleep(0.3)

    def ended(self, dag: str, run: str) -> dict[str, Any]:
        """Wait for a task to be over, and return it."""
        self.until(lambda: self.task(dag, run)["state"] in {"success", "failed", "upstream_failed"}, f"{dag} {run}")
        return self.task(dag, run)

    def xcom(self, dag: str, run: str, key: str = "return_value") -> Any:
        """Return an XCom of the waiting task; None where there is none."""
        found = self.call("GET", f"/dags/{dag}/dagRuns/{run}/taskInstances/wait/xcomEntries/{key}")
        value = None if found is None else found["value"]
        try:
            return msgspec.json.decode(value) if isinstance(value, str) else value
        except msgspec.DecodeError:
            return value

    def log(self, dag: str, run: str, task: str = "wait") -> str:
        """Return all that was logged of a task, in all its tries, by workers and triggerers."""
        place = self.folder / "logs" / f"dag_id={dag}" / f"run_id={run}" / f"task_id={task}"
        return "\n".join(each.read_text(errors="replace") for each in sorted(place.rglob("*.log")))

    def told(self, dag: str, run: str) -> list[str]:
        """Return the states that were logged, in the order of the files."""
        return re.findall(rf'"job {run}: (\w+)', self.log(dag, run))

    def clear(self, dag: str, run: str) -> None:
        """Clear the waiting task."""
        body = {"dry_run": False, "only_failed": False, "dag_run_id": run, "task_ids": ["wait"]}
        self.call("POST", f"/dags/{dag}/clearTaskInstances", body)

    def mark_failed(self, dag: str, run: str) -> None:
        """Mark the waiting task as failed."""
        self.call("PATCH", f"/dags/{dag}/dagRuns/{run}/taskInstances/wait", {"new_state": "failed"})


class Triggerer:
    """The triggerer, which can be ended and started again."""

    def __init__(self, bin_folder: Path, folder: Path, variables: Mapping[str, str]) -> None:
        self._command = [str(bin_folder / "airflow"), "triggerer"]
        self._folder, self._variables = folder, variables
        self._running = contextlib.ExitStack()
        self._process: subprocess.Popen[bytes] | None = None
        self._times = 0

    def start(self) -> None:
        """Start it."""
        self._times += 1
        name = f"triggerer{self._times}.txt"
        self._process = self._running.enter_context(process(self._command, self._folder, self._variables, name))

    def end(self, number: signal.Signals) -> None:
        """End it: all of its processes at once with SIGKILL, else the first."""
        if self._process is not None:
            if number is signal.SIGKILL:
                os.killpg(self._process.pid, number)
            else:
                os.kill(self._process.pid, number)
            self._process.wait(30)
        self._running.close()


class Tried:
    """What is tried with one Airflow."""

    def __init__(self, airflow: Airflow, triggerer: Triggerer, server: JobServer) -> None:
        self.airflow, self.triggerer, self.server = airflow, triggerer, server
        self.tokens = [str(server.token)]

    def looks(self, job: str) -> int:
        """Return how many times a job was asked for."""
        return sum(each.job_id == job for each in self.server.requests)

    def add(self, job: str, *steps: str | tuple[str, float], **options: Any) -> ServedJob:
        """Add a job, which has a page."""
        extra = {"page": f"http://127.0.0.1/pages/{job}", **options.pop("extra", {})}
        return self.server.add("neutral", job, steps, extra=extra, **options)

    def until_looked(self, job: str, times: int) -> None:
        """Wait until a job was asked for so many times."""
        self.airflow.until(lambda: self.looks(job) >= times, f"{times} looks at {job}")

    def quiet(self, job: str) -> list[str]:
        """Return what is wrong if anybody asks for a job whose task has stopped waiting."""
        time.sleep(3.0)  # Airflow takes 1.6 s at most to cancel a trigger
        before = self.looks(job)
        time.sleep(3.0)
        return [] if self.looks(job) == before else [f"{self.looks(job) - before} looks afterwards"]

    # --- while one triggerer runs -----------------------------------------------------------------------------------

    def good(self) -> list[str]:
        """An id from an earlier task's XCom, and the result in XCom for a later one; the link while it waits."""
        job = self.add("good", "pending", extra={"output": {"pages": 3}})
        self.airflow.run("chained", "good")
        self.until_looked("good", 2)
        job.advance("running")
        self.airflow.until(lambda: "running" in self.airflow.told("chained", "good"), "running")
        links = self.airflow.call("GET", "/dags/chained/dagRuns/good/taskInstances/wait/links")
        cursor = self.airflow.xcom("chained", "good", "jobwatch_cursor")
        job.advance("succeeded")
        ended, record = self.airflow.ended("chained", "good"), self.airflow.xcom("chained", "good")
        wrong = _unless(ended["state"] == "success", f"it is {ended['state']}")
        wrong += _unless(record and record["outcome"] == "succeeded" and record["result"] == {"pages": 3}, f"{record}")
        wrong += _unless("/pages/good" in str(links), f"its link was {links}")
        wrong += _unless(cursor and cursor["watched"]["status"] == "running", f"its cursor was {cursor}")
        wrong += _unless(self.airflow.xcom("chained", "good", "jobwatch_cursor") is None, "its cursor is still there")
        links = self.airflow.call("GET", "/dags/chained/dagRuns/good/taskInstances/wait/links")
        wrong += _unless("/pages/good" in str(links), f"afterwards its link was {links}")
        log = self.airflow.log("chained", "good")
        wrong += _unless('"level":"error"' not in log, "its log has an error")
        told = self.airflow.told("chained", "good")
        wrong += _unless(told == ["pending", "running", "succeeded"], f"told {told}")
        self.airflow.until(lambda: "pages 3" in self.airflow.log("chained", "good", "use"), "the later task")
        return wrong + self.quiet("good")

    def bad(self) -> list[str]:
        """A job that fails is not waited for again, whatever `retries`."""
        self.add("bad", "running", ("failed", 2.0), error="disk full")
        self.airflow.run("plain", "bad")
        return self.failed("plain", "bad", "job bad ended failed: disk full")

    def cancelled(self) -> list[str]:
        """One that was cancelled, for a task that takes that for a failure."""
        self.add("cancelled", "running", ("cancelled", 1.0))
        self.airflow.run("plain", "cancelled")
        return self.failed("plain", "cancelled", "job cancelled ended cancelled")

    def accepted(self) -> list[str]:
        """And for one that takes it for a success."""
        self.add("accepted", "running", ("cancelled", 1.0))
        self.airflow.run("lenient", "accepted")
        ended, record = self.airflow.ended("lenient", "accepted"), self.airflow.xcom("lenient", "accepted")
        return _unless(ended["state"] == "success" and record["outcome"] == "cancelled", f"{ended['state']}, {record}")

    def blocked(self) -> list[str]:
        """One that waits for a person."""
        self.add("blocked", "running", ("blocked", 1.0), asks="may it go live?")
        self.airflow.run("impatient", "blocked")
        return self.failed("impatient", "blocked", "may it go live?")

    def limited(self) -> list[str]:
        """A time limit of the wait's own."""
        self.add("limited", "running")
        self.airflow.run("limited", "limited")
        return self.failed("limited", "limited", "job limited did not end within 6 s (last seen running)")

    def bounded(self) -> list[str]:
        """The task's, which Airflow does not apply to a deferral."""
        self.add("bounded", "running")
        self.airflow.run("bounded", "bounded")
        return self.failed("bounded", "bounded", "job bounded did not end within 6 s (last seen running)")

    def refused(self) -> list[str]:
        """A token that is wrong at the first try, and right at the second."""
        self.add("refused", "running", ("succeeded", 1.0))
        self.airflow.run("refused", "refused")
        self.airflow.until(
            lambda: self.airflow.task("refused", "refused")["state"] == "up_for_retry", "the first failure"
        )
        self.airflow.connect("wrong", self.server, str(self.server.token))
        ended = self.airflow.ended("refused", "refused")
        wrong = _unless((ended["state"], ended["try_number"]) == ("success", 2), f"{ended}")
        return wrong + _unless("401" in self.airflow.log("refused", "refused"), "it does not say why")

    def small(self) -> list[str]:
        """A result that is too large for XCom."""
        self.add("small", ("succeeded", 0.0), extra={"output": {"text": "x" * 1000}})
        self.airflow.run("small", "small")
        ended, record = self.airflow.ended("small", "small"), self.airflow.xcom("small", "small")
        left_out = record["result"] is None and record["result_bytes"] > 1000
        wrong = _unless(ended["state"] == "success" and left_out, f"{ended['state']}, {record}")
        return wrong + _unless("result is left out" in self.airflow.log("small", "small"), "the log does not say so")

    def idless(self) -> list[str]:
        """An id that no task has told."""
        self.airflow.run("idless", "idless")
        return self.failed("idless", "idless", "job_id is empty")

    def unconnected(self) -> list[str]:
        """A connection that there is not."""
        self.airflow.run("unconnected", "unconnected")
        return self.failed("unconnected", "unconnected", "Airflow has no connection nothing")

    def cleared(self) -> list[str]:
        """A task that is cleared while it waits: its next try waits for the same job, alone."""
        job = self.add("cleared", "running")
        self.airflow.run("plain", "cleared")
        self.until_looked("cleared", 3)
        self.airflow.clear("plain", "cleared")
        self.airflow.until(lambda: self.airflow.task("plain", "cleared")["try_number"] == 2, "the second try")
        self.airflow.until(lambda: self.airflow.told("plain", "cleared").count("running") == 2, "its first state")
        time.sleep(2.0)
        before, began = self.looks("cleared"), time.monotonic()
        time.sleep(4.0)
        rate = (self.looks("cleared") - before) / (time.monotonic() - began)
        job.advance("succeeded")
        ended = self.airflow.ended("plain", "cleared")
        wrong = _unless(ended["state"] == "success", f"it is {ended['state']}")
        wrong += _unless(rate < 1.3 / _PACE["min_interval"], f"{rate:.1f} looks a second")
        return wrong + self.quiet("cleared")

    def marked(self) -> list[str]:
        """A task that is marked as failed while it waits: nobody asks for its job any more."""
        self.add("marked", "running")
        self.airflow.run("plain", "marked")
        self.until_looked("marked", 3)
        self.airflow.mark_failed("plain", "marked")
        wrong = self.quiet("marked")
        return wrong + _unless(self.airflow.task("plain", "marked")["state"] == "failed", "it is not failed")

    def mapped(self) -> list[str]:
        """Six tasks of one connection, which allows four requests a second: one client, and one budget."""
        jobs = [self.add(f"m{number}", "running") for number in range(6)]
        self.airflow.run("mapped", "mapped")
        for job in jobs:
            self.until_looked(job.id, 2)
        began = self.server.now()
        time.sleep(5.0)
        at = sorted(each.at for each in self.server.requests if each.at > began and each.job_id in {j.id for j in jobs})
        for job in jobs:
            job.advance("succeeded")
        path = "/dags/mapped/dagRuns/mapped/taskInstances"
        self.airflow.until(
            lambda: [each["state"] for each in self.airflow.call("GET", path)["task_instances"]] == ["success"] * 6,
            "six successes",
        )
        rate = (len(at) - 1) / (at[-1] - at[0])
        return _unless(rate <= 4.4, f"{rate:.1f} requests a second")

    def failed(self, dag: str, run: str, why: str) -> list[str]:
        """Return what is wrong unless a task has failed at its first try, has said why, and nobody asks any more."""
        ended = self.airflow.ended(dag, run)
        wrong = _unless(
            (ended["state"], ended["try_number"]) == ("failed", 1), f"{ended['state']}, {ended['try_number']}"
        )
        wrong += _unless(why in self.airflow.log(dag, run).replace("\\", ""), f"its log does not say {why!r}")
        return wrong + self.quiet(run)

    def seen(self, dag: str) -> str | None:
        """Return the state that the cursor of a task holds which waits for the job that is waited for twice."""
        cursor = self.airflow.xcom(dag, "again", "jobwatch_cursor")
        known = None if cursor is None else cursor["watched"]
        return None if known is None else known.get("status")

    # --- while triggerers come and go -------------------------------------------------------------------------------

    def restarted(self) -> list[str]:
        """Two tasks wait for one job while the triggerer is killed, and ended; each state is told once to each."""
        job = self.add("again", "pending")
        for dag in ("plain", "twin"):
            self.airflow.run(dag, "again")
        self.airflow.until(lambda: set(map(self.seen, ("plain", "twin"))) == {"pending"}, "both cursors")
        for number, state in ((signal.SIGKILL, "running"), (signal.SIGTERM, "succeeded")):
            self.triggerer.end(number)
            time.sleep(1.0)
            before = self.looks("again")
            self.triggerer.start()
            self.until_looked("again", before + 4)
            job.advance(state)
            if state == "running":
                self.airflow.until(lambda: set(map(self.seen, ("plain", "twin"))) == {"running"}, "both cursors")
        wrong: list[str] = []
        for dag in ("plain", "twin"):
            ended = self.airflow.ended(dag, "again")
            told = self.airflow.told(dag, "again")
            wrong += _unless(ended["state"] == "success", f"{dag} is {ended['state']}")
            wrong += _unless(sorted(told) == ["pending", "running", "succeeded"], f"{dag} was told {told}")
        return wrong + self.quiet("again")

    def marked_meanwhile(self) -> list[str]:
        """A task that is marked as failed while there is no triggerer: it is asked for a moment at most."""
        self.add("away", "running")
        self.airflow.run("plain", "away")
        self.until_looked("away", 3)
        self.triggerer.end(signal.SIGTERM)
        self.airflow.mark_failed("plain", "away")
        before = self.looks("away")
        self.triggerer.start()
        self.add("sign", ("succeeded", 0.0))
        self.airflow.run("plain", "sign")
        self.airflow.ended("plain", "sign")
        wrong = self.quiet("away")
        return wrong + _unless(self.looks("away") - before <= 12, f"{self.looks('away') - before} looks at the start")

    def renewed(self) -> list[str]:
        """A token that expires during the wait, and is put right in the connection: the wait goes on."""
        job = self.add("renewed", "running")
        self.airflow.run("plain", "renewed")
        self.until_looked("renewed", 3)
        self.tokens.append(f"sk_{secrets.token_hex(16)}")
        self.airflow.connect("jobs", self.server, self.tokens[-1])
        self.server.token = self.tokens[-1]
        before = self.looks("renewed")
        self.until_looked("renewed", before + 5)
        job.advance("succeeded")
        ended = self.airflow.ended("plain", "renewed")
        return _unless((ended["state"], ended["try_number"]) == ("success", 1), f"{ended['state']}") + self.quiet(
            "renewed"
        )

    # --- when all is over -------------------------------------------------------------------------------------------

    def left_behind(self) -> list[str]:
        """No request, and no open connection."""
        before = len(self.server.requests)
        time.sleep(3.0)
        more = len(self.server.requests) - before
        open_now = _connections(int(self.server.url_of("neutral").rpartition(":")[2].partition("/")[0]))
        return _unless(not more, f"{more} requests") + _unless(not open_now, f"{open_now} connections")

    def secret(self) -> list[str]:
        """The tokens are in no log, XCom, trigger or rendered field: nowhere in the folder, the database included."""
        texts = {each.name: each.read_bytes() for each in self.airflow.folder.rglob("*") if each.is_file()}
        wrong = _unless(any(b"/pages/" in text for text in texts.values()), "what is no secret is not found either")
        return wrong + [
            f"a token is in {name}"
            for name, text in texts.items()
            if any(each.encode() in text for each in self.tokens)
        ]


def _unless(holds: object, what: str) -> list[str]:
    return [] if holds else [what]


def _connections(port: int) -> int:
    """Return how many connections a server on loopback has that are open."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "01" for line in lines)


@contextlib.contextmanager
def _airflow(bin_folder: Path) -> Iterator[tuple[Airflow, Triggerer]]:
    port = free_port()
    with workplace() as folder, contextlib.ExitStack() as running:
        (folder / "dags").mkdir()
        (folder / "dags" / "waits.py").write_text(_DAGS.replace("PLACE", str(folder)))
        (folder / "dags" / "page.py").write_text(
            next(each.text for each in blocks("python", "jobwatch/airflow/README.md"))
        )
        (folder / "neutral.toml").write_text(_TABLE)
        url = f"http://127.0.0.1:{port}"
        variables = {
            "AIRFLOW_HOME": str(folder),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
            "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
            "AIRFLOW__API__SECRET_KEY": secrets.token_hex(32),
            "AIRFLOW__API__PORT": str(port),
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__BASE_URL": url,
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
            "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "6",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "DEBUG",
            "PYTHONPATH": str(ROOT),
            "PATH": f"{bin_folder}:/usr/bin:/bin",
        }
        command = str(bin_folder / "airflow")
        with (folder / "migrate.txt").open("wb") as log:
            subprocess.run(
                [command, "db", "migrate"],
                cwd=folder,
                env={**os.environ, **variables},
                stdout=log,
                stderr=log,
                check=True,
            )
        api = running.enter_context(process([command, "api-server"], folder, variables))
        for part in ("scheduler", "dag-processor"):
            running.enter_context(process([command, part], folder, variables, f"{part}.txt"))
        triggerer = Triggerer(bin_folder, folder, variables)
        triggerer.start()
        running.callback(triggerer.end, signal.SIGTERM)
        until_it_answers(f"{url}/api/v2/version", api, folder, 240)
        airflow = Airflow(url, plain(ask("GET", f"{url}/auth/token"))["access_token"], folder)
        airflow.until(lambda: len((airflow.call("GET", "/dags") or {}).get("dags", [])) == 13, "the DAGs")
        yield airflow, triggerer


def _one(name: str, version: str, trial: Callable[[], list[str]]) -> bool:
    began = time.monotonic()
    try:
        wrong = trial()
    except Exception as error:  # noqa: BLE001 - one that goes wrong does not keep the others from being tried
        wrong = [f"{type(error).__name__}: {error}"]
    told = "; ".join(wrong) or "right"
    print(
        f"{'BAD' if wrong else 'ok '}  operator {version} {name:17} {told}  ({time.monotonic() - began:.0f} s)",
        flush=True,
    )
    return not wrong


def tried(environments: Path, versions: tuple[str, ...] = VERSIONS) -> list[bool]:
    """Try everything with each version of Airflow, and return of each trial whether it was right."""
    return [result for version in versions for result in _tried(environments, version)]


def _tried(environments: Path, version: str) -> list[bool]:
    bin_folder = environment(environments, f"apache-airflow=={version} {OURS}", name=f"airflow-operator-{version}")
    results = [_one("tests", version, lambda: _tested(bin_folder))]
    if version == VERSIONS[0]:
        results.append(_one("types", version, lambda: _typed(bin_folder)))
    token = f"sk_{secrets.token_hex(16)}"
    with JobServer(token=token) as server, _airflow(bin_folder) as (airflow, triggerer):
        airflow.connect("jobs", server, token)
        airflow.connect("slow", server, token, max_rate=4.0)
        airflow.connect("wrong", server, "sk_of_somebody_else")
        trials = Tried(airflow, triggerer, server)
        at_once = (
            *(trials.good, trials.bad, trials.cancelled, trials.accepted, trials.blocked, trials.limited),
            *(
                trials.bounded,
                trials.refused,
                trials.small,
                trials.idless,
                trials.unconnected,
                trials.cleared,
                trials.marked,
                trials.mapped,
            ),
        )
        in_turn = (trials.restarted, trials.marked_meanwhile, trials.renewed)
        with ThreadPoolExecutor(len(at_once)) as pool:
            results += pool.map(lambda trial: _one(trial.__name__, version, trial), at_once)
        for trial in (*in_turn, trials.left_behind, trials.secret):
            results.append(_one(trial.__name__, version, trial))
    return results


def _tested(bin_folder: Path) -> list[str]:
    """Run the tests that need Airflow, where it is."""
    with workplace() as folder:
        command = [
            str(bin_folder / "python"),
            "-m",
            "pytest",
            "-q",
            "-o",
            "filterwarnings=",
            "tests/airflow/test_operator.py",
        ]
        variables = {**os.environ, "AIRFLOW_HOME": str(folder), "PYTHONPATH": str(ROOT)}
        ran = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    return ran.stdout.splitlines()[-8:] if ran.returncode or "passed" not in ran.stdout else []


def _typed(bin_folder: Path) -> list[str]:
    """Have mypy check the folder against Airflow itself, without the stubs that the gate takes in its place."""
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--allow-untyped-calls",
        "--python-executable",
        str(bin_folder / "python"),
    ]
    settings = ["--config-file", os.devnull, "--follow-imports", "silent", "--cache-dir", os.devnull]
    ran = subprocess.run(
        [*command, *settings, "jobwatch/airflow"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return ran.stdout.splitlines()[:8] if ran.returncode else []
