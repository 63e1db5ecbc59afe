"""What people who write a table for the first time get wrong: it is refused, or told, with the form that is right."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from jobwatch import Fault, FaultKind, Job, JobAPI, Phase
from jobwatch._table.compile import api_of
from jobwatch._table.fields import TableError
from jobwatch.cli import main

JOB = 'job = "https://a.test/{job_id}"\n'
STATUS = JOB + 'status = "status"\n'


def table(text: str) -> JobAPI:
    return api_of(tomllib.loads(text), "own")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("running_if = \"status == 'queued' || 'waiting'\"", "write status == 'waiting'"),
        ("nothing_if = \"run.attempt == 'a' || 'b'\"", "write run.attempt == 'b'"),
        ("pending_if = \"created && 'later'\"", "'later' stands there by itself"),
        ('succeeded_if = "percent == 100"', "a number is written `100`"),
        ('failed_if = "exit_code > 0"', "a number is written `0`"),
        ("failed_if = \"status in ['a', 'b']\"", "contains(['x', 'y'], a)"),
        ('failed_if = "error is not null"', "that a is there is written a"),
        ('words.succeeded = "ok"', 'a list is written ["..."]'),
        ('words = { error = ["bad"] }', "did you mean failed?"),
        ('words = { done = ["ready"] }', "did you mean succeeded?"),
        (
            '[words]\nsucceeded = ["ok"]\nresult = "data"',
            "result is a key of the table itself: it goes before the line",
        ),
        ('method = "post"', '"GET", "POST" or "HEAD"'),
        ('http = { 200 = "fine" }', '{ 202 = "running", 400 = "missing" }'),
        ('events = "log"', 'events = { path = "log", status = "to" }'),
        ("stable_for = 10", 'stable_for = "10s"'),
        ("params = { queue = 1 }", 'params = { queue = "day" }'),
        ('token = "T"\nauth = "Token {token}"', '"Authorization: Token {token}"'),
        ('token = "${EXAMPLE_TOKEN}"', 'token = "EXAMPLE_TOKEN"'),
        ('token_file = "/run/secrets/token"', 'token_file = "EXAMPLE_TOKEN_FILE"'),
    ],
)
def test_a_line_that_is_easily_written_wrong_is_refused_with_the_right_form(line: str, told: str) -> None:
    with pytest.raises(TableError) as refused:
        table(STATUS + line)
    assert told in str(refused.value)


def test_a_secret_in_place_of_its_variable_is_not_shown() -> None:
    with pytest.raises(TableError, match="no secret stands in a table") as refused:
        table(STATUS + 'token = "sk-live-1"')
    assert "sk-live" not in str(refused.value)


@pytest.mark.parametrize(
    "condition", ["status == 'queued' || status == 'waiting'", "contains(['a', 'b'], status)", "(state || 'a') == 'a'"]
)
def test_a_text_that_is_compared_or_taken_for_a_value_is_none_that_always_holds(condition: str) -> None:
    table(STATUS + f'running_if = "{condition}"')


@pytest.mark.parametrize("condition", ["$ == `[]`", "`[]` == $"])
def test_a_reply_that_is_an_empty_list_may_prove_that_there_is_no_such_job(condition: str) -> None:
    api = table(JOB + f'root = "[0]"\nid = "id"\nstatus = "status"\nmissing_if = "{condition}"')
    there: Any = api.job(b'[{"id": "j", "status": "RUNNING"}]', "j", 200)
    gone = api.job(b"[]", "j", 200)
    assert isinstance(there, Job)
    assert isinstance(gone, Fault)
    assert gone.kind is FaultKind.NOT_FOUND


@pytest.mark.parametrize("condition", ["!($)", "length($) == `0`", "$ == `[]` || !(error)", "$ != `[1]`"])
def test_what_holds_of_any_reply_with_nothing_in_it_is_still_refused(condition: str) -> None:
    with pytest.raises(TableError, match="holds where nothing is there"):
        table(STATUS + f'missing_if = "{condition}"')


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"status": "error", "result": None}, "error is a common word for failed, but behind an empty place of status"),
        ({"status": "FINISHED", "result": "FINISHED"}, 'if only a success is told so: words.succeeded = ["FINISHED"]'),
    ],
)
def test_check_says_why_a_common_word_is_no_end_or_no_success(
    body: object, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own, sample = tmp_path / "own.toml", tmp_path / "sample.json"
    own.write_text(JOB + 'status = ["result", "status"]\n')
    sample.write_text(json.dumps(body))
    main(["apis", "--check", str(own), "--body", str(sample)])
    assert told in capsys.readouterr().out


@pytest.mark.parametrize(
    ("lines", "body", "phase"),
    [
        ("", {"status": "finished"}, Phase.FINISHED),
        ('words = { succeeded = ["finished"] }', {"status": "Finished"}, Phase.SUCCEEDED),
        ("", {"status": "partial"}, Phase.UNKNOWN),
        ('running_if = "started_at"', {"status": "COMPLETED", "started_at": 1}, Phase.RUNNING),
        (
            'running_if = "started_at && !(ended_at)"',
            {"status": "completed", "started_at": 1, "ended_at": 2},
            Phase.SUCCEEDED,
        ),
        ('succeeded_if = "percent == `100`"', {"status": "busy", "percent": "100"}, Phase.UNKNOWN),
        ("succeeded_if = \"percent == '100'\"", {"status": "busy", "percent": "100"}, Phase.SUCCEEDED),
    ],
)
def test_what_goes_wrong_at_first_and_what_does_not(lines: str, body: object, phase: Phase) -> None:
    job = table(STATUS + lines).job(json.dumps(body).encode(), "j", 200)
    assert isinstance(job, Job)
    assert job.phase is phase


@pytest.mark.parametrize(("state", "phase"), [("error", Phase.UNKNOWN), ("broken", Phase.FAILED)])
def test_behind_an_empty_result_only_a_word_of_the_table_is_an_end(state: str, phase: Phase) -> None:
    api = table(JOB + 'status = ["result", "state"]\nwords = { failed = ["broken"] }')
    job = api.job(json.dumps({"result": None, "state": state}).encode(), "j", 200)
    assert isinstance(job, Job)
    assert job.phase is phase


@pytest.mark.parametrize(
    ("lines", "body"),
    [
        ('root = "[0]"', b"[]"),
        ('root = "data"', b'{"data": null}'),
        ('root = "[0]"\nwords = { pending = ["absent"] }\nmissing_if = "$ == `[]`"', b"[]"),
        ('root = "[?id=={job_id}] | [0]"\nwords = { pending = ["absent"] }\nmissing_if = "$ == `[]`"', b"[]"),
        ('missing_if = "!(status) && error"', b'{"error": "job 4 does not exist"}'),
    ],
)
def test_an_id_that_there_is_not_is_understood_or_said(lines: str, body: bytes) -> None:
    seen = table(STATUS + lines).job(body, "j", 200)
    assert isinstance(seen, Fault)
    assert seen.kind is FaultKind.NOT_FOUND


def test_an_http_status_for_an_id_that_there_is_not_is_said_whatever_the_reply() -> None:
    verdict = table(STATUS + 'http = { 500 = "missing" }').verdict
    assert verdict is not None
    assert verdict(500, b"<!doctype html>") is FaultKind.NOT_FOUND
