"""The one seam for telemetry: what is told to whoever measures a client, in values. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .._models import Outcome, Transition
    from .tracker import Watched


class Observer(Protocol):
    """Is told of waits, and of ends; never of a look, which would cost every look something.

    It may neither wait nor raise.
    """

    def began(self, job_id: str) -> object:
        """Take it that a wait for a job begins; return what stands for the wait."""
        ...

    def left(
        self, wait: object, watched: Watched, outcome: Outcome | None, transitions: tuple[Transition, ...]
    ) -> None:
        """Take it that a wait is over.

        Args:
            wait: What `began` returned.
            watched: What is known of the job.
            outcome: How the wait ended; None if it was given up.
            transitions: The states that looks have shown, in order.
        """
        ...

    def ended(self, outcome: Outcome, lag: float) -> None:
        """Take it that a job has ended, and how late that was known, in seconds."""
        ...
