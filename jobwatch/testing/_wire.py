"""An answer and its trouble, sent."""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
import struct
from collections.abc import AsyncIterator
from typing import assert_never

from aiohttp import web
from multidict import CIMultiDict

from ._answer import Answer, phrase
from ._signal import Signal
from ._troubles import Kind, Trouble


class ServerClosed(Exception):
    """The server is being closed, so nothing may wait any longer."""


class Wire:
    """Sends answers, whole or in the way a trouble says."""

    def __init__(self) -> None:
        self._closing = asyncio.Event()

    def close(self) -> None:
        """End everything that waits."""
        self._closing.set()

    async def send(self, request: web.BaseRequest, answer: Answer, trouble: Trouble | None) -> web.StreamResponse:
        """Send the answer in the way the trouble says, and return the response for the HTTP server to finish."""
        if trouble is None:
            return _whole(answer)
        try:
            return await self._troubled(request, answer, trouble)
        except ServerClosed:
            return _cut_off(request)

    async def stream(
        self, request: web.BaseRequest, answer: Answer, pieces: AsyncIterator[bytes], trouble: Trouble | None
    ) -> web.StreamResponse:
        """Send a body as it comes, or as much of it as the trouble lets through."""
        left = math.inf
        try:
            match trouble:
                case Trouble(kind=Kind.LATE, seconds=seconds):
                    await self._pause(seconds)
                case Trouble(kind=Kind.TRUNCATED, size=size):
                    left = size or 0
                case Trouble():
                    return await self._troubled(request, answer, trouble)
                case _:
                    pass
            return await self._flow(request, answer, pieces, left)
        except ServerClosed:
            return _cut_off(request)

    async def wait(self, event: Signal, seconds: float) -> None:
        """Wait for an event, or so many seconds; raise `ServerClosed` as soon as the server is being closed."""
        waiting = [asyncio.ensure_future(each.wait()) for each in (event, self._closing)]
        try:
            await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()
        if self._closing.is_set():
            raise ServerClosed

    async def _flow(
        self, request: web.BaseRequest, answer: Answer, pieces: AsyncIterator[bytes], left: float
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=answer.status, reason=phrase(answer.status), headers=_headers(answer))
        response.enable_chunked_encoding()
        await response.prepare(request)
        async for piece in pieces:
            if len(piece) >= left:
                await response.write(piece[: int(left)])
                return _cut_off(request)
            left -= len(piece)
            await response.write(piece)
        await response.write_eof()
        return response

    async def _troubled(self, request: web.BaseRequest, answer: Answer, trouble: Trouble) -> web.StreamResponse:
        match trouble.kind:
            case Kind.HANG:
                await self._pause(None)
            case Kind.LATE:
                await self._pause(trouble.seconds)
            case Kind.TRUNCATED:
                return _written(request, _partial(answer, trouble))
            case Kind.RAW:
                done = _written(request, trouble.data, close=trouble.close)
                if not trouble.close:
                    await self._pause(None)
                return done
            case Kind.RESET:
                return _reset(request)
            case Kind.DISCONNECT:
                return _written(request, b"")
            case Kind.STATUS | Kind.BODY | Kind.CHANGED | Kind.STALE:  # the answer itself is what is wrong
                pass
            case _:
                assert_never(trouble.kind)
        return _whole(answer)

    async def _pause(self, seconds: float | None) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        if self._closing.is_set():
            raise ServerClosed


def _whole(answer: Answer) -> web.Response:
    return web.Response(status=answer.status, reason=phrase(answer.status), body=answer.body, headers=_headers(answer))


def _headers(answer: Answer) -> CIMultiDict[str]:
    headers = CIMultiDict(answer.headers)
    if answer.content_type:
        headers["Content-Type"] = answer.content_type
    return headers


def _partial(answer: Answer, trouble: Trouble) -> bytes:
    size = len(answer.body)
    end = size // 2 if trouble.size is None else trouble.size
    lines = [f"HTTP/1.1 {answer.status} {phrase(answer.status)}"]
    lines += [f"Content-Type: {answer.content_type}"] if answer.content_type else []
    lines += [f"{name}: {value}" for name, value in answer.headers]
    part = answer.body[:end]
    match trouble.framing:
        case "chunked":
            lines.append("Transfer-Encoding: chunked")
            part = b"%x\r\n%b" % (size, part)
        case "close":
            lines.append("Connection: close")
        case _:
            lines.append(f"Content-Length: {size}")
    return "\r\n".join([*lines, "", ""]).encode() + part


def _written(request: web.BaseRequest, data: bytes, close: bool = True) -> web.StreamResponse:
    """Write past the HTTP server, whose own answer then finds the connection closed."""
    if request.transport is not None:
        request.transport.write(data)
        if close:
            request.transport.close()
    return web.Response()


def _reset(request: web.BaseRequest) -> web.StreamResponse:
    transport = request.transport
    connection = None if transport is None else transport.get_extra_info("socket")
    if connection is not None:
        # Closing a socket that lingers for zero seconds sends RST; without it the close would look orderly.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return _cut_off(request)


def _cut_off(request: web.BaseRequest) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
