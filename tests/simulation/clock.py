"""An event loop whose time passes only when there is nothing to do, and which touches nothing outside the process."""

from __future__ import annotations

import asyncio
import contextvars
import selectors
import weakref
from asyncio import format_helpers
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Mapping
from contextlib import contextmanager
from contextvars import copy_context
from heapq import heapify, heappop, heappush
from typing import Any, NoReturn, TypeVar

from msgspec import Struct

T = TypeVar("T")

START = 1000.0
"""What the clock shows at first: not 0, so that a time taken for a duration shows."""

_MANY, _CANCELLED_SHARE = 100, 0.5


class Deadlock(Exception):
    """Nothing is ready and no timer is set: whoever still waits would wait for ever."""


class Outside(Exception):
    """Something asked for a thread, a socket or a name, of which this world has none."""


class _NoSockets(selectors.BaseSelector):
    """Stands where a loop expects a selector."""

    def select(self, timeout: float | None = None) -> NoReturn:
        raise Outside("a socket")

    def register(self, fileobj: Any, events: int, data: Any = None) -> NoReturn:
        raise Outside("a socket")

    def unregister(self, fileobj: Any) -> NoReturn:
        raise Outside("a socket")

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return {}


class _Handle(Struct, eq=False):
    """A callback, without what only a loop's debug mode needs; a struct is made in half of the time of another class.

    Attributes:
        callback: What is called; None once it was cancelled.
        args: What it is given.
        context: In which context it is called.
        is_cancelled: Whether it was cancelled.
    """

    callback: Callable[..., object] | None
    args: tuple[Any, ...]
    context: contextvars.Context
    is_cancelled: bool = False

    def cancel(self) -> None:
        self.is_cancelled = True
        self.callback = None
        self.args = ()

    def cancelled(self) -> bool:
        return self.is_cancelled


class Timer(Struct, eq=False):
    """A callback at a time. In the heap it stands behind its time, and of equal times none is less.

    Attributes:
        callback, args, context: As of a handle.
        loop: On which loop it is to ring.
        time: When, on its clock.
        is_cancelled: Whether it was cancelled.
        is_scheduled: Whether it is still to ring.
    """

    callback: Callable[..., object] | None
    args: tuple[Any, ...]
    context: contextvars.Context
    loop: VirtualLoop
    time: float
    is_cancelled: bool = False
    is_scheduled: bool = True

    def __lt__(self, other: object) -> bool:
        return False

    def when(self) -> float:
        return self.time

    def cancel(self) -> None:
        if not self.is_cancelled:
            if self.is_scheduled:
                self.loop.cancelled_timers += 1
            self.is_cancelled = True
            self.callback = None
            self.args = ()

    def cancelled(self) -> bool:
        return self.is_cancelled

    def __repr__(self) -> str:
        return f"<Timer at {self.time:.3f} of {format_helpers._format_callback_source(self.callback, self.args)}>"


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop on virtual time, which counts its steps and keeps what went wrong unseen.

    Its steps do what asyncio's do, in the same order, without sockets, threads and debug mode: half of a world's time
    goes by in them.
    """

    _ready: deque[_Handle | Timer]
    _stopping: bool
    _clock_resolution: float

    def __init__(self) -> None:
        self.now = START
        self.steps = 0
        self.on_step: Callable[[int], None] | None = None
        self.troubles: list[str] = []
        self.left: list[str] = []
        self.tasks: list[asyncio.Task[Any]] = []
        self.on_task: Callable[[asyncio.Task[Any], contextvars.Context | None], None] | None = None
        super().__init__(_NoSockets())
        self._scheduled: list[tuple[float, Timer]] = []
        self.cancelled_timers = 0
        self.set_exception_handler(self._keep)

    def time(self) -> float:
        return self.now

    get_debug = staticmethod(bool)  # each future asks: as a call of C's

    def timers(self) -> list[Timer]:
        """Return the timers that are still to ring."""
        return [timer for _, timer in self._scheduled if not timer.is_cancelled]

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(
        self, coro: Any, *, name: object = None, context: contextvars.Context | None = None
    ) -> asyncio.Task[Any]:
        task = asyncio.Task(coro, loop=self, name=None if name is None else str(name), context=context)
        if self.on_task is not None:
            self.on_task(task, context)
        return task

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Any = None) -> _Handle:  # type: ignore[override]
        handle = _Handle(callback, args, copy_context() if context is None else context)
        self._ready.append(handle)
        return handle

    def _call_soon(self, callback: Callable[..., object], args: tuple[Any, ...], context: Any) -> _Handle:
        return self.call_soon(callback, *args, context=context)

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> Timer:
        when = self.now + delay
        timer = Timer(callback, args, copy_context() if context is None else context, self, when)
        heappush(self._scheduled, (when, timer))
        return timer

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> Timer:
        timer = Timer(callback, args, copy_context() if context is None else context, self, when)
        heappush(self._scheduled, (when, timer))
        return timer

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> NoReturn:  # type: ignore[override]
        raise Outside("a thread")

    async def getaddrinfo(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise Outside("a name")

    def _run_once(self) -> None:
        """Go round until somebody has asked to stop."""
        ready, popleft = self._ready, self._ready.popleft
        while True:
            self.steps += 1
            if self.on_step is not None:
                self.on_step(self.steps)
            scheduled = self._scheduled
            if scheduled and (scheduled[0][1].is_cancelled or len(scheduled) > _MANY):
                self._forget_cancelled()
                scheduled = self._scheduled
            if not ready and not self._stopping:
                if not scheduled:
                    raise Deadlock
                self.now = max(self.now, scheduled[0][0])
            if scheduled and scheduled[0][0] < self.now + self._clock_resolution:
                self._ring()
            for _ in range(len(ready)):
                handle = popleft()
                if not handle.is_cancelled:
                    try:
                        handle.context.run(handle.callback, *handle.args)  # type: ignore[arg-type]  # not cancelled
                    except (SystemExit, KeyboardInterrupt):
                        raise
                    except BaseException as error:  # noqa: BLE001  # as asyncio does
                        self._failed(handle, error)
            if self._stopping:
                return

    def _ring(self) -> None:
        """Make those timers ready whose time has come."""
        ready, scheduled, end = self._ready, self._scheduled, self.now + self._clock_resolution
        while scheduled and scheduled[0][0] < end:
            timer = heappop(scheduled)[1]
            timer.is_scheduled = False
            ready.append(timer)

    def _forget_cancelled(self) -> None:
        scheduled = self._scheduled
        # As many as asyncio puts up with: with others, timers of the same instant would ring in another order.
        if len(scheduled) > _MANY and self.cancelled_timers / len(scheduled) > _CANCELLED_SHARE:
            for _, timer in scheduled:
                timer.is_scheduled = timer.is_scheduled and not timer.is_cancelled
            self._scheduled = [each for each in scheduled if not each[1].is_cancelled]
            heapify(self._scheduled)
            self.cancelled_timers = 0
            return
        while scheduled and scheduled[0][1].is_cancelled:
            self.cancelled_timers -= 1
            heappop(scheduled)[1].is_scheduled = False

    def _failed(self, handle: _Handle | Timer, error: BaseException) -> None:
        source = format_helpers._format_callback_source(handle.callback, handle.args)
        self.call_exception_handler({"message": f"Exception in callback {source}", "exception": error})

    def _make_self_pipe(self) -> None:
        self._ssock = self._csock = None

    def _close_self_pipe(self) -> None:
        pass

    def _write_to_self(self) -> None:
        pass

    def _keep(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self.troubles.append(f"{context.get('message')}: {error!r}" if error else str(context.get("message")))


@contextmanager
def unlisted_tasks() -> Generator[None]:
    """Leave tasks out of the set behind `asyncio.all_tasks`, which a loop of ours has its own list for.

    A thirtieth of a world's time went into the weak references of that set.
    """
    listed = vars(asyncio.tasks).get("_all_tasks") or vars(asyncio.tasks).get("_scheduled_tasks")
    if not isinstance(listed, weakref.WeakSet):
        yield
        return
    listed.add = _ignored  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        del listed.add


def _ignored(_task: object) -> None:
    pass


@contextmanager
def put(owner: object, name: str, value: object) -> Generator[None]:
    """Have something else under a name for the length of a block, in a tenth of the time that `mock.patch` takes."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


def run(main: Callable[[VirtualLoop], Coroutine[Any, Any, T]]) -> tuple[T, VirtualLoop]:
    """Run a coroutine function on a loop of its own; it comes back closed, with what was unseen and the timers left."""
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    try:
        done = loop.run_until_complete(main(loop))
        loop.left = [repr(timer) for timer in loop.timers()]
        return done, loop
    finally:
        asyncio.set_event_loop(None)
        loop.close()
