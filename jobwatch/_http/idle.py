"""A connection that is to carry a request must be silent: what came before that request is no answer to it.

A server, or a proxy before it, may send a response that nobody asked for on a connection that was kept alive: a late
second one, or a 408 when it is tired of waiting. HTTP/1.1 has nothing that ties a response to its request but their
order (RFC 9112, section 9.3), so such a response would be read as the next job's.
"""

from __future__ import annotations

import asyncio
import enum
import select
from typing import TYPE_CHECKING, cast

import aiohttp
from aiohttp.client_proto import ResponseHandler

from .errors import CertificateRefused, LostWhenKept, NotSilent, Unanswered
from .tls import refusal_in

if TYPE_CHECKING:
    from asyncio.trsock import TransportSocket
    from collections.abc import Iterable
    from functools import partial
    from weakref import WeakSet

    from aiohttp.connector import BaseConnector, Connection


class Carrier(ResponseHandler):
    """A connection that knows whether it was kept alive, and whether any byte came since its last request.

    Attributes:
        requests: How many requests it has carried.
        has_heard: Whether anything was received since the last of them.
        asker: The task whose request it carries, or was made for.
        since: When it began to, on the loop's clock.
    """

    requests = 0
    has_heard = False

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.asker = asyncio.current_task(loop)
        self.since = loop.time()

    def carry(self) -> None:
        """Carry one more request, of this task."""
        self.requests += 1
        self.has_heard = False
        self.asker = asyncio.current_task(self._loop)
        self.since = self._loop.time()

    def data_received(self, data: bytes) -> None:
        """Take what was received."""
        self.has_heard = True
        super().data_received(data)


def carry_by(connector: BaseConnector, carriers: WeakSet[Carrier]) -> None:
    """Have a connector make its connections of `Carrier`; a version of aiohttp that makes them otherwise goes on so.

    Nothing is asked again then, since nobody knows whether an answer had begun.

    Args:
        connector: The connector.
        carriers: Where its connections are to be found, for as long as there are any.
    """
    loop = asyncio.get_running_loop()

    def made() -> Carrier:
        carrier = Carrier(loop)
        carriers.add(carrier)
        return carrier

    factory = cast("partial[ResponseHandler]", made)
    connector._factory = factory  # noqa: SLF001 - there is no public way  # pyright: ignore[reportPrivateUsage]


async def check_silent(connection: Connection) -> ResponseHandler:
    """Return what carries a connection, for one more request; raise `NotSilent` if it has bytes waiting."""
    protocol = connection.protocol
    transport = None if protocol is None else protocol.transport
    if protocol is None or transport is None or transport.is_closing():
        raise NotSilent
    if transport.get_extra_info("ssl_object") is not None:
        # What the socket holds may be no more than a session ticket: let the loop read it, which takes two turns.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if isinstance(protocol, Carrier) and not protocol.requests and (error := protocol.exception()) is not None:
            # A new one that is gone already: so a client certificate is refused under TLS 1.3. Another would go, too.
            raise lost(protocol, cast("Exception", error))
    elif _has_bytes(transport.get_extra_info("socket")):
        raise NotSilent
    if protocol.should_close:
        raise NotSilent
    if isinstance(protocol, Carrier):
        protocol.carry()
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


def _has_bytes(socket: TransportSocket | None) -> bool:
    """Whether a socket has something to read that the loop has not read yet."""
    if socket is None:
        return False
    handle = socket.fileno()
    if handle < 0:
        return True
    if not hasattr(select, "poll"):  # Windows
        return bool(select.select([handle], (), (), 0.0)[0])
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(poll.poll(0))


class Progress(enum.Enum):
    """How far a request is that has no answer yet."""

    UNCONNECTED = "unconnected"
    CONNECTED = "connected"
    """There is a connection, and TLS is not agreed on over it."""
    TUNNELLING = "tunnelling"
    """There is a connection, over which the request was not sent: the proxy at its end has not let it through."""
    ASKED = "asked"
    ANSWERING = "answering"


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
