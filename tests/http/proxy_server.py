"""A proxy on loopback: requests in absolute form, and tunnels by CONNECT. RFC 9110, section 9.3.6; RFC 9112, 3.2.2."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
from collections.abc import Mapping
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit


class ProxyServer:
    """Leads requests to where a test says that their hosts are.

    Args:
        hosts: Where each host is: its name, and the port on loopback.
        user: What a client has to send as ``user:password``, if anything.
        answer: What it answers in place of asking anybody, as bytes; to CONNECT too.
        tls: What it speaks TLS by, if it does.

    Attributes:
        asked: What it was asked for, as ``GET http://...`` or ``CONNECT host:port``.
        heads: The heads of those requests.
        port: Where it listens.
    """

    def __init__(
        self,
        hosts: Mapping[str, int],
        *,
        user: str | None = None,
        answer: bytes | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.asked: list[str] = []
        self.heads: list[bytes] = []
        self.port = 0
        self._hosts = hosts
        self._user = user
        self._answer = answer
        self._tls = tls
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0.001)

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while await self._request(reader, writer):
                pass
        writer.close()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.partition(b"\r\n")[0].decode().split(" ")
        self.heads.append(head)
        self.asked.append(f"{method} {target}")
        if self._answer is not None:
            writer.write(self._answer)
            return True
        if self._user is not None and f"Basic {base64.b64encode(self._user.encode()).decode()}".encode() not in head:
            writer.write(b"HTTP/1.1 407 X\r\nProxy-Authenticate: Basic\r\nContent-Length: 2\r\n\r\n<>")
            return True
        parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
        host = parts.hostname or ""
        if host not in self._hosts:
            writer.write(b"HTTP/1.1 502 X\r\nX-Squid-Error: ERR_DNS_FAIL 0\r\nContent-Length: 2\r\n\r\n<>")
            return True
        theirs = await asyncio.open_connection("127.0.0.1", self._hosts[host])
        self._writers.add(theirs[1])
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await asyncio.gather(_pump(reader, theirs[1]), _pump(theirs[0], writer))
            return False
        path = target.partition(parts.netloc)[2] or "/"
        rest = head.partition(b"\r\n")[2]
        lines = [line for line in rest.split(b"\r\n") if not line.lower().startswith((b"proxy-", b"connection:"))]
        length = next((int(line[15:]) for line in lines if line.lower().startswith(b"content-length:")), 0)
        theirs[1].write(f"{method} {path} HTTP/1.1\r\nConnection: close\r\n".encode() + b"\r\n".join(lines))
        theirs[1].write(await reader.readexactly(length))
        await _pump(theirs[0], writer)
        return False


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
    writer.close()
