"""When to look next: against integrals reckoned another way, for any age and history, and for what it costs."""

from __future__ import annotations

import itertools
import math
import random
from bisect import bisect_left
from statistics import NormalDist, fmean
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jobwatch import ConfigError
from jobwatch._core.density import LONGEST, SHORTEST
from jobwatch._core.hazard import KEPT
from jobwatch._core.pace import PRIOR, Curve, Durations, Pace, curve, interval, remembered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

any_number = st.floats(allow_nan=True, allow_infinity=True)
any_age = st.floats(min_value=0.0, max_value=1e11)
any_step = st.floats(min_value=1e-3, max_value=1e3)
any_history = st.lists(st.floats(min_value=0.0, max_value=1e9), max_size=80)
any_curve = st.builds(curve, any_history, any_history)


def log_normal(count: int, median: float, spread: float, seed: int = 1) -> list[float]:
    """Durations at evenly spaced levels, in an order that tells nothing."""
    levels = ((place + 0.5) / count for place in range(count))
    durations = [median * math.exp(spread * NormalDist().inv_cdf(level)) for level in levels]
    random.Random(seed).shuffle(durations)
    return durations


def bimodal(count: int, median: float, spread: float) -> list[float]:
    """Some fail at once, most take long."""
    return [*log_normal(count // 4, median / 30.0, spread), *log_normal(count - count // 4, median, spread)]


def looks(pace: Pace, clock: Curve, until: float, phase: float | None = None) -> list[float]:
    """The ages at which a job is looked at after the first look, up to the one that sees its end."""
    ages = [interval(pace, 0.0, clock, phase=phase)]
    while ages[-1] < until:
        ages.append(ages[-1] + interval(pace, ages[-1], clock))
    return ages


def cost(pace: Pace, clock: Curve, durations: Sequence[float], phases: int = 16) -> float:
    """What waiting for jobs costs on average, in seconds."""
    paid: list[float] = []
    for place in range(phases):
        ages = looks(pace, clock, max(durations), (place + 0.5) / phases)
        for seconds in durations:
            last = bisect_left(ages, seconds)
            paid.append(pace.poll_cost * (last + 2) + ages[last] - seconds)
    return fmean(paid)


def integral(rate: Callable[[float], float], start: float, stop: float) -> float:
    """The midpoint rule in log time: slow, and nothing like the code."""
    cells = 20_000
    width = math.log(stop / start) / cells
    middles = (start * math.exp((cell + 0.5) * width) for cell in range(cells))
    return math.fsum(rate(middle) * middle * width for middle in middles)


class TestPrior:
    @pytest.mark.parametrize("age", [0.1, 1.0, 30.0, 600.0, 20_000.0, 80_000.0])
    def test_is_the_integral_of_the_root_of_the_log_uniform_hazard(self, age: float) -> None:
        expected = integral(lambda t: math.sqrt(1.0 / (t * math.log(LONGEST / t))), SHORTEST, age)
        assert PRIOR.at(age) - PRIOR.at(SHORTEST) == pytest.approx(expected, rel=0.002)

    @given(age=st.floats(1.0, 5_000.0), step=st.floats(0.05, 2.0), factor=st.floats(2.0, 15.0))
    def test_intervals_grow_as_the_root_of_the_age(self, age: float, step: float, factor: float) -> None:
        one = PRIOR.advance(age, step / 100.0) - age
        other = PRIOR.advance(age * factor, step / 100.0) - age * factor
        logs = math.log(LONGEST / (age * factor)) / math.log(LONGEST / age)
        assert other / one == pytest.approx(math.sqrt(factor * logs), rel=0.06)

    def test_is_scale_free_beyond_its_range(self) -> None:
        age, step = 2.0 * LONGEST, 700.0
        assert PRIOR.advance(100.0 * age, 10.0 * step) == pytest.approx(100.0 * PRIOR.advance(age, step))

    @pytest.mark.parametrize("age", [100_000.0, 500_000.0, LONGEST, 1e7])
    def test_has_no_pole_where_its_range_ends(self, age: float) -> None:
        assert PRIOR.advance(age, 0.01) - age == pytest.approx(0.01 * math.sqrt(2.0 * age), rel=0.03)

    def test_the_default_looks_about_as_often_as_a_person_would(self) -> None:
        assert 20 <= len(looks(Pace(), PRIOR, 120.0)) <= 40
        assert 50 <= len(looks(Pace(), PRIOR, 600.0)) <= 80


class TestCurve:
    @given(clock=any_curve, age=any_age, step=any_step)
    def test_the_clock_advances_by_the_step(self, clock: Curve, age: float, step: float) -> None:
        later = clock.advance(age, step)
        assert math.isfinite(later)
        assert clock.at(later) == pytest.approx(clock.at(age) + step, rel=1e-9)

    @given(clock=any_curve, ages=st.tuples(any_age, any_age), step=any_step)
    def test_never_looks_earlier_for_being_later(self, clock: Curve, ages: tuple[float, float], step: float) -> None:
        early, late = sorted(ages)
        assert clock.at(early) <= clock.at(late)
        assert clock.advance(early, step) <= clock.advance(late, step) * (1.0 + 1e-9)
        assert clock.advance(early, step) <= clock.advance(early, 2.0 * step)

    @given(clock=any_curve, age=any_number)
    @example(clock=PRIOR, age=math.inf)
    @example(clock=PRIOR, age=math.nan)
    def test_an_impossible_age_is_taken_for_a_possible_one(self, clock: Curve, age: float) -> None:
        assert math.isfinite(clock.at(age))
        assert math.isfinite(clock.advance(age, 1.0))

    @given(clock=any_curve, age=st.floats(0.1, 1e6))
    def test_is_never_far_slower_than_the_prior(self, clock: Curve, age: float) -> None:
        gain = clock.at(age * 1.5) - clock.at(age)
        assert gain >= math.sqrt(0.45) * (PRIOR.at(age * 1.5) - PRIOR.at(age)) * (1.0 - 1e-9)

    def test_knows_nothing_without_history(self) -> None:
        assert curve([]) is PRIOR
        assert curve(Durations(), Durations()) is PRIOR

    @pytest.mark.parametrize(("median", "spread"), [(20.0, 0.34), (600.0, 0.6), (0.9, 0.2), (9_000.0, 1.0)])
    def test_comes_near_the_true_clock_of_a_log_normal(self, median: float, spread: float) -> None:
        normal = NormalDist(math.log(median), spread)

        def root_of_hazard(age: float) -> float:
            log = math.log(age)
            return math.sqrt(normal.pdf(log) / (age * (1.0 - normal.cdf(log))))

        low, high = (math.exp(normal.inv_cdf(level)) for level in (0.1, 0.9))
        clock = curve(log_normal(400, median, spread))
        assert clock.at(high) - clock.at(low) == pytest.approx(integral(root_of_hazard, low, high), rel=0.08)

    @example(history=[2.0, *[1.0] * 39], seed=0)
    @given(history=st.lists(st.floats(0.1, 1e5), min_size=1, max_size=40), seed=st.integers(0, 99))
    def test_an_order_that_tells_nothing_does_not_matter(self, history: list[float], seed: int) -> None:
        shuffled = random.Random(seed).sample(history, len(history))
        clock, other = curve(history, in_order=False), curve(shuffled, in_order=False)
        assert clock.at(1e6) == pytest.approx(other.at(1e6))

    def test_looks_little_before_the_first_of_a_kind_can_end_and_often_when_most_do(self) -> None:
        clock = curve(Durations(tuple(log_normal(64, 100.0, 0.2)), 64))
        pace = Pace(min_interval=0.01, max_interval=1e4)
        assert interval(pace, 5.0, clock) > 3.0 * interval(pace, 5.0)
        assert interval(pace, 100.0, clock) < interval(pace, 100.0) / 3.0

    @pytest.mark.parametrize("spread", [0.0, 0.1, 0.34, 1.0])
    def test_a_job_that_outlives_all_before_it_is_back_on_the_prior(self, spread: float) -> None:
        history = log_normal(64, 100.0, spread)
        age = max(history) * 4.0
        assert interval(Pace(), age, curve(history)) == pytest.approx(interval(Pace(), age), rel=0.05)

    @pytest.mark.parametrize("history", [[0.0], [1e-300], [1e9], [30.0] * 64, [0.0, 1e9], [SHORTEST, LONGEST]])
    def test_odd_histories_give_usable_clocks(self, history: list[float]) -> None:
        ages = looks(Pace(), curve(history), 100_000.0)
        assert all(later > earlier for earlier, later in itertools.pairwise(ages))
        assert len(ages) < 8_000

    def test_all_jobs_of_an_api_tell_something_of_a_new_kind(self) -> None:
        kin = Durations(tuple(log_normal(64, 100.0, 0.5)), 64)
        pace, jobs = Pace(min_interval=0.01, max_interval=1e4), log_normal(60, 110.0, 0.3)
        assert cost(pace, curve((), kin), jobs) < 0.8 * cost(pace, PRIOR, jobs)

    def test_kin_matter_little_once_a_kind_is_known(self) -> None:
        kin = Durations(tuple(log_normal(64, 5_000.0, 0.5)), 64)
        own = Durations(tuple(log_normal(64, 20.0, 0.3)), 64)
        jobs = log_normal(60, 20.0, 0.3)
        assert cost(Pace(), curve(own, kin), jobs) < 1.05 * cost(Pace(), curve(own), jobs)


class TestWhatItCosts:
    @pytest.mark.parametrize("spread", [0.1, 0.34, 1.0])
    @pytest.mark.parametrize("median", [20.0, 200.0, 2_000.0])
    def test_a_history_pays(self, median: float, spread: float) -> None:
        history = Durations(tuple(log_normal(40, median, spread)), 40)
        jobs = log_normal(60, median, spread)
        assert cost(Pace(max_interval=1e4), curve(history), jobs) < 0.8 * cost(Pace(max_interval=1e4), PRIOR, jobs)

    @pytest.mark.parametrize(("count", "most"), [(3, 1.19), (40, 1.035)])
    def test_a_few_jobs_teach_nearly_as_much_as_many(self, count: int, most: float) -> None:
        dice, pace = random.Random(1), Pace(min_interval=0.01, max_interval=1e4)
        jobs, everything = log_normal(60, 100.0, 0.4), Durations(tuple(log_normal(400, 100.0, 0.4)), 400)
        few = [
            Durations(tuple(dice.lognormvariate(math.log(100.0), 0.4) for _ in range(count)), count) for _ in range(16)
        ]
        costs = [cost(pace, curve(history), jobs, phases=6) for history in few]
        assert fmean(costs) < most * cost(pace, curve(everything), jobs, phases=6)

    @pytest.mark.parametrize("wrong", [0.1, 1.0 / 3.0, 3.0, 10.0], ids="{:.2g} times".format)
    @pytest.mark.parametrize("drawn", [log_normal, bimodal])
    @pytest.mark.parametrize("spread", [0.1, 0.34, 1.0])
    @pytest.mark.parametrize("median", [60.0, 600.0, 6_000.0])
    def test_a_wrong_history_costs_at_most_half_more_than_none(
        self, median: float, spread: float, drawn: Callable[[int, float, float], list[float]], wrong: float
    ) -> None:
        jobs = drawn(40, median, spread)
        history = [seconds * wrong for seconds in drawn(64, median, spread)]
        assert cost(Pace(), curve(history), jobs) < 1.5 * cost(Pace(), PRIOR, jobs)

    def test_a_history_that_turns_wrong_is_soon_set_right(self) -> None:
        history = Durations()
        for seconds in log_normal(64, 600.0, 0.34):
            history = remembered(history, seconds)
        ours: list[float] = []
        for seconds in log_normal(30, 60.0, 0.34):
            ours.append(cost(Pace(), curve(history), [seconds]))
            history = remembered(history, seconds)
        free = [cost(Pace(), PRIOR, [seconds]) for seconds in log_normal(30, 60.0, 0.34)]
        assert sum(ours) < 1.5 * sum(free)
        assert sum(ours[20:]) < sum(free[20:])


class TestInterval:
    @given(
        clock=any_curve,
        age=any_number,
        price=st.floats(1e-6, 1e9),
        phase=st.none() | st.floats(0.0, 1.0),
        progress=st.none() | any_number,
        bounds=st.tuples(st.floats(0.01, 100.0), st.floats(0.01, 100.0)).map(sorted),
    )
    def test_lies_within_its_bounds_whatever_it_is_given(
        self,
        *,
        clock: Curve,
        age: float,
        price: float,
        phase: float | None,
        progress: float | None,
        bounds: list[float],
    ) -> None:
        pace = Pace(min_interval=bounds[0], max_interval=bounds[1])
        assert bounds[0] <= interval(pace, age, clock, price=price, phase=phase, progress=progress) <= bounds[1]

    @given(clock=any_curve, age=any_age, prices=st.tuples(st.floats(0.01, 1e4), st.floats(0.01, 1e4)).map(sorted))
    def test_a_higher_price_never_hastens_a_look(self, clock: Curve, age: float, prices: list[float]) -> None:
        cheap, dear = (interval(Pace(), age, clock, price=price) for price in prices)
        assert cheap <= dear

    @pytest.mark.parametrize("age", [1e9, 1e13, 1e300, math.inf])
    def test_an_endless_age_is_no_reason_to_hurry(self, age: float) -> None:
        assert interval(Pace(), age) == interval(Pace(), age, curve([5.0])) == 60.0

    def test_four_times_the_price_halves_the_looks(self) -> None:
        paces = [Pace(poll_cost=price, min_interval=1e-6, max_interval=1e6) for price in (0.001, 0.004)]
        many, few = (len(looks(pace, curve(log_normal(40, 60.0, 0.4)), 60.0)) for pace in paces)
        assert many / few == pytest.approx(2.0, rel=0.02)

    def test_price_and_poll_cost_are_one(self) -> None:
        assert interval(Pace(poll_cost=0.3), 50.0) == pytest.approx(interval(Pace(poll_cost=0.03), 50.0, price=10.0))

    @pytest.mark.parametrize(
        ("pace", "age"), [(Pace(), 0.0), (Pace(), 100.0), (Pace(max_interval=2.0), 1e4)], ids=["short", "free", "long"]
    )
    def test_phases_spread_jobs_that_start_together(self, pace: Pace, age: float) -> None:
        drawn = [interval(pace, age, phase=(place + 0.5) / 100.0) for place in range(100)]
        usual = interval(pace, age)
        assert drawn == sorted(drawn)
        assert max(drawn) - min(drawn) > 0.7 * usual
        assert len({round(seconds, 6) for seconds in drawn}) > 70

    @given(age=any_age, phase=st.floats(0.0, 1.0))
    def test_a_phase_never_asks_sooner_than_half_the_step(self, age: float, phase: float) -> None:
        pace = Pace(max_interval=1e9)
        assert interval(pace, age, phase=phase) >= interval(pace, age, price=0.25) * (1.0 - 1e-9)

    def test_progress_foretells_the_end(self) -> None:
        pace = Pace(min_interval=0.01, max_interval=1e4)
        early, late = interval(pace, 30.0, progress=0.1), interval(pace, 300.0, progress=0.95)
        assert early > 1.3 * interval(pace, 30.0)
        assert late < interval(pace, 300.0) / 2.0

    @pytest.mark.parametrize("progress", [None, 0.0, 1.0, -1.0, 2.0, math.nan, math.inf])
    def test_a_progress_that_tells_nothing_is_ignored(self, progress: float | None) -> None:
        assert interval(Pace(), 30.0, progress=progress) == interval(Pace(), 30.0)

    @given(progress=st.floats(1e-9, 1.0), age=st.floats(1.0, 1e5))
    def test_a_progress_that_lies_costs_a_bounded_amount(self, progress: float, age: float) -> None:
        pace = Pace(max_interval=1e9)
        assert interval(pace, age, progress=progress) < 2.5 * interval(pace, age) + age * 0.1


class TestPace:
    @pytest.mark.parametrize("name", ["poll_cost", "min_interval", "max_interval"])
    @pytest.mark.parametrize("seconds", [0.0, -1.0, math.nan, math.inf])
    def test_a_figure_must_be_finite_and_above_zero(self, name: str, seconds: float) -> None:
        with pytest.raises(ConfigError, match=f"{name} must be a finite duration, above 0"):
            Pace(**{name: seconds})

    def test_the_shortest_may_not_exceed_the_longest(self) -> None:
        with pytest.raises(ConfigError, match=r"min_interval \(9 s\) exceeds max_interval \(3 s\)"):
            Pace(min_interval=9.0, max_interval=3.0)

    def test_equal_bounds_make_a_fixed_interval(self) -> None:
        pace = Pace(min_interval=5.0, max_interval=5.0)
        assert {interval(pace, age, phase=phase) for age in (0.0, 1e5) for phase in (None, 0.0, 0.9)} == {5.0}


class TestDurations:
    @given(told=st.lists(st.floats(0.0, 1e6), max_size=200))
    def test_keeps_the_newest(self, told: list[float]) -> None:
        assert of(told).seconds == tuple(told[-KEPT:])

    def test_keeps_no_more_than_it_says(self) -> None:
        assert of([float(place) for place in range(KEPT + 9)]).seconds == tuple(map(float, range(9, KEPT + 9)))

    @pytest.mark.parametrize("seconds", [math.nan, math.inf, -math.inf, -0.001])
    def test_what_is_no_duration_is_left_out(self, seconds: float) -> None:
        assert remembered(Durations((5.0,), 1), seconds) == Durations((5.0,), 1)

    def test_counts_jobs_that_ended_as_expected(self) -> None:
        assert of([100.0, 90.0, 400.0]).tried == 3
        assert of([100.0, 90.0, 10.0]).tried == 0
        assert of([100.0, 90.0, 10.0, 95.0]).tried == 1

    def test_a_tried_history_is_trusted_more_than_a_told_one(self) -> None:
        told = tuple(log_normal(40, 600.0, 0.3))
        ages = [interval(Pace(), 100.0, curve(Durations(told, tried))) for tried in (0, 4, 40)]
        assert ages == sorted(ages)
        assert ages[0] < 0.6 * ages[-1]

    @given(told=any_history, tried=st.integers(0, 100))
    def test_survives_json(self, told: list[float], tried: int) -> None:
        durations = Durations(tuple(told), tried)
        assert msgspec.json.decode(msgspec.json.encode(durations), type=Durations) == durations

    def test_is_a_value(self) -> None:
        before = Durations((1.0,))
        assert remembered(before, 2.0) is not before
        assert before == Durations((1.0,))


def of(told: Sequence[float]) -> Durations:
    """What is remembered after jobs were seen to end, one after the other."""
    durations = Durations()
    for seconds in told:
        durations = remembered(durations, seconds)
    return durations


def ticks(pace: Pace, clock: Curve) -> Iterator[float]:
    """Endless looks."""
    age = 0.0
    while True:
        age += interval(pace, age, clock)
        yield age


@pytest.mark.slow
@given(clock=any_curve)
def test_a_job_that_never_ends_is_looked_at_ever_more_rarely_but_always(clock: Curve) -> None:
    ages = list(itertools.islice(ticks(Pace(min_interval=1e-3, max_interval=1e9), clock), 3_000))
    assert ages == sorted(ages)
    assert ages[-1] > 3_000 * 1e-3
    assert ages[-1] < 1e9


# --- small figures that a wrong one would show in ----------------------------------------------------------------

FREE = Pace(min_interval=1e-6, max_interval=1e9)


@pytest.mark.parametrize(("phase", "step"), [(0.0, 0.5), (0.5, 1.0), (1.0, 1.5)])
@pytest.mark.parametrize("age", [0.0, 3.0, 300.0])
def test_a_phase_makes_the_step_half_to_one_and_a_half_times_as_long(age: float, phase: float, step: float) -> None:
    assert interval(FREE, age, phase=phase) == pytest.approx(interval(FREE, age, price=step**2))


def test_a_phase_makes_the_shortest_interval_one_to_two_times_as_long() -> None:
    pace = Pace(min_interval=5.0)
    assert [interval(pace, 0.0, phase=phase) for phase in (0.0, 0.5, 1.0)] == [5.0, 7.5, 10.0]


@pytest.mark.parametrize("age", [-5.0, -math.inf, math.nan])
@pytest.mark.parametrize("progress", [None, 0.5])
def test_a_job_that_has_not_begun_is_taken_for_one_that_just_has(age: float, progress: float | None) -> None:
    assert interval(FREE, age, progress=progress) == interval(FREE, 0.0)
    assert interval(FREE, 0.0) == pytest.approx(interval(FREE, 1e-12), rel=1e-3)


def test_progress_tells_of_short_jobs_too() -> None:
    assert interval(FREE, 0.9, progress=0.9) < interval(FREE, 0.9) / 2.0
