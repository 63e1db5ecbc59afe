"""What words mean: a table's, and those that a vendor lists."""

from __future__ import annotations

import pytest

from jobwatch import Phase
from jobwatch._reading.words import USUAL_WORDS, Words, documented, normalized, text_of


@pytest.mark.parametrize(
    ("text", "word"), [("In Progress", "inprogress"), ("IN-PROGRESS", "inprogress"), ("in_progress", "inprogress")]
)
def test_case_and_what_lies_between_do_not_count(text: str, word: str) -> None:
    assert normalized(text) == word
    assert Words({}).meaning(text) == (text, Phase.RUNNING)


@pytest.mark.parametrize("text", ["-1", "---", "_"])
def test_a_sign_stays_and_what_has_nothing_else_too(text: str) -> None:
    assert normalized(text) == text


def test_a_table_may_give_a_usual_word_another_meaning() -> None:
    words = Words({Phase.RUNNING: ["done", 3, True], Phase.FAILED: ["absent"]})
    assert [words.meaning(word)[1] for word in ("done", 3, True, "failed")] == [
        Phase.RUNNING,
        Phase.RUNNING,
        Phase.RUNNING,
        Phase.FAILED,
    ]
    assert (words.absent, words.stated().absent) == (Phase.FAILED, None)


def test_what_a_vendor_lists_is_all_there_is() -> None:
    words = documented(pending=["waiting"], running=["working"])
    assert [words.meaning(word)[1] for word in ("WAITING", "Working", "Completed", "cancelled", "ERROR")] == [
        Phase.PENDING,
        Phase.RUNNING,
        Phase.SUCCEEDED,
        Phase.CANCELLED,
        Phase.FAILED,
    ]
    for word in (
        *USUAL_WORDS.keys() - {"waiting", "working", "completed", "succeeded", "failed", "error"},
        "com-pleted",
    ):
        if word not in {"canceled", "cancelled"}:
            assert words.meaning(word)[1] is Phase.UNKNOWN, word


def test_a_long_word_is_cut_where_it_is_shown_and_not_remembered() -> None:
    words = Words({})
    assert words.meaning("x" * 1000) == ("x" * 256, Phase.UNKNOWN)
    assert vars(words)["_seen"] == {}


def test_equal_words_are_one_object() -> None:
    first, second = (Words({}).meaning(b"ODD".decode())[0] for _ in range(2))
    assert first is second


@pytest.mark.parametrize(
    ("words", "phase"),
    [
        (["done", "running"], Phase.RUNNING),
        (["done", "odd"], Phase.UNKNOWN),
        (["done", "failed"], Phase.FAILED),
        (["done", None], Phase.PENDING),
        (["done", "passed"], Phase.SUCCEEDED),
    ],
)
def test_a_list_has_ended_only_if_every_word_says_so(
    words: list[str | int | float | bool | None], phase: Phase
) -> None:
    assert Words({}).meaning(words)[1] is phase


def test_what_is_no_word_is_shown_with_its_field() -> None:
    assert [text_of(word, "ok") for word in ("x", True, None, 3)] == ["x", "ok=true", "null", "ok=3"]
