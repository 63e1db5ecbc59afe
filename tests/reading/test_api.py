"""Both vendors' words, read from their own example bodies and from bodies that are wrong in every way we know."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from jobwatch import ConfigError, Event, Fault, FaultKind, Job, JobAPI, Phase, Problem
from jobwatch._reading.api import Hint
from jobwatch._reading.times import Moment, moment_of, seconds_since_1970
from jobwatch._reading.words import Words
from jobwatch.apis import APIS, BEDROCK, CAPYDB, api_named
from jobwatch.apis.bedrock import WORDS as VENDORS_WORDS
from jobwatch.apis.bedrock import CmsJob, VisionJob
from jobwatch.apis.capydb import CapyJob

ID = "job_01JABCD123"

# --- the vendors' own examples (docs.bedrock.cv, docs.capydb.dev), values unchanged -------------------------

CMS = """
{"data": {"id": "job_01JABCD123", "organization_id": "org_01JABCD123", "project_id": "prj_01JABCD123",
  "type": "overlay.generate", "status": "COMPLETED", "target_type": "Block", "target_id": "blk_01JABCD123",
  "parent_id": null, "payload": {"type": "Block", "old_id": "blk_01JABCD100", "new_id": "blk_01JABCD200"},
  "events": [{"status": "PENDING", "timestamp": "2024-06-17T08:55:00Z"},
             {"status": "RUNNING", "timestamp": "2024-06-17T08:55:02Z"},
             {"status": "COMPLETED", "timestamp": "2024-06-17T08:56:30Z"}],
  "created_at": "2024-06-17T08:55:00Z", "updated_at": "2024-06-17T08:56:30Z"}}
"""
VISION_ACCEPTED = '{"job_id": "job_01JABCD123", "status": "Queued"}'
VISION_STARTED = """
{"job_id": "job_01JABCD123", "type": "compare", "status": "Started",
  "target": {"type": "block", "id": "blk_01JABCD100"}, "created_at": "2024-01-15T10:00:00Z"}
"""
VISION_COMPLETED = """
{"job_id": "job_01JABCD123", "type": "compare", "status": "Completed",
  "target": {"type": "block", "id": "blk_01JABCD100"},
  "results": {
    "overlay": {"overlay_id": "ovl_01JABCD456", "score": 0.82,
                "uri": "https://storage.bedrock.cv/overlays/ovl_01JABCD456/combined.png"},
    "changes": [{"category": "addition", "description": "New wall partition added in conference room B",
                 "bounds": {"x_min": 120, "y_min": 340, "x_max": 320, "y_max": 390}, "severity": "significant"}]},
  "created_at": "2024-01-15T10:00:00Z", "completed_at": "2024-01-15T10:01:30Z"}
"""
PARSE = """
{"job_id": "job_01JABCD123", "type": "parse", "status": "Completed",
  "target": {"type": "sheet", "id": "sht_01JABCD123"},
  "results": {
    "legend": [{"block_id": "blk_01JABCD200", "symbols_detected": 24, "symbols_with_graphic": 18,
      "symbols": [{"feature_id": "ftr_01JABCD300", "label": "duplex_receptacle", "description": "DUPLEX RECEPTACLE",
                   "has_graphic": true}]}],
    "symbols": [{"label": "duplex_receptacle", "description": "DUPLEX RECEPTACLE",
      "legend_feature_id": "ftr_01JABCD300", "instance_count": 4,
      "instances": [{"feature_id": "ftr_01JABCD400", "block_id": "blk_01JABCD100",
        "bounds": {"x_min": 333, "y_min": 207, "x_max": 345, "y_max": 222}, "confidence": 0.694}]}],
    "summary": {"total_symbols_searched": 5, "total_instances_found": 21}},
  "created_at": "2024-01-15T10:00:00Z", "completed_at": "2024-01-15T10:01:30Z"}
"""
CAPY_RECORD = """
{"attempts": 0, "claimed_at": "2019-08-24T14:15:22Z", "claimed_by": "string", "cluster_id": "string",
  "completed_at": "2019-08-24T14:15:22Z", "created_at": "2019-08-24T14:15:22Z", "error": "string", "id": "string",
  "last_exit_code": 0, "last_stderr": "string", "last_stdout": "string", "locked_resource": "string",
  "max_attempts": 0, "organization_id": "string", "preview_database_id": "string", "project_id": "string",
  "retry_classification": "string", "started_at": "2019-08-24T14:15:22Z", "state": "pending", "type": "string",
  "updated_at": "2019-08-24T14:15:22Z"}
"""
BEDROCK_PROBLEMS = [
    (
        """{"type": "https://docs.bedrock.cv/errors/validation", "title": "Validation error", "status": 400,
        "detail": "One or more request fields are invalid.", "code": "VALIDATION_ERROR",
        "requestId": "req_01JABCD123", "errors": {"overlay_id": ["Required field"]}}""",
        Problem("One or more request fields are invalid.", "VALIDATION_ERROR", "req_01JABCD123"),
    ),
    (
        """{"type": "https://docs.bedrock.cv/errors/bad-request", "title": "Bad Request", "status": 400,
        "detail": "One or more request fields are invalid.", "code": "VALIDATION_ERROR",
        "request_id": "req_01JABCD123",
        "errors": {"overlay_id": ["Required field"], "options.confidence": ["Must be between 0 and 1"]}}""",
        Problem("One or more request fields are invalid.", "VALIDATION_ERROR", "req_01JABCD123"),
    ),
    (
        """{"type": "https://docs.bedrock.cv/errors/bad-request", "title": "Bad Request", "status": 400,
        "detail": "Unsupported API version: 99. Supported versions: 1", "code": "BAD_REQUEST",
        "request_id": "req_01JABCD123"}""",
        Problem("Unsupported API version: 99. Supported versions: 1", "BAD_REQUEST", "req_01JABCD123"),
    ),
    (
        """{"type": "https://docs.bedrock.cv/errors/authentication", "title": "Missing or invalid API key",
        "status": 401, "detail": "Provide a valid API key via the Authorization: Bearer or X-API-Key header.",
        "code": "UNAUTHORIZED", "request_id": "req_01JABCD123"}""",
        Problem(
            "Provide a valid API key via the Authorization: Bearer or X-API-Key header.",
            "UNAUTHORIZED",
            "req_01JABCD123",
        ),
    ),
    (
        """{"type": "https://docs.bedrock.cv/errors/insufficient-credits", "title": "Insufficient credits",
        "status": 402, "detail": "Your organization does not have enough credits for this operation.",
        "code": "INSUFFICIENT_CREDITS", "request_id": "req_01JABCD123"}""",
        Problem(
            "Your organization does not have enough credits for this operation.",
            "INSUFFICIENT_CREDITS",
            "req_01JABCD123",
        ),
    ),
    (
        """{"type": "https://docs.bedrock.cv/errors/authorization", "title": "Access denied", "status": 403,
        "detail": "You do not have access to this resource.", "code": "FORBIDDEN",
        "request_id": "req_01JABCD123"}""",
        Problem("You do not have access to this resource.", "FORBIDDEN", "req_01JABCD123"),
    ),
    (
        """{"type": "https://docs.bedrock.cv/errors/rate-limit", "title": "Too many requests", "status": 429,
        "detail": "You have exceeded the rate limit.", "code": "RATE_LIMITED", "request_id": "req_01JABCD123"}""",
        Problem("You have exceeded the rate limit.", "RATE_LIMITED", "req_01JABCD123"),
    ),
]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def read(api: JobAPI, body: str | bytes, job_id: str = ID) -> Job:
    seen = api.job(body.encode() if isinstance(body, str) else body, job_id)
    assert isinstance(seen, Job), seen
    return seen


def refused(api: JobAPI, body: str | bytes, job_id: str = ID) -> str:
    seen = api.job(body.encode() if isinstance(body, str) else body, job_id)
    assert isinstance(seen, Fault), seen
    assert seen.kind is FaultKind.UNREADABLE
    assert len(str(seen)) < 500
    return seen.message


def cms(**fields: Any) -> str:
    return json.dumps({"data": {"id": ID, "status": "RUNNING"} | fields})


def vision(**fields: Any) -> str:
    return json.dumps({"job_id": ID, "status": "Started"} | fields)


def capy(**fields: Any) -> str:
    return json.dumps({"job": {"id": ID, "state": "running"} | fields})


def test_the_cms_example() -> None:
    job = read(BEDROCK, CMS)
    assert (job.id, job.api, job.status, job.phase) == (ID, "bedrock", "COMPLETED", Phase.SUCCEEDED)
    assert (job.type, job.project_id) == ("overlay.generate", "prj_01JABCD123")
    assert (job.created_at, job.updated_at) == (at("2024-06-17T08:55:00"), at("2024-06-17T08:56:30"))
    assert job.events == (
        Event("PENDING", Phase.PENDING, at("2024-06-17T08:55:00")),
        Event("RUNNING", Phase.RUNNING, at("2024-06-17T08:55:02")),
        Event("COMPLETED", Phase.SUCCEEDED, at("2024-06-17T08:56:30")),
    )
    assert job.result is None
    assert job.error is None
    assert isinstance(job.wire, CmsJob)
    assert (job.wire.target_type, job.wire.target_id, job.wire.parent_id) == ("Block", "blk_01JABCD123", None)
    assert json.loads(bytes(job.wire.payload))["new_id"] == "blk_01JABCD200"


def test_the_vision_examples() -> None:
    accepted, started, completed = (read(BEDROCK, one) for one in (VISION_ACCEPTED, VISION_STARTED, VISION_COMPLETED))
    assert (accepted.status, accepted.phase, accepted.events) == ("Queued", Phase.PENDING, None)
    assert (started.status, started.phase, started.type) == ("Started", Phase.RUNNING, "compare")
    assert started.created_at == at("2024-01-15T10:00:00")
    assert (completed.status, completed.phase) == ("Completed", Phase.SUCCEEDED)
    assert completed.ended_at == at("2024-01-15T10:01:30")
    assert completed.result == json.loads(VISION_COMPLETED)["results"]
    assert isinstance(completed.wire, VisionJob)
    assert completed.wire.target is not None
    assert completed.wire.target.id == "blk_01JABCD100"


def test_the_parse_example_is_finished_at_once() -> None:
    job = read(BEDROCK, PARSE)
    assert (job.type, job.phase) == ("parse", Phase.SUCCEEDED)
    assert job.result == json.loads(PARSE)["results"]


def test_the_capydb_example_has_every_field_typed() -> None:
    job = read(CAPYDB, f'{{"job": {CAPY_RECORD}}}', "string")
    assert (job.id, job.api, job.status, job.phase, job.attempt) == ("string", "capydb", "pending", Phase.PENDING, 0)
    assert job.error == Problem("string")
    moment = at("2019-08-24T14:15:22")
    assert (job.created_at, job.started_at, job.ended_at, job.updated_at) == (moment,) * 4
    assert isinstance(job.wire, CapyJob)
    told = json.loads(CAPY_RECORD)
    assert {name: getattr(job.wire, name) for name in told} == told


def test_the_newer_capydb_fields_are_typed_too() -> None:
    job = read(CAPYDB, capy(host_id="h", instance_id="i", result={"lag": 3}, last_exit_code=None, error=None))
    assert isinstance(job.wire, CapyJob)
    assert (job.wire.host_id, job.wire.instance_id, job.wire.cluster_id) == ("h", "i", None)
    assert job.result == {"lag": 3}
    assert job.error is None


def test_the_capydb_list_example() -> None:
    body = f'{{"jobs": [{CAPY_RECORD}, {{"id": 7, "state": "failed"}}]}}'.encode()
    jobs = CAPYDB.jobs(body)
    assert isinstance(jobs, tuple)
    assert [(job.id, job.phase) for job in jobs] == [("string", Phase.PENDING), ("7", Phase.FAILED)]


@pytest.mark.parametrize("body", [b'{"jobs": null}', b'{"jobs": []}', b'\xef\xbb\xbf{"jobs":[],"more":1}'])
def test_an_empty_list_may_be_null(body: bytes) -> None:
    assert CAPYDB.jobs(body) == ()


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{}", b'{"jobs": {}}', b'{"jobs": [null]}', b"<html>"])
def test_a_list_that_is_none(body: bytes) -> None:
    seen = CAPYDB.jobs(body)
    assert isinstance(seen, Fault)
    assert seen.kind is FaultKind.UNREADABLE


def test_bedrock_documents_no_list() -> None:
    seen = BEDROCK.jobs(b'{"data": []}')
    assert isinstance(seen, Fault)
    assert "bedrock documents no list" in seen.message


# --- words --------------------------------------------------------------------------------------------------

WORDS = {
    "pending": Phase.PENDING,
    "running": Phase.RUNNING,
    "completed": Phase.SUCCEEDED,
    "succeeded": Phase.SUCCEEDED,
    "failed": Phase.FAILED,
    "error": Phase.FAILED,
    "canceled": Phase.CANCELLED,
    "cancelled": Phase.CANCELLED,
}
BEDROCK_WORDS = WORDS | {"queued": Phase.PENDING, "started": Phase.RUNNING}


@pytest.mark.parametrize(
    "spelt", [str.lower, str.upper, str.title, str.swapcase, lambda word: word[0] + word[1:].upper()]
)
@pytest.mark.parametrize("word", BEDROCK_WORDS)
def test_words_in_any_case(word: str, spelt: Any) -> None:
    told: str = spelt(word)
    for body in (cms(status=told), vision(status=told)):
        job = read(BEDROCK, body)
        assert (job.status, job.phase) == (told, BEDROCK_WORDS[word])
    job = read(CAPYDB, capy(state=told))
    assert (job.status, job.phase) == (told, WORDS.get(word, Phase.UNKNOWN))


@pytest.mark.parametrize(
    "word",
    [
        "",
        " ",
        "completed ",
        "\tCOMPLETED",
        "complete",
        "success",
        "done",
        "ok",
        "failed_over",
        "not_failed",
        "0",
        "null",
        "completed\x00",
        "COMPLETED\u200b",
        "c\u043empleted",
        "archived",
        "incomplete",
        "cancelling",
        "x" * 300,
    ],
)
@pytest.mark.parametrize("api", [BEDROCK, CAPYDB], ids=lambda api: api.name)
def test_row_79_an_unknown_word_is_shown_and_is_never_an_end(api: JobAPI, word: str) -> None:
    job = read(api, cms(status=word) if api is BEDROCK else capy(state=word))
    assert job.phase is Phase.UNKNOWN
    assert not job.phase.ended
    assert word.startswith(job.status)
    assert job.told_status.isprintable() or not word


@given(st.text())
def test_row_79_only_listed_words_are_an_end(word: str) -> None:
    if word.casefold() not in WORDS:
        assert not VENDORS_WORDS.meaning(word)[1].ended


def test_row_78_a_status_of_ten_megabytes_is_cut() -> None:
    job = read(BEDROCK, cms(status="x" * 10_000_000, events=[{"status": "y" * 10_000_000}]))
    assert len(job.status) == 256
    assert job.events is not None
    assert len(job.events[0].status) == 256


def test_a_long_word_is_looked_up_whole_before_it_is_cut() -> None:
    words = Words({Phase.FAILED: ["x" * 300]}, documented=True)
    assert words.meaning("X" * 300) == ("X" * 256, Phase.FAILED)


# --- ids ----------------------------------------------------------------------------------------------------


def test_row_74_a_number_is_an_id() -> None:
    assert read(BEDROCK, cms(id=17), "17").id == "17"
    assert read(BEDROCK, vision(job_id=17), "17").id == "17"
    assert read(CAPYDB, capy(id=-17), "-17").id == "-17"


@pytest.mark.parametrize("job_id", [None, {}, [], True, 1.5, ["job_01JABCD123"]])
def test_row_74_what_is_no_id(job_id: object) -> None:
    for body in (cms(id=job_id), vision(job_id=job_id)):
        refused(BEDROCK, body)
    refused(CAPYDB, capy(id=job_id))


@pytest.mark.parametrize("status", [None, {}, [], 3, True, ["COMPLETED"], {"name": "COMPLETED"}])
def test_row_74_what_is_no_status(status: object) -> None:
    for body in (cms(status=status), vision(status=status)):
        refused(BEDROCK, body)
    refused(CAPYDB, capy(state=status))


@pytest.mark.parametrize("other", ["job_01jabcd123", "job_01JABCD124", "", "job_01JABCD123 ", "x" * 100_000, "\x1b[2J"])
def test_row_91_another_jobs_answer_is_nobodys(other: str) -> None:
    for api, body in ((BEDROCK, cms(id=other)), (BEDROCK, vision(job_id=other)), (CAPYDB, capy(id=other))):
        message = refused(api, body)
        assert "not about job_01JABCD123" in message
        assert "\x1b" not in message


@pytest.mark.parametrize(
    ("api", "body"),
    [
        (BEDROCK, '{"data": {"status": "COMPLETED"}}'),
        (BEDROCK, '{"data": {"id": "job_01JABCD123"}}'),
        (BEDROCK, '{"status": "Completed"}'),
        (BEDROCK, '{"job_id": "job_01JABCD123"}'),
        (BEDROCK, '{"data": null}'),
        (BEDROCK, '{"data": []}'),
        (BEDROCK, '{"data": [{"id": "job_01JABCD123", "status": "COMPLETED"}]}'),
        (BEDROCK, '{"data": "COMPLETED"}'),
        (CAPYDB, '{"id": "job_01JABCD123", "state": "completed"}'),
        (CAPYDB, '{"job": null}'),
        (CAPYDB, '{"job": {"id": "job_01JABCD123", "status": "completed"}}'),
        (CAPYDB, '{"jobs": [{"id": "job_01JABCD123", "state": "completed"}]}'),
        (CAPYDB, '{"error": "job not found"}'),
    ],
)
def test_rows_40_77_id_and_status_are_required(api: JobAPI, body: str) -> None:
    assert "not what the API documents" in refused(api, body)


@pytest.mark.parametrize(
    "body",
    [
        '{"error": {"code": "INTERNAL", "message": "try again"}}',
        '{"error": "try again", "status": "error"}',
        '{"success": false, "errors": ["try again"]}',
        '{"status": "ok"}',
        '{"title": "Not Found", "status": 404, "requestId": "r"}',
    ],
)
@pytest.mark.parametrize("api", [BEDROCK, CAPYDB], ids=lambda api: api.name)
def test_row_40_an_error_in_a_200_is_no_state_of_the_job(api: JobAPI, body: str) -> None:
    refused(api, body)


@pytest.mark.parametrize(
    ("api", "body", "place"),
    [
        (BEDROCK, '{"data": {"ID": "job_01JABCD123", "status": "COMPLETED"}}', "`id` - at `$.data`"),
        (BEDROCK, '{"data": {"id": "job_01JABCD123", "Status": "COMPLETED"}}', "`status` - at `$.data`"),
        (CAPYDB, '{"job": {"Id": "job_01JABCD123", "state": "completed"}}', "`id` - at `$.job`"),
        (CAPYDB, '{"job": {"id": "job_01JABCD123", "STATE": "completed"}}', "`state` - at `$.job`"),
        (CAPYDB, '{"Job": {"id": "job_01JABCD123", "state": "completed"}}', "`job`"),
        (CAPYDB, '{"job": {"id": "job_01JABCD123", "state": ["secret"]}}', "`$.job.state`"),
    ],
)
def test_row_77_what_is_missing_is_told_by_its_place_and_never_by_a_value(api: JobAPI, body: str, place: str) -> None:
    told = refused(api, body)
    assert place in told
    assert not any(value in told.casefold() for value in ("completed", "secret"))


def test_a_null_envelope_beside_a_bare_job() -> None:
    assert read(BEDROCK, vision(data=None)).phase is Phase.RUNNING


def test_unknown_and_null_fields_are_nothing() -> None:
    nulls = [
        "organization_id",
        "project_id",
        "type",
        "target_type",
        "target_id",
        "parent_id",
        "payload",
        "events",
        "results",
        "error",
    ]
    nulls += ["created_at", "updated_at", "completed_at"]
    job = read(BEDROCK, cms(**dict.fromkeys(nulls), unheard_of={"a": [1, {"b": None}]}))
    assert (job.events, job.result, job.error, job.type, job.created_at) == (None,) * 5
    job = read(BEDROCK, vision(**dict.fromkeys(nulls), target=None, progress=None))
    assert (job.events, job.result, job.error, job.progress) == (None,) * 4
    job = read(CAPYDB, capy(**dict.fromkeys(set(json.loads(CAPY_RECORD)) - {"id", "state"}), result=None))
    assert (job.attempt, job.result, job.error, job.proven) == (None, None, None, ())


@pytest.mark.parametrize(
    ("told", "progress"),
    [
        (0, 0.0),
        (0.5, 0.5),
        (1, 1.0),
        (50, None),
        (-0.1, None),
        ({"completed": 3, "total": 8}, 0.375),
        ({"completed": 0, "total": 0}, None),
        ({"completed": 9, "total": 8}, None),
        ({}, None),
        (None, None),
    ],
)
def test_row_71_progress_as_a_share_or_counted(told: object, progress: float | None) -> None:
    assert read(BEDROCK, vision(progress=told)).progress == progress


@pytest.mark.parametrize(
    ("told", "problem"),
    [
        ({"code": "job_failed", "message": "no matching sheets"}, Problem("no matching sheets", "job_failed")),
        ({"message": "boom"}, Problem("boom")),
        ({"code": "X"}, Problem("X", "X")),
        ({"code": None, "message": None, "more": 1}, Problem("no message")),
        ("boom", Problem("boom")),
        ("", None),
        (None, None),
    ],
)
def test_what_went_wrong_with_a_bedrock_job(told: object, problem: Problem | None) -> None:
    assert read(BEDROCK, cms(status="FAILED", error=told)).error == problem
    assert read(BEDROCK, vision(status="Failed", error=told)).error == problem


# --- what a job without a history proves --------------------------------------------------------------------


def test_capydb_proves_only_by_timestamps() -> None:
    created, started = "2024-06-17T08:55:00Z", "2024-06-17T08:55:02Z"
    pending = Event("pending", Phase.PENDING, at("2024-06-17T08:55:00"))
    running = Event("running", Phase.RUNNING, at("2024-06-17T08:55:02"))
    assert read(CAPYDB, capy()).proven == ()
    assert read(CAPYDB, capy(created_at=created)).proven == (pending,)
    assert read(CAPYDB, capy(started_at=started)).proven == (running,)
    assert read(CAPYDB, capy(created_at=created, started_at=started)).proven == (pending, running)
    assert read(CAPYDB, capy(created_at=created, started_at="soon", claimed_at=started)).proven == (pending,)


def test_gos_zero_time_does_not_prove_that_a_job_ran() -> None:
    job = read(CAPYDB, capy(state="pending", started_at="0001-01-01T00:00:00Z", completed_at="0001-01-01T00:00:00Z"))
    assert job.proven == ()
    assert (job.started_at, job.ended_at) == (None, None)


# --- bodies that are not a job ------------------------------------------------------------------------------

WHOLE = cms(status="COMPLETED").encode()
DEEP = b"[" * 500_000 + b"]" * 500_000  # from Python 3.14 on, how much is too deep goes by the size of the stack


@pytest.mark.parametrize("api", [BEDROCK, CAPYDB], ids=lambda api: api.name)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \r\n",
        b"null",
        b"[]",
        b"1",
        b'"COMPLETED"',
        b"true",
        b"<!DOCTYPE html><html></html>",
        b"{",
        b'{"data":{',
        b"\xef\xbb\xbf",
        b"\xff\xfe{\x00}\x00",
        b"\x1f\x8b\x08\x00",
        b"\x00" * 100,
        DEEP,
        b"NaN",
        b'{"data": 1e999}',
    ],
    ids=lambda body: repr(body[:16]),
)
def test_what_is_no_job_at_all(api: JobAPI, body: bytes) -> None:
    refused(api, body)


def test_row_63_every_cut_of_a_good_body_is_unreadable() -> None:
    for end in range(len(WHOLE)):
        refused(BEDROCK, WHOLE[:end])


@pytest.mark.parametrize("more", [b"x", b"}", b"{}", b"\x00", b"<html>", WHOLE])
def test_row_73_trailing_garbage(more: bytes) -> None:
    refused(BEDROCK, WHOLE + more)


def test_row_70_white_space_and_a_byte_order_mark_are_no_garbage() -> None:
    for body in (WHOLE + b"\r\n \t", b"\n" + WHOLE, b"\xef\xbb\xbf" + WHOLE):
        assert read(BEDROCK, body).phase is Phase.SUCCEEDED
    refused(BEDROCK, b"\xef\xbb\xbf\xef\xbb\xbf" + WHOLE)


@pytest.mark.parametrize(
    "body",
    [
        b'{"data":{"id":"job_01JABCD123","status":"COMPLETED\xff"}}',
        b'{"data":{"id":"job_01JABCD123","status":"\\ud800"}}',
        b'{"data":{"id":"job_01JABCD123","status":"COMPLETED","events":[{"status":"\xc3"}]}}',
        b'{"data":{"id":"job_01JABCD123","status":"COMPLETED","results":"\xff"}}',
        b'{"data":{"id":"job_01JABCD123","status":"COMPLETED","x":NaN}}',
        b'{"data":{"id":"job_01JABCD123","status":"COMPLETED","results":1e999}}',
        b'{"data":{"id":"job_01JABCD123","status":"COMPLETED","results":' + DEEP + b"}}",
        b'{"data":{"id":"job_01JABCD123","status":"COMPLETED","unheard_of":' + DEEP + b"}}",
        b'{"data":{"id":"job_01JABCD123","status":' + b"9" * 5000 + b"}}",
    ],
    ids=range(9),
)
def test_rows_68_69_71_76_json_that_cannot_be_read_is_a_fault_and_no_exception(body: bytes) -> None:
    refused(BEDROCK, body)


def test_what_cannot_be_read_is_said_in_words_of_ours() -> None:
    assert refused(BEDROCK, b'{"data":{"id":"job_01JABCD123","status":"\xff"}}') == "the reply is not JSON"
    assert refused(BEDROCK, b" ") == "the reply is empty"
    assert refused(CAPYDB, b'{"job":{"unheard_of":' + DEEP) == (
        "the reply is JSON that cannot be read: nested too deeply, a number out of range, or too many parts"
    )
    assert refused(BEDROCK, cms(status=7)).endswith("Expected `str`, got `int` - at `$.data.status`")


def test_row_72_of_two_equal_keys_the_last_wins() -> None:
    body = b'{"data":{"id":"other","status":"COMPLETED","status":"RUNNING","id":"job_01JABCD123"}}'
    assert read(BEDROCK, body).phase is Phase.RUNNING


@given(st.binary())
def test_no_bytes_make_an_exception(body: bytes) -> None:
    for api in APIS.values():
        assert isinstance(api.job(body, ID), Fault) or 200 in api.states
        assert isinstance(api.jobs(body), Fault | tuple)
        api.problem(body)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
FIELDS = sorted(
    {*json.loads(CMS)["data"], *json.loads(VISION_COMPLETED), *json.loads(CAPY_RECORD), "result", "progress"}
)


@pytest.mark.slow
@given(st.dictionaries(st.sampled_from(FIELDS), ANY_JSON))
def test_no_json_makes_an_exception(fields: dict[str, object]) -> None:
    for api, body in ((BEDROCK, {"data": fields}), (BEDROCK, fields), (CAPYDB, {"job": fields})):
        encoded = json.dumps(body).encode()
        assert isinstance(api.job(encoded, ID), Job | Fault)
        api.problem(encoded)


# --- what an error body says --------------------------------------------------------------------------------


@pytest.mark.parametrize(("body", "problem"), BEDROCK_PROBLEMS, ids=range(len(BEDROCK_PROBLEMS)))
def test_bedrock_problems(body: str, problem: Problem) -> None:
    assert BEDROCK.problem(body.encode()) == problem


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b'{"title": "Access denied"}', Problem("Access denied")),
        (b'{"title": "t", "detail": ""}', Problem("t")),
        (b'{"code": "FORBIDDEN", "requestId": "r"}', Problem("FORBIDDEN", "FORBIDDEN", "r")),
        (b'{"detail": "d", "request_id": "a", "requestId": "b"}', Problem("d", None, "a")),
        (b'{"detail": "d", "request_id": null, "requestId": "b"}', Problem("d", None, "b")),
        (b"{}", None),
        (b'{"detail": 5}', None),
        (b"<html>", None),
        (b"", None),
        (DEEP, None),
    ],
    ids=range(10),
)
def test_odd_bedrock_problems(body: bytes, problem: Problem | None) -> None:
    assert BEDROCK.problem(body) == problem


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b'{"error": "string"}', Problem("string")),
        (b'{"error": "project has an active operation", "more": 1}', Problem("project has an active operation")),
        (b'{"error": null}', None),
        (b'{"error": {"message": "x"}}', Problem("x")),
        (b"Bad gateway", None),
    ],
)
def test_capydb_problems(body: bytes, problem: Problem | None) -> None:
    assert CAPYDB.problem(body) == problem


# --- timestamps ---------------------------------------------------------------------------------------------

NINE = datetime(2024, 6, 17, 8, 55, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "told",
    [
        "2024-06-17T08:55:00Z",
        "2024-06-17T08:55:00z",
        "2024-06-17t08:55:00z",
        "2024-06-17T08:55:00",
        "2024-06-17 08:55:00",
        "2024-06-17T08:55:00.000Z",
        "2024-06-17T08:55:00.000000000Z",
        "2024-06-17T10:55:00+02:00",
        "2024-06-17T03:25:00-05:30",
        "2024-06-17T08:55:00+00:00",
        "2024-06-17T08:55:00-00:00",
        1718614500,
        1718614500.0,
        1718614500000,
        1718614500000000,
        1718614500000000000,
        1718614500000.0,
    ],
)
def test_row_89_timestamps_in_all_forms_are_utc(told: Moment) -> None:
    moment = moment_of(told)
    assert moment == NINE
    assert moment.tzinfo is UTC


def test_row_89_a_time_without_a_zone_is_utc_wherever_we_are(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TZ", "UTC-9")
        time.tzset()
        assert moment_of("2024-06-17T08:55:00") == NINE
    time.tzset()


@pytest.mark.parametrize(
    ("told", "moment"),
    [
        ("2024-06-17T08:55:00.123456789Z", NINE.replace(microsecond=123456)),
        ("2024-06-17T08:55:00.1Z", NINE.replace(microsecond=100000)),
        ("2016-12-31T23:59:60Z", datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("2017-01-01T00:59:60.5+01:00", datetime(2016, 12, 31, 23, 59, 59, 500000, tzinfo=UTC)),
        ("9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (1718614500.25, NINE.replace(microsecond=250000)),
        (1718614500123, NINE.replace(microsecond=123000)),
    ],
)
def test_row_89_odd_timestamps(told: Moment, moment: datetime) -> None:
    assert moment_of(told) == moment


@pytest.mark.parametrize(
    "told",
    [
        None,
        "",
        " ",
        "garbage",
        "now",
        "1718614500",
        "2024-13-01T00:00:00Z",
        "2024-02-30T00:00:00Z",
        "2024-06-17T25:00:00Z",
        "2024-06-17T08:60:00Z",
        "2024-06-17T08:55:61Z",
        ":60",
        "60",
        "T:60Z" * 1000,
        "9999-12-31T23:59:59-02:00",
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+02:00",
        "1970-01-01T00:00:00Z",
        0,
        -1,
        0.0,
        -1718614500,
        10**21,
        10**400,
        1e308,
        -1e308,
        float("inf"),
        float("-inf"),
        float("nan"),
        True,
        False,
    ],
    ids=lambda told: repr(told)[:24],
)
def test_row_89_what_no_clock_could_have_shown(told: Moment) -> None:
    assert moment_of(told) is None


@given(st.text(max_size=40) | st.integers() | st.floats() | st.none())
def test_no_timestamp_makes_an_exception(told: Moment) -> None:
    moment = moment_of(told)
    assert moment is None or moment.tzinfo is UTC


@given(
    st.datetimes(datetime(1970, 1, 2), datetime(9998, 12, 31)),  # noqa: DTZ001 - the zone is drawn beside it
    st.integers(-14 * 60, 14 * 60),
)
def test_any_rfc_3339_timestamp_is_read(moment: datetime, offset: int) -> None:
    zoned = moment.replace(tzinfo=timezone(timedelta(minutes=offset)))
    assert moment_of(zoned.isoformat()) == zoned
    assert seconds_since_1970(zoned) == zoned.timestamp()


# --- the table ----------------------------------------------------------------------------------------------


def test_apis_are_found_by_name_in_any_case() -> None:
    assert api_named("bedrock") is api_named("Bedrock") is BEDROCK
    assert api_named("CAPYDB") is CAPYDB
    with pytest.raises(
        ConfigError, match=r"no API is called 'bedrok' \(did you mean bedrock\?\); there are: bedrock, capydb"
    ):
        api_named("bedrok")


@pytest.mark.parametrize("api", [BEDROCK, CAPYDB], ids=lambda api: api.name)
def test_tables_hold_what_the_client_relies_on(api: JobAPI) -> None:
    assert APIS[api.name] is api
    assert api.base_url.startswith("https://")
    assert not api.base_url.endswith("/")
    assert api.docs.startswith("https://")
    assert api.job_path.startswith("/")
    assert api.job_path.format(job_id="x").endswith("/x")
    assert (api.list_path is None) == (api.read_jobs is None)
    assert api.token_variable == f"{api.name.upper()}_API_KEY"
    assert api.base_url_variable == f"{api.name.upper()}_API_URL"


# --- what an API may say beside its job's body --------------------------------------------------------------------


def test_a_number_from_a_hundred_thousand_million_on_counts_milliseconds() -> None:
    assert moment_of(1e11) == at("1973-03-03T09:46:40")
    assert moment_of(1e11 - 1) == datetime(5138, 11, 16, 9, 46, 39, tzinfo=UTC)


def test_another_jobs_long_id_is_cut() -> None:
    told = refused(BEDROCK, cms(id="j" * 300))
    assert told == f"the reply is about job {'j' * 80}, not about {ID}"


def test_a_reply_may_be_read_by_its_status_and_the_id_asked_for() -> None:
    def read_reply(body: bytes, http_status: int, job_id: str, headers: object) -> Job:
        return Job(id=job_id, api="any", status=f"{http_status} {body.decode()}", phase=Phase.RUNNING)

    api = replace(BEDROCK, read_reply=read_reply)
    seen = api.job(b"on", "j", 202)
    assert isinstance(seen, Job)
    assert (seen.id, seen.status) == ("j", "202 on")
    by_default = api.job(b"on", "j")
    assert isinstance(by_default, Job)
    assert by_default.status == "200 on"


def lines(body: bytes) -> tuple[Event, ...] | None:
    """Read a history of one word a line; a dash is a body that tells none."""
    words = body.decode().splitlines()
    return None if words == ["-"] else tuple(Event(word, Phase.RUNNING) for word in words)


def test_a_history_of_its_own_is_read_with_the_job() -> None:
    api = replace(BEDROCK, read_history=lines)
    body = cms(events=[{"status": "PENDING"}]).encode()
    told = Event("RUNNING", Phase.RUNNING), Event("AGAIN", Phase.RUNNING)
    for history, events in [
        (b"RUNNING\nAGAIN", told),
        (b"", ()),
        (b"-", (Event("PENDING", Phase.PENDING),)),
        (b"\xff", (Event("PENDING", Phase.PENDING),)),
        (None, (Event("PENDING", Phase.PENDING),)),
    ]:
        seen = api.job(body, ID, history=history)
        assert isinstance(seen, Job)
        assert (seen.id, seen.events) == (ID, events)
    assert api.history(b"\xff") is None
    assert isinstance(api.job(b"", ID, history=b"RUNNING"), Fault)
    assert BEDROCK.history(b"RUNNING") is None


def test_any_job_is_read_whichever_it_is() -> None:
    seen = BEDROCK.any_job(cms(id="another").encode())
    assert seen is not None
    assert (seen.id, seen.status) == ("another", "RUNNING")
    assert BEDROCK.any_job(b"no job") is None


def test_several_jobs_are_read_where_the_api_answers_for_several() -> None:
    api = replace(CAPYDB, read_batch=CAPYDB.read_jobs)
    seen = api.batch(b'{"jobs":[{"id":"a","state":"running"}]}')
    assert isinstance(seen, tuple)
    assert [job.id for job in seen] == ["a"]
    assert isinstance(api.batch(b"<html>"), Fault)
    assert replace(CAPYDB, read_batch=None).batch(b'{"jobs":[]}') == Fault(
        FaultKind.UNREADABLE, "capydb documents no request for several jobs"
    )


def test_an_event_of_a_stream_is_read_by_its_data_and_name() -> None:
    def read_hint(data: bytes, name: str) -> Hint | None:
        return Hint(f"{name} {data.decode()}", Phase.RUNNING) if data else None

    api = replace(BEDROCK, read_hint=read_hint)
    assert api.hint(b"RUNNING", "status") == Hint("status RUNNING", Phase.RUNNING)
    assert api.hint(b"", "status") is None
    assert api.hint(b"\xff", "status") is None
    assert replace(BEDROCK, read_hint=None).hint(b"RUNNING", "status") is None


def test_what_started_a_job_is_read_as_a_job_unless_the_api_reads_it_in_a_way_of_its_own() -> None:
    def read_start(body: bytes, job_id: str) -> Job:
        return Job(id=job_id, api="any", status=body.decode(), phase=Phase.PENDING)

    seen = BEDROCK.start(cms().encode(), ID)
    assert seen == BEDROCK.job(cms().encode(), ID)
    assert isinstance(seen, Job)
    started = replace(BEDROCK, read_start=read_start).start(b"accepted", "j")
    assert isinstance(started, Job)
    assert (started.id, started.status) == ("j", "accepted")
