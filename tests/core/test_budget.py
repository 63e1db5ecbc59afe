"""One origin's budget: pure rules first, then the whole poller against an API that counts."""

from __future__ import annotations

import asyncio
import math
import random
from collections import Counter, defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobwatch import ConfigError
from jobwatch._core.budget import UNLIMITED, Budget, Limits
from jobwatch._core.tracker import Patience
from jobwatch._engine.poller import Poller
from jobwatch._models import Fault, FaultKind
from jobwatch._reading.reply import RateLimit, Reply
from tests.scripted import ScriptedJob, ScriptedTransport, poller_of, watched
from tests.virtual import on_virtual_clock

PATIENT = Patience(unreachable_after=1e7)


# --- rules -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [0.0, -1.0, math.nan, math.inf, -math.inf])
def test_a_rate_that_is_none_is_refused(rate: float) -> None:
    with pytest.raises(ConfigError, match="max_rate must be a finite number"):
        Budget(rate)


def test_without_a_limit_everything_goes_at_the_plain_price() -> None:
    budget = Budget()
    budget.demand = 1e9
    assert budget.rate(0.0) == UNLIMITED
    assert budget.price(0.0) == 1.0
    assert not any(budget.spend(0.0) for _ in range(10_000))
    assert budget.turn(7.0, 0.0) == 7.0


def test_the_price_makes_all_jobs_together_want_just_the_rate() -> None:
    budget = Budget(5.0)
    budget.demand = 50.0
    assert budget.price(0.0) == pytest.approx(100.0)
    assert budget.demand / math.sqrt(budget.price(0.0)) == pytest.approx(5.0)
    budget.demand = 5.0
    assert budget.price(0.0) == 1.0


@given(
    rate=st.floats(0.02, 500.0),
    asked=st.lists(st.floats(0.0, 3.0), min_size=1, max_size=200),
)
def test_no_window_holds_more_than_the_rate_and_a_burst(rate: float, asked: list[float]) -> None:
    budget = Budget(rate)
    now, sent = 1000.0, []
    for pause in asked:
        now += pause
        while wait := budget.spend(now):
            assert wait > 0.0
            now += wait
        sent.append(now)
    burst = max(1.0, rate / 4.0)
    for first, start in enumerate(sent):
        for last in range(first, len(sent)):
            assert last - first + 1 <= rate * (sent[last] - start) + burst + 1e-6


def test_a_wait_for_a_token_is_exact() -> None:
    budget = Budget(2.0)
    assert budget.spend(0.0) == 0.0
    assert budget.spend(0.0) == pytest.approx(0.5)
    assert budget.spend(0.4) == pytest.approx(0.1)
    assert budget.spend(0.5) == 0.0


@pytest.mark.parametrize(("rate", "waited"), [(20.0, 0.0), (20.0, 0.1), (20.0, 9.0), (0.5, 1.0), (400.0, 0.03)])
def test_as_many_requests_go_now_as_are_left(rate: float, waited: float) -> None:
    budget = Budget(rate)
    while not budget.spend(0.0):
        pass
    left, gone = budget.left(waited), 0
    while not budget.spend(waited):
        gone += 1
    assert int(left + 1e-9) == gone
    assert Budget().left(waited) == math.inf


def test_what_is_left_is_spread_over_the_rest_of_the_window() -> None:
    budget = Budget()
    budget.told(RateLimit(remaining=30, reset_in=10.0), 0, now=100.0)
    assert budget.rate(100.0) == pytest.approx(3.0)
    assert budget.rate(110.0) == UNLIMITED
    budget.told(RateLimit(remaining=30, reset_in=10.0), 10, now=100.0)
    assert budget.rate(100.0) == pytest.approx(2.0), "requests in flight may not be counted yet"


def test_after_the_reset_a_whole_window_is_what_may_be_sent() -> None:
    budget = Budget()
    budget.told(RateLimit(remaining=59, limit=60, reset_in=60.0), 0, now=0.0)
    budget.told(RateLimit(remaining=0, limit=60, reset_in=5.0), 0, now=55.0)
    assert budget.rate(61.0) == pytest.approx(1.0)
    assert budget.rate(60.0 + 61.0) == UNLIMITED, "a window without a word of it, and the limit is forgotten"


@pytest.mark.parametrize("limit", [None, RateLimit(0), RateLimit(0, 100), RateLimit(0, 0)])
def test_a_limit_without_a_reset_tells_nothing(limit: RateLimit | None) -> None:
    budget = Budget()
    budget.told(limit, 0, now=0.0)
    assert budget.rate(0.0) == UNLIMITED


@pytest.mark.parametrize("told", [RateLimit(0, 0, 0.0), RateLimit(0, 0, 3600.0), RateLimit(10**12, 10**12, 0.0)])
def test_absurd_limits_never_stop_everything(told: RateLimit) -> None:
    budget = Budget()
    budget.demand = 100.0
    budget.told(told, 0, now=0.0)
    for now in (0.0, 1.0, 3600.0, 7200.0):
        assert budget.rate(now) > 0.0
        assert 1.0 <= budget.price(now) < math.inf
    assert budget.spend(0.0) <= 60.0


def test_none_remaining_waits_for_the_reset() -> None:
    budget = Budget(100.0)
    budget.told(RateLimit(remaining=0, reset_in=20.0), 0, now=0.0)
    assert budget.spend(0.0) == pytest.approx(20.0), "not even one that was saved up"
    assert budget.spend(19.0) == pytest.approx(1.0)
    assert budget.spend(20.1) == 0.0


def test_the_least_of_all_limits_holds() -> None:
    budget = Budget(4.0)
    budget.told(RateLimit(remaining=1000, reset_in=10.0), 0, now=0.0)
    assert budget.rate(0.0) == 4.0
    budget.told(RateLimit(remaining=10, reset_in=10.0), 0, now=0.0)
    assert budget.rate(0.0) == 1.0


def test_a_429_halves_and_a_minute_doubles() -> None:
    budget = Budget()
    budget.demand = 40.0
    budget.throttled(0.0)
    assert budget.rate(0.0) == pytest.approx(20.0)
    assert budget.price(0.0) == pytest.approx(4.0)
    assert budget.rate(60.0) == pytest.approx(40.0)
    assert budget.price(60.0) == pytest.approx(1.0)


def test_a_429_before_anything_is_known_does_not_stop_the_origin_for_a_minute() -> None:
    budget = Budget()
    budget.throttled(0.0)
    assert budget.spend(0.0) <= 1.0


def test_a_429_counts_from_the_first_second_on() -> None:
    budget = Budget()
    budget.demand = 10.0
    budget.throttled(0.5)
    assert budget.rate(0.5) == pytest.approx(5.0)


def test_a_429_leaves_nothing_saved_up() -> None:
    budget = Budget(100.0)
    budget.demand = 40.0
    assert budget.spend(10.0) == 0.0
    budget.throttled(10.0)
    assert budget.spend(10.0) == pytest.approx(1.0 / 20.0)


def test_many_429s_at_once_are_one() -> None:
    budget = Budget()
    budget.demand = 40.0
    for tick in range(20):
        budget.throttled(tick * 0.04)
    assert budget.rate(0.0) == pytest.approx(20.0)


def test_a_low_rate_is_judged_by_more_than_one_request() -> None:
    budget = Budget()
    budget.demand = 2.0
    budget.throttled(0.0)
    budget.throttled(2.0)
    assert budget.rate(2.0) > 1.0, "at 1 a second, 2 seconds are too few to tell"
    budget.throttled(9.0)
    assert budget.rate(9.0) < 0.6


def test_429s_for_ever_leave_at_least_a_request_a_minute() -> None:
    budget = Budget()
    budget.demand = 100.0
    for second in range(100_000):
        budget.throttled(float(second))
    assert budget.rate(100_000.0) >= 1.0 / 60.0


def test_row_54_headers_that_lie_lose_against_a_429() -> None:
    budget = Budget()
    budget.demand = 10.0
    budget.throttled(0.0)
    budget.told(RateLimit(remaining=100_000, limit=100_000, reset_in=60.0), 0, now=0.1)
    assert budget.rate(0.1) == pytest.approx(5.0, rel=0.01)


def test_a_429_long_ago_is_forgotten() -> None:
    budget = Budget()
    budget.demand = 10.0
    budget.throttled(0.0)
    for days in (1, 30, 36_500):
        assert budget.rate(days * 86_400.0) == UNLIMITED
        assert budget.spend(days * 86_400.0) == 0.0


def test_a_turn_is_the_plain_wait_times_the_root_of_the_price() -> None:
    budget = Budget(5.0)
    budget.demand = 50.0
    assert budget.turn(3.0, 0.0) == pytest.approx(3.0 * math.sqrt(budget.price(0.0)))


@given(
    plain=st.floats(0.5, 60.0),
    demand=st.floats(0.01, 3000.0),
    max_rate=st.none() | st.floats(0.1, 100.0),
    told=st.none() | st.tuples(st.integers(0, 1000), st.floats(0.0, 3600.0)),
    throttled=st.booleans(),
    later=st.floats(0.0, 300.0),
)
def test_a_turn_is_when_the_rates_to_come_add_up_to_it(
    *,
    plain: float,
    demand: float,
    max_rate: float | None,
    told: tuple[int, float] | None,
    throttled: bool,
    later: float,
) -> None:
    budget = Budget(max_rate)
    budget.demand = demand
    if throttled:
        budget.throttled(0.0)
    if told is not None:
        budget.told(RateLimit(told[0], 1000, told[1]), 0, now=0.0)
    turn = budget.turn(plain, later)
    price = budget.price(later)
    assert plain * (1 - 1e-9) <= turn <= plain * math.sqrt(price) * (1 + 1e-9)
    steps = 2000
    width = turn / steps
    served = sum(min(1.0, budget.rate(later + (step + 0.5) * width) / demand) for step in range(steps)) * width
    # Never before its turn by more than a window without a limit allows; what rises during a window is not counted on.
    assert served >= plain * 0.99 or budget.rate(later + turn) == UNLIMITED or turn > 3600.0


# --- the poller under a budget -----------------------------------------------------------------------------------


class Window:
    """An API that allows so many requests a window, and counts."""

    def __init__(self, limit: int, seconds: float, *, tells: bool = True, retry_after: bool = False) -> None:
        self.limit = limit
        self.seconds = seconds
        self.tells = tells
        self.retry_after = retry_after
        self.used: Counter[int] = Counter()
        self.refused = 0

    def guard(self, transport: ScriptedTransport) -> None:
        transport.answer = self._answer
        if self.tells:
            transport.rate = self._rate

    def _answer(self, _target: str, now: float) -> Reply | Fault | None:
        window = int(now // self.seconds)
        self.used[window] += 1
        if self.used[window] <= self.limit:
            return None
        self.refused += 1
        wait = (window + 1) * self.seconds - now if self.retry_after else None
        return Fault(FaultKind.RATE_LIMITED, "slow down", 429, retry_after=wait)

    def _rate(self, now: float) -> RateLimit:
        window = int(now // self.seconds)
        return RateLimit(max(0, self.limit - self.used[window]), self.limit, (window + 1) * self.seconds - now)


def _longest_wait(transport: ScriptedTransport, since: float, until: float) -> float:
    looks: defaultdict[str, list[float]] = defaultdict(lambda: [since])
    for target in transport.jobs:
        looks[f"job:{target}"] = [since]
    for at, target in transport.requests:
        if at >= since:
            looks[target].append(at)
    return max(max(b - a for a, b in zip(times, [*times[1:], until], strict=True)) for times in looks.values())


def _most_within(times: list[float], seconds: float) -> int:
    most = first = 0
    for last, at in enumerate(times):
        while at - times[first] > seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


def _scripted(count: int, *, age: float = 0.0) -> ScriptedTransport:
    return ScriptedTransport([ScriptedJob(f"j{index}", starts=-age) for index in range(count)])


def _all_listened(poller: Poller, transport: ScriptedTransport) -> None:
    for job_id in transport.jobs:
        poller.listen(watched(job_id))


@pytest.mark.slow
@pytest.mark.parametrize(("rate", "jobs"), [(0.5, 20), (5.0, 200), (50.0, 300)])
@on_virtual_clock
async def test_max_rate_holds_in_every_window_and_is_used(rate: float, jobs: int) -> None:
    transport = _scripted(jobs)
    poller = poller_of(transport, max_rate=rate, uniform=random.Random(1).random)
    _all_listened(poller, transport)
    await asyncio.sleep(120.0)
    await poller.aclose()
    for seconds in (0.0, 0.1, 1.0, 10.0, 100.0):
        assert _most_within(transport.times(), seconds) <= rate * seconds + max(1.0, rate / 4.0) + 1e-6
    assert len(transport.requests) >= 0.9 * 120.0 * min(rate, jobs / 60.0)


@on_virtual_clock
async def test_no_job_starves_under_a_given_rate() -> None:
    transport = _scripted(100)
    poller = poller_of(transport, max_rate=2.0, uniform=random.Random(1).random)
    _all_listened(poller, transport)
    await asyncio.sleep(1200.0)
    await poller.aclose()
    assert _longest_wait(transport, 0.0, 1200.0) <= 3 * 100 / 2.0


@on_virtual_clock
async def test_jobs_that_keep_coming_do_not_starve_those_already_there() -> None:
    transport = _scripted(500)
    poller = poller_of(transport, max_rate=2.0, uniform=random.Random(1).random)
    old = poller.listen(watched("j0"))
    for job in range(1, 401):
        poller.listen(watched(f"j{job}"))
        await asyncio.sleep(0.5)
    looks = [at for at, target in transport.requests if target == "job:j0"]
    await poller.aclose()
    assert old.watched.looks == len(looks)
    assert max(b - a for a, b in zip(looks, [*looks[1:], 200.0], strict=True)) <= 120.0


@pytest.mark.slow
@on_virtual_clock
async def test_the_price_rises_for_all_in_proportion() -> None:
    def looks_at(transport: ScriptedTransport, of: range) -> int:
        return sum(1 for at, target in transport.requests if at > 100.0 and int(target[5:]) in of)

    ages = [10.0] * 30 + [3600.0] * 30
    counts = []
    for rate in (None, 1.0):
        transport = ScriptedTransport([ScriptedJob(f"j{index}", starts=-age) for index, age in enumerate(ages)])
        poller = poller_of(transport, max_rate=rate, uniform=random.Random(1).random)
        _all_listened(poller, transport)
        await asyncio.sleep(1000.0)
        await poller.aclose()
        counts.append((looks_at(transport, range(30)), looks_at(transport, range(30, 60))))
    (young, old), (young_limited, old_limited) = counts
    assert young_limited < young / 1.5
    assert old_limited < old / 1.5
    assert 0.5 <= (young_limited / young) / (old_limited / old) <= 1.5


@on_virtual_clock
async def test_headers_keep_a_fleet_within_a_limit_without_a_single_429() -> None:
    transport, window = _scripted(100), Window(60, 60.0)
    window.guard(transport)
    poller = poller_of(transport, patience=PATIENT, uniform=random.Random(1).random)
    _all_listened(poller, transport)
    await asyncio.sleep(1200.0)
    await poller.aclose()
    assert window.refused == 0
    assert sum(window.used.values()) >= 0.7 * 20 * 60
    assert _longest_wait(transport, 0.0, 1200.0) <= 3 * 100.0


@pytest.mark.parametrize("retry_after", [False, True])
@on_virtual_clock
async def test_a_limit_that_nothing_tells_of_is_found_and_no_job_starves(retry_after: bool) -> None:
    transport, window = _scripted(100), Window(60, 60.0, tells=False, retry_after=retry_after)
    window.guard(transport)
    poller = poller_of(transport, patience=PATIENT, uniform=random.Random(1).random)
    _all_listened(poller, transport)
    await asyncio.sleep(1800.0)
    await poller.aclose()
    requests = sum(window.used.values())
    assert requests - window.refused >= 0.6 * 30 * 60
    assert window.refused <= 0.25 * requests
    assert _longest_wait(transport, 300.0, 1800.0) <= 3 * 100.0 * 1.35, "a fifth of the budget is spent on 429s"


@on_virtual_clock
async def test_a_short_spell_of_429s_is_over_soon_after() -> None:
    transport = _scripted(50, age=600.0)
    transport.answer = lambda _target, now: (
        Fault(FaultKind.RATE_LIMITED, "slow down", 429) if 100.0 <= now < 130.0 else None
    )
    poller = poller_of(transport, patience=PATIENT, uniform=random.Random(1).random)
    _all_listened(poller, transport)
    await asyncio.sleep(600.0)
    await poller.aclose()
    before = sum(1 for at in transport.times() if 40.0 <= at < 100.0) / 60.0
    during = sum(1 for at in transport.times() if 101.0 <= at < 130.0) / 29.0
    assert during <= before
    after = sum(1 for at in transport.times() if 300.0 <= at < 400.0) / 100.0
    assert after >= 0.8 * before
    assert _longest_wait(transport, 130.0, 600.0) <= 200.0


@pytest.mark.slow
@on_virtual_clock
async def test_the_demand_is_exactly_nothing_when_all_jobs_have_gone() -> None:
    uniform = random.Random(2)
    jobs = [ScriptedJob(f"j{index}", ends=uniform.uniform(0.0, 60.0)) for index in range(300)]
    transport = ScriptedTransport(jobs)
    transport.answer = lambda target, _now: Fault(FaultKind.UNREACHABLE, "down") if uniform.random() < 0.2 else None
    poller = poller_of(transport, max_rate=20.0, uniform=uniform.random)
    watches = [poller.listen(watched(job.id)) for job in jobs]
    await asyncio.sleep(10.0)
    for watch in watches[:50]:
        poller.leave(watch)
    await asyncio.sleep(600.0)
    assert all(watch.watched.outcome for watch in watches[50:])
    assert poller._schedule._budget.demand == 0.0
    assert poller._schedule.known == 0
    await poller.aclose()


@pytest.mark.slow
@pytest.mark.parametrize("kind", [FaultKind.UNREACHABLE, FaultKind.UNREADABLE, FaultKind.NOT_FOUND])
@pytest.mark.parametrize("age", [0.0, 3600.0])
@on_virtual_clock
async def test_looks_that_all_fail_are_not_more_than_looks_that_do_not(kind: FaultKind, age: float) -> None:
    counts = []
    for fault in (None, Fault(kind, "in trouble")):
        transport = _scripted(40, age=age)
        transport.answer = lambda _target, now, fault=fault: fault if now > 30.0 else None  # type: ignore[misc]
        poller = poller_of(transport, patience=PATIENT, uniform=random.Random(1).random)
        _all_listened(poller, transport)
        await asyncio.sleep(1800.0)
        await poller.aclose()
        counts.append(sum(1 for at in transport.times() if at > 30.0))
    fine, failing = counts
    if kind is FaultKind.NOT_FOUND:
        assert failing <= 7 * 40, "a job that is gone is given up"
    else:
        assert failing <= 1.1 * fine


# --- had together with others ------------------------------------------------------------------------------------


def test_a_429_in_a_window_that_is_used_up_does_not_slow_the_windows_after_it() -> None:
    budget = Budget()
    budget.demand = 40.0
    budget.told(RateLimit(0, 60, 30.0), 0, 0.0)
    budget.throttled(0.1)
    assert budget.rate(1.0) == 1 / 60
    assert budget.rate(31.0) == pytest.approx(0.5 * 60 / 30 * 2.0 ** (30.9 / 60.0))


def test_limits_are_the_same_for_whoever_adopts_them() -> None:
    budget, other = Budget(10.0), Budget()
    budget.told(RateLimit(12, 60, 30.0), 0, 100.0)
    budget.throttled(101.0)
    other.adopt(budget.limits(102.0), budget.max_rate, 7.0)
    for seconds in (0.0, 10.0, 40.0, 100.0):
        assert other.rate(7.0 + seconds) == pytest.approx(budget.rate(102.0 + seconds))
    assert not other.is_unlimited


@pytest.mark.parametrize("times", [2, 50])
def test_limits_that_go_to_and_fro_do_not_last_longer_for_it(times: int) -> None:
    one, other = Budget(10.0), Budget(10.0)
    one.told(RateLimit(30, 60, 30.0), 0, 0.0)
    one.throttled(0.0)
    now = 0.0
    for _ in range(times):
        now += 0.3  # each time it takes so long to be there
        other.adopt(one.limits(now - 0.3), 10.0, now)
        now += 0.3
        one.adopt(other.limits(now - 0.3), 10.0, now)
    assert one.limits(now).told_for == pytest.approx(max(0.0, 30.0 - now), abs=1.0)
    assert one.limits(now).found_for == pytest.approx(now, abs=0.01)


def test_what_was_heard_here_last_counts_until_the_others_know_it_and_then_what_they_heard() -> None:
    budget = Budget(10.0)
    budget.told(RateLimit(30, None, 30.0), 0, 0.0)
    budget.adopt(Limits(told=5.0, told_for=30.0), 10.0, 1.0, has_news=True)
    assert budget.rate(1.0) == 1.0
    budget.adopt(Limits(told=5.0, told_for=30.0), 10.0, 1.0)
    assert budget.rate(1.0) == 5.0
    budget.adopt(Limits(told=0.5, told_for=30.0), 10.0, 1.0, has_news=True)
    assert budget.rate(1.0) == 0.5


def test_half_of_what_all_send_is_what_a_429_leaves_where_no_demand_is_known() -> None:
    budget = Budget()
    budget.sent = 50.0
    budget.throttled(1.0)
    assert budget.rate(1.0) == 25.0


def test_a_share_says_when_a_request_may_go_and_nothing_else_does() -> None:
    class Share:
        def spend(self) -> float:
            return 0.25

    budget = Budget()
    budget.share = Share()
    assert budget.spend(1.0) == 0.25
    budget.share = None
    assert budget.spend(1.0) == 0.0
