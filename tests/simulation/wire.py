"""The real transport, a real HTTP server, and between them a network that is two buffers in memory.

There are no sockets, threads or names: `MemoryConnector` joins aiohttp's own client protocol with its server protocol
by two `Pipe` ends. What the server answers comes from the same model as at the seam; here it becomes bytes, and some
faults are about bytes alone.
"""

from __future__ import annotations

import asyncio
import errno
import functools
import gzip
from collections import Counter, deque
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

import aiohttp
import aiohttp.connector
from aiohttp import web
from multidict import CIMultiDict

from jobwatch._core.source import Turn
from jobwatch._http.tasks import at_once

from .clock import put
from .server import Answer

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.tracing import Trace

    from jobwatch._http.target import Target
    from jobwatch._http.transport import Transport
    from jobwatch._models import Fault
    from jobwatch._reading.reply import Reply

    from .clock import VirtualLoop
    from .server import Exchange, Server
    from .streams import Streamed

HOP = 0.001
"""How long bytes are under way, in seconds."""

IDLE = 0.2
"""How long a connection may be idle before a server that is in a hurry closes it."""

LARGEST = 64 * 1024
"""The largest answer that is read, in bytes: what is larger takes as long to send as all else in a world."""

_looked_at: ContextVar[str] = ContextVar("looked_at")
"""The path that a look under way asks for."""


class Pipe(asyncio.Transport):
    """One end of a connection in memory; what is written comes out at the other end, in order, a hop later."""

    def __init__(self, loop: asyncio.AbstractEventLoop, protocol: asyncio.BaseProtocol) -> None:
        super().__init__()
        self._loop = loop
        self._protocol = cast("asyncio.Protocol", protocol)
        self._under_way: deque[Callable[[], None]] = deque()
        self._held: list[Callable[[], None]] = []
        self._paused = False
        self._closing = False
        self._lost = False
        self.peer: Pipe

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._closing and data:
            block = bytes(data)
            self._send(lambda: self.peer._take(lambda: self.peer._protocol.data_received(block)))

    def close(self) -> None:
        self._end(None)

    def abort(self) -> None:
        self._end(ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"))

    def is_closing(self) -> bool:
        return self._closing

    def can_write_eof(self) -> bool:
        return False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = cast("asyncio.Protocol", protocol)

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def is_reading(self) -> bool:
        return not self._paused

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        self._loop.call_soon(self._release)  # as a socket is read at the next turn of the loop

    def _release(self) -> None:
        held, self._held = self._held, []
        for each in held:
            self._take(each)

    def _send(self, arrive: Callable[[], None]) -> None:
        self._under_way.append(arrive)
        self._loop.call_later(HOP, self._arrive)

    def _arrive(self) -> None:
        self._under_way.popleft()()

    def _take(self, arrive: Callable[[], None]) -> None:
        if self._paused:
            self._held.append(arrive)
        elif not (self._lost or self._closing):  # whoever closes hears no more
            arrive()

    def _end(self, error: OSError | None) -> None:
        if self._closing:
            return
        self._closing = True
        self._loop.call_soon(self._lose, None)
        self._send(
            lambda: self.peer._take(lambda: self.peer._ended(error)) if error is None else self.peer._ended(error)
        )

    def _ended(self, error: OSError | None) -> None:
        self._closing = True
        self._lose(error)

    def _lose(self, error: OSError | None) -> None:
        if not self._lost:
            self._lost = True
            self._protocol.connection_lost(error)


def connected(loop: asyncio.AbstractEventLoop, client: asyncio.BaseProtocol, server: asyncio.BaseProtocol) -> Pipe:
    """Join two protocols, and return the client's end."""
    here, there = Pipe(loop, client), Pipe(loop, server)
    here.peer, there.peer = there, here
    server.connection_made(there)
    client.connection_made(here)
    return here


class MemoryConnector(aiohttp.BaseConnector):
    """Connects to the one server there is."""

    def __init__(self, origin: Origin, client: str, **options: Any) -> None:
        kept = {name: value for name, value in options.items() if name in ("limit", "keepalive_timeout")}
        super().__init__(**kept)
        self._origin = origin
        self._client = client

    async def _create_connection(
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> ResponseHandler:
        if req.url.host != "api.example":
            self._origin.server.wrongs.append(f"I11 a request to {req.url.host}")
        await asyncio.sleep(HOP)
        # A plain look's request names the origin only, where a connection is opened for it.
        path = _looked_at.get() if req.url.raw_path == "/" else req.url.raw_path
        trouble = self._origin.server.knocked(self._client, path, asyncio.get_running_loop().time())
        if trouble == "hang":
            await asyncio.sleep(timeout.sock_connect or 60.0)
            raise aiohttp.ConnectionTimeoutError
        if trouble == "refuse":
            refused = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
            raise aiohttp.ClientConnectorError(req.connection_key, refused)
        protocol = self._factory()
        self._origin.pipes.append(connected(self._loop, protocol, self._origin.accept(self._client)))
        return protocol


class Origin:
    """The HTTP server in front of the model."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._doors: dict[str, web.Server] = {}
        self._redirected: dict[tuple[str, str], Exchange] = {}
        self._closing = False
        self._asleep: set[asyncio.Future[None]] = set()
        self._busy: set[asyncio.Transport | None] = set()
        self._carried: set[asyncio.Transport | None] = set()
        self.pipes: list[Pipe] = []

    def open_still(self) -> list[str]:
        """Return which connections nobody has closed."""
        return [f"I9 connection left open: {pipe.get_protocol()!r}" for pipe in self.pipes if not pipe.is_closing()]

    def accept(self, client: str) -> asyncio.BaseProtocol:
        """Return the protocol of a new connection."""
        if client not in self._doors:

            async def handle(request: web.BaseRequest) -> web.StreamResponse:
                self._busy.add(request.transport)
                try:
                    return await self._handle(client, request)
                finally:
                    self._busy.discard(request.transport)

            self._doors[client] = web.Server(handle, handler_cancellation=True, access_log=None, keepalive_timeout=75.0)
        return self._doors[client]()

    async def aclose(self) -> None:
        """Close all connections."""
        self._closing = True
        for sleeper in self._asleep:
            _wake(sleeper)
        for door in self._doors.values():
            await door.shutdown(1.0)

    async def _handle(self, client: str, request: web.BaseRequest) -> web.StreamResponse:
        path, query = request.url.raw_path, request.url.raw_query_string
        if path.endswith("/stream"):
            return await self._streamed(request, self.server.streamed(client, path, asyncio.get_running_loop().time()))
        exchange = self._redirected.get((client, path)) if "again=" in query else None
        if exchange is not None:
            exchange.hops += 1
            self.server.hops.append((client, asyncio.get_running_loop().time()))
        if exchange is not None and exchange.answer.trouble == "redirect in a circle":
            return _redirected(path, query)
        if exchange is None:
            now = asyncio.get_running_loop().time()
            exchange = self.server.asked(client, path, query, request.headers.get("If-None-Match"), now)
            exchange.was_kept = request.transport in self._carried
            self._carried.add(request.transport)
            if exchange.answer.trouble.startswith("redirect"):
                self._redirected[client, path] = exchange
                return _redirected(path, query)
        await self._sleep(exchange.answer.delay)
        return await self._answered(request, exchange.answer)

    async def _streamed(self, request: web.BaseRequest, stream: Streamed) -> web.StreamResponse:
        loop = asyncio.get_running_loop()
        if stream.http_status >= 400:
            return web.Response(status=stream.http_status, headers={"Date": ""})
        if not stream.http_status:
            await self._sleep(1000.0)
            return _cut(request, b"")
        response = web.StreamResponse(headers={"Date": "", "Content-Type": "text/event-stream"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        for at, piece in stream.pieces:
            await self._sleep(max(0.0, at - loop.time()))
            if self._closing:
                break
            await response.write(piece)
        if stream.end == "hang":
            await self._sleep(1000.0)
        if stream.end == "cut" or self._closing:
            return _cut(request, b"")
        await response.write_eof()
        return response

    async def _sleep(self, seconds: float) -> None:
        """Let some time pass, or as much of it as there is until all is closed."""
        if self._closing:
            return
        loop = asyncio.get_running_loop()
        sleeper: asyncio.Future[None] = loop.create_future()
        self._asleep.add(sleeper)
        alarm = loop.call_later(seconds, _wake, sleeper)
        try:
            await sleeper
        finally:
            alarm.cancel()
            self._asleep.discard(sleeper)

    async def _answered(self, request: web.BaseRequest, answer: Answer) -> web.StreamResponse:
        trouble = answer.trouble
        if trouble in _HANGING:
            _write(request, _HANGING[trouble](answer))
            await self._sleep(60.0)
            return _cut(request, b"")
        if trouble in _RESET:
            return _cut(request, _RESET[trouble](answer), reset=True)
        if trouble in _CUT:
            return _cut(request, _CUT[trouble](answer))
        if trouble in _OTHERWISE_FRAMED:
            return await self._left_open(request, _OTHERWISE_FRAMED[trouble](answer))
        if trouble == "dribble":
            return await self._dribbled(request, _whole(answer))
        if trouble == "answer unasked" and request.transport is not None:
            job_id = unquote(request.url.raw_path.split("/")[-1])
            asyncio.get_running_loop().call_later(HOP * 20, self._say_more, request.transport, job_id)
        if trouble == "closed when idle" and request.transport is not None:
            asyncio.get_running_loop().call_later(IDLE, self._close_if_idle, request.transport)
        return _plain(answer)

    def _close_if_idle(self, transport: asyncio.Transport) -> None:
        if transport not in self._busy:
            transport.close()

    def _say_more(self, transport: asyncio.Transport, job_id: str) -> None:
        """Send a response that nobody asked for, while nobody asks for any."""
        if transport not in self._busy and not transport.is_closing():
            body = self.server.unasked(job_id)
            headers = [("Content-Type", "application/json")]
            transport.write(_whole(Answer(200, headers, body)))

    async def _left_open(self, request: web.BaseRequest, data: bytes) -> web.StreamResponse:
        """Write an answer past the server's own writer; the next request comes on another connection."""
        _write(request, data)
        await self._sleep(HOP * 4)
        return _cut(request, b"")

    async def _dribbled(self, request: web.BaseRequest, data: bytes) -> web.StreamResponse:
        step = max(1, len(data) // 20)
        for start in range(0, len(data), step):
            _write(request, data[start : start + step])
            await self._sleep(0.05)
        return _cut(request, b"")


def _wake(sleeper: asyncio.Future[None]) -> None:
    if not sleeper.done():
        sleeper.set_result(None)


def _head(answer: Answer) -> bytes:
    lines = [
        f"HTTP/1.1 {answer.status} {_reason(answer.status)}",
        *(f"{name}: {value}" for name, value in answer.headers),
    ]
    return "\r\n".join(lines).encode() + b"\r\n"


@functools.cache
def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Odd"


def _plain(answer: Answer) -> web.Response:
    headers = CIMultiDict(answer.headers)
    headers.setdefault("Date", "")  # else the server would put in the real one
    return web.Response(status=answer.status, reason=_reason(answer.status), headers=headers, body=answer.body)


def _redirected(path: str, query: str) -> web.Response:
    again = query.count("again=") + int(query.partition("again=")[2] or 0)
    return web.Response(status=307, headers={"Location": f"{path}?again={again + 1}", "Date": ""})


def _chunked(answer: Answer) -> bytes:
    size = len(answer.body) // 3 + 1
    blocks = [answer.body[start : start + size] for start in range(0, len(answer.body), size)]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(block), block) for block in blocks)
    return _head(answer) + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"


def _chunked_and_cut(answer: Answer) -> bytes:
    whole = _chunked(answer)
    return whole[: max(len(whole) - 5 - int(20 * answer.cut), whole.index(b"\r\n\r\n") + 4)]


def _whole(answer: Answer) -> bytes:
    return _head(answer) + _length(answer) + answer.body


def _part(answer: Answer) -> bytes:
    return _head(answer) + _length(answer) + answer.body[: int(len(answer.body) * answer.cut)]


def _length(answer: Answer) -> bytes:
    return b"Content-Length: %d\r\n\r\n" % len(answer.body)


def _packed(answer: Answer) -> bytes:
    packed = gzip.compress(answer.body, mtime=0)
    return _head(answer) + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed


def _with_hints(answer: Answer) -> bytes:
    return b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n" + _whole(answer)


def _with_more(answer: Answer) -> bytes:
    return _whole(answer) + _head(answer) + _length(answer) + b"x" * len(answer.body)


def _large(answer: Answer) -> bytes:
    return _head(answer) + b"Content-Length: %d\r\n\r\n" % (2 * LARGEST) + b" " * (2 * LARGEST)


def _nothing(_answer: Answer) -> bytes:
    return b""


_Bytes = Callable[["Answer"], bytes]
_HANGING: Mapping[str, _Bytes] = {"hang": _nothing, "hang in the body": _part}
_RESET: Mapping[str, _Bytes] = {"reset": _nothing, "reset in the body": _part}
_CUT: Mapping[str, _Bytes] = {
    "close without an answer": _nothing,
    "cut": _part,
    "chunked and cut": _chunked_and_cut,
    "until closed": lambda answer: _head(answer) + b"Connection: close\r\n\r\n" + answer.body,
    "two lengths": lambda answer: _head(answer) + b"Content-Length: 3\r\n" + _length(answer) + answer.body,
    "bad bytes": lambda _answer: b"\x16\x03\x01 not HTTP at all \xff\x00\r\n\r\n",
    "too large": _large,
    "many headers": lambda answer: (
        _head(answer) + b"X-Junk: " + b"x" * 70_000 + b"\r\n" + _length(answer) + answer.body
    ),
}
_OTHERWISE_FRAMED: Mapping[str, _Bytes] = {
    "chunked": _chunked,
    "early hints": _with_hints,
    "bytes left over": _with_more,
    "gzip unasked": _packed,
}


def _write(request: web.BaseRequest, data: bytes) -> None:
    if request.transport is not None and data:
        request.transport.write(data)


def _cut(request: web.BaseRequest, data: bytes, *, reset: bool = False) -> web.StreamResponse:
    """Write what there is past the HTTP server, whose own answer then finds the connection closed."""
    _write(request, data)
    if request.transport is not None:
        if reset:
            request.transport.abort()
        else:
            request.transport.close()
    return web.Response(headers={"Date": ""})


# --- a client on this network ------------------------------------------------------------------------------------


def join(name: str, transport: Transport, origin: Origin, *, streams: bool) -> None:
    """Put a real transport on this network, and have the record kept of when its looks begin and end.

    Args:
        name: Whose it is.
        transport: The transport.
        origin: The server that it asks.
        streams: Whether streams are to be followed.
    """
    with put(aiohttp, "TCPConnector", lambda **options: MemoryConnector(origin, name, **options)):
        transport._opened(transport.prepared("/"))
        if streams:
            transport._opened_for_streams()
    get, follow = transport.get, transport.follow
    under_way: Counter[str] = Counter()

    async def noted(target: Target, *, etag: str | None = None, turn: Turn = at_once) -> Reply | Fault:
        loop, path = asyncio.get_running_loop(), target.url.raw_path
        began, first = loop.time(), len(origin.server.exchanges)
        under_way[path] += 1
        before = _looked_at.set(path)
        try:
            reply = await get(target, etag=etag, turn=turn)
        finally:
            _looked_at.reset(before)
            under_way[path] -= 1
        if not transport._closed:  # else it was answered by nobody
            origin.server.answered(name, path, first, began, loop.time(), alone=not under_way[path])
        return reply

    async def noted_stream(target: Target, heard: Callable[[bytes], bool], *, silence: float) -> Fault | None:
        origin.server.streams_asked.append((name, asyncio.get_running_loop().time()))
        try:
            return await follow(target, heard, silence=silence)
        finally:
            origin.server.stream_closed(name, target.url.raw_path, asyncio.get_running_loop().time())

    transport.get = noted  # type: ignore[method-assign]
    transport.follow = noted_stream  # type: ignore[method-assign]


@contextmanager
def virtual_time(loop: VirtualLoop) -> Generator[None]:
    """Have the connections age on the loop's clock."""
    with put(aiohttp.connector, "monotonic", loop.time):
        yield
