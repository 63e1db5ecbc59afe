"""The command line without a loop, a server or a process: exit codes, arguments, text."""

from __future__ import annotations

import itertools
import json
import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobwatch import ConfigError, Fault, FaultKind, Outcome, Pace
from jobwatch._client.wait import error_of
from jobwatch._core.tracker import Patience
from jobwatch.cli import main
from jobwatch.cli._arguments import Options, parsed
from jobwatch.cli._clients import api_name, pace_for
from jobwatch.cli._exit_codes import MEANINGS, Verdict, code_of_error
from jobwatch.cli._option_groups import duration
from jobwatch.cli._render import human_duration, json_line, moment, safe, stamp

HOSTILE = "\x1b[31m\r\n\x00\x7f\x9b\u202e\u2028\ufeff\U000e0041::set-env x ##vso[task.x]y ##[error]z"
CANARY = "sk_canary_81f3"

# --- exit codes -------------------------------------------------------------------------------------------------

CODES = {
    Outcome.SUCCEEDED: 0,
    Outcome.FAILED: 1,
    Outcome.CANCELLED: 5,
    Outcome.BLOCKED: 8,
    Outcome.PARTIAL: 9,
    Outcome.FINISHED: 10,
    Outcome.NOT_FOUND: 4,
    Outcome.AUTH: 3,
    Outcome.UNREACHABLE: 7,
    Outcome.UNREADABLE: 7,
    Outcome.TIMEOUT: 6,
    Outcome.INTERRUPTED: 130,
}


@pytest.mark.parametrize("outcome", Outcome, ids=lambda outcome: outcome.value)
def test_one_job_has_its_own_code(outcome: Outcome) -> None:
    assert Verdict().exit_code([outcome]) == CODES[outcome]


@pytest.mark.parametrize(("first", "second"), list(itertools.permutations([1, 9, 10, 5, 8, 4, 3, 7, 6, 0], 2)))
def test_of_two_jobs_the_graver_counts(first: int, second: int) -> None:
    of_code = {code: outcome for outcome, code in CODES.items()}
    order = [1, 9, 10, 5, 8, 4, 3, 7, 6, 0]
    graver = min(first, second, key=order.index)
    assert Verdict().exit_code([of_code[first], of_code[second]]) == graver


def test_no_job_is_no_success() -> None:
    assert Verdict().exit_code([]) != 0
    assert Verdict(forgiving=True).exit_code([]) != 0


@pytest.mark.parametrize("outcome", Outcome, ids=lambda outcome: outcome.value)
def test_forgiving_forgives_only_what_was_read_to_its_end(outcome: Outcome) -> None:
    read = {Outcome.SUCCEEDED, Outcome.PARTIAL, Outcome.FINISHED, Outcome.FAILED, Outcome.CANCELLED}
    assert Verdict(forgiving=True).exit_code([outcome]) == (0 if outcome in read else CODES[outcome])
    assert Verdict(forgiving=True).exit_code([Outcome.FAILED, outcome]) == (0 if outcome in read else CODES[outcome])


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (FaultKind.AUTH, 3),
        (FaultKind.NOT_FOUND, 4),
        (FaultKind.GONE, 4),
        (FaultKind.RATE_LIMITED, 7),
        (FaultKind.UNREACHABLE, 7),
        (FaultKind.TLS, 7),
        (FaultKind.UNREADABLE, 7),
        (FaultKind.REFUSED, 7),
    ],
)
def test_a_single_look_that_failed_has_the_code_of_its_kind(kind: FaultKind, code: int) -> None:
    assert code_of_error(error_of(Fault(kind, "x"), None)) == code


# --- durations --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90.0),
        ("0", 0.0),
        ("0.05", 0.05),
        (".5", 0.5),
        ("45s", 45.0),
        ("30m", 1800.0),
        ("1h30m", 5400.0),
        ("2d", 172_800.0),
        ("1.5h", 5400.0),
        ("250ms", 0.25),
        ("1m250ms", 60.25),
        ("1d2h3m4s5ms", 93_784.005),
    ],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "m", "-5", "5x", "30m1h", "1e9", "inf", "nan", " 5", "5 m", "1h1h", "٣", "9999d"])
def test_what_is_no_duration_is_refused_with_an_example(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["wait", "job_1", f"--timeout={text}"]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "argument --timeout: " in told
    assert "1h30m" in told or "ten years" in told


@pytest.mark.parametrize("option", ["--min-interval", "--max-interval", "--poll-cost"])
def test_a_pace_of_zero_is_refused(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["wait", "job_1", option, "0"]) == 2
    assert "above 0" in capsys.readouterr().err


# --- arguments --------------------------------------------------------------------------------------------------


def test_options_may_stand_between_ids() -> None:
    options = parsed(["wait", "a", "--timeout", "5m", "b", "--json", "c"])
    assert (options.jobs, options.timeout, options.json) == (["a", "b", "c"], 300.0, True)


def test_all_options_of_wait_are_read() -> None:
    line = (
        "wait a --api bedrock --base-url http://h --api-version 2026-01-01 --timeout 1s --min-interval 2s"
        " --max-interval 3s --poll-cost 4s --unreachable-after 5s --appear-within 6s --stable-for 8s --max-rate 7"
        " --no-history --no-streams --json --no-fail --follow-output --debug --param x=y"
        " --token-file f --token-command c --max-body 2MiB --request-timeout 9s"
        " --accept partial,finished --accept failed --fail-on blocked"
        " -vv --header X-A:1 --header-env X-B=B --proxy http://p --tls-cert f --tls-key g --tls-ca h"
        " --exit-code timeout=75 --fail-fast --outputs o --cursor k"
        " --summary s.md --no-summary --timeline t.svg --junit j.xml"
        " --exec true --notify json://h --notify json://i --notify-env N --remind 10s"
    )
    options = parsed(line.split())
    assert vars(options) == {
        "source": None,
        "summary": "s.md",
        "no_summary": True,
        "timeline": "t.svg",
        "junit": "j.xml",
        "exec": "true",
        "notify": ["json://h", "json://i"],
        "notify_env": ["N"],
        "remind": 10.0,
        "param": ["x=y"],
        "token_file": "f",
        "token_command": "c",
        "max_body": 2 * 1024 * 1024,
        "header": ["X-A:1"],
        "header_env": ["X-B=B"],
        "proxy": "http://p",
        "no_proxy": False,
        "tls_cert": "f",
        "tls_key": "g",
        "tls_ca": "h",
        "command": "wait",
        "jobs": ["a"],
        "api": "bedrock",
        "base_url": "http://h",
        "api_version": "2026-01-01",
        "timeout": 1.0,
        "min_interval": 2.0,
        "max_interval": 3.0,
        "poll_cost": 4.0,
        "unreachable_after": 5.0,
        "appear_within": 6.0,
        "stable_for": 8.0,
        "max_rate": 7.0,
        "request_timeout": 9.0,
        "no_history": True,
        "no_streams": True,
        "json": True,
        "no_fail": True,
        "exit_code": ["timeout=75"],
        "fail_fast": True,
        "any": False,
        "outputs": "o",
        "cursor": "k",
        "accept": ["partial", "finished", "failed"],
        "fail_on": ["blocked"],
        "follow_output": True,
        "debug": True,
        "verbose": 2,
    }


@pytest.mark.parametrize(
    "argv",
    [
        ["wait", "job_1", "--token", CANARY],
        ["wait", "job_1", f"--token={CANARY}"],
        ["--token", CANARY, "wait", "job_1"],
        ["get", "job_1", "--api-key", CANARY],
        ["get", "job_1", "--tokn", CANARY],
        ["get", "job_1", f"--tok={CANARY}"],
        ["wait", "--tokn", CANARY],
        ["apis", CANARY],
        ["get", "job_1", CANARY],
    ],
    ids=lambda argv: " ".join(argv).replace(CANARY, "X"),
)
def test_row_122_a_token_on_the_command_line_is_refused_and_not_repeated(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*argv, "--debug"]) == 2
    out, err = capsys.readouterr()
    assert CANARY not in out + err
    assert err.startswith("jobwatch")
    assert err.count("\n") == 1
    if "--token" in " ".join(argv):
        assert "BEDROCK_API_KEY" in err


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["wiat"],
        ["wait"],
        ["get"],
        ["list"],
        ["wait", "a", "--nope"],
        ["list", "--project", "p", "--limit", "0"],
        ["serve", "--port", "70000"],
        ["serve", "--port", "x"],
        ["wait", "a", "--api"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_one_clear_line(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("jobwatch")
    assert "--help" in err


def test_help_tells_the_exit_codes_and_the_defaults_that_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["wait", "--help"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    for code in ("0", "1", "2", "3", "4", "5", "6", "7", "70", "130", "141"):
        assert f" {code} " in told.partition("exit codes:")[2]
    pace, patience = Pace(), Patience()
    shown = {
        "500ms": pace.min_interval,
        "1m": pace.max_interval,
        "30ms": pace.poll_cost,
        "5m": patience.unreachable_after,
        "10s": patience.appear_within,
    }
    for text, seconds in shown.items():
        assert f"(default: {text})" in told
        assert duration(text) == seconds


@pytest.mark.parametrize("command", ["wait", "get", "list", "timeline", "stats", "apis", "serve", "demo"])
def test_every_command_has_help_and_names_exit_codes_that_are(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    told = capsys.readouterr().out
    assert f"jobwatch {command}" in told
    codes = re.findall(
        r"(?<![\w.])\d+(?= [a-zA-Z]| {2})", told.partition("exit codes:")[2].partition("With several")[0]
    )
    assert command == "serve" or codes
    assert set(map(int, codes)) <= set(MEANINGS)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    short = capsys.readouterr().out
    assert main(["--debug", "--version"]) == 0
    assert capsys.readouterr().out == short
    assert short.startswith("jobwatch 0.")


# --- which API --------------------------------------------------------------------------------------------------


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("JOBWATCH_API", "BEDROCK_API_KEY", "CAPYDB_API_KEY", "BEDROCK_API_URL", "CAPYDB_API_URL"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_the_api_is_the_one_asked_for(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("CAPYDB_API_KEY", "x")
    assert api_name(None) == "capydb"
    bare.setenv("JOBWATCH_API", "bedrock")
    assert api_name(None) == "bedrock"
    assert api_name("capydb") == "capydb"


def test_of_two_apis_none_is_guessed(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("CAPYDB_API_KEY", "x")
    bare.setenv("BEDROCK_API_KEY", "x")
    with pytest.raises(ConfigError, match="--api bedrock or capydb"):
        api_name(None)


def test_without_a_token_none_is_guessed(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("CAPYDB_API_KEY", "")
    with pytest.raises(ConfigError, match="BEDROCK_API_KEY or CAPYDB_API_KEY"):
        api_name(None)


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["wait", "a"], "no API chosen"),
        (["wait", "a", "--api", "nope"], "no API is called 'nope'"),
        (["wait", "a", "--api", "bedrok"], "no API is called 'bedrok' (did you mean bedrock?)"),
        (["wait", "a", "--api", "bedrock"], "BEDROCK_API_KEY"),
        (["get", "a", "--api", "capydb"], "CAPYDB_API_KEY"),
    ],
)
@pytest.mark.usefixtures("bare")
def test_a_missing_choice_or_token_is_one_clear_line(
    argv: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("jobwatch: error: ")
    assert err.count("\n") == 1
    assert told in err


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["wait", ""], "cannot be ''"),
        (["wait", "a", ".."], "cannot be '..'"),
        (["wait", "a\x1b[31m\n"], r"a\x1b[31m\n"),
        (["wait", "a", "--base-url", "ftp://x"], "http"),
        (["wait", "a", "--base-url", f"http://u:{CANARY}@h"], "password"),
        (["wait", "a", "--min-interval", "9", "--max-interval", "1"], "9 s"),
        (["list", "--project", "p"], "jobwatch get JOB"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_values_are_one_clear_line(
    argv: list[str], told: str, bare: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bare.setenv("BEDROCK_API_KEY", CANARY)
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("jobwatch: error: ")
    assert err.count("\n") == 1
    assert told in err
    assert CANARY not in err


@pytest.mark.parametrize(
    ("least", "most", "bounds"),
    [
        (None, None, (Pace().min_interval, Pace().max_interval)),
        (None, 0.1, (0.1, 0.1)),
        (120.0, None, (120.0, 120.0)),
        (0.2, 0.3, (0.2, 0.3)),
        (None, 5.0, (Pace().min_interval, 5.0)),
    ],
)
def test_one_bound_beyond_the_usual_other_moves_it(
    least: float | None, most: float | None, bounds: tuple[float, float]
) -> None:
    pace = pace_for(Options(min_interval=least, max_interval=most))
    assert (pace.min_interval, pace.max_interval) == bounds


def test_a_poll_cost_is_heeded() -> None:
    assert pace_for(Options(poll_cost=0.5)).poll_cost == 0.5
    assert pace_for(Options()).poll_cost == Pace().poll_cost


# --- text -------------------------------------------------------------------------------------------------------


def test_hostile_text_is_escaped_for_lines() -> None:
    told = safe(HOSTILE)
    assert told.isprintable()
    assert told.isascii()
    assert "##vso[" not in told
    assert "##[" not in told


@pytest.mark.slow
@given(st.text())
def test_json_lines_are_printable_and_mean_the_same(text: str) -> None:
    line = json_line({"x": text})
    assert line.isprintable()
    assert json.loads(line) == {"x": text}


@given(st.text())
def test_json_lines_can_be_ascii(text: str) -> None:
    line = json_line({text: text}, ascii_only=True)
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line) == {text: text}


def test_hostile_text_is_escaped_for_json() -> None:
    line = json_line([HOSTILE])
    assert json.loads(line) == [HOSTILE]
    assert "##" not in line
    assert r"\udb40\udc41" in line, "characters beyond the basic plane are surrogate pairs"


def test_times_are_rfc_3339_in_utc() -> None:
    at = datetime(2024, 6, 17, 10, 55, 2, tzinfo=timezone(timedelta(hours=2)))
    assert moment(at) == "2024-06-17T08:55:02Z"
    assert stamp(at) == "2024-06-17T08:55:02Z    "
    assert stamp(datetime(2024, 6, 17, 8, 55, 2, 1999, UTC)) == "2024-06-17T08:55:02.001Z"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.0, "0.0 s"),
        (0.44, "0.4 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1m 00s"),
        (90, "1m 30s"),
        (7500, "2h 05m"),
    ],
)
def test_durations_as_people_write_them(seconds: float, told: str) -> None:
    assert human_duration(seconds) == told
