"""Several waits at once, as they end."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Self

from ._tasks import ended

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from ._models import Job
    from ._wait import Wait


class Completions:
    """Waits for several jobs, and yields each handle once its wait is over.

    It starts with the first step of the iteration. Leaving the iteration early stops the remaining waits when this
    is dropped, or at once when it is used as an async context manager.

    Attributes:
        waits: The handles, in the order in which they were asked for.
    """

    def __init__(self, waits: Sequence[Wait]) -> None:
        self.waits = waits
        self._line: _Line | None = None

    def __aiter__(self) -> Self:
        """Iterate over the handles as they end."""
        return self

    async def __anext__(self) -> Wait:
        """Return the next handle whose wait is over."""
        if self._line is None:
            self._line = _Line(self.waits)
        return await self._line.next()

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
        if self._line is not None:
            self._line.stop()
            await ended(list(self._line.going))

    def __del__(self) -> None:
        """Stop the waits of an iteration that was left early."""
        if self._line is not None:
            self._line.stop()


class _Line:
    """Where waits queue up as they end; apart from `Completions`, so that tasks do not keep that alive."""

    def __init__(self, waits: Sequence[Wait]) -> None:
        self._loop = asyncio.get_running_loop()
        self._ended: deque[Wait] = deque()
        self._bell: asyncio.Future[None] | None = None
        self.going = {self._loop.create_task(wait): wait for wait in waits}
        for task in self.going:
            task.add_done_callback(self._end)

    async def next(self) -> Wait:
        while not self._ended:
            if not self.going:
                raise StopAsyncIteration
            self._bell = self._loop.create_future()
            await self._bell
        return self._ended.popleft()

    def stop(self) -> None:
        if not self._loop.is_closed():  # else they have ended with it
            for task in self.going:
                task.cancel()

    def _end(self, task: asyncio.Task[Job]) -> None:
        self._ended.append(self.going.pop(task))
        if not task.cancelled():
            task.exception()  # read here, since whoever awaits the handle gets its own
        if self._bell is not None and not self._bell.done():
            self._bell.set_result(None)
