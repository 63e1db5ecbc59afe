"""Regular expressions that are compiled when they are first used: forty of them take as long as twenty imports."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Generic, TypeVar, cast

if TYPE_CHECKING:
    from re import Pattern

_Text = TypeVar("_Text", str, bytes)


class _Late(Generic[_Text]):
    def __init__(self, text: _Text, flags: int) -> None:
        self._text: _Text = text
        self._flags = flags

    def __getattr__(self, name: str) -> object:
        # Kept in the instance, so that it is found there the next time, without a call.
        found: object = getattr(re.compile(self._text, self._flags), name)
        setattr(self, name, found)
        return found


def pattern(text: _Text, flags: int = 0) -> Pattern[_Text]:
    """Return a regular expression that `re.compile` is asked for when a method of it is first called.

    Args:
        text: The expression.
        flags: As for `re.compile`.
    """
    return cast("Pattern[_Text]", _Late(text, flags))
