"""A look that has no answer yet: how far it is, as whoever gives it up is told."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import trustme

from jobwatch._http.idle import how_far
from jobwatch._http.progress import Progress
from jobwatch._http.proxies import proxy_for
from jobwatch._http.transport import Transport
from jobwatch._reading.reply import Reply

from .first_looks import begin_all_without_aiohttp
from .raw_server import RawServer, Script, dribbling, http, silent
from .test_transport import deaf


@asynccontextmanager
async def looking(transport: Transport) -> AsyncIterator[Callable[[], str | None]]:
    """Make a look, and give what says how far it is once it has had a moment; then give it up."""
    loop = asyncio.get_running_loop()
    since = loop.time()
    look = asyncio.ensure_future(transport.get(transport.prepared("/jobs/job_1")))
    await asyncio.sleep(0.04)
    assert not look.done()
    try:
        yield lambda: transport.how_far(look, since)
    finally:
        look.cancel()
        await asyncio.wait([look])
        await transport.aclose()


unhurried = pytest.mark.usefixtures("idle_clock")
kinds = pytest.mark.parametrize("way", ["fast", "session"])


@pytest.fixture(params=[False, True], ids=["", "first"])
def is_first(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the look is one that is made without aiohttp."""
    if request.param:
        begin_all_without_aiohttp(monkeypatch)
    return bool(request.param)


first_too = pytest.mark.usefixtures("is_first")


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n{"


@unhurried
@kinds
@first_too
@pytest.mark.parametrize(
    ("script", "told"),
    [
        (silent(), "127.0.0.1 took the connection and did not answer"),
        (silent(HEAD[:10]), "127.0.0.1 began to answer, and the answer did not end"),
        (silent(HEAD), "127.0.0.1 began to answer, and the answer did not end"),
        (dribbling(HEAD + b" " * 100, 0.01), "127.0.0.1 began to answer, and the answer did not end"),
    ],
    ids=["nothing", "half a head", "half a body", "a byte at a time"],
)
async def test_a_server_that_takes_the_connection(
    monkeypatch: pytest.MonkeyPatch, script: Script, told: str, way: str
) -> None:
    monkeypatch.setattr("jobwatch._http.fast.is_stock", lambda: way == "fast")
    async with RawServer(script) as server, looking(Transport(server.url, {})) as so_far:
        assert so_far() == told


@unhurried
@kinds
async def test_it_counts_from_the_look_on_where_the_connection_was_kept(
    monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr("jobwatch._http.fast.is_stock", lambda: way == "fast")
    async with RawServer(http(b"{}"), silent()) as server:
        transport = Transport(server.url, {})
        assert isinstance(await transport.get(transport.prepared("/jobs/job_1")), Reply)
        async with looking(transport) as so_far:
            assert so_far() == "127.0.0.1 took the connection and did not answer"


@unhurried
@first_too
async def test_no_connection() -> None:
    with deaf() as port:
        async with looking(Transport(f"http://127.0.0.1:{port}", {})) as so_far:
            assert so_far() == "127.0.0.1 did not take the connection"


@unhurried
@first_too
async def test_no_tls() -> None:
    async with RawServer(silent()) as server, looking(Transport(f"https://127.0.0.1:{server.port}", {})) as so_far:
        assert so_far() == "127.0.0.1 took the connection and did not answer the TLS handshake"


@unhurried
@first_too
async def test_tls_and_then_nothing() -> None:
    authority = trustme.CA()
    server_tls, client_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server_tls)
    authority.configure_trust(client_tls)
    async with (
        RawServer(silent(), tls=server_tls) as server,
        looking(Transport(server.url, {}, tls=client_tls)) as so_far,
    ):
        assert so_far() == "127.0.0.1 took the connection and did not answer"


@first_too
async def test_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(10) and [])
    try:
        async with looking(Transport("http://api.example.com", {})) as so_far:
            assert so_far() == "no address was found for api.example.com"
    finally:
        over.set()


@unhurried
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_says_nothing(scheme: str) -> None:
    async with RawServer(silent()) as proxy:
        given = proxy_for(f"{scheme}://api.example.com", proxy.url, {})
        async with looking(Transport(f"{scheme}://api.example.com", {}, proxy=given)) as so_far:
            assert so_far() == f"the proxy 127.0.0.1:{proxy.port} took the connection and did not answer"


@unhurried
async def test_another_version_of_aiohttp_may_make_its_connections_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobwatch._http.idle.carry_by", lambda *_: None)
    async with RawServer(silent()) as server, looking(Transport(server.url, {})) as so_far:
        assert so_far() == "127.0.0.1 did not answer", "nobody knows whether there is a connection"


@unhurried
async def test_somebody_elses_look_is_not_told() -> None:
    async with RawServer(silent()) as server:
        transport = Transport(server.url, {})
        assert transport.how_far(asyncio.current_task(), 0.0) is None
        async with looking(transport):
            assert transport.how_far(asyncio.current_task(), 0.0) is None


def carrier(
    since: float, *, asker: object = "me", connected: bool = True, requests: int = 1, heard: bool = False
) -> Any:
    return SimpleNamespace(
        asker=asker, since=since, transport=object() if connected else None, requests=requests, has_heard=heard
    )


def test_the_latest_connection_of_this_very_look_counts() -> None:
    before, others = carrier(1.0, heard=True), carrier(9.0, asker="another", heard=True)
    assert how_far([before, others], "me", 5.0) is Progress.UNCONNECTED
    assert how_far([before, others, carrier(5.0)], "me", 5.0) is Progress.ASKED
    assert how_far([carrier(6.0), carrier(7.0, connected=False, requests=0)], "me", 5.0) is Progress.CONNECTED
    assert how_far([carrier(6.0, requests=0)], "me", 5.0) is Progress.TUNNELLING
    assert how_far([carrier(6.0, heard=True)], "me", 5.0) is Progress.ANSWERING
