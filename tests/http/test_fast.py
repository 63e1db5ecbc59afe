"""When looks go past aiohttp's session, and when they do not: with a mock, a proxy, a redirect, an odd answer."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import aiohttp
import pytest
import trustme
from aioresponses import aioresponses

from jobwatch._http import fast
from jobwatch._http.proxies import proxy_for
from jobwatch._http.tls import context_of, may_prove, without_certificate
from jobwatch._http.transport import Transport
from jobwatch._models import Fault
from jobwatch._reading.reply import Reply

from .raw_server import Answer, RawServer, closing, http, silent
from .response import Response

JSON = b'{"id":"job_1","status":"running"}'
TOKEN = "sk_canary_0123456789"


async def look(transport: Transport, path: str = "/jobs/job_1", body: bytes | None = None) -> Reply | Fault:
    return await transport.get(transport.prepared(path, body=body))


def is_fast(transport: Transport) -> bool:
    """Whether the session was not needed so far."""
    return transport._lanes is not None and transport._session is None


async def ways(*answers: Answer, looks: int = 2, body: bytes | None = None) -> list[bool]:
    """Return after each of some looks whether the session was not needed yet."""
    async with RawServer(*answers) as server:
        transport = Transport(server.url, {"Authorization": f"Bearer {TOKEN}"})
        seen = []
        for _ in range(looks):
            await look(transport, body=body)
            seen.append(is_fast(transport))
        await transport.aclose()
    return seen


# --- the plain case -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        http(JSON),
        http(b"", status="304 Not Modified"),
        http(b"", status="404 Not Found"),
        http(b"slow down", "Retry-After: 9", status="429 Too Many Requests"),
        http(b"<html>", status="503 Service Unavailable"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\n" + http(JSON),
        http(JSON, "Connection: close"),
        closing(b""),
    ],
)
async def test_a_plain_look_needs_no_session(answer: Answer) -> None:
    assert await ways(answer) == [True, True]


async def test_a_plain_post_needs_none_either_and_is_sent_whole() -> None:
    async with RawServer(http(JSON)) as server:
        transport = Transport(server.url, {"Authorization": f"Bearer {TOKEN}"})
        assert isinstance(await look(transport, "/rpc", b'{"id": 1}'), Reply)
        assert is_fast(transport)
        await transport.aclose()
    head = server.requests[0].decode().lower().split("\r\n")
    assert head[0] == "post /rpc http/1.1"
    assert {"content-length: 9", "content-type: application/json", "accept: application/json"} < set(head)


# --- what leaves it -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "method", ["_request", "get", "post", "__init__"], ids=["request", "get", "post", "instrumented"]
)
async def test_whatever_stands_in_for_a_method_of_the_session_is_heard(method: str) -> None:
    original, called = getattr(aiohttp.ClientSession, method), []

    def stand_in(*args: object, **options: object) -> object:
        called.append(method)
        return original(*args, **options)

    async with RawServer(http(JSON)) as server:
        transport = Transport(server.url, {})
        assert isinstance(await look(transport), Reply)
        assert is_fast(transport)
        with mock.patch.object(aiohttp.ClientSession, method, stand_in):
            await look(transport, body=b"{}" if method == "post" else None)
        assert called == [method]
        assert transport._lanes is None
        assert isinstance(await look(transport), Reply)
        await transport.aclose()


async def test_a_session_of_another_class_is_used() -> None:
    with mock.patch.object(aiohttp, "ClientSession"):
        assert not fast.is_stock()
    assert fast.is_stock()


async def test_aioresponses_stands_in_whenever_it_comes() -> None:
    async with RawServer(http(JSON)) as server:
        transport = Transport(server.url, {})
        assert isinstance(await look(transport), Reply)
        with aioresponses() as stand_in:
            stand_in.get(f"{server.url}/jobs/job_1", body=b'{"id":"mocked"}', response_class=Response)
            mocked = await look(transport)
        assert isinstance(mocked, Reply)
        assert mocked.body == b'{"id":"mocked"}'
        await transport.aclose()
    assert len(server.requests) == 1


async def test_a_stand_in_that_is_there_from_the_beginning_is_not_taken_for_the_original(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fast, "_stock", ())
    with aioresponses():
        assert not fast.is_stock()
    assert fast.is_stock()


@pytest.mark.parametrize(
    "broken",
    [
        lambda patch: patch.setattr(aiohttp.ClientRequest, "connection_key", property()),
        lambda patch: patch.setattr("aiohttp.http.HttpResponseParser", lambda *_: None),
        lambda patch: patch.delattr("aiohttp.http.HttpResponseParser"),
        lambda patch: patch.delattr("aiohttp.client_proto.DataQueue.read"),
        lambda patch: patch.delattr("aiohttp.connector.BaseConnector.connect"),
        lambda patch: patch.delattr("aiohttp.client_proto.ResponseHandler.should_close"),
        lambda patch: patch.setattr("jobwatch._http.idle.carry_by", lambda *_: False),
    ],
    ids=["key", "other parser", "no parser", "queue", "connector", "closing", "factory"],
)
async def test_where_a_name_is_missing_the_session_is_used(
    monkeypatch: pytest.MonkeyPatch, broken: Callable[[pytest.MonkeyPatch], None]
) -> None:
    async with RawServer(http(JSON)) as server:
        transport = Transport(server.url, {})
        with monkeypatch.context() as patch:
            broken(patch)
            assert transport._opened(transport.prepared("/jobs/job_1"))
        assert transport._lanes is None
        assert isinstance(await look(transport), Reply)
        await transport.aclose()


async def test_a_proxy_is_the_sessions() -> None:
    async with RawServer(http(JSON)) as proxy:
        given = proxy_for("http://api.example.com", proxy.url, {})
        transport = Transport("http://api.example.com", {}, proxy=given)
        assert isinstance(await look(transport), Reply)
        assert (transport._lanes, transport._session is None) == (None, False)
        await transport.aclose()


async def test_a_redirect_is_followed_by_the_session_and_so_is_whatever_comes_later() -> None:
    moved = http(b"", "Location: /jobs/job_2", status="302 Found")
    assert await ways(moved, http(JSON), http(JSON)) == [False, False]


@pytest.mark.parametrize("coding", ["gzip", "gzip, chunked", "Chunked ", "identity"])
async def test_a_transfer_coding_that_is_not_known_is_the_last_that_comes_so(coding: str) -> None:
    odd = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: %b\r\n\r\n2\r\n{}\r\n0\r\n\r\n" % coding.encode()
    plain = coding.strip().lower() == "chunked"
    assert await ways(closing(odd), http(JSON)) == [True, plain]


async def test_a_protocol_that_nobody_asked_for_is_the_last() -> None:
    switched = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"
    assert await ways(closing(switched), http(JSON)) == [True, False]


async def test_what_is_asked_by_head_is_the_sessions() -> None:
    async with RawServer(http(b"")) as server:
        transport = Transport(server.url, {})
        target = transport.prepared("/jobs/job_1")
        target.is_head = True
        await transport.get(target)
        assert transport._lanes is None
        await transport.aclose()


async def test_a_post_with_headers_of_its_own_is_the_sessions() -> None:
    async with RawServer(http(JSON)) as server:
        transport = Transport(server.url, {})
        target = transport.prepared("/rpc", body=b"{}")
        target.headers = {"content-type": "text/x"}
        assert isinstance(await transport.get(target), Reply)
        assert transport._lanes is None
        await transport.aclose()
    assert server.requests[0].decode().lower().count("content-type") == 1


@pytest.mark.parametrize("made", ["by us", "without one", "with one", "given"])
async def test_a_client_certificate_is_the_sessions(tmp_path: Path, made: str) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("me.example").private_key_and_cert_chain_pem.write_to_path(tmp_path / "me.pem")
    trusting = context_of(None, None, str(tmp_path / "ca.pem"))
    proving = context_of(str(tmp_path / "me.pem"), None, str(tmp_path / "ca.pem"))
    given = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    assert trusting is not None
    assert proving is not None
    context = {"by us": trusting, "without one": without_certificate(proving), "with one": proving, "given": given}[
        made
    ]
    is_trusting = made in ("by us", "without one")
    assert may_prove(context) is not is_trusting
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(serving)
    async with RawServer(http(JSON), tls=serving) as server:
        transport = Transport(server.url, {}, tls=context)
        for _ in range(3):
            assert isinstance(await look(transport), Reply)
        assert is_fast(transport) is is_trusting
        await transport.aclose()
    assert server.connections == 1


# --- its connections ------------------------------------------------------------------------------------------------


async def test_no_more_connections_than_are_allowed_and_whoever_waits_gets_the_next() -> None:
    async with RawServer(http(JSON)) as server:
        transport = Transport(server.url, {}, max_connections=2)
        answers = await asyncio.gather(*(look(transport, f"/jobs/{number}") for number in range(9)))
        assert all(isinstance(answer, Reply) for answer in answers)
        assert is_fast(transport)
        assert len(transport._lanes._kept if transport._lanes else ()) <= 2
        await transport.aclose()
    assert (server.connections, len(server.requests)) == (2, 9)


async def test_a_connection_serves_the_next_look_while_others_are_being_opened() -> None:
    async def never_open(*_: object) -> None:
        await asyncio.Event().wait()

    async with RawServer(http(JSON)) as server:
        transport = Transport(server.url, {}, max_connections=3)
        assert isinstance(await look(transport), Reply)
        assert transport._connector is not None
        with mock.patch.object(transport._connector, "connect", side_effect=never_open) as connect:
            first, opening = (asyncio.create_task(look(transport)) for _ in range(2))
            assert isinstance(await first, Reply)
            next_one = asyncio.create_task(look(transport))
            await asyncio.wait([next_one], timeout=5.0)
            assert isinstance(next_one.result(), Reply)
            assert connect.call_count == 1
            opening.cancel()
            await asyncio.wait([opening])
        await transport.aclose()
    assert server.connections == 1


async def test_the_session_goes_on_with_the_connections_that_are_there() -> None:
    async with RawServer(http(JSON)) as server:
        transport = Transport(server.url, {}, max_connections=1)
        assert isinstance(await look(transport), Reply)
        with mock.patch.object(fast, "is_stock", return_value=False):
            assert isinstance(await look(transport), Reply)
        assert not is_fast(transport)
        await transport.aclose()
    assert server.connections == 1


async def test_a_connection_is_not_kept_for_longer_than_servers_do(monkeypatch: pytest.MonkeyPatch) -> None:
    async with RawServer(http(JSON)) as server:
        transport = Transport(server.url, {})
        assert isinstance(await look(transport), Reply)
        lanes = transport._lanes
        assert lanes is not None
        for _ in range(3):
            lanes._tick()
            assert len(lanes._kept) == 1
        lanes._tick()
        assert (lanes._kept, lanes._ticker) == ([], None)
        assert isinstance(await look(transport), Reply)
        await transport.aclose()
    assert server.connections == 2


async def test_a_look_that_is_cancelled_takes_its_connection_along() -> None:
    async with RawServer(silent(), http(JSON)) as server:
        transport = Transport(server.url, {})
        looking = asyncio.create_task(look(transport))
        await asyncio.sleep(0.03)
        looking.cancel()
        await asyncio.wait([looking])
        assert isinstance(await look(transport), Reply)
        await transport.aclose()
    assert server.connections == 2


async def test_a_part_of_a_late_answer_is_no_beginning_of_the_next() -> None:
    late = http(JSON) + b"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n"

    async with RawServer(late, http(b'{"id":"B"}')) as server:
        transport = Transport(server.url, {})
        assert isinstance(await look(transport, "/A"), Reply)
        second = await look(transport, "/B")
        await transport.aclose()
    assert isinstance(second, Fault) or second.body == b'{"id":"B"}'


async def test_no_secret_is_in_what_it_is_made_of() -> None:
    async with RawServer(http(JSON)) as server:
        transport = Transport(server.url, {"Authorization": f"Bearer {TOKEN}"})
        await look(transport)
        assert TOKEN not in repr([transport._lanes, transport._lanes and vars(transport._lanes)])
        await transport.aclose()
