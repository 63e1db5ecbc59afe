"""A source of jobs that does what it is told: for tests of what waits for jobs, without a server or a network."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias, cast

from msgspec import Struct, structs
from msgspec.structs import replace

from .._errors import ConfigError
from .._models import UNCHANGED, Event, Fault, FaultKind, Job, Phase, Unchanged
from ._job import Script, Steps
from ._signal import Signal

HANG: Final = math.inf
"""The delay of an answer that never comes."""

What: TypeAlias = Literal["job", "jobs", "batch"]

_PHASES = {phase.value: phase for phase in Phase} | {
    "queued": Phase.PENDING,
    "completed": Phase.SUCCEEDED,
    "canceled": Phase.CANCELLED,
}
_WITH_ERROR = (Phase.FAILED, Phase.PARTIAL, Phase.FINISHED)
_WITH_RESULT = (Phase.SUCCEEDED, Phase.PARTIAL, Phase.FINISHED)
_FIELDS = frozenset(field.name for field in structs.fields(Job)) - {"id", "api", "status"}


class Asked(Struct, frozen=True):
    """One question that a `FakeSource` was asked.

    Attributes:
        what: Which method was called.
        ids: The ids of the jobs, or that of the project.
        at: When, in seconds of the event loop's clock.
        last: The job as it was told before, where the client has it.
    """

    what: What
    ids: tuple[str, ...]
    at: float
    last: Job | None = None


class _Trouble(Struct):
    """What goes wrong with the next questions, and with how many of them."""

    what: object
    of: str | None
    after: float
    times: int


class FakeJob:
    """A job of a `FakeSource`; made by `FakeSource.add`.

    Attributes:
        id: Its id.
        looks: How often an answer was about it: alone, in a list or in a batch.
    """

    def __init__(self, job_id: str, script: Script, fields: dict[str, object]) -> None:
        self.id = job_id
        self.looks = 0
        self._script = script
        self._fields = _checked(fields)
        self._told = Signal()

    def advance(self, status: str, **fields: object) -> None:
        """Let the job enter a state now; what was scripted to follow is dropped.

        Args:
            status: The word for the state.
            fields: What else of the `Job` changes now, such as ``error=`` or ``progress=``.

        Raises:
            ConfigError: A job has no such field.
        """
        self._fields |= _checked(fields)
        self._script = self._script.advanced(status, _now())

    async def looked(self, times: int) -> None:
        """Wait until so many answers in all have been about the job."""
        told = self._told  # taken before the count is read, which another thread may raise
        while self.looks < times:
            await told.wait()
            told = self._told

    def at(self, now: float, epoch: float) -> Job | None:
        """Return the job as it is at a moment of the loop's clock; None before its first state.

        Args:
            now: The moment.
            epoch: Unix seconds at the loop's time 0.
        """
        events = tuple(
            Event(step.status, _phase(step.status), datetime.fromtimestamp(epoch + step.at, UTC))
            for step in self._script.until(now)
        )
        if not events:
            return None
        last = events[-1]
        job = Job(
            id=self.id,
            api="",
            status=last.status,
            phase=last.phase,
            created_at=events[0].at,
            started_at=next((event.at for event in events if event.phase is Phase.RUNNING), None),
            ended_at=last.at if last.phase.ended else None,
            updated_at=last.at,
            events=events,
        )
        job = replace(job, **self._fields)
        return replace(
            job,
            error=job.error if job.phase in _WITH_ERROR else None,
            result=job.result if job.phase in _WITH_RESULT else None,
            asked=job.asked if job.phase is Phase.BLOCKED else None,
        )

    def count(self) -> None:
        """Count one answer that tells of the job; the source calls this."""
        self.looks += 1
        told, self._told = self._told, Signal()
        told.set()

    def __repr__(self) -> str:
        return f"<job {self.id}: {self.looks} looks>"


class FakeSource:
    """A source for ``jobwatch.Client(source=...)`` whose jobs do what you say, by the clock of the event loop.

    ::

        source = FakeSource()
        job = source.add("job_1", [("pending", 0), ("running", 2), ("succeeded", 5)])  # seconds after the adding
        source.trouble(ConnectionError(), times=2)  # the next two questions go wrong
        async with jobwatch.Client(source=source) as client:
            assert [change.status async for change in client.wait_for("job_1")] == ["pending", "running", "succeeded"]
        assert len(source.asked) == job.looks + 2

    Args:
        key: What names the source; `Job.api` of its jobs.
        delay: Seconds from each question to its answer, which tells how things are then.
        lists: Whether it can be asked for a project's jobs.
        list_most: The most jobs that a list shows, whatever was asked for.
        batch_most: How many jobs it can be asked about at once; 0 if only one.
        unchanged: Whether it says `UNCHANGED` of a job that is as it was.
        history: Whether its jobs tell the states they have been in.
        epoch: Unix seconds at the loop's time 0; by default, as the system's clock says when it is first needed.

    Attributes:
        asked: Each question, in order, whatever became of it.
        delay: As above; may be set at any time.
        jobs, batch: What the client asks for several jobs; None where the source cannot be asked so.
    """

    def __init__(
        self,
        key: str = "fake",
        *,
        delay: float = 0.0,
        lists: bool = True,
        list_most: int = 1000,
        batch_most: int = 0,
        unchanged: bool = False,
        history: bool = True,
        epoch: float | None = None,
    ) -> None:
        self.key = key
        self.delay = delay
        self.asked: list[Asked] = []
        self.jobs: Callable[[str, int], Awaitable[object]] | None = self._list if lists else None
        self.batch: Callable[[list[str]], Awaitable[object]] | None = self._batch if batch_most else None
        self.batch_most = batch_most
        self._list_most = list_most
        self._says_unchanged = unchanged
        self._history = history
        self._epoch = epoch
        self._jobs: dict[str, FakeJob] = {}
        self._troubles: list[_Trouble] = []

    # --- what it is told -----------------------------------------------------------------------------------

    def add(self, job_id: str, steps: Steps = ("pending",), *, after: float = 0.0, **fields: object) -> FakeJob:
        """Add a job, in place of any that has its id.

        Args:
            job_id: Its id.
            steps: Status words, each with the seconds after the adding at which the job enters it; a plain word is
                entered together with the one before it. The words of `Phase` mean that phase, ``queued``,
                ``completed`` and ``canceled`` too, in any case; others mean `Phase.UNKNOWN`.
            after: How many seconds later all of that begins. Before its first state, a job is not found.
            fields: What else the `Job` tells, such as ``project_id=`` or ``type=``; an ``error`` is told once it has
                failed, a ``result`` once it has succeeded, both of one that failed in part or is over somehow, and what
                is ``asked`` while it is blocked.

        Returns:
            The job, to be moved on by hand and to be asked how often it was told of.

        Raises:
            ConfigError: The steps are none, or a job has no such field.
        """
        job = self._jobs[job_id] = FakeJob(job_id, Script.of(steps, _now() + after), fields)
        return job

    def remove(self, job_id: str) -> None:
        """Forget a job: it is not found from now on."""
        self._jobs.pop(job_id, None)

    def trouble(self, what: object = None, *, of: str | None = None, after: float = 0.0, times: int = 1) -> None:
        """Have the next questions go wrong; several troubles come one after the other.

        Args:
            what: An exception, which is raised, or anything else, which is returned: a `Fault`, `UNCHANGED`, or what
                no source should return. None stands for the true answer, which may still be late.
            of: The id of the job or project that questions must be about; by default any.
            after: How many seconds later than usual the answer comes; `HANG` for never.
            times: How many questions go wrong.
        """
        self._troubles.append(_Trouble(what, of, after, times))

    # --- what it is asked ----------------------------------------------------------------------------------

    def times(self, what: What | None = None) -> list[float]:
        """Return when it was asked, by the loop's clock; with `what`, by that method only."""
        return [asked.at for asked in self.asked if what in {None, asked.what}]

    async def job(self, job_id: str, last: Job | None = None) -> Job | Fault | Unchanged:
        """Return a job as it is now, as `jobwatch.JobSource` says, or what `trouble` says."""

        def tell(now: float) -> Job | Fault | Unchanged:
            told = self._told([job_id], now)
            if not told:
                return Fault(FaultKind.NOT_FOUND, "there is no such job")
            return UNCHANGED if self._says_unchanged and told[0] == last else told[0]

        return cast("Job | Fault | Unchanged", await self._answer("job", [job_id], tell, last))

    async def _list(self, project_id: str, limit: int) -> object:
        def tell(now: float) -> list[Job]:
            jobs = [job for job in self._told(self._jobs, now, count=False) if job.project_id == project_id]
            jobs.sort(key=lambda job: job.created_at or _LONG_AGO, reverse=True)
            return self._told([job.id for job in jobs[: min(limit, self._list_most)]], now)

        return await self._answer("jobs", [project_id], tell)

    async def _batch(self, job_ids: list[str]) -> object:
        return await self._answer("batch", job_ids, lambda now: self._told(job_ids, now))

    async def _answer(
        self, what: What, ids: Sequence[str], tell: Callable[[float], object], last: Job | None = None
    ) -> object:
        loop = asyncio.get_running_loop()
        self.asked.append(Asked(what, tuple(ids), loop.time(), last))
        trouble = next((each for each in self._troubles if each.of is None or each.of in ids), _NONE)
        if trouble is not _NONE:
            trouble.times -= 1
            self._troubles = [each for each in self._troubles if each.times > 0]
        delay = self.delay + trouble.after
        if delay == HANG:
            await loop.create_future()
        elif delay:
            await asyncio.sleep(delay)
        match trouble.what:
            case None:
                return tell(loop.time())
            case BaseException() as error:
                raise error
            case answer:
                return answer

    def _told(self, ids: Iterable[str], now: float, *, count: bool = True) -> list[Job]:
        if self._epoch is None:
            self._epoch = time.time() - now
        told: list[Job] = []
        for fake in [self._jobs[job_id] for job_id in ids if job_id in self._jobs]:
            job = fake.at(now, self._epoch)
            if job is not None:
                told.append(replace(job, api=self.key, events=job.events if self._history else None))
                if count:
                    fake.count()
        return told


_NONE = _Trouble(None, None, 0.0, 1)
_LONG_AGO = datetime.fromtimestamp(0, UTC)


def _now() -> float:
    """Return the time of the running loop's clock; where none runs, that of the clock that loops usually have."""
    try:
        return asyncio.get_running_loop().time()
    except RuntimeError:
        return time.monotonic()


def _phase(status: str) -> Phase:
    return _PHASES.get(status.lower(), Phase.UNKNOWN)


def _checked(fields: dict[str, object]) -> dict[str, object]:
    if unknown := sorted(fields.keys() - _FIELDS):
        raise ConfigError(f"a job has no {', '.join(unknown)}: it has {', '.join(sorted(_FIELDS))}")
    return fields
