"""Replies that come in pages: where the next page is, and what the pages of a list come to together. Pure.

A page tells of the next one by a link header (RFC 8288, section 3), or where the table says. What is read of one page
after the other is no snapshot: what is on the list may move from page to page meanwhile. So a list of several pages
tells an end only where no item stands on it twice, no told total is missed, and a second reading shows the same.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Callable, Mapping, Sequence
from types import GenericAlias
from typing import Any

import msgspec
from msgspec import Raw, Struct

from .._models import JSON, Fault, FaultKind, Job
from .bodies import Steps, plain
from .patterns import pattern
from .problems import reported_error
from .words import normalized

MOST_PAGES = 50
"""How many pages are read where the table says nothing else."""

MOST_BYTES = 8 * 1024 * 1024
"""How large the pages of one list may be together."""

_MOST_COMMAS = 200_000
"""In one page: each item of a list takes its time, however small it is."""

_LINK = pattern(r"<([^<>]*)>([^<]*)")
_RELATION = pattern(r";\s*rel\s*=\s*\"?([^\";,]*)", re.IGNORECASE)
_ANCHOR = pattern(r";\s*anchor\s*=", re.IGNORECASE)
_URL = pattern(r"[/?]|https?://", re.IGNORECASE)
_COUNT = pattern(r"\d{1,15}", re.ASCII)
_LONGEST = 8 * 1024

_TOTALS = frozenset({"total", "totalcount", "totalsize", "totalitems", "totalresults", "totalelements", "totalrecords"})
"""What APIs call the number of items on all pages, beside the list; ``count`` is as often that of one page."""

TOTAL_HEADERS = ("x-total", "x-total-count")
NEXT_HEADERS = ("x-next-page",)
"""Which headers say the same: GitLab's and others'."""

_MORE = frozenset({"hasmore", "hasnext", "hasnextpage", "istruncated"})
_LAST = frozenset({"last", "islast", "lastpage", "islastpage"})
_PAGES = frozenset({"totalpages", "pagecount", "pagestotal", "numpages"})
_REMAINING = frozenset({"remainingitemcount"})
_NEXT = frozenset(
    {
        *("next", "nextpage", "nextpageurl", "nexturl", "nextlink", "@odata.nextlink"),
        *("nexttoken", "nextpagetoken", "nextcursor", "nextmarker", "continue", "continuationtoken"),
    }
)
_HOLD_THEM = frozenset({"links", "pagination", "paging", "meta", "metadata", "responsemetadata", "pageinfo", "page"})


class Step(Struct, frozen=True):
    """What leads to the next page: a URL, or a token to be sent with the same request."""

    text: str
    is_url: bool = True


class Paging(Struct, frozen=True):
    """How a reply goes on in further pages.

    Attributes:
        most: How many pages are read.
        read: Reads what leads to the next page from a body and its headers; raises ValueError where something stands
            there that cannot be that. Without it, the link header alone leads on.
        query: The parameter of the query that takes the token.
        body: Where the token goes in the JSON that is sent.
        header: The header that is read.
    """

    most: int = MOST_PAGES
    read: Callable[[bytes, Mapping[str, str]], JSON] | None = None
    query: str = ""
    body: Steps = ()
    header: str | None = "link"

    def next(self, body: bytes, headers: Mapping[str, str]) -> Step | Fault | None:
        """Return what leads to the page after one; None where it is the last one, a fault where that cannot be told."""
        if self.read is None:
            link = headers.get("link")
            url = None if link is None else next_link(link)
            return None if url is None else Step(url)
        try:
            told = self.read(body.removeprefix(BOM_UTF8), headers)
        except (ValueError, RecursionError):
            return _unusable("it cannot be read where the table says")
        if told is None or told is False or told in ("", [], {}):
            return None
        if isinstance(told, bool) or not isinstance(told, (str, int)) or len(text := str(told)) > _LONGEST:
            return _unusable("where the table says is neither a URL nor a token")
        is_token = bool(self.query or self.body)
        if not is_token and not _URL.match(text):
            return _unusable("where the table says is no URL: a token is written { token = ..., query = ... }")
        return Step(text, not is_token)


class Items(Struct, frozen=True):
    """A job that is told by a list in pages.

    Attributes:
        paging: How it goes on.
        path: Where the list lies in each page.
        id: Where the id of an item lies in it; without it, an ``id`` is taken where there are any.
        total: Where a page tells how many items there are in all; None for what is usual beside the list.
    """

    paging: Paging
    path: Steps = ()
    id: Steps | None = None
    total: Steps | None = None

    def joined(self, pages: Sequence[bytes]) -> bytes | Fault:
        """Return the first page with the items of all pages in its list.

        Args:
            pages: The bodies, in order. A page without a list is a fault, since nobody knows what it would have held.
        """
        if len(pages) == 1:
            return pages[0]
        if sum(map(len, pages)) > MOST_BYTES:
            return _unreadable(f"its {len(pages)} pages are too large together: over {MOST_BYTES} bytes")
        try:
            return self._joined(pages)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return _unreadable("a page is not JSON")
        except _NoListError as error:
            return _unreadable(str(error))

    def _joined(self, pages: Sequence[bytes]) -> bytes:
        items: list[Raw] = []
        pages = [page.removeprefix(BOM_UTF8) for page in pages]
        for number, page in enumerate(pages, 1):
            if page.count(b",") > _MOST_COMMAS:
                raise _NoListError("a page has more parts than any list of jobs has")
            part = _part_at(page, self.path)
            if bytes(part).strip() == b"null" and number > 1 and reported_error(page) is None:
                continue
            if not bytes(part).lstrip().startswith(b"["):
                raise _NoListError(f"page {number} has no list where its items should be")
            items += _LIST.decode(part)
        return _replaced(pages[0], self.path, items)

    def doubt(self, body: bytes, pages: int) -> str | None:
        """Return why a list proves no end; None where it may.

        Args:
            body: All of it, joined.
            pages: How many pages it was read of.
        """
        try:
            items = _part_at(body, self.path)
            ids = _ids(items, ("id",) if self.id is None else self.id)
            total = self._total(body)
        except (msgspec.MsgspecError, UnicodeError, RecursionError, _NoListError):
            return None if pages == 1 else "its items cannot be told apart"
        if total is not None and len(ids) < total:
            return f"{len(ids)} of its {total} items were told"
        if pages == 1 or (self.id is None and not any(ids)):
            return None  # where they have no ids, the total and the second reading are what there is
        return None if all(ids) and len(set(ids)) == len(ids) else "an item stands on its pages twice, or without an id"

    def _total(self, body: bytes) -> int | None:
        if self.total is not None:
            told = plain(_part_at(body, self.total))
            return told if isinstance(told, int) and not isinstance(told, bool) else None
        return told_total(_object(_part_at(body, self.path[:-1]))) if self.path else None


class _NoListError(Exception):
    """A page lacks its list."""


def confirmed(first: Job, second: Job) -> Job | Fault:
    """Return what two readings of several pages tell, one right after the other: an end only where both tell it."""
    if not second.phase.ended or (second.phase, second.status) == (first.phase, first.status):
        return second
    return _unreadable("two readings of its pages, one right after the other, tell of two ends")


def next_link(header: str) -> str | None:
    """Return the URL of the link with the relation ``next`` in a Link header. RFC 8288, section 3."""
    for url, params in _LINK.findall(header):
        relation = _RELATION.search(params)
        if relation is not None and "next" in relation[1].lower().split() and not _ANCHOR.search(params):
            return str(url).strip()
    return None


def told_total(beside: Mapping[str, Raw] | Mapping[str, JSON]) -> int | None:
    """Return how many items there are in all, as an object tells beside a list, by the names that are usual."""
    told = (plain(value) for key, value in beside.items() if normalized(key) in _TOTALS)
    return next((each for each in told if isinstance(each, int) and not isinstance(each, bool)), None)


def says_more(body: JSON, headers: Mapping[str, str], shown: int | None = None) -> bool:
    """Whether a reply says that it is not the whole of a list: by its header, or by one of the usual fields.

    Args:
        body: The reply, decoded.
        headers: Its headers.
        shown: How many items it shows, where that is known.
    """
    link = headers.get("link")
    if link is not None and next_link(link) is not None:
        return True
    counts = (int(told) for name in TOTAL_HEADERS if _COUNT.fullmatch(told := headers.get(name, "")))
    if any(map(headers.get, NEXT_HEADERS)) or (shown is not None and max(counts, default=0) > shown):
        return True
    if not isinstance(body, dict):
        return False
    held = (value for key, value in body.items() if normalized(key) in _HOLD_THEM)
    holders = [body, *(value for value in held if isinstance(value, dict))]
    totals = [0 if shown is None else told_total(holder) or 0 for holder in holders]
    return max(totals) > (shown or 0) or any(_says_more(key, value) for each in holders for key, value in each.items())


def _says_more(key: str, value: JSON) -> bool:
    name = normalized(key)
    if name in _MORE or name in _LAST:
        return value is (name in _MORE)
    if name in _PAGES or name in _REMAINING:
        return isinstance(value, int) and value is not True and value > (name in _PAGES)
    if key.lower().replace("_", "") not in _NEXT and name not in _NEXT:
        return False
    return bool(value) and value is not True and isinstance(value, (str, int, dict))


def _part_at(body: bytes | Raw, path: Steps) -> bytes | Raw:
    for step in path:
        body = _object(body).get(str(step), _NULL)
    return body


def _ids(items: bytes | Raw, path: Steps) -> list[bytes]:
    """Return the ids of the items of a list, as they stand there; an empty one for an item that has none."""
    kind: Any = Raw
    for step in reversed(path):
        field = ("inner", kind, _NOTHING) if kind is Raw else ("inner", kind | None, None)
        kind = msgspec.defstruct("Item", [field], rename={"inner": str(step)}, gc=False)
    try:
        found = msgspec.json.decode(items, type=GenericAlias(list, kind))
    except msgspec.ValidationError:  # such as texts
        return [b""] * len(_LIST.decode(items))
    return [_id(item, len(path)) for item in found]


def _id(item: Any, depth: int) -> bytes:
    for _ in range(depth):
        item = None if item is None else item.inner
    told = b"" if item is None else bytes(item)
    return b"" if told in (b"null", b'""', b"false", b"true") or told[:1] in (b"{", b"[") else told.strip(b'"')


def _replaced(part: bytes | Raw, path: Steps, items: list[Raw]) -> bytes:
    if not path:
        return msgspec.json.encode(items)
    holder = _object(part)
    step = str(path[0])
    return msgspec.json.encode(holder | {step: Raw(_replaced(holder.get(step, _NULL), path[1:], items))})


def _object(part: bytes | Raw) -> dict[str, Raw]:
    try:
        return _OBJECT.decode(part)
    except msgspec.ValidationError:
        raise _NoListError("a page has no object where its items should be") from None


def _unusable(why: str) -> Fault:
    return Fault(FaultKind.UNREADABLE, f"there may be a further page, but {why}")


def _unreadable(message: str) -> Fault:
    return Fault(FaultKind.UNREADABLE, message)


_NULL, _NOTHING = Raw(b"null"), Raw(b"")
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_LIST = msgspec.json.Decoder(list[Raw])
