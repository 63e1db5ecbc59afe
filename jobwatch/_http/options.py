"""What a client may be told, for the type checkers: `Client.__init__` says what each of these means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    import os
    from collections.abc import Awaitable, Callable, Mapping

    from .._core.pace import Pace
    from .._files.history import History
    from .._reading.periods import Duration
    from .tls import TLSContext


class ClientOptions(TypedDict, total=False):
    """The keyword arguments of a `Client` beside its API or source, once for all its overloads."""

    token: str | Callable[[], str | Awaitable[str]] | None
    token_file: str | os.PathLike[str] | None
    base_url: str | None
    api_version: str | None
    params: Mapping[str, str] | None
    headers: Mapping[str, str] | None
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
