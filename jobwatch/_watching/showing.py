"""Which changes a look shows: what a watcher hands out. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from .._models import Outcome
from .._models.shortened import shortened
from .changes import Change, ChangeKind, Health

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from .._core.look import Looked
    from .._core.tracker import Watched

# Until Python 3.12, to find a member takes longer than all that is done with it.
_STATE: Final = ChangeKind.STATE
_END: Final = ChangeKind.END
_OK: Final = Health.OK

TROUBLED: dict[Outcome | None, Health] = {
    Outcome.UNREACHABLE: Health.UNREACHABLE,
    Outcome.UNREADABLE: Health.UNREADABLE,
    Outcome.AUTH: Health.AUTH,
}
"""Outcomes of looks that end a wait, and not a watch."""


_LONGEST_ERROR = 400
"""How many characters are kept of what went wrong with a job: as many as are told of a fault."""


def at_its_end(known: Watched, changes: Sequence[Change]) -> Watched:
    """Return what is kept of a job that has ended, which outlives the changes that told it.

    Args:
        known: What is known of it.
        changes: Those that its last look has shown.
    """
    error = next((change.error for change in reversed(changes) if change.kind is _END), None)
    if error is not None and len(error.message) > _LONGEST_ERROR:
        error = replace(error, message=shortened(error.message, _LONGEST_ERROR))
    return replace(known, delivered=known.delivered[-1:], error=error)


def changes_of(looked: Looked, seq: int, health: Health, seen_at: datetime, generation: int = 0) -> tuple[Change, ...]:
    """Return the changes that a look shows.

    Args:
        looked: What the look gave.
        seq: How many changes of the job there have been.
        health: How well it could be seen before.
        seen_at: When the look was made.
        generation: See `Change.generation`.
    """
    known, states = looked.watched, looked.transitions
    job_id, fault, ended = known.job_id, known.fault, has_ended(looked)
    changes: list[Change] = []
    now = _OK if fault is None else TROUBLED.get(looked.outcome, health)
    if now is not health:
        seq += 1
        told = Change(job_id=job_id, seq=seq, generation=generation, kind=ChangeKind.HEALTH, seen_at=seen_at)
        changes.append(replace(told, health=now, fault=fault))
    last = states[-1] if ended and states and states[-1].phase.ended else None
    for transition in states if last is None else states[:-1]:
        seq += 1
        told = Change(
            job_id=job_id, seq=seq, generation=generation, kind=_STATE, seen_at=seen_at, transition=transition
        )
        changes.append(told)
    if looked.confirms_blocked and known.blocked is not None:
        seq += 1
        told = Change(job_id=job_id, seq=seq, generation=generation, kind=ChangeKind.BLOCKED, seen_at=seen_at)
        changes.append(replace(told, asked=known.blocked.asked, url=known.blocked.url))
    if looked.remark is not None:
        seq += 1
        told = Change(job_id=job_id, seq=seq, generation=generation, kind=ChangeKind.REMARK, seen_at=seen_at)
        changes.append(replace(told, remark=looked.remark))
    if ended:
        end = Change(
            job_id=job_id,
            seq=seq + 1,
            generation=generation,
            kind=_END,
            seen_at=seen_at,
            transition=last,
            outcome=looked.outcome,
            error=looked.error if looked.job is None else looked.job.error,
            fault=fault,
            end_missed=known.end_missed,
        )
        changes.append(end)
    return tuple(changes)


def has_ended(looked: Looked) -> bool:
    """Whether a look was the last one at its job."""
    return looked.outcome is not None and looked.outcome not in TROUBLED
