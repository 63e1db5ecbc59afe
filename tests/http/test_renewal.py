"""A token that expires while a job is waited for: it is read anew, tried once, and shown nowhere."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from aiohttp import web

from jobwatch import AuthError, Client, ConfigError, Fault, FaultKind, Pace, Unreachable
from jobwatch._client.access import check_token, secrets_of
from jobwatch._http import renewal, tokens
from jobwatch._http.source import HttpSource
from jobwatch._http.transport import Transport
from jobwatch._reading.reply import Reply
from jobwatch._table.compile import api_of
from tests.table_server import TableServer

OLD, NEW = "sk_old_canary_1234", "sk_new_canary_5678"
QUICK = Pace(min_interval=0.005, max_interval=0.02)
AUTHS: dict[str, Callable[[web.BaseRequest], str]] = {
    "bearer": lambda request: request.headers.get("Authorization", "").removeprefix("Bearer "),
    "basic": lambda request: base64.b64decode(request.headers.get("Authorization", "")[6:]).decode(),
    "X-Key: k={token}": lambda request: request.headers.get("X-Key", "").removeprefix("k="),
    "?key={token}": lambda request: request.query.get("key", ""),
}


@pytest.fixture(params=["fast", "session"], autouse=True)
def _any_client(request: pytest.FixtureRequest) -> Iterator[None]:
    with mock.patch("jobwatch._http.fast.is_stock", return_value=request.param == "fast"):
        yield


def api(auth: str = "bearer", **more: Any) -> Any:
    table = {"job": "/jobs/{job_id}", "base_url": "https://x.example", "id": "id", "status": "status"}
    return api_of({**table, "auth": auth, "token": "EXPIRING", **more}, "own")


def transport_of(client: Client) -> Transport:
    assert isinstance(client._source, HttpSource)
    return client._source.transport


class Refusing:
    """Refuses what is not the token of the moment, which changes with the n-th request; the job ends with the last."""

    def __init__(self, *tokens: str, auth: str = "bearer") -> None:
        self.tokens, self.given = tokens, AUTHS[auth]
        self.heard: list[str] = []

    def __call__(self, request: web.BaseRequest) -> object:
        token = self.given(request)
        self.heard.append(token)
        now = self.tokens[min(len(self.heard), len(self.tokens)) - 1]
        if token != now:
            return 401, {"message": f"expired: {token}"}, {}
        return {"id": "j", "status": "succeeded" if len(self.heard) >= len(self.tokens) else "running"}


@pytest.mark.parametrize("auth", AUTHS)
async def test_a_variable_is_read_anew_after_a_401_and_the_look_is_made_once_more(
    auth: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXPIRING", OLD)
    answer = Refusing(OLD, OLD, NEW, NEW, NEW, auth=auth)
    async with TableServer(answer) as server, Client(api(auth), base_url=server.url, pace=QUICK) as client:
        wait = client.wait_for("j", 5)
        states = []
        async for change in wait:
            states.append(change.status)
            monkeypatch.setenv("EXPIRING", NEW)
        assert states == ["running", "succeeded"]
        assert answer.heard == [OLD, OLD, OLD, NEW, NEW]
        assert wait.watched is not None
        assert wait.watched.looks == len(answer.heard)
        assert {OLD, NEW} <= secrets_of(client)


@pytest.mark.parametrize("kind", ["plain", "async", "object", "lambda"])
async def test_a_function_is_called_before_the_first_request_and_after_each_401(kind: str) -> None:
    calls: list[str] = []

    def plain() -> str:
        calls.append(OLD if not calls else NEW)
        return calls[-1] + "\n"

    async def later() -> str:
        await asyncio.sleep(0)
        return plain()

    class Object:
        async def __call__(self) -> str:
            return await later()

    given: dict[str, Callable[[], str | Awaitable[str]]] = {
        "plain": plain,
        "async": later,
        "object": Object(),
        "lambda": lambda: later(),  # noqa: PLW0108 - which nobody sees to be async
    }
    answer = Refusing(OLD, OLD, NEW, NEW)
    async with TableServer(answer) as server:
        client = Client(api(), base_url=server.url, pace=QUICK, token=given[kind])
        assert not calls
        async with client:
            job = await client.wait_for("j", 5)
    assert (job.status, calls, answer.heard) == ("succeeded", [OLD, NEW], [OLD, OLD, OLD, NEW])


async def test_many_looks_that_were_refused_share_one_renewal() -> None:
    calls, gate = 0, asyncio.Event()

    async def token() -> str:
        nonlocal calls
        calls += 1
        if calls == 1:
            return OLD
        await gate.wait()
        return NEW

    heard: list[str] = []

    def answer(request: web.BaseRequest) -> object:
        heard.append(request.headers["Authorization"])
        if heard.count(f"Bearer {OLD}") == 5:
            gate.set()
        if heard[-1] != f"Bearer {NEW}":
            return 401, {}, {}
        return {"id": request.path.rpartition("/")[2], "status": "succeeded"}

    async with TableServer(answer) as server, Client(api(), base_url=server.url, token=token) as client:
        jobs = await client.wait_all([f"j{n}" for n in range(5)], 5)
    assert len(jobs) == 5
    assert calls == 2
    assert len(heard) == 10


async def test_a_401_stands_where_the_token_is_the_same_and_no_request_is_made_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EXPIRING", OLD)
    answer = Refusing(NEW)
    async with TableServer(answer) as server, Client(api(), base_url=server.url) as client:
        with pytest.raises(AuthError) as caught:
            await client.wait_for("j", 5)
    assert answer.heard == [OLD]
    assert OLD not in str(caught.value)
    assert "expired: ***" in str(caught.value)


async def test_another_token_that_is_refused_too_is_tried_once() -> None:
    tokens = iter([OLD, NEW, "sk_third_canary"])
    answer = Refusing("none of them")
    async with (
        TableServer(answer) as server,
        Client(api(), base_url=server.url, token=lambda: next(tokens)) as client,
    ):
        with pytest.raises(AuthError) as caught:
            await client.job("j")
        assert not {OLD, NEW} & set(str(caught.value).split())
        assert answer.heard == [OLD, NEW]


async def test_the_old_token_is_masked_as_the_new_one_is() -> None:
    tokens = iter([OLD, NEW])

    def answer(request: web.BaseRequest) -> object:
        is_new = request.headers["Authorization"] == f"Bearer {NEW}"
        return 500 if is_new else 401, {"message": f"{NEW} came in place of {OLD}"}, {}

    async with (
        TableServer(answer) as server,
        Client(api(), base_url=server.url, token=lambda: next(tokens)) as client,
    ):
        with pytest.raises(Unreachable, match=r"\*\*\* came in place of \*\*\*"):
            await client.job("j")


async def test_the_variables_of_headers_are_read_anew_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER", OLD)
    table = {"job": "/jobs/{job_id}", "base_url": "https://x.example", "status": "status"}
    own = api_of({**table, "headers": {"Authorization": "Bearer ${OTHER}"}}, "own")
    answer = Refusing(OLD, NEW, NEW)

    def answered(request: web.BaseRequest) -> object:
        if "OTHER" in os.environ:
            monkeypatch.setenv("OTHER", NEW)
        return answer(request)

    async with TableServer(answered) as server, Client(own, base_url=server.url, pace=QUICK) as client:
        assert (await client.wait_for("j", 5)).status == "succeeded"
        assert answer.heard == [OLD, OLD, NEW]
        monkeypatch.delenv("OTHER")
        answer.tokens = ("another",)
        with pytest.raises(AuthError, match="the header Authorization needs the environment variable OTHER"):
            await client.job("j")


async def test_the_look_that_is_made_once_more_waits_for_its_turn_and_is_not_made_where_there_is_none() -> None:
    tokens, turns = iter([OLD, NEW, OLD]), 0
    answer = Refusing(NEW)
    pause = Fault(FaultKind.RATE_LIMITED, "later")

    async def turn() -> Fault | None:
        nonlocal turns
        turns += 1
        assert len(answer.heard) == (1 if turns == 1 else 3)
        return None if turns == 1 else pause

    async with (
        TableServer(answer) as server,
        Client(api(), base_url=server.url, token=lambda: next(tokens)) as client,
    ):
        transport = transport_of(client)
        target = transport.prepared("/jobs/j")
        reply = await transport.get(target, turn=turn)
        assert isinstance(reply, Reply)
        assert (reply.http_status, reply.looks, turns) == (200, 2, 1)
        answer.tokens = (OLD,)
        assert await transport.get(target, turn=turn) is pause
        assert (turns, len(answer.heard)) == (2, 3)


# --- files -----------------------------------------------------------------------------------------------------


async def test_a_file_is_read_anew_when_it_changes_and_after_a_401(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "_CHECKED_EVERY", 0.0)
    file = tmp_path / "token"
    file.write_text(f"{OLD}\n")
    monkeypatch.setenv("TOKEN_FILE", str(file))
    answer = Refusing(OLD, NEW, NEW)
    own = api(token="", token_file="TOKEN_FILE")

    def answered(request: web.BaseRequest) -> object:
        told = answer(request)
        if len(answer.heard) == 1:
            (tmp_path / "new").write_text(NEW)
            (tmp_path / "new").replace(file)
        return told

    async with TableServer(answered) as server, Client(own, base_url=server.url, pace=QUICK) as client:
        await client.wait_for("j", 5)
        assert answer.heard == [OLD, NEW, NEW]

        monkeypatch.setattr(tokens, "_CHECKED_EVERY", 3600.0)  # so that only the 401 has it read
        file.write_text(OLD)
        answer.tokens = (OLD,)
        assert (await client.job("j")).status == "succeeded"
        assert answer.heard[3:] == [NEW, OLD]


async def test_a_file_that_cannot_be_read_for_a_while_costs_nothing_but_its_renewal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "_CHECKED_EVERY", 0.0)
    file = tmp_path / "token"
    file.write_text(OLD)
    answer = Refusing(*[OLD] * 4)
    async with TableServer(answer) as server, Client(api(), base_url=server.url, token_file=file) as client:
        assert (await client.job("j")).status == "running"
        file.write_text("")  # it is being written
        assert (await client.job("j")).status == "running"
        file.unlink()
        assert (await client.job("j")).status == "running"
        answer.tokens = (NEW,)
        with pytest.raises(AuthError, match=r"cannot read the token file .*token: No such file"):
            await client.job("j")


@pytest.mark.parametrize(
    ("content", "trouble"),
    [(None, "No such file"), ("", "holds no token"), (" \n", "holds no token"), ("x" * 70_000, "65536 bytes")],
)
def test_a_file_without_a_token_is_refused_at_once_and_a_path_from_a_variable_is_not_shown(
    content: str | None, trouble: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigError, match=trouble):
        Client(api(), token_file=file)
    monkeypatch.setenv("TOKEN_FILE", str(file))
    with pytest.raises(ConfigError, match=rf"the token file that TOKEN_FILE names.*{trouble}") as caught:
        Client(api(token="", token_file="TOKEN_FILE"))
    assert str(tmp_path) not in str(caught.value)


# --- what goes wrong -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["at first", "later"])
@pytest.mark.parametrize(
    ("told", "trouble"),
    [
        (KeyError(OLD), "the function given as token= raised KeyError"),
        (TimeoutError(OLD), "the function given as token= raised TimeoutError"),
        (StopIteration(OLD), "raised RuntimeError"),
        (ConfigError("log in with: example login"), "log in with: example login"),
        (12, "gave something of type int, and no text"),
        (None, "gave something of type NoneType"),
        ("  ", "holds none"),
        ("two\nlines of " + OLD, "the value of the header Authorization is empty or not printable ASCII"),
    ],
)
async def test_a_function_that_gives_no_token_is_a_fault_that_says_so_and_no_more(
    told: object, trouble: str, when: str
) -> None:
    answers = iter([told] if when == "at first" else [NEW, told])

    def token() -> Any:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    answer = Refusing(*([OLD] * 3))
    async with TableServer(answer) as server, Client(api(), base_url=server.url, token=token) as client:
        with pytest.raises(AuthError, match=trouble) as caught:
            await client.job("j")
        assert OLD not in str(caught.value)
        assert len(answer.heard) == (0 if when == "at first" else 1)
        assert caught.value.fault.http_status == (None if when == "at first" else 401)


async def test_a_function_that_failed_at_first_is_called_again_for_the_next_look() -> None:
    answers = iter([None, NEW])

    def token() -> Any:
        return next(answers)

    async with TableServer(Refusing(NEW)) as server, Client(api(), base_url=server.url, token=token) as client:
        with pytest.raises(AuthError, match="something of type NoneType"):
            await client.job("j")
        assert (await client.job("j")).status == "succeeded"

    async with Client(api(), base_url="http://127.0.0.1:9", token=token) as client:
        with pytest.raises(ConfigError, match="raised RuntimeError"):
            await check_token(client)


@pytest.mark.parametrize("is_async", [True, False])
async def test_a_function_that_hangs_is_given_up(is_async: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renewal, "_LIMIT", 0.03)
    gate = __import__("threading").Event()

    async def hangs() -> str:
        await asyncio.Event().wait()
        return NEW

    try:
        async with TableServer(Refusing(NEW)) as server:
            token = hangs if is_async else lambda: gate.wait() and NEW
            async with Client(api(), base_url=server.url, token=token) as client:
                with pytest.raises(AuthError, match=r"gave none within 0\.03 s"):
                    await client.job("j")
    finally:
        gate.set()


async def test_closing_ends_a_renewal_and_whoever_waits_for_it() -> None:
    async def hangs() -> str:
        await asyncio.Event().wait()
        return NEW

    client = Client(api(), base_url="http://127.0.0.1:9", token=hangs)
    looking = asyncio.create_task(client.job("j"))
    await asyncio.sleep(0.01)
    await client.aclose()
    with pytest.raises((AuthError, Unreachable)):
        await looking
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "jobwatch token"]


async def test_a_look_that_nobody_wants_any_more_leaves_the_renewal_to_the_others() -> None:
    calls, gate = 0, asyncio.Event()

    async def token() -> str:
        nonlocal calls
        calls += 1
        await gate.wait()
        return NEW

    async with TableServer(Refusing(NEW)) as server, Client(api(), base_url=server.url, token=token) as client:
        one, other = asyncio.create_task(client.job("j")), asyncio.create_task(client.job("j"))
        await asyncio.sleep(0.01)
        one.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await one
        gate.set()
        assert (await other).status == "succeeded"
    assert calls == 1


def test_a_token_is_given_in_one_way(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="two ways to say the same"):
        Client(api(), token=NEW, token_file="x")
    with pytest.raises(ConfigError, match="a function that returns one, and not of type int"):
        Client(api(), token=7)  # type: ignore[call-overload]
    with pytest.raises(
        ConfigError, match=r"set EXPIRING or FILED \(the path of a file that holds it\), or pass token="
    ):
        Client(api(token_file="FILED"))
    assert "EXPIRING" not in os.environ


async def test_a_stream_is_asked_for_once_more() -> None:
    heard: list[str] = []

    async def stream(request: web.BaseRequest) -> web.StreamResponse:
        heard.append(request.headers["Authorization"])
        if heard[-1] != f"Bearer {NEW}":
            return web.Response(status=401)
        return web.Response(body=b"data: 1\n\n", content_type="text/event-stream")

    tokens = iter([OLD, NEW])
    runner = web.ServerRunner(web.Server(stream, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with Client(api(), base_url=url, token=lambda: next(tokens)) as client:
            transport = transport_of(client)
            told = bytearray()

            def hear(piece: bytes) -> bool:
                told.extend(piece)
                return True

            target = transport.prepared("/events")
            end = await transport.follow(target, hear, silence=1.0)
            assert (end, bytes(told), heard) == (None, b"data: 1\n\n", [f"Bearer {OLD}", f"Bearer {NEW}"])
    finally:
        await runner.cleanup()
