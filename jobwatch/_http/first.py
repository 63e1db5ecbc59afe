"""A process's first look without aiohttp, whose import takes longer than a command that looks once takes in all.

asyncio connects and sends, and the standard library's `http.client` reads the answer. That is for one plain GET with
one plain answer: status 200, a head that reads back as it was sent, one Content-Length and no coding. Nothing else is
judged here. An answer that is not plain, or cut off, is handed to aiohttp's own protocol and parser, with the bytes
that have come and the connection on which others are to come: it is not asked for again. A connection that cannot be
opened is aiohttp's to try, and its error to tell.

Where the program has imported aiohttp already there is nothing to gain, and aiohttp asks: so what mocks and instruments
put into it stays in its place.
"""

from __future__ import annotations

import asyncio
import contextvars
import io
import socket
import sys
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from .._reading.patterns import pattern
from .errors import NotPlain
from .progress import Progress
from .threads import Threads
from .urls import with_secret

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from http.client import HTTPResponse
    from weakref import WeakSet

    from aiohttp import StreamReader
    from multidict import CIMultiDict, CIMultiDictProxy
    from yarl import URL

    from .idle import Carrier
    from .late import LateImport

_Address: TypeAlias = "tuple[int, int, int, str, tuple[str, int]]"
"""What the system's look-up returns for each address, of IPv4 as of IPv6, and aiohappyeyeballs takes."""

_HEAD_CAP: Final = 8 * 1024
"""How long a plain head may be, in bytes: aiohttp takes as much for a line."""

_HELD: Final = 64 * 1024
"""After how many bytes that nobody reads yet the connection is left alone for a while."""

_STAGGERED: Final = 0.25
"""After how many seconds the next address is tried as well: RFC 8305, section 5, and aiohttp."""

_NAME: Final = pattern(r"[A-Za-z0-9_-]+")
_LENGTH: Final = pattern(r"[0-9]{1,15}")


class Whole:
    """A body that has come, read as aiohttp's own are."""

    __slots__ = ("_body",)

    def __init__(self, body: bytes) -> None:
        self._body = body

    def is_eof(self) -> bool:
        """Whether all has come, as always."""
        return True

    at_eof = is_eof

    def exception(self) -> BaseException | None:
        """Return what went wrong: nothing."""
        return None

    def read_nowait(self) -> bytes:
        """Return the body."""
        return self._body

    async def readany(self) -> bytes:
        """Return the body."""
        return self._body


class FirstAnswer:
    """An answer whose head has come; read as aiohttp's own response is.

    Attributes:
        status: The HTTP status.
        headers: The headers.
        content: The body, which may still be under way.
        closed: Whether its connection is closed.
    """

    __slots__ = ("_transport", "closed", "content", "headers", "status")

    def __init__(
        self,
        transport: asyncio.BaseTransport | None,
        status: int,
        headers: CIMultiDict[str] | CIMultiDictProxy[str],
        content: StreamReader | Whole,
    ) -> None:
        self._transport = transport
        self.status = status
        self.headers = headers
        self.content = content
        self.closed = False

    def close(self) -> None:
        """Close the connection, which carries no second request."""
        self.closed = True
        _abort(self._transport)


class Receiver(asyncio.Protocol):
    """Keeps what comes on a connection."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.received = bytearray()
        self.is_lost = False
        self.reason: Exception | None = None
        self._news: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take what carries the bytes."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Keep what has come."""
        self.received += data
        if len(self.received) > _HELD and self.transport is not None:
            self.transport.pause_reading()
        self._tell()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that nothing else will come, and why."""
        self.is_lost, self.reason = True, exc
        self._tell()

    async def grown(self) -> None:
        """Wait until there is more, or will be no more."""
        if self.is_lost:
            return
        self._news = asyncio.get_running_loop().create_future()
        if self.transport is not None:
            self.transport.resume_reading()
        await self._news

    def _tell(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)


class FirstLook:
    """Sends one plain GET.

    Args:
        headers: Returns everything to be sent to a URL, Host included; validated.
        secret: Returns what goes into the query, encoded.
        tls: What to trust instead of the system's certificates.
        connect_timeout: The longest the connection may take to open, TLS included, in seconds.
        max_body: The largest plain body, in bytes.
        late: Imports aiohttp.
        carriers: Where a connection is put that aiohttp's protocol takes over.

    Attributes:
        is_resolving: Whether the host's addresses are being looked up.
    """

    def __init__(
        self,
        headers: Callable[[URL], dict[str, str]],
        secret: Callable[[], str | None],
        *,
        tls: ssl.SSLContext | None,
        connect_timeout: float,
        max_body: int,
        late: LateImport,
        carriers: WeakSet[Carrier],
    ) -> None:
        self.is_resolving = False
        self._headers = headers
        self._secret = secret
        self._tls = tls
        self._connect_timeout = connect_timeout
        self._max_body = max_body
        self._late = late
        self._carriers = carriers
        self._is_connected = False
        self._receiver = Receiver()

    def __repr__(self) -> str:
        return "FirstLook()"

    def progress(self) -> Progress:
        """Return how far it is."""
        if not self._is_connected:
            return Progress.UNCONNECTED
        if self._receiver.transport is None:
            return Progress.CONNECTED
        return Progress.ANSWERING if self._receiver.received else Progress.ASKED

    async def sent(self, url: URL) -> FirstAnswer:
        """Send a GET and wait for the head of its answer, and as a rule for all of it.

        Args:
            url: What is asked for, without a secret.

        Raises:
            NotPlain: The connection is not for this, or could not be opened; nothing was sent.
            TimeoutError: The connection did not open in time.
            Exception: What aiohttp's protocol raises of an answer that it was handed.
        """
        transport = await self._connected(url)
        try:
            transport.write(self._told(url))
            plain = await self._plain()
            if plain is None:
                return await self._handed_on()
        except BaseException:
            transport.abort()
            raise
        transport.abort()
        return plain

    def _told(self, url: URL) -> bytes:
        path, secret = url.raw_path_qs, self._secret()
        if secret is not None:
            path = with_secret(path, secret)
        lines = "".join(f"{name}: {value}\r\n" for name, value in self._headers(url).items())
        return f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode("ascii")

    # --- the connection ---------------------------------------------------------------------------------------

    async def _connected(self, url: URL) -> asyncio.Transport:
        limit: asyncio.Timeout | None = None
        try:
            from aiohappyeyeballs import start_connection  # noqa: PLC0415  # which aiohttp stands on  # pyright: ignore[reportUnknownVariableType]

            addresses = await self._addresses(url)
            async with asyncio.timeout(self._connect_timeout) as limit:
                connected = await start_connection(addresses, happy_eyeballs_delay=_STAGGERED, interleave=1)
                self._is_connected = True
                return await self._made(connected, url)
        except Exception as error:
            if isinstance(error, TimeoutError) and limit is not None and limit.expired():
                raise
            self._is_connected = False
            raise NotPlain from None  # whatever it is: aiohttp tries again, and its error is known

    async def _made(self, connected: socket.socket, url: URL) -> asyncio.Transport:
        context = name = None
        if url.scheme == "https":
            context, name = self._tls or _usual_context(), url.raw_host
        try:
            transport, _ = await asyncio.get_running_loop().create_connection(
                lambda: self._receiver, sock=connected, ssl=context, server_hostname=name
            )
        except BaseException:
            connected.close()
            raise
        return transport

    async def _addresses(self, url: URL) -> list[_Address]:
        host, port = url.raw_host, url.port
        flags = 0 if sys.platform == "win32" else socket.AI_ADDRCONFIG  # as in `resolver`
        look_up = partial(socket.getaddrinfo, host, port, 0, socket.SOCK_STREAM, flags=flags)
        self.is_resolving = True
        try:
            found = await Threads(1, contextvars.copy_context(), "jobwatch resolver").call(look_up)
            return cast("list[_Address]", found)
        finally:
            self.is_resolving = False

    # --- the answer -------------------------------------------------------------------------------------------

    async def _plain(self) -> FirstAnswer | None:
        """Return the answer when all of it has come; None if it is not plain."""
        receiver = self._receiver
        while (end := receiver.received.find(b"\r\n\r\n") + 4) == 3:
            if receiver.is_lost or len(receiver.received) > _HEAD_CAP:
                return None
            await receiver.grown()
        length = None if end > _HEAD_CAP else _plain_length(bytes(receiver.received[:end]))
        if length is None or length > self._max_body:
            return None
        while len(receiver.received) < end + length:
            if receiver.is_lost:
                return None
            await receiver.grown()
        response = _read(bytes(receiver.received))
        if response is None or len(receiver.received) > end + length:  # more came than was asked for
            return None
        from multidict import CIMultiDict  # noqa: PLC0415  # which yarl has imported

        return FirstAnswer(None, response.status, CIMultiDict(response.headers.items()), Whole(response.read()))

    async def _handed_on(self) -> FirstAnswer:
        """Have aiohttp's protocol read an answer that is not plain."""
        await self._late.done()
        import aiohttp  # noqa: PLC0415  # in a thread, by now

        from . import fast, idle  # noqa: PLC0415  # as above

        receiver = self._receiver
        carrier = idle.Carrier(asyncio.get_running_loop())
        assert receiver.transport is not None  # noqa: S101  # the request was sent on it
        self._carriers.add(carrier)
        carrier.connection_made(receiver.transport)
        carrier.carry(asyncio.current_task(), asyncio.get_running_loop().time())
        if not receiver.is_lost:
            receiver.transport.set_protocol(carrier)
        carrier.set_response_params(read_until_eof=True, auto_decompress=False, read_bufsize=fast.READ_AHEAD)
        if receiver.received:
            carrier.data_received(bytes(receiver.received))
        if receiver.is_lost:
            carrier.connection_lost(receiver.reason)
        else:
            receiver.transport.resume_reading()
        try:
            message, content = await carrier.read()
            while 100 <= message.code <= 199 and message.code != 101:
                message, content = await carrier.read()
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            raise idle.lost(carrier, error) from None
        return FirstAnswer(receiver.transport, message.code, message.headers, content)


def is_worth_it() -> bool:
    """Return whether aiohttp is not there yet."""
    return "aiohttp" not in sys.modules


def is_plain_url(url: URL) -> bool:
    """Return whether a URL is of a host whose name needs no thought: not for an interface, no dot at its end."""
    host = url.raw_host or ""
    return bool(host) and not host.endswith(".") and "%" not in host


class _Socket:
    """What `http.client` takes for a socket: bytes that have come."""

    def __init__(self, received: bytes) -> None:
        self._received = received

    def makefile(self, _mode: str) -> io.BytesIO:
        """Return a file of the bytes."""
        return io.BytesIO(self._received)


def _read(received: bytes) -> HTTPResponse | None:
    """Return an answer as `http.client` reads it; None if it cannot."""
    import http.client  # noqa: PLC0415  # it loads the library's mail parser

    response = http.client.HTTPResponse(cast("socket.socket", _Socket(received)), method="GET")
    try:
        response.begin()
    except (http.client.HTTPException, ValueError):
        return None
    return response


def _plain_length(head: bytes) -> int | None:
    """Return the length of the body that a plain head announces; None if the head is not plain.

    It is plain if writing out what was read of it gives the same bytes again: then there is but one way to read it.
    """
    if (response := _read(head)) is None:
        return None
    headers = response.headers.items()
    lines = [f"HTTP/1.1 200 {response.reason}", *(f"{name}: {value}" for name, value in headers), "", ""]
    if not all(line.isascii() and (line.isprintable() or not line) for line in lines):
        return None
    if "\r\n".join(lines).encode("ascii") != head or not all(_NAME.fullmatch(name) for name, _ in headers):
        return None
    named = [name.lower() for name, _ in headers]
    if named.count("content-length") != 1 or not {"transfer-encoding", "content-encoding", "upgrade"}.isdisjoint(named):
        return None
    length = response.headers["Content-Length"]
    return int(length) if _LENGTH.fullmatch(length) else None


def _usual_context() -> ssl.SSLContext:
    """Return what aiohttp makes where nothing is said."""
    import ssl  # noqa: PLC0415  # asyncio has imported it, if there is any

    context = ssl.create_default_context()
    context.set_alpn_protocols(("http/1.1",))
    return context


def _abort(transport: asyncio.BaseTransport | None) -> None:
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()
