"""What may become a URL: the base a user gives, the id of a job, the target of a redirect. Pure.

Nothing here is repaired. A URL that would have to be guessed at is refused before a request is sent.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .._errors import ConfigError
from .._models import Fault, FaultKind, printable
from .._reading.patterns import pattern
from .._table.templates import is_encoded_path

if TYPE_CHECKING:
    from urllib.parse import SplitResult

    from yarl import URL

_PORTS = {"https": 443, "http": 80}
_MAX_ID = 1024
_MAX_URL = 8192
PLAIN_ID = pattern(r"[0-9A-Za-z_-]{1,128}")  # nearly every id there is; it is its own quotation
UNRESERVED = pattern(r"[0-9A-Za-z_.~-]*")  # RFC 3986, section 2.3; it is its own quotation, too
_LABEL = pattern(r"[0-9A-Za-z_-]{1,63}")
_NO_AUTHORITY = pattern(r"(?:[A-Za-z][A-Za-z0-9+.-]*:(?!//[^/?#])|//(?![^/?#]))")
_NOT_IN_URL = pattern(r"[^\x21-\x7e]|[\\\"<>^`{|}]")


def quoted(text: str, safe: str = "") -> str:
    """Return a text percent-encoded, all but letters, digits, ``_.-~`` and what is safe beside."""
    if UNRESERVED.fullmatch(text):
        return text
    from urllib.parse import quote  # noqa: PLC0415 - it takes long to import, and most ids need none of it

    return quote(text, safe=safe)


def unquoted(text: str) -> str:
    """Return a text that was percent-encoded as it was before."""
    if "%" not in text:
        return text
    from urllib.parse import unquote  # noqa: PLC0415 - as above

    return unquote(text)


def split(url: str) -> SplitResult:
    """Return the parts of a URL, and raise what `urllib.parse.urlsplit` does."""
    from urllib.parse import urlsplit  # noqa: PLC0415 - as above

    return urlsplit(url)


def segment(job_id: str, what: str = "job") -> str:
    """Return an id quoted as exactly one path segment, so that it can neither leave its place in the path nor end it.

    Args:
        job_id: The id as the API gives it.
        what: What it is the id of, for the error.

    Returns:
        The id with everything but letters, digits and ``_.-~`` percent-encoded. RFC 3986, section 3.3.

    Raises:
        ConfigError: The id is empty, ``.`` or ``..``, longer than 1024 characters, or holds control characters,
            bidirectional overrides or other text that cannot be seen.
    """
    if PLAIN_ID.fullmatch(job_id):
        return job_id
    if not job_id or job_id in {".", ".."}:
        raise ConfigError(f"a {what} id cannot be {job_id!r}")
    if len(job_id) > _MAX_ID:
        raise ConfigError(f"a {what} id cannot be {len(job_id)} characters long; at most {_MAX_ID}")
    if not job_id.isprintable():
        raise ConfigError(f"a {what} id cannot hold invisible characters: {printable(job_id)}")
    return quoted(job_id)


def reserved(name: str) -> str:
    """Return a resource's name quoted as several path segments: its slashes, and colons and the like, stay.

    Raises:
        ConfigError: One of its segments is none: see `segment`.
    """
    parts = name.removeprefix("/").split("/")
    for part in parts:
        segment(part)
    return "/".join(quoted(part, "!$&'()*+,;=:@") for part in parts)


@functools.lru_cache(maxsize=128)
def origin_of(url: str) -> str:
    """Return the origin of a URL as text, without the port that its scheme has anyway. RFC 6454, section 6.2.

    Raises:
        ValueError: The URL cannot be read.
    """
    parts = split(url)
    port = "" if parts.port in (None, _PORTS.get(parts.scheme)) else f":{parts.port}"
    return f"{parts.scheme}://{parts.hostname or ''}{port}"


def unfit_for_url(text: str) -> bool:
    """Return whether a text holds characters that an encoded URL cannot. RFC 3986, appendix A."""
    return _NOT_IN_URL.search(text) is not None


def checked_base(base_url: str) -> tuple[str, str | None]:
    """Return a base URL encoded, and why it cannot be used; the reason never quotes it, as it may hold a password."""
    if not base_url.isprintable() or " " in base_url:
        return "", "the base URL holds spaces or invisible characters"
    try:
        parts = split(base_url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "", "the base URL cannot be read"
    if parts.scheme not in {"http", "https"} or not host:
        return "", "the base URL must start with https:// or http:// and a host name"
    if "@" in parts.netloc:
        return "", "the base URL must not hold a user or a password"
    if "?" in base_url or "#" in base_url:
        return "", "the base URL must not hold a query or a fragment"
    if parts.path and not is_encoded_path(parts.path):
        return "", "the path of the base URL is not encoded, or holds dot segments"
    from yarl import URL  # noqa: PLC0415  # a part of aiohttp's stack, which is imported late

    try:
        origin = URL(f"{parts.scheme}://{parts.netloc}").origin()
    except ValueError:
        return "", f"the host name of the base URL cannot be encoded: {printable(host)}"
    labels = (origin.raw_host or "").removesuffix(".").split(".")
    if ":" not in host and not all(_LABEL.fullmatch(label) for label in labels):
        return "", f"not a host name, or one with a label of more than 63 characters: {printable(host)}"
    return f"{origin}{parts.path}".rstrip("/"), None


def with_secret(target: str, secret: str) -> str:
    """Return a path and query with a parameter added to the query, in place of one that it has by that name.

    Args:
        target: The path and query, encoded.
        secret: The name and the value, encoded, with ``=`` between them.
    """
    path, _, query = target.partition("?")
    name = unquoted(secret.partition("=")[0])
    others = [part for part in query.split("&") if part and unquoted(part.partition("=")[0]) != name]
    return f"{path}?{'&'.join([*others, secret])}"


class Elsewhere(Fault, frozen=True):
    """A redirect to another origin that is allowed, but to which nothing of this one is to be sent."""

    url: str = ""

    def __repr__(self) -> str:
        return f"Elsewhere({self.message!r})"


@functools.lru_cache(maxsize=128)  # a reply names the same one at each look
def resolved(base: str, url: str) -> str | None:
    """Return a URL that a reply names, which may be relative to the one asked for; None where it is none."""
    from urllib.parse import urljoin  # noqa: PLC0415 - as above

    if not url or len(url) > _MAX_URL or unfit_for_url(url) or _NO_AUTHORITY.match(url):
        return None
    try:
        found = urljoin(base, url).partition("#")[0]
        parts = split(found)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not host or "@" in parts.netloc:
        return None
    path = parts.path or "/"
    return f"{origin_of(found)}{path}" + (f"?{parts.query}" if parts.query else "")


def next_url(
    url: URL, locations: Sequence[str], http_status: int, elsewhere: frozenset[str] = frozenset()
) -> URL | Fault:
    """Return where a redirect within the same origin leads, or why it is not followed. RFC 9110, section 10.2.2.

    Args:
        url: What was asked for.
        locations: The values of the header Location.
        http_status: The status of the redirect.
        elsewhere: Other origins that it may lead to: that is an `Elsewhere`.
    """
    from yarl import URL  # noqa: PLC0415  # a part of aiohttp's stack, which is imported late

    unusable = Fault(FaultKind.REFUSED, "redirected without one usable Location", http_status)
    if len(locations) != 1 or not locations[0] or unfit_for_url(locations[0]) or _NO_AUTHORITY.match(locations[0]):
        return unusable
    try:
        following = url.join(URL(locations[0], encoded=True))
        origin = following.origin()
        is_elsewhere = origin_of(str(following)) != origin_of(str(url))
    except Exception:  # noqa: BLE001 - the server's word: yarl trips over some in ways of its own
        return unusable
    if following.scheme not in {"http", "https"} or "@" in following.raw_authority:
        return unusable
    if is_elsewhere:
        where = printable(str(origin)[:200])
        if elsewhere and origin_of(str(following)) in elsewhere:
            return Elsewhere(FaultKind.REFUSED, f"redirected to {where}", http_status, url=str(following))
        return Fault(FaultKind.REFUSED, f"redirected to another origin, {where}: not followed", http_status)
    # On our own spelling of the origin, so that there is only one that a request can go to.
    return URL(f"{url.origin()}{following.raw_path_qs}", encoded=True)
