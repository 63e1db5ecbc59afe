"""aiohttp's request and response, without what a GET that has no body and keeps no cookies does not need.

`ClientSession` takes the classes of its requests and responses as arguments. These two save an eighth of the
instructions of a look, and they keep the token out of aiohttp's hands: it is in the bytes that are sent and in no
header object that a traceback or a log could show. They do so by filling in attributes that aiohttp does not promise
to keep, so they are used with the versions in `TESTED` alone; with any other the stock classes do the same, slower.

They also make one request of one: aiohttp sends a GET again by itself after the two errors that `start` renames.
"""

# ruff: noqa: ARG002  # the parent's signature has to be met in full
from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final, cast

import aiohttp
from aiohttp.helpers import TimerNoop

from .idle import check_silent, lost
from .urls import with_secret

if TYPE_CHECKING:
    import asyncio
    from ssl import SSLContext

    from aiohttp.connector import Connection
    from multidict import CIMultiDict
    from yarl import URL

TESTED: Final = frozenset({"3.14.4", "3.14.5"})


class Head:
    """The request's headers as they are sent, and what goes into the query of each; no repr shows them."""

    __slots__ = ("lines", "secret")

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

    def __repr__(self) -> str:
        return "Head()"


class LeanResponse(aiohttp.ClientResponse):
    """A response whose request has already been sent whole."""

    def __init__(self, url: URL, session: aiohttp.ClientSession, loop: asyncio.AbstractEventLoop) -> None:
        self.method = "GET"
        self._real_url = self._url = url
        self._timer = TimerNoop()
        self._cache = {}
        self._traces = []
        self._loop = loop
        self._session = session

    async def start(self, connection: Connection) -> LeanResponse:
        """Wait for the headers of the answer."""
        self._closed = False
        self._connection = connection
        protocol = connection.protocol
        assert protocol is not None  # noqa: S101  # a connection that was just handed out
        try:
            message, payload = await protocol.read()
            while 100 <= message.code <= 199 and message.code != 101:
                message, payload = await protocol.read()
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            raise lost(protocol, error) from None
        payload.on_eof(self._response_eof)
        self.version = message.version
        self.status = message.code
        self.reason = message.reason
        self._headers = message.headers
        self._raw_headers = message.raw_headers
        self.content = payload
        return self


class LeanRequest(aiohttp.ClientRequest):
    """A GET that is one write of bytes prepared beforehand. Made by `lean_get`, which adds the head."""

    _body = None
    auth = None
    chunked = None
    compress = None
    length = None
    proxy = None
    proxy_auth = None
    proxy_headers = None
    response_class = LeanResponse

    # All of the parent's parameters by name: gathering the unused ones in a dict would cost more than all the rest.
    def __init__(
        self,
        head: Head,
        method: str,
        url: URL,
        *,
        params: object,
        headers: CIMultiDict[str],
        skip_auto_headers: object,
        data: object,
        cookies: object,
        auth: object,
        version: object,
        compress: object,
        chunked: object,
        expect100: object,
        loop: asyncio.AbstractEventLoop,
        response_class: object,
        proxy: object,
        proxy_auth: object,
        timer: object,
        session: aiohttp.ClientSession,
        ssl: SSLContext | bool | aiohttp.Fingerprint,
        server_hostname: str | None,
        proxy_headers: object,
        traces: object,
        trust_env: object,
    ) -> None:
        self._head = head
        self._session = session
        self._ssl = ssl
        self.headers = headers
        self.loop = loop
        self.method = method
        self.original_url = self.url = url
        self.server_hostname = server_hostname

    async def send(self, conn: Connection) -> LeanResponse:
        """Write the request, which is too small to need waiting for."""
        protocol = await check_silent(conn)
        more = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items()) if self.headers else ""
        path, secret = self.url.raw_path_qs, self._head.secret
        if secret is not None:
            path = with_secret(path, secret)
        assert protocol.transport is not None  # noqa: S101  # as just checked
        protocol.transport.write(f"GET {path} HTTP/1.1\r\n{self._head.lines}{more}\r\n".encode("ascii"))
        return LeanResponse(self.url, self._session, self.loop)


def lean_get(head: Head) -> type[aiohttp.ClientRequest]:
    """Return what `ClientSession` is to be given as its ``request_class``.

    Args:
        head: What is sent with every request.
    """
    return cast("type[aiohttp.ClientRequest]", functools.partial(LeanRequest, head))
