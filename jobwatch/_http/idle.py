"""A connection that is to carry a request must be silent: what came before that request is no answer to it.

A server, or a proxy before it, may send a response that nobody asked for on a connection that was kept alive: a late
second one, or a 408 when it is tired of waiting. HTTP/1.1 has nothing that ties a response to its request but their
order (RFC 9112, section 9.3), so such a response would be read as the next job's.
"""

from __future__ import annotations

import asyncio
import select
from typing import TYPE_CHECKING, cast

import aiohttp
from aiohttp.client_proto import ResponseHandler

from .errors import CertificateRefused, LostWhenKept, NotSilent, Unanswered
from .progress import Progress
from .tls import refusal_in

if TYPE_CHECKING:
    from asyncio import BaseTransport
    from asyncio.trsock import TransportSocket
    from collections.abc import Callable, Iterable
    from functools import partial
    from weakref import WeakSet

    from aiohttp.connector import BaseConnector, Connection


class Carrier(ResponseHandler):
    """A connection that knows whether it was kept alive, and whether any byte came since its last request.

    Attributes:
        requests: How many requests it has carried.
        has_heard: Whether anything was received since the last of them, or since the answer to that was read.
        asker: The task whose request it carries, or was made for.
        since: When it began to, on the loop's clock.
    """

    requests = 0
    has_heard = False
    _is_secure = True
    _poll: Callable[[int], object] | None = None

    def connection_made(self, transport: BaseTransport) -> None:
        """Take what carries the bytes, once it is open."""
        super().connection_made(transport)
        self._is_secure = transport.get_extra_info("ssl_object") is not None
        self._poll = _poll_of(transport.get_extra_info("socket"))

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        if not (hasattr(self, "_reading_paused") and hasattr(self, "_buffer_paused")):
            self._reading_paused = self._buffer_paused = True  # of a version that has none: it is always asked
        self.asker = asyncio.current_task(loop)
        self.since = loop.time()

    def carry(self, asker: asyncio.Task[object] | None, since: float) -> None:
        """Carry one more request, of a task, which began to ask at a time of the loop's clock."""
        self.requests += 1
        self.has_heard = False
        self.asker = asker
        self.since = since

    def data_received(self, data: bytes) -> None:
        """Take what was received."""
        self.has_heard = True
        ResponseHandler.data_received(self, data)  # `super` takes a thousand instructions more, each time

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Read on, if reading was paused: aiohttp calls this for each body, and nearly none is so long."""
        if self._reading_paused or self._buffer_paused:
            super().resume_reading(resume_parser)

    def is_refused(self) -> bool:
        """Whether it is a new one with TLS that is gone already: another would go, too.

        So a client certificate is refused under TLS 1.3.
        """
        return self._is_secure and not self.requests and self.exception() is not None

    def is_silent(self) -> bool | None:
        """Whether it may carry a request: as `is_quiet` says, and nothing that was read forbids it."""
        return not self.should_close if (quiet := self.is_quiet()) else quiet

    def is_quiet(self) -> bool | None:
        """Whether nothing has come that is not read yet; None where the loop has to read that, to say."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return False
        has_bytes = bool(self._poll(0)) if self._poll is not None else self._is_secure
        if self._is_secure and (has_bytes or not self.requests):
            return None
        return not has_bytes


def carry_by(connector: BaseConnector, carriers: WeakSet[Carrier]) -> bool:
    """Have a connector make its connections of `Carrier`; a version of aiohttp that makes them otherwise goes on so.

    Nothing is asked again then, since nobody knows whether an answer had begun.

    Args:
        connector: The connector.
        carriers: Where its connections are to be found, for as long as there are any.

    Returns:
        Whether it makes them in the way that is known here.
    """
    is_known = hasattr(connector, "_factory")
    loop = asyncio.get_running_loop()

    def made() -> Carrier:
        carrier = Carrier(loop)
        carriers.add(carrier)
        return carrier

    factory = cast("partial[ResponseHandler]", made)
    connector._factory = factory  # noqa: SLF001 - there is no public way  # pyright: ignore[reportPrivateUsage]
    return is_known


async def check_silent(connection: Connection) -> ResponseHandler:
    """Return what carries a connection, for one more request; raise `NotSilent` if it has bytes waiting."""
    protocol = connection.protocol
    if not isinstance(protocol, Carrier):  # of a version of aiohttp that is not known here
        if protocol is None or protocol.transport is None or protocol.transport.is_closing() or protocol.should_close:
            raise NotSilent
        poll = _poll_of(protocol.transport.get_extra_info("socket"))
        if poll is not None and poll(0):
            raise NotSilent
        return protocol
    silent = protocol.is_silent()
    if silent is None:
        # What the socket of a connection with TLS holds may be no more than a session ticket: let the loop read it,
        # which takes two turns.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        silent = not protocol.should_close  # one that is closing says why when it is asked
    if protocol.is_refused():
        raise lost(protocol, cast("Exception", protocol.exception()))
    if not silent:
        raise NotSilent
    protocol.carry(asyncio.current_task(), asyncio.get_running_loop().time())
    return protocol


def how_far(carriers: Iterable[Carrier], asker: object, since: float) -> Progress:
    """Return how far a task's request is that has no answer yet.

    Args:
        carriers: The connections that there are.
        asker: The task.
        since: When its look began, on the loop's clock: what it asked before is over.
    """
    own = [each for each in carriers if each.asker is asker and each.since >= since]
    if not own:
        return Progress.UNCONNECTED
    carrier = max(own, key=lambda each: each.since)
    if carrier.transport is None:
        return Progress.CONNECTED
    if not carrier.requests:
        return Progress.TUNNELLING
    return Progress.ANSWERING if carrier.has_heard else Progress.ASKED


def lost(carrier: ResponseHandler | None, error: Exception) -> Exception:
    """Return what to raise in place of one of the two errors after which aiohttp would send a GET again by itself.

    Args:
        carrier: What carried the request; None where none did.
        error: The error.
    """
    told = None if carrier is None else carrier.exception()
    if (alert := refusal_in(error) or refusal_in(cast("Exception | None", told))) is not None:
        return CertificateRefused(alert)
    if not isinstance(carrier, Carrier) or carrier.has_heard:
        return aiohttp.ClientConnectionError()
    return Unanswered() if carrier.requests <= 1 else LostWhenKept()


def _poll_of(socket: TransportSocket | None) -> Callable[[int], object] | None:
    """Return what tells whether a socket has something to read that the loop has not read yet."""
    handle = -1 if socket is None else socket.fileno()
    if handle < 0:
        return None
    if not hasattr(select, "poll"):  # Windows
        return lambda _: select.select([handle], (), (), 0.0)[0]
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return poll.poll


class StockRequest(aiohttp.ClientRequest):
    """aiohttp's request, sent on silent connections only.

    Attributes:
        carrier: What it was sent on last; None where it never was.
    """

    carrier: ResponseHandler | None = None

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        """Send the request, unless the connection is not silent."""
        self.carrier = await check_silent(conn)
        return await super().send(conn)
