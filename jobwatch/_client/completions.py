"""Several waits at once, as they end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, Self

from .._http.tasks import ended, running_loop
from .._models import Result_co, ResultLeftOut, Wire_co
from .wait import coroutine_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from .._models import Job
    from .wait import Wait


class Completions(ResultLeftOut, Generic[Wire_co, Result_co]):
    """Waits for several jobs, and yields each handle once its wait is over.

    It starts with the first step of the iteration. Leaving the iteration early stops the remaining waits when this
    is dropped, or at once when it is used as an async context manager.

    Attributes:
        waits: The handles, in the order in which they were asked for.
    """

    def __init__(self, waits: Sequence[Wait[Wire_co, Result_co]]) -> None:
        self.waits = waits
        self._ended: asyncio.Queue[Wait[Wire_co, Result_co]] = asyncio.Queue()
        self._tasks: set[asyncio.Task[Job[Wire_co, Result_co]]] | None = None
        self._left = len(waits)

    def __aiter__(self) -> Self:
        """Iterate over the handles as they end."""
        return self

    async def __anext__(self) -> Wait[Wire_co, Result_co]:
        """Return the next handle whose wait is over."""
        if self._tasks is None:
            self._tasks = {_begun(wait, self._ended) for wait in self.waits}
        if not self._left:
            raise StopAsyncIteration
        self._left -= 1
        try:
            return await self._ended.get()
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
        await ended(self._tasks or ())

    def __del__(self) -> None:
        """Stop the waits of an iteration that was left early."""
        self._stop()

    def _stop(self) -> None:
        for task in self._tasks or ():
            if not task.get_loop().is_closed():  # else it has ended with its loop
                task.cancel()


async def all_of(completions: Completions[Wire_co, Result_co]) -> list[Job[Wire_co, Result_co]]:
    """Wait for all, and return the jobs in the order in which they were asked for; the first error ends the others."""
    jobs: dict[Wait[Wire_co, Result_co], Job[Wire_co, Result_co]] = {}
    async with completions as ended:
        async for wait in ended:
            jobs[wait] = await wait
    return [jobs[wait] for wait in completions.waits]


def _begun(
    wait: Wait[Wire_co, Result_co], queue: asyncio.Queue[Wait[Wire_co, Result_co]]
) -> asyncio.Task[Job[Wire_co, Result_co]]:
    """Begin a wait that is put in a queue when it ends; the task knows no `Completions`, which so can be dropped."""

    def end(task: asyncio.Task[Job[Wire_co, Result_co]]) -> None:
        if not task.cancelled():
            task.exception()  # read here, since whoever awaits the handle gets its own
        queue.put_nowait(wait)

    task = running_loop().create_task(coroutine_of(wait))
    task.add_done_callback(end)
    return task
