"""Where what was delivered ends in a history: values only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from jobwatch._core.matching import Fingerprint, new_from
from jobwatch._models import Event, Phase

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def found(delivered: str, told: str, *, seq: int | None = None, is_behind: bool = False) -> tuple[int, bool]:
    """Say where the news start and whether something is missing, for entries such as ``P0``: a word and its second."""
    marks = [Fingerprint(word, None if at is None else at.timestamp()) for word, at in map(_entry, delivered.split())]
    events = [Event(word, Phase.RUNNING, at) for word, at in map(_entry, told.split())]
    return new_from(marks, len(marks) if seq is None else seq, events, is_behind=is_behind)


def _entry(text: str) -> tuple[str, datetime | None]:
    return text[0], NOON + timedelta(seconds=float(text[1:])) if text[1:] else None


def test_entries_older_than_what_was_delivered_are_no_news_even_where_the_last_has_no_time() -> None:
    assert found("R10 U", "A1 B2 C3 D20") == (3, True)
    assert found("R10 U", "A1 B2 C10 D20") == (2, True), "of one moment with what was delivered, and not older"
    assert found("R10 U", "A20 B21 C22") == (2, True)


@pytest.mark.parametrize("delivered", ["P0 R1 P2 U", "R2 U2 P2 V"])
def test_the_last_dated_entry_is_known_again_by_its_word_and_its_moment(delivered: str) -> None:
    assert found(delivered, "X1.9 P2 C4") == (2, True)
