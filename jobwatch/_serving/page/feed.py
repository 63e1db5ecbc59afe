"""Who reads the page's news, and what each of them is told next.

A reader has no queue: it is at a version of the overview, and is told what has changed since, each job once, when its
browser has taken what it was told before. So one that reads slowly is told less often, and what it costs does not grow.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from .rows import cost_of, event, jobs_events, place_event, told, trouble_of

if TYPE_CHECKING:
    from ..._report.overview import Overview

LEAST_PAUSE = 0.1
"""Seconds between two times that a reader is told of jobs: changes that come sooner are told together."""

_COUNTED_EVERY = 1.0
_PACE_OVER = 10.0


class Feed:
    """The news of an overview, for any number of readers.

    Args:
        overview: The jobs.
        clean: Takes secrets out of texts.
        clock: Returns Unix seconds.

    Attributes:
        over: Why nothing more will come; None while something may.
    """

    def __init__(
        self, overview: Overview, clean: Callable[[str], str] = str, clock: Callable[[], float] = time.time
    ) -> None:
        self.over: str | None = None
        self._overview = overview
        self._clean = clean
        self._clock = clock
        self._bells: set[asyncio.Event] = set()
        self._counted: deque[tuple[float, int]] = deque()
        self._count_at = 0.0
        self._cost: bytes | None = None

    def __len__(self) -> int:
        return len(self._bells)

    def ring(self) -> None:
        """Say that there may be news."""
        for bell in self._bells:
            bell.set()

    def end(self, text: str) -> None:
        """Tell all readers, those that come later too, that nothing more will come, and why."""
        self.over = text
        self.ring()

    def reader(self, known: int = 0) -> Reader:
        """Return a new reader, which is to be closed.

        Args:
            known: The version that it knows already; 0 if it knows nothing.
        """
        bell = asyncio.Event()
        self._bells.add(bell)
        return Reader(self, bell, known)

    def leave(self, bell: asyncio.Event) -> None:
        """Ring no more for a reader."""
        self._bells.discard(bell)

    def standing(self) -> Iterator[tuple[str, bytes]]:
        """Return the events that tell how the whole stands, by their names."""
        if self._overview.origin is not None:
            yield "hello", place_event(self._overview.origin)
            yield "health", told("health", self._clean(trouble_of(self._overview.origin)))
        cost = self._cost_now()
        if cost is not None:
            yield "stats", cost

    def jobs(self, known: int) -> tuple[int, Iterator[bytes]]:
        """Return the events about jobs that have changed since a version, and the version to which they lead."""
        delta = self._overview.since(known)
        return delta.version, jobs_events(delta, self._clock(), self._clean)

    def _cost_now(self) -> bytes | None:
        """Return the event about what looks cost, counted once a second for all readers."""
        now = time.monotonic()
        if now < self._count_at:
            return self._cost
        self._count_at = now + _COUNTED_EVERY
        stats = self._overview.totals(self._clock()).stats  # which goes through all jobs
        if stats is None:
            return None
        self._counted.append((now, stats.requests))
        while len(self._counted) > 2 and now - self._counted[1][0] > _PACE_OVER:
            self._counted.popleft()
        since, before = self._counted[0]
        pace = (stats.requests - before) / (now - since) if now > since else 0.0
        self._cost = event("stats", cost_of(stats, round(pace, 2)))
        return self._cost


class Reader:
    """One browser that is told; made by `Feed.reader`."""

    def __init__(self, feed: Feed, bell: asyncio.Event, known: int) -> None:
        self._feed = feed
        self._bell = bell
        self._known = known
        self._has_begun = False
        self._told: dict[str, bytes] = {}

    def news(self) -> Iterator[bytes]:
        """Return the events that it is to be told now."""
        self._bell.clear()
        for name, part in self._feed.standing():
            if self._told.get(name) != part:
                self._told[name] = part
                yield part
        version, parts = self._feed.jobs(self._known)
        if not self._has_begun or version != self._known:
            self._has_begun, self._known = True, version
            yield from parts
        if self._feed.over is not None:
            yield told("over", self._feed.over)

    async def pause(self) -> None:
        """Wait until there may be news, or what looks cost is to be told again."""
        await asyncio.sleep(LEAST_PAUSE)
        try:
            async with asyncio.timeout(_COUNTED_EVERY):
                await self._bell.wait()
        except TimeoutError:
            return

    def close(self) -> None:
        """Be told no more."""
        self._feed.leave(self._bell)
