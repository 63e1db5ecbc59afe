"""Reports from what a watcher's journal holds."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from jobwatch._core.matching import Fingerprint
from jobwatch._core.tracker import SeenBlocked, Watched
from jobwatch._models import Fault, FaultKind, Outcome, Phase, Problem, Transition
from jobwatch._report.journal import report_of
from jobwatch._report.model import ReportedJob
from jobwatch._report.words import outcome
from jobwatch._watching.changes import Change, ChangeKind, Health
from jobwatch._watching.reading import copy_of
from jobwatch._watching.records import JobRecord, RecordState

from .making import T

DATA = Path(__file__).parents[1] / "watching" / "data"


def record(state: RecordState = RecordState.WATCHED, changed: float = 0.0, **facts: Any) -> JobRecord:
    watched = Watched(job_id="a", api="capydb", added_at=T, **facts)
    return JobRecord(job_id="a", state=state, health=Health.OK, seq=9, watched=watched, changed_at=T + changed)


def told(of: JobRecord, *changes: Change) -> ReportedJob:
    (job,) = report_of("capydb", [of], changes).jobs
    return job


def spans(job: ReportedJob) -> list[tuple[str, Phase, float, float]]:
    return [(state.status, state.phase, state.began - T, state.ended - T) for state in job.states]


def marks(*told_at: tuple[str, float | None]) -> tuple[Fingerprint, ...]:
    return tuple(Fingerprint(status, None if at is None else T + at) for status, at in told_at)


def test_a_job_that_is_watched_shows_the_states_that_are_remembered_up_to_the_last_look_at_any() -> None:
    watched = record(
        delivered=marks(("queued", 0.0), ("dumping", 3.0), ("running", 5.0)), seq=3, status="running",
        phase=Phase.RUNNING,
        looked_at=T + 60.0, progress=0.5, looks=7,
    )  # fmt: skip
    later = record(looked_at=T + 90.0)
    job, _ = report_of("capydb", [watched, later], []).jobs
    assert spans(job) == [
        ("queued", Phase.PENDING, 0.0, 3.0),
        ("dumping", Phase.UNKNOWN, 3.0, 5.0),  # nothing remembers what that meant
        ("running", Phase.RUNNING, 5.0, 90.0),
    ]
    assert (job.goes_on, job.progress, job.looks, outcome(job)) == (True, 0.5, 7, "goes on")


def test_a_state_that_another_followed_was_no_end_whatever_its_word_means_elsewhere() -> None:
    told_at = marks(("failed", 0.0), ("running", 5.0))
    job = told(record(delivered=told_at, seq=2, status="running", phase=Phase.RUNNING, looked_at=T + 9))
    assert [state.phase for state in job.states] == [Phase.UNKNOWN, Phase.RUNNING]


def test_states_that_are_not_remembered_any_more_are_a_gap() -> None:
    job = told(record(delivered=marks(("running", 5.0)), seq=4, status="running", phase=Phase.RUNNING, looked_at=T + 9))
    assert [state.gap for state in job.states] == [True]


def test_a_state_without_a_time_is_one_that_nobody_knows_but_for_the_last() -> None:
    job = told(
        record(delivered=marks(("queued", 0.0), ("running", None), ("testing", None)), seq=3, status="testing",
               phase=Phase.RUNNING, entered_at=T + 20.0, looked_at=T + 30.0)
    )  # fmt: skip
    assert spans(job) == [("queued", Phase.PENDING, 0.0, 20.0), ("testing", Phase.RUNNING, 20.0, 30.0)]
    assert (job.states[1].untimed, job.states[1].as_seen) == (("running",), True)


def test_a_job_that_ended_shows_its_start_and_its_end_and_between_them_a_gap() -> None:
    job = told(
        record(RecordState.ENDED, 52.0, delivered=marks(("completed", 50.0)), seq=3, status="completed",
               phase=Phase.SUCCEEDED, started_at=T + 1.0, outcome=Outcome.SUCCEEDED)
    )  # fmt: skip
    assert spans(job) == [("started", Phase.RUNNING, 1.0, 50.0), ("completed", Phase.SUCCEEDED, 50.0, 50.0)]
    assert [state.gap for state in job.states] == [False, True]
    assert (job.ran, job.known_after, outcome(job)) == (49.0, 2.0, "succeeded")


@pytest.mark.parametrize("started", [None, 51.0])
def test_an_end_without_a_start_before_it_stands_alone(started: float | None) -> None:
    job = told(
        record(RecordState.ENDED, 52.0, delivered=marks(("completed", 50.0)), seq=3, status="completed",
               phase=Phase.SUCCEEDED, started_at=None if started is None else T + started, outcome=Outcome.SUCCEEDED)
    )  # fmt: skip
    assert spans(job) == [("completed", Phase.SUCCEEDED, 50.0, 50.0)]


def test_an_end_whose_time_nobody_tells_is_when_it_was_seen() -> None:
    job = told(
        record(RecordState.ENDED, 52.0, delivered=marks(("completed", None)), seq=1, status="completed",
               phase=Phase.SUCCEEDED, outcome=Outcome.SUCCEEDED, entered_at=T + 52.0)
    )  # fmt: skip
    assert spans(job) == [("completed", Phase.SUCCEEDED, 52.0, 52.0)]
    assert job.known_after is None


def change(seq: int, status: str, phase: Phase, at: float, seen: float) -> Change:
    seen_at = datetime.fromtimestamp(T + seen, UTC)
    transition = Transition("a", seq, status, phase, datetime.fromtimestamp(T + at, UTC), seen_at)
    error = Problem("no room", "E1") if phase is Phase.FAILED else None
    kind = ChangeKind.END if phase.ended else ChangeKind.STATE
    return Change(job_id="a", seq=seq, kind=kind, seen_at=seen_at, transition=transition, error=error)


def test_what_is_not_acknowledged_yet_tells_all_of_a_job() -> None:
    job = told(
        record(RecordState.ENDED, 52.0, delivered=marks(("failed", 50.0)), seq=3, status="failed", phase=Phase.FAILED,
               outcome=Outcome.FAILED),
        change(1, "pending", Phase.PENDING, 0.0, 0.1),
        change(2, "running", Phase.RUNNING, 4.0, 4.5),
        change(3, "failed", Phase.FAILED, 50.0, 51.5),
    )  # fmt: skip
    assert spans(job) == [
        ("pending", Phase.PENDING, 0.0, 4.0),
        ("running", Phase.RUNNING, 4.0, 50.0),
        ("failed", Phase.FAILED, 50.0, 50.0),
    ]
    assert not any(state.gap for state in job.states)
    assert (job.error, job.known_after) == ("E1: no room", 1.5)


def test_a_job_that_was_dropped_goes_on_as_far_as_it_was_seen() -> None:
    dropped = record(
        RecordState.DROPPED, 30.0, delivered=marks(("running", 1.0)), seq=1, status="running", phase=Phase.RUNNING,
        looked_at=T + 20.0,
    )  # fmt: skip
    job, _ = report_of("capydb", [dropped, record(looked_at=T + 90.0)], []).jobs
    assert spans(job) == [("running", Phase.RUNNING, 1.0, 20.0)]
    assert outcome(job) == "not watched any more"


def test_why_a_job_failed_is_kept_with_it() -> None:
    fault = Fault(FaultKind.TLS, "x")
    ended = record(RecordState.ENDED, phase=Phase.FAILED, error=Problem("disk full", "E1"), fault=fault)
    assert told(ended).error == "E1: disk full"


def test_a_job_that_was_never_read_and_why() -> None:
    job = told(record(fault=Fault(FaultKind.UNREACHABLE, "no answer", 503)))
    assert (job.states, job.error, outcome(job)) == ((), "no answer (HTTP 503)", "not seen yet")


def test_what_a_blocked_job_asks_is_told_and_only_while_it_does() -> None:
    blocked = SeenBlocked(T, T + 20.0, "Deploy?", "https://ci.test/1")
    for phase, asked in ((Phase.BLOCKED, "Deploy?"), (Phase.RUNNING, None)):
        known = record(delivered=marks(("x", 1.0)), seq=1, status="x", phase=phase, blocked=blocked, looked_at=T + 20)
        job = told(known)
        assert job.asked == asked


@pytest.mark.parametrize(("name", "jobs"), [("journal-0.1.db", 6), ("journal-0.1-words.db", 4)])
def test_a_journal_of_an_earlier_build(name: str, jobs: int) -> None:
    copy = copy_of(DATA / name)
    report = report_of(copy.api, copy.records, copy.changes)
    assert len(report.jobs) == jobs
    assert all(job.states for job in report.jobs)
    assert {job.job_id: outcome(job) for job in report.jobs}["ended"] == "succeeded"


def test_a_journal_without_jobs() -> None:
    assert report_of("capydb", [], []).jobs == ()
