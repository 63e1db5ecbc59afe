"""What a wait comes to at its time limit: values only."""

from __future__ import annotations

import pytest

from jobwatch import Fault, FaultKind, Watched
from jobwatch._core.limits import TELLING, AtLimit, Unanswered, at_limit

SILENT = Unanswered(3.0, "api.test took the connection and did not answer")
SHORT = Unanswered(TELLING - 0.1, "api.test did not take the connection")
NEVER = Watched(job_id="j", api="a")
READ = Watched(job_id="j", api="a", status="RUNNING", looks=3, looked_at=1.0)


def fault(kind: FaultKind, watched: Watched = NEVER) -> Watched:
    return Watched(job_id="j", api="a", looks=1, looked_at=watched.looked_at, fault=Fault(kind, "what it was", 500))


def test_a_job_that_was_read_goes_on_as_far_as_anybody_knows() -> None:
    assert at_limit(READ, 3.0, None, was_read=True) == AtLimit()
    assert at_limit(READ, 3.0, SHORT, was_read=True) == AtLimit(), "it may be answered in a moment"
    silent = Fault(FaultKind.UNREACHABLE, "api.test took the connection and did not answer within 3.0 s")
    assert at_limit(READ, 3.0, SILENT, was_read=True) == AtLimit(None, silent)


def test_an_api_that_was_never_read_is_unreachable() -> None:
    told = at_limit(NEVER, 3.0, SILENT, was_read=False).verdict
    assert told == Fault(
        FaultKind.UNREACHABLE, "never read within 3 s: api.test took the connection and did not answer"
    )


def test_a_limit_too_short_for_an_answer_proves_nothing() -> None:
    assert at_limit(NEVER, 0.05, SHORT, was_read=False) == AtLimit(
        None, Fault(FaultKind.UNREACHABLE, "api.test did not take the connection within 0.9 s")
    )
    assert at_limit(NEVER, 3.0, None, was_read=False) == AtLimit(), "no look had its turn"


@pytest.mark.parametrize("kind", FaultKind)
def test_the_last_fault_is_why_a_job_was_never_read(kind: FaultKind) -> None:
    never = at_limit(fault(kind), 3.0, SILENT, was_read=False).verdict
    assert never is not None
    assert (never.kind, never.http_status) == (kind, 500)
    is_verdict_by_itself = kind in {FaultKind.AUTH, FaultKind.REFUSED, FaultKind.NOT_FOUND}
    assert never.message == ("what it was" if is_verdict_by_itself else "never read within 3 s: what it was")


@pytest.mark.parametrize("kind", FaultKind)
def test_of_a_job_that_was_read_only_a_refusal_is_a_verdict(kind: FaultKind) -> None:
    told = at_limit(fault(kind, READ), 3.0, None, was_read=True)
    assert (told.verdict is not None) == (kind in {FaultKind.AUTH, FaultKind.REFUSED})
    assert told.last is not None
    assert told.last.message == "what it was"


def test_what_an_earlier_wait_has_read_is_not_read_by_this_one() -> None:
    told = at_limit(READ, 3.0, SILENT, was_read=False).verdict
    assert told is not None
    assert told.kind is FaultKind.UNREACHABLE
    missing = fault(FaultKind.NOT_FOUND, READ)
    assert at_limit(missing, 3.0, None, was_read=False) == AtLimit(None, missing.fault), "which takes more looks"
