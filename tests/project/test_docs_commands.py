"""The commands that the texts show: run against the embedded server, or where that takes long, asked for their help."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.all import QUICK
from benchmarks.look_rivals import ALL
from jobwatch.testing import JobServer
from tests.simulation.planted import BUGS

from .documents import ROOT, Command, commands, text_of
from .shell import run

SHOWN = commands()
OF_JOBWATCH = [each for each in SHOWN if each.command.startswith(("jobwatch ", "cat "))]
OF_JOBWATCH = [each for each in OF_JOBWATCH if each.document in {"README.md", "jobwatch/cli/README.md"}]
OF_PYTHON = [each for each in SHOWN if each.command.startswith("python -m ")]
ENVIRONMENTS = [each for each in SHOWN if "-m venv" in each.command]

_NUMBER = re.compile(r"\d[\d:.T-]*Z?")


def same(text: str) -> str:
    """Return a text in which all times and numbers outside of ids are alike."""
    return "\n".join(_NUMBER.sub("#", line) if line.startswith("{") else line for line in text.splitlines())


def test_all_commands_are_of_a_kind_that_is_tried_here() -> None:
    others = {each.command for each in SHOWN if each not in [*OF_JOBWATCH, *OF_PYTHON, *ENVIRONMENTS]}
    pages = ("apis/README.md", "apis/AGENTS.md", "cli/EXAMPLES.md", "nats/README.md", "_serving/page/README.md")
    elsewhere = {each.command for each in commands(*(f"jobwatch/{each}" for each in pages))}  # tried by their own tests
    assert others - elsewhere == {". .venv/bin/activate"}


@pytest.mark.slow
@pytest.mark.parametrize("document", sorted({each.document for each in OF_JOBWATCH}))
async def test_the_command_line(document: str, job_server: JobServer, tmp_path: Path) -> None:
    job_server.add("bedrock", "job_01JABCD123", [("PENDING", 0), ("RUNNING", 0.1), ("COMPLETED", 0.2)])
    for job_id in ("job_1", "job_2"):
        job_server.add("capydb", job_id, [("pending", 0), ("running", 0), ("completed", 0)], project_id="prj_1")
    variables = {
        f"{api.upper()}_API_{what}": value
        for api in ("bedrock", "capydb")
        for what, value in (("URL", job_server.url_of(api)), ("KEY", str(job_server.token)))
    }
    (tmp_path / "jobwatch").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m jobwatch "$@"\n', "utf-8")
    (tmp_path / "jobwatch").chmod(0o755)
    for each in OF_JOBWATCH:
        if each.document != document:
            continue
        if each.command.startswith("cat "):
            (tmp_path / each.command.removeprefix("cat ")).write_text(each.output, "utf-8")
        code, out = await run(each.command, tmp_path, variables, tmp_path)
        assert code == 0, f"{each}: {out}"
        assert not each.output or same(out) == same(each.output), each


@pytest.mark.slow
@pytest.mark.parametrize("each", OF_PYTHON, ids=str)
def test_programs_take_the_options_that_are_shown(each: Command) -> None:
    _, _, module, *words = shlex.split(each.command)
    if module == "pytest":
        assert words
        assert all((ROOT / word).exists() for word in words)
        return
    if module == "benchmarks.fleet_stages":
        stages = re.search(r"fleet_stages ([a-z|]+) WAY JOBS", text_of("benchmarks/fleet_stages.py"))
        assert stages is not None
        assert words[0] in stages[1].split("|")
        assert all(word.isdigit() for word in words[2:])
        return
    asked = subprocess.run(
        [sys.executable, "-m", module, "--help"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert asked.returncode == 0, asked.stderr
    for word in words:
        assert not word.startswith("-") or re.search(rf"(?<!\S){word}\b", asked.stdout), word
    if module == "benchmarks.look":
        named = words[: next((place for place, word in enumerate(words) if word.startswith("-")), len(words))]
        assert set(named) <= set(ALL)


def test_the_planted_bug_that_is_looked_for_is_there() -> None:
    (only,) = re.findall(r'planted --only "([^"]+)"', text_of(".github/CONTRIBUTING.md"))
    assert len([bug for bug in BUGS if only in bug.name]) == 1


@pytest.mark.parametrize("each", ENVIRONMENTS, ids=str)
def test_environments_are_made_of_extras_that_there_are(each: Command) -> None:
    (extra,) = re.findall(r"'\.\[([a-z]+)\]'", each.command)
    assert re.search(rf"^{extra} = \[", text_of("pyproject.toml"), re.MULTILINE)


def test_the_gate_finds_the_test_command() -> None:
    (script,) = [line for line in text_of(".ci/run").splitlines() if line.startswith("command=")]
    asked = f'{script}\nprintf %s "$command"'
    found = subprocess.run(["bash", "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.splitlines() == [
        each.command for each in SHOWN if " -m pytest" in each.command and "venv" in each.command
    ]
    assert found.stdout.endswith(" -m pytest -q -n2")


def test_the_gate_finds_the_oldest_dependencies() -> None:
    (script,) = [line.strip() for line in text_of(".ci/run").splitlines() if line.strip().startswith("pins=")]
    asked = f'{script}\nprintf %s "$pins"'
    found = subprocess.run(["bash", "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True)
    allowed = tomllib.loads(text_of("pyproject.toml"))["project"]["dependencies"]
    assert found.stdout.splitlines() == [each.replace(">=", "==") for each in allowed]


# --- benchmarks ------------------------------------------------------------------------------------------------


def is_run(source: Path) -> bool:
    """Whether a module is a program."""
    return source.name == "__main__.py" or '__name__ == "__main__"' in source.read_text("utf-8")


@pytest.mark.parametrize("what", [is_run, lambda _: True], ids=["programs", "modules"])
def test_every_benchmark_is_named(what: Callable[[Path], bool]) -> None:
    told = text_of("benchmarks/README.md")
    sources = [source for source in sorted((ROOT / "benchmarks").glob("*.py")) if source.stem != "__init__"]
    sources += sorted((ROOT / "benchmarks").glob("*/__main__.py"))
    names = [source.stem if source.stem != "__main__" else source.parent.name for source in sources if what(source)]
    assert len(names) >= 10
    for name in names:
        assert re.search(rf"`{name}`|`python -m benchmarks\.{name}\b|python -m benchmarks\.{name}\b", told), name


def test_every_benchmark_says_its_question_its_command_and_its_bias() -> None:
    sections = re.split(r"^## ", text_of("benchmarks/README.md"), flags=re.MULTILINE)[1:-1]
    programs = {re.findall(r"`(\w+)`", section)[0]: section for section in sections}
    modules = [each for each in (ROOT / "benchmarks").glob("*.py") if '"--json"' in each.read_text()]
    assert sorted(programs) == sorted(each.stem for each in modules if each.stem != "all") == sorted(QUICK)
    for name, section in programs.items():
        assert re.match(rf"`{name}`: .*\?\n", section)
        assert f"$ python -m benchmarks.{name}" in section
        assert "| figure | measured |" in section
        assert re.search(r"Bias\s\*for", section)
