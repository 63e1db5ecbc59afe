"""The page on CI systems: each block is run under the variables that such a system sets, against the job server."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest
from msgspec import Struct

from jobwatch.cli._exit_codes import codes_of
from jobwatch.cli._runners import Runner, runner_of
from jobwatch.testing import JobServer
from tests.cli.runners import github_outputs, obeyed

from .documents import text_of

PAGE = "jobwatch/cli/CI.md"
TEXT = text_of(PAGE)
_SECTION = re.compile(r"^## ([^\n]+)\n\n```(yaml|groovy)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
BLOCKS = {title: text for title, _, text in _SECTION.findall(TEXT)}
_OUTPUT_OF_GITHUB = re.compile(r"^ +(\w+): \$\{\{ steps\.restore\.outputs\.(\w+) \}\}$", re.MULTILINE)
_OUTPUT_OF_AZURE = re.compile(r"^ +(\w+): \$\(restore\.(jobwatch\.\w+)\)$", re.MULTILINE)


class System(Struct, frozen=True):
    """A CI system: what it sets, and whether what a step ends with ends what comes after it."""

    runner: Runner
    variables: dict[str, str]


SYSTEMS = {
    "GitHub Actions": System(Runner.GITHUB, {"CI": "true", "GITHUB_ACTIONS": "true"}),
    "GitLab": System(Runner.GITLAB, {"CI": "true", "GITLAB_CI": "true"}),
    "Buildkite": System(Runner.BUILDKITE, {"CI": "true", "BUILDKITE": "true"}),
    "Jenkins": System(Runner.JENKINS, {"JENKINS_URL": "https://ci.example/", "BUILD_TAG": "jenkins-x-1"}),
    "Azure Pipelines": System(Runner.AZURE, {"TF_BUILD": "True"}),
    "CircleCI": System(Runner.CIRCLECI, {"CI": "true", "CIRCLECI": "true"}),
}
ENDS = {"completed": ("succeeded", 0), "failed": ("failed", 1), "cancelled": ("cancelled", 5)}


def indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def scripts(block: str) -> list[str]:
    """Return the scripts of a block, each as its step would run it, but for what installs."""
    found: list[list[str]] = []
    within: int | None = None
    for line in block.splitlines():
        if within is not None and indent(line) > within:
            found[-1].append(line.strip())
            continue
        within = None
        if re.fullmatch(r" *(- )?(run|bash|command): \|| *sh '''", line):
            within = indent(line.replace("- ", "  ", 1))  # the column of the key
            found.append([])
        elif step := re.fullmatch(r" *- ((?:jobwatch|echo) .*)", line):
            found.append([step[1]])
    return ["\n".join(lines) for lines in found]


def test_there_is_a_block_for_each_system_and_each_is_known_by_its_variables() -> None:
    assert BLOCKS.keys() == SYSTEMS.keys()
    for title, system in SYSTEMS.items():
        assert runner_of(system.variables) is system.runner
        row = next(line for line in TEXT.splitlines() if line.startswith(f"| {title} |"))
        assert any(f"`{name}`" in row for name in system.variables), row


def test_the_ends_that_can_have_another_code_are_those_that_the_page_names() -> None:
    row = next(line for line in TEXT.splitlines() if line.startswith("| `--exit-code timeout=75` |"))
    named = re.findall(r"`(\w+)`", row.split("|")[2])
    assert named == [outcome.value for outcome in codes_of(f"{name}=1" for name in named)]
    assert len(named) == 11


async def shell(script: str, folder: Path, variables: dict[str, str]) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *("sh", "-ec", script),
        cwd=folder,
        env={**os.environ, **variables, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    return process.returncode, out.decode()


def outputs(title: str, block: str, folder: Path, log: str) -> dict[str, str]:
    """Return the variables that a later step gets from an earlier one."""
    if title == "GitHub Actions":
        found = github_outputs((folder / "github_output").read_text("utf-8"))
        return {name: found[output] for name, output in _OUTPUT_OF_GITHUB.findall(block)}
    if title == "Azure Pipelines":
        commands = [each for each in obeyed(log) if each.name == "task.setvariable"]
        found = {each.properties["variable"]: each.data for each in commands}
        return {name: found[output] for name, output in _OUTPUT_OF_AZURE.findall(block)}
    if title == "GitLab":
        lines = (folder / "wait.env").read_text("utf-8").splitlines()
        return dict(line.split("=", 1) for line in lines)
    return {}


@pytest.mark.slow
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("title", SYSTEMS)
async def test_a_block(title: str, end: str, job_server: JobServer, tmp_path: Path) -> None:
    outcome, code = ENDS[end]
    job_server.add("capydb", "job_1", [("pending", 0), ("running", 0.1), (end, 0.2)], error="no such backup")
    for name, text in {
        "jobwatch": f'exec "{sys.executable}" -m jobwatch "$@" --no-history',
        "buildkite-agent": 'echo "annotated: $2 $4"',
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n", "utf-8")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "github_output").touch()
    variables = {
        **SYSTEMS[title].variables,
        "CAPYDB_API_KEY": str(job_server.token),
        "CAPYDB_API_URL": job_server.url_of("capydb"),
        "JOB_ID": "job_1",
        "GITHUB_OUTPUT": str(tmp_path / "github_output") if title == "GitHub Actions" else "",
    }
    block = BLOCKS[title].replace("$$", "$") if title == "Buildkite" else BLOCKS[title]
    first, *later = scripts(block)
    ended, log = await shell(first, tmp_path, variables)
    assert ended == code, log
    assert f"=> {outcome}" in log
    told = log
    for script in later:
        ended, more = await shell(script, tmp_path, {**variables, **outputs(title, block, tmp_path, log)})
        assert ended == 0, more
        told += more
    if title == "Buildkite":
        assert f"annotated: The restore: {outcome} {'error' if code else 'success'}" in told
    elif title != "Jenkins":
        assert f"The restore: {outcome}" in told
    else:
        assert (tmp_path / "restore-job_1.cursor").exists()
