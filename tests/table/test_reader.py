"""Reading a reply by compiled paths: the job, its state, its history, and what is left out."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from multidict import CIMultiDict

from jobwatch import Fault, FaultKind, Job, Phase
from jobwatch._http.answer import judged
from jobwatch._reading.words import Words
from jobwatch._table.compile import api_of
from jobwatch._table.expressions import expression_of
from jobwatch._table.fields import EventTable, Fields
from jobwatch._table.paths import TEXT, TIMES, WORD
from jobwatch._table.reader import Layout, TableReader

NOON = datetime(2024, 6, 17, 12, tzinfo=UTC)


def fields_of(root: str = "@", **paths: str) -> Fields:
    """Return the fields of a table with these keys."""
    fields = Fields({}, expression_of(root))
    for key, path in paths.items():
        fields.want(key, path, {"status": WORD, "times": TIMES}.get(key, TEXT))
    return fields


def reader_of(fields: Fields, root: str = "", http: dict[int, Phase] | None = None, **words: Any) -> TableReader:
    both = fields.plan.compiled(), fields.plan.loosely()
    typed, loose = (Layout(each, fields.extractors(each)) for each in both)
    given = {Phase(phase): each for phase, each in words.items()}
    return TableReader("own", Words(given), typed, loose, root=expression_of(root) if root else None, http=http)


def read(reader: TableReader, body: object, http_status: int = 200, job_id: str = "j") -> Job | Fault:
    return reader.reply(body if isinstance(body, bytes) else msgspec.json.encode(body), http_status, job_id)


def job(reader: TableReader, body: object, http_status: int = 200, job_id: str = "j") -> Job:
    seen = read(reader, body, http_status, job_id)
    assert isinstance(seen, Job), seen
    return seen


def test_texts_and_times_have_the_names_of_a_job() -> None:
    keys = {"type": "kind", "project": "in", "created_at": "c", "started_at": "s", "ended_at": "e", "updated_at": "u"}
    reader = reader_of(fields_of(id="id", status="state", attempt="n", **keys))
    body = {
        "id": "j",
        "state": "completed",
        "kind": "k",
        "in": 7,
        "n": "2",
        **dict.fromkeys("cseu", "2024-06-17T12:00:00Z"),
    }
    seen = job(reader, body)
    assert (seen.id, seen.api, seen.status, seen.phase) == ("j", "own", "completed", Phase.SUCCEEDED)
    assert (seen.type, seen.project_id, seen.attempt) == ("k", "7", 2)
    assert {seen.created_at, seen.started_at, seen.ended_at, seen.updated_at} == {NOON}
    assert job(reader, body | {"state": "running"}).ended_at is None


def test_what_is_optional_and_of_another_type_is_left_out() -> None:
    reader = reader_of(fields_of(id="id", status="state", type="a.b", created_at="c", attempt="n"))
    seen = job(reader, {"id": "j", "state": "queued", "a": [1], "c": {}, "n": "many"})
    assert (seen.phase, seen.type, seen.created_at, seen.attempt) == (Phase.PENDING, None, None, None)


@pytest.mark.parametrize(
    "body", [{"id": "j", "state": {}}, {"id": [], "state": "completed"}, {"state": "completed"}, [], 5]
)
def test_id_and_status_cannot_be_done_without(body: object) -> None:
    with pytest.raises(msgspec.ValidationError):
        read(reader_of(fields_of(id="id", status="state")), body)


@pytest.mark.parametrize("body", [None, {"job": None}, {"job": {"id": None, "state": None}}])
def test_null_where_the_job_should_be_is_no_such_job(body: object) -> None:
    reader = reader_of(fields_of("job", id="id", status="state"), "job")
    seen = read(reader, body)
    assert isinstance(seen, Fault)
    assert seen.kind is FaultKind.NOT_FOUND
    reported = read(reader, {"job": None, "error": "the shard is down"})
    assert isinstance(reported, Fault)
    assert (reported.kind, reported.message) == (FaultKind.UNREACHABLE, "the API reports an error: the shard is down")


def test_a_job_under_its_id_is_absent_or_there() -> None:
    root = 'runs."{job_id}"'
    reader = reader_of(fields_of(root, status="state"), root, pending=["absent"])
    assert job(reader, {"runs": {"j": {"state": "completed"}, "k": {"state": "failed"}}}).phase is Phase.SUCCEEDED
    assert job(reader, {"runs": {"k": {"state": "failed"}}}).phase is Phase.PENDING
    with pytest.raises(msgspec.ValidationError, match="missing required field"):
        read(reader, {"other": {}})


def test_an_id_is_the_end_of_a_resources_name() -> None:
    reader = reader_of(fields_of(id="name", status="state"))
    assert job(reader, {"name": "projects/p/jobs/j", "state": "completed"}).id == "j"
    assert job(reader, {"name": "j", "state": "completed"}, job_id="projects/p/jobs/j").id == "projects/p/jobs/j"
    assert job(reader, {"name": "other", "state": "completed"}).id == "other"


def test_the_http_status_is_the_state_where_the_body_has_none() -> None:
    reader = reader_of(fields_of(), http={202: Phase.RUNNING, 200: Phase.SUCCEEDED, 422: Phase.FAILED})
    assert (job(reader, b"", 202).status, job(reader, {}, 200).phase) == ("HTTP 202", Phase.SUCCEEDED)
    assert job(reader, {"message": "no disk"}, 422).phase is Phase.FAILED


def test_a_bare_word_is_a_status_where_the_body_is_the_status() -> None:
    reader = reader_of(fields_of(status="@"))
    assert (job(reader, b"COMPLETED").phase, job(reader, b'"running"').phase) == (Phase.SUCCEEDED, Phase.RUNNING)
    with pytest.raises(msgspec.DecodeError):
        read(reader, b"<html>")


def test_a_history_of_which_an_entry_cannot_be_read_is_none() -> None:
    fields = fields_of(id="id", status="state")
    fields.want_events(EventTable(path="log", status="s", at="t"))
    reader = reader_of(fields)
    entries = [{"s": "queued", "t": "2024-06-17T12:00:00Z"}, None, {"s": "mixing"}]
    events = job(reader, {"id": "j", "state": "mixing", "log": entries}).events
    assert [(event.status, event.phase, event.at) for event in events or ()] == [
        ("queued", Phase.PENDING, NOON),
        ("mixing", Phase.UNKNOWN, None),
    ]
    assert job(reader, {"id": "j", "state": "mixing", "log": [{"t": 5}]}).events is None
    assert job(reader, {"id": "j", "state": "mixing"}).events is None


def test_no_more_is_read_than_any_history_or_list_has() -> None:
    fields = fields_of(id="id", status="state")
    fields.want_events(EventTable(path="log", status="s"))
    reader = reader_of(fields)
    for count, is_read in ((5000, True), (5001, False)):
        events = job(reader, {"id": "j", "state": "mixing", "log": [{"s": "queued"}] * count}).events
        assert (events is not None) is is_read
    plain_fields = fields_of(id="id", status="state")
    extractors = plain_fields.extractors(plain_fields.plan.loosely())
    assert len(reader_of(plain_fields).jobs(extractors, [{"id": "j", "state": "completed"}] * 1001)) == 1000
    table = 'job = "https://a.test/{job_id}"\nid = "id"\nstatus = "s"\nlist = { request = "/p/{project_id}" }'
    found = api_of(tomllib.loads(table), "own").jobs(b"[" + b"{}," * 130_000 + b"{}]")
    assert isinstance(found, Fault)
    assert found.kind is FaultKind.UNREADABLE


def test_times_of_states_that_the_table_names_prove_all_but_ends() -> None:
    wanted = {"times.running": "began", "times.queued": "asked", "times.done": "over", "times.paused": "held"}
    reader = reader_of(fields_of(id="id", status="state", **wanted))
    later = "2024-06-17T13:00:00Z"
    times = {"began": later, "asked": "2024-06-17T12:00:00Z", "over": later, "held": None}
    proven = job(reader, {"id": "j", "state": "running", **times}).proven
    assert [(event.status, event.phase) for event in proven] == [("queued", Phase.PENDING), ("running", Phase.RUNNING)]


def test_the_jobs_of_a_list_that_cannot_be_read_are_left_out_unless_none_can() -> None:
    fields = fields_of(id="id", status="state")
    loose = fields.plan.loosely()
    reader, extractors = reader_of(fields), fields.extractors(loose)
    good: dict[str, object] = {"id": "a", "state": "completed"}
    assert [each.id for each in reader.jobs(extractors, [None, {"id": "b"}, good, {"state": "completed"}])] == ["a"]
    assert reader.jobs(extractors, None) == ()
    with pytest.raises(msgspec.ValidationError, match="no status"):
        reader.jobs(extractors, [{"id": "b"}])


@pytest.mark.parametrize(
    "body",
    [
        b'{"error":"\xff"}',
        b'{"error":"\xff',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"error":' + b"9" * 5000 + b"}",
        b"<html>",
        b"",
    ],
    ids=range(7),
)
@pytest.mark.parametrize(
    ("http_status", "kind"), [(400, "refused"), (404, "not_found"), (401, "auth"), (500, "unreachable")]
)
def test_an_error_body_that_cannot_be_read_leaves_it_to_the_status(body: bytes, http_status: int, kind: str) -> None:
    table = 'job = "https://api.test/{job_id}"\nstatus = "s"\nmissing_if = "error == \'gone\'"\n'
    api = api_of(tomllib.loads(table), "own")
    assert api.verdict is not None
    assert api.verdict(http_status, body) is False
    fault = judged(http_status, CIMultiDict(), body, problem=api.problem, verdict=api.verdict)
    assert isinstance(fault, Fault)
    assert fault.kind is FaultKind(kind)
    assert "Error" not in fault.message


def test_a_verdict_that_trips_is_none() -> None:
    def trips(http_status: int, body: bytes) -> bool:
        raise UnicodeDecodeError("utf-8", body, 0, 1, "x")

    fault = judged(503, CIMultiDict(), b"\xff", verdict=trips)
    assert fault == Fault(FaultKind.UNREACHABLE, "the API is in trouble", 503)
