"""What the page on agents' tasks shows: its commands and programs, to be run as they stand or with another message."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from .documents import Command, blocks, commands

PAGE = "jobwatch/apis/AGENTS.md"
LONGEST = 90.0
"""For how long a command may run, in seconds."""


class Ran(Struct, frozen=True):
    """What a command or a program has printed, and its exit code."""

    code: int
    out: str


def shown(word: str) -> list[Command]:
    """Return the commands that the page shows, from a file and on to the wait, of the block in which a word stands."""
    (block,) = [block for block in blocks("console", PAGE) if word in block.text]
    lines = range(block.line, block.line + block.text.count("\n") + 1)
    return [each for each in commands(PAGE) if each.line in lines and not each.command.startswith("export ")]


def program(word: str) -> str:
    """Return the program in which a word stands."""
    (block,) = [block for block in blocks("python", PAGE) if word in block.text]
    return block.text


def wait(word: str, folder: Path, variables: Mapping[str, str], changes: Mapping[str, str], options: str = "") -> Ran:
    """Run what the page shows to start a task and to wait for it.

    Args:
        word: A word of the block.
        folder: Where files are written.
        variables: The address.
        changes: What stands there instead of what the page shows.
        options: More options of the wait.
    """
    command = folder / "jobwatch"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m jobwatch "$@"\n', "utf-8")
    command.chmod(0o755)
    *files, last = shown(word)
    for each in files:
        (folder / each.command.removeprefix("cat ")).write_text(_changed(each.output, changes), "utf-8")
    return run(["sh", "-c", f"{_changed(last.command, changes)} {options}"], folder, variables)


def run(command: list[str], folder: Path, variables: Mapping[str, str], given: str = "") -> Ran:
    """Run a command, in whose folder ``jobwatch`` may lie."""
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **variables, "PATH": path},
        input=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LONGEST,
        check=False,
    )
    return Ran(done.returncode, done.stdout)


def _changed(text: str, changes: Mapping[str, str]) -> str:
    for old, new in changes.items():
        text = text.replace(old, new)
    return text
