"""An event loop in a thread of its own, and calls into it that block.

Not anyio's blocking portal: one that is never left keeps the interpreter from ending, leaving it joins its thread for
as long as that takes, so that Ctrl-C would wait for a hanging name look-up, and a wait costs a tenth more by it
(``python -m benchmarks.sync``). This is `asyncio.run` in a daemon thread.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from concurrent.futures import CancelledError, Future
from concurrent.futures import wait as settled
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .._errors import ConfigError, JobwatchError
from .uninterrupted import Uninterrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

_T = TypeVar("_T")

_CLOSES_WITHIN = 5.0
_INTERRUPTED_WITHIN = 0.1
_ENDS_WITHIN = 0.3
"""How long to wait for the thread once all is closed, in seconds: what is left is a name look-up that hangs."""

_TICK = 0.05 if sys.platform == "win32" else None
"""How often to look for Ctrl-C, in seconds: on Windows it does not interrupt a wait for another thread."""


def run(function: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
    """Run one coroutine function in a loop and a thread of its own, and return what it returns.

    As `LoopThread.call`, without what is to be done for more than one call.
    """
    future, once = Future[_T](), _Once()
    thread = threading.Thread(target=once.run, args=(function, future), name="jobwatch", daemon=True)
    try:
        thread.start()
        result = _result(future)
    except BaseException as error:
        ends_within = _ENDS_WITHIN
        if not isinstance(error, Exception):
            once.cancel()
            ends_within = _INTERRUPTED_WITHIN
        if thread.ident is not None:  # else there could be no more threads
            thread.join(ends_within)
        raise
    else:
        thread.join(_ENDS_WITHIN)
        return result
    finally:
        del future  # it knows the error, which knows this frame


class _Once:
    """The one call of a thread, which may be cancelled from another."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cancelled = False
        self._task: asyncio.Task[Any] | None = None

    def run(self, function: Callable[[], Coroutine[Any, Any, _T]], future: Future[_T]) -> None:
        try:
            asyncio.run(self._called(function, future))
        except BaseException as error:  # noqa: BLE001 - as below
            if not future.done():
                future.set_exception(error)

    def cancel(self) -> None:
        with self._lock:
            self._cancelled, task = True, self._task
        if task is not None:
            with suppress(RuntimeError):  # the loop has ended meanwhile
                task.get_loop().call_soon_threadsafe(task.cancel)

    async def _called(self, function: Callable[[], Coroutine[Any, Any, _T]], future: Future[_T]) -> None:
        with self._lock:
            self._task = asyncio.current_task()
            is_late = self._cancelled
        try:  # here, since the end of a loop waits for its threads, and one may look up a name that has no answer
            if is_late:
                future.cancel()
            else:
                future.set_result(await function())
        except asyncio.CancelledError:
            future.cancel()
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is waited for
            future.set_exception(error)


class _Call(Generic[_T]):
    """One coroutine that runs in a loop, and is waited for in another thread.

    Not `asyncio.run_coroutine_threadsafe`, whose two futures, and what ties them together, cost three times as much.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, _T], loop: asyncio.AbstractEventLoop) -> None:
        self._coroutine = coroutine
        self._task: asyncio.Task[_T] | None = None
        self._is_over = threading.Lock()
        self._is_over.acquire()
        self._loop = loop
        try:
            loop.call_soon_threadsafe(self._begin)
        except RuntimeError:
            coroutine.close()
            raise JobwatchError("the event loop of this client has ended") from None

    def wait(self) -> None:
        """Wait until it is over, in a way that Ctrl-C interrupts."""
        while not self._is_over.acquire(timeout=-1 if _TICK is None else _TICK):
            pass

    def cancel(self) -> None:
        """Have it cancelled; nothing is done to one that is over."""
        with suppress(RuntimeError):  # the loop has ended meanwhile
            self._loop.call_soon_threadsafe(self._end_early)

    def result(self) -> _T:
        """Return what it returned, or raise what it raised."""
        assert self._task is not None  # noqa: S101  # it is over
        try:
            return self._task.result()
        except asyncio.CancelledError:
            raise _closed() from None
        except JobwatchError as error:
            raise _without_frames(error)  # noqa: B904 - it is the same error

    def _begin(self) -> None:
        self._task = self._loop.create_task(self._coroutine)
        self._task.add_done_callback(self._end)

    def _end(self, _: asyncio.Task[_T]) -> None:
        self._is_over.release()

    def _end_early(self) -> None:
        if self._task is not None:  # as it is, since it was to begin before
            self._task.cancel()


class LoopThread:
    """A thread with an event loop, which begins with the first call and ends when it is closed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    def call(self, function: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        """Run a coroutine function in the loop, and return what it returns.

        What interrupts the wait, as Ctrl-C does, cancels it.

        Raises:
            ConfigError: This thread is that of the loop, or the process has forked since.
            JobwatchError: It is closed.
        """
        loop = self._running()
        call = _Call(function(), loop)
        try:
            call.wait()
        except BaseException:
            call.cancel()
            raise
        try:
            return call.result()
        finally:
            del call  # it knows the error, which knows this frame

    def post(self, function: Callable[[], Coroutine[Any, Any, object]]) -> None:
        """Have a coroutine function run in the loop some time, from any thread; not at all once that is closed."""
        if self._started is None or self._closed or self._pid != os.getpid():
            return
        with suppress(JobwatchError):
            _begun(function, self._started.result()[0])

    def close(self, last: Callable[[], Coroutine[Any, Any, None]], *, interrupted: bool = False) -> None:
        """Run a last coroutine function, and end the loop and its thread; may be called again, and from any thread.

        Args:
            last: The coroutine function.
            interrupted: Whether the caller is in haste: then what is not closed yet is closed a moment later.
        """
        with self._lock:
            was_closed, self._closed = self._closed, True
        if was_closed or self._started is None or self._thread is None or self._pid != os.getpid():
            return
        loop, stop = self._started.result()

        async def end() -> None:
            try:
                await last()
            finally:
                stop.set()  # here, so that the loop ends even if nobody waits for it any more

        future = _begun(end, loop)
        if threading.get_ident() == self._thread.ident:
            return
        settled((future,), _INTERRUPTED_WITHIN if interrupted else _CLOSES_WITHIN)
        self._thread.join(_INTERRUPTED_WITHIN / 2 if interrupted else _ENDS_WITHIN)
        if future.done() and not interrupted:
            future.result()

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._pid != os.getpid():
            raise ConfigError("this client was made before the process forked: make one in each process")
        with Uninterrupted(), self._lock:
            if self._closed:
                raise JobwatchError("the client is closed")
            if self._started is None:
                begun = Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]]()
                self._thread = threading.Thread(target=_run, args=(begun,), name="jobwatch", daemon=True)
                self._thread.start()
                self._started = begun  # not before: there may be no thread, and who waits for it would wait for ever
            started, thread = self._started, self._thread
        if thread is not None and threading.get_ident() == thread.ident:
            raise ConfigError("this would block the event loop that it waits for: within that, use jobwatch.Client")
        return started.result()[0]


def _run(started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]]) -> None:
    async def stay() -> None:
        stop = asyncio.Event()
        started.set_result((asyncio.get_running_loop(), stop))
        await stop.wait()

    try:
        asyncio.run(stay())
    except BaseException as error:  # noqa: BLE001 - it is raised by the call that it came from, or by the first
        if not started.done():
            started.set_exception(error)


def _result(future: Future[_T]) -> _T:
    """Wait for the result of a call, in a way that Ctrl-C interrupts."""
    try:
        while _TICK is not None and not future.done():
            settled((future,), _TICK)
        return future.result()
    except CancelledError:
        raise _closed() from None
    except JobwatchError as error:
        raise _without_frames(error)  # noqa: B904 - it is the same error


def _closed() -> JobwatchError:
    return JobwatchError("the client was closed while this waited")


def _without_frames(error: JobwatchError) -> JobwatchError:
    """Return an error that tells what happened: where in the loop it was raised is of no use to whoever called."""
    return error.with_traceback(None)


def _begun(function: Callable[[], Coroutine[Any, Any, _T]], loop: asyncio.AbstractEventLoop) -> Future[_T]:
    coroutine = function()
    try:
        return asyncio.run_coroutine_threadsafe(coroutine, loop)
    except RuntimeError:
        coroutine.close()
        raise JobwatchError("the event loop of this client has ended") from None
