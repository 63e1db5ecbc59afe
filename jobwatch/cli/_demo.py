"""``jobwatch demo``: the embedded server and a few jobs, watched as ``jobwatch wait`` would."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from .._client import Client
from .._core.pace import Pace
from .._models import Outcome, Problem
from ..testing import JobOptions, JobServer, Trouble
from ._output import note, say
from ._run import Run
from ._running import run as run_interruptibly
from ._show import show_for
from ._wait import followed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._arguments import Options

_PACE = Pace(min_interval=0.2, max_interval=0.3)
_SPEED = 1.0
"""How much faster than usual it runs; for its tests."""


class Scene(Struct, frozen=True):
    """One job of the demo: what it will do, and what is to be seen of it."""

    api: str
    job_id: str
    steps: tuple[tuple[str, float], ...]
    outcome: Outcome
    options: JobOptions = {}


SCENES = (
    Scene(
        "bedrock",
        "compare-sheets",
        (("PENDING", 0.0), ("RUNNING", 1.0), ("COMPLETED", 5.0)),
        Outcome.SUCCEEDED,
        {"type": "overlay.generate"},
    ),
    Scene(
        "bedrock",
        "parse-legend",
        (("Queued", 0.0), ("Started", 1.5), ("Failed", 4.0)),
        Outcome.FAILED,
        {
            "type": "parse",
            "shape": "vision",
            "error": Problem("Unable to process sheet - source image missing", "PROCESSING_ERROR"),
        },
    ),
    Scene(
        "bedrock",
        "detect-changes",
        (("Queued", 0.0), ("Started", 0.6), ("Canceled", 3.0)),
        Outcome.CANCELLED,
        {"type": "vision.overlay.change.detect", "shape": "vision", "events": True},
    ),
    Scene(
        "capydb",
        "restore-backup",
        (("pending", 0.0), ("running", 0.8), ("pending", 3.0), ("running", 4.0), ("completed", 7.0)),
        Outcome.SUCCEEDED,
        {"type": "project.restore"},
    ),
    Scene(
        "capydb",
        "export-project",
        (("pending", 0.0), ("running", 2.0), ("completed", 6.0)),
        Outcome.SUCCEEDED,
        {"type": "project.export"},
    ),
)


def run(options: Options) -> int:
    """Run the demo and return 0 if all went as scripted, else 1."""
    return run_interruptibly(_demo(json=options.json))


async def _demo(*, json: bool) -> int:
    async with JobServer() as server:
        for scene in SCENES:
            steps = [(status, after / _SPEED) for status, after in scene.steps]
            server.add(scene.api, scene.job_id, steps, **scene.options)
        server.trouble(Trouble.status(503), times=4, job_id="export-project")
        async with _client(server, "bedrock") as bedrock, _client(server, "capydb") as capydb:
            clients = {"bedrock": bedrock, "capydb": capydb}
            waits = [clients[scene.api].wait_for(scene.job_id, 60.0, check=False) for scene in SCENES]
            title = "Five jobs on two APIs, served by jobwatch itself"
            with show_for([scene.job_id for scene in SCENES], title, json=json) as show:
                shown = Run(waits, show)
                code = await followed(shown)
        if len(shown.outcomes) < len(SCENES):
            return code
        wrong = _not_as_scripted(shown)
        _conclude(len(server.requests), wrong, json=json)
    return 1 if wrong else 0


def _client(server: JobServer, api: str) -> Client:
    return Client(api, token=server.token, base_url=server.url_of(api), pace=_PACE)


def _not_as_scripted(shown: Run) -> list[str]:
    """Return what was seen otherwise than scripted, or not at all."""
    wrong: list[str] = []
    for scene in SCENES:
        outcome = shown.outcomes[scene.job_id]
        if outcome is not scene.outcome:
            wrong.append(f"{scene.job_id}: {outcome.value}, and not {scene.outcome.value}")
        scripted = [status for status, _ in scene.steps]
        seen = [each.status for each in shown.transitions if each.job_id == scene.job_id]
        if seen != scripted:
            wrong.append(f"{scene.job_id}: {' '.join(seen)}, and not {' '.join(scripted)}")
    return wrong


def _conclude(requests: int, wrong: Sequence[str], *, json: bool) -> None:
    tell = note if json else say
    tell("")
    for line in wrong:
        tell(f"NOT AS SCRIPTED  {line}")
    for line in _CONCLUSION.format(requests=requests).splitlines() if not wrong else ():
        tell(line)


_CONCLUSION = """\
All as scripted: every state once and in order, read with {requests} requests.
  parse-legend    failed on purpose; jobwatch wait would exit with 1
  detect-changes  was cancelled half-way; that would be 5
  restore-backup  failed inside, and the API tried again: both attempts show
  export-project  could not be read at first (HTTP 503); that is not its failure

Now wait for a job of yours:
  export BEDROCK_API_KEY=...     # or CAPYDB_API_KEY
  jobwatch wait JOB --timeout 30m"""
