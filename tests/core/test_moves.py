"""Jobs that go on at another place: values only, no clock and no loop."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from jobwatch import Event, Fault, FaultKind, Job, Outcome, Phase
from jobwatch._core.look import Looked, Policy
from jobwatch._core.moves import MOST_HOPS, Onward, Place
from jobwatch._core.pace import Pace
from jobwatch._core.tracker import Patience, Watched
from jobwatch._files.history import History
from jobwatch._models import UNCHANGED, Unchanged

NOW = datetime(2026, 5, 1, tzinfo=UTC).timestamp()
WORDS = {"QUEUED": Phase.PENDING, "RUNNING": Phase.RUNNING, "FAILED": Phase.FAILED, "DONE": Phase.SUCCEEDED}
GONE = Fault(FaultKind.NOT_FOUND, "no such job")
PACE = Pace(min_interval=1.0, max_interval=60.0)


def moment(at: float) -> datetime:
    return datetime.fromtimestamp(NOW + at, UTC)


def job(status: str, **fields: Any) -> Job:
    return Job(id="j", api="a", status=status, phase=WORDS[status], **fields)


class Seer:
    """Looks at a job; what is known goes through JSON each time, as in a journal."""

    def __init__(self, **policy: Any) -> None:
        self.policy = Policy(PACE, policy.pop("patience", Patience()), History(), **policy)
        self.watched = Watched(job_id="j", api="a")
        self.told: list[tuple[str, int]] = []
        self.gaps: list[bool] = []

    def see(self, what: Job | Fault | Unchanged, at: float, to: str | None = None) -> Looked:
        here = self.watched.place or Place("/1", is_url=True)
        onward = None if to is None else Onward(Place(to, is_url=True), here.name)
        looked = self.policy.saw(self.watched, what, NOW + at, 0.5, 1.0, onward=onward)
        self.watched = msgspec.json.decode(msgspec.json.encode(looked.watched), type=Watched)
        assert self.watched == looked.watched
        self.told += [(each.status, each.seq) for each in looked.transitions]
        self.gaps += [each.gap for each in looked.transitions]
        return looked

    @property
    def place(self) -> str | None:
        return None if self.watched.place is None else self.watched.place.at


def test_a_job_that_moves_keeps_its_numbers_and_is_looked_at_at_once() -> None:
    seer = Seer()
    seer.see(job("QUEUED"), 0.0)
    moved = seer.see(job("QUEUED"), 5.0, to="/2")
    assert (moved.next_look, moved.asks_anew, moved.is_to_keep) == (0.0, True, True)
    assert (seer.place, seer.watched.place and seer.watched.place.hops) == ("/2", 1)
    seer.see(job("RUNNING"), 5.1)
    assert seer.see(job("DONE"), 9.0).outcome is Outcome.SUCCEEDED
    assert seer.told == [("QUEUED", 1), ("RUNNING", 2), ("DONE", 3)]


def test_a_move_beats_an_end_in_the_same_reply() -> None:
    seer = Seer()
    looked = seer.see(job("FAILED"), 0.0, to="/2")
    assert (looked.outcome, looked.job, seer.told) == (None, None, [])
    seer.see(job("RUNNING"), 0.1)
    seer.see(job("DONE"), 9.0)
    assert seer.told == [("FAILED", 1), ("RUNNING", 2), ("DONE", 3)]


def test_an_end_that_a_move_beats_is_one_when_the_next_place_tells_it_too() -> None:
    seer = Seer()
    seer.see(job("DONE"), 0.0, to="/2")
    assert seer.see(job("DONE"), 0.1).outcome is Outcome.SUCCEEDED
    assert seer.told == [("DONE", 1)]


def test_an_end_that_a_move_beats_is_not_believed_when_there_is_nothing_at_the_next_place() -> None:
    seer = Seer()
    seer.see(job("FAILED"), 0.0, to="/2")
    looks = [seer.see(GONE, at) for at in (1.0, 6.0, 12.0)]
    assert looks[-1].outcome is Outcome.NOT_FOUND
    assert seer.told == []


def test_a_reply_that_names_a_place_may_tell_no_state() -> None:
    seer = Seer()
    assert seer.see(UNCHANGED, 0.0, to="/2").outcome is None
    seer.see(job("RUNNING"), 0.1)
    assert (seer.place, seer.told) == ("/2", [("RUNNING", 1)])


def test_what_was_known_of_the_place_before_makes_no_reply_look_old() -> None:
    seer = Seer()
    seer.see(job("RUNNING", attempt=3, updated_at=moment(100.0), started_at=moment(50.0)), 0.0, to="/2")
    seer.see(job("QUEUED", attempt=1, updated_at=moment(20.0)), 1.0)
    seer.see(job("RUNNING", attempt=1, updated_at=moment(30.0), started_at=moment(25.0)), 2.0)
    assert seer.see(job("DONE", attempt=1, updated_at=moment(40.0)), 3.0).outcome is Outcome.SUCCEEDED
    assert [word for word, _ in seer.told] == ["RUNNING", "QUEUED", "RUNNING", "DONE"]
    assert seer.gaps[1:] == [False, False, False]


def test_the_attempt_goes_on_counting_where_the_next_place_counts_on() -> None:
    seer = Seer()
    seer.see(job("RUNNING", attempt=1), 0.0)
    seer.see(job("FAILED", attempt=1), 1.0, to="/2")
    seer.see(job("RUNNING", attempt=2), 2.0)
    assert [word for word, _ in seer.told] == ["RUNNING", "FAILED", "RUNNING"]
    assert not seer.gaps[-1]


def test_the_history_of_another_place_is_told_from_its_beginning() -> None:
    def told(*words: str, begins: float) -> Job:
        events = tuple(Event(word, WORDS[word], moment(begins + at)) for at, word in enumerate(words))
        return job(words[-1], events=events)

    seer = Seer()
    seer.see(told("QUEUED", "RUNNING", begins=0.0), 2.0)
    seer.see(told("QUEUED", "RUNNING", "FAILED", begins=0.0), 3.0, to="/2")
    seer.see(told("QUEUED", begins=10.0), 10.0)
    seer.see(told("QUEUED", "RUNNING", begins=10.0), 11.0)
    assert seer.see(told("QUEUED", "RUNNING", "DONE", begins=10.0), 13.0).outcome is Outcome.SUCCEEDED
    assert [word for word, _ in seer.told] == ["QUEUED", "RUNNING", "FAILED", "QUEUED", "RUNNING", "DONE"]
    assert not any(seer.gaps)


def test_a_copy_of_the_same_history_is_not_told_again() -> None:
    events = tuple(Event(word, WORDS[word], moment(at)) for at, word in enumerate(("QUEUED", "RUNNING", "DONE")))
    seer = Seer()
    seer.see(job("RUNNING", events=events[:2]), 2.0, to="/archive")
    assert seer.see(job("DONE", events=events), 3.0).outcome is Outcome.SUCCEEDED
    assert seer.told == [("QUEUED", 1), ("RUNNING", 2), ("DONE", 3)]


def test_a_place_that_was_met_before_is_an_error() -> None:
    seer = Seer()
    seer.see(job("RUNNING"), 0.0, to="/2")
    seer.see(job("RUNNING"), 1.0, to="/3")
    looked = seer.see(job("RUNNING"), 2.0, to="/1")
    assert (looked.outcome, looked.next_look) == (Outcome.UNREADABLE, None)
    assert looked.watched.fault is not None
    assert "lead in a circle" in looked.watched.fault.message


def test_there_are_a_thousand_hops_at_most() -> None:
    seer = Seer()
    for hop in range(MOST_HOPS):
        assert seer.see(job("RUNNING"), float(hop), to=f"/{hop + 2}").outcome is None
    assert seer.watched.place is not None
    assert seer.watched.place.hops == MOST_HOPS
    assert seer.see(job("RUNNING"), 1e6, to="/last").outcome is Outcome.UNREADABLE


def test_a_server_that_moves_without_end_is_asked_no_more_often_than_the_pace_allows() -> None:
    seer, at, asked = Seer(), 0.0, 0
    while at < 100.0:
        at += 0.01 + (seer.see(job("RUNNING"), at, to=f"/{asked + 2}").next_look or 0.0)
        asked += 1
    assert 100 <= asked <= 120  # one a second, and 16 at once
    slow = Seer()  # whose server holds each request for a second is asked at once each time
    assert {slow.see(job("RUNNING"), float(hop), to=f"/{hop + 2}").next_look for hop in range(200)} == {0.0}


@pytest.mark.parametrize(("appear_within", "lasts"), [(10.0, 12.0), (60.0, 62.0)])
def test_a_job_may_appear_late_where_it_has_moved_to(appear_within: float, lasts: float) -> None:
    seer = Seer(patience=Patience(appear_within=appear_within))
    seer.see(job("QUEUED"), 0.0, to="/2")
    for at in (1.0, 2.0, 3.0, lasts - 2.0):
        assert seer.see(GONE, at).outcome is None
    assert seer.see(GONE, lasts).outcome is Outcome.NOT_FOUND


@pytest.mark.parametrize("status", ["QUEUED", "FAILED"])
def test_a_reply_that_names_a_place_may_say_when_to_ask_there(status: str) -> None:
    seer = Seer(stable_for={Phase.FAILED: 10.0})
    seer.see(job("QUEUED"), 0.0)
    onward = Onward(Place("/2", is_url=True), "/1")
    moved = seer.policy.saw(seer.watched, job(status), NOW + 5.0, 0.5, 1.0, onward=onward, retry_after=7.0)
    assert (moved.next_look, moved.least) == (7.0, 7.0)
