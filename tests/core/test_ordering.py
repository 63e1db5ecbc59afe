"""Histories in whatever order: values only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from jobwatch._core.matching import Fingerprint
from jobwatch._core.ordering import in_order
from jobwatch._models import Event, Job, Phase

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
PHASES = {"Q": Phase.PENDING, "R": Phase.RUNNING, "C": Phase.SUCCEEDED, "F": Phase.FAILED, "U": Phase.UNKNOWN}


def history(letters: str, times: str | None) -> tuple[Event, ...]:
    """Return a history by the letters of its states, and the seconds at which they were entered, a digit each."""
    at = [None if times is None else NOON + timedelta(seconds=int(digit)) for digit in times or letters]
    return tuple(Event(letter, PHASES[letter], moment) for letter, moment in zip(letters, at, strict=True))


def ordered(letters: str, times: str | None, *, status: str, delivered: str = "", seq: int | None = None) -> str:
    """Return the letters of a history in order, of a job in a state of which some states were delivered."""
    job = Job(id="j", api="own", status=status, phase=PHASES[status])
    marks = [Fingerprint(letter) for letter in delivered]
    told = in_order(job, marks, len(delivered) if seq is None else seq, history(letters, times))
    return "".join(event.status for event in told)


@pytest.mark.parametrize("times", [None, "111", "332", "321", "221"])
def test_a_history_told_newest_first_is_put_right(times: str | None) -> None:
    assert ordered("CRQ", times, status="C") == "QRC"


@pytest.mark.parametrize("times", [None, "111", "112", "123", "122"])
def test_one_told_oldest_first_stays_as_it_is(times: str | None) -> None:
    assert ordered("QRC", times, status="C") == "QRC"
    assert ordered("QRC", times, status="Q") == "QRC", "a status that lags behind proves nothing"


@pytest.mark.parametrize("times", [None, "1111"])
def test_while_it_grows_what_was_delivered_tells_its_beginning(times: str | None) -> None:
    delivered = ""
    for length in range(1, 5):
        told = "QRQR"[:length][::-1]
        delivered = ordered(told, times and times[:length], status=told[0], delivered=delivered)
        assert delivered == "QRQR"[:length]


@pytest.mark.parametrize("times", [None, "111", "122"])
def test_no_end_comes_before_another_state_of_its_own_moment(times: str | None) -> None:
    assert ordered("QCR", times, status="C") == "QRC"
    assert ordered("QFR", times, status="R") == "QFR", "an attempt that failed, and the next one"


def test_a_job_that_went_on_after_an_end_by_its_times_did_so() -> None:
    assert ordered("QCR", "123", status="C") == "QCR"


def test_what_was_delivered_stays_first_whatever_the_clocks_say() -> None:
    assert ordered("QRC", "210", status="C", delivered="QR") == "QRC"
    assert ordered("RQ", None, status="R", delivered="R") == "RQ", "it was queued again, and the status lags"


def test_a_status_told_before_its_history_does_not_turn_that_round() -> None:
    assert ordered("QRUQRU", "000166", status="U", delivered="U") == "QRUQRU"
    assert ordered("URQURQ", "661000", status="U", delivered="U") == "QRUQRU"
    assert ordered("QUR", None, status="R", delivered="R") == "QUR"


def test_the_latest_state_tells_the_direction_whatever_stands_between() -> None:
    assert ordered("CUQ", None, status="C") == "QUC"


@pytest.mark.parametrize(("letters", "status"), [("UQ", "U"), ("FRC", "F")])
def test_states_that_do_not_go_backwards_are_no_proof_of_the_direction(letters: str, status: str) -> None:
    assert ordered(letters, None, status=status) == letters, "the status lags behind"


@pytest.mark.parametrize("times", ["332", "322"])
def test_times_tell_the_direction_where_states_do_not(times: str) -> None:
    assert ordered("URQ", times, status="U") == "QRU"
    assert ordered("URQ", times, status="R") == "QRU", "a status that lags behind changes nothing"


def test_what_was_delivered_tells_the_direction_where_states_do_not() -> None:
    assert ordered("UQRQ", None, status="U", delivered="QRQ") == "QRQU"


def test_an_end_that_stands_first_comes_last_too() -> None:
    assert ordered("CU", None, status="C") == "UC"
    assert ordered("CRU", None, status="C") == "RUC"


def test_a_word_that_was_told_without_a_time_stands_where_the_times_of_all_have_it() -> None:
    assert ordered("QQR", "312", status="Q", delivered="Q") == "QRQ"
    assert ordered("QRRQ", "4321", status="Q", delivered="QR") == "QRRQ"


def test_times_that_rise_are_told_oldest_first_whatever_was_delivered() -> None:
    marks = [Fingerprint("R"), Fingerprint("Q", (NOON + timedelta(seconds=3)).timestamp()), Fingerprint("R")]
    job = Job(id="j", api="own", status="R", phase=Phase.RUNNING)
    told = in_order(job, marks, 3, history("QRQR", "1234"))
    assert "".join(event.status for event in told) == "QRQR"
