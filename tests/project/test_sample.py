"""The sample of the slow tests: fixed, some of each kind, and only where nothing in particular is asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import sample

from .documents import ROOT

NAMES = [f"tests/test_{number % 7}.py::test_{number}" for number in range(700)] + ["tests/test_few.py::test_it"]


def file_of(name: str) -> str:
    return name.partition("::")[0]


def test_the_sample_is_the_same_in_any_order_and_has_some_of_each_kind() -> None:
    chosen = sample.chosen(NAMES, file_of)
    assert chosen == sample.chosen(reversed(NAMES), file_of)
    assert {file_of(name) for name in chosen} == {file_of(name) for name in NAMES}
    assert len(NAMES) / 5 < len(chosen) < len(NAMES) / 3


def test_what_is_added_puts_nothing_else_into_the_sample_or_out_of_it() -> None:
    chosen, more = sample.chosen(NAMES, file_of), [f"tests/test_0.py::test_{number}" for number in range(700, 800)]
    assert sample.chosen(NAMES + more, file_of) - set(more) == chosen


SUITE = """
import pytest

def test_quick():
    pass

@pytest.mark.slow
@pytest.mark.parametrize("number", range(30))
def test_slow(number):
    pass

@pytest.mark.slow(in_sample=True)
@pytest.mark.parametrize("number", range(30))
def test_always(number):
    pass
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ((), "slow tests: 38 of 60, the same each time; all with python -m tests.all"),
        (("-m", "not slow"), "1 passed, 60 deselected"),
        (("test_it.py",), "61 passed"),
        (("-k", "test_slow"), "30 passed, 31 deselected"),
        (("-m", "slow"), "60 passed, 1 deselected"),
        (("-p", "xdist", "-n", "2"), "slow tests: 38 of 60, the same each time; all with python -m tests.all"),
        (("-p", "xdist", "-n", "2"), "39 passed"),
        (("-p", "xdist", "-n", "2", "test_it.py"), "61 passed"),
    ],
)
def test_only_who_asks_for_nothing_in_particular_gets_the_sample(
    asked: tuple[str, ...], told: str, tmp_path: Path
) -> None:
    (tmp_path / "test_it.py").write_text(SUITE, "utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = slow: as here\n", "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "tests.sample", *asked]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert told in ran.stdout


@pytest.mark.slow
def test_each_test_has_the_same_name_in_each_process() -> None:
    # Or the sample is not the same each time, no name that failed can be run again, and pytest-xdist refuses.
    runs = [
        subprocess.Popen(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--collect-only", "tests"],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "2")
    ]
    first, second = ([line for line in run.communicate()[0].splitlines() if "::" in line] for run in runs)
    assert len(first) > 1000
    assert first == second
