"""When which watched job is asked about, and when a request may go: all of it, in one place.

The rule, which `Schedule.next_at` states: the next request goes as soon as all four of these allow.

1. A job's look is due. Jobs looked at before are due when the pace says so. New ones are due at once, and take turns
   with the others; where there are many that go on, no faster than `FirstLooks` says. Where a pause has made the looks
   at many jobs late, whatever the pause was, they are spread over the time that lies between two looks at a job.
   Where there are many, those that come due within a fortieth of the mean interval, 0.05 s at most, begin together.
2. The API has asked for no pause, or for one that is beyond all patience: looks then end at once with that fault.
3. The budget has a request left.
4. Not too many looks are under way. Those that have no answer for long let some more begin, jobs whose last look was so
   slow share a part of the places, and the last place is for jobs that answer: `places` has the figures.

Requests that no job's look is due for (a read of the client's, a stream, a history) keep to 2 and 3: `turn`, `may_ask`.
"""

from __future__ import annotations

import asyncio
import heapq
import math
from collections import deque
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct

from .._core.first_looks import FirstLooks
from .._core.look import pause_asked
from .._core.source import SeenMany
from .._models import UNCHANGED, Fault, FaultKind
from .clock import time_on
from .counters import Counters
from .places import Places
from .watch import BEFORE_ALL, DUE, FIRST, NEVER, URGENT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator

    from .._core.budget import Budget
    from .._core.source import Seen
    from .watch import Watch
    from .workers import Workers

_MANY = 64
"""Of how many jobs late looks are spread."""

LONGEST_PAUSE = 86_400.0
"""For how long no request is made at most, in seconds, whatever pause the API asks for."""

_LATE = 1.0
"""By how much a look has to be late, in seconds, for the late ones of many jobs to be spread: there was a pause."""

_CATCH_UP = 1.25
"""How many times as many looks as usual are made then."""

_REST_SHARE, _SHORTEST_REST, _LONGEST_REST = 1.0 / 40.0, 0.01, 0.05
"""For how long no look begins where there are many jobs and all looks have begun that were due: those that come due
meanwhile begin together, so that the loop wakes once for all of them, since to wake costs half a look. That is part of
the mean interval, within bounds in seconds. An interval a fortieth longer than the best costs next to nothing: what is
learned later is saved in looks, and the loss goes with the square, 0.0003."""

_MADE_UP = 2.0 * _LONGEST_REST
"""For how long, in seconds, late looks that could not begin in time may be made up for."""

_PACKED_AT_ONCE = 64
"""How many of the watches that are due in one second are packed together."""

_PASSED = 64
"""How many jobs that cannot join a batch are passed by, in search of some that can."""

_ANSWER_MARGIN, _ANSWER_AT_MOST, _ANSWERS_WEIGHT = 2.0, 1.0, 0.25

_Answer = TypeVar("_Answer", "Seen", SeenMany)


class Schedule:
    """Says which job is asked about next, and when; nothing else decides when a request may go.

    Args:
        budget: What a request costs, and how many may go.
        patience: For how many seconds on end looks may fail before a wait is given up.
        workers: Whom to wake when something is due earlier than they know.
        most: How many looks may be under way at once, as long as none is slow.
        counters: Counts the questions.

    Attributes:
        known: How many watched jobs have been looked at and go on.
        paused_until: Until when the API has asked for no requests, on the loop's clock.
        answer_time: How long answers have taken of late, in seconds, with something to spare.
    """

    def __init__(
        self, budget: Budget, patience: float, workers: Workers, most: int, counters: Counters | None = None
    ) -> None:
        self._counters = Counters() if counters is None else counters
        self._budget = budget
        self._patience = patience
        self._workers = workers
        self._time = time_on(asyncio.get_running_loop())
        self._places = Places(most, self._wake)
        self._most = most
        self._long_polls: set[Watch] = set()
        self._queue = DueQueue()
        self._held_back: dict[Watch, float] = {}  # those due whose last look was slow, until there is a place for them
        self._first_looks: deque[Watch] = deque()
        self._newcomers = FirstLooks()
        self._was_first_look = False
        self._next_late = 0.0
        self._no_token_until = 0.0
        self._rests_until = BEFORE_ALL
        self._found_due_at: float | None = None
        self._line = asyncio.Lock()  # of those who wait for a turn
        self._in_line = 0
        self._in_flight = 0
        self._closed = False
        self.known = 0
        self.paused_until = 0.0
        self.answer_time = 0.0

    def next_at(self, now: float) -> float:
        """Return when the next look may be made, on the loop's clock; `NEVER` where nothing is due."""
        due, self._found_due_at = self._found_due_at, None
        return max(self._due_at(now) if due is None else due, self._held_until(now))

    def ready(self, now: float, most: int) -> int:
        """Return how many looks may begin now, as far as that is known without beginning any.

        Args:
            now: When, on the loop's clock.
            most: Up to how many to count.
        """
        if self._due_at(now) > now:
            return 0
        if not self._first_looks and not self._queue.has_second(now) and not self._are_late(now):
            return 1  # as it is where jobs come due one at a time
        room = int(min(most, self._places.room, self._budget.left(now)))
        if self._are_late(now):
            return 1 + int(min(now - self._next_late, _MADE_UP) * self._late_rate(now))
        return self._queue.due(now, room) + min(len(self._first_looks), self._newcomers.due(now, room))

    def take(self, now: float) -> Watch | None:
        """Take the job whose look may begin now off the queue, and a request out of the budget; None if there is none.

        Args:
            now: When, on the loop's clock.
        """
        if self._closed:
            return None
        queue_at, newcomer_at = dues = self._dues(now)
        due = queue_at if queue_at < newcomer_at else newcomer_at
        if due < self._rests_until:
            due = self._rests_until
        if due > now:
            self._found_due_at = due  # whoever finds nothing to do asks next when there will be something
            return None
        if self.paused_until and now < self._pause_ends_at(now):
            return None
        # While a pause lasts that is beyond all patience, no request is made, so none is paid for.
        wait = self._budget.spend(now) if now >= self.paused_until else 0.0
        if wait:
            self._no_token_until = now + wait
            return None
        self._found_due_at = None
        watch = self._taken(now, *dues)
        watch.begin_look()
        self._places.begin(watch, now)
        if not self._workers.has_free():
            return watch  # whoever ends a look sees for himself
        due = self._due_at(now)
        if due <= now:
            self._workers.call()
            return watch
        if self.known > _MANY and due != NEVER and now >= self._rests_until:
            self._rests_until = now + self._rest()
            due = max(due, self._rests_until)
        if due < self._workers.alarm_at:
            self._workers.wake_at(max(due, self._held_until(now)))
        return watch

    def hold(self, watch: Watch) -> None:
        """Count the look at a job that was taken as one that may be held: it has a place beside those of the others."""
        self._places.leave(watch)
        self._long_polls.add(watch)
        self._wake()

    @property
    def has_place_for_held(self) -> bool:
        """Whether one more look may be held: as many as there are places otherwise."""
        return len(self._long_polls) < self._most

    def end(self, watch: Watch, now: float | None = None) -> None:
        """Count the look at a job that was taken as over.

        Args:
            watch: The job.
            now: When, on the loop's clock; by default, as that says.
        """
        self._found_due_at = None
        if self._long_polls and watch in self._long_polls:
            self._long_polls.discard(watch)
            return
        # What is counted is of use while somebody waits for a first look, and to read what is known takes time.
        if self._first_looks and watch.watched.looks == 1:
            self._newcomers.answered(goes_on=watch.demand > 0.0)
        self._places.end(watch, self._time() if now is None else now)
        if self._held_back and not self._places.hold_back_slow_jobs:
            held = next(iter(self._held_back))
            self._queue.put(held, self._held_back.pop(held))

    # --- what is due ---------------------------------------------------------------------------------------

    @property
    def first_looks(self) -> int:
        """How many jobs wait for their first look, and perhaps some that do not any more."""
        return len(self._first_looks)

    def enqueue(self, *watches: Watch) -> None:
        """Have jobs wait for their first looks."""
        if not watches:
            return
        for watch in watches:
            watch.to(FIRST)
        if not self._first_looks:
            self._newcomers = FirstLooks()
            self._rests_until = BEFORE_ALL
        self._first_looks += watches
        self._found_due_at = None
        self._workers.wake_at(self._time())

    def put(self, watch: Watch, due: float) -> None:
        """Have a job looked at at a time, whatever there was before."""
        watch.to(DUE)
        self._put(watch, due)

    def put_first(self, watch: Watch) -> None:
        """Have a job looked at before all others, because somebody waits for that look."""
        watch.to(URGENT)
        self._put(watch, BEFORE_ALL)

    def _put(self, watch: Watch, due: float) -> None:
        if self._held_back:
            self._held_back.pop(watch, None)
        self._queue.put(watch, due)
        self._found_due_at = None
        if due < self._rests_until:  # somebody wants this look sooner than jobs are looked at by themselves
            self._rests_until = due
        if due < self._workers.alarm_at and self._workers.has_free():
            self._workers.wake_at(max(due, self._held_until(self._time())))

    def remove(self, watch: Watch) -> float:
        """Take a job off the queue, if it is on; return when it was due."""
        due = self._held_back.pop(watch, watch.due)
        self._queue.remove(watch)
        return due

    def members(self, most: int, until: float) -> dict[Watch, float]:
        """Take off the queue who may as well be asked about with the one that was taken last.

        Args:
            most: How many at most.
            until: Up to when they may be due.

        Returns:
            When each was due; `NEVER` for one that waits for its first look.
        """
        found: dict[Watch, float] = {}
        sources = [self._more_due, self._more_first_looks]
        for source in reversed(sources) if self._was_first_look else sources:
            found |= dict(source(most - len(found), until))
        return found

    def _due_at(self, now: float) -> float:
        queue_at, newcomer_at = self._dues(now)
        due = queue_at if queue_at < newcomer_at else newcomer_at
        return due if due > self._rests_until else self._rests_until

    def _dues(self, now: float) -> tuple[float, float]:
        """Return when the next look at a job seen before may be made, and when the next first look."""
        if not self._places.has_room(now):
            return NEVER, NEVER  # whoever ends a look, or notices that one is slow, looks here again
        return self._queue_due_at(now), self._newcomer_at(now) if self._first_looks else NEVER

    def _rest(self) -> float:
        """Return for how long no look begins, in seconds, where there are many jobs and none is due now."""
        demand = self._budget.demand
        rest = _REST_SHARE * self.known / demand if demand else _LONGEST_REST
        return min(max(rest, _SHORTEST_REST), _LONGEST_REST)

    def _wake(self) -> None:
        now = self._time()
        due = self._due_at(now)
        if due < self._workers.alarm_at:
            self._workers.wake_at(max(due, self._held_until(now)))

    def _queue_due_at(self, now: float) -> float:
        """Return when the next look at a job seen before may be made; where many are late, one after the other."""
        due = self._queue.next_due()
        if due > now:
            return due
        while (
            due <= now
            and self._places.has_slow_jobs
            and self._places.hold_back_slow_jobs
            and self._is_held_back(self._queue.first())
        ):
            self._held_back[self._queue.pop()] = due
            due = self._queue.next_due()
        return max(due, self._next_late) if BEFORE_ALL < due < now - _LATE and self.known > _MANY else due

    @staticmethod
    def _is_held_back(watch: Watch) -> bool:
        """Whether a job has to wait while slow ones have their share; not where somebody waits for this very look."""
        return watch.is_slow and watch.stage is not URGENT

    def _newcomer_at(self, now: float) -> float:
        """Return when the next first look may be made."""
        if not self._places.has_room_for_newcomers(now):
            return NEVER
        return max(self._next_first_look_at(), self._newcomers.next_at)

    def _next_first_look_at(self) -> float:
        waiting = self._first_looks
        while waiting:
            first = waiting[0]
            if first.stage is FIRST and (first.on_look is not None or first.listeners > 0):  # as `Watch.wanted` says
                return BEFORE_ALL
            waiting.popleft()
        return NEVER

    def _taken(self, now: float, queue_at: float, newcomer_at: float) -> Watch:
        # By turns where both are due, so that neither those who keep coming nor those who are there starve the others.
        by_turns = self._was_first_look and queue_at <= now
        self._was_first_look = newcomer_at <= now and not by_turns
        if self._was_first_look:
            watch = self._first_looks.popleft()
            self._newcomers.made(now, len(self._first_looks), self.known, self._budget.demand)
            return watch
        if self._are_late(now):
            # Those for which the loop did not wake in time go along, but for the first of all.
            since = now if now - self._next_late > _LATE else max(self._next_late, now - _MADE_UP)
            self._next_late = since + 1.0 / self._late_rate(now)
        return self._queue.pop()

    def _are_late(self, now: float) -> bool:
        """Return whether the looks at many jobs are late, and are to be spread."""
        return self.known > _MANY and BEFORE_ALL < self._queue.next_due() < now - _LATE

    def _late_rate(self, now: float) -> float:
        """Return how many of those that are late may begin a second."""
        usual = min(self._budget.demand, self._budget.rate(now))
        return _CATCH_UP * max(usual, 1.0 / LONGEST_PAUSE)

    def _more_first_looks(self, most: int, _until: float) -> Iterator[tuple[Watch, float]]:
        passed: list[Watch] = []
        while most > 0 and len(passed) <= _PASSED and self._next_first_look_at() != NEVER:
            watch = self._first_looks.popleft()
            if watch.alone:
                passed.append(watch)
            else:
                most -= 1
                yield watch, NEVER
        self._first_looks.extendleft(reversed(passed))

    def _more_due(self, most: int, until: float) -> Iterator[tuple[Watch, float]]:
        passed: list[tuple[Watch, float]] = []
        now = self._time()
        while most > 0 and len(passed) <= _PASSED and (due := self._queue.next_due()) <= until:
            watch = self._queue.pop()
            if watch.alone or now < watch.not_before <= due:  # whose look the API has put off is not asked about now
                passed.append((watch, due))
            else:
                most -= 1
                yield watch, due
        for watch, due in passed:
            self._queue.put(watch, due)

    # --- what the API and the budget allow -------------------------------------------------------------------

    def close(self) -> None:
        """Let no more requests go, in this very moment either: tasks may be awake that will be cancelled only then."""
        self._closed = True

    def may_ask(self) -> bool:
        """Let one more request go now, and count it, unless it would have to wait."""
        now = self._time()
        return not self._closed and now >= self.paused_until and not self._budget.spend(now)

    async def turn(self, *, through_pauses: bool = False) -> Fault | None:
        """Wait until a request may go, and count it; who asked first goes first.

        Args:
            through_pauses: Whether to wait for the end of a pause that the API has asked for, too.

        Returns:
            The fault of a request that is not made, since the API has asked for a pause, or all is closed.
        """
        while True:
            if self._closed:
                return Fault(FaultKind.UNREACHABLE, "the client is closed")
            now = self._time()
            pause = self.paused_until - now
            if pause > 0.0:
                if not through_pauses:
                    return self.paused(now)
                await asyncio.sleep(pause)
            elif (not self._in_line and not self._budget.spend(now)) or await self._stand_in_line():
                return None

    async def _stand_in_line(self) -> bool:
        """Wait until a request may go behind all who wait; return whether it may, which none may in a pause.

        Only the first of them wakes when there is one: if all did, one of hundreds might never be it.
        """
        self._in_line += 1
        try:
            async with self._line:
                while not self._closed and self.paused_until <= (now := self._time()):
                    wait = self._budget.spend(now)
                    if not wait:
                        return True
                    await asyncio.sleep(wait)
                return False
        finally:
            self._in_line -= 1

    @property
    def in_flight(self) -> int:
        """How many requests have no answer yet."""
        return self._in_flight

    def pause(self, seconds: float) -> None:
        """Make no request for so long, since the API has asked for that elsewhere."""
        self.paused_until = max(self.paused_until, self._time() + min(seconds, LONGEST_PAUSE))

    def paused(self, now: float) -> Fault:
        """Return what a request comes to that is not made, since the API has asked for a pause."""
        left = self.paused_until - now
        message = f"the API has asked for no requests for {left:.0f} s more"
        return Fault(FaultKind.RATE_LIMITED, message, retry_after=left)

    async def answer(self, asking: Awaitable[_Answer], *, held: bool = False) -> _Answer:
        """Await what a source answers, and learn from it when and how many more requests may go.

        Args:
            asking: The question.
            held: Whether it may be held, so that how long it takes tells nothing.
        """
        asked_at = self._time()
        self.begin_question()
        try:
            answer = await asking
        finally:
            self.end_question()
        self.learn(answer, asked_at, self._time(), held=held)
        return answer

    def begin_question(self) -> None:
        """Count a question as under way."""
        self._in_flight += 1

    def end_question(self) -> None:
        """Count a question as over, whether it was answered or not."""
        self._in_flight -= 1

    def learn(self, answer: Seen | SeenMany, asked_at: float, now: float, *, held: bool = False) -> None:
        """Learn from an answer when and how many more requests may go.

        Args:
            answer: The answer.
            asked_at: When it was asked for, on the loop's clock.
            now: When it came.
            held: Whether it may have been held, so that how long it took tells nothing.
        """
        seconds = now - asked_at
        if not held:
            taken = _ANSWER_MARGIN * seconds
            taken = taken if taken < _ANSWER_AT_MOST else _ANSWER_AT_MOST
            self.answer_time += (taken - self.answer_time) * (_ANSWERS_WEIGHT if self.answer_time else 1.0)
        counters = self._counters
        counters.requests += 1
        if isinstance(answer.what, Fault):
            counters.failed(answer.what.kind)
            self.heed(answer.what)
        else:
            if answer.what is UNCHANGED:
                counters.unchanged += 1
            if not held:
                self._places.learn(seconds)
        if answer.aside is not None:
            self.heed(answer.aside)
        if answer.rate is not None:
            self._budget.told(answer.rate, self._in_flight, now)

    def heed(self, fault: Fault) -> None:
        """Learn from a fault for how long no request is to be made, and that fewer may go."""
        now = self._time()
        self.paused_until = max(self.paused_until, now + min(pause_asked(fault), LONGEST_PAUSE))
        if fault.kind is FaultKind.RATE_LIMITED:
            self._budget.throttled(now)

    def _held_until(self, now: float) -> float:
        return max(self._pause_ends_at(now), self._no_token_until)

    def _pause_ends_at(self, now: float) -> float:
        """Return when looks go on; at once where the pause is beyond all patience, so that nobody waits for nothing."""
        if not self.paused_until:
            return 0.0
        return self.paused_until if self.paused_until - now <= self._patience else 0.0

    # --- what a request costs ----------------------------------------------------------------------------------

    def price(self, now: float) -> float:
        """Return what a request costs now beside its plain cost: 1 or more."""
        return 1.0 if self._budget.is_unlimited else self._budget.price(now)

    def demand(self, watch: Watch, demand: float) -> None:
        """Note how many looks a second a job wants at the plain price; 0 where it wants none any more."""
        self.known += (demand > 0.0) - (watch.demand > 0.0)
        wanted = self._budget.demand + demand - watch.demand if self.known else 0.0
        self._budget.demand = wanted if wanted > 0.0 else 0.0
        watch.demand = demand

    def priced(self, delay: float, price: float, now: float) -> float:
        """Cut a delay that a high price made long down to when the price will have fallen."""
        turn = self._budget.turn(delay / math.sqrt(price), now)
        return turn if turn < delay else delay


class _Bucket(Struct):
    """The watches that are due in one second: the last to come, and before them those that were packed."""

    last: dict[Watch, None] = {}
    packed: list[tuple[Watch, ...]] = []

    def live(self, second: int) -> dict[Watch, None]:
        """Return those that are still due then, each once: who was moved away from among the packed may be back."""
        if not self.packed:
            return self.last
        return {watch: None for some in (*self.packed, self.last) for watch in some if second <= watch.due < second + 1}


class DueQueue:
    """Watches by the time they are due: those of the next seconds in a heap, later ones in one bucket a second.

    A watch that was moved leaves its place in the heap behind, to be skipped, and among those of a bucket that were
    packed. No more than one bucket at a time is ever put in order, so that nothing takes long however many watches
    there are. They are packed since a place in a tuple takes a fifth of the room of one in a dict; and the garbage
    collector walks neither, where it holds nothing but watches.
    """

    __slots__ = ("_buckets", "_heap", "_heap_until", "_left_behind", "_left_packed", "_packed", "_seconds")

    def __init__(self) -> None:
        self._heap: list[tuple[float, Watch]] = []
        self._heap_until = 0.0
        self._left_behind = 0
        self._buckets: dict[int, _Bucket] = {}
        self._seconds: list[int] = []  # a heap: which buckets there are
        self._packed = 0  # how many places there are among the packed, and how many of them were left
        self._left_packed = 0

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
            bucket = self._buckets[second] = _Bucket()
            heapq.heappush(self._seconds, second)
        last = bucket.last
        last[watch] = None
        if len(last) == _PACKED_AT_ONCE:
            self._pack(bucket)

    def remove(self, watch: Watch) -> None:
        """Take a watch off, if it is on."""
        if watch.due != NEVER:
            self._leave(watch)

    def next_due(self) -> float:
        """Return when the next watch is due, or `NEVER`."""
        heap = self._heap
        if heap:
            due, watch = heap[0]
            if due == watch.due:  # as nearly always
                return due
        while True:
            while heap and heap[0][0] != heap[0][1].due:
                heapq.heappop(heap)
                self._left_behind -= 1
            if heap or not self._seconds:
                return heap[0][0] if heap else NEVER
            second = heapq.heappop(self._seconds)
            heap.extend((watch.due, watch) for watch in self._opened(self._buckets.pop(second), second))
            heapq.heapify(heap)
            self._heap_until = second + 1.0

    def due(self, now: float, most: int) -> int:
        """Return how many are due by a time, of so many at most; roughly, and no more than are in the heap."""
        heap, found, places = self._heap, 0, [0]
        while places and found < most:
            place = places.pop()
            if place < len(heap) and heap[place][0] <= now:
                found += 1
                places += (2 * place + 1, 2 * place + 2)
        return found

    def has_second(self, now: float) -> bool:
        """Return whether more than one are due by a time, as `due` counts them."""
        heap = self._heap
        return (len(heap) > 1 and heap[1][0] <= now) or (len(heap) > 2 and heap[2][0] <= now)

    def first(self) -> Watch:
        """Return the watch that is due first; there must be one, and `next_due` must have been asked."""
        return self._heap[0][1]

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
            self._leave_bucket(watch, self._buckets[int(due)])
            return
        self._left_behind += 1
        if self._left_behind > 64 and self._left_behind * 2 > len(self._heap):
            self._heap = [place for place in self._heap if place[0] == place[1].due]
            heapq.heapify(self._heap)
            self._left_behind = 0

    def _leave_bucket(self, watch: Watch, bucket: _Bucket) -> None:
        if watch in bucket.last:
            del bucket.last[watch]
            return
        self._left_packed += 1
        if self._left_packed > _PACKED_AT_ONCE and self._left_packed * 2 > self._packed:
            for second, each in self._buckets.items():
                if each.packed:
                    self._pack_again(each, second)

    def _pack(self, bucket: _Bucket) -> None:
        bucket.packed.append(tuple(bucket.last))
        bucket.last = {}
        self._packed += _PACKED_AT_ONCE

    def _opened(self, bucket: _Bucket, second: int) -> dict[Watch, None]:
        """Return the watches of a bucket that is given up."""
        live = bucket.live(second)
        packed = _PACKED_AT_ONCE * len(bucket.packed)
        self._packed -= packed
        self._left_packed -= packed + len(bucket.last) - len(live)
        return live

    def _pack_again(self, bucket: _Bucket, second: int) -> None:
        live = self._opened(bucket, second)
        bucket.packed, bucket.last = [], {}
        for watch in live:
            bucket.last[watch] = None
            if len(bucket.last) == _PACKED_AT_ONCE:
                self._pack(bucket)
