"""The agenda: which watched job is due when, and what each of them has shown so far.

`Watch` is one job's place in it: small and slotted, since there may be a million. It holds what is known of the
job, the log of its transitions and the bell of those who listen; any number of listeners share one.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from ._models import Job, Transition
    from ._tracker import Watched
    from ._transport import Target

NEVER = float("inf")


class Watch:
    """One job on the agenda.

    Attributes:
        watched: What is known of it.
        log: The transitions seen since the first listener came.
        job: The job as last read.
        due: When it is to be looked at, on the loop's clock; `NEVER` while it is being looked at or has ended.
        listeners: How many are waiting for news of it.
        hurried: Whether somebody waits for the next look, whatever it shows.
        again: Whether that look is still to be made when the present one is over.
    """

    __slots__ = ("again", "bell", "body_hash", "due", "etag", "hurried", "job", "listeners", "log", "target", "watched")

    def __init__(self, watched: Watched, target: Target) -> None:
        self.watched = watched
        self.target = target
        self.log: tuple[Transition, ...] = ()
        self.job: Job | None = None
        self.due = NEVER
        self.listeners = 0
        self.hurried = False
        self.again = False
        self.bell: dict[asyncio.Future[None], None] | None = None
        self.etag: str | None = None
        self.body_hash: int | None = None

    def __lt__(self, other: Watch) -> bool:
        """Break ties of time in the heap, in any way that does not change."""
        return id(self) < id(other)

    def hear(self, listener: asyncio.Future[None]) -> None:
        """Have a future set when the bell rings."""
        if self.bell is None:
            self.bell = {}
        self.bell[listener] = None

    def unhear(self, listener: asyncio.Future[None]) -> None:
        """Forget a future that need not be set any more."""
        if self.bell is not None:
            self.bell.pop(listener, None)

    def ring(self) -> None:
        """Wake all who listen."""
        bell, self.bell = self.bell, None
        for listener in bell or ():
            if not listener.done():
                listener.set_result(None)


class Agenda:
    """A heap of watches by the time they are due; a watch that was moved leaves its old place behind, to be skipped."""

    __slots__ = ("_heap", "_left_behind")

    def __init__(self) -> None:
        self._heap: list[tuple[float, Watch]] = []
        self._left_behind = 0

    def put(self, watch: Watch, due: float) -> None:
        """Put a watch at a time, wherever it was before."""
        if watch.due != NEVER:
            self._leave()
        watch.due = due
        heapq.heappush(self._heap, (due, watch))

    def remove(self, watch: Watch) -> None:
        """Take a watch off, if it is on."""
        if watch.due != NEVER:
            watch.due = NEVER
            self._leave()

    def next_due(self) -> float:
        """Return when the next watch is due, or `NEVER`."""
        heap = self._heap
        while heap and heap[0][0] != heap[0][1].due:
            heapq.heappop(heap)
            self._left_behind -= 1
        return heap[0][0] if heap else NEVER

    def pop_due(self, now: float) -> Watch | None:
        """Take off and return the watch that has been due longest, if one is due."""
        if self.next_due() > now:
            return None
        watch = heapq.heappop(self._heap)[1]
        watch.due = NEVER
        return watch

    def _leave(self) -> None:
        self._left_behind += 1
        if self._left_behind > 64 and self._left_behind * 2 > len(self._heap):
            self._heap = [place for place in self._heap if place[0] == place[1].due]
            heapq.heapify(self._heap)
            self._left_behind = 0
