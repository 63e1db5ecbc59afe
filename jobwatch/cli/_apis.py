"""``jobwatch apis``: the APIs, and with ``--check`` what a table asks for and reads from a sample.

With ``--upgrade`` a file with tables is printed in the language of today.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .._errors import ConfigError
from .._models import JSON, Fault, Job, Phase
from .._reading.api import JobAPI
from .._reading.bodies import plain_body
from .._reading.started import Response, response_in
from ..apis import APIS
from ..apis._files import load_api, upgrade_of
from ._lines import print_columns, print_facts, print_json
from ._output import note, say
from ._render import ApiRecord, facts, job_record, safe

if TYPE_CHECKING:
    from ._arguments import Options

_HEADINGS = ("API", "TOKEN IN", "SET", "LIST", "SERVED AT", "DOCUMENTED AT")
_LARGEST = 4 * 1024 * 1024
"""The largest sample to read, in bytes."""

_MOST_BYTES_READ = 16 * 1024 * 1024

_ANY_ID = "(any)"
_WORTH_HAVING = {
    "type": "what kind of job it is, so that looks are timed by how long others of its kind took",
    "created_at": "when it was created",
    "started_at": "when it started",
    "ended_at": "when it ended",
    "error": "what went wrong",
}


def run(options: Options) -> int:
    """Print the APIs and whether each has a token, never the token itself; or check one."""
    if options.upgrade is not None:
        return _upgrade(options.upgrade)
    if options.check is not None:
        return _check(load_api(options.check), options)
    records = [_record(api) for api in APIS.values()]
    if options.json:
        for record in records:
            print_json(record)
    else:
        print_columns([_HEADINGS, *map(_row, records)])
    return 0


def _record(api: JobAPI) -> ApiRecord:
    return ApiRecord(
        name=api.name,
        token_variable=api.token_variable,
        token_is_set=any(os.environ.get(name) for name in (api.token_variable, api.token_file_variable)),
        base_url=_without_secrets(os.environ.get(api.base_url_variable) or api.base_url),
        params=tuple(api.params),
        base_url_variable=api.base_url_variable,
        lists_jobs=api.list_path is not None,
        docs=api.docs,
    )


def _row(record: ApiRecord) -> tuple[str, ...]:
    token, listing = ("yes" if record.token_is_set else "no"), ("yes" if record.lists_jobs else "no")
    served_at = safe(record.base_url) if record.base_url else f"${record.base_url_variable}"
    return record.name, record.token_variable, token, listing, served_at, record.docs


def _without_secrets(url: str) -> str:
    """Return a URL without the parts in which people keep secrets: user, password, query, fragment."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(not a URL)"
    if not parts.netloc:
        return url
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _upgrade(file: str) -> int:
    """Print a file with tables in the language of today; return 1 if some of it could not be said."""
    after = upgrade_of(file)
    for line in after.text.splitlines():
        say(line)
    for remark in after.remarks:
        note(f"{safe(file)}: {safe(remark)}")
    return 1 if after.remarks else 0


# --- --check ------------------------------------------------------------------------------------------------------


def _check(api: JobAPI, options: Options) -> int:
    """Print what a table says, or what it reads from a sample; return 1 if the sample cannot be read."""
    if not options.body:
        _describe(api)
        return 0
    sample = _sample(options.body)
    job = _job_in(api, sample)
    if isinstance(job, Fault):
        say(f"the sample cannot be read: {safe(str(job))}")
        return 1
    if options.json:
        print_json(job_record(job))
        return 0
    print_facts(facts(job))
    if api.read_retry_after is not None:
        wait = api.retry_after(sample.body if isinstance(sample.body, bytes) else b"", job.id)
        say("not found: retry_after" if wait is None else f"asks to come back after {wait:g} s, and not sooner")
    for line in _missing(job):
        say(line)
    return 0


def _describe(api: JobAPI) -> None:
    say(f"{safe(api.name)}: {api.method} {safe(api.base_url or '$' + api.base_url_variable)}{safe(api.job_path)}")
    where = f"header {api.token_header}" if api.token_query is None else f"query parameter {api.token_query}"
    if api.token_variable:
        say(f"  sends ${api.token_variable} there, in the {where}")
    if api.token_file_variable:
        say(f"  sends what stands in the file that ${api.token_file_variable} names there, in the {where}")
    for name, sent in api.headers.items():
        say(f"  sends {safe(name)}: {safe(sent)}")
    if api.max_body is not None:
        say(f"  reads replies of up to {api.max_body} bytes, as received and without their content coding")
    if api.decodes_all:
        say("  decodes the whole of each reply, since it reads @ or $ itself: slow where a reply is large")
    if api.read_retry_after is not None:
        say("  looks again no sooner than a reply says under retry_after")
    for name, default in api.params.items():
        say(f"  --param {name}=" + ("..." if default is None else f"...  (default: {safe(default)})"))


def _sample(name: str) -> Response:
    try:
        if name == "-":
            text = sys.stdin.buffer.read(_LARGEST + 1)
        else:
            with Path(name).open("rb") as file:  # which may be a pipe: --body <(curl ...)
                text = file.read(_LARGEST + 1)
    except OSError as error:
        raise ConfigError(f"cannot read {name}: {error.strerror}") from None
    if len(text) > _LARGEST:
        raise ConfigError(f"{name} is larger than a sample reply can be: over {_LARGEST} bytes")
    return response_in(text) if text.strip() else Response()


def _job_in(api: JobAPI, sample: Response) -> Job | Fault:
    """Read the job that a sample shows, whatever its id."""
    body = sample.body if isinstance(sample.body, bytes) else b""
    any_job = api.any_job(body)
    job_id = (any_job.id if any_job is not None else "") or _ANY_ID
    job = api.job(body, job_id, sample.status)
    if isinstance(job, Fault) or job_id == _ANY_ID:
        return _job_under_its_id(api, body, sample.status) or job
    return job


def _job_under_its_id(api: JobAPI, body: bytes, http_status: int) -> Job | None:
    """Return the first job that lies under its own id, or that its id selects; a sample does not say which id it is."""
    without_id = api.job(body, _ANY_ID, http_status)
    # Each try reads the sample anew; a large one is not read as often as it has texts.
    tries = max(1, _MOST_BYTES_READ // (len(body) + 1))
    for job_id in itertools.islice(_texts_in(plain_body(body)), tries):
        job = api.job(body, job_id, http_status)
        if isinstance(job, Job) and (isinstance(without_id, Fault) or job.status != without_id.status):
            return job
    return None


def _texts_in(value: JSON) -> Iterator[str]:
    match value:
        case dict():
            for key, inner in value.items():
                yield key
                yield from _texts_in(inner)
        case list():
            for inner in value:
                yield from _texts_in(inner)
        case str():
            yield value
        case _:
            pass


def _missing(job: Job) -> list[str]:
    lines = [f"not found: {name} ({why})" for name, why in _WORTH_HAVING.items() if _lacks(job, name)]
    if job.phase is Phase.UNKNOWN:
        lines.append(f"the word {safe(job.status)} means nothing yet: put it under [words], by what it means")
    return lines


def _lacks(job: Job, name: str) -> bool:
    if name == "ended_at" and not job.phase.ended:
        return False
    if name == "error" and job.phase not in (Phase.FAILED, Phase.UNKNOWN):
        return False
    return getattr(job, name) is None
