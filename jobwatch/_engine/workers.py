"""The workers: tasks that do what is due, as many as there is work for, woken by one alarm.

They live in a task of their own, which starts with the first work and ends with the last; task groups and timers
stay inside. A worker that fails stops them all: what it failed with is kept, and told.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, TypeAlias

from .._http.tasks import ended
from .watch import NEVER

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import TracebackType

    Work: TypeAlias = Callable[[asyncio.Task[Any]], Coroutine[Any, Any, None] | None]

_AFTER = 1e-4
"""How long after work is due its alarm rings, in seconds: a loop may ring it early by its clock's resolution."""


class Workers:
    """Does pieces of work when they are due.

    Args:
        most: How many pieces may be under way at once.
        needed: Says whether there is anything left to wait for.
        crashed: Told once when a worker has failed.

    Attributes:
        alarm_at: When the alarm will ring, on the loop's clock.
        crash: What a worker failed with.
    """

    def __init__(
        self,
        most: int,
        *,
        needed: Callable[[], bool],
        crashed: Callable[[], None],
    ) -> None:
        self._most = most
        self._work: Work = lambda _worker: None
        self._due: Callable[[float], float] = lambda _now: NEVER
        self._ready: Callable[[float, int], int] = lambda _now, _most: 1
        self._needed = needed
        self._crashed = crashed
        self._loop = asyncio.get_running_loop()
        self._idle: deque[asyncio.Future[bool]] = deque()
        self._called = 0
        self._working = 0
        self._alarm: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._group: asyncio.TaskGroup | None = None
        self._closed = False
        self.alarm_at = NEVER
        self.crash: BaseException | None = None

    def employ(
        self,
        work: Work,
        due: Callable[[float], float],
        ready: Callable[[float, int], int] = lambda _now, _most: 1,
    ) -> None:
        """Give them what there is to do.

        Args:
            work: Gives the next piece that is due, or None if none is; told which task is to do it.
            due: Says when the next one will be, on the loop's clock, as of a time; `NEVER` for none.
            ready: Says how many are due as of a time, roughly, and of so many at most: as many wake at once.
        """
        self._work, self._due, self._ready = work, due, ready

    def has_free(self) -> bool:
        """Return whether any of them could be woken, or called."""
        return bool(self._idle) or self._working < self._most

    def wake_at(self, due: float) -> None:
        """See to it that a worker wakes at a time, unless all of them are at work, who will see for themselves."""
        if due >= self.alarm_at or not self.has_free():
            return
        if self._closed or self.crash is not None:
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self.alarm_at = due
        self._alarm = self._loop.call_at(due + _AFTER, self._ring)

    def call(self) -> None:
        """Have one more worker look for work now, if there is one to be had, and none is on the way already."""
        if not self._called:
            self._call()

    def _call(self) -> None:
        if self._idle:
            if not _awaken(self._idle.pop(), called=True):  # who was at work last, whose memory is at hand
                return
        elif self._working == 0:
            self._working = 1
            self._task = self._loop.create_task(self._run(), name="jobwatch poller")
        elif self._working < self._most and self._group is not None:
            self._working += 1
            self._group.create_task(self._serve(), name="jobwatch worker")
        else:
            return
        self._called += 1

    def send_home(self) -> None:
        """Let all who have nothing to do end, when nothing is needed any more."""
        self._silence()
        while self._idle:
            _awaken(self._idle.popleft(), called=False)

    async def aclose(self) -> None:
        """End all work, finished or not."""
        self._closed = True
        self._silence()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await ended([task])

    def _silence(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm, self.alarm_at = None, NEVER

    def _ring(self) -> None:
        self._alarm, self.alarm_at = None, NEVER
        self.call()
        for _ in range(self._ready(self._loop.time(), len(self._idle) + self._called) - self._called):
            self._call()

    async def _run(self) -> None:
        try:
            async with _Group() as group:
                self._group = group
                await self._serve()
        except Exception as crash:  # noqa: BLE001 - whatever it was, it must be heard of
            self._fail(crash)
        except asyncio.CancelledError as crash:
            if not self._closed:  # by somebody who cancels whatever tasks there are
                self._fail(crash)
            raise
        except BaseException:
            if not self._loop.is_closed():
                raise
            # Else this was left over when its loop was closed, and there is nobody to tell.

    def _fail(self, crash: BaseException) -> None:
        self.crash = self.crash or crash
        self._crashed()

    async def _serve(self) -> None:
        worker = asyncio.current_task()
        assert worker is not None  # noqa: S101 - a coroutine that runs, runs in a task
        self._called -= 1
        try:
            while self._needed():
                work = self._work(worker)
                if work is not None:
                    await work
                elif await self._rest():
                    self._called -= 1
        except Exception as crash:
            self.crash = self.crash or crash  # at once, so that no more workers are called
            raise
        finally:
            self._working -= 1

    async def _rest(self) -> bool:
        """Wait until there may be work, or none is needed; return whether this worker was called to it."""
        seat: asyncio.Future[bool] = self._loop.create_future()
        self._idle.append(seat)
        self.wake_at(self._due(self._loop.time()))
        return await seat


class _Group(asyncio.TaskGroup):
    """A group that waits for nobody where its own task is thrown away, since its loop was closed before it ended."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not GeneratorExit:
            await super().__aexit__(kind, error, traceback)


def _awaken(sleeper: asyncio.Future[bool], *, called: bool) -> bool:
    """Wake one who rests; return whether he did, and was not cancelled."""
    if sleeper.done():
        return False
    sleeper.set_result(called)
    return True
