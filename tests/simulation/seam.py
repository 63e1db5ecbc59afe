"""What stands in for the transport, so that everything above it runs as it is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from multidict import CIMultiDict

from jobwatch._core.source import Turn
from jobwatch._http.answer import judged
from jobwatch._http.source import HttpSource
from jobwatch._http.tasks import at_once
from jobwatch._models import Fault, FaultKind

from .server import HANG

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobwatch._http.answer import ProblemReader
    from jobwatch._http.requests import Given
    from jobwatch._reading.api import JobAPI
    from jobwatch._reading.reply import Reply

    from .server import Answer, Server
    from .streams import Streamed

TIME_LIMIT = 30.0
"""What one request may take in all, as for the real one."""

_BELOW_HTTP = {
    "refuse": FaultKind.UNREACHABLE,
    "reset": FaultKind.UNREACHABLE,
    "cut": FaultKind.UNREADABLE,
    "tls": FaultKind.TLS,
}


def source_of(client: str, server: Server, api: JobAPI, given: Given, *, streams: bool = True) -> HttpSource:
    """Return a source whose transport asks a server that is an object."""
    transport = SeamTransport(client, server, api.problem)
    return HttpSource(api, given, streams=streams, transport=transport)  # type: ignore[arg-type]  # it stands in


class SeamTarget:
    """A path and a query."""

    __slots__ = ("path", "query")

    def __init__(self, path: str, query: str) -> None:
        self.path = path
        self.query = query


class SeamTransport:
    """Asks a server that is an object, over a network that is a delay."""

    def __init__(self, client: str, server: Server, problem: ProblemReader) -> None:
        self.client = client
        self.server = server
        self.requests = 0
        self.closed = False
        self._problem = problem

    def prepared(self, path: str, query: str | None = None, body: bytes | None = None) -> SeamTarget:
        assert body is None, "these APIs are asked by GET"
        return SeamTarget(path, query or "")

    async def get(self, target: SeamTarget, *, etag: str | None = None, turn: Turn = at_once) -> Reply | Fault:
        if self.closed:
            return Fault(FaultKind.UNREACHABLE, "the client is closed")
        self.requests += 1
        loop = asyncio.get_running_loop()
        exchange = self.server.asked(self.client, target.path, target.query, etag, loop.time())
        answer = exchange.answer
        late = answer.trouble == "hang" or answer.delay > TIME_LIMIT
        await asyncio.sleep(TIME_LIMIT if late else min(answer.delay, HANG))
        exchange.answered = loop.time()
        if answer.trouble == "raises":
            raise RuntimeError("a fault of the source's own")
        if late:
            return Fault(FaultKind.UNREACHABLE, f"no answer within {TIME_LIMIT:g} s")
        return self._judged(answer, etag)

    async def follow(self, target: SeamTarget, heard: Callable[[bytes], bool], *, silence: float) -> Fault | None:
        if self.closed:
            return Fault(FaultKind.UNREACHABLE, "the client is closed")
        self.requests += 1
        loop = asyncio.get_running_loop()
        self.server.streams_asked.append((self.client, loop.time()))
        try:
            return await self._followed(self.server.streamed(self.client, target.path, loop.time()), heard, silence)
        finally:
            self.server.stream_closed(self.client, target.path, loop.time())

    async def _followed(self, stream: Streamed, heard: Callable[[bytes], bool], silence: float) -> Fault | None:
        loop = asyncio.get_running_loop()
        if stream.http_status >= 400:
            await asyncio.sleep(0.05)
            fault = judged(stream.http_status, CIMultiDict(), b"")
            assert isinstance(fault, Fault)
            return fault
        for at, piece in stream.pieces:
            wait = max(0.0, at - loop.time())
            await asyncio.sleep(min(wait, silence))
            if wait > silence:
                return Fault(FaultKind.UNREACHABLE, "silence")
            if piece and not heard(piece):
                return None
        if stream.end == "hang":
            await asyncio.sleep(silence)
            return Fault(FaultKind.UNREACHABLE, "silence")
        return None if stream.end == "closed" else Fault(FaultKind.UNREADABLE, "cut off")

    def _judged(self, answer: Answer, etag: str | None) -> Reply | Fault:
        body, below = answer.body, _BELOW_HTTP.get(answer.trouble)
        if answer.trouble == "cut":
            body = body[: int(len(body) * answer.cut)]
            if not 200 <= answer.status <= 299:
                below = None
        if below is not None:
            return Fault(below, f"simulated: {answer.trouble}")
        return judged(answer.status, CIMultiDict(answer.headers), body, etag=etag, problem=self._problem)

    def how_far(self, asker: object, since: float) -> str:
        return "the server did not answer"

    async def aclose(self) -> None:
        self.closed = True
