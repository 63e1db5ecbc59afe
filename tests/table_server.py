"""A server on loopback that answers any path with whatever a test says, in order."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

import msgspec
from aiohttp import web

Answer = tuple[int, object, dict[str, str]]


class TableServer:
    """Answers each request by what a function says of it.

    Attributes:
        requests: What was asked, in order: method, path with query as sent, headers, body.
    """

    def __init__(self, answer: Callable[[web.BaseRequest], object]) -> None:
        self._answer = answer
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.url = ""

    async def __aenter__(self) -> Self:
        self._runner = web.ServerRunner(web.Server(self._serve, access_log=None))
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    async def _serve(self, request: web.BaseRequest) -> web.Response:
        self.requests.append((request.method, request.raw_path, dict(request.headers), await request.read()))
        told = self._answer(request)
        status, body, headers = told if isinstance(told, tuple) else (200, told, {})
        if isinstance(body, web.Response):
            return body
        raw = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else msgspec.json.encode(body)
        return web.Response(status=status, body=raw, headers={"Content-Type": "application/json"} | headers)


def in_order(*answers: object) -> Callable[[web.BaseRequest], object]:
    """Give one answer after the other, the last one for ever."""
    left = list(answers)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]
