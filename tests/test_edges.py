"""Corners of the pure modules: bodies, tables and values that are rare, odd or made by hand."""

from __future__ import annotations

import tomllib
from typing import cast

import msgspec
import pytest
from msgspec import Struct

from jobwatch import Client, ConfigError, Fault, Job, JobAPI, Phase, Problem, Response
from jobwatch._core.look import Policy
from jobwatch._core.pace import Pace
from jobwatch._core.tracker import Patience, Watched
from jobwatch._files.history import History
from jobwatch._models import JSON, FaultKind
from jobwatch._reading.problems import problem_of, read_problem
from jobwatch._reading.structs import each_decoded
from jobwatch._reading.words import Words
from jobwatch._table.compile import api_of
from jobwatch._table.fields import TableError
from jobwatch.apis import APIS, BEDROCK

MINIMAL = 'job = "https://api.test/jobs/{job_id}"\nstatus = "status"\n'


class Thing(Struct):
    must: int


def table(text: str) -> JobAPI:
    return api_of(tomllib.loads(text), "own")


# --- bodies that do not fit -------------------------------------------------------------------------------------


def test_an_entry_of_a_history_that_is_no_entry_makes_the_body_unreadable() -> None:
    seen = BEDROCK.job(b'{"data":{"id":"a","status":"RUNNING","events":[5]}}', "a")
    assert isinstance(seen, Fault)
    assert "$.data.events[0]" in seen.message


@pytest.mark.parametrize(
    "body",
    [
        b'{"data":{"id":"a","status":"RUNNING","target_id":1},"data":3}',
        b'{"data":{"id":"a","status":"RUNNING","events":[{"status":"P","timestamp":{}}]},"data":3}',
    ],
)
def test_a_key_that_comes_twice_with_two_types_is_a_fault_and_no_exception(body: bytes) -> None:
    assert isinstance(BEDROCK.job(body, "a"), Fault)


def test_however_many_of_a_list_are_wrong_the_others_are_read() -> None:
    decoder = msgspec.json.Decoder(Thing)
    wrong = [msgspec.Raw(b'{"must":"x"}')] * 990
    assert [thing.must for thing in each_decoded(decoder, [*wrong, msgspec.Raw(b'{"must":7}')], b"")] == [7]
    with pytest.raises(msgspec.ValidationError, match=r"\$\.must"):
        each_decoded(decoder, wrong, b"")


def test_an_error_that_says_nothing_is_none() -> None:
    assert problem_of({}) is None
    assert problem_of([{}, None, "", {"message": "late"}]) == Problem("late")


def test_an_error_body_may_name_its_request() -> None:
    assert read_problem(b'{"message":"no","code":"E1","requestId":"r-1"}') == Problem("no", "E1", "r-1")
    assert read_problem(b'{"message":"no","request_id":5}') == Problem("no")


# --- tables -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"<html>", b"null", b'{"job":null}', b'{"other":1}', b"5"])
def test_an_error_body_without_a_job_is_not_asked_for_its_conditions(body: bytes) -> None:
    api = table(MINIMAL + 'root = "job"\nmissing_if = "gone == `true`"')
    assert api.verdict is not None
    assert api.verdict(500, body) is False
    assert api.verdict(500, b'{"job":{"gone":true}}') is FaultKind.NOT_FOUND


def test_a_list_is_not_asked_of_a_job_path() -> None:
    with pytest.raises(TableError, match=r"\{project_id\} is for lists; call the parameter something else"):
        table('job = "https://api.test/{project_id}/{job_id}"\nstatus = "status"')


def test_an_api_that_is_no_table_is_told() -> None:
    with pytest.raises(TableError, match="an API is a table, with job and status in it"):
        api_of(cast("dict[str, object]", "job"), "own")


def test_a_body_without_a_job_shows_none() -> None:
    api = table(MINIMAL + 'root = "jobs[0]"')
    assert api.any_job(b'{"jobs":[]}') is None
    shown = api.any_job(b'{"jobs":[{"status":"passed"}]}')
    assert shown is not None
    assert shown.phase is Phase.SUCCEEDED


def test_words_are_understood_however_many_there_have_been() -> None:
    book = Words({Phase.SUCCEEDED: ["fine"]})
    for number in range(600):
        assert book.meaning(f"step {number}") == (f"step {number}", Phase.UNKNOWN)
    assert book.meaning("Fine") == book.meaning("Fine") == ("Fine", Phase.SUCCEEDED)


def test_the_built_in_apis_can_be_counted_and_shown() -> None:
    assert len(APIS) == len(list(APIS))
    assert repr(APIS).startswith("APIS(")
    assert all(name in repr(APIS) for name in APIS)


# --- the response that started a job ----------------------------------------------------------------------------


def test_a_header_that_leads_to_no_job_is_passed_over_for_one_that_does() -> None:
    client = Client(APIS["ogc"], token="t", base_url="https://api.test/x")
    headers = {"Operation-Location": "https://api.test/x/about", "Location": "https://api.test/x/jobs/j-1"}
    assert client.wait_for(Response({}, 202, headers)).job_id == "j-1"


@pytest.mark.parametrize(
    ("body", "job_id"),
    [
        ({"jobs": [{"name": "j-1"}]}, "j-1"),
        ({"jobs": []}, None),
        ({"jobs": {"0": {"name": "j-1"}}}, None),
        ({"jobs": 5}, None),
    ],
)
def test_the_id_may_lie_in_a_list_of_the_jobs_that_were_started(body: JSON, job_id: str | None) -> None:
    api = table(MINIMAL + 'started = "jobs[0].name"')
    client = Client(api, base_url="https://api.test")
    started = Response(msgspec.json.encode(body), 202)
    if job_id is None:
        with pytest.raises(ConfigError, match="names no job"):
            client.wait_for(started)
    else:
        assert client.wait_for(started).job_id == job_id


# --- values made by hand ----------------------------------------------------------------------------------------


def test_nothing_is_learned_from_a_watch_that_does_not_say_since_when() -> None:
    history = History()
    policy = Policy(Pace(), Patience(), history)
    watched = Watched(job_id="j", api="capydb", type="backup", status="running", phase=Phase.RUNNING, added_at=1e9)
    ended = Job(id="j", api="capydb", type="backup", status="completed", phase=Phase.SUCCEEDED)
    looked = policy.saw(watched, ended, 1e9 + 100.0, None, 1.0)
    assert looked.outcome is not None
    assert history.curve("capydb", "backup", Phase.RUNNING) is History().curve("capydb", "backup", Phase.RUNNING)


def test_there_is_no_built_in_api_of_another_name() -> None:
    import jobwatch.apis

    with pytest.raises(AttributeError, match="no attribute 'NOPE'"):
        jobwatch.apis.NOPE  # noqa: B018


def test_jobs_whose_ids_are_urls_have_no_batch() -> None:
    table = tomllib.loads(
        'job = "{url}"\nbase_url = "https://a.example"\nstatus = "s"\n[batch]\nrequest = "/jobs?ids={job_ids}"'
    )
    with pytest.raises(TableError, match="asked for one by one"):
        api_of(table, "t")
