"""What is asked of an API: its address, its headers, and the URL and body of each request.

A table can say that a variable is sent to a host. So the variables are read here, for the headers that the
table names, and the address comes from the caller, from the table or from the variable that the table names. They are
read anew after a request was refused (see `renewal`).
"""

from __future__ import annotations

import base64
import contextlib
import os
import re
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from .._errors import ConfigError
from .._models import Fault
from .._reading.patterns import pattern
from .._table import templates
from .credentials import Credentials
from .extra_headers import ExtraHeaders
from .job_urls import forms_of, has_job_urls, is_url, shape_of, values_in_url
from .proxies import proxy_for
from .renewal import Renewal
from .secrets import Secrets, is_secret_name, spellings, without
from .tokens import FileToken, GivenToken, needs_token, token_source
from .urls import PLAIN_ID, origin_of, quoted, reserved, segment, split, unfit_for_url, unquoted

if TYPE_CHECKING:
    from .._reading.api import Detail, JobAPI
    from .._table.templates import Placeholder
    from .proxies import Proxy
    from .tokens import TokenFunction

_VARIABLE = r"\$\{(?P<variable>[A-Za-z_][A-Za-z0-9_]*)\}"
_VARIABLE_OR_PARAM = pattern(_VARIABLE + r"|\{\+?(?P<param>[A-Za-z_][A-Za-z0-9_]*)\}")
_XML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"})
_NOW = "now"
_VISIBLE = pattern(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
_HOST_PART = pattern(r"[0-9A-Za-z.:\[\]-]+")
_AUTHORITY = pattern(r"https?://[^/]*")
_HOLD = "long_poll"
"""The name in braces that stands for how many seconds a server may hold a request."""

_ROUNDS = 200_000
"""How often a token is hashed for its checksum, so that nobody tries many."""

_FORMER = 4
"""How many tokens that were renewed are still kept from being told: a late reply may quote one."""


class Asked(Struct, frozen=True):
    """One request, below the base URL.

    Attributes:
        path: Its path, encoded.
        query: Its query, encoded, if it has one.
        body: What a POST sends; None for a GET.
        headers: Headers that go with this request alone.
        is_head: Whether it is made by HEAD.
    """

    path: str
    query: str | None = None
    body: bytes | None = None
    headers: Mapping[str, str] | None = None
    is_head: bool = False

    def __repr__(self) -> str:
        return f"Asked({self.path!r})"


class Given:
    """What may hold a secret, as it was given; no repr shows it."""

    def __init__(
        self,
        token: str | TokenFunction | None,
        base_url: str | None,
        params: Mapping[str, str] | None,
        token_file: str | os.PathLike[str] | None = None,
        proxy: str | bool | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.proxy = proxy
        self.headers = ExtraHeaders(headers)
        self._has_headers = headers is not None
        self.token = token
        self.token_file = token_file
        self.base_url = base_url
        self.params = _Params(params or {})

    def any(self) -> bool:
        """Return whether anything was given."""
        given = (self.token, self.token_file, self.base_url, self.proxy)
        return any(each is not None for each in given) or bool(self.params) or self._has_headers


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

    Attributes:
        tells_hold: Whether a request for a job says for how long the server may hold it.

    Raises:
        ConfigError: Something is missing, or there is no such parameter or version.
    """

    def __init__(self, api: JobAPI, given: Given, api_version: str | None) -> None:
        self._api = api
        asked = [api.job_path, api.body, *api.headers.values()]
        self.tells_hold = api.long_poll > 0.0 and _HOLD in templates.names_in(asked)
        elsewhere = given.base_url or os.environ.get(api.base_url_variable)
        self._params = _params(api, given.params, _only_in_base_url(api) if elsewhere else frozenset())
        self._base_url = elsewhere or self._own_address()
        self._api_version = api_version
        self._extra = given.headers
        has_token = needs_token(api) or given.token is not None or given.token_file is not None
        if trouble := self._extra.trouble(api, has_token=has_token):
            raise ConfigError(trouble)
        _check_variables(api)  # before there is a secret among the local variables
        self._source = token_source(api, given.token, given.token_file)
        self._proxy = proxy_for(self._base_url, given.proxy, os.environ)
        self._former: deque[frozenset[str]] = deque(maxlen=_FORMER)
        self._token = self._source.read().strip()
        if not self._token and isinstance(self._source, FileToken):
            raise ConfigError(f"{self._source.name} holds no token")
        self._headers = self._all_headers()
        self._others = self._spelt_out()
        self._known: Secrets | None = None
        self._job_path = self._filled(api.job_path)
        self._plain = self._of_plain_ids()
        self.is_dated = _NOW in templates.names_in([api.job_path, api.body, *api.headers.values(), *api.query.values()])

    def __repr__(self) -> str:
        return f"Requests({self._api.name!r})"

    def api(self) -> JobAPI:
        """Return the API, which reads its replies by the parameters that were given where its table says so."""
        if self._api.with_params is None:
            return self._api
        read = self._api.with_params(dict(self._params))
        return replace(read, others=self._api.others, by_header=self._api.by_header, inline=self._api.inline)

    def base_url(self) -> str:
        """Return the address of the API; a method, so that no repr shows it."""
        return self._base_url

    def place(self) -> str:
        """Return what tells the jobs asked for here from jobs of the same ids elsewhere: address and parameters.

        Parameters that stand in headers only are left out, and those that are secrets by their name or their place.
        """
        names = set(templates.names_in(_requests_of(self._api))) & self._params.keys()
        secrets = self._secrets()
        names = {name for name in names if not is_secret_name(name) and self._params[name] not in {"", *secrets}}
        params = "&".join(f"{name}={quoted(self._params[name])}" for name in sorted(names))
        return origin_of(self._base_url) + split(self._base_url).path.rstrip("/") + (f"?{params}" if params else "")

    def origin(self) -> str:
        """Return the origin of the base URL."""
        return origin_of(self._base_url)

    def account(self) -> str:
        """Return by what others know that they ask with the same token, and from which nobody learns it.

        That is a checksum that takes long to make and is short: of all texts, one in 16 million has the same. It is
        "renewed" where the token may change by itself, so that there is nothing to compare, and "none" without one.
        """
        if self._source.is_checked:
            return "renewed"
        if not self._token:
            return "none"
        import hashlib  # noqa: PLC0415 - few clients need it

        secrets = "\n".join([self._token, *secrets_of(self._api)]).encode()
        return hashlib.pbkdf2_hmac("sha256", secrets, self.origin().encode(), _ROUNDS, dklen=3).hex()

    def headers(self) -> dict[str, str]:
        """Return what is sent with each request."""
        return dict(self._headers)

    def url_of(self, asked: Asked) -> str:
        """Return the URL of a request, without the token that may go into its query."""
        return self._base_url.rstrip("/") + asked.path + (f"?{asked.query}" if asked.query else "")

    def without_token(self, url: str) -> str:
        """Return a URL that a reply names without the token that is sent in the query, should it hold that."""
        return self._without_token(url)

    def holds_secret(self, url: str) -> bool:
        """Whether a URL that a reply names holds a secret that was sent: then it is not to be kept, nor to be asked."""
        # Of Basic credentials only the password: a user's name is as likely to be that of the server.
        token = self._token.partition(":")[2] if self._api.token_is_basic else self._token
        known = spellings(token).union(*map(spellings, secrets_of(self._api)))
        return any(secret in url or secret in unquoted(url) for secret in known)

    def secret_query(self) -> tuple[str, str] | None:
        """Return what is sent in the query of each request, where the token goes there; a method, as `base_url` is."""
        return None if self._api.token_query is None or not self._token else (self._api.token_query, self._token)

    def renewal(self, changed: Callable[[], None]) -> Renewal | None:
        """Return what reads the token anew, or None where nothing that is sent can ever be another.

        Args:
            changed: Called when what is sent is other than before.
        """
        if isinstance(self._source, GivenToken) and not _variables_in(self._api.headers.values()):
            return None

        def enter(token: str) -> bool:
            is_other = self._renew(token)
            if is_other:
                changed()
            return is_other

        return Renewal(self._source, enter, is_ready=bool(self._token))

    def proxy(self) -> Proxy | None:
        """Return the proxy through which the API is asked, if there is one."""
        return self._proxy

    def other_secrets(self) -> Secrets:
        """Return the token by itself, what the proxy is told, and parameters whose names say so, in every spelling."""
        return self._others

    def secrets(self) -> frozenset[str]:
        """Return the secrets that are sent, in every spelling, and those that were sent before them.

        A header of the caller's is not among them if by its name it holds none: it may be a word that a job holds too.
        """
        return self._secrets(leave_out=self._extra.open_names())

    def quiet(self, fault: Fault) -> Fault:
        """Return a fault without the secrets that are sent with every request, should its reply have quoted them."""
        if self._known is None:
            self._known = Secrets(self._secrets())  # once for each token: a server that is down fails every look
        return without(self._known, fault)

    def check(self, job_id: str) -> None:
        """Raise ConfigError where a job cannot be asked about by its id."""
        if self._plain is None or not PLAIN_ID.fullmatch(job_id):
            self.job(job_id)

    def job(self, job_id: str, hold: int = 0) -> Asked:
        """Return the request for one job.

        Args:
            job_id: Its id.
            hold: For how many seconds the server may hold it, where it is told.

        Raises:
            ConfigError: The id cannot stand in a URL, or is one of another origin.
        """
        if self._plain is not None and PLAIN_ID.fullmatch(job_id):
            before, after, query = self._plain
            return Asked(f"{before}{job_id}{after}", query)
        if self._job_path == "{url}":
            asked = self._below(job_id)
        else:
            segment(job_id)  # refused even where its place is in the body
            asked = _asked(_in_url(self._job_path, {"job_id": job_id, **_moment(hold)}), self._body(job_id, hold))
        headers, is_head = self._headers_of(job_id, hold), self._api.method == "HEAD"
        return replace(asked, headers=headers, is_head=is_head) if headers or is_head else asked

    def _of_plain_ids(self) -> tuple[str, str, str | None] | None:
        """Return what stands before and after a plain id in the path of a job, and the query.

        None where requests differ by more than that, so that each is put together by itself.
        """
        path, _, query = self._job_path.partition("?")
        before, found, after = path.partition("{job_id}")
        is_alone = bool(found) and templates.names_in([self._job_path]) == ["job_id"]
        if not is_alone or self._api.method in ("POST", "HEAD") or any(map(_is_of_request, self._api.headers.values())):
            return None
        try:
            _asked(f"{before}x{after}?{query}")  # a plain id has no dots or percent signs: one is as good as another
        except ConfigError:
            return None  # which each id is to be told
        return before, after, query or None

    def with_query(self, asked: Asked) -> Asked:
        """Return a request with what goes into the query of each, unless it is there, as in a URL of the server's."""
        there = {unquoted(part.partition("=")[0]) for part in (asked.query or "").split("&")}
        told = [(name, self._in_query(text)) for name, text in self._api.query.items() if name not in there]
        more = [f"{quoted(name)}={value}" for name, value in told if value]  # a parameter may be empty
        return replace(asked, query="&".join([*filter(None, [asked.query]), *more])) if more else asked

    def jobs(self, project_id: str, limit: int) -> Asked:
        """Return the request for a project's jobs."""
        return self._about(self._api.list_path, {"project_id": project_id, "limit": str(limit)})

    def batch(self, job_ids: Collection[str]) -> Asked:
        """Return the request for several jobs."""
        ids = [segment(job_id) for job_id in job_ids]
        template = templates.repeated(self._filled(self._api.batch_path or ""), ids)
        values = {"job_ids": ",".join(ids), "limit": str(len(ids)), **_moment()}
        return _asked(templates.filled(template, values), self._batch_body(job_ids))

    def history(self, job_id: str) -> Asked:
        """Return the request for a job's history."""
        return self._asked_of(self._api.history_path or "", self._api.history_body, job_id)

    def detail(self, detail: Detail, job_id: str) -> Asked:
        """Return the request for something that is told of a job's end."""
        return self._asked_of(detail.path, detail.body, job_id)

    def stream(self, job_id: str) -> Asked:
        """Return the request for a job's stream of events."""
        return self._about(self._api.stream_path, {"job_id": job_id})

    def id_in(self, url: str) -> str | None:
        """Return the id of the job that a URL leads to, or None if it leads to none of this API."""
        if not url:
            return None
        asked = self._below(url)
        if self._job_path == "{url}":
            return self._without_token(url)
        target = asked.path + (f"?{asked.query}" if asked.query else "")
        for form, has_query in forms_of(self._job_path):
            job_id = templates.value_in(form, target if has_query else asked.path, "job_id")
            job_id = job_id or templates.value_in(form, asked.path.rstrip("/"), "job_id")
            if job_id is not None:
                return unquoted(job_id)
        return None

    def id_given(self, given: str) -> str:
        """Return the id that somebody gave, who may have given the job's URL instead.

        Raises:
            ConfigError: It is a URL, and of no job that is asked for here; the message shows what one looks like.
        """
        if not is_url(given) or not has_job_urls(self._api):
            return given
        url = given.partition("#")[0]
        shape = shape_of(self._api, self._base_url)
        try:
            job_id = self.id_in(url)
        except ConfigError as error:
            raise ConfigError(f"{error}; a job's URL looks like {shape}") from None
        if job_id is not None:
            return job_id
        told = values_in_url(self._api, self._base_url, url)
        others = [name for name in told if name in self._params and told[name] != self._params[name]]
        what = f"another {' and '.join(others)} than params= says" if others else "no job that is asked for here"
        raise ConfigError(f"the job's URL is of {what}: it looks like {shape}")

    # --- within --------------------------------------------------------------------------------------------

    def _secrets(self, leave_out: frozenset[str] = frozenset()) -> frozenset[str]:
        _, _, query = self._job_path.partition("?")
        headers = {name: value for name, value in self._headers.items() if name not in leave_out}
        now = Credentials(headers, self.secret_query()).secrets(query, self._body("-"))
        return now.union(self.other_secrets(), *self._former)

    def _renew(self, token: str) -> bool:
        """Send a token from now on, with the variables of the headers as they are now; return whether it is another."""
        before = self._token, self._headers
        secrets = Credentials(self._headers, self.secret_query(), self.other_secrets()).secrets("", None)
        self._token = token
        try:
            self._headers = self._sendable_headers()
        except ConfigError:
            self._token, self._headers = before
            raise
        if (self._token, self._headers) == before:
            return False
        self._former.append(secrets)
        self._others = self._spelt_out()
        self._known = None
        return True

    def _spelt_out(self) -> Secrets:
        proxy = frozenset[str]() if self._proxy is None else self._proxy.secrets()
        params = (spellings(value) for name, value in self._params.items() if is_secret_name(name))
        return Secrets(spellings(self._token).union(proxy, *params))

    def _sendable_headers(self) -> dict[str, str]:
        _check_variables(self._api)
        headers = self._all_headers()
        if trouble := Credentials(headers, None).trouble():
            raise ConfigError(trouble)
        return headers

    def _below(self, url: str) -> Asked:
        """Return the request for a URL, or for a path and query, on the origin of the API."""
        origin = origin_of(self._base_url)
        # Before it is taken apart, which would leave out tabs and line ends without a word.
        if unfit_for_url(url):
            raise ConfigError("the job's URL has characters that are not encoded")
        try:
            parts = split(url)
            theirs = origin_of(url) if parts.netloc or parts.scheme else origin
        except ValueError:
            raise ConfigError("the job's URL cannot be read") from None
        if "@" in parts.netloc:
            raise ConfigError("the job's URL holds a user or a password: give the token by itself, not in the URL")
        if theirs != origin:
            raise ConfigError(f"the job's URL is not on {origin}, where {self._api.name} is served: not followed")
        base = split(self._base_url).path.rstrip("/")
        path = parts.path if parts.path.startswith("/") else f"/{parts.path}"
        if not path.startswith(f"{base}/"):
            raise ConfigError(f"the job's URL is not below the base URL of {self._api.name}")
        return _asked(path.removeprefix(base) + (f"?{parts.query}" if parts.query else ""))

    def _without_token(self, url: str) -> str:
        """Return a URL without the token that an API may have put into it: it is to be an id, which all may see."""
        before, mark, query = url.partition("?")
        parts = [part for part in query.split("&") if unquoted(part.partition("=")[0]) != self._api.token_query]
        return before + (mark + "&".join(parts) if parts else "")

    def _about(self, template: str | None, values: Mapping[str, str]) -> Asked:
        return _asked(_in_url(self._filled(template or ""), {**values, **_moment()}))

    def _filled(self, template: str) -> str:
        return _in_url(template, self._params)

    def _asked_of(self, path: str, body: str | None, job_id: str) -> Asked:
        target = _in_url(self._filled(path), {"job_id": job_id, **_moment()})
        return _asked(target, None if body is None else self._filled_body(body, job_id))

    def _body(self, job_id: str, hold: int = 0) -> bytes | None:
        return None if self._api.method != "POST" else self._filled_body(self._api.body or "", job_id, hold)

    def _filled_body(self, body: str, job_id: str, hold: int = 0) -> bytes:
        told = {**self._params, "job_id": job_id, **_moment(hold)}
        values = {name: self._in_body(value) for name, value in told.items()}
        if self.tells_hold:  # by itself it is a number, as the limit of a batch is
            body = body.replace(f'"{{{_HOLD}}}"', f"{{{_HOLD}}}")
        return templates.filled(body, values).encode()

    def _batch_body(self, job_ids: Collection[str]) -> bytes | None:
        if self._api.batch_body is None:
            return None
        ids = msgspec.json.encode(list(job_ids)).decode()
        values = {name: self._in_body(value) for name, value in self._params.items()}
        values |= {"job_ids": self._in_body(",".join(job_ids)), "limit": str(len(job_ids))}
        whole = self._api.batch_body.replace('"{limit}"', "{limit}").split('"{job_ids}"')
        return ids.join(templates.filled(part, values) for part in whole).encode()

    def _in_body(self, value: str) -> str:
        """Return a value quoted as the media type of the body wants it; what is neither form nor XML is as JSON."""
        sent = {name.lower(): media_type.lower() for name, media_type in self._headers.items()}
        media_type = sent.get("content-type", "").partition(";")[0].strip()
        if media_type == "application/x-www-form-urlencoded":
            return quoted(value)
        if media_type.endswith(("/xml", "+xml")):
            return value.translate(_XML)
        return msgspec.json.encode(value).decode()[1:-1]

    def _headers_of(self, job_id: str, hold: int) -> dict[str, str] | None:
        """Return the headers that are not the same in all requests."""
        told = {"job_id": job_id, **_moment(hold)}
        headers = {
            name: templates.filled(self._in_header(text), told)
            for name, text in self._api.headers.items()
            if _is_of_request(text)
        }
        for name, value in headers.items():
            if not _VISIBLE.fullmatch(value):
                raise ConfigError(f"the job's id cannot stand in the header {name}: it is not all visible ASCII")
        return headers or None

    def _in_header(self, text: str) -> str:
        # In one pass, so that neither a parameter nor a variable is searched for further names.
        return _VARIABLE_OR_PARAM.sub(self._value_of, text)

    def _in_query(self, text: str) -> str:
        values = {name: quoted(value) for name, value in {**self._params, **_moment()}.items()}
        return templates.mapped(text, quoted, lambda found: values.get(found["name"], found[0]))

    def _own_address(self) -> str:
        template = self._api.base_url
        if not template:
            name = self._api.base_url_variable
            raise ConfigError(f"no address for {self._api.name}: pass base_url=" + (f", or set {name}" if name else ""))
        host = _AUTHORITY.match(template)
        for name in templates.names_in([host and host[0]]):
            if not _HOST_PART.fullmatch(self._params.get(name, "")):
                raise ConfigError(f"the parameter {name} is to be a host name, or a part of one")
        return self._filled(template)

    def _all_headers(self) -> dict[str, str]:
        api, api_version = self._api, self._api_version
        headers = {"Accept": "application/json"}
        if api_version is not None:
            if api.version_header is None:
                raise ConfigError(f"{api.name} has no API version to choose; leave api_version out")
            headers[api.version_header] = api_version
        if api.method == "POST" and api.body is not None:
            headers["Content-Type"] = "application/json"
        own = {name.lower() for name in api.headers}
        headers = {name: value for name, value in headers.items() if name.lower() not in own}
        for name, value in api.headers.items():
            if not _is_of_request(value):
                headers[name] = self._in_header(value)
        headers |= self._extra  # which are none of the others
        if not self._token or api.token_query is not None:
            return headers
        token = base64.b64encode(self._token.encode()).decode() if api.token_is_basic else self._token
        return headers | {api.token_header: f"{api.token_prefix}{token}"}

    def _value_of(self, found: re.Match[str]) -> str:
        if found["variable"] is not None:
            return os.environ[found["variable"]].strip()
        return self._params.get(found["param"], found[0])


def _moment(hold: int = 0) -> dict[str, str]:
    """Return what names in braces stand for that is another at each request."""
    return {_NOW: str(time.time_ns() // 1_000_000), _HOLD: str(hold)}


def _is_of_request(header: str) -> bool:
    """Whether the value of a header is not the same in all requests."""
    return not {"job_id", _NOW, _HOLD}.isdisjoint(templates.names_in([header]))


def secrets_of(api: JobAPI) -> list[str]:
    """Return the values of the variables that an API's headers name."""
    return [os.environ[name].strip() for name in _variables_in(api.headers.values()) if name in os.environ]


def variables_of(api: JobAPI) -> frozenset[str]:
    """Return the variables that a table sends."""
    return frozenset({*_variables_in(api.headers.values()), *filter(None, [api.token_variable])})


def _variables_in(texts: Collection[str]) -> list[str]:
    return [found["variable"] for text in texts for found in re.finditer(_VARIABLE, text)]


def _check_variables(api: JobAPI) -> None:
    for header, text in api.headers.items():
        for name in _variables_in([text]):
            if not os.environ.get(name, "").strip():
                raise ConfigError(f"the header {header} needs the environment variable {name}")


def _requests_of(api: JobAPI) -> list[str | None]:
    """Return the templates of what tells one job from another: the requests, without the headers."""
    details = [each for each in (api.error, api.result) if each is not None]
    return [
        *(api.job_path, api.list_path, api.history_path, api.body, api.batch_path, api.batch_body, api.history_body),
        *api.query.values(),
        api.stream_path,
        *(text for each in details for text in (each.path, each.body)),
    ]


def _only_in_base_url(api: JobAPI) -> frozenset[str]:
    names = frozenset(templates.names_in([api.base_url]))
    return names and names.difference(templates.names_in([*_requests_of(api), *api.headers.values()]))


def _params(api: JobAPI, given: _Params, needless: frozenset[str]) -> _Params:
    unknown = given.keys() - api.params.keys()
    if unknown:
        known = f"; there are: {', '.join(api.params)}" if api.params else ", nor any other"
        raise ConfigError(f"{api.name} has no parameter {', '.join(sorted(unknown))}{known}")
    # One whose default is empty may be so, such as a path of which there need be none.
    optional = needless | {name for name, default in api.params.items() if default == ""}
    missing = [name for name in api.params if not given.get(name, api.params[name]) and name not in optional]
    if missing:
        example = ", ".join(f"{name}=..." for name in missing)
        raise ConfigError(f"{api.name} needs the parameters {example}: --param {missing[0]}=..., or params={{...}}")
    values = [(name, given.get(name, default) or "", default) for name, default in api.params.items()]
    return _Params({name: value for name, value, default in values if value or default == ""})


def _asked(target: str, body: bytes | None = None) -> Asked:
    """Return a request, or refuse what could not be sent, before anybody relies on it."""
    path, _, query = target.partition("?")
    # Neither is shown: a URL may hold a secret.
    if not templates.is_encoded_path(path):
        raise ConfigError("the job's URL has dot segments, or characters that are not encoded, in its path")
    if "#" in query or unfit_for_url(query):
        raise ConfigError("the job's URL has characters that are not encoded in its query")
    return Asked(path, query or None, body)


def _in_url(template: str, values: Mapping[str, str]) -> str:
    def quote(placeholder: Placeholder) -> str:
        name = placeholder["name"]  # and no local variable for the value, which a traceback could show
        if name not in values:
            return placeholder[0]
        in_path = reserved if placeholder["plus"] else segment
        if name == "project_id":
            return segment(values[name], "project")
        if not isinstance(values, _Params):
            return in_path(values[name])
        if placeholder["plus"] and not values[name]:
            return ""  # the default, by which there is no such part
        with contextlib.suppress(ConfigError):
            return in_path(values[name])
        # Not by the error of `segment`, which shows what it was given.
        raise ConfigError(f"the parameter {name} cannot be a part of a path: dots alone, too long, or not all visible")

    return templates.mapped(template, str, quote)
