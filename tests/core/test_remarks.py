"""What is told once of a watch, though nothing is wrong: a word that nobody knows, and replies from a cache."""

from __future__ import annotations

import msgspec
import pytest

from jobwatch._core.look import Looked
from jobwatch._core.remarks import with_remark
from jobwatch._core.tracker import Watched
from jobwatch._models import Fault, FaultKind, Outcome, Phase

STANDS = Watched(
    job_id="j", api="own", added_at=0.0, looked_at=100.0, entered_at=100.0, status="Half\x1b done", phase=Phase.UNKNOWN
)


def told(watched: Watched, now: float, cached_for: float | None = None) -> tuple[str | None, Watched]:
    looked = with_remark(watched, Looked(watched, (), None, 1.0), now, cached_for)
    return looked.remark, looked.watched


def test_a_word_that_nobody_knows_is_told_after_a_minute_and_once() -> None:
    assert told(STANDS, 159.9)[0] is None
    remark, watched = told(STANDS, 160.0)
    assert remark == "it has stood on 'Half\\\\x1b done' for 60 s, which is no word of this table: add it to words"
    assert told(watched, 500.0)[0] is None
    again = msgspec.json.decode(msgspec.json.encode(watched), type=Watched)
    assert told(again, 900.0)[0] is None, "not after a restart either"
    other = msgspec.structs.replace(watched, status="other", entered_at=900.0)
    assert told(other, 959.0)[0] is None
    assert "'other'" in str(told(other, 960.0)[0]), "another word is told, too"


@pytest.mark.parametrize(
    "fields",
    [
        {"phase": Phase.RUNNING},
        {"phase": Phase.BLOCKED},
        {"fault": Fault(FaultKind.UNREACHABLE, "no")},
        {"outcome": Outcome.AUTH},
    ],
)
def test_what_is_known_or_not_seen_is_not_told(fields: dict[str, object]) -> None:
    assert told(msgspec.structs.replace(STANDS, **fields), 900.0)[0] is None


def test_a_reply_from_a_cache_is_told_once_where_it_is_older_than_the_look_before() -> None:
    seen = msgspec.structs.replace(STANDS, phase=Phase.RUNNING)
    assert told(seen, 105.0, None)[0] is None
    assert told(seen, 105.0, 5.0)[0] is None
    assert told(seen, 100.4, 1.0)[0] is None, "servers count whole seconds"
    remark, watched = told(seen, 105.0, 6.0)
    assert remark is not None
    assert remark.startswith("the reply was answered by a cache, 6 s old")
    assert told(watched, 200.0, 150.0)[0] is None
    assert told(msgspec.structs.replace(seen, looked_at=None), 105.0, 60.0)[0] is None, (
        "a first look is late by nothing"
    )


def test_both_are_told_one_after_the_other() -> None:
    remark, watched = told(STANDS, 200.0, 150.0)
    assert "cache" in str(remark)
    remark, watched = told(watched, 200.0, 150.0)
    assert "no word of this table" in str(remark)
    assert told(watched, 200.0, 150.0)[0] is None


def test_a_server_that_changes_its_words_without_end_fills_nothing() -> None:
    watched = STANDS
    for number in range(100):
        watched = told(msgspec.structs.replace(watched, status=f"word {number}"), 1000.0)[1]
    assert len(watched.remarked) == 16
