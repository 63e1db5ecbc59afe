"""Reads a wire Struct as far as it can be read: an optional field that is not what the API documents is left out.

Only id and status are needed to tell how a job stands, so nothing else may make it unreadable; nor may one job of a
list make the others so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, get_args

import msgspec
from msgspec import Raw, Struct
from msgspec.json import Decoder

_T = TypeVar("_T")


def decoded(decoder: Decoder[_T], body: bytes) -> _T:
    """Decode a body, leaving out optional fields that are not of the documented type.

    Args:
        decoder: Of the Struct that the API documents.
        body: What the API sent.

    Raises:
        msgspec.ValidationError: A required field is missing or wrong; this is what was wrong first.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as wrong:
        first = wrong
    msgspec.json.decode(body)  # what is no JSON, such as a number out of range, is not one field's fault
    # Field by field, each decoded once a level: how much is wrong must not decide how long it takes.
    try:
        return decoder.decode(_fitting(Raw(body), decoder.type) or body)
    except msgspec.ValidationError:
        raise first from None


def each_decoded(decoder: Decoder[_T], items: Sequence[Raw]) -> list[_T]:
    """Decode the things of a list, which stand each for itself; those that cannot be read are left out.

    Raises:
        msgspec.ValidationError: None can be read; this is what was wrong with the first.
    """
    found: list[_T] = []
    first: msgspec.ValidationError | None = None
    for item in items:
        try:
            found.append(decoded(decoder, item))
        except msgspec.ValidationError as wrong:
            first = first or wrong
    if first is not None and not found:
        raise first
    return found


def _fitting(part: Raw, kind: Any) -> Raw | None:
    """Return a part of a body without the optional fields in it that are not of their type.

    Args:
        part: The part.
        kind: Its type, with at most one Struct in it.

    Returns:
        None where the part is no such Struct, nor a list of them.
    """
    kinds = [kind, *get_args(kind)]
    struct = next((each for each in kinds if isinstance(each, type) and issubclass(each, Struct)), None)
    if struct is not None and (fields := _decoded_as(dict[str, Raw], part)) is not None:
        for field in msgspec.structs.fields(struct):
            value = fields.get(field.encode_name)
            if value is None:
                continue
            if (fitting := _fitting(value, field.type)) is not None:
                fields[field.encode_name] = fitting
            elif not field.required and _decoded_as(field.type, value) is None:
                del fields[field.encode_name]
        return Raw(msgspec.json.encode(fields))
    listed = next((each for each in kinds if getattr(each, "__origin__", None) is tuple), None)
    if listed is not None and (items := _decoded_as(list[Raw], part)) is not None:
        return Raw(msgspec.json.encode([_fitting(item, get_args(listed)[0]) or item for item in items]))
    return None


def _decoded_as(kind: type[_T], part: Raw) -> _T | None:
    """Return a part as it is of a type; None where it is not, or null."""
    try:
        return msgspec.json.decode(part, type=kind)
    except msgspec.ValidationError:
        return None
