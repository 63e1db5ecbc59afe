"""Which job a response started: its id, and the state that it already shows. Pure.

Looked at in this order: the header that names the job's URL (``Operation-Location``, ``Azure-AsyncOperation``,
``Location``), as far as that is a URL of a job of this API; then where the table says that the id, or the job's URL,
lies; and where no table says so, the job itself, as a look would show it.

A response to the start is not a reply about the job: it may be another resource, or an envelope with an id of its own.
So only the id and a state that is no end are taken from it, and an end is believed when a look shows it. The exception
is a protocol in which a response that names no job says by its HTTP status that the work is over: `JobAPI.at_start`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from .._errors import ConfigError
from .._models import JSON, Job, Phase, printable
from .api import JobAPI
from .bodies import line_in, plain_body
from .patterns import pattern
from .problems import reported_error
from .rpc import error_in, is_envelope, without_envelope_id

_HEAD = pattern(rb"HTTP/[\d.]+ (\d{3})[^\n]*\n((?:[^\r\n][^\n]*\n)*)\r?\n")
_URLS = ("operation-location", "azure-asyncoperation", "location")
_SHOWN = 120
_NO_ID = "-"
_OVER = "over at its start"
_CREATED = 201
_BY_ITS_URL = ": wait for the URL of what was made, which the request went to"


class Response(Struct, frozen=True):
    """What an API answered when a job was started; `Client.wait_for` takes it, and so does the CLI from ``curl -i``.

    Attributes:
        body: The body, as bytes or already decoded.
        status: The HTTP status.
        headers: The headers, in any case.
    """

    body: bytes | str | dict[str, Any] = b""
    status: int = 200
    headers: Mapping[str, str] = {}


Started: TypeAlias = bytes | Mapping[str, Any] | Response


class Found(Struct, frozen=True):
    """A job that was started, and how it stood then, if the response says.

    Attributes:
        job_id: Its id; a hyphen where nothing is left that has one.
        job: How it stood then, as far as the response tells.
        retry_after: For how many seconds the response asks not to be asked about it.
        read_by: By which of the APIs that the API holds it is read; empty for the API itself.
        is_over: Whether the job was over at its start, so that there is nothing to look at.
    """

    job_id: str
    job: Job | None = None
    retry_after: float | None = None
    read_by: str = ""
    is_over: bool = False


def found_in(api: JobAPI, started: Started, id_in_url: Callable[[str], str | None]) -> Found:
    """Return the job that a response started.

    Args:
        api: Whose response it is.
        started: The response, or its body.
        id_in_url: Returns the id of the job that a URL leads to, if it leads to one of this API; may raise ConfigError.

    Raises:
        ConfigError: It says that nothing was started, or does not say what.
    """
    response = started if isinstance(started, Response) else Response(_body_of(started))
    body = _body_of(response.body)
    if response.status >= 400:
        problem = api.problem(body)
        told = problem.message if problem and problem.code == str(response.status) else problem
        raise ConfigError(f"no job was started: HTTP {response.status}" + (f", {told}" if told else ""))
    job_id, header, not_followed = _in_headers(api, response.headers, id_in_url)
    if job_id is not None:  # the body is then the resource that the job works on, and says nothing of the job
        return Found(job_id, read_by=api.by_header.get(header, ""))
    if is_envelope(plain_body(body)) and (envelope := error_in(body)) is not None:
        raise ConfigError(f"no job was started: {envelope[1]}")
    job_id = _in_body(api, body, id_in_url)
    if job_id is None:
        if not_followed is not None:
            raise not_followed
        if (error := reported_error(body)) is not None:
            raise ConfigError(f"no job was started: {error}")
        if (answered := api.answered(body, response.status)) is not None:
            return Found(_NO_ID, replace(answered, id=_NO_ID, status=_OVER), is_over=True)
        is_told = body.strip() or response.status != _CREATED  # what was made, and how it stands, is in the body
        if is_told and isinstance(started, Response) and (phase := api.at_start.get(response.status)) is not None:
            if body.strip() and plain_body(body) is None:  # which may have told a state
                raise ConfigError(f"the response names no job of {api.name}, and its body is no JSON that can be read")
            shown = api.start(body, _NO_ID) if body.strip() else None
            if isinstance(shown, Job) and shown.phase is not phase:  # such as a resource that is still at work
                state = printable(shown.status)[:_SHOWN]
                raise ConfigError(f"the response names no job of {api.name}, and says {state}{_BY_ITS_URL}")
            return Found(_NO_ID, _over(api, phase, body), is_over=True)
        start = body[:_SHOWN].decode("utf-8", "replace").strip()
        excerpt = f": {printable(start)}" if start else ", and its body is empty"
        hint = "" if api.lacking is None else "; started says where its id lies"
        if response.status == _CREATED and api.at_start:
            hint = _BY_ITS_URL
        raise ConfigError(f"the response names no job of {api.name} that it started{_looked_for(api)}{excerpt}{hint}")
    seen = api.start(body, job_id)
    if not isinstance(seen, Job) or seen.phase.ended:
        return Found(job_id)
    return Found(job_id, seen, retry_after=api.retry_after(body, job_id))


def _looked_for(api: JobAPI) -> str:
    """Return where an id was looked for in a body: by itself where `JobAPI.started` finds it, else in a whole job."""
    if not api.id_places:
        return ""
    beside = "" if api.started else ", beside its status"
    return f" (its id was looked for at {' and '.join(api.id_places)}{beside})"


def _over(api: JobAPI, phase: Phase, body: bytes) -> Job:
    error = None if phase is Phase.SUCCEEDED else api.problem(body)
    return Job(id=_NO_ID, api=api.name, status=_OVER, phase=phase, error=error)


def response_in(text: bytes) -> Response:
    """Read what curl prints: a body, or with ``-i`` the headers before it, those of the last response if several.

    Raises:
        ConfigError: There is nothing.
    """
    if not text.strip():
        raise ConfigError("there is no response on standard input: pipe in what the API answered when it started a job")
    response, rest = Response(text), text
    while (head := _HEAD.match(rest)) is not None:
        rest = rest[head.end() :]
        named = (line.partition(":") for line in head[2].decode("latin-1").splitlines())
        headers = {name.strip().lower(): value.strip() for name, _, value in named}
        response = Response(rest, int(head[1]), headers)
    return response


def _body_of(given: bytes | str | Mapping[str, Any]) -> bytes:
    if isinstance(given, bytes):
        return given
    try:
        return given.encode() if isinstance(given, str) else msgspec.json.encode(dict(given))
    except (TypeError, ValueError, RecursionError):  # such as half a surrogate, which `json.loads` lets through
        raise ConfigError("the response cannot be read: it holds what JSON cannot") from None


def _in_headers(
    api: JobAPI, headers: Mapping[str, str], id_in_url: Callable[[str], str | None]
) -> tuple[str | None, str, ConfigError | None]:
    """Return the id that a header leads to, that header, and why one that leads elsewhere was not followed."""
    values = {name.lower(): value for name, value in headers.items() if value}
    for header in filter(values.__contains__, api.started_headers):
        job_id = _followed(api, values[header], id_in_url)
        if job_id is not None:
            return job_id, header, None
    refused: ConfigError | None = None
    for header in filter(values.__contains__, _URLS):
        try:
            job_id = id_in_url(values[header])
        except ConfigError as error:
            refused = refused or error
            continue
        if job_id is not None:
            return job_id, header, None
    return None, "", refused


def _in_body(api: JobAPI, body: bytes, id_in_url: Callable[[str], str | None]) -> str | None:
    if api.started:
        whole = plain_body(body)
        plain = without_envelope_id(line_in(body) if whole is None else whole)
        found = next(filter(None, (_id(read(plain)) for read in api.started)), None)
        return None if found is None else _followed(api, found, id_in_url)
    if api.job_path == "{url}":
        return None
    whole = plain_body(body)
    job = api.any_job(msgspec.json.encode(without_envelope_id(whole)) if is_envelope(whole) else body)
    return job.id or None if job is not None else None


def _followed(api: JobAPI, found: str, id_in_url: Callable[[str], str | None]) -> str | None:
    """Return the id that a response tells, by itself or as the job's URL, which may be its path alone."""
    if api.job_path == "{url}" or found.startswith(("https://", "http://")):
        return id_in_url(found)
    is_path = found.startswith("/") and "{+job_id}" not in api.job_path
    return (id_in_url(found) if is_path else None) or found


def _id(value: JSON) -> str | None:
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) and value != "" else None
