"""Ids as callers hold them: texts, or the numbers that an API's own replies show. Pure."""

from __future__ import annotations

from typing import TypeAlias

from .._errors import ConfigError

JobId: TypeAlias = "int | str"
"""A job's id: a text, or the number that the API shows; or the job's URL at the API."""


def id_text(what: str, given: object) -> str:
    """Return an id as text.

    Args:
        what: Whose it is, to be named in an error.
        given: A text or a whole number.

    Raises:
        ConfigError: It is neither; True and False are no numbers here.
    """
    if isinstance(given, str):
        return given
    if isinstance(given, int) and not isinstance(given, bool):
        return str(int(given))
    raise ConfigError(f"{what} is a text or a whole number, and not of type {type(given).__name__}")
