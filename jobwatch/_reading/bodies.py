"""JSON bodies as plain values, and one step into them. Pure."""

from __future__ import annotations

import gc
from codecs import BOM_UTF8
from collections.abc import Callable
from math import isfinite
from typing import Any, Final, TypeAlias, cast, get_args

import msgspec
from msgspec import UNSET, Raw, Struct

from .._models import JSON
from .patterns import pattern

NOTHING = Raw(b"null")
"""A part of a body that is not there; an empty `Raw` could not be written out as JSON again."""

LARGE: Final = 16 * 1024
"""From how many bytes on it is looked at what a body would cost before it is decoded."""

_LINE = pattern(r"[^\s<{\[\"\x00-\x1f\x7f][^\x00-\x1f\x7f]{0,199}")
"""A body that is a text: one line, and no beginning of JSON, HTML or XML."""
_LONGEST_LINE = 1024  # bytes, with what white space there is around it

_SMALL = 64
_PIECE, _APART = 128, 16 * 1024
SAMPLED: Final = _APART // _PIECE
"""Of how many bytes `sample` returns one."""

_MOST_WORK = 250_000
"""How much a body may take to decode, in tenths of a microsecond: see `check_work`."""

_DIGITS = b"0" * 500
_AS_EXPONENTS = bytes.maketrans(b"123456789E+", b"000000000e-")

Steps: TypeAlias = tuple[str | int, ...]
"""Keys and list indexes, from the outside in; a negative index counts from the end."""


def plain_body(body: bytes) -> JSON:
    """Return the plain values of a body; None where it is no JSON."""
    try:
        return _decoded(body.removeprefix(BOM_UTF8))
    except (ValueError, RecursionError):  # msgspec's own errors and UnicodeError are ValueErrors
        return None


def line_in(body: bytes) -> str | None:
    """Return the line of text that a body is, in place of JSON; None where it is none."""
    try:
        line = body.decode().strip() if len(body) < _LONGEST_LINE else ""
    except UnicodeError:
        return None
    return line if _LINE.fullmatch(line) is not None else None


def plain(part: object) -> JSON:
    """Return the plain values of a part that may be kept undecoded; None where there is none."""
    if isinstance(part, Raw):
        return _decoded(part) if part else None  # an empty one stands for an absent field
    return None if part is UNSET else cast("JSON", part)


def has_hard_numbers(body: bytes) -> bool:
    """Whether a body holds many numbers with an exponent of three digits, one in each 1,024 bytes or more.

    Those at the ends of what a float holds take msgspec 10 us each, and 1 MiB holds 150,000 of them. What only looks
    like one, within a text, counts too.
    """
    return _hard_numbers(body) > len(body) // 1024


def check_work(body: bytes) -> None:
    """Raise ValueError where a body holds more parts than any job has: decoding them would hold the loop too long.

    A list takes a tenth of a microsecond, an object two, and 500 digits in a row, which may be part of one whole
    number, two hundred. Where numbers are hard, so that all have to be read one by one, each with a fraction takes two
    more, and a hard one six.
    """
    hard = _hard_numbers(body)
    numbers = 2 * body.count(b".") + 6 * hard if hard > len(body) // 1024 else 0
    digits = 200 * body.translate(_AS_EXPONENTS).count(_DIGITS)
    if body.count(b"[") + 2 * body.count(b"{") + digits + numbers > _MOST_WORK:
        raise ValueError("more parts than any job has")


def _hard_numbers(body: bytes) -> int:
    marks = body.translate(_AS_EXPONENTS)
    return marks.count(b"0e-000") + marks.count(b"0e000")


def decoder_of(kind: Any, *, is_typed: bool) -> Callable[[bytes], object]:
    """Return what decodes bodies of a type, and holds the loop no longer than any reply is worth.

    It raises what msgspec does, and ValueError where a body holds more parts than any job has.

    Args:
        kind: The type of the bodies.
        is_typed: Whether it has fields for numbers, in which hard ones take their time: a body with many is then
            refused as one of another type.
    """
    decoder, is_open = msgspec.json.Decoder(kind), _is_open(kind)

    def decode(body: bytes) -> object:
        if len(body) <= LARGE:
            return decoder.decode(body)
        is_hard = has_hard_numbers(body if is_open else sample(body))
        if is_hard and is_typed:
            raise msgspec.ValidationError("numbers that are no times, counts or words")
        if is_open:
            check_work(body)
        return _uncollected(msgspec.json.Decoder(kind, float_hook=_finite) if is_hard else decoder, body)

    return decode


def _is_open(kind: Any) -> bool:
    """Whether anything may stand somewhere in a type, and be decoded."""
    if isinstance(kind, type) and issubclass(kind, Struct):
        return any(map(_is_open, kind.__annotations__.values()))
    return kind is Any or any(map(_is_open, get_args(kind)))


def sample(body: bytes) -> bytes:
    """Return a 128th of a large body, from all over it, since to look at all takes longer than to decode a small part.

    Where it is taken differs from process to process, so nobody can write what it would miss.
    """
    first = hash(body[:_PIECE]) % _APART
    return b"".join([body[at : at + _PIECE] for at in range(first, len(body), _APART)])


def _decoded(part: bytes | Raw) -> JSON:
    body = bytes(part)
    is_hard = len(body) > _SMALL and has_hard_numbers(body)
    decoder = _one_by_one if is_hard else _at_once
    if len(body) <= LARGE:
        return cast("JSON", decoder.decode(body))
    if not body.startswith(b'"'):
        check_work(body)
    return cast("JSON", _uncollected(decoder, body))


def _uncollected(decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:
    """Decode a body without the garbage collector.

    A mebibyte may hold 350,000 lists, at whose birth it would walk the whole heap, and hold the loop for ten times as
    long. None of them is garbage, since nothing else runs meanwhile.
    """
    pauses = gc.isenabled()
    if pauses:
        gc.disable()
    try:
        return decoder.decode(body)
    finally:
        if pauses:
            gc.enable()


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError("a number out of range")
    return number


_at_once = msgspec.json.Decoder()
_one_by_one = msgspec.json.Decoder(float_hook=_finite)  # slower for nearly all numbers, and equally fast for hard ones


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
