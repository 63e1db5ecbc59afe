"""The commands of the texts, run as in a shell."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest

LONGEST = 60.0
"""For how long a command may run, in seconds: where a text is wrong, a wait may never end."""


async def run(command: str, folder: Path, variables: Mapping[str, str], programs: Path) -> tuple[int | None, str]:
    """Run a command as a shell does, and return its exit code and what it printed.

    Args:
        command: What stands in the text.
        folder: Where it is run.
        variables: What is in its environment besides what is in that of the tests.
        programs: The folder whose programs come before all others.
    """
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", command),
        cwd=folder,
        env={**os.environ, **variables, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(LONGEST):
            out, _ = await process.communicate()
    except TimeoutError:
        os.killpg(process.pid, signal.SIGKILL)
        out, _ = await process.communicate()
        pytest.fail(f"still at work after {LONGEST} s: {out.decode()}")
    return process.returncode, out.decode()
