"""The commands that the texts show: run against the embedded server, or where that takes long, asked for their help."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from jobwatch.testing import JobServer

from .documents import ROOT, Command, commands, text_of

SHOWN = commands()
OF_JOBWATCH = [each for each in SHOWN if each.command.startswith(("jobwatch ", "cat "))]
OF_JOBWATCH = [each for each in OF_JOBWATCH if each.document in {"README.md", "jobwatch/cli/README.md"}]
OF_PYTHON = [each for each in SHOWN if each.command.startswith("python -m ")]
ENVIRONMENTS = [each for each in SHOWN if "-m venv" in each.command]
_NUMBER = re.compile(r"\d[\d:.T-]*Z?")


def same(text: str) -> str:
    """Return a text in which all times and numbers outside of ids are alike."""
    return "\n".join(_NUMBER.sub("#", line) if line.startswith("{") else line for line in text.splitlines())


async def run(command: str, folder: Path, variables: dict[str, str]) -> tuple[int | None, str]:
    """Run a command as a shell does, and return its exit code and what it printed."""
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", command),
        cwd=folder,
        env={**os.environ, **variables, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    return process.returncode, out.decode()


def test_all_commands_are_of_a_kind_that_is_tried_here() -> None:
    others = {each.command for each in SHOWN if each not in [*OF_JOBWATCH, *OF_PYTHON, *ENVIRONMENTS]}
    elsewhere = {each.command for each in commands("jobwatch/apis/README.md")}  # tried by the tests of tables
    assert others - elsewhere == set()


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
        code, out = await run(each.command, tmp_path, variables)
        assert code == 0, f"{each}: {out}"
        assert not each.output or same(out) == same(each.output), each


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
    assert found.stdout.endswith(" -m pytest --quiet")
