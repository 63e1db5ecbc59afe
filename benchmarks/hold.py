"""How long do the largest replies hold the event loop, whatever is in them?

msgspec holds the whole process while it decodes, so a thread would not help: what a reply of 1 MiB costs has to be
bounded by what is wanted of it. Each reader is given bodies of that size which are built to cost time (lists and
objects by the hundred thousand, nested or not, numbers that are hard to read, keys that come again and again, jobs and
events that are wrong or not) in each place where it reads something. What is read then goes into the tracker, as at a
job's first look. The figure is the least CPU time of some rounds, since what else the machine does is no property of
the reader. Left out: the HTTP client's own work, which reads a body in pieces, with turns for others between them.
Run ``python -m benchmarks.hold [--rounds N] [--json]``.
"""

from __future__ import annotations

import argparse
import time
import tomllib
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice

from multidict import CIMultiDict

from benchmarks.rows import as_json, compared
from benchmarks.table import TABLE
from jobwatch import Job, JobAPI
from jobwatch._core.tracker import Patience, Watched, observe
from jobwatch._http.answer import judged
from jobwatch._http.reader import ERROR_BODY_CAP
from jobwatch._http.sse import EventParser, Flow
from jobwatch._table.compile import api_of
from jobwatch.apis import BEDROCK, CAPYDB
from jobwatch.apis.capydb import CapyJob

LIMIT = 50.0
_SIZE = 1024 * 1024
_PIECE = 256 * 1024  # as much as asyncio reads at once
MORE = """
progress = "progress"
events = { path = "events", status = "status", at = "timestamp" }
list = { request = "/v1/projects/{project_id}/jobs?limit={limit}", root = "jobs" }
"""
HISTORY = 'events = { path = "events", status = "status", at = "timestamp", request = "/v1/jobs/{job_id}/log" }'
BY_TASKS = 'job = "https://api.test/jobs/{job_id}"\nid = "id"\n'
EXPRESSIONS = (
    'status = "tasks"',
    'status = "tasks[*].status"',
    "status = \"tasks[?status == 'x'] | [0].status\"",
    "status = \"join('', tasks[].status[])\"",
    "status = 'id'\nfailed_if = [\"tasks[?a]\", \"tasks[?b == 'x']\", \"contains(tasks[].c, 'x')\"]",
    "status = 'id'\ntimes = \"tasks\"",
)
_TIMES = [name for name in CapyJob.__struct_fields__ if name.endswith("_at")]


def many(item: bytes, most: int = _SIZE) -> bytes:
    """Return a list of one item again and again, of nearly 1 MiB."""
    return b"[" + b",".join([item] * min(most, (_SIZE - 2000) // (len(item) + 1))) + b"]"


def again(pairs: bytes) -> bytes:
    """Return a value, and then the same keys again and again."""
    return b"null" + (b"," + pairs) * ((_SIZE - 2000) // (len(pairs) + 1))


def fields(names: list[str], value: bytes) -> bytes:
    """Return fields that all hold one value."""
    return b",".join(b'"%b":%b' % (name.encode(), value) for name in names)


VALUES = {
    "lists": many(b"[]"),
    "lists in lists": many(b"[" * 400 + b"]" * 400),
    "objects": many(b"{}"),
    "objects in objects": many(b'{"":' * 400 + b"0" + b"}" * 400),
    "lists without end": b"[" * 500_000 + b"]" * 500_000,
    "whole numbers": many(b"7"),
    "long numbers": many(b"7" * 4000),
    "one long number": b"7" * 1_000_000,
    "fractions": many(b"1.5"),
    "the smallest number": many(b"5e-324"),
    "the largest number": many(b"1.7976931348623157e308"),
    "both, and fractions": b"[" + b"5e-324," * 1500 + b"1.5," * 125_000 + b"0]",
    "strings": many(b'""'),
    "escapes": b'"' + b"\\u00e9" * 170_000 + b'"',
    "keys": b"{" + b",".join(b'"%x":0' % number for number in range(100_000)) + b"}",
    "entries": many(b'{"status":""}'),
    "entries in entries": many(b'{"status":[{"status":[{"status":"x"}]}]}'),
    "words": many(b'"running"'),
    "keys with times": b"{" + b",".join(b'"%x":1700000000' % number for number in range(55_000)) + b"}",
    "5,000 entries": many(b'{"status":"running","timestamp":"2024-01-01T00:00:00Z"}', 5000),
    "5,000 words": b"[" + b",".join(b'{"status":"%x\\u00e9%b"}' % (n, b"x" * 180) for n in range(5000)) + b"]",
    "5,000 wrong times": many(b'{"status":"","timestamp":"2024-01-01t00:00:60x"}', 5000),
    "5,000 hard times": many(b'{"status":""' + b',"timestamp":5e-324' * 9 + b"}", 5000),
    "5,000 entries that do not fit": many(b'{"status":"","timestamp":[]}', 5000),
    "a key again and again": again(b'"created_at":5e-324'),
    "another": again(b'"progress":5e-324,"attempts":5e-324'),
}
JOBS = {
    "small": b'{"id":1,"state":""}',
    "usual": b'{"id":"a","state":"running","last_stdout":"%b",%b}'
    % (b"x" * 600, fields(_TIMES, b'"2024-01-01T00:00Z"')),
    "wrong times": b'{"id":1,"state":"",%b}' % fields(_TIMES, b'"2024-01-01t00:00:60x"'),
    "hard times": b'{"id":1,"state":"",%b}' % fields(_TIMES, b"5e-324"),
    "hard times again and again": b'{"id":1,"state":""%b}' % (b',"created_at":5e-324' * 50),
    "no field fits": b'{"id":1,"state":"",%b}' % fields(list(CapyJob.__struct_fields__[2:-1]), b"{}"),
    "wrong": b'{"id":1,"state":[]}',
    "hard results": b'{"id":1,"state":"","result":%b}' % many(b"5e-324", 140),
    "results of lists": b'{"id":1,"state":"","result":%b}' % many(b"[]", 330),
    "null": b"null",
}
STREAMS = {
    "comments": b":\n",
    "empty lines": b"\n",
    "empty events": b"data:\n\n",
    "states": b'data:{"status":"x"}\n\n',
    "wrong states": b'data:{"status":[]}\n\n',
    "hard ids": b'data:{"job_id":5e-324}\n\n',
    "large events": b"data:{%b}\n\n" % (b'"job_id":5e-324,"status":[],' * 2000 + b'"":0'),
}


def look(api: JobAPI, body: bytes) -> None:
    """Read a job and take it in, as at its first look."""
    seen = api.job(body, "a")
    if isinstance(seen, Job):
        observe(Watched(job_id="a", api=api.name), seen, 1e9, Patience())


def refuse(body: bytes) -> None:
    """Read an error, of which the transport reads the beginning; one that ends there where it can be cut."""
    judged(500, CIMultiDict(), body[:ERROR_BODY_CAP], problem=BEDROCK.problem)
    cut = body[: body.rfind(b",", 0, ERROR_BODY_CAP)] + b"]}"
    judged(500, CIMultiDict(), cut, problem=BEDROCK.problem)


def follow(pattern: bytes) -> None:
    """Read what a stream brings at once, as a source does."""
    piece = (pattern * (_PIECE // len(pattern) + 1))[:_PIECE]
    if Flow(0.0).allows(piece, 0.0):
        for event in EventParser().feed(piece):
            BEDROCK.hint(event.data, event.name)


def cases() -> Iterator[tuple[str, str, Callable[[], object]]]:
    """Yield each reader, what it is given, and the reading of that."""
    start = b'"id":"a","job_id":"a","status":"RUNNING","state":"running"'
    table = api_of(tomllib.loads(TABLE + MORE), "capydb")
    history = api_of(tomllib.loads(TABLE + HISTORY), "capydb")
    by_tasks = {text: api_of(tomllib.loads(BY_TASKS + text), "own") for text in EXPRESSIONS}
    for name, value in VALUES.items():
        for field in ("results", "result", "events", "payload", "error", "created_at", "progress", "x"):
            body, told = b'{%b,"%b":%b}' % (start, field.encode(), value), f"{field}: {name}"
            yield "a job of Bedrock's", told, partial(look, BEDROCK, body)
            yield "the same in an envelope", told, partial(look, BEDROCK, b'{"data":%b}' % body)
            yield "a job of CapyDB's", told, partial(look, CAPYDB, b'{"job":%b}' % body)
            yield "a job through a table", told, partial(look, table, b'{"job":%b}' % body)
        yield "a history through a table", name, partial(history.history, b'{"events":%b}' % value)
        for text, api in by_tasks.items():
            yield "by an expression", f"{text}: {name}", partial(look, api, b'{"id":"a","tasks":%b}' % value)
        yield "a list of CapyDB's", f"jobs: {name}", partial(CAPYDB.jobs, b'{"jobs":%b}' % value)
        yield "a list through a table", f"jobs: {name}", partial(table.jobs, b'{"jobs":%b}' % value)
        for field in ("errors", "error", "message"):
            yield "an error", f"{field}: {name}", partial(refuse, b'{"%b":%b}' % (field.encode(), value))
    for name, job in JOBS.items():
        yield "a list of CapyDB's", name, partial(CAPYDB.jobs, b'{"jobs":%b}' % many(job))
        yield "a list through a table", name, partial(table.jobs, b'{"jobs":%b}' % many(job))
    for name, pattern in STREAMS.items():
        yield "a piece of a stream", name, partial(follow, pattern)


def milliseconds(read: Callable[[], object], rounds: int) -> float:
    """Return the least CPU time of some rounds."""
    least = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        read()
        least = min(least, time.process_time() - began)
    return least * 1e3


def main() -> None:
    """Measure each case, and print for each reader the three that hold longest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--every", type=int, default=1, metavar="N", help="read only each Nth case")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    measured: dict[str, list[tuple[float, str]]] = {}
    for reader, name, read in islice(cases(), None, None, options.every):
        measured.setdefault(reader, []).append((milliseconds(read, options.rounds), name))
    longest = {reader: sorted(held, reverse=True)[:3] for reader, held in measured.items()}
    if options.json:
        rows = [
            compared(f"{reader} in ms: {held[0][1]}", held[0][0], LIMIT, "the limit", 1.0)
            for reader, held in longest.items()
        ]
        print(as_json(rows, cases=sum(map(len, measured.values())), longest_ms=longest))
        return
    for reader, held in longest.items():
        print(f"{reader}: " + ", ".join(f"{taken:.1f} ms ({name})" for taken, name in held))
    print(f"{sum(map(len, measured.values()))} cases; the limit is {LIMIT:g} ms")


if __name__ == "__main__":
    main()
