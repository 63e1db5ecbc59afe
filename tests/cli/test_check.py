"""``jobwatch apis --check`` and ``--words``: what a table says, what it reads from a sample, what the sample lacks."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from jobwatch._reading.words import USUAL_WORDS
from jobwatch.cli import main

MINIMAL = 'job = "https://api.test/jobs/{job_id}"\nid = "id"\nstatus = "state"\n'


class Checked:
    """Checks tables against samples, in a folder of its own."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, table: str, sample: object = None) -> list[str]:
        Path("own.toml").write_text(MINIMAL + table, "utf-8")
        options = []
        if sample is not None:
            Path("sample.json").write_bytes(sample if isinstance(sample, bytes) else msgspec.json.encode(sample))
            options = ["--body", "sample.json"]
        assert main(["apis", "--check", "./own.toml", *options]) == 0
        return self._capsys.readouterr().out.splitlines()


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Checked:
    monkeypatch.chdir(tmp_path)
    return Checked(capsys)


def test_each_end_is_told_with_its_words_and_who_gave_them(check: Checked) -> None:
    told = check('words = { succeeded = ["ok", "BAKED*"], partial = [3], failed = ["done"] }')
    succeeded, partial, finished, failed, cancelled = told[1:]
    assert succeeded.startswith("  succeeded: ok, BAKED* (the table's); succeeded, success, ")
    assert succeeded.endswith(" (common)")
    assert partial == "  partial: 3 (the table's)"
    assert finished == "  finished: finished, ended, exited (common)"  # and no "done", which the table takes
    assert failed.startswith("  failed: done (the table's); failed, ")
    assert cancelled.startswith("  cancelled: cancelled, ")


def test_a_table_without_a_status_has_no_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "own.toml"
    file.write_text('job = "https://api.test/{job_id}"\nsucceeded_if = "done"\n', "utf-8")
    assert main(["apis", "--check", str(file)]) == 0
    assert capsys.readouterr().out == "own: GET https://api.test/{job_id}\n"


@pytest.mark.parametrize(
    ("table", "state", "told"),
    [
        ('words = { succeeded = ["ok"] }', "OK", "the word OK means succeeded by the table's own words"),
        ('words = { partial = ["ok*"] }', "ok: 2", "the word ok: 2 means partial by the table's own words"),
        ("", "Completed", "the word Completed means succeeded by the common words"),
        ("", "done", 'if only a success is told so: words.succeeded = ["done"]'),
        ("", "baked", "the word baked means nothing yet: put it under [words], by what it means"),
    ],
)
def test_a_word_of_a_sample_is_told_with_its_meaning(check: Checked, table: str, state: str, told: str) -> None:
    assert check(table, {"id": "j", "state": state})[-1] == told


def test_of_a_job_that_goes_on_or_a_state_by_a_condition_no_word_is_told(check: Checked) -> None:
    assert check("", {"id": "j", "state": "running"})[-1].startswith("history  running [")
    told = check('failed_if = "oven.broken"', {"id": "j", "state": "success", "oven": {"broken": True}})
    assert told[-1].startswith("history  failed [")


def test_the_history_that_would_be_told_is_shown(check: Checked) -> None:
    told = check(
        'events = { path = "log", status = "to", at = "when" }\ncreated_at = "made"',
        {
            "id": "j",
            "state": "success",
            "made": "2024-06-17T08:55:00Z",
            "log": [
                {"to": "queued", "when": "2024-06-17T08:55:00Z"},
                {"to": "baking", "when": "2024-06-17T08:55:02Z"},
                {"to": "success", "when": "2024-06-17T08:55:09Z"},
            ],
        },
    )
    assert [line.split(maxsplit=1)[1] for line in told if line.startswith("history")] == [
        "2024-06-17T08:55:00Z  queued (pending)",
        "2024-06-17T08:55:02Z  baking (unknown)",
        "2024-06-17T08:55:09Z  success (succeeded)",
    ]
    assert told[-2:] == [
        "the word baking means nothing yet: put it under [words], by what it means",
        "the word success means succeeded by the common words",
    ]


ALL = """
type = "kind"
project = ["team", "group"]
url = "links.html"
asked = "ask.text"
attempt = "tries"
created_at = "made"
started_at = "$.at.start"
ended_at = "at.end"
updated_at = "at.change"
error = "errors[0].message"
result = "out"
progress = { done = "did", of = "all" }
times = { running = ["ran"], finishing = "closed" }
events = { path = "log", status = "to", at = "when" }
nothing_if = "seen.generation != made.generation"
failed_if = ["broken", "@.oven.heat > `300`"]
blocked_if = "asks[?open].text"
"""


def test_each_place_that_a_sample_lacks_is_listed_and_no_other(check: Checked) -> None:
    told = [line for line in check(ALL, {"id": "j", "state": "running"}) if line.startswith("not found")]
    assert told == [
        "not found: type, in kind (what kind of job it is, so that looks are timed by how long others of it took)",
        "not found: project, in team, group",
        "not found: url, in links.html",
        "not found: created_at, in made (when it was created)",
        "not found: started_at, in $.at.start (when it started)",
        "not found: ended_at, in at.end (when it ended), which may come with an end",
        "not found: updated_at, in at.change",
        "not found: attempt, in tries",
        "not found: asked, in ask.text",
        "not found: error, in errors[0].message (what went wrong), which may come with an end",
        "not found: result, in out, which may come with an end",
        "not found: times.running, in ran",
        "not found: times.finishing, in closed",
        "not found: progress, in did, all",
        "not found: events.path, in log",
        "not found: failed_if, in broken",
        "not found: failed_if, in @.oven.heat > `300`",
        "not found: blocked_if, in asks[?open].text",
        "not found: nothing_if, in seen.generation != made.generation",
    ]


def test_what_a_sample_has_is_not_listed(check: Checked) -> None:
    sample = {
        "id": "j",
        "state": "running",
        "kind": "cake",
        "group": "night",
        "links": {"html": "https://jobs.test/j"},
        "ask": {"text": "?"},
        "tries": 0,
        "made": {"generation": 1},
        "at": {"start": 1, "end": 1, "change": 1},
        "errors": [{"message": "none"}],
        "out": False,
        "did": 0,
        "all": 2,
        "ran": 1,
        "closed": 1,
        "log": [{"to": "running"}, {"when": 1}],
        "broken": False,
        "oven": {"heat": 0},
        "asks": [],
    }
    assert [line for line in check(ALL, sample) if line.startswith("not found")] == []
    told = check(ALL, sample | {"log": [{"to": "running"}], "all": None, "at": {"start": 1, "end": 1}})
    assert [line for line in told if line.startswith("not found")] == [
        "not found: updated_at, in at.change",
        "not found: progress, in all",
        "not found: events.at, in when",
    ]


def test_of_several_ways_to_tell_progress_one_will_do(check: Checked) -> None:
    table = 'progress = ["percent", { done = "did", of = 100 }]'
    assert check(table, {"id": "j", "state": "running", "did": 3})[-1].startswith("history   running [")
    told = check(table, {"id": "j", "state": "running"})
    assert told[-2:] == ["not found: progress, in percent", "not found: progress, in did"]


def test_places_of_a_job_under_a_root_begin_there(check: Checked) -> None:
    table = 'root = "data.job"\nerror = ["fault", "$.errors[0].message"]\nresult = "out"'
    sample = {"data": {"job": {"id": "j", "state": "failed", "out": 1}}, "errors": [{"message": "burnt"}]}
    told = check(table, sample)
    assert not [line for line in told if line.startswith("not found")]
    assert "error    burnt" in told
    assert check(table, {"data": {"job": {"id": "j", "state": "failed"}}})[-2:] == [
        "not found: error, in fault, $.errors[0].message (what went wrong)",
        "not found: result, in out",
    ]


def test_a_sample_may_be_a_line_of_text(check: Checked, capsys: pytest.CaptureFixture[str]) -> None:
    Path("text.toml").write_text('job = "https://api.test/{job_id}"\nstatus = "@"\nerror = "$.fault"\n', "utf-8")
    for sample in ("Completed\n", '"Completed"'):
        Path("sample.txt").write_text(sample, "utf-8")
        assert main(["apis", "--check", "./text.toml", "--body", "sample.txt"]) == 0
        told = capsys.readouterr().out.splitlines()
        assert told[-2:] == [
            "the word Completed means succeeded by the common words",
            "not found: error, in $.fault (what went wrong)",
        ]


def test_headers_of_a_sample_are_read_where_it_has_them(check: Checked, capsys: pytest.CaptureFixture[str]) -> None:
    text = 'job = "https://api.test/{job_id}"\nstatus = { header = "X-State" }\ntype = { header = "X-Kind" }\n'
    Path("heads.toml").write_text(text + 'error = ["fault", { header = "X-Fault" }]\n', "utf-8")
    Path("sample.txt").write_text("HTTP/1.1 200 OK\r\nx-state: Completed\r\nX-Kind: cake\r\n\r\n{}", "utf-8")
    assert main(["apis", "--check", "./heads.toml", "--body", "sample.txt"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert "type     cake" in told
    assert told[-2:] == [
        "the word Completed means succeeded by the common words",
        "not found: error, in fault, the header X-Fault (what went wrong)",
    ]
    Path("sample.txt").write_text("{}", "utf-8")
    assert main(["apis", "--check", "./heads.toml", "--body", "sample.txt"]) == 1
    assert capsys.readouterr().out.endswith("the table reads headers, and the sample has none: save it with curl -i\n")


def test_the_common_words_are_printed_by_what_they_mean(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["apis", "--words"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 100
    words: dict[str, list[str]] = {}
    for line in lines:
        name = line[:11].strip() or list(words)[-1]
        words.setdefault(name, []).extend(line[11:].split())
    lists = ("nothing", "cancelled", "failed", "partial", "succeeded", "finished", "blocked", "running", "pending")
    assert tuple(words) == lists
    assert (
        words.pop("nothing")
        == words.pop("partial")
        == [
            "(none",
            "in",
            "common:",
            "a",
            "table",
            "lists",
            "its",
            "own)",
        ]
    )
    assert {word: phase.value for word, phase in USUAL_WORDS.items()} == {
        word: name for name, those in words.items() for word in those
    }
    assert main(["apis", "--words", "--json"]) == 0
    told = msgspec.json.decode(capsys.readouterr().out, type=dict[str, list[str]])
    assert told["finished"] == words["finished"]
    assert told["partial"] == []


def _published(schema: dict[str, object], **more: object) -> bytes:
    content = {"application/json": {"schema": {"type": "object", "properties": schema}, **more}}
    get = {"responses": {"200": {"content": content}, "404": {}}}
    return msgspec.json.encode(
        {
            "openapi": "3.0.3",
            "info": {"title": "Oven"},
            "servers": [{"url": "https://oven.example.com"}],
            "paths": {"/jobs/{id}": {"get": get}},
        }
    )


def test_the_first_draft_of_a_table_is_printed_and_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    schema: dict[str, object] = {"id": {"type": "string"}, "state": {"enum": ["hot", "running", "burnt_error"]}}
    Path("oven.json").write_bytes(_published(schema, example={"id": "1", "state": "burnt_error"}))
    assert main(["apis", "--from-openapi", "oven.json", "--path", "/jobs/{job}"]) == 0
    told = capsys.readouterr()
    assert told.out.endswith('[words]\nrunning = ["running"]\nfailed = ["burnt_error"]  # guess: burnt_error\n')
    assert told.err == (
        "jobwatch: oven.json: nobody knows what these words mean: hot\n"
        "jobwatch: checked: it asks GET https://oven.example.com/jobs/{job_id}\n"
        "jobwatch: the document's example reads burnt_error (failed)\n"
    )
    Path("draft.toml").write_text(told.out, "utf-8")
    assert main(["apis", "--check", "./draft.toml"]) == 0


def test_a_draft_without_a_status_is_none_to_rely_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("oven.json").write_bytes(_published({"id": {}}))
    assert main(["apis", "--from-openapi", "oven.json", "--path", "/jobs/{id}"]) == 1
    assert "no field is called status" in capsys.readouterr().err
    assert main(["apis", "--from-openapi", "oven.json"]) == 2
    assert "--path /jobs/{id}" in capsys.readouterr().err
    assert main(["apis", "--from-openapi", "oven.json", "--path", "/runs/{id}"]) == 2
    assert "there is no path /runs/{id} in it; paths of one thing are: /jobs/{id}" in capsys.readouterr().err
