"""Reads a wire Struct as far as it can be read: a field that is not what the API documents is left out.

Only id and status are needed to tell how a job stands, so nothing else may make it unreadable; nor may one job of a
list make the others so. What is left out is what msgspec says is wrong: it names the place.
"""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec

from .._models import JSON

_T = TypeVar("_T")

_PLACE = re.compile(r" - at `\$((?:\.[^.`\[\]]+|\[\d+\])+)`$")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")
_MISSING = "missing required field"
_TRIES = 64


def decoded(decoder: msgspec.json.Decoder[_T], body: bytes, items: str | None = None) -> _T:
    """Decode a body, leaving out optional fields that are not of the documented type.

    Args:
        decoder: Of the Struct that the API documents.
        body: What the API sent.
        items: The field that holds a list of things that stand each for itself; one that cannot be read is left out,
            unless it is the last.

    Raises:
        msgspec.ValidationError: A required field is missing or wrong; this is what was wrong first.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as wrong:
        first = found = wrong
    plain: JSON = msgspec.json.decode(body)
    for _ in range(_TRIES):
        if not _left_out(plain, str(found), items) or _within(plain, items or "") == []:
            break
        try:
            return decoder.decode(msgspec.json.encode(plain))
        except msgspec.ValidationError as wrong:
            found = wrong
    raise first


def _left_out(plain: JSON, complaint: str, items: str | None) -> bool:
    """Take out of plain values what a complaint is about; False if it names nothing that can be done without."""
    place = _PLACE.search(complaint)
    if place is None:
        return False
    steps = [int(index) if index else key for key, index in _STEP.findall(place[1])]
    if len(steps) >= 2 and steps[0] == items and (_MISSING in complaint or len(steps) == 2):
        steps = steps[:2]
    elif _MISSING in complaint:
        return False
    holder = plain
    for step in steps[:-1]:
        holder = _within(holder, step)
    match holder, steps[-1]:
        case dict(), str() as key if key in holder:
            del holder[key]
        case list(), int() as index if len(steps) == 2 and steps[0] == items and index < len(holder):
            del holder[index]
        case _:
            return False
    return True


def _within(plain: JSON, step: str | int) -> JSON:
    match plain, step:
        case dict(), str():
            return plain.get(step)
        case list(), int() if step < len(plain):
            return plain[step]
        case _:
            return None
