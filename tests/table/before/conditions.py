"""Conditions on a body: that a value is there, or is a word, or the contrary. Pure."""

from __future__ import annotations

import re
from typing import TypeAlias

from msgspec import Struct

from jobwatch._reading.bodies import plain
from jobwatch._reading.words import normalized, text_of

from .paths import Reader

_TEST = re.compile(
    r"""(?P<not>!)?(?P<path>(?:[^\s=!\["]|\[[^\]]*\]|"[^"]*")+)(?:\s*(?P<sign>!?=)\s*(?P<word>[^\s=].*))?"""
)


class Test(Struct, frozen=True):
    """One test of a body, as it is written down: a path, ``!path``, ``path = word`` or ``path != word``.

    Attributes:
        path: Where the value lies.
        word: The word that it is compared with, normalized; None where it is enough that the value is there.
        wanted: Whether it is to be so; if not, the contrary.
    """

    path: str
    word: str | None
    wanted: bool

    def holds(self, value: object) -> bool:
        """Whether it holds for what lies at its path."""
        value = plain(value)
        if self.word is None:
            return bool(value) is self.wanted
        return (normalized(text_of(None if isinstance(value, (dict, list)) else value)) == self.word) is self.wanted


Condition: TypeAlias = tuple[tuple[tuple[Test, Reader], ...], ...]
"""Rows of tests; all tests of one row must hold."""


def tests_in(text: str) -> list[Test]:
    """Read a row of tests, with ``and`` between them.

    Raises:
        ValueError: It is none.
    """
    return [_test(test.strip()) for test in text.split(" and ")]


def _test(text: str) -> Test:
    test = _TEST.fullmatch(text)
    if test is None:
        raise ValueError(f"{text!r} is no condition: write a path, !path, path = word or path != word")
    word = None if test["word"] is None else normalized(test["word"].strip("\"'"))
    return Test(test["path"], word, test["sign"] != "!=" and not test["not"])


def holds(condition: Condition, base: object) -> bool:
    """Whether all tests of one of the rows hold."""
    return bool(condition) and any(all(test.holds(reader(base)) for test, reader in row) for row in condition)
