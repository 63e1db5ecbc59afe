"""What a client is given, and what that says: whom it asks, and what decides over its looks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, cast

from .._core.look import Policy
from .._core.pace import Pace
from .._core.tracker import Patience
from .._engine.places import at_most
from .._errors import ConfigError
from .._http.source import HttpSource
from .._models import ENDED, Phase
from .._reading.api import REQUEST_TIMEOUT
from .._reading.periods import seconds_given
from .._reading.sizes import size_of
from ..apis import api_named

if TYPE_CHECKING:
    from .._core.durations import LearnedDurations
    from .._core.source import JobSource, Source
    from .._http.requests import Given
    from .._http.tls import TLSContext
    from .._reading.api import JobAPI
    from .._reading.ids import JobId
    from .._reading.periods import Duration


def source_of(
    api: str | JobAPI | None,
    source: JobSource | HttpSource | None,
    given: Given,
    *,
    api_version: str | None,
    ssl: TLSContext | None,
    max_in_flight: int,
    max_body: int | str | None,
    request_timeout: Duration | None,
    streams: bool,
) -> Source:
    """Return whom a client asks; for arguments see `Client`, whose `token` to `headers` are in `given`.

    Raises:
        ConfigError: Nothing says whom, or more than one thing does, or an argument is wrong; nothing has been sent.
    """
    if max_in_flight < 1:
        raise ConfigError(f"max_in_flight must be at least 1, not {max_in_flight}")
    most_bytes = None if max_body is None else _size("max_body", max_body)
    limit: float | None = None
    if request_timeout is not None:
        limit = seconds_given("request_timeout", request_timeout, above_zero=True)
    match source:
        case None if api is not None:
            found = api_named(api) if isinstance(api, str) else api
            most, tls = at_most(max_in_flight), None if ssl is None else _tls(ssl)
            return _kind(found)(
                found,
                given,
                api_version,
                streams=streams,
                max_connections=most + (max_in_flight if found.long_poll else 0),
                max_body=most_bytes,
                request_timeout=limit,
                tls=tls,
            )
        case None:
            raise ConfigError("nothing says whom to ask: give the name of an API, a JobAPI, or source=")
        case _ if given.any() or any(each is not None for each in (api, api_version, max_body, ssl)):
            raise ConfigError("a source has its own address and token: leave out api, token, base_url, and the like")
        case HttpSource():
            return source
        case _:
            from .._engine.adapter import AdaptedSource  # noqa: PLC0415 - it loads threads, which few clients need

            return AdaptedSource(source, at_most(max_in_flight), REQUEST_TIMEOUT if limit is None else limit)


def patience_of(unreachable_after: Duration, appear_within: Duration) -> Patience:
    """Return how long a job may not be read, from the arguments of `Client` with these names.

    Raises:
        ConfigError: One is no duration.
    """
    return Patience(
        unreachable_after=seconds_given("unreachable_after", unreachable_after),
        appear_within=seconds_given("appear_within", appear_within),
    )


def policy_of(
    source: Source,
    pace: Pace | None,
    patience: Patience,
    durations: LearnedDurations,
    stable_for: Duration | Mapping[str, Duration] | None,
) -> Policy:
    """Return what decides over looks at a source's jobs; what `Client` was not told, the table of its API says.

    Raises:
        ConfigError: `stable_for` names what is no end, or no duration.
    """
    api = source.api if isinstance(source, HttpSource) else None
    stable: Mapping[Phase, float] = {} if api is None else api.stable_for
    return Policy(
        pace or Pace(),
        patience,
        durations,
        stable if stable_for is None else _stable_for(stable_for),
        math.inf if api is None else api.retention,
    )


def ids_of(job_ids: object) -> list[JobId]:
    """Return the ids of several jobs as given, which a single text is not.

    Raises:
        ConfigError: They are not several.
    """
    if isinstance(job_ids, str):
        raise ConfigError(f"expected several job ids, not the string {job_ids!r}; use wait_for, or put it in a list")
    if not isinstance(job_ids, Iterable):
        raise ConfigError(f"expected several job ids, and not something of type {type(job_ids).__name__}")
    return list(cast("Iterable[JobId]", job_ids))


def _stable_for(given: object) -> Mapping[Phase, float]:
    """Return for how many seconds the ends of each phase have to stand, as `Client(stable_for=)` says.

    Raises:
        ConfigError: It names what is no end, or no duration.
    """
    if not isinstance(given, Mapping):
        seconds = seconds_given("stable_for", given)
        return dict.fromkeys(ENDED, seconds) if seconds else {}
    ends = {phase.value: phase for phase in Phase if phase.ended}
    by_end = {getattr(end, "value", end): seconds for end, seconds in cast("Mapping[object, object]", given).items()}
    for end in by_end:
        if end not in ends:
            raise ConfigError(f"stable_for names {end!r}, which is no end; there are: {', '.join(ends)}")
    return {ends[str(end)]: seconds_given("stable_for", seconds) for end, seconds in by_end.items()}


def _kind(api: JobAPI) -> type[HttpSource]:
    if api.continues is None and not api.allowed_origins and not api.by_header:
        return HttpSource
    from .._http.moving import MovingSource  # noqa: PLC0415 - few tables need it

    return MovingSource


def _size(name: str, size: object) -> int:
    try:
        return size_of(size)
    except ValueError as error:
        raise ConfigError(f"{name}: {error}") from None


def _tls(context: object) -> TLSContext:
    from .._http.tls import checked_context  # noqa: PLC0415 - it loads OpenSSL, which few clients need before a request

    return checked_context(context)
