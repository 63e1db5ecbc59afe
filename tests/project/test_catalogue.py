"""What `tests/README.md` says holds: of the rows of the fault catalogue, of the oracle's rules, of its examples.

Each row has a line there, and a test that carries its number, or a reason in that line why it needs none. A test that
proves a row is named ``test_row_31_...``, one that proves several ``test_rows_31_32_...``, and stands with the tests of
the module that it is about.
"""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

TESTS = next(folder for folder in Path(__file__).parents if folder.name == "tests")
README = (TESTS / "README.md").read_text(encoding="utf-8")

ROWS = range(1, 123)
NAMED = re.compile(r"test_(rows?)_((?:[0-9]+_)+)(?=[a-z])")

LINES = [
    (int(number), fault, right)
    for number, fault, right in re.findall(r"^\| ([0-9]+) \| ([^|\n]+) \| ([^|\n]+) \|$", README, re.MULTILINE)
]
"""The rows of the catalogue as they stand in the README: number, fault, and what is right."""

NOT_MET = {row for row, _, right in LINES if right.startswith("Not met: ")}
"""Rows that a client of these APIs cannot meet; why is in their lines."""

EXPLAINED = re.findall(r"^\| `([^`\n]+)` \| [^|\n]+ \| [^|\n]+ \| [^|\n]+ \|$", README, re.MULTILINE)
"""The rules of the oracle that the README explains."""

COMMANDS = [
    line.removeprefix("$ ")
    for block in re.findall(r"^```console\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    for line in block.splitlines()
]


def rows_tested() -> dict[int, set[str]]:
    """Return for each row the tests that carry its number."""
    tested: dict[int, set[str]] = {}
    for name in names_of_tests():
        found = NAMED.match(name)
        for number in found[2].split("_")[:-1] if found else ():
            tested.setdefault(int(number), set()).add(name)
    return tested


@cache
def names_of_tests() -> list[str]:
    """Return the names of all test functions."""
    return [
        node.name
        for file in sorted(TESTS.rglob("test_*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    ]


def test_every_row_has_its_line_once_and_in_order() -> None:
    assert [row for row, _, _ in LINES] == [*ROWS]


def test_no_two_rows_are_the_same() -> None:
    assert len({fault for _, fault, _ in LINES}) == len(LINES)


def test_every_row_has_a_test_or_a_reason_and_never_both() -> None:
    tested = rows_tested()
    assert [row for row in ROWS if row not in tested and row not in NOT_MET] == []
    assert {row: tested[row] for row in NOT_MET if row in tested} == {}
    assert [row for row in tested if row not in ROWS] == []


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


# --- the oracle's rules --------------------------------------------------------------------------------------------


def messages(tree: ast.AST) -> Iterator[str]:
    """Return how each violation begins that a module may report, up to the first thing that is filled in.

    Those are what a function yields, what is added to a list of violations or wrongs, and what a function that finds
    some returns as a list.
    """
    for node in ast.walk(tree):
        match node:
            case ast.Yield(value=ast.expr() as told):
                yield from _beginnings(told)
            case ast.AugAssign(target=ast.Attribute(attr="violations" | "wrongs"), value=told):
                yield from _beginnings(told)
            case ast.Call(func=ast.Attribute(value=ast.Attribute(attr="violations" | "wrongs"), attr="append")):
                yield from _beginnings(node.args[0])
            case ast.Return(value=ast.ListComp(elt=ast.JoinedStr() as told)):
                yield from _beginnings(told)
            case _:
                pass


def _beginnings(told: ast.expr) -> Iterator[str]:
    match told:
        case ast.Constant(value=str() as text) | ast.JoinedStr(values=[ast.Constant(value=str() as text), *_]):
            yield text
        case ast.ListComp(elt=part):
            yield from _beginnings(part)
        case ast.List(elts=parts):
            for part in parts:
                yield from _beginnings(part)
        case _:
            pass


def rules_in(message: str) -> list[str]:
    """Return the rules that a message names; one without a number is its own rule."""
    found = re.match(r"([A-Z])([0-9]+)(?:-[A-Z]([0-9]+))? ", message)
    if found is None:
        return [message.rstrip(": ")]
    return [f"{found[1]}{number}" for number in range(int(found[2]), int(found[3] or found[2]) + 1)]


def reported() -> set[str]:
    """Return every rule that the simulation can report as broken."""
    modules = [file for file in (TESTS / "simulation").glob("*.py") if not file.name.startswith("test_")]
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in modules]
    return {rule for tree in trees for message in messages(tree) for rule in rules_in(message)}


def test_every_rule_of_the_oracle_is_explained_once_and_no_other() -> None:
    assert sorted(EXPLAINED) == sorted(reported())


@pytest.mark.parametrize(
    ("code", "rules"),
    [
        ('def wrongs():\n yield f"R1 {count} looks"', ["R1"]),
        ('def wrongs():\n yield "it never came back"', ["it never came back"]),
        ("def wrongs():\n yield f\"O2-O4 {' '.join(missed)}: {told}\"", ["O2", "O3", "O4"]),
        ('self.world.violations += [f"timer left behind: {each}" for each in left]', ["timer left behind"]),
        ('self.world.violations += [f"J9 {one}", "unseen"]', ["J9", "unseen"]),
        ('world.violations.append(f"an exception left the library: {error!r}")', ["an exception left the library"]),
        ('self.server.wrongs.append(f"I11 a request to {host}")', ["I11"]),
        ('def left():\n return [f"I9 left open: {pipe}" for pipe in pipes]', ["I9"]),
        ('world.violations += [f"{heard.who} at {at}: {wrong}" for wrong in wrongs]', []),
        ("world.violations += server.wrongs", []),
    ],
)
def test_the_rules_that_code_reports_are_found(code: str, rules: list[str]) -> None:
    assert [rule for message in messages(ast.parse(code)) for rule in rules_in(message)] == rules


# --- the examples ----------------------------------------------------------------------------------------------------


def test_every_file_that_is_named_is_there() -> None:
    named = set(re.findall(r"`(\w[\w/]*\.(?:py|toml|md))`", README))
    places = (TESTS, TESTS.parent, TESTS.parent / "jobwatch")
    assert len(named) > 30
    assert [name for name in sorted(named) if not any((place / name).is_file() for place in places)] == []


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_readme_runs(command: str) -> None:
    program, *arguments = shlex.split(command)
    assert program == "python"
    ran = subprocess.run(
        [sys.executable, *arguments], cwd=TESTS.parent, capture_output=True, text=True, check=False, timeout=100
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout


@pytest.mark.slow
def test_the_example_of_a_test_passes(tmp_path: Path) -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    test = tmp_path / "test_example.py"
    test.write_text(example, "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto", str(test)]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=100)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "1 passed" in ran.stdout
