"""partial, finished and blocked in a table: words, conditions, their order, what is refused, and what is asked."""

from __future__ import annotations

import itertools
import tomllib
from typing import Any

import msgspec
import pytest

from jobwatch import Job, Phase
from jobwatch._reading.words import USUAL_WORDS, Words
from jobwatch._table.compile import api_of
from jobwatch._table.fields import DECIDED, TableError

MINIMAL = 'job = "https://a.test/{job_id}"\nstatus = "status"\n'


def read(text: str, body: object, http_status: int = 200) -> Job:
    job = api_of(tomllib.loads(MINIMAL + text), "own").job(msgspec.json.encode(body), "j", http_status)
    assert isinstance(job, Job), job
    return job


@pytest.mark.parametrize(
    ("word", "phase"),
    [
        ("completed", Phase.SUCCEEDED),
        ("PASSED", Phase.SUCCEEDED),
        ("done", Phase.FINISHED),
        ("Finished", Phase.FINISHED),
        ("ended", Phase.FINISHED),
        ("exited", Phase.FINISHED),
        ("waiting_for_approval", Phase.BLOCKED),
        ("input-required", Phase.BLOCKED),
        ("AUTH_REQUIRED", Phase.BLOCKED),
        ("action_required", Phase.BLOCKED),
        ("requires_action", Phase.BLOCKED),
        ("starting", Phase.PENDING),
        ("initializing", Phase.PENDING),
        ("rejected", Phase.FAILED),
        ("aborted-by-error", Phase.FAILED),
        ("validationFailed", Phase.FAILED),
        ("terminated", Phase.UNKNOWN),
        ("stopped", Phase.UNKNOWN),
        ("closed", Phase.UNKNOWN),
    ],
)
def test_what_common_words_mean(word: str, phase: Phase) -> None:
    assert read("", {"status": word}).phase is phase


def test_no_common_word_says_that_a_part_failed() -> None:
    assert Phase.PARTIAL not in USUAL_WORDS.values()


@pytest.mark.parametrize("phase", [Phase.PARTIAL, Phase.FINISHED, Phase.BLOCKED], ids=lambda phase: phase.value)
def test_a_table_gives_words_and_conditions_for_each(phase: Phase) -> None:
    name = phase.value
    assert read(f'words = {{ {name} = ["it is so*", 7] }}', {"status": "It is SO, or nearly"}).phase is phase
    assert read(f'words = {{ {name} = ["x", 7] }}', {"status": "7"}).phase is phase
    assert read(f"{name}_if = \"how == 'so'\"", {"status": "completed", "how": "so"}).phase is phase
    assert read(f'{name}_if = ["a", "b"]', {"status": "running", "b": "yes"}).phase is phase
    assert read(f'{name}_if = "a"', {"status": "running", "a": "false"}).phase is Phase.RUNNING
    assert read(f'http = {{ 207 = "{name}" }}', {}, 207).phase is phase


def test_the_first_condition_that_holds_decides() -> None:
    assert list(DECIDED) == [
        *("cancelled_if", "failed_if", "partial_if", "succeeded_if", "finished_if"),
        *("blocked_if", "running_if", "pending_if"),
    ]
    for (one, phase), (other, _) in itertools.combinations(DECIDED.items(), 2):
        text = f'{other} = "other"\n{one} = "one"'
        assert read(text, {"status": "odd", "one": 1, "other": 1}).phase is phase, (one, other)


def test_a_partial_failure_is_a_bad_end_and_comes_before_what_else_is_told() -> None:
    text = 'words = { partial = ["some"], running = ["on"] }\nhttp = { 200 = "succeeded", 207 = "partial" }'
    assert read(text, {"status": "some"}).phase is Phase.PARTIAL
    assert read(text, {"status": "on"}, 207).phase is Phase.PARTIAL


def test_while_nothing_is_told_no_new_end_is() -> None:
    for name, phase in (("partial", Phase.UNKNOWN), ("finished", Phase.UNKNOWN), ("blocked", Phase.BLOCKED)):
        text = f'nothing_if = "behind"\n{name}_if = "a"\nwords = {{ {name} = ["x"] }}'
        assert read(text, {"status": "x", "a": 1, "behind": 1}).phase is phase


def test_a_common_end_behind_an_empty_place_is_none() -> None:
    body = {"status": None, "state": "finished"}
    api = api_of(tomllib.loads('job = "https://a.test/{job_id}"\nstatus = ["status", "state"]'), "own")
    job = api.job(msgspec.json.encode(body), "j", 200)
    assert isinstance(job, Job)
    assert job.phase is Phase.UNKNOWN


@pytest.mark.parametrize(
    ("words", "phase"),
    [
        (["some", "ok"], Phase.PARTIAL),
        (["some", "failed"], Phase.FAILED),
        (["some", "cancelled"], Phase.PARTIAL),
        (["finished", "ok"], Phase.FINISHED),
        (["finished", "cancelled"], Phase.CANCELLED),
        (["ask", "ok"], Phase.BLOCKED),
        (["ask", "running"], Phase.RUNNING),
        (["ask", "odd"], Phase.BLOCKED),
    ],
)
def test_several_words_are_as_bad_as_the_worst_and_no_end_before_all_are(words: list[Any], phase: Phase) -> None:
    given = {Phase.PARTIAL: ["some"], Phase.SUCCEEDED: ["ok"], Phase.BLOCKED: ["ask"]}
    assert Words(given).meaning(words)[1] is phase


@pytest.mark.parametrize("key", ["partial_if", "finished_if", "blocked_if"])
@pytest.mark.parametrize(
    "condition",
    ["exit_code != `0`", "!(open)", "!(checks[?status != 'ok'])", "length(locks) == `0`", "state != 'open'"],
)
def test_what_holds_of_nothing_proves_none_of_them(key: str, condition: str) -> None:
    with pytest.raises(TableError, match="holds where nothing is there") as raised:
        api_of(tomllib.loads(f'{MINIMAL}{key} = "{condition}"'), "own")
    assert raised.value.keys == (key,)
    assert "write" in str(raised.value) or "as in" in str(raised.value)


@pytest.mark.parametrize("word", ["some", "done"])
def test_a_status_that_is_such_an_end_where_nothing_is_there_is_refused(word: str) -> None:
    text = f"{MINIMAL}words = {{ partial = ['some'] }}".replace('"status"\n', f"\"not_null(state, '{word}')\"\n")
    with pytest.raises(TableError, match="and that is an end"):
        api_of(tomllib.loads(text), "own")


def test_a_word_stands_in_one_list() -> None:
    with pytest.raises(TableError, match="'Stop' is among the words for blocked too"):
        api_of(tomllib.loads(MINIMAL + 'words = { blocked = ["stop"], partial = ["Stop"] }'), "own")


# --- what is asked ---------------------------------------------------------------------------------------------------

ASKING = 'words = { blocked = ["ask"] }\nasked = ["question", "$.form"]\nurl = "page"'


@pytest.mark.parametrize(
    ("body", "asked"),
    [
        ({"question": "Deploy?"}, "Deploy?"),
        ({"question": None, "form": "Which one?"}, "Which one?"),
        ({"question": {"message": "Who are you?", "fields": [1]}}, "Who are you?"),
        ({"question": [{}, {"message": "Which?"}]}, "Which?"),
        ({"question": {"a": 1}}, '{"a":1}'),
        ({"question": 7}, "7"),
        ({"question": {}}, None),
        ({"question": ""}, None),
        ({}, None),
        ({"question": "x" * 5000}, "x" * 1024),
    ],
)
def test_what_is_asked_is_a_text_whatever_it_is(body: dict[str, object], asked: str | None) -> None:
    job = read(ASKING, {"status": "ask", "page": "https://ci.test/1", **body})
    assert (job.phase, job.asked, job.url) == (Phase.BLOCKED, asked, "https://ci.test/1")


def test_a_job_that_is_not_blocked_asks_nothing() -> None:
    assert read(ASKING, {"status": "running", "question": "Deploy?"}).asked is None


def test_what_a_job_that_is_over_says_may_be_why() -> None:
    text = 'error = "message"\nwords = { partial = ["some"] }'
    for status, shown in (("some", True), ("done", True), ("completed", False), ("input_required", False)):
        assert (read(text, {"status": status, "message": "3 of 7 failed"}).error is not None) == shown, status
