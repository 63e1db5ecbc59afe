"""A job that a source tells: whatever its fields hold, what comes out has each of its type, or says what is wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from jobwatch import Event, Fault, FaultKind, Job, Phase, Problem
from jobwatch._reading.told import told_fault, told_job
from jobwatch.apis.capydb import CapyJob

AT = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))
IN_UTC = datetime(2026, 1, 1, 10, tzinfo=UTC)


def job(**fields: Any) -> Job:
    kept: dict[str, Any] = {"id": "j", "api": "theirs", "status": "busy", "phase": Phase.RUNNING} | fields
    return Job(**kept)


def told(**fields: Any) -> Job:
    seen = told_job(job(**fields), "ours")
    assert type(seen) is Job, seen
    return seen


def test_it_is_the_sources_own_job() -> None:
    assert told() == job(api="ours")


@pytest.mark.parametrize("name", ["created_at", "started_at", "ended_at", "updated_at"])
def test_times_are_in_utc(name: str) -> None:
    at = getattr(told(**{name: AT}), name)
    assert (at, at.tzinfo) == (IN_UTC, UTC)


@pytest.mark.parametrize("name", ["events", "proven"])
def test_a_history_may_be_a_list_and_its_times_are_in_utc(name: str) -> None:
    (first, second) = getattr(told(**{name: [Event("new", Phase.PENDING, AT), Event("busy", Phase.RUNNING)]}), name)
    assert (first, first.at.tzinfo) == (Event("new", Phase.PENDING, IN_UTC), UTC)
    assert second == Event("busy", Phase.RUNNING)


def test_a_phase_may_be_its_word() -> None:
    assert told(phase="failed").phase is Phase.FAILED


def test_a_result_is_plain_json() -> None:
    result = {"at": IN_UTC, "cost": Decimal("1.5"), 7: (1, {"deep": {2}})}
    assert told(result=result).result == {"at": "2026-01-01T10:00:00Z", "cost": "1.5", "7": (1, {"deep": [2]})}


def test_what_fits_stays_as_it_is() -> None:
    wire = CapyJob(id="j", state="running")
    fields = {"wire": wire, "error": Problem("no", "E1"), "attempt": 2, "progress": 0.5, "type": "t", "project_id": "p"}
    seen = told(**fields)
    assert {name: getattr(seen, name) for name in fields} == fields
    assert seen.wire is wire


class Strange:
    """No JSON."""

    def __repr__(self) -> str:
        return "Strange()"  # without its address, of which the name of a test is made


ENDLESS: list[object] = []
ENDLESS.append(ENDLESS)


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"id": 5}, "$.id"),
        ({"id": ""}, "$.id"),
        ({"status": None}, "$.status"),
        ({"status": ""}, "$.status"),
        ({"phase": "busy"}, "$.phase"),
        ({"type": 5}, "$.type"),
        ({"project_id": 5}, "$.project_id"),
        ({"created_at": AT.replace(tzinfo=None)}, "timezone component - at `$.created_at`"),
        ({"ended_at": 1.5e9}, "$.ended_at"),
        ({"attempt": "once"}, "$.attempt"),
        ({"progress": 50}, "$.progress"),
        ({"progress": float("nan")}, "$.progress"),
        ({"events": [Event("new", Phase.PENDING, AT.replace(tzinfo=None))]}, "$.events[0].at"),
        ({"events": ["new"]}, "$.events[0]"),
        ({"proven": None}, "$.proven"),
        ({"error": "it broke"}, "$.error"),
        ({"wire": {"id": "j"}}, "$.wire"),
        ({"result": Strange()}, "Strange"),
        ({"result": ENDLESS}, "nested too deeply, or holds itself - at `$.result`"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_a_fault_that_says_where(fields: dict[str, Any], where: str) -> None:
    fault = told_job(job(**fields), "ours")
    assert isinstance(fault, Fault)
    assert fault.kind is FaultKind.UNREADABLE
    assert where in fault.message


@pytest.mark.parametrize("pause", [None, 0.0, 30])
def test_a_sound_fault_stays_as_it_is(pause: float | None) -> None:
    fault = Fault(FaultKind.RATE_LIMITED, "slowly", 429, "E7", "req_1", pause)
    assert told_fault(fault) == fault


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "bad"},
        {"message": None},
        *({"retry_after": pause} for pause in (-1.0, float("nan"), float("inf"), "soon")),
    ],
    ids=str,
)
def test_an_unsound_fault_says_what_is_wrong(wrong: dict[str, Any]) -> None:
    told: dict[str, Any] = {"kind": FaultKind.AUTH, "message": "no"} | wrong
    fault = told_fault(Fault(**told))
    assert fault.kind is FaultKind.UNREADABLE
    assert f"$.{next(iter(wrong))}" in fault.message
