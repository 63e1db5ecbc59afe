"""How much does it cost to read a job through a table, beside a hand-written Struct?

CapyDB's documented body, once read by ``jobwatch.apis.capydb`` and once by the same API written down as a table; then
replies of 6 KB and of 4 MB with the same job in them, once read by a Struct of no more than the fields that the table
names, and once by the table, without and with a filter among its conditions. All read the very same bodies, with texts
of their own, so that nothing is found in a cache, by turns; the ratio is that of the rounds with the least CPU time.
The bias: the module decodes every documented field, since it hands out the whole record as ``Job.wire``; the Struct
builds the `Job` that the table builds, with the library's own words and times.

    python -m benchmarks.table [--rounds N] [--json]
"""

from __future__ import annotations

import argparse
import gc
import time
import tomllib
from collections.abc import Callable, Sequence
from sys import intern
from typing import TypeAlias

import msgspec
from msgspec import Raw, Struct

from jobwatch import Event, Fault, Job, Phase, Problem
from jobwatch._reading.bodies import plain
from jobwatch._reading.times import moment_of
from jobwatch._table.compile import api_of
from jobwatch.apis import CAPYDB
from jobwatch.apis.capydb import WORDS

from .rows import as_json, as_text, compared

LIMITS = {"documented": 2.5, "6 KB": 3.0, "6 KB, a filter": 8.0, "4 MB": 1.3}
"""How many times as long a table may take as what is written by hand."""

_JOBS = 1000
_LARGE_JOBS = 3
_ROUNDS = 25

TABLE = """
job = "https://capydb.dev/api/capydb/v1/jobs/{job_id}"
token = "CAPYDB_API_KEY"
root = "job"
id = "id"
status = "state"
type = "type"
project = "project_id"
error = "error"
result = "result"
attempt = "attempts"
created_at = "created_at"
started_at = "started_at"
ended_at = "completed_at"
updated_at = "updated_at"
times = { pending = "created_at", running = "started_at" }
"""
FILTERED = (
    TABLE
    + """failed_if = "state == 'failed' && steps[?status == 'broken']"
"""
)


def body(number: int) -> bytes:
    """Return the body of one job, every documented field filled in."""
    second = f"{number // 60 % 60:02d}:{number % 60:02d}.{number:06d}"
    job = {
        "attempts": 1,
        "claimed_at": f"2019-08-24T14:{second}Z",
        "claimed_by": "worker-7",
        "cluster_id": "cls_1",
        "completed_at": f"2019-08-24T17:{second}Z",
        "created_at": f"2019-08-24T15:{second}Z",
        "error": "the disk is full",
        "id": f"job_{number}",
        "last_exit_code": 1,
        "last_stderr": "cannot extend file",
        "last_stdout": "restoring",
        "locked_resource": "prj_1",
        "max_attempts": 3,
        "organization_id": "org_1",
        "preview_database_id": "pvw_1",
        "project_id": "prj_1",
        "retry_classification": "none",
        "started_at": f"2019-08-24T16:{second}Z",
        "state": "failed",
        "type": "project.restore",
        "updated_at": f"2019-08-24T18:{second}Z",
    }
    return msgspec.json.encode({"job": job})


class Row(Struct, frozen=True):
    """The fields that the table names, and no more."""

    id: str | int
    state: str
    type: str | None = None
    project_id: str | None = None
    error: str | None = None
    result: Raw = Raw(b"")
    attempts: int | None = None
    created_at: str | None = None
    started_at: str | None = None
    completed_at: str | None = None
    updated_at: str | None = None


class Envelope(Struct, frozen=True):
    """What the job lies in."""

    job: Row


_decode = msgspec.json.Decoder(Envelope).decode


def by_hand(body: bytes, job_id: str) -> Job:
    """Read a job as somebody would who knows the library and this one body."""
    row = _decode(body).job
    status, phase = WORDS.meaning(row.state)
    created_at, started_at = moment_of(row.created_at), moment_of(row.started_at)
    proven = Event("pending", Phase.PENDING, created_at), Event("running", Phase.RUNNING, started_at)
    if str(row.id) != job_id:
        raise ValueError(job_id)
    return Job(
        id=str(row.id),
        api="capydb",
        status=status,
        phase=phase,
        type=row.type and intern(row.type),
        project_id=row.project_id and intern(row.project_id),
        created_at=created_at,
        started_at=started_at,
        ended_at=moment_of(row.completed_at) if phase.ended else None,
        updated_at=moment_of(row.updated_at),
        attempt=row.attempts,
        proven=tuple(event for event in proven if event.at is not None),
        error=Problem(row.error) if row.error else None,
        result=plain(row.result),
    )


def grown(raw: bytes, size: int) -> bytes:
    """Return a body with so many bytes of a log in its job, and a few steps that a filter can go through."""
    reply = msgspec.json.decode(raw)
    lines = [f"2019-08-24T15:00:00Z step {number} of the restore: copied 4096 pages" for number in range(size // 64)]
    steps = [{"name": f"step {number}", "status": "done", "seconds": number} for number in range(8)]
    return msgspec.json.encode({"job": {**reply["job"], "log": lines, "steps": steps}})


Reader: TypeAlias = Callable[[bytes, str], Job | Fault]


def quickest(
    first: Reader, second: Reader, bodies: Sequence[tuple[str, bytes]], rounds: int = _ROUNDS
) -> tuple[float, float]:
    """Return how long each takes to read one body, in microseconds: the quickest of rounds that are run by turns."""
    if first(bodies[0][1], bodies[0][0]) != second(bodies[0][1], bodies[0][0]):
        raise SystemExit("the two do not read the same")
    found = [(_took(first, bodies), _took(second, bodies)) for _ in range(rounds)]
    return min(row[0] for row in found), min(row[1] for row in found)


def _took(read: Reader, bodies: Sequence[tuple[str, bytes]]) -> float:
    began = time.process_time()
    for job_id, raw in bodies:
        read(raw, job_id)
    return (time.process_time() - began) / len(bodies) * 1e6


def _module(body: bytes, job_id: str) -> Job | Fault:
    job = CAPYDB.job(body, job_id)
    return job if isinstance(job, Fault) else msgspec.structs.replace(job, wire=None)


def main() -> None:
    """Measure, and print the times and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=_ROUNDS)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    table = api_of(tomllib.loads(TABLE), "capydb").job
    filtered = api_of(tomllib.loads(FILTERED), "capydb").job
    documented = [(f"job_{number}", body(number)) for number in range(_JOBS)]
    medium = [(job_id, grown(raw, 5_000)) for job_id, raw in documented]
    large = [(job_id, grown(raw, 4_000_000)) for job_id, raw in documented[:_LARGE_JOBS]]
    gc.disable()
    figures = {
        "documented": quickest(_module, table, documented, options.rounds),
        "6 KB": quickest(by_hand, table, medium, options.rounds),
        "6 KB, a filter": quickest(by_hand, filtered, medium, options.rounds),
        "4 MB": quickest(by_hand, filtered, large, options.rounds),
    }
    rows = [
        compared(f"a reply in us: {name}", read, hand, "a Struct written by hand", LIMITS[name])
        for name, (hand, read) in figures.items()
    ]
    print(as_json(rows) if options.json else as_text(rows))


if __name__ == "__main__":
    main()
