"""What a trigger keeps of its wait, so that it goes on after the triggerer was restarted: an XCom of its task.

Airflow starts a trigger anew from its first arguments, whatever it has seen since. What a trigger may write are XComs
and variables, through the process above it; so what is known of the job is an XCom, written when a state was told.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Final, Protocol, TypeVar

import msgspec
from airflow.sdk.execution_time.xcom import XCom
from asgiref.sync import sync_to_async
from msgspec import Struct

from .._core.tracker import Watched
from .._http.tasks import ended

CURSOR_KEY: Final = "jobwatch_cursor"
"""The key of the XCom."""

_T = TypeVar("_T")
_log = logging.getLogger("jobwatch")


class TaskKey(Protocol):
    """What names a task of a DAG run."""

    @property
    def dag_id(self) -> str:
        """The DAG."""
        ...

    @property
    def task_id(self) -> str:
        """The task in it."""
        ...

    @property
    def run_id(self) -> str:
        """The run of the DAG."""
        ...

    @property
    def map_index(self) -> int | None:
        """Which of a mapped task's instances it is."""
        ...


class _Kept(Struct, frozen=True):
    """What is written: for which wait, and what was known; None before the first state was told."""

    wait: str
    watched: Watched | None = None


class Cursor:
    """What is known of the job that a task waits for, kept with the task.

    Args:
        task: The task; None where there is none, and then nothing is kept.
        wait: Which wait of the task's this is: what another one has written counts for nothing.
    """

    def __init__(self, task: TaskKey | None, wait: str) -> None:
        self._task = task
        self._wait = wait

    async def read(self) -> Watched | None:
        """Return what was known when it was written last; None where nothing was, or it cannot be read."""
        value = await self._asked(CURSOR_KEY, _read)
        if value is None:
            return None
        try:
            kept = msgspec.convert(value, _Kept)
        except msgspec.ValidationError:
            return None
        return kept.watched if kept.wait == self._wait else None

    async def write(self, watched: Watched) -> None:
        """Keep what is known."""
        value: object = msgspec.to_builtins(_Kept(self._wait, watched))
        await self._asked(CURSOR_KEY, lambda task, key: _write(task, key, value))

    async def show(self, key: str, url: str) -> None:
        """Have a link of the task's lead somewhere."""
        await self._asked(key, lambda task, at: _write(task, at, url))

    async def _asked(self, key: str, call: Callable[[TaskKey, str], object]) -> object:
        if self._task is None or not self._wait:
            return None
        try:
            return await whole(sync_to_async(call)(self._task, key))
        except Exception as error:  # noqa: BLE001 - of any XCom backend; the wait goes on without
            _log.warning("the XCom %s cannot be used (%s): after a restart, states are told again", key, error)
            return None


async def whole(question: Coroutine[object, object, _T]) -> _T:
    """Ask the process above something, and stay for the answer, whatever is cancelled.

    Of half a question, Airflow 3.1 would give the answer to whoever asks next.

    Args:
        question: What is asked.
    """
    asking = asyncio.get_running_loop().create_task(question, name="jobwatch question to Airflow")
    await ended([asking])
    return asking.result()


def begin_cursor(task: TaskKey, wait: str) -> None:
    """Keep that a wait begins: of an XCom that is not there, Airflow logs an error.

    Args:
        task: The task.
        wait: Which wait of the task's it is.
    """
    try:
        _write(task, CURSOR_KEY, msgspec.to_builtins(_Kept(wait)))
    except Exception as error:  # noqa: BLE001 - of any XCom backend; the wait goes on without
        _log.warning("the XCom %s cannot be used (%s): after a restart, states are told again", CURSOR_KEY, error)


def drop_cursor(task: TaskKey) -> None:
    """Delete what a task kept, once it waits no more; where that cannot be done, it is logged.

    Args:
        task: The task.
    """
    place = {"dag_id": task.dag_id, "task_id": task.task_id, "run_id": task.run_id}
    try:
        XCom.delete(key=CURSOR_KEY, **place, map_index=map_index_of(task))
    except Exception as error:  # noqa: BLE001 - of any XCom backend; the job has been waited for all the same
        _log.warning("the XCom %s is left over: %s", CURSOR_KEY, error)


def map_index_of(task: TaskKey) -> int:
    """Return which of a mapped task's instances it is, -1 for one that is not mapped."""
    return -1 if task.map_index is None else task.map_index


def _read(task: TaskKey, key: str) -> object:
    return XCom.get_one(
        key=key, dag_id=task.dag_id, task_id=task.task_id, run_id=task.run_id, map_index=map_index_of(task)
    )


def _write(task: TaskKey, key: str, value: object) -> None:
    place = {"dag_id": task.dag_id, "task_id": task.task_id, "run_id": task.run_id}
    XCom.set(key, value, **place, map_index=map_index_of(task))
