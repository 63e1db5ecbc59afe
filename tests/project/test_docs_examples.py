"""The page of examples: every command in it is run as a shell does, in its order, and returns what the page says."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import msgspec
import pytest

from jobwatch.testing import JobServer

from .documents import Block, blocks
from .shell import run

PAGE = "jobwatch/cli/EXAMPLES.md"
BLOCKS = blocks("console", PAGE)


def commands(text: str) -> list[tuple[str, str, int]]:
    """Return the commands of a block, each with what it prints and what it returns."""
    found: list[tuple[str, str, int]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line.removeprefix("$ "), "", 0))
        elif code := re.fullmatch(r"# exit (\d+)", line):
            found[-1] = (*found[-1][:2], int(code[1]))
        else:
            found[-1] = (found[-1][0], f"{found[-1][1]}{line}\n", found[-1][2])
    return found


@pytest.mark.slow
@pytest.mark.parametrize("block", BLOCKS, ids=str)
async def test_every_command_returns_what_the_page_says(block: Block, job_server: JobServer, tmp_path: Path) -> None:
    for job_id in ("job_1", "job_2"):
        states = [("pending", 0.0), ("running", 0.0), ("completed", 0.0)]
        job_server.add("capydb", job_id, states, project_id="prj_1", stdout="dumped 3 tables\n")
    job_server.add("capydb", "job_3", [("running", 0), ("failed", 0)], error="no such backup", stderr="no file\n")
    job_server.add("capydb", "job_9", [("pending", 0), ("running", 0)])
    (tmp_path / "jobwatch").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m jobwatch "$@"\n', "utf-8")
    (tmp_path / "jobwatch").chmod(0o755)
    variables = {"CAPYDB_API_KEY": str(job_server.token), "CAPYDB_API_URL": job_server.url_of("capydb")}
    printed = ""
    for command, output, wanted in commands(block.text):
        if command.startswith("cat "):
            (tmp_path / command.removeprefix("cat ")).write_text(output, "utf-8")
        code, printed = await run(command, tmp_path, variables, tmp_path)
        assert code == wanted, f"{command}: {printed}"
        assert not output or printed == output, command
        if "echo" in command:
            assert printed.splitlines()[-1].strip(), f"{command}: it prints an empty line"
        if "OUTCOME" in command:
            assert printed.splitlines()[-1] == "succeeded"
    if (tmp_path / "outcome.json").exists():
        assert msgspec.json.decode((tmp_path / "outcome.json").read_bytes())["outcome"] == "succeeded"
    if (tmp_path / "restore.cursor").exists():
        assert "running" not in printed.split("=>")[0], "it was printed before"


def test_there_are_commands_in_every_block() -> None:
    assert len(BLOCKS) == 8
    assert all(commands(block.text) for block in BLOCKS)
