"""The client that the options describe."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .._client import Client
from .._errors import ConfigError
from .._pace import Pace
from .._tracker import Patience
from ..apis import APIS

if TYPE_CHECKING:
    from ._arguments import Options

VARIABLE = "JOBWATCH_API"


def client_for(options: Options) -> Client:
    """Return a client for the API, the address and the pace that the options ask for.

    Raises:
        ConfigError: They ask for nothing that there is, or the token is missing.
    """
    usual, patience = Pace(), Patience()
    return Client(
        api_name(options.api),
        base_url=options.base_url,
        api_version=options.api_version,
        pace=Pace(
            poll_cost=_or(options.poll_cost, usual.poll_cost),
            min_interval=_or(options.min_interval, usual.min_interval),
            max_interval=_or(options.max_interval, usual.max_interval),
        ),
        unreachable_after=_or(options.unreachable_after, patience.unreachable_after),
        appear_within=_or(options.appear_within, patience.appear_within),
    )


def api_name(given: str | None) -> str:
    """Return the API asked for: by option, by variable, or by being the only one whose token is set.

    Raises:
        ConfigError: None is, or more than one could be meant.
    """
    name = given or os.environ.get(VARIABLE)
    if name:
        return name
    ready = [api.name for api in APIS.values() if os.environ.get(api.token_variable)]
    if len(ready) == 1:
        return ready[0]
    names = " or ".join(APIS)
    if ready:
        raise ConfigError(f"tokens of several APIs are set: choose one with --api {names}, or set {VARIABLE}")
    variables = " or ".join(api.token_variable for api in APIS.values())
    raise ConfigError(f"no API chosen: give --api {names}, or set {VARIABLE}; its token goes into {variables}")


def _or(given: float | None, usual: float) -> float:
    return usual if given is None else given
