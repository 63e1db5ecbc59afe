"""What an Airflow connection says of an API, as the options of a client. Pure, and without Airflow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, Protocol, cast
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from .._core.pace import Pace
from .._errors import ConfigError

if TYPE_CHECKING:
    from .._http.options import ClientOptions


class ConnectionFields(Protocol):
    """The fields of an Airflow connection that are read.

    Attributes:
        conn_id: Its name.
        host: Where the API is served, with or without a scheme; None for the address that the API's table has.
        schema: The scheme, where the host has none: ``https`` by default.
        port: The port, where the host has none.
        login: The user, where the API takes user and password (basic authentication).
        password: The token.
        extra: A JSON object of further options.
    """

    conn_id: str
    host: str | None
    schema: str | None
    port: int | None
    login: str | None
    password: str | None
    extra: str | None


class Extra(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a connection's extra field may say: these of the options of a `Client`, each called as it is there."""

    params: dict[str, str] = {}
    headers: dict[str, str] = {}
    api_version: str | None = None
    proxy: str | Literal[False] | None = None
    pace: Pace | None = None
    history: str | None = None
    max_rate: float | None = None
    max_in_flight: int | None = None
    max_body: int | str | None = None
    request_timeout: float | str | None = None
    unreachable_after: float | str | None = None
    appear_within: float | str | None = None
    stable_for: float | str | dict[str, float | str] | None = None
    streams: bool | None = None


def options_of(connection: ConnectionFields | None, params: Mapping[str, str]) -> ClientOptions:
    """Return what a connection and a task say of an API, but for the token.

    Args:
        connection: The connection, if there is one.
        params: The task's own parameters of the API, which go before those of the connection.

    Raises:
        ConfigError: A field makes no sense; the message shows no value of the extra field, which may be a secret.
    """
    if connection is None:
        return {"params": params}
    try:
        extra = msgspec.json.decode(connection.extra or "{}", type=Extra)
    except msgspec.DecodeError as error:
        known = ", ".join(Extra.__struct_fields__)
        trouble = f"the extra field of connection {connection.conn_id}: {error}"
        raise ConfigError(f"{trouble}; it is a JSON object of {known}") from None
    given = {field: value for field in Extra.__struct_fields__ if (value := getattr(extra, field)) not in (None, {})}
    if (base_url := _base_url_of(connection)) is not None:
        given["base_url"] = base_url
    return cast("ClientOptions", {**given, "params": {**extra.params, **params}})


def token_of(connection: ConnectionFields) -> str | None:
    """Return the token in a connection: its password, after the login and a colon where it has one; None without."""
    if not connection.password:
        return None
    return f"{connection.login}:{connection.password}" if connection.login else connection.password


def _base_url_of(connection: ConnectionFields) -> str | None:
    host = (connection.host or "").strip()
    if not host:
        return None
    if "://" not in host:
        scheme = (connection.schema or "https").lower()
        if scheme not in {"http", "https"}:
            raise ConfigError(f"the schema of connection {connection.conn_id} is http or https, and not {scheme!r}")
        host = f"{scheme}://{host}"
    parts = urlsplit(host)
    try:
        port = parts.port
    except ValueError:
        raise ConfigError(f"the host of connection {connection.conn_id} has a port that is none") from None
    if connection.port is not None and port is None:
        parts = parts._replace(netloc=f"{parts.netloc}:{connection.port}")
    return parts.geturl()
