"""How changes reach the consumer: each once it is written down, and done with before the next is handed out.

A loop has done with a change when it comes back for the next one; a callback when it has returned. Only then is the
change acknowledged, and only when that is written down too is the next one handed out: so a crash repeats the one
in hand, under the same key, and no other.
"""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from .._errors import JobwatchError, JournalError

if TYPE_CHECKING:
    from typing import Self

    from .changes import Change
    from .journal import Journal, Memory

Callback: TypeAlias = "Callable[[Change], Awaitable[None] | None]"

_BATCH = 256
_LINES = 1000
"""How many changes may be in memory, waiting for callbacks."""

_AT_ONCE = 16
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 60.0

_log = logging.getLogger("jobwatch")


class Outbox:
    """Changes that are written down and not done with, in order.

    Args:
        wanted: Whether a change is still to be handed out.
        done: Has a change acknowledged, and returns a mark to wait for.
        check: Raises what keeps any more changes from coming, if anything does.

    Attributes:
        in_hand: The change that the consumer's loop is at.
        closed: Whether no more changes are to be handed out.
    """

    def __init__(
        self, wanted: Callable[[Change], bool], done: Callable[[Change], int], check: Callable[[], None]
    ) -> None:
        self.wanted = wanted
        self.done = done
        self.in_hand: Change | None = None
        self.closed = False
        self._check = check
        self._journal: Journal | Memory | None = None
        self._bell = asyncio.Event()
        self._stream: weakref.ref[Stream] | None = None

    def stream(self) -> Stream:
        """Begin a loop over the changes; the one in hand, if a loop was left at it, comes first.

        Raises:
            JobwatchError: Another loop has not been left yet.
        """
        if self._stream is not None and self._stream() is not None:
            raise JobwatchError("another loop over this watcher's changes is going on; one at a time")
        stream = Stream(self)
        self._stream = weakref.ref(stream)
        self.in_hand = None
        return stream

    def open(self, journal: Journal | Memory) -> None:
        """Begin to hand out what a journal holds."""
        self._journal = journal

    def close(self) -> None:
        """Hand out no more, and tell those who wait."""
        self.closed = True
        self._bell.set()

    def notify(self) -> None:
        """Tell those who wait that there may be more, or never will be."""
        self._bell.set()

    async def next_after(self, number: int) -> list[tuple[int, Change]]:
        """Wait for changes after one, by its number; none at all once the outbox is closed.

        Raises:
            JobwatchError: There are none, and will be none.
        """
        while not self.closed and self._journal is not None:
            self._bell.clear()
            try:
                found = await self._journal.undelivered(number, _BATCH)
            except JournalError:
                if self.closed:
                    break
                raise
            if found:
                return found
            self._check()
            if not self.closed:
                await self._bell.wait()
        return []

    async def since(self, number: int) -> list[tuple[int, Change]]:
        """Return changes after one, by its number, that there are now; none once the outbox is closed."""
        return [] if self.closed or self._journal is None else await self._journal.undelivered(number, _BATCH)

    async def acknowledge(self) -> None:
        """Have the change in hand acknowledged, and wait until that is written down."""
        change, self.in_hand = self.in_hand, None
        if change is not None:
            await self.acknowledged(self.done(change))

    async def acknowledged(self, mark: int) -> bool:
        """Wait until what was done is written down; False if the outbox was closed first."""
        if self._journal is not None:
            try:
                await self._journal.written(mark, patient=True)
            except JournalError:
                if not self.closed:
                    raise
        return not self.closed


class Stream:
    """One loop over the changes of a watcher."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._waiting: deque[Change] = deque()
        self._after = 0
        self._mark = 0
        self._busy = False

    def __aiter__(self) -> Self:
        """Iterate over the changes."""
        return self

    async def __anext__(self) -> Change:
        """Return the next change, and acknowledge the one before."""
        if self._busy:
            raise JobwatchError("another task waits for this watcher's next change already")
        self._busy = True
        try:
            return await self._next()
        finally:
            self._busy = False

    async def _next(self) -> Change:
        outbox = self._outbox
        if outbox.in_hand is not None:
            self._mark = outbox.done(outbox.in_hand)
            outbox.in_hand = None
        if await outbox.acknowledged(self._mark):
            while True:
                while self._waiting and not outbox.closed:
                    change = self._waiting.popleft()
                    if outbox.wanted(change):
                        outbox.in_hand = change
                        return change
                found = await outbox.next_after(self._after)
                if outbox.closed or not found:
                    break
                self._after = found[-1][0]
                self._waiting.extend(change for _, change in found)
        raise StopAsyncIteration


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
        self._lines: dict[str, deque[Change]] = {}
        self._waiting = 0
        self._room = asyncio.Event()
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._leaving = asyncio.Event()
        self._passed = 0  # the number of the last change that was entered, or left out since its job was given up
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
        while job_id in self.refused and number < self._passed:
            found = await self._outbox.since(number)
            left_out += [change for at, change in found if change.job_id == job_id and at <= self._passed]
            number = found[-1][0] if found else self._passed
        if job_id not in self.refused or self._tasks is None or self._outbox.closed:
            return False
        del self.refused[job_id]
        self._line_up(job_id, left_out, self._tasks)
        return True

    def leave(self) -> None:
        """Begin no more calls."""
        self._leaving.set()
        self._room.set()

    async def _enter(self, change: Change, tasks: asyncio.TaskGroup) -> None:
        while self._waiting >= _LINES and not self._outbox.closed:
            self._room.clear()
            await self._room.wait()
        if change.job_id not in self.refused and not self._outbox.closed:
            self._line_up(change.job_id, [change], tasks)

    def _line_up(self, job_id: str, changes: Sequence[Change], tasks: asyncio.TaskGroup) -> None:
        self._waiting += len(changes)
        line = self._lines.get(job_id)
        if line is None:
            line = self._lines[job_id] = deque()
            tasks.create_task(self._serve(job_id, line), name=f"jobwatch on_change {job_id}")
        line.extend(changes)

    async def _serve(self, job_id: str, line: deque[Change]) -> None:
        try:
            while line and not self._outbox.closed:
                change = line[0]
                if self._outbox.wanted(change) and not await self._deliver(change):
                    return
                line.popleft()
                self._waiting -= 1
                self._room.set()
        finally:
            if self._lines.get(job_id) is line:
                del self._lines[job_id]
            self._waiting -= len(line)
            self._room.set()

    async def _deliver(self, change: Change) -> bool:
        """Hand over one change, as often as it takes; False if that was not to be."""
        pause = _FIRST_PAUSE
        for attempt in range(1, self._attempts + 1):
            async with self._turn:
                if self._outbox.closed:
                    return False
                error = await self._called(change)
            if error is None:
                return await self._outbox.acknowledged(self._outbox.done(change))
            told = f"{type(error).__name__}: {error}"
            _log.warning(
                "on_change failed for %s (attempt %d of %d)", change.key, attempt, self._attempts, exc_info=error
            )
            if attempt == self._attempts:
                del self._lines[change.job_id]  # a retry makes a line of its own
                self.refused[change.job_id] = told
                _log.error("no more changes of job %s are handed to on_change", change.job_id)
            elif await self._paused(pause):
                return False
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
                waiting = self._call(change)
                if waiting is not None:
                    await waiting
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return error
        except Exception as error:  # noqa: BLE001 - whatever the consumer raises is the consumer's, and told
            return error
        return None
