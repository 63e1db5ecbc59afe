"""The rules: what is published after a look, and what an answer of the server means."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from jobwatch import ChangeKind, Event, Fault, FaultKind, Health, Job, Outcome, Pace, Phase, Problem, Unchanged, Watched
from jobwatch._core.durations import LearnedDurations
from jobwatch._core.look import Looked, Policy
from jobwatch._core.tracker import Patience
from jobwatch.nats._rules import (
    EXPECTED,
    EXPECTED_WHERE,
    LIFETIME,
    MOST_EVENTS,
    SCHEDULE,
    TARGET,
    After,
    Record,
    Settings,
    Verdict,
    added,
    after_look,
    changes_in,
    due_time,
    is_current,
    record_in,
    verdict_of,
    woken,
)
from jobwatch.nats._subjects import Names

NAMES = Names("jobwatch", 0, "mine-1")
NOW = 1_764_000_000.25
RECORD = Record(watched=Watched(job_id="a.b", api="mine"), generation=7)
POLICY = Policy(Pace(), Patience(unreachable_after=100.0), LearnedDurations())


def job(*words: str) -> Job:
    phases = {"PENDING": Phase.PENDING, "RUNNING": Phase.RUNNING, "DONE": Phase.SUCCEEDED}
    events = tuple(Event(word, phases[word], datetime.fromtimestamp(NOW - 50 + n, UTC)) for n, word in enumerate(words))
    return Job(id="a.b", api="mine", status=words[-1], phase=phases[words[-1]], events=events)


def looked(what: Job | Fault | Unchanged, record: Record = RECORD, now: float = NOW) -> Looked:
    return POLICY.saw(record.watched, what, now, 0.5, 1.0)


def after(what: Job | Fault, record: Record = RECORD, now: float = NOW, settings: Settings | None = None) -> After:
    look = looked(what, record, now)
    return after_look(NAMES, record, 41, look, again_after=9.0, now=now, settings=settings or Settings())


def test_a_look_without_news_is_one_message_and_expects_what_was_read() -> None:
    first = after(job("PENDING"))
    (message,) = after(job("PENDING"), first.record).messages
    assert message.subject == "jobwatch.0.job.mine-1.a=2Eb.w"
    assert message.headers[EXPECTED] == "41"
    assert message.headers[EXPECTED_WHERE] == "jobwatch.0.job.mine-1.a=2Eb.*"
    assert message.headers[TARGET] == "jobwatch.0.job.mine-1.a=2Eb.due"
    assert (due_time(message.headers) or 0.0) > NOW


def test_news_are_a_batch_in_which_each_change_must_not_be_there() -> None:
    done = after(job("PENDING", "RUNNING"))
    assert [message.subject for message in done.messages] == [
        "jobwatch.0.ev.mine-1.a=2Eb.7.1",
        "jobwatch.0.ev.mine-1.a=2Eb.7.2",
        "jobwatch.0.job.mine-1.a=2Eb.w",
    ]
    assert [message.headers[EXPECTED] for message in done.messages] == ["0", "0", "41"]
    (change,) = changes_in(done.messages[0].body)
    assert (change.job_id, change.key, change.status) == ("a.b", "a.b:7.1", "PENDING")
    assert record_in(done.messages[-1].body) == done.record
    assert done.record.seq == 2


def test_the_end_takes_the_place_of_what_was_due_and_is_kept_for_a_time() -> None:
    done = after(job("PENDING", "RUNNING", "DONE"), settings=Settings(keep=100.0))
    *events, end = done.messages
    assert end.subject == "jobwatch.0.job.mine-1.a=2Eb.due"
    assert SCHEDULE not in end.headers
    assert (end.headers[EXPECTED], end.headers[LIFETIME]) == ("41", "100s")
    assert {message.headers[LIFETIME] for message in events} == {"100s"}
    record = record_in(end.body)
    assert record.has_ended
    assert record.watched.outcome is Outcome.SUCCEEDED
    assert done.changes[-1].kind is ChangeKind.END


def test_why_a_job_failed_is_kept_with_its_end() -> None:
    failed = replace(job("DONE"), phase=Phase.FAILED, events=None, error=Problem("disk full"))
    assert record_in(after(failed).messages[-1].body).watched.error == Problem("disk full")


def test_a_look_with_thousands_of_changes_is_one_batch_all_the_same() -> None:
    words = ["PENDING", "RUNNING"] * 1100
    done = after(job(*words, "DONE"))
    assert len(done.messages) <= MOST_EVENTS + 1
    told = [change for message in done.messages[:-1] for change in changes_in(message.body)]
    assert [change.seq for change in told] == list(range(1, 2202))
    numbers = [int(message.subject.rpartition(".")[2]) for message in done.messages[:-1]]
    assert numbers == [changes_in(message.body)[0].seq for message in done.messages[:-1]]


def test_an_outage_is_told_and_ends_no_watch() -> None:
    record, told, now = RECORD, [], NOW
    for _ in range(14):
        done = after(Fault(FaultKind.UNREACHABLE, "no answer"), record, now)
        assert not done.record.has_ended
        assert due_time(done.messages[-1].headers) is not None
        told += [change.health for change in done.changes]
        record, now = done.record, now + 10.0
    assert told == [Health.STALE, Health.UNREACHABLE]
    back = after(job("PENDING"), record, now)
    assert [(change.seq, change.kind) for change in back.changes] == [(3, ChangeKind.HEALTH), (4, ChangeKind.STATE)]
    assert back.record.health is Health.OK


def test_a_look_that_gives_no_time_to_look_again_waits_as_long_as_it_is_told() -> None:
    record = replace(RECORD, health=Health.STALE, watched=replace(RECORD.watched, failing_since=NOW - 500, faults=9))
    done = after(Fault(FaultKind.UNREACHABLE, "no answer"), record)
    assert due_time(done.messages[-1].headers) == pytest.approx(NOW + 9.0)


def test_an_added_job_is_due_now_and_must_be_new() -> None:
    message = added(NAMES, RECORD.watched, 12, NOW)
    assert message.headers[EXPECTED] == "0"
    assert due_time(message.headers) == NOW
    assert record_in(message.body).generation == 13


def waking(record: Record, at: float | None) -> float | None:
    message = woken(NAMES, record, 41, at=at, now=NOW, min_interval=0.5)
    if message is None:
        return None
    assert message.headers[EXPECTED] == "41"
    assert record_in(message.body) == record
    return due_time(message.headers)


def test_a_wake_brings_the_look_forward_and_changes_nothing_else() -> None:
    assert waking(RECORD, NOW + 50) == NOW
    assert waking(RECORD, NOW - 1) is None  # it is on its way
    just_looked = replace(RECORD, watched=replace(RECORD.watched, looked_at=NOW - 0.2))
    assert waking(just_looked, NOW + 50) == pytest.approx(NOW + 0.3)
    assert waking(replace(RECORD, watched=replace(RECORD.watched, outcome=Outcome.FAILED)), None) is None


def test_a_wake_hastens_nothing_while_the_api_wants_to_be_left_alone() -> None:
    fault = Fault(FaultKind.RATE_LIMITED, "slow down", retry_after=60.0)
    assert waking(replace(RECORD, watched=replace(RECORD.watched, fault=fault)), NOW + 50) is None


@pytest.mark.parametrize(
    ("code", "error", "verdict"),
    [
        (None, None, Verdict.WON),
        (400, 10071, Verdict.LOST),
        (400, 10164, Verdict.LOST),
        (400, 10201, Verdict.LOST),
        (429, 10210, Verdict.AGAIN),
        (503, 10008, Verdict.AGAIN),
        (400, 10176, Verdict.AGAIN),
        (500, None, Verdict.AGAIN),
        (408, None, Verdict.AGAIN),
        (400, 10054, Verdict.STUCK),
        (404, 10059, Verdict.STUCK),
    ],
)
def test_what_an_answer_means(code: int | None, error: int | None, verdict: Verdict) -> None:
    assert verdict_of(code, error) is verdict


def test_a_message_that_comes_again_is_looked_at_only_if_nothing_came_after_it() -> None:
    assert is_current(41, 41)
    assert not is_current(41, 42)
    assert not is_current(41, None)


def test_what_is_stored_is_read_back_as_it_was() -> None:
    broken = replace(job("PENDING", "RUNNING"), status="FAILED", phase=Phase.FAILED, error=Problem("too large", "E1"))
    done = after(broken)
    for message in done.messages[:-1]:
        assert set(changes_in(message.body)) <= set(done.changes)
    assert done.changes[-1].error == Problem("too large", "E1")
