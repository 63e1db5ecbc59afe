"""Several waits at once, as they end.

A wait takes no task of its own here, which for thousands of jobs would cost more than to ask about them: it is looked
at again when there is news of its job. Only what depends on the time, too, is waited for as one wait alone is.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, Self

from .._engine.watch import NEVER
from .._http.tasks import ended, running_loop
from .._models import Result_co, ResultLeftOut, Wire_co
from .wait import coroutine_of, deadline_of, depends_on_time, listens, result_of, stop_listening

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from .._models import Job
    from .wait import Wait

_BEFORE = 1.5
"""How long before a time limit tasks take over, in seconds: more than a last look before it is ever begun."""


class Completions(ResultLeftOut, Generic[Wire_co, Result_co]):
    """Waits for several jobs, and yields each handle once its wait is over.

    It starts with the first step of the iteration. Leaving the iteration early stops the remaining waits when this
    is dropped, or at once when it is used as an async context manager.

    Attributes:
        waits: The handles, in the order in which they were asked for.
    """

    def __init__(self, waits: Sequence[Wait[Wire_co, Result_co]]) -> None:
        self.waits = waits
        self._under_way: _UnderWay[Wire_co, Result_co] | None = None
        self._left = len(waits)

    def __aiter__(self) -> Self:
        """Iterate over the handles as they end."""
        return self

    async def __anext__(self) -> Wait[Wire_co, Result_co]:
        """Return the next handle whose wait is over."""
        if self._under_way is None:
            self._under_way = _UnderWay()
            self._under_way.begin(self.waits)
        if not self._left:
            raise StopAsyncIteration
        self._left -= 1
        try:
            return await self._under_way.over.get()
        except BaseException:
            self._left += 1
            raise

    async def __aenter__(self) -> Self:
        """Stop the remaining waits when the block is left."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the remaining waits."""
        await self.aclose()

    async def aclose(self) -> None:
        """Stop the remaining waits."""
        self._stop()
        await ended(() if self._under_way is None else self._under_way.tasks)

    def __del__(self) -> None:
        """Stop the waits of an iteration that was left early."""
        self._stop()

    def _stop(self) -> None:
        if self._under_way is not None:
            self._under_way.stop()


async def all_of(completions: Completions[Wire_co, Result_co]) -> list[Job[Wire_co, Result_co]]:
    """Wait for all, and return the jobs in the order in which they were asked for; the first error ends the others."""
    jobs: dict[Wait[Wire_co, Result_co], Job[Wire_co, Result_co]] = {}
    async with completions as ended:
        async for wait in ended:
            jobs[wait] = result_of(wait)
    return [jobs[wait] for wait in completions.waits]


class _UnderWay(Generic[Wire_co, Result_co]):
    """The waits that have begun; it knows no `Completions`, which so can be dropped.

    Attributes:
        over: The waits that are over.
        tasks: The tasks that wait for those that depend on the time.
    """

    def __init__(self) -> None:
        self.over: asyncio.Queue[Wait[Wire_co, Result_co]] = asyncio.Queue()
        self.tasks: set[asyncio.Task[Job[Wire_co, Result_co]]] = set()
        self._loop = running_loop()
        self._listeners: dict[_Listener[Wire_co, Result_co], None] = {}
        self._news: list[_Listener[Wire_co, Result_co]] = []
        self._alarm: asyncio.TimerHandle | None = None

    def begin(self, waits: Sequence[Wait[Wire_co, Result_co]]) -> None:
        """Begin waits."""
        due = NEVER
        for wait in waits:
            if depends_on_time(wait, _BEFORE):
                self._run(wait)
                continue
            listener = _Listener(wait, self)
            self._listeners[listener] = None
            self._listen(listener)
            due = min(due, deadline_of(wait) - _BEFORE)
        if due != NEVER:
            self._alarm = self._loop.call_at(due, self._run_all)

    def told(self, listener: _Listener[Wire_co, Result_co]) -> None:
        """Look at a wait again once whoever tells the news has come to an end, and with all others then."""
        if not self._news:
            self._loop.call_soon(self._take_news)
        self._news.append(listener)

    def stop(self) -> None:
        """Stop what is not over."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        listeners, self._listeners = self._listeners, {}
        for listener in listeners:
            stop_listening(listener.wait, listener)
        if not self._loop.is_closed():  # else they have ended with their loop
            for task in self.tasks:
                task.cancel()

    def _take_news(self) -> None:
        news, self._news = self._news, []
        for listener in news:
            if listener in self._listeners:
                self._listen(listener)

    def _listen(self, listener: _Listener[Wire_co, Result_co]) -> None:
        if not listens(listener.wait, listener):
            del self._listeners[listener]
            self.over.put_nowait(listener.wait)
            if not self._listeners and self._alarm is not None:
                self._alarm.cancel()
                self._alarm = None

    def _run_all(self) -> None:
        """Leave it to tasks to keep the time limits, which are near."""
        self._alarm = None
        listeners, self._listeners = self._listeners, {}
        for listener in listeners:
            self._run(listener.wait)

    def _run(self, wait: Wait[Wire_co, Result_co]) -> None:
        queue = self.over

        def end(task: asyncio.Task[Job[Wire_co, Result_co]]) -> None:
            if not task.cancelled():
                task.exception()  # read here, since whoever awaits the handle gets its own
            queue.put_nowait(wait)

        task = self._loop.create_task(coroutine_of(wait))
        task.add_done_callback(end)
        self.tasks.add(task)


class _Listener(Generic[Wire_co, Result_co]):
    """Told of news of one wait's job, as a future is."""

    __slots__ = ("_under_way", "wait")

    def __init__(self, wait: Wait[Wire_co, Result_co], under_way: _UnderWay[Wire_co, Result_co]) -> None:
        self.wait = wait
        self._under_way = under_way

    def done(self) -> bool:
        """Return False: it may be told any number of times."""
        return False

    def set_result(self, _: None, /) -> None:
        """Take it that there is news."""
        self._under_way.told(self)
