"""Templates: texts in which a name in braces, such as ``{job_id}``, is a place for a value. Pure.

``{+name}`` is a place in which the slashes of a value stay; ``${NAME}`` is an environment variable, and none of these.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

Place: TypeAlias = re.Match[str]
"""A place in a template: its group ``name`` is the name, its group ``plus`` is ``+`` where slashes stay."""

_PLACE = re.compile(r"(?<!\$)\{(?P<plus>\+?)(?P<name>[A-Za-z_][A-Za-z0-9_]*)\}")
_PART_FOR_EACH = re.compile(r"(?<=[?&])[^?&#]*\{job_id\}[^?&#]*")


def names_in(templates: Iterable[str | None]) -> list[str]:
    """Return the names in braces, in order."""
    return [place["name"] for template in templates for place in _PLACE.finditer(template or "")]


def mapped(template: str, text: Callable[[str], str], place: Callable[[Place], str]) -> str:
    """Return a template with each place, and each text between places, put through a function."""
    pieces: list[str] = []
    position = 0
    for found in _PLACE.finditer(template):
        pieces += text(template[position : found.start()]), place(found)
        position = found.end()
    return "".join([*pieces, text(template[position:])])


def filled(template: str, values: Mapping[str, str]) -> str:
    """Return a template with values in their places, as they are; a place that there is no value for stays."""
    return mapped(template, str, lambda place: values.get(place["name"], place[0]))


def repeated(template: str, values: Sequence[str]) -> str:
    """Return a template in which each part of the query with ``{job_id}`` is written once for each value."""
    return _PART_FOR_EACH.sub(lambda part: "&".join(part[0].replace("{job_id}", value) for value in values), template)


def is_repeatable(template: str) -> bool:
    """Whether a part of the query has a place for one of several ids."""
    return _PART_FOR_EACH.search(template) is not None


def value_in(template: str, text: str, name: str) -> str | None:
    """Return what stands in a text in place of a name of the template; None where the text is not made from it."""

    def inside(place: Place) -> str:
        any_value = ".+" if place["plus"] else "[^/?&]+"
        return f"(?P<value>{any_value})" if place["name"] == name else any_value

    found = re.fullmatch(mapped(template, re.escape, inside), text)
    return found.groupdict().get("value") if found is not None else None
