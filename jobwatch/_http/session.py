"""aiohttp's connector and session, set up for looks: no cookies, no redirects, nothing sent twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp

from .errors import LostWhenKept
from .fast import KEPT_FOR, READ_AHEAD
from .idle import StockRequest, lost

if TYPE_CHECKING:
    from aiohttp import ClientRequest, ClientResponse, TCPConnector
    from aiohttp.client_middlewares import ClientHandlerType

    from .credentials import Credentials
    from .proxies import Proxy
    from .resolver import Resolver
    from .tls import TLSContext


def connector_of(resolver: Resolver, tls: TLSContext | None, most: int) -> TCPConnector:
    """Return what opens connections.

    Args:
        resolver: Looks up names.
        tls: What to trust instead of the system's certificates.
        most: How many connections may be open at once.
    """
    return aiohttp.TCPConnector(
        resolver=resolver, limit=most, ttl_dns_cache=60, keepalive_timeout=KEPT_FOR, ssl=True if tls is None else tls
    )


def session_on(
    connector: TCPConnector,
    credentials: Credentials,
    *,
    proxy: Proxy | None,
    connect_timeout: float,
    accept: str = "application/json",
) -> aiohttp.ClientSession:
    """Return a session.

    Args:
        connector: What opens its connections.
        credentials: What is sent with every request.
        proxy: What leads to the origin.
        connect_timeout: The longest a connection may take to open, TLS included, in seconds.
        accept: What kind of answer is wanted.
    """
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        # The limit on the whole look is ours, see `TimeLimits`.
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout),
        auto_decompress=False,
        # Of the environment only what `proxy_for` reads: with this, aiohttp would send the passwords of a netrc.
        trust_env=False,
        proxy=None if proxy is None else proxy.url(),
        read_bufsize=READ_AHEAD,
        headers=credentials.complete(accept=accept),
        request_class=StockRequest,
        middlewares=(credentials.in_query, sent_once),
    )


async def sent_once(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """Stop aiohttp from re-sending a GET on its own when a connection dies, which it does for these two errors only."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except aiohttp.ClientConnectionResetError as error:  # as it was being sent
        reason = lost(request.carrier if isinstance(request, StockRequest) else None, error)
        if isinstance(reason, LostWhenKept):
            raise
        raise reason from None
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise lost(request.carrier if isinstance(request, StockRequest) else None, error) from None
