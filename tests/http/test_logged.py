"""``jobwatch.http``: a line a request at DEBUG, with no secret in it, and nothing where nobody asked for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from jobwatch import Client, LookError, Pace
from jobwatch._table.compile import api_of
from tests.http.proxy_server import ProxyServer
from tests.http.raw_server import RawServer, closing, http
from tests.table_server import TableServer, in_order

CANARY = "tk_canary_5d11"
PATH = "pk_canary_0b3e"
QUICK = Pace(min_interval=0.001, max_interval=0.002)
DONE = {"id": "j", "s": "succeeded"}


def api(url: str, **keys: Any) -> Any:
    return api_of({"job": f"{url}/jobs/{{job_id}}", "id": "id", "status": "s"} | keys, "own")


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """Return what was logged of requests, with the time taken replaced."""
    caplog.set_level(logging.DEBUG, "jobwatch.http")

    def told() -> list[str]:
        found = [record.getMessage() for record in caplog.records if record.name == "jobwatch.http"]
        return [" ".join("T" if _is_time(word) else word for word in line.split(" ")) for line in found]

    return told


def _is_time(word: str) -> bool:
    whole, dot, rest = word.partition(".")
    return whole.isdigit() and dot == "." and rest.isdigit() and len(rest) == 3


async def test_a_line_for_each_look(lines: Callable[[], list[str]]) -> None:
    answers = in_order({"id": "j", "s": "running"}, (503, {"message": "later"}, {}), DONE)
    async with TableServer(answers) as server, Client(api(server.url), pace=QUICK) as client:
        await client.wait_for("j", 20)
        with pytest.raises(LookError):
            await client.job("a/b")
    asked = f"GET {server.url}/jobs"
    size = len(b'{"id":"j","s":"succeeded"}')
    assert lines() == [
        f"{asked}/j: 200 in T s, {size - 2} bytes",
        f"{asked}/j: 503 in T s: the API is in trouble: later",
        f"{asked}/j: 200 in T s, {size} bytes",
        f"{asked}/a%2Fb: 200 in T s, {size} bytes",
    ]


async def test_nothing_below_debug(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "jobwatch.http")
    async with TableServer(in_order(DONE)) as server, Client(api(server.url)) as client:
        await client.job("j")
    assert caplog.records == []


async def test_redirects_and_the_proxy(lines: Callable[[], list[str]]) -> None:
    def answer(request: web.BaseRequest) -> object:
        is_old = request.path.startswith("/jobs")
        return (307, "", {"Location": f"/v2/j?token={CANARY}\n"[:-1]}) if is_old else DONE

    async with TableServer(answer) as server, Client(api(server.url)) as client:
        await client.job("j")
    first, second = lines()
    assert first == f"GET {server.url}/jobs/j: 307, which leads to {server.url}/v2/j?token=***"
    assert second == f"GET {server.url}/jobs/j: 200 in T s, 26 bytes"
    async with ProxyServer({}) as proxy, Client(api("http://jobs.example"), proxy=proxy.url) as client:
        with pytest.raises(LookError):
            await client.job("j")
    told = f"GET http://jobs.example/jobs/j through the proxy 127.0.0.1:{proxy.port}: 502 in T s: the proxy"
    assert lines()[2].startswith(told)


async def test_what_is_sent_again_and_what_has_no_answer(lines: Callable[[], list[str]]) -> None:
    once = http(b'{"id":"j","s":"running"}')
    async with RawServer(once, closing(b""), http(b'{"id":"j","s":"succeeded"}')) as server:
        async with Client(api(server.url), pace=QUICK) as client:
            await client.wait_for("j", 20)
        gone = server.url
    async with Client(api(gone)) as client:
        with pytest.raises(LookError):
            await client.job("j")
    *_, again, last, refused = lines()
    assert again.startswith(f"GET {gone}/jobs/j: sent again, since the connection had been kept alive and was lost")
    assert last.endswith("200 in T s, 26 bytes")
    assert refused == f"GET {gone}/jobs/j: no answer in T s: no connection to 127.0.0.1: Connection refused"


async def test_one_that_nobody_waits_for_any_more_and_one_that_is_late(lines: Callable[[], list[str]]) -> None:
    came, go_on = asyncio.Event(), asyncio.Event()

    async def hang(_: web.BaseRequest) -> web.StreamResponse:
        came.set()
        await go_on.wait()
        return web.Response()

    runner = web.ServerRunner(web.Server(hang, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with Client(api(url)) as client:
        task = asyncio.ensure_future(client.job("j"))
        await came.wait()
        task.cancel()
        await asyncio.wait([task])
    async with Client(api(url), request_timeout=0.02) as client:
        with pytest.raises(LookError):
            await client.job("j")
    go_on.set()
    await runner.cleanup()
    assert lines() == [
        f"GET {url}/jobs/j: given up after T s",
        f"GET {url}/jobs/j: no answer in T s: no answer within 0.02 s (request_timeout)",
    ]


async def test_no_secret_in_path_query_or_message(
    lines: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGGED_TOKEN", CANARY)

    def answer(request: web.BaseRequest) -> object:
        return 400, {"message": f"no {request.raw_path} \x1b[31m {request.headers}"}, {}

    async with TableServer(answer) as server:
        keys: dict[str, Any] = {"params": {"hook_key": ""}, "token": "LOGGED_TOKEN", "auth": "?sig={token}"}
        job = f"{server.url}/{{hook_key}}/{{job_id}}?api_key={CANARY}"
        own = api_of({"job": job, "id": "id", "status": "s"} | keys, "own")
        async with Client(own, params={"hook_key": PATH}, headers={"X-Gate": CANARY}) as client:
            with pytest.raises(LookError):
                await client.job("j")
        path = server.requests[0][1]
    assert path == f"/{PATH}/j?api_key={CANARY}&sig={CANARY}"
    (line,) = lines()
    assert line.startswith(
        f"GET {server.url}/***/j?api_key=***: 400 in T s: the API refused the request: no /***/j?api_key=***"
    )
    assert "canary" not in line
    assert "\x1b" not in line
