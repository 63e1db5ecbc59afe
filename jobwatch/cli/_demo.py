"""``jobwatch demo`` and ``jobwatch serve``: the job server, with a few jobs that run by script."""

from __future__ import annotations

import asyncio
import math
from itertools import pairwise
from typing import TYPE_CHECKING

from msgspec import Struct

from .._client.client import Client
from .._core.pace import Pace
from .._models import Outcome, Problem
from ..apis import BEDROCK, CAPYDB
from ..testing import JobOptions, JobServer, Trouble
from ._exit_codes import code_of_signal
from ._output import note, say
from ._run import Run
from ._signals import run
from ._wait import display_for, run_to_end

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._arguments import Options

_PACE = Pace(min_interval=0.2, max_interval=0.3)
_SPEED = 1.0
"""How many times faster than scripted the demo runs; tests raise it."""

_FRESH = 1.0
"""For how long a served job waits to be asked for, in seconds, before it is made anew, so that it is never old."""

_KEPT = 30.0
"""How long a served job stays as it ended once that was read, in seconds, before it starts anew."""

_FAILURE = Problem("Unable to process sheet - source image missing", "PROCESSING_ERROR")
_PROJECT = "prj_demo"


class Script(Struct, frozen=True):
    """One job, and what it does.

    Attributes:
        api: The API that it is on.
        job_id: Its id.
        steps: The states that it enters, each with the seconds since the first one.
        outcome: How a wait for it ends.
        options: What else the server says of it.
    """

    api: str
    job_id: str
    steps: tuple[tuple[str, float], ...]
    outcome: Outcome = Outcome.SUCCEEDED
    options: JobOptions = {}


DEMO = (
    Script(
        "bedrock",
        "compare-sheets",
        (("PENDING", 0.0), ("RUNNING", 1.0), ("COMPLETED", 5.0)),
        options={"type": "overlay.generate"},
    ),
    Script(
        "bedrock",
        "parse-legend",
        (("Queued", 0.0), ("Started", 1.5), ("Failed", 4.0)),
        Outcome.FAILED,
        {"type": "parse", "shape": "vision", "error": _FAILURE},
    ),
    Script(
        "bedrock",
        "detect-changes",
        (("Queued", 0.0), ("Started", 0.6), ("Canceled", 3.0)),
        Outcome.CANCELLED,
        {"type": "vision.overlay.change.detect", "shape": "vision", "events": True},
    ),
    Script(
        "capydb",
        "restore-backup",
        (("pending", 0.0), ("running", 0.8), ("pending", 3.0), ("running", 4.0), ("completed", 7.0)),
        options={"type": "project.restore"},
    ),
    Script(
        "capydb",
        "export-project",
        (("pending", 0.0), ("running", 2.0), ("completed", 6.0)),
        options={"type": "project.export"},
    ),
)

SERVED = (
    Script("bedrock", "demo-ok", (("PENDING", 0.0), ("RUNNING", 2.0), ("COMPLETED", 6.0))),
    Script(
        "bedrock",
        "demo-fail",
        (("Queued", 0.0), ("Started", 2.0), ("Failed", 5.0)),
        Outcome.FAILED,
        {"shape": "vision", "error": _FAILURE},
    ),
    Script("bedrock", "demo-cancel", (("PENDING", 0.0), ("RUNNING", 2.0), ("CANCELED", 4.0)), Outcome.CANCELLED),
    Script("bedrock", "demo-slow", (("PENDING", 0.0), ("RUNNING", 5.0), ("COMPLETED", 120.0))),
    Script(
        "capydb",
        "demo-ok",
        (("pending", 0.0), ("running", 2.0), ("completed", 6.0)),
        options={"project_id": _PROJECT},
    ),
    Script(
        "capydb",
        "demo-fail",
        (("pending", 0.0), ("running", 2.0), ("failed", 5.0)),
        Outcome.FAILED,
        {
            "project_id": _PROJECT,
            "error": "restore ended with exit code 1",
            "exit_code": 1,
            "stderr": "no such backup",
        },
    ),
    Script(
        "capydb",
        "demo-retry",
        (("pending", 0.0), ("running", 1.0), ("pending", 3.0), ("running", 5.0), ("completed", 8.0)),
        options={"project_id": _PROJECT},
    ),
)


# --- demo ---------------------------------------------------------------------------------------------------------


def demo(options: Options) -> int:
    """Watch five jobs on a server that comes along; return 0 if all went as scripted, else 1."""
    return run(_demo(json=options.json))


async def _demo(*, json: bool) -> int:
    async with JobServer() as server:
        for script in DEMO:
            steps = [(status, at / _SPEED) for status, at in script.steps]
            server.add(script.api, script.job_id, steps, **script.options)
        server.trouble(Trouble.status(503), times=4, job_id="export-project")
        async with _client(server, "bedrock") as bedrock, _client(server, "capydb") as capydb:
            clients = {"bedrock": bedrock, "capydb": capydb}
            waits = [clients[script.api].wait_for(script.job_id, 60.0, check=False) for script in DEMO]
            title = "Five jobs on two APIs, served by jobwatch itself"
            with display_for([script.job_id for script in DEMO], title, json=json) as display:
                watched = Run(waits, display)
                code = await run_to_end(watched)
        if len(watched.outcomes) < len(DEMO):  # stopped by a signal, or its output could not be written
            return code
        deviations = _deviations(watched)
        _conclude(len(server.requests), deviations, json=json)
    return 1 if deviations else 0


def _client(server: JobServer, api: str) -> Client:
    return Client(api, token=server.token, base_url=server.url_of(api), pace=_PACE)


def _deviations(watched: Run) -> list[str]:
    """Return what was seen otherwise than scripted, or not at all."""
    deviations: list[str] = []
    for script in DEMO:
        outcome = watched.outcomes[script.job_id]
        if outcome is not script.outcome:
            deviations.append(f"{script.job_id}: {outcome.value}, and not {script.outcome.value}")
        scripted = [status for status, _ in script.steps]
        seen = [each.status for each in watched.transitions if each.job_id == script.job_id]
        if seen != scripted:
            deviations.append(f"{script.job_id}: {' '.join(seen)}, and not {' '.join(scripted)}")
    return deviations


def _conclude(requests: int, deviations: Sequence[str], *, json: bool) -> None:
    write = note if json else say
    write("")
    for line in deviations:
        write(f"NOT AS SCRIPTED  {line}")
    for line in _CONCLUSION.format(requests=requests).splitlines() if not deviations else ():
        write(line)


_CONCLUSION = """\
All as scripted: every state once and in order, read with {requests} requests.
  parse-legend    failed on purpose; jobwatch wait would exit with 1
  detect-changes  was cancelled half-way; that would be 5
  restore-backup  failed inside, and the API tried again: both attempts show
  export-project  could not be read at first (HTTP 503); that is not its failure

Now wait for a job of yours:
  export BEDROCK_API_KEY=...     # or CAPYDB_API_KEY
  jobwatch wait JOB --timeout 30m"""


# --- serve --------------------------------------------------------------------------------------------------------


def serve(options: Options) -> int:
    """Serve both APIs until SIGINT or SIGTERM, which is exit code 0."""
    code = run(_serve(options.port))
    return 0 if code in (code_of_signal(2), code_of_signal(15)) else code


async def _serve(port: int) -> int:
    async with JobServer(port=port) as server, asyncio.TaskGroup() as tasks:
        for script in SERVED:
            tasks.create_task(_play(server, script))
        _print_instructions(server)
        await asyncio.sleep(math.inf)
    return 0


async def _play(server: JobServer, script: Script) -> None:
    """Let a job run through its script each time somebody asks for it, as one that was created just then."""
    first = script.steps[0][0]
    while True:
        job = server.add(script.api, script.job_id, [first], **script.options)
        try:
            async with asyncio.timeout(_FRESH):
                await job.looked(1)
        except TimeoutError:
            server.remove(job)
            continue
        for (_, before), (status, at) in pairwise(script.steps):
            await asyncio.sleep(at - before)
            job.advance(status)
        await job.looked(job.looks + 1)
        await asyncio.sleep(_KEPT)
        server.remove(job)


def _print_instructions(server: JobServer) -> None:
    say("# Both APIs are served until Ctrl-C. In another terminal:")
    for api in (BEDROCK, CAPYDB):
        say(f"export {api.base_url_variable}={server.url_of(api.name)} {api.token_variable}={server.token}")
    say("#")
    for api in (BEDROCK, CAPYDB):
        jobs = " ".join(script.job_id for script in SERVED if script.api == api.name)
        say(f"jobwatch wait --api {api.name} {jobs}")
    say(f"jobwatch list --api capydb --project {_PROJECT}")
