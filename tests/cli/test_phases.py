"""partial, finished and blocked on the command line: what is printed, and which exit code comes of it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from jobwatch import Client, Outcome
from jobwatch.cli import main
from jobwatch.cli._exit_codes import Verdict
from jobwatch.cli._lines import JsonLines, PlainLines
from jobwatch.cli._live import LiveTable
from jobwatch.cli._run import Display, Run
from jobwatch.cli._wait import run_to_end
from jobwatch.testing import FakeSource
from tests.virtual import on_virtual_clock

MINE = """
from jobwatch.testing import FakeSource

source = FakeSource("mine")
for word in ("succeeded", "partial", "finished", "failed", "cancelled"):
    source.add(word, ["running", word], project_id="p")
source.add("blocked", ["blocked"], project_id="p", asked="Deploy?\\x1b[2J", url="https://ci.test/1")
"""
CODES = {"succeeded": 0, "failed": 1, "cancelled": 5, "partial": 9, "finished": 10}
ASKED: dict[str, Any] = {"asked": "Deploy?\x1b[2J ##[x]", "url": "https://ci.test/1"}
SAFE = r"waits for a person: Deploy?\x1b[2J #\x23[x]: https://ci.test/1"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "own_phases.py").write_text(MINE, "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def waited(*arguments: str) -> int:
    return main(["wait", *arguments, "--source", "own_phases:source", "--no-history", "--min-interval", "0.01"])


@pytest.mark.parametrize("word", CODES)
def test_each_end_has_its_code_and_is_good_when_it_is_accepted(word: str) -> None:
    assert waited(word) == CODES[word]
    assert waited(word, "--accept", word) == 0
    assert waited(word, "--accept", "partial, FINISHED", "--accept", "failed,cancelled") == 0
    others = ",".join(other for other in CODES if other != word)
    assert waited(word, f"--accept={others}") == CODES[word]
    assert waited(word, "--no-fail") == 0


def test_of_several_the_graver_that_is_not_accepted_counts() -> None:
    assert waited("partial", "finished", "cancelled") == 9
    assert waited("partial", "finished", "cancelled", "--accept", "partial") == 10
    assert waited("partial", "finished", "cancelled", "--accept", "partial,finished") == 5


def test_blocked_is_neither_forgiven_nor_accepted() -> None:
    assert Verdict(forgiving=True, accepted=frozenset(Outcome) - {Outcome.BLOCKED}).exit_code([Outcome.BLOCKED]) == 8


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--accept", "partal"], "--accept: there is no 'partal'; there is partial, finished, failed, cancelled"),
        (["--accept", "blocked"], "--accept: there is no 'blocked'"),
        (["--fail-on", "partial"], "--fail-on: there is no 'partial'; there is blocked"),
    ],
)
def test_a_name_that_there_is_not_is_a_usage_error(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert waited("succeeded", *arguments) == 2
    out, err = capsys.readouterr()
    assert (out, told in err) == ("", True)


async def shown(display: Display, *, accepted: frozenset[Outcome] = frozenset()) -> int:
    """Wait for a job that asks for somebody, until that is known, and return the exit code."""
    source = FakeSource()
    source.add("a", [("running", 0), ("blocked", 5)], **ASKED)
    async with Client(source=source) as client:
        with display:
            run = Run([client.wait_for("a", check=False, fail_on={"blocked"})], display)
            return await run_to_end(run, Verdict(forgiving=True, accepted=accepted))


@on_virtual_clock
async def test_plain_lines_say_what_is_asked_at_once_and_why_the_wait_ended(capsys: pytest.CaptureFixture[str]) -> None:
    assert await shown(PlainLines(["a"])) == 8
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[1].endswith(f"a  blocked: {SAFE}")
    assert lines[2].endswith(f"looks: {SAFE}")
    assert "=> blocked after a wait of 1" in lines[2]


@on_virtual_clock
async def test_json_tells_what_is_asked_and_where(capsys: pytest.CaptureFixture[str]) -> None:
    assert await shown(JsonLines()) == 8
    running, blocked, end = map(json.loads, capsys.readouterr().out.splitlines())
    assert "asked" not in running
    for line in (blocked, end):
        assert (line["phase"], line["asked"], line["url"]) == ("blocked", ASKED["asked"], ASKED["url"])
    assert (end["outcome"], end["error"]) == ("blocked", None)


@on_virtual_clock
async def test_the_live_table_shows_it_while_it_lasts() -> None:
    source = FakeSource()
    source.add("a", [("running", 0), ("blocked", 5), ("running", 50), ("partial", 60)], **ASKED)
    text = io.StringIO()
    table = LiveTable(["a"], "t", Console(file=text, width=160, force_terminal=False))
    notes: dict[str, bool] = {}
    async with Client(source=source) as client:
        async for change in client.wait_for("a"):
            table.transition(change)
            console = Console(file=io.StringIO(), width=160, record=True)
            console.print(table)
            drawn = console.export_text()
            notes[f"{change.status}{change.seq}"] = SAFE in drawn
            assert ("0 of 1 ended, 1 waits for a person" in drawn) == (SAFE in drawn)
    assert notes == {"running1": False, "blocked2": True, "running3": False, "partial4": False}


def test_get_and_list_tell_it_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["get", "blocked", "--source", "own_phases:source"]) == 0
    out = capsys.readouterr().out
    assert "asked" in out
    assert r"Deploy?\x1b[2J" in out
    assert main(["list", "--project", "p", "--source", "own_phases:source"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert any(
        row.startswith("blocked") and r"waits for a person: Deploy?\x1b[2J: https://ci.test/1" in row for row in rows
    )
    assert any(row.startswith("partial") for row in rows)
