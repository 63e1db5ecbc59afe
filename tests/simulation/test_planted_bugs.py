"""The check of the check: bugs planted in the library are found by the simulation, each within some seeds.

Here a fixed sample of them is looked for; ``python -m tests.all`` looks for all.
"""

from __future__ import annotations

import os
import statistics

import pytest

from tests import sample
from tests.simulation.planted import BUGS, table

MOST = 3000
JOBS = int(os.environ.get("JOBWATCH_SIM_JOBS", "2"))
FIRST = int(os.environ.get("JOBWATCH_FIRST_SEED", "0"))


@pytest.mark.slow(in_sample=True)
def test_planted_bugs_are_found() -> None:
    kinds = {bug.name: f"{bug.level} {bug.mode}" for bug in BUGS}
    found = table(FIRST, MOST, JOBS, sample.chosen(kinds, kinds.__getitem__, 3))
    never = [each.bug.name for each in found if each.seeds is None]
    assert not never, f"not found within {MOST} seeds: {', '.join(never)}"
    assert len(found) >= 20
    assert statistics.median(each.seeds for each in found if each.seeds is not None) <= 50


@pytest.mark.slow
def test_what_a_bug_leaves_in_a_cache_is_not_taken_for_the_next() -> None:
    cached, sought = "an unknown word counts as success", "no last look"
    (alone,), (_, after) = table(0, MOST, 1, {sought}), table(0, MOST, 1, {cached, sought})
    assert after.bug.name == sought
    assert (after.seeds, after.why) == (alone.seeds, alone.why)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_is_gone_after_its_block(bug: object) -> None:
    for planted in BUGS:
        if planted is bug:
            with planted.plant():
                pass
