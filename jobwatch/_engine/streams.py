"""Streams of events: where an API tells a job's changes as they happen, a look follows each of them at once.

What a stream says is a hint, and a look is the truth. So nothing here enters what is known of a job, and no end is
believed before a look has shown it. The rules:

1. A look that shows a job going on opens its stream, if there is room, and the origin and the budget let a request go.
2. A stream counts once it has spoken. Until then, and when it has ended, looks are made as if there were none.
3. An event that tells another state than the last look has a look made now; in the long run no more often than the
   shortest interval allows. If a look does not show it, the next ones follow as after a fault.
4. While a stream speaks and agrees with what is known, looks come at a slow safety beat.
5. A job that has gone on at another place has no stream: that would tell of the place before.
6. When a stream ends, a look is made where there would have been one without it. A stream that ended well is opened
   again after that look; one that failed, after a while that grows; and where streams are refused, none for long.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from .._core.source import StreamEnd
from .._http.tasks import ended
from .._models import Fault, FaultKind, Phase
from .._reading.words import lowered
from .watch import BEFORE_ALL, DUE, LOOKING, NEVER

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .._core.pace import Pace
    from .._core.source import Source
    from .._core.tracker import Watched
    from .._reading.api import Hint
    from .schedule import Schedule
    from .watch import Registry, Watch

_log = logging.getLogger("jobwatch")

SILENCE: Final = 40.0
"""After how many seconds without a byte a stream is given up: more than two of Bedrock's heartbeats, 15 s apart."""

BEATS: Final = 5.0
"""How many times the longest interval between two looks the safety beat is."""

_MOST = 16
"""How many streams are open at once."""

_BURST = 8.0
"""How many looks events may have made in quick succession."""

_SHORT = 10.0
"""A stream that ended sooner than this, in seconds, has failed, however it ended."""

_FIRST_PAUSE = 15.0
_LONGEST_PAUSE = 600.0
_REFUSALS = 2
_NO_STREAMS = 3600.0
"""After that many streams refused in a row, none is tried for so many seconds: the API has none, or not for us."""

_DOUBTS = 6
"""After how many looks that did not show what a stream told before it ended it is taken for wrong."""

_REFUSED = frozenset({FaultKind.REFUSED, FaultKind.NOT_FOUND, FaultKind.GONE, FaultKind.AUTH, FaultKind.TLS})


class _Stream(Struct, eq=False):
    """A job's stream, open or not.

    Attributes:
        task: What reads it while it is open.
        begun_at: When it was asked for, on the loop's clock.
        spoke: Whether anything came since.
        hint: The last state that was told.
        doubted: How many looks in a row did not show it.
        wakes: How many looks it may have made at once, as of the last one.
        woke_at: When that was.
        missed: Whether it was told during a look, which may have missed it.
        nudged: Whether an event that tells no state came during a look, which may have missed what it was about.
        usual_due: When the next look would be if there were no stream.
        failures: How many times in a row it failed.
        none_before: Until when it is not opened again.
    """

    task: asyncio.Task[None] | None = None
    begun_at: float = 0.0
    spoke: bool = False
    hint: Hint | None = None
    doubted: int = 0
    wakes: float = 0.0
    woke_at: float = -NEVER
    missed: bool = False
    nudged: bool = False
    usual_due: float = NEVER
    failures: int = 0
    none_before: float = 0.0


class Streams:
    """Follows the streams of those jobs that there is room for.

    Args:
        source: Is asked for the streams.
        pace: How often looks are made without streams.
        registry: Who is watched.
        schedule: Where looks are asked for, and whether a stream may be opened.
    """

    def __init__(self, source: Source, pace: Pace, registry: Registry, schedule: Schedule) -> None:
        self._source = source
        self._shortest = pace.min_interval
        self._keepalive = BEATS * pace.max_interval
        self._registry = registry
        self._schedule = schedule
        self._streams: dict[str, _Stream] = {}
        self._open = 0
        self._ending: set[asyncio.Task[None]] = set()
        self._refused = 0
        self._none_before = 0.0
        self._loop = asyncio.get_running_loop()

    def delay(self, watched: Watched, usual: float) -> float:
        """Return how long to wait before the next look at a job that was just looked at and goes on.

        Args:
            watched: What is known of it.
            usual: How long it would be without streams, in seconds.
        """
        if watched.place is not None:
            self.end(watched.job_id)
            return usual
        stream = self._streams.get(watched.job_id)
        now = self._loop.time()
        if watched.fault is None and not (stream is not None and self._is_to_be_left(watched, stream)):
            stream = self._begun(watched.job_id, stream, now)
        if stream is None:
            return usual
        stream.usual_due = now + usual
        if watched.fault is not None and watched.fault.retry_after is not None:
            stream.missed = False
            return usual
        if (stream.missed and watched.fault is not None) or self.disagrees(watched):
            return self._delay_in_doubt(stream, usual)
        if watched.fault is not None:
            return usual
        stream.doubted, stream.missed = 0, False
        if stream.nudged:
            stream.nudged = False
            return min(usual, self._shortest)
        is_trusted = stream.spoke and stream.task is not None and not watched.is_to_be_confirmed
        return max(usual, self._keepalive) if is_trusted else usual

    def disagrees(self, watched: Watched) -> bool:
        """Whether a job's stream told another state than is known."""
        stream = self._streams.get(watched.job_id)
        hint = None if stream is None else stream.hint
        if hint is None:
            return False
        if hint.phase is Phase.UNKNOWN or watched.phase is Phase.UNKNOWN:
            return lowered(hint.status) != lowered(watched.status or "")
        return hint.phase is not watched.phase

    def end(self, job_id: str) -> None:
        """Follow a job no more."""
        stream = self._streams.pop(job_id, None)
        if stream is not None and stream.task is not None:
            self._open -= 1
            self._ending.add(stream.task)
            stream.task.add_done_callback(self._ending.discard)
            stream.task.cancel()

    def end_unless_wanted(self, job_id: str) -> None:
        """Follow a job no more if it goes on for nobody."""
        if job_id in self._streams and all(watch.watched.outcome is not None for watch in self._registry.of(job_id)):
            self.end(job_id)

    def end_all(self) -> None:
        """Follow no job any more."""
        for job_id in list(self._streams):
            self.end(job_id)

    async def ended(self) -> None:
        """Wait until what was ended is gone."""
        await ended(self._ending)

    # --- one stream ------------------------------------------------------------------------------------------

    def _is_to_be_left(self, watched: Watched, stream: _Stream) -> bool:
        """Whether no stream is to be opened: it is open, or closed with news that looks have yet to show."""
        return stream.task is not None or (self.disagrees(watched) and stream.doubted < _DOUBTS)

    def _delay_in_doubt(self, stream: _Stream, usual: float) -> float:
        stream.doubted += 1
        if stream.missed:
            stream.missed = False
            return 0.0
        return min(usual, self._shortest * 2.0 ** min(stream.doubted - 1, 32))

    def _begun(self, job_id: str, stream: _Stream | None, now: float) -> _Stream | None:
        """Open a job's stream if that may be, and return what there is of it."""
        if self._open >= _MOST or now < self._none_before or (stream is not None and now < stream.none_before):
            return stream
        if not self._schedule.may_ask():
            return stream
        stream = self._streams.setdefault(job_id, _Stream())
        stream.spoke, stream.begun_at = False, now
        stream.task = self._loop.create_task(self._follow(job_id, stream), name=f"jobwatch stream {job_id}")
        self._open += 1
        return stream

    async def _follow(self, job_id: str, stream: _Stream) -> None:
        try:
            end = await self._source.follow(job_id, lambda hints: self._heard(job_id, stream, hints), SILENCE)
            if end.fault is not None:
                self._schedule.heed(end.fault)
        except Exception:  # noqa: BLE001 - a stream is a hint: a fault in it must not cost the job its looks
            _log.exception("the stream of job %s was dropped by a fault of our own", job_id)
            end = StreamEnd(Fault(FaultKind.REFUSED, "a fault of our own"))
        if self._streams.get(job_id) is stream:
            stream.task = None
            self._open -= 1
            self._learn(stream, end.fault, self._loop.time())
            # What could not be read was something; as likely as not the end, with its results.
            self._look_as_usual(job_id, 0.0 if end.has_lost_news else stream.usual_due)

    def _heard(self, job_id: str, stream: _Stream, hints: Sequence[Hint]) -> bool:
        if self._streams.get(job_id) is not stream:
            return False
        states = [hint for hint in hints if hint.status]
        stream.spoke = stream.spoke or bool(states) or not hints
        if states:  # what came together is one change: a stream may begin with a history
            self._hinted(job_id, stream, states[-1])
        elif hints:
            self._nudged(job_id, stream)
        return True

    def _nudged(self, job_id: str, stream: _Stream) -> None:
        """Have a look show what an event was about that tells no state."""
        watches = self._registry.going_on(job_id)
        stream.nudged = stream.nudged or any(watch.stage >= LOOKING for watch in watches)
        self._hurry(watches, BEFORE_ALL if self._may_wake(stream) else self._loop.time() + self._shortest)

    def _hinted(self, job_id: str, stream: _Stream, hint: Hint) -> None:
        stream.hint = hint
        watches = self._registry.going_on(job_id)
        if not any(self.disagrees(watch.watched) for watch in watches):
            stream.doubted = 0
            self._slow_down(watches)
        elif self._may_wake(stream):
            stream.missed = any(watch.stage >= LOOKING for watch in watches)
            self._hurry(watches, BEFORE_ALL)
        else:
            self._hurry(watches, self._loop.time() + self._shortest)

    def _slow_down(self, watches: Iterable[Watch]) -> None:
        for watch in watches:
            if not self._may_be_put(watch) or watch.watched.fault is not None or watch.unheld:
                continue
            if not watch.watched.is_to_be_confirmed:
                self._schedule.put(watch, max(self._loop.time() + self._keepalive, watch.not_before))
                self._schedule.demand(watch, 1.0 / self._keepalive)

    def _hurry(self, watches: Iterable[Watch], due: float) -> None:
        for watch in watches:
            if self._may_be_put(watch) and due < watch.due:
                watch.memo, watch.unheld = None, True  # as after a wake-up
                self._schedule.put(watch, due)

    def _may_be_put(self, watch: Watch) -> bool:
        """Whether a stream may say when the next look is: not if somebody waits for that, nor in a pause."""
        return watch.stage is DUE and self._loop.time() >= self._schedule.paused_until

    def _look_as_usual(self, job_id: str, usual_due: float) -> None:
        for watch in self._registry.going_on(job_id):
            is_in_time = usual_due > 0.0 and watch.watched.is_to_be_confirmed  # which no stream has put off
            if watch.stage is DUE and usual_due < watch.due and not is_in_time:
                self._schedule.put(watch, max(usual_due, self._loop.time()))

    def _may_wake(self, stream: _Stream) -> bool:
        now = self._loop.time()
        stream.wakes = min(_BURST, stream.wakes + (now - stream.woke_at) / self._shortest)
        stream.woke_at = now
        if stream.wakes < 1.0:
            return False
        stream.wakes -= 1.0
        return True

    def _learn(self, stream: _Stream, fault: Fault | None, now: float) -> None:
        """Learn from how a stream ended when to open the next one."""
        if stream.spoke:
            self._refused = 0
        elif fault is not None and fault.kind in _REFUSED:
            self._refused += 1
            if self._refused >= _REFUSALS:
                self._none_before = now + _NO_STREAMS
        if stream.spoke and fault is None and now - stream.begun_at >= _SHORT:
            stream.failures = 0
            return
        stream.none_before = now + min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(stream.failures, 32))
        stream.failures += 1
