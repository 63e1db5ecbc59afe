"""How watched jobs ended, as ``jobwatch wait`` records it: for lines, commands and messages. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from .._models import Outcome, Phase
from ._render import OutcomeRecord

if TYPE_CHECKING:
    from .._report.overview import Row

_DROPPED = "not watched any more; the job goes on"


def end_of(row: Row, elapsed: float = 0.0) -> OutcomeRecord:
    """Return the record of how a watched job ended, or how it stands, as ``wait`` has it; its words as they came.

    Args:
        row: The job.
        elapsed: For how many seconds it was watched.
    """
    job = row.job
    outcome = job.outcome or (Outcome.BLOCKED if row.asks else Outcome.INTERRUPTED)
    error = _DROPPED if job.is_dropped and job.outcome is None else row.error or job.error
    started_at = next((state.began for state in job.states if state.phase is Phase.RUNNING and not state.as_seen), None)
    return OutcomeRecord(
        job.job_id,
        outcome,
        job.status,
        job.phase,
        None if outcome in (Outcome.SUCCEEDED, Outcome.BLOCKED) else error,
        job.looks or 0,
        elapsed,
        end_missed=row.end_missed,
        asked=job.asked,
        url=job.url,
        created_at=_utc(row.created_at),
        started_at=_utc(started_at),
        ended_at=None if job.ended_at is None or job.states[-1].as_seen else _utc(job.ended_at),
        ran=job.ran,
        known_after=job.known_after,
        progress=job.progress,
    )


def _utc(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
