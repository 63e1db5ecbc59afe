"""``--source MODULE:NAME``: what it names is asked, and what is wrong with it is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobwatch.cli import main

MINE = """
from jobwatch.testing import FakeSource

source = FakeSource("mine")
source.add("a", [("running", 0), ("succeeded", 0.1)])
source.add("b", ["failed"], project_id="p")
number = 7


def made():
    return source


def broken():
    raise ValueError("sk_secret")


def wants(more):
    return source


class Holder:
    inner = source
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "own_jobs_of_mine.py").write_text(MINE, "utf-8")
    (tmp_path / "broken_jobs_of_mine.py").write_text("1 / 0", "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


QUICK = ["--min-interval", "0.01", "--max-interval", "0.02", "--no-history", "--unreachable-after", "0.1"]


@pytest.mark.parametrize("name", ["source", "made", "Holder.inner"])
def test_a_source_is_waited_for_read_and_listed(capsys: pytest.CaptureFixture[str], name: str) -> None:
    source = ["--source", f"own_jobs_of_mine:{name}"]
    assert main(["wait", "a", *source, *QUICK]) == 0
    assert main(["wait", "b", *source, *QUICK]) == 1
    assert main(["get", "b", *source]) == 0
    assert main(["list", "--project", "p", *source]) == 0
    assert "mine" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("own_jobs_of_mine", "takes MODULE:NAME"),
        ("own_jobs_of_mine:", "takes MODULE:NAME"),
        ("nowhere_to_be_found:x", "there is no module nowhere_to_be_found"),
        ("own_jobs_of_mine:x", "has no x"),
        ("own_jobs_of_mine:source.x", "has no x"),
        ("own_jobs_of_mine:number", "no source, and nothing that makes one"),
        ("broken_jobs_of_mine:x", "importing it raised ZeroDivisionError at "),
        ("own_jobs_of_mine:broken", "making it raised ValueError at "),
        ("own_jobs_of_mine:wants", "making it raised TypeError\n"),
    ],
)
def test_what_is_wrong_with_a_source_is_said(capsys: pytest.CaptureFixture[str], name: str, told: str) -> None:
    assert main(["wait", "a", "--source", name]) == 2
    err = capsys.readouterr().err
    assert told in err
    assert "sk_secret" not in err
    assert "division by zero" not in err


@pytest.mark.parametrize(
    "option",
    [
        ["--api", "bedrock"],
        ["--base-url", "http://x"],
        ["--param", "a=b"],
        ["--token-file", "f"],
        ["--token-command", "c"],
        ["--proxy", "http://x"],
        ["--no-proxy"],
        ["--tls-cert", "f"],
        ["--tls-ca", "f"],
        ["--max-body", "1"],
    ],
)
def test_a_source_has_its_own_address(capsys: pytest.CaptureFixture[str], option: list[str]) -> None:
    assert main(["wait", "a", "--source", "own_jobs_of_mine:source", *option]) == 2
    assert f"leave out {option[0]}" in capsys.readouterr().err
