"""A response that nobody asked for is never read: a raw server sends one more, at every moment between two requests."""

from __future__ import annotations

import asyncio
import json
import ssl

import pytest
import trustme

from jobwatch._http.transport import Transport
from jobwatch._models import Fault
from jobwatch._reading.reply import Reply

from .raw_server import RawServer, Script

SURPLUS = {
    "another end": (200, {"id": "B", "status": "succeeded"}),
    "gone": (410, {"e": 1}),
    "refused": (401, {"e": 1}),
    "tired of waiting": (408, {"e": 1}),
}


def answer(body: object, status: int = 200) -> bytes:
    told = json.dumps(body).encode()
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nContent-Type: application/json\r\n\r\n%b" % (
        status,
        len(told),
        told,
    )


def then(first: bytes, seconds: float, surplus: bytes) -> Script:
    """Answer, and some seconds later send one more response."""

    async def script(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        await writer.drain()
        await asyncio.sleep(seconds)
        writer.write(surplus)
        await writer.drain()

    return script


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


async def asked_for_b(server: RawServer, url: str, tls: ssl.SSLContext | None, pause: float) -> Reply | Fault:
    """Ask for A, wait, and ask for B; return what came for B."""
    transport = Transport(url, {}, tls=tls)
    try:
        first = await transport.get(transport.prepared("/A"))
        assert isinstance(first, Reply)
        await asyncio.sleep(pause)
        return await transport.get(transport.prepared("/B"))
    finally:
        await transport.aclose()


@pytest.mark.slow
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("fast", [False, True], ids=["session", "fast"])
@pytest.mark.parametrize("after", [0.0, 0.002, 0.01])
@pytest.mark.parametrize("kind", SURPLUS)
async def test_a_late_second_response_is_not_the_next_jobs(
    monkeypatch: pytest.MonkeyPatch, authority: trustme.CA, *, kind: str, after: float, fast: bool, secure: bool
) -> None:
    if not fast:
        monkeypatch.setattr("jobwatch._http.fast.is_stock", lambda: False)
    status, body = SURPLUS[kind]
    running = {"id": "B", "status": "running"}
    serving = trusting = None
    if secure:
        serving, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
        authority.issue_cert("127.0.0.1").configure_cert(serving)
        authority.configure_trust(trusting)
    late = then(answer({"id": "A", "status": "running"}), after, answer(body, status))
    async with RawServer(late, answer(running), tls=serving) as server:
        url = f"http{'s' if secure else ''}://127.0.0.1:{server.port}"
        seen = await asked_for_b(server, url, trusting, pause=after + 0.02)
        assert isinstance(seen, Reply), seen
        assert json.loads(seen.body) == running
        assert [head.split(b" ")[1] for head in server.requests] == [b"/A", b"/B"], "B was asked for, once"
        assert server.connections == 2


async def test_bytes_that_the_loop_has_not_read_yet_count_too() -> None:
    late = then(answer({"id": "A", "status": "running"}), 0.0, answer({"id": "B", "status": "failed"}))
    async with RawServer(late, answer({"id": "B", "status": "running"})) as server:
        transport = Transport(f"http://127.0.0.1:{server.port}", {})
        assert isinstance(await transport.get(transport.prepared("/A")), Reply)
        await asyncio.sleep(0)  # far too short for the loop to see what comes
        seen = await transport.get(transport.prepared("/B"))
        await transport.aclose()
        assert isinstance(seen, Reply)
        assert json.loads(seen.body)["status"] == "running"


async def test_no_more_connections_are_tried_than_were_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobwatch._http.idle.Carrier.is_quiet", lambda _: False)
    async with RawServer(answer({})) as server:
        transport = Transport(f"http://127.0.0.1:{server.port}", {}, max_connections=2)
        seen = await transport.get(transport.prepared("/A"))
        await transport.aclose()
        assert isinstance(seen, Fault)
        assert seen.message == "the server sends responses that nobody asked for"
        assert (server.requests, server.connections) == ([], 3)
