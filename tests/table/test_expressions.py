"""The language of places and conditions: what holds, where places start, what is refused, and with which right form."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jobwatch import ConfigError, Fault, FaultKind, Job, JobAPI, Phase, load_api
from jobwatch._reading.bodies import plain
from jobwatch._table import paths
from jobwatch._table.compile import api_of
from jobwatch._table.evaluation import CannotEvaluate, holds
from jobwatch._table.expressions import expression_of
from jobwatch._table.fields import TableError
from jobwatch._table.proofs import proved, unproved
from jobwatch.apis import APIS
from jobwatch.cli import main

MINIMAL = 'job = "https://a.test/{job_id}"\nstatus = "status"\n'


def table(text: str, **params: str) -> JobAPI:
    api = api_of(tomllib.loads(text), "own")
    return api if api.with_params is None else api.with_params(params)


def read(text: str, body: object, job_id: str = "j", http_status: int = 200, **params: str) -> Job | Fault:
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return table(text, **params).job(raw, job_id, http_status)


def seen(text: str, body: object, job_id: str = "j", **params: str) -> Job:
    job = read(text, body, job_id, 200, **params)
    assert isinstance(job, Job), job
    return job


def fault(text: str, body: object, job_id: str = "j") -> Fault:
    job = read(text, body, job_id)
    assert isinstance(job, Fault), job
    return job


def value(text: str, body: object, **given: str) -> object:
    return expression_of(text).on(body, given, body)


# --- what holds ------------------------------------------------------------------------------------------------------

NO: list[Any] = [None, False, 0, 0.0, "", [], {}, "false", "FALSE", "No", "off", "0", "None", "null"]
YES: list[Any] = [
    True,
    1,
    -1,
    0.5,
    "x",
    "true",
    "yes",
    "00",
    "\uff4eo",
    " ",
    [1],
    {"a": 1},
    [[0], "a"],
    {"a": {"b": True}},
]


@pytest.mark.parametrize("no", [*NO, [None], [0, "no"], {"code": 0, "message": ""}, {"a": [{}, {"b": "off"}]}])
def test_what_says_no_holds_nowhere(no: object) -> None:
    assert not holds(no)
    for condition in ("a", "a && `true`", "!(!(a))", "a || `false`", "[a][?@]"):
        assert not holds(value(condition, {"a": no}))
    assert holds(value("!(a)", {"a": no}))
    job = seen(MINIMAL + 'failed_if = "a"\nsucceeded_if = "b && !(a)"', {"status": "odd", "a": no, "b": 1})
    assert job.phase is Phase.SUCCEEDED


@pytest.mark.parametrize("yes", YES)
def test_what_says_no_such_thing_holds_everywhere(yes: object) -> None:
    assert holds(yes)
    for condition in ("a", "a && `true`", "!(!(a))", "a || `false`", "[a][?@]"):
        assert holds(value(condition, {"a": yes}))
    assert seen(MINIMAL + 'failed_if = "a"', {"status": "completed", "a": yes}).phase is Phase.FAILED


def test_an_item_that_a_filter_chose_holds_whatever_is_in_it() -> None:
    checks = [{"status": None}, {"status": "completed"}]
    text = MINIMAL + "succeeded_if = \"checks && !(checks[?status != 'completed'])\""
    assert seen(text, {"status": "odd", "checks": checks}).phase is Phase.UNKNOWN
    assert seen(text, {"status": "odd", "checks": checks[1:]}).phase is Phase.SUCCEEDED
    assert seen(text, {"status": "odd", "checks": []}).phase is Phase.UNKNOWN
    assert not holds(value("a[?b].c", {"a": [{"b": 1, "c": 0}]}))


# --- where places start ----------------------------------------------------------------------------------------------

ROOTED = """
job = "https://a.test/{job_id}"
root = "data.job"
id = "id"
status = "state"
type = "$.kind"
error = ["error", "$.errors[0].message"]
failed_if = "$.errors && state == 'over'"
missing_if = "$.errors[?code == 'NOT_FOUND']"
"""


def test_a_place_may_start_at_the_whole_reply() -> None:
    job = seen(ROOTED.replace("state == 'over'", "data.job.state == 'over'"), {"kind": "k", **over("over")})
    assert (job.phase, job.type, str(job.error)) == (Phase.FAILED, "k", "boom")
    assert seen(ROOTED, over("over")).phase is Phase.UNKNOWN  # what begins with $ starts there with all its places
    swapped = ROOTED.replace("$.errors && state == 'over'", "state == 'over' && $.errors")
    assert seen(swapped, over("over")).phase is Phase.FAILED
    assert seen(swapped, over("running")).phase is Phase.RUNNING


def over(state: str) -> dict[str, Any]:
    return {"data": {"job": {"id": "j", "state": state}}, "errors": [{"message": "boom"}]}


def test_what_lies_beside_a_job_that_is_not_there_is_heard() -> None:
    gone = {"data": {"job": None}, "errors": [{"code": "NOT_FOUND", "message": "no"}]}
    assert fault(ROOTED, gone).kind is FaultKind.NOT_FOUND
    assert fault(ROOTED, {**gone, "data": None}).kind is FaultKind.NOT_FOUND
    busy = {"data": {"job": None}, "errors": [{"code": "BUSY", "message": "no"}]}
    assert fault(ROOTED, busy).kind is FaultKind.UNREACHABLE
    ended = ROOTED.replace("$.errors && state == 'over'", "$.errors[?code == 'CRASHED']")
    crashed = {"data": None, "errors": [{"code": "CRASHED", "message": "out of memory"}]}
    job = seen(ended, crashed)
    assert (job.id, job.status, job.phase) == ("j", "failed", Phase.FAILED)
    verdict = table(ROOTED).verdict
    assert verdict is not None
    assert verdict(500, msgspec.json.encode(gone)) is FaultKind.NOT_FOUND
    assert verdict(500, msgspec.json.encode(busy)) is False


def test_every_key_takes_an_expression() -> None:
    text = """
job = "https://a.test/{job_id}"
root = "jobs[?name=={job_id}] | [0]"
id = "name"
status = "join('-', [a, b])"
words = { running = ["x-*"] }
type = "kind.{long: name}.long"
attempt = "length(tries)"
progress = { done = "length(tasks[?done])", of = "length(tasks)" }
started_at = "max(starts)"
result = "tasks[?done]"
started = ["$.new[0].id", "ids[-1]"]
[events]
path = "log[?kind=='state']"
status = "join(':', [a, b])"
at = "times | [0]"
[list]
request = "/p/{project_id}"
root = "groups[].jobs[]"
"""
    whole = {
        "name": "j",
        "a": "x",
        "b": "y",
        "kind": {"name": "k"},
        "tries": [1, 2],
        "tasks": [{"done": True}, {"done": "no"}],
        "starts": [1718614500, 1718614400],
        "log": [{"kind": "note"}, {"kind": "state", "a": "x", "b": "q", "times": [1718614500]}],
    }
    job = seen(text, {"jobs": [{"name": "no"}, whole]})
    assert (job.id, job.status, job.phase, job.type, job.attempt) == ("j", "x-y", Phase.RUNNING, "k", 2)
    assert (job.progress, job.result) == (0.5, None)
    assert job.started_at is not None
    assert job.started_at.timestamp() == 1718614500
    assert [(event.status, event.phase) for event in job.events or ()] == [("x:q", Phase.RUNNING)]
    own = table(text)
    found = own.jobs(msgspec.json.encode({"groups": [{"jobs": [whole]}, {"jobs": [{**whole, "name": "k"}]}]}))
    assert isinstance(found, tuple)
    assert [each.id for each in found] == ["j", "k"]
    assert [read_id({"new": [{"id": 5}]}) for read_id in own.started] == [5, None]
    assert [read_id({"ids": ["a", "b"]}) for read_id in own.started] == [None, "b"]


def test_a_result_that_is_made_is_plain() -> None:
    job = seen(MINIMAL + 'result = "tasks[?done]"', {"status": "completed", "tasks": [{"done": 1}, {}]})
    assert type(job.result) is list
    assert job.result == [{"done": 1}]
    assert msgspec.json.encode(seen(MINIMAL + 'result = "[a[?b]]"', {"status": "completed", "a": [{"b": 1}]}))


def test_a_history_that_another_request_tells_may_start_at_its_whole() -> None:
    text = MINIMAL + 'events = { request = "/x/{job_id}", path = "$.log", status = "join(\'\', [to, \'\'])" }'
    events = table(text).history(b'{"log":[{"to":"queued"},{"to":"running"}]}')
    assert [event.phase for event in events or ()] == [Phase.PENDING, Phase.RUNNING]


# --- what is given ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("job_id", ["12", "a'b", 'a"b', "`1`", "x] | [0", "a.b", "@", "\\", "{job_id}", "null"])
def test_an_id_is_put_in_as_a_value_and_never_read(job_id: str) -> None:
    under = "job = 'https://a.test/all'\nroot = 'jobs.\"{job_id}\"'\nstatus = 's'"
    assert seen(under, {"jobs": {job_id: {"s": "completed"}, "o": {"s": "failed"}}}, job_id).phase is Phase.SUCCEEDED
    among = "job = 'https://a.test/all'\nroot = 'jobs[?id=={job_id}] | [0]'\nstatus = 's'"
    jobs = [{"id": "o", "s": "failed"}, {"id": job_id, "s": "completed"}]
    assert seen(among, {"jobs": jobs}, job_id).phase is Phase.SUCCEEDED
    assert fault(among, {"jobs": jobs[:1]}, job_id).kind is FaultKind.NOT_FOUND


@pytest.mark.parametrize(
    ("root", "body"),
    [
        ("[0]", [{"id": "j", "s": "completed"}]),
        ("@[-1]", [{"id": "o"}, {"id": "j", "s": "completed"}]),
        ("[?id=={job_id}] | [0]", [{"id": "o", "s": "failed"}, {"id": "j", "s": "completed"}]),
        (
            "*.jobs[] | [?id=={job_id}] | [0]",
            {"a": {"jobs": [{"id": "o"}]}, "b": {"jobs": [{"id": "j", "s": "completed"}]}},
        ),
        ("values(@)[?id=={job_id}] | [0]", {"x": {"id": "j", "s": "completed"}, "y": {"id": "o"}}),
        ("max_by(runs, &n)", {"runs": [{"n": 1, "s": "failed"}, {"n": 2, "s": "completed", "id": "j"}]}),
        ('runs."{job_id}"[-1]', {"runs": {"j": [{"s": "failed"}, {"id": "j", "s": "completed"}]}}),
        ("@", {"id": "j", "s": "completed"}),
    ],
)
def test_a_job_may_lie_wherever_an_expression_leads(root: str, body: object) -> None:
    text = f"job = 'https://a.test/{{job_id}}'\nroot = '{root}'\nid = 'id'\nstatus = 's'"
    assert seen(text, body).phase is Phase.SUCCEEDED
    nothing: object = [] if isinstance(body, list) else {}
    assert read(text, nothing) != read(text, body)
    assert isinstance(read(text, nothing), Fault)


@pytest.mark.parametrize(("told", "is_same"), [(12, True), (12.0, True), ("12", True), (True, False), ("012", False)])
def test_a_value_that_is_given_equals_the_number_that_is_spelt_so(told: object, is_same: bool) -> None:
    assert value("a == {x}", {"a": told}, x="12") is is_same
    assert value("{x} != a", {"a": told}, x="12") is not is_same
    assert value("a == {x}", {"a": 100}, x="1e2") is False
    assert value("a > {x}", {"a": 9}, x="10") is False


def test_a_parameter_says_which_attempt_is_meant() -> None:
    text = MINIMAL + 'params = { attempt = "2" }\nnothing_if = "run_attempt != {attempt}"'
    first, second = ({"status": "failed", "run_attempt": number} for number in (1, 2))
    assert (seen(text, first).phase, seen(text, second).phase) == (Phase.UNKNOWN, Phase.FAILED)
    assert (seen(text, first, attempt="1").phase, seen(text, second, attempt="1").phase) == (
        Phase.FAILED,
        Phase.UNKNOWN,
    )


# --- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["length(a)", "sum(b)", "join('', c)", "starts_with(a, 'x')", "sort(b)", "max_by(a, &x)", "to_string(a)"]
)
def test_a_function_that_is_given_null_gives_null(text: str) -> None:
    assert value(text, {"b": [1, None], "c": ["x", None]}) is None


def test_the_one_function_that_is_there_for_null_takes_it() -> None:
    assert value("not_null(a, b)", {"b": 2}) == 2


@pytest.mark.parametrize("text", ["sum(a)", "length(b)", "a < b", "join('', [b, b])", "sort(c)", "max_by(c, &@)"])
def test_what_cannot_be_evaluated_makes_the_reply_unreadable_and_no_other_rule_is_tried(text: str) -> None:
    body = {"status": "completed", "a": "x", "b": 1, "c": [1, "x"]}
    with pytest.raises(CannotEvaluate):
        value(text, body)
    found = fault(MINIMAL + f'failed_if = "{text}"\nhttp = {{ 200 = "succeeded" }}', body)
    assert found.kind is FaultKind.UNREADABLE
    assert "cannot be evaluated" in found.message


def test_what_would_take_too_long_is_not_evaluated() -> None:
    text = MINIMAL + "failed_if = \"items[?length($.items[?state == 'failed']) > `0`]\""
    few, many = ({"status": "running", "items": [{"state": "completed"}] * count} for count in (50, 20_000))
    assert seen(text, few).phase is Phase.RUNNING
    assert "more items than any job has" in fault(text, many).message


def test_a_place_is_decoded_once_however_often_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[object] = []

    def counted(part: object) -> object:
        if isinstance(part, msgspec.Raw):
            decoded.append(part)
        return plain(part)

    monkeypatch.setattr(paths, "plain", counted)
    text = MINIMAL + 'failed_if = "items[?length($.others) > `9`]"'
    assert seen(text, {"status": "running", "items": [{"a": 1}] * 50, "others": [1, 2]}).phase is Phase.RUNNING
    assert len(decoded) == 2


def test_an_item_that_is_null_is_never_chosen() -> None:
    assert value("a[?`true`]", {"a": [None, 1]}) == [1]


def test_only_what_looks_beyond_the_root_is_asked_where_no_job_lies() -> None:
    text = 'job = "https://a.test/{job_id}"\nroot = "data"\nstatus = "s"\nerror = "$.e"\nrunning_if = "!(s)"'
    assert fault(text, {"data": None}).kind is FaultKind.NOT_FOUND
    assert seen(text, {"data": {}}).phase is Phase.RUNNING
    assert seen(text.replace("!(s)", "!($.gone)"), {"data": None}).phase is Phase.RUNNING


def test_what_expressions_take_is_counted_for_the_whole_reply_and_each_reply_anew() -> None:
    body = {"status": "running", "items": [{"state": "completed"}] * 1500}
    conditions = [f"items[?state == 'x{each}']" for each in range(9)]
    few, many = (MINIMAL + f"failed_if = {json.dumps(conditions[:count])}" for count in (3, 9))
    api = table(few)
    for _ in range(9):
        assert isinstance(api.job(msgspec.json.encode(body), "j"), Job)
    assert "more items than any job has" in fault(many, body).message
    assert seen(many, body | {"items": body["items"][:500]}).phase is Phase.RUNNING


@pytest.mark.parametrize(
    "words", [[*range(1000, 50_000)], ["running"] * 50_000, [10**4000 + each for each in range(140)]]
)
def test_a_status_of_more_words_than_any_job_has_is_none(words: list[Any]) -> None:
    body = msgspec.json.encode({"status": "running", "words": []})
    told = body.replace(b"[]", json.dumps(words).encode())
    assert "more words than any job has" in fault(MINIMAL.replace('"status"', '"words"'), told).message
    some = body.replace(b"[]", json.dumps(words[: len(words) // 50]).encode())
    assert seen(MINIMAL.replace('"status"', '"words"'), some)
    history = MINIMAL + 'events = { path = "events", status = "words" }'
    assert seen(history, b'{"status":"running","events":[{"words":%b}]}' % json.dumps(words).encode()).events is None
    assert seen(history, b'{"status":"running","events":[{"words":["running"]}]}').events is not None


def test_a_map_of_more_times_than_any_history_has_is_none() -> None:
    text = MINIMAL + 'times = "times"'
    told = {"queued": "2024-01-01T00:00:00Z", "running": "2024-01-01T00:00:05Z"}
    assert [event.status for event in seen(text, {"status": "running", "times": told}).events or ()] == [*told]
    more = {f"s{each}": "2024-01-01T00:00:00Z" for each in range(5000)}
    assert seen(text, {"status": "running", "times": told | more}).events is None


def test_a_list_that_is_full_of_hard_numbers_is_read_all_the_same() -> None:
    text = 'job = "https://a.test/{job_id}"\nid = "id"\nstatus = "status"\ncreated_at = "at"\nattempt = "n"\n'
    for root in ("jobs", "$.jobs"):
        api = table(text + f'list = {{ request = "/jobs?p={{project_id}}", root = "{root}" }}')
        told = b",".join(b'{"id":%d,"status":"running","at":5e-324,"n":%d}' % (each, each) for each in range(1500))
        jobs = api.jobs(b'{"jobs":[%b]}' % told)
        assert isinstance(jobs, tuple)
        assert [(job.id, job.created_at, job.attempt) for job in jobs[:2]] == [("0", None, 0), ("1", None, 1)]


def test_a_list_of_more_parts_than_any_list_of_jobs_has_is_unreadable() -> None:
    api = table(MINIMAL + 'id = "id"\nlist = { request = "/jobs?p={project_id}", root = "jobs" }')
    told = [b'{"id":%d,"status":"running"}' % each for each in range(25_000)]
    jobs = api.jobs(b'{"jobs":[%b]}' % b",".join(told[:19_000]))
    assert isinstance(jobs, tuple)
    assert len(jobs) == 1000
    assert isinstance(api.jobs(b'{"jobs":[%b]}' % b",".join(told)), Fault)


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("lenght(a)", "there is no function lenght; did you mean length?"),
        ("zzz(a)", "there is no function zzz; there are: abs,"),
        ("length(a, b)", "length takes 1 argument, not 2"),
        ("not_null()", "not_null takes at least 1 argument, not 0"),
        ("max_by(a, b)", "max_by(a, &b)"),
        ("length(&a)", "length(a)"),
        ("&a", "and is written &&"),
        ("a &&& b", "and is written &&"),
        ("max_by(a, &b) && [&c]", "and is written &&"),
        ("!a.b", "write !(a.b), !(a[?b])"),
        ("!a[?b]", "write !(a.b), !(a[?b])"),
        ("x[?!a.b]", "write !(a.b), !(a[?b])"),
        ("!a == b", "write !(a == b)"),
        ("!a == 'b'", "write !(a == b)"),
        ("state == FAILED", "a word is written 'FAILED', the field FAILED is written @.FAILED"),
        ('state != "FAILED"', "a word is written 'FAILED'"),
        ("done == true", "a word is written `true`"),
        ("`1` == null", "a word is written `null`"),
        ("a.b == c", "the field c is written @.c"),
        ("a[?state == FAILED]", "a word is written 'FAILED'"),
        ("type(a) == string", "a word is written 'string'"),
        ("a || b | c", "write (a | b) && c"),
        ("a | b && c", "write (a | b) && c"),
        ("x[?a && b | c]", "write (a | b) && c"),
        ("a[*].s == 'x'", "some item is written a[?s == 'x'], each item a && !(a[?s != 'x'])"),
        ("'x' == a[]", "some item is written"),
        ("a[?b] == `[]`", "some item is written"),
        ("a[0:2] == `[1]`", "some item is written"),
        ("a == `FAILED`", "`FAILED` is no JSON: a text is written 'FAILED'"),
        ("a[::0]", "a step of 0"),
        ("a.{job_id}", 'written in double quotes: "{job_id}"'),
        ("a[?id=='{job_id}'] | [0]", "stands without quotes: {job_id}"),
        ("a.$", "$ is the whole reply, and stands first"),
        ("a = b", "it is equal is written =="),
        ("a and b", "are written &&, ||, !"),
        ("a / b", '{ done = "a", of = "b" }'),
        ("start-time", "in double quotes"),
        ("metadata.@type", "in double quotes"),
        ("a[x=y].z", "it is equal is written =="),
        ("a..b", "it cannot be read from '.b' on"),
        ("a[", "it ends too early"),
        ("", "the whole value is @"),
        ("a" * 2049, "too long; at most 2048"),
        ("é" * 1025, "too long; at most 2048"),
        ("(" * 900 + "a" + ")" * 900, "nested too deeply"),
        ("!(" * 150 + "a" + ")" * 150, "nested too deeply"),
        ('"\\u0000x"', "no key has a NUL in it"),
    ],
)
def test_what_would_be_misread_is_refused_with_the_right_form(text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        expression_of(text)
    assert told in str(caught.value)
    file = tmp_path / "own.toml"
    file.write_text(f"{MINIMAL}\nrunning_if = {msgspec.json.encode(text).decode()}\n")
    with pytest.raises(ConfigError) as refused:
        load_api(file)
    assert str(refused.value).startswith(f"{file}:4: running_if: ")


@pytest.mark.parametrize(
    "text",
    [
        "a && (b | c)",
        "(a || b) | c",
        "{x: a || b, y: c | d}",
        "join('|', [a, b]) && c",
        "total && sum([done, failed]) == total",
        "length(runs) == total",
        "'x' == state",
        "@.a == @.b",
        "a.b == c.d",
        "done < total",
        "!(a.b)",
        "!a",
        "!a == `true`",
        "(a[*].s)[0] == 'x'",
        "a == {job_id}",
        "contains(a, '||')",
        "a[?b][]",
    ],
)
def test_what_is_meant_as_it_is_read_is_not_refused(text: str) -> None:
    assert expression_of(text).text == text


@pytest.mark.parametrize(
    ("line", "form"),
    [
        ('failed_if = "state = FAILED"', "failed_if = \"state == 'FAILED'\""),
        ('missing_if = "state = gone and code"', "missing_if = \"state == 'gone' && code\""),
        ('root = "jobs.{job_id}"', "root = 'jobs.\"{job_id}\"'"),
        ('root = "jobs[id={job_id}]"', 'root = "jobs[?id=={job_id}] | [0]"'),
        ('progress = "done / total"', 'progress = { done = "done", of = "total" }'),
        ('progress = "n.percent / 100"', 'progress = { done = "n.percent", of = 100 }'),
        ('type = "task-kind"', "type = '\"task-kind\"'"),
        ('type = "metadata.@type"', "type = 'metadata.\"@type\"'"),
        ("failed_if = \"a[?b='c']\"", None),
        ('failed_if = "a &&& b"', None),
        ('failed_if = "!(a"', None),
    ],
)
def test_what_is_guessed_at_is_told_in_its_own_right_form(line: str, form: str | None) -> None:
    with pytest.raises(TableError) as caught:
        table(MINIMAL + line)
    told = caught.value.trouble.partition("; write ")[2]
    assert told == (form or "")
    if form is not None:
        assert table(MINIMAL + form)


UNPROVED = {
    "exit_code != `0`": "exit_code && exit_code != `0`",
    "!(checks[?status != 'completed'])": "checks && !(checks[?status != 'completed'])",
    "sum([done, failed]) == total": "done && sum([done, failed]) == total",
    "@.a == @.b": "a && @.a == @.b",
    "!(a)": "a == `false`",
    "!(a.b)": "a.b == `false`",
    "a || !(b)": "a && (a || !(b))",
    "$.a != 'x'": "$.a && $.a != 'x'",
    "\"a-b\" != 'x'": '"a-b" && "a-b" != \'x\'',
    "checks[?status != 'completed']": None,
    "length(a) == `0`": "a == `[]`",
    "`0` == length($.a.b)": "$.a.b == `[]`",
    "type(@) == 'object'": None,
    "not_null(a, 'x')": "a && not_null(a, 'x')",
    "{job_id}": None,
    "`true`": None,
    "@ == `[]`": "@ && @ == `[]`",
    "a.*[] | [?b != 'x']": None,
    "max_by(a, &b).c != 'x'": None,
    "reverse(a) | [?b != 'x']": None,
    'jobs."{job_id}" != `1`': None,
}


@pytest.mark.parametrize("key", ["cancelled_if", "failed_if", "succeeded_if", "missing_if"])
@pytest.mark.parametrize("text", UNPROVED)
def test_an_end_that_nothing_proves_is_refused(text: str, key: str) -> None:
    with pytest.raises(TableError, match="which proves no end") as caught:
        table(MINIMAL + f"{key} = {msgspec.json.encode(text).decode()}")
    assert caught.value.keys == (key,)
    if (form := UNPROVED[text]) is not None:
        assert caught.value.trouble.endswith(f"write {form}")
        assert unproved(expression_of(form)) is None
    for other in ("running_if", "pending_if", "nothing_if"):
        assert table(MINIMAL + f"{other} = {msgspec.json.encode(text).decode()}")


@pytest.mark.parametrize(
    "text",
    [
        "exit_code && exit_code != `0`",
        "checks && !(checks[?status != 'completed'])",
        "conditions[?type=='Complete' && status=='True']",
        "total && sum([done, failed]) == total",
        "starts_with(exitstatus, 'WARNINGS')",
        "locks == `[]`",
        "locks == `[]` && !(locks[?held])",
        "$.errors[?code == 'x']",
        "a",
        "$.a.b",
        "a[?b == 'x'].c | [0]",
        "a.*[] | [?b == 'x']",
        "max_by(a, &b).c == 'x'",
    ],
)
def test_the_idioms_prove_their_ends(text: str) -> None:
    assert unproved(expression_of(text)) is None
    assert table(MINIMAL + f"succeeded_if = {msgspec.json.encode(text).decode()}")


def test_an_empty_list_that_is_there_proves_an_end() -> None:
    text = MINIMAL + 'succeeded_if = "locks == `[]`"'
    for body, phase in (({"locks": []}, Phase.SUCCEEDED), ({"locks": [1]}, Phase.UNKNOWN), ({}, Phase.UNKNOWN)):
        assert seen(text, {"status": "odd", **body}).phase is phase


@pytest.mark.parametrize("status", ["not_null(state, 'done')", "state || 'done'", "'done'", "!(state)"])
def test_a_status_that_is_an_end_where_nothing_is_there_is_refused(status: str) -> None:
    with pytest.raises(TableError, match="and that is an end"):
        table(f'job = "https://a.test/{{job_id}}"\nstatus = "{status}"\nwords = {{ succeeded = [true] }}')
    assert table(f'job = "https://a.test/{{job_id}}"\nstatus = "{status}"\nwords = {{ running = [true, "done"] }}')


def test_no_form_is_proposed_that_would_be_refused() -> None:
    for text in UNPROVED:
        form = proved(expression_of(text))
        assert form is None or unproved(expression_of(form)) is None


# --- words -----------------------------------------------------------------------------------------------------------

BEGUN = (
    MINIMAL
    + """
status_prefix = "TASK_"
[words]
succeeded = ["OK", "WARNINGS: *"]
failed = ["command failed*", "w*"]
running = ["done*"]
nothing = ["n/a*"]
"""
)


@pytest.mark.parametrize(
    ("word", "phase"),
    [
        ("OK", Phase.SUCCEEDED),
        ("WARNINGS: 3", Phase.SUCCEEDED),
        ("warnings:", Phase.SUCCEEDED),
        ("Warned", Phase.FAILED),
        ("Command-Failed: exit code 1", Phase.FAILED),
        ("TASK_COMMAND_FAILED", Phase.FAILED),
        ("done with it", Phase.RUNNING),
        ("done", Phase.RUNNING),
        ("passed", Phase.SUCCEEDED),
        ("N/A yet", Phase.UNKNOWN),
        ("OKAY", Phase.UNKNOWN),
    ],
)
def test_a_word_may_be_known_by_its_beginning(word: str, phase: Phase) -> None:
    assert seen(BEGUN, {"status": word}).phase is phase


@pytest.mark.parametrize(
    ("told", "phase"),
    [(100, "succeeded"), (100.0, "succeeded"), ("100", "succeeded"), (1, "failed"), (1.0, "failed"), (True, "unknown")],
)
def test_a_number_matches_numbers_and_their_spelling_and_never_a_boolean(told: object, phase: str) -> None:
    assert seen(MINIMAL + "words = { succeeded = [100], failed = [1] }", {"status": told}).phase.value == phase


def test_the_name_of_a_field_is_no_beginning_of_a_word() -> None:
    words = 'words = { failed = ["comp*"], running = ["complete=false"] }'
    text = f'job = "https://a.test/{{job_id}}"\nstatus = "complete"\n{words}'
    assert seen(text, {"complete": True}).phase is Phase.UNKNOWN
    assert seen(text, {"complete": False}).phase is Phase.RUNNING
    assert seen(text, {"complete": "comp 3"}).phase is Phase.FAILED


@pytest.mark.parametrize("word", ["\u017fucceeded", "SUCCEEDED\u0130", "\uff33UCCEEDED", "\ufb01nished"])
def test_only_ascii_is_folded(word: str) -> None:
    assert seen(MINIMAL, {"status": word}).phase is Phase.UNKNOWN


@pytest.mark.parametrize(
    ("body", "status", "phase"),
    [
        ({"s": "finished"}, "finished", Phase.UNKNOWN),
        ({"s": "running"}, "running", Phase.RUNNING),
        ({"s": "finished", "t": "done"}, "done", Phase.UNKNOWN),
        ({"s": "finished", "t": "queued"}, "queued", Phase.PENDING),
        ({"t": "done"}, "done", Phase.FINISHED),
    ],
)
def test_while_a_word_says_nothing_there_is_no_end(body: object, status: str, phase: Phase) -> None:
    text = 'job = "https://a.test/{job_id}"\nstatus = ["s", "t"]\nwords = { nothing = ["finished"] }'
    job = seen(text, body)
    assert (job.status, job.phase) == (status, phase)


def test_while_nothing_if_holds_there_is_no_end_from_anywhere() -> None:
    text = MINIMAL + (
        'nothing_if = "@.seen != @.asked"\nfailed_if = "bad"\nrunning_if = "busy"\nhttp = { 422 = "failed" }'
    )
    behind: dict[str, Any] = {"seen": 1, "asked": 2}
    for body in ({"status": "completed"}, {"status": "odd", "bad": 1}, {"bad": 1, "status": "failed"}):
        assert seen(text, behind | body).phase is Phase.UNKNOWN
        assert seen(text, {"seen": 2, "asked": 2, **body}).phase in (
            Phase.SUCCEEDED,
            Phase.FAILED,
        )
    assert seen(text, behind | {"status": "completed", "busy": 1}).phase is Phase.RUNNING
    late = read(text, behind | {"status": "odd"}, http_status=422)
    assert isinstance(late, Job)
    assert late.phase is Phase.UNKNOWN


def test_texts_that_are_no_error() -> None:
    text = MINIMAL + 'error = ["error", "note"]\nno_error = ["None", "n/a"]'
    assert seen(text, {"status": "failed", "error": "NONE", "note": "full"}).error is not None
    assert str(seen(text, {"status": "failed", "error": "NONE", "note": "full"}).error) == "full"
    assert seen(text, {"status": "failed", "error": "N/A"}).error is None


# --- cost ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "decodes_all"),
    [("a.b", False), ("$.a", False), ("a[?b] | [0].c", False), ("@", True), ("$", True), ("keys(@) | [0]", True)],
)
def test_check_says_when_all_of_a_reply_is_decoded(
    status: str, decodes_all: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "own.toml"
    file.write_text(f'job = "https://a.test/{{job_id}}"\nstatus = "{status}"\n')
    assert load_api(file).decodes_all is decodes_all
    assert main(["apis", "--check", str(file)]) == 0
    assert ("decodes the whole of each reply" in capsys.readouterr().out) is decodes_all


def test_jmespath_is_imported_only_for_a_table() -> None:
    program = """
import sys, jobwatch
from jobwatch.apis import APIS, BEDROCK, CAPYDB
jobwatch.Client("bedrock", token="t"), jobwatch.Client(CAPYDB, token="t"), jobwatch.load_api("capydb")
assert not [name for name in sys.modules if name.startswith("jmespath")]
jobwatch.load_api("github")
assert "jmespath" in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_built_in_tables_decode_only_what_they_read() -> None:
    assert not [name for name, api in APIS.items() if api.decodes_all]
