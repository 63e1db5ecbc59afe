"""What a report says of jobs: when each state began and ended, and what follows from that."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given

from jobwatch._models import Outcome, Phase
from jobwatch._report.model import Entered, Report, ReportedJob, cleaned, counts, made

from .making import BAD, GOOD, OPEN, T, job, reports


def entered(status: str, phase: Phase, told: float | None, seen: float | None = None, *, gap: bool = False) -> Entered:
    at, seen_at = (None if each is None else T + each for each in (told, seen))
    return Entered(status=status, phase=phase, at=at, seen_at=seen_at, gap=gap)


def spans(of: ReportedJob) -> list[tuple[str, float, float]]:
    return [(state.status, state.began - T, state.ended - T) for state in of.states]


def test_each_state_lasts_until_the_next_and_the_end_takes_no_time() -> None:
    assert spans(GOOD) == [("PENDING", 0.0, 2.0), ("RUNNING", 2.0, 88.0), ("COMPLETED", 88.0, 88.0)]
    assert (GOOD.ran, GOOD.ended_at, GOOD.known_at, GOOD.goes_on) == (86.0, T + 88.0, T + 88.2, False)


def test_a_job_that_was_not_seen_to_end_is_open_and_never_said_to_have_ended() -> None:
    assert spans(OPEN) == [("RUNNING", 3.0, 100.0)]
    assert (OPEN.goes_on, OPEN.ended_at, OPEN.known_at, OPEN.ran) == (True, None, None, None)


def test_a_state_whose_time_the_api_does_not_tell_begins_when_it_was_seen_and_says_so() -> None:
    told = made(
        ReportedJob(job_id="a"),
        [entered("A", Phase.RUNNING, None, 1.0), entered("B", Phase.SUCCEEDED, None, 9.0)],
    )
    assert spans(told) == [("A", 1.0, 9.0), ("B", 9.0, 9.0)]
    assert [state.as_seen for state in told.states] == [True, True]
    assert (told.ran, told.known_after) == (None, None)  # nobody can tell


def test_for_how_long_a_job_ran_is_told_by_the_api_or_not_at_all() -> None:
    for began, ended in ((None, 9.0), (1.0, None)):
        states = [entered("A", Phase.RUNNING, began, 1.0), entered("B", Phase.SUCCEEDED, ended, 9.0)]
        assert made(ReportedJob(job_id="a"), states).ran is None


def test_what_was_only_seen_cannot_have_begun_after_what_the_api_says_of_a_later_state() -> None:
    told = made(
        ReportedJob(job_id="a"), [entered("A", Phase.RUNNING, None, 10.0), entered("B", Phase.SUCCEEDED, 9.5, 12.0)]
    )
    assert spans(told) == [("A", 9.5, 9.5), ("B", 9.5, 9.5)]


def test_a_clock_that_was_put_back_makes_no_bar_of_negative_length() -> None:
    told = made(
        ReportedJob(job_id="a"),
        [entered("A", Phase.PENDING, 50.0), entered("B", Phase.RUNNING, 20.0), entered("C", Phase.FAILED, 60.0, 60.0)],
    )
    assert spans(told) == [("A", 50.0, 50.0), ("B", 50.0, 60.0), ("C", 60.0, 60.0)]


def test_states_whose_times_nobody_knows_are_named_by_the_next_and_pass_on_their_gap() -> None:
    told = made(
        ReportedJob(job_id="a"),
        [
            entered("A", Phase.PENDING, 0.0),
            entered("B", Phase.RUNNING, None, gap=True),
            entered("C", Phase.SUCCEEDED, 5.0, 6.0),
        ],
    )
    assert spans(told) == [("A", 0.0, 5.0), ("C", 5.0, 5.0)]
    assert (told.states[1].untimed, told.states[1].gap) == (("B",), True)


def test_what_the_wait_says_of_its_end_goes_before_what_the_states_say() -> None:
    states = [entered("A", Phase.RUNNING, 0.0), entered("B", Phase.FAILED, 5.0, 7.0)]
    assert made(ReportedJob(job_id="a", ran=3.0, known_after=0.5), states).ran == 3.0
    assert made(ReportedJob(job_id="a", known_after=0.5), states).known_after == 0.5
    assert made(ReportedJob(job_id="a"), states).known_after == 2.0


def test_of_an_end_that_was_known_before_it_happened_nobody_can_tell_how_late_it_was_known() -> None:
    told = made(ReportedJob(job_id="a"), [entered("B", Phase.FAILED, 5.0, 4.0)])
    assert (told.known_after, told.known_at, told.ended_at) == (None, None, T + 5.0)


def test_a_wait_that_says_that_the_job_goes_on_is_believed() -> None:
    told = made(
        ReportedJob(job_id="a", status="RUNNING", phase=Phase.RUNNING, outcome=Outcome.TIMEOUT),
        [entered("RUNNING", Phase.RUNNING, 1.0)],
        T + 4.0,
    )
    assert (told.goes_on, spans(told)) == (True, [("RUNNING", 1.0, 4.0)])


def test_the_span_holds_the_lateness_too_and_is_none_without_states() -> None:
    assert Report(jobs=(GOOD, BAD)).span == (T, T + 88.2)
    assert Report(jobs=(ReportedJob(job_id="a"),)).span is None


def test_outcomes_are_counted_the_good_ones_first() -> None:
    going = job("b", ("RUNNING", Phase.RUNNING, 0.0))
    assert list(counts([OPEN, going, BAD, GOOD, GOOD]).items()) == [
        *(("succeeded", 2), ("failed", 1), ("timeout", 1), ("going on", 1))
    ]


SECRET = "s3cret-token"


@pytest.mark.parametrize("given_as", [SECRET, f"a {SECRET} b"])
def test_no_text_of_a_report_is_left_out_when_secrets_are_masked(given_as: str) -> None:
    state = entered(given_as, Phase.FAILED, 1.0, 2.0)
    told = made(
        ReportedJob(job_id=given_as, status=given_as, error=given_as, asked=given_as, url=given_as, output=given_as),
        [entered(given_as, Phase.RUNNING, None), state],
    )
    report = cleaned(Report(jobs=(told,), api=given_as, remarks=(given_as,)), lambda text: text.replace(SECRET, "***"))
    written = msgspec.json.encode(report).decode()
    assert SECRET not in written
    assert written.count("***") == 10  # a text that is added to the model is added to `cleaned`, and here


@pytest.mark.slow
@given(reports())
def test_times_rise_whatever_was_told(report: Report) -> None:
    for each in report.jobs:
        moments = [moment for state in each.states for moment in (state.began, state.ended)]
        assert moments == sorted(moments)
        assert each.known_after is None or each.known_after >= 0.0
