"""Where a reply says when to come back: the least time to the next look at its job. Pure.

A number counts what `unit` says; else what the place's own name ends with, as in ``pollIntervalMs`` or
``retry_after_seconds``; else seconds. A text may name its unit: ``5s``. What is no such period is as good as none.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

from msgspec import UNSET, Struct

from .._reading.periods import UNITS, seconds_in
from .expressions import Expression
from .fields import Fields, Paths, TableError
from .paths import TEXT
from .reader import Layout

HintReader: TypeAlias = Callable[[bytes, str], float | None]
"""Takes a body and the id asked for, and returns seconds."""

_A_DAY = 86_400.0

_NAMED = re.compile(
    r"(?i:(?P<ms>milli(?:second)?s)|(?P<s>sec(?:ond)?s)|(?P<m>min(?:ute)?s)|(?P<h>hours))"
    r"|(?:(?<=[a-z0-9])M|[_-]m)(?P<camel>s)|(?:[_-])(?P<sec>s)"
)
"""What a name ends with that says what its number counts; not any ``ms``, as in "params"."""


class HintTable(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a reply says when to come back.

    Attributes:
        path: The place.
        unit: What a number there counts; left out, the name of the place may say so, else it is seconds.
    """

    path: Paths
    unit: Literal["ms", "s", "m", "h", ""] = ""


HintPaths: TypeAlias = Paths | HintTable


def period_of(key: str, value: str | float) -> float:
    """Return the seconds of a period that a table gives, as a number or as a text.

    Raises:
        TableError: It is none, or not above 0, or longer than a day.
    """
    seconds = seconds_in(value.strip()) if isinstance(value, str) else float(value)
    if seconds is None or not 0.0 < seconds <= _A_DAY:
        raise TableError(
            (key,), f'{value!r} is no time above 0 and up to a day: write {key} = "30s", or 30 for seconds'
        )
    return seconds


def paths_of(hint: HintPaths) -> Paths:
    """Return the places."""
    return hint.path if isinstance(hint, HintTable) else hint


def hint_reader(
    hint: HintPaths, names: Mapping[str, object], root: Expression | None, given: Mapping[str, str]
) -> HintReader | None:
    """Return what reads when to come back; None where the table does not say where that is.

    Args:
        hint: What the table says.
        names: The names in braces that its expressions may hold.
        root: Where the job lies.
        given: The values of these names.

    Raises:
        TableError: What it says is no place.
    """
    paths = paths_of(hint)
    if not paths:
        return None
    key, unit = ("retry_after.path", hint.unit) if isinstance(hint, HintTable) else ("retry_after", "")
    units = [unit or unit_of(expression) for expression in Fields(names).expressions(key, paths)]
    fields = Fields(names, root)
    fields.want(key, paths, TEXT)
    compiled = fields.plan.loosely()
    layout, readers = Layout(compiled, fields.extractors(compiled)), fields.extractor(key, compiled)

    def read(body: bytes, job_id: str) -> float | None:
        whole = layout.decode(body)
        known = {**given, "job_id": job_id}
        base = None if whole is None else layout.base(whole, known)
        scope = layout.fields.scope(None if base is UNSET else base, whole, known)
        for reader, each in zip(readers, units, strict=True):
            value: Any = reader(scope)
            if value is not None and value is not UNSET and value != "":
                return _seconds(value, each)
        return None

    return read


def unit_of(expression: Expression) -> str:
    """Return what the name that a place ends with says that its number counts; seconds where it says nothing."""
    path = () if expression.place is None else expression.place.path
    name = next((step for step in reversed(path) if isinstance(step, str)), "")
    for found in _NAMED.finditer(name):
        if found.end() == len(name):
            unit = str(found.lastgroup)
            return {"camel": "ms", "sec": "s"}.get(unit, unit)
    return "s"


def _seconds(value: str | float, unit: str) -> float | None:
    seconds = seconds_in(value.strip(), unit) if isinstance(value, str) else value * UNITS[unit]
    return float(seconds) if seconds is not None and 0.0 <= seconds < math.inf else None
