"""JSON bodies as plain values, and one step into them. Pure."""

from __future__ import annotations

import gc
from codecs import BOM_UTF8
from typing import TypeAlias, cast

import msgspec
from msgspec import UNSET, Raw

from .._models import JSON

NOTHING = Raw(b"null")
"""A part of a body that is not there; an empty `Raw` could not be written out as JSON again."""

_LARGE = 64 * 1024

Steps: TypeAlias = tuple[str | int, ...]
"""Keys and list indexes, from the outside in; a negative index counts from the end."""


def plain_body(body: bytes) -> JSON:
    """Return the plain values of a body; None where it is no JSON."""
    try:
        return _decoded(body.removeprefix(BOM_UTF8))
    except (ValueError, RecursionError):  # msgspec's own errors and UnicodeError are ValueErrors
        return None


def plain(part: object) -> JSON:
    """Return the plain values of a part that may be kept undecoded; None where there is none."""
    if isinstance(part, Raw):
        return _decoded(part) if part else None  # an empty one stands for an absent field
    return None if part is UNSET else cast("JSON", part)


def _decoded(body: bytes | Raw) -> JSON:
    # A mebibyte may hold 350,000 lists, at whose birth the collector would walk the whole heap, and hold the loop for
    # ten times as long. None of them is garbage, since nothing else runs meanwhile.
    pauses = memoryview(body).nbytes > _LARGE and gc.isenabled()
    if pauses:
        gc.disable()
    try:
        plain: JSON = msgspec.json.decode(body)
    finally:
        if pauses:
            gc.enable()
    return plain


def inner(value: JSON, step: str | int) -> object:
    """Return what lies one step further in: UNSET where it cannot, and None beyond the end of a list."""
    match value, step:
        case dict(), str():
            return value.get(step, UNSET)
        case list(), int():
            return value[step] if -len(value) <= step < len(value) else None
        case _:
            return UNSET


def at(value: JSON, path: Steps) -> JSON:
    """Return what lies at the end of a path; None where nothing does."""
    for step in path:
        value = plain(inner(value, step))
    return value
