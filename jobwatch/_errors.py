"""Every exception jobwatch raises.

::

    JobwatchError
    ├── ConfigError            found wrong before any request was sent
    ├── LookError              the API could not be read; .fault says how
    │   ├── AuthError          401, 403: the token was refused
    │   ├── JobNotFound        404, 410: the API knows no such job (any more)
    │   ├── RateLimited        429: told to wait longer than the wait may last
    │   ├── Unreachable        no answer: connection, TLS, time-out, 5xx
    │   └── UnreadableReply    an answer that is not a job: HTML, cut off, another job's, refused
    ├── JobEnded               the job was read, and it ended badly; .job is how
    │   ├── JobFailed
    │   │   └── JobPartiallyFailed   a part of it failed
    │   ├── JobOutcomeUnknown  it is over, and the API does not tell how it ended
    │   └── JobCancelled
    ├── ResultMismatch         the job ended well, and its result is not of the type asked for; .job has it
    ├── JobBlocked             it goes on only when somebody acts, and the wait was to end then; .asked, .url
    ├── WaitTimeout            the wait ended first (also a TimeoutError); .job, .fault are the last seen
    └── JournalError           a watcher's journal is damaged, foreign, in use (.pid says by whom) or not writable

Nothing else leaves the public API but ``asyncio.CancelledError`` and its kin: no exception of the HTTP
or JSON library does, since theirs carry request headers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._models import Fault, Job


class JobwatchError(Exception):
    """The root of every error that jobwatch raises."""


class ConfigError(JobwatchError):
    """Something the caller gave is wrong; no request has been sent."""


class LookError(JobwatchError):
    """The API could not be read, which says nothing about the job.

    Attributes:
        fault: The last look's fault, with the HTTP status and the server's own words where it gave any.
        job_id: The job that was asked for, or None when the request was for a list.
    """

    def __init__(self, fault: Fault, job_id: str | None = None) -> None:
        self.fault = fault
        self.job_id = job_id
        super().__init__(f"job {job_id}: {fault}" if job_id else str(fault))

    def __reduce__(self) -> tuple[type[LookError], tuple[Fault, str | None]]:
        return type(self), (self.fault, self.job_id)


class AuthError(LookError):
    """The API refused the token."""


class JobNotFound(LookError):
    """The API knows no such job, or knows it no longer.

    Attributes:
        end_missed: Whether it was known, and no look was good for longer than the API keeps jobs (``retention``): then
            it has ended, and nobody saw how.
    """

    def __init__(self, fault: Fault, job_id: str | None = None, *, end_missed: bool = False) -> None:
        self.end_missed = end_missed
        super().__init__(fault, job_id)

    def __reduce__(self) -> tuple[type[LookError], tuple[Fault, str | None], dict[str, object]]:  # type: ignore[override]
        return type(self), (self.fault, self.job_id), {"end_missed": self.end_missed}


class RateLimited(LookError):
    """The API asked for a longer pause than the wait may last."""


class Unreachable(LookError):
    """The API gave no answer: connection, TLS, time-out or a server error."""


class UnreadableReply(LookError):
    """The API answered, and the answer was not the job that was asked for."""


class JobEnded(JobwatchError):
    """The job was read, and it did not succeed.

    Attributes:
        job: The finished job, as the API told it.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        super().__init__(f"job {job.id} ended {job.told_status}" + (f": {job.error}" if job.error else ""))

    def __reduce__(self) -> tuple[type[JobEnded], tuple[Job]]:
        return type(self), (self.job,)


class JobFailed(JobEnded):
    """The job failed."""


class JobPartiallyFailed(JobFailed):
    """The job ended, and the API says that a part of it failed."""


class JobOutcomeUnknown(JobEnded):
    """The job is over, and the API does not tell how it ended."""


class JobCancelled(JobEnded):
    """The job was cancelled."""


class ResultMismatch(JobwatchError):
    """The job ended well, and its result is not of the type that it was to be read into.

    Attributes:
        job: The job, with its result as plain JSON values.
        expected: What that type is called.
        trouble: What did not fit, and where: ``Expected `int`, got `str` - at `$.count```.
    """

    def __init__(self, job: Job, expected: str, trouble: str) -> None:
        self.job = job
        self.expected = expected
        self.trouble = trouble
        ended = "succeeded" if job.phase.value == "succeeded" else f"ended {job.told_status}"
        super().__init__(f"job {job.id} {ended}, but its result is no {expected}: {trouble}")

    def __reduce__(self) -> tuple[type[ResultMismatch], tuple[Job, str, str]]:
        return type(self), (self.job, self.expected, self.trouble)


class JobBlocked(JobwatchError):
    """The job goes on only when somebody acts, and the wait was to end there; the job is not over.

    Attributes:
        job: The job, as the API told it.
        asked: What it asks, where the API tells.
        url: A page for people about it, where the API names one.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.asked = job.asked
        self.url = job.url
        super().__init__(f"job {job.id} is {job.told_status}: {job.told_need}")

    def __reduce__(self) -> tuple[type[JobBlocked], tuple[Job]]:
        return type(self), (self.job,)


class WaitTimeout(JobwatchError, TimeoutError):
    """The wait's own time ran out before the job ended; the job goes on.

    Attributes:
        job_id: The job waited for.
        timeout: How long the wait was allowed to last, in seconds.
        job: The job as last read, or None if it never was.
        fault: The fault of the last look, or None if the last look was good.
        stood: For how many seconds the end that was last seen has stood, where it has to stand for longer to be
            believed (``stable_for``); None if none was seen.
    """

    def __init__(
        self,
        job_id: str,
        timeout: float,
        job: Job | None = None,
        fault: Fault | None = None,
        stood: float | None = None,
    ) -> None:
        self.job_id = job_id
        self.timeout = timeout
        self.job = job
        self.fault = fault
        self.stood = stood
        status, trouble = job.told_status if job else None, str(fault) if fault else None
        super().__init__(timeout_text(job_id, timeout, status, trouble, stood))

    def __reduce__(self) -> tuple[type[WaitTimeout], tuple[str, float, Job | None, Fault | None, float | None]]:
        return type(self), (self.job_id, self.timeout, self.job, self.fault, self.stood)


def timeout_text(
    job_id: str, timeout: float, status: str | None, trouble: str | None, stood: float | None = None
) -> str:
    """Return what a `WaitTimeout` says.

    Args:
        job_id: The job waited for.
        timeout: How long the wait was allowed to last, in seconds.
        status: The status last seen, or None if the job was never read.
        trouble: The fault of the last look, or None if that look was good.
        stood: For how many seconds an end has stood that is not believed yet, or None if none was seen.
    """
    last = f"last seen {status}" if status is not None else "never read"
    if stood is not None:
        last += f", an end that has stood for {stood:.3g} s, which is too short to be believed"
    return f"job {job_id} did not end within {timeout:g} s ({last}{f'; last look: {trouble}' if trouble else ''})"


class JournalError(JobwatchError):
    """A watcher's journal cannot be used: damaged, foreign, of a newer jobwatch, in use, or not to be written.

    Attributes:
        path: The journal's file.
        pid: The process that uses it, where that is the trouble and the process is known.
    """

    def __init__(self, path: str, trouble: str, pid: int | None = None) -> None:
        self.path = path
        self.trouble = trouble
        self.pid = pid
        super().__init__(f"the journal {path} {trouble}")

    def __reduce__(self) -> tuple[type[JournalError], tuple[str, str, int | None]]:
        return type(self), (self.path, self.trouble, self.pid)
