"""What the rest of the house may ask of a client beside what its users may."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._core.ends import ends_of
from .._errors import ConfigError
from .._http.source import HttpSource

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .._core.budget import Budget
    from .._core.durations import LearnedDurations
    from .._core.ends import Names
    from .._core.tracker import Watched
    from .._engine.counters import Counters
    from .._engine.poller import Poller
    from .._models import Result, Wire_co
    from .._reading.ids import JobId
    from .._reading.periods import Duration
    from .._reading.started import Started
    from .client import Client
    from .completions import Completions
    from .wait import Wait


def engine_of(client: Client) -> Poller:
    """Return the poller of a client, for a watcher."""
    return client._engine()  # noqa: SLF001 - they are of one house  # pyright: ignore[reportPrivateUsage]


def wait_of(
    client: Client[Wire_co],
    job: JobId | Started | Watched,
    *,
    timeout: Duration | None,
    check: bool,
    accept: Names,
    fail_on: Names,
    result: type[Result] | None,
) -> Wait[Wire_co, Result]:
    """Return what `Client.wait_for` does, for whoever passes on what it was given."""
    ends = ends_of(accept, fail_on)
    return client._wait_for(job, timeout, check, ends, result)  # noqa: SLF001 - as above  # pyright: ignore[reportPrivateUsage]


def completions_of(
    client: Client[Wire_co],
    job_ids: Iterable[JobId],
    *,
    timeout: Duration | None,
    check: bool,
    accept: Names,
    fail_on: Names,
    result: type[Result] | None,
) -> Completions[Wire_co, Result]:
    """Return what `Client.as_completed` does, for whoever passes on what it was given."""
    ends = ends_of(accept, fail_on)
    return client._as_completed(job_ids, timeout, check, ends, result)  # noqa: SLF001 - as above  # pyright: ignore[reportPrivateUsage]


def job_id_of(client: Client, given: object) -> str:
    """Return a job's id as text, as a client takes it: a text, a number or the job's URL.

    Raises:
        ConfigError: It is none of these, or cannot stand in a URL.
    """
    return client._id_of(given)  # noqa: SLF001 - as above  # pyright: ignore[reportPrivateUsage]


def place_of(client: Client) -> str:
    """Return where a client's jobs are, in words that hold no secret, for a watcher."""
    return client._source.key  # noqa: SLF001 - as above  # pyright: ignore[reportPrivateUsage]


def budget_of(client: Client) -> Budget:
    """Return what limits a client's requests, for whoever has others keep to the same."""
    return client._budget  # noqa: SLF001 - as above  # pyright: ignore[reportPrivateUsage]


def origin_of(client: Client) -> str:
    """Return the origin that a client asks; of a source of the user's, what tells it from others."""
    source = client._source  # noqa: SLF001 - as above  # pyright: ignore[reportPrivateUsage]
    return source.requests.origin() if isinstance(source, HttpSource) else source.key


def account_of(client: Client) -> str:
    """Return whose budget a client's requests count for, in words without a secret.

    That is a short checksum of the token; "renewed" where the token may change by itself, "none" where there is none.
    It takes a tenth of a second.
    """
    source = client._source  # noqa: SLF001 - as above  # pyright: ignore[reportPrivateUsage]
    return source.requests.account() if isinstance(source, HttpSource) else "none"


def counters_of(client: Client) -> Counters:
    """Return what counts what a client does, for whoever measures it."""
    return client._counters  # noqa: SLF001 - as above  # pyright: ignore[reportPrivateUsage]


def learned_by(client: Client) -> LearnedDurations:
    """Return what a client knows of how long jobs took, for whoever tells how much longer one may take."""
    return client._history  # noqa: SLF001 - as above  # pyright: ignore[reportPrivateUsage]


def secrets_of(client: Client) -> frozenset[str]:
    """Return the secrets that a client sends, and those that it sent before them, for whoever prints."""
    source = client._source  # noqa: SLF001 - as above  # pyright: ignore[reportPrivateUsage]
    return source.secrets() if isinstance(source, HttpSource) else frozenset()


def look_first_without_aiohttp(client: Client) -> None:
    """Have a client make its first look without aiohttp, if it can: for a process that may be over by then."""
    source = client._source  # noqa: SLF001 - as above  # pyright: ignore[reportPrivateUsage]
    if isinstance(source, HttpSource):
        source.begin_without_aiohttp()


async def check_token(client: Client) -> None:
    """Have a token before the first request, where it comes from a function or a command.

    Raises:
        ConfigError: There is none.
    """
    source = client._source  # noqa: SLF001 - as above  # pyright: ignore[reportPrivateUsage]
    fault = await source.token_fault() if isinstance(source, HttpSource) else None
    if fault is not None:
        raise ConfigError(fault.message)
