"""The stream benchmark answers its question: four requests a job, and no stream that is none changes a look."""

from __future__ import annotations

import pytest

from benchmarks.stream import measure


@pytest.mark.slow
def test_a_stream_needs_four_requests_and_one_that_is_none_costs_no_delay() -> None:
    rows = {row.way: row for row in measure(40, 3).rows}
    assert rows["stream"].most_requests == 4
    assert rows["stream"].most_delay < 0.08
    assert rows["none"].streams_a_job == 0.0
    for way in ("silent", "refused"):
        assert rows[way].mean_delay == rows["none"].mean_delay
        assert rows[way].streams_a_job > 0.0
