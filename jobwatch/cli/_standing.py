"""How a job stands that is waited for, between one state and the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from .._models import Phase

if TYPE_CHECKING:
    from .._wait import Wait


class Standing(Struct, frozen=True):
    """How one job stands.

    Attributes:
        looks: How many looks were made.
        ran: For how many seconds it has been running, where it is and the API tells since when.
        progress: How far it is, from 0 to 1, where the API tells.
    """

    looks: int = 0
    ran: float | None = None
    progress: float | None = None

    @classmethod
    def of(cls, wait: Wait) -> Standing | None:
        """Return how the job of a wait stands; None before the wait has begun."""
        watched, times = wait.watched, wait.times
        if watched is None:
            return None
        is_running = watched.phase is Phase.RUNNING
        return cls(watched.looks, times.ran if times is not None and is_running else None, watched.progress)
