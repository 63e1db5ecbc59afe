"""The rules against a model of the stream: what happens in random order keeps the log right, and bugs are found."""

from __future__ import annotations

from collections import Counter

import pytest

from .interleavings import found_after
from .model import BUGS, World, violation


def test_the_log_is_right_whatever_the_order() -> None:
    assert [told for seed in range(60) if (told := violation(seed)) is not None] == []


@pytest.mark.slow
def test_the_log_is_right_in_many_more_orders() -> None:
    assert [told for seed in range(60, 1000) if (told := violation(seed)) is not None] == []


@pytest.mark.slow(in_sample=True)
def test_all_that_the_rules_are_for_comes_about() -> None:
    met: Counter[str] = Counter()
    for seed in range(150):
        world = World(seed)
        world.run(120)
        met += world.met
    wanted = {"won", "lost", "again", "removed", "removed in hand", "added anew", "woken", "woken too late"}
    assert wanted | {f"died at step {step}" for step in range(4)} <= met.keys()


@pytest.mark.slow
@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_found(bug: str) -> None:
    assert found_after(violation, bug, 1000) is not None
