"""What the page about waiting without async shows is run as it stands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from jobwatch.testing import JobServer
from tests.project.documents import Block, blocks

PAGE = "jobwatch/_sync/README.md"
BLOCKS = blocks("python", PAGE)
TESTS = [block for block in BLOCKS if "def test_" in block.text]
EXPECTED = {
    "jobwatch.wait(": r"COMPLETED None\n",
    "jobwatch.watch(": r"\S+ \S+ PENDING\n\S+ \S+ RUNNING\n\S+ \S+ COMPLETED\njob_01JABCD123 took (some time|0:\S+)\n",
    "SyncClient(": r"succeeded\n(job_[12] completed\n|job_3 failed: disk full.*\n){3}",
}


@pytest.mark.slow(in_sample=True)
@pytest.mark.parametrize("block", [block for block in BLOCKS if block not in TESTS], ids=str)
def test_program(block: Block, job_server: JobServer, tmp_path: Path) -> None:
    job_server.add("bedrock", "job_01JABCD123", [("PENDING", 0), ("RUNNING", 0.01), ("COMPLETED", 0.02)])
    for job_id in ("job_1", "job_2"):
        job_server.add("capydb", job_id, [("pending", 0), ("running", 0), ("completed", 0)])
    job_server.add("capydb", "job_3", [("running", 0), ("failed", 0)], error="disk full", exit_code=28)
    variables = {
        f"{api.upper()}_API_{what}": value
        for api in ("bedrock", "capydb")
        for what, value in (("URL", job_server.url_of(api)), ("KEY", str(job_server.token)))
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block.text],
        cwd=tmp_path,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    (expected,) = [pattern for mark, pattern in EXPECTED.items() if mark in block.text]
    assert re.fullmatch(expected, done.stdout), done.stdout


@pytest.mark.slow(in_sample=True)
@pytest.mark.parametrize("mode", ["auto", "strict"])
def test_the_example_test_passes(mode: str, tmp_path: Path) -> None:
    (block,) = TESTS
    test = tmp_path / "test_example.py"
    test.write_text(block.text + ANYIO, "utf-8")
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", f"asyncio_mode={mode}", str(test)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "2 passed" in ran.stdout


ANYIO = """

import pytest


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.mark.anyio
async def test_with_the_plugin_of_anyio(job_server):
    job_server.add("bedrock", "job_1", ["PENDING", "COMPLETED"])
    async with jobwatch.Client("bedrock", base_url=job_server.url_of("bedrock"), token="sk_test") as client:
        assert (await client.wait_for("job_1")).status == "COMPLETED"
"""
"""A test that the page does not show: with pytest-asyncio in its auto mode beside, it used to hang."""
