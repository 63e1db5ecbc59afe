"""Which loop this runs in, and what must come to its end, whatever is cancelled meanwhile: closing, above all.

A cancel scope's shield keeps out its own kind of cancelling only, and not `asyncio.Task.cancel`.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import TYPE_CHECKING

from .._errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable


def running_loop() -> asyncio.AbstractEventLoop:
    """Return the event loop that runs here.

    Raises:
        ConfigError: There is none, or it is not one of asyncio: the message says what to use instead.
    """
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        pass
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_run():
        raise ConfigError(
            "jobwatch runs on asyncio, and this is trio: call jobwatch.wait or a jobwatch.SyncClient in a thread, as in"
            " await trio.to_thread.run_sync(jobwatch.wait, job_id, api)"
        )
    raise ConfigError(
        "no asyncio event loop runs here: without async use jobwatch.wait or jobwatch.SyncClient, or else asyncio.run"
    )


async def ended(tasks: Iterable[asyncio.Task[object]]) -> None:
    """Wait for tasks to end, however often the wait is cancelled meanwhile; how they ended is not raised.

    Raises:
        asyncio.CancelledError: The wait was cancelled; all the same the tasks have ended.
    """
    tasks = list(tasks)
    cancelled: asyncio.CancelledError | None = None
    going: list[asyncio.Task[object]] = [task for task in tasks if not task.done()]
    if going:
        with _shield():  # else an outer scope would cancel the wait anew at every step of the loop
            while going:
                try:
                    await asyncio.wait(going)
                except asyncio.CancelledError as error:
                    cancelled = error
                going = [task for task in going if not task.done()]
    for task in tasks:
        if not task.cancelled():
            task.exception()  # read here, since whoever is cancelled does not
    if cancelled is not None:
        raise cancelled


def _shield() -> contextlib.AbstractContextManager[object]:
    """Return a scope that no outer one of anyio's cancels; where its part for asyncio is not loaded, there is none."""
    if "anyio._backends._asyncio" not in sys.modules:
        return contextlib.nullcontext()
    import anyio  # noqa: PLC0415  # as said: it takes a while

    return anyio.CancelScope(shield=True)


async def finished(task: asyncio.Task[None]) -> None:
    """Wait for a task as `ended` does, and raise what it raised."""
    await ended([task])
    task.result()


async def at_once() -> None:
    """Let a request go: the turn of whoever keeps to no budget."""
