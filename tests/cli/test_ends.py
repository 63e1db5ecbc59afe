"""When a run is over, what it returns, and what is shown of a job that failed."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import shlex
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from jobwatch import Client, ConfigError, Outcome, Problem
from jobwatch.cli import _output, main
from jobwatch.cli._arguments import Options, parsed, usual_options
from jobwatch.cli._exit_codes import PRECEDENCE, Verdict, code_of, codes_of
from jobwatch.cli._lines import JsonLines, PlainLines
from jobwatch.cli._live import LiveTable
from jobwatch.cli._resume import command, duration_text
from jobwatch.cli._run import Extras, Run, Until
from jobwatch.cli._tail import Line, last_lines
from jobwatch.cli._wait import run_to_end
from jobwatch.testing import FakeSource, JobServer

from ..virtual import on_virtual_clock

# --- exit codes -----------------------------------------------------------------------------------------------------


def test_an_end_may_have_another_code() -> None:
    verdict = Verdict(codes=codes_of(["timeout=75", "NOT_FOUND = 44"]))
    assert verdict.exit_code([Outcome.TIMEOUT]) == 75
    assert verdict.exit_code([Outcome.NOT_FOUND, Outcome.SUCCEEDED]) == 44
    assert verdict.exit_code([Outcome.FAILED]) == 1


def test_which_end_counts_does_not_depend_on_the_codes_that_they_are_given() -> None:
    verdict = Verdict(codes={Outcome.FAILED: 200, Outcome.TIMEOUT: 2})
    for ends in itertools.permutations([Outcome.TIMEOUT, Outcome.FAILED, Outcome.CANCELLED]):
        assert verdict.exit_code(ends) == 200


def test_code_0_makes_an_end_a_good_one() -> None:
    verdict = Verdict(codes={Outcome.TIMEOUT: 0})
    assert verdict.is_good(Outcome.TIMEOUT)
    assert verdict.exit_code([Outcome.TIMEOUT, Outcome.SUCCEEDED]) == 0
    assert verdict.exit_code([Outcome.TIMEOUT, Outcome.CANCELLED]) == 5


def test_a_code_of_ones_own_goes_before_what_is_accepted_and_forgiven() -> None:
    verdict = Verdict(forgiving=True, accepted=frozenset({Outcome.FAILED}), codes={Outcome.FAILED: 9})
    assert verdict.exit_code([Outcome.FAILED]) == 9


@given(st.lists(st.sampled_from(Outcome), min_size=1))
def test_one_good_end_is_enough_and_else_it_is_as_always(outcomes: list[Outcome]) -> None:
    any_of_them = Verdict(one_is_enough=True).exit_code(outcomes)
    assert any_of_them == (0 if Outcome.SUCCEEDED in outcomes else Verdict().exit_code(outcomes))


@given(st.lists(st.sampled_from(Outcome), min_size=1))
def test_without_options_it_is_the_first_in_the_order_that_is_documented(outcomes: list[Outcome]) -> None:
    codes = {code_of(outcome) for outcome in outcomes}
    assert Verdict().exit_code(outcomes) == next((code for code in PRECEDENCE if code in codes), max(codes))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("timeout", "END=CODE, such as timeout=75, not 'timeout'"),
        ("=3", "not '=3'"),
        ("timout=3", "not 'timout=3'; ends: succeeded, partial"),
        ("interrupted=3", "not 'interrupted=3'"),
        ("timeout=256", "from 0 to 255"),
        ("timeout=-1", "from 0 to 255"),
        ("timeout=x", "from 0 to 255"),
        ("timeout=٣", "from 0 to 255"),
        ("timeout=", "from 0 to 255"),
        ("timeout=0x1", "from 0 to 255"),
    ],
)
def test_what_is_no_code_of_an_end_is_refused_before_anything_is_asked(
    text: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError):
        codes_of([text])
    assert main(["wait", "x", "--api", "capydb", "--exit-code", text]) == 2
    out, err = capsys.readouterr()
    assert (out, told in err) == ("", True), err


def test_two_codes_for_one_end_are_refused_and_the_same_twice_is_not() -> None:
    assert codes_of(["timeout=3", "timeout=3"]) == {Outcome.TIMEOUT: 3}
    with pytest.raises(ConfigError, match="timeout two codes"):
        codes_of(["timeout=3", "timeout=4"])


def test_any_and_fail_fast_contradict_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["wait", "x", "--any", "--fail-fast"]) == 2
    assert "not allowed with" in capsys.readouterr().err


# --- a run that is over before all jobs are ----------------------------------------------------------------


def jobs() -> FakeSource:
    source = FakeSource("s")
    source.add("good", [("running", 0), ("succeeded", 20)])
    source.add("bad", [("running", 0), ("failed", 40)], error=Problem("boom"))
    source.add("late", [("running", 0), ("succeeded", 6000)])
    return source


STRICT = Verdict()


async def ran(until: Until, *job_ids: str, verdict: Verdict = STRICT, source: FakeSource | None = None) -> int:
    async with Client(source=source or jobs()) as client:
        waits = [client.wait_for(job_id, 600, check=False) for job_id in job_ids]
        run = Run(waits, JsonLines(), Extras(until=until, verdict=verdict))
        return await run_to_end(run, verdict)


def ends(text: str) -> dict[str, tuple[str, str | None]]:
    records = [json.loads(line) for line in text.splitlines()]
    return {each["job_id"]: (each["outcome"], each["error"]) for each in records if each["type"] == "outcome"}


@on_virtual_clock
async def test_fail_fast_ends_with_the_first_bad_end_and_says_that_the_others_go_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert await ran(Until.FIRST_BAD, "late", "good", "bad") == 1
    loop = asyncio.get_running_loop()
    assert 40 <= loop.time() < 60
    assert ends(capsys.readouterr().out) == {
        "good": ("succeeded", None),
        "bad": ("failed", "boom"),
        "late": ("interrupted", "not waited for any more after bad: failed (--fail-fast); the job goes on"),
    }


@on_virtual_clock
async def test_any_ends_with_the_first_good_end(capsys: pytest.CaptureFixture[str]) -> None:
    assert await ran(Until.FIRST_GOOD, "late", "good", "bad", verdict=Verdict(one_is_enough=True)) == 0
    assert asyncio.get_running_loop().time() < 40
    found = ends(capsys.readouterr().out)
    assert found["good"] == ("succeeded", None)
    assert found["late"][0] == found["bad"][0] == "interrupted"
    assert "(--any)" in (found["late"][1] or "")


@on_virtual_clock
async def test_any_goes_on_after_a_bad_end_and_tells_it_if_no_other_is_good(
    capsys: pytest.CaptureFixture[str],
) -> None:
    verdict = Verdict(one_is_enough=True)
    assert await ran(Until.FIRST_GOOD, "late", "bad", verdict=verdict) == 1, "a failure is graver than a time limit"
    assert {job_id: end for job_id, (end, _) in ends(capsys.readouterr().out).items()} == {
        "late": "timeout",
        "bad": "failed",
    }


@on_virtual_clock
async def test_what_is_accepted_does_not_end_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    verdict = Verdict(accepted=frozenset({Outcome.FAILED}))
    assert await ran(Until.FIRST_BAD, "good", "bad", verdict=verdict) == 0
    assert [end for end, _ in ends(capsys.readouterr().out).values()] == ["succeeded", "failed"]


@on_virtual_clock
async def test_of_bad_ends_that_are_known_together_none_is_said_to_go_on_and_the_first_is_the_reason(
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = FakeSource("s")
    source.add("late", [("running", 0)])
    for job_id in "abc":
        source.add(job_id, ["running", "failed"], error=Problem(job_id))
    assert await ran(Until.FIRST_BAD, "late", "a", "b", "c", source=source) == 1
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    told = [(each["job_id"], each["outcome"], each["error"]) for each in records if each["type"] == "outcome"]
    states = {(each["job_id"], each["status"]) for each in records if each["type"] == "transition"}
    first = told[0][0]
    assert len([outcome for _, outcome, _ in told if outcome == "failed"]) >= 2, "they are known together"
    for job_id, outcome, error in told:
        if outcome == "failed":
            assert error == job_id
            assert states >= {(job_id, "running"), (job_id, "failed")}
        else:
            how = "the job goes on" if (job_id, "running") in states else "the job was never read"
            assert error == f"not waited for any more after {first}: failed (--fail-fast); {how}"
            assert (job_id, "failed") not in states


@on_virtual_clock
async def test_an_end_that_a_look_has_just_shown_is_told_when_a_signal_comes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = FakeSource("s")
    source.add("a", ["running", "failed"], error=Problem("boom"))

    class Stopping(Run):
        def _changed(self, wait: object, job: object) -> None:
            following.cancel()  # in the very step in which a look has shown the end

    async with Client(source=source) as client:
        following = asyncio.create_task(Stopping([client.wait_for("a", check=False)], JsonLines()).follow())
        with pytest.raises(asyncio.CancelledError):
            await following
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each.get("seq", each.get("outcome")) for each in records] == [1, 2, "failed"]


# --- why it failed ---------------------------------------------------------------


def test_the_end_of_stderr_is_shown_and_else_that_of_stdout() -> None:
    assert last_lines({"stdout": "a\nb\n", "stderr": "c\n\nd"}, 20) == ("stderr", [Line("c"), Line("d")])
    assert last_lines({"stdout": "a\r\nb\r\n", "stderr": " \n"}, 20) == ("stdout", [Line("a"), Line("b")])
    assert last_lines({"stdout": "", "stderr": None}, 20) is None
    assert last_lines({}, 20) is None


def test_that_some_lines_are_left_out_is_told_and_a_long_one_is_cut() -> None:
    text = "".join(f"line {number}\n" for number in range(50)) + "x" * 10_000
    found = last_lines({"stderr": text}, 3)
    assert found is not None
    assert found[1][0] == Line("the last 3 of 51 lines", is_remark=True)
    assert [line.text for line in found[1][1:3]] == ["line 48", "line 49"]
    assert len(found[1][3].text) < 600


@pytest.fixture
def capydb(monkeypatch: pytest.MonkeyPatch, job_server: JobServer) -> JobServer:
    monkeypatch.setenv("CAPYDB_API_KEY", str(job_server.token))
    monkeypatch.setenv("CAPYDB_API_URL", job_server.url_of("capydb"))
    monkeypatch.setenv("JOBWATCH_API", "capydb")
    monkeypatch.setattr(_output, "_secrets", set())
    return job_server


OPTIONS = ("--no-history", "--min-interval", "0.02", "--max-interval", "0.05", "--timeout", "20")


async def waited(*arguments: str) -> int:
    return await asyncio.to_thread(main, ["wait", *arguments, *OPTIONS])


async def test_the_end_of_what_a_failed_job_wrote_is_shown_unasked(
    capydb: JobServer, capsys: pytest.CaptureFixture[str]
) -> None:
    capydb.add(
        "capydb", "job_1", ["failed"], error="exit code 1", stderr="::error::x\nno such backup\n", stdout="out\n"
    )
    assert await waited("job_1") == 1
    out, err = capsys.readouterr()
    assert "exit code 1" in out
    assert err.splitlines() == ["stderr job_1 | ::error::x", "stderr job_1 | no such backup"]


@pytest.mark.parametrize(
    ("state", "arguments"),
    [("failed", ["--accept", "failed"]), ("failed", ["--no-fail"]), ("completed", []), ("cancelled", [])],
    ids=["accepted", "forgiven", "good", "cancelled"],
)
async def test_it_is_not_shown_where_nothing_failed(
    capydb: JobServer, capsys: pytest.CaptureFixture[str], state: str, arguments: list[str]
) -> None:
    capydb.add("capydb", "job_1", [state], stderr="no such backup\n")
    await waited("job_1", *arguments)
    assert capsys.readouterr().err == ""


async def test_what_was_shown_as_it_came_is_not_shown_again(
    capydb: JobServer, capsys: pytest.CaptureFixture[str]
) -> None:
    capydb.add("capydb", "job_1", ["failed"], stderr="no such backup\n")
    assert await waited("job_1", "--follow-output") == 1
    assert capsys.readouterr().err == "stderr job_1 | no such backup\n"


async def test_of_many_failed_jobs_only_the_first_ten_show_it(
    capydb: JobServer, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = [f"job_{number}" for number in range(12)]
    for job_id in ids:
        capydb.add("capydb", job_id, ["failed"], stderr="no such backup\n")
    assert await waited(*ids) == 1
    assert capsys.readouterr().err.count("no such backup") == 10


@on_virtual_clock
async def test_where_there_is_a_page_about_the_job_it_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    source = FakeSource("s")
    source.add("a", [("failed", 0)], url="https://ci.test/\x1b[31m1")
    async with Client(source=source) as client:
        with PlainLines(["a"]) as display:
            await Run([client.wait_for("a", check=False)], display).follow()
    assert capsys.readouterr().err == "jobwatch: a: see https://ci.test/\\x1b[31m1\n"


@on_virtual_clock
async def test_with_a_table_the_page_is_named_above_it(capsys: pytest.CaptureFixture[str]) -> None:
    source = FakeSource("s")
    source.add("a", [("failed", 0)], url="https://ci.test/1")
    async with Client(source=source) as client:
        with LiveTable(["a"], "t", Console(file=io.StringIO(), width=100)) as display:
            await Run([client.wait_for("a", check=False)], display).follow()
    assert capsys.readouterr().err == "see https://ci.test/1 of a\n"


# --- how to go on --------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(5400.0, "1h30m"), (0.25, "250ms"), (60.0, "1m"), (0.0, "0s"), (90_061.5, "1d1h1m1s500ms"), (600.0, "10m")],
)
def test_durations_are_written_as_they_are_read(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def how_to_go_on(line: str, left: list[str]) -> str:
    return command(vars(parsed(shlex.split(line))), usual_options(), left)


@pytest.mark.parametrize(
    ("line", "left", "told"),
    [
        ("wait a b --api capydb", ["b"], "jobwatch wait --api capydb b"),
        ("wait a --timeout 90m --json --debug -v", ["a"], "jobwatch wait --timeout 1h30m --json a"),
        ("wait a --cursor 'my file'", ["a b"], "jobwatch wait --cursor 'my file' 'a b'"),
        (
            "wait a --accept partial,finished --fail-on blocked --exit-code timeout=75 --exit-code failed=3",
            ["a"],
            "jobwatch wait --accept partial,finished --exit-code timeout=75 --exit-code failed=3 --fail-on blocked a",
        ),
        ("wait a --param owner=o --param repo=r", ["a"], "jobwatch wait --param owner=o --param repo=r a"),
        ("wait a --token-command 'vault read s.123'", ["a"], "jobwatch wait --token-command ... a"),
        ("wait a --token-file /run/t", ["a"], "jobwatch wait --token-file /run/t a"),
        ("wait a --param api_key=s3cr3t", ["a"], "jobwatch wait --param api_key=... a"),
        ("wait a --proxy http://u:p@proxy:3128", ["a"], "jobwatch wait --proxy ... a"),
        (
            "wait a --header 'X-Key: s3cr3t' --header-env X-B=B",
            ["a"],
            "jobwatch wait --header ... --header-env X-B=B a",
        ),
        ("wait a --junit j.xml --outputs o.env", ["a"], "jobwatch wait --outputs o.env --junit j.xml a"),
        ("wait a --proxy http://proxy:3128", ["a"], "jobwatch wait --proxy http://proxy:3128 a"),
        ("wait -- -x", ["-x"], "jobwatch wait -- -x"),
        ("wait a", ["$(id)"], "jobwatch wait '$(id)'"),
    ],
)
def test_the_command_that_goes_on_is_the_same_with_what_is_left_and_without_secrets(
    line: str, left: list[str], told: str
) -> None:
    assert how_to_go_on(line, left) == told


SAMPLES: Mapping[str, st.SearchStrategy[list[str]]] = {
    "--timeout": st.sampled_from(["0", "1.5h", "10m", "250ms"]).map(lambda text: [text]),
    "--api": st.sampled_from(["capydb", "./my api.toml"]).map(lambda text: [text]),
    "--max-rate": st.sampled_from(["2", "0.5"]).map(lambda text: [text]),
    "--max-body": st.sampled_from(["2MiB", "1000"]).map(lambda text: [text]),
    "--accept": st.just(["partial,finished"]),
    "--exit-code": st.just(["timeout=75"]),
    "--outputs": st.text(st.characters(exclude_categories=["C"]), min_size=1).map(lambda text: [text]),
    "--cursor": st.just(["k.cursor"]),
    "--json": st.just([]),
    "--no-fail": st.just([]),
    "--no-streams": st.just([]),
    "--follow-output": st.just([]),
}


@pytest.mark.slow
@given(st.dictionaries(st.sampled_from(sorted(SAMPLES)), st.data()), st.data())
def test_it_is_read_as_the_options_that_were_given(chosen: dict[str, object], data: st.DataObject) -> None:
    words = ["wait", "a"]
    for option in chosen:
        values = data.draw(SAMPLES[option])
        words += [f"{option}={values[0]}"] if values else [option]
    options = parsed(words)
    again = parsed(shlex.split(command(vars(options), usual_options(), ["a"]))[1:])
    assert vars(again) == vars(options)


async def test_it_is_printed_after_a_time_limit_for_the_jobs_that_go_on(
    capydb: JobServer, capsys: pytest.CaptureFixture[str]
) -> None:
    capydb.add("capydb", "slow", ["running"])
    capydb.add("capydb", "done", ["completed"])
    assert await asyncio.to_thread(main, ["wait", "done", "slow", "--timeout", "100ms", "--no-history"]) == 6
    err = capsys.readouterr().err
    assert err == "jobwatch: to go on waiting: jobwatch wait --timeout 100ms --no-history slow\n"


async def test_it_is_not_printed_when_one_was_enough(capydb: JobServer, capsys: pytest.CaptureFixture[str]) -> None:
    capydb.add("capydb", "slow", ["running"])
    capydb.add("capydb", "done", ["completed"])
    assert await waited("done", "slow", "--any") == 0
    assert capsys.readouterr().err == ""


async def test_a_response_that_started_a_job_is_named_by_the_jobs_id(
    capydb: JobServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    capydb.add("capydb", "slow", ["running"])
    started = b'{"job": {"id": "slow", "project_id": "p", "type": "dump", "state": "pending"}}'
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(started)))
    assert await asyncio.to_thread(main, ["wait", "-", "--timeout", "100ms", "--no-history"]) == 6
    assert capsys.readouterr().err.endswith("--no-history slow\n")


# --- mistyped ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["wiat", "x"], "there is no command wiat (did you mean wait?)"),
        (["frobnicate"], "commands are wait, watch, get, "),
        (["wait", "x", "--tiemout", "3"], "unknown option --tiemout (did you mean --timeout?)"),
        (["wait", "x", "--fail-fats", "--zzz"], "unknown option --fail-fats (did you mean --fail-fast?), --zzz"),
    ],
)
def test_a_mistyped_word_is_answered_with_the_one_that_was_meant(
    argv: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 2
    assert told in capsys.readouterr().err


def test_a_word_that_is_like_no_command_is_not_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sk_canary_81f3"]) == 2
    assert "canary" not in capsys.readouterr().err


def test_every_option_has_its_usual_value() -> None:
    assert set(vars(parsed(["wait", "x"]))) - {"command", "jobs"} <= usual_options().keys()
    assert {name for name in Options.__annotations__ if name not in usual_options()} == {"jobs"}
