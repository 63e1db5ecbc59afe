"""One call for one wait, in a script: a client that is made for it, and closed after it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal, TypedDict, TypeVar, Unpack, overload

from .._client.access import completions_of, wait_of
from .._client.completions import all_of
from .client import sync_client_of
from .handle import owning
from .loop import run
from .options import Hidden
from .uninterrupted import Uninterrupted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Sequence

    from msgspec import Struct

    from .._client.client import Client
    from .._core.ends import Names
    from .._core.tracker import Watched
    from .._models import Job, Result, Wire_co
    from .._reading.api import JobAPI
    from .._reading.ids import JobId
    from .._reading.periods import Duration
    from .._reading.started import Started
    from ..apis.bedrock import BedrockJob
    from ..apis.capydb import CapyJob
    from .handle import SyncWait
    from .options import WaitOptions

_T = TypeVar("_T")


class _Asked(TypedDict):
    """What is asked of the wait, and not of the client."""

    timeout: Duration | None
    check: bool
    accept: Names
    fail_on: Names


@overload
def wait(
    job: JobId | Started | Watched,
    api: Literal["capydb"],
    *,
    result: type[Result] | None = None,
    **options: Unpack[WaitOptions],
) -> Job[CapyJob, Result]: ...


@overload
def wait(
    job: JobId | Started | Watched,
    api: Literal["bedrock"],
    *,
    result: type[Result] | None = None,
    **options: Unpack[WaitOptions],
) -> Job[BedrockJob, Result]: ...


@overload
def wait(
    job: JobId | Started | Watched,
    api: JobAPI[Wire_co],
    *,
    result: type[Result] | None = None,
    **options: Unpack[WaitOptions],
) -> Job[Wire_co, Result]: ...


@overload
def wait(
    job: JobId | Started | Watched,
    api: str | JobAPI | None = None,
    *,
    result: type[Result] | None = None,
    **options: Unpack[WaitOptions],
) -> Job[Struct | None, Result]: ...


def wait(
    job: JobId | Started | Watched,
    api: str | JobAPI | None = None,
    *,
    result: type[Result] | None = None,
    **options: Unpack[WaitOptions],
) -> Job[Struct | None, Result]:
    """Wait for a job to end, and return it: in a script, a thread or a notebook, without async.

    Args:
        job: The job's id, its URL, what the API answered when it was started, or a `Watched` to go on from; see
            `Client.wait_for`.
        api: The name of a built-in API (see `jobwatch.apis.APIS`) or a `JobAPI`.
        result: The type to read the job's result into; see `Client.wait_for`.
        options: ``timeout``, ``check``, ``accept`` and ``fail_on`` as for `Client.wait_for`, and the keyword arguments
            of `Client`; of ``params``, those that the job's URL shows may be left out.

    Raises:
        JobEnded, JobBlocked: It ended badly, or waits for a person.
        LookError: The API could not be read: see its subclasses.
        WaitTimeout: The time limit was over first.
        ResultMismatch: The job ended well, and its result is of another type.
        ConfigError: An argument or a variable is missing or wrong; nothing has been sent.
    """
    asked = _asked(options)
    with Uninterrupted():  # it imports what the API needs
        client = Hidden(options).client(api, [job])
        wait = wait_of(client, job, **asked, result=result)
    return run(partial(_waited, client, wait))


@overload
def wait_all(  # pyright: ignore[reportOverlappingOverload]  # since a list is invariant
    job_ids: Iterable[JobId],
    api: Literal["capydb"],
    *,
    result: type[Result] | None = None,
    **options: Unpack[WaitOptions],
) -> list[Job[CapyJob, Result]]: ...


@overload
def wait_all(
    job_ids: Iterable[JobId],
    api: Literal["bedrock"],
    *,
    result: type[Result] | None = None,
    **options: Unpack[WaitOptions],
) -> list[Job[BedrockJob, Result]]: ...


@overload
def wait_all(
    job_ids: Iterable[JobId],
    api: JobAPI[Wire_co],
    *,
    result: type[Result] | None = None,
    **options: Unpack[WaitOptions],
) -> list[Job[Wire_co, Result]]: ...


@overload
def wait_all(
    job_ids: Iterable[JobId],
    api: str | JobAPI | None = None,
    *,
    result: type[Result] | None = None,
    **options: Unpack[WaitOptions],
) -> list[Job[Struct | None, Result]]: ...


def wait_all(
    job_ids: Iterable[JobId],
    api: str | JobAPI | None = None,
    *,
    result: type[Result] | None = None,
    **options: Unpack[WaitOptions],
) -> Sequence[Job[Struct | None, Result]]:
    """Wait for several jobs to end, and return them in the order of their ids; see `Client.wait_all`.

    Args:
        job_ids: The jobs' ids.
        api, result, options: As for `wait`.

    Raises:
        JobEnded, JobBlocked, LookError, WaitTimeout, ResultMismatch: As `wait` would, for the first to go wrong.
        ConfigError: An argument or a variable is missing or wrong; nothing has been sent.
    """
    asked = _asked(options)
    ids = job_ids if isinstance(job_ids, str) else list(job_ids)  # the client says in words that a text is no list
    with Uninterrupted():
        client = Hidden(options).client(api, ids)
        completions = completions_of(client, ids, **asked, result=result)
    return run(partial(_waited, client, all_of(completions)))


@overload
def watch(
    job: JobId | Started | Watched,
    api: Literal["capydb"],
    *,
    result: type[Result] | None = None,
    **options: Unpack[WaitOptions],
) -> SyncWait[CapyJob, Result]: ...


@overload
def watch(
    job: JobId | Started | Watched,
    api: Literal["bedrock"],
    *,
    result: type[Result] | None = None,
    **options: Unpack[WaitOptions],
) -> SyncWait[BedrockJob, Result]: ...


@overload
def watch(
    job: JobId | Started | Watched,
    api: JobAPI[Wire_co],
    *,
    result: type[Result] | None = None,
    **options: Unpack[WaitOptions],
) -> SyncWait[Wire_co, Result]: ...


@overload
def watch(
    job: JobId | Started | Watched,
    api: str | JobAPI | None = None,
    *,
    result: type[Result] | None = None,
    **options: Unpack[WaitOptions],
) -> SyncWait[Struct | None, Result]: ...


def watch(
    job: JobId | Started | Watched,
    api: str | JobAPI | None = None,
    *,
    result: type[Result] | None = None,
    **options: Unpack[WaitOptions],
) -> SyncWait[Struct | None, Result]:
    """Return a handle to be iterated for every state of a job, once, in order; its `result` is the finished job.

    The iteration ends with the job, however that ended: `SyncWait.result` raises `JobFailed` and the like.

    Args:
        job, api, result: As for `wait`.
        options: As for `wait`; ``check``, ``accept`` and ``fail_on`` are for `SyncWait.result`.

    Raises:
        ConfigError: An argument or a variable is missing or wrong; nothing has been sent.
    """
    asked = _asked(options)
    with Uninterrupted():
        client = sync_client_of(Hidden(options).client(api, [job]))
        return owning(client.watch(job, **asked, result=result))


def _asked(options: WaitOptions) -> _Asked:
    """Take out of some options what is asked of the wait."""
    return {
        "timeout": options.pop("timeout", None),
        "check": options.pop("check", True),
        "accept": options.pop("accept", ()),
        "fail_on": options.pop("fail_on", ()),
    }


async def _waited(client: Client[Struct | None], wait: Awaitable[_T]) -> _T:
    async with client:
        return await wait
