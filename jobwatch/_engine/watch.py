"""One watched job as the engine keeps it: what is known, who listens, and in which stage its next look is.

There may be a million watches: small, slotted, and nothing that the garbage collector has to walk. The stages, and
what leads from one to another (`_LEGAL` holds the same as data, and nothing but `Watch.to` changes a stage):

=================  ==================================================================================================
`IDLE`             on no queue: not queued yet, ended, or wanted by nobody
`FIRST`            waits for its first look, among the newcomers
`DUE`              on the queue of what is due, at `Watch.due`
`URGENT`           there too, before all others: somebody waits for the next look, and is notified whatever it shows
`LOOKING`          a look is under way
`LOOKING_URGENT`   a look is under way that somebody waits for
`LOOKING_AGAIN`    a look is under way, and somebody waits for one that begins after it
`LOOKING_BOTH`     a look is under way that somebody waits for, and somebody else for one that begins after it
=================  ==================================================================================================

A look begins from `FIRST`, `DUE` or `URGENT` and ends in `DUE` (it goes on), `URGENT` (another was asked for meanwhile)
or `IDLE` (it ended, or nobody wants it). A list or a batch that did not show a job puts it back where it was. A list
that shows one for which it was not asked leaves it `URGENT` if it was: the list may have begun before somebody asked.
"""

from __future__ import annotations

import enum
import functools
from bisect import bisect_right
from typing import TYPE_CHECKING, ClassVar, Final, Protocol

from msgspec import Struct
from msgspec.structs import replace

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from .._core.look import Looked
    from .._core.tracker import Watched
    from .._models import Job, Phase, Transition
    from .background import BackgroundWatch

LOG_KEPT = 1000
"""How many transitions of a job a listener that comes late can still read."""

NEVER = float("inf")
BEFORE_ALL = -NEVER
"""When a look is due that goes before all others."""


class Stage(enum.IntEnum):
    """Where the next look at a job stands; see the top of this module. Looks are under way from `LOOKING` on."""

    IDLE = 0
    FIRST = 1
    DUE = 2
    URGENT = 3
    LOOKING = 4
    LOOKING_URGENT = 5
    LOOKING_AGAIN = 6
    LOOKING_BOTH = 7


IDLE: Final = Stage.IDLE
FIRST: Final = Stage.FIRST
DUE: Final = Stage.DUE
URGENT: Final = Stage.URGENT
LOOKING: Final = Stage.LOOKING
LOOKING_URGENT: Final = Stage.LOOKING_URGENT
LOOKING_AGAIN: Final = Stage.LOOKING_AGAIN
LOOKING_BOTH: Final = Stage.LOOKING_BOTH

_LEGAL: Final = (
    frozenset({IDLE, FIRST, DUE, URGENT}),
    frozenset({IDLE, DUE, URGENT, LOOKING}),
    frozenset({IDLE, DUE, URGENT, LOOKING}),
    frozenset({IDLE, DUE, URGENT, LOOKING_URGENT}),
    frozenset({IDLE, FIRST, DUE, LOOKING_AGAIN}),
    frozenset({IDLE, DUE, URGENT, LOOKING_BOTH}),
    frozenset({IDLE, URGENT, LOOKING_AGAIN}),
    frozenset({IDLE, URGENT, LOOKING_BOTH}),
)
"""Which stages may follow each stage, in the order of `Stage`."""


class Subscriber(Protocol):
    """Whoever is to be told that there is news: a future, say."""

    def done(self) -> bool:
        """Return whether that is not to be told any more."""
        ...

    def set_result(self, result: None, /) -> None:
        """Take it that there is news."""
        ...


class Brief(Struct, frozen=True, gc=False):
    """What is counted of a watched job.

    Attributes:
        phase: Its phase; None before it was read.
        goes_on: Whether its watch has not ended.
        is_blocked: Whether it goes on only when somebody acts, as looks have confirmed.
    """

    phase: Phase | None
    goes_on: bool
    is_blocked: bool


_brief: Final = functools.lru_cache(maxsize=None)(Brief)  # there are few, and each takes no more than a reference


def brief_of(watched: Watched) -> Brief:
    """Return what is counted of a job, the same value for all that are alike."""
    return _brief(watched.phase, watched.outcome is None, watched.is_blocked)


class Watch(Struct, gc=False, eq=False):
    """One watched job: what each of them has, whoever wants to hear of it.

    Attributes:
        watched: What is known of it.
        stage: Where its next look stands.
        due: When it is to be looked at, on the loop's clock; `NEVER` while it is not on the queue of what is due.
        demand: How many looks a second it wants at the plain price.
        on_look: Told of every look that changed something; for watchers of many jobs.
        ahead: How far the API's clock was ahead of ours at the last look that showed news, in seconds.
        alone: Whether its project's list, or a batch, has been seen not to hold it.
        is_slow: Whether the last look at it was slow, in the sense of `places`.
        memo: What the source wants back at the next look.
        not_before: Until when the API has asked that it be not asked about it, on the loop's clock; 0 where it has not.
        unheld: Whether somebody says that the job has changed: the next look is neither held by the server, nor put off
            by a stream.
        kept: Awaited before the next look, where that may only be made once a file says where.
    """

    watched: Watched
    stage: Stage = IDLE
    due: float = NEVER
    demand: float = 0.0
    on_look: Callable[[Watch, Looked], None] | None = None
    ahead: float = 0.0
    alone: bool = False
    is_slow: bool = False
    memo: object = None
    not_before: float = 0.0
    unheld: bool = False
    kept: Callable[[], Awaitable[None]] | None = None
    listeners: ClassVar[int] = 0  # none, but for a job that waits listen to

    def __lt__(self, other: Watch) -> bool:
        """Break ties of time in the heap, in any way that is the same whenever the same happens."""
        return self.watched.job_id < other.watched.job_id

    @property
    def known(self) -> object:
        """What is known of the job, as it is kept: the same object for as long as nothing else is known."""
        return self.watched

    @property
    def brief(self) -> Brief:
        """What is counted of the job."""
        return brief_of(self.watched)

    @property
    def wanted(self) -> bool:
        """Whether anybody still wants to hear of the job."""
        return self.listeners > 0 or self.on_look is not None

    @property
    def goes_on(self) -> bool:
        """Whether somebody wants to hear of the job, and it has not ended."""
        return self.wanted and self.watched.outcome is None

    @property
    def awaits_look(self) -> bool:
        """Whether somebody waits for a look that is still to be made, or under way, whatever it shows."""
        return self.stage is LOOKING_URGENT or self.awaits_next_look

    @property
    def awaits_this_look(self) -> bool:
        """Whether somebody waits for the look under way."""
        return self.stage is LOOKING_URGENT or self.stage is LOOKING_BOTH

    @property
    def awaits_next_look(self) -> bool:
        """Whether somebody waits for a look that is still to begin."""
        return self.stage is URGENT or self.stage is LOOKING_AGAIN or self.stage is LOOKING_BOTH

    def to(self, stage: Stage) -> None:
        """Enter a stage.

        Raises:
            RuntimeError: It cannot follow the present one: a fault of the engine's own.
        """
        if stage not in _LEGAL[self.stage]:
            raise RuntimeError(f"the look at job {self.watched.job_id} cannot go from {self.stage!r} to {stage!r}")
        self.stage = stage

    def begin_look(self) -> None:
        """Enter the stage of a look under way."""
        self.to(LOOKING_URGENT if self.stage is URGENT else LOOKING)

    def unpack(self) -> None:
        """Have what is known at hand, where it may be packed."""

    def rest(self) -> None:
        """Take up little room until the next look."""

    def await_next_look(self) -> None:
        """Note, while a look is under way, that somebody waits for one that begins after it."""
        self.to(LOOKING_BOTH if self.awaits_this_look else LOOKING_AGAIN)

    def notify(self) -> None:
        """Tell all who wait for news."""


class AwaitedWatch(Watch, gc=False, eq=False):
    """One job that waits listen to.

    Attributes:
        listeners: How many there are.
        log: The transitions seen since the first came, less what `enter` has left out.
        readers: The ``seq`` up to which each listener that iterates has read, by a key of its own.
        job: The job as last read.
        followers: Whom to tell the job each time that a look shows it otherwise, by a key of their own.
        subscribers: Whom to tell when there is news.
        deadlines: When those who wait have to know, on the loop's clock, by a key of their own.
        hurry: To be set by who has no time left for what is still asked about an end that was read; None if nothing is.
    """

    listeners: int = 0  # type: ignore[misc]  # as one of its own
    log: tuple[Transition, ...] = ()
    readers: dict[object, int] | None = None
    job: Job | None = None
    followers: dict[object, Callable[[Job], None]] | None = None
    subscribers: dict[Subscriber, None] | None = None
    deadlines: dict[object, float] | None = None
    hurry: asyncio.Future[None] | None = None

    def tell_end(self) -> bool:
        """Have an end that was read told at once; return whether there is one that is not told yet."""
        if self.hurry is None:
            return False
        if not self.hurry.done():
            self.hurry.set_result(None)
        return True

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
        """Keep the job as last read, and pass it to those who follow."""
        self.job = job
        if self.followers:
            for follower in tuple(self.followers.values()):
                follower(job)

    def subscribe(self, listener: Subscriber) -> None:
        """Have somebody told once when there is news."""
        if self.subscribers is None:
            self.subscribers = {}
        self.subscribers[listener] = None

    def unsubscribe(self, listener: Subscriber) -> None:
        """Forget somebody who need not be told any more."""
        if self.subscribers is not None:
            self.subscribers.pop(listener, None)

    def notify(self) -> None:
        """Tell all who were to be told."""
        subscribers, self.subscribers = self.subscribers, None
        for listener in subscribers or ():
            if not listener.done():
                listener.set_result(None)


class Registry:
    """The watches of a poller, by job: one for those who wait for it, and one for a watcher in the background.

    Attributes:
        awaited: Those that waits listen to.
        background: Those that a watcher is told of, which may have begun with what its journal knew.
    """

    def __init__(self) -> None:
        self.awaited: dict[str, AwaitedWatch] = {}
        self.background: dict[str, BackgroundWatch] = {}

    def __len__(self) -> int:
        return len(self.awaited) + len(self.background)

    def any(self) -> bool:
        """Return whether there are any."""
        return bool(self.awaited or self.background)

    def of(self, job_id: str) -> list[Watch]:
        """Return the watches of a job."""
        awaited, background = self.awaited.get(job_id), self.background.get(job_id)
        if awaited is None:
            return [] if background is None else [background]
        return [awaited] if background is None else [awaited, background]

    def going_on(self, job_id: str) -> list[Watch]:
        """Return the watches of a job that somebody wants to hear of, and that have not ended."""
        return [watch for watch in self.of(job_id) if watch.goes_on]

    def remove(self, watch: Watch) -> bool:
        """Forget a watch; return whether it was known."""
        job_id = watch.watched.job_id
        for group in (self.awaited, self.background):
            if group.get(job_id) is watch:
                del group[job_id]
                return True
        return False

    def clear(self) -> None:
        """Forget all."""
        self.awaited.clear()
        self.background.clear()
