"""Server-sent events, fed as bytes in any pieces. Pure.

The grammar is that of https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream, less
what only a reconnecting browser needs: ``id`` and ``retry`` are ignored, as are comments and unknown fields. An event
that its stream did not finish with an empty line is none. Nothing is decoded here: data are bytes, for msgspec.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from typing import Final

from msgspec import Struct

EVENT_CAP: Final = 1024 * 1024
"""How long a line, or the data of an event, may be, in bytes: as much as a reply."""


_FIELDS = (b"data:", b"event:", b"id:", b"retry:", b":")
_BURST = 2.0 * EVENT_CAP, 4000.0
_A_SECOND = 65_536.0, 200.0


class ServerEvent(Struct, frozen=True):
    """One event.

    Attributes:
        name: Its type; "message" where the stream names none.
        data: Its data, lines joined by line feeds.
    """

    name: str
    data: bytes


class Flow:
    """Bounds how much a stream may bring: bursts of 2 MiB and 4,000 lines, and then 64 KiB and 200 lines a second.

    Bedrock sends a line each 15 seconds, and now and then an event with a job's results. What brings more than this
    would hold the event loop, and with it every other wait: comments cost time too.
    """

    __slots__ = ("_at", "_bytes", "_lines")

    def __init__(self, now: float) -> None:
        self._at = now
        self._bytes, self._lines = _BURST

    def allows(self, piece: bytes, now: float) -> bool:
        """Count a piece that came at a time of any clock; return whether the stream is still within its bounds."""
        passed, self._at = now - self._at, now
        self._bytes = min(_BURST[0], self._bytes + passed * _A_SECOND[0]) - len(piece)
        self._lines = min(_BURST[1], self._lines + passed * _A_SECOND[1]) - piece.count(b"\n") - piece.count(b"\r")
        return self._bytes >= 0.0 and self._lines >= 0.0


class EventParser:
    """Turns the bytes of one stream into events.

    Args:
        cap: How long a line, or the data of an event, may be, in bytes.

    Attributes:
        overflowed: Whether something was longer than that; the stream is not to be read on.
    """

    def __init__(self, cap: int = EVENT_CAP) -> None:
        self.overflowed = False
        self._cap = cap
        self._unfinished: list[bytes] = []  # joined once, so that a dribble costs no more than a flood
        self._length = 0
        self._after_return = False
        self._is_first = True
        self._name = b""
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, piece: bytes) -> list[ServerEvent]:
        """Take the next bytes, and return the events that they finish."""
        if self._after_return and piece:  # a carriage return ended a line; a line feed behind it ends no other
            self._after_return = False
            piece = piece.removeprefix(b"\n")
        events: list[ServerEvent] = []
        for part in piece.splitlines(keepends=True):
            self._keep(part.rstrip(b"\r\n"))
            if self.overflowed:
                break
            if part.endswith((b"\r", b"\n")):
                event = self._ended(self._whole_line())
                if event is not None:
                    events.append(event)
        self._after_return = piece.endswith(b"\r") or (self._after_return and not piece)
        return events

    def _keep(self, part: bytes) -> None:
        self._unfinished.append(part)
        self._length += len(part)
        self.overflowed = self.overflowed or self._length > self._cap or self._size > self._cap

    def _whole_line(self) -> bytes:
        line = b"".join(self._unfinished)
        self._unfinished, self._length = [], 0
        if self._is_first:
            self._is_first = False
            line = line.removeprefix(BOM_UTF8)
        return line

    def _ended(self, line: bytes) -> ServerEvent | None:
        if not line:
            return self._dispatched()
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
            self._size += len(value) + 1
        elif field == b"event":
            self._name = value
        return None

    def _dispatched(self) -> ServerEvent | None:
        name, data = self._name, self._data
        self._name, self._data, self._size = b"", [], 0
        if not data:
            return None
        return ServerEvent(name.decode(errors="replace") or "message", b"\n".join(data))


def first_data(body: bytes) -> bytes:
    """Return the data of the first event in a body; nothing where none is finished there."""
    return next((event.data for event in EventParser(len(body)).feed(body)), b"")


def unframed(body: bytes) -> bytes:
    """Return a body without the frame of server-sent events, in which some servers send a single answer.

    A field's name at its beginning tells: no JSON begins so. The last event needs no empty line, which a shell may have
    taken away.
    """
    return first_data(body + b"\n\n") if body.lstrip().startswith(_FIELDS) else body
