"""Which changes a look shows: what a watcher hands out. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from .._models import Outcome
from .changes import Change, ChangeKind, Health

if TYPE_CHECKING:
    from datetime import datetime

    from .._core.look import Looked

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

    def change(kind: ChangeKind) -> Change:
        return Change(job_id=job_id, seq=seq + len(changes) + 1, generation=generation, kind=kind, seen_at=seen_at)

    now = _OK if fault is None else TROUBLED.get(looked.outcome, health)
    if now is not health:
        changes.append(replace(change(ChangeKind.HEALTH), health=now, fault=fault))
    last = states[-1] if ended and states and states[-1].phase.ended else None
    first = seq + len(changes) + 1
    changes += [
        Change(job_id=job_id, seq=number, generation=generation, kind=_STATE, seen_at=seen_at, transition=transition)
        for number, transition in enumerate(states if last is None else states[:-1], first)
    ]
    if looked.confirms_blocked and known.blocked is not None:
        changes.append(replace(change(ChangeKind.BLOCKED), asked=known.blocked.asked, url=known.blocked.url))
    if looked.remark is not None:
        changes.append(replace(change(ChangeKind.REMARK), remark=looked.remark))
    if ended:
        end = Change(
            job_id=job_id,
            seq=seq + len(changes) + 1,
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
