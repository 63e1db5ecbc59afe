"""A token that an API wants in the query: it is sent with every request, to one origin, and shown nowhere."""

from __future__ import annotations

import asyncio
import io
import logging
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from jobwatch import Client, ConfigError, Fault, JobwatchError, Pace
from jobwatch._http.fast import Head
from jobwatch._http.transport import Transport
from jobwatch._http.urls import with_secret
from jobwatch._reading.reply import Reply
from jobwatch._table.compile import api_of
from jobwatch._table.fields import TableError
from jobwatch.cli import main
from tests.http.raw_server import Answer, RawServer, closing, http, resetting, silent
from tests.table_server import TableServer, in_order

CANARY = "qk_c@nary/9876&=5432"
QUOTED = "qk_c%40nary%2F9876%26%3D5432"
TABLE = {"job": "/jobs/{job_id}", "base_url": "https://x.example", "id": "id", "status": "status"}
TABLE |= {"auth": "?api_key={token}", "token": "CANARY_KEY"}
JSON = b'{"id":"job_1","status":"COMPLETED"}'
QUICK = Pace(min_interval=0.005, max_interval=0.02)


def hidden(*shown: object) -> bool:
    text = " ".join(map(str, shown))
    return not any(part in text for part in (CANARY, QUOTED, "c@nary", "c%40nary"))


@pytest.fixture(params=["fast", "session"])
def any_client(request: pytest.FixtureRequest) -> Iterator[None]:
    """With aiohttp's session and without it."""
    with mock.patch("jobwatch._http.fast.is_stock", return_value=request.param == "fast"):
        yield


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """Every log record there is, formatted, with its exception."""
    handler, root = logging.StreamHandler(io.StringIO()), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler.stream
    root.removeHandler(handler)
    root.setLevel(level)


async def answered(*answers: Answer, query: str | None = None, timeout: float = 5.0) -> tuple[list[bytes], str, Any]:
    """Return what was asked, everything that could be seen of it, and the answer."""
    async with RawServer(*answers) as server:
        transport = Transport(server.url, {}, secret_query=("api_key", CANARY), timeout=timeout)
        target = transport.prepared("/jobs/job_1", query)
        try:
            came = await transport.get(target)
            assert hidden(repr(transport), repr(target), target.url, repr(vars(transport)))
        finally:
            await transport.aclose()
    return [request.split(b" ")[1] for request in server.requests], repr(came), came


@pytest.mark.usefixtures("any_client")
@pytest.mark.parametrize(
    ("query", "asked"),
    [
        (None, f"/jobs/job_1?api_key={QUOTED}"),
        ("a=1&b=2", f"/jobs/job_1?a=1&b=2&api_key={QUOTED}"),
        ("api_key=old&a=1", f"/jobs/job_1?a=1&api_key={QUOTED}"),
        ("api%5fkey=old", f"/jobs/job_1?api_key={QUOTED}"),
    ],
)
async def test_the_token_is_in_the_query_that_is_sent_and_only_there(query: str | None, asked: str) -> None:
    requests, _, came = await answered(http(JSON), query=query)
    assert requests == [asked.encode()]
    assert isinstance(came, Reply)


@pytest.mark.usefixtures("any_client")
async def test_the_token_goes_along_within_the_origin_and_no_further() -> None:
    def moved(location: str) -> bytes:
        return http(b"", f"Location: {location}", status="307 Moved")

    requests, _, came = await answered(moved("/other"), moved(f"/third?x=1&api_key={QUOTED}"), http(JSON))
    key = f"api_key={QUOTED}".encode()
    assert requests == [b"/jobs/job_1?" + key, b"/other?" + key, b"/third?x=1&" + key]
    assert isinstance(came, Reply)
    async with RawServer(http(JSON)) as other:
        requests, shown, came = await answered(moved(f"{other.url}/steal?api_key={QUOTED}"))
    assert isinstance(came, Fault)
    assert (len(requests), other.connections, hidden(shown)) == (1, 0, True)


BREAKAGES: list[Answer] = [
    http(JSON),
    http(f"no {CANARY}, nor {QUOTED}".encode(), "Content-Type: text/plain", status="401 No"),
    http(f'{{"message":"bad key {CANARY}","code":"{QUOTED}"}}'.encode(), status="400 Bad"),
    http(b"", f"X-Request-Id: {QUOTED}", status="500 Oops"),
    http(b"", f"Location: https://evil.example/?x={QUOTED}", status="302 Found"),
    http(b"", f"Location: /?api_key={QUOTED}", status="302 Found"),
    http(JSON, length=999),
    http(JSON, "Transfer-Encoding: chunked"),
    b"HTTP/1.1 nonsense\r\n\r\n",
    resetting(),
    silent(),
    closing(http(JSON, length=99)),
]


@pytest.mark.usefixtures("any_client")
@pytest.mark.parametrize("answer", BREAKAGES)
async def test_row_122_the_token_is_in_no_fault_and_no_log(answer: Answer, logged: io.StringIO) -> None:
    asyncio.get_running_loop().set_debug(True)
    _, shown, _ = await answered(answer, timeout=0.04)
    assert hidden(shown, logged.getvalue())


@pytest.mark.usefixtures("any_client")
@pytest.mark.parametrize("answer", [silent(), silent(http(JSON, length=99))])
async def test_row_122_the_token_is_in_no_traceback_of_a_cancelled_look(answer: Answer) -> None:
    async with RawServer(answer) as server:
        transport = Transport(server.url, {}, secret_query=("api_key", CANARY))
        looking = asyncio.create_task(transport.get(transport.prepared("/jobs/job_1")))
        await server.asked()
        looking.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await looking
        await transport.aclose()
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert hidden(*shown.format())


@pytest.mark.parametrize("wrong", [{"base_url": "https://u:p@x"}, {"max_in_flight": 0}, {"params": {"x": "y"}}])
def test_row_122_the_token_is_in_no_traceback_of_a_wrong_configuration(
    wrong: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY_KEY", CANARY)
    with pytest.raises(ConfigError) as caught:
        Client(api_of(TABLE, "x"), **wrong)
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert hidden(*(f"{frame.name} {frame.locals}" for frame in frames.stack), caught.value)


async def test_a_client_sends_it_with_every_kind_of_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY_KEY", f" {CANARY}\n")
    table = TABLE | {"batch": {"request": "/find", "body": {"ids": "{job_ids}"}}}
    table |= {"list": {"request": "/of/{project_id}?n={limit}"}}
    table |= {"events": {"request": "/events?of={job_id}", "status": "s"}}
    done = [{"id": each, "status": "completed"} for each in "ab"]

    def answer(request: Any) -> object:
        if "events" in request.path:
            return [{"s": "completed"}]
        return done if "jobs" not in request.path else done["ab".index(request.path[-1])]

    async with TableServer(answer) as server, Client(api_of(table, "x"), base_url=server.url, pace=QUICK) as client:
        await client.wait_all(["a", "b"], timeout=5)
        await client.job("a")
        await client.jobs("p", 5)
        assert hidden(repr(client))
    paths = [path for _, path, _, _ in server.requests]
    key = f"api_key={QUOTED}"
    assert sorted(set(paths)) == sorted(
        [f"/events?of=a&{key}", f"/events?of=b&{key}", f"/find?{key}", f"/jobs/a?{key}", f"/of/p?n=5&{key}"]
    )
    assert not any("Authorization" in headers for _, _, headers, _ in server.requests)


async def test_row_122_an_error_of_a_wait_does_not_show_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY_KEY", CANARY)
    refusal: tuple[int, object, dict[str, str]] = (401, {"message": f"the key {CANARY} ({QUOTED}) is wrong"}, {})
    async with TableServer(in_order(refusal)) as server:
        client = Client(api_of(TABLE, "x"), base_url=server.url)
        with pytest.raises(JobwatchError) as caught:
            await client.wait_for("a", timeout=5)
        await client.aclose()
    assert "is wrong" in str(caught.value)
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    shown = [f"{frame.locals}" for frame in frames.stack if not frame.name.startswith("test_")]
    assert hidden(*shown, caught.value, repr(caught.value), caught.value.__dict__)


def test_an_id_that_is_a_url_leaves_the_token_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from jobwatch._reading.started import Response

    monkeypatch.setenv("CANARY_KEY", CANARY)
    table = {"job": "{url}", "base_url": "https://x.example/api", "status": "status", "http": {"202": "running"}}
    table |= {"auth": "?api_key={token}", "token": "CANARY_KEY"}
    url = f"https://x.example/api/ops/1?v=2&api_key={QUOTED}"
    client = Client(api_of(table, "x"))
    wait = client.wait_for(Response(b"", 202, {"Operation-Location": url}))
    assert wait.job_id == "https://x.example/api/ops/1?v=2"
    only = Response(b"", 202, {"Operation-Location": f"https://x.example/api/ops/1?api_key={QUOTED}"})
    assert client.wait_for(only).job_id == "https://x.example/api/ops/1"


def test_a_missing_token_is_asked_for_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CANARY_KEY", raising=False)
    with pytest.raises(ConfigError, match="set CANARY_KEY, or pass token="):
        Client(api_of(TABLE, "x"))
    Client(api_of(TABLE | {"token_optional": True}, "x"))


@pytest.mark.parametrize("auth", ["?{token}", "?a b={token}", "?key=x{token}", "&key={token}", "?k={other}"])
def test_what_is_no_parameter_is_refused(auth: str) -> None:
    with pytest.raises(TableError, match=r"auth: write .*\?api_key=\{token\}"):
        api_of(TABLE | {"auth": auth}, "x")


@pytest.mark.parametrize("key", ["job", "list", "batch", "events"])
def test_a_variable_in_a_url_is_refused_with_the_way_to_write_it(key: str) -> None:
    url = "/jobs/{job_id}?ids={job_ids}&api_key=${CANARY_KEY}"
    request = {"request": url} | ({"status": "s"} if key == "events" else {})
    with pytest.raises(TableError, match=rf"{key}: a secret in the query is written auth"):
        api_of(TABLE | {key: url if key == "job" else request}, "x")


def test_the_check_of_a_table_says_where_the_token_goes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "my.toml"
    file.write_text('job = "https://x.example/{job_id}"\nstatus = "s"\ntoken = "CANARY_KEY"\nauth = "?key={token}"\n')
    assert main(["apis", "--check", str(file)]) == 0
    assert "sends $CANARY_KEY there, in the query parameter key" in capsys.readouterr().out


def test_a_head_shows_nothing() -> None:
    assert hidden(repr(Head({}, f"api_key={QUOTED}")))
    assert with_secret("/a?", "k=1") == "/a?k=1"
