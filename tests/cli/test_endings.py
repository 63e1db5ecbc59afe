"""How waits ended, in words: values only."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from jobwatch import Outcome, Phase
from jobwatch.cli._endings import count, ending
from jobwatch.cli._render import OutcomeRecord, percent

NOW = datetime(2026, 11, 29, 13, 22, 35, tzinfo=UTC)
ENDED = NOW.replace(second=34)
FAILED = OutcomeRecord("j", Outcome.FAILED, "FAILED", Phase.FAILED, "no such backup", 1, 0.2)


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"ended_at": ENDED, "ran": 3.0, "known_after": 0.2}, "ended 13:22:34, ran 3.0 s; known 0.2 s later, 1 look"),
        ({"ended_at": ENDED, "ran": 3.0, "known_after": 0.04}, "ended 13:22:34, ran 3.0 s; known at once, 1 look"),
        ({"ended_at": ENDED, "ran": 3.0}, "ended 13:22:34, ran 3.0 s; 1 look"),
        (
            {"ended_at": ENDED, "ran": 3.0, "known_after": 7200.2},
            "ended 13:22:34, ran 3.0 s; that was 2h 00m before it was asked about, 1 look",
        ),
        ({"ended_at": ENDED, "ran": 3.0, "known_after": 2.1}, "ended 13:22:34, ran 3.0 s; known 2.1 s later, 1 look"),
        (
            {"ended_at": ENDED, "created_at": NOW.replace(minute=20, second=34), "known_after": 0.2},
            "ended 13:22:34, 2m 00s after it was created; known 0.2 s later, 1 look",
        ),
        ({"ended_at": ENDED, "created_at": NOW}, "ended 13:22:34; 1 look"),
        ({"ended_at": ENDED.replace(day=28)}, "ended 2026-11-28 13:22:34; 1 look"),
    ],
)
def test_an_end_tells_the_jobs_own_times_and_then_how_late_it_was_known(facts: dict[str, Any], told: str) -> None:
    assert ending(replace(FAILED, **facts), NOW) == f"failed, {told}"


def test_where_the_api_tells_no_times_only_the_wait_is_told() -> None:
    assert ending(FAILED, NOW) == "failed after a wait of 0.2 s, 1 look"
    stopped = OutcomeRecord("j", Outcome.NOT_FOUND, None, None, "no", 3, 11.0)
    assert ending(stopped, NOW) == "not found after a wait of 11 s, 3 looks"


def of(outcome: Outcome, phase: Phase | None = Phase.RUNNING) -> OutcomeRecord:
    return replace(FAILED, outcome=outcome, phase=phase, status=None if phase is None else phase.value)


def test_a_job_that_goes_on_never_counts_as_ended() -> None:
    good, on = of(Outcome.SUCCEEDED), of(Outcome.TIMEOUT)
    assert count([None, None]) == "0 of 2 ended"
    assert count([good, None]) == "1 of 2 ended"
    assert count([good, on]) == "1 of 2 ended, 1 goes on"
    assert count([on, of(Outcome.INTERRUPTED)]) == "0 of 2 ended, 2 go on"
    assert count([of(Outcome.INTERRUPTED, None), on]) == "0 of 2 ended, 1 goes on, 1 could not be read"
    assert count([None, of(Outcome.BLOCKED)], blocked=1) == "0 of 2 ended, 2 wait for a person"
    assert count([of(Outcome.BLOCKED)]) == "0 of 1 ended, 1 waits for a person"


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_is_counted_as_what_it_is(outcome: Outcome) -> None:
    ends = {Outcome.SUCCEEDED, Outcome.FAILED, Outcome.PARTIAL, Outcome.FINISHED, Outcome.CANCELLED}
    assert outcome.is_end_of_job == (outcome in ends)
    assert count([of(outcome)]).startswith(f"{int(outcome in ends)} of 1 ended")
    if outcome in {Outcome.NOT_FOUND, Outcome.AUTH, Outcome.UNREACHABLE, Outcome.UNREADABLE}:
        assert count([of(outcome)]) == "0 of 1 ended, 1 could not be read"


@pytest.mark.parametrize(
    ("done", "told"), [(0.0, "0 %"), (0.29, "29 %"), (0.999, "99 %"), (1.0, "100 %"), (1.5, "100 %")]
)
def test_no_rounding_makes_more_of_what_is_done(done: float, told: str) -> None:
    assert percent(done) == told
