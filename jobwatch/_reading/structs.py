"""Reads a wire Struct as far as it can be read: an optional field that is not what the API documents is left out.

Only id and status are needed to tell how a job stands, so nothing else may make it unreadable; nor may one job of a
list make the others so. How much is left out of one reply is bounded, and so is the time that it takes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, get_args

import msgspec
from msgspec import Raw, Struct
from msgspec.json import Decoder

_T = TypeVar("_T")

_MOST = 1000
"""How many Structs in one reply are read field by field: what has more that are wrong is not this API's."""


def decoded(decoder: Decoder[_T], body: bytes) -> _T:
    """Decode a body, leaving out optional fields that are not of the documented type.

    Args:
        decoder: Of the Struct that the API documents.
        body: What the API sent.

    Raises:
        msgspec.ValidationError: A required field is missing or wrong; this is what was wrong first.
    """
    return _Repair().decoded(decoder, body)


def each_decoded(decoder: Decoder[_T], items: Sequence[Raw]) -> list[_T]:
    """Decode the things of a list, which stand each for itself; those that cannot be read are left out.

    Raises:
        msgspec.ValidationError: None can be read; this is what was wrong with the first.
    """
    found: list[_T] = []
    first: msgspec.ValidationError | None = None
    repair = _Repair()
    for item in items:
        try:
            found.append(repair.decoded(decoder, item))
        except msgspec.ValidationError as wrong:
            first = first or wrong
        if repair.left <= 0:
            break
    if first is not None and not found:
        raise first
    return found


class _Repair:
    """Leaves out what is wrong in one reply, and counts how much."""

    def __init__(self) -> None:
        self.left = _MOST

    def decoded(self, decoder: Decoder[_T], body: bytes) -> _T:
        try:
            return decoder.decode(body)
        except msgspec.ValidationError as wrong:
            first = wrong
        try:
            return decoder.decode(self._fitting(Raw(body), decoder.type) or body)
        except msgspec.ValidationError:
            raise first from None

    def _fitting(self, part: Raw, kind: Any) -> Raw | None:
        """Return a part of a body without the optional fields in it that are not of their type.

        Args:
            part: The part.
            kind: Its type, with at most one Struct in it.

        Returns:
            None where the part is no such Struct, nor a list of them.
        """
        struct, item = _within(kind)
        if struct is not None and (fields := _decoded_as(dict[str, Raw], part)) is not None:
            self.left -= 1
            for field in _fields(struct) if self.left > 0 else ():
                value = fields.get(field.encode_name)
                if value is None:
                    continue
                if (fitting := self._fitting(value, field.type)) is not None:
                    fields[field.encode_name] = fitting
                elif not field.required and _decoded_as(field.type, value) is None:
                    del fields[field.encode_name]
            return Raw(msgspec.json.encode(fields))
        if item is not None and (items := _decoded_as(list[Raw], part)) is not None:
            return Raw(msgspec.json.encode([(self.left > 0 and self._fitting(each, item)) or each for each in items]))
        return None


@functools.cache
def _within(kind: Any) -> tuple[type[Struct] | None, Any]:
    """Return the Struct that a type stands for, or the type of the items that it is a list of."""
    kinds = [kind, *get_args(kind)]
    struct = next((each for each in kinds if isinstance(each, type) and issubclass(each, Struct)), None)
    listed = next((each for each in kinds if getattr(each, "__origin__", None) is tuple), None)
    return struct, None if listed is None else get_args(listed)[0]


_fields = functools.cache(msgspec.structs.fields)
_decoder: Callable[[Any], Decoder[Any]] = functools.cache(Decoder)  # making one takes longer than decoding with it


def _decoded_as(kind: type[_T], part: Raw) -> _T | None:
    """Return a part as it is of a type; None where it is not, or null."""
    decoder: Decoder[_T] = _decoder(kind)
    try:
        return decoder.decode(part)
    except msgspec.ValidationError:
        return None
