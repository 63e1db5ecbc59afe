"""The look benchmark asks what it says: bodies that change or do not, and rows that name a goal."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from unittest import mock

import pytest

from benchmarks.look import Setting, measured
from benchmarks.look_rivals import JOB, JOB_DONE
from benchmarks.look_server import Replies


def bodies(looks: int, *, changing: bool) -> list[dict[str, str]]:
    """Return the jobs that the server answers with."""
    carrier = mock.Mock(spec=asyncio.Transport)
    replies = Replies(JOB.encode(), JOB_DONE.encode(), looks - 1, Counter(), 0.0, changing=changing)
    replies.connection_made(carrier)
    for _ in range(looks):
        replies.data_received(b"GET /v1/jobs/job_7 HTTP/1.1\r\nHost: x\r\n\r\n")
    answers = [call.args[0] for call in carrier.write.call_args_list]
    return [json.loads(answer.partition(b"\r\n\r\n")[2])["data"] for answer in answers]


def test_a_changing_body_changes_by_its_time_alone_and_another_by_nothing() -> None:
    changing, same = bodies(4, changing=True), bodies(4, changing=False)
    assert [job.pop("updated_at") for job in changing] == [f"2026-01-02T03:05:0{second}Z" for second in (6, 7, 8, 9)]
    assert {job.pop("updated_at") for job in same} == {"2026-01-02T03:05:05Z"}
    assert changing == same
    assert [job["status"] for job in same] == ["RUNNING"] * 3 + ["COMPLETED"]
    assert {job["id"] for job in same} == {"job_7"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "goal"),
    [(Setting("changing", False), 1.0), (Setting("same", False), 0.7), (Setting("same", True), 0.75)],
)
def test_a_row_tells_what_it_costs_us_and_what_a_bare_loop(setting: Setting, goal: float) -> None:
    (row,) = measured("seconds", ["bare", "jobwatch"], [1], 60, rounds=1, setting=setting)
    assert row.what.startswith("a look of jobwatch,")
    assert row.what.endswith(" 1 in flight")
    assert (row.rival_name, row.goal) == ("bare", goal)
    assert row.ratio == pytest.approx(row.ours / row.rival)
    assert ("TLS" in row.what) is setting.tls
