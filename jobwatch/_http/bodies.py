"""Bodies of answers, read within a bound."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from .sse import EventParser

if TYPE_CHECKING:
    from aiohttp import ClientResponse

    from .fast import Answer
    from .first import FirstAnswer

    Response: TypeAlias = ClientResponse | Answer | FirstAnswer


def is_event_stream(response: Response) -> bool:
    """Whether a reply is framed as server-sent events, as some servers frame a single one: the first counts."""
    return response.headers.get("Content-Type", "").partition(";")[0].strip().lower() == "text/event-stream"


async def to_first_event(response: Response, cap: int) -> bytes | None:
    """Return the beginning of a body up to the end of its first event, or None if that is larger than the cap."""
    content, parser = response.content, EventParser(cap)
    parts: list[bytes] = []
    while not content.at_eof() and not parser.overflowed:
        parts.append(await content.readany())
        if parser.feed(parts[-1]):
            break
        if sum(map(len, parts)) > cap:  # comments count too
            return None
    return None if parser.overflowed else b"".join(parts)


async def whole(response: Response, cap: int) -> bytes | None:
    """Return the whole body of a response, or None if it is larger than the cap.

    Raises whatever aiohttp does if the body ends early.
    """
    content = response.content
    parts: list[bytes] = []
    while not content.at_eof():
        part = await content.readany()
        cap -= len(part)
        if cap < 0:
            return None
        parts.append(part)
    return b"".join(parts)


async def start(response: Response, cap: int) -> bytes:
    """Return as much of an error's body as can be had: its status has already said what happened."""
    parts: list[bytes] = []
    try:
        while cap > 0 and not response.content.at_eof():
            part = await response.content.readany()
            parts.append(part[:cap])
            cap -= len(part)
    except Exception:  # noqa: BLE001  # see the docstring
        return b"".join(parts)
    return b"".join(parts)
