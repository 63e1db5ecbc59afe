"""Threads for calls that block: so many at once, and none of them keeps anything from ending.

anyio's and asyncio's own are not for this: a call that is given up frees its place in their limits while its thread
goes on, so that an API that hangs would gather threads without end; and the interpreter waits for all of them before
it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context

_T = TypeVar("_T")


class Threads:
    """Makes calls in threads.

    Args:
        most: How many calls may be going on at once, those included that nobody waits for any more.
        context: The context variables that each call sees, in a copy of its own.
        name: What the threads are called.
    """

    def __init__(self, most: int, context: Context, name: str = "jobwatch source") -> None:
        self._room = asyncio.Semaphore(most)
        self._context = context
        self._name = name

    async def call(self, function: Callable[[], _T]) -> _T:
        """Call a function in a thread, and return or raise what it does; whoever is cancelled leaves it behind."""
        await self._room.acquire()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[_T] = loop.create_future()

        def ended(value: _T | None, error: BaseException | None) -> None:
            self._room.release()
            if answer.done():
                return
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(value)  # type: ignore[arg-type]  # it is what the function returned

        def run() -> None:
            value, error = None, None
            try:
                value = function()
            except Exception as raised:  # noqa: BLE001 - it is raised again where the answer is awaited
                error = raised
            except BaseException as raised:  # noqa: BLE001 - such as SystemExit: it ends a thread, and not the program
                error = RuntimeError(type(raised).__name__)
            if isinstance(error, StopIteration):
                error = RuntimeError("StopIteration")  # which no future takes
            with contextlib.suppress(RuntimeError):  # the loop is closed, and nobody waits
                loop.call_soon_threadsafe(ended, value, error)

        try:
            threading.Thread(target=self._context.copy().run, args=(run,), name=self._name, daemon=True).start()
        except BaseException:
            self._room.release()
            raise
        return await answer
