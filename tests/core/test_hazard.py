"""How likely a job is to end when: each step of the estimate, against figures reckoned by hand or another way."""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from statistics import fmean

import pytest

from jobwatch._core.density import (
    LONGEST,
    SHORTEST,
    _bandwidth,
    _reaches,
    _running_sum,
    kernel_estimate,
    kind_estimate,
)
from jobwatch._core.hazard import _HAZARDS, _MASSES, PRIOR, Curve, Durations, _grid, curve, remembered


def blurred(counts: list[float], width: float) -> list[float]:
    """Return counts blurred by a kernel of a width in cells."""
    for reach in _reaches(width):
        sums = _running_sum(counts, reach)
        counts = [each / (2 * reach + 1) for each in sums[reach : len(sums) - reach]]
    return counts


def chances_of(history: list[float]) -> list[float]:
    """Return the chance of each cell of the grid, by kernels alone."""
    return everywhere(*kernel_estimate(history))


def everywhere(start: int, chances: list[float]) -> list[float]:
    """Return chances from some cell on as those of each cell of the grid."""
    return [0.0] * start + chances + [0.0] * (len(_grid()) - 1 - start - len(chances))


def test_the_grid_goes_from_the_shortest_job_to_beyond_the_longest_in_equal_steps_of_log_time() -> None:
    ages = _grid()
    assert ages[0] == SHORTEST
    assert ages[-2] < LONGEST <= ages[-1]
    assert [math.log(later / earlier) for earlier, later in itertools.pairwise(ages)] == pytest.approx(
        [0.05] * (len(ages) - 1)
    )


def test_every_clock_begins_at_nothing() -> None:
    cells = len(_grid()) + 1
    for clock in (PRIOR, curve([5.0]), Curve([1.0] * cells)):
        assert clock.at(0.0) == 0.0


def test_an_even_hazard_makes_a_clock_of_twice_the_root_of_the_age() -> None:
    clock = Curve([0.25] * (len(_grid()) + 1))
    for age in (1e-3, SHORTEST, 1.0, 7.0, 1e4, LONGEST, 1e8):
        assert clock.at(age) == pytest.approx(math.sqrt(age))
        assert clock.advance(age, 3.0) == pytest.approx((math.sqrt(age) + 3.0) ** 2)


def test_outside_its_grid_every_clock_is_the_priors() -> None:
    clock = curve(Durations((100.0,) * 64, 64))
    assert clock.at(SHORTEST) == PRIOR.at(SHORTEST)
    beyond = _grid()[-1]
    assert clock.at(9.0 * beyond) - clock.at(beyond) == pytest.approx(PRIOR.at(9.0 * beyond) - PRIOR.at(beyond))


def test_where_a_kind_has_no_history_that_of_all_kinds_says_how_far_it_is_tried() -> None:
    seconds = (100.0,) * 64
    untried, tried = (curve((), Durations(seconds, count)) for count in (0, 64))
    assert tried.advance(5.0, 0.1) > untried.advance(5.0, 0.1)
    own = [curve(Durations(seconds, 64), Durations(seconds, count)).advance(5.0, 0.1) for count in (0, 64)]
    assert own[0] == own[1], "its own history says so itself"


# --- the width of a kernel ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("logs", "width"),
    [
        ([3.0], 1.1 * math.sqrt(0.05)),
        ([0.0, 1.0, 2.0, 3.0], 1.1 * math.sqrt(1.25 + 0.05 / 4) * 4**-0.2),
        # one far from all others: what lies between the quartiles counts
        ([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 8.0], 1.1 * 0.4 / 1.34 * 8**-0.2),
        # nothing lies between the quartiles
        ([0.0, *[1.0] * 6, 2.0], 1.1 * math.sqrt(0.25 + 0.05 / 8) * 8**-0.2),
        # two that are equal by chance
        ([1.0] * 2, 1.1 * math.sqrt(0.05 / 2) * 2**-0.2),
        ([0.0, 10.0], 1.0),
        ([1.0] * 400, 0.05),
    ],
    ids=["one", "even", "outlier", "equal but two", "two that are equal", "far apart", "many that are equal"],
)
def test_a_kernel_is_as_wide_as_silvermans_rule_says_within_its_bounds(logs: list[float], width: float) -> None:
    assert _bandwidth(logs) == pytest.approx(width)


def test_a_history_that_was_seen_is_trusted_and_one_that_was_told_has_to_be_tried() -> None:
    seconds = (60.0,) * 8
    seen, told = Durations(), Durations()
    for each in seconds:
        seen, told = remembered(seen, each), remembered(told, each, told=True)
    pauses = [curve(history).advance(5.0, 0.25) - 5.0 for history in (seen, Durations(seconds, 64), told)]
    assert pauses[0] == pauses[1] > 2.0 * pauses[2]
    soon = remembered(seen, 10.0)
    assert curve(soon).advance(5.0, 0.25) - 5.0 < pauses[0], "one that ends so much sooner puts it to the test again"


def test_jobs_that_all_take_the_same_time_are_known_after_a_few_of_them() -> None:
    shown = [curve(Durations((60.0,) * count, count)).at(58.0) for count in (1, 4, 8)]
    assert shown[1] < 0.8 * shown[0]
    assert shown[2] < 0.6 * shown[0]


# --- the kernel -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reach", [1, 2, 5, 20])
def test_a_kernel_is_three_running_means(reach: int) -> None:
    counts = [0.0] * 201
    counts[100] = 1.0
    expected = counts
    for _ in range(3):
        expected = [
            sum(expected[max(0, cell - reach) : cell + reach + 1]) / (2 * reach + 1) for cell in range(len(counts))
        ]
    assert blurred(counts, math.sqrt(reach * (reach + 1))) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("width", [1.0, 1.5, 2.0, 3.3, 5.0, 8.0, 13.0, 20.0])
def test_a_kernel_is_as_wide_as_it_is_asked_to_be(width: float) -> None:
    counts = [0.0] * 401
    counts[200] = 1.0
    kernel = blurred(counts, width)
    assert sum(kernel) == pytest.approx(1.0)
    variance = math.fsum(mass * (cell - 200) ** 2 for cell, mass in enumerate(kernel))
    assert variance == pytest.approx(width * width, abs=0.34 * (width + 1.0)), "as near as whole cells come"


def test_a_kernel_of_no_width_changes_nothing() -> None:
    assert _reaches(0.0) == [0, 0, 0]
    assert blurred([0.0, 1.0, 0.5], 0.0) == [0.0, 1.0, 0.5]


# --- the estimate ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [SHORTEST, 1.0, 60.0, 86_400.0, 0.9 * LONGEST])
def test_most_jobs_are_expected_to_end_where_all_before_them_did(seconds: float) -> None:
    chances = chances_of([seconds] * 64)
    assert len(chances) == len(_grid()) - 1
    theirs = bisect_right(_grid(), seconds * (1.0 + 1e-9)) - 1
    assert chances[theirs] == pytest.approx(max(chances))  # at the grid's end the next cell is as likely
    assert sum(chances[max(0, theirs - 2) : theirs + 3]) > 0.99 * sum(chances)


def test_every_job_of_a_history_counts_alike() -> None:
    assert sum(chances_of([10.0, 20.0, 40.0, 5_000.0])) == pytest.approx(1.0)
    apart = chances_of([1.0, 10_000.0, 10_000.0])
    assert sum(apart[: len(apart) // 2]) == pytest.approx(1.0 / 3.0, abs=0.01)


def test_durations_out_of_range_are_taken_for_the_nearest_in_it() -> None:
    assert kernel_estimate([1e-9, 1e-3]) == kernel_estimate([SHORTEST, SHORTEST])
    assert kernel_estimate([LONGEST * 9.0, 1e12]) == kernel_estimate([LONGEST, LONGEST])
    assert kernel_estimate([LONGEST] * 64) != kernel_estimate([LONGEST * 0.95] * 64), "the last cell is one like others"


# --- the mixture ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tried", [0, 100])
@pytest.mark.parametrize(
    ("own", "kin"),
    [
        ([5.0, 6.0, 7.0, 9.0] * 16, [5.0, 6.0, 7.0, 9.0] * 16),
        ([5.0, 6.0, 7.0, 9.0], [5.0, 6.0, 7.0, 9.0, 400.0]),
        ([], [30.0, 40.0]),
        ([30.0, 40.0], []),
        ([0.01, 0.06, 0.08, 3.0] * 10, [20.0]),
        ([LONGEST * 0.9] * 3, [LONGEST, 20.0]),
    ],
    ids=["one kind", "two kinds", "kin alone", "own alone", "from before the grid", "to beyond it"],
)
def test_the_hazard_of_each_cell_is_what_the_mixture_loses_there(
    own: list[float], kin: list[float], tried: int
) -> None:
    known = 1.0 if tried else 0.95
    own_share = known * len(own) / (len(own) + 0.25)
    kin_share = (known - own_share) * len(kin) / (len(kin) + 2.0)
    if own == kin:
        own_share, kin_share = own_share + kin_share, 0.0
    kin_share = kin_share if kin_share > 0.002 else 0.0
    masses = [(1.0 - own_share - kin_share) * mass for mass in _MASSES]
    told = [(own_share, everywhere(*kind_estimate(own)))] if own else []
    told += [(kin_share, chances_of(kin))] if kin else []
    for share, chances in told:
        masses = [mass + share * chance for mass, chance in zip(masses, chances, strict=True)]
    survivors = list(itertools.accumulate(masses, float.__sub__, initial=1.0))
    wanted = [40.0 * (left - right) / (left + right) for left, right in itertools.pairwise(survivors)]
    floor = 0.05 if tried else 0.45
    wanted = [max(hazard, floor * prior) for hazard, prior in zip(wanted, _HAZARDS, strict=True)]
    whole = Curve([_HAZARDS[0], *wanted, _HAZARDS[-1]])
    found = curve(Durations(tuple(own), tried), Durations(tuple(kin), tried))
    for age in (0.0, 0.01, *_grid()[::3], 1e7):
        assert found.at(age) == pytest.approx(whole.at(age), rel=1e-9)
        assert found.advance(age, 0.25) == pytest.approx(whole.advance(age, 0.25), rel=1e-9)


# --- what is remembered ---------------------------------------------------------------------------------------------


def test_a_duration_that_is_told_neither_tries_a_history_nor_makes_it_untried() -> None:
    tried = Durations((100.0, 110.0), 7)
    for seconds in (1.0, 105.0):
        assert remembered(tried, seconds, told=True) == Durations((100.0, 110.0, seconds), 7)


def test_a_job_ends_too_soon_below_a_quarter_of_the_median() -> None:
    tried = Durations((10.0, 20.0, 100.0, 110.0, 120.0), 7)
    assert remembered(tried, 25.0).tried == 8
    assert remembered(tried, 24.9).tried == 0


def test_the_middle_of_a_history_is_its_median_and_not_its_mean() -> None:
    assert remembered(Durations((1.0, 1.0, 1.0, 1e6), 3), 0.5).tried == 4
    assert fmean((1.0, 1.0, 1.0, 1e6)) > 1e5


# --- what other kinds tell ------------------------------------------------------------------------------------------


def test_of_a_kind_that_is_new_each_other_kind_tells_as_much() -> None:
    kin = Durations((5.0,) * 60 + (400.0,) * 4, 64)
    kinds = [[5.0] * 60, *([400.0 + number] for number in range(4))]
    alone, told = curve((), kin), curve((), kin, kinds)
    assert told.at(500.0) - told.at(300.0) > 1.3 * (alone.at(500.0) - alone.at(300.0))
    assert curve((), kin, kinds[:1]).at(500.0) == alone.at(500.0), (
        "one kind tells nothing of what differs between kinds"
    )


def test_jobs_that_outlive_an_untried_history_are_back_on_the_prior_sooner() -> None:
    seconds = tuple(2.0 * 1.01 ** (number % 50) for number in range(128))
    shown = [curve(Durations(seconds, tried), Durations(seconds, tried)) for tried in (0, 128)]
    looks = [clock.at(12.0) - clock.at(3.5) for clock in shown]
    assert looks[0] < looks[1] or looks[1] < PRIOR.at(12.0) - PRIOR.at(3.5)


@pytest.mark.parametrize("count", [1, 8, 128])
def test_an_api_whose_jobs_are_all_of_one_kind_takes_them_for_one_kind(count: int) -> None:
    seconds = tuple(100.0 * 1.01 ** (number % 7) for number in range(count))
    history = Durations(seconds, count)
    same, apart = curve(history, history), curve(history, Durations((*seconds[1:], 100.001), count))
    looks = [clock.at(125.0) - clock.at(85.0) for clock in (same, apart)]
    assert looks[0] == pytest.approx(looks[1], rel=0.035)
