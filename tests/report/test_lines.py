"""Reports from the lines that `jobwatch wait --json` prints."""

from __future__ import annotations

import json

import pytest

from jobwatch import ConfigError
from jobwatch._models import Outcome, Phase
from jobwatch._report.lines import report_of

from .making import T, at, outcome, transition

DONE = [
    transition("job_1", 1, ("PENDING", "pending"), 0.0, 0.1),
    transition("job_1", 2, ("RUNNING", "running"), 2.0, 2.1),
    transition("job_1", 3, ("COMPLETED", "succeeded"), 88.0, 88.2),
    outcome("job_1", "succeeded", ("COMPLETED", "succeeded"), 88.1),
]


def test_a_job_that_ended() -> None:
    (job,) = report_of(DONE, api="bedrock").jobs
    assert [(state.status, state.phase, state.began - T) for state in job.states] == [
        ("PENDING", Phase.PENDING, 0.0),
        ("RUNNING", Phase.RUNNING, 2.0),
        ("COMPLETED", Phase.SUCCEEDED, 88.0),
    ]
    assert (job.outcome, job.looks, job.ran) == (Outcome.SUCCEEDED, 3, 86.0)
    assert job.known_after == pytest.approx(0.2)


def test_what_the_outcome_says_of_the_job_goes_first() -> None:
    said = outcome(
        "job_1", "succeeded", ("COMPLETED", "succeeded"), 88.1, ran=85.5, known_after=0.05, url="https://x.test"
    )
    (job,) = report_of([*DONE[:3], said]).jobs
    assert (job.ran, job.known_after, job.url) == (85.5, 0.05, "https://x.test")


def test_a_wait_that_stopped_leaves_its_job_open_for_as_long_as_was_waited() -> None:
    running = transition("job_2", 1, ("RUNNING", "running"), 1.0, 1.1)
    stopped = outcome("job_2", "timeout", ("RUNNING", "running"), 30.0, error="not within 30 s")
    (job,) = report_of([running, stopped], began=T + 0.5).jobs
    assert (job.goes_on, job.states[0].ended - T) == (True, 30.5)
    (_, job) = report_of(
        [*DONE, running, stopped]
    ).jobs  # all waits of a run begin together: at 0.1, as job_1's end says
    assert job.states[0].ended - T == pytest.approx(30.1)


def test_a_job_without_an_outcome_goes_on_up_to_the_last_moment_that_is_known() -> None:
    asks = transition("job_2", 1, ("ASKS", "blocked"), 1.0, 1.1, asked="Approve?", url="https://x.test/a")
    (_, job) = report_of([*DONE, asks]).jobs
    assert (job.outcome, job.goes_on) == (None, True)
    assert job.states[0].ended - T == pytest.approx(88.2)
    assert (job.asked, job.url) == ("Approve?", "https://x.test/a")


def test_a_job_that_was_never_read_has_no_states() -> None:
    (job,) = report_of([outcome("job_1", "not_found", (None, None), 12.0, error="no such job")]).jobs
    assert (job.states, job.outcome, job.goes_on, job.error) == ((), Outcome.NOT_FOUND, True, "no such job")


def test_progress_is_that_of_the_last_line_or_of_the_outcome() -> None:
    running = transition("job_2", 1, ("RUNNING", "running"), 1.0, 1.1)
    told = [json.dumps({"type": "progress", "job_id": "job_2", "progress": part}).encode() for part in (0.1, 0.4)]
    assert report_of([running, *told]).jobs[0].progress == 0.4
    assert report_of([running, *told, outcome("job_2", "timeout", ("R", "running"), 9.0)]).jobs[0].progress == 0.4
    assert report_of([*told, outcome("job_2", "timeout", ("R", "running"), 9.0, progress=0.5)]).jobs[0].progress == 0.5


def test_lines_that_are_printed_again_count_once() -> None:
    assert report_of([*DONE, *DONE]) == report_of(DONE)
    assert len(report_of([*DONE[:2], *DONE[1:]]).jobs[0].states) == 3


def test_another_run_under_the_same_id_takes_the_place_of_the_one_before() -> None:
    again = [transition("job_1", 1, ("PENDING", "pending"), 500.0, 501.0)]
    (job,) = report_of([*DONE, *again]).jobs
    assert ([state.status for state in job.states], job.outcome) == (["PENDING"], None)


def test_words_fields_and_lines_of_a_newer_jobwatch_are_passed_over() -> None:
    newer = [
        b'{"type":"weather","job_id":"job_9","rain":true}',
        json.dumps({"type": "transition", "job_id": "job_3", "seq": 1, "status": "A", "phase": "thawing",
                    "at": at(1), "seen_at": at(1), "mood": 7}).encode(),
        outcome("job_3", "evaporated", ("A", "thawing"), 3.0),
    ]  # fmt: skip
    _, job = report_of([*DONE, *newer]).jobs
    assert (job.job_id, job.outcome, job.states[0].phase) == ("job_3", None, Phase.UNKNOWN)


def test_a_last_line_that_was_cut_off_is_said_and_left_out() -> None:
    report = report_of([*DONE[:3], DONE[3][:20]])
    assert report.remarks == ("line 4, the last one, is cut off and was left out",)
    assert len(report.jobs[0].states) == 3


@pytest.mark.parametrize("line", [b"waiting...", b"[1]", b'{"type":3}', b"\xff\xfe", b'{"job_id":"a","seq":"x"}'])
def test_anything_else_among_the_lines_is_an_error_that_says_where(line: bytes) -> None:
    with pytest.raises(ConfigError, match=r"^line 2 is none that jobwatch wait --json prints"):
        report_of([DONE[0], line, *DONE[1:]])


def test_blank_lines_are_no_lines() -> None:
    assert report_of([b"\n", *DONE, b"  \n", b""]) == report_of(DONE)
