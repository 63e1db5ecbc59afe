"""The transport against a server that sends whatever bytes it likes; the rows are those of the fault catalogue."""

from __future__ import annotations

import asyncio
import errno
import gzip
import io
import logging
import os
import re
import resource
import socket
import ssl
import sys
import threading
import time
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
import trustme
from aioresponses import aioresponses

from jobwatch._errors import ConfigError
from jobwatch._http import fast
from jobwatch._http.reader import ERROR_BODY_CAP
from jobwatch._http.transport import Transport, segment
from jobwatch._models import Fault, FaultKind, Problem
from jobwatch._reading.reply import RateLimit, Reply
from tests.conftest import at_most

from .first_looks import begin_all_without_aiohttp
from .raw_server import Answer, RawServer, Script, closing, dribbling, endless, http, resetting, silent
from .response import Response

TOKEN = "sk_canary_0123456789"
QUERY_KEY = "qk_canary_9876543210"
JSON = b'{"id":"job_1","status":"Running"}'
LARGER = 'max_body = "16MiB" in the table, Client(max_body=) or --max-body lets it be larger'
DATE = "Date: Tue, 06 Jan 2026 12:00:00 GMT"

OF_KEPT_CONNECTIONS = {
    "test_row_22_a_connection_is_used_again",
    "test_rows_3_4_a_dead_connection_is_a_fault_and_only_a_kept_one_a_second_request",
    "test_row_4_the_race_with_a_server_that_closes_an_idle_connection_is_no_fault",
    "test_row_4_what_is_asked_again_waits_for_its_turn",
    "test_row_10_a_host_that_moves_is_found_again",
    "test_row_21_no_file_descriptor_is_left",
    "test_row_21_no_more_connections_than_allowed",
}
"""They are about a second look on the connection of the first, or count them."""


@pytest.fixture(params=["fast", "session", "first"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Everything holds with aiohttp's session and without it, and where the first look is made without aiohttp."""
    assert isinstance(request.param, str)
    if request.param == "session":
        monkeypatch.setattr(fast, "is_stock", lambda: False)
    if request.param == "first":
        if request.function.__name__ in OF_KEPT_CONNECTIONS:
            pytest.skip("the first look keeps none")
        begin_all_without_aiohttp(monkeypatch)
    return request.param


@asynccontextmanager
async def served(*answers: Answer, **options: Any) -> AsyncIterator[tuple[RawServer, Transport]]:
    """A server and a transport to it; afterwards nothing of the transport may be left."""
    async with RawServer(*answers) as server:
        transport = Transport(server.url, {"Authorization": f"Bearer {TOKEN}"}, **options)
        try:
            yield server, transport
        finally:
            await transport.aclose()


async def look(transport: Transport, *, etag: str | None = None) -> Reply | Fault:
    return await transport.get(transport.prepared("/jobs/job_1"), etag=etag)


async def answer_to(*answers: Answer, etag: str | None = None, **options: Any) -> Reply | Fault:
    async with served(*answers, **options) as (_, transport):
        return await look(transport, etag=etag)


async def fault_of(*answers: Answer, **options: Any) -> Fault:
    answer = await answer_to(*answers, **options)
    assert isinstance(answer, Fault), answer
    return answer


async def reply_of(*answers: Answer, **options: Any) -> Reply:
    answer = await answer_to(*answers, **options)
    assert isinstance(answer, Reply), answer
    return answer


# --- a good look ------------------------------------------------------------------------------------------------


async def test_a_reply_and_what_its_headers_tell() -> None:
    headers = ("Content-Type: application/json", DATE, 'ETag: "v1"', "X-Request-Id: req_1")
    rates = ("X-RateLimit-Limit: 100", "X-RateLimit-Remaining: 99", "X-RateLimit-Reset: 60")
    reply = await reply_of(http(JSON, *headers, *rates))
    noon = datetime(2026, 1, 6, 12, tzinfo=UTC).timestamp()
    assert reply == Reply(200, JSON, '"v1"', noon, RateLimit(99, 100, 60.0), "req_1", "application/json")


async def test_row_95_what_is_sent() -> None:
    async with served(http(JSON)) as (server, transport):
        await transport.get(transport.prepared("/jobs/" + segment("a/b"), "limit=5"), etag='"v1"')
    line, *headers = server.requests[0].decode().split("\r\n")[:-2]
    names = [header.partition(":")[0] for header in headers]
    assert line == "GET /jobs/a%2Fb?limit=5 HTTP/1.1"
    assert len(names) == len(set(names))
    assert {f"Authorization: Bearer {TOKEN}", f"Host: 127.0.0.1:{server.port}", "Accept: application/json"} < {*headers}
    assert {"Accept-Encoding: identity", 'If-None-Match: "v1"'} < {*headers}
    assert "Cache-Control: no-cache" in headers
    assert any(header.startswith("User-Agent: jobwatch") for header in headers)


async def test_the_callers_headers_take_the_place_of_ours() -> None:
    async with RawServer(http(JSON)) as server:
        transport = Transport(server.url, {"accept": "application/vnd.api+json", "user-agent": "mine"})
        await look(transport)
        await transport.aclose()
    sent = server.requests[0].decode().lower()
    assert sent.count("accept: ") == 1
    assert "accept: application/vnd.api+json" in sent
    assert "user-agent: mine" in sent


async def test_row_22_a_connection_is_used_again() -> None:
    async with served(http(JSON)) as (server, transport):
        for _ in range(5):
            assert isinstance(await look(transport), Reply)
    assert (server.connections, len(server.requests), transport.requests) == (1, 5, 5)


async def test_a_body_in_many_pieces_is_put_together() -> None:
    body = b"[" + b" " * 200_000 + b"]"
    assert (await reply_of(http(body))).body == body
    assert (await reply_of(dribbling(http(JSON), 0.0))).body == JSON


# --- F1 and A: connections --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("drop", "again"), [(closing(b""), 1), (resetting(), 1), (closing(b"HTTP/1.1 20"), 0)])
async def test_rows_3_4_a_dead_connection_is_a_fault_and_only_a_kept_one_a_second_request(
    drop: Answer, again: int
) -> None:
    async with served(http(JSON), drop) as (server, transport):
        assert isinstance(await look(transport), Reply)
        for _ in range(9):
            fault = await look(transport)
            assert isinstance(fault, Fault)
            assert fault.kind in {FaultKind.UNREACHABLE, FaultKind.UNREADABLE}
    assert len(server.requests) == transport.requests == 10 + again, "the one after the first answer"


async def test_row_1_connection_refused() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        transport = Transport(f"http://127.0.0.1:{taken.getsockname()[1]}", {})
        fault = await look(transport)
        await transport.aclose()
    assert fault == Fault(FaultKind.UNREACHABLE, "no connection to 127.0.0.1: Connection refused")


@contextmanager
def deaf(address: tuple[str, int] = ("127.0.0.1", 0)) -> Iterator[int]:
    """Take a port at which every new connection is left waiting, as in a black hole."""
    with ExitStack() as sockets:
        listening = sockets.enter_context(socket.socket())
        listening.bind(address)
        listening.listen(0)
        for _ in range(2):
            filler = sockets.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listening.getsockname())
        yield listening.getsockname()[1]


@pytest.mark.usefixtures("idle_clock")
async def test_row_2_a_black_hole_ends_with_the_connect_timeout() -> None:
    with deaf() as port:
        transport = Transport(f"http://127.0.0.1:{port}", {}, connect_timeout=0.02)
        fault = await look(transport)
        await transport.aclose()
    assert fault == Fault(FaultKind.UNREACHABLE, "no connection to 127.0.0.1 in time")


async def test_rows_2_5_6_18_the_limits_of_a_look_unless_others_are_given() -> None:
    transport = Transport("http://api.example.com", {})
    transport._opened(transport.prepared("/jobs/job_1"))
    assert transport._connector is not None
    transport._session = transport._session_on(transport._connector)
    assert transport._session.timeout.sock_connect == 10.0
    assert transport._lanes is not None
    assert transport._lanes._limits.sock_connect == 10.0
    assert transport._timeout == 30.0
    await transport.aclose()


@pytest.mark.parametrize("answer", [resetting(), closing(b"")])
async def test_row_3_reset_before_the_response(answer: Answer) -> None:
    assert await fault_of(answer) == Fault(FaultKind.UNREACHABLE, "the connection to 127.0.0.1 was lost")


@pytest.mark.parametrize("drop", [closing(b""), resetting()])
async def test_row_4_the_race_with_a_server_that_closes_an_idle_connection_is_no_fault(drop: Answer) -> None:
    async with served(http(JSON), drop, http(JSON)) as (server, transport):
        answers = [await look(transport) for _ in range(2)]
    assert [answer.looks for answer in answers if isinstance(answer, Reply)] == [1, 2]
    assert len(server.requests) == transport.requests == 3


@pytest.mark.parametrize("drop", [closing, resetting])
@pytest.mark.parametrize(
    "begun", [b"H", b"\r\n", b"HTTP/1.1 20", b"HTTP/1.1 103 Early Hints\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: y\r\n", JSON]
)
async def test_row_4_nothing_is_asked_again_once_a_byte_has_come(drop: Callable[[bytes], Script], begun: bytes) -> None:
    async with served(http(JSON), drop(begun), http(JSON)) as (server, transport):
        answers = [type(await look(transport)) for _ in range(3)]
    assert answers == [Reply, Fault, Reply]
    assert len(server.requests) == transport.requests == 3


async def test_row_4_nothing_is_asked_again_where_nobody_can_tell_whether_a_byte_came(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("jobwatch._http.idle.carry_by", lambda *_: None)
    async with served(http(JSON), closing(b""), http(JSON)) as (server, transport):
        answers = [type(await look(transport)) for _ in range(3)]
    assert answers == [Reply, Fault, Reply]
    assert len(server.requests) == 3


@pytest.mark.usefixtures("idle_clock")
async def test_row_4_what_is_asked_again_waits_for_its_turn() -> None:
    turns: list[float] = []

    async def turn() -> None:
        await asyncio.sleep(0.03)
        turns.append(asyncio.get_running_loop().time())

    async with served(http(JSON), closing(b""), http(JSON), timeout=0.02) as (_, transport):
        target = transport.prepared("/jobs/job_1")
        assert isinstance(await transport.get(target, turn=turn), Reply)
        assert not turns
        assert isinstance(await transport.get(target, turn=turn), Reply), "the wait takes nothing of the time"
    assert len(turns) == 1


async def test_row_4_nothing_is_asked_again_while_the_api_wants_to_be_left_alone() -> None:
    async def turn() -> Fault:
        return Fault(FaultKind.RATE_LIMITED, "later", retry_after=60.0)

    async with served(http(JSON), closing(b"")) as (server, transport):
        target = transport.prepared("/jobs/job_1")
        assert isinstance(await transport.get(target, turn=turn), Reply)
        lost = await transport.get(target, turn=turn)
    assert lost == Fault(FaultKind.UNREACHABLE, "the connection to 127.0.0.1 was lost")
    assert len(server.requests) == 2


async def test_row_4_a_connection_that_was_seen_to_close_is_not_used() -> None:
    async def answer_then_close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(http(JSON))
        await writer.drain()
        raise ConnectionError

    async with served(answer_then_close) as (server, transport):
        for _ in range(3):
            assert isinstance(await look(transport), Reply)
            await asyncio.sleep(0.005)
    assert server.connections == 3


@pytest.mark.usefixtures("idle_clock")
async def test_rows_5_7_accept_then_silence_ends_with_the_timeout() -> None:
    async with served(silent(), http(JSON), timeout=0.02) as (server, transport):
        assert await look(transport) == Fault(FaultKind.UNREACHABLE, "no answer within 0.02 s (request_timeout)")
        async with at_most(1):
            await server.gone.wait()
        assert isinstance(await look(transport), Reply)
    assert server.connections == 2


@pytest.mark.usefixtures("idle_clock")
@pytest.mark.parametrize("upto", [5, -5])
async def test_row_6_slow_loris_in_the_head_or_in_the_body(upto: int) -> None:
    slow = http(JSON)

    async def half_then_dribble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(slow[:upto])
        await dribbling(slow[upto:], 0.015)(reader, writer)

    fault = await fault_of(half_then_dribble, timeout=0.04)
    assert fault == Fault(FaultKind.UNREACHABLE, "no answer within 0.04 s (request_timeout)")


@pytest.mark.parametrize(
    ("code", "text"), [(socket.EAI_NONAME, "Name or service not known"), (socket.EAI_AGAIN, "Temporary failure")]
)
async def test_rows_8_9_no_address_is_found(monkeypatch: pytest.MonkeyPatch, code: int, text: str) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(code, text)

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    transport = Transport("http://api.example.com", {})
    assert await look(transport) == Fault(FaultKind.UNREACHABLE, "no address found for api.example.com")
    await transport.aclose()


async def test_row_9_a_resolver_that_never_answers_ends_with_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(10) and [])
    transport = Transport("http://api.example.com", {}, timeout=0.02)
    try:
        assert await look(transport) == Fault(FaultKind.UNREACHABLE, "no answer within 0.02 s (request_timeout)")
        assert [thread.daemon for thread in threading.enumerate() if thread.name == "jobwatch resolver"] == [True], (
            "nothing waits for it"
        )
        await transport.aclose()
    finally:
        over.set()


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Have a host name stand for these addresses, at each question for the next ones; return the names asked for."""
    asked: list[str] = []

    def answer(host: str, port: int, *_: object, **__: object) -> list[object]:
        addresses = answers[min(len(asked), len(answers) - 1)]
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (each, port)) for each in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return asked


@pytest.mark.skipif(sys.platform != "linux", reason="needs a second address on loopback")
async def test_row_10_a_host_that_moves_is_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = resolving(monkeypatch, ["127.0.0.1"], ["127.0.0.2"])
    late = 0.0
    monkeypatch.setattr("aiohttp.connector.monotonic", lambda: time.monotonic() + late)
    async with RawServer(http(JSON)) as old, RawServer(http(JSON), address=("127.0.0.2", old.port)) as new:
        transport = Transport(f"http://api.example.com:{old.port}", {})
        for _ in range(2):
            assert isinstance(await look(transport), Reply)
        late = 61.0
        if (lanes := transport._lanes) is not None:
            for _ in range(4):
                lanes._tick()
        for _ in range(2):
            assert isinstance(await look(transport), Reply)
        await transport.aclose()
    assert asked == ["api.example.com"] * 2
    assert (len(old.requests), len(new.requests)) == (2, 2)


@pytest.mark.skipif(sys.platform != "linux", reason="needs a second address on loopback")
async def test_row_11_a_dead_address_beside_one_that_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, ["127.0.0.2", "127.0.0.1"])
    async with RawServer(http(JSON)) as server:
        with deaf(("127.0.0.2", server.port)):
            transport = Transport(f"http://api.example.com:{server.port}", {}, connect_timeout=1.0)
            transport._opened(transport.prepared("/jobs/job_1"))
            connector = transport._connector
            assert isinstance(connector, aiohttp.TCPConnector)
            assert connector._happy_eyeballs_delay == 0.25
            connector._happy_eyeballs_delay = 0.01
            began = time.monotonic()
            assert isinstance(await look(transport), Reply)
            assert time.monotonic() - began < 0.5
            await transport.aclose()


async def test_row_13_a_label_that_is_too_long_is_found_before_any_request() -> None:
    with pytest.raises(ConfigError, match="more than 63 characters"):
        Transport(f"https://{'a' * 64}.example.com", {})


async def test_row_21_no_file_descriptor_is_left() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with RawServer(http(JSON)) as server:
        warm, transport = Transport(server.url, {}), Transport(server.url, {})
        assert isinstance(await look(warm), Reply)
        taken = [socket.socket()]
        resource.setrlimit(resource.RLIMIT_NOFILE, (taken[0].fileno() + 1, hard))
        try:
            fault = await look(transport)
            assert isinstance(await look(warm), Reply), "what is connected goes on"
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert fault == Fault(FaultKind.UNREACHABLE, "no connection to 127.0.0.1: Too many open files")
        assert isinstance(await look(transport), Reply)
        taken[0].close()
        await warm.aclose()
        await transport.aclose()


async def test_row_22_no_port_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    async def none_left(*_: object) -> None:
        raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))

    async with served(http(JSON)) as (_, transport):
        with monkeypatch.context() as used_up:
            used_up.setattr(asyncio.get_running_loop(), "sock_connect", none_left)
            fault = await look(transport)
        assert fault == Fault(FaultKind.UNREACHABLE, "no connection to 127.0.0.1: Cannot assign requested address")
        assert isinstance(await look(transport), Reply)


async def test_row_20_no_proxy_is_used_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    async with RawServer(http(b"", status="407 Proxy Authentication Required")) as proxy, served(http(JSON)) as (_, at):
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://user:{QUERY_KEY}@127.0.0.1:{proxy.port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        assert isinstance(await look(at), Reply)
    assert proxy.connections == 0


async def test_row_20_a_proxy_that_stands_in_the_way_wants_what_it_does_not_get() -> None:
    wanted = ("Proxy-Authenticate: Basic", "Connection: keep-alive")
    async with served(http(b"", *wanted, status="407 Proxy Authentication Required")) as (server, transport):
        fault = await look(transport)
    assert isinstance(fault, Fault)
    assert (fault.kind, fault.http_status) == (FaultKind.REFUSED, 407)
    assert len(server.requests) == 1
    assert b"proxy-authorization" not in server.requests[0].lower()


# --- TLS --------------------------------------------------------------------------------------------------------


def server_tls(authority: trustme.CA, name: str = "127.0.0.1", *, begins: int = -9, ends: int = 1) -> ssl.SSLContext:
    """Return what a server proves its name with, from and until so many days from now."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    now = datetime.now(UTC)
    first, last = now + timedelta(days=begins), now + timedelta(days=ends)
    authority.issue_cert(name, not_before=first, not_after=last).configure_cert(context)
    return context


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def tls_look(server: RawServer, tls: ssl.SSLContext | None, url: str | None = None) -> Reply | Fault:
    transport = Transport(url or server.url, {"Authorization": f"Bearer {TOKEN}"}, tls=tls, connect_timeout=2)
    answer = await look(transport)
    await transport.aclose()
    return answer


async def test_tls_with_a_trusted_certificate() -> None:
    authority = trustme.CA()
    async with RawServer(http(JSON), tls=server_tls(authority)) as server:
        assert isinstance(await tls_look(server, trusting(authority)), Reply)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("unknown authority", "unable to get local issuer certificate|self.signed certificate"),
        ("another host", "IP address mismatch"),
        ("expired", "certificate has expired"),
        ("not yet valid", "certificate is not yet valid"),
    ],
)
async def test_rows_14_15_a_certificate_that_is_not_trusted(wrong: str, told: str) -> None:
    authority = trustme.CA()
    name = "api.example.com" if wrong == "another host" else "127.0.0.1"
    begins, ends = {"expired": (-9, -1), "not yet valid": (2, 9)}.get(wrong, (-9, 1))
    tls = server_tls(authority, name, begins=begins, ends=ends)
    async with RawServer(http(JSON), tls=tls) as server:
        fault = await tls_look(server, None if wrong == "unknown authority" else trusting(authority))
    assert isinstance(fault, Fault)
    assert fault.kind is FaultKind.TLS
    assert re.match(f"the certificate of 127.0.0.1 is not trusted: .*(?:{told})", fault.message)
    assert server.requests == [], "and nothing in the clear either"
    assert server.connections <= 1


async def look_at_tls_port(script: Script, **options: Any) -> Fault:
    """Look with TLS at a port where the script is what answers from the first byte."""
    done = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await script(reader, writer)
        writer.close()
        done.set()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as listening:
        transport = Transport(f"https://127.0.0.1:{listening.sockets[0].getsockname()[1]}", {}, **options)
        fault = await look(transport)
        await transport.aclose()
        await done.wait()
        await asyncio.sleep(0.005)
    assert isinstance(fault, Fault)
    return fault


async def test_row_16_a_peer_that_resets_the_handshake_is_unreachable() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.transport.abort()

    assert (await look_at_tls_port(hang_up)).kind is FaultKind.UNREACHABLE


async def test_row_16_a_peer_that_speaks_only_tls_1_1() -> None:
    authority = trustme.CA()
    tls = server_tls(authority)
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        tls.minimum_version = tls.maximum_version = ssl.TLSVersion.TLSv1_1
    async with RawServer(http(JSON), tls=tls) as server:
        fault = await tls_look(server, trusting(authority))
    assert isinstance(fault, Fault)
    assert fault.kind in {FaultKind.TLS, FaultKind.UNREACHABLE}
    assert server.requests == []


async def test_row_17_plain_http_on_the_tls_port() -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(http(JSON))
        await writer.drain()

    assert (await look_at_tls_port(plain)).kind is FaultKind.TLS


@pytest.mark.usefixtures("idle_clock")
async def test_row_18_a_stalled_handshake_ends_with_the_connect_timeout() -> None:
    async def stall(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    fault = await look_at_tls_port(stall, connect_timeout=0.02)
    assert fault == Fault(FaultKind.UNREACHABLE, "no connection to 127.0.0.1 in time")


# --- B: statuses that only a wire can show -----------------------------------------------------------------------


async def test_row_23_interim_responses_are_skipped() -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    assert (await reply_of(hints + b"HTTP/1.1 100 Continue\r\n\r\n" + http(JSON))).body == JSON


async def test_row_23_a_protocol_switch_that_nobody_asked_for() -> None:
    switch = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nx"
    async with served(switch, http(JSON)) as (server, transport):
        fault = await look(transport)
        assert isinstance(fault, Fault)
        assert fault.kind is FaultKind.UNREADABLE
        assert isinstance(await look(transport), Reply)
    assert server.connections == 2


@pytest.mark.parametrize("status", ["204 No Content", "205 Reset Content", "206 Partial Content"])
async def test_rows_24_25_statuses_without_a_whole_record(status: str) -> None:
    fault = await fault_of(http(b"" if status[:3] == "204" else JSON, status=status))
    assert (fault.kind, fault.http_status) == (FaultKind.UNREADABLE, int(status[:3]))


async def test_row_24_an_empty_200() -> None:
    assert await fault_of(http(b"")) == Fault(FaultKind.UNREADABLE, "the reply is empty", 200)


async def test_row_26_a_202_is_read() -> None:
    assert (await reply_of(http(JSON, status="202 Accepted"))).body == JSON


async def test_row_27_a_304_to_our_validator_and_one_to_nobodys() -> None:
    unchanged = http(b"", DATE, status="304 Not Modified")
    reply = await reply_of(unchanged, etag='"v1"')
    assert (reply.http_status, reply.body, reply.etag) == (304, b"", '"v1"')
    assert reply.server_time is not None
    assert (await fault_of(unchanged)).kind is FaultKind.UNREADABLE


@pytest.mark.parametrize("status", ["000 Odd", "600 Odd", "999 Odd"])
async def test_row_38_statuses_that_http_does_not_know(status: str) -> None:
    fault = await fault_of(http(JSON, status=status))
    assert (fault.kind, fault.http_status) == (FaultKind.UNREADABLE, int(status[:3]))


@pytest.mark.parametrize("headers", [("Content-Type: text/html",), ("Content-Type: application/json",), ()])
async def test_row_39_a_login_page(headers: tuple[str, ...]) -> None:
    fault = await fault_of(http(b"\r\n <!DOCTYPE html><form>", *headers))
    assert fault == Fault(FaultKind.UNREADABLE, "the reply is HTML, perhaps a login page", 200)


async def test_row_40_an_error_in_a_200_is_for_the_apis_reader() -> None:
    assert isinstance(await reply_of(http(b'{"error":{"code":"X"}}')), Reply)


async def test_an_error_in_the_apis_own_words() -> None:
    def reader(body: bytes) -> Problem:
        return Problem(body.decode(), "NO_SUCH", "req_body")

    fault = await fault_of(http(b"no job here", status="409 Conflict"), problem=reader)
    message = "the API refused the request: no job here"
    assert fault == Fault(FaultKind.REFUSED, message, 409, "NO_SUCH", "req_body")


@pytest.mark.parametrize("status", ["404 Not Found", "410 Gone"])
async def test_where_there_is_nothing_the_url_is_told_and_no_secret(status: str) -> None:
    redirect = http(b"", "Location: /wrong/other?sig=s3cr3t_sig", status="307 Temporary Redirect")
    for answers in ([http(b"{}", status=status)], [redirect, http(b"{}", status=status)]):
        async with RawServer(*answers) as server:
            transport = Transport(f"{server.url}/wrong", {}, secret_query=("key", "s3cr3t_key"))
            fault = await transport.get(transport.prepared("/jobs/s3cr3t_key%2Fj", "token=s3cr3t_query"))
            await transport.aclose()
        assert isinstance(fault, Fault)
        assert fault.url == f"{server.url}/wrong/jobs/***%2Fj", "what was asked, and not where that led"
        assert str(fault).endswith(f"(HTTP {status[:3]}, asked {fault.url})")
        assert "s3cr3t" not in repr(fault)


async def test_where_there_is_something_no_url_is_told() -> None:
    for status in ("401 Unauthorized", "409 Conflict", "503 Busy"):
        assert (await fault_of(http(b"{}", status=status))).url is None


async def test_an_error_whose_body_is_broken_is_still_that_error() -> None:
    for answer in (closing(http(b'{"a":', status="503 Busy", length=999)), http(b"x" * 9, status="503 Busy")):
        assert (await fault_of(answer, problem=lambda _: 1 / 0)).http_status == 503


async def test_an_error_whose_body_never_ends_is_still_that_error() -> None:
    endless_404 = endless(b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\n\r\n", b"x" * 65536)
    async with served(endless_404) as (server, transport):
        fault = await look(transport)
        async with at_most(1):
            await server.gone.wait()
    assert isinstance(fault, Fault)
    assert (fault.kind, fault.http_status) == (FaultKind.NOT_FOUND, 404)
    assert len(fault.message) < 300


async def test_a_large_error_is_not_called_a_large_reply() -> None:
    fault = await fault_of(http(b"x" * 20_000, status="410 Gone"), max_body=1000)
    assert (fault.kind, fault.http_status) == (FaultKind.GONE, 410)


# --- C: redirects -----------------------------------------------------------------------------------------------


def redirect(location: str, status: int = 307) -> bytes:
    return http(b"", f"Location: {location}", status=f"{status} Moved")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_rows_41_44_nothing_is_sent_to_another_origin(status: int) -> None:
    async with RawServer(http(JSON)) as other:
        target = f"{other.url}/steal?x={QUERY_KEY}"
        async with served(redirect(target, status)) as (server, transport):
            fault = await look(transport)
    message = f"redirected to another origin, {other.url}: not followed"
    assert fault == Fault(FaultKind.REFUSED, message, status)
    assert (len(server.requests), other.connections) == (1, 0)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_row_42_the_same_origin_is_followed_and_counted(status: int) -> None:
    hops = [redirect("/a", status), redirect("b?x=1", status), redirect("/c/../d", status)]
    async with served(*hops, http(JSON)) as (server, transport):
        assert isinstance(await look(transport), Reply)
        assert transport.requests == 4
    lines = [request.split(b"\r\n")[0] for request in server.requests]
    assert lines[:3] == [b"GET /jobs/job_1 HTTP/1.1", b"GET /a HTTP/1.1", b"GET /b?x=1 HTTP/1.1"]
    assert all(TOKEN.encode() in request for request in server.requests)


@pytest.mark.parametrize("paused_after", [1, 2, 9])
async def test_row_42_each_hop_waits_for_its_turn(paused_after: int) -> None:
    paused = Fault(FaultKind.RATE_LIMITED, "later", retry_after=60.0)
    turns = iter([None] * (paused_after - 1) + [paused] * 9)

    async def turn() -> Fault | None:
        return next(turns)

    async with served(redirect("/a"), redirect("/b"), redirect("/c"), http(JSON)) as (server, transport):
        answer = await transport.get(transport.prepared("/jobs/job_1"), turn=turn)
    assert answer == paused if paused_after < 9 else isinstance(answer, Reply)
    assert len(server.requests) == min(paused_after, 4)


async def test_row_45_a_loop_ends_after_three_hops() -> None:
    async with served(redirect("/jobs/job_1")) as (server, transport):
        assert await look(transport) == Fault(FaultKind.REFUSED, "more than 3 redirects")
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    "headers",
    [
        (),
        ("Location: ",),
        ("Location: javascript:alert(1)",),
        ("Location: file:///etc/passwd",),
        ("Location: http://user:secret@127.0.0.1/",),
        ("Location: /a b",),
        ("Location: /a\x07b",),
        ("Location: http://",),
        ("Location: http:/a",),
        ("Location: \\\\evil.example\\a",),
        ("Location: /a", "Location: /b"),
        ("Location: //[::1/",),
        ("Location: //::",),
        ("Location: https://a[]A@",),
        ("Location: ///a",),
    ],
)
async def test_row_46_a_location_that_leads_nowhere(headers: tuple[str, ...]) -> None:
    async with served(http(b"", *headers, status="302 Found")) as (server, transport):
        fault = await look(transport)
    assert isinstance(fault, Fault)
    assert fault.kind in {FaultKind.REFUSED, FaultKind.UNREADABLE}
    assert "secret" not in fault.message
    assert len(server.requests) == 1


async def test_row_47_the_body_of_a_redirect_is_never_read() -> None:
    bomb = endless(b"HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Encoding: gzip\r\n\r\n", b"x" * 65536)
    async with served(bomb, http(JSON)) as (server, transport):
        assert isinstance(await look(transport), Reply)
        async with at_most(1):
            await server.gone.wait()
    assert server.connections == 2


# --- D: headers -------------------------------------------------------------------------------------------------


async def test_rows_37_54_a_429_waits_as_long_as_it_says() -> None:
    rates = ("X-RateLimit-Remaining: 100", "X-RateLimit-Reset: 5")
    fault = await fault_of(http(b"", "Retry-After: 7", *rates, status="429 Slow Down"))
    assert (fault.kind, fault.retry_after) == (FaultKind.RATE_LIMITED, 7.0)


async def test_row_50_two_retry_afters_are_none() -> None:
    fault = await fault_of(http(b"", "Retry-After: 7", "Retry-After: 9", status="429 Slow Down"))
    assert fault.retry_after is None


@pytest.mark.parametrize(
    "headers",
    [
        [f"X-{number}: x" for number in range(200)],
        ["X: " + "x" * 9000],
        ["X" * 9000 + ": x"],
    ],
)
async def test_row_55_too_many_headers_or_too_long(headers: list[str]) -> None:
    assert await fault_of(http(JSON, *headers)) == Fault(FaultKind.UNREADABLE, "the reply is not valid HTTP")


@pytest.mark.parametrize(
    "headers",
    [
        ("Content-Length: 5",),
        ("Transfer-Encoding: chunked",),
        ("X: a\x00b",),
        ("X : a",),
        ("no colon",),
    ],
)
async def test_row_56_headers_that_contradict_each_other_or_http(headers: tuple[str, ...]) -> None:
    async with served(http(JSON, *headers), http(JSON)) as (server, transport):
        fault = await look(transport)
        assert isinstance(fault, Fault)
        assert fault.kind is FaultKind.UNREADABLE
        assert isinstance(await look(transport), Reply)
    assert server.connections == 2


async def test_row_57_bytes_after_the_response_are_nobodys() -> None:
    forged = b'{"id":"job_1","status":"Completed"}'
    async with served(http(JSON) + http(forged), http(b'{"n":2}')) as (_, transport):
        first, second = await look(transport), await look(transport)
        third = await look(transport)
    bodies = [answer.body for answer in (first, second, third) if isinstance(answer, Reply)]
    assert forged not in bodies
    assert b'{"n":2}' in bodies


@pytest.mark.parametrize("kind", ["text/html", "text/plain; charset=evil", "image/png", ""])
async def test_row_58_json_of_another_name_is_read(kind: str) -> None:
    assert (await reply_of(http(JSON, f"Content-Type: {kind}"))).body == JSON


async def test_row_59_cookies_are_not_kept() -> None:
    cookies = [f"Set-Cookie: c{number}=x" for number in range(100)]
    async with served(http(JSON, *cookies)) as (server, transport):
        await look(transport)
        await look(transport)
    assert b"cookie" not in server.requests[1].lower()


@pytest.mark.parametrize("coding", ["gzip", "deflate", "gzip, gzip", "x-unheard-of", "GZIP"])
async def test_row_60_a_content_coding_that_the_body_is_not_in_or_that_nobody_knows(coding: str) -> None:
    fault = await fault_of(http(JSON, f"Content-Encoding: {coding}"))
    assert fault.kind is FaultKind.UNREADABLE
    assert "content coding" in fault.message


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "GZIP", "identity, gzip"])
async def test_row_60_a_content_coding_that_was_not_asked_for_is_undone(coding: str) -> None:
    reply = await reply_of(http(gzip.compress(JSON), f"Content-Encoding: {coding}"))
    assert reply.body == JSON


async def test_row_60_an_event_that_is_packed_is_unpacked_whole() -> None:
    packed = gzip.compress(b"\ndata: " + JSON + b"\n\ndata: more\n\n", compresslevel=0)  # an event as it stands
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\n"
    head += b"Content-Length: %d\r\n\r\n" % len(packed)

    async def in_two(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head + packed[:-10])
        await writer.drain()
        await asyncio.sleep(0.01)
        writer.write(packed[-10:])

    assert (await reply_of(in_two)).body == JSON


async def test_row_60_the_body_of_an_error_is_unpacked_too_and_where_it_cannot_be_the_status_stands() -> None:
    packed = gzip.compress(b'{"message":"the disk is full"}')
    more = ("Content-Encoding: gzip", "Content-Type: application/json")
    assert "the disk is full" in (await fault_of(http(packed, *more, status="500 X"))).message
    damaged = await fault_of(http(packed[:-3], *more, status="500 X"))
    assert damaged == Fault(FaultKind.UNREACHABLE, "the API is in trouble", 500)
    bomb = gzip.compress(b'{"message":"the disk is full"}' + b" " * ERROR_BODY_CAP)
    refused = await fault_of(http(bomb, *more, status="401 X"))
    assert refused == Fault(FaultKind.AUTH, "the API refused the token", 401)
    # Where the status is a state, the rest of what it tells is wanted.
    state = await fault_of(http(packed[:-3], *more, status="422 X"), states=frozenset({422}), verdict=lambda *_: True)
    assert (state.kind, state.http_status) == (FaultKind.UNREADABLE, 422)


# --- E: bodies --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cut",
    [
        closing(http(JSON, length=len(JSON) + 1)),
        closing(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n" + JSON[:8] + b"\r\n"),
        closing(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n99\r\n" + JSON),
        closing(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n" + JSON[:8] + b"\r\n0\r\n"),
        resetting(http(JSON, length=len(JSON) + 1)),
    ],
)
async def test_row_61_a_body_that_was_cut_off(cut: Answer) -> None:
    fault = await fault_of(cut)
    assert fault.kind in {FaultKind.UNREADABLE, FaultKind.UNREACHABLE}
    assert "cut off" in fault.message or "was lost" in fault.message


async def test_row_61_chunks_of_no_length() -> None:
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-8\r\n" + JSON
    assert (await fault_of(answer)).kind is FaultKind.UNREADABLE


@pytest.mark.parametrize("keep", [50, -1, -8])
async def test_row_62_truncated_gzip_of_the_right_length_is_not_read(keep: int) -> None:
    packed = gzip.compress(JSON * 50)[:keep]
    assert (await fault_of(http(packed, "Content-Encoding: gzip"))).kind is FaultKind.UNREADABLE


async def test_row_63_a_truncated_body_that_only_the_end_of_the_connection_ends() -> None:
    # HTTP cannot tell. The half of a JSON document does not parse, which is the API reader's to find.
    assert (await reply_of(closing(b"HTTP/1.1 200 OK\r\n\r\n" + JSON[:9]))).body == JSON[:9]


@pytest.mark.parametrize(
    "packed",
    [
        pytest.param(gzip.compress(JSON) * 2 + b"x", id="row 64: concatenated, and more behind it"),
        pytest.param(gzip.compress(b"\0" * 50_000_000), id="row 65 and F3: bomb"),
        pytest.param(gzip.compress(b"") * 20_000, id="row 66: many empty members"),
    ],
)
async def test_rows_64_65_66_gzip_tricks_are_given_up_in_time(packed: bytes) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    fault = await fault_of(http(packed, "Content-Encoding: gzip"))
    assert fault.kind is FaultKind.UNREADABLE
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 8192


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(http(b"[" + b" " * 100_000 + b"]"), id="with its length"),
        pytest.param(
            endless(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", b" " * 65536), id="huge length"
        ),
        pytest.param(
            endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1000\r\n" + b" " * 4096 + b"\r\n"),
            id="chunks",
        ),
        pytest.param(
            endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n" * 4096), id="small chunks"
        ),
        pytest.param(endless(b"HTTP/1.1 200 OK\r\n\r\n", b" " * 65536), id="until the connection closes"),
    ],
)
async def test_row_67_a_body_over_the_cap(answer: Answer) -> None:
    async with served(answer, max_body=50_000) as (server, transport):
        fault = await look(transport)
        assert fault == Fault(FaultKind.UNREADABLE, f"the reply is too large: over 50000 bytes; {LARGER}", 200)
        if not isinstance(answer, bytes):
            async with at_most(1):
                await server.gone.wait()


async def test_row_67_a_small_body_over_a_smaller_cap() -> None:
    assert (await fault_of(http(JSON), max_body=len(JSON) - 1)).kind is FaultKind.UNREADABLE
    assert (await reply_of(http(JSON), max_body=len(JSON))).body == JSON


async def test_an_error_body_is_read_up_to_its_cap() -> None:
    seen: list[int] = []

    def reader(body: bytes) -> None:
        seen.append(len(body))

    await fault_of(http(b"x" * 300_000, status="400 Bad"), problem=reader)
    assert seen == [ERROR_BODY_CAP]


# --- F5: secrets ------------------------------------------------------------------------------------------------


class Everything(logging.Handler):
    """Every log record there is, formatted, with its exception."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.text = io.StringIO()
        self.setFormatter(logging.Formatter())

    def emit(self, record: logging.LogRecord) -> None:
        self.text.write(self.format(record) + "\n")


@pytest.fixture
def everything() -> Iterator[Everything]:
    handler = Everything()
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler
    root.removeHandler(handler)
    root.setLevel(level)


def told(error: BaseException, skip: str) -> str:
    """Return everything a crash reporter would send: frames with their locals, causes and contexts."""
    frames = traceback.TracebackException.from_exception(error, capture_locals=True)
    seen: list[str] = []
    while frames:
        # The test's own frames hold the canary, which is no finding.
        seen += [f"{frame.name} {frame.line} {frame.locals}" for frame in frames.stack if frame.name != skip]
        seen.append(str(frames))
        following = frames.__cause__ or frames.__context__
        assert following is not frames
        frames = following  # type: ignore[assignment]
    return "\n".join([*seen, repr(error), repr(error.args), str(error)])


BREAKAGES: list[Answer] = [
    http(JSON),
    http(
        f"key {TOKEN} and Bearer {TOKEN} and {QUERY_KEY} refused".encode(), "Content-Type: text/plain", status="401 No"
    ),
    http(TOKEN.encode(), f"X-Request-Id: {TOKEN}", "Content-Type: text/plain", status="500 Oops"),
    http(JSON, length=999),
    http(JSON, "Transfer-Encoding: chunked"),
    redirect(f"http://evil.example/?x={QUERY_KEY}"),
    redirect(f"/?api_key={QUERY_KEY}"),
    resetting(),
    silent(),
    closing(http(JSON, length=99)),
]


@pytest.mark.usefixtures("idle_clock")
@pytest.mark.parametrize("answer", BREAKAGES)
async def test_row_122_no_secret_in_what_comes_back_or_in_a_log(answer: Answer, everything: Everything) -> None:
    asyncio.get_running_loop().set_debug(True)
    async with served(answer, timeout=0.02) as (_, transport):
        target = transport.prepared("/jobs/job_1", f"api_key={QUERY_KEY}")
        came = await transport.get(target)
        shown = [repr(came), str(came), repr(transport), repr(target), everything.text.getvalue()]
    assert (TOKEN in str(shown), QUERY_KEY in str(shown)) == (False, False)


@pytest.mark.parametrize("answer", [silent(), silent(http(JSON, length=99))])
async def test_row_122_no_secret_in_the_traceback_of_a_cancelled_look(answer: Answer) -> None:
    async with served(answer) as (server, transport):
        target = transport.prepared("/jobs/job_1", f"api_key={QUERY_KEY}")
        looking = asyncio.create_task(transport.get(target))
        await server.asked()
        looking.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await looking
    shown = told(caught.value, "test_row_122_no_secret_in_the_traceback_of_a_cancelled_look")
    assert "get" in shown
    assert (TOKEN in shown, QUERY_KEY in shown) == (False, False)


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        (f"https://user:{TOKEN}@api.example.com", {}),
        (f"https://api.example.com?key={TOKEN}", {}),
        (f"https://api.example.com#{TOKEN}", {}),
        ("https://api.example.com", {"Authorization": f"Bearer {TOKEN}\n"}),
        ("https://api.example.com", {"Authorization": f"Bearer {TOKEN}é"}),
        (f"ftp://{TOKEN}:x@api.example.com", {}),
    ],
)
async def test_row_122_no_secret_in_the_traceback_of_a_wrong_configuration(url: str, headers: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as caught:
        Transport(url, headers)
    shown = told(caught.value, "test_row_122_no_secret_in_the_traceback_of_a_wrong_configuration")
    assert "__init__" in shown
    assert TOKEN not in shown


async def test_row_122_no_secret_in_what_the_session_is_made_of() -> None:
    async with served(http(JSON)) as (_, transport):
        await look(transport)
        assert TOKEN not in repr([vars(transport), fast.Head({"Authorization": TOKEN})])


async def test_row_122_no_exception_of_aiohttp_is_kept_alive_by_a_fault() -> None:
    async with served(closing(http(JSON, length=99))) as (_, transport):
        await look(transport)
        assert sys.exception() is None


# --- F7: the set of outcomes is closed --------------------------------------------------------------------------


def every_exception() -> list[BaseException]:
    info = aiohttp.RequestInfo(url=None, method="GET", headers=None, real_url=None)  # type: ignore[arg-type]
    return [
        aiohttp.ClientResponseError(info, (), headers=None),
        aiohttp.ClientPayloadError(TOKEN),
        aiohttp.ServerDisconnectedError(TOKEN),
        aiohttp.ClientOSError(5, TOKEN),
        aiohttp.SocketTimeoutError(TOKEN),
        aiohttp.ServerFingerprintMismatch(b"a", b"b", "h", 1),
        aiohttp.InvalidURL(f"http://{TOKEN}"),
        aiohttp.TooManyRedirects(info, ()),
        aiohttp.ClientError(TOKEN),
        aiohttp.http_exceptions.BadStatusLine(TOKEN),
        TimeoutError(TOKEN),
        OSError(13, TOKEN),
        UnicodeError(TOKEN),
        RecursionError(TOKEN),
        MemoryError(TOKEN),
        RuntimeError(TOKEN),
        ssl.SSLError(1, TOKEN),
        AssertionError(TOKEN),
    ]


@pytest.mark.parametrize("error", every_exception(), ids=lambda error: type(error).__name__)
async def test_f7_every_exception_becomes_a_fault(error: Exception) -> None:
    transport = Transport("http://api.example.com", {})
    with aioresponses() as stand_in:
        stand_in.get("http://api.example.com/jobs/job_1", exception=error)
        fault = await look(transport)
    await transport.aclose()
    assert isinstance(fault, Fault)
    assert fault.kind in {FaultKind.UNREACHABLE, FaultKind.UNREADABLE}
    assert TOKEN not in str(fault)


async def test_aioresponses_can_stand_in() -> None:
    transport = Transport("http://api.example.com", {})
    with aioresponses() as stand_in:
        stand_in.get("http://api.example.com/jobs/job_1", body=JSON, response_class=Response, headers={"ETag": '"v1"'})
        stand_in.get("http://api.example.com/jobs/job_1", status=410, body="{}", response_class=Response)
        first, second = await look(transport), await look(transport)
    await transport.aclose()
    assert first == Reply(200, JSON, '"v1"', content_type="application/json")
    gone, url = "the API does not know this job any more: {}", "http://api.example.com/jobs/job_1"
    assert second == Fault(FaultKind.GONE, gone, 410, url=url)


# --- cancelling, closing, time ----------------------------------------------------------------------------------


def left_over() -> tuple[int, int]:
    """Return how many other tasks and how many live timers there are."""
    loop = asyncio.get_running_loop()
    timers = [timer for timer in getattr(loop, "_scheduled", []) if not timer.cancelled()]
    return len(asyncio.all_tasks()) - 1, len(timers)


async def test_row_109_a_cancel_at_any_step_leaves_nothing() -> None:
    ends: set[str] = set()
    async with RawServer(dribbling(http(JSON), 0.0)) as server:
        for steps in range(60):
            transport = Transport(server.url, {})
            looking = asyncio.create_task(look(transport))
            for _ in range(steps):
                await asyncio.sleep(0)
            looking.cancel()
            try:
                ends.add(type(await looking).__name__)
            except asyncio.CancelledError:
                ends.add("cancelled")
            await transport.aclose()
            assert not len(transport._limits)
    await asyncio.sleep(0.01)
    assert "cancelled" in ends
    assert ends <= {"cancelled", "Reply"}
    assert left_over() == (0, 0)


async def test_a_cancelled_look_closes_its_connection() -> None:
    async with served(silent(http(JSON, length=99))) as (server, transport):
        looking = asyncio.create_task(look(transport))
        await server.asked()
        looking.cancel("because")
        with pytest.raises(asyncio.CancelledError, match="because"):
            await looking
        async with at_most(1):
            await server.gone.wait()


@pytest.mark.usefixtures("idle_clock")
async def test_a_timeout_of_the_callers_is_the_callers() -> None:
    async with served(silent(), timeout=0.05) as (_, transport):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await look(transport)
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        assert isinstance(await look(transport), Fault)
        assert task.cancelling() == 0


async def test_a_cancel_in_the_tick_of_the_timeout_wins() -> None:
    async with served(silent()) as (server, transport):
        looking = asyncio.create_task(look(transport))
        await server.asked()
        transport._limits._ring(LateLoop(asyncio.get_running_loop()))  # type: ignore[arg-type]
        looking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await looking


class LateLoop:
    """A loop on which it is an hour later."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.time: Callable[[], float] = lambda: loop.time() + 3600


@pytest.mark.usefixtures("idle_clock")
async def test_looks_that_start_apart_time_out_apart() -> None:
    loop = asyncio.get_running_loop()

    async def timed(transport: Transport) -> float:
        begun = loop.time()
        assert isinstance(await look(transport), Fault)
        return loop.time() - begun

    async with served(silent(), timeout=0.04) as (_, transport):
        looks = []
        for _ in range(5):
            looks.append(asyncio.create_task(timed(transport)))
            await asyncio.sleep(0.01)
        lengths = [await one for one in looks]
    assert lengths == pytest.approx([0.04] * 5)


async def test_closing_ends_the_looks_in_flight() -> None:
    async with RawServer(silent()) as server:
        transport = Transport(server.url, {}, max_connections=2)
        looks = [asyncio.create_task(look(transport)) for _ in range(5)]
        await server.asked(2)
        await transport.aclose()
        closed = Fault(FaultKind.UNREACHABLE, "the client is closed")
        assert [await one for one in looks] == [closed] * 5
        assert await look(transport) == closed
    await asyncio.sleep(0.005)
    assert left_over() == (0, 0)


async def test_row_21_no_more_connections_than_allowed() -> None:
    async with served(http(JSON), max_connections=3) as (server, transport):
        answers = await asyncio.gather(*(look(transport) for _ in range(20)))
    assert all(isinstance(answer, Reply) for answer in answers)
    assert server.connections <= 3


# --- what may become a URL --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("job_id", "encoded"),
    [
        ("job_01", "job_01"),
        ("a/b", "a%2Fb"),
        ("../admin", "..%2Fadmin"),
        ("a?b#c", "a%3Fb%23c"),
        ("%2e%2e", "%252e%252e"),
        ("//evil/x", "%2F%2Fevil%2Fx"),
        ("a$b:c;d@e", "a%24b%3Ac%3Bd%40e"),
        ("é", "%C3%A9"),
        ("...", "..."),
        ("a b", "a%20b"),
    ],
)
async def test_row_122_an_id_is_exactly_one_segment(job_id: str, encoded: str) -> None:
    assert segment(job_id) == encoded
    async with served(http(JSON)) as (server, transport):
        await transport.get(transport.prepared(f"/v1/jobs/{segment(job_id)}/x"))
    assert server.requests[0].startswith(f"GET /v1/jobs/{encoded}/x HTTP/1.1\r\n".encode())


@pytest.mark.parametrize(
    "job_id", ["", ".", "..", "a\r\nb", "a\x00", "a\x7f", "\u202ea", "a\u200b", "\ud800", "a" * 1025]
)
def test_row_122_ids_that_no_api_gives(job_id: str) -> None:
    with pytest.raises(ConfigError):
        segment(job_id)


@pytest.mark.parametrize(
    "path",
    [
        *("", "jobs", "/a/../b", "/.", "/a?b", "/a#b", "/a b", "/a\r\nb", "/é", "/a\\b", "/..", "/a/.", "/a/./b"),
        *("/%2E%2E/a", "/a/%2e", "/a/.%2e/b", "/a%", "/a%zz"),
    ],
)
async def test_a_path_that_is_not_encoded(path: str) -> None:
    with pytest.raises(ConfigError):
        Transport("http://api.example.com/v1", {}).prepared(path)


@pytest.mark.parametrize("path", ["/", "/a/...", "/a//b/", "/.well-known/a..b/c.", "/%2E%2Ea/a:b@c;d=(e)!$&'*+,~"])
async def test_a_path_that_is_sent_as_it_is(path: str) -> None:
    async with served(http(JSON)) as (server, transport):
        await transport.get(transport.prepared(path))
    assert server.requests[0].startswith(f"GET {path} HTTP/1.1\r\n".encode())


@pytest.mark.parametrize("query", ["a b", "a#b", "a\r\nb", "é"])
async def test_a_query_that_is_not_encoded(query: str) -> None:
    with pytest.raises(ConfigError):
        Transport("http://api.example.com/v1", {}).prepared("/a", query)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.example.com",
        "ftp://api.example.com",
        "http://",
        "http://u@api.example.com",
        "http://api.example.com?a",
        "http://api.example.com#a",
        "http://api..example.com",
        "http://api.example.com:99999",
        "http://api.example.com:x",
        "http://api.exa\nmple.com",
        "http://api.example.com/a b",
        "http://api.example.com/a/../b",
        "http://[::1",
        "http://a%41",
        "http://\u202eapi.example.com",
    ],
)
def test_base_urls_that_cannot_be_used(url: str) -> None:
    with pytest.raises(ConfigError):
        Transport(url, {})


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("https://bücher.example/v1/", "https://xn--bcher-kva.example/v1"),
        ("HTTPS://Api.Example.com:443/V1", "https://api.example.com/V1"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://localhost", "http://localhost"),
        ("http://api.example.com./a%2Fb", "http://api.example.com./a%2Fb"),
    ],
)
def test_base_urls_that_can_be_used(url: str, base: str) -> None:
    transport = Transport(url, {})
    assert repr(transport) == f"Transport({base!r})"
    assert str(transport.prepared("/x").url) == f"{base}/x"


@pytest.mark.parametrize("name", ["Host", "content-length", "Transfer-Encoding", "Accept-Encoding", "a b", "", "a\n"])
def test_headers_that_the_caller_cannot_set(name: str) -> None:
    with pytest.raises(ConfigError):
        Transport("http://api.example.com", {name: "x"})


@pytest.mark.parametrize("value", ["", " x", "x\n", "x\r\nY: z", "x\x00", "é"])
def test_header_values_that_cannot_be_sent(value: str) -> None:
    with pytest.raises(ConfigError, match="Authorization"):
        Transport("http://api.example.com", {"Authorization": value})
