"""What later steps read: GitHub's file as its runner reads it, a dotenv file as a shell does, Azure's variables."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobwatch import ConfigError, Outcome, Phase
from jobwatch.cli import _output, main
from jobwatch.cli._outputs import AzureVariables, DotenvFile, GitHubOutputs, values_of
from jobwatch.cli._render import OutcomeRecord
from jobwatch.cli._reports import Finished
from jobwatch.testing import JobServer

from .runners import github_outputs, obeyed
from .test_annotations import HOSTILE

NOW = datetime(2026, 11, 29, tzinfo=UTC)
NAMES = ["outcome", "status", "exit_code", "job_ids", "result"]


def ended(outcome: Outcome, job_id: str = "job_1", status: str | None = "DONE") -> OutcomeRecord:
    return OutcomeRecord(job_id, outcome, status, Phase.SUCCEEDED, None, 3, 1.5)


def finished(*outcomes: OutcomeRecord, code: int = 0) -> Finished:
    return Finished(outcomes, code, NOW, NOW, "capydb")


# --- which values -------------------------------------------------------------------------------------------------


def test_of_one_job_they_are_its_own() -> None:
    assert values_of(finished(ended(Outcome.SUCCEEDED)), 1000) == {
        "outcome": "succeeded",
        "status": "DONE",
        "exit_code": "0",
        "job_ids": "job_1",
        "result": "null",
    }


@pytest.mark.parametrize(
    ("code", "outcome"), [(1, "failed"), (0, "succeeded"), (75, "failed")], ids=["failed", "forgiven", "own code"]
)
def test_of_several_they_are_those_of_the_one_that_decided(code: int, outcome: str) -> None:
    all_of_them = [
        ended(Outcome.TIMEOUT, "slow", "RUNNING"),
        ended(Outcome.SUCCEEDED, "good", "OK"),
        ended(Outcome.FAILED, "bad", "KO"),
    ]
    values = values_of(finished(*all_of_them, code=code), 1000)
    assert (values["outcome"], values["job_ids"], values["exit_code"]) == (outcome, "slow,good,bad", str(code))
    assert values["status"] == {"failed": "KO", "succeeded": "OK"}[outcome]


def test_after_a_signal_the_outcome_is_not_that_of_a_job_that_had_ended() -> None:
    both = (ended(Outcome.SUCCEEDED, "good"), ended(Outcome.INTERRUPTED, "left", "RUNNING"))
    values = values_of(finished(*both, code=130), 1000)
    assert (values["outcome"], values["status"]) == ("interrupted", "RUNNING")


def test_without_any_end_they_are_there_all_the_same() -> None:
    assert list(values_of(finished(code=70), 1000)) == NAMES


# --- GitHub -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@given(HOSTILE, HOSTILE)
def test_github_reads_what_was_written_and_nothing_else(job_id: str, status: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "outputs")
        path.write_text("before=1\n", "utf-8")
        GitHubOutputs(str(path)).finish(finished(ended(Outcome.SUCCEEDED, job_id, status)))
        found = github_outputs(path.read_bytes().decode())
    assert list(found) == ["before", *NAMES]
    assert (found["before"], found["outcome"], found["result"]) == ("1", "succeeded", "null")


def test_no_mark_is_used_twice(tmp_path: Path) -> None:
    path = tmp_path / "outputs"
    for _ in range(2):
        GitHubOutputs(str(path)).finish(finished(ended(Outcome.SUCCEEDED)))
    marks = [line.partition("<<")[2] for line in path.read_text("utf-8").splitlines() if "<<" in line]
    assert len(set(marks)) == len(marks) == 2 * len(NAMES)


async def test_the_file_of_github_is_written_without_being_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_output, "_secrets", set())
    async with JobServer(token="sk_canary_0utputs") as server:
        for name, value in {
            "CAPYDB_API_KEY": "sk_canary_0utputs",
            "CAPYDB_API_URL": server.url_of("capydb"),
            "GITHUB_ACTIONS": "true",
            "GITHUB_OUTPUT": str(tmp_path / "outputs"),
        }.items():
            monkeypatch.setenv(name, value)
        server.add("capydb", "job_1", ["failed"], error="no, sk_canary_0utputs, no")
        argv = ["wait", "job_1", "--api", "capydb", "--no-history", "--outputs", str(tmp_path / "o.env")]
        assert await asyncio.to_thread(main, argv) == 1
    found = github_outputs((tmp_path / "outputs").read_text("utf-8"))
    assert (found["outcome"], found["status"], found["exit_code"]) == ("failed", "failed", "1")
    assert (tmp_path / "o.env").read_text("utf-8").splitlines()[:3] == [
        "JOBWATCH_OUTCOME=failed",
        "JOBWATCH_STATUS=failed",
        "JOBWATCH_EXIT_CODE=1",
    ]
    out, err = capsys.readouterr()
    assert "canary" not in out + err
    assert [each.name for each in obeyed(out + err)] == ["error"]


# --- a dotenv file ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@given(job_id=HOSTILE, status=st.one_of(HOSTILE, st.sampled_from(["$(exit 3)", "`exit 3`", "a b; exit 3", "' \" \\"])))
def test_a_shell_reads_it_without_obeying_it(job_id: str, status: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "o.env")
        DotenvFile(str(path)).finish(finished(ended(Outcome.SUCCEEDED, job_id, status)))
        lines = path.read_text("utf-8").splitlines()
        script = f'set -eu; . "{path}"; printf %s "$JOBWATCH_OUTCOME $JOBWATCH_EXIT_CODE"'
        ran = subprocess.run([shutil.which("sh") or "sh", "-c", script], capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == ("succeeded 0", "")
    assert [line.partition("=")[0] for line in lines] == [
        "JOBWATCH_OUTCOME",
        "JOBWATCH_STATUS",
        "JOBWATCH_EXIT_CODE",
        "JOBWATCH_JOB_IDS",
        "JOBWATCH_RESULT_BASE64",
    ]
    assert json.loads(base64.b64decode(lines[-1].partition("=")[2])) is None


def test_one_that_is_there_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "o.env"
    path.write_text("OLD=1\n", "utf-8")
    DotenvFile(str(path)).finish(finished(ended(Outcome.SUCCEEDED)))
    assert "OLD" not in path.read_text("utf-8")
    assert [entry.name for entry in tmp_path.iterdir()] == ["o.env"]


def test_a_file_that_can_never_be_written_is_refused_before_anything_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError, match="no such folder"):
        DotenvFile(str(tmp_path / "no" / "o.env"))
    with pytest.raises(ConfigError, match="or it is one itself"):
        DotenvFile(str(tmp_path))
    assert main(["wait", "x", "--api", "capydb", "--outputs", str(tmp_path / "no" / "o.env")]) == 2
    assert "--outputs" in capsys.readouterr().err


# --- Azure ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("on_stdout", [True, False])
def test_azure_gets_its_variables_where_the_log_is(on_stdout: bool, capsys: pytest.CaptureFixture[str]) -> None:
    AzureVariables(on_stdout=on_stdout).finish(finished(ended(Outcome.SUCCEEDED)))
    written = capsys.readouterr()[0 if on_stdout else 1]
    found = {each.properties["variable"]: each.data for each in obeyed(written)}
    assert found == {
        "jobwatch.outcome": "succeeded",
        "jobwatch.status": "DONE",
        "jobwatch.exit_code": "0",
        "jobwatch.job_ids": "job_1",
        "jobwatch.result": "null",
    }


# --- what is too long, or secret ------------------------------------------------------------------------------------


def test_a_result_that_is_too_long_is_left_out_as_a_whole() -> None:
    assert values_of(finished(ended(Outcome.SUCCEEDED)), 3)["result"] == ""


def test_no_value_holds_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_output, "_secrets", {"sk_canary_81f3"})
    path = tmp_path / "o"
    GitHubOutputs(str(path)).finish(finished(ended(Outcome.SUCCEEDED, "sk_canary_81f3", "x sk_canary_81f3")))
    assert "canary" not in path.read_text("utf-8")
