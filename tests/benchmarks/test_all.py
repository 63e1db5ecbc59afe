"""What runs every benchmark: which there are, and what it makes of what they print."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest

from benchmarks import all as every
from benchmarks.instructions import seconds_between_marks
from benchmarks.rows import Row, as_text, compared


def row(ours: float = 1.0) -> Row:
    return compared("seconds", ours, 2.0, "somebody", 1.0)


def test_each_benchmark_that_prints_rows_has_its_sizes() -> None:
    folder = Path(every.__file__).parent
    printing = {each.stem for each in folder.glob("*.py") if '"--json"' in each.read_text("utf-8")} - {"all"}
    assert set(every.QUICK) == set(every.SMOKE) == printing


@pytest.mark.parametrize(
    ("rows", "wrong"),
    [([row()], None), ([row(9.0)], None), ([], "no rows"), ([row(), row(math.nan)], "missing: seconds")],
    ids=["good", "a goal that is not met", "none", "no number"],
)
def test_no_figure_makes_a_row_wrong_unless_it_is_none(rows: list[Row], wrong: str | None) -> None:
    found = every.wrong_with(rows)
    assert (found is None) is (wrong is None)
    assert wrong is None or wrong in str(found)


@pytest.mark.parametrize(("ours", "is_missed"), [(1.0, False), (9.0, True)])
def test_a_table_explains_its_star_where_it_has_one(ours: float, is_missed: bool) -> None:
    table = as_text([row(), row(ours)])
    assert (" *\n" in table, table.endswith("* the goal is not met")) == (is_missed, is_missed)


def test_one_that_cannot_be_run_is_named_with_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    ran = every.run("nothing_of_the_kind", [])
    assert (ran.rows, ran.missing) == ([], f"{ran.missing}")
    assert "nothing_of_the_kind" in str(ran.missing)
    assert every.main(["--smoke", "--only", "stream"]) == 0
    table, told = capsys.readouterr()
    assert "stream: " in table
    assert "stream" in told


def test_what_prints_something_else_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/echo")
    assert "no such rows" in str(every.run("stream", []).missing)


@pytest.mark.slow
def test_seconds_are_counted_between_marks() -> None:
    program = "import time; from benchmarks.instructions import mark; mark(); mark(); sum(range(10**6)); mark()"
    short, long = seconds_between_marks([sys.executable, "-c", program])
    assert 0.0 <= short < long < 5.0
