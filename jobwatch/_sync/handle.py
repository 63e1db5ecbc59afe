"""The handle of one wait that is iterated by a ``for`` loop."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from .._errors import JobwatchError
from .._models import Result_co, ResultLeftOut, Wire_co

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import TracebackType

    from .._client.wait import Wait
    from .._core.job_times import JobTimes
    from .._core.tracker import Watched
    from .._models import Job, Outcome, Transition
    from .client import SyncClient
    from .loop import LoopThread

_T = TypeVar("_T")


class SyncWait(ResultLeftOut, Generic[Wire_co, Result_co]):
    """One wait for one job, for programs without async: iterate it for every state on the way, then ask for its result.

    It yields each `Transition` once, in order, the last one included, and ends with the job, however that ended.
    `result` then gives the `Job` without another request, or raises `JobFailed` and the like. To leave the loop early
    stops the looks once the handle is dropped, or at once when it is used as a context manager.

    Attributes:
        job_id: The id of the job.

    Raises:
        LookError: The API could not be read: see its subclasses.
        WaitTimeout: The time limit was over first.
    """

    def __init__(self, wait: Wait[Wire_co, Result_co], thread: LoopThread, client: SyncClient[Wire_co]) -> None:
        self.job_id = wait.job_id
        self._wait = wait
        self._thread = thread
        self._client = client  # which would close if it were dropped
        self._owns_client = False
        self._ready: deque[Transition] = deque()
        self._job: Job[Wire_co, Result_co] | None = None
        self._error: BaseException | None = None

    def __repr__(self) -> str:
        return repr(self._wait).replace("Wait", "SyncWait", 1)

    def _repr_html_(self) -> str:
        return self._wait._repr_html_()  # pyright: ignore[reportPrivateUsage]

    @property
    def job(self) -> Job[Wire_co] | None:
        """The job as last read, its result as plain JSON values; None before the first good look."""
        return self._wait.job

    @property
    def watched(self) -> Watched | None:
        """Everything known of the job, as a value to keep or to carry elsewhere; None before the wait began."""
        return self._wait.watched

    @property
    def times(self) -> JobTimes | None:
        """When the job began and ended, for how long it ran, and how late its end was known; see `Wait.times`."""
        return self._wait.times

    @property
    def outcome(self) -> Outcome | None:
        """How the wait ended, or None while it goes on."""
        return self._wait.outcome

    def __iter__(self) -> Self:
        """Iterate over the transitions not yet yielded."""
        return self

    def __next__(self) -> Transition:
        """Return the next transition."""
        if not self._ready and self._job is None and self._error is None:
            self._ready.extend(self._called(self._step))
        if not self._ready:
            self._end(interrupted=False)
            raise StopIteration
        return self._ready.popleft()

    def result(self) -> Job[Wire_co, Result_co]:
        """Wait for the end, and return the job.

        Raises:
            JobEnded, JobBlocked, LookError, WaitTimeout, ResultMismatch: As awaiting a `Wait` would.
        """
        if self._job is None and self._error is None:
            self._called(self._finish)
        self._end(interrupted=False)
        if self._error is not None:
            raise self._error.with_traceback(None)
        if self._job is None:
            raise JobwatchError(f"the wait for job {self.job_id} was stopped before it ended")
        return self._job

    def close(self) -> None:
        """Stop waiting."""
        self._thread.post(self._wait.aclose)
        self._end(interrupted=False)

    def __enter__(self) -> Self:
        """Stop waiting when the block is left."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop waiting."""
        self.close()

    def __del__(self) -> None:
        """Stop the looks of a wait that was left early."""
        # The wait has to end in its loop, which no other thread may touch: so it is kept until that has been done.
        if hasattr(self, "_owns_client"):
            self.close()

    async def _step(self) -> list[Transition]:
        # All that there are at once: each way to the loop and back takes its time.
        found = await self._wait._several()  # noqa: SLF001 - they are one  # pyright: ignore[reportPrivateUsage]
        outcome = self._wait.outcome
        if not found or (outcome is not None and outcome.is_end_of_job and not self._wait.unread):
            await self._finish()  # now, while the loop is there
        return found

    async def _finish(self) -> None:
        try:
            self._job = await self._wait
        except JobwatchError as error:
            self._error = error

    def _called(self, function: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        try:
            found = self._thread.call(function)
        except BaseException as error:
            if isinstance(error, JobwatchError):
                self._error = error
            self._end(interrupted=not isinstance(error, Exception))
            raise
        return found

    def _end(self, *, interrupted: bool) -> None:
        if self._owns_client:
            self._client.close(in_haste=interrupted)


def owning(handle: SyncWait[Wire_co, Result_co]) -> SyncWait[Wire_co, Result_co]:
    """Have a handle close its client once its wait is over."""
    handle._owns_client = True  # noqa: SLF001 - they are one  # pyright: ignore[reportPrivateUsage]
    return handle
