"""What checkers see of waiting without async: read by them only."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import assert_type

from msgspec import Struct

import jobwatch
from jobwatch import JSON, Job, JobAPI, Pace, SyncClient, SyncWait, Transition
from jobwatch.apis import CAPYDB
from jobwatch.apis.bedrock import CmsJob, VisionJob
from jobwatch.apis.capydb import CapyJob


class Report(Struct):
    """A result of one's own."""

    pages: int


def functions(api: str, table: JobAPI) -> None:
    """One call for one wait."""
    job = jobwatch.wait("job_1", api="capydb", timeout="10m", token="t", pace=Pace(min_interval="1s"))
    assert_type(job, Job[CapyJob])
    assert_type(job.wire.last_exit_code, int | None)
    assert_type(job.result, JSON)
    assert_type(jobwatch.wait(7, "bedrock", timeout=timedelta(minutes=1)), Job[CmsJob | VisionJob])
    assert_type(jobwatch.wait("job_1", CAPYDB, result=Report), Job[CapyJob, Report])
    for found in (jobwatch.wait("job_1", api), jobwatch.wait("job_1", table), jobwatch.wait("job_1", "github")):
        assert_type(found, Job)
    assert_type(jobwatch.wait_all([1, "job_2"], "capydb"), list[Job[CapyJob]])
    assert_type(jobwatch.wait_all(["job_1"], CAPYDB, result=Report), list[Job[CapyJob, Report]])
    changes = jobwatch.watch("job_1", api="capydb", result=Report)
    assert_type(changes, SyncWait[CapyJob, Report])
    assert_type(list(changes), list[Transition])
    assert_type(changes.result().result.pages, int)


def client() -> None:
    """Several calls."""
    assert_type(SyncClient("github"), SyncClient[Struct | None])
    with SyncClient("capydb", max_rate=2.0) as entered:
        assert_type(entered, SyncClient[CapyJob])
        assert_type(entered.wait_for("job_1", "10m"), Job[CapyJob])
        assert_type(entered.wait_for("job_1", result=Report), Job[CapyJob, Report])
        assert_type(entered.wait_all({"job_1"}), list[Job[CapyJob]])
        assert_type(entered.as_completed([1, 2]), Iterator[SyncWait[CapyJob]])
        assert_type(entered.watch("job_1").job, Job[CapyJob] | None)
        assert_type(entered.job("job_1"), Job[CapyJob])
        assert_type(entered.job("job_1", result=Report), Job[CapyJob, Report | None])
        assert_type(entered.jobs("prj_1"), tuple[Job[CapyJob], ...])


def mistakes() -> None:
    """What a checker has to refuse: a comment that ignores nothing is an error itself."""
    jobwatch.wait("job_1", api="capydb", tiemout=3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    jobwatch.wait(None, api="capydb")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
