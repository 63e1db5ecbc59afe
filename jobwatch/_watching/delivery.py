"""How changes reach the consumer: each once it is written, and acknowledged before the next is handed out.

A loop acknowledges a change by coming back for the next one, a callback by returning. Only then is the change deleted
from the journal, and only when that is written too is the next one handed out: so after a crash the one in flight
comes again, under the same key, and no other. A loop over batches does the same with several changes at a time.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import weakref
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from .._errors import JobwatchError, JournalError
from .records import Acknowledged

if TYPE_CHECKING:
    from typing import Self

    from .changes import Change
    from .jobs import JobList
    from .journal import Journal
    from .memory import Memory

Callback: TypeAlias = "Callable[[Change], Awaitable[object] | object]"

_BATCH = 256
_MOST_QUEUED = 1000
"""How many changes may be in memory, waiting for callbacks."""

_AT_ONCE = 16
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 60.0

_log = logging.getLogger("jobwatch")


def _never() -> bool:
    return False


class Outbox:
    """Changes that are written and not acknowledged, in order.

    Args:
        jobs: Counts what is acknowledged.
        journal: Where the changes are.

    Attributes:
        in_flight: The changes that the consumer's loop is at.
        closed: Whether no more changes are to be handed out.
        error: Why there will be no more changes, if so; those that are written still are handed out.
    """

    def __init__(self, jobs: JobList, journal: Journal | Memory) -> None:
        self.in_flight: tuple[Change, ...] = ()
        self.closed = False
        self.error: JobwatchError | None = None
        self._jobs = jobs
        self._journal = journal
        self._batches: weakref.ref[Batches] | None = None

    def stream(self, is_over: Callable[[], bool] = _never) -> Stream:
        """Begin a loop over the changes; the one in flight, if a loop was left at it, comes first.

        Args:
            is_over: As for `batches`.

        Raises:
            JobwatchError: Another loop has not been left yet.
        """
        return Stream(self.batches(1, is_over))

    def batches(self, most: int, is_over: Callable[[], bool] = _never) -> Batches:
        """Begin a loop over the changes, so many of them at a time at most; those in flight come first.

        Args:
            most: How many.
            is_over: Says, when there is nothing to hand out, whether the loop ends.

        Raises:
            JobwatchError: Another loop has not been left yet.
        """
        if self._batches is not None and self._batches() is not None:
            raise JobwatchError("another loop over this watcher's changes is going on; one at a time")
        batches = Batches(self, most, is_over)
        self._batches = weakref.ref(batches)
        self.in_flight = ()
        return batches

    def close(self) -> None:
        """Hand out no more, and end the waiting of those who wait for more."""
        self.closed = True
        self._journal.news.set()

    def stop(self, error: JobwatchError) -> None:
        """Have an error raised once there is nothing left to hand out."""
        self.error = error
        self._journal.news.set()

    def wants(self, change: Change) -> bool:
        """Whether a change is still to be handed out; not one of a job that was dropped since it was read."""
        return self._jobs.wants(change)

    async def next_after(self, number: int, is_over: Callable[[], bool] = _never) -> list[tuple[int, Change]]:
        """Wait for changes after one, by its number; none at all once the outbox is closed, or this is over.

        Raises:
            JobwatchError: There are none, and will be none.
        """
        while not self.closed:
            self._journal.news.clear()
            try:
                found = await self._journal.undelivered(number, _BATCH)
            except JournalError:
                if self.closed:
                    break
                raise
            if found:
                return found
            if self.closed:
                break
            if self.error is not None:
                raise self.error
            if is_over():
                break
            await self._journal.news.wait()
        return []

    async def since(self, number: int) -> list[tuple[int, Change]]:
        """Return changes after one, by its number, that there are now; none once the outbox is closed."""
        return [] if self.closed else await self._journal.undelivered(number, _BATCH)

    # --- acknowledging -------------------------------------------------------------------------------------

    def acknowledge(self, change: Change) -> int:
        """Acknowledge a change, and return the journal's mark to wait for with `acknowledged`."""
        # What its job list does not know must not reach the journal: the number would be that of a later job's change.
        if self._jobs.acknowledge(change):
            return self._journal.acknowledge(change.job_id, change.seq)
        return self._journal.put()

    def acknowledge_in_flight(self) -> int:
        """Acknowledge the changes that the loop is at, if it is at any, and return the mark to wait for."""
        changes, self.in_flight = self.in_flight, ()
        if len(changes) == 1:
            return self.acknowledge(changes[0])
        if not changes:
            return 0
        latest = {change.job_id: change.seq for change in changes if self._jobs.acknowledge(change)}
        return self._journal.put(*[Acknowledged(job_id, seq) for job_id, seq in latest.items()])

    def is_written(self, mark: int) -> bool:
        """Return whether what was acknowledged is written."""
        return self._journal.is_written(mark)

    async def acknowledged(self, mark: int) -> bool:
        """Wait until what was acknowledged is written; False if the outbox was closed first.

        However long the disk is in trouble: to hand out the next change before would make two that a crash repeats.
        """
        try:
            await self._journal.written(mark, patient=True)
        except JournalError:
            if not self.closed:
                raise
        return not self.closed


class Batches:
    """One loop over the changes of a watcher, several at a time: those that there are, and one at least.

    Args:
        outbox: Where the changes come from.
        most: How many changes are handed out at a time at most.
        is_over: Says, when there is nothing to hand out, whether the loop ends.
    """

    def __init__(self, outbox: Outbox, most: int, is_over: Callable[[], bool]) -> None:
        self._outbox = outbox
        self._most = most
        self._is_over = is_over
        self._read_ahead: deque[Change] = deque()
        self._after = 0
        self._mark = 0
        self._busy = False

    def __aiter__(self) -> Self:
        """Iterate over the batches."""
        return self

    async def __anext__(self) -> tuple[Change, ...]:
        """Return the next changes, and acknowledge those before."""
        if batch := self.at_once():
            return batch
        self._busy = True
        try:
            return await self._next()
        finally:
            self._busy = False

    def at_once(self) -> tuple[Change, ...]:
        """Return the next changes as `__anext__` does, where nothing is to be waited for; none where something is.

        Raises:
            JobwatchError: Another task waits for the next changes.
        """
        if self._busy:
            raise JobwatchError("another task waits for this watcher's next change already")
        outbox = self._outbox
        if outbox.in_flight and (mark := outbox.acknowledge_in_flight()) > self._mark:
            self._mark = mark
        if outbox.closed or (self._mark and not outbox.is_written(self._mark)):
            return ()
        outbox.in_flight = batch = self._wanted()
        return batch

    async def _next(self) -> tuple[Change, ...]:
        outbox = self._outbox
        # Kept until the next time: a wait that was cancelled while this was being written is taken up again.
        self._mark = max(self._mark, outbox.acknowledge_in_flight())
        if await outbox.acknowledged(self._mark):
            while True:
                if not outbox.closed and (batch := self._wanted()):
                    outbox.in_flight = batch
                    return batch
                found = await outbox.next_after(self._after, self._is_over)
                if outbox.closed or not found:
                    break
                self._after = found[-1][0]
                self._read_ahead.extend([change for _, change in found])
        raise StopAsyncIteration

    def _wanted(self) -> tuple[Change, ...]:
        """Take changes that are still to be handed out from those read ahead, as many as a batch may hold."""
        ahead, wants, most = self._read_ahead, self._outbox.wants, self._most
        found: list[Change] = []
        while ahead:
            change = ahead.popleft()
            if wants(change):
                if most == 1:
                    return (change,)  # as in a loop over single changes, which comes by for each
                found.append(change)
                if len(found) == most:
                    break
        return tuple(found)


class Stream:
    """One loop over the changes of a watcher, one at a time."""

    def __init__(self, batches: Batches) -> None:
        self._batches = batches

    def __aiter__(self) -> Self:
        """Iterate over the changes."""
        return self

    async def __anext__(self) -> Change:
        """Return the next change, and acknowledge the one before."""
        (change,) = self._batches.at_once() or await anext(self._batches)
        return change


class Callbacks:
    """Hands every change to a function: those of one job one after another, those of different jobs at once.

    Args:
        outbox: Where the changes come from.
        call: The function, plain or async.
        attempts: How often a change is handed over before its job is given up.
        time_limit: How long one call may take, in seconds.

    Attributes:
        refused: The jobs that were given up, and what the function raised.
    """

    def __init__(self, outbox: Outbox, call: Callback, *, attempts: int, time_limit: float) -> None:
        self.refused: dict[str, str] = {}
        self._outbox = outbox
        self._call = call
        self._attempts = attempts
        self._time_limit = time_limit
        self._queues: dict[str, deque[Change]] = {}
        self._queued = 0
        self._room = asyncio.Event()
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._leaving = asyncio.Event()
        self._passed = 0  # the number of the last change that was queued, or left out since its job was given up
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Hand over changes until the outbox is closed, and then let calls that are under way end."""
        async with asyncio.TaskGroup() as self._tasks:
            while found := await self._outbox.next_after(self._passed):
                for number, change in found:
                    await self._enter(change, self._tasks)
                    self._passed = number
            self._leaving.set()

    async def retry(self, job_id: str) -> bool:
        """Hand over the changes of a job that was given up, from the refused one on; False if it was not given up.

        Raises:
            JournalError: The journal cannot be read.
        """
        number = 0
        left_out: list[Change] = []
        # Up to what `run` has passed, which may go on while this reads: what comes after that it queues itself.
        while job_id in self.refused and number < self._passed:
            found = await self._outbox.since(number)
            left_out += [change for at, change in found if change.job_id == job_id and at <= self._passed]
            number = found[-1][0] if found else self._passed
        if job_id not in self.refused or self._tasks is None or self._outbox.closed:
            return False
        del self.refused[job_id]
        self._queue(job_id, left_out, self._tasks)
        return True

    def leave(self) -> None:
        """Begin no more calls."""
        self._leaving.set()
        self._room.set()

    async def _enter(self, change: Change, tasks: asyncio.TaskGroup) -> None:
        while self._queued >= _MOST_QUEUED and not self._outbox.closed:
            self._room.clear()
            await self._room.wait()
        if change.job_id not in self.refused and not self._outbox.closed:
            self._queue(change.job_id, [change], tasks)

    def _queue(self, job_id: str, changes: Sequence[Change], tasks: asyncio.TaskGroup) -> None:
        self._queued += len(changes)
        queue = self._queues.get(job_id)
        if queue is None:
            queue = self._queues[job_id] = deque()
            tasks.create_task(self._serve(job_id, queue), name=f"jobwatch on_change {job_id}")
        queue.extend(changes)

    async def _serve(self, job_id: str, queue: deque[Change]) -> None:
        try:
            while queue and not self._outbox.closed:
                change = queue[0]
                if self._outbox.wants(change) and not await self._deliver(change):
                    return
                queue.popleft()
                self._queued -= 1
                self._room.set()
        finally:
            if self._queues.get(job_id) is queue:
                del self._queues[job_id]
            self._queued -= len(queue)
            self._room.set()

    async def _deliver(self, change: Change) -> bool:
        """Hand over one change, as often as it takes; False if no more of its job's are to be."""
        pause = _FIRST_PAUSE
        for attempt in range(1, self._attempts + 1):
            async with self._slots:
                if self._outbox.closed:
                    return False
                error = await self._called(change)
            if error is None:
                return await self._outbox.acknowledged(self._outbox.acknowledge(change))
            if not self._outbox.wants(change):
                return True  # its job was dropped meanwhile: whatever the function made of it
            _log.warning(
                "on_change failed for %s (attempt %d of %d)", change.key, attempt, self._attempts, exc_info=error
            )
            if attempt == self._attempts:
                del self._queues[change.job_id]  # a retry makes a queue of its own
                self.refused[change.job_id] = f"{type(error).__name__}: {error}"
                _log.error("no more changes of job %s are handed to on_change", change.job_id)
            elif await self._paused(pause):
                return False
            elif not self._outbox.wants(change):
                return True  # dropped during the pause
            pause = min(pause * 2.0, _LONGEST_PAUSE)
        return False

    async def _paused(self, seconds: float) -> bool:
        """Wait between two attempts; True if there is to be no second."""
        try:
            async with asyncio.timeout(seconds):
                await self._leaving.wait()
        except TimeoutError:
            return False
        return True

    async def _called(self, change: Change) -> BaseException | None:
        try:
            async with asyncio.timeout(self._time_limit):
                returned = self._call(change)
                if inspect.isawaitable(returned):
                    await returned
        except asyncio.CancelledError as error:
            # The function's own, if nobody cancels this task; else the watcher is being closed.
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return error
        except Exception as error:  # noqa: BLE001 - whatever the consumer raises: it is logged and counted
            return error
        return None
