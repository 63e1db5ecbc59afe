"""How a job stands that is waited for, between one state and the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from .._models import Phase

if TYPE_CHECKING:
    from .._client.wait import Wait
    from ._heartbeat import Heartbeat


class Standing(Struct, frozen=True):
    """How one job stands.

    Attributes:
        looks: How many looks were made.
        ran: For how many seconds it has been running, where it is and the API tells since when.
        progress: How far it is, from 0 to 1, where the API tells.
        phase: The phase that it is in, as looks show it; None where nothing is known of what follows.
        age: For how many seconds it has been in that phase, where that is known.
        left: Between which times it will probably end, in seconds from now, where earlier jobs tell.
        is_late: Whether it goes on for longer than nearly all earlier jobs did.
    """

    looks: int = 0
    ran: float | None = None
    progress: float | None = None
    phase: Phase | None = None
    age: float | None = None
    left: tuple[float, float] | None = None
    is_late: bool = False

    @classmethod
    def of(cls, wait: Wait, heartbeat: Heartbeat | None = None) -> Standing | None:
        """Return how the job of a wait stands; None before the wait has begun.

        Args:
            wait: The wait.
            heartbeat: What knows for how long jobs have been in their phases, and what earlier ones took.
        """
        watched, times = wait.watched, wait.times
        if watched is None:
            return None
        is_running = watched.phase is Phase.RUNNING
        ran = times.ran if times is not None and is_running else None
        if heartbeat is None or watched.phase is None:
            return cls(watched.looks, ran, watched.progress)
        known = heartbeat.standing(wait.job_id, watched)
        return cls(watched.looks, ran, watched.progress, watched.phase, known.age, known.left)
