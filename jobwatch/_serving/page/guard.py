"""Which requests are answered, and what goes with each answer to keep a browser from being led astray. Pure.

1. A request names this server: its ``Host`` is an IP address, ``localhost`` or a name that the user gave. A name of
   somebody else's that leads here (DNS rebinding) is refused, whatever it asks for.
2. It comes from this page: ``Origin`` is the server itself, and ``Sec-Fetch-Site`` says so where a browser sends it.
   Only the page's own frame may be reached from elsewhere, as a link that somebody clicks.
3. What tells of jobs needs the key, as a bearer token: nothing that a browser adds to a request by itself. A browser
   gets the key for the word in a link, which is good once.

Sources: Fetch Metadata (https://www.w3.org/TR/fetch-metadata/), Content Security Policy Level 3
(https://www.w3.org/TR/CSP3/), Trusted Types (https://www.w3.org/TR/trusted-types/).
"""

from __future__ import annotations

import enum
import hmac
import re
from collections.abc import Collection

from msgspec import Struct

from .address import is_ip

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
"""Scripts, styles and requests of this server and of nobody else, none of them inline; no frame around the page; and
no text that becomes HTML, by any means."""

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""What goes with every answer."""

_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\[\]:@/?#\s]+)(?::[0-9]{1,5})?")


class Place(enum.Enum):
    """What of the server is asked for."""

    FRAME = "frame"
    """The page itself, which holds nothing."""
    PART = "part"
    """What the page is made of: scripts, styles, the icon."""
    ENTRY = "entry"
    """Where a browser gets the key."""
    NEWS = "news"
    """What is known of the jobs."""


class Asked(Struct, frozen=True, kw_only=True):
    """What matters of a request.

    Attributes:
        method: Its method.
        host: Its ``Host``; None where there is none, or more than one.
        origin: Its ``Origin``.
        site: Its ``Sec-Fetch-Site``.
        mode: Its ``Sec-Fetch-Mode``.
        dest: Its ``Sec-Fetch-Dest``.
        authorization: Its ``Authorization``.
    """

    method: str
    host: str | None
    origin: str | None = None
    site: str | None = None
    mode: str | None = None
    dest: str | None = None
    authorization: str | None = None


class Refusal(Struct, frozen=True):
    """Why a request is not answered.

    Attributes:
        status: The HTTP status.
        text: A sentence for whoever sees it.
    """

    status: int
    text: str


_ELSEWHERE = Refusal(403, "This comes from another page.")


def refusal(asked: Asked, place: Place, secret: str | None, names: Collection[str]) -> Refusal | None:
    """Return why a request is refused, or None if it is to be answered.

    Args:
        asked: The request.
        place: What it asks for.
        secret: What must be shown to get that; None if it holds nothing.
        names: The names, in small letters, that this server goes by, beside ``localhost`` and IP addresses.
    """
    if not _is_ours(asked.host, names):
        return Refusal(421, "This server does not go by that name.")
    if asked.method not in ({"POST"} if place is Place.ENTRY else {"GET", "HEAD"}):
        return Refusal(405, "There is nothing to change here.")
    if asked.origin is not None and not _is_same(asked.origin, asked.host or ""):
        return _ELSEWHERE
    if asked.site is not None and asked.site != "same-origin" and not _is_visit(asked, place):
        return _ELSEWHERE
    if secret is not None and not _shows(asked.authorization, secret):
        return Refusal(401, "The key is missing, or is not (any more) the one of this watch.")
    return None


def _is_ours(host: str | None, names: Collection[str]) -> bool:
    matched = _HOST.fullmatch(host or "")
    if matched is None:
        return False
    name = matched[1].lower().rstrip(".")
    # No name leads to an address that is written out, so nobody can have bent it. A port may be a tunnel's.
    return name == "localhost" or name in names or is_ip(name.removeprefix("[").removesuffix("]"))


def _is_same(origin: str, host: str) -> bool:
    """Return whether an origin is this server's, by the host that the same request names; TLS may end before us."""
    return origin.lower() in {f"http://{host.lower()}", f"https://{host.lower()}"}


def _is_visit(asked: Asked, place: Place) -> bool:
    """Return whether somebody goes to the page, by a link or by its address: a tab of its own, and no frame."""
    return place is Place.FRAME and asked.mode == "navigate" and asked.dest == "document"


def _shows(authorization: str | None, secret: str) -> bool:
    scheme, _, shown = (authorization or "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(shown.strip().encode("utf-8", "replace"), secret.encode())
