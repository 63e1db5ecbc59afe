"""Looks on aiohttp's connections and parser without its session, which for a plain request is most of what they cost.

What opens connections (names, addresses, TLS, the limit on their number) is aiohttp's connector, and what reads answers
is aiohttp's parser within its protocol. Left out is `ClientSession`, with cookies, redirects, proxies, middlewares and
traces. A request is one write of bytes, so that the token is in no object of aiohttp's that a traceback could show.

Some of the names taken here are not promised by aiohttp, and mocks and instruments take the place of the session's
methods. So `lanes_on` returns None where something is missing, and `is_stock` says whether the session is still
aiohttp's own: with the session everything works as well, only slower.
"""

from __future__ import annotations

import asyncio
import functools
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import aiohttp
import aiohttp.client
import aiohttp.http
from aiohttp.helpers import TimerNoop
from multidict import istr

from .answer import look_up_by
from .errors import NotSilent
from .idle import Carrier, check_silent, lost
from .urls import with_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiohttp import StreamReader
    from aiohttp.connector import BaseConnector, Connection
    from multidict import CIMultiDictProxy
    from yarl import URL

KEPT_FOR: Final = 30.0
"""For how many seconds a connection is kept at most: below the 60 s and more that most servers allow."""

_TICK: Final = KEPT_FOR / 4

_TRANSFER_ENCODING: Final = istr("Transfer-Encoding")

READ_AHEAD: Final = 16 * 1024
"""How many bytes of a body are kept before they are taken, and how many are read from a socket at once."""

_NEEDED: Final = (
    ("request", "connection_key"),
    ("protocol", "_parser"),
    ("protocol", "read"),
    ("protocol", "should_close"),
    ("connector", "connect"),
    ("connector", "_acquired"),
)

look_up_by(istr)

_stock: tuple[object, ...] = ()


def is_stock() -> bool:
    """Return whether aiohttp's session is its own: nobody has put a mock or an instrument in the place of a method."""
    session = aiohttp.ClientSession
    found = (session, session.__init__, session._request, session.get, session.post)  # noqa: SLF001  # what mocks replace  # pyright: ignore[reportPrivateUsage]
    return found == _stock or _learned(found)


def _learned(found: tuple[object, ...]) -> bool:
    global _stock  # noqa: PLW0603  # found out once, and not at import, when there may be a mock already
    session, *methods = found
    theirs = aiohttp.client.__file__
    if session is not aiohttp.client.ClientSession or any(
        type(method) is not FunctionType or method.__code__.co_filename != theirs for method in methods
    ):
        return False
    _stock = found
    return True


_Carried: TypeAlias = "tuple[Connection, Carrier]"
"""A connection, and what carries it."""


class Head:
    """The request's headers as they are sent, and what goes into the query of each; no repr shows them."""

    __slots__ = ("lines", "rest", "secret")

    def __init__(self, headers: dict[str, str], secret: str | None = None) -> None:
        self.fill(headers, secret)

    def fill(self, headers: dict[str, str], secret: str | None) -> None:
        """Send these from now on.

        Args:
            headers: Everything to be sent with every request, Host included; validated, since nothing here looks again.
            secret: What goes into the query of each request: a name and a value, encoded.
        """
        self.secret = secret
        self.lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.rest = f" HTTP/1.1\r\n{self.lines}\r\n".encode("ascii")

    def __repr__(self) -> str:
        return "Head()"


class Answer:
    """An answer whose head has come, and its body as far as it has; read as aiohttp's own response is.

    Attributes:
        status: The HTTP status.
        headers: The headers.
        content: The body, which may still be under way.
        closed: Whether it has been given up or read to its end, and its connection is no longer its own.
    """

    __slots__ = ("_carried", "_lanes", "closed", "content", "headers", "status")

    def __init__(
        self, lanes: Lanes, carried: _Carried, status: int, headers: CIMultiDictProxy[str], content: StreamReader
    ) -> None:
        self._lanes = lanes
        self._carried = carried
        self.status = status
        self.headers = headers
        self.content = content
        self.closed = False

    def close(self) -> None:
        """Give the connection back: for another request if this was read to its end, else to be closed."""
        self.closed = True
        self._lanes.give_back(self._carried)


class Lanes:
    """Sends plain requests, and keeps connections for the next.

    Args:
        connector: What opens connections.
        head: What is sent with every request.
        connect_timeout: The longest a connection may take to open, in seconds.
        origin: Where connections lead.
    """

    def __init__(self, connector: BaseConnector, head: Head, connect_timeout: float, origin: URL) -> None:
        self.head = head
        self._origin = origin
        self._connector = connector
        self._limits = aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout)
        self._loop = asyncio.get_running_loop()
        self._kept: list[tuple[_Carried, int]] = []
        self._ticks = 0
        self._ticker: asyncio.TimerHandle | None = None
        self._opening = 0
        self._is_left = False
        self._has_met_odd = False
        self._most = connector.limit + 1  # each time one that was kept is closed
        self._parser: Callable[..., Any] = functools.partial(
            aiohttp.http.HttpResponseParser,
            timer=TimerNoop(),
            payload_exception=aiohttp.ClientPayloadError,
            read_until_eof=True,
            auto_decompress=False,
        )

    def __repr__(self) -> str:
        return "Lanes()"

    def check(self) -> None:
        """Raise an exception where a name is missing that is needed for a request."""
        request, protocol = aiohttp.ClientRequest("GET", self._origin, loop=self._loop), Carrier(self._loop)
        self._parser(protocol, self._loop, READ_AHEAD)
        for owner, name in _NEEDED:
            getattr({"request": request, "protocol": protocol, "connector": self._connector}[owner], name)

    def is_usable(self) -> bool:
        """Return whether the session is aiohttp's own, in whose place these may be used, and all answers were plain."""
        return is_stock() and not self._has_met_odd

    async def sent(
        self,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str] | None,
        asker: asyncio.Task[object] | None,
        since: float,
    ) -> Answer:
        """Send a request and wait for the head of its answer.

        Args:
            path: The path and query of what is asked for, encoded and without a secret.
            body: What a POST sends; None for a GET.
            headers: What is sent with this request alone; validated.
            asker: The task that asks.
            since: When it began to, on the loop's clock.

        Raises:
            NotSilent: The server sends something by itself on all connections; nothing was sent.
        """
        for _ in range(self._most):
            if self._kept:
                carried = self._kept.pop()[0]
            else:
                carried, since = await self._connected(), self._loop.time()
            connection, protocol = carried
            # What was read until it was kept forbids nothing, see `give_back`, and nothing was read since.
            if not protocol.has_heard and protocol.is_quiet():
                protocol.carry(asker, since)
                break
            if await _becomes_silent(carried):
                break
        else:
            raise NotSilent
        try:
            assert protocol.transport is not None  # noqa: S101  # as just checked
            # A new one, which has seen no byte of an earlier answer.
            protocol._parser = self._parser(protocol, self._loop, READ_AHEAD)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
            protocol.transport.write(self._told(path, body, headers))
            message, content = await protocol.read()
            while 100 <= message.code <= 199 and message.code != 101:
                message, content = await protocol.read()
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            reason = lost(protocol, error)
            connection.close()
            raise reason from None
        except BaseException:
            connection.close()
            raise
        told = message.headers
        coding = told.get(_TRANSFER_ENCODING)
        if message.code == 101 or (coding is not None and coding.lower() != "chunked"):
            self._has_met_odd = True  # it is read all the same; from now on the session asks
        return Answer(self, carried, message.code, told, content)

    def give_back(self, carried: _Carried) -> None:
        """Keep a connection whose answer was read to its end; close any other."""
        connection, protocol = carried
        if protocol.should_close:
            connection.close()
            return
        protocol.has_heard = False
        if self._is_left or (self._opening and self._is_full()):
            connection.release()
            return
        self._kept.append((carried, self._ticks))
        if self._ticker is None:
            self._ticker = self._loop.call_later(_TICK, self._tick)

    def leave(self) -> None:
        """Keep nothing any more: whatever is kept, or given back later, is the connector's, for its session."""
        self._is_left = True
        kept, self._kept = self._kept, []
        for carried, _ in kept:
            self.give_back(carried)
        if self._ticker is not None:
            self._ticker.cancel()
            self._ticker = None

    def close(self) -> None:
        """Close what is kept, and what is given back later."""
        for (connection, _), _ in self._kept:
            connection.close()
        self._kept.clear()
        self.leave()

    async def _connected(self) -> _Carried:
        self._opening += 1
        try:
            # What is asked for is sent by us: this request says where to, and nothing else.
            connection = await self._connector.connect(
                aiohttp.ClientRequest("GET", self._origin, loop=self._loop), [], self._limits
            )
        finally:
            self._opening -= 1
        transport: Any = connection.transport
        if hasattr(transport, "max_size"):
            # A socket is read into as many bytes as this, 256 KiB by default, which are fetched from the system and
            # given back each time. It has no documented name; on loops that have none of it, nothing is gained.
            transport.max_size = READ_AHEAD
        protocol = connection.protocol
        assert isinstance(protocol, Carrier)  # noqa: S101  # of which the connector makes its connections
        return connection, protocol

    def _is_full(self) -> bool:
        """Whether no more connections may be opened, so that one that is being opened may wait for another's end."""
        return len(self._connector._acquired) >= self._connector.limit  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]

    def _told(self, path: str, body: bytes | None, headers: Mapping[str, str] | None) -> bytes:
        head = self.head
        if head.secret is not None:
            path = with_secret(path, head.secret)
        if body is None and not headers:
            return b"GET " + path.encode("ascii") + head.rest
        more = "".join(f"{name}: {value}\r\n" for name, value in headers.items()) if headers else ""
        if body is None:
            return f"GET {path} HTTP/1.1\r\n{head.lines}{more}\r\n".encode("ascii")
        told = f"POST {path} HTTP/1.1\r\n{head.lines}{more}Content-Length: {len(body)}\r\n\r\n"
        return told.encode("ascii") + body

    def _tick(self) -> None:
        """Close what has been kept for longer than `KEPT_FOR` will have been at the next time."""
        first = self._ticks - 2
        old = [connection for (connection, _), since in self._kept if since < first]
        self._kept = [each for each in self._kept if each[1] >= first]
        self._ticks += 1
        for connection in old:
            connection.close()
        self._ticker = self._loop.call_later(_TICK, self._tick) if self._kept else None


async def _becomes_silent(carried: _Carried) -> bool:
    """Whether a connection is silent once the loop has read what there was; closes it if not."""
    connection, protocol = carried
    try:
        if not protocol.has_heard:
            await check_silent(connection)
            return True
    except NotSilent:
        pass
    except BaseException:
        connection.close()
        raise
    connection.close()
    return False


def lanes_on(connector: BaseConnector, head: Head, connect_timeout: float, origin: URL) -> Lanes | None:
    """Return what sends requests on a connector's connections, or None where this aiohttp is other than expected.

    Args:
        connector: What opens connections; they are made of `Carrier`.
        head: What is sent with every request.
        connect_timeout: The longest a connection may take to open, in seconds.
        origin: Where connections lead.
    """
    try:
        lanes = Lanes(connector, head, connect_timeout, origin)
        lanes.check()
    except Exception:  # noqa: BLE001  # whatever is other than expected, there is the session
        return None
    return lanes
