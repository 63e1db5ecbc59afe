"""A reply that is framed as one server-sent event is read as its data, and the stream is closed."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from jobwatch import Client, FaultKind, Phase, UnreadableReply
from jobwatch._http.sse import first_data
from tests.table.test_table import MINIMAL, client, table
from tests.table_server import TableServer, in_order

EVENTS = {"Content-Type": "text/event-stream; charset=utf-8"}


@pytest.mark.parametrize(
    ("body", "data"),
    [
        (b'event: message\ndata: {"a":1}\n\n', b'{"a":1}'),
        (b": hello\n\ndata: {\ndata: }\n\ndata: 2\n\n", b"{\n}"),
        (b"\r\ndata:1\r\n\r\n", b"1"),
        (b"event: ping\n\ndata: x\n\n", b"x"),
        (b"data: unfinished", b""),
        (b"", b""),
    ],
)
def test_the_first_event_with_data_counts(body: bytes, data: bytes) -> None:
    assert first_data(body) == data


async def test_a_reply_may_come_as_one_event() -> None:
    answers = in_order(
        *((200, f'event: message\ndata: {{"status":"{word}"}}\n\n', EVENTS) for word in ("queued", "passed"))
    )
    async with TableServer(answers) as server, client(server, table(MINIMAL)) as own:
        assert (await own.wait_for("j", timeout=5)).phase is Phase.SUCCEEDED


async def test_a_stream_that_stays_open_is_read_to_its_first_event_and_closed() -> None:
    closed = asyncio.Event()

    async def served(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers=EVENTS)
        await response.prepare(request)
        await response.write(b': hi\n\ndata: {"status":')
        await asyncio.sleep(0.01)
        await response.write(b'"passed"}\n\n')
        try:
            while True:
                await response.write(b": still here\n\n")
                await asyncio.sleep(0.005)
        except ConnectionError:
            closed.set()
            raise

    runner = web.ServerRunner(web.Server(served, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with Client(table(MINIMAL), base_url=url) as own:
            assert (await own.wait_for("j", timeout=5)).phase is Phase.SUCCEEDED
            await asyncio.wait_for(closed.wait(), 5)
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("body", [b"data: unfinished", b": nothing\n\n", b"data: <html>\n\n"])
async def test_events_that_tell_nothing_are_no_reply(body: bytes) -> None:
    async with TableServer(in_order((200, body, EVENTS))) as server, client(server, table(MINIMAL)) as own:
        with pytest.raises(UnreadableReply) as caught:
            await own.job("j")
    assert caught.value.fault.kind is FaultKind.UNREADABLE


async def test_comments_without_end_are_too_large() -> None:
    flood = b": a comment\n\n" * 100_000
    async with TableServer(in_order((200, flood, EVENTS))) as server, client(server, table(MINIMAL)) as own:
        with pytest.raises(UnreadableReply, match="too large"):
            await own.job("j")
