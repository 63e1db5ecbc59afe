"""Bedrock's answers: ``GET /jobs/{job_id}`` in its two documented shapes, a job's stream of events, problem bodies.

Sources: https://docs.bedrock.cv/cms-api/jobs/get ("cms"), https://docs.bedrock.cv/vision-api/async-jobs/polling and
https://docs.bedrock.cv/vision-api/async-jobs/overview ("vision"), https://docs.bedrock.cv/api-reference/errors with
the pages under https://docs.bedrock.cv/errors/, https://docs.bedrock.cv/vision-api/async-jobs/streaming.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from .._models import JSON, Problem
from ._answer import Answer, Dialect, json_answer, phrase
from ._job import JobOptions, Step, stamp

VERSIONS = ("2026-01-01", "1")

_PAYLOAD: JSON = {"type": "Block", "old_id": "blk_01JABCD100", "new_id": "blk_01JABCD200"}
_RESULTS: JSON = {
    "overlay": {
        "overlay_id": "ovl_01JABCD456",
        "uri": "https://storage.bedrock.cv/overlays/ovl_01JABCD456/combined.png",
        "score": 0.82,
    }
}
# The only documented error of a job: https://docs.bedrock.cv/vision-api/webhooks
_ERROR = Problem("Unable to process sheet - source image missing", "PROCESSING_ERROR")

# HTTP status: page under /errors/, title, detail, code. The not-found page is known from the overview's table only.
_PROBLEMS = {
    400: ("bad-request", "Bad Request", "One or more request fields are invalid.", "BAD_REQUEST"),
    401: (
        "authentication",
        "Missing or invalid API key",
        "Provide a valid API key via the Authorization: Bearer or X-API-Key header.",
        "UNAUTHORIZED",
    ),
    402: (
        "insufficient-credits",
        "Insufficient credits",
        "Your organization does not have enough credits for this operation.",
        "INSUFFICIENT_CREDITS",
    ),
    403: ("authorization", "Access denied", "You do not have access to this resource.", "FORBIDDEN"),
    404: ("not-found", "Not found", "The requested resource was not found.", "NOT_FOUND"),
    429: ("rate-limit", "Too many requests", "You have exceeded the rate limit.", "RATE_LIMITED"),
}


def _record(job_id: str, steps: tuple[Step, ...], options: JobOptions, epoch: datetime) -> dict[str, JSON]:
    vision = options.get("shape") == "vision"
    record = _vision(job_id, steps, options) if vision else _cms(job_id, steps, options)
    record |= _ending(steps[-1].status.casefold(), options, vision)
    if options.get("events", not vision):
        record["events"] = _events(steps, options.get("events_kept"), epoch)
    record["created_at"] = stamp(epoch, steps[0].at)
    if not vision:
        record["updated_at"] = stamp(epoch, steps[-1].at)
    elif steps[-1].status.casefold() == "completed":
        record["completed_at"] = stamp(epoch, steps[-1].at)
    return record


def _cms(job_id: str, steps: tuple[Step, ...], options: JobOptions) -> dict[str, JSON]:
    target_type, target_id = options.get("target", ("Block", "blk_01JABCD123"))
    return {
        "id": job_id,
        "organization_id": options.get("organization_id", "org_01JABCD123"),
        "project_id": options.get("project_id", "prj_01JABCD123"),
        "type": options.get("type", "overlay.generate"),
        "status": steps[-1].status,
        "target_type": target_type,
        "target_id": target_id,
        "parent_id": options.get("parent_id"),
        "payload": options.get("payload", _PAYLOAD),
    }


def _vision(job_id: str, steps: tuple[Step, ...], options: JobOptions) -> dict[str, JSON]:
    target_type, target_id = options.get("target", ("block", "blk_01JABCD100"))
    record: dict[str, JSON] = {
        "job_id": job_id,
        "type": options.get("type", "compare"),
        "status": steps[-1].status,
        "target": {"type": target_type, "id": target_id},
    }
    # Fields of the job object that the examples of the polling page leave out.
    if "organization_id" in options:
        record["organization_id"] = options["organization_id"]
    if "project_id" in options:
        record["project_id"] = options["project_id"]
    if "parent_id" in options:
        record["parent_id"] = options["parent_id"]
    return record


def _ending(word: str, options: JobOptions, vision: bool) -> dict[str, JSON]:
    """Return the fields that come with an end, by its word in lower case."""
    # The CMS page shows neither results nor an error, so there they come only when given.
    if word == "completed" and (vision or "results" in options):
        return {"results": options.get("results", _RESULTS)}
    if word == "failed" and (vision or "error" in options):
        error = options.get("error", _ERROR)
        if isinstance(error, str):
            error = Problem(error, _ERROR.code)
        return {"error": {"code": error.code, "message": error.message}}
    return {}


def _events(steps: tuple[Step, ...], kept: int | None, epoch: datetime) -> JSON:
    latest = steps if kept is None else steps[max(0, len(steps) - kept) :]
    return [{"status": step.status, "timestamp": stamp(epoch, step.at)} for step in latest]


def _reply(record: dict[str, JSON], options: JobOptions) -> JSON:
    return record if options.get("shape") == "vision" else {"data": record}


def _id_field(options: JobOptions) -> str:
    return "job_id" if options.get("shape") == "vision" else "id"


def _problem(status: int, request_id: str, detail: str | None) -> Answer:
    body: dict[str, JSON]
    if status in _PROBLEMS:
        page, title, usual, code = _PROBLEMS[status]
        body = {"type": f"https://docs.bedrock.cv/errors/{page}", "title": title, "status": status}
        body |= {"detail": detail or usual, "code": code}
    else:
        # Undocumented statuses: what RFC 7807, section 4.2, says when there is nothing more to say.
        body = {"type": "about:blank", "title": phrase(status), "status": status}
    body["request_id"] = request_id
    return json_answer(body, status, "application/problem+json")


def unsupported(version: str) -> str:
    """Return what Bedrock says of an unknown ``X-API-Version`` (https://docs.bedrock.cv/errors/bad-request)."""
    return f"Unsupported API version: {version}. Supported versions: 1"


# --- the stream of a job's events ---------------------------------------------------------------------------------

HEARTBEAT_EVERY: Final = 15.0
"""Seconds between two heartbeats of a stream."""

STREAM_SECONDS: Final = 300.0
"""Seconds after which a stream is closed while its job is still running."""

HEARTBEAT: Final = b": heartbeat\n\n"
"""A heartbeat; its documentation does not say how it is written."""

_STREAM_WORDS = {
    "pending": "Queued",
    "running": "Started",
    "completed": "Completed",
    "failed": "Failed",
    "canceled": "Canceled",
    "cancelled": "Canceled",
}
_STREAM_ENDS = frozenset({"completed", "failed", "canceled"})


def _event(job_id: str, step: Step, options: JobOptions, epoch: datetime) -> bytes:
    """Return the event of a stream that reports a state, in the words of the Vision API."""
    word = _STREAM_WORDS.get(step.status.casefold(), step.status)
    name = word.casefold() if _is_last(step, options) else "status"
    data: dict[str, JSON] = {"job_id": job_id, "status": word}
    data |= _ending(word.casefold(), options, vision=True)
    data["timestamp"] = stamp(epoch, step.at)
    return b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode(data))


def _is_last(step: Step, _options: JobOptions) -> bool:
    """Return whether the stream is closed after the event of a state."""
    return _STREAM_WORDS.get(step.status.casefold(), "").casefold() in _STREAM_ENDS


BEDROCK = Dialect("bedrock", "", _record, _id_field, _reply, _problem, _event, _is_last)
