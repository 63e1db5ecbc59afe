"""What a table says of replies in pages, checked, and made into values. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from .._models import JSON
from .._reading.bodies import Steps, at, decoder_of, plain, plain_body
from .._reading.pages import Items, Paging, says_more
from .evaluation import CannotEvaluate, begin
from .expressions import Expression
from .fields import ItemsTable, NextPage, NextTable, Paths, TableError, expression_at, several
from .paths import PART, Compiled, Plan

MOST_PAGES = 1000
_NAME = re.compile(r"[A-Za-z0-9_.~$-]+", re.ASCII)
_HEADER = re.compile(r"[A-Za-z0-9-]+", re.ASCII)


def paging_of(
    keys: Sequence[str],
    told: NextPage,
    *,
    most: int,
    names: Mapping[str, object],
    given: Mapping[str, str],
    root: Expression | None = None,
    sends_json: bool = False,
) -> Paging:
    """Return how a reply goes on.

    Args:
        keys: Where `told` stands in the table.
        told: What leads to the next page; nothing for the link header.
        most: How many pages are read.
        names: The parameters.
        given: Their values.
        root: Where the places start that do not start at the whole reply.
        sends_json: Whether the request has a body of JSON.

    Raises:
        TableError: It is wrong.
    """
    if not 2 <= most <= MOST_PAGES:
        raise TableError(("pages",), f"how many pages are read is a number from 2 to {MOST_PAGES}")
    table = told if isinstance(told, NextTable) else NextTable()
    if isinstance(told, NextTable):
        _check(keys, table, sends_json=sends_json)
    body = tuple(filter(None, table.body.split(".")))
    if table.header:
        name = table.header.lower()
        return Paging(most, _in_header(name), table.query, body, name)
    places = table.token if isinstance(told, NextTable) else told
    if not several(places):
        return Paging(most)
    return Paging(most, _in_body(keys, places, names, given, root), table.query, body, None)


def _check(keys: Sequence[str], table: NextTable, *, sends_json: bool) -> None:
    if bool(table.token) is bool(table.header):
        raise TableError(keys, 'it names one of token, a place, and header: write { token = "next", query = "page" }')
    if table.query and table.body:
        raise TableError(keys, "the token goes into the query or into the body, not both")
    if table.token and not (table.query or table.body):
        form = f'{{ token = {_shown(table.token)}, query = "page_token" }}'
        raise TableError(keys, f"nothing says where the token goes: write {form}; a URL is written by its place alone")
    if table.query and not _NAME.fullmatch(table.query):
        raise TableError((*keys, "query"), "it is the name of a parameter, such as page_token")
    if table.header and not _HEADER.fullmatch(table.header):
        raise TableError((*keys, "header"), "it is the name of a header, such as X-Next-Page")
    if table.body and not sends_json:
        raise TableError((*keys, "body"), "the request has no body that is a table, into which the token could go")


def _shown(paths: Paths) -> str:
    return f'"{several(paths)[0]}"'


def _in_header(name: str) -> Callable[[bytes, Mapping[str, str]], JSON]:
    return lambda _, headers: headers.get(name)


def _in_body(
    keys: Sequence[str], places: Paths, names: Mapping[str, object], given: Mapping[str, str], root: Expression | None
) -> Callable[[bytes, Mapping[str, str]], JSON]:
    plan = Plan(root)
    indexes = [plan.want(expression_at(keys, text, names), PART) for text in several(places)]
    typed, loose = plan.compiled(), plan.loosely()
    decode_typed, decode_loose = (decoder_of(each.type, is_typed=each.type is not Any) for each in (typed, loose))

    def read(body: bytes, _: Mapping[str, str]) -> JSON:
        begin(body)
        try:
            return _first(typed, indexes, decode_typed(body), given)
        except CannotEvaluate:
            raise
        except msgspec.ValidationError:
            return _first(loose, indexes, decode_loose(body), given)
        except (msgspec.DecodeError, UnicodeError):
            return None  # whoever reads the page itself says what is wrong with it

    return read


def _first(compiled: Compiled, indexes: Sequence[int], whole: object, given: Mapping[str, str]) -> JSON:
    """Return the first value that is found in a body."""
    base = None if whole is None else compiled.base(whole, given)
    if not compiled.is_scoped and (base is None or base is UNSET):
        return None
    scope = compiled.scope(None if base is UNSET else base, whole, given)
    found = (plain(compiled.readers[index](scope)) for index in indexes)
    return next((value for value in found if value is not None and value != ""), None)


def items_of(told: str | ItemsTable, paging: Paging, names: Mapping[str, object], root: Expression | None) -> Items:
    """Return how the pages of a job's list are joined.

    Raises:
        TableError: One of the places is none that can be joined at.
    """
    table = ItemsTable(told) if isinstance(told, str) else told
    where = ("items",) if isinstance(told, str) else ("items", "path")
    path = _steps(where, table.path, names, root)
    item_id = _steps(("items", "id"), table.id, names, None) if table.id else None
    total = _steps(("items", "total"), table.total, names, root) if table.total else None
    return Items(paging, path, item_id, total)


def _steps(keys: Sequence[str], text: str, names: Mapping[str, object], root: Expression | None) -> Steps:
    expression = expression_at(keys, text, names)
    place = expression.place
    if place is None or any(isinstance(step, int) for step in place.path):
        raise TableError(keys, f"{text!r} is to be a place of keys alone, such as data.items: conditions see the list")
    if place.whole or root is None:
        return place.path
    if root.place is None or any(isinstance(step, int) for step in root.place.path):
        raise TableError(keys, f"the job is looked for by root, so it starts at the whole reply: write $.{text}")
    return root.place.path + place.path


def goes_on_of(root: Expression, paging: Paging) -> Callable[[bytes, Mapping[str, str]], bool]:
    """Return what says whether the lists in which a job is looked for have further pages.

    Args:
        root: The expression that looks for it.
        paging: What leads to the next page.
    """

    def goes_on(body: bytes, headers: Mapping[str, str]) -> bool:
        if paging.next(body, headers) is not None:
            return True
        whole = plain_body(body)
        return any(_says_more_at(whole, place.path, headers) for place in root.places)

    return goes_on


def _says_more_at(whole: JSON, path: Steps, headers: Mapping[str, str]) -> bool:
    listed = at(whole, path)
    shown = len(listed) if isinstance(listed, list) else None
    return any(says_more(each, headers, shown) for each in (whole, at(whole, path[:-1]), listed))
