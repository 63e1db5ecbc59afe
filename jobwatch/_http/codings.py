"""Content codings, undone within a limit: a server may send one though none was asked for. RFC 9110, section 8.4.1.

Nothing that was packed wrongly is read: what is cut short, damaged, or followed by anything is no body.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any, Final

_GZIP, _ZLIB, _RAW = 31, 15, -15
"""What zlib calls the three formats."""

_MOST_MEMBERS: Final = 1024
"""Of how many parts a body may be made; each costs time, however little is in it."""

_MOST_CODINGS: Final = 3
_PIECE: Final = 16 * 1024


class CannotDecode(ValueError):
    """A body cannot be unpacked; the text says why."""


def is_plain(coding: str) -> bool:
    """Return whether a Content-Encoding header says that there is none."""
    return coding.strip().lower() in {"", "identity"}


def unpacked(coding: str, body: bytes, most: int) -> bytes:
    """Return a body without its content codings.

    Args:
        coding: The value of the Content-Encoding header: one or several, in the order in which they were applied.
        body: The body as received.
        most: How many bytes it may have at any time.

    Raises:
        CannotDecode: A coding is not known here, the body is not what it says, or is larger than that.
    """
    names = [name.strip().lower() for name in coding.split(",")]
    names = [name for name in names if name not in {"", "identity"}]
    if len(names) > _MOST_CODINGS:
        raise CannotDecode("the reply came in more content codings than any needs")
    for name in reversed(names):
        if not body:  # as with no body at all, which some servers call packed
            return body
        body = _undo(name)(body, most)
    return body


def _undo(name: str) -> Callable[[bytes, int], bytes]:
    match name:
        case "gzip" | "x-gzip":
            return lambda body, most: _by_members(body, most, lambda: _decoder(_GZIP), name)
        case "deflate":
            return _inflated
        case "zstd" if (made := _zstd()) is not None:
            return lambda body, most: _by_members(body, most, made, name)
        case "br" if (brotli := _brotli()) is not None:
            return lambda body, most: _by_brotli(brotli, body, most)
        case _:
            raise CannotDecode(f"the reply came in a content coding that cannot be undone here: {name[:64]}")


def _inflated(body: bytes, most: int) -> bytes:
    # RFC 9110 means the format of zlib; some servers send what is within it alone.
    try:
        return _by_members(body, most, lambda: _decoder(_ZLIB), "deflate", members=1)
    except CannotDecode:
        is_zlib = body[0] & 0x0F == 8 and int.from_bytes(body[:2]) % 31 == 0
        if is_zlib:
            raise
    return _by_members(body, most, lambda: _decoder(_RAW), "deflate", members=1)


def _decoder(window: int) -> Any:
    import zlib  # noqa: PLC0415 - it takes time to import, and replies as short as most come without a coding

    return zlib.decompressobj(window)


def _by_members(body: bytes, most: int, decoder: Callable[[], Any], name: str, members: int = _MOST_MEMBERS) -> bytes:
    """Return what all parts of a body hold, one behind the other. RFC 1952, section 2.2; RFC 8878, section 3."""
    parts: list[bytes] = []
    left, at, whole = most, 0, memoryview(body)
    for _ in range(members):
        undoing = decoder()
        while not undoing.eof:
            if at == len(whole):
                raise _broken(name)
            # In pieces: what lies behind the end of a part is copied, once for each part.
            piece = whole[at : at + _PIECE]
            at += len(piece)
            try:
                part = undoing.decompress(piece, left + 1)
            except Exception:  # noqa: BLE001 - each module has an error of its own
                raise _broken(name) from None
            left -= len(part)
            if left < 0:
                raise _too_large(most)
            parts.append(part)
        at -= len(undoing.unused_data)
        if at == len(whole):
            return b"".join(parts)
    raise _broken(name)


def _by_brotli(brotli: Any, body: bytes, most: int) -> bytes:
    undoing, parts, left = brotli.Decompressor(), list[bytes](), most
    while not undoing.is_finished():
        try:
            part = undoing.process(body, output_buffer_limit=left + 1)
        except Exception:  # noqa: BLE001 - each module has an error of its own
            raise _broken("br") from None
        left -= len(part)
        if left < 0:
            raise _too_large(most)
        if not part and not body:
            raise _broken("br")
        parts.append(part)
        body = b""
    return b"".join(parts)


def _zstd() -> Callable[[], Any] | None:
    """Return what undoes zstd, if Python can: from 3.14 on it is part of it."""
    for name in ("compression.zstd", "backports.zstd"):
        try:
            module: Any = importlib.import_module(name)
        except ImportError:
            continue
        # A window of 8 MiB, which all decoders take: RFC 8878, section 3.1.1.1.2.
        options = {module.DecompressionParameter.window_log_max: 23}
        return functools.partial(module.ZstdDecompressor, options=options)
    return None


def _brotli() -> Any:
    """Return the module that undoes brotli, if there is one that can be told how much to return at once."""
    for name in ("brotli", "brotlicffi"):
        try:
            module: Any = importlib.import_module(name)
        except ImportError:
            continue
        return module if hasattr(module.Decompressor, "can_accept_more_data") else None
    return None


def _broken(name: str) -> CannotDecode:
    return CannotDecode(f"the reply is cut off or damaged: it is not what its content coding says, {name[:64]}")


def _too_large(most: int) -> CannotDecode:
    return CannotDecode(f"the reply is too large when unpacked: over {most} bytes")
