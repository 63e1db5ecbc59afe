"""Which changes a look shows: what a watcher hands out. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from .._models import Outcome
from .changes import Change, ChangeKind, Health

if TYPE_CHECKING:
    from datetime import datetime

    from .._core.look import Looked
    from .._models import Transition

_STATE = ChangeKind.STATE  # until Python 3.12, to find a member takes longer than all that is done with it

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
    fault, states, ended = looked.watched.fault, looked.transitions, has_ended(looked)
    changes: list[Change] = []

    def change(kind: ChangeKind, transition: Transition | None = None) -> Change:
        job_id, number = looked.watched.job_id, seq + len(changes) + 1
        return Change(
            job_id=job_id, seq=number, generation=generation, kind=kind, seen_at=seen_at, transition=transition
        )

    now = Health.OK if fault is None else TROUBLED.get(looked.outcome, health)
    if now is not health:
        changes.append(replace(change(ChangeKind.HEALTH), health=now, fault=fault))
    last = states[-1] if ended and states and states[-1].phase.ended else None
    for transition in states if last is None else states[:-1]:
        changes += [change(_STATE, transition)]
    if looked.confirms_blocked and looked.watched.blocked is not None:
        blocked = looked.watched.blocked
        changes.append(replace(change(ChangeKind.BLOCKED), asked=blocked.asked, url=blocked.url))
    if looked.remark is not None:
        changes.append(replace(change(ChangeKind.REMARK), remark=looked.remark))
    if ended:
        error = looked.error if looked.job is None else looked.job.error
        end = replace(change(ChangeKind.END, last), outcome=looked.outcome, error=error, fault=fault)
        if looked.watched.end_missed:
            end = replace(end, end_missed=True)
        changes.append(end)
    return tuple(changes)


def has_ended(looked: Looked) -> bool:
    """Whether a look was the last one at its job."""
    return looked.outcome is not None and looked.outcome not in TROUBLED
