"""``jobwatch serve``: the embedded server, standing alone."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from msgspec import Struct

from .._models import Problem
from ..apis import BEDROCK, CAPYDB
from ..testing import JobOptions, JobServer
from ._exit_codes import code_of_signal
from ._output import say
from ._running import run as run_interruptibly

if TYPE_CHECKING:
    from ._arguments import Options

_KEPT = 30.0
"""For how long a job stays as it ended once that was read, in seconds, before it starts anew."""

_FAILURE = Problem("Unable to process sheet - source image missing", "PROCESSING_ERROR")
_PROJECT = "prj_demo"


class Role(Struct, frozen=True):
    """A job to try things on: the states it enters after the first look, each with the seconds since the one before."""

    api: str
    job_id: str
    first: str
    then: tuple[tuple[str, float], ...]
    options: JobOptions = {}


ROLES = (
    Role("bedrock", "demo-ok", "PENDING", (("RUNNING", 2.0), ("COMPLETED", 4.0))),
    Role("bedrock", "demo-fail", "Queued", (("Started", 2.0), ("Failed", 3.0)), {"shape": "vision", "error": _FAILURE}),
    Role("bedrock", "demo-cancel", "PENDING", (("RUNNING", 2.0), ("CANCELED", 2.0))),
    Role("bedrock", "demo-slow", "PENDING", (("RUNNING", 5.0), ("COMPLETED", 115.0))),
    Role("capydb", "demo-ok", "pending", (("running", 2.0), ("completed", 4.0)), {"project_id": _PROJECT}),
    Role(
        "capydb",
        "demo-fail",
        "pending",
        (("running", 2.0), ("failed", 3.0)),
        {"project_id": _PROJECT, "error": "restore ended with exit code 1", "exit_code": 1, "stderr": "no such backup"},
    ),
    Role(
        "capydb",
        "demo-retry",
        "pending",
        (("running", 1.0), ("pending", 2.0), ("running", 2.0), ("completed", 3.0)),
        {"project_id": _PROJECT},
    ),
)


def run(options: Options) -> int:
    """Serve until SIGINT or SIGTERM."""
    code = run_interruptibly(_serve(options.port))
    return 0 if code in (code_of_signal(2), code_of_signal(15)) else code


async def _serve(port: int) -> int:
    async with JobServer(port=port) as server, asyncio.TaskGroup() as actors:
        for role in ROLES:
            actors.create_task(_play(server, role))
        _tell(server)
        await asyncio.sleep(math.inf)
    return 0


async def _play(server: JobServer, role: Role) -> None:
    """Let a job run its course each time somebody asks for it."""
    while True:
        job = server.add(role.api, role.job_id, [role.first], **role.options)
        await job.looked(1)
        for status, after in role.then:
            await asyncio.sleep(after)
            job.advance(status)
        await job.looked(job.looks + 1)
        await asyncio.sleep(_KEPT)
        server.remove(job)


def _tell(server: JobServer) -> None:
    say("# Both APIs are served until Ctrl-C. In another terminal:")
    for api in (BEDROCK, CAPYDB):
        say(f"export {api.base_url_variable}={server.url_of(api.name)} {api.token_variable}={server.token}")
    say("#")
    for api in (BEDROCK, CAPYDB):
        jobs = " ".join(role.job_id for role in ROLES if role.api == api.name)
        say(f"jobwatch wait --api {api.name} {jobs}")
    say(f"jobwatch list --api capydb --project {_PROJECT}")
