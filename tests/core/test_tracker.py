"""What happened: Jobs and Faults in, transitions and the end out. No loop, no mock, no clock."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from jobwatch import Event, Fault, FaultKind, Job, Outcome, Phase, Transition, Watched
from jobwatch._core.matching import Fingerprint
from jobwatch._core.tracker import REFUSALS, Observed, Patience, observe, patience_ends_at
from jobwatch._reading import words

NOW = 1_718_614_500.0  # 2024-06-17T08:55:00Z
PATIENCE = Patience()

WORDS = {
    "P": ("PENDING", Phase.PENDING),
    "R": ("RUNNING", Phase.RUNNING),
    "C": ("COMPLETED", Phase.SUCCEEDED),
    "F": ("FAILED", Phase.FAILED),
    "X": ("CANCELLED", Phase.CANCELLED),
    "U": ("REVIEWING", Phase.UNKNOWN),
    "V": ("BILLING", Phase.UNKNOWN),
}


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(NOW + seconds, UTC)


def event(letter: str, seconds: float | None = None) -> Event:
    status, phase = WORDS[letter]
    return Event(status, phase, None if seconds is None else at(seconds))


def events(letters: str) -> tuple[Event, ...]:
    """Return one event a letter, a second apart."""
    return tuple(event(letter, second) for second, letter in enumerate(letters))


def told(history: Sequence[Event] | None, status: str | None = None, updated: float | None = None) -> Job:
    """Return a job that tells this history, and by default the status of its last entry."""
    last = history[-1] if history else None
    word, phase = WORDS[status] if status else (last.status, last.phase) if last else ("", Phase.UNKNOWN)
    return Job(
        id="job_1",
        api="bedrock",
        status=word,
        phase=phase,
        events=None if history is None else tuple(history),
        updated_at=None if updated is None else at(updated),
    )


def snap(
    letter: str,
    attempt: int | None = None,
    *,
    created: float | None = 0,
    started: float | None = None,
    ended: float | None = None,
    updated: float | None = None,
) -> Job:
    """Return a job that tells no history, as CapyDB does."""
    word, phase = WORDS[letter]
    proven = [("P", created), ("R", started)]
    return Job(
        id="job_1",
        api="capydb",
        status=word.lower(),
        phase=phase,
        created_at=None if created is None else at(created),
        started_at=None if started is None else at(started),
        ended_at=None if ended is None else at(ended),
        updated_at=None if updated is None else at(updated),
        attempt=attempt,
        proven=tuple(
            replace(event(one, when), status=WORDS[one][0].lower()) for one, when in proven if when is not None
        ),
    )


def fault(kind: FaultKind, retry_after: float | None = None) -> Fault:
    return Fault(kind, "because", retry_after=retry_after)


def fresh() -> Watched:
    return Watched(job_id="job_1", api="bedrock")


def carried(watched: Watched) -> Watched:
    """Return what is known after a journey through JSON and MessagePack; it must be the same."""
    through_json = msgspec.json.decode(msgspec.json.encode(watched), type=Watched)
    through_msgpack = msgspec.msgpack.decode(msgspec.msgpack.encode(through_json), type=Watched)
    assert through_json == through_msgpack == watched
    return through_msgpack


class Stream:
    """A watch from look to look; every state of it is carried through JSON and MessagePack."""

    def __init__(self, patience: Patience = PATIENCE) -> None:
        self.watched = fresh()
        self.patience = patience
        self.delivered: list[Transition] = []
        self.now = NOW + 1000.0

    def look(self, seen: Job | Fault, after: float = 1.0) -> str:
        """Make one look and return what it delivered."""
        self.now += after
        observed = observe(self.watched, seen, self.now, self.patience)
        self.watched = carried(observed.watched)
        self.delivered += observed.transitions
        return shown(observed.transitions)

    def all(self, *seen: Job | Fault) -> str:
        return " ".join(itertools.chain(filter(None, (self.look(one) for one in seen))))


def shown(transitions: Iterable[Transition]) -> str:
    """Return transitions as letters, with the second each is dated with and a ! where something is missing before."""
    letters = {word: letter for letter, (word, _) in WORDS.items()}

    def one(transition: Transition) -> str:
        when = "" if transition.at is None else f"{transition.at.timestamp() - NOW:g}"
        return ("!" if transition.gap else "") + letters[transition.status.upper()] + when

    return " ".join(map(one, transitions))


# --- every state once, in order -----------------------------------------------------------------------------


def test_the_whole_history_at_once() -> None:
    stream = Stream()
    assert stream.look(told(events("PRC"))) == "P0 R1 C2"
    assert stream.watched.outcome is Outcome.SUCCEEDED
    assert [transition.seq for transition in stream.delivered] == [1, 2, 3]
    assert {transition.job_id for transition in stream.delivered} == {"job_1"}
    assert {transition.seen_at for transition in stream.delivered} == {at(1001)}


def test_one_state_a_look() -> None:
    stream = Stream()
    looks = [stream.look(told(events("PRC"[:length]))) for length in (1, 1, 2, 2, 3)]
    assert looks == ["P0", "", "R1", "", "C2"]
    assert [transition.seq for transition in stream.delivered] == [1, 2, 3]


def test_row_96_several_states_between_two_looks() -> None:
    assert Stream().all(told(events("P")), told(events("PRPRF"))) == "P0 R1 P2 R3 F4"


def test_an_empty_history_at_first() -> None:
    assert Stream().all(told((), "P"), told(events("PR"))) == "P R1"


def test_a_server_that_never_fills_its_history() -> None:
    assert Stream().all(*(told((), letter) for letter in "PPRRC")) == "P R C"


def test_the_status_leads_the_history() -> None:
    assert Stream().all(told(events("P"), "R"), told(events("PR")), told(events("PR"), "C")) == "P0 R C"


def test_the_status_leads_and_the_history_lags_at_the_end() -> None:
    stream = Stream()
    assert stream.all(told(events("PR")), told(events("P"), "C")) == "P0 R1 C"
    assert stream.watched.outcome is Outcome.SUCCEEDED


def test_the_status_leads_over_a_state_that_nothing_shows() -> None:
    assert Stream().all(told(events("P")), told(events("P"), "C")) == "P0 !C"


def test_more_states_than_are_remembered() -> None:
    history = [event("PR"[second % 2], second) for second in range(200)]
    stream = Stream()
    assert len(stream.look(told(history[:100])).split()) == 100
    assert len(stream.watched.delivered) == 64
    assert stream.watched.seq == 100
    assert stream.look(told(history[:101])) == "P100"
    assert len(stream.look(told(history)).split()) == 99
    assert stream.look(told(history)) == ""
    assert not any(transition.gap for transition in stream.delivered)


def test_row_85_equal_states_at_equal_times_are_told_by_their_place() -> None:
    same = [event("P", 0), event("R", 1), event("R", 1), event("R", 1)]
    assert Stream().all(*(told(same[:length]) for length in (1, 2, 3, 4, 4))) == "P0 R1 R1 R1"


def test_row_87_equal_times_keep_the_servers_order() -> None:
    same = [event("P", 0), event("R", 0), event("P", 0), event("R", 0), event("C", 0)]
    assert Stream().all(*(told(same[:length]) for length in (2, 3, 5))) == "P0 R0 P0 R0 C0"


def test_row_87_equal_times_in_another_order_at_the_next_look_are_not_news() -> None:
    first = [event("P", 0), event("R", 0), event("U", 0)]
    for order in itertools.permutations(first):
        assert Stream().all(told(first), told(order, "U"), told([*order, event("C", 1)])) == "P0 R0 U0 C1"


def test_row_83_a_reordered_history_is_sorted_by_time() -> None:
    for order in itertools.permutations(events("PRC")):
        assert Stream().all(told(order, "C")) == "P0 R1 C2"
        assert Stream().all(told(events("P")), told(order, "C")) == "P0 R1 C2"


def test_row_90_the_clocks_of_a_servers_machines_may_disagree() -> None:
    history = [event("P", 0.75), event("R", 0.5), event("U", 0.25), event("C", 9)]
    assert Stream().all(*(told(history[:length]) for length in (1, 2, 3, 4))) == "P0.75 R0.5 U0.25 C9"


def test_row_88_missing_times_keep_the_servers_order() -> None:
    history = [event("P"), event("R", 5), event("U"), event("C", 1)]
    stream = Stream()
    assert stream.all(*(told(history[:length]) for length in (1, 2, 3, 4))) == "P R5 U C1"
    assert Stream().look(told(history)) == "P R5 U C1"
    assert all(transition.seen_at is not None for transition in stream.delivered)


def test_row_88_times_that_are_filled_in_later_are_not_news() -> None:
    bare = [event("P"), event("R")]
    assert Stream().all(told(bare), told(events("PR")), told(events("PRC"))) == "P R C2"


def test_another_case_of_the_same_word_is_not_news() -> None:
    lower = [replace(one, status=one.status.lower()) for one in events("PR")]
    assert Stream().all(told(events("PR")), told(lower), told([*lower, event("C", 2)])) == "P0 R1 C2"
    bare = [replace(one, at=None) for one in lower]
    assert Stream().all(told([event("P"), event("R")]), told(bare), told([*bare, event("C")])) == "P R C"
    assert Stream().all(snap("R", 1), replace(snap("R", 1), status="Running")) == "P0 R"


# --- a hole is marked and never filled ----------------------------------------------------------------------


def test_row_84_a_truncated_history_that_overlaps_is_whole() -> None:
    history = events("PRURUC")
    looks = [told(history[max(0, length - 2) : length]) for length in range(1, 7)]
    assert Stream().all(*looks) == "P0 R1 U2 R3 U4 C5"


def test_row_84_a_truncated_history_without_overlap_has_one_hole() -> None:
    history = events("PRURUC")
    assert Stream().all(told(history[:2]), told(history[3:5]), told(history[4:])) == "P0 R1 !R3 U4 C5"


def test_row_84_a_hole_is_not_filled_when_the_history_is_whole_again() -> None:
    history = events("PRURUC")
    stream = Stream()
    assert stream.all(told(history[:1]), told(history[3:4])) == "P0 !R3"
    delivered = stream.all(told(history[:4]), told(history[:5]), told(history))
    assert delivered.replace("!", "") == "U4 C5"


def test_a_truncated_history_may_be_older_than_what_was_delivered() -> None:
    history = events("PRURUC")
    assert Stream().all(told(history[:5]), told(history[1:3]), told(history[:2]), told(history)) == "P0 R1 U2 R3 U4 C5"


def test_row_86_a_rewritten_entry_is_not_delivered_again() -> None:
    rewritten = [event("P", 0), event("R", 1.5), event("C", 3)]
    stream = Stream()
    assert stream.look(told(events("PR"))) == "P0 R1"
    assert stream.look(told(rewritten[:2])).replace("!", "") in {"", "R1.5"}
    assert stream.look(told(rewritten)).replace("!", "") == "C3"
    assert stream.watched.outcome is Outcome.SUCCEEDED


def test_row_86_an_entry_that_turns_up_late_is_not_delivered_out_of_order() -> None:
    late = [event("P", 0), event("U", 0.5), event("R", 1)]
    stream = Stream()
    assert stream.all(told(events("PR")), told(late), told(late)) == "P0 R1"
    assert stream.look(told([*late, event("C", 2)])) == "!C2"


def test_row_85_an_entry_repeated_by_the_server_loses_nothing() -> None:
    twice = [event("P", 0), event("P", 0), event("R", 1)]
    stream = Stream()
    assert stream.all(told(events("PR")), told(twice)) == "P0 R1"
    assert stream.look(told([*twice, event("C", 2)])).replace("!", "") == "C2"


def test_row_85_an_entry_repeated_at_the_end_of_a_history_longer_than_is_remembered_repeats_nothing() -> None:
    stream = Stream()
    history = [event("PR"[number % 2], number) for number in range(150)]
    stream.look(told(history))
    assert stream.look(told([*history, history[60]])) == ""
    assert stream.look(told(history)) == ""
    assert stream.look(told([*history, event("C", 150)])) == "C150"


def test_an_entry_of_the_same_moment_that_cannot_be_put_in_order_is_left_out() -> None:
    assert Stream().all(told(events("PR")), told([event("U", 1), event("C", 2)])) == "P0 R1 !C2"


def test_row_84_truncated_histories_without_times() -> None:
    bare = [event(letter) for letter in "PRURVR"]
    assert Stream().all(told(bare), told(bare[2:5])) == "P R U R V R"
    twice = [event("P"), event("R"), event("R"), event("C")]
    assert Stream().all(told(twice[:3]), told(twice[1:])) == "P R R C"
    assert Stream().all(told([event(letter) for letter in "PRU"]), told([event(letter) for letter in "VURC"])) == (
        "P R U !R C"
    )


def test_row_84_a_history_without_times_that_has_nothing_in_common() -> None:
    stream = Stream()
    assert stream.look(told([event("P"), event("R")])) == "P R"
    assert stream.look(told([event("U"), event("V"), event("C")])) == "!C"


# --- what the status decides --------------------------------------------------------------------------------


def test_an_end_is_held_back_until_the_status_agrees() -> None:
    stream = Stream()
    assert stream.look(told(events("PRC"), "R")) == "P0 R1"
    assert stream.watched.outcome is None
    assert stream.look(told(events("PRC"), "R")) == ""
    assert stream.look(told(events("PRC"))) == "C2"
    assert stream.watched.outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize("status", ["P", "R", "U"])
def test_no_entry_of_a_history_is_an_end_by_itself(status: str) -> None:
    for ended in "CFX":
        stream = Stream()
        stream.look(told(events("PR" + ended), status))
        assert stream.watched.outcome is None
        assert not any(transition.phase.ended for transition in stream.delivered)


def test_row_81_a_failure_that_the_server_retries_is_a_state_like_another() -> None:
    stream = Stream()
    assert stream.all(told(events("PRF"), "R"), told(events("PRFR"))) == "P0 R1 F2 R3"
    assert stream.watched.outcome is None
    assert stream.look(told(events("PRFRC"))) == "C4"
    assert stream.watched.outcome is Outcome.SUCCEEDED


def test_a_second_failure_that_the_history_does_not_tell_yet() -> None:
    assert Stream().all(told(events("PRFR"), "F")) == "P0 R1 F2 R3 F"


def test_an_end_in_other_words_is_told_once() -> None:
    succeeded = replace(told(events("PRC")), status="Succeeded")
    assert Stream().all(succeeded) == "P0 R1 C2"
    assert Stream().all(told(events("PR")), succeeded) == "P0 R1 C2"


def test_row_82_what_the_history_tells_after_the_end_is_left_out() -> None:
    assert Stream().all(told(events("PRCU"), "C")) == "P0 R1 C2"
    assert Stream().all(told(events("PRCF"), "C")) == "P0 R1 C2"


def test_an_end_that_the_history_does_not_tell_is_told_last() -> None:
    stream = Stream()
    assert stream.look(replace(told(events("PR"), "C"), ended_at=at(9))) == "P0 R1 C9"
    assert Stream().all(told(events("PRU"), "C")) == "P0 R1 U2 C"


@pytest.mark.parametrize(
    ("letter", "outcome"), [("C", Outcome.SUCCEEDED), ("F", Outcome.FAILED), ("X", Outcome.CANCELLED)]
)
def test_the_last_transition_is_the_end(letter: str, outcome: Outcome) -> None:
    for history in ("", "P", "PR", "PRF", "PRU", "PRC", "PRCU", "PRFR"):
        stream = Stream()
        stream.look(told(events(history), letter))
        assert stream.watched.outcome is outcome
        assert stream.delivered[-1].phase is WORDS[letter][1]
    stream = Stream()
    stream.look(snap(letter, 1))
    assert stream.watched.outcome is outcome
    assert stream.delivered[-1].phase is WORDS[letter][1]


def test_row_79_an_unknown_word_is_delivered_and_never_an_end() -> None:
    stream = Stream()
    assert stream.all(told(events("PU")), told(events("PUV")), told(events("PUV"))) == "P0 U1 V2"
    assert Stream().all(told(events("PU"), "V"), told(events("PU"), "V")) == "P0 U1 V"
    assert stream.watched.outcome is None
    stream = Stream()
    assert stream.all(snap("P"), snap("U"), snap("U"), snap("V"), snap("R", 1)) == "P0 U V R"
    assert stream.watched.outcome is None


def test_two_words_for_the_same_state_are_two_states_only_if_the_history_says_so() -> None:
    queued = replace(event("P", 0), status="Queued")
    delivered = observe(fresh(), replace(told([queued]), status="PENDING"), NOW, PATIENCE).transitions
    assert [transition.status for transition in delivered] == ["Queued"]


def test_rows_81_82_what_ended_stays_ended() -> None:
    stream = Stream()
    stream.look(told(events("PRC")))
    ended = stream.watched
    others: list[Job | Fault] = [told(events("PRCR")), told(events("PRF")), snap("F", 9), told((), "P")]
    for seen in [*others, *map(fault, FaultKind)]:
        assert observe(ended, seen, NOW + 1e6, PATIENCE) == Observed(ended)


# --- replies that are older than one already seen -----------------------------------------------------------


def test_row_80_a_lagging_replica_changes_nothing() -> None:
    stream = Stream()
    assert stream.look(told(events("PR"), updated=1)) == "P0 R1"
    before = stream.watched
    assert stream.look(told(events("P"), updated=0)) == ""
    assert (stream.watched.status, stream.watched.phase, stream.watched.updated_at) == (
        "RUNNING",
        Phase.RUNNING,
        NOW + 1,
    )
    assert stream.watched.entered_at == before.entered_at
    assert stream.watched.looks == before.looks + 1
    assert stream.look(told(events("PR"))) == ""
    assert stream.look(told(events("PRU"), updated=0.5)) == ""
    assert stream.look(told(events("PRC"), updated=2)) == "C2"


def test_row_80_a_lagging_replica_without_times_of_change() -> None:
    stream = Stream()
    assert stream.all(told(events("PRU")), told(events("P")), told(events("PR")), told(events("PRU"))) == "P0 R1 U2"
    assert stream.look(told(events("PRUC"))) == "C3"


def test_row_80_a_lagging_snapshot_changes_nothing() -> None:
    stream = Stream()
    running = snap("R", 1, started=1, updated=1)
    assert stream.all(running, snap("P", 0, updated=0), snap("P", 0, updated=1), running) == "P0 R1"
    assert stream.all(snap("C", 1, started=1, ended=5, updated=5)) == "C5"


def test_row_80_a_lagging_snapshot_without_times_of_change_shows_in_its_attempts() -> None:
    assert Stream().all(snap("R", 2, started=5), snap("R", 1, started=1), snap("P", 1), snap("C", 2, started=5)) == (
        "P0 !R5 C"
    )


def test_an_older_reply_ends_a_row_of_faults() -> None:
    stream = Stream()
    stream.all(told(events("PR"), updated=1), fault(FaultKind.UNREACHABLE), told(events("P"), updated=0))
    assert (stream.watched.fault, stream.watched.faults, stream.watched.failing_since) == (None, 0, None)


# --- an API without a history -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seen", "delivered"),
    [
        (snap("P", 0), "P0"),
        (snap("P", created=None), "P"),
        (snap("R", 1, started=1), "P0 R1"),
        (snap("R", 1), "P0 R"),
        (snap("R", 1, created=None, started=1), "!R1"),
        (snap("R", created=None), "!R"),
        (snap("C", 1, started=1, ended=2), "P0 R1 C2"),
        (snap("C", 1, ended=2), "P0 !C2"),
        (snap("C", 1, created=None), "!C"),
        (snap("F", 1, started=1, ended=2), "P0 R1 F2"),
        (snap("F", 0, ended=2), "P0 !F2"),
        (snap("X"), "P0 !X"),
        # attempts that nobody saw lie before the one whose start is told
        (snap("R", 3, started=9), "P0 !R9"),
        (snap("C", 3, started=9, ended=10), "P0 !R9 C10"),
        (snap("F", 3, ended=10), "P0 !F10"),
        # it ran, and waits again: the creation dates the first pending, not this one
        (snap("P", 1, started=1), "P0 R1 P"),
        (snap("P", 2, started=5), "P0 !R5 P"),
        (snap("U", 1, started=1), "P0 R1 U"),
        (snap("U"), "P0 U"),
    ],
)
def test_row_96_a_snapshot_first_seen(seen: Job, delivered: str) -> None:
    assert Stream().look(seen) == delivered


@pytest.mark.parametrize(
    ("looks", "delivered"),
    [
        ([snap("P", 0), snap("R", 1, started=1), snap("C", 1, started=1, ended=2)], "P0 R1 C2"),
        ([snap("P", 0), snap("R", 1, started=1), snap("F", 1, started=1, ended=2)], "P0 R1 F2"),
        ([snap("P", 0), snap("C", 1, started=1, ended=2)], "P0 R1 C2"),
        ([snap("P", 0), snap("C", 1, ended=2)], "P0 !C2"),
        ([snap("P", 0), snap("R", 0), snap("R", 1), snap("C", 1)], "P0 R C"),
        # requeued
        ([snap("R", 1, started=1), snap("P", 1, started=1), snap("R", 2, started=5)], "P0 R1 P R5"),
        ([snap("R", 1, started=1), snap("P", 1), snap("R", 2, started=5)], "P0 R1 P R5"),
        ([snap("P", 0), snap("P", 1, started=1), snap("R", 2, started=5)], "P0 R1 P R5"),
        ([snap("P", 1), snap("P", 2), snap("R", 3)], "P0 !P R"),
        ([snap("P", 0), snap("P", 2), snap("R", 3)], "P0 !P R"),
        ([snap("P", 0), snap("P", 1), snap("R", 2)], "P0 !R"),
        # the first attempt may be counted a little before or after it starts
        ([snap("P", 0), snap("P", 1), snap("R", 1, started=1)], "P0 R1"),
        # a rising attempt means that it failed and waited in between
        ([snap("R", 1, started=1), snap("R", 2, started=5)], "P0 R1 !R5"),
        ([snap("R", 1, started=1), snap("R", 2, started=1)], "P0 R1 !R"),
        ([snap("R", 1), snap("R", 2), snap("R", 2)], "P0 R !R"),
        ([snap("R", 1, started=1), snap("R", 4, started=9)], "P0 R1 !R9"),
        ([snap("R", started=1), snap("R", started=5)], "P0 R1 !R5"),
        # and so does an end with more attempts than were seen: the hole lies before the last of them
        ([snap("R", 1, started=1), snap("C", 2, started=5, ended=6)], "P0 R1 !R5 C6"),
        ([snap("R", 1, started=1), snap("C", 3, started=9, ended=10)], "P0 R1 !R9 C10"),
        ([snap("R", 1, started=1), snap("F", 2, started=1, ended=6)], "P0 R1 !F6"),
        ([snap("P", 0), snap("C", 2, started=5, ended=6)], "P0 !R5 C6"),
        ([snap("P", 0), snap("R", 2, started=5)], "P0 !R5"),
        ([snap("R", 1), snap("R", 2, started=5)], "P0 R !R5"),
        ([snap("R", 1), snap("C", 2, started=5, ended=6)], "P0 R !R5 C6"),
        # a start that is told late is the start of the run already seen
        ([snap("R", 1), snap("R", 1, started=1), snap("C", 1, started=1, ended=2)], "P0 R C2"),
        ([snap("R", 1), snap("C", 1, started=1, ended=2)], "P0 R C2"),
        # a creation that is told late is no news, and comes before what was delivered
        ([snap("R", 1, created=None), snap("C", 1, started=1, ended=2)], "!R C2"),
        ([snap("P", created=None), snap("R", 1, started=1)], "P R1"),
        # nothing new
        ([snap("R", 1, started=1)] * 5, "P0 R1"),
        ([snap("P", 1, started=1)] * 5, "P0 R1 P"),
        ([snap("P", 0, updated=0), snap("P", 0, updated=1), snap("P", 0, updated=2)], "P0"),
    ],
)
def test_row_96_snapshots_in_a_row(looks: list[Job], delivered: str) -> None:
    assert Stream().all(*looks) == delivered


def test_the_last_attempt_the_start_and_the_change_are_kept() -> None:
    stream = Stream()
    stream.look(replace(snap("R", 2, started=1, updated=3), type="project.backup", project_id="prj_1", progress=0.5))
    watched = stream.watched
    assert (watched.attempt, watched.started_at, watched.updated_at) == (2, NOW + 1, NOW + 3)
    assert (watched.type, watched.project_id, watched.progress) == ("project.backup", "prj_1", 0.5)
    assert (watched.status, watched.phase, watched.looks, watched.added_at) == ("running", Phase.RUNNING, 1, NOW + 1001)
    stream.look(snap("R", 2, started=1, updated=3))
    assert (stream.watched.type, stream.watched.project_id) == ("project.backup", "prj_1")


# --- when the present phase began ---------------------------------------------------------------------------


def test_the_phase_began_when_the_server_says() -> None:
    first = observe(fresh(), told(events("PR")), NOW + 10, PATIENCE).watched
    assert first.entered_at == NOW + 1
    later = observe(first, told(events("PR")), NOW + 100, PATIENCE).watched
    assert later.entered_at == NOW + 1
    again = told([*events("PR"), event("R", 99)])
    assert observe(first, again, NOW + 100, PATIENCE).watched.entered_at == NOW + 99
    assert observe(later, told(events("PRU")), NOW + 101, PATIENCE).watched.entered_at == NOW + 100


def test_rows_89_90_a_server_whose_clock_is_wrong_cannot_move_the_phase_beyond_the_looks() -> None:
    first = observe(fresh(), told(events("P")), NOW - 500, PATIENCE).watched
    assert first.entered_at == NOW - 500  # told to begin in 500 s
    second = observe(first, told([event("P", 0), event("R", -1e6)]), NOW - 400, PATIENCE).watched
    assert second.entered_at == NOW - 500
    third = observe(second, told([event("P", 0), event("R", -1e6), event("U", 1e6)]), NOW - 300, PATIENCE).watched
    assert third.entered_at == NOW - 300
    skewed = observe(fresh(), told(events("P")), NOW - 500, PATIENCE, skew=600.0).watched
    assert skewed.entered_at == NOW - 600


# --- looks that failed --------------------------------------------------------------------------------------


def failing(
    kind: FaultKind, *, seen_before: bool, every: float = 1.0, patience: Patience = PATIENCE
) -> tuple[float, int]:
    """Return after how many seconds and looks of nothing but one fault the watch is given up."""
    stream = Stream(patience)
    if seen_before:
        stream.look(told(events("PR")))
    began = stream.now
    for looks in range(1, 2000):
        stream.look(fault(kind), every)
        if stream.watched.outcome is not None:
            return stream.now - began - every, looks
    raise AssertionError("never given up")


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        (FaultKind.AUTH, Outcome.AUTH),
        (FaultKind.GONE, Outcome.NOT_FOUND),
        (FaultKind.TLS, Outcome.UNREACHABLE),
        (FaultKind.REFUSED, Outcome.UNREADABLE),
    ],
)
def test_rows_14_28_29_33_35_some_faults_end_the_watch_at_once(kind: FaultKind, outcome: Outcome) -> None:
    befores: list[list[Job | Fault]] = [[], [fault(FaultKind.UNREACHABLE)]]
    befores += [] if kind in REFUSALS else [[told(events("PR"))]]
    for before in befores:
        stream = Stream()
        stream.all(*before, fault(kind))
        assert stream.watched.outcome is outcome
        assert stream.watched.fault == fault(kind)


@pytest.mark.parametrize("kind", [FaultKind.AUTH, FaultKind.REFUSED])
def test_rows_28_33_a_refusal_after_a_good_look_is_believed_when_others_confirm_it(kind: FaultKind) -> None:
    assert failing(kind, seen_before=True) == (10.0, 11)
    seconds, looks = failing(kind, seen_before=True, every=0.1)
    assert seconds == pytest.approx(10.0, abs=0.11)
    assert looks in {101, 102}
    assert failing(kind, seen_before=True, every=60.0) == (120.0, 3)


def test_row_33_a_good_look_and_any_other_fault_end_a_row_of_refusals() -> None:
    for between in (told(events("PR")), fault(FaultKind.UNREACHABLE), fault(FaultKind.NOT_FOUND)):
        stream = Stream()
        stream.all(told(events("PR")), *[fault(FaultKind.AUTH)] * 10, between, *[fault(FaultKind.REFUSED)] * 10)
        assert stream.watched.outcome is None
        stream.look(fault(FaultKind.REFUSED))
        assert stream.watched.outcome is Outcome.UNREADABLE


def test_row_33_refusals_of_both_kinds_are_one_row() -> None:
    stream = Stream()
    stream.all(told(events("PR")), *[fault(FaultKind.AUTH), fault(FaultKind.REFUSED)] * 5)
    assert (stream.watched.refused, stream.watched.outcome) == (10, None)
    stream.look(fault(FaultKind.AUTH))
    assert stream.watched.outcome is Outcome.AUTH


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        (FaultKind.UNREACHABLE, Outcome.UNREACHABLE),
        (FaultKind.RATE_LIMITED, Outcome.UNREACHABLE),
        (FaultKind.UNREADABLE, Outcome.UNREADABLE),
    ],
)
@pytest.mark.parametrize("seen_before", [False, True])
def test_rows_1_8_34_39_other_faults_have_patience(kind: FaultKind, outcome: Outcome, seen_before: bool) -> None:
    assert failing(kind, seen_before=seen_before) == (300.0, 301)
    assert failing(kind, seen_before=seen_before, patience=Patience(unreachable_after=0.0)) == (0.0, 1)
    stream = Stream(Patience(unreachable_after=0.0))
    stream.look(fault(kind))
    assert stream.watched.outcome is outcome


def test_row_34_no_fault_is_ever_the_jobs_own_end() -> None:
    for kind in FaultKind:
        for patience in (PATIENCE, Patience(unreachable_after=0.0, appear_within=0.0)):
            stream = Stream(patience)
            assert stream.all(told(events("PR")), *[fault(kind)] * 400) == "P0 R1"
            assert stream.watched.outcome in {
                Outcome.AUTH,
                Outcome.NOT_FOUND,
                Outcome.UNREACHABLE,
                Outcome.UNREADABLE,
            }
            assert (stream.watched.status, stream.watched.phase) == ("RUNNING", Phase.RUNNING)


def test_one_good_look_starts_the_patience_anew() -> None:
    stream = Stream()
    for _ in range(10):
        stream.look(fault(FaultKind.UNREACHABLE))
        stream.look(fault(FaultKind.UNREACHABLE), 299.0)
        stream.look(told(events("PR")))
    assert stream.watched.outcome is None
    assert (stream.watched.faults, stream.watched.fault, stream.watched.failing_since) == (0, None, None)
    assert stream.watched.looks == 30


def test_row_31_a_job_that_was_never_there_has_a_moment_to_appear() -> None:
    assert failing(FaultKind.NOT_FOUND, seen_before=False) == (10.0, 11)
    assert failing(FaultKind.NOT_FOUND, seen_before=False, patience=Patience(appear_within=0.0)) == (0.0, 1)
    stream = Stream()
    assert stream.all(*[fault(FaultKind.NOT_FOUND)] * 9, told(events("P"))) == "P0"
    assert (stream.watched.missing, stream.watched.missing_since, stream.watched.outcome) == (0, None, None)


def test_row_31_the_moment_to_appear_begins_when_the_api_first_says_that_it_knows_no_such_job() -> None:
    stream = Stream()
    stream.all(*[fault(FaultKind.UNREACHABLE)] * 30)
    stream.all(*[fault(FaultKind.NOT_FOUND)] * 9)
    assert stream.watched.outcome is None
    assert stream.all(told(events("P"))) == "P0"


def test_row_31_other_faults_do_not_put_off_the_end_of_a_job_that_was_never_there() -> None:
    stream = Stream()
    began = stream.now
    kinds = itertools.cycle([FaultKind.NOT_FOUND, FaultKind.UNREACHABLE, FaultKind.UNREADABLE])
    while stream.watched.outcome is None:
        stream.look(fault(next(kinds)))
    assert stream.watched.outcome is Outcome.NOT_FOUND
    assert 10.0 <= stream.now - began <= 13.0
    stream = Stream()
    stream.look(fault(FaultKind.NOT_FOUND))
    stream.look(fault(FaultKind.UNREACHABLE), 20.0)
    assert stream.watched.outcome is None, "it was not asked again yet"
    assert (stream.watched.missing, stream.watched.missing_since) == (0, stream.now - 20.0)
    assert patience_ends_at(stream.watched, PATIENCE) == stream.now + 280.0
    stream.look(fault(FaultKind.NOT_FOUND))
    assert stream.watched.outcome is Outcome.NOT_FOUND


def test_row_32_a_job_that_was_there_is_gone_only_when_confirmed() -> None:
    assert failing(FaultKind.NOT_FOUND, seen_before=True) == (10.0, 11)
    assert failing(FaultKind.NOT_FOUND, seen_before=True, every=60.0) == (120.0, 3)
    assert failing(FaultKind.NOT_FOUND, seen_before=True, every=5.0) == (10.0, 3)


def test_row_32_trouble_before_a_404_does_not_confirm_it() -> None:
    stream = Stream()
    stream.all(told(events("PR")), *[fault(FaultKind.UNREACHABLE)] * 100, fault(FaultKind.NOT_FOUND))
    assert stream.watched.outcome is None
    assert (stream.watched.missing, stream.watched.faults) == (1, 101)


def test_faults_that_alternate_do_not_stretch_the_patience() -> None:
    stream = Stream()
    stream.look(told(events("PR")))
    began = stream.now
    kinds = itertools.cycle([FaultKind.UNREACHABLE, FaultKind.NOT_FOUND, FaultKind.UNREADABLE])
    while stream.watched.outcome is None and stream.now < began + 1000:
        stream.look(fault(next(kinds)))
    assert 300 < stream.now - began <= 303


def test_row_51_a_server_that_asks_for_more_patience_than_there_is() -> None:
    for kind in (FaultKind.RATE_LIMITED, FaultKind.UNREACHABLE):
        stream = Stream()
        stream.look(fault(kind, 300.0))
        assert stream.watched.outcome is None
        stream = Stream()
        stream.look(fault(kind, 301.0))
        assert stream.watched.outcome is Outcome.UNREACHABLE


def test_the_end_of_patience_can_be_foretold() -> None:
    stream = Stream()
    assert patience_ends_at(stream.watched, PATIENCE) == float("inf")
    stream.look(fault(FaultKind.NOT_FOUND))
    assert patience_ends_at(stream.watched, PATIENCE) == stream.now + 10.0
    stream.look(fault(FaultKind.UNREACHABLE))
    assert patience_ends_at(stream.watched, PATIENCE) == stream.now + 299.0
    stream.look(told(events("PR")))
    assert patience_ends_at(stream.watched, PATIENCE) == float("inf")
    stream.look(fault(FaultKind.UNREACHABLE), 50)
    stream.look(fault(FaultKind.NOT_FOUND), 50)
    assert patience_ends_at(stream.watched, PATIENCE) == stream.now + 10.0


# --- a server whose clock is set back --------------------------------------------------------------------------


def test_rows_80_90_an_end_with_an_older_stamp_is_believed_when_it_is_all_that_is_ever_told() -> None:
    stream = Stream()
    assert stream.look(snap("R", started=0, updated=50)) == "P0 R0"
    assert stream.look(snap("C", started=0, ended=2, updated=2), 5.0) == ""
    assert stream.watched.outcome is None
    assert (stream.watched.status, stream.watched.updated_at) == ("running", at(50).timestamp())
    assert stream.look(snap("C", started=0, ended=2, updated=2), 30.0) == ""
    assert stream.look(fault(FaultKind.UNREACHABLE), 10.0) == "", "which says nothing of it"
    assert stream.look(snap("C", started=0, ended=2, updated=2), 19.0) == ""
    assert stream.watched.outcome is None
    assert stream.look(snap("C", started=0, ended=2, updated=2), 1.0) == "C2"
    assert stream.watched.outcome is Outcome.SUCCEEDED
    assert stream.watched.doubted is None


def test_row_80_an_old_end_takes_more_than_one_look_however_late_that_is() -> None:
    stream = Stream()
    stream.look(snap("R", started=0, updated=50))
    stream.look(snap("F", started=0, updated=2))
    stream.look(snap("F", started=0, updated=2), 1e4)
    assert stream.watched.outcome is None
    stream.look(snap("F", started=0, updated=2))
    assert stream.watched.outcome is Outcome.FAILED


@pytest.mark.parametrize("between", [snap("R", started=0, updated=50), snap("F", started=0, updated=3)])
def test_row_80_an_old_end_that_is_not_told_by_every_look_is_a_lagging_replicas(between: Job) -> None:
    stream = Stream()
    stream.look(snap("R", started=0, updated=50))
    for _ in range(20):
        assert stream.all(*[snap("C", started=0, updated=2)] * 2) == ""
        assert stream.look(between, 40.0) == ""
    assert stream.watched.outcome is None


@pytest.mark.parametrize("old", [snap("C", 1, started=5, updated=9), snap("C", 2, started=5, updated=9)])
def test_row_80_the_end_of_an_earlier_attempt_is_never_believed(old: Job) -> None:
    stream = Stream()
    stream.look(snap("R", 2, started=10, updated=50))
    assert stream.all(*[old] * 200) == ""
    assert stream.watched.outcome is None


def test_rows_80_90_a_history_that_goes_on_to_an_end_is_newer_whatever_the_clock_says() -> None:
    stream = Stream()
    assert stream.look(told(events("PR"), updated=50)) == "P0 R1"
    assert stream.look(told((*events("PR"), event("C", -5)), updated=2)) == "C-5"
    assert stream.watched.outcome is Outcome.SUCCEEDED


def test_rows_80_81_an_end_that_was_delivered_with_what_came_after_it_is_old() -> None:
    stream = Stream()
    assert stream.look(told(events("PRFR"), updated=50)) == "P0 R1 F2 R3"
    assert stream.all(*[told(events("PRF"), updated=2)] * 200) == ""
    assert stream.watched.outcome is None


# --- a history that falls behind after the status was ahead of it -------------------------------------------------


def test_a_history_that_is_older_than_what_was_delivered_tells_nothing_new() -> None:
    stream = Stream()
    assert stream.look(told((), "R")) == "!R"
    assert stream.look(told(events("PRPRPRP"))) == "!P6"
    assert stream.look(told(events("P"), "R")) == "R"
    assert stream.look(told(events("PRPRPR"))) == ""
    assert stream.look(told(events("PRPRPRPRC"))) == "C8"


def test_a_history_without_an_end_to_match_the_status_is_held_to_be_an_old_part() -> None:
    stream = Stream()
    untimed = [Event(each.status, each.phase) for each in events("PRP")]
    assert stream.look(told(untimed)) == "P R P"
    assert stream.look(told(events("PR"), "P")) == ""
    assert stream.look(told(events("PRPR"))) == "R3"


def test_a_history_that_falls_behind_within_one_second_repeats_nothing() -> None:
    stream = Stream()
    moments = [event(letter, second) for letter, second in zip("PUPVPU", (0, 1, 1, 1, 1, 1), strict=True)]
    assert stream.look(told(moments)) == "P0 U1 P1 V1 P1 U1"
    assert stream.look(told(moments[:4], "U")) == ""
    assert stream.look(told((*moments, event("C", 2)))) == "C2"
    stream = Stream()
    moments = [event(letter, 0) for letter in "PRPR"] + [Event("pending", Phase.PENDING, at(0))]
    assert stream.look(told(moments)) == "P0 R0 P0 R0 P0"
    assert stream.look(told(moments[:3], "C")) == "!C"


# --- against the truth --------------------------------------------------------------------------------------
#
# A history is made up, looks are shown parts of it, and what was delivered is held against the history itself.


@st.composite
def truths(draw: st.DrawFn, least: float = 0.0) -> list[Event]:
    """Return a whole history: states in any order, then an end; each so many seconds after the one before."""
    letters = draw(st.lists(st.sampled_from("PRUVF"), max_size=12))
    letters.append(draw(st.sampled_from("CFX")))
    seconds = itertools.accumulate(draw(st.lists(st.sampled_from([least, 0.5, 1, 60]), min_size=13, max_size=13)))
    return [event(letter, second) for letter, second in zip(letters, seconds, strict=False)]


def check(stream: Stream, truth: Sequence[Event], shown_to: Sequence[range]) -> None:
    """Hold what was delivered against the truth, of which each look showed a range."""
    expected: list[tuple[str, datetime | None, bool]] = []
    reached = 0
    for part in shown_to:
        for place in part:
            if place >= reached:
                # Without anything in common with what was delivered, nothing tells that nothing is missing.
                expected.append((truth[place].status, truth[place].at, bool(expected) and place == part.start))
                reached = place + 1
    assert [(one.status, one.at, one.gap) for one in stream.delivered] == expected
    assert [one.seq for one in stream.delivered] == list(range(1, len(expected) + 1))
    assert [one.seen_at for one in stream.delivered] == sorted(one.seen_at for one in stream.delivered)


@given(truths(), st.data())
def test_every_growing_history_is_delivered_whole(truth: list[Event], data: st.DataObject) -> None:
    stream = Stream()
    ends = sorted(data.draw(st.lists(st.integers(1, len(truth) - 1), max_size=6)) if len(truth) > 1 else [])
    ranges = [range(end) for end in ends]
    for part in ranges:
        held = truth[: part.stop]
        while held and held[-1].phase.ended:
            held = held[:-1]  # these are held back: the status of a job that goes on does not agree
        stream.look(told(truth[: part.stop], "R" if held and held[-1].phase is Phase.RUNNING else "U"))
    stream.look(told(truth))
    told_by_status = [one for one in stream.delivered if one.at is None]
    stream.delivered = [one for one in stream.delivered if one.at is not None]
    if not told_by_status:
        check(stream, truth, [range(len(truth))])
    assert stream.watched.outcome is not None


@given(truths(least=0.25), st.data())
def test_lagging_and_truncated_histories_are_delivered_in_order_with_their_holes(
    truth: list[Event], data: st.DataObject
) -> None:
    truth = [one for one in truth[:-1] if not one.phase.ended] + truth[-1:]
    stream = Stream()
    kept = data.draw(st.integers(1, len(truth)), label="entries kept by the server")
    ends = data.draw(st.lists(st.integers(1, len(truth)), max_size=8), label="how far each replica is")
    ranges: list[range] = []
    for end in [*ends, len(truth)]:
        part = range(max(0, end - kept), end)
        if not stream.watched.outcome:
            ranges.append(part)
        stream.look(told([truth[place] for place in part]))
    check(stream, truth, ranges)
    assert stream.watched.outcome is not None


@given(truths(), st.data())
def test_whatever_is_shown_nothing_is_invented_and_nothing_raised(truth: list[Event], data: st.DataObject) -> None:
    stream = Stream()
    for _ in range(data.draw(st.integers(1, 6))):
        part = data.draw(st.lists(st.sampled_from(truth), max_size=8))
        times = data.draw(st.sampled_from(["all", "none", "some"]))
        if times != "all":
            part = [replace(one, at=None) if times == "none" or data.draw(st.booleans()) else one for one in part]
        status = data.draw(st.sampled_from("PRUCFX"))
        updated = data.draw(st.none() | st.integers(0, 3))
        before = stream.watched
        delivered = len(stream.delivered)
        stream.look(told(part, status, updated))
        words = {one.status for one in part} | {WORDS[status][0]}
        assert {one.status for one in stream.delivered[delivered:]} <= words
        if before.outcome is not None:
            assert stream.watched == before
        elif stream.watched.outcome is not None:
            assert stream.delivered[-1].phase is WORDS[status][1]
            assert stream.watched.outcome.value == WORDS[status][1].value
    assert [one.seq for one in stream.delivered] == list(range(1, len(stream.delivered) + 1))


class Truth(msgspec.Struct, frozen=True):
    """One state of a job that tells no history, and what the API says in it."""

    letter: str
    attempt: int
    started: float | None
    second: float


@st.composite
def lives(draw: st.DrawFn) -> list[Truth]:
    """Return every state of a CapyDB job: attempts that end in another wait, and at last in an end."""
    states = [Truth("P", 0, None, 0.0)]
    second = 0.0
    keeps_start = draw(st.booleans())
    for attempt in range(1, draw(st.integers(1, 4)) + 1):
        if attempt > 1:
            second += draw(st.sampled_from([1.0, 60.0]))
            states.append(Truth("P", attempt - 1, states[-1].started if keeps_start else None, second))
        second += draw(st.sampled_from([1.0, 60.0]))
        states.append(Truth("R", attempt, second, second))
    second += 1.0
    return [*states, Truth(draw(st.sampled_from("CF")), states[-1].attempt, states[-1].started, second)]


def snapshot(truth: Truth, *, updated: bool) -> Job:
    return snap(
        truth.letter,
        truth.attempt,
        started=truth.started,
        ended=truth.second if truth.letter in "CF" else None,
        updated=truth.second if updated else None,
    )


@given(lives(), st.data())
def test_snapshots_deliver_what_they_prove_and_mark_what_they_do_not(life: list[Truth], data: st.DataObject) -> None:
    stream = Stream()
    updated = data.draw(st.booleans())
    places = data.draw(st.lists(st.integers(0, len(life) - 2), max_size=8))
    if not updated:
        places.sort()  # nothing tells a lagging reply from a job that waits again
    first = life[[*places, len(life) - 1][0]]
    assume(first.letter != "P" or first.attempt == 0 or first.started is not None)  # looks as if it never ran
    # Each delivered state is found in the life after the one before it, the last of a look being the one it was shown,
    # and a hole is marked exactly where one is left out.
    reached = -1
    for shown_place in [*places, len(life) - 1]:
        delivered = len(stream.delivered)
        stream.look(snapshot(life[shown_place], updated=updated))
        new = stream.delivered[delivered:]
        for one in new:
            assert one.at is not None or one is new[-1]
            dated = (place for place, truth in enumerate(life) if one.at == at(truth.second))
            place = shown_place if one is new[-1] else next(dated)
            assert one.status[0].upper() == life[place].letter
            assert one.at in {None, at(life[place].second)}
            assert place > reached, (shown(stream.delivered), life)
            assert one.gap == (place > reached + 1), (shown(stream.delivered), life)
            reached = place
    assert reached == len(life) - 1
    assert stream.watched.outcome is not None


@given(lives())
def test_a_life_seen_state_by_state_is_delivered_whole(life: list[Truth]) -> None:
    stream = Stream()
    for truth in life:
        stream.look(snapshot(truth, updated=True))
        stream.look(snapshot(truth, updated=True))
    assert [one.status[0].upper() for one in stream.delivered] == [truth.letter for truth in life]
    assert not any(one.gap for one in stream.delivered)


# --- what is remembered -------------------------------------------------------------------------------------


def test_what_is_watched_stays_small_and_goes_through_json() -> None:
    stream = Stream()
    stream.look(told([event("PR"[second % 2], second) for second in range(1000)]))
    assert len(stream.watched.delivered) == 64
    assert stream.watched.delivered[-1] == Fingerprint("RUNNING", NOW + 999)
    assert len(msgspec.json.encode(stream.watched)) < 4096
    assert len(msgspec.json.encode(fresh())) < 64


def test_a_watch_begun_by_an_older_version_is_read() -> None:
    old = b'{"job_id":"job_1","api":"bedrock","seq":1,"delivered":[["PENDING",1718614500.0]],"unheard_of":1}'
    watched = msgspec.json.decode(old, type=Watched)
    assert shown(observe(watched, told(events("PRC")), NOW, PATIENCE).transitions) == "R1 C2"


# --- what a history looks like when it is not the one that was told before ----------------------------------------


def bare(letters: str) -> list[Event]:
    """Return one event a letter, without a time."""
    return [event(letter) for letter in letters]


def test_a_state_that_only_the_status_told_of_is_no_hole_in_the_history() -> None:
    looks = told(events("PR"), "U"), told([*events("PR"), event("V", 2)])
    assert Stream().all(*looks) == "P0 R1 U V2"
    assert Stream().all(told(events("P"), "R"), told([event("P", 0), event("V", 2)])) == "P0 R V2"


def test_a_state_that_the_status_told_of_first_is_known_again_in_a_history_cut_short() -> None:
    assert Stream().all(told(events("PR"), "U"), told([event("R", 1), event("U", 2), event("V", 3)])) == "P0 R1 U V3"


def test_a_state_before_the_last_dated_one_may_be_entered_again() -> None:
    looks = told([event("P")]), told([event("P"), event("R", 1)]), told([event("R", 1), event("P", 2), event("R", 3)])
    assert Stream().all(*looks) == "P R1 P2 R3"


def test_a_beginning_that_was_rewritten_marks_what_follows() -> None:
    assert Stream().all(told(events("PR")), told([event("V", 0), event("R", 1), event("C", 2)])) == "P0 R1 !C2"


def test_a_word_without_a_time_is_no_proof_of_its_place() -> None:
    assert Stream().all(told(events("PR"), "U"), told([event("U", 5), event("V", 6)])) == "P0 R1 U !V6"


def test_where_no_times_are_told_one_word_in_common_is_enough() -> None:
    assert Stream().all(told(bare("PRU")), told(bare("UV"))) == "P R U V"


def test_an_old_part_of_a_history_without_times_is_no_news() -> None:
    assert Stream().all(told(bare("PURVR")), told(bare("URV"))) == "P U R V R"


def test_a_history_without_times_that_was_rewritten_goes_on_after_the_last_word_delivered() -> None:
    assert Stream().all(told(bare("PR")), told(bare("UVR"))) == "P R"
    assert Stream().all(told(bare("PRU")), told(bare("VUP"))) == "P R U !P"


def test_an_entry_that_the_server_says_again_is_not_delivered_again() -> None:
    assert Stream().all(told(events("PR")), told([*events("PR"), event("P", 0), event("U", 2)])) == "P0 R1 U2"


def test_a_state_seen_before_is_news_when_the_status_says_that_it_came_back() -> None:
    assert Stream().all(told(events("PU")), told([event("R", 2)], "U")) == "P0 U1 !R2 U"


def test_a_state_that_is_no_end_is_not_dated_by_the_end_of_an_earlier_attempt() -> None:
    assert Stream().all(replace(told(events("P"), "R"), ended_at=at(9))) == "P0 R"


def test_a_phase_that_began_at_the_very_look_before_is_dated_there() -> None:
    first = observe(fresh(), told(events("P")), NOW + 10, PATIENCE).watched
    second = observe(first, told([event("P", 0), event("R", 10)]), NOW + 100, PATIENCE).watched
    assert second.entered_at == NOW + 10


def test_a_lagging_reply_is_a_good_look_all_the_same() -> None:
    stream = Stream()
    stream.all(told(events("PR"), updated=1), told(events("P"), updated=0))
    assert stream.watched.looked_at == stream.now


def test_a_patience_of_less_than_a_second_is_not_used_up_at_once() -> None:
    stream = Stream(Patience(unreachable_after=0.5))
    stream.look(fault(FaultKind.UNREACHABLE))
    assert stream.watched.outcome is None
    stream.look(fault(FaultKind.UNREACHABLE), 0.5)
    assert stream.watched.outcome is Outcome.UNREACHABLE


def test_the_patience_with_a_job_that_is_gone_starts_anew_after_another_fault() -> None:
    stream = Stream()
    stream.all(told(events("PR")), fault(FaultKind.NOT_FOUND))
    stream.look(fault(FaultKind.UNREACHABLE), 20.0)
    stream.all(*[fault(FaultKind.NOT_FOUND)] * 3)
    assert stream.watched.outcome is None, "seen to be gone for two seconds"
    stream.look(fault(FaultKind.NOT_FOUND), 8.0)
    assert stream.watched.outcome is Outcome.NOT_FOUND


@pytest.mark.parametrize("appear_within", [0.0, 1000.0])
def test_how_long_a_job_may_take_to_appear_says_nothing_of_one_that_was_seen(appear_within: float) -> None:
    stream = Stream(Patience(appear_within=appear_within))
    stream.all(told(events("PR")), *[fault(FaultKind.NOT_FOUND)] * 10)
    assert stream.watched.outcome is None
    stream.look(fault(FaultKind.NOT_FOUND))
    assert stream.watched.outcome is Outcome.NOT_FOUND


def test_a_row_of_refusals_is_dated_only_while_it_lasts() -> None:
    stream = Stream()
    assert stream.watched.refused_since is None
    stream.look(told(events("P")))
    stream.look(fault(FaultKind.REFUSED))
    assert stream.watched.refused_since == stream.now
    stream.look(fault(FaultKind.UNREACHABLE))
    assert stream.watched.refused_since is None
    stream.all(fault(FaultKind.AUTH), told(events("P")))
    assert stream.watched.refused_since is None


def test_a_refusal_of_a_job_never_seen_leaves_no_patience() -> None:
    refused = observe(fresh(), fault(FaultKind.AUTH), NOW, PATIENCE).watched
    assert patience_ends_at(refused, PATIENCE) == NOW


# --- an end that looks older than what is known --------------------------------------------------------------------


def test_a_longer_history_with_another_beginning_is_not_newer_for_its_length() -> None:
    stream = Stream()
    stream.look(told(events("PR"), updated=50))
    rewritten = [event("V", 0), event("U", 1), event("R", 2), event("C", 3)]
    assert stream.look(told(rewritten, updated=2)) == ""
    assert stream.watched.outcome is None


def test_a_failure_before_the_attempt_that_goes_on_is_old_in_whatever_order_its_moment_is_told() -> None:
    stream = Stream()
    entries = [event("P", 0), event("R", 1), event("F", 2), event("R", 2)]
    assert stream.look(told(entries, updated=50)) == "P0 R1 F2 R2"
    assert stream.all(*[told([*entries[:2], entries[3], entries[2]], updated=2)] * 200) == ""
    assert stream.watched.outcome is None


def test_an_old_failure_that_is_all_that_a_history_tells_is_never_believed() -> None:
    stream = Stream()
    assert stream.look(told(events("FR"), updated=50)) == "F0 R1"
    assert stream.all(*[told(events("F"), updated=2)] * 200) == ""
    assert stream.watched.outcome is None


def test_the_end_of_a_rewritten_history_is_believed_after_a_while_though_its_clock_was_set_back() -> None:
    stream = Stream()
    assert stream.look(told(events("PR"), updated=50)) == "P0 R1"
    rewritten = told([event("V", 0), event("R", 1), event("C", 2)], updated=2)
    assert stream.all(*[rewritten] * 60) == ""
    assert stream.look(rewritten) == "!C2"
    assert stream.watched.outcome is Outcome.SUCCEEDED


def test_an_end_before_the_attempt_that_is_known_is_never_believed() -> None:
    stream = Stream()
    stream.look(snap("R", 1, started=10, updated=50))
    assert stream.all(*[snap("F", 0, updated=9)] * 200) == ""
    assert stream.watched.outcome is None


@pytest.mark.parametrize(("known", "told_by_the_end"), [(2, None), (2, 2), (0, 0), (None, 0), (None, None)])
def test_an_end_of_no_earlier_attempt_is_believed_after_a_while(known: int | None, told_by_the_end: int | None) -> None:
    stream = Stream()
    stream.look(snap("R", known, started=10, updated=50))
    end = snap("F", told_by_the_end, updated=9)
    assert stream.all(*[end] * 60) == ""
    assert stream.look(end) == "F"
    assert stream.watched.outcome is Outcome.FAILED


def test_a_long_history_without_times_is_delivered_once_and_no_letter_of_it_is_folded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folded: list[str] = []

    def lowered(text: str) -> str:
        folded.append(text)
        return text.lower()

    monkeypatch.setattr(words, "lowered", lowered)
    seen = observe(Watched(job_id="job_1", api="own"), told((event("R"),) * 70_000), NOW, PATIENCE)
    assert [change.seq for change in seen.transitions] == list(range(1, 70_001))
    again = observe(seen.watched, told((event("R"),) * 70_010), NOW + 5, PATIENCE)
    assert [change.seq for change in again.transitions] == list(range(70_001, 70_011))
    assert len(again.watched.delivered) == 64
    assert folded == [], "words are compared as they are first"


def cut(history: str, status: str) -> Job:
    """Return a job that tells a part of its history, and that there is more on a page that could not be read."""
    return replace(told([event(letter) for letter in history], status), has_more_events=True)


@pytest.mark.parametrize(
    ("looks", "delivered"),
    [
        ([cut("PU", "R")], "P U !R"),
        ([cut("PU", "C")], "P U !C"),
        ([cut("PRF", "F")], "P R !F"),  # an end that was told, and perhaps another attempt after it
        ([cut("PR", "R"), told([event(letter) for letter in "PRUR"])], "P R U R"),
        ([cut("CR", "C")], "!R C"),
        ([cut("R", "R")], "!R"),
        ([told([event("P")]), cut("CRP", "C")], "P R C"),
        ([told([event("P")]), cut("CR", "C")], "P !C"),
    ],
)
def test_a_page_that_could_not_be_read_leaves_a_gap_where_it_may_have_been(looks: list[Job], delivered: str) -> None:
    stream = Stream()
    for look in looks:
        stream.look(look)
    assert shown(stream.delivered) == delivered
