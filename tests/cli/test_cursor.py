"""``--cursor``: no line is lost, and at most one comes again, wherever a run dies and however its file is cut."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

import jobwatch
from jobwatch import ConfigError, Outcome, Phase, Problem
from jobwatch._core.tracker import Watched
from jobwatch.cli import _output, main
from jobwatch.cli._cursor import Cursor, read
from jobwatch.cli._render import OutcomeRecord
from jobwatch.testing import JobServer

CANARY = "sk_canary_cursor"
OPTIONS = ("--json", "--no-history", "--min-interval", "0.02", "--max-interval", "0.05")
Record = dict[str, object]


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[JobServer]:
    async with JobServer(token=CANARY) as server:
        for api in ("bedrock", "capydb"):
            monkeypatch.setenv(f"{api.upper()}_API_KEY", CANARY)
            monkeypatch.setenv(f"{api.upper()}_API_URL", server.url_of(api))
        monkeypatch.setenv("JOBWATCH_API", "bedrock")
        monkeypatch.setattr(_output, "_secrets", set())
        yield server


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "wait.cursor"


Command = Callable[..., Awaitable[tuple[int, list[Record]]]]


@pytest.fixture
def command(file: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    async def call(*job_ids: str, timeout: str = "10") -> tuple[int, list[Record]]:
        argv = ["wait", *job_ids, "--cursor", str(file), "--timeout", timeout, *OPTIONS]
        code = await asyncio.to_thread(main, argv)
        return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return call


def states(records: list[Record]) -> list[tuple[object, object, object]]:
    return [(each["job_id"], each["seq"], each["status"]) for each in records if each["type"] == "transition"]


def ends(records: list[Record]) -> dict[object, object]:
    return {each["job_id"]: each["outcome"] for each in records if each["type"] == "outcome"}


# --- going on ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow(in_sample=True)
async def test_the_same_command_prints_only_what_is_new_and_goes_on_counting(
    server: JobServer, command: Command
) -> None:
    first = server.add("bedrock", "a", ["PENDING", "RUNNING"])
    server.add("bedrock", "b", ["PENDING", "FAILED"], error=Problem("no source", "E_SRC"))
    code, records = await command("a", "b", timeout="150ms")
    assert (code, ends(records)) == (1, {"a": "timeout", "b": "failed"})
    assert sorted(states(records), key=str) == [
        *[("a", 1, "PENDING"), ("a", 2, "RUNNING")],
        *[("b", 1, "PENDING"), ("b", 2, "FAILED")],
    ]
    first.advance("COMPLETED")
    before = len(server.requests)
    code, records = await command("a", "b")
    assert states(records) == [("a", 3, "COMPLETED")]
    assert (code, ends(records)) == (1, {"a": "succeeded", "b": "failed"}), "an end is told by every run"
    (end,) = [each for each in records if each["job_id"] == "b"]
    assert (end["error"], end["looks"], end["elapsed"]) == ("E_SRC: no source", 0, 0.0)
    assert all("/b" not in request.path for request in server.requests[before:]), "and b is not asked about again"
    before = len(server.requests)
    code, again = await command("a", "b")
    assert (code, states(again), ends(again)) == (1, [], ends(records))
    assert [each for each in again if each["job_id"] == "b"] == [each for each in records if each["job_id"] == "b"]
    assert len(server.requests) == before


@pytest.mark.slow(in_sample=True)
async def test_what_is_drawn_of_a_run_shows_the_states_of_the_runs_before(
    server: JobServer, command: Command, tmp_path: Path
) -> None:
    job, drawn = server.add("bedrock", "a", ["PENDING", "RUNNING"]), tmp_path / "summary.md"
    await command("a", timeout="150ms")
    job.advance("COMPLETED")
    for run in ("the one that has seen the end", "one after it"):
        await command("a", "--summary", str(drawn))
        chart = drawn.read_text("utf-8").partition("```mermaid")[2]
        assert [chart.count(word) for word in ("PENDING", "RUNNING", "COMPLETED")] == [1, 1, 1], (run, chart)


async def test_without_the_jobs_that_ended_before_nothing_is_asked_for_them(
    server: JobServer, command: Command
) -> None:
    server.add("bedrock", "a", ["COMPLETED"])
    server.add("bedrock", "b", ["CANCELED"])
    assert (await command("a"))[0] == 0
    code, records = await command("b", "a")
    assert code == 5
    assert ends(records) == {"a": "succeeded", "b": "cancelled"}


@pytest.mark.slow
async def test_a_job_that_could_not_be_read_is_tried_anew(server: JobServer, command: Command) -> None:
    job = server.add("bedrock", "a", ["PENDING"])
    assert (await command("a", timeout="50ms"))[0] == 6
    server.renew_token("another_token_0")
    code, records = await command("a", timeout="50ms")
    assert (code in (3, 6), states(records)) == (True, [])
    server.renew_token(CANARY)
    job.advance("COMPLETED")
    code, records = await command("a")
    assert (code, [seq for _, seq, _ in states(records)]) == (0, [2])


@pytest.mark.slow
async def test_an_api_without_a_history_goes_on_from_what_was_last_seen(
    server: JobServer, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBWATCH_API", "capydb")
    job = server.add("capydb", "a", ["pending"])
    assert states((await command("a", timeout="50ms"))[1]) == [("a", 1, "pending")]
    job.advance("running")
    assert states((await command("a", timeout="50ms"))[1]) == [("a", 2, "running")]
    job.advance("failed")
    code, records = await command("a")
    assert (code, states(records)) == (1, [("a", 3, "failed")])


async def test_the_file_is_its_owners_alone_and_holds_no_token(server: JobServer, command: Command, file: Path) -> None:
    server.add("bedrock", "a", ["FAILED"], error=Problem(f"no, {CANARY}, no"))
    assert (await command("a"))[0] == 1
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert CANARY not in file.read_text("utf-8")


# --- wherever it dies -------------------------------------------------------------------------------------------------


class Death(Exception):
    """Stands for ``kill -9``: after it nothing is written any more."""


def _nothing() -> None:
    pass


class Dying:
    """Dies at the nth step; a step is a line to stdout or a record in the file, before it and after it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left: float = float("inf")
        self.steps = 0
        put, append = _output._put, Cursor._append

        def dying_put(stream: object, line: str) -> None:
            if stream is sys.stdout:
                self.step(lambda: put(sys.stdout, line))

        monkeypatch.setattr(_output, "_put", dying_put)
        monkeypatch.setattr(Cursor, "_append", lambda cursor, record: self.step(lambda: append(cursor, record)))

    def step(self, do: Callable[[], None]) -> None:
        for act in (_nothing, do):
            if self.left <= 0:
                raise Death
            act()
            self.left -= 1
            self.steps += 1


@pytest.mark.slow(in_sample=True)
async def test_wherever_a_run_dies_the_next_one_prints_the_rest_and_at_most_one_line_again(
    server: JobServer, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server.add("bedrock", "a", ["PENDING", "RUNNING", "COMPLETED"])
    server.add("bedrock", "b", ["PENDING", "RUNNING", "FAILED"], error=Problem("boom"))
    dying = Dying(monkeypatch)

    def run() -> int:
        return main(["wait", "a", "b", "--cursor", str(file), "--timeout", "10", *OPTIONS])

    async def until_death(steps: float) -> None:
        dying.left = steps
        with contextlib.suppress(Death):
            await asyncio.to_thread(run)

    await until_death(float("inf"))
    whole = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(states(whole)) == 6
    for steps in range(dying.steps):
        file.unlink()
        await until_death(steps)
        dying.left = float("inf")
        assert await asyncio.to_thread(run) == 1, steps
        records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        told = states(records)
        for job_id in ("a", "b"):
            own = [state for state in told if state[0] == job_id]
            assert sorted(set(own)) == sorted(state for state in states(whole) if state[0] == job_id), steps
            assert own == sorted(own, key=lambda state: int(str(state[1]))), "in order"
        assert len(told) <= 6 + 1, steps
        assert ends(records) == {"a": "succeeded", "b": "failed"}


@pytest.mark.slow
@pytest.mark.parametrize(("api", "seed"), [("bedrock", 1), ("bedrock", 2), ("capydb", 3)])
async def test_killed_again_and_again_it_tells_every_state_and_the_end(
    server: JobServer, file: Path, tmp_path: Path, api: str, seed: int
) -> None:
    # What happens when is told by looks and moves, and not by the clock, so that a slow machine makes no difference.
    chance, ids = random.Random(seed), ["a", "b", "c"]
    words = ("PENDING", "RUNNING", "COMPLETED") if api == "bedrock" else ("pending", "running", "completed")
    path = [words[number % 2] for number in range(10)] + [words[2]]
    ahead = {server.add(api, job_id, path[:1]): path[1:] for job_id in ids}
    moves = [job for job, words in ahead.items() for _ in words]
    chance.shuffle(moves)
    kills_at = {0, *chance.sample(range(1, len(moves)), 6)}
    argv = ["wait", *ids, "--api", api, "--cursor", str(file), "--timeout", "600", *OPTIONS]
    out, kills, code = tmp_path / "out", 0, None
    while code is None:
        with out.open("ab") as stdout:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "jobwatch", *argv),
                stdout=stdout,
                env={**os.environ, "PYTHONPATH": str(Path(jobwatch.__file__).parents[1])},
            )
        over, asked = asyncio.ensure_future(process.wait()), len(server.requests)
        while not over.done():
            await asyncio.wait([over], timeout=chance.random() / 50)
            if moves and len(server.requests) > asked:
                asked, job = len(server.requests), moves.pop()
                job.advance(ahead[job].pop(0))
                if len(moves) in kills_at:
                    await asyncio.wait([over], timeout=chance.random() / 20)
                    break
        if not over.done():
            process.send_signal(signal.SIGKILL)
            kills += 1
        code = await over
        code = None if code == -signal.SIGKILL else code
    assert kills in {6, 7}, "it may have ended before the last"
    assert code == 0
    records = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    repeats = 0
    for job_id in ids:
        seqs = [int(str(seq)) for each, seq, _ in states(records) if each == job_id]
        repeats += len(seqs) - len(set(seqs))
        assert sorted(set(seqs)) == list(range(1, max(seqs) + 1)), "no line is lost"
        assert seqs == sorted(seqs), "in order"
        told = {seq: status for each, seq, status in states(records) if each == job_id}
        assert told[max(seqs)] == words[2]
        assert api == "capydb" or list(told.values()) == path, "its record has a history"
    assert repeats <= kills
    assert set(ends(records).values()) == {"succeeded"}


# --- however its file is cut ------------------------------------------------------------------------------------------


async def a_whole_file(server: JobServer, command: Command, file: Path) -> bytes:
    server.add("bedrock", "a", ["PENDING", "RUNNING", "COMPLETED"])
    server.add("bedrock", "b", ["PENDING"])
    assert (await command("a", "b", timeout="80ms"))[0] == 6
    return file.read_bytes()


@pytest.mark.slow(in_sample=True)
async def test_cut_after_any_byte_it_knows_all_that_was_noted_by_then_or_says_that_it_cannot_be_read(
    server: JobServer, command: Command, file: Path
) -> None:
    content = await a_whole_file(server, command, file)
    head = content.index(b"\n") + 1
    for at in range(1, head):
        with pytest.raises(ValueError, match=r"no file of --cursor|first line"):
            read(content[:at])
    for at in range(head, len(content) + 1):
        known = read(content[:at])
        assert known.length <= at
        assert content[: known.length].endswith(b"\n")
        lines = [json.loads(line) for line in content[: known.length].splitlines()]
        for job_id, job in known.jobs.items():
            printed = max(
                [line["seq"] for line in lines if line["is"] == "printed" and line["job_id"] == job_id] or [0]
            )
            seen = 0 if job.watched is None else job.watched.seq
            assert [state.seq for state in job.unprinted] == list(range(printed + 1, seen + 1)), at


@pytest.mark.slow
async def test_a_file_that_was_cut_is_gone_on_with_and_no_line_is_lost(
    server: JobServer, command: Command, file: Path
) -> None:
    content = await a_whole_file(server, command, file)
    head = content.index(b"\n") + 1
    for at in [*range(head, len(content), 97), len(content)]:
        file.write_bytes(content[:at])
        lines = [json.loads(line) for line in content[: read(content[:at]).length].splitlines()]
        printed = {(line["job_id"], line["seq"]) for line in lines if line["is"] == "printed"}
        code, records = await command("a", timeout="10")
        told = {(job_id, seq) for job_id, seq, _ in states(records)}
        assert code == 0
        assert {("a", seq) for seq in (1, 2, 3)} - printed == told, at
        assert read(file.read_bytes()).length == file.stat().st_size, "what was cut off is gone"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"my notes\n", "it is no file of --cursor"),
        (b"my notes", "no file of --cursor, or was cut off in its first line"),
        (b'{"is":"seen"}\n', "it is no file of --cursor"),
        (
            b'{"is":"head","format":2,"api":"bedrock","place":"x"}\n{"is":"new"}\n',
            "format 2, and this jobwatch reads 1",
        ),
        (b'{"is":"head","format":1,"api":"bedrock","place":"HERE"}\n{"is":"new"}\n', "it is damaged in line 2"),
        (b'{"is":"head","format":1,"api":"bedrock","place":"HERE"}\n\xff\xfe\n', "it is damaged in line 2"),
        (b'{"is":"head","format":1,"api":"capydb","place":"HERE"}\n', "it is about jobs of capydb at HERE"),
    ],
)
async def test_another_file_is_refused_and_left_as_it_is(
    server: JobServer, file: Path, content: bytes, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Cursor(str(file), "bedrock", "HERE").close()
    file.write_bytes(content)
    with pytest.raises(ConfigError, match="cursor file"):
        Cursor(str(file), "bedrock", "HERE")
    assert await asyncio.to_thread(main, ["wait", "a", "--cursor", str(file)]) == 2
    assert file.read_bytes() == content
    err = capsys.readouterr().err
    assert told in err or "it is about jobs of" in err
    with pytest.raises(ConfigError, match=told.replace("(", ".")):
        Cursor(str(file), "bedrock", "HERE")


async def test_an_empty_one_as_mktemp_makes_it_is_a_new_one(server: JobServer, command: Command, file: Path) -> None:
    file.touch(0o600)
    server.add("bedrock", "a", ["COMPLETED"])
    code, records = await command("a")
    assert (code, len(states(records))) == (0, 1)


def test_what_cannot_be_such_a_file_is_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for path in (pipe, tmp_path, tmp_path / "no" / "file", tmp_path / "link"):
        with pytest.raises(ConfigError, match="cannot be used"):
            Cursor(str(path), "a", "p")
    assert not (tmp_path / "elsewhere").exists()


# --- two at once, and a disk that is full -----------------------------------------------------------------------------


HOLDER = """
import sys
from jobwatch.cli._cursor import Cursor
cursor = Cursor(sys.argv[1], "bedrock", "p")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.slow(in_sample=True)
def test_two_processes_cannot_use_one_file_and_a_dead_one_holds_nothing(file: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(jobwatch.__file__).parents[1])},
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(ConfigError, match=rf"in use by (process {process.pid}|another process): end that one"):
            Cursor(str(file), "bedrock", "p")
        process.kill()
    Cursor(str(file), "bedrock", "p").close()


def test_two_within_one_process_cannot_either(file: Path) -> None:
    first = Cursor(str(file), "bedrock", "p")
    with pytest.raises(ConfigError, match="in use"):
        Cursor(str(file), "bedrock", "p")
    first.close()
    Cursor(str(file), "bedrock", "p").close()


WATCHED = Watched(job_id="a", api="bedrock", seq=1, status="PENDING", phase=Phase.PENDING)


def test_a_full_disk_is_noted_once_and_the_wait_goes_on(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cursor = Cursor(str(file), "bedrock", "p")
    whole = file.read_bytes()
    write = os.write

    def full(handle: int, data: bytes) -> int:
        if len(data) > 10:
            return write(handle, data[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    cursor.seen(WATCHED, ())
    cursor.ended(OutcomeRecord("a", Outcome.FAILED, "FAILED", Phase.FAILED, None, 1, 0.1))
    monkeypatch.undo()
    cursor.close()
    assert file.read_bytes() == whole, "half a record is taken back"
    assert capsys.readouterr().err.count("cannot be written: No space left on device") == 1


@pytest.mark.parametrize("outcome", Outcome, ids=lambda outcome: outcome.value)
def test_only_a_jobs_own_end_is_kept_as_its_end(file: Path, outcome: Outcome) -> None:
    cursor = Cursor(str(file), "bedrock", "p")
    cursor.ended(OutcomeRecord("a", outcome, "X", Phase.FAILED, None, 1, 0.1))
    cursor.close()
    again = Cursor(str(file), "bedrock", "p")
    is_own = outcome.value in ("succeeded", "partial", "finished", "failed", "cancelled")
    assert (again.known("a").end is not None) == is_own
    again.close()
