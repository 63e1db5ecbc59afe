"""``--notify``: messages by Apprise to a server on loopback, and a URL that is shown nowhere."""

from __future__ import annotations

import asyncio
import json
import warnings
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from jobwatch.cli import _notify, _output, main
from jobwatch.testing import JobServer

OPTIONS = ("--no-history", "--min-interval", "0.01", "--max-interval", "0.05")
# A plugin of Apprise's imports a module that has left Python 3.13.
pytestmark = pytest.mark.filterwarnings("ignore:.*imghdr:DeprecationWarning")
CANARY = "canary-user:canary-pass"
BLOCKED = """\
from jobwatch.testing import FakeSource

source = FakeSource("ci")
source.add("job_1", ["running", "blocked"], asked="Deploy?", url="https://ci.example/1")
"""


class Inbox:
    """Where messages arrive."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.status = 200
        self.server: TestServer

    @property
    def url(self) -> str:
        return f"json://{CANARY}@127.0.0.1:{self.server.port}/canary-path/"

    @property
    def told(self) -> list[tuple[str, str, str]]:
        return [(message["title"], message["message"], message["type"]) for message in self.messages]

    async def take(self, request: web.Request) -> web.Response:
        self.messages.append(await request.json())
        return web.Response(status=self.status)


@pytest.fixture
async def inbox(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Inbox]:
    inbox = Inbox()
    app = web.Application()
    app.router.add_post("/{rest:.*}", inbox.take)
    inbox.server = TestServer(app, host="127.0.0.1")
    await inbox.server.start_server()
    monkeypatch.setenv("INBOX", inbox.url)
    yield inbox
    await inbox.server.close()


@pytest.fixture(scope="module", autouse=True)
def apprise() -> None:
    """Have Apprise load its plugins, which takes longer than any test here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        __import__("apprise").Apprise().add("json://127.0.0.1:9/")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, job_server: JobServer) -> None:
    monkeypatch.setenv("BEDROCK_API_KEY", str(job_server.token))
    monkeypatch.setenv("BEDROCK_API_URL", job_server.url_of("bedrock"))
    monkeypatch.setattr(_output, "_secrets", set())


async def waited(*arguments: str) -> int:
    return await asyncio.to_thread(main, ["wait", *arguments, "--api", "bedrock", *OPTIONS])


async def test_the_end_of_the_only_job_is_one_message(
    inbox: Inbox, job_server: JobServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GATE", "canary-of-the-gate")
    job_server.add("bedrock", "job_1", ["PENDING", "RUNNING", "FAILED"], error="boom canary-of-the-gate")
    assert await waited("job_1", "--notify-env", "INBOX", "--header-env", "X-Gate=GATE") == 1
    [(title, body, kind)] = inbox.told
    assert (title, kind) == ("job_1 failed (bedrock)", "failure")
    assert body.endswith("boom ***"), "with no token in it"
    assert capsys.readouterr().err == ""


async def test_a_run_of_several_jobs_is_one_message(inbox: Inbox, job_server: JobServer) -> None:
    for number in range(9):
        job_server.add("bedrock", f"job_{number}", ["COMPLETED"])
    job_server.add("bedrock", "job_9", ["FAILED"], error="boom")
    assert await waited(*(f"job_{number}" for number in range(10)), "--notify-env", "INBOX") == 1
    [(title, body, kind)] = inbox.told
    assert (title, kind) == ("9 succeeded, 1 failed (bedrock)", "failure")
    assert body.startswith("job_9 failed: ")


@pytest.mark.slow(in_sample=True)
async def test_a_job_that_waits_for_a_person_is_a_message_and_a_reminder(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for where in ("tracker", "look"):
        monkeypatch.setattr(f"jobwatch._core.{where}.CONFIRMED_AFTER", 0.02)
    monkeypatch.setattr("jobwatch.cli._lines.PlainLines.tick", 0.02)
    (tmp_path / "blocked_and_told.py").write_text(BLOCKED, "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    argv = ["wait", "job_1", "--source", "blocked_and_told:source", "--timeout", "0.6", *OPTIONS]
    assert await asyncio.to_thread(main, [*argv, "--notify-env", "INBOX", "--remind", "0.1"]) == 6
    assert [title for title, _, _ in inbox.told] == [
        "job_1 waits for a person (ci)",
        "job_1 still waits for a person (ci)",
        "job_1 not ended in time (ci)",
    ]
    assert inbox.told[0][1:] == ("Deploy?\nhttps://ci.example/1", "warning")


async def test_a_message_that_cannot_be_sent_is_a_note_without_the_url_and_changes_no_exit_code(
    inbox: Inbox, job_server: JobServer, capsys: pytest.CaptureFixture[str]
) -> None:
    inbox.status = 500
    job_server.add("bedrock", "job_1", ["COMPLETED"])
    assert await waited("job_1", "--notify", inbox.url) == 0
    assert len(inbox.told) == 1
    out, err = capsys.readouterr()
    assert "others on this machine can read the URL of --notify" in err
    assert "--notify json://...: the message could not be sent: " in err
    assert "500" in err
    assert "canary" not in out + err


async def test_what_apprise_says_of_a_failure_is_shown_without_any_part_of_the_url(
    job_server: JobServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PLACE", "json://localhost:9/canary-path/")  # to some services the host is a secret
    job_server.add("bedrock", "job_1", ["COMPLETED"])
    assert await waited("job_1", "--notify-env", "PLACE") == 0
    told = capsys.readouterr().err
    assert "--notify-env json://...: the message could not be sent: " in told
    assert "***" in told
    assert "localhost" not in told


async def test_the_url_is_masked_in_what_a_command_says(
    inbox: Inbox, job_server: JobServer, capsys: pytest.CaptureFixture[str]
) -> None:
    job_server.add("bedrock", "job_1", ["COMPLETED"])
    assert await waited("job_1", "--notify-env", "INBOX", "--exec", "sh -c 'echo $INBOX'") == 0
    assert "exec job_1 | ***" in capsys.readouterr().err


async def test_a_place_that_does_not_answer_is_given_up(
    job_server: JobServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_notify, "_LIMIT", 0.05)
    answered = asyncio.Event()

    async def late(request: web.Request) -> web.Response:
        await answered.wait()
        return web.Response()

    app = web.Application()
    app.router.add_post("/{rest:.*}", late)
    server = TestServer(app, host="127.0.0.1")
    await server.start_server()
    try:
        monkeypatch.setenv("LATE", f"json://127.0.0.1:{server.port}/")
        job_server.add("bedrock", "job_1", ["COMPLETED"])
        assert await waited("job_1", "--notify-env", "LATE") == 0
        assert "--notify-env json://...: the message could not be sent: no end after 0.05 s" in capsys.readouterr().err
    finally:
        answered.set()
        await server.close()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("--notify", "canary-token"), "has no scheme"),
        (("--notify", "nosuchservice://canary-token"), "--notify nosuchservice://...: Apprise knows no such URL"),
        (("--notify-env", "NO_SUCH_VARIABLE"), "--notify-env NO_SUCH_VARIABLE: that environment variable is not set"),
        (("--remind", "30m"), "--remind goes with --notify"),
        (("--remind", "30m", "--exec", "true"), "--remind goes with --notify"),
    ],
)
async def test_what_is_no_place_is_found_out_before_anything_is_asked(
    given: tuple[str, ...], told: str, job_server: JobServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await waited("job_1", *given) == 2
    out, err = capsys.readouterr()
    assert told in err
    assert "canary" not in out + err
    assert not job_server.requests


async def test_without_apprise_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "apprise", None)
    assert await waited("job_1", "--notify", "json://127.0.0.1:9/") == 2
    assert "pip install 'jobwatch-client[notify]'" in capsys.readouterr().err


async def test_the_command_to_go_on_shows_no_url(
    inbox: Inbox, job_server: JobServer, capsys: pytest.CaptureFixture[str]
) -> None:
    job_server.add("bedrock", "job_1", ["RUNNING"])
    assert await waited("job_1", "--timeout", "0.05", "--json", "--notify", inbox.url, "--remind", "30m") == 6
    out, err = capsys.readouterr()
    assert "--notify ... --remind 30m" in err
    assert "canary" not in out + err
    assert json.loads(out.splitlines()[-1])["outcome"] == "timeout"
