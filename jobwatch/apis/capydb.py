"""CapyDB (capydb.dev): database lifecycle jobs.

From https://docs.capydb.dev/docs/reference/api/jobs. A job has a ``state`` and no history, so what it has been
through is shown only by the timestamps that prove it: ``created_at`` that it was pending, ``started_at`` that
the latest of its ``attempts`` ran. Optional fields may be missing or null, and an empty list may be null.
"""

from __future__ import annotations

from sys import intern

import msgspec
from msgspec import Raw, Struct

from .._models import Event, Job, Phase, Problem
from .._reading.api import JobAPI
from .._reading.bodies import NOTHING, plain
from .._reading.problems import read_problem
from .._reading.structs import decoded, each_decoded
from .._reading.times import Moment, moment_of
from .._reading.words import documented

WORDS = documented(pending=("pending",), running=("running",))


class CapyJob(Struct, frozen=True):
    """A job as CapyDB sends it; ``host_id``, ``instance_id`` and ``result`` come from newer servers only."""

    id: str | int
    state: str
    type: str | None = None
    organization_id: str | None = None
    project_id: str | None = None
    cluster_id: str | None = None
    host_id: str | None = None
    instance_id: str | None = None
    preview_database_id: str | None = None
    locked_resource: str | None = None
    attempts: int | None = None
    max_attempts: int | None = None
    claimed_by: str | None = None
    claimed_at: Moment = None
    created_at: Moment = None
    started_at: Moment = None
    completed_at: Moment = None
    updated_at: Moment = None
    error: str | None = None
    last_exit_code: int | None = None
    last_stdout: str | None = None
    last_stderr: str | None = None
    retry_classification: str | None = None
    result: Raw = NOTHING


class _One(Struct, frozen=True):
    job: CapyJob


class _Many(Struct, frozen=True):
    jobs: tuple[Raw, ...] | None


_ones = msgspec.json.Decoder(_One)
_jobs = msgspec.json.Decoder(CapyJob)
_manies = msgspec.json.Decoder(_Many)


def read_job(body: bytes) -> Job[CapyJob]:
    """Read the body of ``GET /v1/jobs/{job_id}``."""
    return _job(decoded(_ones, body).job)


def read_jobs(body: bytes) -> tuple[Job[CapyJob], ...]:
    """Read the body of ``GET /v1/projects/{project_id}/jobs``."""
    return tuple(map(_job, each_decoded(_jobs, _manies.decode(body).jobs or (), body)))


def _job(wire: CapyJob) -> Job[CapyJob]:
    created_at, started_at = moment_of(wire.created_at), moment_of(wire.started_at)
    proven = Event("pending", Phase.PENDING, created_at), Event("running", Phase.RUNNING, started_at)
    status, phase = WORDS.meaning(wire.state)
    return Job(
        id=str(wire.id),
        api=CAPYDB.name,
        status=status,
        phase=phase,
        type=wire.type and intern(wire.type),  # a million jobs have few types and projects
        project_id=wire.project_id and intern(wire.project_id),
        created_at=created_at,
        started_at=started_at,
        ended_at=moment_of(wire.completed_at),
        updated_at=moment_of(wire.updated_at),
        attempt=wire.attempts,
        proven=tuple(event for event in proven if event.at is not None),
        error=Problem(wire.error) if wire.error else None,
        result=plain(wire.result),
        wire=wire,
    )


CAPYDB: JobAPI[CapyJob] = JobAPI(
    name="capydb",
    docs="https://docs.capydb.dev/docs/reference/api/jobs",
    base_url="https://capydb.dev/api/capydb",
    base_url_variable="CAPYDB_API_URL",
    token_variable="CAPYDB_API_KEY",  # noqa: S106 - a variable's name
    job_path="/v1/jobs/{job_id}",
    id_places=("job.id",),
    list_path="/v1/projects/{project_id}/jobs?limit={limit}",
    read_job=read_job,
    read_jobs=read_jobs,
    read_problem=read_problem,
    output={"stdout": "last_stdout", "stderr": "last_stderr"},
)
