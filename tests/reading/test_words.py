"""What words mean: a table's, and those that a vendor lists."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobwatch import Job, Phase
from jobwatch._core.tracker import Patience, Watched, observe
from jobwatch._reading.words import USUAL_WORDS, Words, documented, is_same_word, lowered, normalized, text_of
from jobwatch.apis.bedrock import WORDS as BEDROCK_WORDS


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
        (["complete", "passed"], Phase.SUCCEEDED),
        (["done", "passed"], Phase.FINISHED),
        (["inputrequired", "done"], Phase.BLOCKED),
        (["inputrequired", "working"], Phase.RUNNING),
    ],
)
def test_a_list_has_ended_only_if_every_word_says_so(
    words: list[str | int | float | bool | None], phase: Phase
) -> None:
    assert Words({}).meaning(words)[1] is phase


def test_what_is_no_word_is_shown_with_its_field() -> None:
    assert [text_of(word, "ok") for word in ("x", True, None, 3)] == ["x", "ok=true", "null", "ok=3"]


@pytest.mark.parametrize("words", [Words({}), documented([], []), BEDROCK_WORDS], ids=["table", "listed", "bedrock"])
@pytest.mark.parametrize(
    "word",
    [
        "\u017fucceeded",
        "\u017fUCCEEDED",
        "\u212aILLED",
        "succeeded\u00a0",
        "fai\u0131ed",
        "\uff46ailed",
        "canceled\u200b",
    ],
)
def test_what_only_looks_like_a_word_is_another(words: Words, word: str) -> None:
    assert words.meaning(word) == (word, Phase.UNKNOWN)


@given(st.text(max_size=20))
def test_only_ascii_letters_have_two_cases(text: str) -> None:
    folded = lowered(text)
    assert len(folded) == len(text)
    assert all(a == b or (a.isascii() and a.lower() == b) for a, b in zip(text, folded, strict=True))
    assert lowered(folded) == folded == lowered("".join(c.upper() if c.isascii() else c for c in text))


def test_a_state_is_not_taken_for_one_that_only_looks_like_it() -> None:
    watched = Watched(job_id="j", api="own")
    words = ["RUNNING", "running", "\u017ftopping", "stopping", "STOPPING", "\u212a", "k"]
    delivered = []
    for number, word in enumerate(words):
        seen = observe(watched, Job(id="j", api="own", status=word, phase=Phase.RUNNING), 10.0 + number, Patience())
        watched = seen.watched
        delivered += [transition.status for transition in seen.transitions]
    assert delivered == ["RUNNING", "\u017ftopping", "stopping", "\u212a", "k"]


@given(st.text("aAkK\u212a\u017fsS", max_size=3), st.text("aAkK\u212a\u017fsS", max_size=3))
def test_two_words_are_one_where_they_are_the_same_in_lower_case(one: str, other: str) -> None:
    assert is_same_word(one, other) == (lowered(one) == lowered(other))


@pytest.mark.parametrize(
    ("told", "phase"),
    [
        (100, Phase.SUCCEEDED),
        (100.0, Phase.SUCCEEDED),
        ("100", Phase.SUCCEEDED),
        ("100.0", Phase.SUCCEEDED),
        ("100.00", Phase.SUCCEEDED),
        ("-1.0", Phase.FAILED),
        ("100.5", Phase.UNKNOWN),
        ("100.0.0", Phase.UNKNOWN),
        ("v100.0", Phase.UNKNOWN),
    ],
)
def test_a_number_is_the_same_however_it_is_spelt(told: str | float, phase: Phase) -> None:
    words = Words({Phase.SUCCEEDED: [100], Phase.FAILED: [-1]})
    assert words.meaning(told)[1] is phase
    assert Words({Phase.SUCCEEDED: ["ok"]}).meaning("100.0")[1] is Phase.UNKNOWN
