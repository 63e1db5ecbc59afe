"""What is known of a job when the time of a wait for it is over. Pure.

* A job that was read goes on, as far as anybody knows: that is a time limit, whatever the last look came to.
* A job that was never read may not even exist. What kept it from being read is then the wait's end: the fault of the
  last look, or that a look has had no answer for a second or more.
* A limit that was too short for any look to be answered, or for a look to be made at all, proves nothing about the API:
  that is a time limit, too, and its message says that the job was never read.
* A refusal that was seen last is the wait's end in any case. So is that there is no such job, but not of one that was
  ever read: that takes more looks.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from .._models import Fault, FaultKind
from .tracker import REFUSALS, Watched

TELLING: Final = 1.0
"""For how many seconds a look has to have had no answer for that to say something about the API."""

SILENT: Final = 5.0
"""After how many seconds without an answer to the first look that is worth a word, while the wait goes on."""


class Unanswered(Struct, frozen=True):
    """A look under way: for how many seconds it has had no answer, and how far it is."""

    seconds: float
    how_far: str

    @property
    def fault(self) -> Fault:
        """What it comes to if it is given up now."""
        return Fault(FaultKind.UNREACHABLE, f"{self.how_far} within {self.seconds:.1f} s")


class AtLimit(Struct, frozen=True):
    """What a wait comes to at its time limit.

    Attributes:
        verdict: The fault that it ends by; None if that is the time limit.
        last: What was wrong with the last look, if anything was.
    """

    verdict: Fault | None = None
    last: Fault | None = None


def at_limit(watched: Watched, limit: float, unanswered: Unanswered | None, *, was_read: bool) -> AtLimit:
    """Return what a wait comes to when its time is over.

    Args:
        watched: What is known of the job.
        limit: How long the wait was allowed to last, in seconds.
        unanswered: The look under way, if there is one.
        was_read: Whether the job was read; not so by an earlier wait that this one goes on from.
    """
    fault, was_ever_read = watched.fault, watched.looked_at is not None
    is_telling = unanswered is not None and unanswered.seconds >= TELLING
    last = fault
    if last is None and unanswered is not None and (is_telling or not was_read):
        last = unanswered.fault
    is_missing = fault is not None and fault.kind is FaultKind.NOT_FOUND
    if fault is not None and (fault.kind in REFUSALS or (is_missing and not was_ever_read)):
        return AtLimit(fault, fault)
    if was_read or is_missing or last is None or (fault is None and not is_telling):
        return AtLimit(None, last)
    why = last.message if unanswered is None or fault is not None else unanswered.how_far
    return AtLimit(replace(last, message=f"never read within {limit:g} s: {why}"), last)
