"""``--token-file`` and ``--token-command``: the token of a command line, from elsewhere than its environment."""

from __future__ import annotations

import asyncio
import json
import shlex
import sys
import time
from pathlib import Path

import pytest
from aiohttp import web

from jobwatch import ConfigError
from jobwatch._client.access import check_token
from jobwatch.cli import _output, _token_command, main
from jobwatch.cli._arguments import parsed
from jobwatch.cli._clients import client_for
from jobwatch.cli._token_command import TokenCommand
from tests.table_server import TableServer
from tests.virtual import on_virtual_clock

OLD, NEW = "sk_old_canary_1234", "sk_new_canary_5678"
TABLE = {"id": "id", "status": "status", "token": "NO_SUCH_TOKEN"}


@pytest.fixture(autouse=True)
def _forgotten() -> object:
    yield
    _output._secrets.clear()
    _output._more_secrets.clear()


def python(code: str) -> str:
    return shlex.join([sys.executable, "-c", code])


def table(url: str, folder: Path) -> str:
    file = folder / "own.toml"
    given = {"job": f"{url}/jobs/{{job_id}}", **TABLE}
    file.write_text("\n".join(f"{key} = {json.dumps(value)}" for key, value in given.items()))
    return str(file)


def expecting(*tokens: str) -> tuple[list[str], object]:
    """Answer by what is the token of the n-th request; the job ends with the last."""
    heard: list[str] = []

    def answer(request: web.BaseRequest) -> object:
        heard.append(request.headers.get("Authorization", "").removeprefix("Bearer "))
        if heard[-1] != tokens[min(len(heard), len(tokens)) - 1]:
            return 401, {"message": f"refused: {heard[-1]} of {NEW}"}, {}
        return {"id": "j", "status": "succeeded" if len(heard) >= len(tokens) else "running"}

    return heard, answer


async def ran(*argv: str) -> int:
    return await asyncio.to_thread(main, [*argv, "--no-history"] if argv[0] == "wait" else list(argv))


async def test_a_command_is_run_again_when_its_token_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_token_command, "_PAUSE", 0.0)
    tokens = tmp_path / "tokens"
    tokens.write_text(f"{OLD} {NEW} ")
    code = f"f = __import__('pathlib').Path({str(tokens)!r}); a, b = f.read_text().split(' ', 1); f.write_text(b)"
    code += "; print(a)"
    heard, answer = expecting(OLD, OLD, NEW, NEW)
    async with TableServer(answer) as server:  # type: ignore[arg-type]
        quick = ("--min-interval", "5ms", "--max-interval", "10ms", "--timeout", "5s")
        assert (
            await ran("wait", "j", "--api", table(server.url, tmp_path), "--token-command", python(code), *quick) == 0
        )
    assert heard == [OLD, OLD, OLD, NEW]
    out, err = capsys.readouterr()
    assert OLD not in out + err
    assert NEW not in out + err


@pytest.mark.parametrize("command", ["wait", "get"])
async def test_a_command_that_fails_is_exit_2_with_its_exit_code_and_words_and_nothing_is_asked(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NO_SUCH_TOKEN", OLD)  # which the command may know, too
    heard, answer = expecting(OLD)
    async with TableServer(answer) as server:  # type: ignore[arg-type]
        code = python(f"import sys; print('please', 'log in', {OLD!r}, file=sys.stderr); sys.exit(3)")
        assert await ran(command, "j", "--api", table(server.url, tmp_path), "--token-command", code) == 2
    assert heard == []
    err = capsys.readouterr().err
    assert "failed: exit code 3: please log in ***" in err
    assert OLD not in err


async def test_a_file_holds_the_token_and_what_refuses_it_is_told_where_it_came_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "token"
    file.write_text(NEW)
    heard, answer = expecting(NEW)
    async with TableServer(answer) as server:  # type: ignore[arg-type]
        own = table(server.url, tmp_path)
        assert await ran("wait", "j", "--api", own, "--token-file", str(file)) == 0
        file.write_text(OLD)
        assert await ran("wait", "j", "--api", own, "--token-file", str(file)) == 3
        file.unlink()
        assert await ran("wait", "j", "--api", own, "--token-file", str(file)) == 2
    assert heard == [NEW, OLD]
    out, err = capsys.readouterr()
    assert "the token came from --token-file" in err
    assert f"cannot read the token file {file}: No such file or directory" in err
    assert OLD not in out + err


@pytest.mark.parametrize(
    ("given", "trouble"),
    [
        (("--token-command", "'"), "cannot be read: no closing quotation"),
        (("--token-command", " "), "--token-command is empty"),
        (("--token-command", "x", "--token-file", "y"), "two ways to say the same"),
        (("--token-command", "/nonexistent/x"), "the token command x cannot be run: No such file or directory"),
        (("--token-command", "x\0y"), "cannot be run"),
        (("--token-command", python("print()")), "printed no token"),
        (("--token-command", python("print('log in', 'first')")), "printed several words, and no token"),
        (("--token-command", python("import os; os.kill(os.getpid(), 15)")), "ended by signal 15"),
    ],
)
async def test_what_gives_no_token_is_said_at_once(
    given: tuple[str, ...], trouble: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await ran("get", "j", "--api", table("http://127.0.0.1:9", tmp_path), *given) == 2
    assert trouble in capsys.readouterr().err


async def test_a_command_has_its_time_and_what_it_started_ends_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_token_command, "_LIMIT", 0.5)
    began = time.monotonic()
    pid = tmp_path / "pid"
    inner = f"import os, time, pathlib; pathlib.Path({str(pid)!r}).write_text(str(os.getpid())); time.sleep(60)"
    with pytest.raises(ConfigError, match=r"printed no token within 0\.5 s"):
        await TokenCommand(python(f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])"))()
    assert time.monotonic() - began < 10.0
    state = Path(f"/proc/{pid.read_text()}/stat")
    for _ in range(100):
        if not state.exists() or state.read_text().split()[2] == "Z":
            return
        await asyncio.sleep(0.02)
    pytest.fail("it goes on")


async def test_no_known_secret_is_in_what_a_failure_says() -> None:
    _output.mask([OLD])
    command = TokenCommand(python(f"import sys; sys.exit('no: {OLD} ' + 'x' * 280)"))
    with pytest.raises(ConfigError, match=r"exit code 1: no: \*\*\* x{280}$"):
        await command()


async def test_a_token_that_was_read_later_is_masked_in_every_line(tmp_path: Path) -> None:
    given = ["get", "j", "--api", table("http://127.0.0.1:9", tmp_path), "--token-command", python(f"print({NEW!r})")]
    async with client_for(parsed(given)) as client:
        assert _output.without_secrets(f"x {NEW}") == f"x {NEW}"
        await check_token(client)
        assert _output.without_secrets(f"x {NEW}") == "x ***"


async def test_much_output_is_read_away() -> None:
    code = (
        "import sys; print('x' * 1_000_000, file=sys.stderr); print('y' * 1_000_000, file=sys.stderr); print('token')"
    )
    assert await TokenCommand(python(code))() == "token"


@on_virtual_clock
async def test_a_command_is_run_again_at_once_for_its_first_token_alone_and_then_once_in_30_seconds() -> None:
    command, runs = TokenCommand("x"), 0

    async def run() -> str:
        nonlocal runs
        runs += 1
        if runs == 3:
            raise ConfigError("it failed")
        return f"token {runs}"

    command._run = run  # type: ignore[method-assign]
    assert [await command() for _ in range(4)] == ["token 1", *["token 2"] * 3]
    await asyncio.sleep(29.9)
    assert await command() == "token 2"
    await asyncio.sleep(0.1)
    for _ in range(2):
        with pytest.raises(ConfigError, match="it failed"):
            await command()
    await asyncio.sleep(30.0)
    assert await command() == "token 4"


@on_virtual_clock
async def test_a_command_that_failed_is_not_run_again_at_once() -> None:
    command, runs = TokenCommand("x"), 0

    async def run() -> str:
        nonlocal runs
        runs += 1
        raise ConfigError("it failed")

    command._run = run  # type: ignore[method-assign]
    for _ in range(3):
        with pytest.raises(ConfigError, match="it failed"):
            await command()
    assert runs == 1
