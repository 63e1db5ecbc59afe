"""How an expression of a table is evaluated: JMESPath with one meaning of "holds", and functions to give null to. Pure.

One subclass of the interpreter, so that a whole condition, ``&&``, ``||``, ``!`` and a filter all agree on what holds.
Two kinds of nodes are ours: a *slot* is a place in the reply, read when it is met, and a *given* value is one that the
wait was given, which never was a part of the text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, TypeAlias, cast

import msgspec
from jmespath.functions import Functions
from jmespath.visitor import Options, TreeInterpreter

from .._reading.api import is_same_uuid
from .._reading.bodies import LARGE, SAMPLED, sample
from .._reading.words import lowered, text_of
from . import templates

Node: TypeAlias = Any
"""A node of a parsed expression, as jmespath makes it: its ``type``, its ``value`` and its ``children``."""

Slots: TypeAlias = Sequence[Callable[[Any], object]]
"""Read the places of an expression from what they lie in."""

_SAYS_NO = frozenset({"", "false", "no", "off", "0", "null", "none"})
_MOST_WORK = 26_000
"""How many nodes are visited for one reply: of a filter, three or more an item. Each takes a microsecond or so."""

_PARTS_A_VISIT = 10
"""How many parts of a large reply take the place of a visit: they had to be decoded."""

_A_WORD = 4
"""How many visits it takes to read a word of a status that is a list."""

_left: ContextVar[int] = ContextVar("_left", default=_MOST_WORK)

_FOR_NULL = frozenset({"not_null"})
"""The functions that are there to be given null."""


class CannotEvaluate(msgspec.ValidationError):
    """An expression cannot be evaluated on a reply, which is then unreadable: no other rule is tried in its place."""


def begin(body: bytes) -> None:
    """Begin with a reply: what is spent from now on is spent for it."""
    parts = 0
    if len(body) > LARGE:
        some = sample(body)
        parts = SAMPLED * (some.count(b"[") + 2 * some.count(b"{") + some.count(b",") // 2)
    _left.set(_MOST_WORK - parts // _PARTS_A_VISIT)


def can_read(words: object) -> bool:
    """Whether a status is no list of more words than any job has; they count as so many visits."""
    if not isinstance(words, list):
        return True
    several, most = cast("list[object]", words), _left.get()
    visits = _A_WORD * len(several)
    if visits <= most:  # a number of thousands of digits takes as long as many words
        visits += sum(each.bit_length() // 64 for each in several if isinstance(each, int))
    if visits <= most:
        _left.set(most - visits)
    return visits <= most


class Chosen(list[Any]):
    """The items that a filter chose: there is one, or there is none, whatever they hold."""


# What the functions of jmespath go by is the name of a value's class, and by this one they know a list.
Chosen.__name__ = "_Projection"


def holds(value: object) -> bool:
    """Whether a value says yes: it is not null, false, zero, empty, a text that says no, or made of only such values.

    The texts that say no, in any case, are ``false``, ``no``, ``off``, ``0``, ``null`` and ``none``.
    """
    if value is None or value is True or value is False:
        return value is True
    match value:
        case str():
            return lowered(value) not in _SAYS_NO
        case Chosen():
            return bool(value)
        case dict():
            return any(map(holds, cast("dict[str, object]", value).values()))
        case list():
            return any(map(holds, cast("list[object]", value)))
        case float():
            return bool(value) and not math.isnan(value)
        case _:
            return bool(value)


def evaluated(node: Node, slots: Slots, base: object, given: Mapping[str, str]) -> object:
    """Return the value of an expression.

    Args:
        node: The expression.
        slots: Read its places.
        base: What they are read from.
        given: The values of the names in braces.

    Raises:
        CannotEvaluate: A function was given what it does not take, or numbers and texts were to be put in order.
    """
    interpreter, left = _Interpreter(slots, base, given), _left.get()
    try:
        return interpreter.visit(node, {})  # a list that is made of places is null on null
    except (ValueError, TypeError, ArithmeticError, AttributeError, LookupError, RecursionError) as error:
        trouble = str(error).partition("\n")[0] or type(error).__name__
        raise CannotEvaluate(trouble[:200]) from None
    finally:
        _left.set(left - interpreter.visits)


class _Functions(Functions):
    """JMESPath's functions, of which each but one gives null where it is given null, or a list with a null in it."""

    def call_function(self, function_name: str, resolved_args: Iterable[Any]) -> object:
        values = list(resolved_args)
        if function_name not in _FOR_NULL:
            for value in values:
                if value is None or (isinstance(value, list) and None in value):
                    return None
        called: object = super().call_function(function_name, values)
        return called


KNOWN: Mapping[str, Mapping[str, Any]] = _Functions.FUNCTION_TABLE
"""The functions that there are, with the types of their arguments."""


class _Interpreter(TreeInterpreter):
    def __init__(self, slots: Slots, base: object, given: Mapping[str, str]) -> None:
        super().__init__(_OPTIONS)
        self._slots = slots
        self._base = base
        self._given = given
        self._read: dict[int, object] = {}
        self.visits = 0
        self._most = _left.get()

    def visit_slot(self, node: Node, _value: object) -> object:
        index: int = node["value"]
        if index not in self._read:
            self._read[index] = self._slots[index](self._base)
        return self._read[index]

    def visit_given(self, node: Node, _value: object) -> object:
        return self._given.get(cast("str", node["value"]))

    def visit_key(self, node: Node, value: object) -> object:
        name = templates.filled(node["value"], self._given)
        return cast("dict[str, object]", value).get(name) if isinstance(value, dict) else None

    def visit(self, node: Node, *args: Any, **_: Any) -> object:
        self.visits += 1
        if self.visits > self._most:
            raise CannotEvaluate("more items than any job has")
        return _VISIT[node["type"]](self, node, *args)

    def visit_comparator(self, node: Node, value: object) -> object:
        sign: str = node["value"]
        if sign not in ("eq", "ne"):
            compared: object = super().visit_comparator(node, value)
            return compared
        left, right = node["children"]
        return _COMPARED[sign](self.visit(left, value), self.visit(right, value))

    def visit_given_comparator(self, node: Node, value: object) -> object:
        left, right = node["children"]
        pair = _alike(self.visit(left, value), self.visit(right, value), in_order=node["value"] not in ("eq", "ne"))
        # Literals, so that the one rule of comparison there is decides.
        children: list[Node] = [{"type": "literal", "value": each, "children": ()} for each in pair]
        alike: Node = dict(node, children=children)
        return self.visit_comparator(alike, value)

    def visit_not_expression(self, node: Node, value: object) -> bool:
        return not holds(self.visit(node["children"][0], value))

    def visit_filter_projection(self, node: Node, value: object) -> list[Any] | None:
        first, then, condition = node["children"]
        items = self.visit(first, value)
        if not isinstance(items, list):
            return None
        chosen = [item for item in cast("list[object]", items) if holds(self.visit(condition, item))]
        if then["type"] == "identity":
            return Chosen(item for item in chosen if item is not None)
        found = (self.visit(then, item) for item in chosen)
        return [each for each in found if each is not None]

    def _is_false(self, value: object) -> bool:
        return not holds(value)


_OPTIONS = Options(custom_functions=_Functions())
_COMPARED: Mapping[str, Callable[[object, object], bool]] = TreeInterpreter.COMPARATOR_FUNC
_VISIT: Mapping[str, Callable[..., object]] = {
    name.removeprefix("visit_"): getattr(_Interpreter, name) for name in dir(_Interpreter) if name.startswith("visit_")
}
"""What visits each type of node: found once, and not by every interpreter anew."""


def _alike(first: object, second: object, *, in_order: bool) -> tuple[object, object]:
    """Return two values, one of them given as a text, so that a number and the text that spells it are equal."""
    if isinstance(first, str) and isinstance(second, str) and not in_order and is_same_uuid(first, second):
        return first, first
    if isinstance(first, str) and _is_number(second):
        second, first = _alike(second, first, in_order=in_order)
        return first, second
    if _is_number(first) and isinstance(second, str):
        return (first, _number_in(second)) if in_order else (text_of(cast("float", first)), second)
    return first, second


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _number_in(text: str) -> object:
    try:
        number: object = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError):
        return text
    return number if _is_number(number) else text
