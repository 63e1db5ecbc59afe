"""``jobwatch watch --serve``: the link that it prints, what is told by it, and how the command ends."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from jobwatch.cli import main
from jobwatch.cli._arguments import parsed
from jobwatch.cli._watch_page import ENDED
from tests.page.reading import Reader, let_in
from tests.project.documents import commands

from .processes import python

_SOURCE = """
from jobwatch import Problem
from jobwatch.testing import FakeSource
def make():
    source = FakeSource("acme")
    source.add("build", [("queued", 0), ("running", 0.2)])
    source.add("done", [("completed", 0)])
    source.add("tests", [("queued", 0), ("failed", 1.5)], error=Problem("no space"))
    return source
"""


@asynccontextmanager
async def command(folder: Path, *argv: str, at: str = "127.0.0.1:0") -> AsyncIterator[asyncio.subprocess.Process]:
    (folder / "mine.py").write_text(_SOURCE)
    options = [
        "--source",
        "mine:make",
        "--no-history",
        "--serve",
        at,
        "--min-interval",
        "20ms",
        "--max-interval",
        "30ms",
    ]
    environment = os.environ | {"PYTHONPATH": f"{Path.cwd()}{os.pathsep}{folder}"}
    async with python("-m", "jobwatch", "watch", *argv, *options, cwd=folder, env=environment) as process:
        yield process


async def link_of(process: asyncio.subprocess.Process) -> str:
    """Return the link that is printed next."""
    assert process.stderr is not None
    while b"/#enter=" not in (line := await process.stderr.readline()):
        assert line, "it printed no link"
    return line.decode().split()[-1]


async def last_words(reader: Reader) -> Any:
    """Return what the page is told at the end."""
    name, data = await reader.event()
    while name not in {"over", ""}:
        name, data = await reader.event()
    return data


@pytest.mark.slow(in_sample=True)
async def test_it_serves_until_all_named_jobs_have_ended_and_exits_by_how_they_did(tmp_path: Path) -> None:
    async with command(tmp_path, "tests") as process, let_in(await link_of(process)) as reader:
        jobs = await reader.until(lambda jobs: "outcome" in jobs.get("tests", {}))
        assert jobs["tests"]["why"] == "no space"
        assert await last_words(reader) == {"text": ENDED}
        assert process.stdout is not None
        assert await process.stdout.read() == b""
        assert await process.wait() == 1


@pytest.mark.slow
async def test_of_jobs_that_have_ended_no_link_is_printed_since_the_page_ends_with_the_command(tmp_path: Path) -> None:
    async with command(tmp_path, "done") as process:
        assert process.stderr is not None
        assert b"shown at" not in await process.stderr.read()
        assert await process.wait() == 0


@pytest.mark.slow
async def test_a_signal_ends_it_and_the_page_is_told(tmp_path: Path) -> None:
    async with command(tmp_path, "build", "--json") as process:
        link = await link_of(process)
        async with let_in(link) as reader:
            another = await link_of(process)
            assert another.partition("#")[0] == link.partition("#")[0]
            assert another != link
            await reader.until(lambda jobs: jobs.get("build", {}).get("phase") == "running")
            process.send_signal(signal.SIGINT)
            assert await last_words(reader) == {"text": "The watch was stopped; the jobs go on."}
            assert process.stdout is not None
            lines = [json.loads(line) async for line in process.stdout]
            assert [line["status"] for line in lines if line["type"] == "transition"] == ["queued", "running"]
            assert await process.wait() == 130


@pytest.mark.slow
async def test_an_address_that_others_can_reach_is_warned_of_and_the_link_names_the_machine(tmp_path: Path) -> None:
    async with command(tmp_path, "build", at="0.0.0.0:0") as process:
        assert process.stderr is not None
        warning = (await process.stderr.readline()).decode()
        assert "0.0.0.0:0 can be reached from elsewhere, and what goes there is not encrypted" in warning
        link = await link_of(process)
        assert link.startswith(f"http://{socket.gethostname()}:")
        port, word = link.rpartition(":")[2].split("/")
        async with let_in(f"http://127.0.0.1:{port}/{word}") as reader:
            assert (await reader.jobs())["anew"]


def test_the_command_of_the_documentation_is_understood_and_its_tunnel_leads_to_the_same_port() -> None:
    serving, tunnel = (each.command for each in commands("jobwatch/_serving/page/README.md"))
    options = parsed(shlex.split(serving)[1:])
    assert (options.command, options.projects, options.serve) == ("watch", ["prj_42"], "127.0.0.1:8787")
    assert f"8787:{options.serve}" in tunnel


def test_an_address_that_is_none_is_told_before_anything_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", "job_1", "--api", "capydb", "--serve", "8787"]) == 2
    assert "'8787' is no address to serve at: write HOST:PORT, such as 127.0.0.1:8787" in capsys.readouterr().err


@pytest.mark.slow
async def test_an_address_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        at = f"127.0.0.1:{taken.getsockname()[1]}"
        async with command(tmp_path, "build", at=at) as process:
            _, told = await process.communicate()
            assert f"error: cannot serve at {at}: Address already in use; port 0 takes a free one\n" in told.decode()
            assert process.returncode == 2
