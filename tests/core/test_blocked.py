"""A job that waits for a person: when that is believed, when it is looked at again, and what it teaches."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from msgspec.structs import replace

from jobwatch import UNCHANGED, Event, Fault, FaultKind, Job, Phase, Watched
from jobwatch._core.look import Looked, Policy
from jobwatch._core.pace import Pace
from jobwatch._core.tracker import Patience
from jobwatch._files.history import History

NOW = 1_718_614_500.0
ASKED = {"asked": "Deploy?", "url": "https://ci.test/1"}


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(NOW + seconds, UTC)


def job(phase: Phase, status: str | None = None, **fields: object) -> Job:
    return Job(id="j", api="own", status=status or phase.value, phase=phase, **fields)  # type: ignore[arg-type]


BLOCKED = job(Phase.BLOCKED, **ASKED)
RUNNING = job(Phase.RUNNING)


class Looking:
    """One job, looked at; every state of what is known is carried through JSON."""

    def __init__(self, *, max_interval: float = 60.0) -> None:
        self.history = History()
        self.policy = Policy(Pace(max_interval=max_interval), Patience(), self.history)
        self.watched = Watched(job_id="j", api="own")

    def look(self, what: Job | Fault, seconds: float, price: float = 1.0, retry_after: float | None = None) -> Looked:
        looked = self.policy.saw(self.watched, what, NOW + seconds, 0.5, price, retry_after=retry_after)
        self.watched = msgspec.json.decode(msgspec.json.encode(looked.watched), type=Watched)
        assert self.watched == looked.watched
        return looked

    def same(self, seconds: float) -> Looked:
        looked = self.policy.saw(self.watched, UNCHANGED, NOW + seconds, 0.5, 1.0)
        self.watched = looked.watched
        return looked


def test_it_is_told_at_once_with_what_is_asked_and_believed_when_seen_again() -> None:
    looking = Looking()
    first = looking.look(BLOCKED, 0.0)
    (told,) = first.transitions
    assert (told.phase, told.asked, told.url) == (Phase.BLOCKED, "Deploy?", "https://ci.test/1")
    assert (first.outcome, first.confirms_blocked, looking.watched.is_blocked) == (None, False, False)
    assert not looking.look(BLOCKED, 9.9).confirms_blocked
    second = looking.look(BLOCKED, 10.0)
    assert (second.transitions, second.confirms_blocked, second.outcome) == ((), True, None)
    assert looking.watched.is_blocked
    assert not looking.look(BLOCKED, 30.0).confirms_blocked, "which is said once"


@pytest.mark.parametrize("between", [RUNNING, job(Phase.UNKNOWN, "odd"), job(Phase.BLOCKED, "auth")])
def test_another_state_in_between_begins_it_anew(between: Job) -> None:
    looking = Looking()
    looking.look(BLOCKED, 0.0)
    looking.look(between, 8.0)
    assert not looking.look(BLOCKED, 12.0).confirms_blocked
    assert not looking.watched.is_blocked
    assert looking.look(BLOCKED, 22.0).confirms_blocked


def test_a_history_that_tells_of_another_state_in_between_begins_it_anew() -> None:
    looking = Looking()
    first = (Event("running", Phase.RUNNING, at(-5)), Event("blocked", Phase.BLOCKED, at(0)))
    again = (*first, Event("running", Phase.RUNNING, at(3)), Event("blocked", Phase.BLOCKED, at(11)))
    looking.look(job(Phase.BLOCKED, events=first), 0.0)
    assert not looking.look(job(Phase.BLOCKED, events=again), 12.0).confirms_blocked
    assert looking.look(job(Phase.BLOCKED, events=again), 22.0).confirms_blocked


def test_only_looks_that_show_it_confirm_it() -> None:
    looking = Looking()
    looking.look(replace(BLOCKED, updated_at=at(0)), 0.0)
    looking.same(20.0)
    looking.look(Fault(FaultKind.UNREACHABLE, "down"), 21.0)
    looking.look(replace(RUNNING, updated_at=at(-60)), 22.0)  # a replica that lags behind
    assert not looking.watched.is_blocked
    assert looking.look(replace(BLOCKED, updated_at=at(0)), 23.0).confirms_blocked


def test_a_clock_that_was_put_back_delays_it_and_no_more() -> None:
    looking = Looking()
    looking.look(BLOCKED, 5000.0)
    looking.look(BLOCKED, 0.0)
    assert looking.look(BLOCKED, 10.0).confirms_blocked


def test_what_it_asks_now_is_what_counts() -> None:
    looking = Looking()
    looking.look(BLOCKED, 0.0)
    looking.look(replace(BLOCKED, asked="Really?"), 11.0)
    assert looking.watched.blocked is not None
    assert looking.watched.blocked.asked == "Really?"


def test_nothing_is_asked_of_a_state_that_is_not_blocked() -> None:
    (told,) = Looking().look(job(Phase.RUNNING, **ASKED), 0.0).transitions
    assert (told.asked, told.url) == (None, None)


# --- when to look --------------------------------------------------------------------------------------------------


def looks_at(looking: Looking, count: int, **options: float) -> list[float]:
    """Return when looks are made at a job that stays blocked."""
    seconds, times = 0.0, []
    for _ in range(count):
        seconds += looking.look(BLOCKED, seconds, **options).next_look or 0.0
        times.append(round(seconds, 1))
    return times


def test_it_is_looked_at_ever_less_often_and_in_time_to_confirm_it() -> None:
    times = looks_at(Looking(), 13)
    assert times == pytest.approx([0.5, 1, 2, 4, 8, 10.1, 20, 40, 80, 140, 200, 260, 320], abs=0.7)


def test_where_requests_are_scarce_the_look_that_confirms_it_is_the_first() -> None:
    assert looks_at(Looking(), 2, price=1.5) == pytest.approx([10.1, 20], abs=0.2)


def test_the_apis_hint_puts_off_each_of_these_but_the_one_that_confirms_it() -> None:
    assert looks_at(Looking(), 3, retry_after=4.0) == pytest.approx([4, 8, 10.1], abs=0.1)
    assert looks_at(Looking(), 2, retry_after=30.0) == pytest.approx([10.1, 40.1], abs=0.2)


def test_a_short_longest_interval_bounds_it() -> None:
    looking = Looking(max_interval=2.0)
    assert looking.look(BLOCKED, 0.0).next_look == 0.5
    assert looking.look(BLOCKED, 7.0).next_look == 2.0
    assert looking.look(BLOCKED, 9.5).next_look == pytest.approx(0.55)
    assert looking.look(BLOCKED, 11.0).next_look == 2.0


def test_scarce_requests_make_the_longest_interval_longer() -> None:
    looking = Looking()
    looking.look(BLOCKED, 0.0)
    looking.look(BLOCKED, 11.0)
    assert looking.look(BLOCKED, 1000.0, price=4.0).next_look == 120.0


def test_a_look_that_failed_is_followed_as_ever() -> None:
    looking = Looking()
    looking.look(BLOCKED, 0.0)
    looking.look(BLOCKED, 11.0)
    assert looking.look(Fault(FaultKind.UNREACHABLE, "down"), 50.0).next_look == pytest.approx(50.0, abs=1)


def test_a_job_that_goes_on_is_looked_at_as_one_that_has_just_begun_to() -> None:
    blocked, fresh = Looking(), Looking()
    blocked.look(BLOCKED, 0.0)
    blocked.look(BLOCKED, 3000.0)
    fresh.look(job(Phase.PENDING), 3000.0)
    after = [looking.look(replace(RUNNING, started_at=at(-500)), 3001.0).next_look for looking in (blocked, fresh)]
    assert after[0] == after[1]


# --- what it teaches -----------------------------------------------------------------------------------------------

KIND = ("own", "", Phase.RUNNING)


def learned(looking: Looking) -> tuple[float, ...]:
    found = looking.history._durations.get(KIND)
    return () if found is None else found.seconds


def test_the_time_blocked_is_taken_off_where_it_is_told() -> None:
    looking = Looking()
    events = (
        Event("queued", Phase.PENDING, at(0)),
        Event("blocked", Phase.BLOCKED, at(10)),
        Event("running", Phase.RUNNING, at(1010)),
        Event("succeeded", Phase.SUCCEEDED, at(1040)),
    )
    looking.look(job(Phase.BLOCKED, events=events[:2]), 20.0)
    looking.look(job(Phase.SUCCEEDED, events=events, ended_at=at(1040)), 1041.0)
    assert learned(looking) == (30.0,)
    assert looking.history._durations["own", "", Phase.PENDING].seconds == (40.0,)


@pytest.mark.parametrize("undated", [1, 2])
def test_where_it_is_not_told_when_nothing_is_learned_of_the_phase_around_it(undated: int) -> None:
    looking = Looking()
    told = [
        Event("queued", Phase.PENDING, at(0)),
        Event("blocked", Phase.BLOCKED, at(10)),
        Event("working", Phase.UNKNOWN, at(1010)),
        Event("succeeded", Phase.SUCCEEDED, at(1040)),
    ]
    told[undated] = replace(told[undated], at=None)
    looking.look(job(Phase.SUCCEEDED, events=tuple(told), ended_at=at(1040)), 1041.0)
    assert not looking.history._durations


def test_a_job_that_does_not_tell_for_how_long_it_was_blocked_teaches_nothing() -> None:
    looking = Looking()
    began = (Event("running", Phase.RUNNING, at(0)),)
    looking.look(job(Phase.RUNNING, started_at=at(0), proven=began), 1.0)
    looking.look(job(Phase.BLOCKED, started_at=at(0), proven=began), 10.0)
    looking.look(job(Phase.RUNNING, started_at=at(0), proven=began), 3000.0)
    ended = job(Phase.SUCCEEDED, started_at=at(0), ended_at=at(3010), proven=began)
    looking.look(ended, 3011.0)
    assert not looking.history._durations
    looking.history.add(ended, told=True)
    assert not looking.history._durations, "nor when a list shows it"
    other = replace(ended, id="other", ended_at=at(30))
    looking.history.add(other, told=True)
    assert learned(looking) == (30.0,)


def test_one_that_was_never_blocked_teaches_as_ever() -> None:
    looking = Looking()
    looking.look(job(Phase.RUNNING), 0.0)
    looking.look(job(Phase.SUCCEEDED), 30.0)
    assert learned(looking) == (15.0,)
