"""A stream read by the transport from a server that sends whatever bytes it likes; the rows are the catalogue's."""

from __future__ import annotations

import asyncio
import traceback

import pytest

from jobwatch._http.transport import Transport
from jobwatch._models import Fault, FaultKind
from tests.conftest import at_most

from .raw_server import RawServer, Script, closing, dribbling, http, resetting, silent

TOKEN = "sk_canary_0123456789"
EVENTS = b"event: status\ndata: {}\n\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
TO_CLOSE = HEAD + b"Connection: close\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def followed(
    answer: bytes | Script, *, silence: float = 5.0, enough: int | None = None
) -> tuple[Fault | None, bytes, RawServer]:
    """Follow what a server sends, and return how it ended and what was heard."""
    heard = bytearray()

    def hear(piece: bytes) -> bool:
        heard.extend(piece)
        return enough is None or len(heard) < enough

    async with RawServer(answer) as server:
        transport = Transport(server.url, {"Authorization": f"Bearer {TOKEN}"}, connect_timeout=1.0)
        try:
            fault = await transport.follow(transport.prepared("/jobs/j/stream"), hear, silence=silence)
            assert transport.requests == 1 == len(server.requests)
        finally:
            await transport.aclose()
    return fault, bytes(heard), server


async def test_a_stream_is_asked_for_as_one_and_read_to_its_end() -> None:
    fault, heard, server = await followed(CHUNKED + chunk(EVENTS) + chunk(EVENTS) + chunk(b""))
    assert (fault, heard) == (None, EVENTS * 2)
    [head] = server.requests
    assert b"GET /jobs/j/stream HTTP/1.1" in head
    assert b"Accept: text/event-stream" in head
    assert b"Accept-Encoding: identity" in head
    assert TOKEN.encode() in head


async def test_row_63_a_stream_that_the_close_ends_is_read_to_there() -> None:
    assert (await followed(closing(TO_CLOSE + EVENTS + b"event: half")))[:2] == (None, EVENTS + b"event: half")


async def test_pieces_are_handed_on_as_they_come() -> None:
    fault, heard, _ = await followed(dribbling(CHUNKED + chunk(EVENTS) + chunk(b""), 0.0))
    assert (fault, heard) == (None, EVENTS)


async def test_reading_ends_when_enough_was_heard() -> None:
    fault, heard, server = await followed(silent(CHUNKED + chunk(EVENTS)), enough=5)
    assert (fault, heard) == (None, EVENTS)
    assert server.gone.is_set() or server.connections == 1


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (http(b"{}", "Content-Type: application/json"), FaultKind.REFUSED),
        (http(b"<html>", "Content-Type: text/html"), FaultKind.REFUSED),
        (http(b"", status="204 No Content"), FaultKind.REFUSED),
        (http(b"", "Location: /elsewhere", status="307 Temporary Redirect"), FaultKind.REFUSED),
        (http(b"", status="401 Unauthorized"), FaultKind.AUTH),
        (http(b"", status="404 Not Found"), FaultKind.NOT_FOUND),
        (http(b"", status="405 Method Not Allowed"), FaultKind.REFUSED),
        (http(b"", status="429 Too Many Requests"), FaultKind.RATE_LIMITED),
        (http(b"", status="503 Service Unavailable"), FaultKind.UNREACHABLE),
        (closing(CHUNKED + chunk(EVENTS)), FaultKind.UNREADABLE),
        (closing(b""), FaultKind.UNREACHABLE),
        (resetting(), FaultKind.UNREACHABLE),
        (closing(b"not HTTP\r\n\r\n"), FaultKind.UNREADABLE),
    ],
)
async def test_row_101_what_is_no_stream_or_breaks_off_is_a_fault(answer: bytes | Script, kind: FaultKind) -> None:
    fault, _, _ = await followed(answer)
    assert fault is not None
    assert fault.kind is kind
    assert TOKEN not in str(fault)


async def test_row_37_the_pause_that_a_refused_stream_asks_for_is_told() -> None:
    fault, _, _ = await followed(http(b"", "Retry-After: 7", status="429 Too Many Requests"))
    assert fault is not None
    assert fault.retry_after == 7.0


@pytest.mark.parametrize("answer", [silent(), silent(CHUNKED), silent(CHUNKED + chunk(EVENTS))])
async def test_row_104_silence_ends_a_stream(answer: Script) -> None:
    fault, _, _ = await followed(answer, silence=0.03)
    assert fault is not None
    assert fault.kind is FaultKind.UNREACHABLE


async def test_no_stream_is_asked_for_once_the_transport_is_closed() -> None:
    async with RawServer(http()) as server:
        transport = Transport(server.url, {})
        await transport.aclose()
        fault = await transport.follow(transport.prepared("/x"), lambda _piece: True, silence=1.0)
        assert fault is not None
        assert server.requests == []


@pytest.mark.parametrize("answer", [silent(), silent(CHUNKED), silent(CHUNKED + chunk(EVENTS))])
async def test_row_109_a_cancelled_stream_leaves_no_connection_and_its_traceback_no_token(answer: Script) -> None:
    async with RawServer(answer) as server:
        transport = Transport(server.url, {"Authorization": f"Bearer {TOKEN}"})
        target = transport.prepared("/x")
        following = asyncio.ensure_future(transport.follow(target, lambda _piece: True, silence=5.0))
        await server.asked()
        await asyncio.sleep(0.01)
        following.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await following
        told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
        assert TOKEN not in "".join(told.format())
        async with at_most(1):
            await server.gone.wait()
        await transport.aclose()
