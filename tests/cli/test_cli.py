"""The command line against real servers: ours, and one that knows nothing of us.

Most tests call `main` in a thread of its own; only what a process alone shows (signals, pipes, terminals) runs one.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import pty
import re
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import pytest
from msgspec import Struct
from rich.console import Console

from jobwatch import JSON, Fault, FaultKind, JobwatchError, Outcome, Phase, Problem, Transition
from jobwatch.cli import _demo, _lines, _output, _signals, main
from jobwatch.cli._lines import PlainLines
from jobwatch.cli._live import LiveTable
from jobwatch.cli._render import OutcomeRecord
from jobwatch.cli._run import Run
from jobwatch.cli._standing import Standing
from jobwatch.cli._wait import display_for, run_to_end
from jobwatch.testing import JobServer, ServedJob, Trouble
from tests.conftest import soon

from .processes import python

CANARY = "sk_canary_81f3c2"
FAST = ("--min-interval", "0.02", "--max-interval", "0.05")
HOSTILE = "\x1b[31mred\r\n::error::x\x9b\u202e ##vso[task.x]y [bold]z"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"

TRANSITION_KEYS = ["type", "job_id", "seq", "status", "phase", "at", "seen_at", "gap"]
OUTCOME_KEYS = ["type", "job_id", "outcome", "status", "phase", "error", "looks", "elapsed"]
TIME_KEYS = ["created_at", "started_at", "ended_at", "ran", "known_after"]

# The vendors' own examples, from https://docs.bedrock.cv/cms-api/jobs/get,
# https://docs.bedrock.cv/vision-api/async-jobs/polling and https://docs.capydb.dev/docs/reference/api/jobs.
CMS = """{"data": {"id": "job_01JABCD123", "organization_id": "org_01JABCD123", "project_id": "prj_01JABCD123",
  "type": "overlay.generate", "status": "COMPLETED", "target_type": "Block", "target_id": "blk_01JABCD123",
  "parent_id": null, "payload": {"type": "Block", "old_id": "blk_01JABCD100", "new_id": "blk_01JABCD200"},
  "events": [{"status": "PENDING", "timestamp": "2024-06-17T08:55:00Z"},
             {"status": "RUNNING", "timestamp": "2024-06-17T08:55:02Z"},
             {"status": "COMPLETED", "timestamp": "2024-06-17T08:56:30Z"}],
  "created_at": "2024-06-17T08:55:00Z", "updated_at": "2024-06-17T08:56:30Z"}}"""
VISION = """{"job_id": "job_01JABCD123", "type": "compare", "status": "Completed",
  "target": {"type": "block", "id": "blk_01JABCD100"}, "results": {"overlay": {"score": 0.82}},
  "created_at": "2024-01-15T10:00:00Z", "completed_at": "2024-01-15T10:01:30Z"}"""
CAPY = """{"job": {"attempts": 0, "claimed_at": "2019-08-24T14:15:22Z", "claimed_by": "string", "cluster_id": "string",
  "completed_at": "2019-08-24T14:15:22Z", "created_at": "2019-08-24T14:15:22Z", "error": "string", "id": "string",
  "last_exit_code": 0, "last_stderr": "string", "last_stdout": "string", "locked_resource": "string",
  "max_attempts": 0, "organization_id": "string", "preview_database_id": "string", "project_id": "string",
  "retry_classification": "string", "started_at": "2019-08-24T14:15:22Z", "state": "STATE", "type": "string",
  "updated_at": "2019-08-24T14:15:22Z"}}"""

Record: TypeAlias = "dict[str, str | int | float | bool | None]"


class Ran(Struct):
    """One call of `main`: what it returned and wrote."""

    code: int
    out: str
    err: str

    @property
    def records(self) -> list[Record]:
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def outcomes(self) -> dict[object, object]:
        return {record["job_id"]: record["outcome"] for record in self.records if record["type"] == "outcome"}


Command: TypeAlias = Callable[..., Awaitable[Ran]]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Call `main` as a process would, but in a thread."""

    async def call(*argv: str) -> Ran:
        limit = ("--timeout", "10") if argv[0] == "wait" and "--timeout" not in argv else ()  # or a fault would hang us
        code = await asyncio.to_thread(main, [*argv, *limit])
        out, err = capsys.readouterr()
        assert CANARY not in out + err
        assert "Traceback" not in out + err
        return Ran(code, out, err)

    return call


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("CAPYDB_API_KEY", "CAPYDB_API_URL", "NO_COLOR", "FORCE_COLOR", "PYTHONUNBUFFERED"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BEDROCK_API_KEY", CANARY)
    monkeypatch.setenv("JOBWATCH_API", "bedrock")
    monkeypatch.setenv("BEDROCK_API_URL", "http://127.0.0.1:9")  # nobody; no test shall ask the vendor by mistake
    yield
    _output._secrets.clear()


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[JobServer]:
    async with JobServer(token=CANARY) as server:
        monkeypatch.setenv("BEDROCK_API_URL", server.url_of("bedrock"))
        monkeypatch.setenv("CAPYDB_API_URL", server.url_of("capydb"))
        yield server


@asynccontextmanager
async def foreign(*answers: bytes) -> AsyncIterator[str]:
    """Serve these bytes in turn, the last for good, from a server that knows nothing of jobwatch."""
    left = list(answers)
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(left.pop(0) if len(left) > 1 else left[0])
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        for writer in writers:
            writer.transport.abort()


def http(body: str | bytes, status: str = "200 OK", *headers: str, kind: str = "application/json") -> bytes:
    body = body.encode() if isinstance(body, str) else body
    head = [
        f"HTTP/1.1 {status}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *headers,
    ]
    return "\r\n".join([*head, "", ""]).encode() + body


# --- the vendors' own examples, from a server that is not ours ----------------------------------------------------


async def test_the_bedrock_example_gives_three_transitions(command: Command) -> None:
    async with foreign(http(CMS)) as url:
        ran = await command("wait", "job_01JABCD123", "--base-url", url, "--json")
    assert ran.code == 0
    assert ran.err == ""
    assert [list(record) for record in ran.records] == [*[TRANSITION_KEYS] * 3, [*OUTCOME_KEYS, *TIME_KEYS]]
    assert [(r["seq"], r["status"], r["phase"], r["at"], r["gap"]) for r in ran.records[:3]] == [
        (1, "PENDING", "pending", "2024-06-17T08:55:00Z", False),
        (2, "RUNNING", "running", "2024-06-17T08:55:02Z", False),
        (3, "COMPLETED", "succeeded", "2024-06-17T08:56:30Z", False),
    ]
    assert all(re.fullmatch(TIME, str(record["seen_at"])) for record in ran.records[:3])
    end = ran.records[3]
    elapsed = end.pop("elapsed")
    assert isinstance(elapsed, float)
    assert 0 <= elapsed < 10
    known_after = end.pop("known_after")
    assert isinstance(known_after, float)
    assert known_after > 365 * 86_400, "the example is of 2024"
    assert end == {
        "type": "outcome",
        "job_id": "job_01JABCD123",
        "outcome": "succeeded",
        "status": "COMPLETED",
        "phase": "succeeded",
        "error": None,
        "looks": 1,
        "created_at": "2024-06-17T08:55:00Z",
        "started_at": "2024-06-17T08:55:02Z",
        "ended_at": "2024-06-17T08:56:30Z",
        "ran": 88.0,
    }


async def test_the_bedrock_example_in_plain_lines(command: Command) -> None:
    async with foreign(http(CMS)) as url:
        ran = await command("wait", "job_01JABCD123", "--base-url", url)
    assert ran.code == 0
    assert ran.err == ""
    *states, end = ran.out.splitlines()
    assert [line.split() for line in states] == [
        ["2024-06-17T08:55:00Z", "job_01JABCD123", "PENDING"],
        ["2024-06-17T08:55:02Z", "job_01JABCD123", "RUNNING"],
        ["2024-06-17T08:56:30Z", "job_01JABCD123", "COMPLETED", "(succeeded)"],
    ]
    told = r"succeeded, ended 2024-06-17 08:56:30, ran 1m 28s; that was \d+d \d\dh before it was asked about, 1 look"
    assert re.fullmatch(f"{TIME} +job_01JABCD123  => {told}", end)


async def test_the_other_bedrock_example_marks_what_it_does_not_tell(command: Command) -> None:
    async with foreign(http(VISION)) as url:
        ran = await command("wait", "job_01JABCD123", "--base-url", url, "--json")
        plain = await command("wait", "job_01JABCD123", "--base-url", url)
    assert ran.code == plain.code == 0
    assert ran.records[-2]["at"] == "2024-01-15T10:01:30Z"
    assert ran.records[-2]["gap"] is True
    assert plain.out.splitlines()[-2].endswith("Completed (succeeded) [gap before]")


@pytest.mark.parametrize(("state", "code", "outcome"), [("completed", 0, "succeeded"), ("failed", 1, "failed")])
async def test_the_capydb_example_ends_by_its_state(command: Command, state: str, code: int, outcome: str) -> None:
    async with foreign(http(CAPY.replace("STATE", state))) as url:
        ran = await command("wait", "string", "--api", "bedrock", "--base-url", url, "--unreachable-after", "0")
        assert ran.code == 7, "another API's body is not read"
        os.environ["CAPYDB_API_KEY"] = CANARY
        try:
            ran = await command("wait", "string", "--api", "capydb", "--base-url", url, "--json")
        finally:
            del os.environ["CAPYDB_API_KEY"]
    assert ran.code == code
    assert ran.records[-1]["outcome"] == outcome
    assert [record["status"] for record in ran.records[:-1]] == ["pending", "running", state]


PROBLEM = '{"code": "X", "detail": "no, ' + CANARY + ', no", "request_id": "req_7"}'


@pytest.mark.parametrize(
    ("answers", "code", "outcome", "told"),
    [
        ([http(PROBLEM, "401 Unauthorized")], 3, "auth", "req_7"),
        ([http(PROBLEM, "403 Forbidden")], 3, "auth", "HTTP 403"),
        ([http(PROBLEM, "404 Not Found")], 4, "not_found", "HTTP 404"),
        ([http(PROBLEM, "410 Gone")], 4, "not_found", "HTTP 410"),
        ([http(PROBLEM, "503 Service Unavailable")], 7, "unreachable", "HTTP 503"),
        ([http("<html>Sign in</html>", kind="text/html")], 7, "unreadable", "HTML"),
        ([http(CMS)[:-60]], 7, "unreadable", ""),
        pytest.param([http(CMS.replace("COMPLETED", "PARTLY"))], 6, "timeout", "PARTLY", marks=pytest.mark.slow),
        pytest.param(
            [http(PROBLEM, "429 Too Many Requests", "Retry-After: 0"), http(CMS)],
            *(0, "succeeded", ""),
            marks=pytest.mark.slow,
        ),
        ([http(PROBLEM, "503 Service Unavailable"), http("<html>", kind="text/html"), http(CMS)], 0, "succeeded", ""),
    ],
    ids=["401", "403", "404", "410", "503", "html", "cut off", "unknown word", "429", "recovers"],
)
async def test_answers_have_their_outcomes_and_codes(
    command: Command, answers: list[bytes], code: int, outcome: str, told: str
) -> None:
    # After a 429 nothing is asked for a second at least, and a time limit does not wait for that.
    patience, limit = ("0.3", "3") if len(answers) > 1 else ("0.1", "0.4")
    async with foreign(*answers) as url:
        ran = await command(
            *("wait", "job_01JABCD123", "--base-url", url, "--json", "--debug", "--timeout", limit, *FAST),
            *("--unreachable-after", patience, "--appear-within", "0.1"),
        )
    assert (ran.code, ran.records[-1]["outcome"]) == (code, outcome)
    assert list(ran.records[-1]) == [*OUTCOME_KEYS, *(TIME_KEYS if code == 0 else TIME_KEYS[:2] if code == 6 else [])]
    assert told in str(ran.records[-1]["error"])
    if code == 3:
        assert "BEDROCK_API_KEY" in ran.err


async def test_a_wrong_base_path_shows_in_the_url_that_was_asked(command: Command, server: JobServer) -> None:
    server.add("bedrock", "job_1", ["COMPLETED"])
    wrong = f"{server.url_of('bedrock')}/wrong"
    for argv in (("get", "job_1"), ("wait", "job_1", "--appear-within", "0.1", *FAST)):
        ran = await command(*argv, "--api", "bedrock", "--base-url", wrong)
        assert ran.code == 4
        assert f"asked {wrong}/jobs/job_1)" in ran.out + ran.err


@pytest.mark.slow
async def test_a_server_that_says_nothing_is_unreachable_and_the_limit_is_kept(command: Command) -> None:
    async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    listening = await asyncio.start_server(silence, "127.0.0.1", 0)
    async with listening:
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        began = asyncio.get_running_loop().time()
        ran = await command("wait", "job_1", "--api", "bedrock", "--base-url", url, "--timeout", "1", "--json")
        assert asyncio.get_running_loop().time() - began < 3  # 1.25 s on a machine with nothing else to do
    assert ran.code == 7
    assert ran.records == [
        {
            "type": "outcome",
            "job_id": "job_1",
            "outcome": "unreachable",
            "status": None,
            "phase": None,
            "error": "never read within 1 s: 127.0.0.1 took the connection and did not answer",
            "looks": 0,
            "elapsed": ran.records[0]["elapsed"],
        }
    ]


# --- jobs that change while they are watched -----------------------------------------------------------------------


async def test_every_state_is_told_once_while_the_job_runs(command: Command, server: JobServer) -> None:
    job = server.add("bedrock", "job_1", ["PENDING"])

    async def drive() -> None:
        for status in ("RUNNING", "COMPLETED"):
            await job.looked(job.looks + 1)
            job.advance(status)

    driver = asyncio.create_task(drive())
    ran = await command("wait", "job_1", "--json", *FAST)
    await asyncio.wait_for(driver, 1)
    assert ran.code == 0
    assert [record["status"] for record in ran.records[:-1]] == ["PENDING", "RUNNING", "COMPLETED"]
    assert ran.records[-1]["looks"] == job.looks == 3


async def test_a_failure_is_told_in_the_apis_own_words(command: Command, server: JobServer) -> None:
    server.add("bedrock", "job_1", ["PENDING", "RUNNING", "FAILED"], error=Problem("no source image", "E_SRC"))
    plain, lines = await command("wait", "job_1"), await command("wait", "job_1", "--json")
    assert plain.code == lines.code == 1
    assert re.search(r"=> failed, ended [\d:]{8}, ran 0\.0 s; known (at once|\d\.\d s later), 1 look", plain.out)
    assert plain.out.endswith(", 1 look: E_SRC: no source image\n")
    assert lines.records[-1]["error"] == "E_SRC: no source image"


@pytest.mark.slow
async def test_several_jobs_each_have_their_own_end(command: Command, server: JobServer) -> None:
    server.add("bedrock", "good", ["PENDING", "COMPLETED"])
    server.add("bedrock", "bad", ["PENDING", "FAILED"], error="boom")
    server.add("bedrock", "off", ["PENDING", "CANCELED"])
    late = server.add("bedrock", "late", ["PENDING"])
    asyncio.get_running_loop().call_later(0.4, late.advance, "COMPLETED")
    ids = ("late", "good", "bad", "off", "gone", "good")
    ran = await command("wait", *ids, "--json", "--appear-within", "0.05", *FAST)
    assert ran.code == 1
    assert ran.outcomes == {
        "good": "succeeded",
        "bad": "failed",
        "off": "cancelled",
        "gone": "not_found",
        "late": "succeeded",
    }
    assert sum(record["type"] == "outcome" for record in ran.records) == 5, "one given twice is waited for once"
    assert ran.records[-1]["job_id"] == "late", "an end is told when it is known, whatever else goes on"
    first_end = next(index for index, record in enumerate(ran.records) if record["type"] == "outcome")
    assert first_end < len(ran.records) - 5


@pytest.mark.parametrize(
    ("ids", "code"),
    [
        (["good"], 0),
        (["bad"], 0),
        (["bad", "off"], 0),
        (["bad", "gone"], 4),
        pytest.param(["good", "slow"], 6, marks=pytest.mark.slow),
    ],
    ids=["good", "bad", "bad off", "bad gone", "good slow"],
)
async def test_no_fail_forgives_only_what_was_read_to_its_end(
    command: Command, server: JobServer, ids: list[str], code: int
) -> None:
    server.add("bedrock", "good", ["COMPLETED"])
    server.add("bedrock", "bad", ["FAILED"])
    server.add("bedrock", "off", ["CANCELED"])
    server.add("bedrock", "slow", ["RUNNING"])
    ran = await command("wait", *ids, "--no-fail", "--appear-within", "0.05", "--timeout", "0.2", *FAST)
    assert ran.code == code


@pytest.mark.slow
async def test_a_timeout_tells_the_last_state(command: Command, server: JobServer) -> None:
    server.add("bedrock", "job_1", ["PENDING", "RUNNING"])
    ran = await command("wait", "job_1", "--timeout", "100ms", "--json", *FAST)
    assert ran.code == 6
    end = ran.records[-1]
    assert (end["outcome"], end["status"], end["phase"]) == ("timeout", "RUNNING", "running")
    assert "within 0.1 s" in str(end["error"])
    assert "started_at" in end
    assert not {"ended_at", "ran", "known_after"} & end.keys(), "it goes on"


@pytest.mark.slow
async def test_trouble_is_told_once_a_change_and_on_stderr(
    command: Command, server: JobServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_lines._Lines, "tick", 0.02)
    job = server.add("bedrock", "job_1", ["PENDING"])
    server.trouble(Trouble.status(503), times=8, job_id="job_1")

    async def drive() -> None:
        await job.looked(12)
        await asyncio.sleep(0.04)
        job.advance("COMPLETED")

    driver = asyncio.create_task(drive())
    ran = await command("wait", "job_1", "--json", *FAST)
    await asyncio.wait_for(driver, 1)
    assert ran.code == 0
    first, second = ran.err.splitlines()
    assert re.fullmatch(r"jobwatch: job_1: cannot be read for now: .*HTTP 503.*", first)
    assert second == "jobwatch: job_1: can be read again"
    assert [record["type"] for record in ran.records] == ["transition", "transition", "outcome"]


# --- what a server may have made up ----------------------------------------------------------------------------------


async def test_row_75_hostile_text_reaches_neither_terminal_nor_runner(command: Command, server: JobServer) -> None:
    words: dict[str, JSON] = {
        "events": [{"status": HOSTILE, "timestamp": "2024-06-17T08:55:00Z"}],
        "type": HOSTILE,
        "payload": HOSTILE,
    }
    server.add("bedrock", "job_1", ["PENDING", "FAILED"], error=Problem(HOSTILE, HOSTILE), extra=words)
    plain = await command("wait", "job_1")
    got = await command("get", "job_1")
    for ran in (plain, got):
        assert all(line.isprintable() for line in ran.out.splitlines())
        assert "##vso[" not in ran.out
        assert r"\x1b[31mred\r\n::error::x" in ran.out
    assert plain.code == 1
    assert got.code == 0
    assert all(re.match(TIME + " ", line) for line in plain.out.splitlines())
    assert all(re.match(r"[a-z_.]+ ", line) for line in got.out.splitlines())


async def test_row_75_hostile_text_in_json_is_escaped_and_whole(command: Command, server: JobServer) -> None:
    words: dict[str, JSON] = {"events": [{"status": HOSTILE, "timestamp": None}], "type": HOSTILE}
    server.add("bedrock", "job_1", ["PENDING", "COMPLETED"], extra=words)
    ran = await command("wait", "job_1", "--json")
    assert all(line.isprintable() for line in ran.out.splitlines())
    assert "##vso[" not in ran.out
    assert ran.records[0]["status"] == HOSTILE
    got = await command("get", "job_1", "--json")
    assert got.out.count("\n") == 1
    assert got.out.rstrip("\n").isprintable()
    assert got.records[0]["type"] == HOSTILE


async def test_row_122_a_token_that_the_server_sends_back_is_not_printed(command: Command, server: JobServer) -> None:
    server.add("bedrock", "job_1", ["PENDING", "FAILED"], error=f"{CANARY} is no good", extra={"type": CANARY})
    for argv in (["wait", "job_1"], ["wait", "job_1", "--json"], ["get", "job_1"], ["get", "job_1", "--json"]):
        ran = await command(*argv, "--debug")  # checks for it
        assert "*** is no good" in ran.out


# --- get, list, apis -------------------------------------------------------------------------------------------------


async def test_get_tells_all_that_the_api_tells(command: Command) -> None:
    async with foreign(http(CMS)) as url:
        plain = await command("get", "job_01JABCD123", "--base-url", url)
        lines = await command("get", "job_01JABCD123", "--base-url", url, "--json")
    assert plain.code == lines.code == 0
    assert dict(re.split(r"  +", line, maxsplit=1) for line in plain.out.splitlines() if "event" not in line) == {
        "job": "job_01JABCD123",
        "api": "bedrock",
        "status": "COMPLETED (succeeded)",
        "type": "overlay.generate",
        "project_id": "prj_01JABCD123",
        "created_at": "2024-06-17T08:55:00Z",
        "updated_at": "2024-06-17T08:56:30Z",
        "wire.organization_id": "org_01JABCD123",
        "wire.target_type": "Block",
        "wire.target_id": "blk_01JABCD123",
        "wire.payload": '{"type":"Block","old_id":"blk_01JABCD100","new_id":"blk_01JABCD200"}',
    }
    assert plain.out.count("\nevent ") == 3
    (job,) = [json.loads(line) for line in lines.out.splitlines()]
    assert job["wire"]["payload"] == {"type": "Block", "old_id": "blk_01JABCD100", "new_id": "blk_01JABCD200"}
    assert job["wire"]["results"] is None
    assert job["events"][1] == {"status": "RUNNING", "phase": "running", "at": "2024-06-17T08:55:02Z"}
    assert (job["id"], job["status"], job["phase"]) == ("job_01JABCD123", "COMPLETED", "succeeded")


@pytest.mark.parametrize(("status", "code"), [(401, 3), (404, 4), (503, 7), (400, 7)])
async def test_get_exits_by_why_it_could_not_read(command: Command, server: JobServer, status: int, code: int) -> None:
    server.trouble(Trouble.status(status))
    ran = await command("get", "job_1")
    assert ran.code == code
    assert ran.out == ""
    assert ran.err.startswith("jobwatch: error: job job_1: ")
    assert ran.err.count("\n") == 1


async def test_a_version_is_asked_for(command: Command, server: JobServer) -> None:
    server.add("bedrock", "job_1", ["PENDING"])
    await command("get", "job_1", "--api-version", "2026-01-01")
    assert server.requests[-1].headers["X-API-Version"] == "2026-01-01"
    ran = await command("get", "job_1", "--api-version", "1999-01-01")
    assert ran.code == 7
    assert "HTTP 400" in ran.err


async def test_list_shows_a_projects_jobs(command: Command, server: JobServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAPYDB_API_KEY", CANARY)
    server.add("capydb", "job_1", ["pending", "running", "failed"], project_id="prj_1", error="::set-env::\x1b")
    server.add("capydb", "::job_2", ["pending"], project_id="prj_1")
    plain = await command("list", "--project", "prj_1", "--api", "capydb")
    assert plain.code == 0
    head, second, first = plain.out.splitlines()
    assert head.split() == ["PHASE", "JOB", "STATUS", "TYPE", "CREATED", "ENDED", "ERROR"]
    assert second.split()[:3] == ["pending", "::job_2", "pending"]
    assert first.split()[:3] == ["failed", "job_1", "failed"]
    assert first.endswith(r"::set-env::\x1b")
    lines = await command("list", "--project", "prj_1", "--api", "capydb", "--json", "--limit", "1")
    assert [record["id"] for record in lines.records] == ["::job_2"]
    empty = await command("list", "--project", "prj_2", "--api", "capydb")
    assert (empty.code, empty.out, empty.err) == (0, "", "jobwatch: project prj_2 has no jobs\n")


async def test_apis_tell_whether_a_token_is_set_and_never_which(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BEDROCK_API_URL", f"https://user:{CANARY}@example.com/x?key={CANARY}#{CANARY}")
    lines = await command("apis", "--json")  # checks for the token
    told = {record["name"]: record["token_is_set"] for record in lines.records}
    assert list(told)[:2] == ["bedrock", "capydb"]
    assert told["bedrock"]
    assert not told["capydb"]
    assert lines.records[0]["base_url"] == "https://example.com/x"
    plain = await command("apis")
    assert plain.code == 0
    rows = [line.split() for line in plain.out.splitlines()]
    assert rows[1:4] == [["Modules"], ["bedrock", "BEDROCK_API_KEY", "yes"], ["capydb", "CAPYDB_API_KEY", "no"]]
    assert ["buildkite", "BUILDKITE_API_TOKEN", "no", "org", "pipeline"] in rows
    assert ["kubernetes-job", "KUBERNETES_TOKEN", "optional", "$KUBERNETES_URL"] in rows
    assert max(map(len, plain.out.splitlines())) <= 80


# --- faults of our own, and output that goes nowhere ------------------------------------------------------------------


@pytest.mark.parametrize("debug", [False, True])
async def test_row_122_a_fault_of_our_own_is_told_without_secrets(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], server: JobServer, debug: bool
) -> None:
    async def crash(self: Run) -> None:
        raise ZeroDivisionError(f"header {CANARY}\x1b\n")

    monkeypatch.setattr(Run, "follow", crash)
    server.add("bedrock", "job_1", ["COMPLETED"])
    assert await asyncio.to_thread(main, ["wait", "job_1", *(["--debug"] if debug else [])]) == 70
    out, err = capsys.readouterr()
    assert out == ""
    assert CANARY not in err
    assert "\x1b" not in err
    assert "ZeroDivisionError: header ***" in err
    assert ("Traceback" in err) is debug
    assert all(line.startswith("jobwatch: ") for line in err.splitlines())


class Deaf(PlainLines):
    """A display whose output fails at the first end."""

    def __init__(self, error: OSError) -> None:
        super().__init__(["job_1"])
        self._error = error

    def transition(self, transition: Transition) -> None:
        """Show nothing."""

    def outcome(self, record: OutcomeRecord) -> None:
        """Fail."""
        raise self._error


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        ("COMPLETED", BrokenPipeError(), 0),
        ("FAILED", BrokenPipeError(), 1),
        ("COMPLETED", OSError(28, "No space left on device"), 2),
        ("FAILED", OSError(28, "No space left on device"), 1),
    ],
)
async def test_row_108_a_known_verdict_outlives_its_reader(
    server: JobServer, monkeypatch: pytest.MonkeyPatch, status: str, error: OSError, code: int
) -> None:
    from jobwatch import Client

    monkeypatch.setattr("jobwatch.cli._wait.silence", lambda: None)
    server.add("bedrock", "job_1", [status])
    async with Client("bedrock") as client:
        assert await run_to_end(Run([client.wait_for("job_1", check=False)], Deaf(error))) == code


async def test_what_a_signal_stops_is_said_to_go_on_only_if_it_was_read(
    server: JobServer, capsys: pytest.CaptureFixture[str]
) -> None:
    from jobwatch import Client

    server.add("bedrock", "good", ["COMPLETED"])
    server.add("bedrock", "slow", ["PENDING", "RUNNING"])
    jobs = ["good", "slow", "nosuch"]
    console = Console(file=io.StringIO(), width=120, force_terminal=True, no_color=True)
    async with Client("bedrock") as client:
        for display in (LiveTable(jobs, "Title", console), PlainLines(jobs)):
            with display:
                waits = [client.wait_for(job, check=False) for job in jobs]
                run = Run(waits, display)
                following = asyncio.create_task(run.follow())
                async with asyncio.timeout(10.0):
                    while "good" not in run.outcomes or not all(  # noqa: ASYNC110 - what it waits for has no event
                        wait.watched and wait.watched.looks for wait in waits
                    ):
                        await asyncio.sleep(0.005)
                following.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await following
            if isinstance(display, LiveTable):
                drawn = Console(file=io.StringIO(), width=120, record=True)
                drawn.print(display)
                heading = drawn.export_text().splitlines()[0]
                assert heading.startswith("Title  1 of 3 ended, 1 goes on, 1 could not be read, ")
            assert run.verdict == [Outcome.SUCCEEDED, Outcome.INTERRUPTED, Outcome.INTERRUPTED]
    ends = {line.split()[1]: line for line in capsys.readouterr().out.splitlines() if " => " in line}
    assert re.search(
        r"=> interrupted after a wait of \d\.\d s, \d looks?: stopped by a signal; the job goes on$", ends["slow"]
    )
    assert "; the job was never read; last look: the API knows no such job" in ends["nosuch"]


async def test_a_wait_without_an_outcome_is_a_fault_of_our_own(server: JobServer) -> None:
    from jobwatch import Client

    client = Client("bedrock")
    server.add("bedrock", "job_1", ["PENDING"])
    run = Run([client.wait_for("job_1", check=False)], PlainLines(["job_1"]))
    following = asyncio.create_task(run.follow())
    await asyncio.sleep(0.03)
    await client.aclose()
    with pytest.raises(JobwatchError):
        await following
    assert run.verdict is None


# --- the live table ---------------------------------------------------------------------------------------------------


def transition(status: str, phase: Phase, second: int | None, *, gap: bool = False) -> Transition:
    at = None if second is None else datetime(2024, 6, 17, 8, 55, second, tzinfo=UTC)
    return Transition("job_1", 1, status, phase, at, datetime(2024, 6, 17, 8, 56, 0, tzinfo=UTC), gap)


def drawn(use: Callable[[LiveTable], None], *, height: int = 20, jobs: tuple[str, ...] = ("job_1",)) -> str:
    console = Console(file=io.StringIO(), force_terminal=True, width=120, height=height, no_color=True)
    with LiveTable(jobs, "Title [red]", console) as table:
        use(table)
    with console.capture() as capture:
        console.print(table)
    return re.sub(r"\x1b\[[\d;]*m", "", capture.get())


def test_the_table_shows_states_with_times() -> None:
    def use(table: LiveTable) -> None:
        table.transition(transition("PENDING", Phase.PENDING, 0))
        table.transition(transition("RUNNING", Phase.RUNNING, 2))
        table.transition(transition("COMPLETED", Phase.SUCCEEDED, None, gap=True))
        table.refresh({"job_1": Standing(7)})

    told = drawn(use)
    assert "Title [red]  0 of 1 ended" in told
    assert "PENDING 2024-06-17 08:55:00 → RUNNING +2.0 s → … COMPLETED ~+1m 00s" in told
    assert "(7 looks)\n" in told
    assert "~ when we saw it" in told


def test_the_table_shows_trouble_while_it_lasts_and_ends_for_good() -> None:
    def struggling(table: LiveTable) -> None:
        table.fault("job_1", Fault(FaultKind.UNREACHABLE, "no connection [red]"))

    def ended(table: LiveTable) -> None:
        struggling(table)
        record = OutcomeRecord("job_1", Outcome.FAILED, "F", Phase.FAILED, "E_SRC: [red] no \x1b image", 9, 80.0)
        table.outcome(msgspec.structs.replace(record, ran=75.0, known_after=0.2))

    assert "cannot be read for now: no connection [red]" in drawn(struggling)
    told = drawn(ended)
    assert "cannot be read" not in told
    assert r"failed: E_SRC: [red] no \x1b image" in told
    assert "✘" in told
    assert " F ran 1m 15s\n" in told


def test_a_table_higher_than_the_screen_shows_what_goes_on_first() -> None:
    jobs = tuple(f"job_{number}" for number in range(1, 31))

    def use(table: LiveTable) -> None:
        table.outcome(OutcomeRecord("job_1", Outcome.SUCCEEDED, "C", Phase.SUCCEEDED, None, 1, 1.0))
        assert re.findall(r"job_\d+", shown_on(table, height=10)) == [f"job_{number}" for number in range(2, 10)]
        assert "… and 22 more: 21 not read yet, 1 succeeded\n" in shown_on(table, height=10)
        assert re.findall(r"job_\d+", shown_on(table, height=40)) == list(jobs), "all fit, so none is moved"

    drawn(use, jobs=jobs)


def shown_on(table: LiveTable, *, height: int) -> str:
    console = Console(file=io.StringIO(), force_terminal=True, width=120, height=height, no_color=True)
    with console.capture() as capture:
        console.print(table)
    return re.sub(r"\x1b\[[\d;]*m", "", capture.get())


@pytest.mark.parametrize(
    ("terminal", "term", "live"), [(True, "xterm", True), (True, "dumb", False), (False, "xterm", False)]
)
def test_only_a_terminal_gets_a_table(monkeypatch: pytest.MonkeyPatch, terminal: bool, term: str, live: bool) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    monkeypatch.setenv("TERM", term)
    assert isinstance(display_for(["job_1"], "", json=False), LiveTable if live else PlainLines)
    assert not isinstance(display_for(["job_1"], "", json=True), LiveTable | PlainLines)


def test_without_rich_lines_have_to_do(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setitem(sys.modules, "jobwatch.cli._live", None)
    assert isinstance(display_for(["job_1"], "", json=False), PlainLines)
    assert capsys.readouterr().err == "jobwatch: for a live table, install rich: pip install 'jobwatch-client[cli]'\n"


# --- demo and serve ---------------------------------------------------------------------------------------------------


@pytest.fixture
def quick_demo(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    from jobwatch import Pace

    monkeypatch.delenv("BEDROCK_API_KEY")
    monkeypatch.delenv("JOBWATCH_API")
    monkeypatch.setattr(_demo, "_SPEED", 4.0)
    monkeypatch.setattr(_demo, "_PACE", Pace(min_interval=0.02, max_interval=0.04))
    return monkeypatch


@pytest.mark.slow
@pytest.mark.usefixtures("quick_demo")
async def test_the_demo_goes_as_scripted_and_needs_no_token(command: Command) -> None:
    ran = await command("demo")
    assert ran.code == 0, ran.out + ran.err
    assert "PROCESSING_ERROR: Unable to process sheet" in ran.out
    assert "=> cancelled, ended " in ran.out
    assert "All as scripted" in ran.out


@pytest.mark.slow
async def test_a_demo_that_goes_otherwise_fails(command: Command, quick_demo: pytest.MonkeyPatch) -> None:
    script = _demo.Script("bedrock", "export-project", (("PENDING", 0.0), ("COMPLETED", 0.1)), Outcome.FAILED)
    quick_demo.setattr(_demo, "DEMO", (script,))
    ran = await command("demo", "--json")
    assert ran.code == 1
    assert "NOT AS SCRIPTED  export-project: succeeded, and not failed" in ran.err
    assert ran.outcomes == {"export-project": "succeeded"}


@pytest.mark.slow
async def test_a_demo_in_which_a_state_was_missed_fails(command: Command, quick_demo: pytest.MonkeyPatch) -> None:
    steps = (("Queued", 0.0), ("Started", 0.4), ("Completed", 0.4))
    script = _demo.Script("bedrock", "parse-legend", steps, Outcome.SUCCEEDED, {"shape": "vision"})
    quick_demo.setattr(_demo, "DEMO", (script,))
    ran = await command("demo")
    assert ran.code == 1
    assert "NOT AS SCRIPTED  parse-legend: Queued Completed, and not Queued Started Completed" in ran.out


@pytest.mark.slow
async def test_a_served_job_starts_when_asked_for_and_starts_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    from jobwatch import Client

    monkeypatch.setattr(_demo, "_KEPT", 0.03)
    script = _demo.Script("bedrock", "demo", (("PENDING", 0.0), ("RUNNING", 0.02), ("COMPLETED", 0.04)))
    seen: list[str] = []
    async with JobServer() as server, Client("bedrock", token="sk_test", base_url=server.url_of("bedrock")) as client:
        player = asyncio.create_task(_demo._play(server, script))
        await asyncio.sleep(0.045)
        async with asyncio.timeout(5):
            while seen.count("PENDING") < 2:
                status = (await client.job("demo")).status
                if seen[-1:] != [status]:
                    seen.append(status)
                await asyncio.sleep(0.005)
        assert [seen[0], *seen[-2:]] == ["PENDING", "COMPLETED", "PENDING"], "it waits to be asked for, each time"
        player.cancel()


@pytest.mark.slow
async def test_a_served_job_is_never_old_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    from jobwatch import Client

    monkeypatch.setattr(_demo, "_FRESH", 0.02)
    script = _demo.Script("capydb", "demo", (("pending", 0.0), ("running", 0.02), ("completed", 0.04)))
    async with JobServer() as server, Client("capydb", token="sk_test", base_url=server.url_of("capydb")) as client:
        made: list[datetime] = []
        add = server.add

        def noted(*job: Any, **options: Any) -> ServedJob:
            made.append(datetime.now(UTC))
            return add(*job, **options)

        monkeypatch.setattr(server, "add", noted)
        player = asyncio.create_task(_demo._play(server, script))
        await soon(lambda: len(made) > 3)  # nobody has asked for it, so it is made anew
        job = await client.wait_for("demo")
        assert job.created_at is not None
        assert job.created_at > made[-1] - timedelta(milliseconds=2), "it is the last one that was made"
        player.cancel()


# --- as a process -----------------------------------------------------------------------------------------------------


async def line_of(child: asyncio.subprocess.Process) -> str:
    assert child.stdout is not None
    return (await child.stdout.readline()).decode()


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_rows_105_106_a_signal_ends_a_wait_cleanly(server: JobServer, number: int, code: int) -> None:
    server.add("bedrock", "good", ["COMPLETED"])
    server.add("bedrock", "slow", ["PENDING", "RUNNING"])
    async with python("-m", "jobwatch", "wait", "good", "slow", "--json", *FAST) as child:
        lines = [json.loads(await line_of(child)) for _ in range(4)]
        child.send_signal(number)
        out, err = await child.communicate()
        assert child.returncode == code
    lines += [json.loads(line) for line in out.splitlines()]
    ends = {line["job_id"]: line for line in lines if line["type"] == "outcome"}
    assert len(lines) == 5
    assert ends["good"]["outcome"] == "succeeded"
    assert ends["slow"]["outcome"] == "interrupted"
    assert (ends["slow"]["status"], ends["slow"]["phase"]) == ("RUNNING", "running")
    assert re.fullmatch(rb"jobwatch: to go on waiting: jobwatch wait .* slow\n", err)


STUBBORN = """
import asyncio, sys
from jobwatch.cli import _signals
_signals._GRACE = float(sys.argv[1])

async def work():
    print("ready", flush=True)
    try:
        await asyncio.sleep(60)
    finally:
        print("ending", flush=True)
        await asyncio.sleep(60)

sys.exit(_signals.run(work()))
"""


@pytest.mark.slow
@pytest.mark.parametrize("grace", ["60", "0.05"], ids=["second signal", "grace"])
async def test_rows_105_106_a_wait_that_does_not_end_is_ended(grace: str) -> None:
    assert _signals._GRACE <= 5.0
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", STUBBORN, grace, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(10):
            assert await line_of(child) == "ready\n"
            child.send_signal(signal.SIGINT)
            assert await line_of(child) == "ending\n"
            if grace == "60":
                child.send_signal(signal.SIGINT)
            assert await child.communicate() == (b"", b"")
            assert child.returncode == 130
    finally:
        if child.returncode is None:
            child.kill()
            await child.communicate()


@pytest.mark.slow
async def test_row_108_a_reader_that_goes_away_ends_the_wait_quietly(server: JobServer) -> None:
    job = server.add("bedrock", "job_1", ["PENDING"])
    reading, writing = os.pipe()
    async with python("-m", "jobwatch", "wait", "job_1", "--json", *FAST, out=writing) as child:
        os.close(writing)
        assert b"PENDING" in await asyncio.to_thread(os.read, reading, 4096)
        os.close(reading)
        await job.looked(3)
        job.advance("RUNNING")
        _, err = await child.communicate()
        assert child.returncode == 141
    assert err == b""


@pytest.mark.slow
async def test_row_108_without_a_reader_a_command_ends_quietly() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    async with python("-m", "jobwatch", "apis", out=writing) as child:
        os.close(writing)
        _, err = await child.communicate()
        assert child.returncode == 141
    assert err == b""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
async def test_a_full_disk_is_no_success(server: JobServer) -> None:
    server.add("bedrock", "job_1", ["COMPLETED"])
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        async with python("-m", "jobwatch", "wait", "job_1", "--json", out=full) as child:
            _, err = await child.communicate()
            assert child.returncode == 2
    finally:
        os.close(full)
    assert err == b"jobwatch: error: cannot write the output: No space left on device\n"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
async def test_a_full_disk_is_one_clear_line() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        async with python("-m", "jobwatch", "apis", out=full) as child:
            _, err = await child.communicate()
            assert child.returncode == 2
    finally:
        os.close(full)
    assert err == b"jobwatch: error: [Errno 28] No space left on device\n"


@pytest.mark.slow
async def test_in_a_pipe_there_is_no_ansi_whatever_the_environment_says(
    server: JobServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    server.add("bedrock", "job_1", ["PENDING", "FAILED"], error="nö")
    async with python("-m", "jobwatch", "wait", "job_1") as child:
        out, err = await child.communicate()
        assert child.returncode == 1
    assert b"\x1b" not in out + err
    assert out.endswith(b"n\\xf6\n")


@pytest.mark.slow
async def test_a_terminal_gets_a_live_table_and_keeps_it(server: JobServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("LINES", "30")
    job = server.add("bedrock", "job_1", ["PENDING", "RUNNING"])
    ours, theirs = pty.openpty()
    async with python("-m", "jobwatch", "wait", "job_1", *FAST, out=theirs) as child:
        os.close(theirs)
        await job.looked(2)
        job.advance("FAILED", error="no \x1b[5m image")
        shown = await asyncio.to_thread(read_all, ours)
        _, err = await child.communicate()
        assert child.returncode == 1
    assert err == b""
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") == 1, "the cursor is back"
    assert "\x1b[5m" not in shown
    last = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", shown[shown.rindex("Waiting for 1 job") :])
    assert re.search(r"✘ job_1 [╌━]*✘ +FAILED ran \d\.\d s", last)
    assert re.search(r"PENDING \d\d:\d\d:\d\d → RUNNING \+0.0 s → FAILED \+\d\.\d s \(.*3 looks\)", last)
    assert r"failed: PROCESSING_ERROR: no \x1b[5m image" in last


def read_all(terminal: int) -> str:
    """Read a terminal to its end, which Linux tells by an error."""
    seen = b""
    try:
        while chunk := os.read(terminal, 65536):
            seen += chunk
    except OSError:
        pass
    finally:
        os.close(terminal)
    return seen.decode()


@pytest.mark.slow
async def test_serve_tells_how_to_use_it_and_ends_well(monkeypatch: pytest.MonkeyPatch, command: Command) -> None:
    async with python("-m", "jobwatch", "serve", "--port", "0") as child:
        told = ""
        while "jobwatch list" not in told:
            told += await line_of(child)
        for name, value in re.findall(r"([A-Z]+_API_[A-Z]+)=(\S+)", told):
            monkeypatch.setenv(name, value)
        got = await command("get", "demo-ok")
        listed = await command("list", "--project", "prj_demo", "--api", "capydb", "--json")
        child.terminate()
        out, err = await child.communicate()
        assert child.returncode == 0
    assert got.code == 0
    assert "PENDING\n" in got.out
    assert [record["id"] for record in listed.records] == ["demo-retry", "demo-fail", "demo-ok"]
    assert (out, err) == (b"", b"")


async def test_a_port_that_is_taken_is_one_clear_line(command: Command) -> None:
    async with foreign(b"") as url:
        ran = await command("serve", "--port", url.rpartition(":")[2])
    assert ran.code == 2
    assert ran.err.startswith("jobwatch: error: cannot listen on ")
    assert ran.err.count("\n") == 1


async def test_version_loads_next_to_nothing() -> None:
    script = (
        "import sys; from jobwatch.cli import main; main(['--version']);"
        "print(*sorted({'rich', 'aiohttp', 'asyncio', 'msgspec', 'argparse', 'typing', 're'} & set(sys.modules)))"
    )
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-S",
        "-c",
        script,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(_demo.__file__).parents[2])},
    )
    out, _ = await child.communicate()
    assert child.returncode == 0
    assert out.decode().splitlines()[1:] == [""]
