"""Paths into a JSON body, compiled once to a msgspec type. Pure.

``data.items[0].state`` is the ``state`` of the first of the ``items`` of ``data``; ``[-1]`` is the last one, a key
that is no plain word is quoted (``"a.b".c``), and the empty path is the whole body. A `Plan` takes in all paths that
are wanted and makes one msgspec type of them, which skips the rest of the body undecoded; a body that does not fit
is refused with the place, as in ``Expected `object`, got `array` - at `$.job```.

What is wanted both whole and in part, or both as an object and as a list, is kept as it came and read afterwards.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import msgspec
from msgspec import UNSET, Raw, Struct

from ._models import JSON

Path: TypeAlias = tuple[str | int, ...]
"""Keys and list indexes, from the outside in."""

Reader: TypeAlias = Callable[[Any], Any]
"""Takes what a value lies in, and returns the value: None for null, UNSET where there is none."""

Kind: TypeAlias = Any
"""A type, as msgspec is given it."""

_Scalar = str | int | float | bool | None

WORD: Kind = _Scalar | list[_Scalar]
TEXT: Kind = str | int | float | None
NUMBER: Kind = int | float | str | None
TIMES: Kind = dict[str, str | int | float | None] | None
PART: Kind = Raw
"""Any value, kept undecoded until `plain` is asked for it."""

_ABSENT = Raw(b"")
_STEP = re.compile(
    r'(?P<dot>\.?)(?:(?P<key>[^.\[\]"\\\x00-\x20]+)|"(?P<quoted>[^"\\\x00-\x1f]+)")|\[(?P<index>-?\d{1,6})\]'
)


def path_of(text: str) -> Path:
    """Read a path.

    Raises:
        ValueError: It is none; the message says from where on.
    """
    steps: list[str | int] = []
    position = 0
    while position < len(text):
        step = _STEP.match(text, position)
        if step is None or (step["index"] is None and bool(step["dot"]) is not bool(steps)):
            raise ValueError(f"{text!r} is no path: it cannot be read from {text[position:]!r} on")
        steps.append(int(step["index"]) if step["index"] is not None else step["key"] or step["quoted"])
        position = step.end()
    return tuple(steps)


def shown(path: Path) -> str:
    """Return a path as error messages write it, from ``$`` on."""
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)


def plain(part: object) -> JSON:
    """Return the plain values of a part; None where there is none."""
    if part is UNSET or part is None:
        return None
    if isinstance(part, Raw):
        return msgspec.json.decode(part) if part else None
    return part  # type: ignore[return-value]


class Compiled(Struct, frozen=True):
    """What a plan became.

    Attributes:
        type: What a body is decoded to, or null.
        base: Reads what all wanted values lie in, from the decoded body.
        readers: Read each wanted value, in the order of wanting, from what `base` gave.
    """

    type: Kind
    base: Reader
    readers: tuple[Reader, ...]


class Plan:
    """The paths wanted of one kind of body."""

    def __init__(self) -> None:
        self._root = _Node()
        self._wanted: list[tuple[Path, Kind]] = []

    def want(self, path: Path, kind: Kind) -> int:
        """Want a value, and return its place among the readers."""
        node = self._root
        for step in path:
            node = node.child(step)
        node.kinds.append(kind)
        self._wanted.append((path, kind))
        return len(self._wanted) - 1

    def compiled(self, root: Path = ()) -> Compiled:
        """Compile everything that is wanted.

        Args:
            root: What all wanted paths begin with.
        """
        kind = self._root.compiled()
        node, steps = self._root, list[Reader]()
        for depth, step in enumerate(root):
            if node.is_loose:
                steps.append(_loosely(root[depth:], PART, root))
                break
            steps.append(node.step(step))
            node = node.child(step)
        readers = tuple(self._reader(node, path, kind, root) for path, kind in self._wanted)
        return Compiled(kind if self._root.is_loose else kind | None, _chain(steps), readers)

    @staticmethod
    def _reader(node: _Node, path: Path, kind: Kind, root: Path) -> Reader:
        rest = path[len(root) :]
        return _loosely(rest, kind, path) if node.is_loose else node.reader(rest, kind, path)


class _Node:
    """One place in a body: what is wanted of it, and what lies in it."""

    def __init__(self) -> None:
        self.kinds: list[Kind] = []
        self.keys: dict[str, _Node] = {}
        self.items: _Node | None = None

    @property
    def is_loose(self) -> bool:
        """Whether what stands here must be kept as it came."""
        uses = len(set(map(repr, self.kinds))) + bool(self.keys) + bool(self.items)
        return uses > 1 or (uses == 1 and self.kinds != [] and self.kinds[0] is PART)

    def child(self, step: str | int) -> _Node:
        if isinstance(step, str):
            return self.keys.setdefault(step, _Node())
        self.items = self.items or _Node()
        return self.items

    def compiled(self) -> Kind:
        if self.is_loose:
            return Raw
        if self.kinds:
            return self.kinds[0]
        if self.items is not None:
            return list[_or_null(self.items)]  # type: ignore[misc]
        fields = [_field(f"f{index}", child) for index, child in enumerate(self.keys.values())]
        names = {f"f{index}": key for index, key in enumerate(self.keys)}
        return msgspec.defstruct("Part", fields, rename=names, frozen=True, gc=False)

    def step(self, step: str | int) -> Reader:
        if isinstance(step, int):
            return _item(step)
        return operator.attrgetter(f"f{list(self.keys).index(step)}")

    def reader(self, path: Path, kind: Kind, whole: Path) -> Reader:
        """Return what reads a value that lies in this place."""
        node, steps = self, list[Reader]()
        for depth, step in enumerate(path):
            if node.is_loose:
                return _chain([*steps, _loosely(path[depth:], kind, whole)])
            steps.append(node.step(step))
            node = node.child(step)
        if node.is_loose and kind is not PART:
            steps.append(_loosely((), kind, whole))
        return _chain(steps)


def _or_null(node: _Node) -> Kind:
    kind = node.compiled()
    return kind if kind is Raw else kind | None


def _field(name: str, node: _Node) -> tuple[str, Kind, object]:
    kind = _or_null(node)
    return (name, Raw, _ABSENT) if kind is Raw else (name, kind | msgspec.UnsetType, UNSET)


def _item(index: int) -> Reader:
    def read(items: Sequence[object]) -> object:
        return items[index] if -len(items) <= index < len(items) else None

    return read


def _chain(steps: Sequence[Reader]) -> Reader:
    if not steps:
        return _same
    if len(steps) == 1:
        return steps[0]
    first, *rest = steps
    following = tuple(rest)

    def read(value: object) -> object:
        value = first(value)
        for step in following:
            if value is None or value is UNSET:
                return value
            value = step(value)
        return value

    return read


def _same(value: object) -> object:
    return value


def _loosely(path: Path, kind: Kind, whole: Path) -> Reader:
    """Return what finds a value in a part that was kept as it came."""

    def read(part: object) -> object:
        if isinstance(part, Raw) and not part:
            return UNSET
        value: Any = plain(part)
        for step in path:
            if value is None:
                return None
            value = _inner(value, step)
            if value is UNSET:
                return UNSET
        try:
            return value if kind is PART else msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            raise msgspec.ValidationError(f"{error} - at `{shown(whole)}`") from None

    return read


def _inner(value: JSON, step: str | int) -> object:
    match value, step:
        case dict(), str():
            return value.get(step, UNSET)
        case list(), int():
            return value[step] if -len(value) <= step < len(value) else None
        case _:
            return UNSET
