"""Ids as callers hold them: texts, or the numbers that an API's own replies show. Pure."""

from __future__ import annotations

import re
from typing import TypeAlias

from .._errors import ConfigError
from .patterns import pattern

_UUID = pattern(r"[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)

JobId: TypeAlias = "int | str"
"""A job's id: a text, or the number that the API shows; or the job's URL at the API."""


def is_uuid(text: str) -> bool:
    """Whether a text is a UUID, in either of its two spellings and any case. RFC 9562, section 4."""
    return _UUID.fullmatch(text) is not None


def in_one_spelling(job_id: str) -> str:
    """Return an id so that the same UUID is the same text; any other id is itself."""
    return job_id.replace("-", "").lower() if is_uuid(job_id) else job_id


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
