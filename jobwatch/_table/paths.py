"""What is wanted of a JSON body, compiled once to a msgspec type and to what reads each value from it. Pure.

A place that is no more than keys and list indexes becomes a chain of closures; only filters and functions go to the
interpreter. A `Plan` takes in all places that are wanted and makes one msgspec type of them, which skips the rest of
the body undecoded; a body that does not fit is refused with the place, as in ``Expected `object`, got `array` - at
`$.job```. Then the plan is read loosely: what is optional and of another type than wanted is left out.

What is wanted both whole and in part, or both as an object and as a list, is kept as it came and read afterwards.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec
from msgspec import UNSET, Raw, Struct

from .._reading.bodies import Steps, inner, plain
from .evaluation import Chosen, Node, evaluated
from .expressions import Expression, Place, shown

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
CHOSEN: Kind = Chosen
"""Any value, and of a filter the fact that it chose something."""

_ABSENT = Raw(b"")


class Scope(Struct, frozen=True, gc=False):
    """What values are read from where a table reads more than what lies at its root.

    Attributes:
        base: What lies at the root.
        whole: The whole reply.
        given: The values of the names in braces, and the headers by `header_key`.
    """

    base: Any
    whole: Any
    given: Mapping[str, str]


def header_key(name: str) -> str:
    """Return under which key a header stands among the values of names in braces, none of which has a colon."""
    return f"{name}:"


class Compiled(Struct, frozen=True):
    """What a plan became.

    Attributes:
        type: What a body is decoded to, or null.
        base: Reads what lies at the root, from the decoded body and the values of the names in braces.
        readers: Read each wanted value, in the order of wanting, from what `base` gave, or from a `Scope` with that.
        is_scoped: Whether they read from a `Scope`.
        is_searched: Whether what lies at the root is looked for, and may be found not to be there.
        is_whole: Whether the body as a whole is wanted.
        headers: The headers that are wanted, by their names in lower case.
        ignores_body: Whether nothing else is wanted.
    """

    type: Kind
    base: Callable[[Any, Mapping[str, str]], Any]
    readers: tuple[Reader, ...]
    is_scoped: bool = False
    is_searched: bool = False
    is_whole: bool = False
    headers: tuple[str, ...] = ()
    ignores_body: bool = False

    def scope(self, base: object, whole: object, given: Mapping[str, str]) -> object:
        """Return what the readers read from."""
        return Scope(base, whole, given) if self.is_scoped else base


class Plan:
    """What is wanted of one kind of body.

    Args:
        root: Where the places start that do not start at the whole body; None where that is the same.
    """

    def __init__(self, root: Expression | None = None) -> None:
        self._tree = _Node()
        self._wanted: list[_Wanted | _Made | _Header] = []
        self.headers: list[str] = []
        self._start: Steps = ()
        self._searched: Expression | None = None
        self._is_whole = False
        self.is_scoped = False
        self.has_expressions = False
        if root is not None and root.place is not None:
            self._start = root.place.path
            node = self._tree
            for step in self._start:
                node = node.child(step)
        elif root is not None:
            self._searched = root
            for place in root.places:
                self._grow(place.path, PART)

    def want(self, expression: Expression, kind: Kind, *, required: bool = False) -> int:
        """Want a value, and return its index among the readers.

        Args:
            expression: Where it lies, or how it is made.
            kind: Its type.
            required: Whether one of another type is an error, and not as good as none.
        """
        if expression.place is not None:
            return self._want_place(expression.place, PART if kind is CHOSEN else kind, required=required)
        self.has_expressions = True
        self.is_scoped = self.is_scoped or bool(expression.names)
        slots = tuple(self._want_place(place, PART, required=False) for place in expression.places)
        self._wanted.append(_Made(expression, slots, kind, required))
        return len(self._wanted) - 1

    def want_header(self, name: str) -> int:
        """Want a header of the reply, by its name in lower case, and return its index among the readers."""
        self.is_scoped = True
        self.headers.append(name)
        self._wanted.append(_Header(header_key(name)))
        return len(self._wanted) - 1

    def _want_place(self, place: Place, kind: Kind, *, required: bool) -> int:
        is_absolute = place.whole or self._searched is None
        path = place.path if place.whole or self._searched is not None else self._start + place.path
        if is_absolute:
            self._grow(path, kind)
        self.is_scoped = self.is_scoped or place.whole
        self._wanted.append(_Wanted(path, kind, required, place.whole))
        return len(self._wanted) - 1

    def _grow(self, path: Steps, kind: Kind) -> None:
        node = self._tree
        for step in path:
            node = node.child(step)
        node.want(kind)
        self._is_whole = self._is_whole or not path

    def compiled(self) -> Compiled:
        """Compile everything that is wanted."""
        kind, tree = self._tree.compiled(), self._tree
        steps, node, depth = tree.walk(self._start, 0)
        if depth < len(self._start):
            steps.append(_loosely(_Wanted(self._start, PART, required=True), depth))

        def reader(wanted: _Wanted) -> Reader:
            if wanted.whole:
                return tree.reader(wanted, 0)
            return _loosely(wanted, 0) if self._searched is not None else node.reader(wanted, len(self._start))

        def place_of(path: Steps) -> Reader:
            return tree.reader(_Wanted(path, PART, required=False), 0)

        kind = kind if tree.is_loose or kind is Any else kind | None
        return self._compiled(kind, self._base(_chain(steps), place_of), reader)

    def loosely(self) -> Compiled:
        """Compile everything that is wanted, to be read from any JSON, in which what is optional may be of any type."""

        def reader(wanted: _Wanted) -> Reader:
            depth = 0 if wanted.whole or self._searched is not None else len(self._start)
            return _loosely(wanted, depth)

        def place_of(path: Steps) -> Reader:
            return _loosely(_Wanted(path, PART, required=False), 0)

        start = _loosely(_Wanted(self._start, PART, required=True), 0)
        return self._compiled(Any, self._base(start, place_of), reader)

    def _compiled(self, kind: Kind, base: Callable[[Any, Mapping[str, str]], Any], reader: _ReaderOf) -> Compiled:
        readers: list[Reader] = []
        for wanted in self._wanted:
            if isinstance(wanted, _Wanted):
                start = [operator.attrgetter("whole" if wanted.whole else "base")] if self.is_scoped else []
                readers.append(_chain([*start, reader(wanted)]))
            elif isinstance(wanted, _Header):
                readers.append(wanted.of)
            else:
                readers.append(_made(wanted, [readers[slot] for slot in wanted.slots], is_scoped=self.is_scoped))
        searched = self._searched is not None
        ignores_body = bool(self.headers) and len(self.headers) == len(self._wanted) and not searched
        headers = tuple(sorted(set(self.headers)))
        return Compiled(
            kind, base, tuple(readers), self.is_scoped, searched, self._is_whole, headers, ignores_body=ignores_body
        )

    def _base(self, plain_base: Reader, place_of: Callable[[Steps], Reader]) -> Callable[[Any, Mapping[str, str]], Any]:
        searched = self._searched
        if searched is None:
            return lambda body, _: plain_base(body)
        readers = [place_of(place.path) for place in searched.places]
        slots = [_decoded(reader) for reader in readers]

        def search(body: Any, given: Mapping[str, str]) -> object:
            found = evaluated(searched.node, slots, body, given)
            if found is not None:
                return found
            for place, reader in zip(searched.places, readers, strict=True):
                holder = reader(body)
                if holder is UNSET or (isinstance(holder, Raw) and not holder):
                    return UNSET  # there is nothing where it would be looked for, which is not to be looked for in vain
                _check_searched(searched.node, plain(holder), place.path)
            return None

        return search


class _Wanted(Struct, frozen=True):
    """A value that is wanted, and lies at a path."""

    path: Steps
    kind: Kind
    required: bool
    whole: bool = False


class _Made(Struct, frozen=True):
    """A value that is wanted, and is made by an expression of what lies in some places."""

    expression: Expression
    slots: tuple[int, ...]
    kind: Kind
    required: bool


class _Header(Struct, frozen=True):
    """A value that is wanted, and is a header."""

    key: str

    def of(self, scope: Scope) -> str | msgspec.UnsetType:
        return scope.given.get(self.key, UNSET)


_ReaderOf: TypeAlias = Callable[[_Wanted], Reader]


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
    def scalar(self) -> Kind | None:
        """The one type of what stands here, if all that looks at it can do with that: what fits is what it came as."""
        kinds = [kind for kind in self.kinds.values() if kind is not PART]
        is_one = len(kinds) == 1 and kinds[0] in (WORD, TEXT, NUMBER)
        return kinds[0] if is_one and not self.keys and self.items is None else None

    @property
    def is_loose(self) -> bool:
        """Whether what stands here must be kept as it came."""
        if self.scalar is not None:
            return False
        uses = len(self.kinds) + bool(self.keys) + bool(self.items)
        return uses > 1 or next(iter(self.kinds.values()), None) is PART

    def child(self, step: str | int) -> _Node:
        if isinstance(step, str):
            return self.keys.setdefault(step, _Node(f"f{len(self.keys)}"))
        self.items = self.items or _Node()
        return self.items

    def compiled(self) -> Kind:
        if (scalar := self.scalar) is not None:
            return scalar
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

    def walk(self, path: Steps, depth: int) -> tuple[list[Reader], _Node, int]:
        """Follow a path, from so many steps down on, as far as the body is decoded to types of its own."""
        node, steps = self, list[Reader]()
        for step in path[depth:]:
            if node.is_loose:
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


def _decoded(reader: Reader) -> Reader:
    return lambda base: plain(reader(base))


def _check_searched(node: Node, holder: object, path: Steps) -> None:
    """Refuse what cannot be searched, such as an object where the table filters a list."""
    while node["children"] and node["type"] in ("pipe", "subexpression", "index_expression"):
        if node["children"][-1]["type"] == "key" and holder is not None:
            _check_holder(holder, "", path)
        node = node["children"][0]
    if node["type"] in ("filter_projection", "projection", "flatten") and holder is not None:
        _check_holder(holder, 0, path)


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
            value = inner(value, step)
            if value is UNSET:
                return UNSET
        return value if kind is PART else _converted(value, kind, f" - at `{shown(path)}`" if required else None)

    return read


def _made(made: _Made, readers: Sequence[Reader], *, is_scoped: bool) -> Reader:
    """Return what makes a value by an expression."""
    node, kind, slots = made.expression.node, made.kind, [_decoded(reader) for reader in readers]
    where = f" - by `{made.expression.text}`" if made.required else None

    def read(base: Any) -> object:
        value = evaluated(node, slots, base, base.given if is_scoped else {})
        if value is None:
            return UNSET
        if kind is CHOSEN:
            return value
        value = list(value) if isinstance(value, Chosen) else value
        return value if kind is PART else _converted(value, kind, where)

    return read


def _converted(value: object, kind: Kind, where: str | None) -> object:
    """Return a value as one of a type: UNSET if it is of none, or an error that says where, if it is said."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        if where is None:
            return UNSET
        raise msgspec.ValidationError(f"{error}{where}") from None


def _check_holder(value: object, step: str | int, path: Steps) -> None:
    """Refuse, as msgspec words it, what is no object or list where the path to something that is needed has one."""
    kind: Kind = dict[str, Any] if isinstance(step, str) else list[Any]
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise msgspec.ValidationError(f"{error} - at `{shown(path)}`") from None
