"""The page on agents' tasks: its commands and programs run as they stand; `tests/real_servers` has the real servers."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from aiohttp import web

from jobwatch.cli._exit_codes import MEANINGS
from tests.table_server import TableServer

from . import agents_page
from .agents_page import PAGE
from .documents import text_of

TEXT = text_of(PAGE)
WAITS = re.findall(r"^\| .* \| `(jobwatch wait [^`]+)`.* \|$", TEXT, re.MULTILINE)
STARTED = msgspec.json.encode({"task": {"id": "t-1", "status": {"state": "TASK_STATE_SUBMITTED"}}}).decode()
STARTED_BY_RPC = '{"jsonrpc": "2.0", "id": 1, "result": %s}'
PARTS = [{"text": "a table for two"}]


def agent(state: str, **more: object) -> Callable[[web.BaseRequest], object]:
    """Answer as an agent with one task does, by any of the protocols."""

    def answer(request: web.BaseRequest) -> object:
        task = {"id": "t-1", "taskId": "t-1", "status": {"state": state}, "artifacts": [{"parts": PARTS}]}
        match request.path.rpartition("/")[2], request.headers.get("Mcp-Method"):
            case "message:send", _:
                return STARTED
            case "mcp", "tools/call":
                return STARTED_BY_RPC % '{"resultType": "task", "taskId": "t-1", "status": "working"}'
            case "mcp", "tasks/get":
                return {"jsonrpc": "2.0", "id": 1, "result": {**task, "status": state, **more}}
            case "rpc", _:
                return {"jsonrpc": "2.0", "id": 1, "result": task}
            case "t-1", _:
                return task
            case _:
                return 404, {}, {}

    return answer


def test_it_can_be_read_in_five_minutes() -> None:
    assert len(TEXT.splitlines()) <= 120
    assert len(WAITS) == 4


def test_its_exit_codes_are_those_of_the_command_line() -> None:
    codes = [int(code) for code in re.findall(r"^\| (\d+) \|", TEXT, re.MULTILINE)]
    assert codes == sorted(codes)
    assert set(codes) <= set(MEANINGS)
    assert {0, 1, 2, 4, 5, 6, 7, 8, 10} == set(codes)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("word", "variable", "state", "code"),
    [
        ("message.json", "A2A_URL", "TASK_STATE_COMPLETED", 0),
        ("message.json", "A2A_URL", "TASK_STATE_REJECTED", 1),
        ("call.json", "MCP_URL", "completed", 0),
        ("call.json", "MCP_URL", "cancelled", 5),
    ],
)
async def test_one_command_waits_for_the_task_that_it_started(
    word: str, variable: str, state: str, code: int, tmp_path: Path
) -> None:
    async with TableServer(agent(state)) as server:
        ran = await asyncio.to_thread(agents_page.wait, word, tmp_path, {variable: server.url}, {})
    assert ran.code == code, ran.out
    assert "t-1" in ran.out


@pytest.mark.slow
@pytest.mark.parametrize("command", WAITS)
async def test_other_agents_are_waited_for_by_other_params(command: str, tmp_path: Path) -> None:
    version = "0.3" if "version=0.3" in command else "1.0"
    is_rpc = "a2a-rpc" in command
    async with TableServer(agent("TASK_STATE_COMPLETED" if not is_rpc else "completed")) as server:
        url = server.url + ("/v1" if version == "0.3" and not is_rpc else "")
        words = [sys.executable, "-m", *command.split()]
        started = STARTED_BY_RPC % STARTED if is_rpc else STARTED
        ran = await asyncio.to_thread(agents_page.run, words, tmp_path, {"A2A_URL": url}, started)
    assert ran.code == 0, ran.out
    (asked,) = [each for each in server.requests if not each[1].endswith(":subscribe")][-1:]
    assert asked[2]["A2A-Version"] == version
    assert asked[1] == ("/rpc" if is_rpc else f"{'/v1' if version == '0.3' else ''}/tasks/t-1?historyLength=0")
    if is_rpc:
        assert msgspec.json.decode(asked[3])["method"] == ("tasks/get" if version == "0.3" else "GetTask")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("word", "variable", "state", "told"),
    [
        ('Client("a2a")', "A2A_URL", "TASK_STATE_COMPLETED", r"(?s).*TASK_STATE_COMPLETED .*a table for two.*"),
        ('Client("mcp")', "MCP_URL", "completed", r"\['otters'\]\n"),
    ],
)
async def test_a_program_waits_for_it(word: str, variable: str, state: str, told: str, tmp_path: Path) -> None:
    async with TableServer(agent(state, result={"content": ["otters"]})) as server:
        words = [sys.executable, "-c", agents_page.program(word)]
        variables = {variable: server.url, "TASK_ID": "t-1"}
        ran = await asyncio.to_thread(agents_page.run, words, tmp_path, variables)
    assert ran.code == 0, ran.out
    assert re.fullmatch(told, ran.out), ran.out
