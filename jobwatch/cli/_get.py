"""``jobwatch get``."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from .._models import Event, Job
from ._clients import client_for
from ._output import is_unicode, say
from ._records import job_record, wire_record
from ._running import run as run_interruptibly
from ._text import json_line, moment, safe

if TYPE_CHECKING:
    from .._client import Client
    from ._arguments import Options

_FACTS = ("type", "project_id", "created_at", "started_at", "ended_at", "updated_at", "attempt", "progress")


def run(options: Options) -> int:
    """Read one job and print it."""
    return run_interruptibly(_get(client_for(options), options))


async def _get(client: Client, options: Options) -> int:
    async with client:
        job = await client.job(options.job)
    if options.json:
        say(json_line(job_record(job), ascii_only=not is_unicode()))
    else:
        told = list(facts(job))
        width = max(len(key) for key, _ in told)
        for key, value in told:
            say(f"{key:<{width}}  {value}")
    return 0


def facts(job: Job) -> Iterator[tuple[str, str]]:
    """Yield what the API tells of a job, as names of ours and values that are safe to print."""
    yield "job", safe(job.id)
    yield "api", job.api
    yield "status", f"{safe(job.status)} ({job.phase.value})"
    for name in _FACTS:
        value = getattr(job, name)
        if value is not None:
            yield name, _shown(value)
    for event in job.events or ():
        yield "event", _event(event)
    if job.error is not None:
        yield "error", safe(str(job.error))
    if job.result is not None:
        yield "result", _shown(job.result)
    yield from _of_the_api_alone(job)


def _event(event: Event) -> str:
    when = f"{moment(event.at)}  " if event.at is not None else ""
    return f"{when}{safe(event.status)} ({event.phase.value})"


def _of_the_api_alone(job: Job) -> Iterator[tuple[str, str]]:
    """Yield the fields of the API's own record that the job does not already show."""
    if job.wire is None:
        return
    known = {*_FACTS, "id", "job_id", "status", "state", "events", "error", "result", "results", "attempts"}
    for name, value in wire_record(job.wire).items():
        if value is not None and name not in known:
            yield f"wire.{name}", _shown(value)


def _shown(value: object) -> str:
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, str):
        return safe(value)
    return safe(json_line(value))
