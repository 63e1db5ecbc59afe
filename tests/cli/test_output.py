"""``--follow-output``: what a job writes comes out once, in order, on stderr, and steers nothing."""

from __future__ import annotations

import asyncio
import io
import json
import re
from collections.abc import Callable, Coroutine, Sequence
from typing import TypeAlias

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Struct
from rich.cells import cell_len
from rich.console import Console

from jobwatch import Client
from jobwatch.cli import _output, main
from jobwatch.cli._lines import PlainLines, print_columns
from jobwatch.cli._live import LiveTable
from jobwatch.cli._render import output_line
from jobwatch.cli._run import Extras, Run
from jobwatch.cli._standing import Standing
from jobwatch.cli._tail import Line, Tail, overlap
from jobwatch.testing import JobServer
from jobwatch.testing._job import ServedJob

CANARY = "sk_canary_0utput"
OPTIONS = ("--api", "capydb", "--follow-output", "--min-interval", "0.01", "--max-interval", "0.02", "--timeout", "20")


# --- what is new in a snapshot -----------------------------------------------------------------------------------


def texts(lines: Sequence[Line]) -> list[str]:
    return [("* " if line.is_remark else "") + line.text for line in lines]


def shown(*snapshots: str | None, attempts: Sequence[int | None] = ()) -> list[str]:
    """Return all lines that come out of snapshots, the rest included."""
    tail = Tail()
    numbers = list(attempts) or [1] * len(snapshots)
    lines = [line for text, attempt in zip(snapshots, numbers, strict=True) for line in tail.grown(text, attempt)]
    return texts([*lines, *tail.rest()])


def test_only_what_is_new_comes_out_and_a_line_when_it_is_whole() -> None:
    tail = Tail()
    assert texts(tail.grown("one\ntw", 1)) == ["one"]
    assert texts(tail.grown("one\ntw", 1)) == []
    assert texts(tail.grown("one\ntwo", 1)) == []
    assert texts(tail.grown("one\ntwo\nthree", 1)) == ["two"]
    assert texts(tail.rest()) == ["three"]
    assert texts(tail.rest()) == []


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_of_all_kinds_end_lines_wherever_a_snapshot_is_cut(end: str) -> None:
    whole = f"one{end}two{end}{end}three{end}"
    for at in range(1, len(whole)):
        assert shown(whole[:at], whole) == ["one", "two", "", "three"], at


def test_nothing_told_says_nothing_of_what_was_there() -> None:
    assert shown(None, "one\n", None, "", "one\ntwo\n") == ["one", "two"]


REMARK = "what the one before wrote last may be missing"


def test_another_attempt_is_told_from_its_beginning_even_if_it_begins_alike() -> None:
    assert shown("one\ntw", "one\ntwo\n", attempts=[1, 2]) == ["one", "tw", f"* attempt 2; {REMARK}", "one", "two"]
    assert shown("one\n", "one\n", "eins\n", attempts=[1, 2, 2]) == ["one", f"* attempt 2; {REMARK}", "eins"]


def test_a_text_that_does_not_go_on_where_it_was_is_new_after_a_remark() -> None:
    assert shown("one\n", "two\n") == ["one", f"* starts anew; {REMARK}", "two"]
    assert shown("one\n", "two\n", attempts=[None, None]) == ["one", f"* starts anew; {REMARK}", "two"]
    assert shown("one\ntwo\n", "one\n") == ["one", "two", f"* starts anew; {REMARK}", "one"]


NUMBERED = "".join(f"line number {number} of many\n" for number in range(400))


@pytest.mark.slow
@given(st.lists(st.integers(0, len(NUMBERED)), max_size=20).map(sorted))
def test_what_only_grows_comes_out_whole_however_it_is_cut(cuts: list[int]) -> None:
    snapshots = [NUMBERED[:cut] for cut in cuts]
    assert shown(*snapshots, NUMBERED) == NUMBERED.splitlines()


@given(st.lists(st.integers(0, 168), max_size=100), st.integers(200, 400))
def test_a_server_that_keeps_the_end_only_costs_no_line_and_no_remark(steps: list[int], kept: int) -> None:
    snapshots, at = [], 0
    for step in steps:
        at = min(at + step, len(NUMBERED))
        snapshots.append(NUMBERED[max(0, at - kept) : at])
    assert shown(*snapshots) == NUMBERED[:at].splitlines()


def test_a_hole_in_what_a_server_kept_is_remarked() -> None:
    told = shown(NUMBERED[:300], NUMBERED[400:700])
    assert [line for line in told if line.startswith("*")] == [f"* starts anew; {REMARK}"]
    assert "".join(told[-3:]).endswith(NUMBERED[650:700].replace("\n", ""))


def test_the_longest_overlap_counts() -> None:
    assert overlap("x" + "a" * 100, "a" * 100 + "b") == 100
    assert overlap("a" * 100, "a" * 50 + "b") == 50
    assert overlap("a" * 100 + "c", "a" * 50 + "b") is None
    assert overlap("a" * 31, "b") is None
    assert overlap("", "b") == 0


def test_a_text_made_to_be_slow_is_not() -> None:
    assert overlap("c" + "a" * 200_000, "a" * 100_000 + "b" + "a" * 100_000) is None


@pytest.mark.slow
@given(st.lists(st.tuples(st.one_of(st.none(), st.text()), st.one_of(st.none(), st.integers(0, 3)))))
@example([("\r", None)])
@example([("one\r", 1)])
def test_whatever_is_told_the_last_text_is_out_in_the_end(snapshots: list[tuple[str | None, int | None]]) -> None:
    told = shown(*(text for text, _ in snapshots), attempts=[attempt for _, attempt in snapshots])
    last = next((text for text, _ in reversed(snapshots) if text), "")
    lines = re.split(r"\r\n|\n|\r", last)
    assert told[len(told) - len(lines) + (lines[-1] == "") :] == lines[: len(lines) - (lines[-1] == "")]


# --- what a line looks like --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("dumping", "stdout job_1 | dumping"),
        ("a\tb", "stdout job_1 | a       b"),
        ("", "stdout job_1 |"),
        ("::set-output name=x::y", "stdout job_1 | ::set-output name=x::y"),
        ("##vso[task.setvariable]x", r"stdout job_1 | #\x23vso[task.setvariable]x"),
        ("\x1b[31mred\x1b]0;title\x07", r"stdout job_1 | \x1b[31mred\x1b]0;title\x07"),
        ("a\u202eb\u2028c\x85d\x0ce", r"stdout job_1 | a\u202eb\u2028c\x85d\x0ce"),
        ("\ud800", r"stdout job_1 | \ud800"),
    ],
)
def test_a_line_steers_neither_terminal_nor_runner(text: str, line: str) -> None:
    assert output_line("job_1", "stdout", Line(text)) == line


def test_an_id_that_a_response_made_up_steers_nothing_either() -> None:
    told = output_line("::error::x\n\x1b", "stdout", Line("attempt 2", is_remark=True))
    assert told == r"stdout ::error::x\n\x1b * attempt 2"


# --- through the command line ------------------------------------------------------------------------------------


class Ran(Struct):
    code: int
    out: str
    err: str


Waiting: TypeAlias = "Callable[..., Coroutine[object, object, Ran]]"


@pytest.fixture
async def waiting(
    monkeypatch: pytest.MonkeyPatch, job_server: JobServer, capsys: pytest.CaptureFixture[str]
) -> Waiting:
    """Call ``jobwatch wait`` in a thread."""
    job_server.token = CANARY
    for api in ("capydb", "bedrock"):
        monkeypatch.setenv(f"{api.upper()}_API_URL", job_server.url_of(api))
        monkeypatch.setenv(f"{api.upper()}_API_KEY", CANARY)

    async def call(*argv: str) -> Ran:
        try:
            code = await asyncio.to_thread(main, ["wait", *argv])
        finally:
            _output._secrets.clear()
        out, err = capsys.readouterr()
        assert CANARY not in out + err
        return Ran(code, out, err)

    return call


async def seen(job: ServedJob) -> None:
    """Wait until the job, as it is now, has been read and that has been shown."""
    await job.looked(job.looks + 2)


def writes(job: ServedJob, stdout: str | None, stderr: str | None = None) -> None:
    job.options = {**job.options, "extra": {"last_stdout": stdout, "last_stderr": stderr}}


@pytest.mark.slow
@pytest.mark.parametrize("extra", [(), ("--json",)])
async def test_what_a_job_writes_comes_out_as_it_grows_beside_clean_states(
    waiting: Waiting, job_server: JobServer, extra: tuple[str, ...]
) -> None:
    job = job_server.add("capydb", "job_1", ["pending", "running"])
    ran = asyncio.create_task(waiting("job_1", *OPTIONS, *extra))
    await seen(job)
    for written in ("dumping us", "dumping users\n", "dumping users\ndumping or"):
        writes(job, written, "warning: slow\n" if "or" in written else None)
        await seen(job)
    writes(job, "dumping users\ndumping orders\ndone", "warning: slow\n")
    job.advance("completed")
    done = await ran
    assert done.code == 0
    assert done.err.splitlines() == [
        "stdout job_1 | dumping users",
        "stderr job_1 | warning: slow",
        "stdout job_1 | dumping orders",
        "stdout job_1 | done",
    ]
    if extra:
        kinds = [json.loads(line)["type"] for line in done.out.splitlines()]
        assert kinds == ["transition"] * 3 + ["outcome"]
    else:
        assert "dumping" not in done.out
        assert len(done.out.splitlines()) == 4


@pytest.mark.slow
async def test_a_new_attempt_is_told_from_its_beginning(waiting: Waiting, job_server: JobServer) -> None:
    job = job_server.add("capydb", "job_1", ["pending", "running"], stdout="copying\nno space\n", stderr="E28\n")
    ran = asyncio.create_task(waiting("job_1", *OPTIONS))
    await seen(job)
    job.advance("pending")  # the first attempt has ended, and tells what it wrote
    await seen(job)
    job.advance("running")
    await seen(job)
    job.advance("completed", stdout="copying\nno space problem\n")
    assert (await ran).err.splitlines() == [
        "stdout job_1 | copying",
        "stdout job_1 | no space",
        "stderr job_1 | E28",
        f"stdout job_1 * attempt 2; {REMARK}",
        "stdout job_1 | copying",
        "stdout job_1 | no space problem",
    ]


async def test_what_a_job_that_has_ended_wrote_is_shown_and_costs_no_further_look(
    waiting: Waiting, job_server: JobServer
) -> None:
    job_server.add("capydb", "job_1", ["pending", "running", "failed"], stdout="a\nb", stderr=f"c {CANARY}", error="no")
    job_server.add("capydb", "job_2", ["pending", "running", "completed"], stdout="d\r\n")
    ran = await waiting("job_1", "job_2", *OPTIONS)
    assert ran.code == 1
    assert sorted(ran.err.splitlines()) == [
        "stderr job_1 | c ***",
        "stdout job_1 | a",
        "stdout job_1 | b",
        "stdout job_2 | d",
    ]
    assert len(job_server.requests) == 2


async def test_output_that_would_steer_a_runner_is_defused_on_the_way(waiting: Waiting, job_server: JobServer) -> None:
    hostile = "::set-output name=x::y\n\x1b[2J##vso[task.x]\r\n\u202eend\n"
    job_server.add("capydb", "job_1", ["pending", "running", "completed"], stdout=hostile)
    ran = await waiting("job_1", *OPTIONS)
    assert ran.err.splitlines() == [
        "stdout job_1 | ::set-output name=x::y",
        r"stdout job_1 | \x1b[2J#\x23vso[task.x]",
        r"stdout job_1 | \u202eend",
    ]


@pytest.mark.slow
async def test_what_was_begun_is_shown_when_it_is_stopped(
    job_server: JobServer, capsys: pytest.CaptureFixture[str]
) -> None:
    job = job_server.add("capydb", "job_1", ["pending", "running"])
    writes(job, "one\ntw")
    async with Client("capydb", base_url=job_server.url_of("capydb"), token=job_server.token) as client:
        run = Run([client.wait_for("job_1")], PlainLines(["job_1"]), Extras(follow=client.api.output))
        following = asyncio.create_task(run.follow())
        await job.looked(2)
        following.cancel()
        await asyncio.wait([following])
    assert capsys.readouterr().err.splitlines() == ["stdout job_1 | one", "stdout job_1 | tw"]


async def test_without_the_option_nothing_is_shown(waiting: Waiting, job_server: JobServer) -> None:
    job_server.add("capydb", "job_1", ["pending", "running", "completed"], stdout="a\n")
    ran = await waiting("job_1", *(option for option in OPTIONS if option != "--follow-output"))
    assert (ran.code, ran.err) == (0, "")


@pytest.mark.parametrize("before", range(500 - len(CANARY), 501))
async def test_no_part_of_a_secret_is_left_where_a_long_line_is_cut(
    before: int, waiting: Waiting, job_server: JobServer
) -> None:
    job_server.add("capydb", "job_1", ["failed"], stderr=f"{'x' * before}{CANARY}{'y' * 500}\n")
    ran = await waiting("job_1", *(option for option in OPTIONS if option != "--follow-output"))
    (line,) = ran.err.splitlines()
    assert re.fullmatch(r"stderr job_1 \| x+(\*{1,3}y*)?\.\.\.", line)


async def test_an_api_that_tells_no_output_is_a_usage_error_before_any_request(
    waiting: Waiting, job_server: JobServer
) -> None:
    job_server.add("bedrock", "job_1", ["COMPLETED"])
    ran = await waiting("job_1", "--api", "bedrock", "--follow-output")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "jobwatch: error: bedrock tells no output of its jobs: leave out --follow-output\n"
    assert len(job_server.requests) == 0


def test_with_a_table_it_is_printed_above(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    terminal = io.StringIO()
    console = Console(file=terminal, force_terminal=True, width=80)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with LiveTable(["job_1"], "Title", console) as table:
        table.output("job_1", "stdout", Line("[red]dumping"))
        table.refresh({"job_1": Standing(1)})
    text = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", terminal.getvalue())
    assert "stdout job_1 | [red]dumping" in text
    assert text.index("dumping") < text.rindex("Title")
    assert "dumping" not in capsys.readouterr().err


def test_with_a_table_and_stderr_elsewhere_it_goes_there(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = io.StringIO()
    with LiveTable(["job_1"], "Title", Console(file=terminal, force_terminal=True, width=80)) as table:
        table.output("job_1", "stdout", Line("dumping"))
    assert capsys.readouterr().err == "stdout job_1 | dumping\n"
    assert "dumping" not in terminal.getvalue()


def test_columns_are_aligned_whatever_their_characters_take(capsys: pytest.CaptureFixture[str]) -> None:
    print_columns([("JOB", "STATUS"), ("日本", "läuft"), ("e\u0301", "ok"), ("abcdef", "x")])
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["JOB     STATUS", "日本    läuft", "e\u0301       ok", "abcdef  x"]
    assert {cell_len(line[: line.index(word)]) for line, word in zip(lines[1:], ("läuft", "ok", "x"), strict=True)} == {
        8
    }
