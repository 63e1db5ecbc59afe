"""``jobwatch apis``: the APIs, and with ``--check`` what a table asks for and reads from a sample.

With ``--upgrade`` a file with tables is printed in the language of today, and with ``--from-openapi`` the first draft
of one, made from the document that a server publishes.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import textwrap
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .._core.tracker import Patience, Watched, observe
from .._errors import ConfigError
from .._models import JSON, Fault, Job, Phase, Transition, both_words
from .._reading.api import REQUEST_TIMEOUT, JobAPI
from .._reading.bodies import plain_body
from .._reading.rpc import is_envelope
from .._reading.started import Response, response_in
from .._reading.words import USUAL_WORDS, text_of
from ..apis import APIS, GROUPS
from ..apis._files import api_in, draft_of, load_api, upgrade_of
from ._lines import print_columns, print_facts, print_json
from ._output import note, say
from ._render import ApiRecord, facts, job_record, moment, safe

if TYPE_CHECKING:
    from ._arguments import Options

_HEADINGS = ("API", "TOKEN IN", "SET", "ALSO NEEDS")
_LARGEST = 4 * 1024 * 1024
"""The largest sample to read, in bytes, unless the table says that replies may be larger."""

_MOST_BYTES_READ = 16 * 1024 * 1024

_ANY_ID = "(any)"
_WIDTH, _INDENT = 100, 11
_ENDS = (Phase.SUCCEEDED, Phase.PARTIAL, Phase.FINISHED, Phase.FAILED, Phase.CANCELLED)
_AT_AN_END = frozenset({"ended_at", "error", "result"})
"""Keys whose places many APIs fill at an end only."""
_WHY = {
    "type": "what kind of job it is, so that looks are timed by how long others of it took",
    "created_at": "when it was created",
    "started_at": "when it started",
    "ended_at": "when it ended",
    "error": "what went wrong",
}
_LISTS = ("nothing", "cancelled", "failed", "partial", "succeeded", "finished", "blocked", "running", "pending")
"""The lists of words that a table may have, in the order in which they are asked."""


def run(options: Options) -> int:
    """Print the APIs and whether each has a token, never the token itself; or check one."""
    if options.upgrade is not None:
        return _upgrade(options.upgrade)
    if options.from_openapi is not None:
        return _draft(options.from_openapi, options.path)
    if options.words:
        return _words(options)
    if options.check is not None:
        return _check(load_api(options.check), options)
    records = [_record(APIS[name], group) for group, names in GROUPS.items() for name in names]
    if options.json:
        for record in records:
            print_json(record)
        return 0
    rows: list[tuple[str, ...]] = [_HEADINGS]
    for group, apis in itertools.groupby(records, lambda record: record.group):
        rows += [(group, "", "", ""), *map(_row, apis)]
    print_columns(rows)
    return 0


def _record(api: JobAPI, group: str) -> ApiRecord:
    return ApiRecord(
        name=api.name,
        group=group,
        token_variable=api.token_variable or api.token_file_variable,
        token_is_set=any(os.environ.get(name) for name in (api.token_variable, api.token_file_variable)),
        token_is_optional=api.token_is_optional,
        base_url=_without_secrets(os.environ.get(api.base_url_variable) or api.base_url),
        params=tuple(api.params),
        needs=needs(api),
        base_url_variable=api.base_url_variable,
        lists_jobs=api.list_path is not None,
        docs=api.docs,
    )


def needs(api: JobAPI) -> tuple[str, ...]:
    """Return what has to be given beside the id and the token: a variable for the address, and parameters."""
    params = tuple(name for name, default in api.params.items() if default is None)
    return (*(() if api.base_url else (f"${api.base_url_variable}",)), *params)


def _row(record: ApiRecord) -> tuple[str, ...]:
    token = "yes" if record.token_is_set else "optional" if record.token_is_optional else "no"
    return f"  {record.name}", record.token_variable, token, " ".join(record.needs)


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


def _draft(file: str, path: str | None) -> int:
    """Print the first draft of a table, and on stderr what it lacks; return 1 if that is the status."""
    if path is None:
        raise ConfigError("which path is that of one job? --path /jobs/{id}")
    draft = draft_of(file, path)
    for line in draft.text.splitlines():
        say(line)
    for remark in draft.remarks:
        note(f"{safe(file)}: {safe(remark)}")
    api = api_in(draft.text)
    note(f"checked: it asks {api.method} {safe(api.base_url or '$' + api.base_url_variable)}{safe(api.job_path)}")
    if draft.example is not None:
        job = _job_in(api, Response(draft.example))
        seen = f"cannot be read: {job}" if isinstance(job, Fault) else f"reads {both_words(job.status, job.phase)}"
        note(f"the document's example {safe(seen)}")
    return 0 if draft.has_status else 1


def _words(options: Options) -> int:
    """Print the words that need no entry in a table, by what they mean."""
    common = {name: [word for word, phase in USUAL_WORDS.items() if phase.value == name] for name in _LISTS}
    if options.json:
        print_json(common)
        return 0
    for name, words in common.items():
        told = " ".join(words) or "(none in common: a table lists its own)"
        for line in textwrap.wrap(told, _WIDTH - _INDENT):
            say(f"{name:<{_INDENT}}{line}")
            name = ""  # noqa: PLW2901 - it stands in the first line only
    return 0


# --- --check ------------------------------------------------------------------------------------------------------


def _check(api: JobAPI, options: Options) -> int:
    """Print what a table says, or what it reads from a sample; return 1 if the sample cannot be read."""
    if not options.body:
        _describe(api)
        return 0
    sample = _sample(options.body, max(_LARGEST, api.max_body or 0))
    job = _job_in(api, sample)
    if not api.protocol and is_envelope(plain_body(sample.body if isinstance(sample.body, bytes) else b"")):
        note('the sample is an envelope of JSON-RPC: with protocol = "json-rpc", places start at its result')
    if isinstance(job, Fault):
        say(f"the sample cannot be read: {safe(str(job))}")
        if api.wanted_headers and not sample.headers:
            say("the table reads headers, and the sample has none: save it with curl -i")
        return 1
    if options.json:
        print_json(job_record(job))
        return 0
    told = _transitions(job)
    print_facts([*(fact for fact in facts(job) if fact[0] != "event"), *(("history", _shown(each)) for each in told)])
    if api.read_retry_after is not None:
        wait = api.retry_after(sample.body if isinstance(sample.body, bytes) else b"", job.id)
        say("not found: retry_after" if wait is None else f"asks to come back after {wait:g} s, and not sooner")
    for line in (
        *_meanings(api, sample, told),
        *_hidden(api, sample, job),
        *_lacking(api, sample, job),
        *_unread(api, sample, job),
    ):
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
    for name, sent in api.query.items():
        say(f"  adds {safe(name)}={safe(sent)} to the query of every URL")
    _describe_limits(api)
    _describe_other_requests(api)
    if api.words is not None:
        for phase in _ENDS:
            say(f"  {phase.value}: {_listed(*api.words.of(phase))}")
    for name, default in api.params.items():
        say(f"  --param {name}=" + ("..." if default is None else f"...  (default: {safe(default)})"))


def _describe_limits(api: JobAPI) -> None:
    if api.max_body is not None:
        say(f"  reads replies of up to {api.max_body} bytes, as received and without their content coding")
    if api.decodes_all:
        say("  decodes the whole of each reply, since it reads @ or $ itself: slow where a reply is large")
    if api.long_poll:
        say(f"  lets the server hold each request for {api.long_poll:g} s, until there is news")
    if api.request_timeout != REQUEST_TIMEOUT:
        say(f"  gives each request {api.request_timeout:g} s")
    if api.read_retry_after is not None:
        say("  looks again no sooner than a reply says under retry_after")


def _describe_other_requests(api: JobAPI) -> None:
    if api.continues is not None:
        by = f", read by {safe(api.continues.api)}" if api.continues.api else ""
        say(f"  goes on at the {'URL' if api.continues.is_url else 'id'} that a reply names{by}")
    if api.by_header:
        say(f"  reads in a way of its own what a start names by {safe(', '.join(sorted(api.by_header)))}")
    if api.inline is not None:
        say("  knows an answer that comes in place of a job: it is over at its start")
    for allowed in api.allowed_origins:
        sent = f"sends ${allowed.token} there" if allowed.token else "sends nothing there that came from a variable"
        say(f"  may be led to {safe(allowed.origin)}, and {sent}")
    for what, detail in (("what went wrong", api.error), ("what it made", api.result)):
        if detail is not None:
            method = "GET" if detail.body is None else "POST"
            say(f"  asks for {what} once, at the end: {method} {safe(detail.path)}")
    if api.stream_path is not None:
        say(f"  follows the stream of each job, whose events bring looks: GET {safe(api.stream_path)}")
    if api.items is not None:
        say(f"  joins its list of all pages, {api.items.paging.most} at most, and reads them again before an end")


def _listed(own: Sequence[str], common: Sequence[str]) -> str:
    """Return the words that mean an end, by who gave them."""
    parts = [f"{safe(', '.join(own))} (the table's)"] if own else []
    parts += [f"{', '.join(common)} (common)"] if common else []
    return "; ".join(parts) or "no word"


def _sample(name: str, most: int) -> Response:
    try:
        if name == "-":
            text = sys.stdin.buffer.read(most + 1)
        else:
            with Path(name).open("rb") as file:  # which may be a pipe: --body <(curl ...)
                text = file.read(most + 1)
    except OSError as error:
        raise ConfigError(f"cannot read {name}: {error.strerror}") from None
    if len(text) > most:
        raise ConfigError(f"{name} is larger than a sample reply can be: over {most} bytes")
    return response_in(text) if text.strip() else Response()


def _job_in(api: JobAPI, sample: Response) -> Job | Fault:
    """Read the job that a sample shows, whatever its id."""
    body = sample.body if isinstance(sample.body, bytes) else b""
    any_job = api.any_job(body)
    job_id = (any_job.id if any_job is not None else "") or _ANY_ID
    job = api.job(body, job_id, sample.status, headers=sample.headers)
    if isinstance(job, Fault) or job_id == _ANY_ID:
        return _job_under_its_id(api, body, sample) or job
    return job


def _job_under_its_id(api: JobAPI, body: bytes, sample: Response) -> Job | None:
    """Return the first job that lies under its own id, or that its id selects; a sample does not say which id it is."""
    without_id = api.job(body, _ANY_ID, sample.status, headers=sample.headers)
    # Each try reads the sample anew; a large one is not read as often as it has texts.
    tries = max(1, _MOST_BYTES_READ // (len(body) + 1))
    for job_id in itertools.islice(_texts_in(plain_body(body)), tries):
        job = api.job(body, job_id, sample.status, headers=sample.headers)
        if isinstance(job, Job) and (isinstance(without_id, Fault) or job.status != without_id.status):
            return job
    return None


def _texts_in(value: JSON) -> Iterator[str]:
    return (each for each in _words_in(value, keys=True) if isinstance(each, str))


def _words_in(value: JSON, *, keys: bool = False) -> Iterator[str | float]:
    """Yield the texts and numbers of a reply, with its keys or without."""
    match value:
        case dict():
            for key, inner in value.items():
                yield from (key,) if keys else ()
                yield from _words_in(inner, keys=keys)
        case list():
            for inner in value:
                yield from _words_in(inner, keys=keys)
        case str() | int() | float():
            yield value
        case None:
            pass


def _transitions(job: Job) -> tuple[Transition, ...]:
    """Return what whoever waits for the job would be told if this were the first look at it."""
    return observe(Watched(job_id=job.id, api=job.api), job, time.time(), Patience()).transitions


def _shown(transition: Transition) -> str:
    when = f"{moment(transition.at)}  " if transition.at is not None else ""
    before = " [gap before]" if transition.gap else ""
    return f"{when}{both_words(safe(transition.status), transition.phase)}{before}"


def _meanings(api: JobAPI, sample: Response, told: Iterable[Transition]) -> Iterator[str]:
    """Say of each word that means an end whether the table or the common list has it, and which words mean nothing."""
    words = {text_of(each) for each in _words_in(_decoded(sample))} | set(sample.headers.values())
    for status, phase in dict.fromkeys((each.status, each.phase) for each in told):
        meaning = Phase.UNKNOWN if api.words is None else api.words.meaning(status)[1]
        if phase is Phase.UNKNOWN and meaning.ended:
            why = "behind an empty place of status, it may only say that the job is over"
            yield f"{safe(status)} is a common word for {meaning.value}, but {why}: put it under [words]"
        elif phase is Phase.UNKNOWN:
            yield f"the word {safe(status)} means nothing yet: put it under [words], by what it means"
        # A state that a condition or an HTTP status tells stands nowhere in the sample.
        elif phase.ended and api.words is not None and status in words and api.words.meaning(status)[1] is phase:
            where = "the table's own words" if api.words.is_given(status) else "the common words"
            yield f"the word {safe(status)} means {phase.value} by {where}"
            if phase is Phase.FINISHED and not api.words.is_given(status):
                yield f"if only a success is told so: words.succeeded = [{json.dumps(safe(status))}]"


def _decoded(sample: Response) -> JSON:
    """Return what a sample that could be read tells: JSON, or a line of text."""
    body = sample.body if isinstance(sample.body, bytes) else b""
    decoded = plain_body(body)
    return body.decode(errors="replace").strip() if decoded is None else decoded


def _hidden(api: JobAPI, sample: Response, job: Job) -> Iterator[str]:
    """Say of each word that means an end that a condition goes before it, and says that the job goes on."""
    if api.told is None or api.words is None or job.phase.ended or job.phase is Phase.UNKNOWN:
        return
    for word in api.told(_decoded(sample), sample.headers, job.id):
        meaning = api.words.meaning(word)[1]
        if meaning.ended and word != job.status:
            by = f"{job.phase.value}_if holds, and goes before the words"
            yield f"the word {safe(word)} would mean {meaning.value}, but {by}: such a condition must end with the job"


_UNREAD = {
    **dict.fromkeys(("created_at", "started_at", "ended_at", "updated_at"), "a time"),
    "progress": 'a part of a whole; percent is written { done = "percent", of = 100 }',
}
"""What the value in the place of a key is read as."""


def _unread(api: JobAPI, sample: Response, job: Job) -> Iterator[str]:
    """Say which values stand where the table says, and are not what belongs there."""
    if api.lacking is None:
        return
    named = dict(api.lacking({}, {}, job.id))
    lacked = {key for key, _ in api.lacking(_decoded(sample), sample.headers, job.id)}
    for key, what in _UNREAD.items():
        if key in named and key not in lacked and getattr(job, key) is None:
            yield f"cannot be read: {key}, in {safe(named[key])}: what stands there is not {what}"


def _lacking(api: JobAPI, sample: Response, job: Job) -> Iterator[str]:
    """Say what the table names and the sample lacks."""
    for key, places in () if api.lacking is None else api.lacking(_decoded(sample), sample.headers, job.id):
        why = f" ({_WHY[key]})" if key in _WHY else ""
        later = ", which may come with an end" if key in _AT_AN_END and not job.phase.ended else ""
        yield f"not found: {key}, in {safe(places)}{why}{later}"
