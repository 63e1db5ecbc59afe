"""The agenda: which watched job is due when, and what each of them has shown so far.

`Watch` is one job's place in it, and there may be a million: small, slotted, and nothing that the garbage collector
has to walk. It holds what is known of the job, the log of its transitions and the bell of those who wait for news.
"""

from __future__ import annotations

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
        demand: How many looks a second it wants at the plain price.
        listeners: How many waits listen to it; only for them are log and job kept.
        on_look: Told of every look that changed something; for watchers of many jobs.
        log: The transitions seen since the first listener came, less what `enter` has left out.
        readers: The ``seq`` up to which each listener that iterates has read, by a key of its own.
        job: The job as last read.
        followers: Whom to tell the job each time that a look shows it otherwise, by a key of their own.
        subscribers: What to set when there is news.
        fresh: Whether it has yet to be looked at.
        looking: Whether a look at it is under way.
        urgent: Whether somebody waits for the next look, whatever it shows.
        again: Whether that look is still to be made when the present one is over.
        alone: Whether its project's list has been seen not to hold it.
        target: Its URL, while it is worth keeping.
        etag: The validator of the last good reply.
        body_hash: The hash of that reply's body.
    """

    watched: Watched
    due: float = NEVER
    demand: float = 0.0
    listeners: int = 0
    on_look: Callable[[Watch, Looked], None] | None = None
    log: tuple[Transition, ...] = ()
    readers: dict[object, int] | None = None
    job: Job | None = None
    followers: dict[object, Callable[[Job], None]] | None = None
    subscribers: dict[asyncio.Future[None], None] | None = None
    fresh: bool = True
    looking: bool = False
    urgent: bool = False
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
        return self.listeners > 0 or self.on_look is not None

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

    def subscribe(self, listener: asyncio.Future[None]) -> None:
        """Have a future set when the bell rings."""
        if self.subscribers is None:
            self.subscribers = {}
        self.subscribers[listener] = None

    def unsubscribe(self, listener: asyncio.Future[None]) -> None:
        """Forget a future that need not be set any more."""
        if self.subscribers is not None:
            self.subscribers.pop(listener, None)

    def notify(self) -> None:
        """Set all futures that were to be set."""
        subscribers, self.subscribers = self.subscribers, None
        for listener in subscribers or ():
            if not listener.done():
                listener.set_result(None)
