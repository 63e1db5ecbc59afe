"""``-v`` and ``-vv``: what is asked, and why when, on stderr: without secrets, and harmless to a terminal."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from aiohttp import web

from jobwatch.cli import _output, main
from tests.table_server import TableServer

CANARY = "tk_canary_3f9a"
TABLE = """
job = "{url}/jobs/{job_id}?api_key={key}"
id = "id"
status = "s"
token = "VERBOSE_TOKEN"
params = { key = "none" }
"""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("VERBOSE_TOKEN", CANARY)
    yield
    _output._secrets.clear()
    _output._more_secrets.clear()


@pytest.fixture
async def ran(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., object]:
    async def run(*argv: str) -> list[str]:
        left: list[object] = [
            {"id": "j", "s": "queued"},
            (503, f"\x1b[31m no {CANARY}", {}),
            {"id": "j", "s": "succeeded"},
        ]

        def answer(_: web.BaseRequest) -> object:
            return left.pop(0) if len(left) > 1 else left[0]

        async with TableServer(answer) as server:
            (tmp_path / "own.toml").write_text(TABLE.replace("{url}", server.url), "utf-8")
            given = ["wait", "j", "--api", str(tmp_path / "own.toml"), "--param", f"key={CANARY}", "--no-history"]
            given += ["--min-interval", "10ms", "--max-interval", "20ms", *argv]
            assert await asyncio.to_thread(main, given) == 0
            out, err = capsys.readouterr()
        assert CANARY not in out + err
        assert "\x1b" not in err
        return [re.sub(r"\d+\.\d+ s|127\.0\.0\.1:\d+", "#", line) for line in err.splitlines()]

    return run


async def test_nothing_unless_asked(ran: Callable[..., object]) -> None:
    assert await ran() == []  # type: ignore[misc]


async def test_one_v_is_a_line_a_request(ran: Callable[..., object]) -> None:
    asked = "jobwatch: GET http://#/jobs/j?api_key=***"
    assert await ran("-v") == [  # type: ignore[misc]
        f"{asked}: 200 in #, 23 bytes",
        f"{asked}: 503 in #: the API is in trouble: \\x1b[31m no ***",
        f"{asked}: 200 in #, 26 bytes",
    ]
    assert logging.getLogger("jobwatch.http").level == logging.NOTSET
    assert await ran() == [], "and of no later command"  # type: ignore[misc]


async def test_two_say_why_the_next_look_is_when_it_is(ran: Callable[..., object]) -> None:
    err = await ran("-vv")  # type: ignore[misc]
    assert [line for line in err if "GET" not in line] == [
        "jobwatch: job j: next look in #: # pending, and no earlier job is known",
        "jobwatch: job j: next look in #: 1 look failed (unreachable)",
    ]
