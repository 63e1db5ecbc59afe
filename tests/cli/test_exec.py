"""``--exec``: run for each outcome, bounded, and never the exit code's business."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import sys
import time
from pathlib import Path

import pytest

from jobwatch.cli import _exec, _output, _wait, main
from jobwatch.cli._run import Run
from jobwatch.testing import JobServer

OPTIONS = ("--api", "bedrock", "--no-history", "--min-interval", "0.01", "--max-interval", "0.05")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, job_server: JobServer) -> None:
    monkeypatch.setenv("BEDROCK_API_KEY", str(job_server.token))
    monkeypatch.setenv("BEDROCK_API_URL", job_server.url_of("bedrock"))
    monkeypatch.setattr(_output, "_secrets", set())


def sh(code: str) -> str:
    return shlex.join(["/bin/sh", "-c", code])


async def waited(*arguments: str) -> int:
    return await asyncio.to_thread(main, ["wait", *arguments, *OPTIONS])


async def test_a_command_is_run_once_for_each_job_with_the_facts_in_its_environment(
    job_server: JobServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBWATCH_URL", "of an outer command")
    job_server.add("bedrock", "job_1", ["PENDING", "RUNNING", "FAILED"], error="boom; $(touch x)\n2")
    job_server.add("bedrock", "job_2", ["COMPLETED"])
    names = ("OUTCOME", "STATUS", "EXIT_CODE", "ERROR", "URL")
    code = "printf '%s|' " + " ".join(f'"$JOBWATCH_{name}"' for name in names) + ' >> "$0/$JOBWATCH_JOB_ID"'
    assert await waited("job_1", "job_2", "--exec", f"{sh(code)} {shlex.quote(str(tmp_path))}") == 1
    assert (tmp_path / "job_1").read_text().startswith("failed|FAILED|1|")
    assert "boom; $(touch x)\n2" in (tmp_path / "job_1").read_text()
    assert (tmp_path / "job_1").read_text().endswith("||"), "nothing of an outer command"
    assert (tmp_path / "job_2").read_text() == "succeeded|COMPLETED|0|||"


async def test_a_secret_that_a_server_quotes_is_in_no_fact(
    job_server: JobServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATE", "canary-of-the-gate")
    job_server.add("bedrock", "job_1", ["FAILED"], error="no canary-of-the-gate")
    code = sh('printenv JOBWATCH_ERROR > "$0"') + f" {tmp_path / 'x'}"
    assert await waited("job_1", "--exec", code, "--header-env", "X-Gate=GATE") == 1
    assert (tmp_path / "x").read_text().rstrip().endswith("no ***")


async def test_what_it_writes_is_shown_on_stderr_masked_and_harmless(
    job_server: JobServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    job_server.add("bedrock", "job_1", ["COMPLETED"])
    code = r'printf "::error::\033[2J\n%s\n" "$GATE"; echo sent >&2'
    monkeypatch.setenv("GATE", "canary-of-the-gate")
    assert await waited("job_1", "--json", "--exec", sh(code), "--header-env", "X-Gate=GATE") == 0
    out, err = capsys.readouterr()
    assert all(line.startswith("{") for line in out.splitlines())
    assert err.splitlines() == [r"exec job_1 | ::error::\x1b[2J", "exec job_1 | ***", "exec job_1 | sent"]


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (sh("exit 3"), "--exec sh for job_1: it failed: exit code 3"),
        (sh("kill -9 $$"), "--exec sh for job_1: it failed: ended by signal 9"),
        ("/nonexistent/x secret", "--exec x for job_1: it cannot be run: No such file or directory"),
    ],
)
async def test_a_command_that_fails_is_a_note_and_changes_no_exit_code(
    command: str, told: str, job_server: JobServer, capsys: pytest.CaptureFixture[str]
) -> None:
    job_server.add("bedrock", "job_1", ["COMPLETED"])
    assert await waited("job_1", "--exec", command) == 0
    assert capsys.readouterr().err.splitlines() == [f"jobwatch: {told}"]


@pytest.mark.parametrize(("command", "told"), [("'", "no closing quotation"), (" ", "--exec is empty")])
async def test_what_is_no_command_is_found_out_before_anything_is_asked(
    command: str, told: str, job_server: JobServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await waited("job_1", "--exec", command) == 2
    assert told in capsys.readouterr().err
    assert not job_server.requests


async def test_a_command_has_its_time_and_holds_up_no_wait(
    job_server: JobServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_exec, "_LIMIT", 0.1)
    job_server.add("bedrock", "job_1", ["COMPLETED"])
    began = time.monotonic()
    assert await waited("job_1", "--exec", sh("sleep 60 & sleep 60")) == 0
    assert time.monotonic() - began < 30.0
    assert "--exec sh for job_1: ended after 0.1 s" in capsys.readouterr().err


async def test_a_time_limit_is_an_outcome_and_the_command_to_go_on_hides_what_may_be_secret(
    job_server: JobServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job_server.add("bedrock", "job_1", ["RUNNING"])
    code = sh('echo "$JOBWATCH_OUTCOME" > "$0"')
    assert await waited("job_1", "--timeout", "0.05", "--exec", f"{code} {tmp_path / 'x'}") == 6
    assert (tmp_path / "x").read_text() == "timeout\n"
    assert "--exec ... " in capsys.readouterr().err


def test_after_a_signal_no_command_is_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BEDROCK_API_URL", "http://127.0.0.1:9")

    class Stopping(Run):
        async def follow(self) -> None:
            asyncio.get_running_loop().call_later(0.01, os.kill, os.getpid(), signal.SIGTERM)
            await super().follow()

    monkeypatch.setattr(_wait, "Run", Stopping)
    assert main(["wait", "job_1", *OPTIONS, "--exec", f"touch {tmp_path / 'x'}"]) == 143
    assert not (tmp_path / "x").exists()


async def test_a_job_whose_id_the_locale_cannot_write_is_told_in_utf_8(tmp_path: Path, job_server: JobServer) -> None:
    job_server.add("bedrock", "jöb_\U0001f600", ["COMPLETED"])
    code = "import os, sys; open(sys.argv[1], 'wb').write(os.environb[b'JOBWATCH_JOB_ID'])"
    command = shlex.join([sys.executable, "-c", code, str(tmp_path / "x")])
    assert await waited("jöb_\U0001f600", "--exec", command) == 0
    assert (tmp_path / "x").read_bytes().decode() == "jöb_\U0001f600"
