"""How long a server may hold a request until there is news (long polling), and where it is told so. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from . import templates
from .fields import TableError
from .hints import period_of

if TYPE_CHECKING:
    from .schema import Table

HOLD: Final = "{long_poll}"
"""What stands for the seconds, in the URL, a header or the body of the request for one job."""

_WHOLE = 1.0
"""What the server is told is whole seconds."""


def long_poll_of(table: Table) -> float:
    """Return for how long the server may hold the request for a job, in seconds; 0 if it is not to.

    Raises:
        TableError: It is no time of a second and more, or ``{long_poll}`` stands where it cannot, or without the key.
    """
    _check_places(table)
    if table.long_poll is None:
        if (place := _place_of(table)) is not None:
            trouble = f"{HOLD} is for how long the server may hold the request"
            raise TableError(place, f'{trouble}: say for how long at most, as in long_poll = "60s"')
        return 0.0
    seconds = period_of("long_poll", table.long_poll)
    if seconds < _WHOLE:
        raise TableError(("long_poll",), 'the server is told whole seconds: write long_poll = "1s" or more')
    return seconds


def _place_of(table: Table) -> tuple[str, ...] | None:
    """Return the first key that holds the name in braces where that may be, if one does."""
    for name, text in table.headers.items():
        if HOLD in text:
            return "headers", name
    if "long_poll" in templates.names_in([table.job]):
        return ("job",)
    return ("body",) if HOLD in str(table.body) else None


def _check_places(table: Table) -> None:
    if table.long_poll is not None and table.items:
        raise TableError(("long_poll",), "a job that is told by the items of a list is read in pages, which none holds")
    elsewhere = {"list": table.listing, "batch": table.batch, "events": table.events}
    for key, part in elsewhere.items():
        if part is not None and HOLD in f"{part.request} {getattr(part, 'body', None)}":
            raise TableError((key, "request"), f"{HOLD} can stand in the request for one job only, which may be held")
    if HOLD in table.base_url:
        raise TableError(("base_url",), f"{HOLD} can stand in job, headers and body only")
