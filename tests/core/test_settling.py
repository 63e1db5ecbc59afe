"""Ends that are not believed at first sight: values only, no clock and no loop."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from jobwatch import Event, Fault, FaultKind, Job, Outcome, Phase
from jobwatch._core.look import Looked, Policy
from jobwatch._core.pace import Pace
from jobwatch._core.settling import UnsettledEnd, restarted
from jobwatch._core.tracker import Patience, Watched
from jobwatch._files.history import History
from jobwatch._models import Problem

NOW = datetime(2026, 5, 1, tzinfo=UTC).timestamp()
POLICY = Policy(Pace(), Patience(), History(), {Phase.FAILED: 10.0, Phase.SUCCEEDED: 10.0})
WORDS = {"QUEUED": Phase.PENDING, "RUNNING": Phase.RUNNING, "FAILED": Phase.FAILED, "DONE": Phase.SUCCEEDED}
GONE = Fault(FaultKind.NOT_FOUND, "no such job")


def job(status: str, **fields: Any) -> Job:
    return Job(id="j", api="a", status=status, phase=WORDS[status], **fields)


class Seer:
    """Looks at a job, and keeps what it was told; what is known goes through JSON each time, as in a journal."""

    def __init__(self, policy: Policy = POLICY) -> None:
        self.policy = policy
        self.watched = Watched(job_id="j", api="a")
        self.told: list[tuple[str, int, float]] = []

    def see(self, what: Job | Fault, at: float, server_time: float | None = None) -> Looked:
        looked = self.policy.saw(self.watched, what, NOW + at, 0.5, 1.0, server_time=server_time)
        self.watched = msgspec.json.decode(msgspec.json.encode(looked.watched), type=Watched)
        assert self.watched == looked.watched
        self.told += [(each.status, each.seq, each.seen_at.timestamp() - NOW) for each in looked.transitions]
        return looked

    @property
    def words(self) -> list[str]:
        return [status for status, _, _ in self.told]


def test_an_end_counts_when_a_look_at_least_so_much_later_still_shows_it() -> None:
    seer = Seer()
    seer.see(job("RUNNING"), 0.0)
    first = seer.see(job("FAILED", error=Problem("no memory")), 4.0)
    assert (first.outcome, first.transitions) == (None, ())
    assert first.next_look == pytest.approx(10.0, abs=0.01)
    assert first.asks_anew
    assert first.is_to_keep
    early = seer.see(job("FAILED"), 13.9)
    assert (early.outcome, early.is_to_keep) == (None, False)
    assert early.next_look == 0.5
    assert seer.see(job("FAILED"), 14.0).outcome is Outcome.FAILED
    assert seer.told == [("RUNNING", 1, 0.0), ("FAILED", 2, 4.0)]


def test_an_end_that_another_state_follows_is_handed_out_as_a_state_when_it_was_seen() -> None:
    seer = Seer()
    seer.see(job("RUNNING", attempt=1), 0.0)
    seer.see(job("FAILED", attempt=1), 4.0)
    seer.see(job("RUNNING", attempt=2), 6.0)
    seer.see(job("DONE", attempt=2), 8.0)
    assert seer.see(job("DONE", attempt=2), 18.0).outcome is Outcome.SUCCEEDED
    assert seer.told == [("RUNNING", 1, 0.0), ("FAILED", 2, 4.0), ("RUNNING", 3, 6.0), ("DONE", 4, 8.0)]


def test_another_end_is_to_stand_by_itself() -> None:
    seer = Seer()
    seer.see(job("FAILED"), 0.0)
    assert seer.see(job("DONE"), 9.0).outcome is None
    assert seer.see(job("DONE"), 12.0).outcome is None
    assert seer.see(job("DONE"), 19.0).outcome is Outcome.SUCCEEDED
    assert seer.words == ["FAILED", "DONE"]


def test_the_same_end_of_a_later_attempt_is_to_stand_by_itself() -> None:
    seer = Seer()
    seer.see(job("FAILED", attempt=1), 0.0)
    assert seer.see(job("FAILED", attempt=2), 9.0).outcome is None
    assert seer.see(job("FAILED", attempt=2), 12.0).outcome is None
    assert seer.see(job("FAILED", attempt=2), 19.0).outcome is Outcome.FAILED
    assert seer.words == ["FAILED", "FAILED"]


def test_an_end_of_a_kind_that_is_not_named_is_believed_at_once() -> None:
    seer = Seer(Policy(Pace(), Patience(), History(), {Phase.FAILED: 10.0}))
    seer.see(job("FAILED"), 0.0)
    assert seer.see(job("DONE"), 1.0).outcome is Outcome.SUCCEEDED
    assert seer.words == ["FAILED", "DONE"]


def test_a_history_is_told_once_and_in_order() -> None:
    def told(*words: str) -> Job:
        moments = [datetime.fromtimestamp(NOW + 2 * index, UTC) for index in range(len(words))]
        events = tuple(Event(word, WORDS[word], at) for word, at in zip(words, moments, strict=True))
        return job(words[-1], events=events)

    seer = Seer()
    seer.see(told("QUEUED", "RUNNING", "FAILED"), 0.0)
    assert seer.words == ["QUEUED", "RUNNING"]
    seer.see(told("QUEUED", "RUNNING", "FAILED", "RUNNING"), 5.0)
    assert seer.words == ["QUEUED", "RUNNING", "FAILED", "RUNNING"]
    seer.see(told("QUEUED", "RUNNING", "FAILED", "RUNNING", "DONE"), 9.0)
    assert seer.see(told("QUEUED", "RUNNING", "FAILED", "RUNNING", "DONE"), 19.0).outcome is Outcome.SUCCEEDED
    assert seer.told[-1] == ("DONE", 5, 9.0)


def test_a_job_that_goes_on_before_its_history_says_so_is_told_as_going_on() -> None:
    events = (Event("RUNNING", Phase.RUNNING), Event("FAILED", Phase.FAILED))
    seer = Seer()
    seer.see(job("FAILED", events=events), 0.0)
    seer.see(job("RUNNING", events=events), 5.0)
    assert seer.words == ["RUNNING", "FAILED", "RUNNING"]


def test_an_end_of_long_ago_by_the_servers_own_clock_is_believed_at_once() -> None:
    ended_at = datetime.fromtimestamp(NOW + 3_590.0, UTC)  # the server's clock is an hour ahead
    fresh, old = Seer(), Seer()
    assert fresh.see(job("FAILED", ended_at=ended_at), 0.0, server_time=NOW + 3_599.0).outcome is None
    assert old.see(job("FAILED", ended_at=ended_at), 0.0, server_time=NOW + 3_600.0).outcome is Outcome.FAILED
    assert Seer().see(job("FAILED", ended_at=ended_at), 1e6).outcome is None  # by no clock but the server's


def test_an_end_is_believed_of_a_job_that_has_gone_since() -> None:
    seer = Seer(Policy(Pace(), Patience(), History(), {Phase.FAILED: 3600.0}))
    seer.see(job("RUNNING"), 0.0)
    seer.see(job("FAILED", error=Problem("no memory")), 2.0)
    for at in (4.0, 9.0):
        assert seer.see(GONE, at).outcome is None
    last = seer.see(GONE, 15.0)
    assert last.outcome is Outcome.FAILED
    assert (last.watched.fault, last.error) == (None, Problem("no memory"))
    assert seer.told == [("RUNNING", 1, 0.0), ("FAILED", 2, 2.0)]


def test_other_faults_neither_settle_an_end_nor_forget_it() -> None:
    seer = Seer()
    seer.see(job("FAILED"), 0.0)
    assert seer.see(Fault(FaultKind.UNREACHABLE, "down"), 12.0).outcome is None
    assert seer.see(job("FAILED"), 14.0).outcome is Outcome.FAILED


def test_an_older_reply_neither_confirms_an_end_nor_takes_it_back() -> None:
    then, now = (datetime.fromtimestamp(NOW + at, UTC) for at in (0.0, 5.0))
    seer = Seer()
    seer.see(job("RUNNING", updated_at=then), 0.0)
    seer.see(job("FAILED", updated_at=now), 5.0)
    assert seer.see(job("RUNNING", updated_at=then), 16.0).outcome is None
    assert seer.words == ["RUNNING"]
    assert seer.see(job("FAILED", updated_at=now), 17.0).outcome is Outcome.FAILED


def test_a_clock_that_was_set_back_makes_an_end_stand_anew_and_not_for_ever() -> None:
    seer = Seer()
    seer.see(job("FAILED"), 3_600.0)
    looked = seer.see(job("FAILED"), 0.0)
    assert looked.next_look == pytest.approx(10.0, abs=0.01)
    assert seer.see(job("FAILED"), 10.0).outcome is Outcome.FAILED
    unsettled = UnsettledEnd("FAILED", Phase.FAILED, Outcome.FAILED, NOW + 5.0)
    assert restarted(unsettled, NOW) == UnsettledEnd("FAILED", Phase.FAILED, Outcome.FAILED, NOW)
    assert restarted(unsettled, NOW + 6.0) is unsettled


def test_an_end_that_has_to_stand_for_longer_than_the_longest_interval_is_looked_at_in_even_steps() -> None:
    seer = Seer(Policy(Pace(max_interval=60.0), Patience(), History(), {Phase.FAILED: 150.0}))
    assert seer.see(job("FAILED"), 0.0).next_look == pytest.approx(50.0, abs=0.01)
    assert seer.see(job("FAILED"), 50.0).next_look == pytest.approx(50.0, abs=0.01)


def test_what_was_held_back_under_other_settings_is_handed_out_under_these() -> None:
    seer = Seer()
    seer.see(job("FAILED"), 0.0)
    seer.policy = Policy(Pace(), Patience(), History())
    assert seer.see(job("FAILED"), 1.0).outcome is Outcome.FAILED
    assert seer.words == ["FAILED"]
