"""The benchmark of the engine: how the fullest second is found, and which requests are answered how."""

from __future__ import annotations

import re
from array import array

import pytest

from benchmarks.engine import Found, Setting, engine_rows, quantile
from benchmarks.engine_api import Jobs, ends_at, job_id, most_within
from benchmarks.engine_parts import Cost


@pytest.mark.parametrize(
    ("times", "most"),
    [
        ([], 0),
        ([5.0], 1),
        ([0.0, 0.999], 2),
        ([0.0, 1.0], 1),  # what lies at the end of a second is in the next
        ([0.0, 0.6, 1.2, 1.5, 1.59, 3.0], 4),  # from 0.6
        ([1.0] * 7, 7),
    ],
)
def test_the_fullest_second_is_found_wherever_it_begins(times: list[float], most: int) -> None:
    assert most_within(array("d", times), 1.0) == most


def test_jobs_end_one_after_the_other_and_others_never() -> None:
    ends = [ends_at(number, 4, 100.0, 140.0) for number in range(6)]
    assert ends == [105.0, 115.0, 125.0, 135.0, float("inf"), float("inf")]


def test_the_api_tells_an_end_once_it_is_there_and_counts_what_it_is_asked() -> None:
    jobs = Jobs(1)
    first = jobs.answer(b"/jobs/" + job_id(0).encode())
    assert b'"status":"RUNNING","target_type"' in first
    head, _, body = first.partition(b"\r\n\r\n")
    assert re.search(rb"Content-Length: (\d+)", head)[1] == str(len(body)).encode()  # type: ignore[index]
    assert jobs.asked().requests == 1
    jobs.begin(0.0, 1.0)
    assert b'"status":"COMPLETED","target_type"' in jobs.answer(b"/jobs/" + job_id(0).encode())
    assert b'"status":"RUNNING","target_type"' in jobs.answer(b"/jobs/" + job_id(1).encode())
    assert (jobs.asked().requests, jobs.asked().most_in_a_second) == (3, 2)


def test_a_quantile_is_one_of_the_values() -> None:
    assert quantile([1.0, 2.0, 3.0, 4.0], 0.5) == 2.0
    assert quantile([1.0, 2.0, 3.0, 4.0], 0.99) == 4.0
    assert quantile([1.0], 0.01) == 1.0


def test_a_goal_that_is_not_met_is_seen() -> None:
    setting = Setting(watches=100, looks=100.0, seconds=1.0, shards=1)
    found = Found(
        cost=Cost(1.0e-3, 100.0, 0),
        server_cpu=0.0,
        server_memory=0.0,
        late=[0.5],
        unknown=0,
        most_in_a_second=157,
        published=1.0,
    )
    assert [row.is_met for row in engine_rows(setting, found, 0.4e-3)] == [False, False, False]
    assert [row.is_met for row in engine_rows(setting, found, 0.6e-3)] == [True, False, False]
