"""A journal's thread and its file in a virtual world, and the sudden death of a process that uses them.

The files are real; what is not is the thread: its work is done in the loop, some virtual time after it was asked for,
and what came of it is known some time later still. So a process can die between any two of these.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import os
import sqlite3
import tempfile
from collections.abc import Callable, Coroutine, Generator, Iterable
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import jobwatch._watching.journal
import jobwatch._watching.sqlite
import jobwatch._watching.sqlite_open
from jobwatch._watching.jobs import JobList
from jobwatch._watching.records import Entry
from jobwatch._watching.sqlite import JournalFile
from tests.watching.ever import keep_all, written_by

from .clock import put

if TYPE_CHECKING:
    from jobwatch import Change

    from .clock import VirtualLoop

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Where journals lie: where there is such a folder, no disk has to be waited for."""

_connect = jobwatch._watching.sqlite_open.connect

_LIFE: contextvars.ContextVar[Life | None] = contextvars.ContextVar("life", default=None)


class Life:
    """One process: everything that is begun in it, until it ends or dies.

    Args:
        name: What its client is called.
        rng: How slow its disk is.
        stirred: Called whenever something was written.

    Attributes:
        saved_until: Up to when everything that it had learned is in the journal, on the loop's clock.
        dead: Whether nothing that it does counts any more.
    """

    def __init__(self, name: str, rng: Random, stirred: Callable[[], None]) -> None:
        self.name = name
        self.rng = rng
        self.saved_until = 0.0
        self.writes = 0
        self.dead = False
        self.tasks: list[asyncio.Task[Any]] = []
        self.files: list[JournalFile] = []
        self.lists: list[JobList] = []
        self._stirred = stirred

    def begin(self, main: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a coroutine as this process."""
        context = contextvars.copy_context()
        context.run(_LIFE.set, self)
        return asyncio.get_running_loop().create_task(main, context=context)

    def wrote(self, asked_at: float) -> None:
        """Note that what was asked for at a time has been written."""
        self.writes += 1
        self.saved_until = asked_at
        self._stirred()

    async def die(self, loop: VirtualLoop) -> list[str]:
        """Stop everything at once; nothing is written any more, and nobody is told. Return what would not stop."""
        self.dead = True
        self._silence(loop)
        for _ in range(100):
            going = [task for task in self.tasks if not task.done()]
            if not going:
                break
            for task in going:
                task.cancel()
            await asyncio.sleep(0)
        self._silence(loop)
        for file in self.files:
            file.close()
        for task in self.tasks:
            if task.done() and not task.cancelled():
                task.exception()
        self._forget()
        return [f"it lives on after its death: {task!r}" for task in self.tasks if not task.done()]

    def _forget(self) -> None:
        """Untie what the garbage collector cannot, since it skips watches: memory ends with a process."""
        for jobs in self.lists:
            for job in jobs._jobs.values():
                if job.watch is not None:
                    job.watch.on_look = None

    def _silence(self, loop: VirtualLoop) -> None:
        for timer in loop.timers():
            if timer.context.get(_LIFE) is self:
                timer.cancel()


class _Thread:
    """Stands in for an executor with one thread: first come, first served."""

    def __init__(self, _most: int, *, thread_name_prefix: str) -> None:
        self.life = _LIFE.get()
        self.free_at = 0.0

    def run(self, loop: VirtualLoop, work: Callable[[], Any]) -> asyncio.Future[Any]:
        life, told = self.life, loop.create_future()
        if life is None:
            raise AssertionError("a journal outside of any life")
        if life.dead:
            told.cancel()
            return told
        self.free_at = max(self.free_at, loop.time()) + life.rng.choice((0.0, 0.0, 0.002, 0.02))
        loop.call_at(self.free_at, self._work, loop, loop.time(), work, told)
        return told

    def _work(self, loop: VirtualLoop, asked_at: float, work: Callable[[], Any], told: asyncio.Future[Any]) -> None:
        life = self.life
        if life is None or life.dead:
            told.cancel()
            return
        writes = life.writes
        tell: Callable[..., None] = told.set_result
        try:
            outcome = work()
        except Exception as error:  # noqa: BLE001  # it is whoever asked that is to see it
            tell, outcome = told.set_exception, error
        if life.writes > writes:
            life.wrote(asked_at)
        loop.call_later(life.rng.choice((0.0, 0.0, 0.002, 0.01)), _unless_done, told, tell, outcome)

    def submit(self, work: Callable[[], Any]) -> Future[Any]:
        if self.life is not None and not self.life.dead:
            work()
        return Future()

    def shutdown(self, wait: bool = True) -> None:
        pass


def _unless_done(told: asyncio.Future[Any], tell: Callable[[Any], None], outcome: object) -> None:
    if not told.done():
        tell(outcome)


class _NotedFile(JournalFile):
    """A journal's file that its life knows of.

    A process dies here between two pieces of work of its thread, and no power fails, so SQLite need neither sync nor
    keep a log beside the file: the calls to the system for these took most of the time of a world that has journals.
    `tests.watching.crash` kills processes within them. For the same reason there is no log to be emptied, and the next
    life goes on with the connection of the one before, see `_Connection`.
    """

    def __init__(self, path: str, api: str, place: str = "") -> None:
        if not Path(path).exists():
            Path(path).write_bytes(_empty_journal(api, place))
        super().__init__(path, api, place)
        life = _LIFE.get()
        if life is not None:
            life.files.append(self)

    def write(self, entries: Iterable[Entry]) -> None:
        super().write(entries)
        life = _LIFE.get()
        if life is not None:
            life.writes += 1


class _Connection(sqlite3.Connection):
    """A connection that is closed when the world ends: to open one and to read the schema takes as long as a look.

    Whoever opens the file next checks and reads it all the same, and finds nothing that was not committed.
    """

    def close(self) -> None:
        if self.in_transaction:
            self.rollback()

    def end(self) -> None:
        super().close()


_connections: dict[Path, _Connection] = {}
"""Those of the world that goes on."""


def _connected(path: Path) -> _Connection:
    found = _connections.get(path)
    if found is None:
        found = sqlite3.connect(path, isolation_level=None, factory=_Connection, cached_statements=256)
        found.text_factory = jobwatch._watching.sqlite_open._text
        _connections[path] = found
        found.execute("PRAGMA locking_mode = EXCLUSIVE")
        found.execute("PRAGMA synchronous = OFF")
        found.execute("PRAGMA journal_mode = MEMORY")
    return found


def written(path: Path) -> dict[str, list[Change]]:
    """Return all changes that were ever written into a journal of this world, by job, in order."""
    found = _connections.get(Path(os.path.realpath(path)))
    return {} if found is None else written_by(found)


@functools.cache
def _empty_journal(api: str, place: str) -> bytes:
    """Return the bytes of a journal that nothing has been written into, made once in a process."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        path = Path(folder) / "empty.db"
        with put(jobwatch._watching.sqlite_open, "connect", _connect):
            JournalFile(path, api, place).close()
        connection = sqlite3.connect(path, isolation_level=None)
        keep_all(connection)
        connection.execute("PRAGMA journal_mode = DELETE")  # without a log beside it
        connection.close()
        return path.read_bytes()


@contextmanager
def disks(loop: VirtualLoop) -> Generator[None]:
    """Have journals be written in virtual time, and tasks known to the life that began them."""

    def task(made: asyncio.Task[Any], context: contextvars.Context | None) -> None:
        loop.tasks.append(made)
        life = _LIFE.get() if context is None else context.get(_LIFE)
        if life is not None:
            life.tasks.append(made)

    def run_in_executor(executor: Any, work: Callable[[], Any]) -> asyncio.Future[Any]:
        if not isinstance(executor, _Thread):
            return type(loop).run_in_executor(loop, executor, work)
        return executor.run(loop, work)

    loop.on_task = task
    loop.run_in_executor = run_in_executor  # type: ignore[assignment, method-assign]
    journal, files, opening = jobwatch._watching.journal, jobwatch._watching.sqlite, jobwatch._watching.sqlite_open
    with (
        put(journal, "ThreadPoolExecutor", _Thread),
        put(journal, "JournalFile", _NotedFile),
        put(files, "empty_log", lambda _connection: None),
        put(opening, "empty_log", lambda _connection: None),
        put(opening, "connect", _connected),
    ):
        try:
            yield
        finally:
            for connection in _connections.values():
                connection.end()
            _connections.clear()
    loop.on_task = None
    del loop.run_in_executor
