"""A server that costs next to nothing, so that what is measured is the client: fixed replies from a process of its own.

Run with ``python -m benchmarks.look_server RUNNING ENDED LOOKS [TRIP]``: it prints its port, answers the first LOOKS
requests of a path with the body RUNNING and later ones with ENDED; ``@`` in either stands for the last segment of the
path. Answers go out TRIP seconds later, if that is given.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter

_HEAD = (
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: Fri, 02 Jan 2026 03:05:06 GMT\r\n"
    "X-Request-Id: req_01JABCD123\r\nX-RateLimit-Limit: 1000000\r\nX-RateLimit-Remaining: 999999\r\n"
    "X-RateLimit-Reset: 1\r\nContent-Length: %d\r\n\r\n"
)


class Replies(asyncio.Protocol):
    """One connection."""

    def __init__(self, running: bytes, ended: bytes, looks: int, seen: Counter[bytes], trip: float) -> None:
        self._trip = trip
        self._running = running
        self._ended = ended
        self._looks = looks
        self._seen = seen
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every whole request."""
        self._rest += data
        while b"\r\n\r\n" in self._rest:
            head, _, rest = self._rest.partition(b"\r\n\r\n")
            _, told, length = head.lower().partition(b"content-length:")
            size = int(length.split(b"\r\n", 1)[0]) if told else 0
            if len(rest) < size:
                return
            self._rest = rest[size:]
            self._answer(head.split(b" ", 2)[1])

    def _answer(self, path: bytes) -> None:
        self._seen[path] += 1
        body = self._running if self._seen[path] <= self._looks else self._ended
        body = body.replace(b"@", path.partition(b"?")[0].rpartition(b"/")[2])
        answer = (_HEAD % len(body)).encode() + body
        if self._trip:
            asyncio.get_running_loop().call_later(self._trip, self._transport.write, answer)
        else:
            self._transport.write(answer)


async def _serve(running: str, ended: str, looks: str, trip: str = "0") -> None:
    seen: Counter[bytes] = Counter()
    server = await asyncio.get_running_loop().create_server(
        lambda: Replies(running.encode(), ended.encode(), int(looks), seen, float(trip)), "127.0.0.1", 0
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(*sys.argv[1:]))
