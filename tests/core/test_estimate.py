"""How much longer a job may take: a range that is what earlier jobs did, and nothing where too few tell."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobwatch import Phase
from jobwatch._core.durations import LearnedDurations
from jobwatch._core.estimate import remaining

DURATIONS = st.lists(st.floats(0.0, 1e6), max_size=64)


def test_it_is_from_the_20th_to_the_80th_percentile_of_what_is_left() -> None:
    assert remaining([100.0, 110.0, 120.0, 130.0, 140.0, 150.0], 90.0) == (20.0, 50.0)
    assert remaining([100.0, 100.0, 100.0], 40.0) == (60.0, 60.0)


def test_jobs_that_had_ended_by_then_do_not_count() -> None:
    early = [10.0] * 50
    assert remaining([*early, 100.0, 110.0, 120.0, 130.0, 140.0, 150.0], 90.0) == (20.0, 50.0)


@pytest.mark.parametrize("durations", [[], [100.0], [100.0, 200.0], [50.0, 60.0, 70.0, 100.0, 200.0]])
def test_of_fewer_than_three_nothing_is_said(durations: list[float]) -> None:
    assert remaining(durations, 90.0) is None


@given(DURATIONS, st.floats(0.0, 1e6))
def test_a_range_lies_within_what_earlier_jobs_took(durations: list[float], age: float) -> None:
    left = [seconds - age for seconds in durations if seconds > age]
    found = remaining(durations, age)
    assert (found is None) == (len(left) < 3)
    if found is not None:
        low, high = found
        slack = 1e-9 * max(left)
        assert min(left) - slack <= low <= high <= max(left) + slack
        assert sum(low - slack <= seconds <= high + slack for seconds in left) >= (len(left) - 1) * 0.6 - 1


def test_a_type_is_estimated_by_its_own_jobs_and_by_the_phase() -> None:
    learned = LearnedDurations()
    for seconds in (100.0, 110.0, 120.0):
        learned.add_duration(("capydb", "backup", Phase.RUNNING), seconds)
        learned.add_duration(("capydb", "restore", Phase.RUNNING), 9000.0)
    assert learned.left("capydb", "backup", Phase.RUNNING, 90.0) == pytest.approx((14.0, 26.0))
    assert learned.left("capydb", "backup", Phase.PENDING, 90.0) is None
    assert learned.left("capydb", None, Phase.RUNNING, 90.0) is None
    assert learned.left("bedrock", "backup", Phase.RUNNING, 90.0) is None
