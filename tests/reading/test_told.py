"""A job that a source tells: whatever its fields hold, what comes out has each of its type, or says what is wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from typing import Any

import pytest

from jobwatch import Event, Fault, FaultKind, Job, Phase, Problem
from jobwatch._reading.told import told_fault, told_job
from jobwatch.apis.capydb import CapyJob

AT = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))
EARLY = timezone(timedelta(hours=-5))
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
    ("fields", "said"),
    [
        ({"id": 5}, "id is of type int, and must be a text that is not empty"),
        ({"id": ""}, "id is of type str, and must be a text that is not empty"),
        ({"status": None}, "status is None, and must be a text that is not empty"),
        ({"status": ""}, "status is of type str, and must be a text that is not empty"),
        ({"phase": "busy"}, "phase is of type str, and must be a Phase"),
        ({"type": 5}, "type is of type int, and must be a text, or None"),
        ({"project_id": 5}, "project_id is of type int, and must be a text, or None"),
        ({"asked": 5, "phase": Phase.BLOCKED}, "asked is of type int, and must be a text, or None"),
        ({"url": ["x"]}, "url is of type list, and must be a text, or None"),
        (
            {"created_at": AT.replace(tzinfo=None)},
            "created_at is of type datetime, and must be a datetime with a timezone",
        ),
        ({"ended_at": 1.5e9}, "ended_at is of type float, and must be a datetime with a timezone, or None"),
        ({"ended_at": datetime.max.replace(tzinfo=EARLY)}, "a time lies beyond the years 1 to 9999 in UTC"),
        ({"proven": [Event("a", Phase.RUNNING, datetime.max.replace(tzinfo=EARLY))]}, "a time lies beyond the years"),
        ({"attempt": "once"}, "attempt is of type str, and must be a whole number of 64 bits, or None"),
        ({"attempt": 2**63}, "attempt is of type int, and must be a whole number of 64 bits, or None"),
        ({"progress": 50}, "progress is of type int, and must be a number from 0 to 1, or None"),
        ({"progress": float("nan")}, "progress is of type float, and must be a number from 0 to 1, or None"),
        ({"retention": "5m"}, "retention is of type str, and must be a number of seconds up to 1e9, or None"),
        ({"retention": float("nan")}, "retention is of type float"),
        ({"has_more_events": "no"}, "has_more_events is of type str, and must be True or False"),
        ({"events": [Event("new", Phase.PENDING, AT.replace(tzinfo=None))]}, "events[0].at is of type datetime"),
        ({"events": ["new"]}, "events[0] is of type str; events must be None, or a tuple of Event"),
        ({"proven": None}, "proven is None, and must be a tuple of Event"),
        ({"error": "it broke"}, "error is of type str, and must be a Problem whose parts are texts, or None"),
        ({"error": Problem(7)}, "error.message is of type int; error must be a Problem whose parts are texts"),  # type: ignore[arg-type]
        ({"wire": {"id": "j"}}, "wire is of type dict, and must be a msgspec.Struct, or None"),
        ({"result": Strange()}, "result cannot be written as JSON: Encoding objects of type Strange"),
        ({"result": ENDLESS}, "result cannot be written as JSON: it is nested too deeply, or holds itself"),
        ({"result": ["\ud800"]}, "result cannot be written as JSON: 'utf-8' codec can't encode"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_a_fault_that_says_where(fields: dict[str, Any], said: str) -> None:
    fault = told_job(job(**fields), "ours")
    assert isinstance(fault, Fault)
    assert fault.kind is FaultKind.UNREADABLE
    assert fault.message.startswith(f"the answer of the source ours cannot be read: {said}")


class Word(StrEnum):
    BUSY = "busy"


def test_texts_are_plain_ones_that_can_be_written() -> None:
    events = [Event(Word.BUSY, Phase.RUNNING)]
    seen = told(status=Word.BUSY, type="a\udcff", error=Problem("\ud800 broke", Word.BUSY), events=events)
    assert (seen.status, seen.type, seen.error) == ("busy", "a?", Problem("? broke", "busy"))
    assert seen.events == (Event("busy", Phase.RUNNING),)
    texts = [seen.status, seen.error.code if seen.error else None, seen.events[0].status]
    assert [type(text) for text in texts] == [str] * 3


def test_where_it_has_moved_is_not_the_sources_to_say() -> None:
    seen = told(now=7, hops="far")
    assert (seen.now, seen.hops) == (None, 0)


@pytest.mark.parametrize("pause", [None, 0.0, 30])
def test_a_sound_fault_stays_as_it_is(pause: float | None) -> None:
    fault = Fault(FaultKind.RATE_LIMITED, "slowly", 429, "E7", "req_1", pause)
    assert told_fault(fault, "ours") == fault


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
    fault = told_fault(Fault(**told), "ours")
    assert fault.kind is FaultKind.UNREADABLE
    assert f"the source ours cannot be read: {next(iter(wrong))} is " in fault.message


def test_the_texts_of_a_fault_can_be_written() -> None:
    assert told_fault(Fault(FaultKind.AUTH, "\ud800"), "ours").message == "?"
