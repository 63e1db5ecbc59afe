"""The server of the page: aiohttp's, with the rules of `guard` before whatever it answers.

aiohttp is imported when a page is served, and not before.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import secrets
import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from ..._errors import ConfigError
from .address import Address
from .guard import HEADERS, Asked, Place, refusal
from .rows import HEARTBEAT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from .feed import Feed, Reader

    _Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_log = logging.getLogger("jobwatch.page")

_ASSETS = Path(__file__).with_name("assets")
_FRAME = "page.html"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

MOST_READERS = 16
"""How many pages may be open at once."""

_TAKEN_WITHIN = 10.0
"""For how many seconds a browser may take nothing of what it is sent before its connection is dropped."""

_HEARTBEAT_EVERY = 15.0
_SOCKET_BUFFER = 256 * 1024
_CLOSED_WITHIN = 1.0
_SECRET_BYTES = 24
_LOOPBACK = "127.0.0.1"
_MORE = {401: {"WWW-Authenticate": "Bearer"}, 405: {"Allow": "GET, HEAD, POST"}}


class Server:
    """Serves the page at one address.

    Args:
        feed: What the page is told.
        address: Where.
        known_as: The host that links name.
        names: The names that it goes by besides, beside ``localhost`` and IP addresses.
        entered: Called when a link has let a browser in, and there is a new one.
        taken_within: For how many seconds a browser may take nothing of what it is sent.
    """

    def __init__(
        self,
        feed: Feed,
        address: Address,
        *,
        known_as: str | None = None,
        names: Iterable[str] = (),
        entered: Callable[[], None] | None = None,
        taken_within: float = _TAKEN_WITHIN,
    ) -> None:
        self._key = secrets.token_urlsafe(_SECRET_BYTES)
        self._word = secrets.token_urlsafe(_SECRET_BYTES)
        self._entered = entered
        self._feed = feed
        self._address = address
        self._known_as = known_as or address.host
        self._names = frozenset(name.lower().rstrip(".") for name in (self._known_as, *names))
        self._taken_within = taken_within
        self._runner: web.AppRunner | None = None
        files = [file for file in _ASSETS.iterdir() if file.suffix in _TYPES]
        self._files = {"/" if file.name == _FRAME else f"/{file.name}": _file(file) for file in files}

    @property
    def link(self) -> str:
        """What lets one browser in, once; then there is another."""
        return f"http://{Address(self._known_as, self._address.port).authority}/#enter={self._word}"

    async def start(self) -> None:
        """Listen.

        Raises:
            ConfigError: The address cannot be listened at.
        """
        app = web.Application(middlewares=[self._guarded])
        app.router.add_get("/events", self._news)
        app.router.add_post("/enter", self._enter)
        for path in self._files:
            app.router.add_get(path, self._file)
        # What is asked for is logged nowhere. Who has gone away is told no more, at once.
        self._runner = web.AppRunner(
            app, access_log=None, logger=_log, handler_cancellation=True, shutdown_timeout=_CLOSED_WITHIN
        )
        await self._runner.setup()
        try:
            # A name that stands for two addresses would get two ports, where any free one will do.
            host = _LOOPBACK if self._address.host == "localhost" else self._address.host
            await web.TCPSite(self._runner, host, self._address.port).start()
        except OSError as error:
            await self.aclose()
            raise ConfigError(f"cannot serve at {self._address.authority}: {_reason(error)}") from None
        port: int = self._runner.addresses[0][1]  # the one that was free, if it was to take one
        self._address = Address(self._address.host, port)

    async def aclose(self) -> None:
        """Stop listening, and close all connections."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    # --- what is answered ----------------------------------------------------------------------------------

    @web.middleware
    async def _guarded(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        place = _place_of(request.path)
        secret = {Place.ENTRY: self._word, Place.NEWS: self._key}.get(place)
        refused = refusal(_asked(request), place, secret, self._names)
        if refused is not None:
            return _text(refused.status, refused.text, _MORE.get(refused.status))
        try:
            return await handler(request)
        except web.HTTPException as error:
            return _text(error.status, f"{error.reason}.")

    async def _file(self, request: web.Request) -> web.StreamResponse:
        body, kind = self._files[request.path]
        return web.Response(body=body, headers={**HEADERS, "Content-Type": kind})

    async def _enter(self, _: web.Request) -> web.StreamResponse:
        self._word = secrets.token_urlsafe(_SECRET_BYTES)
        if self._entered is not None:
            try:
                self._entered()
            except Exception:  # noqa: BLE001 - whatever the service makes of the next link, this browser is let in
                _log.exception("what was to be told of the next link has failed")
        return _text(200, self._key)

    async def _news(self, request: web.Request) -> web.StreamResponse:
        if len(self._feed) >= MOST_READERS:
            return _text(503, f"{MOST_READERS} pages are open already.", {"Retry-After": "5"})
        known = request.query.get("since", "")
        reader = self._feed.reader(int(known) if known.isdecimal() and known.isascii() and len(known) < 16 else 0)
        response = web.StreamResponse(headers={**HEADERS, "Content-Type": "text/event-stream; charset=utf-8"})
        try:
            _bound(request.transport)
            async with asyncio.timeout(self._taken_within):
                await response.prepare(request)
            await self._tell(reader, response)
        except TimeoutError:
            _drop(request.transport)  # it may never read again; what it has missed it is told when it comes back
        except ConnectionError:
            pass
        finally:
            reader.close()
        return response

    async def _tell(self, reader: Reader, response: web.StreamResponse) -> None:
        loop = asyncio.get_running_loop()
        quiet_since = loop.time()
        while True:
            for part in reader.news():
                async with asyncio.timeout(self._taken_within):
                    await response.write(part)
                await asyncio.sleep(0)  # thousands of jobs are told in many parts, and others have a turn in between
                quiet_since = loop.time()
            if self._feed.over is not None:
                return
            if loop.time() - quiet_since >= _HEARTBEAT_EVERY:
                async with asyncio.timeout(self._taken_within):
                    await response.write(HEARTBEAT)
                quiet_since = loop.time()
            await reader.pause()


def _is_our_fault(record: logging.LogRecord) -> bool:
    """Return whether a record tells of more than bytes that are no HTTP: anybody can send those, and has an answer.

    They are quoted in it, a key among them, too.
    """
    error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
    return not isinstance(error, HttpProcessingError)


_log.addFilter(_is_our_fault)


def _reason(error: OSError) -> str:
    """Return why an address cannot be listened at, in the system's words and not in those of asyncio around them."""
    if isinstance(error, socket.gaierror):
        return error.strerror or str(error)
    # From Python 3.13 on, asyncio gives no reason where no address is one of this machine.
    known = os.strerror(errno.EADDRNOTAVAIL if error.errno is None else error.errno)
    return f"{known}; port 0 takes a free one" if error.errno == errno.EADDRINUSE else known


def _bound(transport: asyncio.Transport | None) -> None:
    """Have the system keep little of what a browser does not read."""
    connected = None if transport is None else transport.get_extra_info("socket")
    if connected is not None:
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BUFFER)


def _drop(transport: asyncio.Transport | None) -> None:
    """End a connection at once, and have the system keep nothing of what was not read."""
    if transport is None:
        return
    connected = transport.get_extra_info("socket")
    if connected is not None:
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def _place_of(path: str) -> Place:
    return {"/": Place.FRAME, "/events": Place.NEWS, "/enter": Place.ENTRY}.get(path, Place.PART)


def _asked(request: web.Request) -> Asked:
    headers = request.headers
    hosts = headers.getall("Host", [])
    return Asked(
        method=request.method,
        host=hosts[0] if len(hosts) == 1 else None,
        origin=headers.get("Origin"),
        site=headers.get("Sec-Fetch-Site"),
        mode=headers.get("Sec-Fetch-Mode"),
        dest=headers.get("Sec-Fetch-Dest"),
        authorization=headers.get("Authorization"),
    )


def _file(path: Path) -> tuple[bytes, str]:
    return path.read_bytes(), f"{_TYPES[path.suffix]}; charset=utf-8"


def _text(status: int, text: str, more: dict[str, str] | None = None) -> web.Response:
    headers = {**HEADERS, **(more or {}), "Content-Type": "text/plain; charset=utf-8"}
    return web.Response(status=status, body=f"{text}\n".encode(), headers=headers)
