"""The expressions of a table: JMESPath, checked when the table is read, and taken apart into places. Pure.

What JMESPath reads in another way than people mean it is refused, with the form that says what is meant. Beside
JMESPath there are three things: an expression that begins with ``$`` starts at the whole reply, and ``$`` is the whole
reply anywhere else; ``{name}`` is a value that the wait was given; and ``"{name}"`` is the key that is spelt so. The
last two become nodes of the parsed expression, so no value is ever read as a part of it.
"""

from __future__ import annotations

import difflib
import functools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import cast

import jmespath
from msgspec import Struct

from .._models import JSON
from .._reading.bodies import Steps, at
from . import templates
from .evaluation import KNOWN, Node, begin, evaluated

_LONGEST = 2048
_DEEPEST = 100
_MOST_STEPS = 64

_MARK = "\0"
"""Stands before what is no name, in the names that the parser is given: no key of a table has it."""

_PIECES = re.compile(
    r"(?P<raw>'(?:\\.|[^'\\])*')|(?P<name>\"(?:\\.|[^\"\\])*\")|`(?P<literal>(?:\\.|[^`\\])*)`"
    r"|\{(?P<given>[A-Za-z_][A-Za-z0-9_]*)\}|(?P<whole>\$)|(?P<operator>\|\||&&|\||[()\[\]{},])",
    re.DOTALL,
)
_PLAIN = re.compile(
    r"(?P<whole>\$\.)?(?P<steps>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*|\[-?[0-9]{1,6}\])*)", re.ASCII
)
"""A place that is written with plain keys."""
_STEP = re.compile(r"(?P<key>[A-Za-z0-9_]+)(?!\])|\[(?P<index>-?[0-9]+)\]")
_PROJECTIONS = frozenset({"projection", "filter_projection", "value_projection", "flatten"})
_STEPS_OF = frozenset({"subexpression", "index_expression", "pipe", "slice", *_PROJECTIONS})
_PLACES = frozenset({"field", "subexpression", "index_expression", "current", "slot"})
_MEANT_AS_LITERALS = {"true": "`true`", "false": "`false`", "null": "`null`", "True": "'True'", "False": "'False'"}
_GIVE_TEXTS = frozenset({"to_string", "join", "type", "contains", "starts_with", "ends_with"})


class Place(Struct, frozen=True):
    """A place that an expression reads: keys and indexes, from the value at ``root`` or from the whole reply.

    Attributes:
        path: The keys and indexes.
        whole: Whether they start at the whole reply.
    """

    path: Steps = ()
    whole: bool = False


class Expression(Struct, frozen=True):
    """An expression as it is written, and what became of it.

    Attributes:
        text: As it is written.
        node: It, parsed, with a slot in place of each place.
        places: The places.
        names: The names in braces.
    """

    text: str
    node: Node
    places: tuple[Place, ...]
    names: frozenset[str]

    @property
    def place(self) -> Place | None:
        """The place that the expression is, if it is no more than that."""
        return self.places[0] if self.node["type"] == "slot" else None

    def on(self, body: object, given: Mapping[str, str], whole: object = None) -> object:
        """Return its value on a reply that is decoded; see `evaluated`."""

        def reader(place: Place) -> Callable[[object], object]:
            return lambda base: at(cast("JSON", whole if place.whole else base), place.path)

        begin(b"")
        return evaluated(self.node, [reader(place) for place in self.places], body, given)


def expression_of(text: str) -> Expression:
    """Read an expression.

    Raises:
        ValueError: It is none, or says something else than whoever wrote it will have meant; the message has the form
            that is right.
    """
    found = _found(text)
    if isinstance(found, Expression):
        return found
    raise ValueError(found)


@functools.lru_cache(256)  # a table is gone through more than once while it is read
def _found(text: str) -> Expression | str:
    """Return an expression, or what is wrong with it."""
    try:
        return _read(text)
    except ValueError as error:
        return str(error)


def _read(text: str) -> Expression:
    if len(text.encode()) > _LONGEST:
        raise ValueError(f"an expression of {len(text.encode())} bytes is too long; at most {_LONGEST}")
    if _MARK in text or r"\u0000" in text:
        raise ValueError("no key has a NUL in it")
    if (plain := _PLAIN.fullmatch(text)) is not None:  # most are, and the parser takes its time
        return _of_place(text, Place(_steps_in(plain["steps"]), whole=plain["whole"] is not None))
    _check_text(text)
    try:
        node = _parsed(_marked(text))
        if _depth(node) > _DEEPEST:
            raise ValueError("nested too deeply")
        node = _named(node)
        _check(node)
        places: list[Place] = []
        node = _slotted(node, places, starts_whole=text.lstrip().startswith("$"))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return _checked(Expression(text, node, tuple(places), frozenset(_names(node))))


def _of_place(text: str, place: Place) -> Expression:
    return _checked(Expression(text, {"type": "slot", "value": 0, "children": []}, (place,), frozenset()))


def _steps_in(text: str) -> Steps:
    return tuple(int(step["index"]) if step["index"] else step["key"] for step in _STEP.finditer(text))


def _checked(expression: Expression) -> Expression:
    longest = max((len(place.path) for place in expression.places), default=0)
    if longest > _MOST_STEPS:
        raise ValueError(f"a place of {longest} steps is too long; at most {_MOST_STEPS}")
    return expression


def shown(path: Steps) -> str:
    """Return a path as error messages write it, from ``$`` on."""
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)


def nodes_in(node: Node) -> Iterator[Node]:
    """Yield a node and all that lie in it."""
    yield node
    for child in _children(node):
        yield from nodes_in(child)


# --- the text --------------------------------------------------------------------------------------------------------


def _check_text(text: str) -> None:
    """Refuse what the parsed expression would not show any more: operators that lack brackets, and odd literals."""
    groups: list[set[str]] = [set()]
    for piece in _PIECES.finditer(text):
        if (literal := piece["literal"]) is not None and not _is_json(literal.replace("\\`", "`")):
            raise ValueError(f"`{literal}` is no JSON: a text is written '{literal.strip()}'")
        match operator := piece["operator"]:
            case "(" | "[" | "{":
                groups.append(set())
            case ")" | "]" | "}":
                groups = groups[:-1] or [set()]
            case ",":
                groups[-1] = set()
            case "|" | "||" | "&&":
                groups[-1].add("|" if operator == "|" else "&&")
            case _:
                pass
        if len(groups[-1]) > 1:
            raise ValueError(f"{text!r} has a | beside && or ||, which takes all before it: write (a | b) && c")


def _is_json(text: str) -> bool:
    try:
        json.loads(text)  # as the parser does, which takes any other text for a string, with a warning
    except (ValueError, RecursionError):
        return False
    return True


def _marked(text: str) -> str:
    def marked(piece: re.Match[str]) -> str:
        if piece["given"] is not None:
            return f'"\\u0000{piece["given"]}"'
        return r'"\u0000$"' if piece["whole"] is not None else piece[0]

    return _PIECES.sub(marked, text)


def _parsed(marked: str) -> Node:
    try:
        return jmespath.compile(marked).parsed
    except (ValueError, Warning) as error:  # what jmespath raises are ValueErrors
        text = _unmarked(marked)
        rest = _unmarked(marked[getattr(error, "lex_position", getattr(error, "lexer_position", None)) or 0 :])
        where = f"it cannot be read from {rest[:30]!r} on" if rest else "it ends too early"
        raise ValueError(f"{text!r} is no JMESPath expression: {where}{_hint(text)}") from None


def _unmarked(marked: str) -> str:
    return re.sub(r'"\\u0000(\w+)"', r"{\1}", marked.replace(r'"\u0000$"', "$"))


def _hint(text: str) -> str:
    bare = _PIECES.sub("", text)
    if not text.strip():
        return "; the whole value is @"
    if re.search(r"(?<![=!<>])=(?!=)", bare):
        return "; it is equal is written ==, as in state == 'FAILED'"
    if re.search(r"\sis\s+(?:not\s+)?(?:null|none|there)\b", bare, re.IGNORECASE):
        return "; that a is there is written a, that it is not !(a)"
    if re.search(r"\sin\s", bare):
        return "; one of several is written contains(['x', 'y'], a)"
    if number := re.search(r"[=<>]\s*(-?\d[\d.]*)", bare):
        return f"; a number is written `{number[1]}`"
    if re.search(r"\s(?:and|or|not)\s", f" {bare} "):
        return "; and, or, not are written &&, ||, !"
    if re.search(r"[^\s(\[,|&=<>!]\s*/\s*\S", bare):
        return '; a part of a whole is written { done = "a", of = "b" }'
    if re.search(r"\w-|[@#/:]\w|\.\d|^\d", bare):
        return "; a key with a hyphen, a dot, @ or $ is written in double quotes, as in '\"a-b\".c'"
    return ""


# --- the parsed expression -------------------------------------------------------------------------------------------


def _children(node: Node) -> list[Node]:
    return [] if node["type"] == "slice" else node["children"]


def _depth(node: Node) -> int:
    deepest, level = 0, [node]
    while level:
        deepest += 1
        level = [child for each in level for child in _children(each)]
    return deepest


def _named(node: Node) -> Node:
    """Put in the nodes of what stands in braces, and of the whole reply."""
    if node["type"] == "field":
        name: str = node["value"]
        if name.startswith(_MARK):
            kind = "whole" if name == f"{_MARK}$" else "given"
            return {"type": kind, "value": name[1:], "children": []}
        return {**node, "type": "key"} if templates.names_in([name]) else node
    if node["type"] == "slice":
        return node
    children = [_named(child) for child in node["children"]]
    if node["type"] == "subexpression":
        for child in children[1:]:
            if child["type"] == "given":
                raise ValueError(f'a key that is given is written in double quotes: "{{{child["value"]}}}"')
            if child["type"] == "whole":
                raise ValueError('$ is the whole reply, and stands first; a key that is called so is written "$"')
    if node["type"] == "comparator" and any(child["type"] == "given" for child in children):
        return {**node, "type": "given_comparator", "children": children}
    return {**node, "children": children}


def _names(node: Node) -> Iterator[str]:
    for each in nodes_in(node):
        if each["type"] == "given":
            yield each["value"]
        elif each["type"] == "key":
            yield from templates.names_in([each["value"]])


def _check(node: Node) -> None:
    arguments = [
        id(child) for each in nodes_in(node) if each["type"] == "function_expression" for child in _children(each)
    ]
    for each in nodes_in(node):
        if each["type"] == "expref" and id(each) not in arguments:
            raise ValueError("& stands only before the argument of a function, as in max_by(a, &b); and is written &&")
        match each["type"]:
            case "function_expression":
                _check_function(each)
            case "comparator" | "given_comparator":
                _check_comparison(each)
            case "literal" if isinstance(each["value"], str) and templates.is_placeholder(each["value"]):
                raise ValueError(f"a value that is given stands without quotes: {each['value']}")
            case "slice" if each["children"][2] == 0:
                raise ValueError("a slice cannot have a step of 0")
            case kind if kind in _STEPS_OF and _children(each) and _children(each)[0]["type"] == "not_expression":
                raise ValueError("! goes before the dot and the bracket, so !a.b is (!a).b: write !(a.b), !(a[?b])")
            case _:
                pass


def _check_function(node: Node) -> None:
    name: str = node["value"]
    arguments: list[Node] = node["children"]
    if name not in KNOWN:
        near = difflib.get_close_matches(name, KNOWN, 1, 0.6)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(sorted(KNOWN))}"
        raise ValueError(f"there is no function {name}; {hint}")
    signature = KNOWN[name]["signature"]
    is_open = bool(signature) and bool(signature[-1].get("variadic"))
    if len(arguments) < len(signature) or (len(arguments) > len(signature) and not is_open):
        least = "at least " if is_open else ""
        many = f"{len(signature)} argument{'s' * (len(signature) != 1)}"
        raise ValueError(f"{name} takes {least}{many}, not {len(arguments)}")
    for argument, wanted in zip(arguments, signature, strict=False):
        if (argument["type"] == "expref") is not (wanted["types"] == ["expref"]):
            form = f"{name}({', '.join('&b' if each['types'] == ['expref'] else 'a' for each in signature)})"
            raise ValueError(f"an expression for each item has an & before it, and no other argument has: {form}")


def _check_comparison(node: Node) -> None:
    for one, other in (node["children"][::-1], node["children"]):
        if one["type"] == "not_expression" and other.get("value") not in (True, False):
            raise ValueError("! goes before the comparison, so !a == b is (!a) == b: write !(a == b)")
        if one["type"] in _PROJECTIONS:
            raise ValueError(
                "a list that was made is compared with a value, which is never equal: "
                "some item is written a[?s == 'x'], each item a && !(a[?s != 'x'])"
            )
        if one["type"] == "field" and node["value"] in ("eq", "ne") and _is_ambiguous(one["value"], other):
            name = one["value"]
            literal = _MEANT_AS_LITERALS.get(name, f"'{name}'")
            raise ValueError(
                f"{name} is compared as a field: a word is written {literal}, the field {name} is written @.{name}"
            )


def _is_ambiguous(name: str, other: Node) -> bool:
    """Whether a bare name in a comparison may have been meant as a word."""
    if name in _MEANT_AS_LITERALS or other["type"] in _PLACES:
        return True
    return bool(other["type"] == "function_expression" and other["value"] in _GIVE_TEXTS)


# --- the places ------------------------------------------------------------------------------------------------------


def _slotted(node: Node, places: list[Place], *, starts_whole: bool) -> Node:
    """Return an expression in which each place, from where it starts, is a slot.

    Args:
        node: The expression.
        places: Takes the places.
        starts_whole: Whether what does not say so starts at the whole reply, too.
    """

    def slot(path: Steps, *, whole: bool) -> Node:
        place = Place(path, whole)
        if place not in places:
            places.append(place)
        return {"type": "slot", "value": places.index(place), "children": []}

    def put(node: Node, *, is_start: bool) -> Node:
        """Put in slots; `is_start` tells whether a name here starts where the expression does."""
        steps = _steps(node, is_start=is_start)
        if steps is not None:
            whole, path = steps
            return slot(path, whole=whole or starts_whole)
        kind, children = node["type"], _children(node)
        if kind in ("subexpression", "index_expression"):
            return prefixed(node, is_start=is_start)
        if kind in ("projection", "value_projection", "filter_projection", "flatten", "pipe"):
            first, *rest = children
            return {**node, "children": [put(first, is_start=is_start), *(put(each, is_start=False) for each in rest)]}
        if kind == "expref":
            return {**node, "children": [put(children[0], is_start=False)]}
        if kind == "slice":
            return node
        if kind == "key" and is_start:
            return {"type": "subexpression", "children": [slot((), whole=starts_whole), node]}
        return {**node, "children": [put(child, is_start=is_start) for child in children]}

    def prefixed(node: Node, *, is_start: bool) -> Node:
        """Put a slot in place of as much of the beginning as is a place."""
        first, *rest = node["children"]
        found, taken = _steps(first, is_start=is_start), 0
        while found is not None and taken < len(rest) and (longer := _longer(found, rest[taken])) is not None:
            found, taken = longer, taken + 1
        begin = put(first, is_start=is_start) if found is None else slot(found[1], whole=found[0] or starts_whole)
        return {**node, "children": [begin, *(put(each, is_start=False) for each in rest[taken:])]}

    return put(node, is_start=True)


def _steps(node: Node, *, is_start: bool) -> tuple[bool, Steps] | None:
    """Return the keys and indexes that a node is made of, and whether they start at the whole reply; None if of more.

    Only what starts where the expression does, or at the whole reply, is a place.
    """
    match node["type"]:
        case "whole":
            return True, ()
        case "current" | "identity" if is_start:
            return False, ()
        case "field" if is_start:
            return False, (node["value"],)
        case "index" if is_start:
            return False, (node["value"],)
        case "subexpression" | "index_expression":
            found = _steps(node["children"][0], is_start=is_start)
            for child in node["children"][1:]:
                found = None if found is None else _longer(found, child)
            return found
        case _:
            return None


def _longer(found: tuple[bool, Steps], child: Node) -> tuple[bool, Steps] | None:
    """Return the steps that lead on from others, if a node is no more than that."""
    more = None if child["type"] == "whole" else _steps(child, is_start=True)
    return None if more is None else (found[0], (*found[1], *more[1]))
