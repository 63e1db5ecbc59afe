"""Headers of the caller's own, beside those that jobwatch and the API's table send: which of them may be sent. Pure.

Some gateways between a company and an API want one of theirs, or the API's vendor wants to know who asks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from .._models import printable
from .._reading.patterns import pattern
from .credentials import Credentials
from .secrets import is_secret_name

if TYPE_CHECKING:
    from .._reading.api import JobAPI

_OURS = pattern(
    r"accept|accept-encoding|cache-control|connection|content-.*|expect|host|if-.*|keep-alive|last-event-id|pragma"
    r"|proxy-.*|range|te|trailer|transfer-encoding|upgrade",
    re.IGNORECASE,
)
"""What makes a reply one that can be read, and the present one; and what is about a connection only."""


class ExtraHeaders(dict[str, str]):
    """Headers, whose values no repr shows.

    Args:
        given: The headers as the caller gave them, checked by `trouble`.
    """

    def __init__(self, given: object) -> None:
        self._is_mapping = given is None or isinstance(given, Mapping)
        super().__init__(cast("Mapping[str, str]", given) if given is not None and self._is_mapping else {})

    def __repr__(self) -> str:
        return f"ExtraHeaders({', '.join(map(str, self))})"

    def trouble(self, api: JobAPI, *, has_token: bool) -> str | None:
        """Return why one cannot be sent, by its name and never its value; None if all can.

        Args:
            api: The API, whose own headers go before these.
            has_token: Whether a token may be sent.
        """
        if not self._is_mapping:
            return "headers= is a mapping of names to values"
        if not self:
            return None
        if any(not isinstance(text, str) for each in self.items() for text in cast("tuple[object, object]", each)):
            return "the names and values of headers= are texts"
        seen: set[str] = set()
        for name in self:
            if (found := _owner(name, api, has_token=has_token)) is not None:
                return f"the header {printable(name)} {found}"
            if name.lower() in seen:
                return f"the header {printable(name)} is given twice"
            seen.add(name.lower())
        return Credentials(self, None).trouble()

    def open_names(self) -> frozenset[str]:
        """Return the names of those that, by their names, hold no secret.

        What the server quotes back of them is masked all the same; but not whatever else happens to hold such a word.
        """
        return frozenset(name for name in self if not is_secret_name(name))


def _owner(name: str, api: JobAPI, *, has_token: bool) -> str | None:
    """Return why a header is not for the caller to set, or None if it is."""
    lower = name.lower()
    if has_token and api.token_query is None and lower == api.token_header.lower():
        return f"carries the token of {api.name}: give that as the token, by its variable, file or command"
    if lower in {each.lower() for each in (*api.headers, api.version_header or "")}:
        return f"is one that {api.name} sends by itself"
    if lower.startswith("proxy-"):
        return "is not for the API: the user and password of a proxy go into its URL"
    return "is jobwatch's own" if _OURS.fullmatch(name) else None
