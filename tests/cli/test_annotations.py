"""Which runner it is, and what it is told: one command of ours, whatever a server says, and none of a server's."""

from __future__ import annotations

import io
import sys
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jobwatch import Outcome, Phase, Transition
from jobwatch.cli import _output
from jobwatch.cli._annotations import AnnotationReport, annotation
from jobwatch.cli._annotations import variable as line_for_variable
from jobwatch.cli._exit_codes import Verdict
from jobwatch.cli._heartbeat import Waited, waiting_line
from jobwatch.cli._lines import JsonLines, PlainLines
from jobwatch.cli._render import OutcomeRecord, safe
from jobwatch.cli._reports import Finished
from jobwatch.cli._runners import Runner, runner_of
from jobwatch.cli._tail import Line
from jobwatch.cli._wait import display_for

from .runners import Obeyed, obeyed

PIECES = (
    *("::error::x", "::add-mask::y", "::set-output name=a::b", "  ::warning title=z::w", "::stop-commands::q", "::"),
    *("##vso[task.setvariable variable=PATH]x", "##vso[task.complete result=Succeeded]", "##[error]x", "##[group]"),
    *("##", "#", "vso[", "]", ";", ",", "%", "%0A", "%0D", "%25", "%3A", "%AZP25", "%AZP250A", "%2525"),
    *("\n", "\r", "\r\n", "\x1b[2J", "\x9b31m", "\u2028", "\u202e", "\x85", "\x0b", "\x00"),
    *("--- ", "+++ ", "~~~ ", "^^^ +++", "section_start:1:x\r\x1b[0K", "section_end:1:x[collapsed=true]\r\x1b[0K"),
    *(" ", "a", "restore failed", "ü", "\U0001f4a5"),
)
HOSTILE = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=8).map("".join)


def test_the_test_knows_a_command_when_it_sees_one() -> None:
    for piece in ("::error::x", "\n  ::warning title=z::w", "a\r::set-output name=a::b", "x##[error]x", "x##vso[a.b]y"):
        assert len(obeyed(piece)) >= 1, piece
    for piece in ("--- ", "x\n+++ y", "section_start:1:x\r\x1b[0K", "\x1b[2J"):
        assert obeyed(piece) != [], piece
    assert obeyed("a ::error::x, #vso[x], a --- b") == []


# --- which runner -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "runner"),
    [
        ({"CI": "true", "GITHUB_ACTIONS": "true"}, Runner.GITHUB),
        ({"CI": "true", "GITLAB_CI": "true"}, Runner.GITLAB),
        ({"CI": "true", "BUILDKITE": "true"}, Runner.BUILDKITE),
        ({"JENKINS_URL": "https://ci.example/"}, Runner.JENKINS),
        ({"BUILD_TAG": "jenkins-nightly-7"}, Runner.JENKINS),
        ({"TF_BUILD": "True"}, Runner.AZURE),
        ({"CI": "true", "CIRCLECI": "true"}, Runner.CIRCLECI),
        ({"CI": "true"}, Runner.OTHER),
        ({"CI": "1"}, Runner.OTHER),
        ({"CI": "woodpecker"}, Runner.OTHER),
        ({"CI": "false", "GITHUB_ACTIONS": "false"}, Runner.NONE),
        ({"CI": "", "BUILD_TAG": "v1.2"}, Runner.NONE),
        ({}, Runner.NONE),
        # A runner of GitHub's that was started by Jenkins, say: the inner one reads the log.
        ({"JENKINS_URL": "https://ci.example/", "GITHUB_ACTIONS": "true"}, Runner.GITHUB),
    ],
)
def test_a_runner_is_known_by_its_variables(variables: dict[str, str], runner: Runner) -> None:
    assert runner_of(variables) is runner


# --- what it is told ------------------------------------------------------------------------------------------------


def ended(
    outcome: Outcome, error: str | None = None, job_id: str = "job_1", asked: str | None = None, url: str | None = None
) -> OutcomeRecord:
    return OutcomeRecord(job_id, outcome, "s", Phase.FAILED, error, 3, 1.5, asked=asked, url=url)


FAILED = ended(Outcome.FAILED, "exit code 1: 50 % done, then: no disk", url="https://jobs.example/1")


def test_github_is_told_by_one_line_with_a_title() -> None:
    line = annotation(Runner.GITHUB, [FAILED])
    assert line == ("::error title=job_1%3A failed::exit code 1: 50 %25 done, then: no disk (https://jobs.example/1)")


def test_azure_is_told_by_one_line() -> None:
    line = annotation(Runner.AZURE, [FAILED])
    assert line == (
        "##vso[task.logissue type=error]"
        "job_1: failed: exit code 1: 50 %AZP25 done, then: no disk (https://jobs.example/1)"
    )


def test_several_jobs_make_one_annotation() -> None:
    many = [FAILED, *[ended(Outcome.NOT_FOUND, job_id=f"job_{number}") for number in range(2, 14)]]
    (found,) = obeyed(annotation(Runner.GITHUB, many) or "")
    assert found.properties == {"title": "13 jobs did not end well"}
    first, second, *_, last = found.data.splitlines()
    assert first.startswith("job_1: failed: exit code 1")
    assert second == "job_2: not found"
    assert (len(found.data.splitlines()), last) == (11, "and 3 more")


@pytest.mark.parametrize("runner", [each for each in Runner if each not in {Runner.GITHUB, Runner.AZURE}])
def test_the_others_have_no_such_line(runner: Runner) -> None:
    assert annotation(runner, [FAILED]) is None


def test_what_ended_well_is_not_annotated() -> None:
    assert annotation(Runner.GITHUB, []) is None


@pytest.mark.slow(in_sample=True)
@pytest.mark.parametrize("runner", [Runner.GITHUB, Runner.AZURE])
@given(HOSTILE, HOSTILE, HOSTILE, st.integers(1, 3))
@example("\n::error::x", "##vso[task.complete result=Succeeded]", "%0A::add-mask::", 2)
def test_no_server_ends_a_command_or_begins_another(
    runner: Runner, error: str, job_id: str, url: str, count: int
) -> None:
    line = annotation(runner, [ended(Outcome.FAILED, error, job_id, url=url)] * count)
    assert line is not None
    found = obeyed(line)
    assert [(each.by, each.name) for each in found] == [
        ("GitHub", "error") if runner is Runner.GITHUB else ("Azure", "task.logissue")
    ]
    allowed = {"title"} if runner is Runner.GITHUB else {"type"}
    assert found[0].properties.keys() == allowed
    told = found[0].properties.get("title", "") + found[0].data
    assert all(char.isprintable() or char == "\n" for char in told)
    assert {each.by for each in obeyed(told)} <= {"Buildkite"}, "not even where the runner shows it, decoded"


@given(HOSTILE)
def test_no_server_sets_another_variable(value: str) -> None:
    (found,) = obeyed(line_for_variable("jobwatch.status", safe(value)))
    assert found == Obeyed(
        "Azure", "task.setvariable", {"variable": "jobwatch.status", "isOutput": "true"}, safe(value)
    )


def stream() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), "utf-8", newline="")


def written(into: io.TextIOWrapper) -> str:
    into.seek(0)
    return into.read()


NOW = datetime(2026, 11, 29, tzinfo=UTC)


@pytest.mark.slow(in_sample=True)
@pytest.mark.parametrize("display", [PlainLines(["job_1"]), JsonLines()], ids=["plain", "json"])
@given(text=HOSTILE, other=HOSTILE)
@example("::error::x", "--- x")
@example("\n+++ x", "##[error]")
def test_no_line_of_a_run_is_obeyed_whatever_a_server_says(
    display: PlainLines | JsonLines, text: str, other: str
) -> None:
    out, err = stream(), stream()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        asked = Transition(text, 1, other, Phase.BLOCKED, None, NOW, asked=text, url=other)
        display.transition(Transition(text, 1, other, Phase.RUNNING, None, NOW))
        display.transition(asked)
        display.outcome(ended(Outcome.FAILED, text, other, url=text))
        display.output(text, "stderr", Line(other))
        display.output(text, "stderr", Line(other, is_remark=True))
        display.link(text, other)
        standing = Waited(text, other, Phase.RUNNING, 1.0)
        for standings in ([standing], [standing] * 2, [standing] * 9):
            display.waiting(waiting_line(standings, len(standings)))
    assert obeyed(written(out)) == []
    assert obeyed(written(err)) == []


@given(HOSTILE)
@example("--- x")
@example("^^^ +++")
@example(" ::error::x")
def test_nothing_that_is_written_is_obeyed_even_if_it_begins_the_line(text: str) -> None:
    out = stream()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        _output.say(text)
    assert obeyed(written(out)) == []


def finished(*outcomes: OutcomeRecord, code: int = 1) -> Finished:
    return Finished(outcomes, code, NOW, NOW, "capydb")


def test_a_secret_is_masked_before_it_is_escaped(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_output, "_secrets", {"sk%canary:81"})
    report = AnnotationReport(Runner.GITHUB, Verdict(), on_stdout=False)
    report.finish(finished(ended(Outcome.FAILED, "no, sk%canary:81, no", "job sk%canary:81")))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("::error title=job ")
    assert "canary" not in err


@pytest.mark.parametrize("before", [0, 1300, 1320, 1330, 1340, 5000])
def test_a_reason_of_a_megabyte_is_a_line_that_can_be_read_without_a_part_of_a_secret(
    before: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_output, "_secrets", {"sk_canary_canary_81"})
    reason = f"{'x' * before}sk_canary_canary_81" + "\x1b" * 1_000_000 + ": no such backup"
    PlainLines(["job_1"]).outcome(ended(Outcome.FAILED, reason, "job_1"))
    asked = Transition("job_1", 1, "blocked", Phase.BLOCKED, NOW, NOW, gap=False, asked=reason)
    PlainLines(["job_1"]).transition(asked)
    for line in capsys.readouterr().out.splitlines():
        assert len(line) < 9000, "each of the characters is escaped"
        assert line.endswith(r"\x1b: no such backup")
        assert "sk_c" not in line


def test_only_what_is_bad_is_annotated(capsys: pytest.CaptureFixture[str]) -> None:
    report = AnnotationReport(Runner.AZURE, Verdict(accepted=frozenset({Outcome.PARTIAL})), on_stdout=True)
    stopped = ended(Outcome.INTERRUPTED, "not waited for any more", "job_3")
    both = (ended(Outcome.PARTIAL, "half", "job_1"), ended(Outcome.CANCELLED, None, "job_2"))
    report.finish(finished(*both, stopped, code=5))
    report.finish(finished(stopped, code=130))
    report.finish(finished(ended(Outcome.PARTIAL, "half", "job_1"), code=0))
    out, err = capsys.readouterr()
    assert out == "##vso[task.logissue type=error]job_2: cancelled: the API gives no reason\n"
    assert err == ""


def test_a_command_is_one_line_or_none() -> None:
    with pytest.raises(ValueError, match="one line"):
        _output.command("::error::x\ny", on_stdout=False)


@pytest.mark.parametrize("variable", ["GITHUB_ACTIONS", "BUILDKITE", "CI"])
def test_there_is_no_live_table_in_a_log_even_where_a_runner_gives_it_a_terminal(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm-256color")
    assert not isinstance(display_for(["job_1"], "", json=False), PlainLines)
    monkeypatch.setenv(variable, "true")
    assert isinstance(display_for(["job_1"], "", json=False), PlainLines)
