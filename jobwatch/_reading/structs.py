"""Reads a wire Struct as far as it can be read: an optional field that is not what the API documents is left out.

Only id and status are needed to tell how a job stands, so nothing else may make it unreadable; nor may one job of a
list make the others so. How much is left out of one reply is bounded, and so is the time that it takes: msgspec holds
the whole process while it decodes, so what a large body would cost is found out before.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar, get_args

import msgspec
from msgspec import Raw, Struct
from msgspec.json import Decoder

from .bodies import LARGE, check_work, has_hard_numbers
from .ids import in_one_spelling

_T = TypeVar("_T")

MOST_ENTRIES: Final = 5000
"""How many entries a list within a job may have, such as its history; a longer one is left out as a whole."""

MOST_JOBS: Final = 1000
"""How many jobs of a list are read: as many as any list is asked for."""

_MOST = 5000
_A_STRUCT = 5
"""How many fields may be left out of one reply, where a Struct that is read field by field counts as five of them."""


def decoded(decoder: Decoder[_T], body: bytes) -> _T:
    """Decode a body, leaving out optional fields that are not of the documented type.

    Args:
        decoder: Of the Struct that the API documents.
        body: What the API sent.

    Raises:
        msgspec.ValidationError: A required field is missing or wrong; this is what was wrong first.
    """
    if len(body) > LARGE:
        body = _bounded(Raw(body), decoder.type, is_hard=has_hard_numbers(body)) or body
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as wrong:
        return _Repair().repaired(decoder, body, wrong)


def each_decoded(decoder: Decoder[_T], items: Sequence[Raw], body: bytes) -> list[_T]:
    """Decode the first `MOST_JOBS` of a list, which stand each for itself; those that cannot be read are left out.

    So is one that is told twice, and once so that it cannot be read.

    Args:
        decoder: Of the Struct that the API documents.
        items: The list.
        body: What they lie in.

    Raises:
        msgspec.ValidationError: None can be read; this is what was wrong with the first.
        ValueError: It holds more parts than any list of jobs has.
    """
    is_hard = False
    if len(body) > LARGE:
        check_work(body)
        is_hard = has_hard_numbers(body)
    found: list[_T] = []
    unread: set[str] = set()
    first: msgspec.ValidationError | None = None
    repair = _Repair()
    for item in items[:MOST_JOBS]:
        if first is not None and not bytes(item).startswith(b"{"):
            continue
        bounded = _bounded(item, decoder.type, is_hard=True) if is_hard else None
        try:
            found.append(repair.decoded(decoder, bounded or item))
        except msgspec.ValidationError as wrong:
            first = first or wrong
            if (named := _id_of(_decoded_as(_Named, item))) is not None:
                unread.add(in_one_spelling(named))
        if repair.left <= 0:
            break
    if first is not None and not found:
        raise first
    # What a list tells twice, and once so that it cannot be read, it tells in two ways: neither is to be believed.
    return [thing for thing in found if in_one_spelling(_id_of(thing) or "") not in unread] if unread else found


class _Named(Struct):
    id: str | int | None = None


def _id_of(thing: object) -> str | None:
    found = getattr(thing, "id", None)
    return None if found is None else str(found)


class _Repair:
    """Leaves out what is wrong in one reply, and counts how much."""

    def __init__(self) -> None:
        self.left = _MOST

    def decoded(self, decoder: Decoder[_T], body: bytes | Raw) -> _T:
        try:
            return decoder.decode(body)
        except msgspec.ValidationError as wrong:
            return self.repaired(decoder, body, wrong)

    def repaired(self, decoder: Decoder[_T], body: bytes | Raw, first: msgspec.ValidationError) -> _T:
        """Return what can be decoded without the fields that are wrong; raise what was wrong first."""
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
        if struct is not None:
            self.left -= _A_STRUCT
            fields = _parts(struct, part)
            for field in _fields(struct) if self.left > 0 else ():
                value = fields.get(field.encode_name)
                if value is None:
                    continue
                if (fitting := self._fitting(value, field.type)) is not None:
                    fields[field.encode_name] = fitting
                elif not field.required and _decoded_as(field.type, value) is None:
                    self.left -= 1
                    del fields[field.encode_name]
            return Raw(msgspec.json.encode(fields)) if fields else None
        if item is not None and (items := _decoded_as(list[Raw], part)) is not None:
            return Raw(msgspec.json.encode([(self.left > 0 and self._fitting(each, item)) or each for each in items]))
        return None


def _bounded(part: Raw, kind: Any, *, is_hard: bool) -> Raw | None:
    """Return a part of a large body without what costs more time than any job is worth.

    That are lists of too many entries, keys that come again or are not documented, and, where numbers are hard, those
    in fields for times and counts: none of them is one.

    Args:
        part: The part.
        kind: Its type, with at most one Struct in it.
        is_hard: Whether the body has hard numbers.

    Returns:
        None where nothing is left out.
    """
    struct, item = _within(kind)
    if struct is not None and (fields := _parts(struct, part)):
        for field in _fields(struct):
            value = fields.get(field.encode_name)
            if value is None:
                continue
            if _has_too_many(value, field.type) or (is_hard and _is_hard_number(value, field.type)):
                del fields[field.encode_name]
            elif (bounded := _bounded(value, field.type, is_hard=is_hard)) is not None:
                fields[field.encode_name] = bounded
        return Raw(msgspec.json.encode(fields))
    if is_hard and item is not None and (items := _decoded_as(list[Raw], part)) is not None:
        return Raw(msgspec.json.encode([_bounded(each, item, is_hard=True) or each for each in items]))
    return None


def _has_too_many(value: Raw, kind: Any) -> bool:
    _, item = _within(kind)
    return item is not None and len(_decoded_as(list[Raw], value) or ()) > MOST_ENTRIES


def _is_hard_number(value: Raw, kind: Any) -> bool:
    is_number = not {int, float}.isdisjoint(get_args(kind))
    return is_number and not bytes(value).startswith(b'"') and has_hard_numbers(bytes(value))


def _parts(struct: type[Struct], part: Raw) -> dict[str, Raw]:
    """Return the fields of a Struct as they came, each once, the last where a key comes again; none if it is none."""
    fields = _decoded_as(_undecoded(struct), part)
    found = {} if fields is None else {name: getattr(fields, name) for name in fields.__struct_fields__}
    return {field.encode_name: found[field.name] for field in _fields(struct) if found.get(field.name)}


@functools.cache
def _undecoded(struct: type[Struct]) -> type[Struct]:
    """Return a Struct with the fields of another, each of them as it came."""
    fields = _fields(struct)
    renamed = {field.name: field.encode_name for field in fields}
    return msgspec.defstruct("Undecoded", [(field.name, Raw, Raw()) for field in fields], rename=renamed, gc=False)


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
