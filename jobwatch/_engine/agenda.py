"""The agenda: which watched job is due when, and what each of them has shown so far.

`Watch` is one job's place in it, and there may be a million: small, slotted, and nothing that the garbage collector
has to walk. It holds what is known of the job, the log of its transitions and the bell of those who wait for news.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from .._core.look import Looked
    from .._core.tracker import Watched
    from .._http.transport import Target
    from .._models import Job, Transition

LOG_KEPT = 1000
"""How many transitions of a job a listener that comes late can still read."""

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
        log: The transitions seen since the first listener came, less what `enter` has left out.
        readers: The ``seq`` up to which each listener that iterates has read, by a key of its own.
        job: The job as last read.
        followers: Whom to tell the job each time that a look shows it otherwise, by a key of their own.
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
    readers: dict[object, int] | None = None
    job: Job | None = None
    followers: dict[object, Callable[[Job], None]] | None = None
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

    def enter(self, transitions: tuple[Transition, ...]) -> None:
        """Add to the log; of a long one, what every listener has read goes, but for the latest `LOG_KEPT`.

        Listeners that only await the end count as having read all, since they may never read any.
        """
        self.log += transitions
        if len(self.log) >= 2 * LOG_KEPT:
            read = min((self.readers or {}).values(), default=self.log[-1].seq)
            self.log = self.log[max(0, min(len(self.log) - LOG_KEPT, read - self.log[0].seq + 1)) :]

    def after(self, seq: int) -> Transition | None:
        """Return the first transition in the log after one, or None; it is marked where others are not kept."""
        place = bisect_right(self.log, seq, key=lambda transition: transition.seq)
        if place == len(self.log):
            return None
        found = self.log[place]
        return found if found.seq == seq + 1 else replace(found, gap=True)

    def show(self, job: Job) -> None:
        """Keep the job as last read, and tell it to those who follow."""
        self.job = job
        if self.followers:
            for told in tuple(self.followers.values()):
                told(job)

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
    """Watches by the time they are due: those of the next seconds in a heap, later ones in one bucket a second.

    A watch that was moved leaves its place in the heap behind, to be skipped; in a bucket it leaves none, and no more
    than one bucket at a time is ever put in order, so that nothing takes long however many watches there are. Buckets
    are dicts since the garbage collector does not walk one that holds nothing but watches.
    """

    __slots__ = ("_buckets", "_heap", "_heap_until", "_left_behind", "_seconds")

    def __init__(self) -> None:
        self._heap: list[tuple[float, Watch]] = []
        self._heap_until = 0.0
        self._left_behind = 0
        self._buckets: dict[int, dict[Watch, None]] = {}
        self._seconds: list[int] = []  # a heap: which buckets there are

    def put(self, watch: Watch, due: float) -> None:
        """Put a watch at a time, wherever it was before."""
        if watch.due != NEVER:
            self._leave(watch)
        watch.due = due
        if due < self._heap_until:
            heapq.heappush(self._heap, (due, watch))
            return
        second = int(due)
        bucket = self._buckets.get(second)
        if bucket is None:
            bucket = self._buckets[second] = {}
            heapq.heappush(self._seconds, second)
        bucket[watch] = None

    def remove(self, watch: Watch) -> None:
        """Take a watch off, if it is on."""
        if watch.due != NEVER:
            self._leave(watch)

    def next_due(self) -> float:
        """Return when the next watch is due, or `NEVER`."""
        heap = self._heap
        while True:
            while heap and heap[0][0] != heap[0][1].due:
                heapq.heappop(heap)
                self._left_behind -= 1
            if heap or not self._seconds:
                return heap[0][0] if heap else NEVER
            second = heapq.heappop(self._seconds)
            heap.extend((watch.due, watch) for watch in self._buckets.pop(second))
            heapq.heapify(heap)
            self._heap_until = second + 1.0

    def pop(self) -> Watch:
        """Take off and return the watch that is due first; there must be one (see `next_due`)."""
        if not self._heap:
            self.next_due()
        watch = heapq.heappop(self._heap)[1]
        watch.due = NEVER
        return watch

    def _leave(self, watch: Watch) -> None:
        due, watch.due = watch.due, NEVER
        if due >= self._heap_until:
            del self._buckets[int(due)][watch]
            return
        self._left_behind += 1
        if self._left_behind > 64 and self._left_behind * 2 > len(self._heap):
            self._heap = [place for place in self._heap if place[0] == place[1].due]
            heapq.heapify(self._heap)
            self._left_behind = 0
