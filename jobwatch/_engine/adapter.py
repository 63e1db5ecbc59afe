"""A user's source, asked as the engine asks: bounded in time, plain calls in threads, and nothing raised."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import traceback
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias, cast

from .._core.source import Seen, SeenMany, StreamEnd
from .._errors import ConfigError, LookError
from .._http.tasks import at_once
from .._http.threads import Threads
from .._models import UNCHANGED, Fault, FaultKind, Job, Unchanged, printable
from .._reading.api import REQUEST_TIMEOUT
from .._reading.told import told_fault, told_job, unreadable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine, Mapping, Sequence

    from .._core.moves import Place
    from .._core.source import JobSource, Turn
    from .._reading.api import Hint
    from .._reading.started import Found, Started

_BATCH_MOST = 100

_CLEAN_UP = 5.0
"""For how long closing waits for async calls that were cancelled to end, in seconds."""

Method: TypeAlias = Callable[..., object]

_log = logging.getLogger("jobwatch")


class Call:
    """One call of a user's method.

    Attributes:
        is_async: Whether what it returns is to be awaited, so that it needs no thread.
        is_under_way: Whether it has begun and not ended.
    """

    __slots__ = ("_args", "_method", "_options", "is_async", "is_under_way")

    def __init__(self, method: Method, *args: object, **options: object) -> None:
        self._method, self._args, self._options = method, args, options
        self.is_async = inspect.iscoroutinefunction(method)
        self.is_under_way = False

    def __call__(self) -> object:
        """Make the call."""
        self.is_under_way = True
        try:
            return self._method(*self._args, **self._options)
        finally:
            self.is_under_way = False


class AdaptedSource:
    """Asks a user's source.

    Args:
        source: The source.
        most: How many of its plain calls may be under way at once.
        time_limit: How long one call may take, in seconds, together with the wait for a thread.

    Raises:
        ConfigError: It lacks what a source needs.
    """

    has_streams = False
    long_poll = 0.0
    tells_hold = False
    has_details = False
    has_moves = False

    def __init__(self, source: JobSource, most: int, time_limit: float = REQUEST_TIMEOUT) -> None:
        self._time_limit = time_limit
        self.name = self.key = _key_of(source)
        self._job: Method = source.job
        self._jobs = _method_of(source, "jobs")
        self._batch = _method_of(source, "batch")
        self.has_lists = self._jobs is not None
        self.batch_most = 0 if self._batch is None else _batch_most_of(source)
        self._takes_last = _takes_last(self._job)
        self._context = contextvars.copy_context()
        self._threads = Threads(most, self._context)
        self._asking: set[asyncio.Task[object]] = set()
        self._left_behind: dict[str, Call] = {}
        self._closed = False
        self._logged: set[type[BaseException]] = set()

    def __repr__(self) -> str:
        return f"AdaptedSource({self.key!r})"

    def check(self, job_id: str) -> None:
        """Raise ConfigError where an id cannot be one."""
        if not job_id.isprintable():
            raise ConfigError(f"a job id cannot hold invisible characters: {printable(job_id)}")
        if not job_id:
            raise ConfigError("a job id cannot be empty")

    def started(self, started: Started) -> Found:  # noqa: ARG002 - see `Source`
        """Raise ConfigError: a source knows ids only."""
        raise ConfigError(f"{self.name} is a source, which reads no response: give the id of the job, as a text")

    async def job(
        self,
        job_id: str,
        status: str | None = None,  # noqa: ARG002 - see `Source`
        memo: object = None,
        turn: Turn = at_once,  # noqa: ARG002 - how many requests it makes is its own affair
        place: Place | None = None,  # noqa: ARG002 - its jobs stay where they are
        *,
        hold: float = 0.0,  # noqa: ARG002 - it has none that are held
    ) -> Seen:
        """Ask about one job; for arguments see `Source`. The memo is the job as the source told it."""
        if (before := self._left_behind.get(job_id)) is not None and before.is_under_way:
            return Seen(Fault(FaultKind.UNREACHABLE, "the source's last call for it has not come back yet"))
        call = Call(self._job, job_id, **({"last": memo} if self._takes_last else {}))
        try:
            what = await self._answer(f"job {printable(job_id)}", self._called(call))
        finally:
            self._leave_behind(job_id, call)
        if what is UNCHANGED and memo is not None:
            return Seen(UNCHANGED, memo)
        told = self._checked(what)
        if isinstance(told, Job) and told.id != job_id:
            told = unreadable(self.name, f"it tells of job {printable(told.id)[:80]}")
        return Seen(told, what if self._takes_last and isinstance(told, Job) else None)

    async def details(self, job: Job, told: Callable[[Job], None], turn: Turn = at_once) -> None:
        """Return at once: a user's source tells all of a job by one call."""

    def is_conditional(self, memo: object) -> bool:  # noqa: ARG002 - see `Source`
        """Return False: no answer is worth less to somebody else, since whoever has another memo is told all."""
        return False

    async def project(self, project_id: str, limit: int, turn: Turn = at_once) -> SeenMany:  # noqa: ARG002 - as above
        """Ask for a project's latest jobs; for arguments see `Source`."""
        about = f"project {printable(project_id)}"
        return self._several(await self._answer(about, self._listed(limit, self._jobs, project_id, limit)))

    async def batch(self, known: Mapping[str, str | None], turn: Turn = at_once) -> SeenMany:  # noqa: ARG002 - as above
        """Ask about several jobs at once; for arguments see `Source`."""
        ids = list(known)
        return self._several(await self._answer(f"{len(ids)} jobs", self._listed(None, self._batch, ids)))

    async def follow(self, job_id: str, heard: Callable[[Sequence[Hint]], bool], silence: float) -> StreamEnd:  # noqa: ARG002 - see `Source`
        """Return at once: a user's source has no streams."""
        return StreamEnd(Fault(FaultKind.REFUSED, "a source has no streams"))

    def how_far(self, asker: object, since: float) -> str:  # noqa: ARG002 - a call has no stages
        """Say that a call has not come back."""
        return "the source did not answer"

    async def aclose(self) -> None:
        """Cancel the async calls that are under way, and leave plain ones to themselves; the source stays open."""
        self._closed = True
        for asking in self._asking:
            asking.cancel()
        if self._asking:
            await asyncio.wait(self._asking, timeout=_CLEAN_UP)

    # --- a call ----------------------------------------------------------------------------------------------

    async def _answer(self, about: str, call: Coroutine[object, object, object]) -> object:
        """Return what a call returns, or the fault that it comes to."""
        # A task of its own, so that one that does not let itself be cancelled holds up neither a look nor closing.
        asking = asyncio.get_running_loop().create_task(call, name="jobwatch source", context=self._context.copy())
        self._asking.add(asking)
        asking.add_done_callback(self._ended)
        try:
            await asyncio.wait([asking], timeout=0.0 if self._closed else self._time_limit)
            is_late = not asking.done()
        finally:
            asking.cancel()  # if it goes on: its time is over, or nobody waits for it any more
        if self._closed:
            return Fault(FaultKind.UNREACHABLE, "the client is closed")
        if is_late:
            late = f"the source gave no answer within {self._time_limit:g} s (request_timeout)"
            return Fault(FaultKind.UNREACHABLE, late)
        if asking.cancelled():
            return Fault(FaultKind.UNREACHABLE, "the source cancelled its own call")
        match asking.exception():
            case None:
                return asking.result()
            case LookError() as error:
                return error.fault
            case error:
                self._log(about, error)
                return Fault(FaultKind.UNREACHABLE, f"the source raised {type(error).__name__}")

    async def _called(self, call: Call) -> object:
        """Call, in a thread unless it is async."""
        if call.is_async:
            return await cast("Awaitable[object]", call())
        told = await self._threads.call(call)
        return await cast("Awaitable[object]", told) if inspect.isawaitable(told) else told

    def _leave_behind(self, job_id: str, call: Call) -> None:
        """Note a call that goes on though nobody waits for it: each job has one thread at most in this way."""
        if call.is_under_way:
            self._left_behind = {each: left for each, left in self._left_behind.items() if left.is_under_way}
            self._left_behind[job_id] = call

    async def _listed(self, most: int | None, method: Method | None, *args: object) -> object:
        """Call, and take what can be iterated out of the answer where that can hold up nobody else."""
        assert method is not None  # noqa: S101 - nobody asks for what there is not

        def taken() -> object:  # in the thread that made it: a database's cursor is good there alone
            return _taken(method(*args), most)

        told = await self._called(Call(method, *args) if inspect.iscoroutinefunction(method) else Call(taken))
        if isinstance(told, AsyncIterable):
            return await _gathered(cast("AsyncIterable[object]", told), most)
        return await self._threads.call(lambda: _taken(told, most)) if _is_lazy(told) else _taken(told, most)

    def _ended(self, asking: asyncio.Task[object]) -> None:
        self._asking.discard(asking)
        if not asking.cancelled():
            asking.exception()  # read here, since nobody may wait for it any more

    def _log(self, about: str, error: BaseException) -> None:
        """Log where an exception came from, once for each type; not its message, which may hold a secret."""
        level = logging.DEBUG if type(error) in self._logged else logging.WARNING
        self._logged.add(type(error))
        if _log.isEnabledFor(level):
            trace = "".join(traceback.format_tb(error.__traceback__))
            _log.log(level, "asking %s about %s raised %s\n%s", self.name, about, type(error).__name__, trace)

    # --- an answer -------------------------------------------------------------------------------------------

    def _checked(self, told: object) -> Job | Fault:
        match told:
            case Job():
                return told_job(cast("Job", told), self.name)
            case Fault():
                return told_fault(told, self.name)
            case Unchanged.UNCHANGED:
                return unreadable(self.name, "UNCHANGED, and there is no job that it was told as `last`")
            case _:
                return unreadable(self.name, f"a {type(told).__name__}, and neither Job, Fault nor UNCHANGED")

    def _several(self, told: object) -> SeenMany:
        match told:
            case Fault():
                return SeenMany(told_fault(told, self.name))
            case tuple() | list():
                jobs = [self._checked(job) for job in cast("Sequence[object]", told)]
            case _:
                return SeenMany(unreadable(self.name, f"a {type(told).__name__}, and no list of jobs"))
        fault = next((job for job in jobs if isinstance(job, Fault)), None)
        return SeenMany(tuple(job for job in jobs if isinstance(job, Job)) if fault is None else fault)


def _is_lazy(told: object) -> bool:
    """Return whether to iterate over an answer may take long."""
    return isinstance(told, Iterable) and not isinstance(told, (str, bytes, list, tuple))


def _taken(told: object, most: int | None) -> object:
    if isinstance(told, (list, tuple)) or _is_lazy(told):
        return tuple(islice(cast("Iterable[object]", told), most))
    return told


async def _gathered(told: AsyncIterable[object], most: int | None) -> list[object]:
    gathered: list[object] = []
    async for each in told:
        gathered.append(each)
        if len(gathered) == most:
            break
    if isinstance(told, AsyncGenerator):
        await cast("AsyncGenerator[object, None]", told).aclose()
    return gathered


def _key_of(source: object) -> str:
    if isinstance(source, type):
        raise ConfigError(f"{source.__name__} is a class: give an object of it as the source")
    key = getattr(source, "key", None)
    if not isinstance(key, str) or not key or not key.isprintable() or _method_of(source, "job") is None:
        kind = type(source).__name__
        raise ConfigError(f"{kind} is no source: it needs a `key`, a text on one line, and a method `job(job_id)`")
    return key


def _method_of(source: object, name: str) -> Method | None:
    method = getattr(source, name, None)
    return method if callable(method) else None


def _batch_most_of(source: object) -> int:
    most = getattr(source, "batch_most", _BATCH_MOST)
    if not isinstance(most, int) or isinstance(most, bool) or most < 1:
        raise ConfigError(f"batch_most must be a whole number of 1 or more, not {most!r}")
    return most


def _takes_last(job: Method) -> bool:
    try:
        return "last" in inspect.signature(job).parameters
    except (ValueError, TypeError):  # it has none that can be read, as with some of those written in C
        return False
