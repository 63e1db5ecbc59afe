"""A table's expressions and words, and what must hold of them whatever a reply says. Pure."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import msgspec

from .._models import ENDED, Phase
from .._reading.words import Word, Words, normalized, text_of
from .expressions import Expression, expression_of
from .fields import DECIDED, OF_REPLIES, TEXTS, TIMES_OF_JOB, Places, RequestTable, TableError, expression_at, several
from .hints import paths_of
from .lasting import retention_places
from .onward import OnwardTable
from .proofs import bodies_of_nothing, constant, proved, says_empty, unproved, value_on
from .schema import Table

_ENDING = (*(f"{phase.value}_if" for phase in (*ENDED, Phase.BLOCKED)), *OF_REPLIES)
"""The keys of the conditions that must be proved by something that is there."""
_CONDITIONS = ("nothing_if", *OF_REPLIES, *DECIDED)


def root_of(table: Table) -> Expression | None:
    """Return the place in a reply where its job lies; None where that is the whole reply."""
    root = expression_at(("root",), table.root, table.params)
    if any(place.whole for place in root.places):
        raise TableError(("root",), "it starts at the whole reply as it is: leave $ out")
    return None if root.place is not None and not root.place.path else root


def expressions_of(table: Table, key: str, paths: Places) -> list[Expression]:
    """Return the expressions that stand under a key."""
    return [expression_at(key.split("."), text, table.params) for text in several(paths)]


def expression_names(table: Table) -> set[str]:
    """Return the parameters that stand in expressions."""
    found: set[str] = set()
    for text in _texts(table):
        if "{" in text:
            with contextlib.suppress(ValueError):  # it is refused where it is wanted, with its key
                found |= expression_of(text).names
    return found - {"job_id"}


def _texts(table: Table) -> Iterator[str]:
    """Yield every expression of the table."""
    keys = (
        "id",
        "status",
        "attempt",
        "error",
        "result",
        "asked",
        "started",
        "nothing_if",
        *DECIDED,
    )
    for key in OF_REPLIES:
        yield from several(table.paths_under(key))
    for key in (*keys, *TEXTS, *TIMES_OF_JOB):
        told = getattr(table, key)
        yield from several(told.path if isinstance(told, RequestTable) else told)
    for part in table.progress if isinstance(table.progress, list) else [table.progress]:
        for places in [part] if isinstance(part, str) else part.places():
            yield from several(places) if not isinstance(places, (int, float)) else ()
    for paths in table.times.values() if isinstance(table.times, dict) else [table.times or []]:
        yield from several(paths)
    for listed in (table.listing, table.batch):
        yield "@" if listed is None else listed.root
    yield from several(paths_of(table.retry_after))
    if table.events is not None:
        yield from (table.events.path, *several(table.events.status), *several(table.events.at))
    yield from retention_places(table.retention)
    if isinstance(table.continues_as, OnwardTable):
        onward = table.continues_as
        yield from (*several(onward.url), *several(onward.id), *several(onward.unless))
    else:
        yield from several(table.continues_as)
    yield table.root


def words_of(table: Table) -> Words:
    """Return what the words of a status mean.

    Raises:
        TableError: One means two things, or everything.
    """
    given: dict[str, list[Word]] = msgspec.structs.asdict(table.words)
    seen: dict[str, str] = {}
    for meaning, words in given.items():
        for word in words:
            if isinstance(word, str) and normalized(word) == "*":
                raise TableError(("words", meaning), f"{word!r} is every word: write what the word begins with")
            known = seen.setdefault(normalized(text_of(word)), meaning)
            if known != meaning:
                raise TableError(("words", meaning), f"{word!r} is among the words for {known} too")
    nothing = given.pop("nothing")
    return Words({Phase(phase): words for phase, words in given.items()}, nothing, table.status_prefix)


def check_ends(table: Table) -> None:
    """Refuse what would tell an end of a reply in which there is nothing, and what holds whatever a reply says.

    Raises:
        TableError: There is such a thing.
    """
    for key in _CONDITIONS:
        for expression in expressions_of(table, key, table.paths_under(key)):
            if (found := constant(expression)) is not None:
                told, meant = found
                trouble = f"'{told}' stands there by itself, and a text always holds"
                raise TableError(key.split("."), f"{trouble}; compare it, too: write {meant}")
    for key in _ENDING:
        for expression in expressions_of(table, key, table.paths_under(key)):
            if key == "missing_if" and says_empty(expression):
                continue  # the answer to a question for some jobs, of which there are none
            if (nothing := unproved(expression)) is not None:
                form = proved(expression)
                hint = f"write {form}" if form else "as in: exit_code && exit_code != `0`"
                trouble = f"{expression.text!r} holds where nothing is there ({nothing.shown}), which proves no end"
                raise TableError(key.split("."), f"{trouble}; {hint}")
    words = words_of(table)
    for expression in expressions_of(table, "status", table.status):
        if expression.place is not None:
            continue
        for nothing in bodies_of_nothing(expression):
            value = value_on(expression, nothing)
            if isinstance(value, (str, int, float)) and words.meaning(value)[1] in ENDED:
                trouble = f"{expression.text!r} is {value!r} where nothing is there ({nothing.shown})"
                raise TableError(("status",), f"{trouble}, and that is an end")


def status_of(key: str) -> int:
    """Return the HTTP status that a key of `http` is.

    Raises:
        TableError: It is none.
    """
    if not re.fullmatch(r"[2345]\d\d", key, re.ASCII):
        raise TableError(("http", key), "an HTTP status is a number from 200 to 599")
    return int(key)
