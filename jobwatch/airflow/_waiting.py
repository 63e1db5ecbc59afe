"""One wait of a trigger, on a client that it shares with others. Without Airflow."""

from __future__ import annotations

import asyncio
import contextvars
from typing import TYPE_CHECKING, Protocol, TypeVar

from msgspec import Struct

from .._core.tracker import Watched
from .._errors import JobwatchError, WaitTimeout
from ._ended import Ended, record_of

if TYPE_CHECKING:
    from collections.abc import Collection, Coroutine

    from .._client.client import Client
    from .._client.wait import Wait
    from .._models import Job, Transition

_T = TypeVar("_T")


class Wanted(Struct, frozen=True):
    """What is waited for.

    Attributes:
        job: The job's id, its URL, or what was known of it before.
        timeout: How long the wait may last in all, in seconds; None for as long as it takes.
        left: How much of that is left.
        accept: Which ends are good besides success.
        fail_on: ``blocked``, where the wait is to end when the job waits for a person.
        max_result: How many bytes of the job's result are kept.
    """

    job: str | Watched
    timeout: float | None
    left: float | None
    accept: Collection[str]
    fail_on: Collection[str]
    max_result: int


class Listener(Protocol):
    """Who is told while a wait goes on."""

    def state(self, change: Transition) -> None:
        """Take one state of the job."""
        ...

    async def known(self, watched: Watched, job: Job | None) -> None:
        """Take all that is known, once no state is left to be told."""
        ...


async def waited(client: Client[Struct | None], wanted: Wanted, listener: Listener) -> Ended:
    """Wait for a job and return how that ended.

    Args:
        client: Whom to ask.
        wanted: What for.
        listener: Who is told of it meanwhile.
    """
    wait: Wait[Struct | None] | None = None
    try:
        wait = client.wait_for(wanted.job, wanted.left, accept=wanted.accept, fail_on=wanted.fail_on)
        while (change := await _in_no_context(_next(wait))) is not None:
            listener.state(change)
            if not wait.unread and wait.watched is not None:
                await listener.known(wait.watched, wait.job)
        job = await _in_no_context(_awaited(wait))
    except JobwatchError as error:
        return _ended(wait, wanted, None, error)
    finally:
        if wait is not None:
            wait.close()
    return _ended(wait, wanted, job, None)


async def _next(wait: Wait[Struct | None]) -> Transition | None:
    return await anext(wait, None)


async def _awaited(wait: Wait[Struct | None]) -> Job[Struct | None]:
    return await wait


async def _in_no_context(step: Coroutine[object, object, _T]) -> _T:
    """Do a step of a wait outside of this task's context.

    The tasks of a shared client, which begin with some wait, keep the context in which they begin: what they log would
    be put down to one trigger for ever, and their spans too.
    """
    return await asyncio.get_running_loop().create_task(step, context=contextvars.Context())


def _ended(wait: Wait[Struct | None] | None, wanted: Wanted, job: Job | None, error: JobwatchError | None) -> Ended:
    if wait is None:
        return Ended(good=False, outcome=None, told=str(error))
    if isinstance(error, WaitTimeout) and wanted.timeout is not None:  # and not how much of it was left here
        error = WaitTimeout(error.job_id, wanted.timeout, error.job, error.fault, error.stood)
    seen = wait.job if job is None else job
    return Ended(
        good=error is None,
        outcome=wait.outcome,
        told="" if error is None else str(error),
        job=None if seen is None else record_of(seen, wait.outcome, wanted.max_result),
        looks=0 if wait.watched is None else wait.watched.looks,
    )
