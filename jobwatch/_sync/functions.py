"""One call for one wait, in a script: a client that is made for it, and closed after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from .client import sync_client_of
from .handle import owning
from .options import Hidden

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .._core.ends import Names
    from .._models import Job
    from .._reading.api import JobAPI
    from .._reading.ids import JobId
    from .._reading.periods import Duration
    from .._reading.started import Started
    from .client import SyncClient
    from .handle import SyncWait
    from .options import ClientOptions


def wait(
    job: JobId | Started,
    api: str | JobAPI | None = None,
    *,
    timeout: Duration | None = None,
    check: bool = True,
    accept: Names = (),
    fail_on: Names = (),
    **options: Unpack[ClientOptions],
) -> Job:
    """Wait for a job to end, and return it: in a script, a thread or a notebook, without async.

    Args:
        job: The job's id, its URL, or what the API answered when it was started; see `Client.wait_for`.
        api: The name of a built-in API (see `jobwatch.apis.APIS`) or a `JobAPI`.
        timeout: How long to wait at most: seconds, a text such as ``10m``, or a `timedelta`.
        check, accept, fail_on: As for `Client.wait_for`.
        options: The keyword arguments of `Client`; of ``params``, those that the job's URL shows may be left out.

    Raises:
        JobEnded, JobBlocked: It ended badly, or waits for a person.
        LookError: The API could not be read: see its subclasses.
        WaitTimeout: The time limit was over first.
        ConfigError: An argument or a variable is missing or wrong; nothing has been sent.
    """
    hidden = Hidden(options)
    del options  # a traceback that shows local variables shall not show a token
    with _client(hidden, api, [job]) as client:
        return client.wait_for(job, timeout, check, accept=accept, fail_on=fail_on)


def wait_all(
    job_ids: Iterable[JobId],
    api: str | JobAPI | None = None,
    *,
    timeout: Duration | None = None,
    check: bool = True,
    accept: Names = (),
    fail_on: Names = (),
    **options: Unpack[ClientOptions],
) -> list[Job]:
    """Wait for several jobs to end, and return them in the order of their ids; see `Client.wait_all`.

    Args:
        job_ids: The jobs' ids.
        api, timeout, check, accept, fail_on, options: As for `wait`.

    Raises:
        JobEnded, JobBlocked, LookError, WaitTimeout: As `wait` would, for the first to go wrong.
        ConfigError: An argument or a variable is missing or wrong; nothing has been sent.
    """
    hidden = Hidden(options)
    del options
    ids = job_ids if isinstance(job_ids, str) else list(job_ids)  # a text is refused by the client, in words
    with _client(hidden, api, ids) as client:
        return client.wait_all(ids, timeout, check, accept=accept, fail_on=fail_on)


def watch(
    job: JobId | Started,
    api: str | JobAPI | None = None,
    *,
    timeout: Duration | None = None,
    check: bool = True,
    accept: Names = (),
    fail_on: Names = (),
    **options: Unpack[ClientOptions],
) -> SyncWait:
    """Return a handle to be iterated for every state of a job, once, in order; its `result` is the finished job.

    Args:
        job, api, timeout, options: As for `wait`.
        check, accept, fail_on: As for `wait`, and of consequence for `SyncWait.result` only.

    Raises:
        ConfigError: An argument or a variable is missing or wrong; nothing has been sent.
    """
    hidden = Hidden(options)
    del options
    client = _client(hidden, api, [job])
    try:
        handle = client.watch(job, timeout, check, accept=accept, fail_on=fail_on)
    except BaseException:
        client.close()
        raise
    return owning(handle)


def _client(hidden: Hidden, api: str | JobAPI | None, jobs: Iterable[object]) -> SyncClient:
    hidden.add_params_in(jobs, api)
    return sync_client_of(hidden.client(api))
