"""Six runners, six ends: what stands in the log, what the runner obeys of it, and the exit code."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from msgspec import Struct

from jobwatch.cli import _output, main
from jobwatch.testing import FakeSource, JobServer

from .runners import Obeyed, github_outputs, obeyed

CANARY = "sk_canary_in_ci"
HOSTILE = "::error::x ##vso[task.complete result=Succeeded] \x1b[2J\n--- all well"
RUNNERS = {
    "github": {"CI": "true", "GITHUB_ACTIONS": "true"},
    "gitlab": {"CI": "true", "GITLAB_CI": "true"},
    "buildkite": {"CI": "true", "BUILDKITE": "true"},
    "jenkins": {"JENKINS_URL": "https://ci.example/"},
    "azure": {"TF_BUILD": "True"},
    "circleci": {"CI": "true", "CIRCLECI": "true"},
}


class Case(Struct, frozen=True):
    """How a job ends, the exit code, and what the last line of stdout says of it."""

    outcome: str
    code: int
    said: str
    state: str = "running"
    arguments: tuple[str, ...] = ()


CASES = {
    "succeeds": Case("succeeded", 0, "=> succeeded", "completed"),
    "fails": Case("failed", 1, "=> failed, .*: ::error::x", "failed"),
    "is cancelled": Case("cancelled", 5, "=> cancelled", "cancelled"),
    "blocks": Case("blocked", 8, "=> blocked .*: waits for a person: Deploy"),
    "times out": Case("timeout", 6, "=> timeout .*last seen running", arguments=("--timeout", "500ms")),
    "is unreachable": Case(
        "unreachable",
        7,
        "=> unreachable .*Connection refused",
        arguments=("--base-url", "http://127.0.0.1:9", "--unreachable-after", "100ms"),
    ),
}
BLOCKED = f"""\
from jobwatch.testing import FakeSource

source = FakeSource("s")
source.add("job_1", ["running", "blocked"], asked={"Deploy?" + HOSTILE!r}, url="https://ci.example/1")
"""


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("runner", RUNNERS)
async def test_a_log(
    runner: str, case: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    expected = CASES[case]
    for name, value in {**RUNNERS[runner], "CAPYDB_API_KEY": CANARY, "GITHUB_OUTPUT": str(tmp_path / "o")}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(_output, "_secrets", set())
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    argv = ["wait", "job_1", "--no-history", "--min-interval", "0.02", *expected.arguments]
    if case == "blocks":
        for where in ("tracker", "look"):
            monkeypatch.setattr(f"jobwatch._core.{where}.CONFIRMED_AFTER", 0.05)
        module = f"blocked_on_{runner}"
        (tmp_path / f"{module}.py").write_text(BLOCKED, "utf-8")
        argv += ["--source", f"{module}:source", "--fail-on", "blocked"]
    else:
        argv += ["--api", "capydb"]
    async with JobServer(token=CANARY) as server:
        monkeypatch.setenv("CAPYDB_API_URL", server.url_of("capydb"))
        server.add("capydb", "job_1", ["pending", expected.state], error=HOSTILE, stderr=f"{HOSTILE}\n{CANARY}\n")
        code = await asyncio.to_thread(main, argv)
    out, err = capsys.readouterr()
    log = out + err
    assert code == expected.code, log
    assert CANARY not in log
    assert any(re.search(expected.said, line) for line in out.splitlines()), log
    assert all(re.match(r"\d{4}-|::error |##vso\[", line) for line in out.splitlines()), out
    told = obeyed(log)
    assert {(each.by, each.name) for each in told} == whom(runner, expected)
    if expected.outcome == "failed":
        assert r"stderr job_1 | ::error::x" in err, "and why is on the same screen"
        assert len(log.splitlines()) <= 15
    if runner == "github":
        found = github_outputs((tmp_path / "o").read_text("utf-8"))
        assert (found["outcome"], found["exit_code"]) == (expected.outcome, str(expected.code))
    assert ("to go on waiting: jobwatch wait" in err) == (expected.outcome in ("timeout", "unreachable"))


def whom(runner: str, case: Case) -> set[tuple[str, str]]:
    """Return what a runner is to obey: of a failure an annotation, and where it has them its variables."""
    match runner:
        case "github":
            return {("GitHub", "error")} if case.code else set()
        case "azure":
            return {("Azure", "task.setvariable"), *([("Azure", "task.logissue")] if case.code else [])}
        case _:
            return set()


def test_the_worst_text_would_be_obeyed_if_it_were_not_escaped() -> None:
    assert obeyed(HOSTILE) != []
    assert FakeSource("s").key
    assert Obeyed("Buildkite", "--- ") in obeyed(HOSTILE)
