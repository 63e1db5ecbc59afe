"""``jobwatch list``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .._errors import ConfigError
from .._models import Job
from ._clients import client_for
from ._output import is_unicode, note, say
from ._records import job_record
from ._running import run as run_interruptibly
from ._text import json_line, moment, safe

if TYPE_CHECKING:
    from .._client import Client
    from ._arguments import Options


def run(options: Options) -> int:
    """Read a project's latest jobs and print them."""
    client = client_for(options)
    if client.api.list_path is None:
        raise ConfigError(f"{client.api.name} documents no list of jobs; ask for one by its id: jobwatch get JOB")
    return run_interruptibly(_list(client, options))


async def _list(client: Client, options: Options) -> int:
    async with client:
        jobs = await client.jobs(options.project, options.limit)
    if options.json:
        for job in jobs:
            say(json_line(job_record(job), ascii_only=not is_unicode()))
    elif jobs:
        print_table([("PHASE", "JOB", "STATUS", "TYPE", "CREATED", "ENDED", "ERROR"), *map(_row, jobs)])
    else:
        note(f"project {safe(options.project)} has no jobs")
    return 0


def _row(job: Job) -> tuple[str, ...]:
    # Our own word comes first: a line must not begin with what a server made up.
    return (
        job.phase.value,
        safe(job.id),
        safe(job.status),
        safe(job.type or "-"),
        moment(job.created_at) if job.created_at else "-",
        moment(job.ended_at) if job.ended_at else "-",
        safe(str(job.error)) if job.error else "",
    )


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows of words in columns; the last column may be of any length."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        say("  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip())
