"""Conditions on a body: that a value is there, or is a word, or the contrary. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from msgspec import Struct

from .._reading.words import text_of, told_apart
from .paths import Reader, plain


class Test(Struct, frozen=True):
    """One condition on a body: that a value is there, or is a word; or the contrary."""

    reader: Reader
    word: str | None
    wanted: bool

    def holds(self, base: object) -> bool:
        """Whether it holds."""
        value = self.reader(base)
        if self.word is None:
            return bool(plain(value)) is self.wanted
        value = plain(value)
        scalar = None if isinstance(value, (dict, list)) else value
        return (told_apart(text_of(scalar)) == self.word) is self.wanted


Condition: TypeAlias = tuple[tuple[Test, ...], ...]
"""Tests of which all in one row must hold."""


def holds(condition: Condition, base: object) -> bool:
    """Whether all tests of one of the rows hold."""
    return any(_all_hold(tests, base) for tests in condition)


def _all_hold(tests: Sequence[Test], base: object) -> bool:
    return all(test.holds(base) for test in tests)
