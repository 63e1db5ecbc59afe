"""``jobwatch get`` and ``jobwatch list``: read once, and print."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._client.access import check_token
from .._errors import ConfigError
from .._models import Job, Phase, need
from ._clients import client_for
from ._lines import print_columns, print_facts, print_json
from ._output import note
from ._render import facts, job_record, moment, safe
from ._signals import run

if TYPE_CHECKING:
    from .._client.client import Client
    from ._arguments import Options

_HEADINGS = ("PHASE", "JOB", "STATUS", "TYPE", "CREATED", "ENDED", "ERROR")


def get(options: Options) -> int:
    """Read one job and print it."""
    return run(_get(client_for(options), options), verbose=options.verbose)


async def _get(client: Client, options: Options) -> int:
    async with client:
        if options.token_command is not None:
            await check_token(client)
        job = await client.job(options.job)
    if options.json:
        print_json(job_record(job))
    else:
        print_facts(facts(job))
    return 0


def list_jobs(options: Options) -> int:
    """Read a project's latest jobs and print them."""
    client = client_for(options)
    if not client.has_lists:
        raise ConfigError(f"{client.name} documents no list of jobs; ask for one by its id: jobwatch get JOB")
    return run(_list(client, options), verbose=options.verbose)


async def _list(client: Client, options: Options) -> int:
    async with client:
        if options.token_command is not None:
            await check_token(client)
        jobs = await client.jobs(options.project, options.limit)
    if options.json:
        for job in jobs:
            print_json(job_record(job))
    elif jobs:
        print_columns([_HEADINGS, *map(_row, jobs)])
    else:
        note(f"project {safe(options.project)} has no jobs")
    return 0


def _asked(job: Job) -> str:
    return safe(need(job.asked, job.url)) if job.phase is Phase.BLOCKED else ""


def _row(job: Job) -> tuple[str, ...]:
    # Our own word comes first: a line must not begin with what a server made up.
    return (
        job.phase.value,
        safe(job.id),
        safe(job.status),
        safe(job.type or "-"),
        moment(job.created_at) if job.created_at else "-",
        moment(job.ended_at) if job.ended_at else "-",
        safe(str(job.error)) if job.error else _asked(job),
    )
