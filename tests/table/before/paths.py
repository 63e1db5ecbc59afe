"""Paths into a JSON body, compiled once to a msgspec type. Pure.

``data.items[0].state`` is the ``state`` of the first of the ``items`` of ``data``; ``[-1]`` is the last one,
``[type=Failed]`` the first whose ``type`` is ``Failed``, a key that is no plain word is quoted (``"a.b".c``), and the
empty path is the whole body. In a root, ``{job_id}`` is the key that is the id asked for, and ``[id={job_id}]`` the
item with that id. A `Plan` takes in all paths that are wanted and makes one msgspec type of them, which skips the rest
of the body undecoded; a body that does not fit is refused with the place, as in ``Expected `object`, got `array` - at
`$.job```. Then the plan is read loosely: what is optional and of another type than wanted is left out.

What is wanted both whole and in part, or both as an object and as a list, or lies in a chosen item, is kept as it came
and read afterwards.
"""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import msgspec
from msgspec import UNSET, Raw, Struct

from jobwatch._models import JSON
from jobwatch._reading.bodies import inner, plain

ID = "{job_id}"
"""Stands in a root for the id asked for."""


class Chosen(Struct, frozen=True):
    """A step to the first item of a list in which a key holds a word."""

    key: str
    word: str


Path: TypeAlias = tuple[str | int | Chosen, ...]
"""Keys, list indexes and chosen items, from the outside in."""

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

_MOST_STEPS = 64
_ABSENT = Raw(b"")
_LITERAL = re.compile(r"true|false|null|-?\d.*")
"""What a value that is no text may look like in JSON."""

_STEP = re.compile(
    r'(?P<dot>\.?)(?:(?P<key>[^.\[\]"\\\x00-\x20]+)|"(?P<quoted>[^"\\\x00-\x1f]+)")|\[(?P<index>-?\d{1,6})\]'
    r'|\[(?P<field>[^.=\[\]"\\\x00-\x20]+)=(?P<word>[^=\[\]"\\\x00-\x1f]+)\]'
)


def path_of(text: str) -> Path:
    """Read a path.

    Raises:
        ValueError: It is none; the message says from where on.
    """
    steps: list[str | int | Chosen] = []
    position = 0
    while position < len(text):
        step = _STEP.match(text, position)
        if step is None or (step[0][0] != "[" and bool(step["dot"]) is not bool(steps)):
            raise ValueError(f"{text!r} is no path: it cannot be read from {text[position:]!r} on")
        steps.append(_step(step))
        position = step.end()
    if len(steps) > _MOST_STEPS:
        raise ValueError(f"a path of {len(steps)} steps is too long; at most {_MOST_STEPS}")
    return tuple(steps)


def _step(found: re.Match[str]) -> str | int | Chosen:
    if found["field"] is not None:
        return Chosen(found["field"], found["word"])
    return int(found["index"]) if found["index"] is not None else found["key"] or found["quoted"]


def needs_id(path: Path) -> bool:
    """Whether a path leads through the id asked for."""
    return any(step == ID or (isinstance(step, Chosen) and step.word == ID) for step in path)


def with_id(path: Path, job_id: str) -> Path:
    """Return a path with the id asked for in its place."""
    put = (Chosen(step.key, job_id) if isinstance(step, Chosen) and step.word == ID else step for step in path)
    return tuple(job_id if step == ID else step for step in put)


def shown(path: Path) -> str:
    """Return a path as error messages write it, from ``$`` on."""
    return "$" + "".join(_shown(step) for step in path)


def _shown(step: str | int | Chosen) -> str:
    if isinstance(step, Chosen):
        return f"[{step.key}={step.word}]"
    return f"[{step}]" if isinstance(step, int) else f".{step}"


class Compiled(Struct, frozen=True):
    """What a plan became.

    Attributes:
        type: What a body is decoded to, or null.
        base: Reads what all wanted values lie in, from the decoded body and the id asked for.
        readers: Read each wanted value, in the order of wanting, from what `base` gave.
        by_id: Whether the root leads through the id asked for.
    """

    type: Kind
    base: Callable[[Any, str], Any]
    readers: tuple[Reader, ...]
    by_id: bool = False


class Plan:
    """The paths wanted of one kind of body."""

    def __init__(self) -> None:
        self._root = _Node()
        self._wanted: list[_Wanted] = []

    def want(self, path: Path, kind: Kind, *, required: bool = False) -> int:
        """Want a value, and return its index among the readers.

        Args:
            path: Where it lies.
            kind: Its type.
            required: Whether one of another type is an error, and not as good as none.
        """
        node, is_all = self._node(path)
        node.want(kind if is_all else PART)  # what is chosen at each reply cannot be typed beforehand
        self._wanted.append(_Wanted(path, kind, required))
        return len(self._wanted) - 1

    def _node(self, path: Path) -> tuple[_Node, bool]:
        """Return the node that a path leads to, as far as that is known beforehand, and whether that is all of it."""
        node = self._root
        for step in path:
            if isinstance(step, Chosen) or step == ID:
                return node, False
            node = node.child(step)
        return node, True

    def compiled(self, root: Path = ()) -> Compiled:
        """Compile everything that is wanted.

        Args:
            root: What all wanted paths begin with.
        """
        _, is_all = self._node(root)
        if not is_all:
            return self.loosely(root)  # where a step is chosen, all is kept as it came
        kind = self._root.compiled()
        steps, node, depth = self._root.walk(root, 0)
        if depth < len(root):
            steps.append(_loosely(_Wanted(root, PART, required=True), depth))
        readers = tuple(node.reader(wanted, len(root)) for wanted in self._wanted)
        base = _chain(steps)
        return Compiled(kind if self._root.is_loose else kind | None, lambda body, _: base(body), readers)

    def loosely(self, root: Path = ()) -> Compiled:
        """Compile everything that is wanted, to be read from any JSON, in which what is optional may be of any type."""
        readers = tuple(_loosely(each, len(root)) for each in self._wanted)
        return Compiled(Any, functools.partial(_base_in, root), readers, needs_id(root))


class _Wanted(Struct, frozen=True):
    """A value that is wanted."""

    path: Path
    kind: Kind
    required: bool


class _Node:
    """One place in a body: what is wanted of it, and what lies in it."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.kinds: dict[str, Kind] = {}
        self.wants = 0
        self.keys: dict[str, _Node] = {}
        self.items: _Node | None = None

    def want(self, kind: Kind) -> None:
        self.kinds[repr(kind)] = kind
        self.wants += 1

    @property
    def is_loose(self) -> bool:
        """Whether what stands here must be kept as it came."""
        uses = len(self.kinds) + bool(self.keys) + bool(self.items)
        return uses > 1 or next(iter(self.kinds.values()), None) is PART

    def child(self, step: str | int) -> _Node:
        if isinstance(step, str):
            return self.keys.setdefault(step, _Node(f"f{len(self.keys)}"))
        self.items = self.items or _Node()
        return self.items

    def compiled(self) -> Kind:
        if self.is_loose:
            # What several readers share is decoded once with the body, what one wants is decoded if it is read.
            return Raw if self.wants == 1 and not self.keys and self.items is None else Any
        if self.kinds:
            return next(iter(self.kinds.values()))
        if self.items is not None:
            return list[_or_null(self.items)]  # type: ignore[misc]
        fields = [_field(child) for child in self.keys.values()]
        names = {child.name: key for key, child in self.keys.items()}
        return msgspec.defstruct("Part", fields, rename=names, frozen=True, gc=False)

    def step(self, step: str | int) -> Reader:
        if isinstance(step, int):
            return _item(step)
        return operator.attrgetter(self.keys[step].name)

    def walk(self, path: Path, depth: int) -> tuple[list[Reader], _Node, int]:
        """Follow a path, from so many steps down on, as far as the body is decoded to types of its own."""
        node, steps = self, list[Reader]()
        for step in path[depth:]:
            if node.is_loose or isinstance(step, Chosen):
                break
            steps.append(node.step(step))
            node = node.child(step)
        return steps, node, depth + len(steps)

    def reader(self, wanted: _Wanted, depth: int) -> Reader:
        """Return what reads a value that lies in this place, so many steps down its path."""
        steps, node, reached = self.walk(wanted.path, depth)
        if reached < len(wanted.path) or (node.is_loose and wanted.kind is not PART):
            steps.append(_loosely(wanted, reached))
        return _chain(steps)


def _or_null(node: _Node) -> Kind:
    kind = node.compiled()
    return kind if kind in (Raw, Any) else kind | None


def _field(node: _Node) -> tuple[str, Kind, object]:
    kind = _or_null(node)
    if kind in (Raw, Any):
        return (node.name, kind, _ABSENT if kind is Raw else UNSET)
    return (node.name, kind | msgspec.UnsetType, UNSET)


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


def _base_in(root: Path, body: object, job_id: str) -> object:
    """Return what lies at a root; None where it would be the id asked for that is not there."""
    found = _part_at(with_id(root, job_id), body)
    if found is not UNSET or not needs_id(root):
        return found
    depth = next(depth for depth, step in enumerate(root) if needs_id((step,)))
    return UNSET if _part_at(root[:depth], body) is UNSET else None


def _part_at(path: Path, body: object) -> object:
    return _loosely(_Wanted(path, PART, required=True), 0)(body)


def _loosely(wanted: _Wanted, depth: int) -> Reader:
    """Return what finds a value in a part that was kept as it came, so many steps down its path."""
    path, kind, required = wanted.path, wanted.kind, wanted.required

    def read(part: object) -> object:
        if part is UNSET or (isinstance(part, Raw) and not part):
            return UNSET
        value: Any = plain(part)
        for index, step in enumerate(path[depth:], depth):
            if value is None:
                return None
            if required:
                _check_holder(value, step, path[:index])
            value = _inner(value, step)
            if value is UNSET:
                return UNSET
        try:
            return value if kind is PART else msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            if not required:
                return UNSET
            raise msgspec.ValidationError(f"{error} - at `{shown(path)}`") from None

    return read


def _check_holder(value: JSON, step: str | int | Chosen, path: Path) -> None:
    """Refuse, as msgspec words it, what is no object or list where the path to something that is needed has one."""
    kind: Kind = dict[str, Any] if isinstance(step, str) else list[Any]
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise msgspec.ValidationError(f"{error} - at `{shown(path)}`") from None


def _inner(value: JSON, step: str | int | Chosen) -> object:
    if not isinstance(step, Chosen):
        return inner(value, step)
    key, word = step.key, step.word
    literal = _LITERAL.fullmatch(word) is not None
    for item in value if isinstance(value, list) else ():
        if isinstance(item, dict):
            found = item.get(key)
            if found == word or (literal and not isinstance(found, str) and _is_written(found, word)):
                return item
    return UNSET


def _is_written(value: JSON, word: str) -> bool:
    """Whether a value that is no text is written like a word in JSON."""
    return msgspec.json.encode(value) == word.encode()
