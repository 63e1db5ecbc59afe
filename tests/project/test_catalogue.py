"""The catalogue of faults: each of its 122 rows has a test that carries its number, or a reason why it needs none.

A test that proves a row is named ``test_row_31_...``, one that proves several ``test_rows_31_32_...``, and stands with
the tests of the module that it is about.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROWS = range(1, 123)
NAMED = re.compile(r"test_(rows?)_((?:[0-9]+_)+)(?=[a-z])")

NOT_MET = {
    12: "no host is ever taken from a reply: what is connected to is the base URL that the user gave, private or not",
    94: "no list is read page by page: it is asked for as one page, larger if need be, and no cursor is followed",
    97: "the result is a part of the job's own record and read with it; there is no second place to fetch it from",
    99: "an id names one job for good in every API here: ULIDs, UUIDs, counters; none is given out again",
    100: "jobwatch starts no job, so there is no submission whose outcome could be unknown",
}
"""Rows that a client of these APIs cannot meet, and why."""


def rows_tested() -> dict[int, set[str]]:
    """Return for each row the tests that carry its number."""
    tested: dict[int, set[str]] = {}
    for name in names_of_tests():
        found = NAMED.match(name)
        for number in found[2].split("_")[:-1] if found else ():
            tested.setdefault(int(number), set()).add(name)
    return tested


def names_of_tests() -> list[str]:
    """Return the names of all test functions."""
    return [
        node.name
        for file in sorted(Path(__file__).parents[1].rglob("test_*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    ]


def test_every_row_has_a_test_or_a_reason_and_never_both() -> None:
    tested = rows_tested()
    assert [row for row in ROWS if row not in tested and row not in NOT_MET] == []
    assert {row: tested[row] for row in NOT_MET if row in tested} == {}
    assert [row for row in [*tested, *NOT_MET] if row not in ROWS] == []


def test_numbers_of_rows_are_given_in_one_way_only() -> None:
    for name in names_of_tests():
        found = NAMED.match(name)
        if found is None:
            assert not re.match(r"test_(?:rows?_|[0-9]+_)", name), name
            continue
        rows = [int(number) for number in found[2].split("_")[:-1]]
        assert found[1] == ("row" if len(rows) == 1 else "rows"), name
        assert rows == sorted(set(rows)), name
        assert not re.match(r"(?:and|to)_[0-9]", name[found.end() :]), name
