"""Which watched job is due when: a priority queue that a million watches fit into."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from .watch import NEVER

if TYPE_CHECKING:
    from .watch import Watch


class DueQueue:
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
