"""What is asked of an API: its address, its headers, and the URL and body of each request.

A table can say that a variable is sent to a host. So the variables are read here, once, for the headers that the
table names, and the address comes from the caller, from the table or from the variable that the table names.
"""

from __future__ import annotations

import base64
import contextlib
import os
import re
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from .._errors import ConfigError
from .._models import Fault
from .secrets import in_body, in_headers, in_query, is_secret_name, spellings, without
from .urls import quoted, reserved, segment, split, unquoted

if TYPE_CHECKING:
    from .._reading.api import JobAPI

_HOLE = re.compile(r"(?<!\$)\{(\+?)([A-Za-z_][A-Za-z0-9_]*)\}")
_EACH = re.compile(r"(?<=[?&])[^?&#]*\{job_id\}[^?&#]*")
_VARIABLE_OR_HOLE = re.compile(r"\$\{(?P<variable>[A-Za-z_][A-Za-z0-9_]*)\}|\{\+?(?P<param>[A-Za-z_][A-Za-z0-9_]*)\}")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_HOST_PART = re.compile(r"[0-9A-Za-z.:\[\]-]+")
_ORIGIN = re.compile(r"https?://[^/]*")


class Asked(Struct, frozen=True):
    """One request, below the base URL.

    Attributes:
        path: Its path, encoded.
        query: Its query, encoded, if it has one.
        body: What a POST sends; None for a GET.
    """

    path: str
    query: str | None = None
    body: bytes | None = None

    def __repr__(self) -> str:
        return f"Asked({self.path!r})"


class Given:
    """What may hold a secret, as it was given; no repr shows it."""

    def __init__(self, token: str | None, base_url: str | None, params: Mapping[str, str] | None) -> None:
        self.token = token
        self.base_url = base_url
        self.params = _Params(params or {})

    def any(self) -> bool:
        """Return whether anything was given."""
        return self.token is not None or self.base_url is not None or bool(self.params)


class _Params(dict[str, str]):
    """Parameters, whose values no repr shows."""

    def __repr__(self) -> str:
        return f"_Params({', '.join(self)})"


class Requests:
    """Makes the requests of one client.

    Args:
        api: The API.
        given: The token and where the API is served; by default, its variables say, else its own address. And what
            goes into the names in braces that its URLs have, beside its own defaults.
        api_version: The version to ask for.

    Raises:
        ConfigError: Something is missing, or there is no such parameter or version.
    """

    def __init__(
        self,
        api: JobAPI,
        given: Given,
        api_version: str | None,
    ) -> None:
        self._api = api
        is_elsewhere = bool(given.base_url or os.environ.get(api.base_url_variable))
        self._params = _params(api, given.params, _only_in_base_url(api) if is_elsewhere else frozenset())
        self._base_url = given.base_url or os.environ.get(api.base_url_variable) or self._own_address()
        self._headers = self._all_headers(given, api_version)
        self._job_path = self._filled(api.job_path)
        self._by_id = self._job_path.format if self._job_path.count("{") == 1 and "{job_id}" in self._job_path else None

    def __repr__(self) -> str:
        return f"Requests({self._api.name!r})"

    def base_url(self) -> str:
        """Return the address of the API; a method, so that no repr shows it."""
        return self._base_url

    def place(self) -> str:
        """Return what tells the jobs asked for here from jobs of the same ids elsewhere: address and parameters.

        Parameters that stand in headers only are left out, and those that are secrets by their name or their place.
        """
        api = self._api
        told = (api.job_path, api.list_path, api.history_path, api.body, api.batch_path, api.batch_body)
        names = {hole[2] for hole in _HOLE.finditer(" ".join(filter(None, told)))} & self._params.keys()
        secrets = self._secrets()
        names = {name for name in names if not is_secret_name(name) and self._params[name] not in secrets}
        params = "&".join(f"{name}={quoted(self._params[name])}" for name in sorted(names))
        return _origin(self._base_url) + split(self._base_url).path.rstrip("/") + (f"?{params}" if params else "")

    def headers(self) -> dict[str, str]:
        """Return what is sent with each request."""
        return dict(self._headers)

    def secret_query(self) -> tuple[str, str] | None:
        """Return what is sent in the query of each request, where the token goes there; a method, as `base_url` is."""
        return None if self._api.token_query is None or not self._token else (self._api.token_query, self._token)

    def quiet(self, fault: Fault) -> Fault:
        """Return a fault without the secrets that are sent with every request, should its reply have quoted them."""
        return without(self._secrets(), fault)

    def job(self, job_id: str) -> Asked:
        """Return the request for one job.

        Raises:
            ConfigError: The id cannot stand in a URL, or is one of another origin.
        """
        if self._by_id is not None and self._api.method == "GET":
            path, _, query = self._by_id(job_id=segment(job_id)).partition("?")
            return Asked(path, query or None)
        if self._job_path == "{url}":
            return self._below(job_id)
        segment(job_id)
        path, _, query = _fill(self._job_path, {"job_id": job_id}).partition("?")
        return Asked(path, query or None, self._body(job_id))

    def jobs(self, project_id: str, limit: int) -> Asked:
        """Return the request for a project's jobs."""
        told = _fill(self._filled(self._api.list_path or ""), {"project_id": project_id, "limit": str(limit)})
        path, _, query = told.partition("?")
        return Asked(path, query or None)

    def batch(self, job_ids: Collection[str]) -> Asked:
        """Return the request for several jobs."""
        quoted = [segment(job_id) for job_id in job_ids]
        template = _EACH.sub(lambda each: _for_each(each, quoted), self._filled(self._api.batch_path or ""))
        path, _, query = _put_in(template, {"job_ids": ",".join(quoted), "limit": str(len(quoted))}).partition("?")
        return Asked(path, query or None, self._batch_body(job_ids))

    def history(self, job_id: str) -> Asked:
        """Return the request for a job's history."""
        return self._about(job_id, self._api.history_path)

    def stream(self, job_id: str) -> Asked:
        """Return the request for a job's stream of events."""
        return self._about(job_id, self._api.stream_path)

    def id_in(self, url: str) -> str | None:
        """Return the id of the job that a URL leads to, or None if it leads to none of this API."""
        asked = None if not url else self._below(url)
        if asked is None:
            return None
        if self._job_path == "{url}":
            return self._without_token(url)
        told = asked.path + (f"?{asked.query}" if asked.query else "")
        path, _, _ = self._job_path.partition("?")
        for template, text in ((self._job_path, told), (path, asked.path)):
            found = re.fullmatch(_pattern(template), text)
            if found is not None and "job_id" in found.groupdict():
                return unquoted(found["job_id"])
        return None

    def _secrets(self) -> frozenset[str]:
        _, _, query = self._job_path.partition("?")
        secrets = in_headers(self._headers) | in_query(query) | in_body(self._body("-") or b"null")
        return secrets if self._api.token_query is None else secrets | spellings(self._token)

    # --- within --------------------------------------------------------------------------------------------

    def _below(self, url: str) -> Asked:
        """Return the request for a URL, or for a path and query, on the origin of the API."""
        origin = _origin(self._base_url)
        try:
            parts = split(url)
            theirs = _origin(url) if parts.netloc or parts.scheme else origin
        except ValueError:
            raise ConfigError("the job's URL cannot be read") from None
        if theirs != origin:
            raise ConfigError(f"the job's URL is not on {origin}, where {self._api.name} is served: not followed")
        base = split(self._base_url).path
        path = parts.path if parts.path.startswith("/") else f"/{parts.path}"
        if not path.startswith(f"{base}/"):
            raise ConfigError(f"the job's URL is not below the base URL of {self._api.name}")
        return Asked(path.removeprefix(base), parts.query or None)

    def _without_token(self, url: str) -> str:
        """Return a URL without the token that an API may have put into it: it is to be an id, which all may see."""
        before, mark, query = url.partition("?")
        parts = [part for part in query.split("&") if unquoted(part.partition("=")[0]) != self._api.token_query]
        return before + (mark + "&".join(parts) if parts else "")

    def _about(self, job_id: str, template: str | None) -> Asked:
        path, _, query = _fill(self._filled(template or ""), {"job_id": job_id}).partition("?")
        return Asked(path, query or None)

    def _filled(self, template: str) -> str:
        return _fill(template, self._params)

    def _body(self, job_id: str) -> bytes | None:
        if self._api.method != "POST":
            return None
        values = _Params(self._params | {"job_id": job_id})
        sent = {name.lower(): value for name, value in self._headers.items()}
        put = segment if "form-urlencoded" in sent.get("content-type", "") else _in_json
        return _HOLE.sub(
            lambda hole: put(values[hole[2]]) if hole[2] in values else hole[0], self._api.body or ""
        ).encode()

    def _batch_body(self, job_ids: Collection[str]) -> bytes | None:
        if self._api.batch_body is None:
            return None
        ids = msgspec.json.encode(list(job_ids)).decode()
        values = {name: _in_json(value) for name, value in self._params.items()}
        values |= {"job_ids": _in_json(",".join(job_ids)), "limit": str(len(job_ids))}
        whole = self._api.batch_body.replace('"{limit}"', "{limit}").split('"{job_ids}"')
        return ids.join(_put_in(part, values) for part in whole).encode()

    def _own_address(self) -> str:
        template = self._api.base_url
        if not template:
            name = self._api.base_url_variable
            raise ConfigError(f"no address for {self._api.name}: pass base_url=" + (f", or set {name}" if name else ""))
        host = _ORIGIN.match(template)
        for hole in _HOLE.finditer(template[: host.end()] if host else ""):
            if not _HOST_PART.fullmatch(self._params.get(hole[2], "")):
                raise ConfigError(f"the parameter {hole[2]} is to be a host name, or a part of one")
        return self._filled(template)

    def _all_headers(self, given: Given, api_version: str | None) -> dict[str, str]:
        api = self._api
        headers = {"Accept": "application/json"}
        if api_version is not None:
            if api.version_header is None:
                raise ConfigError(f"{api.name} has no API version to choose; leave api_version out")
            headers[api.version_header] = api_version
        if api.method == "POST" and api.body is not None:
            headers["Content-Type"] = "application/json"
        for name, value in api.headers.items():
            _check_variables(name, value)  # before there is a secret among the local variables
        own = {name.lower() for name in api.headers}
        headers = {name: value for name, value in headers.items() if name.lower() not in own}
        for name, value in api.headers.items():
            # In one pass, so that neither a parameter nor a variable is searched for further names.
            headers[name] = _VARIABLE_OR_HOLE.sub(self._value_of, value)
        return headers | self._credentials(given)

    def _value_of(self, named: re.Match[str]) -> str:
        if named["variable"] is not None:
            return os.environ[named["variable"]].strip()
        return self._params.get(named["param"], named[0])

    def _credentials(self, given: Given) -> dict[str, str]:
        api, self._token = self._api, ""
        token = (given.token or os.environ.get(api.token_variable) or "").strip()
        if not token:
            if not api.token_variable or api.token_is_optional:
                return {}
            raise ConfigError(f"no token for {api.name}: set {api.token_variable}, or pass token=")
        if api.token_query is not None:
            self._token = token
            return {}
        if api.token_is_basic:
            token = base64.b64encode(token.encode()).decode()
        return {api.token_header: f"{api.token_prefix}{token}"}


def secrets_of(api: JobAPI) -> list[str]:
    """Return the values of the variables that an API's headers name."""
    named = [variable[1] for value in api.headers.values() for variable in _VARIABLE.finditer(value)]
    return [os.environ[name].strip() for name in named if name in os.environ]


def _only_in_base_url(api: JobAPI) -> frozenset[str]:
    told = [api.job_path, api.list_path, api.history_path, api.body, api.batch_path, api.batch_body]
    told += api.headers.values()
    elsewhere = {hole[2] for text in told for hole in _HOLE.finditer(text or "")}
    return frozenset({hole[2] for hole in _HOLE.finditer(api.base_url)} - elsewhere)


def _params(api: JobAPI, given: _Params, needless: frozenset[str]) -> _Params:
    unknown = given.keys() - api.params.keys()
    if unknown:
        told = f"; there are: {', '.join(api.params)}" if api.params else ", nor any other"
        raise ConfigError(f"{api.name} has no parameter {', '.join(sorted(unknown))}{told}")
    missing = [name for name in api.params if not given.get(name, api.params[name]) and name not in needless]
    if missing:
        example = ", ".join(f"{name}=..." for name in missing)
        raise ConfigError(f"{api.name} needs the parameters {example}: --param {missing[0]}=..., or params={{...}}")
    return _Params({name: value for name, default in api.params.items() if (value := given.get(name, default))})


def _check_variables(name: str, text: str) -> None:
    for variable in _VARIABLE.finditer(text):
        if not os.environ.get(variable[1], "").strip():
            raise ConfigError(f"the header {name} needs the environment variable {variable[1]}")


def _fill(template: str, values: Mapping[str, str]) -> str:
    def quoted(hole: re.Match[str]) -> str:
        name = hole[2]
        if name not in values:
            return hole[0]
        quote = reserved if hole[1] else segment
        if not isinstance(values, _Params):
            return quote(values[name])
        with contextlib.suppress(ConfigError):
            return quote(values[name])
        # Not by the error of `quote`, which shows what it was given.
        raise ConfigError(f"the parameter {name} cannot be a part of a path: dots alone, too long, or not all visible")

    return _HOLE.sub(quoted, template)


def _put_in(template: str, values: Mapping[str, str]) -> str:
    return _HOLE.sub(lambda hole: values.get(hole[2], hole[0]), template)


def _for_each(part: re.Match[str], values: Sequence[str]) -> str:
    return "&".join(part[0].replace("{job_id}", value) for value in values)


def _in_json(text: str) -> str:
    return msgspec.json.encode(text).decode()[1:-1]


def _origin(url: str) -> str:
    parts = split(url)
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    usual = port == {"https": 443, "http": 80}.get(parts.scheme)
    return f"{parts.scheme}://{parts.hostname or ''}" + ("" if usual else f":{port}")


def _pattern(template: str) -> str:
    pieces, position = "", 0
    for hole in _HOLE.finditer(template):
        inside = ".+" if hole[1] else "[^/?&]+"
        pieces += re.escape(template[position : hole.start()])
        pieces += f"(?P<job_id>{inside})" if hole[2] == "job_id" else inside
        position = hole.end()
    return pieces + re.escape(template[position:])
