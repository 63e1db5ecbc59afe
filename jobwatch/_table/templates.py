"""Templates: texts in which a name in braces, such as ``{job_id}``, is a placeholder for a value. Pure.

In ``{+name}`` the slashes of a value stay; ``${NAME}`` is an environment variable, and no placeholder.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

from .._reading.patterns import pattern

Placeholder: TypeAlias = re.Match[str]
"""A placeholder in a template: its group ``name`` is the name, its group ``plus`` is ``+`` where slashes stay."""

_PLACEHOLDER = pattern(r"(?<!\$)\{(?P<plus>\+?)(?P<name>[A-Za-z_][A-Za-z0-9_]*)\}")
_TEXT = pattern(r'(?<!\\)(?<!"query":)(?<!"query": )"\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)\}"')
_FORM = pattern(r"(?:^|&)[^=&{}\s]+=\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)\}(?=&|$)")
_PATH = pattern(r"(?:/(?!(?:\.|%2[eE]){1,2}(?:/|$))(?:[!$&'()*+,.0-9:;=@A-Za-z_~\[\]-]|%[0-9A-Fa-f]{2})*)+")
_PLAIN_PATH = pattern(r"(?:/[0-9A-Za-z_-]+)+")  # of those, what nearly all are, found in less than half the time
_PART_FOR_EACH = pattern(r"(?<=[?&])[^?&#]*\{job_id\}[^?&#]*")


def is_encoded_path(path: str) -> bool:
    """Return whether a path starts at the root, is encoded, has no dot segments, and is all path. RFC 3986, 3.3.

    A dot segment is one however it is spelt: servers decode ``%2e`` before they resolve it.
    """
    return _PLAIN_PATH.fullmatch(path) is not None or _PATH.fullmatch(path) is not None


def names_in(templates: Iterable[str | None]) -> list[str]:
    """Return the names in braces, in order."""
    # Most texts of a table have no braces, which is sooner seen than searched for.
    return [found["name"] for text in templates if text and "{" in text for found in _PLACEHOLDER.finditer(text)]


def whole_values_in(bodies: Iterable[str | None]) -> list[str]:
    """Return the names in braces that are a whole value of a body: a text of JSON, or a value of a form.

    A query of GraphQL is none, as its braces are its own.
    """
    return [
        found["name"]
        for body in bodies
        for found in (_TEXT if (body or "").lstrip()[:1] in ("{", "[") else _FORM).finditer(body or "")
    ]


def is_placeholder(text: str) -> bool:
    """Whether a text is a name in braces, and nothing else."""
    return _PLACEHOLDER.fullmatch(text) is not None


def mapped(template: str, text: Callable[[str], str], placeholder: Callable[[Placeholder], str]) -> str:
    """Return a template with each placeholder, and each text between them, put through a function."""
    pieces: list[str] = []
    position = 0
    for found in _PLACEHOLDER.finditer(template):
        pieces += text(template[position : found.start()]), placeholder(found)
        position = found.end()
    return "".join([*pieces, text(template[position:])])


def filled(template: str, values: Mapping[str, str]) -> str:
    """Return a template with values in place of their names, as they are; a name that there is no value for stays."""
    return mapped(template, str, lambda found: values.get(found["name"], found[0]))


def repeated(template: str, values: Sequence[str]) -> str:
    """Return a template in which each part of the query with ``{job_id}`` is written once for each value."""
    return _PART_FOR_EACH.sub(lambda part: "&".join(part[0].replace("{job_id}", value) for value in values), template)


def is_repeatable(template: str) -> bool:
    """Whether a part of the query has a placeholder for one of several ids."""
    return _PART_FOR_EACH.search(template) is not None


def value_in(template: str, text: str, name: str) -> str | None:
    """Return what stands in a text in place of a name of the template; None where the text is not made from it."""
    found = values_in(template, text)
    return None if found is None else found.get(name)


def values_in(template: str, text: str) -> dict[str, str] | None:
    """Return what stands in a text in place of each name of the template; None where the text is not made from it."""
    seen: set[str] = set()

    def inside(placeholder: Placeholder) -> str:
        name = placeholder["name"]
        if name in seen:
            return f"(?P={name})"
        seen.add(name)
        return f"(?P<{name}>{'.+' if placeholder['plus'] else '[^/?&]+'})"

    found = re.fullmatch(mapped(template, re.escape, inside), text)
    return None if found is None else found.groupdict()
