"""Bedrock's stream of a job's events (https://docs.bedrock.cv/vision-api/async-jobs/streaming), as text."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from .._models import JSON
from ._bedrock import ending
from ._job import JobOptions
from ._script import Step, stamp

HEARTBEAT: Final = 15.0
"""Seconds between two heartbeats."""

LONGEST: Final = 300.0
"""Seconds after which a stream is closed, with the job going on."""

BEAT: Final = b": heartbeat\n\n"
"""A heartbeat; how it is written is not documented."""

_WORDS = {
    "pending": "Queued",
    "running": "Started",
    "completed": "Completed",
    "failed": "Failed",
    "canceled": "Canceled",
    "cancelled": "Canceled",
}
_ENDS = frozenset({"completed", "failed", "canceled"})


def event_of(job_id: str, step: Step, options: JobOptions, epoch: datetime) -> bytes:
    """Return the event that tells of a job's entering a state, in the words of the Vision API."""
    word = _WORDS.get(step.status.casefold(), step.status)
    name = word.casefold() if is_end(step) else "status"
    data: dict[str, JSON] = {"job_id": job_id, "status": word}
    data |= ending(word.casefold(), options, vision=True)
    data["timestamp"] = stamp(epoch, step.at)
    return b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode(data))


def is_end(step: Step) -> bool:
    """Whether the stream is closed after the event of a state."""
    return _WORDS.get(step.status.casefold(), "").casefold() in _ENDS
