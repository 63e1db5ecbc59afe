"""One look's reply in, what is known and when to look next out: values only, no clock and no loop."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobwatch._core.look import Looked, Policy, pause_asked
from jobwatch._core.pace import PRIOR, Pace, interval
from jobwatch._core.tracker import Patience, Watched
from jobwatch._files.history import History
from jobwatch._models import UNCHANGED, Fault, FaultKind, Outcome, Phase
from jobwatch._reading.reply import Reply
from jobwatch.apis import CAPYDB

NOW = datetime(2026, 5, 1, tzinfo=UTC).timestamp()
PACE = Pace(min_interval=0.5, max_interval=60.0)
RUNNING = ("capydb", "backup", Phase.RUNNING)


def _policy(**options: object) -> Policy:
    fields: dict[str, object] = {"pace": PACE, "patience": Patience(), "history": History()}
    return Policy(**fields | options)  # type: ignore[arg-type]


def _replied(  # noqa: PLR0917 - in the order of `Policy.saw`
    policy: Policy, watched: Watched, reply: Reply | Fault, now: float, jitter: float | None, price: float
) -> Looked:
    """Take a reply of CapyDB's into account."""
    if isinstance(reply, Fault):
        return policy.saw(watched, reply, now, jitter, price)
    job = CAPYDB.job(reply.body, watched.job_id)
    return policy.saw(watched, job, now, jitter, price, server_time=reply.server_time)


def _body(job_id: str = "j", state: str = "running", *, started: float | None = NOW - 100.0, **fields: object) -> bytes:
    told: dict[str, object] = {"id": job_id, "state": state, "type": "backup", "started_at": started}
    return msgspec.json.encode({"job": told | fields})


def _new(**fields: object) -> Watched:
    return Watched(job_id="j", api="capydb", **fields)  # type: ignore[arg-type]


def _seen(policy: Policy, *, age: float = 100.0, now: float = NOW) -> Watched:
    """Return a job that was seen running, twice so that its phase is set."""
    reply = Reply(200, _body(started=now - age))
    watched = _replied(policy, _new(), reply, now, 0.5, 1.0).watched
    return _replied(policy, watched, reply, now, 0.5, 1.0).watched


def _fault(kind: FaultKind = FaultKind.UNREACHABLE, retry_after: float | None = None) -> Fault:
    return Fault(kind, "no", retry_after=retry_after)


# --- looks that show the job ------------------------------------------------------------------------


def test_the_next_look_is_as_far_away_as_the_pace_says() -> None:
    policy = _policy()
    looked = _replied(policy, _new(), Reply(200, _body()), NOW, 0.5, 1.0)
    assert looked.job is not None
    assert looked.job.id == "j"
    assert looked.outcome is None
    assert [each.status for each in looked.transitions] == ["running"]
    assert looked.next_look == interval(PACE, 100.0, PRIOR, phase=0.5)


def test_only_the_second_look_is_drawn() -> None:
    policy = _policy()
    watched = _seen(policy)
    looks = {policy.next_look(watched, NOW, jitter, 1.0) for jitter in (0.0, 0.5, 0.999, None)}
    assert looks == {interval(PACE, 100.0, PRIOR)}
    first = msgspec.structs.replace(watched, looks=1)
    assert len({policy.next_look(first, NOW, jitter, 1.0) for jitter in (0.0, 0.5, 0.999)}) == 3
    assert policy.next_look(first, NOW, None, 1.0) == interval(PACE, 100.0, PRIOR)


def test_an_end_has_no_next_look_and_is_learned() -> None:
    history = History()
    policy = _policy(history=history)
    body = _body(state="completed", completed_at=NOW - 40.0)
    looked = _replied(policy, _new(), Reply(200, body), NOW, 0.5, 1.0)
    assert looked.outcome is Outcome.SUCCEEDED
    assert looked.next_look is None
    assert history._durations[RUNNING].seconds == (60.0,)
    again = _replied(policy, looked.watched, Reply(200, body), NOW + 9.0, 0.5, 1.0)
    assert (again.outcome, again.next_look, again.transitions) == (Outcome.SUCCEEDED, None, ())
    assert history._durations[RUNNING].seconds == (60.0,)


def test_an_end_without_times_is_learned_from_when_it_was_seen() -> None:
    history = History()
    policy = _policy(history=history)
    watched = _replied(policy, _new(), Reply(200, _body(started=None)), NOW, 0.5, 1.0).watched
    watched = _replied(policy, watched, Reply(200, _body(started=None)), NOW + 20.0, 0.5, 1.0).watched
    _replied(policy, watched, Reply(200, _body(state="completed", started=None)), NOW + 30.0, 0.5, 1.0)
    assert history._durations[RUNNING].seconds == (25.0,)


def test_an_end_with_times_is_learned_once_though_looks_saw_it_too() -> None:
    history = History()
    policy = _policy(history=history)
    body = _body(state="completed", completed_at=NOW - 40.0)
    _replied(policy, _seen(policy), Reply(200, body), NOW + 9.0, 0.5, 1.0)
    assert history._durations[RUNNING].seconds == (60.0,)


def test_a_short_job_without_times_is_learned_as_a_short_one() -> None:
    history = History()
    policy = _policy(history=history)
    watched = _replied(policy, _new(), Reply(200, _body(started=None)), NOW, 0.5, 1.0).watched
    _replied(policy, watched, Reply(200, _body(state="completed", started=None)), NOW + 0.5, 0.5, 1.0)
    assert history._durations[RUNNING].seconds == (0.25,)


def test_a_job_without_a_type_teaches_of_those_without_one() -> None:
    history = History()
    policy = _policy(history=history)
    watched = _replied(policy, _new(), Reply(200, _body(started=None, type=None)), NOW, 0.5, 1.0).watched
    _replied(policy, watched, Reply(200, _body(state="completed", started=None, type=None)), NOW + 30.0, 0.5, 1.0)
    assert history.knows("capydb", None)


def test_an_end_at_the_first_look_without_times_teaches_nothing() -> None:
    history = History()
    _replied(_policy(history=history), _new(), Reply(200, _body(state="failed", started=None)), NOW, 0.5, 1.0)
    assert history._durations == {}


def test_a_history_changes_the_next_look() -> None:
    history = History()
    for _ in range(30):
        history.add_duration(RUNNING, 103.0)
    policy = _policy(history=history)
    assert policy.next_look(_seen(policy), NOW, 0.5, 1.0) < policy.next_look(_seen(policy, age=10.0), NOW, 0.5, 1.0)


def test_a_type_of_jobs_is_looked_at_as_its_own_history_says() -> None:
    history = History()
    for _ in range(30):
        history.add_duration(RUNNING, 103.0)
        history.add_duration(("capydb", "restore", Phase.RUNNING), 3.0)
    policy = _policy(history=history)
    backup = _seen(policy)
    restore = msgspec.structs.replace(backup, type="restore")
    assert policy.next_look(backup, NOW, 0.5, 1.0) < policy.next_look(restore, NOW, 0.5, 1.0) / 2.0


def test_the_same_again_is_a_good_look() -> None:
    policy = _policy()
    watched = _replied(policy, _seen(policy), _fault(), NOW + 1.0, 0.5, 1.0).watched
    assert watched.fault is not None
    looked = policy.saw(watched, UNCHANGED, NOW + 2.0, 0.5, 1.0)
    assert (looked.watched.fault, looked.watched.faults, looked.watched.failing_since) == (None, 0, None)
    assert looked.watched.looked_at == NOW + 2.0
    assert looked.transitions == ()
    assert looked.next_look == interval(PACE, 102.0, PRIOR)


def test_row_80_an_older_reply_is_not_the_job() -> None:
    policy = _policy()
    watched = _replied(policy, _new(), Reply(200, _body(updated_at=NOW - 10.0)), NOW, 0.5, 1.0).watched
    late = Reply(200, _body(state="pending", updated_at=NOW - 50.0))
    looked = _replied(policy, watched, late, NOW + 1.0, 0.5, 1.0)
    assert looked.job is None
    assert looked.transitions == ()
    assert looked.watched.status == "running"
    assert looked.watched.fault is None


def test_row_91_a_reply_of_another_job_is_a_fault() -> None:
    looked = _replied(_policy(), _new(), Reply(200, _body("other", "completed")), NOW, 0.5, 1.0)
    assert looked.watched.fault is not None
    assert looked.watched.fault.kind is FaultKind.UNREADABLE
    assert looked.outcome is None
    assert looked.job is None


# --- ages, clocks and progress ----------------------------------------------------------------------


@pytest.mark.parametrize("skew", [-7200.0, -60.0, 60.0, 7200.0])
def test_row_90_a_wrong_clock_on_either_side_does_not_change_the_age(skew: float) -> None:
    policy = _policy()
    body = _body(started=NOW + skew - 100.0)
    watched = _replied(policy, _new(), Reply(200, body, server_time=NOW + skew), NOW, 0.5, 1.0).watched
    assert watched.entered_at == pytest.approx(NOW - 100.0, abs=0.01)


@pytest.mark.parametrize(
    ("told", "skew"), [(None, 0.0), (NOW + 1.9, 0.0), (NOW - 1.9, 0.0), (NOW + 2.0, 0.0), (NOW + 2.1, 2.1)]
)
def test_less_than_a_date_header_can_tell_is_no_skew(told: float | None, skew: float) -> None:
    body = _body(started=NOW - 100.0)
    watched = _replied(_policy(), _new(), Reply(200, body, server_time=told), NOW, 0.5, 1.0).watched
    assert watched.entered_at == pytest.approx(NOW - 100.0 - skew, abs=0.01)


def test_before_the_first_good_look_age_counts_from_the_beginning() -> None:
    policy = _policy()
    watched = _new(added_at=NOW - 400.0, looks=5)
    assert policy.next_look(watched, NOW, 0.5, 1.0) == interval(PACE, 400.0, PRIOR)
    assert policy.next_look(_new(), NOW, 0.5, 1.0) == interval(PACE, 0.0, PRIOR)


def test_progress_brings_the_looks_to_where_the_end_is_foretold() -> None:
    policy = _policy()
    base = {"job_id": "j", "api": "bedrock", "phase": Phase.RUNNING, "looks": 9, "entered_at": NOW - 100.0}
    plain, early, late = (
        policy.next_look(Watched(**base, progress=progress), NOW, 0.5, 1.0)  # type: ignore[arg-type]
        for progress in (None, 0.1, 0.97)
    )
    assert late < plain < early


# --- the price --------------------------------------------------------------------------------------


def test_a_higher_price_makes_even_the_longest_interval_longer() -> None:
    policy = _policy()
    old = _seen(policy, age=500_000.0)
    assert policy.next_look(old, NOW, 0.5, 1.0) == 60.0
    assert policy.next_look(old, NOW, 0.5, 1.96) == pytest.approx(84.0)
    assert policy.next_look(old, NOW, 0.5, 4.0) == pytest.approx(120.0)
    assert policy.next_look(old, NOW, 0.5, 100.0) == pytest.approx(600.0)


def test_a_lower_price_never_looks_more_often_than_the_shortest_interval() -> None:
    policy = _policy()
    young = _seen(policy, age=0.0)
    assert policy.next_look(young, NOW, 0.5, 1e-9) == 0.5
    assert policy.next_look(_seen(policy, age=500_000.0), NOW, 0.5, 0.01) <= 60.0


@given(price=st.floats(0.01, 1e8), age=st.floats(0.0, 1e7), jitter=st.floats(0.0, 0.999), looks=st.integers(1, 3))
def test_a_next_look_is_always_within_bounds(price: float, age: float, jitter: float, looks: int) -> None:
    policy = _policy()
    watched = msgspec.structs.replace(_seen(policy, age=age), looks=looks)
    delay = policy.next_look(watched, NOW, jitter, price)
    assert 0.5 <= delay <= 60.0 * max(1.0, math.sqrt(price)) * (1.0 + 1e-9)


# --- looks that fail --------------------------------------------------------------------------------


@pytest.mark.parametrize("jitter", [0.0, 0.5, 0.999999])
def test_the_backoff_doubles_within_its_bounds(jitter: float) -> None:
    policy = _policy(patience=Patience(unreachable_after=1e9))
    watched, now = _new(), NOW
    for faults in range(1, 60):
        looked = _replied(policy, watched, _fault(), now, jitter, 1.0)
        watched = looked.watched
        assert watched.faults == faults
        assert looked.next_look is not None
        backoff = min(60.0, 0.5 * 2.0 ** (faults - 1))
        assert max(0.5, backoff * 0.5) <= looked.next_look <= max(backoff * 1.5, 60.0)
        assert looked.next_look >= backoff * (0.5 + jitter) - 1e-9
        now += looked.next_look


def test_jobs_that_were_spread_back_off_without_dice() -> None:
    policy = _policy()
    watched = _replied(policy, _seen(policy, age=0.0), _fault(), NOW, None, 1.0).watched
    watched = msgspec.structs.replace(watched, faults=5)
    assert policy.next_look(watched, NOW, None, 1.0) == 8.0


def test_looks_that_fail_are_no_more_often_than_looks_that_do_not() -> None:
    policy = _policy()
    watched = _seen(policy, age=3600.0)
    fine = policy.next_look(watched, NOW, 0.5, 1.0)
    failed = _replied(policy, watched, _fault(), NOW, 0.5, 1.0)
    assert failed.next_look is not None
    assert failed.next_look >= fine


@pytest.mark.parametrize("patience", [0.7, 5.0, 30.0, 100.0])
@pytest.mark.parametrize("jitter", [0.0, 0.999])
def test_the_last_chance_comes_when_the_patience_ends(patience: float, jitter: float) -> None:
    policy = _policy(patience=Patience(unreachable_after=patience))
    watched, now = _seen(policy, age=3600.0), NOW
    looked = _replied(policy, watched, _fault(), now, jitter, 1.0)
    while looked.outcome is None:
        assert looked.next_look is not None
        now += looked.next_look
        looked = _replied(policy, looked.watched, _fault(), now, jitter, 1.0)
    assert looked.outcome is Outcome.UNREACHABLE
    assert patience <= now - NOW <= patience + 0.5


def test_a_job_that_never_appears_is_given_up_in_time() -> None:
    policy = _policy(patience=Patience(appear_within=10.0))
    watched, now = _new(), NOW
    looked = _replied(policy, watched, _fault(FaultKind.NOT_FOUND), now, 0.5, 1.0)
    while looked.outcome is None:
        assert looked.next_look is not None
        now += looked.next_look
        looked = _replied(policy, looked.watched, _fault(FaultKind.NOT_FOUND), now, 0.5, 1.0)
    assert looked.outcome is Outcome.NOT_FOUND
    assert 10.0 <= now - NOW <= 10.5


def test_retry_after_is_waited_for_even_beyond_the_patience() -> None:
    policy = _policy(patience=Patience(unreachable_after=100.0))
    looked = _replied(policy, _seen(policy), _fault(FaultKind.RATE_LIMITED, 90.0), NOW, 0.5, 1.0)
    assert looked.next_look == 90.0
    later = _replied(policy, looked.watched, _fault(FaultKind.RATE_LIMITED, 90.0), NOW + 90.0, 0.5, 1.0)
    assert later.next_look == 90.0


@pytest.mark.parametrize(("asked", "longest", "waited"), [(5.0, 2.0, 5.0), (1e9, 2.0, 60.0), (1e9, 300.0, 300.0)])
def test_a_good_answer_may_put_off_the_next_look_within_bounds(asked: float, longest: float, waited: float) -> None:
    policy = _policy(pace=Pace(min_interval=0.5, max_interval=longest))
    known = _seen(policy)
    for what in (UNCHANGED, CAPYDB.job(_body(), "j"), _fault(FaultKind.UNREADABLE)):
        looked = policy.saw(known, what, NOW, 0.5, 1.0, retry_after=asked)
        assert (looked.next_look, looked.least) == (waited, waited)


@pytest.mark.parametrize("kind", [FaultKind.NOT_FOUND, FaultKind.REFUSED, FaultKind.AUTH])
def test_it_puts_off_no_look_that_is_to_confirm_something(kind: FaultKind) -> None:
    policy = _policy()
    known = _seen(policy)
    assert policy.saw(known, _fault(kind), NOW, 0.5, 1.0, retry_after=60.0) == policy.saw(
        known, _fault(kind), NOW, 0.5, 1.0
    )


def test_an_answer_that_cannot_be_read_does_not_put_off_the_end_of_patience() -> None:
    policy = _policy(patience=Patience(unreachable_after=7.0))
    looked = policy.saw(_seen(policy), _fault(FaultKind.UNREADABLE), NOW, 0.5, 1.0, retry_after=60.0)
    assert looked.next_look == 7.0


def test_an_end_is_put_off_by_nothing() -> None:
    policy = _policy()
    looked = policy.saw(_seen(policy), CAPYDB.job(_body(state="completed"), "j"), NOW, 0.5, 1.0, retry_after=60.0)
    assert (looked.next_look, looked.outcome) == (None, Outcome.SUCCEEDED)


def test_row_49_retry_after_of_nothing_is_no_reason_to_hurry() -> None:
    policy = _policy()
    looked = _replied(policy, _new(), _fault(FaultKind.RATE_LIMITED, 0.0), NOW, 0.0, 1.0)
    assert looked.next_look is not None
    assert looked.next_look >= 0.5


def test_row_51_retry_after_beyond_all_patience_is_the_end() -> None:
    looked = _replied(_policy(), _seen(_policy()), _fault(FaultKind.RATE_LIMITED, 301.0), NOW, 0.5, 1.0)
    assert (looked.outcome, looked.next_look) == (Outcome.UNREACHABLE, None)


@pytest.mark.parametrize("kind", [FaultKind.NOT_FOUND, FaultKind.UNREADABLE])
def test_a_fault_of_one_job_cannot_put_off_its_own_end(kind: FaultKind) -> None:
    policy = _policy(patience=Patience(unreachable_after=20.0, appear_within=20.0))
    looked = _replied(policy, _new(), _fault(kind, 1e12), NOW, 0.5, 1.0)
    assert looked.next_look is not None
    assert looked.next_look <= 20.0
    looked = _replied(policy, looked.watched, _fault(kind, 1e12), NOW + 20.0, 0.5, 1.0)
    assert looked.outcome is not None


@pytest.mark.parametrize("kind", list(FaultKind))
def test_only_an_origin_in_trouble_sends_everybody_away(kind: FaultKind) -> None:
    away = kind in {FaultKind.RATE_LIMITED, FaultKind.UNREACHABLE}
    assert pause_asked(_fault(kind, 17.0)) == (17.0 if away else 0.0)
    assert pause_asked(_fault(kind)) == 0.0
