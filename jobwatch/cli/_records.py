"""What ``--json`` prints, as Structs: the field order is the key order."""

from __future__ import annotations

from datetime import datetime

import msgspec
from msgspec import Raw, Struct

from .._models import JSON, Job, Outcome, Phase, Transition


class TransitionRecord(Struct, frozen=True, tag_field="type", tag="transition"):
    """One state change."""

    job_id: str
    seq: int
    status: str
    phase: Phase
    at: datetime | None
    seen_at: datetime
    gap: bool

    @classmethod
    def of(cls, transition: Transition) -> TransitionRecord:
        """Return the record of a transition."""
        return cls(*msgspec.structs.astuple(transition))


class OutcomeRecord(Struct, frozen=True, tag_field="type", tag="outcome"):
    """How one job's wait ended.

    Attributes:
        job_id: Whose.
        outcome: How.
        status: The API's word for the state last seen; None if the job was never read.
        phase: Our word for it.
        error: What went wrong, in the API's words where it gave any; None if nothing did.
        looks: How many looks were made.
        elapsed: How long it was waited for, in seconds.
    """

    job_id: str
    outcome: Outcome
    status: str | None
    phase: Phase | None
    error: str | None
    looks: int
    elapsed: float


def job_record(job: Job) -> dict[str, object]:
    """Return every field of a job, and under ``wire`` those of the API's own record."""
    record: dict[str, object] = msgspec.structs.asdict(job)
    record["wire"] = None if job.wire is None else wire_record(job.wire)
    return record


def wire_record(wire: Struct) -> dict[str, object]:
    """Return the fields of the API's own record, with the parts kept undecoded as plain values."""
    return {name: _plain(value) for name, value in msgspec.structs.asdict(wire).items()}


def _plain(value: object) -> object:
    if not isinstance(value, Raw):
        return value
    plain: JSON = msgspec.json.decode(value) if value else None
    return plain
