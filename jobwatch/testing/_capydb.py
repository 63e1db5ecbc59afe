"""CapyDB's answers: one job, a project's jobs, and its error bodies.

Sources: https://docs.capydb.dev/docs/reference/api/jobs; which fields are left out when empty, and that an empty list
is ``null``, is in the vendor's own client, github.com/capydatabase/capydbclient (types.go).
"""

from __future__ import annotations

from datetime import datetime

from .._models import JSON, Problem
from ._answer import Answer, Dialect, json_answer, phrase
from ._job import JobOptions, Step, stamp

ROOT = "/api/capydb"
LIST_LIMIT = 25

_ENDED = ("completed", "failed")


def _record(job_id: str, steps: tuple[Step, ...], options: JobOptions, epoch: datetime) -> dict[str, JSON]:
    word = steps[-1].status.casefold()
    starts = [step.at for step in steps if step.status.casefold() == "running"]
    optional: dict[str, JSON] = {"project_id": options.get("project_id")}
    if starts:
        started: JSON = stamp(epoch, starts[-1])
        optional |= {"claimed_at": started, "claimed_by": options.get("claimed_by", "worker-1"), "started_at": started}
    if word in _ENDED:
        optional["completed_at"] = stamp(epoch, steps[-1].at)
    else:
        optional["locked_resource"] = options.get("locked_resource")
    optional |= _attempt(word, bool(starts), options)
    record: dict[str, JSON] = {
        "attempts": len(starts),
        "created_at": stamp(epoch, steps[0].at),
        "id": job_id,
        "max_attempts": options.get("max_attempts", 3),
        "organization_id": options.get("organization_id", "org_1"),
        "state": steps[-1].status,
        "type": options.get("type", "project.backup"),
        "updated_at": stamp(epoch, steps[-1].at),
    }
    # Go's omitempty: nothing, "" and 0 are left out.
    return record | {name: value for name, value in optional.items() if value is not None and value not in ("", 0)}


def _attempt(word: str, ran: bool, options: JobOptions) -> dict[str, JSON]:
    """Return the fields of the attempt that has ended, if one has: the last, or one that is to be repeated."""
    fields: dict[str, JSON] = {}
    failed = word == "failed" or (ran and word == "pending")
    if failed:
        error = options.get("error")
        fields["error"] = error.message if isinstance(error, Problem) else error
        fields["last_exit_code"] = options.get("exit_code")
        fields["last_stderr"] = options.get("stderr")
        fields["retry_classification"] = options.get("retry_classification")
    if failed or word == "completed":
        fields["last_stdout"] = options.get("stdout")
    if word == "completed":
        fields["result"] = options.get("result")
    return fields


def _reply(record: dict[str, JSON], _options: JobOptions) -> JSON:
    return {"job": record}


def _id_field(_options: JobOptions) -> str:
    return "id"


def _problem(status: int, _request_id: str, detail: str | None) -> Answer:
    return json_answer({"error": detail or phrase(status).lower()}, status)


CAPYDB = Dialect("capydb", ROOT, _record, _id_field, _reply, _problem)
