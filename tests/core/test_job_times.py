"""When a job began and ended, and how late that was known: values only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobwatch import Event, Job, JobTimes, Phase
from jobwatch._core.job_times import known_after, times_of
from jobwatch._core.look import skew_of

T0 = datetime(2026, 11, 29, 13, 22, 0, tzinfo=UTC)
NOW = T0.timestamp()


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def job(phase: Phase, **fields: Any) -> Job:
    return Job(id="j", api="a", status=phase.value, phase=phase, **fields)


def history(*entries: tuple[Phase, float | None]) -> tuple[Event, ...]:
    return tuple(Event(phase.value, phase, None if when is None else at(when)) for phase, when in entries)


def test_it_ran_from_its_start_to_its_end_and_the_look_came_later() -> None:
    seen = job(Phase.FAILED, created_at=at(0), started_at=at(2), ended_at=at(5))
    assert times_of(seen, NOW + 5.25, NOW + 90) == JobTimes(
        created_at=at(0), started_at=at(2), ended_at=at(5), ran=3.0, known_after=0.25
    )


def test_how_late_an_end_was_known_is_the_same_by_itself() -> None:
    for seen in (job(Phase.FAILED, ended_at=at(5)), job(Phase.SUCCEEDED), job(Phase.RUNNING, started_at=at(1))):
        for known_at in (NOW + 5.25, NOW + 4.0, NOW - 90.0, None):
            assert known_after(seen, known_at, 0.5) == times_of(seen, known_at, NOW, 0.5).known_after


def test_what_the_api_does_not_tell_is_left_out() -> None:
    assert times_of(job(Phase.SUCCEEDED), NOW, NOW) == JobTimes()
    assert times_of(job(Phase.SUCCEEDED, created_at=at(0), ended_at=at(9)), None, NOW) == JobTimes(
        created_at=at(0), ended_at=at(9)
    ), "it may have waited for most of that time"


def test_a_job_that_has_not_ended_has_no_end_and_runs_so_far() -> None:
    left_over = job(Phase.RUNNING, started_at=at(2), ended_at=at(1))  # of an earlier attempt
    assert times_of(left_over, NOW + 3, NOW + 10) == JobTimes(started_at=at(2), ran=8.0)
    assert times_of(left_over, NOW + 3, NOW + 10, ahead=60.0).ran == 68.0
    assert times_of(job(Phase.PENDING, started_at=at(2)), NOW + 3, NOW + 10).ran is None


R, P, B, F, S = Phase.RUNNING, Phase.PENDING, Phase.BLOCKED, Phase.FAILED, Phase.SUCCEEDED


@pytest.mark.parametrize(
    ("entries", "ran"),
    [
        ([(P, 0), (R, 2), (S, 9)], 7.0),
        ([(R, 2), (R, 5), (S, 9)], 7.0),  # two running states in a row: it ran through both
        ([(R, 1), (P, 3), (R, 5), (S, 9)], 4.0),  # tried again
        ([(R, 1), (F, 3), (R, 5), (S, 9)], 4.0),
        ([(R, 1), (B, 3), (R, 5), (S, 9)], 8.0),  # somebody was waited for
        ([(R, 1), (Phase.UNKNOWN, 3), (R, 5), (S, 9)], 8.0),
        ([(P, 0), (S, 9)], None),
        ([(R, None), (R, 5), (S, 9)], None),  # since when it ran is not told
        ([(R, 1), (S, None)], None),
        ([], None),
    ],
)
def test_a_history_tells_since_when_a_job_ran(entries: list[tuple[Phase, float | None]], ran: float | None) -> None:
    told = history(*entries)
    assert times_of(job(S, events=told), NOW + 10, NOW).ran == ran
    assert times_of(job(S, proven=told), NOW + 10, NOW).ran == ran


def test_an_entry_that_is_no_end_of_the_job_is_not_taken_for_it() -> None:
    assert times_of(job(S, events=history((R, 1), (F, 3))), NOW + 10, NOW).ended_at is None


@pytest.mark.parametrize(
    ("started", "ran"), [(8.5, 0.5), (9.9, 0.0), (10.0, 0.0), (10.5, None)], ids=["before", "cut off", "1 s", "after"]
)
def test_an_end_before_its_start_is_rounding_or_nothing(started: float, ran: float | None) -> None:
    assert times_of(job(S, started_at=at(started), ended_at=at(9)), None, NOW).ran == ran


@pytest.mark.parametrize(
    ("look", "ahead", "known_after"),
    [
        (9.5, 0.0, 0.5),
        (8.0, 0.0, 0.0),  # clocks may differ so much without a sign
        (6.0, 0.0, None),  # known before it ended: a clock is wrong, and none says which
        (6.0, 3600.0, 3597.0),
        (8.5 - 3600, 3600.0, 0.0),  # the API's clock is an hour ahead, and says so
        (9.5 + 3600, -3600.0, 0.5),
    ],
)
def test_a_difference_of_the_clocks_makes_no_absurd_values(
    look: float, ahead: float, known_after: float | None
) -> None:
    seen = job(S, started_at=at(1), ended_at=at(9))
    assert times_of(seen, NOW + look, NOW, ahead).known_after == known_after
    assert times_of(seen, NOW + look, NOW, ahead).ran == 8.0, "which is by one clock alone"


def test_a_clock_that_is_slightly_off_is_not_taken_for_wrong() -> None:
    assert skew_of(NOW + 1.5, NOW) == skew_of(None, NOW) == 0.0
    assert skew_of(NOW - 3600, NOW) == -3600.0
