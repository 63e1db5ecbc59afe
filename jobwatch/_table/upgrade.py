"""A table as it was written before its places were JMESPath, made into one of today. Pure.

Before, ``a[type=Failed].message`` was the first item whose ``type`` is ``Failed``, ``""`` the whole of a reply, and
``{job_id}`` in a root the key that is the id. A condition was ``path``, ``!path``, ``path = word``, ``path != word``,
or several of them with ``and`` between, in which words were compared without regard to case, spaces and hyphens. Only
what has to be is changed: comments, order and white space stay.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator

import msgspec
from msgspec import Struct

from .expressions import expression_of
from .fields import DECIDED
from .proofs import unproved

_STEP = re.compile(
    r'(?P<dot>\.?)(?:(?P<key>[^.\[\]"\\\x00-\x20]+)|"(?P<quoted>[^"\\\x00-\x1f]+)")|\[(?P<index>-?\d{1,6})\]'
    r'|\[(?P<field>[^.=\[\]"\\\x00-\x20]+)=(?P<word>[^=\[\]"\\\x00-\x1f]+)\]'
)
_TEST = re.compile(
    r"""(?P<not>!)?(?P<path>(?:[^\s=!\["]|\[[^\]]*\]|"[^"]*")+)(?:\s*(?P<sign>!?=)\s*(?P<word>[^\s=].*))?"""
)
_BEFORE = re.compile(r"""!?[\w.\-@\[\]={}!"/ ]+""")
"""What somebody may have written who knows the language that there was, or guesses at it."""
_NUMBER = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_PLACES = frozenset({
    *("root", "id", "status", "type", "project", "error", "result", "attempt", "started", "times"),
    *("created_at", "started_at", "ended_at", "updated_at"),
    *("events.path", "events.status", "events.at", "list.root", "batch.root"),
})  # fmt: skip
_ENDING = frozenset({"cancelled_if", "failed_if", "partial_if", "succeeded_if", "finished_if", "blocked_if", "missing"})
_TOKEN = re.compile(
    r"(?P<space>[ \t\r\n]+|#[^\n]*)"
    r'|(?P<text>"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\')'
    r"|(?P<mark>[\[\]{}=,.])|(?P<bare>[^\s\[\]{}=,.#]+)",
    re.DOTALL,
)


class Upgraded(Struct, frozen=True):
    """A table as it is written today.

    Attributes:
        text: The table.
        remarks: What could not be made into anything that says the same, each with its line and key.
    """

    text: str
    remarks: tuple[str, ...] = ()


def upgraded(text: str) -> Upgraded:
    """Rewrite a file with tables.

    Args:
        text: The file, as TOML.

    Raises:
        ValueError: It is no TOML.
    """
    tomllib.loads(text)
    edits: list[tuple[int, int, str]] = []
    remarks: list[str] = []
    for found in _values_in(text):
        key, old = _key_of(found.path), found.value
        if key == "missing" and found.key is not None:
            edits.append((*found.key, "missing_if"))
        if old is None or found.span is None:
            continue
        try:
            new = _upgraded_value(key, old)
        except ValueError as error:
            remarks.append(f"line {text.count(chr(10), 0, found.span[0]) + 1}: {key}: {error}")
            continue
        if key == "root" and old == "":
            edits.append((*_line_around(text, found.span), ""))
        elif new is not None:
            edits.append((*found.span, new))
    for start, end, new in sorted(set(edits), reverse=True):
        text = text[:start] + new + text[end:]
    return Upgraded(text, tuple(remarks))


def form_today(key: str, text: str) -> str | None:
    """Return how a value that is written as it was before is written today, in TOML; None where that cannot be said.

    Args:
        key: Where it stands.
        text: The value.
    """
    if _BEFORE.fullmatch(text) is None:
        return None
    if " or " in text:  # it was a part of a word, and is meant as what it says
        return None
    try:
        return _upgraded_value("missing" if key == "missing_if" else key, text)
    except ValueError:
        return None


def _key_of(path: tuple[str, ...]) -> str:
    """Return a key without the name of the table that it is in, where a file has several."""
    if "apis" in path[:3]:
        path = path[path.index("apis") + 2 :]
    return ".".join(path[:1] if path[:1] == ("times",) else path)


def _line_around(text: str, span: tuple[int, int]) -> tuple[int, int]:
    end = text.find("\n", span[1])
    return text.rfind("\n", 0, span[0]) + 1, len(text) if end < 0 else end + 1


# --- one value -------------------------------------------------------------------------------------------------------


def _upgraded_value(key: str, old: str) -> str | None:
    """Return a value as it is written today, in TOML; None where it stays as it is."""
    if key == "progress":
        return _progress(old)
    if key in _PLACES:
        new = _today(old) or _place(old)
    elif key in DECIDED or key == "missing":
        new = _today(old) or _condition(old)
    else:
        return None
    expression = expression_of(new)
    if key in _ENDING and unproved(expression) is not None:
        raise ValueError(f"{new!r} would hold where nothing is there, and that proves no end: say what is to be there")
    return None if new == old else _literal(new)


def _today(text: str) -> str | None:
    """Return an expression that is one of today already, and none of before."""
    if not text.startswith(("@", "$")) and (_steps(text) is not None or _tests(text) is not None):
        return None
    try:
        expression_of(text)
    except ValueError:
        return None
    return text


def _steps(text: str) -> list[re.Match[str]] | None:
    steps: list[re.Match[str]] = []
    position = 0
    while position < len(text):
        step = _STEP.match(text, position)
        if step is None or (step[0][0] != "[" and bool(step["dot"]) is not bool(steps)):
            return None
        steps.append(step)
        position = step.end()
    return steps


def _place(text: str) -> str:
    steps = _steps(text)
    if steps is None:
        raise ValueError(f"{text!r} was no path")
    return _written(steps) or "@"


def _written(steps: list[re.Match[str]]) -> str:
    written = ""
    for step in steps:
        if step["index"] is not None:
            written += f"[{int(step['index'])}]"
        elif step["field"] is not None:
            written += f"[?{_equal(_spelt(step['field']), step['word'], '==')}] | [0]"
        else:
            written += ("." if written else "") + _spelt(step["key"] or step["quoted"])
    return written


def _spelt(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key) else json.dumps(key, ensure_ascii=False)


def _equal(place: str, word: str, sign: str = " == ") -> str:
    if word == "{job_id}":
        return f"{place}{sign}{word}"
    if word == "null":
        return f"({place}{sign}`null` || {place}{sign}'null')"
    return f"to_string({place}){sign}{_quoted(word)}" if _is_literal(word) else f"{place}{sign}{_quoted(word)}"


def _is_literal(word: str) -> bool:
    """Whether a word is what a number or a boolean is written like."""
    try:
        return isinstance(msgspec.json.decode(word), (bool, int, float))
    except (ValueError, RecursionError):
        return False


def _quoted(word: str) -> str:
    return "'" + word.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _tests(text: str) -> list[re.Match[str]] | None:
    tests = [_TEST.fullmatch(test.strip()) for test in text.split(" and ")]
    found = [test for test in tests if test is not None and _steps(test["path"]) is not None]
    return found if len(found) == len(tests) else None


def _condition(text: str) -> str:
    tests = _tests(text)
    if tests is None:
        raise ValueError(f"{text!r} was no condition")
    return " && ".join(map(_test, tests))


def _test(test: re.Match[str]) -> str:
    steps = _steps(test["path"]) or []
    word = None if test["word"] is None else test["word"].strip("\"'")
    is_wanted = test["sign"] != "!=" and not test["not"]
    chosen = [index for index, step in enumerate(steps) if step["field"] is not None]
    if len(chosen) == 1:
        # What holds of an item that is chosen is one of the things that it is chosen by.
        (index,) = chosen
        item = _equal(_spelt(steps[index]["field"]), steps[index]["word"], "==")
        rest = _written(steps[index + 1 :]).removeprefix(".")
        told = _held(rest, word, is_wanted=is_wanted or word is None, sign="==") if rest else ""
        whole = f"{_written(steps[:index])}[?{item}{' && ' if told else ''}{told}]"
        return f"!({whole})" if test["not"] and word is None else whole
    place = _written(steps) or "@"
    return _held(f"({place})" if chosen else place, word, is_wanted=is_wanted)


def _held(place: str, word: str | None, *, is_wanted: bool, sign: str = " == ") -> str:
    if word is None:
        return place if is_wanted else f"!({place})"
    if is_wanted:
        return _equal(place, word, sign)
    if word == "null":
        return f"{place} && {place} != 'null'"
    if _is_literal(word):
        return f"{place} != `null` && to_string({place}) != {_quoted(word)}"
    return f"{place} && {place} != {_quoted(word)}"


def _progress(old: str) -> str | None:
    done, sign, of = (part.strip() for part in old.partition(" / "))
    if not sign:
        new = _today(old) or _place(old)
        return None if new == old else _literal(new)
    whole = of if _NUMBER.fullmatch(of) else _literal(_place(of))
    return f"{{ done = {_literal(_place(done))}, of = {whole} }}"


def _literal(text: str) -> str:
    """Return a text as TOML writes it, with as little to read before it as may be."""
    if '"' in text and "'" not in text:
        return f"'{text}'"
    return json.dumps(text, ensure_ascii=False)


# --- the file --------------------------------------------------------------------------------------------------------


class _Value(Struct, frozen=True):
    """A key, or a text that stands below it, and where."""

    path: tuple[str, ...]
    value: str | None = None
    span: tuple[int, int] | None = None
    key: tuple[int, int] | None = None


def _values_in(text: str) -> Iterator[_Value]:
    """Yield the keys and the texts of a TOML file, which is known to be one."""
    tokens = [token for token in _TOKEN.finditer(text) if token["space"] is None]
    return _File(text, tokens).values()


class _File:
    def __init__(self, text: str, tokens: list[re.Match[str]]) -> None:
        self._text = text
        self._tokens = tokens
        self._next = 0

    def values(self) -> Iterator[_Value]:
        section: tuple[str, ...] = ()
        while self._next < len(self._tokens):
            if self._is("["):
                while self._is("["):
                    self._next += 1
                section, _ = self._name()
                while self._is("]"):
                    self._next += 1
            else:
                yield from self._pair(section)

    def _is(self, mark: str) -> bool:
        return self._next < len(self._tokens) and self._tokens[self._next]["mark"] == mark

    def _name(self) -> tuple[tuple[str, ...], tuple[int, int]]:
        """Take a name of one part or several."""
        parts: list[str] = []
        span = (0, 0)
        while True:
            token = self._tokens[self._next]
            self._next += 1
            parts.append(_text_in(token[0]) if token["text"] is not None else token[0])
            span = token.span()
            if not self._is("."):
                return tuple(parts), span
            self._next += 1

    def _pair(self, section: tuple[str, ...]) -> Iterator[_Value]:
        name, span = self._name()
        self._next += 1  # the sign
        path = (*section, *name)
        yield _Value(path, key=span)
        yield from self._value(path)

    def _value(self, path: tuple[str, ...]) -> Iterator[_Value]:
        if self._is("["):
            yield from self._inside("]", lambda: self._value(path))
        elif self._is("{"):
            yield from self._inside("}", lambda: self._pair(path))
        else:
            token = self._tokens[self._next]
            self._next += 1
            if token["text"] is not None:
                yield _Value(path, _text_in(token[0]), token.span())
                return
            # A number with a fraction, or a time, is more than one token.
            while self._next < len(self._tokens) and self._goes_on(token, self._tokens[self._next]):
                token = self._tokens[self._next]
                self._next += 1

    def _goes_on(self, token: re.Match[str], then: re.Match[str]) -> bool:
        return token.end() == then.start() and then["mark"] in (None, ".")

    def _inside(self, end: str, each: Callable[[], Iterator[_Value]]) -> Iterator[_Value]:
        self._next += 1
        while not self._is(end):
            if self._is(","):
                self._next += 1
                continue
            yield from each()
        self._next += 1


def _text_in(literal: str) -> str:
    found: str = tomllib.loads(f"x = {literal}")["x"]
    return found
