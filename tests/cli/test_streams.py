"""What is written arrives whole, in time and harmless: slow readers, full disks, hostile names, pipes for files."""

from __future__ import annotations

import asyncio
import fcntl
import io
import json
import logging
import os
import re
import signal
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from jobwatch import Fault, FaultKind, Outcome, Phase, Problem, WaitTimeout
from jobwatch.cli import _output, _signals, main
from jobwatch.cli._lines import PlainLines
from jobwatch.cli._live import LiveTable
from jobwatch.cli._render import OutcomeRecord
from jobwatch.testing import JobServer, Trouble

from .processes import python

pytestmark = pytest.mark.slow
CANARY = "sk_Canary_81f3c2"
SET_PIPE_SIZE = 1031  # F_SETPIPE_SZ, of Linux
COMMANDS = re.compile(r"##\w*\[|^\s*::", re.MULTILINE)
"""What Azure's and GitHub's runners obey."""

linux = pytest.mark.skipif(sys.platform != "linux", reason="sets the size of a pipe")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, job_server: JobServer) -> Iterator[None]:
    job_server.token = CANARY
    for api in ("bedrock", "capydb"):
        monkeypatch.setenv(f"{api.upper()}_API_URL", job_server.url_of(api))
        monkeypatch.setenv(f"{api.upper()}_API_KEY", CANARY)
    monkeypatch.setenv("JOBWATCH_API", "capydb")
    yield
    _output._secrets.clear()


def small_pipe(*, blocking: bool) -> tuple[int, int]:
    """Return the ends of a pipe that holds one page."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, SET_PIPE_SIZE, 4096)
    os.set_blocking(writing, blocking)
    return reading, writing


def held(reading: int) -> int:
    """Return how many bytes a pipe holds."""
    return int.from_bytes(fcntl.ioctl(reading, termios.FIONREAD, bytes(4)), sys.byteorder)


def read_all(reading: int) -> bytes:
    with os.fdopen(reading, "rb") as file:
        return file.read()


# --- slow readers --------------------------------------------------------------------------------------------------


@linux
@pytest.mark.parametrize("unbuffered", ["", "1"])
async def test_a_non_blocking_pipe_gets_every_line(
    job_server: JobServer, monkeypatch: pytest.MonkeyPatch, unbuffered: str
) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    ids = [f"job_{number}" for number in range(40)]
    jobs = [job_server.add("capydb", job_id, ["pending", "running", "completed"]) for job_id in ids]
    reading, writing = small_pipe(blocking=False)
    async with python("-m", "jobwatch", "wait", *ids, "--json", out=writing) as child:
        os.close(writing)
        await asyncio.gather(*(job.looked(1) for job in jobs[:8]))
        await asyncio.sleep(0.3)  # in which the pipe is full
        lines = (await asyncio.to_thread(read_all, reading)).splitlines()
        assert (await child.communicate())[1] == b""
        assert child.returncode == 0
    records = [json.loads(line) for line in lines]
    assert sum(record["type"] == "transition" for record in records) == 3 * len(ids)
    assert {record["job_id"] for record in records if record["type"] == "outcome"} == set(ids)


@linux
@pytest.mark.parametrize("unbuffered", ["", "1"])
async def test_a_line_larger_than_the_pipe_and_any_buffer_arrives_whole(
    job_server: JobServer, monkeypatch: pytest.MonkeyPatch, unbuffered: str
) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    text = "0123456789" * 10_000
    job_server.add("capydb", "job_1", ["pending", "running", "completed"], stdout=text)
    reading, writing = small_pipe(blocking=False)
    async with python("-m", "jobwatch", "get", "job_1", "--json", out=writing) as child:
        os.close(writing)
        await asyncio.sleep(0.5)
        (line,) = (await asyncio.to_thread(read_all, reading)).splitlines()
        await child.communicate()
        assert child.returncode == 0
    assert json.loads(line)["wire"]["last_stdout"] == text


@linux
async def test_a_non_blocking_stderr_gets_every_line(job_server: JobServer) -> None:
    job_server.add("capydb", "job_1", ["pending", "running", "completed"], stdout="a line of output\n" * 1000)
    reading, writing = small_pipe(blocking=False)
    async with python("-m", "jobwatch", "wait", "job_1", "--follow-output", err=writing) as child:
        os.close(writing)
        await asyncio.sleep(0.8)
        written = await asyncio.to_thread(read_all, reading)
        await child.communicate()
        assert child.returncode == 0
    assert written.splitlines() == [b"stdout job_1 | a line of output"] * 1000


@linux
async def test_a_reader_that_goes_away_while_it_is_waited_for_is_no_reader(job_server: JobServer) -> None:
    text = "0123456789" * 10_000
    job = job_server.add("capydb", "job_1", ["pending", "running", "completed"], stdout=text)
    reading, writing = small_pipe(blocking=False)
    async with python("-m", "jobwatch", "get", "job_1", "--json", out=writing) as child:
        os.close(writing)
        await job.looked(1)
        await asyncio.sleep(0.3)
        os.close(reading)
        assert (await child.communicate())[1] == b""
        assert child.returncode == 141


WRITING = """
import asyncio, sys
from jobwatch.cli import _output, _signals
_signals._GRACE = 0.2

async def work():
    while True:
        _output.say("x" * 1000)
        await asyncio.sleep(0)

with _output.patient_streams():
    code = _signals.run(work())
sys.exit(code)
"""


@linux
@pytest.mark.parametrize("blocking", [True, False])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_a_reader_that_never_reads_does_not_outlive_a_signal(blocking: bool, number: int, code: int) -> None:
    reading, writing = small_pipe(blocking=blocking)
    try:
        async with python("-c", WRITING, out=writing) as child:
            os.close(writing)
            while held(reading) < 4 * 1001:  # noqa: ASYNC110 - the next line does not go into it; a pipe rings no bell
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.04)
            child.send_signal(number)
            async with asyncio.timeout(5):
                assert (await child.communicate())[1] == b""
            assert child.returncode == code
    finally:
        os.close(reading)


@pytest.mark.parametrize("argv", [["--version"], ["--help"], ["wait", "--help"]], ids=" ".join)
@pytest.mark.parametrize("unbuffered", ["", "1"])
async def test_help_that_cannot_be_written_is_no_success_and_no_failed_job(
    monkeypatch: pytest.MonkeyPatch, argv: list[str], unbuffered: str
) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    reading, writing = os.pipe()
    os.close(reading)
    async with python("-m", "jobwatch", *argv, out=writing) as child:
        os.close(writing)
        assert (await child.communicate())[1] == b""
        assert child.returncode == 141
    full = os.open("/dev/full", os.O_WRONLY)
    async with python("-m", "jobwatch", *argv, out=full) as child:
        os.close(full)
        assert (await child.communicate())[1] == b"jobwatch: error: [Errno 28] No space left on device\n"
        assert child.returncode == 2


def test_a_command_that_is_cancelled_by_no_signal_is_a_fault_of_our_own() -> None:
    async def work() -> int:
        raise asyncio.CancelledError

    with pytest.raises(RuntimeError, match="by no signal"):
        _signals.run(work())


# --- names that others make up -------------------------------------------------------------------------------------

HOSTILE_IDS = ["##vso[task.setvariable variable=x]y", "##[error]z", "::error::x", "##teamcity[x]"]


@pytest.mark.parametrize("job_id", HOSTILE_IDS)
@pytest.mark.parametrize("extra", [(), ("--json",)])
async def test_an_id_steers_no_runner(
    job_server: JobServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    job_id: str,
    extra: tuple[str, ...],
) -> None:
    job_server.add("capydb", job_id, ["pending", "running", "completed"], stdout="written\n")
    started = json.dumps({"job": {"id": job_id, "project_id": "p", "type": "t", "state": "pending"}}).encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(started)))
    assert await asyncio.to_thread(main, ["wait", "-", "--follow-output", *extra]) == 0
    assert await asyncio.to_thread(main, ["get", job_id, *extra]) == 0
    out, err = capsys.readouterr()
    assert not COMMANDS.search(out + err)
    if extra:
        ids = [record.get("job_id") or record["id"] for record in map(json.loads, out.splitlines())]
        assert ids == [job_id] * 5, "JSON says what the id is, whatever it looks like"


@pytest.mark.parametrize("job_id", HOSTILE_IDS)
async def test_an_id_steers_no_runner_where_it_cannot_be_read(
    job_server: JobServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], job_id: str
) -> None:
    monkeypatch.setattr("jobwatch.cli._lines._Lines.tick", 0.01)
    job_server.trouble(Trouble.status(503), times=None)
    assert await asyncio.to_thread(main, ["wait", job_id, "--timeout", "0.2"]) == 7
    assert await asyncio.to_thread(main, ["get", job_id]) == 7
    out, err = capsys.readouterr()
    assert "cannot be read for now" in err
    assert not COMMANDS.search(out + err)


def test_lines_of_odd_ids_stand_in_columns(capsys: pytest.CaptureFixture[str]) -> None:
    lines = PlainLines(["##[x]", "job_1"])
    for job_id in ("##[x]", "job_1"):
        lines.outcome(OutcomeRecord(job_id, Outcome.SUCCEEDED, "C", Phase.SUCCEEDED, None, 1, 1.0))
    first, second = capsys.readouterr().out.splitlines()
    assert first.index("=>") == second.index("=>")


def test_a_table_of_odd_ids_and_names_steers_nothing() -> None:
    terminal = io.StringIO()
    console = Console(file=terminal, force_terminal=True, width=120, no_color=True)
    with LiveTable(["##vso[task.x]y", f"at {CANARY}"], "Waiting on ##[error]\x1b[2J", console):
        _output.mask([CANARY])
        console.print("")
    text = terminal.getvalue()
    assert r"#\x23vso[task.x]y" in text
    assert r"#\x23[error]\x1b[2J" in text
    assert "\x1b[2J" not in text


@given(st.text())
def test_no_line_steers_anything(text: str) -> None:
    for write in (_output.say, _output.echo, _output.note):
        stdout, stderr = sys.stdout, sys.stderr
        sys.stdout = sys.stderr = stream = io.StringIO()
        try:
            write(text)
        finally:
            sys.stdout, sys.stderr = stdout, stderr
        line, end, rest = stream.getvalue().partition("\n")
        assert (end, rest) == ("\n", "")
        assert line.isprintable()
        assert not COMMANDS.search(line)


@pytest.mark.parametrize("name", ["::error::x", "##[error]x", "::set-output name=x::y"])
def test_an_apis_name_and_file_steer_no_runner(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    table = 'job = "https://api.test/{job_id}/{##[x]}"\nstatus = "state"\ntoken = "T"\n'
    Path(f"{name}.toml").write_text(table, "utf-8")
    Path("named.toml").write_text(f'[apis."{name}"]\n{table}', "utf-8")
    Path("wrong.toml").write_text(f'"{name}" = 1\n', "utf-8")
    for file in (f"./{name}.toml", "./named.toml", "./wrong.toml", f"./{name}/none.toml", name):
        main(["apis", "--check", file])
    out, err = capsys.readouterr()
    assert name.replace("##", r"#\x23").replace("::", r":\x3a", 1) in out
    assert not COMMANDS.search(out + err)


@pytest.mark.parametrize(
    "argv",
    [
        ["list", "--project", "p", "--limit", "##vso[x]y"],
        ["##vso[x]y"],
        ["wait", "a", "--timeout", "##[x]"],
        ["wait", "a", "--param", "##[x]"],
        ["wait", "a", "--##[x]"],
        ["list", "--project", "##[x]"],
        ["get", "a", "--api", "##[x]"],
    ],
    ids=" ".join,
)
async def test_arguments_steer_no_runner(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    await asyncio.to_thread(main, argv)
    out, err = capsys.readouterr()
    assert err.count("\n") == 1
    assert r"#\x23" in err or "commands are" in err
    assert not COMMANDS.search(out + err)


def test_log_records_are_lines_like_all_others(capsys: pytest.CaptureFixture[str]) -> None:
    async def work() -> int:
        _output.mask([CANARY])
        logging.getLogger("jobwatch.some").warning("job %s: %s\n::error::x", "##[x]\x1b", CANARY)
        return 0

    assert _signals.run(work()) == 0
    logging.getLogger("jobwatch.some").warning("nobody's")
    assert capsys.readouterr().err.splitlines() == [r"jobwatch: job #\x23[x]\x1b: ***", "jobwatch: ::error::x"]


@pytest.mark.parametrize("spelt", [str.lower, str.upper, str])
def test_a_secret_is_masked_in_any_case(spelt: Callable[[str], str], capsys: pytest.CaptureFixture[str]) -> None:
    _output.mask([CANARY])
    _output.say(f"moved to https://{spelt(CANARY)}.test")
    assert capsys.readouterr().out == "moved to https://***.test\n"


# --- JSON escapes once ---------------------------------------------------------------------------------------------

MULTILINE = "Traceback:\n  \x1b[31mboom\u202e"
BACKSLASHES = r"Traceback:\n  \x1b[31mboom\u202e"


@pytest.mark.parametrize("text", [MULTILINE, BACKSLASHES])
async def test_the_servers_text_is_escaped_once_in_json(
    job_server: JobServer, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    job_server.add("bedrock", "job_1", ["PENDING", "FAILED"], error=Problem(text, "E_X"))
    assert await asyncio.to_thread(main, ["wait", "job_1", "--api", "bedrock", "--json"]) == 1
    out = capsys.readouterr().out
    assert all(line.isprintable() for line in out.splitlines())
    assert json.loads(out.splitlines()[-1])["error"] == f"E_X: {text}"
    assert await asyncio.to_thread(main, ["wait", "job_1", "--api", "bedrock"]) == 1
    assert capsys.readouterr().out.endswith(rf"E_X: {BACKSLASHES}" + "\n")


@pytest.mark.parametrize("text", [MULTILINE, BACKSLASHES])
async def test_a_faults_text_is_escaped_once_in_json(
    job_server: JobServer, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    body = json.dumps({"title": "No", "detail": text, "code": "a\nb"}).encode()
    job_server.trouble(Trouble.status(401, body), times=None)
    assert await asyncio.to_thread(main, ["wait", "job_1", "--api", "bedrock", "--json"]) == 3
    assert text in json.loads(capsys.readouterr().out)["error"]


@pytest.mark.parametrize("text", ["sleepy\nhead", r"sleepy\nhead"])
async def test_a_status_is_escaped_once_in_what_a_time_limit_says(
    job_server: JobServer, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    job_server.add("bedrock", "job_1", [text])
    assert await asyncio.to_thread(main, ["wait", "job_1", "--api", "bedrock", "--json", "--timeout", "0.1"]) == 6
    state, end = map(json.loads, capsys.readouterr().out.splitlines())
    assert state["status"] == end["status"] == text
    assert end["error"] == f"job job_1 did not end within 0.1 s (last seen {text})"


def test_errors_as_text_are_escaped_and_as_values_are_not() -> None:
    for value in (Problem(MULTILINE, "a\tb", "r\n"), Fault(FaultKind.REFUSED, MULTILINE, 400, "a\tb", "r\n")):
        assert MULTILINE in value.text
        assert "a\tb" in value.text
        assert str(value).isprintable()
        assert BACKSLASHES in str(value)
    assert BACKSLASHES in str(WaitTimeout("j", 1.0, None, Fault(FaultKind.REFUSED, MULTILINE)))


# --- files that are none -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["pipe", "device"])
async def test_a_history_that_is_no_file_is_done_without(
    job_server: JobServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    job_server.add("capydb", "job_1", ["pending", "running", "completed"])
    history = tmp_path / "jobwatch" / "durations.json"
    history.parent.mkdir()
    if kind == "pipe":
        os.mkfifo(history)
    else:
        history.symlink_to("/dev/zero")
    async with python("-m", "jobwatch", "wait", "job_1") as child:
        _, err = await child.communicate()
        assert child.returncode == 0
    told = err.decode()
    assert f"going without a history: the history file {history} cannot be read (it is not a regular file)" in told


@pytest.mark.parametrize("file", ["./table.toml", "./pyproject.toml", "/dev/zero", "./link.toml"])
async def test_a_table_that_is_no_file_is_refused_at_once(tmp_path: Path, file: str) -> None:
    os.mkfifo(tmp_path / "table.toml")
    os.mkfifo(tmp_path / "pyproject.toml")
    (tmp_path / "link.toml").symlink_to("/dev/tty")
    async with python("-m", "jobwatch", "get", "job_1", "--api", file, cwd=tmp_path) as child:
        out, err = await child.communicate()
        assert (child.returncode, out) == (2, b"")
    assert err.startswith(b"jobwatch: error: cannot read ")
    assert file == "./link.toml" or b"it is not a regular file" in err


async def test_a_named_api_is_not_looked_for_in_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pyproject.toml")
    os.mkfifo(tmp_path / "jobwatch.toml")
    async with python("-m", "jobwatch", "get", "job_1", "--api", "mine", cwd=tmp_path) as child:
        _, err = await child.communicate()
        assert child.returncode == 2
    assert b"no API is called 'mine'" in err


async def test_a_sample_without_end_is_refused_and_a_pipe_is_read(tmp_path: Path) -> None:
    table, pipe = tmp_path / "mine.toml", tmp_path / "sample"
    table.write_text('job = "https://api.test/{job_id}"\nstatus = "state"\n', "utf-8")
    async with python("-m", "jobwatch", "apis", "--check", str(table), "--body", "/dev/zero") as child:
        _, err = await child.communicate()
        assert child.returncode == 2
    assert b"/dev/zero is larger than a sample" in err
    os.mkfifo(pipe)
    async with python("-m", "jobwatch", "apis", "--check", str(table), "--body", str(pipe)) as child:
        await asyncio.to_thread(pipe.write_bytes, b'{"state": "completed"}')
        out, _ = await child.communicate()
        assert child.returncode == 0
    assert b"status   completed (succeeded)" in out
