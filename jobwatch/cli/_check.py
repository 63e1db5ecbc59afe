"""``jobwatch apis --check FILE --body SAMPLE.json``: what a table reads from a sample."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from .._errors import ConfigError
from .._models import JSON, Fault, Job, Phase
from .._reading.api import JobAPI
from .._reading.bodies import plain_body
from .._reading.started import Response, response_in
from ..apis._files import load_api
from ._get import facts
from ._output import is_unicode, say
from ._records import job_record
from ._text import json_line, safe

if TYPE_CHECKING:
    from ._arguments import Options

_ANY_ID = "(any)"
_MOST_BYTES_READ = 16 * 1024 * 1024
_WORTH_HAVING = {
    "type": "what kind of job it is, so that looks are timed by how long others of its kind took",
    "created_at": "when it was created",
    "started_at": "when it started",
    "ended_at": "when it ended",
    "error": "what went wrong",
}


def run(options: Options) -> int:
    """Print what a table says, and what it reads from a sample; exit 1 if the sample cannot be read."""
    api = load_api(options.check or "")
    if not options.body:
        _tell(api)
        return 0
    response = _sample(options.body)
    body = response.body if isinstance(response.body, bytes) else b""
    shown = api.any_job(body)
    job_id = (shown.id if shown is not None else "") or _ANY_ID
    seen = api.job(body, job_id, response.status)
    if isinstance(seen, Fault) or job_id == _ANY_ID:
        seen = _under_its_id(api, body, response.status) or seen
    if isinstance(seen, Fault):
        say(f"the sample cannot be read: {safe(str(seen))}")
        return 1
    if options.json:
        say(json_line(job_record(seen), ascii_only=not is_unicode()))
        return 0
    told = list(facts(seen))
    width = max(len(key) for key, _ in told)
    for key, value in told:
        say(f"{key:<{width}}  {value}")
    for line in _missing(seen):
        say(line)
    return 0


def _tell(api: JobAPI) -> None:
    say(f"{safe(api.name)}: {api.method} {safe(api.base_url or '$' + api.base_url_variable)}{safe(api.job_path)}")
    if api.token_variable:
        where = f"header {api.token_header}" if api.token_query is None else f"query parameter {api.token_query}"
        say(f"  sends ${api.token_variable} there, in the {where}")
    for name, sent in api.headers.items():
        say(f"  sends {safe(name)}: {safe(sent)}")
    for name, default in api.params.items():
        say(f"  --param {name}=" + ("..." if default is None else f"...  (default: {safe(default)})"))


def _under_its_id(api: JobAPI, body: bytes, http_status: int) -> Job | None:
    """Return the first job that lies under its own id, or is chosen by it; no root says which that is in a sample."""
    nobody = api.job(body, _ANY_ID, http_status)
    # Each try reads the sample anew; a large one is not read as often as it has texts.
    tries = max(1, _MOST_BYTES_READ // (len(body) + 1))
    for job_id in itertools.islice(_texts_in(plain_body(body)), tries):
        seen = api.job(body, job_id, http_status)
        if isinstance(seen, Job) and (isinstance(nobody, Fault) or seen.status != nobody.status):
            return seen
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


def _sample(name: str) -> Response:
    try:
        text = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read {name}: {error.strerror}") from None
    return response_in(text) if text.strip() else Response()
