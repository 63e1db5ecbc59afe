"""The README's Python is run as it stands, against the embedded server."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from jobwatch.testing import JobServer

README = Path(__file__).parents[2] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
PROGRAMS = [block for block in BLOCKS if "asyncio.run(" in block]


@pytest.mark.parametrize("program", PROGRAMS, ids=range(len(PROGRAMS)))
async def test_program(program: str, job_server: JobServer, tmp_path: Path) -> None:
    job_server.add("bedrock", "job_01JABCD123", [("PENDING", 0), ("RUNNING", 0.01), ("COMPLETED", 0.02)])
    for job_id in ("job_1", "job_2"):
        job_server.add("capydb", job_id, [("pending", 0), ("running", 0), ("completed", 0)], project_id="prj_1")
    job_server.add("capydb", "job_3", [("running", 0), ("failed", 0)], error="disk full", exit_code=28)
    variables = {
        f"{api.upper()}_API_{what}": value
        for api in ("bedrock", "capydb")
        for what, value in (("URL", job_server.url_of(api)), ("KEY", str(job_server.token)))
    }
    script = tmp_path / "program.py"
    script.write_text(program, "utf-8")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", str(script)),
        cwd=tmp_path,
        env={**os.environ, **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert (process.returncode, err.decode()) == (0, "")
    expected = {
        "every state, once": r"(?s).*PENDING\n.*RUNNING\n.*COMPLETED\nCOMPLETED None\n",
        "wait_all": (
            r"(?s)\['completed', 'completed'\]\n(?=.*job_1 took)(?=.*job_2 took)(?=.*job_3 failed: disk full 28).*"
        ),
        "max_rate": r"completed\n",
        "jobwatch.Watcher": r"(?s).*PENDING\n.*RUNNING\njob_01JABCD123 succeeded None\n",
        "client.look(": r"PENDING\nRUNNING\nCOMPLETED\n",
    }
    pattern = next(pattern for mark, pattern in expected.items() if mark in program)
    assert re.fullmatch(pattern, out.decode()), out.decode()


def test_the_example_test_passes(tmp_path: Path) -> None:
    (example,) = [block for block in BLOCKS if "async def test_" in block]
    test = tmp_path / "test_example.py"
    test.write_text(example, "utf-8")
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto", str(test)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "1 passed" in ran.stdout


def test_every_public_error_is_in_the_tree_it_shows() -> None:
    import jobwatch

    errors = [
        name
        for name in jobwatch.__all__
        if isinstance(found := getattr(jobwatch, name), type) and issubclass(found, Exception)
    ]
    assert errors
    for name in errors:
        assert name in README.read_text("utf-8"), f"{name} is missing from the README"
