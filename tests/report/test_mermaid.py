"""Mermaid's charts, read by a grammar of the part of its language that is written; the real one reads them by hand."""

from __future__ import annotations

import pytest
from hypothesis import given

from jobwatch._models import Outcome, Phase
from jobwatch._report.mermaid import MOST_BARS, MOST_CHARACTERS, gantt
from jobwatch._report.model import Entered, Report, ReportedJob, made

from .gantt_grammar import Task, parsed
from .making import BAD, GOOD, OPEN, T, job, of, reports
from .mermaid import NASTY

MS = round(T * 1000)


def test_each_job_is_a_section_and_each_state_a_bar() -> None:
    assert parsed(gantt(of(GOOD, BAD)).text) == {
        "1. job_1, succeeded": [
            Task("1. PENDING (2.0 s)", ("done",), MS, MS + 2000),
            Task("2. RUNNING (1m 26s)", ("active",), MS + 2000, MS + 88_000),
            Task("3. COMPLETED (known 0.2 s later)", ("done", "milestone"), MS + 88_000, MS + 88_001),
        ],
        "2. job_2, failed": [
            Task("1. RUNNING (35 s)", ("active",), MS + 5000, MS + 40_000),
            Task("2. FAILED (known 0 ms later)", ("crit", "milestone"), MS + 40_000, MS + 40_001),
        ],
    }


def test_what_is_open_seen_or_behind_a_gap_says_so() -> None:
    seen = made(
        ReportedJob(job_id="a"),
        [Entered(status="A", phase=Phase.BLOCKED, seen_at=T, gap=True)],
        T + 5.0,
    )
    sections = parsed(gantt(of(OPEN, seen)).text)
    assert [task.name for tasks in sections.values() for task in tasks] == [
        "1. RUNNING (1m 37s, goes on)",
        "1. A (5.0 s, goes on, time as seen, gap before)",
    ]
    assert sections["2. a, goes on"][0].tags == ("crit", "active")


def test_a_report_without_a_state_whose_time_is_known_has_no_chart() -> None:
    assert gantt(of(ReportedJob(job_id="a"))).text == ""
    assert gantt(of()) == gantt(of(ReportedJob(job_id="a")))


@pytest.mark.parametrize("word", NASTY)
def test_no_name_steers_the_chart(word: str) -> None:
    told = job(word, (word, Phase.RUNNING, 0.0), (word, Phase.FAILED, 2.0))
    ((section, tasks),) = parsed(gantt(of(told)).text).items()
    assert section.startswith("1. ")
    assert [task.begins - MS for task in tasks] == [0, 2000]


@pytest.mark.slow
@given(reports())
def test_every_chart_can_be_read_and_has_the_times_of_the_states(report: Report) -> None:
    text = gantt(report).text
    drawn = [each for each in report.jobs if each.states]
    if not drawn:
        assert text == ""
        return
    sections = parsed(text)
    assert len(sections) == len(drawn)
    for each, tasks in zip(drawn, sections.values(), strict=True):
        assert [task.begins for task in tasks] == [round(state.began * 1000) for state in each.states]
        for task, state in zip(tasks, each.states, strict=True):
            assert abs(task.ends / 1000 - state.ended) <= 0.0016  # rounded, and at least a millisecond
            assert ("milestone" in task.tags) == state.phase.ended


def many(count: int) -> Report:
    return of(
        *(
            job(f"job_{number}", ("R" * 60, Phase.RUNNING, 0.0), ("E", phase, 9.0), outcome=Outcome(phase.value))
            for number in range(count)
            for phase in (Phase.FAILED if number % 50 == 49 else Phase.SUCCEEDED,)
        )
    )  # fmt: skip


def test_what_there_is_no_room_for_is_left_out_the_good_ends_first_and_it_is_said() -> None:
    chart = gantt(many(500))
    sections = parsed(chart.text)
    assert len(chart.text) <= MOST_CHARACTERS
    assert sum(map(len, sections.values())) <= MOST_BARS
    assert sum("failed" in name for name in sections) == 10
    assert chart.remark == f"{500 - len(sections)} of 500 jobs are left out of the chart"
    assert gantt(many(20)).remark is None


def test_a_chart_for_which_there_is_no_room_at_all_is_empty_and_says_so() -> None:
    assert gantt(of(GOOD, BAD), 200).text == ""
    assert gantt(of(GOOD, BAD), 200).remark == "2 of 2 jobs are left out of the chart"


def test_of_a_job_with_very_many_states_the_last_ones_are_drawn() -> None:
    states = [(f"S{number}", Phase.RUNNING, float(number)) for number in range(100)]
    chart = gantt(of(job("a", *states, until=200.0)))
    (tasks,) = parsed(chart.text).values()
    assert (len(tasks), tasks[-1].name) == (12, "100. S99 (1m 41s, goes on)")
    assert chart.remark == "of a job with more than 12 states the last ones are drawn"


@pytest.mark.parametrize(
    ("seconds", "form"),
    [(5.0, "%H:%M:%S.%L"), (60.0, "%H:%M:%S"), (7200.0, "%H:%M"), (200_000.0, "%d %b %H:%M"), (2e6, "%d %b")],
)
def test_the_axis_has_marks_that_can_be_told_apart(seconds: float, form: str) -> None:
    told = job("a", ("R", Phase.RUNNING, 0.0), ("E", Phase.FAILED, seconds))
    assert f"    axisFormat {form}\n" in gantt(of(told)).text
