"""What the functions for scripts take beside a job and its API, kept so that no traceback shows a secret among it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, cast

from .._client.client import Client
from .._http.job_urls import is_url, params_in_url
from .._http.options import ClientOptions
from ..apis import api_named

if TYPE_CHECKING:
    from collections.abc import Iterable

    from msgspec import Struct

    from .._core.ends import Names
    from .._core.source import JobSource
    from .._http.source import HttpSource
    from .._reading.api import JobAPI
    from .._reading.periods import Duration


class SyncOptions(ClientOptions, total=False):
    """The keyword arguments of a `Client` beside its API: `Client` says what each of them means."""

    source: JobSource | HttpSource | None


class WaitOptions(SyncOptions, total=False):
    """Those of a `Client`, and of a wait: `Client.wait_for` says what each of them means."""

    timeout: Duration | None
    check: bool
    accept: Names
    fail_on: Names


class Hidden:
    """Options that may hold a secret, which no traceback that shows local variables is to show.

    Args:
        options: They are taken out of here.
    """

    def __init__(self, options: SyncOptions) -> None:
        self._options = options.copy()
        cast("dict[str, object]", options).clear()

    def client(self, api: str | JobAPI | None, jobs: Iterable[object] = ()) -> Client[Struct | None]:
        """Return a client with these options.

        Args:
            api: The API.
            jobs: What jobs are to be waited for: if one is given by its URL, the parameters that this shows need not be
                given.

        Raises:
            ConfigError: One makes no sense, or a URL is none of a job of the API.
        """
        self._add_params_in([job for job in jobs if isinstance(job, str) and is_url(job)], api)
        return Client(api, **self._options)

    def _add_params_in(self, urls: list[str], api: str | JobAPI | None) -> None:
        if not urls or api is None:
            return
        found = api_named(api) if isinstance(api, str) else api
        base_url = self._options.get("base_url") or os.environ.get(found.base_url_variable)
        told = params_in_url(found, base_url, urls[0])
        self._options["params"] = told | dict(self._options.get("params") or {})
