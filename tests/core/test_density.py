"""Where the next job of a kind ends: each estimate against one reckoned another way, and what they are mixed by."""

from __future__ import annotations

import math
import random
from itertools import pairwise
from statistics import NormalDist, fmean, pstdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobwatch._core.density import (
    CELL,
    CELLS,
    LONGEST,
    SHORTEST,
    TYPICAL,
    _bandwidth,
    _kernels,
    _kernels_left_out,
    _normal_estimate,
    _normal_left_out,
    _Part,
    _peak,
    _reaches,
    kind_estimate,
    logs_of,
    typical_spread,
)

any_history = st.lists(st.floats(0.0, 1e9), min_size=1, max_size=140)


def drawn(count: int, median: float, spread: float, seed: int = 1) -> list[float]:
    """Durations that are normal in log time."""
    rng = random.Random(seed)
    return [median * math.exp(rng.gauss(0.0, spread)) for _ in range(count)]


def cell_of(seconds: float) -> int:
    return int(math.log(seconds / SHORTEST) / CELL)


def between(history: list[float], low: float, high: float, spread: float = TYPICAL, *, in_order: bool = True) -> float:
    """The chance that the next job takes between two times."""
    start, chances = kind_estimate(history, spread, in_order=in_order)
    return math.fsum(chances[max(0, cell_of(low) - start) : max(0, cell_of(high) - start)])


def everywhere(part: _Part) -> list[float]:
    """The chance of each cell."""
    chances = [0.0] * part.start + [part.share * height for height in part.heights]
    return chances + [0.0] * (CELLS - len(chances))


def student(log: float, others: list[float], spread: float) -> float:
    """The density of the next value after some others, five more of which lie as far apart as `spread`: by the book."""
    freedom = 5.0 + len(others) - 1.0
    squares = 5.0 * spread**2 + sum((other - fmean(others)) ** 2 for other in others)
    scale = math.sqrt(squares / freedom * (1.0 + 1.0 / len(others)))
    apart = (log - fmean(others)) / scale
    height = math.gamma((freedom + 1.0) / 2.0) / (math.gamma(freedom / 2.0) * math.sqrt(freedom * math.pi))
    return height / scale * math.pow(1.0 + apart * apart / freedom, -(freedom + 1.0) / 2.0)


@given(history=any_history, spread=st.floats(0.01, 3.0), in_order=st.booleans())
def test_chances_are_chances(history: list[float], spread: float, in_order: bool) -> None:
    start, chances = kind_estimate(history, spread, in_order=in_order)
    assert 0 <= start <= start + len(chances) <= CELLS
    assert min(chances) >= 0.0
    assert 0.25 <= math.fsum(chances) <= 1.0 + 1e-9, "most of a wide kernel may lie beyond the grid"


@given(history=st.lists(st.floats(0.1, 1e5), min_size=1, max_size=100), seed=st.integers(0, 99))
def test_an_order_that_tells_nothing_changes_nothing(history: list[float], seed: int) -> None:
    shuffled = random.Random(seed).sample(history, len(history))
    one, other = (kind_estimate(each, in_order=False) for each in (history, shuffled))
    assert one[0] == other[0]
    assert one[1] == pytest.approx(other[1], rel=1e-6, abs=1e-12)


@given(factor=st.sampled_from([0.25, 3.0, 40.0]), count=st.integers(1, 60), spread=st.floats(0.05, 1.0))
def test_ten_times_as_long_is_the_same_at_ten_times_the_age(factor: float, count: int, spread: float) -> None:
    history = drawn(count, 100.0, spread)
    longer = [factor * seconds for seconds in history]
    for low, high in ((20.0, 80.0), (80.0, 125.0), (125.0, 600.0)):
        told = between(history, low, high)
        assert between(longer, factor * low, factor * high) == pytest.approx(told, abs=0.12)


# --- how far jobs of one kind spread --------------------------------------------------------------------------------


def test_of_no_kinds_and_of_kinds_of_one_job_the_typical_spread_is_supposed() -> None:
    assert typical_spread([]) == pytest.approx(TYPICAL)
    assert typical_spread([[5.0], [500.0], [7.0]]) == pytest.approx(TYPICAL)


@pytest.mark.parametrize("spread", [0.02, 0.1, 0.35, 1.0])
def test_many_kinds_tell_how_far_the_jobs_of_one_spread(spread: float) -> None:
    kinds = [drawn(20, 10.0 * 1.3**number, spread, seed=number) for number in range(30)]
    most = math.sqrt(spread**2 + 0.5 * TYPICAL**2 / 7.5)  # of each, half a job that is `TYPICAL` off
    assert typical_spread(kinds) == pytest.approx(most, rel=0.25)


def test_only_the_latest_jobs_of_a_kind_tell_it_and_kinds_of_many_count_no_more() -> None:
    early, late = drawn(50, 900.0, 1.5), drawn(8, 5.0, 0.1)
    assert typical_spread([early + late]) == typical_spread([late])
    few, many = drawn(5, 50.0, 0.1), drawn(100, 50.0, 0.1)
    assert typical_spread([few]) == pytest.approx(typical_spread([many]), rel=0.3)


def test_each_kind_counts_by_how_many_jobs_tell_its_spread_up_to_four() -> None:
    pair, eight = [50.0, 50.0 * math.e], [50.0, 50.0 * math.exp(0.1)] * 4
    half = 0.5 * TYPICAL**2  # half a job more, that is `TYPICAL` off
    variances = [(TYPICAL**2, 2.0), ((0.5 + half) / 1.5, 1.0), ((8 * 0.05**2 + half) / 7.5, 4.0)]
    logs = math.fsum(weight * math.log(variance) for variance, weight in variances) / 7.0
    assert typical_spread([pair, eight]) == pytest.approx(math.exp(0.5 * logs))


@given(factor=st.floats(0.01, 100.0))
def test_how_long_the_jobs_of_a_kind_take_does_not_matter_for_how_far_they_spread(factor: float) -> None:
    kinds = [drawn(6, 60.0, 0.2), drawn(3, 30.0, 0.5)]
    longer = [[factor * seconds for seconds in kind] for kind in kinds]
    assert typical_spread(longer) == pytest.approx(typical_spread(kinds))


def test_where_other_kinds_take_the_same_time_one_job_of_a_kind_tells_much() -> None:
    alike, apart = ([drawn(8, 9.0 + number, spread, seed=number) for number in range(9)] for spread in (0.05, 0.8))
    told = [between([60.0], 50.0, 72.0, typical_spread(kinds)) for kinds in (alike, [], apart)]
    assert told == sorted(told, reverse=True)
    assert told[0] > 0.7
    assert told[2] < 0.3


# --- the two estimates ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 5, 30])
def test_few_jobs_are_foretold_by_students_distribution(count: int) -> None:
    logs = logs_of(drawn(count, 60.0, 0.4))
    chances = everywhere(_normal_estimate(logs, 0.3))
    for off in (-0.5, 0.0, 0.3):
        cell = cell_of(60.0 * math.exp(off))
        middle = math.log(SHORTEST) + CELL * (cell + 0.5)
        assert chances[cell] == pytest.approx(CELL * student(middle, logs, 0.3), rel=0.05)


@pytest.mark.parametrize("count", [2, 3, 17])
def test_what_it_says_of_a_job_it_says_without_that_job(count: int) -> None:
    logs = logs_of([*drawn(count - 1, 60.0, 0.4), 400.0])
    left_out = _normal_left_out(logs, 0.3)
    for place, (log, said) in enumerate(zip(logs, left_out, strict=True)):
        assert said == pytest.approx(CELL * student(log, logs[:place] + logs[place + 1 :], 0.3))


def test_what_kernels_say_of_a_job_they_say_without_its_own() -> None:
    logs = logs_of(drawn(12, 60.0, 0.4))
    reaches = _reaches(_bandwidth(sorted(logs)) / CELL)
    for place, said in enumerate(_kernels_left_out(logs)[1]):
        others = [cell_of(math.exp(log)) for log in logs[:place] + logs[place + 1 :]]
        chances = everywhere(_kernels(others, reaches))
        assert said == pytest.approx(chances[cell_of(math.exp(logs[place]))], abs=1e-9)


@given(reaches=st.lists(st.integers(0, 20), min_size=3, max_size=3))
def test_a_kernel_is_highest_in_its_middle_and_there_as_high_as_is_said(reaches: list[int]) -> None:
    heights = _kernels([CELLS // 2], reaches).heights
    assert heights[len(heights) // 2] == max(heights) == _peak(reaches)


def test_two_clusters_are_told_from_one_wide_one() -> None:
    history = [*drawn(20, 10.0, 0.1), *drawn(20, 300.0, 0.1)]
    random.Random(1).shuffle(history)
    middle, around = between(history, 30.0, 100.0), between(history, 5.5, 18.3)
    assert middle < 0.6 * around, "as wide in log time; of a normal curve, more jobs lie in the middle"


def test_of_normal_jobs_the_estimate_is_nearer_to_the_truth_than_kernels_alone() -> None:
    off: list[list[float]] = [[], []]
    for seed in range(10):
        logs = logs_of(drawn(24, 60.0, 0.4, seed=seed))
        start, mixed = kind_estimate([math.exp(log) for log in logs])
        found_so = everywhere(_Part(1.0, start, mixed))
        kernels = everywhere(_kernels_left_out(logs)[0])
        truth = NormalDist(math.log(60.0), 0.4)
        for found, chances in zip(off, (found_so, kernels), strict=True):
            edges = (math.log(SHORTEST) + CELL * cell for cell in range(CELLS + 1))
            right = [truth.cdf(after) - truth.cdf(before) for before, after in pairwise(edges)]
            found.append(math.fsum(abs(said - is_so) for said, is_so in zip(chances, right, strict=False)))
    assert fmean(off[0]) < 0.9 * fmean(off[1])


# --- what changes ---------------------------------------------------------------------------------------------------


def test_once_jobs_take_another_time_only_the_latest_count() -> None:
    history = [*drawn(90, 100.0, 0.2), *drawn(38, 250.0, 0.2)]
    assert between(history, 150.0, 420.0) > 0.9
    assert between(history, 150.0, 420.0, in_order=False) < 0.5
    assert between(history[::-1], 150.0, 420.0) < 0.1


def test_where_nothing_changes_all_count() -> None:
    levels = [(place + 0.5) / 128 for place in range(128)]
    history = [100.0 * math.exp(NormalDist(0.0, 0.3).inv_cdf(level)) for level in levels]
    random.Random(4).shuffle(history)
    one, other = (kind_estimate(history, in_order=in_order) for in_order in (True, False))
    assert pstdev(one[1]) == pytest.approx(pstdev(other[1]), rel=0.1)


def test_durations_out_of_range_are_taken_for_the_nearest_in_it() -> None:
    assert kind_estimate([1e-9, 1e-3]) == kind_estimate([SHORTEST, SHORTEST])
    assert kind_estimate([LONGEST * 9.0, 1e12]) == kind_estimate([LONGEST, LONGEST])
