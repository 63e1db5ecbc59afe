"""How much does it cost to read a job through a table, beside a hand-written Struct?

CapyDB's documented body, once read by ``jobwatch.apis.capydb`` and once by the same API written down as a table. Both
read the very same bodies, of a thousand jobs with texts of their own, so that nothing is found in a cache. The bias:
the module decodes every documented field, since it hands out the whole record as ``Job.wire``, and the table decodes
only what it names; the limit is 2.5 times the module's time. Run ``python -m benchmarks.table [--json]``.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import time
import tomllib
from collections.abc import Sequence

import msgspec

from jobwatch import Job, JobAPI
from jobwatch._table.compile import api_of
from jobwatch.apis import CAPYDB

LIMIT = 2.5
_JOBS = 1000
_ROUNDS = 15

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


def microseconds(api: JobAPI, bodies: Sequence[tuple[str, bytes]]) -> float:
    """Return how long it takes to read one body."""
    began = time.perf_counter()
    for job_id, raw in bodies:
        api.job(raw, job_id)
    return (time.perf_counter() - began) / len(bodies) * 1e6


def main() -> None:
    """Measure, by turns, and print the medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    table = api_of(tomllib.loads(TABLE), "capydb")
    bodies = [(f"job_{number}", body(number)) for number in range(_JOBS)]
    mine, theirs = table.job(bodies[0][1], "job_0"), CAPYDB.job(bodies[0][1], "job_0")
    if not isinstance(theirs, Job) or mine != msgspec.structs.replace(theirs, wire=None):
        raise SystemExit("the two do not read the same")
    gc.disable()
    rounds = [(microseconds(CAPYDB, bodies), microseconds(table, bodies)) for _ in range(_ROUNDS)]
    module, read = (statistics.median(column) for column in zip(*rounds, strict=True))
    ratio = statistics.median(second / first for first, second in rounds)
    if options.json:
        print(json.dumps({"module_us": module, "table_us": read, "ratio": ratio, "limit": LIMIT}))
    else:
        print(f"module {module:.1f} us, table {read:.1f} us: {ratio:.2f} times, the limit is {LIMIT}")


if __name__ == "__main__":
    main()
