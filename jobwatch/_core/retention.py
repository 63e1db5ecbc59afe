"""Jobs that an API has forgotten while nobody looked: their end was missed. Pure.

Many APIs keep a job for some time after its end. Where no look was good for longer than that, "no such job" says that
it ended meanwhile, and not how. So when the job was seen last has to outlive a restart, which knows no more than what
was written down: that is done a few times within that period, though nothing has changed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from .._models import Fault, Job, Outcome

if TYPE_CHECKING:
    from .tracker import Watched


_PARTS: Final = 8
"""How often it is written down in that period that the job was seen."""


def is_to_be_noted(before: Watched, now: float, retention: float) -> bool:
    """Whether it is to outlive a restart that a look has shown the job; for arguments see `with_retention`."""
    kept_for = retention if before.retention is None else before.retention
    if before.looked_at is None or not 0.0 < kept_for < math.inf:
        return False
    part = kept_for / _PARTS
    return before.looked_at // part != now // part


def with_retention(
    before: Watched, after: Watched, seen: Job | Fault, now: float, retention: float, *, slept: float = 0.0
) -> Watched:
    """Return what is known, with whether the job's end was missed, and for how long its API says it is kept.

    Args:
        before: What was known before the look.
        after: What is known after it.
        seen: What it showed.
        now: When it was made, in Unix seconds.
        retention: For how many seconds jobs that have ended are kept, where the job's own replies do not say.
        slept: For how many seconds the machine was suspended since the last good look, if `now` leaves them out.
    """
    if isinstance(seen, Job):
        return after if seen.retention is None else replace(after, retention=seen.retention)
    if after.outcome is not Outcome.NOT_FOUND or before.outcome is not None or after.looked_at is None:
        return after
    kept_for = retention if after.retention is None else after.retention
    silence = (now if after.missing_since is None else after.missing_since) - after.looked_at + slept
    if silence <= kept_for:
        return after
    message = f"{seen.message}; its end was missed: not seen for {silence:.0f} s, and kept for {kept_for:.0f} s"
    return replace(after, fault=replace(seen, message=message), end_missed=True)
