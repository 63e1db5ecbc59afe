"""What must come to its end, whatever is cancelled meanwhile: closing, above all.

A cancel scope's shield keeps out its own kind of cancelling only, and not `asyncio.Task.cancel`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Iterable


async def ended(tasks: Iterable[asyncio.Task[object]]) -> None:
    """Wait for tasks to end, however often the wait is cancelled meanwhile; how they ended is not raised.

    Raises:
        asyncio.CancelledError: The wait was cancelled; all the same the tasks have ended.
    """
    tasks = list(tasks)
    cancelled: asyncio.CancelledError | None = None
    with anyio.CancelScope(shield=True):  # else an outer scope would cancel the wait anew at every step of the loop
        while going := [task for task in tasks if not task.done()]:
            try:
                await asyncio.wait(going)
            except asyncio.CancelledError as error:
                cancelled = error
    for task in tasks:
        if not task.cancelled():
            task.exception()  # read here, since whoever is cancelled does not
    if cancelled is not None:
        raise cancelled


async def finished(task: asyncio.Task[None]) -> None:
    """Wait for a task as `ended` does, and raise what it raised."""
    await ended([task])
    task.result()


async def at_once() -> None:
    """Let a request go: the turn of whoever keeps to no budget."""
