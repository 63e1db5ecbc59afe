"""The agenda: which watched job is due when, and what each of them has shown so far.

`Watch` is one job's place in it, and there may be a million: small, slotted, and nothing that the garbage collector
has to walk. It holds what is known of the job, the log of its transitions and the bell of those who wait for news.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from ._lookout import Looked
    from ._models import Job, Transition
    from ._tracker import Watched
    from ._transport import Target

NEVER = float("inf")
FIRST = -NEVER
"""When a look is due that goes before all others."""


class Watch(Struct, gc=False, eq=False):
    """One job on the agenda.

    Attributes:
        watched: What is known of it.
        due: When it is to be looked at, on the loop's clock; `NEVER` while it is not on the agenda.
        wish: How many looks a second it wants at the plain price.
        listeners: How many waits listen to it; only for them are log and job kept.
        sink: Told of every look that changed something; for watchers of many jobs.
        log: The transitions seen since the first listener came.
        job: The job as last read.
        bell: What to set when there is news.
        fresh: Whether it has yet to be looked at.
        looking: Whether a look at it is under way.
        hurried: Whether somebody waits for the next look, whatever it shows.
        again: Whether that look is still to be made when the present one is over.
        alone: Whether its project's list has been seen not to hold it.
        target: Its URL, while it is worth keeping.
        etag: The validator of the last good reply.
        body_hash: The hash of that reply's body.
    """

    watched: Watched
    due: float = NEVER
    wish: float = 0.0
    listeners: int = 0
    sink: Callable[[Watch, Looked], None] | None = None
    log: tuple[Transition, ...] = ()
    job: Job | None = None
    bell: dict[asyncio.Future[None], None] | None = None
    fresh: bool = True
    looking: bool = False
    hurried: bool = False
    again: bool = False
    alone: bool = False
    target: Target | None = None
    etag: str | None = None
    body_hash: int | None = None

    def __lt__(self, other: Watch) -> bool:
        """Break ties of time in the heap, in any way that is the same whenever the same happens."""
        return self.watched.job_id < other.watched.job_id

    @property
    def wanted(self) -> bool:
        """Whether anybody still wants to hear of the job."""
        return self.listeners > 0 or self.sink is not None

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
        """Set all futures that were to be set."""
        bell, self.bell = self.bell, None
        for listener in bell or ():
            if not listener.done():
                listener.set_result(None)


class Agenda:
    """A heap of watches by the time they are due; one that was moved leaves its old place behind, to be skipped."""

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

    def pop(self) -> Watch:
        """Take off and return the watch that is due first; there must be one (see `next_due`)."""
        watch = heapq.heappop(self._heap)[1]
        watch.due = NEVER
        return watch

    def _leave(self) -> None:
        self._left_behind += 1
        if self._left_behind > 64 and self._left_behind * 2 > len(self._heap):
            self._heap = [place for place in self._heap if place[0] == place[1].due]
            heapq.heapify(self._heap)
            self._left_behind = 0
