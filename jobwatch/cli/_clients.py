"""The client that the options describe."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypedDict

from .._client.access import secrets_of as secrets_of_client
from .._client.client import Client
from .._core.pace import Pace
from .._core.tracker import Patience
from .._errors import ConfigError
from .._files.history import History
from .._http.job_urls import is_url, params_in_url
from .._http.requests import secrets_of
from .._http.secrets import is_secret_name, spellings
from .._http.tokens import needs_token, variables_of
from ..apis import APIS, GROUPS
from ._output import mask, mask_also, note
from ._render import safe

if TYPE_CHECKING:
    from pathlib import Path

    from .._http.tls import TLSContext
    from .._http.tokens import TokenFunction
    from .._reading.api import JobAPI
    from ._arguments import Options

VARIABLE = "JOBWATCH_API"

_GUESSED = GROUPS["Modules"]
"""The APIs chosen without being asked for. Any other token may be set for another reason, as GITHUB_TOKEN mostly is."""


_OF_AN_API = (
    *("api", "base_url", "api_version", "param", "header", "header_env", "token_file", "token_command", "max_body"),
    *("proxy", "no_proxy", "tls_cert", "tls_key", "tls_ca"),
)
"""The options that say how an HTTP API is asked."""


def client_for(options: Options) -> Client:
    """Return a client for the API, the address and the pace that the options ask for.

    Raises:
        ConfigError: There is no such API, an option's value is wrong, or the token is missing.
    """
    if options.source is not None:
        return _asking(options.source, options)
    api = api_for(options)
    _check_token(api, options)
    mask_secrets_of(api)
    client = Client(
        api,
        token=_token_command(options),
        token_file=options.token_file,
        base_url=options.base_url,
        api_version=options.api_version,
        params=params_in_urls(api, options) | params_for(options),
        headers=headers_for(options) or None,
        proxy=False if options.no_proxy else options.proxy,
        ssl=_tls(options),
        max_body=options.max_body,
        streams=not options.no_streams,
        **_manner(options),
    )
    mask_also(lambda: secrets_of_client(client))
    if options.proxy is not None and "@" in options.proxy:
        note("others on this machine can read the user and password of --proxy: HTTPS_PROXY or HTTP_PROXY hides them")
    return client


def mask_secrets_of(api: JobAPI) -> None:
    """Mask the token of an API, and what else is secret of it, where the environment holds that."""
    mask(spelt for secret in (os.environ.get(api.token_variable, ""), *secrets_of(api)) for spelt in spellings(secret))


def api_named(name: str) -> JobAPI:
    """Return an API by its name, built in or described by a table file.

    Raises:
        ConfigError: There is none, or the table is wrong.
    """
    if name.casefold() in APIS:
        return APIS[name.casefold()]
    from ..apis._files import load_api  # noqa: PLC0415 - tables take a third of the client's time to import

    return load_api(name)


def _check_token(api: JobAPI, options: Options) -> None:
    is_set = any(os.environ.get(name) for name in (api.token_variable, api.token_file_variable))
    if is_set or options.token_file or options.token_command or api.token_is_optional or not needs_token(api):
        return
    where = f"put it into the environment variable {variables_of(api)}, or give --token-file or --token-command"
    raise ConfigError(f"no token for {api.name}: {where}")


def _token_command(options: Options) -> TokenFunction | None:
    if options.token_command is None:
        return None
    if options.token_file is not None:
        raise ConfigError("--token-file and --token-command are two ways to say the same: give one of them")
    from ._token_command import TokenCommand  # noqa: PLC0415 - few commands name one

    return TokenCommand(options.token_command)


def _tls(options: Options) -> TLSContext | None:
    if not (options.tls_cert or options.tls_key or options.tls_ca):
        return None
    from .._http.tls import context_of  # noqa: PLC0415 - as for the token command

    return context_of(options.tls_cert, options.tls_key, options.tls_ca)


def token_origin(api: JobAPI, options: Options) -> str:
    """Return where the options say that the token comes from."""
    if options.token_command is not None:
        return "--token-command"
    if options.token_file is not None:
        return "--token-file"
    is_set = bool(os.environ.get(api.token_variable))
    return api.token_variable if is_set else variables_of(api)


def _asking(source: str, options: Options) -> Client:
    """Return a client that asks a source of the user's."""
    from ._sources import source_named  # noqa: PLC0415 - few commands name one

    given = [f"--{name.replace('_', '-')}" for name in _OF_AN_API if getattr(options, name)]
    if given:
        raise ConfigError(f"--source has its own address, token and limits: leave out {', '.join(given)}")
    return Client(source=source_named(source), **_manner(options))


class _Manner(TypedDict):
    pace: Pace
    history: History | None
    max_rate: float | None
    unreachable_after: float
    appear_within: float
    stable_for: float | None
    request_timeout: float | None


def _manner(options: Options) -> _Manner:
    """Return how eagerly and how long the options ask to look, whoever is asked."""
    patience = Patience()
    return {
        "pace": pace_for(options),
        "history": history_for(options),
        "max_rate": options.max_rate,
        "unreachable_after": _or(options.unreachable_after, patience.unreachable_after),
        "appear_within": _or(options.appear_within, patience.appear_within),
        "stable_for": options.stable_for,
        "request_timeout": options.request_timeout,
    }


def api_for(options: Options) -> JobAPI:
    """Return the API that the options ask for; see `api_named`."""
    return api_named(api_name(options.api))


def params_for(options: Options) -> dict[str, str]:
    """Return the parameters given as ``name=value``.

    Raises:
        ConfigError: One is not of that form, or given twice.
    """
    params: dict[str, str] = {}
    for text in options.param:
        name, equals, value = text.partition("=")
        if not (name and equals and value) or name in params:
            raise ConfigError(f"--param takes name=value, and each name once, not {text!r}")
        params[name] = value
    return params


def params_in_urls(api: JobAPI, options: Options) -> dict[str, str]:
    """Return the parameters that the URLs of the jobs show, where jobs are given by their URLs.

    Raises:
        ConfigError: One is no URL of a job of the API.
    """
    urls = [job for job in (options.job, *getattr(options, "jobs", ())) if is_url(job)]
    base_url = options.base_url or os.environ.get(api.base_url_variable)
    return params_in_url(api, base_url, urls[0]) if urls else {}


def headers_for(options: Options) -> dict[str, str]:
    """Return the headers given as they are or by a variable, whose value is masked in all output from now on.

    Raises:
        ConfigError: One is not of that form, or given twice, or there is no such variable. No value is shown.
    """
    headers: dict[str, str] = {}
    for text in options.header:
        name, colon, value = (part.strip() for part in text.partition(":"))
        if not (name and colon and value) or name in headers:
            raise ConfigError("--header takes 'NAME: VALUE', and each name once")
        if is_secret_name(name):
            note(f"others on this machine can read the value of --header {safe(name)}: --header-env hides it")
        headers[name] = value
    for text in options.header_env:
        name, equals, variable = (part.strip() for part in text.partition("="))
        if not (name and equals and variable) or name in headers:
            raise ConfigError("--header-env takes NAME=VARIABLE, and each name once")
        headers[name] = os.environ.get(variable, "").strip()
        if not headers[name]:
            raise ConfigError(f"--header-env {safe(name)}: the environment variable it names is not set, or empty")
        mask(spellings(headers[name]))
    return headers


def history_for(options: Options) -> History | None:
    """Return the history in the user's cache directory, or None and a note on stderr if it cannot be used."""
    path = None if options.no_history else history_path()
    if path is None:
        return None
    try:
        return History(path)
    except ConfigError as error:
        note(f"going without a history: {error}")
        return None


def history_path() -> Path | None:
    """Return the history's file in the user's cache directory; None where the extra "cli" is not installed."""
    try:
        from platformdirs import user_cache_path  # noqa: PLC0415 - comes with the extra "cli"
    except ImportError:
        return None
    return user_cache_path("jobwatch", appauthor=False) / "durations.json"


def pace_for(options: Options) -> Pace:
    """Return the pace asked for; if only one bound is given and lies beyond the other's default, both become it.

    Raises:
        ConfigError: Both bounds are given, and contradict each other.
    """
    usual = Pace()
    least, most = options.min_interval, options.max_interval
    return Pace(
        poll_cost=_or(options.poll_cost, usual.poll_cost),
        min_interval=min(usual.min_interval, _or(most, usual.min_interval)) if least is None else least,
        max_interval=max(usual.max_interval, _or(least, usual.max_interval)) if most is None else most,
    )


def api_name(given: str | None) -> str:
    """Return the API's name: from the option, from the variable, or the only one whose token is set.

    Raises:
        ConfigError: No API is chosen so, or more than one could be meant.
    """
    name = given or os.environ.get(VARIABLE)
    if name:
        return name
    guessed = [APIS[each] for each in _GUESSED]
    ready = [api.name for api in guessed if os.environ.get(api.token_variable)]
    if len(ready) == 1:
        return ready[0]
    names = " or ".join(api.name for api in guessed)
    if ready:
        raise ConfigError(f"tokens of several APIs are set: choose one with --api {names}, or set {VARIABLE}")
    variables = " or ".join(api.token_variable for api in guessed)
    raise ConfigError(
        f"no API chosen: give --api {names}, or another of jobwatch apis, or set {VARIABLE}; its token goes into"
        f" {variables}"
    )


def _or(given: float | None, usual: float) -> float:
    return usual if given is None else given
