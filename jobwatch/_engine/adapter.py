"""A user's source, asked as the engine asks: plain calls in threads, all bounded in time, and nothing raised."""

from __future__ import annotations

import asyncio
import inspect
import logging
from typing import TYPE_CHECKING, Final, cast

import anyio
import anyio.to_thread
from msgspec.structs import replace

from .._core.source import Seen, SeenMany, StreamEnd
from .._errors import ConfigError, LookError
from .._models import Fault, FaultKind, Job, Unchanged, printable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from .._core.source import JobSource
    from .._reading.api import Hint

TIME_LIMIT: Final = 30.0
"""How long one call may take, in seconds."""

_MOST = 100

_log = logging.getLogger("jobwatch")


class AdaptedSource:
    """Asks a user's source.

    Args:
        source: The source.
        most: How many of its plain calls may be under way at once.

    Raises:
        ConfigError: It lacks what a source needs.
    """

    has_streams = False

    def __init__(self, source: JobSource, most: int) -> None:
        key, job = getattr(source, "key", None), getattr(source, "job", None)
        if not isinstance(key, str) or not key or not callable(job):
            raise ConfigError(
                f"{type(source).__name__} is no source: it needs a `key`, a text, and a method `job(job_id)`"
            )
        self.name = self.key = key
        self._job = source.job
        self._jobs: Callable[[str, int], object] | None = getattr(source, "jobs", None)
        self._batch: Callable[[list[str]], object] | None = getattr(source, "batch", None)
        self.has_lists = self._jobs is not None
        self.batch_most: int = getattr(source, "batch_most", _MOST) if self._batch is not None else 0
        self._most = most
        self._limiter: anyio.CapacityLimiter | None = None

    def __repr__(self) -> str:
        return f"AdaptedSource({self.key!r})"

    def check(self, job_id: str) -> None:
        """Raise ConfigError where an id cannot be one."""
        if not job_id or not job_id.isprintable():
            raise ConfigError(f"a job id cannot be {printable(job_id)!r}")

    def id_in(self, url: str) -> str | None:  # noqa: ARG002 - a source knows ids only
        """Return None: no URL leads to a job of a source."""
        return None

    async def job(self, job_id: str, status: str | None = None, memo: object = None) -> Seen:  # noqa: ARG002 - it has no memo
        """Ask about one job; for arguments see `Source`."""
        told = await self._answer(f"job {printable(job_id)}", self._job, job_id)
        if isinstance(told, Job):
            told = self._own(told) if told.id == job_id else _unreadable(f"it told of job {printable(told.id)[:80]}")
        elif isinstance(told, Unchanged) and status is None:
            told = _unreadable("it says UNCHANGED to who knows nothing of the job yet; tell the job itself")
        elif not isinstance(told, (Fault, Unchanged)):
            told = _unreadable(f"it told a {type(told).__name__}, which is neither Job, Fault nor UNCHANGED")
        return Seen(told)

    def is_conditional(self, memo: object) -> bool:  # noqa: ARG002 - it keeps none
        """Return True: what a source calls unchanged is so for whoever asked before, and perhaps for nobody else."""
        return True

    async def project(self, project_id: str, limit: int) -> SeenMany:
        """Ask for a project's latest jobs; for arguments see `Source`."""
        assert self._jobs is not None  # noqa: S101 - nobody asks for what there is not
        about = f"project {printable(project_id)}"
        return self._several(await self._answer(about, self._jobs, project_id, limit))

    async def batch(
        self,
        known: Mapping[str, str | None],
        turn: Callable[[], Awaitable[Fault | None]],  # noqa: ARG002 - see `Source`
    ) -> SeenMany:
        """Ask about several jobs at once; for arguments see `Source`."""
        assert self._batch is not None  # noqa: S101 - nobody asks for what there is not
        return self._several(await self._answer(f"{len(known)} jobs", self._batch, list(known)))

    async def follow(self, job_id: str, heard: Callable[[Sequence[Hint]], bool], silence: float) -> StreamEnd:  # noqa: ARG002 - see `Source`
        """Return at once: a user's source has no streams."""
        return StreamEnd(Fault(FaultKind.REFUSED, "a source has no streams"))

    async def aclose(self) -> None:
        """Let go of nothing: the source is its maker's to close."""

    # --- within --------------------------------------------------------------------------------------------

    async def _answer(self, about: str, call: Callable[..., object], *args: object) -> object:
        """Return what a call returns, or the fault that it comes to."""
        limit = asyncio.timeout(TIME_LIMIT)
        try:
            async with limit:
                return await self._called(call, *args)
        except LookError as error:
            return error.fault
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return Fault(FaultKind.UNREACHABLE, "the source's call was cancelled from within")
        except Exception as error:  # noqa: BLE001 - whatever a source raises is a fault of what was asked about
            if limit.expired():
                return Fault(FaultKind.UNREACHABLE, f"the source gave no answer within {TIME_LIMIT:g} s")
            _log.debug("asking %s about %s raised", self.key, about, exc_info=error)
            return Fault(FaultKind.UNREACHABLE, f"the source raised {type(error).__name__}")

    async def _called(self, call: Callable[..., object], *args: object) -> object:
        """Call, in a thread unless it is async, so that the loop is not held."""
        if inspect.iscoroutinefunction(call):
            return await cast("Awaitable[object]", call(*args))
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(self._most)
        told = await anyio.to_thread.run_sync(call, *args, limiter=self._limiter, abandon_on_cancel=True)
        return await cast("Awaitable[object]", told) if inspect.isawaitable(told) else told

    def _several(self, told: object) -> SeenMany:
        if isinstance(told, Fault):
            return SeenMany(told)
        try:
            jobs = tuple(cast("Iterable[object]", told))
        except TypeError:
            return SeenMany(_unreadable(f"it told a {type(told).__name__}, which is no list of jobs"))
        return SeenMany(tuple(self._own(job) for job in jobs if isinstance(job, Job)))

    def _own(self, job: Job) -> Job:
        return job if job.api == self.key else replace(job, api=self.key)


def _unreadable(what: str) -> Fault:
    return Fault(FaultKind.UNREADABLE, f"the source's answer cannot be read: {what}")
