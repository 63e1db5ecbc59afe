"""Bedrock (bedrock.cv): drawing comparison and parsing jobs.

``GET /jobs/{job_id}`` is documented twice, with different bodies and different words for the same states, and
nothing says which one a server sends: https://docs.bedrock.cv/cms-api/jobs/get (an envelope, upper case) and
https://docs.bedrock.cv/vision-api/async-jobs/polling (bare, title case). Both are read. Errors are problem
documents (https://docs.bedrock.cv/api-reference/errors) that spell the request id in two ways. A stream of events
(https://docs.bedrock.cv/vision-api/async-jobs/streaming) pushes changes, in the second page's words.
"""

from __future__ import annotations

from functools import lru_cache
from sys import intern
from typing import TypeAlias

import msgspec
from msgspec import Raw, Struct

from .._models import Event, Job, Problem
from .._reading.api import Hint, JobAPI
from .._reading.bodies import NOTHING, plain
from .._reading.problems import read_problem
from .._reading.structs import decoded
from .._reading.times import Moment, moment_of
from .._reading.words import documented

WORDS = documented(pending=("pending", "queued"), running=("running", "started"))


class EventEntry(Struct, frozen=True, gc=False):
    """One entry of a job's ``events``."""

    status: str
    timestamp: Moment = None


class JobError(Struct, frozen=True):
    """A failed job's ``error``."""

    code: str | None = None
    message: str | None = None


class Target(Struct, frozen=True):
    """What a Vision job works on."""

    type: str | None = None
    id: str | int | None = None


class Steps(Struct, frozen=True):
    """How far a job is, counted, as on https://docs.bedrock.cv/mcp/tools/get-job."""

    completed: float = 0.0
    total: float = 0.0


class _AnyJob(Struct, frozen=True, kw_only=True):
    status: str
    organization_id: str | None = None
    project_id: str | None = None
    type: str | None = None
    parent_id: str | None = None
    events: tuple[EventEntry, ...] | None = None
    results: Raw = NOTHING
    error: JobError | str | None = None
    created_at: Moment = None
    updated_at: Moment = None
    completed_at: Moment = None


class CmsJob(_AnyJob, frozen=True, kw_only=True):
    """A job as the CMS API sends it, inside ``data``."""

    id: str | int
    target_type: str | None = None
    target_id: str | None = None
    payload: Raw = NOTHING


class VisionJob(_AnyJob, frozen=True, kw_only=True):
    """A job as the Vision API sends it, bare."""

    job_id: str | int
    target: Target | None = None
    progress: float | Steps | None = None


BedrockJob: TypeAlias = CmsJob | VisionJob
"""What `Job.wire` is for Bedrock's jobs: the record of whichever of the two APIs answered."""


class _Envelope(Struct, frozen=True):
    data: CmsJob | None = None


class _StreamEvent(Struct, frozen=True):
    job_id: Raw = NOTHING  # undecoded, since a key may come again and again
    status: Raw = NOTHING


_envelopes = msgspec.json.Decoder(_Envelope)
_bare_jobs = msgspec.json.Decoder(VisionJob)
_stream_events = msgspec.json.Decoder(_StreamEvent)
_ids = msgspec.json.Decoder(str | int | None)
_statuses = msgspec.json.Decoder(str | None)
_ENDS = frozenset({"completed", "failed", "canceled"})


def read_job(body: bytes) -> Job[BedrockJob]:
    """Read either documented body of ``GET /jobs/{job_id}``."""
    wire = decoded(_envelopes, body).data
    if wire is not None:
        return _job(wire, wire.id, None)
    bare = decoded(_bare_jobs, body)
    return _job(bare, bare.job_id, _share(bare.progress))


def _job(wire: BedrockJob, job_id: str | int, progress: float | None) -> Job[BedrockJob]:
    status, phase = WORDS.meaning(wire.status)
    return Job(
        id=str(job_id),
        api=BEDROCK.name,
        status=status,
        phase=phase,
        type=wire.type and intern(wire.type),  # a million jobs have few types and projects
        project_id=wire.project_id and intern(wire.project_id),
        created_at=moment_of(wire.created_at),
        ended_at=moment_of(wire.completed_at),
        updated_at=moment_of(wire.updated_at),
        progress=progress,
        events=None if wire.events is None else tuple(map(_event, wire.events)),
        error=None if wire.error is None else _problem(wire.error),
        result=None if wire.results is NOTHING else plain(wire.results),
        wire=wire,
    )


def _event(entry: EventEntry) -> Event:
    status, at = entry.status, entry.timestamp
    if isinstance(at, str) and len(at) + len(status) <= _LONGEST:
        return _remembered(status, at)
    return _made(status, at)


def _made(status: str, at: Moment) -> Event:
    return Event(*WORDS.meaning(status), moment_of(at))


_LONGEST = 80  # characters of an entry that is remembered, since each look at a job tells all of its entries again
_remembered = lru_cache(maxsize=2048)(_made)


def _share(progress: float | Steps | None) -> float | None:
    if isinstance(progress, Steps):
        progress = progress.completed / progress.total if progress.total else None
    return progress if progress is not None and 0.0 <= progress <= 1.0 else None


def _problem(error: JobError | str | None) -> Problem | None:
    if isinstance(error, JobError):
        return Problem(error.message or error.code or "no message", error.code)
    return Problem(error) if error else None


def read_hint(data: bytes, name: str) -> Hint | None:
    """Read an event of a job's stream; ``progress`` holds no state, and the name of an end is its state too."""
    event = _stream_events.decode(data)
    job_id, status = _ids.decode(event.job_id), _statuses.decode(event.status) or (name if name in _ENDS else None)
    if status is None:
        return None
    return Hint(*WORDS.meaning(status), None if job_id is None else str(job_id))


BEDROCK: JobAPI[BedrockJob] = JobAPI(
    name="bedrock",
    docs="https://docs.bedrock.cv/cms-api/jobs/get",
    base_url="https://api.bedrock.cv",
    base_url_variable="BEDROCK_API_URL",
    token_variable="BEDROCK_API_KEY",  # noqa: S106 - a variable's name
    version_header="X-API-Version",
    job_path="/jobs/{job_id}",
    id_places=("data.id", "job_id"),
    read_job=read_job,
    read_problem=read_problem,
    stream_path="/jobs/{job_id}/stream",
    read_hint=read_hint,
)
