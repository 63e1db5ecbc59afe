"""A stream that floods: a client drops it soon, and learns of the job's end by looks."""

from __future__ import annotations

import asyncio

import pytest

import jobwatch
from jobwatch._http.sse import EVENT_CAP

from .raw_server import RawServer, http

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
PACE = jobwatch.Pace(min_interval=0.05, max_interval=0.1)
ROOM = 16 * 1024 * 1024
"""How much the kernel and the client's own buffers may hold of what nobody has read, in bytes, and more."""


class Flooding:
    """A server whose job runs until its stream was dropped, and whose stream brings one block without end.

    Attributes:
        sent: How many bytes of the stream the client, or the kernel for it, has taken.
        dropped: How many streams the client has closed.
    """

    def __init__(self, block: bytes) -> None:
        self.sent = self.dropped = 0
        self._block = block
        self.server = RawServer(self._answer)

    async def _answer(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if b"/stream " not in self.server.requests[-1].partition(b"\r\n")[0]:
            status = b"COMPLETED" if self.dropped else b"RUNNING"
            writer.write(http(b'{"data":{"id":"j","status":"%b"}}' % status))
            await writer.drain()
            return
        writer.write(HEAD)
        try:
            while True:
                writer.write(self._block)
                await writer.drain()
                self.sent += len(self._block)
        finally:
            self.dropped += 1


@pytest.mark.parametrize(
    "block",
    [
        b":\n" * 8192,
        b"\r" * 16_384,
        b"x" * 16_384,
        b'data: {"status":"COMPLETED"}\n\n' * 500,
        b": " + b"y" * 9000 + b"\n",
    ],
    ids=["comments", "line ends", "one line", "ends", "long comments"],
)
async def test_row_102_a_stream_that_floods_is_dropped_and_the_end_is_learned_by_looks(block: bytes) -> None:
    flooding = Flooding(block)
    async with (
        flooding.server,
        jobwatch.Client("bedrock", token="sk_test", base_url=flooding.server.url, pace=PACE) as client,
    ):
        changes = [change async for change in client.wait_for("j", timeout=20)]
    assert [change.status for change in changes] == ["RUNNING", "COMPLETED"]
    assert flooding.dropped == 1, "and none is opened again soon"
    assert flooding.sent < 2 * EVENT_CAP + ROOM
