"""The values and the errors: frozen, printable, and the same after a journey."""

from __future__ import annotations

import copy
import pickle
import sys
import unicodedata
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from jobwatch import (
    AuthError,
    ConfigError,
    Event,
    Fault,
    FaultKind,
    Job,
    JobCancelled,
    JobEnded,
    JobFailed,
    JobNotFound,
    JobwatchError,
    LookError,
    Outcome,
    Phase,
    Problem,
    RateLimited,
    Transition,
    Unreachable,
    UnreadableReply,
    WaitTimeout,
    Watched,
    printable,
)
from jobwatch._client.wait import error_of
from jobwatch.apis import BEDROCK, CAPYDB

AT = datetime(2024, 6, 17, 8, 55, tzinfo=UTC)
FAULT = Fault(FaultKind.UNREACHABLE, "the API is in trouble", 503, "DOWN", "req_1", 7.0)
JOB = Job(id="job_1", api="bedrock", status="Failed", phase=Phase.FAILED, error=Problem("no disk", "E_DISK"))
WIRED = BEDROCK.job(b'{"data":{"id":"job_1","status":"FAILED","payload":{"a":[1]},"results":{"b":2}}}', "job_1")

STEERING = "a\x1b[31m\r\n\x00\x7f\x85\x9b\u200b\u200e\u202e\u2028\u2066\ufeff\U000e0041"


# --- what may be printed ------------------------------------------------------------------------------------


def test_printable_leaves_plain_text_alone() -> None:
    for text in ("", "COMPLETED", "r\u00e9sum\u00e9 \u2713 \u65e5\u672c", "a b"):
        assert printable(text) == text


def test_row_75_printable_escapes_what_steers_a_terminal() -> None:
    assert printable("a\x1b[31mb") == "a\\x1b[31mb"
    assert printable("a\r\nb\u2028c") == "a\\r\\nb\\u2028c"
    assert printable("\u202egnp.exe") == "\\u202egnp.exe"
    assert printable("\ud800") == "\\ud800"
    assert printable(STEERING).isascii()


@given(st.text(st.characters()))
def test_printable_gives_one_visible_line(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable() or not shown
    assert len(shown.splitlines()) <= 1
    assert printable(shown) == shown
    assert not any(
        unicodedata.bidirectional(char) in {"RLO", "LRO", "RLE", "LRE", "PDF", "RLI", "LRI"} for char in shown
    )


def test_row_75_every_control_and_format_character_is_escaped() -> None:
    wild = [
        chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) in {"Cc", "Cf", "Zl", "Zp"}
    ]
    assert len(wild) > 200
    assert all(printable(char).isascii() for char in wild)


@pytest.mark.parametrize(
    "value",
    [
        Fault(FaultKind.REFUSED, STEERING, 400, STEERING, STEERING),
        Problem(STEERING, STEERING),
        LookError(Fault(FaultKind.REFUSED, STEERING, 400, STEERING, STEERING), "job_1"),
        JobFailed(Job(id="j", api="x", status=STEERING, phase=Phase.FAILED, error=Problem(STEERING, STEERING))),
        WaitTimeout("j", 1.0, Job(id="j", api="x", status=STEERING, phase=Phase.UNKNOWN), FAULT),
    ],
    ids=lambda value: type(value).__name__,
)
def test_row_75_whatever_is_shown_of_server_text_is_escaped(value: object) -> None:
    assert str(value).isascii()
    assert "\\x1b[31m" in str(value)


# --- phases and faults --------------------------------------------------------------------------------------


def test_five_phases_are_an_end() -> None:
    assert {phase for phase in Phase if phase.ended} == {
        Phase.SUCCEEDED,
        Phase.PARTIAL,
        Phase.FINISHED,
        Phase.FAILED,
        Phase.CANCELLED,
    }


def test_outcomes_are_the_ones_the_command_line_documents() -> None:
    told = (
        "succeeded partial finished failed cancelled blocked timeout not_found auth unreachable unreadable interrupted"
    )
    assert [outcome.value for outcome in Outcome] == told.split()


def test_a_fault_tells_all_it_knows() -> None:
    assert str(FAULT) == "the API is in trouble (HTTP 503, code DOWN, request req_1)"
    assert str(Fault(FaultKind.TLS, "no trust")) == "no trust"


@pytest.mark.parametrize("kind", list(FaultKind))
def test_every_fault_has_its_error(kind: FaultKind) -> None:
    error = error_of(Fault(kind, "because"), "job_1")
    assert (
        type(error)
        is {
            FaultKind.AUTH: AuthError,
            FaultKind.NOT_FOUND: JobNotFound,
            FaultKind.GONE: JobNotFound,
            FaultKind.RATE_LIMITED: RateLimited,
            FaultKind.UNREACHABLE: Unreachable,
            FaultKind.TLS: Unreachable,
            FaultKind.UNREADABLE: UnreadableReply,
            FaultKind.REFUSED: UnreadableReply,
        }[kind]
    )
    assert error.fault.kind is kind
    assert str(error) == "job job_1: because"
    assert str(error_of(Fault(kind, "because"), None)) == "because"


# --- values -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        JOB,
        FAULT,
        Event("RUNNING", Phase.RUNNING, AT),
        Transition("job_1", 1, "RUNNING", Phase.RUNNING, AT, AT, gap=True),
        Watched(job_id="job_1", api="bedrock", fault=FAULT),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_are_frozen_and_survive_json_pickle_and_copy(value: Struct) -> None:
    with pytest.raises(AttributeError):
        setattr(value, value.__struct_fields__[0], "other")
    assert pickle.loads(pickle.dumps(value)) == value
    assert copy.deepcopy(value) == value
    assert "object at 0x" not in repr(value)
    if not isinstance(value, Job):  # its wire record and result belong to the API, and are plain JSON going out
        assert msgspec.json.decode(msgspec.json.encode(value), type=type(value)) == value
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(value), type=type(value)) == value
    msgspec.json.encode(value)


def test_a_job_as_read_goes_out_as_json_and_through_pickle() -> None:
    assert isinstance(WIRED, Job)
    out = msgspec.json.decode(msgspec.json.encode(WIRED))
    assert out["status"] == "FAILED"
    assert out["result"] == {"b": 2}
    assert out["wire"]["payload"] == {"a": [1]}
    again = pickle.loads(pickle.dumps(WIRED))
    assert again.id == WIRED.id
    assert again.result == WIRED.result


def test_a_capydb_job_as_read_goes_through_json_and_pickle() -> None:
    job = CAPYDB.job(b'{"job":{"id":"job_1","state":"failed","attempts":2,"error":"boom"}}', "job_1")
    assert isinstance(job, Job)
    assert msgspec.json.decode(msgspec.json.encode(job))["wire"]["attempts"] == 2
    assert pickle.loads(pickle.dumps(job)).error == Problem("boom")


# --- errors -------------------------------------------------------------------------------------------------

ERRORS: list[JobwatchError] = [
    ConfigError("no token"),
    *(kind(FAULT, "job_1") for kind in (LookError, AuthError, JobNotFound, RateLimited, Unreachable, UnreadableReply)),
    LookError(FAULT),
    *(kind(JOB) for kind in (JobEnded, JobFailed, JobCancelled)),
    WaitTimeout("job_1", 600.0, JOB, FAULT),
    WaitTimeout("job_1", 0.5),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_errors_survive_pickle_and_copy_with_all_they_carry(error: JobwatchError) -> None:
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert vars(again) == vars(error)
    assert str(error)


def test_errors_with_a_job_as_read_survive_pickle() -> None:
    assert isinstance(WIRED, Job)
    again = pickle.loads(pickle.dumps(JobFailed(WIRED)))
    assert again.job.status == "FAILED"


def test_what_the_errors_say() -> None:
    assert str(JobFailed(JOB)) == "job job_1 ended Failed: E_DISK: no disk"
    assert str(WaitTimeout("job_1", 600.0)) == "job job_1 did not end within 600 s (never read)"
    text = str(WaitTimeout("job_1", 0.25, JOB, FAULT))
    assert text.startswith("job job_1 did not end within 0.25 s (last seen Failed; last look: the API is in trouble")


def test_the_tree_of_errors() -> None:
    assert issubclass(WaitTimeout, TimeoutError)
    assert not issubclass(WaitTimeout, LookError | JobEnded)
    assert all(
        issubclass(kind, LookError) for kind in (AuthError, JobNotFound, RateLimited, Unreachable, UnreadableReply)
    )
    assert all(issubclass(kind, JobEnded) for kind in (JobFailed, JobCancelled))
    assert not issubclass(ConfigError, LookError)
    assert not issubclass(Unreachable, OSError)
