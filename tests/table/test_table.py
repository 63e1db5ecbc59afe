"""APIs written down as tables: what is read from bodies, what is asked, and what is wrong with a table."""

from __future__ import annotations

import contextlib
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from jobwatch import (
    Client,
    ConfigError,
    Event,
    Fault,
    FaultKind,
    Job,
    JobAPI,
    JobNotFound,
    Pace,
    Phase,
    Watched,
    load_api,
)
from jobwatch._core.tracker import Patience, observe
from jobwatch._reading.bodies import plain
from jobwatch._reading.words import USUAL_WORDS
from jobwatch._table.compile import api_of
from jobwatch._table.expressions import Place, expression_of
from jobwatch._table.fields import TableError
from jobwatch._table.paths import PART, Plan
from jobwatch.apis import APIS, BEDROCK, CAPYDB
from jobwatch.cli import main
from tests.table_server import TableServer, in_order

MINIMAL = 'job = "https://api.test/jobs/{job_id}"\nstatus = "status"\n'
QUICK = Pace(min_interval=0.01, max_interval=0.02)

CAPY = """
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
list = { request = "/api/capydb/v1/projects/{project_id}/jobs?limit={limit}", root = "jobs" }
"""


def table(text: str, name: str = "own") -> JobAPI:
    return api_of(tomllib.loads(text), name)


def read(text: str, body: object, job_id: str = "j1", http_status: int = 200) -> Job | Fault:
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return table(text).job(raw, job_id, http_status)


def seen(text: str, body: object, job_id: str = "j1", http_status: int = 200) -> Job:
    job = read(text, body, job_id, http_status)
    assert isinstance(job, Job), job
    return job


def fault(text: str, body: object, http_status: int = 200) -> Fault:
    job = read(text, body, http_status=http_status)
    assert isinstance(job, Fault), job
    return job


def client(server: TableServer, api: JobAPI, **options: Any) -> Client:
    kept: dict[str, Any] = {"pace": QUICK, "base_url": server.url, "appear_within": 0.05, "unreachable_after": 0.2}
    return Client(api, **(kept | options))


# --- what is read -------------------------------------------------------------------------------------------------


def test_a_table_of_two_lines_reads_a_job() -> None:
    job = seen(MINIMAL, {"status": "IN_PROGRESS", "id": 7})
    assert (job.id, job.status, job.phase, job.api) == ("j1", "IN_PROGRESS", Phase.RUNNING, "own")


@pytest.mark.parametrize("state", ["pending", "running", "completed", "failed"])
def test_capydb_as_a_table_reads_as_the_module_does(state: str) -> None:
    body = {
        "job": {
            "id": "j1",
            "state": state,
            "type": "project.backup",
            "project_id": "prj_1",
            "attempts": 1,
            "error": "disk full" if state == "failed" else None,
            "result": {"size": 3} if state == "completed" else None,
            "created_at": "2019-08-24T14:15:22Z",
            "started_at": "2019-08-24T14:15:23.5Z",
            "completed_at": "2019-08-24T14:16:22Z" if state in {"completed", "failed"} else None,
            "updated_at": "2019-08-24T14:16:22.123456789Z",
        }
    }
    raw = msgspec.json.encode(body)
    wanted = CAPYDB.job(raw, "j1")
    assert isinstance(wanted, Job)
    assert table(CAPY, "capydb").job(raw, "j1") == msgspec.structs.replace(wanted, wire=None)
    many = msgspec.json.encode({"jobs": [body["job"]]})
    assert table(CAPY, "capydb").jobs(many) == (msgspec.structs.replace(wanted, wire=None),)
    assert table(CAPY, "capydb").jobs(b'{"jobs":null}') == ()


@pytest.mark.parametrize(
    ("body", "status", "phase"),
    [
        ({"conclusion": None, "status": "queued"}, "queued", Phase.PENDING),
        ({"conclusion": "", "status": "queued"}, "queued", Phase.PENDING),
        ({"conclusion": "failure", "status": "completed"}, "failure", Phase.FAILED),
        ({"status": "completed"}, "completed", Phase.SUCCEEDED),
        ({"conclusion": None, "status": "completed"}, "completed", Phase.UNKNOWN),  # it may say no more than "over"
        ({"conclusion": "", "status": "failed"}, "failed", Phase.UNKNOWN),
        ({"conclusion": [], "status": ["done", "passed"]}, "done+passed", Phase.UNKNOWN),
        ({"conclusion": None, "status": "in_progress"}, "in_progress", Phase.RUNNING),
        ({"conclusion": None, "status": "BAKED"}, "BAKED", Phase.SUCCEEDED),
    ],
)
def test_the_first_path_that_holds_a_value_wins(body: object, status: str, phase: Phase) -> None:
    text = 'job = "https://a.test/{job_id}"\nstatus = ["conclusion", "status"]\nwords = { succeeded = ["baked"] }'
    job = seen(text, body)
    assert (job.status, job.phase) == (status, phase)


NUMBERED = """
job = "https://a.test/{job_id}"
status = ["results", "complete"]
words = { running = [false], succeeded = [0, true], failed = [1, 2.5], pending = [-1] }
"""


@pytest.mark.parametrize(
    ("body", "status", "phase"),
    [
        ({"results": None, "complete": False}, "complete=false", Phase.RUNNING),
        ({"results": 0, "complete": True}, "results=0", Phase.SUCCEEDED),
        ({"results": 1, "complete": True}, "results=1", Phase.FAILED),
        ({"results": 2.5}, "results=2.5", Phase.FAILED),
        ({"results": -1}, "results=-1", Phase.PENDING),
        ({"results": "-1"}, "-1", Phase.PENDING),
        ({"results": 3, "complete": True}, "results=3", Phase.UNKNOWN),
        ({"complete": True}, "complete=true", Phase.SUCCEEDED),
    ],
)
def test_words_may_be_numbers_and_booleans(body: object, status: str, phase: Phase) -> None:
    job = seen(NUMBERED, body)
    assert (job.status, job.phase) == (status, phase)


@pytest.mark.parametrize(
    ("state", "status", "phase"),
    [
        (["COMPLETED"], "COMPLETED", Phase.SUCCEEDED),
        (["RUNNING", "COMPLETED"], "RUNNING+COMPLETED", Phase.RUNNING),
        (["FAILED", "REQUEUED"], "FAILED+REQUEUED", Phase.PENDING),
        (["COMPLETED", "ODD"], "COMPLETED+ODD", Phase.UNKNOWN),
        (["COMPLETED", "CANCELLED"], "COMPLETED+CANCELLED", Phase.CANCELLED),
    ],
)
def test_a_state_that_comes_as_a_list(state: list[str], status: str, phase: Phase) -> None:
    job = seen(
        'job = "https://a.test/{job_id}"\nroot = "jobs[0]"\nstatus = "job_state"', {"jobs": [{"job_state": state}]}
    )
    assert (job.status, job.phase) == (status, phase)


def test_an_unknown_word_is_shown_and_is_no_end() -> None:
    job = seen(MINIMAL, {"status": "ok"})
    assert (job.status, job.phase) == ("ok", Phase.UNKNOWN)


def test_what_a_table_says_of_a_word_goes_before_what_is_usual() -> None:
    assert seen(MINIMAL + "words = { pending = ['Completed'] }", {"status": "COMPLETED"}).phase is Phase.PENDING


@pytest.mark.parametrize("word", ["In-Progress", "IN_PROGRESS", "inProgress", "in progress"])
def test_words_are_compared_without_what_only_looks_different(word: str) -> None:
    assert seen(MINIMAL, {"status": word}).phase is Phase.RUNNING


def test_usual_words_are_spelled_as_they_are_compared() -> None:
    assert all(word == word.casefold() and word.isalpha() for word in USUAL_WORDS)


GOOGLE = """
job = "https://a.test/v1/{+job_id}"
status = "done"
words = { running = [false, "absent"], succeeded = [true] }
failed_if = "error"
cancelled_if = "error.code == `1`"
error = "error"
"""


@pytest.mark.parametrize(
    ("body", "status", "phase"),
    [
        ({"name": "j1"}, "no done", Phase.RUNNING),
        ({"done": False}, "done=false", Phase.RUNNING),
        ({"done": True, "response": {}}, "done=true", Phase.SUCCEEDED),
        ({"done": True, "error": {"code": 5, "message": "no"}}, "failed", Phase.FAILED),
        ({"done": True, "error": {"code": 1, "message": "stop"}}, "cancelled", Phase.CANCELLED),
        ({"done": True, "error": None}, "done=true", Phase.SUCCEEDED),
        ({"done": True, "error": {}}, "done=true", Phase.SUCCEEDED),
    ],
)
def test_presence_may_mean_failure(body: object, status: str, phase: Phase) -> None:
    job = seen(GOOGLE, body)
    assert (job.status, job.phase) == (status, phase)


@pytest.mark.parametrize(
    ("value", "message", "code"),
    [
        ("boom", "boom", None),
        ({"code": "E1", "message": "boom"}, "boom", "E1"),
        ([{"code": 3, "detail": "boom"}], "boom", "3"),
        ({"error": {"message": "boom", "type": "T"}}, "boom", "T"),
        (3, "3", None),
        ({"odd": 1}, '{"odd":1}', None),
    ],
)
def test_whatever_an_api_calls_an_error_becomes_a_message(value: object, message: str, code: str | None) -> None:
    job = seen(MINIMAL + 'error = "error"', {"status": "failed", "error": value})
    assert job.error is not None
    assert (job.error.message, job.error.code) == (message, code)


def test_a_message_of_a_job_that_went_well_is_no_error() -> None:
    assert seen(MINIMAL + 'error = "message"', {"status": "succeeded", "message": "Job complete"}).error is None


@pytest.mark.parametrize(
    ("value", "zone", "wanted"),
    [
        (1718614500, "UTC", datetime(2024, 6, 17, 8, 55, tzinfo=UTC)),
        (1718614500000, "UTC", datetime(2024, 6, 17, 8, 55, tzinfo=UTC)),
        ("1718614500", "UTC", datetime(2024, 6, 17, 8, 55, tzinfo=UTC)),
        ("1718614500.25", "UTC", datetime(2024, 6, 17, 8, 55, 0, 250000, tzinfo=UTC)),
        (1718614500000000, "UTC", datetime(2024, 6, 17, 8, 55, tzinfo=UTC)),
        (1718614500000000000, "UTC", datetime(2024, 6, 17, 8, 55, tzinfo=UTC)),
        ("Mon, 17 Jun 2024 08:55:00 GMT", "UTC", datetime(2024, 6, 17, 8, 55, tzinfo=UTC)),
        ("2024-06-17 08:55:00 UTC", "Europe/Berlin", datetime(2024, 6, 17, 8, 55, tzinfo=UTC)),
        ("2024-06-17T10:55:00+02:00", "UTC", datetime(2024, 6, 17, 8, 55, tzinfo=UTC)),
        ("2024-06-17T08:55:00", "UTC", datetime(2024, 6, 17, 8, 55, tzinfo=UTC)),
        ("2024-06-17 10:55:00", "Europe/Berlin", datetime(2024, 6, 17, 8, 55, tzinfo=UTC)),
        ("2024-06-17T08:55:00Z", "Europe/Berlin", datetime(2024, 6, 17, 8, 55, tzinfo=UTC)),
        ("yesterday", "Europe/Berlin", None),
        (0, "UTC", None),
    ],
)
def test_times_in_any_form(value: object, zone: str, wanted: datetime | None) -> None:
    text = MINIMAL + f'created_at = ["never", "created"]\ntimezone = "{zone}"'
    assert seen(text, {"status": "x", "created": value}).created_at == wanted


@pytest.mark.parametrize(
    ("progress", "body", "share"),
    [
        ('"p"', {"p": 0.25}, 0.25),
        ('{ done = "p", of = 100 }', {"p": 25}, 0.25),
        ('{ done = "n.done", of = "n.total" }', {"n": {"done": 1, "total": 4}}, 0.25),
        ('{ done = "n.done", of = ["n.all", "n.total"] }', {"n": {"done": "1", "total": "4"}}, 0.25),
        ('{ done = "n.done", of = "n.total" }', {"n": {"done": 1, "total": 0}}, None),
        ('{ done = "length(n[?ok])", of = "length(n)" }', {"n": [{"ok": True}, {"ok": "no"}]}, 0.5),
        ('[{ done = "a", of = 100 }, { done = "p", of = 100 }]', {"p": 25}, 0.25),
        ('["a", "p"]', {"p": 0.25}, 0.25),
        ('"p"', {"p": "1/4"}, 0.25),
        ('"p"', {"p": "3 / 4"}, 0.75),
        ('"p"', {"p": "5/4"}, None),
        ('"p"', {"p": "1/0"}, None),
        ('"p"', {"p": 25}, None),
        ('"p"', {"p": "a quarter"}, None),
        ('"p"', {"p": "25%"}, 0.25),
        ('{ done = "p", of = 100 }', {"p": " 12.5 % "}, 0.125),
        ('"p"', {"p": "101%"}, None),
    ],
)
def test_progress_is_a_share(progress: str, body: dict[str, object], share: float | None) -> None:
    assert seen(MINIMAL + f"progress = {progress}", {"status": "running", **body}).progress == share


def test_a_history_lies_where_the_table_says() -> None:
    text = MINIMAL + 'events = { path = "log.entries", status = ["to", "state"], at = "when" }'
    entries = [{"to": "queued", "when": 1718614500}, {"state": "running"}, None]
    job = seen(text, {"status": "running", "log": {"entries": entries}})
    assert job.events is not None
    assert [(event.status, event.phase) for event in job.events] == [
        ("queued", Phase.PENDING),
        ("running", Phase.RUNNING),
    ]
    assert job.events[0].at == datetime(2024, 6, 17, 8, 55, tzinfo=UTC)
    assert seen(text, {"status": "running"}).events is None


T = 1718614500

MAPPED = MINIMAL + 'times = "at"\nwords = { running = ["uploading", "resting"] }'


@pytest.mark.parametrize(
    ("status", "at", "told"),
    [
        (
            "completed",
            {"running": T + 5, "queued": T, "held": None, "completed": T + 9},
            "queued@0 running@5 completed@9",
        ),
        ("uploading", {"queued": T, "running": T + 5, "uploading": T + 7}, "queued@0 running@5 uploading@7"),
        ("resting", {"queued": T, "running": T + 5}, "queued@0 running@5 resting"),
        ("Running", {"running": T, "uploading": T}, "uploading@0 running@0"),
        ("done", {"running": T + 5}, "running@5 done"),
        ("running", {"running": T + 5, "uploading": T + 7}, "running@5 uploading@7 running"),
        ("running", {"held": None, "queued": "soon"}, None),
        ("running", {}, None),
    ],
)
def test_a_map_of_states_to_times_is_a_history_that_loses_and_invents_nothing(
    status: str, at: dict[str, object], told: str | None
) -> None:
    job = seen(MAPPED, {"status": status, "at": at})
    shown = [
        event.status if event.at is None else f"{event.status}@{event.at.timestamp() - T:.0f}"
        for event in job.events or ()
    ]
    assert (" ".join(shown).lower() if job.events is not None else None) == told
    assert job.ended_at == (job.events[-1].at if job.phase is Phase.SUCCEEDED and job.events else None)


def test_the_time_of_a_state_that_the_table_names_is_not_told_of_another() -> None:
    text = MINIMAL + "times = { running = 'began', merging = 'merged' }\nwords = { running = ['merging', 'resting'] }"
    job = seen(text, {"status": "resting", "began": T, "merged": T + 5})
    told = observe(Watched(job_id="j1", api="own"), job, T + 9.0, Patience()).transitions
    assert [(change.status, change.at is None, change.gap) for change in told] == [
        ("running", False, True),  # nothing tells how it waited
        ("merging", False, False),
        ("resting", True, False),
    ]


def test_states_of_one_phase_in_a_map_of_times_are_each_told_once() -> None:
    watched, told = Watched(job_id="j1", api="own"), list[str]()
    for status, at in [
        ("queued", {"queued": T}),
        ("running", {"queued": T, "running": T + 5}),
        ("resting", {"queued": T, "running": T + 5}),
        ("done", {"queued": T, "running": T + 5, "uploading": T + 8, "done": T + 9}),
    ]:
        found = observe(watched, seen(MAPPED, {"status": status, "at": at}), T + 10.0, Patience())
        watched, told = found.watched, told + [change.status for change in found.transitions]
        assert not any(change.gap for change in found.transitions)
    assert told == ["queued", "running", "resting", "uploading", "done"]


@pytest.mark.parametrize("odd", [{"to": []}, {}])
def test_a_history_with_an_entry_that_tells_no_state_is_not_read(odd: dict[str, object]) -> None:
    job = seen(MINIMAL + 'events = { path = "log", status = "to" }', {"status": "running", "log": [odd]})
    assert (job.phase, job.events) == (Phase.RUNNING, None)


def test_a_reader_that_raises_whatever_it_likes_makes_one_reply_unreadable() -> None:
    def read_job(_body: bytes) -> Job:
        raise ZeroDivisionError

    found = replace(BEDROCK, read_job=read_job).job(b"{}", "j1")
    assert isinstance(found, Fault)
    assert (found.kind, "ZeroDivisionError" in found.message) == (FaultKind.UNREADABLE, True)


# --- bodies that are not the job -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "kind", "told"),
    [
        (b"null", FaultKind.NOT_FOUND, "no such job"),
        (b'{"data":null}', FaultKind.NOT_FOUND, "no such job"),
        (b'{"data":{"id":null,"state":null}}', FaultKind.NOT_FOUND, "no such job"),
        (b'{"data":{"id":"j2","state":"completed"}}', FaultKind.UNREADABLE, "about job j2"),
        (b'{"data":{"id":"j1"}}', FaultKind.UNREADABLE, "no status"),
        (b'{"data":{"state":"completed"}}', FaultKind.UNREADABLE, "no id"),
        (b'{"status":"ok"}', FaultKind.UNREADABLE, "missing required field - at `$.data`"),
        (b'{"data":{"id":"j1","state":{}}}', FaultKind.UNREADABLE, "got `object` - at `$.data.state`"),
        (b'{"data":[]}', FaultKind.UNREADABLE, "got `array` - at `$.data`"),
        (b'{"data":{"id":"j1","state":"do', FaultKind.UNREADABLE, "not JSON"),
        (b"", FaultKind.UNREADABLE, "empty"),
    ],
)
def test_a_body_that_does_not_fit_is_a_fault_with_the_place(body: bytes, kind: FaultKind, told: str) -> None:
    found = fault('job = "https://a.test/{job_id}"\nroot = "data"\nid = "id"\nstatus = "state"', body)
    assert found.kind is kind
    assert told in found.message


def test_a_null_state_is_pending_while_the_job_is_there() -> None:
    job = seen(MINIMAL + 'id = "id"', {"id": "j1", "status": None})
    assert (job.status, job.phase) == ("null", Phase.PENDING)


def test_an_empty_list_in_place_of_the_job_is_no_such_job() -> None:
    text = 'job = "https://a.test/{job_id}"\nroot = "jobs[0]"\nstatus = "state"'
    assert fault(text, {"jobs": []}).kind is FaultKind.NOT_FOUND


def test_a_missing_job_may_be_told_by_a_condition() -> None:
    text = MINIMAL + 'missing_if = ["status == \'PENDING\' && !(received)", "error_number == `2017`"]'
    assert fault(text, {"status": "PENDING", "received": None}).kind is FaultKind.NOT_FOUND
    assert seen(text, {"status": "PENDING", "received": 1718614500.5}).phase is Phase.PENDING
    assert fault(text, {"status": "x", "error_number": 2017}).kind is FaultKind.NOT_FOUND


def test_an_id_may_be_the_end_of_a_name() -> None:
    text = MINIMAL + 'id = "name"'
    assert seen(text, {"status": "x", "name": "projects/p/operations/j1"}).id == "j1"
    assert seen(text, {"status": "x", "name": "j1"}, "operations/j1").id == "operations/j1"


# --- what is odd is left out, and what is needed never is ------------------------------------------------------------

ODD = """
job = "https://a.test/{job_id}"
root = "job"
id = "id"
status = ["conclusion", "state.name"]
words = { failed = ["failed"] }
type = "kind.name"
error = "error.message"
result = "result"
attempt = "attempts"
progress = { done = "done", of = "total" }
created_at = "at.created"
started_at = "started"
times = "times"
failed_if = "error.code == `1`"
events = { path = "log", status = "to", at = "when" }
"""
FINE: dict[str, object] = {
    "id": "j1",
    "conclusion": None,
    "state": {"name": "failed"},
    "kind": {"name": "backup"},
    "error": {"message": "full"},
    "attempts": 2,
    "done": 1,
    "total": 4,
    "at": {"created": 1718614500},
    "started": 1718614501,
    "times": {"running": 1718614501},
    "log": [{"to": "running", "when": 1718614501}],
}
LEFT_OUT: dict[str, dict[str, Any]] = {
    "kind": {"type": None},
    "error": {"error": None},
    "attempts": {"attempt": None},
    "done": {"progress": None},
    "total": {"progress": None},
    "at": {"created_at": None},
    "started": {"started_at": None},
    "times": {},  # the history is told elsewhere, too
    "log": {
        "events": (
            Event("running", Phase.RUNNING, datetime.fromtimestamp(1718614501, UTC)),
            Event("failed", Phase.FAILED),
        )
    },
}


@pytest.mark.parametrize("odd", [{}, True, [{"name": 1}], [[]], {"name": [1], "to": {}, "running": []}])
@pytest.mark.parametrize("field", LEFT_OUT)
def test_an_optional_field_of_another_type_is_left_out_and_nothing_else(field: str, odd: object) -> None:
    whole, job = seen(ODD, {"job": FINE}), seen(ODD, {"job": FINE | {field: odd}})
    assert (job.id, job.status, job.phase) == ("j1", "failed", Phase.FAILED)
    assert job == msgspec.structs.replace(whole, **LEFT_OUT[field])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"state": []}, "Expected `object`, got `array` - at `$.job.state`"),
        ({"state": {"name": {}}}, "got `object` - at `$.job.state.name`"),
        ({"conclusion": {"x": 1}}, "got `object` - at `$.job.conclusion`"),
        ({"id": ["j1"]}, "got `array` - at `$.job.id`"),
        ({"id": True}, "got `bool` - at `$.job.id`"),
    ],
)
def test_an_id_or_a_status_of_another_type_is_never_left_out(change: dict[str, object], told: str) -> None:
    for more in ({}, {"kind": 3}, {"error": "odd", "times": []}):
        found = fault(ODD, {"job": FINE | change | more})
        assert found.kind is FaultKind.UNREADABLE
        assert told in found.message


def test_one_job_of_a_list_does_not_make_the_others_unreadable() -> None:
    text = (
        MINIMAL + 'id = "id"\ntype = "kind"\nlist = { request = "/p/{project_id}", root = "jobs" }\nmissing_if = "gone"'
    )
    good = {"id": "j1", "status": "completed", "kind": "k"}

    def listed(*jobs: object) -> object:
        found = table(text).jobs(msgspec.json.encode({"jobs": jobs}))
        return found if isinstance(found, Fault) else [(job.id, job.type) for job in found]

    assert listed(good, {"id": "j2", "status": "completed", "kind": []}) == [("j1", "k"), ("j2", None)]
    assert listed(good, {"id": "j2", "status": {}}, {"id": "j3"}, 7, None) == [("j1", "k")]
    assert listed(good, {"id": "j2", "status": "completed"}, {"id": "j1", "status": {}}) == [("j2", None)], (
        "told in two ways"
    )
    assert isinstance(listed({"id": "j2", "status": {}}), Fault)
    assert listed() == []
    for other in ({"id": "j1"}, {"id": "j1", "status": "running", "gone": True}):
        assert listed(good, other) == listed(other, good) == [], "as no job, it is told in two ways, too"
    assert isinstance(table(text).jobs(b'{"jobs":{}}'), Fault)


# --- what tells a state beside a word --------------------------------------------------------------------------------

CONDITIONS = """
job = "https://kube.test/jobs/{job_id}"
id = "metadata.name"
succeeded_if = "status.conditions[?type=='Complete' && status=='True']"
failed_if = "status.conditions[?type=='Failed' && status=='True']"
running_if = "status.active"
words = { pending = ["absent"] }
error = "status.conditions[?type=='Failed'] | [0].message"
"""


@pytest.mark.parametrize(
    ("status", "word", "phase"),
    [
        ({}, "absent", Phase.PENDING),
        ({"active": 0}, "absent", Phase.PENDING),
        ({"active": 1}, "running", Phase.RUNNING),
        (
            {"conditions": [{"type": "SuccessCriteriaMet", "status": "True"}, {"type": "Complete", "status": "True"}]},
            "succeeded",
            Phase.SUCCEEDED,
        ),
        (
            {"active": 1, "conditions": [{"type": "Failed", "status": "False"}, {"type": "Suspended"}]},
            "running",
            Phase.RUNNING,
        ),
        ({"conditions": [7, {"type": "Failed", "status": "True", "message": "Backoff"}]}, "failed", Phase.FAILED),
    ],
)
def test_a_state_told_by_conditions_alone(status: object, word: str, phase: Phase) -> None:
    job = seen(CONDITIONS, {"metadata": {"name": "j1"}, "status": status})
    assert (job.status, job.phase) == (word, phase)
    assert (job.error.message if job.error else None) == ("Backoff" if phase is Phase.FAILED else None)


def test_conditions_go_from_the_worst_end_to_the_best_and_then_back_in_time() -> None:
    keys = ["cancelled", "failed", "succeeded", "running", "pending"]
    text = MINIMAL + "".join(f'{key}_if = "{key}"\n' for key in reversed(keys))
    for index, key in enumerate(keys):
        body = {"status": "odd"} | dict.fromkeys(keys[index:], True)
        assert seen(text, body).phase.value == key
    assert seen(text, {"status": "Terminated OK"}).phase is Phase.UNKNOWN


def test_a_condition_shows_the_word_of_the_api_where_that_says_the_same() -> None:
    text = MINIMAL + 'succeeded_if = "code == `0`"'
    assert seen(text, {"status": "Passed", "code": 0}).status == "Passed"
    assert seen(text, {"status": "running", "code": 0}).status == "succeeded"


@pytest.mark.parametrize(
    ("result", "state", "status", "phase"),
    [
        ("none", "inProgress", "inProgress", Phase.RUNNING),
        (-1, "queued", "queued", Phase.PENDING),
        ("failed", "completed", "failed", Phase.FAILED),
        ("none", None, "none", Phase.UNKNOWN),
    ],
)
def test_a_word_may_say_nothing(result: object, state: object, status: str, phase: Phase) -> None:
    text = 'job = "https://a.test/{job_id}"\nstatus = ["result", "state"]\nwords = { nothing = ["None", -1] }'
    job = seen(text, {"result": result, "state": state})
    assert (job.status, job.phase) == (status, phase)


@pytest.mark.parametrize(
    ("word", "phase"),
    [
        ("JOB_STATE_SUCCEEDED", Phase.SUCCEEDED),
        ("JOB_STATE_PARTIALLY_SUCCEEDED", Phase.UNKNOWN),
        ("JOB_STATE_DRAINED", Phase.CANCELLED),
        ("JOB_STATE_UPDATED", Phase.RUNNING),
        ("running", Phase.RUNNING),
        ("STATE_SUCCEEDED", Phase.UNKNOWN),
    ],
)
def test_what_all_words_begin_with_need_not_be_in_the_table(word: str, phase: Phase) -> None:
    text = MINIMAL + (
        'status_prefix = "JOB_STATE_"\nwords = { cancelled = ["drained"], running = ["JOB_STATE_UPDATED"] }'
    )
    job = seen(text, {"status": word})
    assert (job.status, job.phase) == (word, phase)


# --- a job that lies under its id, or in a list ----------------------------------------------------------------------

UNDER_ID = (
    'job = "https://a.test/history"\nbody = "{job_id}"\nmethod = "POST"\nroot = \'"{job_id}"\'\nstatus = "status.s"\n'
)
IN_LIST = UNDER_ID.replace("'\"{job_id}\"'\nstatus", '"jobs[?id=={job_id}] | [0]"\nid = "id"\nstatus')


@pytest.mark.parametrize("job_id", ["j1", "a.b", "x/y:1", "3"])
def test_a_job_may_lie_under_its_id_or_be_chosen_by_it(job_id: str) -> None:
    job = {"status": {"s": "running"}}
    assert seen(UNDER_ID, {job_id: job, "other": {"status": "odd"}}, job_id).phase is Phase.RUNNING
    own = int(job_id) if job_id == "3" else job_id
    assert seen(IN_LIST, {"jobs": [{"id": "no"}, {}, 7, {"id": own, **job}]}, job_id).id == job_id


def test_a_job_that_lies_nowhere_is_not_there_or_what_the_table_says() -> None:
    assert fault(UNDER_ID, {"other": {"status": {"s": "completed"}}}).kind is FaultKind.NOT_FOUND
    assert fault(IN_LIST, {"jobs": []}).kind is FaultKind.NOT_FOUND
    assert "missing required field" in fault(IN_LIST, {"odd": []}).message
    assert "got `object` - at `$.jobs`" in fault(IN_LIST, {"jobs": {}}).message
    job = seen(UNDER_ID + 'words = { pending = ["absent"] }', {})
    assert (job.id, job.status, job.phase) == ("j1", "absent", Phase.PENDING)


# --- replies that are words, or nothing but a status -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "phase"),
    [(b"EXECUTING", Phase.RUNNING), (b"COMPLETED\r\n", Phase.SUCCEEDED), (b'"QUEUED"', Phase.PENDING)],
)
def test_a_reply_may_be_a_bare_word(body: bytes, phase: Phase) -> None:
    assert seen('job = "https://a.test/{job_id}/phase"\nstatus = "@"', body).phase is phase


@pytest.mark.parametrize("body", [b"<html>", b"two\nlines", b"x" * 201, b"", b'{"a":1}', b'{"a":', b"[}"])
def test_what_is_no_word_is_none(body: bytes) -> None:
    found = fault('job = "https://a.test/{job_id}/phase"\nstatus = "@"', body)
    assert found.kind is FaultKind.UNREADABLE
    assert fault(MINIMAL, b"COMPLETED").message == "the reply is not JSON"


def test_a_200_that_is_a_state_needs_the_body_only_where_the_table_wants_something_of_it() -> None:
    bare = 'job = "https://a.test/{job_id}"\nhttp = { 200 = "succeeded", 500 = "failed" }\n'
    for body in (b"\x89PNG\r\n", b'{"any":1}', b"[]", b""):
        assert seen(bare, body).phase is Phase.SUCCEEDED
    for more in ('root = "data"', 'id = "id"', 'status = "status"'):
        for body in (b"\x89PNG\r\n", b"[]", b"{}"):
            if (more, body) != ('status = "status"', b"{}"):
                assert fault(bare + more, body).kind is FaultKind.UNREADABLE
    failed = seen(bare + 'id = "id"', {"message": "boom"}, http_status=500)
    assert (failed.id, failed.phase, str(failed.error)) == ("j1", Phase.FAILED, "boom")


@pytest.mark.parametrize(
    ("body", "kind", "told"),
    [
        ({"error": {"code": 400, "message": "Invalid job"}}, FaultKind.UNREADABLE, "it says: 400: Invalid job"),
        ({"errors": [{"message": "Throttled"}]}, FaultKind.UNREADABLE, "it says: Throttled"),
        ({"data": None, "errors": [{"message": "Access denied"}]}, FaultKind.UNREACHABLE, "an error: Access denied"),
        ({"data": None, "error": {"message": "Throttled"}}, FaultKind.UNREACHABLE, "an error: Throttled"),
        ({"data": {"state": None}, "errors": ["busy"]}, FaultKind.UNREACHABLE, "an error: busy"),
        ({"data": None, "errors": [], "message": "ok"}, FaultKind.NOT_FOUND, "no such job: ok"),
    ],
)
def test_a_reply_that_is_no_job_but_an_error_is_told_in_its_own_words(body: object, kind: FaultKind, told: str) -> None:
    found = fault('job = "https://a.test/{job_id}"\nroot = "data"\nid = "id"\nstatus = "state"', body)
    assert found.kind is kind
    assert told in found.message


HTTP = (
    MINIMAL
    + """
http = { 202 = "running", 303 = "succeeded", 200 = "succeeded", 404 = "missing", 422 = "failed" }
words = { pending = ["parked"], failed = ["broke"], cancelled = ["halted"] }
"""
)


@pytest.mark.parametrize(
    ("http_status", "body", "status", "phase"),
    [
        (202, b"", "HTTP 202", Phase.RUNNING),
        (202, b'{"status":"queued"}', "queued", Phase.RUNNING),  # a usual word
        (202, b'{"status":"completed"}', "completed", Phase.RUNNING),
        (202, b'{"status":"busy"}', "busy", Phase.RUNNING),
        (202, b'{"status":["busy","queued"]}', "busy+queued", Phase.RUNNING),
        (202, b'{"status":"parked"}', "parked", Phase.PENDING),  # the table's own
        (202, b'{"status":"broke"}', "broke", Phase.FAILED),
        (303, b'{"status":"parked"}', "parked", Phase.PENDING),
        (200, b'{"status":"busy"}', "busy", Phase.UNKNOWN),  # no success beside a word
        (200, b'{"status":"running"}', "running", Phase.RUNNING),
        (422, b'{"status":"E_BAD"}', "E_BAD", Phase.FAILED),
        (422, b'{"status":"parked"}', "HTTP 422", Phase.FAILED),  # a bad end comes first, whoever tells it
        (422, b'{"status":"halted"}', "halted", Phase.CANCELLED),
        (202, b"Accepted", "HTTP 202", Phase.RUNNING),
        (303, b"<html>see other</html>", "HTTP 303", Phase.SUCCEEDED),
        (200, b'{"output":1}', "HTTP 200", Phase.SUCCEEDED),
    ],
)
def test_an_http_status_may_be_a_state(http_status: int, body: bytes, status: str, phase: Phase) -> None:
    job = seen(HTTP, body, http_status=http_status)
    assert (job.status, job.phase) == (status, phase)


# --- what is asked --------------------------------------------------------------------------------------------------


async def test_params_headers_and_token_go_where_the_table_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWN_USER", "someone")
    monkeypatch.setenv("OWN_KEY", "s3cret-s3cret")
    api = table(
        'job = "https://a.test/v/{region}/{+queue}/jobs?id={job_id}&full=1"\nstatus = "status"\ntoken = "OWN_KEY"\n'
        'auth = "X-Own-Key: key={token}"\nheaders = { X-User = "${OWN_USER}", X-Region = "{region}" }\n'
        'params = { region = "eu" }'
    )
    async with (
        TableServer(in_order({"status": "completed"})) as server,
        client(server, api, params={"queue": "a/b c"}) as own,
    ):
        assert (await own.wait_for("x$1/y:2", timeout=5)).phase is Phase.SUCCEEDED
    method, path, headers, _ = server.requests[0]
    assert (method, path) == ("GET", "/v/eu/a/b%20c/jobs?id=x%241%2Fy%3A2&full=1")
    assert (headers["X-Own-Key"], headers["X-User"], headers["X-Region"]) == ("key=s3cret-s3cret", "someone", "eu")
    assert "Authorization" not in headers


@pytest.mark.parametrize("value", ["${OWN_SECOND}", "${NOT_SET}", "{region}", "$"])
async def test_neither_a_parameter_nor_a_variable_is_expanded_itself(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("OWN_USER", "{region} and ${OWN_SECOND}")
    monkeypatch.setenv("OWN_SECOND", "s3cret-s3cret")
    api = table(MINIMAL + 'headers = { X-Both = "{queue} ${OWN_USER}" }\nparams = { queue = "day" }')
    async with (
        TableServer(in_order({"status": "completed"})) as server,
        client(server, api, params={"queue": value}) as own,
    ):
        await own.wait_for("j1", timeout=5)
    assert server.requests[0][2]["X-Both"] == f"{value} {{region}} and ${{OWN_SECOND}}"


async def test_basic_credentials_are_encoded() -> None:
    api = table(MINIMAL + 'token = "OWN_KEY"\nauth = "basic"')
    async with TableServer(in_order({"status": "completed"})) as server, client(server, api, token="user:pass") as own:
        await own.wait_for("j1", timeout=5)
    assert server.requests[0][2]["Authorization"] == "Basic dXNlcjpwYXNz"


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        ('{ id = "{job_id}", q = { deep = ["{job_id}", 1] } }', b'{"id":"a\\"b","q":{"deep":["a\\"b",1]}}'),
        ('\'{"run": "{job_id}"}\'', b'{"run": "a\\"b"}'),
    ],
)
async def test_a_status_by_post(body: str, sent: bytes) -> None:
    api = table(f'job = "https://a.test/status"\nmethod = "POST"\nbody = {body}\nstatus = "status"')
    async with (
        TableServer(in_order({"status": "running"}, {"status": "completed"})) as server,
        client(server, api) as own,
    ):
        assert (await own.wait_for('a"b', timeout=5)).phase is Phase.SUCCEEDED
    assert [(method, path, raw) for method, path, _, raw in server.requests] == [("POST", "/status", sent)] * 2
    assert server.requests[0][2]["Content-Type"] == "application/json"


async def test_http_states_are_seen_through_the_network() -> None:
    away = web.Response(status=303, headers={"Location": "/result/1"}, text="see there")
    api = table('job = "https://a.test/jobs/{job_id}"\nhttp = { 202 = "running", 303 = "succeeded" }')
    async with TableServer(in_order((202, b"", {}), (200, away, {}))) as server, client(server, api) as own:
        changes = [change.status async for change in own.wait_for("j1", timeout=5)]
    assert changes == ["HTTP 202", "HTTP 303"]
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("keys", "answer"),
    [
        ("", (200, b"null", {})),
        ('http = { 400 = "missing" }', (400, {"detail": "bad id"}, {})),
        ('missing_if = "errors[0].number == `2017`"', (500, {"errors": [{"number": 2017}], "status": None}, {})),
        ("missing_if = \"status == 'PENDING' && !(name)\"", (200, {"status": "PENDING"}, {})),
    ],
)
async def test_a_missing_job_is_known_as_one(keys: str, answer: object) -> None:
    async with TableServer(in_order(answer)) as server, client(server, table(MINIMAL + keys)) as own:
        with pytest.raises(JobNotFound):
            await own.wait_for("j1", timeout=5)


async def test_another_500_is_trouble_as_ever() -> None:
    api = table(MINIMAL + 'missing_if = "errors[0].number == `2017`"')
    answers = in_order((500, {"errors": [{"number": 1}]}, {}), {"status": "completed"})
    async with TableServer(answers) as server, client(server, api) as own:
        assert (await own.wait_for("j1", timeout=5)).phase is Phase.SUCCEEDED


@pytest.mark.parametrize("served", ['job = "https://a.test', 'base_url = "https://a.test"\njob = "'])
async def test_what_cannot_stand_in_a_url_is_encoded_there(served: str) -> None:
    path = "/rpc/ä b/%2F?data={'task': '{job_id}', 'n': [1]}#x".replace("'", '\\"')
    api = table(f'{served}{path}"\nstatus = "status"')
    async with TableServer(in_order({"status": "completed"})) as server, client(server, api) as own:
        await own.wait_for('a"b', timeout=5)
    encoded = "%7B%22task%22:%20%22a%22b%22,%20%22n%22:%20[1]%7D%23x"
    assert server.requests[0][1] == f"/rpc/%C3%A4%20b/%2F?data={encoded}"


async def test_a_job_that_is_looked_up_in_all_there_are_needs_no_place_in_the_url() -> None:
    api = table('job = "https://a.test/jobs"\nroot = \'"{job_id}"\'\nstatus = "status"')
    answers = in_order({"j1": {"status": "running"}}, {"j1": {"status": "completed"}, "j2": {"status": "failed"}})
    async with TableServer(answers) as server, client(server, api) as own:
        assert (await own.wait_for("j1", timeout=5)).phase is Phase.SUCCEEDED
    assert [path for _, path, _, _ in server.requests] == ["/jobs", "/jobs"]


async def test_a_form_is_sent_as_one() -> None:
    api = table(
        'job = "https://a.test/status"\nmethod = "POST"\nbody = "id={job_id}&full=1"\nstatus = "status"\n'
        'headers = { content-type = "application/x-www-form-urlencoded", accept = "*/*" }'
    )
    async with TableServer(in_order({"status": "completed"})) as server, client(server, api) as own:
        await own.wait_for("a&b=c/d e", timeout=5)
    _, _, headers, body = server.requests[0]
    assert body == b"id=a%26b%3Dc%2Fd%20e&full=1"
    sent = [(name.lower(), value) for name, value in headers.items() if name.lower() in {"content-type", "accept"}]
    assert sorted(sent) == [("accept", "*/*"), ("content-type", "application/x-www-form-urlencoded")]


@pytest.mark.parametrize("kind", ["text/html", "text/plain", "*", ""])
async def test_json_is_json_whatever_it_is_called(kind: str) -> None:
    answer = (200, {"status": "completed"}, {"Content-Type": kind})
    async with TableServer(in_order(answer)) as server, client(server, table(MINIMAL)) as own:
        assert (await own.wait_for("j1", timeout=5)).phase is Phase.SUCCEEDED


async def test_row_80_a_job_may_go_back_to_pending() -> None:
    answers = in_order(*({"status": word} for word in ("queued", "running", "queued", "running", "completed")))
    async with TableServer(answers) as server, client(server, table(MINIMAL)) as own:
        changes = [change.status async for change in own.wait_for("j1", timeout=5)]
    assert changes == ["queued", "running", "queued", "running", "completed"]


async def test_row_48_an_id_that_is_a_url_is_asked_on_its_own_origin_only() -> None:
    api = table('job = "{url}"\nbase_url = "https://a.test"\nstatus = "status"')
    async with TableServer(in_order({"status": "completed"})) as server, client(server, api) as own:
        await own.wait_for(f"{server.url}/ops/1?v=2", timeout=5)
        await own.wait_for("/ops/2", timeout=5)
        for elsewhere in ("https://evil.test/ops/1", f"{server.url}0/x", "//evil.test/x", "file:///x"):
            with pytest.raises(ConfigError, match="the job's URL"):
                own.wait_for(elsewhere)
    assert [path for _, path, _, _ in server.requests] == ["/ops/1?v=2", "/ops/2"]


def test_a_parameter_that_is_missing_or_unknown_is_told() -> None:
    with pytest.raises(ConfigError, match=r"github needs the parameters repo=\.\.\."):
        Client("github", token="t", params={"owner": "o"})
    with pytest.raises(ConfigError, match="has no parameter ower; there are: owner, repo"):
        Client("github", token="t", params={"ower": "o"})
    with pytest.raises(ConfigError, match="bedrock has no parameter x"):
        Client("bedrock", token="t", params={"x": "o"})


@pytest.mark.parametrize("service", ["evil.test/", "evil.test?", "a@evil.test", "evil.test#", ""])
def test_a_parameter_in_a_host_name_stays_in_it(service: str) -> None:
    with pytest.raises(ConfigError):
        Client("google", token="t", params={"service": service})


def test_a_header_needs_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OWN_SECOND", raising=False)
    with pytest.raises(ConfigError, match="the header X-B needs the environment variable OWN_SECOND"):
        Client(table(MINIMAL + 'headers = { X-B = "${OWN_SECOND}" }'))


# --- tables that are wrong -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ('status = "s"', 1, "lacks job"),
        ('job = "https://a.test/{job_id}"', 1, "lacks status"),
        (MINIMAL + 'statsu = "x"', 3, "statsu: there is no such key; did you mean status?"),
        (MINIMAL + 'zzz = "x"', 3, "zzz: there is no such key; there are: job,"),
        (MINIMAL + "\nroot = 3", 4, "root: expected str, got int"),
        (MINIMAL + "[words]\n\npending = [1]\nrunnning = [2]", 6, "words.runnning: there is no such key; did you mean"),
        (MINIMAL + '[words]\npending = ["a"]\nfailed = ["A"]', 5, "words.failed: 'A' is among the words for pending"),
        (MINIMAL + 'id = "a..b"', 3, "id: 'a..b' is no JMESPath expression"),
        (MINIMAL + 'error = ["ok", "a[x]"]', 3, "error: 'a[x]' is no JMESPath expression"),
        (MINIMAL + 'failed_if = "a == b"', 3, "failed_if: b is compared as a field: a word is written 'b'"),
        (MINIMAL + "http = { 99 = 'running' }", 3, "http.99: an HTTP status"),
        (MINIMAL + "http = { 202 = 'run' }", 3, "http"),
        (MINIMAL + 'auth = "X-Key"', 3, "auth: token must name a variable"),
        (MINIMAL + 'token = "T"\nauth = "X-Key"', 4, "auth: write"),
        (MINIMAL + 'token = "T"\nauth = "none"', 4, "auth: there is a token"),
        (MINIMAL + 'body = "x"', 3, "body: only a POST"),
        (MINIMAL + "params = { x = '1' }", 3, "params.x: nothing in the table has a place for it"),
        (MINIMAL + 'base_url = "https://b.test"', 3, "base_url: job is a whole URL already"),
        (MINIMAL + 'timezone = "Mars/Base"', 3, "timezone: 'Mars/Base' is no zone"),
        (MINIMAL + 'list = { request = "/x" }', 3, "list: the jobs of a list are told apart by their ids"),
        (MINIMAL + 'error = "a[{job_id}]"', 3, "error: 'a[{job_id}]' is no JMESPath expression"),
        (MINIMAL + 'error = "a[?id=={other}].b"', 3, "error: {other} is no parameter; there are: {job_id}"),
        (MINIMAL + 'missing = "gone"', 3, "missing: there is no such key; it is called missing_if"),
        (MINIMAL + 'params = { now = "1" }', 3, "{now} cannot be a parameter"),
        (MINIMAL + 'words = { failed = ["*"] }', 3, "words.failed: '*' is every word"),
        (MINIMAL + 'words = { nothing = ["- *"] }', 3, "words.nothing: '- *' is every word"),
        (MINIMAL + 'words = { failed = ["x*"], running = ["X *"] }', 3, "among the words for"),
        (MINIMAL + 'root = "$.a"', 3, "root: it starts at the whole reply as it is"),
        (
            MINIMAL + 'words = { nothing = ["x"], failed = ["X"] }',
            3,
            "words.nothing: 'x' is among the words for failed",
        ),
        ('status = "s"\njob = "/x/{job_id}"', 2, "job: nothing says where the API is served"),
        ('status = "s"\njob = "https://a.test/x"', 2, "job: it has no place for the id"),
        ('status = "s"\njob = "x/{job_id}"', 2, "job: it must start with /"),
        ('status = "s"\nbase_url = "ftp://x"\njob = "/x/{job_id}"', 2, "base_url: it must start with https://"),
    ],
)
def test_what_is_wrong_is_said_with_file_line_and_key(tmp_path: Path, text: str, line: int, told: str) -> None:
    file = tmp_path / "own.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_api(file)
    assert str(caught.value).startswith(f"{file}:{line}: ")
    assert told in str(caught.value)


def test_a_file_that_is_not_toml_or_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("a = = 1")
    with pytest.raises(ConfigError, match=r"bad\.toml is not TOML: .*line 1"):
        load_api(tmp_path / "bad.toml")
    with pytest.raises(ConfigError, match="No such file"):
        load_api(tmp_path / "none.toml")


# --- where tables are found ------------------------------------------------------------------------------------------


def test_the_nearest_table_of_a_name_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "config" / "jobwatch").mkdir(parents=True)
    (tmp_path / "config" / "jobwatch" / "jobwatch.toml").write_text(f"[apis.mine]\n{MINIMAL}docs = 'config'\n")
    assert load_api("mine").docs == "config"
    (tmp_path / "jobwatch.toml").write_text(f"[apis.mine]\n{MINIMAL}docs = 'above'\n")
    assert load_api("mine").docs == "above"
    (tmp_path / "a" / "pyproject.toml").write_text(f"[tool.jobwatch.apis.mine]\n{MINIMAL}docs = 'nearest'\n")
    api = load_api("mine")
    assert (api.name, api.docs) == ("mine", "nearest")
    with pytest.raises(ConfigError, match=r"no API is called 'yours'.*in files here: mine"):
        load_api("yours")
    assert load_api("GitHub") is APIS["github"]


def test_no_file_takes_a_built_in_name(tmp_path: Path) -> None:
    file = tmp_path / "jobwatch.toml"
    file.write_text(f"[apis.bedrock]\n{MINIMAL}")
    with pytest.raises(ConfigError, match=r"jobwatch\.toml:1: bedrock is built in"):
        load_api(file)


def test_a_file_that_anybody_could_have_put_there_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "jobwatch.toml").write_text(f"[apis.mine]\n{MINIMAL}")
    tmp_path.chmod(0o777)
    assert load_api("mine").name == "mine"
    monkeypatch.setattr("os.getuid", lambda: 4711)
    with pytest.raises(ConfigError, match="no API is called"):
        load_api("mine")


@pytest.mark.slow
async def test_the_command_line_takes_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import asyncio

    async with TableServer(in_order({"status": "running"}, {"status": "completed"})) as server:
        file = tmp_path / "own.toml"
        file.write_text(f'base_url = "{server.url}"\njob = "/{{queue}}/{{job_id}}"\nstatus = "status"')
        line = ["wait", "j1", "--api", str(file), "--param", "queue=q", "--no-history", "--min-interval", "10ms"]
        assert await asyncio.to_thread(main, line) == 0
        assert await asyncio.to_thread(main, [*line[:4], "--param", "queue"]) == 2
    assert server.requests[0][1] == "/q/j1"
    assert "name=value" in capsys.readouterr().err


def test_check_shows_what_a_table_reads_from_a_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    text = 'id = "id"\ntoken = "OWN_KEY"\ncreated_at = "made"\nheaders = { X-Two = "${OWN_TWO}" }'
    Path("own.toml").write_text(MINIMAL + text)
    Path("sample.json").write_text('{"id": "j1", "status": "weird"}')
    assert main(["apis", "--check", "./own.toml", "--body", "sample.json"]) == 0
    told = capsys.readouterr().out
    assert "weird (unknown)" in told
    assert "the word weird means nothing yet" in told
    assert "not found: created_at" in told
    assert main(["apis", "--check", "./own.toml"]) == 0
    told = capsys.readouterr().out
    assert "GET https://api.test/jobs/{job_id}" in told
    assert "sends $OWN_KEY there" in told
    assert "X-Two: ${OWN_TWO}" in told
    Path("sample.json").write_text('{"id": "j1"}')
    assert main(["apis", "--check", "./own.toml", "--body", "sample.json"]) == 1
    assert "holds no status" in capsys.readouterr().out
    assert main(["apis", "--body", "sample.json"]) == 2


@pytest.mark.parametrize("root", ['"{job_id}"', "jobs[?id=={job_id}] | [0]"])
def test_check_finds_the_job_that_lies_under_its_id(
    root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own.toml").write_text(f'job = "https://a.test/{{job_id}}"\nroot = \'{root}\'\nstatus = "status.s"\n')
    Path("sample.json").write_text(
        '{"p-1": {"status": {"s": "success"}}, "jobs": [{"id": "p-1", "status": {"s": "success"}}]}'
    )
    assert main(["apis", "--check", "./own.toml", "--body", "sample.json"]) == 0
    told = capsys.readouterr().out
    assert "p-1" in told
    assert "success (succeeded)" in told
    Path("sample.json").write_text('{"jobs": []}')
    assert main(["apis", "--check", "./own.toml", "--body", "sample.json"]) == 1
    assert "no such job" in capsys.readouterr().out
    with Path("own.toml").open("a") as file:
        file.write('words = { running = ["absent"] }')
    assert main(["apis", "--check", "./own.toml", "--body", "sample.json"]) == 0
    assert "absent (running)" in capsys.readouterr().out


# --- paths ----------------------------------------------------------------------------------------------------------

# A key in braces stands for the value of a parameter.
KEYS = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='{"\\'), min_size=1, max_size=5)
PATHS = st.lists(KEYS | st.integers(0, 3), max_size=5)


def written(path: list[str | int]) -> str:
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else ("." if text else "") + f'"{step}"'
    return text or "@"


def nested(path: list[str | int], value: object) -> object:
    for step in reversed(path):
        value = [None] * step + [value] if isinstance(step, int) else {step: value}
    return value


@given(PATHS)
def test_a_place_is_read_as_it_is_written(path: list[str | int]) -> None:
    assert expression_of(written(path)).place == Place(tuple(path))
    whole = f"$.{written(path)}" if path and isinstance(path[0], str) else f"${written(path).removeprefix('@')}"
    assert expression_of(whole).place == Place(tuple(path), whole=True)


@given(st.lists(PATHS, min_size=1, max_size=4), st.integers())
def test_a_plan_finds_what_each_place_leads_to(paths: list[list[str | int]], value: int) -> None:
    plan = Plan()
    for path in paths:
        plan.want(expression_of(written(path)), PART)
    compiled = plan.compiled()
    for path, reader in zip(paths, compiled.readers, strict=True):
        body = msgspec.json.encode(nested(path, value))
        try:
            root = msgspec.json.decode(body, type=compiled.type)
        except msgspec.ValidationError:
            continue  # another of the places says that here is an object, and this one that it is a list
        assert plain(reader(compiled.base(root, {}))) == value


@given(st.text(max_size=12))
def test_an_expression_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert expression_of(text).text == text


NAMES = st.sampled_from(["job", "id", "state", "error", "jobs", "at"])
BODIES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
)


@pytest.mark.slow
@given(BODIES)
def test_any_body_is_a_job_or_a_fault(body: object) -> None:
    api = table(CAPY + 'failed_if = "error.code"\nevents = { path = "jobs", status = "state" }')
    assert isinstance(api.job(msgspec.json.encode(body), "j1"), Job | Fault)
    assert isinstance(api.job(msgspec.json.encode({"job": body}), "j1"), Job | Fault)
    assert isinstance(api.jobs(msgspec.json.encode({"jobs": body})), tuple | Fault)


def test_a_table_error_names_its_key() -> None:
    with pytest.raises(TableError, match="words: expected object, got array"):
        table(MINIMAL + "words = []")


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        ('{ name = "{name}", id = "{job_id}" }', b'{"name":"n1","id":"j1"}'),
        ('"id={job_id}&name={name}"', b"id=j1&name=n1"),
    ],
)
async def test_a_name_that_is_a_whole_value_of_a_body_is_a_parameter_and_never_sent_as_it_is(
    body: str, sent: bytes
) -> None:
    api = table(MINIMAL + f'method = "POST"\nbody = {body}')
    assert api.params == {"name": None}
    with pytest.raises(ConfigError, match="needs the parameters name="):
        Client(api)
    async with (
        TableServer(in_order({"status": "done"})) as server,
        Client(api, params={"name": "n1"}, base_url=server.url) as own,
    ):
        await own.job("j1")
    assert server.requests[0][3] == sent
