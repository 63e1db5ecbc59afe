"""What an event of a job's stream says, by the places of a table. Pure."""

from __future__ import annotations

from collections.abc import Callable

from .._models import Fault, Job, Phase
from .._reading.api import Hint
from .._reading.words import may_be_made_up

SOMETHING = Hint("", Phase.UNKNOWN)
"""Something has happened, and a look may show what."""


def hint_of_stream(read: Callable[[bytes, int, str], Job | Fault]) -> Callable[[bytes, str], Hint]:
    """Return what reads an event: its state, where its data are as the job's reply is, and else that there is news.

    Args:
        read: Reads the job's reply, from its body, its HTTP status and the id asked for.
    """

    def read_hint(data: bytes, _name: str) -> Hint:
        try:
            seen = read(data, 200, "")
        except (ValueError, RecursionError, OverflowError):  # no JSON, or something else than the job
            return SOMETHING
        if isinstance(seen, Fault) or may_be_made_up(seen.status):
            return SOMETHING
        return Hint(seen.status, seen.phase, seen.id or None)

    return read_hint
