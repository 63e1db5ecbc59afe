"""The keyword arguments of `Client`, for what passes them on; a test compares them with those of `Client`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal, TypedDict

from .._client import Client
from .._http.job_urls import is_url, params_in_url
from ..apis import api_named

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from .._core.pace import Pace
    from .._core.source import JobSource
    from .._files.history import History
    from .._http.source import HttpSource
    from .._http.tls import TLSContext
    from .._reading.api import JobAPI
    from .._reading.periods import Duration


class ClientOptions(TypedDict, total=False):
    """The options of a `Client`: see there what each is for."""

    source: JobSource | HttpSource | None
    token: str | Callable[[], str | Awaitable[str]] | None
    token_file: str | os.PathLike[str] | None
    base_url: str | None
    api_version: str | None
    params: Mapping[str, str] | None
    proxy: str | Literal[False] | None
    ssl: TLSContext | None
    pace: Pace | None
    history: History | str | os.PathLike[str] | None
    max_rate: float | None
    unreachable_after: Duration
    appear_within: Duration
    stable_for: Duration | Mapping[str, Duration] | None
    max_in_flight: int
    max_body: int | str | None
    request_timeout: Duration | None
    streams: bool


class Hidden:
    """Options that may hold a secret, kept so that no traceback which shows local variables shows them."""

    def __init__(self, options: ClientOptions) -> None:
        self._options = options

    def client(self, api: str | JobAPI | None) -> Client:
        """Return a client with these options."""
        return Client(api, **self._options)

    def add_params_in(self, jobs: Iterable[object], api: str | JobAPI | None) -> None:
        """Add the parameters that the first URL among some jobs' ids shows, unless they are given.

        Raises:
            ConfigError: It is no URL of a job of the API.
        """
        urls = [job for job in jobs if isinstance(job, str) and is_url(job)]
        if not urls or api is None:
            return
        found = api_named(api) if isinstance(api, str) else api
        base_url = self._options.get("base_url") or os.environ.get(found.base_url_variable)
        told = params_in_url(found, base_url, urls[0])
        self._options["params"] = told | dict(self._options.get("params") or {})
