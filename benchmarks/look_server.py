"""A server that costs next to nothing, so that what is measured is the client: fixed replies from a process of its own.

Run with ``python -m benchmarks.look_server RUNNING ENDED LOOKS [TRIP]``: it prints its port, answers the first LOOKS
requests of a path with the body RUNNING and later ones with ENDED. In either, ``@`` stands for the last segment of the
path, and ``~`` for a time: the same in every reply, or with ``--changing`` a second later in each than in the one
before, as with a heartbeat or progress. Answers go out TRIP seconds later, if that is given. With ``--tls FOLDER`` it
speaks TLS, and leaves the certificate to trust there as ``ca.pem``.
"""

from __future__ import annotations

import argparse
import asyncio
import ssl
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

_HEAD = (
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: Fri, 02 Jan 2026 03:05:06 GMT\r\n"
    "X-Request-Id: req_01JABCD123\r\nX-RateLimit-Limit: 1000000000\r\nX-RateLimit-Remaining: 999999999\r\n"
    "X-RateLimit-Reset: 1\r\nContent-Length: %d\r\n\r\n"
)

_UPDATED = datetime(2026, 1, 2, 3, 5, 5, tzinfo=UTC)


class Replies(asyncio.Protocol):
    """One connection."""

    def __init__(
        self, running: bytes, ended: bytes, looks: int, seen: Counter[bytes], trip: float, *, changing: bool
    ) -> None:
        self._trip = trip
        self._changing = changing
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
        at = _UPDATED + timedelta(seconds=self._seen[path] if self._changing else 0)
        body = body.replace(b"@", path.partition(b"?")[0].rpartition(b"/")[2])
        body = body.replace(b"~", at.strftime("%Y-%m-%dT%H:%M:%SZ").encode())
        answer = (_HEAD % len(body)).encode() + body
        if self._trip:
            asyncio.get_running_loop().call_later(self._trip, self._transport.write, answer)
        else:
            self._transport.write(answer)


def _context(folder: Path) -> ssl.SSLContext:
    import trustme

    ca = trustme.CA()
    ca.cert_pem.write_to_path(folder / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    return context


async def _serve(running: str, ended: str, looks: int, trip: float, *, changing: bool, tls: Path | None) -> None:
    seen: Counter[bytes] = Counter()
    server = await asyncio.get_running_loop().create_server(
        lambda: Replies(running.encode(), ended.encode(), looks, seen, trip, changing=changing),
        "127.0.0.1",
        0,
        ssl=None if tls is None else _context(tls),
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.look_server")
    parser.add_argument("running")
    parser.add_argument("ended")
    parser.add_argument("looks", type=int)
    parser.add_argument("trip", type=float, nargs="?", default=0.0)
    parser.add_argument("--changing", action="store_true")
    parser.add_argument("--tls", type=Path, metavar="FOLDER")
    chosen = parser.parse_args()
    serving = _serve(chosen.running, chosen.ended, chosen.looks, chosen.trip, changing=chosen.changing, tls=chosen.tls)
    asyncio.run(serving)


if __name__ == "__main__":
    main()
