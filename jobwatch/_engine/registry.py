"""Who is watched: of each job one watch for those who wait for it, and one for a watcher in the background."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .watch import Watch


class Registry:
    """The watches of a poller, by job.

    Attributes:
        awaited: Those that waits listen to.
        background: Those that a watcher is told of, which may have begun with what its journal knew.
    """

    def __init__(self) -> None:
        self.awaited: dict[str, Watch] = {}
        self.background: dict[str, Watch] = {}

    def __len__(self) -> int:
        return len(self.awaited) + len(self.background)

    def any(self) -> bool:
        """Return whether there are any."""
        return bool(self.awaited or self.background)

    @property
    def are_mixed(self) -> bool:
        """Whether a job may have two watches."""
        return bool(self.awaited and self.background)

    def of(self, job_id: str) -> list[Watch]:
        """Return the watches of a job."""
        found = (self.awaited.get(job_id), self.background.get(job_id))
        return [watch for watch in found if watch is not None]

    def going_on(self, job_id: str) -> list[Watch]:
        """Return the watches of a job that somebody wants to hear of, and that have not ended."""
        return [watch for watch in self.of(job_id) if watch.wanted and watch.watched.outcome is None]

    def remove(self, watch: Watch) -> bool:
        """Forget a watch; return whether it was known."""
        job_id = watch.watched.job_id
        group = self.awaited if self.awaited.get(job_id) is watch else self.background
        if group.get(job_id) is not watch:
            return False
        del group[job_id]
        return True

    def clear(self) -> None:
        """Forget all."""
        self.awaited.clear()
        self.background.clear()
