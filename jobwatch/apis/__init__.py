"""The APIs that jobwatch speaks, one short module each: wire Structs and a table."""

from __future__ import annotations

from collections.abc import Mapping

from .._api import JobAPI
from .._errors import ConfigError
from .bedrock import BEDROCK
from .capydb import CAPYDB

APIS: Mapping[str, JobAPI] = {api.name: api for api in (BEDROCK, CAPYDB)}
"""Every built-in API by its name."""


def api_named(name: str) -> JobAPI:
    """Return the built-in API of that name.

    Raises:
        ConfigError: There is none; the message lists those that there are.
    """
    try:
        return APIS[name.casefold()]
    except KeyError:
        raise ConfigError(f"no API is called {name!r}; there are: {', '.join(APIS)}") from None


__all__ = ["APIS", "BEDROCK", "CAPYDB", "api_named"]
