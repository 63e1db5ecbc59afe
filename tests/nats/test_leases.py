"""The rules of a shared budget: what they give by themselves, and against the model of `leases_model`."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobwatch._core.budget import Limits
from jobwatch.nats._leases import LEASE, SLOWEST, UNLIMITED, Attempt, Holder, Ledger, Share, division

from .interleavings import found_after
from .leases_model import BUGS, World, violation


class Store:
    """A ledger, for holders that meet no trouble."""

    def __init__(self) -> None:
        self.ledger, self.revision = Ledger(), 0

    def renew(self, holder: Holder, now: float, rate: float = UNLIMITED) -> Share | None:
        """Have a holder ask once, knowing what there is; return what it has then."""
        holder.observe(self.ledger, self.revision, now)
        attempt = holder.renewal(rate, Limits(), 0.0, now)
        if attempt is not None:
            self.store(holder, attempt, now)
        return self.ledger.of(holder.worker)

    def store(self, holder: Holder, attempt: Attempt, now: float) -> None:
        assert attempt.expected == self.revision
        self.ledger, self.revision = attempt.ledger, self.revision + 1
        holder.answered(attempt, self.revision, now)


def rates(store: Store) -> dict[str, float]:
    return {share.worker: share.rate for share in store.ledger.shares}


@given(
    wanted=st.dictionaries(st.text(min_size=1, max_size=3), st.floats(0.0, 1e9), min_size=1, max_size=12),
    rate=st.floats(0.01, 1e9),
)
def test_a_division_gives_out_all_and_no_more_and_each_has_something(wanted: dict[str, float], rate: float) -> None:
    parts = division(wanted, rate)
    assert math.isclose(sum(parts.values()), rate, rel_tol=1e-9)
    assert parts.keys() == wanted.keys()
    assert min(parts.values()) >= 0.05 * rate / len(wanted) * (1.0 - 1e-9)
    fair = rate / len(wanted)
    assert all(part >= min(wanted[worker], fair) * (1.0 - 1e-9) for worker, part in parts.items())


def test_the_first_has_all_and_the_second_gets_what_the_first_gives_back() -> None:
    store, a, b = Store(), Holder("a", 20.0), Holder("b", 20.0)
    assert store.renew(a, 0.0) == Share("a", 1, 20.0, 5.0, given=20.0)
    store.renew(b, 0.1)
    assert rates(store) == {"a": 20.0, "b": 0.0}
    assert store.renew(b, 0.2) is not None
    store.renew(a, 0.3)
    store.renew(b, 0.4)
    assert rates(store) == {"a": 10.0, "b": 10.0}


def test_whoever_has_to_wait_gets_more_than_whoever_does_not() -> None:
    store, a, b = Store(), Holder("a", 20.0), Holder("b", 20.0)
    now = 0.0
    for step in range(200):
        now = 0.02 * step
        while not a.spend(now):
            pass
        store.renew(a, now)
        store.renew(b, now)
    assert rates(store)["a"] > 18.0
    assert rates(store)["b"] > 0.0


def test_what_a_dead_worker_held_comes_back_after_its_lease_and_not_before() -> None:
    store, a, b = Store(), Holder("a", 20.0), Holder("b", 20.0)
    store.renew(a, 0.0)
    store.renew(b, 0.1)
    now = 0.1
    while rates(store)["b"] < 20.0:
        now += 0.1
        store.renew(b, now)
        assert now < 6.0
    assert now >= 0.1 + LEASE * SLOWEST


def test_whoever_has_no_share_leaves_the_work_to_those_who_can_do_it_and_have_one() -> None:
    store, a, b, c = Store(), Holder("a", 2.0, "x"), Holder("b", 2.0, "x"), Holder("c", 2.0, "y")
    for holder in (a, b, c, a, b, c):
        store.renew(holder, 0.1)
    assert rates(store) == {"a": 2.0, "b": 0.0, "c": 0.0}
    for holder in (a, b, c):
        holder.observe(store.ledger, store.revision, 0.2)
    assert [holder.others_can(0.2) for holder in (a, b, c)] == [False, True, False]
    assert not b.others_can(0.3 + LEASE * SLOWEST)


def test_a_lease_ends_by_the_clock_of_its_holder_from_before_it_asked() -> None:
    holder = Holder("a", 20.0)
    attempt = holder.renewal(UNLIMITED, Limits(), 0.0, 100.0)
    assert attempt is not None
    holder.answered(attempt, 1, 103.0)
    assert holder.usable(103.9) == (20.0, 5.0)
    assert holder.usable(104.0) == (0.0, 0.0)
    assert holder.spend(104.0) > 0.0


def test_less_is_used_from_before_it_is_asked_for_and_more_once_it_is_known() -> None:
    store, a, b = Store(), Holder("a", 20.0), Holder("b", 20.0)
    store.renew(a, 0.0)
    store.renew(b, 0.1)
    a.observe(store.ledger, store.revision, 0.2)
    attempt = a.renewal(UNLIMITED, Limits(), 0.0, 0.2)
    assert attempt is not None
    assert a.usable(0.2)[0] == 10.0
    a.answered(attempt, None, 0.3)  # it never will be stored
    assert a.usable(0.3)[0] == 20.0
    attempt = a.renewal(UNLIMITED, Limits(), 0.0, 0.4)
    assert attempt is not None
    assert a.usable(1.0)[0] == 10.0  # nobody answers
    store.store(a, attempt, 1.1)
    again = store.renew(b, 1.2)
    assert again is not None
    assert again.rate == 10.0


def test_the_lowest_rate_that_was_given_holds_for_all_while_its_worker_is_there() -> None:
    store, a, b = Store(), Holder("a", 40.0), Holder("b", 8.0)
    now = 0.0
    for step in range(40):
        now = 0.1 * step
        store.renew(a, now)
        store.renew(b, now)
    assert sum(rates(store).values()) == pytest.approx(8.0)
    attempt = b.leaving(Limits(), 0.0, now)
    assert attempt is not None
    store.store(b, attempt, now)
    assert b.usable(now) == (0.0, 0.0)
    store.renew(a, now + 0.1)
    assert rates(store) == {"a": 40.0}


def test_without_a_limit_a_share_is_no_limit_and_a_first_429_limits_all() -> None:
    store, a, b = Store(), Holder("a"), Holder("b")
    for step in range(20):
        store.renew(a, 0.1 * step)
        store.renew(b, 0.1 * step)
    assert not any(a.spend(2.0) for _ in range(10_000))
    for step in range(20, 24):
        store.renew(b, 0.1 * step, rate=4.0)
        store.renew(a, 0.1 * step, rate=4.0)
    assert sum(rates(store).values()) == pytest.approx(4.0)


def test_a_ledger_that_is_gone_is_begun_anew_when_all_leases_are_over() -> None:
    store, a = Store(), Holder("a", 20.0)
    assert not a.missing(0.0)
    store.renew(a, 0.0)
    assert not a.missing(1.0)
    assert a.usable(1.0) == (20.0, 5.0)
    assert not a.missing(1.0 + LEASE)
    attempt = a.renewal(UNLIMITED, Limits(), 0.0, 1.0 + LEASE)
    assert attempt is not None
    assert attempt.expected == 1
    assert a.missing(1.0 + LEASE * SLOWEST)
    attempt = a.renewal(UNLIMITED, Limits(), 0.0, 2.0 + LEASE * SLOWEST)
    assert attempt is not None
    assert attempt.expected == 0


def test_an_older_ledger_of_a_moment_changes_nothing() -> None:
    store, a = Store(), Holder("a", 20.0)
    store.renew(a, 0.0)
    assert not a.missing(1.0)
    store.renew(a, 2.0)
    assert not a.missing(1.5 + LEASE * SLOWEST)
    assert a.usable(2.5) == (20.0, 5.0)


def test_what_nobody_answers_is_not_remembered_for_ever() -> None:
    holder = Holder("a", 20.0)
    for step in range(1000):
        holder.renewal(UNLIMITED, Limits(), 0.0, 1.0 * step)
    assert len(holder._attempts) <= 5
    assert len(holder._asked_at) <= 6


def test_the_budget_is_kept_whatever_the_order() -> None:
    assert [told for seed in range(8) if (told := violation(seed)) is not None] == []


@pytest.mark.slow
@pytest.mark.parametrize("first", range(8, 120, 16))
def test_the_budget_is_kept_in_many_more_orders(first: int) -> None:
    assert [told for seed in range(first, first + 16) if (told := violation(seed)) is not None] == []


@pytest.mark.slow(in_sample=True)
def test_all_that_the_rules_are_for_comes_about() -> None:
    met: Counter[str] = Counter()
    for seed in range(10):
        world = World(seed)
        world.run()
        met += world.met
    wanted = {"joined", "died", "left", "stood still", "heard nothing", "was cut off", "stored", "refused", "sent"}
    assert wanted | {"a request was lost", "an answer was lost", "a lower rate was given", "several were busy"} <= set(
        met
    )


@pytest.mark.slow
@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_found(bug: str) -> None:
    assert found_after(violation, bug, 400) is not None
