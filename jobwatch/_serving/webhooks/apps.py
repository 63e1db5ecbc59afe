"""Where webhooks come in: an ASGI application and an aiohttp handler over `Webhooks`, which do no more than wake.

The answer has no body, and says nothing but a status. aiohttp is imported when a handler for it is made, and not
before: its own server is what such a handler is for.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Protocol

from .receive import Verdict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, MutableMapping

    from aiohttp import web

    from .receive import Received, Webhooks

    _Message = MutableMapping[str, object]
    _Receive = Callable[[], Awaitable[_Message]]
    _Send = Callable[[_Message], Awaitable[None]]
    _App = Callable[[_Message, _Receive, _Send], Awaitable[None]]

_log = logging.getLogger("jobwatch")


class Wakes(Protocol):
    """A `Watcher` or a `Client`."""

    def wake(self, job_id: str) -> bool:
        """Have a job looked at now."""
        ...

    def wake_project(self, project_id: str) -> bool:
        """Have the jobs of a project looked at now."""
        ...


def webhook_app(webhooks: Webhooks, watcher: Wakes, *, clock: Callable[[], float] = time.time) -> _App:
    """Return an ASGI application that has jobs looked at when a webhook says that there is news of them.

    Serve it by itself or mount it in Starlette, FastAPI and the like, at any path.

    Args:
        webhooks: Checks the requests.
        watcher: A `Watcher`, or a `Client` for the jobs that something waits for. While it is not open, webhooks are
            taken and nothing is looked at.
        clock: Returns Unix seconds.
    """

    async def app(scope: _Message, receive: _Receive, send: _Send) -> None:
        match scope["type"]:
            case "http":
                await _serve(scope, receive, send)
            case "lifespan":
                await _live(receive, send)
            case _:
                await receive()
                await send({"type": "websocket.close", "code": 1000})

    async def _serve(scope: _Message, receive: _Receive, send: _Send) -> None:
        method, path = str(scope["method"]), str(scope["path"])
        body = await _body_of(receive, webhooks.max_body) if method == "POST" else b""
        if body is None:
            return
        received = webhooks.receive(_text_of(scope["headers"]), body, clock(), method=method, path=path)
        _wake(webhooks, watcher, received)
        fields = [(name.lower().encode(), value.encode()) for name, value in _answer(received).items()]
        await send({"type": "http.response.start", "status": received.http_status, "headers": fields})
        await send({"type": "http.response.body", "body": b""})

    return app


def webhook_handler(
    webhooks: Webhooks, watcher: Wakes, *, clock: Callable[[], float] = time.time
) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Return a handler for aiohttp's server that has jobs looked at when a webhook says that there is news of them.

    Args:
        webhooks: Checks the requests.
        watcher: A `Watcher`, or a `Client` for the jobs that something waits for. While it is not open, webhooks are
            taken and nothing is looked at.
        clock: Returns Unix seconds.
    """
    from aiohttp import web  # noqa: PLC0415 - late, since most who import jobwatch serve no webhooks

    async def handle(request: web.Request) -> web.Response:
        body = bytearray()
        while request.method == "POST" and len(body) <= webhooks.max_body:
            chunk = await request.content.readany()
            if not chunk:
                break
            body += chunk
        received = webhooks.receive(
            request.headers.items(), bytes(body), clock(), method=request.method, path=request.path
        )
        _wake(webhooks, watcher, received)
        return web.Response(status=received.http_status, headers=_answer(received))

    return handle


def _wake(webhooks: Webhooks, watcher: Wakes, received: Received) -> None:
    if received.verdict is Verdict.REFUSED:
        _log.info("a webhook for %s was refused: %s", webhooks.api, received.reason)
    for job_id in received.job_ids:
        watcher.wake(job_id)
    if received.project_id is not None:
        watcher.wake_project(received.project_id)


def _answer(received: Received) -> dict[str, str]:
    return {"Content-Length": "0"} | ({"Allow": "POST"} if received.http_status == 405 else {})


def _text_of(headers: object) -> Iterable[tuple[str, str]]:
    pairs: Iterable[tuple[bytes, bytes]] = headers  # type: ignore[assignment]  # the ASGI specification says so
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in pairs]


async def _body_of(receive: _Receive, most: int) -> bytes | None:
    """Read a body to its end, or a little more of it than is allowed; None if the sender has gone."""
    body = bytearray()
    while len(body) <= most:
        message = await receive()
        if message["type"] != "http.request":
            return None
        chunk = message.get("body")
        if isinstance(chunk, bytes | bytearray | memoryview):
            body += chunk
        if not message.get("more_body"):
            break
    return bytes(body)


async def _live(receive: _Receive, send: _Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
