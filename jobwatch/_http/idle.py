"""A connection that is to carry a request must be silent: what came before that request is no answer to it.

A server, or a proxy before it, may send a response that nobody asked for on a connection that was kept alive: a late
second one, or a 408 when it is tired of waiting. HTTP/1.1 has nothing that ties a response to its request but their
order (RFC 9112, section 9.3), so such a response would be read as the next job's.
"""

from __future__ import annotations

import asyncio
import select
from typing import TYPE_CHECKING
from weakref import WeakSet

import aiohttp

from .errors import LostWhenKept, NotSilent

if TYPE_CHECKING:
    from asyncio.trsock import TransportSocket

    from aiohttp.client_proto import ResponseHandler
    from aiohttp.connector import Connection


_carried: WeakSet[ResponseHandler] = WeakSet()
"""The connections that have carried a request."""


async def check_silent(connection: Connection) -> bool:
    """Raise `NotSilent` if a connection has bytes waiting that nobody asked for; return whether it carried any before.

    It counts as carrying one from now on.
    """
    protocol = connection.protocol
    transport = None if protocol is None else protocol.transport
    if protocol is None or transport is None or transport.is_closing():
        raise NotSilent
    if transport.get_extra_info("ssl_object") is not None:
        # What the socket holds may be no more than a session ticket: let the loop read it, which takes two turns.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    elif _has_bytes(transport.get_extra_info("socket")):
        raise NotSilent
    if protocol.should_close:
        raise NotSilent
    was_kept = protocol in _carried
    if not was_kept:
        _carried.add(protocol)
    return was_kept


def lost(error: aiohttp.ClientConnectionError, *, was_kept: bool) -> LostWhenKept | aiohttp.ClientConnectionError:
    """Return what to raise in place of one of the two errors after which aiohttp would send a GET again by itself.

    Args:
        error: The error, which has what came of an answer as its message, where anything came before the end.
        was_kept: Whether the connection had carried another request before.
    """
    has_begun = not isinstance(getattr(error, "message", ""), str)
    return LostWhenKept() if was_kept and not has_begun else aiohttp.ClientConnectionError()


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


class StockRequest(aiohttp.ClientRequest):
    """aiohttp's request, sent on silent connections only.

    Attributes:
        was_kept: Whether its connection had carried another request before.
    """

    was_kept = False

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        """Send the request, unless the connection is not silent."""
        self.was_kept = await check_silent(conn)
        return await super().send(conn)
