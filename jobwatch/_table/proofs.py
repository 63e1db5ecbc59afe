"""Whether a condition would hold where nothing is there: an end must be proved by something that is. Pure.

JMESPath takes a field that is not there for null, so ``exit_code != `0``` holds before there is an exit code, and "none
of the checks has failed" holds before there are checks. A condition that means an end is therefore tried on bodies that
hold nothing, and on its own skeleton: the objects and lists that its places lead through, with null in every place, and
then with every list empty.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from .._models import JSON
from . import templates
from .evaluation import KNOWN, CannotEvaluate, Node, holds
from .expressions import Expression, Place, expression_of

_GIVEN = "given"
"""What stands for each name in braces."""

_SAME_LIST = frozenset({"sort", "sort_by", "reverse", "to_array"})
_ONE_OF_LIST = frozenset({"max_by", "min_by"})


class Nothing(Struct, frozen=True):
    """A body that holds nothing, and how an error message writes it."""

    body: JSON
    shown: str


_NOTHING = (Nothing({}, "{}"), Nothing(None, "null"), Nothing([], "[]"), Nothing("", '""'))


def unproved(expression: Expression) -> Nothing | None:
    """Return a body that holds nothing and on which a condition holds all the same; None where there is none."""
    if expression.place is not None and expression.place.path:
        return None  # what lies at a place lies nowhere else
    return next((each for each in bodies_of_nothing(expression) if holds(value_on(expression, each))), None)


def says_empty(expression: Expression) -> bool:
    """Return whether a condition is, in so many words, that the whole reply is an empty list: ``$ == `[]```."""
    node = expression.node
    if node["type"] != "comparator" or node["value"] != "eq" or expression.places != (Place((), whole=True),):
        return False
    return any(child["type"] == "literal" and child["value"] == [] for child in node["children"])


def value_on(expression: Expression, nothing: Nothing) -> object:
    """Return the value of an expression on a body that holds nothing; None where it cannot be evaluated."""
    try:
        return expression.on(nothing.body, dict.fromkeys(expression.names, _GIVEN), nothing.body)
    except CannotEvaluate:
        return None


def bodies_of_nothing(expression: Expression) -> Iterator[Nothing]:
    """Yield the bodies that hold nothing: the plainest ones, and the skeletons of an expression."""
    yield from _NOTHING
    skeleton = _skeleton_of(expression)
    yield Nothing(skeleton.nulls(), "null in every place")
    yield Nothing(skeleton.empties(), "every list empty")


def constant(expression: Expression) -> tuple[str, str] | None:
    """Return a text that holds by itself within a condition, whatever the reply says, and the form that was meant.

    ``status == 'queued' || 'waiting'`` is true of every reply. A number or boolean is left: it is written on purpose.
    """
    level, compared = [expression.node], "a"
    while level:
        node = level.pop(0)
        if node["type"] in ("and_expression", "or_expression", "not_expression"):
            level += node["children"]
        elif node["type"] == "comparator" and node["children"][0]["type"] == "slot":
            compared = _written(expression.places[node["children"][0]["value"]])
        elif node["type"] == "literal" and isinstance(node["value"], str) and node is not expression.node:
            return node["value"], f"{compared} == '{node['value']}'"
    return None


def proved(expression: Expression) -> str | None:
    """Return a form of a condition that proves what it says by the first of its places; None where that does not."""
    if (counted := _counted(expression.node)) is not None:
        return f"{_written(expression.places[counted])} == `[]`"
    node = expression.node
    if node["type"] == "not_expression" and node["children"][0]["type"] == "slot":
        return f"{_written(expression.places[0])} == `false`"  # beside the place itself it would never hold
    for place in expression.places:
        guarded = f"{_written(place)} && {_bracketed(expression)}"
        try:
            found = expression_of(guarded)
            if unproved(found) is None and not holds(value_on(found, Nothing(_skeleton_of(found).others(), ""))):
                return guarded
        except ValueError:
            continue
    return None


def _counted(node: Node) -> int | None:
    """Return which of the places is a list that is said to have no items, if that is all that is said."""
    if node["type"] != "comparator" or node["value"] != "eq":
        return None
    for one, other in (node["children"], node["children"][::-1]):
        is_length = one["type"] == "function_expression" and one["value"] == "length"
        if is_length and other.get("value") == 0 and one["children"][0]["type"] == "slot":
            index: int = one["children"][0]["value"]
            return index
    return None


def _written(place: Place) -> str:
    text = "$" if place.whole else ""
    for step in place.path:
        text += f"[{step}]" if isinstance(step, int) else f"{'.' if text else ''}{_spelt(step)}"
    return text or "@"


def _bracketed(expression: Expression) -> str:
    kinds = ("or_expression", "pipe")
    return f"({expression.text})" if expression.node["type"] in kinds else expression.text


def _spelt(key: str) -> str:
    return key if key.isascii() and key.isidentifier() else f'"{key}"'


class _Shape:
    """What an expression takes a value for: an object with keys, or a list with items, or neither."""

    def __init__(self) -> None:
        self.keys: dict[str, _Shape] = {}
        self.items: _Shape | None = None
        self.may_be_list = False
        self.may_be_empty = False

    def key(self, name: str) -> _Shape:
        return self.keys.setdefault(name, _Shape())

    def item(self) -> _Shape:
        self.items = self.items or _Shape()
        return self.items

    def nulls(self) -> JSON:
        if self.keys:
            return {name: shape.nulls() for name, shape in self.keys.items()}
        return None if self.items is None else [self.items.nulls()]

    def others(self) -> JSON:
        """Null in every place, and in each object something else that is there."""
        if self.keys:
            return {"": "there", **{name: shape.others() for name, shape in self.keys.items()}}
        return None if self.items is None else [self.items.others()]

    def empties(self) -> JSON:
        if self.keys:
            return {name: shape.empties() for name, shape in self.keys.items()}
        is_list = self.items is not None or self.may_be_list
        return [] if is_list and not self.may_be_empty else None


def _skeleton_of(expression: Expression) -> _Shape:
    body = _Shape()
    places: list[_Shape] = []
    for place in expression.places:
        shape = body
        for step in place.path:
            shape = shape.item() if isinstance(step, int) else shape.key(step)
        places.append(shape)
    _Walk(places).shapes(expression.node, [body])
    return body


class _Walk:
    """Goes through an expression, and notes what it takes its values for."""

    def __init__(self, places: list[_Shape]) -> None:
        self._places = places

    def shapes(self, node: Node, here: list[_Shape]) -> list[_Shape]:
        """Return the shapes that the value of a node may have.

        Args:
            node: The node.
            here: Those of what it is evaluated on.
        """
        children: list[Node] = [] if node["type"] == "slice" else node["children"]
        match node["type"]:
            case "slot":
                return [self._places[node["value"]]]
            case "field" | "key":
                name = templates.mapped(node["value"], str, lambda _: _GIVEN)
                return [shape.key(name) for shape in here]
            case "current" | "identity":
                return here
            case "index":
                return [shape.item() for shape in here]
            case "subexpression" | "index_expression" | "pipe":
                for child in children:
                    here = self.shapes(child, here)
                return here
            case "slice" | "flatten":
                return self._lists([shape for child in children for shape in self.shapes(child, here)] or here)
            case "projection" | "filter_projection" | "value_projection":
                return self._projected(node, here)
            case "comparator" | "given_comparator":
                return self._compared(children, here)
            case "function_expression":
                return self._called(node, here)
            case _:
                found = [shape for child in children for shape in self.shapes(child, here)]
                return found if node["type"] in ("and_expression", "or_expression") else []

    def _projected(self, node: Node, here: list[_Shape]) -> list[_Shape]:
        first, then, *conditions = node["children"]
        is_of_values = node["type"] == "value_projection"
        items = [shape.key("any") if is_of_values else shape.item() for shape in self.shapes(first, here)]
        for condition in conditions:
            self.shapes(condition, items)
        return self._list_of(self.shapes(then, items))

    def _compared(self, children: list[Node], here: list[_Shape]) -> list[_Shape]:
        is_empty_list = any(child["type"] == "literal" and child["value"] == [] for child in children)
        for child in children:
            for shape in self.shapes(child, here):
                # An empty list that is there is the one form in which emptiness may prove an end.
                shape.may_be_empty = shape.may_be_empty or is_empty_list
        return []

    def _called(self, node: Node, here: list[_Shape]) -> list[_Shape]:
        arguments: list[Node] = node["children"]
        found = [[] if each["type"] == "expref" else self.shapes(each, here) for each in arguments]
        signature: list[dict[str, Any]] = KNOWN[node["value"]]["signature"]
        for shapes, wanted in zip(found, signature, strict=False):
            if any(kind.startswith("array") for kind in wanted["types"]):
                for shape in shapes:
                    shape.may_be_list = True
        all_found = [shape for shapes in found for shape in shapes]
        for each in arguments:
            if each["type"] == "expref":
                self.shapes(each["children"][0], [shape.item() for shape in all_found])
        if node["value"] in _ONE_OF_LIST:
            return [shape.item() for shape in all_found]
        return all_found if node["value"] in _SAME_LIST or node["value"] == "not_null" else []

    def _lists(self, shapes: list[_Shape]) -> list[_Shape]:
        for shape in shapes:
            shape.may_be_list = True
        return shapes

    def _list_of(self, items: list[_Shape]) -> list[_Shape]:
        made: list[_Shape] = []
        for item in items:
            shape = _Shape()
            shape.items = item
            made.append(shape)
        return made
